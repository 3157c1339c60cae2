/* src/model/ops_loops.h - norm, gate and exponentials over vectors of sixteen, for ops_<isa>.c.
 *
 * Such a file defines the types and functions below as static inline, then includes this one, which
 * defines the loops. So every order is written once, and a variant is its instructions. Not for any
 * other file: it defines functions, and they belong to one instruction set.
 *
 *   v16, d16                     sixteen floats, doubles
 *   v_set  v_load(p)  v_store(p, v)
 *   v_add v_sub v_mul v_div      each rounded
 *   v_min(a, b)  v_max(a, b)     a < b ? a : b;  a > b ? a : b;  so b where there is a NaN
 *   v_power(v)                   2^n, n whole, from v = n + 1.5 * 2^23
 *   d_zero  d_add(d, v)          d + v
 *   d_add_square(d, v)           d + v * v, the square exact
 *   d_store(p, d)
 *
 * Source: Zhang and Sennrich 2019 (arXiv:1910.07467) for the norm; Shazeer 2020 (arXiv:2002.05202)
 * for the gate.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_OPS_LOOPS_H
#define WH_MODEL_OPS_LOOPS_H

#include <math.h>
#include <string.h>

#define LANES WH_OPS_LANES

/* The last n values of a row; the others are 0. */
static inline v16 load_tail(const float *p, size_t n)
{
    float all[LANES] = { 0 };
    memcpy(all, p, n * sizeof *p);
    return v_load(all);
}

static inline void store_tail(float *p, size_t n, v16 v)
{
    float all[LANES];
    v_store(all, v);
    memcpy(p, all, n * sizeof *p);
}

static inline double d_sum(d16 d)
{
    double s[LANES];
    d_store(s, d);
    for (size_t step = LANES / 2; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++) s[i] += s[i + step];
    return s[0];
}

/* e^x, from -87 to 88; what is outside counts as the end. NaN stays NaN. Within 1.1 units in the
 * last place. x = n ln 2 + r, then the Taylor series. */
static inline v16 v_exp(v16 x)
{
    static const float series[] = { 1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f,
                                    0.5f,          1.0f,          1.0f };
    const v16 shift =
        v_set(12582912.0f); /* 1.5 * 2^23: a sum with it is rounded to whole numbers */
    x = v_min(v_set(88.0f), v_max(v_set(-87.0f), x));
    const v16 moved = v_add(v_mul(x, v_set(0x1.715476p+0f)), shift), n = v_sub(moved, shift);
    x = v_sub(x, v_mul(n, v_set(0x1.62c0p-1f))); /* exact: ln 2 to 10 bits */
    x = v_sub(x, v_mul(n, v_set(0x1.217f7ep-12f)));
    v16 p = v_set(1.0f / 5040.0f);
    for (size_t i = 0; i < sizeof series / sizeof series[0]; i++)
        p = v_add(v_mul(p, x), v_set(series[i]));
    return v_mul(p, v_power(moved));
}

static void rms_norm(const float *x, const float *weight, double eps, size_t n, float *out)
{
    d16 squares = d_zero();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) squares = d_add_square(squares, v_load(x + i));
    if (i < n) squares = d_add_square(squares, load_tail(x + i, n - i));
    const v16 r = v_set((float)(1.0 / sqrt(d_sum(squares) / (double)n + eps)));
    for (i = 0; i + LANES <= n; i += LANES)
        v_store(out + i, v_mul(v_mul(v_load(x + i), r), v_load(weight + i)));
    if (i < n)
        store_tail(out + i, n - i,
                   v_mul(v_mul(load_tail(x + i, n - i), r), load_tail(weight + i, n - i)));
}

static inline v16 silu_product(v16 gate, v16 up)
{
    const v16 minus = v_mul(gate, v_set(-1.0f));
    return v_mul(v_div(gate, v_add(v_set(1.0f), v_exp(minus))), up);
}

static void silu_times(float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(gate + i, silu_product(v_load(gate + i), v_load(up + i)));
    if (i < n)
        store_tail(gate + i, n - i,
                   silu_product(load_tail(gate + i, n - i), load_tail(up + i, n - i)));
}

static void fill(float *p, size_t begin, size_t end, float value)
{
    for (size_t i = begin; i < end; i++) p[i] = value;
}

static double exponentials(const wh_score_row *row)
{
    const size_t from = row->begin / LANES, to = (row->end + LANES - 1) / LANES;
    const size_t head = row->begin % LANES, tail = row->end - (to - 1) * LANES;
    float *first = row->first + from * row->stride, *last = row->first + (to - 1) * row->stride;
    v16 most = v_set(-INFINITY);
    d16 sums = d_zero();
    float lanes[LANES];
    fill(first, 0, head, -INFINITY);
    fill(last, tail, LANES, -INFINITY);
    for (float *p = first; p <= last; p += row->stride) most = v_max(v_load(p), most);
    v_store(lanes, most);
    for (size_t i = 1; i < LANES; i++) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    most = v_set(lanes[0]);
    for (float *p = first; p <= last; p += row->stride) {
        v_store(p, v_exp(v_sub(v_load(p), most)));
        if (p == first) fill(p, 0, head, 0.0f);
        if (p == last) fill(p, tail, LANES, 0.0f);
        sums = d_add(sums, v_load(p));
    }
    for (size_t i = 0; i < from; i++) fill(row->first + i * row->stride, 0, LANES, 0.0f);
    for (size_t i = to; i < row->panels; i++) fill(row->first + i * row->stride, 0, LANES, 0.0f);
    return d_sum(sums);
}

#endif
