/* include/whit/tensor.h - element types and tensor descriptions. No data, no files.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TENSOR_H
#define WHIT_TENSOR_H

#include <whit/block.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WHIT_MAX_RANK 8

/* Values are ABI: append, never renumber. The order is that of the safetensors writer (ascending),
 * so that it can serve as a sort key. Names are those of safetensors. */
typedef enum whit_dtype {
    WHIT_BOOL = 0, /* 8 bits, 0 or 1                                           */
    WHIT_F4,       /* E2M1, two an octet                                       */
    WHIT_F6_E2M3,
    WHIT_F6_E3M2,
    WHIT_U8,
    WHIT_I8,
    WHIT_F8_E5M2,
    WHIT_F8_E4M3, /* E4M3FN: no infinity, largest 448                         */
    WHIT_F8_E8M0, /* a power of two; a scale, never a weight                  */
    WHIT_F8_E4M3FNUZ,
    WHIT_F8_E5M2FNUZ,
    WHIT_I16,
    WHIT_U16,
    WHIT_F16,
    WHIT_BF16,
    WHIT_I32,
    WHIT_U32,
    WHIT_F32,
    WHIT_C64, /* two F32                                                     */
    WHIT_F64,
    WHIT_I64,
    WHIT_U64,
    WHIT_BLOCKS, /* no element by itself: blocks of codes and scales (whit_tensor.block), 0 bits */
    WHIT_DTYPE_COUNT
} whit_dtype;

/* "F16", ..; "?" for a value outside the enum. */
WHIT_API const char *whit_dtype_name(whit_dtype dtype);

/* Size of one element in bits (4, 6, 8, .. 64); 0 for WHIT_BLOCKS and values outside the enum. */
WHIT_API unsigned whit_dtype_bits(whit_dtype dtype);

/* 1 for types that whit reads as float32: F64 F32 F16 BF16 and the F8 family. F64 is rounded to
 * nearest, ties to even (beyond the range of float32: infinity); all others are exact. */
WHIT_API int whit_dtype_is_float(whit_dtype dtype);

/* The type of that name, exactly as safetensors spells it. WHIT_DTYPE_COUNT when there is none. */
WHIT_API whit_dtype whit_dtype_parse(const char *name);

/*
 * Convert consecutive elements, little-endian and as stored in a file, to float32.
 *
 *   src    in   count elements of dtype; no alignment needed
 *   dst    out  float32 [count]; may not overlap src
 *
 * NaN stays NaN, infinities stay; F8_E8M0 code 255 is NaN. Returns WHIT_ERR_ARG for a type that
 * whit_dtype_is_float refuses. Threads: reentrant.
 */
WHIT_API whit_status whit_dtype_to_f32(whit_dtype dtype, const void *src, size_t count, float *dst);

/*
 * Convert float32 to F64, F32, F16, BF16, F8_E4M3, F8_E5M2 or F8_E8M0 bytes, little-endian, to
 * nearest with ties to even. The F8 pair saturates; E8M0 takes powers of two from 2^-127 to 2^127.
 * Values beyond the range become infinities (F16: magnitudes of 65520 and more); NaN stays NaN.
 * Returns WHIT_ERR_ARG for any other type. Threads: reentrant.
 */
WHIT_API whit_status whit_dtype_from_f32(whit_dtype dtype, const float *src, size_t count,
                                         void *dst);

/* A tensor as its container lists it. Strings belong to the object that handed it out. */
typedef struct whit_tensor {
    const char *name; /* UTF-8, without NUL                                       */
    whit_dtype dtype;
    uint32_t rank; /* 0 is a scalar: one element                               */
    uint64_t shape[WHIT_MAX_RANK];
    uint64_t elements; /* product of the shape                                     */
    uint64_t bytes;    /* exact size of the data                                   */
    uint64_t offset;   /* of the data, from the start of its file: strided, of the first
                          element; deflated, of what is to be inflated             */
    uint32_t shard;    /* which file of a sharded model, from 0                    */
    whit_block block;  /* how WHIT_BLOCKS decode; else WHIT_BLOCK_NONE, as of types that
                          are only listed                                         */
    const char *type;  /* of WHIT_BLOCKS as the format spells it ("Q4_K", "IQ2_XS"); else NULL */
} whit_tensor;

/* The name of its stored type: of the blocks, else that of its dtype. */
WHIT_API const char *whit_tensor_type(const whit_tensor *tensor);

/*
 * The matrix that a tensor is to a quantizer: rows are output channels.
 *
 *   rank 0    1 x 1           rank 1    1 x n
 *   rank >= 2 first dimension x product of the others; but rank 3 whose name has a part "experts",
 *             or one that ends in "exps" (GGUF: ffn_gate_exps), is (experts * outputs) x inputs,
 *             since each expert is a matrix of its own.
 */
WHIT_API void whit_tensor_matrix(const whit_tensor *tensor, uint64_t *rows, uint64_t *cols);

#ifdef __cplusplus
}
#endif
#endif
