/* src/job/sweep_sample.c - which weights of a matrix a sweep measures.
 *
 * Whole rows, since a scale may belong to one; at equal distances, since neighbours are alike. The
 * choice depends on the shape only.
 *
 * SPDX-License-Identifier: MIT */
#include "job/sweep.h"

wh_pieces wh_pieces_of(uint64_t rows, uint64_t cols)
{
    wh_pieces s = { .rows = rows, .cols = cols };
    if (rows == 0 || cols == 0) return s;
    s.width = cols < WH_TILE_ELEMENTS ? cols : WH_TILE_ELEMENTS;
    s.per_row = (cols - 1) / s.width + 1;
    uint64_t pieces = rows * s.per_row, most = WH_SAMPLE_WEIGHTS / s.width;
    s.taken = pieces < most ? pieces : most;
    if (s.per_row == 1)
        s.weights = s.taken * cols;
    else /* a few long ones */
        for (uint64_t k = 0; k < s.taken; k++) s.weights += wh_pieces_at(&s, k).cols;
    return s;
}

wh_rect wh_pieces_at(const wh_pieces *s, uint64_t k)
{
    /* pieces * k / taken, without overflow */
    uint64_t pieces = s->rows * s->per_row;
    uint64_t piece = pieces / s->taken * k + pieces % s->taken * k / s->taken;
    wh_rect r = { piece / s->per_row, 1, piece % s->per_row * s->width, s->width };
    if (r.cols > s->cols - r.c0) r.cols = s->cols - r.c0;
    return r;
}
