/* src/quant/range.h - from the range of a group to its stored scale and zero point.
 *
 * A region is what shares one scale: a group, a row, or a whole tensor. The search tries, in this
 * order, and keeps the first of least squared error; every scale is rounded to its stored type
 * before it is judged:
 *
 *   symmetric  1. minmax
 *              2. x'/k, x' the signed value of largest magnitude, k over the codes, largest
 *                 magnitude first, -|k| before |k|; where scales are F32 each followed by its two
 *                 neighbours (a group that lies on a grid is found again exactly)
 *              3. shrinks: f * x'/lo and f * x'/hi for the factors f of range.c
 *              4. one least-squares step from the best
 *   tables     the same with table values in place of k (both ends inwards), shrinks of +-x'/top
 *   fp8        the same with the values of the format, largest first
 *   mxfp4      1. minmax, e = floor(log2 amax) - 2   2. e + 1
 *   nvfp4      1. minmax, amax / 6                   2. amax / 4
 *   asym       1. minmax
 *              2. (max - min)/m, m = 2^bits-1 .. 1 (the grid through the extremes), neighbours too
 *              3. both ends shrunk, each by its own factor
 *              4. one least-squares step for the scale from the best, its zero point kept
 *
 * x' is the positive one where both signs reach the magnitude. Scales below 0 are skipped where
 * they are not allowed (8-bit codes, positive_scale).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_RANGE_H
#define WH_QUANT_RANGE_H

#include <whit/quant.h>
#include "base/error.h"
#include "quant/codebook.h"
#include "quant/encode.h"
#include "quant/ladder.h"

/* A quantizer: a checked spec with what follows from it. */
typedef struct wh_quantizer {
    whit_scheme scheme;
    const wh_encode_ops *ops;
    const wh_codebook *book;       /* NULL unless the codes are entries of a table */
    const wh_minifloat *minifloat; /* NULL unless they are small floats */
    float lo, hi;      /* integers: symmetric codes as signed numbers (asym: 0 and 2^bits - 1);
                          else hi is the largest value of the grid */
    int search;        /* 1: mse, 0: minmax or percentile */
    double percentile; /* of the magnitudes, 0: all of them */
    int any_sign;      /* 1: the scale may be negative */
    int least_zero;    /* asym: the smallest zero point, 0 or 1 */
    whit_nonfinite nonfinite;
    float unit;       /* what a stored scale is multiplied with: nvfp4's scale2, else 1 */
    wh_ladder ladder; /* of a search, but for asym and the block floats */
} wh_quantizer;

whit_status wh_quantizer_init(wh_quantizer *q, const whit_quant_spec *spec, whit_error *err);

typedef struct wh_candidate {
    float scale;  /* what codes are multiplied with; not 0 */
    float stored; /* the same in the stored type, before unit */
    int zero;     /* asym: 0..2^bits-1; else 0 */
} wh_candidate;

#define WH_MAX_CANDIDATES 832 /* 8 bits asym: 1 + 3 * 255 + 24 + least squares */

/* The plain scale of the range, *raised: it had rounded to 0. 0 when it overflows its type. */
int wh_minmax(const wh_quantizer *q, const wh_range *range, wh_candidate *out, int *raised);

/* The same for WH_LANES ranges at once, where it is simple: their scales as stored, 0 for those
 * that wh_minmax must look at. Of a quantizer without percentile. */
void wh_minmax_all(const wh_quantizer *q, const wh_range *range, float *stored);

/* All candidates but the last (least squares); [0] is minmax, without search the only one.
 * The region must hold something other than 0. Returns how many; 0 as wh_minmax, and raised. */
size_t wh_candidates(const wh_quantizer *q, const wh_range *range,
                     wh_candidate out[WH_MAX_CANDIDATES], int *raised);

/* What the rungs of the ladder divide. */
float wh_ladder_end(const wh_quantizer *q, const wh_range *range);
/* Those of wh_candidates that come from one rung, of which ops->scales made that scale: 1 or 3, or
 * fewer next to 0. Only where FLT_MAX is far. */
size_t wh_candidate_at(const wh_quantizer *q, const wh_range *range, size_t rung, float stored,
                       wh_candidate *out);

/* The least-squares candidate from the sums of ops->fit (normalised by k, see below) and the best
 * so far. 1 if there is one. */
int wh_candidate_fit(const wh_quantizer *q, const wh_range *range, double a, double b, float k,
                     const wh_candidate *best, wh_candidate *out);

/* Whether every weight of the region gets the code of zero. */
int wh_candidate_vanishes(const wh_quantizer *q, const wh_range *range, const wh_candidate *c);

/* Percentile: which magnitude of n in ascending order, from 1; and the range clipped to it (left as
 * it is where that is 0). */
uint64_t wh_percentile_rank(double percentile, uint64_t n);
void wh_range_clip(wh_range *range, float magnitude);

/* The power of two that brings the largest magnitude of the region into [1, 2), so that squares
 * neither overflow nor vanish; clamped to 2^-126 .. 2^126. */
float wh_range_normaliser(const wh_range *range);

/* The grid of a candidate on data multiplied by k. */
wh_grid wh_candidate_grid(const wh_quantizer *q, const wh_candidate *c, float k);

/* Nothing but zeros (or nothing at all). */
static inline int wh_range_is_zero(const wh_range *r)
{
    return r->min == 0.0f && r->max == 0.0f;
}

#endif
