/* src/kernels/gemm_q8_q8_avxvnni.c - 8-bit codes times int8 activations with AVX-VNNI.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVXVNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/gemm_256.h"

INLINE void unit(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line, const int8_t *x)
{
    UNROLL
    for (size_t l = 0; l < 8; l++, line += 64, x += 4) {
        __m256i code[2];
        UNROLL
        for (size_t h = 0; h < halves; h++) code[h] = half_line(line + h * 32);
        UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const __m256i xj = spread(x + j * 64);
            UNROLL
            for (size_t h = 0; h < halves; h++) {
                const size_t s = h * tokens + j;
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], code[h], xj);
            }
        }
    }
}

void wh_gemm_q8_q8_avxvnni(const wh_gemm_args *a)
{
    static const kind q8 = { unit, 8, 0 };
    run(a, &q8, 2);
}
