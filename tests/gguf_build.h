/* tests/gguf_build.h - GGUF files for tests, written with no help from the library.
 *
 * Keys and tensors stand in the order in which they are added; offsets follow from sizes and
 * alignment. Nothing is checked: a test may ask for a file that is wrong. Scalars are given as
 * 64-bit integers or as the octets that the file gets. What cannot be written ends the program.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_GGUF_BUILD_H
#define WHIT_GGUF_BUILD_H

#include "st_build.h"

enum { GG_U8, GG_I8, GG_U16, GG_I16, GG_U32, GG_I32, GG_F32, GG_BOOL, GG_STRING, GG_ARRAY };
enum { GG_U64 = 10, GG_I64, GG_F64 };

typedef struct gg_build {
    st_text keys, infos, data;
    uint64_t key_count, tensor_count;
    unsigned version; /* 0: 3 */
    size_t alignment; /* 0: 32; does not add the key */
} gg_build;

static inline void gg_int(st_text *t, uint64_t v, size_t octets)
{
    unsigned char raw[8];
    for (size_t i = 0; i < octets; i++) raw[i] = (unsigned char)(v >> 8 * i);
    st_put(t, raw, octets);
}

static inline void gg_text(st_text *t, const char *text, size_t len)
{
    gg_int(t, len, 8);
    st_put(t, text, len);
}

/* A key and its type; the value is for the caller to put into b->keys. */
static inline void gg_key(gg_build *b, const char *key, unsigned type)
{
    gg_text(&b->keys, key, strlen(key));
    gg_int(&b->keys, type, 4);
    b->key_count++;
}

static inline void gg_number(gg_build *b, const char *key, unsigned type, uint64_t v, size_t octets)
{
    gg_key(b, key, type);
    gg_int(&b->keys, v, octets);
}

static inline void gg_string(gg_build *b, const char *key, const char *value, size_t len)
{
    gg_key(b, key, GG_STRING);
    gg_text(&b->keys, value, len);
}

/* The head of an array; its elements are for the caller. */
static inline void gg_array(gg_build *b, const char *key, unsigned type, uint64_t count)
{
    gg_key(b, key, GG_ARRAY);
    gg_int(&b->keys, type, 4);
    gg_int(&b->keys, count, 8);
}

static inline void gg_zeros(st_text *t, size_t n)
{
    while (n-- > 0) st_put(t, "", 1);
}

static inline size_t gg_padding(const gg_build *b, size_t len)
{
    size_t a = b->alignment ? b->alignment : 32;
    return (a - len % a) % a;
}

/* A tensor of rank dimensions, the fastest first, with its data as octets. */
static inline void gg_tensor(gg_build *b, const char *name, unsigned type, unsigned rank,
                             const uint64_t *ne, const void *data, size_t bytes)
{
    gg_zeros(&b->data, gg_padding(b, b->data.len));
    gg_text(&b->infos, name, strlen(name));
    gg_int(&b->infos, rank, 4);
    for (unsigned d = 0; d < rank; d++) gg_int(&b->infos, ne[d], 8);
    gg_int(&b->infos, type, 4);
    gg_int(&b->infos, b->data.len, 8);
    st_put(&b->data, data, bytes);
    b->tensor_count++;
}

/* The same of F32, in this machine's order. */
static inline void gg_floats(gg_build *b, const char *name, unsigned rank, const uint64_t *ne,
                             const float *data, size_t bytes)
{
    st_text ordered = { 0 };
    st_put_elements(&ordered, data, bytes, sizeof *data);
    gg_tensor(b, name, 0, rank, ne, ordered.data, bytes);
    free(ordered.data);
}

/* Write the file, the zeros behind the last tensor included, and forget what was added. Returns
 * where the data begins. */
static inline size_t gg_write(gg_build *b, const scratch *s, const char *name)
{
    st_text all = { 0 };
    st_put(&all, "GGUF", 4);
    gg_int(&all, b->version ? b->version : 3, 4);
    gg_int(&all, b->tensor_count, 8);
    gg_int(&all, b->key_count, 8);
    st_put(&all, b->keys.data, b->keys.len);
    st_put(&all, b->infos.data, b->infos.len);
    gg_zeros(&all, gg_padding(b, all.len));
    size_t start = all.len;
    st_put(&all, b->data.data, b->data.len);
    gg_zeros(&all, gg_padding(b, all.len));
    scratch_write(s, name, all.data, all.len);
    free(all.data);
    free(b->keys.data);
    free(b->infos.data);
    free(b->data.data);
    memset(b, 0, sizeof *b);
    return start;
}

#endif
