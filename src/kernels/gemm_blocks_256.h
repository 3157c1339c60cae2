/* src/kernels/gemm_blocks_256.h - integer products of blocks of GGUF in 256-bit vectors.
 *
 * As gemm_q8_256.h, whose tiles they share. A step is one unit: sub-blocks of 16 inputs are its
 * halves, each multiplied with its own scale before they meet; 32 are the whole. Minima meet the
 * sums of the activations as floats. The form's `sub` and `minima` are constants wherever this is
 * inlined.
 *
 * Only static functions: a file that includes this is built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_BLOCKS_256_H
#define WH_KERNELS_GEMM_BLOCKS_256_H

#include "kernels/gemm_q8_256.h"

/* Where a tile is in its blocks. */
typedef struct block_walk {
    walk at;
    const int8_t *sub_scale; /* of the step */
    const uint8_t *sub_min;
    __m256 d[2], m[2]; /* of the group */
    levels table;
} block_walk;

static WH_INLINE __m256 halves_as_floats(const uint16_t *half)
{
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)half));
}

static WH_INLINE void open_group(block_walk *b, const whit_weight *w, const gemm_form *f,
                                 const tile *t, size_t g)
{
    const uint16_t *d = (const uint16_t *)w->scale + g;
    WH_UNROLL
    for (size_t h = 0; h < t->halves; h++) {
        b->d[h] = halves_as_floats(d + h * ROWS);
        if (f->minima) b->m[h] = halves_as_floats(w->min + g + h * ROWS);
    }
    if (t->tokens > 1) return;
    fetch((const uint8_t *)d, AHEAD_SCALE);
    if (f->minima) fetch((const uint8_t *)(w->min + g), AHEAD_SCALE);
}

/* The factors of the group of 256 that begins at the step. */
static WH_INLINE void fetch_subs(const block_walk *b, const gemm_form *f, const tile *t)
{
    const size_t octets = f->sub ? 256 / f->sub * WH_PANEL : 0;
    if (t->tokens > 1) return;
    WH_UNROLL
    for (size_t at = 0; at < octets; at += LINE) {
        fetch((const uint8_t *)b->sub_scale, AHEAD_SCALE + at);
        if (f->minima) fetch(b->sub_min, AHEAD_SCALE + at);
    }
}

static WH_INLINE __m256i factors(const int8_t *sub_scale)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)sub_scale));
}

static WH_INLINE __m256 minima_at(const uint8_t *sub_min)
{
    const __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)sub_min);
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}

/* The sums of a unit times the factors of its sub-blocks. */
static WH_INLINE void sum_unit(__m256i *sum, const block_walk *b, const gemm_form *f, const tile *t,
                               int centre, size_t stride)
{
    const unsigned parts = f->sub == 16 ? 2 : 1;
    const int32_t *xsum = (const int32_t *)b->at.xsum;
    const uint8_t *unit = (const uint8_t *)b->at.line + t->row % WH_PANEL * 4;
    WH_UNROLL
    for (unsigned p = 0; p < parts; p++) {
        __m256i part[SUMS];
        WH_UNROLL
        for (size_t s = 0; s < t->halves * t->tokens; s++)
            part[s] = f->minima
                          ? _mm256_setzero_si256()
                          : _mm256_mullo_epi32(_mm256_set1_epi32(f->offset - centre),
                                               _mm256_set1_epi32(xsum[p * stride + s % t->tokens]));
        f->products(part, f, t->halves, t->tokens, unit, p * 4, FOURS / parts,
                    (const int8_t *)b->at.x, &b->table);
        WH_UNROLL
        for (size_t s = 0; s < t->halves * t->tokens; s++) {
            const int8_t *factor = b->sub_scale + p * WH_PANEL + s / t->tokens * ROWS;
            if (f->sub) part[s] = _mm256_mullo_epi32(part[s], factors(factor));
            sum[s] = p ? _mm256_add_epi32(sum[s], part[s]) : part[s];
        }
    }
}

/* (float)xsum * sx of each token, sub-block s of the group and step k of it. */
static WH_INLINE void scaled_sums(float *to, const block_walk *b, size_t s, size_t k, size_t stride,
                                  size_t tokens)
{
    const int32_t *xsum = (const int32_t *)b->at.xsum + s * stride;
    const float *sx = (const float *)b->at.sx + k * stride;
    WH_UNROLL
    for (size_t j = 0; j < tokens; j++) to[j] = (float)xsum[j] * sx[j];
}

/* Two levels: the minima of a group, before its codes. */
static WH_INLINE void take_minima(const gemm_form *f, const tile *t, const block_walk *b,
                                  size_t stride, __m256 *acc)
{
    const size_t tokens = t->tokens;
    __m256 mins[SUMS];
    WH_UNROLL
    for (size_t c = 0; c < t->halves * tokens; c++) mins[c] = _mm256_setzero_ps();
    for (size_t s = 0; s < 256 / f->sub; s++) {
        float x[SUMS];
        scaled_sums(x, b, s, s * f->sub / WH_UNIT, stride, tokens);
        WH_UNROLL
        for (size_t h = 0; h < t->halves; h++) {
            const __m256 min = minima_at(b->sub_min + s * WH_PANEL + h * ROWS);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++)
                mins[h * tokens + j] =
                    _mm256_fmadd_ps(min, _mm256_set1_ps(x[j]), mins[h * tokens + j]);
        }
    }
    WH_UNROLL
    for (size_t c = 0; c < t->halves * tokens; c++)
        acc[c] = _mm256_fnmadd_ps(mins[c], b->m[c / tokens], acc[c]);
}

/* One level: the sums of a unit join those of the row. */
static WH_INLINE void close_unit(const __m256i *sum, const gemm_form *f, const tile *t,
                                 const block_walk *b, size_t stride, __m256 *acc)
{
    const float *sx = (const float *)b->at.sx;
    const size_t tokens = t->tokens;
    float x[SUMS];
    if (f->minima) scaled_sums(x, b, 0, 0, stride, tokens);
    WH_UNROLL
    for (size_t c = 0; c < t->halves * tokens; c++) {
        const __m256 scale = _mm256_mul_ps(b->d[c / tokens], _mm256_set1_ps(sx[c % tokens]));
        acc[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[c]), scale, acc[c]);
        if (f->minima)
            acc[c] = _mm256_fnmadd_ps(_mm256_set1_ps(x[c % tokens]), b->m[c / tokens], acc[c]);
    }
}

/* Two levels: they join those of the group. */
static WH_INLINE void join_group(const __m256i *sum, const tile *t, const block_walk *b,
                                 __m256 *part)
{
    const float *sx = (const float *)b->at.sx;
    WH_UNROLL
    for (size_t c = 0; c < t->halves * t->tokens; c++)
        part[c] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[c]), _mm256_set1_ps(sx[c % t->tokens]), part[c]);
}

/* The next unit: sum, the integers of this one. */
static WH_INLINE void run_unit(const wh_gemm_args *a, const gemm_form *f, const tile *t,
                               block_walk *b, __m256i *sum)
{
    if (t->tokens == 1) {
        WH_UNROLL
        for (size_t l = 0; l < f->bits; l++) fetch((const uint8_t *)b->at.line + l * LINE, AHEAD);
    }
    sum_unit(sum, b, f, t, a->w->centre, a->tokens);
}

static WH_INLINE void next_unit(const wh_gemm_args *a, const gemm_form *f, block_walk *b)
{
    const size_t subs = f->sub == 16 ? 2 : 1;
    b->at.line += f->bits * LINE;
    b->at.k += WH_UNIT; /* 64 inputs of all tokens lie together */
    b->at.x += b->at.k % 64 ? WH_UNIT : b->at.chunk - WH_UNIT;
    b->at.sx += a->tokens * sizeof(float);
    b->at.xsum += subs * a->tokens * sizeof(int32_t);
    if (f->sub) b->sub_scale += subs * WH_PANEL;
}

/* A group of two levels. */
static WH_INLINE void run_group(const wh_gemm_args *a, const gemm_form *f, const tile *t,
                                block_walk *b, __m256 *acc)
{
    __m256 part[SUMS];
    if (f->minima) {
        take_minima(f, t, b, a->tokens, acc);
        b->sub_min += 256 / f->sub * WH_PANEL;
    }
    WH_UNROLL
    for (size_t c = 0; c < t->halves * t->tokens; c++) part[c] = _mm256_setzero_ps();
    for (size_t k = 0; k < 256; k += WH_UNIT) {
        __m256i sum[SUMS];
        run_unit(a, f, t, b, sum);
        join_group(sum, t, b, part);
        next_unit(a, f, b);
    }
    WH_UNROLL
    for (size_t c = 0; c < t->halves * t->tokens; c++)
        acc[c] = _mm256_fmadd_ps(part[c], b->d[c / t->tokens], acc[c]);
}

static WH_INLINE void run_blocks(const wh_gemm_args *a, const gemm_form *f, const tile *t)
{
    const whit_weight *w = a->w;
    const size_t panel = t->row / WH_PANEL, first = t->row % WH_PANEL;
    block_walk b = { .at = first_walk(a, t) };
    __m256 acc[SUMS];
    if (f->digits) load_levels(w, &b.table);
    if (f->sub) b.sub_scale = w->sub_scale + panel * w->subs * WH_PANEL + first;
    if (f->sub && f->minima) b.sub_min = w->sub_min + panel * w->subs * WH_PANEL + first;
    WH_UNROLL
    for (size_t s = 0; s < t->halves * t->tokens; s++) acc[s] = _mm256_setzero_ps();
    size_t g = panel * w->groups * WH_PANEL + first;
    for (size_t k = 0; k < w->cols; k += w->group, g += WH_PANEL) {
        open_group(&b, w, f, t, g);
        fetch_subs(&b, f, t);
        if (f->sub) {
            run_group(a, f, t, &b, acc);
            continue;
        }
        __m256i sum[SUMS];
        run_unit(a, f, t, &b, sum);
        close_unit(sum, f, t, &b, a->tokens, acc);
        next_unit(a, f, &b);
    }
    store(a, t, acc);
}

#endif
