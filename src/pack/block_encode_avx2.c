/* src/pack/block_encode_avx2.c - the block encoders in AVX2: eight blocks side by side.
 *
 * The loops are in block_loops.h, what a variant must define in block_lanes.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block_encode.h"

#if !defined(__AVX2__) || !defined(__F16C__)
#error "this file needs -mavx2 -mf16c"
#endif

#include <immintrin.h>

#include "base/cpu.h"

enum { W = 8 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline vf v_set(float f)
{
    return _mm256_set1_ps(f);
}

static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void v_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static inline vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

static inline vf v_sqrt(vf v)
{
    return _mm256_sqrt_ps(v);
}

static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

static inline vf v_abs(vf v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

static inline vf v_neg(vf v)
{
    return _mm256_xor_ps(v, _mm256_set1_ps(-0.0f));
}

static inline vf v_wrap(vf v)
{
    const vi low = _mm256_set1_epi32(0x7fffff), top = _mm256_set1_epi32(0x4b000000);
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(_mm256_castps_si256(v), low), top));
}

static inline vf v_half(vf v)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline void v_store_half(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vm v_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline vm v_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

static inline vm v_ne(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}

static inline vm m_and(vm a, vm b)
{
    return _mm256_and_ps(a, b);
}

static inline int m_any(vm m)
{
    return _mm256_movemask_ps(m) != 0;
}

static inline vf v_pick(vm m, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, m);
}

static inline vi i_set(int i)
{
    return _mm256_set1_epi32(i);
}

static inline vi i_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void i_store(int32_t *p, vi i)
{
    _mm256_storeu_si256((__m256i *)(void *)p, i);
}

static inline vi i_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi i_count(vi i, vm m)
{
    return _mm256_sub_epi32(i, _mm256_castps_si256(m));
}

static inline vi i_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}

static inline vi i_left(vi i, int n)
{
    return _mm256_sll_epi32(i, _mm_cvtsi32_si128(n));
}

static inline vi i_pick(vm m, vi a, vi b)
{
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}

static inline vi i_round(vf v)
{
    return _mm256_cvttps_epi32(v);
}

static inline vf i_float(vi i)
{
    return _mm256_cvtepi32_ps(i);
}

static inline void v_store_bits(float *p, vi i)
{
    v_store(p, _mm256_castsi256_ps(i));
}

static inline vf v_lookup(const float *table, vi i)
{
    const vf low = _mm256_permutevar8x32_ps(v_load(table), i);
    const vf high = _mm256_permutevar8x32_ps(v_load(table + 8), i);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}

static inline vf v_lookup8(const float *table, vi i)
{
    return _mm256_permutevar8x32_ps(v_load(table), i);
}

/* Eight elements of eight blocks: pairs, fours and then halves of the registers change places. */
static inline void transpose(const float *const *from, size_t at, float *tile)
{
    vf a[8], b[8];
    for (int r = 0; r < 8; r++) a[r] = v_load(from[r] + at);
    for (int r = 0; r < 8; r += 2) {
        b[r] = _mm256_unpacklo_ps(a[r], a[r + 1]);
        b[r + 1] = _mm256_unpackhi_ps(a[r], a[r + 1]);
    }
    for (int r = 0; r < 8; r += 4)
        for (int i = 0; i < 2; i++) {
            a[r + 2 * i] = _mm256_shuffle_ps(b[r + i], b[r + 2 + i], 0x44);
            a[r + 2 * i + 1] = _mm256_shuffle_ps(b[r + i], b[r + 2 + i], 0xee);
        }
    for (int i = 0; i < 4; i++) { /* elements i and 4 + i */
        v_store(tile + i * W, _mm256_permute2f128_ps(a[i], a[4 + i], 0x20));
        v_store(tile + (i + 4) * W, _mm256_permute2f128_ps(a[i], a[4 + i], 0x31));
    }
}

static inline void v_tile(const float *const *from, size_t n, float *tile)
{
    for (size_t i = 0; i < n; i += 8) transpose(from, i, tile + i * W);
}

#include "pack/block_loops.h"

const wh_block_ops wh_block_avx2 = { "avx2", WH_ISA_AVX2, W, encode_lanes };
