/* src/kernels/probe_neon.c - the probes with NEON.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/probe_neon.h"

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

/* smull takes half a vector: the low octets. */
static WH_INLINE int32x4_t products(int32x4_t sum, int8x16_t *w, int8x16_t x)
{
    CHANGED(*w);
    return vpadalq_s16(sum, vmull_s8(vget_low_s8(*w), vget_low_s8(x)));
}

uint64_t wh_probe_int8_neon(size_t rounds)
{
    return run_chains(rounds, 8, products);
}
