/* src/model/ops_avx512.c - norm, gate and exponentials in AVX-512.
 *
 * The loops are in ops_loops.h.
 * SPDX-License-Identifier: MIT */
#include "model/ops.h"

#if !defined(__AVX512F__) || !defined(__AVX512DQ__)
#error "this file needs -mavx512f -mavx512dq"
#endif

#include <immintrin.h>

#include "base/cpu.h"

typedef __m512 v16;
typedef struct d16 {
    __m512d a, b;
} d16;

static inline v16 v_set(float f)
{
    return _mm512_set1_ps(f);
}

static inline v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v_store(float *p, v16 v)
{
    _mm512_storeu_ps(p, v);
}

static inline v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}

static inline v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}

static inline v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}

static inline v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}

static inline v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}

static inline v16 v_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}

static inline v16 v_power(v16 v)
{
    const __m512i moved = _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(moved, 23));
}

static inline d16 d_zero(void)
{
    return (d16){ _mm512_setzero_pd(), _mm512_setzero_pd() };
}

static inline d16 widened(v16 v)
{
    return (d16){ _mm512_cvtps_pd(_mm512_castps512_ps256(v)),
                  _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)) };
}

static inline d16 d_add(d16 d, v16 v)
{
    const d16 w = widened(v);
    return (d16){ _mm512_add_pd(d.a, w.a), _mm512_add_pd(d.b, w.b) };
}

static inline d16 d_add_square(d16 d, v16 v)
{
    const d16 w = widened(v);
    return (d16){ _mm512_add_pd(d.a, _mm512_mul_pd(w.a, w.a)),
                  _mm512_add_pd(d.b, _mm512_mul_pd(w.b, w.b)) };
}

static inline void d_store(double *p, d16 d)
{
    _mm512_storeu_pd(p, d.a);
    _mm512_storeu_pd(p + 8, d.b);
}

#include "model/ops_loops.h"
#include "model/softmax_loops.h"

const wh_ops wh_ops_avx512 = {
    .isa = "avx512",
    .needs = WH_ISA_AVX512,
    .rms_norm = rms_norm,
    .silu_times = silu_times,
    .exponentials = exponentials,
    .largest = largest,
    .exp_sum = exp_sum,
};
