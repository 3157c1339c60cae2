/* src/model/ops_avx2.c - norm, gate and exponentials in AVX2: sixteen values are two registers.
 *
 * The loops are in ops_loops.h.
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#if !defined(__AVX2__)
#error "this file needs -mavx2"
#endif

#include <immintrin.h>

#include "base/cpu.h"

typedef struct v16 {
    __m256 a, b;
} v16;
typedef struct d16 {
    __m256d q[4];
} d16;

static inline v16 v_set(float f)
{
    return (v16){ _mm256_set1_ps(f), _mm256_set1_ps(f) };
}

static inline v16 v_load(const float *p)
{
    return (v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

static inline void v_store(float *p, v16 v)
{
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
}

static inline v16 v_add(v16 a, v16 b)
{
    return (v16){ _mm256_add_ps(a.a, b.a), _mm256_add_ps(a.b, b.b) };
}

static inline v16 v_sub(v16 a, v16 b)
{
    return (v16){ _mm256_sub_ps(a.a, b.a), _mm256_sub_ps(a.b, b.b) };
}

static inline v16 v_mul(v16 a, v16 b)
{
    return (v16){ _mm256_mul_ps(a.a, b.a), _mm256_mul_ps(a.b, b.b) };
}

static inline v16 v_div(v16 a, v16 b)
{
    return (v16){ _mm256_div_ps(a.a, b.a), _mm256_div_ps(a.b, b.b) };
}

static inline v16 v_min(v16 a, v16 b)
{
    return (v16){ _mm256_min_ps(a.a, b.a), _mm256_min_ps(a.b, b.b) };
}

static inline v16 v_max(v16 a, v16 b)
{
    return (v16){ _mm256_max_ps(a.a, b.a), _mm256_max_ps(a.b, b.b) };
}

static inline __m256 power_of(__m256 v)
{
    const __m256i moved = _mm256_add_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(moved, 23));
}

static inline v16 v_power(v16 v)
{
    return (v16){ power_of(v.a), power_of(v.b) };
}

static inline d16 d_zero(void)
{
    const __m256d z = _mm256_setzero_pd();
    return (d16){ { z, z, z, z } };
}

static inline d16 widened(v16 v)
{
    return (d16){ { _mm256_cvtps_pd(_mm256_castps256_ps128(v.a)),
                    _mm256_cvtps_pd(_mm256_extractf128_ps(v.a, 1)),
                    _mm256_cvtps_pd(_mm256_castps256_ps128(v.b)),
                    _mm256_cvtps_pd(_mm256_extractf128_ps(v.b, 1)) } };
}

static inline d16 d_add(d16 d, v16 v)
{
    const d16 w = widened(v);
    for (int i = 0; i < 4; i++) d.q[i] = _mm256_add_pd(d.q[i], w.q[i]);
    return d;
}

static inline d16 d_add_square(d16 d, v16 v)
{
    const d16 w = widened(v);
    for (int i = 0; i < 4; i++) d.q[i] = _mm256_add_pd(d.q[i], _mm256_mul_pd(w.q[i], w.q[i]));
    return d;
}

static inline void d_store(double *p, d16 d)
{
    for (int i = 0; i < 4; i++) _mm256_storeu_pd(p + 4 * i, d.q[i]);
}

#include "model/ops_loops.h"
#include "model/softmax_loops.h"

const wh_ops wh_ops_avx2 = {
    .isa = "avx2",
    .needs = WH_ISA_AVX2,
    .rms_norm = rms_norm,
    .silu_times = silu_times,
    .exponentials = exponentials,
    .largest = largest,
    .exp_sum = exp_sum,
};
