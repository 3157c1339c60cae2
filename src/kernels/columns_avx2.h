/* src/kernels/columns_avx2.h - panels of plain floats: the half of the rows of input k as float32,
 * AVX2. SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_COLUMNS_AVX2_H
#define WH_KERNELS_COLUMNS_AVX2_H

#if !defined(__AVX2__)
#error "needs -mavx2"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

#define WH_HALF 8 /* rows of a register */

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
