/* src/pack/awq.c - the layout of AWQ checkpoints, version "gemm".
 *
 * A linear layer P of O outputs and I inputs, 4 bits, G = I/g groups; inputs go down, outputs
 * across:
 *
 *   P.qweight  I32 [I, O/8]     P.qzeros  I32 [G, O/8]     P.scales  F16 [G, O]
 *
 *   w[o][i] = scales[i/g][o] * (u[o][i] - zero[i/g][o])
 *
 * A word holds eight outputs of one input (qweight) or group (qzeros), not in their order:
 *
 *   bit     31..28 27..24 23..20 19..16 15..12 11..8 7..4 3..0
 *   output  8w+7   8w+5   8w+3   8w+1   8w+6   8w+4  8w+2 8w
 *
 * There is always a zero point; that of symmetric codes is 8.
 *
 * Source: casper-hansen/AutoAWQ, awq/modules/linear/gemm.py and awq/utils/packing_utils.py.
 * SPDX-License-Identifier: MIT */
#include "pack/layout.h"
#include "pack/streams.h"

enum { CODES, ZERO, SCALE }; /* planes */

const uint8_t wh_awq_order[8] = { 0, 2, 4, 6, 1, 3, 5, 7 };

static const char *misfit(const whit_packing *p)
{
    if (p->rows % 8 != 0) return "the rows must be a multiple of 8; try: keep";
    if (p->scheme.gran == WHIT_GRAN_GROUP && p->cols % p->scheme.group != 0)
        return "the columns are no multiple of the group; try: a group that divides them";
    return NULL;
}

static unsigned planes_of(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok)
{
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    *ok &= wh_plane_make(&planes[CODES], ".qweight", WHIT_I32, p->cols, p->rows / 8);
    *ok &= wh_plane_make(&planes[ZERO], ".qzeros", WHIT_I32, groups, p->rows / 8);
    *ok &= wh_plane_make(&planes[SCALE], ".scales", p->scheme.scale_type, groups, p->rows);
    return 3;
}

static uint64_t unit_of(const whit_packing *p)
{
    (void)p;
    return 8;
}

/* Streams over outputs: `streams` of them, the codes of one `step` apart. */
static wh_streams across(const wh_part *at, size_t streams, size_t step, size_t next)
{
    return (wh_streams){ .streams = streams,
                         .count = at->rows,
                         .bits = 4,
                         .code_step = step,
                         .code_next = next,
                         .word_step = 1,
                         .word_next = (size_t)at->packing->rows / 8,
                         .order = wh_awq_order };
}

static wh_streams zero_streams(const wh_part *at)
{
    const int one = at->packing->scheme.gran == WHIT_GRAN_TENSOR; /* zero point for all rows */
    return at->packing->scheme.asym ? across(at, at->groups, one ? 0 : at->groups, 1)
                                    : across(at, at->groups, 0, 0);
}

static whit_status pack(const wh_part *at, const uint8_t *codes, const float *scale,
                        const uint8_t *zero, void *const image[], whit_error *err)
{
    static const uint8_t centre = 8;
    const wh_streams c = across(at, at->cols, at->cols, 1), z = zero_streams(at);
    (void)err;
    wh_streams_pack(&c, codes, (uint8_t *)image[CODES] + at->row / 2);
    wh_streams_pack(&z, at->packing->scheme.asym ? zero : &centre,
                    (uint8_t *)image[ZERO] + at->row / 2);
    wh_put_scales_across(at, scale, image[SCALE]);
    return WHIT_OK;
}

static whit_status unpack(const wh_part *at, const void *const image[], uint8_t *codes,
                          float *scale, uint8_t *zero, whit_error *err)
{
    const wh_streams c = across(at, at->cols, at->cols, 1), z = zero_streams(at);
    (void)err;
    wh_streams_unpack(&c, (const uint8_t *)image[CODES] + at->row / 2, codes);
    if (at->packing->scheme.asym)
        wh_streams_unpack(&z, (const uint8_t *)image[ZERO] + at->row / 2, zero);
    wh_get_scales_across(at, image[SCALE], scale);
    return WHIT_OK;
}

const wh_layout wh_awq = {
    .holds = "int4 with F16 scales",
    .instead = "int4-g128",
    .kind = { WHIT_INT },
    .bits = WH_BIT(4),
    .gran = WH_BIT(WHIT_GRAN_TENSOR) | WH_BIT(WHIT_GRAN_CHANNEL) | WH_BIT(WHIT_GRAN_GROUP),
    .scale_types = WH_BIT(WHIT_F16),
    .asym = 1,
    .misfit = misfit,
    .planes = planes_of,
    .unit = unit_of,
    .pack = pack,
    .unpack = unpack,
};
