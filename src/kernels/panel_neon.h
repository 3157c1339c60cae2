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

/* Scales of a panel and group; `at` as in wh_weight_scale, of its first row. */
static WH_INLINE void load_scales(const whit_weight *w, size_t at, float32x4_t *v)
{
    if (w->scale_f16)
        load_f16((const uint16_t *)w->scale + at, v);
    else
        load_f32((const float *)w->scale + at, v);
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
    const uint8x16_t z = w->zero ? vld1q_u8(w->zero + at) : vdupq_n_u8((uint8_t)w->centre);
    const int16x8_t away = vdupq_n_s16((int16_t)offset);
    const int16x8_t low = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(z))), away);
    const int16x8_t high = vsubq_s16(vreinterpretq_s16_u16(vmovl_high_u8(z)), away);
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
