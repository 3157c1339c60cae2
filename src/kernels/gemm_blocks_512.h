/* src/kernels/gemm_blocks_512.h - integer products of blocks of GGUF in 512-bit vectors.
 *
 * As gemm_q8_512.h, whose tiles and blocks of inputs they share. A step is one unit: sub-blocks of
 * 16 inputs are its halves, each multiplied with its own scale before they meet; 32 are the whole.
 * Minima meet the sums of the activations, which fit 16 bits. The form's `sub` and `minima` are
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

/* sum = - centre * xsum, the same for both panels. */
static WH_INLINE void open_sums(__m512i sum[2][TILE], const gemm_spot *at, const gemm_form *f,
                                const int32_t *xsum, unsigned tokens)
{
    const __m512i start = _mm512_set1_epi32(at->start);
    WH_UNROLL
    for (unsigned j = 0; j < tokens; j++)
        sum[0][j] = sum[1][j] = f->minima ? _mm512_setzero_si512()
                                          : _mm512_mullo_epi32(start, _mm512_set1_epi32(xsum[j]));
}

/* The sums of a unit times the factors of its sub-blocks. */
static WH_INLINE void sum_unit(__m512i sum[2][TILE], const block_spot *b, const gemm_form *f,
                               size_t stride, unsigned panels, unsigned tokens)
{
    const unsigned parts = f->sub == 16 ? 2 : 1;
    WH_UNROLL
    for (unsigned h = 0; h < parts; h++) {
        __m512i part[2][TILE];
        open_sums(part, &b->at, f, b->at.xsum + h * stride, tokens);
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

/* The sum of min * xsum over the sub-blocks of the unit. Both fit 16 bits, the upper half of a min
 * is 0. */
static WH_INLINE __m512i sum_minima(const block_spot *b, const gemm_form *f, size_t stride,
                                    unsigned i, unsigned j)
{
    if (!f->sub) return _mm512_set1_epi32(b->at.xsum[j]);
    const uint8_t *min = b->sub_min + i * b->sub_apart;
    __m512i all = _mm512_madd_epi16(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)min)),
                                    _mm512_set1_epi32(b->at.xsum[j]));
    if (f->sub == 16) {
        const __m128i second = _mm_loadu_si128((const void *)(min + WH_PANEL));
        all = _mm512_add_epi32(all, _mm512_madd_epi16(_mm512_cvtepu8_epi32(second),
                                                      _mm512_set1_epi32(b->at.xsum[stride + j])));
    }
    return all;
}

static WH_INLINE void close_unit(const __m512i sum[2][TILE], block_spot *b, const gemm_form *f,
                                 size_t stride, unsigned panels, unsigned tokens)
{
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512 sx = _mm512_set1_ps(b->at.sx[j]);
            __m512 acc = take_sum(&b->at, i, j, panels, tokens);
            acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), _mm512_mul_ps(b->d[i], sx), acc);
            if (f->minima) {
                const __m512 mins = _mm512_cvtepi32_ps(sum_minima(b, f, stride, i, j));
                acc = _mm512_fmadd_ps(mins, _mm512_mul_ps(b->m[i], sx), acc);
            }
            put_sum(&b->at, i, j, acc, panels, tokens);
        }
    }
}

/* Scales of the group at hand; the minima with their signs turned, since they are taken away. */
static WH_INLINE void open_group(block_spot *b, const gemm_form *f, unsigned panels)
{
    const __m512 sign = _mm512_set1_ps(-0.0f);
    WH_UNROLL
    for (unsigned i = 0; i < panels; i++) {
        const size_t apart = i * b->at.rows_apart * b->at.scale_bytes;
        b->d[i] = scales(b->at.scale + apart, 2 * WH_PANEL);
        fetch(b->at.scale, b->at.ahead_scale + apart);
        if (!f->minima) continue;
        b->m[i] = _mm512_xor_ps(scales(b->min + apart, 2 * WH_PANEL), sign);
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
        open_group(&b, f, panels);
        fetch_subs(&b, f, panels);
        for (; k < end; k += WH_UNIT) {
            __m512i sum[2][TILE];
            fetch_unit(&b, f, panels);
            sum_unit(sum, &b, f, stride, panels, tokens);
            close_unit(sum, &b, f, stride, panels, tokens);
            b.at.line += f->bits * LINE;
            b.at.x += k % 64 ? b.at.chunk - WH_UNIT : WH_UNIT;
            b.at.sx += stride;
            b.at.xsum += subs * stride;
            if (f->sub) b.sub_scale += subs * WH_PANEL;
            if (f->sub && f->minima) b.sub_min += subs * WH_PANEL;
        }
        b.at.scale += 2 * WH_PANEL;
        if (f->minima) b.min += 2 * WH_PANEL;
    }
    if (panels * tokens == 1) _mm512_storeu_ps(b.at.acc[0][0], b.at.own);
}

#endif
