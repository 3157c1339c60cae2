/* include/whit/block.h - the block types of GGUF: codes, scales and minima packed together.
 *
 * A block is 32 or 256 consecutive weights of a row (64 for NVFP4 and Q2_0, 128 for Q1_0). Layouts,
 * and what each code means: src/pack/block_*.c.
 *
 * What the two searches of whit_block_encode give: SQNR in dB over the 56 linear matrices of the
 * Llama of method.h, without importance (quantize -o m.gguf --scheme TYPE --search MODE), and
 * million weights a second and core (bench quantize -T 1, AVX-512, EPYC Zen 5):
 *
 *   type    bits    reference, dB  best, dB  reference, M/s  best, M/s
 *   q8_0    8.5     45.45          45.96     1499            781
 *   q6_k    6.5625  35.04          35.29     503             283
 *   q5_1    6       28.45          29.49     964             312
 *   q5_0    5.5     27.41          27.93     920             520
 *   q5_k    5.5     28.85          29.26     359             161
 *   q4_1    5       22.15          23.18     1630            363
 *   q4_k    4.5     22.94          23.13     306             146
 *   q4_0    4.5     21.34          21.85     1517            675
 *   iq4_nl  4.5     22.38          22.69     272             162
 *   iq4_xs  4.25    22.31          22.64     285             132
 *   mxfp4   4.25    18.85          19.07     -               -
 *   q3_k    3.4375  16.44          16.88     257             173
 *   q2_k    2.625   10.57          11.69     365             148
 *   tq2_0   2.0625  1.86           7.24      666             361
 *   tq1_0   1.6875  1.86           7.24      1946            557
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_BLOCK_H
#define WHIT_BLOCK_H

#include <whit/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are ABI: append, never renumber; they are not the ids of the file (see whit_block_info).
 */
typedef enum whit_block {
    WHIT_BLOCK_NONE = 0,
    WHIT_Q4_0,
    WHIT_Q4_1,
    WHIT_Q5_0,
    WHIT_Q5_1,
    WHIT_Q8_0,
    WHIT_Q2_K,
    WHIT_Q3_K,
    WHIT_Q4_K,
    WHIT_Q5_K,
    WHIT_Q6_K,
    WHIT_IQ4_NL,
    WHIT_IQ4_XS,
    WHIT_TQ1_0,
    WHIT_TQ2_0,
    WHIT_BLOCK_MXFP4, /* not WHIT_MXFP4: that is a kind of scheme of ours */
    WHIT_BLOCK_NVFP4,
    WHIT_Q1_0,
    WHIT_Q2_0,
    WHIT_BLOCK_COUNT
} whit_block;

typedef struct whit_block_info {
    const char *name;  /* "Q4_K", as the format spells it                                */
    const char *lower; /* "q4_k", the name of the scheme                                 */
    uint32_t id;       /* of the type in a GGUF file                                     */
    unsigned weights;  /* in a block: 32, 64, 128 or 256                                 */
    unsigned bytes;    /* of a block                                                     */
    int encodes;       /* 1: whit_block_encode knows it; 0: read only                    */
} whit_block_info;

/* NULL for WHIT_BLOCK_NONE and values outside the enum. */
WHIT_API const whit_block_info *whit_block_describe(whit_block block);
/* What the codes of a type mean where they are no consecutive integers: an integer each, that the
 * scale is multiplied with (of types with codes of one bit the first two); else NULL. */
WHIT_API const int8_t *whit_block_levels(whit_block block);
/* By the id in a file, by either name (any case); WHIT_BLOCK_NONE where there is none. */
WHIT_API whit_block whit_block_of_id(uint32_t id);
WHIT_API whit_block whit_block_parse(const char *name);

/*
 * Decode consecutive blocks to float32.
 *
 *   in   in   count * bytes octets, no alignment needed; any octets decode to something (NaN and
 *             infinite scales included)
 *   out  out  float32 [count * weights]
 *
 * Rounding: the products and sums of the reference in its order, in float32: bit for bit what it
 *           gives. Errors: WHIT_ERR_ARG. Threads: reentrant.
 * Source: ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c.
 */
WHIT_API whit_status whit_block_decode(whit_block block, const void *in, size_t count, float *out,
                                       whit_error *err);

typedef enum whit_search {
    WHIT_SEARCH_BEST = 0,     /* never a larger weighted error in any decoded block than the
                                 reference encoder, a smaller one on average               */
    WHIT_SEARCH_REFERENCE = 1 /* the bytes of the reference encoders                        */
} whit_search;

/*
 * Encode rows of float32 as blocks.
 *
 *   w           in   float32 [rows][cols], finite; cols a multiple of the block's weights
 *   importance  in   float32 [cols], >= 0, the weight of each column's squared error (mean square
 *                    of its input), the same for all rows; NULL: none
 *   out         out  rows * (cols / weights) * bytes octets
 *
 * Errors: WHIT_ERR_ARG (null, cols not a multiple, a type that is only read),
 *         WHIT_ERR_NUMERIC (NaN or Inf in w or importance: row and column named; a scale beyond
 *         F16). Outputs are then unspecified. Threads: reentrant; no memory is allocated.
 */
WHIT_API whit_status whit_block_encode(whit_block block, whit_search search, const float *w,
                                       size_t rows, size_t cols, const float *importance, void *out,
                                       whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
