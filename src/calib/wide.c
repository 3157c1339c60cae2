/* src/calib/wide.c - 128-bit fixed point of unit 2^-64 from doubles, and to the nearest double.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/wide.h"

#include <math.h>

#define UNIT_BITS 64

wh_wide wh_wide_of(double v)
{
    int exponent;
    const double mantissa = frexp(fabs(v), &exponent); /* [0.5, 1) */
    uint64_t m = (uint64_t)ldexp(mantissa, 53);
    const int shift = exponent - 53 + UNIT_BITS;
    wh_wide r = { 0, 0 };
    if (shift >= 64) {
        r.hi = m << (shift - 64);
    } else if (shift > 0) {
        r.lo = m << shift;
        r.hi = m >> (64 - shift);
    } else if (shift > -55) { /* below that less than half a unit */
        const unsigned down = (unsigned)-shift;
        const uint64_t rest = down ? m & (((uint64_t)1 << down) - 1) : 0;
        const uint64_t half = down ? (uint64_t)1 << (down - 1) : 1;
        r.lo = m >> down;
        r.lo += rest > half || (rest == half && down && (r.lo & 1));
    }
    return v < 0 ? wh_wide_negate(r) : r;
}

/* The 64 bits from the highest one on, the last of them set if anything behind it was: that rounds
 * to the same double. */
double wh_wide_unsigned(wh_wide a)
{
    unsigned shift = 0;
    if (a.hi == 0 && a.lo == 0) return 0;
    if (a.hi == 0) return ldexp((double)a.lo, -UNIT_BITS);
    while (!(a.hi >> 63)) {
        a.hi = a.hi << 1 | a.lo >> 63;
        a.lo <<= 1;
        shift++;
    }
    return ldexp((double)(a.hi | (a.lo != 0)), -(int)shift);
}

double wh_wide_signed(wh_wide a)
{
    return a.hi >> 63 ? -wh_wide_unsigned(wh_wide_negate(a)) : wh_wide_unsigned(a);
}

/* The product of two halves: exact, in two words. */
static wh_wide product(uint64_t a, uint64_t b)
{
    const uint64_t mask = UINT32_MAX, al = a & mask, ah = a >> 32, bl = b & mask, bh = b >> 32;
    const uint64_t low = al * bl, one = ah * bl + (low >> 32), two = al * bh + (one & mask);
    return (wh_wide){ two << 32 | (low & mask), ah * bh + (one >> 32) + (two >> 32) };
}

wh_wide wh_wide_times(wh_wide a, uint64_t n, int *overflow)
{
    const wh_wide high = product(a.hi, n);
    wh_wide r = product(a.lo, n);
    *overflow |= high.hi != 0 || wh_wide_add(&r, (wh_wide){ 0, high.lo });
    return r;
}
