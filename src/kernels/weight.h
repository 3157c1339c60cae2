/* src/kernels/weight.h - making the kernels' form of a weight, rows at a time.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_WEIGHT_H
#define WH_KERNELS_WEIGHT_H

#include "kernels/kernels.h"

/* What is known of a weight before its rows come. */
typedef struct wh_weight_shape {
    uint64_t rows, cols;
    whit_scheme scheme;       /* what it comes from; of plain floats WHIT_TO_F32, WHIT_TO_F16, .. */
    wh_scale_type scale_type; /* what every scale is a value of */
    float scale2;             /* WH_SCALE_E4M3: times this      */
    int decode; /* codes of no kernel's, whatever the scheme says: they are held decoded */
} wh_weight_shape;

/* 1 if a kernel multiplies codes of the scheme at this width; else they are held decoded. */
int wh_weight_has_kernel(const whit_scheme *scheme, uint64_t cols);

/* Octets of the planes of a weight of the scheme, at most: with scales of four octets. */
uint64_t wh_weight_bytes(const whit_scheme *scheme, uint64_t rows, uint64_t cols);

/* Whether rows and columns are within bounds. Errors: WHIT_ERR_ARG. */
whit_status wh_weight_sides(uint64_t rows, uint64_t cols, whit_error *err);

/* Memory for the planes, and scratch in the context. Errors: WHIT_ERR_ARG, WHIT_ERR_NOMEM. */
whit_status wh_weight_new(whit_weight **out, whit_context *context, const wh_weight_shape *shape,
                          whit_error *err);

/* Rows [row, row + rows) in the kernels' form; row is a multiple of 16, and rows too but at the
 * end. A block of rows is put by all threads of the context. */
typedef struct wh_rows {
    size_t row, rows;
    const uint8_t *codes; /* [rows][cols], with a kernel                       */
    const float *scale;   /* [rows][groups]                                    */
    const uint8_t *zero;  /* the same, NULL unless asym                        */
    const void *values;   /* [rows][cols] of F32, F16 or BF16, without codes   */
    /* blocks of GGUF, taken apart, with codes but without scale and zero; NULL where the form has
     * no such plane */
    const uint16_t *d, *min; /* F16 [rows][groups]; min is what is subtracted */
    const uint8_t *octet;    /* [rows][groups] instead of d, as the planes have them */
    const int8_t *sub_scale; /* [rows][subs]                                  */
    const uint8_t *sub_min;  /* [rows][subs]                                  */
} wh_rows;
void wh_weight_put(whit_weight *w, const wh_rows *rows);

/* Another weight with the same planes, in memory of its own. Errors: WHIT_ERR_NOMEM. */
whit_status wh_weight_copy(whit_weight **out, const whit_weight *weight, whit_error *err);

/* One panel of it (repack.c). */
void wh_repack_panel(whit_weight *w, size_t p, const wh_rows *rows);

/* Scales as octets and the like (scale.c). Whether all are values of the type, and *scale2, which
 * is 1 but of WH_SCALE_E4M3. */
int wh_scales_are(wh_scale_type type, const float *scale, uint64_t n, float *scale2);
/* Whether WH_SCALE_E4M3 can have it. */
int wh_scale2_fits(float scale2);
uint8_t wh_scale_octet(wh_scale_type type, float scale2, float scale);

/* Octets of scratch that whit_matmul needs for such a weight (matmul.c). */
size_t wh_matmul_scratch(const whit_weight *w, unsigned threads);

#endif
