/* src/job/plan.h - a plan as the jobs see it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_PLAN_H
#define WH_JOB_PLAN_H

#include <whit/job.h>
#include <whit/pack.h>
#include "base/lines.h"
#include "job/layout.h"
#include "job/rules.h"
#include "job/target.h"
#include "job/tiles.h"

struct whit_plan {
    const whit_source *source;
    whit_job_options job;
    whit_clip clip;
    double percentile;
    whit_nonfinite nonfinite;
    whit_search search;
    const char *calibration; /* the options', while the plan is made */
    whit_observer observer;
    double observer_percent;
    int fake;              /* write decoded values */
    size_t again, decoded; /* quantized tensors that are quantized again, or only decoded */
    const whit_source_tensor *again_first; /* of the former; NULL: none */
    wh_rules *rules;
    whit_plan_entry *entry;           /* [count], in the order of the source */
    wh_spot (*spot)[WHIT_MAX_PACKED]; /* [count]: where the planes go */
    uint32_t *file_of;                /* [count]: output files; NULL: as the target has them */
    size_t *order;                    /* [count]: in which they are placed; NULL: as they are */
    size_t count;
    struct wh_importance *importance; /* NULL: none, or the output is GGUF */
    struct wh_method *method;         /* NULL: none */
    struct wh_gguf_out *gguf;         /* NULL: the output is no GGUF file */
    struct wh_checkpoint *checkpoint; /* NULL: it is no checkpoint of another program */
    wh_numbering tiles; /* of the main pass: elements, or octets of a tensor that is copied */
    wh_target target;
    wh_lines warnings;
    whit_plan_totals totals;
};

/* Whether the scales of an entry span tiles, so that they must be found before its codes. */
int wh_plan_spans(const whit_plan *plan, size_t index);

/* Octets for each thread of the job. */
uint64_t wh_plan_worker_bytes(const whit_plan *plan);

#endif
