/* src/job/act_scales.h - the scales of activations that a plan's static a8s schemes ask for.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_ACT_SCALES_H
#define WH_JOB_ACT_SCALES_H

#include "job/plan.h"

/* Every entry whose scheme is a8s gets its scale. Errors: WHIT_ERR_ARG naming a tensor that has
 * none. */
whit_status wh_act_scales(whit_plan *p, whit_error *err);

#endif
