/* src/kernels/float_neon.c - products with float activations and the values of a block, base NEON.
 *
 * A lane is a row. Codes become float32 where they lie: the bits of one input are masked out of the
 * 32 of a row and converted as a fixed-point number, which takes the shift along. The orders of
 * sums are those of kernels.h. Steps are multiples of 8 but for the last of a row. Not here: tiles
 * of several tokens (tile_neon.c).
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/panel_neon.h"

#define ABREAST 4 /* panels of floats at once: a sum is one chain, a fused add takes a while */
#define HALF 2    /* quarters of codes at once: with four sums a row, 8 chains */

/* ---- values of codes ---- */

/* What turns codes into values: zero points of the group, or the table cut into its octets. */
typedef struct meaning {
    float32x4_t zero[QUARTERS];
    uint8x16_t plane[4]; /* octet i of each of 16 entries */
} meaning;

/* Values of 4 rows at the inputs of a line; `line` points at their codes. */
typedef void values_fn(const meaning *m, size_t quarter, const uint8_t *line, float32x4_t *v);

typedef struct kind {
    values_fn *values;
    size_t line; /* inputs of a line */
    int table;
} kind;

static WH_INLINE void values_q4(const meaning *m, size_t quarter, const uint8_t *line,
                                float32x4_t *v)
{
    const uint32x4_t c = vreinterpretq_u32_u8(vld1q_u8(line));
    v[0] = vcvtq_f32_u32(vandq_u32(c, vdupq_n_u32(0x0000000f)));
    v[1] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x00000f00)), 8);
    v[2] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x000f0000)), 16);
    v[3] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x0f000000)), 24);
    v[4] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x000000f0)), 4);
    v[5] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x0000f000)), 12);
    v[6] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x00f00000)), 20);
    v[7] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0xf0000000)), 28);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) v[i] = vsubq_f32(v[i], m->zero[quarter]);
}

static WH_INLINE void values_q8(const meaning *m, size_t quarter, const uint8_t *line,
                                float32x4_t *v)
{
    const uint32x4_t c = vreinterpretq_u32_u8(vld1q_u8(line));
    v[0] = vcvtq_f32_u32(vandq_u32(c, vdupq_n_u32(0x000000ff)));
    v[1] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x0000ff00)), 8);
    v[2] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0x00ff0000)), 16);
    v[3] = vcvtq_n_f32_u32(vandq_u32(c, vdupq_n_u32(0xff000000)), 24);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) v[i] = vsubq_f32(v[i], m->zero[quarter]);
}

/* Entries for 16 codes: 4 rows at 4 inputs, input by input. Four look-ups of 16 octets, zipped; one
 * in the 64 octets of the whole table would need an index for every octet. */
static WH_INLINE void look_up(const meaning *m, uint8x16_t codes, float32x4_t *v)
{
    const uint8x16x2_t low =
        vzipq_u8(vqtbl1q_u8(m->plane[0], codes), vqtbl1q_u8(m->plane[1], codes));
    const uint8x16x2_t high =
        vzipq_u8(vqtbl1q_u8(m->plane[2], codes), vqtbl1q_u8(m->plane[3], codes));
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
        const uint16x8x2_t both =
            vzipq_u16(vreinterpretq_u16_u8(low.val[i]), vreinterpretq_u16_u8(high.val[i]));
        v[2 * i] = vreinterpretq_f32_u16(both.val[0]);
        v[2 * i + 1] = vreinterpretq_f32_u16(both.val[1]);
    }
}

static WH_INLINE void values_t4(const meaning *m, size_t quarter, const uint8_t *line,
                                float32x4_t *v)
{
    static const uint8_t by_input[16] = { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 };
    const uint8x16_t pairs = vqtbl1q_u8(vld1q_u8(line), vld1q_u8(by_input));
    (void)quarter; /* a table is the same for all rows */
    look_up(m, vandq_u8(pairs, vdupq_n_u8(15)), v);
    look_up(m, vshrq_n_u8(pairs, 4), v + 4);
}

static const kind q4 = { values_q4, 8, 0 }, q8 = { values_q8, 4, 0 }, t4 = { values_t4, 8, 1 };

static WH_INLINE void load_table(const whit_weight *w, meaning *m)
{
    const uint8x16x4_t planes = vld4q_u8((const uint8_t *)w->table);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) m->plane[i] = planes.val[i];
}

static WH_INLINE void load_meaning(const whit_weight *w, const kind *c, size_t at, meaning *m)
{
    int32x4_t zero[QUARTERS];
    if (c->table) return; /* the same for all groups */
    load_zeros(w, at, 0, zero);
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) m->zero[q] = vcvtq_f32_s32(zero[q]);
}

/* ---- one token, codes ---- */

/* The first n inputs of a line, of half a panel. */
static WH_INLINE void add_line(const kind *c, const meaning *m, size_t half, const uint8_t *line,
                               const float *x, size_t n, float32x4_t (*part)[4])
{
#pragma GCC unroll 2
    for (size_t q = 0; q < HALF; q++) {
        float32x4_t v[8];
        c->values(m, half * HALF + q, line + (half * HALF + q) * 16, v);
#pragma GCC unroll 8
        for (size_t i = 0; i < c->line; i++)
            if (i < n) part[q][i % 4] = vfmaq_n_f32(part[q][i % 4], v[i], x[i]);
    }
}

/* acc += a step, inputs [k, end), of half a panel. */
static WH_INLINE void add_step(const kind *c, const meaning *m, size_t half, const uint8_t *data,
                               const float *x, size_t k, size_t end, const float32x4_t *scale,
                               float32x4_t *acc)
{
    float32x4_t part[HALF][4];
#pragma GCC unroll 2
    for (size_t q = 0; q < HALF; q++) zero_rows(part[q]);
    const uint8_t *line = data + k / c->line * 64;
    for (; end - k >= c->line; k += c->line, line += 64)
        add_line(c, m, half, line, x + k, c->line, part);
    if (k < end) add_line(c, m, half, line, x + k, end - k, part);
#pragma GCC unroll 2
    for (size_t q = 0; q < HALF; q++) {
        const size_t at = half * HALF + q;
        const float32x4_t even = vaddq_f32(part[q][0], part[q][1]);
        const float32x4_t odd = vaddq_f32(part[q][2], part[q][3]);
        acc[at] = vfmaq_f32(acc[at], vaddq_f32(even, odd), scale[at]);
    }
}

static WH_INLINE void gemv_codes(const wh_gemv_args *a, const kind *c)
{
    const whit_weight *w = a->w;
    meaning m;
    if (c->table) load_table(w, &m);
    for (size_t p = a->p0; p < a->p1; p++) {
        float32x4_t acc[QUARTERS], scale[QUARTERS];
        zero_rows(acc);
        for (size_t k = 0; k < w->cols; k += w->step) {
            const size_t end = w->cols - k < w->step ? w->cols : k + w->step;
            const size_t at = (p * w->groups + k / w->group) * WH_PANEL;
            load_meaning(w, c, at, &m);
            load_scales(w, at, scale);
#pragma GCC unroll 2
            for (size_t half = 0; half < QUARTERS / HALF; half++)
                add_step(c, &m, half, w->data + p * w->panel_bytes, a->x, k, end, scale, acc);
        }
        store_rows(w, p, acc, a->y);
    }
}

void wh_gemv_q4_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &q4);
}

void wh_gemv_q8_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &q8);
}

void wh_gemv_t4_neon(const wh_gemv_args *a)
{
    gemv_codes(a, &t4);
}

/* ---- one token, floats ---- */

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

static WH_INLINE void run_panels(const wh_gemv_args *a, column_fn *column, size_t p, size_t panels)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + p * w->panel_bytes;
    float32x4_t acc[ABREAST][QUARTERS];
#pragma GCC unroll 4
    for (size_t i = 0; i < panels; i++) zero_rows(acc[i]);
    for (size_t k = 0; k < w->cols; k++)
#pragma GCC unroll 4
        for (size_t i = 0; i < panels; i++) {
            float32x4_t v[QUARTERS];
            column(data + i * w->panel_bytes, k, v);
#pragma GCC unroll 4
            for (size_t q = 0; q < QUARTERS; q++) acc[i][q] = vfmaq_n_f32(acc[i][q], v[q], a->x[k]);
        }
#pragma GCC unroll 4
    for (size_t i = 0; i < panels; i++) store_rows(w, p + i, acc[i], a->y);
}

static WH_INLINE void gemv_floats(const wh_gemv_args *a, column_fn *column)
{
    size_t p = a->p0;
    for (; a->p1 - p >= ABREAST; p += ABREAST) run_panels(a, column, p, ABREAST);
    for (; p < a->p1; p++) run_panels(a, column, p, 1);
}

void wh_gemv_f32_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_f32);
}

void wh_gemv_f16_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_f16);
}

void wh_gemv_bf16_neon(const wh_gemv_args *a)
{
    gemv_floats(a, column_bf16);
}

/* ---- values of a block ---- */

/* The first n inputs of a line. */
static WH_INLINE void decode_line(const kind *c, const meaning *m, const uint8_t *line, size_t n,
                                  float *out)
{
#pragma GCC unroll 4
    for (size_t q = 0; q < QUARTERS; q++) {
        float32x4_t v[8];
        c->values(m, q, line + 16 * q, v);
#pragma GCC unroll 8
        for (size_t i = 0; i < c->line; i++)
            if (i < n) vst1q_f32(out + i * WH_PANEL + 4 * q, v[i]);
    }
}

static WH_INLINE void decode_codes(const wh_decode_args *a, const kind *c)
{
    const whit_weight *w = a->w;
    const uint8_t *line = w->data + a->p * w->panel_bytes + a->k0 / c->line * 64;
    float *out = a->out;
    meaning m;
    if (c->table) load_table(w, &m);
    for (size_t k = a->k0; k < a->k1;) {
        const size_t group = k / w->group, next = (group + 1) * w->group;
        const size_t end = a->k1 < next ? a->k1 : next;
        load_meaning(w, c, (a->p * w->groups + group) * WH_PANEL, &m);
        for (; end - k >= c->line; k += c->line, line += 64, out += c->line * WH_PANEL)
            decode_line(c, &m, line, c->line, out);
        if (k < end) decode_line(c, &m, line, end - k, out);
        k = end;
    }
}

void wh_decode_q4_neon(const wh_decode_args *a)
{
    decode_codes(a, &q4);
}

void wh_decode_q8_neon(const wh_decode_args *a)
{
    decode_codes(a, &q8);
}

void wh_decode_t4_neon(const wh_decode_args *a)
{
    decode_codes(a, &t4);
}

static WH_INLINE void decode_floats(const wh_decode_args *a, column_fn *column)
{
    const uint8_t *data = a->w->data + a->p * a->w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0, end = a->k1; k < end; k++, out += WH_PANEL) {
        float32x4_t v[QUARTERS];
        column(data, k, v);
#pragma GCC unroll 4
        for (size_t q = 0; q < QUARTERS; q++) vst1q_f32(out + 4 * q, v[q]);
    }
}

void wh_decode_f16_neon(const wh_decode_args *a)
{
    decode_floats(a, column_f16);
}

void wh_decode_bf16_neon(const wh_decode_args *a)
{
    decode_floats(a, column_bf16);
}
