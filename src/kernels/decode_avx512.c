/* src/kernels/decode_avx512.c - values of a block of a panel as float32, AVX-512.
 *
 * Once per block of inputs and many tokens. Groups begin and end with a line, the row need not. The
 * forms are those of float_avx512.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx512.h"

/* ---- codes ---- */

/* The first n inputs of a line. */
static WH_INLINE void decode_line(float *out, const uint8_t *data, size_t n, __m512 table,
                                  __m512 zero, wh_value_avx512 *value, unsigned inputs)
{
    const __m512i line = _mm512_load_si512(data);
    WH_UNROLL
    for (unsigned i = 0; i < inputs; i++)
        if (i < n) _mm512_store_ps(out + i * WH_PANEL, value(line, i, table, zero));
}

static WH_INLINE void codes(const wh_decode_args *a, __m512 table, wh_value_avx512 *value,
                            unsigned inputs)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1;) {
        const size_t g = k / w->group, left = w->group - k % w->group;
        const size_t last = a->k1 - k < left ? a->k1 : k + left;
        const __m512 zero = wh_zero_avx512(w, (a->p * w->groups + g) * WH_PANEL);
        while (k < last) {
            const uint8_t *line = data + k / inputs * 64;
            const size_t n = last - k < inputs ? last - k : inputs;
            if (n == inputs)
                decode_line(out, line, inputs, table, zero, value, inputs);
            else
                decode_line(out, line, n, table, zero, value, inputs);
            k += n;
            out += n * WH_PANEL;
        }
    }
}

void wh_decode_q4_avx512(const wh_decode_args *a)
{
    if (a->w->zero)
        codes(a, _mm512_setzero_ps(), wh_nibble_avx512, 8);
    else
        codes(a, wh_integers_avx512(a->w->centre), wh_entry_avx512, 8);
}

void wh_decode_t4_avx512(const wh_decode_args *a)
{
    codes(a, _mm512_loadu_ps(a->w->table), wh_entry_avx512, 8);
}

void wh_decode_q8_avx512(const wh_decode_args *a)
{
    codes(a, _mm512_setzero_ps(), wh_octet_avx512, 4);
}

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
