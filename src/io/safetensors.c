/* src/io/safetensors.c - reading the header of a safetensors file: the tensors and where they lie.
 *
 *   octets 0..7        N, the length of the header, little-endian
 *   octets 8..8+N-1    JSON, padded with spaces on the right:
 *                      { "__metadata__": { KEY: STRING, .. },
 *                        NAME: { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, .. }
 *   the rest           the data section; data_offsets count from its start, the end exclusive.
 *                      Elements are little-endian, row-major, without strides.
 *
 * Example: one F32 tensor "attn.0" of shape [1,2,3] holding 0..5 is 40 00 00 00 00 00 00 00, the 64
 * octets {"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}, then 24 octets of data.
 *
 * Traps:
 *   - N may be anything: 8 + N wraps. The product of a shape may wrap, to 0 even.
 *   - Only the padding of the header aligns data; files of other writers begin at any octet.
 *   - The order of the header is not that of the data.
 *   - The data section has no holes, no overlaps and nothing behind the last tensor; tensors that
 *     share data are therefore stored once, under one name.
 *   - A tensor may have no elements (begin == end), and shape [] is one element.
 *   - F4 counts elements in its shape, two to an octet; F6 four to three. A size that is no whole
 *     number of octets is an error.
 *   - Other readers let the last of two equal names win. Here they are an error.
 *
 * Not here: data (read.c), writing (st_write.c), shards (hfdir.c).
 * Source: huggingface/safetensors, safetensors/src/tensor.rs and README.md, whose checks are all
 * here; stricter: equal names, names that hold NUL, ranks above 8, sizes that wrap even though
 * another dimension is 0. Members that the format does not name are a warning.
 * SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/tensor.h"

#define MAX_HEADER 100000000u /* the limit of the reference, too */

typedef struct header {
    whit_file *file;
    size_t shard;
    char label[WH_SHORT];
    wh_json json;
    uint64_t data, room; /* where the data section starts in the file, and its length */
    int has_meta;
    wh_names keys; /* of the metadata */
} header;

/* What the members of a tensor's object say. */
typedef struct entry {
    whit_tensor tensor;
    uint64_t offsets[2];
    unsigned seen;   /* bit i: members[i] */
    wh_names others; /* members that the format does not name */
} entry;

int wh_safetensors_probe(const unsigned char head[WH_IO_HEAD])
{
    return wh_load64(head) <= MAX_HEADER && head[8] == '{';
}

/* The header is not what it should be: at a tensor (name may be NULL), or because its JSON ends. */
static whit_status bad(const header *h, const char *name, const char *what, whit_error *err)
{
    char shortened[WH_SHORT];
    const wh_json *j = &h->json;
    if (j->nomem) return wh_io_no_memory(h->file, err);
    if (j->problem)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: header is not valid JSON: %s, at byte %zu",
                       h->label, j->problem, j->pos + 8);
    if (!name) return wh_fail(err, WHIT_ERR_FORMAT, "%s: header: %s", h->label, what);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: %s", h->label, wh_short(shortened, name), what);
}

/* A copy of the JSON text at hand into *out. */
static whit_status keep_text(const header *h, const char **out, whit_error *err)
{
    *out = NULL;
    if (h->json.text_len > WH_IO_MAX_STRING)
        return bad(h, NULL, "a string of more than 16 MiB", err);
    *out = wh_io_text(h->file, h->json.text, h->json.text_len);
    return *out ? WHIT_OK : wh_io_no_memory(h->file, err);
}

static whit_status read_metadata(header *h, whit_error *err)
{
    static const char place[] = "__metadata__";
    const char *key, *value;
    wh_json_token token;
    if (h->has_meta) return bad(h, place, "is there twice", err);
    h->has_meta = 1;
    if (wh_json_next(&h->json) != WH_JSON_OBJECT) return bad(h, place, "is no object", err);
    while ((token = wh_json_next(&h->json)) == WH_JSON_KEY) {
        whit_status st = keep_text(h, &key, err);
        if (st != WHIT_OK) return st;
        int added = wh_names_add(&h->keys, key, 0);
        if (added < 0) return wh_io_no_memory(h->file, err);
        if (!added) return bad(h, place, "a key is there twice", err);
        if (wh_json_next(&h->json) != WH_JSON_STRING)
            return bad(h, place, "a value is no string", err);
        st = keep_text(h, &value, err);
        if (st == WHIT_OK) st = wh_io_add_meta(h->file, h->shard, key, value, err);
        if (st != WHIT_OK) return st;
    }
    return token == WH_JSON_OBJECT_END ? WHIT_OK : bad(h, place, "does not end", err);
}

static whit_status read_dtype(header *h, entry *e, whit_error *err)
{
    char name[WH_SHORT], dtype[WH_SHORT];
    if (wh_json_next(&h->json) != WH_JSON_STRING)
        return bad(h, e->tensor.name, "dtype is no string", err);
    e->tensor.dtype = whit_dtype_parse(h->json.text);
    if (e->tensor.dtype != WHIT_DTYPE_COUNT) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s: dtype %s is not known", h->label,
                   wh_short(name, e->tensor.name), wh_short(dtype, h->json.text));
}

static whit_status read_shape(header *h, entry *e, whit_error *err)
{
    whit_tensor *t = &e->tensor;
    wh_json_token token;
    char name[WH_SHORT];
    if (wh_json_next(&h->json) != WH_JSON_ARRAY) return bad(h, t->name, "shape is no array", err);
    while ((token = wh_json_next(&h->json)) != WH_JSON_ARRAY_END) {
        uint64_t n;
        if (token != WH_JSON_NUMBER || !wh_json_u64(&h->json, &n))
            return bad(h, t->name, "shape holds something else than whole numbers below 2^64", err);
        if (t->rank == WHIT_MAX_RANK)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s: more than %d dimensions", h->label,
                           wh_short(name, t->name), WHIT_MAX_RANK);
        t->shape[t->rank++] = n;
    }
    return WHIT_OK;
}

static whit_status read_offsets(header *h, entry *e, whit_error *err)
{
    static const char what[] = "data_offsets are not two whole numbers below 2^64";
    if (wh_json_next(&h->json) != WH_JSON_ARRAY) return bad(h, e->tensor.name, what, err);
    for (int i = 0; i < 2; i++)
        if (wh_json_next(&h->json) != WH_JSON_NUMBER || !wh_json_u64(&h->json, &e->offsets[i]))
            return bad(h, e->tensor.name, what, err);
    if (wh_json_next(&h->json) != WH_JSON_ARRAY_END) return bad(h, e->tensor.name, what, err);
    return WHIT_OK;
}

static const struct {
    const char *name, *missing;
    whit_status (*read)(header *h, entry *e, whit_error *err);
} members[] = {
    { "dtype", "has no dtype", read_dtype },
    { "shape", "has no shape", read_shape },
    { "data_offsets", "has no data_offsets", read_offsets },
};
#define MEMBERS (sizeof members / sizeof members[0])

/* A member that the format does not name: a warning; but not twice. */
static whit_status skip_member(header *h, entry *e, whit_error *err)
{
    const char *member;
    char name[WH_SHORT], shortened[WH_SHORT];
    if (e->others.count == WH_IO_MAX_META)
        return bad(h, e->tensor.name, "has more than 100000 members", err);
    whit_status st = keep_text(h, &member, err);
    if (st != WHIT_OK) return st;
    int added = wh_names_add(&e->others, member, 0);
    if (added < 0) return wh_io_no_memory(h->file, err);
    if (!added) return bad(h, e->tensor.name, "a member is there twice", err);
    if (!wh_json_skip(&h->json, WH_JSON_KEY)) return bad(h, e->tensor.name, "does not end", err);
    return wh_io_warn(h->file, err, "%s: %s: unknown member \"%s\" is ignored", h->label,
                      wh_short(name, e->tensor.name), wh_short(shortened, member));
}

static whit_status read_members(header *h, entry *e, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (wh_json_next(&h->json) != WH_JSON_OBJECT)
        return bad(h, e->tensor.name, "is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(&h->json)) != WH_JSON_OBJECT_END) {
        size_t i = 0;
        if (token != WH_JSON_KEY) return bad(h, e->tensor.name, "does not end", err);
        while (i < MEMBERS && strcmp(members[i].name, h->json.text) != 0) i++;
        if (i == MEMBERS) {
            st = skip_member(h, e, err);
            continue;
        }
        if (e->seen >> i & 1) return bad(h, e->tensor.name, "a member is there twice", err);
        e->seen |= 1u << i;
        st = members[i].read(h, e, err);
    }
    for (size_t i = 0; st == WHIT_OK && i < MEMBERS; i++)
        if (!(e->seen >> i & 1)) st = bad(h, e->tensor.name, members[i].missing, err);
    return st;
}

/* Elements and bytes of the shape, and that its extent has that size and lies in the file. */
static whit_status check_entry(const header *h, entry *e, whit_error *err)
{
    whit_tensor *t = &e->tensor;
    const uint64_t begin = e->offsets[0], end = e->offsets[1];
    uint64_t product, bits, last;
    int empty;
    char name[WH_SHORT];
    if (!wh_tensor_product(t, &product, &empty) ||
        !wh_mul_u64(product, whit_dtype_bits(t->dtype), &bits))
        return bad(h, t->name, "the product of its shape is beyond 64 bits", err);
    if (empty) product = bits = 0;
    if (bits % 8 != 0) return bad(h, t->name, "its size is no whole number of bytes", err);
    t->elements = product;
    t->bytes = bits / 8;
    wh_short(name, t->name);
    if (begin > end)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: data_offsets run backwards, from %" PRIu64 " to %" PRIu64, h->label,
                       name, begin, end);
    if (end > h->room) {
        if (!wh_add_u64(h->data, end, &last)) last = UINT64_MAX;
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: data ends at byte %" PRIu64 ", the file has %" PRIu64
                       "; try: download it again",
                       h->label, name, last, h->data + h->room);
    }
    if (end - begin != t->bytes)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: shape and dtype make %" PRIu64 " bytes, data_offsets %" PRIu64,
                       h->label, name, t->bytes, end - begin);
    t->offset = h->data + begin;
    return WHIT_OK;
}

static whit_status read_entry(header *h, whit_error *err)
{
    entry e;
    memset(&e, 0, sizeof e);
    e.tensor.shard = (uint32_t)h->shard;
    whit_status st = keep_text(h, &e.tensor.name, err);
    if (st == WHIT_OK) st = read_members(h, &e, err);
    if (st == WHIT_OK) st = check_entry(h, &e, err);
    if (st == WHIT_OK) st = wh_io_add_tensor(h->file, &e.tensor, err);
    wh_names_free(&e.others);
    return st;
}

static whit_status read_header(header *h, whit_error *err)
{
    wh_json_token token;
    if (wh_json_next(&h->json) != WH_JSON_OBJECT) return bad(h, NULL, "is no JSON object", err);
    while ((token = wh_json_next(&h->json)) == WH_JSON_KEY) {
        int meta = strcmp(h->json.text, "__metadata__") == 0;
        whit_status st = meta ? read_metadata(h, err) : read_entry(h, err);
        if (st != WHIT_OK) return st;
    }
    if (token != WH_JSON_OBJECT_END || wh_json_next(&h->json) != WH_JSON_END)
        return bad(h, NULL, "does not end", err);
    return WHIT_OK;
}

/* The tensors from `first` on, sorted, fill the data section without holes and overlaps. */
static whit_status check_layout(const header *h, size_t first, whit_error *err)
{
    char name[WH_SHORT], before[WH_SHORT];
    uint64_t at = h->data;
    for (size_t i = first; i < h->file->count; i++) {
        const whit_tensor *t = &h->file->tensors[i];
        wh_short(name, t->name);
        if (t->offset > at)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: %" PRIu64 " unused bytes before its data",
                           h->label, name, t->offset - at);
        if (t->offset < at)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: its data overlaps that of %s", h->label,
                           name, wh_short(before, t[-1].name));
        at += t->bytes; /* stays within the file: check_entry */
    }
    if (at == h->data + h->room) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %" PRIu64 " bytes behind the last tensor", h->label,
                   h->data + h->room - at);
}

whit_status wh_safetensors_list(whit_file *file, size_t shard, whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    const size_t first = file->count;
    unsigned char length[8];
    char *text = NULL;
    header h;
    memset(&h, 0, sizeof h);
    h.file = file;
    h.shard = shard;
    wh_io_label(h.label, s->path);

    if (s->bytes < sizeof length)
        return bad(&h, NULL, "the file is too short to have one; try: download it again", err);
    whit_status st = wh_file_pread(s->fd, s->path, 0, length, sizeof length, err);
    if (st != WHIT_OK) return st;
    uint64_t n = wh_load64(length);
    h.room = s->bytes - sizeof length;
    if (n > MAX_HEADER)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: header of %" PRIu64
                       " bytes, the limit is %u: damaged, or no safetensors file",
                       h.label, n, MAX_HEADER);
    if (n > h.room)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: header ends at byte %" PRIu64 ", the file has %" PRIu64
                       "; try: download it again",
                       h.label, n + 8, s->bytes);
    h.data = n + sizeof length;
    h.room -= n;
    text = wh_calloc(n, 1);
    if (!text) return wh_io_no_memory(file, err);
    wh_json_init(&h.json, text, (size_t)n);
    st = wh_file_pread(s->fd, s->path, sizeof length, text, (size_t)n, err);
    if (st == WHIT_OK && text[0] != '{') st = bad(&h, NULL, "does not begin with '{'", err);
    if (st == WHIT_OK) st = read_header(&h, err);
    if (st == WHIT_OK) st = wh_io_seal(file, first, err);
    if (st == WHIT_OK) st = check_layout(&h, first, err);
    wh_names_free(&h.keys);
    wh_json_free(&h.json);
    free(text);
    return st;
}
