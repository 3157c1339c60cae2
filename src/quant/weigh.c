/* src/quant/weigh.c - the scale of least weighed squared error for one region.
 *
 * Every candidate is encoded and decoded, and its error summed up in index order in double: slower
 * than search.c, whose survey knows no weights, and the same bits with every instruction set, since
 * codes are. The weights are mean squares of what the columns are multiplied with, so the sum is
 * the squared error of the products, were the inputs uncorrelated.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/weigh.h"

#include <math.h>

#define STRIDE 64 /* elements between two looks at the limit */

typedef struct region {
    const wh_quantizer *q;
    const wh_range *range;
    const float *y, *importance;
    size_t n;
    float k;
    int even; /* 1: all weights count as 1 */
    uint8_t *codes;
    float *values;
} region;

static double weight(const region *r, size_t i)
{
    return r->even ? 1.0 : (double)r->importance[i];
}

/* The values of a candidate's codes, as a decoder has them. */
static void decode(const region *r, const wh_candidate *c)
{
    const wh_grid g = wh_candidate_grid(r->q, c, r->k);
    const uint8_t zero = (uint8_t)c->zero;
    whit_scheme one = r->q->scheme;
    float worst = 0;
    one.gran = WHIT_GRAN_CHANNEL;
    r->q->ops->encode(r->y, r->n, &g, r->codes, &worst);
    whit_dequantize(r->codes, &g.scale, one.asym ? &zero : NULL, 1, r->n, &one, r->values, NULL);
}

/* The error; limit or more once it reaches that. */
static double error_of(const region *r, const wh_candidate *c, double limit)
{
    double sum = 0;
    decode(r, c);
    for (size_t i = 0; i < r->n && sum < limit;) {
        const size_t end = r->n - i < STRIDE ? r->n : i + STRIDE;
        for (; i < end; i++) {
            const double e = (double)r->y[i] - (double)r->values[i];
            sum += weight(r, i) * (e * e);
        }
    }
    return sum;
}

/* Least squares from a candidate, whose values are decoded: a sum of y v, a sum of v^2. */
static void fit(const region *r, const wh_candidate *c, double *a, double *b)
{
    const double scale = (double)wh_candidate_grid(r->q, c, r->k).scale;
    *a = *b = 0;
    for (size_t i = 0; i < r->n; i++) {
        const double v = (double)r->values[i] / scale;
        *a += weight(r, i) * ((double)r->y[i] * v);
        *b += weight(r, i) * (v * v);
    }
}

wh_candidate wh_search_weighed(const wh_quantizer *q, const wh_range *range,
                               const wh_candidate *first, const float *y, const float *importance,
                               size_t n, float k, uint8_t *codes, float *values, int *plain)
{
    wh_candidate cand[WH_MAX_CANDIDATES], step;
    region r = { q, range, y, importance, n, k, 1, codes, values };
    int raised;
    double a, b;
    const size_t count = wh_candidates(q, range, cand, &raised);
    for (size_t i = 0; i < n && r.even; i++) r.even = importance[i] == 0.0f;
    wh_candidate best = *first;
    double least = error_of(&r, &best, INFINITY);
    *plain = 1;
    for (size_t i = 1; i < count; i++) {
        const double e = error_of(&r, &cand[i], least);
        if (!(e < least)) continue;
        least = e;
        best = cand[i];
        *plain = 0;
    }
    decode(&r, &best);
    fit(&r, &best, &a, &b);
    if (wh_candidate_fit(q, range, a, b, k, &best, &step) && error_of(&r, &step, least) < least) {
        best = step;
        *plain = 0;
    }
    return best;
}
