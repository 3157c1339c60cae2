/* tests/zip_build.h - zip archives for tests, sound or with one thing wrong.
 *
 * An archive is built in memory: zb_add for each entry, zb_end, then its octets. Deflated entries
 * are made of stored blocks and of literals in fixed codes, in turn.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_ZIP_BUILD_H
#define WHIT_ZIP_BUILD_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32.h"
#include "st_build.h"

typedef struct zb_entry {
    char name[120];
    uint64_t at, stored, bytes;
    uint32_t crc;
    unsigned method, flags;
} zb_entry;

typedef struct zb_build {
    st_text all;
    zb_entry entry[128];
    size_t count;
    int descriptors; /* sizes and checksums behind the data, as PyTorch has it */
    int wide;        /* zip64: numbers in extra fields and in a record */
    size_t align;    /* of data, by an extra field; 0: as it comes */
} zb_build;          /* zero-initialise; zb_free */

static inline void zb_u16(st_text *t, unsigned v)
{
    unsigned char b[2];
    wh_store16(b, (uint16_t)v);
    st_put(t, b, 2);
}

static inline void zb_u32(st_text *t, uint64_t v)
{
    unsigned char b[4];
    wh_store32(b, (uint32_t)v);
    st_put(t, b, 4);
}

static inline void zb_u64(st_text *t, uint64_t v)
{
    unsigned char b[8];
    wh_store64(b, v);
    st_put(t, b, 8);
}

typedef struct zb_bits {
    st_text *to;
    unsigned bits, held;
} zb_bits;

static inline void zb_put_bits(zb_bits *b, unsigned v, unsigned n)
{
    for (; n > 0; n--, v >>= 1) {
        b->bits |= (v & 1) << b->held++;
        if (b->held < 8) continue;
        unsigned char octet = (unsigned char)b->bits;
        st_put(b->to, &octet, 1);
        b->bits = b->held = 0;
    }
}

static inline void zb_put_literal(zb_bits *b, unsigned s)
{
    const unsigned n = s < 144 ? 8 : s < 256 ? 9 : 7;
    const unsigned code = s < 144 ? 0x30 + s : s < 256 ? 0x190 + s - 144 : s - 256;
    for (unsigned k = n; k-- > 0;) zb_put_bits(b, code >> k & 1, 1);
}

static inline void zb_deflate(st_text *to, const void *data, size_t len)
{
    const unsigned char *p = data;
    zb_bits b = { .to = to };
    for (int fixed = 0; len > 0; fixed = !fixed) {
        const size_t n = len < 700 ? len : 700;
        zb_put_bits(&b, 0, 1);
        zb_put_bits(&b, fixed ? 1 : 0, 2);
        if (fixed) {
            for (size_t i = 0; i < n; i++) zb_put_literal(&b, p[i]);
            zb_put_literal(&b, 256);
        } else {
            while (b.held > 0) zb_put_bits(&b, 0, 1);
            zb_u16(to, (unsigned)n);
            zb_u16(to, (unsigned)~n);
            st_put(to, p, n);
        }
        p += n;
        len -= n;
    }
    zb_put_bits(&b, 3, 3); /* an empty last block */
    zb_put_literal(&b, 256);
    while (b.held > 0) zb_put_bits(&b, 0, 1);
}

static inline uint32_t zb_crc(const void *data, size_t len)
{
    wh_crc32 c;
    wh_crc32_init(&c);
    return wh_crc32_add(&c, 0, data, len);
}

/* The extra field that makes the data begin at a multiple of align, and in zip64 the numbers. */
static inline void zb_extra(zb_build *b, st_text *extra, const zb_entry *e)
{
    if (b->wide) {
        zb_u16(extra, 1);
        zb_u16(extra, 16);
        zb_u64(extra, e->bytes);
        zb_u64(extra, e->stored);
    }
    if (b->align == 0) return;
    const size_t at = b->all.len + 30 + strlen(e->name) + extra->len + 4;
    const size_t pad = (b->align - at % b->align) % b->align;
    zb_u16(extra, 0x4246);
    zb_u16(extra, (unsigned)pad);
    for (size_t i = 0; i < pad; i++) st_put(extra, "Z", 1);
}

/* method: 0 stored, 8 deflated */
static inline void zb_add(zb_build *b, const char *name, const void *data, size_t len,
                          unsigned method)
{
    st_text packed = { 0 }, extra = { 0 };
    if (b->count == 128) exit(1);
    zb_entry *e = &b->entry[b->count++];
    snprintf(e->name, sizeof e->name, "%s", name);
    if (method == 8)
        zb_deflate(&packed, data, len);
    else
        st_put(&packed, data, len);
    e->at = b->all.len;
    e->bytes = len;
    e->stored = packed.len;
    e->method = method;
    e->crc = zb_crc(data, len);
    e->flags = b->descriptors ? 8 : 0;
    zb_extra(b, &extra, e);
    st_put(&b->all, "PK\3\4", 4);
    zb_u16(&b->all, b->wide ? 45 : 20);
    zb_u16(&b->all, e->flags);
    zb_u16(&b->all, method);
    zb_u32(&b->all, 0);
    zb_u32(&b->all, b->descriptors ? 0 : e->crc);
    zb_u32(&b->all, b->wide ? UINT32_MAX : b->descriptors ? 0 : e->stored);
    zb_u32(&b->all, b->wide ? UINT32_MAX : b->descriptors ? 0 : e->bytes);
    zb_u16(&b->all, (unsigned)strlen(e->name));
    zb_u16(&b->all, (unsigned)extra.len);
    st_put(&b->all, e->name, strlen(e->name));
    st_put(&b->all, extra.data, extra.len);
    st_put(&b->all, packed.data, packed.len);
    if (b->descriptors) {
        st_put(&b->all, "PK\7\10", 4);
        zb_u32(&b->all, e->crc);
        zb_u32(&b->all, e->stored);
        zb_u32(&b->all, e->bytes);
    }
    free(extra.data);
    free(packed.data);
}

static inline void zb_directory(zb_build *b, const zb_entry *e)
{
    st_put(&b->all, "PK\1\2", 4);
    zb_u16(&b->all, 20);
    zb_u16(&b->all, b->wide ? 45 : 20);
    zb_u16(&b->all, e->flags);
    zb_u16(&b->all, e->method);
    zb_u32(&b->all, 0);
    zb_u32(&b->all, e->crc);
    zb_u32(&b->all, b->wide ? UINT32_MAX : e->stored);
    zb_u32(&b->all, b->wide ? UINT32_MAX : e->bytes);
    zb_u16(&b->all, (unsigned)strlen(e->name));
    zb_u16(&b->all, b->wide ? 28 : 0);
    zb_u16(&b->all, 0); /* comment */
    zb_u16(&b->all, 0); /* disk */
    zb_u16(&b->all, 0);
    zb_u32(&b->all, 0);
    zb_u32(&b->all, b->wide ? UINT32_MAX : e->at);
    st_put(&b->all, e->name, strlen(e->name));
    if (!b->wide) return;
    zb_u16(&b->all, 1);
    zb_u16(&b->all, 24);
    zb_u64(&b->all, e->bytes);
    zb_u64(&b->all, e->stored);
    zb_u64(&b->all, e->at);
}

static inline void zb_end(zb_build *b)
{
    const uint64_t at = b->all.len;
    for (size_t i = 0; i < b->count; i++) zb_directory(b, &b->entry[i]);
    const uint64_t end = b->all.len, size = end - at;
    if (b->wide) {
        st_put(&b->all, "PK\6\6", 4);
        zb_u64(&b->all, 44);
        zb_u32(&b->all, 45 | 45 << 16);
        zb_u64(&b->all, 0);
        zb_u64(&b->all, b->count);
        zb_u64(&b->all, b->count);
        zb_u64(&b->all, size);
        zb_u64(&b->all, at);
        st_put(&b->all, "PK\6\7", 4);
        zb_u32(&b->all, 0);
        zb_u64(&b->all, end);
        zb_u32(&b->all, 1);
    }
    st_put(&b->all, "PK\5\6", 4);
    zb_u32(&b->all, 0);
    zb_u16(&b->all, b->wide ? 0xffff : (unsigned)b->count);
    zb_u16(&b->all, b->wide ? 0xffff : (unsigned)b->count);
    zb_u32(&b->all, b->wide ? UINT32_MAX : size);
    zb_u32(&b->all, b->wide ? UINT32_MAX : at);
    zb_u16(&b->all, 0);
}

static inline void zb_free(zb_build *b)
{
    free(b->all.data);
    memset(b, 0, sizeof *b);
}

/* As a file; b is free again. */
static inline void zb_write(zb_build *b, const scratch *s, const char *name)
{
    zb_end(b);
    scratch_write(s, name, b->all.data, b->all.len);
    zb_free(b);
}

#endif
