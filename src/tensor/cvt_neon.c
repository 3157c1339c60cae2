/* src/tensor/cvt_neon.c - F16 and BF16 to and from float32, four at a time; the rest one by one.
 *
 * SPDX-License-Identifier: MIT */
#include "tensor/cvt.h"

#include <arm_neon.h>

#include "base/cpu.h"
#include "base/half.h"

static uint16x4_t load4(const uint8_t *p)
{
    return vreinterpret_u16_u8(vld1_u8(p));
}

static void store4(uint8_t *p, uint16x4_t h)
{
    vst1_u8(p, vreinterpret_u8_u16(h));
}

static void from_f16(const uint8_t *src, size_t n, float *dst)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dst + i, vcvt_f32_f16(vreinterpret_f16_u16(load4(src + 2 * i))));
    for (; i < n; i++) dst[i] = wh_f16_to_f32(wh_load16(src + 2 * i));
}

static void from_bf16(const uint8_t *src, size_t n, float *dst)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dst + i, vreinterpretq_f32_u32(vshll_n_u16(load4(src + 2 * i), 16)));
    for (; i < n; i++) dst[i] = wh_bf16_to_f32(wh_load16(src + 2 * i));
}

static void to_f16(const float *src, size_t n, uint8_t *dst)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        store4(dst + 2 * i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(src + i))));
    for (; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_f16(src[i]));
}

/* See wh_f32_to_bf16. */
static void to_bf16(const float *src, size_t n, uint8_t *dst)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = vld1q_f32(src + i);
        const uint32x4_t u = vreinterpretq_u32_f32(v), upper = vshrq_n_u32(u, 16);
        const uint32x4_t odd = vandq_u32(upper, vdupq_n_u32(1));
        const uint32x4_t up = vshrq_n_u32(vaddq_u32(vaddq_u32(u, odd), vdupq_n_u32(0x7fff)), 16);
        const uint32x4_t quiet = vorrq_u32(upper, vdupq_n_u32(0x40));
        store4(dst + 2 * i, vmovn_u32(vbslq_u32(vceqq_f32(v, v), up, quiet)));
    }
    for (; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_bf16(src[i]));
}

const wh_cvt_ops wh_cvt_neon = { "neon", WH_ISA_NEON, from_f16, from_bf16, to_f16, to_bf16 };
