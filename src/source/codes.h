/* src/source/codes.h - the rows of tensors that are stored as codes.
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_CODES_H
#define WH_SOURCE_CODES_H

#include <whit/source.h>

/* Rows [r0, r0 + rows), columns [c0, c0 + cols); see whit_source_read_f32. */
typedef struct wh_span {
    uint64_t r0, rows, c0, cols;
} wh_span;

/* Their decoded values. */
whit_status wh_codes_decode(const whit_file *file, const whit_source_tensor *t, const wh_span *span,
                            float *dst, whit_error *err);

/* Whole rows as codes [rows][cols], with their scales [rows][groups] (one a row for tensor and
 * channel) and zero points (NULL unless asym). Not for blocks, and not for scattered tensors.
 * Errors as above. */
whit_status wh_codes_rows(const whit_file *file, const whit_source_tensor *t, uint64_t row,
                          size_t rows, uint8_t *codes, float *scale, uint8_t *zero,
                          whit_error *err);

#endif
