/* src/tensor/cvt_avx512.c - F16 and BF16 to and from float32, sixteen at a time under a mask.
 *
 * Not with the instructions for BF16: they take subnormal numbers for 0.
 *
 * SPDX-License-Identifier: MIT */
#include "tensor/cvt.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "this file needs -mavx512f -mavx512bw -mavx512vl"
#endif

#include <immintrin.h>

#include "base/cpu.h"

/* The lanes that exist when `left` elements are left. */
static inline __mmask16 lanes(size_t left)
{
    return (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffffu);
}

static void from_f16(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m256i h = _mm256_maskz_loadu_epi16(m, src + 2 * i);
        _mm512_mask_storeu_ps(dst + i, m, _mm512_cvtph_ps(h));
    }
}

static void from_bf16(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m512i u = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, src + 2 * i));
        _mm512_mask_storeu_epi32(dst + i, m, _mm512_slli_epi32(u, 16));
    }
}

static void to_f16(const float *src, size_t n, uint8_t *dst)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, src + i);
        _mm256_mask_storeu_epi16(dst + 2 * i, m, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
}

static void to_bf16(const float *src, size_t n, uint8_t *dst)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, src + i);
        const __m512i u = _mm512_castps_si512(v), upper = _mm512_srli_epi32(u, 16);
        const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
        const __m512i up = _mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff));
        const __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        const __m512i h =
            _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16), is_nan, upper, _mm512_set1_epi32(0x40));
        _mm256_mask_storeu_epi16(dst + 2 * i, m, _mm512_cvtepi32_epi16(h));
    }
}

const wh_cvt_ops wh_cvt_avx512 = { "avx512", WH_ISA_AVX512, from_f16, from_bf16, to_f16, to_bf16 };
