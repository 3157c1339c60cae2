/* tests/test_pool.c - the threads that stay: every part runs once a call, whatever spins or sleeps;
 * who has nothing to do uses no time.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/pool.h"

#include "check.h"

#include <string.h>
#include <time.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void pause_ms(long ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* Plain memory, so that a race is one for a sanitizer too. */
typedef struct tally {
    unsigned threads;
    size_t runs[WH_POOL_MAX], odd;
    unsigned slow; /* the part that takes its time; WH_POOL_MAX: none */
} tally;

static void count_part(void *ctx, unsigned t, unsigned threads)
{
    tally *c = ctx;
    if (t == c->slow) pause_ms(3);
    if (threads != c->threads) c->odd++;
    c->runs[t]++;
}

static void check_runs(unsigned threads, unsigned spin_us, unsigned slow, size_t runs)
{
    wh_pool *pool = NULL;
    tally c = { .threads = threads, .slow = slow };
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_pool_open(&pool, threads, spin_us, &err) == WHIT_OK, "%u: %s", threads, err.msg);
    if (!pool) return;
    CHECK(wh_pool_threads(pool) == threads, "%u, not %u", wh_pool_threads(pool), threads);
    for (size_t i = 0; i < runs; i++) {
        wh_pool_run(pool, count_part, &c);
        for (unsigned t = 0; t < WH_POOL_MAX; t++) c.odd += c.runs[t] != (t < threads ? i + 1 : 0);
        if (i % 64 == 63) pause_ms(1); /* some fall asleep on the way */
    }
    CHECK(c.odd == 0, "%u threads, spin %u, slow %u: %zu parts ran twice or not", threads, spin_us,
          slow, c.odd);
    wh_pool_close(pool);
}

static void test_runs(void)
{
    static const struct {
        unsigned threads, spin_us;
        size_t runs;
    } cases[] = {
        { 1, 0, 400 },  { 2, 0, 400 }, { 2, 50, 400 }, { 2, 1000000, 100 }, { 3, 0, 200 },
        { 3, 50, 200 }, { 7, 0, 100 }, { 7, 1, 100 },  { 40, 0, 20 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_runs(cases[i].threads, cases[i].spin_us, WH_POOL_MAX, cases[i].runs);
        check_runs(cases[i].threads, cases[i].spin_us, 0, 3);
        check_runs(cases[i].threads, cases[i].spin_us, cases[i].threads - 1, 3);
    }
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The time of this process, not of the clock on the wall: another load changes nothing. */
static void test_idle(void)
{
    static const unsigned spins[] = { 0, 200 };
    for (size_t s = 0; s < COUNT(spins); s++) {
        wh_pool *pool = NULL;
        tally c = { .threads = 3, .slow = WH_POOL_MAX };
        CHECK(wh_pool_open(&pool, 3, spins[s], NULL) == WHIT_OK, "no pool");
        if (!pool) return;
        for (int run = 0; run < 3; run++) {
            wh_pool_run(pool, count_part, &c);
            pause_ms(50);
            const double before = cpu_ms();
            pause_ms(200);
            const double used = cpu_ms() - before;
            CHECK(used < 20, "spin %u: %.1f ms of 200 spent idle", spins[s], used);
        }
        wh_pool_close(pool);
    }
}

static void test_open(void)
{
    static const unsigned wrong[] = { 0, WH_POOL_MAX + 1, UINT32_MAX };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        wh_pool *pool = (wh_pool *)&pool;
        whit_error err = { WHIT_OK, "" };
        CHECK(wh_pool_open(&pool, wrong[i], 0, &err) == WHIT_ERR_ARG && !pool, "%u", wrong[i]);
        CHECK(strstr(err.msg, "threads") != NULL, "%s", err.msg);
    }
    wh_pool_close(NULL);
    for (int i = 0; i < 50; i++) { /* closed while the others are still starting */
        wh_pool *pool = NULL;
        CHECK(wh_pool_open(&pool, 4, i % 2 ? 100 : 0, NULL) == WHIT_OK, "no pool");
        wh_pool_close(pool);
    }
}

/* In order, without gaps, whole units but at the end, and no part a unit larger than another. */
static void test_split(void)
{
    static const size_t counts[] = { 0, 1, 2, 7, 16, 33, 1000, 4096 };
    for (size_t i = 0; i < COUNT(counts); i++)
        for (size_t unit = 1; unit <= 17; unit += 4)
            for (unsigned threads = 1; threads <= 40; threads += 3) {
                size_t next = 0, least = SIZE_MAX, most = 0, cut = 0;
                for (unsigned t = 0; t < threads; t++) {
                    size_t begin, end;
                    wh_pool_split(counts[i], unit, t, threads, &begin, &end);
                    cut += begin != next || end < begin || (begin < counts[i] && begin % unit != 0);
                    next = end;
                    const size_t units = (end - begin + unit - 1) / unit;
                    least = units < least ? units : least;
                    most = units > most ? units : most;
                }
                CHECK(next == counts[i] && cut == 0 && most - least <= 1,
                      "%zu in %zus by %u threads", counts[i], unit, threads);
            }
}

int main(void)
{
    test_open();
    test_split();
    test_runs();
    test_idle();
    return check_result();
}
