/* src/job/sweep.h - a sweep as its parts see it: the rows, and which weights are measured.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SWEEP_H
#define WH_JOB_SWEEP_H

#include "job/plan.h"

#define WH_SWEEP_ROWS 62
#define WH_SAMPLE_WEIGHTS ((uint64_t)1 << 20) /* of a tensor, about */

struct whit_sweep {
    const whit_plan *plan;
    whit_sweep_row row[WH_SWEEP_ROWS];
    whit_sweep_totals totals;
};

/* A matrix as pieces: rows, or where a row is longer than a tile the parts of rows. Some of them,
 * at equal distances from the first on, are the sample. */
typedef struct wh_pieces {
    uint64_t rows, cols;
    uint64_t width;   /* of a piece; the last one of a row may be shorter */
    uint64_t per_row; /* pieces */
    uint64_t taken;   /* pieces of the sample */
    uint64_t weights; /* of the sample */
} wh_pieces;

wh_pieces wh_pieces_of(uint64_t rows, uint64_t cols);
/* Piece number k < taken of the sample: one row high. */
wh_rect wh_pieces_at(const wh_pieces *s, uint64_t k);

#endif
