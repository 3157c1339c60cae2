/* src/kernels/scale_256.h - the scales of 8 rows of a panel in an AVX2 register; as scale_512.h.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_SCALE_256_H
#define WH_KERNELS_SCALE_256_H

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

/* 2^(b - 127): 0 is the subnormal 2^-127 and 255 a NaN, both with the top bit of the mantissa. */
static WH_INLINE __m256 wh_e8m0_256(__m128i octets)
{
    const __m256i b = _mm256_cvtepu8_epi32(octets);
    const __m256i next = _mm256_add_epi32(b, _mm256_set1_epi32(1));
    const __m256i rest = _mm256_and_si256(next, _mm256_set1_epi32(254));
    const __m256i odd = _mm256_cmpeq_epi32(rest, _mm256_setzero_si256());
    const __m256i bit = _mm256_and_si256(odd, _mm256_set1_epi32(0x400000));
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_slli_epi32(b, 23), bit));
}

/* 2^(b - 128): 0 and 1 are subnormal. */
static WH_INLINE __m256 wh_half_e8m0_256(__m128i octets)
{
    const __m256i b = _mm256_cvtepu8_epi32(octets);
    const __m256i tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), b);
    const __m256i power = _mm256_slli_epi32(_mm256_sub_epi32(b, _mm256_set1_epi32(1)), 23);
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), b);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(power, small, tiny));
}

/* Times 2^-8. */
static WH_INLINE __m256 wh_e4m3_256(__m128i octets)
{
    const __m128i wide = _mm_slli_epi16(_mm_cvtepi8_epi16(octets), 7);
    const __m128i half = _mm_and_si128(wide, _mm_set1_epi16((short)0xbf80));
    const __m128i top = _mm_set1_epi16(0x3f80); /* exponent and mantissa of a NaN */
    const __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(half, top), top);
    return _mm256_cvtph_ps(_mm_or_si128(half, _mm_and_si128(nan, _mm_set1_epi16(0x7e00))));
}

/* Half of an E4M3 without sign and NaN, which as float16 is 2^8 too small. */
static WH_INLINE __m256 wh_half_ue4m3_256(__m128i octets)
{
    const __m128i half = _mm_slli_epi16(_mm_cvtepu8_epi16(octets), 7);
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(0x1p7f));
}

static WH_INLINE __m256 wh_scales_256(const uint8_t *at, wh_scale_type type, float scale2)
{
    if (type == WH_SCALE_F32) return _mm256_loadu_ps((const float *)(const void *)at);
    if (type == WH_SCALE_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
    const __m128i octets = _mm_loadl_epi64((const __m128i *)(const void *)at);
    if (type == WH_SCALE_E8M0) return wh_e8m0_256(octets);
    if (type == WH_SCALE_HALF_E8M0) return wh_half_e8m0_256(octets);
    if (type == WH_SCALE_HALF_UE4M3) return wh_half_ue4m3_256(octets);
    return _mm256_mul_ps(wh_e4m3_256(octets), _mm256_set1_ps(scale2 * 256.0f));
}

#endif
