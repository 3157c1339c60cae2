/* src/kernels/gemm_q8_avxvnni.c - integer codes times int8 activations with AVX-VNNI.
 *
 * The loops and the order of sums are in gemm_q8_256.h and gemm_blocks_256.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVXVNNI__) || !defined(__FMA__) || !defined(__F16C__)
#error "build this file with -mavx2 -mfma -mf16c -mavxvnni"
#endif
#include "kernels/gemm_q8_256.h"

#define OFFSET 0
#define HALVES 2
#define products_octets products /* of any codes */

/* vpdpbusd adds four products of an unsigned octet and a signed one to an int32 lane. */
static WH_INLINE void add_products(__m256i *sum, const gemm_form *f, size_t halves, size_t tokens,
                                   const uint8_t *unit, unsigned first, unsigned count,
                                   const int8_t *x, const levels *table)
{
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        __m256i code[2];
        WH_UNROLL
        for (size_t h = 0; h < halves; h++)
            code[h] = integer_of(f, f->codes(unit + h * 32, n), table);
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) {
            const __m256i xj = spread(x + j * 64 + 4 * n);
            WH_UNROLL
            for (size_t h = 0; h < halves; h++) {
                const size_t s = h * tokens + j;
                sum[s] = _mm256_dpbusd_avx_epi32(sum[s], code[h], xj);
            }
        }
    }
}

/* A single token's unit has sums of its own, which would else wait for the unit before. */
static WH_INLINE void products(__m256i *sum, const gemm_form *f, size_t halves, size_t tokens,
                               const uint8_t *unit, unsigned first, unsigned count, const int8_t *x,
                               const levels *table)
{
    __m256i own[SUMS];
    if (tokens > 1 || f->sub) { /* sub-blocks begin anew anyway */
        add_products(sum, f, halves, tokens, unit, first, count, x, table);
        return;
    }
    WH_UNROLL
    for (size_t h = 0; h < halves; h++) own[h] = _mm256_setzero_si256();
    add_products(own, f, halves, tokens, unit, first, count, x, table);
    WH_UNROLL
    for (size_t h = 0; h < halves; h++) sum[h] = _mm256_add_epi32(sum[h], own[h]);
}

/* Both digits have sums of their own; of a single token the low one too, which would else wait for
 * the unit before. */
static WH_INLINE void products_digits(__m256i *sum, const gemm_form *f, size_t halves,
                                      size_t tokens, const uint8_t *unit, unsigned first,
                                      unsigned count, const int8_t *x, const levels *table)
{
    const __m256i none = _mm256_setzero_si256();
    __m256i low[SUMS], high[SUMS];
    WH_UNROLL
    for (size_t s = 0; s < halves * tokens; s++) {
        low[s] = tokens == 1 ? none : sum[s];
        high[s] = none;
    }
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i code = f->codes(unit + h * 32, n);
            const __m256i l = _mm256_shuffle_epi8(table->low, code);
            const __m256i g = _mm256_shuffle_epi8(table->high, code);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const __m256i xj = spread(x + j * 64 + n * 4);
                const size_t s = h * tokens + j;
                low[s] = _mm256_dpbusd_avx_epi32(low[s], l, xj);
                high[s] = _mm256_dpbusd_avx_epi32(high[s], g, xj);
            }
        }
    }
    WH_UNROLL
    for (size_t s = 0; s < halves * tokens; s++)
        sum[s] = _mm256_add_epi32(tokens == 1 ? _mm256_add_epi32(sum[s], low[s]) : low[s],
                                  _mm256_slli_epi32(high[s], 7));
}

#include "kernels/gemm_forms_256.h"

#define EXPORT(form)                                                                               \
    void wh_gemm_##form##_q8_avxvnni(const wh_gemm_args *a)                                        \
    {                                                                                              \
        gemm_##form(a);                                                                            \
    }
#define BLOCKS(form, ...) EXPORT(form)
WH_CODE_FORMS(EXPORT)
WH_BLOCK_FORMS(BLOCKS)
