/* src/kernels/gemm_blocks_512.h - integer products of blocks of GGUF in 512-bit vectors.
 *
 * As gemm_q8_512.h, whose tiles and blocks of inputs they share. A step is one unit: sub-blocks of
 * 16 inputs are its halves, each multiplied with its own scale before they meet; 32 are the whole.
 * Multiplications are what limits several tokens, with as many ports for them as for the products
 * of codes, so what tokens share is done once: codes of 2 bits take the scale of their sub-block
 * along, and minima meet the sums of the activations as floats. The form's `sub` and `minima` are
 * constants wherever this is inlined.
 *
 * Only static functions: a file that includes this is built for AVX-512.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_BLOCKS_512_H
#define WH_KERNELS_GEMM_BLOCKS_512_H

#include "kernels/gemm_q8_512.h"

/* Where a tile is in its blocks; of the first panel, as gemm_spot. */
typedef struct block_spot {
    gemm_spot at;            /* scale: d */
    const uint8_t *min;      /* F16, of the group as d */
    const int8_t *sub_scale; /* of the step */
    const uint8_t *sub_min;
    size_t sub_apart; /* octets to the second panel's */
    size_t ahead_sub;
    __m512 d[2], m[2]; /* of the group */
} block_spot;

/* Of a group with two levels. */
typedef struct group_sums {
    float part[TILE][2][WH_PANEL];
    __m512 own;      /* that of one panel and token */
    const float *sx; /* of its first step */
    const int32_t *xsum;
} group_sums;

/* What is one alone stays in a register. */
static WH_INLINE __m512 take_part(const group_sums *g, unsigned i, unsigned j, unsigned panels,
                                  unsigned tokens)
{
    return panels * tokens == 1 ? g->own : _mm512_loadu_ps(g->part[j][i]);
}

static WH_INLINE void put_part(group_sums *g, unsigned i, unsigned j, __m512 part, unsigned panels,
                               unsigned tokens)
{
    if (panels * tokens == 1)
        g->own = part;
    else
        _mm512_storeu_ps(g->part[j][i], part);
}

static WH_INLINE __m512i factors(const int8_t *sub_scale)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)sub_scale));
}

static WH_INLINE block_spot first_block(gemm_block *s, const gemm_form *f, size_t j0)
{
    const whit_weight *w = s->a->w;
    const size_t sum = s->k0 / w->sum_step * s->a->tokens + j0;
    block_spot b = { .at = first_spot(s, f, j0) };
    b.at.xsum = s->a->sum + sum;
    if (f->minima)
        b.min = (const uint8_t *)(w->min + (s->panel * w->groups + s->k0 / w->group) * WH_PANEL);
    if (f->sub) {
        const size_t row = (s->panel * w->subs + s->k0 / f->sub) * WH_PANEL;
        b.sub_scale = w->sub_scale + row;
        if (f->minima) b.sub_min = w->sub_min + row;
        b.sub_apart = s->second * w->subs * WH_PANEL;
        b.ahead_sub = s->ahead_sub;
    }
    return b;
}

/* The multiples of the scale of sub-block h that codes of 2 bits stand for: entry c + 4 (row % 4)
 * of each quarter is for code c. */
static WH_INLINE levels fold(const block_spot *b, unsigned h, unsigned i)
{
    const void *scale = b->sub_scale + i * b->sub_apart + h * WH_PANEL;
    const __m512i spread =
        _mm512_set_epi32(0x0f0f0f0f, 0x0e0e0e0e, 0x0d0d0d0d, 0x0c0c0c0c, 0x0b0b0b0b, 0x0a0a0a0a,
                         0x09090909, 0x08080808, 0x07070707, 0x06060606, 0x05050505, 0x04040404,
                         0x03030303, 0x02020202, 0x01010101, 0x00000000);
    const __m512i once =
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(scale)), spread);
    const __m512i twice = _mm512_add_epi8(once, once);
    const __m512i odd = _mm512_maskz_mov_epi8(0xaaaaaaaaaaaaaaaa, once);
    return (levels){ .low = _mm512_mask_add_epi8(odd, 0xcccccccccccccccc, odd, twice) };
}

/* A unit whose codes take their scales along. There are minima, and no zero point. */
static WH_INLINE void sum_folded(__m512i sum[2][TILE], const block_spot *b, const gemm_form *f,
                                 unsigned panels, unsigned tokens)
{
    gemm_form folded = *f;
    folded.digits = FOLDED;
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) sum[0][j] = sum[1][j] = _mm512_setzero_si512();
    WH_UNROLL
    for (unsigned h = 0; h < 2; h++) {
        levels table[2];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) table[i] = fold(b, h, i);
        f->products(sum, &folded, b->at.line, b->at.line_apart, h * 4, FOURS / 2, b->at.x, panels,
                    tokens, table);
    }
}

/* sum = - centre * xsum of one sub-block; with minima there is no zero point. */
static WH_INLINE void open_sums(__m512i sum[2][TILE], const gemm_form *f, const int32_t *xsum,
                                int start, unsigned tokens)
{
    if (!f->minima) {
        open_equal(sum, xsum, start, tokens);
        return;
    }
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) sum[0][j] = sum[1][j] = _mm512_setzero_si512();
}

/* The sums of a unit times the factors of its sub-blocks. */
static WH_INLINE void sum_unit(__m512i sum[2][TILE], const block_spot *b, const gemm_form *f,
                               size_t stride, unsigned panels, unsigned tokens)
{
    const unsigned parts = f->sub == 16 ? 2 : 1;
    WH_UNROLL
    for (unsigned h = 0; h < parts; h++) {
        __m512i part[2][TILE];
        open_sums(part, f, b->at.xsum + h * stride, b->at.start, tokens);
        f->products(part, f, b->at.line, b->at.line_apart, h * 4, FOURS / parts, b->at.x, panels,
                    tokens, &b->at.table);
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            __m512i factor = _mm512_setzero_si512();
            if (f->sub) factor = factors(b->sub_scale + i * b->sub_apart + h * WH_PANEL);
            WH_UNROLL
            for (unsigned j = 0; j < tokens; j++) {
                const __m512i p = f->sub ? _mm512_mullo_epi32(part[i][j], factor) : part[i][j];
                sum[i][j] = h ? _mm512_add_epi32(sum[i][j], p) : p;
            }
        }
    }
}

/* Two levels: the unit joins its group. */
static WH_INLINE void join_group(const __m512i sum[2][TILE], group_sums *g, const block_spot *b,
                                 unsigned panels, unsigned tokens)
{
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        const __m512 sx = _mm512_set1_ps(b->at.sx[j]);
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++)
            put_part(g, i, j,
                     _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), sx,
                                     take_part(g, i, j, panels, tokens)),
                     panels, tokens);
    }
}

/* Integers of a tile's tokens, one next to the other. */
static WH_INLINE __m256i of_tokens(const int32_t *each, unsigned tokens)
{
    return _mm256_maskz_loadu_epi32((__mmask8)((1u << tokens) - 1), each);
}

/* Leave them in memory, whence each is spread by its load; gcc would take them out of the vector
 * that was stored, one by one. */
static WH_INLINE void park(float (*each)[TILE])
{
    __asm__("" : "+m"(*each));
}

/* (float)xsum * sx of some tokens. */
static WH_INLINE void put_scaled(float (*to)[TILE], const int32_t *xsum, const float *sx,
                                 unsigned tokens)
{
    const __m256 scale = _mm256_castsi256_ps(of_tokens((const void *)sx, tokens));
    _mm256_storeu_ps(*to, _mm256_mul_ps(_mm256_cvtepi32_ps(of_tokens(xsum, tokens)), scale));
    park(to);
}

/* The same of all sub-blocks of a group and a token that is alone, whose sums lie together. */
static WH_INLINE void put_group(float (*to)[TILE], const int32_t *xsum, const float *sx,
                                unsigned subs)
{
    if (subs == TILE) {
        put_scaled(to, xsum, sx, TILE);
        return;
    }
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512 each = _mm512_castps256_ps512(_mm256_loadu_ps(sx));
    const __m512 scale = _mm512_permutexvar_ps(twice, each);
    _mm512_storeu_ps(*to, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(xsum)), scale));
    park(to);
    park(to + 1);
}

/* One level. */
static WH_INLINE void close_unit(const __m512i sum[2][TILE], block_spot *b, const gemm_form *f,
                                 unsigned panels, unsigned tokens)
{
    float scaled[TILE];
    if (f->minima) put_scaled(&scaled, b->at.xsum, b->at.sx, tokens);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        const __m512 sx = _mm512_set1_ps(b->at.sx[j]);
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            __m512 acc = take_sum(&b->at, i, j, panels, tokens);
            acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), _mm512_mul_ps(b->d[i], sx), acc);
            if (f->minima) acc = _mm512_fnmadd_ps(_mm512_set1_ps(scaled[j]), b->m[i], acc);
            put_sum(&b->at, i, j, acc, panels, tokens);
        }
    }
}

/* The minima of a group's sub-blocks times the sums of their activations, before the group's
 * codes: a single token's sums wait for each other meanwhile. */
static WH_INLINE void sum_minima(__m512 mins[2][TILE], const block_spot *b, const gemm_form *f,
                                 size_t stride, unsigned panels, unsigned tokens)
{
    const unsigned subs = 256 / f->sub, each = WH_UNIT / f->sub;
    float scaled[16][TILE];
    if (tokens == 1)
        put_group(scaled, b->at.xsum, b->at.sx, subs);
    else
        for (unsigned s = 0; s < subs; s++)
            put_scaled(scaled + s, b->at.xsum + s * stride, b->at.sx + s / each * stride, tokens);
    WH_UNROLL
    for (unsigned c = 0; c < panels * tokens; c++)
        mins[c / tokens][c % tokens] = _mm512_setzero_ps();
    for (unsigned s = 0; s < subs; s++) {
        const float *x = tokens == 1 ? scaled[s / TILE] + s % TILE : scaled[s];
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const void *at = b->sub_min + i * b->sub_apart + s * WH_PANEL;
            const __m512 min = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at)));
            WH_UNROLL
            for (unsigned j = 0; j < tokens; j++)
                mins[i][j] = _mm512_fmadd_ps(min, _mm512_set1_ps(x[j]), mins[i][j]);
        }
    }
}

static WH_INLINE void take_minima(block_spot *b, const gemm_form *f, size_t stride, unsigned panels,
                                  unsigned tokens)
{
    __m512 mins[2][TILE];
    sum_minima(mins, b, f, stride, panels, tokens);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512 acc = take_sum(&b->at, i, j, panels, tokens);
            put_sum(&b->at, i, j, _mm512_fnmadd_ps(mins[i][j], b->m[i], acc), panels, tokens);
        }
    }
}

static WH_INLINE void open_parts(group_sums *g, unsigned panels, unsigned tokens)
{
    WH_UNROLL
    for (unsigned c = 0; c < panels * tokens; c++)
        put_part(g, c % panels, c / panels, _mm512_setzero_ps(), panels, tokens);
}

/* Two levels: what the codes of the group come to. */
static WH_INLINE void close_parts(const group_sums *g, block_spot *b, unsigned panels,
                                  unsigned tokens)
{
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++) {
        WH_UNROLL
        for (unsigned i = 0; i < panels; i++) {
            const __m512 acc = take_sum(&b->at, i, j, panels, tokens);
            const __m512 part = take_part(g, i, j, panels, tokens);
            put_sum(&b->at, i, j, _mm512_fmadd_ps(part, b->d[i], acc), panels, tokens);
        }
    }
}

/* Scales of the group at hand. */
static WH_INLINE void open_group(block_spot *b, const gemm_form *f, unsigned panels)
{
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        const size_t apart = i * b->at.rows_apart * b->at.scale_bytes;
        b->d[i] = scales(b->at.scale + apart, 2 * WH_PANEL);
        fetch(b->at.scale, b->at.ahead_scale + apart);
        if (!f->minima) continue;
        b->m[i] = scales(b->min + apart, 2 * WH_PANEL);
        fetch(b->min, b->at.ahead_scale + apart);
    }
}

/* The factors of a group of 256. */
static WH_INLINE void fetch_subs(const block_spot *b, const gemm_form *f, unsigned panels)
{
    const size_t octets = f->sub ? 256 / f->sub * WH_PANEL : 0;
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        WH_UNROLL
        for (size_t at = 0; at < octets; at += LINE) {
            const size_t ahead = b->ahead_sub + i * b->sub_apart + at;
            fetch((const uint8_t *)b->sub_scale, ahead);
            if (f->minima) fetch(b->sub_min, ahead);
        }
    }
}

static WH_INLINE void fetch_unit(const block_spot *b, const gemm_form *f, unsigned panels)
{
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        WH_UNROLL
        for (size_t t = 0; t < f->bits; t++)
            fetch(b->at.line + t * LINE, b->at.ahead + i * b->at.line_apart);
    }
}

/* The block of inputs, whole blocks of GGUF, times `tokens` tokens from j0 on. */
static WH_INLINE void run_blocks(gemm_block *s, const gemm_form *f, size_t j0, unsigned panels,
                                 unsigned tokens)
{
    const size_t group = s->a->w->group, stride = s->a->tokens, k1 = s->k1;
    const size_t subs = f->sub == 16 ? 2 : 1;
    block_spot b = first_block(s, f, j0);
    b.at.own = _mm512_setzero_ps();
    for (size_t k = s->k0; k < k1;) {
        const size_t end = f->sub ? k + group : k + WH_UNIT;
        group_sums g;
        open_group(&b, f, panels);
        fetch_subs(&b, f, panels);
        if (f->sub) open_parts(&g, panels, tokens);
        if (f->sub && f->minima) take_minima(&b, f, stride, panels, tokens);
        for (; k < end; k += WH_UNIT) {
            __m512i sum[2][TILE];
            fetch_unit(&b, f, panels);
            if (folds(f) && tokens > 2) /* as many as the tables pay for */
                sum_folded(sum, &b, f, panels, tokens);
            else
                sum_unit(sum, &b, f, stride, panels, tokens);
            if (f->sub)
                join_group(sum, &g, &b, panels, tokens);
            else
                close_unit(sum, &b, f, panels, tokens);
            b.at.line += f->bits * LINE;
            b.at.x += k % 64 ? b.at.chunk - WH_UNIT : WH_UNIT;
            b.at.sx += stride;
            b.at.xsum += subs * stride;
            if (f->sub) b.sub_scale += subs * WH_PANEL;
        }
        if (f->sub) close_parts(&g, &b, panels, tokens);
        b.at.scale += 2 * WH_PANEL;
        if (f->minima) b.min += 2 * WH_PANEL;
        if (f->sub && f->minima) b.sub_min += 256 / f->sub * WH_PANEL;
    }
    if (panels * tokens == 1) _mm512_storeu_ps(b.at.acc[0][0], b.at.own);
}

#endif
