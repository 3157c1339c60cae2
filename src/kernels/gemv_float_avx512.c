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

#define AHEAD_CODES 6144 /* octets of each panel; all panels together 8 to 12 KiB */
#define AHEAD_FLOATS 2048
#define AHEAD_BLOCKS 2048
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

/* The groups at hand, one a panel. */
typedef struct groups {
    const uint8_t *data[2]; /* the panels */
    wh_meaning_avx512 meaning[2];
    __m512 scale[2];
} groups;

/* part[panel][i % 4] += value * x for the first n inputs of the unit that begins at k, or of its
 * second half. */
static WH_INLINE void add_unit(__m512 part[2][4], const groups *g, const float *x, size_t k,
                               size_t n, size_t next, const wh_values_avx512 *f, unsigned panels)
{
    const size_t at = k * f->bits * LINE / WH_UNIT;
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        WH_UNROLL
        for (size_t t = 0; t < f->bits; t++) fetch(g->data[q] + at, next + t * LINE);
    }
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        if (4 * v >= n) continue;
        __m512i octets[2];
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) octets[q] = f->codes(g->data[q] + at, v);
        WH_UNROLL
        for (unsigned i = 0; i < 4; i++) {
            if (4 * v + i >= n) continue;
            const __m512 xi = _mm512_set1_ps(x[k + 4 * v + i]);
            WH_UNROLL
            for (unsigned q = 0; q < panels; q++)
                part[q][i] =
                    _mm512_fmadd_ps(f->value(octets[q], i, &g->meaning[q]), xi, part[q][i]);
        }
    }
}

/* acc[panel] += scale * the sum of the step [k, end); whole units but at the end of the row. */
static WH_INLINE void add_step(__m512 acc[2], const wh_gemv_args *a, const groups *g, size_t k,
                               size_t end, const wh_values_avx512 *f, unsigned panels)
{
    const size_t next = ahead(a->w, k * f->bits * LINE / WH_UNIT, AHEAD_CODES, panels);
    __m512 part[2][4];
    WH_UNROLL
    for (unsigned i = 0; i < 4 * panels; i++) part[i / 4][i % 4] = _mm512_setzero_ps();
    for (; end - k >= WH_UNIT; k += WH_UNIT) add_unit(part, g, a->x, k, WH_UNIT, next, f, panels);
    if (end - k == WH_UNIT / 2)
        add_unit(part, g, a->x, k, WH_UNIT / 2, next, f, panels);
    else if (k < end)
        add_unit(part, g, a->x, k, end - k, next, f, panels);
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        const __m512 even = _mm512_add_ps(part[q][0], part[q][1]);
        const __m512 odd = _mm512_add_ps(part[q][2], part[q][3]);
        acc[q] = _mm512_fmadd_ps(_mm512_add_ps(even, odd), g->scale[q], acc[q]);
    }
}

static WH_INLINE void steps_panels(const wh_gemv_args *a, size_t p, wh_meaning_avx512 meaning,
                                   const wh_values_avx512 *f, unsigned panels)
{
    const whit_weight *w = a->w;
    const size_t scale_bytes = wh_scale_bytes(w);
    groups now = { .meaning = { meaning, meaning } };
    __m512 acc[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
    for (unsigned q = 0; q < panels; q++) now.data[q] = w->data + (p + q) * w->panel_bytes;
    for (size_t g = 0, k = 0; g < w->groups; g++) {
        const size_t last = w->cols - k < w->group ? w->cols : k + w->group;
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) {
            const size_t at = ((p + q) * w->groups + g) * WH_PANEL;
            now.meaning[q].zero = wh_zero_avx512(w, at);
            now.scale[q] = wh_scale_avx512(w, at);
            fetch(w->scale, at * scale_bytes + AHEAD_SCALES);
            if (w->zero) fetch(w->zero, at + AHEAD_SCALES / 2);
        }
        while (k < last) {
            const size_t end = last - k < w->step ? last : k + w->step;
            add_step(acc, a, &now, k, end, f, panels);
            k = end;
        }
    }
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) store_rows(a, p + q, acc[q]);
}

static WH_INLINE void steps(const wh_gemv_args *a, wh_meaning_avx512 meaning,
                            const wh_values_avx512 *f)
{
    size_t p = a->p0;
    for (; p + 2 <= a->p1; p += 2) steps_panels(a, p, meaning, f, 2);
    if (p < a->p1) steps_panels(a, p, meaning, f, 1);
}

/* Forms whose values are not looked up. */
static WH_INLINE wh_meaning_avx512 no_table(void)
{
    const __m512 none = _mm512_setzero_ps();
    return (wh_meaning_avx512){ none, none, none };
}

void wh_gemv_q2_avx512(const wh_gemv_args *a)
{
    if (a->w->zero)
        steps(a, no_table(), &wh_q2z_avx512);
    else
        steps(a, wh_integers_avx512(2, a->w->centre), &wh_q2_avx512);
}

void wh_gemv_q3_avx512(const wh_gemv_args *a)
{
    if (a->w->zero)
        steps(a, no_table(), &wh_q3z_avx512);
    else
        steps(a, wh_integers_avx512(3, a->w->centre), &wh_q3_avx512);
}

void wh_gemv_q4_avx512(const wh_gemv_args *a)
{
    if (a->w->zero)
        steps(a, no_table(), &wh_q4z_avx512);
    else
        steps(a, wh_integers_avx512(4, a->w->centre), &wh_q4_avx512);
}

void wh_gemv_q5_avx512(const wh_gemv_args *a)
{
    if (a->w->zero)
        steps(a, no_table(), &wh_q5z_avx512);
    else
        steps(a, wh_integers_avx512(5, a->w->centre), &wh_q5_avx512);
}

void wh_gemv_q6_avx512(const wh_gemv_args *a)
{
    steps(a, no_table(), &wh_q6_avx512);
}

void wh_gemv_q8_avx512(const wh_gemv_args *a)
{
    steps(a, no_table(), &wh_q8_avx512);
}

void wh_gemv_t4_avx512(const wh_gemv_args *a)
{
    wh_meaning_avx512 table = no_table();
    table.low = _mm512_loadu_ps(a->w->table);
    steps(a, table, &wh_q4_avx512);
}

void wh_gemv_f8_avx512(const wh_gemv_args *a)
{
    if (a->w->e5m2)
        steps(a, no_table(), &wh_e5m2_values_avx512);
    else
        steps(a, no_table(), &wh_e4m3_values_avx512);
}

/* ---- blocks ---- */

/* acc[panel] += w * x for the unit that begins at k, each panel one chain. */
static WH_INLINE void add_block_unit(__m512 acc[MOST], const wh_gemv_args *a, size_t p, size_t k,
                                     const wh_meaning_avx512 *m, const wh_values_avx512 *f,
                                     unsigned panels)
{
    const whit_weight *w = a->w;
    const size_t at = k * f->bits * LINE / WH_UNIT;
    const size_t next = at + ahead(w, at, AHEAD_BLOCKS, panels);
    wh_affine_avx512 affine[MOST];
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        __m512i octets[MOST];
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) {
            const uint8_t *data = w->data + (p + q) * w->panel_bytes;
            if (v % f->each == 0) affine[q] = wh_affine_of_avx512(w, p + q, k + 4 * v, f);
            if (v < f->bits) fetch(data, next + v * LINE);
            octets[q] = f->codes(data + at, v);
        }
        WH_UNROLL
        for (unsigned i = 0; i < 4; i++) {
            const __m512 xi = _mm512_set1_ps(a->x[k + 4 * v + i]);
            WH_UNROLL
            for (unsigned q = 0; q < panels; q++)
                acc[q] = _mm512_fmadd_ps(wh_block_value_avx512(octets[q], i, m, affine[q], f), xi,
                                         acc[q]);
        }
    }
}

static WH_INLINE void fetch_scales(const whit_weight *w, size_t p, size_t k,
                                   const wh_values_avx512 *f)
{
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
    fetch(w->scale, at * (f->scale_type == WH_SCALE_F16 ? 2 : 1) + AHEAD_SCALES);
    if (f->minima) fetch(w->min, at * 2 + AHEAD_SCALES);
    if (!f->sub) return;
    const size_t sub = (p * w->subs + k / f->sub) * WH_PANEL;
    fetch(w->sub_scale, sub + AHEAD_SCALES);
    if (f->minima) fetch(w->sub_min, sub + AHEAD_SCALES);
}

static WH_INLINE void blocks_panels(const wh_gemv_args *a, size_t p, const wh_meaning_avx512 *m,
                                    const wh_values_avx512 *f, unsigned panels)
{
    __m512 acc[MOST];
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) acc[q] = _mm512_setzero_ps();
    for (size_t k = 0; k < a->w->cols; k += WH_UNIT) {
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) fetch_scales(a->w, p + q, k, f);
        add_block_unit(acc, a, p, k, m, f, panels);
    }
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) store_rows(a, p + q, acc[q]);
}

static WH_INLINE void blocks(const wh_gemv_args *a, const wh_values_avx512 *f)
{
    const wh_meaning_avx512 m = wh_meaning_of_avx512(a->w, f);
    size_t p = a->p0;
    for (; p + MOST <= a->p1; p += MOST) blocks_panels(a, p, &m, f, MOST);
    for (; p < a->p1; p++) blocks_panels(a, p, &m, f, 1);
}

#define KIND(kind, ...)                                                                            \
    static void gemv_##kind(const wh_gemv_args *a)                                                 \
    {                                                                                              \
        blocks(a, &wh_##kind##_avx512);                                                            \
    }
#define FORM(form, ...)                                                                            \
    void wh_gemv_##form##_avx512(const wh_gemv_args *a)                                            \
    {                                                                                              \
        WH_OF_KIND(a->w, gemv_, __VA_ARGS__)(a);                                                   \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

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
