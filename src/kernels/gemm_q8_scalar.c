/* src/kernels/gemm_q8_scalar.c - integer codes times int8 activations in plain C: the reference.
 *
 * One function for all forms: what differs is where the bits of a code are (code.h) and whether
 * there are sub-blocks and minima.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm.h"

#include <math.h>

#include "kernels/code.h"

/* The sums of a step. */
typedef struct sums {
    int64_t codes; /* as wide as need be: only the result must fit int32 */
    int32_t mins;
} sums;

/* Inputs [k0, end) of one sub-block, or of a step without any. */
static void add_part(sums *s, const wh_gemm_args *a, size_t p, size_t r, size_t j, size_t k0,
                     size_t end)
{
    const whit_weight *w = a->w;
    const int32_t xsum = a->sum[k0 / w->sum_step * a->tokens + j];
    int64_t i = 0;
    for (size_t k = k0; k < end; k++)
        i += (int64_t)wh_level_at(w, p, r, k) *
             a->codes[k / 64 * (a->tokens * 64) + j * 64 + k % 64];
    i -= (int64_t)wh_weight_zero(w, wh_group_at(w, p, r, k0)) * xsum;
    const size_t sub = w->sub ? wh_sub_at(w, p, r, k0) : 0;
    s->codes += w->sub ? i * w->sub_scale[sub] : i;
    if (w->min) s->mins += w->sub ? w->sub_min[sub] * xsum : xsum;
}

static float dot(const wh_gemm_args *a, size_t p, size_t r, size_t j)
{
    const whit_weight *w = a->w;
    const size_t part = w->sub ? w->sub : w->int_step;
    float acc = 0.0f;
    for (size_t k0 = 0, b = j; k0 < w->cols; k0 += w->int_step, b += a->tokens) {
        const size_t end = w->cols - k0 < w->int_step ? w->cols : k0 + w->int_step;
        const size_t g = wh_group_at(w, p, r, k0);
        sums s = { 0, 0 };
        for (size_t k = k0; k < end; k += part)
            add_part(&s, a, p, r, j, k, end - k < part ? end : k + part);
        float scale = wh_weight_scale(w, g);
        if (wh_form_has_table(w->form)) scale = scale * w->unit;
        acc = fmaf((float)(int32_t)s.codes, scale * a->scale[b], acc);
        if (w->min) acc = fmaf((float)s.mins, -(wh_f16_to_f32(w->min[g]) * a->scale[b]), acc);
    }
    return acc;
}

void wh_gemm_q8_scalar(const wh_gemm_args *a)
{
    for (size_t p = a->p0; p < a->p1; p++)
        for (size_t r = 0; r < WH_PANEL && p * WH_PANEL + r < a->w->rows; r++)
            for (size_t j = 0; j < a->tokens; j++)
                a->y[j * a->ldy + p * WH_PANEL + r] = dot(a, p, r, j);
}
