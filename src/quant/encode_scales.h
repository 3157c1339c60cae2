/* src/quant/encode_scales.h - the encoder loops over sixteen scales at once, for encode_<isa>.c:
 * the scales of groups or of a search made ready, and how well sixteen of them would do.
 *
 * Behind encode_loops.h, which says what they are written in.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_ENCODE_SCALES_H
#define WH_QUANT_ENCODE_SCALES_H

#include "quant/encode_loops.h"

static ALWAYS_INLINE v16 v_brain(v16 v)
{
    const w16 u = v_bits(v), odd = w_and(w_shift(u, 16), w_set(1));
    return w_float(w_and(w_add(u, w_add(odd, w_set(0x7fff))), w_set(-0x10000)));
}

static ALWAYS_INLINE v16 v_rounded(v16 v, whit_dtype type)
{
    return type == WHIT_F16 ? v_half(v) : type == WHIT_BF16 ? v_brain(v) : v;
}

static void quotients_loop(const float *x, float divisor, whit_dtype type, float *out)
{
    v_store(out, v_rounded(v_div(v_load(x), v_set(divisor)), type));
}

static void scales_loop(const float *divisor, const float *factor, size_t n, float x,
                        whit_dtype type, int any_sign, float first, float *out)
{
    const v16 xs = v_set(x), zero = v_set(0.0f);
    for (size_t i = 0; i < n; i += WH_LANES) {
        v16 s = v_mul(v_load(factor + i), v_div(xs, v_load(divisor + i)));
        s = v_rounded(s, type);
        w16 u = w_less(v_abs(s), v_set(INFINITY), v_bits(s), w_set(0));
        if (!any_sign) u = w_less(zero, s, u, w_set(0));
        s = i == 0 ? v_first(w_float(u), first) : w_float(u);
        v_store(out + i, s);
    }
}

/* The grids of a survey; ends of integers lie MAGIC higher. */
typedef struct rungs16 {
    v16 scale, inverse, lo, hi, inverse_width;
    v_bins low, high;
} rungs16;

static ALWAYS_INLINE rungs16 rungs_open(kind k, const wh_rungs *r, v16 scale)
{
    rungs16 s;
    s.scale = scale;
    s.inverse = v_div(v_set(1.0f), scale);
    if (k == TABLE) {
        s.inverse_width = v_mul(s.inverse, v_set(r->bins->inverse_width));
        s.lo = v_set(MAGIC - 16.0f);
        s.hi = v_set(MAGIC + 15.0f);
        s.low = v_bins_open(r->bins->minus_low);
        s.high = v_bins_open(r->bins->minus_high);
    } else {
        s.inverse_width = s.inverse;
        s.lo = v_add(v_load(r->lo), v_set(MAGIC));
        s.hi = v_add(v_load(r->hi), v_set(MAGIC));
    }
    /* cppcheck-suppress uninitvar ; the bins are those of a table */
    return s;
}

/* How far the largest element is beyond the end of the grid. */
static ALWAYS_INLINE v16 beyond(const wh_rungs *r, v16 scale)
{
    const v16 a = v_mul(v_load(r->lo), scale), b = v_mul(v_load(r->hi), scale);
    const v16 x = v_set(r->x);
    const v16 gap = r->x > 0.0f ? v_sub(x, v_max(a, b)) : v_sub(v_min(a, b), x);
    return v_max(gap, v_set(0.0f));
}

/* How far one element is off, on each of sixteen grids in units of its scale. */
static ALWAYS_INLINE v16 rungs_off(kind k, const rungs16 *r, float y)
{
    const v16 v = v_set(y);
    const v16 m = v_min(r->hi, v_max(r->lo, v_fma(v, r->inverse_width, v_set(MAGIC))));
    if (k == STEPS) return v_fma(v, r->inverse, v_sub(v_set(MAGIC), m));
    return v_nearer(v_fma(v, r->inverse, v_bin(&r->low, v_bits(m))),
                    v_fma(v, r->inverse, v_bin(&r->high, v_bits(m))));
}

static ALWAYS_INLINE float survey_of(kind k, const float *y, const float *weight, size_t n,
                                     const wh_rungs *rungs, float limit, float *rough)
{
    const v16 zero = v_set(0.0f), most = v_set(limit);
    const v16 scale = v_mul(v_load(rungs->stored), v_set(rungs->k)), gap = beyond(rungs, scale);
    const rungs16 r = rungs_open(k, rungs, scale);
    v16 acc[4] = { zero, zero, zero, zero }, all = zero;
    /* those without a scale start, and stay, at NaN */
    if (!weight) acc[0] = w_float(w_less(most, v_mul(gap, gap), v_bits(v_set(NAN)), v_bits(zero)));
    acc[0] = w_float(w_less(zero, v_abs(scale), v_bits(acc[0]), v_bits(v_set(NAN))));
    for (size_t i = 0; i < n;) {
        const size_t end = n - i < WH_LANES ? n : i + WH_LANES;
        for (; i + 4 <= end; i += 4) /* four chains */
            for (size_t j = 0; j < 4; j++) {
                const v16 d = rungs_off(k, &r, y[i + j]);
                acc[j] = v_fma(weight ? v_mul(d, v_set(weight[i + j])) : d, d, acc[j]);
            }
        for (; i < end; i++) {
            const v16 d = rungs_off(k, &r, y[i]);
            acc[0] = v_fma(weight ? v_mul(d, v_set(weight[i])) : d, d, acc[0]);
        }
        all = v_add(v_add(acc[0], acc[1]), v_add(acc[2], acc[3]));
        all = v_mul(v_mul(all, scale), scale);
        if (!v_any_upto(all, most)) break;
    }
    all = v_min(all, v_set(INFINITY)); /* the second where the first is NaN */
    v_store(rough, all);
    return v_least(all);
}

static float survey_loop(const float *y, size_t n, const wh_rungs *r, float limit, float *rough)
{
    if (r->weight)
        return r->bins ? survey_of(TABLE, y, r->weight, n, r, limit, rough)
                       : survey_of(STEPS, y, r->weight, n, r, limit, rough);
    return r->bins ? survey_of(TABLE, y, NULL, n, r, limit, rough)
                   : survey_of(STEPS, y, NULL, n, r, limit, rough);
}

#endif
