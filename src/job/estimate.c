/* src/job/estimate.c - how long a plan will take, by trying a little of it.
 *
 * Tiles of the plan are read and encoded on all of its threads, as the job would, and nothing is
 * written. Tiles are picked by elements, so that a large tensor is tried as often as its size asks
 * for, and each stands for an equal share of all elements: what it took for each of its elements,
 * times the passes that its tensor needs. Picking stops when enough has been tried or enough time
 * is gone. Not in the figure: writing, beyond what goes on beside the work, and a cold cache where
 * this has warmed it.
 *
 * Source: importance sampling; additive recurrence with the golden ratio for the places (Weyl).
 *
 * SPDX-License-Identifier: MIT */
#include "job/estimate.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/thread.h"
#include "job/span.h"
#include "job/work.h"

#define SAMPLES_PER_THREAD 8
#define ENOUGH_SECONDS 1.0

typedef struct trial {
    const whit_plan *plan;
    wh_worker *workers;
    double *seconds; /* [threads]: what the worker's sample took for an element, with all passes */
    uint64_t *below; /* [count + 1]: elements of the entries before */
    double sum;
    uint64_t taken;
    wh_meter meter;
} trial;

uint64_t wh_sample_at(uint64_t k, uint64_t total)
{
    /* the top half of k times the golden ratio, as a fraction of 2^32, times total */
    uint64_t part = (k * UINT64_C(0x9e3779b97f4a7c15) + (UINT64_C(1) << 63)) >> 32;
    return total / ((uint64_t)1 << 32) * part + (total % ((uint64_t)1 << 32) * part >> 32);
}

/* The entry that holds an element, and its tile. */
static size_t tile_of(const trial *t, uint64_t element, uint64_t *tile)
{
    size_t lo = 0, hi = t->plan->count; /* below[lo] <= element < below[hi] */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->below[mid] <= element)
            lo = mid;
        else
            hi = mid;
    }
    const wh_tiling *g = &t->plan->tiles.tiling[lo];
    uint64_t inside = element - t->below[lo], across = (g->cols - 1) / g->tile_cols + 1;
    *tile = t->plan->tiles.first[lo] + inside / g->cols / g->tile_rows * across +
            inside % g->cols / g->tile_cols;
    return lo;
}

static whit_status try_work(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    trial *t = ctx;
    uint64_t tile, total = t->below[t->plan->count];
    size_t i = tile_of(t, wh_sample_at(index, total), &tile);
    wh_rect rect;
    wh_quantizer q;
    unsigned passes = 1;
    double start = wh_seconds();
    t->seconds[worker] = -1.0;
    if (start - t->meter.start > ENOUGH_SECONDS && index > 0) return WHIT_OK;
    whit_status st = wh_work_try(t->plan, tile, &t->workers[worker], err);
    const whit_scheme *s = &t->plan->entry[i].scheme;
    if (st == WHIT_OK && (s->dq || s->kind == WHIT_NVFP4)) passes++; /* for the scales on top */
    if (st == WHIT_OK && wh_plan_spans(t->plan, i)) {
        st = wh_plan_quantizer(t->plan, i, 1.0f, &q, err);
        if (st == WHIT_OK) passes += wh_span_passes(&q);
    }
    wh_numbering_find(&t->plan->tiles, tile, &rect);
    t->seconds[worker] = (wh_seconds() - start) * passes / (double)(rect.rows * rect.cols);
    return st;
}

static whit_status try_commit(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    trial *t = ctx;
    uint64_t tile;
    size_t i = tile_of(t, wh_sample_at(index, t->below[t->plan->count]), &tile);
    if (t->seconds[worker] >= 0.0) {
        t->sum += t->seconds[worker];
        t->taken++;
    }
    return wh_meter_step(&t->meter, t->plan->entry[i].source->tensor.name, 1, err);
}

static whit_status make_room(trial *t, unsigned threads, whit_error *err)
{
    const wh_numbering *tiles = &t->plan->tiles;
    t->workers = wh_workers_make(threads, wh_numbering_largest(tiles));
    t->seconds = wh_calloc(threads, sizeof *t->seconds);
    t->below = wh_calloc(tiles->count + 1, sizeof *t->below);
    if (!t->workers || !t->seconds || !t->below)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the buffers of %u threads", threads);
    for (size_t i = 0; i < tiles->count; i++)
        t->below[i + 1] = t->below[i] + tiles->tiling[i].rows * tiles->tiling[i].cols;
    return WHIT_OK;
}

whit_status whit_plan_estimate(whit_plan *plan, whit_error *err)
{
    if (!plan) return wh_fail(err, WHIT_ERR_ARG, "whit_plan_estimate: no plan");
    unsigned threads = plan->totals.threads;
    uint64_t tiles = plan->tiles.first[plan->count], samples;
    trial t = { .plan = plan };
    whit_status st = make_room(&t, threads, err);
    samples = (uint64_t)threads * SAMPLES_PER_THREAD;
    if (samples > tiles) samples = tiles;
    if (threads > tiles) threads = (unsigned)tiles; /* no more can be at work */
    wh_meter_start(&t.meter, &plan->job, samples);
    if (st == WHIT_OK) st = wh_for_ordered(threads, samples, try_work, try_commit, &t, err);
    if (st == WHIT_OK)
        plan->totals.seconds =
            t.taken ? t.sum / (double)t.taken * (double)t.below[plan->count] / threads : 0.0;
    wh_workers_free(t.workers, plan->totals.threads);
    free(t.seconds);
    free(t.below);
    return st;
}
