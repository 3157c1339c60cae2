/* src/base/pool.h - threads that stay, for work of some microseconds.
 *
 * Idle workers spin for a while, then sleep. For the streaming jobs there is thread.h.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_POOL_H
#define WH_BASE_POOL_H

#include "base/error.h"

typedef struct wh_pool wh_pool;

#define WH_POOL_MAX 256

/* threads: 1..WH_POOL_MAX, the caller's included. spin_us: how long a worker spins before it
 * sleeps; 0: it sleeps at once. Errors: WHIT_ERR_NOMEM, WHIT_ERR_IO. */
whit_status wh_pool_open(wh_pool **out, unsigned threads, unsigned spin_us, whit_error *err);
void wh_pool_close(wh_pool *pool); /* NULL is fine */
unsigned wh_pool_threads(const wh_pool *pool);

/* work(ctx, t, threads) for each t in 0..threads-1, t = 0 in the caller; returns when all are done.
 * One caller at a time. */
typedef void wh_pool_fn(void *ctx, unsigned t, unsigned threads);
void wh_pool_run(wh_pool *pool, wh_pool_fn *work, void *ctx);

/* Part t of count items, in whole multiples of `unit`: [*begin, *end). */
void wh_pool_split(size_t count, size_t unit, unsigned t, unsigned threads, size_t *begin,
                   size_t *end);

#endif
