/* src/kernels/gemm_q8_avx2.c - integer codes times int8 activations with AVX2.
 *
 * vpmaddubsw multiplies unsigned octets with signed ones and adds neighbours in 16 bits. Nothing
 * saturates: the 8 pairs of a unit fit while codes have 4 bits (8 * 2 * 15 * 127 = 30480), 4 of 5
 * bits, 2 of 6. The loops and the order of sums are in gemm_q8_256.h and gemm_blocks_256.h.
 *
 * SPDX-License-Identifier: MIT */
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "build this file with -mavx2 -mfma -mf16c"
#endif
#include "kernels/gemm_q8_256.h"

#define OFFSET 128
#define HALVES 1

/* As many vectors of codes as may meet in 16 bits. */
static WH_INLINE unsigned part_of(const gemm_form *f, unsigned count)
{
    const unsigned bits = f->digits ? 5 : f->bits; /* integers up to 31 */
    const unsigned most = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
    return count < most ? count : most;
}

static WH_INLINE void products(__m256i *sum, const gemm_form *f, size_t halves, size_t tokens,
                               const uint8_t *unit, unsigned first, unsigned count, const int8_t *x,
                               const levels *table)
{
    const __m256i one = _mm256_set1_epi16(1);
    const unsigned most = part_of(f, count);
    __m256i pair[SUMS];
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i code = integer_of(f, f->codes(unit + h * 32, n), table);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const size_t s = h * tokens + j;
                const __m256i p = _mm256_maddubs_epi16(code, spread(x + j * 64 + 4 * n));
                pair[s] = n % most ? _mm256_add_epi16(pair[s], p) : p;
                settle(&pair[s]);
            }
        }
        if (n % most != most - 1) continue;
        WH_UNROLL
        for (size_t s = 0; s < halves * tokens; s++)
            sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(pair[s], one));
    }
}

/* A code less 128 times x is |code - 128| times x with its sign: a pair is at most 2 * 128 * 127,
 * which fits 16 bits; the code itself would not. */
static WH_INLINE void products_octets(__m256i *sum, const gemm_form *f, size_t halves,
                                      size_t tokens, const uint8_t *unit, unsigned first,
                                      unsigned count, const int8_t *x, const levels *table)
{
    const __m256i middle = _mm256_set1_epi8(-OFFSET), one = _mm256_set1_epi16(1);
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i octet = integer_of(f, f->codes(unit + h * 32, n), table);
            const __m256i code = _mm256_xor_si256(octet, middle);
            const __m256i size = _mm256_abs_epi8(code);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const size_t s = h * tokens + j;
                const __m256i signed_x = _mm256_sign_epi8(spread(x + j * 64 + 4 * n), code);
                const __m256i pair = _mm256_maddubs_epi16(size, signed_x);
                sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(pair, one));
                settle(&sum[s]);
            }
        }
    }
}

/* Digits are at most 127: a pair of products fills 16 bits, and is widened times 1 or 128. */
static WH_INLINE void products_digits(__m256i *sum, const gemm_form *f, size_t halves,
                                      size_t tokens, const uint8_t *unit, unsigned first,
                                      unsigned count, const int8_t *x, const levels *table)
{
    const __m256i one = _mm256_set1_epi16(1), many = _mm256_set1_epi16(128);
    WH_UNROLL
    for (unsigned n = first; n < first + count; n++) {
        WH_UNROLL
        for (size_t h = 0; h < halves; h++) {
            const __m256i code = f->codes(unit + h * 32, n);
            const __m256i low = _mm256_shuffle_epi8(table->low, code);
            const __m256i high = _mm256_shuffle_epi8(table->high, code);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                const __m256i xj = spread(x + j * 64 + n * 4);
                const __m256i l = _mm256_madd_epi16(_mm256_maddubs_epi16(low, xj), one);
                const __m256i g = _mm256_madd_epi16(_mm256_maddubs_epi16(high, xj), many);
                const size_t s = h * tokens + j;
                sum[s] = _mm256_add_epi32(sum[s], _mm256_add_epi32(l, g));
                settle(&sum[s]);
            }
        }
    }
}

#include "kernels/gemm_forms_256.h"

#define EXPORT(form)                                                                               \
    void wh_gemm_##form##_q8_avx2(const wh_gemm_args *a)                                           \
    {                                                                                              \
        gemm_##form(a);                                                                            \
    }
#define BLOCKS(form, ...) EXPORT(form)
WH_CODE_FORMS(EXPORT)
WH_BLOCK_FORMS(BLOCKS)
