/* src/base/thread.h - work on numbered items in parallel, their results taken in order.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_THREAD_H
#define WH_BASE_THREAD_H

#include "base/error.h"

/* As many run at most. */
#define WH_THREADS_MOST 256

/* Cores this process may use: at least 1, at most WH_THREADS_MOST. */
unsigned wh_thread_cores(void);

/* Item `index` in worker `worker` (0..threads-1: selects its buffers). */
typedef whit_status wh_work_fn(void *ctx, unsigned worker, uint64_t index, whit_error *err);

/*
 * Run work(0..count-1) on up to `threads` threads (no more than WH_THREADS_MOST), items taken in
 * order; after each item its commit runs, in the order of the index, one at a time, in the same
 * worker. So a commit may add to sums without a lock, and floating sums come out the same at any
 * number of threads.
 *
 * The error returned is that of the lowest failing index, whatever the threads; no commit runs
 * after it. commit may be NULL. err may be NULL.
 */
whit_status wh_for_ordered(unsigned threads, uint64_t count, wh_work_fn *work, wh_work_fn *commit,
                           void *ctx, whit_error *err);

#endif
