/* tests/test_weigh.c - scales searched by weighed error: never worse than minmax or than the search
 * without weights, by the weights; no worse than that where all are equal; grids found again;
 * the same codes with every variant of the loops.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "check.h"
#include "quant/matrix.h"

enum { ROWS = 3, COLS = 192 };

static const char *const schemes[] = {
    "int4-g32", "int4-g64-asym", "int3-channel", "int2-g32",         "int8-g128",
    "nf4-g64",  "fp4-g32",       "fp4bnb-g64",   "fp8_e4m3-channel", "mxfp4",
    "nvfp4",    "int5-g48-sf32", "int4-g100",
};
#define SCHEMES (sizeof schemes / sizeof schemes[0])

typedef struct coded {
    uint8_t codes[ROWS * COLS], zero[ROWS * COLS];
    float scale[ROWS * COLS], value[ROWS * COLS];
} coded;

static void encode(const char *scheme, whit_clip clip, const wh_encode_ops *ops, const float *w,
                   const float *importance, coded *out)
{
    static float scratch[2 * COLS];
    whit_quant_stats stats = { 0 };
    whit_quant_spec spec = { .struct_size = sizeof spec, .clip = clip, .scale2 = 0.001f };
    wh_quantizer q;
    whit_error err = { WHIT_OK, "" };
    whit_scheme_parse(&spec.scheme, scheme, NULL);
    CHECK(wh_quantizer_init(&q, &spec, &err) == WHIT_OK, "%s: %s", scheme, err.msg);
    if (ops) q.ops = ops;
    wh_tile t = { .w = w,
                  .rows = ROWS,
                  .cols = COLS,
                  .group = q.scheme.group && q.scheme.group < COLS ? q.scheme.group : COLS,
                  .importance = importance,
                  .codes = out->codes,
                  .scale = out->scale,
                  .zero = q.scheme.asym ? out->zero : NULL,
                  .scratch = scratch,
                  .stats = &stats };
    memset(out->zero, 0, sizeof out->zero);
    CHECK(wh_tile_encode(&q, &t, &err) == WHIT_OK, "%s: %s", scheme, err.msg);
    const size_t groups = (COLS + t.group - 1) / t.group;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t g = 0; g < groups; g++) {
            const size_t c = g * t.group, n = COLS - c < t.group ? COLS - c : t.group;
            const float scale = out->scale[r * groups + g] * q.unit;
            whit_scheme one = q.scheme;
            one.gran = WHIT_GRAN_CHANNEL;
            whit_dequantize(out->codes + r * COLS + c, &scale,
                            t.zero ? t.zero + r * groups + g : NULL, 1, n, &one,
                            out->value + r * COLS + c, NULL);
        }
}

/* Of columns [c0, c1) of a row. */
static double error_of(const float *w, const coded *c, const float *importance, size_t row,
                       size_t c0, size_t c1)
{
    double sum = 0;
    for (size_t k = c0; k < c1; k++) {
        const double e = (double)w[row * COLS + k] - (double)c->value[row * COLS + k];
        sum += (importance ? (double)importance[k] : 1) * e * e;
    }
    return sum;
}

static size_t group_of(const char *scheme)
{
    whit_scheme s;
    whit_scheme_parse(&s, scheme, NULL);
    return s.group && s.group < COLS ? s.group : COLS;
}

static void fill(check_rng *r, float *w, float *importance, int round)
{
    for (size_t i = 0; i < ROWS * COLS; i++) {
        w[i] = check_normal(r);
        if (round % 3 == 1 && check_below(r, 20) == 0) w[i] *= 8;
    }
    for (size_t k = 0; k < COLS; k++) {
        const float x = check_normal(r);
        importance[k] = round % 4 == 3 ? (check_below(r, 4) ? 0 : 1e6f) : expf(2 * x);
    }
}

static void test_better(void)
{
    static float w[ROWS * COLS], importance[COLS];
    static coded weighed, plain, minmax;
    check_rng r = { 31 };
    double all[SCHEMES][2] = { { 0 } };
    for (int round = 0; round < 24; round++)
        for (size_t i = 0; i < SCHEMES; i++) {
            double sums[2] = { 0, 0 };
            const size_t group = group_of(schemes[i]);
            fill(&r, w, importance, round);
            encode(schemes[i], WHIT_CLIP_MSE, NULL, w, importance, &weighed);
            encode(schemes[i], WHIT_CLIP_MSE, NULL, w, NULL, &plain);
            encode(schemes[i], WHIT_CLIP_MINMAX, NULL, w, NULL, &minmax);
            for (size_t row = 0; row < ROWS; row++)
                for (size_t c = 0; c < COLS; c += group) {
                    const size_t end = COLS - c < group ? COLS : c + group;
                    const double a = error_of(w, &weighed, importance, row, c, end);
                    const double b = error_of(w, &plain, importance, row, c, end);
                    const double m = error_of(w, &minmax, importance, row, c, end);
                    sums[0] += a;
                    sums[1] += b;
                    CHECK(a <= m * (1 + 1e-6), "%s, round %d: %g, minmax %g", schemes[i], round, a,
                          m);
                }
            CHECK(sums[0] <= sums[1] * (1 + 1e-6), "%s, round %d: %g, without weights %g",
                  schemes[i], round, sums[0], sums[1]);
            if (round % 4 == 3) continue;
            all[i][0] += sums[0];
            all[i][1] += sums[1];
        }
    for (size_t i = 0; i < 4; i++) /* few bits: there is something to gain */
        CHECK(all[i][0] < 0.98 * all[i][1], "%s: all of it %g, without weights %g", schemes[i],
              all[i][0], all[i][1]);
}

/* Equal weights, and none that counts: no worse than without. (The weighed search takes several
 * steps of least squares, the other one.) */
static void test_even(void)
{
    static float w[ROWS * COLS], importance[COLS], ones[COLS];
    static coded weighed, plain;
    check_rng r = { 37 };
    for (int how = 0; how < 2; how++)
        for (size_t i = 0; i < SCHEMES; i++) {
            fill(&r, w, importance, 0);
            for (size_t k = 0; k < COLS; k++) ones[k] = how ? 0.0f : 3.5f;
            encode(schemes[i], WHIT_CLIP_MSE, NULL, w, ones, &weighed);
            encode(schemes[i], WHIT_CLIP_MSE, NULL, w, NULL, &plain);
            for (size_t row = 0; row < ROWS; row++) {
                const double a = error_of(w, &weighed, NULL, row, 0, COLS);
                const double b = error_of(w, &plain, NULL, row, 0, COLS);
                CHECK(a <= b * (1 + 1e-6), "%s: %g, without weights %g", schemes[i], a, b);
            }
        }
}

/* What lies on a grid stays there. */
static void test_grid(void)
{
    static float w[ROWS * COLS], importance[COLS];
    static coded first, second;
    check_rng r = { 41 };
    for (size_t i = 0; i < SCHEMES; i++) {
        fill(&r, w, importance, 0);
        encode(schemes[i], WHIT_CLIP_MINMAX, NULL, w, NULL, &first);
        encode(schemes[i], WHIT_CLIP_MSE, NULL, first.value, importance, &second);
        CHECK(error_of(first.value, &second, NULL, 0, 0, COLS) <=
                  1e-9 * error_of(w, &first, NULL, 0, 0, COLS),
              "%s is not found again", schemes[i]);
    }
}

static void test_variants(void)
{
    static float w[ROWS * COLS], importance[COLS];
    static coded want, got;
    check_rng r = { 43 };
    uint32_t allowed = 0;
    size_t count;
    wh_isa_allowed(&allowed, NULL);
    const wh_encode_ops *const *v = wh_encode_variants(&count);
    for (size_t i = 0; i < SCHEMES; i++) {
        fill(&r, w, importance, (int)i);
        encode(schemes[i], WHIT_CLIP_MSE, v[0], w, importance, &want);
        for (size_t k = 1; k < count; k++) {
            if (v[k]->needs & ~allowed) continue;
            encode(schemes[i], WHIT_CLIP_MSE, v[k], w, importance, &got);
            CHECK(memcmp(want.codes, got.codes, sizeof got.codes) == 0 &&
                      memcmp(want.value, got.value, sizeof got.value) == 0,
                  "%s: %s is another", schemes[i], v[k]->isa);
        }
    }
}

int main(void)
{
    test_better();
    test_even();
    test_grid();
    test_variants();
    return check_result();
}
