/* src/calib/tile64_neon.c - tiles of products in double, base NEON.
 *
 * Sixteen lanes by two numbers: 16 sums in registers, enough chains for the latency of any core.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/tile64.h"

#include <arm_neon.h>

#include "kernels/inline.h"

#define TOKENS 2
#define PARTS 8 /* registers for sixteen lanes */
#define PART 2

static WH_INLINE void chain(const wh_tile64_args *a, unsigned tokens)
{
    const double *x = a->x, *value = a->value;
    float64x2_t sum[TOKENS][PARTS];
    WH_UNROLL
    for (unsigned i = 0; i < tokens * PARTS; i++)
        sum[i / PARTS][i % PARTS] = vld1q_f64(a->sums + i / PARTS * a->stride + i % PARTS * PART);
    for (size_t k = 0; k < a->n; k++, x += tokens, value += WH_LANES64) {
        WH_UNROLL
        for (unsigned p = 0; p < PARTS; p++) {
            const float64x2_t v = vld1q_f64(value + p * PART);
            WH_UNROLL
            for (unsigned j = 0; j < tokens; j++)
                sum[j][p] = vfmsq_f64(sum[j][p], v, vdupq_n_f64(x[j]));
        }
    }
    WH_UNROLL
    for (unsigned i = 0; i < tokens * PARTS; i++)
        vst1q_f64(a->sums + i / PARTS * a->stride + i % PARTS * PART, sum[i / PARTS][i % PARTS]);
}

void wh_tile64_neon(const wh_tile64_args *a)
{
    if (a->tokens == 2)
        chain(a, 2);
    else
        chain(a, 1);
}
