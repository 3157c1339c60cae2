/* src/model/rope.c - rotary positions.
 *
 * Angles are made in double, since at position 10^5 float32 is off by a thousandth of a radian;
 * cosine and sine are float32. Linear scaling divides the position, yarn mixes divided and plain
 * frequencies along a ramp, llama3 has a divisor for each.
 *
 * Not here: dynamic scaling, which sessions end before (session.c).
 * Source: Su et al. 2021 (arXiv:2104.09864); Peng et al. 2023, YaRN (arXiv:2309.00071);
 * huggingface/transformers, src/transformers/modeling_rope_utils.py.
 * SPDX-License-Identifier: MIT */
#include "base/elementary.h"
#include "model/rope.h"

#include <math.h>

/* The dimension that turns `turns` times within the original context. */
static double dimension_of(const wh_model_config *c, double turns)
{
    const wh_rope *p = &c->rope;
    const double turn = 6.283185307179586476925287;
    return c->head_dim * wh_log(p->original / (turns * turn)) / (2.0 * wh_log(p->theta));
}

static void ramp_yarn(const wh_model_config *c, double *frequency)
{
    const wh_rope *p = &c->rope;
    double low = dimension_of(c, p->fast), high = dimension_of(c, p->slow);
    if (!p->yarn_untruncate) {
        low = floor(low);
        high = ceil(high);
    }
    if (low < 0) low = 0;
    if (high > c->head_dim - 1) high = c->head_dim - 1;
    if (low == high) high += 0.001;
    for (uint32_t i = 0; i < c->head_dim / 2; i++) {
        double ramp = (i - low) / (high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        frequency[i] = frequency[i] / p->factor * ramp + frequency[i] * (1 - ramp);
    }
}

void wh_rope_frequencies(const wh_model_config *c, const float *divisors, double *out)
{
    const uint32_t half = c->head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        out[i] = wh_pow(c->rope.theta, -2.0 * i / c->head_dim);
        if (c->rope.kind == WH_ROPE_LINEAR) out[i] /= c->rope.factor;
        if (c->rope.kind == WH_ROPE_LLAMA3) out[i] /= (double)wh_rope_divisor(c, i);
        if (c->rope.kind == WH_ROPE_TENSOR && divisors) out[i] /= (double)divisors[i];
    }
    if (c->rope.kind == WH_ROPE_YARN) ramp_yarn(c, out);
}

void wh_rope_tables(const wh_model_config *c, const double *frequencies, size_t first,
                    size_t tokens, float *cosine, float *sine)
{
    const uint32_t half = c->head_dim / 2;
    for (size_t t = 0; t < tokens; t++)
        for (uint32_t i = 0; i < half; i++) {
            double sn, cs;
            wh_sincos((double)(first + t) * frequencies[i], &sn, &cs);
            cosine[t * half + i] = (float)(cs * c->rope.magnitude);
            sine[t * half + i] = (float)(sn * c->rope.magnitude);
        }
}

void wh_rope_turn(const wh_model_config *c, const float *cosine, const float *sine, const float *in,
                  float *out)
{
    const uint32_t half = c->head_dim / 2;
    const size_t step = c->pairs ? 2 : 1, far = c->pairs ? 1 : half;
    for (uint32_t i = 0; i < half; i++) {
        const float a = in[i * step], b = in[i * step + far];
        out[i] = a * cosine[i] - b * sine[i];
        out[i + half] = a * sine[i] + b * cosine[i];
    }
}
