/* src/job/run.h - the work of quantize on a single tile, for who wants to know what it costs.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_RUN_H
#define WH_JOB_RUN_H

#include "job/plan.h"
#include "job/stream.h"

/* Read and encode one tile of the plan, and write nothing. Scales that span tiles are taken from
 * this tile alone. Errors as whit_plan_run. Threads: any number at once, each with its worker. */
whit_status wh_run_try(const whit_plan *plan, uint64_t tile, wh_worker *worker, whit_error *err);

#endif
