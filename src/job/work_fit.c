/* src/job/work_fit.c - the scales that must be known before the first tile of a tensor is made.
 *
 * Not here: how they are found (span.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/work_fit.h"

#include <stdlib.h>

#include "job/work_solved.h"

whit_status wh_work_fit(wh_work *w, size_t i, wh_meter *meter, whit_quant_stats *stats,
                        whit_error *err)
{
    const whit_plan *plan = w->plan;
    const whit_scheme *s = &plan->entry[i].scheme;
    wh_quantizer q;
    float amax;
    if (wh_work_solved(plan, i))
        return s->kind == WHIT_NVFP4 ? wh_work_fetch_scale2(plan, i, &w->scale2[i], err) : WHIT_OK;
    if (s->kind != WHIT_NVFP4 && !s->dq && !wh_plan_spans(plan, i)) return WHIT_OK;
    whit_status st = wh_plan_quantizer(plan, i, 1.0f, &q, err);
    if (st != WHIT_OK) return st;
    if (q.scheme.kind == WHIT_NVFP4) {
        st = wh_span_amax(plan, i, &q, w->workers, w->threads, meter, &amax, err);
        if (st == WHIT_OK) w->scale2[i] = whit_nvfp4_scale2(amax);
        return st;
    }
    if (q.scheme.dq)
        return wh_span_nested(plan, i, &q, w->workers, w->threads, meter, &w->nested[i], err);
    return wh_span_fit(plan, i, &q, w->workers, w->threads, meter, &w->fixed[i], stats, err);
}

void wh_work_unfit(wh_work *w, size_t i)
{
    free(w->fixed[i]);
    w->fixed[i] = NULL;
    wh_nested_free(&w->nested[i]);
}
