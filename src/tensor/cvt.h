/* src/tensor/cvt.h - conversions of arrays between F16, BF16 and float32, as a table of variants by
 * instruction set. They are on the way of every weight that is read or written as a float.
 *
 * Every variant gives the scalar one's bits, those of NaN too: the payload is kept as far as it
 * fits, and a NaN comes out quiet but from BF16, which is float32 cut short.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_TENSOR_CVT_H
#define WH_TENSOR_CVT_H

#include <whit/tensor.h>

typedef struct wh_cvt_ops {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    /* Sixteen-bit elements are as in a file: little-endian, at any address. No overlap. */
    void (*from_f16)(const uint8_t *src, size_t n, float *dst);
    void (*from_bf16)(const uint8_t *src, size_t n, float *dst);
    void (*to_f16)(const float *src, size_t n, uint8_t *dst);
    void (*to_bf16)(const float *src, size_t n, uint8_t *dst);
} wh_cvt_ops;

extern const wh_cvt_ops wh_cvt_scalar;
#ifdef WH_BUILD_X86
extern const wh_cvt_ops wh_cvt_avx2, wh_cvt_avx512;
#endif
#ifdef WH_BUILD_ARM64
extern const wh_cvt_ops wh_cvt_neon;
#endif

/* Every variant of this build, slowest first; the first is the reference. */
const wh_cvt_ops *const *wh_cvt_variants(size_t *count);

/* The best variant that this process may use; the caller has checked WHIT_ISA. Asking the CPU takes
 * long beside a short conversion: keep the answer. */
const wh_cvt_ops *wh_cvt_select(void);

/* whit_dtype_to_f32 and whit_dtype_from_f32 with a variant. */
whit_status wh_cvt_to_f32(const wh_cvt_ops *ops, whit_dtype dtype, const void *src, size_t count,
                          float *dst);
whit_status wh_cvt_from_f32(const wh_cvt_ops *ops, whit_dtype dtype, const float *src, size_t count,
                            void *dst);

#endif
