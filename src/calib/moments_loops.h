/* src/calib/moments_loops.h - the loop over a block of tokens and channels, for moments_<isa>.c.
 *
 * A value v becomes two integers. Adding 1.5 * 2^40 rounds it to multiples of 2^-12, which are then
 * the low bits of the sum; what that leaves, at most 2^-13, goes the same way to multiples of 2^-64
 * (the first part is an even number of these, so ties go where they would). The bits are added as
 * integers, each sum's constant is taken away once at the end.
 *
 * Plain loops over channels: the flags of the file make them instructions of its set. Not for any
 * other file: it defines functions. SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_MOMENTS_LOOPS_H
#define WH_CALIB_MOMENTS_LOOPS_H

#include <math.h>
#include <string.h>

#include "calib/moments.h"

#define COARSE 0x1.8p40
#define FINE 0x1.8p-12

static inline uint64_t double_bits(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static inline uint32_t float_bits(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static inline void add_parts(double v, uint64_t *coarse, uint64_t *fine)
{
    const double moved = v + COARSE;
    *coarse += double_bits(moved);
    *fine += double_bits(v - (moved - COARSE) + FINE);
}

/* One token; n is known to the compiler where it is WH_MOMENTS_WIDE. */
static inline void add_token(const float *x, size_t n, wh_block_moments *out, uint32_t *top)
{
    for (size_t c = 0; c < n; c++) {
        const uint32_t bits = float_bits(x[c]) & 0x7fffffffu;
        top[c] = bits > top[c] ? bits : top[c];
    }
    for (size_t c = 0; c < n; c++) {
        const float v = x[c] + 0.0f; /* -0 becomes 0 */
        out->min[c] = v < out->min[c] ? v : out->min[c];
        out->max[c] = v > out->max[c] ? v : out->max[c];
    }
    for (size_t c = 0; c < n; c++) {
        const double v = (double)x[c];
        add_parts(v, &out->part[WH_SUM][0][c], &out->part[WH_SUM][1][c]);
        add_parts(fabs(v), &out->part[WH_SUM_ABS][0][c], &out->part[WH_SUM_ABS][1][c]);
        add_parts(v * v, &out->part[WH_SUM_SQUARE][0][c], &out->part[WH_SUM_SQUARE][1][c]);
    }
}

static void moments_block(const float *x, size_t stride, size_t tokens, size_t channels,
                          wh_block_moments *out)
{
    uint32_t top[WH_MOMENTS_WIDE] = { 0 };
    memset(out->part, 0, sizeof out->part);
    for (size_t c = 0; c < WH_MOMENTS_WIDE; c++) {
        out->min[c] = INFINITY;
        out->max[c] = -INFINITY;
    }
    for (size_t t = 0; t < tokens; t++) {
        if (channels == WH_MOMENTS_WIDE)
            add_token(x + t * stride, WH_MOMENTS_WIDE, out, top);
        else
            add_token(x + t * stride, channels, out, top);
    }
    out->top = 0;
    for (size_t c = 0; c < channels; c++) {
        out->top = top[c] > out->top ? top[c] : out->top;
        for (size_t s = 0; s < WH_SUMS; s++) {
            out->part[s][0][c] -= tokens * double_bits(COARSE);
            out->part[s][1][c] -= tokens * double_bits(FINE);
        }
    }
}

#endif
