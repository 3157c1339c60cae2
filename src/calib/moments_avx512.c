/* src/calib/moments_avx512.c - the loops of moments_loops.h, built for AVX512.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/moments_loops.h"

#if !defined(__AVX512F__)
#error "this file needs the flags of its instruction set"
#endif

#include "base/cpu.h"

const wh_moments_ops wh_moments_avx512 = { "avx512", WH_ISA_AVX512, moments_block };
