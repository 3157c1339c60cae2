/* src/kernels/probe_256.h - the loop of the probes of integer products in 256-bit vectors.
 *
 * Only static functions: a file that includes this is built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_PROBE_256_H
#define WH_KERNELS_PROBE_256_H

#include "kernels/inline.h"
#include "kernels/probe.h"

#include <immintrin.h>

/* Makes an operand unknown to the compiler, so that nothing is moved out of a loop. */
#define CHANGED(v) __asm__ volatile("" : "+x"(v))

enum { MOST_CHAINS = 12 };

static inline uint64_t digest(__m256i v)
{
    uint64_t part[4];
    _mm256_storeu_si256((__m256i *)(void *)part, v);
    return part[0] + part[1] + part[2] + part[3];
}

/* The part of one sum in a round: its products of w, which changes, and x. */
typedef __m256i products_fn(__m256i sum, __m256i *w, __m256i x);

static WH_INLINE uint64_t run_chains(size_t rounds, int chains, products_fn *products)
{
    __m256i sum[MOST_CHAINS], w = _mm256_set1_epi8(7), x = _mm256_set1_epi8(3);
    WH_UNROLL
    for (int j = 0; j < chains; j++) sum[j] = _mm256_set1_epi32(j); /* chains that differ */
    for (size_t i = 0; i < rounds; i++) {
        WH_UNROLL
        for (int j = 0; j < chains; j++) sum[j] = products(sum[j], &w, x);
    }
    WH_UNROLL
    for (int j = 1; j < chains; j++) sum[0] = _mm256_add_epi32(sum[0], sum[j]);
    return digest(sum[0]);
}

#endif
