/* src/calib/hessian.h - X^T X of an input: float64, the upper triangle row by row.
 *
 * Element (r, c), c >= r, is number r * cols - r (r - 1) / 2 + c - r of cols (cols + 1) / 2.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_HESSIAN_H
#define WH_CALIB_HESSIAN_H

#include <whit/kernel.h>
#include "base/error.h"

/* How many elements; cols below 2^31. */
static inline uint64_t wh_triangle(uint64_t cols)
{
    return cols * (cols + 1) / 2;
}
/* The number of the first element of a row. */
static inline uint64_t wh_triangle_row(uint64_t cols, uint64_t row)
{
    return row * cols - row * (row - (row > 0)) / 2;
}

/* Where they are while they grow: in memory, or in a file. */
typedef struct wh_hessians {
    whit_context *context; /* of the products */
    size_t count;
    uint64_t *cols;        /* [count] */
    uint64_t *first;       /* [count + 1] number of the first element of each */
    double *element;       /* [first[count]]; NULL: in the file */
    int fd;                /* -1: none. It has no name any more */
    const char *path;      /* that it had, for messages */
    float *product;        /* [cols * cols] of the widest: a block of tokens */
    double *piece;         /* of elements on their way from and to the file */
    double seconds, flops; /* spent; of the products */
} wh_hessians;             /* zero-initialise, with fd -1 */

/* Octets besides the elements themselves. */
uint64_t wh_hessians_scratch(const uint64_t *cols, size_t count, int spilled);
/* cols is copied. fd: -1, or a file for the elements, which is then the callee's to close. Errors:
 * WHIT_ERR_NOMEM, WHIT_ERR_IO. */
whit_status wh_hessians_open(wh_hessians *h, whit_context *context, const uint64_t *cols,
                             size_t count, int fd, const char *path, whit_error *err);
void wh_hessians_close(wh_hessians *h);

/* Number `index` += x^T x, x [tokens][cols]; the products of a call in float32, so at most 256
 * tokens. */
whit_status wh_hessians_add(wh_hessians *h, size_t index, const float *x, size_t tokens,
                            whit_error *err);
/* The same for a triangle in memory; product [cols * cols] holds zeros, before and afterwards. */
whit_status wh_hessian_add(whit_context *context, double *triangle, float *product, size_t cols,
                           const float *x, size_t tokens, whit_error *err);
/* Elements [at, at + n) of number `index`, out and in. */
whit_status wh_hessians_get(const wh_hessians *h, size_t index, uint64_t at, size_t n, double *out,
                            whit_error *err);
whit_status wh_hessians_put(wh_hessians *h, size_t index, uint64_t at, size_t n, const double *in,
                            whit_error *err);

#endif
