/* tests/check_survey.c - the search with a survey against trying every candidate.
 *
 * For every level of WHIT_ISA, every kind of ladder and data made to be awkward: the winner, its
 * error and the least-squares step are those of the whole list; rough errors keep the bound that
 * search.c derives.
 *
 * SPDX-License-Identifier: MIT */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "quant/search.h"

enum { LONGEST = 2100 };

static const char *const schemes[] = {
    "int2-g32",     "int3-g32",      "int4-g32", "int4-g32-sf32", "int4-g32-sbf16", "int5-g32",
    "int6-g32",     "int7-g32",      "int8-g32", "int8-g32-sf32", "int3-g32-sf32",  "nf4-g32",
    "nf4-g32-sf32", "nf4-g32-sbf16", "fp4-g32",  "fp4bnb-g32",
};

enum { NORMAL, TAILS, FEW, ONE, HALVES, GRID, SAME, PAIRS, COARSE, TINY, LARGE, SMALL, FILLS };

/* One element of a region whose unit is `unit`. */
static float element(check_rng *r, int how, float unit, size_t i)
{
    const float v = check_normal(r);
    switch (how) {
    case NORMAL:
        return v * unit;
    case TAILS:
        return v * v * v * unit;
    case FEW:
        return check_below(r, 20) ? 0.0f : v;
    case ONE: /* nearly exact on many grids: the roundings decide */
        return i ? 0.0f : unit;
    case HALVES: /* of a few bits: ties on many grids */
        return rintf(v * 4) * 0.125f;
    case GRID:
        return unit * (float)((int)check_below(r, 16) - 8);
    case SAME:
        return unit;
    case PAIRS:
        return i % 2 ? unit : -unit;
    case COARSE:
        return wh_bits_f32(wh_f32_bits(v * unit) & 0xffff0000u);
    case TINY:
        return v * 0x1p-140f;
    case LARGE:
        return v * 0x1p124f;
    default: /* F16 scales are subnormal here, or nearly */
        return v * ldexpf(unit, -8 - (int)check_below(r, 10));
    }
}

static void exhaust(const wh_quantizer *q, const wh_range *range, const float *y, size_t n, float k,
                    wh_found *out)
{
    static wh_candidate cand[WH_MAX_CANDIDATES];
    int raised;
    size_t which = 0, count = wh_candidates(q, range, cand, &raised);
    double best = INFINITY, a, b;
    for (size_t i = 0; i < count; i++) {
        const wh_grid g = wh_candidate_grid(q, &cand[i], k);
        const double e = wh_encode_scalar.error(y, n, &g, INFINITY);
        if (e < best) {
            best = e;
            which = i;
        }
    }
    *out = (wh_found){ .best = cand[which], .plain = which == 0 };
    const wh_grid g = wh_candidate_grid(q, &out->best, k);
    out->error = wh_encode_scalar.fit(y, n, &g, &a, &b);
    out->fits = wh_candidate_fit(q, range, a, b, k, &out->best, &out->fit);
}

/* The same with weights: every candidate, then steps of least squares as long as they help. */
static void exhaust_weighted(const wh_quantizer *q, const wh_range *range, const float *y,
                             const float *weight, size_t n, float k, wh_found *out)
{
    static wh_candidate cand[WH_MAX_CANDIDATES];
    wh_candidate fit;
    int raised;
    size_t which = 0, count = wh_candidates(q, range, cand, &raised);
    double best = INFINITY, a, b;
    for (size_t i = 0; i < count; i++) {
        const wh_grid g = wh_candidate_grid(q, &cand[i], k);
        const double e = wh_encode_scalar.weighted(y, weight, n, &g, INFINITY);
        if (e < best) {
            best = e;
            which = i;
        }
    }
    *out = (wh_found){ .best = cand[which], .plain = which == 0 };
    wh_grid g = wh_candidate_grid(q, &out->best, k);
    out->error = wh_encode_scalar.weighted_fit(y, weight, n, &g, &a, &b);
    for (int i = 0; i < 4 && wh_candidate_fit(q, range, a, b, k, &out->best, &fit); i++) {
        g = wh_candidate_grid(q, &fit, k);
        const double e = wh_encode_scalar.weighted_fit(y, weight, n, &g, &a, &b);
        if (!(e < out->error)) return;
        out->best = fit;
        out->error = e;
        out->plain = 0;
    }
}

/* Weights that differ by a factor of up to 2^16, some of them 0; now and then all are so small or
 * large that there is no survey, or 0. */
static void check_weighted(const wh_quantizer *q, const char *name, const wh_range *range,
                           const wh_candidate *first, const float *y, size_t n, float k,
                           check_rng *r)
{
    static float weight[LONGEST];
    static const float units[] = { 1, 1, 1, 0x1p-30f, 0x1p28f, 0x1p-120f, 0x1p100f, 0 };
    const float unit = units[check_below(r, sizeof units / sizeof units[0])];
    wh_found want, got = { 0 };
    for (size_t i = 0; i < n; i++) {
        const float size = (float)(1u << check_below(r, 17)) * (1 + check_f32(r) * 0.5f);
        weight[i] = check_below(r, 9) ? unit * size * 0x1p-8f : 0.0f;
    }
    exhaust_weighted(q, range, y, weight, n, k, &want);
    wh_search_weighted(q, range, first, y, weight, n, k, &got);
    CHECK(wh_f32_bits(want.best.scale) == wh_f32_bits(got.best.scale) && want.plain == got.plain &&
              want.error == got.error,
          "%s, %s, weights, %zu elements: scale %a, error %a, not %a, %a", q->ops->isa, name, n,
          (double)got.best.scale, got.error, (double)want.best.scale, want.error);
}

/* What the survey says of each place, against the error of that scale. */
static void check_rough(const wh_quantizer *q, const char *name, const wh_range *range, float first,
                        const float *y, size_t n, float k)
{
    const wh_ladder *l = &q->ladder;
    const float x = wh_ladder_end(q, range);
    const double reach = (double)l->slack / 2 * 0x1p-24 * sqrt((double)n) * fabs((double)(x * k));
    float stored[WH_LANES], rough[WH_LANES];
    for (size_t p = 0; p < l->places; p += WH_LANES) {
        q->ops->scales(l->divisor + p, l->factor + p, WH_LANES, x, q->scheme.scale_type,
                       q->any_sign, first, stored);
        const wh_rungs rungs = { stored, k, x * k, l->lo, l->hi, q->book ? &l->bins : NULL, NULL };
        q->ops->survey(y, n, &rungs, INFINITY, rough);
        for (size_t i = 0; i < WH_LANES; i++) {
            const wh_candidate c = { stored[i], stored[i], 0 };
            const wh_grid g = wh_candidate_grid(q, &c, k);
            if (stored[i] == 0.0f) {
                CHECK(isinf(rough[i]), "%s: error %g of no scale", name, (double)rough[i]);
                continue;
            }
            const double e = sqrt(wh_encode_scalar.error(y, n, &g, INFINITY));
            const double off = fabs(sqrt((double)rough[i]) - e);
            CHECK(off <= reach + e * (double)(n + 64) * 0x1p-24,
                  "%s, %s, %zu elements, scale %a: off by %g, %g allowed", q->ops->isa, name, n,
                  (double)stored[i], off, reach);
        }
    }
}

static void check_region(const wh_quantizer *q, const char *name, int how, size_t n, check_rng *r)
{
    static float x[LONGEST], y[LONGEST];
    const float unit = wh_bits_f32(0x3d000000u + (uint32_t)check_below(r, 0x1000000));
    wh_range range;
    wh_candidate first;
    wh_found want, got = { 0 };
    int raised;
    for (size_t i = 0; i < n; i++) x[i] = element(r, how, unit, i);
    q->ops->range(x, n, &range);
    if (!range.finite || wh_range_is_zero(&range) || !wh_minmax(q, &range, &first, &raised)) return;
    const float k = wh_range_normaliser(&range);
    q->ops->normalise(x, n, k, y);
    exhaust(q, &range, y, n, k, &want);
    wh_search(q, &range, &first, y, n, k, &got);
    CHECK(wh_f32_bits(want.best.scale) == wh_f32_bits(got.best.scale) && want.plain == got.plain,
          "%s, %s, fill %d, %zu elements: scale %a, not %a", q->ops->isa, name, how, n,
          (double)got.best.scale, (double)want.best.scale);
    CHECK(want.error == got.error && want.fits == got.fits &&
              (!want.fits || wh_f32_bits(want.fit.scale) == wh_f32_bits(got.fit.scale)),
          "%s, %s, fill %d, %zu elements: error %a or step %d, not %a, %d", q->ops->isa, name, how,
          n, got.error, got.fits, want.error, want.fits);
    check_weighted(q, name, &range, &first, y, n, k, r);
    if (fabsf(wh_ladder_end(q, &range)) >= q->ladder.least)
        check_rough(q, name, &range, first.scale, y, n, k);
}

static void test_scheme(const wh_encode_ops *ops, const char *name)
{
    whit_quant_spec spec = { .struct_size = sizeof spec, .clip = WHIT_CLIP_MSE };
    wh_quantizer q;
    check_rng r = { 11 };
    CHECK(whit_scheme_parse(&spec.scheme, name, NULL) == WHIT_OK, "%s", name);
    for (int positive = 0; positive < 2; positive++) {
        spec.positive_scale = positive;
        CHECK(wh_quantizer_init(&q, &spec, NULL) == WHIT_OK, "%s", name);
        q.ops = ops;
        const size_t most = spec.scheme.bits > 6 ? 4 : 16; /* many candidates, in plain C too */
        for (int how = 0; how < FILLS; how++)
            for (size_t i = 0; i < most; i++)
                check_region(&q, name, how, 1 + check_below(&r, 140), &r);
        check_region(&q, name, NORMAL, LONGEST, &r);
    }
}

/* Lists of scales: the same bits from every variant. */
static void test_scales(const wh_encode_ops *ops)
{
    enum { N = 64 };
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    float divisor[N], factor[N], want[N], got[N];
    check_rng r = { 3 };
    for (int turn = 0; turn < 3000; turn++) {
        float x = wh_bits_f32((uint32_t)check_u64(&r));
        if (!isfinite(x)) x = FLT_MAX;
        if (turn % 2) x = ldexpf(check_normal(&r), -(int)check_below(&r, 30));
        for (int i = 0; i < N; i++) {
            divisor[i] = check_f32(&r) * 130.0f;
            factor[i] = i % 5 ? check_f32(&r) : (float)(i % 2);
        }
        for (int t = 0; t < 6; t++) {
            wh_encode_scalar.scales(divisor, factor, N, x, types[t / 2], t % 2, 0.3f, want);
            ops->scales(divisor, factor, N, x, types[t / 2], t % 2, 0.3f, got);
            CHECK(memcmp(want, got, sizeof got) == 0, "%s: scales of %a as type %d", ops->isa,
                  (double)x, t / 2);
        }
    }
}

int main(void)
{
    size_t count;
    uint32_t allowed;
    whit_error err;
    const wh_encode_ops *const *variants = wh_encode_variants(&count);
    if (wh_cpu_allowed(wh_cpu_features(), getenv("WHIT_ISA"), &allowed, &err) != WHIT_OK) {
        printf("skipped: %s\n", err.msg);
        return CHECK_SKIP;
    }
    for (size_t v = 0; v < count; v++) {
        if (variants[v]->needs & ~allowed) continue;
        test_scales(variants[v]);
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
            test_scheme(variants[v], schemes[i]);
    }
    return check_result();
}
