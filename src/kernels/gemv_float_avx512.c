/* src/kernels/gemv_float_avx512.c - one token of float activations, AVX-512.
 *
 * The values never leave the registers. Several panels at once: each is a stream for the memory,
 * and the chain of a panel alone would wait for its own sums. The lines are asked for some KiB
 * ahead, at the end of the panels in those that come next.
 * Method: kernels.md 3.3, 4.1, 8.1.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx512.h"

#define LINE 64          /* octets */
#define AHEAD_CODES 6144 /* octets of each panel; all panels together 8 to 12 KiB */
#define AHEAD_FLOATS 2048
#define AHEAD_SCALES 1024 /* octets: as many groups, or more */
#define MOST 4            /* panels at once */

/* How far ahead of octet `at` the panels' lines are asked for. */
static WH_INLINE size_t ahead(const whit_weight *w, size_t at, size_t far, unsigned panels)
{
    return at + far < w->panel_bytes ? far : far + (panels - 1) * w->panel_bytes;
}

static WH_INLINE void fetch(const void *base, size_t octets)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    _mm_prefetch((const char *)((uintptr_t)base + octets), _MM_HINT_T0);
}

static WH_INLINE void store_rows(const wh_gemv_args *a, size_t p, __m512 acc)
{
    const size_t row = p * WH_PANEL, left = a->w->rows - row;
    const unsigned mask = left < WH_PANEL ? (1u << left) - 1 : 0xffffu;
    _mm512_mask_storeu_ps(a->y + row, (__mmask16)mask, acc);
}

/* ---- codes ---- */

/* What a form's loop is made of; constant wherever it is inlined. */
typedef struct form {
    wh_value_avx512 *value;
    unsigned inputs; /* of a line */
    unsigned panels;
} form;

/* The groups at hand, one a panel. */
typedef struct groups {
    const uint8_t *data[2]; /* the panels */
    __m512 zero[2], scale[2];
    __m512 table;
} groups;

/* part[panel][i % 4] += value * x for the first n inputs of the line that begins at k. */
static WH_INLINE void add_line(__m512 part[2][4], const groups *g, const float *x, size_t k,
                               size_t n, size_t next, form f)
{
    const size_t at = k / f.inputs * LINE;
    __m512i line[2];
    WH_UNROLL
    for (unsigned q = 0; q < f.panels; q++) {
        line[q] = _mm512_load_si512(g->data[q] + at);
        fetch(g->data[q] + at, next);
    }
    WH_UNROLL
    for (unsigned i = 0; i < f.inputs; i++) {
        if (i >= n) continue;
        const __m512 xi = _mm512_set1_ps(x[k + i]);
        WH_UNROLL
        for (unsigned q = 0; q < f.panels; q++)
            part[q][i % 4] =
                _mm512_fmadd_ps(f.value(line[q], i, g->table, g->zero[q]), xi, part[q][i % 4]);
    }
}

/* acc[panel] += scale * the sum of the step [k, end); whole lines but at the end of the row. */
static WH_INLINE void add_step(__m512 acc[2], const wh_gemv_args *a, const groups *g, size_t k,
                               size_t end, form f)
{
    const size_t next = ahead(a->w, k / f.inputs * LINE, AHEAD_CODES, f.panels);
    __m512 part[2][4];
    WH_UNROLL
    for (unsigned i = 0; i < 4 * f.panels; i++) part[i / 4][i % 4] = _mm512_setzero_ps();
    for (; end - k >= f.inputs; k += f.inputs) add_line(part, g, a->x, k, f.inputs, next, f);
    if (k < end) add_line(part, g, a->x, k, end - k, next, f);
    WH_UNROLL
    for (unsigned q = 0; q < f.panels; q++) {
        const __m512 even = _mm512_add_ps(part[q][0], part[q][1]);
        const __m512 odd = _mm512_add_ps(part[q][2], part[q][3]);
        acc[q] = _mm512_fmadd_ps(_mm512_add_ps(even, odd), g->scale[q], acc[q]);
    }
}

static WH_INLINE void steps_panels(const wh_gemv_args *a, size_t p, __m512 table, form f)
{
    const whit_weight *w = a->w;
    const size_t scale_bytes = w->scale_f16 ? 2 : 4;
    groups now = { .table = table };
    __m512 acc[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
    for (unsigned q = 0; q < f.panels; q++) now.data[q] = w->data + (p + q) * w->panel_bytes;
    for (size_t g = 0, k = 0; g < w->groups; g++) {
        const size_t last = w->cols - k < w->group ? w->cols : k + w->group;
        WH_UNROLL
        for (unsigned q = 0; q < f.panels; q++) {
            const size_t at = ((p + q) * w->groups + g) * WH_PANEL;
            now.zero[q] = wh_zero_avx512(w, at);
            now.scale[q] = wh_scale_avx512(w, at);
            fetch(w->scale, at * scale_bytes + AHEAD_SCALES);
            if (w->zero) fetch(w->zero, at + AHEAD_SCALES / 2);
        }
        while (k < last) {
            const size_t end = last - k < w->step ? last : k + w->step;
            add_step(acc, a, &now, k, end, f);
            k = end;
        }
    }
    WH_UNROLL
    for (unsigned q = 0; q < f.panels; q++) store_rows(a, p + q, acc[q]);
}

static WH_INLINE void steps(const wh_gemv_args *a, __m512 table, wh_value_avx512 *value,
                            unsigned inputs)
{
    size_t p = a->p0;
    for (; p + 2 <= a->p1; p += 2) steps_panels(a, p, table, (form){ value, inputs, 2 });
    if (p < a->p1) steps_panels(a, p, table, (form){ value, inputs, 1 });
}

void wh_gemv_q4_avx512(const wh_gemv_args *a)
{
    if (a->w->zero)
        steps(a, _mm512_setzero_ps(), wh_nibble_avx512, 8);
    else
        steps(a, wh_integers_avx512(a->w->centre), wh_entry_avx512, 8);
}

void wh_gemv_t4_avx512(const wh_gemv_args *a)
{
    steps(a, _mm512_loadu_ps(a->w->table), wh_entry_avx512, 8);
}

void wh_gemv_q8_avx512(const wh_gemv_args *a)
{
    steps(a, _mm512_setzero_ps(), wh_octet_avx512, 4);
}

/* ---- floats ---- */

#define INPUTS 4 /* of a turn of the loop */

/* acc[panel] += w * x for inputs k..k+n-1, each panel one chain. */
static WH_INLINE void add_columns(__m512 acc[MOST], const uint8_t *const data[MOST], const float *x,
                                  size_t k, unsigned n, wh_column_avx512 *column, unsigned panels)
{
    WH_UNROLL
    for (unsigned i = 0; i < n; i++) {
        const __m512 xi = _mm512_set1_ps(x[k + i]);
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++)
            acc[q] = _mm512_fmadd_ps(column(data[q], k + i), xi, acc[q]);
    }
}

static WH_INLINE void chain_panels(const wh_gemv_args *a, size_t p, wh_column_avx512 *column,
                                   size_t column_bytes, unsigned panels)
{
    const whit_weight *w = a->w;
    const uint8_t *data[MOST];
    __m512 acc[MOST];
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        data[q] = w->data + (p + q) * w->panel_bytes;
        acc[q] = _mm512_setzero_ps();
    }
    size_t k = 0;
    for (; k + INPUTS <= w->cols; k += INPUTS) {
        const size_t at = k * column_bytes, next = at + ahead(w, at, AHEAD_FLOATS, panels);
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++)
            for (size_t i = 0; i < INPUTS * column_bytes; i += LINE) fetch(data[q], next + i);
        add_columns(acc, data, a->x, k, INPUTS, column, panels);
    }
    for (; k < w->cols; k++) add_columns(acc, data, a->x, k, 1, column, panels);
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) store_rows(a, p + q, acc[q]);
}

static WH_INLINE void chain(const wh_gemv_args *a, wh_column_avx512 *column, size_t column_bytes)
{
    size_t p = a->p0;
    for (; p + MOST <= a->p1; p += MOST) chain_panels(a, p, column, column_bytes, MOST);
    for (; p < a->p1; p++) chain_panels(a, p, column, column_bytes, 1);
}

void wh_gemv_f32_avx512(const wh_gemv_args *a)
{
    chain(a, wh_f32_avx512, 64);
}

void wh_gemv_f16_avx512(const wh_gemv_args *a)
{
    chain(a, wh_f16_avx512, 32);
}

void wh_gemv_bf16_avx512(const wh_gemv_args *a)
{
    chain(a, wh_bf16_avx512, 32);
}
