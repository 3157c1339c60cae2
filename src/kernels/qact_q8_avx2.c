/* src/kernels/qact_q8_avx2.c - int8 activations with AVX2.
 *
 * Not here: steps whose largest magnitude is zero, tiny, infinite or a NaN, and inputs that do not
 * fill 32: wh_qact_span has them all.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX2__
#error "build this file with -mavx2 -mfma -mf16c"
#endif
#include "kernels/qact.h"

#include <immintrin.h>

#define WIDE 32 /* inputs at once: a vector of codes */
#define HALF 16 /* steps are multiples, or end the row */

static __m256i magnitude(const float *x)
{
    return _mm256_and_si256(_mm256_loadu_si256((const void *)x), _mm256_set1_epi32(0x7fffffff));
}

/* The largest magnitude, as an integer. */
static uint32_t largest(const float *x, size_t n)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i = 0;
    for (; n - i >= WIDE; i += WIDE) {
        a = _mm256_max_epu32(a, _mm256_max_epu32(magnitude(x + i), magnitude(x + i + 8)));
        b = _mm256_max_epu32(b, _mm256_max_epu32(magnitude(x + i + 16), magnitude(x + i + 24)));
    }
    a = _mm256_max_epu32(a, b);
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
    uint32_t most = (uint32_t)_mm_cvtsi128_si32(m);
    for (; i < n; i++) most = wh_qact_larger(most, x[i]);
    return most;
}

static __m256i rounded(const float *x, __m256 inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
}

/* Codes of 32 inputs. Packing works in halves of a vector, which leaves groups of 4 out of order.
 */
static __m256i round_32(const float *x, __m256 inverse)
{
    const __m256i a = _mm256_packs_epi32(rounded(x, inverse), rounded(x + 8, inverse));
    const __m256i b = _mm256_packs_epi32(rounded(x + 16, inverse), rounded(x + 24, inverse));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Codes of 16 inputs. */
static __m128i round_16(const float *x, __m256 inverse)
{
    const __m256i words = _mm256_packs_epi32(rounded(x, inverse), rounded(x + 8, inverse));
    const __m256i in_order = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
    return _mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1));
}

/* Codes of a step that starts at input k of its token; returns their sum. */
static int32_t span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes, size_t chunk)
{
    if (!wh_qact_ordinary(most) || k % HALF) return wh_qact_span(x, n, k, most, codes, chunk);
    const __m256 inverse = _mm256_set1_ps(127.0f / wh_bits_f32(most));
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; n - i >= WIDE && (k + i) % WIDE == 0; i += WIDE) {
        const __m256i q = round_32(x + i, inverse);
        _mm256_storeu_si256((void *)(codes + wh_qact_at(k + i, chunk)), q);
        const __m256i pairs = _mm256_maddubs_epi16(ones8, q);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones16));
    }
    for (; n - i >= HALF; i += HALF) {
        const __m128i q = round_16(x + i, inverse);
        _mm_storeu_si128((void *)(codes + wh_qact_at(k + i, chunk)), q);
        const __m256i words = _mm256_cvtepi8_epi16(q);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(words, ones16));
    }
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, _MM_SHUFFLE(1, 0, 3, 2)));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, _MM_SHUFFLE(2, 3, 0, 1)));
    int32_t sum = _mm_cvtsi128_si32(s);
    if (i < n) sum += wh_qact_span(x + i, n - i, k + i, most, codes, chunk);
    return sum;
}

/* vpsadbw adds 8 octets without signs: 128 too much each. */
static void sums_16(const int8_t *codes, size_t cols, size_t tokens, int32_t *sum)
{
    const __m256i sign = _mm256_set1_epi8(-128);
    for (size_t k = 0; k < cols; k += 32, sum += 2 * tokens) {
        const void *at = codes + wh_qact_at(k, tokens * WH_QACT_CHUNK);
        const __m256i octets = _mm256_xor_si256(_mm256_loadu_si256(at), sign);
        const __m256i eights = _mm256_sad_epu8(octets, _mm256_setzero_si256());
        const __m256i all =
            _mm256_add_epi32(eights, _mm256_shuffle_epi32(eights, _MM_SHUFFLE(1, 0, 3, 2)));
        sum[0] = _mm256_extract_epi32(all, 0) - 16 * 128;
        if (cols - k > 16) sum[tokens] = _mm256_extract_epi32(all, 4) - 16 * 128;
    }
}

void wh_qact_q8_avx2(const wh_qact_args *a)
{
    wh_qact_steps(a, largest, span, sums_16);
}
