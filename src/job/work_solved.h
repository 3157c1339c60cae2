/* src/job/work_solved.h - a tile whose codes a method has found.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WORK_SOLVED_H
#define WH_JOB_WORK_SOLVED_H

#include "job/plan.h"
#include "quant/matrix.h"

/* 1 if the codes of an entry are there. */
int wh_work_solved(const whit_plan *plan, size_t i);
/* The scale of an nvfp4 entry that is solved. */
whit_status wh_work_fetch_scale2(const whit_plan *plan, size_t i, float *scale2, whit_error *err);
/* Codes, scales and zero points of a tile, to where t has them. */
whit_status wh_work_fetch(const whit_plan *plan, size_t i, const wh_rect *rect, const wh_tile *t,
                          whit_error *err);
/* The blocks of a tile, rows in the order of the output. */
whit_status wh_work_fetch_blocks(const whit_plan *plan, size_t i, const wh_rect *rect, uint8_t *out,
                                 whit_error *err);

#endif
