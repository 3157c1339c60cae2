/* src/model/ops.c - the table of variants of what a model does between its products.
 *
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#include "base/cpu.h"

/* Slowest first; [0] is the reference and always there. */
static const wh_ops *const variants[] = {
    &wh_ops_scalar,
#ifdef WH_BUILD_X86
    &wh_ops_avx2,
    &wh_ops_avx512,
#endif
#ifdef WH_BUILD_ARM64
    &wh_ops_neon,
#endif
};

#define COUNT (sizeof variants / sizeof variants[0])

const wh_ops *const *wh_ops_variants(size_t *count)
{
    *count = COUNT;
    return variants;
}

static uint32_t needs(size_t i)
{
    return variants[i]->needs;
}

const wh_ops *wh_ops_select(void)
{
    return variants[wh_isa_choose(COUNT, needs)];
}

void wh_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}
