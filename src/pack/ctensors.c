/* src/pack/ctensors.c - the layouts of compressed-tensors checkpoints.
 *
 * A linear layer P of O outputs and I inputs, weights as the model has them: [O, I]. The codes of
 * the format are signed, q in -2^(b-1) .. 2^(b-1)-1; ours are u = q + 2^(b-1).
 *
 *   pack-quantized   P.weight_packed      I32 [O, ceil(I*b/32)]
 *                    P.weight_scale       [O, 1] or [O, I/g], any float type
 *                    P.weight_zero_point  I32 [ceil(O*b/32), 1 or I/g], asymmetric only
 *                    P.weight_shape       I64 [2] = { O, I }
 *   int-quantized    P.weight             I8 [O, I], q
 *   float-quantized  P.weight             F8_E4M3 [O, I]
 *     both           P.weight_scale       [O, 1], of a tensor [1], of blocks of R outputs and C
 *                                         inputs [ceil(O/R), ceil(I/C)]
 *                    P.input_scale        F32 [1] of the activations, where they have one scale
 *
 *   w = (q - zero) * scale = (u - uzero) * scale
 *
 * A word of weight_packed holds inputs of one output, one of weight_zero_point outputs of one
 * group, both as unsigned codes, the first in the lowest bits:
 *
 *   4 bits   bit 31..28 27..24 23..20 19..16 15..12 11..8 7..4 3..0      8 bits  31..24 .. 7..0
 *            u   8w+7   8w+6   8w+5   8w+4   8w+3   8w+2  8w+1 8w                4w+3      4w
 *
 * Rows of weight_packed are padded to whole words with zero bits, as is weight_zero_point at the
 * end of the outputs. 3, 5, 6 and 7 bits are left out: versions of the format disagree about them.
 *
 * Source: vllm-project/compressed-tensors, src/compressed_tensors/compressors (pack_quantized.py,
 * naive_quantized.py) and quantization/quant_args.py.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "pack/layout.h"
#include "pack/streams.h"

enum { CODES, SCALE, SHAPE, ZERO, INPUT = SHAPE }; /* planes */

/* ---- pack-quantized -------------------------------------------------------------------------- */

static const char *packed_misfit(const whit_packing *p)
{
    if (p->scheme.gran == WHIT_GRAN_GROUP && p->cols % p->scheme.group != 0)
        return "the columns are no multiple of the group; try: a group that divides them, or "
               "-channel";
    return NULL;
}

static unsigned packed_planes(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    const unsigned bits = p->scheme.bits;
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    *ok &= wh_plane_make(&planes[CODES], ".weight_packed", WHIT_I32, p->rows,
                         wh_words_of(p->cols, bits));
    *ok &= wh_plane_make(&planes[SCALE], ".weight_scale", p->scheme.scale_type, rows, groups);
    planes[SHAPE] = (whit_plane){ ".weight_shape", WHIT_I64, 1, { 2, 0 }, 16 };
    if (!p->scheme.asym) return 3;
    *ok &= wh_plane_make(&planes[ZERO], ".weight_zero_point", WHIT_I32, wh_words_of(p->rows, bits),
                         groups);
    return 4;
}

static uint64_t packed_unit(const whit_packing *p)
{
    return p->scheme.asym ? 32 / p->scheme.bits : 1;
}

static wh_streams code_streams(const wh_part *at)
{
    const unsigned bits = at->packing->scheme.bits;
    return (wh_streams){ .streams = at->rows,
                         .count = at->cols,
                         .bits = bits,
                         .code_step = 1,
                         .code_next = at->cols,
                         .word_step = 1,
                         .word_next = (size_t)wh_words_of(at->cols, bits) };
}

static wh_streams zero_streams(const wh_part *at)
{
    return (wh_streams){ .streams = at->groups,
                         .count = at->rows,
                         .bits = at->packing->scheme.bits,
                         .code_step = at->groups,
                         .code_next = 1,
                         .word_step = at->groups,
                         .word_next = 1 };
}

/* Octets before the part's in the plane of zero points. */
static size_t zero_offset(const wh_part *at)
{
    return (size_t)wh_words_of(at->row, at->packing->scheme.bits) * at->groups * 4;
}

static whit_status packed_pack(const wh_part *at, const uint8_t *codes, const float *scale,
                               const uint8_t *zero, void *const image[], whit_error *err)
{
    const wh_streams c = code_streams(at), z = zero_streams(at);
    (void)err;
    wh_streams_pack(&c, codes, (uint8_t *)image[CODES] + at->row * c.word_next * 4);
    wh_put_scales(at, scale, image[SCALE]);
    if (at->packing->scheme.asym)
        wh_streams_pack(&z, zero, (uint8_t *)image[ZERO] + zero_offset(at));
    return WHIT_OK;
}

static whit_status packed_unpack(const wh_part *at, const void *const image[], uint8_t *codes,
                                 float *scale, uint8_t *zero, whit_error *err)
{
    const wh_streams c = code_streams(at), z = zero_streams(at);
    (void)err;
    wh_streams_unpack(&c, (const uint8_t *)image[CODES] + at->row * c.word_next * 4, codes);
    wh_get_scales(at, image[SCALE], scale);
    if (at->packing->scheme.asym)
        wh_streams_unpack(&z, (const uint8_t *)image[ZERO] + zero_offset(at), zero);
    return WHIT_OK;
}

static whit_status packed_rest(const whit_packing *p, const whit_packing_rest *rest,
                               void *const image[], whit_error *err)
{
    (void)rest;
    (void)err;
    wh_store64(image[SHAPE], p->rows);
    wh_store64((uint8_t *)image[SHAPE] + 8, p->cols);
    return WHIT_OK;
}

const wh_layout wh_ct_packed = {
    .holds = "int4 and int8, per channel or in groups",
    .instead = "int4-g128",
    .kind = { WHIT_INT },
    .bits = WH_BIT(4) | WH_BIT(8),
    .gran = WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_GROUP),
    .scale_types = WH_FLOATS,
    .asym = 1,
    .misfit = packed_misfit,
    .planes = packed_planes,
    .unit = packed_unit,
    .pack = packed_pack,
    .unpack = packed_unpack,
    .rest = packed_rest,
};

/* ---- int-quantized, float-quantized ---------------------------------------------------------- */

static const char *fits_all(const whit_packing *p)
{
    (void)p;
    return NULL;
}

static const char *float_misfit(const whit_packing *p)
{
    if (p->scheme.gran == WHIT_GRAN_BLOCK &&
        (p->scheme.block_rows != 128 || p->scheme.group != 128))
        return "its loaders know blocks of 128 by 128; try: fp8_e4m3-block128x128";
    return NULL;
}

static unsigned plain_planes(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    uint64_t rows, groups;
    const int is_int = p->scheme.kind == WHIT_INT;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    *ok &=
        wh_plane_make(&planes[CODES], ".weight", is_int ? WHIT_I8 : WHIT_F8_E4M3, p->rows, p->cols);
    *ok &= wh_plane_make(&planes[SCALE], ".weight_scale", p->scheme.scale_type, rows, groups);
    if (p->scheme.gran == WHIT_GRAN_TENSOR) planes[SCALE].rank = 1;
    if (p->scheme.a8 != WHIT_A8_STATIC) return 2;
    planes[INPUT] = (whit_plane){ ".input_scale", WHIT_F32, 1, { 1, 0 }, 4 };
    return 3;
}

static whit_status plain_rest(const whit_packing *p, const whit_packing_rest *rest,
                              void *const image[], whit_error *err)
{
    if (p->scheme.a8 != WHIT_A8_STATIC) return WHIT_OK;
    if (!(rest->act_scale > 0))
        return wh_fail(err, WHIT_ERR_ARG, "a scale of activations is above 0");
    whit_dtype_from_f32(WHIT_F32, &rest->act_scale, 1, image[INPUT]);
    return WHIT_OK;
}

static uint64_t plain_unit(const whit_packing *p)
{
    return p->scheme.block_rows ? p->scheme.block_rows : 1;
}

static whit_status plain_pack(const wh_part *at, const uint8_t *codes, const float *scale,
                              const uint8_t *zero, void *const image[], whit_error *err)
{
    uint8_t *to = (uint8_t *)image[CODES] + at->row * at->cols;
    (void)zero;
    (void)err;
    if (at->packing->scheme.kind == WHIT_INT)
        wh_flip_sign(codes, at->rows * at->cols, to);
    else
        memcpy(to, codes, at->rows * at->cols);
    wh_put_scales(at, scale, image[SCALE]);
    return WHIT_OK;
}

static whit_status plain_unpack(const wh_part *at, const void *const image[], uint8_t *codes,
                                float *scale, uint8_t *zero, whit_error *err)
{
    const uint8_t *from = (const uint8_t *)image[CODES] + at->row * at->cols;
    (void)zero;
    (void)err;
    if (at->packing->scheme.kind == WHIT_INT)
        wh_flip_sign(from, at->rows * at->cols, codes);
    else
        memcpy(codes, from, at->rows * at->cols);
    wh_get_scales(at, image[SCALE], scale);
    return WHIT_OK;
}

const wh_layout wh_ct_int = {
    .holds = "symmetric int8, per channel or tensor",
    .instead = "int8-channel",
    .kind = { WHIT_INT },
    .bits = WH_BIT(8),
    .gran = WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_TENSOR),
    .scale_types = WH_FLOATS,
    .misfit = fits_all,
    .planes = plain_planes,
    .unit = plain_unit,
    .pack = plain_pack,
    .unpack = plain_unpack,
    .rest = plain_rest,
};

const wh_layout wh_ct_float = {
    .holds = "fp8_e4m3, per channel, tensor or block128x128",
    .instead = "fp8_e4m3-channel",
    .kind = { WHIT_FP8_E4M3 },
    .gran = WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_TENSOR) | WH_BIT(WHIT_GRAN_BLOCK),
    .scale_types = WH_FLOATS,
    .misfit = float_misfit,
    .planes = plain_planes,
    .unit = plain_unit,
    .pack = plain_pack,
    .unpack = plain_unpack,
    .rest = plain_rest,
};
