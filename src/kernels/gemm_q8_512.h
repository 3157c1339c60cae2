/* src/kernels/gemm_q8_512.h - the loops of the integer products in 512-bit vectors.
 *
 * A lane is a row. Up to TILE tokens meet two panels at once, so that each load of activations
 * serves both; their int32 sums stay in registers, their float sums in the first-level cache. The
 * inputs are taken in blocks that this cache holds, so that more tokens than a tile find the codes
 * there, and each block asks for the memory of the next. One token, where memory is all that
 * counts, meets one panel: a single stream through the weight is read fastest. Not here: the codes
 * of each form (codes_512.h), the products themselves, which each file brings for its instruction
 * set (gemm_form), and blocks of GGUF (gemm_blocks_512.h).
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_512_H
#define WH_KERNELS_GEMM_Q8_512_H

#include "kernels/codes_512.h"
#include "kernels/gemm.h"
#include "kernels/scale_512.h"

#include <string.h>

enum {
    TILE = 8,     /* tokens: with two panels, half of the registers */
    FOURS = 8,    /* vectors of codes in a unit: 4 inputs each */
    BLOCK = 4096, /* octets of a panel, about; a power of two, so that it divides WH_LONG_STEP */
    AHEAD = 8192, /* octets from where a single panel is to what is fetched */
    FOLDED = 3    /* digits of a form whose codes stand for their multiples */
};

typedef struct gemm_form gemm_form;

/* The digits of a table's integers by code, in every quarter of a vector. */
typedef struct levels {
    __m512i low, high;
} levels;

/* Adds to sum[panel][token] the products of vectors [first, first + count) of a unit with the
 * activations of the unit, at x + 64 * token. The unit of panel i is at unit + i * apart. */
typedef void products_fn(__m512i sum[2][TILE], const gemm_form *f, const uint8_t *unit,
                         size_t apart, unsigned first, unsigned count, const int8_t *x,
                         unsigned panels, unsigned tokens, const levels *table);

struct gemm_form {
    products_fn *products;
    codes_512_fn *codes;
    unsigned bits; /* of a code: as many lines has a unit */
    int offset;    /* what `products` takes from each code by itself */
    /* of blocks, gemm_blocks_512.h */
    unsigned sub;
    int minima;
    /* of tables */
    int digits; /* of their integers, 0: there is no table */
    int half;   /* units are taken by halves, which are whole lines */
};

/* Inputs that `products` takes at once. */
static WH_INLINE unsigned inputs_of(const gemm_form *f)
{
    return f->half ? WH_UNIT / 2 : WH_UNIT;
}

/* Codes of 2 bits times a scale of up to 15 are at most 45, which gemm_blocks_512.h finds in tables
 * where the file's products of such codes are exact: FOLDS. */
static WH_INLINE int folds(const gemm_form *f)
{
    return FOLDS && f->sub == 16 && f->bits == 2;
}

/* Codes of 2 bits times their scales, by a table with four entries for each row. */
static WH_INLINE __m512i folded_512(const uint8_t *unit, unsigned n, __m512i table)
{
    const __m512i row =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c));
    const __m512i code = moved_512(unit + n / 4 * LINE, 2 * (n % 4), 0);
    return _mm512_shuffle_epi8(table, joined_512(row, code, 3));
}

/* What a code stands for to `products`: itself, the integer of a single digit, or itself times a
 * scale of panel i. */
static WH_INLINE __m512i integer_of(const gemm_form *f, const uint8_t *unit, unsigned n,
                                    const levels *table, unsigned i)
{
    if (f->digits == FOLDED) return folded_512(unit, n, table[i].low);
    const __m512i code = f->codes(unit, n);
    return f->digits == 1 ? _mm512_shuffle_epi8(table->low, code) : code;
}

/* Octets of a panel up to input k, which begins a unit. */
static WH_INLINE size_t octets_to(const gemm_form *f, size_t k)
{
    return k / WH_UNIT * f->bits * LINE;
}

/* Some inputs of a panel or two: whole steps, or a piece of a longer one. */
typedef struct gemm_block {
    const wh_gemm_args *a;
    size_t panel; /* the first */
    size_t
        second; /* its distance to the second: 0, the same one, where a range of pairs ends odd */
    size_t k0, k1;
    size_t ahead, ahead_scale, ahead_sub; /* octets from here to the block that comes next */
    _Alignas(64) float acc[WH_TOKENS][2][WH_PANEL]; /* each a line of the cache */
    _Alignas(
        64) int32_t sum[WH_TOKENS][2][WH_PANEL]; /* of the step that the block before left open */
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
    wh_scale_type scale_type;
    float scale2, unit;
    levels table;
    float (*acc)[2][WH_PANEL];
    __m512 own; /* that of one panel and token */
} gemm_spot;

/* The float sum of a panel and token. What is one alone stays in a register. */
static WH_INLINE __m512 take_sum(const gemm_spot *at, unsigned i, unsigned j, unsigned panels,
                                 unsigned tokens)
{
    return panels * tokens == 1 ? at->own : _mm512_loadu_ps(at->acc[j][i]);
}

static WH_INLINE void put_sum(gemm_spot *at, unsigned i, unsigned j, __m512 sum, unsigned panels,
                              unsigned tokens)
{
    if (panels * tokens == 1)
        at->own = sum;
    else
        _mm512_storeu_ps(at->acc[j][i], sum);
}

static WH_INLINE __m512 scales(const uint8_t *scale, size_t bytes)
{
    return bytes == 2 * WH_PANEL ? _mm512_cvtph_ps(_mm256_loadu_si256((const void *)scale))
                                 : _mm512_loadu_ps(scale);
}

/* Of a group of panel i, for integers. */
static WH_INLINE __m512 int_scales(const gemm_spot *at, const gemm_form *f, unsigned i)
{
    const uint8_t *scale = at->scale + i * at->rows_apart * at->scale_bytes;
    if (!f->digits) return scales(scale, at->scale_bytes);
    const __m512 sw = wh_scales_512(scale, at->scale_type, at->scale2);
    return _mm512_mul_ps(sw, _mm512_set1_ps(at->unit));
}

static WH_INLINE __m512i minus_zeros(const uint8_t *zero, int offset)
{
    const __m128i octets = _mm_loadu_si128((const void *)zero);
    return _mm512_sub_epi32(_mm512_set1_epi32(offset), _mm512_cvtepu8_epi32(octets));
}

/* sum = factor * x of each token, the same for both panels. */
static WH_INLINE void open_equal(__m512i sum[2][TILE], const int32_t *x, int factor,
                                 unsigned tokens)
{
    const __m512i start = _mm512_set1_epi32(factor);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++)
        sum[0][j] = sum[1][j] = _mm512_mullo_epi32(start, _mm512_set1_epi32(x[j]));
}

static WH_INLINE void open_step(__m512i sum[2][TILE], const gemm_spot *at, int offset,
                                unsigned panels, unsigned tokens)
{
    if (!at->zero) { /* the same for both panels */
        open_equal(sum, at->xsum, at->start, tokens);
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

static WH_INLINE void close_step(const __m512i sum[2][TILE], gemm_spot *at, const gemm_form *f,
                                 unsigned panels, unsigned tokens)
{
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        const __m512 sw = int_scales(at, f, i);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512 scale = _mm512_mul_ps(sw, _mm512_set1_ps(at->sx[j]));
            const __m512 acc = take_sum(at, i, j, panels, tokens);
            put_sum(at, i, j, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), scale, acc), panels,
                    tokens);
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

/* n inputs of one step, from input k on: whole units, as the planes and the activations are. */
static WH_INLINE void run_step(__m512i sum[2][TILE], gemm_spot *at, const gemm_form *f, size_t k,
                               size_t n, unsigned panels, unsigned tokens)
{
    const unsigned unit = inputs_of(f), lines = f->bits * unit / WH_UNIT;
    for (const size_t end = k + n; k < end;) {
        WH_UNROLL
        for (size_t t = 0; t < lines; t++) {
            fetch(at->line + t * LINE, at->ahead);
            if (panels == 2) fetch(at->line + t * LINE, at->ahead + at->line_apart);
        }
        f->products(sum, f, at->line, at->line_apart, 0, unit / 4, at->x, panels, tokens,
                    &at->table);
        at->line += lines * LINE;
        k += unit; /* 64 inputs of all tokens lie together */
        at->x += k % 64 ? unit : at->chunk - 64 + unit;
    }
}

static WH_INLINE gemm_spot first_spot(gemm_block *s, const gemm_form *f, size_t j0)
{
    const whit_weight *w = s->a->w;
    const size_t step = s->k0 / w->int_step * s->a->tokens + j0;
    const size_t row = s->panel * w->groups + s->k0 / w->group;
    const size_t scale_bytes = wh_scale_bytes(w) * WH_PANEL;
    gemm_spot at = { .line = w->data + s->panel * w->panel_bytes + octets_to(f, s->k0),
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
    if (!f->digits) return at;
    at.scale_type = w->scale_type;
    at.scale2 = w->scale2;
    at.unit = w->unit;
    at.table.low = each_quarter_512(w->low);
    at.table.high = each_quarter_512(w->high);
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
    at.own = _mm512_setzero_ps(); /* a single panel has its row in one block */
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
        close_step(sum, &at, f, panels, tokens);
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
    if (panels * tokens == 1) _mm512_storeu_ps(at.acc[0][0], at.own);
}

/* One of run_tile, or the same for blocks of GGUF. */
typedef void tile_fn(gemm_block *s, const gemm_form *f, size_t j0, unsigned panels,
                     unsigned tokens);

/* With two digits there are no more than half of a tile's tokens. */
static WH_INLINE void run_block(gemm_block *s, tile_fn *run_tile_of, const gemm_form *f, size_t j0,
                                unsigned tokens)
{
    switch (tokens) {
    case 1:
        run_tile_of(s, f, j0, 1, 1);
        break;
    case 2:
        run_tile_of(s, f, j0, 2, 2);
        break;
    case 3:
        run_tile_of(s, f, j0, 2, 3);
        break;
    case 4:
        run_tile_of(s, f, j0, 2, 4);
        break;
    case 5:
        if (f->digits < 2) run_tile_of(s, f, j0, 2, 5);
        break;
    case 6:
        if (f->digits < 2) run_tile_of(s, f, j0, 2, 6);
        break;
    case 7:
        if (f->digits < 2) run_tile_of(s, f, j0, 2, 7);
        break;
    default:
        if (f->digits < 2) run_tile_of(s, f, j0, 2, 8);
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
static void look_ahead(gemm_block *s, size_t unit_bytes)
{
    const whit_weight *w = s->a->w;
    const size_t pair = s->k1 < w->cols ? 0 : 2, k = s->k1 < w->cols ? s->k1 : 0;
    s->ahead = pair * w->panel_bytes + k / WH_UNIT * unit_bytes - s->k0 / WH_UNIT * unit_bytes;
    s->ahead_scale =
        (pair * w->groups + k / w->group - s->k0 / w->group) * WH_PANEL * wh_scale_bytes(w);
    s->ahead_sub = w->sub ? (pair * w->subs + k / w->sub - s->k0 / w->sub) * WH_PANEL : 0;
}

/* Inputs of a block: whole steps, of blocks of GGUF whole ones, or a piece of a longer step. */
static size_t block_length(const whit_weight *w, size_t unit_bytes)
{
    const size_t whole = wh_form_is_block(w->form) ? w->group : w->int_step;
    const size_t most = BLOCK / unit_bytes * WH_UNIT;
    return whole < most ? most / whole * whole : most;
}

static void run_pair(gemm_block *s, block_fn *run, size_t unit_bytes)
{
    const wh_gemm_args *a = s->a;
    const size_t length = block_length(a->w, unit_bytes);
    const size_t widest = a->w->digits == 2 ? TILE / 2 : TILE;
    const size_t tiles = (a->tokens + widest - 1) / widest;
    for (s->k0 = 0; s->k0 < a->w->cols; s->k0 = s->k1) {
        s->k1 = a->w->cols - s->k0 < length ? a->w->cols : s->k0 + length;
        look_ahead(s, unit_bytes);
        for (size_t t = 0; t < tiles; t++) { /* of nearly the same size */
            const size_t j0 = a->tokens * t / tiles, j1 = a->tokens * (t + 1) / tiles;
            run(s, j0, (unsigned)(j1 - j0));
        }
    }
}

static void run_single(gemm_block *s, block_fn *run, size_t unit_bytes)
{
    const whit_weight *w = s->a->w;
    s->k0 = 0;
    s->k1 = w->cols;
    s->ahead = AHEAD; /* panels follow each other */
    const size_t inputs = AHEAD / unit_bytes * WH_UNIT;
    s->ahead_scale = inputs / w->group * WH_PANEL * wh_scale_bytes(w);
    s->ahead_sub = w->sub ? inputs / w->sub * WH_PANEL : 0;
    run(s, 0, 1);
}

static void gemm(const wh_gemm_args *a, block_fn *run)
{
    const size_t most = a->tokens == 1 ? 1 : 2;
    const size_t unit_bytes = WH_UNIT * wh_input_bytes(a->w->form);
    gemm_block s;
    s.a = a;
    for (size_t p = a->p0; p < a->p1; p += most) {
        const size_t panels = a->p1 - p < most ? 1 : most;
        s.panel = p;
        s.second = panels - 1;
        memset(s.acc, 0, a->tokens * sizeof s.acc[0]);
        if (most == 1)
            run_single(&s, run, unit_bytes);
        else
            run_pair(&s, run, unit_bytes);
        store(&s, panels);
    }
}

#endif
