/* src/pack/block_search.h - how the reference encoders look for scales, in lanes.
 *
 * Every sum is in float32 in the order of the elements, every product rounded before it is added:
 * the octets depend on it. n elements of x with weights w; where w is NULL, x squared. Codes are
 * recomputed from the winner's parameters at the end, which gives what storing them would.
 * Source: the make_* functions of ggml-org/ggml, src/ggml-quants.c (named at each).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_SEARCH_H
#define WH_PACK_BLOCK_SEARCH_H

#include "pack/block_lanes.h"

enum { LONGEST = 32 }; /* elements that are searched together */
#define EPSILON 1e-15f /* a block of which nothing is larger counts as zero */

/* a = sum w x l, b = sum w l l: the scale a / b fits levels l best, and lowers the error by
 * a^2 / b. */
typedef struct fit {
    vf a, b;
} fit;

static ALWAYS_INLINE void fit_add(fit *f, vf w, vf wx, vf l)
{
    f->a = v_add(f->a, v_mul(wx, l));
    f->b = v_add(f->b, v_mul(v_mul(w, l), l));
}

static ALWAYS_INLINE fit fit_zero(void)
{
    return (fit){ v_set(0.0f), v_set(0.0f) };
}

static ALWAYS_INLINE vm fit_better(const fit *f, vf best)
{
    const vm more = v_lt(v_mul(best, f->b), v_mul(f->a, f->a));
    return m_and(v_lt(v_set(0.0f), f->b), more);
}

/* w, and w * x, of n elements. */
static ALWAYS_INLINE void weigh(size_t n, const float *x, const float *w, float *own, float *wx)
{
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W), u = w ? v_load(w + i * W) : v_mul(v, v);
        v_store(own + i * W, u);
        v_store(wx + i * W, v_mul(u, v));
    }
}

static ALWAYS_INLINE fit fit_levels(size_t n, const float *x, const float *w, const float *wx,
                                    vf inverse_scale, vf lo, vf hi)
{
    fit f = fit_zero();
    for (size_t i = 0; i < n; i++) {
        const vf l = clamp(nearest(v_mul(inverse_scale, v_load(x + i * W))), lo, hi);
        fit_add(&f, v_load(w + i * W), v_load(wx + i * W), l);
    }
    return f;
}

/* make_qx_quants: levels -nmax..nmax - 1, nineteen scales around extreme / -nmax. Codes are levels
 * + nmax; all 0 where every x is below EPSILON. */
static vf search_symmetric(size_t n, float nmax, const float *x, const float *w, int32_t *code)
{
    float own[LONGEST * W], wx[LONGEST * W];
    const vf zero = v_set(0.0f), lo = v_set(-nmax), hi = v_set(nmax - 1.0f);
    vf magnitude;
    const vf max = extreme(x, n, &magnitude);
    const vm live = v_le(v_set(EPSILON), magnitude);
    weigh(n, x, w, own, wx);

    vf taken = v_div(lo, max);
    fit f = fit_levels(n, x, own, wx, taken, lo, hi);
    vf scale = v_ratio(f.a, f.b), best = v_mul(scale, f.a);
    for (int step = -9; step <= 9; step++) {
        if (step == 0) continue;
        const vf tried = v_div(v_set(-(nmax + 0.1f * (float)step)), max);
        f = fit_levels(n, x, own, wx, tried, lo, hi);
        const vm better = fit_better(&f, best);
        scale = v_pick(better, v_div(f.a, f.b), scale);
        best = v_pick(better, v_mul(scale, f.a), best);
        taken = v_pick(better, tried, taken);
    }
    for (size_t i = 0; i < n; i++) {
        const vf l = clamp(nearest(v_mul(taken, v_load(x + i * W))), lo, hi);
        i_store(code + i * W, i_round(v_pick(live, v_sub(l, lo), zero)));
    }
    return v_pick(live, scale, zero);
}

/* What an octet holds of an integer: l mod 256. */
static ALWAYS_INLINE vf octet(vf l)
{
    const vf times = nearest(v_sub(v_mul(l, v_set(0x1p-8f)), v_set(511.0f / 1024.0f)));
    return v_sub(l, v_mul(times, v_set(256.0f)));
}

/* One element's level replaced by the one that fits the others best, if that lowers the error.
 * Returns where it was. wrap: the level is kept in an octet. */
static ALWAYS_INLINE vm replace(fit *f, vf x, vf w, vf lo, vf hi, int wrap, float *level)
{
    const vf zero = v_set(0.0f), old = v_load(level), wx = v_mul(w, x);
    fit g = { v_sub(f->a, v_mul(wx, old)), v_sub(f->b, v_mul(v_mul(w, old), old)) };
    vm change = v_lt(zero, g.a);
    if (wrap) change = m_and(change, v_lt(zero, g.b));
    const vf l = clamp(nearest(v_div(v_mul(x, g.b), g.a)), lo, hi);
    fit_add(&g, w, wx, l);
    const vf after = v_mul(v_mul(g.a, g.a), f->b), before = v_mul(v_mul(f->a, f->a), g.b);
    change = m_and(change, m_and(v_ne(l, old), v_lt(before, after)));
    if (!wrap) change = m_and(change, v_lt(zero, g.b));
    const vf stored = wrap ? octet(l) : l;
    v_store(level, v_pick(change, stored, old));
    f->a = v_pick(change, g.a, f->a);
    f->b = v_pick(change, g.b, f->b);
    return change;
}

/* make_q3_quants: levels -4..3 from extreme / -4, then up to five rounds of replacing one level at
 * a time. Codes are levels + 4; all 0 where every x is below EPSILON. */
static vf search_three_bits(size_t n, const float *x, int32_t *code)
{
    float level[LONGEST * W];
    const vf zero = v_set(0.0f), lo = v_set(-4.0f), hi = v_set(3.0f);
    vf magnitude;
    const vf inverse_scale = v_div(lo, extreme(x, n, &magnitude));
    const vm live = v_le(v_set(EPSILON), magnitude);
    fit f = fit_zero();
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W), w = v_mul(v, v);
        const vf l = clamp(nearest(v_mul(inverse_scale, v)), lo, hi);
        v_store(level + i * W, l);
        fit_add(&f, w, v_mul(w, v), l);
    }
    for (int round = 0, changed = 1; round < 5 && changed; round++) {
        changed = 0;
        for (size_t i = 0; i < n; i++) {
            const vf v = v_load(x + i * W);
            changed |= m_any(m_and(live, replace(&f, v, v_mul(v, v), lo, hi, 0, level + i * W)));
        }
    }
    for (size_t i = 0; i < n; i++) {
        const vf l = v_sub(v_load(level + i * W), lo);
        i_store(code + i * W, i_round(v_pick(live, l, zero)));
    }
    return v_pick(m_and(live, v_lt(zero, f.b)), v_div(f.a, f.b), zero);
}

/* make_qp_quants: levels 0..nmax of x >= 0, nine scales around the maximum's, then up to five
 * rounds of replacing. Rounding can make an x negative; its level is then what an octet holds. */
static vf search_positive(size_t n, float nmax, const float *x, const float *w, float *level)
{
    const vf zero = v_set(0.0f), hi = v_set(nmax), lo = v_set(-4194304.0f); /* no lower end */
    vf max = zero, least = zero;
    for (size_t i = 0; i < n; i++) max = v_max(v_load(x + i * W), max);
    const vm live = v_le(v_set(EPSILON), max);
    vf taken = zero;
    for (int at = 0; at < 9; at++) { /* the maximum's own scale first, then -4..-1 and 1..4 */
        const int step = at == 0 ? 0 : at <= 4 ? at - 5 : at - 4;
        const vf tried = v_div(v_set(0.1f * (float)step + nmax), max), scale = inverse(tried);
        vf error = zero;
        for (size_t i = 0; i < n; i++) {
            const vf v = v_load(x + i * W);
            const vf nearby = nearest(v_mul(tried, v)), l = at ? v_min(nearby, hi) : octet(nearby);
            const vf off = v_sub(v, v_mul(scale, l));
            error = v_add(error, v_mul(v_mul(v_load(w + i * W), off), off));
        }
        const vm better = v_lt(error, least);
        taken = at ? v_pick(better, tried, taken) : tried;
        least = at ? v_pick(better, error, least) : error;
    }
    fit f = fit_zero();
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W), u = v_load(w + i * W);
        const vf l = v_min(nearest(v_mul(taken, v)), hi);
        v_store(level + i * W, octet(l));
        fit_add(&f, u, v_mul(u, v), l);
    }
    for (int round = 0, changed = 1; round < 5 && changed; round++) {
        changed = 0;
        for (size_t i = 0; i < n; i++) {
            const vf v = v_load(x + i * W), u = v_load(w + i * W);
            changed |= m_any(m_and(live, replace(&f, v, u, lo, hi, 1, level + i * W)));
        }
    }
    for (size_t i = 0; i < n; i++)
        v_store(level + i * W, v_pick(live, v_load(level + i * W), zero));
    return v_pick(m_and(live, v_lt(zero, f.b)), v_div(f.a, f.b), zero);
}

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

static ALWAYS_INLINE vf affine_error(size_t n, const float *x, const float *w, const float *level,
                                     vf scale, vf base, int absolute)
{
    vf error = v_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        const vf l = v_load(level + i * W);
        const vf off = v_sub(v_add(v_mul(scale, l), base), v_load(x + i * W));
        const vf e = absolute ? v_abs(off) : v_mul(off, off);
        error = v_add(error, v_mul(v_load(w + i * W), e));
    }
    return error;
}

static ALWAYS_INLINE vf affine_level(vf inverse_scale, vf x, vf base, vf nmax)
{
    return clamp(nearest(v_mul(inverse_scale, v_sub(x, base))), v_set(0.0f), nmax);
}

static ALWAYS_INLINE void affine_fit(size_t n, const float *x, const float *w, vf inverse_scale,
                                     vf base, vf nmax, float *level, affine_sums *s)
{
    s->l = s->ll = s->xl = v_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W), l = affine_level(inverse_scale, v, base, nmax);
        const vf wl = v_mul(v_load(w + i * W), l);
        v_store(level + i * W, l);
        s->l = v_add(s->l, wl);
        s->ll = v_add(s->ll, v_mul(wl, l));
        s->xl = v_add(s->xl, v_mul(wl, v));
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
    s->w = v_load(w);
    s->wx = v_mul(s->w, *min);
    for (size_t i = 1; i < n; i++) {
        const vf v = v_load(x + i * W), u = v_load(w + i * W);
        *min = v_min(v, *min);
        *max = v_max(v, *max);
        s->w = v_add(s->w, u);
        s->wx = v_add(s->wx, v_mul(u, v));
    }
}

/* make_qkx2_quants, make_qkx3_quants: x ~ scale * code - min, codes 0..nmax. A try that is better
 * moves the base from which the later ones start. */
static ALWAYS_INLINE vf search_affine(size_t n, const affine_tries *t, const float *x,
                                      const float *w, vf *minus_base, int32_t *code)
{
    float level[LONGEST * W];
    const vf zero = v_set(0.0f), nmax = v_set(t->nmax);
    affine_sums s;
    vf base, max, tried_scale, tried_base;
    affine_range(n, x, w, &base, &max, &s);
    if (!t->any_base) base = v_pick(v_lt(zero, base), zero, base);
    const vf first = base;
    const vm live = v_lt(base, max);

    vf taken = v_div(nmax, v_sub(max, base)), from = base;
    vf scale = v_div(v_set(1.0f), taken);
    affine_fit(n, x, w, taken, base, nmax, level, &s);
    vf least = affine_error(n, x, w, level, scale, base, t->absolute);
    for (int i = 0; i <= t->count; i++) {
        const vf tries = v_set(t->first + t->step * (float)i + t->nmax);
        const vf tried = v_div(tries, v_sub(max, base));
        affine_fit(n, x, w, tried, base, nmax, level, &s);
        const vm solved = affine_solve(&s, t->any_base, &tried_scale, &tried_base);
        const vf error = affine_error(n, x, w, level, tried_scale, tried_base, t->absolute);
        const vm better = m_and(solved, v_lt(error, least));
        least = v_pick(better, error, least);
        scale = v_pick(better, tried_scale, scale);
        taken = v_pick(better, tried, taken);
        from = v_pick(better, base, from);
        base = v_pick(better, tried_base, base);
    }
    for (size_t i = 0; i < n; i++) {
        const vf l = affine_level(taken, v_load(x + i * W), from, nmax);
        i_store(code + i * W, i_round(v_pick(live, l, zero)));
    }
    *minus_base = v_neg(v_pick(live, base, first));
    return v_pick(live, scale, zero);
}

/* The search of IQ4_NL and IQ4_XS: scales at which the extreme falls near the lowest level. */
static ALWAYS_INLINE fit fit_iq4(size_t n, const float *x, const float *w, vf inverse_scale)
{
    fit f = fit_zero();
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W);
        const vf q = v_lookup(iq4_levels, entry(iq4_thresholds, v_mul(inverse_scale, v)));
        const vf wq = v_mul(v_load(w + i * W), q);
        f.a = v_add(f.a, v_mul(wq, v));
        f.b = v_add(f.b, v_mul(wq, q));
    }
    return f;
}

static vf search_iq4(size_t n, const float *x, const float *w)
{
    const vf zero = v_set(0.0f);
    vf magnitude;
    const vf max = extreme(x, n, &magnitude);
    const vm live = v_le(v_set(EPSILON), magnitude);
    const vf first = v_div(v_neg(max), v_set(iq4_levels[0]));
    fit f = fit_iq4(n, x, w, v_div(v_set(1.0f), first));
    vf d = v_pick(v_lt(zero, f.b), v_div(f.a, f.b), zero), best = v_mul(d, f.a);
    for (int step = -7; step <= 7; step++) {
        f = fit_iq4(n, x, w, v_div(v_set((float)step + iq4_levels[0]), max));
        const vm better = fit_better(&f, best);
        d = v_pick(better, v_div(f.a, f.b), d);
        best = v_pick(better, v_mul(d, f.a), best);
    }
    return v_pick(live, d, zero);
}

#endif
