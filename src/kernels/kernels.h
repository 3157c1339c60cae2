/* src/kernels/kernels.h - the operations on prepared weights, each a table of variants by
 * instruction set.
 *
 * Words: rows = outputs, cols = inputs (k), tokens = rows of x. A panel is 16 rows of the weight,
 * the last padded with zeros. A group is the inputs that share a weight scale. A step is the inputs
 * whose products are summed before they meet the scale: it divides the group.
 *
 * The order of sums, the same in every variant ([0] of each table is the reference); a lane of a
 * vector is a row, so nothing is ever summed across lanes:
 *
 *   int8 activations    acc = +0; for each step b, ascending:
 *                           i   = sum code * xq - zero * xsum[b]              exact in int32
 *                           acc = fmaf((float)i, sw * sx[b], acc)       product rounded once
 *     minima                then
 *                           acc = fmaf((float)xsum[b] * sx[b], -min, acc)   product rounded once
 *     two levels          part = mins = +0 where a group begins; for each of its steps b:
 *                           i    = sum over the sub-blocks s of the step, exact in int32, of
 *                                  sub[s] * (sum code * xq - zero * xsum[s])
 *                           part = fmaf((float)i, sx[b], part)
 *                           mins = fmaf((float)mn[s], (float)xsum[s] * sx[b], mins), s ascending
 *                         where it ends:
 *                           acc = fmaf(mins, -min, acc)                 where there are minima
 *                           acc = fmaf(part, sw, acc)
 *     tables              the integer u(code) is the code, `centre` the zero point, and sw * unit,
 *                         rounded once, is sw
 *   float activations,  acc = +0; for each step, ascending: a[0..3] = +0,
 *   codes                   a[k % 4] = fmaf(value(k), x(k), a[k % 4]), k ascending
 *                           acc = fmaf((a[0] + a[1]) + (a[2] + a[3]), sw, acc)
 *   float weights,      acc = +0; acc = fmaf(w(k), x(k), acc), k ascending
 *   blocks
 *
 * value(k) is code - zero, an integer, or the entry of a table. u, `centre` and `unit` give a
 * table's entries as integers: unit * (u - centre) is the entry, or within 6.1e-5 of it where the
 * entries are no small integers (levels.c). Of f8 value(k) is that of the float16 whose upper bits
 * the octet is: of E5M2 its own, of E4M3, whose exponent is a bit shorter, 2^-8 of its own, which
 * scale2 makes up for; where a row has a NaN of E4M3 in a group, its scale is a NaN. Of blocks w(k)
 * is what they decode to, in float32: d * value(k), of two levels (d * sub) * value(k), less min or
 * min * mn where there are minima. Sources: none; exact integer sums and correctly rounded fused
 * multiply-adds (IEEE 754-2008, 5.4.1) leave nothing else to agree on.
 *
 * Layouts of a panel p (every plane 64-byte aligned). Codes are in units of 32 inputs, a unit in
 * lines of 64 octets, 4 of each row:
 *   nibbles  4 lines: octet i of row r in line t has k = 8t + i (low half) and 8t + 4 + i (high)
 *   pairs    2 lines: bits 2j and 2j + 1 of that octet are those of k = 16t + 4j + i
 *   bits     1 line: bit j is that of k = 4j + i
 *   q2       pairs                              q3  pairs, then bits: the third
 *   q4, t4   nibbles                            q5  nibbles, then bits: the fifth
 *   q6       nibbles, then pairs: the fifth and sixth
 *   q8, f8   8 lines: octet i of row r in line t is the code of k = 4t + i
 *   b1       bits, each half of its code: 0 and 2 about the centre 1
 *   b2 .. b8 as q2 .. q8                        bt  as t4
 *   floats   [cols][16]: the values of column k
 *   scale    [groups][16] of scale_type  zero [groups][16] octets, or NULL: all are `centre`
 *   min      [groups][16] F16 or NULL    sub, sub_min [subs][16] octets or NULL
 * Codes beyond cols and rows are `centre` (with zero points, t4, bt: 0), all else beyond rows is 0.
 * Where q8 has no zero points `centre` is 128, so code - 128 fits an octet.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_KERNELS_H
#define WH_KERNELS_KERNELS_H

#include <whit/kernel.h>
#include "base/cpu.h"
#include "base/half.h"

#define WH_PANEL 16        /* rows */
#define WH_UNIT 32         /* inputs whose codes lie together */
#define WH_TOKENS 16       /* most tokens in a block of int8 activations */
#define WH_STEP 128        /* longest step, but for int8 per channel with int8 activations */
#define WH_LONG_STEP 65536 /* the longest of those: |code * xq| <= 255 * 127 a product */

/* What a scale is stored as; octets of tables only, blocks with F16 or half of E8M0. */
typedef enum wh_scale_type {
    WH_SCALE_F32,
    WH_SCALE_F16,
    WH_SCALE_E8M0,      /* the power of two of mxfp4                                      */
    WH_SCALE_E4M3,      /* of nvfp4: the value times scale2, rounded once                 */
    WH_SCALE_HALF_E8M0, /* of GGUF's MXFP4: half of it, and no NaN                    */
    WH_SCALE_HALF_UE4M3 /* of GGUF's NVFP4: half of an E4M3 that has no sign and no NaN: 0..0x7f */
} wh_scale_type;

typedef enum wh_form {
    WH_FORM_Q2, /* integers 0..3 minus a zero point    */
    WH_FORM_Q3,
    WH_FORM_Q4,
    WH_FORM_Q5,
    WH_FORM_Q6,
    WH_FORM_Q8, /* integers 0..255 minus a zero point  */
    WH_FORM_T4, /* entries of a table of 16 values     */
    WH_FORM_F8, /* floats of 8 bits                    */
    WH_FORM_B1, /* blocks of GGUF, by bits of a code   */
    WH_FORM_B2,
    WH_FORM_B3,
    WH_FORM_B4,
    WH_FORM_B5,
    WH_FORM_B6,
    WH_FORM_B8,
    WH_FORM_BT,  /* blocks with entries of a table     */
    WH_FORM_F32, /* what is below has codes            */
    WH_FORM_F16,
    WH_FORM_BF16,
    WH_FORMS
} wh_form;

struct whit_weight {
    whit_context *context;
    wh_form form;
    size_t rows, cols, panels;
    size_t group, groups; /* codes: inputs that share a scale (cols where all do)             */
    size_t step;          /* of float activations, codes only; a multiple of 32 that divides
                             group, or group is cols; 32 of blocks, which are whole; 16 where
                             the group is half a unit off (tables of small integers)          */
    size_t int_step;      /* of int8 activations; `step`, or min(cols, WH_LONG_STEP); of blocks
                             without sub-blocks min(group, WH_STEP)                           */
    size_t sum_step;      /* inputs whose int8 activations are summed: int_step, or `sub`     */
    int whole_token;      /* int8 activations have one scale a token (int8 per channel)       */
    size_t panel_bytes;   /* of data                                                          */
    const uint8_t *data;  /* [panels][panel_bytes]                                            */
    void *scale;          /* [panels][groups][16], NULL for floats                            */
    wh_scale_type scale_type;
    float scale2;      /* what scales are multiplied by, rounded once: 1 but of WH_SCALE_E4M3
                          (then below 2^100), and 2^8 of E4M3 in WH_FORM_F8                 */
    int e5m2;          /* WH_FORM_F8: else E4M3                                            */
    uint8_t *zero;     /* [panels][groups][16] or NULL                                     */
    int centre;        /* the zero point where zero is NULL; of tables: of u               */
    size_t sub;        /* inputs of a sub-block, 16 or 32; 0: one level of scales          */
    size_t subs;       /* of a row                                                         */
    int8_t *sub_scale; /* [panels][subs][16], NULL with one level; of b2 0..15       */
    uint8_t *sub_min;  /* the same where there are minima                                  */
    uint16_t *min;     /* F16 [panels][groups][16], NULL without minima                    */
    float table[16];   /* of tables                                                        */
    uint8_t high[16], low[16]; /* of it u = 128 * high + low                               */
    int digits;                /* 2: both are 0..127; 1: high is all 0, low 0..31 or..     */
    int octets;                /* ..1..255 if this is set, with centre 128                 */
    float unit;                /* what a u is worth                                        */
    /* not for kernels */
    whit_scheme scheme;
    int decoded;
    uint64_t bytes;
    void *pages; /* what data, scale and zero lie in */
    size_t pages_bytes;
};

/* Bits of a code; of a value without codes. */
static inline unsigned wh_form_bits(wh_form form)
{
    static const uint8_t bits[WH_FORMS] = { 2, 3, 4, 5, 6, 8, 4,  8,  1, 2,
                                            3, 4, 5, 6, 8, 4, 32, 16, 16 };
    return bits[form];
}

/* Octets of a panel for each input; of codes where the input begins a unit. */
static inline size_t wh_input_bytes(wh_form form)
{
    return WH_PANEL / 8 * wh_form_bits(form);
}

/* Blocks of GGUF: with float activations as if they were decoded. */
static inline int wh_form_is_block(wh_form form)
{
    return form >= WH_FORM_B1 && form <= WH_FORM_BT;
}

/* Codes are entries of a table. */
static inline int wh_form_has_table(wh_form form)
{
    return form == WH_FORM_T4 || form == WH_FORM_BT;
}

/* Octets of a scale. */
static inline size_t wh_scale_bytes(const whit_weight *w)
{
    return w->scale_type == WH_SCALE_F32 ? 4 : w->scale_type == WH_SCALE_F16 ? 2 : 1;
}

/* Scale and zero point at [panel][group][row]. */
static inline float wh_weight_scale(const whit_weight *w, size_t at)
{
    switch (w->scale_type) {
    case WH_SCALE_F16:
        return wh_f16_to_f32(((const uint16_t *)w->scale)[at]) * w->scale2;
    case WH_SCALE_E8M0:
        return wh_e8m0_to_f32(((const uint8_t *)w->scale)[at]) * w->scale2;
    case WH_SCALE_E4M3:
        return wh_e4m3_to_f32(((const uint8_t *)w->scale)[at]) * w->scale2;
    case WH_SCALE_HALF_E8M0:
        return wh_e8m0_half_to_f32(((const uint8_t *)w->scale)[at]) * w->scale2;
    case WH_SCALE_HALF_UE4M3: /* as the upper bits of float16 2^7 too small */
        return wh_f16_to_f32((uint16_t)(((const uint8_t *)w->scale)[at] << 7)) * 0x1p7f;
    default:
        return ((const float *)w->scale)[at] * w->scale2;
    }
}

static inline int wh_weight_zero(const whit_weight *w, size_t at)
{
    return w->zero ? w->zero[at] : w->centre;
}

/* The table as integers: high, low, digits, octets, centre and unit of a weight (levels.c). */
void wh_weight_levels(whit_weight *w);

/* ---- operations ---- */

/* Activations of one block of tokens, int8 or bfloat16.
 *
 * Int8. Per step b of token j (whole_token: of all its steps):
 *   m = max |x| (a NaN counts as more than infinity); scale = m / 127
 *   m = 0:             codes 0, scale 0
 *   m not finite:      codes 0, scale m / 127, so that the product becomes a NaN
 *   2^-100 <= m:       code = rne(x * (127 / m))
 *   0 < m < 2^-100:    code = rne((x * 2^64) * (127 / (m * 2^64)))
 * sum = sum of the codes of sum_step inputs. Codes beyond cols are 0.
 *
 * Bfloat16 (by levels that have tiles of them): codes is [ceil(cols/32)][tokens][32] of x rounded
 * to nearest, ties to even; a NaN stays one, what is beyond the range becomes infinity; beyond cols
 * 0. step, whole_token, scale and sum have no meaning. */
typedef struct wh_qact_args {
    const float *x; /* [tokens][stride], cols of each used */
    size_t stride, cols, step;
    size_t sum_step; /* `step`, or 16, which divides it */
    int whole_token;
    size_t tokens; /* 1..WH_TOKENS */
    int8_t *codes; /* [ceil(cols/64)][tokens][64], -127..127 */
    float *scale;  /* [steps][tokens] */
    int32_t *sum;  /* [ceil(cols/sum_step)][tokens] */
} wh_qact_args;

/* Rows of panels [p0, p1) times one block of int8 activations. Forms of codes. */
typedef struct wh_gemm_args {
    const whit_weight *w;
    const int8_t *codes; /* of wh_qact_args, with int_step and sum_step */
    const float *scale;
    const int32_t *sum;
    size_t tokens; /* 1..WH_TOKENS */
    size_t p0, p1;
    float *y; /* y[token * ldy + row]; rows beyond w->rows are not written */
    size_t ldy;
} wh_gemm_args;

/* Rows of panels [p0, p1) times any number of tokens at once, by levels that have tiles of
 * products.
 *
 * int8 activations (forms Q and T4, and B2 without sub-blocks, where wh_many_fits): the order of
 * sums above, so the bits of wh_gemm_fn.
 *
 * bfloat16 activations (all forms): the value of a weight is rounded to float32 after it meets its
 * scale, then (0 if subnormal) to bfloat16. The tiles sum 32 inputs at a time (beyond cols: 0), k
 * ascending, subnormals taken as 0:
 *
 *     even = odd = +0; even = fmaf(w(k), x(k), even), odd = fmaf(w(k+1), x(k+1), odd), ..
 *     acc = acc + (even + odd)
 *
 * Not the bits of any other level; those of one token do not depend on the others. */
typedef struct wh_many_args {
    const whit_weight *w;
    const int8_t *codes; /* of the first block of WH_TOKENS tokens, as wh_qact_fn gives them */
    const float *scale;  /* int8 only */
    const int32_t *sum;  /* int8 only */
    size_t apart;        /* octets from each of the three to that of the next block, a multiple of
                            64; blocks but the last are full */
    size_t tokens;       /* 1 or more */
    size_t p0, p1;
    float *y; /* y[token * ldy + row]; rows beyond w->rows are not written */
    size_t ldy;
    void *near;                      /* wh_many_near octets of the thread's own, 64-byte aligned */
    const struct wh_variant *decode; /* bfloat16 only: of the form; NULL for F32 */
} wh_many_args;

/* Rows of panels [p0, p1) times one token of float activations. All forms. */
typedef struct wh_gemv_args {
    const whit_weight *w;
    const float *x; /* [cols] */
    size_t p0, p1;
    float *y; /* y[row]; rows beyond w->rows are not written */
} wh_gemv_args;

/* Values of panel p, inputs [k0, k1), as float32: codes without their scale (code - zero, or the
 * table's entry), blocks decoded, floats widened. k0 is a multiple of the step, k1 too or cols. All
 * forms but F32, which needs none. */
typedef struct wh_decode_args {
    const whit_weight *w;
    size_t p, k0, k1;
    float *out; /* [k1 - k0][16], 64-byte aligned */
} wh_decode_args;

/* A tile of products: `panels` panels of values times a strip of tokens, over inputs 0..n-1 of a
 * block. sums[panel][token][16] is loaded first and stored at the end, so blocks chain.
 * Values, scales and sums are 64-byte aligned, x is not.
 * chain, f16, bf16: one chain an output. steps: the order of codes above; n is a multiple of step
 * unless the row ends. */
typedef struct wh_tile_args {
    const void *value[2]; /* [n][16] each, float32; of tile_f16, tile_bf16 as the weight has them;
                             value[1] unused where panels is 1 */
    size_t panels;        /* 1, or 2 where the variant has them */
    const float *x;       /* [n][tokens] */
    size_t tokens;        /* 1 .. the variant's */
    size_t n;
    float *sums;           /* [panels][tokens][16] */
    size_t step;           /* steps only */
    const float *scale[2]; /* steps only: [ceil(n/step)][16] of each panel */
} wh_tile_args;

typedef void wh_qact_fn(const wh_qact_args *a);
typedef void wh_gemm_fn(const wh_gemm_args *a);
typedef void wh_many_fn(const wh_many_args *a);
typedef void wh_gemv_fn(const wh_gemv_args *a);
typedef void wh_decode_fn(const wh_decode_args *a);
typedef void wh_tile_fn(const wh_tile_args *a);

/* One way to run an operation; exactly one of the functions is set, as the operation says. */
typedef struct wh_variant {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    wh_qact_fn *qact;
    wh_gemm_fn *gemm;
    wh_many_fn *many;
    wh_gemv_fn *gemv;
    wh_decode_fn *decode;
    wh_tile_fn *tile;
    unsigned tokens; /* tile: most tokens of a strip */
    unsigned panels; /* gemm, gemv: panels it likes at once; tile: most panels */
} wh_variant;

typedef enum wh_op {
    WH_QACT_Q8,
    WH_QACT_BF16,
    WH_GEMM_Q2_Q8,
    WH_GEMM_Q3_Q8,
    WH_GEMM_Q4_Q8,
    WH_GEMM_Q5_Q8,
    WH_GEMM_Q6_Q8,
    WH_GEMM_Q8_Q8,
    WH_GEMM_T4_Q8,
    WH_GEMM_B1_Q8,
    WH_GEMM_B2_Q8,
    WH_GEMM_B3_Q8,
    WH_GEMM_B4_Q8,
    WH_GEMM_B5_Q8,
    WH_GEMM_B6_Q8,
    WH_GEMM_B8_Q8,
    WH_GEMM_BT_Q8,
    WH_MANY_Q2_Q8,
    WH_MANY_Q3_Q8,
    WH_MANY_Q4_Q8,
    WH_MANY_Q5_Q8,
    WH_MANY_Q6_Q8,
    WH_MANY_Q8_Q8,
    WH_MANY_T4_Q8,
    WH_MANY_BF16,
    WH_GEMV_Q2,
    WH_GEMV_Q3,
    WH_GEMV_Q4,
    WH_GEMV_Q5,
    WH_GEMV_Q6,
    WH_GEMV_Q8,
    WH_GEMV_T4,
    WH_GEMV_F8,
    WH_GEMV_B1,
    WH_GEMV_B2,
    WH_GEMV_B3,
    WH_GEMV_B4,
    WH_GEMV_B5,
    WH_GEMV_B6,
    WH_GEMV_B8,
    WH_GEMV_BT,
    WH_GEMV_F32,
    WH_GEMV_F16,
    WH_GEMV_BF16,
    WH_DECODE_Q2,
    WH_DECODE_Q3,
    WH_DECODE_Q4,
    WH_DECODE_Q5,
    WH_DECODE_Q6,
    WH_DECODE_Q8,
    WH_DECODE_T4,
    WH_DECODE_F8,
    WH_DECODE_B1,
    WH_DECODE_B2,
    WH_DECODE_B3,
    WH_DECODE_B4,
    WH_DECODE_B5,
    WH_DECODE_B6,
    WH_DECODE_B8,
    WH_DECODE_BT,
    WH_DECODE_F16,
    WH_DECODE_BF16,
    WH_TILE_CHAIN,
    WH_TILE_STEPS,
    WH_TILE_F16,
    WH_TILE_BF16,
    WH_OPS
} wh_op;

typedef struct wh_op_row {
    const char *name;           /* <op>_<weights>[_<acts>] */
    const wh_variant *variants; /* slowest first; [0] is the reference, but for what only some
                                   levels have: there every variant needs something */
    size_t count;
} wh_op_row;

const wh_op_row *wh_op_table(void); /* [WH_OPS] */

/* The operations of a form; WH_OPS where there is none. */
wh_op wh_gemm_op(wh_form form);
wh_op wh_gemv_op(wh_form form);
wh_op wh_decode_op(wh_form form);
wh_op wh_many_op(wh_form form); /* of int8 activations */

typedef struct wh_kernels {
    const wh_variant *op[WH_OPS];
} wh_kernels;

/* The last variant of each operation that the mask (from wh_cpu_allowed) has; NULL: none. Pure. */
void wh_kernels_select(wh_kernels *k, uint32_t allowed);

/* The one that whit_matmul spends its time in; WH_OPS: none of these kernels takes such
 * activations. */
wh_op wh_matmul_op(const wh_kernels *k, const whit_weight *w, whit_acts acts, size_t tokens);

#endif
