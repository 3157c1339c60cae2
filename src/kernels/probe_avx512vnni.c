/* src/kernels/probe_avx512vnni.c - vpdpbusd of 512 bits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef __AVX512VNNI__
#error "needs the flags of its instruction set"
#endif
#include "kernels/probe_512.h"

static WH_INLINE __m512i products(__m512i sum, __m512i *w, __m512i x)
{
    CHANGED(*w);
    return _mm512_dpbusd_epi32(sum, *w, x);
}

uint64_t wh_probe_int8_avx512vnni(size_t rounds)
{
    return run_chains(rounds, 12, products);
}
