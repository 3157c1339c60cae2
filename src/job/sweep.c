/* src/job/sweep.c - many schemes on the tensors of a plan: bits a weight against SQNR.
 *
 * An item of work is one scheme on one tile of one tensor's sample; all schemes of a tile follow
 * each other, and a worker that still holds the tile does not read it again. Sums are taken in the
 * order of the items; a tensor that was sampled counts by its weights, not by the sample's. Before
 * that, one pass looks for NaN and for the largest magnitudes, which nvfp4 asks for.
 *
 * Not here: what is written about it (print/sweep_text.c, print/sweep_svg.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/thread.h"
#include "job/span.h"
#include "job/stream.h"

static const char *const kinds[] = { "int8", "int6", "int5", "int4", "int4-asym",
                                     "int3", "int2", "nf4",  "fp4",  "fp8_e4m3" };
static const char *const grans[] = { "g16", "g32", "g64", "g128", "g256", "channel" };
static const char *const fixed[] = { "mxfp4", "nvfp4" };

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
_Static_assert(LENGTH(kinds) * LENGTH(grans) + LENGTH(fixed) == WH_SWEEP_ROWS, "rows of a sweep");

typedef struct target { /* a tensor that the plan quantizes */
    size_t entry;
    wh_pieces pieces;
    float amax; /* largest finite magnitude of the sample */
} target;

typedef struct hold { /* what a worker has at hand */
    uint64_t tile;    /* counted from 1, 0: none */
    size_t rows, cols;
    float amax;
    int beyond; /* a scale is beyond its type */
} hold;

typedef struct sweep_job {
    whit_sweep *sweep;
    target *target; /* [tiles.count] */
    hold *hold;     /* [threads] */
    double w2[WH_SWEEP_ROWS], err2[WH_SWEEP_ROWS];
    int beyond[WH_SWEEP_ROWS];
    wh_numbering tiles; /* of the samples: pieces are rows */
    wh_stream stream;
} sweep_job;

/* ---- rows ---- */

static whit_status make_rows(whit_sweep *s, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < WH_SWEEP_ROWS && st == WHIT_OK; i++) {
        char text[WHIT_SCHEME_TEXT];
        size_t k = i / LENGTH(grans), tail = i - LENGTH(kinds) * LENGTH(grans);
        if (k < LENGTH(kinds))
            snprintf(text, sizeof text, "%s-%s", kinds[k], grans[i % LENGTH(grans)]);
        else
            snprintf(text, sizeof text, "%s", fixed[tail]);
        st = whit_scheme_parse(&s->row[i].scheme, text, err);
    }
    return st;
}

static whit_status add_sizes(whit_sweep *s, const whit_plan_entry *e, whit_error *err)
{
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        whit_plane planes[WHIT_MAX_PLANES];
        int overflow;
        unsigned n = whit_native_planes(&s->row[i].scheme, e->source->rows, e->source->cols, planes,
                                        &overflow);
        for (unsigned k = 0; k < n && !overflow; k++)
            overflow = !wh_add_u64(s->row[i].bytes_out, planes[k].bytes, &s->row[i].bytes_out);
        if (overflow) return wh_fail(err, WHIT_ERR_UNSUPPORTED, "the tensors are too large");
    }
    return WHIT_OK;
}

static int by_bits(const void *a, const void *b)
{
    const whit_sweep_row *x = a, *y = b;
    double p = isnan(x->sqnr_db) ? -INFINITY : x->sqnr_db;
    double q = isnan(y->sqnr_db) ? -INFINITY : y->sqnr_db;
    if (x->bytes_out != y->bytes_out) return x->bytes_out < y->bytes_out ? -1 : 1;
    if (p != q) return p > q ? -1 : 1;
    if (x->scheme.kind != y->scheme.kind) return x->scheme.kind < y->scheme.kind ? -1 : 1;
    if (x->scheme.bits != y->scheme.bits) return x->scheme.bits < y->scheme.bits ? -1 : 1;
    if (x->scheme.gran != y->scheme.gran) return x->scheme.gran > y->scheme.gran ? -1 : 1;
    return (x->scheme.group > y->scheme.group) - (x->scheme.group < y->scheme.group);
}

static void finish_rows(const sweep_job *j)
{
    whit_sweep *s = j->sweep;
    double best = -INFINITY;
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        whit_sweep_row *r = &s->row[i];
        r->bits_per_weight = 8.0 * (double)r->bytes_out / (double)s->totals.weights;
        r->sqnr_db = j->beyond[i] ? NAN : whit_sqnr_db(j->w2[i], j->err2[i]);
    }
    qsort(s->row, WH_SWEEP_ROWS, sizeof *s->row, by_bits);
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        s->row[i].pareto = s->row[i].sqnr_db > best;
        if (s->row[i].pareto) best = s->row[i].sqnr_db;
    }
}

/* ---- reading ---- */

/* The pieces of a tile, one after another in the worker's w. */
static whit_status read_tile(sweep_job *j, unsigned worker, uint64_t tile, size_t *index,
                             whit_error *err)
{
    wh_rect rect;
    hold *h = &j->hold[worker];
    *index = wh_numbering_find(&j->tiles, tile, &rect);
    if (h->tile == tile + 1) return WHIT_OK;
    const target *t = &j->target[*index];
    float *to = j->stream.workers[worker].w;
    whit_status st = WHIT_OK;
    h->tile = 0;
    h->rows = (size_t)rect.rows;
    for (uint64_t k = 0, n; k < rect.rows && st == WHIT_OK; k += n) {
        wh_rect p = wh_pieces_at(&t->pieces, rect.r0 + k);
        n = t->pieces.taken == t->pieces.rows ? rect.rows : 1; /* rows without gaps: all at once */
        st = whit_source_read_f32(j->sweep->plan->source, t->entry, p.r0, n, p.c0, p.cols, to, err);
        h->cols = (size_t)p.cols; /* of all; where they differ a tile has one */
        to += p.cols;
    }
    if (st == WHIT_OK) h->tile = tile + 1;
    return st;
}

static whit_status look_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    sweep_job *j = ctx;
    size_t i;
    hold *h = &j->hold[worker];
    const wh_encode_ops *ops = wh_encode_select();
    const whit_plan *plan = j->sweep->plan;
    whit_status st = read_tile(j, worker, tile, &i, err);
    h->amax = 0.0f;
    for (size_t k = 0; k < h->rows && st == WHIT_OK; k++) {
        wh_worker *w = &j->stream.workers[worker];
        const float *row = w->w + k * h->cols;
        wh_range range;
        ops->range(row, h->cols, &range);
        if (!range.finite && plan->nonfinite == WHIT_NONFINITE_REFUSE) {
            wh_rect r;
            wh_numbering_find(&j->tiles, tile, &r);
            r = wh_pieces_at(&j->target[i].pieces, r.r0 + k);
            wh_tile bad = { .w = row, .rows = 1, .cols = h->cols, .row0 = r.r0, .col0 = r.c0 };
            return wh_plan_blame(plan, j->target[i].entry, wh_tile_not_finite(&bad, err), err);
        }
        if (!range.finite) {
            wh_clean(row, h->cols, WHIT_NONFINITE_ZERO, 0.0f, w->scratch);
            ops->range(w->scratch, h->cols, &range);
        }
        h->amax = fmaxf(h->amax, fmaxf(-range.min, range.max));
    }
    return st;
}

static const char *name_of(const sweep_job *j, size_t i)
{
    return j->sweep->plan->entry[j->target[i].entry].source->tensor.name;
}

/* For the progress. */
static uint64_t stored_bytes(const sweep_job *j, size_t i, uint64_t weights)
{
    const whit_plan_entry *e = &j->sweep->plan->entry[j->target[i].entry];
    return weights * whit_dtype_bits(e->source->tensor.dtype) / 8;
}

static whit_status look_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    sweep_job *j = ctx;
    wh_rect rect;
    size_t i = wh_numbering_find(&j->tiles, tile, &rect);
    j->target[i].amax = fmaxf(j->target[i].amax, j->hold[worker].amax);
    return wh_meter_step(&j->stream.meter, name_of(j, i), 0, err);
}

/* ---- measuring ---- */

static whit_status try_work(void *ctx, unsigned worker, uint64_t item, whit_error *err)
{
    sweep_job *j = ctx;
    size_t i;
    hold *h = &j->hold[worker];
    wh_worker *w = &j->stream.workers[worker];
    const whit_plan *plan = j->sweep->plan;
    wh_quantizer q;
    w->stats = (whit_quant_stats){ 0 };
    h->beyond = 0;
    whit_status st = read_tile(j, worker, item / WH_SWEEP_ROWS, &i, err);
    whit_quant_spec spec = { .struct_size = sizeof spec,
                             .scheme = j->sweep->row[item % WH_SWEEP_ROWS].scheme,
                             .clip = plan->clip,
                             .percentile = plan->percentile,
                             .nonfinite = plan->nonfinite,
                             .scale2 = whit_nvfp4_scale2(j->target[i].amax) };
    if (st == WHIT_OK) st = wh_quantizer_init(&q, &spec, err);
    if (st != WHIT_OK) return st;
    wh_tile t = { .w = w->w,
                  .rows = h->rows,
                  .cols = h->cols,
                  .group = h->cols,
                  .codes = w->codes,
                  .scale = w->scale,
                  .zero = q.scheme.asym ? w->zero : NULL,
                  .scratch = w->scratch,
                  .stats = &w->stats };
    if (q.scheme.group && q.scheme.group < t.cols) t.group = q.scheme.group;
    st = wh_tile_encode(&q, &t, NULL);
    h->beyond = st == WHIT_ERR_NUMERIC; /* all is finite, so it is a scale */
    return h->beyond ? WHIT_OK : st;
}

static whit_status try_commit(void *ctx, unsigned worker, uint64_t item, whit_error *err)
{
    sweep_job *j = ctx;
    wh_rect rect;
    size_t i = wh_numbering_find(&j->tiles, item / WH_SWEEP_ROWS, &rect),
           row = (size_t)(item % WH_SWEEP_ROWS);
    const whit_quant_stats *s = &j->stream.workers[worker].stats;
    const target *t = &j->target[i];
    const hold *h = &j->hold[worker];
    double share = (double)(t->pieces.rows * t->pieces.cols) / (double)t->pieces.weights;
    j->w2[row] += share * s->sum_w2;
    j->err2[row] += share * s->sum_err2;
    j->beyond[row] |= h->beyond;
    uint64_t bytes = stored_bytes(j, i, (uint64_t)h->rows * h->cols);
    bytes = bytes * (row + 1) / WH_SWEEP_ROWS - bytes * row / WH_SWEEP_ROWS;
    return wh_meter_step(&j->stream.meter, name_of(j, i), bytes, err);
}

/* ---- the job ---- */

static whit_status list_targets(sweep_job *j, whit_error *err)
{
    const whit_plan *plan = j->sweep->plan;
    whit_sweep_totals *totals = &j->sweep->totals;
    size_t count = 0;
    whit_status st = WHIT_OK;
    j->target = wh_calloc(plan->count, sizeof *j->target);
    if (!wh_numbering_init(&j->tiles, plan->count) || !j->target)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a sweep");
    for (size_t i = 0; i < plan->count && st == WHIT_OK; i++) {
        const whit_plan_entry *e = &plan->entry[i];
        if (!whit_scheme_is_quantized(&e->scheme) || e->weights == 0) continue;
        wh_pieces p = wh_pieces_of(e->source->rows, e->source->cols);
        j->target[count] = (target){ .entry = i, .pieces = p };
        j->tiles.tiling[count++] = wh_tiling_make(p.taken, p.width, 1);
        totals->weights += e->weights;
        totals->sampled += p.weights;
        totals->in_parts += p.per_row > 1;
        st = add_sizes(j->sweep, e, err);
    }
    totals->tensors = j->tiles.count = count;
    wh_numbering_finish(&j->tiles);
    if (st == WHIT_OK && count == 0)
        st = wh_fail(err, WHIT_ERR_ARG, "the plan quantizes nothing; try: whit plan IN -v");
    return st;
}

/* What the plan holds is counted as it counted that; the tables here are within its allowance for
 * each tensor. */
static uint64_t held_bytes(const whit_plan *plan)
{
    return plan->totals.memory_bytes - plan->totals.threads * wh_plan_worker_bytes(plan);
}

static whit_status measure(sweep_job *j, whit_error *err)
{
    const whit_plan *plan = j->sweep->plan;
    uint64_t tiles = j->tiles.first[j->tiles.count];
    whit_status st = wh_stream_open(&j->stream, &plan->job, &j->tiles, held_bytes(plan), err);
    if (st != WHIT_OK) return st;
    unsigned threads = j->stream.threads;
    for (size_t i = 0; i < j->tiles.count; i++)
        j->stream.meter.total += stored_bytes(j, i, j->target[i].pieces.weights);
    j->hold = wh_calloc(threads, sizeof *j->hold);
    if (!j->hold) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a sweep");
    if (st == WHIT_OK) st = wh_for_ordered(threads, tiles, look_work, look_commit, j, err);
    if (st == WHIT_OK)
        st = wh_for_ordered(threads, tiles * WH_SWEEP_ROWS, try_work, try_commit, j, err);
    wh_stream_close(&j->stream);
    return st;
}

whit_status whit_sweep_run(whit_sweep **out, const whit_plan *plan, whit_error *err)
{
    *out = NULL;
    if (!plan) return wh_fail(err, WHIT_ERR_ARG, "whit_sweep_run: no plan");
    sweep_job j = { .sweep = wh_calloc(1, sizeof *j.sweep) };
    if (!j.sweep) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a sweep");
    j.sweep->plan = plan;
    whit_status st = make_rows(j.sweep, err);
    if (st == WHIT_OK) st = list_targets(&j, err);
    if (st == WHIT_OK) st = measure(&j, err);
    if (st == WHIT_OK) finish_rows(&j);
    free(j.target);
    free(j.hold);
    wh_numbering_free(&j.tiles);
    if (st == WHIT_OK)
        *out = j.sweep;
    else
        whit_sweep_free(j.sweep);
    return st;
}

void whit_sweep_free(whit_sweep *sweep)
{
    free(sweep);
}

size_t whit_sweep_count(const whit_sweep *sweep)
{
    (void)sweep; /* all have the same rows */
    return WH_SWEEP_ROWS;
}

const whit_sweep_row *whit_sweep_at(const whit_sweep *sweep, size_t index)
{
    return index < WH_SWEEP_ROWS ? &sweep->row[index] : NULL;
}

const whit_sweep_totals *whit_sweep_total(const whit_sweep *sweep)
{
    return &sweep->totals;
}
