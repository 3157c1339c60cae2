/* src/quant/search.h - the scale of least squared error for one region.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_SEARCH_H
#define WH_QUANT_SEARCH_H

#include "quant/range.h"

typedef struct wh_found {
    wh_candidate best;
    double error; /* of it, with the region normalised */
    int plain;    /* it is minmax */
    wh_candidate fit;
    int fits; /* the least-squares step from the best; to take if its error is smaller */
} wh_found;

/* y is the region of that range, normalised by k; first is its minmax candidate. */
void wh_search(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
               const float *y, size_t n, float k, wh_found *out);

/* The same judged by the sum of weight * error^2, weight [n] >= 0 and finite; every candidate is
 * tried, then up to four least-squares steps from the best; `fits` is 0. */
void wh_search_weighted(const wh_quantizer *q, const wh_range *range, const wh_candidate *first,
                        const float *y, const float *weight, size_t n, float k, wh_found *out);

#endif
