/* src/calib/moments.c - blocks of tokens into the sums of channels, and which loops do it.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/moments.h"

#include <math.h>

#include "base/bytes.h"
#include "base/cpu.h"

/* Slowest first; [0] is the reference and always there. */
static const wh_moments_ops *const variants[] = {
    &wh_moments_scalar,
#ifdef WH_BUILD_X86
    &wh_moments_avx2,
    &wh_moments_avx512,
#endif
};

WH_ISA_TABLE(wh_moments_ops, wh_moments)

/* Large values one by one. */
static void add_large(wh_moments *m, const float *x, size_t tokens, size_t c, int *overflow)
{
    for (size_t t = 0; t < tokens; t++) {
        const double v = (double)x[t * m->channels + c];
        wh_wide_add(&m->sum[WH_SUM][c], wh_wide_of(v));
        wh_wide_add(&m->sum[WH_SUM_ABS][c], wh_wide_of(fabs(v)));
        *overflow |= wh_wide_add(&m->sum[WH_SUM_SQUARE][c], wh_wide_of(v * v));
    }
}

static void add_block(wh_moments *m, const wh_block_moments *b, size_t c, size_t i, int *overflow)
{
    for (size_t s = 0; s < WH_SUMS; s++) {
        wh_wide sum = wh_wide_shift((int64_t)b->part[s][0][i], 52);
        wh_wide_add(&sum, wh_wide_shift((int64_t)b->part[s][1][i], 0));
        const int carry = wh_wide_add(&m->sum[s][c], sum);
        if (s == WH_SUM_SQUARE) *overflow |= carry;
    }
}

uint32_t wh_moments_add(const wh_moments_ops *ops, wh_moments *m, const float *x, size_t tokens,
                        size_t c0, size_t n, int *overflow)
{
    wh_block_moments b;
    ops->block(x + c0, m->channels, tokens, n, &b);
    if (b.top > wh_f32_bits(WH_MOMENTS_LIMIT)) return b.top;
    for (size_t i = 0; i < n; i++) {
        const size_t c = c0 + i;
        if (b.min[i] < m->min[c]) m->min[c] = b.min[i];
        if (b.max[i] > m->max[c]) m->max[c] = b.max[i];
        if (b.top < wh_f32_bits(WH_MOMENTS_SIMPLE))
            add_block(m, &b, c, i, overflow);
        else
            add_large(m, x, tokens, c, overflow);
    }
    return b.top;
}
