/* src/kernels/probe_avxvnni.c - vpdpbusd of 256 bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVXVNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe.h"

#include <immintrin.h>

uint64_t wh_probe_int8_avxvnni(size_t rounds)
{
    __m256i sum[12], w = _mm256_set1_epi8(7), x = _mm256_set1_epi8(3);
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) sum[j] = _mm256_set1_epi32(j); /* chains that differ */
    for (size_t i = 0; i < rounds; i++) {
        __asm__ volatile("" : "+x"(w)); /* unknown in every round */
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) sum[j] = _mm256_dpbusd_avx_epi32(sum[j], w, x);
    }
#pragma GCC unroll 12
    for (int j = 1; j < 12; j++) sum[0] = _mm256_add_epi32(sum[0], sum[j]);
    uint64_t part[4];
    _mm256_storeu_si256((__m256i *)(void *)part, sum[0]);
    return part[0] + part[1] + part[2] + part[3];
}
