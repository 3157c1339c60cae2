/* src/job/report.h - results of a quantize job.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_REPORT_H
#define WH_JOB_REPORT_H

#include "job/plan.h"

struct whit_report {
    const whit_plan *plan;
    whit_report_row *row; /* [count] */
    size_t count;
    whit_quant_stats sum; /* of the quantized tensors */
    double seconds;
    uint64_t peak_rss_bytes;
};

whit_status wh_report_make(whit_report **out, const whit_plan *plan, const whit_quant_stats *stats,
                           whit_error *err);
/* The job is over: how long it took and how much memory it had at most. */
void wh_report_stop(whit_report *report, double seconds);

/* Errors of plain conversion, n values that begin at rect, added to stats. WHIT_ERR_NUMERIC: a
 * finite value is infinite after it, or one was not finite before; what the message says to try is
 * `large` of the first and `odd` of the second. */
whit_status wh_convert_measure(const float *before, const float *after, size_t n,
                               const wh_rect *rect, const char *large, const char *odd,
                               whit_quant_stats *stats, whit_error *err);

#endif
