/* src/job/span.h - scales of regions that span tiles: a whole tensor, or a very long row.
 *
 * They are found in passes over the tensor before its codes are taken: the range; for a
 * percentile counts of the magnitudes; with a search the error of every candidate, the
 * least-squares sums at the best, and the error of that. Sums are added tile by tile in order, so
 * threads do not show.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SPAN_H
#define WH_JOB_SPAN_H

#include "job/plan.h"
#include "job/stream.h"
#include "quant/matrix.h"

/* How often a tensor is read before the main pass: 1, for a percentile 3, with a search 4. */
unsigned wh_span_passes(const wh_quantizer *q);

/* Counts of 64 bits that each thread has of a percentile. */
#define WH_SPAN_COUNTS 65536

/* *out receives [regions] (1, or one a row), freed with free(). raised counts into stats. */
whit_status wh_span_fit(const whit_plan *plan, size_t index, const wh_quantizer *q,
                        wh_worker *workers, unsigned threads, wh_meter *meter, wh_fixed **out,
                        whit_quant_stats *stats, whit_error *err);

/* The largest magnitude of the tensor, in one pass. */
whit_status wh_span_amax(const whit_plan *plan, size_t index, const wh_quantizer *q,
                         wh_worker *workers, unsigned threads, wh_meter *meter, float *amax,
                         whit_error *err);

/* The scales of a dq tensor. */
typedef struct wh_nested {
    uint8_t *code; /* [groups of the tensor] */
    float *absmax; /* [ceil(groups / 256)] */
    float offset;
} wh_nested;

/* Find the scales of all groups in one pass, then quantize them. Free with wh_nested_free. */
whit_status wh_span_nested(const whit_plan *plan, size_t index, const wh_quantizer *q,
                           wh_worker *workers, unsigned threads, wh_meter *meter, wh_nested *out,
                           whit_error *err);
void wh_nested_free(wh_nested *nested);
/* Octets that this takes while it works. */
uint64_t wh_nested_bytes(uint64_t groups);

/* What to quantize an entry with; scale2 is that of nvfp4. */
whit_quant_spec wh_plan_spec(const whit_plan *plan, size_t index, float scale2);
whit_status wh_plan_quantizer(const whit_plan *plan, size_t index, float scale2, wh_quantizer *q,
                              whit_error *err);
/* Prefix the tensor's name to a message about its values. */
whit_status wh_plan_blame(const whit_plan *plan, size_t index, whit_status st, whit_error *err);

#endif
