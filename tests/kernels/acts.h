/* tests/kernels/acts.h - activations for the checks of the kernels: floats, and blocks of int8.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TESTS_ACTS_H
#define WHIT_TESTS_ACTS_H

#include "kernels/kernels.h"

#include "check.h"
#include "kernels/guard.h"

typedef enum float_fill {
    FLOATS_UNIFORM,
    FLOATS_NORMAL,
    FLOATS_EXTREME, /* all of one magnitude, signs at random */
    FLOATS_ALTERNATING,
    FLOATS_OUTLIER,
    FLOATS_WIDE, /* exponents -30 .. 30 */
    FLOATS_TINY, /* subnormal */
    FLOATS_ZERO,
    FLOATS_NAN, /* uniform but for one */
    FLOATS_INF,
    FLOAT_FILLS
} float_fill;

void acts_floats(float *x, size_t n, float_fill fill, check_rng *rng);

typedef enum int_fill {
    INTS_UNIFORM,
    INTS_HIGHEST, /* all 127 */
    INTS_LOWEST,  /* all -127 */
    INTS_ALTERNATING,
    INTS_OUTLIER,
    INTS_ZERO,
    INTS_NAN,  /* one step has a scale that is no number, and codes 0 */
    INTS_TINY, /* scales that make the product with those of the weight subnormal */
    INT_FILLS
} int_fill;

/* A block as wh_qact_args describes it, filled apart from any quantizer. */
typedef struct int_block {
    size_t cols, step, sum_step, tokens, steps;
    int8_t *plain; /* [tokens][cols] */
    int8_t *codes;
    float *scale;
    int32_t *sum;
    size_t codes_bytes, scale_bytes, sum_bytes;
} int_block;

void acts_block(int_block *b, size_t cols, size_t step, size_t sum_step, size_t tokens,
                int_fill fill, check_rng *rng);
void acts_block_free(int_block *b);

/* Equal bits, or a NaN both. */
int acts_same(float a, float b);

#endif
