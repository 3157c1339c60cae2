/* src/pack/block_reference.h - what the reference encoders write, in lanes.
 *
 * Each function fills d, m, scale, min and code of the lanes from x, and from w where there is an
 * importance. The searches are in block_search.h. Where the reference's C leaves the result open (a
 * float out of range made an integer: scales whose inverse overflows), the code is that of 0, as on
 * the common machine. Source: ggml-org/ggml, src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_REFERENCE_H
#define WH_PACK_BLOCK_REFERENCE_H

#include <math.h>

#include "pack/block_search.h"

/* ---- one scale ------------------------------------------------------------------------------- */

/* The integer towards 0, 0 where v is not a small number. */
static ALWAYS_INLINE vi truncate(vf v)
{
    return i_round(v_pick(v_lt(v_abs(v), v_set(1e6f)), v, v_set(0.0f)));
}

/* round() of C: halves away from 0; 0 where v is not a small number. */
static ALWAYS_INLINE vi round_away(vf v)
{
    const vf zero = v_set(0.0f), one = v_set(1.0f);
    const vf t = i_float(truncate(v)), off = v_sub(v, t); /* exact */
    const vf up = v_pick(v_lt(v, zero), v_set(-1.0f), one);
    const vm half = m_and(v_le(v_set(0.5f), v_abs(off)), v_lt(v_abs(v), v_set(1e6f)));
    return i_round(v_add(t, v_pick(half, up, zero)));
}

/* Q4_0, Q5_0 without importance: the extreme is level -nmax. */
static ALWAYS_INLINE void extreme_reference(lanes *s, size_t n, float nmax)
{
    vf magnitude;
    const vf d = v_div(extreme(s->x, n, &magnitude), v_set(-nmax)), id = inverse(d);
    const vf middle = v_set(nmax + 0.5f), hi = v_set(2.0f * nmax - 1.0f);
    v_store(s->d, v_half(d));
    for (size_t i = 0; i < n; i++) {
        const vf v = v_add(v_mul(v_load(s->x + i * W), id), middle);
        i_store(s->code + i * W, truncate(v_pick(v_lt(v, v_set(1e6f)), v_min(v, hi), v)));
    }
}

/* Q4_1, Q5_1 without importance: the whole range. */
static ALWAYS_INLINE void range_reference(lanes *s, size_t n, float nmax)
{
    vf min = v_load(s->x), max = min;
    for (size_t i = 1; i < n; i++) {
        const vf v = v_load(s->x + i * W);
        min = v_min(v, min);
        max = v_max(v, max);
    }
    const vf d = v_div(v_sub(max, min), v_set(nmax)), id = inverse(d);
    v_store(s->d, v_half(d));
    v_store(s->m, v_half(min));
    for (size_t i = 0; i < n; i++) {
        const vf v = v_add(v_mul(v_sub(v_load(s->x + i * W), min), id), v_set(0.5f));
        i_store(s->code + i * W, truncate(v));
    }
}

/* Q8_0, TQ1_0, TQ2_0, Q2_0: levels -nmax..nmax, the largest magnitude at the end. */
static ALWAYS_INLINE void rounding_reference(lanes *s, size_t n, float nmax, int offset)
{
    vf d;
    (void)extreme(s->x, n, &d);
    d = v_div(d, v_set(nmax));
    const vf id = inverse(d);
    v_store(s->d, v_half(d));
    for (size_t i = 0; i < n; i++)
        i_store(s->code + i * W, i_add(round_away(v_mul(v_load(s->x + i * W), id)), i_set(offset)));
}

/* Q1_0: signs, and the mean magnitude. */
static void sign_reference(lanes *s, size_t n)
{
    const vf zero = v_set(0.0f);
    vf sum = zero;
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(s->x + i * W);
        sum = v_add(sum, v_abs(v));
        i_store(s->code + i * W, i_pick(v_le(zero, v), i_set(1), i_set(0)));
    }
    v_store(s->d, v_half(v_div(sum, v_set((float)n))));
}

/* w = importance * sqrt(mean square + x^2), or x^2 where there is none. */
static ALWAYS_INLINE void weigh_search(const lanes *s, size_t at, size_t n, vf mean_square,
                                       int importance, float *w)
{
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(s->x + (at + i) * W), square = v_mul(v, v);
        const vf u = v_sqrt(v_add(mean_square, square));
        v_store(w + i * W, importance ? v_mul(v_load(s->w + (at + i) * W), u) : square);
    }
}

static void symmetric_reference(lanes *s, float nmax, vf mean_square)
{
    float w[32 * W];
    weigh_search(s, 0, 32, mean_square, 1, w);
    v_store(s->d, v_half(search_symmetric(32, nmax, s->x, w, s->code)));
}

static const affine_tries weighted_tries = { 0, -0.9f, 0.05f, 36, 0, 0 };

static void affine_reference(lanes *s, float nmax, vf mean_square)
{
    float w[32 * W];
    affine_tries tries = weighted_tries;
    tries.nmax = nmax;
    vf min;
    weigh_search(s, 0, 32, mean_square, 1, w);
    v_store(s->d, v_half(search_affine(32, &tries, s->x, w, &min, s->code)));
    v_store(s->m, v_half(v_neg(min)));
}

/* ---- E2M1 ------------------------------------------------------------------------------------ */

/* Where the next of the doubled magnitudes 0 1 2 3 4 6 8 12 is nearer; on it, it is not. */
static const float e2m1_middles[7] = { 0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f };
static const float e2m1_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* The code of x where the levels stand d apart; the first of equals, so never -0. */
static ALWAYS_INLINE vi e2m1_code(vf x, vf d)
{
    const vf zero = v_set(0.0f), a = v_abs(x);
    vi code = i_set(0);
    for (int k = 0; k < 7; k++)
        code = i_pick(v_lt(v_mul(v_set(e2m1_middles[k]), d), a), i_set(k + 1), code);
    const vm negative = m_and(v_lt(x, zero), v_lt(v_mul(v_set(0.5f), d), a));
    code = i_pick(negative, i_or(code, i_set(8)), code);
    return i_pick(v_lt(zero, d), code, i_set(0));
}

/* floor(log2f(v)) - 2 + 127 of a positive v, at least 0. log2f rounds what lies just below a power
 * of two to the power: as many floats as fit into half a unit of its result's last place. */
static uint8_t e8m0_of(float v)
{
    const uint32_t bits = wh_f32_bits(v), to_next = 0x800000u - (bits & 0x7fffffu);
    const int next = (int)(bits >> 23) - 126;
    unsigned size = (unsigned)(next > 0 ? next - 1 : -next);
    uint32_t reach = 0x2c5c85fe; /* 2^30 ln 2 */
    int halvings = 30;
    for (; size > 1; size /= 2) halvings--;
    reach >>= halvings;
    const int exponent = (int)(bits >> 23) - 127 + (to_next <= reach ? 1 : 0);
    return (uint8_t)(v > 0.0f && exponent > -125 ? exponent + 125 : 0);
}

static void mxfp4_reference(lanes *s, size_t n)
{
    vf most;
    float d[W];
    (void)extreme(s->x, n, &most);
    v_store(s->scale, most);
    for (size_t l = 0; l < W; l++) {
        const uint8_t e = e8m0_of(s->scale[l]);
        s->scale[l] = (float)e;
        d[l] = wh_block_e8m0_half(e);
    }
    for (size_t i = 0; i < n; i++)
        i_store(s->code + i * W, e2m1_code(v_load(s->x + i * W), v_load(d)));
}

/* The reference's E4M3 without sign: halves go up, from 256 on it is all 448. */
static uint8_t ue4m3_of(float v)
{
    if (!(v > 0.0f)) return 0;
    if (v >= 0x1p-6f) {
        const uint32_t code = ((wh_f32_bits(v) - 0x3c000000u) >> 19) + 1; /* a bit more */
        return (uint8_t)(code >> 1 < 0x78 ? code >> 1 : 0x7e);
    }
    const int steps = (int)(v * 512.0f + 0.5f);
    return (uint8_t)(steps < 7 ? steps : 7);
}

static void nvfp4_reference(lanes *s, size_t n)
{
    float d[W];
    for (size_t k = 0; k < n / 16; k++) {
        const float *x = s->x + k * 16 * W;
        vf most;
        (void)extreme(x, 16, &most);
        v_store(s->scale + k * W, v_div(most, v_set(6.0f)));
        for (size_t l = 0; l < W; l++) {
            const uint8_t e = ue4m3_of(s->scale[k * W + l]);
            s->scale[k * W + l] = (float)e;
            d[l] = wh_block_ue4m3_half(e);
        }
        for (size_t i = 0; i < 16; i++)
            i_store(s->code + (k * 16 + i) * W, e2m1_code(v_load(x + i * W), v_load(d)));
    }
}

/* ---- scales of scales ------------------------------------------------------------------------ */

/* What search_affine takes without importance. */
static const affine_tries q2_k_tries = { 3, -0.5f, 0.1f, 15, 1, 0 };
static const affine_tries q4_k_tries = { 15, -1.0f, 0.1f, 20, 0, 0 };
static const affine_tries q5_k_tries = { 31, -0.5f, 0.1f, 15, 0, 0 };

/* Codes once more, for the scales that will be read; where a step is 0 they stay. */
static ALWAYS_INLINE void requantize(lanes *s, size_t at, size_t n, vf step, vf base, vf lo, vf hi)
{
    const vm keep = v_ne(step, v_set(0.0f));
    for (size_t i = at * W; i < (at + n) * W; i += W) {
        const vf l = nearest(v_div(v_add(v_load(s->x + i), base), step));
        const vi code = i_round(v_sub(clamp(l, lo, hi), lo));
        i_store(s->code + i, i_pick(keep, code, i_load(s->code + i)));
    }
}

/* Without importance: the largest gets the largest scale. */
static vf scales_by_largest(size_t subs, float nmax, const float *x, float *level)
{
    const vf zero = v_set(0.0f), hi = v_set(nmax);
    vf max = zero;
    for (size_t k = 0; k < subs; k++) max = v_max(v_load(x + k * W), max);
    const vf factor = v_pick(v_lt(zero, max), v_div(hi, max), zero);
    for (size_t k = 0; k < subs; k++) {
        const vf l = nearest(v_mul(factor, v_load(x + k * W)));
        v_store(level + k * W, v_pick(v_lt(l, zero), hi, v_min(l, hi)));
    }
    return v_div(max, hi);
}

/* The weights of the k-quants' affine searches. */
static ALWAYS_INLINE void weigh_affine(const lanes *s, size_t at, size_t n, vf mean_square,
                                       int importance, float *w)
{
    if (importance) {
        weigh_search(s, at, n, mean_square, 1, w);
        return;
    }
    vf add = v_set(0.0f); /* Q2_K */
    if (n == 32) add = v_sqrt(v_div(sum_squares(s->x + at * W, n), v_set(32.0f)));
    for (size_t i = 0; i < n; i++)
        v_store(w + i * W, v_add(add, v_abs(v_load(s->x + (at + i) * W))));
}

/* Levels beyond nmax come from negative ones. Q5_K takes nmax for them; of the others only the bits
 * that the block has room for are read again. */
static void as_read(const wh_block_type *t, lanes *s, size_t subs, float nmax)
{
    vf most = v_set(0.0f);
    uint8_t block[WH_BLOCK_WEIGHTS];
    for (size_t k = 0; k < subs; k++)
        most = v_max(most, v_max(v_load(s->scale + k * W), v_load(s->min + k * W)));
    for (size_t l = 0; m_any(v_lt(v_set(nmax), most)) && l < W; l++) {
        const float top = t->highest == 31 ? nmax : 255.0f;
        wh_block_parts p = { 0 };
        for (size_t k = 0; k < subs; k++) {
            p.scale[k] = (uint8_t)fminf(s->scale[k * W + l], top);
            p.min[k] = (uint8_t)fminf(s->min[k * W + l], top);
        }
        t->pack(&p, block);
        t->unpack(block, &p);
        for (size_t k = 0; k < subs; k++) {
            s->scale[k * W + l] = (float)p.scale[k];
            s->min[k * W + l] = (float)p.min[k];
        }
    }
}

/* Q2_K, Q4_K, Q5_K. nmax: of the scales. */
static ALWAYS_INLINE void affine_k_reference(const wh_block_type *t, lanes *s, float nmax,
                                             affine_tries tries, int importance)
{
    float a[WH_BLOCK_SUBS * W], b[WH_BLOCK_SUBS * W], sum[WH_BLOCK_SUBS * W], w[32 * W];
    const size_t n = nmax == 15.0f ? 16 : 32, subs = WH_BLOCK_WEIGHTS / n;
    const vf over = v_set(n == 16 ? 256.0f : 128.0f); /* Q4_K and Q5_K take the mean twice */
    const vf mean_square = v_div(sum_squares(s->x, WH_BLOCK_WEIGHTS), over);
    const vf hi = v_set(tries.nmax), zero = v_set(0.0f);
    if (importance) {
        const float levels = tries.nmax;
        tries = weighted_tries;
        tries.nmax = levels;
    }
    for (size_t k = 0; k < subs; k++) {
        vf min, all = zero;
        weigh_affine(s, k * n, n, mean_square, importance, w);
        for (size_t i = 0; i < n; i++) all = v_add(all, v_load(w + i * W));
        v_store(sum + k * W, all);
        v_store(a + k * W,
                search_affine(n, &tries, s->x + k * n * W, w, &min, s->code + k * n * W));
        v_store(b + k * W, min);
    }
    const vf d = importance ? search_positive(subs, nmax, a, sum, s->scale)
                            : scales_by_largest(subs, nmax, a, s->scale);
    const vf m = importance ? search_positive(subs, nmax, b, sum, s->min)
                            : scales_by_largest(subs, nmax, b, s->min);
    v_store(s->d, v_half(d));
    v_store(s->m, v_half(m));
    as_read(t, s, subs, nmax);
    for (size_t k = 0; k < subs; k++)
        requantize(s, k * n, n, v_mul(v_load(s->d), v_load(s->scale + k * W)),
                   v_mul(v_load(s->m), v_load(s->min + k * W)), zero, hi);
}

/* Q3_K, Q6_K and their scales -nmax..nmax - 1: the extreme gets -nmax. Returns it. */
static ALWAYS_INLINE vf scales_by_extreme(lanes *s, size_t subs, float nmax, const float *x,
                                          vf *magnitude)
{
    const vf max = extreme(x, subs, magnitude), factor = v_div(v_set(-nmax), max);
    const vm any = v_ne(max, v_set(0.0f));
    for (size_t k = 0; k < subs; k++) {
        const vf l = nearest(v_mul(factor, v_load(x + k * W)));
        const vf level = clamp(l, v_set(-nmax), v_set(nmax - 1.0f));
        v_store(s->scale + k * W, v_pick(any, level, v_set(-nmax)));
    }
    return v_pick(any, v_half(v_div(v_set(1.0f), factor)), v_set(0.0f));
}

static ALWAYS_INLINE void requantize_all(lanes *s, size_t n, float lo, float hi)
{
    for (size_t k = 0; k < WH_BLOCK_WEIGHTS / n; k++)
        requantize(s, k * n, n, v_mul(v_load(s->d), v_load(s->scale + k * W)), v_set(0.0f),
                   v_set(lo), v_set(hi));
}

static void q3_k_reference(lanes *s, int importance)
{
    float a[16 * W], sum[16 * W], w[16 * W];
    int32_t level[16 * W];
    vf magnitude;
    const vf mean_square = v_div(sum_squares(s->x, WH_BLOCK_WEIGHTS), v_set(128.0f));
    for (size_t k = 0; k < 16; k++) {
        const float *x = s->x + k * 16 * W;
        int32_t *code = s->code + k * 16 * W;
        if (!importance) {
            v_store(a + k * W, search_three_bits(16, x, code));
            continue;
        }
        vf all = v_set(0.0f);
        weigh_search(s, k * 16, 16, mean_square, 1, w);
        for (size_t i = 0; i < 16; i++) all = v_add(all, v_load(w + i * W));
        v_store(sum + k * W, all);
        v_store(a + k * W, search_symmetric(16, 4.0f, x, w, code));
    }
    if (importance) {
        v_store(s->d, v_half(search_symmetric(16, 32.0f, a, sum, level)));
        for (size_t k = 0; k < 16; k++)
            v_store(s->scale + k * W, v_sub(i_float(i_load(level + k * W)), v_set(32.0f)));
    } else {
        v_store(s->d, scales_by_extreme(s, 16, 32.0f, a, &magnitude));
    }
    requantize_all(s, 16, -4.0f, 3.0f);
}

static void q6_k_reference(lanes *s, int importance)
{
    float a[16 * W];
    const vf zero = v_set(0.0f);
    vf magnitude;
    for (size_t k = 0; k < 16; k++) {
        const size_t at = k * 16 * W;
        v_store(a + k * W, search_symmetric(16, 32.0f, s->x + at, importance ? s->w + at : NULL,
                                            s->code + at));
    }
    const vf d = scales_by_extreme(s, 16, 128.0f, a, &magnitude);
    const vm live = v_le(v_set(EPSILON), magnitude); /* else the octets are all 0 */
    v_store(s->d, v_pick(live, d, zero));
    requantize_all(s, 16, -32.0f, 31.0f);
    for (size_t k = 0; k < 16; k++)
        v_store(s->scale + k * W, v_pick(live, v_load(s->scale + k * W), zero));
    for (size_t i = 0; i < WH_BLOCK_WEIGHTS * W; i += W)
        i_store(s->code + i, i_pick(live, i_load(s->code + i), i_set(0)));
}

static void iq4_codes(lanes *s, size_t at, size_t n, vf inverse_scale)
{
    for (size_t i = at * W; i < (at + n) * W; i += W)
        i_store(s->code + i, entry(iq4_thresholds, v_mul(inverse_scale, v_load(s->x + i))));
}

/* IQ4_NL: subs = 1. IQ4_XS: 8. */
static ALWAYS_INLINE void iq4_reference(lanes *s, size_t subs, int importance)
{
    float w[32 * W], a[8 * W];
    const vf mean = v_mul(sum_squares(s->x, 32 * subs), v_set(2.0f / (float)(32 * subs)));
    vf magnitude;
    for (size_t k = 0; k < subs; k++) {
        weigh_search(s, 32 * k, 32, mean, importance, w);
        v_store(a + k * W, search_iq4(32, s->x + 32 * k * W, w));
    }
    if (subs == 1) {
        v_store(s->d, v_half(v_load(a)));
        iq4_codes(s, 0, 32, inverse(v_load(a)));
        return;
    }
    const vf d = v_div(v_neg(extreme(a, subs, &magnitude)), v_set(32.0f)), id = inverse(d);
    v_store(s->d, v_half(d));
    for (size_t k = 0; k < subs; k++) {
        const vf l = clamp(nearest(v_mul(id, v_load(a + k * W))), v_set(-32.0f), v_set(31.0f));
        v_store(s->scale + k * W, l);
        iq4_codes(s, 32 * k, 32, inverse(v_mul(d, l)));
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

static void reference(const wh_block_batch *b, lanes *s)
{
    const int importance = b->importance[0] != NULL;
    const vf mean_square = v_load(b->mean_square);
    switch (b->block) {
    case WHIT_Q4_0:
        if (importance)
            symmetric_reference(s, 8.0f, mean_square);
        else
            extreme_reference(s, 32, 8.0f);
        break;
    case WHIT_Q5_0:
        if (importance)
            symmetric_reference(s, 16.0f, mean_square);
        else
            extreme_reference(s, 32, 16.0f);
        break;
    case WHIT_Q4_1:
        if (importance)
            affine_reference(s, 15.0f, mean_square);
        else
            range_reference(s, 32, 15.0f);
        break;
    case WHIT_Q5_1:
        if (importance)
            affine_reference(s, 31.0f, mean_square);
        else
            range_reference(s, 32, 31.0f);
        break;
    case WHIT_Q8_0:
        rounding_reference(s, 32, 127.0f, 128);
        break;
    case WHIT_Q2_K:
        affine_k_reference(b->type, s, 15.0f, q2_k_tries, importance);
        break;
    case WHIT_Q3_K:
        q3_k_reference(s, importance);
        break;
    case WHIT_Q4_K:
        affine_k_reference(b->type, s, 63.0f, q4_k_tries, importance);
        break;
    case WHIT_Q5_K:
        affine_k_reference(b->type, s, 63.0f, q5_k_tries, importance);
        break;
    case WHIT_Q6_K:
        q6_k_reference(s, importance);
        break;
    case WHIT_IQ4_NL:
        iq4_reference(s, 1, importance);
        break;
    case WHIT_IQ4_XS:
        iq4_reference(s, 8, importance);
        break;
    case WHIT_TQ1_0:
    case WHIT_TQ2_0:
        rounding_reference(s, WH_BLOCK_WEIGHTS, 1.0f, 1);
        break;
    case WHIT_BLOCK_MXFP4:
        mxfp4_reference(s, 32);
        break;
    case WHIT_BLOCK_NVFP4:
        nvfp4_reference(s, 64);
        break;
    case WHIT_Q1_0:
        sign_reference(s, 128);
        break;
    case WHIT_Q2_0:
        rounding_reference(s, 64, 1.0f, 1);
        break;
    case WHIT_BLOCK_NONE:
    case WHIT_BLOCK_COUNT:
        break;
    }
}

#endif
