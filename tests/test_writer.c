/* tests/test_writer.c - workers that hand over what they have ready, and whose failure counts.
 *
 * pwrite is replaced by one into memory that can be held up and told to fail, so that who writes
 * and who goes on is not left to chance.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64 /* as file.c, so that both mean the same pwrite */
#define _XOPEN_SOURCE 700
#include "job/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "check.h"

enum { TILE = 64, TILES = 512, CRACKED = -7 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t turn;
    int hold, held; /* a write waits while hold is set, and says so in held */
    int inside, most;
    unsigned char disk[TILES * TILE];
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER };

ssize_t pwrite(int fd, const void *src, size_t count, off_t offset)
{
    ssize_t put = (ssize_t)count;
    pthread_mutex_lock(&state.lock);
    if (++state.inside > state.most) state.most = state.inside;
    while (state.hold) {
        state.held = 1;
        pthread_cond_broadcast(&state.turn);
        pthread_cond_wait(&state.turn, &state.lock);
    }
    pthread_mutex_unlock(&state.lock);
    if (fd == CRACKED) {
        errno = EIO;
        put = -1;
    } else {
        memcpy(state.disk + offset, src, count); /* one at a time: a second one is a race */
    }
    pthread_mutex_lock(&state.lock);
    state.inside--;
    pthread_mutex_unlock(&state.lock);
    return put;
}

static void set_hold(int on)
{
    pthread_mutex_lock(&state.lock);
    state.hold = on;
    state.held = 0;
    pthread_cond_broadcast(&state.turn);
    pthread_mutex_unlock(&state.lock);
}

static void wait_held(void)
{
    pthread_mutex_lock(&state.lock);
    while (!state.held) pthread_cond_wait(&state.turn, &state.lock);
    pthread_mutex_unlock(&state.lock);
}

typedef struct job {
    wh_writer *writer;
    wh_worker *workers;
    const int *cracked; /* tiles whose writes fail, up to -1 */
    int wrong;          /* the tile whose work fails; -1: none */
} job;

static unsigned char octet(uint64_t tile, size_t i)
{
    return (unsigned char)(tile * 31 + i * 7 + tile / 251);
}

static whit_status fill(job *j, unsigned worker, uint64_t tile, whit_error *err)
{
    wh_worker *w = &j->workers[worker];
    uint8_t *const part[3] = { w->out, w->scale_out, w->zero };
    const size_t at[3] = { 0, 40, 56 }, len[3] = { 40, 16, 8 };
    int fd = 3;
    for (const int *c = j->cracked; *c >= 0; c++)
        if ((uint64_t)*c == tile) fd = CRACKED;
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < 3 && st == WHIT_OK; k++) {
        for (size_t i = 0; i < len[k]; i++) part[k][i] = octet(tile, at[k] + i);
        st =
            wh_writer_add(j->writer, worker, fd, "disk", tile * TILE + at[k], part[k], len[k], err);
    }
    return st;
}

static whit_status work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    job *j = ctx;
    whit_status st = wh_writer_begin(j->writer, worker, tile, err);
    if (st == WHIT_OK) st = fill(j, worker, tile, err);
    if (st != WHIT_OK) return st;
    if (j->wrong >= 0 && tile == (uint64_t)j->wrong) {
        wh_fail(err, WHIT_ERR_NUMERIC, "tile %d", j->wrong);
        return wh_writer_fail(j->writer, tile, err->code, err);
    }
    return wh_writer_send(j->writer, worker, &j->workers[worker], err);
}

static void open_job(job *j, unsigned threads)
{
    static const int none[] = { -1 };
    memset(state.disk, 0xee, sizeof state.disk);
    state.most = 0;
    *j = (job){ wh_writer_make(threads, 8), wh_workers_make(threads, 8), none, -1 };
    if (!j->writer || !j->workers) exit(1);
}

static void close_job(job *j, unsigned threads)
{
    wh_workers_free(j->workers, threads);
    wh_writer_free(j->writer);
}

static size_t missing(uint64_t tiles)
{
    size_t bad = 0;
    for (uint64_t t = 0; t < tiles; t++)
        for (size_t i = 0; i < TILE; i++) bad += state.disk[t * TILE + i] != octet(t, i);
    return bad;
}

typedef struct sender {
    job *j;
    uint64_t tile;
    whit_status st;
    whit_error err;
} sender;

static void *send_first(void *arg)
{
    sender *s = arg;
    s->st = work(s->j, 0, s->tile, &s->err);
    return NULL;
}

/* While tile 0 is being written the other worker gets rid of two, one for each spare; the first
 * writes all three. `cracked` fails after its worker has gone on. */
static void test_hand_over(const int *cracked, whit_status want)
{
    job j;
    pthread_t thread;
    whit_error err = { WHIT_OK, "" };
    open_job(&j, 2);
    j.cracked = cracked;
    sender s = { &j, 0, WHIT_ERR_ARG, { WHIT_OK, "" } };
    const uint8_t *out = j.workers[1].out;
    set_hold(1);
    if (pthread_create(&thread, NULL, send_first, &s) != 0) exit(1);
    wait_held();
    CHECK(work(&j, 1, 1, &err) == WHIT_OK, "%s", err.msg);
    CHECK(j.workers[1].out != out, "the buffers stay while they wait to be written");
    CHECK(work(&j, 1, 2, &err) == WHIT_OK, "%s", err.msg);
    CHECK(state.disk[0] == 0xee, "written while held up");
    set_hold(0);
    pthread_join(thread, NULL);
    CHECK(s.st == WHIT_OK, "its own tile was written: %s", s.err.msg);
    CHECK(state.most == 1, "%d at once", state.most);
    CHECK(wh_writer_status(j.writer, &err) == want, "%d, %s", (int)err.code, err.msg);
    if (want == WHIT_OK) {
        CHECK(missing(3) == 0, "%zu octets", missing(3));
    } else {
        CHECK(strstr(err.msg, "disk: cannot write 40 bytes at byte 64: "), "%s", err.msg);
        CHECK(missing(1) == 0, "the tile below is whole");
        CHECK(state.disk[2 * TILE] == 0xee, "a tile above is written");
        CHECK(work(&j, 1, 3, &err) == WHIT_ERR_IO, "a tile above is begun");
    }
    close_job(&j, 2);
}

/* Two that fail wait in the wrong order: the second is tried all the same, and counts. */
static void test_order(void)
{
    static const int cracked[] = { 4, 5, -1 };
    job j;
    pthread_t thread;
    whit_error err = { WHIT_OK, "" };
    open_job(&j, 2);
    j.cracked = cracked;
    sender s = { &j, 3, WHIT_ERR_ARG, { WHIT_OK, "" } };
    set_hold(1);
    if (pthread_create(&thread, NULL, send_first, &s) != 0) exit(1);
    wait_held();
    CHECK(work(&j, 1, 5, &err) == WHIT_OK && work(&j, 1, 4, &err) == WHIT_OK, "%s", err.msg);
    set_hold(0);
    pthread_join(thread, NULL);
    CHECK(s.st == WHIT_OK, "%s", s.err.msg);
    wh_fail(&err, WHIT_ERR_NUMERIC, "tile 6");
    CHECK(wh_writer_fail(j.writer, 6, err.code, &err) == WHIT_ERR_NUMERIC, "another status");
    CHECK(wh_writer_status(j.writer, &err) == WHIT_ERR_IO && strstr(err.msg, "at byte 256: "), "%s",
          err.msg);
    close_job(&j, 2);
}

static void test_many(unsigned threads)
{
    job j;
    whit_error err = { WHIT_OK, "" };
    open_job(&j, threads);
    whit_status st = wh_for_ordered(threads, TILES, work, NULL, &j, &err);
    CHECK(st == WHIT_OK && wh_writer_status(j.writer, &err) == WHIT_OK, "%s", err.msg);
    CHECK(missing(TILES) == 0, "%u threads: %zu octets", threads, missing(TILES));
    CHECK(state.most == 1, "%u threads: %d at once", threads, state.most);
    close_job(&j, threads);
}

/* The lowest counts, whatever kind it is and whoever meets it. */
static void test_lowest(unsigned threads)
{
    static const int cracked[] = { 41, 37, 45, -1 };
    static const struct {
        int wrong;
        const char *says;
    } cases[] = { { -1, "at byte 2368: " }, { 36, "tile 36" }, { 38, "at byte 2368: " } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j;
        whit_error err = { WHIT_OK, "" };
        open_job(&j, threads);
        j.cracked = cracked;
        j.wrong = cases[i].wrong;
        whit_status st = wh_for_ordered(threads, TILES, work, NULL, &j, &err);
        const whit_status lowest = wh_writer_status(j.writer, &err);
        CHECK(lowest != WHIT_OK && (threads > 1 || st == lowest), "%u threads: %d", threads,
              (int)lowest);
        CHECK(strstr(err.msg, cases[i].says), "%u threads: %s, not %s", threads, err.msg,
              cases[i].says);
        CHECK(missing(36) == 0, "%u threads: tiles below are not whole", threads);
        close_job(&j, threads);
    }
}

/* More parts than a tile keeps for later. */
static void test_parts(void)
{
    job j;
    whit_error err = { WHIT_OK, "" };
    open_job(&j, 1);
    CHECK(wh_writer_begin(j.writer, 0, 0, &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; i < TILE; i++) {
        j.workers[0].out[i] = octet(0, i);
        CHECK(wh_writer_add(j.writer, 0, 3, "disk", i, j.workers[0].out + i, 1, &err) == WHIT_OK,
              "%s", err.msg);
    }
    CHECK(wh_writer_send(j.writer, 0, &j.workers[0], &err) == WHIT_OK, "%s", err.msg);
    CHECK(missing(1) == 0, "%zu octets", missing(1));
    close_job(&j, 1);
}

int main(void)
{
    static const int none[] = { -1 }, second[] = { 1, -1 };
    static const unsigned threads[] = { 1, 2, 3, 8 };
    test_hand_over(none, WHIT_OK);
    test_hand_over(second, WHIT_ERR_IO);
    test_order();
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        test_many(threads[i]);
        test_lowest(threads[i]);
    }
    test_parts();
    wh_writer_free(NULL);
    return check_result();
}
