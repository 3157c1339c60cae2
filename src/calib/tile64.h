/* src/calib/tile64.h - tiles of products in double, as a table of variants by instruction set.
 *
 * What the factorisation and the triangular solves spend their time in: sixteen values at a time
 * meet a strip of a few numbers, and each of the outputs is one chain of fused multiply-adds,
 *
 *   sums[j][lane] = fma(-value[k][lane], x[k][j], sums[j][lane]),   k = 0 .. n-1
 *
 * so variants, widths of strips and cuts of k all give the same bits. Lanes are never summed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_TILE64_H
#define WH_CALIB_TILE64_H

#include <stddef.h>
#include <stdint.h>

#define WH_LANES64 16
#define WH_STRIP64 12 /* the widest strip; what a variant takes divides it */

typedef struct wh_tile64_args {
    const double *value; /* [n][16], 64-byte aligned */
    const double *x;     /* [n][tokens] */
    size_t tokens;       /* 1 .. the variant's */
    size_t n;
    double *sums; /* [tokens][stride], sixteen of each; any alignment */
    size_t stride;
} wh_tile64_args;

typedef void wh_tile64_fn(const wh_tile64_args *a);

/*
 * Sixteen columns of a triangular solve, for many rows side by side: from the last of `cols`
 * columns back
 *
 *   x[k] = x[k] / pivot[k];   x[l] = x[l] - x[k] * tri[k][l],   l < k
 *
 * with every product and difference rounded.
 */
#define WH_SOLVE64 48 /* rows: a multiple of WH_STRIP64 and of 16 */
typedef void wh_solve64_fn(double x[WH_LANES64][WH_SOLVE64], double tri[WH_LANES64][WH_LANES64],
                           const double pivot[WH_LANES64], size_t cols);

typedef struct wh_tile64 {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    unsigned tokens;
    wh_tile64_fn *run;
    wh_solve64_fn *solve;
} wh_tile64;

wh_solve64_fn wh_solve64_scalar, wh_solve64_avx2, wh_solve64_avx512;
wh_tile64_fn wh_tile64_scalar, wh_tile64_avx2, wh_tile64_avx512, wh_tile64_neon;

/* Every variant of this build, slowest first; the first is the reference. */
const wh_tile64 *wh_tile64_variants(size_t *count);

/* The best variant that this process may use; the caller has checked WHIT_ISA. */
const wh_tile64 *wh_tile64_select(void);

#endif
