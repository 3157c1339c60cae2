/* src/base/half.c - the 8-bit floats, one value at a time.
 *
 * F16 and BF16 are in half.h, loops over arrays in src/tensor/dtype.c. Layouts: OCP OFP8 (E4M3
 * without infinity, E5M2, E8M0); the FNUZ pair with bias 8 and 16, no infinity, NaN only at 0x80.
 *
 * SPDX-License-Identifier: MIT */
#include "base/half.h"

#include <math.h>

/* Sign, exponent of `ebits`, mantissa of `mbits`, and a bias; specials are the caller's. */
static float small_float(uint8_t b, int mbits, int bias)
{
    int m = b & ((1 << mbits) - 1), e = (b & 0x7f) >> mbits;
    float v = e ? ldexpf((float)(m + (1 << mbits)), e - bias - mbits)
                : ldexpf((float)m, 1 - bias - mbits);
    return b & 0x80 ? -v : v;
}

float wh_e4m3_to_f32(uint8_t b)
{
    return (b & 0x7f) == 0x7f ? NAN : small_float(b, 3, 7);
}

float wh_e5m2_to_f32(uint8_t b)
{
    if ((b & 0x7f) > 0x7c) return NAN;
    if ((b & 0x7f) == 0x7c) return b & 0x80 ? -INFINITY : INFINITY;
    return small_float(b, 2, 15);
}

float wh_e4m3fnuz_to_f32(uint8_t b)
{
    return b == 0x80 ? NAN : small_float(b, 3, 8);
}

float wh_e5m2fnuz_to_f32(uint8_t b)
{
    return b == 0x80 ? NAN : small_float(b, 2, 16);
}

float wh_e8m0_to_f32(uint8_t b)
{
    return b == 0xff ? NAN : ldexpf(1.0f, (int)b - 127);
}

float wh_e8m0_half_to_f32(uint8_t b)
{
    /* 2^-128 and 2^-127 are subnormal */
    return wh_bits_f32(b < 2 ? 0x00200000u << b : (uint32_t)(b - 1) << 23);
}

const wh_minifloat wh_e4m3 = { 3, 7, 0x1p-6f, 448.0f };
const wh_minifloat wh_e5m2 = { 2, 15, 0x1p-14f, 57344.0f };

float wh_minifloat_round(const wh_minifloat *f, float v)
{
    if (v > f->largest) return f->largest;
    if (v < -f->largest) return -f->largest;
    int e = 0;
    frexpf(fmaxf(fabsf(v), f->smallest), &e);
    float step = ldexpf(1.0f, e - 1 - f->mantissa); /* exact power of two: so is the division */
    return rintf(v / step) * step;
}

uint8_t wh_minifloat_code(const wh_minifloat *f, float value)
{
    uint8_t sign = value < 0.0f ? 0x80 : 0;
    float a = fabsf(value);
    int e = 0;
    if (a < f->smallest) /* whole steps of the subnormal range */
        return (uint8_t)(sign | (int)ldexpf(a, f->bias - 1 + f->mantissa));
    float m = frexpf(a, &e); /* a = 2m * 2^(e-1), 2m in [1, 2) */
    int fraction = (int)ldexpf(m, f->mantissa + 1) - (1 << f->mantissa);
    return (uint8_t)(sign | (e - 1 + f->bias) << f->mantissa | fraction);
}

uint8_t wh_f32_to_e8m0(float f)
{
    int e = 0;
    frexpf(f, &e);
    return (uint8_t)(e - 1 + 127);
}
