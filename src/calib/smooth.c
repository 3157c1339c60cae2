/* src/calib/smooth.c - SmoothQuant: scales from maxima, and the alpha that a sample prefers.
 *
 * The products are those of the library itself, so what is judged is what will run.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/smooth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/power.h"

#define LEAST 1e-5

void wh_smooth_weights(const float *w, size_t rows, size_t cols, float *most)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < cols; j++) {
            const float v = fabsf(w[r * cols + j]);
            most[j] = v > most[j] ? v : most[j];
        }
}

void wh_smooth_scales(const float *acts, const float *weights, size_t cols, double alpha, float *t)
{
    for (size_t j = 0; j < cols; j++) {
        const double x = fmax((double)acts[j], LEAST), w = fmax((double)weights[j], LEAST);
        const double v = wh_power(x, alpha) / wh_power(w, 1 - alpha);
        t[j] = acts[j] == 0 && weights[j] == 0 ? 1.0f : (float)fmax(v, LEAST);
    }
}

/* ---- the search ---- */

typedef struct search {
    whit_context *context;
    const float *x;
    size_t tokens, cols, rows; /* rows: of the largest layer */
    const wh_awq_layer *layers;
    size_t count;
    float *exact;          /* [tokens][rows of all] */
    float *scaled;         /* [rows][cols] */
    float *divided;        /* [tokens][cols] */
    float *y;              /* [tokens][rows] */
    uint8_t *codes;        /* [rows][cols] */
    float *scale, *weight; /* [rows]; [cols] */
} search;

static whit_status multiply_exact(const search *s, whit_error *err)
{
    float *out = s->exact;
    for (size_t l = 0; l < s->count; l++) {
        whit_weight *w = NULL;
        whit_status st = whit_weight_from_floats(&w, s->context, WHIT_F32, s->layers[l].rows,
                                                 s->cols, s->layers[l].w, err);
        if (st == WHIT_OK)
            st = whit_matmul(s->context, w, WHIT_ACTS_F32, s->x, s->tokens, out, err);
        whit_weight_free(w);
        if (st != WHIT_OK) return st;
        out += s->tokens * s->layers[l].rows;
    }
    return WHIT_OK;
}

/* The product of one layer in 8 bits, with the columns times t. */
static whit_status multiply_coded(const search *s, const wh_awq_layer *layer, const float *t,
                                  whit_error *err)
{
    whit_quant_spec spec = { .struct_size = sizeof spec };
    whit_weight *w = NULL;
    whit_status st = whit_scheme_parse(&spec.scheme, "int8-channel", err);
    for (size_t r = 0; r < layer->rows; r++)
        for (size_t j = 0; j < s->cols; j++)
            s->scaled[r * s->cols + j] = layer->w[r * s->cols + j] * t[j];
    if (st == WHIT_OK)
        st = whit_quantize(s->scaled, layer->rows, s->cols, &spec, s->codes, s->scale, NULL, NULL,
                           err);
    if (st == WHIT_OK)
        st = whit_weight_from_codes(&w, s->context, &spec.scheme, layer->rows, s->cols, s->codes,
                                    s->scale, NULL, err);
    if (st == WHIT_OK)
        st = whit_matmul(s->context, w, WHIT_ACTS_Q8, s->divided, s->tokens, s->y, err);
    whit_weight_free(w);
    return st;
}

static whit_status try_scales(const search *s, const float *t, double *loss, whit_error *err)
{
    const float *exact = s->exact;
    *loss = 0;
    for (size_t i = 0; i < s->tokens; i++)
        for (size_t j = 0; j < s->cols; j++)
            s->divided[i * s->cols + j] = s->x[i * s->cols + j] / t[j];
    for (size_t l = 0; l < s->count; l++) {
        const size_t n = s->tokens * s->layers[l].rows;
        const whit_status st = multiply_coded(s, &s->layers[l], t, err);
        if (st != WHIT_OK) return st;
        for (size_t i = 0; i < n; i++) {
            const double d = (double)exact[i] - (double)s->y[i];
            *loss += d * d;
        }
        exact += n;
    }
    return WHIT_OK;
}

static whit_status walk(const search *s, const float *acts, float *next, float *t,
                        wh_smooth_result *out, whit_error *err)
{
    for (size_t l = 0; l < s->count; l++)
        wh_smooth_weights(s->layers[l].w, s->layers[l].rows, s->cols, s->weight);
    for (size_t j = 0; j < s->cols; j++) t[j] = 1.0f;
    whit_status st = multiply_exact(s, err);
    if (st == WHIT_OK) st = try_scales(s, t, &out->before, err);
    out->after = out->before;
    out->alpha = -1;
    for (int k = 0; k < WH_SMOOTH_GRID && st == WHIT_OK; k++) {
        const double alpha = (double)k / (WH_SMOOTH_GRID - 1);
        wh_smooth_scales(acts, s->weight, s->cols, alpha, next);
        whit_error tried = { WHIT_OK, "" };
        st = try_scales(s, next, &out->loss[k], &tried);
        st = wh_scales_tried(st, &tried, &out->loss[k], err);
        if (st != WHIT_OK || !(out->loss[k] < out->after)) continue;
        out->after = out->loss[k];
        out->alpha = alpha;
        memcpy(t, next, s->cols * sizeof *t);
    }
    return st;
}

whit_status wh_smooth_search(whit_context *context, const float *x, size_t tokens, size_t cols,
                             const float *acts, const wh_awq_layer *layers, size_t count, float *t,
                             wh_smooth_result *result, whit_error *err)
{
    size_t all = 0;
    wh_smooth_result own;
    search s = { context, x, tokens, cols, 0, layers, count, 0, 0, 0, 0, 0, 0, 0 };
    for (size_t l = 0; l < count; l++) {
        all += layers[l].rows;
        s.rows = layers[l].rows > s.rows ? layers[l].rows : s.rows;
    }
    s.exact = wh_alloc_aligned(all, tokens * sizeof *s.exact);
    s.scaled = wh_alloc_aligned(s.rows, cols * sizeof *s.scaled);
    s.divided = wh_alloc_aligned(tokens, cols * sizeof *s.divided);
    s.y = wh_alloc_aligned(s.rows, tokens * sizeof *s.y);
    s.codes = wh_alloc_aligned(s.rows, cols);
    s.scale = wh_calloc(s.rows, sizeof *s.scale);
    s.weight = wh_calloc(cols, sizeof *s.weight);
    float *next = wh_calloc(cols, sizeof *next);
    whit_status st = WHIT_OK;
    memset(result ? result : &own, 0, sizeof own);
    if (!s.exact || !s.scaled || !s.divided || !s.y || !s.codes || !s.scale || !s.weight || !next)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu tokens of %zu columns", tokens, cols);
    else
        st = walk(&s, acts, next, t, result ? result : &own, err);
    wh_free_aligned(s.exact);
    wh_free_aligned(s.scaled);
    wh_free_aligned(s.divided);
    wh_free_aligned(s.y);
    wh_free_aligned(s.codes);
    free(s.scale);
    free(s.weight);
    free(next);
    return st;
}
