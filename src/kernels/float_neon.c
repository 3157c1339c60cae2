/* src/kernels/float_neon.c - products of one token with float activations, base NEON.
 *
 * A lane is a row; the orders of sums are those of kernels.h. Steps are multiples of 8 but for the
 * last of a row. Not here: what codes stand for (values_neon.h), tiles of several tokens
 * (tile_neon.c).
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/values_neon.h"

#define ABREAST 4 /* panels of floats at once: a sum is one chain, a fused add takes a while */
#define HALF 2    /* quarters of codes at once: with four sums a row, 8 chains */

/* ---- codes ---- */

/* The first n of 8 inputs of half a panel, from input k on; `unit` holds them. */
static WH_INLINE void add_eight(const value_kind *c, const meaning *m, size_t half,
                                const uint8_t *unit, const float *x, size_t k, size_t n,
                                float32x4_t (*part)[4])
{
    WH_UNROLL
    for (size_t q = 0; q < HALF; q++) {
        float32x4_t v[EIGHT];
        values(c, m, half * HALF + q, unit + (half * HALF + q) * 16, k % WH_UNIT / EIGHT, v);
        WH_UNROLL
        for (size_t i = 0; i < EIGHT; i++)
            if (i < n) part[q][i % 4] = vfmaq_n_f32(part[q][i % 4], v[i], x[k + i]);
    }
}

/* acc += a step, inputs [k, end), of half a panel. */
static WH_INLINE void add_step(const value_kind *c, const meaning *m, size_t half,
                               const uint8_t *data, const float *x, size_t k, size_t end,
                               const float32x4_t *scale, float32x4_t *acc)
{
    float32x4_t part[HALF][4];
    WH_UNROLL
    for (size_t q = 0; q < HALF; q++) zero_rows(part[q]);
    for (; end - k >= EIGHT; k += EIGHT)
        add_eight(c, m, half, data + k / WH_UNIT * value_bytes(c), x, k, EIGHT, part);
    if (k < end) add_eight(c, m, half, data + k / WH_UNIT * value_bytes(c), x, k, end - k, part);
    WH_UNROLL
    for (size_t q = 0; q < HALF; q++) {
        const size_t at = half * HALF + q;
        const float32x4_t even = vaddq_f32(part[q][0], part[q][1]);
        const float32x4_t odd = vaddq_f32(part[q][2], part[q][3]);
        acc[at] = vfmaq_f32(acc[at], vaddq_f32(even, odd), scale[at]);
    }
}

static WH_INLINE void gemv_codes(const wh_gemv_args *a, const value_kind *c)
{
    const whit_weight *w = a->w;
    meaning m;
    if (!c->codes) load_table(w, &m);
    for (size_t p = a->p0; p < a->p1; p++) {
        float32x4_t acc[QUARTERS], scale[QUARTERS];
        zero_rows(acc);
        for (size_t k = 0; k < w->cols; k += w->step) {
            const size_t end = w->cols - k < w->step ? w->cols : k + w->step;
            load_meaning(w, c, p, k, &m);
            load_scales(w, (p * w->groups + k / w->group) * WH_PANEL, scale);
            WH_UNROLL
            for (size_t half = 0; half < QUARTERS / HALF; half++)
                add_step(c, &m, half, w->data + p * w->panel_bytes, a->x, k, end, scale, acc);
        }
        store_rows(w, p, acc, a->y);
    }
}

/* ---- blocks ---- */

/* acc += inputs [k, end) of a sub-block. */
static WH_INLINE void add_block(const value_kind *c, const meaning *m, const uint8_t *data,
                                const float *x, size_t k, size_t end, float32x4_t *acc)
{
    for (; k < end; k += EIGHT) {
        const uint8_t *unit = data + k / WH_UNIT * value_bytes(c);
        WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            float32x4_t v[EIGHT];
            values(c, m, q, unit + 16 * q, k % WH_UNIT / EIGHT, v);
            WH_UNROLL
            for (size_t i = 0; i < EIGHT; i++) acc[q] = vfmaq_n_f32(acc[q], v[i], x[k + i]);
        }
    }
}

/* One chain an output, but most of the work is decoding: one panel at a time has chains enough. */
static WH_INLINE void gemv_blocks(const wh_gemv_args *a, const value_kind *c)
{
    const whit_weight *w = a->w;
    const size_t part = meaning_inputs(w, c);
    meaning m;
    if (!c->codes) load_table(w, &m);
    for (size_t p = a->p0; p < a->p1; p++) {
        float32x4_t acc[QUARTERS];
        zero_rows(acc);
        for (size_t k = 0; k < w->cols; k += part) {
            load_meaning(w, c, p, k, &m);
            add_block(c, &m, w->data + p * w->panel_bytes, a->x, k, k + part, acc);
        }
        store_rows(w, p, acc, a->y);
    }
}

/* ---- the forms ---- */

void wh_gemv_q2_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_2 });
}

void wh_gemv_q3_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_3 });
}

void wh_gemv_q4_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_4 });
}

void wh_gemv_q5_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_5 });
}

void wh_gemv_q6_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_6 });
}

void wh_gemv_q8_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = &code_8 });
}

void wh_gemv_t4_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &(const value_kind){ .codes = NULL });
}

void wh_gemv_f8_neon(const wh_gemv_args *a)
{
    if (a->w->e5m2)
        gemv_codes(a, &(const value_kind){ .codes = &code_8, .e5m2 = 1 });
    else
        gemv_codes(a, &(const value_kind){ .codes = &code_8, .e4m3 = 1 });
}

#define KIND(kind, ...)                                                                            \
    static void gemv_##kind(const wh_gemv_args *a)                                                 \
    {                                                                                              \
        gemv_blocks(a, &kind_##kind);                                                              \
    }
#define FORM(form, ...)                                                                            \
    void wh_gemv_##form##_neon(const wh_gemv_args *a)                                              \
    {                                                                                              \
        WH_OF_KIND(a->w, gemv_, __VA_ARGS__)(a);                                                   \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

/* ---- floats ---- */

static WH_INLINE void run_panels(const wh_gemv_args *a, column_fn *column, size_t p, size_t panels)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + p * w->panel_bytes;
    float32x4_t acc[ABREAST][QUARTERS];
    WH_UNROLL
    for (size_t i = 0; i < panels; i++) zero_rows(acc[i]);
    for (size_t k = 0; k < w->cols; k++) {
        WH_UNROLL
        for (size_t i = 0; i < panels; i++) {
            float32x4_t v[QUARTERS];
            column(data + i * w->panel_bytes, k, v);
            WH_UNROLL
            for (size_t q = 0; q < QUARTERS; q++) acc[i][q] = vfmaq_n_f32(acc[i][q], v[q], a->x[k]);
        }
    }
    WH_UNROLL
    for (size_t i = 0; i < panels; i++) store_rows(w, p + i, acc[i], a->y);
}

static WH_INLINE void gemv_floats(const wh_gemv_args *a, column_fn *column)
{
    size_t p = a->p0;
    for (; a->p1 - p >= ABREAST; p += ABREAST) run_panels(a, column, p, ABREAST);
    for (; p < a->p1; p++) run_panels(a, column, p, 1);
}

void wh_gemv_f32_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_f32);
}

void wh_gemv_f16_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_f16);
}

void wh_gemv_bf16_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_bf16);
}
