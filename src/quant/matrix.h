/* src/quant/matrix.h - encoding a tile of rows, as the jobs and whit_quantize do it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_MATRIX_H
#define WH_QUANT_MATRIX_H

#include "quant/range.h"

/* One scale for all columns of a row of the tile, decided before (regions that span tiles). */
typedef struct wh_fixed {
    wh_candidate best;
    float k;      /* the region's normaliser */
    float limit;  /* its largest finite magnitude: what infinities are clamped to */
    int zero;     /* 1: the region is all zeros */
    int vanishes; /* 1: every code is that of zero: stored as an all-zero group */
} wh_fixed;

typedef struct wh_tile {
    const float *w; /* [rows][cols] */
    size_t rows, cols;
    size_t group;            /* columns that share a scale; cols for one scale a row */
    size_t block_rows;       /* 0, or rows that share a scale too; then the two below are needed */
    float *gather;           /* [block_rows * group] */
    uint8_t *gather_codes;   /* the same */
    const wh_fixed *fixed;   /* NULL: search here; else for all rows of the tile */
    const float *importance; /* NULL, or a weight >= 0 for each column: what a search goes by,
                                except with block_rows */
    const float *given;      /* NULL, or the scale of every group, in the order of `scale` */
    uint8_t *codes;          /* [rows][cols] */
    float *scale;            /* [rows, or ceil(rows/block_rows)][ceil(cols/group)] */
    uint8_t *zero;           /* the same, or NULL unless asym */
    float *scratch;          /* twice [group] or [cols], the smaller */
    uint64_t row0, col0;     /* of the tile in its tensor, for messages */
    whit_quant_stats *stats;
} wh_tile;

/* Errors as whit_quantize. */
whit_status wh_tile_encode(const wh_quantizer *q, const wh_tile *tile, whit_error *err);

/* x with NaN and infinities replaced as the mode says (not WHIT_NONFINITE_REFUSE); may be in place.
 * Returns how many there were. */
uint64_t wh_clean(const float *x, size_t n, whit_nonfinite mode, float limit, float *out);

/* Row and column of the first NaN or infinity in the tile, as a WHIT_ERR_NUMERIC. */
whit_status wh_tile_not_finite(const wh_tile *tile, whit_error *err);

/* The words for a scale beyond its type, and how they end. */
#define WH_TRY_SF32 "; try: -sf32"
whit_status wh_scale_overflow(const wh_quantizer *q, uint64_t row, whit_error *err);

#endif
