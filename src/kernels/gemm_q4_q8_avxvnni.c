/* src/kernels/gemm_q4_q8_avxvnni.c - 4-bit codes times int8 activations with AVX-VNNI.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVXVNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/gemm_256.h"

INLINE void unit(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line, const int8_t *x)
{
    const __m256i low = _mm256_set1_epi8(15);
    UNROLL
    for (size_t l = 0; l < 4; l++, line += 64, x += 8) {
        __m256i lo[2], hi[2];
        UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i both = half_line(line + h * 32);
            lo[h] = _mm256_and_si256(both, low);
            hi[h] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        }
        UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const __m256i x0 = spread(x + j * 64), x1 = spread(x + j * 64 + 4);
            UNROLL
            for (size_t h = 0; h < halves; h++) {
                const size_t s = h * tokens + j;
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], lo[h], x0);
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], hi[h], x1);
            }
        }
    }
}

void wh_gemm_q4_q8_avxvnni(const wh_gemm_args *a)
{
    static const kind q4 = { unit, 4, 0 };
    run(a, &q4, 2);
}
