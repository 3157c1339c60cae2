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

static WH_INLINE uint8x16_t two_rows(uint32x4_t v)
{
    return vreinterpretq_u8_u32(v);
}

static WH_INLINE void dot(int32x4_t *sum, const gemm_form *f, const gemm_piece *at, size_t panels,
                          size_t tokens)
{
    (void)panels; /* 1: two are for one token */
    for (size_t e = 0; e < at->eights; e++) {
        int8x16_t x[CELLS / 2];
        WH_UNROLL
        for (size_t j = 0; j < tokens / 2; j++) {
            const int8_t *first = at->x + 2 * j * CHUNK + e * 8;
            x[j] = vcombine_s8(vld1_s8(first), vld1_s8(first + CHUNK));
        }
        WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            uint8x16_t c[2];
            f->codes(at->data + e * f->eight + q * 16, at->both, c);
            const uint32x4_t low = vreinterpretq_u32_u8(c[0]), high = vreinterpretq_u32_u8(c[1]);
            WH_UNROLL
            for (size_t j = 0; j < tokens / 2; j++) {
                int32x4_t *to = sum + (j * QUARTERS + q) * 2;
                to[0] = vusmmlaq_s32(to[0], two_rows(vzip1q_u32(low, high)), x[j]);
                to[1] = vusmmlaq_s32(to[1], two_rows(vzip2q_u32(low, high)), x[j]);
            }
        }
    }
}

/* Even lanes are of the first token of a pair. */
static WH_INLINE void rows(const int32x4_t *sum, size_t cells, int32x4_t *v)
{
    WH_UNROLL
    for (size_t j = 0; j < cells / 2; j++) WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) {
        const int32x4_t *from = sum + (j * QUARTERS + q) * 2;
        v[2 * j * QUARTERS + q] = vuzp1q_s32(from[0], from[1]);
        v[(2 * j + 1) * QUARTERS + q] = vuzp2q_s32(from[0], from[1]);
    }
}

static const gemm_isa i8mm = { .dot = dot, .rows = rows, .tokens = 4, .pairs = 1 };

void wh_gemm_q4_q8_i8mm(const wh_gemm_args *a)
{
    if (a->tokens == 1)
        wh_gemm_q4_q8_dotprod(a);
    else
        gemm(a, &gemm_q4, &i8mm);
}

void wh_gemm_q8_q8_i8mm(const wh_gemm_args *a)
{
    if (a->tokens == 1)
        wh_gemm_q8_q8_dotprod(a);
    else
        gemm(a, &gemm_q8, &i8mm);
}
