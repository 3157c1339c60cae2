/* src/calib/tile64_avx2.c - tiles of products in double, AVX2.
 *
 * Sixteen lanes by three numbers keep 12 sums in the 16 registers: 7 loads for 12 multiply-adds.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/solve64.h"

#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs -mavx2 -mfma"
#endif

#include <immintrin.h>

#include "kernels/inline.h"

#define TOKENS 3
#define PARTS 4 /* registers for sixteen lanes */
#define PART 4

static WH_INLINE void chain(const wh_tile64_args *a, unsigned tokens)
{
    const double *x = a->x, *value = a->value;
    __m256d sum[TOKENS][PARTS];
    WH_UNROLL
    for (unsigned i = 0; i < tokens * PARTS; i++)
        sum[i / PARTS][i % PARTS] =
            _mm256_loadu_pd(a->sums + i / PARTS * a->stride + i % PARTS * PART);
    for (size_t k = 0; k < a->n; k++, x += tokens, value += WH_LANES64) {
        __m256d xj[TOKENS];
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) xj[j] = _mm256_broadcast_sd(x + j);
        WH_UNROLL
        for (unsigned p = 0; p < PARTS; p++) {
            const __m256d v = _mm256_load_pd(value + p * PART);
            WH_UNROLL
            for (unsigned j = 0; j < tokens; j++) sum[j][p] = _mm256_fnmadd_pd(v, xj[j], sum[j][p]);
        }
    }
    WH_UNROLL
    for (unsigned i = 0; i < tokens * PARTS; i++)
        _mm256_storeu_pd(a->sums + i / PARTS * a->stride + i % PARTS * PART,
                         sum[i / PARTS][i % PARTS]);
}

void wh_tile64_avx2(const wh_tile64_args *a)
{
    if (a->tokens == 3)
        chain(a, 3);
    else if (a->tokens == 2)
        chain(a, 2);
    else
        chain(a, 1);
}

void wh_solve64_avx2(double x[WH_LANES64][WH_SOLVE64], double tri[WH_LANES64][WH_LANES64],
                     const double pivot[WH_LANES64], size_t cols)
{
    solve_rows(x, tri, pivot, cols);
}
