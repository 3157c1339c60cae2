/* tests/blocks.h - weights and importances that are hard on block encoders.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TEST_BLOCKS_H
#define WHIT_TEST_BLOCKS_H

#include <math.h>

#include "check.h"

enum {
    NORMAL,
    POSITIVE,
    NEGATIVE,
    SPARSE,
    CONSTANT,
    OUTLIERS,
    TINY,
    ZEROS,
    GRID,
    SMALL,
    LARGE,
    FAR,
    CUBES,
    PARTS,
    FILLS
};

static const char *const fill_names[FILLS] = {
    "normal", "positive", "negative", "sparse", "constant",      "outliers",   "below 1e-17",
    "zeros",  "a grid",   "small",    "large",  "far from zero", "long tails", "parts small"
};

static inline float fill_weight(check_rng *r, int how, size_t i)
{
    const float g = check_normal(r);
    switch (how) {
    case POSITIVE:
        return fabsf(g);
    case NEGATIVE:
        return -fabsf(g);
    case SPARSE:
        return check_below(r, 10) ? 0.0f : g;
    case CONSTANT:
        return 0.37f;
    case OUTLIERS:
        return check_below(r, 100) ? g * 0.01f : g * 30.0f;
    case TINY:
        return g * 1e-18f;
    case ZEROS:
        return check_below(r, 2) ? 0.0f : -0.0f;
    case GRID:
        return (float)((int)check_below(r, 15) - 7) * 0.25f;
    case SMALL:
        return g * 1e-6f;
    case LARGE:
        return g * 1e4f;
    case FAR:
        return -0.5f - 0.01f * g;
    case CUBES:
        return g * g * g;
    case PARTS:
        return i / 32 % 2 ? g : g * 1e-5f;
    default:
        return g;
    }
}

enum { NONE, RANDOM, THIRDS, STEEP, MOSTLY_ZERO, IMPORTANCES };

static const char *const importance_names[IMPORTANCES] = { "none", "random", "a third zero",
                                                           "0, 1 or 1e6", "mostly zero" };

static inline float fill_importance(check_rng *r, int how)
{
    static const float steep[] = { 0, 1, 1e6f };
    const float g = fabsf(check_normal(r));
    switch (how) {
    case THIRDS:
        return check_below(r, 3) ? g : 0.0f;
    case STEEP:
        return steep[check_below(r, 3)];
    case MOSTLY_ZERO:
        return check_below(r, 8) ? 0.0f : g;
    default:
        return g;
    }
}

/* What golden sums are taken over: for each kind of weights two rows. */
enum { SUM_ROWS = 2, SUM_COLS = 512 };

static inline void fill_rows(check_rng *r, int how, int importance, float *x, float *w)
{
    for (size_t i = 0; i < SUM_ROWS * SUM_COLS; i++) x[i] = fill_weight(r, how, i);
    for (size_t i = 0; i < SUM_COLS; i++) w[i] = fill_importance(r, importance);
}

static inline uint64_t sum_octets(uint64_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

#endif
