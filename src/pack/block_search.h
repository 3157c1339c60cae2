/* src/pack/block_search.h - how the reference encoders look for scales, in lanes.
 *
 * Every sum is in float32 in the order of the elements, every product rounded before it is added:
 * the octets depend on it. But many scales are tried side by side, since each sum waits for its
 * last addition. n elements of x with weights w. Codes are recomputed from the winner's parameters
 * at the end, which gives what storing them would. Searches with a minimum: block_affine.h. Source:
 * the make_* functions of ggml-org/ggml, src/ggml-quants.c (named at each).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_SEARCH_H
#define WH_PACK_BLOCK_SEARCH_H

#include "pack/block_lanes.h"

enum { LONGEST = 32 }; /* elements that are searched together */
#define EPSILON 1e-15f /* a block of which nothing is larger counts as zero */

/* v times the weight at i, a multiple of W; w NULL: all weights are 1. */
static ALWAYS_INLINE vf weighted(const float *w, size_t i, vf v)
{
    return w ? v_mul(v_load(w + i), v) : v;
}

/* The weights from at on. */
static ALWAYS_INLINE const float *part(const float *w, size_t at)
{
    return w ? w + at : NULL;
}

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

/* w, and w * x, of n elements; where w is NULL, it is x squared. */
static ALWAYS_INLINE void weigh(size_t n, const float *x, const float *w, float *own, float *wx)
{
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W), u = w ? v_load(w + i * W) : v_mul(v, v);
        v_store(own + i * W, u);
        v_store(wx + i * W, v_mul(u, v));
    }
}

/* How many scales are tried side by side, each sum waiting for its last addition: as many as there
 * are registers for. */
enum { TOGETHER = W == 8 ? 2 : 4 };

/* Levels lo..hi of a search, and whether all that is searched is finite: then no level that counts
 * is beyond 2^22. */
typedef struct level_range {
    vf lo, hi;
    int finite;
} level_range;

static ALWAYS_INLINE vf level_at(const level_range *r, vf v)
{
    return clamp(r->finite ? nearest_bounded(v) : nearest(v), r->lo, r->hi);
}

static ALWAYS_INLINE void fit_levels(const level_range *r, size_t n, const float *x, const float *w,
                                     const float *wx, const vf *inverse_scale, size_t count, fit *f)
{
    for (size_t k = 0; k < count; k++) f[k] = fit_zero();
    for (size_t i = 0; i < n * W; i += W) {
        const vf v = v_load(x + i), u = v_load(w + i), ux = v_load(wx + i);
        for (size_t k = 0; k < count; k++)
            fit_add(&f[k], u, ux, level_at(r, v_mul(inverse_scale[k], v)));
    }
}

/* make_qx_quants: levels -nmax..nmax - 1, nineteen scales around extreme / -nmax. Codes are levels
 * + nmax; all 0 where every x is below EPSILON. */
static ALWAYS_INLINE vf search_symmetric(size_t n, float nmax, int finite, const float *x,
                                         const float *w, int32_t *code)
{
    float own[LONGEST * W], wx[LONGEST * W];
    const level_range r = { v_set(-nmax), v_set(nmax - 1.0f), finite };
    const vf zero = v_set(0.0f);
    vf magnitude;
    const vf max = extreme(x, n, &magnitude);
    const vm live = v_le(v_set(EPSILON), magnitude);
    weigh(n, x, w, own, wx);

    vf scale = zero, best = zero, taken = zero;
    for (int from = 0; from < 19; from += TOGETHER) {
        vf tried[TOGETHER];
        fit f[TOGETHER];
        for (int k = 0; k < TOGETHER; k++) { /* the extreme's own scale first, then -9..-1, 1..9 */
            const int at = from + k, step = at == 0 ? 0 : at <= 9 ? at - 10 : at - 9;
            tried[k] = v_div(v_set(-(nmax + 0.1f * (float)step)), max);
        }
        fit_levels(&r, n, x, own, wx, tried, TOGETHER, f);
        for (int k = 0; k < TOGETHER && from + k < 19; k++) {
            if (from + k == 0) {
                scale = v_ratio(f[0].a, f[0].b);
                best = v_mul(scale, f[0].a);
                taken = tried[0];
                continue;
            }
            const vm better = fit_better(&f[k], best);
            scale = v_pick(better, v_div(f[k].a, f[k].b), scale);
            best = v_pick(better, v_mul(scale, f[k].a), best);
            taken = v_pick(better, tried[k], taken);
        }
    }
    for (size_t i = 0; i < n; i++) {
        const vf l = level_at(&r, v_mul(taken, v_load(x + i * W)));
        i_store(code + i * W, i_round(v_pick(live, v_sub(l, r.lo), zero)));
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

/* The search of IQ4_NL and IQ4_XS: scales at which the extreme falls near the lowest level. */
static ALWAYS_INLINE void fit_iq4(size_t n, const float *x, const float *w, const vf *inverse_scale,
                                  fit *f)
{
    for (size_t k = 0; k < TOGETHER; k++) f[k] = fit_zero();
    for (size_t i = 0; i < n * W; i += W) {
        const vf v = v_load(x + i), u = v_load(w + i);
        for (size_t k = 0; k < TOGETHER; k++) {
            const vf q = v_lookup(iq4_levels, iq4_entry(v_mul(inverse_scale[k], v)));
            const vf wq = v_mul(u, q);
            f[k].a = v_add(f[k].a, v_mul(wq, v));
            f[k].b = v_add(f[k].b, v_mul(wq, q));
        }
    }
}

static vf search_iq4(size_t n, const float *x, const float *w)
{
    const vf zero = v_set(0.0f), one = v_set(1.0f);
    vf magnitude;
    const vf max = extreme(x, n, &magnitude);
    const vm live = v_le(v_set(EPSILON), magnitude);
    vf d = zero, best = zero;
    for (int from = 0; from < 16; from += TOGETHER) {
        vf tried[TOGETHER];
        fit f[TOGETHER];
        for (int k = 0; k < TOGETHER; k++) /* the extreme's own scale first, then -7..7 around it */
            tried[k] = from + k ? v_div(v_set((float)(from + k - 8) + iq4_levels[0]), max)
                                : v_div(one, v_div(v_neg(max), v_set(iq4_levels[0])));
        fit_iq4(n, x, w, tried, f);
        for (int k = 0; k < TOGETHER; k++) {
            const vm better = from + k ? fit_better(&f[k], best) : v_lt(zero, f[k].b);
            d = v_pick(better, v_div(f[k].a, f[k].b), d);
            best = from + k ? v_pick(better, v_mul(d, f[k].a), best) : v_mul(d, f[k].a);
        }
    }
    return v_pick(live, d, zero);
}

#endif
