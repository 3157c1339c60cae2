/* src/kernels/probe_dotprod.c - sdot.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __ARM_FEATURE_DOTPROD
#error "build this file with -march=armv8.2-a+dotprod"
#endif
#include "kernels/probe_neon.h"

static WH_INLINE int32x4_t products(int32x4_t sum, int8x16_t *w, int8x16_t x)
{
    CHANGED(*w);
    return vdotq_s32(sum, *w, x);
}

uint64_t wh_probe_int8_dotprod(size_t rounds)
{
    return run_chains(rounds, 12, products);
}
