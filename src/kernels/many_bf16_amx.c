/* src/kernels/many_bf16_amx.c - weights of any form times bfloat16 activations with AMX.
 *
 * Panels are decoded to float32 next to the core, meet their scales, are rounded to bfloat16 and
 * laid in pairs of inputs; the tiles then sum all inputs without being read out. What rounds:
 * weights and activations to 8 bits, sums in float32 in the order of the tiles, which take
 * subnormal numbers as 0 and heed no rounding mode. kernels.h has the order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512BF16__
#error "build this file with -mavx512bf16"
#endif
#include "kernels/many_amx.h"

#define INPUTS 128 /* of a panel that are decoded at once, rounded down to whole steps */

/* The bits of v rounded to bfloat16 in the upper half of each lane; the lower halves are anything.
 */
static WH_INLINE __m512i round_bf16(__m512 v)
{
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000)); /* stays a NaN */
}

/* ---- activations ---- */

void wh_qact_bf16_amx(const wh_qact_args *a)
{
    for (size_t k = 0; k < a->cols; k += 32) {
        const size_t left = a->cols - k;
        const __mmask16 low = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffffu);
        const __mmask16 high = (__mmask16)(left < 16   ? 0
                                           : left < 32 ? (1u << (left - 16)) - 1
                                                       : 0xffffu);
        int8_t *out = a->codes + k / 32 * a->tokens * 64;
        for (size_t j = 0; j < a->tokens; j++, out += 64) {
            const float *x = a->x + j * a->stride + k;
            const __m512i v0 = round_bf16(_mm512_maskz_loadu_ps(low, x));
            const __m512i v1 = round_bf16(_mm512_maskz_loadu_ps(high, x + 16));
            _mm256_storeu_si256((void *)out, _mm512_cvtepi32_epi16(_mm512_srli_epi32(v0, 16)));
            _mm256_storeu_si256((void *)(out + 32),
                                _mm512_cvtepi32_epi16(_mm512_srli_epi32(v1, 16)));
        }
    }
}

/* ---- panels as tiles ---- */

/* Rounded in pairs by the processor's own conversion, to which subnormal numbers are 0 as they are
 * to the tiles. n inputs; the last of an odd number is paired with 0. Returns where the next pair
 * goes. */
static WH_INLINE uint8_t *pair_inputs(const float *value, size_t n, __m512 scale, uint8_t *out)
{
    const __m512i each =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (size_t k = 0; k < n; k += 2, value += 2 * WH_PANEL, out += 64) {
        __m512 second = _mm512_setzero_ps();
        if (k + 1 < n) second = _mm512_mul_ps(_mm512_load_ps(value + WH_PANEL), scale);
        const __m512 first = _mm512_mul_ps(_mm512_load_ps(value), scale);
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
        _mm512_store_si512(out, _mm512_permutexvar_epi16(each, both));
    }
    return out;
}

/* Inputs [k0, k1) of panel p, whose values are at `value`. Groups begin with an even input. */
static WH_INLINE uint8_t *scale_and_pair(const whit_weight *w, size_t p, size_t k0, size_t k1,
                                         const float *value, uint8_t *out)
{
    if (!w->scale || wh_form_is_block(w->form)) /* nothing is missing */
        return pair_inputs(value, k1 - k0, _mm512_set1_ps(1.0f), out);
    for (size_t k = k0; k < k1;) {
        const size_t g = k / w->group, left = (g + 1) * w->group - k;
        const size_t n = k1 - k < left ? k1 - k : left;
        const __m512 scale = wh_scale_avx512(w, (p * w->groups + g) * WH_PANEL);
        out = pair_inputs(value + (k - k0) * WH_PANEL, n, scale, out);
        k += n;
    }
    return out;
}

/* Asks for the inputs that are decoded next; may lie beyond the weight, where it does no harm. */
static WH_INLINE void fetch(const whit_weight *w, size_t p, size_t k, size_t inputs)
{
    const size_t each = wh_input_bytes(w->form);
    const uintptr_t line = (uintptr_t)(w->data + p * w->panel_bytes) + k * each;
    for (size_t i = 0; i < inputs * each; i += 64)
        _mm_prefetch((const char *)(line + i), _MM_HINT_T0);
}

static void expand_panel(const wh_many_args *a, size_t p, uint8_t *out, const uint8_t *end)
{
    const whit_weight *w = a->w;
    const float *plain = (const float *)(const void *)(w->data + p * w->panel_bytes);
    const size_t inputs = w->step && w->step < INPUTS ? INPUTS / w->step * w->step : INPUTS;
    _Alignas(64) float value[INPUTS * WH_PANEL];
    for (size_t k = 0; k < w->cols; k += inputs) {
        const size_t k1 = w->cols - k < inputs ? w->cols : k + inputs;
        const wh_decode_args d = { .w = w, .p = p, .k0 = k, .k1 = k1, .out = value };
        fetch(w, p, k + 2 * inputs, inputs);
        if (a->decode) a->decode->decode(&d);
        out = scale_and_pair(w, p, k, k1, a->decode ? value : plain + k * WH_PANEL, out);
    }
    memset(out, 0, (size_t)(end - out));
}

static const uint8_t *expand(const wh_many_args *a, size_t p, size_t n, size_t *apart)
{
    uint8_t *out = a->near;
    *apart = wh_many_panel(a->w, 1);
    for (size_t i = 0; i < n; i++, out += *apart) expand_panel(a, p + i, out, out + *apart);
    return a->near;
}

/* ---- products ---- */

static WH_INLINE void multiply(const many_spot *s, many_sums y)
{
    many_sum(s, 0, (s->a->w->cols + 31) / 32, 0, wh_tiles_bf16);
    wh_tiles_store(y);
}

void wh_many_bf16_amx(const wh_many_args *a)
{
    many_part(a, wh_many_panels(a->w, 1), expand, multiply);
}
