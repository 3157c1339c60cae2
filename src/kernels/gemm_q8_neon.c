/* src/kernels/gemm_q8_neon.c - integer codes times int8 activations, base NEON.
 *
 * Without dot-product instructions a product of octets is 16 bits wide. Codes enter signed: those
 * of less than 8 bits as they are, the others less 128, which the zero point makes up for;
 * activations are within +-127. So a lane of 16 bits holds 16 products of 4 bits (16 * 15 * 127 =
 * 30480), 8 of 5, 4 of 6 or 2 of 8 (2 * 128 * 127 = 32512) before it must be widened. Loops and
 * order of sums: gemm_q8_neon.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm_q8_neon.h"

#define PARTS (2 * QUARTERS) /* vectors of a token's sums: 4 inputs of a row take 2 lanes */

/* 4 inputs of a token, for every row. */
static WH_INLINE int8x16_t spread(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* 4 inputs of a quarter: a lane gets a product more. */
static WH_INLINE void add_codes(int16x8_t *part, int8x16_t codes, int8x16_t x)
{
    part[0] = vmlal_s8(part[0], vget_low_s8(codes), vget_low_s8(x));
    part[1] = vmlal_high_s8(part[1], codes, x);
}

/* 8 inputs of a tile: 2 products a lane. */
static WH_INLINE void add_eight(int16x8_t *part, const code_kind *f, const gemm_piece *at, size_t e,
                                size_t tokens)
{
    int8x16_t x[2][2];
    WH_UNROLL
    for (size_t j = 0; j < tokens; j++) {
        x[j][0] = spread(at->x + j * CHUNK + e * EIGHT);
        x[j][1] = spread(at->x + j * CHUNK + e * EIGHT + 4);
    }
    WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) {
        uint8x16_t c[2];
        codes_at(f, at, e, q, c);
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) {
            add_codes(part + j * PARTS + 2 * q, signed_code(f, c[0]), x[j][0]);
            add_codes(part + j * PARTS + 2 * q, signed_code(f, c[1]), x[j][1]);
        }
    }
}

static WH_INLINE void dot(int32x4_t *sum, const code_kind *f, const gemm_piece *at, size_t tokens)
{
    /* eights until the lanes are full */
    const size_t run = f->table ? 1 : f->bits <= 4 ? 8 : f->bits == 5 ? 4 : f->bits == 6 ? 2 : 1;
    for (size_t e = at->first, end; e < at->end; e = end) {
        int16x8_t part[SUMS];
        end = at->end - e < run ? at->end : e + run;
        WH_UNROLL
        for (size_t i = 0; i < tokens * PARTS; i++) part[i] = vdupq_n_s16(0);
        for (size_t now = e; now < end; now++) add_eight(part, f, at, now, tokens);
        WH_UNROLL
        for (size_t i = 0; i < tokens * PARTS; i++) sum[i] = vpadalq_s16(sum[i], part[i]);
    }
}

static WH_INLINE void rows(const int32x4_t *sum, size_t tokens, int32x4_t *v)
{
    WH_UNROLL
    for (size_t i = 0; i < tokens * QUARTERS; i++) v[i] = vpaddq_s32(sum[2 * i], sum[2 * i + 1]);
}

static const gemm_isa neon = { .dot = dot, .rows = rows, .tokens = 2, .signed_codes = 1 };

void wh_gemm_q1_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_1, &neon);
}

void wh_gemm_q2_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_2, &neon);
}

void wh_gemm_q3_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_3, &neon);
}

void wh_gemm_q4_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_4, &neon);
}

void wh_gemm_q5_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_5, &neon);
}

void wh_gemm_q6_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_6, &neon);
}

void wh_gemm_q8_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &code_8, &neon);
}

void wh_gemm_t4_q8_neon(const wh_gemm_args *a)
{
    if (a->w->octets)
        gemm(a, &octets_4, &neon);
    else
        gemm(a, &table_4, &neon);
}
