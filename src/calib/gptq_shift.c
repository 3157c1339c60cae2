/* src/calib/gptq_shift.c - W + alpha W D H^-1: weights that make up for what the layers before have
 * changed in the inputs.
 *
 * With H = M P^2 M^T, M = R / R_kk with a unit diagonal and P = diag(R_kk), both as the base holds
 * them: Z M^T = W D from the last column back, then Y M = Z P^-2 from the first on. Everything in
 * float32, each element one chain but for the 16 columns of its panel: directions in which H is
 * small come out rough, and weigh as little afterwards.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "calib/gptq_slab.h"
#include "kernels/context.h"

#define ROWS WH_GPTQ_ROWS

typedef struct call {
    const wh_gptq_base *base;
    wh_slab *slab;
    const wh_gptq_job *job;
    const double *d;
    float *mixed;  /* [panel][16 panels][16] D in the order of the base */
    float *across; /* the same shape: M transposed */
    float alpha, *out;
    size_t each;
    atomic_size_t next;
} call;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- matrices ---- */

static void pack_part(void *ctx, unsigned t, unsigned threads)
{
    const call *c = ctx;
    const wh_gptq_base *b = c->base;
    const size_t n = b->cols, rows = b->panels * WH_PANEL;
    const wh_slab_matrix r = { b->r, 0 };
    for (size_t p = t; p < b->panels; p += threads) {
        float *mixed = c->mixed + p * rows * WH_PANEL, *across = c->across + p * rows * WH_PANEL;
        const size_t first = p * WH_PANEL, end = smaller(n, first + WH_PANEL);
        for (size_t j = 0; j < n; j++)
            for (size_t k = first; k < end; k++) {
                const size_t at = j * WH_PANEL + k - first;
                mixed[at] = (float)c->d[b->order[j] * n + b->order[k]];
                across[at] = j < k ? 0.0f : wh_slab_panel_row(r, j, k)[j % WH_PANEL];
            }
    }
}

/* ---- rows ---- */

/* e = w D, both in strips; other is where it is collected. */
static void mix(wh_slab *s, wh_slab_matrix d)
{
    const size_t cols = s->base->cols;
    wh_slab_columns y;
    for (size_t k = 0; k < cols; k++) wh_slab_put(s, s->e, cols, k, s->w + k * ROWS);
    for (size_t k = 0, end; k < cols; k = end) {
        end = smaller(cols, k + WH_GPTQ_SPAN);
        s->panels = 0;
        wh_slab_span(s, k, end);
        wh_slab_multiply(s, d, s->e, cols, 0, s->first, s->first + s->panels, 0, cols);
        for (size_t j = k; j < end; j += WH_PANEL) {
            const size_t stop = smaller(end, j + WH_PANEL);
            wh_slab_fetch(s, j, stop, &y);
            for (size_t c = j; c < stop; c++) wh_slab_put(s, s->other, cols, c, y.at[c - j]);
        }
    }
    memcpy(s->e, s->other, cols * ROWS * sizeof *s->e);
}

/* One panel of x in the place of e: e + what the sums hold (of -x), less what its own columns
 * leave; then -x again. forward: columns ascend, against M; else they descend, against M^T. */
static void solve_panel(wh_slab *s, wh_slab_matrix m, size_t k0, size_t k1, int forward)
{
    const size_t cols = s->base->cols;
    wh_slab_columns x;
    float b[ROWS];
    wh_slab_fetch(s, k0, k1, &x);
    for (size_t i = 0; i < k1 - k0; i++) {
        const size_t k = forward ? k0 + i : k1 - 1 - i;
        float *xk = x.at[k - k0];
        wh_slab_get(s, s->e, cols, k, b);
        for (size_t l = 0; l < s->lanes; l++) xk[l] += b[l];
        for (size_t q = 0; q < i; q++) {
            const size_t j = forward ? k0 + q : k1 - 1 - q;
            const float f = wh_slab_panel_row(m, k, j)[k % WH_PANEL], *xj = x.at[j - k0];
            for (size_t l = 0; l < s->lanes; l++) xk[l] += xj[l] * f;
        }
        for (size_t l = 0; l < s->lanes; l++) xk[l] = -xk[l];
        wh_slab_put(s, s->e, cols, k, xk);
    }
}

/* Z M^T = e, into e with its sign turned. */
static void solve_back(wh_slab *s, wh_slab_matrix across)
{
    const size_t cols = s->base->cols;
    for (size_t to = cols, from; to > 0; to = from) {
        from = (to - 1) / WH_GPTQ_SPAN * WH_GPTQ_SPAN;
        s->panels = 0;
        wh_slab_span(s, from, to);
        wh_slab_multiply(s, across, s->e, cols, 0, s->first, s->first + s->panels, to, cols);
        for (size_t p = s->first + s->panels; p-- > s->first;) {
            const size_t k0 = p * WH_PANEL, k1 = smaller(to, k0 + WH_PANEL);
            wh_slab_multiply(s, across, s->e, cols, 0, p, p + 1, k1, to);
            solve_panel(s, across, k0, k1, 0);
        }
    }
}

/* Y M = e, into e with its sign turned. */
static void solve_on(wh_slab *s)
{
    const size_t cols = s->base->cols;
    s->panels = 0;
    for (size_t from = 0, to; from < cols; from = to) {
        to = smaller(cols, from + WH_GPTQ_SPAN);
        wh_slab_span(s, from, to);
        wh_slab_advance(s, s->first, s->first + s->panels, from);
        for (size_t k = from; k < to; k += WH_PANEL) {
            wh_slab_advance(s, k / WH_PANEL, k / WH_PANEL + 1, k);
            solve_panel(s, wh_slab_r(s), k, smaller(to, k + WH_PANEL), 1);
        }
    }
}

static void shift_rows(const call *c, wh_slab *s)
{
    const size_t cols = s->base->cols, rows = s->base->panels * WH_PANEL;
    float y[ROWS];
    mix(s, (wh_slab_matrix){ c->mixed, rows });
    solve_back(s, (wh_slab_matrix){ c->across, rows });
    for (size_t k = 0; k < cols; k++) {
        const float pivot = s->base->pivot[k];
        wh_slab_get(s, s->e, cols, k, y);
        for (size_t i = 0; i < s->lanes; i++) y[i] = -y[i] / (pivot * pivot);
        wh_slab_put(s, s->e, cols, k, y);
    }
    solve_on(s);
    for (size_t k = 0; k < cols; k++) {
        wh_slab_get(s, s->e, cols, k, y);
        for (size_t i = 0; i < s->rows; i++)
            c->out[(s->row + i) * cols + s->base->order[k]] = s->w[k * ROWS + i] - c->alpha * y[i];
    }
}

static void slabs_part(void *ctx, unsigned t, unsigned threads)
{
    call *c = ctx;
    (void)threads;
    for (;;) {
        const size_t row = atomic_fetch_add(&c->next, 1) * c->each;
        if (row >= c->job->rows) return;
        wh_slab_take(&c->slab[t], row, smaller(c->each, c->job->rows - row));
        shift_rows(c, &c->slab[t]);
    }
}

whit_status wh_gptq_shift(whit_context *context, const wh_gptq_base *base, const double *d,
                          double alpha, const float *w, size_t rows, float *out, whit_error *err)
{
    const wh_gptq_target none = { .group = WH_GPTQ_SPAN, .sub = base->cols ? base->cols : 1 };
    const wh_gptq_job job = { .base = base, .w = w, .rows = rows, .refit = 1 };
    const unsigned threads = whit_context_threads(context);
    const size_t share = (rows + threads - 1) / threads;
    const size_t bytes = base->panels * base->panels * WH_PANEL * WH_PANEL * sizeof(float);
    whit_status st = WHIT_OK;
    if (rows == 0 || base->cols == 0) return WHIT_OK;
    call c = { .base = base, .job = &job, .d = d, .alpha = (float)alpha, .out = out };
    c.each = smaller(ROWS, share);
    c.mixed = wh_pages_alloc(bytes);
    c.across = wh_pages_alloc(bytes);
    c.slab = wh_calloc(threads, sizeof *c.slab);
    if (!c.mixed || !c.across || !c.slab)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory to shift rows of %zu columns", base->cols);
    for (unsigned t = 0; t < threads && st == WHIT_OK; t++)
        st = wh_slab_open(&c.slab[t], &job, &none, context->kernels.op[WH_TILE_CHAIN], err);
    if (st == WHIT_OK) {
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, pack_part, &c);
        wh_pool_run(context->pool, slabs_part, &c);
        pthread_mutex_unlock(&context->lock);
    }
    for (unsigned t = 0; c.slab && t < threads; t++) wh_slab_close(&c.slab[t]);
    free(c.slab);
    wh_pages_free(c.mixed, bytes);
    wh_pages_free(c.across, bytes);
    return st;
}
