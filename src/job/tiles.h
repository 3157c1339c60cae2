/* src/job/tiles.h - cutting matrices into tiles of bounded size, and numbering those of a job.
 *
 * A tile is whole rows, or a part of one row where a row alone is too long. The cut depends on the
 * shape only, never on threads or memory, since sums are taken tile by tile.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_TILES_H
#define WH_JOB_TILES_H

#include <stddef.h>
#include <stdint.h>

#define WH_TILE_ELEMENTS ((uint64_t)1 << 18)

typedef struct wh_tiling {
    uint64_t rows, cols;           /* of the matrix */
    uint64_t tile_rows, tile_cols; /* of a tile; those at the end are smaller */
    uint64_t count;
} wh_tiling;

typedef struct wh_rect {
    uint64_t r0, rows, c0, cols;
} wh_rect;

/* Parts of a row start at multiples of 8 and of `unit` columns. An empty matrix has no tiles. */
wh_tiling wh_tiling_make(uint64_t rows, uint64_t cols, uint64_t unit);
/* The same where `high` rows belong together: tiles are whole rows, a multiple of high, or parts of
 * high rows. */
wh_tiling wh_tiling_blocks(uint64_t rows, uint64_t cols, uint64_t unit, uint64_t high);
wh_rect wh_tiling_at(const wh_tiling *t, uint64_t k);
uint64_t wh_tiling_elements(const wh_tiling *t); /* of the largest tile */

/* Number the tiles of many matrices through: first[i] for i = 0..count, first[count] the total. */
typedef struct wh_numbering {
    wh_tiling *tiling; /* [count] */
    uint64_t *first;   /* [count + 1] */
    size_t count;
} wh_numbering;

int wh_numbering_init(wh_numbering *n, size_t count); /* 0: no memory */
void wh_numbering_finish(wh_numbering *n);            /* after all tilings are set */
/* Which matrix tile number k is in. */
size_t wh_numbering_find(const wh_numbering *n, uint64_t k, wh_rect *rect);
/* The part of a matrix's `bytes` that falls on its tile number k; the parts add up to all of it. */
uint64_t wh_numbering_share(const wh_numbering *n, size_t matrix, uint64_t k, uint64_t bytes);
uint64_t wh_numbering_largest(const wh_numbering *n); /* elements of the largest tile */
void wh_numbering_free(wh_numbering *n);

#endif
