/* src/model/ops.c - norm, silu, softmax: plain C in a fixed order.
 *
 * Sums over many values go to 16 lanes by index, in double, which are then added in pairs; all else
 * is one value at a time. So vectors of any width give the same bits, and compilers may make them.
 * Source: Zhang and Sennrich 2019 (arXiv:1910.07467) for the norm; Shazeer 2020 (arXiv:2002.05202)
 * for the gate.
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#include <math.h>

#include "model/elementary.h"

#define LANES 16

double wh_sum16(const double sums[LANES])
{
    double s[LANES];
    memcpy(s, sums, sizeof s);
    for (size_t step = LANES / 2; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++) s[i] += s[i + step];
    return s[0];
}

static double sum_of_squares(const float *x, size_t n)
{
    double sums[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) sums[l] += (double)x[i + l] * (double)x[i + l];
    for (size_t l = 0; i + l < n; l++) sums[l] += (double)x[i + l] * (double)x[i + l];
    return wh_sum16(sums);
}

void wh_rms_norm(const float *x, const float *weight, double eps, size_t n, float *out)
{
    const float r = (float)(1.0 / sqrt(sum_of_squares(x, n) / (double)n + eps));
    for (size_t i = 0; i < n; i++) out[i] = x[i] * r * weight[i];
}

void wh_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

void wh_silu_times(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + wh_expf(-gate[i])) * up[i];
}

float wh_max(const float line[LANES], size_t begin, size_t end)
{
    float most = -INFINITY;
    for (size_t l = begin; l < end; l++) most = line[l] > most ? line[l] : most;
    return most;
}

void wh_exp_less(float line[LANES], float max, size_t begin, size_t end, double sums[LANES])
{
    for (size_t l = 0; l < LANES; l++) {
        const float e = wh_expf(line[l] - max);
        line[l] = l >= begin && l < end ? e : 0.0f;
    }
    for (size_t l = 0; l < LANES; l++) sums[l] += (double)line[l];
}
