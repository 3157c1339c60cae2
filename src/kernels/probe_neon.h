/* src/kernels/probe_neon.h - the loop of the probes of integer products in NEON vectors.
 *
 * Only static functions: a file that includes this may be built for more than ARMv8.0-A.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_PROBE_NEON_H
#define WH_KERNELS_PROBE_NEON_H

#ifndef __ARM_NEON
#error "built for another machine: leave the files *_neon.c out"
#endif
#include "kernels/inline.h"
#include "kernels/probe.h"

#include <arm_neon.h>

/* Makes an operand unknown to the compiler, so that nothing is moved out of a loop. */
#define CHANGED(v) __asm__ volatile("" : "+w"(v))

enum { MOST_CHAINS = 12 };

/* The part of one sum in a round: its products of w, which changes, and x. */
typedef int32x4_t products_fn(int32x4_t sum, int8x16_t *w, int8x16_t x);

static WH_INLINE uint64_t run_chains(size_t rounds, int chains, products_fn *products)
{
    int32x4_t sum[MOST_CHAINS];
    int8x16_t w = vdupq_n_s8(7);
    const int8x16_t x = vdupq_n_s8(3);
    WH_UNROLL
    for (int j = 0; j < chains; j++) sum[j] = vdupq_n_s32(j); /* chains that differ */
    for (size_t i = 0; i < rounds; i++) {
        WH_UNROLL
        for (int j = 0; j < chains; j++) sum[j] = products(sum[j], &w, x);
    }
    int64_t all = 0;
    WH_UNROLL
    for (int j = 0; j < chains; j++) all += vaddvq_s32(sum[j]);
    return (uint64_t)all;
}

#endif
