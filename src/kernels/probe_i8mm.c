/* src/kernels/probe_i8mm.c - usmmla.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __ARM_FEATURE_MATMUL_INT8
#error "build this file with -march=armv8.2-a+dotprod+i8mm"
#endif
#include "kernels/probe_neon.h"

static WH_INLINE int32x4_t products(int32x4_t sum, int8x16_t *w, int8x16_t x)
{
    CHANGED(*w);
    return vusmmlaq_s32(sum, vreinterpretq_u8_s8(*w), x);
}

uint64_t wh_probe_int8_i8mm(size_t rounds)
{
    return run_chains(rounds, 12, products);
}
