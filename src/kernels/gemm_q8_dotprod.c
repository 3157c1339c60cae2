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

static WH_INLINE void dot(int32x4_t *sum, const gemm_form *f, const gemm_piece *at, size_t panels,
                          size_t tokens)
{
    for (size_t e = 0; e < at->eights; e++) {
        int8x8_t x[CELLS];
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) x[j] = vld1_s8(at->x + j * CHUNK + e * 8);
        WH_UNROLL
        for (size_t i = 0; i < panels; i++) WH_UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            uint8x16_t c[2];
            f->codes(at->data + i * at->apart + e * f->eight + q * 16, at->both, c);
            WH_UNROLL
            for (size_t j = 0; j < tokens; j++) {
                int32x4_t *to = sum + (i * tokens + j) * QUARTERS + q;
                *to = vdotq_lane_s32(*to, signed_code(f, c[0]), x[j], 0);
                *to = vdotq_lane_s32(*to, signed_code(f, c[1]), x[j], 1);
            }
        }
    }
}

static WH_INLINE void rows(const int32x4_t *sum, size_t cells, int32x4_t *v)
{
    WH_UNROLL
    for (size_t i = 0; i < cells * QUARTERS; i++) v[i] = sum[i];
}

static const gemm_isa dotprod = { .dot = dot, .rows = rows, .tokens = 4, .signed_codes = 1 };

void wh_gemm_q4_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &gemm_q4, &dotprod);
}

void wh_gemm_q8_q8_dotprod(const wh_gemm_args *a)
{
    gemm(a, &gemm_q8, &dotprod);
}
