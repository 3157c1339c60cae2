/* src/job/report.c - results of a quantize job: rows, sums, time and memory.
 *
 * How they look as text and JSON is in print/plan_text.c and print/json.c.
 *
 * SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* getrusage */
#include "job/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "job/method.h"

static uint64_t peak_rss(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0) return 0;
#ifdef __APPLE__
    return (uint64_t)u.ru_maxrss;
#else
    return (uint64_t)u.ru_maxrss * 1024;
#endif
}

whit_status wh_report_make(whit_report **out, const whit_plan *plan, const whit_quant_stats *stats,
                           whit_error *err)
{
    whit_report *r = wh_calloc(1, sizeof *r);
    whit_report_row *rows = r ? wh_calloc(plan->count, sizeof *rows) : NULL;
    if (!rows) {
        free(r);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the report");
    }
    r->plan = plan;
    r->row = rows;
    r->count = plan->count;
    for (size_t i = 0; i < r->count; i++) {
        const whit_quant_stats *s = &stats[i];
        rows[i].entry = &plan->entry[i];
        rows[i].mse = s->weights ? s->sum_err2 / (double)s->weights : 0.0;
        rows[i].sqnr_db = whit_sqnr_db(s->sum_w2, s->sum_err2);
        rows[i].max_abs_error = s->max_abs_err;
        rows[i].method = wh_method_result(plan, i);
        if (!whit_scheme_is_quantized(&plan->entry[i].scheme)) continue;
        r->sum.weights += s->weights;
        r->sum.sum_w2 += s->sum_w2;
        r->sum.sum_err2 += s->sum_err2;
        r->sum.scales_raised += s->scales_raised;
        r->sum.groups_zeroed += s->groups_zeroed;
        r->sum.nonfinite += s->nonfinite;
        r->sum.max_abs_err = fmax(r->sum.max_abs_err, s->max_abs_err);
    }
    *out = r;
    return WHIT_OK;
}

void wh_report_stop(whit_report *report, double seconds)
{
    report->seconds = seconds;
    report->peak_rss_bytes = peak_rss();
}

void whit_report_free(whit_report *report)
{
    if (!report) return;
    free(report->row);
    free(report);
}

size_t whit_report_count(const whit_report *report)
{
    return report->count;
}

const whit_report_row *whit_report_at(const whit_report *report, size_t index)
{
    return index < report->count ? &report->row[index] : NULL;
}

double whit_report_sqnr_db(const whit_report *report)
{
    return whit_sqnr_db(report->sum.sum_w2, report->sum.sum_err2);
}

whit_status wh_convert_measure(const float *before, const float *after, size_t n,
                               const wh_rect *rect, const char *large, const char *odd,
                               whit_quant_stats *stats, whit_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(before[i]) || !isfinite(after[i]))
            return wh_fail(err, WHIT_ERR_NUMERIC, "row %" PRIu64 ", column %" PRIu64 " %s; try: %s",
                           rect->r0 + i / rect->cols, rect->c0 + i % rect->cols,
                           isnan(before[i])   ? "is NaN"
                           : isinf(before[i]) ? "is infinite"
                                              : "is too large for the type",
                           isfinite(before[i]) ? large : odd);
        double e = (double)before[i] - (double)after[i];
        stats->sum_w2 += (double)before[i] * (double)before[i];
        stats->sum_err2 += e * e;
        if (fabs(e) > stats->max_abs_err) stats->max_abs_err = fabs(e);
    }
    stats->weights += n;
    return WHIT_OK;
}
