/* src/source/reader.h - between codes.c, which walks over the rows of a tensor, and the layouts,
 * which know where its codes and scales lie in the file.
 *
 * A new layout is one file with the functions of a wh_layout_ops, and its row in layouts.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_READER_H
#define WH_SOURCE_READER_H

#include "base/error.h"
#include "source/codes.h"

#define WH_RAW ((size_t)65536) /* octets as stored that are held at once */

typedef struct wh_reader wh_reader;

/* Codes are asked for by spans that start at a multiple of 32 columns. */
typedef struct wh_layout_ops {
    size_t piece; /* codes that are fetched at once, a multiple of 32: buffers stay in the cache */
    size_t rows;  /* 0: whole rows where they fit; else so many, and fewer columns: where the file
                     has rows side by side                                                   */
    int flat;     /* rows and their groups go on without a break: the matrix is read as one row  */
    /* What is needed once for all reads of a tensor. NULL: nothing. */
    whit_status (*open)(wh_reader *r);
    /* Codes [rows][cols] of the span. */
    whit_status (*codes)(const wh_reader *r, const wh_span *s, uint8_t *codes);
    /* Scales of rows r0.. of the plane of scales and groups c0..: [rows][cols], and where the
     * scheme is asym zero points. */
    whit_status (*scales)(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero);
} wh_layout_ops;

/* One tensor, while it is read. */
struct wh_reader {
    const whit_file *file;
    const whit_source_tensor *t;
    const wh_layout_ops *ops;
    uint64_t row_bytes;     /* of the codes, where rows are stored one behind the other */
    uint64_t width;         /* columns as they are laid out: of a flat one, all weights */
    uint64_t group, groups; /* of a row; group == width for one scale a row */
    uint64_t high;          /* rows that share scales: 1, those of a block, or all */
    float scale2, offset;   /* of the tensor: nvfp4, dq */
    float map[256];         /* what codes of scales stand for: dq */
    const float *table;     /* NULL, or [16] what codes stand for: */
    float values[16];
    int scattered; /* the plane of groups of columns says which scale a column has */
    whit_error *err;
    /* for a piece: */
    size_t rows, cols, cells; /* at most so many of them; groups of all its rows */
    float *scale;             /* [cells] */
    uint8_t *codes, *zero;    /* [rows][cols], [cells] */
    uint32_t *order;          /* [cols], where columns are scattered */
    uint8_t *raw;             /* [WH_RAW] */
};

/* layouts.c: how the tensor is laid out. */
const wh_layout_ops *wh_layout_ops_of(const whit_source_tensor *t);

/* fetch.c: count elements of `type` from number first on of a stored plane, as float32. */
whit_status wh_fetch_floats(const wh_reader *r, size_t plane, whit_dtype type, uint64_t first,
                            size_t count, float *dst);
/* Scales of the span in the order of the plane (planes[1], of the scheme's scale type). */
whit_status wh_fetch_scales(const wh_reader *r, const wh_span *s, float *scale);
/* count scales from number first on of a flat plane of codes, with r->map and r->offset. */
whit_status wh_fetch_nested(const wh_reader *r, uint64_t first, size_t count, float *scale);
/* count runs of `len` octets each, `pitch` apart, from octet `at` of a stored plane on, into
 * r->raw; at most WH_RAW octets. */
whit_status wh_fetch_runs(const wh_reader *r, size_t plane, uint64_t at, uint64_t pitch,
                          size_t count, size_t len);
/* Codes that run across outputs: lines (inputs, groups) one after the other, each a stream of words
 * over all rows of the matrix. */
typedef struct wh_across {
    size_t plane;
    uint64_t line, row; /* the first */
    size_t lines, rows;
    uint8_t add;          /* as in wh_streams */
    const uint8_t *order; /* as in wh_streams */
    size_t step;          /* codes from a row to the next, in memory */
} wh_across;
whit_status wh_fetch_across(const wh_reader *r, const wh_across *a, uint8_t *codes);
/* Scales [lines][rows of the matrix], as wh_layout_ops has them. */
whit_status wh_fetch_scales_across(const wh_reader *r, const wh_span *s, float *scale);
/* The codes of rows that are dense bit strings of row_bytes each. */
whit_status wh_fetch_rows(const wh_reader *r, const wh_span *s, uint8_t *codes);
/* The same of signed octets. */
whit_status wh_fetch_signed_rows(const wh_reader *r, const wh_span *s, uint8_t *codes);

extern const wh_layout_ops wh_layout_native, wh_layout_ct_packed, wh_layout_ct_int,
    wh_layout_ct_float, wh_layout_gptq, wh_layout_awq, wh_layout_bnb4, wh_layout_bnb8,
    wh_layout_llama2c;

#endif
