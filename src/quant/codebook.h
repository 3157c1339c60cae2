/* src/quant/codebook.h - the value grids of codes that are no integers.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_CODEBOOK_H
#define WH_QUANT_CODEBOOK_H

#include <stdint.h>

#include <whit/scheme.h>
#include "base/half.h"

/* Sixteen entries in ascending order of value. */
typedef struct wh_codebook {
    float value[16];
    float threshold[15]; /* entry = how many thresholds x / scale is above */
    uint8_t code[16];    /* entry -> stored code */
    float by_code[16];   /* stored code -> value */
} wh_codebook;

/* NULL for kinds without a table. */
const wh_codebook *wh_codebook_of(whit_kind kind);

/* NULL for kinds that are none. */
const wh_minifloat *wh_minifloat_of(whit_kind kind);

#endif
