/* src/kernels/gemm_q8_512.h - the loops of the integer products in 512-bit vectors.
 *
 * A lane is a row. Two panels go together, so that each load of activations serves both, and up to
 * TILE tokens, whose int32 sums stay in registers; float sums wait in the first-level cache. The
 * inputs are taken in blocks that the first-level cache holds, so that more tokens than a tile find
 * the codes there, and each block asks for the next one's memory. Not here: the products
 * themselves, which each file brings for its instruction set (gemm_form).
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_512_H
#define WH_KERNELS_GEMM_Q8_512_H

#include "kernels/gemm.h"

#include <immintrin.h>
#include <string.h>

/* The loops must become straight code for each number of tokens, or the sums leave the registers.
 */
#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum {
    TILE = 8,    /* tokens: 2 panels of sums take half of the registers */
    UNIT = 32,   /* inputs of one call of `products`; steps are multiples of it, or end the row */
    BLOCK = 512, /* inputs; a power of two, so that it divides WH_LONG_STEP */
    LINE = 64    /* octets */
};

/* Adds to sum[panel][token] the products of `lines` lines of each panel, at most UNIT inputs, with
 * the activations at x + 64 * token. */
typedef void products_fn(__m512i sum[2][TILE], const uint8_t *const line[2], size_t lines,
                         const int8_t *x, unsigned tokens);

typedef struct gemm_form {
    products_fn *products;
    size_t line_inputs; /* of a line of data */
    int offset;         /* what `products` takes from each code by itself */
} gemm_form;

/* Some inputs of two panels: whole steps, or a piece of a longer one. */
typedef struct gemm_block {
    const wh_gemm_args *a;
    size_t panel[2]; /* the same one twice where the range ends odd */
    size_t k0, k1;
    size_t ahead, ahead_scale; /* octets from here to the block that comes next */
    float acc[WH_TOKENS][2][WH_PANEL];
    int32_t sum[WH_TOKENS][2][WH_PANEL]; /* of the step that the block before left open */
} gemm_block;

INLINE void fetch(const uint8_t *from, size_t ahead)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    _mm_prefetch((const char *)((uintptr_t)from + ahead), _MM_HINT_T0);
}

INLINE __m512 scales(const whit_weight *w, size_t at)
{
    if (!w->scale_f16) return _mm512_loadu_ps((const float *)w->scale + at);
    const uint16_t *half = (const uint16_t *)w->scale + at;
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)half));
}

INLINE void fetch_scales(const whit_weight *w, const size_t at[2], size_t ahead)
{
    const size_t bytes = w->scale_f16 ? 2 : 4;
    fetch((const uint8_t *)w->scale + at[0] * bytes, ahead * bytes);
    fetch((const uint8_t *)w->scale + at[1] * bytes, ahead * bytes);
}

/* What a step starts with, for each unit of the sum of its activations. */
INLINE __m512i starts(const whit_weight *w, size_t at, int offset)
{
    if (!w->zero) return _mm512_set1_epi32(offset - w->centre);
    const __m128i zero = _mm_loadu_si128((const void *)(w->zero + at));
    return _mm512_sub_epi32(_mm512_set1_epi32(offset), _mm512_cvtepu8_epi32(zero));
}

INLINE void open_step(__m512i sum[2][TILE], const gemm_block *s, const size_t at[2], size_t b,
                      size_t j0, int offset, unsigned tokens)
{
    const int32_t *total = s->a->sum + b * s->a->tokens + j0;
    const __m512i start[2] = { starts(s->a->w, at[0], offset), starts(s->a->w, at[1], offset) };
    UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        sum[0][j] = _mm512_mullo_epi32(start[0], _mm512_set1_epi32(total[j]));
        sum[1][j] = _mm512_mullo_epi32(start[1], _mm512_set1_epi32(total[j]));
    }
}

INLINE void close_step(const __m512i sum[2][TILE], gemm_block *s, const size_t at[2], size_t b,
                       size_t j0, unsigned tokens)
{
    const float *scale = s->a->scale + b * s->a->tokens + j0;
    const __m512 sw[2] = { scales(s->a->w, at[0]), scales(s->a->w, at[1]) };
    UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        float(*acc)[WH_PANEL] = s->acc[j0 + j];
        const __m512 sx = _mm512_set1_ps(scale[j]);
        const __m512 s0 = _mm512_mul_ps(sw[0], sx), s1 = _mm512_mul_ps(sw[1], sx);
        const __m512 i0 = _mm512_cvtepi32_ps(sum[0][j]), i1 = _mm512_cvtepi32_ps(sum[1][j]);
        _mm512_storeu_ps(acc[0], _mm512_fmadd_ps(i0, s0, _mm512_loadu_ps(acc[0])));
        _mm512_storeu_ps(acc[1], _mm512_fmadd_ps(i1, s1, _mm512_loadu_ps(acc[1])));
    }
}

/* Sums of a step that goes on in the next block. */
INLINE void keep_step(const __m512i sum[2][TILE], gemm_block *s, size_t j0, unsigned tokens)
{
    UNROLL
    for (unsigned j = 0; j < tokens; j++)
        for (int i = 0; i < 2; i++) _mm512_storeu_si512(s->sum[j0 + j][i], sum[i][j]);
}

INLINE void resume_step(__m512i sum[2][TILE], const gemm_block *s, size_t j0, unsigned tokens)
{
    UNROLL
    for (unsigned j = 0; j < tokens; j++)
        for (int i = 0; i < 2; i++) sum[i][j] = _mm512_loadu_si512(s->sum[j0 + j][i]);
}

/* Inputs [k, end) of one step. */
INLINE void run_step(__m512i sum[2][TILE], const gemm_block *s, const gemm_form *f, size_t k,
                     size_t end, size_t j0, unsigned tokens)
{
    const whit_weight *w = s->a->w;
    const uint8_t *data[2] = { w->data + s->panel[0] * w->panel_bytes,
                               w->data + s->panel[1] * w->panel_bytes };
    for (; k < end; k += UNIT) {
        const size_t most = UNIT / f->line_inputs, rest = (end - k - 1) / f->line_inputs + 1;
        const int8_t *x = s->a->codes + (k / 64 * s->a->tokens + j0) * 64 + k % 64;
        const uint8_t *line[2] = { data[0] + k / f->line_inputs * LINE,
                                   data[1] + k / f->line_inputs * LINE };
        UNROLL
        for (size_t t = 0; t < most; t++) {
            fetch(line[0] + t * LINE, s->ahead);
            fetch(line[1] + t * LINE, s->ahead);
        }
        f->products(sum, line, rest < most ? rest : most, x, tokens);
    }
}

/* The block times `tokens` tokens from j0 on. */
INLINE void run_tile(gemm_block *s, const gemm_form *f, size_t j0, unsigned tokens)
{
    const whit_weight *w = s->a->w;
    const size_t step = w->int_step;
    size_t g = s->k0 / w->group;
    for (size_t k = s->k0, b = k / step; k < s->k1; b++) {
        const size_t end = (b + 1) * step < s->k1 ? (b + 1) * step : s->k1;
        const size_t at[2] = { (s->panel[0] * w->groups + g) * WH_PANEL,
                               (s->panel[1] * w->groups + g) * WH_PANEL };
        __m512i sum[2][TILE];
        fetch_scales(w, at, s->ahead_scale);
        if (k == b * step)
            open_step(sum, s, at, b, j0, f->offset, tokens);
        else
            resume_step(sum, s, j0, tokens);
        run_step(sum, s, f, k, end, j0, tokens);
        if (end == (b + 1) * step || end == w->cols)
            close_step(sum, s, at, b, j0, tokens);
        else
            keep_step(sum, s, j0, tokens);
        k = end;
        if (end == (g + 1) * w->group) g++;
    }
}

INLINE void run_block(gemm_block *s, const gemm_form *f, size_t j0, unsigned tokens)
{
    switch (tokens) {
    case 1:
        run_tile(s, f, j0, 1);
        break;
    case 2:
        run_tile(s, f, j0, 2);
        break;
    case 3:
        run_tile(s, f, j0, 3);
        break;
    case 4:
        run_tile(s, f, j0, 4);
        break;
    case 5:
        run_tile(s, f, j0, 5);
        break;
    case 6:
        run_tile(s, f, j0, 6);
        break;
    case 7:
        run_tile(s, f, j0, 7);
        break;
    default:
        run_tile(s, f, j0, 8);
    }
}

/* run_block with the form of a file. */
typedef void block_fn(gemm_block *s, size_t j0, unsigned tokens);

static void store_pair(const gemm_block *s, size_t panels)
{
    const wh_gemm_args *a = s->a;
    for (size_t i = 0; i < panels; i++) {
        const size_t row = s->panel[i] * WH_PANEL, left = a->w->rows - row;
        const __mmask16 mask = left < WH_PANEL ? (__mmask16)((1u << left) - 1) : 0xffff;
        for (size_t j = 0; j < a->tokens; j++)
            _mm512_mask_storeu_ps(a->y + j * a->ldy + row, mask, _mm512_loadu_ps(s->acc[j][i]));
    }
}

/* The distance to the block after this one, in the next pair of panels after the last. */
static void look_ahead(gemm_block *s, size_t line_inputs)
{
    const whit_weight *w = s->a->w;
    const size_t pair = s->k1 < w->cols ? 0 : 2, k = s->k1 < w->cols ? s->k1 : 0;
    s->ahead = pair * w->panel_bytes + k / line_inputs * LINE - s->k0 / line_inputs * LINE;
    s->ahead_scale = (pair * w->groups + k / w->group - s->k0 / w->group) * WH_PANEL;
}

static void run_pair(gemm_block *s, block_fn *run, size_t line_inputs)
{
    const wh_gemm_args *a = s->a;
    const size_t step = a->w->int_step, length = step < BLOCK ? BLOCK / step * step : BLOCK;
    const size_t tiles = (a->tokens + TILE - 1) / TILE;
    memset(s->acc, 0, a->tokens * sizeof s->acc[0]);
    for (s->k0 = 0; s->k0 < a->w->cols; s->k0 = s->k1) {
        s->k1 = a->w->cols - s->k0 < length ? a->w->cols : s->k0 + length;
        look_ahead(s, line_inputs);
        for (size_t t = 0; t < tiles; t++) { /* of nearly the same size */
            const size_t j0 = a->tokens * t / tiles, j1 = a->tokens * (t + 1) / tiles;
            run(s, j0, (unsigned)(j1 - j0));
        }
    }
}

static void gemm(const wh_gemm_args *a, block_fn *run, size_t line_inputs)
{
    gemm_block s;
    s.a = a;
    for (size_t p = a->p0; p < a->p1; p += 2) {
        const size_t panels = p + 1 < a->p1 ? 2 : 1;
        s.panel[0] = p;
        s.panel[1] = p + panels - 1;
        run_pair(&s, run, line_inputs);
        store_pair(&s, panels);
    }
}

#endif
