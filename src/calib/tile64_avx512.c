/* src/calib/tile64_avx512.c - tiles of products in double, AVX-512.
 *
 * Sixteen lanes by twelve numbers keep 24 sums in registers: 14 loads for 24 multiply-adds.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/solve64.h"

#if !defined(__AVX512F__)
#error "needs -mavx512f"
#endif

#include <immintrin.h>

#include "kernels/inline.h"

#define TOKENS 12
#define PARTS 2 /* registers for sixteen lanes */
#define PART 8

static WH_INLINE void chain(const wh_tile64_args *a, unsigned tokens)
{
    const double *x = a->x, *value = a->value;
    __m512d sum[TOKENS][PARTS];
    WH_UNROLL
    for (unsigned i = 0; i < PARTS * tokens; i++)
        sum[i / PARTS][i % PARTS] =
            _mm512_loadu_pd(a->sums + i / PARTS * a->stride + i % PARTS * PART);
    for (size_t k = 0; k < a->n; k++, x += tokens, value += WH_LANES64) {
        const __m512d low = _mm512_load_pd(value), high = _mm512_load_pd(value + PART);
        WH_UNROLL
        for (unsigned j = 0; j < tokens; j++) {
            const __m512d xj = _mm512_set1_pd(x[j]);
            sum[j][0] = _mm512_fnmadd_pd(low, xj, sum[j][0]);
            sum[j][1] = _mm512_fnmadd_pd(high, xj, sum[j][1]);
        }
    }
    WH_UNROLL
    for (unsigned i = 0; i < PARTS * tokens; i++)
        _mm512_storeu_pd(a->sums + i / PARTS * a->stride + i % PARTS * PART,
                         sum[i / PARTS][i % PARTS]);
}

void wh_tile64_avx512(const wh_tile64_args *a)
{
    switch (a->tokens) {
    case 1:
        chain(a, 1);
        break;
    case 2:
        chain(a, 2);
        break;
    case 3:
        chain(a, 3);
        break;
    case 4:
        chain(a, 4);
        break;
    case 5:
        chain(a, 5);
        break;
    case 6:
        chain(a, 6);
        break;
    case 7:
        chain(a, 7);
        break;
    case 8:
        chain(a, 8);
        break;
    case 9:
        chain(a, 9);
        break;
    case 10:
        chain(a, 10);
        break;
    case 11:
        chain(a, 11);
        break;
    default:
        chain(a, TOKENS);
    }
}

void wh_solve64_avx512(double x[WH_LANES64][WH_SOLVE64], double tri[WH_LANES64][WH_LANES64],
                       const double pivot[WH_LANES64], size_t cols)
{
    solve_rows(x, tri, pivot, cols);
}
