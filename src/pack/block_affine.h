/* src/pack/block_affine.h - how the reference encoders look for a scale and a minimum, in lanes.
 *
 * Some sub-blocks are searched side by side, each in the order of the reference as block_search.h
 * says; it has the searches for a scale alone.
 * Source: make_qkx2_quants and make_qkx3_quants of ggml-org/ggml, src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_AFFINE_H
#define WH_PACK_BLOCK_AFFINE_H

#include "pack/block_search.h"

/* Which scales search_affine tries: (first + step * i + nmax) / range, i = 0..count. */
typedef struct affine_tries {
    float nmax, first, step;
    int count;
    int absolute; /* errors count as they are, not squared */
    int any_base; /* the base may be above 0 (the reference's never is) */
} affine_tries;

typedef struct affine_sums {
    vf w, wx; /* of all elements */
    vf l, ll, xl;
} affine_sums;

/* How many sub-blocks, one behind the other, are searched side by side: their sums wait for their
 * last additions. */
enum { SIDE_BY_SIDE = 4 };
_Static_assert(WH_BLOCK_WEIGHTS / LONGEST % SIDE_BY_SIDE == 0, "a block has no rest of them");

static ALWAYS_INLINE void affine_error(size_t subs, size_t n, const float *x, const float *w,
                                       const float *level, const vf *scale, const vf *base,
                                       int absolute, vf *error)
{
    for (size_t k = 0; k < subs; k++) error[k] = v_set(0.0f);
    for (size_t i = 0; i < n * W; i += W)
        for (size_t k = 0; k < subs; k++) {
            const size_t at = k * n * W + i;
            const vf l = v_load(level + at);
            const vf off = v_sub(v_add(v_mul(scale[k], l), base[k]), v_load(x + at));
            const vf e = absolute ? v_abs(off) : v_mul(off, off);
            error[k] = v_add(error[k], weighted(w, at, e));
        }
}

static ALWAYS_INLINE vf affine_level(vf inverse_scale, vf x, vf base, vf nmax)
{
    return clamp(nearest(v_mul(inverse_scale, v_sub(x, base))), v_set(0.0f), nmax);
}

static ALWAYS_INLINE void affine_fit(size_t subs, size_t n, const float *x, const float *w,
                                     const vf *inverse_scale, const vf *base, vf nmax, float *level,
                                     affine_sums *s)
{
    for (size_t k = 0; k < subs; k++) s[k].l = s[k].ll = s[k].xl = v_set(0.0f);
    for (size_t i = 0; i < n * W; i += W)
        for (size_t k = 0; k < subs; k++) {
            const size_t at = k * n * W + i;
            const vf v = v_load(x + at), l = affine_level(inverse_scale[k], v, base[k], nmax);
            const vf wl = weighted(w, at, l);
            v_store(level + at, l);
            s[k].l = v_add(s[k].l, wl);
            s[k].ll = v_add(s[k].ll, v_mul(wl, l));
            s[k].xl = v_add(s[k].xl, v_mul(wl, v));
        }
}

/* Weighted least squares: x ~ scale * l + base. False where the levels are all the same. */
static ALWAYS_INLINE vm affine_solve(const affine_sums *s, int any_base, vf *scale, vf *base)
{
    const vf zero = v_set(0.0f);
    const vf det = v_sub(v_mul(s->w, s->ll), v_mul(s->l, s->l));
    *scale = v_div(v_sub(v_mul(s->w, s->xl), v_mul(s->wx, s->l)), det);
    *base = v_div(v_sub(v_mul(s->ll, s->wx), v_mul(s->l, s->xl)), det);
    if (!any_base) {
        const vm above = v_lt(zero, *base);
        *scale = v_pick(above, v_div(s->xl, s->ll), *scale);
        *base = v_pick(above, zero, *base);
    }
    return v_lt(zero, det);
}

static ALWAYS_INLINE void affine_range(size_t n, const float *x, const float *w, vf *min, vf *max,
                                       affine_sums *s)
{
    *min = *max = v_load(x);
    s->w = weighted(w, 0, v_set(1.0f));
    s->wx = weighted(w, 0, *min);
    for (size_t i = 1; i < n; i++) {
        const vf v = v_load(x + i * W);
        *min = v_min(v, *min);
        *max = v_max(v, *max);
        s->w = v_add(s->w, weighted(w, i * W, v_set(1.0f)));
        s->wx = v_add(s->wx, weighted(w, i * W, v));
    }
}

/* The best so far of a sub-block. */
typedef struct affine_best {
    vf scale, base, least;
    vf taken, from; /* 1 / scale and base that its levels came from */
    vf first, max;  /* the base and the end of the range before all tries */
} affine_best;

/* A try that is better moves the base from which the later ones start. */
static ALWAYS_INLINE void affine_try(size_t subs, size_t n, const affine_tries *t, int i,
                                     const float *x, const float *w, affine_sums *s, float *level,
                                     affine_best *b)
{
    vf tried[SIDE_BY_SIDE], from[SIDE_BY_SIDE], scale[SIDE_BY_SIDE], base[SIDE_BY_SIDE];
    vf error[SIDE_BY_SIDE];
    vm solved[SIDE_BY_SIDE];
    for (size_t k = 0; k < subs; k++) {
        from[k] = b[k].base;
        tried[k] = v_div(v_set(t->first + t->step * (float)i + t->nmax), v_sub(b[k].max, from[k]));
    }
    affine_fit(subs, n, x, w, tried, from, v_set(t->nmax), level, s);
    for (size_t k = 0; k < subs; k++)
        solved[k] = affine_solve(&s[k], t->any_base, &scale[k], &base[k]);
    affine_error(subs, n, x, w, level, scale, base, t->absolute, error);
    for (size_t k = 0; k < subs; k++) {
        const vm better = m_and(solved[k], v_lt(error[k], b[k].least));
        b[k].least = v_pick(better, error[k], b[k].least);
        b[k].scale = v_pick(better, scale[k], b[k].scale);
        b[k].base = v_pick(better, base[k], b[k].base);
        b[k].taken = v_pick(better, tried[k], b[k].taken);
        b[k].from = v_pick(better, from[k], b[k].from);
    }
}

/* The whole range, before all tries. */
static ALWAYS_INLINE void affine_start(size_t subs, size_t n, const affine_tries *t, const float *x,
                                       const float *w, affine_sums *s, float *level, affine_best *b)
{
    const vf zero = v_set(0.0f), nmax = v_set(t->nmax);
    vf taken[SIDE_BY_SIDE], scale[SIDE_BY_SIDE], base[SIDE_BY_SIDE], error[SIDE_BY_SIDE];
    for (size_t k = 0; k < subs; k++) {
        affine_range(n, x + k * n * W, part(w, k * n * W), &base[k], &b[k].max, &s[k]);
        if (!t->any_base) base[k] = v_pick(v_lt(zero, base[k]), zero, base[k]);
        taken[k] = v_div(nmax, v_sub(b[k].max, base[k]));
        scale[k] = v_div(v_set(1.0f), taken[k]);
    }
    affine_fit(subs, n, x, w, taken, base, nmax, level, s);
    affine_error(subs, n, x, w, level, scale, base, t->absolute, error);
    for (size_t k = 0; k < subs; k++) {
        b[k].scale = scale[k];
        b[k].base = b[k].from = b[k].first = base[k];
        b[k].least = error[k];
        b[k].taken = taken[k];
    }
}

/* x ~ scale * code - min, codes 0..nmax; of SIDE_BY_SIDE sub-blocks or fewer. */
static ALWAYS_INLINE void search_affine(size_t subs, size_t n, const affine_tries *t,
                                        const float *x, const float *w, float *scale,
                                        float *minus_base, int32_t *code)
{
    float level[SIDE_BY_SIDE * LONGEST * W];
    const vf zero = v_set(0.0f), nmax = v_set(t->nmax);
    affine_sums s[SIDE_BY_SIDE];
    affine_best b[SIDE_BY_SIDE];
    affine_start(subs, n, t, x, w, s, level, b);
    for (int i = 0; i <= t->count; i++) affine_try(subs, n, t, i, x, w, s, level, b);
    for (size_t k = 0; k < subs; k++) {
        const vm live = v_lt(b[k].first, b[k].max);
        for (size_t i = k * n * W; i < (k + 1) * n * W; i += W) {
            const vf l = affine_level(b[k].taken, v_load(x + i), b[k].from, nmax);
            i_store(code + i, i_round(v_pick(live, l, zero)));
        }
        v_store(minus_base + k * W, v_neg(v_pick(live, b[k].base, b[k].first)));
        v_store(scale + k * W, v_pick(live, b[k].scale, zero));
    }
}

#endif
