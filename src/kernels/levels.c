/* src/kernels/levels.c - the entries of a table as integers, for products with int8 activations.
 *
 * Of a table whose entries are integers up to 127, or their halves, these are exact: E2M1 (FP4,
 * MXFP4, NVFP4) is 0..24 in halves about 12, of which several products fit 16 bits, the table of
 * IQ4_NL 1..241 about 128, octets like those of 8-bit codes. Any other has its entries within [-1,
 * 1] (the largest is 1: scales are of the largest magnitude) and is rounded to steps of 1/8191
 * about 8191: an error of at most 1/16382 = 6.1e-5, a hundredth of what the int8 activations cost.
 * Both parts of 128 * high + low fit seven bits, so that two of their products with an octet add up
 * in 16 bits. Method: kernels.md 8.1.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/kernels.h"

#include <math.h>

#define SMALL 31 /* of a single digit: four pairs of products with an octet fit 16 bits */
#define STEPS 8191

/* Whether unit * n is each entry for an integer n; the largest |n|. */
static int whole(const float table[16], double unit, double *most)
{
    *most = 0;
    for (int i = 0; i < 16; i++) {
        const double n = (double)table[i] / unit; /* a power of two: exact */
        if (n != nearbyint(n)) return 0;
        *most = fmax(*most, fabs(n));
    }
    return *most <= 127;
}

void wh_weight_levels(whit_weight *w)
{
    double most = 0, unit = 1;
    if (!whole(w->table, unit, &most) && !whole(w->table, unit = 0.5, &most)) {
        most = STEPS;
        unit = 1.0 / STEPS;
    }
    w->octets = most != STEPS && 2 * most > SMALL;
    w->centre = w->octets ? 128 : (int)most;
    w->unit = (float)unit;
    w->digits = most == STEPS ? 2 : 1;
    for (int i = 0; i < 16; i++) {
        const double n = most == STEPS ? (double)w->table[i] * STEPS : (double)w->table[i] / unit;
        const unsigned u = (unsigned)((int)nearbyint(n) + w->centre);
        w->high[i] = (uint8_t)(w->digits == 2 ? u >> 7 : 0);
        w->low[i] = (uint8_t)(w->digits == 2 ? u & 127 : u);
    }
}
