/* src/kernels/probe_512.h - the loop of the probes of integer products in 512-bit vectors.
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_PROBE_512_H
#define WH_KERNELS_PROBE_512_H

#include "kernels/inline.h"
#include "kernels/probe.h"

#include <immintrin.h>

/* Makes an operand unknown to the compiler, so that nothing is moved out of a loop. */
#define CHANGED(v) __asm__ volatile("" : "+v"(v))

enum { MOST_CHAINS = 12 };

static inline uint64_t digest(__m512i v)
{
    uint64_t part[8], sum = 0;
    _mm512_storeu_si512(part, v);
    for (int i = 0; i < 8; i++) sum += part[i];
    return sum;
}

/* The part of one sum in a round: its products of w, which changes, and x. */
typedef __m512i products_fn(__m512i sum, __m512i *w, __m512i x);

static WH_INLINE uint64_t run_chains(size_t rounds, int chains, products_fn *products)
{
    __m512i sum[MOST_CHAINS], w = _mm512_set1_epi8(7), x = _mm512_set1_epi8(3);
    WH_UNROLL
    for (int j = 0; j < chains; j++) sum[j] = _mm512_set1_epi32(j); /* chains that differ */
    for (size_t i = 0; i < rounds; i++) {
        WH_UNROLL
        for (int j = 0; j < chains; j++) sum[j] = products(sum[j], &w, x);
    }
    WH_UNROLL
    for (int j = 1; j < chains; j++) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
    return digest(sum[0]);
}

#endif
