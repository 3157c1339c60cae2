/* src/job/tiles.c - cutting matrices into tiles of bounded size, and numbering those of a job.
 *
 * SPDX-License-Identifier: MIT */
#include "job/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The least multiple of 8 that is a multiple of unit (1..65536). */
static uint64_t with_eight(uint64_t unit)
{
    while (unit % 8 != 0) unit *= 2;
    return unit;
}

wh_tiling wh_tiling_blocks(uint64_t rows, uint64_t cols, uint64_t unit, uint64_t high)
{
    wh_tiling t = { rows, cols, high, cols, 0 };
    if (rows == 0 || cols == 0) return t;
    if (cols <= WH_TILE_ELEMENTS / high) {
        t.tile_rows = WH_TILE_ELEMENTS / (cols * high) * high;
    } else {
        uint64_t step = with_eight(unit), most = WH_TILE_ELEMENTS / high;
        t.tile_cols = step > most ? step : most / step * step;
        if (t.tile_cols > cols) t.tile_cols = cols;
    }
    t.count = ((rows - 1) / t.tile_rows + 1) * ((cols - 1) / t.tile_cols + 1);
    return t;
}

wh_tiling wh_tiling_make(uint64_t rows, uint64_t cols, uint64_t unit)
{
    return wh_tiling_blocks(rows, cols, unit, 1);
}

wh_rect wh_tiling_at(const wh_tiling *t, uint64_t k)
{
    uint64_t across = (t->cols - 1) / t->tile_cols + 1;
    wh_rect r = { k / across * t->tile_rows, t->tile_rows, k % across * t->tile_cols,
                  t->tile_cols };
    if (r.rows > t->rows - r.r0) r.rows = t->rows - r.r0;
    if (r.cols > t->cols - r.c0) r.cols = t->cols - r.c0;
    return r;
}

uint64_t wh_tiling_elements(const wh_tiling *t)
{
    uint64_t rows = t->tile_rows < t->rows ? t->tile_rows : t->rows;
    return t->count ? rows * t->tile_cols : 0;
}

int wh_numbering_init(wh_numbering *n, size_t count)
{
    *n = (wh_numbering){ wh_calloc(count, sizeof *n->tiling), NULL, count };
    n->first = count < SIZE_MAX ? wh_calloc(count + 1, sizeof *n->first) : NULL;
    return n->tiling && n->first;
}

void wh_numbering_finish(wh_numbering *n)
{
    for (size_t i = 0; i < n->count; i++) n->first[i + 1] = n->first[i] + n->tiling[i].count;
}

size_t wh_numbering_find(const wh_numbering *n, uint64_t k, wh_rect *rect)
{
    size_t lo = 0, hi = n->count; /* first[lo] <= k < first[hi] */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (n->first[mid] <= k)
            lo = mid;
        else
            hi = mid;
    }
    *rect = wh_tiling_at(&n->tiling[lo], k - n->first[lo]);
    return lo;
}

/* bytes * k / count, without overflow. */
static uint64_t part(uint64_t bytes, uint64_t k, uint64_t count)
{
    return bytes / count * k + bytes % count * k / count;
}

uint64_t wh_numbering_share(const wh_numbering *n, size_t matrix, uint64_t k, uint64_t bytes)
{
    uint64_t count = n->tiling[matrix].count, i = k - n->first[matrix];
    return part(bytes, i + 1, count) - part(bytes, i, count);
}

uint64_t wh_numbering_largest(const wh_numbering *n)
{
    uint64_t most = 0;
    for (size_t i = 0; i < n->count; i++) {
        uint64_t elements = wh_tiling_elements(&n->tiling[i]);
        if (elements > most) most = elements;
    }
    return most;
}

void wh_numbering_free(wh_numbering *n)
{
    free(n->tiling);
    free(n->first);
    memset(n, 0, sizeof *n);
}
