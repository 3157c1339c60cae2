/* src/kernels/probe_scalar.c - the probes in plain C. What the compiler's baseline makes of them is
 * what plain C can do here.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/probe.h"

#include <math.h>

#include "base/bytes.h"

uint64_t wh_probe_read_scalar(const void *data, size_t bytes)
{
    const uint64_t *p = data;
    const size_t slice = bytes / sizeof *p / 4;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i < slice; i++) {
        a ^= p[i];
        b ^= p[slice + i];
        c ^= p[2 * slice + i];
        d ^= p[3 * slice + i];
    }
    return a + b + c + d;
}

uint64_t wh_probe_fma_scalar(size_t rounds)
{
    volatile float seed = 0.5f; /* unknown to the compiler */
    const float x = seed;
    float sum[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < 8; j++) sum[j] = fmaf(sum[j], x, 1.0f);
    uint64_t digest = 0;
    for (size_t j = 0; j < 8; j++) digest += wh_f32_bits(sum[j]);
    return digest;
}

uint64_t wh_probe_int8_scalar(size_t rounds)
{
    volatile int8_t seed = 3;
    int8_t x = seed;
    uint32_t sum[8] = { 0 };
    for (size_t i = 0; i < rounds; i++) {
        for (size_t j = 0; j < 8; j++) sum[j] += (uint32_t)((int)(uint8_t)(i + j) * x);
        x = (int8_t)(x ^ 1);
    }
    uint64_t digest = 0;
    for (size_t j = 0; j < 8; j++) digest += sum[j];
    return digest;
}
