/* src/pack/block_reference_k.h - what the reference encoders write, in lanes: blocks of 256
 * weights.
 *
 * With IQ4_NL, whose search is that of IQ4_XS. The other types: block_reference.h, which says how.
 * Source: ggml-org/ggml, src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_REFERENCE_K_H
#define WH_PACK_BLOCK_REFERENCE_K_H

#include <math.h>

#include "pack/block_reference.h"

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
    float a[WH_BLOCK_SUBS * W], b[WH_BLOCK_SUBS * W], sum[WH_BLOCK_SUBS * W];
    float w[SIDE_BY_SIDE * 32 * W];
    const size_t n = nmax == 15.0f ? 16 : 32, subs = WH_BLOCK_WEIGHTS / n;
    const vf over = v_set(n == 16 ? 256.0f : 128.0f); /* Q4_K and Q5_K take the mean twice */
    const vf mean_square = v_div(sum_squares(s->x, WH_BLOCK_WEIGHTS), over);
    const vf hi = v_set(tries.nmax), zero = v_set(0.0f);
    if (importance) {
        const float levels = tries.nmax;
        tries = weighted_tries;
        tries.nmax = levels;
    }
    for (size_t k = 0; k < subs; k += SIDE_BY_SIDE) {
        for (size_t j = 0; j < SIDE_BY_SIDE; j++) {
            float *own = w + j * n * W;
            vf all = zero;
            weigh_affine(s, (k + j) * n, n, mean_square, importance, own);
            for (size_t i = 0; i < n; i++) all = v_add(all, v_load(own + i * W));
            v_store(sum + (k + j) * W, all);
        }
        search_affine(SIDE_BY_SIDE, n, &tries, s->x + k * n * W, w, a + k * W, b + k * W,
                      s->code + k * n * W);
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
        v_store(a + k * W, search_symmetric(16, 4.0f, 1, x, w, code));
    }
    if (importance) {
        v_store(s->d, v_half(search_symmetric(16, 32.0f, 0, a, sum, level)));
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
        v_store(a + k * W, search_symmetric(16, 32.0f, 1, s->x + at, importance ? s->w + at : NULL,
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
        i_store(s->code + i, iq4_entry(v_mul(inverse_scale, v_load(s->x + i))));
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
        signed_reference(s, 8.0f, importance, mean_square);
        break;
    case WHIT_Q5_0:
        signed_reference(s, 16.0f, importance, mean_square);
        break;
    case WHIT_Q4_1:
        shifted_reference(s, 15.0f, importance, mean_square);
        break;
    case WHIT_Q5_1:
        shifted_reference(s, 31.0f, importance, mean_square);
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
    case WHIT_Q8_0:
    case WHIT_TQ1_0:
    case WHIT_TQ2_0:
    case WHIT_BLOCK_MXFP4:
    case WHIT_BLOCK_NVFP4:
    case WHIT_Q1_0:
    case WHIT_Q2_0:
        plain_reference(b, s);
        break;
    case WHIT_BLOCK_NONE:
    case WHIT_BLOCK_COUNT:
        break;
    }
}

#endif
