/* src/kernels/float_avx2.h - values of a panel in AVX2 registers.
 *
 * A register holds one input of 8 rows, half of a panel. What the products of one token and the
 * decoders share: one function per form; the loops over them are in gemv_float_avx2.c and
 * decode_avx2.c. Which form has which values is at the end.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_AVX2_H
#define WH_KERNELS_FLOAT_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "needs -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>

#include "kernels/codes_256.h"
#include "kernels/columns_avx2.h"
#include "kernels/forms.h"
#include "kernels/scale_256.h"

/* ---- codes: input i of four, in a vector of codes_256.h ---- */

/* What codes mean: entries of a table of 8 or 16, or a zero point, for both halves of a panel. */
typedef struct wh_meaning_avx2 {
    __m256 low, high; /* entries */
    __m256 zero[2];
} wh_meaning_avx2;

typedef __m256 wh_value_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m, unsigned half);

/* A permutation reads the low 3 bits of each lane: nothing need be masked out. */
static WH_INLINE __m256 wh_entry_8_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                        unsigned half)
{
    (void)half;
    return _mm256_permutevar8x32_ps(m->low, _mm256_srli_epi32(octets, (int)(8 * i)));
}

/* The fourth bit, moved to the sign, chooses. */
static WH_INLINE __m256 wh_entry_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                      unsigned half)
{
    const __m256i code = _mm256_srli_epi32(octets, (int)(8 * i));
    const __m256 fourth = _mm256_castsi256_ps(_mm256_slli_epi32(octets, 28 - (int)(8 * i)));
    (void)half;
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(m->low, code),
                            _mm256_permutevar8x32_ps(m->high, code), fourth);
}

/* Octet i of every lane alone. */
static WH_INLINE __m256 wh_octet_avx2(__m256i octets, unsigned i)
{
    const int at = (int)i, none = 128;
    const __m256i alone = _mm256_add_epi32(
        _mm256_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12), /* rows of each half of the vector */
        _mm256_set1_epi32((int)((unsigned)none << 24 | (unsigned)none << 16 | (unsigned)none << 8 |
                                (unsigned)at)));
    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(octets, alone));
}

static WH_INLINE __m256 wh_integer_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                        unsigned half)
{
    return _mm256_sub_ps(wh_octet_avx2(octets, i), m->zero[half]); /* small integers: exact */
}

/* Where every zero point is 0. */
static WH_INLINE __m256 wh_unsigned_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                         unsigned half)
{
    (void)m;
    (void)half;
    return wh_octet_avx2(octets, i);
}

/* Octets as the upper bits of float16. The even inputs of 4 rows, or the odd ones, are put together
 * in each half of the register, then those of 8. */
static WH_INLINE __m256 wh_f8_avx2(__m256i octets, unsigned i, int e5m2)
{
    const __m256i even =
        _mm256_setr_epi8(-1, 0, -1, 4, -1, 8, -1, 12, -1, 2, -1, 6, -1, 10, -1, 14, -1, 0, -1, 4,
                         -1, 8, -1, 12, -1, 2, -1, 6, -1, 10, -1, 14);
    const __m256i odd = _mm256_setr_epi8(-1, 1, -1, 5, -1, 9, -1, 13, -1, 3, -1, 7, -1, 11, -1, 15,
                                         -1, 1, -1, 5, -1, 9, -1, 13, -1, 3, -1, 7, -1, 11, -1, 15);
    const __m256i quarters = _mm256_shuffle_epi8(octets, i % 2 ? odd : even);
    const __m256i top = _mm256_permute4x64_epi64(quarters, _MM_SHUFFLE(3, 1, 2, 0));
    const __m256i half =
        e5m2 ? top : _mm256_and_si256(_mm256_srai_epi16(top, 1), _mm256_set1_epi16((short)0xbf80));
    return _mm256_cvtph_ps(i / 2 ? _mm256_extracti128_si256(half, 1)
                                 : _mm256_castsi256_si128(half));
}

static WH_INLINE __m256 wh_e4m3_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                     unsigned half)
{
    (void)m;
    (void)half;
    return wh_f8_avx2(octets, i, 0);
}

static WH_INLINE __m256 wh_e5m2_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                     unsigned half)
{
    (void)m;
    (void)half;
    return wh_f8_avx2(octets, i, 1);
}

/* How a form becomes values; constant wherever it is inlined. */
typedef struct wh_values_avx2 {
    codes_256_fn *codes;
    wh_value_avx2 *value;
    unsigned bits; /* of a code: as many lines has a unit */
    int zeros;     /* the zero points of the groups are of use */
    /* of blocks */
    unsigned sub;
    int minima;
    int table;                /* there is one */
    wh_scale_type scale_type; /* F16 but of some tables */
    unsigned each;            /* vectors of a unit that share a step */
} wh_values_avx2;

/* Integers of `bits` bits, at most 4, less the zero point that all rows share. */
static WH_INLINE wh_meaning_avx2 wh_integers_avx2(unsigned bits, int centre)
{
    const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i shared = _mm256_set1_epi32(centre);
    const __m256i low = _mm256_and_si256(i, _mm256_set1_epi32(bits == 1 ? 2 : (1 << bits) - 1));
    const __m256i high = _mm256_add_epi32(i, _mm256_set1_epi32(8));
    const __m256 zero = _mm256_set1_ps((float)centre);
    return (wh_meaning_avx2){ .low = _mm256_cvtepi32_ps(_mm256_sub_epi32(low, shared)),
                              .high = _mm256_cvtepi32_ps(_mm256_sub_epi32(high, shared)),
                              .zero = { zero, zero } };
}

/* Zero points and scales of 8 rows; `at` is that of the first. */
static WH_INLINE __m256 wh_zero_avx2(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm256_set1_ps((float)w->centre);
    const __m128i zero = _mm_loadl_epi64((const __m128i *)(const void *)(w->zero + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(zero));
}

static WH_INLINE __m256 wh_scale_avx2(const whit_weight *w, size_t at)
{
    const uint8_t *scale = (const uint8_t *)w->scale + at * wh_scale_bytes(w);
    const __m256 sw = wh_scales_256(scale, w->scale_type, w->scale2);
    return w->form == WH_FORM_F8 ? _mm256_mul_ps(sw, _mm256_set1_ps(w->scale2)) : sw;
}

/* ---- blocks ---- */

static WH_INLINE wh_meaning_avx2 wh_meaning_of_avx2(const whit_weight *w, const wh_values_avx2 *f)
{
    wh_meaning_avx2 m = wh_integers_avx2(f->bits, w->centre);
    if (!f->table) return m;
    m.low = _mm256_loadu_ps(w->table);
    m.high = _mm256_loadu_ps(w->table + 8);
    return m;
}

/* What the values of a sub-block are multiplied with, and what is taken from them. */
typedef struct wh_affine_avx2 {
    __m256 step, base;
} wh_affine_avx2;

static WH_INLINE __m256 wh_halves_as_floats_avx2(const uint16_t *half)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)half));
}

/* Of the sub-block of input k, or the group; 8 rows. */
static WH_INLINE wh_affine_avx2 wh_affine_of_avx2(const whit_weight *w, size_t p, unsigned half,
                                                  size_t k, const wh_values_avx2 *f)
{
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL + half * WH_HALF;
    const size_t sub = f->sub ? (p * w->subs + k / f->sub) * WH_PANEL + half * WH_HALF : 0;
    wh_affine_avx2 a;
    const size_t bytes = f->scale_type == WH_SCALE_F16 ? 2 : 1;
    a.step = wh_scales_256((const uint8_t *)w->scale + at * bytes, f->scale_type, 1.0f);
    a.base = a.step;
    if (f->minima) a.base = wh_halves_as_floats_avx2(w->min + at);
    if (f->sub) {
        const __m128i factor = _mm_loadl_epi64((const __m128i *)(const void *)(w->sub_scale + sub));
        a.step = _mm256_mul_ps(a.step, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(factor)));
    }
    if (f->sub && f->minima) {
        const __m128i factor = _mm_loadl_epi64((const __m128i *)(const void *)(w->sub_min + sub));
        a.base = _mm256_mul_ps(a.base, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(factor)));
    }
    return a;
}

/* Each product and the difference is rounded, as blocks are decoded. */
static WH_INLINE __m256 wh_block_value_avx2(__m256i octets, unsigned i, const wh_meaning_avx2 *m,
                                            wh_affine_avx2 a, const wh_values_avx2 *f)
{
    const __m256 value = _mm256_mul_ps(a.step, f->value(octets, i, m, 0));
    return f->minima ? _mm256_sub_ps(value, a.base) : value;
}

/* ---- forms ---- */

/* _z: with zero points. */
static const wh_values_avx2 wh_q2_avx2 = { raw_q2_256, wh_entry_8_avx2, 2, 0, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q3_avx2 = { codes_q3_256, wh_entry_8_avx2, 3, 0, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_t4_avx2 = { raw_q4_256, wh_entry_avx2, 4, 0, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q2z_avx2 = { codes_q2_256, wh_integer_avx2, 2, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q3z_avx2 = { codes_q3_256, wh_integer_avx2, 3, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q4_avx2 = { codes_q4_256, wh_integer_avx2, 4, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q5_avx2 = { codes_q5_256, wh_integer_avx2, 5, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q6_avx2 = { codes_q6_256, wh_integer_avx2, 6, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_q8_avx2 = { codes_q8_256, wh_integer_avx2, 8, 1, 0, 0, 0, 0, 0 };
static const wh_values_avx2 wh_e4m3_values_avx2 = {
    codes_q8_256, wh_e4m3_avx2, 8, 0, 0, 0, 0, 0, 0
};
static const wh_values_avx2 wh_e5m2_values_avx2 = {
    codes_q8_256, wh_e5m2_avx2, 8, 0, 0, 0, 0, 0, 0
};
/* of blocks, by bits and whether there are minima: then no zero point is taken off */
#define BLOCKS_1_0 raw_q1_256, wh_entry_8_avx2
#define BLOCKS_2_0 raw_q2_256, wh_entry_8_avx2
#define BLOCKS_2_1 raw_q2_256, wh_entry_8_avx2
#define BLOCKS_3_0 codes_q3_256, wh_entry_8_avx2
#define BLOCKS_4_0 codes_q4_256, wh_integer_avx2
#define BLOCKS_4_1 codes_q4_256, wh_unsigned_avx2
#define BLOCKS_5_0 codes_q5_256, wh_integer_avx2
#define BLOCKS_5_1 codes_q5_256, wh_unsigned_avx2
#define BLOCKS_6_0 codes_q6_256, wh_integer_avx2
#define BLOCKS_T4 raw_q4_256, wh_entry_avx2
#define BLOCKS_8_0 codes_q8_256, wh_integer_avx2
#define WH_PLAIN(kind, bits) WH_PARTS(kind, bits, 0, 0)
#define WH_PARTS(kind, bits, sub, minima)                                                          \
    static const wh_values_avx2 wh_##kind##_avx2 = {                                               \
        BLOCKS_##bits##_##minima, bits, 0, sub, minima, 0, WH_SCALE_F16, sub == 16 ? 4 : 8         \
    };
#define WH_TABLE(kind, scale, each)                                                                \
    static const wh_values_avx2 wh_##kind##_avx2 = { BLOCKS_T4, 4, 0, 0, 0, 1, scale, each };
#define WH_TABLE_PARTS(kind, sub)                                                                  \
    static const wh_values_avx2 wh_##kind##_avx2 = { BLOCKS_T4, 4, 0, sub, 0, 1, WH_SCALE_F16, 8 };
WH_PLAIN_BLOCKS(WH_PLAIN)
WH_PARTED_BLOCKS(WH_PARTS)
WH_TABLE_BLOCKS(WH_TABLE)
WH_PARTED_TABLES(WH_TABLE_PARTS)

#endif
