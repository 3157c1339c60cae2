/* src/job/eval_rows.c - what the logits of a position say: log-softmax, divergence, most likely id.
 *
 * All in double; the loops are in src/model/softmax_loops.h.
 *
 *   L = max + ln sum e^(x - max);  l(t) = L - x(t)
 *   KL = sum p (ln p - ln q) = sum p (x_p - x_q) - (L_p - L_q),  p = e^(x_p - L_p)
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/elementary.h"
#include "job/eval.h"
#include "kernels/context.h"

static uint32_t first_at(const float *x, double value)
{
    uint32_t at = 0;
    while ((double)x[at] != value) at++;
    return at;
}

void wh_eval_row_of(const wh_ops *ops, const float *logits, const float *base, size_t n,
                    uint32_t target, wh_eval_row *out)
{
    const double most = ops->largest(logits, n), base_most = base ? ops->largest(base, n) : 0.0;
    double apart;
    *out = (wh_eval_row){ .bad = isnan(most)        ? WH_EVAL_BAD
                                 : isnan(base_most) ? WH_EVAL_BAD_BASE
                                                    : 0 };
    if (out->bad) return;
    const double all = most + wh_log(ops->exp_sum(logits, n, most, NULL, NULL));
    out->nll = all - (double)logits[target];
    if (!base) return;
    const double base_sum = ops->exp_sum(base, n, base_most, logits, &apart);
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
        wh_eval_row_of(r->ops, r->logits + i * r->vocabulary,
                       r->base ? r->base + i * r->vocabulary : NULL, r->vocabulary, r->target[i],
                       &r->row[i]);
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
    return nll < -WH_EXP_LEAST ? wh_exp(-nll) : 0.0;
}
