/* src/quant/nested.c - scales that are quantized in turn (dq), as bitsandbytes does.
 *
 * offset is the mean of all scales of the tensor; a block of 256 scales less offset is divided by
 * its largest magnitude and each takes the nearest of 256 values, a tie the lower one. The values
 * are denser near 0: for i = 0..6, the midpoints of 2^i + 1 points from 0.1 to 1, times 10^(i-6),
 * with both signs; and 0 and 1.
 *
 * Source: bitsandbytes functional.py, create_dynamic_map; Dettmers 2015 (arXiv:1511.04561).
 * SPDX-License-Identifier: MIT */
#include "quant/nested.h"

#include <math.h>

#include <whit/scheme.h>

void wh_nested_map(float map[256])
{
    static const double power[7] = { 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0 };
    size_t n = 0;
    float half[127]; /* the positive midpoints, ascending */
    for (int i = 0; i < 7; i++) {
        int points = 1 << i;
        for (int k = 0; k < points; k++) {
            double a = 0.1 + 0.9 * k / points, b = 0.1 + 0.9 * (k + 1) / points;
            half[n++] = (float)((a + b) / 2.0 * power[i]);
        }
    }
    for (size_t k = 0; k < 127; k++) {
        /* cppcheck-suppress uninitvar ; 1 + 2 + .. + 64 of them are there */
        map[k] = -half[126 - k];
        map[128 + k] = half[k];
    }
    map[127] = 0.0f;
    map[255] = 1.0f;
}

void whit_scheme_scale_map(float map[256])
{
    wh_nested_map(map);
}

static uint8_t nearest(const float map[256], float v)
{
    unsigned lo = 0, hi = 255; /* the answer is in lo..hi */
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (v > (map[mid] + map[mid + 1]) * 0.5f)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (uint8_t)lo;
}

float wh_nested_encode(const float map[256], const float *scale, size_t n, float offset,
                       uint8_t *codes)
{
    float absmax = 0.0f;
    for (size_t i = 0; i < n; i++) absmax = fmaxf(absmax, fabsf(scale[i] - offset));
    for (size_t i = 0; i < n; i++)
        codes[i] = absmax > 0.0f ? nearest(map, (scale[i] - offset) / absmax) : 127;
    return absmax;
}

float wh_nested_decode(const float map[256], uint8_t code, float absmax, float offset)
{
    float product = map[code] * absmax;
    return product + offset;
}
