/* src/kernels/qact.h - what the variants of int8 activations share.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_QACT_H
#define WH_KERNELS_QACT_H

#include "kernels/kernels.h"

wh_qact_fn wh_qact_q8_scalar, wh_qact_q8_avx2, wh_qact_q8_avx512, wh_qact_q8_neon;

/* Codes of the n inputs from k on of one token whose largest magnitude has the bits `most`; codes
 * points at the token in the first chunk, `chunk` is the distance between chunks. Returns their
 * sum. Every case of the rules in kernels.h. */
int32_t wh_qact_span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes,
                     size_t chunk);

#endif
