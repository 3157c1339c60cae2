/* src/io/gguf.c - reading the header of a GGUF file, versions 2 and 3: tensors and where they lie.
 *
 *   "GGUF"  u32 version  u64 tensors  u64 keys
 *   keys    x   metadata (gguf_kv.c)
 *   tensors x   string name, u32 dimensions, u64 size of each, u32 type, u64 offset
 *   zeros up to the alignment: general.alignment, or 32
 *   data    offsets count from here; each tensor is followed by zeros up to the alignment
 *
 * Traps:
 *   - The first dimension is the one that varies fastest: ne = [in, out] is the shape [out, in].
 *   - Offsets are redundant. Each must be the sum of the padded sizes before it, in the order of
 *     the list: no holes, no overlaps, no other order. Zeros behind the last tensor may be missing.
 *   - The header does not say how long it is; the data begins where the list happens to end.
 *   - The counts are signed in the reference: values of 2^63 and more are negative there.
 *   - Version 3 allows big-endian files and has no flag for it: their version reads as 0x03000000.
 *   - A block is a part of a row: rows of a number of elements that is no multiple do not exist.
 *
 * Not here: the types (gguf_type.c); the parts of a split model (gguf_split.c); data (read.c,
 * gguf_read.c).
 * Source: ggml-org/ggml, docs/gguf.md and src/gguf.cpp, whose checks are all here but one: names
 * of tensors may have more than 63 octets, as other programs than llama.cpp write them. Stricter:
 * names are UTF-8, and nothing follows the last tensor.
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tensor/tensor.h"

#define MAX_RANK 4u          /* of the format */
#define MAX_ALIGNMENT 65536u /* far above what anybody uses */
#define LEAST_KV (8 + 1 + 4 + 1)
#define LEAST_TENSOR (8 + 4 + 4 + 8)

int wh_gguf2_probe(const unsigned char head[WH_IO_HEAD])
{
    return memcmp(head, "GGUF\2\0\0", 8) == 0;
}

int wh_gguf_probe(const unsigned char head[WH_IO_HEAD])
{
    return memcmp(head, "GGUF", 4) == 0;
}

/* Up to the next multiple of a power of two. 0 on overflow. */
static int pad(uint64_t x, uint64_t alignment, uint64_t *out)
{
    if (!wh_add_u64(x, alignment - 1, out)) return 0;
    *out &= ~(alignment - 1);
    return 1;
}

static whit_status check_version(wh_gguf *g, whit_error *err)
{
    unsigned char magic[4];
    uint32_t version = 0;
    whit_status st = wh_gguf_get(g, magic, sizeof magic, err);
    if (st == WHIT_OK) st = wh_gguf_u32(g, &version, err);
    if (st != WHIT_OK || version == 2 || version == 3) return st;
    if (version != 0 && (version & 0xffff) == 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: a big-endian GGUF file, which is not read here; try: the little-endian "
                       "one of the same model",
                       g->label);
    return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                   "%s: GGUF version %" PRIu32 " is not read here, only 2 and 3%s", g->label,
                   version, version == 1 ? "; try: convert the model again" : "");
}

static whit_status read_metadata(wh_gguf *g, uint64_t count, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (count > WH_IO_MAX_META)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: GGUF header: %" PRIu64 " keys, the limit is %u",
                       g->label, count, WH_IO_MAX_META);
    for (uint64_t i = 0; i < count && st == WHIT_OK; i++) st = wh_gguf_read_kv(g, err);
    return st;
}

static whit_status find_alignment(const wh_gguf *g, uint64_t *out, whit_error *err)
{
    static const char key[] = "general.alignment";
    const whit_kv *kv = whit_file_kv_find(g->file, g->shard, key);
    *out = 32;
    if (!kv) return WHIT_OK;
    if (!wh_gguf_kv_u64(kv, out)) return wh_gguf_bad(g, key, "is no whole number", err);
    if (*out > 0 && *out <= MAX_ALIGNMENT && (*out & (*out - 1)) == 0) return WHIT_OK;
    return wh_gguf_bad(g, key, "is no power of two from 1 to 65536", err);
}

static whit_status read_shape(wh_gguf *g, whit_tensor *t, whit_error *err)
{
    char name[WH_SHORT];
    whit_status st = wh_gguf_u32(g, &t->rank, err);
    if (st == WHIT_OK && t->rank > MAX_RANK)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: %" PRIu32 " dimensions, the limit is %u",
                       g->label, wh_short(name, t->name), t->rank, MAX_RANK);
    for (uint32_t d = t->rank; d > 0 && st == WHIT_OK; d--)
        st = wh_gguf_u64(g, &t->shape[d - 1], err);
    return st;
}

static whit_status read_type(wh_gguf *g, whit_tensor *t, wh_gguf_unit *unit, whit_error *err)
{
    uint32_t id;
    whit_status st = wh_gguf_u32(g, &id, err);
    return st == WHIT_OK ? wh_gguf_type(g, id, t, unit, err) : st;
}

/* Elements and bytes of the shape. */
static whit_status measure(const wh_gguf *g, whit_tensor *t, const wh_gguf_unit *unit,
                           whit_error *err)
{
    const uint64_t row = t->rank ? t->shape[t->rank - 1] : 1;
    uint64_t product;
    int empty;
    char name[WH_SHORT];
    if (!wh_tensor_product(t, &product, &empty) || product > INT64_MAX ||
        !wh_mul_u64(product / unit->elements, unit->bytes, &t->bytes))
        return wh_gguf_bad(g, t->name, "the product of its dimensions is beyond 63 bits", err);
    if (row % unit->elements != 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: rows of %" PRIu64 " elements, which blocks of %u (%s) cannot make",
                       g->label, wh_short(name, t->name), row, unit->elements, t->type);
    t->elements = empty ? 0 : product;
    if (empty) t->bytes = 0;
    return WHIT_OK;
}

/* One tensor; *next is where its data should begin, and then where that of the next one should.
 * Offsets count from the data section still. */
static whit_status read_tensor(wh_gguf *g, uint64_t alignment, uint64_t *next, whit_error *err)
{
    whit_tensor t;
    wh_gguf_unit unit = { 1, 1 };
    char name[WH_SHORT];
    uint64_t end;
    memset(&t, 0, sizeof t);
    t.shard = (uint32_t)g->shard;
    whit_status st = wh_gguf_name(g, &t.name, err);
    if (st == WHIT_OK) st = read_shape(g, &t, err);
    if (st == WHIT_OK) st = read_type(g, &t, &unit, err);
    if (st == WHIT_OK) st = wh_gguf_u64(g, &t.offset, err);
    if (st == WHIT_OK) st = measure(g, &t, &unit, err);
    if (st != WHIT_OK) return st;
    if (t.offset != *next)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: its data is at offset %" PRIu64 ", it should be at %" PRIu64,
                       g->label, wh_short(name, t.name), t.offset, *next);
    if (!wh_add_u64(*next, t.bytes, &end) || !pad(end, alignment, next))
        return wh_gguf_bad(g, t.name, "the end of its data is beyond 64 bits", err);
    return wh_io_add_tensor(g->file, &t, err);
}

/* With the list read: where the data section is, and that the file is as long as it should be. */
static whit_status place_tensors(const wh_gguf *g, size_t first, uint64_t alignment, uint64_t size,
                                 whit_error *err)
{
    const uint64_t bytes = g->file->shards[g->shard].bytes;
    uint64_t data, last;
    char name[WH_SHORT];
    if (!pad(g->at, alignment, &data) || !wh_add_u64(data, size, &last)) last = UINT64_MAX;
    for (size_t i = first; i < g->file->count; i++) {
        whit_tensor *t = &g->file->tensors[i];
        uint64_t end;
        if (!wh_add_u64(data, t->offset, &t->offset) || !wh_add_u64(t->offset, t->bytes, &end))
            end = UINT64_MAX;
        if (end > bytes)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: %s: data ends at byte %" PRIu64 ", the file has %" PRIu64
                           "; try: download it again",
                           g->label, wh_short(name, t->name), end, bytes);
    }
    if (bytes <= last) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %" PRIu64 " bytes behind the last tensor", g->label,
                   bytes - last);
}

static whit_status read_header(wh_gguf *g, whit_error *err)
{
    const size_t first = g->file->count;
    uint64_t tensors = 0, keys = 0, alignment = 32, size = 0;
    whit_status st = check_version(g, err);
    if (st == WHIT_OK) st = wh_gguf_u64(g, &tensors, err);
    if (st == WHIT_OK) st = wh_gguf_u64(g, &keys, err);
    if (st == WHIT_OK) st = wh_gguf_room_for(g, NULL, tensors, LEAST_TENSOR, "tensors", err);
    if (st == WHIT_OK) st = wh_gguf_room_for(g, NULL, keys, LEAST_KV, "keys", err);
    if (st == WHIT_OK) st = read_metadata(g, keys, err);
    if (st == WHIT_OK) st = find_alignment(g, &alignment, err);
    for (uint64_t i = 0; i < tensors && st == WHIT_OK; i++)
        st = read_tensor(g, alignment, &size, err);
    if (st == WHIT_OK) st = place_tensors(g, first, alignment, size, err);
    if (st == WHIT_OK) st = wh_io_seal(g->file, first, err);
    return st == WHIT_OK ? wh_gguf_type_warnings(g, first, err) : st;
}

whit_status wh_gguf_list(whit_file *file, size_t shard, whit_error *err)
{
    wh_gguf g;
    wh_gguf_begin(&g, file, shard);
    whit_status st = read_header(&g, err);
    wh_names_free(&g.keys);
    return st;
}
