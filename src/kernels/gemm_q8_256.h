/* src/kernels/gemm_q8_256.h - the loops of the integer products in 256-bit vectors.
 *
 * A lane is a row. A tile is one half of a panel, or both, by some tokens; all of these are known
 * where it is inlined, so that its sums stay in registers. One token is bound by memory: both
 * halves together, and the lines are asked for earlier than the hardware does. More are bound by
 * the multipliers. Not here: the codes of each form (codes_256.h), the products themselves, which
 * each file brings for its instruction set (gemm_form), and blocks of GGUF (gemm_blocks_256.h).
 *
 * Only static functions: a file that includes this is built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_256_H
#define WH_KERNELS_GEMM_Q8_256_H

#include "kernels/codes_256.h"
#include "kernels/gemm.h"
#include "kernels/scale_256.h"

#include <string.h>

enum {
    ROWS = 8,          /* of a vector */
    FOURS = 8,         /* vectors of codes in a unit: 4 inputs each */
    SUMS = 8,          /* most sums of a tile */
    AHEAD = 8192,      /* octets from the codes in use to those asked for */
    AHEAD_SCALE = 1024 /* the same for scales */
};

typedef struct gemm_form gemm_form;

/* The digits of a table's integers by code, in both halves of a vector. */
typedef struct levels {
    __m256i low, high;
    __m256 unit;
} levels;

/* Adds to sum[half][token] the products of vectors [first, first + count) of a unit, whose first
 * half is at `unit`, with the activations of the unit, at x + 64 * token. */
typedef void products_fn(__m256i *sum, const gemm_form *f, size_t halves, size_t tokens,
                         const uint8_t *unit, unsigned first, unsigned count, const int8_t *x,
                         const levels *table);

struct gemm_form {
    products_fn *products;
    codes_256_fn *codes;
    unsigned bits; /* of a code: as many lines has a unit */
    int offset;    /* what `products` takes from each code by itself */
    /* of blocks, gemm_blocks_256.h */
    unsigned sub;
    int minima;
    /* of tables */
    int digits; /* of their integers, 0: there is no table */
    int half;   /* units are taken by halves, which are whole lines */
};

/* The integer of a single digit, or the code itself. */
static WH_INLINE __m256i integer_of(const gemm_form *f, __m256i code, const levels *table)
{
    return f->digits == 1 ? _mm256_shuffle_epi8(table->low, code) : code;
}

typedef struct tile {
    size_t row;           /* the first, a multiple of 8 */
    size_t halves;        /* 2: of one panel */
    size_t token, tokens; /* first token, how many */
} tile;

/* Where a tile is in its row: addresses, since they end beyond the planes. */
typedef struct walk {
    uintptr_t line, x, sx, xsum;
    size_t k, chunk;         /* inputs, octets of activations from 64 of them to the next */
    size_t step, group_left; /* inputs */
} walk;

/* 4 inputs of a token in every lane. */
static WH_INLINE __m256i spread(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

/* Add here: gcc would put off the additions of a whole unit, and spill what they add. */
static WH_INLINE void settle(__m256i *sum)
{
    __asm__("" : "+x"(*sum));
}

/* Leave it in memory: sixteen registers are few where a table and two digits' sums want them. */
static WH_INLINE void park(__m256 *v)
{
    __asm__("" : "+m"(*v));
}

static WH_INLINE void park_integers(__m256i *v)
{
    __asm__("" : "+m"(*v));
}

static WH_INLINE void fetch(const uint8_t *from, size_t ahead)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    _mm_prefetch((const char *)((uintptr_t)from + ahead), _MM_HINT_T0);
}

/* Scales of 8 rows, and their zero points times -1 for codes less `offset`. */
static WH_INLINE __m256 scales(const whit_weight *w, size_t at, const gemm_form *f,
                               const levels *table)
{
    const uint8_t *scale = (const uint8_t *)w->scale + at * wh_scale_bytes(w);
    const __m256 sw = wh_scales_256(scale, w->scale_type, w->scale2);
    return f->digits ? _mm256_mul_ps(sw, table->unit) : sw;
}

static WH_INLINE void load_levels(const whit_weight *w, levels *table)
{
    table->low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)w->low));
    table->high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)w->high));
    table->unit = _mm256_set1_ps(w->unit);
    park(&table->unit);
}

static WH_INLINE __m256i less_zeros(const whit_weight *w, size_t at, int offset)
{
    if (!w->zero) return _mm256_set1_epi32(offset - w->centre);
    const __m128i z = _mm_loadl_epi64((const __m128i *)(const void *)(w->zero + at));
    return _mm256_sub_epi32(_mm256_set1_epi32(offset), _mm256_cvtepu8_epi32(z));
}

/* Adds the products of one step: whole units, as the planes and the activations are. */
static WH_INLINE void sum_step(const gemm_form *f, const tile *t, walk *at, __m256i *sum,
                               const levels *table)
{
    const unsigned unit = f->half ? WH_UNIT / 2 : WH_UNIT, lines = f->bits * unit / WH_UNIT;
    const size_t inputs = at->group_left < at->step ? at->group_left : at->step;
    at->group_left -= inputs;
    for (size_t k = 0; k < inputs; k += unit) {
        const uint8_t *line = (const uint8_t *)at->line;
        if (t->tokens == 1) {
            WH_UNROLL
            for (size_t l = 0; l < lines; l++) fetch(line + l * LINE, AHEAD);
        }
        f->products(sum, f, t->halves, t->tokens, line + t->row % WH_PANEL * 4, 0, unit / 4,
                    (const int8_t *)at->x, table);
        at->line += lines * LINE;
        at->k += unit; /* 64 inputs of all tokens lie together */
        at->x += at->k % 64 ? unit : at->chunk - 64 + unit;
    }
}

/* One step: acc += (sum of code * xq - zero * xsum) * (sw * sx). */
static WH_INLINE void run_step(const gemm_form *f, const tile *t, walk *at, const __m256 *sw,
                               const __m256i *less, const levels *table, __m256 *acc)
{
    const float *sx = (const float *)at->sx;
    const int32_t *xsum = (const int32_t *)at->xsum;
    const size_t tokens = t->tokens;
    __m256i sum[SUMS];
    WH_UNROLL
    for (size_t s = 0; s < t->halves * tokens; s++)
        sum[s] = _mm256_mullo_epi32(less[s / tokens], _mm256_set1_epi32(xsum[s % tokens]));
    sum_step(f, t, at, sum, table);
    WH_UNROLL
    for (size_t s = 0; s < t->halves * tokens; s++) {
        const __m256 scale = _mm256_mul_ps(sw[s / tokens], _mm256_set1_ps(sx[s % tokens]));
        acc[s] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[s]), scale, acc[s]);
        if (f->digits) park(&acc[s]);
    }
    at->sx += at->chunk / 64 * sizeof *sx;
    at->xsum += at->chunk / 64 * sizeof *xsum;
}

/* Rows beyond the weight are not written. */
static WH_INLINE void store(const wh_gemm_args *a, const tile *t, const __m256 *acc)
{
    WH_UNROLL
    for (size_t h = 0; h < t->halves; h++) {
        const size_t row = t->row + h * ROWS;
        if (row >= a->w->rows) return;
        const size_t left = a->w->rows - row;
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i in =
            _mm256_cmpgt_epi32(_mm256_set1_epi32(left < ROWS ? (int)left : ROWS), lane);
        WH_UNROLL
        for (size_t j = 0; j < t->tokens; j++)
            _mm256_maskstore_ps(a->y + (t->token + j) * a->ldy + row, in, acc[h * t->tokens + j]);
    }
}

static WH_INLINE walk first_walk(const wh_gemm_args *a, const tile *t)
{
    const whit_weight *w = a->w;
    return (walk){ .line = (uintptr_t)(w->data + t->row / WH_PANEL * w->panel_bytes),
                   .x = (uintptr_t)(a->codes + t->token * 64),
                   .sx = (uintptr_t)(a->scale + t->token),
                   .xsum = (uintptr_t)(a->sum + t->token),
                   .chunk = a->tokens * 64,
                   .step = w->int_step };
}

static WH_INLINE void run_tile(const wh_gemm_args *a, const gemm_form *f, const tile *t)
{
    const whit_weight *w = a->w;
    const size_t panel = t->row / WH_PANEL;
    __m256 acc[SUMS], sw[2];
    __m256i less[2];
    levels table;
    walk at = first_walk(a, t);
    if (f->digits) load_levels(w, &table);
    WH_UNROLL
    for (size_t s = 0; s < t->halves * t->tokens; s++) acc[s] = _mm256_setzero_ps();
    size_t g = panel * w->groups * WH_PANEL + t->row % WH_PANEL;
    for (size_t left = w->cols; left; g += WH_PANEL) {
        WH_UNROLL
        for (size_t h = 0; h < t->halves; h++) {
            sw[h] = scales(w, g + h * ROWS, f, &table);
            less[h] = less_zeros(w, g + h * ROWS, f->offset);
            if (!f->digits) continue;
            park(&sw[h]);
            park_integers(&less[h]);
        }
        if (t->tokens == 1) fetch((const uint8_t *)w->scale + g * wh_scale_bytes(w), AHEAD_SCALE);
        at.group_left = left < w->group ? left : w->group;
        left -= at.group_left;
        while (at.group_left) run_step(f, t, &at, sw, less, &table, acc);
    }
    store(a, t, acc);
}

/* run_tile, or the same for blocks of GGUF. */
typedef void tile_fn(const wh_gemm_args *a, const gemm_form *f, const tile *t);

/* All of a call: `halves` of a panel by 4 tokens at a time, then what is left of the tokens. */
static WH_INLINE void gemm(const wh_gemm_args *a, tile_fn *run, const gemm_form *f, size_t halves)
{
    for (size_t row = a->p0 * WH_PANEL; row < a->p1 * WH_PANEL; row += WH_PANEL) {
        size_t j = 0;
        for (; a->tokens - j >= 4; j += 4)
            for (size_t h = 0; h < WH_PANEL; h += halves * ROWS)
                run(a, f, &(tile){ row + h, halves, j, 4 });
        if (a->tokens - j >= 2) {
            run(a, f, &(tile){ row, 2, j, 2 });
            j += 2;
        }
        if (j < a->tokens) run(a, f, &(tile){ row, 2, j, 1 });
    }
}
#endif
