/* src/kernels/float.h - the variants of the products with float activations.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FLOAT_H
#define WH_KERNELS_FLOAT_H

#include "kernels/forms.h"

/* _codes: every form of integer codes, and all blocks */
wh_decode_fn wh_decode_codes_scalar, wh_decode_t4_scalar, wh_decode_f8_scalar, wh_decode_f16_scalar,
    wh_decode_bf16_scalar;
wh_gemv_fn wh_gemv_codes_scalar, wh_gemv_t4_scalar, wh_gemv_f8_scalar, wh_gemv_f32_scalar,
    wh_gemv_f16_scalar, wh_gemv_bf16_scalar;
wh_tile_fn wh_tile_chain_scalar, wh_tile_steps_scalar, wh_tile_f16_scalar, wh_tile_bf16_scalar;

#define WH_FLOAT_FORM(form)                                                                        \
    wh_decode_fn wh_decode_##form##_avx2, wh_decode_##form##_avx512, wh_decode_##form##_neon;      \
    wh_gemv_fn wh_gemv_##form##_avx2, wh_gemv_##form##_avx512, wh_gemv_##form##_neon;
#define WH_FLOAT_BLOCKS(form, ...) WH_FLOAT_FORM(form)
WH_CODE_FORMS(WH_FLOAT_FORM)
WH_BLOCK_FORMS(WH_FLOAT_BLOCKS)
WH_FLOAT_FORM(f8)
WH_FLOAT_FORM(f16)
WH_FLOAT_FORM(bf16)
wh_gemv_fn wh_gemv_f32_avx2, wh_gemv_f32_avx512, wh_gemv_f32_neon;
wh_tile_fn wh_tile_chain_avx2, wh_tile_steps_avx2, wh_tile_f16_avx2, wh_tile_bf16_avx2;
wh_tile_fn wh_tile_chain_avx512, wh_tile_steps_avx512, wh_tile_f16_avx512, wh_tile_bf16_avx512;
wh_tile_fn wh_tile_chain_neon, wh_tile_steps_neon, wh_tile_f16_neon, wh_tile_bf16_neon;

#endif
