/* src/kernels/gemm_q8_scalar.c - integer codes times int8 activations in plain C: the reference.
 *
 * One function for all forms: what differs is where the bits of a code are (code.h) and whether
 * there are sub-blocks and minima.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/gemm.h"

#include <math.h>

#include "kernels/code.h"

/* The sums of a row and token; the last two are of the group at hand, of two levels. */
typedef struct sums {
    float acc, part, mins;
} sums;

/* The integer of inputs [k0, end): one sub-block, or a step without any. */
static int64_t part_of(const wh_gemm_args *a, size_t p, size_t r, size_t j, size_t k0, size_t end)
{
    const whit_weight *w = a->w;
    const int32_t xsum = a->sum[k0 / w->sum_step * a->tokens + j];
    int64_t i = 0; /* as wide as need be: only the result must fit int32 */
    for (size_t k = k0; k < end; k++)
        i += (int64_t)wh_level_at(w, p, r, k) *
             a->codes[k / 64 * (a->tokens * 64) + j * 64 + k % 64];
    return i - (int64_t)wh_weight_zero(w, wh_group_at(w, p, r, k0)) * xsum;
}

static float scale_of(const whit_weight *w, size_t g)
{
    const float scale = wh_weight_scale(w, g);
    return wh_form_has_table(w->form) ? scale * w->unit : scale;
}

/* The activations' sum, which the minima are multiplied with. */
static float sum_of(const wh_gemm_args *a, size_t j, size_t k, float sx)
{
    return (float)a->sum[k / a->w->sum_step * a->tokens + j] * sx;
}

/* One level of scales. */
static void add_step(sums *s, const wh_gemm_args *a, size_t p, size_t r, size_t j, size_t k0,
                     size_t end)
{
    const whit_weight *w = a->w;
    const size_t g = wh_group_at(w, p, r, k0);
    const float sx = a->scale[k0 / w->int_step * a->tokens + j];
    const int32_t i = (int32_t)part_of(a, p, r, j, k0, end);
    s->acc = fmaf((float)i, scale_of(w, g) * sx, s->acc);
    if (w->min) s->acc = fmaf(sum_of(a, j, k0, sx), -wh_f16_to_f32(w->min[g]), s->acc);
}

/* Two levels: the step joins its group. */
static void add_subs(sums *s, const wh_gemm_args *a, size_t p, size_t r, size_t j, size_t k0,
                     size_t end)
{
    const whit_weight *w = a->w;
    const float sx = a->scale[k0 / w->int_step * a->tokens + j];
    int64_t i = 0;
    for (size_t k = k0; k < end; k += w->sub) {
        const size_t sub = wh_sub_at(w, p, r, k);
        i += part_of(a, p, r, j, k, k + w->sub) * w->sub_scale[sub];
        if (w->min) s->mins = fmaf((float)w->sub_min[sub], sum_of(a, j, k, sx), s->mins);
    }
    s->part = fmaf((float)(int32_t)i, sx, s->part);
    if (end % w->group) return;
    const size_t g = wh_group_at(w, p, r, k0);
    if (w->min) s->acc = fmaf(s->mins, -wh_f16_to_f32(w->min[g]), s->acc);
    s->acc = fmaf(s->part, scale_of(w, g), s->acc);
    s->part = s->mins = 0.0f;
}

static float dot(const wh_gemm_args *a, size_t p, size_t r, size_t j)
{
    const whit_weight *w = a->w;
    sums s = { 0.0f, 0.0f, 0.0f };
    for (size_t k = 0; k < w->cols; k += w->int_step) {
        const size_t end = w->cols - k < w->int_step ? w->cols : k + w->int_step;
        (w->sub ? add_subs : add_step)(&s, a, p, r, j, k, end);
    }
    return s.acc;
}

void wh_gemm_q8_scalar(const wh_gemm_args *a)
{
    for (size_t p = a->p0; p < a->p1; p++)
        for (size_t r = 0; r < WH_PANEL && p * WH_PANEL + r < a->w->rows; r++)
            for (size_t j = 0; j < a->tokens; j++)
                a->y[j * a->ldy + p * WH_PANEL + r] = dot(a, p, r, j);
}
