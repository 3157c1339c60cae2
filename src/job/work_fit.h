/* src/job/work_fit.h - the scales that must be known before the first tile of a tensor is made.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WORK_FIT_H
#define WH_JOB_WORK_FIT_H

#include "job/work.h"

/* Scales of a tensor that span tiles, or have a scale of their own on top, found in passes over it;
 * nothing for others. Raised ones count into stats. Errors as whit_plan_run. */
whit_status wh_work_fit(wh_work *w, size_t index, wh_meter *meter, whit_quant_stats *stats,
                        whit_error *err);
/* Let go of them before wh_work_close does. */
void wh_work_unfit(wh_work *w, size_t index);

#endif
