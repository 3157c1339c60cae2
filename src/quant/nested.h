/* src/quant/nested.h - scales that are quantized in turn (dq).
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_NESTED_H
#define WH_QUANT_NESTED_H

#include <stddef.h>
#include <stdint.h>

#define WH_NESTED_BLOCK 256 /* scales that share one second-level scale */

/* The 256 values of a scale code, ascending. */
void wh_nested_map(float map[256]);

/* From n scales (the first of a block): codes and the block's own scale. n is at most 256. */
float wh_nested_encode(const float map[256], const float *scale, size_t n, float offset,
                       uint8_t *codes);
/* The scale that a code stands for: map * block scale + offset, each rounded to float32. */
float wh_nested_decode(const float map[256], uint8_t code, float absmax, float offset);

#endif
