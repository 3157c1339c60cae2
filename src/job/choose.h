/* src/job/choose.h - what each tensor becomes: what the rules say, as far as the output can hold
 * it. SPDX-License-Identifier: MIT */
#ifndef WH_JOB_CHOOSE_H
#define WH_JOB_CHOOSE_H

#include "job/plan.h"

/* Fill the plan's entries, but for what they take in the output; fallbacks become warnings.
 * Errors: those of whit_plan_make that are about one tensor. */
whit_status wh_plan_choose(whit_plan *plan, whit_error *err);

#endif
