/* src/kernels/qact_q8_neon.c - int8 activations, base NEON.
 *
 * Not here: steps whose largest magnitude is zero, tiny, infinite or a NaN, and inputs that do not
 * fill 16: wh_qact_span has them all.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/qact.h"

#include "base/bytes.h"
#include "kernels/panel_neon.h"

#define WIDE 16               /* inputs at once: a vector of codes */
#define CHUNK 64              /* inputs that lie together */
#define TINY_BITS 0x0d800000u /* 2^-100 */
#define INF_BITS 0x7f800000u

/* The largest magnitude, as an integer. */
static uint32_t largest(const float *x, size_t n)
{
    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffffu);
    uint32x4_t most[4];
    size_t i = 0;
    for (size_t v = 0; v < 4; v++) most[v] = vdupq_n_u32(0);
    for (; n - i >= WIDE; i += WIDE)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            const uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(x + i + 4 * v));
            most[v] = vmaxq_u32(most[v], vandq_u32(bits, magnitude));
        }
    uint32_t top = vmaxvq_u32(vmaxq_u32(vmaxq_u32(most[0], most[1]), vmaxq_u32(most[2], most[3])));
    for (; i < n; i++) {
        const uint32_t u = wh_f32_bits(x[i]) & 0x7fffffffu;
        top = u > top ? u : top;
    }
    return top;
}

/* Codes of 16 inputs; their sum is added to *sum, lane by lane. */
INLINE void put_codes(const float *x, float inverse, int8_t *codes, int32x4_t *sum)
{
    int32x4_t q[4];
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; v++) {
        q[v] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * v), inverse));
        *sum = vaddq_s32(*sum, q[v]);
    }
    const int16x8_t low = vmovn_high_s32(vmovn_s32(q[0]), q[1]);
    const int16x8_t high = vmovn_high_s32(vmovn_s32(q[2]), q[3]);
    vst1q_s8(codes, vmovn_high_s16(vmovn_s16(low), high));
}

/* Codes of a step that starts at input k of its token. */
static int32_t span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes, size_t chunk)
{
    if (most < TINY_BITS || most >= INF_BITS || k % WIDE)
        return wh_qact_span(x, n, k, most, codes, chunk);
    const float inverse = 127.0f / wh_bits_f32(most);
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; n - i >= WIDE; i += WIDE) {
        const size_t at = k + i;
        put_codes(x + i, inverse, codes + at / CHUNK * chunk + at % CHUNK, &sum);
    }
    return vaddvq_s32(sum) + wh_qact_span(x + i, n - i, k + i, most, codes, chunk);
}

void wh_qact_q8_neon(const wh_qact_args *a)
{
    const size_t chunk = a->tokens * CHUNK, rest = a->cols % CHUNK;
    for (size_t j = 0; j < a->tokens; j++) {
        const float *x = a->x + j * a->stride;
        int8_t *codes = a->codes + j * CHUNK;
        const uint32_t whole = a->whole_token ? largest(x, a->cols) : 0;
        for (size_t k = 0, b = 0; k < a->cols; k += a->step, b++) {
            const size_t n = a->cols - k < a->step ? a->cols - k : a->step;
            const uint32_t most = a->whole_token ? whole : largest(x + k, n);
            a->scale[b * a->tokens + j] = wh_bits_f32(most) / 127.0f;
            a->sum[b * a->tokens + j] = span(x + k, n, k, most, codes, chunk);
        }
        if (rest) memset(codes + a->cols / CHUNK * chunk + rest, 0, CHUNK - rest);
    }
}
