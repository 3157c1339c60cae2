/* src/kernels/columns_avx512.h - panels of plain floats: the rows of input k as float32, AVX-512.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_COLUMNS_AVX512_H
#define WH_KERNELS_COLUMNS_AVX512_H

#if !defined(__AVX512F__)
#error "needs -mavx512f"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

typedef __m512 wh_column_avx512(const uint8_t *panel, size_t k);

static WH_INLINE __m512 wh_f32_avx512(const uint8_t *panel, size_t k)
{
    return _mm512_load_ps((const float *)(const void *)panel + k * WH_PANEL);
}

static WH_INLINE __m256i wh_halves_avx512(const uint8_t *panel, size_t k)
{
    return _mm256_load_si256((const __m256i *)(const void *)panel + k);
}

static WH_INLINE __m512 wh_f16_avx512(const uint8_t *panel, size_t k)
{
    return _mm512_cvtph_ps(wh_halves_avx512(panel, k));
}

static WH_INLINE __m512 wh_bf16_avx512(const uint8_t *panel, size_t k)
{
    const __m512i wide = _mm512_cvtepu16_epi32(wh_halves_avx512(panel, k));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

#endif
