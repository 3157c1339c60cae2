/* src/kernels/probe_avx512.c - the probes with AVX-512 without its dot products.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512BW__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe.h"

#include <immintrin.h>

#define CHANGED(v) __asm__ volatile("" : "+v"(v)) /* unknown to the compiler from here on */

static __m512i at(const char *p)
{
    return _mm512_loadu_si512(p);
}

static uint64_t digest(__m512i v)
{
    uint64_t part[8], sum = 0;
    _mm512_storeu_si512(part, v);
    for (int i = 0; i < 8; i++) sum += part[i];
    return sum;
}

uint64_t wh_probe_read_avx512(const void *data, size_t bytes)
{
    const char *p = data;
    const size_t slice = bytes / 4;
    __m512i sum[4] = { _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                       _mm512_setzero_si512() };
    for (size_t i = 0; i < slice; i += 128)
        for (size_t s = 0; s < 4; s++) {
            const char *line = p + s * slice + i;
            sum[s] = _mm512_xor_si512(sum[s], _mm512_xor_si512(at(line), at(line + 64)));
        }
    return digest(sum[0]) + digest(sum[1]) + digest(sum[2]) + digest(sum[3]);
}

uint64_t wh_probe_fma_avx512(size_t rounds)
{
    __m512 sum[12], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) sum[j] = _mm512_set1_ps((float)j);
    CHANGED(x);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) sum[j] = _mm512_fmadd_ps(sum[j], x, y);
    }
#pragma GCC unroll 12
    for (int j = 1; j < 12; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
    return digest(_mm512_castps_si512(sum[0]));
}

uint64_t wh_probe_int8_avx512(size_t rounds)
{
    const __m512i one = _mm512_set1_epi16(1);
    __m512i sum[8], w = _mm512_set1_epi8(7), x = _mm512_set1_epi8(3);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum[j] = _mm512_set1_epi32(j);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            CHANGED(w);
            sum[j] = _mm512_add_epi32(sum[j], _mm512_madd_epi16(_mm512_maddubs_epi16(w, x), one));
        }
    }
#pragma GCC unroll 8
    for (int j = 1; j < 8; j++) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
    return digest(sum[0]);
}

uint64_t wh_probe_int4_avx512(size_t rounds)
{
    const __m512i one = _mm512_set1_epi16(1);
    __m512i sum[4], w = _mm512_set1_epi8(7), x = _mm512_set1_epi8(3);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sum[j] = _mm512_set1_epi32(j);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512i pairs = _mm512_maddubs_epi16(w, x);
#pragma GCC unroll 3
            for (int k = 0; k < 3; k++) {
                CHANGED(w);
                pairs = _mm512_add_epi16(pairs, _mm512_maddubs_epi16(w, x));
            }
            sum[j] = _mm512_add_epi32(sum[j], _mm512_madd_epi16(pairs, one));
            CHANGED(w);
        }
    }
#pragma GCC unroll 4
    for (int j = 1; j < 4; j++) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
    return digest(sum[0]);
}
