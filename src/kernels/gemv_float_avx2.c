/* src/kernels/gemv_float_avx2.c - one token of float activations, AVX2.
 *
 * The values never leave the registers. Of codes the four sums of one panel take half of them; of
 * floats several panels go together, since the chain of one would wait for its own sums. The lines
 * are asked for some KiB ahead.
 * Method: kernels.md 3.3, 4.1, 4.3.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx2.h"

#define AHEAD_CODES 4096  /* octets */
#define AHEAD_FLOATS 2048 /* octets of each panel */
#define AHEAD_SCALES 1024 /* octets: as many groups, or more */
#define AHEAD_BLOCKS 4096 /* octets of each panel */
#define MOST 4            /* panels of floats at once */
#define BLOCKS 2          /* panels of blocks */

static WH_INLINE void fetch(const void *base, size_t octets)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    _mm_prefetch((const char *)((uintptr_t)base + octets), _MM_HINT_T0);
}

static WH_INLINE void store_rows(const wh_gemv_args *a, size_t p, unsigned half, __m256 acc)
{
    const size_t row = p * WH_PANEL + half * WH_HALF;
    if (row + WH_HALF <= a->w->rows) {
        _mm256_storeu_ps(a->y + row, acc);
        return;
    }
    if (row >= a->w->rows) return;
    const __m256i left = _mm256_set1_epi32((int)(a->w->rows - row));
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(a->y + row, _mm256_cmpgt_epi32(left, lane), acc);
}

/* ---- codes ---- */

/* The group at hand. */
typedef struct group {
    const uint8_t *data; /* the panel */
    wh_meaning_avx2 meaning;
} group;

/* part[half][i % 4] += value * x for the first n inputs of the unit that begins at k, or of its
 * second half. */
static WH_INLINE void add_unit(__m256 part[2][4], const group *g, const float *x, size_t k,
                               size_t n, const wh_values_avx2 *f)
{
    const uint8_t *at = g->data + k * f->bits * LINE / WH_UNIT;
    WH_UNROLL
    for (size_t t = 0; t < f->bits; t++) fetch(at, AHEAD_CODES + t * LINE);
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        if (4 * v >= n) continue;
        const __m256i octets[2] = { f->codes(at, v), f->codes(at + LINE / 2, v) };
        WH_UNROLL
        for (unsigned i = 0; i < 4; i++) {
            if (4 * v + i >= n) continue;
            const __m256 xi = _mm256_broadcast_ss(x + k + 4 * v + i);
            WH_UNROLL
            for (unsigned h = 0; h < 2; h++)
                part[h][i] =
                    _mm256_fmadd_ps(f->value(octets[h], i, &g->meaning, h), xi, part[h][i]);
        }
    }
}

/* The sum of the step [k, end), without its scale; whole units but at the end of the row. */
static WH_INLINE void add_step(__m256 sum[2], const group *g, const float *x, size_t k, size_t end,
                               const wh_values_avx2 *f)
{
    __m256 part[2][4];
    WH_UNROLL
    for (unsigned i = 0; i < 8; i++) part[i / 4][i % 4] = _mm256_setzero_ps();
    for (; end - k >= WH_UNIT; k += WH_UNIT) add_unit(part, g, x, k, WH_UNIT, f);
    if (end - k == WH_UNIT / 2)
        add_unit(part, g, x, k, WH_UNIT / 2, f);
    else if (k < end)
        add_unit(part, g, x, k, end - k, f);
    WH_UNROLL
    for (unsigned h = 0; h < 2; h++)
        sum[h] = _mm256_add_ps(_mm256_add_ps(part[h][0], part[h][1]),
                               _mm256_add_ps(part[h][2], part[h][3]));
}

static WH_INLINE void steps_panel(const wh_gemv_args *a, size_t p, group now,
                                  const wh_values_avx2 *f)
{
    const whit_weight *w = a->w;
    const size_t scale_bytes = wh_scale_bytes(w);
    __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    now.data = w->data + p * w->panel_bytes;
    for (size_t g = 0, k = 0; g < w->groups; g++) {
        const size_t last = w->cols - k < w->group ? w->cols : k + w->group;
        const size_t at = (p * w->groups + g) * WH_PANEL;
        if (f->zeros) {
            now.meaning.zero[0] = wh_zero_avx2(w, at);
            now.meaning.zero[1] = wh_zero_avx2(w, at + WH_HALF);
            if (w->zero) fetch(w->zero, at + AHEAD_SCALES / 2);
        }
        fetch(w->scale, at * scale_bytes + AHEAD_SCALES);
        while (k < last) {
            const size_t end = last - k < w->step ? last : k + w->step;
            __m256 sum[2];
            add_step(sum, &now, a->x, k, end, f);
            WH_UNROLL
            for (unsigned h = 0; h < 2; h++)
                acc[h] = _mm256_fmadd_ps(sum[h], wh_scale_avx2(w, at + h * WH_HALF), acc[h]);
            k = end;
        }
    }
    WH_UNROLL
    for (unsigned h = 0; h < 2; h++) store_rows(a, p, h, acc[h]);
}

static WH_INLINE void steps(const wh_gemv_args *a, wh_meaning_avx2 m, const wh_values_avx2 *f)
{
    const group first = { .meaning = m };
    for (size_t p = a->p0; p < a->p1; p++) steps_panel(a, p, first, f);
}

void wh_gemv_q2_avx2(const wh_gemv_args *a)
{
    const wh_meaning_avx2 m = wh_integers_avx2(2, a->w->centre);
    if (a->w->zero)
        steps(a, m, &wh_q2z_avx2);
    else
        steps(a, m, &wh_q2_avx2);
}

void wh_gemv_q3_avx2(const wh_gemv_args *a)
{
    const wh_meaning_avx2 m = wh_integers_avx2(3, a->w->centre);
    if (a->w->zero)
        steps(a, m, &wh_q3z_avx2);
    else
        steps(a, m, &wh_q3_avx2);
}

void wh_gemv_q4_avx2(const wh_gemv_args *a)
{
    steps(a, wh_integers_avx2(4, 0), &wh_q4_avx2);
}

void wh_gemv_q5_avx2(const wh_gemv_args *a)
{
    steps(a, wh_integers_avx2(4, 0), &wh_q5_avx2);
}

void wh_gemv_q6_avx2(const wh_gemv_args *a)
{
    steps(a, wh_integers_avx2(4, 0), &wh_q6_avx2);
}

void wh_gemv_q8_avx2(const wh_gemv_args *a)
{
    steps(a, wh_integers_avx2(4, 0), &wh_q8_avx2);
}

void wh_gemv_t4_avx2(const wh_gemv_args *a)
{
    wh_meaning_avx2 table = wh_integers_avx2(4, 0);
    table.low = _mm256_loadu_ps(a->w->table);
    table.high = _mm256_loadu_ps(a->w->table + 8);
    steps(a, table, &wh_t4_avx2);
}

void wh_gemv_f8_avx2(const wh_gemv_args *a)
{
    if (a->w->e5m2)
        steps(a, wh_integers_avx2(4, 0), &wh_e5m2_values_avx2);
    else
        steps(a, wh_integers_avx2(4, 0), &wh_e4m3_values_avx2);
}

/* ---- blocks ---- */

/* acc[panel, half] += w * x for the unit that begins at k, each of them one chain. */
static WH_INLINE void add_block_unit(__m256 acc[2 * BLOCKS], const wh_gemv_args *a, size_t p,
                                     size_t k, const wh_meaning_avx2 *m, const wh_values_avx2 *f,
                                     unsigned panels)
{
    const whit_weight *w = a->w;
    const size_t at = k * f->bits * LINE / WH_UNIT;
    wh_affine_avx2 affine[2 * BLOCKS];
    WH_UNROLL
    for (unsigned v = 0; v < WH_UNIT / 4; v++) {
        __m256i octets[2 * BLOCKS];
        WH_UNROLL
        for (unsigned q = 0; q < 2 * panels; q++) {
            const uint8_t *unit = w->data + (p + q / 2) * w->panel_bytes + at;
            if (v % f->each == 0) affine[q] = wh_affine_of_avx2(w, p + q / 2, q % 2, k + 4 * v, f);
            if (v < f->bits && q % 2 == 0) fetch(unit, AHEAD_BLOCKS + v * LINE);
            octets[q] = f->codes(unit + q % 2 * (LINE / 2), v);
        }
        WH_UNROLL
        for (unsigned i = 0; i < 4; i++) {
            const __m256 xi = _mm256_broadcast_ss(a->x + k + 4 * v + i);
            WH_UNROLL
            for (unsigned q = 0; q < 2 * panels; q++)
                acc[q] =
                    _mm256_fmadd_ps(wh_block_value_avx2(octets[q], i, m, affine[q], f), xi, acc[q]);
        }
    }
}

static WH_INLINE void fetch_scales(const whit_weight *w, size_t p, size_t k,
                                   const wh_values_avx2 *f)
{
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
    fetch(w->scale, at * (f->scale_type == WH_SCALE_F16 ? 2 : 1) + AHEAD_SCALES);
    if (f->minima) fetch(w->min, at * 2 + AHEAD_SCALES);
    if (!f->sub) return;
    const size_t sub = (p * w->subs + k / f->sub) * WH_PANEL;
    fetch(w->sub_scale, sub + AHEAD_SCALES);
    if (f->minima) fetch(w->sub_min, sub + AHEAD_SCALES);
}

static WH_INLINE void blocks_panels(const wh_gemv_args *a, size_t p, const wh_meaning_avx2 *m,
                                    const wh_values_avx2 *f, unsigned panels)
{
    __m256 acc[2 * BLOCKS];
    WH_UNROLL
    for (unsigned q = 0; q < 2 * panels; q++) acc[q] = _mm256_setzero_ps();
    for (size_t k = 0; k < a->w->cols; k += WH_UNIT) {
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) fetch_scales(a->w, p + q, k, f);
        add_block_unit(acc, a, p, k, m, f, panels);
    }
    WH_UNROLL
    for (unsigned q = 0; q < 2 * panels; q++) store_rows(a, p + q / 2, q % 2, acc[q]);
}

static WH_INLINE void blocks(const wh_gemv_args *a, const wh_values_avx2 *f)
{
    const wh_meaning_avx2 m = wh_meaning_of_avx2(a->w, f);
    size_t p = a->p0;
    for (; p + BLOCKS <= a->p1; p += BLOCKS) blocks_panels(a, p, &m, f, BLOCKS);
    for (; p < a->p1; p++) blocks_panels(a, p, &m, f, 1);
}

#define KIND(kind, ...)                                                                            \
    static void gemv_##kind(const wh_gemv_args *a)                                                 \
    {                                                                                              \
        blocks(a, &wh_##kind##_avx2);                                                              \
    }
#define FORM(form, ...)                                                                            \
    void wh_gemv_##form##_avx2(const wh_gemv_args *a)                                              \
    {                                                                                              \
        WH_OF_KIND(a->w, gemv_, __VA_ARGS__)(a);                                                   \
    }
WH_BLOCK_KINDS(KIND)
WH_BLOCK_FORMS(FORM)

/* ---- floats ---- */

#define INPUTS 2 /* of a turn of the loop: a line of 2-octet values */

/* acc[panel] += w * x for inputs k..k+n-1, each row one chain. */
static WH_INLINE void add_columns(__m256 acc[MOST][2], const uint8_t *const data[MOST],
                                  const float *x, size_t k, unsigned n, wh_column_avx2 *column,
                                  unsigned panels)
{
    WH_UNROLL
    for (unsigned i = 0; i < n; i++) {
        const __m256 xi = _mm256_broadcast_ss(x + k + i);
        WH_UNROLL
        for (unsigned q = 0; q < 2 * panels; q++)
            acc[q / 2][q % 2] =
                _mm256_fmadd_ps(column(data[q / 2], k + i, q % 2), xi, acc[q / 2][q % 2]);
    }
}

static WH_INLINE void chain_panels(const wh_gemv_args *a, size_t p, wh_column_avx2 *column,
                                   size_t column_bytes, unsigned panels)
{
    const whit_weight *w = a->w;
    const uint8_t *data[MOST];
    __m256 acc[MOST][2];
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        data[q] = w->data + (p + q) * w->panel_bytes;
        acc[q][0] = acc[q][1] = _mm256_setzero_ps();
    }
    size_t k = 0;
    for (; k + INPUTS <= w->cols; k += INPUTS) {
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++)
            for (size_t i = 0; i < INPUTS * column_bytes; i += LINE)
                fetch(data[q], k * column_bytes + i + AHEAD_FLOATS);
        add_columns(acc, data, a->x, k, INPUTS, column, panels);
    }
    for (; k < w->cols; k++) add_columns(acc, data, a->x, k, 1, column, panels);
    WH_UNROLL
    for (unsigned q = 0; q < 2 * panels; q++) store_rows(a, p + q / 2, q % 2, acc[q / 2][q % 2]);
}

static WH_INLINE void chain(const wh_gemv_args *a, wh_column_avx2 *column, size_t column_bytes)
{
    size_t p = a->p0;
    for (; p + MOST <= a->p1; p += MOST) chain_panels(a, p, column, column_bytes, MOST);
    for (; p < a->p1; p++) chain_panels(a, p, column, column_bytes, 1);
}

void wh_gemv_f32_avx2(const wh_gemv_args *a)
{
    chain(a, wh_f32_avx2, 64);
}

void wh_gemv_f16_avx2(const wh_gemv_args *a)
{
    chain(a, wh_f16_avx2, 32);
}

void wh_gemv_bf16_avx2(const wh_gemv_args *a)
{
    chain(a, wh_bf16_avx2, 32);
}
