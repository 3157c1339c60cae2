/* src/kernels/gemm.h - the variants of the integer products.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_H
#define WH_KERNELS_GEMM_H

#include "kernels/kernels.h"

wh_gemm_fn wh_gemm_q8_scalar; /* all forms */
wh_gemm_fn wh_gemm_q4_q8_avx2, wh_gemm_q8_q8_avx2;
wh_gemm_fn wh_gemm_q4_q8_avxvnni, wh_gemm_q8_q8_avxvnni;
wh_gemm_fn wh_gemm_q4_q8_avx512, wh_gemm_q8_q8_avx512;
wh_gemm_fn wh_gemm_q4_q8_avx512vnni, wh_gemm_q8_q8_avx512vnni;
wh_gemm_fn wh_gemm_q4_q8_neon, wh_gemm_q8_q8_neon;
wh_gemm_fn wh_gemm_q4_q8_dotprod, wh_gemm_q8_q8_dotprod;
wh_gemm_fn wh_gemm_q4_q8_i8mm, wh_gemm_q8_q8_i8mm;

#endif
