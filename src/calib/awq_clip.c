/* src/calib/awq_clip.c - clipping each group of a row under its block of H.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/awq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/hessian.h"
#include "kernels/context.h"

#define TRIES 10 /* shares of the largest magnitude: 1, .95 .. .55 */

typedef struct clipping {
    const double *triangle;
    const float *w;       /* as it came */
    const float *clipped; /* to one share, */
    const float *decoded; /* rounded */
    float *best;          /* the clipped group that was best so far */
    double *least;        /* [rows][groups] its error */
    double *first;        /* the same without clipping */
    size_t rows, cols, group, groups;
    float *block; /* [group][group] of H */
    float *work;  /* [threads][2][group] */
    size_t g;     /* the group in hand */
    int start;
} clipping;

static void load_block(clipping *c)
{
    const size_t first = c->g * c->group;
    const size_t n = c->cols - first < c->group ? c->cols - first : c->group;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t a = first + (i < j ? i : j), b = first + (i < j ? j : i);
            c->block[i * c->group + j] = (float)c->triangle[wh_triangle_row(c->cols, a) + b - a];
        }
}

/* d H d^T. */
static double form(const clipping *c, const float *d, size_t n, float *sums)
{
    double sum = 0;
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < n; i++) {
        const float *h = c->block + i * c->group, di = d[i];
        for (size_t j = 0; j < n; j++) sums[j] += di * h[j];
    }
    for (size_t j = 0; j < n; j++) sum += (double)sums[j] * (double)d[j];
    return sum;
}

static void judge_part(void *ctx, unsigned t, unsigned threads)
{
    const clipping *c = ctx;
    const size_t at = c->g * c->group;
    const size_t n = c->cols - at < c->group ? c->cols - at : c->group;
    size_t begin, end;
    float *d = c->work + t * 2 * c->group;
    wh_pool_split(c->rows, 1, t, threads, &begin, &end);
    for (size_t r = begin; r < end; r++) {
        const float *w = c->w + r * c->cols + at, *q = c->decoded + r * c->cols + at;
        double *least = &c->least[r * c->groups + c->g];
        for (size_t j = 0; j < n; j++) d[j] = w[j] - q[j];
        const double error = form(c, d, n, d + n);
        if (c->start) c->first[r * c->groups + c->g] = error;
        if (!c->start && !(error < *least)) continue;
        *least = error;
        memcpy(c->best + r * c->cols + at, c->clipped + r * c->cols + at, n * sizeof *c->best);
    }
}

/* w with each group clipped to that share of its largest magnitude. */
static void clip(const clipping *c, double share, float *out)
{
    for (size_t r = 0; r < c->rows; r++)
        for (size_t at = 0; at < c->cols; at += c->group) {
            const size_t n = c->cols - at < c->group ? c->cols - at : c->group;
            const float *w = c->w + r * c->cols + at;
            float most = 0;
            for (size_t j = 0; j < n; j++) most = fmaxf(most, fabsf(w[j]));
            const float limit = (float)((double)most * share);
            for (size_t j = 0; j < n; j++)
                out[r * c->cols + at + j] = fminf(fmaxf(w[j], -limit), limit);
        }
}

static whit_status walk(whit_context *context, clipping *c, const wh_awq_format *format,
                        float *clipped, float *decoded, float *importance, whit_error *err)
{
    for (size_t j = 0; j < c->cols; j++)
        importance[j] = (float)c->triangle[wh_triangle_row(c->cols, j)];
    for (int k = 0; k < TRIES; k++) {
        clip(c, 1 - k * 0.05, clipped);
        const whit_status st =
            wh_awq_decoded(context, format, clipped, c->rows, c->cols, importance, decoded, err);
        if (st != WHIT_OK) return st;
        c->start = k == 0;
        for (c->g = 0; c->g < c->groups; c->g++) {
            load_block(c);
            pthread_mutex_lock(&context->lock);
            wh_pool_run(context->pool, judge_part, c);
            pthread_mutex_unlock(&context->lock);
        }
    }
    return WHIT_OK;
}

/* 0: an error is no number: one of H is none. */
static int gather(const clipping *c, double *gain)
{
    double before = 0, after = 0;
    for (size_t i = 0; i < c->rows * c->groups; i++) {
        before += c->first[i];
        after += c->least[i];
    }
    if (gain) *gain = before > 0 ? after / before : 1;
    return !isnan(before) && !isnan(after);
}

whit_status wh_awq_clip(whit_context *context, const double *triangle, float *w, size_t rows,
                        size_t cols, size_t group, const wh_awq_format *format, double *gain,
                        whit_error *err)
{
    if (gain) *gain = 1;
    if (rows == 0 || cols == 0) return WHIT_OK;
    clipping c = { .triangle = triangle, .w = w, .rows = rows, .cols = cols };
    c.group = group && group < cols ? group : cols;
    c.groups = (cols + c.group - 1) / c.group;
    float *clipped = wh_alloc_aligned(rows, cols * sizeof *clipped);
    float *decoded = wh_alloc_aligned(rows, cols * sizeof *decoded);
    float *importance = wh_calloc(cols, sizeof *importance);
    c.best = wh_alloc_aligned(rows, cols * sizeof *c.best);
    c.least = wh_calloc(rows, c.groups * sizeof *c.least);
    c.first = wh_calloc(rows, c.groups * sizeof *c.first);
    c.block = wh_alloc_aligned(c.group, c.group * sizeof *c.block);
    c.work = wh_alloc_aligned(whit_context_threads(context), 2 * c.group * sizeof *c.work);
    c.clipped = clipped;
    c.decoded = decoded;
    whit_status st = WHIT_OK;
    if (!clipped || !decoded || !importance || !c.best || !c.least || !c.first || !c.block ||
        !c.work)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory to clip %zu rows of %zu columns", rows, cols);
    else
        st = walk(context, &c, format, clipped, decoded, importance, err);
    if (st == WHIT_OK && !gather(&c, gain))
        st = wh_fail(err, WHIT_ERR_NUMERIC, "the errors of clipped groups are no numbers");
    if (st == WHIT_OK) memcpy(w, c.best, rows * cols * sizeof *w);
    wh_free_aligned(clipped);
    wh_free_aligned(decoded);
    free(importance);
    wh_free_aligned(c.best);
    free(c.least);
    free(c.first);
    wh_free_aligned(c.block);
    wh_free_aligned(c.work);
    return st;
}
