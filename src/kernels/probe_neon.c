/* src/kernels/probe_neon.c - the probes with NEON.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __ARM_NEON
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe.h"

#include <arm_neon.h>

#define CHANGED(v) __asm__ volatile("" : "+w"(v))

uint64_t wh_probe_read_neon(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    const size_t slice = bytes / 4;
    uint8x16_t sum[4] = { vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0) };
    for (size_t i = 0; i < slice; i += 32)
        for (size_t s = 0; s < 4; s++) {
            const uint8_t *line = p + s * slice + i;
            sum[s] = veorq_u8(sum[s], veorq_u8(vld1q_u8(line), vld1q_u8(line + 16)));
        }
    const uint64x2_t all =
        vreinterpretq_u64_u8(veorq_u8(veorq_u8(sum[0], sum[1]), veorq_u8(sum[2], sum[3])));
    return vgetq_lane_u64(all, 0) + vgetq_lane_u64(all, 1);
}

uint64_t wh_probe_fma_neon(size_t rounds)
{
    float32x4_t sum[12], x = vdupq_n_f32(0.5f), y = vdupq_n_f32(0.25f);
    for (int j = 0; j < 12; j++) sum[j] = vdupq_n_f32((float)j);
    for (size_t i = 0; i < rounds; i++) {
        CHANGED(x);
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) sum[j] = vfmaq_f32(sum[j], x, y);
    }
    float all = 0;
    for (int j = 0; j < 12; j++) all += vaddvq_f32(sum[j]);
    return (uint64_t)all;
}

uint64_t wh_probe_int8_neon(size_t rounds)
{
    int32x4_t sum[8];
    int8x8_t w = vdup_n_s8(7), x = vdup_n_s8(3);
    for (int j = 0; j < 8; j++) sum[j] = vdupq_n_s32(j);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            CHANGED(w);
            sum[j] = vpadalq_s16(sum[j], vmull_s8(w, x));
        }
    }
    int64_t all = 0;
    for (int j = 0; j < 8; j++) all += vaddvq_s32(sum[j]);
    return (uint64_t)all;
}
