/* src/quant/search.c - the scale of least squared error for one region, among those of range.h.
 *
 * Where there are many, a survey finds the few that can be the best: it takes the distance of every
 * element to the nearest value of every grid, sixteen scales at a time, in another order than the
 * error that counts and with a multiplication where that divides. Let u = 2^-24, M the largest
 * magnitude of the region and D the exact distances as a vector. An entry chosen by a quotient with
 * a few roundings is no further off than 16uM beyond the nearest, with the roundings of the
 * difference (0 is on every grid, so no distance passes M); table thresholds that are not in the
 * middle add twice their share of M. So both kinds of error are (|D| +- 16uM sqrt n)^2 but for the
 * roundings of a sum of n terms, and a candidate whose rough error passes the least one by more
 * than twice that cannot win. Those left are tried exactly, in their order. `slack` in the ladder
 * is the factor of uM sqrt n for both together.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/search.h"

#include <float.h>
#include <math.h>

#define UNIT 0x1p-24
#define LIGHT 0x1p-40 /* sums of weights within which there are surveys */
#define HEAVY 0x1p40

enum {
    LONGEST = 1 << 16, /* elements, for the roundings of the sum to stay small */
    SHORT = 48,
    STEPS = 4 /* of least squares at most, with weights */
};

/* The rough error that a candidate must not pass. */
static float cut(float least, double reach, double rounding)
{
    const double root = (sqrt((double)least) + reach) * (1.0 + 3 * rounding);
    return (float)(root * root * (1.0 + 4 * UNIT));
}

/* The places that are left, by rung. */
static size_t sift(const wh_ladder *l, const float *rough, float most, uint16_t *left)
{
    size_t count = 0;
    for (size_t p = 1; p < l->places; p++) { /* without a branch */
        left[count] = (uint16_t)p;
        count += (size_t)(rough[p] <= most);
    }
    for (size_t i = 1; i < count; i++)
        for (size_t at = i; at > 0 && l->rung[left[at - 1]] > l->rung[left[at]]; at--) {
            const uint16_t p = left[at];
            left[at] = left[at - 1];
            left[at - 1] = p;
        }
    return count;
}

/* A region: its elements normalised by k, their weights (NULL: 1), and the root of the sum of
 * those. */
typedef struct region {
    const float *y, *weight;
    size_t n;
    float k;
    double norm;
} region;

/* Looks at all places; returns what a candidate must not pass. A branch that goes wrong costs more
 * than the second half of a short region. */
static float look(const wh_quantizer *q, const region *r, float x, const float *stored,
                  float *rough)
{
    const wh_ladder *l = &q->ladder;
    const double reach = (double)l->slack * UNIT * r->norm * fabs((double)(x * r->k));
    const double rounding = (double)(r->n + 64) * UNIT;
    wh_rungs rungs = { stored, r->k, x * r->k, l->lo, l->hi, q->book ? &l->bins : NULL, r->weight };
    float least = INFINITY, most = INFINITY;
    for (size_t p = 0; p < l->places; p += WH_LANES) {
        rungs.stored = stored + p;
        const float e = q->ops->survey(r->y, r->n, &rungs, most, rough + p);
        least = e < least ? e : least;
        if (r->n > SHORT || p > 0) most = cut(least, reach, rounding);
    }
    return r->n > SHORT || l->places > WH_LANES ? most : cut(least, reach, rounding);
}

/* The candidates that can be the best, in their order. *plain: the first is minmax. */
static size_t survey(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
                     const region *r, wh_candidate *out, int *plain)
{
    const wh_ladder *l = &q->ladder;
    const size_t whole = (l->places + WH_LANES - 1) / WH_LANES * WH_LANES;
    const float x = wh_ladder_end(q, range);
    float stored[WH_MAX_RUNGS], rough[WH_MAX_RUNGS];
    uint16_t left[WH_MAX_RUNGS];
    q->ops->scales(l->divisor, l->factor, whole, x, q->scheme.scale_type, q->any_sign, first->scale,
                   stored);
    const float most = look(q, r, x, stored, rough);
    size_t count = 0, places = sift(l, rough, most, left);
    *plain = rough[0] <= most;
    if (*plain) out[count++] = *first;
    for (size_t i = 0; i < places; i++)
        count += wh_candidate_at(q, range, l->rung[left[i]], stored[left[i]], out + count);
    return count;
}

static int surveyed(const wh_quantizer *q, const wh_range *range, size_t n)
{
    const float magnitude = fabsf(wh_ladder_end(q, range));
    return q->ladder.places > 0 && n <= LONGEST && magnitude >= q->ladder.least &&
           magnitude < FLT_MAX / 4;
}

void wh_search(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
               const float *y, size_t n, float k, wh_found *out)
{
    wh_candidate cand[WH_MAX_CANDIDATES];
    int plain = 1, raised;
    const region r = { y, NULL, n, k, sqrt((double)n) };
    size_t which = 0, count = surveyed(q, range, n) ? survey(q, range, first, &r, cand, &plain)
                                                    : wh_candidates(q, range, cand, &raised);
    double best = INFINITY, a, b;
    for (size_t i = 0; count > 1 && i < count; i++) {
        wh_grid g = wh_candidate_grid(q, &cand[i], k);
        const double e = q->ops->error(y, n, &g, best);
        if (e < best) {
            best = e;
            which = i;
        }
    }
    out->best = cand[which];
    out->plain = plain && which == 0;
    wh_grid g = wh_candidate_grid(q, &out->best, k);
    out->error = q->ops->fit(y, n, &g, &a, &b);
    out->fits = wh_candidate_fit(q, range, a, b, k, &out->best, &out->fit);
}

/* The candidates for a region with weights: all, where their sum is so large or small that squares
 * leave the range of float32. */
static size_t candidates(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
                         region *r, wh_candidate *out, int *plain)
{
    double sum = 0;
    int raised;
    *plain = 1;
    for (size_t i = 0; i < r->n; i++) sum += (double)r->weight[i];
    r->norm = sqrt(sum);
    if (surveyed(q, range, r->n) && sum >= LIGHT && sum <= HEAVY)
        return survey(q, range, first, r, out, plain);
    const size_t count = wh_candidates(q, range, out, &raised);
    if (count <= 1) out[0] = *first;
    return count;
}

void wh_search_weighted(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
                        const float *y, const float *weight, size_t n, float k, wh_found *out)
{
    wh_candidate cand[WH_MAX_CANDIDATES], fit;
    region r = { y, weight, n, k, 0 };
    int plain;
    double a, b;
    size_t which = 0, count = candidates(q, range, first, &r, cand, &plain);
    *out = (wh_found){ .error = INFINITY };
    for (size_t i = 0; count > 1 && i < count; i++) {
        const wh_grid g = wh_candidate_grid(q, &cand[i], k);
        const double e = q->ops->weighted(y, weight, n, &g, out->error);
        if (e < out->error) {
            out->error = e;
            which = i;
        }
    }
    out->best = cand[which];
    out->plain = plain && which == 0;
    wh_grid g = wh_candidate_grid(q, &out->best, k);
    out->error = q->ops->weighted_fit(y, weight, n, &g, &a, &b);
    for (int step = 0; q->search && step < STEPS; step++) {
        if (!wh_candidate_fit(q, range, a, b, k, &out->best, &fit)) return;
        g = wh_candidate_grid(q, &fit, k);
        const double e = q->ops->weighted_fit(y, weight, n, &g, &a, &b);
        if (!(e < out->error)) return;
        out->best = fit;
        out->error = e;
        out->plain = 0;
    }
}
