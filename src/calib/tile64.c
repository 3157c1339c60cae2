/* src/calib/tile64.c - the table of the tiles in double, and the reference.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/solve64.h"

#include <math.h>

#include "base/cpu.h"

void wh_tile64_scalar(const wh_tile64_args *a)
{
    for (size_t k = 0; k < a->n; k++)
        for (size_t j = 0; j < a->tokens; j++)
            for (size_t i = 0; i < WH_LANES64; i++) {
                double *sum = a->sums + j * a->stride + i;
                *sum = fma(-a->value[k * WH_LANES64 + i], a->x[k * a->tokens + j], *sum);
            }
}

void wh_solve64_scalar(double x[WH_LANES64][WH_SOLVE64], double tri[WH_LANES64][WH_LANES64],
                       const double pivot[WH_LANES64], size_t cols)
{
    solve_rows(x, tri, pivot, cols);
}

static const wh_tile64 variants[] = {
    { "scalar", 0, 4, wh_tile64_scalar, wh_solve64_scalar },
#ifdef WH_BUILD_X86
    { "avx2", WH_ISA_AVX2, 3, wh_tile64_avx2, wh_solve64_avx2 },
    { "avx512", WH_ISA_AVX2 | WH_ISA_AVX512, 12, wh_tile64_avx512, wh_solve64_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { "neon", WH_ISA_NEON, 2, wh_tile64_neon, wh_solve64_scalar },
#endif
};

#define COUNT (sizeof variants / sizeof variants[0])

const wh_tile64 *wh_tile64_variants(size_t *count)
{
    *count = COUNT;
    return variants;
}

static uint32_t needs(size_t i)
{
    return variants[i].needs;
}

const wh_tile64 *wh_tile64_select(void)
{
    return &variants[wh_isa_choose(COUNT, needs)];
}
