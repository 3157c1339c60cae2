/* src/kernels/decode_avx2.c - values of a block of a panel as float32, AVX2.
 *
 * Once per block of inputs and many tokens. Groups begin and end with a unit, the row need not. The
 * forms are those of float_avx2.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx2.h"

/* ---- codes ---- */

/* The first n inputs of a unit. */
static WH_INLINE void decode_unit(float *out, const uint8_t *unit, size_t n,
                                  const wh_meaning_avx2 *m, const wh_values_avx2 *f)
{
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        if (4 * v >= n) continue;
        WH_UNROLL
        for (unsigned h = 0; h < 2; h++) {
            const __m256i octets = f->codes(unit + h * (LINE / 2), v);
            WH_UNROLL
            for (unsigned i = 0; i < 4; i++)
                if (4 * v + i < n)
                    _mm256_store_ps(out + (4 * v + i) * WH_PANEL + h * WH_HALF,
                                    f->value(octets, i, m, h));
        }
    }
}

static WH_INLINE void codes(const wh_decode_args *a, wh_meaning_avx2 m, const wh_values_avx2 *f)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1;) {
        const size_t g = k / w->group, left = w->group - k % w->group;
        const size_t last = a->k1 - k < left ? a->k1 : k + left;
        const size_t at = (a->p * w->groups + g) * WH_PANEL;
        if (f->zeros) {
            m.zero[0] = wh_zero_avx2(w, at);
            m.zero[1] = wh_zero_avx2(w, at + WH_HALF);
        }
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

void wh_decode_q2_avx2(const wh_decode_args *a)
{
    const wh_meaning_avx2 m = wh_integers_avx2(2, a->w->centre);
    if (a->w->zero)
        codes(a, m, &wh_q2z_avx2);
    else
        codes(a, m, &wh_q2_avx2);
}

void wh_decode_q3_avx2(const wh_decode_args *a)
{
    const wh_meaning_avx2 m = wh_integers_avx2(3, a->w->centre);
    if (a->w->zero)
        codes(a, m, &wh_q3z_avx2);
    else
        codes(a, m, &wh_q3_avx2);
}

void wh_decode_q4_avx2(const wh_decode_args *a)
{
    codes(a, wh_integers_avx2(4, 0), &wh_q4_avx2);
}

void wh_decode_q5_avx2(const wh_decode_args *a)
{
    codes(a, wh_integers_avx2(4, 0), &wh_q5_avx2);
}

void wh_decode_q6_avx2(const wh_decode_args *a)
{
    codes(a, wh_integers_avx2(4, 0), &wh_q6_avx2);
}

void wh_decode_q8_avx2(const wh_decode_args *a)
{
    codes(a, wh_integers_avx2(4, 0), &wh_q8_avx2);
}

void wh_decode_t4_avx2(const wh_decode_args *a)
{
    wh_meaning_avx2 table = wh_integers_avx2(4, 0);
    table.low = _mm256_loadu_ps(a->w->table);
    table.high = _mm256_loadu_ps(a->w->table + 8);
    codes(a, table, &wh_t4_avx2);
}

void wh_decode_f8_avx2(const wh_decode_args *a)
{
    if (a->w->e5m2)
        codes(a, wh_integers_avx2(4, 0), &wh_e5m2_values_avx2);
    else
        codes(a, wh_integers_avx2(4, 0), &wh_e4m3_values_avx2);
}

/* ---- blocks: whole units ---- */

static WH_INLINE void blocks(const wh_decode_args *a, const wh_values_avx2 *f)
{
    const whit_weight *w = a->w;
    const wh_meaning_avx2 m = wh_meaning_of_avx2(w, f);
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1; k += WH_UNIT, out += WH_UNIT * WH_PANEL) {
        const uint8_t *unit = data + k * f->bits * LINE / WH_UNIT;
        WH_UNROLL
        for (unsigned h = 0; h < 2; h++) {
            wh_affine_avx2 affine = { m.low, m.low };
            WH_UNROLL
            for (unsigned v = 0; v < WH_UNIT / 4; v++) {
                if (v % f->each == 0) affine = wh_affine_of_avx2(w, a->p, h, k + 4 * v, f);
                const __m256i octets = f->codes(unit + h * (LINE / 2), v);
                WH_UNROLL
                for (unsigned i = 0; i < 4; i++)
                    _mm256_store_ps(out + (4 * v + i) * WH_PANEL + h * WH_HALF,
                                    wh_block_value_avx2(octets, i, &m, affine, f));
            }
        }
    }
}

#define KIND(kind, ...)                                                                            \
    static void decode_##kind(const wh_decode_args *a)                                             \
    {                                                                                              \
        blocks(a, &wh_##kind##_avx2);                                                              \
    }
#define FORM(form, ...)                                                                            \
    void wh_decode_##form##_avx2(const wh_decode_args *a)                                          \
    {                                                                                              \
        WH_OF_KIND(a->w, decode_, __VA_ARGS__)(a);                                                 \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

/* ---- floats ---- */

static WH_INLINE void floats(const wh_decode_args *a, wh_column_avx2 *column)
{
    const uint8_t *data = a->w->data + a->p * a->w->panel_bytes;
    for (size_t k = a->k0; k < a->k1; k++) {
        float *out = a->out + (k - a->k0) * WH_PANEL;
        _mm256_store_ps(out, column(data, k, 0));
        _mm256_store_ps(out + WH_HALF, column(data, k, 1));
    }
}

void wh_decode_f16_avx2(const wh_decode_args *a)
{
    floats(a, wh_f16_avx2);
}

void wh_decode_bf16_avx2(const wh_decode_args *a)
{
    floats(a, wh_bf16_avx2);
}
