/* include/whit/file.h - containers of tensors as they are: open, list, read by position.
 *
 * Inputs: a safetensors file; a model folder (model.safetensors, or shards with
 * model.safetensors.index.json); such an index file itself; a GGUF file (version 2 or 3), a folder
 * with one, or any part of a split one; a NumPy array (NPY 1 to 3) or archive of them (NPZ); a
 * PyTorch checkpoint (zip, or from before 1.6), a folder with pytorch_model.bin or shards and
 * pytorch_model.bin.index.json; a llama2.c checkpoint (versions 0 to 2). What it is goes by
 * content. A raw array is what the caller says. Nothing is mapped and no tensor is loaded whole;
 * the header is parsed once, at most 100 MB of it.
 *
 * Archives (NPZ, PyTorch) are read through once when they are opened, against their checksums. Of
 * deflated entries up to 32 MiB are kept in memory, from which reading can go on (32 KiB a MiB).
 * Nothing in a pickle is ever run: names and opcodes that are not on a short list are refused. The
 * names of a checkpoint's tensors are the keys that lead to them, joined by dots; where all are in
 * one dict under state_dict, model, model_state_dict or module, without that. What is left out
 * (values that are no tensors) is a warning. llama2.c's header is string metadata (llama2c.dim,
 * ..).
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

/* An array without a header: row-major, little-endian, nothing before or behind it. */
typedef struct whit_raw_options {
    size_t struct_size; /* sizeof(whit_raw_options); whit_raw_options_init sets it       */
    whit_dtype dtype;   /* default WHIT_F32                                              */
    uint32_t rank;      /* 0: a scalar                                                   */
    uint64_t shape[WHIT_MAX_RANK];
} whit_raw_options;
WHIT_API void whit_raw_options_init(whit_raw_options *options);

/*
 * Open a file as a raw array, whatever it looks like: one tensor, whose name is that of the file
 * without folder and extension ("weights/layer0.wq.f16" is layer0.wq). options is not kept.
 * Errors: WHIT_ERR_ARG (options), WHIT_ERR_FORMAT (the file has another size than shape and type
 * make), WHIT_ERR_IO, WHIT_ERR_UNSUPPORTED, WHIT_ERR_NOMEM. *out is NULL then.
 */
WHIT_API whit_status whit_file_open_raw(whit_file **out, const char *path,
                                        const whit_raw_options *options, whit_error *err);

WHIT_API const char *whit_file_format(const whit_file *file); /* "safetensors", "npy", .. */
WHIT_API const char *whit_file_path(const whit_file *file);   /* as given to open */
WHIT_API int whit_file_is_folder(const whit_file *file);

/* Tensors in the order of their data, shard after shard. */
WHIT_API size_t whit_file_count(const whit_file *file);
WHIT_API const whit_tensor *whit_file_tensor(const whit_file *file, size_t index);
#define WHIT_NOT_FOUND ((size_t)-1)
WHIT_API size_t whit_file_find(const whit_file *file, const char *name);

/* The folder that it is, or that its file is in: where its configuration and tokenizer are. */
WHIT_API const char *whit_file_folder(const whit_file *file);

/* The files behind it: at least one. Names are those in the folder, paths can be opened. */
WHIT_API size_t whit_file_shards(const whit_file *file);
WHIT_API const char *whit_file_shard_name(const whit_file *file, size_t shard);
WHIT_API const char *whit_file_shard_path(const whit_file *file, size_t shard);
WHIT_API uint64_t whit_file_shard_bytes(const whit_file *file, size_t shard);
/* 1 if an index file ties the shards together (even a single one). */
WHIT_API int whit_file_has_index(const whit_file *file);
/* Its path, which can be opened; NULL where there is none. */
WHIT_API const char *whit_file_index_path(const whit_file *file);

/* String metadata of a shard, in the order of the file. Of typed metadata (below) these are the
 * strings that are UTF-8 without NUL and shorter than 64 KiB; keys "whit.*" are left out. */
WHIT_API size_t whit_file_meta_count(const whit_file *file, size_t shard);
WHIT_API const char *whit_file_meta_key(const whit_file *file, size_t shard, size_t index);
WHIT_API const char *whit_file_meta_value(const whit_file *file, size_t shard, size_t index);
/* The value of a key in that shard, or NULL. */
WHIT_API const char *whit_file_meta_find(const whit_file *file, size_t shard, const char *key);

/* Types of typed metadata. Values are ABI, and those of GGUF (where 9 is an array). */
typedef enum whit_kv_type {
    WHIT_KV_U8 = 0,
    WHIT_KV_I8 = 1,
    WHIT_KV_U16 = 2,
    WHIT_KV_I16 = 3,
    WHIT_KV_U32 = 4,
    WHIT_KV_I32 = 5,
    WHIT_KV_F32 = 6,
    WHIT_KV_BOOL = 7,
    WHIT_KV_STRING = 8,
    WHIT_KV_U64 = 10,
    WHIT_KV_I64 = 11,
    WHIT_KV_F64 = 12
} whit_kv_type;

typedef struct whit_kv_string {
    const char *text; /* any octets, as they are in the file; NUL-terminated besides      */
    size_t len;
} whit_kv_string;

/* A key of typed metadata with its value. Everything belongs to the file. */
typedef struct whit_kv {
    const char *key;   /* UTF-8, without NUL                                              */
    whit_kv_type type; /* of the value, or of each element of the array                   */
    int is_array;      /* 1: an array, of count elements (also of none, or one)           */
    uint64_t count;    /* 1 where it is no array                                          */
    const void *data;  /* [count] uint8_t .. int64_t, float, double in the byte order of the
                          machine; bool: uint8_t, 0 or 1; string: whit_kv_string          */
} whit_kv;

/* "u8", .., "string"; "?" for a value outside the enum. */
WHIT_API const char *whit_kv_type_name(whit_kv_type type);

/* All metadata of a shard with its types, in the order of the file: of a GGUF file. Other formats
 * have none: their count is 0. NULL for an index or a key that is not there. */
WHIT_API size_t whit_file_kv_count(const whit_file *file, size_t shard);
WHIT_API const whit_kv *whit_file_kv(const whit_file *file, size_t shard, size_t index);
WHIT_API const whit_kv *whit_file_kv_find(const whit_file *file, size_t shard, const char *key);

/* Things worth a word that are no error (unknown members, tensors missing in the index). */
WHIT_API size_t whit_file_warnings(const whit_file *file);
WHIT_API const char *whit_file_warning(const whit_file *file, size_t index);

/*
 * Read bytes [first, first + count) of a tensor's data by positioned reads: as stored, and where
 * that is in Fortran order, big-endian (NPY), strided (PyTorch) or deflated, turned into the
 * row-major little-endian array.
 * Errors: WHIT_ERR_ARG (outside the tensor), WHIT_ERR_IO, WHIT_ERR_FORMAT (the file has become
 * shorter, or another, since it was opened), WHIT_ERR_NOMEM (deflated: some 60 KB a call). Threads:
 * any number at once on one file.
 */
WHIT_API whit_status whit_file_read(const whit_file *file, size_t index, uint64_t first,
                                    size_t count, void *dst, whit_error *err);

/* Read elements [first, first + count), counted in row-major order, as float32 (whit_dtype_to_f32;
 * blocks decoded). Errors as above; WHIT_ERR_ARG for a tensor of a type that is no float, and for
 * blocks that are only listed (whit_tensor.block). */
WHIT_API whit_status whit_file_read_f32(const whit_file *file, size_t index, uint64_t first,
                                        size_t count, float *dst, whit_error *err);

/* Read rows [r0, r1) of the tensor's matrix (whit_tensor_matrix) as float32 [r1 - r0][cols]. */
WHIT_API whit_status whit_file_read_rows(const whit_file *file, size_t index, uint64_t r0,
                                         uint64_t r1, float *dst, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
