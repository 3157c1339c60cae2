/* src/kernels/gemm_q8_avx512vnni.c - integer codes times int8 activations with AVX-512 VNNI.
 *
 * vpdpbusd adds four products of an unsigned octet and a signed one to an int32 lane: the codes as
 * they are stored, four activations broadcast. Exact; loops and order in gemm_q8_512.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VNNI__)
#error "build this file with -mavx512f -mavx512bw -mavx512vnni"
#endif
#include "kernels/gemm_q8_512.h"

INLINE void dot(__m512i sum[2][TILE], __m512i w0, __m512i w1, const int8_t *x, unsigned tokens)
{
    UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        int32_t four;
        memcpy(&four, x + 64 * j, sizeof four);
        const __m512i each = _mm512_set1_epi32(four);
        sum[0][j] = _mm512_dpbusd_epi32(sum[0][j], w0, each);
        sum[1][j] = _mm512_dpbusd_epi32(sum[1][j], w1, each);
    }
}

INLINE void products_q4(__m512i sum[2][TILE], const uint8_t *const line[2], size_t lines,
                        const int8_t *x, unsigned tokens)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t t = 0; t < lines; t++) {
        const __m512i w0 = _mm512_loadu_si512(line[0] + t * LINE);
        const __m512i w1 = _mm512_loadu_si512(line[1] + t * LINE);
        dot(sum, _mm512_and_si512(w0, low), _mm512_and_si512(w1, low), x + t * 8, tokens);
        dot(sum, _mm512_and_si512(_mm512_srli_epi16(w0, 4), low),
            _mm512_and_si512(_mm512_srli_epi16(w1, 4), low), x + t * 8 + 4, tokens);
    }
}

INLINE void products_q8(__m512i sum[2][TILE], const uint8_t *const line[2], size_t lines,
                        const int8_t *x, unsigned tokens)
{
    for (size_t t = 0; t < lines; t++)
        dot(sum, _mm512_loadu_si512(line[0] + t * LINE), _mm512_loadu_si512(line[1] + t * LINE),
            x + t * 4, tokens);
}

static const gemm_form q4 = { products_q4, 8, 0 }, q8 = { products_q8, 4, 0 };

static void block_q4(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, &q4, j0, tokens);
}

static void block_q8(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, &q8, j0, tokens);
}

void wh_gemm_q4_q8_avx512vnni(const wh_gemm_args *a)
{
    gemm(a, block_q4, q4.line_inputs);
}

void wh_gemm_q8_q8_avx512vnni(const wh_gemm_args *a)
{
    gemm(a, block_q8, q8.line_inputs);
}
