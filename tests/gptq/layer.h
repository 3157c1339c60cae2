/* tests/gptq/layer.h - made-up layers for the tests of GPTQ.
 * SPDX-License-Identifier: MIT */
#ifndef WH_TESTS_GPTQ_LAYER_H
#define WH_TESTS_GPTQ_LAYER_H

#include "check.h"

#include <whit/kernel.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* A context under that cap of WHIT_ISA (NULL: none); NULL where this CPU lacks the level. */
whit_context *open_context(const char *level, unsigned threads);
/* Zeroed; one element more. */
void *room(size_t count, size_t size);

/* A layer with correlated inputs, some of them large, or independent ones. */
typedef struct layer {
    size_t rows, cols;
    float *w;
    double *h; /* the upper triangle, as statistics keep it */
} layer;

double *h_at(const layer *l, size_t i, size_t j);
layer make_layer(check_rng *rng, size_t rows, size_t cols, size_t tokens, double correlation);
void free_layer(layer *l);

#endif
