/* tests/test_kernel_api.c - the calls of whit/kernel.h: what they refuse and say, what they report.
 * Not here: whether results are right (test_kernel_schemes.c), and the same (test_kernel_bits.c).
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include "kernel_make.h"

/* ---- what is refused ---- */

static void refused(whit_status got, whit_status want, const whit_error *err, const char *words)
{
    CHECK(got == want && err->code == want, "%s: %d", words, (int)got);
    CHECK(strstr(err->msg, words) != NULL, "\"%s\" does not say \"%s\"", err->msg, words);
}

static void test_open(void)
{
    static const struct {
        whit_context_options o;
        const char *words;
    } wrong[] = {
        { { 0, 1, 0 }, "struct_size" },
        { { sizeof(whit_context_options) - 1, 1, 0 }, "struct_size" },
        { { sizeof(whit_context_options), 257, 0 }, "threads" },
        { { sizeof(whit_context_options), 1, -2 }, "spin_us" },
    };
    whit_error err = { WHIT_OK, "" };
    refused(whit_context_open(NULL, NULL, &err), WHIT_ERR_ARG, &err, "null");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        whit_context *c = (whit_context *)&err;
        refused(whit_context_open(&c, &wrong[i].o, &err), WHIT_ERR_ARG, &err, wrong[i].words);
        CHECK(!c, "%s: not NULL", wrong[i].words);
        CHECK(whit_context_open(&c, &wrong[i].o, NULL) == WHIT_ERR_ARG, "without an error");
    }
    whit_context *c = NULL;
    CHECK(whit_context_open(&c, NULL, NULL) == WHIT_OK && c, "without options");
    CHECK(c && whit_context_threads(c) >= 1, "no threads");
    whit_context_close(c);
    whit_context_close(NULL);
    static const unsigned threads[] = { 1, 2, 7, 256 };
    for (size_t i = 0; i < COUNT(threads); i++) {
        c = kernel_context(threads[i], -1);
        CHECK(whit_context_threads(c) == threads[i], "%u threads", whit_context_threads(c));
        whit_context_close(c);
    }
}

static void test_isa(void)
{
    const char *set = getenv("WHIT_ISA");
    char *kept = set ? strdup(set) : NULL;
    whit_context *c = NULL;
    whit_error err = { WHIT_OK, "" };
    setenv("WHIT_ISA", "sse9", 1);
    refused(whit_context_open(&c, NULL, &err), WHIT_ERR_ARG, &err, "WHIT_ISA=sse9");
    CHECK(!c, "not NULL");
    if (kept)
        setenv("WHIT_ISA", kept, 1);
    else
        unsetenv("WHIT_ISA");
    free(kept);
}

static void test_from_codes(whit_context *context)
{
    static const uint8_t codes[64] = { 0 }, zero[64] = { 0 };
    static const float scale[64] = { 0 };
    const whit_scheme good = kernel_scheme("int4-g32"), asym = kernel_scheme("int4-g32-asym");
    whit_scheme wide = good, narrow = good, nowhere = good, loose = good, unknown = good;
    whit_scheme plain = good;
    wide.bits = 9;
    narrow.bits = 1;
    nowhere.group = 0;
    loose.gran = WHIT_GRAN_NONE;
    unknown.kind = (whit_kind)77;
    plain.kind = WHIT_TO_F32;
    const struct {
        whit_context *context;
        const whit_scheme *scheme;
        uint64_t rows, cols;
        const uint8_t *codes;
        const float *scale;
        const uint8_t *zero;
        const char *words;
    } wrong[] = {
        { NULL, &good, 2, 32, codes, scale, NULL, "null" },
        { context, NULL, 2, 32, codes, scale, NULL, "null" },
        { context, &good, 2, 32, NULL, scale, NULL, "null" },
        { context, &good, 2, 32, codes, NULL, NULL, "null" },
        { context, &asym, 2, 32, codes, scale, NULL, "asym needs zero points" },
        { context, &plain, 2, 32, codes, scale, NULL, "stores no codes" },
        { context, &unknown, 2, 32, codes, scale, NULL, "stores no codes" },
        { context, &wide, 2, 32, codes, scale, NULL, "stores no codes" },
        { context, &narrow, 2, 32, codes, scale, NULL, "stores no codes" },
        { context, &nowhere, 2, 32, codes, scale, NULL, "a group of 0" },
        { context, &loose, 2, 32, codes, scale, NULL, "no granularity" },
        { context, &good, 0, 32, codes, scale, NULL, "rows and columns" },
        { context, &good, 2, 0, codes, scale, NULL, "rows and columns" },
    };
    whit_error err = { WHIT_OK, "" };
    refused(whit_weight_from_codes(NULL, context, &good, 2, 32, codes, scale, NULL, &err),
            WHIT_ERR_ARG, &err, "null");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        whit_weight *w = (whit_weight *)&err;
        err = (whit_error){ WHIT_OK, "" };
        const whit_status st = whit_weight_from_codes(&w, wrong[i].context, wrong[i].scheme,
                                                      wrong[i].rows, wrong[i].cols, wrong[i].codes,
                                                      wrong[i].scale, wrong[i].zero, &err);
        refused(st, WHIT_ERR_ARG, &err, wrong[i].words);
        CHECK(!w, "case %zu: not NULL", i);
    }
    whit_weight *w = NULL; /* zero points that the scheme has no use for are no error */
    CHECK(whit_weight_from_codes(&w, context, &good, 2, 32, codes, scale, zero, &err) == WHIT_OK,
          "%s", err.msg);
    whit_weight_free(w);
    whit_weight_free(NULL);
}

static void test_from_floats(whit_context *context)
{
    static const float data[64] = { 0 };
    static const whit_dtype types[] = { WHIT_I8, WHIT_U8, WHIT_F64, WHIT_F8_E4M3, WHIT_BOOL };
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    refused(whit_weight_from_floats(NULL, context, WHIT_F32, 2, 2, data, &err), WHIT_ERR_ARG, &err,
            "null");
    refused(whit_weight_from_floats(&w, NULL, WHIT_F32, 2, 2, data, &err), WHIT_ERR_ARG, &err,
            "null");
    refused(whit_weight_from_floats(&w, context, WHIT_F32, 2, 2, NULL, &err), WHIT_ERR_ARG, &err,
            "null");
    refused(whit_weight_from_floats(&w, context, WHIT_F32, 0, 2, data, &err), WHIT_ERR_ARG, &err,
            "rows and columns");
    refused(whit_weight_from_floats(&w, context, WHIT_F32, 2, 0, data, &err), WHIT_ERR_ARG, &err,
            "rows and columns");
    refused(whit_weight_from_floats(&w, context, WHIT_F32, UINT64_MAX, 2, data, &err), WHIT_ERR_ARG,
            &err, "2^31");
    for (size_t i = 0; i < COUNT(types); i++) {
        refused(whit_weight_from_floats(&w, context, types[i], 2, 2, data, &err), WHIT_ERR_ARG,
                &err, whit_dtype_name(types[i]));
        CHECK(!w, "%s: not NULL", whit_dtype_name(types[i]));
    }
}

static void test_load(whit_context *context)
{
    static const struct {
        const char *name;
        whit_status want;
        const char *words;
    } cases[] = {
        { "matrix", WHIT_OK, "" },
        { "vector", WHIT_ERR_ARG, "two dimensions" },
        { "scalar", WHIT_ERR_ARG, "two dimensions" },
        { "empty", WHIT_ERR_ARG, "rows and columns" },
        { "integers", WHIT_ERR_UNSUPPORTED, "I32" },
        { "doubles", WHIT_OK, "" },
    };
    static const char header[] =
        "{\"matrix\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"vector\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,32]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[32,36]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[36,36]},"
        "\"integers\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[36,52]},"
        "\"doubles\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[52,68]}}";
    static const unsigned char data[68] = { [58] = 0xf0, [59] = 0x3f, [66] = 0xf8, [67] = 0x3f };
    scratch s;
    char path[SCRATCH_PATH];
    whit_source *source = NULL;
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    scratch_make(&s);
    scratch_safetensors(&s, "m.safetensors", header, data, sizeof data);
    CHECK(whit_source_open(&source, scratch_path(&s, "m.safetensors", path), &err) == WHIT_OK, "%s",
          err.msg);
    for (size_t i = 0; i < COUNT(cases) && source; i++) {
        const size_t index = whit_source_find(source, cases[i].name);
        err = (whit_error){ WHIT_OK, "" };
        refused(whit_weight_load(&w, context, source, index, &err), cases[i].want, &err,
                cases[i].words);
        CHECK((w != NULL) == (cases[i].want == WHIT_OK), "%s", cases[i].name);
        if (w && strcmp(cases[i].name, "doubles") == 0) {
            const float x[2] = { 3, 5 };
            float y = 0;
            whit_weight_info info;
            whit_weight_describe(w, &info);
            CHECK(info.decoded && info.scheme.kind == WHIT_KEEP && strcmp(info.form, "f32") == 0,
                  "doubles as %s", info.form);
            CHECK(whit_matmul(context, w, WHIT_ACTS_F32, x, 1, &y, &err) == WHIT_OK && y == 10.5f,
                  "%s: %g", err.msg, (double)y);
        }
        whit_weight_free(w);
    }
    refused(whit_weight_load(&w, context, source, 6, &err), WHIT_ERR_ARG, &err, "no such tensor");
    refused(whit_weight_load(&w, context, NULL, 0, &err), WHIT_ERR_ARG, &err, "null");
    refused(whit_weight_load(&w, NULL, source, 0, &err), WHIT_ERR_ARG, &err, "null");
    refused(whit_weight_load(NULL, context, source, 0, &err), WHIT_ERR_ARG, &err, "null");
    whit_source_close(source);
    scratch_remove(&s);
}

static void test_matmul_refuses(whit_context *context)
{
    whit_context *other = kernel_context(1, 0);
    whit_weight *w = kernel_weight(context, "int4-g32", 5, 64),
                *foreign = kernel_weight(other, "int4-g32", 5, 64);
    whit_weight *eight = kernel_weight(context, "fp8_e4m3", 5, 64),
                *plain = kernel_weight(context, "f16", 5, 64);
    float x[64] = { 0 }, y[5] = { 1, 2, 3, 4, 5 };
    const float before[5] = { 1, 2, 3, 4, 5 };
    const struct {
        whit_context *context;
        const whit_weight *w;
        whit_acts acts;
        const float *x;
        float *y;
        whit_status want;
        const char *words;
    } wrong[] = {
        { NULL, w, WHIT_ACTS_F32, x, y, WHIT_ERR_ARG, "null" },
        { context, NULL, WHIT_ACTS_F32, x, y, WHIT_ERR_ARG, "null" },
        { context, w, WHIT_ACTS_F32, NULL, y, WHIT_ERR_ARG, "null" },
        { context, w, WHIT_ACTS_F32, x, NULL, WHIT_ERR_ARG, "null" },
        { context, foreign, WHIT_ACTS_F32, x, y, WHIT_ERR_ARG, "another context" },
        { context, w, (whit_acts)3, x, y, WHIT_ERR_ARG, "activations" },
        { context, w, (whit_acts)-1, x, y, WHIT_ERR_ARG, "activations" },
        { context, eight, WHIT_ACTS_Q8, x, y, WHIT_ERR_UNSUPPORTED, "int8 activations" },
        { context, plain, WHIT_ACTS_Q8, x, y, WHIT_ERR_UNSUPPORTED, "int8 activations" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        whit_error err = { WHIT_OK, "" };
        refused(whit_matmul(wrong[i].context, wrong[i].w, wrong[i].acts, wrong[i].x, 1, wrong[i].y,
                            &err),
                wrong[i].want, &err, wrong[i].words);
        CHECK(memcmp(y, before, sizeof y) == 0, "case %zu: y was touched", i);
    }
    CHECK(whit_matmul(context, w, WHIT_ACTS_F32, NULL, 0, NULL, NULL) == WHIT_OK, "no tokens");
    CHECK(whit_matmul(context, w, WHIT_ACTS_Q8, x, 0, y, NULL) == WHIT_OK, "no tokens");
    CHECK(memcmp(y, before, sizeof y) == 0, "no tokens, but y was touched");
    whit_weight_free(w);
    whit_weight_free(eight);
    whit_weight_free(plain);
    whit_weight_free(foreign);
    whit_context_close(other);
}

/* ---- what is reported ---- */

static void test_describe(whit_context *context)
{
    enum { ROWS = 20, COLS = 96 };
    static const struct {
        const char *scheme, *form;
        int decoded, acts_q8;
        uint64_t bytes; /* panels of 16 rows: codes, scales, zero points; 0: not looked at */
    } cases[] = {
        { "f32", "f32", 0, 0, 32 * COLS * 4 },
        { "f16", "f16", 0, 0, 32 * COLS * 2 },
        { "bf16", "bf16", 0, 0, 32 * COLS * 2 },
        { "int8-channel", "q8c", 0, 1, 32 * COLS + 32 * 4 },
        { "int8-tensor", "q8c", 0, 1, 32 * COLS + 32 * 4 },
        { "int8-g32", "q8g", 0, 1, 0 },
        { "int8-g32-asym", "q8gz", 0, 1, 0 },
        { "int5-g64", "q5g", 0, 1, 0 },
        { "int5-channel", "q5c", 0, 1, 32 * COLS * 5 / 8 + 32 * 4 },
        { "int6-g32-sf32", "q6g", 0, 1, 32 * COLS * 6 / 8 + 32 * 3 * 4 },
        { "int7-channel", "q8c", 0, 1, 32 * COLS + 32 * 4 },
        { "int8-g128", "q8c", 0, 1, 0 }, /* the group is the row */
        { "int4-channel", "q4c", 0, 1, 32 * COLS / 2 + 32 * 4 },
        { "int4-g32-sf32", "q4g", 0, 1, 32 * COLS / 2 + 32 * 3 * 4 },
        { "int4-g32-asym-sf32", "q4gz", 0, 1, 32 * COLS / 2 + 32 * 3 * 5 },
        { "int2-g32", "q2g", 0, 1, 0 },
        { "int2-channel", "q2c", 0, 1, 32 * COLS / 4 + 32 * 4 },
        { "int3-channel-asym", "q3c", 0, 1, 32 * COLS * 3 / 8 + 32 * 5 },
        { "int4-g48", "f32", 1, 0, 32 * COLS * 4 },
        { "nf4-g64", "nf4b", 0, 1, 0 },
        { "fp4-g32", "nf4b", 0, 1, 0 },
        { "fp4bnb-g64", "nf4b", 0, 1, 0 },
        { "fp4-g48-sf32", "nf4b", 0, 1, 32 * COLS / 2 + 32 * 2 * 4 },
        { "mxfp4", "nf4b", 0, 1, 32 * COLS / 2 + 32 * 3 },
        { "nvfp4", "nf4b", 0, 1, 32 * COLS / 2 + 32 * 6 },
        { "fp8_e4m3", "f8c", 0, 0, 32 * COLS + 32 * 4 },
        { "fp8_e5m2-g32-sf32", "f8g", 0, 0, 32 * COLS + 32 * 3 * 4 },
        { "fp8_e4m3-block32x32", "f8g", 0, 0, 0 },
        { "fp8_e4m3-block32x8", "f32", 1, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const whit_scheme scheme = kernel_scheme(cases[i].scheme);
        whit_weight *w = kernel_weight(context, cases[i].scheme, ROWS, COLS);
        whit_weight_info info;
        char text[WHIT_SCHEME_TEXT], want[WHIT_SCHEME_TEXT];
        whit_weight_describe(w, &info);
        CHECK(info.rows == ROWS && info.cols == COLS, "%s: its shape", cases[i].scheme);
        CHECK(strcmp(info.form, cases[i].form) == 0, "%s: %s", cases[i].scheme, info.form);
        CHECK(info.decoded == cases[i].decoded && info.acts_q8 == cases[i].acts_q8,
              "%s: decoded %d, acts_q8 %d", cases[i].scheme, info.decoded, info.acts_q8);
        CHECK(strcmp(whit_scheme_print(&info.scheme, text), whit_scheme_print(&scheme, want)) == 0,
              "%s: %s", cases[i].scheme, text);
        CHECK(cases[i].bytes == 0 || cases[i].bytes == info.bytes, "%s: %llu octets",
              cases[i].scheme, (unsigned long long)info.bytes);
        whit_weight_free(w);
    }
}

int main(void)
{
    test_open();
    test_isa();
    whit_context *context = kernel_context(2, 0);
    test_from_codes(context);
    test_from_floats(context);
    test_load(context);
    test_matmul_refuses(context);
    test_describe(context);
    whit_context_close(context);
    return check_result();
}
