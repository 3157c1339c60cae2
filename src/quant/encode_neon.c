/* src/quant/encode_neon.c - the encoder loops in NEON: sixteen elements are four registers.
 *
 * The loops are in encode_loops.h and encode_scales.h, what they compute in encode_scalar.c. Tails
 * go through a copy.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#include <arm_neon.h>

#include "base/cpu.h"

typedef struct v16 {
    float32x4_t q[4];
} v16;
typedef struct w16 {
    int32x4_t q[4];
} w16;
typedef uint8x16_t b16;

#define EACH for (int i = 0; i < 4; i++)

static inline v16 v_set(float f)
{
    v16 r;
    EACH r.q[i] = vdupq_n_f32(f);
    return r;
}

static inline w16 w_set(int v)
{
    w16 r;
    EACH r.q[i] = vdupq_n_s32(v);
    return r;
}

static inline v16 v_load(const float *p)
{
    v16 r;
    EACH r.q[i] = vld1q_f32(p + 4 * i);
    return r;
}

static inline v16 v_load_n(const float *p, size_t n)
{
    float all[WH_LANES] = { 0 };
    memcpy(all, p, n * sizeof *p);
    return v_load(all);
}

static inline void v_store(float *p, v16 v)
{
    EACH vst1q_f32(p + 4 * i, v.q[i]);
}

static inline void v_store_n(float *p, v16 v, size_t n)
{
    float all[WH_LANES];
    v_store(all, v);
    memcpy(p, all, n * sizeof *p);
}

static inline v16 v_add(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vaddq_f32(x.q[i], y.q[i]);
    return r;
}

static inline v16 v_sub(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vsubq_f32(x.q[i], y.q[i]);
    return r;
}

static inline v16 v_mul(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vmulq_f32(x.q[i], y.q[i]);
    return r;
}

static inline v16 v_div(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vdivq_f32(x.q[i], y.q[i]);
    return r;
}

static inline v16 v_fma(v16 x, v16 y, v16 z)
{
    v16 r;
    EACH r.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
    return r;
}

/* Not the instructions of that name: they differ for NaN and for zeros of both signs. */
static inline v16 v_min(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vbslq_f32(vcltq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return r;
}

static inline v16 v_max(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return r;
}

static inline w16 v_bits(v16 x)
{
    w16 r;
    EACH r.q[i] = vreinterpretq_s32_f32(x.q[i]);
    return r;
}

static inline v16 w_float(w16 x)
{
    v16 r;
    EACH r.q[i] = vreinterpretq_f32_s32(x.q[i]);
    return r;
}

static inline w16 w_add(w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vaddq_s32(x.q[i], y.q[i]);
    return r;
}

static inline w16 w_sub(w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vsubq_s32(x.q[i], y.q[i]);
    return r;
}

static inline w16 w_and(w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vandq_s32(x.q[i], y.q[i]);
    return r;
}

static inline w16 w_or(w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vorrq_s32(x.q[i], y.q[i]);
    return r;
}

static inline w16 w_max(w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vmaxq_s32(x.q[i], y.q[i]);
    return r;
}

static inline w16 w_shift(w16 w, int n)
{
    w16 r;
    EACH r.q[i] = vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(w.q[i]), vdupq_n_s32(-n)));
    return r;
}

static inline w16 w_round(v16 x)
{
    w16 r;
    EACH r.q[i] = vcvtq_s32_f32(x.q[i]);
    return r;
}

static inline w16 w_less(v16 a, v16 b, w16 x, w16 y)
{
    w16 r;
    EACH r.q[i] = vbslq_s32(vcltq_f32(a.q[i], b.q[i]), x.q[i], y.q[i]);
    return r;
}

static inline float v_sum(v16 v)
{
    const float32x4_t a = vaddq_f32(v.q[0], v.q[2]), b = vaddq_f32(v.q[1], v.q[3]);
    const float32x4_t c = vaddq_f32(a, b);
    const float32x2_t d = vadd_f32(vget_low_f32(c), vget_high_f32(c));
    return vget_lane_f32(d, 0) + vget_lane_f32(d, 1);
}

static inline float v_least(v16 v)
{
    return vminvq_f32(vminq_f32(vminq_f32(v.q[0], v.q[1]), vminq_f32(v.q[2], v.q[3])));
}

static inline float v_most(v16 v)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(v.q[0], v.q[1]), vmaxq_f32(v.q[2], v.q[3])));
}

static inline int v_any_upto(v16 x, v16 y)
{
    const uint32x4_t a = vorrq_u32(vcleq_f32(x.q[0], y.q[0]), vcleq_f32(x.q[1], y.q[1]));
    const uint32x4_t b = vorrq_u32(vcleq_f32(x.q[2], y.q[2]), vcleq_f32(x.q[3], y.q[3]));
    return vmaxvq_u32(vorrq_u32(a, b)) != 0;
}

static inline v16 v_first(v16 v, float f)
{
    v.q[0] = vsetq_lane_f32(f, v.q[0], 0);
    return v;
}

static inline v16 v_half(v16 v)
{
    v16 r;
    EACH r.q[i] = vcvt_f32_f16(vcvt_f16_f32(v.q[i]));
    return r;
}

static inline v16 v_nearer(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vminnmq_f32(vabsq_f32(x.q[i]), vabsq_f32(y.q[i]));
    return r;
}

static inline v16 v_farther(v16 x, v16 y)
{
    v16 r;
    EACH r.q[i] = vmaxnmq_f32(vabsq_f32(x.q[i]), vabsq_f32(y.q[i]));
    return r;
}

static inline int v_any_nan(v16 v)
{
    const float32x4_t a = vaddq_f32(v.q[0], v.q[1]), b = vaddq_f32(v.q[2], v.q[3]);
    const float32x4_t c = vaddq_f32(a, b);
    return vminvq_u32(vceqq_f32(c, c)) == 0;
}

static inline b16 w_octets(w16 w)
{
    const int16x8_t low = vcombine_s16(vmovn_s32(w.q[0]), vmovn_s32(w.q[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(w.q[2]), vmovn_s32(w.q[3]));
    return vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

static inline void b_store(uint8_t *p, b16 b)
{
    vst1q_u8(p, b);
}

static inline void b_store_n(uint8_t *p, b16 b, size_t n)
{
    uint8_t all[WH_LANES];
    b_store(all, b);
    memcpy(p, all, n);
}

typedef struct v_table {
    const float *threshold;
    uint8x16x4_t value; /* the octets of sixteen floats */
    b16 code;
} v_table;

static inline v_table v_table_open(const wh_codebook *book)
{
    v_table t = { .threshold = book->threshold, .code = vld1q_u8(book->code) };
    EACH t.value.val[i] = vreinterpretq_u8_f32(vld1q_f32(book->value + 4 * i));
    return t;
}

/* The thresholds below q are counted: a comparison is -1 where it holds. */
static inline w16 v_table_entry(const v_table *t, v16 q)
{
    w16 k = w_set(0);
    for (int j = 0; j < 15; j++) {
        const float32x4_t threshold = vdupq_n_f32(t->threshold[j]);
        EACH k.q[i] = vsubq_s32(k.q[i], vreinterpretq_s32_u32(vcgtq_f32(q.q[i], threshold)));
    }
    return k;
}

/* The octets of entry e: 4e, 4e + 1, 4e + 2, 4e + 3. */
static inline uint8x16_t octets_of(int32x4_t entry)
{
    return vreinterpretq_u8_s32(vmlaq_n_s32(vdupq_n_s32(0x03020100), entry, 0x04040404));
}

static inline v16 v_table_value(const v_table *t, w16 entry)
{
    v16 r;
    EACH r.q[i] = vreinterpretq_f32_u8(vqtbl4q_u8(t->value, octets_of(entry.q[i])));
    return r;
}

typedef struct v_bins {
    uint8x16x4_t a, b;
} v_bins;

static inline v_bins v_bins_open(const float *p)
{
    v_bins r;
    EACH r.a.val[i] = vreinterpretq_u8_f32(vld1q_f32(p + 4 * i));
    EACH r.b.val[i] = vreinterpretq_u8_f32(vld1q_f32(p + 16 + 4 * i));
    return r;
}

/* An index past the end gives 0 in the first table and leaves what is there in the second. */
static inline v16 v_bin(const v_bins *bins, w16 at)
{
    v16 r;
    EACH
    {
        const uint8x16_t o = octets_of(vandq_s32(at.q[i], vdupq_n_s32(31)));
        const uint8x16_t low = vqtbl4q_u8(bins->a, o);
        r.q[i] = vreinterpretq_f32_u8(vqtbx4q_u8(low, bins->b, vsubq_u8(o, vdupq_n_u8(64))));
    }
    return r;
}

static inline b16 v_table_code(const v_table *t, w16 entry)
{
    return vqtbl1q_u8(t->code, w_octets(entry));
}

#include "quant/encode_loops.h"
#include "quant/encode_scales.h"

const wh_encode_ops wh_encode_neon = {
    "neon",      WH_ISA_NEON,        range_loop,       normalise_loop, error_loop,
    encode_loop, encode_scaled_loop, fit_loop,         scales_loop,    quotients_loop,
    survey_loop, weighted_loop,      weighted_fit_loop
};
