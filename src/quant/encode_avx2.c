/* src/quant/encode_avx2.c - the encoder loops in AVX2: sixteen elements are two registers.
 *
 * The loops are in encode_loops.h and encode_scales.h, what they compute in encode_scalar.c. Tails
 * are masked.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file needs -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>

#include "base/cpu.h"

typedef struct v16 {
    __m256 a, b;
} v16;
typedef struct w16 {
    __m256i a, b;
} w16;
typedef __m128i b16;

static inline v16 v_set(float f)
{
    return (v16){ _mm256_set1_ps(f), _mm256_set1_ps(f) };
}

static inline w16 w_set(int i)
{
    return (w16){ _mm256_set1_epi32(i), _mm256_set1_epi32(i) };
}

/* All bits in the lanes below n, which may be negative. */
static inline __m256i first(int n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}

static inline v16 v_load(const float *p)
{
    return (v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

static inline v16 v_load_n(const float *p, size_t n)
{
    if (n <= 8) return (v16){ _mm256_maskload_ps(p, first((int)n)), _mm256_setzero_ps() };
    return (v16){ _mm256_loadu_ps(p), _mm256_maskload_ps(p + 8, first((int)n - 8)) };
}

static inline void v_store(float *p, v16 v)
{
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
}

static inline void v_store_n(float *p, v16 v, size_t n)
{
    _mm256_maskstore_ps(p, first((int)n), v.a);
    if (n > 8) _mm256_maskstore_ps(p + 8, first((int)n - 8), v.b);
}

static inline v16 v_add(v16 x, v16 y)
{
    return (v16){ _mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b) };
}

static inline v16 v_sub(v16 x, v16 y)
{
    return (v16){ _mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b) };
}

static inline v16 v_mul(v16 x, v16 y)
{
    return (v16){ _mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b) };
}

static inline v16 v_div(v16 x, v16 y)
{
    return (v16){ _mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b) };
}

static inline v16 v_min(v16 x, v16 y)
{
    return (v16){ _mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b) };
}

static inline v16 v_max(v16 x, v16 y)
{
    return (v16){ _mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b) };
}

static inline v16 v_fma(v16 x, v16 y, v16 z)
{
    return (v16){ _mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b) };
}

static inline w16 v_bits(v16 x)
{
    return (w16){ _mm256_castps_si256(x.a), _mm256_castps_si256(x.b) };
}

static inline v16 w_float(w16 x)
{
    return (v16){ _mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b) };
}

static inline w16 w_add(w16 x, w16 y)
{
    return (w16){ _mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b) };
}

static inline w16 w_sub(w16 x, w16 y)
{
    return (w16){ _mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b) };
}

static inline w16 w_and(w16 x, w16 y)
{
    return (w16){ _mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b) };
}

static inline w16 w_or(w16 x, w16 y)
{
    return (w16){ _mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b) };
}

static inline w16 w_max(w16 x, w16 y)
{
    return (w16){ _mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b) };
}

static inline w16 w_shift(w16 w, int n)
{
    const __m128i count = _mm_cvtsi32_si128(n);
    return (w16){ _mm256_srl_epi32(w.a, count), _mm256_srl_epi32(w.b, count) };
}

static inline w16 w_round(v16 x)
{
    return (w16){ _mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b) };
}

static inline w16 w_choose(v16 mask, w16 x, w16 y)
{
    return (w16){ _mm256_blendv_epi8(y.a, x.a, _mm256_castps_si256(mask.a)),
                  _mm256_blendv_epi8(y.b, x.b, _mm256_castps_si256(mask.b)) };
}

static inline w16 w_less(v16 a, v16 b, w16 x, w16 y)
{
    const v16 mask = { _mm256_cmp_ps(a.a, b.a, _CMP_LT_OQ), _mm256_cmp_ps(a.b, b.b, _CMP_LT_OQ) };
    return w_choose(mask, x, y);
}

static inline float v_sum(v16 v)
{
    const __m256 a = _mm256_add_ps(v.a, v.b);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float v_least(v16 v)
{
    const __m256 a = _mm256_min_ps(v.a, v.b);
    __m128 b = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_min_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_min_ss(b, _mm_movehdup_ps(b)));
}

static inline float v_most(v16 v)
{
    const __m256 a = _mm256_max_ps(v.a, v.b);
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline int v_any_upto(v16 x, v16 y)
{
    const __m256 a = _mm256_cmp_ps(x.a, y.a, _CMP_LE_OQ), b = _mm256_cmp_ps(x.b, y.b, _CMP_LE_OQ);
    return _mm256_movemask_ps(_mm256_or_ps(a, b)) != 0;
}

static inline v16 v_first(v16 v, float f)
{
    return (v16){ _mm256_blend_ps(v.a, _mm256_set1_ps(f), 1), v.b };
}

static inline __m256 half(__m256 v)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline v16 v_half(v16 v)
{
    return (v16){ half(v.a), half(v.b) };
}

static inline v16 magnitude(v16 v)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){ _mm256_andnot_ps(sign, v.a), _mm256_andnot_ps(sign, v.b) };
}

static inline v16 v_nearer(v16 x, v16 y)
{
    return v_min(magnitude(x), magnitude(y));
}

static inline v16 v_farther(v16 x, v16 y)
{
    return v_max(magnitude(x), magnitude(y));
}

static inline int v_any_nan(v16 v)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(v.a, v.b, _CMP_UNORD_Q)) != 0;
}

static inline b16 w_octets(w16 w)
{
    const __m256i low = _mm256_set1_epi32(0xff); /* packing saturates */
    const __m256i pairs =
        _mm256_packus_epi32(_mm256_and_si256(w.a, low), _mm256_and_si256(w.b, low));
    const __m256i order = _mm256_permute4x64_epi64(pairs, 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(order), _mm256_extracti128_si256(order, 1));
}

static inline void b_store(uint8_t *p, b16 b)
{
    _mm_storeu_si128((__m128i *)(void *)p, b);
}

static inline void b_store_n(uint8_t *p, b16 b, size_t n)
{
    uint8_t all[WH_LANES];
    b_store(all, b);
    memcpy(p, all, n);
}

typedef struct v_table {
    const float *threshold;
    v16 value;
    b16 code;
} v_table;

static inline v_table v_table_open(const wh_codebook *book)
{
    return (v_table){ book->threshold, v_load(book->value),
                      _mm_loadu_si128((const __m128i *)(const void *)book->code) };
}

/* The thresholds below q are counted: a comparison is -1 where it holds. */
static inline w16 v_table_entry(const v_table *t, v16 q)
{
    w16 k = w_set(0);
    for (int i = 0; i < 15; i++) {
        const __m256 threshold = _mm256_broadcast_ss(t->threshold + i);
        const v16 above = { _mm256_cmp_ps(q.a, threshold, _CMP_GT_OQ),
                            _mm256_cmp_ps(q.b, threshold, _CMP_GT_OQ) };
        k = w_sub(k, v_bits(above));
    }
    return k;
}

/* Eight entries a register: the highest bit of the entry says in which. */
static inline __m256 lookup(v16 table, __m256i entry)
{
    const __m256 low = _mm256_permutevar8x32_ps(table.a, entry);
    const __m256 high = _mm256_permutevar8x32_ps(table.b, entry);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(entry, 28)));
}

typedef struct v_bins {
    v16 a, b;
} v_bins;

static inline v_bins v_bins_open(const float *p)
{
    return (v_bins){ v_load(p), v_load(p + 16) };
}

static inline __m256 bin(const v_bins *bins, __m256i at)
{
    const __m256 low = lookup(bins->a, at), high = lookup(bins->b, at);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 27)));
}

static inline v16 v_bin(const v_bins *bins, w16 at)
{
    return (v16){ bin(bins, at.a), bin(bins, at.b) };
}

static inline v16 v_table_value(const v_table *t, w16 entry)
{
    return (v16){ lookup(t->value, entry.a), lookup(t->value, entry.b) };
}

static inline b16 v_table_code(const v_table *t, w16 entry)
{
    return _mm_shuffle_epi8(t->code, w_octets(entry));
}

#include "quant/encode_loops.h"
#include "quant/encode_scales.h"

const wh_encode_ops wh_encode_avx2 = {
    "avx2",      WH_ISA_AVX2,        range_loop,       normalise_loop, error_loop,
    encode_loop, encode_scaled_loop, fit_loop,         scales_loop,    quotients_loop,
    survey_loop, weighted_loop,      weighted_fit_loop
};
