/* tests/packing.h - matrices and the tensors of checkpoints that they are packed into, for tests.
 *
 * Every buffer ends where its data ends, for sanitizers.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_PACKING_H
#define WHIT_PACKING_H

#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include <whit/quant.h>

#include "check.h"

typedef struct matrix {
    whit_scheme scheme;
    size_t rows, cols, scales, groups; /* groups: scales of a row */
    uint8_t *codes, *zero;
    float *scale;
} matrix;

typedef struct image {
    whit_plane plane[WHIT_MAX_PACKED];
    void *data[WHIT_MAX_PACKED];
    unsigned count;
} image;

static inline void *packing_alloc(size_t n, int fill)
{
    void *p = malloc(n ? n : 1);
    if (!p) abort();
    return memset(p, fill, n);
}

static inline matrix matrix_new(const char *scheme, size_t rows, size_t cols)
{
    matrix m = { .rows = rows, .cols = cols };
    uint64_t srows, scols;
    whit_error err;
    if (whit_scheme_parse(&m.scheme, scheme, &err) != WHIT_OK) {
        printf("%s\n", err.msg);
        abort();
    }
    whit_scheme_scales(&m.scheme, rows, cols, &srows, &scols);
    m.groups = (size_t)scols;
    m.scales = (size_t)(srows * scols);
    m.codes = packing_alloc(rows * cols, 0xa5);
    m.zero = packing_alloc(m.scales, 0xa5);
    m.scale = packing_alloc(m.scales * sizeof *m.scale, 0xa5);
    return m;
}

static inline void matrix_free(matrix *m)
{
    free(m->codes);
    free(m->zero);
    free(m->scale);
}

/* What the quantizer makes of a random matrix. */
static inline matrix matrix_random(const char *scheme, size_t rows, size_t cols, check_rng *r)
{
    matrix m = matrix_new(scheme, rows, cols);
    whit_error err;
    float *w = packing_alloc(rows * cols * sizeof *w, 0);
    for (size_t i = 0; i < rows * cols; i++) w[i] = check_normal(r);
    const whit_quant_spec spec = { .struct_size = sizeof spec,
                                   .scheme = m.scheme,
                                   .clip = check_below(r, 2) ? WHIT_CLIP_MINMAX : WHIT_CLIP_DEFAULT,
                                   .positive_scale = 1 };
    if (whit_quantize(w, rows, cols, &spec, m.codes, m.scale, m.scheme.asym ? m.zero : NULL, NULL,
                      &err) != WHIT_OK) {
        printf("%s\n", err.msg);
        abort();
    }
    for (size_t i = 0; i < m.scales && m.scheme.dq; i++) m.zero[i] = (uint8_t)check_u64(r);
    free(w);
    return m;
}

static inline whit_packing packing_of(const matrix *m, whit_layout layout)
{
    return (whit_packing){ .struct_size = sizeof(whit_packing),
                           .layout = layout,
                           .scheme = m->scheme,
                           .rows = m->rows,
                           .cols = m->cols,
                           .dtype = WHIT_BF16 };
}

/* Tensors full of garbage. */
static inline image image_new(const whit_packing *p)
{
    image im = { 0 };
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_packing_planes(p, im.plane, &im.count, &err) == WHIT_OK, "%s", err.msg);
    for (unsigned k = 0; k < im.count; k++)
        im.data[k] = packing_alloc((size_t)im.plane[k].bytes, 0xa5);
    return im;
}

static inline void image_free(image *im)
{
    for (unsigned k = 0; k < im->count; k++) free(im->data[k]);
}

/* The tensor with that suffix. */
static inline const uint8_t *image_of(const image *im, const char *suffix)
{
    for (unsigned k = 0; k < im->count; k++)
        if (!strcmp(im->plane[k].suffix, suffix)) return im->data[k];
    CHECK(0, "there is no %s", suffix);
    exit(check_result());
}

/* Zero points, or codes of scales. */
static inline int has_octets(const matrix *m)
{
    return m->scheme.asym || m->scheme.dq;
}

/* Version 1 of GPTQ stores no zero point of 0. */
static inline void lift_zeros(matrix *m, whit_layout layout)
{
    for (size_t i = 0; i < m->scales && m->scheme.asym && layout == WHIT_LAYOUT_GPTQ; i++)
        if (m->zero[i] == 0) m->zero[i] = 1;
}

/* Where the scales of a row begin among all. */
static inline size_t matrix_scale_at(const matrix *m, size_t row)
{
    const size_t high = m->scheme.block_rows ? m->scheme.block_rows : 1;
    return m->scheme.gran == WHIT_GRAN_TENSOR ? 0 : row / high * m->groups;
}

/* What goes beside the rows: that of dq, in groups of 256 scales. */
static inline whit_packing_rest packing_rest_of(const matrix *m, check_rng *r)
{
    whit_packing_rest rest = { 0 };
    const size_t n = (m->scales + 255) / 256;
    float *absmax = packing_alloc(n * sizeof *absmax, 0);
    for (size_t i = 0; i < n; i++) absmax[i] = check_f32(r) + 1.0f;
    if (!m->scheme.dq) {
        free(absmax);
        return rest;
    }
    rest.absmax = absmax;
    rest.offset = check_f32(r);
    return rest;
}

/* The next part's rows: a random number of units. */
static inline size_t packing_step(const whit_packing *p, size_t row, check_rng *r)
{
    const uint64_t unit = whit_packing_unit(p), left = p->rows - row;
    const uint64_t n = unit * (1 + check_below(r, 5));
    return (size_t)(n < left ? n : left);
}

static inline void pack_in_parts(const whit_packing *p, const matrix *m, image *im, check_rng *r)
{
    whit_error err = { WHIT_OK, "" };
    for (size_t row = 0, n; row < m->rows; row += n) {
        n = packing_step(p, row, r);
        const size_t s = matrix_scale_at(m, row);
        CHECK(whit_pack_rows(p, row, n, m->codes + row * m->cols,
                             m->scheme.dq ? NULL : m->scale + s, has_octets(m) ? m->zero + s : NULL,
                             im->data, &err) == WHIT_OK,
              "%s", err.msg);
    }
}

static inline void unpack_in_parts(const whit_packing *p, const image *im, matrix *m, check_rng *r)
{
    whit_error err = { WHIT_OK, "" };
    for (size_t row = 0, n; row < m->rows; row += n) {
        n = packing_step(p, row, r);
        const size_t s = matrix_scale_at(m, row);
        CHECK(whit_unpack_rows(p, row, n, (const void *const *)im->data, m->codes + row * m->cols,
                               m->scale + s, m->zero + s, &err) == WHIT_OK,
              "%s", err.msg);
    }
}

#endif
