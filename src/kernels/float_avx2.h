/* src/kernels/float_avx2.h - values of a panel in AVX2 registers.
 *
 * A register holds one input of 8 rows, half of a panel. What the products of one token and the
 * decoders share: one function per form; the loops over them are in gemv_float_avx2.c and
 * decode_avx2.c. Method: kernels.md 4.3.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_AVX2_H
#define WH_KERNELS_FLOAT_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "needs -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

#define WH_HALF 8 /* rows of a register */

/* ---- codes: input i of half a line (8 rows x 8 nibbles, or 8 rows x 4 octets) ---- */

/* a and b: the zero points and nothing, or both halves of the table. */
typedef __m256 wh_value_avx2(__m256i line, unsigned i, __m256 a, __m256 b);

static WH_INLINE __m256 wh_nibble_avx2(__m256i line, unsigned i, __m256 zero, __m256 none)
{
    (void)none;
    const int shift = (int)(8 * (i % 4) + 4 * (i / 4));
    const __m256i code = _mm256_and_si256(_mm256_srli_epi32(line, shift), _mm256_set1_epi32(15));
    return _mm256_sub_ps(_mm256_cvtepi32_ps(code), zero); /* small integers: exact */
}

static WH_INLINE __m256 wh_octet_avx2(__m256i line, unsigned i, __m256 zero, __m256 none)
{
    (void)none;
    const __m256i shifted = _mm256_srli_epi32(line, (int)(8 * i));
    const __m256i code = _mm256_and_si256(shifted, _mm256_set1_epi32(255));
    return _mm256_sub_ps(_mm256_cvtepi32_ps(code), zero);
}

/* A permutation reads the low 3 bits of the code; the fourth, moved to the sign, chooses. */
static WH_INLINE __m256 wh_entry_avx2(__m256i line, unsigned i, __m256 low, __m256 high)
{
    const int shift = (int)(8 * (i % 4) + 4 * (i / 4));
    const __m256i code = _mm256_srli_epi32(line, shift);
    const __m256 fourth = _mm256_castsi256_ps(_mm256_slli_epi32(line, 28 - shift));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code),
                            _mm256_permutevar8x32_ps(high, code), fourth);
}

/* Zero points and scales of 8 rows; `at` is that of the first. */
static WH_INLINE __m256 wh_zero_avx2(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm256_set1_ps((float)w->centre);
    const __m128i zero = _mm_loadl_epi64((const __m128i *)(const void *)(w->zero + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(zero));
}

static WH_INLINE __m256 wh_scale_avx2(const whit_weight *w, size_t at)
{
    if (!w->scale_f16) return _mm256_loadu_ps((const float *)w->scale + at);
    const uint16_t *scale = (const uint16_t *)w->scale + at;
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)scale));
}

/* ---- floats: half of the rows of input k of a panel ---- */

typedef __m256 wh_column_avx2(const uint8_t *panel, size_t k, unsigned half);

static WH_INLINE __m256 wh_f32_avx2(const uint8_t *panel, size_t k, unsigned half)
{
    return _mm256_load_ps((const float *)(const void *)panel + k * WH_PANEL + half * WH_HALF);
}

static WH_INLINE __m128i wh_halves_avx2(const uint8_t *panel, size_t k, unsigned half)
{
    return _mm_load_si128((const __m128i *)(const void *)panel + 2 * k + half);
}

static WH_INLINE __m256 wh_f16_avx2(const uint8_t *panel, size_t k, unsigned half)
{
    return _mm256_cvtph_ps(wh_halves_avx2(panel, k, half));
}

static WH_INLINE __m256 wh_bf16_avx2(const uint8_t *panel, size_t k, unsigned half)
{
    const __m256i wide = _mm256_cvtepu16_epi32(wh_halves_avx2(panel, k, half));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

#endif
