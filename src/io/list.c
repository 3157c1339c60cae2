/* src/io/list.c - the list that an open model is: how readers build it, how callers ask it.
 *
 * Names and other texts lie in blocks that never move, so that pointers to them can be handed out
 * while the list grows. Not here: any format.
 *
 * SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* ---- building ---- */

struct wh_io_block {
    struct wh_io_block *next;
    size_t used, size;
    _Alignas(8) char text[]; /* arrays of numbers lie here, too */
};

void *wh_io_room(whit_file *file, size_t size, size_t align)
{
    struct wh_io_block *head = file->texts, *b = head;
    size_t at = b ? (b->used + align - 1) / align * align : 0;
    if (!b || at > b->size || b->size - at < size) {
        size_t room = size <= 4096 ? 65536 : size;
        if (size > SIZE_MAX / 2 || !(b = malloc(sizeof *b + room))) return NULL;
        b->size = room;
        at = 0;
        if (head && size > 4096) { /* has a block of its own: the head may still have room */
            b->next = head->next;
            head->next = b;
        } else {
            b->next = head;
            file->texts = b;
        }
    }
    b->used = at + size;
    return b->text + at;
}

const char *wh_io_text(whit_file *file, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? wh_io_room(file, len + 1, 1) : NULL;
    if (!copy) return NULL;
    if (len > 0) memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

void wh_io_free_texts(whit_file *file)
{
    while (file->texts) {
        struct wh_io_block *b = file->texts;
        file->texts = b->next;
        free(b);
    }
}

const char *wh_io_label(char buf[WH_SHORT], const char *path)
{
    const char *name = wh_path_name(path);
    return wh_short(buf, strlen(path) >= WH_SHORT && *name ? name : path);
}

whit_status wh_io_no_memory(const whit_file *file, whit_error *err)
{
    char label[WH_SHORT];
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the list of its tensors",
                   wh_io_label(label, file->path));
}

whit_status wh_io_warn(whit_file *file, whit_error *err, const char *fmt, ...)
{
    whit_error line;
    char text[sizeof line.msg];
    if (file->warning_count == WH_IO_MAX_WARNINGS) {
        file->warnings_more++;
        return WHIT_OK;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    wh_fail(&line, WHIT_OK, "%s", text); /* makes it one printable line */
    const char *copy = wh_io_text(file, line.msg, strlen(line.msg));
    if (!copy) return wh_io_no_memory(file, err);
    file->warnings[file->warning_count++] = copy;
    return WHIT_OK;
}

whit_status wh_io_add_tensor(whit_file *file, const whit_tensor *tensor, whit_error *err)
{
    char label[WH_SHORT];
    if (file->count == WH_IO_MAX_TENSORS)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: more than %u tensors",
                       wh_io_label(label, file->path), WH_IO_MAX_TENSORS);
    void *data = file->tensors;
    if (!wh_grow(&data, &file->cap, file->count + 1, sizeof *tensor))
        return wh_io_no_memory(file, err);
    file->tensors = data;
    file->tensors[file->count++] = *tensor;
    return WHIT_OK;
}

whit_status wh_io_add_meta(whit_file *file, size_t shard, const char *key, const char *value,
                           whit_error *err)
{
    wh_shard *s = &file->shards[shard];
    char label[WH_SHORT];
    if (s->meta_count == WH_IO_MAX_META)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: more than %u keys of metadata",
                       wh_io_label(label, s->path), WH_IO_MAX_META);
    void *data = s->meta;
    if (!wh_grow(&data, &s->meta_cap, s->meta_count + 1, sizeof *s->meta))
        return wh_io_no_memory(file, err);
    s->meta = data;
    s->meta[s->meta_count++] = (wh_meta){ key, value };
    return WHIT_OK;
}

static int by_offset(const void *a, const void *b)
{
    const whit_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A number of elements is one of octets in memory elsewhere, and a row with what it becomes is held
 * whole: neither may wrap around where addresses have 32 bits. */
static whit_status check_reach(const whit_file *file, const whit_tensor *t, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    uint64_t rows, cols;
    whit_tensor_matrix(t, &rows, &cols);
    if (t->elements == 0 || (t->elements <= SIZE_MAX && cols <= SIZE_MAX / 16)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                   "%s: %s: %" PRIu64 " x %" PRIu64 " elements are beyond the addresses of this "
                   "machine; try: one of 64 bits",
                   wh_io_label(label, file->path), wh_short(name, t->name), rows, cols);
}

whit_status wh_io_seal(whit_file *file, size_t first, whit_error *err)
{
    whit_tensor *t = file->tensors;
    char label[WH_SHORT], name[WH_SHORT];
    size_t i = first + 1;
    while (i < file->count && by_offset(&t[i - 1], &t[i]) <= 0) i++;
    if (i < file->count) qsort(t + first, file->count - first, sizeof *t, by_offset);
    for (i = first; i < file->count; i++) {
        whit_status st = check_reach(file, &t[i], err);
        if (st != WHIT_OK) return st;
        int added = wh_names_add(&file->names, t[i].name, i);
        if (added < 0) return wh_io_no_memory(file, err);
        if (added) continue;
        const whit_tensor *other = &t[wh_names_find(&file->names, t[i].name)];
        wh_io_label(label, file->shards[t[i].shard].path);
        wh_short(name, *t[i].name ? t[i].name : "\"\"");
        if (other->shard == t[i].shard)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: the name is there twice", label, name);
        char with[WH_SHORT];
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: the name is in %s, too", label, name,
                       wh_short(with, file->shards[other->shard].name));
    }
    return WHIT_OK;
}

/* ---- asking: an index beyond the end gives NULL or 0 ---- */

const char *whit_file_format(const whit_file *file)
{
    return file->shards[0].format->name;
}

const char *whit_file_path(const whit_file *file)
{
    return file->path;
}

const char *whit_file_folder(const whit_file *file)
{
    return file->folder;
}

int whit_file_is_folder(const whit_file *file)
{
    return file->is_folder;
}

int whit_file_has_index(const whit_file *file)
{
    return file->index_path != NULL;
}

const char *whit_file_index_path(const whit_file *file)
{
    return file->index_path;
}

size_t whit_file_count(const whit_file *file)
{
    return file->count;
}

const whit_tensor *whit_file_tensor(const whit_file *file, size_t index)
{
    return index < file->count ? &file->tensors[index] : NULL;
}

size_t whit_file_find(const whit_file *file, const char *name)
{
    size_t index = wh_names_find(&file->names, name);
    return index == WH_NAMES_NONE ? WHIT_NOT_FOUND : index;
}

size_t whit_file_shards(const whit_file *file)
{
    return file->shard_count;
}

static const wh_shard *shard_at(const whit_file *file, size_t shard)
{
    static const wh_shard none = { .fd = -1 };
    return shard < file->shard_count ? &file->shards[shard] : &none;
}

const char *whit_file_shard_name(const whit_file *file, size_t shard)
{
    return shard_at(file, shard)->name;
}

const char *whit_file_shard_path(const whit_file *file, size_t shard)
{
    return shard_at(file, shard)->path;
}

uint64_t whit_file_shard_bytes(const whit_file *file, size_t shard)
{
    return shard_at(file, shard)->bytes;
}

size_t whit_file_meta_count(const whit_file *file, size_t shard)
{
    return shard_at(file, shard)->meta_count;
}

const char *whit_file_meta_key(const whit_file *file, size_t shard, size_t index)
{
    const wh_shard *s = shard_at(file, shard);
    return index < s->meta_count ? s->meta[index].key : NULL;
}

const char *whit_file_meta_value(const whit_file *file, size_t shard, size_t index)
{
    const wh_shard *s = shard_at(file, shard);
    return index < s->meta_count ? s->meta[index].value : NULL;
}

const char *whit_file_meta_find(const whit_file *file, size_t shard, const char *key)
{
    const wh_shard *s = shard_at(file, shard);
    for (size_t i = 0; i < s->meta_count; i++)
        if (strcmp(s->meta[i].key, key) == 0) return s->meta[i].value;
    return NULL;
}

size_t whit_file_kv_count(const whit_file *file, size_t shard)
{
    return shard_at(file, shard)->kv_count;
}

const whit_kv *whit_file_kv(const whit_file *file, size_t shard, size_t index)
{
    const wh_shard *s = shard_at(file, shard);
    return index < s->kv_count ? &s->kv[index] : NULL;
}

const whit_kv *whit_file_kv_find(const whit_file *file, size_t shard, const char *key)
{
    const wh_shard *s = shard_at(file, shard);
    for (size_t i = 0; i < s->kv_count; i++)
        if (strcmp(s->kv[i].key, key) == 0) return &s->kv[i];
    return NULL;
}

size_t whit_file_warnings(const whit_file *file)
{
    return file->warning_count;
}

const char *whit_file_warning(const whit_file *file, size_t index)
{
    return index < file->warning_count ? file->warnings[index] : NULL;
}
