/* src/kernels/gemm_q8_avxvnni.c - integer codes times int8 activations with AVX-VNNI.
 *
 * The loops and the order of sums are in gemm_q8_256.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVXVNNI__) || !defined(__FMA__) || !defined(__F16C__)
#error "build this file with -mavx2 -mfma -mf16c -mavxvnni"
#endif
#include "kernels/gemm_q8_256.h"

/* vpdpbusd adds four products of an unsigned octet and a signed one to an int32 lane. */
static WH_INLINE void products_q4(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line,
                                  const int8_t *x)
{
    const __m256i low = _mm256_set1_epi8(15);
    WH_UNROLL
    for (size_t l = 0; l < 4; l++, line += LINE, x += 8) {
        __m256i lo[2], hi[2];
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i both = half_line(line + h * 32);
            lo[h] = _mm256_and_si256(both, low);
            hi[h] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        }
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const __m256i x0 = spread(x + j * 64), x1 = spread(x + j * 64 + 4);
            WH_UNROLL
            for (size_t h = 0; h < halves; h++) {
                const size_t s = h * tokens + j;
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], lo[h], x0);
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], hi[h], x1);
            }
        }
    }
}

static WH_INLINE void products_q8(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line,
                                  const int8_t *x)
{
    WH_UNROLL
    for (size_t l = 0; l < 8; l++, line += LINE, x += 4) {
        __m256i code[2];
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) code[h] = half_line(line + h * 32);
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const __m256i xj = spread(x + j * 64);
            WH_UNROLL
            for (size_t h = 0; h < halves; h++) {
                const size_t s = h * tokens + j;
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], code[h], xj);
            }
        }
    }
}

void wh_gemm_q4_q8_avxvnni(const wh_gemm_args *a)
{
    static const gemm_form q4 = { products_q4, 4, 0 };
    gemm(a, &q4, 2);
}

void wh_gemm_q8_q8_avxvnni(const wh_gemm_args *a)
{
    static const gemm_form q8 = { products_q8, 8, 0 };
    gemm(a, &q8, 2);
}
