/* src/kernels/gemm_q8_neon.h - the loops of the integer products in NEON vectors.
 *
 * A lane is a row. A panel meets a few tokens at a time; their sums of int32 stay in registers
 * through the inputs that lie together. One loop serves a width of codes, with one level of scales
 * or two: what they differ in is done once for every sub-block. The order of sums is that of
 * kernels.h; integer sums are exact in any. Not here: the products themselves, which each file
 * brings for its instruction set (gemm_isa).
 *
 * Only static functions: a file that includes this may be built for more than ARMv8.0-A. Speed was
 * not measured on any machine; how far ahead memory is asked for is what served x86 well.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_NEON_H
#define WH_KERNELS_GEMM_Q8_NEON_H

#include "kernels/codes_neon.h"
#include "kernels/gemm.h"

enum {
    CHUNK = 64,  /* inputs that lie together in the block of activations */
    TILE = 4,    /* most tokens at once */
    SUMS = 16,   /* vectors of their sums: half of the registers */
    AHEAD = 4096 /* octets from where a panel is to what is fetched */
};

/* A panel and the tokens that it is multiplied with at once. Their vectors of rows are
 * [token * QUARTERS + quarter]. */
typedef struct gemm_tile {
    size_t p, j, tokens;
} gemm_tile;

/* Inputs of a tile that lie together. */
typedef struct gemm_piece {
    const uint8_t *data; /* the unit that holds the first */
    size_t first, end;   /* eights, counted from that unit on */
    const int8_t *x;     /* of the first token at that unit; the next CHUNK on */
    uint8x16_t digit;    /* of a table's integers, by code */
} gemm_piece;

/* Adds the products of a piece to the sums of a tile, in an arrangement of its own. */
typedef void dot_fn(int32x4_t *sum, const code_kind *f, const gemm_piece *at, size_t tokens);
/* The sums as vectors of rows. */
typedef void rows_fn(const int32x4_t *sum, size_t tokens, int32x4_t *v);

typedef struct gemm_isa {
    dot_fn *dot;
    rows_fn *rows;
    size_t tokens;    /* of a tile, 2 or 4 */
    int pairs;        /* tokens always go in pairs */
    int signed_codes; /* octets enter less 128: see signed_code */
} gemm_isa;

/* The codes of eight e and quarter q of a piece; of a table the digits that they stand for. */
static WH_INLINE void codes_at(const code_kind *f, const gemm_piece *at, size_t e, size_t q,
                               uint8x16_t *c)
{
    f->codes(at->data + e / 4 * unit_bytes(f) + q * 16, e % 4, c);
    if (!f->table) return;
    c[0] = vqtbl1q_u8(at->digit, c[0]);
    c[1] = vqtbl1q_u8(at->digit, c[1]);
}

static const code_kind table_4 = { codes_4, 4, 1, 0 }, octets_4 = { codes_4, 4, 1, 1 };

/* A code as a signed octet, for instructions that want both sides signed. */
static WH_INLINE int8x16_t signed_code(const code_kind *f, uint8x16_t c)
{
    return vreinterpretq_s8_u8(f->octets ? veorq_u8(c, vdupq_n_u8(0x80)) : c);
}

static WH_INLINE void fetch(const uint8_t *from, size_t octets)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    const uintptr_t at = (uintptr_t)from + AHEAD;
    for (size_t i = 0; i < octets; i += LINE) __builtin_prefetch((const void *)(at + i));
}

/* sum += inputs [k, end); k is a multiple of 8, codes and activations beyond the row are there and
 * add nothing. Of a table the digit n. */
static WH_INLINE void add_inputs(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                                 const gemm_tile *t, size_t k, size_t end, int n, int32x4_t *sum)
{
    const uint8_t *data = a->w->data + t->p * a->w->panel_bytes;
    while (k < end) {
        const size_t chunk_end = (k / CHUNK + 1) * CHUNK, to = end < chunk_end ? end : chunk_end;
        const size_t unit = k / WH_UNIT * WH_UNIT;
        gemm_piece at = { .data = data + unit / WH_UNIT * unit_bytes(f),
                          .first = (k - unit) / EIGHT,
                          .end = (to - unit + EIGHT - 1) / EIGHT,
                          .x = a->codes + (k / CHUNK * a->tokens + t->j) * CHUNK + unit % CHUNK };
        if (f->table) at.digit = vld1q_u8(n ? a->w->high : a->w->low);
        if (t->j == 0 && k == unit) /* later tokens find the panel near */
            fetch(at.data, at.end * unit_bytes(f) / 4);
        isa->dot(sum, f, &at, t->tokens);
        k = to;
    }
}

/* The integers of inputs [k, end), a sub-block or a step without any. */
static WH_INLINE void sum_part(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                               const gemm_tile *t, size_t k, size_t end, int32x4_t *row)
{
    const whit_weight *w = a->w;
    const int32_t *xsum = a->sum + k / w->sum_step * a->tokens + t->j;
    int32x4_t sum[SUMS], zero[QUARTERS];
    WH_UNROLL
    for (size_t i = 0; i < SUMS; i++) sum[i] = vdupq_n_s32(0);
    for (int n = f->table && !f->octets ? w->digits : 1; n-- > 0;) {
        add_inputs(a, f, isa, t, k, end, n, sum);
        if (n == 0) break; /* the high digit was the first */
        WH_UNROLL
        for (size_t i = 0; i < SUMS; i++) sum[i] = vshlq_n_s32(sum[i], 7);
    }
    isa->rows(sum, t->tokens, row);
    load_zeros(w, (t->p * w->groups + k / w->group) * WH_PANEL,
               isa->signed_codes && f->octets ? 128 : 0, zero);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++)
        row[c] = vmlsq_n_s32(row[c], zero[c % QUARTERS], xsum[c / QUARTERS]);
}

/* whole += sub-blocks of inputs [k, end), each times its scale. */
static WH_INLINE void add_subs(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                               const gemm_tile *t, size_t k, size_t end, int32x4_t *whole)
{
    const whit_weight *w = a->w;
    for (; k < end; k += w->sub) {
        const int8x16_t s = vld1q_s8(w->sub_scale + (t->p * w->subs + k / w->sub) * WH_PANEL);
        int32x4_t row[TILE * QUARTERS], sub[QUARTERS];
        sum_part(a, f, isa, t, k, k + w->sub, row);
        widen(vmovl_s8(vget_low_s8(s)), vmovl_high_s8(s), sub);
        WH_UNROLL
        for (size_t c = 0; c < t->tokens * QUARTERS; c++)
            whole[c] = vmlaq_s32(whole[c], row[c], sub[c % QUARTERS]);
    }
}

/* What minima are multiplied with: (float)xsum * sx of token j. */
static WH_INLINE float scaled_sum(const wh_gemm_args *a, size_t j, size_t k)
{
    const whit_weight *w = a->w;
    return (float)a->sum[k / w->sum_step * a->tokens + j] *
           a->scale[k / w->int_step * a->tokens + j];
}

/* One level: acc += the step of inputs [k, end). */
static WH_INLINE void add_step(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                               const gemm_tile *t, size_t k, size_t end, float32x4_t *acc)
{
    const whit_weight *w = a->w;
    const size_t at = (t->p * w->groups + k / w->group) * WH_PANEL;
    const float *sx = a->scale + k / w->int_step * a->tokens + t->j;
    int32x4_t whole[TILE * QUARTERS];
    float32x4_t scale[QUARTERS], min[QUARTERS];
    sum_part(a, f, isa, t, k, end, whole);
    load_scales(w, at, scale);
    if (f->table) scale_rows(scale, w->unit);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++)
        acc[c] = vfmaq_f32(acc[c], vcvtq_f32_s32(whole[c]),
                           vmulq_n_f32(scale[c % QUARTERS], sx[c / QUARTERS]));
    if (!w->min) return;
    load_f16(w->min + at, min);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++)
        acc[c] = vfmsq_n_f32(acc[c], min[c % QUARTERS], scaled_sum(a, t->j + c / QUARTERS, k));
}

/* Two levels: the minima of the group from input k0 on. */
static WH_INLINE void take_minima(const wh_gemm_args *a, const gemm_tile *t, size_t k0,
                                  float32x4_t *acc)
{
    const whit_weight *w = a->w;
    float32x4_t mins[TILE * QUARTERS], min[QUARTERS];
    int32x4_t mn[QUARTERS];
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++) mins[c] = vdupq_n_f32(0.0f);
    for (size_t k = k0; k < k0 + w->group; k += w->sub) {
        const uint8x16_t m = vld1q_u8(w->sub_min + (t->p * w->subs + k / w->sub) * WH_PANEL);
        widen(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(m))),
              vreinterpretq_s16_u16(vmovl_high_u8(m)), mn);
        WH_UNROLL
        for (size_t c = 0; c < t->tokens * QUARTERS; c++)
            mins[c] = vfmaq_n_f32(mins[c], vcvtq_f32_s32(mn[c % QUARTERS]),
                                  scaled_sum(a, t->j + c / QUARTERS, k));
    }
    load_f16(w->min + (t->p * w->groups + k0 / w->group) * WH_PANEL, min);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++)
        acc[c] = vfmsq_f32(acc[c], mins[c], min[c % QUARTERS]);
}

/* Two levels: acc += the group from input k0 on. */
static WH_INLINE void add_group(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                                const gemm_tile *t, size_t k0, float32x4_t *acc)
{
    const whit_weight *w = a->w;
    float32x4_t part[TILE * QUARTERS], scale[QUARTERS];
    if (w->min) take_minima(a, t, k0, acc);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++) part[c] = vdupq_n_f32(0.0f);
    for (size_t k = k0; k < k0 + w->group; k += w->int_step) {
        const float *sx = a->scale + k / w->int_step * a->tokens + t->j;
        int32x4_t whole[TILE * QUARTERS];
        WH_UNROLL
        for (size_t c = 0; c < t->tokens * QUARTERS; c++) whole[c] = vdupq_n_s32(0);
        add_subs(a, f, isa, t, k, k + w->int_step, whole);
        WH_UNROLL
        for (size_t c = 0; c < t->tokens * QUARTERS; c++)
            part[c] = vfmaq_n_f32(part[c], vcvtq_f32_s32(whole[c]), sx[c / QUARTERS]);
    }
    load_scales(w, (t->p * w->groups + k0 / w->group) * WH_PANEL, scale);
    if (f->table) scale_rows(scale, w->unit);
    WH_UNROLL
    for (size_t c = 0; c < t->tokens * QUARTERS; c++)
        acc[c] = vfmaq_f32(acc[c], part[c], scale[c % QUARTERS]);
}

static WH_INLINE void run_tile(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                               size_t p, size_t j, size_t tokens)
{
    const whit_weight *w = a->w;
    const gemm_tile t = { p, j, tokens };
    float32x4_t acc[TILE * QUARTERS];
    WH_UNROLL
    for (size_t i = 0; i < tokens * QUARTERS; i++) acc[i] = vdupq_n_f32(0.0f);
    if (w->sub)
        for (size_t k = 0; k < w->cols; k += w->group) add_group(a, f, isa, &t, k, acc);
    else
        for (size_t k = 0; k < w->cols; k += w->int_step)
            add_step(a, f, isa, &t, k, w->cols - k < w->int_step ? w->cols : k + w->int_step, acc);
    WH_UNROLL
    for (size_t i = 0; i < tokens; i++)
        store_rows(w, p, acc + i * QUARTERS, a->y + (j + i) * a->ldy);
}

/* One panel, all tokens; where they go in pairs, at least one pair. A token left over then goes
 * again with the one before it, which gets the same bits again. */
static WH_INLINE void run_panel(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa,
                                size_t p)
{
    size_t j = 0;
    if (isa->tokens == 4)
        for (; a->tokens - j >= 4; j += 4) run_tile(a, f, isa, p, j, 4);
    for (; a->tokens - j >= 2; j += 2) run_tile(a, f, isa, p, j, 2);
    if (j == a->tokens) return;
    if (isa->pairs)
        run_tile(a, f, isa, p, j - 1, 2);
    else
        run_tile(a, f, isa, p, j, 1);
}

static WH_INLINE void gemm(const wh_gemm_args *a, const code_kind *f, const gemm_isa *isa)
{
    for (size_t p = a->p0; p < a->p1; p++) run_panel(a, f, isa, p);
}

#endif
