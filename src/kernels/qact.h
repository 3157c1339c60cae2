/* src/kernels/qact.h - what the variants of int8 activations share: the loop over tokens and steps,
 * and the steps that none of them has its own way for.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_QACT_H
#define WH_KERNELS_QACT_H

#include <string.h>

#include "base/bytes.h"
#include "kernels/inline.h"
#include "kernels/kernels.h"

#define WH_QACT_CHUNK 64             /* inputs of a token that lie together */
#define WH_QACT_TINY 0x0d800000u     /* 2^-100 */
#define WH_QACT_INFINITE 0x7f800000u /* and what is above is NaN */

wh_qact_fn wh_qact_q8_scalar, wh_qact_q8_avx2, wh_qact_q8_avx512, wh_qact_q8_neon;

/* The bits of the largest magnitude of x[0..n): as integers, where a NaN is the largest. */
typedef uint32_t wh_qact_largest_fn(const float *x, size_t n);

/* Codes of the n inputs from k on of one token whose largest magnitude has the bits `most`; codes
 * points at the token in the first chunk, `chunk` is the distance between chunks. Returns their
 * sum. May write zeros up to the end of the chunk. */
typedef int32_t wh_qact_span_fn(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes,
                                size_t chunk);

/* In plain C (qact_q8_scalar.c), every case of the rules in kernels.h. The others call it for the
 * steps that are not ordinary, and for inputs that do not fill their vectors. */
wh_qact_span_fn wh_qact_span;

/* Where the code of input k is, from the token's place in the first chunk. */
static inline size_t wh_qact_at(size_t k, size_t chunk)
{
    return k / WH_QACT_CHUNK * chunk + k % WH_QACT_CHUNK;
}

/* 127 / m is finite, and m no special case. */
static inline int wh_qact_ordinary(uint32_t most)
{
    return most >= WH_QACT_TINY && most < WH_QACT_INFINITE;
}

static inline uint32_t wh_qact_larger(uint32_t most, float x)
{
    const uint32_t u = wh_f32_bits(x) & 0x7fffffffu;
    return u > most ? u : most;
}

/* Sums of each 16 codes of a token's row: sum[n * tokens] of inputs 16n on. `codes` as above; what
 * is beyond the row is 0. May read the whole of the last chunk. */
typedef void wh_qact_sums_fn(const int8_t *codes, size_t cols, size_t tokens, int32_t *sum);

static inline void wh_qact_sums_16(const int8_t *codes, size_t cols, size_t tokens, int32_t *sum)
{
    for (size_t k = 0; k < cols; k += 16, sum += tokens) {
        const int8_t *at = codes + wh_qact_at(k, tokens * WH_QACT_CHUNK);
        int32_t all = 0;
        for (size_t c = 0; c < 16; c++) all += at[c];
        *sum = all;
    }
}

/* A block of tokens, step by step. */
static WH_INLINE void wh_qact_steps(const wh_qact_args *a, wh_qact_largest_fn *largest,
                                    wh_qact_span_fn *span, wh_qact_sums_fn *sums)
{
    const size_t chunk = a->tokens * WH_QACT_CHUNK;
    if (a->cols % WH_QACT_CHUNK) /* the last chunk has padding */
        memset(a->codes + a->cols / WH_QACT_CHUNK * chunk, 0, chunk);
    for (size_t j = 0; j < a->tokens; j++) {
        const float *x = a->x + j * a->stride;
        int8_t *codes = a->codes + j * WH_QACT_CHUNK;
        const uint32_t whole = a->whole_token ? largest(x, a->cols) : 0;
        for (size_t k = 0, b = 0; k < a->cols; k += a->step, b++) {
            const size_t n = a->cols - k < a->step ? a->cols - k : a->step;
            const uint32_t most = a->whole_token ? whole : largest(x + k, n);
            a->scale[b * a->tokens + j] = wh_bits_f32(most) / 127.0f;
            const int32_t sum = span(x + k, n, k, most, codes, chunk);
            if (a->sum_step == a->step) a->sum[b * a->tokens + j] = sum;
        }
        if (a->sum_step != a->step) sums(codes, a->cols, a->tokens, a->sum + j);
    }
}

#endif
