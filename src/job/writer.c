/* src/job/writer.c - one writer at a time for the workers of a job, who hand over what is ready.
 *
 * The system lets one thread write to a file at once; a second one burns its core waiting. So a
 * worker that finds another writing leaves its filled buffers in a queue and goes on with spare
 * ones; who is writing empties the queue before it returns to its tiles. There is one set of spare
 * buffers for each worker. Only who finds none free waits, and it could not have gone on.
 *
 * A tile may fail after its worker has gone on, so failures are kept here by tile: what is reported
 * is that of the lowest one, as if all had been written at once.
 *
 * Not here: where the parts belong (run.c), and opening or finishing files (src/io/outset.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

enum { PARTS = 4 }; /* codes, scales, zero points, and one more */

typedef struct part {
    int fd;
    const char *name;
    uint64_t offset;
    const void *data;
    size_t len;
} part;

/* A tile that is ready; a spare one is buffers without parts. */
typedef struct parcel {
    uint64_t tile;
    size_t count;
    part part[PARTS];
    uint8_t *out, *scale_out, *zero;
    struct parcel *next;
} parcel;

struct wh_writer {
    pthread_mutex_t lock;
    pthread_cond_t moved;         /* a spare has come back, or nobody writes any more */
    unsigned count;               /* workers */
    parcel *own;                  /* [count]: of the tile that a worker is on, without buffers */
    parcel *store;                /* [count]: with buffers */
    parcel *spare, *first, *last; /* lists: those free, those to be written in order */
    int writing;
    uint64_t failed; /* lowest tile that did; UINT64_MAX: none */
    whit_error error;
};

uint64_t wh_writer_bytes(uint64_t elements)
{
    return elements * (8 + 4 + 1);
}

wh_writer *wh_writer_make(unsigned count, uint64_t elements)
{
    const size_t n = elements ? (size_t)elements : 1;
    wh_writer *w = wh_calloc(1, sizeof *w);
    if (!w) return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->moved, NULL);
    w->failed = UINT64_MAX;
    w->own = wh_calloc(count, sizeof *w->own);
    w->store = wh_calloc(count, sizeof *w->store);
    int ok = w->own && w->store;
    for (; ok && w->count < count; w->count++) {
        parcel *p = &w->store[w->count];
        p->out = wh_alloc_aligned(n, 8);
        p->scale_out = wh_alloc_aligned(n, 4);
        p->zero = wh_alloc_aligned(n, 1);
        p->next = w->spare;
        w->spare = p;
        ok = p->out && p->scale_out && p->zero;
    }
    if (ok) return w;
    wh_writer_free(w);
    return NULL;
}

void wh_writer_free(wh_writer *w)
{
    if (!w) return;
    for (unsigned i = 0; i < w->count; i++) {
        wh_free_aligned(w->store[i].out);
        wh_free_aligned(w->store[i].scale_out);
        wh_free_aligned(w->store[i].zero);
    }
    pthread_cond_destroy(&w->moved);
    pthread_mutex_destroy(&w->lock);
    free(w->own);
    free(w->store);
    free(w);
}

/* Under the lock. */
static void record(wh_writer *w, uint64_t tile, const whit_error *err)
{
    if (tile >= w->failed) return;
    w->failed = tile;
    w->error = *err;
}

whit_status wh_writer_fail(wh_writer *w, uint64_t tile, whit_status st, const whit_error *err)
{
    pthread_mutex_lock(&w->lock);
    record(w, tile, err);
    pthread_mutex_unlock(&w->lock);
    return st;
}

whit_status wh_writer_status(const wh_writer *w, whit_error *err)
{
    if (w->failed == UINT64_MAX) return WHIT_OK;
    if (err) *err = w->error;
    return w->error.code;
}

whit_status wh_writer_begin(wh_writer *w, unsigned worker, uint64_t tile, whit_error *err)
{
    w->own[worker].tile = tile;
    w->own[worker].count = 0;
    pthread_mutex_lock(&w->lock);
    const whit_status st = w->failed < tile ? wh_writer_status(w, err) : WHIT_OK;
    pthread_mutex_unlock(&w->lock);
    return st;
}

whit_status wh_writer_add(wh_writer *w, unsigned worker, int fd, const char *name, uint64_t offset,
                          const void *data, size_t len, whit_error *err)
{
    parcel *p = &w->own[worker];
    /* tiles in many parts are small ones, which nobody waits for */
    if (p->count == PARTS) return wh_file_pwrite(fd, name, offset, data, len, err);
    p->part[p->count++] = (part){ fd, name, offset, data, len };
    return WHIT_OK;
}

/* Called without the lock. */
static whit_status write_parcel(wh_writer *w, const parcel *p, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        const part *a = &p->part[i];
        st = wh_file_pwrite(a->fd, a->name, a->offset, a->data, a->len, err);
    }
    return st == WHIT_OK ? st : wh_writer_fail(w, p->tile, st, err);
}

/* Under the lock, which is given up while writing. Nothing above a tile that failed is written. */
static void empty_queue(wh_writer *w)
{
    while (w->first) {
        parcel *p = w->first;
        w->first = p->next;
        if (p->tile < w->failed) {
            whit_error err = { WHIT_OK, "" };
            pthread_mutex_unlock(&w->lock);
            write_parcel(w, p, &err);
            pthread_mutex_lock(&w->lock);
        }
        p->next = w->spare;
        w->spare = p;
        pthread_cond_signal(&w->moved);
    }
    w->writing = 0;
    pthread_cond_signal(&w->moved);
}

static void swap(uint8_t **a, uint8_t **b)
{
    uint8_t *t = *a;
    *a = *b;
    *b = t;
}

/* Under the lock, with a spare at hand. */
static void enqueue(wh_writer *w, const parcel *own, wh_worker *worker)
{
    parcel *p = w->spare;
    w->spare = p->next;
    swap(&p->out, &worker->out);
    swap(&p->scale_out, &worker->scale_out);
    swap(&p->zero, &worker->zero);
    p->tile = own->tile;
    p->count = own->count;
    for (size_t i = 0; i < own->count; i++) p->part[i] = own->part[i];
    p->next = NULL;
    if (w->first)
        w->last->next = p;
    else
        w->first = p;
    w->last = p;
}

whit_status wh_writer_send(wh_writer *w, unsigned number, wh_worker *worker, whit_error *err)
{
    const parcel *own = &w->own[number];
    whit_status st = WHIT_OK;
    pthread_mutex_lock(&w->lock);
    while (w->writing && !w->spare) pthread_cond_wait(&w->moved, &w->lock);
    if (w->writing) {
        enqueue(w, own, worker);
    } else {
        w->writing = 1;
        pthread_mutex_unlock(&w->lock);
        st = write_parcel(w, own, err);
        pthread_mutex_lock(&w->lock);
        empty_queue(w);
    }
    pthread_mutex_unlock(&w->lock);
    return st;
}
