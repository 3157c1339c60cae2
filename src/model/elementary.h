/* src/model/elementary.h - exp, log, powers, sine and cosine that are the same everywhere.
 *
 * The C library's differ from system to system, and on one system from CPU to CPU, in the last bit;
 * a model's numbers and the octets of a file must not. These use additions, multiplications and
 * divisions only, each rounded as IEEE 754 says.
 *
 * Accuracy, tested against the C library: wh_expf 2 units in the last place of float32; the double
 * ones a few of double's.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_ELEMENTARY_H
#define WH_MODEL_ELEMENTARY_H

#include "base/bytes.h"

/* e^x, from -87 to 88; what is outside counts as the end. NaN stays NaN. Inline and without
 * branches, so that loops over it become vectors. */
static inline float wh_expf(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: a sum with it is rounded to a whole number */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float moved = x * 0x1.715476p+0f + shift, n = moved - shift;
    const float r = (x - n * 0x1.62c0p-1f) - n * 0x1.217f7ep-12f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * wh_bits_f32((wh_f32_bits(moved) + 127u) << 23); /* n is in the low bits of moved */
}

double wh_exp(double x);                  /* -700 to 700 */
double wh_log(double x);                  /* positive, finite, no subnormal */
double wh_pow(double base, double power); /* base as of wh_log; |power * log base| up to 700 */
/* Of an angle from 0 to 2^29. */
void wh_sincos(double angle, double *sine, double *cosine);

#endif
