/* src/quant/ladder.h - the scales that a search tries for symmetric integers, tables and small
 * floats, as rungs factor * (x' / divisor), where x' is the element of largest magnitude.
 *
 * Rungs are numbered in the order in which they count (range.h). Their numbers are kept in another
 * one, the likeliest first, filled up to whole sixteens: that is what a survey reads (search.c).
 * Place 0 is left free there, for minmax.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_LADDER_H
#define WH_QUANT_LADDER_H

#include <whit/scheme.h>
#include "quant/encode.h"

#define WH_MAX_RUNGS 288 /* 8 bits: 2 * 127 and the shrinks */

typedef struct wh_ladder {
    size_t count;  /* rungs; 0: there is no ladder */
    size_t exact;  /* the first so many have neighbours too where scales are F32 */
    size_t places; /* that a survey reads: what is beyond ties with one of them at best.
                      0: there is no survey */
    float divisor[WH_MAX_RUNGS], factor[WH_MAX_RUNGS]; /* by place */
    uint16_t place[WH_MAX_RUNGS];                      /* of a rung */
    uint16_t rung[WH_MAX_RUNGS];                       /* of a place */
    float lo[WH_LANES], hi[WH_LANES];                  /* ends of the grid */
    wh_bins bins;
    float least; /* magnitude for which `places` holds */
    float slack; /* of a survey, in roundings (search.c) */
} wh_ladder;

/* The integers lo..hi, with a survey. */
void wh_ladder_steps(wh_ladder *l, const whit_scheme *scheme, float lo, float hi, int any_sign);
/* The values of a table, with a survey where its bins allow one. */
void wh_ladder_table(wh_ladder *l, const whit_scheme *scheme, const wh_codebook *book);
/* Those of a small float, without. */
void wh_ladder_minifloat(wh_ladder *l, const wh_minifloat *m);

#endif
