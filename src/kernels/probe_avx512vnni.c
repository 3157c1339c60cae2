/* src/kernels/probe_avx512vnni.c - vpdpbusd of 512 bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512VNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe.h"

#include <immintrin.h>

uint64_t wh_probe_int8_avx512vnni(size_t rounds)
{
    __m512i sum[12], w = _mm512_set1_epi8(7), x = _mm512_set1_epi8(3);
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) sum[j] = _mm512_set1_epi32(j); /* chains that differ */
    for (size_t i = 0; i < rounds; i++) {
        __asm__ volatile("" : "+v"(w)); /* unknown in every round */
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) sum[j] = _mm512_dpbusd_epi32(sum[j], w, x);
    }
#pragma GCC unroll 12
    for (int j = 1; j < 12; j++) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
    uint64_t part[8], all = 0;
    _mm512_storeu_si512(part, sum[0]);
    for (int i = 0; i < 8; i++) all += part[i];
    return all;
}
