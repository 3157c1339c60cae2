/* src/base/elementary.c - exp, log, powers, sine and cosine in double.
 *
 * Method: reduction to a short interval with constants cut into parts whose products are exact,
 * then the Taylor series; of the logarithm that of artanh. As in Cody and Waite 1980, Software
 * Manual for the Elementary Functions.
 * SPDX-License-Identifier: MIT */
#include "base/elementary.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Where this does not hold float expressions are rounded later, and all results become others. */
#if FLT_EVAL_METHOD != 0
#error "floats are reckoned in a wider type; try: -fexcess-precision=fast, or -msse2 -mfpmath=sse"
#endif

#define LN2_HIGH 0x1.62e42fee00000p-1 /* 32 bits */
#define LN2_LOW 0x1.a39ef35793c76p-33

/* 2^n, -1022 to 1023. */
static double power_of_two(int n)
{
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

double wh_exp(double x)
{
    const double n = floor(x * 0x1.71547652b82fep+0 + 0.5);
    const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double sum = 1.0;
    for (int i = 16; i > 0; i--) sum = 1.0 + r / i * sum;
    return sum * power_of_two((int)n);
}

double wh_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        n++;
    }
    const double s = (m - 1.0) / (m + 1.0), s2 = s * s;
    double sum = 0.0;
    for (int i = 25; i >= 3; i -= 2) sum = (sum + 1.0 / i) * s2;
    return n * LN2_HIGH + (2.0 * s + (2.0 * s * sum + n * LN2_LOW));
}

double wh_pow(double base, double power)
{
    return wh_exp(power * wh_log(base));
}

void wh_sincos(double angle, double *sine, double *cosine)
{
    const double n = floor(angle * 0x1.45f306dc9c883p-1 + 0.5); /* quarter turns */
    const double r = ((angle - n * 0x1.921fb40000000p+0) - n * 0x1.4442d00000000p-24) -
                     n * 0x1.8469880000000p-48 - n * 0x1.8cc51701b839ap-72;
    const double r2 = r * r;
    double s = 1.0, c = 1.0;
    for (int i = 18; i >= 2; i -= 2) {
        s = 1.0 - r2 / (i * (i + 1)) * s;
        c = 1.0 - r2 / (i * (i - 1)) * c;
    }
    s *= r;
    switch ((int)fmod(n, 4.0)) {
    case 0:
        *sine = s;
        *cosine = c;
        break;
    case 1:
        *sine = c;
        *cosine = -s;
        break;
    case 2:
        *sine = -s;
        *cosine = -c;
        break;
    default:
        *sine = -c;
        *cosine = s;
    }
}
