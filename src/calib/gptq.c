/* src/calib/gptq.c - the walk over the columns of a slab of rows, and the call.
 *
 * Slabs are taken by whichever thread is free. Nothing is summed across rows but the error, which
 * is kept by row and added up in their order.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/gptq_slab.h"
#include "kernels/context.h"

#define ROWS WH_GPTQ_ROWS

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t panel_end(size_t k)
{
    return (k + WH_PANEL - 1) / WH_PANEL;
}

/* ---- parameters ---- */

/* The region of columns [first, first + cols) of W. */
static wh_gptq_region region_at(const wh_slab *s, size_t first)
{
    return (wh_gptq_region){ .row = s->row,
                             .rows = s->rows,
                             .col = first,
                             .cols = smaller(s->target->group, s->base->cols - first),
                             .v = s->v,
                             .weight = s->weight,
                             .scratch = s->scratch };
}

static void keep_error(wh_slab *s, whit_status st, const whit_error *err)
{
    if (s->status != WHIT_OK && s->failed <= s->row) return;
    s->status = st;
    s->failed = s->row;
    s->err = *err;
}

static int find(wh_slab *s, size_t first)
{
    const wh_gptq_region region = region_at(s, first);
    whit_error err = { WHIT_OK, "" };
    const whit_status st =
        s->target->find(s->target, &region, s->grid + first / s->target->sub, &err);
    if (st != WHIT_OK) keep_error(s, st, &err);
    return st == WHIT_OK;
}

/* Of all groups, from W. */
static int find_all(wh_slab *s)
{
    const size_t cols = s->base->cols, group = smaller(s->target->group, cols);
    for (size_t c = 0; c < cols; c += group) {
        const size_t n = smaller(group, cols - c);
        for (size_t i = 0; i < n; i++) s->weight[i] = s->base->weight[s->base->place[c + i]];
        for (size_t r = 0; r < s->rows; r++)
            memcpy(s->v + r * n, s->job->w + (s->row + r) * cols + c, n * sizeof *s->v);
        if (!find(s, c)) return 0;
    }
    return 1;
}

/* Columns [k0, k1) of one panel as the weights stand now: W + X, of the group that begins at column
 * `first` of W. -X, solved up to the panel, is where e will be. */
static void solve_panel(wh_slab *s, size_t k0, size_t k1, size_t first, size_t cols)
{
    size_t at[WH_PANEL];
    wh_slab_columns x;
    wh_slab_fetch(s, k0, k1, &x);
    for (size_t k = k0; k < k1; k++) {
        float *xk = x.at[k - k0];
        wh_slab_chain(s, wh_slab_r(s), k0, k, x.at, xk);
        for (size_t i = 0; i < s->lanes; i++) xk[i] = -xk[i];
        wh_slab_put(s, s->e, s->base->cols, k, xk);
        at[k - k0] = s->base->order[k] - first;
        s->weight[at[k - k0]] = s->base->weight[k];
    }
    for (size_t i = 0; i < s->rows; i++)
        for (size_t c = 0; c < k1 - k0; c++)
            /* cppcheck-suppress uninitvar ; at[c] was set for k = k0 + c */
            s->v[i * cols + at[c]] = s->w[(k0 + c) * ROWS + i] - x.at[c][i];
}

/* Of the group in columns [g0, g1), from the weights as they stand now. */
static int find_group(wh_slab *s, size_t g0, size_t g1)
{
    const size_t first = s->base->order[g0] / s->target->group * s->target->group;
    const size_t p0 = g0 / WH_PANEL, p1 = panel_end(g1);
    wh_slab_advance(s, p0, p1, g0);
    wh_slab_save(s, p0, p1, 0);
    for (size_t p = p0; p < p1; p++) {
        const size_t k0 = p == p0 ? g0 : p * WH_PANEL, k1 = smaller(g1, (p + 1) * WH_PANEL);
        wh_slab_multiply(s, wh_slab_r(s), s->e, s->base->cols, 0, p, p + 1, g0, k0);
        solve_panel(s, k0, k1, first, g1 - g0);
    }
    wh_slab_save(s, p0, p1, 1);
    return find(s, first);
}

/* ---- codes ---- */

/* Columns [k0, k1) of one panel and one group. */
static void round_piece(wh_slab *s, size_t k0, size_t k1)
{
    wh_slab_columns t, e;
    float q[ROWS];
    wh_slab_advance(s, k0 / WH_PANEL, k0 / WH_PANEL + 1, k0);
    wh_slab_fetch(s, k0, k1, &t);
    for (size_t k = k0; k < k1; k++) {
        float *v = t.at[k - k0], *ek = e.at[k - k0];
        const float *w = s->w + k * ROWS;
        wh_slab_chain(s, wh_slab_r(s), k0, k, e.at, v);
        for (size_t i = 0; i < s->lanes; i++) v[i] += w[i];
        s->ops->round(s->target, wh_slab_grid(s, k), v, s->lanes, q, s->codes + k * ROWS);
        s->ops->miss(w, q, v, s->base->pivot[k], s->lanes, ek, s->loss);
        wh_slab_put(s, s->e, s->base->cols, k, ek);
    }
}

static void round_columns(wh_slab *s, size_t from, size_t to)
{
    for (size_t k = from; k < to;) {
        const size_t end = smaller(to, (k / WH_PANEL + 1) * WH_PANEL);
        round_piece(s, k, end);
        k = end;
    }
}

/* Where the group that begins at column number k ends. */
static size_t group_end(const wh_slab *s, size_t k)
{
    const size_t group = s->target->group, cols = s->base->cols;
    return k + smaller(group, cols - s->base->order[k] / group * group);
}

/* Whole groups from k on, as many as make a span. */
static size_t span_end(const wh_slab *s, size_t k)
{
    size_t end = group_end(s, k);
    while (end < s->base->cols && group_end(s, end) - k <= WH_GPTQ_SPAN) end = group_end(s, end);
    return end;
}

static int walk(wh_slab *s)
{
    const size_t cols = s->base->cols;
    const int before = s->job->before || s->target->fixed || s->target->group >= cols;
    if (before && !find_all(s)) return 0;
    for (size_t k = 0, end; k < cols; k = end) {
        end = before ? smaller(cols, k + WH_GPTQ_SPAN) : span_end(s, k);
        wh_slab_span(s, k, end);
        wh_slab_advance(s, s->first, s->first + s->panels, k);
        if (before) round_columns(s, k, end);
        for (size_t g = k; !before && g < end; g = group_end(s, g)) {
            if (!find_group(s, g, group_end(s, g))) return 0;
            round_columns(s, g, group_end(s, g));
        }
    }
    return 1;
}

/* The codes in the order of W, a group at a time. */
static void put_codes(wh_slab *s)
{
    for (size_t c = 0; c < s->base->cols; c += s->target->group) {
        const wh_gptq_region region = region_at(s, c);
        for (size_t i = 0; i < region.cols; i++) {
            const uint8_t *code = s->codes + s->base->place[c + i] * ROWS;
            for (size_t r = 0; r < s->rows; r++) s->out[r * region.cols + i] = code[r];
        }
        s->target->put(s->target, &region, s->out);
        if (s->base->cols - c <= s->target->group) return;
    }
}

/* ---- the call ---- */

typedef struct call {
    const wh_gptq_job *job;
    const wh_gptq_target *target;
    wh_slab *slab; /* [threads] */
    size_t each;   /* rows of a slab */
    double *loss;  /* [rows][2] */
    atomic_size_t next;
} call;

static void slabs_part(void *ctx, unsigned t, unsigned threads)
{
    call *c = ctx;
    wh_slab *s = &c->slab[t];
    (void)threads;
    for (;;) {
        const size_t row = atomic_fetch_add(&c->next, 1) * c->each;
        if (row >= c->job->rows) return;
        wh_slab_take(s, row, smaller(c->each, c->job->rows - row));
        if (!walk(s)) continue;
        memcpy(s->feedback, s->loss, sizeof s->loss);
        if (c->job->passes || c->job->refit) wh_gptq_polish(s);
        put_codes(s);
        for (size_t i = 0; i < s->rows; i++) {
            c->loss[2 * (row + i)] = s->feedback[i];
            c->loss[2 * (row + i) + 1] = s->loss[i];
        }
    }
}

static whit_status check(whit_context *context, const wh_gptq_job *job,
                         const wh_gptq_target *target, whit_error *err)
{
    if (!context || !job || !job->base || !target || (job->rows > 0 && !job->w))
        return wh_fail(err, WHIT_ERR_ARG, "wh_gptq_run: null");
    const wh_gptq_base *b = job->base;
    const size_t group = smaller(target->group, b->cols);
    const int together = group == b->cols || b->how == WH_GPTQ_PLAIN ||
                         (b->how == WH_GPTQ_GROUPS && b->group == group);
    if (!together && (job->refit || !(job->before || target->fixed)))
        return wh_fail(err, WHIT_ERR_ARG,
                       "wh_gptq_run: the order of columns tears groups of %zu apart", group);
    if ((job->passes || job->refit) && !b->h)
        return wh_fail(err, WHIT_ERR_ARG, "wh_gptq_run: H was not kept for the polish");
    return WHIT_OK;
}

/* The error of the lowest row, and the sums in the order of rows. */
static whit_status gather(const call *c, unsigned threads, wh_gptq_result *result, whit_error *err)
{
    const wh_slab *worst = NULL;
    for (unsigned t = 0; t < threads; t++)
        if (c->slab[t].status != WHIT_OK && (!worst || c->slab[t].failed < worst->failed))
            worst = &c->slab[t];
    if (worst) return wh_fail(err, worst->status, "%s", worst->err.msg);
    wh_gptq_result sum = { 0, 0 };
    for (size_t r = 0; r < c->job->rows; r++) {
        sum.feedback += c->loss[2 * r];
        sum.loss += c->loss[2 * r + 1];
    }
    if (result) *result = sum;
    return WHIT_OK;
}

whit_status wh_gptq_run(whit_context *context, const wh_gptq_job *job, const wh_gptq_target *target,
                        wh_gptq_result *result, whit_error *err)
{
    whit_status st = check(context, job, target, err);
    if (st != WHIT_OK) return st;
    if (result) *result = (wh_gptq_result){ 0, 0 };
    if (job->rows == 0 || job->base->cols == 0) return WHIT_OK;
    const unsigned threads = whit_context_threads(context);
    const size_t share = (job->rows + threads - 1) / threads;
    const wh_variant *tile = context->kernels.op[WH_TILE_CHAIN];
    call c = { .job = job, .target = target, .each = smaller(ROWS, share) };
    c.loss = wh_calloc(job->rows, 2 * sizeof *c.loss);
    c.slab = wh_calloc(threads, sizeof *c.slab);
    if (!c.loss || !c.slab) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", job->rows);
    for (unsigned t = 0; t < threads && st == WHIT_OK; t++)
        st = wh_slab_open(&c.slab[t], job, target, tile, err);
    if (st == WHIT_OK) {
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, slabs_part, &c);
        pthread_mutex_unlock(&context->lock);
        st = gather(&c, threads, result, err);
    }
    for (unsigned t = 0; c.slab && t < threads; t++) wh_slab_close(&c.slab[t]);
    free(c.slab);
    free(c.loss);
    return st;
}
