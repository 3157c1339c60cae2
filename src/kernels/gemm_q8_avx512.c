/* src/kernels/gemm_q8_avx512.c - integer codes times int8 activations with AVX-512, without VNNI.
 *
 * vpmaddubsw multiplies unsigned octets with signed ones and adds neighbours in 16 bits, vpmaddwd
 * with ones adds those to 32. Nothing saturates: a pair of 4-bit codes is at most 2 * 15 * 127 =
 * 3810, and four are added before they widen; of 8 bits the signed code's magnitude is taken, at
 * most 2 * 128 * 127 = 32512, and its sign given to the activation, which is at least -127. Loops
 * and order in gemm_q8_512.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX512F__) || !defined(__AVX512BW__)
#error "build this file with -mavx512f -mavx512bw"
#endif
#include "kernels/gemm_q8_512.h"

#define PART 4 /* vectors of q4 codes whose products meet in 16 bits: two lines */

static WH_INLINE __m512i broadcast(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

static WH_INLINE void dot_q4(__m512i sum[2][TILE], const __m512i w[2][PART], const int8_t *x,
                             unsigned panels, unsigned tokens)
{
    const __m512i ones = _mm512_set1_epi16(1);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        __m512i part[2];
        WH_UNROLL
        for (unsigned n = 0; n < PART; n++) {
            const __m512i each = broadcast(x + 64 * j + 4 * n);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++) {
                const __m512i products = _mm512_maddubs_epi16(w[i][n], each);
                part[i] = n ? _mm512_add_epi16(part[i], products) : products;
            }
        }
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++)
            sum[i][j] = _mm512_add_epi32(sum[i][j], _mm512_madd_epi16(part[i], ones));
    }
}

/* Two lines at a time; a second one that is not there is not read and counts as zeros. */
static WH_INLINE void products_q4(__m512i sum[2][TILE], const uint8_t *line, size_t apart,
                                  size_t lines, const int8_t *x, unsigned panels, unsigned tokens)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t t = 0; t < lines; t += 2) {
        const __mmask16 second = t + 1 < lines ? 0xffff : 0;
        __m512i w[2][PART];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const uint8_t *from = line + i * apart + t * LINE;
            const __m512i v0 = _mm512_loadu_si512(from);
            const __m512i v1 = _mm512_maskz_loadu_epi32(second, from + LINE);
            w[i][0] = _mm512_and_si512(v0, low);
            w[i][1] = _mm512_and_si512(_mm512_srli_epi16(v0, 4), low);
            w[i][2] = _mm512_and_si512(v1, low);
            w[i][3] = _mm512_and_si512(_mm512_srli_epi16(v1, 4), low);
        }
        dot_q4(sum, w, x + t * 8, panels, tokens);
    }
}

static WH_INLINE __m512i dot_q8(__m512i sum, __m512i magnitude, __mmask64 negative, __m512i each)
{
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i x = _mm512_mask_sub_epi8(each, negative, _mm512_setzero_si512(), each);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(magnitude, x), ones));
}

static WH_INLINE void products_q8(__m512i sum[2][TILE], const uint8_t *line, size_t apart,
                                  size_t lines, const int8_t *x, unsigned panels, unsigned tokens)
{
    const __m512i offset = _mm512_set1_epi8(-128);
    for (size_t t = 0; t < lines; t++) {
        __m512i magnitude[2];
        __mmask64 negative[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512i w =
                _mm512_xor_si512(_mm512_loadu_si512(line + i * apart + t * LINE), offset);
            magnitude[i] = _mm512_abs_epi8(w);
            negative[i] = _mm512_movepi8_mask(w);
        }
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512i each = broadcast(x + t * 4 + 64 * j);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++)
                sum[i][j] = dot_q8(sum[i][j], magnitude[i], negative[i], each);
        }
    }
}

static const gemm_form q4 = { products_q4, 8, 0 }, q8 = { products_q8, 4, 128 };

static void block_q4(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, &q4, j0, tokens);
}

static void block_q8(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, &q8, j0, tokens);
}

void wh_gemm_q4_q8_avx512(const wh_gemm_args *a)
{
    gemm(a, block_q4, q4.line_inputs);
}

void wh_gemm_q8_q8_avx512(const wh_gemm_args *a)
{
    gemm(a, block_q8, q8.line_inputs);
}
