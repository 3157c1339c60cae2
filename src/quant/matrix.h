/* src/quant/matrix.h - encoding a tile of rows, as the jobs and whit_quantize do it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_MATRIX_H
#define WH_QUANT_MATRIX_H

#include "quant/range.h"

/* One scale for all columns of a row of the tile, decided before (regions that span tiles). */
typedef struct wh_fixed {
    wh_candidate best;
    float k;      /* the region's normaliser */
    int zero;     /* 1: the region is all zeros */
    int vanishes; /* 1: every code is that of zero: stored as an all-zero group */
} wh_fixed;

typedef struct wh_tile {
    const float *w; /* [rows][cols] */
    size_t rows, cols;
    size_t group;          /* columns that share a scale; cols for one scale a row */
    const wh_fixed *fixed; /* NULL: search here; else for all rows of the tile */
    uint8_t *codes;        /* [rows][cols] */
    float *scale;          /* [rows][ceil(cols/group)] */
    uint8_t *zero;         /* the same, or NULL unless asym */
    float *scratch;        /* [group] or [cols], the smaller */
    uint64_t row0, col0;   /* of the tile in its tensor, for messages */
    whit_quant_stats *stats;
} wh_tile;

/* Errors as whit_quantize. */
whit_status wh_tile_encode(const wh_quantizer *q, const wh_tile *tile, whit_error *err);

/* Row and column of the first NaN or infinity in the tile, as a WHIT_ERR_NUMERIC. */
whit_status wh_tile_not_finite(const wh_tile *tile, whit_error *err);

/* The words for a scale beyond its type. */
whit_status wh_scale_overflow(const wh_quantizer *q, uint64_t row, whit_error *err);

#endif
