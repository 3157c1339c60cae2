/* src/kernels/gemm_q8_i8mm.c - integer codes times int8 activations with products of matrices of
 * octets (Armv8.6-A FEAT_I8MM).
 *
 * usmmla adds 2 rows (of unsigned codes) times 2 tokens (of signed activations) over 8 inputs to
 * four int32 lanes: row 0 with both tokens, row 1 with both. Zipped, the codes of a quarter at 8
 * inputs are its two pairs of rows. One token alone would leave half of the products unused: it
 * goes to the dot products, which every such core has. Loops and order of sums: gemm_q8_neon.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __ARM_FEATURE_MATMUL_INT8
#error "build this file with -march=armv8.2-a+dotprod+i8mm"
#endif
#include "kernels/gemm_q8_neon.h"

static WH_INLINE void dot(int32x4_t *sum, const code_kind *f, const gemm_piece *at, size_t tokens)
{
    for (size_t e = at->first; e < at->end; e++) {
        int8x16_t x[TILE / 2];
        WH_UNROLL
        for (size_t j = 0; j < tokens / 2; j++) {
            const int8_t *first = at->x + 2 * j * CHUNK + e * EIGHT;
            x[j] = vcombine_s8(vld1_s8(first), vld1_s8(first + CHUNK));
        }
        WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            uint8x16_t c[2];
            codes_at(f, at, e, q, c);
            const uint32x4_t low = vreinterpretq_u32_u8(c[0]), high = vreinterpretq_u32_u8(c[1]);
            const uint8x16_t top = vreinterpretq_u8_u32(vzip1q_u32(low, high));
            const uint8x16_t bottom = vreinterpretq_u8_u32(vzip2q_u32(low, high));
            WH_UNROLL
            for (size_t j = 0; j < tokens / 2; j++) {
                int32x4_t *to = sum + (j * QUARTERS + q) * 2;
                to[0] = vusmmlaq_s32(to[0], top, x[j]);
                to[1] = vusmmlaq_s32(to[1], bottom, x[j]);
            }
        }
    }
}

/* Even lanes are of the first token of a pair. */
static WH_INLINE void rows(const int32x4_t *sum, size_t tokens, int32x4_t *v)
{
    WH_UNROLL
    for (size_t i = 0; i < tokens / 2 * QUARTERS; i++) {
        int32x4_t *first = v + (i / QUARTERS * 2) * QUARTERS + i % QUARTERS;
        first[0] = vuzp1q_s32(sum[2 * i], sum[2 * i + 1]);
        first[QUARTERS] = vuzp2q_s32(sum[2 * i], sum[2 * i + 1]);
    }
}

static const gemm_isa i8mm = { .dot = dot, .rows = rows, .tokens = 4, .pairs = 1 };

static WH_INLINE void run(const wh_gemm_args *a, const code_kind *f, wh_gemm_fn *one)
{
    if (a->tokens == 1)
        one(a);
    else
        gemm(a, f, &i8mm);
}

void wh_gemm_q1_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_1, wh_gemm_q1_q8_dotprod);
}

void wh_gemm_q2_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_2, wh_gemm_q2_q8_dotprod);
}

void wh_gemm_q3_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_3, wh_gemm_q3_q8_dotprod);
}

void wh_gemm_q4_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_4, wh_gemm_q4_q8_dotprod);
}

void wh_gemm_q5_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_5, wh_gemm_q5_q8_dotprod);
}

void wh_gemm_q6_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_6, wh_gemm_q6_q8_dotprod);
}

void wh_gemm_q8_q8_i8mm(const wh_gemm_args *a)
{
    run(a, &code_8, wh_gemm_q8_q8_dotprod);
}

void wh_gemm_t4_q8_i8mm(const wh_gemm_args *a)
{
    if (a->w->octets)
        run(a, &octets_4, wh_gemm_t4_q8_dotprod);
    else
        run(a, &table_4, wh_gemm_t4_q8_dotprod);
}
