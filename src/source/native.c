/* src/source/native.c - recognising the quantized tensors of a native file (layout:
 * src/pack/native.c). Everything that the metadata says is proved against the stored tensors
 * before it is believed.
 *
 * SPDX-License-Identifier: MIT */
#include "source/native.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

typedef struct list {
    whit_source_tensor *item;
    size_t count, cap;
} list;

typedef struct context {
    const whit_file *file;
    size_t shard;
    wh_json json;
    unsigned char *claimed;
    whit_error *err;
} context;

static whit_status bad(context *c, const char *tensor, const char *what)
{
    char name[WH_SHORT], path[WH_SHORT];
    return wh_fail(c->err, WHIT_ERR_FORMAT, "%s: %s: %s",
                   wh_short(path, whit_file_shard_path(c->file, c->shard)), wh_short(name, tensor),
                   what);
}

static whit_status no_memory(context *c)
{
    return wh_fail(c->err, WHIT_ERR_NOMEM, "no memory for whit.tensors");
}

static whit_status parse_shape(context *c, whit_tensor *t)
{
    if (wh_json_next(&c->json) != WH_JSON_ARRAY) return bad(c, t->name, "shape is no array");
    t->rank = 0;
    t->elements = 1;
    for (;;) {
        wh_json_token tok = wh_json_next(&c->json);
        uint64_t n;
        if (tok == WH_JSON_ARRAY_END) return WHIT_OK;
        if (tok != WH_JSON_NUMBER || !wh_json_u64(&c->json, &n) || t->rank == WHIT_MAX_RANK)
            return bad(c, t->name, "shape in whit.tensors is not up to 8 whole numbers");
        t->shape[t->rank++] = n;
        if (!wh_mul_u64(t->elements, n, &t->elements))
            return bad(c, t->name, "shape in whit.tensors overflows");
    }
}

/* {"scheme": .., "shape": .., "dtype": ..}; other members are for later versions. */
static whit_status parse_entry(context *c, whit_source_tensor *s)
{
    unsigned seen = 0;
    if (wh_json_next(&c->json) != WH_JSON_OBJECT)
        return bad(c, s->tensor.name, "entry of whit.tensors is no object");
    for (;;) {
        wh_json_token tok = wh_json_next(&c->json);
        if (tok == WH_JSON_OBJECT_END) break;
        if (tok != WH_JSON_KEY) return bad(c, s->tensor.name, "whit.tensors is no JSON");
        unsigned member = !strcmp(c->json.text, "scheme")  ? 1
                          : !strcmp(c->json.text, "shape") ? 2
                          : !strcmp(c->json.text, "dtype") ? 4
                                                           : 0;
        if (member & seen) return bad(c, s->tensor.name, "member twice in whit.tensors");
        seen |= member;
        if (member == 2) {
            whit_status st = parse_shape(c, &s->tensor);
            if (st != WHIT_OK) return st;
        } else if (member != 0) {
            if (wh_json_next(&c->json) != WH_JSON_STRING)
                return bad(c, s->tensor.name, "scheme or dtype in whit.tensors is no string");
            if (member == 1 && (whit_scheme_parse(&s->scheme, c->json.text, NULL) != WHIT_OK ||
                                s->scheme.kind == WHIT_GGUF))
                return bad(c, s->tensor.name, "unknown scheme; try: a newer whit");
            if (member == 4) s->tensor.dtype = whit_dtype_parse(c->json.text);
        } else if (!wh_json_skip(&c->json, tok)) {
            return bad(c, s->tensor.name, "whit.tensors is no JSON");
        }
    }
    if (seen != 7 || !whit_dtype_is_float(s->tensor.dtype) || s->scheme.kind == WHIT_KEEP)
        return bad(c, s->tensor.name, "scheme, shape and float dtype wanted in whit.tensors");
    return WHIT_OK;
}

/* The stored tensor `name`, of this shard and not claimed by another. */
static whit_status claim(context *c, const char *owner, const char *name, size_t *index)
{
    *index = whit_file_find(c->file, name);
    if (*index == WHIT_NOT_FOUND || whit_file_tensor(c->file, *index)->shard != c->shard)
        return bad(c, owner, "a part of it is missing in its file");
    if (c->claimed[*index]) return bad(c, owner, "a part of it belongs to two tensors");
    c->claimed[*index] = 1;
    return WHIT_OK;
}

static whit_status claim_plane(context *c, whit_source_tensor *s, const whit_plane *p,
                               size_t *index)
{
    wh_buf name = { 0 };
    wh_buf_puts(&name, s->tensor.name);
    wh_buf_puts(&name, p->suffix);
    whit_status st = name.failed ? no_memory(c) : claim(c, s->tensor.name, name.data, index);
    wh_buf_free(&name);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = whit_file_tensor(c->file, *index);
    if (t->dtype != p->dtype || t->rank != p->rank ||
        memcmp(t->shape, p->shape, p->rank * sizeof p->shape[0]) != 0)
        return bad(c, t->name, "type or shape is not what the scheme says");
    s->tensor.bytes += t->bytes;
    return WHIT_OK;
}

/* T.act_scale is read at once: it is a number, and not a plane of the weights. */
static whit_status read_act_scale(context *c, whit_source_tensor *s, size_t index)
{
    uint8_t octets[4];
    whit_status st = whit_file_read(c->file, index, 0, sizeof octets, octets, c->err);
    if (st != WHIT_OK) return st;
    whit_dtype_to_f32(WHIT_F32, octets, 1, &s->act_scale);
    if (!(s->act_scale > 0 && s->act_scale < INFINITY))
        return bad(c, s->tensor.name, "act_scale is not above 0 and finite");
    return WHIT_OK;
}

/* Find and prove the stored parts. */
static whit_status resolve(context *c, whit_source_tensor *s)
{
    whit_plane planes[WHIT_MAX_PLANES];
    int overflow;
    whit_tensor_matrix(&s->tensor, &s->rows, &s->cols);
    unsigned count = whit_native_planes(&s->scheme, s->rows, s->cols, planes, &overflow);
    if (overflow) return bad(c, s->tensor.name, "shape in whit.tensors overflows");
    for (unsigned p = 0; p < count; p++) {
        whit_status st = claim_plane(c, s, &planes[p], &s->planes[p]);
        if (st != WHIT_OK) return st;
    }
    if (count == 0) {
        whit_status st = claim(c, s->tensor.name, s->tensor.name, &s->planes[0]);
        if (st != WHIT_OK) return st;
        const whit_tensor *t = whit_file_tensor(c->file, s->planes[0]);
        whit_dtype want = s->scheme.kind == WHIT_TO_F16    ? WHIT_F16
                          : s->scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                           : WHIT_F32;
        if (t->dtype != want || t->rank != s->tensor.rank ||
            memcmp(t->shape, s->tensor.shape, t->rank * sizeof t->shape[0]) != 0)
            return bad(c, s->tensor.name, "type or shape is not what whit.tensors says");
        s->tensor.bytes = t->bytes;
        s->tensor.dtype = t->dtype; /* it is a plain tensor of that type now */
    }
    if (s->scheme.a8 == WHIT_A8_STATIC) {
        whit_status st = read_act_scale(c, s, s->planes[count - 1]);
        if (st != WHIT_OK) return st;
        s->planes[count - 1] = WHIT_NOT_FOUND;
    }
    const whit_tensor *first = whit_file_tensor(c->file, s->planes[0]);
    s->stored = first->dtype;
    s->tensor.offset = first->offset;
    s->tensor.shard = first->shard;
    return WHIT_OK;
}

static whit_status add_entry(context *c, list *l)
{
    void *items = l->item;
    int grown = wh_grow(&items, &l->cap, l->count + 1, sizeof *l->item);
    l->item = items;
    if (!grown) return no_memory(c);
    whit_source_tensor *s = &l->item[l->count];
    *s = (whit_source_tensor){ .planes = { WHIT_NOT_FOUND, WHIT_NOT_FOUND, WHIT_NOT_FOUND,
                                           WHIT_NOT_FOUND },
                               .table = WHIT_NOT_FOUND };
    s->tensor.name = wh_strndup(c->json.text, c->json.text_len);
    if (!s->tensor.name) return no_memory(c);
    l->count++;
    whit_status st = parse_entry(c, s);
    return st == WHIT_OK ? resolve(c, s) : st;
}

static whit_status read_shard(context *c, const char *text, list *l)
{
    whit_status st = WHIT_OK;
    wh_json_init(&c->json, text, strlen(text));
    if (wh_json_next(&c->json) != WH_JSON_OBJECT) st = bad(c, "whit.tensors", "no JSON object");
    while (st == WHIT_OK) {
        wh_json_token tok = wh_json_next(&c->json);
        if (tok == WH_JSON_OBJECT_END) break;
        st = tok == WH_JSON_KEY ? add_entry(c, l) : bad(c, "whit.tensors", "malformed JSON");
    }
    if (st == WHIT_OK && wh_json_next(&c->json) != WH_JSON_END)
        st = bad(c, "whit.tensors", "text after the JSON object");
    if (st != WHIT_OK && c->json.nomem) st = no_memory(c);
    wh_json_free(&c->json);
    return st;
}

whit_status wh_native_read(const whit_file *file, whit_source_tensor **out, size_t *count,
                           unsigned char *claimed, whit_error *err)
{
    list l = { NULL, 0, 0 };
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < whit_file_shards(file) && st == WHIT_OK; k++) {
        context c = { .file = file, .shard = k, .claimed = claimed, .err = err };
        const char *version = whit_file_meta_find(file, k, "whit.format");
        const char *text = whit_file_meta_find(file, k, "whit.tensors");
        char path[WH_SHORT];
        if (!version) continue;
        if (strcmp(version, "1") != 0)
            st = wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: native format %.16s; try: a newer whit",
                         wh_short(path, whit_file_shard_path(file, k)), version);
        else if (text)
            st = read_shard(&c, text, &l);
    }
    for (size_t i = 0; i < l.count && st == WHIT_OK; i++) {
        const whit_source_tensor *s = &l.item[i];
        context c = { .file = file, .shard = s->tensor.shard, .err = err };
        size_t at = whit_file_find(file, s->tensor.name);
        if (at != WHIT_NOT_FOUND && claimed[at] && at != s->planes[0])
            st = bad(&c, s->tensor.name, "is described, and a part of another tensor");
    }
    *out = l.item;
    *count = l.count;
    return st;
}
