/* tests/fuzz/model_check.h - what must hold of any model file that opens: names, sizes, and data
 * that are the same whichever way they are read.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_MODEL_CHECK_H
#define WHIT_FUZZ_MODEL_CHECK_H

#include <whit/file.h>

#include "input.h"

#define MODEL_MOST ((uint64_t)1 << 18) /* octets of a tensor that are read through */

/* Octets in two parts against octets at once; elements against octets. */
static inline void model_check_data(const whit_file *f, size_t i, unsigned pick)
{
    const whit_tensor *t = whit_file_tensor(f, i);
    const size_t bytes = (size_t)t->bytes, cut = bytes * (pick % 16) / 16;
    const size_t unit = whit_dtype_bits(t->dtype) / 8, n = bytes / unit;
    uint8_t *whole = malloc(bytes + 1), *parts = malloc(bytes + 1);
    float *got = malloc((n + 1) * sizeof *got), *want = malloc((n + 1) * sizeof *want);
    require(whole && parts && got && want);
    require(whit_file_read(f, i, 0, bytes, whole, NULL) == WHIT_OK);
    require(whit_file_read(f, i, cut, bytes - cut, parts + cut, NULL) == WHIT_OK);
    require(whit_file_read(f, i, 0, cut, parts, NULL) == WHIT_OK);
    require(memcmp(whole, parts, bytes) == 0);
    if (whit_dtype_is_float(t->dtype)) {
        const size_t from = n * (pick % 8) / 8;
        require(whit_file_read_f32(f, i, from, n - from, got, NULL) == WHIT_OK);
        require(whit_dtype_to_f32(t->dtype, whole + from * unit, n - from, want) == WHIT_OK);
        require(memcmp(got, want, (n - from) * sizeof *got) == 0);
    }
    free(want);
    free(got);
    free(parts);
    free(whole);
}

static inline void model_check(const whit_file *f, unsigned pick)
{
    uint64_t left = 4 * MODEL_MOST;
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        uint64_t product = 1, rows, cols;
        for (uint32_t d = 0; d < t->rank; d++) product *= t->shape[d];
        require(t->rank <= WHIT_MAX_RANK && product == t->elements && *t->name);
        require(t->bytes * 8 == t->elements * whit_dtype_bits(t->dtype));
        require(whit_file_find(f, t->name) == i && t->shard < whit_file_shards(f));
        require(t->offset <= whit_file_shard_bytes(f, t->shard));
        whit_tensor_matrix(t, &rows, &cols);
        require(t->elements == 0 || rows * cols == t->elements);
        require(whit_file_read(f, i, t->bytes, 1, &rows, NULL) == WHIT_ERR_ARG);
        if (t->bytes > MODEL_MOST || t->bytes > left) continue;
        left -= t->bytes;
        model_check_data(f, i, pick);
    }
    for (size_t i = 0; i < whit_file_warnings(f); i++)
        for (const char *p = whit_file_warning(f, i); *p; p++)
            require((unsigned char)*p >= ' ' && *p != 0x7f);
}

/* The octets as a file of that name: it opens and holds together, or is refused in one line. */
static inline whit_status model_try(const char *name, const void *data, size_t size, unsigned pick)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    input_put(name, data, size);
    whit_status st = whit_file_open(&f, input.path, &err);
    if (st != WHIT_OK) {
        require(!f);
        input_refused(st, &err, name);
        return st;
    }
    model_check(f, pick);
    whit_file_close(f);
    return st;
}

#endif
