/* src/calib/gptq_lanes_avx512.c - the loops of gptq_lanes_loops.h, built for AVX512.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_lanes_loops.h"

#if !defined(__AVX512F__)
#error "this file needs the flags of its instruction set"
#endif

#include "base/cpu.h"

const wh_gptq_lanes wh_gptq_lanes_avx512 = { "avx512",     WH_ISA_AVX2 | WH_ISA_AVX512,
                                             chain_lanes,  round_lanes,
                                             values_lanes, miss_lanes };
