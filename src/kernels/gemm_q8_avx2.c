/* src/kernels/gemm_q8_avx2.c - integer codes times int8 activations with AVX2.
 *
 * The loops and the order of sums are in gemm_q8_256.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "build this file with -mavx2 -mfma -mf16c"
#endif
#include "kernels/gemm_q8_256.h"

/* A pair of products is at most 2 * 15 * 127, and the 8 pairs of a unit fit 16 bits. */
static WH_INLINE void products_q4(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line,
                                  const int8_t *x)
{
    const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    __m256i pair[SUMS];
    WH_UNROLL
    for (size_t l = 0; l < 4; l++, line += LINE, x += 8) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i both = half_line(line + h * 32);
            const __m256i lo = _mm256_and_si256(both, low);
            const __m256i hi = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const size_t s = h * tokens + j;
                const __m256i p = _mm256_maddubs_epi16(lo, spread(x + j * 64));
                const __m256i q = _mm256_maddubs_epi16(hi, spread(x + j * 64 + 4));
                const __m256i pq = _mm256_add_epi16(p, q);
                pair[s] = l ? _mm256_add_epi16(pair[s], pq) : pq;
                settle(&pair[s]);
            }
        }
    }
    WH_UNROLL
    for (size_t s = 0; s < halves * tokens; s++)
        sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(pair[s], one));
}

/* A code less 128 times x is |code - 128| times x with its sign: a pair is at most 2 * 128 * 127,
 * which fits 16 bits; the code itself would not. */
static WH_INLINE void products_q8(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line,
                                  const int8_t *x)
{
    const __m256i middle = _mm256_set1_epi8(-128), one = _mm256_set1_epi16(1);
    WH_UNROLL
    for (size_t l = 0; l < 8; l++, line += LINE, x += 4) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i code = _mm256_xor_si256(half_line(line + h * 32), middle);
            const __m256i size = _mm256_abs_epi8(code);
            WH_UNROLL
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

void wh_gemm_q4_q8_avx2(const wh_gemm_args *a)
{
    static const gemm_form q4 = { products_q4, 4, 0 };
    gemm(a, &q4, 1);
}

void wh_gemm_q8_q8_avx2(const wh_gemm_args *a)
{
    static const gemm_form q8 = { products_q8, 8, 128 };
    gemm(a, &q8, 1);
}
