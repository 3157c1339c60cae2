/* src/tensor/cvt.c - the table of conversions between F16, BF16 and float32, and its reference.
 *
 * The loops are written so that a compiler vectorises them at the baseline. The other types are in
 * dtype.c.
 *
 * SPDX-License-Identifier: MIT */
#include "tensor/cvt.h"

#include "base/cpu.h"
#include "base/half.h"

static void from_f16(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++) dst[i] = wh_f16_to_f32(wh_load16(src + 2 * i));
}

static void from_bf16(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++) dst[i] = wh_bf16_to_f32(wh_load16(src + 2 * i));
}

static void to_f16(const float *src, size_t n, uint8_t *dst)
{
    for (size_t i = 0; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_f16(src[i]));
}

static void to_bf16(const float *src, size_t n, uint8_t *dst)
{
    for (size_t i = 0; i < n; i++) wh_store16(dst + 2 * i, wh_f32_to_bf16(src[i]));
}

const wh_cvt_ops wh_cvt_scalar = { "scalar", 0, from_f16, from_bf16, to_f16, to_bf16 };

static const wh_cvt_ops *const variants[] = {
    &wh_cvt_scalar,
#ifdef WH_BUILD_X86
    &wh_cvt_avx2,
    &wh_cvt_avx512,
#endif
#ifdef WH_BUILD_ARM64
    &wh_cvt_neon,
#endif
};

WH_ISA_TABLE(wh_cvt_ops, wh_cvt)

whit_status wh_cvt_to_f32(const wh_cvt_ops *ops, whit_dtype dtype, const void *src, size_t count,
                          float *dst)
{
    if ((dtype != WHIT_F16 && dtype != WHIT_BF16) || !src || !dst)
        return whit_dtype_to_f32(dtype, src, count, dst);
    (dtype == WHIT_F16 ? ops->from_f16 : ops->from_bf16)(src, count, dst);
    return WHIT_OK;
}

whit_status wh_cvt_from_f32(const wh_cvt_ops *ops, whit_dtype dtype, const float *src, size_t count,
                            void *dst)
{
    if ((dtype != WHIT_F16 && dtype != WHIT_BF16) || !src || !dst)
        return whit_dtype_from_f32(dtype, src, count, dst);
    (dtype == WHIT_F16 ? ops->to_f16 : ops->to_bf16)(src, count, dst);
    return WHIT_OK;
}
