/* src/job/layout.c - the weight files of an output: which tensor in which file at which place.
 *
 * SPDX-License-Identifier: MIT */
#include "job/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"
#include "io/io.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the layout of the output");
}

whit_status wh_layout_init(wh_layout *l, size_t files, wh_container container, whit_error *err)
{
    l->container = container;
    l->alignment = WH_GGUF_ALIGNMENT;
    l->file = wh_calloc(files, sizeof *l->file);
    l->count = l->file ? files : 0;
    return l->file ? WHIT_OK : no_memory(err);
}

void wh_layout_free(wh_layout *l)
{
    for (size_t f = 0; f < l->count; f++) {
        wh_out_file *o = &l->file[f];
        for (size_t i = 0; i < o->count; i++) free(o->entry_name[i]);
        for (size_t i = 0; i < 2 * o->meta_count; i++) free(o->meta_text[i]);
        free(o->entry);
        free(o->entry_name);
        free(o->order);
        free(o->meta_text);
        wh_buf_free(&o->kvs.bytes);
    }
    free(l->file);
    memset(l, 0, sizeof *l);
}

/* Room for one more in both arrays of a file. */
static int grow_entries(wh_out_file *o)
{
    size_t cap = o->cap;
    void *entry = o->entry, *names = o->entry_name;
    int ok = wh_grow(&entry, &cap, o->count + 1, sizeof *o->entry);
    o->entry = entry;
    cap = o->cap;
    ok = ok && wh_grow(&names, &cap, o->count + 1, sizeof *o->entry_name);
    o->entry_name = names;
    if (ok) o->cap = cap;
    return ok;
}

whit_status wh_layout_add(wh_layout *l, size_t file, const wh_out_entry *what, const char *suffix,
                          wh_spot *spot, whit_error *err)
{
    wh_out_file *o = &l->file[file];
    wh_buf text = { 0 };
    wh_buf_puts(&text, what->name);
    wh_buf_puts(&text, suffix);
    if (text.failed || !grow_entries(o)) {
        wh_buf_free(&text);
        return no_memory(err);
    }
    o->entry[o->count] = *what;
    o->entry[o->count].name = text.data;
    *spot = (wh_spot){ (uint32_t)file, (uint32_t)o->count };
    o->entry_name[o->count++] = text.data;
    return WHIT_OK;
}

static char **find_value(const wh_out_file *o, const char *key)
{
    for (size_t i = 0; i < o->meta_count; i++)
        if (strcmp(o->meta_text[2 * i], key) == 0) return &o->meta_text[2 * i + 1];
    return NULL;
}

/* A key that is known not to be there. */
static whit_status append_meta(wh_out_file *o, const char *key, const char *value, whit_error *err)
{
    void *text = o->meta_text;
    int grown = wh_grow(&text, &o->meta_cap, 2 * o->meta_count + 2, sizeof *o->meta_text);
    o->meta_text = text;
    char *k = grown ? wh_strndup(key, strlen(key)) : NULL;
    char *v = k ? wh_strndup(value, strlen(value)) : NULL;
    if (!v) {
        free(k);
        return no_memory(err);
    }
    o->meta_text[2 * o->meta_count] = k;
    o->meta_text[2 * o->meta_count + 1] = v;
    o->meta_count++;
    return WHIT_OK;
}

whit_status wh_layout_meta(wh_layout *l, size_t file, const char *key, const char *value,
                           whit_error *err)
{
    if (strlen(value) > WH_IO_MAX_STRING)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s of %zu tensors would exceed the 16 MiB that readers take; try: more "
                       "shards (--shard-size)",
                       key, l->file[file].count);
    char **old = find_value(&l->file[file], key);
    if (!old) return append_meta(&l->file[file], key, value, err);
    char *v = wh_strndup(value, strlen(value));
    if (!v) return no_memory(err);
    free(*old);
    *old = v;
    return WHIT_OK;
}

whit_status wh_layout_carry(wh_layout *l, size_t file, const whit_file *source, size_t shard,
                            whit_error *err)
{
    wh_out_file *o = &l->file[file];
    wh_names there = { 0 };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < o->meta_count && st == WHIT_OK; i++)
        if (wh_names_add(&there, o->meta_text[2 * i], i) < 0) st = no_memory(err);
    for (size_t i = 0; i < whit_file_meta_count(source, shard) && st == WHIT_OK; i++) {
        const char *key = whit_file_meta_key(source, shard, i);
        if (strcmp(key, "format") == 0 || strncmp(key, "whit.", 5) == 0) continue;
        if (wh_names_find(&there, key) != WH_NAMES_NONE) continue;
        st = append_meta(o, key, whit_file_meta_value(source, shard, i), err);
    }
    wh_names_free(&there);
    return st;
}

whit_status wh_layout_finish(wh_layout *l, whit_error *err)
{
    for (size_t f = 0; f < l->count; f++) {
        wh_out_file *o = &l->file[f];
        wh_buf header = { 0 };
        if (!o->order) o->order = wh_calloc(o->count, sizeof *o->order);
        if (!o->order) return no_memory(err);
        whit_status st = l->container == WH_GGUF
                             ? wh_gguf_layout(o->entry, o->count, l->alignment, &o->data_bytes, err)
                             : wh_st_layout(o->entry, o->count, o->order, &o->data_bytes, err);
        if (st == WHIT_OK) st = wh_layout_header(l, f, &header, err);
        o->header_bytes = header.len;
        wh_buf_free(&header);
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

uint64_t wh_layout_offset(const wh_layout *l, wh_spot spot)
{
    const wh_out_file *o = &l->file[spot.file];
    return o->header_bytes + o->entry[spot.entry].offset;
}

uint64_t wh_layout_file_bytes(const wh_layout *l, size_t file)
{
    return l->file[file].header_bytes + l->file[file].data_bytes;
}

uint64_t wh_layout_bytes(const wh_layout *l)
{
    uint64_t sum = 0;
    for (size_t f = 0; f < l->count; f++) sum += wh_layout_file_bytes(l, f);
    return sum;
}

uint64_t wh_layout_tail(const wh_layout *l, size_t file)
{
    const wh_out_file *o = &l->file[file];
    uint64_t end = 0; /* tensors without data may be the last in the list */
    for (size_t i = 0; i < o->count; i++) {
        const uint64_t here = o->entry[i].offset + o->entry[i].bytes;
        if (here > end) end = here;
    }
    return o->data_bytes - end;
}

/* Keys with types, then those that are text here. */
static whit_status gguf_header(const wh_layout *l, const wh_out_file *o, wh_buf *out,
                               whit_error *err)
{
    wh_gguf_kvs all = { .count = o->kvs.count };
    wh_buf_put(&all.bytes, o->kvs.bytes.data, o->kvs.bytes.len);
    all.bytes.failed |= o->kvs.bytes.failed;
    for (size_t i = 0; i < o->meta_count; i++)
        wh_gguf_put_string(&all, o->meta_text[2 * i], o->meta_text[2 * i + 1],
                           strlen(o->meta_text[2 * i + 1]));
    whit_status st = wh_gguf_header(o->entry, o->count, &all, l->alignment, out, err);
    wh_buf_free(&all.bytes);
    return st;
}

whit_status wh_layout_header(const wh_layout *l, size_t file, wh_buf *out, whit_error *err)
{
    const wh_out_file *o = &l->file[file];
    if (l->container == WH_GGUF) return gguf_header(l, o, out, err);
    wh_st_meta *meta = wh_calloc(o->meta_count, sizeof *meta);
    if (!meta) return no_memory(err);
    for (size_t i = 0; i < o->meta_count; i++)
        meta[i] = (wh_st_meta){ o->meta_text[2 * i], o->meta_text[2 * i + 1] };
    whit_status st = wh_st_header(o->entry, o->count, o->order, meta, o->meta_count, out, err);
    free(meta);
    return st;
}

typedef struct mapped {
    const char *tensor, *file;
} mapped;

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const mapped *)a)->tensor, ((const mapped *)b)->tensor);
}

whit_status wh_layout_index(const wh_layout *l, wh_buf *out, whit_error *err)
{
    size_t total = 0, n = 0;
    uint64_t bytes = 0;
    for (size_t f = 0; f < l->count; f++) {
        total += l->file[f].count;
        bytes += l->file[f].data_bytes;
    }
    mapped *map = wh_calloc(total, sizeof *map);
    if (!map) return no_memory(err);
    for (size_t f = 0; f < l->count; f++)
        for (size_t i = 0; i < l->file[f].count; i++)
            map[n++] = (mapped){ l->file[f].entry[i].name, l->file[f].name };
    qsort(map, n, sizeof *map, by_tensor);
    wh_buf_putf(out, "{\n  \"metadata\": {\n    \"total_size\": %" PRIu64 "\n  },\n", bytes);
    wh_buf_puts(out, "  \"weight_map\": {");
    for (size_t i = 0; i < n; i++) {
        wh_buf_puts(out, i ? ",\n    " : "\n    ");
        wh_json_put_string(out, map[i].tensor);
        wh_buf_puts(out, ": ");
        wh_json_put_string(out, map[i].file);
    }
    wh_buf_puts(out, "\n  }\n}\n");
    free(map);
    return out->failed ? no_memory(err) : WHIT_OK;
}
