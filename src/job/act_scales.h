/* src/job/act_scales.h - the scales of activations that a plan's static a8s schemes ask for.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_ACT_SCALES_H
#define WH_JOB_ACT_SCALES_H

#include "job/plan.h"

/* Every entry whose scheme is a8s gets its range from the calibration state.
 * Errors: WHIT_ERR_ARG (there is no state, or it knows nothing of a tensor, which is named), those
 * of whit_calib_open. */
whit_status wh_act_scales(whit_plan *p, whit_error *err);

/* 1 if any entry has such a range. */
int wh_act_any(const whit_plan *p);
/* The option that they depend on, for whit.options, where there are any. */
void wh_act_option(const whit_plan *p, wh_buf *out);
/* Of how many entries, the widest share clipped and the least expected SQNR in dB; 0: none. */
size_t wh_act_summary(const whit_plan *p, double *clipped, double *sqnr_db);

#endif
