/* src/pack/block_reference.h - what the reference encoders write, in lanes.
 *
 * Types with one scale, and those of E2M1; the others are in block_reference_k.h. Each function
 * fills d, m, scale, min and code of the lanes from x, and from w where there is an importance. The
 * searches are in block_search.h. Where the reference's C leaves the result open (a float out of
 * range made an integer: scales whose inverse overflows), the code is that of 0, as on the common
 * machine. Source: ggml-org/ggml, src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_REFERENCE_H
#define WH_PACK_BLOCK_REFERENCE_H

#include "pack/block_affine.h"

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
    v_store(s->d, v_half(search_symmetric(32, nmax, 1, s->x, w, s->code)));
}

static const affine_tries weighted_tries = { 0, -0.9f, 0.05f, 36, 0, 0 };

static void affine_reference(lanes *s, float nmax, vf mean_square)
{
    float w[32 * W];
    affine_tries tries = weighted_tries;
    tries.nmax = nmax;
    float scale[W], min[W];
    weigh_search(s, 0, 32, mean_square, 1, w);
    search_affine(1, 32, &tries, s->x, w, scale, min, s->code);
    v_store(s->d, v_half(v_load(scale)));
    v_store(s->m, v_half(v_neg(v_load(min))));
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
        d[l] = wh_e8m0_half_to_f32(e);
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

/* ---- by type --------------------------------------------------------------------------------- */

/* Q4_0, Q5_0, and Q4_1, Q5_1: a search where there is an importance. */
static ALWAYS_INLINE void signed_reference(lanes *s, float half, int importance, vf mean_square)
{
    if (importance)
        symmetric_reference(s, half, mean_square);
    else
        extreme_reference(s, 32, half);
}

static ALWAYS_INLINE void shifted_reference(lanes *s, float nmax, int importance, vf mean_square)
{
    if (importance)
        affine_reference(s, nmax, mean_square);
    else
        range_reference(s, 32, nmax);
}

/* Those that know no importance. */
static void plain_reference(const wh_block_batch *b, lanes *s)
{
    switch (b->block) {
    case WHIT_Q8_0:
        rounding_reference(s, 32, 127.0f, 128);
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
    default:
        break;
    }
}

#endif
