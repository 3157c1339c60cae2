/* src/base/sha256_shani.c - SHA-256's compression with the SHA extensions of x86.
 *
 * The state lies in two registers as the instructions want it, ABEF and CDGH. sha256rnds2 does two
 * rounds; sha256msg1 and msg2 are the two halves of the message schedule, four words at once.
 * Source: FIPS PUB 180-4, 6.2.2; Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2.
 * SPDX-License-Identifier: MIT */
#if !defined(__SHA__) || !defined(__SSE4_1__)
#error "build this file with -msha -msse4.1"
#endif
#include "base/sha256.h"

#include <immintrin.h>

/* Four rounds with the words of w, whose constants are k. */
#define ROUNDS(w, k)                                                                               \
    do {                                                                                           \
        const __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(const void *)(k))); \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                             \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));                    \
    } while (0)

/* The next four words of the schedule: those 16 to 13 before, .., 4 to 1 before. */
static inline __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    const __m128i seven_before = _mm_alignr_epi8(w3, w2, 4);
    return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), seven_before), w3);
}

void wh_sha256_blocks_shani(uint32_t h[8], const uint8_t *data, size_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i *from = (const __m128i *)(const void *)data;
    __m128i *state = (__m128i *)(void *)h;
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, efgh, 8), cdgh = _mm_blend_epi16(efgh, badc, 0xf0);
    for (; blocks > 0; blocks--, from += 4) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(from), big_endian);
        __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(from + 1), big_endian);
        __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(from + 2), big_endian);
        __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(from + 3), big_endian);
        for (unsigned t = 0;; t += 16) {
            ROUNDS(w0, wh_sha256_constant + t);
            ROUNDS(w1, wh_sha256_constant + t + 4);
            ROUNDS(w2, wh_sha256_constant + t + 8);
            ROUNDS(w3, wh_sha256_constant + t + 12);
            if (t == 48) break;
            w0 = next_words(w0, w1, w2, w3);
            w1 = next_words(w1, w2, w3, w0);
            w2 = next_words(w2, w3, w0, w1);
            w3 = next_words(w3, w0, w1, w2);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xf0));  /* DCBA */
    _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8)); /* HGFE */
}
