/* tests/oracle.h - the exact optimum of symmetric rounding for one group, by a breakpoint sweep.
 *
 * For t = 1/s from 0 to infinity the code of x changes only at t = (k + 1/2)/|x|; the best scale
 * has the nearest codes, so one of these intervals holds it. Within an interval the best scale is
 * A/B, A = sum x q, B = sum q^2, with the error C - A^2/B. Written apart from src/quant, in double,
 * by full sort: slow and plain.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_ORACLE_H
#define WHIT_ORACLE_H

#include <math.h>
#include <stdlib.h>

typedef struct oracle_event {
    double t;
    size_t i;
} oracle_event;

static int oracle_order(const void *a, const void *b)
{
    double x = ((const oracle_event *)a)->t, y = ((const oracle_event *)b)->t;
    return (x > y) - (x < y);
}

/* Codes -neg .. pos for scale > 0; returns the largest A^2/B over both signs of the scale (or only
 * the positive ones). */
static double oracle_gain(const float *x, size_t n, int neg, int pos, int any_sign)
{
    size_t top = (size_t)(neg > pos ? neg : pos), count;
    oracle_event *ev = malloc(n * top * sizeof *ev);
    int *q = malloc(n * sizeof *q);
    double best = 0;
    for (int sign = 1; sign >= (any_sign ? -1 : 1); sign -= 2) {
        count = 0;
        for (size_t i = 0; i < n; i++) {
            double a = fabs((double)x[i]);
            int limit = (x[i] > 0) == (sign > 0) ? pos : neg;
            q[i] = 0;
            for (int k = 0; k < limit && a > 0; k++)
                ev[count++] = (oracle_event){ (k + 0.5) / a, i };
        }
        qsort(ev, count, sizeof *ev, oracle_order);
        double A = 0, B = 0;
        for (size_t e = 0; e < count; e++) {
            size_t i = ev[e].i;
            A += fabs((double)x[i]);
            B += 2.0 * q[i] + 1.0;
            q[i]++;
            if (A * A > best * B) best = A * A / B;
        }
    }
    free(ev);
    free(q);
    return best;
}

/* The least possible sum of squared errors of the group. */
static double oracle_error(const float *x, size_t n, int bits, int any_sign)
{
    double c = 0;
    for (size_t i = 0; i < n; i++) c += (double)x[i] * (double)x[i];
    int half = 1 << (bits - 1);
    return c - oracle_gain(x, n, half, half - 1, any_sign);
}

#endif
