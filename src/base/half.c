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
