/* src/job/digests.c - SHA-256 of every tensor that a job writes, taken while it is written.
 *
 * Not here: who reads them again (verify.c), the sum itself (src/base/sha256.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/digests.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"

enum { NOTES = 4 }; /* codes, scales, zero points, and one more */

typedef struct note {
    wh_spot spot;
    uint64_t offset;
    const void *data;
    size_t len;
} note;

typedef struct notes {
    note note[NOTES];
    size_t count;
} notes;

struct wh_digests {
    const wh_layout *layout;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t turn; /* the tile that is next */
    int stopped;
    notes *of;       /* [workers] */
    wh_sha256 **sum; /* [files][entries]: length is how far it has come */
};

static void free_sums(wh_digests *d)
{
    for (size_t f = 0; d->sum && f < d->layout->count; f++) free(d->sum[f]);
    free(d->sum);
}

wh_digests *wh_digests_make(const wh_layout *layout, unsigned workers)
{
    wh_digests *d = wh_calloc(1, sizeof *d);
    if (!d) return NULL;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->moved, NULL);
    d->layout = layout;
    d->of = wh_calloc(workers, sizeof *d->of);
    d->sum = wh_calloc(layout->count, sizeof(wh_sha256 *));
    int ok = d->of && d->sum;
    for (size_t f = 0; ok && f < layout->count; f++) {
        d->sum[f] = wh_calloc(layout->file[f].count, sizeof **d->sum);
        ok = d->sum[f] != NULL;
        for (size_t i = 0; ok && i < layout->file[f].count; i++) wh_sha256_init(&d->sum[f][i]);
    }
    if (ok) return d;
    wh_digests_free(d);
    return NULL;
}

void wh_digests_free(wh_digests *d)
{
    if (!d) return;
    pthread_cond_destroy(&d->moved);
    pthread_mutex_destroy(&d->lock);
    free_sums(d);
    free(d->of);
    free(d);
}

void wh_digests_note(wh_digests *d, unsigned worker, wh_spot spot, uint64_t offset,
                     const void *data, size_t len)
{
    notes *n = &d->of[worker];
    if (n->count < NOTES) n->note[n->count++] = (note){ spot, offset, data, len };
}

/* What does not follow is left to the end. */
void wh_digests_add(wh_digests *d, wh_spot spot, uint64_t offset, const void *data, size_t len)
{
    wh_sha256 *s = &d->sum[spot.file][spot.entry];
    if (s->length == offset) wh_sha256_add(s, data, len);
}

void wh_digests_turn(wh_digests *d, unsigned worker, uint64_t tile)
{
    notes *n = &d->of[worker];
    pthread_mutex_lock(&d->lock);
    while (d->turn != tile && !d->stopped) pthread_cond_wait(&d->moved, &d->lock);
    const int stopped = d->stopped;
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n->count && !stopped; i++)
        wh_digests_add(d, n->note[i].spot, n->note[i].offset, n->note[i].data, n->note[i].len);
    n->count = 0;
    pthread_mutex_lock(&d->lock);
    d->turn = tile + 1;
    pthread_cond_broadcast(&d->moved);
    pthread_mutex_unlock(&d->lock);
}

void wh_digests_stop(wh_digests *d)
{
    pthread_mutex_lock(&d->lock);
    d->stopped = 1;
    pthread_cond_broadcast(&d->moved);
    pthread_mutex_unlock(&d->lock);
}

/* ---- at the end ------------------------------------------------------------------------------ */

typedef struct rest {
    wh_digests *d;
    const wh_target *target;
    const wh_outset *set;
    const wh_worker *workers;
    size_t piece; /* octets that fit a worker's buffer */
    wh_spot *spot;
    size_t count;
} rest;

static whit_status read_rest(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    const rest *r = ctx;
    const wh_spot spot = r->spot[index];
    const uint64_t bytes = r->d->layout->file[spot.file].entry[spot.entry].bytes;
    const uint64_t start = wh_layout_offset(r->d->layout, spot);
    wh_sha256 *s = &r->d->sum[spot.file][spot.entry];
    uint8_t *piece = r->workers[worker].out;
    whit_status st = WHIT_OK;
    while (s->length < bytes && st == WHIT_OK) {
        const uint64_t left = bytes - s->length;
        const size_t n = left < r->piece ? (size_t)left : r->piece;
        st = wh_file_pread(wh_target_fd(r->target, r->set, spot.file),
                           wh_target_name(r->target, r->set, spot.file), start + s->length, piece,
                           n, err);
        if (st == WHIT_OK) wh_sha256_add(s, piece, n);
    }
    return st;
}

static whit_status list_rest(rest *r, whit_error *err)
{
    const wh_layout *l = r->d->layout;
    size_t all = 0;
    for (size_t f = 0; f < l->count; f++) all += l->file[f].count;
    r->spot = wh_calloc(all, sizeof *r->spot);
    if (!r->spot) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the digests");
    for (size_t f = 0; f < l->count; f++)
        for (size_t i = 0; i < l->file[f].count; i++)
            if (r->d->sum[f][i].length != l->file[f].entry[i].bytes)
                r->spot[r->count++] = (wh_spot){ (uint32_t)f, (uint32_t)i };
    return WHIT_OK;
}

void wh_digests_text(const wh_digests *d, const wh_layout *layout, size_t file, wh_buf *out)
{
    const wh_out_file *o = &layout->file[file];
    for (size_t i = 0; i < o->count; i++) {
        uint8_t digest[WH_SHA256_BYTES] = { 0 };
        char text[WH_SHA256_TEXT];
        wh_sha256 sum;
        if (d) sum = d->sum[file][i];
        if (d) wh_sha256_end(&sum, digest);
        wh_sha256_text(digest, text);
        wh_buf_puts(out, i ? "," : "{");
        wh_json_put_string(out, o->entry[i].name);
        wh_buf_putf(out, ":\"%s\"", text);
    }
    wh_buf_puts(out, o->count ? "}" : "{}");
}

whit_status wh_digests_finish(wh_digests *d, wh_target *target, const wh_outset *set,
                              const wh_worker *workers, unsigned threads, uint64_t elements,
                              whit_error *err)
{
    rest r = { .d = d,
               .target = target,
               .set = set,
               .workers = workers,
               .piece = elements ? 8 * (size_t)elements : 8 };
    whit_status st = list_rest(&r, err);
    if (st == WHIT_OK) st = wh_for_ordered(threads, r.count, read_rest, NULL, &r, err);
    free(r.spot);
    for (size_t f = 0; f < target->layout.count && st == WHIT_OK; f++) {
        wh_buf text = { 0 };
        wh_digests_text(d, &target->layout, f, &text);
        st = text.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the digests")
                         : wh_layout_meta(&target->layout, f, WH_DIGESTS_KEY, text.data, err);
        wh_buf_free(&text);
    }
    return st;
}
