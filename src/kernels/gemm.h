/* src/kernels/gemm.h - the variants of the integer products.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_H
#define WH_KERNELS_GEMM_H

#include "kernels/kernels.h"

wh_gemm_fn wh_gemm_q8_scalar; /* all forms */
/* b8: as q8 */
wh_gemm_fn wh_gemm_q2_q8_avx2, wh_gemm_q3_q8_avx2, wh_gemm_q4_q8_avx2, wh_gemm_q5_q8_avx2,
    wh_gemm_q6_q8_avx2, wh_gemm_q8_q8_avx2, wh_gemm_b2_q8_avx2, wh_gemm_b3_q8_avx2,
    wh_gemm_b4_q8_avx2, wh_gemm_b5_q8_avx2, wh_gemm_b6_q8_avx2;
wh_gemm_fn wh_gemm_q2_q8_avxvnni, wh_gemm_q3_q8_avxvnni, wh_gemm_q4_q8_avxvnni,
    wh_gemm_q5_q8_avxvnni, wh_gemm_q6_q8_avxvnni, wh_gemm_q8_q8_avxvnni, wh_gemm_b2_q8_avxvnni,
    wh_gemm_b3_q8_avxvnni, wh_gemm_b4_q8_avxvnni, wh_gemm_b5_q8_avxvnni, wh_gemm_b6_q8_avxvnni;
wh_gemm_fn wh_gemm_q2_q8_avx512, wh_gemm_q3_q8_avx512, wh_gemm_q4_q8_avx512, wh_gemm_q5_q8_avx512,
    wh_gemm_q6_q8_avx512, wh_gemm_q8_q8_avx512, wh_gemm_b2_q8_avx512, wh_gemm_b3_q8_avx512,
    wh_gemm_b4_q8_avx512, wh_gemm_b5_q8_avx512, wh_gemm_b6_q8_avx512;
wh_gemm_fn wh_gemm_q2_q8_avx512vnni, wh_gemm_q3_q8_avx512vnni, wh_gemm_q4_q8_avx512vnni,
    wh_gemm_q5_q8_avx512vnni, wh_gemm_q6_q8_avx512vnni, wh_gemm_q8_q8_avx512vnni,
    wh_gemm_b2_q8_avx512vnni, wh_gemm_b3_q8_avx512vnni, wh_gemm_b4_q8_avx512vnni,
    wh_gemm_b5_q8_avx512vnni, wh_gemm_b6_q8_avx512vnni;
/* blocks too: b2 as q2, .. */
wh_gemm_fn wh_gemm_q2_q8_neon, wh_gemm_q3_q8_neon, wh_gemm_q4_q8_neon, wh_gemm_q5_q8_neon,
    wh_gemm_q6_q8_neon, wh_gemm_q8_q8_neon;
wh_gemm_fn wh_gemm_q2_q8_dotprod, wh_gemm_q3_q8_dotprod, wh_gemm_q4_q8_dotprod,
    wh_gemm_q5_q8_dotprod, wh_gemm_q6_q8_dotprod, wh_gemm_q8_q8_dotprod;
wh_gemm_fn wh_gemm_q2_q8_i8mm, wh_gemm_q3_q8_i8mm, wh_gemm_q4_q8_i8mm, wh_gemm_q5_q8_i8mm,
    wh_gemm_q6_q8_i8mm, wh_gemm_q8_q8_i8mm;

wh_gemm_fn wh_gemm_t4_q8_avx2, wh_gemm_t4_q8_avxvnni, wh_gemm_t4_q8_avx512,
    wh_gemm_t4_q8_avx512vnni, wh_gemm_t4_q8_neon, wh_gemm_t4_q8_dotprod, wh_gemm_t4_q8_i8mm;

#endif
