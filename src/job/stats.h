/* src/job/stats.h - the pieces of the statistics: moments that merge, and the k-th smallest.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_STATS_H
#define WH_JOB_STATS_H

#include <whit/job.h>
#include "base/buf.h"

/* Count, mean (mean + low, which a double alone would round), and sums of powers of the deviations
 * from it. All zero: of nothing. */
typedef struct wh_moments {
    double n, mean, low, m2, m3, m4;
} wh_moments;

/* Of finite values. */
wh_moments wh_moments_of(const float *v, size_t n);
/* Of both together. */
wh_moments wh_moments_merge(const wh_moments *a, const wh_moments *b);

/* The k-th smallest, counted from 0, of values that are not negative. k < n. */
float wh_kth(const float *v, size_t n, size_t k);

struct whit_stats {
    const whit_source *source;
    whit_stats_row *row; /* [count], as in the source */
    size_t count;
};

/* The columns of a row as text (a heading for NULL), and its JSON object. */
void wh_stats_columns(wh_buf *b, const whit_stats_row *row);
void wh_stats_json(wh_buf *b, const whit_stats_row *row);

#endif
