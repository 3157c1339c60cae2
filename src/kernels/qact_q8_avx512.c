/* src/kernels/qact_q8_avx512.c - int8 activations with AVX-512: the ordinary steps.
 *
 * The rules are in kernels.h. A step that is all zeros, not finite or too small for 127 / m goes to
 * wh_qact_span, as in plain C.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "build this file with -mavx512f -mavx512bw -mavx512vl"
#endif
#include "kernels/qact.h"

#include <immintrin.h>

#define LANES 16 /* a step is a multiple, or ends the row */

/* The next of n values; zeros beyond. The branch lets the loads run ahead: with masks throughout,
 * clang's loop over values that are not in a cache took four times as long. */
static inline __m512 take(const float *x, size_t n)
{
    if (n >= LANES) return _mm512_loadu_ps(x);
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), x);
}

/* The largest magnitude's bits. */
static uint32_t largest(const float *x, size_t n)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += LANES) {
        const __m512i u = _mm512_castps_si512(take(x + i, n - i));
        most = _mm512_max_epu32(most, _mm512_and_si512(u, magnitude));
    }
    return _mm512_reduce_max_epu32(most);
}

/* Codes of n inputs from k on; returns their sum. Writes whole sixteens: their rest is padding. */
static int32_t put_codes(const float *x, size_t n, size_t k, float inverse, int8_t *codes,
                         size_t chunk)
{
    const __m512 factor = _mm512_set1_ps(inverse);
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += LANES, k += LANES) {
        const __m512 v = take(x + i, n - i);
        const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(v, factor));
        sum = _mm512_add_epi32(sum, q);
        _mm_storeu_si128((void *)(codes + wh_qact_at(k, chunk)), _mm512_cvtepi32_epi8(q));
    }
    return _mm512_reduce_add_epi32(sum);
}

static int32_t span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes, size_t chunk)
{
    if (!wh_qact_ordinary(most)) return wh_qact_span(x, n, k, most, codes, chunk);
    return put_codes(x, n, k, 127.0f / wh_bits_f32(most), codes, chunk);
}

/* vpsadbw adds 8 octets without signs: 128 too much each. */
static void sums_16(const int8_t *codes, size_t cols, size_t tokens, int32_t *sum)
{
    const __m512i sign = _mm512_set1_epi8(-128), lift = _mm512_set1_epi64(16 * 128);
    for (size_t k = 0; k < cols; k += WH_QACT_CHUNK, codes += tokens * WH_QACT_CHUNK) {
        const __m512i octets = _mm512_xor_si512(_mm512_loadu_si512(codes), sign);
        const __m512i eights = _mm512_sad_epu8(octets, _mm512_setzero_si512());
        const __m512i all = _mm512_add_epi64(eights, _mm512_shuffle_epi32(eights, _MM_PERM_BADC));
        int64_t four[8];
        _mm512_storeu_si512(four, _mm512_sub_epi64(all, lift));
        for (size_t i = 0; i < 4 && k + 16 * i < cols; i++, sum += tokens)
            *sum = (int32_t)four[2 * i];
    }
}

void wh_qact_q8_avx512(const wh_qact_args *a)
{
    wh_qact_steps(a, largest, span, sums_16);
}
