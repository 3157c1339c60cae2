/* src/io/read.c - positioned reads of tensor data, as stored or as float32.
 *
 * Extents were proved to lie in their file when it was opened; here the caller's part is proved to
 * lie in its tensor. No state: each call is a few preads.
 *
 * SPDX-License-Identifier: MIT */
#include "io/view.h"

#include <inttypes.h>

#include "base/file.h"

static whit_status check_index(const whit_file *file, size_t index, whit_error *err)
{
    char label[WH_SHORT];
    if (index < file->count) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG, "%s: tensor %zu: there are %zu",
                   wh_io_label(label, file->path), index, file->count);
}

/* That [first, end) lies in the tensor's `total` bytes, elements or rows. An end that wrapped is
 * below first. */
static whit_status check_part(const whit_file *file, size_t index, uint64_t first, uint64_t end,
                              uint64_t total, const char *unit, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    if (first <= end && end <= total) return WHIT_OK;
    const whit_tensor *t = &file->tensors[index];
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s: %s: %s from %" PRIu64 " to %" PRIu64 " asked for, there are %" PRIu64,
                   wh_io_label(label, file->shards[t->shard].path), wh_short(name, t->name), unit,
                   first, end, total);
}

whit_status whit_file_read(const whit_file *file, size_t index, uint64_t first, size_t count,
                           void *dst, whit_error *err)
{
    whit_status st = check_index(file, index, err);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = &file->tensors[index];
    st = check_part(file, index, first, first + count, t->bytes, "bytes", err);
    if (st != WHIT_OK) return st;
    if (wh_view_of(file, index)) return wh_view_read(file, index, first, count, dst, err);
    const wh_shard *s = &file->shards[t->shard];
    return wh_file_pread(s->fd, s->path, t->offset + first, dst, count, err);
}

whit_status wh_io_read_f32(const whit_file *file, size_t index, uint64_t first, size_t count,
                           float *dst, whit_error *err)
{
    unsigned char raw[65536]; /* small enough that the conversion finds it in the cache */
    const whit_tensor *t = &file->tensors[index];
    const wh_shard *s = &file->shards[t->shard];
    const size_t size = whit_dtype_bits(t->dtype) / 8, most = sizeof raw / size;
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < most ? count - done : most;
        whit_status st =
            wh_file_pread(s->fd, s->path, t->offset + (first + done) * size, raw, n * size, err);
        if (st == WHIT_OK) st = wh_cvt_to_f32(file->cvt, t->dtype, raw, n, dst + done);
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

whit_status whit_file_read_f32(const whit_file *file, size_t index, uint64_t first, size_t count,
                               float *dst, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    whit_status st = check_index(file, index, err);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = &file->tensors[index];
    const wh_shard *s = &file->shards[t->shard];
    if (!whit_dtype_is_float(t->dtype) && t->block == WHIT_BLOCK_NONE)
        return wh_fail(err, WHIT_ERR_ARG, "%s: %s: elements of type %s are not read as float32",
                       wh_io_label(label, s->path), wh_short(name, t->name), whit_tensor_type(t));
    st = check_part(file, index, first, first + count, t->elements, "elements", err);
    if (st != WHIT_OK) return st;
    if (wh_view_of(file, index)) return wh_view_read_f32(file, index, first, count, dst, err);
    return s->format->read_f32(file, index, first, count, dst, err);
}

whit_status whit_file_read_rows(const whit_file *file, size_t index, uint64_t r0, uint64_t r1,
                                float *dst, whit_error *err)
{
    uint64_t rows, cols;
    whit_status st = check_index(file, index, err);
    if (st != WHIT_OK) return st;
    whit_tensor_matrix(&file->tensors[index], &rows, &cols);
    st = check_part(file, index, r0, r1, rows, "rows", err);
    if (st != WHIT_OK) return st;
    uint64_t count = (r1 - r0) * cols; /* at most the elements of the tensor */
    if (count > SIZE_MAX / sizeof *dst)
        return wh_fail(err, WHIT_ERR_ARG, "%" PRIu64 " elements at once do not fit in memory",
                       count);
    return whit_file_read_f32(file, index, r0 * cols, (size_t)count, dst, err);
}
