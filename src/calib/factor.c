/* src/calib/factor.c - the upper Cholesky factor in blocks of columns, last first.
 *
 * A block [j0, j1) of columns is factored on its own rows, then rows above are solved against it,
 * then what is left of the triangle is updated; all three multiply with the tiles of tile64.h:
 *
 *   panels  [i / 16][jj][16]     R of the block's columns, sixteen rows side by side
 *   strips  [i / width][jj][width]   the same, as many as the tile takes
 *
 * where jj = j1 - 1 - j counts the block's columns backwards, the order of every chain. Within 16
 * columns there are plain multiplications and subtractions.
 *
 * Source of the blocking: Goto and van de Geijn 2008; of the order: any book on Cholesky, reversed.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/factor.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "calib/hessian.h"
#include "calib/tile64.h"
#include "kernels/context.h"

#define LANES WH_LANES64
#define BLOCK 384 /* columns: a multiple of 16 and of WH_STRIP64 */
#define SUBS (BLOCK / LANES)
#define SQUARE 64 /* of H that is put in order at once */
#define ROWS 96   /* of what is left that a thread takes at once */

typedef struct work {
    const wh_tile64 *tile;
    double *a;
    size_t n, j0, j1;
    double *panels, *strips;
    double (*tri)[LANES][LANES]; /* [sub][k][i] = R[i][k], i < k */
    double *floor;               /* [n]: what a pivot must pass */
    atomic_size_t next;          /* of the parts */
} work;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Columns of the block right of `col`, which are done: how far the chains have got. */
static size_t done(const work *w, size_t col)
{
    return w->j1 - col;
}

/* ---- one strip against one sub-block of 16 columns ---- */

typedef struct place {
    size_t row, rows; /* of the strip */
    size_t col, cols; /* of the sub-block */
} place;

static void copy(double *to, const double *from, size_t n)
{
    if (n == LANES)
        memcpy(to, from, LANES * sizeof *to); /* known size: no call */
    else
        memcpy(to, from, n * sizeof *to);
}

/* The first of the place's columns that is on or above the diagonal in that row. */
static size_t first_column(place at, size_t row)
{
    return row < at.col ? at.col : smaller(row, at.col + at.cols);
}

/* The strip's elements in those columns as far as they are on or above the diagonal; the rest 0. */
static void load(const work *w, place at, double *sums)
{
    for (size_t row = at.row; row < at.row + at.rows; row++, sums += LANES) {
        const size_t first = first_column(at, row), n = at.col + at.cols - first;
        if (n < LANES) memset(sums, 0, LANES * sizeof *sums);
        copy(sums + (first - at.col), w->a + row * w->n + first, n);
    }
}

static void store(const work *w, place at, const double *sums)
{
    for (size_t row = at.row; row < at.row + at.rows; row++, sums += LANES) {
        const size_t first = first_column(at, row);
        copy(w->a + row * w->n + first, sums + (first - at.col), at.col + at.cols - first);
    }
}

/* Elements [rows][stride] -= R[strip][j] R[sub][j] for the n last columns j of the block. */
static void subtract(const work *w, place at, size_t n, double *sums, size_t stride)
{
    const size_t width = w->j1 - w->j0;
    const wh_tile64_args a = { .value = w->panels + at.col * width,
                               .x = w->strips + at.row * width,
                               .tokens = at.rows,
                               .n = n,
                               .sums = sums,
                               .stride = stride };
    w->tile->run(&a);
}

/* The same where they lie, or in a copy where some of the sixteen columns are not theirs. */
static void reduce(const work *w, place at, size_t n)
{
    _Alignas(64) double sums[WH_STRIP64 * LANES];
    if (at.row + at.rows <= at.col && at.cols == LANES) {
        subtract(w, at, n, w->a + at.row * w->n + at.col, w->n);
        return;
    }
    load(w, at, sums);
    subtract(w, at, n, sums, LANES);
    store(w, at, sums);
}

static place place_at(const work *w, size_t row, size_t col)
{
    return (place){ row, smaller(w->tile->tokens, w->j1 - row), col, smaller(LANES, w->j1 - col) };
}

/* The place's columns of its rows are final: where the products will read them. Strips that are
 * not whole are filled up. */
static void publish(const work *w, place at, double x[LANES][WH_SOLVE64])
{
    const size_t width = w->j1 - w->j0, step = w->tile->tokens;
    for (size_t k = 0; k < at.cols; k++) {
        const size_t jj = w->j1 - 1 - (at.col + k);
        for (size_t i = 0; i < at.rows; i += step) {
            const size_t row = at.row + i, rows = smaller(step, w->j1 - row);
            memcpy(w->strips + row * width + jj * rows, x[k] + i, rows * sizeof *x[k]);
        }
        for (size_t i = 0; i < at.rows; i += LANES)
            memcpy(w->panels + (at.row + i) * width + jj * LANES, x[k] + i, LANES * sizeof *x[k]);
    }
}

/* R of the place's rows, at most WH_SOLVE64 above the sub-block: what is there times the inverse of
 * the sub-block's own, column by column, last first. */
static void substitute(const work *w, place at)
{
    _Alignas(64) double x[LANES][WH_SOLVE64] = { { 0 } }; /* [column][row] */
    double pivot[LANES] = { 0 }, *a = w->a + at.row * w->n + at.col;
    for (size_t k = 0; k < at.cols; k++) pivot[k] = w->a[(at.col + k) * (w->n + 1)];
    for (size_t i = 0; i < at.rows; i++)
        for (size_t k = 0; k < at.cols; k++) x[k][i] = a[i * w->n + k];
    w->tile->solve(x, w->tri[(at.col - w->j0) / LANES], pivot, at.cols);
    for (size_t i = 0; i < at.rows; i++)
        for (size_t k = 0; k < at.cols; k++) a[i * w->n + k] = x[k][i];
    publish(w, at, x);
}

/* Rows [row, end) above the sub-block, whole strips of which have yet to meet the columns right of
 * it. */
static void solve_rows(const work *w, size_t row, size_t end, size_t col)
{
    for (; row < end; row += WH_SOLVE64) {
        place at = place_at(w, row, col);
        const size_t last = smaller(end, row + WH_SOLVE64);
        for (size_t r = row; r + w->tile->tokens <= last; r += w->tile->tokens)
            reduce(w, place_at(w, r, col), done(w, col + at.cols));
        at.rows = last - row;
        substitute(w, at);
    }
}

/* ---- the block's own rows ---- */

/* The 16 x 16 on the diagonal, in place. 0: the pivot of column *bad is too small. */
static int factor_sub(const work *w, size_t col, size_t cols, size_t *bad)
{
    double *a = w->a + col * w->n + col, (*tri)[LANES] = w->tri[(col - w->j0) / LANES];
    memset(tri, 0, sizeof w->tri[0]);
    for (size_t k = cols; k-- > 0;) {
        const double pivot = a[k * w->n + k];
        if (!(pivot > w->floor[col + k] && pivot <= 0x1p1000)) {
            *bad = col + k;
            return 0;
        }
        const double root = sqrt(pivot);
        a[k * w->n + k] = root;
        for (size_t i = 0; i < k; i++) a[i * w->n + k] = tri[k][i] = a[i * w->n + k] / root;
        for (size_t i = 0; i < k; i++)
            for (size_t c = i; c < k; c++) a[i * w->n + c] -= tri[k][i] * tri[k][c];
    }
    return 1;
}

static int factor_block(const work *w, size_t *bad)
{
    const size_t width = w->tile->tokens, first = w->j0, columns = w->j1 - w->j0;
    for (size_t s = (columns + LANES - 1) / LANES; s-- > 0;) {
        const size_t col = first + s * LANES, end = smaller(col + LANES, w->j1);
        for (size_t row = first; row < end; row += width) /* on the diagonal, and perhaps above */
            if (row + width > col) reduce(w, place_at(w, row, col), done(w, end));
        if (!factor_sub(w, col, end - col, bad)) return 0;
        solve_rows(w, first, col, col);
    }
    return 1;
}

/* ---- the rows above ---- */

static void solve_part(void *ctx, unsigned t, unsigned threads)
{
    const work *w = ctx;
    const size_t subs = (w->j1 - w->j0 + LANES - 1) / LANES;
    size_t begin, end;
    wh_pool_split(w->j0, 2 * LANES * WH_STRIP64, t, threads, &begin, &end);
    for (size_t row = begin; row < end; row += WH_SOLVE64)
        for (size_t s = subs; s-- > 0;)
            solve_rows(w, row, smaller(end, row + WH_SOLVE64), w->j0 + s * LANES);
}

/* ---- what is left of the triangle ---- */

static void fetch(const work *w, size_t row, size_t col)
{
    for (size_t i = 0; i < w->tile->tokens; i++) {
        __builtin_prefetch(w->a + (row + i) * w->n + col, 1);
        __builtin_prefetch(w->a + (row + i) * w->n + col + LANES / 2, 1);
    }
}

/* Rows [row0, end) right of the diagonal. */
static void update_rows(const work *w, size_t row0, size_t end)
{
    const size_t step = w->tile->tokens;
    for (size_t col = row0 / LANES * LANES; col < w->j0; col += LANES) {
        const size_t last = smaller(end, col + LANES);
        for (size_t row = row0; row < last; row += step) {
            if (col + LANES < w->j0) fetch(w, row, col + LANES);
            reduce(w, (place){ row, step, col, LANES }, w->j1 - w->j0);
        }
    }
}

/* Parts of rows, longest first, by whoever is free: each element has one owner all the same. */
static void update_part(void *ctx, unsigned t, unsigned threads)
{
    work *w = ctx;
    (void)t;
    (void)threads;
    for (;;) {
        const size_t row = atomic_fetch_add(&w->next, 1) * ROWS;
        if (row >= w->j0) return;
        update_rows(w, row, smaller(row + ROWS, w->j0));
    }
}

/* ---- the calls ---- */

static whit_status factor(whit_context *c, work *w, size_t *bad, whit_error *err)
{
    for (w->j1 = w->n; w->j1 > 0; w->j1 = w->j0) {
        w->j0 = (w->j1 - 1) / BLOCK * BLOCK;
        if (!factor_block(w, bad))
            return wh_fail(err, WHIT_ERR_NUMERIC, "column %zu: not positive definite", *bad);
        wh_pool_run(c->pool, solve_part, w);
        atomic_store(&w->next, 0);
        wh_pool_run(c->pool, update_part, w);
    }
    return WHIT_OK;
}

static whit_status reserve(whit_context *c, work *w, whit_error *err)
{
    const size_t rows = (w->n + LANES * WH_STRIP64 - 1) / (LANES * WH_STRIP64) * LANES * WH_STRIP64;
    const size_t own = SUBS * sizeof w->tri[0] + rows * sizeof(double);
    uint64_t bytes;
    if (!wh_mul_u64(rows, 2 * BLOCK * sizeof(double), &bytes) || !wh_add_u64(bytes, own, &bytes) ||
        bytes > SIZE_MAX)
        return wh_fail(err, WHIT_ERR_NOMEM, "%zu columns fit in no memory", w->n);
    const whit_status st = wh_context_reserve(c, (size_t)bytes, err);
    if (st != WHIT_OK) return st;
    w->panels = c->scratch;
    w->strips = w->panels + rows * BLOCK;
    w->tri = (void *)(w->strips + rows * BLOCK);
    w->floor = (double *)(w->tri + SUBS);
    return WHIT_OK;
}

whit_status wh_factor(whit_context *context, double *h, size_t n, size_t *column, whit_error *err)
{
    size_t bad = 0;
    if (!context || (n > 0 && !h)) return wh_fail(err, WHIT_ERR_ARG, "wh_factor: null");
    work w = { .tile = wh_tile64_select(), .a = h, .n = n };
    pthread_mutex_lock(&context->lock);
    whit_status st = reserve(context, &w, err);
    if (st == WHIT_OK) {
        for (size_t i = 0; i < n; i++) w.floor[i] = (double)n * 0x1p-52 * h[i * (n + 1)];
        st = factor(context, &w, &bad, err);
    }
    pthread_mutex_unlock(&context->lock);
    if (column) *column = bad;
    return st;
}

/* Mean of the diagonal over live columns; counts the dead. */
static whit_status mean_diagonal(const double *triangle, size_t n, double *mean, size_t *dead,
                                 whit_error *err)
{
    double sum = 0;
    *dead = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = triangle[wh_triangle_row(n, i)];
        if (!(d >= 0 && d <= 0x1p1000))
            return wh_fail(err, WHIT_ERR_NUMERIC, "column %zu: a mean square of %g", i, d);
        sum += d;
        *dead += d == 0;
    }
    *mean = *dead == n ? 1.0 : sum / (double)(n - *dead);
    return WHIT_OK;
}

typedef struct filling {
    const double *triangle;
    const uint32_t *order;
    size_t n;
    double *r, *diag, mean, add;
} filling;

/* Rows [i0, i1) of r in columns [j0, j1), as far as they are on or above the diagonal. */
static void fill_square(const filling *f, size_t i0, size_t i1, size_t j0, size_t j1)
{
    for (size_t i = i0; i < i1; i++) {
        const size_t a = f->order ? f->order[i] : i;
        for (size_t j = i < j0 ? j0 : i; j < j1; j++) {
            const size_t b = f->order ? f->order[j] : j;
            f->r[i * f->n + j] = a < b ? f->triangle[wh_triangle_row(f->n, a) + b - a]
                                       : f->triangle[wh_triangle_row(f->n, b) + a - b];
        }
    }
}

/* Squares, which are read along rows or columns of H; rows of them in turns, since they get
 * shorter. */
static void fill_part(void *ctx, unsigned t, unsigned threads)
{
    const filling *f = ctx;
    for (size_t i0 = t * (size_t)SQUARE; i0 < f->n; i0 += threads * (size_t)SQUARE) {
        const size_t i1 = smaller(f->n, i0 + SQUARE);
        for (size_t j0 = i0; j0 < f->n; j0 += SQUARE)
            fill_square(f, i0, i1, j0, smaller(f->n, j0 + SQUARE));
        for (size_t i = i0; i < i1; i++) {
            double *d = f->r + i * (f->n + 1);
            *d = (*d == 0 ? f->mean : *d) + f->add;
            if (f->diag) f->diag[i] = *d;
        }
    }
}

whit_status wh_factor_damped(whit_context *context, const double *triangle, const uint32_t *order,
                             size_t n, double *r, double *diag, wh_damping *damping,
                             whit_error *err)
{
    size_t bad = 0;
    if (!context || !damping || !(damping->lambda >= 0) || (n > 0 && (!triangle || !r)))
        return wh_fail(err, WHIT_ERR_ARG, "wh_factor_damped: null, or lambda below 0");
    filling f = { .triangle = triangle, .order = order, .n = n, .r = r, .diag = diag };
    whit_status st = mean_diagonal(triangle, n, &f.mean, &damping->dead, err);
    if (st != WHIT_OK) return st;
    for (double lambda = damping->lambda;; lambda = lambda > 0 ? fmin(lambda * 10, 1) : 1e-6) {
        f.add = lambda * f.mean;
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, fill_part, &f);
        pthread_mutex_unlock(&context->lock);
        damping->lambda = lambda;
        st = wh_factor(context, r, n, &bad, err);
        if (st != WHIT_ERR_NUMERIC) return st;
        if (lambda >= 1)
            return wh_fail(err, st, "column %zu: not positive definite, even with damping %g",
                           order ? order[bad] : bad, lambda);
    }
}
