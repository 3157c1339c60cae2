/* src/kernels/probe_avxvnni.c - vpdpbusd of 256 bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVXVNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe_256.h"

static WH_INLINE __m256i products(__m256i sum, __m256i *w, __m256i x)
{
    CHANGED(*w);
    return _mm256_dpbusd_avx_epi32(sum, *w, x);
}

uint64_t wh_probe_int8_avxvnni(size_t rounds)
{
    return run_chains(rounds, 12, products);
}
