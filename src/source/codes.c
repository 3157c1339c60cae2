/* src/source/codes.c - the rows of tensors that are stored as codes.
 *
 * A read works in pieces of a few thousand codes, so that its buffers stay small and in cache
 * whatever the size of the tensor. Where codes and scales lie is the layout's to know (reader.h).
 *
 * SPDX-License-Identifier: MIT */
#include "source/codes.h"

#include <stdlib.h>
#include <string.h>

#include <whit/quant.h>
#include "base/bytes.h"
#include "source/reader.h"

#define ALIGN 32 /* columns: pieces start at multiples */

static size_t at_most(uint64_t n, size_t most)
{
    return n < most ? (size_t)n : most;
}

/* Groups that `cols` columns may touch. */
static size_t groups_of(const wh_reader *r, size_t cols)
{
    return r->scattered ? (size_t)r->groups : at_most(r->groups, (size_t)(cols / r->group) + 2);
}

/* How much of the span is a piece. */
static void size_piece(wh_reader *r, const wh_span *s)
{
    const size_t most = r->ops->piece;
    const uint64_t width = s->c0 % ALIGN + s->cols;
    if (r->ops->rows) {
        r->rows = at_most(s->rows, r->ops->rows);
        r->cols = at_most(width, most / r->rows / ALIGN * ALIGN);
    } else {
        r->cols = at_most(width, most);
        r->rows = at_most(s->rows, most / r->cols);
    }
    const size_t groups = groups_of(r, r->cols);
    if (r->rows > most / groups) r->rows = most / groups;
    if (r->rows == 0) r->rows = 1;
    r->cells = r->rows * groups;
}

/* For reads of the span, which becomes that of the layout; the caller frees r->scale. */
static whit_status reader_init(wh_reader *r, const whit_file *file, const whit_source_tensor *t,
                               wh_span *s, whit_error *err)
{
    *r = (wh_reader){ .file = file, .t = t, .err = err, .high = 1 };
    r->ops = wh_layout_ops_of(t);
    r->group = r->width = r->ops->flat ? t->rows * t->cols : t->cols;
    if (t->scheme.group && t->scheme.group < r->width) r->group = t->scheme.group;
    if (t->scheme.block_rows) r->high = t->scheme.block_rows;
    if (t->scheme.gran == WHIT_GRAN_TENSOR) r->high = t->rows;
    r->groups = (r->width + r->group - 1) / r->group;
    r->scattered = t->scattered && !r->ops->flat; /* by columns */
    r->row_bytes = whit_file_tensor(file, t->planes[0])->bytes / t->rows;
    if (r->ops->flat) *s = (wh_span){ 0, 1, s->r0 * t->cols + s->c0, s->rows * s->cols };
    size_piece(r, s);
    const size_t order = r->scattered ? r->cols : 0;
    r->scale = malloc(r->cells * (sizeof *r->scale + 1) + order * sizeof *r->order +
                      r->rows * r->cols + WH_RAW);
    if (!r->scale) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to decode");
    r->order = (uint32_t *)(void *)(r->scale + r->cells);
    r->codes = (uint8_t *)(r->order + order);
    r->zero = r->codes + r->rows * r->cols;
    r->raw = r->zero + r->cells;
    return r->ops->open ? r->ops->open(r) : WHIT_OK;
}

/* Decode n columns from c of a row; the scales are those of groups from g0 on. */
static void decode_row(const wh_reader *r, const uint8_t *codes, const float *scale,
                       const uint8_t *zero, uint64_t c, size_t n, float *dst)
{
    whit_scheme one = r->t->scheme;
    one.gran = WHIT_GRAN_CHANNEL;
    for (size_t done = 0, g = 0; done < n; g++) {
        const size_t m = at_most(r->group - (c + done) % r->group, n - done);
        if (r->table)
            for (size_t i = 0; i < m; i++)
                dst[done + i] = scale[g] * r->table[codes[done + i] & 15];
        else
            whit_dequantize(codes + done, &scale[g], &zero[g], 1, m, &one, dst + done, NULL);
        done += m;
    }
}

/* The same where each column has a group of its own; the scales are those of all groups. */
static void decode_scattered(const wh_reader *r, const uint8_t *codes, const float *scale,
                             const uint8_t *zero, const uint32_t *order, size_t n, float *dst)
{
    const int centre = (int)whit_scheme_zero_code(&r->t->scheme), asym = r->t->scheme.asym;
    for (size_t i = 0; i < n; i++) {
        const uint32_t g = order[i];
        dst[i] = scale[g] * (float)((int)codes[i] - (asym ? zero[g] : centre));
    }
}

/* Groups of the columns [c, c + n). They were proved when the file was opened; it may be another
 * now. */
static whit_status fetch_order(const wh_reader *r, uint64_t c, size_t n)
{
    const size_t step = WH_RAW / 4;
    for (size_t done = 0, m; done < n; done += m) {
        m = at_most(n - done, step);
        whit_status st =
            whit_file_read(r->file, r->t->planes[3], 4 * (c + done), 4 * m, r->raw, r->err);
        if (st != WHIT_OK) return st;
        for (size_t i = 0; i < m; i++) {
            r->order[done + i] = wh_load32(r->raw + 4 * i);
            if (r->order[done + i] >= r->groups)
                return wh_fail(r->err, WHIT_ERR_FORMAT, "%.100s: the file has changed",
                               r->t->tensor.name);
        }
    }
    return WHIT_OK;
}

/* A piece: rows [r0, r0 + rows), whose columns [c0, c0 + cols) are at r->codes. Of them the
 * columns from c on are decoded. */
static whit_status decode_piece(const wh_reader *r, const wh_span *p, uint64_t c, float *dst,
                                size_t pitch)
{
    const uint64_t g = r->scattered ? 0 : c / r->group, first = p->r0 / r->high;
    const size_t n = (size_t)(p->c0 + p->cols - c);
    const wh_span s = { first, (p->r0 + p->rows - 1) / r->high - first + 1, g,
                        r->scattered ? r->groups : (c + n - 1) / r->group - g + 1 };
    whit_status st = r->ops->scales(r, &s, r->scale, r->zero);
    if (st == WHIT_OK && r->scattered) st = fetch_order(r, c, n);
    for (uint64_t i = 0; i < p->rows && st == WHIT_OK; i++) {
        const size_t at = (size_t)(((p->r0 + i) / r->high - first) * s.cols);
        const uint8_t *codes = r->codes + i * p->cols + (c - p->c0);
        if (r->scattered)
            decode_scattered(r, codes, r->scale + at, r->zero + at, r->order, n, dst + i * pitch);
        else
            decode_row(r, codes, r->scale + at, r->zero + at, c, n, dst + i * pitch);
    }
    return st;
}

static void copy_piece(const wh_reader *r, const wh_span *p, uint64_t c, uint8_t *dst, size_t pitch)
{
    const size_t n = (size_t)(p->c0 + p->cols - c);
    for (uint64_t i = 0; i < p->rows; i++)
        memcpy(dst + i * pitch, r->codes + i * p->cols + (c - p->c0), n);
}

/* The span, decoded to `values` or as codes. */
static whit_status each_piece(const wh_reader *r, const wh_span *s, float *values, uint8_t *codes)
{
    const uint64_t end = s->c0 + s->cols;
    for (uint64_t i = 0; i < s->rows; i += r->rows)
        for (uint64_t c = s->c0; c < end;) {
            wh_span p = { s->r0 + i, at_most(s->rows - i, r->rows), c / ALIGN * ALIGN, 0 };
            p.cols = at_most(end - p.c0, r->cols);
            const size_t at = (size_t)(i * s->cols + (c - s->c0));
            whit_status st = r->ops->codes(r, &p, r->codes);
            if (st == WHIT_OK && values)
                st = decode_piece(r, &p, c, values + at, (size_t)s->cols);
            else if (st == WHIT_OK)
                copy_piece(r, &p, c, codes + at, (size_t)s->cols);
            if (st != WHIT_OK) return st;
            c = p.c0 + p.cols;
        }
    return WHIT_OK;
}

whit_status wh_codes_decode(const whit_file *file, const whit_source_tensor *t, const wh_span *span,
                            float *dst, whit_error *err)
{
    wh_span s = *span;
    wh_reader r;
    whit_status st = reader_init(&r, file, t, &s, err);
    if (st == WHIT_OK) st = each_piece(&r, &s, dst, NULL);
    free(r.scale);
    return st;
}

/* Scales of rows and groups; rows that share them have each its own. */
static whit_status each_scale(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    const size_t groups = (size_t)s->cols, most = at_most(s->cols, r->cells);
    const size_t rows = r->high > 1 ? 1 : r->cells / most; /* of a fetch */
    for (uint64_t i = 0; i < s->rows; i += rows)
        for (size_t g = 0; g < groups; g += most) {
            const wh_span p = { (s->r0 + i) / r->high, at_most(s->rows - i, rows), s->c0 + g,
                                at_most(groups - g, most) };
            const size_t n = (size_t)p.cols;
            whit_status st = r->ops->scales(r, &p, r->scale, r->zero);
            for (uint64_t k = 0; k < p.rows && st == WHIT_OK; k++) {
                const size_t to = (size_t)(i + k) * groups + g, from = (size_t)k * n;
                memcpy(scale + to, r->scale + from, n * sizeof *scale);
                if (zero) memcpy(zero + to, r->zero + from, n);
            }
            if (st != WHIT_OK) return st;
        }
    return WHIT_OK;
}

whit_status wh_codes_rows(const whit_file *file, const whit_source_tensor *t, uint64_t row,
                          size_t rows, uint8_t *codes, float *scale, uint8_t *zero, whit_error *err)
{
    wh_span s = { row, rows, 0, t->cols };
    wh_reader r;
    whit_status st = reader_init(&r, file, t, &s, err);
    if (st == WHIT_OK) st = each_piece(&r, &s, NULL, codes);
    const wh_span g = { s.r0, s.rows, s.c0 / r.group, (s.cols - 1) / r.group + 1 };
    if (st == WHIT_OK) st = each_scale(&r, &g, scale, zero);
    free(r.scale);
    return st;
}
