/* src/kernels/many_q8_amx.c - integer codes, and entries of tables, times int8 activations of many
 * tokens with AMX.
 *
 * The tiles sum the products of a step in int32, exactly; then each sum meets its zero point and
 * its scales in the order of kernels.h, so the bits are those of gemm. A unit of 32 inputs makes 8
 * rows of a tile; those of octets are rows as they lie. Two digits of a table's integers are two
 * planes of tiles, summed one after the other. Not here: blocks with two levels of scales, whose
 * steps are too short.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/many_amx.h"

#define AHEAD 4096 /* octets from the codes that are expanded to those that are fetched */

/* ---- panels as tiles ---- */

/* Codes, or the digits of what they stand for in the weight's table: the tiles of the low ones,
 * then those of the high ones. What is beyond the inputs meets activations of 0, so it may be
 * anything. */
static WH_INLINE const uint8_t *expand(const wh_many_args *a, size_t p, size_t n, size_t *apart,
                                       codes_512_fn *codes, unsigned digits)
{
    const whit_weight *w = a->w;
    const size_t unit = WH_UNIT * wh_input_bytes(w->form);
    const __m512i low = each_quarter_512(w->low), high = each_quarter_512(w->high);
    *apart = wh_many_panel(w, 0);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = w->data + (p + i) * w->panel_bytes, *end = from + w->panel_bytes;
        uint8_t *out = (uint8_t *)a->near + i * *apart;
        for (; from < end; from += unit, out += 8 * LINE) {
            /* may lie beyond the plane, where no pointer may point and no fetch does harm */
            for (size_t t = 0; t < unit; t += LINE)
                _mm_prefetch((const char *)((uintptr_t)from + AHEAD + t), _MM_HINT_T0);
            WH_UNROLL
            for (unsigned t = 0; t < 8; t++) {
                const __m512i code = codes(from, t);
                _mm512_store_si512(out + t * LINE, digits ? _mm512_shuffle_epi8(low, code) : code);
                if (digits == 2)
                    _mm512_store_si512(out + *apart / 2 + t * LINE,
                                       _mm512_shuffle_epi8(high, code));
            }
        }
    }
    return a->near;
}

static const uint8_t *expand_q2(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q2_512, 0);
}

static const uint8_t *expand_q3(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q3_512, 0);
}

static const uint8_t *expand_q4(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q4_512, 0);
}

static const uint8_t *expand_q5(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q5_512, 0);
}

static const uint8_t *expand_q6(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q6_512, 0);
}

static const uint8_t *expand_q8(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    *apart = wh_many_panel(a->w, 0);
    if (*apart == a->w->panel_bytes) return a->w->data + p * *apart;
    return expand(a, p, n, apart, codes_q8_512, 0); /* the last tile is not whole */
}

static const uint8_t *expand_t4(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    if (wh_many_digits(a->w) == 2) return expand(a, p, n, apart, codes_q4_512, 2);
    return expand(a, p, n, apart, codes_q4_512, 1);
}

/* ---- products ---- */

/* Of the low digits, and of the high ones. */
typedef int32_t int_sums[2][2][2][WH_TOKENS][WH_PANEL];

/* What the products of a step have too much in them, for an activation sum of 1: the zero point of
 * each row. */
static WH_INLINE __m512i zeros(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm512_set1_epi32(w->centre);
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(w->zero + at)));
}

/* The zero point times the sum of the activations of a step. */
static WH_INLINE __m512i too_much(__m512i zero, int32_t xsum, int narrow)
{
    const __m512i x = _mm512_set1_epi32(xsum);
    return narrow ? _mm512_madd_epi16(zero, x) : _mm512_mullo_epi32(zero, x);
}

/* Adds the sums of step b, which begins with input k, to y. */
static WH_INLINE void close_step(const many_spot *s, size_t b, const int_sums sums, many_sums y,
                                 unsigned digits)
{
    const whit_weight *w = s->a->w;
    const int narrow = w->int_step <= WH_STEP; /* 16 bits hold xsum, as they do any zero point */
    for (size_t i = 0; i < s->panels; i++) {
        const size_t at = ((s->panel + i) * w->groups + b * w->int_step / w->group) * WH_PANEL;
        __m512 sw = wh_scale_avx512(w, at);
        if (w->form == WH_FORM_T4) sw = _mm512_mul_ps(sw, _mm512_set1_ps(w->unit));
        const __m512i zero = zeros(w, at);
        for (size_t t = 0; t < s->blocks; t++) {
            const size_t apart = (s->block + t) * s->a->apart, n = s->tokens[t];
            const float *sx =
                (const float *)(const void *)((const char *)s->a->scale + apart) + b * n;
            const int32_t *xsum =
                (const int32_t *)(const void *)((const char *)s->a->sum + apart) + b * n;
            for (size_t j = 0; j < n; j++) {
                __m512i sum = _mm512_load_si512(sums[0][t][i][j]);
                if (digits == 2)
                    sum = _mm512_add_epi32(
                        sum, _mm512_slli_epi32(_mm512_load_si512(sums[1][t][i][j]), 7));
                sum = _mm512_sub_epi32(sum, too_much(zero, xsum[j], narrow));
                const __m512 scale = _mm512_mul_ps(sw, _mm512_set1_ps(sx[j]));
                float *acc = y[t][i][j];
                _mm512_store_ps(
                    acc, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_load_ps(acc)));
            }
        }
    }
}

/* A step is added to y while the tiles work on the next one: they take as long for its products as
 * the vectors for that. */
static WH_INLINE void multiply(const many_spot *s, many_sums y, unsigned digits)
{
    const whit_weight *w = s->a->w;
    const size_t high = wh_many_panel(w, 0) / digits;
    _Alignas(64) int_sums sums[2];
    memset(y, 0, sizeof(many_sums));
    size_t b = 0;
    for (size_t k = 0; k < w->cols; k += w->int_step, b++) {
        const size_t end = w->cols - k < w->int_step ? w->cols : k + w->int_step;
        for (unsigned d = 0; d < digits; d++) {
            many_sum(s, k / 64, (end + 63) / 64, d * high, wh_tiles_int8);
            if (b > 0 && d + 1 == digits) close_step(s, b - 1, sums[(b - 1) % 2], y, digits);
            wh_tiles_store(sums[b % 2][d]);
        }
    }
    close_step(s, b - 1, sums[(b - 1) % 2], y, digits);
}

static void multiply_codes(const many_spot *s, many_sums y)
{
    multiply(s, y, 1);
}

static void multiply_digits(const many_spot *s, many_sums y)
{
    multiply(s, y, 2);
}

void wh_many_q2_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q2, multiply_codes);
}

void wh_many_q3_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q3, multiply_codes);
}

void wh_many_q4_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q4, multiply_codes);
}

void wh_many_q5_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q5, multiply_codes);
}

void wh_many_q6_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q6, multiply_codes);
}

void wh_many_q8_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q8, multiply_codes);
}

void wh_many_t4_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_t4,
              wh_many_digits(a->w) == 2 ? multiply_digits : multiply_codes);
}
