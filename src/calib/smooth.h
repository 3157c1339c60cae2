/* src/calib/smooth.h - outliers of activations moved into the weights: SmoothQuant.
 *
 * Columns of W are multiplied by t and the activations divided by it where they come from, before
 * both become 8 bits.
 *
 * Source: Xiao et al. 2022 (arXiv:2211.10438); the search for alpha is ours.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_SMOOTH_H
#define WH_CALIB_SMOOTH_H

#include <whit/kernel.h>
#include "calib/awq.h"

/* most[j] = max(most[j], |w[r][j]|): over the layers that share an input; zeros first. */
void wh_smooth_weights(const float *w, size_t rows, size_t cols, float *most);

/* t_j = acts_j^alpha / weights_j^(1-alpha), at least 1e-5, from the largest magnitudes of each
 * column, which count as at least 1e-5; t = 1 where both are 0. */
void wh_smooth_scales(const float *acts, const float *weights, size_t cols, double alpha, float *t);

#define WH_SMOOTH_GRID 21

typedef struct wh_smooth_result {
    double alpha;                /* k / 20; -1: t = 1 is best */
    double before, after;        /* errors without, and with the best */
    double loss[WH_SMOOTH_GRID]; /* for each alpha, 0 to 1; infinite: W t is beyond F32 */
} wh_smooth_result;

/*
 * The alpha whose products err least on a sample: t of the least |X W^T - (X / t)(W t)^T|^2, the
 * second in int8 (per channel, and per token), among t = 1 and alpha = 0, 0.05 .. 1.
 *
 *   x     in   [tokens][cols], a sample of the inputs
 *   acts  in   [cols] the largest |input|, of all calibration tokens
 *   t     out  [cols]
 *
 * Errors: WHIT_ERR_NOMEM, those of whit_quantize with t = 1. Threads: the context's.
 */
whit_status wh_smooth_search(whit_context *context, const float *x, size_t tokens, size_t cols,
                             const float *acts, const wh_awq_layer *layers, size_t count, float *t,
                             wh_smooth_result *result, whit_error *err);

#endif
