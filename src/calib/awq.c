/* src/calib/awq.c - the search of AWQ's scales, and what it tries: formats, encoded and decoded.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/awq.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/power.h"
#include "kernels/context.h"

#define LEAST 1e-4
#define ROWS 16 /* that a thread encodes at once */

/* ---- formats ---- */

typedef struct coding {
    const wh_awq_format *format;
    const float *w, *importance;
    float *out;
    size_t rows, cols, each;
    size_t scales;  /* of a row, at most */
    uint8_t *codes; /* [threads][each][cols], or blocks */
    float *scale;
    uint8_t *zero;
    atomic_size_t next;
    struct coding_error {
        whit_error err;
        size_t row;
    } * failed; /* [threads] */
} coding;

static whit_status code_rows(const coding *c, unsigned t, size_t row, size_t rows, whit_error *err)
{
    const wh_awq_format *f = c->format;
    const float *w = c->w + row * c->cols;
    float *out = c->out + row * c->cols, *scale = c->scale + t * c->each * c->scales;
    uint8_t *codes = c->codes + t * c->each * c->cols, *zero = c->zero + t * c->each * c->scales;
    if (f->block != WHIT_BLOCK_NONE) {
        const size_t blocks = rows * c->cols / whit_block_describe(f->block)->weights;
        const whit_status st = whit_block_encode(f->block, WHIT_SEARCH_BEST, w, rows, c->cols,
                                                 c->importance, codes, err);
        return st != WHIT_OK ? st : whit_block_decode(f->block, codes, blocks, out, err);
    }
    if (!f->spec.scheme.asym) zero = NULL;
    whit_status st = whit_quantize(w, rows, c->cols, &f->spec, codes, scale, zero, NULL, err);
    for (size_t i = 0; f->spec.scheme.kind == WHIT_NVFP4 && i < rows * c->scales; i++)
        scale[i] *= f->spec.scale2;
    if (st != WHIT_OK) return st;
    return whit_dequantize(codes, scale, zero, rows, c->cols, &f->spec.scheme, out, err);
}

static void code_part(void *ctx, unsigned t, unsigned threads)
{
    coding *c = ctx;
    (void)threads;
    for (;;) {
        const size_t row = atomic_fetch_add(&c->next, 1) * c->each;
        whit_error err = { WHIT_OK, "" };
        if (row >= c->rows) return;
        const size_t left = c->rows - row;
        if (code_rows(c, t, row, left < c->each ? left : c->each, &err) == WHIT_OK) continue;
        if (c->failed[t].err.code != WHIT_OK && c->failed[t].row < row) continue;
        c->failed[t].err = err;
        c->failed[t].row = row;
    }
}

/* The error of the lowest rows. */
static whit_status verdict(const coding *c, unsigned threads, whit_error *err)
{
    const struct coding_error *first = NULL;
    for (unsigned t = 0; t < threads; t++)
        if (c->failed[t].err.code != WHIT_OK && (!first || c->failed[t].row < first->row))
            first = &c->failed[t];
    if (!first) return WHIT_OK;
    return wh_fail(err, first->err.code, "rows from %zu: %.200s", first->row, first->err.msg);
}

whit_status wh_awq_decoded(whit_context *context, const wh_awq_format *format, const float *w,
                           size_t rows, size_t cols, const float *importance, float *out,
                           whit_error *err)
{
    const whit_scheme *s = &format->spec.scheme;
    whit_status st = WHIT_OK;
    uint64_t r, k = 1;
    if (rows == 0 || cols == 0) return WHIT_OK;
    coding c = { .format = format, .w = w, .importance = importance, .out = out, .rows = rows };
    c.cols = cols;
    c.each = ROWS;
    if (format->block == WHIT_BLOCK_NONE) {
        if (s->gran == WHIT_GRAN_TENSOR || s->gran == WHIT_GRAN_BLOCK) c.each = rows;
        whit_scheme_scales(s, 1, cols, &r, &k);
    }
    const unsigned threads = c.each < rows ? whit_context_threads(context) : 1;
    c.scales = (size_t)k;
    c.codes = wh_alloc_aligned(threads * c.each, 2 * cols);
    c.scale = wh_alloc_aligned(threads * c.each, c.scales * sizeof *c.scale);
    c.zero = wh_alloc_aligned(threads * c.each, c.scales);
    c.failed = wh_calloc(threads, sizeof *c.failed);
    if (!c.codes || !c.scale || !c.zero || !c.failed) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for codes of %zu columns", cols);
    } else if (threads == 1) {
        code_part(&c, 0, 1);
        st = verdict(&c, 1, err);
    } else {
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, code_part, &c);
        pthread_mutex_unlock(&context->lock);
        st = verdict(&c, threads, err);
    }
    wh_free_aligned(c.codes);
    wh_free_aligned(c.scale);
    wh_free_aligned(c.zero);
    free(c.failed);
    return st;
}

/* ---- scales ---- */

typedef struct search {
    whit_context *context;
    const wh_gptq_base *base;
    const wh_awq_layer *layers;
    size_t count, cols;
    const wh_awq_format *format;
    float *scaled, *decoded; /* [rows of the largest][cols] */
    float *importance;       /* [cols] */
    size_t *layer;           /* of the result */
} search;

/* The error of all layers with those scales. */
static whit_status try_scales(const search *s, const float *t, double *loss, whit_error *err)
{
    const size_t cols = s->cols;
    whit_status st = WHIT_OK;
    *loss = 0;
    for (size_t j = 0; j < cols; j++)
        s->importance[j] = s->base->weight[s->base->place[j]] / (t[j] * t[j]);
    for (size_t l = 0; l < s->count && st == WHIT_OK; l++) {
        const wh_awq_layer *layer = &s->layers[l];
        double sum = 0;
        *s->layer = l;
        for (size_t r = 0; r < layer->rows; r++)
            for (size_t j = 0; j < cols; j++)
                s->scaled[r * cols + j] = layer->w[r * cols + j] * t[j];
        st = wh_awq_decoded(s->context, s->format, s->scaled, layer->rows, cols, s->importance,
                            s->decoded, err);
        if (st != WHIT_OK) return st;
        for (size_t r = 0; r < layer->rows; r++)
            for (size_t j = 0; j < cols; j++)
                s->decoded[r * cols + j] = layer->w[r * cols + j] - s->decoded[r * cols + j] / t[j];
        st = wh_gptq_loss(s->context, s->base, s->decoded, layer->rows, NULL, &sum, err);
        *loss += sum;
    }
    return st;
}

/* w_j, of the rows of all layers. */
static void mean_weights(const search *s, double *mean)
{
    const whit_block_info *info = whit_block_describe(s->format->block);
    const size_t wanted = info ? info->weights : s->format->spec.scheme.group;
    const size_t group = wanted && wanted < s->cols ? wanted : s->cols;
    size_t rows = 0;
    memset(mean, 0, s->cols * sizeof *mean);
    for (size_t l = 0; l < s->count; l++)
        for (size_t r = 0; r < s->layers[l].rows; r++, rows++) {
            const float *w = s->layers[l].w + r * s->cols;
            for (size_t c = 0; c < s->cols; c += group) {
                const size_t end = s->cols - c < group ? s->cols : c + group;
                float most = 0; /* a NaN is no largest */
                for (size_t j = c; j < end; j++) most = fabsf(w[j]) > most ? fabsf(w[j]) : most;
                const double scale = (double)most + 1e-6;
                for (size_t j = c; j < end; j++) mean[j] += fabs((double)w[j]) / scale;
            }
        }
    for (size_t j = 0; j < s->cols && rows > 0; j++) mean[j] /= (double)rows;
}

/* t for r = k / 20. */
static void scales(const float *x, const double *w, size_t cols, unsigned k, float *t)
{
    const double r = (double)k / WH_AWQ_GRID;
    double least = INFINITY, most = 0;
    for (size_t j = 0; j < cols; j++) {
        double v = wh_power((double)x[j], r);
        if (w) v /= wh_power(w[j], 1 - r) + 1e-4;
        v = v > LEAST ? v : LEAST;
        least = fmin(least, v);
        most = fmax(most, v);
        t[j] = (float)v;
    }
    const double middle = sqrt(least * most);
    for (size_t j = 0; j < cols; j++) {
        t[j] = (float)((double)t[j] / middle);
        if (!isnormal(t[j])) t[j] = 1.0f;
    }
}

whit_status wh_scales_tried(whit_status st, const whit_error *tried, double *loss, whit_error *err)
{
    if (st == WHIT_ERR_NUMERIC) *loss = INFINITY;
    if (st == WHIT_OK || st == WHIT_ERR_NUMERIC) return WHIT_OK;
    if (err) *err = *tried;
    return st;
}

static whit_status walk(const search *s, const float *mean, const double *w, float *next, float *t,
                        wh_awq_result *out, whit_error *err)
{
    for (size_t j = 0; j < s->cols; j++) t[j] = 1.0f;
    whit_status st = try_scales(s, t, &out->before, err);
    out->after = out->before;
    out->ratio = -1;
    for (unsigned k = 0; k < WH_AWQ_GRID && st == WHIT_OK; k++) {
        scales(mean, w, s->cols, k, next);
        whit_error tried = { WHIT_OK, "" };
        st = try_scales(s, next, &out->loss[k], &tried);
        st = wh_scales_tried(st, &tried, &out->loss[k], err);
        if (st != WHIT_OK || !(out->loss[k] < out->after)) continue;
        out->after = out->loss[k];
        out->ratio = (double)k / WH_AWQ_GRID;
        memcpy(t, next, s->cols * sizeof *t);
    }
    return st;
}

whit_status wh_awq_search(whit_context *context, const wh_gptq_base *base, const float *mean,
                          const wh_awq_layer *layers, size_t count, const wh_awq_format *format,
                          int weights, float *t, wh_awq_result *result, whit_error *err)
{
    const size_t cols = base->cols;
    size_t rows = 0;
    wh_awq_result own;
    search s = { context, base, layers, count, cols, format, NULL, NULL, NULL, NULL };
    for (size_t l = 0; l < count; l++) rows = layers[l].rows > rows ? layers[l].rows : rows;
    s.scaled = wh_alloc_aligned(rows, cols * sizeof *s.scaled);
    s.decoded = wh_alloc_aligned(rows, cols * sizeof *s.decoded);
    s.importance = wh_calloc(cols, sizeof *s.importance);
    float *next = wh_calloc(cols, sizeof *next);
    double *w = wh_calloc(cols, sizeof *w);
    whit_status st = WHIT_OK;
    if (!result) result = &own;
    memset(result, 0, sizeof *result);
    s.layer = &result->layer;
    if (!s.scaled || !s.decoded || !s.importance || !next || !w) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows of %zu columns", rows, cols);
    } else {
        if (weights) mean_weights(&s, w);
        st = walk(&s, mean, weights ? w : NULL, next, t, result, err);
    }
    wh_free_aligned(s.scaled);
    wh_free_aligned(s.decoded);
    free(s.importance);
    free(next);
    free(w);
    return st;
}
