/* src/source/source.c - a model as logical tensors: plain ones, and quantized ones that decode.
 *
 * Finding the quantized ones is native.c's; here they are listed with the others, in the order of
 * their data, and their rows are read. A read works in pieces of a few thousand codes, so that
 * its buffers stay small and in cache whatever the size of the tensor.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/source.h>

#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include <whit/quant.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/names.h"
#include "quant/nested.h"
#include "source/native.h"

struct whit_source {
    whit_file *file;
    whit_source_tensor *tensor; /* [count] */
    size_t count, described, quantized;
    char **names; /* [described]: malloc'd names of the tensors that native.c found */
    wh_names index;
};

static int by_place(const void *a, const void *b)
{
    const whit_tensor *x = &((const whit_source_tensor *)a)->tensor;
    const whit_tensor *y = &((const whit_source_tensor *)b)->tensor;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return strcmp(x->name, y->name); /* empty tensors share their place */
}

static void add_plain(whit_source *s, size_t i)
{
    whit_source_tensor *t = &s->tensor[s->count++];
    const whit_tensor *stored = whit_file_tensor(s->file, i);
    *t = (whit_source_tensor){ .tensor = *stored,
                               .stored = stored->dtype,
                               .planes = { i, WHIT_NOT_FOUND, WHIT_NOT_FOUND, WHIT_NOT_FOUND } };
    whit_tensor_matrix(stored, &t->rows, &t->cols);
}

static whit_status no_memory(const whit_source *s, whit_error *err)
{
    char path[WH_SHORT];
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for %zu tensors",
                   wh_short(path, whit_file_path(s->file)), whit_file_count(s->file));
}

/* All logical tensors: those of native.c, then what is left, in the order of the data. */
static whit_status list_tensors(whit_source *s, whit_error *err)
{
    size_t stored = whit_file_count(s->file);
    unsigned char *claimed = wh_calloc(stored, 1);
    if (!claimed) return no_memory(s, err);
    whit_status st = wh_native_read(s->file, &s->tensor, &s->described, claimed, err);
    s->count = s->described;
    s->names = wh_calloc(s->described, sizeof *s->names);
    if (!s->names) {
        for (size_t i = 0; i < s->described; i++) free((void *)(uintptr_t)s->tensor[i].tensor.name);
        s->described = 0;
        st = st == WHIT_OK ? no_memory(s, err) : st;
    }
    for (size_t i = 0; i < s->described; i++) {
        s->names[i] = (char *)(uintptr_t)s->tensor[i].tensor.name;
        s->quantized += (size_t)whit_scheme_is_quantized(&s->tensor[i].scheme);
    }
    void *tensors = s->tensor;
    size_t cap = s->count;
    if (st == WHIT_OK && !wh_grow(&tensors, &cap, s->count + stored, sizeof *s->tensor))
        st = no_memory(s, err);
    s->tensor = tensors;
    for (size_t i = 0; i < stored && st == WHIT_OK; i++)
        if (!claimed[i]) add_plain(s, i);
    free(claimed);
    if (st == WHIT_OK && s->count > 0) qsort(s->tensor, s->count, sizeof *s->tensor, by_place);
    return st;
}

static whit_status index_tensors(whit_source *s, whit_error *err)
{
    char path[WH_SHORT], name[WH_SHORT];
    for (size_t i = 0; i < s->count; i++) {
        int added = wh_names_add(&s->index, s->tensor[i].tensor.name, i);
        if (added < 0) return no_memory(s, err);
        if (added == 0)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: stored both plain and quantized",
                           wh_short(path, whit_file_path(s->file)),
                           wh_short(name, s->tensor[i].tensor.name));
    }
    return WHIT_OK;
}

static whit_status open_source(whit_source **out, const char *path, const whit_raw_options *raw,
                               whit_error *err)
{
    *out = NULL;
    whit_source *s = wh_calloc(1, sizeof *s);
    if (!s) return wh_fail(err, WHIT_ERR_NOMEM, "no memory");
    whit_status st =
        raw ? whit_file_open_raw(&s->file, path, raw, err) : whit_file_open(&s->file, path, err);
    if (st == WHIT_OK) st = list_tensors(s, err);
    if (st == WHIT_OK) st = index_tensors(s, err);
    if (st != WHIT_OK) {
        whit_source_close(s);
        return st;
    }
    *out = s;
    return WHIT_OK;
}

whit_status whit_source_open(whit_source **out, const char *path, whit_error *err)
{
    return open_source(out, path, NULL, err);
}

whit_status whit_source_open_raw(whit_source **out, const char *path,
                                 const whit_raw_options *options, whit_error *err)
{
    *out = NULL;
    if (!options) return wh_fail(err, WHIT_ERR_ARG, "whit_source_open_raw: no options");
    return open_source(out, path, options, err);
}

void whit_source_close(whit_source *source)
{
    if (!source) return;
    for (size_t i = 0; i < source->described; i++) free(source->names[i]);
    free(source->names);
    free(source->tensor);
    wh_names_free(&source->index);
    whit_file_close(source->file);
    free(source);
}

const whit_file *whit_source_file(const whit_source *source)
{
    return source->file;
}

const char *whit_source_format(const whit_source *source)
{
    return source->described > 0 ? "whit native" : whit_file_format(source->file);
}

size_t whit_source_count(const whit_source *source)
{
    return source->count;
}

const whit_source_tensor *whit_source_at(const whit_source *source, size_t index)
{
    return index < source->count ? &source->tensor[index] : NULL;
}

size_t whit_source_find(const whit_source *source, const char *name)
{
    return wh_names_find(&source->index, name);
}

size_t whit_source_quantized(const whit_source *source)
{
    return source->quantized;
}

/* ---- reading codes ---- */

#define PIECE_CODES 16384
#define PIECE_SCALES (PIECE_CODES / 2 + 2) /* groups of 2, the first and last cut */

typedef struct piece {
    uint8_t packed[PIECE_CODES], codes[PIECE_CODES];
    uint8_t scale_bytes[PIECE_SCALES * 4], zero[PIECE_SCALES];
    float scale[PIECE_SCALES];
} piece;

typedef struct reader {
    const whit_source *source;
    const whit_source_tensor *t;
    uint64_t row_bytes, group, groups; /* of a row; group == cols for one scale a row */
    uint64_t high;                     /* rows that share scales: 1, or those of a block */
    piece *buf;
    whit_error *err;
} reader;

/* dq: scales [first, first + n) from their codes, block by block. */
static whit_status read_nested(const reader *r, uint64_t first, size_t n)
{
    const whit_file *file = r->source->file;
    float map[256], absmax[PIECE_SCALES / WH_NESTED_BLOCK + 2], offset = 0.0f;
    uint64_t block = first / WH_NESTED_BLOCK;
    size_t blocks = (size_t)((first + n - 1) / WH_NESTED_BLOCK - block + 1);
    whit_status st = whit_file_read(file, r->t->planes[1], first, n, r->buf->scale_bytes, r->err);
    if (st == WHIT_OK)
        st = whit_file_read_f32(file, r->t->planes[2], block, blocks, absmax, r->err);
    if (st == WHIT_OK) st = whit_file_read_f32(file, r->t->planes[3], 0, 1, &offset, r->err);
    wh_nested_map(map);
    for (size_t i = 0; i < n && st == WHIT_OK; i++)
        r->buf->scale[i] = wh_nested_decode(map, r->buf->scale_bytes[i],
                                            absmax[(first + i) / WH_NESTED_BLOCK - block], offset);
    return st;
}

/* Scales [first, first + n) of the plane, and their zero points. */
static whit_status read_scales(const reader *r, uint64_t first, size_t n)
{
    whit_dtype type = r->t->scheme.scale_type;
    size_t size = whit_dtype_bits(type) / 8;
    if (r->t->scheme.dq) return read_nested(r, first, n);
    whit_status st = whit_file_read(r->source->file, r->t->planes[1], first * size, n * size,
                                    r->buf->scale_bytes, r->err);
    if (st != WHIT_OK) return st;
    whit_dtype_to_f32(type, r->buf->scale_bytes, n, r->buf->scale);
    if (r->t->scheme.kind == WHIT_NVFP4) {
        float scale2 = 0.0f;
        st = whit_file_read_f32(r->source->file, r->t->planes[2], 0, 1, &scale2, r->err);
        for (size_t i = 0; i < n; i++) r->buf->scale[i] *= scale2;
        return st;
    }
    if (!r->t->scheme.asym) return WHIT_OK;
    return whit_file_read(r->source->file, r->t->planes[2], first, n, r->buf->zero, r->err);
}

/* Decode n columns from c of a row whose codes are at `codes`; scale[0] is that of c's group. */
static void decode_row(const reader *r, const uint8_t *codes, size_t scale0, uint64_t c, size_t n,
                       float *dst)
{
    whit_scheme one = r->t->scheme;
    one.gran = WHIT_GRAN_CHANNEL;
    for (size_t done = 0, g = scale0; done < n; g++) {
        uint64_t left = r->group - (c + done) % r->group;
        size_t m = n - done < left ? n - done : (size_t)left;
        whit_dequantize(codes + done, &r->buf->scale[g], &r->buf->zero[g], 1, m, &one, dst + done,
                        NULL);
        done += m;
    }
}

/* Rows [row, row + rows), columns [c, c + n): all of one piece. */
static whit_status read_piece(const reader *r, uint64_t row, size_t rows, uint64_t c, size_t n,
                              float *dst)
{
    unsigned bits = r->t->scheme.bits;
    int whole = r->t->scheme.gran == WHIT_GRAN_TENSOR;
    size_t bytes = rows > 1 ? rows * (size_t)r->row_bytes : whit_packed_bytes(n, bits);
    uint64_t at = row * r->row_bytes + c / 8 * bits, g0 = c / r->group;
    size_t groups = (size_t)((c + n - 1) / r->group - g0 + 1);
    whit_status st =
        whit_file_read(r->source->file, r->t->planes[0], at, bytes, r->buf->packed, r->err);
    if (st == WHIT_OK)
        st = read_scales(r, whole ? 0 : row / r->high * r->groups + g0,
                         whole ? 1 : (rows + r->high - 1) / r->high * groups);
    for (size_t i = 0; i < rows && st == WHIT_OK; i++) {
        whit_unpack_bits(r->buf->packed + i * r->row_bytes, n, bits, r->buf->codes);
        decode_row(r, r->buf->codes, whole ? 0 : i / r->high * groups, c, n, dst + i * n);
    }
    return st;
}

static whit_status read_codes(const reader *r, uint64_t r0, uint64_t rows, uint64_t c0,
                              uint64_t cols, float *dst)
{
    uint64_t step_rows = 1, step_cols = PIECE_CODES;
    if (r->t->cols <= PIECE_CODES) {
        step_rows = PIECE_CODES / r->row_bytes;
        if (step_rows > PIECE_SCALES / r->groups) step_rows = PIECE_SCALES / r->groups;
        step_cols = cols;
    }
    for (uint64_t i = 0, m; i < rows; i += m) {
        m = rows - i < step_rows ? rows - i : step_rows;
        /* rows of one block only: their scales are one row of the plane */
        if (r->high > 1 && m > r->high - (r0 + i) % r->high) m = r->high - (r0 + i) % r->high;
        for (uint64_t c = 0; c < cols; c += step_cols) {
            size_t n = (size_t)(cols - c < step_cols ? cols - c : step_cols);
            whit_status st = read_piece(r, r0 + i, (size_t)m, c0 + c, n, dst + i * cols + c);
            if (st != WHIT_OK) return st;
        }
    }
    return WHIT_OK;
}

whit_status whit_source_read_f32(const whit_source *source, size_t index, uint64_t r0,
                                 uint64_t rows, uint64_t c0, uint64_t cols, float *dst,
                                 whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(source, index);
    if (!t || r0 > t->rows || rows > t->rows - r0 || c0 > t->cols || cols > t->cols - c0 ||
        (rows > 1 && cols != t->cols) || c0 % 8 != 0)
        return wh_fail(err, WHIT_ERR_ARG, "rows or columns outside the tensor");
    if (rows == 0 || cols == 0) return WHIT_OK;
    if (!whit_scheme_is_quantized(&t->scheme))
        return whit_file_read_f32(source->file, t->planes[0], r0 * t->cols + c0,
                                  (size_t)(rows * cols), dst, err);
    reader r = { .source = source, .t = t, .err = err, .group = t->cols };
    if (t->scheme.group && t->scheme.group < t->cols) r.group = t->scheme.group;
    r.high = t->scheme.block_rows ? t->scheme.block_rows : 1;
    r.groups = (t->cols + r.group - 1) / r.group;
    r.row_bytes = whit_file_tensor(source->file, t->planes[0])->shape[1];
    r.buf = malloc(sizeof *r.buf);
    if (!r.buf) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to decode");
    whit_status st = read_codes(&r, r0, rows, c0, cols, dst);
    free(r.buf);
    return st;
}
