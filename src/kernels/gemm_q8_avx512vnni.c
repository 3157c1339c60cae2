/* src/kernels/gemm_q8_avx512vnni.c - integer codes times int8 activations with AVX-512 VNNI.
 *
 * vpdpbusd adds the four products of an unsigned code and a signed activation in every lane to its
 * 32-bit sum. Loops and order in gemm_q8_512.h and gemm_blocks_512.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512VNNI__
#error "build this file with -mavx512f -mavx512bw -mavx512vnni"
#endif
#define FOLDS 1
#include "kernels/gemm_q8_512.h"

#define OFFSET 0
#define products_octets products /* of any codes */

static WH_INLINE __m512i broadcast(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

static WH_INLINE void products(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                               size_t apart, unsigned first, unsigned count, const int8_t *x,
                               unsigned panels, unsigned tokens, const levels *table)
{
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        __m512i codes[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++)
            codes[i] = integer_of(f, unit + i * apart, n, table, i);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512i each = broadcast(x + 64 * j + 4 * n);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++)
                sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], codes[i], each);
        }
    }
}

/* Both digits have sums of their own; of a single token the low one too, which would else wait for
 * the unit before. */
static WH_INLINE void products_digits(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                                      size_t apart, unsigned first, unsigned count, const int8_t *x,
                                      unsigned panels, unsigned tokens, const levels *table)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i low[2][TILE], high[2][TILE];
    WH_UNROLL
    for (unsigned i = 0; i < panels * tokens; i++) {
        low[i / tokens][i % tokens] = tokens == 1 ? none : sum[i / tokens][i % tokens];
        high[i / tokens][i % tokens] = none;
    }
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        __m512i l[2], h[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512i code = f->codes(unit + i * apart, n);
            l[i] = _mm512_shuffle_epi8(table->low, code);
            h[i] = _mm512_shuffle_epi8(table->high, code);
        }
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512i each = broadcast(x + 64 * j + 4 * n);
            WH_UNROLL
            for (unsigned i = 0; i < panels; i++) {
                low[i][j] = _mm512_dpbusd_epi32(low[i][j], l[i], each);
                high[i][j] = _mm512_dpbusd_epi32(high[i][j], h[i], each);
            }
        }
    }
    WH_UNROLL
    for (unsigned i = 0; i < panels * tokens; i++) {
        __m512i *to = &sum[i / tokens][i % tokens];
        const __m512i l = low[i / tokens][i % tokens], h = high[i / tokens][i % tokens];
        *to = _mm512_add_epi32(tokens == 1 ? _mm512_add_epi32(*to, l) : l, _mm512_slli_epi32(h, 7));
    }
}

#include "kernels/gemm_forms_512.h"

#define EXPORT(form)                                                                               \
    void wh_gemm_##form##_q8_avx512vnni(const wh_gemm_args *a)                                     \
    {                                                                                              \
        gemm_##form(a);                                                                            \
    }
#define BLOCKS(form, ...) EXPORT(form)
WH_CODE_FORMS(EXPORT)
WH_BLOCK_FORMS(BLOCKS)
