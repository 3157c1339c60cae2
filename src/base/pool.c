/* src/base/pool.c - threads that stay, for work of some microseconds.
 *
 * The caller raises a generation counter; workers that see it run their part and count down. Both
 * sides spin on their counter first and sleep on a condition variable when that takes too long: a
 * worker that is asleep, or a caller whose worker lost its core, must not burn one. Who spun in
 * vain spins half as long the next time, who did not twice as long, so a busy machine is left
 * alone. Every counter has a cache line of its own. Who sleeps says so under the lock before
 * looking once more, and who changes a counter takes the lock only when somebody sleeps.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define LINE 64
#define LEAST_SPIN_US 20u /* enough to notice that pieces of work follow each other again */

typedef struct counter {
    _Alignas(LINE) atomic_uint value;
} counter;

struct wh_pool {
    counter generation;              /* raised for each piece of work, once more to stop */
    counter pending;                 /* workers that have not finished it */
    counter asleep;                  /* threads on the condition variable */
    _Alignas(LINE) wh_pool_fn *work; /* NULL: stop */
    void *ctx;
    unsigned threads, started, spin_us; /* the longest */
    unsigned caller_spin_us;            /* this time */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct wh_pool_worker {
        wh_pool *pool;
        unsigned t;
        pthread_t thread;
    } worker[WH_POOL_MAX];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Whether *c leaves `value` within the time; the clock is read once in 64 looks. */
static int spin_while(counter *c, unsigned value, unsigned spin_us)
{
    if (spin_us == 0) return atomic_load_explicit(&c->value, memory_order_acquire) != value;
    const uint64_t end = now_us() + spin_us;
    do
        for (int i = 0; i < 64; i++) {
            if (atomic_load_explicit(&c->value, memory_order_acquire) != value) return 1;
            relax();
        }
    while (now_us() < end);
    return 0;
}

/* How long to spin the next time. */
static unsigned next_spin(const wh_pool *p, unsigned spin_us, int enough)
{
    const unsigned least = p->spin_us < LEAST_SPIN_US ? p->spin_us : LEAST_SPIN_US;
    if (enough) return spin_us < p->spin_us / 2 ? spin_us * 2 : p->spin_us;
    return spin_us / 2 > least ? spin_us / 2 : least;
}

/* Until *c differs from `value`. */
static void wait_while(wh_pool *p, counter *c, unsigned value, unsigned *spin_us)
{
    const int enough = spin_while(c, value, *spin_us);
    *spin_us = next_spin(p, *spin_us, enough);
    if (enough) return;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->asleep.value, 1);
    while (atomic_load(&c->value) == value) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->asleep.value, 1);
    pthread_mutex_unlock(&p->lock);
}

/* After a counter has changed. Both are sequentially consistent, so either the sleeper sees the
 * change or this sees the sleeper. */
static void wake_sleepers(wh_pool *p)
{
    if (atomic_load(&p->asleep.value) == 0) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct wh_pool_worker *w = arg;
    wh_pool *p = w->pool;
    unsigned spin_us = p->spin_us;
    for (unsigned seen = 0;;) {
        wait_while(p, &p->generation, seen, &spin_us);
        seen++;
        if (!p->work) return NULL;
        p->work(p->ctx, w->t, p->threads);
        if (atomic_fetch_sub(&p->pending.value, 1) == 1) wake_sleepers(p);
    }
}

whit_status wh_pool_open(wh_pool **out, unsigned threads, unsigned spin_us, whit_error *err)
{
    *out = NULL;
    if (threads == 0 || threads > WH_POOL_MAX)
        return wh_fail(err, WHIT_ERR_ARG, "threads: 1 to %d, not %u", WH_POOL_MAX, threads);
    wh_pool *p = wh_alloc_aligned(1, sizeof *p);
    if (!p) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for threads");
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->spin_us = p->caller_spin_us = spin_us;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    for (unsigned t = 1; t < threads; t++, p->started++) {
        struct wh_pool_worker *w = &p->worker[t];
        w->pool = p;
        w->t = t;
        const int e = pthread_create(&w->thread, NULL, worker_main, w);
        if (e != 0) {
            whit_status st = wh_fail(err, WHIT_ERR_IO, "thread %u: %s", t, strerror(e));
            wh_pool_close(p);
            return st;
        }
    }
    *out = p;
    return WHIT_OK;
}

void wh_pool_run(wh_pool *pool, wh_pool_fn *work, void *ctx)
{
    if (pool->threads > 1) {
        pool->work = work;
        pool->ctx = ctx;
        atomic_store(&pool->pending.value, pool->threads - 1);
        atomic_fetch_add(&pool->generation.value, 1);
        wake_sleepers(pool);
    }
    work(ctx, 0, pool->threads);
    if (pool->threads > 1)
        for (unsigned left; (left = atomic_load(&pool->pending.value)) != 0;)
            wait_while(pool, &pool->pending, left, &pool->caller_spin_us);
}

void wh_pool_close(wh_pool *pool)
{
    if (!pool) return;
    pool->work = NULL;
    atomic_fetch_add(&pool->generation.value, 1);
    wake_sleepers(pool);
    for (unsigned t = 1; t <= pool->started; t++) pthread_join(pool->worker[t].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    wh_free_aligned(pool);
}

unsigned wh_pool_threads(const wh_pool *pool)
{
    return pool->threads;
}

void wh_pool_split(size_t count, size_t unit, unsigned t, unsigned threads, size_t *begin,
                   size_t *end)
{
    const size_t units = (count + unit - 1) / unit;
    const size_t each = units / threads, more = units % threads;
    const size_t first = each * t + (t < more ? t : more);
    const size_t last = first + each + (t < more ? 1 : 0);
    *begin = first * unit < count ? first * unit : count;
    *end = last * unit < count ? last * unit : count;
}
