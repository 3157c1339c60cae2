/* src/kernels/gemm.h - the variants of the integer products.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_H
#define WH_KERNELS_GEMM_H

#include "kernels/forms.h"

wh_gemm_fn wh_gemm_q8_scalar; /* all forms */

#define WH_GEMM_X86(form)                                                                          \
    wh_gemm_fn wh_gemm_##form##_q8_avx2, wh_gemm_##form##_q8_avxvnni, wh_gemm_##form##_q8_avx512,  \
        wh_gemm_##form##_q8_avx512vnni;
#define WH_GEMM_X86_BLOCKS(form, ...) WH_GEMM_X86(form)
WH_CODE_FORMS(WH_GEMM_X86)
WH_BLOCK_FORMS(WH_GEMM_X86_BLOCKS)

/* blocks too: b2 as q2, ..; of one bit there is nothing else */
#define WH_GEMM_ARM(form)                                                                          \
    wh_gemm_fn wh_gemm_##form##_q8_neon, wh_gemm_##form##_q8_dotprod, wh_gemm_##form##_q8_i8mm;
WH_CODE_FORMS(WH_GEMM_ARM)
WH_GEMM_ARM(q1)

#endif
