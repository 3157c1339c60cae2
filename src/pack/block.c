/* src/pack/block.c - the table of block types, and decoding.
 *
 * Not here: which bit is where (block_simple.c, block_k.c, block_ternary.c), encoding
 * (block_encode.c). Source: ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block.h"

#include "base/error.h"
#include "base/half.h"
#include "base/names.h"

const int8_t wh_block_iq4[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113 };
const int8_t wh_block_e2m1[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };
const int8_t wh_block_sign[16] = { -1, 1 }; /* of one bit */

/* clang-format off */
static const wh_block_type types[] = {
    /*                      name      lower     id  weights bytes     sub  step             scale   affine levels                at */
    [WHIT_Q4_0] =        { { "Q4_0",   "q4_0",    2,  32,  18, 1 },  32, WH_STEP_D,       0, 0, 0,  -8,   7, NULL,           0,  -1, wh_unpack_q4_0,   wh_pack_q4_0 },
    [WHIT_Q4_1] =        { { "Q4_1",   "q4_1",    3,  32,  20, 1 },  32, WH_STEP_D,       0, 0, 1,   0,  15, NULL,           0,   2, wh_unpack_q4_1,   wh_pack_q4_1 },
    [WHIT_Q5_0] =        { { "Q5_0",   "q5_0",    6,  32,  22, 1 },  32, WH_STEP_D,       0, 0, 0, -16,  15, NULL,           0,  -1, wh_unpack_q5_0,   wh_pack_q5_0 },
    [WHIT_Q5_1] =        { { "Q5_1",   "q5_1",    7,  32,  24, 1 },  32, WH_STEP_D,       0, 0, 1,   0,  31, NULL,           0,   2, wh_unpack_q5_1,   wh_pack_q5_1 },
    [WHIT_Q8_0] =        { { "Q8_0",   "q8_0",    8,  32,  34, 1 },  32, WH_STEP_D,       0, 0, 0,-128, 127, NULL,           0,  -1, wh_unpack_q8_0,   wh_pack_q8_0 },
    [WHIT_Q2_K] =        { { "Q2_K",   "q2_k",   10, 256,  84, 1 },  16, WH_STEP_SCALED,  0, 0, 1,   0,   3, NULL,          80,  82, wh_unpack_q2_k,   wh_pack_q2_k },
    [WHIT_Q3_K] =        { { "Q3_K",   "q3_k",   11, 256, 110, 1 },  16, WH_STEP_SCALED, 32, 0, 0,  -4,   3, NULL,         108,  -1, wh_unpack_q3_k,   wh_pack_q3_k },
    [WHIT_Q4_K] =        { { "Q4_K",   "q4_k",   12, 256, 144, 1 },  32, WH_STEP_SCALED,  0, 0, 1,   0,  15, NULL,           0,   2, wh_unpack_q4_k,   wh_pack_q4_k },
    [WHIT_Q5_K] =        { { "Q5_K",   "q5_k",   13, 256, 176, 1 },  32, WH_STEP_SCALED,  0, 0, 1,   0,  31, NULL,           0,   2, wh_unpack_q5_k,   wh_pack_q5_k },
    [WHIT_Q6_K] =        { { "Q6_K",   "q6_k",   14, 256, 210, 1 },  16, WH_STEP_SCALED,  0, 1, 0, -32,  31, NULL,         208,  -1, wh_unpack_q6_k,   wh_pack_q6_k },
    [WHIT_IQ4_NL] =      { { "IQ4_NL", "iq4_nl", 20,  32,  18, 1 },  32, WH_STEP_D,       0, 0, 0,   0,   0, wh_block_iq4,   0,  -1, wh_unpack_q4_0,   wh_pack_q4_0 },
    [WHIT_IQ4_XS] =      { { "IQ4_XS", "iq4_xs", 23, 256, 136, 1 },  32, WH_STEP_SCALED, 32, 0, 0,   0,   0, wh_block_iq4,   0,  -1, wh_unpack_iq4_xs, wh_pack_iq4_xs },
    [WHIT_TQ1_0] =       { { "TQ1_0",  "tq1_0",  34, 256,  54, 1 }, 256, WH_STEP_D,       0, 0, 0,  -1,   1, NULL,          52,  -1, wh_unpack_tq1_0,  wh_pack_tq1_0 },
    [WHIT_TQ2_0] =       { { "TQ2_0",  "tq2_0",  35, 256,  66, 1 }, 256, WH_STEP_D,       0, 0, 0,  -1,   1, NULL,          64,  -1, wh_unpack_tq2_0,  wh_pack_tq2_0 },
    [WHIT_BLOCK_MXFP4] = { { "MXFP4",  "mxfp4",  39,  32,  17, 1 },  32, WH_STEP_E8M0,    0, 0, 0,   0,   0, wh_block_e2m1, -1,  -1, wh_unpack_mxfp4,  wh_pack_mxfp4 },
    [WHIT_BLOCK_NVFP4] = { { "NVFP4",  "nvfp4",  40,  64,  36, 1 },  16, WH_STEP_UE4M3,   0, 0, 0,   0,   0, wh_block_e2m1, -1,  -1, wh_unpack_nvfp4,  wh_pack_nvfp4 },
    [WHIT_Q1_0] =        { { "Q1_0",   "q1_0",   41, 128,  18, 1 }, 128, WH_STEP_D,       0, 0, 0,   0,   0, wh_block_sign,  0,  -1, wh_unpack_q1_0,   wh_pack_q1_0 },
    [WHIT_Q2_0] =        { { "Q2_0",   "q2_0",   42,  64,  18, 1 },  64, WH_STEP_D,       0, 0, 0,  -1,   2, NULL,           0,  -1, wh_unpack_q2_0,   wh_pack_q2_0 },
};
/* clang-format on */

#define TYPES (sizeof types / sizeof types[0])

const wh_block_type *wh_block_type_of(whit_block block)
{
    if (block <= WHIT_BLOCK_NONE || (size_t)block >= TYPES) return NULL;
    return &types[block];
}

const whit_block_info *whit_block_describe(whit_block block)
{
    const wh_block_type *t = wh_block_type_of(block);
    return t ? &t->info : NULL;
}

const int8_t *whit_block_levels(whit_block block)
{
    const wh_block_type *t = wh_block_type_of(block);
    return t ? t->levels : NULL;
}

whit_block whit_block_of_id(uint32_t id)
{
    for (size_t i = 1; i < TYPES; i++)
        if (types[i].info.id == id) return (whit_block)i;
    return WHIT_BLOCK_NONE;
}

whit_block whit_block_parse(const char *name)
{
    for (size_t i = 1; name && i < TYPES; i++)
        if (wh_name_is(name, types[i].info.lower)) return (whit_block)i;
    return WHIT_BLOCK_NONE;
}

float wh_block_ue4m3_half(uint8_t b)
{
    if (b == 0x7f) return 0.0f;
    const float mantissa = (float)(b & 7), exponent = (float)(b >> 3 & 15);
    if (exponent == 0.0f) return mantissa * 0x1p-10f;
    /* 2^(e-8) with its three bits after the point: the product of two exact values */
    return (8.0f + mantissa) * wh_bits_f32((uint32_t)((b >> 3 & 15) - 11 + 127) << 23);
}

static float sub_step(const wh_block_type *t, const wh_block_parts *p, float d, size_t k)
{
    switch (t->step) {
    case WH_STEP_E8M0:
        return wh_e8m0_half_to_f32(p->scale[k]);
    case WH_STEP_UE4M3:
        return wh_block_ue4m3_half(p->scale[k]);
    case WH_STEP_SCALED:
        return d * (float)(t->scale_signed ? (int8_t)p->scale[k] : p->scale[k] - t->scale_offset);
    case WH_STEP_D:
        break;
    }
    return d;
}

static float sub_base(const wh_block_type *t, const wh_block_parts *p, float m, size_t k)
{
    return t->step == WH_STEP_SCALED ? m * (float)p->min[k] : -m;
}

void wh_block_sub(const wh_block_type *t, const wh_block_parts *p, size_t k, float *step,
                  float *base)
{
    *step = sub_step(t, p, wh_f16_to_f32(p->d), k);
    *base = t->affine ? sub_base(t, p, wh_f16_to_f32(p->m), k) : 0.0f;
}

/* The reference adds the m of Q4_1 and subtracts dmin * min of the others: the same with m's sign
 * turned. Where there is no m nothing is subtracted, so that -0 stays -0. */
static void decode_sub(const wh_block_type *t, const uint8_t *code, float step, float base,
                       float *out)
{
    float level[WH_BLOCK_WEIGHTS];
    if (t->levels)
        for (size_t i = 0; i < t->sub; i++) level[i] = (float)t->levels[code[i] & 15];
    else
        for (size_t i = 0; i < t->sub; i++) level[i] = (float)(code[i] + t->lowest);
    if (t->affine)
        for (size_t i = 0; i < t->sub; i++) out[i] = step * level[i] - base;
    else
        for (size_t i = 0; i < t->sub; i++) out[i] = step * level[i];
}

whit_status whit_block_decode(whit_block block, const void *in, size_t count, float *out,
                              whit_error *err)
{
    const wh_block_type *t = wh_block_type_of(block);
    if (!t) return wh_fail(err, WHIT_ERR_ARG, "no block type %d", (int)block);
    if (count && (!in || !out)) return wh_fail(err, WHIT_ERR_ARG, "blocks: NULL");
    const uint8_t *from = in;
    for (size_t b = 0; b < count; b++, from += t->info.bytes) {
        wh_block_parts p = { 0 };
        t->unpack(from, &p);
        const float d = wh_f16_to_f32(p.d), m = wh_f16_to_f32(p.m);
        for (size_t k = 0; k * t->sub < t->info.weights; k++, out += t->sub)
            decode_sub(t, p.code + k * t->sub, sub_step(t, &p, d, k), sub_base(t, &p, m, k), out);
    }
    return WHIT_OK;
}
