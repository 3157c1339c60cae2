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

WH_ISA_TABLE(wh_ops, wh_ops)

void wh_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}
