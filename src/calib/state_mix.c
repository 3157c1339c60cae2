/* src/calib/state_mix.c - a mixture of calibration states by weights.
 *
 * Means are weighed, and so are the shares of the bins; what comes out has the form of a state of
 * as many tokens as all of them had. Rounded shares are no counts, so it is final: it merges no
 * more.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/state.h"

/* What the states say of one input. */
typedef struct shares {
    const wh_calib_input **input; /* [count]; NULL: it has none of that name */
    double *share;                /* [count] of the weights of those that have; sum 1 */
    size_t count;
    uint64_t tokens; /* of all */
} shares;

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a mixture");
}

static const wh_calib_input *input_of(const whit_calib *c, const char *name)
{
    for (size_t i = 0; i < c->info.inputs; i++)
        if (strcmp(c->input[i].name, name) == 0) return &c->input[i];
    return NULL;
}

static void find_shares(shares *s, whit_calib *const *from, const double *weight, const char *name)
{
    double all = 0;
    s->tokens = 0;
    for (size_t k = 0; k < s->count; k++) {
        s->input[k] = input_of(from[k], name);
        if (!s->input[k]) continue;
        all += weight[k];
        s->tokens += s->input[k]->told.tokens;
    }
    for (size_t k = 0; k < s->count; k++) s->share[k] = s->input[k] ? weight[k] / all : 0;
}

static void mix_moments(const shares *s, wh_calib_input *to, int *overflow)
{
    for (size_t c = 0; c < to->moments.channels; c++)
        for (int sum = 0; sum < WH_SUMS; sum++) {
            double mean = 0;
            for (size_t k = 0; k < s->count; k++)
                if (s->input[k]) mean += s->share[k] * wh_calib_mean(s->input[k], sum, c);
            const wh_wide w = wh_wide_times(wh_wide_of(fabs(mean)), to->told.tokens, overflow);
            to->moments.sum[sum][c] = mean < 0 ? wh_wide_negate(w) : w;
        }
}

/* Shares of the values: what is not 0 is at least 1. */
static uint64_t as_count(double share, double values)
{
    const double n = nearbyint(share * values);
    return share > 0 && n < 1 ? 1 : (uint64_t)n;
}

static whit_status mix_histogram(const shares *s, wh_calib_input *to, whit_error *err)
{
    wh_histogram *h = &to->histogram;
    const double values = (double)s->tokens * (double)to->told.cols;
    double *log = wh_calloc(WH_LOG_BINS, sizeof *log), linear[WH_LINEAR_BINS] = { 0 }, zeros = 0;
    if (!log) return no_memory(err);
    for (size_t k = 0; k < s->count; k++)
        if (s->input[k]) wh_histogram_widen(h, s->input[k]->histogram.exponent);
    for (size_t k = 0; k < s->count; k++) {
        if (!s->input[k]) continue;
        const wh_histogram *f = &s->input[k]->histogram;
        const double each = s->share[k] / (double)f->values;
        const int shift = h->exponent - f->exponent;
        for (size_t i = 0; i < f->bins; i++) log[f->first + i] += each * (double)f->bin[i];
        for (size_t i = 0; i < WH_LINEAR_BINS; i++)
            linear[shift < 11 ? i >> shift : 0] += each * (double)f->linear[i];
        zeros += each * (double)f->zeros;
    }
    free(h->few);
    h->few = NULL;
    h->zeros = h->values = as_count(zeros, values);
    for (size_t i = 0; i < WH_LOG_BINS; i++) h->values += h->bin[i] = as_count(log[i], values);
    for (size_t i = 0; i < WH_LINEAR_BINS; i++) h->linear[i] = as_count(linear[i], values);
    free(log);
    return WHIT_OK;
}

static whit_status mix_input(whit_calib *c, size_t i, shares *s, whit_calib *const *from,
                             const double *weight, whit_error *err)
{
    char name[WH_SHORT];
    wh_calib_input *to = &c->input[i];
    int overflow = 0;
    find_shares(s, from, weight, to->name);
    mix_moments(s, to, &overflow);
    if (overflow)
        return wh_fail(err, WHIT_ERR_NUMERIC, "%s: its sums pass 128 bits",
                       wh_short(name, to->name));
    wh_histogram_free(&to->histogram);
    whit_status st = wh_histogram_init(&to->histogram, WH_LOG_BINS, 1, err);
    return st == WHIT_OK ? mix_histogram(s, to, err) : st;
}

/* Merged first: that finds inputs, ranges and sources, and whatever does not go together. */
whit_status wh_calib_mix(whit_calib *c, whit_calib *const *from, const double *weight, size_t count,
                         whit_error *err)
{
    whit_status st = WHIT_OK;
    shares s = { .count = count };
    for (size_t k = 0; k < count && st == WHIT_OK; k++) st = wh_calib_merge(c, from[k], err);
    s.input = wh_calloc(count, sizeof *s.input);
    s.share = wh_calloc(count, sizeof *s.share);
    if (st == WHIT_OK && (!s.input || !s.share)) st = no_memory(err);
    for (size_t i = 0; i < c->info.inputs && st == WHIT_OK; i++)
        st = mix_input(c, i, &s, from, weight, err);
    c->info.is_final = 1;
    free(s.input);
    free(s.share);
    return st;
}

double wh_calib_mix_factor(whit_calib *const *from, const double *weight, size_t count, size_t k,
                           const char *input)
{
    double all = 0;
    uint64_t tokens = 0;
    const wh_calib_input *own = input_of(from[k], input);
    if (!own) return 0;
    for (size_t i = 0; i < count; i++) {
        const wh_calib_input *in = input_of(from[i], input);
        if (!in) continue;
        all += weight[i];
        tokens += in->told.tokens;
    }
    return weight[k] / all * (double)tokens / (double)own->told.tokens;
}
