/* src/kernels/float_avx512.h - values of a panel in AVX-512 registers.
 *
 * A register holds one input of the 16 rows. What the products of one token and the decoders
 * share: one function per form; the loops over them are in gemv_float_avx512.c and
 * decode_avx512.c. Method: kernels.md 3.2 (a permutation reads only the low 4 bits of an index, so
 * a line of nibbles shifted right is its own operand).
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_AVX512_H
#define WH_KERNELS_FLOAT_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "needs -mavx512f -mavx512bw -mavx512vl"
#endif

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

/* ---- codes: input i of a line (16 rows x 8 nibbles, or 16 rows x 4 octets) ---- */

typedef __m512 wh_value_avx512(__m512i line, unsigned i, __m512 table, __m512 zero);

/* The entry of the table. */
static WH_INLINE __m512 wh_entry_avx512(__m512i line, unsigned i, __m512 table, __m512 zero)
{
    (void)zero;
    return _mm512_permutexvar_ps(_mm512_srli_epi32(line, 8 * (i % 4) + 4 * (i / 4)), table);
}

/* Bits of the line less the zero point of the row. In the mantissa of 2^23 an integer stands as it
 * is, so no conversion is needed; the difference is exact. */
static WH_INLINE __m512 wh_integer_avx512(__m512i line, unsigned shift, int mask, __m512 zero)
{
    const __m512i base = _mm512_castps_si512(_mm512_set1_ps(0x1p23f));
    const __m512i code = _mm512_ternarylogic_epi32(_mm512_srli_epi32(line, shift),
                                                   _mm512_set1_epi32(mask), base, 0xea);
    /* 0xea: (a & b) | c */
    return _mm512_sub_ps(_mm512_castsi512_ps(code), _mm512_add_ps(zero, _mm512_castsi512_ps(base)));
}

static WH_INLINE __m512 wh_nibble_avx512(__m512i line, unsigned i, __m512 table, __m512 zero)
{
    (void)table;
    return wh_integer_avx512(line, 8 * (i % 4) + 4 * (i / 4), 15, zero);
}

static WH_INLINE __m512 wh_octet_avx512(__m512i line, unsigned i, __m512 table, __m512 zero)
{
    (void)table;
    return wh_integer_avx512(line, 8 * i, 255, zero);
}

/* 0..15 less the zero point that all rows share. */
static WH_INLINE __m512 wh_integers_avx512(int centre)
{
    const __m512i i = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(i, _mm512_set1_epi32(centre)));
}

/* Zero points and scales of the rows; `at` is that of row 0. */
static WH_INLINE __m512 wh_zero_avx512(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm512_set1_ps((float)w->centre);
    const __m128i zero = _mm_loadu_si128((const __m128i *)(const void *)(w->zero + at));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(zero));
}

static WH_INLINE __m512 wh_scale_avx512(const whit_weight *w, size_t at)
{
    if (!w->scale_f16) return _mm512_loadu_ps((const float *)w->scale + at);
    const uint16_t *scale = (const uint16_t *)w->scale + at;
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)scale));
}

/* ---- floats: the rows of input k of a panel ---- */

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
