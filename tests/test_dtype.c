/* tests/test_dtype.c - element types: names, every pattern of the small floats against definitions
 * with ldexp, roundings at every midpoint, the vectors of the formats, matrices of shapes.
 *
 * The definitions here are written from the layouts (IEEE 754, OCP OFP8, the FNUZ pair), apart from
 * src/base/half.
 * SPDX-License-Identifier: MIT */
#include <whit/tensor.h>

#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* ---- the table of types ---------------------------------------------------------------------- */

static void test_table(void)
{
    static const struct {
        const char *name;
        unsigned bits;
        int is_float;
    } want[] = {
        /* clang-format off */
        { "BOOL", 8, 0 },        { "F4", 4, 0 },           { "F6_E2M3", 6, 0 },
        { "F6_E3M2", 6, 0 },     { "U8", 8, 0 },           { "I8", 8, 0 },
        { "F8_E5M2", 8, 1 },     { "F8_E4M3", 8, 1 },      { "F8_E8M0", 8, 1 },
        { "F8_E4M3FNUZ", 8, 1 }, { "F8_E5M2FNUZ", 8, 1 },  { "I16", 16, 0 },
        { "U16", 16, 0 },        { "F16", 16, 1 },         { "BF16", 16, 1 },
        { "I32", 32, 0 },        { "U32", 32, 0 },         { "F32", 32, 1 },
        { "C64", 64, 0 },        { "F64", 64, 1 },         { "I64", 64, 0 },
        { "U64", 64, 0 },        { "BLOCKS", 0, 0 },
        /* clang-format on */
    };
    static const char *const others[] = {
        "", "?", "f16", "F16 ", "F1", "F160", "F8", "BF", "U64X"
    };
    static const int outside[] = { -1, WHIT_DTYPE_COUNT, WHIT_DTYPE_COUNT + 1, 1 << 30 };
    CHECK(COUNT(want) == WHIT_DTYPE_COUNT, "%d types", (int)WHIT_DTYPE_COUNT);
    for (int d = 0; d < WHIT_DTYPE_COUNT && d < (int)COUNT(want); d++) {
        whit_dtype t = (whit_dtype)d;
        float f = 3.0f;
        CHECK(strcmp(whit_dtype_name(t), want[d].name) == 0, "%d: %s", d, whit_dtype_name(t));
        CHECK(whit_dtype_bits(t) == want[d].bits, "%s: %u", want[d].name, whit_dtype_bits(t));
        CHECK(whit_dtype_is_float(t) == want[d].is_float, "%s", want[d].name);
        CHECK(whit_dtype_parse(want[d].name) == (t == WHIT_BLOCKS ? WHIT_DTYPE_COUNT : t), "%s",
              want[d].name);
        whit_status st = whit_dtype_to_f32(t, "\0\0\0\0\0\0\0", 1, &f);
        CHECK(st == (want[d].is_float ? WHIT_OK : WHIT_ERR_ARG), "%s is read", want[d].name);
        CHECK(want[d].is_float || f == 3.0f, "%s: nothing written", want[d].name);
        uint8_t out[8];
        int writes = t == WHIT_F64 || t == WHIT_F32 || t == WHIT_F16 || t == WHIT_BF16 ||
                     t == WHIT_F8_E4M3 || t == WHIT_F8_E5M2 || t == WHIT_F8_E8M0;
        st = whit_dtype_from_f32(t, &f, 1, out);
        CHECK(st == (writes ? WHIT_OK : WHIT_ERR_ARG), "%s is written", want[d].name);
    }
    for (size_t i = 0; i < COUNT(others); i++)
        CHECK(whit_dtype_parse(others[i]) == WHIT_DTYPE_COUNT, "'%s' is no type", others[i]);
    for (size_t i = 0; i < COUNT(outside); i++) {
        whit_dtype t = (whit_dtype)outside[i];
        float f = 0;
        CHECK(strcmp(whit_dtype_name(t), "?") == 0 && whit_dtype_bits(t) == 0, "%d", outside[i]);
        CHECK(!whit_dtype_is_float(t) && whit_dtype_to_f32(t, &f, 1, &f) == WHIT_ERR_ARG &&
                  whit_dtype_from_f32(t, &f, 1, &f) == WHIT_ERR_ARG,
              "%d", outside[i]);
    }
    CHECK(whit_dtype_to_f32(WHIT_F16, NULL, 0, NULL) == WHIT_OK, "nothing");
    CHECK(whit_dtype_from_f32(WHIT_F16, NULL, 0, NULL) == WHIT_OK, "nothing");
}

/* ---- every pattern ----------------------------------------------------------------------------
 */

enum { PLAIN, INF_AND_NAN, NAN_AT_ONES, NAN_AT_ZERO, NO_SIGN };

/* The value of a pattern: sign, exponent of ebits, mantissa of mbits, bias, and what is special. */
static double meaning(unsigned u, int ebits, int mbits, int bias, int special)
{
    int m = (int)(u & ((1u << mbits) - 1)), e = (int)(u >> mbits & ((1u << ebits) - 1));
    int negative = (int)(u >> (mbits + ebits) & 1), top = (1 << ebits) - 1;
    double v = e ? ldexp(1.0 + ldexp(m, -mbits), e - bias) : ldexp(m, 1 - bias - mbits);
    if (special == NO_SIGN) return u == 0xff ? NAN : ldexp(1.0, (int)u - bias);
    if (special == INF_AND_NAN && e == top) v = m ? NAN : INFINITY;
    if (special == NAN_AT_ONES && e == top && m == (1 << mbits) - 1) v = NAN;
    if (special == NAN_AT_ZERO && negative && e == 0 && m == 0) v = NAN;
    return negative ? -v : v;
}

static const struct small {
    whit_dtype dtype;
    int ebits, mbits, bias, special;
} smalls[] = {
    { WHIT_F16, 5, 10, 15, INF_AND_NAN },        { WHIT_BF16, 8, 7, 127, INF_AND_NAN },
    { WHIT_F8_E5M2, 5, 2, 15, INF_AND_NAN },     { WHIT_F8_E4M3, 4, 3, 7, NAN_AT_ONES },
    { WHIT_F8_E8M0, 8, 0, 127, NO_SIGN },        { WHIT_F8_E4M3FNUZ, 4, 3, 8, NAN_AT_ZERO },
    { WHIT_F8_E5M2FNUZ, 5, 2, 16, NAN_AT_ZERO },
};

/* All patterns in chunks of `step`, from an odd address, into a buffer with a guard behind it. */
static void check_patterns(const struct small *s, size_t step)
{
    size_t octets = whit_dtype_bits(s->dtype) / 8, count = octets == 2 ? 65536 : 256, wrong = 0;
    uint8_t *src = malloc(step * octets + 1); /* exact: a sanitizer sees one octet too far */
    float *dst = malloc((step + 1) * sizeof *dst);
    if (!src || !dst) abort();
    for (size_t first = 0; first < count; first += step) {
        size_t n = count - first < step ? count - first : step;
        uint8_t *at = src + (step - n) * octets + 1;
        for (size_t i = 0; i < n; i++) {
            at[i * octets] = (uint8_t)(first + i);
            if (octets == 2) at[2 * i + 1] = (uint8_t)((first + i) >> 8);
        }
        dst[n] = 12345.0f;
        CHECK(whit_dtype_to_f32(s->dtype, at, n, dst) == WHIT_OK, "%s", whit_dtype_name(s->dtype));
        CHECK(dst[n] == 12345.0f, "%s: %zu written as more", whit_dtype_name(s->dtype), n);
        for (size_t i = 0; i < n; i++) {
            double v = meaning((unsigned)(first + i), s->ebits, s->mbits, s->bias, s->special);
            int same = isnan(v) ? isnan(dst[i]) : bits_of(dst[i]) == bits_of((float)v);
            if (!same && wrong++ < 5)
                CHECK(0, "%s %zx: %a, not %a", whit_dtype_name(s->dtype), first + i, (double)dst[i],
                      v);
        }
    }
    CHECK(wrong == 0, "%s: %zu wrong", whit_dtype_name(s->dtype), wrong);
    free(src);
    free(dst);
}

static void test_patterns(void)
{
    for (size_t i = 0; i < COUNT(smalls); i++) {
        int wide = whit_dtype_bits(smalls[i].dtype) == 16;
        check_patterns(&smalls[i], wide ? 65536 : 256);
        check_patterns(&smalls[i], wide ? 4099 : 255); /* octets: without a table, too */
        check_patterns(&smalls[i], wide ? 129 : 7);
    }
}

/* ---- rounding to 16 bits ----------------------------------------------------------------------
 */

static uint16_t to16(whit_dtype dtype, float f)
{
    uint8_t raw[3] = { 0, 0, 0x5a };
    CHECK(whit_dtype_from_f32(dtype, &f, 1, raw) == WHIT_OK && raw[2] == 0x5a, "two octets");
    return (uint16_t)(raw[0] | raw[1] << 8);
}

/* Every pattern comes back; every midpoint of neighbours goes to the even one, one ulp to either
 * side of it to the nearer; beyond the largest value the next step counts as if it existed. */
static void test_rounding(void)
{
    for (size_t s = 0; s < 2; s++) {
        const struct small *f = &smalls[s];
        unsigned top = s ? 0x7f80 : 0x7c00, wrong = 0;
        for (unsigned h = 0; h < 65536; h++) {
            double v = meaning(h, f->ebits, f->mbits, f->bias, INF_AND_NAN);
            unsigned got = to16(f->dtype, (float)v);
            wrong += isnan(v) ? (got & 0x7fff) <= top : got != h;
        }
        CHECK(wrong == 0, "%s: %u do not come back", whit_dtype_name(f->dtype), wrong);
        wrong = 0;
        for (unsigned h = 0; h < top; h++) {
            double lower = meaning(h, f->ebits, f->mbits, f->bias, PLAIN);
            double upper = meaning(h + 1, f->ebits, f->mbits, f->bias, PLAIN);
            float middle = (float)((lower + upper) / 2);
            float below = nextafterf(middle, 0.0f), above = nextafterf(middle, INFINITY);
            wrong += (double)middle != (lower + upper) / 2;
            wrong += to16(f->dtype, middle) != h + (h & 1);
            wrong += to16(f->dtype, below) != h || to16(f->dtype, above) != h + 1;
            wrong += to16(f->dtype, -middle) != (h + (h & 1)) + 0x8000;
            wrong += to16(f->dtype, -below) != h + 0x8000;
            wrong += to16(f->dtype, -above) != h + 0x8001;
        }
        CHECK(wrong == 0, "%s: %u midpoints", whit_dtype_name(f->dtype), wrong);
        for (unsigned m = 1; m < 0x800000; m = m * 2 + 1) /* all NaNs, quiet or not */
            wrong += (to16(f->dtype, float_of(0x7f800000 | m)) & 0x7fff) <= top ||
                     (to16(f->dtype, float_of(0xff800000 | (0x800000 - m))) & 0x7fff) <= top;
        CHECK(wrong == 0, "%s: %u NaNs are lost", whit_dtype_name(f->dtype), wrong);
    }
}

static void test_vectors(void)
{
    static const struct {
        whit_dtype dtype;
        float from;
        unsigned want;
    } cases[] = {
        { WHIT_F16, 1.0f, 0x3c00 },         { WHIT_F16, 0.1f, 0x2e66 },
        { WHIT_F16, -2.5f, 0xc100 },        { WHIT_F16, 65504.0f, 0x7bff },
        { WHIT_F16, 6.1e-5f, 0x03ff },      { WHIT_F16, 5.96e-8f, 0x0001 },
        { WHIT_F16, 65519.996f, 0x7bff },   { WHIT_F16, 65520.0f, 0x7c00 },
        { WHIT_F16, -FLT_MAX, 0xfc00 },     { WHIT_F16, -0.0f, 0x8000 },
        { WHIT_F16, 0x1p-25f, 0x0000 },     { WHIT_F16, 0x1.000002p-25f, 0x0001 },
        { WHIT_F16, FLT_TRUE_MIN, 0x0000 }, { WHIT_F16, INFINITY, 0x7c00 },
        { WHIT_BF16, 1.0f, 0x3f80 },        { WHIT_BF16, 0.1f, 0x3dcd },
        { WHIT_BF16, -2.5f, 0xc020 },       { WHIT_BF16, 1.00390625f, 0x3f80 },
        { WHIT_BF16, 1.01171875f, 0x3f82 }, { WHIT_BF16, 3.4e38f, 0x7f80 },
        { WHIT_BF16, 0x1p-134f, 0x0000 },   { WHIT_BF16, 0x1.8p-133f, 0x0002 },
        { WHIT_BF16, -INFINITY, 0xff80 },
    };
    static const struct {
        whit_dtype dtype;
        uint8_t from;
        float want;
    } octets[] = {
        { WHIT_F8_E4M3, 0x1d, 0.1015625f },  { WHIT_F8_E4M3, 0x58, 16.0f },
        { WHIT_F8_E4M3, 0x59, 18.0f },       { WHIT_F8_E4M3, 0x5a, 20.0f },
        { WHIT_F8_E4M3, 0x02, 3.90625e-3f }, { WHIT_F8_E4M3, 0x7e, 448.0f },
        { WHIT_F8_E5M2, 0x7b, 57344.0f },    { WHIT_F8_E5M2, 0xfc, -INFINITY },
        { WHIT_F8_E8M0, 0x00, 0x1p-127f },   { WHIT_F8_E8M0, 0xfe, 0x1p127f },
        { WHIT_F8_E4M3FNUZ, 0x7f, 240.0f },  { WHIT_F8_E5M2FNUZ, 0xff, -57344.0f },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned got = to16(cases[i].dtype, cases[i].from);
        CHECK(got == cases[i].want, "%s of %a: %04x", whit_dtype_name(cases[i].dtype),
              (double)cases[i].from, got);
    }
    for (size_t i = 0; i < COUNT(octets); i++) {
        float got = 0;
        whit_dtype_to_f32(octets[i].dtype, &octets[i].from, 1, &got);
        CHECK(got == octets[i].want, "%s %02x: %a", whit_dtype_name(octets[i].dtype),
              octets[i].from, (double)got);
    }
}

/* ---- 32 and 64 bits ---------------------------------------------------------------------------
 */

static void test_f32(void)
{
    check_rng r = { 1 };
    uint8_t raw[4 * 100 + 1];
    float v[101], back[100];
    for (size_t i = 0; i < 100; i++) { /* any bits at all */
        uint32_t u = i == 0 ? 0x7f800001 : i == 1 ? 0x80000000 : (uint32_t)check_u64(&r);
        for (size_t k = 0; k < 4; k++) raw[1 + 4 * i + k] = (uint8_t)(u >> 8 * k);
        memcpy(&back[i], &u, 4);
    }
    v[100] = 12345.0f;
    CHECK(whit_dtype_to_f32(WHIT_F32, raw + 1, 100, v) == WHIT_OK && v[100] == 12345.0f, "F32");
    CHECK(memcmp(v, back, sizeof back) == 0, "the same bits, NaNs too");
    uint8_t out[sizeof raw];
    CHECK(whit_dtype_from_f32(WHIT_F32, v, 100, out + 1) == WHIT_OK, "F32");
    CHECK(memcmp(out + 1, raw + 1, 400) == 0, "the same bits back");
}

static void test_f64(void)
{
    static const struct {
        double from;
        float want;
    } cases[] = {
        { 1.0, 1.0f },
        { -0.0, -0.0f },
        { 0.1, 0.1f },
        { 1.0 + 0x1p-24, 1.0f }, /* ties to even */
        { 1.0 + 0x1.8p-23, 1.0f + 0x1p-22f },
        { 1.0 + 0x1p-24 + 0x1p-52, 1.0f + 0x1p-23f },
        { FLT_MAX, FLT_MAX },
        { 0x1.fffffefffffffp127, FLT_MAX }, /* below the tie to 2^128 */
        { 0x1.ffffffp127, INFINITY },
        { -1e300, -INFINITY },
        { INFINITY, INFINITY },
        { 0x1p-150, 0.0f }, /* half of the smallest: to the even 0 */
        { 0x1.0000000000001p-150, 0x1p-149f },
        { 0x1.4p-148, 0x1p-148f },
        { 0x1.cp-148, 0x1p-147f },
        { 4.9e-324, 0.0f },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t raw[9];
        uint64_t u;
        float got = 3.0f;
        memcpy(&u, &cases[i].from, 8);
        for (size_t k = 0; k < 8; k++) raw[1 + k] = (uint8_t)(u >> 8 * k);
        whit_dtype_to_f32(WHIT_F64, raw + 1, 1, &got);
        CHECK(bits_of(got) == bits_of(cases[i].want), "%a: %a", cases[i].from, (double)got);
    }
    float got = 3.0f;
    whit_dtype_to_f32(WHIT_F64, "\1\0\0\0\0\0\xf0\x7f", 1, &got);
    CHECK(isnan(got), "NaN stays NaN: its low bits do not fit, %a", (double)got);
}

/* ---- matrices ----------------------------------------------------------------------------------
 */

static void test_matrix(void)
{
    static const struct {
        const char *name;
        uint32_t rank;
        uint64_t shape[4], rows, cols;
    } cases[] = {
        { "s", 0, { 9, 9, 9, 9 }, 1, 1 }, /* what stands behind the rank means nothing */
        { "v", 1, { 7, 9, 9, 9 }, 1, 7 },
        { "w", 2, { 3, 5, 9, 9 }, 3, 5 },
        { "conv.weight", 4, { 8, 3, 5, 7 }, 8, 105 },
        { "conv1d.weight", 3, { 8, 3, 5, 9 }, 8, 15 },
        { "model.layers.0.mlp.experts.gate_up_proj", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "experts", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "experts.w", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "mlp.experts", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "mlp.shared_experts.w", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "mlp.experts2.w", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "blk.0.ffn_gate_exps.weight", 3, { 8, 64, 256, 9 }, 512, 256 },
        { "blk.0.ffn_up_chexps.weight", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "blk.0.ffn_down_exps", 3, { 4, 6, 10, 9 }, 24, 10 },
        { "blk.0.ffn_down_shexp.weight", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "blk.0.exps_w.weight", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "blk.0.xps", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "blk.0.ffn_gate_exps.weight", 2, { 4, 6, 10, 9 }, 4, 6 },
        { "mlp.Experts.w", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "expert.w", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "experts.w", 2, { 4, 6, 9, 9 }, 4, 6 },
        { "experts.w", 4, { 4, 6, 10, 2 }, 4, 120 },
        { "experts.w", 1, { 4, 9, 9, 9 }, 1, 4 },
        { "", 3, { 4, 6, 10, 9 }, 4, 60 },
        { "no rows", 2, { 0, 5, 9, 9 }, 0, 5 },
        { "no columns", 2, { 5, 0, 9, 9 }, 5, 0 },
        { "empty", 1, { 0, 9, 9, 9 }, 1, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_tensor t = { .name = cases[i].name, .dtype = WHIT_F32, .rank = cases[i].rank };
        uint64_t rows = 77, cols = 77;
        memcpy(t.shape, cases[i].shape, sizeof cases[i].shape);
        t.elements = 1;
        for (uint32_t d = 0; d < t.rank; d++) t.elements *= t.shape[d];
        whit_tensor_matrix(&t, &rows, &cols);
        CHECK(rows == cases[i].rows && cols == cases[i].cols, "%s of rank %d: %d x %d",
              cases[i].name, (int)t.rank, (int)rows, (int)cols);
    }
    whit_tensor t = { .name = "deep", .rank = 8, .shape = { 2, 3, 1, 1, 5, 1, 1, 7 } };
    uint64_t rows = 0, cols = 0;
    t.elements = 210;
    whit_tensor_matrix(&t, &rows, &cols);
    CHECK(rows == 2 && cols == 105, "rank 8: %d x %d", (int)rows, (int)cols);
}

int main(void)
{
    test_table();
    test_patterns();
    test_rounding();
    test_vectors();
    test_f32();
    test_f64();
    test_matrix();
    return check_result();
}
