/* src/calib/gptq_base.c - what layers with the same inputs share: the order of their columns, the
 * factor of H, and H, both in the panels that the tiles read.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "calib/hessian.h"
#include "kernels/context.h"

/* ---- the order ---- */

typedef struct run {
    double key;
    uint32_t column, columns;
} run;

static int by_key(const void *a, const void *b)
{
    const run *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static double diagonal(const double *triangle, size_t cols, size_t column)
{
    return triangle[wh_triangle_row(cols, column)];
}

/* Columns [first, first + n), largest mean square first; equal ones as they are. */
static void sort_columns(const double *triangle, size_t cols, run *list, uint32_t first, size_t n)
{
    for (uint32_t i = 0; i < n; i++)
        list[i] = (run){ diagonal(triangle, cols, first + i), first + i, 1 };
    qsort(list, n, sizeof *list, by_key);
}

static whit_status sort(wh_gptq_base *base, const double *triangle, whit_error *err)
{
    const size_t cols = base->cols, group = base->group;
    run *groups = wh_calloc((cols + group - 1) / group, sizeof *groups);
    run *list = wh_calloc(group, sizeof *list);
    size_t count = 0, at = 0;
    if (!groups || !list) {
        free(groups);
        free(list);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an order of %zu columns", cols);
    }
    for (size_t c = 0; c < cols; c += group) {
        run *g = &groups[count++];
        *g = (run){ 0, (uint32_t)c, (uint32_t)(cols - c < group ? cols - c : group) };
        for (size_t i = 0; i < g->columns; i++) {
            const double d = diagonal(triangle, cols, c + i);
            if (d > g->key) g->key = d;
        }
    }
    qsort(groups, count, sizeof *groups, by_key);
    for (size_t g = 0; g < count; at += groups[g++].columns) {
        sort_columns(triangle, cols, list, groups[g].column, groups[g].columns);
        for (size_t i = 0; i < groups[g].columns; i++) base->order[at + i] = list[i].column;
    }
    free(groups);
    free(list);
    return WHIT_OK;
}

/* ---- panels ---- */

typedef struct packing {
    const wh_gptq_base *base;
    const double *r; /* [cols][cols] */
    const double *diag;
    const double *triangle;
    float *pivot;
} packing;

/* Panels in turns, since those of R get longer. */
static void pack_r(void *ctx, unsigned t, unsigned threads)
{
    const packing *k = ctx;
    const size_t n = k->base->cols;
    for (size_t p = t; p < k->base->panels; p += threads) {
        float *out = k->base->r + 128 * p * (p + 1);
        const size_t first = p * WH_PANEL, end = n - first < WH_PANEL ? n : first + WH_PANEL;
        double pivot[WH_PANEL] = { 0 };
        for (size_t c = first; c < end; c++) {
            pivot[c - first] = k->r[c * (n + 1)];
            k->pivot[c] = (float)pivot[c - first];
        }
        memset(out, 0, (first + WH_PANEL) * WH_PANEL * sizeof *out);
        for (size_t j = 0; j < end; j++) {
            const double *r = k->r + j * n + first;
            for (size_t c = j > first ? j - first : 0; c < end - first; c++)
                out[j * WH_PANEL + c] = (float)(r[c] / pivot[c]);
        }
    }
}

static void pack_h(void *ctx, unsigned t, unsigned threads)
{
    const packing *k = ctx;
    const size_t n = k->base->cols, rows = k->base->panels * WH_PANEL;
    for (size_t p = t; p < k->base->panels; p += threads) {
        float *out = k->base->h + p * rows * WH_PANEL;
        const size_t first = p * WH_PANEL, end = n - first < WH_PANEL ? n : first + WH_PANEL;
        memset(out, 0, rows * WH_PANEL * sizeof *out);
        for (size_t j = 0; j < n; j++)
            for (size_t c = first; c < end; c++) {
                const size_t x = k->base->order[j], y = k->base->order[c];
                const size_t a = x < y ? x : y, b = x < y ? y : x;
                const double v = j == c ? k->diag[c] : k->triangle[wh_triangle_row(n, a) + b - a];
                out[j * WH_PANEL + c - first] = (float)v;
            }
    }
}

/* ---- the calls ---- */

static size_t r_bytes(size_t panels)
{
    return 128 * panels * (panels + 1) * sizeof(float);
}

static size_t h_bytes(size_t panels)
{
    return panels * panels * WH_PANEL * WH_PANEL * sizeof(float);
}

static whit_status allocate(wh_gptq_base *base, int polish, whit_error *err)
{
    const size_t cols = base->cols, p = base->panels;
    base->order = wh_calloc(cols, sizeof *base->order);
    base->place = wh_calloc(cols, sizeof *base->place);
    base->weight = wh_calloc(cols, sizeof *base->weight);
    base->pivot = wh_calloc(cols, sizeof *base->pivot);
    if (p < 1u << 24) base->r = wh_pages_alloc(r_bytes(p));
    if (polish && p < 1u << 24) base->h = wh_pages_alloc(h_bytes(p));
    if (base->order && base->place && base->weight && base->pivot && base->r &&
        (base->h || !polish))
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the factor of %zu columns", cols);
}

static whit_status factor(wh_gptq_base *base, whit_context *context, const double *triangle,
                          double *square, whit_error *err)
{
    const size_t cols = base->cols;
    const size_t bytes = cols * cols * sizeof(double);
    double *r = square ? square : cols < 1u << 28 ? wh_pages_alloc(bytes) : NULL;
    double *diag = wh_calloc(cols, sizeof *diag);
    whit_status st = WHIT_OK;
    if (!r || !diag)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for an H of %zu columns", cols);
    else
        st = wh_factor_damped(context, triangle, base->order, cols, r, diag, &base->damping, err);
    if (st == WHIT_OK) {
        packing k = { base, r, diag, triangle, base->pivot };
        for (size_t i = 0; i < cols; i++) base->weight[i] = (float)diag[i];
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, pack_r, &k);
        if (base->h) wh_pool_run(context->pool, pack_h, &k);
        pthread_mutex_unlock(&context->lock);
    }
    if (!square) wh_pages_free(r, bytes);
    free(diag);
    return st;
}

whit_status wh_gptq_base_make(wh_gptq_base *out, whit_context *context, const double *triangle,
                              size_t cols, const wh_gptq_options *o, whit_error *err)
{
    *out = (wh_gptq_base){ .cols = cols, .panels = (cols + WH_PANEL - 1) / WH_PANEL };
    if (!context || !o || (cols > 0 && !triangle) || cols > UINT32_MAX - WH_PANEL)
        return wh_fail(err, WHIT_ERR_ARG, "wh_gptq_base_make: null, or too many columns");
    out->how = o->order;
    out->group = o->order == WH_GPTQ_GROUPS && o->group > 0 && o->group < cols ? o->group : cols;
    out->damping.lambda = o->lambda;
    if (cols == 0) return WHIT_OK;
    whit_status st = allocate(out, o->polish, err);
    if (st == WHIT_OK && o->order == WH_GPTQ_PLAIN)
        for (uint32_t i = 0; i < cols; i++) out->order[i] = i;
    else if (st == WHIT_OK)
        st = sort(out, triangle, err);
    for (uint32_t i = 0; st == WHIT_OK && i < cols; i++) out->place[out->order[i]] = i;
    if (st == WHIT_OK) st = factor(out, context, triangle, o->square, err);
    if (st != WHIT_OK) wh_gptq_base_free(out);
    return st;
}

void wh_gptq_base_free(wh_gptq_base *base)
{
    free(base->order);
    free(base->place);
    free(base->weight);
    free(base->pivot);
    wh_pages_free(base->r, r_bytes(base->panels));
    wh_pages_free(base->h, h_bytes(base->panels));
    *base = (wh_gptq_base){ 0 };
}
