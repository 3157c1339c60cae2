/* src/job/eval_rows.c - what the logits of a position say: log-softmax, divergence, most likely id.
 *
 * All in double: sums go to 16 lanes by index, which are then added as a tree (8+8, 4+4, 2+2, 1+1);
 * e^x by additions and multiplications alone, written so that a compiler can take several values at
 * once. So every compiler, instruction set and thread count gives the same bits.
 *
 *   L = max + ln sum e^(x - max);  l(t) = L - x(t)
 *   KL = sum p (ln p - ln q) = sum p (x_p - x_q) - (L_p - L_q),  p = e^(x_p - L_p)
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "job/eval.h"
#include "kernels/context.h"
#include "model/elementary.h"

#define LANES 16
#define BLOCK 256      /* values at once, a multiple of LANES */
#define LEAST (-700.0) /* of exponents: e^-700 is nothing beside e^0 */

/* e^x for x from LEAST to 0. x = n ln 2 + r, then the Taylor series to r^13 / 13!, which is below
 * half a unit in the last place. As wh_exp (model/elementary.h), but without a branch or a
 * division. */
static inline double near_exp(double x)
{
    const double shift = 0x1.8p52; /* a sum with it is rounded to whole numbers */
    const double moved = x * 0x1.71547652b82fep+0 + shift, n = moved - shift;
    const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33; /* ln 2 in two */
    double p = 1.0 / 6227020800.0, power;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits; /* of moved: n in the lowest ones */
    memcpy(&bits, &moved, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* e^(x - most) of up to a block of values. Two loops: with the limit inside, gcc splits the path
 * and no longer takes several values at once. */
static void exponentials(const float *x, size_t n, double most, double *e)
{
    for (size_t i = 0; i < n; i++) {
        const double below = (double)x[i] - most;
        e[i] = below < LEAST ? LEAST : below;
    }
    for (size_t i = 0; i < n; i++) e[i] = near_exp(e[i]);
}

static void add_lanes(double lane[LANES], const double *v, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += v[i + l];
    for (size_t l = 0; i + l < n; l++) lane[l] += v[i + l];
}

static double tree(double s[LANES])
{
    for (size_t step = LANES / 2; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++) s[i] += s[i + step];
    return s[0];
}

/* The largest logit; NaN where one is not finite. */
static double largest(const float *x, size_t n)
{
    float most[LANES], odd[LANES] = { 0 };
    for (size_t l = 0; l < LANES; l++) most[l] = x[l < n ? l : 0];
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
            odd[l] += x[i + l] - x[i + l];
        }
    for (size_t l = 0; i + l < n; l++) {
        most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
        odd[l] += x[i + l] - x[i + l];
    }
    for (size_t l = 1; l < LANES; l++) {
        most[0] = most[l] > most[0] ? most[l] : most[0];
        odd[0] += odd[l];
    }
    return isnan(odd[0]) ? NAN : (double)most[0];
}

static uint32_t first_at(const float *x, double value)
{
    uint32_t at = 0;
    while ((double)x[at] != value) at++;
    return at;
}

/* sum e^(x - most); with `other` also *apart = sum e^(x - most) (x - other) */
static double sum_of(const float *x, size_t n, double most, const float *other, double *apart)
{
    double sum[LANES] = { 0 }, far[LANES] = { 0 }, e[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        exponentials(x + at, count, most, e);
        add_lanes(sum, e, count);
        if (!other) continue;
        for (size_t i = 0; i < count; i++) e[i] *= (double)x[at + i] - (double)other[at + i];
        add_lanes(far, e, count);
    }
    if (other) *apart = tree(far);
    return tree(sum);
}

void wh_eval_row_of(const float *logits, const float *base, size_t n, uint32_t target,
                    wh_eval_row *out)
{
    const double most = largest(logits, n), base_most = base ? largest(base, n) : 0.0;
    double apart;
    *out = (wh_eval_row){ .bad = isnan(most)        ? WH_EVAL_BAD
                                 : isnan(base_most) ? WH_EVAL_BAD_BASE
                                                    : 0 };
    if (out->bad) return;
    const double all = most + wh_log(sum_of(logits, n, most, NULL, NULL));
    out->nll = all - (double)logits[target];
    if (!base) return;
    const double base_sum = sum_of(base, n, base_most, logits, &apart);
    const double base_all = base_most + wh_log(base_sum);
    const double kl = apart / base_sum - (base_all - all);
    out->base_nll = base_all - (double)base[target];
    out->kl = kl > 0 ? kl : 0; /* what is below is rounding */
    out->top = first_at(logits, most);
    out->base_top = first_at(base, base_most);
}

static void part(void *ctx, unsigned t, unsigned threads)
{
    const wh_eval_rows *r = ctx;
    size_t begin, end;
    wh_pool_split(r->count, 1, t, threads, &begin, &end);
    for (size_t i = begin; i < end; i++)
        wh_eval_row_of(r->logits + i * r->vocabulary, r->base ? r->base + i * r->vocabulary : NULL,
                       r->vocabulary, r->target[i], &r->row[i]);
}

void wh_eval_rows_run(whit_context *context, const wh_eval_rows *rows)
{
    wh_eval_rows copy = *rows;
    pthread_mutex_lock(&context->lock);
    wh_pool_run(context->pool, part, &copy);
    pthread_mutex_unlock(&context->lock);
}

double wh_eval_probability(double nll)
{
    return nll < -LEAST ? wh_exp(-nll) : 0.0;
}
