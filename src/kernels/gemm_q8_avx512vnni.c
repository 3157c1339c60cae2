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

static WH_INLINE void dot(__m512i sum[2][TILE], const __m512i codes[2], const int8_t *x,
                          unsigned panels, unsigned tokens)
{
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        int32_t four;
        memcpy(&four, x + 64 * j, sizeof four);
        const __m512i each = _mm512_set1_epi32(four);
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++)
            sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], codes[i], each);
    }
}

static WH_INLINE void products_q4(__m512i sum[2][TILE], const uint8_t *line, size_t apart,
                                  size_t lines, const int8_t *x, unsigned panels, unsigned tokens)
{
    const __m512i mask = _mm512_set1_epi8(15);
    for (size_t t = 0; t < lines; t++) {
        __m512i low[2], high[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512i pairs = _mm512_loadu_si512(line + i * apart + t * LINE);
            low[i] = _mm512_and_si512(pairs, mask);
            high[i] = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), mask);
        }
        dot(sum, low, x + t * 8, panels, tokens);
        dot(sum, high, x + t * 8 + 4, panels, tokens);
    }
}

static WH_INLINE void products_q8(__m512i sum[2][TILE], const uint8_t *line, size_t apart,
                                  size_t lines, const int8_t *x, unsigned panels, unsigned tokens)
{
    for (size_t t = 0; t < lines; t++) {
        __m512i codes[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++)
            codes[i] = _mm512_loadu_si512(line + i * apart + t * LINE);
        dot(sum, codes, x + t * 4, panels, tokens);
    }
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
