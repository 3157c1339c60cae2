/* src/kernels/gemm_q8_512.h - the loops of the integer products in 512-bit vectors.
 *
 * A lane is a row. Up to TILE tokens meet two panels at once, so that each load of activations
 * serves both; their int32 sums stay in registers, their float sums in the first-level cache. The
 * inputs are taken in blocks that this cache holds, so that more tokens than a tile find the codes
 * there, and each block asks for the memory of the next. One token, where memory is all that
 * counts, meets one panel: a single stream through the weight is read fastest. Not here: the
 * products themselves, which each file brings for its instruction set (gemm_form).
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_512_H
#define WH_KERNELS_GEMM_Q8_512_H

#include "kernels/gemm.h"
#include "kernels/inline.h"

#include <immintrin.h>
#include <string.h>

enum {
    TILE = 8,   /* tokens: with two panels, half of the registers */
    UNIT = 32,  /* inputs of one call of `products`; steps are multiples of it, or end the row */
    LINE = 64,  /* octets */
    BLOCK = 64, /* lines; a power of two, so that it divides WH_LONG_STEP */
    AHEAD = 128 /* lines from where a single panel is to what is fetched */
};

/* Adds to sum[panel][token] the products of `lines` lines of each panel, at most UNIT inputs, with
 * the activations at x + 64 * token. The lines of panel i start at line + i * apart. */
typedef void products_fn(__m512i sum[2][TILE], const uint8_t *line, size_t apart, size_t lines,
                         const int8_t *x, unsigned panels, unsigned tokens);

typedef struct gemm_form {
    products_fn *products;
    size_t line_inputs; /* of a line of data */
    int offset;         /* what `products` takes from each code by itself */
} gemm_form;

/* Some inputs of a panel or two: whole steps, or a piece of a longer one. */
typedef struct gemm_block {
    const wh_gemm_args *a;
    size_t panel; /* the first */
    size_t
        second; /* its distance to the second: 0, the same one, where a range of pairs ends odd */
    size_t k0, k1;
    size_t ahead, ahead_scale; /* octets from here to the block that comes next */
    float acc[WH_TOKENS][2][WH_PANEL];
    int32_t sum[WH_TOKENS][2][WH_PANEL]; /* of the step that the block before left open */
} gemm_block;

static WH_INLINE void fetch(const uint8_t *from, size_t ahead)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    _mm_prefetch((const char *)((uintptr_t)from + ahead), _MM_HINT_T0);
}

/* Where a tile is in its block. A local of run_tile: what the stores of sums could change would be
 * loaded again after each. Of the first panel; the second one's are `apart` further on, a multiple
 * of the distance of one row of a group's 16 scales or zero points. */
typedef struct gemm_spot {
    const uint8_t *line, *scale;
    const uint8_t *zero; /* NULL without zero points */
    size_t line_apart, rows_apart;
    size_t scale_bytes; /* of one row of 16 */
    int start;          /* offset - centre */
    const float *sx;
    const int32_t *xsum; /* of the step, from the tile's first token on */
    const int8_t *x;     /* of the unit, likewise */
    size_t chunk;        /* octets of activations from 64 inputs to the next */
    size_t ahead, ahead_scale;
    float (*acc)[2][WH_PANEL];
} gemm_spot;

static WH_INLINE __m512 scales(const uint8_t *scale, size_t bytes)
{
    return bytes == 2 * WH_PANEL ? _mm512_cvtph_ps(_mm256_loadu_si256((const void *)scale))
                                 : _mm512_loadu_ps(scale);
}

static WH_INLINE __m512i minus_zeros(const uint8_t *zero, int offset)
{
    const __m128i octets = _mm_loadu_si128((const void *)zero);
    return _mm512_sub_epi32(_mm512_set1_epi32(offset), _mm512_cvtepu8_epi32(octets));
}

static WH_INLINE void open_step(__m512i sum[2][TILE], const gemm_spot *at, int offset,
                                unsigned panels, unsigned tokens)
{
    if (!at->zero) { /* the same for both panels */
        const __m512i start = _mm512_set1_epi32(at->start);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++)
            sum[0][j] = sum[1][j] = _mm512_mullo_epi32(start, _mm512_set1_epi32(at->xsum[j]));
        return;
    }
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        const __m512i start = minus_zeros(at->zero + i * at->rows_apart * WH_PANEL, offset);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++)
            sum[i][j] = _mm512_mullo_epi32(start, _mm512_set1_epi32(at->xsum[j]));
    }
}

static WH_INLINE void close_step(const __m512i sum[2][TILE], const gemm_spot *at, unsigned panels,
                                 unsigned tokens)
{
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        const __m512 sw = scales(at->scale + i * at->rows_apart * at->scale_bytes, at->scale_bytes);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            float *acc = at->acc[j][i];
            const __m512 scale = _mm512_mul_ps(sw, _mm512_set1_ps(at->sx[j]));
            const __m512 whole = _mm512_cvtepi32_ps(sum[i][j]);
            _mm512_storeu_ps(acc, _mm512_fmadd_ps(whole, scale, _mm512_loadu_ps(acc)));
        }
    }
}

/* Sums of a step that goes on in the next block. */
static WH_INLINE void keep_step(const __m512i sum[2][TILE], int32_t (*kept)[2][WH_PANEL],
                                unsigned tokens)
{
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        _mm512_storeu_si512(kept[j][0], sum[0][j]);
        _mm512_storeu_si512(kept[j][1], sum[1][j]);
    }
}

static WH_INLINE void resume_step(__m512i sum[2][TILE], int32_t (*kept)[2][WH_PANEL],
                                  unsigned tokens)
{
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        sum[0][j] = _mm512_loadu_si512(kept[j][0]);
        sum[1][j] = _mm512_loadu_si512(kept[j][1]);
    }
}

/* n inputs of one step, from input k on. */
static WH_INLINE void run_step(__m512i sum[2][TILE], gemm_spot *at, const gemm_form *f, size_t k,
                               size_t n, unsigned panels, unsigned tokens)
{
    const size_t most = UNIT / f->line_inputs;
    for (size_t left = (n + f->line_inputs - 1) / f->line_inputs, now; left > 0; left -= now) {
        now = left < most ? left : most;
        WH_UNROLL
        for (size_t t = 0; t < most; t++) {
            fetch(at->line + t * LINE, at->ahead);
            if (panels == 2) fetch(at->line + t * LINE, at->ahead + at->line_apart);
        }
        f->products(sum, at->line, at->line_apart, now, at->x, panels, tokens);
        at->line += most * LINE;
        at->x += k % 64 ? at->chunk - UNIT : UNIT; /* 64 inputs of all tokens lie together */
        k += UNIT;
    }
}

static WH_INLINE gemm_spot first_spot(gemm_block *s, const gemm_form *f, size_t j0)
{
    const whit_weight *w = s->a->w;
    const size_t step = s->k0 / w->int_step * s->a->tokens + j0;
    const size_t row = s->panel * w->groups + s->k0 / w->group;
    const size_t scale_bytes = (w->scale_f16 ? 2 : 4) * WH_PANEL;
    const gemm_spot at = { .line =
                               w->data + s->panel * w->panel_bytes + s->k0 / f->line_inputs * LINE,
                           .scale = (const uint8_t *)w->scale + row * scale_bytes,
                           .zero = w->zero ? w->zero + row * WH_PANEL : NULL,
                           .line_apart = s->second * w->panel_bytes,
                           .rows_apart = s->second * w->groups,
                           .scale_bytes = scale_bytes,
                           .start = f->offset - w->centre,
                           .sx = s->a->scale + step,
                           .xsum = s->a->sum + step,
                           .x = s->a->codes + s->k0 / 64 * s->a->tokens * 64 + j0 * 64 + s->k0 % 64,
                           .chunk = s->a->tokens * 64,
                           .ahead = s->ahead,
                           .ahead_scale = s->ahead_scale,
                           .acc = s->acc + j0 };
    return at;
}

/* The block times `tokens` tokens from j0 on. One panel has its row in one block. */
static WH_INLINE void run_tile(gemm_block *s, const gemm_form *f, size_t j0, unsigned panels,
                               unsigned tokens)
{
    const whit_weight *w = s->a->w;
    const size_t step = w->int_step, group = w->group, cols = w->cols, k1 = s->k1;
    const size_t stride = s->a->tokens;
    gemm_spot at = first_spot(s, f, j0);
    size_t k = s->k0, next = k / step * step + step, change = k / group * group + group;
    int open = k + step != next; /* by the block before */
    while (k < k1) {
        const size_t end = next < k1 ? next : k1;
        __m512i sum[2][TILE];
        fetch(at.scale, at.ahead_scale);
        if (panels == 2) fetch(at.scale, at.ahead_scale + at.rows_apart * at.scale_bytes);
        if (panels == 2 && open)
            resume_step(sum, s->sum + j0, tokens);
        else
            open_step(sum, &at, f->offset, panels, tokens);
        run_step(sum, &at, f, k, end - k, panels, tokens);
        if (panels == 2 && end < next && end < cols) {
            keep_step(sum, s->sum + j0, tokens);
            return;
        }
        close_step(sum, &at, panels, tokens);
        open = 0;
        at.sx += stride;
        at.xsum += stride;
        k = end;
        next += step;
        if (k == change) {
            at.scale += at.scale_bytes;
            if (at.zero) at.zero += WH_PANEL;
            change += group;
        }
    }
}

static WH_INLINE void run_block(gemm_block *s, const gemm_form *f, size_t j0, unsigned tokens)
{
    switch (tokens) {
    case 1:
        run_tile(s, f, j0, 1, 1);
        break;
    case 2:
        run_tile(s, f, j0, 2, 2);
        break;
    case 3:
        run_tile(s, f, j0, 2, 3);
        break;
    case 4:
        run_tile(s, f, j0, 2, 4);
        break;
    case 5:
        run_tile(s, f, j0, 2, 5);
        break;
    case 6:
        run_tile(s, f, j0, 2, 6);
        break;
    case 7:
        run_tile(s, f, j0, 2, 7);
        break;
    default:
        run_tile(s, f, j0, 2, 8);
    }
}

/* run_block with the form of a file. */
typedef void block_fn(gemm_block *s, size_t j0, unsigned tokens);

static void store(const gemm_block *s, size_t panels)
{
    const wh_gemm_args *a = s->a;
    for (size_t i = 0; i < panels; i++) {
        const size_t row = (s->panel + i) * WH_PANEL, left = a->w->rows - row;
        const __mmask16 mask = (__mmask16)(left < WH_PANEL ? (1u << left) - 1 : 0xffffu);
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
    s->ahead_scale =
        (pair * w->groups + k / w->group - s->k0 / w->group) * WH_PANEL * (w->scale_f16 ? 2 : 4);
}

static void run_pair(gemm_block *s, block_fn *run, size_t line_inputs)
{
    const wh_gemm_args *a = s->a;
    const size_t step = a->w->int_step, most = BLOCK * line_inputs;
    const size_t length = step < most ? most / step * step : most;
    const size_t tiles = (a->tokens + TILE - 1) / TILE;
    for (s->k0 = 0; s->k0 < a->w->cols; s->k0 = s->k1) {
        s->k1 = a->w->cols - s->k0 < length ? a->w->cols : s->k0 + length;
        look_ahead(s, line_inputs);
        for (size_t t = 0; t < tiles; t++) { /* of nearly the same size */
            const size_t j0 = a->tokens * t / tiles, j1 = a->tokens * (t + 1) / tiles;
            run(s, j0, (unsigned)(j1 - j0));
        }
    }
}

static void run_single(gemm_block *s, block_fn *run, size_t line_inputs)
{
    const whit_weight *w = s->a->w;
    s->k0 = 0;
    s->k1 = w->cols;
    s->ahead = AHEAD * LINE; /* panels follow each other */
    s->ahead_scale = AHEAD * line_inputs / w->group * WH_PANEL * (w->scale_f16 ? 2 : 4);
    run(s, 0, 1);
}

static void gemm(const wh_gemm_args *a, block_fn *run, size_t line_inputs)
{
    const size_t most = a->tokens == 1 ? 1 : 2;
    gemm_block s;
    s.a = a;
    for (size_t p = a->p0; p < a->p1; p += most) {
        const size_t panels = a->p1 - p < most ? 1 : most;
        s.panel = p;
        s.second = panels - 1;
        memset(s.acc, 0, a->tokens * sizeof s.acc[0]);
        if (most == 1)
            run_single(&s, run, line_inputs);
        else
            run_pair(&s, run, line_inputs);
        store(&s, panels);
    }
}

#endif
