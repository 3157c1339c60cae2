/* src/kernels/tile_neon.c - tiles of products with float activations, base NEON.
 *
 * One panel by up to four tokens: 16 sums, enough chains for the latency of any core, leave the
 * registers to what is loaded, 8 loads for 16 fused multiply-adds. (Six tokens need every register
 * and compilers spill.) The four partial sums of a step do not meet before its end, so each is a
 * walk of its own over every fourth input of the step, which is in cache; that leaves the registers
 * to tokens, and makes both orders of sums the same loop. Orders: kernels.h. Steps are multiples of
 * 4 but for the last of a row.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/values_neon.h"

#define TOKENS 4 /* as kernels.c says */
#define SUMS 4

/* acc[token][quarter] += inputs first, first + stride, .. below n. */
static WH_INLINE void chain(const uint8_t *value, column_fn *load, const float *x, size_t first,
                            size_t n, size_t stride, size_t tokens, float32x4_t (*acc)[QUARTERS])
{
    for (size_t k = first; k < n; k += stride) {
        float32x4_t v[QUARTERS];
        load(value, k, v);
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) {
#pragma GCC unroll 4
            for (size_t j = 0; j < tokens; j++)
                acc[j][q] = vfmaq_n_f32(acc[j][q], v[q], x[k * tokens + j]);
        }
    }
}

static WH_INLINE void load_tokens(const float *from, size_t tokens, float32x4_t (*v)[QUARTERS])
{
#pragma GCC unroll 4
    for (size_t j = 0; j < tokens; j++) load_f32(from + j * WH_PANEL, v[j]);
}

static WH_INLINE void store_tokens(float *to, size_t tokens, float32x4_t (*v)[QUARTERS])
{
#pragma GCC unroll 4
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) vst1q_f32(to + j * WH_PANEL + 4 * q, v[j][q]);
}

typedef void tile_fn(const wh_tile_args *a, size_t panel, size_t tokens);

static WH_INLINE void chains(const wh_tile_args *a, size_t panel, size_t tokens, column_fn *load)
{
    float *sums = a->sums + panel * tokens * WH_PANEL;
    float32x4_t acc[TOKENS][QUARTERS];
    load_tokens(sums, tokens, acc);
    chain(a->value[panel], load, a->x, 0, a->n, 1, tokens, acc);
    store_tokens(sums, tokens, acc);
}

static WH_INLINE void tile_chain(const wh_tile_args *a, size_t panel, size_t tokens)
{
    chains(a, panel, tokens, column_f32);
}

static WH_INLINE void tile_f16(const wh_tile_args *a, size_t panel, size_t tokens)
{
    chains(a, panel, tokens, column_f16);
}

static WH_INLINE void tile_bf16(const wh_tile_args *a, size_t panel, size_t tokens)
{
    chains(a, panel, tokens, column_bf16);
}

/* sums += a step, inputs [k, end). */
static WH_INLINE void add_step(const wh_tile_args *a, size_t panel, size_t tokens, size_t k,
                               size_t end, float *sums)
{
    float part[SUMS][TOKENS * WH_PANEL];
    float32x4_t scale[QUARTERS];
    for (size_t c = 0; c < SUMS; c++) {
        float32x4_t acc[TOKENS][QUARTERS];
#pragma GCC unroll 4
        for (size_t j = 0; j < tokens; j++) zero_rows(acc[j]);
        chain(a->value[panel], column_f32, a->x, k + c, end, SUMS, tokens, acc);
        store_tokens(part[c], tokens, acc);
    }
    load_f32(a->scale[panel] + k / a->step * WH_PANEL, scale);
#pragma GCC unroll 4
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) {
            const size_t i = j * WH_PANEL + 4 * q;
            const float32x4_t even = vaddq_f32(vld1q_f32(part[0] + i), vld1q_f32(part[1] + i));
            const float32x4_t odd = vaddq_f32(vld1q_f32(part[2] + i), vld1q_f32(part[3] + i));
            vst1q_f32(sums + i, vfmaq_f32(vld1q_f32(sums + i), vaddq_f32(even, odd), scale[q]));
        }
}

static WH_INLINE void tile_steps(const wh_tile_args *a, size_t panel, size_t tokens)
{
    for (size_t k = 0; k < a->n; k += a->step) {
        const size_t end = a->n - k < a->step ? a->n : k + a->step;
        add_step(a, panel, tokens, k, end, a->sums + panel * tokens * WH_PANEL);
    }
}

/* The tile with its number of tokens known. */
static WH_INLINE void run(const wh_tile_args *a, tile_fn *tile)
{
    for (size_t p = 0; p < a->panels; p++) {
        if (a->tokens == TOKENS)
            tile(a, p, TOKENS);
        else if (a->tokens == 3)
            tile(a, p, 3);
        else if (a->tokens == 2)
            tile(a, p, 2);
        else
            tile(a, p, 1);
    }
}

void wh_tile_chain_neon(const wh_tile_args *a)
{
    run(a, tile_chain);
}

void wh_tile_steps_neon(const wh_tile_args *a)
{
    run(a, tile_steps);
}

void wh_tile_f16_neon(const wh_tile_args *a)
{
    run(a, tile_f16);
}

void wh_tile_bf16_neon(const wh_tile_args *a)
{
    run(a, tile_bf16);
}
