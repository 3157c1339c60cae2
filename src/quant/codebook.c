/* src/quant/codebook.c - the value grids of codes that are no integers.
 *
 * NF4 and FP4BNB: values, thresholds and code order of bitsandbytes (functional.py,
 * csrc/kernels.cu); NF4 was published as float32 decimals and is not recomputed. FP4: E2M1 of the
 * OCP MX formats, ties to the even mantissa.
 *
 * A tie belongs to the entry below its threshold, since an entry is how many thresholds lie below
 * x. Where the rule sends a tie up, the threshold is the float just below the midpoint.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/codebook.h"

/* clang-format off */
static const wh_codebook nf4 = {
    { -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
      -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
      0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
      0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f },
    { -0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f,
      -0.23460740596055984f, -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f,
      0.1202552504837513f, 0.2035212516784668f, 0.2920137718319893f, 0.3893125355243683f,
      0.5016634166240692f, 0.6427869200706482f, 0.8614784178118011f },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
      -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
      0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
      0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f },
};

/* Entry 7 (-0) is never chosen: both its thresholds are the same. */
static const wh_codebook fp4 = {
    { -6, -4, -3, -2, -1.5f, -1, -0.5f, 0, 0, 0.5f, 1, 1.5f, 2, 3, 4, 6 },
    { -0x1.400002p+2f, -3.5f, -0x1.400002p+1f, -1.75f, -0x1.400002p+0f, -0.75f, -0x1.000002p-2f,
      -0x1.000002p-2f,
      0.25f, 0x1.7ffffep-1f, 1.25f, 0x1.bffffep+0f, 2.5f, 0x1.bffffep+1f, 5.0f },
    { 15, 14, 13, 12, 11, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7 },
    { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6 },
};

/* The sign bit is kept for what rounds to 0 from below, as the reference does. */
static const wh_codebook fp4bnb = {
    { -1, -0.6666667f, -0.5f, -0.3333333f, -0.25f, -0.1666667f, -0.0052083333f, 0,
      0, 0.0052083333f, 0.1666667f, 0.25f, 0.3333333f, 0.5f, 0.6666667f, 1 },
    { -0x1.aaaaacp-1f, -0x1.2aaaa2p-1f, -0x1.aaaaaep-2f, -0x1.2aaaacp-2f, -0x1.aaaaacp-3f,
      -0x1.600002p-4f, -0x1.555574p-9f, -0x1p-149f,
      0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f, 0.4166667f, 0.583333f, 0.8333333f },
    { 11, 10, 13, 12, 15, 14, 9, 8, 0, 1, 6, 7, 4, 5, 2, 3 },
    { 0, 0.0052083333f, 0.6666667f, 1, 0.3333333f, 0.5f, 0.1666667f, 0.25f,
      0, -0.0052083333f, -0.6666667f, -1, -0.3333333f, -0.5f, -0.1666667f, -0.25f },
};

/* clang-format on */

static int is_e2m1(whit_kind kind)
{
    return kind == WHIT_FP4 || kind == WHIT_MXFP4 || kind == WHIT_NVFP4;
}

const wh_codebook *wh_codebook_of(whit_kind kind)
{
    return kind == WHIT_NF4 ? &nf4 : kind == WHIT_FP4BNB ? &fp4bnb : is_e2m1(kind) ? &fp4 : 0;
}

const wh_minifloat *wh_minifloat_of(whit_kind kind)
{
    return kind == WHIT_FP8_E4M3 ? &wh_e4m3 : kind == WHIT_FP8_E5M2 ? &wh_e5m2 : 0;
}

const float *whit_scheme_table(whit_kind kind)
{
    const wh_codebook *book = wh_codebook_of(kind);
    return book ? book->by_code : NULL;
}
