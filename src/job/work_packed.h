/* src/job/work_packed.h - tiles that become rows of the packed tensors of another program.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WORK_PACKED_H
#define WH_JOB_WORK_PACKED_H

#include "job/work.h"

/* The tensors of the entries that are being made, each from its first tile to its last. */
typedef struct wh_images wh_images;

/* For the entries of a plan; NULL: no memory. */
wh_images *wh_images_make(const whit_plan *plan);
void wh_images_free(wh_images *images); /* NULL is fine */

/* The codes, scales and zero points of a tile, to the tensors of its entry. Threads: any number. */
whit_status wh_work_pack(const wh_work *r, size_t i, const wh_rect *rect, const wh_worker *w,
                         whit_error *err);
/* All tiles of the entry are in: write its tensors and let them go. One thread at a time. */
whit_status wh_work_packed_finish(const wh_work *r, size_t i, whit_error *err);

#endif
