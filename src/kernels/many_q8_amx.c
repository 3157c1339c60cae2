/* src/kernels/many_q8_amx.c - integer codes times int8 activations of many tokens with AMX.
 *
 * The tiles sum the products of a step in int32, exactly; then each sum meets its zero point and
 * its scales in the order of kernels.h, so the bits are those of gemm. A unit of 32 inputs makes 8
 * rows of a tile; those of octets are rows as they lie. Not here: blocks with two levels of scales,
 * whose steps are too short.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/many_amx.h"

#define AHEAD 4096 /* octets from the codes that are expanded to those that are fetched */

/* ---- panels as tiles ---- */

/* What is beyond the inputs meets activations of 0, so it may be anything. */
static WH_INLINE const uint8_t *expand(const wh_many_args *a, size_t p, size_t n, size_t *apart,
                                       codes_512_fn *codes)
{
    const whit_weight *w = a->w;
    const size_t unit = WH_UNIT * wh_input_bytes(w->form);
    *apart = wh_many_panel(w, 0);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = w->data + (p + i) * w->panel_bytes, *end = from + w->panel_bytes;
        uint8_t *out = (uint8_t *)a->near + i * *apart;
        for (; from < end; from += unit, out += 8 * LINE) {
            /* may lie beyond the plane, where no pointer may point and no fetch does harm */
            for (size_t t = 0; t < unit; t += LINE)
                _mm_prefetch((const char *)((uintptr_t)from + AHEAD + t), _MM_HINT_T0);
            WH_UNROLL
            for (unsigned t = 0; t < 8; t++) _mm512_store_si512(out + t * LINE, codes(from, t));
        }
    }
    return a->near;
}

static const uint8_t *expand_q2(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q2_512);
}

static const uint8_t *expand_q3(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q3_512);
}

static const uint8_t *expand_q4(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q4_512);
}

static const uint8_t *expand_q5(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q5_512);
}

static const uint8_t *expand_q6(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    return expand(a, p, n, apart, codes_q6_512);
}

static const uint8_t *expand_q8(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    *apart = wh_many_panel(a->w, 0);
    if (*apart == a->w->panel_bytes) return a->w->data + p * *apart;
    return expand(a, p, n, apart, codes_q8_512); /* the last tile is not whole */
}

/* ---- products ---- */

typedef int32_t int_sums[2][2][WH_TOKENS][WH_PANEL];

/* What the products of a step have too much in them, for an activation sum of 1: the zero point of
 * each row. */
static WH_INLINE __m512i zeros(const whit_weight *w, size_t at)
{
    if (!w->zero) return _mm512_set1_epi32(w->centre);
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(w->zero + at)));
}

/* Adds the sums of step b, which begins with input k, to y. */
static WH_INLINE void close_step(const many_spot *s, size_t b, size_t k, int_sums sums, many_sums y)
{
    const whit_weight *w = s->a->w;
    for (size_t i = 0; i < s->panels; i++) {
        const size_t at = ((s->panel + i) * w->groups + k / w->group) * WH_PANEL;
        const __m512 sw = wh_scale_avx512(w, at);
        const __m512i zero = zeros(w, at);
        for (size_t t = 0; t < s->blocks; t++) {
            const size_t apart = (s->block + t) * s->a->apart, n = s->tokens[t];
            const float *sx =
                (const float *)(const void *)((const char *)s->a->scale + apart) + b * n;
            const int32_t *xsum =
                (const int32_t *)(const void *)((const char *)s->a->sum + apart) + b * n;
            for (size_t j = 0; j < n; j++) {
                const __m512i more = _mm512_mullo_epi32(zero, _mm512_set1_epi32(xsum[j]));
                const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums[t][i][j]), more);
                const __m512 scale = _mm512_mul_ps(sw, _mm512_set1_ps(sx[j]));
                float *acc = y[t][i][j];
                _mm512_store_ps(
                    acc, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_load_ps(acc)));
            }
        }
    }
}

static WH_INLINE void multiply(const many_spot *s, many_sums y)
{
    const whit_weight *w = s->a->w;
    const uint8_t *a0 = many_codes(s, 0), *a1 = many_codes(s, 1);
    const uint8_t *b0 = s->b[0], *b1 = s->b[1];
    _Alignas(64) int_sums sums;
    memset(y, 0, sizeof(many_sums));
    for (size_t k = 0, b = 0; k < w->cols; k += w->int_step, b++) {
        const size_t end = w->cols - k < w->int_step ? w->cols : k + w->int_step;
        wh_tiles_zero();
        for (size_t c = k; c < end; c += 64) {
            wh_tiles_int8(a0, a1, b0, b1);
            a0 += s->tokens[0] * 64;
            a1 += s->tokens[1] * 64;
            b0 += WH_TILE_BYTES;
            b1 += WH_TILE_BYTES;
        }
        wh_tiles_store(sums);
        close_step(s, b, k, sums, y);
    }
}

void wh_many_q2_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q2, multiply);
}

void wh_many_q3_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q3, multiply);
}

void wh_many_q4_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q4, multiply);
}

void wh_many_q5_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q5, multiply);
}

void wh_many_q6_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q6, multiply);
}

void wh_many_q8_q8_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 0), expand_q8, multiply);
}
