/* src/job/fold.c - factors that a method folded into weights: applied wherever they are read.
 *
 * SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/method.h"
#include "tensor/cvt.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for factors of weights");
}

static const wh_fold *fold_of(const whit_plan *p, size_t i)
{
    return p->method ? &p->method->fold[i] : NULL;
}

int wh_folded(const whit_plan *p, size_t i)
{
    const wh_fold *f = fold_of(p, i);
    return f && (f->rows || f->cols || f->vector || f->corrected);
}

/* n values from place (row, col) on, which run on into the next rows of `cols`. */
static void apply(const wh_fold *f, int corrected, uint64_t row, uint64_t col, uint64_t cols,
                  float *w, size_t n)
{
    const float *vector = corrected && f->corrected ? f->corrected : f->vector;
    for (size_t k = 0; k < n; k++) {
        if (vector) w[k] = vector[col];
        if (f->cols) w[k] *= f->cols[col];
        if (f->rows) w[k] *= f->rows[row];
        if (++col < cols) continue;
        col = 0;
        row++;
    }
}

static void apply_rect(const whit_plan *p, size_t i, int corrected, const wh_rect *rect, float *w)
{
    const uint64_t cols = p->entry[i].source->cols;
    if (!wh_folded(p, i)) return;
    for (uint64_t r = 0; r < rect->rows; r++)
        apply(fold_of(p, i), corrected, rect->r0 + r, rect->c0, cols, w + r * rect->cols,
              (size_t)rect->cols);
}

void wh_fold_apply(const whit_plan *p, size_t i, const wh_rect *rect, float *w)
{
    apply_rect(p, i, 1, rect, w);
}

whit_status wh_fold_weigh(const whit_plan *p, whit_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        wh_fold *f = &p->method->fold[i];
        const float *plain = p->gguf         ? p->gguf->tensor[i].importance
                             : p->importance ? p->importance->values[i]
                                             : NULL;
        const size_t cols = (size_t)p->entry[i].source->cols;
        const size_t n = cols * (p->gguf ? (size_t)p->gguf->tensor[i].matrices : 1);
        if (!f->cols || !plain) continue;
        if (!f->importance) f->importance = wh_calloc(n, sizeof *f->importance);
        if (!f->importance) return no_memory(err);
        for (size_t k = 0; k < n; k++) {
            const double t = (double)f->cols[k % cols];
            f->importance[k] = (float)fmin((double)plain[k] / (t * t), FLT_MAX);
        }
    }
    return WHIT_OK;
}

const float *wh_fold_importance(const whit_plan *p, size_t i, const float *plain)
{
    const wh_fold *f = fold_of(p, i);
    return f && f->importance ? f->importance : plain;
}

void wh_fold_octets(const whit_plan *p, size_t i, const wh_cvt_ops *cvt, uint64_t at, uint8_t *data,
                    size_t n, float *scratch)
{
    const whit_source_tensor *s = p->entry[i].source;
    const size_t size = whit_dtype_bits(s->tensor.dtype) / 8;
    if (!wh_folded(p, i) || s->stored == WHIT_BLOCKS) return; /* solve_sets.c leaves those alone */
    const size_t count = n / size;
    const uint64_t first = at / size;
    wh_cvt_to_f32(cvt, s->tensor.dtype, data, count, scratch);
    apply(fold_of(p, i), 1, first / s->cols, first % s->cols, s->cols, scratch, count);
    wh_cvt_from_f32(cvt, s->tensor.dtype, scratch, count, data);
}

whit_status wh_fold_read(const whit_plan *p, size_t i, uint64_t row, uint64_t rows, int corrected,
                         float *out, whit_error *err)
{
    const uint64_t cols = p->entry[i].source->cols;
    const wh_rect rect = { row, rows, 0, cols };
    whit_status st = whit_source_read_f32(p->source, i, row, rows, 0, cols, out, err);
    if (st == WHIT_OK) apply_rect(p, i, corrected, &rect, out);
    return st;
}

/* *to becomes what it was times the factors. */
static whit_status multiply(const whit_plan *p, size_t i, wh_part part, float **to,
                            const float *factor, size_t n, whit_error *err)
{
    if (!factor) return WHIT_OK;
    if (!*to) {
        *to = wh_calloc(n, sizeof **to);
        if (!*to) return no_memory(err);
        for (size_t k = 0; k < n; k++) (*to)[k] = 1.0f;
    }
    for (size_t k = 0; k < n; k++) (*to)[k] *= factor[k];
    return wh_solutions_put(&p->method->solutions, i, part, *to, n * sizeof **to, err);
}

whit_status wh_fold_matrix(const whit_plan *p, size_t i, const float *rows, const float *cols,
                           whit_error *err)
{
    wh_fold *f = &p->method->fold[i];
    const whit_source_tensor *s = p->entry[i].source;
    whit_status st = multiply(p, i, WH_PART_ROWS, &f->rows, rows, (size_t)s->rows, err);
    if (st == WHIT_OK) st = multiply(p, i, WH_PART_COLS, &f->cols, cols, (size_t)s->cols, err);
    return st;
}

whit_status wh_fold_vector(const whit_plan *p, size_t i, int corrected, const float *values,
                           whit_error *err)
{
    wh_fold *f = &p->method->fold[i];
    float **to = corrected ? &f->corrected : &f->vector;
    const size_t n = (size_t)p->entry[i].source->tensor.elements;
    if (!*to) *to = wh_calloc(n, sizeof **to);
    if (!*to) return no_memory(err);
    memcpy(*to, values, n * sizeof *values);
    return wh_solutions_put(&p->method->solutions, i,
                            corrected ? WH_PART_CORRECTED : WH_PART_VECTOR, values,
                            n * sizeof *values, err);
}

static whit_status take(const whit_plan *p, size_t i, wh_part part, float **to, uint64_t n,
                        whit_error *err)
{
    const wh_solutions *s = &p->method->solutions;
    if (!wh_solutions_has(s, i, part)) return WHIT_OK;
    if (!*to) *to = wh_calloc(n, sizeof **to);
    if (!*to) return no_memory(err);
    return wh_solutions_get(s, i, part, 0, *to, n * sizeof **to, err);
}

static whit_status take_result(const whit_plan *p, size_t i, whit_error *err)
{
    wh_solved *r = &p->method->solved[i];
    whit_plan_entry *e = &p->entry[i];
    if (!wh_solutions_has(&p->method->solutions, i, WH_PART_RESULT)) return WHIT_OK;
    whit_status st =
        wh_solutions_get(&p->method->solutions, i, WH_PART_RESULT, 0, r, sizeof *r, err);
    if (st != WHIT_OK) return st;
    if (r->fallback >= WH_FALLBACKS || !isfinite(r->range))
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: a record of no run of this plan",
                       p->method->solutions.journal.path);
    if (r->range > 0) wh_method_range(e, (float)r->range);
    return WHIT_OK;
}

whit_status wh_fold_take_up(const whit_plan *p, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        const whit_source_tensor *s = p->entry[i].source;
        const uint64_t n = s->tensor.elements;
        wh_fold *f = &p->method->fold[i];
        st = take(p, i, WH_PART_ROWS, &f->rows, s->rows, err);
        if (st == WHIT_OK) st = take(p, i, WH_PART_COLS, &f->cols, s->cols, err);
        if (st == WHIT_OK) st = take(p, i, WH_PART_VECTOR, &f->vector, n, err);
        if (st == WHIT_OK) st = take(p, i, WH_PART_CORRECTED, &f->corrected, n, err);
        if (st == WHIT_OK) st = take_result(p, i, err);
    }
    return st;
}
