/* include/whit/file.h - containers of tensors as they are: open, list, read by position.
 *
 * Inputs: a safetensors file; a model folder (model.safetensors, or shards with
 * model.safetensors.index.json); such an index file itself. What it is goes by content. Nothing is
 * mapped and no tensor is loaded whole; the header is parsed once, at most 100 MB of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FILE_H
#define WHIT_FILE_H

#include <whit/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_file whit_file;

/*
 * Open for reading. Every extent is proved to lie in its file before this returns.
 * Errors: WHIT_ERR_IO (the system's words), WHIT_ERR_FORMAT (malformed, truncated; hostile
 * paths), WHIT_ERR_UNSUPPORTED (another format, by name where it is known), WHIT_ERR_NOMEM.
 * *out is NULL then.
 */
WHIT_API whit_status whit_file_open(whit_file **out, const char *path, whit_error *err);
WHIT_API void whit_file_close(whit_file *file); /* NULL is fine */

WHIT_API const char *whit_file_format(const whit_file *file); /* "safetensors" */
WHIT_API const char *whit_file_path(const whit_file *file);   /* as given to open */
WHIT_API int whit_file_is_folder(const whit_file *file);

/* Tensors in the order of their data, shard after shard. */
WHIT_API size_t whit_file_count(const whit_file *file);
WHIT_API const whit_tensor *whit_file_tensor(const whit_file *file, size_t index);
#define WHIT_NOT_FOUND ((size_t)-1)
WHIT_API size_t whit_file_find(const whit_file *file, const char *name);

/* The files behind it: at least one. Names are those in the folder, paths can be opened. */
WHIT_API size_t whit_file_shards(const whit_file *file);
WHIT_API const char *whit_file_shard_name(const whit_file *file, size_t shard);
WHIT_API const char *whit_file_shard_path(const whit_file *file, size_t shard);
WHIT_API uint64_t whit_file_shard_bytes(const whit_file *file, size_t shard);
/* 1 if an index file ties the shards together (even a single one). */
WHIT_API int whit_file_has_index(const whit_file *file);

/* String metadata of a shard, in the order of the file. */
WHIT_API size_t whit_file_meta_count(const whit_file *file, size_t shard);
WHIT_API const char *whit_file_meta_key(const whit_file *file, size_t shard, size_t index);
WHIT_API const char *whit_file_meta_value(const whit_file *file, size_t shard, size_t index);
/* The value of a key in that shard, or NULL. */
WHIT_API const char *whit_file_meta_find(const whit_file *file, size_t shard, const char *key);

/* Things worth a word that are no error (unknown members, tensors missing in the index). */
WHIT_API size_t whit_file_warnings(const whit_file *file);
WHIT_API const char *whit_file_warning(const whit_file *file, size_t index);

/*
 * Read bytes [first, first + count) of a tensor's data, as stored, by positioned reads.
 * Errors: WHIT_ERR_ARG (outside the tensor), WHIT_ERR_IO, WHIT_ERR_FORMAT (the file has become
 * shorter since it was opened). Threads: any number at once on one file.
 */
WHIT_API whit_status whit_file_read(const whit_file *file, size_t index, uint64_t first,
                                    size_t count, void *dst, whit_error *err);

/* Read elements [first, first + count), counted in row-major order, as float32 (whit_dtype_to_f32).
 * Errors as above; WHIT_ERR_ARG for a tensor of a type that is no float. */
WHIT_API whit_status whit_file_read_f32(const whit_file *file, size_t index, uint64_t first,
                                        size_t count, float *dst, whit_error *err);

/* Read rows [r0, r1) of the tensor's matrix (whit_tensor_matrix) as float32 [r1 - r0][cols]. */
WHIT_API whit_status whit_file_read_rows(const whit_file *file, size_t index, uint64_t r0,
                                         uint64_t r1, float *dst, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
