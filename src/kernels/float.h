/* src/kernels/float.h - the variants of the products with float activations.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_H
#define WH_KERNELS_FLOAT_H

#include "kernels/kernels.h"

/* _codes: every form of integer codes, blocks too */
wh_decode_fn wh_decode_codes_scalar, wh_decode_t4_scalar, wh_decode_f8_scalar, wh_decode_f16_scalar,
    wh_decode_bf16_scalar;
wh_gemv_fn wh_gemv_codes_scalar, wh_gemv_t4_scalar, wh_gemv_f8_scalar, wh_gemv_f32_scalar,
    wh_gemv_f16_scalar, wh_gemv_bf16_scalar;
wh_tile_fn wh_tile_chain_scalar, wh_tile_steps_scalar;
wh_decode_fn wh_decode_q2_avx2, wh_decode_q3_avx2, wh_decode_q4_avx2, wh_decode_q5_avx2,
    wh_decode_q6_avx2, wh_decode_q8_avx2, wh_decode_b2_avx2, wh_decode_b3_avx2, wh_decode_b4_avx2,
    wh_decode_b5_avx2, wh_decode_b6_avx2, wh_decode_b8_avx2, wh_decode_t4_avx2, wh_decode_f8_avx2,
    wh_decode_f16_avx2, wh_decode_bf16_avx2;
wh_gemv_fn wh_gemv_q2_avx2, wh_gemv_q3_avx2, wh_gemv_q4_avx2, wh_gemv_q5_avx2, wh_gemv_q6_avx2,
    wh_gemv_q8_avx2, wh_gemv_b2_avx2, wh_gemv_b3_avx2, wh_gemv_b4_avx2, wh_gemv_b5_avx2,
    wh_gemv_b6_avx2, wh_gemv_b8_avx2, wh_gemv_t4_avx2, wh_gemv_f8_avx2, wh_gemv_f32_avx2,
    wh_gemv_f16_avx2, wh_gemv_bf16_avx2;
wh_tile_fn wh_tile_chain_avx2, wh_tile_steps_avx2;
wh_decode_fn wh_decode_q2_avx512, wh_decode_q3_avx512, wh_decode_q4_avx512, wh_decode_q5_avx512,
    wh_decode_q6_avx512, wh_decode_q8_avx512, wh_decode_b2_avx512, wh_decode_b3_avx512,
    wh_decode_b4_avx512, wh_decode_b5_avx512, wh_decode_b6_avx512, wh_decode_b8_avx512,
    wh_decode_t4_avx512, wh_decode_f8_avx512, wh_decode_f16_avx512, wh_decode_bf16_avx512;
wh_gemv_fn wh_gemv_q2_avx512, wh_gemv_q3_avx512, wh_gemv_q4_avx512, wh_gemv_q5_avx512,
    wh_gemv_q6_avx512, wh_gemv_q8_avx512, wh_gemv_b2_avx512, wh_gemv_b3_avx512, wh_gemv_b4_avx512,
    wh_gemv_b5_avx512, wh_gemv_b6_avx512, wh_gemv_b8_avx512, wh_gemv_t4_avx512, wh_gemv_f8_avx512,
    wh_gemv_f32_avx512, wh_gemv_f16_avx512, wh_gemv_bf16_avx512;
wh_tile_fn wh_tile_chain_avx512, wh_tile_steps_avx512;
wh_decode_fn wh_decode_q2_neon, wh_decode_q3_neon, wh_decode_q4_neon, wh_decode_q5_neon,
    wh_decode_q6_neon, wh_decode_q8_neon, wh_decode_b2_neon, wh_decode_b3_neon, wh_decode_b4_neon,
    wh_decode_b5_neon, wh_decode_b6_neon, wh_decode_b8_neon, wh_decode_t4_neon, wh_decode_f8_neon,
    wh_decode_f16_neon, wh_decode_bf16_neon;
wh_gemv_fn wh_gemv_q2_neon, wh_gemv_q3_neon, wh_gemv_q4_neon, wh_gemv_q5_neon, wh_gemv_q6_neon,
    wh_gemv_q8_neon, wh_gemv_b2_neon, wh_gemv_b3_neon, wh_gemv_b4_neon, wh_gemv_b5_neon,
    wh_gemv_b6_neon, wh_gemv_b8_neon, wh_gemv_t4_neon, wh_gemv_f8_neon, wh_gemv_f32_neon,
    wh_gemv_f16_neon, wh_gemv_bf16_neon;
wh_tile_fn wh_tile_chain_neon, wh_tile_steps_neon;

#endif
