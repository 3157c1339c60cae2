/* src/calib/compare.c - how alike two calibration states are, input by input.
 *
 * Source of the rank correlation: Spearman 1904, The proof and measurement of association between
 * two things; with ties as Pearson's correlation of mean ranks.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/state.h"

typedef struct ranked {
    double value, rank;
    size_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Ranks of the channels by mean square, equal ones their mean, into rank[channel]. */
static void rank_channels(const wh_calib_input *in, ranked *list, double *rank)
{
    const size_t n = in->moments.channels;
    for (size_t c = 0; c < n; c++) list[c] = (ranked){ wh_calib_mean(in, WH_SUM_SQUARE, c), 0, c };
    qsort(list, n, sizeof *list, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && list[end].value == list[i].value;) end++;
        for (size_t k = i; k < end; k++) rank[list[k].at] = ((double)i + (double)end - 1) / 2;
    }
}

static double correlation(const double *x, const double *y, size_t n)
{
    const double mean = ((double)n - 1) / 2; /* of ranks, in any case */
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static double share_outside(const wh_moments *a, const wh_moments *b)
{
    size_t out = 0;
    for (size_t c = 0; c < a->channels; c++) {
        const double half = ((double)a->max[c] - (double)a->min[c]) / 2;
        out += (double)b->max[c] > (double)a->max[c] + half ||
               (double)b->min[c] < (double)a->min[c] - half;
    }
    return (double)out / (double)a->channels;
}

static double largest(const wh_calib_input *in)
{
    return fmax(fabs((double)in->told.min), fabs((double)in->told.max));
}

static whit_status compare_input(const wh_calib_input *a, const wh_calib_input *b,
                                 whit_calib_difference *out, whit_error *err)
{
    char name[WH_SHORT];
    const size_t n = a->moments.channels;
    if (n != b->moments.channels)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %zu columns in one state, %zu in the other; try: states of one model",
                       wh_short(name, a->name), n, b->moments.channels);
    ranked *list = wh_calloc(n, sizeof *list);
    double *rank = wh_calloc(n, 2 * sizeof *rank);
    if (list && rank) {
        rank_channels(a, list, rank);
        rank_channels(b, list, rank + n);
        *out = (whit_calib_difference){ .name = a->name,
                                        .cols = n,
                                        .rank = correlation(rank, rank + n, n),
                                        .range = largest(b) / largest(a),
                                        .outside = share_outside(&a->moments, &b->moments) };
    }
    const whit_status st =
        list && rank ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu ranks", n);
    free(list);
    free(rank);
    return st;
}

whit_status whit_calib_compare(const whit_calib *a, const whit_calib *b,
                               whit_calib_difference **out, size_t *count, whit_error *err)
{
    whit_status st = WHIT_OK;
    size_t n = 0;
    if (!a || !b || !out || !count)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calib_compare: a state, or a result's place, null");
    *count = 0;
    *out = wh_calloc(a->info.inputs, sizeof **out);
    if (!*out) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to compare states");
    for (size_t i = 0; i < a->info.inputs && st == WHIT_OK; i++) {
        const size_t k = whit_calib_find(b, a->input[i].linear[0]);
        if (k != WHIT_CALIB_NONE) st = compare_input(&a->input[i], &b->input[k], &(*out)[n++], err);
    }
    if (st == WHIT_OK && n == 0)
        st = wh_fail(err, WHIT_ERR_FORMAT,
                     "the states have no input in common; try: states of one "
                     "model");
    if (st == WHIT_OK) {
        *count = n;
        return WHIT_OK;
    }
    free(*out);
    *out = NULL;
    return st;
}
