/* src/pack/block_encode_neon.c - the block encoders in NEON: four blocks side by side.
 *
 * The loops are in block_loops.h, what a variant must define in block_lanes.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block_encode.h"

#if !defined(__ARM_NEON)
#error "this file needs NEON"
#endif

#include <arm_neon.h>

#include "base/cpu.h"

enum { W = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vi;
typedef uint32x4_t vm;

static inline vf v_set(float f)
{
    return vdupq_n_f32(f);
}

static inline vf v_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void v_store(float *p, vf v)
{
    vst1q_f32(p, v);
}

static inline vf v_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

static inline vf v_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}

static inline vf v_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}

static inline vf v_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}

static inline vf v_sqrt(vf v)
{
    return vsqrtq_f32(v);
}

static inline vf v_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vf v_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vf v_abs(vf v)
{
    return vabsq_f32(v);
}

static inline vf v_neg(vf v)
{
    return vnegq_f32(v);
}

static inline vf v_wrap(vf v)
{
    const vi low = vandq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x7fffff));
    return vreinterpretq_f32_u32(vorrq_u32(low, vdupq_n_u32(0x4b000000)));
}

static inline vf v_half(vf v)
{
    return vcvt_f32_f16(vcvt_f16_f32(v));
}

static inline void v_store_half(uint16_t *p, vf v)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

static inline vm v_lt(vf a, vf b)
{
    return vcltq_f32(a, b);
}

static inline vm v_le(vf a, vf b)
{
    return vcleq_f32(a, b);
}

static inline vm v_ne(vf a, vf b)
{
    return vmvnq_u32(vceqq_f32(a, b));
}

static inline vm m_and(vm a, vm b)
{
    return vandq_u32(a, b);
}

static inline int m_any(vm m)
{
    return vmaxvq_u32(m) != 0;
}

static inline vf v_pick(vm m, vf a, vf b)
{
    return vbslq_f32(m, a, b);
}

static inline vi i_set(int i)
{
    return vdupq_n_u32((uint32_t)i);
}

static inline vi i_load(const int32_t *p)
{
    return vreinterpretq_u32_s32(vld1q_s32(p));
}

static inline void i_store(int32_t *p, vi i)
{
    vst1q_s32(p, vreinterpretq_s32_u32(i));
}

static inline vi i_add(vi a, vi b)
{
    return vaddq_u32(a, b);
}

static inline vi i_count(vi i, vm m)
{
    return vsubq_u32(i, m);
}

static inline vi i_or(vi a, vi b)
{
    return vorrq_u32(a, b);
}

static inline vi i_left(vi i, int n)
{
    return vshlq_u32(i, vdupq_n_s32(n));
}

static inline vi i_pick(vm m, vi a, vi b)
{
    return vbslq_u32(m, a, b);
}

static inline vi i_round(vf v)
{
    return vreinterpretq_u32_s32(vcvtq_s32_f32(v));
}

static inline vf i_float(vi i)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u32(i));
}

static inline void v_store_bits(float *p, vi i)
{
    v_store(p, vreinterpretq_f32_u32(i));
}

static inline vf v_lookup(const float *table, vi i)
{
    const float at[4] = { table[vgetq_lane_u32(i, 0)], table[vgetq_lane_u32(i, 1)],
                          table[vgetq_lane_u32(i, 2)], table[vgetq_lane_u32(i, 3)] };
    return vld1q_f32(at);
}

static inline vf v_lookup8(const float *table, vi i)
{
    return v_lookup(table, i);
}

static inline void v_tile(const float *const *from, size_t n, float *tile)
{
    for (size_t i = 0; i < n; i += 4) {
        float *to = tile + i * W;
        const float32x4x2_t a = vtrnq_f32(v_load(from[0] + i), v_load(from[1] + i));
        const float32x4x2_t b = vtrnq_f32(v_load(from[2] + i), v_load(from[3] + i));
        for (int k = 0; k < 2; k++) { /* elements k and 2 + k */
            v_store(to + k * W, vcombine_f32(vget_low_f32(a.val[k]), vget_low_f32(b.val[k])));
            v_store(to + (2 + k) * W,
                    vcombine_f32(vget_high_f32(a.val[k]), vget_high_f32(b.val[k])));
        }
    }
}

#include "pack/block_loops.h"

const wh_block_ops wh_block_neon = { "neon", WH_ISA_NEON, W, encode_lanes };
