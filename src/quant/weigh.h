/* src/quant/weigh.h - the scale of least weighed squared error for one region.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_WEIGH_H
#define WH_QUANT_WEIGH_H

#include "quant/range.h"

/*
 * The best of wh_candidates and of the least-squares step from it, by the sum of
 * importance * (y - grid)^2; y is the region of that range, normalised by k. codes [n] and
 * values [n] are scratch. *plain: it is minmax, `first`.
 * Weights that are all 0 count as 1.
 */
wh_candidate wh_search_weighed(const wh_quantizer *q, const wh_range *range,
                               const wh_candidate *first, const float *y, const float *importance,
                               size_t n, float k, uint8_t *codes, float *values, int *plain);

#endif
