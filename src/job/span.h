/* src/job/span.h - scales of regions that span tiles: a whole tensor, or a very long row.
 *
 * They are found in passes over the tensor before its codes are taken: the range; with a search
 * also the error of every candidate, the least-squares sums at the best, and the error of that.
 * Sums are added tile by tile in order, so threads do not show.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SPAN_H
#define WH_JOB_SPAN_H

#include "job/plan.h"
#include "job/stream.h"
#include "quant/matrix.h"

/* How often a tensor is read before the main pass: 1 or, with a search, 4. */
unsigned wh_span_passes(const wh_quantizer *q);

/* *out receives [regions] (1, or one a row), freed with free(). raised counts into stats. */
whit_status wh_span_fit(const whit_plan *plan, size_t index, const wh_quantizer *q,
                        wh_worker *workers, unsigned threads, wh_meter *meter, wh_fixed **out,
                        whit_quant_stats *stats, whit_error *err);

/* What to quantize an entry with. */
whit_status wh_plan_quantizer(const whit_plan *plan, size_t index, wh_quantizer *q,
                              whit_error *err);
/* Prefix the tensor's name to a message about its values. */
whit_status wh_plan_blame(const whit_plan *plan, size_t index, whit_status st, whit_error *err);

#endif
