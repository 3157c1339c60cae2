/* src/quant/encode_loops.h - the encoder loops over vectors of sixteen, for encode_<isa>.c.
 *
 * Such a file defines the types and functions below as static inline, then includes this one and
 * encode_scales.h, which define the loops: here those over weights that share a scale, there those
 * over scales. So the order of every sum is written once, and a variant is its instructions. Not
 * for any other file: it defines functions, and they belong to one instruction set.
 *
 *   v16, w16, b16                   sixteen floats, 32-bit integers, octets
 *   v_set, w_set                    the same value sixteen times
 *   v_load(p)  v_load_n(p, n)       _n: only n of them exist, 0 < n < 16; the others read as 0
 *   v_store(p, v)  v_store_n        and are not written
 *   v_add v_sub v_mul v_div         each rounded; v_fma(a, b, c) = a * b + c rounded once
 *   v_min(a, b)  v_max(a, b)        a < b ? a : b;  a > b ? a : b
 *   v_bits  w_float                 the same bits as the other type
 *   w_add w_sub w_and w_or w_max    of signed integers
 *   w_shift(w, n)  w_round(v)       right, zeros shifted in; to the integer towards 0
 *   w_less(a, b, x, y)              a < b ? x : y, a and b floats
 *   v_sum(v)                        as the tree of encode.h
 *   w_octets(w)                     the low eight bits of each
 *   b_store(p, b)  b_store_n
 *   v_least(v)  v_most(v)           of no NaN; either zero where there are both
 *   v_any_upto(a, b)                whether one is at most the other; NaN is not
 *   v_first(v, f)                   f in the place of the first
 *   v_half(v)                       rounded to F16; no NaN
 *   v_nearer(a, b)  v_farther       the smaller, the larger magnitude; one NaN is passed over
 *   v_any_nan(v)                    whether there is one
 *   v_bins, v_bins_open(array)      32 floats in registers
 *   v_bin(&bins, w)                 that of number w mod 32
 *   v_table, v_table_open(book)     a table in registers
 *   v_table_entry(&table, q)        how many thresholds lie below
 *   v_table_value, v_table_code(&table, entry)
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_ENCODE_LOOPS_H
#define WH_QUANT_ENCODE_LOOPS_H

#include <math.h>

#include "base/bytes.h"

/* Each kind of grid gets loops of its own, without a branch inside. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
typedef enum kind { STEPS, TABLE, SMALL } kind;

#define MAGIC 12582912.0f /* see encode_scalar.c */

/* A grid in registers. */
typedef struct grid16 {
    v16 scale, lo, hi;
    w16 offset;
    v_table table;
    const wh_minifloat *small;
} grid16;

static ALWAYS_INLINE grid16 grid_open(kind k, const wh_grid *g)
{
    grid16 r;
    r.scale = v_set(g->scale);
    if (k == STEPS) {
        r.lo = v_set(g->lo);
        r.hi = v_set(g->hi);
        r.offset = w_set(g->offset);
    } else if (k == TABLE) {
        r.table = v_table_open(g->book);
    } else {
        r.lo = v_set(-g->minifloat->largest);
        r.hi = v_set(g->minifloat->largest);
        r.small = g->minifloat;
    }
    /* cppcheck-suppress uninitvar ; what another kind has is not read */
    return r;
}

static ALWAYS_INLINE v16 small_value(const wh_minifloat *m, v16 q)
{
    const w16 least = v_bits(v_set(m->smallest));
    const w16 steps23 = w_set((23 - m->mantissa) << 23);
    const w16 exponent = w_max(w_and(v_bits(q), w_set(0x7f800000)), least);
    const v16 magic = w_float(w_or(w_add(exponent, steps23), w_set(0x400000)));
    return v_sub(v_add(q, magic), magic);
}

/* wh_minifloat_code: below the smallest normal value whole steps, else the bits moved in place. */
static ALWAYS_INLINE w16 small_code(const wh_minifloat *m, v16 t)
{
    const w16 magnitude = w_and(v_bits(t), w_set(0x7fffffff));
    const w16 normal =
        w_sub(w_shift(magnitude, 23 - m->mantissa), w_set((127 - m->bias) * (1 << m->mantissa)));
    const w16 steps =
        w_round(v_mul(w_float(magnitude), v_set(ldexpf(1.0f, m->bias - 1 + m->mantissa))));
    const w16 code = w_less(w_float(magnitude), v_set(m->smallest), steps, normal);
    return w_or(code, w_less(t, v_set(0.0f), w_set(0x80), w_set(0)));
}

static ALWAYS_INLINE v16 v_abs(v16 v)
{
    return w_float(w_and(v_bits(v), w_set(0x7fffffff)));
}

/* The entries that v gets; their codes too where code is not NULL. */
static ALWAYS_INLINE v16 grid_value(kind k, const grid16 *g, v16 v, b16 *code)
{
    v16 q = v_div(v, g->scale), t;
    if (k == TABLE) {
        const w16 entry = v_table_entry(&g->table, q);
        if (code) *code = v_table_code(&g->table, entry);
        return v_table_value(&g->table, entry);
    }
    q = v_min(g->hi, v_max(g->lo, q));
    if (k == SMALL) {
        t = small_value(g->small, q);
        if (code) *code = w_octets(small_code(g->small, t));
        return t;
    }
    t = v_add(q, v_set(MAGIC)); /* its low bits are the integer */
    if (code) *code = w_octets(w_add(v_bits(t), g->offset));
    return v_sub(t, v_set(MAGIC));
}

static ALWAYS_INLINE v16 v_at(const float *p, size_t left)
{
    return left < WH_LANES ? v_load_n(p, left) : v_load(p);
}

/* NaN where one of the elements was NaN or infinite: both times 0 are. */
static ALWAYS_INLINE v16 range_step(v16 v, v16 odd, v16 *mn, v16 *mx)
{
    *mn = v_min(v, *mn);
    *mx = v_max(v, *mx);
    return v_fma(v, v_set(0.0f), odd);
}

static void range_loop(const float *x, size_t n, wh_range *out)
{
    v16 mn = v_set(n ? x[0] : 0.0f), mx = mn, mn2 = mn, mx2 = mn;
    v16 odd = v_set(0.0f), odd2 = odd;
    size_t i = 0;
    for (; i + 2 * WH_LANES <= n; i += 2 * WH_LANES) { /* two chains */
        odd = range_step(v_load(x + i), odd, &mn, &mx);
        odd2 = range_step(v_load(x + i + WH_LANES), odd2, &mn2, &mx2);
    }
    if (i + WH_LANES <= n) {
        odd = range_step(v_load(x + i), odd, &mn, &mx);
        i += WH_LANES;
    }
    mn = v_min(mn2, mn);
    mx = v_max(mx2, mx);
    out->min = v_least(mn);
    out->max = v_most(mx);
    out->finite = !v_any_nan(v_add(odd, odd2));
    for (; i < n; i++) {
        out->min = x[i] < out->min ? x[i] : out->min;
        out->max = x[i] > out->max ? x[i] : out->max;
        out->finite &= x[i] * 0.0f == 0.0f;
    }
    out->min += 0.0f;
    out->max += 0.0f;
}

/* A block of each loop: up to WH_BLOCK elements. Whole ones are called with the number written out,
 * so that nothing is left to decide inside. */
static ALWAYS_INLINE float normalise_block(const float *x, size_t n, v16 factor, float *y)
{
    v16 acc = v_set(0.0f);
    for (size_t i = 0; i < n; i += WH_LANES) {
        const v16 v = v_mul(v_at(x + i, n - i), factor);
        if (n - i < WH_LANES)
            v_store_n(y + i, v, n - i);
        else
            v_store(y + i, v);
        acc = v_add(acc, v_mul(v, v));
    }
    return v_sum(acc);
}

static double normalise_loop(const float *x, size_t n, float k, float *y)
{
    const v16 factor = v_set(k);
    double sum = 0;
    size_t b = 0;
    for (; b + WH_BLOCK <= n; b += WH_BLOCK)
        sum += (double)normalise_block(x + b, WH_BLOCK, factor, y + b);
    if (b < n) sum += (double)normalise_block(x + b, n - b, factor, y + b);
    return sum;
}

static ALWAYS_INLINE v16 off(const grid16 *g, v16 v, v16 t)
{
    return v_sub(v, v_mul(g->scale, t));
}

/* weight: NULL, or one for each element. */
static ALWAYS_INLINE float error_block(kind k, const grid16 *g, const float *y, const float *weight,
                                       size_t n)
{
    v16 acc = v_set(0.0f);
    for (size_t i = 0; i < n; i += WH_LANES) {
        const v16 v = v_at(y + i, n - i), d = off(g, v, grid_value(k, g, v, NULL));
        const v16 square = v_mul(d, d);
        acc = v_add(acc, weight ? v_mul(square, v_at(weight + i, n - i)) : square);
    }
    return v_sum(acc);
}

static ALWAYS_INLINE double error_of(kind k, const float *y, const float *weight, size_t n,
                                     const wh_grid *grid, double limit)
{
    const grid16 g = grid_open(k, grid);
    double sum = 0;
    size_t b = 0;
    for (; b + WH_BLOCK <= n; b += WH_BLOCK) {
        sum += (double)error_block(k, &g, y + b, weight ? weight + b : NULL, WH_BLOCK);
        if (sum >= limit) return limit;
    }
    if (b < n) sum += (double)error_block(k, &g, y + b, weight ? weight + b : NULL, n - b);
    return sum >= limit ? limit : sum;
}

/* factor: what elements are multiplied with, NULL: they are; their squares then go to *squares. */
static ALWAYS_INLINE float encode_block(kind k, const grid16 *g, const float *y, size_t n,
                                        const v16 *factor, uint8_t *codes, v16 *worst,
                                        double *squares)
{
    v16 acc = v_set(0.0f), all = acc;
    for (size_t i = 0; i < n; i += WH_LANES) {
        b16 code;
        const v16 v = factor ? v_mul(v_at(y + i, n - i), *factor) : v_at(y + i, n - i);
        const v16 d = off(g, v, grid_value(k, g, v, &code));
        if (factor) all = v_add(all, v_mul(v, v));
        if (n - i < WH_LANES)
            b_store_n(codes + i, code, n - i);
        else
            b_store(codes + i, code);
        *worst = v_farther(d, *worst);
        acc = v_add(acc, v_mul(d, d));
    }
    if (factor) *squares += (double)v_sum(all);
    return v_sum(acc);
}

static ALWAYS_INLINE double encode_of(kind k, const float *y, size_t n, const v16 *factor,
                                      const wh_grid *grid, uint8_t *codes, float *max_abs,
                                      double *squares)
{
    const grid16 g = grid_open(k, grid);
    v16 worst = v_set(0.0f);
    double sum = 0;
    size_t b = 0;
    for (; b + WH_BLOCK <= n; b += WH_BLOCK)
        sum += (double)encode_block(k, &g, y + b, WH_BLOCK, factor, codes + b, &worst, squares);
    if (b < n) sum += (double)encode_block(k, &g, y + b, n - b, factor, codes + b, &worst, squares);
    const float most = v_most(worst);
    *max_abs = most > *max_abs ? most : *max_abs;
    return sum;
}

/* The sums of y*t, t*t and of the error, each with its weight where there is one. */
static ALWAYS_INLINE void fit_block(kind k, const grid16 *g, const float *y, const float *weight,
                                    size_t n, double sum[3])
{
    v16 acc = v_set(0.0f), yt = acc, tt = acc;
    for (size_t i = 0; i < n; i += WH_LANES) {
        const v16 v = v_at(y + i, n - i), t = grid_value(k, g, v, NULL), d = off(g, v, t);
        const v16 w = weight ? v_at(weight + i, n - i) : v_set(1.0f);
        yt = v_add(yt, weight ? v_mul(v_mul(v, t), w) : v_mul(v, t));
        tt = v_add(tt, weight ? v_mul(v_mul(t, t), w) : v_mul(t, t));
        acc = v_add(acc, weight ? v_mul(v_mul(d, d), w) : v_mul(d, d));
    }
    sum[0] += (double)v_sum(yt);
    sum[1] += (double)v_sum(tt);
    sum[2] += (double)v_sum(acc);
}

static ALWAYS_INLINE double fit_of(kind k, const float *y, const float *weight, size_t n,
                                   const wh_grid *grid, double *a, double *b)
{
    const grid16 g = grid_open(k, grid);
    double sum[3] = { 0, 0, 0 };
    size_t begin = 0;
    for (; begin + WH_BLOCK <= n; begin += WH_BLOCK)
        fit_block(k, &g, y + begin, weight ? weight + begin : NULL, WH_BLOCK, sum);
    if (begin < n) fit_block(k, &g, y + begin, weight ? weight + begin : NULL, n - begin, sum);
    *a = sum[0];
    *b = sum[1];
    return sum[2];
}

static double error_loop(const float *y, size_t n, const wh_grid *g, double limit)
{
    if (g->book) return error_of(TABLE, y, NULL, n, g, limit);
    if (g->minifloat) return error_of(SMALL, y, NULL, n, g, limit);
    return error_of(STEPS, y, NULL, n, g, limit);
}

static double weighted_loop(const float *y, const float *weight, size_t n, const wh_grid *g,
                            double limit)
{
    if (g->book) return error_of(TABLE, y, weight, n, g, limit);
    if (g->minifloat) return error_of(SMALL, y, weight, n, g, limit);
    return error_of(STEPS, y, weight, n, g, limit);
}

static double encode_loop(const float *y, size_t n, const wh_grid *g, uint8_t *codes,
                          float *max_abs)
{
    if (g->book) return encode_of(TABLE, y, n, NULL, g, codes, max_abs, NULL);
    if (g->minifloat) return encode_of(SMALL, y, n, NULL, g, codes, max_abs, NULL);
    return encode_of(STEPS, y, n, NULL, g, codes, max_abs, NULL);
}

static double encode_scaled_loop(const float *x, size_t n, float k, const wh_grid *g,
                                 uint8_t *codes, float *max_abs, double *squares)
{
    const v16 factor = v_set(k);
    double all = 0, sum;
    if (g->book)
        sum = encode_of(TABLE, x, n, &factor, g, codes, max_abs, &all);
    else if (g->minifloat)
        sum = encode_of(SMALL, x, n, &factor, g, codes, max_abs, &all);
    else
        sum = encode_of(STEPS, x, n, &factor, g, codes, max_abs, &all);
    *squares = all;
    return sum;
}

static double fit_loop(const float *y, size_t n, const wh_grid *g, double *a, double *b)
{
    if (g->book) return fit_of(TABLE, y, NULL, n, g, a, b);
    if (g->minifloat) return fit_of(SMALL, y, NULL, n, g, a, b);
    return fit_of(STEPS, y, NULL, n, g, a, b);
}

static double weighted_fit_loop(const float *y, const float *weight, size_t n, const wh_grid *g,
                                double *a, double *b)
{
    if (g->book) return fit_of(TABLE, y, weight, n, g, a, b);
    if (g->minifloat) return fit_of(SMALL, y, weight, n, g, a, b);
    return fit_of(STEPS, y, weight, n, g, a, b);
}

#endif
