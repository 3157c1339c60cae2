/* src/kernels/tile_avx2.c - tiles of decoded values times a strip of tokens, AVX2.
 *
 * 6 tokens by one panel keep 12 accumulators in the 16 registers. The order of codes has four sums
 * an output: there 3 tokens hold two of the four, in two passes over the step.
 * Source of the shape: Goto and van de Geijn 2008; measured on the CPU at hand.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "needs -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>

#include "kernels/columns_avx2.h"

#define TOKENS 6      /* of a strip */
#define STEP_TOKENS 3 /* at once, in the order of codes */
#define AT_ONCE 2     /* of the four sums of a step */

/* ---- one chain an output ---- */

static WH_INLINE void chain(const wh_tile_args *a, unsigned tokens, wh_column_avx2 *load)
{
    const float *x = a->x;
    __m256 sum[TOKENS][2];
    WH_UNROLL
    for (unsigned j = 0; j < 2 * tokens; j++)
        sum[j / 2][j % 2] = _mm256_load_ps(a->sums + j * WH_HALF);
    for (size_t k = 0; k < a->n; k++, x += tokens) {
        const __m256 low = load(a->value[0], k, 0), high = load(a->value[0], k, 1);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m256 xj = _mm256_broadcast_ss(x + j);
            sum[j][0] = _mm256_fmadd_ps(low, xj, sum[j][0]);
            sum[j][1] = _mm256_fmadd_ps(high, xj, sum[j][1]);
        }
    }
    WH_UNROLL
    for (unsigned j = 0; j < 2 * tokens; j++)
        _mm256_store_ps(a->sums + j * WH_HALF, sum[j / 2][j % 2]);
}

static WH_INLINE void chain_tokens(const wh_tile_args *a, wh_column_avx2 *load)
{
    switch (a->tokens) {
    case 1:
        chain(a, 1, load);
        break;
    case 2:
        chain(a, 2, load);
        break;
    case 3:
        chain(a, 3, load);
        break;
    case 4:
        chain(a, 4, load);
        break;
    case 5:
        chain(a, 5, load);
        break;
    default:
        chain(a, TOKENS, load);
    }
}

void wh_tile_chain_avx2(const wh_tile_args *a)
{
    chain_tokens(a, wh_f32_avx2);
}

void wh_tile_f16_avx2(const wh_tile_args *a)
{
    chain_tokens(a, wh_f16_avx2);
}

void wh_tile_bf16_avx2(const wh_tile_args *a)
{
    chain_tokens(a, wh_bf16_avx2);
}

/* ---- the order of codes ---- */

/* part[i][token][half] += value * x for those of inputs k..k+n-1, n <= 4, that belong to
 * a[first] and a[first + 1]. */
static WH_INLINE void add_two(__m256 part[AT_ONCE][STEP_TOKENS][2], const wh_tile_args *a,
                              const float *x, size_t k, size_t n, unsigned first, unsigned tokens)
{
    WH_UNROLL
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (first + i >= n) continue;
        const size_t at = k + first + i;
        const __m256 low = wh_f32_avx2(a->value[0], at, 0);
        const __m256 high = wh_f32_avx2(a->value[0], at, 1);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m256 xj = _mm256_broadcast_ss(x + at * a->tokens + j);
            part[i][j][0] = _mm256_fmadd_ps(low, xj, part[i][j][0]);
            part[i][j][1] = _mm256_fmadd_ps(high, xj, part[i][j][1]);
        }
    }
}

/* total[token][half] = a[first] + a[first + 1] over the step [from, to). */
static WH_INLINE void add_pairs(__m256 total[STEP_TOKENS][2], const wh_tile_args *a, const float *x,
                                size_t from, size_t to, unsigned first, unsigned tokens)
{
    __m256 part[AT_ONCE][STEP_TOKENS][2];
    WH_UNROLL
    for (unsigned i = 0; i < AT_ONCE; i++) {
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) part[i][j][0] = part[i][j][1] = _mm256_setzero_ps();
    }
    for (; to - from >= 4; from += 4) add_two(part, a, x, from, 4, first, tokens);
    if (from < to) add_two(part, a, x, from, to - from, first, tokens);
    WH_UNROLL
    for (unsigned j = 0; j < 2 * tokens; j++)
        total[j / 2][j % 2] = _mm256_add_ps(part[0][j / 2][j % 2], part[1][j / 2][j % 2]);
}

/* Tokens [j0, j0 + tokens) of the strip. */
static WH_INLINE void steps(const wh_tile_args *a, size_t j0, unsigned tokens)
{
    const float *x = a->x + j0;
    float *sum = a->sums + j0 * WH_PANEL;
    for (size_t k = 0, s = 0; k < a->n; s++) {
        const size_t end = a->n - k < a->step ? a->n : k + a->step;
        const float *scale = a->scale[0] + s * WH_PANEL;
        __m256 low[STEP_TOKENS][2], high[STEP_TOKENS][2];
        add_pairs(low, a, x, k, end, 0, tokens);
        add_pairs(high, a, x, k, end, 2, tokens);
        WH_UNROLL
        for (unsigned j = 0; j < 2 * tokens; j++) {
            const __m256 all = _mm256_add_ps(low[j / 2][j % 2], high[j / 2][j % 2]);
            const __m256 acc = _mm256_load_ps(sum + j * WH_HALF);
            _mm256_store_ps(sum + j * WH_HALF,
                            _mm256_fmadd_ps(all, _mm256_load_ps(scale + j % 2 * WH_HALF), acc));
        }
        k = end;
    }
}

void wh_tile_steps_avx2(const wh_tile_args *a)
{
    size_t j = 0;
    for (; a->tokens - j >= STEP_TOKENS; j += STEP_TOKENS) steps(a, j, STEP_TOKENS);
    if (a->tokens - j == 2) steps(a, j, 2);
    if (a->tokens - j == 1) steps(a, j, 1);
}
