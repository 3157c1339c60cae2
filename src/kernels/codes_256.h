/* src/kernels/codes_256.h - the codes of half a unit in 256-bit vectors.
 *
 * Vector n of a unit's half has an octet for each code of 8 rows by inputs 4n .. 4n + 3, as half a
 * line of q8 has. As codes_512.h, whose planes and shifts these are.
 *
 * Only static functions: a file that includes this is built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_CODES_256_H
#define WH_KERNELS_CODES_256_H

#ifndef __AVX2__
#error "needs -mavx2"
#endif

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

enum { LINE = 64 /* octets */ };

/* half: where the unit of the first 8 rows begins, or 32 octets on. */
typedef __m256i codes_256_fn(const uint8_t *half, unsigned n);

static WH_INLINE __m256i half_line(const uint8_t *line)
{
    return _mm256_load_si256((const __m256i *)(const void *)line);
}

/* Bits `from` and up of every octet moved to bit `to`; what comes from beside it is in the way of
 * nothing that the mask leaves. */
static WH_INLINE __m256i moved_256(const uint8_t *line, int from, int to)
{
    const __m256i v = half_line(line);
    if (from > to) return _mm256_srli_epi32(v, from - to);
    return from < to ? _mm256_slli_epi32(v, to - from) : v;
}

static WH_INLINE __m256i masked_256(__m256i v, int mask)
{
    return _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
}

static WH_INLINE __m256i raw_q1_256(const uint8_t *half, unsigned n)
{
    return moved_256(half, (int)n, 1);
}

static WH_INLINE __m256i raw_q2_256(const uint8_t *half, unsigned n)
{
    return moved_256(half + n / 4 * LINE, 2 * (int)(n % 4), 0);
}

static WH_INLINE __m256i raw_q4_256(const uint8_t *half, unsigned n)
{
    return moved_256(half + n / 2 * LINE, 4 * (int)(n % 2), 0);
}

static WH_INLINE __m256i codes_q1_256(const uint8_t *half, unsigned n)
{
    return masked_256(raw_q1_256(half, n), 2);
}

static WH_INLINE __m256i codes_q2_256(const uint8_t *half, unsigned n)
{
    return masked_256(raw_q2_256(half, n), 3);
}

static WH_INLINE __m256i codes_q3_256(const uint8_t *half, unsigned n)
{
    return _mm256_or_si256(codes_q2_256(half, n),
                           masked_256(moved_256(half + 2 * LINE, (int)n, 2), 4));
}

static WH_INLINE __m256i codes_q4_256(const uint8_t *half, unsigned n)
{
    return masked_256(raw_q4_256(half, n), 15);
}

static WH_INLINE __m256i codes_q5_256(const uint8_t *half, unsigned n)
{
    return _mm256_or_si256(codes_q4_256(half, n),
                           masked_256(moved_256(half + 4 * LINE, (int)n, 4), 16));
}

static WH_INLINE __m256i codes_q6_256(const uint8_t *half, unsigned n)
{
    const __m256i high = moved_256(half + (4 + n / 4) * LINE, 2 * (int)(n % 4), 4);
    return _mm256_or_si256(codes_q4_256(half, n), masked_256(high, 0x30));
}

static WH_INLINE __m256i codes_q8_256(const uint8_t *half, unsigned n)
{
    return half_line(half + n * LINE);
}

#endif
