/* src/model/sample.c - the next token from logits: the likeliest one, or one by lot.
 *
 * What is done, and in which order, is in whit/generate.h. Weights come from the table of ops.h, so
 * they are the same on every instruction set.
 *
 * Source: as named there. That a weight below (1 - top_p) / (n - 1) of the sum cannot be among
 * those that are chosen from: karpathy/llama2.c, run.c.
 * SPDX-License-Identifier: MIT */
#include <whit/generate.h>

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/ops.h"

typedef struct candidate {
    float weight;
    uint32_t id;
} candidate;

struct whit_sampler {
    whit_sampling s;
    uint32_t vocabulary;
    uint64_t calls;
    const wh_ops *ops;
    float *weight;   /* [vocabulary, up to a multiple of 16]; NULL: greedy */
    candidate *list; /* [vocabulary]; NULL: top_p is 1                     */
};

void whit_sampling_init(whit_sampling *sampling)
{
    *sampling = (whit_sampling){ .struct_size = sizeof *sampling, .top_p = 1 };
}

whit_status whit_sampler_open(whit_sampler **out, const whit_sampling *sampling,
                              uint32_t vocabulary, whit_error *err)
{
    whit_sampling s;
    whit_sampling_init(&s);
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_sampler_open: no place for the result");
    *out = NULL;
    if (sampling && sampling->struct_size != sizeof s)
        return wh_fail(err, WHIT_ERR_ARG, "whit_sampler_open: struct_size not set");
    if (sampling) s = *sampling;
    if (vocabulary == 0) return wh_fail(err, WHIT_ERR_ARG, "whit_sampler_open: no vocabulary");
    if (!(s.temperature >= 0) || !isfinite(s.temperature))
        return wh_fail(err, WHIT_ERR_ARG, "the temperature must be 0 or more, and finite");
    if (!(s.top_p > 0 && s.top_p <= 1))
        return wh_fail(err, WHIT_ERR_ARG, "top_p must be above 0 and at most 1");
    whit_sampler *x = wh_calloc(1, sizeof *x);
    const size_t room = ((size_t)vocabulary + WH_OPS_LANES - 1) / WH_OPS_LANES * WH_OPS_LANES;
    const int draws = s.temperature > 0, cuts = draws && s.top_p < 1;
    if (x) {
        *x = (whit_sampler){ .s = s, .vocabulary = vocabulary, .ops = wh_ops_select() };
        if (draws) x->weight = wh_calloc(room, sizeof *x->weight);
        if (cuts) x->list = wh_calloc(vocabulary, sizeof *x->list);
    }
    if (!x || (draws && !x->weight) || (cuts && !x->list)) {
        whit_sampler_close(x);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory to choose from %u tokens",
                       (unsigned)vocabulary);
    }
    *out = x;
    return WHIT_OK;
}

void whit_sampler_close(whit_sampler *sampler)
{
    if (!sampler) return;
    free(sampler->weight);
    free(sampler->list);
    free(sampler);
}

/* ---- by lot ---- */

/* The n-th number of splitmix64, in [0, 1). */
static double uniform(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

#define NOTHING 1e-37f /* what ops.h gives for the least of all scores is below */

/* The weights of all tokens; their sum. */
static double weigh(whit_sampler *s, const float *logits, float largest)
{
    for (uint32_t i = 0; i < s->vocabulary; i++)
        s->weight[i] = (float)(((double)logits[i] - (double)largest) / s->s.temperature);
    const wh_score_row row = { .first = s->weight,
                               .stride = WH_OPS_LANES,
                               .panels = (s->vocabulary + WH_OPS_LANES - 1) / WH_OPS_LANES,
                               .end = s->vocabulary };
    const double total = s->ops->exponentials(&row);
    for (uint32_t i = 0; i < s->vocabulary; i++)
        if (s->weight[i] < NOTHING) s->weight[i] = 0;
    return total;
}

static uint32_t draw_any(const whit_sampler *s, double part)
{
    uint32_t last = 0;
    double sum = 0;
    for (uint32_t i = 0; i < s->vocabulary; i++) {
        if (s->weight[i] > 0) last = i;
        sum += (double)s->weight[i];
        if (sum > part) return i;
    }
    return last; /* where rounding made part the sum itself */
}

static int by_weight(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static uint32_t draw_likely(const whit_sampler *s, uint32_t best, double total, double u)
{
    const double least =
        s->vocabulary > 1 ? (1 - s->s.top_p) / (double)(s->vocabulary - 1) * total : 0;
    size_t n = 0, kept = 0;
    double sum = 0, running = 0;
    for (uint32_t i = 0; i < s->vocabulary; i++)
        if (i == best || ((double)s->weight[i] >= least && s->weight[i] > 0))
            s->list[n++] = (candidate){ s->weight[i], i };
    qsort(s->list, n, sizeof *s->list, by_weight);
    while (kept < n && sum < s->s.top_p * total) sum += (double)s->list[kept++].weight;
    for (size_t i = 0; i < kept; i++) {
        running += (double)s->list[i].weight;
        if (running > u * sum) return s->list[i].id;
    }
    return s->list[kept - 1].id;
}

/* ---- */

/* The first of the largest. 0: there is none, or a logit that nothing can be done with. */
static int find_largest(const float *logits, uint32_t n, uint32_t *id)
{
    int usable = 1;
    *id = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (logits[i] > logits[*id]) *id = i;
        usable &= logits[i] < INFINITY; /* no NaN is */
    }
    return usable && logits[*id] > -INFINITY;
}

whit_status whit_sampler_next(whit_sampler *sampler, const float *logits, uint32_t *id,
                              whit_error *err)
{
    uint32_t best;
    if (!sampler || !logits || !id)
        return wh_fail(err, WHIT_ERR_ARG, "whit_sampler_next: sampler, logits or id is null");
    if (!find_largest(logits, sampler->vocabulary, &best))
        return wh_fail(err, WHIT_ERR_NUMERIC,
                       "the model's logits are not finite: no token can be chosen; try: whit "
                       "inspect MODEL --check");
    *id = best;
    if (!sampler->weight) return WHIT_OK;
    const double total = weigh(sampler, logits, logits[best]);
    const double u = uniform(sampler->s.seed, sampler->calls++);
    *id = sampler->list ? draw_likely(sampler, best, total, u) : draw_any(sampler, u * total);
    return WHIT_OK;
}
