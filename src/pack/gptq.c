/* src/pack/gptq.c - the layout of GPTQ checkpoints, versions 1 and 2.
 *
 * A linear layer P of O outputs and I inputs, b bits, G = I/g groups. Turned round: inputs go
 * down, outputs across.
 *
 *   P.qweight  I32 [I*b/32, O]   the codes u of one output down a column
 *   P.qzeros   I32 [G, O*b/32]   zero points; version 1 stores each less 1
 *   P.scales   F16 [G, O]
 *   P.g_idx    I32 [I]           the group of each input: i/g, or with act-order any
 *
 *   w[o][i] = scales[g_idx[i]][o] * (u[o][i] - zero[g_idx[i]][o])
 *
 * A word of qweight holds inputs of one output, one of qzeros outputs of one group, the first in
 * the lowest bits. 32 codes of 3 bits take three words, and some of them straddle two:
 *
 *   4 bits  bit 31..28 .. 7..4 3..0     3 bits  word 0: bit 31 30 29 28 27 .. 5..3 2..0
 *           u   8w+7      8w+1 8w                       u   10.... 9.......    1    0
 *                                               word 1: bit 31 30 .. 3..1  0
 *                                                       u   21...    11    10 (its bit 2)
 *                                               word 2: bit 31..29 .. 4..2  1 0
 *                                                       u   31        22    21 (its bits 1, 2)
 *
 * g has to divide I: where it does not, programs that write such files leave a short last group,
 * and vLLM refuses them. (They can be read: src/source/hf_gptq.c.)
 *
 * Symmetric codes have the zero point 2^(b-1). Version 1 has no way to store a zero point of 0: the
 * programs that read it disagree about what -1 means.
 *
 * Source: AutoGPTQ/AutoGPTQ, auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py;
 * ModelCloud/GPTQModel, gptqmodel/utils/model.py (the two versions). SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "pack/layout.h"
#include "pack/streams.h"

enum { CODES, ZERO, SCALE, G_IDX }; /* planes */

/* Codes that end with a word: 16, 32, 8, 4. */
static uint64_t whole_words(unsigned bits)
{
    return bits == 3 ? 32 : 32 / bits;
}

static const char *misfit(const whit_packing *p)
{
    static const char *const words[9] = {
        [2] = "rows and columns must be multiples of 16; try: int4 (of 8), or keep",
        [3] = "rows and columns must be multiples of 32; try: int4 (of 8), or keep",
        [4] = "rows and columns must be multiples of 8; try: int8 (of 4), or keep",
        [8] = "rows and columns must be multiples of 4; try: keep",
    };
    const uint64_t unit = whole_words(p->scheme.bits);
    if (p->rows % unit || p->cols % unit) return words[p->scheme.bits];
    if (p->scheme.gran == WHIT_GRAN_GROUP && p->cols % p->scheme.group != 0)
        return "the columns are no multiple of the group; try: a group that divides them";
    return NULL;
}

static uint64_t unit_of(const whit_packing *p)
{
    return whole_words(p->scheme.bits);
}

static unsigned planes_of(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    const unsigned bits = p->scheme.bits;
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    *ok &= wh_plane_make(&planes[CODES], ".qweight", WHIT_I32, wh_words_of(p->cols, bits), p->rows);
    *ok &= wh_plane_make(&planes[ZERO], ".qzeros", WHIT_I32, groups, wh_words_of(p->rows, bits));
    *ok &= wh_plane_make(&planes[SCALE], ".scales", p->scheme.scale_type, groups, p->rows);
    *ok &= wh_plane_make(&planes[G_IDX], ".g_idx", WHIT_I32, 1, p->cols);
    planes[G_IDX].rank = 1;
    planes[G_IDX].shape[0] = p->cols;
    return 4;
}

static wh_streams code_streams(const wh_part *at)
{
    return (wh_streams){ .streams = at->rows,
                         .count = at->cols,
                         .bits = at->packing->scheme.bits,
                         .code_step = 1,
                         .code_next = at->cols,
                         .word_step = (size_t)at->packing->rows,
                         .word_next = 1 };
}

/* One scale for the whole tensor stands in every place of the part. */
static size_t step_of(const wh_part *at)
{
    return at->packing->scheme.gran == WHIT_GRAN_TENSOR ? 0 : at->groups;
}

static wh_streams zero_streams(const wh_part *at)
{
    const whit_packing *p = at->packing;
    return (wh_streams){ .streams = at->groups,
                         .count = at->rows,
                         .bits = p->scheme.bits,
                         .add = p->layout == WHIT_LAYOUT_GPTQ ? 0xff : 0, /* -1 */
                         .code_step = p->scheme.asym ? step_of(at) : 0,
                         .code_next = p->scheme.asym ? 1 : 0,
                         .word_step = 1,
                         .word_next = (size_t)p->rows * p->scheme.bits / 32 };
}

static size_t zero_offset(const wh_part *at)
{
    return at->row * at->packing->scheme.bits / 8;
}

#define STEP 256

void wh_put_scales_across(const wh_part *at, const float *scale, uint8_t *plane)
{
    const whit_dtype type = at->packing->scheme.scale_type;
    const size_t size = whit_dtype_bits(type) / 8, step = step_of(at);
    float column[STEP];
    for (size_t g = 0; g < at->groups; g++)
        for (size_t r = 0, n; r < at->rows; r += n) {
            n = at->rows - r < STEP ? at->rows - r : STEP;
            for (size_t k = 0; k < n; k++) column[k] = scale[(r + k) * step + g];
            whit_dtype_from_f32(type, column, n,
                                plane + (g * (size_t)at->packing->rows + at->row + r) * size);
        }
}

void wh_get_scales_across(const wh_part *at, const uint8_t *plane, float *scale)
{
    const whit_dtype type = at->packing->scheme.scale_type;
    const size_t size = whit_dtype_bits(type) / 8, step = step_of(at);
    float column[STEP];
    for (size_t g = 0; g < at->groups; g++)
        for (size_t r = 0, n; r < at->rows; r += n) {
            n = at->rows - r < STEP ? at->rows - r : STEP;
            whit_dtype_to_f32(type, plane + (g * (size_t)at->packing->rows + at->row + r) * size, n,
                              column);
            for (size_t k = 0; k < n; k++) scale[(r + k) * step + g] = column[k];
        }
}

/* Version 1 only: every zero point can be stored. */
static whit_status check_zeros(const wh_part *at, const uint8_t *zero, whit_error *err)
{
    const size_t step = step_of(at);
    if (!at->packing->scheme.asym || at->packing->layout != WHIT_LAYOUT_GPTQ) return WHIT_OK;
    for (size_t r = 0; r < at->rows; r++)
        for (size_t g = 0; g < at->groups; g++)
            if (zero[r * step + g] == 0)
                return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                               "row %zu: a zero point of 0, which version 1 of GPTQ cannot store; "
                               "try: version 2",
                               at->row + r);
    return WHIT_OK;
}

static whit_status pack(const wh_part *at, const uint8_t *codes, const float *scale,
                        const uint8_t *zero, void *const image[], whit_error *err)
{
    const uint8_t centre = (uint8_t)(1u << (at->packing->scheme.bits - 1));
    const wh_streams c = code_streams(at), z = zero_streams(at);
    whit_status st = check_zeros(at, zero, err);
    if (st != WHIT_OK) return st;
    wh_streams_pack(&c, codes, (uint8_t *)image[CODES] + at->row * 4);
    wh_streams_pack(&z, at->packing->scheme.asym ? zero : &centre,
                    (uint8_t *)image[ZERO] + zero_offset(at));
    wh_put_scales_across(at, scale, image[SCALE]);
    return WHIT_OK;
}

static whit_status unpack(const wh_part *at, const void *const image[], uint8_t *codes,
                          float *scale, uint8_t *zero, whit_error *err)
{
    const wh_streams c = code_streams(at), z = zero_streams(at);
    (void)err;
    wh_streams_unpack(&c, (const uint8_t *)image[CODES] + at->row * 4, codes);
    if (at->packing->scheme.asym)
        wh_streams_unpack(&z, (const uint8_t *)image[ZERO] + zero_offset(at), zero);
    wh_get_scales_across(at, image[SCALE], scale);
    return WHIT_OK;
}

static uint64_t groups_of(const whit_packing *p)
{
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    return groups;
}

static whit_status rest_of(const whit_packing *p, const whit_packing_rest *rest,
                           void *const image[], whit_error *err)
{
    const uint64_t groups = groups_of(p);
    const size_t group = p->scheme.group ? p->scheme.group : (size_t)p->cols;
    for (size_t i = 0; i < p->cols; i++) {
        const uint32_t g = rest->g_idx ? rest->g_idx[i] : (uint32_t)(i / group);
        if (g >= groups)
            return wh_fail(err, WHIT_ERR_ARG, "g_idx: column %zu in group %" PRIu32 " of %" PRIu64,
                           i, g, groups);
        wh_store32((uint8_t *)image[G_IDX] + 4 * i, g);
    }
    return WHIT_OK;
}

static whit_status unpack_rest(const whit_packing *p, const void *const image[], uint32_t *g_idx,
                               float *absmax, float *offset, whit_error *err)
{
    (void)absmax;
    (void)offset;
    const uint64_t groups = groups_of(p);
    for (size_t i = 0; i < p->cols && g_idx; i++) {
        g_idx[i] = wh_load32((const uint8_t *)image[G_IDX] + 4 * i);
        if (g_idx[i] >= groups)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "g_idx: column %zu in group %" PRIu32 " of %" PRIu64, i, g_idx[i],
                           groups);
    }
    return WHIT_OK;
}

const wh_layout wh_gptq = {
    .holds = "int2, int3, int4 and int8 with F16 scales",
    .instead = "int4-g128",
    .kind = { WHIT_INT },
    .bits = WH_BIT(2) | WH_BIT(3) | WH_BIT(4) | WH_BIT(8),
    .gran = WH_BIT(WHIT_GRAN_TENSOR) | WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_GROUP),
    .scale_types = WH_BIT(WHIT_F16),
    .asym = 1,
    .misfit = misfit,
    .planes = planes_of,
    .unit = unit_of,
    .pack = pack,
    .unpack = unpack,
    .rest = rest_of,
    .unpack_rest = unpack_rest,
};
