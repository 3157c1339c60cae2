/* src/calib/moments.h - what is summed up of each channel, over a block of tokens.
 *
 * Every variant gives the same bits, since sums are of integers.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_MOMENTS_H
#define WH_CALIB_MOMENTS_H

#include <stddef.h>

#include "calib/wide.h"

#define WH_MOMENTS_WIDE 64        /* channels of a block, at most */
#define WH_MOMENTS_TOKENS 256     /* tokens of one, at most: so many integers add up in 64 bits */
#define WH_MOMENTS_LIMIT 0x1p24f  /* magnitudes above it are refused */
#define WH_MOMENTS_SIMPLE 0x1p19f /* below it squares have two parts of 51 bits */

enum { WH_SUM, WH_SUM_ABS, WH_SUM_SQUARE, WH_SUMS };

/* Of a block: value = part[0] * 2^-12 + part[1] * 2^-64, parts in two's complement. They mean
 * nothing where `top` reaches WH_MOMENTS_SIMPLE. */
typedef struct wh_block_moments {
    uint64_t part[WH_SUMS][2][WH_MOMENTS_WIDE];
    float min[WH_MOMENTS_WIDE], max[WH_MOMENTS_WIDE]; /* never -0 */
    uint32_t top; /* bits of the largest magnitude; a NaN counts as more than infinity */
} wh_block_moments;

/* x [tokens][stride], of which `channels` are looked at. */
typedef void wh_moments_fn(const float *x, size_t stride, size_t tokens, size_t channels,
                           wh_block_moments *out);

typedef struct wh_moments_ops {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    wh_moments_fn *block;
} wh_moments_ops;

extern const wh_moments_ops wh_moments_scalar;
#ifdef WH_BUILD_X86
extern const wh_moments_ops wh_moments_avx2, wh_moments_avx512;
#endif

/* Every variant of this build, slowest first; the first is the reference. */
const wh_moments_ops *const *wh_moments_variants(size_t *count);
/* The best one that this process may use. */
const wh_moments_ops *wh_moments_select(void);

/* Sums of all tokens, channel by channel. */
typedef struct wh_moments {
    size_t channels;
    float *min, *max;      /* [channels] */
    wh_wide *sum[WH_SUMS]; /* [channels] each; of squares unsigned */
} wh_moments;

/* Add channels [c0, c0 + n) of x [tokens][channels], tokens at most WH_MOMENTS_TOKENS, n at most
 * WH_MOMENTS_WIDE. Returns the bits of the largest magnitude: nothing was added where that is above
 * WH_MOMENTS_LIMIT. *overflow is set where a sum of squares passes its 128 bits. */
uint32_t wh_moments_add(const wh_moments_ops *ops, wh_moments *m, const float *x, size_t tokens,
                        size_t c0, size_t n, int *overflow);

#endif
