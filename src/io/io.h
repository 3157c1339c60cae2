/* src/io/io.h - between io.c, list.c, read.c and the readers of single formats: the open file, the
 * table's row.
 *
 * A new format is one file with a function that lists its tensors (and says, with view.h, how they
 * are read where the stored bytes are no plain array), declared at the end here, and its row in
 * io.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_IO_H
#define WH_IO_IO_H

#include <whit/file.h>
#include "base/error.h"
#include "base/names.h"
#include "tensor/cvt.h"

#define WH_IO_MAX_TENSORS 10000000u
#define WH_IO_MAX_META 100000u
#define WH_IO_MAX_STRING ((size_t)16 << 20)
#define WH_IO_MAX_WARNINGS 20u

#define WH_IO_HEAD                                                                                 \
    64 /* octets at the start of a file that a probe sees; zeros behind a short one */

typedef whit_status wh_io_list_fn(whit_file *file, size_t shard, whit_error *err);
typedef whit_status wh_io_read_f32_fn(const whit_file *file, size_t index, uint64_t first,
                                      size_t count, float *dst, whit_error *err);

typedef struct wh_format {
    const char *name; /* as whit_file_format says it; with an article where it is not read */
    int (*probe)(const unsigned char head[WH_IO_HEAD]); /* 1: it begins like such a file */
    /* Add the tensors and the metadata of a shard, then wh_io_seal it. NULL: the format is known,
     * so that a message can name it, but not read. */
    wh_io_list_fn *list;
    wh_io_read_f32_fn *read_f32; /* arguments are checked; wh_io_read_f32 for plain arrays */
    const char *hint;            /* what to do with a file of a format that is not read */
} wh_format;

typedef struct wh_meta {
    const char *key, *value;
} wh_meta;

typedef struct wh_shard {
    const wh_format *format;
    const char *name; /* in its folder */
    const char *path; /* can be opened */
    int fd;           /* open as long as the whit_file is */
    uint64_t bytes;   /* of the file */
    wh_meta *meta;
    size_t meta_count, meta_cap;
    whit_kv *kv;
    size_t kv_count, kv_cap;
} wh_shard;

struct whit_file {
    const char *path, *folder; /* as given; the folder of it */
    const wh_cvt_ops *cvt;
    int is_folder;
    const char *index_path;      /* the file that ties the shards together, or NULL */
    const whit_raw_options *raw; /* while it is opened: the caller's, where he says what it is */
    whit_tensor *tensors;
    size_t count, cap;
    wh_names names;               /* tensor name to index */
    const struct wh_view **views; /* [view_cap]: by index, where data are not the array that is
                                     handed out (view.h); NULL, or beyond it: they are */
    size_t view_cap;
    wh_shard *shards;
    size_t shard_count, shard_cap;
    const char *warnings[WH_IO_MAX_WARNINGS + 1]; /* the last one says how many more there are */
    size_t warning_count, warnings_more;          /* kept, and only counted */
    struct wh_io_block *texts;                    /* names and other strings: they never move */
};

/* How messages name a file: its path, or where that is long its name. */
const char *wh_io_label(char buf[WH_SHORT], const char *path);

/* A copy of text that lives as long as the file. NULL: no memory. */
const char *wh_io_text(whit_file *file, const char *text, size_t len);

/* Room for size octets that lives as long as the file; align: 1 or 8. NULL: no memory. */
void *wh_io_room(whit_file *file, size_t size, size_t align);

void wh_io_free_texts(whit_file *file);

/* Fills err with the words for no memory while listing; WHIT_ERR_NOMEM. */
whit_status wh_io_no_memory(const whit_file *file, whit_error *err);

/* Keep a warning: one line like that of an error. Errors: WHIT_ERR_NOMEM. */
whit_status wh_io_warn(whit_file *file, whit_error *err, const char *fmt, ...) WH_PRINTF(3, 4);

/* Forget all shards and tensors; texts stay. */
void wh_io_drop_shards(whit_file *file);

/* Open path and read its first octets, zeros behind a short file. *fd is for the caller to close,
 * also on error, unless it is -1. */
whit_status wh_io_open_head(const char *path, int *fd, uint64_t *bytes,
                            unsigned char head[WH_IO_HEAD], whit_error *err);

/* Open path and list what is in it, as the next shard. Errors: those of whit_file_open. */
whit_status wh_io_add_shard(whit_file *file, const char *name, const char *path, whit_error *err);

/* For list functions. Strings are kept as they are: hand in ones from wh_io_text. */
whit_status wh_io_add_tensor(whit_file *file, const whit_tensor *tensor, whit_error *err);
whit_status wh_io_add_meta(whit_file *file, size_t shard, const char *key, const char *value,
                           whit_error *err);
/* Put the tensors from `first` on, those of one shard, into the order of their data (equal
 * offsets: the shorter one first, then by name), and enter their names. They were proved to lie in
 * their file.
 * Errors: WHIT_ERR_FORMAT (a name is there twice, in this shard or an earlier one);
 * WHIT_ERR_UNSUPPORTED (more elements than this machine has addresses). */
whit_status wh_io_seal(whit_file *file, size_t first, whit_error *err);

/* Reads elements that are stored as a plain little-endian array. */
wh_io_read_f32_fn wh_io_read_f32;

/* hfdir.c: a model folder, or an index file, into an empty whit_file. */
whit_status wh_hf_open_folder(whit_file *file, whit_error *err);
whit_status wh_hf_open_index(whit_file *file, const char *index_path, whit_error *err);

/* safetensors.c */
int wh_safetensors_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_safetensors_list;

/* gguf.c: version 2, and any version (the list function refuses all but 3) */
int wh_gguf2_probe(const unsigned char head[WH_IO_HEAD]);
int wh_gguf_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_gguf_list;

/* gguf_read.c */
wh_io_read_f32_fn wh_gguf_read_f32;

/* gguf_split.c: where the only shard is one part of a split model, open the others too. A file
 * of any other kind stays as it is. Errors: WHIT_ERR_FORMAT (a part is missing, or another). */
whit_status wh_gguf_join(whit_file *file, whit_error *err);
/* 1 for a name that ends in -PART-of-PARTS.gguf, numbers of five digits counted from 1. */
int wh_gguf_split_name(const char *name, unsigned *part, unsigned *parts);

/* npy.c */
int wh_npy_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_npy_list;

/* archive.c: an archive of arrays, or of PyTorch */
int wh_zip_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_archive_list;

/* llama2c.c */
int wh_llama2c_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_llama2c_list;

/* torch_legacy.c */
int wh_torch_legacy_probe(const unsigned char head[WH_IO_HEAD]);
wh_io_list_fn wh_torch_legacy_list;

/* raw.c */
/* Elements and octets of t's shape and type, also where a dimension is 0. Errors: WHIT_ERR_FORMAT
 * (they pass 2^61, or are no whole number). */
whit_status wh_io_measure(whit_tensor *t, const char *label, whit_error *err);
/* That t's data, from `offset` on, are all that follows in a file of so many bytes. Errors:
 * WHIT_ERR_FORMAT. */
whit_status wh_io_fills(const whit_tensor *t, uint64_t offset, uint64_t bytes, const char *label,
                        whit_error *err);
/* 1: a name for a tensor, which JSON and the header of a safetensors file can hold. */
int wh_io_is_name(const char *text, size_t len);
extern const wh_format wh_raw_format; /* what whit_file_open_raw says a file is */
/* That raw can be used. Errors: WHIT_ERR_ARG. */
whit_status wh_raw_check(const whit_raw_options *raw, whit_error *err);
/* For list functions of files that are one array, whose rank, shape and dtype *t holds: add it
 * under the file's name without `suffix` (NULL: without its extension), as all that follows
 * `offset`. Errors: WHIT_ERR_FORMAT (another size), WHIT_ERR_UNSUPPORTED (the name is none for a
 * tensor). */
whit_status wh_raw_add(whit_file *file, size_t shard, whit_tensor *t, uint64_t offset,
                       const char *suffix, whit_error *err);

#endif
