/* src/calib/observe.h - the range of activations that 8 bits are to cover, from a histogram.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_OBSERVE_H
#define WH_CALIB_OBSERVE_H

#include <whit/calib.h>

#define WH_OBSERVE_BINS 2048

/* 127, 448 or 57344: the code of the largest magnitude that is covered. */
float wh_observe_top(whit_kind kind);

/* The largest magnitude to cover: bin number i counts those in [i, i + 1) * width; no percentile.
 * 0 where largest is. */
float wh_observe_limit(const uint64_t bin[WH_OBSERVE_BINS], double width, whit_kind kind,
                       float largest, whit_observer how);

/* Clipped share and expected SQNR of range->limit. */
void wh_observe_judge(const uint64_t bin[WH_OBSERVE_BINS], double width, whit_kind kind,
                      uint64_t values, whit_calib_range *range);

#endif
