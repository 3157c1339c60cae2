/* src/job/stream.h - what every streaming job has: threads within a memory ceiling, buffers for
 * them, a meter of progress. SPDX-License-Identifier: MIT */
#ifndef WH_JOB_STREAM_H
#define WH_JOB_STREAM_H

#include <whit/job.h>
#include "base/thread.h"
#include "job/tiles.h"

/* What one worker holds while it is on a tile. 64-byte aligned. */
typedef struct wh_worker {
    float *w;       /* [elements]: weights, or the octets of a tensor that is copied */
    float *scratch; /* [2 * elements] */
    uint8_t *codes; /* [elements] */
    uint8_t *out;   /* [elements * 8]: packed codes, converted floats, stored bytes */
    float *scale;   /* [elements]: a matrix of one column has as many scales as weights */
    uint8_t *scale_out, *zero;
    whit_quant_stats stats; /* of the tile */
} wh_worker;

/* count workers for tiles of up to `elements`. NULL: no memory. */
wh_worker *wh_workers_make(unsigned count, uint64_t elements);
void wh_workers_free(wh_worker *workers, unsigned count);
/* Octets of one worker's buffers. */
uint64_t wh_worker_bytes(uint64_t elements);

typedef struct wh_meter {
    const whit_job_options *job;
    uint64_t done, total;
    double start;
    double before, after; /* what the next step tells of a method; 0: nothing */
} wh_meter;

/* The ceiling of the options in octets: the default where they name none. */
uint64_t wh_stream_limit(const whit_job_options *job);

/* WHIT_ERR_NOMEM, with a ceiling that would do, where this one is below `least`. */
whit_status wh_stream_fits(uint64_t limit, uint64_t least, whit_error *err);

/* As many threads as asked for, as can run and as the ceiling allows; WHIT_ERR_NOMEM if not even
 * one. */
whit_status wh_stream_threads(const whit_job_options *job, uint64_t fixed_bytes,
                              uint64_t worker_bytes, unsigned *threads, uint64_t *memory,
                              whit_error *err);

typedef struct wh_stream {
    wh_worker *workers;
    unsigned threads;
    wh_meter meter; /* the job adds what it will read to its total */
    void *slots;    /* [threads][slot_bytes] */
    size_t slot_bytes;
} wh_stream;

/* Threads and buffers for the tiles; fixed_bytes is what the job holds besides. */
whit_status wh_stream_open(wh_stream *s, const whit_job_options *job, const wh_numbering *tiles,
                           uint64_t fixed_bytes, whit_error *err);
void wh_stream_close(wh_stream *s);

/* A job that reads every tile once and sums up what is in it. */
typedef struct wh_pass {
    const wh_numbering *tiles;
    uint64_t reads;    /* octets, for the meter             */
    size_t slot_bytes; /* for what a worker finds in a tile */
    wh_work_fn *work, *commit;
    void *ctx; /* of them; holds the stream */
} wh_pass;

/* All of it, with an open stream that is closed then in any case. */
whit_status wh_stream_pass(wh_stream *s, const wh_pass *pass, whit_error *err);
/* What the worker found, until the tile is committed. */
static inline void *wh_stream_slot(const wh_stream *s, unsigned worker)
{
    return (char *)s->slots + worker * s->slot_bytes;
}
/* Octets for the tables of so many tensors, and for what any job holds. */
uint64_t wh_stream_tables(size_t tensors);

double wh_seconds(void); /* a clock that only goes forward */
void wh_meter_start(wh_meter *m, const whit_job_options *job, uint64_t total);
/* Add octets and tell the caller's function; WHIT_ERR_CANCELLED when that says stop. */
whit_status wh_meter_step(wh_meter *m, const char *tensor, uint64_t bytes, whit_error *err);

#endif
