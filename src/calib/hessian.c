/* src/calib/hessian.c - X^T X of inputs, block by block of tokens: products in float32, their sums
 * in float64, in memory or in a file.
 *
 * Source: methods 5.2 of our specification.
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE 200809L
#include "calib/hessian.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "kernels/context.h"

#define PIECE ((size_t)1 << 17) /* elements that go to and from the file at once */

static double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t widest(const uint64_t *cols, size_t count)
{
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) most = cols[i] > most ? cols[i] : most;
    return most;
}

uint64_t wh_hessians_scratch(const uint64_t *cols, size_t count, int spilled)
{
    const uint64_t most = widest(cols, count);
    return most * most * sizeof(float) + (spilled ? PIECE * sizeof(double) : 0);
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the products of inputs");
}

whit_status wh_hessians_open(wh_hessians *h, whit_context *context, const uint64_t *cols,
                             size_t count, int fd, const char *path, whit_error *err)
{
    const uint64_t most = widest(cols, count);
    *h = (wh_hessians){ .context = context, .count = count, .fd = fd, .path = path };
    h->cols = wh_calloc(count, sizeof *h->cols);
    h->first = wh_calloc(count + 1, sizeof *h->first);
    if (!h->cols || !h->first || most > UINT32_MAX / 2) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        h->cols[i] = cols[i];
        if (!wh_add_u64(h->first[i], wh_triangle(cols[i]), &h->first[i + 1])) return no_memory(err);
    }
    if (h->first[count] > SIZE_MAX / sizeof(double)) return no_memory(err);
    h->product = wh_calloc(most * most, sizeof *h->product);
    if (fd < 0)
        h->element = wh_calloc(h->first[count], sizeof *h->element);
    else
        h->piece = wh_calloc(PIECE, sizeof *h->piece);
    if (!h->product || !(fd < 0 ? h->element : h->piece)) return no_memory(err);
    /* holes read as zeros */
    return fd < 0 ? WHIT_OK : wh_file_resize(fd, path, h->first[count] * sizeof(double), err);
}

void wh_hessians_close(wh_hessians *h)
{
    if (h->fd >= 0) close(h->fd);
    free(h->cols);
    free(h->first);
    free(h->element);
    free(h->product);
    free(h->piece);
    memset(h, 0, sizeof *h);
    h->fd = -1;
}

whit_status wh_hessians_get(const wh_hessians *h, size_t index, uint64_t at, size_t n, double *out,
                            whit_error *err)
{
    const uint64_t from = h->first[index] + at;
    if (h->fd >= 0)
        return wh_file_pread(h->fd, h->path, from * sizeof *out, out, n * sizeof *out, err);
    memcpy(out, h->element + from, n * sizeof *out);
    return WHIT_OK;
}

whit_status wh_hessians_put(wh_hessians *h, size_t index, uint64_t at, size_t n, const double *in,
                            whit_error *err)
{
    const uint64_t to = h->first[index] + at;
    if (h->fd >= 0) return wh_file_pwrite(h->fd, h->path, to * sizeof *in, in, n * sizeof *in, err);
    memcpy(h->element + to, in, n * sizeof *in);
    return WHIT_OK;
}

/* ---- adding ----------------------------------------------------------------------------------
 */

typedef struct folding {
    float *product; /* zeros behind it */
    double *to;
    uint64_t cols;
} folding;

static void fold_rows(const folding *f, uint64_t r0, uint64_t r1)
{
    for (uint64_t r = r0; r < r1; r++) {
        float *from = f->product + r * f->cols;
        double *to = f->to + wh_triangle_row(f->cols, r);
        for (uint64_t c = r; c < f->cols; c++) {
            to[c - r] += (double)from[c];
            from[c] = 0;
        }
    }
}

/* Pairs of rows from both ends have the same number of elements. */
static void fold_part(void *ctx, unsigned t, unsigned threads)
{
    const folding *f = ctx;
    size_t begin, end;
    const uint64_t half = (f->cols + 1) / 2;
    wh_pool_split((size_t)half, 1, t, threads, &begin, &end);
    fold_rows(f, begin, end);
    const uint64_t high = f->cols - end, last = f->cols - begin;
    fold_rows(f, high > half ? high : half, last > half ? last : half);
}

/* Through the file, in pieces of whole rows: one row has at most PIECE elements, or is cut. */
static whit_status fold_file(wh_hessians *h, size_t index, whit_error *err)
{
    const uint64_t cols = h->cols[index], all = wh_triangle(cols);
    uint64_t row = 0, col = 0;
    whit_status st = WHIT_OK;
    for (uint64_t at = 0; at < all && st == WHIT_OK;) {
        const size_t n = all - at < PIECE ? (size_t)(all - at) : PIECE;
        st = wh_hessians_get(h, index, at, n, h->piece, err);
        for (size_t i = 0; i < n && st == WHIT_OK; i++) {
            float *from = h->product + row * cols + col;
            h->piece[i] += (double)*from;
            *from = 0;
            if (++col == cols) col = ++row;
        }
        if (st == WHIT_OK) st = wh_hessians_put(h, index, at, n, h->piece, err);
        at += n;
    }
    return st;
}

whit_status wh_hessian_add(whit_context *context, double *triangle, float *product, size_t cols,
                           const float *x, size_t tokens, whit_error *err)
{
    folding f = { .product = product, .to = triangle, .cols = cols };
    whit_status st = whit_syrk(context, x, tokens, cols, product, err);
    if (st != WHIT_OK) return st;
    pthread_mutex_lock(&context->lock);
    wh_pool_run(context->pool, fold_part, &f);
    pthread_mutex_unlock(&context->lock);
    return WHIT_OK;
}

whit_status wh_hessians_add(wh_hessians *h, size_t index, const float *x, size_t tokens,
                            whit_error *err)
{
    const double start = clock_seconds();
    const uint64_t cols = h->cols[index];
    whit_status st;
    if (h->fd >= 0) {
        st = whit_syrk(h->context, x, tokens, (size_t)cols, h->product, err);
        if (st == WHIT_OK) st = fold_file(h, index, err);
    } else
        st = wh_hessian_add(h->context, h->element + h->first[index], h->product, (size_t)cols, x,
                            tokens, err);
    if (st != WHIT_OK) return st;
    h->flops += (double)tokens * (double)cols * (double)(cols + 1);
    h->seconds += clock_seconds() - start;
    return WHIT_OK;
}
