/* src/io/st_write.c - where each tensor of a safetensors file goes, and the header that says so.
 *
 *   offset 0   u64 N, little-endian
 *          8   N octets: {"__metadata__":{KEY:VALUE,..},NAME:{"dtype":..,"shape":[..],
 *              "data_offsets":[begin,end]},..}, then spaces up to a multiple of 64
 *      8 + N   data; begin and end count from here, end exclusive; no gaps, nothing behind
 *
 * An example: the one tensor "a", F32, shape [2], without metadata. The JSON has 54 octets, so N
 * is 56 and two spaces follow (8 + 56 = 64):
 *   38 00 00 00 00 00 00 00 {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} 20 20
 *
 * The reference writer orders by type, which aligns a tensor to its element only. Any order is
 * legal; ours puts sizes with a large power of two first, so that all of them start at a multiple
 * of it without padding, which the format forbids. Not here: the data, files, sharding.
 *
 * Source: the format of huggingface/safetensors (README.md and tensor.rs), version 0.4.
 * SPDX-License-Identifier: MIT */
#include "io/st_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/mem.h"

#define ALIGN 64
#define MAX_HEADER 100000000 /* readers refuse more */
#define METADATA "__metadata__"

static int by_name(const void *a, const void *b)
{
    const wh_out_entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* The largest power of two, up to ALIGN, that divides bytes. */
static uint64_t alignment_kept(uint64_t bytes)
{
    uint64_t a = ALIGN;
    while (bytes % a) a /= 2;
    return a;
}

whit_status wh_st_layout(wh_out_entry *entries, size_t count, size_t *order, uint64_t *data_bytes,
                         whit_error *err)
{
    char name[WH_SHORT];
    whit_status st = WHIT_OK;
    size_t placed = 0;
    uint64_t end = 0;
    *data_bytes = 0;
    wh_out_entry **sorted = wh_calloc(count, sizeof *sorted);
    if (!sorted) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to order %zu tensors", count);
    for (size_t i = 0; i < count; i++) sorted[i] = &entries[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        int twice = i > 0 && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;
        if (!twice && strcmp(sorted[i]->name, METADATA) != 0) continue;
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %s", wh_short(name, sorted[i]->name),
                     twice ? "two tensors to be written have this name"
                           : "no tensor can have this name in a safetensors file");
        goto cleanup;
    }
    for (uint64_t align = ALIGN; align > 0; align /= 2) {
        for (size_t i = 0; i < count; i++) {
            if (alignment_kept(sorted[i]->bytes) != align) continue;
            order[placed++] = (size_t)(sorted[i] - entries);
            sorted[i]->offset = end;
            if (wh_add_u64(end, sorted[i]->bytes, &end)) continue;
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: the sizes of all tensors overflow 64 bits",
                         wh_short(name, sorted[i]->name));
            goto cleanup;
        }
    }
    *data_bytes = end;
cleanup:
    free(sorted);
    return st;
}

static void put_metadata(const wh_st_meta *meta, size_t count, wh_buf *out)
{
    wh_json_put_string(out, METADATA);
    wh_buf_puts(out, ":{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) wh_buf_puts(out, ",");
        wh_json_put_string(out, meta[i].key);
        wh_buf_puts(out, ":");
        wh_json_put_string(out, meta[i].value);
    }
    wh_buf_puts(out, "}");
}

static void put_entry(const wh_out_entry *e, wh_buf *out)
{
    wh_json_put_string(out, e->name);
    wh_buf_putf(out, ":{\"dtype\":\"%s\",\"shape\":[", whit_dtype_name(e->dtype));
    for (uint32_t d = 0; d < e->rank; d++)
        wh_buf_putf(out, "%s%" PRIu64, d > 0 ? "," : "", e->shape[d]);
    wh_buf_putf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", e->offset,
                e->offset + e->bytes);
}

whit_status wh_st_header(const wh_out_entry *entries, size_t count, const size_t *order,
                         const wh_st_meta *meta, size_t meta_count, wh_buf *out, whit_error *err)
{
    static const char length[8] = { 0 }; /* set below */
    wh_buf_put(out, length, sizeof length);
    wh_buf_puts(out, "{");
    if (meta_count > 0) put_metadata(meta, meta_count, out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 || meta_count > 0) wh_buf_puts(out, ",");
        put_entry(&entries[order[i]], out);
        if (out->failed || out->len - 8 > MAX_HEADER) break;
    }
    wh_buf_puts(out, "}");
    while (out->len % ALIGN && !out->failed) wh_buf_puts(out, " ");
    if (out->failed)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the header of %zu tensors", count);
    if (out->len - 8 > MAX_HEADER)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "the header of %zu tensors exceeds the %d bytes that safetensors allows; "
                       "try: more shards",
                       count, MAX_HEADER);
    wh_store64(out->data, out->len - 8);
    return WHIT_OK;
}
