/* src/kernels/float_avx512.h - values of a panel in AVX-512 registers.
 *
 * A register holds one input of the 16 rows. What the products of one token and the decoders
 * share: one function per form; the loops over them are in gemv_float_avx512.c and
 * decode_avx512.c. Method: kernels.md 3.2 (a permutation reads only the low 4 bits of an index, so
 * a line of nibbles shifted right is its own operand). Which form has which values is at the end.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_AVX512_H
#define WH_KERNELS_FLOAT_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "needs -mavx512f -mavx512bw -mavx512vl"
#endif

#include <immintrin.h>

#include "kernels/codes_512.h"
#include "kernels/columns_avx512.h"
#include "kernels/forms.h"
#include "kernels/scale_512.h"

/* ---- codes: input i of four, in a vector of codes_512.h ---- */

/* What codes mean: entries of a table of 16 or 32, or a zero point. */
typedef struct wh_meaning_avx512 {
    __m512 low, high; /* entries */
    __m512 zero;
} wh_meaning_avx512;

typedef __m512 wh_value_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m);

/* A permutation reads the low 4 bits of each lane, of two tables 5: nothing need be masked out. */
static WH_INLINE __m512 wh_entry_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m)
{
    return _mm512_permutexvar_ps(_mm512_srli_epi32(octets, 8 * i), m->low);
}

static WH_INLINE __m512 wh_entry_32_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m)
{
    return _mm512_permutex2var_ps(m->low, _mm512_srli_epi32(octets, 8 * i), m->high);
}

/* The code less the zero point of the row. In the mantissa of 2^23 an integer stands as it is, so
 * no conversion is needed; the difference is exact. */
static WH_INLINE __m512 wh_integer_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m)
{
    const __m512i base = _mm512_castps_si512(_mm512_set1_ps(0x1p23f));
    const __m512i code = _mm512_ternarylogic_epi32(_mm512_srli_epi32(octets, 8 * i),
                                                   _mm512_set1_epi32(255), base, 0xea);
    /* 0xea: (a & b) | c */
    return _mm512_sub_ps(_mm512_castsi512_ps(code),
                         _mm512_add_ps(m->zero, _mm512_castsi512_ps(base)));
}

/* Octets as the upper bits of float16, input i of each row. `order` puts the lower words of a
 * vector's rows before the upper ones: 16 rows at an even input, or an odd one, then lie in half of
 * it. */
static WH_INLINE __m512 wh_f8_avx512(__m512i octets, unsigned i, int e5m2)
{
    static const _Alignas(64)
        uint16_t order[32] = { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                               1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 };
    const __m512i words = _mm512_permutexvar_epi16(_mm512_load_si512(order), octets);
    const __m512i top = i % 2 ? words : _mm512_slli_epi16(words, 8);
    const __m512i half =
        e5m2 ? _mm512_and_si512(top, _mm512_set1_epi16((short)0xff00))
             : _mm512_and_si512(_mm512_srai_epi16(top, 1), _mm512_set1_epi16((short)0xbf80));
    return _mm512_cvtph_ps(i / 2 ? _mm512_extracti64x4_epi64(half, 1)
                                 : _mm512_castsi512_si256(half));
}

static WH_INLINE __m512 wh_e4m3_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m)
{
    (void)m;
    return wh_f8_avx512(octets, i, 0);
}

static WH_INLINE __m512 wh_e5m2_avx512(__m512i octets, unsigned i, const wh_meaning_avx512 *m)
{
    (void)m;
    return wh_f8_avx512(octets, i, 1);
}

/* Codes of 1, 2 and 4 bits for tables: what stands beside them is not masked out. */
static WH_INLINE __m512i wh_raw_q1_avx512(const uint8_t *unit, unsigned n)
{
    return moved_512(unit, n, 1);
}

static WH_INLINE __m512i wh_raw_q2_avx512(const uint8_t *unit, unsigned n)
{
    return moved_512(unit + n / 4 * LINE, 2 * (n % 4), 0);
}

static WH_INLINE __m512i wh_raw_q4_avx512(const uint8_t *unit, unsigned n)
{
    return moved_512(unit + n / 2 * LINE, 4 * (n % 2), 0);
}

/* How a form becomes values; constant wherever it is inlined. */
typedef struct wh_values_avx512 {
    codes_512_fn *codes;
    wh_value_avx512 *value;
    unsigned bits; /* of a code: as many lines has a unit */
    /* of blocks */
    unsigned sub;
    int minima;
    int table;                /* there is one */
    wh_scale_type scale_type; /* F16 but of some tables */
    unsigned each;            /* vectors of a unit that share a step */
} wh_values_avx512;

/* Integers of `bits` bits less the zero point that all rows share. */
static WH_INLINE wh_meaning_avx512 wh_integers_avx512(unsigned bits, int centre)
{
    const __m512i i = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i shared = _mm512_set1_epi32(centre);
    const __m512i low = _mm512_and_si512(i, _mm512_set1_epi32(bits == 1 ? 2 : (1 << bits) - 1));
    const __m512i high = _mm512_add_epi32(i, _mm512_set1_epi32(16));
    return (wh_meaning_avx512){ .low = _mm512_cvtepi32_ps(_mm512_sub_epi32(low, shared)),
                                .high = _mm512_cvtepi32_ps(_mm512_sub_epi32(high, shared)),
                                .zero = _mm512_set1_ps((float)centre) };
}

/* Zero points and scales of the rows; `at` is that of row 0. */
static WH_INLINE __m512 wh_zero_avx512(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm512_set1_ps((float)w->centre);
    const __m128i zero = _mm_loadu_si128((const __m128i *)(const void *)(w->zero + at));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(zero));
}

static WH_INLINE __m512 wh_scale_avx512(const whit_weight *w, size_t at)
{
    const uint8_t *scale = (const uint8_t *)w->scale + at * wh_scale_bytes(w);
    const __m512 sw = wh_scales_512(scale, w->scale_type, w->scale2);
    return w->form == WH_FORM_F8 ? _mm512_mul_ps(sw, _mm512_set1_ps(w->scale2)) : sw;
}

/* ---- blocks ---- */

static WH_INLINE wh_meaning_avx512 wh_meaning_of_avx512(const whit_weight *w,
                                                        const wh_values_avx512 *f)
{
    if (!f->table) return wh_integers_avx512(f->bits, w->centre);
    const __m512 entries = _mm512_loadu_ps(w->table);
    return (wh_meaning_avx512){ entries, entries, entries };
}

/* What the values of a sub-block are multiplied with, and what is taken from them. */
typedef struct wh_affine_avx512 {
    __m512 step, base;
} wh_affine_avx512;

static WH_INLINE __m512 wh_halves_as_floats_avx512(const uint16_t *half)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)half));
}

/* Of the sub-block of input k, or the group. */
static WH_INLINE wh_affine_avx512 wh_affine_of_avx512(const whit_weight *w, size_t p, size_t k,
                                                      const wh_values_avx512 *f)
{
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
    const size_t sub = f->sub ? (p * w->subs + k / f->sub) * WH_PANEL : 0;
    wh_affine_avx512 a;
    const size_t bytes = f->scale_type == WH_SCALE_F16 ? 2 : 1;
    a.step = wh_scales_512((const uint8_t *)w->scale + at * bytes, f->scale_type, 1.0f);
    a.base = a.step;
    if (f->minima) a.base = wh_halves_as_floats_avx512(w->min + at);
    if (f->sub) {
        const __m128i factor = _mm_loadu_si128((const void *)(w->sub_scale + sub));
        a.step = _mm512_mul_ps(a.step, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(factor)));
    }
    if (f->sub && f->minima) {
        const __m128i factor = _mm_loadu_si128((const void *)(w->sub_min + sub));
        a.base = _mm512_mul_ps(a.base, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(factor)));
    }
    return a;
}

/* Each product and the difference is rounded, as blocks are decoded. */
static WH_INLINE __m512 wh_block_value_avx512(__m512i octets, unsigned i,
                                              const wh_meaning_avx512 *m, wh_affine_avx512 a,
                                              const wh_values_avx512 *f)
{
    const __m512 value = _mm512_mul_ps(a.step, f->value(octets, i, m));
    return f->minima ? _mm512_sub_ps(value, a.base) : value;
}

/* ---- forms ---- */

/* _z: with zero points. */
static const wh_values_avx512 wh_q2_avx512 = {
    wh_raw_q2_avx512, wh_entry_avx512, 2, 0, 0, 0, 0, 0
};
static const wh_values_avx512 wh_q3_avx512 = { codes_q3_512, wh_entry_avx512, 3, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q4_avx512 = {
    wh_raw_q4_avx512, wh_entry_avx512, 4, 0, 0, 0, 0, 0
};
static const wh_values_avx512 wh_q5_avx512 = { codes_q5_512, wh_entry_32_avx512, 5, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q2z_avx512 = { codes_q2_512, wh_integer_avx512, 2, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q3z_avx512 = { codes_q3_512, wh_integer_avx512, 3, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q4z_avx512 = { codes_q4_512, wh_integer_avx512, 4, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q5z_avx512 = { codes_q5_512, wh_integer_avx512, 5, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q6_avx512 = { codes_q6_512, wh_integer_avx512, 6, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_q8_avx512 = { codes_q8_512, wh_integer_avx512, 8, 0, 0, 0, 0, 0 };
static const wh_values_avx512 wh_e4m3_values_avx512 = {
    codes_q8_512, wh_e4m3_avx512, 8, 0, 0, 0, 0, 0
};
static const wh_values_avx512 wh_e5m2_values_avx512 = {
    codes_q8_512, wh_e5m2_avx512, 8, 0, 0, 0, 0, 0
};
/* of blocks, by bits; the table knows what is taken off */
#define BLOCKS_1 wh_raw_q1_avx512, wh_entry_avx512
#define BLOCKS_2 wh_raw_q2_avx512, wh_entry_avx512
#define BLOCKS_3 codes_q3_512, wh_entry_avx512
#define BLOCKS_4 wh_raw_q4_avx512, wh_entry_avx512
#define BLOCKS_5 codes_q5_512, wh_entry_32_avx512
#define BLOCKS_6 codes_q6_512, wh_integer_avx512
#define BLOCKS_8 codes_q8_512, wh_integer_avx512
#define WH_PLAIN(kind, bits) WH_PARTS(kind, bits, 0, 0)
#define WH_PARTS(kind, bits, sub, minima)                                                          \
    static const wh_values_avx512 wh_##kind##_avx512 = { BLOCKS_##bits,    bits, sub,              \
                                                         minima,           0,    WH_SCALE_F16,     \
                                                         sub == 16 ? 4 : 8 };
#define WH_TABLE(kind, scale, each)                                                                \
    static const wh_values_avx512 wh_##kind##_avx512 = { BLOCKS_4, 4, 0, 0, 1, scale, each };
#define WH_TABLE_PARTS(kind, sub)                                                                  \
    static const wh_values_avx512 wh_##kind##_avx512 = { BLOCKS_4, 4, sub, 0, 1, WH_SCALE_F16, 8 };
WH_PLAIN_BLOCKS(WH_PLAIN)
WH_PARTED_BLOCKS(WH_PARTS)
WH_TABLE_BLOCKS(WH_TABLE)
WH_PARTED_TABLES(WH_TABLE_PARTS)

#endif
