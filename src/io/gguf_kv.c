/* src/io/gguf_kv.c - the typed metadata of a GGUF file, key by key.
 *
 *   string  key               not empty, there only once
 *   u32     type              0 u8  1 i8  2 u16  3 i16  4 u32  5 i32  6 f32  7 bool  8 string
 *                             9 array  10 u64  11 i64  12 f64
 *   value                     little-endian; a bool is an octet, 0 or 1
 *                             array: u32 type of the elements, u64 count, the elements
 *
 * All of it is kept, with its types, in the order of the file. What a string says is nothing to the
 * reader; those that are text and not huge are also the plain metadata of the file, so that a
 * writer of another format can carry them over. Keys "whit.*" are not: they describe native files.
 *
 * Stricter than the specification, as its reader is: arrays of arrays are refused.
 * Not here: what a key means (gguf.c: general.alignment; gguf_split.c: split.*).
 * Source: ggml-org/ggml, docs/gguf.md and src/gguf.cpp.
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

#define TYPE_ARRAY 9u
#define MAX_META_VALUE 65536u /* a chat template fits, a vocabulary in one string does not */

static const struct {
    const char *name; /* NULL: no type of an element */
    size_t size;      /* in the file; for strings the least */
} types[] = {
    [WHIT_KV_U8] = { "u8", 1 },   [WHIT_KV_I8] = { "i8", 1 },
    [WHIT_KV_U16] = { "u16", 2 }, [WHIT_KV_I16] = { "i16", 2 },
    [WHIT_KV_U32] = { "u32", 4 }, [WHIT_KV_I32] = { "i32", 4 },
    [WHIT_KV_F32] = { "f32", 4 }, [WHIT_KV_BOOL] = { "bool", 1 },
    [WHIT_KV_U64] = { "u64", 8 }, [WHIT_KV_I64] = { "i64", 8 },
    [WHIT_KV_F64] = { "f64", 8 }, [WHIT_KV_STRING] = { "string", 8 },
};
#define TYPES (sizeof types / sizeof types[0])

const char *whit_kv_type_name(whit_kv_type type)
{
    size_t i = (size_t)type;
    return i < TYPES && types[i].name ? types[i].name : "?";
}

/* Little-endian numbers in place become those of this machine. */
static void make_native(unsigned char *data, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++, data += size) {
        uint16_t v16 = size == 2 ? wh_load16(data) : 0;
        uint32_t v32 = size == 4 ? wh_load32(data) : 0;
        uint64_t v64 = size == 8 ? wh_load64(data) : 0;
        const void *from = size == 8   ? (const void *)&v64
                           : size == 4 ? (const void *)&v32
                           : size == 2 ? (const void *)&v16
                                       : data;
        memmove(data, from, size);
    }
}

static whit_status read_numbers(wh_gguf *g, whit_kv *kv, whit_error *err)
{
    const size_t size = types[kv->type].size;
    const size_t bytes = (size_t)kv->count * size; /* at most the header: wh_gguf_room_for */
    unsigned char *data = wh_io_room(g->file, bytes, 8);
    if (!data) return wh_io_no_memory(g->file, err);
    whit_status st = wh_gguf_get(g, data, bytes, err);
    if (st != WHIT_OK) return st;
    make_native(data, (size_t)kv->count, size);
    for (size_t i = 0; kv->type == WHIT_KV_BOOL && i < bytes; i++)
        if (data[i] > 1) return wh_gguf_bad(g, kv->key, "a bool is neither 0 nor 1", err);
    kv->data = data;
    return WHIT_OK;
}

static whit_status read_strings(wh_gguf *g, whit_kv *kv, whit_error *err)
{
    whit_status st = WHIT_OK;
    uint64_t bytes;
    whit_kv_string *text = NULL;
    if (wh_mul_u64(kv->count, sizeof *text, &bytes) && bytes <= SIZE_MAX)
        text = wh_io_room(g->file, (size_t)bytes, 8);
    if (!text) return wh_io_no_memory(g->file, err);
    for (uint64_t i = 0; i < kv->count && st == WHIT_OK; i++)
        st = wh_gguf_string(g, kv->key, &text[i], err);
    kv->data = text;
    return st;
}

static whit_status read_value(wh_gguf *g, whit_kv *kv, whit_error *err)
{
    char name[WH_SHORT];
    uint32_t type;
    whit_status st = wh_gguf_u32(g, &type, err);
    kv->count = 1;
    kv->is_array = st == WHIT_OK && type == TYPE_ARRAY;
    if (kv->is_array) {
        st = wh_gguf_u32(g, &type, err);
        if (st == WHIT_OK) st = wh_gguf_u64(g, &kv->count, err);
        if (st == WHIT_OK && type == TYPE_ARRAY)
            st = wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s: arrays of arrays are not read",
                         g->label, wh_short(name, kv->key));
    }
    if (st == WHIT_OK && (type >= TYPES || !types[type].name))
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: value type %u is not known", g->label,
                     wh_short(name, kv->key), type);
    if (st != WHIT_OK) return st;
    kv->type = (whit_kv_type)type;
    st = wh_gguf_room_for(g, kv->key, kv->count, types[type].size,
                          kv->type == WHIT_KV_STRING ? "strings" : "numbers", err);
    if (st != WHIT_OK) return st;
    return kv->type == WHIT_KV_STRING ? read_strings(g, kv, err) : read_numbers(g, kv, err);
}

/* The key is new: entered with the index that its kv will have. */
static whit_status read_key(wh_gguf *g, whit_kv *kv, whit_error *err)
{
    whit_status st = wh_gguf_name(g, &kv->key, err);
    if (st != WHIT_OK) return st;
    if (!*kv->key) return wh_gguf_bad(g, NULL, "a key is empty", err);
    int added = wh_names_add(&g->keys, kv->key, g->file->shards[g->shard].kv_count);
    if (added < 0) return wh_io_no_memory(g->file, err);
    return added ? WHIT_OK : wh_gguf_bad(g, kv->key, "the key is there twice", err);
}

whit_status wh_gguf_read_kv(wh_gguf *g, whit_error *err)
{
    wh_shard *s = &g->file->shards[g->shard];
    whit_kv kv = { NULL, WHIT_KV_U8, 0, 0, NULL };
    void *list = s->kv;
    whit_status st = read_key(g, &kv, err);
    if (st == WHIT_OK) st = read_value(g, &kv, err);
    if (st != WHIT_OK) return st;
    if (!wh_grow(&list, &s->kv_cap, s->kv_count + 1, sizeof kv))
        return wh_io_no_memory(g->file, err);
    s->kv = list;
    s->kv[s->kv_count++] = kv;
    if (kv.type != WHIT_KV_STRING || kv.is_array || strncmp(kv.key, "whit.", 5) == 0)
        return WHIT_OK;
    const whit_kv_string *value = kv.data;
    if (value->len >= MAX_META_VALUE || !wh_gguf_is_text(value)) return WHIT_OK;
    return wh_io_add_meta(g->file, g->shard, kv.key, value->text, err);
}

int wh_gguf_kv_u64(const whit_kv *kv, uint64_t *out)
{
    int64_t v;
    if (!kv || kv->is_array) return 0;
    switch (kv->type) {
    case WHIT_KV_U64:
        *out = *(const uint64_t *)kv->data;
        return 1;
    case WHIT_KV_U8:
        v = *(const uint8_t *)kv->data;
        break;
    case WHIT_KV_U16:
        v = *(const uint16_t *)kv->data;
        break;
    case WHIT_KV_U32:
        v = *(const uint32_t *)kv->data;
        break;
    case WHIT_KV_I8:
        v = *(const int8_t *)kv->data;
        break;
    case WHIT_KV_I16:
        v = *(const int16_t *)kv->data;
        break;
    case WHIT_KV_I32:
        v = *(const int32_t *)kv->data;
        break;
    case WHIT_KV_I64:
        v = *(const int64_t *)kv->data;
        break;
    default:
        return 0;
    }
    *out = (uint64_t)v;
    return v >= 0;
}
