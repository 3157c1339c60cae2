/* src/kernels/probe_avx2.c - the probes with AVX2.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe_256.h"

static __m256i at(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

uint64_t wh_probe_read_avx2(const void *data, size_t bytes)
{
    const char *p = data;
    const size_t slice = bytes / 4;
    __m256i sum[4] = { _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                       _mm256_setzero_si256() };
    for (size_t i = 0; i < slice; i += 64)
        for (size_t s = 0; s < 4; s++) {
            const char *line = p + s * slice + i;
            sum[s] = _mm256_xor_si256(sum[s], _mm256_xor_si256(at(line), at(line + 32)));
        }
    return digest(sum[0]) + digest(sum[1]) + digest(sum[2]) + digest(sum[3]);
}

uint64_t wh_probe_fma_avx2(size_t rounds)
{
    __m256 sum[12], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
    WH_UNROLL
    for (int j = 0; j < 12; j++) sum[j] = _mm256_set1_ps((float)j);
    CHANGED(x);
    for (size_t i = 0; i < rounds; i++) {
        WH_UNROLL
        for (int j = 0; j < 12; j++) sum[j] = _mm256_fmadd_ps(sum[j], x, y);
    }
    WH_UNROLL
    for (int j = 1; j < 12; j++) sum[0] = _mm256_add_ps(sum[0], sum[j]);
    return digest(_mm256_castps_si256(sum[0]));
}

static WH_INLINE __m256i add_pairs(__m256i sum, __m256i pairs)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static WH_INLINE __m256i products_8(__m256i sum, __m256i *w, __m256i x)
{
    CHANGED(*w);
    return add_pairs(sum, _mm256_maddubs_epi16(*w, x));
}

static WH_INLINE __m256i products_4(__m256i sum, __m256i *w, __m256i x)
{
    CHANGED(*w);
    __m256i pairs = _mm256_maddubs_epi16(*w, x);
    WH_UNROLL
    for (int k = 0; k < 3; k++) {
        CHANGED(*w);
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(*w, x));
    }
    return add_pairs(sum, pairs);
}

uint64_t wh_probe_int8_avx2(size_t rounds)
{
    return run_chains(rounds, 8, products_8);
}

/* Sixteen sums are not there; four chains of five instructions each cover the latency. */
uint64_t wh_probe_int4_avx2(size_t rounds)
{
    return run_chains(rounds, 4, products_4);
}
