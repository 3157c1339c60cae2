/* src/calib/gptq_lanes_loops.h - the loops over the rows of a column, for gptq_lanes_<isa>.c.
 *
 * Plain loops, in which a compiler finds the vectors that the flags of the file allow. Ties go to
 * even, as in encode_scalar.c, where the tricks are explained.
 *
 * Not for any other file: it defines functions. SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_LANES_LOOPS_H
#define WH_CALIB_GPTQ_LANES_LOOPS_H

#include "base/bytes.h"
#include "calib/gptq_lanes.h"

#define MAGIC 12582912.0f

static inline float divisor(float step)
{
    return step == 0.0f ? 1.0f : step;
}

static void chain_lanes(float *restrict x, const float (*restrict y)[WH_GPTQ_ROWS],
                        const float *factor, size_t n, size_t lanes)
{
    for (size_t j = 0; j < n; j++) {
        const float f = factor[16 * j];
        for (size_t i = 0; i < lanes; i++) x[i] += y[j][i] * f;
    }
}

static void round_steps(const wh_gptq_grid *g, const float *restrict v, size_t lanes,
                        float *restrict value, uint8_t *restrict code)
{
    for (size_t i = 0; i < lanes; i++) {
        float q = (v[i] + g->base[i]) / divisor(g->step[i]);
        q = q < g->lo[i] ? g->lo[i] : q;
        q = q > g->hi[i] ? g->hi[i] : q;
        const float t = (q + MAGIC) - MAGIC;
        value[i] = g->step[i] * t - g->base[i];
        code[i] = (uint8_t)(int)(t + g->offset[i]);
    }
}

/* The last entry whose threshold q passes: one after the other for all rows, since they are in
 * order and vectors know no branch. */
static void round_table(const wh_codebook *book, const wh_gptq_grid *g, const float *restrict v,
                        size_t lanes, float *restrict value, uint8_t *restrict code)
{
    float q[WH_GPTQ_ROWS], entry[WH_GPTQ_ROWS];
    int32_t c[WH_GPTQ_ROWS];
    for (size_t i = 0; i < lanes; i++) q[i] = v[i] / divisor(g->step[i]);
    for (size_t i = 0; i < lanes; i++) {
        entry[i] = book->value[0];
        c[i] = book->code[0];
    }
    for (int k = 0; k < 15; k++) {
        const float threshold = book->threshold[k], above = book->value[k + 1];
        const int32_t next = book->code[k + 1];
        for (size_t i = 0; i < lanes; i++) entry[i] = q[i] > threshold ? above : entry[i];
        for (size_t i = 0; i < lanes; i++) c[i] = q[i] > threshold ? next : c[i];
    }
    for (size_t i = 0; i < lanes; i++) value[i] = g->step[i] * entry[i];
    for (size_t i = 0; i < lanes; i++) code[i] = (uint8_t)c[i];
}

static void round_small(const wh_minifloat *m, const wh_gptq_grid *g, const float *restrict v,
                        size_t lanes, float *restrict value, uint8_t *restrict code)
{
    const uint32_t least = wh_f32_bits(m->smallest), steps23 = (uint32_t)(23 - m->mantissa) << 23;
    for (size_t i = 0; i < lanes; i++) {
        float q = v[i] / divisor(g->step[i]);
        q = q < -m->largest ? -m->largest : q;
        q = q > m->largest ? m->largest : q;
        uint32_t u = wh_f32_bits(q) & 0x7f800000u;
        u = u < least ? least : u;
        const float magic = wh_bits_f32((u + steps23) | 0x400000u);
        const float t = (q + magic) - magic;
        value[i] = g->step[i] * t;
        code[i] = wh_minifloat_code(m, t);
    }
}

static void round_lanes(const wh_gptq_target *t, const wh_gptq_grid *g, const float *v,
                        size_t lanes, float *value, uint8_t *code)
{
    if (t->book)
        round_table(t->book, g, v, lanes, value, code);
    else if (t->minifloat)
        round_small(t->minifloat, g, v, lanes, value, code);
    else
        round_steps(g, v, lanes, value, code);
}

static void values_lanes(const wh_gptq_target *t, const wh_gptq_grid *g,
                         const uint8_t *restrict code, size_t lanes, float *restrict value,
                         float *restrict level)
{
    float l[WH_GPTQ_ROWS];
    if (t->book)
        for (size_t i = 0; i < lanes; i++) l[i] = t->book->by_code[code[i]];
    else if (t->minifloat)
        for (size_t i = 0; i < lanes; i++)
            l[i] = t->minifloat == &wh_e4m3 ? wh_e4m3_to_f32(code[i]) : wh_e5m2_to_f32(code[i]);
    else
        for (size_t i = 0; i < lanes; i++) l[i] = (float)code[i] - g->offset[i];
    if (t->book || t->minifloat)
        for (size_t i = 0; i < lanes; i++) value[i] = g->step[i] * l[i];
    else
        for (size_t i = 0; i < lanes; i++) value[i] = g->step[i] * l[i] - g->base[i];
    for (size_t i = 0; level && i < lanes; i++) level[i] = l[i];
}

static void miss_lanes(const float *restrict w, const float *restrict q, const float *restrict v,
                       float pivot, size_t lanes, float *restrict e, double *restrict loss)
{
    for (size_t i = 0; i < lanes; i++) e[i] = w[i] - q[i];
    for (size_t i = 0; i < lanes; i++) {
        const double d = (double)((v[i] - q[i]) * pivot);
        loss[i] += d * d;
    }
}

#endif
