/* src/pack/block_encode_avx512.c - the block encoders in AVX-512: sixteen blocks side by side.
 *
 * The loops are in block_loops.h, what a variant must define in block_lanes.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block_encode.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__) ||                   \
    !defined(__AVX512DQ__)
#error "this file needs -mavx512f -mavx512bw -mavx512vl -mavx512dq"
#endif

#include <immintrin.h>

#include "base/cpu.h"

enum { W = 16 };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vf v_set(float f)
{
    return _mm512_set1_ps(f);
}

static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

static inline vf v_sqrt(vf v)
{
    return _mm512_sqrt_ps(v);
}

static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf v_abs(vf v)
{
    return _mm512_abs_ps(v);
}

static inline vf v_neg(vf v)
{
    return _mm512_xor_ps(v, _mm512_set1_ps(-0.0f));
}

static inline vf v_wrap(vf v)
{
    const vi low = _mm512_set1_epi32(0x7fffff), top = _mm512_set1_epi32(0x4b000000);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(v), low, top, 0xea));
}

static inline vf v_half(vf v)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline void v_store_half(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vm v_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static inline vm v_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

static inline vm v_ne(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}

static inline vm m_and(vm a, vm b)
{
    return (vm)(a & b);
}

static inline int m_any(vm m)
{
    return m != 0;
}

static inline vf v_pick(vm m, vf a, vf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

static inline vi i_set(int i)
{
    return _mm512_set1_epi32(i);
}

static inline vi i_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void i_store(int32_t *p, vi i)
{
    _mm512_storeu_si512(p, i);
}

static inline vi i_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

static inline vi i_count(vi i, vm m)
{
    return _mm512_mask_add_epi32(i, m, i, _mm512_set1_epi32(1));
}

static inline vi i_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}

static inline vi i_left(vi i, int n)
{
    return _mm512_sll_epi32(i, _mm_cvtsi32_si128(n));
}

static inline vi i_pick(vm m, vi a, vi b)
{
    return _mm512_mask_blend_epi32(m, b, a);
}

static inline vi i_round(vf v)
{
    return _mm512_cvttps_epi32(v);
}

static inline vf i_float(vi i)
{
    return _mm512_cvtepi32_ps(i);
}

static inline void v_store_bits(float *p, vi i)
{
    v_store(p, _mm512_castsi512_ps(i));
}

static inline vf v_lookup(const float *table, vi i)
{
    return _mm512_permutexvar_ps(i, _mm512_loadu_ps(table));
}

static inline vf v_lookup8(const float *table, vi i)
{
    return _mm512_permutexvar_ps(i, _mm512_castps256_ps512(_mm256_loadu_ps(table)));
}

/* Sixteen elements of sixteen blocks: pairs, fours and then quarters of the registers change
 * places. */
static inline void transpose(const float *const *from, size_t at, float *tile)
{
    vf a[16], b[16];
    for (int r = 0; r < 16; r++) a[r] = v_load(from[r] + at);
    for (int r = 0; r < 16; r += 2) {
        b[r] = _mm512_unpacklo_ps(a[r], a[r + 1]);
        b[r + 1] = _mm512_unpackhi_ps(a[r], a[r + 1]);
    }
    for (int r = 0; r < 16; r += 4)
        for (int i = 0; i < 2; i++) {
            const __m512d low = _mm512_castps_pd(b[r + i]), high = _mm512_castps_pd(b[r + 2 + i]);
            a[r + 2 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[r + 2 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(a[i], a[4 + i], 0x88);
        b[4 + i] = _mm512_shuffle_f32x4(a[i], a[4 + i], 0xdd);
        b[8 + i] = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0x88);
        b[12 + i] = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0xdd);
    }
    for (int i = 0; i < 8; i++) { /* elements i and 8 + i */
        v_store(tile + i * W, _mm512_shuffle_f32x4(b[i], b[8 + i], 0x88));
        v_store(tile + (i + 8) * W, _mm512_shuffle_f32x4(b[i], b[8 + i], 0xdd));
    }
}

static inline void v_tile(const float *const *from, size_t n, float *tile)
{
    for (size_t i = 0; i < n; i += 16) transpose(from, i, tile + i * W);
}

#include "pack/block_loops.h"

const wh_block_ops wh_block_avx512 = { "avx512", WH_ISA_AVX512, W, encode_lanes };
