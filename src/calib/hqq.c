/* src/calib/hqq.c - HQQ: the half-quadratic steps, and what stores their zero points.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/hqq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "calib/power.h"
#include "kernels/context.h"
#include "pack/block.h"
#include "quant/range.h"

#define NORM 0.7

/* ---- one group ---- */

static double code_of(double v, double inverse, double zero, double highest)
{
    return fmin(fmax(rint(v * inverse + zero), 0), highest);
}

/* What is left of an error r when only its outlying part is kept: the generalised soft threshold.
 */
static double shrink(double r, double beta)
{
    const double size = fabs(r), e = size > 0 ? size - wh_power(size, NORM - 1) / beta : 0;
    return e > 0 ? copysign(e, r) : 0;
}

/* The mean of |error|. */
static double mean_error(const float *w, const float *weight, size_t n, double scale,
                         double highest, double zero)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)w[i], q = code_of(v, 1 / scale, zero, highest);
        const double each = weight ? (double)weight[i] : 1;
        sum += each * fabs(v - (q - zero) * scale);
        all += each;
    }
    return all > 0 ? sum / all : 0;
}

static double step(const float *w, const float *weight, size_t n, double scale, double highest,
                   double zero, double beta)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)w[i], q = code_of(v, 1 / scale, zero, highest);
        const double e = shrink(v - (q - zero) * scale, beta);
        const double each = weight ? (double)weight[i] : 1;
        sum += each * (q - (v - e) / scale);
        all += each;
    }
    return all > 0 ? sum / all : zero;
}

void wh_hqq_search(const float *w, const float *weight, size_t n, double scale, unsigned highest,
                   double zero, wh_hqq *out)
{
    double beta = 10;
    *out = (wh_hqq){ .zero = zero, .error = INFINITY };
    for (unsigned i = 0; i <= WH_HQQ_STEPS; i++, beta *= 1.01) {
        const double error = mean_error(w, weight, n, scale, highest, zero);
        out->history[i] = error;
        out->steps = i;
        if (!(error < out->error)) return;
        out->error = error;
        out->zero = zero;
        zero = step(w, weight, n, scale, highest, zero, beta);
    }
}

/* ---- rows ---- */

typedef struct call {
    const wh_quantizer *q; /* of codes */
    const wh_block_type *type;
    const float *w;
    size_t rows, cols, group;
    uint8_t *codes, *zero, *out;
    float *scale;
    size_t *failed; /* [threads] the first row of each thread that failed, rows: none */
} call;

/* Of the integers beside z and the one that minmax has, the one with the least mean error. */
static int nearest_zero(const wh_quantizer *q, const float *w, size_t n, double s, double z,
                        int plain)
{
    const double tried[2] = { floor(z), ceil(z) }, most = (double)q->hi;
    double least = mean_error(w, NULL, n, s, most, plain);
    for (int i = 0; i < 2; i++) {
        const double zero = fmin(fmax(tried[i], q->least_zero), most);
        const double error = mean_error(w, NULL, n, s, most, zero);
        if (!(error < least)) continue;
        least = error;
        plain = (int)zero;
    }
    return plain;
}

static int code_group(const call *c, const float *w, size_t n, uint8_t *codes, float *scale,
                      uint8_t *zero)
{
    const wh_quantizer *q = c->q;
    wh_range range;
    wh_candidate best;
    wh_hqq found;
    int raised;
    q->ops->range(w, n, &range);
    if (!range.finite) return 0;
    if (wh_range_is_zero(&range))
        best = (wh_candidate){ 1, 1, q->least_zero };
    else if (!wh_minmax(q, &range, &best, &raised))
        return 0;
    else {
        const double s = (double)best.scale, low = range.min < 0 ? -(double)range.min / s : 0;
        wh_hqq_search(w, NULL, n, s, (unsigned)q->hi, low, &found);
        best.zero = nearest_zero(q, w, n, s, found.zero, best.zero);
    }
    const wh_grid grid = wh_candidate_grid(q, &best, 1.0f);
    float worst = 0;
    q->ops->encode(w, n, &grid, codes, &worst);
    *scale = best.stored;
    *zero = (uint8_t)best.zero;
    return 1;
}

static int code_row(const call *c, size_t r)
{
    const size_t groups = (c->cols + c->group - 1) / c->group;
    for (size_t g = 0; g < groups; g++) {
        const size_t at = g * c->group, left = c->cols - at, n = left < c->group ? left : c->group;
        if (!code_group(c, c->w + r * c->cols + at, n, c->codes + r * c->cols + at,
                        c->scale + r * groups + g, c->zero + r * groups + g))
            return 0;
    }
    return 1;
}

static int block_group(const call *c, const float *w, uint8_t *out)
{
    const size_t n = c->type->info.weights;
    const unsigned highest = (unsigned)c->type->highest;
    double low = (double)w[0], high = low;
    wh_block_parts p = { 0 };
    wh_hqq found;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(w[i])) return 0;
        low = fmin(low, (double)w[i]);
        high = fmax(high, (double)w[i]);
    }
    p.d = wh_f32_to_f16((float)((high - low) / highest));
    p.m = wh_f32_to_f16((float)low);
    const double d = (double)wh_f16_to_f32(p.d);
    if (d > 0 && isfinite(d)) {
        wh_hqq_search(w, NULL, n, d, highest, -low / d, &found);
        p.m = wh_f32_to_f16((float)(-found.zero * d));
    }
    const double m = (double)wh_f16_to_f32(p.m);
    if (!isfinite(d) || !isfinite(m)) return 0;
    for (size_t i = 0; i < n && d > 0; i++)
        p.code[i] = (uint8_t)code_of((double)w[i] - m, 1 / d, 0, highest);
    c->type->pack(&p, out);
    return 1;
}

static int block_row(const call *c, size_t r)
{
    const size_t n = c->type->info.weights, blocks = c->cols / n;
    for (size_t b = 0; b < blocks; b++)
        if (!block_group(c, c->w + r * c->cols + b * n,
                         c->out + (r * blocks + b) * c->type->info.bytes))
            return 0;
    return 1;
}

static void rows_part(void *ctx, unsigned t, unsigned threads)
{
    const call *c = ctx;
    size_t begin, end;
    wh_pool_split(c->rows, 1, t, threads, &begin, &end);
    for (; begin < end; begin++) {
        if (c->type ? block_row(c, begin) : code_row(c, begin)) continue;
        c->failed[t] = begin;
        return;
    }
}

static whit_status run(whit_context *context, call *c, whit_error *err)
{
    const unsigned threads = whit_context_threads(context);
    size_t first = c->rows;
    c->failed = wh_calloc(threads, sizeof *c->failed);
    if (!c->failed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %u threads", threads);
    for (unsigned t = 0; t < threads; t++) c->failed[t] = c->rows;
    pthread_mutex_lock(&context->lock);
    wh_pool_run(context->pool, rows_part, c);
    pthread_mutex_unlock(&context->lock);
    for (unsigned t = 0; t < threads; t++) first = c->failed[t] < first ? c->failed[t] : first;
    free(c->failed);
    if (first == c->rows) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NUMERIC,
                   "row %zu: a weight is not finite, or too large for the type of its scale",
                   first);
}

whit_status wh_hqq_codes(whit_context *context, const whit_quant_spec *spec, const float *w,
                         size_t rows, size_t cols, uint8_t *codes, float *scale, uint8_t *zero,
                         whit_error *err)
{
    wh_quantizer q;
    whit_status st = wh_quantizer_init(&q, spec, err);
    if (st != WHIT_OK) return st;
    if (!q.scheme.asym || q.scheme.gran == WHIT_GRAN_TENSOR)
        return wh_fail(err, WHIT_ERR_ARG, "HQQ needs zero points, and a scale for a row or group");
    if (rows == 0 || cols == 0) return WHIT_OK;
    call c = { .q = &q, .w = w, .rows = rows, .cols = cols, .codes = codes, .scale = scale };
    c.zero = zero;
    c.group = q.scheme.group && q.scheme.group < cols ? q.scheme.group : cols;
    return run(context, &c, err);
}

whit_status wh_hqq_blocks(whit_context *context, whit_block block, const float *w, size_t rows,
                          size_t cols, void *out, whit_error *err)
{
    const wh_block_type *type = wh_block_type_of(block);
    if ((block != WHIT_Q4_1 && block != WHIT_Q5_1) || cols % type->info.weights)
        return wh_fail(err, WHIT_ERR_ARG, "HQQ writes Q4_1 and Q5_1, of whole blocks");
    call c = { .type = type, .w = w, .rows = rows, .cols = cols, .out = out };
    return run(context, &c, err);
}
