/* src/kernels/gemm_q8_neon.c - integer codes times int8 activations, base NEON.
 *
 * Without dot-product instructions a product of octets is 16 bits wide. Codes enter signed: those
 * of less than 8 bits as they are, the others less 128, which the zero point makes up for;
 * activations are within +-127. So a lane of 16 bits holds 16 products of Q4 (16 * 15 * 127 =
 * 30480) or 2 of Q8 (2 * 128 * 127 = 32512) before it must be widened. Loops and order of sums:
 * gemm_q8_neon.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm_q8_neon.h"

#define PARTS (2 * QUARTERS) /* vectors of a cell's sums: 4 inputs of a row take 2 lanes */

/* 4 inputs of a token, for every row. */
static WH_INLINE int8x16_t spread(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* Even entries of part are rows 0 and 1 of a quarter; a lane gets a product more. */
static WH_INLINE void add_codes(int16x8_t *part, int8x16_t codes, int8x16_t x)
{
    part[0] = vmlal_s8(part[0], vget_low_s8(codes), vget_low_s8(x));
    part[1] = vmlal_high_s8(part[1], codes, x);
}

/* 8 inputs of a tile: 2 products a lane. */
static WH_INLINE void add_eight(int16x8_t *part, const gemm_form *f, const gemm_piece *at, size_t e,
                                size_t panels, size_t tokens)
{
    int8x16_t x[2][2];
    WH_UNROLL
    for (size_t j = 0; j < tokens; j++) {
        x[j][0] = spread(at->x + j * CHUNK + e * 8);
        x[j][1] = spread(at->x + j * CHUNK + e * 8 + 4);
    }
    WH_UNROLL
    for (size_t i = 0; i < panels; i++) WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) {
        uint8x16_t c[2];
        f->codes(at->data + i * at->apart + e * f->eight + q * 16, at->both, c);
        WH_UNROLL
        for (size_t j = 0; j < tokens; j++) {
            int16x8_t *to = part + (i * tokens + j) * PARTS + 2 * q;
            add_codes(to, signed_code(f, c[0]), x[j][0]);
            add_codes(to, signed_code(f, c[1]), x[j][1]);
        }
    }
}

static WH_INLINE void dot(int32x4_t *sum, const gemm_form *f, const gemm_piece *at, size_t panels,
                          size_t tokens)
{
    const size_t run = f->bits == 8 ? 1 : CHUNK / 8; /* until lanes must be widened */
    for (size_t e = 0, end; e < at->eights; e = end) {
        int16x8_t part[SUMS];
        end = at->eights - e < run ? at->eights : e + run;
        WH_UNROLL
        for (size_t i = 0; i < panels * tokens * PARTS; i++) part[i] = vdupq_n_s16(0);
        for (size_t now = e; now < end; now++) add_eight(part, f, at, now, panels, tokens);
        WH_UNROLL
        for (size_t i = 0; i < panels * tokens * PARTS; i++) sum[i] = vpadalq_s16(sum[i], part[i]);
    }
}

static WH_INLINE void rows(const int32x4_t *sum, size_t cells, int32x4_t *v)
{
    WH_UNROLL
    for (size_t i = 0; i < cells * QUARTERS; i++) v[i] = vpaddq_s32(sum[2 * i], sum[2 * i + 1]);
}

static const gemm_isa neon = { .dot = dot, .rows = rows, .tokens = 2, .signed_codes = 1 };

void wh_gemm_q4_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &gemm_q4, &neon);
}

void wh_gemm_q8_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &gemm_q8, &neon);
}
