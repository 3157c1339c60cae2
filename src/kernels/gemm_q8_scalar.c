/* src/kernels/gemm_q8_scalar.c - integer codes times int8 activations in plain C: the reference.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm.h"

#include <math.h>

#include "base/half.h"

static int code_q4(const whit_weight *w, size_t p, size_t r, size_t k)
{
    const uint8_t pair = w->data[p * w->panel_bytes + k / 8 * 64 + r * 4 + k % 4];
    return k % 8 < 4 ? pair & 15 : pair >> 4;
}

static int code_q8(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return w->data[p * w->panel_bytes + k / 4 * 64 + r * 4 + k % 4];
}

typedef int code_fn(const whit_weight *w, size_t p, size_t r, size_t k);

static float dot(const wh_gemm_args *a, code_fn *code, size_t p, size_t r, size_t j)
{
    const whit_weight *w = a->w;
    const size_t chunk = a->tokens * 64;
    float acc = 0.0f;
    for (size_t k0 = 0, b = 0; k0 < w->cols; k0 += w->int_step, b++) {
        const size_t end = w->cols - k0 < w->int_step ? w->cols : k0 + w->int_step;
        const size_t g = (p * w->groups + k0 / w->group) * WH_PANEL + r;
        int64_t i = 0; /* as wide as need be: only the result must fit int32 */
        for (size_t k = k0; k < end; k++)
            i += (int64_t)code(w, p, r, k) * a->codes[k / 64 * chunk + j * 64 + k % 64];
        i -= (int64_t)wh_weight_zero(w, g) * a->sum[b * a->tokens + j];
        acc = fmaf((float)(int32_t)i, wh_weight_scale(w, g) * a->scale[b * a->tokens + j], acc);
    }
    return acc;
}

static void gemm(const wh_gemm_args *a, code_fn *code)
{
    for (size_t p = a->p0; p < a->p1; p++)
        for (size_t r = 0; r < WH_PANEL && p * WH_PANEL + r < a->w->rows; r++)
            for (size_t j = 0; j < a->tokens; j++)
                a->y[j * a->ldy + p * WH_PANEL + r] = dot(a, code, p, r, j);
}

void wh_gemm_q4_q8_scalar(const wh_gemm_args *a)
{
    gemm(a, code_q4);
}

void wh_gemm_q8_q8_scalar(const wh_gemm_args *a)
{
    gemm(a, code_q8);
}
