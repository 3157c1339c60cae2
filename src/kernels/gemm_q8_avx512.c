/* src/kernels/gemm_q8_avx512.c - integer codes times int8 activations with AVX-512, without VNNI.
 *
 * vpmaddubsw multiplies unsigned octets with signed ones and adds neighbours in 16 bits, vpmaddwd
 * with ones adds those to 32. Nothing saturates: a pair of 4-bit codes is at most 2 * 15 * 127 =
 * 3810, and four are added before they widen; of 5 bits they are up to 4 * 7874, and of 6 bits only
 * two are added, up to 2 * 16002; of 8 bits the signed code's magnitude is taken, at
 * most 2 * 128 * 127 = 32512, and its sign given to the activation, which is at least -127. Loops
 * and order in gemm_q8_512.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX512F__) || !defined(__AVX512BW__)
#error "build this file with -mavx512f -mavx512bw"
#endif
#define FOLDS 0 /* pairs of them do not fit 16 bits */
#include "kernels/gemm_q8_512.h"

#define OFFSET 128

static WH_INLINE __m512i broadcast(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

/* As many vectors of codes as may meet in 16 bits. */
static WH_INLINE unsigned part_of(unsigned bits)
{
    return bits <= 5 ? 4 : 2;
}

static WH_INLINE void dot(__m512i sum[2][TILE], const __m512i w[2][4], unsigned part,
                          const int8_t *x, unsigned panels, unsigned tokens)
{
    const __m512i ones = _mm512_set1_epi16(1);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        __m512i pairs[2];
        WH_UNROLL
        for (unsigned n = 0; n < 4; n++) {
            if (n >= part) continue;
            const __m512i each = broadcast(x + 64 * j + 4 * n);
            WH_UNROLL
            for (unsigned i = 0; i < 2; i++) {
                if (i >= panels) continue;
                const __m512i products = _mm512_maddubs_epi16(w[i][n], each);
                pairs[i] = n ? _mm512_add_epi16(pairs[i], products) : products;
            }
        }
        WH_UNROLL
        for (unsigned i = 0; i < 2; i++)
            if (i < panels)
                sum[i][j] = _mm512_add_epi32(sum[i][j], _mm512_madd_epi16(pairs[i], ones));
    }
}

static WH_INLINE void products(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                               size_t apart, unsigned first, unsigned count, const int8_t *x,
                               unsigned panels, unsigned tokens, const levels *table)
{
    const unsigned part = part_of(f->bits);
    WH_UNROLL
    for (unsigned n = first; n < first + count; n += part) {
        __m512i w[2][4];
        WH_UNROLL
        for (unsigned i = 0; i < 8; i++)
            w[i / 4][i % 4] = i < 4 * panels && i % 4 < part
                                  ? integer_of(f, unit + i / 4 * apart, n + i % 4, table, 0)
                                  : _mm512_setzero_si512();
        dot(sum, w, part, x + 4 * n, panels, tokens);
    }
}

static WH_INLINE __m512i dot_octets(__m512i sum, __m512i magnitude, __mmask64 negative,
                                    __m512i each)
{
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i x = _mm512_mask_sub_epi8(each, negative, _mm512_setzero_si512(), each);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(magnitude, x), ones));
}

static WH_INLINE void products_octets(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                                      size_t apart, unsigned first, unsigned count, const int8_t *x,
                                      unsigned panels, unsigned tokens, const levels *table)
{
    const __m512i offset = _mm512_set1_epi8(-OFFSET);
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        __m512i magnitude[2];
        __mmask64 negative[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512i octet = integer_of(f, unit + i * apart, n, table, i);
            const __m512i w = _mm512_xor_si512(octet, offset);
            magnitude[i] = _mm512_abs_epi8(w);
            negative[i] = _mm512_movepi8_mask(w);
        }
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512i each = broadcast(x + n * 4 + 64 * j);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++)
                sum[i][j] = dot_octets(sum[i][j], magnitude[i], negative[i], each);
        }
    }
}

/* Digits are at most 127: a pair of products fills 16 bits, and is widened times 1 or 128. */
static WH_INLINE void products_digits(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                                      size_t apart, unsigned first, unsigned count, const int8_t *x,
                                      unsigned panels, unsigned tokens, const levels *table)
{
    const __m512i ones = _mm512_set1_epi16(1), many = _mm512_set1_epi16(128);
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        __m512i low[2], high[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512i code = f->codes(unit + i * apart, n);
            low[i] = _mm512_shuffle_epi8(table->low, code);
            high[i] = _mm512_shuffle_epi8(table->high, code);
        }
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512i each = broadcast(x + 4 * n + 64 * j);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++) {
                const __m512i l = _mm512_madd_epi16(_mm512_maddubs_epi16(low[i], each), ones);
                const __m512i h = _mm512_madd_epi16(_mm512_maddubs_epi16(high[i], each), many);
                sum[i][j] = _mm512_add_epi32(sum[i][j], _mm512_add_epi32(l, h));
            }
        }
    }
}

#include "kernels/gemm_forms_512.h"

#define EXPORT(form)                                                                               \
    void wh_gemm_##form##_q8_avx512(const wh_gemm_args *a)                                         \
    {                                                                                              \
        gemm_##form(a);                                                                            \
    }
#define BLOCKS(form, ...) EXPORT(form)
WH_CODE_FORMS(EXPORT)
WH_BLOCK_FORMS(BLOCKS)
