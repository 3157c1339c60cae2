/* src/quant/encode.c - the table of encoder variants.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#include "base/cpu.h"

/* Slowest first; [0] is the reference and always there. */
static const wh_encode_ops *const variants[] = {
    &wh_encode_scalar,
#ifdef WH_BUILD_X86
    &wh_encode_avx2,
    &wh_encode_avx512,
#endif
#ifdef WH_BUILD_ARM64
    &wh_encode_neon,
#endif
};

WH_ISA_TABLE(wh_encode_ops, wh_encode)
