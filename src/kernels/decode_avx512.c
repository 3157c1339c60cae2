/* src/kernels/decode_avx512.c - values of a block of a panel as float32, AVX-512.
 *
 * Once per block of inputs and many tokens. Groups begin and end with a unit, the row need not. The
 * forms are those of float_avx512.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx512.h"

/* ---- codes ---- */

/* The first n inputs of a unit. */
static WH_INLINE void decode_unit(float *out, const uint8_t *unit, size_t n,
                                  const wh_meaning_avx512 *m, const wh_values_avx512 *f)
{
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        if (4 * v >= n) continue;
        const __m512i octets = f->codes(unit, v);
        WH_UNROLL
        for (unsigned i = 0; i < 4; i++)
            if (4 * v + i < n)
                _mm512_store_ps(out + (4 * v + i) * WH_PANEL, f->value(octets, i, m));
    }
}

static WH_INLINE void codes(const wh_decode_args *a, wh_meaning_avx512 m, const wh_values_avx512 *f)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1;) {
        const size_t g = k / w->group, left = w->group - k % w->group;
        const size_t last = a->k1 - k < left ? a->k1 : k + left;
        m.zero = wh_zero_avx512(w, (a->p * w->groups + g) * WH_PANEL);
        while (k < last) {
            const uint8_t *unit = data + k * f->bits * LINE / WH_UNIT;
            const size_t n = last - k < WH_UNIT ? last - k : WH_UNIT;
            if (n == WH_UNIT)
                decode_unit(out, unit, WH_UNIT, &m, f);
            else
                decode_unit(out, unit, n, &m, f);
            k += n;
            out += n * WH_PANEL;
        }
    }
}

static WH_INLINE wh_meaning_avx512 no_table(void)
{
    const __m512 none = _mm512_setzero_ps();
    return (wh_meaning_avx512){ none, none, none };
}

void wh_decode_q2_avx512(const wh_decode_args *a)
{
    if (a->w->zero)
        codes(a, no_table(), &wh_q2z_avx512);
    else
        codes(a, wh_integers_avx512(2, a->w->centre), &wh_q2_avx512);
}

void wh_decode_q3_avx512(const wh_decode_args *a)
{
    if (a->w->zero)
        codes(a, no_table(), &wh_q3z_avx512);
    else
        codes(a, wh_integers_avx512(3, a->w->centre), &wh_q3_avx512);
}

void wh_decode_q4_avx512(const wh_decode_args *a)
{
    if (a->w->zero)
        codes(a, no_table(), &wh_q4z_avx512);
    else
        codes(a, wh_integers_avx512(4, a->w->centre), &wh_q4_avx512);
}

void wh_decode_q5_avx512(const wh_decode_args *a)
{
    if (a->w->zero)
        codes(a, no_table(), &wh_q5z_avx512);
    else
        codes(a, wh_integers_avx512(5, a->w->centre), &wh_q5_avx512);
}

void wh_decode_q6_avx512(const wh_decode_args *a)
{
    codes(a, no_table(), &wh_q6_avx512);
}

void wh_decode_q8_avx512(const wh_decode_args *a)
{
    codes(a, no_table(), &wh_q8_avx512);
}

void wh_decode_t4_avx512(const wh_decode_args *a)
{
    wh_meaning_avx512 table = no_table();
    table.low = _mm512_loadu_ps(a->w->table);
    codes(a, table, &wh_q4_avx512);
}

void wh_decode_f8_avx512(const wh_decode_args *a)
{
    if (a->w->e5m2)
        codes(a, no_table(), &wh_e5m2_values_avx512);
    else
        codes(a, no_table(), &wh_e4m3_values_avx512);
}

/* ---- blocks: whole units ---- */

static WH_INLINE void blocks(const wh_decode_args *a, const wh_values_avx512 *f)
{
    const whit_weight *w = a->w;
    const wh_meaning_avx512 m = wh_meaning_of_avx512(w, f);
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1; k += WH_UNIT) {
        wh_affine_avx512 affine = { m.zero, m.zero };
        WH_UNROLL
        for (unsigned v = 0; v < WH_UNIT / 4; v++) {
            if (v % f->each == 0) affine = wh_affine_of_avx512(w, a->p, k + 4 * v, f);
            const __m512i octets = f->codes(data + k * f->bits * LINE / WH_UNIT, v);
            WH_UNROLL
            for (unsigned i = 0; i < 4; i++, out += WH_PANEL)
                _mm512_store_ps(out, wh_block_value_avx512(octets, i, &m, affine, f));
        }
    }
}

#define KIND(kind, ...)                                                                            \
    static void decode_##kind(const wh_decode_args *a)                                             \
    {                                                                                              \
        blocks(a, &wh_##kind##_avx512);                                                            \
    }
#define FORM(form, ...)                                                                            \
    void wh_decode_##form##_avx512(const wh_decode_args *a)                                        \
    {                                                                                              \
        WH_OF_KIND(a->w, decode_, __VA_ARGS__)(a);                                                 \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

/* ---- floats ---- */

static WH_INLINE void floats(const wh_decode_args *a, wh_column_avx512 *column)
{
    const uint8_t *data = a->w->data + a->p * a->w->panel_bytes;
    for (size_t k = a->k0; k < a->k1; k++)
        _mm512_store_ps(a->out + (k - a->k0) * WH_PANEL, column(data, k));
}

void wh_decode_f16_avx512(const wh_decode_args *a)
{
    floats(a, wh_f16_avx512);
}

void wh_decode_bf16_avx512(const wh_decode_args *a)
{
    floats(a, wh_bf16_avx512);
}
