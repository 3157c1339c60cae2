/* src/kernels/gemm_q8_q8_avx2.c - 8-bit codes times int8 activations with AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX2__
#error "needs the flags of its instruction set"
#endif
#include "kernels/gemm_256.h"

/* A code less 128 times x is |code - 128| times x with its sign: a pair is at most 2 * 128 * 127,
 * which fits 16 bits; the code itself would not. */
INLINE void unit(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line, const int8_t *x)
{
    const __m256i middle = _mm256_set1_epi8(-128), one = _mm256_set1_epi16(1);
    UNROLL
    for (size_t l = 0; l < 8; l++, line += 64, x += 4) {
        UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i code = _mm256_xor_si256(half_line(line + h * 32), middle);
            const __m256i size = _mm256_abs_epi8(code);
            UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const size_t s = h * tokens + j;
                const __m256i signed_x = _mm256_sign_epi8(spread(x + j * 64), code);
                const __m256i pair = _mm256_maddubs_epi16(size, signed_x);
                sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(pair, one));
                settle(&sum[s]);
            }
        }
    }
}

void wh_gemm_q8_q8_avx2(const wh_gemm_args *a)
{
    static const kind q8 = { unit, 8, 128 };
    run(a, &q8, 1);
}
