/* src/calib/wide.h - sums that are exact: 128-bit fixed point of unit 2^-64, in two's complement.
 *
 * A double is rounded to the unit once, to nearest with ties to even, before it is added; sums of
 * integers do not depend on order. SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_WIDE_H
#define WH_CALIB_WIDE_H

#include <stdint.h>

typedef struct wh_wide {
    uint64_t lo, hi;
} wh_wide;

/* a + b; returns the carry out of the top, which says that an unsigned sum overflowed. */
static inline int wh_wide_add(wh_wide *a, wh_wide b)
{
    const uint64_t lo = a->lo + b.lo, carry = lo < b.lo, hi = a->hi + b.hi;
    const int out = hi < b.hi || hi + carry < hi;
    a->lo = lo;
    a->hi = hi + carry;
    return out;
}

static inline wh_wide wh_wide_negate(wh_wide a)
{
    wh_wide r = { ~a.lo + 1, ~a.hi };
    r.hi += a.lo == 0;
    return r;
}

/* v * 2^shift, v signed, shift 0 to 63. */
static inline wh_wide wh_wide_shift(int64_t v, unsigned shift)
{
    const uint64_t u = (uint64_t)v, sign = v < 0 ? UINT64_MAX : 0;
    return (wh_wide){ u << shift, shift ? sign << shift | u >> (64 - shift) : sign };
}

/* wide.c: an unsigned sum n times; *overflow is set where that passes 128 bits. */
wh_wide wh_wide_times(wh_wide a, uint64_t n, int *overflow);
/* v rounded to the unit; |v| < 2^63. */
wh_wide wh_wide_of(double v);
/* To the nearest double, as a signed number and as an unsigned one. */
double wh_wide_signed(wh_wide a);
double wh_wide_unsigned(wh_wide a);

#endif
