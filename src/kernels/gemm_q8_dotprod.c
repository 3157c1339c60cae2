/* src/kernels/gemm_q8_dotprod.c - integer codes times int8 activations with dot products (Armv8.2-A
 * FEAT_DotProd).
 *
 * sdot adds four products of signed octets to an int32 lane: codes of 4 rows as they lie in the
 * panel, four activations out of a lane. Loops and order of sums: gemm_q8_neon.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __ARM_FEATURE_DOTPROD
#error "build this file with -march=armv8.2-a+dotprod"
#endif
#include "kernels/gemm_q8_neon.h"

/* Vectors of sums that a token has: alone, twice as many as it needs, so that there are chains
 * enough. */
static WH_INLINE size_t chains(size_t tokens)
{
    return tokens == 1 ? 2 : 1;
}

static WH_INLINE void dot(int32x4_t *sum, const code_kind *f, const gemm_piece *at, size_t tokens)
{
    for (size_t e = at->first; e < at->end; e++) {
        int8x8_t x[TILE];
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) x[j] = vld1_s8(at->x + j * CHUNK + e * EIGHT);
        WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            uint8x16_t c[2];
            codes_at(f, at, e, q, c);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                int32x4_t *first = sum + (j * QUARTERS + q) * chains(tokens);
                int32x4_t *second = first + chains(tokens) - 1;
                *first = vdotq_lane_s32(*first, signed_code(f, c[0]), x[j], 0);
                *second = vdotq_lane_s32(*second, signed_code(f, c[1]), x[j], 1);
            }
        }
    }
}

static WH_INLINE void rows(const int32x4_t *sum, size_t tokens, int32x4_t *v)
{
    WH_UNROLL
    for (size_t i = 0; i < tokens * QUARTERS; i++)
        v[i] = tokens == 1 ? vaddq_s32(sum[2 * i], sum[2 * i + 1]) : sum[i];
}

static const gemm_isa dotprod = { .dot = dot, .rows = rows, .tokens = 4, .signed_codes = 1 };

void wh_gemm_q1_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_1, &dotprod);
}

void wh_gemm_q2_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_2, &dotprod);
}

void wh_gemm_q3_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_3, &dotprod);
}

void wh_gemm_q4_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_4, &dotprod);
}

void wh_gemm_q5_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_5, &dotprod);
}

void wh_gemm_q6_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_6, &dotprod);
}

void wh_gemm_q8_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &code_8, &dotprod);
}

void wh_gemm_t4_q8_dotprod(const wh_gemm_args *a)
{
    if (a->w->octets)
        gemm(a, &octets_4, &dotprod);
    else
        gemm(a, &table_4, &dotprod);
}
