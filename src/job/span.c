/* src/job/span.c - scales of regions that span tiles: a whole tensor, or a very long row.
 *
 * SPDX-License-Identifier: MIT */
#include "job/span.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/checkpoint.h"
#include "job/method.h"

unsigned wh_span_passes(const wh_quantizer *q)
{
    return q->search ? 4 : q->percentile > 0 ? 3 : 1;
}

whit_quant_spec wh_plan_spec(const whit_plan *plan, size_t index, float scale2)
{
    whit_quant_spec spec = { .struct_size = sizeof spec,
                             .scheme = plan->entry[index].scheme,
                             .clip = plan->clip,
                             .percentile = plan->percentile,
                             .nonfinite = plan->nonfinite,
                             .scale2 = scale2,
                             .positive_scale = plan->checkpoint != NULL };
    const whit_packing *packing = wh_checkpoint_packing(plan, index);
    spec.positive_zero = packing && packing->layout == WHIT_LAYOUT_GPTQ;
    return spec;
}

whit_status wh_plan_quantizer(const whit_plan *plan, size_t index, float scale2, wh_quantizer *q,
                              whit_error *err)
{
    const whit_quant_spec spec = wh_plan_spec(plan, index, scale2);
    return wh_quantizer_init(q, &spec, err);
}

/* Where loaders know one type of scale, there is another way out than the usual one. */
static void advise(const whit_plan *plan, whit_error *err)
{
    const whit_format f = plan->target.format;
    const size_t end = sizeof WH_TRY_SF32 - 1;
    if (!err || (f != WHIT_FORMAT_GPTQ && f != WHIT_FORMAT_AWQ)) return;
    const whit_error old = *err;
    const size_t len = strlen(old.msg);
    if (len < end || strcmp(old.msg + len - end, WH_TRY_SF32) != 0) return;
    wh_fail(err, old.code, "%.*s; try: --format compressed-tensors, with -sf32", (int)(len - end),
            old.msg);
}

whit_status wh_plan_blame(const whit_plan *plan, size_t index, whit_status st, whit_error *err)
{
    char path[WH_SHORT];
    if (st != WHIT_ERR_NUMERIC) return st;
    advise(plan, err);
    wh_prefix(err, st, plan->entry[index].source->tensor.name);
    return wh_prefix(err, st, wh_short(path, whit_file_path(whit_source_file(plan->source))));
}

typedef struct result { /* of one tile, in its worker's slot */
    wh_range range;
    double *error;   /* [candidates] */
    uint64_t *count; /* [COUNTS]: only for a percentile */
    double a, b;
} result;

/* The rank of a magnitude is found by its upper, then its lower 16 bits. */
#define COUNTS WH_SPAN_COUNTS

/* One pass over the tiles of one region. */
typedef struct pass {
    const whit_plan *plan;
    size_t index; /* of the entry */
    const wh_quantizer *q;
    wh_worker *workers;
    wh_meter *meter;
    uint64_t first_tile;
    result *slot;   /* [threads] */
    float k, limit; /* limit: largest finite magnitude of the region, 0 before it is known */
    int64_t upper;  /* the upper bits that were found, -1 before */
    const wh_candidate *cand;
    size_t count;
    result sum;
} pass;

static whit_status read_tile(pass *p, unsigned worker, uint64_t tile, wh_rect *r, whit_error *err)
{
    *r = wh_tiling_at(&p->plan->tiles.tiling[p->index], p->first_tile + tile);
    size_t n = (size_t)(r->rows * r->cols);
    float *w = p->workers[worker].w;
    whit_status st =
        whit_source_read_f32(p->plan->source, p->index, r->r0, r->rows, r->c0, r->cols, w, err);
    if (st == WHIT_OK) wh_fold_apply(p->plan, p->index, r, w);
    if (st == WHIT_OK && p->q->nonfinite != WHIT_NONFINITE_REFUSE)
        wh_clean(w, n, p->q->nonfinite, p->limit, w);
    return st;
}

static whit_status step(pass *p, uint64_t tile, whit_error *err)
{
    const whit_plan_entry *e = &p->plan->entry[p->index];
    const wh_numbering *tiles = &p->plan->tiles;
    uint64_t number = tiles->first[p->index] + p->first_tile + tile;
    return wh_meter_step(p->meter, e->source->tensor.name,
                         wh_numbering_share(tiles, p->index, number, e->bytes_in), err);
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

static whit_status rank_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    wh_rect r;
    uint64_t *count = p->slot[worker].count;
    whit_status st = read_tile(p, worker, tile, &r, err);
    memset(count, 0, COUNTS * sizeof *count);
    for (size_t i = 0; st == WHIT_OK && i < r.rows * r.cols; i++) {
        uint32_t u = wh_f32_bits(p->workers[worker].w[i]) & 0x7fffffffu;
        if (p->upper < 0)
            count[u >> 16]++;
        else if (u >> 16 == (uint32_t)p->upper)
            count[u & 0xffff]++;
    }
    return st;
}

static whit_status rank_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    pass *p = ctx;
    for (size_t i = 0; i < COUNTS; i++)
        p->sum.count[i] = (tile ? p->sum.count[i] : 0) + p->slot[worker].count[i];
    return step(p, tile, err);
}

/* Which of the counts the rank-th falls into; *rank becomes its rank in there. */
static uint32_t find_rank(const uint64_t *count, uint64_t *rank)
{
    uint32_t i = 0;
    for (; i < COUNTS - 1 && *rank > count[i]; i++) *rank -= count[i];
    return i;
}

/* Clip the range to the percentile of the region's magnitudes. */
static whit_status clip_region(pass *p, unsigned threads, uint64_t tiles, uint64_t elements,
                               wh_range *range, whit_error *err)
{
    uint64_t rank = wh_percentile_rank(p->q->percentile, elements);
    p->upper = -1;
    whit_status st = wh_for_ordered(threads, tiles, rank_work, rank_commit, p, err);
    if (st != WHIT_OK) return st;
    p->upper = find_rank(p->sum.count, &rank);
    st = wh_for_ordered(threads, tiles, rank_work, rank_commit, p, err);
    if (st != WHIT_OK) return st;
    wh_range_clip(range, wh_bits_f32((uint32_t)p->upper << 16 | find_rank(p->sum.count, &rank)));
    return WHIT_OK;
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
    p->cand = best; /* fit ends here */
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
    p->limit = 0.0f;
    whit_status st = wh_for_ordered(threads, tiles, range_work, range_commit, p, err);
    if (st != WHIT_OK) return st;
    wh_range range = p->sum.range;
    p->limit = fmaxf(-range.min, range.max);
    *out = (wh_fixed){ .zero = wh_range_is_zero(&range), .limit = p->limit };
    if (out->zero) return WHIT_OK;
    if (p->q->percentile > 0) {
        const wh_tiling *t = &p->plan->tiles.tiling[p->index];
        uint64_t rows = p->q->scheme.gran == WHIT_GRAN_TENSOR ? t->rows : 1;
        st = clip_region(p, threads, tiles, rows * t->cols, &range, err);
        if (st != WHIT_OK) return st;
    }
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
    uint64_t *counts =
        wh_calloc(q->percentile > 0 ? (size_t)threads + 1 : 0, COUNTS * sizeof *counts);
    p.slot = wh_calloc(threads, sizeof *p.slot);
    *out = wh_calloc(regions, sizeof **out);
    whit_status st = WHIT_OK;
    if (!sums || !counts || !p.slot || !*out)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a search");
    for (unsigned i = 0; i <= threads && st == WHIT_OK; i++) {
        result *r = i < threads ? &p.slot[i] : &p.sum;
        r->error = sums + (size_t)i * WH_MAX_CANDIDATES;
        if (q->percentile > 0) r->count = counts + (size_t)i * COUNTS;
    }
    uint64_t tiles = t->count / regions;
    for (uint64_t g = 0; g < regions && st == WHIT_OK; g++) {
        p.first_tile = g * tiles;
        st = fit_region(&p, threads, tiles, g, &(*out)[g], stats, err);
    }
    free(sums);
    free(counts);
    free(p.slot);
    return st;
}

whit_status wh_span_amax(const whit_plan *plan, size_t index, const wh_quantizer *q,
                         wh_worker *workers, unsigned threads, wh_meter *meter, float *amax,
                         whit_error *err)
{
    pass p = { .plan = plan, .index = index, .q = q, .workers = workers, .meter = meter };
    p.slot = wh_calloc(threads, sizeof *p.slot);
    if (!p.slot) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a search");
    whit_status st =
        wh_for_ordered(threads, plan->tiles.tiling[index].count, range_work, range_commit, &p, err);
    *amax = fmaxf(-p.sum.range.min, p.sum.range.max);
    free(p.slot);
    return st;
}
