/* src/calib/moments_avx2.c - the loops of moments_loops.h, built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/moments_loops.h"

#if !defined(__AVX2__)
#error "this file needs the flags of its instruction set"
#endif

#include "base/cpu.h"

const wh_moments_ops wh_moments_avx2 = { "avx2", WH_ISA_AVX2, moments_block };
