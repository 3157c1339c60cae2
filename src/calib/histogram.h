/* src/calib/histogram.h - how often each magnitude occurred: two histograms that merge exactly, and
 * the values themselves while they are few.
 *
 * Logarithmic: by the upper 16 bits of a float32 without its sign (8 of the exponent, 7 of the
 * mantissa), so a bin is less than 2^-7 of its value wide; for percentiles. Linear: 2048 bins of
 * width 2^e, e the least one from -60 on with which all values fit; for the entropy and squared
 * error of ranges. Neither depends on the order of values or on how they were shared out, since
 * floor(floor(v) / 2) = floor(v / 2). Zeros are counted apart, and are in no bin.
 * Source: methods 2.4 of our specification; the entropy calibrator's 2048 bins: Migacz, GTC 2017.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_HISTOGRAM_H
#define WH_CALIB_HISTOGRAM_H

#include "base/error.h"
#include "base/pool.h"

#define WH_LOG_BINS 32768
#define WH_LINEAR_BINS 2048
#define WH_LINEAR_LEAST (-60) /* the least exponent of a width */
#define WH_FEW 65536          /* so many values are no more kept themselves */

typedef struct wh_histogram {
    uint64_t *bin; /* [bins] of the logarithmic one, from number `first` on */
    size_t first, bins;
    uint64_t *linear; /* [WH_LINEAR_BINS] */
    int exponent;
    uint64_t zeros, values; /* zeros are counted in both */
    float *few;             /* [values] magnitudes, zeros too; NULL from WH_FEW values on */
} wh_histogram;

/* An empty one with so many bins, and room for `few` values (at least 1). Errors: WHIT_ERR_NOMEM.
 */
whit_status wh_histogram_init(wh_histogram *h, size_t bins, size_t few, whit_error *err);
void wh_histogram_free(wh_histogram *h);

/* What threads count in before it is added up; shared by all histograms of a run. */
typedef struct wh_tallies {
    uint32_t *log;    /* [threads][2][WH_LOG_BINS], zeros between calls */
    uint32_t *linear; /* [threads][4][WH_LINEAR_BINS], the same */
    struct {
        uint32_t low, high; /* bins that are not zero */
        uint64_t zeros;
    } * range; /* [threads] */
    unsigned threads;
} wh_tallies;
whit_status wh_tallies_init(wh_tallies *t, unsigned threads, whit_error *err);
void wh_tallies_free(wh_tallies *t);

/* Count n values, fewer than 2^31, of which the largest magnitude has the bits `top` (finite). pool
 * may be NULL. */
void wh_histogram_add(wh_histogram *h, wh_tallies *t, wh_pool *pool, const float *x, size_t n,
                      uint32_t top);

/* to += from. to has all bins. Returns 0 where counts pass 64 bits. */
int wh_histogram_merge(wh_histogram *to, const wh_histogram *from);

/* Widths of at least 2^exponent. */
void wh_histogram_widen(wh_histogram *h, int exponent);

/* few in ascending order. */
void wh_histogram_sort(wh_histogram *h);

/*
 * The magnitude that ceil(percent / 100 * values) of the values do not exceed: that value itself
 * where all are kept, else the upper edge of its logarithmic bin (the next one's least value), 0
 * among zeros. percent in (0, 100]; values > 0.
 */
float wh_histogram_percentile(const wh_histogram *h, double percent);

#endif
