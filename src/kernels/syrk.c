/* src/kernels/syrk.c - whit_syrk: H += X^T X, the upper triangle.
 *
 * The chain of kernels.h with columns of X on both sides: sixteen columns are the values of a
 * panel, as many as the tile is wide are a strip. Tokens come in blocks, which only keeps them in
 * the cache: a block goes on where the one before left h. A tile on the diagonal writes what is
 * above it, so the rest of h is never touched. Threads own parts of the triangle of equal work.
 *
 * Source of the loop order: Goto and van de Geijn 2008, Anatomy of High-Performance Matrix
 * Multiplication; of the split by output: kernels.md 7.2.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/context.h"

#include <string.h>

#include "base/mem.h"

#define TOKENS 512 /* most in a block: what is moved of h is then little beside the products */
#define ROWS 240   /* of h at once: their strips take 480 KiB of the second-level cache */
#define CHUNK 16   /* tokens copied side by side */

typedef struct product {
    const wh_variant *tile;
    const float *x; /* [tokens][cols], a block */
    float *h;
    size_t tokens, cols;
    float *values; /* [panel][tokens][16], zeros beyond cols */
    float *strips; /* [strip][tokens][columns of the strip] */
    float *sums;   /* [thread][panel][column of the strip][16] */
} product;

static size_t panel_count(size_t cols)
{
    return (cols + WH_PANEL - 1) / WH_PANEL;
}

static size_t tile_floats(const wh_variant *tile)
{
    return (size_t)tile->panels * tile->tokens * WH_PANEL;
}

/* ---- copies ---- */

static void copy(float *to, const float *from, size_t n)
{
    if (n == WH_PANEL)
        memcpy(to, from, WH_PANEL * sizeof *to); /* known size: no call */
    else
        memcpy(to, from, n * sizeof *to);
}

static void pack_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const size_t cols = call->cols, width = call->tile->tokens;
    size_t begin, end;
    wh_pool_split(call->tokens, CHUNK, t, threads, &begin, &end);
    for (size_t k0 = begin; k0 < end; k0 += CHUNK) {
        const size_t k1 = end - k0 < CHUNK ? end : k0 + CHUNK;
        for (size_t c = 0; c < cols; c += WH_PANEL) {
            const size_t n = cols - c < WH_PANEL ? cols - c : WH_PANEL;
            for (size_t k = k0; k < k1; k++) {
                float *out = call->values + c * call->tokens + k * WH_PANEL;
                copy(out, call->x + k * cols + c, n);
                memset(out + n, 0, (WH_PANEL - n) * sizeof *out);
            }
        }
        for (size_t c = 0; c < cols; c += width) {
            const size_t n = cols - c < width ? cols - c : width;
            for (size_t k = k0; k < k1; k++)
                copy(call->strips + c * call->tokens + k * n, call->x + k * cols + c, n);
        }
    }
}

/* ---- products ---- */

/* A tile's place: rows [row, row + rows) of h, `panels` panels from column `col` on. */
typedef struct place {
    size_t row, rows, col, panels;
} place;

/* What of the tile is above the diagonal, from h into sums or back. */
static void move_sums(const product *call, float *sums, place at, int back)
{
    for (size_t q = 0; q < at.panels; q++)
        for (size_t i = 0; i < at.rows; i++, sums += WH_PANEL) {
            const size_t row = at.row + i, col = at.col + q * WH_PANEL;
            const size_t end = call->cols - col < WH_PANEL ? call->cols : col + WH_PANEL;
            const size_t first = row < col ? col : row < end ? row : end;
            float *h = call->h + row * call->cols + first, *sum = sums + (first - col);
            if (back) {
                copy(h, sum, end - first);
                continue;
            }
            if (end - first < WH_PANEL) memset(sums, 0, WH_PANEL * sizeof *sums);
            copy(sum, h, end - first);
        }
}

/* Rows [row, end) of h, as far as they reach above the diagonal, by the panels from col on. */
static void multiply(const product *call, float *sums, size_t row, size_t end, size_t col)
{
    const size_t width = call->tile->tokens, left = panel_count(call->cols) - col / WH_PANEL;
    const size_t panels = left < call->tile->panels ? left : call->tile->panels;
    wh_tile_args a = { .panels = panels, .n = call->tokens, .sums = sums };
    for (size_t q = 0; q < panels; q++)
        a.value[q] = call->values + (col + q * WH_PANEL) * call->tokens;
    if (end > col + panels * WH_PANEL) end = col + panels * WH_PANEL;
    for (; row < end; row += width) {
        a.tokens = call->cols - row < width ? call->cols - row : width;
        a.x = call->strips + row * call->tokens;
        const place at = { row, a.tokens, col, panels };
        move_sums(call, sums, at, 0);
        call->tile->tile(&a);
        move_sums(call, sums, at, 1);
    }
}

/* Strips above the diagonal among rows [row, end), for columns below `right`: the work. */
static size_t strips_of(size_t row, size_t end, size_t right, size_t width)
{
    if (end > right) end = right;
    return end > row ? (end - row + width - 1) / width : 0;
}

/* Walks the triangle's parts; does those whose first strip is one of [from, to). Returns how many
 * strips there are. */
static size_t walk(const product *call, float *sums, size_t from, size_t to)
{
    const size_t width = call->tile->tokens, wide = call->tile->panels * (size_t)WH_PANEL;
    const size_t rows = (ROWS + width - 1) / width * width;
    size_t done = 0;
    for (size_t row = 0; row < call->cols; row += rows) {
        const size_t end = call->cols - row < rows ? call->cols : row + rows;
        for (size_t col = row / wide * wide; col < call->cols; col += wide) {
            if (done >= from && done < to) multiply(call, sums, row, end, col);
            done += strips_of(row, end, col + wide, width);
        }
    }
    return done;
}

static void tiles_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const size_t all = walk(call, NULL, 0, 0);
    walk(call, call->sums + t * tile_floats(call->tile), all * t / threads,
         all * (t + 1) / threads);
}

/* ---- the call ---- */

/* Floats of scratch: values, strips, sums. */
static whit_status reserve(whit_context *c, product *call, size_t tokens, whit_error *err)
{
    const size_t most = tokens < TOKENS ? tokens : TOKENS;
    const size_t sums = wh_pool_threads(c->pool) * tile_floats(call->tile);
    const size_t side = panel_count(call->cols) * WH_PANEL;
    uint64_t bytes;
    if (!wh_mul_u64(side, 2 * most * sizeof(float), &bytes) ||
        !wh_add_u64(bytes, sums * sizeof(float), &bytes) || bytes > SIZE_MAX)
        return wh_fail(err, WHIT_ERR_NOMEM, "whit_syrk: %zu columns fit in no memory", call->cols);
    const whit_status st = wh_context_reserve(c, (size_t)bytes, err);
    if (st != WHIT_OK) return st;
    call->values = c->scratch;
    call->strips = call->values + side * most;
    call->sums = call->strips + side * most;
    return WHIT_OK;
}

whit_status whit_syrk(whit_context *context, const float *x, size_t tokens, size_t cols, float *h,
                      whit_error *err)
{
    if (!context || (tokens > 0 && cols > 0 && (!x || !h)))
        return wh_fail(err, WHIT_ERR_ARG, "whit_syrk: context, x or h is null");
    if (tokens == 0 || cols == 0) return WHIT_OK;
    const size_t parts = (tokens + TOKENS - 1) / TOKENS;
    product call = { .tile = context->kernels.op[WH_TILE_CHAIN], .h = h, .cols = cols };
    pthread_mutex_lock(&context->lock);
    const whit_status st = reserve(context, &call, tokens, err);
    for (size_t i = 0, done = 0; st == WHIT_OK && i < parts; i++, done += call.tokens) {
        call.x = x + done * cols;
        call.tokens = (tokens - done) / (parts - i);
        wh_pool_run(context->pool, pack_part, &call);
        wh_pool_run(context->pool, tiles_part, &call);
    }
    pthread_mutex_unlock(&context->lock);
    return st;
}
