/* src/calib/gptq_round.c - one column of some rows to the nearest values of their grids, and back.
 * A step of 0 leaves one value, whatever the code.
 *
 * Each row has a scale of its own, so the lanes are rows; written for the vectors that a compiler
 * finds. Ties go to even, as in encode_scalar.c, where the tricks are explained.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_slab.h"

#include "base/bytes.h"

#define MAGIC 12582912.0f

static inline float divisor(float step)
{
    return step == 0.0f ? 1.0f : step;
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

static void round_table(const wh_codebook *book, const wh_gptq_grid *g, const float *restrict v,
                        size_t lanes, float *restrict value, uint8_t *restrict code)
{
    for (size_t i = 0; i < lanes; i++) { /* by halving: four compares without a branch */
        const float q = v[i] / divisor(g->step[i]);
        unsigned k = (unsigned)(q > book->threshold[7]) << 3;
        k += (unsigned)(q > book->threshold[k + 3]) << 2;
        k += (unsigned)(q > book->threshold[k + 1]) << 1;
        k += (unsigned)(q > book->threshold[k]);
        value[i] = g->step[i] * book->value[k];
        code[i] = book->code[k];
    }
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

void wh_gptq_round(const wh_gptq_target *t, const wh_gptq_grid *g, const float *v, size_t lanes,
                   float *value, uint8_t *code)
{
    if (t->book)
        round_table(t->book, g, v, lanes, value, code);
    else if (t->minifloat)
        round_small(t->minifloat, g, v, lanes, value, code);
    else
        round_steps(g, v, lanes, value, code);
}

void wh_gptq_values(const wh_gptq_target *t, const wh_gptq_grid *g, const uint8_t *code,
                    size_t lanes, float *value, float *level)
{
    for (size_t i = 0; i < lanes; i++) {
        float l;
        if (t->book)
            l = t->book->by_code[code[i]];
        else if (t->minifloat)
            l = t->minifloat == &wh_e4m3 ? wh_e4m3_to_f32(code[i]) : wh_e5m2_to_f32(code[i]);
        else
            l = (float)code[i] - g->offset[i];
        value[i] = t->book || t->minifloat ? g->step[i] * l : g->step[i] * l - g->base[i];
        if (level) level[i] = l;
    }
}
