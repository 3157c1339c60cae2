/* src/model/ops_neon.c - norm, gate and exponentials in NEON: sixteen values are four registers.
 *
 * The loops are in ops_loops.h. Where one operand is a NaN, NEON's own minimum and maximum are a
 * NaN; here they are chosen by a comparison.
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#if !defined(__aarch64__)
#error "this file is for aarch64"
#endif

#include <arm_neon.h>

#include "base/cpu.h"

typedef struct v16 {
    float32x4_t q[4];
} v16;
typedef struct d16 {
    float64x2_t q[8];
} d16;

static inline v16 v_set(float f)
{
    const float32x4_t v = vdupq_n_f32(f);
    return (v16){ { v, v, v, v } };
}

static inline v16 v_load(const float *p)
{
    return (v16){ { vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12) } };
}

static inline void v_store(float *p, v16 v)
{
    for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, v.q[i]);
}

static inline v16 v_add(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vaddq_f32(a.q[i], b.q[i]);
    return a;
}

static inline v16 v_sub(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vsubq_f32(a.q[i], b.q[i]);
    return a;
}

static inline v16 v_mul(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vmulq_f32(a.q[i], b.q[i]);
    return a;
}

static inline v16 v_div(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vdivq_f32(a.q[i], b.q[i]);
    return a;
}

static inline v16 v_min(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]);
    return a;
}

static inline v16 v_max(v16 a, v16 b)
{
    for (int i = 0; i < 4; i++) a.q[i] = vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]);
    return a;
}

static inline v16 v_power(v16 v)
{
    for (int i = 0; i < 4; i++) {
        const int32x4_t moved = vaddq_s32(vreinterpretq_s32_f32(v.q[i]), vdupq_n_s32(127));
        v.q[i] = vreinterpretq_f32_s32(vshlq_n_s32(moved, 23));
    }
    return v;
}

static inline d16 d_zero(void)
{
    d16 d;
    for (int i = 0; i < 8; i++) d.q[i] = vdupq_n_f64(0.0);
    return d;
}

static inline d16 widened(v16 v)
{
    d16 d;
    for (int i = 0; i < 4; i++) {
        d.q[2 * i] = vcvt_f64_f32(vget_low_f32(v.q[i]));
        d.q[2 * i + 1] = vcvt_high_f64_f32(v.q[i]);
    }
    return d;
}

static inline d16 d_add(d16 d, v16 v)
{
    const d16 w = widened(v);
    for (int i = 0; i < 8; i++) d.q[i] = vaddq_f64(d.q[i], w.q[i]);
    return d;
}

static inline d16 d_add_square(d16 d, v16 v)
{
    const d16 w = widened(v);
    for (int i = 0; i < 8; i++) d.q[i] = vaddq_f64(d.q[i], vmulq_f64(w.q[i], w.q[i]));
    return d;
}

static inline void d_store(double *p, d16 d)
{
    for (int i = 0; i < 8; i++) vst1q_f64(p + 2 * i, d.q[i]);
}

#include "model/ops_loops.h"
#include "model/softmax_loops.h"

const wh_ops wh_ops_neon = {
    .isa = "neon",
    .needs = WH_ISA_NEON,
    .rms_norm = rms_norm,
    .silu_times = silu_times,
    .exponentials = exponentials,
    .largest = largest,
    .exp_sum = exp_sum,
};
