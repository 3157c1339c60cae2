/* src/kernels/decode_neon.c - values of a block of a panel as float32, base NEON.
 *
 * Once per block of inputs and many tokens. What codes stand for: values_neon.h. Groups begin and
 * end with a unit, the row need not.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/values_neon.h"

/* The first n of 8 inputs from k on; `unit` holds them. */
static WH_INLINE void decode_eight(const value_kind *c, const meaning *m, const uint8_t *unit,
                                   size_t k, size_t n, float *out)
{
    WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) {
        float32x4_t v[EIGHT];
        values(c, m, q, unit + 16 * q, k % WH_UNIT / EIGHT, v);
        WH_UNROLL
        for (size_t i = 0; i < EIGHT; i++)
            if (i < n) vst1q_f32(out + i * WH_PANEL + 4 * q, v[i]);
    }
}

static WH_INLINE void decode_codes(const wh_decode_args *a, const value_kind *c)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    const size_t part = meaning_inputs(w, c);
    float *out = a->out;
    meaning m;
    if (!c->codes) load_table(w, &m);
    for (size_t k = a->k0; k < a->k1;) {
        const size_t next = (k / part + 1) * part, end = a->k1 < next ? a->k1 : next;
        load_meaning(w, c, a->p, k, &m);
        for (; end - k >= EIGHT; k += EIGHT, out += EIGHT * WH_PANEL)
            decode_eight(c, &m, data + k / WH_UNIT * value_bytes(c), k, EIGHT, out);
        if (k < end) decode_eight(c, &m, data + k / WH_UNIT * value_bytes(c), k, end - k, out);
        k = end;
    }
}

void wh_decode_q2_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_2 });
}

void wh_decode_q3_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_3 });
}

void wh_decode_q4_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_4 });
}

void wh_decode_q5_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_5 });
}

void wh_decode_q6_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_6 });
}

void wh_decode_q8_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = &code_8 });
}

void wh_decode_t4_neon(const wh_decode_args *a)
{
    decode_codes(a, &(const value_kind){ .codes = NULL });
}

void wh_decode_f8_neon(const wh_decode_args *a)
{
    if (a->w->e5m2)
        decode_codes(a, &(const value_kind){ .codes = &code_8, .e5m2 = 1 });
    else
        decode_codes(a, &(const value_kind){ .codes = &code_8, .e4m3 = 1 });
}

#define KIND(kind, ...)                                                                            \
    static void decode_##kind(const wh_decode_args *a)                                             \
    {                                                                                              \
        decode_codes(a, &kind_##kind);                                                             \
    }
#define FORM(form, ...)                                                                            \
    void wh_decode_##form##_neon(const wh_decode_args *a)                                          \
    {                                                                                              \
        WH_OF_KIND(a->w, decode_, __VA_ARGS__)(a);                                                 \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

static WH_INLINE void decode_floats(const wh_decode_args *a, column_fn *column)
{
    const uint8_t *data = a->w->data + a->p * a->w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0, end = a->k1; k < end; k++, out += WH_PANEL) {
        float32x4_t v[QUARTERS];
        column(data, k, v);
        WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) vst1q_f32(out + 4 * q, v[q]);
    }
}

void wh_decode_f16_neon(const wh_decode_args *a)
{
    decode_floats(a, column_f16);
}

void wh_decode_bf16_neon(const wh_decode_args *a)
{
    decode_floats(a, column_bf16);
}
