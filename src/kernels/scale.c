/* src/kernels/scale.c - scales of one octet: whether some are such, and which.
 *
 * MXFP4 has powers of two, NVFP4 products of an E4M3 value with one float32 of the tensor, rounded
 * once. Scales come as float32; held as octets they must give the same float32 again, bit by bit,
 * or they are held as they came.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/weight.h"

#include <math.h>

#include "base/half.h"

#define E4M3_LARGEST 0x7e
#define E4M3_NAN 0x7f
#define E8M0_NAN 0xff
/* Of scale2: 2^8 times as much is finite, and no product with an E4M3 value is subnormal. */
#define LEAST 0x1p-110f
#define MOST 0x1p100f

int wh_scale2_fits(float scale2)
{
    return scale2 >= LEAST && scale2 < MOST;
}

uint8_t wh_scale_octet(wh_scale_type type, float scale2, float scale)
{
    if (type == WH_SCALE_E8M0) return isnan(scale) ? E8M0_NAN : wh_f32_to_e8m0(scale);
    if (isnan(scale)) return E4M3_NAN;
    return wh_minifloat_code(&wh_e4m3, wh_minifloat_round(&wh_e4m3, scale / scale2));
}

static int same(float a, float b)
{
    return wh_f32_bits(a) == wh_f32_bits(b) || (isnan(a) && isnan(b));
}

static int all_powers(const float *scale, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t u = wh_f32_bits(scale[i]);
        const int power = (u & 0x7fffff) == 0 && u > 0 && u < 0x7f800000u;
        if (!power && u != 0x400000 && !isnan(scale[i])) return 0; /* 2^-127 is subnormal */
    }
    return 1;
}

static int all_products(const float *scale, uint64_t n, float scale2)
{
    if (!wh_scale2_fits(scale2)) return 0;
    for (uint64_t i = 0; i < n; i++) {
        if (isinf(scale[i])) return 0;
        const uint8_t octet = wh_scale_octet(WH_SCALE_E4M3, scale2, scale[i]);
        if (!same(wh_e4m3_to_f32(octet) * scale2, scale[i])) return 0;
    }
    return 1;
}

/* The largest scale is some E4M3 value times scale2, rounded: so scale2 is their quotient or beside
 * it. Of those that fit the one with the largest value. */
static int find_scale2(const float *scale, uint64_t n, float *scale2)
{
    float most = 0;
    for (uint64_t i = 0; i < n; i++)
        if (fabsf(scale[i]) > most) most = fabsf(scale[i]); /* not a NaN */
    if (!(most > 0)) {
        *scale2 = 1.0f;
        return all_products(scale, n, 1.0f);
    }
    for (unsigned octet = E4M3_LARGEST; octet > 0; octet--) {
        const float middle = most / wh_e4m3_to_f32((uint8_t)octet);
        const float near[] = { middle, nextafterf(middle, 0.0f), nextafterf(middle, INFINITY) };
        for (int i = 0; i < 3; i++) {
            *scale2 = near[i];
            if (all_products(scale, n, near[i])) return 1;
        }
    }
    return 0;
}

int wh_scales_are(wh_scale_type type, const float *scale, uint64_t n, float *scale2)
{
    *scale2 = 1.0f;
    if (type == WH_SCALE_E8M0) return all_powers(scale, n);
    if (type == WH_SCALE_E4M3) return find_scale2(scale, n, scale2);
    if (type != WH_SCALE_F16) return 1;
    for (uint64_t i = 0; i < n; i++)
        if (wh_f32_bits(wh_f16_to_f32(wh_f32_to_f16(scale[i]))) != wh_f32_bits(scale[i])) return 0;
    return 1;
}
