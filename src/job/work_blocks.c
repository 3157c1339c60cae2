/* src/job/work_blocks.c - a tile that becomes blocks of GGUF.
 *
 * Rows are encoded whole or in parts of whole blocks, decoded again and measured. Not here: the
 * blocks (src/pack), which type (gguf_settle.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/work_blocks.h"

#include <inttypes.h>
#include <math.h>

#include "job/gguf_out.h"
#include "job/method.h"
#include "job/report.h"
#include "job/work_solved.h"
#include "quant/matrix.h"

/* Rows of the tile that have the same importance: those of one expert. */
typedef struct part {
    size_t first, rows;
    const float *importance;
} part;

static part part_at(const whit_plan *p, size_t i, const wh_rect *rect, size_t k)
{
    const wh_gguf_tensor *t = &p->gguf->tensor[i];
    const float *importance = wh_fold_importance(p, i, t->importance);
    const uint64_t each = t->rows / t->matrices, row = rect->r0 + k, expert = row / each;
    const uint64_t end = (expert + 1) * each - rect->r0;
    return (part){ k, (size_t)((end < rect->rows ? end : rect->rows) - k),
                   importance ? importance + expert * t->cols + rect->c0 : NULL };
}

/* NaN and infinities, each block by itself: its largest finite value is what they are clamped to.
 */
static uint64_t clean(whit_nonfinite policy, float *w, size_t n, size_t unit)
{
    uint64_t changed = 0;
    for (size_t i = 0; i < n; i += unit) {
        float limit = 0.0f;
        for (size_t k = 0; k < unit; k++)
            if (isfinite(w[i + k])) limit = fmaxf(limit, fabsf(w[i + k]));
        changed += wh_clean(w + i, unit, policy, limit, w + i);
    }
    return changed;
}

static whit_status check_finite(const float *w, const wh_rect *rect, whit_error *err)
{
    const size_t n = (size_t)(rect->rows * rect->cols);
    size_t bad = 0;
    while (bad < n && isfinite(w[bad])) bad++;
    if (bad == n) return WHIT_OK;
    wh_tile t = { .w = w,
                  .rows = (size_t)rect->rows,
                  .cols = (size_t)rect->cols,
                  .row0 = rect->r0,
                  .col0 = rect->c0 };
    return wh_tile_not_finite(&t, err);
}

/* Which of the rows it was that some could not be encoded for. */
static whit_status name_row(const whit_plan *p, size_t i, const wh_rect *rect, const part *rows,
                            const float *w, uint8_t *out, whit_error *err)
{
    const whit_block block = p->entry[i].scheme.block;
    size_t k = 0;
    while (k + 1 < rows->rows &&
           whit_block_encode(block, p->search, w + k * rect->cols, 1, (size_t)rect->cols,
                             rows->importance, out, NULL) == WHIT_OK)
        k++;
    return wh_fail(err, WHIT_ERR_NUMERIC,
                   "row %" PRIu64 ": a scale of %s is beyond F16; try: --rule 'NAME=f32'",
                   rect->r0 + rows->first + k, whit_block_describe(block)->lower);
}

static whit_status encode(const whit_plan *p, size_t i, const wh_rect *rect, const float *w,
                          uint8_t *out, whit_error *err)
{
    const whit_block block = p->entry[i].scheme.block;
    const whit_block_info *info = whit_block_describe(block);
    const size_t cols = (size_t)rect->cols, row = cols / info->weights * info->bytes;
    for (size_t k = 0; k < rect->rows;) {
        const part same = part_at(p, i, rect, k);
        whit_status st = whit_block_encode(block, p->search, w + k * cols, same.rows, cols,
                                           same.importance, out + k * row, err);
        if (st == WHIT_ERR_NUMERIC)
            st = name_row(p, i, rect, &same, w + k * cols, out + k * row, err);
        if (st != WHIT_OK) return st;
        k += same.rows;
    }
    return WHIT_OK;
}

whit_status wh_work_blocks(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                           whit_error *err)
{
    const whit_plan *p = r->plan;
    const whit_block_info *info = whit_block_describe(p->entry[i].scheme.block);
    const size_t n = (size_t)(rect->rows * rect->cols);
    const uint64_t row = p->gguf->tensor[i].cols / info->weights * info->bytes;
    const size_t bytes = n / info->weights * info->bytes;
    whit_status st = wh_work_read(r, i, rect, w, err);
    if (st != WHIT_OK) return st;
    if (p->nonfinite != WHIT_NONFINITE_REFUSE)
        w->stats.nonfinite = clean(p->nonfinite, w->w, n, info->weights);
    st = check_finite(w->w, rect, err);
    if (st == WHIT_OK)
        st = wh_work_solved(p, i) ? wh_work_fetch_blocks(p, i, rect, w->out, err)
                                  : encode(p, i, rect, w->w, w->out, err);
    if (st == WHIT_OK)
        st =
            whit_block_decode(p->entry[i].scheme.block, w->out, n / info->weights, w->scratch, err);
    if (st == WHIT_OK)
        st = wh_convert_measure(w->w, w->scratch, n, rect, "--rule 'NAME=bf16'", "--nonfinite zero",
                                &w->stats, err);
    if (st != WHIT_OK) return wh_plan_blame(p, i, st, err);
    return wh_work_write(r, w, p->spot[i][0],
                         rect->r0 * row + rect->c0 / info->weights * info->bytes, w->out, bytes,
                         err);
}
