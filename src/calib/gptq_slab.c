/* src/calib/gptq_slab.c - the rows that a thread has in hand, and their products with panels.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_slab.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"

#define ROWS WH_GPTQ_ROWS
#define AHEAD 4   /* rows of W that are asked for before they are read */
#define CHUNK 384 /* columns of e at once: they stay in the second cache from panel to panel */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- memory ---- */

/* Panels of the widest span: a panel more than its columns need where it begins inside one. */
static size_t most_panels(const wh_gptq_base *base, const wh_gptq_target *t)
{
    const size_t wide = t->group > WH_GPTQ_SPAN ? t->group : WH_GPTQ_SPAN;
    return smaller(wide / WH_PANEL + 2, base->panels);
}

whit_status wh_slab_open(wh_slab *s, const wh_gptq_job *job, const wh_gptq_target *target,
                         const wh_variant *tile, whit_error *err)
{
    const wh_gptq_base *base = job->base;
    const size_t cols = base->cols, group = smaller(target->group, cols);
    const size_t bytes = cols * ROWS * sizeof(float);
    const size_t most = most_panels(base, target), sums = most * WH_PANEL * ROWS;
    *s = (wh_slab){ .base = base, .job = job, .target = target, .tile = tile, .most = most };
    s->ops = wh_gptq_lanes_select();
    s->w = wh_pages_alloc(bytes);
    s->e = wh_pages_alloc(bytes);
    s->codes = wh_alloc_aligned(cols, ROWS);
    s->grid = wh_alloc_aligned((cols + target->sub - 1) / target->sub, sizeof *s->grid);
    s->sums = wh_alloc_aligned(sums, sizeof *s->sums);
    s->saved = wh_alloc_aligned(sums, sizeof *s->saved);
    s->done = wh_calloc(most, sizeof *s->done);
    s->v = wh_alloc_aligned(group, ROWS * sizeof *s->v);
    s->weight = wh_alloc_aligned(group, sizeof *s->weight);
    s->scratch = wh_alloc_aligned(group, sizeof *s->scratch);
    s->out = wh_alloc_aligned(group, ROWS);
    const size_t other = job->refit && cols > WH_GPTQ_SPAN ? cols : WH_GPTQ_SPAN;
    s->other_bytes = job->passes || job->refit ? other * ROWS * sizeof *s->other : 0;
    if (s->other_bytes) s->other = wh_pages_alloc(s->other_bytes);
    if (s->w && s->e && s->codes && s->grid && s->sums && s->saved && s->done && s->v &&
        s->weight && s->scratch && s->out && (s->other || !s->other_bytes))
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %d rows of %zu columns", ROWS, cols);
}

void wh_slab_close(wh_slab *s)
{
    wh_pages_free(s->w, s->base ? s->base->cols * ROWS * sizeof *s->w : 0);
    wh_pages_free(s->e, s->base ? s->base->cols * ROWS * sizeof *s->e : 0);
    wh_pages_free(s->other, s->other_bytes);
    wh_free_aligned(s->codes);
    wh_free_aligned(s->grid);
    wh_free_aligned(s->sums);
    wh_free_aligned(s->saved);
    free(s->done);
    wh_free_aligned(s->v);
    wh_free_aligned(s->weight);
    wh_free_aligned(s->scratch);
    wh_free_aligned(s->out);
}

/* ---- rows ---- */

/* Columns [k0, k1) of the slab's weights. In W they are near each other, unless columns are sorted
 * all together. */
static void gather(wh_slab *s, size_t k0, size_t k1)
{
    const size_t cols = s->base->cols;
    size_t low = cols, high = 0;
    for (size_t k = k0; k < k1; k++) {
        const size_t at = s->base->order[k];
        low = at < low ? at : low;
        high = at > high ? at : high;
    }
    const size_t fetched = high - low < 2 * WH_GPTQ_SPAN ? high + 1 : low;
    for (size_t r = 0; r < s->rows; r++) {
        const float *w = s->job->w + (s->row + r) * cols, *ahead = w + AHEAD * cols;
        for (size_t at = low; r + AHEAD < s->rows && at < fetched; at += WH_PANEL)
            __builtin_prefetch(ahead + at);
        for (size_t k = k0; k < k1; k++) s->w[k * ROWS + r] = w[s->base->order[k]];
    }
    for (size_t k = k0; k < k1; k++)
        memset(s->w + k * ROWS + s->rows, 0, (s->lanes - s->rows) * sizeof *s->w);
}

void wh_slab_take(wh_slab *s, size_t row, size_t rows)
{
    const size_t cols = s->base->cols, grids = (cols + s->target->sub - 1) / s->target->sub;
    s->row = row;
    s->rows = rows;
    s->lanes = (rows + WH_PANEL - 1) / WH_PANEL * WH_PANEL;
    s->first = s->panels = 0;
    for (size_t k = 0; k < cols; k += WH_GPTQ_SPAN) gather(s, k, smaller(k + WH_GPTQ_SPAN, cols));
    memset(s->e, 0, cols * ROWS * sizeof *s->e);
    memset(s->codes, 0, cols * ROWS);
    memset(s->loss, 0, sizeof s->loss);
    for (size_t g = 0; g < grids; g++)
        for (size_t r = 0; r < ROWS; r++) {
            s->grid[g].step[r] = 1.0f;
            s->grid[g].base[r] = s->grid[g].lo[r] = s->grid[g].hi[r] = s->grid[g].offset[r] = 0.0f;
        }
}

/* ---- sums ---- */

/* Strip number i: where its sums begin, and how many rows it has. */
static float *strip_sums(const wh_slab *s, size_t i, size_t *tokens)
{
    const size_t width = s->tile->tokens, row = i * width;
    *tokens = smaller(width, s->rows - row);
    return s->sums + row * s->most * WH_PANEL;
}

static size_t strips(const wh_slab *s)
{
    return (s->rows + s->tile->tokens - 1) / s->tile->tokens;
}

void wh_slab_span(wh_slab *s, size_t from, size_t to)
{
    const size_t first = from / WH_PANEL, panels = (to + WH_PANEL - 1) / WH_PANEL - first;
    const int shared = s->panels > 0 && first == s->first + s->panels - 1;
    const size_t last = s->panels - 1, kept = shared ? s->done[last] : 0;
    for (size_t i = 0; i < strips(s); i++) {
        size_t tokens;
        float *sums = strip_sums(s, i, &tokens);
        const size_t each = tokens * WH_PANEL, had = shared ? each : 0;
        if (shared) memmove(sums, sums + last * each, each * sizeof *sums);
        memset(sums + had, 0, (panels * each - had) * sizeof *sums);
    }
    memset(s->done, 0, panels * sizeof *s->done);
    s->done[0] = kept;
    s->first = first;
    s->panels = panels;
}

void wh_slab_save(const wh_slab *s, size_t p0, size_t p1, int back)
{
    for (size_t i = 0; i < strips(s); i++) {
        size_t tokens;
        float *sums = strip_sums(s, i, &tokens);
        sums += (p0 - s->first) * tokens * WH_PANEL;
        float *saved = s->saved + (sums - s->sums);
        const size_t bytes = (p1 - p0) * tokens * WH_PANEL * sizeof *sums;
        memcpy(back ? sums : saved, back ? saved : sums, bytes);
    }
}

/* Part number i of `parts` of what the next tiles read. */
static void fetch(wh_slab_matrix m, size_t panels, size_t p, size_t k, size_t n, size_t i,
                  size_t parts)
{
    for (size_t q = 0; q < panels; q++) {
        const float *row = wh_slab_panel_row(m, (p + q) * WH_PANEL, k);
        for (size_t j = n * i / parts; j < n * (i + 1) / parts; j++)
            __builtin_prefetch(row + j * WH_PANEL, 0, 2);
    }
}

void wh_slab_multiply(const wh_slab *s, wh_slab_matrix m, const float *x, size_t x_cols,
                      size_t x_first, size_t p0, size_t p1, size_t from, size_t to)
{
    const size_t width = s->tile->tokens, step = s->tile->panels, count = strips(s);
    for (size_t k = from; k < to; k += CHUNK)
        for (size_t p = p0; p < p1; p += step) {
            wh_tile_args a = { .panels = smaller(step, p1 - p), .n = smaller(CHUNK, to - k) };
            const size_t next_p = p + step < p1 ? p + step : p0;
            const size_t next_k = p + step < p1 ? k : smaller(k + CHUNK, to);
            for (size_t q = 0; q < a.panels; q++)
                a.value[q] = wh_slab_panel_row(m, (p + q) * WH_PANEL, k);
            for (size_t i = 0; i < count; i++) {
                fetch(m, smaller(step, p1 - next_p), next_p, next_k, smaller(CHUNK, to - next_k), i,
                      count);
                a.sums = strip_sums(s, i, &a.tokens);
                a.sums += (p - s->first) * a.tokens * WH_PANEL;
                a.x = x + i * width * x_cols + (k - x_first) * a.tokens;
                s->tile->tile(&a);
            }
        }
}

void wh_slab_advance(wh_slab *s, size_t p0, size_t p1, size_t to)
{
    size_t *done = s->done - s->first;
    for (size_t p = p0, end; p < p1; p = end) {
        for (end = p + 1; end < p1 && done[end] == done[p];) end++;
        if (done[p] >= to) continue;
        wh_slab_multiply(s, wh_slab_r(s), s->e, s->base->cols, 0, p, end, done[p], to);
        for (size_t i = p; i < end; i++) done[i] = to;
    }
}

/* ---- columns ---- */

void wh_slab_fetch(const wh_slab *s, size_t k0, size_t k1, wh_slab_columns *out)
{
    const size_t panel = k0 / WH_PANEL - s->first, c0 = k0 % WH_PANEL;
    for (size_t i = 0, r = 0; i < strips(s); i++) {
        size_t tokens;
        const float *sums = strip_sums(s, i, &tokens);
        sums += panel * tokens * WH_PANEL + c0;
        for (size_t j = 0; j < tokens; j++, r++, sums += WH_PANEL)
            for (size_t c = 0; c < k1 - k0; c++) out->at[c][r] = sums[c];
    }
    for (size_t c = 0; c < k1 - k0; c++)
        memset(out->at[c] + s->rows, 0, (s->lanes - s->rows) * sizeof(float));
}

void wh_slab_put(const wh_slab *s, float *x, size_t x_cols, size_t k, const float *column)
{
    const size_t width = s->tile->tokens;
    for (size_t r = 0; r < s->rows; r += width) {
        const size_t tokens = smaller(width, s->rows - r);
        memcpy(x + r * x_cols + k * tokens, column + r, tokens * sizeof *x);
    }
}

void wh_slab_get(const wh_slab *s, const float *x, size_t x_cols, size_t k, float *column)
{
    const size_t width = s->tile->tokens;
    for (size_t r = 0; r < s->rows; r += width) {
        const size_t tokens = smaller(width, s->rows - r);
        memcpy(column + r, x + r * x_cols + k * tokens, tokens * sizeof *x);
    }
    memset(column + s->rows, 0, (s->lanes - s->rows) * sizeof *column);
}
