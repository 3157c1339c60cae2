/* src/calib/tile64_avx512.c - tiles of products in double, AVX-512.
 *
 * Sixteen lanes by twelve numbers keep 24 sums in registers: 14 loads for 24 multiply-adds.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/tile64.h"

#if !defined(__AVX512F__)
#error "needs -mavx512f"
#endif

#include <immintrin.h>

#include "kernels/inline.h"

#define TOKENS 12
#define PART 8 /* lanes of a register */

static WH_INLINE void chain(const wh_tile64_args *a, unsigned tokens)
{
    const double *x = a->x, *value = a->value;
    __m512d sum[TOKENS][2];
    WH_UNROLL
    for (unsigned i = 0; i < 2 * tokens; i++)
        sum[i / 2][i % 2] = _mm512_load_pd(a->sums + i * PART);
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
    for (unsigned i = 0; i < 2 * tokens; i++)
        _mm512_store_pd(a->sums + i * PART, sum[i / 2][i % 2]);
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
