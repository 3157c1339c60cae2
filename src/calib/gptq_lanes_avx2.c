/* src/calib/gptq_lanes_avx2.c - the loops of gptq_lanes_loops.h, built for AVX2.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_lanes_loops.h"

#if !defined(__AVX2__)
#error "this file needs the flags of its instruction set"
#endif

#include "base/cpu.h"

const wh_gptq_lanes wh_gptq_lanes_avx2 = { "avx2",      WH_ISA_AVX2,  chain_lanes,
                                           round_lanes, values_lanes, miss_lanes };
