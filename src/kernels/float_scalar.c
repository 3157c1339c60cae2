/* src/kernels/float_scalar.c - products with float activations in plain C: the reference.
 *
 * A weight's value is looked up one at a time by its form; the two orders of sums are each written
 * once, over such a look-up.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"

#include <math.h>

#include "kernels/code.h"

/* ---- values ---- */

typedef float value_fn(const whit_weight *w, size_t p, size_t r, size_t k);

static float value_t4(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return w->table[wh_code_at(w, p, r, k)];
}

static float value_f8(const whit_weight *w, size_t p, size_t r, size_t k)
{
    const unsigned b = (unsigned)wh_code_at(w, p, r, k);
    return wh_f16_to_f32((uint16_t)(w->e5m2 ? b << 8 : (b & 0x80) << 8 | (b & 0x7f) << 7));
}

static float value_f32(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return ((const float *)(const void *)(w->data + p * w->panel_bytes))[k * WH_PANEL + r];
}

static uint16_t half_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return ((const uint16_t *)(const void *)(w->data + p * w->panel_bytes))[k * WH_PANEL + r];
}

static float value_f16(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return wh_f16_to_f32(half_at(w, p, r, k));
}

static float value_bf16(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return wh_bf16_to_f32(half_at(w, p, r, k));
}

/* ---- one token ---- */

static float dot_chain(const wh_gemv_args *a, value_fn *value, size_t p, size_t r)
{
    float acc = 0.0f;
    for (size_t k = 0; k < a->w->cols; k++) acc = fmaf(value(a->w, p, r, k), a->x[k], acc);
    return acc;
}

static float dot_steps(const wh_gemv_args *a, value_fn *value, size_t p, size_t r)
{
    const whit_weight *w = a->w;
    float acc = 0.0f;
    for (size_t k0 = 0; k0 < w->cols; k0 += w->step) {
        const size_t end = w->cols - k0 < w->step ? w->cols : k0 + w->step;
        float part[4] = { 0.0f, 0.0f, 0.0f, 0.0f };
        for (size_t k = k0; k < end; k++)
            part[k % 4] = fmaf(value(w, p, r, k), a->x[k], part[k % 4]);
        const float scale = wh_weight_scale(w, wh_group_at(w, p, r, k0));
        acc = fmaf((part[0] + part[1]) + (part[2] + part[3]), scale, acc);
    }
    return acc;
}

typedef float dot_fn(const wh_gemv_args *a, value_fn *value, size_t p, size_t r);

static void gemv(const wh_gemv_args *a, dot_fn *dot, value_fn *value)
{
    for (size_t p = a->p0; p < a->p1; p++)
        for (size_t r = 0; r < WH_PANEL && p * WH_PANEL + r < a->w->rows; r++)
            a->y[p * WH_PANEL + r] = dot(a, value, p, r);
}

void wh_gemv_codes_scalar(const wh_gemv_args *a)
{
    if (wh_form_is_block(a->w->form))
        gemv(a, dot_chain, wh_block_value_at);
    else
        gemv(a, dot_steps, wh_integer_at);
}

void wh_gemv_t4_scalar(const wh_gemv_args *a)
{
    gemv(a, dot_steps, value_t4);
}

void wh_gemv_f8_scalar(const wh_gemv_args *a)
{
    gemv(a, dot_steps, value_f8);
}

void wh_gemv_f32_scalar(const wh_gemv_args *a)
{
    gemv(a, dot_chain, value_f32);
}

void wh_gemv_f16_scalar(const wh_gemv_args *a)
{
    gemv(a, dot_chain, value_f16);
}

void wh_gemv_bf16_scalar(const wh_gemv_args *a)
{
    gemv(a, dot_chain, value_bf16);
}

/* ---- values of a block ---- */

static void decode(const wh_decode_args *a, value_fn *value)
{
    for (size_t k = a->k0; k < a->k1; k++)
        for (size_t r = 0; r < WH_PANEL; r++)
            a->out[(k - a->k0) * WH_PANEL + r] = value(a->w, a->p, r, k);
}

void wh_decode_codes_scalar(const wh_decode_args *a)
{
    decode(a, wh_form_is_block(a->w->form) ? wh_block_value_at : wh_integer_at);
}

void wh_decode_t4_scalar(const wh_decode_args *a)
{
    decode(a, value_t4);
}

void wh_decode_f8_scalar(const wh_decode_args *a)
{
    decode(a, value_f8);
}

void wh_decode_f16_scalar(const wh_decode_args *a)
{
    decode(a, value_f16);
}

void wh_decode_bf16_scalar(const wh_decode_args *a)
{
    decode(a, value_bf16);
}

/* ---- tiles ---- */

typedef float tile_value_fn(const void *values, size_t i);

static float tile_value_f32(const void *values, size_t i)
{
    return ((const float *)values)[i];
}

static float tile_value_f16(const void *values, size_t i)
{
    return wh_f16_to_f32(((const uint16_t *)values)[i]);
}

static float tile_value_bf16(const void *values, size_t i)
{
    return wh_bf16_to_f32(((const uint16_t *)values)[i]);
}

static void tile_chain(const wh_tile_args *a, tile_value_fn *value)
{
    for (size_t p = 0; p < a->panels; p++)
        for (size_t k = 0; k < a->n; k++)
            for (size_t j = 0; j < a->tokens; j++) {
                float *sum = a->sums + (p * a->tokens + j) * WH_PANEL;
                for (size_t r = 0; r < WH_PANEL; r++)
                    sum[r] =
                        fmaf(value(a->value[p], k * WH_PANEL + r), a->x[k * a->tokens + j], sum[r]);
            }
}

void wh_tile_chain_scalar(const wh_tile_args *a)
{
    tile_chain(a, tile_value_f32);
}

void wh_tile_f16_scalar(const wh_tile_args *a)
{
    tile_chain(a, tile_value_f16);
}

void wh_tile_bf16_scalar(const wh_tile_args *a)
{
    tile_chain(a, tile_value_bf16);
}

/* The step of inputs [k0, end) for one output. */
static float step_sum(const wh_tile_args *a, size_t p, size_t j, size_t r, size_t k0, size_t end)
{
    const float *value = a->value[p];
    float part[4] = { 0.0f, 0.0f, 0.0f, 0.0f };
    for (size_t k = k0; k < end; k++)
        part[k % 4] = fmaf(value[k * WH_PANEL + r], a->x[k * a->tokens + j], part[k % 4]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

void wh_tile_steps_scalar(const wh_tile_args *a)
{
    for (size_t p = 0; p < a->panels; p++)
        for (size_t j = 0; j < a->tokens; j++)
            for (size_t k = 0, b = 0; k < a->n; k += a->step, b++) {
                const size_t end = a->n - k < a->step ? a->n : k + a->step;
                const float *scale = a->scale[p] + b * WH_PANEL;
                float *sum = a->sums + (p * a->tokens + j) * WH_PANEL;
                for (size_t r = 0; r < WH_PANEL; r++)
                    sum[r] = fmaf(step_sum(a, p, j, r, k, end), scale[r], sum[r]);
            }
}
