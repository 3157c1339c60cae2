/* src/kernels/tile_avx512.c - tiles of decoded values times a strip of tokens, AVX-512.
 *
 * 12 tokens by 2 panels keep 24 accumulators in registers, and 14 loads feed 24 multiply-adds. The
 * order of codes has four sums an output: there 6 tokens by 2 panels hold two of the four, in two
 * passes over the step.
 * Halves are widened on the way, which for as few tokens as these takes less than to decode them
 * beforehand: there is no store, and memory need not wait.
 * Source of the shape: Goto and van de Geijn 2008; measured on the CPU at hand.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"

#if !defined(__AVX512F__)
#error "needs -mavx512f"
#endif

#include <immintrin.h>

#include "kernels/columns_avx512.h"

#define TOKENS 12 /* of a strip */
#define PANELS 2
#define STEP_TOKENS 6 /* at once, in the order of codes */
#define AT_ONCE 2     /* of the four sums of a step */

/* ---- one chain an output ---- */

static WH_INLINE void chain(const wh_tile_args *a, unsigned tokens, unsigned panels,
                            wh_column_avx512 *load)
{
    const float *x = a->x;
    __m512 sum[PANELS][TOKENS];
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++)
            sum[q][j] = _mm512_load_ps(a->sums + (q * tokens + j) * WH_PANEL);
    }
    for (size_t k = 0; k < a->n; k++, x += tokens) {
        __m512 value[PANELS];
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) value[q] = load(a->value[q], k);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512 xj = _mm512_set1_ps(x[j]);
            WH_UNROLL
            for (unsigned q = 0; q < panels; q++)
                sum[q][j] = _mm512_fmadd_ps(value[q], xj, sum[q][j]);
        }
    }
    WH_UNROLL
    for (unsigned q = 0; q < panels; q++) {
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++)
            _mm512_store_ps(a->sums + (q * tokens + j) * WH_PANEL, sum[q][j]);
    }
}

static WH_INLINE void chain_tokens(const wh_tile_args *a, unsigned panels, wh_column_avx512 *load)
{
    switch (a->tokens) {
    case 1:
        chain(a, 1, panels, load);
        break;
    case 2:
        chain(a, 2, panels, load);
        break;
    case 3:
        chain(a, 3, panels, load);
        break;
    case 4:
        chain(a, 4, panels, load);
        break;
    case 5:
        chain(a, 5, panels, load);
        break;
    case 6:
        chain(a, 6, panels, load);
        break;
    case 7:
        chain(a, 7, panels, load);
        break;
    case 8:
        chain(a, 8, panels, load);
        break;
    case 9:
        chain(a, 9, panels, load);
        break;
    case 10:
        chain(a, 10, panels, load);
        break;
    case 11:
        chain(a, 11, panels, load);
        break;
    default:
        chain(a, TOKENS, panels, load);
    }
}

static WH_INLINE void chains(const wh_tile_args *a, wh_column_avx512 *load)
{
    if (a->panels == 2)
        chain_tokens(a, 2, load);
    else
        chain_tokens(a, 1, load);
}

void wh_tile_chain_avx512(const wh_tile_args *a)
{
    chains(a, wh_f32_avx512);
}

void wh_tile_f16_avx512(const wh_tile_args *a)
{
    chains(a, wh_f16_avx512);
}

void wh_tile_bf16_avx512(const wh_tile_args *a)
{
    chains(a, wh_bf16_avx512);
}

/* ---- the order of codes ---- */

/* What is summed at once: a[first] and a[first + 1] of so many tokens by panels. */
typedef struct block {
    unsigned tokens, panels, first;
} block;

/* part[i][panel][token] += value * x for those of inputs k..k+n-1, n <= 4, that are the block's. */
static WH_INLINE void add_two(__m512 part[AT_ONCE][PANELS][STEP_TOKENS], const wh_tile_args *a,
                              const float *x, size_t k, size_t n, block b)
{
    WH_UNROLL
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (b.first + i >= n) continue;
        const size_t at = k + b.first + i;
        __m512 value[PANELS];
        WH_UNROLL
        for (unsigned q = 0; q < b.panels; q++) value[q] = wh_f32_avx512(a->value[q], at);
        WH_UNROLL
        for (unsigned j = 0; j < b.tokens; j++) {
            const __m512 xj = _mm512_set1_ps(x[at * a->tokens + j]);
            WH_UNROLL
            for (unsigned q = 0; q < b.panels; q++)
                part[i][q][j] = _mm512_fmadd_ps(value[q], xj, part[i][q][j]);
        }
    }
}

/* total[panel][token] = a[first] + a[first + 1] over the step [from, to). */
static WH_INLINE void add_pairs(__m512 total[PANELS][STEP_TOKENS], const wh_tile_args *a,
                                const float *x, size_t from, size_t to, block b)
{
    __m512 part[AT_ONCE][PANELS][STEP_TOKENS];
    WH_UNROLL
    for (unsigned i = 0; i < AT_ONCE; i++) {
        WH_UNROLL
        for (unsigned q = 0; q < b.panels; q++) {
            WH_UNROLL
            for (unsigned j = 0; j < b.tokens; j++) part[i][q][j] = _mm512_setzero_ps();
        }
    }
    for (; to - from >= 4; from += 4) add_two(part, a, x, from, 4, b);
    if (from < to) add_two(part, a, x, from, to - from, b);
    WH_UNROLL
    for (unsigned q = 0; q < b.panels; q++) {
        WH_UNROLL
        for (unsigned j = 0; j < b.tokens; j++)
            total[q][j] = _mm512_add_ps(part[0][q][j], part[1][q][j]);
    }
}

/* Tokens [j0, j0 + tokens) of the strip. */
static WH_INLINE void steps(const wh_tile_args *a, size_t j0, unsigned tokens, unsigned panels)
{
    const float *x = a->x + j0;
    for (size_t k = 0, s = 0; k < a->n; s++) {
        const size_t end = a->n - k < a->step ? a->n : k + a->step;
        __m512 low[PANELS][STEP_TOKENS], high[PANELS][STEP_TOKENS];
        add_pairs(low, a, x, k, end, (block){ tokens, panels, 0 });
        add_pairs(high, a, x, k, end, (block){ tokens, panels, 2 });
        WH_UNROLL
        for (unsigned q = 0; q < panels; q++) {
            const __m512 scale = _mm512_load_ps(a->scale[q] + s * WH_PANEL);
            float *sum = a->sums + (q * a->tokens + j0) * WH_PANEL;
            WH_UNROLL
            for (unsigned j = 0; j < tokens; j++) {
                const __m512 all = _mm512_add_ps(low[q][j], high[q][j]);
                const __m512 acc = _mm512_load_ps(sum + j * WH_PANEL);
                _mm512_store_ps(sum + j * WH_PANEL, _mm512_fmadd_ps(all, scale, acc));
            }
        }
        k = end;
    }
}

static WH_INLINE void steps_tokens(const wh_tile_args *a, unsigned panels)
{
    size_t j = 0;
    for (; a->tokens - j >= STEP_TOKENS; j += STEP_TOKENS) steps(a, j, STEP_TOKENS, panels);
    switch (a->tokens - j) {
    case 5:
        steps(a, j, 5, panels);
        break;
    case 4:
        steps(a, j, 4, panels);
        break;
    case 3:
        steps(a, j, 3, panels);
        break;
    case 2:
        steps(a, j, 2, panels);
        break;
    case 1:
        steps(a, j, 1, panels);
        break;
    default:
        break;
    }
}

void wh_tile_steps_avx512(const wh_tile_args *a)
{
    if (a->panels == 2)
        steps_tokens(a, 2);
    else
        steps_tokens(a, 1);
}
