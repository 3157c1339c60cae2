/* src/base/thread.c - work on numbered items in parallel, commits in order.
 *
 * Threads live for one call: items are tiles of hundreds of microseconds, so starting a thread
 * costs nothing that matters. The spinning pool of the matmul kernels is another thing.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

unsigned wh_thread_cores(void)
{
    long n = 0;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
    if (n < 1) n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) n = 1;
    return n > WH_THREADS_MOST ? WH_THREADS_MOST : (unsigned)n;
}

typedef struct ordered {
    pthread_mutex_t lock;
    pthread_cond_t turn; /* committed has moved, or failed has */
    uint64_t count, next, committed;
    uint64_t failed; /* lowest index that failed; UINT64_MAX: none */
    whit_status status;
    whit_error err;
    wh_work_fn *work, *commit;
    void *ctx;
} ordered;

typedef struct worker {
    ordered *o;
    unsigned number;
    pthread_t thread;
} worker;

/* Under the lock. Keeps the error of the lowest index, so that threads do not show. */
static void record(ordered *o, uint64_t index, whit_status st, const whit_error *err)
{
    if (st == WHIT_OK || index >= o->failed) return;
    o->failed = index;
    o->status = st;
    o->err = *err;
    pthread_cond_broadcast(&o->turn);
}

/* One item, work and commit. Called without the lock. */
static void run_item(ordered *o, unsigned number, uint64_t index)
{
    whit_error err = { WHIT_OK, "" };
    whit_status st = o->work(o->ctx, number, index, &err);
    pthread_mutex_lock(&o->lock);
    record(o, index, st, &err);
    while (o->committed != index && o->failed > index) pthread_cond_wait(&o->turn, &o->lock);
    if (o->failed > index) {
        pthread_mutex_unlock(&o->lock);
        st = o->commit ? o->commit(o->ctx, number, index, &err) : WHIT_OK;
        pthread_mutex_lock(&o->lock);
        record(o, index, st, &err);
        o->committed++;
        pthread_cond_broadcast(&o->turn);
    }
    pthread_mutex_unlock(&o->lock);
}

static void *run_worker(void *arg)
{
    worker *w = arg;
    ordered *o = w->o;
    for (;;) {
        pthread_mutex_lock(&o->lock);
        uint64_t index = o->next;
        int more = index < o->count && index < o->failed;
        if (more) o->next++;
        pthread_mutex_unlock(&o->lock);
        if (!more) return NULL;
        run_item(o, w->number, index);
    }
}

whit_status wh_for_ordered(unsigned threads, uint64_t count, wh_work_fn *work, wh_work_fn *commit,
                           void *ctx, whit_error *err)
{
    if (threads < 1) threads = 1;
    if (threads > WH_THREADS_MOST) threads = WH_THREADS_MOST;
    if (threads > count) threads = count ? (unsigned)count : 1;
    ordered o = {
        .count = count, .failed = UINT64_MAX, .work = work, .commit = commit, .ctx = ctx
    };
    worker *w = wh_calloc(threads, sizeof *w);
    if (!w) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %u threads", threads);
    pthread_mutex_init(&o.lock, NULL);
    pthread_cond_init(&o.turn, NULL);
    unsigned started = 0;
    for (unsigned t = 0; t < threads; t++) w[t] = (worker){ .o = &o, .number = t };
    /* A thread that cannot be had is no error: the others do its work. */
    for (unsigned t = 1; t < threads; t++) {
        if (pthread_create(&w[t].thread, NULL, run_worker, &w[t]) != 0) break;
        started = t;
    }
    run_worker(&w[0]);
    for (unsigned t = 1; t <= started; t++) pthread_join(w[t].thread, NULL);
    pthread_cond_destroy(&o.turn);
    pthread_mutex_destroy(&o.lock);
    free(w);
    if (o.status != WHIT_OK && err) *err = o.err;
    return o.status;
}
