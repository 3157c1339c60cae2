/* src/kernels/qact_q8_neon.c - int8 activations, base NEON.
 *
 * Not here: steps whose largest magnitude is zero, tiny, infinite or a NaN, and inputs that do not
 * fill 16: wh_qact_span has them all.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/qact.h"

#include "kernels/panel_neon.h"

#define WIDE 16 /* inputs at once: a vector of codes */

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
    for (; i < n; i++) top = wh_qact_larger(top, x[i]);
    return top;
}

/* Codes of 16 inputs; their sum is added to *sum, lane by lane. */
static WH_INLINE void put_codes(const float *x, float inverse, int8_t *codes, int32x4_t *sum)
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
    if (!wh_qact_ordinary(most) || k % WIDE) return wh_qact_span(x, n, k, most, codes, chunk);
    const float inverse = 127.0f / wh_bits_f32(most);
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; n - i >= WIDE; i += WIDE) {
        put_codes(x + i, inverse, codes + wh_qact_at(k + i, chunk), &sum);
    }
    return vaddvq_s32(sum) + wh_qact_span(x + i, n - i, k + i, most, codes, chunk);
}

void wh_qact_q8_neon(const wh_qact_args *a)
{
    wh_qact_steps(a, largest, span, wh_qact_sums_16);
}
