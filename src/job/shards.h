/* src/job/shards.h - cutting an output into files of bounded size.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SHARDS_H
#define WH_JOB_SHARDS_H

#include "job/plan.h"

/* Beyond this a job would run out of file descriptors. */
#define WH_SHARDS_MOST 512

/*
 * Which file each entry of the plan goes to, in order, so that no file, header included, has more
 * than `limit` bytes unless one entry alone does. The parts of an entry stay together.
 *
 *   file   out  [plan->count]
 *   files  out  how many there are, at least 1
 *
 * Needs the entries' bytes_out and all choices made. Errors: WHIT_ERR_ARG (more than WH_SHARDS_MOST
 * files), WHIT_ERR_NOMEM.
 */
whit_status wh_shards_cut(const whit_plan *plan, uint64_t limit, uint32_t *file, size_t *files,
                          whit_error *err);

#endif
