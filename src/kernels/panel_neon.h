/* src/kernels/panel_neon.h - what the NEON kernels share: the 16 rows of a panel as four vectors.
 *
 * Only what every ARMv8.0-A core has: no dot products, no half-precision arithmetic. Not measured
 * on real hardware; the counts of instructions in the comments are what guided the choices.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_PANEL_NEON_H
#define WH_KERNELS_PANEL_NEON_H

#ifndef __ARM_NEON
#error "built for another machine: leave the files *_neon.c out"
#endif
#include <arm_neon.h>
#include <string.h>

#include "kernels/inline.h"
#include "kernels/kernels.h"

#define QUARTERS 4 /* of a panel: 4 rows, a vector of float32 */

static WH_INLINE void zero_rows(float32x4_t *v)
{
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) v[q] = vdupq_n_f32(0.0f);
}

/* 16 halves as float32; exact. */
static WH_INLINE void load_f16(const uint16_t *half, float32x4_t *v)
{
    const float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(half));
    const float16x8_t high = vreinterpretq_f16_u16(vld1q_u16(half + 8));
    v[0] = vcvt_f32_f16(vget_low_f16(low));
    v[1] = vcvt_high_f32_f16(low);
    v[2] = vcvt_f32_f16(vget_low_f16(high));
    v[3] = vcvt_high_f32_f16(high);
}

static WH_INLINE void load_f32(const float *f, float32x4_t *v)
{
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) v[q] = vld1q_f32(f + 4 * q);
}

/* 2^(b - 127): 0 is the subnormal 2^-127 and 255 a NaN, both with the top bit of the mantissa. */
static WH_INLINE void load_e8m0(const uint8_t *octet, float32x4_t *v)
{
    const uint8x16_t b = vld1q_u8(octet);
    const uint16x8_t half[2] = { vmovl_u8(vget_low_u8(b)), vmovl_high_u8(b) };
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) {
        const uint16x4_t four = q % 2 ? vget_high_u16(half[q / 2]) : vget_low_u16(half[q / 2]);
        const uint32x4_t wide = vmovl_u16(four);
        const uint32x4_t rest = vandq_u32(vaddq_u32(wide, vdupq_n_u32(1)), vdupq_n_u32(254));
        const uint32x4_t bit = vandq_u32(vceqzq_u32(rest), vdupq_n_u32(0x400000));
        v[q] = vreinterpretq_f32_u32(vorrq_u32(vshlq_n_u32(wide, 23), bit));
    }
}

/* 2^(b - 128): 0 and 1 are subnormal. */
static WH_INLINE void load_half_e8m0(const uint8_t *octet, float32x4_t *v)
{
    const uint8x16_t b = vld1q_u8(octet);
    const uint16x8_t half[2] = { vmovl_u8(vget_low_u8(b)), vmovl_high_u8(b) };
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) {
        const uint16x4_t four = q % 2 ? vget_high_u16(half[q / 2]) : vget_low_u16(half[q / 2]);
        const uint32x4_t wide = vmovl_u16(four);
        const uint32x4_t power = vshlq_n_u32(vsubq_u32(wide, vdupq_n_u32(1)), 23);
        const uint32x4_t small = vshlq_u32(vdupq_n_u32(0x200000), vreinterpretq_s32_u32(wide));
        v[q] = vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(wide, vdupq_n_u32(2)), small, power));
    }
}

static WH_INLINE void scale_rows(float32x4_t *v, float by)
{
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) v[q] = vmulq_n_f32(v[q], by);
}

/* E4M3 lies in float16 as it is, 2^8 too small. */
static WH_INLINE uint16x8_t e4m3_as_f16(int8x8_t octets)
{
    const uint16x8_t wide = vreinterpretq_u16_s16(vshll_n_s8(octets, 7));
    const uint16x8_t half = vandq_u16(wide, vdupq_n_u16(0xbf80)), top = vdupq_n_u16(0x3f80);
    const uint16x8_t nan = vceqq_u16(vandq_u16(half, top), top);
    return vorrq_u16(half, vandq_u16(nan, vdupq_n_u16(0x7e00)));
}

static WH_INLINE void load_e4m3(const uint8_t *octet, float scale2, float32x4_t *v)
{
    const int8x16_t b = vreinterpretq_s8_u8(vld1q_u8(octet));
    uint16_t half[WH_PANEL];
    vst1q_u16(half, e4m3_as_f16(vget_low_s8(b)));
    vst1q_u16(half + 8, e4m3_as_f16(vget_high_s8(b)));
    load_f16(half, v);
    scale_rows(v, scale2 * 256.0f);
}

/* Half of one without sign and NaN. */
static WH_INLINE void load_half_ue4m3(const uint8_t *octet, float32x4_t *v)
{
    const uint8x16_t b = vld1q_u8(octet);
    uint16_t half[WH_PANEL];
    vst1q_u16(half, vshll_n_u8(vget_low_u8(b), 7));
    vst1q_u16(half + 8, vshll_n_u8(vget_high_u8(b), 7));
    load_f16(half, v);
    scale_rows(v, 0x1p7f);
}

/* Scales of a panel and group; `at` as in wh_weight_scale, of its first row. */
static WH_INLINE void load_scales(const whit_weight *w, size_t at, float32x4_t *v)
{
    if (w->scale_type == WH_SCALE_F32)
        load_f32((const float *)w->scale + at, v);
    else if (w->scale_type == WH_SCALE_F16)
        load_f16((const uint16_t *)w->scale + at, v);
    else if (w->scale_type == WH_SCALE_E8M0)
        load_e8m0((const uint8_t *)w->scale + at, v);
    else if (w->scale_type == WH_SCALE_HALF_E8M0)
        load_half_e8m0((const uint8_t *)w->scale + at, v);
    else if (w->scale_type == WH_SCALE_HALF_UE4M3)
        load_half_ue4m3((const uint8_t *)w->scale + at, v);
    else
        load_e4m3((const uint8_t *)w->scale + at, w->scale2, v);
    if (w->form == WH_FORM_F8) scale_rows(v, w->scale2);
}

/* 16 octets as integers. */
static WH_INLINE void widen(int16x8_t low, int16x8_t high, int32x4_t *v)
{
    v[0] = vmovl_s16(vget_low_s16(low));
    v[1] = vmovl_high_s16(low);
    v[2] = vmovl_s16(vget_low_s16(high));
    v[3] = vmovl_high_s16(high);
}

/* Its zero points, less `offset`. */
static WH_INLINE void load_zeros(const whit_weight *w, size_t at, int offset, int32x4_t *v)
{
    const int16x8_t away = vdupq_n_s16((int16_t)offset);
    int16x8_t low = vdupq_n_s16((int16_t)w->centre), high = low;
    if (w->zero) {
        const uint8x16_t z = vld1q_u8(w->zero + at);
        low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(z)));
        high = vreinterpretq_s16_u16(vmovl_high_u8(z));
    }
    low = vsubq_s16(low, away);
    high = vsubq_s16(high, away);
    widen(low, high, v);
}

/* Outputs of panel p to y; rows beyond the weight are not written. */
static WH_INLINE void store_rows(const whit_weight *w, size_t p, const float32x4_t *v, float *y)
{
    float row[WH_PANEL];
    const size_t left = w->rows - p * WH_PANEL, n = left < WH_PANEL ? left : WH_PANEL;
    float *to = n < WH_PANEL ? row : y + p * WH_PANEL;
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) vst1q_f32(to + 4 * q, v[q]);
    if (n < WH_PANEL) memcpy(y + p * WH_PANEL, row, n * sizeof *row);
}

#endif
