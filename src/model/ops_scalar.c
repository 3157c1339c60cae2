/* src/model/ops_scalar.c - norm, gate and exponentials in plain C: the reference.
 *
 * The loops are in ops_loops.h; a vector is an array.
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#include "base/bytes.h"

typedef struct v16 {
    float f[WH_OPS_LANES];
} v16;
typedef struct d16 {
    double f[WH_OPS_LANES];
} d16;

static inline v16 v_set(float f)
{
    v16 v;
    for (int i = 0; i < WH_OPS_LANES; i++) v.f[i] = f;
    return v;
}

static inline v16 v_load(const float *p)
{
    v16 v;
    memcpy(v.f, p, sizeof v.f);
    return v;
}

static inline void v_store(float *p, v16 v)
{
    memcpy(p, v.f, sizeof v.f);
}

static inline v16 v_add(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) a.f[i] += b.f[i];
    return a;
}

static inline v16 v_sub(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) a.f[i] -= b.f[i];
    return a;
}

static inline v16 v_mul(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) a.f[i] *= b.f[i];
    return a;
}

static inline v16 v_div(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) a.f[i] /= b.f[i];
    return a;
}

static inline v16 v_min(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) b.f[i] = a.f[i] < b.f[i] ? a.f[i] : b.f[i];
    return b;
}

static inline v16 v_max(v16 a, v16 b)
{
    for (int i = 0; i < WH_OPS_LANES; i++) b.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
    return b;
}

static inline v16 v_power(v16 v)
{
    for (int i = 0; i < WH_OPS_LANES; i++) v.f[i] = wh_bits_f32((wh_f32_bits(v.f[i]) + 127u) << 23);
    return v;
}

static inline d16 d_zero(void)
{
    return (d16){ { 0 } };
}

static inline d16 d_add(d16 d, v16 v)
{
    for (int i = 0; i < WH_OPS_LANES; i++) d.f[i] += (double)v.f[i];
    return d;
}

static inline d16 d_add_square(d16 d, v16 v)
{
    for (int i = 0; i < WH_OPS_LANES; i++) d.f[i] += (double)v.f[i] * (double)v.f[i];
    return d;
}

static inline void d_store(double *p, d16 d)
{
    memcpy(p, d.f, sizeof d.f);
}

#include "model/ops_loops.h"
#include "model/softmax_loops.h"

const wh_ops wh_ops_scalar = {
    .isa = "scalar",
    .rms_norm = rms_norm,
    .silu_times = silu_times,
    .exponentials = exponentials,
    .largest = largest,
    .exp_sum = exp_sum,
};
