/* src/calib/gptq.h - codes that keep a layer's outputs: GPTQ, with parameters found on the way.
 *
 * A layer's error on inputs with second moment H is tr((W - Q) H (W - Q)^T). Its rows are
 * independent. With H = R R^T, R upper, columns are rounded in order, each after it has taken over
 * what the errors before it leave:
 *
 *   v_k = W_k + (sum over j < k of E_j R_jk) / R_kk,   Q_k = round(v_k),   E = W - Q
 *   error = sum over k of (v_k - Q_k)^2 R_kk^2
 *
 * The parameters of a group of columns are found when its first column is reached, from the weights
 * as they stand then, V = W + X with X R[g,g] = (E R)[g], each column's squared error weighted by
 * its mean square (the diagonal of H).
 *
 * Arithmetic: R / R_kk is stored as float32; the sums over j are one chain of fused multiply-adds,
 * j ascending, but the last of them, those in the same group and the same 16 columns as k, plain
 * multiplications and additions. So the bytes depend neither on threads nor on the instruction set.
 *
 * Sources: Frantar et al. 2022 (arXiv:2210.17323); the feedback form: Chee et al. 2023
 * (arXiv:2307.13304, LDLQ); groups kept together while sorted: Gafni et al. 2025
 * (arXiv:2505.14638); the descent afterwards: Chee et al. 2023, 3.2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_H
#define WH_CALIB_GPTQ_H

#include <whit/kernel.h>
#include "base/error.h"
#include "calib/factor.h"
#include "quant/codebook.h"

/* ---- what layers with the same inputs share ---- */

typedef enum wh_gptq_order {
    WH_GPTQ_GROUPS = 0, /* largest mean square first, in each group, and groups by their largest */
    WH_GPTQ_PLAIN,      /* as they are */
    WH_GPTQ_COLUMNS     /* largest mean square first; parameters must then be found before */
} wh_gptq_order;

typedef struct wh_gptq_options {
    wh_gptq_order order;
    size_t group;   /* WH_GPTQ_GROUPS: columns that stay together, as the target's; 0: all */
    double lambda;  /* of the damping, the first to try */
    int polish;     /* 1: H is kept too, for passes of descent and new scales */
    double *square; /* room for [cols][cols] that is used meanwhile, or NULL: taken here. Layer
                       after layer, new memory costs a third of the time */
} wh_gptq_options;

typedef struct wh_gptq_base {
    size_t cols, panels; /* panels of 16 columns, the last filled up with zeros */
    size_t group;
    wh_gptq_order how;
    wh_damping damping; /* what was needed */
    uint32_t *order;    /* [cols] column of W that is taken as number i */
    uint32_t *place;    /* [cols] the other way: the number of a column of W */
    float *weight;      /* [cols] the damped diagonal of H, by number */
    float *pivot;       /* [cols] R_kk */
    float *r;           /* [panel p][16 (p + 1)][16] R_jk / R_kk, 1 on the diagonal, 0 below */
    float *h;           /* [panel][16 panels][16] H damped, NULL without polish */
} wh_gptq_base;

/*
 * triangle: H as statistics keep it (hessian.h). Memory: 8 cols^2 octets while it runs, 2 cols^2
 * kept, 6 with polish.
 * Errors: as wh_factor_damped, WHIT_ERR_NOMEM. Threads: the context's.
 */
whit_status wh_gptq_base_make(wh_gptq_base *out, whit_context *context, const double *triangle,
                              size_t cols, const wh_gptq_options *options, whit_error *err);
void wh_gptq_base_free(wh_gptq_base *base); /* all zeros is fine */

/* ---- what a format is to it ---- */

#define WH_GPTQ_ROWS 96 /* of a slab, the most that a target meets at once */

/* The values that each row may take in some columns: of integers t in lo..hi step * t - base, with
 * code t + offset; of a table or small floats step * entry (the others are then unused). Where a
 * row can only take one value: step 1, lo = hi = 0. */
typedef struct wh_gptq_grid {
    float step[WH_GPTQ_ROWS], base[WH_GPTQ_ROWS], lo[WH_GPTQ_ROWS], hi[WH_GPTQ_ROWS],
        offset[WH_GPTQ_ROWS];
} wh_gptq_grid;

/* A group of columns of some rows. */
typedef struct wh_gptq_region {
    size_t row, rows, col, cols; /* rows up to WH_GPTQ_ROWS; col is where group number col / group
                                    begins, cols is shorter at the end of a row */
    const float *v;              /* [rows][cols] */
    const float *weight;         /* [cols] >= 0 */
    float *scratch;              /* [cols], the target's */
} wh_gptq_region;

typedef struct wh_gptq_target {
    const char *name;
    size_t group; /* columns whose parameters are found together; at least cols: one group */
    size_t sub;   /* columns that share a grid; divides group, or is it */
    int fixed;    /* 1: parameters do not depend on v */
    const wh_codebook *book;       /* NULL unless values are entries of a table */
    const wh_minifloat *minifloat; /* NULL unless they are small floats */
    /* Find and keep the parameters, write grid[s].. [row - region->row] for each sub s. Rows of a
     * target are only ever met by one thread at a time. */
    whit_status (*find)(const struct wh_gptq_target *t, const wh_gptq_region *region,
                        wh_gptq_grid *grid, whit_error *err);
    /* Keep codes [rows][cols] of the region (v, weight and scratch are not set). */
    void (*put)(const struct wh_gptq_target *t, const wh_gptq_region *region, const uint8_t *codes);
    /* Make the scale of one row's group as near to `wanted` as its type allows; returns it, or 0
     * where it cannot be changed. NULL: never. Only where sub is group. */
    float (*rescale)(const struct wh_gptq_target *t, size_t row, size_t col, float wanted);
} wh_gptq_target;

/* ---- the codes ---- */

typedef struct wh_gptq_job {
    const wh_gptq_base *base;
    const float *w; /* [rows][base->cols] */
    size_t rows;
    int before;      /* 1: parameters are found from w before anything moves */
    unsigned passes; /* of coordinate descent, with the parameters as they are; needs polish. Only
                        where H comes from many more tokens than columns (2 cols at least) */
    int refit;       /* 1: then scales by least squares under H, where that is better; polish too */
} wh_gptq_job;

typedef struct wh_gptq_result {
    double feedback; /* tr(E H E^T), H damped, after the columns have been rounded in order */
    double loss;     /* the same at the end */
} wh_gptq_result;

/*
 * Round the rows for the target. w must be finite.
 * Errors: WHIT_ERR_ARG (groups of base and target differ; no polish in base), WHIT_ERR_NOMEM, and
 * those of the target: of the lowest row. Memory: about 850 octets a column and thread.
 * Threads: the context's, calls take turns.
 */
whit_status wh_gptq_run(whit_context *context, const wh_gptq_job *job, const wh_gptq_target *target,
                        wh_gptq_result *result, whit_error *err);

/* tr(D H D^T) of rows d [rows][cols], H damped: the sum over rows, in their order; each row's to
 * loss [rows] unless that is NULL. Errors: WHIT_ERR_NOMEM. */
whit_status wh_gptq_loss(whit_context *context, const wh_gptq_base *base, const float *d,
                         size_t rows, double *loss, double *sum, whit_error *err);

/*
 * Weights that make up for changed inputs: with inputs X of the float model and Xh of the quantized
 * one, H of Xh and d[i][j] = the mean of (X - Xh)_i Xh_j, what is nearest to X W^T on Xh is
 * W + W D H^-1; out = W + alpha W D H^-1, with the damped H. Rounding out by wh_gptq_run is then
 * rounding W for both (Arai and Ichikawa 2025, arXiv:2504.09629, QEP).
 *
 *   d    in   [cols][cols]
 *   w    in   [rows][cols]
 *   out  out  [rows][cols], must not overlap w
 *
 * Memory: 8 cols^2 octets while it runs. Errors: WHIT_ERR_NOMEM.
 */
whit_status wh_gptq_shift(whit_context *context, const wh_gptq_base *base, const double *d,
                          double alpha, const float *w, size_t rows, float *out, whit_error *err);

#endif
