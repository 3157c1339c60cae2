/* tests/test_search.c - the mse search against the exact optimum, groups that lie on a grid, and
 * the decibels of nf4.
 * SPDX-License-Identifier: MIT */
#include <whit/quant.h>

#include "check.h"
#include "oracle.h"

#include <string.h>

#include "quant/search.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum { LONGEST = 256 };

/* ---- random numbers ----------------------------------------------------------------------------
 */

static double uniform(check_rng *r) /* (0, 1) */
{
    return ((double)(check_u64(r) >> 12) + 0.5) / 4503599627370496.0;
}

/* check_normal has no tails; the searches depend on them. Box and Muller 1958. */
static double gauss(check_rng *r)
{
    double radius = sqrt(-2 * log(uniform(r)));
    return radius * cos(6.283185307179586 * uniform(r));
}

/* Student's t of four degrees: chi^2 of four is -2 ln(u v). */
static double student4(check_rng *r)
{
    double chi2 = -2 * log(uniform(r) * uniform(r));
    return gauss(r) / sqrt(chi2 / 4);
}

/* ---- the oracle itself -------------------------------------------------------------------------
 */

static void test_oracle_vectors(void)
{
    static const float x[8] = { -0.9f, 0.31f, 0.12f, -0.44f, 0.7f, 0.05f, -0.2f, 0.58f };
    static const struct {
        int bits;
        double scale, error;
        int q[8];
    } cases[] = {
        /* clang-format off */
        { 2, 0.47875,     0.1493875,   { -2, 1, 0, -1, 1, 0, 0, 1 } },
        { 3, 0.218292683, 0.029280488, { -4, 1, 1, -2, 3, 0, -1, 3 } },
        { 4, 0.112967742, 0.004934839, { -8, 3, 1, -4, 6, 0, -2, 5 } },
        /* clang-format on */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double e = 0, exact = oracle_error(x, 8, cases[i].bits, 1);
        for (int k = 0; k < 8; k++) {
            double d = (double)x[k] - cases[i].scale * cases[i].q[k];
            e += d * d;
        }
        CHECK(fabs(e - cases[i].error) < 1e-8, "the vector of %d bits: %.9g", cases[i].bits, e);
        CHECK(fabs(exact - cases[i].error) < 1e-8, "%d bits: %.9g", cases[i].bits, exact);
        CHECK(oracle_error(x, 8, cases[i].bits, 0) >= exact - 1e-12, "one sign is no better");
    }
}

/* The error of nearest codes at that scale, in double. */
static double error_at(const float *x, size_t n, int bits, double scale)
{
    double lo = -(1 << (bits - 1)), e = 0;
    for (size_t i = 0; i < n; i++) {
        double t = fmin(fmax(rint((double)x[i] / scale), lo), -lo - 1);
        double d = (double)x[i] - scale * t;
        e += d * d;
    }
    return e;
}

/* No scale of a fine scan is better, and the best of them comes close. */
static void test_oracle_scan(void)
{
    check_rng r = { 3 };
    for (int bits = 2; bits <= 4; bits++)
        for (int k = 0; k < 12; k++) {
            float x[12], amax = 0;
            for (int i = 0; i < 12; i++) {
                x[i] = (float)gauss(&r);
                amax = fmaxf(amax, fabsf(x[i]));
            }
            double best[2] = { INFINITY, INFINITY };
            for (int i = 1; i <= 2000; i++)
                for (int sign = 0; sign < 2; sign++) {
                    double s = (double)amax * 1.5 * i / 2000 * (sign ? -1 : 1);
                    best[sign] = fmin(best[sign], error_at(x, 12, bits, s));
                }
            double one = oracle_error(x, 12, bits, 0), both = oracle_error(x, 12, bits, 1);
            CHECK(one <= best[0] + 1e-9 && best[0] <= one * 1.01, "%d bits: %g, scan %g", bits, one,
                  best[0]);
            double least = fmin(best[0], best[1]);
            CHECK(both <= least + 1e-9 && least <= both * 1.01, "%d bits: %g, scan %g", bits, both,
                  least);
        }
}

/* ---- how far behind ----------------------------------------------------------------------------
 */

/* Sum of squared errors of one group as quantized. */
static double search_error(const float *x, size_t n, const whit_quant_spec *spec, float *scale)
{
    uint8_t codes[LONGEST];
    float back[LONGEST];
    double e = 0;
    CHECK(whit_quantize(x, 1, n, spec, codes, scale, NULL, NULL, NULL) == WHIT_OK, "quantize");
    CHECK(whit_dequantize(codes, scale, NULL, 1, n, &spec->scheme, back, NULL) == WHIT_OK, "back");
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)back[i];
        e += d * d;
    }
    return e;
}

/* Groups of n weights: the mean over groups of 10 log10(error / least error). The optimum may use
 * any real scale; nothing beats it but by the roundings of float32. */
static void check_gap(check_rng *r, int bits, size_t n, int tails, int positive)
{
    static const whit_dtype types[] = { WHIT_F16, WHIT_F32 };
    enum { GROUPS = 200 };
    double gap[2] = { 0, 0 };
    for (int k = 0; k < GROUPS; k++) {
        float x[LONGEST], scale = 0;
        for (size_t i = 0; i < n; i++) x[i] = (float)(tails ? student4(r) : gauss(r));
        double least = oracle_error(x, n, bits, !positive);
        for (int t = 0; t < 2; t++) {
            whit_scheme s = { WHIT_INT, (unsigned)bits, 0, WHIT_GRAN_CHANNEL, 0, types[t] };
            whit_quant_spec spec = { sizeof spec, s, WHIT_CLIP_MSE, positive };
            double e = search_error(x, n, &spec, &scale);
            CHECK(e >= least * (1 - 1e-5), "%d bits, %zu: %g below the least %g", bits, n, e,
                  least);
            CHECK(scale > 0 || !positive, "%d bits: scale %g", bits, (double)scale);
            gap[t] += 10 * log10(e / least) / GROUPS;
        }
    }
    for (int t = 0; t < 2; t++)
        CHECK(gap[t] <= 0.1, "%d bits, groups of %zu, %s, %s scales%s: %.3f dB behind", bits, n,
              tails ? "t(4)" : "normal", t ? "F32" : "F16", positive ? " above 0" : "", gap[t]);
}

static void test_gap(void)
{
    static const size_t lengths[] = { 16, 32, 64, 128, 256 };
    check_rng r = { 4 };
    for (int bits = 2; bits <= 4; bits++)
        for (size_t i = 0; i < COUNT(lengths); i++)
            for (int how = 0; how < 4; how++) check_gap(&r, bits, lengths[i], how & 1, how >> 1);
}

/* ---- grids --------------------------------------------------------------------------------------
 */

/* A group of values scale * q comes back without any error, whatever the scale and however few of
 * the codes are used: the largest magnitude is scale * q for some code q. */
static void check_grid(check_rng *r, unsigned bits, whit_dtype type, int sign, int limit)
{
    int half = 1 << (bits - 1), lo = bits == 8 ? 1 - half : -half;
    size_t n = 1 + (size_t)check_below(r, 40);
    whit_scheme s = { WHIT_INT, bits, 0, WHIT_GRAN_CHANNEL, 0, type };
    whit_quant_spec spec = { sizeof spec, s, WHIT_CLIP_MSE, sign > 0 && check_below(r, 2) };
    float x[40], back[40], found = 0;
    uint8_t codes[40], raw[4];
    float scale = ldexpf(1.0f + (float)uniform(r), -(int)check_below(r, 12)) * (float)sign;
    whit_quant_stats stats = { 0 };
    whit_dtype_from_f32(type, &scale, 1, raw);
    whit_dtype_to_f32(type, raw, 1, &scale);
    for (size_t i = 0; i < n; i++) {
        int q = (int)check_below(r, (uint64_t)(2 * limit + 1)) - limit;
        if (q > half - 1) q = half - 1;
        if (q < lo) q = lo;
        x[i] = scale * (float)q;
    }
    CHECK(whit_quantize(x, 1, n, &spec, codes, &found, NULL, &stats, NULL) == WHIT_OK, "grid");
    CHECK(whit_dequantize(codes, &found, NULL, 1, n, &s, back, NULL) == WHIT_OK, "grid");
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) wrong += back[i] != x[i];
    CHECK(wrong == 0 && stats.sum_err2 == 0 && stats.max_abs_err == 0,
          "%u bits, %s scale %a, codes to %d: %zu of %zu differ, scale %a", bits,
          whit_dtype_name(type), (double)scale, limit, wrong, n, (double)found);
}

static void test_grids(void)
{
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    check_rng r = { 5 };
    for (unsigned bits = 2; bits <= 8; bits++)
        for (size_t t = 0; t < COUNT(types); t++)
            for (int sign = -1; sign <= 1; sign += 2)
                for (int limit = 1; limit <= 1 << (bits - 1); limit++)
                    for (int k = 0; k < 10; k++) check_grid(&r, bits, types[t], sign, limit);
}

/* Values of the table, with scales of both signs, whether or not its ends are among them. */
static void test_nf4_grids(void)
{
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    check_rng r = { 6 };
    for (int k = 0; k < 1500; k++) {
        whit_scheme s = { WHIT_NF4, 4, 0, WHIT_GRAN_CHANNEL, 0, types[k % 3] };
        whit_quant_spec spec = { sizeof spec, s, WHIT_CLIP_MSE, 0 };
        size_t n = 1 + (size_t)check_below(&r, 40), wrong = 0;
        unsigned from = (unsigned)check_below(&r, 8), to = 8 + (unsigned)check_below(&r, 8);
        float x[40], back[40], found = 0, scale = (check_below(&r, 2) ? 1.0f : -1.0f);
        uint8_t codes[40], raw[4];
        scale *= ldexpf(1.0f + (float)uniform(&r), -(int)check_below(&r, 12));
        whit_dtype_from_f32(s.scale_type, &scale, 1, raw);
        whit_dtype_to_f32(s.scale_type, raw, 1, &scale);
        for (size_t i = 0; i < n; i++)
            x[i] = scale * whit_scheme_table(WHIT_NF4)[from + check_below(&r, to - from + 1)];
        CHECK(whit_quantize(x, 1, n, &spec, codes, &found, NULL, NULL, NULL) == WHIT_OK, "grid");
        whit_dequantize(codes, &found, NULL, 1, n, &s, back, NULL);
        for (size_t i = 0; i < n; i++) wrong += back[i] != x[i];
        CHECK(wrong == 0, "%s scale %a, entries %u..%u: %zu of %zu differ, scale %a",
              whit_dtype_name(s.scale_type), (double)scale, from, to, wrong, n, (double)found);
    }
}

/* ---- decibels -----------------------------------------------------------------------------------
 */

/* Normal weights in blocks of 64 as methods 3.2 reports them: absmax 20.73, searched 21.36. */
static void test_nf4_decibels(void)
{
    enum { BLOCKS = 6250 };
    size_t size = (size_t)BLOCKS * 64;
    float *w = malloc(size * sizeof *w), *scale = malloc(BLOCKS * sizeof *scale);
    uint8_t *codes = malloc(size);
    check_rng r = { 7 };
    double db[2];
    if (!w || !scale || !codes) abort();
    for (size_t i = 0; i < size; i++) w[i] = (float)gauss(&r);
    for (int i = 0; i < 2; i++) {
        whit_scheme s = { WHIT_NF4, 4, 0, WHIT_GRAN_GROUP, 64, WHIT_F32 };
        whit_quant_spec spec = { sizeof spec, s, i ? WHIT_CLIP_MSE : WHIT_CLIP_MINMAX, 0 };
        whit_quant_stats stats = { 0 };
        CHECK(whit_quantize(w, BLOCKS / 10, 640, &spec, codes, scale, NULL, &stats, NULL) ==
                  WHIT_OK,
              "nf4");
        db[i] = whit_sqnr_db(stats.sum_w2, stats.sum_err2);
    }
    CHECK(fabs(db[0] - 20.73) <= 0.1, "absmax: %.3f dB", db[0]);
    CHECK(db[1] >= 21.3, "searched: %.3f dB", db[1]);
    free(w);
    free(scale);
    free(codes);
}

/* ---- weights -----------------------------------------------------------------------------------
 */

/* The sum of weight * error^2 of nearest codes with that candidate, as the search counts it. */
static double weighted_error(const wh_quantizer *q, const wh_candidate *c, const float *y,
                             const float *weight, size_t n, float k)
{
    const wh_grid g = wh_candidate_grid(q, c, k);
    return q->ops->weighted(y, weight, n, &g, INFINITY);
}

/* Weights of 1 find what the search without finds or better, and other weights nothing worse than
 * minmax. The errors with and without, as shares of minmax's, are added to sum. */
static void check_weights(check_rng *r, const char *text, size_t n, double sum[2])
{
    whit_quant_spec spec = { .struct_size = sizeof spec, .clip = WHIT_CLIP_MSE };
    float x[LONGEST], y[LONGEST], weight[LONGEST], ones[LONGEST];
    wh_quantizer q;
    wh_range range;
    wh_candidate first;
    wh_found plain, same, found;
    int raised;
    CHECK(whit_scheme_parse(&spec.scheme, text, NULL) == WHIT_OK, "%s", text);
    CHECK(wh_quantizer_init(&q, &spec, NULL) == WHIT_OK, "%s", text);
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)student4(r);
        weight[i] = (float)exp(2 * gauss(r));
        ones[i] = 1.0f;
    }
    q.ops->range(x, n, &range);
    const float k = wh_range_normaliser(&range);
    q.ops->normalise(x, n, k, y);
    CHECK(wh_minmax(&q, &range, &first, &raised), "%s", text);
    wh_search(&q, &range, &first, y, n, k, &plain);
    wh_search_weighted(&q, &range, &first, y, ones, n, k, &same);
    wh_search_weighted(&q, &range, &first, y, weight, n, k, &found);
    if (plain.fits && weighted_error(&q, &plain.fit, y, ones, n, k) < plain.error)
        plain.best = plain.fit;
    CHECK(same.error <= weighted_error(&q, &plain.best, y, ones, n, k),
          "%s, %zu: weights of 1 give %a, no weights %a", text, n, (double)same.best.stored,
          (double)plain.best.stored);
    const double own = weighted_error(&q, &found.best, y, weight, n, k);
    const double most = weighted_error(&q, &first, y, weight, n, k);
    CHECK(own == found.error, "%s, %zu: error %a, not %a", text, n, found.error, own);
    CHECK(own <= most, "%s, %zu: worse than minmax", text, n);
    if (!(most > 0)) return;
    sum[0] += own / most;
    sum[1] += weighted_error(&q, &plain.best, y, weight, n, k) / most;
}

static void test_weights(void)
{
    static const char *const texts[] = {
        "int2-g32", "int4-g128",      "int4-g64-asym", "nf4-g64",
        "fp4-g32",  "int3-g32-sbf16", "mxfp4",         "int8-g32"
    };
    check_rng r = { 17 };
    for (size_t i = 0; i < COUNT(texts); i++) {
        double sum[2] = { 0, 0 };
        for (int k = 0; k < 40; k++)
            check_weights(&r, texts[i], 1 + (size_t)check_below(&r, 200), sum);
        CHECK(sum[0] < sum[1] && sum[0] > 0, "%s: weighted errors of %g, %g without weights",
              texts[i], sum[0] / 40, sum[1] / 40);
        printf("%s: %.3f with weights, %.3f without\n", texts[i], sum[0] / 40, sum[1] / 40);
    }
}

int main(void)
{
    test_oracle_vectors();
    test_oracle_scan();
    test_gap();
    test_grids();
    test_nf4_grids();
    test_nf4_decibels();
    test_weights();
    return check_result();
}
