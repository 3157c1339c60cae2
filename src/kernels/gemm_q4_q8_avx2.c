/* src/kernels/gemm_q4_q8_avx2.c - 4-bit codes times int8 activations with AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX2__
#error "needs the flags of its instruction set"
#endif
#include "kernels/gemm_256.h"

/* A pair of products is at most 2 * 15 * 127, and the 8 pairs of a unit fit 16 bits. */
INLINE void unit(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line, const int8_t *x)
{
    const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    __m256i pair[SUMS];
    UNROLL
    for (size_t l = 0; l < 4; l++, line += 64, x += 8) UNROLL
    for (size_t h = 0; h < halves; h++) {
        const __m256i both = half_line(line + h * 32);
        const __m256i lo = _mm256_and_si256(both, low);
        const __m256i hi = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const size_t s = h * tokens + j;
            const __m256i p = _mm256_maddubs_epi16(lo, spread(x + j * 64));
            const __m256i q = _mm256_maddubs_epi16(hi, spread(x + j * 64 + 4));
            const __m256i pq = _mm256_add_epi16(p, q);
            pair[s] = l ? _mm256_add_epi16(pair[s], pq) : pq;
            settle(&pair[s]);
        }
    }
    UNROLL
    for (size_t s = 0; s < halves * tokens; s++)
        sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(pair[s], one));
}

void wh_gemm_q4_q8_avx2(const wh_gemm_args *a)
{
    static const kind q4 = { unit, 4, 0 };
    run(a, &q4, 1);
}
