/* src/kernels/gemm_q8_neon.c - integer codes times int8 activations, base NEON.
 *
 * Without dot-product instructions a product of octets is 16 bits wide. Codes enter signed: those
 * of Q4 as they are (0..15), those of Q8 less 128, which the zero point makes up for; activations
 * are within +-127. So a lane of 16 bits holds 16 products of Q4 (16 * 15 * 127 = 30480) or 2 of Q8
 * (2 * 128 * 127 = 32512) before it must be widened. The order of sums is that of kernels.h;
 * integer sums are exact in any. Steps are multiples of 8 but for the last of a row.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm.h"
#include "kernels/panel_neon.h"

#define CHUNK 64 /* inputs that lie together in the block of activations */
#define PAIR 2   /* tokens at once: what their sums and a line's codes leave of 32 registers */

/* Adds the products of `lines` lines to sum[token][quarter]; x is at the first token's first input,
 * the next token CHUNK on. At most the lines of a chunk. */
typedef void dot_fn(const uint8_t *line, size_t lines, const int8_t *x, size_t tokens,
                    int32x4_t (*sum)[QUARTERS]);

typedef struct kind {
    dot_fn *dot;
    size_t line; /* inputs of a line */
    int offset;  /* what dot takes from every code */
} kind;

/* 4 inputs of a token, for every row. */
static WH_INLINE int8x16_t spread(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* ---- 4 bits ---- */

/* A lane: 4 inputs of a row take 4 lanes; even entries of part are rows 0 and 1 of a quarter. */
static WH_INLINE void add_q4(int16x8_t *part, int8x16_t codes, int8x16_t x)
{
    part[0] = vmlal_s8(part[0], vget_low_s8(codes), vget_low_s8(x));
    part[1] = vmlal_high_s8(part[1], codes, x);
}

static WH_INLINE void dot_q4(const uint8_t *line, size_t lines, const int8_t *x, size_t tokens,
                             int32x4_t (*sum)[QUARTERS])
{
    int16x8_t part[PAIR][2 * QUARTERS];
    int8x16_t first[PAIR], second[PAIR];
#pragma GCC unroll 2
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 8
        for (size_t i = 0; i < 2 * QUARTERS; i++) part[j][i] = vdupq_n_s16(0);
    for (size_t l = 0; l < lines; l++, line += 64, x += 8) {
#pragma GCC unroll 2
        for (size_t j = 0; j < tokens; j++) {
            first[j] = spread(x + j * CHUNK);
            second[j] = spread(x + j * CHUNK + 4);
        }
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) {
            const uint8x16_t pairs = vld1q_u8(line + 16 * q);
            const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(15)));
            const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4));
#pragma GCC unroll 2
            for (size_t j = 0; j < tokens; j++) {
                add_q4(&part[j][2 * q], low, first[j]);
                add_q4(&part[j][2 * q], high, second[j]);
            }
        }
    }
#pragma GCC unroll 2
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) {
            const int32x4_t low = vpaddlq_s16(part[j][2 * q]);
            const int32x4_t high = vpaddlq_s16(part[j][2 * q + 1]);
            sum[j][q] = vaddq_s32(sum[j][q], vpaddq_s32(low, high));
        }
}

/* ---- 8 bits ---- */

/* One line, or two: as many products as a lane of 16 bits can hold. */
static WH_INLINE void add_q8(int32x4_t (*wide)[2 * QUARTERS], const uint8_t *line, size_t lines,
                             const int8_t *x, size_t tokens)
{
    int8x16_t first[PAIR], second[PAIR];
#pragma GCC unroll 2
    for (size_t j = 0; j < tokens; j++) {
        first[j] = spread(x + j * CHUNK);
        second[j] = lines == 2 ? spread(x + j * CHUNK + 4) : vdupq_n_s8(0);
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) {
        const uint8x16_t flip = vdupq_n_u8(0x80);
        const int8x16_t c0 = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(line + 16 * q), flip));
        const int8x16_t c1 =
            lines == 2 ? vreinterpretq_s8_u8(veorq_u8(vld1q_u8(line + 64 + 16 * q), flip)) : c0;
#pragma GCC unroll 2
        for (size_t j = 0; j < tokens; j++) {
            int16x8_t low = vmull_s8(vget_low_s8(c0), vget_low_s8(first[j]));
            int16x8_t high = vmull_high_s8(c0, first[j]);
            if (lines == 2) {
                low = vmlal_s8(low, vget_low_s8(c1), vget_low_s8(second[j]));
                high = vmlal_high_s8(high, c1, second[j]);
            }
            wide[j][2 * q] = vpadalq_s16(wide[j][2 * q], low);
            wide[j][2 * q + 1] = vpadalq_s16(wide[j][2 * q + 1], high);
        }
    }
}

static WH_INLINE void dot_q8(const uint8_t *line, size_t lines, const int8_t *x, size_t tokens,
                             int32x4_t (*sum)[QUARTERS])
{
    int32x4_t wide[PAIR][2 * QUARTERS];
#pragma GCC unroll 2
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 8
        for (size_t i = 0; i < 2 * QUARTERS; i++) wide[j][i] = vdupq_n_s32(0);
    for (; lines >= 2; lines -= 2, line += 128, x += 8) add_q8(wide, line, 2, x, tokens);
    if (lines) add_q8(wide, line, 1, x, tokens);
#pragma GCC unroll 2
    for (size_t j = 0; j < tokens; j++)
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++)
            sum[j][q] = vaddq_s32(sum[j][q], vpaddq_s32(wide[j][2 * q], wide[j][2 * q + 1]));
}

/* ---- the loops ---- */

/* acc += step b of panel p, inputs [k, end), for tokens from j on. */
static WH_INLINE void add_step(const wh_gemm_args *a, const kind *c, size_t p, size_t j,
                               size_t tokens, size_t b, size_t k, size_t end,
                               float32x4_t (*acc)[QUARTERS])
{
    const whit_weight *w = a->w;
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
    const uint8_t *data = w->data + p * w->panel_bytes;
    int32x4_t sum[PAIR][QUARTERS], zero[QUARTERS];
    float32x4_t scale[QUARTERS];
#pragma GCC unroll 2
    for (size_t t = 0; t < tokens; t++)
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) sum[t][q] = vdupq_n_s32(0);
    while (k < end) {
        const size_t chunk_end = (k / CHUNK + 1) * CHUNK, to = end < chunk_end ? end : chunk_end;
        const int8_t *x = a->codes + (k / CHUNK * a->tokens + j) * CHUNK + k % CHUNK;
        c->dot(data + k / c->line * 64, (to - k + c->line - 1) / c->line, x, tokens, sum);
        k = to;
    }
    load_scales(w, at, scale);
    load_zeros(w, at, c->offset, zero);
#pragma GCC unroll 2
    for (size_t t = 0; t < tokens; t++) {
        const size_t s = b * a->tokens + j + t;
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) {
            const float32x4_t i = vcvtq_f32_s32(vmlsq_n_s32(sum[t][q], zero[q], a->sum[s]));
            acc[t][q] = vfmaq_f32(acc[t][q], i, vmulq_n_f32(scale[q], a->scale[s]));
        }
    }
}

static WH_INLINE void run_tokens(const wh_gemm_args *a, const kind *c, size_t p, size_t j,
                                 size_t tokens)
{
    const whit_weight *w = a->w;
    float32x4_t acc[PAIR][QUARTERS];
#pragma GCC unroll 2
    for (size_t t = 0; t < tokens; t++) zero_rows(acc[t]);
    for (size_t k = 0, b = 0; k < w->cols; k += w->int_step, b++) {
        const size_t end = w->cols - k < w->int_step ? w->cols : k + w->int_step;
        add_step(a, c, p, j, tokens, b, k, end, acc);
    }
#pragma GCC unroll 2
    for (size_t t = 0; t < tokens; t++) store_rows(w, p, acc[t], a->y + (j + t) * a->ldy);
}

static WH_INLINE void gemm(const wh_gemm_args *a, const kind *c)
{
    for (size_t p = a->p0; p < a->p1; p++) {
        size_t j = 0;
        for (; a->tokens - j >= PAIR; j += PAIR) run_tokens(a, c, p, j, PAIR);
        if (j < a->tokens) run_tokens(a, c, p, j, 1);
    }
}

void wh_gemm_q4_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &(const kind){ dot_q4, 8, 0 });
}

void wh_gemm_q8_q8_neon(const wh_gemm_args *a)
{
    gemm(a, &(const kind){ dot_q8, 4, 128 });
}
