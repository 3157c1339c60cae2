/* src/job/work.h - the work of quantize on a single tile: read, encode, hand over to be written.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WORK_H
#define WH_JOB_WORK_H

#include "job/digests.h"
#include "job/match.h"
#include "job/plan.h"
#include "job/span.h"
#include "job/stream.h"
#include "job/writer.h"
#include "quant/matrix.h"
#include "tensor/cvt.h"

/* Made once for the tiles of an entry that a worker takes one after the other. */
typedef struct wh_coder {
    size_t number; /* 1 + entry, 0: none yet */
    wh_quantizer q;
} wh_coder;

typedef struct wh_work {
    const whit_plan *plan;
    const wh_cvt_ops *cvt;
    wh_worker *workers; /* [threads] */
    wh_coder *coder;    /* [threads] */
    unsigned threads;
    wh_fixed **fixed;         /* [count]: scales of entries that span tiles, else NULL */
    float *scale2;            /* [count]: of nvfp4 */
    wh_nested *nested;        /* [count]: of dq */
    struct wh_images *images; /* of checkpoints of other programs; else NULL */
    wh_outset *set;
    wh_writer *writer;     /* NULL, as set is: a trial, which writes nothing */
    wh_digests *digests;   /* NULL: none are taken */
    const wh_match *match; /* what is made is compared with this instead of written; else NULL */
} wh_work;

/* Buffers for the plan's threads, and its writer. Errors: WHIT_ERR_NOMEM; wh_work_close then, too.
 */
whit_status wh_work_open(wh_work *w, const whit_plan *plan, whit_error *err);
/* The same for work that is compared. */
whit_status wh_work_open_match(wh_work *w, const whit_plan *plan, const wh_match *match,
                               whit_error *err);
void wh_work_close(wh_work *w);

/* One tile up to what is to be written, which is with the writer then; what was measured is in the
 * worker's stats. Errors as whit_plan_run. Threads: any number at once, each with its worker. */
whit_status wh_work_tile(const wh_work *w, unsigned worker, uint64_t tile, whit_error *err);

/* For the ways to make a tile: its weights as the output orders them, to w->w; and octets of out,
 * scale_out or zero of the worker to the writer, which may come back to them until the tile is
 * sent. */
whit_status wh_work_read(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                         whit_error *err);
whit_status wh_work_write(const wh_work *r, const wh_worker *w, wh_spot spot, uint64_t offset,
                          const void *data, size_t len, whit_error *err);

/* Read and encode one tile of the plan, and write nothing. Scales that span tiles are taken from
 * this tile alone. Errors and threads as above. */
whit_status wh_work_try(const whit_plan *plan, uint64_t tile, wh_worker *worker, whit_error *err);

#endif
