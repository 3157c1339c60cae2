/* tests/test_quant.c - whit_quantize and whit_dequantize, a row for each sentence of quant.h.
 *
 * Random matrices are in test_properties.c, the quality of the search in test_search.c.
 * SPDX-License-Identifier: MIT */
#include <whit/quant.h>

#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define TINY FLT_TRUE_MIN

enum { MOST = 12, DEFAULT = WHIT_CLIP_DEFAULT, MINMAX = WHIT_CLIP_MINMAX, MSE = WHIT_CLIP_MSE };

static whit_quant_spec spec_of(const char *scheme, int clip)
{
    whit_quant_spec spec = { .struct_size = sizeof spec, .clip = (whit_clip)clip };
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_scheme_parse(&spec.scheme, scheme, &err) == WHIT_OK, "%s", err.msg);
    return spec;
}

typedef struct row {
    const char *name, *scheme;
    int clip;
    size_t rows, cols;
    float w[8];
    uint8_t codes[8];
    float scale[4];
    uint8_t zero[4]; /* looked at for asym */
    unsigned raised, zeroed;
} row;

/* clang-format off */
static const row rows[] = {
    /* Edges */
    { "all zeros", "int4-g4", MINMAX, 1, 4, { 0, -0.0f, 0, 0 }, { 8, 8, 8, 8 }, { 1 }, { 0 }, 0, 0 },
    { "all zeros", "int8", DEFAULT, 1, 2, { 0, -0.0f }, { 128, 128 }, { 1 }, { 0 }, 0, 0 },
    { "all zeros", "int2-tensor-asym", MSE, 2, 2, { 0 }, { 0 }, { 1 }, { 0 }, 0, 0 },
    { "all zeros", "nf4", MSE, 1, 3, { -0.0f }, { 7, 7, 7 }, { 1 }, { 0 }, 0, 0 },
    { "one group of zeros", "int4-g2-sf32", MINMAX, 1, 4, { 0, 0, -7, 1 }, { 8, 8, 1, 9 }, { 1, 1 }, { 0 }, 0, 0 },
    { "short last group", "int4-g2-sf32", MINMAX, 2, 3, { 7, 1, 14, 0, -7, -21 }, { 15, 9, 15, 8, 1, 1 }, { 1, 2, 1, 3 }, { 0 }, 0, 0 },
    { "group longer than the row", "int4-g9-sf32", MINMAX, 2, 2, { 7, 1, 2, 14 }, { 15, 9, 9, 15 }, { 1, 2 }, { 0 }, 0, 0 },
    { "one element", "int4-channel", MINMAX, 2, 1, { 3.5f, -14 }, { 15, 1 }, { 0.5f, 2 }, { 0 }, 0, 0 },
    { "one element", "nf4-channel", MINMAX, 2, 1, { 5, -5 }, { 15, 0 }, { 5, 5 }, { 0 }, 0, 0 },
    { "one scale a row", "int8", MINMAX, 2, 2, { 127, -1, 1, -254 }, { 255, 127, 128, 1 }, { 1, 2 }, { 0 }, 0, 0 },
    { "one scale in all", "int8-tensor", MINMAX, 2, 2, { 127, -1, 1, -254 }, { 192, 128, 128, 1 }, { 2 }, { 0 }, 0, 0 },
    { "constant", "int4-tensor", MINMAX, 1, 3, { 3, 3, 3 }, { 15, 15, 15 }, { 3.0f / 7 }, { 0 }, 0, 0 },
    { "constant", "int4-tensor-asym", MINMAX, 1, 2, { 3, 3 }, { 15, 15 }, { 3.0f / 15 }, { 0 }, 0, 0 },
    { "constant, negative", "int4-tensor-asym", MINMAX, 1, 2, { -3, -3 }, { 0, 0 }, { 3.0f / 15 }, { 15 }, 0, 0 },
    /* Range */
    { "methods 1.7", "int4-tensor-asym", MINMAX, 1, 5, { -1, -0.3f, 0.1f, 0.7f, 1.2f }, { 0, 5, 8, 12, 15 }, { 0.14666668f }, { 7 }, 0, 0 },
    { "methods 1.7", "int4-tensor", MINMAX, 1, 5, { -1, -0.3f, 0.1f, 0.7f, 1.2f }, { 2, 6, 9, 12, 15 }, { 0.17142858f }, { 0 }, 0, 0 },
    { "methods 1.7", "int8-tensor-asym", MINMAX, 1, 5, { -1, -0.3f, 0.1f, 0.7f, 1.2f }, { 0, 81, 128, 197, 255 }, { 0.008627451f }, { 116 }, 0, 0 },
    { "methods 1.7", "int8-tensor", MINMAX, 1, 5, { -1, -0.3f, 0.1f, 0.7f, 1.2f }, { 22, 96, 139, 202, 255 }, { 0.009448819f }, { 0 }, 0, 0 },
    { "positive only, mirrored", "int4-tensor", MINMAX, 1, 4, { 7, 6, 1, 0 }, { 15, 14, 9, 8 }, { 1 }, { 0 }, 0, 0 },
    { "2 bits, restricted", "int2-tensor", MINMAX, 1, 3, { -2, 0.9f, 1.1f }, { 1, 2, 3 }, { 2 }, { 0 }, 0, 0 },
    { "0 belongs to the range", "int4-tensor-asym", MINMAX, 1, 2, { 14, 15 }, { 14, 15 }, { 1 }, { 0 }, 0, 0 },
    { "8 bits by default: minmax", "int8-tensor", DEFAULT, 1, 2, { 254, 1 }, { 255, 128 }, { 2 }, { 0 }, 0, 0 },
    { "8 bits searched", "int8-tensor", MSE, 1, 3, { 100, 1, -3 }, { 228, 129, 125 }, { 1 }, { 0 }, 0, 0 },
    { "below 8 bits by default: mse", "int4-tensor", DEFAULT, 1, 4, { -8, -7, 0, 7 }, { 0, 1, 8, 15 }, { 1 }, { 0 }, 0, 0 },
    { "a scale below 0", "int4-tensor", MSE, 1, 4, { 8, 7, 0, -7 }, { 0, 1, 8, 15 }, { -1 }, { 0 }, 0, 0 },
    { "a scale below 0", "nf4-tensor", MSE, 1, 3, { -1, 0.5250730514526367f, -0.16093020141124725f }, { 15, 2, 9 }, { -1 }, { 0 }, 0, 0 },
    { "as src/pack/native.c has it", "int4-g4", MSE, 1, 5, { -8, -7, 0, 7, 3 }, { 0, 1, 8, 15, 0 }, { 1, -0.375f }, { 0 }, 0, 0 },
    { "a grid not through 0", "int4-tensor-asym", MSE, 1, 4, { -2, 1, 4, 10 }, { 0, 3, 6, 12 }, { 1 }, { 2 }, 0, 0 },
    /* Rounding */
    { "ties to even", "int4-tensor", MINMAX, 1, 8, { 7, 2.5f, 3.5f, -0.5f, 0.5f, 1.5f, -2.5f, -3.5f }, { 15, 10, 12, 8, 8, 10, 6, 4 }, { 1 }, { 0 }, 0, 0 },
    { "zero point: ties to even", "int4-tensor-asym", MINMAX, 1, 2, { -0.5f, 14.5f }, { 0, 14 }, { 1 }, { 0 }, 0, 0 },
    { "zero point: ties to even", "int4-tensor-asym", MINMAX, 1, 2, { -1.5f, 13.5f }, { 0, 15 }, { 1 }, { 2 }, 0, 0 },
    { "rounded before the zero point", "int4-tensor-asym", MINMAX, 1, 4, { -1, 14, 0.5f, 1.5f }, { 0, 15, 1, 3 }, { 1 }, { 1 }, 0, 0 },
    { "codes of the scale as stored", "int4-g2", MINMAX, 1, 2, { 1.2f, 0.4285f }, { 15, 11 }, { 0.17138671875f }, { 0 }, 0, 0 },
    { "not of the exact one", "int4-g2-sf32", MINMAX, 1, 2, { 1.2f, 0.4285f }, { 15, 10 }, { 1.2f / 7 }, { 0 }, 0, 0 },
    { "zero of the scale as stored", "int4-g2-asym", MINMAX, 1, 2, { -0.24995f, 1.25005f }, { 0, 15 }, { 0.0999755859375f }, { 3 }, 0, 0 },
    { "a BF16 scale", "nf4-g2-sbf16", MINMAX, 1, 2, { 1.2f, -0.1f }, { 15, 6 }, { 1.203125f }, { 0 }, 0, 0 },
    /* Scales that round to 0 */
    { "raised", "int4-g2", MINMAX, 1, 4, { 0x1p-24f, 0, -0x1.8p-23f, 0x1p-24f }, { 9, 8, 5, 9 }, { 0x1p-24f, 0x1p-24f }, { 0 }, 2, 0 },
    { "raised: the lower end counts", "int4-g2", MINMAX, 1, 2, { -0x1p-24f, 0x1p-26f }, { 7, 8 }, { 0x1p-24f }, { 0 }, 1, 0 },
    { "raised: the lower end counts", "nf4", MINMAX, 1, 2, { -0x1p-28f, 0x1p-30f }, { 6, 7 }, { 0x1p-24f }, { 0 }, 1, 0 },
    { "raised, search", "int4-g2", MSE, 1, 2, { 0x1p-24f, 0 }, { 9, 8 }, { 0x1p-24f }, { 0 }, 1, 0 },
    { "raised, asym", "int4-g2-asym", MINMAX, 1, 2, { -0x1p-24f, 0x1p-24f }, { 0, 2 }, { 0x1p-24f }, { 1 }, 1, 0 },
    { "raised, nf4", "nf4", MINMAX, 1, 2, { -0x1p-25f, 0 }, { 2, 7 }, { 0x1p-24f }, { 0 }, 1, 0 },
    { "raised, BF16", "int4-g2-sbf16", MINMAX, 1, 2, { 0x1p-133f, 0 }, { 9, 8 }, { 0x1p-133f }, { 0 }, 1, 0 },
    { "raised, F32", "int4-tensor", MINMAX, 1, 2, { -3 * TINY, TINY }, { 5, 9 }, { TINY }, { 0 }, 1, 0 },
    { "not yet raised", "int4-g2", MINMAX, 1, 2, { 0x1p-22f, 0 }, { 12, 8 }, { 0x1p-24f }, { 0 }, 0, 0 },
    { "zeroed", "int4-g2", MINMAX, 2, 2, { 0x1p-26f, 0, 7, -7 }, { 8, 8, 15, 1 }, { 1, 1 }, { 0 }, 1, 1 },
    { "zeroed: a tie", "int4-g2", MSE, 1, 2, { 0x1p-25f, -0x1p-25f }, { 8, 8 }, { 1 }, { 0 }, 1, 1 },
    { "zeroed, asym", "int4-g2-asym", MINMAX, 1, 2, { -0x1p-26f, 0x1p-26f }, { 0, 0 }, { 1 }, { 0 }, 1, 1 },
    { "zeroed, nf4", "nf4", MSE, 1, 2, { -0x1p-30f, TINY }, { 7, 7 }, { 1 }, { 0 }, 1, 1 },
    { "zeroed, tensor", "int8-tensor-sf16", MINMAX, 2, 1, { 0x1p-30f, -TINY }, { 128, 128 }, { 1 }, { 0 }, 1, 1 },
    /* The ends of the types */
    { "denormals", "int8-tensor", MINMAX, 1, 3, { 127 * TINY, -3 * TINY, TINY }, { 255, 125, 129 }, { TINY }, { 0 }, 0, 0 },
    { "denormals searched", "int4-tensor", MSE, 1, 3, { -16 * TINY, 6 * TINY, 14 * TINY }, { 0, 11, 15 }, { 2 * TINY }, { 0 }, 0, 0 },
    { "largest for F16", "int4-g2", MINMAX, 1, 2, { 458639.96875f, 65504 }, { 15, 9 }, { 65504 }, { 0 }, 0, 0 },
    { "largest for F16", "nf4", MINMAX, 1, 2, { -65519.996f, 0 }, { 0, 7 }, { 65504 }, { 0 }, 0, 0 },
    { "largest for F16", "int4-g2-asym", MINMAX, 1, 2, { 982799.9375f, 0 }, { 15, 0 }, { 65504 }, { 0 }, 0, 0 },
    { "nothing but F32", "nf4-tensor", MINMAX, 1, 2, { FLT_MAX, -FLT_MAX }, { 15, 0 }, { FLT_MAX }, { 0 }, 0, 0 },
};
/* clang-format on */

static void check_row(const row *t, size_t i)
{
    whit_quant_spec spec = spec_of(t->scheme, t->clip);
    uint8_t codes[MOST], zero[MOST];
    float scale[MOST], back[8];
    uint64_t srows, scols;
    size_t n = t->rows * t->cols;
    double w2 = 0, e2 = 0, worst = 0;
    whit_quant_stats s = { 5, 1000, 2000, 0, 7, 9 }; /* calls add to it */
    whit_error err = { WHIT_OK, "untouched" };
    memset(codes, 0xa5, sizeof codes);
    memset(zero, 0xa5, sizeof zero);
    for (size_t k = 0; k < MOST; k++) scale[k] = 12345.0f;
    whit_status st = whit_quantize(t->w, t->rows, t->cols, &spec, codes, scale,
                                   spec.scheme.asym ? zero : NULL, &s, &err);
    CHECK(st == WHIT_OK && strcmp(err.msg, "untouched") == 0, "%zu %s: %s", i, t->name, err.msg);
    whit_scheme_scales(&spec.scheme, t->rows, t->cols, &srows, &scols);
    size_t groups = (size_t)(srows * scols);
    for (size_t k = 0; k < n; k++)
        CHECK(codes[k] == t->codes[k], "%zu %s %s: code %zu is %d", i, t->scheme, t->name, k,
              codes[k]);
    for (size_t g = 0; g < groups; g++) {
        CHECK(scale[g] == t->scale[g], "%zu %s %s: scale %zu is %a", i, t->scheme, t->name, g,
              (double)scale[g]);
        CHECK(!spec.scheme.asym || zero[g] == t->zero[g], "%zu %s %s: zero %d", i, t->scheme,
              t->name, zero[g]);
    }
    CHECK(codes[n] == 0xa5 && scale[groups] == 12345.0f &&
              zero[spec.scheme.asym ? groups : 0] == 0xa5,
          "%zu %s: written past the end", i, t->name);
    CHECK(whit_dequantize(codes, scale, zero, t->rows, t->cols, &spec.scheme, back, &err) ==
              WHIT_OK,
          "%zu %s", i, t->name);
    for (size_t k = 0; k < n; k++) {
        double d = (double)t->w[k] - (double)back[k];
        w2 += (double)t->w[k] * (double)t->w[k];
        e2 += d * d;
        worst = fabs(d) > worst ? fabs(d) : worst;
    }
    CHECK(s.weights == 5 + n && s.scales_raised == 7 + t->raised &&
              s.groups_zeroed == 9 + t->zeroed,
          "%zu %s: %d raised, %d zeroed", i, t->name, (int)s.scales_raised - 7,
          (int)s.groups_zeroed - 9);
    CHECK(fabs(s.sum_w2 - 1000 - w2) <= 1e-6 * (1000 + w2), "%zu %s: %g", i, t->name, s.sum_w2);
    CHECK(fabs(s.sum_err2 - 2000 - e2) <= 1e-6 * (2000 + e2), "%zu %s: %g", i, t->name, s.sum_err2);
    CHECK(fabs(s.max_abs_err - worst) <= 1e-6 * worst, "%zu %s: %g", i, t->name, s.max_abs_err);
    CHECK(whit_quantize(t->w, t->rows, t->cols, &spec, codes, scale, spec.scheme.asym ? zero : NULL,
                        NULL, NULL) == WHIT_OK,
          "%zu %s: without stats and err", i, t->name);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void test_overflow(void)
{
    static const struct {
        const char *scheme;
        float w[2];
    } cases[] = {
        { "int4-g2", { 65520.0f * 7, 0 } },
        { "int4-channel-sf16", { 1, -65520.0f * 7 } },
        { "int2-g2", { 65520, 0 } },
        { "int8-tensor-sf16", { 65520.0f * 127, 0 } },
        { "nf4", { -65520, 0 } },
        { "int4-g2-asym", { 65520.0f * 15, 0 } },
        { "int4-g2-asym", { 65520.0f * 7, -65520.0f * 8 } },
        { "int8-g2-asym", { FLT_MAX, -FLT_MAX } }, /* the width itself passes FLT_MAX */
        { "nf4-tensor-sbf16", { FLT_MAX, 0 } },
        { "int2-tensor-sbf16", { 0, -FLT_MAX } },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int clip = DEFAULT; clip <= MSE; clip++) {
            whit_quant_spec spec = spec_of(cases[i].scheme, clip);
            uint8_t codes[2], zero[2];
            float scale[2];
            whit_error err = { WHIT_OK, "" };
            whit_status st = whit_quantize(cases[i].w, 1, 2, &spec, codes, scale,
                                           spec.scheme.asym ? zero : NULL, NULL, &err);
            CHECK(st == WHIT_ERR_NUMERIC && err.code == st, "%s: %d", cases[i].scheme, (int)st);
            CHECK(strstr(err.msg, "-sf32") != NULL, "%s: '%s'", cases[i].scheme, err.msg);
        }
}

/* Each place, each value that is not finite, alone and with another behind it. */
static void test_not_finite(void)
{
    static const char *const schemes[] = { "int4-g2",      "int2-g3-asym",     "nf4-channel",
                                           "int8-tensor",  "int4-tensor-asym", "nf4-g64",
                                           "int8-g64-sf32" };
    const float bad[] = { NAN, INFINITY, -INFINITY, -NAN };
    for (size_t i = 0; i < COUNT(schemes) * COUNT(bad); i++)
        for (size_t at = 0; at < 12; at++)
            for (int how = 0; how < 4; how++) {
                whit_quant_spec spec = spec_of(schemes[i / COUNT(bad)], how & 1 ? MSE : MINMAX);
                float w[12], scale[12];
                uint8_t codes[12], zero[12];
                char where[40];
                whit_error err = { WHIT_OK, "" };
                for (size_t k = 0; k < 12; k++) w[k] = how & 2 ? 0.0f : (float)k - 5;
                w[at] = bad[i % COUNT(bad)];
                if (how & 2) w[11] = INFINITY;
                whit_status st = whit_quantize(w, 3, 4, &spec, codes, scale,
                                               spec.scheme.asym ? zero : NULL, NULL, &err);
                snprintf(where, sizeof where, "row %zu, column %zu", at / 4, at % 4);
                CHECK(st == WHIT_ERR_NUMERIC && strstr(err.msg, where), "%s, %s: %d %s",
                      schemes[i / COUNT(bad)], where, (int)st, err.msg);
            }
}

static void test_bad_specs(void)
{
    static const struct {
        const char *name;
        whit_scheme scheme;
        int clip;
    } cases[] = {
        /* clang-format off */
        { "keep",            { WHIT_KEEP,     0, 0, WHIT_GRAN_NONE,      0, WHIT_F32 }, MINMAX },
        { "f16",             { WHIT_TO_F16,   0, 0, WHIT_GRAN_NONE,      0, WHIT_F32 }, MINMAX },
        { "no such kind",    { (whit_kind)77, 4, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "0 bits",          { WHIT_INT,      0, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "1 bit",           { WHIT_INT,      1, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "9 bits",          { WHIT_INT,      9, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "nf4 of 3 bits",   { WHIT_NF4,      3, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "nf4, asym",       { WHIT_NF4,      4, 1, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, MINMAX },
        { "F64 scales",      { WHIT_INT,      4, 0, WHIT_GRAN_TENSOR,    0, WHIT_F64 }, MINMAX },
        { "U8 scales",       { WHIT_NF4,      4, 0, WHIT_GRAN_TENSOR,    0, WHIT_U8 },  MINMAX },
        { "no granularity",  { WHIT_INT,      4, 0, WHIT_GRAN_NONE,      0, WHIT_F32 }, MINMAX },
        { "odd granularity", { WHIT_INT,      4, 0, (whit_gran)9,        0, WHIT_F32 }, MINMAX },
        { "group 0",         { WHIT_INT,      4, 0, WHIT_GRAN_GROUP,     0, WHIT_F32 }, MINMAX },
        { "group 1",         { WHIT_INT,      4, 0, WHIT_GRAN_GROUP,     1, WHIT_F32 }, MINMAX },
        { "group 65537",     { WHIT_INT,      4, 0, WHIT_GRAN_GROUP, 65537, WHIT_F32 }, MINMAX },
        { "clip 3",          { WHIT_INT,      4, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, 3 },
        { "clip -1",         { WHIT_INT,      4, 0, WHIT_GRAN_TENSOR,    0, WHIT_F32 }, -1 },
        /* clang-format on */
    };
    const float w[4] = { 1, 2, 3, 4 };
    uint8_t codes[4], zero[4];
    float scale[4];
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int empty = 0; empty < 2; empty++) {
            whit_error err = { WHIT_OK, "" };
            whit_quant_spec spec = { sizeof spec, cases[i].scheme, (whit_clip)cases[i].clip, 0 };
            whit_status st =
                whit_quantize(w, empty ? 0 : 2, 2, &spec, codes, scale, NULL, NULL, &err);
            CHECK(st == WHIT_ERR_ARG && err.code == st && err.msg[0], "%s: %d", cases[i].name,
                  (int)st);
        }
    whit_quant_spec sym = spec_of("int4-g2", MINMAX), asym = spec_of("int4-g2-asym", MINMAX);
    whit_quant_spec short_one = sym;
    const whit_status arg = WHIT_ERR_ARG;
    short_one.struct_size = 0;
    CHECK(whit_quantize(w, 2, 2, &short_one, codes, scale, NULL, NULL, NULL) == arg, "size");
    CHECK(whit_quantize(w, 2, 2, NULL, codes, scale, NULL, NULL, NULL) == arg, "spec");
    CHECK(whit_quantize(NULL, 2, 2, &sym, codes, scale, NULL, NULL, NULL) == arg, "w");
    CHECK(whit_quantize(w, 2, 2, &sym, NULL, scale, NULL, NULL, NULL) == arg, "codes");
    CHECK(whit_quantize(w, 2, 2, &sym, codes, NULL, NULL, NULL, NULL) == arg, "scale");
    CHECK(whit_quantize(w, 2, 2, &sym, codes, scale, zero, NULL, NULL) == arg, "zero, no asym");
    CHECK(whit_quantize(w, 2, 2, &asym, codes, scale, NULL, NULL, NULL) == arg, "asym, no zero");
    CHECK(whit_quantize(w, SIZE_MAX / 2 + 1, 2, &sym, codes, scale, NULL, NULL, NULL) == arg,
          "a product that wraps");
    whit_quant_stats s = { 0 };
    CHECK(whit_quantize(NULL, 0, 5, &sym, NULL, NULL, NULL, &s, NULL) == WHIT_OK, "no rows");
    CHECK(whit_quantize(NULL, 5, 0, &asym, NULL, NULL, NULL, &s, NULL) == WHIT_OK, "no columns");
    CHECK(s.weights == 0 && s.sum_w2 == 0, "nothing counted");
}

/* ---- scales above 0, the largest values, tables ------------------------------------------------
 */

static void test_positive(void)
{
    static const char *const schemes[] = { "int2-tensor", "int4-tensor", "int7-g2", "nf4-tensor" };
    static const float w[2] = { 8, -7 };
    for (size_t i = 0; i < COUNT(schemes); i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            whit_quant_spec spec = spec_of(schemes[i], MSE);
            const float v[2] = { w[0] * (float)sign, w[1] * (float)sign };
            uint8_t codes[2];
            float scale = 0;
            spec.positive_scale = 1;
            CHECK(whit_quantize(v, 1, 2, &spec, codes, &scale, NULL, NULL, NULL) == WHIT_OK &&
                      scale > 0,
                  "%s: scale %a", schemes[i], (double)scale);
        }
}

/* Nothing that is stored decodes to infinity, whatever the width of the range. */
/* No zero point of 0, and still no weight farther off than a step. */
static void test_positive_zero(void)
{
    check_rng r = { 77 };
    for (unsigned bits = 2; bits <= 8; bits++)
        for (int how = 0; how < 12; how++) {
            enum { N = 64 };
            float w[N], back[N], scale;
            uint8_t codes[N], zero = 0;
            char text[32];
            snprintf(text, sizeof text, "int%u-channel-asym", bits);
            whit_quant_spec s = { .struct_size = sizeof s,
                                  .clip = how % 2 ? WHIT_CLIP_MSE : WHIT_CLIP_MINMAX,
                                  .positive_zero = 1 };
            CHECK(whit_scheme_parse(&s.scheme, text, NULL) == WHIT_OK, "%s", text);
            for (size_t i = 0; i < N; i++) /* all of one sign, of both, zeros */
                w[i] = how / 2 == 5 ? 0.0f
                                    : check_f32(&r) + (how / 2 % 3 == 0   ? 1.0f
                                                       : how / 2 % 3 == 1 ? -1.0f
                                                                          : 0.0f);
            CHECK(whit_quantize(w, 1, N, &s, codes, &scale, &zero, NULL, NULL) == WHIT_OK, "%s",
                  text);
            CHECK(zero >= 1, "%s, case %d: zero point %u", text, how, zero);
            CHECK(whit_dequantize(codes, &scale, &zero, 1, N, &s.scheme, back, NULL) == WHIT_OK,
                  "%s", text);
            for (size_t i = 0; i < N && how % 2 == 0; i++)
                CHECK(fabsf(back[i] - w[i]) <= scale * 1.00001f, "%s, case %d: %g became %g", text,
                      how, (double)w[i], (double)back[i]);
        }
}

static void check_largest(const char *scheme, int clip, const float w[4])
{
    whit_quant_spec spec = spec_of(scheme, clip);
    uint8_t codes[4] = { 0 }, zero = 0;
    float scale = 0, back[4] = { 0 };
    whit_quant_stats s = { 0 };
    whit_error err = { WHIT_OK, "" };
    whit_status st =
        whit_quantize(w, 1, 4, &spec, codes, &scale, spec.scheme.asym ? &zero : NULL, &s, &err);
    if (st == WHIT_ERR_NUMERIC && spec.scheme.scale_type == WHIT_BF16 && strstr(err.msg, "-sf32"))
        return;
    CHECK(st == WHIT_OK && isfinite(scale) && scale != 0, "%s of %a: %d, %a", scheme, (double)w[0],
          (int)st, (double)scale);
    CHECK(whit_dequantize(codes, &scale, &zero, 1, 4, &spec.scheme, back, NULL) == WHIT_OK, "%s",
          scheme);
    for (int k = 0; k < 4; k++)
        CHECK(isfinite(back[k]) && codes[k] < 1 << spec.scheme.bits, "%s of %a: %d is %a", scheme,
              (double)w[k], codes[k], (double)back[k]);
    CHECK(isfinite(s.sum_w2) && isfinite(s.sum_err2) && isfinite(s.max_abs_err), "%s", scheme);
}

static void test_largest(void)
{
    static const float w[][4] = {
        { FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX },
        { -FLT_MAX, -FLT_MAX, -FLT_MAX, -FLT_MAX },
        { FLT_MAX, -FLT_MAX, 0, 1 },
        { -FLT_MAX, FLT_MAX / 2, TINY, FLT_MAX / 3 },
        { FLT_MAX, -FLT_MAX / 2, 0, FLT_MAX / 7 },
        { 0, 0, FLT_MAX / 2, -FLT_MAX / 15 },
        { 0x1p127f, -0x1p127f, 0x1p126f, 0 },
        { FLT_MAX, -FLT_MAX / 20, FLT_MAX / 1.01f, 0 },
    };
    static const char *const ends[] = { "", "-asym", "-sbf16", "-asym-sbf16" };
    for (size_t i = 0; i < COUNT(w); i++)
        for (int clip = MINMAX; clip <= MSE; clip++) {
            check_largest("nf4-tensor", clip, w[i]);
            check_largest("nf4-tensor-sbf16", clip, w[i]);
            for (int bits = 2; bits <= 8; bits++)
                for (size_t e = 0; e < COUNT(ends); e++) {
                    char text[WHIT_SCHEME_TEXT];
                    snprintf(text, sizeof text, "int%d-tensor%s", bits, ends[e]);
                    check_largest(text, clip, w[i]);
                }
        }
}

/* Table and thresholds as published (formats 14.2). */
static const float nf4[16] = { -1.0f,
                               -0.6961928009986877f,
                               -0.5250730514526367f,
                               -0.39491748809814453f,
                               -0.28444138169288635f,
                               -0.18477343022823334f,
                               -0.09105003625154495f,
                               0.0f,
                               0.07958029955625534f,
                               0.16093020141124725f,
                               0.24611230194568634f,
                               0.33791524171829224f,
                               0.44070982933044434f,
                               0.5626170039176941f,
                               0.7229568362236023f,
                               1.0f };
static const float between[15] = {
    -0.8480964004993439f,  -0.6106329262256622f,  -0.4599952697753906f,   -0.33967943489551544f,
    -0.23460740596055984f, -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f,
    0.1202552504837513f,   0.2035212516784668f,   0.2920137718319893f,    0.3893125355243683f,
    0.5016634166240692f,   0.6427869200706482f,   0.8614784178118011f
};

static void test_nf4(void)
{
    whit_quant_spec spec = spec_of("nf4-tensor", MINMAX);
    CHECK(memcmp(whit_scheme_table(WHIT_NF4), nf4, sizeof nf4) == 0, "the table");
    for (int k = -126; k <= 127; k += 11) { /* at any power of two */
        float w[1 + 16 + 45], scale = 0, unit = ldexpf(1.0f, k);
        uint8_t codes[COUNT(w)], want[COUNT(w)];
        size_t n = 0;
        w[n] = 1.0f;
        want[n++] = 15;
        for (unsigned u = 0; u < 16; u++) {
            w[n] = nf4[u];
            want[n++] = (uint8_t)u;
        }
        for (unsigned t = 0; t < 15; t++)
            for (int side = -1; side <= 1; side++) { /* a tie goes to the lower code */
                w[n] = side ? nextafterf(between[t], (float)side * 2) : between[t];
                want[n++] = (uint8_t)(t + (side > 0));
            }
        if (k < -100) n = 17; /* products with the unit are no longer exact below */
        for (size_t i = 0; i < n; i++) w[i] *= unit;
        CHECK(whit_quantize(w, 1, n, &spec, codes, &scale, NULL, NULL, NULL) == WHIT_OK, "2^%d", k);
        CHECK(scale == unit, "2^%d: scale %a", k, (double)scale);
        for (size_t i = 0; i < n; i++)
            CHECK(codes[i] == want[i], "2^%d: %a is %d, not %d", k, (double)(w[i] / unit), codes[i],
                  want[i]);
    }
    for (float unit = 1.0f; unit < 2.0f; unit += 0.0371f) { /* x / scale, by division */
        float w[1 + 45] = { unit }, scale = 0;
        uint8_t codes[COUNT(w)];
        size_t n = 1;
        for (unsigned t = 0; t < 15; t++)
            for (int side = -1; side <= 1; side++) {
                float x = unit * between[t];
                w[n++] = side ? nextafterf(x, (float)side * 2) : x;
            }
        CHECK(whit_quantize(w, 1, n, &spec, codes, &scale, NULL, NULL, NULL) == WHIT_OK, "ties");
        for (size_t i = 0; i < n; i++) {
            int want = 0;
            for (unsigned t = 0; t < 15; t++) want += w[i] / unit > between[t];
            CHECK(codes[i] == want, "%a / %a is %d, not %d", (double)w[i], (double)unit, codes[i],
                  want);
        }
    }
}

/* Vector A of formats 0.3 in blocks of 64 (14.2); the even element is the high nibble there. */
static void test_nf4_vector(void)
{
    static const char bytes[] = "091c3e60a2d4f71b2e5f91c3e60a1d4e71b2d5f81c3e6091c3e70a2d4f81b2e5";
    float a[64], scale = 0;
    uint8_t codes[64];
    whit_quant_spec spec = spec_of("nf4-g64-sf32", MINMAX);
    for (int i = 0; i < 64; i++) a[i] = (float)(37 * i % 64 - 32) / 16;
    CHECK(whit_quantize(a, 1, 64, &spec, codes, &scale, NULL, NULL, NULL) == WHIT_OK, "A");
    CHECK(scale == 2.0f, "A: %a", (double)scale);
    for (int i = 0; i < 64; i++)
        CHECK("0123456789abcdef"[codes[i] & 15] == bytes[i], "A[%d]: %d", i, codes[i]);
}

static void test_dequantize(void)
{
    whit_scheme sym = spec_of("int4-g2", 0).scheme, asym = spec_of("int3-tensor-asym", 0).scheme;
    whit_scheme table = spec_of("nf4-channel", 0).scheme, keep = spec_of("keep", 0).scheme;
    uint8_t codes[6] = { 0, 15, 8, 255, 7, 128 }, zero = 200;
    const float s[4] = { 0.1f, -3, 0x1p-149f, FLT_MAX };
    float w[6];
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &sym, w, NULL) == WHIT_OK, "no zero point");
    CHECK(w[0] == 0.1f * -8 && w[1] == 0.1f * 7 && w[2] == 0 && w[3] == 0x1p-149f * 247 &&
              w[4] == 0x1p-149f * -1 && w[5] == INFINITY,
          "one rounding, that of the product; no check of codes");
    CHECK(whit_dequantize(codes, s, &zero, 2, 3, &asym, w, NULL) == WHIT_OK, "asym");
    CHECK(w[0] == 0.1f * -200 && w[3] == 0.1f * 55, "zero points beyond the bits count in full");
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &table, w, NULL) == WHIT_OK, "nf4");
    CHECK(w[0] == -0.1f && w[1] == 0.1f && isfinite(w[3]) && w[4] == 0, "every octet decodes");
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, NULL, w, &err) == WHIT_ERR_ARG, "scheme");
    CHECK(err.code == WHIT_ERR_ARG && err.msg[0], "said");
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &keep, w, NULL) == WHIT_ERR_ARG, "keep");
    CHECK(whit_dequantize(NULL, s, NULL, 2, 3, &sym, w, NULL) == WHIT_ERR_ARG, "codes");
    CHECK(whit_dequantize(codes, NULL, NULL, 2, 3, &sym, w, NULL) == WHIT_ERR_ARG, "scale");
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &sym, NULL, NULL) == WHIT_ERR_ARG, "w");
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &asym, w, NULL) == WHIT_ERR_ARG, "zero");
    CHECK(whit_dequantize(NULL, NULL, NULL, 0, 3, &asym, NULL, NULL) == WHIT_OK, "no rows");
    CHECK(whit_dequantize(NULL, NULL, NULL, 3, 0, &sym, NULL, NULL) == WHIT_OK, "no columns");
    sym.group = 0;
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &sym, w, NULL) == WHIT_ERR_ARG, "group 0");
    sym.gran = WHIT_GRAN_NONE;
    CHECK(whit_dequantize(codes, s, NULL, 2, 3, &sym, w, NULL) == WHIT_ERR_ARG, "no granularity");
    CHECK(fabs(whit_sqnr_db(100, 1) - 20) < 1e-12 && fabs(whit_sqnr_db(2, 2)) < 1e-12, "in dB");
    CHECK(whit_sqnr_db(1, 0) == INFINITY && whit_sqnr_db(0, 0) == INFINITY, "no error");
}

int main(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) check_row(&rows[i], i);
    test_overflow();
    test_not_finite();
    test_bad_specs();
    test_positive();
    test_positive_zero();
    test_largest();
    test_nf4();
    test_nf4_vector();
    test_dequantize();
    return check_result();
}
