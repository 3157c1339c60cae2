/* src/calib/gptq_codes.h - the schemes with codes of their own as targets of GPTQ.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_CODES_H
#define WH_CALIB_GPTQ_CODES_H

#include "calib/gptq.h"
#include "quant/range.h"

typedef struct wh_gptq_codes {
    wh_gptq_target target; /* first */
    wh_quantizer quantizer;
    size_t rows, cols, groups; /* groups: scales of a row of scales */
    uint8_t *codes;            /* as whit_quantize has them */
    float *scale;
    uint8_t *zero;
} wh_gptq_codes;

/*
 * The planes are those of whit_quantize for a matrix rows x cols, and so are the rules for scales:
 * minmax or the search of the spec, the latter judged by weighted errors.
 * Errors: as whit_quantize; WHIT_ERR_UNSUPPORTED: percentile. nonfinite is not looked at: weights
 * must be finite.
 */
whit_status wh_gptq_codes_open(wh_gptq_codes *c, const whit_quant_spec *spec, size_t rows,
                               size_t cols, uint8_t *codes, float *scale, uint8_t *zero,
                               whit_error *err);

/* Find the scales that several rows share (schemes per tensor and in blocks of rows: their target
 * is `fixed`), from w [rows][cols] and weight [cols], the damped mean squares by column of W:
 * before wh_gptq_run. Needs memory for a block three times. */
whit_status wh_gptq_codes_shared(const wh_gptq_codes *c, const float *w, const float *weight,
                                 whit_error *err);

#endif
