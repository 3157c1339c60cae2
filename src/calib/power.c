/* src/calib/power.c - powers: 2^k m, the series of atanh for ln m, that of exp.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/power.h"

#include <math.h>

static const double ln2 = 0x1.62e42fefa39efp-1;

/* ln x of x in [sqrt(1/2), sqrt(2)): 2 atanh s, |s| < 0.172. */
static double ln_near_one(double x)
{
    const double s = (x - 1) / (x + 1), s2 = s * s;
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
    return 2 * s * sum;
}

double wh_power(double x, double p)
{
    int e;
    if (p == 0) return 1;
    if (!(x > 0)) return 0;
    double m = frexp(x, &e);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        e--;
    }
    const double y = p * ln_near_one(m) + p * e * ln2, k = rint(y / ln2), r = y - k * ln2;
    double sum = 1;
    for (int i = 17; i >= 1; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}
