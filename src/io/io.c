/* src/io/io.c - the table of formats; opening and closing.
 *
 * What a file is goes by its first octets, never by its name. The name only decides which words
 * are found for a file that begins like nothing known. Formats that are known but not read have a
 * row here as well, so that the message can say what to do. Nothing is mapped; after open a
 * whit_file does not change, so that any number of threads may read from it.
 * Not here: the list of tensors (list.c), reading (read.c), folders and indices (hfdir.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "io/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static int starts(const unsigned char *head, const char *magic)
{
    return memcmp(head, magic, strlen(magic)) == 0;
}

static int probe_pickle(const unsigned char *head)
{
    return head[0] == 0x80 && head[1] >= 2 && head[1] <= 5; /* opcode PROTO */
}

static int probe_hdf5(const unsigned char *head)
{
    return starts(head, "\x89HDF\r\n\x1a\n");
}

static int probe_tflite(const unsigned char *head)
{
    return starts(head + 4, "TFL3");
}

/* protobuf: field 1 (ir_version) is a small number, then field 2, 3, 7 or 8 follows. */
static int probe_onnx(const unsigned char *head)
{
    return head[0] == 0x08 && head[1] > 0 && head[1] < 32 &&
           (head[2] == 0x12 || head[2] == 0x1a || head[2] == 0x3a || head[2] == 0x42);
}

static int probe_lfs(const unsigned char *head)
{
    return starts(head, "version https://git-lfs");
}

#define AS_SAFETENSORS "the same model as safetensors"

static const wh_format formats[] = {
    /* clang-format off */
    { "safetensors", wh_safetensors_probe, wh_safetensors_list, wh_io_read_f32, NULL },
    { "npy",         wh_npy_probe,         wh_npy_list,         wh_io_read_f32, NULL },
    { "GGUF v2",     wh_gguf2_probe,       wh_gguf_list,        wh_gguf_read_f32, NULL },
    { "GGUF v3",     wh_gguf_probe,        wh_gguf_list,        wh_gguf_read_f32, NULL },
    { "a zip archive", wh_zip_probe,       wh_archive_list,     wh_io_read_f32, NULL },
    { "PyTorch",     wh_torch_legacy_probe, wh_torch_legacy_list, wh_io_read_f32, NULL },
    { "a pickle, but none of PyTorch", probe_pickle, NULL, NULL, AS_SAFETENSORS },
    { "an HDF5 file",               probe_hdf5,    NULL, NULL, AS_SAFETENSORS },
    { "a TensorFlow Lite model",    probe_tflite,  NULL, NULL, AS_SAFETENSORS },
    { "an ONNX model",              probe_onnx,    NULL, NULL, AS_SAFETENSORS },
    { "a Git LFS pointer",          probe_lfs,     NULL, NULL,
      "download the real file (git lfs pull)" },
    { "llama2.c",    wh_llama2c_probe,     wh_llama2c_list,     wh_io_read_f32, NULL }, /* the oldest
      form has no magic number: it comes last */
    /* clang-format on */
};

/* JSON text whose value is an object. */
static int probe_json(const unsigned char *head)
{
    size_t i = 0;
    while (i < WH_IO_HEAD && (head[i] == ' ' || (head[i] >= '\t' && head[i] <= '\r'))) i++;
    return i < WH_IO_HEAD && head[i] == '{';
}

/* The row of the format, or NULL. */
static const wh_format *identify(const unsigned char *head, const char *path)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].probe(head)) return &formats[i];
    /* Like nothing known: a damaged safetensors file deserves to hear what is wrong with it. */
    size_t len = strlen(path);
    if (head[8] == '{' || (len >= 12 && strcmp(path + len - 12, ".safetensors") == 0))
        return &formats[0];
    return NULL;
}

whit_status wh_io_open_head(const char *path, int *fd, uint64_t *bytes,
                            unsigned char head[WH_IO_HEAD], whit_error *err)
{
    char label[WH_SHORT];
    memset(head, 0, WH_IO_HEAD);
    *fd = -1;
    errno = 0;
    whit_status st = wh_file_open_read(path, fd, bytes, err);
    if (st == WHIT_ERR_IO && (errno == EMFILE || errno == ENFILE))
        return wh_fail(err, st,
                       "%s: too many open files (each shard of a model stays open); try: ulimit -n "
                       "with a larger number",
                       wh_io_label(label, path));
    if (st != WHIT_OK) return st;
    return wh_file_pread(*fd, path, 0, head, *bytes < WH_IO_HEAD ? (size_t)*bytes : WH_IO_HEAD,
                         err);
}

/* The shard's format by its first octets, or a message. */
static whit_status find_format(wh_shard *s, const unsigned char *head, whit_error *err)
{
    char label[WH_SHORT];
    wh_io_label(label, s->path);
    if (s->bytes == 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: the file is empty; try: download it again",
                       label);
    s->format = identify(head, s->path);
    if (!s->format && s->bytes < 8)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %u bytes are too short for a model file", label,
                       (unsigned)s->bytes);
    if (!s->format)
        return wh_fail(
            err, WHIT_ERR_UNSUPPORTED,
            "%s: not a model file of a format known here; try: a safetensors, GGUF, NPY, "
            "NPZ or PyTorch file, the folder of a model; jobs take raw arrays with --shape R,C",
            label);
    if (!s->format->list)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: this is %s, which is not read here; try: %s",
                       label, s->format->name, s->format->hint);
    return WHIT_OK;
}

whit_status wh_io_add_shard(whit_file *file, const char *name, const char *path, whit_error *err)
{
    unsigned char head[WH_IO_HEAD];
    void *data = file->shards;
    if (!wh_grow(&data, &file->shard_cap, file->shard_count + 1, sizeof *file->shards))
        return wh_io_no_memory(file, err);
    file->shards = data;
    wh_shard *s = &file->shards[file->shard_count];
    memset(s, 0, sizeof *s);
    s->fd = -1;
    s->name = wh_io_text(file, name, strlen(name));
    s->path = wh_io_text(file, path, strlen(path));
    if (!s->name || !s->path) return wh_io_no_memory(file, err);
    file->shard_count++; /* from here on whit_file_close looks after it */

    whit_status st = wh_io_open_head(path, &s->fd, &s->bytes, head, err);
    if (st == WHIT_OK && file->raw) s->format = &wh_raw_format;
    if (st == WHIT_OK && !file->raw) st = find_format(s, head, err);
    return st == WHIT_OK ? s->format->list(file, file->shard_count - 1, err) : st;
}

static whit_status open_path(whit_file *file, whit_error *err)
{
    unsigned char head[WH_IO_HEAD];
    uint64_t bytes;
    int fd;
    if (file->raw) return wh_io_add_shard(file, wh_path_name(file->path), file->path, err);
    if (file->is_folder) return wh_hf_open_folder(file, err);
    whit_status st = wh_io_open_head(file->path, &fd, &bytes, head, err);
    if (fd >= 0) close(fd);
    if (st != WHIT_OK) return st;
    if (!formats[0].probe(head) && probe_json(head)) return wh_hf_open_index(file, file->path, err);
    st = wh_io_add_shard(file, wh_path_name(file->path), file->path, err);
    return st == WHIT_OK ? wh_gguf_join(file, err) : st;
}

static whit_status name_folder(whit_file *file, whit_error *err)
{
    char *folder = file->is_folder ? NULL : wh_path_folder(file->path);
    file->folder = folder            ? wh_io_text(file, folder, strlen(folder))
                   : file->is_folder ? file->path
                                     : NULL;
    free(folder);
    return file->folder ? WHIT_OK : wh_io_no_memory(file, err);
}

static whit_status open_file(whit_file **out, const char *path, const whit_raw_options *raw,
                             whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_file_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_file_open: no path");
    whit_file *file = wh_calloc(1, sizeof *file);
    if (!file) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to open a file");
    whit_status st = WHIT_OK;
    file->cvt = wh_cvt_select();
    file->path = wh_io_text(file, path, strlen(path));
    if (!file->path) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory to open a file");
        goto cleanup;
    }
    file->raw = raw;
    st = wh_file_is_folder(path, &file->is_folder, err);
    if (st == WHIT_OK) st = name_folder(file, err);
    if (st == WHIT_OK) st = open_path(file, err);
    if (st == WHIT_OK && file->warnings_more > 0) {
        char more[64];
        int n = snprintf(more, sizeof more, "and %zu more warnings", file->warnings_more);
        file->warnings[file->warning_count] = wh_io_text(file, more, (size_t)n);
        if (!file->warnings[file->warning_count++]) st = wh_io_no_memory(file, err);
    }
    if (st != WHIT_OK) goto cleanup;
    file->raw = NULL;
    *out = file;
    file = NULL;
cleanup:
    whit_file_close(file);
    return st;
}

whit_status whit_file_open(whit_file **out, const char *path, whit_error *err)
{
    return open_file(out, path, NULL, err);
}

whit_status whit_file_open_raw(whit_file **out, const char *path, const whit_raw_options *raw,
                               whit_error *err)
{
    if (out) *out = NULL;
    whit_status st = wh_raw_check(raw, err);
    return st == WHIT_OK ? open_file(out, path, raw, err) : st;
}

void wh_io_drop_shards(whit_file *file)
{
    for (size_t i = 0; i < file->shard_count; i++) {
        if (file->shards[i].fd >= 0) close(file->shards[i].fd);
        free(file->shards[i].meta);
        free(file->shards[i].kv);
    }
    wh_names_free(&file->names);
    for (size_t i = 0; i < file->view_cap; i++) file->views[i] = NULL;
    file->shard_count = file->count = 0;
    file->warning_count = file->warnings_more = 0; /* they were about the shards */
}

void whit_file_close(whit_file *file)
{
    if (!file) return;
    wh_io_drop_shards(file);
    wh_io_free_texts(file);
    free((void *)file->views);
    free(file->tensors);
    free(file->shards);
    free(file);
}
