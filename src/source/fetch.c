/* src/source/fetch.c - codes and scales as the native file holds them (layout: src/pack/native.c),
 * and what other layouts have in common with it.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/pack.h>

#include "io/io.h"
#include "pack/layout.h"
#include "pack/streams.h"
#include "quant/nested.h"
#include "source/reader.h"

whit_status wh_fetch_floats(const wh_reader *r, size_t plane, whit_dtype type, uint64_t first,
                            size_t count, float *dst)
{
    const size_t size = whit_dtype_bits(type) / 8, most = WH_RAW / size;
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < most ? count - done : most;
        whit_status st =
            whit_file_read(r->file, plane, (first + done) * size, n * size, r->raw, r->err);
        if (st != WHIT_OK) return st;
        wh_cvt_to_f32(r->file->cvt, type, r->raw, n, dst + done);
    }
    return WHIT_OK;
}

whit_status wh_fetch_scales(const wh_reader *r, const wh_span *s, float *scale)
{
    const int whole = s->cols == r->groups; /* rows of scales lie together */
    const uint64_t runs = whole ? 1 : s->rows;
    const size_t n = (size_t)(whole ? s->rows * s->cols : s->cols);
    whit_status st = WHIT_OK;
    for (uint64_t i = 0; i < runs && st == WHIT_OK; i++)
        st = wh_fetch_floats(r, r->t->planes[1], r->t->scheme.scale_type,
                             (s->r0 + i) * r->groups + s->c0, n, scale + i * n);
    return st;
}

whit_status wh_fetch_runs(const wh_reader *r, size_t plane, uint64_t at, uint64_t pitch,
                          size_t count, size_t len)
{
    whit_status st = WHIT_OK;
    if (len == pitch) return whit_file_read(r->file, plane, at, count * len, r->raw, r->err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++)
        st = whit_file_read(r->file, plane, at + i * pitch, len, r->raw + i * len, r->err);
    return st;
}

whit_status wh_fetch_across(const wh_reader *r, const wh_across *a, uint8_t *codes)
{
    const unsigned bits = r->t->scheme.bits, each = bits == 3 ? 32 : 32 / bits;
    const uint64_t line = 4 * wh_words_of(r->t->rows, bits);
    const size_t skip = (size_t)(a->row % each), words = (size_t)wh_words_of(skip + a->rows, bits);
    const size_t most = WH_RAW / (4 * words);
    for (size_t done = 0, n; done < a->lines; done += n) {
        n = a->lines - done < most ? a->lines - done : most;
        const wh_streams s = { .streams = n,
                               .count = a->rows,
                               .bits = bits,
                               .add = a->add,
                               .skip = skip,
                               .code_step = a->step,
                               .code_next = 1,
                               .word_step = 1,
                               .word_next = words,
                               .order = a->order };
        whit_status st = wh_fetch_runs(
            r, a->plane, (a->line + done) * line + 4 * wh_words_of(a->row - skip, bits), line, n,
            4 * words);
        if (st != WHIT_OK) return st;
        wh_streams_unpack(&s, r->raw, codes + done);
    }
    return WHIT_OK;
}

whit_status wh_fetch_scales_across(const wh_reader *r, const wh_span *s, float *scale)
{
    float column[512];
    const size_t most = sizeof column / sizeof *column;
    for (uint64_t g = 0; g < s->cols; g++)
        for (uint64_t i = 0, n; i < s->rows; i += n) {
            n = s->rows - i < most ? s->rows - i : most;
            whit_status st =
                wh_fetch_floats(r, r->t->planes[1], r->t->scheme.scale_type,
                                (s->c0 + g) * r->t->rows + s->r0 + i, (size_t)n, column);
            if (st != WHIT_OK) return st;
            for (uint64_t k = 0; k < n; k++) scale[(i + k) * s->cols + g] = column[k];
        }
    return WHIT_OK;
}

whit_status wh_fetch_rows(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    const unsigned bits = r->t->scheme.bits;
    const size_t part = whit_packed_bytes((size_t)s->cols, bits);
    const int whole = s->cols == r->t->cols;
    const size_t step = whole && r->row_bytes < WH_RAW ? WH_RAW / (size_t)r->row_bytes : 1;
    for (uint64_t i = 0, n; i < s->rows; i += n) {
        n = s->rows - i < step ? s->rows - i : step;
        const uint64_t at = (s->r0 + i) * r->row_bytes + s->c0 / 8 * bits;
        const size_t pitch = whole ? (size_t)r->row_bytes : part;
        whit_status st = whit_file_read(r->file, r->t->planes[0], at,
                                        (size_t)(n - 1) * pitch + part, r->raw, r->err);
        if (st != WHIT_OK) return st;
        for (uint64_t k = 0; k < n; k++)
            whit_unpack_bits(r->raw + k * pitch, (size_t)s->cols, bits, codes + (i + k) * s->cols);
    }
    return WHIT_OK;
}

whit_status wh_fetch_signed_rows(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    whit_status st = wh_fetch_rows(r, s, codes);
    if (st == WHIT_OK) wh_flip_sign(codes, (size_t)(s->rows * s->cols), codes);
    return st;
}

whit_status wh_fetch_nested(const wh_reader *r, uint64_t first, size_t count, float *scale)
{
    float absmax[WH_RAW / WH_NESTED_BLOCK + 2];
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < WH_RAW ? count - done : WH_RAW;
        const uint64_t block = (first + done) / WH_NESTED_BLOCK;
        const size_t blocks = (size_t)((first + done + n - 1) / WH_NESTED_BLOCK - block + 1);
        whit_status st = wh_fetch_floats(r, r->t->planes[2], WHIT_F32, block, blocks, absmax);
        if (st == WHIT_OK)
            st = whit_file_read(r->file, r->t->planes[1], first + done, n, r->raw, r->err);
        if (st != WHIT_OK) return st;
        for (size_t i = 0; i < n; i++)
            scale[done + i] = wh_nested_decode(
                r->map, r->raw[i], absmax[(first + done + i) / WH_NESTED_BLOCK - block], r->offset);
    }
    return WHIT_OK;
}

/* n scales from number first of the plane on. */
static whit_status run_of_scales(const wh_reader *r, uint64_t first, size_t n, float *scale,
                                 uint8_t *zero)
{
    const whit_scheme *s = &r->t->scheme;
    if (s->dq) return wh_fetch_nested(r, first, n, scale);
    whit_status st = wh_fetch_floats(r, r->t->planes[1], s->scale_type, first, n, scale);
    if (s->kind == WHIT_NVFP4)
        for (size_t i = 0; i < n && st == WHIT_OK; i++) scale[i] *= r->scale2;
    if (st != WHIT_OK || !s->asym) return st;
    return whit_file_read(r->file, r->t->planes[2], first, n, zero, r->err);
}

static whit_status native_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    const int whole = s->cols == r->groups; /* rows of scales lie together */
    const uint64_t runs = whole ? 1 : s->rows;
    const size_t n = (size_t)(whole ? s->rows * s->cols : s->cols);
    whit_status st = WHIT_OK;
    for (uint64_t i = 0; i < runs && st == WHIT_OK; i++)
        st = run_of_scales(r, (s->r0 + i) * r->groups + s->c0, n, scale + i * n, zero + i * n);
    return st;
}

static whit_status native_open(wh_reader *r)
{
    whit_status st = WHIT_OK;
    if (r->t->scheme.kind == WHIT_NVFP4)
        st = wh_fetch_floats(r, r->t->planes[2], WHIT_F32, 0, 1, &r->scale2);
    if (!r->t->scheme.dq) return st;
    wh_nested_map(r->map);
    return wh_fetch_floats(r, r->t->planes[3], WHIT_F32, 0, 1, &r->offset);
}

const wh_layout_ops wh_layout_native = {
    .piece = 32768, .open = native_open, .codes = wh_fetch_rows, .scales = native_scales
};
