/* src/io/raw.c - files that are one array: a raw one, whose shape and type the caller says, and
 * what it shares with NPY, whose own header says them.
 *
 * A raw file has no header, so nothing in it is believed: its size must be exactly what shape and
 * type make. It is row-major and little-endian. Not here: guessing; and arrays in parts.
 *
 * SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/tensor.h"

void whit_raw_options_init(whit_raw_options *options)
{
    *options = (whit_raw_options){ .struct_size = sizeof *options, .dtype = WHIT_F32 };
}

whit_status wh_raw_check(const whit_raw_options *raw, whit_error *err)
{
    if (!raw || raw->struct_size != sizeof *raw)
        return wh_fail(err, WHIT_ERR_ARG, "whit_raw_options: missing, or not initialised");
    if (raw->rank > WHIT_MAX_RANK)
        return wh_fail(err, WHIT_ERR_ARG, "a raw array has at most %d dimensions, not %" PRIu32,
                       WHIT_MAX_RANK, raw->rank);
    if (whit_dtype_bits(raw->dtype) == 0)
        return wh_fail(err, WHIT_ERR_ARG, "type %d of a raw array is not known", (int)raw->dtype);
    return WHIT_OK;
}

whit_status wh_io_measure(whit_tensor *t, const char *label, whit_error *err)
{
    uint64_t product, bits = 0;
    int empty, fits = wh_tensor_product(t, &product, &empty);
    fits = fits && wh_mul_u64(product, whit_dtype_bits(t->dtype), &bits);
    if (fits && empty) product = bits = 0;
    if (!fits || bits % 8 != 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: its shape makes no whole number of bytes below 2^61", label);
    t->elements = product;
    t->bytes = bits / 8;
    return WHIT_OK;
}

int wh_io_is_name(const char *text, size_t len)
{
    static const char reserved[] = "__metadata__";
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, n; i < len; i += n)
        if ((n = wh_utf8_sequence(p + i, len - i)) == 0) return 0;
    return len > 0 && !memchr(text, 0, len) &&
           (len != sizeof reserved - 1 || memcmp(text, reserved, len) != 0);
}

whit_status wh_io_fills(const whit_tensor *t, uint64_t offset, uint64_t bytes, const char *label,
                        whit_error *err)
{
    uint64_t end;
    if (!wh_add_u64(offset, t->bytes, &end)) end = UINT64_MAX;
    if (end > bytes)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: shape and type make %" PRIu64 " bytes of data, up to byte %" PRIu64
                       ", the file has %" PRIu64,
                       label, t->bytes, end, bytes);
    if (end < bytes)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %" PRIu64 " bytes behind its %" PRIu64 " bytes of data", label,
                       bytes - end, t->bytes);
    return WHIT_OK;
}

/* Where the name ends before the suffix or, without one, before the extension. What would leave
 * nothing stays. */
static size_t stem(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = suffix ? strlen(suffix) : 0;
    const char *dot = strrchr(name, '.');
    if (suffix) return len > n && strcmp(name + len - n, suffix) == 0 ? len - n : len;
    return dot && dot > name ? (size_t)(dot - name) : len;
}

whit_status wh_raw_add(whit_file *file, size_t shard, whit_tensor *t, uint64_t offset,
                       const char *suffix, whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    const char *name = wh_path_name(s->path);
    const size_t len = stem(name, suffix);
    char label[WH_SHORT];
    wh_io_label(label, s->path);
    if (!wh_io_is_name(name, len))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: the file's name is none for a tensor; try: rename it", label);
    whit_status st = wh_io_measure(t, label, err);
    if (st != WHIT_OK) return st;
    st = wh_io_fills(t, offset, s->bytes, label, err);
    if (st != WHIT_OK) return st;
    t->offset = offset;
    t->shard = (uint32_t)shard;
    t->name = wh_io_text(file, name, len);
    if (!t->name) return wh_io_no_memory(file, err);
    size_t first = file->count;
    st = wh_io_add_tensor(file, t, err);
    return st == WHIT_OK ? wh_io_seal(file, first, err) : st;
}

static whit_status list(whit_file *file, size_t shard, whit_error *err)
{
    const whit_raw_options *raw = file->raw;
    whit_tensor t = { .dtype = raw->dtype, .rank = raw->rank };
    for (uint32_t d = 0; d < raw->rank; d++) t.shape[d] = raw->shape[d];
    return wh_raw_add(file, shard, &t, 0, NULL, err);
}

const wh_format wh_raw_format = { "raw", NULL, list, wh_io_read_f32, NULL };
