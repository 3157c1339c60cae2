/* src/source/weight.c - preparing weights from arrays and from the tensors of a model.
 *
 * What a kernel multiplies is handed on as codes; the rest is decoded here, some rows at a time.
 * Not here: the kernels' form (src/kernels).
 *
 * SPDX-License-Identifier: MIT */
#include <whit/kernel.h>
#include <whit/quant.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "base/mem.h"
#include "kernels/weight.h"
#include "pack/block.h"
#include "source/codes.h"

#define PIECE_WEIGHTS ((size_t)1 << 20)

/* Rows that are handled together: a multiple of 16 and of the rows that share scales. */
static size_t piece_rows(const whit_scheme *s, uint64_t cols)
{
    const size_t high = s->block_rows ? s->block_rows : 1;
    const size_t fit = (size_t)(PIECE_WEIGHTS / cols) / WH_PANEL;
    size_t rows = fit ? fit * WH_PANEL : WH_PANEL;
    while (rows % high != 0) rows += WH_PANEL;
    return rows;
}

static size_t groups_of(const whit_scheme *s, uint64_t cols)
{
    return s->group && s->group < cols ? (size_t)((cols + s->group - 1) / s->group) : 1;
}

/* ---- from arrays ---- */

typedef struct arrays {
    const uint8_t *codes, *zero;
    const float *scale;
} arrays;

/* The type that takes the fewest octets. */
static void choose_scales(wh_weight_shape *shape, const float *scale, uint64_t n)
{
    const whit_kind kind = shape->scheme.kind;
    shape->scale_type = kind == WHIT_MXFP4   ? WH_SCALE_E8M0
                        : kind == WHIT_NVFP4 ? WH_SCALE_E4M3
                                             : WH_SCALE_F16;
    if (!wh_scales_are(shape->scale_type, scale, n, &shape->scale2))
        shape->scale_type = WH_SCALE_F32;
}

/* Scales that `high` rows share, once for each. */
static whit_status put_shared_scales(whit_weight *w, const arrays *a, size_t high, whit_error *err)
{
    float *scale = wh_calloc(w->rows, w->groups * sizeof *scale);
    uint8_t *zero = a->zero ? wh_calloc(w->rows, w->groups) : NULL;
    whit_status st = WHIT_OK;
    if (!scale || (a->zero && !zero)) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the scales of %zu rows", w->rows);
        goto cleanup;
    }
    for (size_t r = 0; r < w->rows; r++) {
        const size_t from = r / high * w->groups, to = r * w->groups;
        memcpy(scale + to, a->scale + from, w->groups * sizeof *scale);
        if (zero) memcpy(zero + to, a->zero + from, w->groups);
    }
    const wh_rows rows = { .rows = w->rows, .codes = a->codes, .scale = scale, .zero = zero };
    wh_weight_put(w, &rows);
cleanup:
    free(scale);
    free(zero);
    return st;
}

static whit_status put_decoded(whit_weight *w, const arrays *a, whit_error *err)
{
    const whit_scheme *s = &w->scheme;
    const size_t most = piece_rows(s, w->cols), high = s->block_rows ? s->block_rows : 1;
    float *values = wh_calloc(most < w->rows ? most : w->rows, w->cols * sizeof *values);
    whit_status st = WHIT_OK;
    if (!values) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to decode %zu columns", w->cols);
    for (size_t r = 0; r < w->rows && st == WHIT_OK; r += most) {
        const size_t n = w->rows - r < most ? w->rows - r : most;
        const size_t at = s->gran == WHIT_GRAN_TENSOR ? 0 : r / high * groups_of(s, w->cols);
        st = whit_dequantize(a->codes + r * w->cols, a->scale + at, a->zero ? a->zero + at : NULL,
                             n, w->cols, s, values, err);
        const wh_rows rows = { .row = r, .rows = n, .values = values };
        if (st == WHIT_OK) wh_weight_put(w, &rows);
    }
    free(values);
    return st;
}

whit_status whit_weight_from_codes(whit_weight **out, whit_context *context,
                                   const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                                   const uint8_t *codes, const float *scale, const uint8_t *zero,
                                   whit_error *err)
{
    uint64_t scale_rows, scale_cols;
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_codes: out is null");
    *out = NULL;
    if (!context || !scheme || !codes || !scale)
        return wh_fail(err, WHIT_ERR_ARG,
                       "whit_weight_from_codes: context, scheme, codes or scale is null");
    if (!whit_scheme_is_quantized(scheme) || scheme->kind == WHIT_GGUF)
        return wh_fail(err, WHIT_ERR_ARG,
                       "whit_weight_from_codes: the scheme stores no codes, one an octet");
    if (scheme->asym && !zero)
        return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_codes: asym needs zero points");
    whit_status st = wh_weight_sides(rows, cols, err);
    if (st != WHIT_OK) return st;
    whit_scheme_scales(scheme, rows, cols, &scale_rows, &scale_cols);
    if (scale_rows == 0 || scale_cols == 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "whit_weight_from_codes: the scheme has no granularity, or a group of 0");
    wh_weight_shape shape = { .rows = rows, .cols = cols, .scheme = *scheme };
    choose_scales(&shape, scale, scale_rows * scale_cols);
    const arrays a = { codes, scheme->asym ? zero : NULL, scale };
    st = wh_weight_new(out, context, &shape, err);
    if (st != WHIT_OK) return st;
    if ((*out)->decoded) {
        st = put_decoded(*out, &a, err);
    } else if (scheme->gran == WHIT_GRAN_TENSOR || scheme->block_rows) {
        const size_t high = scheme->block_rows ? scheme->block_rows : (*out)->rows;
        st = put_shared_scales(*out, &a, high, err);
    } else {
        const wh_rows all = {
            .rows = (size_t)rows, .codes = codes, .scale = scale, .zero = a.zero
        };
        wh_weight_put(*out, &all);
    }
    if (st != WHIT_OK) {
        whit_weight_free(*out);
        *out = NULL;
    }
    return st;
}

/* What plain floats of a type are prepared as; 0 where they cannot be. */
static int plain_kind(whit_dtype dtype, whit_kind *kind)
{
    *kind = dtype == WHIT_F16 ? WHIT_TO_F16 : dtype == WHIT_BF16 ? WHIT_TO_BF16 : WHIT_TO_F32;
    return dtype == WHIT_F32 || dtype == WHIT_F16 || dtype == WHIT_BF16;
}

whit_status whit_weight_from_floats(whit_weight **out, whit_context *context, whit_dtype dtype,
                                    uint64_t rows, uint64_t cols, const void *data, whit_error *err)
{
    wh_weight_shape shape = { .rows = rows, .cols = cols };
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_floats: out is null");
    *out = NULL;
    if (!context || !data)
        return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_floats: context or data is null");
    if (!plain_kind(dtype, &shape.scheme.kind))
        return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_floats: type F32, F16 or BF16, not %s",
                       whit_dtype_name(dtype));
    whit_status st = wh_weight_new(out, context, &shape, err);
    if (st != WHIT_OK) return st;
    const wh_rows all = { .rows = (size_t)rows, .values = data };
    wh_weight_put(*out, &all);
    return WHIT_OK;
}

/* ---- blocks of GGUF ---- */

/* Buffers for some rows of blocks: those that the form has planes for. */
typedef struct block_rows {
    wh_block_fields part;
    uint8_t *raw;
} block_rows;

static size_t row_blocks(const whit_weight *w)
{
    return w->cols / whit_block_describe(w->scheme.block)->weights;
}

static whit_status block_rows_alloc(block_rows *b, const whit_weight *w, size_t rows, int raw,
                                    whit_error *err)
{
    const size_t groups = rows * w->groups, subs = rows * w->subs;
    *b = (block_rows){ 0 };
    b->part.code = wh_calloc(rows, w->cols);
    b->part.d = wh_calloc(groups, sizeof *b->part.d);
    b->part.m = wh_calloc(groups, sizeof *b->part.m);
    b->part.octet = wh_calloc(groups, sizeof *b->part.octet);
    if (subs) b->part.scale = wh_calloc(subs, 1);
    if (subs) b->part.min = wh_calloc(subs, 1);
    if (raw) b->raw = wh_calloc(rows * row_blocks(w), whit_block_describe(w->scheme.block)->bytes);
    if (!b->part.code || !b->part.d || !b->part.m || !b->part.octet ||
        (subs && (!b->part.scale || !b->part.min)) || (raw && !b->raw))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows of a weight", rows);
    return WHIT_OK;
}

static void block_rows_free(block_rows *b)
{
    free(b->part.code);
    free(b->part.d);
    free(b->part.m);
    free(b->part.octet);
    free(b->part.scale);
    free(b->part.min);
    free(b->raw);
}

/* Rows [row, row + n) from their blocks. */
static void put_blocks(whit_weight *w, size_t row, size_t n, const uint8_t *blocks,
                       const block_rows *b)
{
    wh_block_take(wh_block_type_of(w->scheme.block), blocks, n * row_blocks(w), &b->part);
    const wh_rows rows = { .row = row,
                           .rows = n,
                           .codes = b->part.code,
                           .d = b->part.d,
                           .octet = b->part.octet,
                           .min = b->part.m,
                           .sub_scale = b->part.scale,
                           .sub_min = b->part.min };
    wh_weight_put(w, &rows);
}

static whit_status load_blocks(whit_weight *w, const whit_file *file, size_t index, size_t most,
                               whit_error *err)
{
    block_rows b;
    const size_t row_bytes = row_blocks(w) * whit_block_describe(w->scheme.block)->bytes;
    whit_status st = block_rows_alloc(&b, w, most, 1, err);
    for (size_t row = 0; row < w->rows && st == WHIT_OK; row += most) {
        const size_t n = w->rows - row < most ? w->rows - row : most;
        st = whit_file_read(file, index, (uint64_t)row * row_bytes, n * row_bytes, b.raw, err);
        if (st == WHIT_OK) put_blocks(w, row, n, b.raw, &b);
    }
    block_rows_free(&b);
    return st;
}

/* The same from memory; held decoded where no kernel has the type. */
static whit_status from_blocks(whit_weight *w, const uint8_t *blocks, whit_error *err)
{
    const whit_block_info *info = whit_block_describe(w->scheme.block);
    const size_t fit = piece_rows(&w->scheme, w->cols), most = fit < w->rows ? fit : w->rows;
    const size_t each = w->cols / info->weights;
    block_rows b = { 0 };
    float *values = w->decoded ? wh_calloc(most, w->cols * sizeof *values) : NULL;
    whit_status st = w->decoded ? WHIT_OK : block_rows_alloc(&b, w, most, 0, err);
    if (w->decoded && !values)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory to decode %zu columns", w->cols);
    for (size_t row = 0; row < w->rows && st == WHIT_OK; row += most) {
        const size_t n = w->rows - row < most ? w->rows - row : most;
        const uint8_t *at = blocks + row * each * info->bytes;
        if (!w->decoded) {
            put_blocks(w, row, n, at, &b);
            continue;
        }
        const wh_rows rows = { .row = row, .rows = n, .values = values };
        st = whit_block_decode(w->scheme.block, at, n * each, values, err);
        if (st == WHIT_OK) wh_weight_put(w, &rows);
    }
    block_rows_free(&b);
    free(values);
    return st;
}

whit_status whit_weight_from_blocks(whit_weight **out, whit_context *context, whit_block block,
                                    uint64_t rows, uint64_t cols, const void *data, whit_error *err)
{
    const whit_block_info *info = whit_block_describe(block);
    const wh_weight_shape shape = {
        .rows = rows,
        .cols = cols,
        .scheme = { .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = block }
    };
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_blocks: out is null");
    *out = NULL;
    if (!context || !data)
        return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_blocks: context or data is null");
    if (!info) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_from_blocks: no such type");
    if (cols % info->weights != 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "whit_weight_from_blocks: rows are whole blocks of %u weights",
                       info->weights);
    whit_status st = wh_weight_new(out, context, &shape, err);
    if (st != WHIT_OK) return st;
    st = from_blocks(*out, data, err);
    if (st != WHIT_OK) {
        whit_weight_free(*out);
        *out = NULL;
    }
    return st;
}

/* ---- from a model ---- */

/* Buffers for some rows of a tensor. */
typedef struct piece {
    uint8_t *codes, *zero;
    float *scale;
    void *values;
} piece;

static whit_status piece_alloc(piece *p, const whit_weight *w, size_t rows, whit_error *err)
{
    *p = (piece){ 0 };
    if (w->scale) {
        p->codes = wh_calloc(rows, w->cols);
        p->scale = wh_calloc(rows, w->groups * sizeof *p->scale);
        p->zero = wh_calloc(rows, w->groups);
    } else {
        p->values = wh_calloc(rows, w->cols * sizeof(float));
    }
    if ((w->scale && (!p->codes || !p->scale || !p->zero)) || (!w->scale && !p->values))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows of a weight", rows);
    return WHIT_OK;
}

static void piece_free(piece *p)
{
    free(p->codes);
    free(p->zero);
    free(p->scale);
    free(p->values);
}

/* Halves as the machine has them. */
static whit_status read_halves(const whit_source *source, const whit_source_tensor *t, uint64_t row,
                               size_t rows, uint16_t *out, whit_error *err)
{
    const size_t n = rows * (size_t)t->cols;
    whit_status st =
        whit_file_read(whit_source_file(source), t->planes[0], row * t->cols * 2, n * 2, out, err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) out[i] = wh_load16(out + i);
    return st;
}

static whit_status load_rows(whit_weight *w, const whit_source *source, size_t index, size_t row,
                             size_t n, piece *p, whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(source, index);
    const wh_rows rows = { .row = row,
                           .rows = n,
                           .codes = p->codes,
                           .scale = p->scale,
                           .zero = w->zero ? p->zero : NULL,
                           .values = p->values };
    whit_status st;
    if (w->scale)
        st = wh_codes_rows(whit_source_file(source), t, row, n, p->codes, p->scale,
                           w->zero ? p->zero : NULL, err);
    else if (w->form == WH_FORM_F32)
        st = whit_source_read_f32(source, index, row, n, 0, t->cols, p->values, err);
    else
        st = read_halves(source, t, row, n, p->values, err);
    if (st == WHIT_OK) wh_weight_put(w, &rows);
    return st;
}

static whit_status load_pieces(whit_weight *w, const whit_source *source, size_t index, size_t most,
                               whit_error *err)
{
    piece p;
    whit_status st = piece_alloc(&p, w, most, err);
    for (size_t row = 0; row < w->rows && st == WHIT_OK; row += most)
        st = load_rows(w, source, index, row, w->rows - row < most ? w->rows - row : most, &p, err);
    piece_free(&p);
    return st;
}

/* The type of the scales as the file has them; of ours alone nvfp4 has values of a second level. */
static whit_status stored_scales(const whit_source *source, const whit_source_tensor *t,
                                 wh_weight_shape *shape, whit_error *err)
{
    const whit_dtype type = t->scheme.scale_type;
    shape->scale_type = t->scheme.dq           ? WH_SCALE_F32
                        : type == WHIT_F16     ? WH_SCALE_F16
                        : type == WHIT_F8_E8M0 ? WH_SCALE_E8M0
                                               : WH_SCALE_F32;
    if (t->scheme.kind != WHIT_NVFP4) return WHIT_OK;
    uint32_t bits;
    whit_status st = whit_file_read(whit_source_file(source), t->planes[2], 0, 4, &bits, err);
    if (st != WHIT_OK) return st;
    shape->scale2 = wh_bits_f32(wh_load32(&bits));
    if (wh_scale2_fits(shape->scale2)) shape->scale_type = WH_SCALE_E4M3;
    return WHIT_OK;
}

static whit_status shape_of(const whit_source *source, const whit_source_tensor *t,
                            wh_weight_shape *shape, whit_error *err)
{
    char name[WH_SHORT];
    *shape = (wh_weight_shape){ .rows = t->rows, .cols = t->cols, .scheme = t->scheme };
    wh_short(name, t->tensor.name);
    if (t->tensor.rank < 2)
        return wh_fail(err, WHIT_ERR_ARG, "%s: a weight has two dimensions or more", name);
    shape->decode = t->scattered;
    if (whit_scheme_is_quantized(&t->scheme)) {
        return stored_scales(source, t, shape, err);
    }
    if (plain_kind(t->stored, &shape->scheme.kind)) return WHIT_OK;
    shape->scheme.kind = WHIT_KEEP; /* held decoded */
    if (whit_dtype_is_float(t->stored)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s is no type of a weight", name,
                   whit_tensor_type(&t->tensor));
}

whit_status whit_weight_load(whit_weight **out, whit_context *context, const whit_source *source,
                             size_t index, whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_load: out is null");
    *out = NULL;
    if (!context || !source)
        return wh_fail(err, WHIT_ERR_ARG, "whit_weight_load: context or source is null");
    const whit_source_tensor *t = whit_source_at(source, index);
    if (!t) return wh_fail(err, WHIT_ERR_ARG, "whit_weight_load: no such tensor");
    wh_weight_shape shape;
    whit_status st = shape_of(source, t, &shape, err);
    if (st == WHIT_OK) st = wh_weight_new(out, context, &shape, err);
    if (st != WHIT_OK) return st;
    const size_t fit = piece_rows(&shape.scheme, t->cols);
    const size_t most = fit < t->rows ? fit : (size_t)t->rows;
    st = wh_form_is_block((*out)->form)
             ? load_blocks(*out, whit_source_file(source), t->planes[0], most, err)
             : load_pieces(*out, source, index, most, err);
    if (st != WHIT_OK) {
        whit_weight_free(*out);
        *out = NULL;
    }
    return st;
}
