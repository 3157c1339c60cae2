/* src/io/unzip.c - the octets of zip entries: checked once, then read in any order.
 *
 * A stored entry is a part of the file. A deflated one can only be inflated from its start, so
 * while it is checked the state is kept at places some distance apart (1 MiB, or more where the
 * archive would need above 1024 of them: they take 32 KiB each); a read goes on from the place
 * before it. So no temporary file is needed, memory is bounded, and no read inflates much more than
 * it asks for. A reader that goes forward keeps its state between its reads.
 *
 * Not here: the directory (zip.c), the format of deflated data (inflate.c).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/inflate.h"
#include "io/zip.h"

#define PIECE 65536u

typedef struct place {
    const struct place *before;
    wh_inflate_place state;
    unsigned char window[WH_INFLATE_WINDOW];
} place;

struct wh_inflated {
    const place *last; /* NULL: none but the start */
    uint64_t stored;
};

struct wh_inflate_reader {
    wh_inflate z;
    const wh_shard *shard;
    uint64_t at; /* where the entry's data begin */
};

static whit_status fill(void *from, uint64_t at, void *dst, size_t count, whit_error *err)
{
    const struct wh_inflate_reader *r = from;
    return wh_file_pread(r->shard->fd, r->shard->path, r->at + at, dst, count, err);
}

/* ---- checking -------------------------------------------------------------------------------- */

typedef struct checking {
    const wh_zip *z;
    const wh_zip_entry *e;
    whit_file *file;
    whit_error *err;
} checking;

static whit_status bad(const checking *c, const char *what)
{
    char label[WH_SHORT], name[WH_SHORT];
    return wh_fail(c->err, WHIT_ERR_FORMAT, "%s: %s: %s; try: download it again",
                   wh_io_label(label, c->z->shard->path), wh_short(name, c->e->name), what);
}

static whit_status check_stored(const checking *c, unsigned char *piece)
{
    const wh_zip_entry *e = c->e;
    uint32_t sum = 0;
    for (uint64_t done = 0; done < e->bytes;) {
        const size_t n = e->bytes - done < PIECE ? (size_t)(e->bytes - done) : PIECE;
        whit_status st =
            wh_file_pread(c->z->shard->fd, c->z->shard->path, e->at + done, piece, n, c->err);
        if (st != WHIT_OK) return st;
        sum = wh_crc32_add(c->z->crc, sum, piece, n);
        done += n;
    }
    return sum == e->crc ? WHIT_OK : bad(c, "its checksum (CRC-32) is not that of the directory");
}

/* Remember where the work stands. */
static whit_status keep_place(const checking *c, const wh_inflate *z, struct wh_inflated *out)
{
    place *p = wh_io_room(c->file, sizeof *p, 8);
    if (!p) return wh_io_no_memory(c->file, c->err);
    p->before = out->last;
    p->state = wh_inflate_save(z);
    memcpy(p->window, z->window, sizeof p->window);
    out->last = p;
    return WHIT_OK;
}

static whit_status check_deflated(const checking *c, struct wh_inflate_reader *r,
                                  struct wh_inflated *out, unsigned char *piece)
{
    const wh_zip_entry *e = c->e;
    uint64_t next = c->z->spacing;
    uint32_t sum = 0;
    wh_inflate_start(&r->z, e->stored, fill, r);
    for (;;) {
        size_t got = 0;
        whit_status st = wh_inflate_read(&r->z, piece, PIECE, &got, c->err);
        if (r->z.problem) return bad(c, r->z.problem);
        if (st != WHIT_OK) return st;
        if (got == 0) break;
        if (r->z.place.out > e->bytes) return bad(c, "inflates to more than the directory says");
        sum = wh_crc32_add(c->z->crc, sum, piece, got);
        if (r->z.place.out < next) continue;
        st = keep_place(c, &r->z, out);
        if (st != WHIT_OK) return st;
        next = r->z.place.out + c->z->spacing;
    }
    if (r->z.place.out != e->bytes) return bad(c, "inflates to less than the directory says");
    if (!wh_inflate_ended(&r->z)) return bad(c, "more deflated data than one stream");
    return sum == e->crc ? WHIT_OK : bad(c, "its checksum (CRC-32) is not that of the directory");
}

whit_status wh_zip_take(const wh_zip *z, whit_file *file, size_t i, wh_octets *out, whit_error *err)
{
    const checking c = { z, &z->entry[i], file, err };
    struct wh_inflated *inflated = NULL;
    unsigned char *piece = malloc(PIECE);
    if (!piece) return wh_io_no_memory(file, err);
    whit_status st = WHIT_OK;
    if (c.e->method == 0) {
        st = check_stored(&c, piece);
    } else {
        struct wh_inflate_reader *r = malloc(sizeof *r);
        inflated = wh_io_room(file, sizeof *inflated, 8);
        if (r && inflated) {
            *inflated = (struct wh_inflated){ NULL, c.e->stored };
            r->shard = z->shard;
            r->at = c.e->at;
            st = check_deflated(&c, r, inflated, piece);
        } else {
            st = wh_io_no_memory(file, err);
        }
        free(r);
    }
    free(piece);
    *out = (wh_octets){ c.e->at, c.e->bytes, inflated };
    return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

static whit_status changed(const wh_octets_reader *r, whit_error *err)
{
    char label[WH_SHORT];
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: is another file than when it was opened",
                   wh_io_label(label, r->shard->path));
}

/* From the start, or the last place at or before `at`, unless the state is nearer. */
static whit_status approach(wh_octets_reader *r, uint64_t at, whit_error *err)
{
    struct wh_inflate_reader *x = r->inflate;
    const place *p = r->octets->inflated->last;
    const int fresh = !x;
    while (p && p->state.out > at) p = p->before;
    const uint64_t from = p ? p->state.out : 0;
    if (fresh) {
        x = r->inflate = malloc(sizeof *x);
        if (!x)
            return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory to inflate its data",
                           r->shard->path);
        x->shard = r->shard;
        x->at = r->octets->at;
    } else if (x->z.place.out <= at && x->z.place.out >= from) {
        return WHIT_OK;
    }
    if (fresh || !p) wh_inflate_start(&x->z, r->octets->inflated->stored, fill, x);
    return p ? wh_inflate_resume(&x->z, &p->state, p->window, err) : WHIT_OK;
}

whit_status wh_octets_read(wh_octets_reader *r, uint64_t at, void *dst, size_t count,
                           whit_error *err)
{
    if (!r->octets->inflated)
        return wh_file_pread(r->shard->fd, r->shard->path, r->octets->at + at, dst, count, err);
    whit_status st = approach(r, at, err);
    while (st == WHIT_OK && r->inflate->z.place.out < at + count) {
        wh_inflate *z = &r->inflate->z;
        const uint64_t skip = at > z->place.out ? at - z->place.out : 0;
        const size_t n = skip > PIECE ? PIECE : skip > 0 ? (size_t)skip : count;
        size_t got = 0;
        st = wh_inflate_read(z, skip ? NULL : dst, n, &got, err);
        if (st == WHIT_OK && got < n) st = changed(r, err);
    }
    return r->inflate && r->inflate->z.problem ? changed(r, err) : st;
}

void wh_octets_close(wh_octets_reader *r)
{
    free(r->inflate);
    r->inflate = NULL;
}
