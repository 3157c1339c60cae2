/* src/calib/awq.h - scales of input channels that protect the weights that matter: AWQ.
 *
 * Columns of W are multiplied by t before they are rounded, and the activations divided by it where
 * they come from. Which t is best is told from the second moment H alone: with Q the decoded
 * columns divided by t again, the error is tr((W - Q) H (W - Q)^T), summed over the layers that
 * share the input.
 *
 * Source: Lin et al. 2023 (arXiv:2306.00978); the grid with weights: casper-hansen/AutoAWQ,
 * awq/quantize/quantizer.py; the error from H, t = 1 among the candidates and the exact clipping
 * are ours.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_AWQ_H
#define WH_CALIB_AWQ_H

#include <whit/block.h>
#include <whit/quant.h>

#include "calib/gptq.h"

/* What the weights become. */
typedef struct wh_awq_format {
    whit_block block;     /* a type of GGUF, or WHIT_BLOCK_NONE: */
    whit_quant_spec spec; /* a scheme with codes */
} wh_awq_format;

typedef struct wh_awq_layer {
    const float *w; /* [rows][cols] */
    size_t rows;
} wh_awq_layer;

/*
 * out = the decoded w, rounded as the format is written. importance [cols], the mean squares of the
 * inputs, or NULL: what weighs errors in block types.
 * Errors: as whit_quantize and whit_block_encode, WHIT_ERR_NOMEM. Threads: the context's.
 */
whit_status wh_awq_decoded(whit_context *context, const wh_awq_format *format, const float *w,
                           size_t rows, size_t cols, const float *importance, float *out,
                           whit_error *err);

#define WH_AWQ_GRID 20

typedef struct wh_awq_result {
    double ratio;             /* r of the best, k / 20; -1: t = 1 is */
    double before;            /* the error with t = 1 */
    double after;             /* with the best */
    double loss[WH_AWQ_GRID]; /* for each r; infinite: a value is beyond its type then */
    size_t layer;             /* the last that was looked at: what an error is about */
} wh_awq_result;

/* What becomes of a try of scales that need not be taken: where a value was beyond its type, an
 * infinite error. */
whit_status wh_scales_tried(whit_status st, const whit_error *tried, double *loss, whit_error *err);

/*
 * The best of t = 1 and t_j = x_j^r (with `weights`: / (w_j^(1-r) + 1e-4)), r = 0, 1/20 .. 19/20,
 * at least 1e-4, divided by sqrt(max t * min t). w_j: the mean over rows of |W_rj| as a share of
 * the largest of its group.
 *
 *   base    in   of H: any order
 *   mean    in   [cols] x_j, the mean |input|
 *   layers  in   those that share the input
 *   t       out  [cols]
 *
 * Errors: WHIT_ERR_NOMEM, those of wh_awq_decoded with t = 1. Threads: the context's.
 */
whit_status wh_awq_search(whit_context *context, const wh_gptq_base *base, const float *mean,
                          const wh_awq_layer *layers, size_t count, const wh_awq_format *format,
                          int weights, float *t, wh_awq_result *result, whit_error *err);

/*
 * Clip each group of a row to the share 1, .95 .. .55 of its largest magnitude that makes
 * d H[g,g] d^T least, d the error of the group when the clipped one is rounded for the format.
 *
 *   triangle  in      H of the inputs as w meets them (with t: of those divided by it)
 *   w         in/out  [rows][cols]
 *   group     in      columns; 0: all
 *   gain      out     what is left of the sum of those errors; may be NULL
 */
whit_status wh_awq_clip(whit_context *context, const double *triangle, float *w, size_t rows,
                        size_t cols, size_t group, const wh_awq_format *format, double *gain,
                        whit_error *err);

#endif
