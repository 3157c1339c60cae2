/* src/model/softmax_loops.h - the largest of a row of logits and sums of exponentials, in double,
 * for ops_<isa>.c.
 *
 * Plain loops, written so that the compiler can take as many values at once as the instruction set
 * of the file that includes them has: sums go to 16 lanes by index, which are then added as a tree
 * (8+8, 4+4, 2+2, 1+1); e^x by additions and multiplications alone. So every variant gives the same
 * bits. Not for any other file: it defines functions, and they belong to one instruction set.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_SOFTMAX_LOOPS_H
#define WH_MODEL_SOFTMAX_LOOPS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXP_BLOCK 256 /* values at once, a multiple of LANES */

/* e^x for x from WH_EXP_LEAST to 0. x = n ln 2 + r, then the Taylor series to r^13 / 13!, which is
 * below half a unit in the last place. As wh_exp (base/elementary.h), but without a branch or a
 * division. */
static inline double near_exp(double x)
{
    const double shift = 0x1.8p52; /* a sum with it is rounded to whole numbers */
    const double moved = x * 0x1.71547652b82fep+0 + shift, n = moved - shift;
    const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33; /* ln 2 in two */
    double p = 1.0 / 6227020800.0, power;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits; /* of moved: n in the lowest ones */
    memcpy(&bits, &moved, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* e^(x - most) of up to a block of values. Two loops: with the limit inside, gcc splits the path
 * and no longer takes several values at once. */
static void powers(const float *x, size_t n, double most, double *e)
{
    for (size_t i = 0; i < n; i++) {
        const double below = (double)x[i] - most;
        e[i] = below < WH_EXP_LEAST ? WH_EXP_LEAST : below;
    }
    for (size_t i = 0; i < n; i++) e[i] = near_exp(e[i]);
}

static void add_lanes(double lane[LANES], const double *v, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += v[i + l];
    for (size_t l = 0; i + l < n; l++) lane[l] += v[i + l];
}

static double tree(double s[LANES])
{
    for (size_t step = LANES / 2; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++) s[i] += s[i + step];
    return s[0];
}

/* The largest logit; NaN where one is not finite. */
static double largest(const float *x, size_t n)
{
    float most[LANES], odd[LANES] = { 0 };
    for (size_t l = 0; l < LANES; l++) most[l] = x[l < n ? l : 0];
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
            odd[l] += x[i + l] - x[i + l];
        }
    for (size_t l = 0; i + l < n; l++) {
        most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
        odd[l] += x[i + l] - x[i + l];
    }
    for (size_t l = 1; l < LANES; l++) {
        most[0] = most[l] > most[0] ? most[l] : most[0];
        odd[0] += odd[l];
    }
    return isnan(odd[0]) ? NAN : (double)most[0];
}

/* sum e^(x - most); with `other` also *apart = sum e^(x - most) (x - other) */
static double exp_sum(const float *x, size_t n, double most, const float *other, double *apart)
{
    double sum[LANES] = { 0 }, far[LANES] = { 0 }, e[EXP_BLOCK];
    for (size_t at = 0; at < n; at += EXP_BLOCK) {
        const size_t count = n - at < EXP_BLOCK ? n - at : EXP_BLOCK;
        powers(x + at, count, most, e);
        add_lanes(sum, e, count);
        if (!other) continue;
        for (size_t i = 0; i < count; i++) e[i] *= (double)x[at + i] - (double)other[at + i];
        add_lanes(far, e, count);
    }
    if (other) *apart = tree(far);
    return tree(sum);
}

#endif
