/* src/kernels/scale_512.h - the scales of the 16 rows of a panel in an AVX-512 register.
 *
 * Octets are widened by moving their bits: E8M0 is the exponent of float32, E4M3 lies in float16 as
 * it is, 2^8 too small, whose conversion knows subnormal numbers without delay.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_SCALE_512_H
#define WH_KERNELS_SCALE_512_H

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

/* 2^(b - 127): 0 is the subnormal 2^-127 and 255 a NaN, both with the top bit of the mantissa. */
static WH_INLINE __m512 wh_e8m0_512(__m128i octets)
{
    const __m512i b = _mm512_cvtepu8_epi32(octets);
    const __mmask16 odd =
        _mm512_testn_epi32_mask(_mm512_add_epi32(b, _mm512_set1_epi32(1)), _mm512_set1_epi32(254));
    const __m512i power = _mm512_slli_epi32(b, 23);
    return _mm512_castsi512_ps(
        _mm512_mask_or_epi32(power, odd, power, _mm512_set1_epi32(0x400000)));
}

/* 2^(b - 128): 0 and 1 are subnormal. */
static WH_INLINE __m512 wh_half_e8m0_512(__m128i octets)
{
    const __m512i b = _mm512_cvtepu8_epi32(octets);
    const __mmask16 tiny = _mm512_cmplt_epi32_mask(b, _mm512_set1_epi32(2));
    const __m512i power = _mm512_slli_epi32(_mm512_sub_epi32(b, _mm512_set1_epi32(1)), 23);
    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(power, tiny, _mm512_set1_epi32(0x200000), b));
}

/* Times 2^-8. */
static WH_INLINE __m512 wh_e4m3_512(__m128i octets)
{
    const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(octets), 7);
    const __m256i half = _mm256_and_si256(wide, _mm256_set1_epi16((short)0xbf80));
    const __m256i top = _mm256_set1_epi16(0x3f80); /* exponent and mantissa of a NaN */
    const __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_and_si256(half, top), top);
    return _mm512_cvtph_ps(_mm256_mask_mov_epi16(half, nan, _mm256_set1_epi16(0x7e00)));
}

/* Half of an E4M3 without sign and NaN. */
static WH_INLINE __m512 wh_half_ue4m3_512(__m128i octets)
{
    const __m256i half = _mm256_slli_epi16(_mm256_cvtepu8_epi16(octets), 7);
    return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(0x1p7f));
}

static WH_INLINE __m512 wh_scales_512(const uint8_t *at, wh_scale_type type, float scale2)
{
    if (type == WH_SCALE_F32) return _mm512_loadu_ps(at);
    if (type == WH_SCALE_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)at));
    const __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)at);
    if (type == WH_SCALE_E8M0) return wh_e8m0_512(octets);
    if (type == WH_SCALE_HALF_E8M0) return wh_half_e8m0_512(octets);
    if (type == WH_SCALE_HALF_UE4M3) return wh_half_ue4m3_512(octets);
    return _mm512_mul_ps(wh_e4m3_512(octets), _mm512_set1_ps(scale2 * 256.0f));
}

#endif
