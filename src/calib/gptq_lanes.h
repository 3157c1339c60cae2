/* src/calib/gptq_lanes.h - what GPTQ does with a column of a slab, all its rows side by side, as a
 * table of variants by instruction set.
 *
 * Each row has a scale of its own, so the lanes are rows; no operation mixes them, and every
 * product and sum is rounded, so variants give the same bits. Columns are [WH_GPTQ_ROWS], `lanes`
 * of which are worked on, a multiple of 16; what is written must not overlap what is read.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_LANES_H
#define WH_CALIB_GPTQ_LANES_H

#include "calib/gptq.h"

typedef struct wh_gptq_lanes {
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    /* x += y[j] * factor[16 j], j = 0 .. n-1 in that order: columns of one panel. */
    void (*chain)(float *x, const float (*y)[WH_GPTQ_ROWS], const float *factor, size_t n,
                  size_t lanes);
    /* Nearest values of v on the grids, and their codes. A step of 0 leaves one value, whatever the
     * code. Ties go to even, in tables to the lower. */
    void (*round)(const wh_gptq_target *t, const wh_gptq_grid *g, const float *v, size_t lanes,
                  float *value, uint8_t *code);
    /* The values of codes; level, unless NULL: what the step is multiplied with. */
    void (*values)(const wh_gptq_target *t, const wh_gptq_grid *g, const uint8_t *code,
                   size_t lanes, float *value, float *level);
    /* e = w - q, and loss += ((v - q) * pivot)^2 in double. */
    void (*miss)(const float *w, const float *q, const float *v, float pivot, size_t lanes,
                 float *e, double *loss);
} wh_gptq_lanes;

extern const wh_gptq_lanes wh_gptq_lanes_scalar;
#ifdef WH_BUILD_X86
extern const wh_gptq_lanes wh_gptq_lanes_avx2, wh_gptq_lanes_avx512;
#endif

/* Every variant of this build, slowest first; the first is the reference. */
const wh_gptq_lanes *const *wh_gptq_lanes_variants(size_t *count);
/* The best one that this process may use. */
const wh_gptq_lanes *wh_gptq_lanes_select(void);

#endif
