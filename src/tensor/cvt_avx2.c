/* src/tensor/cvt_avx2.c - F16 and BF16 to and from float32, eight at a time; the rest one by one.
 *
 * SPDX-License-Identifier: MIT */
#include "tensor/cvt.h"

#if !defined(__AVX2__) || !defined(__F16C__)
#error "this file needs -mavx2 -mf16c"
#endif

#include <immintrin.h>

#include "base/cpu.h"
#include "base/half.h"

static void from_f16(const uint8_t *src, size_t n, float *dst)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(src + 2 * i));
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
    }
    for (; i < n; i++) dst[i] = wh_f16_to_f32(wh_load16(src + 2 * i));
}

static void from_bf16(const uint8_t *src, size_t n, float *dst)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(src + 2 * i));
        const __m256i u = _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16);
        _mm256_storeu_si256((__m256i *)(void *)(dst + i), u);
    }
    for (; i < n; i++) dst[i] = wh_bf16_to_f32(wh_load16(src + 2 * i));
}

static void to_f16(const float *src, size_t n, uint8_t *dst)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(dst + 2 * i), h);
    }
    for (; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_f16(src[i]));
}

/* The upper half after rounding, in the lower half; see wh_f32_to_bf16. */
static inline __m256i brain(__m256 v)
{
    const __m256i u = _mm256_castps_si256(v), upper = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(u, odd), _mm256_set1_epi32(0x7fff));
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), quiet, is_nan);
}

static void to_bf16(const float *src, size_t n, uint8_t *dst)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i a = brain(_mm256_loadu_ps(src + i)), b = brain(_mm256_loadu_ps(src + i + 8));
        const __m256i h = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(dst + 2 * i), h);
    }
    for (; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_bf16(src[i]));
}

const wh_cvt_ops wh_cvt_avx2 = { "avx2", WH_ISA_AVX2, from_f16, from_bf16, to_f16, to_bf16 };
