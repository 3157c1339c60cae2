/* src/quant/encode_scalar.c - the encoder loops in plain C: the reference of every variant.
 *
 * Written so that a compiler can use whatever vectors the baseline has: sixteen independent lanes,
 * no calls, selections instead of branches. No fast-math is needed or allowed.
 *
 * Rounding to the nearest integer, ties to even, is (v + 1.5 * 2^23) - 1.5 * 2^23, exact for
 * |v| < 2^22 in the default rounding mode; v is clamped to the code range before, which gives the
 * same as after since the ends are integers.
 *
 * Sums of squares only grow, so a search may stop at any partial sum that reaches its limit: where
 * a variant looks does not change which candidate wins.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"

#define MAGIC 12582912.0f

/* gcc at -O3 otherwise takes the sixteen lanes apart before its vectoriser sees the loop. */
#if defined(__GNUC__) && !defined(__clang__)
#define EACH_LANE _Pragma("GCC unroll 4") for (size_t l = 0; l < WH_LANES; l++)
#else
#define EACH_LANE for (size_t l = 0; l < WH_LANES; l++)
#endif

/* Sixteen elements; at the end of the data the missing ones are `fill`. */
static inline const float *lanes_at(const float *x, size_t left, float fill, float pad[WH_LANES])
{
    if (left >= WH_LANES) return x;
    for (size_t l = 0; l < WH_LANES; l++) pad[l] = l < left ? x[l] : fill;
    return pad;
}

static inline float add_lanes(const float v[WH_LANES])
{
    float a[8];
    for (int l = 0; l < 8; l++) a[l] = v[l] + v[l + 8];
    for (int l = 0; l < 4; l++) a[l] += a[l + 4];
    for (int l = 0; l < 2; l++) a[l] += a[l + 2];
    return a[0] + a[1];
}

static inline size_t block_end(size_t begin, size_t n)
{
    return n - begin < WH_BLOCK ? n : begin + WH_BLOCK;
}

/* t for sixteen elements of an integer grid. */
static inline void steps(const float *v, const wh_grid *g, float t[WH_LANES])
{
    const float s = g->scale, lo = g->lo, hi = g->hi;
    EACH_LANE
    {
        float q = v[l] / s;
        q = q < lo ? lo : q;
        q = q > hi ? hi : q;
        t[l] = (q + MAGIC) - MAGIC;
    }
}

/* Codes for sixteen elements of a table: how many of the 15 thresholds lie below. */
static inline void entries(const float *v, const wh_grid *g, unsigned u[WH_LANES])
{
    const float s = g->scale, *threshold = g->book->threshold;
    for (size_t l = 0; l < WH_LANES; l++) { /* by halving: four compares without a branch */
        float q = v[l] / s;
        unsigned k = (unsigned)(q > threshold[7]) << 3;
        k += (unsigned)(q > threshold[k + 3]) << 2;
        k += (unsigned)(q > threshold[k + 1]) << 1;
        u[l] = k + (unsigned)(q > threshold[k]);
    }
}

/* Values of a small float: adding and taking away 1.5 * 2^23 steps rounds to a step, where the step
 * follows the exponent down to that of the smallest normal value. */
static inline void minifloats(const float *v, const wh_grid *g, float t[WH_LANES])
{
    const float s = g->scale, most = g->minifloat->largest;
    const uint32_t least = wh_f32_bits(g->minifloat->smallest);
    const uint32_t steps23 = (uint32_t)(23 - g->minifloat->mantissa) << 23;
    EACH_LANE
    {
        float q = v[l] / s;
        q = q < -most ? -most : q;
        q = q > most ? most : q;
        uint32_t u = wh_f32_bits(q) & 0x7f800000u;
        u = u < least ? least : u;
        const float magic = wh_bits_f32((u + steps23) | 0x400000u);
        t[l] = (q + magic) - magic;
    }
}

/* The entries that sixteen elements get. */
static inline void values(const float *v, const wh_grid *g, float t[WH_LANES])
{
    unsigned u[WH_LANES];
    if (g->book) {
        entries(v, g, u);
        for (size_t l = 0; l < WH_LANES; l++) t[l] = g->book->value[u[l]];
    } else if (g->minifloat) {
        minifloats(v, g, t);
    } else {
        steps(v, g, t);
    }
}

/* The same with their codes. */
static inline void values_codes(const float *v, const wh_grid *g, float t[WH_LANES],
                                uint8_t codes[WH_LANES])
{
    unsigned u[WH_LANES];
    if (g->book) {
        entries(v, g, u);
        EACH_LANE t[l] = g->book->value[u[l]];
        EACH_LANE codes[l] = g->book->code[u[l]];
    } else if (g->minifloat) {
        minifloats(v, g, t);
        EACH_LANE codes[l] = wh_minifloat_code(g->minifloat, t[l]);
    } else {
        steps(v, g, t);
        EACH_LANE codes[l] = (uint8_t)((int)t[l] + g->offset);
    }
}

static void range_scalar(const float *x, size_t n, wh_range *out)
{
    float mn[WH_LANES], mx[WH_LANES], pad[WH_LANES];
    uint32_t odd[WH_LANES] = { 0 }, any = 0;
    const float first = n ? x[0] : 0.0f;
    for (size_t l = 0; l < WH_LANES; l++) mn[l] = mx[l] = first;
    for (size_t i = 0; i < n; i += WH_LANES) {
        const float *v = lanes_at(x + i, n - i, first, pad);
        EACH_LANE
        {
            const int32_t magnitude = (int32_t)(wh_f32_bits(v[l]) & 0x7fffffffu);
            mn[l] = v[l] < mn[l] ? v[l] : mn[l];
            mx[l] = v[l] > mx[l] ? v[l] : mx[l];
            odd[l] |= magnitude > 0x7f7fffff ? 1u : 0u;
        }
    }
    *out = (wh_range){ mn[0], mx[0], 1 };
    for (size_t l = 0; l < WH_LANES; l++) {
        out->min = mn[l] < out->min ? mn[l] : out->min;
        out->max = mx[l] > out->max ? mx[l] : out->max;
        any |= odd[l];
    }
    out->min += 0.0f; /* which of two zeros came first depends on the order: -0 becomes 0 */
    out->max += 0.0f;
    out->finite = any == 0;
}

static double normalise_scalar(const float *x, size_t n, float k, float *y)
{
    double sum = 0;
    for (size_t b = 0; b < n; b += WH_BLOCK) {
        float acc[WH_LANES] = { 0 }, pad[WH_LANES];
        const size_t end = block_end(b, n);
        for (size_t i = b; i < end; i++) y[i] = x[i] * k;
        for (size_t i = b; i < end; i += WH_LANES) {
            const float *v = lanes_at(y + i, n - i, 0.0f, pad);
            EACH_LANE acc[l] += v[l] * v[l];
        }
        sum += (double)add_lanes(acc);
    }
    return sum;
}

/* weight: NULL, or one for each element. */
static inline double error_of(const float *y, const float *weight, size_t n, const wh_grid *g,
                              double limit)
{
    double sum = 0;
    for (size_t b = 0; b < n; b += WH_BLOCK) {
        float acc[WH_LANES] = { 0 }, t[WH_LANES], pad[WH_LANES], pad2[WH_LANES];
        const size_t end = block_end(b, n);
        for (size_t i = b; i < end; i += WH_LANES) {
            const float *v = lanes_at(y + i, n - i, 0.0f, pad);
            const float *w = weight ? lanes_at(weight + i, n - i, 0.0f, pad2) : NULL;
            values(v, g, t);
            EACH_LANE
            {
                const float d = v[l] - g->scale * t[l];
                acc[l] += w ? (d * d) * w[l] : d * d;
            }
            if (i == b && sum + (double)add_lanes(acc) >= limit) return limit;
        }
        sum += (double)add_lanes(acc);
        if (sum >= limit) return limit;
    }
    return sum;
}

static double error_scalar(const float *y, size_t n, const wh_grid *g, double limit)
{
    return error_of(y, NULL, n, g, limit);
}

static double weighted_scalar(const float *y, const float *weight, size_t n, const wh_grid *g,
                              double limit)
{
    return error_of(y, weight, n, g, limit);
}

static double encode_scalar(const float *y, size_t n, const wh_grid *g, uint8_t *codes,
                            float *max_abs)
{
    float worst[WH_LANES] = { 0 };
    double sum = 0;
    for (size_t b = 0; b < n; b += WH_BLOCK) {
        float acc[WH_LANES] = { 0 }, t[WH_LANES], pad[WH_LANES];
        uint8_t u[WH_LANES];
        const size_t end = block_end(b, n);
        for (size_t i = b; i < end; i += WH_LANES) {
            const float *v = lanes_at(y + i, n - i, 0.0f, pad);
            values_codes(v, g, t, u);
            EACH_LANE
            {
                const float d = v[l] - g->scale * t[l];
                const float m = d < 0 ? -d : d;
                worst[l] = m > worst[l] ? m : worst[l];
                acc[l] += d * d;
            }
            memcpy(codes + i, u, end - i < WH_LANES ? end - i : WH_LANES);
        }
        sum += (double)add_lanes(acc);
    }
    for (size_t l = 0; l < WH_LANES; l++) *max_abs = worst[l] > *max_abs ? worst[l] : *max_abs;
    return sum;
}

static double encode_scaled_scalar(const float *x, size_t n, float k, const wh_grid *g,
                                   uint8_t *codes, float *max_abs, double *squares)
{
    float y[WH_BLOCK];
    double sum = 0;
    *squares = 0;
    for (size_t b = 0; b < n; b += WH_BLOCK) {
        const size_t m = block_end(b, n) - b;
        *squares += normalise_scalar(x + b, m, k, y);
        sum += encode_scalar(y, m, g, codes + b, max_abs);
    }
    return sum;
}

static inline double fit_of(const float *y, const float *weight, size_t n, const wh_grid *g,
                            double *a, double *b)
{
    double sum = 0;
    *a = *b = 0;
    for (size_t begin = 0; begin < n; begin += WH_BLOCK) {
        float yt[WH_LANES] = { 0 }, tt[WH_LANES] = { 0 }, acc[WH_LANES] = { 0 };
        float t[WH_LANES], pad[WH_LANES], pad2[WH_LANES];
        const size_t end = block_end(begin, n);
        for (size_t i = begin; i < end; i += WH_LANES) {
            const float *v = lanes_at(y + i, n - i, 0.0f, pad);
            const float *w = weight ? lanes_at(weight + i, n - i, 0.0f, pad2) : NULL;
            values(v, g, t);
            EACH_LANE
            {
                const float d = v[l] - g->scale * t[l];
                yt[l] += w ? (v[l] * t[l]) * w[l] : v[l] * t[l];
                tt[l] += w ? (t[l] * t[l]) * w[l] : t[l] * t[l];
                acc[l] += w ? (d * d) * w[l] : d * d;
            }
        }
        *a += (double)add_lanes(yt);
        *b += (double)add_lanes(tt);
        sum += (double)add_lanes(acc);
    }
    return sum;
}

static double fit_scalar(const float *y, size_t n, const wh_grid *g, double *a, double *b)
{
    return fit_of(y, NULL, n, g, a, b);
}

static double weighted_fit_scalar(const float *y, const float *weight, size_t n, const wh_grid *g,
                                  double *a, double *b)
{
    return fit_of(y, weight, n, g, a, b);
}

static float rounded(float s, whit_dtype type)
{
    if (type == WHIT_F16) return wh_f16_to_f32(wh_f32_to_f16(s));
    if (type == WHIT_BF16) return wh_bf16_to_f32(wh_f32_to_bf16(s));
    return s;
}

static void quotients_scalar(const float *x, float divisor, whit_dtype type, float *out)
{
    for (size_t l = 0; l < WH_LANES; l++) out[l] = rounded(x[l] / divisor, type);
}

static void scales_scalar(const float *divisor, const float *factor, size_t n, float x,
                          whit_dtype type, int any_sign, float first, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float s = rounded(factor[i] * (x / divisor[i]), type);
        const int finite = (wh_f32_bits(s) & 0x7fffffffu) < 0x7f800000u;
        out[i] = finite && (any_sign || s > 0.0f) ? s : 0.0f;
    }
    out[0] = first;
}

/* One element of weight w on sixteen grids, in units of their scales: the square of how far off it
 * is. */
static inline void survey_steps(float v, float w, const wh_rungs *r, const float inverse[WH_LANES],
                                float acc[WH_LANES])
{
    EACH_LANE
    {
        const float q = v * inverse[l];
        float t = (q + MAGIC) - MAGIC;
        t = t < r->lo[l] ? r->lo[l] : t;
        t = t > r->hi[l] ? r->hi[l] : t;
        acc[l] += (q - t) * (q - t) * w;
    }
}

static inline void survey_bins(float v, float w, const wh_rungs *r, const float inverse[WH_LANES],
                               float acc[WH_LANES])
{
    for (size_t l = 0; l < WH_LANES; l++) {
        const float q = v * inverse[l];
        float bin = (q * r->bins->inverse_width + MAGIC) - MAGIC;
        bin = bin < -16.0f ? -16.0f : bin;
        bin = bin > 15.0f ? 15.0f : bin;
        const unsigned at = (unsigned)(int)bin % WH_BINS;
        const float a = q + r->bins->minus_low[at], b = q + r->bins->minus_high[at];
        acc[l] += (a * a < b * b ? a * a : b * b) * w;
    }
}

/* How far the largest element is beyond the end of the grid. */
static inline float beyond(const wh_rungs *r, size_t l)
{
    const float a = r->lo[l] * (r->stored[l] * r->k), b = r->hi[l] * (r->stored[l] * r->k);
    const float most = a > b ? a : b, least = a > b ? b : a;
    const float gap = r->x > 0.0f ? r->x - most : least - r->x;
    return gap > 0.0f ? gap : 0.0f;
}

static float survey_scalar(const float *y, size_t n, const wh_rungs *r, float limit, float *rough)
{
    float inverse[WH_LANES], acc[WH_LANES] = { 0 }, size[WH_LANES], least = INFINITY;
    for (size_t l = 0; l < WH_LANES; l++) {
        const float s = r->stored[l] * r->k, gap = beyond(r, l);
        size[l] = s != 0.0f && (r->weight || gap * gap <= limit) ? s : 0.0f;
        inverse[l] = size[l] != 0.0f ? 1.0f / s : 0.0f;
    }
    for (size_t i = 0; i < n; i += WH_LANES) {
        const size_t end = n - i < WH_LANES ? n : i + WH_LANES;
        for (size_t j = i; j < end; j++) {
            const float w = r->weight ? r->weight[j] : 1.0f;
            if (r->bins)
                survey_bins(y[j], w, r, inverse, acc);
            else
                survey_steps(y[j], w, r, inverse, acc);
        }
        least = INFINITY;
        for (size_t l = 0; l < WH_LANES; l++) {
            rough[l] = size[l] != 0.0f ? acc[l] * size[l] * size[l] : INFINITY;
            least = rough[l] < least ? rough[l] : least;
        }
        if (least > limit) break;
    }
    return least;
}

const wh_encode_ops wh_encode_scalar = { "scalar",
                                         0,
                                         range_scalar,
                                         normalise_scalar,
                                         error_scalar,
                                         encode_scalar,
                                         encode_scaled_scalar,
                                         fit_scalar,
                                         scales_scalar,
                                         quotients_scalar,
                                         survey_scalar,
                                         weighted_scalar,
                                         weighted_fit_scalar };
