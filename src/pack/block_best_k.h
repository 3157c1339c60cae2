/* src/pack/block_best_k.h - better scales of scales than the reference's, and what each type takes.
 *
 * Scales and minima of the sub-blocks are fitted to the sub-blocks' own best ones, weighted with
 * what a change of them costs, then moved by one step where that helps. The rest: block_best.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_BEST_K_H
#define WH_PACK_BLOCK_BEST_K_H

#include <math.h>

#include "pack/block_best.h"

/* ---- scales of scales ------------------------------------------------------------------------ */

/* A block while it is being improved. */
typedef struct trial {
    vf d, m;
    float scale[WH_BLOCK_SUBS * W], min[WH_BLOCK_SUBS * W];
    int32_t code[WH_BLOCK_WEIGHTS * W];
} trial;

typedef struct nest {
    grid grid;
    size_t sub;               /* elements in a sub-block */
    float scale_lo, scale_hi; /* what can be stored */
    float min_hi;
} nest;

/* The pair of scale and min with the least error within one step of the pair that is there. */
static ALWAYS_INLINE void best_pair(const nest *q, const lanes *s, trial *t, size_t k)
{
    static const float by[9][2] = { { 0, 0 }, { -1, 0 },  { 1, 0 },  { 0, -1 }, { 0, 1 },
                                    { 1, 1 }, { -1, -1 }, { 1, -1 }, { -1, 1 } };
    const size_t at = k * q->sub * W;
    const vf zero = v_set(0.0f), scale = v_load(t->scale + k * W);
    const vf min = q->grid.affine ? v_load(t->min + k * W) : zero;
    vf least = v_set(INFINITY);
    for (size_t i = 0; i < (q->grid.affine ? 9 : 3); i++) {
        const vf a = clamp(v_add(scale, v_set(by[i][0])), v_set(q->scale_lo), v_set(q->scale_hi));
        const vf b = clamp(v_add(min, v_set(by[i][1])), zero, v_set(q->min_hi));
        const vf error = grid_error(&q->grid, q->sub, s->x + at, s->w + at, v_mul(t->d, a),
                                    v_mul(t->m, b), NULL);
        const vm better = v_lt(error, least);
        least = v_pick(better, error, least);
        keep(better, a, t->scale + k * W);
        if (q->grid.affine) keep(better, b, t->min + k * W);
    }
}

/* d and m that fit all codes best: x ~ d * (scale level) - m * min. */
static ALWAYS_INLINE void refit(const nest *q, const lanes *s, trial *t)
{
    const vf zero = v_set(0.0f);
    vf pp = zero, pn = zero, nn = zero, px = zero, nx = zero;
    for (size_t k = 0; k * q->sub < WH_BLOCK_WEIGHTS; k++) {
        const vf scale = v_load(t->scale + k * W);
        const vf min = q->grid.affine ? v_load(t->min + k * W) : zero;
        vf wl = zero, wll = zero, wlx = zero, ws = zero, wx = zero;
        for (size_t i = k * q->sub * W; i < (k + 1) * q->sub * W; i += W) {
            const vf l = level_of(&q->grid, i_load(t->code + i)), w = v_load(s->w + i);
            const vf x = v_load(s->x + i), u = v_mul(w, l);
            wll = v_add(wll, v_mul(u, l));
            wlx = v_add(wlx, v_mul(u, x));
            if (!q->grid.affine) continue;
            wl = v_add(wl, u);
            ws = v_add(ws, w);
            wx = v_add(wx, v_mul(w, x));
        }
        pp = v_add(pp, v_mul(v_mul(scale, scale), wll));
        px = v_add(px, v_mul(scale, wlx));
        pn = v_add(pn, v_mul(v_mul(scale, min), wl));
        nn = v_add(nn, v_mul(v_mul(min, min), ws));
        nx = v_add(nx, v_mul(min, wx));
    }
    const vf alone = v_half(v_ratio(px, pp));
    if (!q->grid.affine) {
        t->d = alone;
        return;
    }
    const vf det = v_sub(v_mul(pp, nn), v_mul(pn, pn));
    const vf d = v_half(v_div(v_sub(v_mul(px, nn), v_mul(pn, nx)), det));
    const vf m = v_half(v_div(v_sub(v_mul(px, pn), v_mul(pp, nx)), det));
    const vm both = m_and(v_lt(v_mul(v_mul(pp, nn), v_set(0x1p-12f)), det), v_lt(zero, d));
    t->d = v_pick(both, d, t->d);
    t->m = v_pick(both, m, t->m);
}

static ALWAYS_INLINE vf nearest_codes(const nest *q, const lanes *s, trial *t)
{
    vf error = v_set(0.0f);
    for (size_t k = 0; k * q->sub < WH_BLOCK_WEIGHTS; k++) {
        const size_t at = k * q->sub * W;
        const vf base = q->grid.affine ? v_mul(t->m, v_load(t->min + k * W)) : v_set(0.0f);
        const vf step = v_mul(t->d, v_load(t->scale + k * W));
        error = v_add(error,
                      grid_error(&q->grid, q->sub, s->x + at, s->w + at, step, base, t->code + at));
    }
    return error;
}

static ALWAYS_INLINE vf reference_error(const nest *q, const lanes *s)
{
    vf error = v_set(0.0f);
    for (size_t k = 0; k * q->sub < WH_BLOCK_WEIGHTS; k++) {
        const size_t at = k * q->sub * W;
        const vf base = q->grid.affine ? v_mul(v_load(s->m), v_load(s->min + k * W)) : v_set(0.0f);
        const vf step = v_mul(v_load(s->d), v_load(s->scale + k * W));
        error = v_add(error,
                      code_error(&q->grid, q->sub, s->x + at, s->w + at, step, base, s->code + at));
    }
    return error;
}

/* Each sub-block moved by a step where that helps, d and m fitted again, and once more. */
static ALWAYS_INLINE void improve(const nest *q, lanes *s, trial *t)
{
    const size_t subs = WH_BLOCK_WEIGHTS / q->sub;
    for (size_t k = 0; k < subs; k++) best_pair(q, s, t, k);
    (void)nearest_codes(q, s, t);
    refit(q, s, t);
    for (size_t k = 0; k < subs; k++) best_pair(q, s, t, k);
    const vf error = nearest_codes(q, s, t);
    const vm better = surely_less(error, reference_error(q, s));
    keep(better, t->d, s->d);
    keep_codes(better, WH_BLOCK_WEIGHTS, t->code, s->code);
    if (q->grid.affine) keep(better, t->m, s->m);
    for (size_t k = 0; k < subs; k++) {
        keep(better, v_load(t->scale + k * W), s->scale + k * W);
        if (q->grid.affine) keep(better, v_load(t->min + k * W), s->min + k * W);
    }
}

/* Q3_K, Q6_K, IQ4_XS: each sub-block's best scale, then steps of those. */
static ALWAYS_INLINE void best_nested(lanes *s, const nest *q, const float *tries, size_t count)
{
    const size_t subs = WH_BLOCK_WEIGHTS / q->sub;
    float a[WH_BLOCK_SUBS * W], cost[WH_BLOCK_SUBS * W];
    int32_t level[WH_BLOCK_SUBS * W];
    trial t;
    for (size_t k = 0; k < subs; k++) {
        const float *x = s->x + k * q->sub * W, *w = s->w + k * q->sub * W;
        const vf scale = grid_scale(&q->grid, q->sub, x, w, tries, count);
        const vf up = inverse(scale);
        fit f;
        grid_fit(&q->grid, q->sub, x, w, &up, 1, &f);
        v_store(a + k * W, scale);
        v_store(cost + k * W, f.b);
    }
    t.d = v_half(search_symmetric(subs, -q->scale_lo, 0, a, cost, level));
    t.m = v_set(0.0f);
    for (size_t k = 0; k < subs; k++)
        v_store(t.scale + k * W, v_add(i_float(i_load(level + k * W)), v_set(q->scale_lo)));
    improve(q, s, &t);
}

/* Q2_K, Q4_K, Q5_K. */
static ALWAYS_INLINE void best_nested_affine(lanes *s, const nest *q, const affine_tries *tries)
{
    const size_t subs = WH_BLOCK_WEIGHTS / q->sub;
    float a[WH_BLOCK_SUBS * W], b[WH_BLOCK_SUBS * W];
    float scale_cost[WH_BLOCK_SUBS * W], min_cost[WH_BLOCK_SUBS * W];
    trial t;
    for (size_t k = 0; k < subs; k += SIDE_BY_SIDE) {
        const size_t at = k * q->sub * W;
        search_affine(SIDE_BY_SIDE, q->sub, tries, s->x + at, s->w + at, a + k * W, b + k * W,
                      t.code + at);
    }
    for (size_t k = 0; k < subs; k++) {
        vf ll = v_set(0.0f), all = ll;
        for (size_t i = k * q->sub * W; i < (k + 1) * q->sub * W; i += W) {
            const vf l = i_float(i_load(t.code + i)), w = v_load(s->w + i);
            ll = v_add(ll, v_mul(w, v_mul(l, l)));
            all = v_add(all, w);
        }
        v_store(scale_cost + k * W, ll);
        v_store(min_cost + k * W, all);
    }
    t.d = v_half(search_positive(subs, q->scale_hi, a, scale_cost, t.scale));
    t.m = v_half(search_positive(subs, q->min_hi, b, min_cost, t.min));
    improve(q, s, &t);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* What best_scale and best_nested divide the extreme by. */
static const float q4_0_tries[] = { -7.1f, -7.4f, -7.7f, -8.0f, -8.3f, -8.6f, -8.9f };
static const float q5_0_tries[] = { -15.1f, -15.4f, -15.7f, -16.0f, -16.3f, -16.6f, -16.9f };
static const float q8_0_tries[] = { 126.4f, 127.0f, 127.4f };
static const float q3_k_tries[] = { -2.9f, -3.2f, -3.5f, -3.8f, -4.1f, -4.4f,
                                    -4.7f, 2.6f,  2.9f,  3.2f,  3.5f };
static const float q6_k_tries[] = { -31.2f, -31.6f, -32.0f, -32.4f, -32.8f };
static const float iq4_tries[] = {
    -134, -130, -127, -123, -119, -115, -111, 105, 109, 113, 117, 121
};
static const float ternary_tries[] = { 0.75f, 1.0f, 1.25f, 1.5f, 1.75f, 2.0f, 2.25f, 2.5f,  2.75f,
                                       3.0f,  3.5f, 4.0f,  5.0f, 6.5f,  9.0f, 13.0f, 20.0f, 40.0f };
static const float q2_0_tries[] = { -1.0f, -1.4f, 1.0f, 1.4f, 1.6f, 1.8f, 2.0f, 2.2f, 2.4f };

#define COUNT_OF(a) (sizeof(a) / sizeof(a)[0])

/* w: s->w, or NULL where all weights are 1: it is faster without those products. */
static ALWAYS_INLINE void best_simple(const wh_block_batch *b, lanes *s, const float *w)
{
    static const grid q4 = { STEPS, 0, -8, 7 }, q5 = { STEPS, 0, -16, 15 };
    static const grid q8 = { STEPS, 0, -128, 127 }, iq4 = { IQ4, 0, 0, 0 };
    static const grid ternary = { STEPS, 0, -1, 1 }, q2 = { STEPS, 0, -1, 2 };
    switch (b->block) {
    case WHIT_Q4_0:
        best_scale(s, w, &q4, 32, q4_0_tries, COUNT_OF(q4_0_tries));
        break;
    case WHIT_Q5_0:
        best_scale(s, w, &q5, 32, q5_0_tries, COUNT_OF(q5_0_tries));
        break;
    case WHIT_Q8_0:
        best_scale(s, w, &q8, 32, q8_0_tries, COUNT_OF(q8_0_tries));
        break;
    case WHIT_IQ4_NL:
        best_scale(s, w, &iq4, 32, iq4_tries, COUNT_OF(iq4_tries));
        break;
    case WHIT_TQ1_0:
    case WHIT_TQ2_0:
        best_scale(s, w, &ternary, WH_BLOCK_WEIGHTS, ternary_tries, COUNT_OF(ternary_tries));
        break;
    case WHIT_Q2_0:
        best_scale(s, w, &q2, 64, q2_0_tries, COUNT_OF(q2_0_tries));
        break;
    case WHIT_Q1_0:
        best_signs(s, w, 128);
        break;
    case WHIT_Q4_1:
        best_affine(s, w, 15.0f);
        break;
    case WHIT_Q5_1:
        best_affine(s, w, 31.0f);
        break;
    case WHIT_BLOCK_MXFP4:
        best_stored(s, w, 32, 32, 1, wh_e8m0_half_to_f32, 254);
        break;
    case WHIT_BLOCK_NVFP4:
        best_stored(s, w, 64, 16, 3, wh_block_ue4m3_half, 126);
        break;
    default:
        break; /* those of 256 weights */
    }
}

static void best(const wh_block_batch *b, lanes *s)
{
    static const nest q3 = { { STEPS, 0, -4, 3 }, 16, -32, 31, 0 };
    static const nest q6 = { { STEPS, 0, -32, 31 }, 16, -128, 127, 0 };
    static const nest iq4 = { { IQ4, 0, 0, 0 }, 32, -32, 31, 0 };
    static const nest q2 = { { STEPS, 1, 0, 3 }, 16, 0, 15, 15 };
    static const nest q4 = { { STEPS, 1, 0, 15 }, 32, 0, 63, 63 };
    static const nest q5 = { { STEPS, 1, 0, 31 }, 32, 0, 63, 63 };
    static const affine_tries two = { 3, -0.6f, 0.15f, 9, 0, 0 };
    static const affine_tries four = { 15, -1.0f, 0.2f, 9, 0, 0 };
    static const affine_tries five = { 31, -1.0f, 0.2f, 8, 0, 0 };
    weigh_aim(s, b->type->info.weights, b->importance[0] != NULL);
    switch (b->block) {
    case WHIT_Q2_K:
        best_nested_affine(s, &q2, &two);
        break;
    case WHIT_Q3_K:
        best_nested(s, &q3, q3_k_tries, COUNT_OF(q3_k_tries));
        break;
    case WHIT_Q4_K:
        best_nested_affine(s, &q4, &four);
        break;
    case WHIT_Q5_K:
        best_nested_affine(s, &q5, &five);
        break;
    case WHIT_Q6_K:
        best_nested(s, &q6, q6_k_tries, COUNT_OF(q6_k_tries));
        break;
    case WHIT_IQ4_XS:
        best_nested(s, &iq4, iq4_tries, COUNT_OF(iq4_tries));
        break;
    default:
        if (b->importance[0])
            best_simple(b, s, s->w);
        else
            best_simple(b, s, NULL);
        break;
    }
}

#endif
