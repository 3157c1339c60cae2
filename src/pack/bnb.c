/* src/pack/bnb.c - the layouts of bitsandbytes checkpoints: 4 bits (nf4, fp4), and LLM.int8.
 *
 * A linear layer P of O outputs and I inputs, n = O*I weights in the order of the rows, without a
 * break at their ends; blocks of B weights share a scale, nb = ceil(n/B).
 *
 *   4 bits  P.weight                   U8 [ceil(n/2), 1]
 *           P.weight.absmax            F32 [nb]; nested: U8 [nb], codes of scales
 *           P.weight.quant_map         F32 [16], the value of each code
 *           P.weight.nested_absmax     F32 [ceil(nb/256)], nested only
 *           P.weight.nested_quant_map  F32 [256], nested only
 *           P.weight.quant_state.bitsandbytes__nf4 (__fp4)  U8: text, src/pack/bnb_state.c
 *
 *           bit of octet k   7..4  3..0        w = quant_map[code] * absmax[block]
 *           weight           2k    2k+1        nested: absmax = map[code] * nested_absmax + offset
 *
 *   int8    P.weight         I8 [O, I], q      w = q * (SCB / 127)
 *           P.SCB            F32 [O], the largest magnitude of a row
 *           P.weight_format  U8 [], 0
 *
 * Our groups begin with each row, so they are these blocks only where B divides I. The format knows
 * blocks of 32, 64, 128 .. 4096 weights.
 *
 * SCB / 127 is our scale: one that is max|w| / 127, or a half, is found again exactly. Of all
 * floats one in 128 is no such quotient, and its neighbour is found.
 *
 * Source: bitsandbytes-foundation/bitsandbytes, bitsandbytes/functional.py and nn/modules.py.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "pack/bnb_state.h"
#include "pack/layout.h"

#define NESTED 256 /* scales that share a second-level scale */

enum { CODES, ABSMAX, MAP, STATE, NESTED_ABSMAX, NESTED_MAP }; /* planes of 4 bits */

/* ---- 4 bits ---------------------------------------------------------------------------------- */

/* Weights that share a scale; 0 where the format has no such blocks. */
static uint64_t block_of(const whit_packing *p)
{
    const uint64_t block = p->scheme.gran == WHIT_GRAN_GROUP ? p->scheme.group : p->cols;
    return block >= 32 && block <= 4096 && (block & (block - 1)) == 0 ? block : 0;
}

static const char *misfit4(const whit_packing *p)
{
    const uint64_t block = block_of(p);
    if (block == 0) return "its groups are of 32, 64, 128 .. 4096 weights; try: nf4-g64";
    if (p->cols % block != 0)
        return "the columns are no multiple of the group, and its groups run on into the next row; "
               "try: a group that divides them, or keep";
    if (p->dtype != WHIT_F32 && p->dtype != WHIT_F16 && p->dtype != WHIT_BF16)
        return "the weights must have been F32, F16 or BF16; try: keep";
    return NULL;
}

/* What is known before any data. */
static wh_bnb_state state_of(const whit_packing *p)
{
    return (wh_bnb_state){ .kind = p->scheme.kind,
                           .blocksize = block_of(p),
                           .dtype = p->dtype,
                           .rank = 2,
                           .shape = { p->rows, p->cols },
                           .nested = p->scheme.dq,
                           .nested_blocksize = NESTED };
}

static void vector(whit_plane *plane, const char *suffix, whit_dtype dtype, uint64_t n, int *ok)
{
    *ok &= wh_plane_make(plane, suffix, dtype, n, 1);
    plane->rank = 1;
    plane->shape[1] = 0;
}

static unsigned planes4(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    const wh_bnb_state state = state_of(p);
    const int nested = p->scheme.dq;
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    *ok &= wh_plane_make(&planes[CODES], ".weight", WHIT_U8, p->rows, p->cols);
    planes[CODES].bytes /= 2;
    planes[CODES].shape[0] = planes[CODES].bytes;
    planes[CODES].shape[1] = 1;
    vector(&planes[ABSMAX], ".weight.absmax", nested ? WHIT_U8 : WHIT_F32, rows * groups, ok);
    vector(&planes[MAP], ".weight.quant_map", WHIT_F32, 16, ok);
    vector(&planes[STATE],
           p->scheme.kind == WHIT_NF4 ? ".weight.quant_state.bitsandbytes__nf4"
                                      : ".weight.quant_state.bitsandbytes__fp4",
           WHIT_U8, wh_bnb_state_length(&state), ok);
    if (!nested) return 4;
    vector(&planes[NESTED_ABSMAX], ".weight.nested_absmax", WHIT_F32,
           (rows * groups + NESTED - 1) / NESTED, ok);
    vector(&planes[NESTED_MAP], ".weight.nested_quant_map", WHIT_F32, 256, ok);
    return 6;
}

static uint64_t unit_of(const whit_packing *p)
{
    (void)p; /* a group has an even number of columns, so a row begins an octet */
    return 1;
}

static whit_status pack4(const wh_part *at, const uint8_t *codes, const float *scale,
                         const uint8_t *zero, void *const image[], whit_error *err)
{
    const size_t octets = at->rows * at->cols / 2;
    uint8_t *to = (uint8_t *)image[CODES] + at->row * at->cols / 2;
    (void)err;
    for (size_t k = 0; k < octets; k++)
        to[k] = (uint8_t)(codes[2 * k] << 4 | (codes[2 * k + 1] & 15));
    if (at->packing->scheme.dq)
        memcpy((uint8_t *)image[ABSMAX] + at->first, zero, at->scales);
    else
        whit_dtype_from_f32(WHIT_F32, scale, at->scales, (uint8_t *)image[ABSMAX] + 4 * at->first);
    return WHIT_OK;
}

void wh_bnb_unpack(const uint8_t *octets, size_t count, uint8_t *codes)
{
    for (size_t k = 0; k < count; k++) codes[k] = k % 2 ? octets[k / 2] & 15 : octets[k / 2] >> 4;
}

static whit_status unpack4(const wh_part *at, const void *const image[], uint8_t *codes,
                           float *scale, uint8_t *zero, whit_error *err)
{
    (void)err;
    wh_bnb_unpack((const uint8_t *)image[CODES] + at->row * at->cols / 2, at->rows * at->cols,
                  codes);
    if (at->packing->scheme.dq)
        memcpy(zero, (const uint8_t *)image[ABSMAX] + at->first, at->scales);
    else
        whit_dtype_to_f32(WHIT_F32, (const uint8_t *)image[ABSMAX] + 4 * at->first, at->scales,
                          scale);
    return WHIT_OK;
}

static size_t blocks_of_scales(const whit_packing *p)
{
    return (size_t)(p->rows * (p->cols / block_of(p)) + NESTED - 1) / NESTED;
}

static whit_status rest4(const whit_packing *p, const whit_packing_rest *rest, void *const image[],
                         whit_error *err)
{
    wh_bnb_state state = state_of(p);
    float map[256];
    wh_buf text = { 0 };
    if (p->scheme.dq && (!rest->absmax || !isfinite(rest->offset)))
        return wh_fail(err, WHIT_ERR_ARG, "dq needs absmax and a finite offset");
    state.offset = rest->offset;
    wh_bnb_state_put(&text, &state);
    if (text.failed) {
        wh_buf_free(&text);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the quant_state");
    }
    memcpy(image[STATE], text.data, text.len);
    wh_buf_free(&text);
    whit_dtype_from_f32(WHIT_F32, whit_scheme_table(p->scheme.kind), 16, image[MAP]);
    if (!p->scheme.dq) return WHIT_OK;
    whit_dtype_from_f32(WHIT_F32, rest->absmax, blocks_of_scales(p), image[NESTED_ABSMAX]);
    whit_scheme_scale_map(map);
    whit_dtype_from_f32(WHIT_F32, map, 256, image[NESTED_MAP]);
    return WHIT_OK;
}

static whit_status unpack_rest4(const whit_packing *p, const void *const image[], uint32_t *g_idx,
                                float *absmax, float *offset, whit_error *err)
{
    const wh_bnb_state want = state_of(p);
    wh_bnb_state state;
    (void)g_idx;
    whit_status st = wh_bnb_state_parse(&state, image[STATE], wh_bnb_state_length(&want), err);
    if (st != WHIT_OK) return st;
    if (state.kind != want.kind || state.blocksize != want.blocksize || state.rank != 2 ||
        state.shape[0] != p->rows || state.shape[1] != p->cols || state.nested != want.nested)
        return wh_fail(err, WHIT_ERR_FORMAT, "quant_state: is of another matrix");
    if (p->scheme.dq && absmax)
        whit_dtype_to_f32(WHIT_F32, image[NESTED_ABSMAX], blocks_of_scales(p), absmax);
    if (p->scheme.dq && offset) *offset = state.offset;
    return WHIT_OK;
}

const wh_layout wh_bnb4 = {
    .holds = "nf4 and fp4bnb in groups",
    .instead = "nf4-g64",
    .kind = { WHIT_NF4, WHIT_FP4BNB },
    .gran = WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_GROUP),
    .scale_types = WH_FLOATS,
    .dq = 1,
    .misfit = misfit4,
    .planes = planes4,
    .unit = unit_of,
    .pack = pack4,
    .unpack = unpack4,
    .rest = rest4,
    .unpack_rest = unpack_rest4,
};

/* ---- int8 ------------------------------------------------------------------------------------ */

enum { SCB = 1, FORMAT }; /* planes of int8, behind the codes */

static const char *misfit8(const whit_packing *p)
{
    (void)p;
    return NULL;
}

static unsigned planes8(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    *ok &= wh_plane_make(&planes[CODES], ".weight", WHIT_I8, p->rows, p->cols);
    vector(&planes[SCB], ".SCB", WHIT_F32, p->rows, ok);
    planes[FORMAT] = (whit_plane){ ".weight_format", WHIT_U8, 0, { 0, 0 }, 1 };
    return 3;
}

float wh_bnb_scale(float scb)
{
    return scb / 127.0f;
}

static whit_status pack8(const wh_part *at, const uint8_t *codes, const float *scale,
                         const uint8_t *zero, void *const image[], whit_error *err)
{
    (void)zero;
    wh_flip_sign(codes, at->rows * at->cols, (uint8_t *)image[CODES] + at->row * at->cols);
    for (size_t r = 0; r < at->rows; r++) {
        const float scb = scale[r] * 127.0f; /* the nearest to a quotient that is scale */
        if (!isfinite(scb))
            return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                           "row %zu: a largest weight beyond F32; try: keep", at->row + r);
        wh_store32((uint8_t *)image[SCB] + 4 * (at->row + r), wh_f32_bits(scb));
    }
    return WHIT_OK;
}

static whit_status unpack8(const wh_part *at, const void *const image[], uint8_t *codes,
                           float *scale, uint8_t *zero, whit_error *err)
{
    (void)zero;
    (void)err;
    wh_flip_sign((const uint8_t *)image[CODES] + at->row * at->cols, at->rows * at->cols, codes);
    for (size_t r = 0; r < at->rows; r++)
        scale[r] =
            wh_bnb_scale(wh_bits_f32(wh_load32((const uint8_t *)image[SCB] + 4 * (at->row + r))));
    return WHIT_OK;
}

static whit_status rest8(const whit_packing *p, const whit_packing_rest *rest, void *const image[],
                         whit_error *err)
{
    (void)p;
    (void)rest;
    (void)err;
    *(uint8_t *)image[FORMAT] = 0;
    return WHIT_OK;
}

const wh_layout wh_bnb8 = {
    .holds = "symmetric int8, per channel",
    .instead = "int8-channel",
    .kind = { WHIT_INT },
    .bits = WH_BIT(8),
    .gran = WH_BIT(WHIT_GRAN_CHANNEL),
    .scale_types = WH_FLOATS,
    .misfit = misfit8,
    .planes = planes8,
    .unit = unit_of,
    .pack = pack8,
    .unpack = unpack8,
    .rest = rest8,
};
