/* src/job/estimate.h - how long a plan will take, by trying a little of it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_ESTIMATE_H
#define WH_JOB_ESTIMATE_H

#include "job/plan.h"

/*
 * Where the k-th sample is taken: an element out of `total`, so that the samples 0..k are spread
 * evenly over all, whatever k. total > 0.
 */
uint64_t wh_sample_at(uint64_t k, uint64_t total);

#endif
