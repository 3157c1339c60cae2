/* src/job/describe.h - what an output says about itself.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_DESCRIBE_H
#define WH_JOB_DESCRIBE_H

#include "job/plan.h"

/* The metadata of native files, and what they carry over from the source. Errors: WHIT_ERR_NOMEM.
 */
whit_status wh_plan_describe(whit_plan *plan, whit_error *err);

/* The metadata value of whit.options: what changes bytes and is not the default, sorted, separated
 * by spaces. */
void wh_plan_options(const whit_plan *plan, wh_buf *out);

/* That of whit.calibration: the hash of what the output owes its bytes to, besides the source;
 * NULL: nothing. */
const char *wh_learned_from(const whit_plan *plan);

/* The metadata value of whit.notes, always of the same length. */
void wh_plan_notes(wh_buf *out, const whit_quant_stats *sum, uint64_t tensors_kept);

#endif
