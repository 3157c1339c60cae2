/* src/io/st_write.h - laying out and describing a safetensors file that is to be written.
 *
 * The layout is fixed before any data is read, so tensors can be written by position, in any
 * order, from any thread. SPDX-License-Identifier: MIT */
#ifndef WH_IO_ST_WRITE_H
#define WH_IO_ST_WRITE_H

#include "base/buf.h"
#include "io/entry.h"

typedef struct wh_st_meta {
    const char *key, *value; /* borrowed; written in this order, "format" first if given first */
} wh_st_meta;

/*
 * Set the offsets: entries whose size is a multiple of 64 first, then of 32, 16, .. 1; equals by
 * name in byte order. (So nearly every tensor starts 64-byte aligned.) order [count] receives the
 * entry numbers in file order; *data_bytes the size of the data section.
 * Errors: WHIT_ERR_FORMAT (two entries of one name, or sizes that overflow), WHIT_ERR_NOMEM.
 */
whit_status wh_st_layout(wh_out_entry *entries, size_t count, size_t *order, uint64_t *data_bytes,
                         whit_error *err);

/*
 * The first octets of the file: length, JSON with __metadata__ first and tensors in file order,
 * padded with spaces so that the data section starts at a multiple of 64.
 * Errors: WHIT_ERR_NOMEM; WHIT_ERR_UNSUPPORTED (header beyond 100,000,000 octets).
 */
whit_status wh_st_header(const wh_out_entry *entries, size_t count, const size_t *order,
                         const wh_st_meta *meta, size_t meta_count, wh_buf *out, whit_error *err);

#endif
