/* src/job/span.c - scales of regions that span tiles: a whole tensor, or a very long row.
 *
 * SPDX-License-Identifier: MIT */
#include "job/span.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/thread.h"

unsigned wh_span_passes(const wh_quantizer *q)
{
    return q->search ? 4 : 1;
}

whit_status wh_plan_quantizer(const whit_plan *plan, size_t index, wh_quantizer *q, whit_error *err)
{
    whit_quant_spec spec = { .struct_size = sizeof spec,
                             .scheme = plan->entry[index].scheme,
                             .clip = plan->clip };
    return wh_quantizer_init(q, &spec, err);
}

whit_status wh_plan_blame(const whit_plan *plan, size_t index, whit_status st, whit_error *err)
{
    char path[WH_SHORT];
    if (st != WHIT_ERR_NUMERIC) return st;
    wh_prefix(err, st, plan->entry[index].source->tensor.name);
    return wh_prefix(err, st, wh_short(path, whit_file_path(whit_source_file(plan->source))));
}

typedef struct result { /* of one tile, in its worker's slot */
    wh_range range;
    double *error; /* [candidates] */
    double a, b;
} result;

/* One pass over the tiles of one region. */
typedef struct pass {
    const whit_plan *plan;
    size_t index; /* of the entry */
    const wh_quantizer *q;
    wh_worker *workers;
    wh_meter *meter;
    uint64_t first_tile;
    result *slot; /* [threads] */
    float k;
    const wh_candidate *cand;
    size_t count;
    result sum;
} pass;

static whit_status read_tile(pass *p, unsigned worker, uint64_t tile, wh_rect *r, whit_error *err)
{
    const whit_plan_entry *e = &p->plan->entry[p->index];
    *r = wh_tiling_at(&p->plan->tiles.tiling[p->index], p->first_tile + tile);
    return whit_file_read_f32(whit_source_file(p->plan->source), e->source->planes[0],
                              r->r0 * e->source->cols + r->c0, (size_t)(r->rows * r->cols),
                              p->workers[worker].w, err);
}

static whit_status step(pass *p, uint64_t tile, whit_error *err)
{
    const whit_tensor *t = &p->plan->entry[p->index].source->tensor;
    wh_rect r = wh_tiling_at(&p->plan->tiles.tiling[p->index], p->first_tile + tile);
    return wh_meter_step(p->meter, t->name, r.rows * r.cols * whit_dtype_bits(t->dtype) / 8, err);
}

static whit_status range_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    wh_rect r;
    whit_status st = read_tile(p, worker, tile, &r, err);
    if (st != WHIT_OK) return st;
    size_t n = (size_t)(r.rows * r.cols);
    p->q->ops->range(p->workers[worker].w, n, &p->slot[worker].range);
    if (p->slot[worker].range.finite) return WHIT_OK;
    wh_tile t = { .w = p->workers[worker].w,
                  .rows = (size_t)r.rows,
                  .cols = (size_t)r.cols,
                  .row0 = r.r0,
                  .col0 = r.c0 };
    return wh_plan_blame(p->plan, p->index, wh_tile_not_finite(&t, err), err);
}

static whit_status range_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    const wh_range *r = &p->slot[worker].range;
    if (tile == 0 || r->min < p->sum.range.min) p->sum.range.min = r->min;
    if (tile == 0 || r->max > p->sum.range.max) p->sum.range.max = r->max;
    return step(p, tile, err);
}

static whit_status error_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    wh_rect r;
    whit_status st = read_tile(p, worker, tile, &r, err);
    if (st != WHIT_OK) return st;
    size_t n = (size_t)(r.rows * r.cols);
    float *y = p->workers[worker].scratch;
    p->q->ops->normalise(p->workers[worker].w, n, p->k, y);
    for (size_t i = 0; i < p->count; i++) {
        wh_grid g = wh_candidate_grid(p->q, &p->cand[i], p->k);
        p->slot[worker].error[i] = p->q->ops->error(y, n, &g, INFINITY);
    }
    return WHIT_OK;
}

static whit_status error_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    for (size_t i = 0; i < p->count; i++)
        p->sum.error[i] = (tile ? p->sum.error[i] : 0.0) + p->slot[worker].error[i];
    return step(p, tile, err);
}

static whit_status fit_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    wh_rect r;
    whit_status st = read_tile(p, worker, tile, &r, err);
    if (st != WHIT_OK) return st;
    size_t n = (size_t)(r.rows * r.cols);
    wh_grid g = wh_candidate_grid(p->q, p->cand, p->k);
    p->q->ops->normalise(p->workers[worker].w, n, p->k, p->workers[worker].scratch);
    p->q->ops->fit(p->workers[worker].scratch, n, &g, &p->slot[worker].a, &p->slot[worker].b);
    return WHIT_OK;
}

static whit_status fit_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    p->sum.a = (tile ? p->sum.a : 0.0) + p->slot[worker].a;
    p->sum.b = (tile ? p->sum.b : 0.0) + p->slot[worker].b;
    return step(p, tile, err);
}

/* The best of the candidates, then the least-squares step from it. */
static whit_status search(pass *p, unsigned threads, uint64_t tiles, const wh_range *range,
                          wh_candidate *cand, size_t count, wh_candidate *best, size_t *which,
                          whit_error *err)
{
    p->cand = cand;
    p->count = count;
    whit_status st = wh_for_ordered(threads, tiles, error_work, error_commit, p, err);
    if (st != WHIT_OK) return st;
    *which = 0;
    for (size_t i = 1; i < count; i++)
        if (p->sum.error[i] < p->sum.error[*which]) *which = i;
    double least = p->sum.error[*which];
    *best = cand[*which];
    p->cand = best;
    st = wh_for_ordered(threads, tiles, fit_work, fit_commit, p, err);
    wh_candidate fit;
    if (st != WHIT_OK || !wh_candidate_fit(p->q, range, p->sum.a, p->sum.b, p->k, best, &fit))
        return st;
    p->cand = &fit;
    p->count = 1;
    st = wh_for_ordered(threads, tiles, error_work, error_commit, p, err);
    if (st == WHIT_OK && p->sum.error[0] < least) {
        *best = fit;
        *which = count;
    }
    return st;
}

static whit_status fit_region(pass *p, unsigned threads, uint64_t tiles, uint64_t row,
                              wh_fixed *out, whit_quant_stats *stats, whit_error *err)
{
    wh_candidate cand[WH_MAX_CANDIDATES];
    int raised = 0;
    size_t which = 0;
    whit_status st = wh_for_ordered(threads, tiles, range_work, range_commit, p, err);
    if (st != WHIT_OK) return st;
    wh_range range = p->sum.range;
    *out = (wh_fixed){ .zero = wh_range_is_zero(&range) };
    if (out->zero) return WHIT_OK;
    size_t count = wh_candidates(p->q, &range, cand, &raised);
    if (count == 0) return wh_plan_blame(p->plan, p->index, wh_scale_overflow(p->q, row, err), err);
    p->k = out->k = wh_range_normaliser(&range);
    out->best = cand[0];
    if (p->q->search) st = search(p, threads, tiles, &range, cand, count, &out->best, &which, err);
    if (raised && which == 0) {
        out->vanishes = wh_candidate_vanishes(p->q, &range, &out->best);
        stats->scales_raised++;
        stats->groups_zeroed += (uint64_t)out->vanishes;
    }
    return st;
}

whit_status wh_span_fit(const whit_plan *plan, size_t index, const wh_quantizer *q,
                        wh_worker *workers, unsigned threads, wh_meter *meter, wh_fixed **out,
                        whit_quant_stats *stats, whit_error *err)
{
    const wh_tiling *t = &plan->tiles.tiling[index];
    uint64_t regions = q->scheme.gran == WHIT_GRAN_TENSOR ? 1 : t->rows;
    pass p = { .plan = plan, .index = index, .q = q, .workers = workers, .meter = meter };
    double *sums = wh_calloc((size_t)threads + 1, WH_MAX_CANDIDATES * sizeof *sums);
    p.slot = wh_calloc(threads, sizeof *p.slot);
    *out = wh_calloc((size_t)regions, sizeof **out);
    whit_status st = WHIT_OK;
    if (!sums || !p.slot || !*out) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a search");
    for (unsigned i = 0; i < threads && st == WHIT_OK; i++)
        p.slot[i].error = sums + (size_t)i * WH_MAX_CANDIDATES;
    if (st == WHIT_OK) p.sum.error = sums + (size_t)threads * WH_MAX_CANDIDATES;
    uint64_t tiles = t->count / regions;
    for (uint64_t g = 0; g < regions && st == WHIT_OK; g++) {
        p.first_tile = g * tiles;
        st = fit_region(&p, threads, tiles, g, &(*out)[g], stats, err);
    }
    free(sums);
    free(p.slot);
    return st;
}
