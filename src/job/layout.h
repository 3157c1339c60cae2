/* src/job/layout.h - the weight files of an output: which tensor in which file at which place.
 *
 * Filled before any data is read: then sizes are known to the byte and data can be written by
 * position. SPDX-License-Identifier: MIT */
#ifndef WH_JOB_LAYOUT_H
#define WH_JOB_LAYOUT_H

#include <whit/source.h>
#include "base/buf.h"
#include "io/gguf_write.h"
#include "io/st_write.h"

typedef enum wh_container {
    WH_SAFETENSORS,
    WH_GGUF /* tensors in the order in which they were added */
} wh_container;

typedef struct wh_out_file {
    const char *name; /* borrowed: plain file name */
    wh_out_entry *entry;
    char **entry_name; /* what entry[i].name points to */
    size_t count, cap;
    size_t *order;
    char **meta_text; /* key, value, key, value, .. */
    size_t meta_count, meta_cap;
    wh_gguf_kvs kvs; /* WH_GGUF: before the strings above */
    uint64_t header_bytes, data_bytes;
} wh_out_file;

typedef struct wh_layout {
    wh_out_file *file;
    size_t count;
    wh_container container;
    uint32_t alignment; /* WH_GGUF */
} wh_layout;

/* A place in the layout. */
typedef struct wh_spot {
    uint32_t file;
    uint32_t entry;
} wh_spot;

whit_status wh_layout_init(wh_layout *l, size_t files, wh_container container, whit_error *err);
void wh_layout_free(wh_layout *l);

/* Add a tensor like `what`, which is copied; its name is followed by the suffix. */
whit_status wh_layout_add(wh_layout *l, size_t file, const wh_out_entry *what, const char *suffix,
                          wh_spot *spot, whit_error *err);
/* Add a key, or replace the value of one that is there. WHIT_ERR_UNSUPPORTED: readers would refuse
 * so long a one. */
whit_status wh_layout_meta(wh_layout *l, size_t file, const char *key, const char *value,
                           whit_error *err);
/* Carry over the string keys of a source shard, all but "format" and whit.*; keys that are there
 * already stay as they are. */
whit_status wh_layout_carry(wh_layout *l, size_t file, const whit_file *source, size_t shard,
                            whit_error *err);
/* Fix the offsets and header sizes. */
whit_status wh_layout_finish(wh_layout *l, whit_error *err);

/* From the start of the file. */
uint64_t wh_layout_offset(const wh_layout *l, wh_spot spot);
uint64_t wh_layout_file_bytes(const wh_layout *l, size_t file);
uint64_t wh_layout_bytes(const wh_layout *l); /* all files */
/* Zeros that a file ends with, behind the data of its last tensor. */
uint64_t wh_layout_tail(const wh_layout *l, size_t file);
whit_status wh_layout_header(const wh_layout *l, size_t file, wh_buf *out, whit_error *err);
/* The text of model.safetensors.index.json. */
whit_status wh_layout_index(const wh_layout *l, wh_buf *out, whit_error *err);

#endif
