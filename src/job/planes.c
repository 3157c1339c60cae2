/* src/job/planes.c - the codes of a whole matrix: made, rounded, decoded, kept and taken up again.
 *
 * SPDX-License-Identifier: MIT */
#include "job/planes.h"

#include <stdlib.h>

#include "base/mem.h"
#include "kernels/context.h"

#define ROWS 32 /* that a thread encodes at once */

whit_status wh_planes_make(wh_planes *p, const wh_awq_format *format, size_t rows, size_t cols,
                           whit_error *err)
{
    uint64_t r = 0, k = 0;
    *p = (wh_planes){ .format = *format, .rows = rows, .cols = cols };
    if (wh_planes_are_blocks(p)) {
        const whit_block_info *info = whit_block_describe(format->block);
        p->blocks = rows * (cols / info->weights) * info->bytes;
        p->codes = wh_calloc(p->blocks, 1);
    } else {
        whit_scheme_scales(&format->spec.scheme, rows, cols, &r, &k);
        p->scales = (size_t)(r * k);
        p->codes = wh_calloc(rows, cols);
        p->scale = wh_calloc(p->scales, sizeof *p->scale);
        if (format->spec.scheme.asym) p->zero = wh_calloc(p->scales, 1);
    }
    if (p->codes &&
        (wh_planes_are_blocks(p) || (p->scale && (p->zero || !format->spec.scheme.asym))))
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for codes of %zu rows", rows);
}

void wh_planes_free(wh_planes *p)
{
    free(p->codes);
    free(p->scale);
    free(p->zero);
}

whit_status wh_planes_decode(const wh_planes *p, float *out, whit_error *err)
{
    const whit_quant_spec *spec = &p->format.spec;
    if (wh_planes_are_blocks(p)) {
        const whit_block_info *info = whit_block_describe(p->format.block);
        return whit_block_decode(p->format.block, p->codes, p->rows * (p->cols / info->weights),
                                 out, err);
    }
    float *scale = p->scale;
    whit_status st = WHIT_OK;
    if (spec->scheme.kind == WHIT_NVFP4) {
        scale = wh_calloc(p->scales, sizeof *scale);
        if (!scale) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for scales");
        for (size_t i = 0; i < p->scales; i++) scale[i] = p->scale[i] * spec->scale2;
    }
    st = whit_dequantize(p->codes, scale, p->zero, p->rows, p->cols, &spec->scheme, out, err);
    if (scale != p->scale) free(scale);
    return st;
}

whit_status wh_planes_keep(const wh_planes *p, wh_solutions *s, size_t i, whit_error *err)
{
    if (wh_planes_are_blocks(p))
        return wh_solutions_put(s, i, WH_PART_BLOCKS, p->codes, p->blocks, err);
    const uint64_t n = (uint64_t)p->rows * p->cols;
    whit_status st = wh_solutions_put(s, i, WH_PART_CODES, p->codes, n, err);
    if (st == WHIT_OK)
        st = wh_solutions_put(s, i, WH_PART_SCALE, p->scale, p->scales * sizeof *p->scale, err);
    if (st == WHIT_OK && p->zero)
        st = wh_solutions_put(s, i, WH_PART_ZERO, p->zero, p->scales, err);
    if (st == WHIT_OK && p->format.spec.scheme.kind == WHIT_NVFP4)
        st = wh_solutions_put(s, i, WH_PART_SCALE2, &p->format.spec.scale2, sizeof(float), err);
    return st;
}

whit_status wh_planes_take_up(wh_planes *p, const wh_solutions *s, size_t i, whit_error *err)
{
    if (wh_planes_are_blocks(p))
        return wh_solutions_get(s, i, WH_PART_BLOCKS, 0, p->codes, p->blocks, err);
    const uint64_t n = (uint64_t)p->rows * p->cols;
    whit_status st = wh_solutions_get(s, i, WH_PART_CODES, 0, p->codes, n, err);
    if (st == WHIT_OK)
        st = wh_solutions_get(s, i, WH_PART_SCALE, 0, p->scale, p->scales * sizeof *p->scale, err);
    if (st == WHIT_OK && p->zero)
        st = wh_solutions_get(s, i, WH_PART_ZERO, 0, p->zero, p->scales, err);
    return st;
}

/* ---- rounding -------------------------------------------------------------------------------- */

typedef struct rounding {
    wh_planes *p;
    const float *w, *importance;
    size_t each;
    whit_error *failed; /* [threads] */
} rounding;

static whit_status round_rows(const rounding *r, size_t row, size_t rows, whit_error *err)
{
    const wh_planes *p = r->p;
    const float *w = r->w + row * p->cols;
    if (wh_planes_are_blocks(p))
        return whit_block_encode(p->format.block, WHIT_SEARCH_BEST, w, rows, p->cols, r->importance,
                                 p->codes + p->blocks / p->rows * row, err);
    const size_t first = r->each == p->rows ? 0 : p->scales / p->rows * row;
    return whit_quantize(w, rows, p->cols, &p->format.spec, p->codes + row * p->cols,
                         p->scale + first, p->zero ? p->zero + first : NULL, NULL, err);
}

static void round_part(void *ctx, unsigned t, unsigned threads)
{
    const rounding *r = ctx;
    for (size_t row = t * r->each; row < r->p->rows; row += threads * r->each) {
        const size_t left = r->p->rows - row;
        if (round_rows(r, row, left < r->each ? left : r->each, &r->failed[t]) != WHIT_OK) return;
    }
}

whit_status wh_planes_round(wh_planes *p, whit_context *context, const float *w,
                            const float *importance, whit_error *err)
{
    const whit_gran gran = p->format.spec.scheme.gran;
    const unsigned threads = whit_context_threads(context);
    const int whole =
        !wh_planes_are_blocks(p) && (gran == WHIT_GRAN_TENSOR || gran == WHIT_GRAN_BLOCK);
    rounding r = { p, w, importance, whole ? p->rows : ROWS, NULL };
    whit_status st = WHIT_OK;
    r.failed = wh_calloc(threads, sizeof *r.failed);
    if (!r.failed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to round");
    pthread_mutex_lock(&context->lock);
    wh_pool_run(context->pool, round_part, &r);
    pthread_mutex_unlock(&context->lock);
    for (unsigned t = 0; t < threads && st == WHIT_OK; t++)
        if (r.failed[t].code != WHIT_OK) st = wh_fail(err, r.failed[t].code, "%s", r.failed[t].msg);
    free(r.failed);
    return st;
}
