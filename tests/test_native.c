/* tests/test_native.c - the native file: its bytes as src/pack/native.c gives them, and files whose
 * metadata lies.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "jobs.h"

/* ---- the worked example ---------------------------------------------------------------------- */

static void worked_example(const scratch *s)
{
    static const float w[5] = { -8, -7, 0, 7, 3 };
    static const unsigned char q[3] = { 0x10, 0xf8, 0x00 }, scale[4] = { 0, 0x3c, 0, 0xb6 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    st_build b = { 0 };
    size_t len;
    st_add2(&b, "T", "F32", 1, 5, w, sizeof w);
    st_write(&b, s, "example.safetensors");
    job_quantize(scratch_path(s, "example.safetensors", in),
                 scratch_path(s, "native.safetensors", out),
                 &(job_ask){ .scheme = "int8", .rules = { "T=int4-g4" } });
    whit_source *o = job_open(out);
    const whit_file *f = whit_source_file(o);
    CHECK(whit_file_count(f) == 2, "%zu stored tensors", whit_file_count(f));
    unsigned char *got = job_bytes(o, "T.q", &len);
    CHECK(got && len == 3 && memcmp(got, q, 3) == 0, "T.q");
    free(got);
    got = job_bytes(o, "T.scale", &len);
    CHECK(got && len == 4 && memcmp(got, scale, 4) == 0, "T.scale");
    free(got);
    float *v = job_values(o, "T");
    CHECK(memcmp(v, w, 12) == 0 && v[3] == 7 && v[4] == 3, "the values");
    free(v);
    whit_source_close(o);
    /* The whole file: 4 is a larger power of two than 3 keeps, so T.scale comes first. */
    unsigned char *all = scratch_read(out, &len);
    CHECK(len > 7 && memcmp(all + len - 7, scale, 4) == 0 && memcmp(all + len - 3, q, 3) == 0,
          "the data section");
    CHECK((len - 7) % 64 == 0, "begins at %zu", len - 7);
    free(all);
    remove(in);
    remove(out);
}

/* ---- metadata that lies ---------------------------------------------------------------------- */

typedef struct stored {
    const char *name, *dtype;
    unsigned rank;
    uint64_t shape[4];
} stored;

#define Q                                                                                          \
    {                                                                                              \
        "T.q", "U8", 2,                                                                            \
        {                                                                                          \
            4, 4                                                                                   \
        }                                                                                          \
    }
#define SCALE                                                                                      \
    {                                                                                              \
        "T.scale", "F16", 2,                                                                       \
        {                                                                                          \
            4, 2                                                                                   \
        }                                                                                          \
    }
#define ZERO                                                                                       \
    {                                                                                              \
        "T.zero", "U8", 2,                                                                         \
        {                                                                                          \
            4, 2                                                                                   \
        }                                                                                          \
    }
#define PLAIN                                                                                      \
    {                                                                                              \
        "P", "F16", 1,                                                                             \
        {                                                                                          \
            8                                                                                      \
        }                                                                                          \
    }
#define T(scheme, shape, dtype)                                                                    \
    "{\"T\":{\"scheme\":\"" scheme "\",\"shape\":" shape ",\"dtype\":\"" dtype "\"}}"
#define GOOD T("int4-g4", "[4,8]", "F32")

static const struct hostile {
    const char *what, *format, *tensors;
    stored part[4]; /* up to the first without a name */
    whit_status status;
} hostile[] = {
    /* clang-format off */
    { "sound",                     "1", GOOD,                                       { Q, SCALE, PLAIN },  WHIT_OK },
    { "sound, asym",               "1", T("int4-g4-asym", "[4,8]", "BF16"),         { Q, SCALE, ZERO },   WHIT_OK },
    { "sound, 4 dimensions",       "1", T("int4-g4", "[4,2,1,4]", "F16"),           { Q, SCALE },         WHIT_OK },
    { "sound, spaces and order",   "1", "\n{ \"T\" : { \"dtype\":\"F32\", \"x\":[{}], \"shape\":[4, 8],\t\"scheme\":\"INT4-G4\" } } ", { Q, SCALE }, WHIT_OK },
    { "nothing described",         "1", "{}",                                       { PLAIN },            WHIT_OK },
    { "sound, empty",              "1", T("int4-g4", "[0,8]", "F32"),               { { "T.q", "U8", 2, { 0, 4 } }, { "T.scale", "F16", 2, { 0, 2 } } }, WHIT_OK },
    { "sound, converted",          "1", "{\"P\":{\"scheme\":\"f16\",\"shape\":[8],\"dtype\":\"F32\"}}", { PLAIN }, WHIT_OK },
    { "version 2",                 "2", GOOD,                                       { Q, SCALE },         WHIT_ERR_UNSUPPORTED },
    { "version 10",                "10", GOOD,                                      { Q, SCALE },         WHIT_ERR_UNSUPPORTED },
    { "no version",                "", GOOD,                                        { Q, SCALE },         WHIT_ERR_UNSUPPORTED },
    { "version in words",          "one\n\033[31m", GOOD,                           { Q, SCALE },         WHIT_ERR_UNSUPPORTED },
    { "no codes",                  "1", GOOD,                                       { SCALE },            WHIT_ERR_FORMAT },
    { "no scales",                 "1", GOOD,                                       { Q },                WHIT_ERR_FORMAT },
    { "no zero points",            "1", T("int4-g4-asym", "[4,8]", "F32"),          { Q, SCALE },         WHIT_ERR_FORMAT },
    { "no tensors at all",         "1", GOOD,                                       { PLAIN },            WHIT_ERR_FORMAT },
    { "codes too few rows",        "1", GOOD,            { { "T.q", "U8", 2, { 3, 4 } }, SCALE },         WHIT_ERR_FORMAT },
    { "codes too short",           "1", GOOD,            { { "T.q", "U8", 2, { 4, 3 } }, SCALE },         WHIT_ERR_FORMAT },
    { "codes too long",            "1", GOOD,            { { "T.q", "U8", 2, { 4, 5 } }, SCALE },         WHIT_ERR_FORMAT },
    { "codes transposed",          "1", T("int4-g4", "[2,16]", "F32"), { { "T.q", "U8", 2, { 8, 2 } }, { "T.scale", "F16", 2, { 2, 4 } } }, WHIT_ERR_FORMAT },
    { "codes flat",                "1", GOOD,            { { "T.q", "U8", 1, { 16 } }, SCALE },           WHIT_ERR_FORMAT },
    { "codes with 3 dimensions",   "1", GOOD,            { { "T.q", "U8", 3, { 4, 4, 1 } }, SCALE },      WHIT_ERR_FORMAT },
    { "codes signed",              "1", GOOD,            { { "T.q", "I8", 2, { 4, 4 } }, SCALE },         WHIT_ERR_FORMAT },
    { "scales F32 for F16",        "1", GOOD,            { Q, { "T.scale", "F32", 2, { 4, 2 } } },        WHIT_ERR_FORMAT },
    { "scales BF16 for F16",       "1", GOOD,            { Q, { "T.scale", "BF16", 2, { 4, 2 } } },       WHIT_ERR_FORMAT },
    { "scales too few",            "1", GOOD,            { Q, { "T.scale", "F16", 2, { 4, 1 } } },        WHIT_ERR_FORMAT },
    { "scales for other groups",   "1", T("int4-g8", "[4,8]", "F32"), { Q, SCALE },                       WHIT_ERR_FORMAT },
    { "one scale for rows",        "1", T("int4-tensor-sf16", "[4,8]", "F32"), { Q, { "T.scale", "F16", 2, { 4, 1 } } }, WHIT_ERR_FORMAT },
    { "one scale, flat",           "1", T("int4-tensor-sf16", "[4,8]", "F32"), { Q, { "T.scale", "F16", 1, { 1 } } }, WHIT_ERR_FORMAT },
    { "zero points too few",       "1", T("int4-g4-asym", "[4,8]", "F32"), { Q, SCALE, { "T.zero", "U8", 2, { 4, 1 } } }, WHIT_ERR_FORMAT },
    { "zero points I8",            "1", T("int4-g4-asym", "[4,8]", "F32"), { Q, SCALE, { "T.zero", "I8", 2, { 4, 2 } } }, WHIT_ERR_FORMAT },
    { "T described twice",         "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"},\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "codes claimed as plain",    "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"},\"T.scale\":{\"scheme\":\"f16\",\"shape\":[4,2],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "T stored plain too",        "1", GOOD, { Q, SCALE, { "T", "F32", 2, { 4, 8 } } },                  WHIT_ERR_FORMAT },
    { "T inside itself",           "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"},\"T.q\":{\"scheme\":\"int4-g4\",\"shape\":[4,4],\"dtype\":\"F32\"}}", { Q, SCALE, { "T.q.q", "U8", 2, { 4, 2 } }, { "T.q.scale", "F16", 2, { 4, 1 } } }, WHIT_ERR_FORMAT },
    { "unknown scheme",            "1", T("int9-g4", "[4,8]", "F32"),               { Q, SCALE },         WHIT_ERR_FORMAT },
    { "scheme of later days",      "1", T("mxfp4x", "[4,8]", "F32"),                 { Q, SCALE },         WHIT_ERR_FORMAT },
    { "no scheme",                 "1", T("", "[4,8]", "F32"),                      { Q, SCALE },         WHIT_ERR_FORMAT },
    { "scheme keep",               "1", "{\"P\":{\"scheme\":\"keep\",\"shape\":[8],\"dtype\":\"F16\"}}", { PLAIN }, WHIT_ERR_FORMAT },
    { "scheme with NUL",           "1", T("int4-g4\\u0000", "[4,8]", "F32"),        { Q, SCALE },         WHIT_ERR_FORMAT },
    { "name with NUL",             "1", "{\"T\\u0000\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "dtype with NUL",            "1", T("int4-g4", "[4,8]", "F32\\u0000x"),       { Q, SCALE },         WHIT_ERR_FORMAT },
    { "dtype I32",                 "1", T("int4-g4", "[4,8]", "I32"),               { Q, SCALE },         WHIT_ERR_FORMAT },
    { "dtype unknown",             "1", T("int4-g4", "[4,8]", "F128"),              { Q, SCALE },         WHIT_ERR_FORMAT },
    { "converted, other type",     "1", "{\"P\":{\"scheme\":\"bf16\",\"shape\":[8],\"dtype\":\"F32\"}}", { PLAIN }, WHIT_ERR_FORMAT },
    { "converted, other shape",    "1", "{\"P\":{\"scheme\":\"f16\",\"shape\":[2,4],\"dtype\":\"F32\"}}", { PLAIN }, WHIT_ERR_FORMAT },
    { "converted, other size",     "1", "{\"P\":{\"scheme\":\"f16\",\"shape\":[9],\"dtype\":\"F32\"}}", { PLAIN }, WHIT_ERR_FORMAT },
    { "converted, missing",        "1", "{\"R\":{\"scheme\":\"f16\",\"shape\":[8],\"dtype\":\"F32\"}}", { PLAIN }, WHIT_ERR_FORMAT },
    { "shape wraps to 32",         "1", T("int4-g4", "[4,9223372036854775816,2]", "F32"), { Q, SCALE },   WHIT_ERR_FORMAT },
    { "shape overflows",           "1", T("int4-g4", "[4294967296,4294967296]", "F32"), { Q, SCALE },     WHIT_ERR_FORMAT },
    { "shape beyond 2^64",         "1", T("int4-g4", "[18446744073709551620,8]", "F32"), { Q, SCALE },    WHIT_ERR_FORMAT },
    { "shape of the largest",      "1", T("int8-g2", "[1,18446744073709551615]", "F32"), { Q, SCALE },    WHIT_ERR_FORMAT },
    { "shape of no rows, huge",    "1", T("int8-g2", "[0,18446744073709551615]", "F32"), { { "T.q", "U8", 2, { 0, 4 } }, { "T.scale", "F16", 2, { 0, 2 } } }, WHIT_ERR_FORMAT },
    { "shape negative",            "1", T("int4-g4", "[4,-8]", "F32"),              { Q, SCALE },         WHIT_ERR_FORMAT },
    { "shape fractional",          "1", T("int4-g4", "[4,8.5]", "F32"),             { Q, SCALE },         WHIT_ERR_FORMAT },
    { "shape of 9 dimensions",     "1", T("int4-g4", "[4,8,1,1,1,1,1,1,1]", "F32"), { Q, SCALE },         WHIT_ERR_FORMAT },
    { "shape is a number",         "1", T("int4-g4", "32", "F32"),                  { Q, SCALE },         WHIT_ERR_FORMAT },
    { "shape nested",              "1", T("int4-g4", "[[4,8]]", "F32"),             { Q, SCALE },         WHIT_ERR_FORMAT },
    { "shape missing",             "1", "{\"T\":{\"scheme\":\"int4-g4\",\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "shape twice",               "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"shape\":[4,8],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "entry is a string",         "1", "{\"T\":\"int4-g4\"}",                      { Q, SCALE },         WHIT_ERR_FORMAT },
    { "scheme is a number",        "1", "{\"T\":{\"scheme\":4,\"shape\":[4,8],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "an array",                  "1", "[]",                                       { Q, SCALE },         WHIT_ERR_FORMAT },
    { "no JSON",                   "1", "int4",                                     { Q, SCALE },         WHIT_ERR_FORMAT },
    { "nothing",                   "1", "",                                         { Q, SCALE },         WHIT_ERR_FORMAT },
    { "ends early",                "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "goes on",                   "1", GOOD "{}",                                  { Q, SCALE },         WHIT_ERR_FORMAT },
    { "a comma too many",          "1", "{\"T\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"},}", { Q, SCALE }, WHIT_ERR_FORMAT },
    { "name of control characters", "1", "{\"\\u001b[31m\\n\":{\"scheme\":\"int4-g4\",\"shape\":[4,8],\"dtype\":\"F32\"}}", { Q, SCALE }, WHIT_ERR_FORMAT },
    /* clang-format on */
};

static void write_stored(const scratch *s, const char *name, const struct hostile *h)
{
    st_build b = { 0 };
    if (h->format) st_meta(&b, "whit.format", h->format);
    if (h->tensors) st_meta(&b, "whit.tensors", h->tensors);
    for (size_t i = 0; i < 4 && h->part[i].name; i++) {
        const stored *p = &h->part[i];
        size_t bytes = whit_dtype_bits(whit_dtype_parse(p->dtype)) / 8;
        for (unsigned d = 0; d < p->rank; d++) bytes *= (size_t)p->shape[d];
        st_add(&b, p->name, p->dtype, p->rank, p->shape, NULL, bytes);
    }
    st_write(&b, s, name);
}

static void lies(const scratch *s)
{
    char path[SCRATCH_PATH];
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const struct hostile *h = &hostile[i];
        whit_source *src = (whit_source *)(uintptr_t)1;
        whit_error err = { WHIT_OK, "" };
        write_stored(s, "hostile.safetensors", h);
        whit_status st = whit_source_open(&src, scratch_path(s, "hostile.safetensors", path), &err);
        CHECK(st == h->status, "%s: status %d: %s", h->what, (int)st, err.msg);
        CHECK((src != NULL) == (st == WHIT_OK), "%s: *out", h->what);
        if (st != WHIT_OK)
            CHECK(job_one_line(&err) && err.code == st && strstr(err.msg, "hostile.safetensors"),
                  "%s: %s", h->what, err.msg);
        for (size_t k = 0; src && k < whit_source_count(src); k++)
            free(job_values(src, whit_source_at(src, k)->tensor.name));
        whit_source_close(src);
    }
    remove(path);
}

/* What is sound reads as described; without whit.format it is a plain file. */
static void sound(const scratch *s)
{
    char path[SCRATCH_PATH];
    struct hostile h = hostile[0];
    write_stored(s, "sound.safetensors", &h);
    whit_source *src = job_open(scratch_path(s, "sound.safetensors", path));
    const whit_source_tensor *t = whit_source_at(src, whit_source_find(src, "T"));
    CHECK(whit_source_count(src) == 2 && whit_source_quantized(src) == 1, "T and P");
    CHECK(!strcmp(whit_source_format(src), "whit native"), "%s", whit_source_format(src));
    CHECK(whit_source_find(src, "T.q") == WHIT_NOT_FOUND, "parts are no tensors");
    if (t)
        CHECK(t->tensor.dtype == WHIT_F32 && t->stored == WHIT_U8 && t->rows == 4 && t->cols == 8 &&
                  t->tensor.bytes == 16 + 16 && t->scheme.kind == WHIT_INT &&
                  t->planes[2] == WHIT_NOT_FOUND,
              "T");
    whit_source_close(src);
    h.format = NULL;
    write_stored(s, "sound.safetensors", &h);
    src = job_open(path);
    CHECK(whit_source_count(src) == 3 && whit_source_quantized(src) == 0, "plain");
    CHECK(!strcmp(whit_source_format(src), "safetensors"), "%s", whit_source_format(src));
    whit_source_close(src);
    remove(path);
}

/* Parts of one tensor stay in one shard: a scale in another is not taken. */
static void across_shards(const scratch *s)
{
    struct hostile one = { .format = "1", .tensors = GOOD, .part = { Q, PLAIN } };
    struct hostile two = { .format = "1", .tensors = "{}", .part = { SCALE } };
    char path[SCRATCH_PATH];
    whit_source *src = NULL;
    whit_error err = { WHIT_OK, "" };
    scratch_folder(s, "shards");
    write_stored(s, "shards/one.safetensors", &one);
    write_stored(s, "shards/two.safetensors", &two);
    scratch_text(s, "shards/model.safetensors.index.json",
                 "{\"weight_map\":{\"T.q\":\"one.safetensors\",\"P\":\"one.safetensors\","
                 "\"T.scale\":\"two.safetensors\"}}");
    CHECK(whit_source_open(&src, scratch_path(s, "shards", path), &err) == WHIT_ERR_FORMAT && !src,
          "%s", err.msg);
    CHECK(job_one_line(&err) && strstr(err.msg, "T"), "%s", err.msg);
    whit_source_close(src);
}

/* Reading rectangles: any that lies inside, in pieces of any size, gives the same values. */
static void rectangles(const scratch *s)
{
    enum { ROWS = 7, COLS = 20003 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    static float w[ROWS * COLS], part[ROWS * COLS];
    check_rng r = { 9 };
    st_build b = { 0 };
    for (size_t i = 0; i < ROWS * COLS; i++) w[i] = check_normal(&r);
    st_add2(&b, "w", "F32", ROWS, COLS, w, sizeof w);
    st_write(&b, s, "rect.safetensors");
    scratch_path(s, "rect.safetensors", in);
    static const char *const schemes[] = { "int3-g7", "int5-channel-asym", "nf4-tensor",
                                           "int2-g2", "int7-g20001-asym",  "bf16" };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        job_quantize(in, scratch_path(s, "rect-q.safetensors", out),
                     &(job_ask){ .scheme = schemes[i], .clip = WHIT_CLIP_MINMAX, .job.force = 1 });
        whit_source *o = job_open(out);
        float *v = job_values(o, "w");
        size_t k = whit_source_find(o, "w"), wrong = 0;
        for (int n = 0; n < 200; n++) {
            uint64_t r0 = check_below(&r, ROWS + 1), rows = check_below(&r, ROWS + 1 - r0);
            uint64_t c0 = 0, cols = COLS;
            if (n % 2) {
                rows = r0 < ROWS;
                c0 = check_below(&r, COLS / 8 + 1) * 8;
                cols = check_below(&r, COLS - c0 + 1);
            }
            whit_status st = whit_source_read_f32(o, k, r0, rows, c0, cols, part, NULL);
            wrong += st != WHIT_OK;
            for (uint64_t y = 0; y < rows && st == WHIT_OK; y++)
                wrong += memcmp(part + y * cols, v + (r0 + y) * COLS + c0, (size_t)cols * 4) != 0;
        }
        CHECK(wrong == 0, "%s: %zu rectangles", schemes[i], wrong);
        static const uint64_t outside[][4] = {
            { 8, 0, 0, COLS },     { 7, 1, 0, COLS },  { 0, 8, 0, COLS },          { 0, 2, 0, 8 },
            { 0, 1, 8, COLS - 7 }, { 0, 1, 20008, 0 }, { 1, UINT64_MAX, 0, COLS },
        };
        for (size_t n = 0; n < sizeof outside / sizeof outside[0]; n++)
            CHECK(whit_source_read_f32(o, k, outside[n][0], outside[n][1], outside[n][2],
                                       outside[n][3], part, NULL) == WHIT_ERR_ARG,
                  "%s: outside %zu", schemes[i], n);
        CHECK(whit_source_read_f32(o, 99, 0, 0, 0, 0, part, NULL) == WHIT_ERR_ARG, "no tensor");
        free(v);
        whit_source_close(o);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    worked_example(&s);
    sound(&s);
    lies(&s);
    across_shards(&s);
    rectangles(&s);
    scratch_remove(&s);
    return check_result();
}
