/* src/io/gguf_write.c - writing GGUF: typed metadata, places of tensors, the header.
 *
 *   offset 0   "GGUF", u32 version 3, u64 tensors, u64 keys
 *         24   keys: u64 length and text, u32 type, the value (an array: u32 type of its items, u64
 *              count, items; a string: u64 length and octets)
 *              tensors: u64 length and name, u32 dimensions, u64 each of them (fastest first), u32
 *              type, u64 offset
 *              zeros up to a multiple of the alignment
 *              data; offsets count from here
 *
 * Readers insist that a tensor begins where the one before it ends, padded, in the order of the
 * list; so the order given is the order of the data. Not here: the data, reading (gguf.c).
 *
 * Source: ggml-org/ggml, docs/gguf.md and src/gguf.cpp.
 * SPDX-License-Identifier: MIT */
#include "io/gguf_write.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/names.h"
#include "io/gguf.h"

#define VERSION 3
#define ARRAY 9 /* among the types of values */
#define MAX_NAME 63
#define MAX_DIMS 4

/* ---- values ---------------------------------------------------------------------------------- */

static void put32(wh_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    wh_store32(bytes, v);
    wh_buf_put(b, bytes, sizeof bytes);
}

static void put64(wh_buf *b, uint64_t v)
{
    uint8_t bytes[8];
    wh_store64(bytes, v);
    wh_buf_put(b, bytes, sizeof bytes);
}

static void put_text(wh_buf *b, const char *text, size_t len)
{
    put64(b, len);
    wh_buf_put(b, text, len);
}

static void put_key(wh_gguf_kvs *k, const char *key, uint32_t type)
{
    put_text(&k->bytes, key, strlen(key));
    put32(&k->bytes, type);
    k->count++;
}

void wh_gguf_put_u16(wh_gguf_kvs *k, const char *key, uint16_t value)
{
    uint8_t bytes[2];
    wh_store16(bytes, value);
    put_key(k, key, WHIT_KV_U16);
    wh_buf_put(&k->bytes, bytes, sizeof bytes);
}

void wh_gguf_put_u32(wh_gguf_kvs *k, const char *key, uint32_t value)
{
    put_key(k, key, WHIT_KV_U32);
    put32(&k->bytes, value);
}

void wh_gguf_put_i32(wh_gguf_kvs *k, const char *key, int32_t value)
{
    put_key(k, key, WHIT_KV_I32);
    put32(&k->bytes, (uint32_t)value);
}

void wh_gguf_put_u64(wh_gguf_kvs *k, const char *key, uint64_t value)
{
    put_key(k, key, WHIT_KV_U64);
    put64(&k->bytes, value);
}

void wh_gguf_put_f32(wh_gguf_kvs *k, const char *key, float value)
{
    put_key(k, key, WHIT_KV_F32);
    put32(&k->bytes, wh_f32_bits(value));
}

void wh_gguf_put_bool(wh_gguf_kvs *k, const char *key, int value)
{
    const uint8_t octet = value != 0;
    put_key(k, key, WHIT_KV_BOOL);
    wh_buf_put(&k->bytes, &octet, 1);
}

void wh_gguf_put_string(wh_gguf_kvs *k, const char *key, const char *text, size_t len)
{
    put_key(k, key, WHIT_KV_STRING);
    put_text(&k->bytes, text, len);
}

void wh_gguf_begin_array(wh_gguf_kvs *k, const char *key, whit_kv_type item, uint64_t count)
{
    put_key(k, key, ARRAY);
    put32(&k->bytes, item);
    put64(&k->bytes, count);
}

void wh_gguf_item_string(wh_gguf_kvs *k, const char *text, size_t len)
{
    put_text(&k->bytes, text, len);
}

void wh_gguf_item_u32(wh_gguf_kvs *k, uint32_t bits)
{
    put32(&k->bytes, bits);
}

/* One value of what was read, from the byte order of the machine. */
static void put_item(wh_buf *b, const whit_kv *kv, uint64_t i)
{
    uint8_t bytes[8];
    uint64_t bits;
    size_t size = 8;
    switch (kv->type) {
    case WHIT_KV_U8:
    case WHIT_KV_I8:
    case WHIT_KV_BOOL:
        size = 1;
        bytes[0] = ((const uint8_t *)kv->data)[i];
        break;
    case WHIT_KV_U16:
    case WHIT_KV_I16:
        size = 2;
        wh_store16(bytes, ((const uint16_t *)kv->data)[i]);
        break;
    case WHIT_KV_U32:
    case WHIT_KV_I32:
        size = 4;
        wh_store32(bytes, ((const uint32_t *)kv->data)[i]);
        break;
    case WHIT_KV_F32:
        size = 4;
        wh_store32(bytes, wh_f32_bits(((const float *)kv->data)[i]));
        break;
    case WHIT_KV_F64:
        memcpy(&bits, (const double *)kv->data + i, sizeof bits);
        wh_store64(bytes, bits);
        break;
    case WHIT_KV_U64:
    case WHIT_KV_I64:
        wh_store64(bytes, ((const uint64_t *)kv->data)[i]);
        break;
    case WHIT_KV_STRING: {
        const whit_kv_string *s = (const whit_kv_string *)kv->data + i;
        put_text(b, s->text, s->len);
        return;
    }
    }
    wh_buf_put(b, bytes, size);
}

void wh_gguf_put_kv(wh_gguf_kvs *k, const whit_kv *kv)
{
    if (kv->is_array)
        wh_gguf_begin_array(k, kv->key, kv->type, kv->count);
    else
        put_key(k, kv->key, kv->type);
    for (uint64_t i = 0; i < kv->count && !k->bytes.failed; i++) put_item(&k->bytes, kv, i);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static whit_status check_entry(const wh_out_entry *e, whit_error *err)
{
    char name[WH_SHORT];
    uint32_t id;
    wh_short(name, e->name);
    if (strlen(e->name) > MAX_NAME)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: GGUF holds names of at most %d bytes", name,
                       MAX_NAME);
    if (e->rank > MAX_DIMS)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: has %u dimensions, and GGUF holds at most %d",
                       name, e->rank, MAX_DIMS);
    if (!wh_gguf_type_id(e->dtype, e->type, &id))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: GGUF has no type %s", name,
                       whit_dtype_name(e->dtype));
    return WHIT_OK;
}

whit_status wh_gguf_layout(wh_out_entry *entries, size_t count, uint32_t alignment,
                           uint64_t *data_bytes, whit_error *err)
{
    char name[WH_SHORT];
    wh_names names = { 0 };
    whit_status st = WHIT_OK;
    uint64_t end = 0;
    *data_bytes = 0;
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        wh_out_entry *e = &entries[i];
        st = check_entry(e, err);
        if (st != WHIT_OK) break;
        e->offset = end;
        const int added = wh_names_add(&names, e->name, i);
        if (added < 0)
            st = wh_fail(err, WHIT_ERR_NOMEM, "no memory to order %zu tensors", count);
        else if (added == 0)
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: two tensors to be written have this name",
                         wh_short(name, e->name));
        else if (!wh_add_u64(end, e->bytes, &end) ||
                 !wh_add_u64(end, wh_gguf_padding(end, alignment), &end))
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: the sizes of all tensors overflow 64 bits",
                         wh_short(name, e->name));
    }
    wh_names_free(&names);
    if (st == WHIT_OK) *data_bytes = end;
    return st;
}

static void put_entry(wh_buf *out, const wh_out_entry *e)
{
    uint32_t id = 0;
    wh_gguf_type_id(e->dtype, e->type, &id);
    put_text(out, e->name, strlen(e->name));
    put32(out, e->rank);
    for (uint32_t d = e->rank; d-- > 0;) put64(out, e->shape[d]);
    put32(out, id);
    put64(out, e->offset);
}

whit_status wh_gguf_header(const wh_out_entry *entries, size_t count, const wh_gguf_kvs *kvs,
                           uint32_t alignment, wh_buf *out, whit_error *err)
{
    wh_buf_put(out, "GGUF", 4);
    put32(out, VERSION);
    put64(out, count);
    put64(out, kvs->count);
    wh_buf_put(out, kvs->bytes.data, kvs->bytes.len);
    for (size_t i = 0; i < count && !out->failed; i++) put_entry(out, &entries[i]);
    for (uint64_t n = wh_gguf_padding(out->len, alignment); n > 0; n--) wh_buf_put(out, "", 1);
    if (out->failed || kvs->bytes.failed)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the header of %zu tensors", count);
    return WHIT_OK;
}
