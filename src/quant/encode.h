/* src/quant/encode.h - the loops of the quantizers, as a table of variants by instruction set.
 *
 * A variant supplies the few loops that touch every weight; which scale to try, and when to stop,
 * is decided once for all of them in range.c. Every variant gives the scalar one's bits: sums of
 * squares are taken in blocks of 64 elements, in 16 float32 lanes (element i in lane i mod 16), the
 * lanes added as a tree (8+8, 4+4, 2+2, 1+1), the blocks added in order in double.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_ENCODE_H
#define WH_QUANT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include <whit/tensor.h>
#include "quant/codebook.h"

#define WH_LANES 16
#define WH_BLOCK 64

typedef struct wh_range {
    float min, max; /* of the elements, never -0; both 0 for an empty range */
    int finite;     /* 0: a NaN or an infinity is among them, min and max mean nothing */
} wh_range;

/* A grid with its scale, one of three: a table (book not NULL), a small float (minifloat not NULL),
 * or integers t = lo..hi with code u = t + offset. A value is scale * entry. */
typedef struct wh_grid {
    float scale; /* not 0, finite */
    float lo, hi;
    int offset;
    const wh_codebook *book;
    const wh_minifloat *minifloat;
} wh_grid;

/* For finding the nearest of a table's values fast: the axis is cut into WH_BINS parts of the same
 * width, number i (from -16) around i / inverse_width, the outer two endless. In none are there
 * more than two values that are the nearest of anything; they are kept with their signs turned, at
 * index i mod WH_BINS. */
#define WH_BINS 32
typedef struct wh_bins {
    float inverse_width;
    float minus_low[WH_BINS], minus_high[WH_BINS];
} wh_bins;

/* Sixteen scales of one kind of grid, for a survey. */
typedef struct wh_rungs {
    const float *stored;  /* [WH_LANES], 0: no such scale */
    float k;              /* what they are multiplied with */
    float x;              /* the element of largest magnitude */
    const float *lo, *hi; /* [WH_LANES]: ends of the grids */
    const wh_bins *bins;  /* NULL: integers */
    const float *weight;  /* of each element; NULL: 1 */
} wh_rungs;

typedef struct wh_encode_ops {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    void (*range)(const float *x, size_t n, wh_range *out);
    /* y = x * k; returns the sum of y^2. */
    double (*normalise)(const float *x, size_t n, float k, float *y);
    /* Sum of (y - grid(y))^2; limit, once it reaches that. */
    double (*error)(const float *y, size_t n, const wh_grid *g, double limit);
    /* The codes; returns the sum above, raises *max_abs to the largest |y - grid(y)|. */
    double (*encode)(const float *y, size_t n, const wh_grid *g, uint8_t *codes, float *max_abs);
    /* normalise and encode in one pass, without y; *squares is what normalise returns. */
    double (*encode_scaled)(const float *x, size_t n, float k, const wh_grid *g, uint8_t *codes,
                            float *max_abs, double *squares);
    /* a = sum y*v, b = sum v^2 over the grid's entries v: scale a/b fits best. Returns the error.
     */
    double (*fit)(const float *y, size_t n, const wh_grid *g, double *a, double *b);
    /* out = factor * (x / divisor) rounded to the type (F32, F16 or BF16); 0 where that is not
     * finite, or below 0 without any_sign. out[0] = first. n is a multiple of 16. */
    void (*scales)(const float *divisor, const float *factor, size_t n, float x, whit_dtype type,
                   int any_sign, float first, float *out);
    /* out = x / divisor rounded in the same way, for WH_LANES of them; what passes the type is
     * infinite. */
    void (*quotients)(const float *x, float divisor, whit_dtype type, float *out);
    /* Roughly the errors of sixteen scales at once; returns the least. Infinite where there is no
     * scale, or, without weights, where x alone is further off its grid than limit. Once all have
     * passed limit they may be partial sums. How rough is said in search.c; the only answer in
     * which the bits of variants differ. */
    float (*survey)(const float *y, size_t n, const wh_rungs *r, float limit, float *rough);
    /* error and fit with a weight for each element: sums of w d^2, w y v and w v^2. */
    double (*weighted)(const float *y, const float *weight, size_t n, const wh_grid *g,
                       double limit);
    double (*weighted_fit)(const float *y, const float *weight, size_t n, const wh_grid *g,
                           double *a, double *b);
} wh_encode_ops;

extern const wh_encode_ops wh_encode_scalar;
#ifdef WH_BUILD_X86
extern const wh_encode_ops wh_encode_avx2, wh_encode_avx512;
#endif
#ifdef WH_BUILD_ARM64
extern const wh_encode_ops wh_encode_neon;
#endif

/* Every variant of this build, slowest first; the first is the reference. */
const wh_encode_ops *const *wh_encode_variants(size_t *count);

/* The best variant that this process may use; the caller has checked WHIT_ISA. */
const wh_encode_ops *wh_encode_select(void);

#endif
