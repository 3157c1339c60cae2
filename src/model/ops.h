/* src/model/ops.h - what a model does between its products, as a table of variants by instruction
 * set.
 *
 * Every variant gives the scalar one's bits: sums over values go to 16 lanes by index, in double,
 * which are then added as a tree (8+8, 4+4, 2+2, 1+1); all else is one value at a time, each step
 * rounded, nothing fused, exp included (ops_loops.h).
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_OPS_H
#define WH_MODEL_OPS_H

#include <stddef.h>
#include <stdint.h>

#define WH_OPS_LANES 16
#define WH_EXP_LEAST (-700.0) /* of exponents: e^-700 is nothing beside e^0 */

/* A row of scores: panels of 16, the next one `stride` floats on, of which those from begin to end
 * (not included) count. begin < end <= 16 * panels. */
typedef struct wh_score_row {
    float *first;
    size_t stride, panels, begin, end;
} wh_score_row;

typedef struct wh_ops {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    /* out = x / sqrt(mean(x^2) + eps) * weight, n values. out may be x. */
    void (*rms_norm)(const float *x, const float *weight, double eps, size_t n, float *out);
    /* gate = gate / (1 + e^-gate) * up */
    void (*silu_times)(float *gate, const float *up, size_t n);
    /* score = e^(score - largest), 0 for those that do not count; returns the sum. NaN is no
     * largest, and stays NaN. */
    double (*exponentials)(const wh_score_row *row);
    /* The largest of n logits; NaN where one is not finite. */
    double (*largest)(const float *x, size_t n);
    /* sum e^(x - most), in double; with `other` also *apart = sum e^(x - most) (x - other).
     * Differences below WH_EXP_LEAST count as that. */
    double (*exp_sum)(const float *x, size_t n, double most, const float *other, double *apart);
} wh_ops;

const wh_ops *wh_ops_select(void);
const wh_ops *const *wh_ops_variants(size_t *count); /* [0] is the reference */

extern const wh_ops wh_ops_scalar, wh_ops_avx2, wh_ops_avx512, wh_ops_neon;

/* x += y */
void wh_add(float *x, const float *y, size_t n);

#endif
