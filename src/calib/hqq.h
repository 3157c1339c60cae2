/* src/calib/hqq.h - zero points for heavy tails, without data: HQQ.
 *
 * Per group the scale stays that of minmax, and the zero point z is moved so that the sum of
 * |w - (q - z) s|^0.7 falls: half-quadratic steps, at most 20, until the mean of |error| no longer
 * falls. In double, sums in the order of the weights; powers from power.h.
 *
 * Source: Badri and Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models; the
 * stop by group is ours.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_HQQ_H
#define WH_CALIB_HQQ_H

#include <whit/block.h>
#include <whit/kernel.h>
#include <whit/quant.h>

#define WH_HQQ_STEPS 20

typedef struct wh_hqq {
    double zero;  /* in codes: value = (code - zero) * scale */
    double error; /* the mean of |w - value|, weighted where there are weights */
    unsigned steps;
    double history[WH_HQQ_STEPS + 1]; /* the errors that were met, the last one no better */
} wh_hqq;

/* From `zero` on, with codes 0..highest. weight [n] >= 0, or NULL: all alike. scale not 0. */
void wh_hqq_search(const float *w, const float *weight, size_t n, double scale, unsigned highest,
                   double zero, wh_hqq *out);

/*
 * Rows in an asymmetric integer scheme of whit_quantize with one scale a row or group: its minmax
 * scales, the zero points rounded from the search where that loses less than minmax's in the mean
 * of |error|, and codes again.
 * Errors: as whit_quantize; WHIT_ERR_ARG for other schemes. Threads: the context's.
 */
whit_status wh_hqq_codes(whit_context *context, const whit_quant_spec *spec, const float *w,
                         size_t rows, size_t cols, uint8_t *codes, float *scale, uint8_t *zero,
                         whit_error *err);

/*
 * Rows as blocks of WHIT_Q4_1 or WHIT_Q5_1, whose minimum is a zero point that need be no integer.
 * Errors: WHIT_ERR_ARG (another type, cols no multiple of 32), WHIT_ERR_NUMERIC (not finite, or a
 * scale beyond F16: the row is named).
 */
whit_status wh_hqq_blocks(whit_context *context, whit_block block, const float *w, size_t rows,
                          size_t cols, void *out, whit_error *err);

#endif
