/* src/print/calib_channels.h - outliers among the channels of an input.
 * SPDX-License-Identifier: MIT */
#ifndef WH_PRINT_CALIB_CHANNELS_H
#define WH_PRINT_CALIB_CHANNELS_H

#include <whit/calib.h>

#define WH_CALIB_OUTLIER 6 /* times the median of the channels' largest magnitudes */

/* The largest magnitude that came into a channel. */
double wh_calib_reach(const whit_calib *c, size_t index, uint64_t channel);
/* The median of it over the channels (of an even count the mean of the middle two). NaN: no memory.
 */
double wh_calib_median(const whit_calib *c, size_t index);
/* The largest one over the median (infinite over 0, NaN where all are 0), and how many are above
 * WH_CALIB_OUTLIER medians. 0: no memory. */
int wh_calib_outliers(const whit_calib *c, size_t index, double *ratio, size_t *count);

#endif
