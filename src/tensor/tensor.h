/* src/tensor/tensor.h - shapes, for readers.
 * SPDX-License-Identifier: MIT */
#ifndef WH_TENSOR_TENSOR_H
#define WH_TENSOR_TENSOR_H

#include <whit/tensor.h>

/* The product of the dimensions that are not 0, in 64 bits; *empty: 1 if one is. 0: it is beyond.
 */
int wh_tensor_product(const whit_tensor *t, uint64_t *product, int *empty);

#endif
