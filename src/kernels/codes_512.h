/* src/kernels/codes_512.h - the codes of a unit in 512-bit vectors.
 *
 * Vector n of a unit has an octet for each code of 16 rows by inputs 4n .. 4n + 3, as a line of q8
 * has: the planes of kernels.h are made so that shifts and masks are all it takes. Where n is a
 * constant the lines are loaded once for all vectors that they serve.
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_CODES_512_H
#define WH_KERNELS_CODES_512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__)
#error "needs -mavx512f -mavx512bw"
#endif

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

enum { LINE = 64 /* octets */ };

typedef __m512i codes_512_fn(const uint8_t *unit, unsigned n);

/* A table of 16 octets, for shuffles of octets. */
static WH_INLINE __m512i each_quarter_512(const uint8_t table[16])
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table));
}

/* Bits `from` and up of every octet moved to bit `to`; what comes from beside it is in the way of
 * nothing that the mask leaves. */
static WH_INLINE __m512i moved_512(const uint8_t *line, unsigned from, unsigned to)
{
    const __m512i v = _mm512_loadu_si512(line);
    if (from > to) return _mm512_srli_epi32(v, from - to);
    return from < to ? _mm512_slli_epi32(v, to - from) : v;
}

/* low, and the masked bits of high. */
static WH_INLINE __m512i joined_512(__m512i low, __m512i high, int mask)
{
    return _mm512_ternarylogic_epi32(high, _mm512_set1_epi8((char)mask), low, 0xea); /* ab|c */
}

static WH_INLINE __m512i codes_q1_512(const uint8_t *unit, unsigned n)
{
    return _mm512_and_si512(moved_512(unit, n, 1), _mm512_set1_epi8(2));
}

static WH_INLINE __m512i codes_q2_512(const uint8_t *unit, unsigned n)
{
    const __m512i v = moved_512(unit + n / 4 * LINE, 2 * (n % 4), 0);
    return _mm512_and_si512(v, _mm512_set1_epi8(3));
}

static WH_INLINE __m512i codes_q3_512(const uint8_t *unit, unsigned n)
{
    return joined_512(codes_q2_512(unit, n), moved_512(unit + 2 * LINE, n, 2), 4);
}

static WH_INLINE __m512i codes_q4_512(const uint8_t *unit, unsigned n)
{
    const __m512i v = moved_512(unit + n / 2 * LINE, 4 * (n % 2), 0);
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

static WH_INLINE __m512i codes_q5_512(const uint8_t *unit, unsigned n)
{
    return joined_512(codes_q4_512(unit, n), moved_512(unit + 4 * LINE, n, 4), 16);
}

static WH_INLINE __m512i codes_q6_512(const uint8_t *unit, unsigned n)
{
    const __m512i high = moved_512(unit + (4 + n / 4) * LINE, 2 * (n % 4), 4);
    return joined_512(codes_q4_512(unit, n), high, 0x30);
}

static WH_INLINE __m512i codes_q8_512(const uint8_t *unit, unsigned n)
{
    return _mm512_loadu_si512(unit + n * LINE);
}

#endif
