/* src/kernels/gemm_q8_neon.h - the loops of the integer products in NEON vectors.
 *
 * A lane is a row. A tile is one panel by a few tokens, or two panels by one token, so that two
 * streams are read and the sums are chains enough; its sums of int32 stay in registers through the
 * inputs that lie together. The order of sums is that of kernels.h; integer sums are exact in any.
 * Not here: the products themselves, which each file brings for its instruction set (gemm_isa).
 *
 * Only static functions: a file that includes this may be built for more than ARMv8.0-A. Speed was
 * not measured on any machine; how far ahead memory is asked for is what served x86 well.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_Q8_NEON_H
#define WH_KERNELS_GEMM_Q8_NEON_H

#include "kernels/gemm.h"
#include "kernels/panel_neon.h"

enum {
    CHUNK = 64,  /* inputs that lie together in the block of activations */
    CELLS = 4,   /* most pairs of a panel and a token in a tile */
    SUMS = 16,   /* vectors of their sums: half of the registers */
    LINE = 64,   /* octets */
    AHEAD = 4096 /* octets from where a panel is to what is fetched */
};

/* The codes of 4 rows at 8 inputs, as they are stored: c[0] has inputs 0 .. 3 of each row, c[1] has
 * 4 .. 7. `eight` points at the quarter's codes in the first line of them. both is 0 where the
 * weight ends after 4 inputs: then c[1] is 0. */
typedef void codes_fn(const uint8_t *eight, int both, uint8x16_t *c);

typedef struct gemm_form {
    codes_fn *codes;
    unsigned bits; /* of a code */
    size_t eight;  /* octets of a panel for 8 inputs */
} gemm_form;

/* Inputs of a tile that lie together. */
typedef struct gemm_piece {
    const uint8_t *data; /* of the first panel */
    size_t apart;        /* octets from there to the second */
    size_t eights;       /* 8 inputs each */
    int both;            /* as in codes_fn */
    const int8_t *x;     /* of the first token; the next CHUNK on */
} gemm_piece;

/* Adds the products of a piece to the sums of a tile, in an arrangement of its own. */
typedef void dot_fn(int32x4_t *sum, const gemm_form *f, const gemm_piece *at, size_t panels,
                    size_t tokens);
/* The sums as vectors of rows: v[(panel * tokens + token) * QUARTERS + quarter]. */
typedef void rows_fn(const int32x4_t *sum, size_t cells, int32x4_t *v);

typedef struct gemm_isa {
    dot_fn *dot;
    rows_fn *rows;
    size_t tokens;    /* of a tile, 2 or 4 */
    int pairs;        /* tokens always go in pairs */
    int signed_codes; /* codes of 8 bits enter less 128: see signed_code */
} gemm_isa;

/* ---- codes ---- */

static WH_INLINE void codes_q4(const uint8_t *eight, int both, uint8x16_t *c)
{
    const uint8x16_t pairs = vld1q_u8(eight);
    (void)both; /* a line has 8 inputs */
    c[0] = vandq_u8(pairs, vdupq_n_u8(15));
    c[1] = vshrq_n_u8(pairs, 4);
}

static WH_INLINE void codes_q8(const uint8_t *eight, int both, uint8x16_t *c)
{
    c[0] = vld1q_u8(eight);
    c[1] = both ? vld1q_u8(eight + LINE) : vdupq_n_u8(0);
}

static const gemm_form gemm_q4 = { codes_q4, 4, 64 }, gemm_q8 = { codes_q8, 8, 128 };

/* A code as a signed octet, for instructions that want both sides signed. */
static WH_INLINE int8x16_t signed_code(const gemm_form *f, uint8x16_t c)
{
    return vreinterpretq_s8_u8(f->bits == 8 ? veorq_u8(c, vdupq_n_u8(0x80)) : c);
}

/* ---- the loops ---- */

static WH_INLINE void fetch(const uint8_t *from, size_t octets)
{
    /* may lie beyond the planes, where no pointer may point and no fetch does harm */
    const uintptr_t at = (uintptr_t)from + AHEAD;
    for (size_t i = 0; i < octets; i += LINE) __builtin_prefetch((const void *)(at + i));
}

/* sum += inputs [k, end) of panels from p on, at tokens from j on. */
static WH_INLINE void add_inputs(const wh_gemm_args *a, const gemm_form *f, const gemm_isa *isa,
                                 size_t p, size_t panels, size_t j, size_t tokens, size_t k,
                                 size_t end, int32x4_t *sum)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + p * w->panel_bytes;
    while (k < end) {
        const size_t chunk_end = (k / CHUNK + 1) * CHUNK, to = end < chunk_end ? end : chunk_end;
        gemm_piece at = { .data = data + k / 8 * f->eight,
                          .apart = w->panel_bytes,
                          .eights = (to - k) / 8,
                          .both = 1,
                          .x = a->codes + (k / CHUNK * a->tokens + j) * CHUNK + k % CHUNK };
        if (j == 0) /* later tokens find the panel near */
            for (size_t i = 0; i < panels; i++) fetch(at.data + i * at.apart, at.eights * f->eight);
        isa->dot(sum, f, &at, panels, tokens);
        if ((to - k) % 8) { /* the end of the row */
            at.data += at.eights * f->eight;
            at.x += at.eights * 8;
            at.both = (to - k) % 8 > 4;
            at.eights = 1;
            isa->dot(sum, f, &at, panels, tokens);
        }
        k = to;
    }
}

/* acc += step b, inputs [k, end). */
static WH_INLINE void add_step(const wh_gemm_args *a, const gemm_form *f, const gemm_isa *isa,
                               size_t p, size_t panels, size_t j, size_t tokens, size_t b, size_t k,
                               size_t end, float32x4_t *acc)
{
    const whit_weight *w = a->w;
    int32x4_t sum[SUMS], rows[CELLS * QUARTERS];
    WH_UNROLL
    for (size_t i = 0; i < SUMS; i++) sum[i] = vdupq_n_s32(0);
    add_inputs(a, f, isa, p, panels, j, tokens, k, end, sum);
    isa->rows(sum, panels * tokens, rows);
    WH_UNROLL
    for (size_t i = 0; i < panels; i++) {
        const size_t at = ((p + i) * w->groups + k / w->group) * WH_PANEL;
        int32x4_t zero[QUARTERS];
        float32x4_t scale[QUARTERS];
        load_scales(w, at, scale);
        load_zeros(w, at, isa->signed_codes && f->bits == 8 ? 128 : 0, zero);
        WH_UNROLL
        for (size_t t = 0; t < tokens; t++) {
            const size_t s = b * a->tokens + j + t;
            WH_UNROLL
            for (size_t q = 0; q < QUARTERS; q++) {
                const size_t c = (i * tokens + t) * QUARTERS + q;
                const float32x4_t whole = vcvtq_f32_s32(vmlsq_n_s32(rows[c], zero[q], a->sum[s]));
                acc[c] = vfmaq_f32(acc[c], whole, vmulq_n_f32(scale[q], a->scale[s]));
            }
        }
    }
}

static WH_INLINE void run_tile(const wh_gemm_args *a, const gemm_form *f, const gemm_isa *isa,
                               size_t p, size_t panels, size_t j, size_t tokens)
{
    const whit_weight *w = a->w;
    float32x4_t acc[CELLS * QUARTERS];
    WH_UNROLL
    for (size_t i = 0; i < panels * tokens * QUARTERS; i++) acc[i] = vdupq_n_f32(0.0f);
    for (size_t k = 0, b = 0; k < w->cols; k += w->int_step, b++) {
        const size_t end = w->cols - k < w->int_step ? w->cols : k + w->int_step;
        add_step(a, f, isa, p, panels, j, tokens, b, k, end, acc);
    }
    WH_UNROLL
    for (size_t i = 0; i < panels; i++) WH_UNROLL
    for (size_t t = 0; t < tokens; t++)
        store_rows(w, p + i, acc + (i * tokens + t) * QUARTERS, a->y + (j + t) * a->ldy);
}

/* One panel, all tokens. Where they go in pairs, one left over goes again with the one before it,
 * which gets the same bits again. */
static WH_INLINE void run_tokens(const wh_gemm_args *a, const gemm_form *f, const gemm_isa *isa,
                                 size_t p)
{
    size_t j = 0;
    if (isa->tokens == 4)
        for (; a->tokens - j >= 4; j += 4) run_tile(a, f, isa, p, 1, j, 4);
    for (; a->tokens - j >= 2; j += 2) run_tile(a, f, isa, p, 1, j, 2);
    if (j == a->tokens) return;
    if (isa->pairs)
        run_tile(a, f, isa, p, 1, j - 1, 2);
    else
        run_tile(a, f, isa, p, 1, j, 1);
}

/* At least two tokens where they go in pairs. */
static WH_INLINE void gemm(const wh_gemm_args *a, const gemm_form *f, const gemm_isa *isa)
{
    size_t p = a->p0;
    if (!isa->pairs && a->tokens == 1)
        for (; a->p1 - p >= 2; p += 2) run_tile(a, f, isa, p, 2, 0, 1);
    for (; p < a->p1; p++) run_tokens(a, f, isa, p);
}

#endif
