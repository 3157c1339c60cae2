/* src/io/order.c - arrays stored in Fortran order or big-endian, handed out row-major and
 * little-endian.
 *
 * In Fortran order the first dimension runs fastest: with R of it and C elements to each, the file
 * is C columns of R, column f starts at element f * R. A request for m rows reads blocks of columns
 * through one small buffer: where the R - m elements that it does not want fit into PAGE octets, as
 * many columns with one read as the buffer holds, else one read of m elements a column. No element
 * is read for itself unless a single one of a long column is asked for.
 *
 * What it costs: jobs ask for tiles of 2^18 elements, m = 2^18 / C rows, so a matrix takes
 * R * C * C / 2^18 reads once its columns are longer than a page: a quarter of a million for
 * 4096 x 4096, a part of a second from the page cache. With C above 2^16 a read is a few elements;
 * such a file gets a warning (npy.c). Conversion costs nothing beside that.
 *
 * With more than two dimensions the columns follow each other in another order than in a row, so
 * the place of each is computed. An array that is row-major is one column.
 *
 * SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <string.h>

#include "base/file.h"

#define BUFFER 65536u /* octets of one read; on the stack */
#define PAGE 4096u

/* A stored array as columns: column f is elements [f * rows, (f + 1) * rows) of the file. One that
 * is row-major is a single column. */
typedef struct view {
    const wh_shard *shard;
    const whit_tensor *tensor;
    uint64_t rows, cols;
    unsigned size;
    int swapped;
} view;

static view make_view(const whit_file *file, size_t index)
{
    const whit_tensor *t = &file->tensors[index];
    const wh_shard *s = &file->shards[t->shard];
    view v = {
        s, t, t->elements, 1, whit_dtype_bits(t->dtype) / 8, (s->layout & WH_IO_SWAPPED) != 0
    };
    if ((s->layout & WH_IO_FORTRAN) && t->elements > 0) {
        v.rows = t->shape[0];
        v.cols = t->elements / v.rows;
    }
    return v;
}

/* The column of the row-major matrix that is column f of the file: the second dimension runs
 * fastest in f, the last one in the result. */
static uint64_t column_of(const view *v, uint64_t f)
{
    uint64_t c = 0, unit = v->cols;
    for (uint32_t d = 1; d < v->tensor->rank && v->cols > 1; d++) {
        unit /= v->tensor->shape[d];
        c += f % v->tensor->shape[d] * unit;
        f /= v->tensor->shape[d];
    }
    return c;
}

static void swap(unsigned char *p, size_t n, unsigned size)
{
    for (size_t i = 0; i < n; i++, p += size)
        for (unsigned k = 0; k < size / 2; k++) {
            unsigned char low = p[k];
            p[k] = p[size - 1 - k];
            p[size - 1 - k] = low;
        }
}

/* Where elements go: octets as they are, or float32. */
typedef struct sink {
    unsigned char *dst;
    float *floats; /* if not NULL, instead */
} sink;

/* Elements src[0..n) to places at, at + step, .. */
static void scatter(const view *v, unsigned char *src, size_t n, const sink *out, size_t at,
                    size_t step)
{
    float batch[256];
    if (v->swapped) swap(src, n, v->size);
    if (!out->floats) {
        for (size_t i = 0; i < n; i++, at += step)
            memcpy(out->dst + at * v->size, src + i * v->size, v->size);
        return;
    }
    for (size_t done = 0, m; done < n; done += m) {
        m = n - done < 256 ? n - done : 256;
        whit_dtype_to_f32(v->tensor->dtype, src + done * v->size, m, batch);
        for (size_t i = 0; i < m; i++, at += step) out->floats[at] = batch[i];
    }
}

/* Rows [r0, r0 + m), columns [c0, c1) of the row-major matrix; the first goes to place `at`. */
static whit_status gather(const view *v, uint64_t r0, uint64_t m, uint64_t c0, uint64_t c1,
                          const sink *out, size_t at, whit_error *err)
{
    unsigned char raw[BUFFER];
    const uint64_t most = sizeof raw / v->size, width = c1 - c0;
    const int ordered = v->tensor->rank <= 2 || v->cols == 1; /* columns as in the row */
    const uint64_t from = ordered ? c0 : 0, to = ordered ? c1 : v->cols;
    for (uint64_t i = 0, n; i < m; i += n) {
        n = m - i < most ? m - i : most;
        uint64_t block = (v->rows - n) * v->size <= PAGE ? 1 + (most - n) / v->rows : 1;
        for (uint64_t f = from, k; f < to; f += k) {
            k = to - f < block ? to - f : block;
            uint64_t c = column_of(v, f);
            if (k == 1 && (c < c0 || c >= c1)) continue;
            whit_status st = wh_file_pread(v->shard->fd, v->shard->path,
                                           v->tensor->offset + (f * v->rows + r0 + i) * v->size,
                                           raw, (size_t)((k - 1) * v->rows + n) * v->size, err);
            if (st != WHIT_OK) return st;
            for (uint64_t b = 0; b < k; b++) {
                c = column_of(v, f + b);
                if (c < c0 || c >= c1) continue;
                scatter(v, raw + b * v->rows * v->size, (size_t)n, out,
                        at + (size_t)(i * width + c - c0), (size_t)width);
            }
        }
    }
    return WHIT_OK;
}

/* Elements [first, first + count), counted row-major: the end of a row, whole rows, the start of
 * one. */
static whit_status read_elements(const view *v, uint64_t first, size_t count, const sink *out,
                                 whit_error *err)
{
    for (size_t done = 0, n; done < count; done += n) {
        uint64_t left = count - done, row = (first + done) / v->cols, c = (first + done) % v->cols;
        int whole = c == 0 && left >= v->cols;
        uint64_t rows = whole ? left / v->cols : 1;
        uint64_t end = left < v->cols - c ? c + left : v->cols;
        n = (size_t)(rows * (end - c));
        whit_status st = gather(v, row, rows, c, end, out, done, err);
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

static int is_plain(const whit_file *file, size_t index)
{
    return file->shards[file->tensors[index].shard].layout == 0;
}

whit_status wh_order_read_f32(const whit_file *file, size_t index, uint64_t first, size_t count,
                              float *dst, whit_error *err)
{
    if (is_plain(file, index)) return wh_io_read_f32(file, index, first, count, dst, err);
    view v = make_view(file, index);
    return read_elements(&v, first, count, &(sink){ NULL, dst }, err);
}

whit_status wh_order_read(const whit_file *file, size_t index, uint64_t first, size_t count,
                          void *dst, whit_error *err)
{
    const view v = make_view(file, index);
    if (is_plain(file, index))
        return wh_file_pread(v.shard->fd, v.shard->path, v.tensor->offset + first, dst, count, err);
    for (size_t done = 0, n; done < count; done += n) {
        unsigned char *to = (unsigned char *)dst + done, cut[8];
        uint64_t element = (first + done) / v.size;
        size_t skip = (size_t)((first + done) % v.size), left = count - done;
        int part = skip > 0 || left < v.size; /* of an element */
        size_t elements = part ? 1 : left / v.size;
        whit_status st =
            read_elements(&v, element, elements, &(sink){ part ? cut : to, NULL }, err);
        if (st != WHIT_OK) return st;
        n = part ? v.size - skip : elements * v.size;
        if (n > left) n = left;
        if (part) memcpy(to, cut + skip, n);
    }
    return WHIT_OK;
}
