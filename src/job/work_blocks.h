/* src/job/work_blocks.h - a tile that becomes blocks of GGUF.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WORK_BLOCKS_H
#define WH_JOB_WORK_BLOCKS_H

#include "job/work.h"

/* wh_work_tile for an entry of kind WHIT_GGUF. */
whit_status wh_work_blocks(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                           whit_error *err);

#endif
