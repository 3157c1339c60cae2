/* src/pack/block_best.h - better scales and codes than the reference's, for the same layouts.
 *
 * Aim: the sum of importance * (x - what the reader decodes)^2, importance 1 where there is none.
 * Every type tries scales by that aim alone, fits them by least squares, rounds them as they are
 * stored and takes the nearest codes; where there are scales of scales, those are fitted to the
 * sub-blocks' own best ones and then moved by one step while that helps. In the end each block
 * keeps the reference's octets unless the decoded error has become smaller by more than rounding of
 * the two sums can explain; so it is never larger. Not here: an exact search (breakpoints): for
 * blocks of 16 and 32 the lists below come within a few hundredths of a dB.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_BEST_H
#define WH_PACK_BLOCK_BEST_H

#include <math.h>

#include "pack/block_reference_k.h"

/* How codes become levels. The functions below are inlined with constants for it. */
typedef enum kind { STEPS, IQ4, E2M1 } kind;

typedef struct grid {
    kind kind;
    int affine;
    float lo, hi; /* levels of STEPS; code = level - lo */
} grid;

/* The code nearest to t, and its level. */
static ALWAYS_INLINE vf nearest_level(const grid *g, vf t, vi *code)
{
    if (g->kind == IQ4) {
        *code = iq4_entry(t);
        return v_lookup(iq4_levels, *code);
    }
    if (g->kind == E2M1) {
        *code = e2m1_code(t, v_set(1.0f));
        return v_lookup(e2m1_levels, *code);
    }
    const vf l = nearest_bounded(clamp(t, v_set(g->lo), v_set(g->hi)));
    *code = i_round(v_sub(l, v_set(g->lo)));
    return l;
}

/* The error of n elements with the nearest codes for step and base: x ~ step * level - base. Where
 * code is not NULL they are kept. */
static ALWAYS_INLINE vf grid_error(const grid *g, size_t n, const float *x, const float *w, vf step,
                                   vf base, int32_t *code)
{
    const vf up = inverse(step);
    vf error = v_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W);
        vi c;
        const vf l = nearest_level(g, v_mul(g->affine ? v_add(v, base) : v, up), &c);
        const vf y = g->affine ? v_sub(v_mul(step, l), base) : v_mul(step, l);
        const vf off = v_sub(v, y);
        error = v_add(error, weighted(w, i * W, v_mul(off, off)));
        if (code) i_store(code + i * W, c);
    }
    return error;
}

/* The same for codes that are there. */
static ALWAYS_INLINE vf level_of(const grid *g, vi code)
{
    if (g->kind == IQ4) return v_lookup(iq4_levels, code);
    if (g->kind == E2M1) return v_lookup(e2m1_levels, code);
    return v_add(i_float(code), v_set(g->lo));
}

static ALWAYS_INLINE vf code_error(const grid *g, size_t n, const float *x, const float *w, vf step,
                                   vf base, const int32_t *code)
{
    vf error = v_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        const vf l = level_of(g, i_load(code + i * W));
        const vf y = g->affine ? v_sub(v_mul(step, l), base) : v_mul(step, l);
        const vf off = v_sub(v_load(x + i * W), y);
        error = v_add(error, weighted(w, i * W, v_mul(off, off)));
    }
    return error;
}

/* Sums for the scales that fit the nearest codes at up[k] = 1 / scale, `count` of them side by
 * side: each sum waits for its last addition. */
static ALWAYS_INLINE void grid_fit(const grid *g, size_t n, const float *x, const float *w,
                                   const vf *up, size_t count, fit *f)
{
    for (size_t k = 0; k < count; k++) f[k] = fit_zero();
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W);
        for (size_t k = 0; k < count; k++) {
            vi c;
            const vf l = nearest_level(g, v_mul(v, up[k]), &c), ul = weighted(w, i * W, l);
            f[k].a = v_add(f[k].a, v_mul(ul, v));
            f[k].b = v_add(f[k].b, v_mul(ul, l));
        }
    }
}

/* The best of scales extreme / tries[k]. */
static ALWAYS_INLINE vf grid_scale(const grid *g, size_t n, const float *x, const float *w,
                                   const float *tries, size_t count)
{
    const vf zero = v_set(0.0f);
    vf magnitude, best = zero, scale = zero;
    const vf up = inverse(extreme(x, n, &magnitude));
    for (size_t from = 0; from < count; from += TOGETHER) {
        const size_t some = count - from < TOGETHER ? count - from : TOGETHER;
        vf ups[TOGETHER];
        fit f[TOGETHER];
        for (size_t k = 0; k < some; k++) ups[k] = v_mul(up, v_set(tries[from + k]));
        grid_fit(g, n, x, w, ups, some, f);
        for (size_t k = 0; k < some; k++) {
            const vm better = fit_better(&f[k], best);
            scale = v_pick(better, v_div(f[k].a, f[k].b), scale);
            best = v_pick(better, v_mul(scale, f[k].a), best);
        }
    }
    return scale;
}

/* ---- keeping the better of two --------------------------------------------------------------- */

/* Where the first error is surely below the second: both are float32 sums of at most 256 terms >=
 * 0, each off by less than 2^-15 of itself, unless it is so small that terms were lost. What is no
 * number (a scale became infinite) is larger than all. */
static ALWAYS_INLINE vm surely_less(vf a, vf b)
{
    b = v_pick(v_ne(b, b), v_set(INFINITY), b);
    const vm large = v_lt(v_set(0x1p-90f), b);
    return m_and(large, v_lt(a, v_mul(b, v_set(1.0f - 0x1p-13f))));
}

/* Weights of the aim, at most 1 in each block, so that their products do not leave float32. */
static void weigh_aim(lanes *s, size_t n, int importance)
{
    vf most = v_set(0.0f);
    for (size_t i = 0; importance && i < n; i++) most = v_max(v_load(s->w + i * W), most);
    const vf factor = v_min(inverse(most), v_set(0x1p100f));
    for (size_t i = 0; i < n; i++)
        v_store(s->w + i * W, importance ? v_mul(v_load(s->w + i * W), factor) : v_set(1.0f));
}

static ALWAYS_INLINE void keep_codes(vm better, size_t n, const int32_t *from, int32_t *code)
{
    for (size_t i = 0; i < n * W; i += W)
        i_store(code + i, i_pick(better, i_load(from + i), i_load(code + i)));
}

static ALWAYS_INLINE void keep(vm better, vf from, float *to)
{
    v_store(to, v_pick(better, from, v_load(to)));
}

/* ---- one scale ------------------------------------------------------------------------------- */

/* A scale fitted twice more, as it will be stored; then the better of it and the reference. */
static ALWAYS_INLINE void best_scale(lanes *s, const float *w, const grid *g, size_t n,
                                     const float *tries, size_t count)
{
    const vf none = v_set(0.0f);
    int32_t code[WH_BLOCK_WEIGHTS * W];
    const vf up = inverse(grid_scale(g, n, s->x, w, tries, count));
    fit f;
    grid_fit(g, n, s->x, w, &up, 1, &f);
    const vf d = v_half(v_ratio(f.a, f.b));
    const vf error = grid_error(g, n, s->x, w, d, none, code);
    const vf old = code_error(g, n, s->x, w, v_load(s->d), none, s->code);
    const vm better = surely_less(error, old);
    keep(better, d, s->d);
    keep_codes(better, n, code, s->code);
}

/* Q1_0: the weighted mean of the magnitudes. */
static ALWAYS_INLINE void best_signs(lanes *s, const float *w, size_t n)
{
    const vf one = v_set(1.0f), zero = v_set(0.0f);
    vf sum = zero, all = zero, error = zero, old = zero;
    for (size_t i = 0; i < n * W; i += W) {
        sum = v_add(sum, weighted(w, i, v_abs(v_load(s->x + i))));
        all = v_add(all, weighted(w, i, one));
    }
    const vf d = v_half(v_ratio(sum, all)), was = v_load(s->d);
    for (size_t i = 0; i < n * W; i += W) {
        const vf x = v_load(s->x + i);
        const vf sign = v_pick(v_le(zero, x), one, v_neg(one));
        const vf off = v_sub(x, v_mul(sign, d)), before = v_sub(x, v_mul(sign, was));
        error = v_add(error, weighted(w, i, v_mul(off, off)));
        old = v_add(old, weighted(w, i, v_mul(before, before)));
    }
    keep(surely_less(error, old), d, s->d);
}

/* Q4_1, Q5_1. */
static ALWAYS_INLINE void best_affine(lanes *s, const float *w, float nmax)
{
    const grid g = { STEPS, 1, 0.0f, nmax };
    const affine_tries tries = { nmax, -1.2f, 0.2f, 11, 0, 1 };
    int32_t code[32 * W];
    float scale[W], min[W];
    search_affine(1, 32, &tries, s->x, w, scale, min, code);
    const vf d = v_half(v_load(scale)), m = v_half(v_neg(v_load(min)));
    const vf error = grid_error(&g, 32, s->x, w, d, v_neg(m), code);
    const vf old = code_error(&g, 32, s->x, w, v_load(s->d), v_neg(v_load(s->m)), s->code);
    const vm better = surely_less(error, old);
    keep(better, d, s->d);
    keep(better, m, s->m);
    keep_codes(better, 32, code, s->code);
}

/* MXFP4, NVFP4: the stored scales around the reference's, sub by sub. */
static ALWAYS_INLINE void best_stored(lanes *s, const float *w, size_t n, size_t sub, int reach,
                                      float (*value)(uint8_t), int most)
{
    const grid g = { E2M1, 0, 0, 0 };
    const vf none = v_set(0.0f);
    for (size_t k = 0; k < n / sub; k++) {
        float *stored = s->scale + k * W, step[W], tried[W];
        int32_t code[32 * W], *kept = s->code + k * sub * W;
        const float *x = s->x + k * sub * W, *own = part(w, k * sub * W);
        float start[W];
        memcpy(start, stored, sizeof start);
        for (size_t l = 0; l < W; l++) step[l] = value((uint8_t)start[l]);
        vf old = code_error(&g, sub, x, own, v_load(step), none, kept);
        for (int by = -reach; by <= reach; by++) {
            for (size_t l = 0; l < W; l++) {
                const int at = (int)start[l] + by;
                tried[l] = (float)(at < 0 ? 0 : at > most ? most : at);
                step[l] = value((uint8_t)tried[l]);
            }
            const vf error = grid_error(&g, sub, x, own, v_load(step), none, code);
            const vm better = surely_less(error, old);
            old = v_pick(better, error, old);
            keep(better, v_load(tried), stored);
            keep_codes(better, sub, code, kept);
        }
    }
}

#endif
