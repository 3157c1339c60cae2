/* src/kernels/probe_avx512.c - the probes with AVX-512 without its dot products.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512BW__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe_512.h"

static __m512i at(const char *p)
{
    return _mm512_loadu_si512(p);
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
    WH_UNROLL
    for (int j = 0; j < 12; j++) sum[j] = _mm512_set1_ps((float)j);
    CHANGED(x);
    for (size_t i = 0; i < rounds; i++) {
        WH_UNROLL
        for (int j = 0; j < 12; j++) sum[j] = _mm512_fmadd_ps(sum[j], x, y);
    }
    WH_UNROLL
    for (int j = 1; j < 12; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
    return digest(_mm512_castps_si512(sum[0]));
}

static WH_INLINE __m512i add_pairs(__m512i sum, __m512i pairs)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static WH_INLINE __m512i products_8(__m512i sum, __m512i *w, __m512i x)
{
    CHANGED(*w);
    return add_pairs(sum, _mm512_maddubs_epi16(*w, x));
}

static WH_INLINE __m512i products_4(__m512i sum, __m512i *w, __m512i x)
{
    CHANGED(*w);
    __m512i pairs = _mm512_maddubs_epi16(*w, x);
    WH_UNROLL
    for (int k = 0; k < 3; k++) {
        CHANGED(*w);
        pairs = _mm512_add_epi16(pairs, _mm512_maddubs_epi16(*w, x));
    }
    return add_pairs(sum, pairs);
}

uint64_t wh_probe_int8_avx512(size_t rounds)
{
    return run_chains(rounds, 8, products_8);
}

/* Sixteen sums are not there; four chains of five instructions each cover the latency. */
uint64_t wh_probe_int4_avx512(size_t rounds)
{
    return run_chains(rounds, 4, products_4);
}
