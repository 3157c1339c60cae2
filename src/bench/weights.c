/* src/bench/weights.c - the weights that are measured: made or loaded once, copied often.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>

#include "base/mem.h"

static uint64_t scales_of(const whit_scheme *s, uint64_t rows, uint64_t cols)
{
    uint64_t a = 0, b = 0;
    if (whit_scheme_is_quantized(s)) whit_scheme_scales(s, rows, cols, &a, &b);
    return a * b;
}

uint64_t wh_item_making(const wh_item *item)
{
    const uint64_t n = item->rows * item->cols, piece = ((uint64_t)1 << 20) + 32 * item->cols;
    if (item->index != WHIT_NOT_FOUND) return (n < piece ? n : piece) * 9;
    if (!whit_scheme_is_quantized(&item->scheme)) return n * (4 + 2);
    if (item->scheme.kind == WHIT_GGUF) return n * (4 + 2) + piece * 9;
    return n * (4 + 1) + scales_of(&item->scheme, item->rows, item->cols) * 5;
}

/* ---- making ---- */

static whit_status make_floats(whit_bench *b, const wh_item *item, const float *w,
                               whit_weight **out, whit_error *err)
{
    const size_t n = (size_t)(item->rows * item->cols);
    const whit_dtype dtype = item->scheme.kind == WHIT_TO_F16    ? WHIT_F16
                             : item->scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                                 : WHIT_F32;
    if (dtype == WHIT_F32)
        return whit_weight_from_floats(out, b->context, dtype, item->rows, item->cols, w, err);
    uint16_t *half = wh_calloc(n, sizeof *half);
    if (!half) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", n);
    (void)whit_dtype_from_f32(dtype, w, n, half); /* of this type it can */
    whit_status st =
        whit_weight_from_floats(out, b->context, dtype, item->rows, item->cols, half, err);
    free(half);
    return st;
}

/* Scales as minmax gives them: how fast a product is does not depend on it. */
static whit_status make_codes(whit_bench *b, const wh_item *item, const float *w, whit_weight **out,
                              whit_error *err)
{
    const size_t rows = (size_t)item->rows, cols = (size_t)item->cols;
    const size_t scales = (size_t)scales_of(&item->scheme, rows, cols);
    whit_quant_spec spec = { .struct_size = sizeof spec,
                             .scheme = item->scheme,
                             .clip = WHIT_CLIP_MINMAX,
                             .scale2 = whit_nvfp4_scale2(8) };
    uint8_t *codes = wh_calloc(rows, cols), *zero = wh_calloc(scales, 1);
    float *scale = wh_calloc(scales, sizeof *scale);
    whit_status st = WHIT_OK;
    if (!codes || !zero || !scale)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu x %zu codes", rows, cols);
    if (st == WHIT_OK)
        st = whit_quantize(w, rows, cols, &spec, codes, scale, item->scheme.asym ? zero : NULL,
                           NULL, err);
    for (size_t i = 0; st == WHIT_OK && item->scheme.kind == WHIT_NVFP4 && i < scales; i++)
        scale[i] *= spec.scale2;
    if (st == WHIT_OK)
        st = whit_weight_from_codes(out, b->context, &item->scheme, rows, cols, codes, scale,
                                    item->scheme.asym ? zero : NULL, err);
    free(codes);
    free(zero);
    free(scale);
    return st;
}

static whit_status make_blocks(whit_bench *b, const wh_item *item, const float *w,
                               whit_weight **out, whit_error *err)
{
    const whit_block block = item->scheme.block;
    const whit_block_info *info = whit_block_describe(block);
    const size_t rows = (size_t)item->rows, cols = (size_t)item->cols;
    uint8_t *blocks = wh_calloc(rows, cols / info->weights * info->bytes);
    if (!blocks) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu x %zu blocks", rows, cols);
    whit_status st =
        whit_block_encode(block, WHIT_SEARCH_REFERENCE, w, rows, cols, NULL, blocks, err);
    if (st == WHIT_OK)
        st = whit_weight_from_blocks(out, b->context, block, rows, cols, blocks, err);
    free(blocks);
    return st;
}

whit_status wh_item_make(whit_bench *b, const wh_item *item, const float *w, whit_weight **out,
                         whit_error *err)
{
    if (item->scheme.kind == WHIT_GGUF) return make_blocks(b, item, w, out, err);
    return whit_scheme_is_quantized(&item->scheme) ? make_codes(b, item, w, out, err)
                                                   : make_floats(b, item, w, out, err);
}

static whit_status make_first(whit_bench *b, wh_item *item, whit_error *err)
{
    if (item->index != WHIT_NOT_FOUND)
        return whit_weight_load(&item->copy[0], b->context, b->o.model, item->index, err);
    const size_t n = (size_t)(item->rows * item->cols);
    float *w = wh_calloc(n, sizeof *w);
    if (!w) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", n);
    wh_bench_fill(w, n, 1);
    whit_status st = wh_item_make(b, item, w, &item->copy[0], err);
    free(w);
    return st;
}

/* Room for WH_MOST_COPIES pointers: how many there will be is known after the first of each. */
static whit_status make_firsts(whit_bench *b, wh_item *item, size_t n, uint64_t *bytes,
                               whit_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char text[WHIT_SCHEME_TEXT];
        whit_status st = wh_meter_step(&b->meter, wh_type_print(&item[i].scheme, text), 0, err);
        item[i].copy = wh_calloc(WH_MOST_COPIES, sizeof(whit_weight *));
        if (st == WHIT_OK && !item[i].copy) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory");
        if (st == WHIT_OK) st = make_first(b, &item[i], err);
        if (st != WHIT_OK) return st;
        item[i].copies = 1;
        item[i].bytes = bytes[i] = item[i].copy[0]->bytes;
    }
    return WHIT_OK;
}

whit_status wh_items_make(whit_bench *b, wh_item *item, size_t n, int cold, uint64_t limit,
                          uint64_t *rotation, whit_error *err)
{
    uint64_t *bytes = wh_calloc(n, sizeof *bytes);
    size_t *calls = wh_calloc(n, sizeof *calls), turns = 1;
    whit_status st = WHIT_OK;
    *rotation = 0;
    if (!bytes || !calls) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", n);
    if (st == WHIT_OK) st = make_firsts(b, item, n, bytes, err);
    if (st == WHIT_OK && cold)
        *rotation = wh_rotation(bytes, n, WH_BENCH_ROTATION, limit, calls, &turns);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        item[i].calls = cold ? calls[i] : 1;
        const size_t want = cold ? calls[i] * turns : 1;
        while (item[i].copies < want && st == WHIT_OK) {
            st = wh_weight_copy(&item[i].copy[item[i].copies], item[i].copy[0], err);
            if (st == WHIT_OK) item[i].copies++;
        }
    }
    free(bytes);
    free(calls);
    return st;
}

void wh_items_free(wh_item *item, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < item[i].copies; k++) whit_weight_free(item[i].copy[k]);
        free(item[i].copy);
        item[i].copy = NULL;
        item[i].copies = item[i].next = 0;
    }
}
