/* src/model/ops.h - what a model does between its products, token by token.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_OPS_H
#define WH_MODEL_OPS_H

#include <stddef.h>
#include <stdint.h>

/* out = x / sqrt(mean(x^2) + eps) * weight, n values. out may be x. */
void wh_rms_norm(const float *x, const float *weight, double eps, size_t n, float *out);

/* x += y */
void wh_add(float *x, const float *y, size_t n);

/* gate = gate / (1 + e^-gate) * up */
void wh_silu_times(float *gate, const float *up, size_t n);

/* Scores of 16 positions, of which [begin, end) count. The largest; NaN counts as nothing. */
float wh_max(const float line[16], size_t begin, size_t end);
/* line = e^(line - max), 0 for those that do not count; sums += line, lane by lane. */
void wh_exp_less(float line[16], float max, size_t begin, size_t end, double sums[16]);

/* Those sums together, in a fixed order. */
double wh_sum16(const double sums[16]);

#endif
