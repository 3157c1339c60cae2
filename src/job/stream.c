/* src/job/stream.c - what every streaming job has: threads within a memory ceiling, buffers for
 * them, a meter of progress.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

#define MIB ((uint64_t)1 << 20)

uint64_t wh_worker_bytes(uint64_t elements)
{
    return elements * (4 + 8 + 1 + 8 + 4 + 4 + 1) + 256 * 1024; /* a stack */
}

wh_worker *wh_workers_make(unsigned count, uint64_t elements)
{
    size_t n = elements ? (size_t)elements : 1;
    wh_worker *workers = n == elements || elements == 0 ? wh_calloc(count, sizeof *workers) : NULL;
    int ok = workers != NULL;
    for (unsigned i = 0; i < count && ok; i++) {
        wh_worker *w = &workers[i];
        w->w = wh_alloc_aligned(n, sizeof *w->w);
        w->scratch = wh_alloc_aligned(n, 2 * sizeof *w->scratch);
        w->codes = wh_alloc_aligned(n, 1);
        w->out = wh_alloc_aligned(n, 8);
        w->scale = wh_alloc_aligned(n, sizeof *w->scale);
        w->scale_out = wh_alloc_aligned(n, 4);
        w->zero = wh_alloc_aligned(n, 1);
        ok = w->w && w->scratch && w->codes && w->out && w->scale && w->scale_out && w->zero;
    }
    if (ok) return workers;
    wh_workers_free(workers, count);
    return NULL;
}

void wh_workers_free(wh_worker *workers, unsigned count)
{
    if (!workers) return;
    for (unsigned i = 0; i < count; i++) {
        wh_free_aligned(workers[i].w);
        wh_free_aligned(workers[i].scratch);
        wh_free_aligned(workers[i].codes);
        wh_free_aligned(workers[i].out);
        wh_free_aligned(workers[i].scale);
        wh_free_aligned(workers[i].scale_out);
        wh_free_aligned(workers[i].zero);
    }
    free(workers);
}

/* The smaller of a quarter of the memory and 4 GiB. */
static uint64_t default_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t most = 4096 * MIB;
    if (pages <= 0 || size <= 0) return most;
    uint64_t quarter = (uint64_t)pages / 4 * (uint64_t)size;
    return quarter < most ? quarter : most;
}

uint64_t wh_stream_limit(const whit_job_options *job)
{
    return job->max_memory ? job->max_memory : default_memory();
}

whit_status wh_stream_fits(uint64_t limit, uint64_t least, whit_error *err)
{
    if (least <= limit) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM,
                   "%" PRIu64 " %s of memory do not suffice; try: --max-memory %" PRIu64 "MiB",
                   limit < MIB ? (limit + 1023) / 1024 : limit / MIB, limit < MIB ? "KiB" : "MiB",
                   (least + MIB - 1) / MIB);
}

whit_status wh_stream_threads(const whit_job_options *job, uint64_t fixed_bytes,
                              uint64_t worker_bytes, unsigned *threads, uint64_t *memory,
                              whit_error *err)
{
    uint64_t limit = wh_stream_limit(job);
    unsigned n = job->threads ? job->threads : wh_thread_cores();
    if (n > WH_THREADS_MOST) n = WH_THREADS_MOST; /* no buffers for those that would not run */
    whit_status st = wh_stream_fits(limit, fixed_bytes + worker_bytes, err);
    if (st != WHIT_OK) return st;
    while (n > 1 && fixed_bytes + n * worker_bytes > limit) n--;
    *threads = n;
    *memory = fixed_bytes + n * worker_bytes;
    return WHIT_OK;
}

whit_status wh_stream_open(wh_stream *s, const whit_job_options *job, const wh_numbering *tiles,
                           uint64_t fixed_bytes, whit_error *err)
{
    uint64_t most = wh_numbering_largest(tiles), memory;
    *s = (wh_stream){ 0 };
    whit_status st =
        wh_stream_threads(job, fixed_bytes, wh_worker_bytes(most), &s->threads, &memory, err);
    if (st != WHIT_OK) return st;
    s->workers = wh_workers_make(s->threads, most);
    if (!s->workers)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the buffers of %u threads", s->threads);
    wh_meter_start(&s->meter, job, 0);
    return WHIT_OK;
}

void wh_stream_close(wh_stream *s)
{
    wh_workers_free(s->workers, s->threads);
    free(s->slots);
    s->workers = NULL;
    s->slots = NULL;
}

uint64_t wh_stream_tables(size_t tensors)
{
    return (uint64_t)tensors * 2048 + 8 * MIB;
}

whit_status wh_stream_pass(wh_stream *s, const wh_pass *pass, whit_error *err)
{
    const wh_numbering *tiles = pass->tiles;
    whit_status st = WHIT_OK;
    s->meter.total = pass->reads;
    s->slot_bytes = pass->slot_bytes;
    s->slots = wh_calloc(s->threads, pass->slot_bytes);
    if (s->slots)
        st = wh_for_ordered(s->threads, tiles->first[tiles->count], pass->work, pass->commit,
                            pass->ctx, err);
    else
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the sums of %u threads", s->threads);
    wh_stream_close(s);
    return st;
}

double wh_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void wh_meter_start(wh_meter *m, const whit_job_options *job, uint64_t total)
{
    *m = (wh_meter){ .job = job, .total = total, .start = wh_seconds() };
}

whit_status wh_meter_step(wh_meter *m, const char *tensor, uint64_t bytes, whit_error *err)
{
    m->done += bytes;
    if (!m->job->progress) return WHIT_OK;
    const whit_progress p = { tensor,    m->done, m->total, wh_seconds() - m->start,
                              m->before, m->after };
    m->before = m->after = 0;
    if (m->job->progress(m->job->progress_user, &p) == 0) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_CANCELLED, "interrupted");
}
