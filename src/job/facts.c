/* src/job/facts.c - what is known of an input: gathered from tokens, divided.
 *
 * Sums are in double, token after token; products of at most 256 tokens in float32.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/hessian.h"
#include "job/solve.h"

whit_status wh_facts_make(wh_facts *f, size_t cols, int drift, int sample, whit_error *err)
{
    *f = (wh_facts){ .cols = cols, .finite = 1 };
    f->triangle = wh_calloc(wh_triangle(cols), sizeof *f->triangle);
    f->sum = wh_calloc(cols, sizeof *f->sum);
    f->sum_abs = wh_calloc(cols, sizeof *f->sum_abs);
    f->most = wh_calloc(cols, sizeof *f->most);
    if (drift) f->drift = wh_calloc(cols, cols * sizeof *f->drift);
    if (sample) f->sample = wh_calloc(WH_FACTS_SAMPLE, cols * sizeof *f->sample);
    if (f->triangle && f->sum && f->sum_abs && f->most && (f->drift || !drift) &&
        (f->sample || !sample))
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the statistics of %zu columns", cols);
}

void wh_facts_free(wh_facts *f)
{
    free(f->triangle);
    free(f->drift);
    free(f->sum);
    free(f->sum_abs);
    free(f->most);
    free(f->sample);
    *f = (wh_facts){ 0 };
}

wh_fallback wh_facts_lack(const wh_facts *f)
{
    size_t c = 0;
    if (!f || f->cols == 0) return WH_FALLBACK_UNKNOWN;
    if (!f->finite) return WH_FALLBACK_NAN;
    if (f->tokens < WH_FACTS_FEWEST) return WH_FALLBACK_FEW;
    while (c < f->cols && f->most[c] == 0) c++;
    return c == f->cols ? WH_FALLBACK_DEAD : WH_FALLBACK_NONE;
}

void wh_facts_divide(wh_facts *f, const float *t)
{
    const size_t n = f->cols;
    double *h = f->triangle;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) *h++ /= (double)t[i] * (double)t[j];
    for (size_t i = 0; f->drift && i < n; i++)
        for (size_t j = 0; j < n; j++) f->drift[i * n + j] /= (double)t[i] * (double)t[j];
    for (size_t j = 0; j < n; j++) {
        f->sum[j] /= (double)t[j];
        f->sum_abs[j] /= (double)t[j];
        f->most[j] /= t[j];
    }
    for (size_t k = 0; k < f->samples; k++)
        for (size_t j = 0; j < n; j++) f->sample[k * n + j] /= t[j];
}

/* ---- gathering ------------------------------------------------------------------------------- */

#define TOKENS 256 /* at once */

whit_status wh_gather_open(wh_gather *g, whit_context *context, size_t cols, int drift,
                           whit_error *err)
{
    *g = (wh_gather){ .context = context, .cols = cols };
    g->product = wh_calloc(cols, cols * sizeof *g->product);
    if (drift) g->cross = wh_alloc_aligned(cols, cols * sizeof *g->cross);
    if (drift) g->turned = wh_alloc_aligned(2 * cols, TOKENS * sizeof *g->turned);
    if (g->product && (!drift || (g->cross && g->turned))) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for products of %zu columns", cols);
}

void wh_gather_close(wh_gather *g)
{
    free(g->product);
    wh_free_aligned(g->cross);
    wh_free_aligned(g->turned);
    *g = (wh_gather){ 0 };
}

static void add_sums(wh_facts *f, const float *x, size_t tokens)
{
    const size_t n = f->cols;
    int finite = 1;
    for (size_t t = 0; t < tokens; t++)
        for (size_t c = 0; c < n; c++) {
            const float v = x[t * n + c], size = fabsf(v);
            finite &= size <= 0x1p100f; /* squares of more would not be */
            f->sum[c] += (double)v;
            f->sum_abs[c] += (double)size;
            f->most[c] = size > f->most[c] ? size : f->most[c];
        }
    if (!finite) f->finite = 0;
}

/* Sample number k is the first token from k * all / WH_FACTS_SAMPLE on. */
static void add_sample(wh_facts *f, uint64_t at, uint64_t all, const float *x, size_t tokens)
{
    for (size_t t = 0; t < tokens && f->samples < WH_FACTS_SAMPLE; t++) {
        if (at + t < f->samples * all / WH_FACTS_SAMPLE) continue;
        memcpy(f->sample + f->samples * f->cols, x + t * f->cols, f->cols * sizeof *x);
        f->samples++;
    }
}

/* drift += (Y - X)^T X: a product of the transposed X, as a weight, with rows of the transposed
 * difference. */
static whit_status add_drift(wh_gather *g, wh_facts *f, const float *x, const float *y,
                             size_t tokens, whit_error *err)
{
    const size_t n = f->cols;
    float *weight = g->turned, *change = g->turned + n * TOKENS;
    whit_weight *w = NULL;
    for (size_t t = 0; t < tokens; t++)
        for (size_t c = 0; c < n; c++) {
            weight[c * tokens + t] = x[t * n + c];
            change[c * tokens + t] = y[t * n + c] - x[t * n + c];
        }
    whit_status st = whit_weight_from_floats(&w, g->context, WHIT_F32, n, tokens, weight, err);
    if (st == WHIT_OK) st = whit_matmul(g->context, w, WHIT_ACTS_F32, change, n, g->cross, err);
    for (size_t k = 0; k < n * n && st == WHIT_OK; k++) f->drift[k] += (double)g->cross[k];
    whit_weight_free(w);
    return st;
}

whit_status wh_facts_add(wh_gather *g, wh_facts *f, uint64_t at, uint64_t all, const float *x,
                         const float *y, size_t tokens, whit_error *err)
{
    add_sums(f, x, tokens);
    f->tokens += tokens;
    if (f->sample) add_sample(f, at, all, x, tokens);
    whit_status st = wh_hessian_add(g->context, f->triangle, g->product, f->cols, x, tokens, err);
    return st == WHIT_OK && f->drift && y ? add_drift(g, f, x, y, tokens, err) : st;
}
