/* src/quant/encode_avx512.c - the encoder loops in AVX-512: sixteen elements are one register.
 *
 * The loops are in encode_loops.h and encode_scales.h, what they compute in encode_scalar.c. Tails
 * are masked.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__) ||                   \
    !defined(__AVX512DQ__)
#error "this file needs -mavx512f -mavx512bw -mavx512vl -mavx512dq"
#endif

#include <immintrin.h>

#include "base/cpu.h"

typedef __m512 v16;
typedef __m512i w16;
typedef __m128i b16;

static inline v16 v_set(float f)
{
    return _mm512_set1_ps(f);
}

static inline w16 w_set(int i)
{
    return _mm512_set1_epi32(i);
}

static inline __mmask16 first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline v16 v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(first(n), p);
}

static inline void v_store(float *p, v16 v)
{
    _mm512_storeu_ps(p, v);
}

static inline void v_store_n(float *p, v16 v, size_t n)
{
    _mm512_mask_storeu_ps(p, first(n), v);
}

static inline v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}

static inline v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}

static inline v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}

static inline v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}

static inline v16 v_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}

static inline v16 v_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}

static inline w16 v_bits(v16 v)
{
    return _mm512_castps_si512(v);
}

static inline v16 w_float(w16 w)
{
    return _mm512_castsi512_ps(w);
}

static inline w16 w_add(w16 a, w16 b)
{
    return _mm512_add_epi32(a, b);
}

static inline w16 w_sub(w16 a, w16 b)
{
    return _mm512_sub_epi32(a, b);
}

static inline w16 w_and(w16 a, w16 b)
{
    return _mm512_and_si512(a, b);
}

static inline w16 w_or(w16 a, w16 b)
{
    return _mm512_or_si512(a, b);
}

static inline w16 w_max(w16 a, w16 b)
{
    return _mm512_max_epi32(a, b);
}

static inline w16 w_shift(w16 w, int n)
{
    return _mm512_srl_epi32(w, _mm_cvtsi32_si128(n));
}

static inline w16 w_round(v16 v)
{
    return _mm512_cvttps_epi32(v);
}

static inline w16 w_less(v16 a, v16 b, w16 x, w16 y)
{
    return _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

static inline __m256 upper(v16 v)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
}

static inline float v_sum(v16 v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), upper(v));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float v_least(v16 v)
{
    return _mm512_reduce_min_ps(v);
}

static inline float v_most(v16 v)
{
    return _mm512_reduce_max_ps(v);
}

static inline int v_any_upto(v16 a, v16 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ) != 0;
}

static inline v16 v_first(v16 v, float f)
{
    return _mm512_mask_mov_ps(v, 1, v_set(f));
}

static inline v16 v_half(v16 v)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline v16 v_nearer(v16 a, v16 b)
{
    return _mm512_range_ps(a, b, 10); /* the smaller magnitude, without its sign */
}

static inline v16 v_farther(v16 a, v16 b)
{
    return _mm512_range_ps(a, b, 11); /* the larger, in the same way */
}

static inline int v_any_nan(v16 v)
{
    return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q) != 0;
}

typedef struct v_bins {
    v16 a, b;
} v_bins;

static inline v_bins v_bins_open(const float *p)
{
    return (v_bins){ v_load(p), v_load(p + 16) };
}

static inline v16 v_bin(const v_bins *bins, w16 at)
{
    return _mm512_permutex2var_ps(bins->a, at, bins->b);
}

static inline b16 w_octets(w16 w)
{
    return _mm512_cvtepi32_epi8(w);
}

static inline void b_store(uint8_t *p, b16 b)
{
    _mm_storeu_si128((__m128i *)(void *)p, b);
}

static inline void b_store_n(uint8_t *p, b16 b, size_t n)
{
    _mm_mask_storeu_epi8(p, first(n), b);
}

typedef struct v_table {
    v16 threshold, value;
    b16 code;
} v_table;

static inline v_table v_table_open(const wh_codebook *book)
{
    return (v_table){ v_load_n(book->threshold, 15), v_load(book->value),
                      _mm_loadu_si128((const __m128i *)(const void *)book->code) };
}

/* By halving: whether q is above the threshold in the middle of what is left. */
static inline w16 v_table_entry(const v_table *t, v16 q)
{
    w16 k = w_set(0);
    for (int half = 8; half > 0; half /= 2) {
        const v16 middle = _mm512_permutexvar_ps(w_add(k, w_set(half - 1)), t->threshold);
        k = _mm512_mask_add_epi32(k, _mm512_cmp_ps_mask(q, middle, _CMP_GT_OQ), k, w_set(half));
    }
    return k;
}

static inline v16 v_table_value(const v_table *t, w16 entry)
{
    return _mm512_permutexvar_ps(entry, t->value);
}

static inline b16 v_table_code(const v_table *t, w16 entry)
{
    return _mm_shuffle_epi8(t->code, w_octets(entry));
}

#include "quant/encode_loops.h"
#include "quant/encode_scales.h"

const wh_encode_ops wh_encode_avx512 = { "avx512",           WH_ISA_AVX512, range_loop,
                                         normalise_loop,     error_loop,    encode_loop,
                                         encode_scaled_loop, fit_loop,      scales_loop,
                                         quotients_loop,     survey_loop,   weighted_loop,
                                         weighted_fit_loop };
