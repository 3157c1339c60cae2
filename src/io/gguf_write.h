/* src/io/gguf_write.h - writing GGUF: typed metadata, places of tensors, the header.
 *
 * The layout is fixed before any data is read, as that of st_write.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_GGUF_WRITE_H
#define WH_IO_GGUF_WRITE_H

#include <whit/file.h>
#include "base/buf.h"
#include "io/entry.h"

#define WH_GGUF_ALIGNMENT 32 /* of a file that does not say otherwise */
#define WH_GGUF_ALIGNMENT_KEY "general.alignment"

/* Keys with their values as they stand in a file; zero-initialise. */
typedef struct wh_gguf_kvs {
    wh_buf bytes; /* failed: no memory */
    uint64_t count;
} wh_gguf_kvs;

void wh_gguf_put_u16(wh_gguf_kvs *k, const char *key, uint16_t value);
void wh_gguf_put_u32(wh_gguf_kvs *k, const char *key, uint32_t value);
void wh_gguf_put_i32(wh_gguf_kvs *k, const char *key, int32_t value);
void wh_gguf_put_u64(wh_gguf_kvs *k, const char *key, uint64_t value);
void wh_gguf_put_f32(wh_gguf_kvs *k, const char *key, float value);
void wh_gguf_put_bool(wh_gguf_kvs *k, const char *key, int value);
void wh_gguf_put_string(wh_gguf_kvs *k, const char *key, const char *text, size_t len);
/* Then come exactly count items of that type. */
void wh_gguf_begin_array(wh_gguf_kvs *k, const char *key, whit_kv_type item, uint64_t count);
void wh_gguf_item_string(wh_gguf_kvs *k, const char *text, size_t len);
void wh_gguf_item_u32(wh_gguf_kvs *k, uint32_t bits); /* u32, i32 and f32 by their bits */
/* A copy of one that was read. */
void wh_gguf_put_kv(wh_gguf_kvs *k, const whit_kv *kv);

/*
 * Set the offsets: in the order given, each at a multiple of the alignment, which is how readers
 * insist on it. *data_bytes is the size of the data section, padding behind the last included.
 * Errors: WHIT_ERR_FORMAT (two entries of one name, a name beyond 63 octets, more than 4
 * dimensions, sizes that overflow), WHIT_ERR_UNSUPPORTED (a type that GGUF does not have),
 * WHIT_ERR_NOMEM.
 */
whit_status wh_gguf_layout(wh_out_entry *entries, size_t count, uint32_t alignment,
                           uint64_t *data_bytes, whit_error *err);

/* The first octets of the file, up to the data section: a multiple of the alignment. Entries as
 * wh_gguf_layout left them. Errors: WHIT_ERR_NOMEM. */
whit_status wh_gguf_header(const wh_out_entry *entries, size_t count, const wh_gguf_kvs *kvs,
                           uint32_t alignment, wh_buf *out, whit_error *err);

/* Zeros behind the data of an entry up to the next one. */
static inline uint64_t wh_gguf_padding(uint64_t bytes, uint32_t alignment)
{
    return (alignment - bytes % alignment) % alignment;
}

#endif
