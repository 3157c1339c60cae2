/* include/whit/kernel.h - multiplying packed weights: y = x W^T, for one token or many.
 *
 * Open a context (threads, the kernels of this CPU), prepare each weight once, multiply as often as
 * needed. Every result has the same bits on every instruction set, at any number of threads and
 * tokens, from every compiler (NaN apart: that it is a NaN is the same, not its sign or payload);
 * but for WHIT_ACTS_BF16, which only one instruction set has.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_KERNEL_H
#define WHIT_KERNEL_H

#include <whit/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the activations enter the product. Never changed silently. Values are ABI: append. */
typedef enum whit_acts {
    WHIT_ACTS_F32 = 0, /* as they are; the error is that of the weights and of float32       */
    WHIT_ACTS_Q8 = 1,  /* rounded to int8, one scale a token and group of at most 128 inputs
                          (int8 per channel: one a token; blocks of GGUF: 32 inputs, of TQ1_0,
                          TQ2_0 and Q1_0 128, of Q2_0 64, of NVFP4 16); integer products, exact  */
    WHIT_ACTS_BF16 = 2 /* activations and decoded weights rounded to bfloat16, products summed in
                          float32 by the processor's tiles (AMX): within
                          (2^-7 + 2^-16 + (cols + 1) * 2^-23) * sum |w * x| of the exact sum,
                          and subnormal numbers count as 0                                   */
} whit_acts;

/* "f32", "q8", "bf16"; NULL: no such kind. */
WHIT_API const char *whit_acts_name(whit_acts acts);

typedef struct whit_context whit_context;

typedef struct whit_context_options {
    size_t struct_size; /* sizeof(whit_context_options)                                      */
    unsigned threads;   /* 0: every core that the process may use; at most 256               */
    int spin_us;        /* how long an idle worker spins before it sleeps; -1: 200, or 0 where
                           there are more threads than cores                                 */
} whit_context_options;

/*
 * Start the threads and choose the kernels; WHIT_ISA in the environment caps them.
 * options may be NULL: all cores. Errors: WHIT_ERR_ARG (WHIT_ISA names no level or one that this
 * CPU lacks; threads), WHIT_ERR_NOMEM, WHIT_ERR_IO (no thread can be started).
 */
WHIT_API whit_status whit_context_open(whit_context **out, const whit_context_options *options,
                                       whit_error *err);
WHIT_API void whit_context_close(whit_context *context); /* after its weights; NULL is fine */
WHIT_API unsigned whit_context_threads(const whit_context *context);

/* A weight in the form that the kernels read. It belongs to its context. */
typedef struct whit_weight whit_weight;

typedef struct whit_weight_info {
    uint64_t rows, cols; /* outputs, inputs                                                  */
    whit_scheme scheme;  /* what it was prepared from; plain floats: WHIT_TO_F32, .._F16, .. */
    const char *form;    /* what the kernels read: qN, N the bits of a code (1 .. 6, 8), with
                            c: a scale a row, g: a group, gz: and a zero point, gm: and a minimum,
                            k: scales of two levels; nf4b (any table of 16 values), of blocks of
                            GGUF t4g, t4k; f8c f8g (floats of 8 bits) f32 f16 bf16 */
    int decoded;         /* 1: no kernel multiplies this scheme yet; `form` holds its decoded
                            values                                                           */
    uint64_t bytes;      /* of the form: codes or values, scales, zero points                */
    int acts_q8;         /* 1: WHIT_ACTS_Q8 can be asked for                                 */
    int acts_bf16;       /* 1: WHIT_ACTS_BF16 can: the context has AMX                       */
} whit_weight_info;

/*
 * Prepare codes, as whit_quantize gives them (one an octet).
 *
 *   codes  in  uint8 [rows][cols], each below 2^bits of the scheme (higher bits are dropped)
 *   scale  in  float32, shape of whit_scheme_scales (nvfp4: scale2 * scale)
 *   zero   in  uint8, same shape, where the scheme is asym; else NULL
 *
 * The planes are copied. Integer schemes, tables and fp8 per tensor, per channel or in groups of a
 * multiple of 32 (fp4, nvfp4: of 16; fp8: also in blocks as wide) are multiplied as they are
 * (groups may exceed the columns, the last may be short; scales of fp8_e4m3 are below 2^120);
 * everything else is held as decoded float32, with info.decoded. Scales of mxfp4 and nvfp4 take an
 * octet where they are what those formats store. Errors: WHIT_ERR_ARG (null, no rows or columns, a
 * scheme that stores no codes, zero missing; the message says which), WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_weight_from_codes(whit_weight **out, whit_context *context,
                                            const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                                            const uint8_t *codes, const float *scale,
                                            const uint8_t *zero, whit_error *err);

/*
 * Prepare blocks of GGUF: data [rows][cols / weights of a block] of them, no alignment needed.
 *
 * All types are multiplied as they are (TQ1_0 in 2 bits). With WHIT_ACTS_F32 a product has the bits
 * of the decoded weights. Errors: WHIT_ERR_ARG (also cols that are no whole blocks),
 * WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_weight_from_blocks(whit_weight **out, whit_context *context,
                                             whit_block block, uint64_t rows, uint64_t cols,
                                             const void *data, whit_error *err);

/* Prepare plain floats, little-endian: data [rows][cols] of WHIT_F32, WHIT_F16 or WHIT_BF16.
 * Errors as above. */
WHIT_API whit_status whit_weight_from_floats(whit_weight **out, whit_context *context,
                                             whit_dtype dtype, uint64_t rows, uint64_t cols,
                                             const void *data, whit_error *err);

/* Prepare a tensor of a model, read in pieces; needs two dimensions or more (the last is cols).
 * Codes and blocks are multiplied as they are where the functions above say so.
 * Doubles and floats of 8 bits without scales are held as float32 too (decoded; scheme keep).
 * Errors: also WHIT_ERR_IO, WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED (integers). */
WHIT_API whit_status whit_weight_load(whit_weight **out, whit_context *context,
                                      const whit_source *source, size_t index, whit_error *err);

WHIT_API void whit_weight_free(whit_weight *weight); /* NULL is fine */
WHIT_API void whit_weight_describe(const whit_weight *weight, whit_weight_info *info);

/*
 * y[t][r] = sum over c of W[r][c] * x[t][c].
 *
 *   x      in   float32 [tokens][cols]; NaN and infinities pass on to y (as NaN where int8
 *               activations cannot hold them)
 *   y      out  float32 [tokens][rows]; must not overlap x
 *   tokens any number; 0 is a successful no-op
 *
 * Rounding: codes and blocks of GGUF with WHIT_ACTS_F32 and with WHIT_ACTS_Q8, and floats, each
 * have one order of sums, given in src/kernels/kernels.h; every kernel keeps it. WHIT_ACTS_BF16 has
 * the order of the tiles: the same at any number of threads and tokens. With WHIT_ACTS_Q8 the
 * entries of a table are integers: those of fp4, mxfp4, nvfp4 and of blocks exactly, those of nf4
 * and fp4bnb within 6.1e-5 of the largest, far less than the activations are rounded by. Memory:
 * none is allocated; scratch was taken when the weight was prepared. Errors:   WHIT_ERR_ARG (null;
 * a weight of another context), WHIT_ERR_UNSUPPORTED (WHIT_ACTS_Q8 for a form that has no integer
 * kernel: floats, fp8; WHIT_ACTS_BF16 without AMX). y is then untouched. Threads:  calls on one
 * context from several threads take turns; preparing and freeing weights too. Each call uses the
 * context's threads.
 */
WHIT_API whit_status whit_matmul(whit_context *context, const whit_weight *weight, whit_acts acts,
                                 const float *x, size_t tokens, float *y, whit_error *err);

/*
 * H += X^T X, the upper triangle with the diagonal; the rest of h is untouched.
 *
 *   x  in      float32 [tokens][cols]
 *   h  in/out  float32 [cols][cols]
 *
 * Each element is one chain of fused multiply-adds over the tokens in order, on top of what h held:
 * cutting X into calls anywhere gives the same bits. Errors, memory and threads as whit_matmul;
 * also WHIT_ERR_NOMEM, since scratch for the columns is taken here when it is missing.
 */
WHIT_API whit_status whit_syrk(whit_context *context, const float *x, size_t tokens, size_t cols,
                               float *h, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
