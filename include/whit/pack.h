/* include/whit/pack.h - codes to stored bits: the planes of the native file, and the tensors of
 * quantized checkpoints as other programs lay them out.
 *
 * Tried with transformers 5.23.0, compressed-tensors 0.20.0 (0.19.0 for zero points, which 0.20
 * does not load), bitsandbytes 0.50.2 and GPTQModel 7.7.0 with optimum 2.3.0, on a CPU; vLLM was
 * not run. WHIT_CLIENTS=PYTHON ctest runs these loaders on a small model: the mean KL divergence
 * from the weights that whit decodes is 0 for compressed-tensors without 8-bit activations, below
 * 1e-6 for GPTQ and AWQ in groups, 2e-4 for bitsandbytes' 4 bits (it computes in bfloat16).
 *
 * A checkpoint is the folder of its input with the linear layers in the format's tensors and
 * quantization_config in config.json. Before a byte is written it is checked that q, k and v, and
 * gate and up, have one scheme each, and that every linear layer that a loader expects is there.
 * Embeddings and output head stay as they are; scales are positive, as loaders want them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_PACK_H
#define WHIT_PACK_H

#include <whit/scheme.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ceil(count * bits / 8). */
WHIT_API size_t whit_packed_bytes(size_t count, unsigned bits);

/*
 * Pack codes densely, least significant bit first: code i holds the bits [i*bits, (i+1)*bits) of
 * the little-endian bit string; the unused bits of the last octet are 0.
 *
 *   codes  in   uint8 [count], each below 2^bits (higher bits are dropped)
 *   out    out  whit_packed_bytes(count, bits) octets
 *
 * bits 1..8, else WHIT_ERR_ARG. Threads: reentrant.
 */
WHIT_API whit_status whit_pack_bits(const uint8_t *codes, size_t count, unsigned bits,
                                    uint8_t *out);
/* The inverse. */
WHIT_API whit_status whit_unpack_bits(const uint8_t *in, size_t count, unsigned bits,
                                      uint8_t *codes);

/* One stored tensor of a quantized one: its name is the source name followed by the suffix. */
typedef struct whit_plane {
    const char *suffix; /* ".q" ".scale" ".zero" ".scale2", dq: ".scale_absmax" ".scale_offset" */
    whit_dtype dtype;
    uint32_t rank;
    uint64_t shape[2];
    uint64_t bytes;
} whit_plane;

#define WHIT_MAX_PLANES 4
/*
 * The planes of a rows x cols matrix in the native file (its layout: src/pack/native.c).
 * Returns how many, 0 where the scheme stores no codes or is a type of GGUF. *overflow (may be
 * NULL) is set to 1 when a size passes 2^63.
 */
WHIT_API unsigned whit_native_planes(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                                     whit_plane planes[WHIT_MAX_PLANES], int *overflow);

/* ---- checkpoints of other programs: pure functions, no files ---- */

/* How a quantized matrix is laid out. Values are ABI: append, never renumber. */
typedef enum whit_layout {
    WHIT_LAYOUT_NATIVE = 0, /* the planes above                                               */
    WHIT_LAYOUT_CT_PACKED,  /* compressed-tensors pack-quantized: int4, int8; channel, groups */
    WHIT_LAYOUT_CT_INT,     /* its int-quantized: int8 symmetric; channel, tensor             */
    WHIT_LAYOUT_CT_FLOAT,   /* its float-quantized: fp8_e4m3; channel, tensor, block128x128   */
    WHIT_LAYOUT_GPTQ,       /* int2, int3, int4, int8; zero points are stored less 1          */
    WHIT_LAYOUT_GPTQ_V2,    /* the same, and zero points as they are                          */
    WHIT_LAYOUT_AWQ,        /* its "gemm": int4                                               */
    WHIT_LAYOUT_BNB4,       /* bitsandbytes 4-bit: nf4, fp4bnb; groups, -dq                   */
    WHIT_LAYOUT_BNB8,       /* bitsandbytes LLM.int8: int8-channel                            */
    WHIT_LAYOUT_LLAMA2C,    /* llama2.c, version 2: int8 groups of the whole matrix; only read, by
                               sources: not for the functions below                          */
    WHIT_LAYOUT_COUNT
} whit_layout;

/* "pack-quantized", ..; "?" for a value outside the enum. */
WHIT_API const char *whit_layout_name(whit_layout layout);

/* A matrix and what it is to become: rows are outputs, columns inputs. */
typedef struct whit_packing {
    size_t struct_size; /* sizeof(whit_packing); lets a later version add fields            */
    whit_layout layout; /* not WHIT_LAYOUT_NATIVE                                           */
    whit_scheme scheme; /* with the type in which scales are stored                         */
    uint64_t rows, cols;
    whit_dtype dtype; /* BNB4: which the weights had, F32, F16 or BF16; else ignored        */
} whit_packing;

#define WHIT_MAX_PACKED 6
/*
 * The tensors that a matrix becomes: all is known before any data is read. A tensor's name is that
 * of the matrix without a final ".weight", followed by the suffix.
 *
 * Errors: WHIT_ERR_UNSUPPORTED where the layout has no way to hold this scheme or shape: err->msg
 * says why and names a scheme that it can hold ("..; try: int4-channel"). WHIT_ERR_ARG.
 */
WHIT_API whit_status whit_packing_planes(const whit_packing *packing,
                                         whit_plane planes[WHIT_MAX_PACKED], unsigned *count,
                                         whit_error *err);

/* Parts of a matrix are whole rows: they start at a multiple of this many, and end at one or with
 * the last row. Parts that do not overlap write no octet in common. */
WHIT_API uint64_t whit_packing_unit(const whit_packing *packing);

/*
 * Pack rows [row, row + rows) into the tensors, held whole in memory.
 *
 *   codes  in   uint8 [rows][cols], as whit_quantize makes them
 *   scale  in   float32, of these rows: [rows][groups], [rows][1], of a tensor [1], of blocks
 *               [ceil(rows/block_rows)][groups]; values of the scheme's scale type. With groups of
 *               columns that are scattered (g_idx): by number of the group
 *   zero   in   uint8, shape of scale: zero points; with dq the codes of the scales (as T.scale of
 *               the native file), and scale is NULL; NULL unless the scheme is asym or dq
 *   image  out  pointers to the tensors in the order of whit_packing_planes
 *
 * Errors: those of whit_packing_planes; WHIT_ERR_ARG (a part that starts or ends elsewhere);
 * WHIT_ERR_UNSUPPORTED (GPTQ: a zero point of 0, which only GPTQ_V2 can store; BNB8: 127 times a
 * scale is beyond F32).
 * Threads: any number at once on parts that do not overlap.
 */
WHIT_API whit_status whit_pack_rows(const whit_packing *packing, uint64_t row, size_t rows,
                                    const uint8_t *codes, const float *scale, const uint8_t *zero,
                                    void *const image[], whit_error *err);
/* The inverse: codes, scales and zero points out of the tensors. */
WHIT_API whit_status whit_unpack_rows(const whit_packing *packing, uint64_t row, size_t rows,
                                      const void *const image[], uint8_t *codes, float *scale,
                                      uint8_t *zero, whit_error *err);

/* What a matrix has beside its rows. Zero it first. */
typedef struct whit_packing_rest {
    const uint32_t *g_idx; /* GPTQ: the group of each column, [cols]; NULL: column / group    */
    const float *absmax;   /* dq: as T.scale_absmax of the native file                        */
    float offset;          /* dq: as T.scale_offset                                           */
    float act_scale;       /* WHIT_A8_STATIC: of the activations                              */
} whit_packing_rest;

/* Fill the tensors that are not made of rows: shapes, groups of columns, tables. rest may be NULL
 * where it would hold nothing. Errors: as above; WHIT_ERR_ARG (a group that is not there, no
 * absmax, an offset that is not finite); WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_pack_rest(const whit_packing *packing, const whit_packing_rest *rest,
                                    void *const image[], whit_error *err);
/* The inverse, where there is such a thing: g_idx [cols], absmax [ceil(rows*groups/256)] and
 * offset; each may be NULL. Errors: WHIT_ERR_FORMAT (a group that is not there; a state that is no
 * JSON, or of another matrix), WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_unpack_rest(const whit_packing *packing, const void *const image[],
                                      uint32_t *g_idx, float *absmax, float *offset,
                                      whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
