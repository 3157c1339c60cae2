/* src/source/codes.c - the rows of tensors that are stored as codes.
 *
 * A read works in pieces of a few thousand codes, so that its buffers stay small and in cache
 * whatever the size of the tensor.
 *
 * SPDX-License-Identifier: MIT */
#include "source/codes.h"

#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include <whit/quant.h>
#include "base/error.h"
#include "quant/nested.h"

#define PIECE_CODES 16384
#define PIECE_SCALES (PIECE_CODES / 2 + 2) /* groups of 2, the first and last cut */

typedef struct piece {
    uint8_t packed[PIECE_CODES], codes[PIECE_CODES];
    uint8_t scale_bytes[PIECE_SCALES * 4], zero[PIECE_SCALES];
    float scale[PIECE_SCALES];
} piece;

typedef struct reader {
    const whit_file *file;
    const whit_source_tensor *t;
    uint64_t row_bytes, group, groups; /* of a row; group == cols for one scale a row */
    uint64_t high;                     /* rows that share scales: 1, or those of a block */
    piece *buf;
    whit_error *err;
} reader;

/* dq: scales [first, first + n) from their codes, block by block. */
static whit_status read_nested(const reader *r, uint64_t first, size_t n)
{
    const whit_file *file = r->file;
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
    whit_status st = whit_file_read(r->file, r->t->planes[1], first * size, n * size,
                                    r->buf->scale_bytes, r->err);
    if (st != WHIT_OK) return st;
    whit_dtype_to_f32(type, r->buf->scale_bytes, n, r->buf->scale);
    if (r->t->scheme.kind == WHIT_NVFP4) {
        float scale2 = 0.0f;
        st = whit_file_read_f32(r->file, r->t->planes[2], 0, 1, &scale2, r->err);
        for (size_t i = 0; i < n; i++) r->buf->scale[i] *= scale2;
        return st;
    }
    if (!r->t->scheme.asym) return WHIT_OK;
    return whit_file_read(r->file, r->t->planes[2], first, n, r->buf->zero, r->err);
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
    whit_status st = whit_file_read(r->file, r->t->planes[0], at, bytes, r->buf->packed, r->err);
    if (st == WHIT_OK)
        st = read_scales(r, whole ? 0 : row / r->high * r->groups + g0,
                         whole ? 1 : (rows + r->high - 1) / r->high * groups);
    for (size_t i = 0; i < rows && st == WHIT_OK; i++) {
        whit_unpack_bits(r->buf->packed + i * r->row_bytes, n, bits, r->buf->codes);
        decode_row(r, r->buf->codes, whole ? 0 : i / r->high * groups, c, n, dst + i * n);
    }
    return st;
}

/* For one tensor; the caller frees r->buf. */
static whit_status reader_init(reader *r, const whit_file *file, const whit_source_tensor *t,
                               whit_error *err)
{
    *r = (reader){ .file = file, .t = t, .err = err, .group = t->cols };
    if (t->scheme.group && t->scheme.group < t->cols) r->group = t->scheme.group;
    r->high = t->scheme.block_rows ? t->scheme.block_rows : 1;
    r->groups = (t->cols + r->group - 1) / r->group;
    r->row_bytes = whit_file_tensor(file, t->planes[0])->shape[1];
    r->buf = malloc(sizeof *r->buf);
    return r->buf ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory to decode");
}

static whit_status decode_pieces(const reader *r, const wh_span *s, float *dst)
{
    uint64_t step_rows = 1, step_cols = PIECE_CODES;
    if (r->t->cols <= PIECE_CODES) {
        step_rows = PIECE_CODES / r->row_bytes;
        if (step_rows > PIECE_SCALES / r->groups) step_rows = PIECE_SCALES / r->groups;
        step_cols = s->cols;
    }
    for (uint64_t i = 0, m; i < s->rows; i += m) {
        m = s->rows - i < step_rows ? s->rows - i : step_rows;
        /* rows of one block only: their scales are one row of the plane */
        if (r->high > 1 && m > r->high - (s->r0 + i) % r->high) m = r->high - (s->r0 + i) % r->high;
        for (uint64_t c = 0; c < s->cols; c += step_cols) {
            size_t n = (size_t)(s->cols - c < step_cols ? s->cols - c : step_cols);
            whit_status st =
                read_piece(r, s->r0 + i, (size_t)m, s->c0 + c, n, dst + i * s->cols + c);
            if (st != WHIT_OK) return st;
        }
    }
    return WHIT_OK;
}

whit_status wh_codes_decode(const whit_file *file, const whit_source_tensor *t, const wh_span *span,
                            float *dst, whit_error *err)
{
    reader r;
    whit_status st = reader_init(&r, file, t, err);
    if (st == WHIT_OK) st = decode_pieces(&r, span, dst);
    free(r.buf);
    return st;
}

/* The codes of one row. */
static whit_status unpack_row(const reader *r, uint64_t row, uint8_t *codes)
{
    const unsigned bits = r->t->scheme.bits;
    for (uint64_t c = 0; c < r->t->cols; c += PIECE_CODES) {
        size_t n = (size_t)(r->t->cols - c < PIECE_CODES ? r->t->cols - c : PIECE_CODES);
        whit_status st = whit_file_read(r->file, r->t->planes[0], row * r->row_bytes + c / 8 * bits,
                                        whit_packed_bytes(n, bits), r->buf->packed, r->err);
        if (st != WHIT_OK) return st;
        whit_unpack_bits(r->buf->packed, n, bits, codes + c);
    }
    return WHIT_OK;
}

/* n scales of the plane from `first` on, each once, and their zero points. */
static whit_status copy_scales(const reader *r, uint64_t first, size_t n, float *scale,
                               uint8_t *zero)
{
    for (size_t done = 0, m; done < n; done += m) {
        m = n - done < PIECE_SCALES ? n - done : PIECE_SCALES;
        whit_status st = read_scales(r, first + done, m);
        if (st != WHIT_OK) return st;
        memcpy(scale + done, r->buf->scale, m * sizeof *scale);
        if (zero) memcpy(zero + done, r->buf->zero, m);
    }
    return WHIT_OK;
}

whit_status wh_codes_rows(const whit_file *file, const whit_source_tensor *t, uint64_t row,
                          size_t rows, uint8_t *codes, float *scale, uint8_t *zero, whit_error *err)
{
    reader r;
    whit_status st = reader_init(&r, file, t, err);
    for (size_t i = 0; i < rows && st == WHIT_OK; i++)
        st = unpack_row(&r, row + i, codes + i * t->cols);
    if (st == WHIT_OK && t->scheme.gran == WHIT_GRAN_TENSOR) {
        st = copy_scales(&r, 0, 1, scale, zero);
        for (size_t i = 1; i < rows && st == WHIT_OK; i++) {
            scale[i] = scale[0];
            if (zero) zero[i] = zero[0];
        }
    } else if (st == WHIT_OK) {
        st = copy_scales(&r, row * r.groups, rows * (size_t)r.groups, scale, zero);
    }
    free(r.buf);
    return st;
}
