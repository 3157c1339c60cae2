/* include/whit/source.h - a model as logical tensors: plain ones, and quantized ones that decode.
 *
 * Where whit/file.h lists what a container stores (T.q, T.scale, T.zero), a source lists T, with
 * the scheme, shape and type that it had, and reads its rows as float32. So it does with the
 * quantized checkpoints of other programs (whit/pack.h): P.weight_packed, P.weight_scale, .. are
 * P.weight. Their configuration is looked for in the folder of the file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_SOURCE_H
#define WHIT_SOURCE_H

#include <whit/file.h>
#include <whit/pack.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_source whit_source;

typedef struct whit_source_tensor {
    whit_tensor tensor;  /* name, shape, type (codes: the source's; blocks of GGUF: F32, which
                            they decode to, with block and type as in the file); bytes: all
                            that is stored; offset and shard: of its first plane          */
    whit_scheme scheme;  /* of the stored form: WHIT_KEEP for a plain tensor, else int, nf4,
                            .., WHIT_GGUF, or f16, bf16, f32 where the file says the type was
                            changed                                                       */
    whit_dtype stored;   /* type of the stored data: tensor.dtype, WHIT_U8 for codes,
                            WHIT_BLOCKS for blocks of GGUF                                */
    uint64_t rows, cols; /* the matrix                                                    */
    size_t planes[4];    /* indices into the whit_file: data or codes, scales, zero points (nvfp4:
                            scale2, dq: scale_absmax, scale_offset); WHIT_NOT_FOUND: none.
                            Of other programs' checkpoints: codes, scales, zero points, the group
                            of each column; dq: codes, codes of scales, their scales, their values */
    /* Appended since: */
    whit_layout layout; /* how the codes are laid out; WHIT_LAYOUT_NATIVE also where there are
                           none, and for blocks of GGUF                                   */
    int scattered;      /* 1: the scheme says what codes and scales there are, but which weights
                           share a scale, or what a code means, is as the file says: columns in
                           groups out of order, groups that run on into the next row, a table of
                           its own. The tensor decodes as any other; codes alone are not enough  */
    size_t table;       /* the plane with the value of each code; WHIT_NOT_FOUND: the scheme's   */
    float scale_offset; /* dq, of another program's checkpoint: as scale_offset                  */
    float act_scale;    /* WHIT_A8_STATIC: of the activations, above 0; else 0                   */
} whit_source_tensor;

/* Open a model; see whit_file_open. Also WHIT_ERR_FORMAT when the parts of a quantized tensor are
 * missing or have another shape than its scheme says. */
WHIT_API whit_status whit_source_open(whit_source **out, const char *path, whit_error *err);
/* Open a raw array as a model of one plain tensor; see whit_file_open_raw. */
WHIT_API whit_status whit_source_open_raw(whit_source **out, const char *path,
                                          const whit_raw_options *options, whit_error *err);
WHIT_API void whit_source_close(whit_source *source); /* NULL is fine */

WHIT_API const whit_file *whit_source_file(const whit_source *source);
/* whit_file_format, or "whit native" where some tensor carries a scheme of ours, or the name of the
 * checkpoint that some tensor is of: "compressed-tensors", "gptq", "awq", "bitsandbytes", "fp8". */
WHIT_API const char *whit_source_format(const whit_source *source);
WHIT_API size_t whit_source_count(const whit_source *source);
WHIT_API const whit_source_tensor *whit_source_at(const whit_source *source, size_t index);
WHIT_API size_t whit_source_find(const whit_source *source, const char *name);
/* How many tensors are stored as codes or blocks that decode. */
WHIT_API size_t whit_source_quantized(const whit_source *source);

/*
 * Decoded values of the rectangle rows [r0, r0 + rows), columns [c0, c0 + cols), row-major.
 * Either whole rows (c0 == 0, cols == all) or a part of a single row (rows == 1); a part of a row
 * of codes starts at a multiple of 8 columns.
 * Errors: WHIT_ERR_ARG, WHIT_ERR_IO, WHIT_ERR_FORMAT, WHIT_ERR_NOMEM.
 * Threads: any number at once on one source.
 */
WHIT_API whit_status whit_source_read_f32(const whit_source *source, size_t index, uint64_t r0,
                                          uint64_t rows, uint64_t c0, uint64_t cols, float *dst,
                                          whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
