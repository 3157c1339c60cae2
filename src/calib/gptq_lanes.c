/* src/calib/gptq_lanes.c - the table of the loops over the rows of a column, and the reference.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_lanes_loops.h"

#include "base/cpu.h"

const wh_gptq_lanes wh_gptq_lanes_scalar = { "scalar",     0,         chain_lanes, round_lanes,
                                             values_lanes, miss_lanes };

static const wh_gptq_lanes *const variants[] = {
    &wh_gptq_lanes_scalar,
#ifdef WH_BUILD_X86
    &wh_gptq_lanes_avx2,
    &wh_gptq_lanes_avx512,
#endif
};

WH_ISA_TABLE(wh_gptq_lanes, wh_gptq_lanes)
