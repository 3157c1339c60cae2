/* tests/test_hqq.c - powers against libm; HQQ by hand, its errors on heavy tails, what is stored.
 * SPDX-License-Identifier: MIT */
#include "calib/hqq.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/power.h"

static void test_power(void)
{
    check_rng rng = { 2 };
    for (int i = 0; i < 20000; i++) {
        const double x = ldexp(1 + (double)(check_u64(&rng) >> 40) / 16777216.0,
                               (int)check_below(&rng, 200) - 100);
        const double p = 2 * (double)check_f32(&rng), want = pow(x, p);
        CHECK(fabs(wh_power(x, p) - want) <= 1e-13 * want, "%g^%g: %.17g, not %.17g", x, p,
              wh_power(x, p), want);
    }
    CHECK(wh_power(7, 0) == 1 && wh_power(0, 0) == 1 && wh_power(0, .5) == 0, "edges");
    CHECK(wh_power(1, .3) == 1, "1^p");
}

/* Methods 8.1. */
static void test_by_hand(void)
{
    static const float w[8] = { -.9f, .31f, .12f, -.44f, .7f, .05f, -.2f, .58f };
    static const int codes[8] = { 0, 2, 2, 1, 3, 2, 1, 3 };
    const double s = 1.6 / 3;
    wh_hqq h;
    double before = 0, after = 0;
    wh_hqq_search(w, NULL, 8, s, 3, 1.6875, &h);
    CHECK(fabs(h.zero - 1.698437) < 2e-6, "z is %.7f", h.zero);
    for (int i = 0; i < 8; i++) {
        const double x = (double)w[i], a = x - (codes[i] - 1.6875) * s,
                     b = x - (codes[i] - h.zero) * s;
        CHECK(rint(x / s + h.zero) == codes[i], "code %d", i);
        before += a * a / 8;
        after += b * b / 8;
    }
    CHECK(fabs(before - .0104861) < 1e-7 && fabs(after - .0104521) < 1e-7, "%.7f -> %.7f", before,
          after);
    for (unsigned i = 1; i < h.steps; i++)
        CHECK(h.history[i] < h.history[i - 1], "the error grew at step %u", i);
}

static float student5(check_rng *r)
{
    double chi2 = 0;
    for (int k = 0; k < 5; k++) {
        const double g = (double)check_normal(r);
        chi2 += g * g;
    }
    return (float)((double)check_normal(r) / sqrt(chi2 / 5));
}

typedef struct errors {
    double mean, square;
} errors;

static errors compare(const float *w, const float *back, size_t n)
{
    errors e = { 0, 0 };
    for (size_t i = 0; i < n; i++) {
        const double d = (double)w[i] - (double)back[i];
        e.mean += fabs(d) / (double)n;
        e.square += d * d / (double)n;
    }
    return e;
}

/* The zero points of integers: never a larger mean error than minmax; a smaller one over all. */
static void test_codes(whit_context *c, const float *w, size_t rows, size_t cols)
{
    static const char *const schemes[] = { "int2-g64-asym", "int3-g64-asym", "int4-g64-asym",
                                           "int4-channel-asym", "int2-g100-asym" };
    uint8_t *codes = malloc(rows * cols), *zero = malloc(rows * cols);
    float *scale = malloc(rows * cols * sizeof *scale), *back = malloc(rows * cols * sizeof *back);
    if (!codes || !zero || !scale || !back) abort();
    for (size_t i = 0; i < 5; i++) {
        whit_quant_spec spec = { .struct_size = sizeof spec, .clip = WHIT_CLIP_MINMAX };
        whit_error err = { WHIT_OK, "" };
        CHECK(whit_scheme_parse(&spec.scheme, schemes[i], &err) == WHIT_OK, "%s", err.msg);
        whit_quantize(w, rows, cols, &spec, codes, scale, zero, NULL, &err);
        whit_dequantize(codes, scale, zero, rows, cols, &spec.scheme, back, &err);
        const errors plain = compare(w, back, rows * cols);
        CHECK(wh_hqq_codes(c, &spec, w, rows, cols, codes, scale, zero, &err) == WHIT_OK, "%s",
              err.msg);
        whit_dequantize(codes, scale, zero, rows, cols, &spec.scheme, back, &err);
        const errors own = compare(w, back, rows * cols);
        printf("%s: mean %.3f, square %.3f\n", schemes[i], own.mean / plain.mean,
               own.square / plain.square);
        CHECK(own.mean <= plain.mean, "%s: %g after %g", schemes[i], own.mean, plain.mean);
    }
    whit_quant_spec bad = { .struct_size = sizeof bad };
    whit_scheme_parse(&bad.scheme, "int4-g64", NULL);
    CHECK(wh_hqq_codes(c, &bad, w, rows, cols, codes, scale, zero, NULL) == WHIT_ERR_ARG, "sym");
    free(codes);
    free(zero);
    free(scale);
    free(back);
}

/* A zero point that is no integer: less is lost than with minimum and maximum. */
static void test_blocks(whit_context *c, float *w, size_t rows, size_t cols)
{
    static const whit_block types[] = { WHIT_Q4_1, WHIT_Q5_1 };
    whit_error err = { WHIT_OK, "" };
    uint8_t *out = malloc(rows * cols);
    float *back = malloc(rows * cols * sizeof *back);
    if (!out || !back) abort();
    for (int i = 0; i < 2; i++) {
        const size_t blocks = rows * cols / 32;
        whit_block_encode(types[i], WHIT_SEARCH_REFERENCE, w, rows, cols, NULL, out, &err);
        whit_block_decode(types[i], out, blocks, back, &err);
        const errors plain = compare(w, back, rows * cols);
        CHECK(wh_hqq_blocks(c, types[i], w, rows, cols, out, &err) == WHIT_OK, "%s", err.msg);
        whit_block_decode(types[i], out, blocks, back, &err);
        const errors own = compare(w, back, rows * cols);
        printf("%s: mean %.3f, square %.3f\n", whit_block_describe(types[i])->name,
               own.mean / plain.mean, own.square / plain.square);
        CHECK(own.mean < plain.mean && own.square < plain.square, "%d: %g %g after %g %g", i,
              own.mean, own.square, plain.mean, plain.square);
    }
    w[5 * cols + 7] = INFINITY;
    w[2 * cols + 70] = 1e30f;
    CHECK(wh_hqq_blocks(c, WHIT_Q4_1, w, rows, cols, out, &err) == WHIT_ERR_NUMERIC, "1e30");
    CHECK(strstr(err.msg, "row 2") != NULL, "%s", err.msg);
    CHECK(wh_hqq_blocks(c, WHIT_Q4_K, w, rows, cols, out, &err) == WHIT_ERR_ARG, "Q4_K");
    free(out);
    free(back);
}

int main(void)
{
    enum { ROWS = 30, COLS = 256 };
    static float w[ROWS * COLS];
    check_rng rng = { 9 };
    const whit_context_options o = { sizeof o, 3, 0 };
    whit_context *c = NULL;
    if (whit_context_open(&c, &o, NULL) != WHIT_OK) return 1;
    for (size_t i = 0; i < ROWS * COLS; i++) w[i] = student5(&rng) * 0.03f;
    test_power();
    test_by_hand();
    test_codes(c, w, ROWS, COLS);
    test_blocks(c, w, ROWS, COLS);
    whit_context_close(c);
    return check_result();
}
