/* src/io/inflate.h - deflated data (RFC 1951) piece by piece, with places to go on from.
 *
 * Knows no file and no checksum: octets come from a function, problems are a text.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_INFLATE_H
#define WH_IO_INFLATE_H

#include "base/error.h"

#define WH_INFLATE_WINDOW 32768u
#define WH_INFLATE_INPUT 16384u
#define WH_INFLATE_FAST 10 /* bits that one look-up decodes */

/* Octets [at, at + count) of the deflated data, all of which are there, to dst. */
typedef whit_status wh_inflate_fill(void *from, uint64_t at, void *dst, size_t count,
                                    whit_error *err);

/* A code: symbols by length, then by value; and what the next bits decode to. */
typedef struct wh_inflate_code {
    uint16_t count[16];                  /* of symbols with so many bits */
    uint16_t symbol[288];                /* shorter codes first */
    uint16_t fast[1 << WH_INFLATE_FAST]; /* symbol << 4 | bits; 0: a longer code, or none */
} wh_inflate_code;

typedef enum wh_inflate_kind {
    WH_INFLATE_HEAD, /* a block begins here */
    WH_INFLATE_STORED,
    WH_INFLATE_CODES,
    WH_INFLATE_END
} wh_inflate_kind;

/* Where the work stands, without the window. */
typedef struct wh_inflate_place {
    uint64_t bit;   /* of the deflated data: the next one; block: the first one of the block */
    uint64_t block; /* (so its codes can be read again) */
    uint64_t out;   /* octets made */
    uint32_t stored, length, distance; /* left of a stored block; of a copy that is under way */
    uint8_t kind, last;                /* wh_inflate_kind; 1: no block follows */
} wh_inflate_place;

typedef struct wh_inflate {
    wh_inflate_place place; /* bit: only after wh_inflate_save */
    wh_inflate_fill *fill;
    void *from;
    uint64_t at, end;    /* the next octet to be asked for, and their number */
    uint64_t bits;       /* the next ones, lowest first; the rest is 0 */
    unsigned held;       /* how many */
    size_t next, have;   /* in input */
    const char *problem; /* static text: what is wrong with the data */
    wh_inflate_code literals, distances;
    unsigned char input[WH_INFLATE_INPUT];
    unsigned char window[WH_INFLATE_WINDOW]; /* octet n of the output at n % size */
} wh_inflate;

/* Start with `size` octets of deflated data. from is kept. */
void wh_inflate_start(wh_inflate *z, uint64_t size, wh_inflate_fill *fill, void *from);

/*
 * The next octets, at most count of them, to dst (NULL: they are dropped); *got is fewer only at
 * the end of the data. Errors: those of fill; WHIT_ERR_FORMAT, with z->problem and without a
 * message: it is for the caller to say where. Nothing can be read after one.
 */
whit_status wh_inflate_read(wh_inflate *z, void *dst, size_t count, size_t *got, whit_error *err);

/* 1 when the last block has ended and no octet of the data is left. */
int wh_inflate_ended(const wh_inflate *z);

/* What wh_inflate_resume needs besides the window. */
wh_inflate_place wh_inflate_save(const wh_inflate *z);
/* Go on from a place that was saved, of the same data; z was started with it. window may be that of
 * z. Errors: as of wh_inflate_read. */
whit_status wh_inflate_resume(wh_inflate *z, const wh_inflate_place *place, const void *window,
                              whit_error *err);

#endif
