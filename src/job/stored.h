/* src/job/stored.h - what the stored form of an input allows a job to do with it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_STORED_H
#define WH_JOB_STORED_H

#include "job/plan.h"

/* That a tensor can be decoded, or needs not be. Errors: WHIT_ERR_UNSUPPORTED (blocks that are only
 * listed). */
whit_status wh_stored_decodes(const whit_source *source, size_t index, whit_error *err);

/* That the source may be quantized: all of it decodes, and what is quantized already only with
 * requantize. Errors: WHIT_ERR_UNSUPPORTED. */
whit_status wh_stored_check(const whit_source *source, int requantize, whit_error *err);

/* That a choice can be stored: types of GGUF only in a GGUF file. A quantized tensor that is kept
 * becomes F32, since the output cannot hold its codes beside another recipe. Counts in the plan.
 * Errors: WHIT_ERR_ARG, with the nearest scheme. */
whit_status wh_stored_settle(whit_plan *plan, const whit_source_tensor *s, wh_choice *choice,
                             whit_error *err);

/* Count one that becomes codes, if it was quantized before. */
void wh_stored_count(whit_plan *plan, const whit_source_tensor *s);
/* The warnings about what was quantized before. */
void wh_stored_warn(whit_plan *plan);

#endif
