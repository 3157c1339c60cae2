/* src/job/eval_sum.c - rows of positions to the figures of a text: means and their errors,
 * quantiles, the paired interval, the worst positions.
 *
 * Rows come in the order of the text, so sums have one order at any number of threads.
 * Source: Cochran 1977, Sampling Techniques, section 6.3 (error of a ratio, clusters as samples);
 * Abramowitz and Stegun 1964, 26.7.5 (Student's t by its expansion) and table 26.10.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "base/elementary.h"
#include "base/mem.h"
#include "job/eval.h"

/* ---- collecting -------------------------------------------------------------------------------
 */

whit_status wh_eval_tally_open(wh_eval_tally *t, size_t windows, uint64_t tokens, int base,
                               whit_error *err)
{
    const int series = base ? WH_EVAL_SERIES : WH_EVAL_NLL + 1;
    *t = (wh_eval_tally){ .windows = windows };
    t->count = wh_calloc(windows, sizeof *t->count);
    int ok = t->count != NULL;
    for (int s = 0; s < series && ok; s++) {
        t->sum[s] = wh_calloc(windows, sizeof *t->sum[s]);
        ok = t->sum[s] != NULL;
    }
    if (base && ok) {
        t->kl_cap = (size_t)tokens;
        t->kl = (uint64_t)t->kl_cap == tokens ? wh_calloc(t->kl_cap, sizeof *t->kl) : NULL;
        ok = t->kl != NULL;
    }
    if (ok) return WHIT_OK;
    wh_eval_tally_close(t);
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the figures of %zu windows", windows);
}

void wh_eval_tally_close(wh_eval_tally *t)
{
    free(t->count);
    for (int s = 0; s < WH_EVAL_SERIES; s++) free(t->sum[s]);
    free(t->kl);
    *t = (wh_eval_tally){ 0 };
}

static void add(wh_eval_tally *t, int series, double value)
{
    t->sum[series][t->window] += value;
    t->square[series] += value * value;
}

/* The largest divergences, of equals the first. */
static void remember(wh_eval_tally *t, const wh_eval_row *row, uint64_t position)
{
    if (t->spots == WH_EVAL_PLACES && !(row->kl > t->worst[t->spots - 1].row.kl)) return;
    size_t at = t->spots < WH_EVAL_PLACES ? t->spots++ : t->spots - 1;
    for (; at > 0 && row->kl > t->worst[at - 1].row.kl; at--) t->worst[at] = t->worst[at - 1];
    t->worst[at] = (wh_eval_spot){ position, t->window, *row };
}

void wh_eval_tally_add(wh_eval_tally *t, const wh_eval_row *row, uint64_t position)
{
    t->tokens++;
    t->count[t->window]++;
    add(t, WH_EVAL_NLL, row->nll);
    if (!t->kl) return;
    add(t, WH_EVAL_BASE, row->base_nll);
    add(t, WH_EVAL_KL, row->kl);
    add(t, WH_EVAL_APART, row->nll - row->base_nll);
    const double dp = wh_eval_probability(row->nll) - wh_eval_probability(row->base_nll);
    t->apart += dp * dp;
    t->same += row->top == row->base_top;
    if (row->kl > t->kl_most) t->kl_most = row->kl;
    if (t->kls < t->kl_cap) t->kl[t->kls++] = (float)row->kl;
    remember(t, row, position);
}

/* ---- figures ----------------------------------------------------------------------------------
 */

wh_eval_estimate wh_eval_tally_estimate(const wh_eval_tally *t, int series)
{
    wh_eval_estimate e = { NAN, NAN, NAN, 0 };
    const double n = (double)t->tokens, w = (double)t->windows;
    double total = 0, squares = 0;
    if (!t->sum[series] || t->tokens == 0) return e;
    for (size_t i = 0; i < t->windows; i++) total += t->sum[series][i];
    e.mean = total / n;
    if (t->tokens > 1) {
        const double variance = t->square[series] / n - e.mean * e.mean;
        e.token_error = variance > 0 ? sqrt(variance / (n - 1)) : 0;
    }
    if (t->windows < 2) {
        e.error = e.token_error;
        e.freedom = t->tokens - 1;
        return e;
    }
    for (size_t i = 0; i < t->windows; i++) {
        const double apart = t->sum[series][i] - e.mean * (double)t->count[i];
        squares += apart * apart;
    }
    e.error = sqrt(w / (w - 1) * squares) / n;
    e.freedom = t->windows - 1;
    return e;
}

double wh_eval_student(uint64_t freedom)
{
    static const double table[] = {
        NAN,    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
        2.2010, 2.1788,  2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796,
        2.0739, 2.0687,  2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
    };
    const double z = 1.959963985, f = (double)freedom;
    if (freedom < sizeof table / sizeof table[0]) return table[freedom];
    const double z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f * f);
}

double wh_eval_quantile(const float *sorted, size_t n, double p)
{
    if (n == 0) return NAN;
    const double at = p * (double)(n - 1);
    const size_t low = (size_t)at;
    if (low + 1 >= n) return (double)sorted[n - 1];
    const double part = at - (double)low;
    return (double)sorted[low] + part * ((double)sorted[low + 1] - (double)sorted[low]);
}

double wh_eval_coins(uint64_t heads, uint64_t tails)
{
    const uint64_t n = heads + tails, least = heads < tails ? heads : tails;
    double term = 1, sum = 1; /* times 2^(scale - n): binomial coefficients, and their sum */
    int scale = 0;
    if (heads == tails) return 1;
    for (uint64_t k = 1; k <= least; k++) {
        term *= (double)(n - k + 1) / (double)k;
        sum += term;
        if (term < 0x1p500) continue;
        term *= 0x1p-500;
        sum *= 0x1p-500;
        scale += 500;
    }
    if (n - (uint64_t)scale > 1 << 20) return 0;
    const double p = ldexp(sum, 1 + scale - (int)n);
    return p < 1 ? p : 1;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* wh_exp ends at 700. */
static double exponential(double x)
{
    return x > 700 ? INFINITY : x < -700 ? 0 : wh_exp(x);
}

static void compare_scores(wh_eval_tally *t, whit_eval_scores *out)
{
    const double n = (double)t->tokens;
    const wh_eval_estimate base = wh_eval_tally_estimate(t, WH_EVAL_BASE);
    const wh_eval_estimate kl = wh_eval_tally_estimate(t, WH_EVAL_KL);
    const wh_eval_estimate apart = wh_eval_tally_estimate(t, WH_EVAL_APART);
    const double reach = wh_eval_student(apart.freedom) * apart.error;
    out->base_nll = base.mean;
    out->base_perplexity = exponential(base.mean);
    out->base_error = out->base_perplexity * base.error;
    out->kl_mean = kl.mean;
    out->kl_error = kl.error;
    qsort(t->kl, t->kls, sizeof *t->kl, by_value);
    out->kl_median = wh_eval_quantile(t->kl, t->kls, 0.5);
    out->kl_p90 = wh_eval_quantile(t->kl, t->kls, 0.9);
    out->kl_p99 = wh_eval_quantile(t->kl, t->kls, 0.99);
    out->kl_p999 = wh_eval_quantile(t->kl, t->kls, 0.999);
    out->kl_max = t->kl_most;
    out->top1 = (double)t->same / n;
    out->rms_dp = sqrt(t->apart / n);
    out->ratio = exponential(apart.mean);
    out->ratio_low = exponential(apart.mean - reach);
    out->ratio_high = exponential(apart.mean + reach);
}

void wh_eval_tally_scores(wh_eval_tally *t, whit_eval_scores *out)
{
    const wh_eval_estimate nll = wh_eval_tally_estimate(t, WH_EVAL_NLL);
    *out = (whit_eval_scores){
        .base_perplexity = NAN,
        .base_error = NAN,
        .base_nll = NAN,
        .kl_mean = NAN,
        .kl_error = NAN,
        .kl_median = NAN,
        .kl_p90 = NAN,
        .kl_p99 = NAN,
        .kl_p999 = NAN,
        .kl_max = NAN,
        .top1 = NAN,
        .rms_dp = NAN,
        .ratio = NAN,
        .ratio_low = NAN,
        .ratio_high = NAN,
    };
    out->nll = nll.mean;
    out->perplexity = exponential(nll.mean);
    out->standard_error = out->perplexity * nll.error;
    out->token_error = out->perplexity * nll.token_error;
    out->tokens = t->tokens;
    out->windows = t->windows;
    if (t->kl) compare_scores(t, out);
}
