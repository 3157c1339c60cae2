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

const wh_ops *wh_ops_select(void)
{
    const wh_ops *best = variants[0];
    uint32_t allowed;
    (void)wh_isa_allowed(&allowed, NULL); /* refused: 0, the reference */
    for (size_t i = 0; i < COUNT; i++)
        if (!(variants[i]->needs & ~allowed)) best = variants[i];
    return best;
}

void wh_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}
