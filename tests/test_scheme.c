/* tests/test_scheme.c - scheme texts: valid ones and their canonical form, invalid ones and what is
 * proposed instead, the round trip over every scheme, shapes of scales.
 * SPDX-License-Identifier: MIT */
#include <whit/pack.h>
#include <whit/quant.h>

#include "check.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static int same(const whit_scheme *a, const whit_scheme *b)
{
    return a->kind == b->kind && a->bits == b->bits && a->asym == b->asym && a->gran == b->gran &&
           a->group == b->group && a->scale_type == b->scale_type && a->a8 == b->a8;
}

static void test_valid(void)
{
    static const struct {
        const char *text, *canonical;
        whit_scheme want;
    } cases[] = {
        /* case, order, what is left out */
        { "INT4-ASYM-G64", "int4-g64-asym", { WHIT_INT, 4, 1, WHIT_GRAN_GROUP, 64, WHIT_F16 } },
        { "int4-sf32-asym-g64",
          "int4-g64-asym-sf32",
          { WHIT_INT, 4, 1, WHIT_GRAN_GROUP, 64, WHIT_F32 } },
        { "int4-sf16", "int4-g128", { WHIT_INT, 4, 0, WHIT_GRAN_GROUP, 128, WHIT_F16 } },
        { "INT8-A8",
          "int8-channel-a8",
          { WHIT_INT, 8, 0, WHIT_GRAN_CHANNEL, 0, WHIT_F32, .a8 = 1 } },
        { "int8-A8S-tensor",
          "int8-tensor-a8s",
          { WHIT_INT, 8, 0, WHIT_GRAN_TENSOR, 0, WHIT_F32, .a8 = WHIT_A8_STATIC } },
        { "fp8_e4m3-a8-tensor",
          "fp8_e4m3-tensor-a8",
          { WHIT_FP8_E4M3, 8, 0, WHIT_GRAN_TENSOR, 0, WHIT_F32, .a8 = 1 } },
        { "int4-sf16-channel",
          "int4-channel-sf16",
          { WHIT_INT, 4, 0, WHIT_GRAN_CHANNEL, 0, WHIT_F16 } },
        { "int4-channel-sf32", "int4-channel", { WHIT_INT, 4, 0, WHIT_GRAN_CHANNEL, 0, WHIT_F32 } },
        { "int8-asym", "int8-channel-asym", { WHIT_INT, 8, 1, WHIT_GRAN_CHANNEL, 0, WHIT_F32 } },
        { "int8", "int8-channel", { WHIT_INT, 8, 0, WHIT_GRAN_CHANNEL, 0, WHIT_F32 } },
        { "int8-g2", "int8-g2", { WHIT_INT, 8, 0, WHIT_GRAN_GROUP, 2, WHIT_F16 } },
        { "int2", "int2-g128", { WHIT_INT, 2, 0, WHIT_GRAN_GROUP, 128, WHIT_F16 } },
        { "int7-tensor", "int7-tensor", { WHIT_INT, 7, 0, WHIT_GRAN_TENSOR, 0, WHIT_F32 } },
        { "int3-g65536-sbf16",
          "int3-g65536-sbf16",
          { WHIT_INT, 3, 0, WHIT_GRAN_GROUP, 65536, WHIT_BF16 } },
        { "Nf4", "nf4-g64", { WHIT_NF4, 4, 0, WHIT_GRAN_GROUP, 64, WHIT_F16 } },
        { "nf4-tensor-sbf16",
          "nf4-tensor-sbf16",
          { WHIT_NF4, 4, 0, WHIT_GRAN_TENSOR, 0, WHIT_BF16 } },
        { "f16", "f16", { WHIT_TO_F16, 0, 0, WHIT_GRAN_NONE, 0, WHIT_F32 } },
        { "BF16", "bf16", { WHIT_TO_BF16, 0, 0, WHIT_GRAN_NONE, 0, WHIT_F32 } },
        { "f32", "f32", { WHIT_TO_F32, 0, 0, WHIT_GRAN_NONE, 0, WHIT_F32 } },
        { "keep", "keep", { WHIT_KEEP, 0, 0, WHIT_GRAN_NONE, 0, WHIT_F32 } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_scheme s;
        whit_error err = { WHIT_OK, "" };
        char text[WHIT_SCHEME_TEXT];
        CHECK(whit_scheme_parse(&s, cases[i].text, &err) == WHIT_OK, "%s: %s", cases[i].text,
              err.msg);
        CHECK(same(&s, &cases[i].want), "%s", cases[i].text);
        CHECK(whit_scheme_print(&s, text) == text, "%s", cases[i].text);
        CHECK(strcmp(text, cases[i].canonical) == 0, "%s printed as %s", cases[i].text, text);
    }
}

static void test_invalid(void)
{
    static const struct {
        const char *text, *nearest, *why;
    } cases[] = {
        { "", NULL, "unknown kind" },
        { "-", NULL, "unknown kind" },
        { "int", "int4-g128", "unknown kind" },
        { "int1", "int2-g128", "unknown kind" },
        { "INT9", "int8-channel", "unknown kind" },
        { "int04", "int4-g128", "unknown kind" },
        { "int4 ", "int4-g128", "unknown kind" },
        { " int4", "int4-g128", "unknown kind" },
        { "int4g64", "int4-g64", "unknown kind" },
        { "int4_g64", "int4-g64", "unknown kind" },
        { "int4-64", "int4-g64", "unknown part" },
        { "int4-g", "int4-g128", "unknown part" },
        { "int4-g0", NULL, "a group is g2 to g65536" },
        { "int4-g1", "int4-g16", "a group is g2 to g65536" },
        { "int4-g65537", "int4-g65536", "a group is g2 to g65536" },
        { "int4-g4294967298", NULL, "a group is g2 to g65536" }, /* 2 modulo 2^32 */
        { "int4-g064", "int4-g64", "a group is g2 to g65536" },
        { "int4-g6 4", "int4-g64", "a group is g2 to g65536" },
        { "int4-g+64", "int4-g64", "unknown part" },
        { "int4-", "int4-g128", "a part is empty" },
        { "int4--g64", "int4-g64", "a part is empty" },
        { "int4-g64-", "int4-g64", "a part is empty" },
        { "int4-g64-g64", "int4-g64", "two parts of one sort" },
        { "int4-channel-g64", NULL, "two parts of one sort" },
        { "int4-asym-asym", "int4-g128-asym", "two parts of one sort" },
        { "int4-sf16-sf32", NULL, "two parts of one sort" },
        { "int4-sym", "int4-g128-asym", "unknown part" },
        { "int8-chanel", "int8-channel", "unknown part" },
        { "int8-per-tensor", "int8-tensor", "unknown part" },
        { "nf4-g96-asym", "nf4-g96", "this kind has no such part" }, /* the group stays */
        { "f16-g64", NULL, "this kind has no such part" },
        { "nf4-a8", NULL, "this kind has no such part" },
        { "int8-a8-a8s", NULL, "two parts of one sort" },
        { "keep-sf16", NULL, "this kind has no such part" },
        { "fp16", "f16", "unknown kind" },
        { "kep", "keep", "unknown kind" },
        { "int4-g64-sf8", "int4-g64", "unknown part" },
        { "q4_0-g64", "q4_0", "this kind has no such part" },
        { "Q6_K-", "q6_k", "this kind has no such part" },
        { "q4k", "q4_k", "unknown kind" },
        { "q4_k_", "q4_k", "unknown kind" },
        { "iq4-xs", "iq4_xs", "unknown kind" },
        { "tq3_0", NULL, "unknown kind" },
        { "int4-g128-asym-sf16-and-a-lot-that-is-much-too-long", "int4-g128-asym",
          "longer than any" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_scheme s = { WHIT_NF4, 4, 0, WHIT_GRAN_GROUP, 64, WHIT_F16 };
        whit_error err = { WHIT_OK, "" };
        char want[128];
        CHECK(whit_scheme_parse(&s, cases[i].text, &err) == WHIT_ERR_ARG, "%s", cases[i].text);
        CHECK(err.code == WHIT_ERR_ARG, "%s", cases[i].text);
        CHECK(s.kind == WHIT_KEEP && s.bits == 0, "%s: out is set", cases[i].text);
        snprintf(want, sizeof want, "scheme '%s': %s", cases[i].text, cases[i].why);
        CHECK(strncmp(err.msg, want, strlen(want)) == 0, "%s: %s", cases[i].text, err.msg);
        const char *best = strstr(err.msg, "; try: ");
        CHECK(best != NULL, "%s: %s", cases[i].text, err.msg);
        if (!best) continue;
        best += strlen("; try: ");
        CHECK(!cases[i].nearest || strcmp(best, cases[i].nearest) == 0, "%s: %s", cases[i].text,
              err.msg);
        CHECK(whit_scheme_parse(&s, best, NULL) == WHIT_OK, "proposed %s", best);
    }
    whit_scheme s;
    CHECK(whit_scheme_parse(&s, NULL, NULL) == WHIT_ERR_ARG, "NULL");
    CHECK(whit_scheme_parse(&s, "int4-g1", NULL) == WHIT_ERR_ARG, "without an error to fill");
}

/* print gives a text that parse turns into the same scheme, for every scheme there is. */
static void test_round_trip(void)
{
    static const whit_gran grans[] = { WHIT_GRAN_TENSOR, WHIT_GRAN_CHANNEL, WHIT_GRAN_GROUP };
    static const whit_dtype scales[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    static const uint32_t groups[] = { 2, 3, 9, 10, 128, 9999, 65535, 65536 };
    for (unsigned n = 0; n < 8u * 2 * 3 * 3 * COUNT(groups); n++) {
        unsigned k = n;
        whit_scheme s = { .kind = WHIT_INT }, back;
        char text[WHIT_SCHEME_TEXT], again[WHIT_SCHEME_TEXT];
        s.group = groups[k % COUNT(groups)], k /= COUNT(groups);
        s.gran = grans[k % 3], k /= 3;
        s.scale_type = scales[k % 3], k /= 3;
        s.asym = k % 2, k /= 2;
        s.bits = 2 + k;
        if (s.gran != WHIT_GRAN_GROUP) s.group = 0;
        if (s.bits == 9) s.kind = WHIT_NF4, s.bits = 4, s.asym = 0;
        whit_scheme_print(&s, text);
        CHECK(whit_scheme_parse(&back, text, NULL) == WHIT_OK, "%s", text);
        CHECK(same(&s, &back), "%s", text);
        CHECK(strcmp(whit_scheme_print(&back, again), text) == 0, "%s, then %s", text, again);
    }
}

/* The types of GGUF have their names, but for two that are kinds of ours, too. */
static void test_blocks(void)
{
    for (int b = WHIT_BLOCK_NONE; b <= WHIT_BLOCK_COUNT; b++) {
        const whit_block_info *info = whit_block_describe((whit_block)b);
        const whit_scheme s = { .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = (whit_block)b };
        const int ours = b == WHIT_BLOCK_MXFP4 || b == WHIT_BLOCK_NVFP4;
        char text[WHIT_SCHEME_TEXT];
        whit_scheme back;
        uint64_t rows, cols;
        whit_scheme_print(&s, text);
        CHECK(strcmp(text, info ? info->lower : "?") == 0, "%d: %s", b, text);
        CHECK(whit_scheme_is_quantized(&s) == (info != NULL), "%d", b);
        CHECK(whit_native_planes(&s, 4, 256, (whit_plane[WHIT_MAX_PLANES]){ { 0 } }, NULL) == 0,
              "%s is in no native file", text);
        if (!info) continue;
        CHECK(whit_scheme_parse(&back, info->name, NULL) == WHIT_OK, "%s", info->name);
        CHECK(ours || (same(&back, &s) && back.block == s.block), "%s", info->name);
        CHECK(!ours || (back.kind != WHIT_GGUF && back.block == WHIT_BLOCK_NONE), "%s", text);
        whit_scheme_scales(&s, 4, 256, &rows, &cols);
        CHECK(rows == 0 && cols == 0 && whit_scheme_zero_code(&s) == 0, "%s: no planes", text);
        whit_quant_spec spec = { .struct_size = sizeof spec, .scheme = s };
        uint8_t codes[256];
        float w[256] = { 0 }, scale[256];
        CHECK(whit_quantize(w, 1, 256, &spec, codes, scale, NULL, NULL, NULL) == WHIT_ERR_ARG &&
                  whit_dequantize(codes, scale, NULL, 1, 256, &s, w, NULL) == WHIT_ERR_ARG,
              "%s: blocks are no codes", text);
    }
}

/* Whatever is proposed for a damaged text is valid and canonical. */
static void test_nearest_is_valid(void)
{
    static const char letters[] = "int48gbfsakepx-0123 \xc3\xa9";
    check_rng r = { 5 };
    for (int n = 0; n < 300; n++) {
        char text[24];
        size_t len = (size_t)check_below(&r, sizeof text);
        for (size_t i = 0; i < len; i++) text[i] = letters[check_below(&r, sizeof letters - 1)];
        text[len] = 0;
        whit_scheme s;
        whit_error err = { WHIT_OK, "" };
        if (whit_scheme_parse(&s, text, &err) == WHIT_OK) continue;
        const char *best = strstr(err.msg, "; try: ");
        char again[WHIT_SCHEME_TEXT];
        CHECK(best && whit_scheme_parse(&s, best + 7, NULL) == WHIT_OK, "%s: %s", text, err.msg);
        CHECK(best && strcmp(whit_scheme_print(&s, again), best + 7) == 0, "%s", err.msg);
    }
}

static void test_shapes(void)
{
    static const struct {
        const char *text;
        uint64_t rows, cols, scale_rows, scale_cols;
        int quantized;
        unsigned zero_code;
    } cases[] = {
        { "int4-g128", 3, 129, 3, 2, 1, 8 }, /* short last group */
        { "int4-g128", 3, 128, 3, 1, 1, 8 },
        { "int4-g128", 3, 5, 3, 1, 1, 8 },
        { "int4-g128", 3, 0, 3, 0, 1, 8 },
        { "int2-g2", 1, UINT64_MAX, 1, UINT64_MAX / 2 + 1, 1, 2 }, /* no wrap */
        { "int8-channel", 7, 100, 7, 1, 1, 128 },
        { "int8-tensor", 7, 100, 1, 1, 1, 128 },
        { "int3-asym", 7, 256, 7, 2, 1, 0 },
        { "int5", 1, 1, 1, 1, 1, 16 },
        { "nf4", 2, 65, 2, 2, 1, 7 },
        { "f16", 7, 100, 0, 0, 0, 0 },
        { "keep", 7, 100, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_scheme s;
        uint64_t rows = 99, cols = 99;
        whit_scheme_parse(&s, cases[i].text, NULL);
        whit_scheme_scales(&s, cases[i].rows, cases[i].cols, &rows, &cols);
        CHECK(rows == cases[i].scale_rows && cols == cases[i].scale_cols, "row %zu: %llu x %llu", i,
              (unsigned long long)rows, (unsigned long long)cols);
        CHECK(whit_scheme_is_quantized(&s) == cases[i].quantized, "%s", cases[i].text);
        CHECK(whit_scheme_zero_code(&s) == cases[i].zero_code, "%s", cases[i].text);
    }
    /* What no text stands for: no crash, no codes. */
    whit_scheme odd = { WHIT_INT, 9, 0, WHIT_GRAN_GROUP, 0, WHIT_F16 };
    uint64_t rows, cols;
    char text[WHIT_SCHEME_TEXT];
    CHECK(strcmp(whit_scheme_print(&odd, text), "?") == 0, "%s", text);
    CHECK(whit_scheme_is_quantized(&odd) == 0, "9 bits");
    CHECK(whit_scheme_zero_code(&odd) == 0, "9 bits");
    whit_scheme_scales(&odd, 3, 3, &rows, &cols);
    CHECK(rows == 0 && cols == 0, "group 0");
}

int main(void)
{
    test_valid();
    test_invalid();
    test_round_trip();
    test_blocks();
    test_nearest_is_valid();
    test_shapes();
    return check_result();
}
