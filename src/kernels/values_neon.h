/* src/kernels/values_neon.h - the values of a panel as float32 in NEON vectors.
 *
 * A lane is a row. The bits of one input are masked out of the 32 of a row that hold four and
 * converted as a fixed-point number, which takes the shift along. Of blocks w(k) comes out, of
 * other codes value(k) (kernels.h). Only static functions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_VALUES_NEON_H
#define WH_KERNELS_VALUES_NEON_H

#include "kernels/codes_neon.h"

/* What turns codes into values, for some inputs of a panel. */
typedef struct meaning {
    float32x4_t zero[QUARTERS];
    float32x4_t scale[QUARTERS], min[QUARTERS]; /* of blocks: with those of the sub-block */
    uint8x16_t plane[4];                        /* of a table: octet i of each of 16 entries */
} meaning;

typedef struct value_kind {
    const code_kind *codes; /* NULL: a table's, in nibbles */
    int block, minima;
    int e4m3, e5m2; /* floats of 8 bits */
} value_kind;

/* Of blocks. */
#define PLAIN(kind, bits) PARTS(kind, bits, 0, 0)
#define PARTS(kind, width, sub, with)                                                              \
    static const value_kind kind_##kind = { .codes = &code_##width, .block = 1, .minima = with };
#define TABLE(kind, ...) static const value_kind kind_##kind = { .codes = NULL, .block = 1 };
WH_PLAIN_BLOCKS(PLAIN)
WH_PARTED_BLOCKS(PARTS)
WH_TABLE_BLOCKS(TABLE)
WH_PARTED_TABLES(TABLE)

/* ---- codes ---- */

/* 4 rows at 4 inputs as they are stored, to one vector an input. */
static WH_INLINE void convert(uint8x16_t codes, float32x4_t *v)
{
    const uint32x4_t c = vreinterpretq_u32_u8(codes);
    v[0] = vcvtq_f32_u32(vandq_u32(c, vdupq_n_u32(0x000000ff)));
    v[1] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x0000ff00)), 8);
    v[2] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x00ff0000)), 16);
    v[3] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0xff000000)), 24);
}

/* Entries for 16 codes: 4 rows at 4 inputs, input by input. Four look-ups of 16 octets, zipped; one
 * in the 64 octets of the whole table would need an index for every octet. */
static WH_INLINE void look_up(const meaning *m, uint8x16_t codes, float32x4_t *v)
{
    const uint8x16x2_t low =
        vzipq_u8(vqtbl1q_u8(m->plane[0], codes), vqtbl1q_u8(m->plane[1], codes));
    const uint8x16x2_t high =
        vzipq_u8(vqtbl1q_u8(m->plane[2], codes), vqtbl1q_u8(m->plane[3], codes));
    WH_UNROLL
    for (size_t i = 0; i < 2; i++) {
        const uint16x8x2_t both =
            vzipq_u16(vreinterpretq_u16_u8(low.val[i]), vreinterpretq_u16_u8(high.val[i]));
        v[2 * i] = vreinterpretq_f32_u16(both.val[0]);
        v[2 * i + 1] = vreinterpretq_f32_u16(both.val[1]);
    }
}

/* Octets as the upper bits of float16: inputs 0 and 1 of the 4 rows, then 2 and 3. */
static WH_INLINE void widen_f8(uint8x16_t octets, int e5m2, float32x4_t *v)
{
    static const uint8_t upper[2][16] = {
        { 255, 0, 255, 4, 255, 8, 255, 12, 255, 1, 255, 5, 255, 9, 255, 13 },
        { 255, 2, 255, 6, 255, 10, 255, 14, 255, 3, 255, 7, 255, 11, 255, 15 }
    };
    WH_UNROLL
    for (size_t i = 0; i < 2; i++) {
        int16x8_t half = vreinterpretq_s16_u8(vqtbl1q_u8(octets, vld1q_u8(upper[i])));
        if (!e5m2) half = vandq_s16(vshrq_n_s16(half, 1), vdupq_n_s16((int16_t)0xbf80));
        const float16x8_t f = vreinterpretq_f16_s16(half);
        v[2 * i] = vcvt_f32_f16(vget_low_f16(f));
        v[2 * i + 1] = vcvt_high_f32_f16(f);
    }
}

/* Octets of a panel for a unit. */
static WH_INLINE size_t value_bytes(const value_kind *c)
{
    return c->codes ? unit_bytes(c->codes) : 4 * LINE;
}

/* Values of a quarter's rows at inputs 8t .. 8t + 7 of a unit; `unit` as in codes_fn. */
static WH_INLINE void values(const value_kind *c, const meaning *m, size_t quarter,
                             const uint8_t *unit, size_t t, float32x4_t *v)
{
    static const uint8_t by_input[16] = { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 };
    uint8x16_t code[2];
    if (!c->codes) {
        const uint8x16_t pairs = vqtbl1q_u8(vld1q_u8(unit + t * LINE), vld1q_u8(by_input));
        look_up(m, vandq_u8(pairs, vdupq_n_u8(15)), v);
        look_up(m, vshrq_n_u8(pairs, 4), v + 4);
    } else {
        c->codes->codes(unit, t, code);
        if (c->e4m3 || c->e5m2) {
            widen_f8(code[0], c->e5m2, v);
            widen_f8(code[1], c->e5m2, v + 4);
            return;
        }
        convert(code[0], v);
        convert(code[1], v + 4);
    }
    WH_UNROLL
    for (size_t i = 0; i < EIGHT; i++) {
        if (c->codes) v[i] = vsubq_f32(v[i], m->zero[quarter]);
        if (c->block) v[i] = vmulq_f32(v[i], m->scale[quarter]);
        if (c->minima) v[i] = vsubq_f32(v[i], m->min[quarter]);
    }
}

/* ---- their meaning ---- */

/* Inputs that share one. */
static WH_INLINE size_t meaning_inputs(const whit_weight *w, const value_kind *c)
{
    return c->block && w->sub ? w->sub : w->group;
}

/* v times 16 octets as integers. */
static WH_INLINE void times(float32x4_t *v, int16x8_t low, int16x8_t high)
{
    int32x4_t wide[QUARTERS];
    widen(low, high, wide);
    WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) v[q] = vmulq_f32(v[q], vcvtq_f32_s32(wide[q]));
}

static WH_INLINE void load_block(const whit_weight *w, const value_kind *c, size_t p, size_t k,
                                 meaning *m)
{
    const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
    const size_t sub = w->sub ? (p * w->subs + k / w->sub) * WH_PANEL : 0;
    load_scales(w, at, m->scale);
    if (w->sub) {
        const int8x16_t s = vld1q_s8(w->sub_scale + sub);
        times(m->scale, vmovl_s8(vget_low_s8(s)), vmovl_high_s8(s));
    }
    if (!c->minima) return;
    load_f16(w->min + at, m->min);
    if (w->sub) {
        const uint8x16_t s = vld1q_u8(w->sub_min + sub);
        times(m->min, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(s))),
              vreinterpretq_s16_u16(vmovl_high_u8(s)));
    }
}

/* Of panel p from input k on. A table is the same for all. */
static WH_INLINE void load_meaning(const whit_weight *w, const value_kind *c, size_t p, size_t k,
                                   meaning *m)
{
    int32x4_t zero[QUARTERS];
    if (c->block) load_block(w, c, p, k, m);
    if (!c->codes) return;
    load_zeros(w, (p * w->groups + k / w->group) * WH_PANEL, 0, zero);
    WH_UNROLL
    for (size_t q = 0; q < QUARTERS; q++) m->zero[q] = vcvtq_f32_s32(zero[q]);
}

static WH_INLINE void load_table(const whit_weight *w, meaning *m)
{
    const uint8x16x4_t planes = vld4q_u8((const uint8_t *)w->table);
    WH_UNROLL
    for (size_t i = 0; i < 4; i++) m->plane[i] = planes.val[i];
}

/* ---- floats ---- */

/* The 16 rows of input k. */
typedef void column_fn(const uint8_t *data, size_t k, float32x4_t *v);

static WH_INLINE void column_f32(const uint8_t *data, size_t k, float32x4_t *v)
{
    load_f32((const float *)(const void *)data + k * WH_PANEL, v);
}

static WH_INLINE void column_f16(const uint8_t *data, size_t k, float32x4_t *v)
{
    load_f16((const uint16_t *)(const void *)data + k * WH_PANEL, v);
}

static WH_INLINE void column_bf16(const uint8_t *data, size_t k, float32x4_t *v)
{
    const uint16_t *half = (const uint16_t *)(const void *)data + k * WH_PANEL;
    const uint16x8_t low = vld1q_u16(half), high = vld1q_u16(half + 8);
    v[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(low), 16));
    v[1] = vreinterpretq_f32_u32(vshll_high_n_u16(low, 16));
    v[2] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(high), 16));
    v[3] = vreinterpretq_f32_u32(vshll_high_n_u16(high, 16));
}

#endif
