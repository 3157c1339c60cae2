/* src/calib/gptq_slab.h - the rows that a thread has in hand: where they lie, and the products that
 * all the passes over their columns take.
 *
 * Strips hold as many rows as the tile of the kernels takes tokens, [strip][column][row of the
 * strip]; sums hold [strip][panel][row of the strip][16 columns]. Everything else of a column lies
 * [column][WH_GPTQ_ROWS], the rows past the last of the slab 0. Columns are counted in the order in
 * which they are taken.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_SLAB_H
#define WH_CALIB_GPTQ_SLAB_H

#include "calib/gptq_lanes.h"
#include "kernels/kernels.h"

#define WH_GPTQ_SPAN 128 /* columns whose sums are brought up together, or one longer group */

typedef struct wh_slab {
    const wh_gptq_base *base;
    const wh_gptq_job *job;
    const wh_gptq_target *target;
    const wh_variant *tile;
    const wh_gptq_lanes *ops;
    size_t row, rows;    /* of the job */
    size_t lanes;        /* rows rounded up to 16: what loops over rows do */
    float *w;            /* [cols][ROWS] */
    float *e;            /* strips, W - Q */
    float *other;        /* strips: changes of a span, or levels */
    uint8_t *codes;      /* [cols][ROWS] */
    wh_gptq_grid *grid;  /* [ceil(cols / sub)], by column of W */
    float *sums, *saved; /* of a span */
    size_t other_bytes;
    size_t first, panels;        /* the panels that sums hold */
    size_t *done;                /* [panels] columns that each has met */
    size_t most;                 /* panels that sums have room for */
    float *v, *weight, *scratch; /* of a region */
    uint8_t *out;                /* codes of a region */
    double loss[WH_GPTQ_ROWS], feedback[WH_GPTQ_ROWS];
    whit_status status; /* of the lowest row that failed in this thread */
    size_t failed;
    whit_error err;
} wh_slab;

/* Columns of 16 side by side, for the work within a panel. */
typedef struct wh_slab_columns {
    _Alignas(64) float at[WH_PANEL][WH_GPTQ_ROWS];
} wh_slab_columns;

whit_status wh_slab_open(wh_slab *s, const wh_gptq_job *job, const wh_gptq_target *target,
                         const wh_variant *tile, whit_error *err);
void wh_slab_close(wh_slab *s); /* all zeros is fine */
/* Take rows [row, row + rows) of the job; their weights become w, e and codes are 0. */
void wh_slab_take(wh_slab *s, size_t row, size_t rows);

/* The sums are now of columns [from, to); a panel that they held before stays as it is, the others
 * start at 0. */
void wh_slab_span(wh_slab *s, size_t from, size_t to);
/* Bring panels [p0, p1) up to e's columns below `to`, against R. */
void wh_slab_advance(wh_slab *s, size_t p0, size_t p1, size_t to);

/* Keep the sums of panels [p0, p1), or put them back. */
void wh_slab_save(const wh_slab *s, size_t p0, size_t p1, int back);

/* A matrix in panels. */
typedef struct wh_slab_matrix {
    const float *data;
    size_t rows; /* of each panel; 0: 16 (p + 1), those of R */
} wh_slab_matrix;

/* sums of panels [p0, p1) += x[rows][from, to) times those rows of the matrix; x are strips of
 * x_cols columns that begin with column x_first. */
void wh_slab_multiply(const wh_slab *s, wh_slab_matrix m, const float *x, size_t x_cols,
                      size_t x_first, size_t p0, size_t p1, size_t from, size_t to);

/* The sums of columns [k0, k1), of one panel, by column. */
void wh_slab_fetch(const wh_slab *s, size_t k0, size_t k1, wh_slab_columns *out);
/* A column into strips of x_cols columns, or from there. */
void wh_slab_put(const wh_slab *s, float *x, size_t x_cols, size_t k, const float *column);
void wh_slab_get(const wh_slab *s, const float *x, size_t x_cols, size_t k, float *column);

/* A row of the panel that column k is in: matrix element (j, k) for its columns. */
static inline const float *wh_slab_panel_row(wh_slab_matrix m, size_t k, size_t j)
{
    const size_t p = k / WH_PANEL;
    return m.data + (m.rows ? p * m.rows * WH_PANEL : 128 * p * (p + 1)) + j * WH_PANEL;
}

static inline wh_slab_matrix wh_slab_r(const wh_slab *s)
{
    return (wh_slab_matrix){ s->base->r, 0 };
}

static inline wh_slab_matrix wh_slab_h(const wh_slab *s)
{
    return (wh_slab_matrix){ s->base->h, s->base->panels * WH_PANEL };
}

/* x, column k, += y, the columns [k0, k) of its panel, times the matrix's elements (j, k). */
static inline void wh_slab_chain(const wh_slab *s, wh_slab_matrix m, size_t k0, size_t k,
                                 float (*y)[WH_GPTQ_ROWS], float *x)
{
    s->ops->chain(x, y, wh_slab_panel_row(m, k, k0) + k % WH_PANEL, k - k0, s->lanes);
}

/* The grid of column number k. */
static inline wh_gptq_grid *wh_slab_grid(const wh_slab *s, size_t k)
{
    return s->grid + s->base->order[k] / s->target->sub;
}

/* Passes of descent, then new scales, as the job says (gptq_polish.c). */
void wh_gptq_polish(wh_slab *s);

#endif
