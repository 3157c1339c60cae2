/* src/kernels/gemm_256.h - integer codes times int8 activations in vectors of 8 rows: the loops.
 *
 * Included by one file for each form of codes and instruction set, which brings the sum over 32
 * inputs. A tile is some halves of panels (8 rows each) by some tokens, both known where it is
 * inlined, so that its sums live in registers. Its order of sums is that of kernels.h.
 *
 * One token is bound by memory: both halves of a panel at once, and the lines are asked for ahead
 * of the hardware's own guess. More tokens are bound by the multipliers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_256_H
#define WH_KERNELS_GEMM_256_H

#include <immintrin.h>
#include <string.h>

#include "kernels/gemm.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define ROWS 8          /* of a vector */
#define UNIT 32         /* inputs */
#define SUMS 8          /* most sums of a tile */
#define AHEAD 4096      /* octets of codes from the line in use to the line asked for */
#define AHEAD_SCALE 512 /* the same in the plane of scales */

/* What one file brings. The unit adds the products of 32 inputs to sum[half][token]; line is at the
 * first half, x at the first token, the next is 64 octets on. */
typedef void unit_fn(__m256i *sum, size_t halves, size_t tokens, const uint8_t *line,
                     const int8_t *x);
typedef struct kind {
    unit_fn *unit;
    size_t lines; /* 64 octets each, of a unit */
    int offset;   /* what the unit takes from every code */
} kind;

typedef struct tile {
    size_t row;           /* the first, a multiple of 8 */
    size_t halves;        /* 2: of one panel */
    size_t token, tokens; /* first token, how many */
} tile;

/* Where a tile is in its row. */
typedef struct walk {
    const uint8_t *line;
    const int8_t *x;
    size_t next, chunk; /* octets to the next 32 inputs: the rest of a chunk takes turns with 32 */
    const float *sx;
    const int32_t *xsum;
    size_t step, group_left; /* inputs */
} walk;

/* 4 inputs of a token in every lane. */
INLINE __m256i spread(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

INLINE __m256i half_line(const uint8_t *line)
{
    return _mm256_load_si256((const __m256i *)(const void *)line);
}

/* Add here: gcc would put off the additions of a whole unit, and spill what they add. */
INLINE void settle(__m256i *sum)
{
    __asm__("" : "+x"(*sum));
}

/* Scales of 8 rows, and their zero points times -1 for codes less `offset`. */
INLINE __m256 scales(const whit_weight *w, size_t at)
{
    if (!w->scale_f16) return _mm256_load_ps((const float *)w->scale + at);
    const uint16_t *half = (const uint16_t *)w->scale + at;
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)half));
}

INLINE __m256i less_zeros(const whit_weight *w, size_t at, int offset)
{
    if (!w->zero) return _mm256_set1_epi32(offset - w->centre);
    const __m128i z = _mm_loadl_epi64((const __m128i *)(const void *)(w->zero + at));
    return _mm256_sub_epi32(_mm256_set1_epi32(offset), _mm256_cvtepu8_epi32(z));
}

/* Adds the products of one step. */
INLINE void sum_step(const kind *c, const tile *t, walk *at, __m256i *sum)
{
    _Alignas(64) uint8_t last[UNIT * WH_PANEL];
    size_t inputs = at->group_left < at->step ? at->group_left : at->step;
    at->group_left -= inputs;
    do {
        const uint8_t *line = at->line;
        if (t->tokens == 1) {
            UNROLL
            for (size_t l = 0; l < c->lines; l++)
                _mm_prefetch((const char *)line + AHEAD + l * 64, _MM_HINT_T0);
        }
        if (inputs < UNIT) { /* the row ends within the unit: the plane may too */
            const size_t of_line = UNIT / c->lines;
            memset(last, 0, sizeof last);
            memcpy(last, line, (inputs + of_line - 1) / of_line * 64);
            line = last;
            inputs = UNIT;
        }
        c->unit(sum, t->halves, t->tokens, line + t->row % WH_PANEL * 4, at->x);
        at->line += c->lines * 64;
        at->x += at->next;
        at->next = at->chunk - at->next;
        inputs -= UNIT;
    } while (inputs);
}

/* One step: acc += (sum of code * xq - zero * xsum) * (sw * sx). */
INLINE void run_step(const kind *c, const tile *t, walk *at, const __m256 *sw, const __m256i *less,
                     __m256 *acc)
{
    __m256i sum[SUMS];
    UNROLL
    for (size_t s = 0; s < t->halves * t->tokens; s++)
        sum[s] =
            _mm256_mullo_epi32(less[s / t->tokens], _mm256_set1_epi32(at->xsum[s % t->tokens]));
    sum_step(c, t, at, sum);
    UNROLL
    for (size_t s = 0; s < t->halves * t->tokens; s++) {
        const __m256 scale =
            _mm256_mul_ps(sw[s / t->tokens], _mm256_set1_ps(at->sx[s % t->tokens]));
        acc[s] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[s]), scale, acc[s]);
    }
    at->sx += at->chunk / 64;
    at->xsum += at->chunk / 64;
}

/* Rows beyond the weight are not written. */
INLINE void store(const wh_gemm_args *a, const tile *t, const __m256 *acc)
{
    UNROLL
    for (size_t h = 0; h < t->halves; h++) {
        const size_t row = t->row + h * ROWS;
        const size_t left = row < a->w->rows ? a->w->rows - row : 0;
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i in =
            _mm256_cmpgt_epi32(_mm256_set1_epi32(left < ROWS ? (int)left : ROWS), lane);
        UNROLL
        for (size_t j = 0; j < t->tokens; j++)
            _mm256_maskstore_ps(a->y + (t->token + j) * a->ldy + row, in, acc[h * t->tokens + j]);
    }
}

INLINE void run_tile(const wh_gemm_args *a, const kind *c, const tile *t)
{
    const whit_weight *w = a->w;
    const size_t panel = t->row / WH_PANEL;
    __m256 acc[SUMS], sw[2];
    __m256i less[2];
    walk at = { .line = w->data + panel * w->panel_bytes,
                .x = a->codes + t->token * 64,
                .next = UNIT,
                .chunk = a->tokens * 64,
                .sx = a->scale + t->token,
                .xsum = a->sum + t->token,
                .step = w->int_step };
    UNROLL
    for (size_t s = 0; s < t->halves * t->tokens; s++) acc[s] = _mm256_setzero_ps();
    size_t g = panel * w->groups * WH_PANEL + t->row % WH_PANEL;
    for (size_t left = w->cols; left; g += WH_PANEL) {
        UNROLL
        for (size_t h = 0; h < t->halves; h++) {
            sw[h] = scales(w, g + h * ROWS);
            less[h] = less_zeros(w, g + h * ROWS, c->offset);
        }
        if (t->tokens == 1)
            _mm_prefetch((const char *)w->scale + g * (w->scale_f16 ? 2 : 4) + AHEAD_SCALE,
                         _MM_HINT_T0);
        at.group_left = left < w->group ? left : w->group;
        left -= at.group_left;
        while (at.group_left) run_step(c, t, &at, sw, less, acc);
    }
    store(a, t, acc);
}

/* All of a call: `halves` of a panel by 4 tokens at a time, then what is left of the tokens. */
INLINE void run(const wh_gemm_args *a, const kind *c, size_t halves)
{
    for (size_t row = a->p0 * WH_PANEL; row < a->p1 * WH_PANEL; row += WH_PANEL) {
        size_t j = 0;
        for (; a->tokens - j >= 4; j += 4)
            for (size_t h = 0; h < WH_PANEL; h += halves * ROWS)
                run_tile(a, c, &(tile){ row + h, halves, j, 4 });
        if (a->tokens - j >= 2) {
            run_tile(a, c, &(tile){ row, 2, j, 2 });
            j += 2;
        }
        if (j < a->tokens) run_tile(a, c, &(tile){ row, 2, j, 1 });
    }
}
#endif
