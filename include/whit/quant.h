/* include/whit/quant.h - float matrices to integer codes and back. No files, no packing.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_QUANT_H
#define WHIT_QUANT_H

#include <whit/scheme.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum whit_clip {
    WHIT_CLIP_DEFAULT = 0, /* minmax for 8-bit codes, mse below                        */
    WHIT_CLIP_MINMAX,      /* the scale covers the whole range of the group            */
    WHIT_CLIP_MSE,         /* the candidate of least squared error; never worse than minmax */
    WHIT_CLIP_PERCENTILE   /* minmax of the values, magnitudes clipped to the ceil(P/100 * n)-th
                              of the group (to the largest where that is 0)            */
} whit_clip;

typedef enum whit_nonfinite {
    WHIT_NONFINITE_REFUSE = 0, /* WHIT_ERR_NUMERIC                                     */
    WHIT_NONFINITE_ZERO,       /* NaN and infinities count as 0                        */
    WHIT_NONFINITE_CLAMP       /* NaN as 0, infinities as the largest finite magnitude of the
                                  group, with their sign                               */
} whit_nonfinite;

typedef struct whit_quant_spec {
    size_t struct_size; /* sizeof(whit_quant_spec); lets a later version add fields  */
    whit_scheme scheme; /* one that stores codes                                     */
    whit_clip clip;
    int positive_scale; /* 1: never a scale below 0, for formats whose loaders need that */
    int positive_zero;  /* 1: asym: never a zero point of 0, for formats that cannot store it;
                           an all-zero group gets zero point 1, and codes of that         */
    double percentile;  /* WHIT_CLIP_PERCENTILE: in (0, 100]                   */
    whit_nonfinite nonfinite;
    float scale2; /* nvfp4: from whit_nvfp4_scale2; else ignored          */
} whit_quant_spec;

/* Sums over what was quantized. Zero it first: calls add to it. */
typedef struct whit_quant_stats {
    uint64_t weights;
    double sum_w2;   /* sum of squares of the weights                          */
    double sum_err2; /* sum of squares of weight - decoded weight              */
    double max_abs_err;
    uint64_t scales_raised; /* groups whose scale rounded to 0 and took the smallest value */
    uint64_t groups_zeroed; /* of those, groups that still decode to all zeros         */
    uint64_t nonfinite;     /* NaN and infinities that were replaced                   */
} whit_quant_stats;

/*
 * Quantize a row-major matrix.
 *
 *   w      in   float32 [rows][cols], finite unless spec->nonfinite; a row is one output channel
 *   codes  out  uint8   [rows][cols], one code u an octet (whit/pack.h packs them)
 *   scale  out  float32, shape of whit_scheme_scales; values of the scheme's scale type (nvfp4:
 *               without scale2)
 *   zero   out  uint8, same shape; NULL unless the scheme is asym
 *   stats  out  added to; may be NULL
 *
 * Meaning:   w ~= scale * (u - 2^(bits-1)), scale * (u - zero), scale * table[u], scale * fp8(u).
 * Rounding:  w / scale to the nearest code, ties to even (nf4: to the lower; fp4bnb: by the
 *            thresholds of bitsandbytes, src/quant/codebook.c); the scale is first rounded to its
 *            stored type, then the zero point taken, then the codes.
 * Range:     minmax: symmetric scale = max|w| / (2^(bits-1) - 1), asymmetric
 *            (max(w,0) - min(w,0)) / (2^bits - 1), tables and fp8 max|w| / largest value, mxfp4
 *            2^(floor(log2 max|w|) - 2).
 *            mse: the best of a fixed list of candidates (see src/quant/range.h); symmetric codes
 *            below 8 bits then use -2^(bits-1) too, and the scale may be negative.
 * Edges:     an all-zero group gets scale 1 (dq: 0) and codes of zero (asym: zero 0); a short
 *            last group is legal; rows == 0 or cols == 0 is a successful no-op. A scale that rounds
 *            to 0 becomes the smallest positive value of its type; if all codes are zero then, the
 *            group is stored as an all-zero group.
 * Errors:    WHIT_ERR_ARG (bad spec, missing pointer); WHIT_ERR_NUMERIC (NaN or Inf: err->msg
 *            names row and column; a scale beyond its type: err->msg names -sf32);
 *            WHIT_ERR_NOMEM (scratch for one group, row or tensor). Outputs are then unspecified.
 * Threads:   reentrant; no state is kept. err may be NULL.
 * Source:    affine map r = S(q - Z), Jacob et al. 2018 (arXiv:1712.05877) eq. 1; NF4: Dettmers
 *            et al. 2023 (arXiv:2305.14314), table of bitsandbytes.
 */
WHIT_API whit_status whit_quantize(const float *w, size_t rows, size_t cols,
                                   const whit_quant_spec *spec, uint8_t *codes, float *scale,
                                   uint8_t *zero, whit_quant_stats *stats, whit_error *err);

/*
 * The decoded matrix: w[r][c] as "Meaning" above says, in float32 (one rounding, that of the
 * product). nvfp4: hand in scale2 * scale. Codes are not checked against their range here; every
 * octet decodes to something. Errors: WHIT_ERR_ARG. Threads: reentrant.
 */
WHIT_API whit_status whit_dequantize(const uint8_t *codes, const float *scale, const uint8_t *zero,
                                     size_t rows, size_t cols, const whit_scheme *scheme, float *w,
                                     whit_error *err);

/* The scale of an nvfp4 tensor: max|w| / (6 * 448), or 1 where that is 0. */
WHIT_API float whit_nvfp4_scale2(float max_magnitude);

/* 10 log10(sum_w2 / sum_err2) in dB; +infinity when the error is 0. */
WHIT_API double whit_sqnr_db(double sum_w2, double sum_err2);

#ifdef __cplusplus
}
#endif
#endif
