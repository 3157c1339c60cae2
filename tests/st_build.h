/* tests/st_build.h - safetensors files for tests, written with no help from the library.
 *
 * Tensors lie in the order in which they are added, without gaps; the header is not padded. Nothing
 * is checked: a test may ask for a file that is wrong. What cannot be written ends the program.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_ST_BUILD_H
#define WHIT_ST_BUILD_H

#include <stdarg.h>

#include "base/bytes.h"
#include "scratch.h"

typedef struct st_text {
    char *data;
    size_t len, cap;
} st_text;

static inline void st_put(st_text *t, const void *data, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = 2 * (t->len + len + 64);
        t->data = realloc(t->data, t->cap);
        if (!t->data) scratch_die("st_build");
    }
    if (len > 0) memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
}

__attribute__((format(printf, 2, 3))) static inline void st_putf(st_text *t, const char *format,
                                                                 ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line) scratch_die("st_build: a long line");
    st_put(t, line, (size_t)n);
}

/* A JSON string: quotes, backslashes and control characters are escaped. */
static inline void st_put_string(st_text *t, const char *text)
{
    st_put(t, "\"", 1);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            st_putf(t, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            st_putf(t, "\\u%04x", (unsigned)*text);
        else
            st_put(t, text, 1);
    }
    st_put(t, "\"", 1);
}

typedef struct st_build {
    st_text entries, meta, data;
} st_build;

/* Elements of `size` octets as this machine holds them, in the order of files. */
static inline void st_put_elements(st_text *t, const void *data, size_t bytes, size_t size)
{
    const unsigned char *p = data;
    unsigned char turned[8];
    if (WH_LITTLE_ENDIAN || size == 1) {
        st_put(t, data, bytes);
        return;
    }
    for (size_t i = 0; i + size <= bytes; i += size) {
        for (size_t k = 0; k < size; k++) turned[k] = p[i + size - 1 - k];
        st_put(t, turned, size);
    }
    st_put(t, p + bytes / size * size, bytes % size);
}

/* The bytes of a tensor, as they are in the file; data NULL: zeros. */
static inline void st_add_octets(st_build *b, const char *name, const char *dtype, unsigned rank,
                                 const uint64_t *shape, const void *data, size_t bytes)
{
    st_put(&b->entries, ",", b->entries.len > 0);
    st_put_string(&b->entries, name);
    st_putf(&b->entries, ":{\"dtype\":\"%s\",\"shape\":[", dtype);
    for (unsigned d = 0; d < rank; d++)
        st_putf(&b->entries, "%s%llu", d ? "," : "", (unsigned long long)shape[d]);
    st_putf(&b->entries, "],\"data_offsets\":[%zu,%zu]}", b->data.len, b->data.len + bytes);
    if (data) {
        st_put(&b->data, data, bytes);
        return;
    }
    unsigned char *zeros = calloc(bytes + 1, 1);
    if (!zeros) scratch_die("st_build");
    st_put(&b->data, zeros, bytes);
    free(zeros);
}

/* The same of elements in this machine's order: arrays of float, uint16_t.. */
static inline void st_add(st_build *b, const char *name, const char *dtype, unsigned rank,
                          const uint64_t *shape, const void *data, size_t bytes)
{
    const char *digits = dtype + strcspn(dtype, "0123456789");
    const unsigned long bits = strtoul(digits, NULL, 10);
    st_text ordered = { 0 };
    st_put_elements(&ordered, data ? data : "", data ? bytes : 0, bits > 8 ? bits / 8 : 1);
    st_add_octets(b, name, dtype, rank, shape, data ? ordered.data : NULL, bytes);
    free(ordered.data);
}

/* The usual ones: a matrix, or a vector where rows is 0. */
static inline void st_add2(st_build *b, const char *name, const char *dtype, uint64_t rows,
                           uint64_t cols, const void *data, size_t bytes)
{
    uint64_t shape[2] = { rows, cols };
    st_add(b, name, dtype, rows ? 2 : 1, rows ? shape : shape + 1, data, bytes);
}

static inline void st_meta(st_build *b, const char *key, const char *value)
{
    st_put(&b->meta, ",", b->meta.len > 0);
    st_put_string(&b->meta, key);
    st_put(&b->meta, ":", 1);
    st_put_string(&b->meta, value);
}

/* Write the file and forget all tensors. */
static inline void st_write(st_build *b, const scratch *s, const char *name)
{
    st_text header = { 0 };
    st_put(&header, "{", 1);
    if (b->meta.len > 0)
        st_put(&header, "\"__metadata__\":{", 16), st_put(&header, b->meta.data, b->meta.len),
            st_put(&header, b->entries.len ? "}," : "}", b->entries.len ? 2 : 1);
    st_put(&header, b->entries.data, b->entries.len);
    st_put(&header, "}", 1);
    scratch_safetensors(s, name, header.data, b->data.data, b->data.len);
    free(header.data);
    free(b->entries.data);
    free(b->meta.data);
    free(b->data.data);
    memset(b, 0, sizeof *b);
}

#endif
