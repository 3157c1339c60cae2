/* src/job/run.c - the streaming job of quantize: read, encode and write tiles, in order.
 *
 * Each worker takes the next tile of the whole plan, reads it by position, encodes it into its own
 * buffers and writes the parts to the places that the layout fixed; only sums and progress are
 * taken in order. So memory is one set of buffers a worker, and no tensor is a special case.
 * Headers are written last, since they hold the counts of fallbacks.
 *
 * SPDX-License-Identifier: MIT */
#include "job/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/report.h"
#include "job/span.h"

#define FLUSH_EVERY ((uint64_t)32 << 20)

typedef struct run {
    const whit_plan *plan;
    wh_worker *workers;
    unsigned threads;
    wh_fixed **fixed;        /* [count]: scales of entries that span tiles, else NULL */
    whit_quant_stats *stats; /* [count] */
    wh_outset *set;
    wh_meter meter;
    uint64_t unflushed;
} run;

static whit_status write_at(const run *r, wh_spot spot, uint64_t offset, const void *data,
                            size_t len, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    if (!r->set) return WHIT_OK; /* a trial */
    return wh_file_pwrite(wh_target_fd(t, r->set, spot.file), wh_target_name(t, r->set, spot.file),
                          wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

static whit_status read_weights(const run *r, const whit_plan_entry *e, const wh_rect *rect,
                                float *w, whit_error *err)
{
    return whit_file_read_f32(whit_source_file(r->plan->source), e->source->planes[0],
                              rect->r0 * e->source->cols + rect->c0,
                              (size_t)(rect->rows * rect->cols), w, err);
}

/* Kept: the same octets. */
static whit_status copy_tile(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                             whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    whit_status st = whit_file_read(whit_source_file(r->plan->source), e->source->planes[0],
                                    rect->c0, (size_t)rect->cols, w->w, err);
    if (st != WHIT_OK) return st;
    return write_at(r, r->plan->spot[i][0], rect->c0, w->w, (size_t)rect->cols, err);
}

/* f16, bf16, f32: the same values in another type. */
static whit_status convert_tile(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                                whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    whit_dtype type = e->scheme.kind == WHIT_TO_F16    ? WHIT_F16
                      : e->scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                       : WHIT_F32;
    size_t n = (size_t)(rect->rows * rect->cols), size = whit_dtype_bits(type) / 8;
    whit_status st = read_weights(r, e, rect, w->w, err);
    if (st != WHIT_OK) return st;
    whit_dtype_from_f32(type, w->w, n, w->out);
    whit_dtype_to_f32(type, w->out, n, w->scratch);
    st = wh_convert_measure(w->w, w->scratch, n, rect, "--rule 'NAME=keep'", &w->stats, err);
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    return write_at(r, r->plan->spot[i][0], (rect->r0 * e->source->cols + rect->c0) * size, w->out,
                    n * size, err);
}

/* The scales and zero points of a tile, to their places. */
static whit_status write_scales(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                                size_t count, whit_error *err)
{
    const whit_scheme *s = &r->plan->entry[i].scheme;
    uint64_t srows, scols, first;
    size_t size = whit_dtype_bits(s->scale_type) / 8;
    whit_scheme_scales(s, r->plan->entry[i].source->rows, r->plan->entry[i].source->cols, &srows,
                       &scols);
    first = srows == 1 && s->gran == WHIT_GRAN_TENSOR
                ? 0
                : rect->r0 * scols + (s->gran == WHIT_GRAN_GROUP ? rect->c0 / s->group : 0);
    if (r->fixed[i]) { /* one scale, written with the first tile of its region */
        if (rect->c0 != 0 || (s->gran == WHIT_GRAN_TENSOR && rect->r0 != 0)) return WHIT_OK;
        count = 1;
    }
    whit_dtype_from_f32(s->scale_type, w->scale, count, w->scale_out);
    whit_status st =
        write_at(r, r->plan->spot[i][1], first * size, w->scale_out, count * size, err);
    if (st == WHIT_OK && s->asym) st = write_at(r, r->plan->spot[i][2], first, w->zero, count, err);
    return st;
}

/* Pack the codes of the tile, row by row, and write them. */
static whit_status write_codes(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                               whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    unsigned bits = e->scheme.bits;
    size_t row = whit_packed_bytes((size_t)e->source->cols, bits);
    size_t part = whit_packed_bytes((size_t)rect->cols, bits);
    for (size_t k = 0; k < rect->rows; k++)
        whit_pack_bits(w->codes + k * rect->cols, (size_t)rect->cols, bits, w->out + k * part);
    return write_at(r, r->plan->spot[i][0], rect->r0 * row + rect->c0 / 8 * bits, w->out,
                    (size_t)rect->rows * part, err);
}

static whit_status encode_tile(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                               whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    wh_quantizer q;
    whit_status st = wh_plan_quantizer(r->plan, i, &q, err);
    if (st == WHIT_OK) st = read_weights(r, e, rect, w->w, err);
    if (st != WHIT_OK) return st;
    wh_tile t = { .w = w->w,
                  .rows = (size_t)rect->rows,
                  .cols = (size_t)rect->cols,
                  .group = (size_t)rect->cols,
                  .codes = w->codes,
                  .scale = w->scale,
                  .zero = q.scheme.asym ? w->zero : NULL,
                  .scratch = w->scratch,
                  .row0 = rect->r0,
                  .col0 = rect->c0,
                  .stats = &w->stats };
    if (q.scheme.gran == WHIT_GRAN_GROUP && q.scheme.group < t.cols) t.group = q.scheme.group;
    if (r->fixed[i])
        t.fixed = &r->fixed[i][q.scheme.gran == WHIT_GRAN_TENSOR ? 0 : rect->r0];
    else if (q.scheme.gran == WHIT_GRAN_TENSOR) { /* the whole tensor is this tile: one region */
        t.group = t.cols = t.rows * t.cols;
        t.rows = 1;
    }
    st = wh_tile_encode(&q, &t, err);
    if (st == WHIT_ERR_NUMERIC && t.rows != rect->rows) {
        t.rows = (size_t)rect->rows;
        t.cols = (size_t)rect->cols;
        wh_tile_not_finite(&t, err);
    }
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    st = write_codes(r, i, rect, w, err);
    if (st != WHIT_OK) return st;
    return write_scales(r, i, rect, w, t.rows * ((t.cols + t.group - 1) / t.group), err);
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    run *r = ctx;
    wh_rect rect;
    size_t i = wh_numbering_find(&r->plan->tiles, tile, &rect);
    wh_worker *w = &r->workers[worker];
    w->stats = (whit_quant_stats){ 0 };
    switch (r->plan->entry[i].scheme.kind) {
    case WHIT_KEEP:
        return copy_tile(r, i, &rect, w, err);
    case WHIT_TO_F16:
    case WHIT_TO_BF16:
    case WHIT_TO_F32:
        return convert_tile(r, i, &rect, w, err);
    default:
        return encode_tile(r, i, &rect, w, err);
    }
}

whit_status wh_run_try(const whit_plan *plan, uint64_t tile, wh_worker *worker, whit_error *err)
{
    run r = { .plan = plan, .workers = worker, .threads = 1 };
    r.fixed = wh_calloc(plan->count, sizeof *r.fixed);
    if (!r.fixed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a trial");
    whit_status st = tile_work(&r, 0, tile, err);
    free(r.fixed);
    return st;
}

/* In order: sums, progress, and a nudge to the system to write back what is there. */
static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    run *r = ctx;
    wh_rect rect;
    size_t i = wh_numbering_find(&r->plan->tiles, tile, &rect);
    const whit_plan_entry *e = &r->plan->entry[i];
    const whit_quant_stats *s = &r->workers[worker].stats;
    whit_quant_stats *sum = &r->stats[i];
    sum->weights += s->weights;
    sum->sum_w2 += s->sum_w2;
    sum->sum_err2 += s->sum_err2;
    sum->scales_raised += s->scales_raised;
    sum->groups_zeroed += s->groups_zeroed;
    if (s->max_abs_err > sum->max_abs_err) sum->max_abs_err = s->max_abs_err;
    uint64_t n = rect.rows * rect.cols;
    if (e->scheme.kind != WHIT_KEEP) n = n * whit_dtype_bits(e->source->tensor.dtype) / 8;
    r->unflushed += n;
    if (r->unflushed >= FLUSH_EVERY) {
        uint32_t file = r->plan->spot[i][0].file;
        wh_file_flush_hint(wh_target_fd(&r->plan->target, r->set, file), 0, 0);
        r->unflushed = 0;
    }
    return wh_meter_step(&r->meter, e->source->tensor.name, n, err);
}

/* Scales of tensors that span tiles. */
static whit_status fit_spans(run *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < r->plan->count && st == WHIT_OK; i++) {
        wh_quantizer q;
        if (!wh_plan_spans(r->plan, i)) continue;
        st = wh_plan_quantizer(r->plan, i, &q, err);
        if (st == WHIT_OK)
            st = wh_span_fit(r->plan, i, &q, r->workers, r->threads, &r->meter, &r->fixed[i],
                             &r->stats[i], err);
    }
    return st;
}

/* The counts of fallbacks of each output file go into its metadata. */
static whit_status write_notes(run *r, whit_plan *plan, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t f = 0; f < plan->target.layout.count && st == WHIT_OK; f++) {
        wh_buf notes = { 0 };
        whit_quant_stats sum = { 0 };
        uint64_t kept = 0;
        for (size_t i = 0; i < plan->count; i++) {
            if (plan->spot[i][0].file != f) continue;
            kept += (uint64_t)plan->entry[i].fallback;
            sum.scales_raised += r->stats[i].scales_raised;
            sum.groups_zeroed += r->stats[i].groups_zeroed;
        }
        wh_plan_notes(&notes, &sum, kept);
        st = notes.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the header")
                          : wh_layout_meta(&plan->target.layout, f, "whit.notes", notes.data, err);
        wh_buf_free(&notes);
    }
    return st;
}

/* Under strict, a scale that its type could only hold raised is a bar that was missed. */
static whit_status check_strict(const run *r, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; r->plan->job.strict && i < r->plan->count; i++)
        if (r->stats[i].scales_raised > 0)
            return wh_fail(err, WHIT_ERR_BAR,
                           "%s: %" PRIu64 " scales are too small for their type; try: -sf32",
                           wh_short(name, r->plan->entry[i].source->tensor.name),
                           r->stats[i].scales_raised);
    return WHIT_OK;
}

static uint64_t total_work(const whit_plan *plan)
{
    uint64_t total = plan->totals.bytes_in;
    for (size_t i = 0; i < plan->count; i++) {
        wh_quantizer q;
        if (wh_plan_spans(plan, i) && wh_plan_quantizer(plan, i, &q, NULL) == WHIT_OK)
            total += wh_span_passes(&q) * plan->entry[i].bytes_in;
    }
    return total;
}

static whit_status allocate(run *r, whit_error *err)
{
    r->workers = wh_workers_make(r->threads, wh_numbering_largest(&r->plan->tiles));
    r->fixed = wh_calloc(r->plan->count, sizeof *r->fixed);
    r->stats = wh_calloc(r->plan->count, sizeof *r->stats);
    return r->workers && r->fixed && r->stats
               ? WHIT_OK
               : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the buffers of %u threads",
                         r->threads);
}

whit_status whit_plan_run(whit_plan *plan, whit_report **report, whit_error *err)
{
    if (report) *report = NULL;
    if (!plan || !plan->target.path)
        return wh_fail(err, WHIT_ERR_ARG, "whit_plan_run: the plan has no output");
    run r = { .plan = plan, .threads = plan->totals.threads };
    whit_status st = allocate(&r, err);
    if (st == WHIT_OK)
        st = wh_target_open(&plan->target, plan->source, plan->job.force, &r.set, err);
    wh_meter_start(&r.meter, &plan->job, total_work(plan));
    if (st == WHIT_OK) st = fit_spans(&r, err);
    if (st == WHIT_OK)
        st = wh_for_ordered(r.threads, plan->tiles.first[plan->count], tile_work, tile_commit, &r,
                            err);
    if (st == WHIT_OK) st = check_strict(&r, err);
    if (st == WHIT_OK) st = write_notes(&r, plan, err);
    if (st == WHIT_OK && report) st = wh_report_make(report, plan, r.stats, err);
    if (st == WHIT_OK) st = wh_target_finish(&plan->target, plan->source, r.set, err);
    wh_outset_close(r.set);
    if (report && *report) wh_report_stop(*report, wh_seconds() - r.meter.start);
    if (st != WHIT_OK && report) {
        whit_report_free(*report);
        *report = NULL;
    }
    for (size_t i = 0; r.fixed && i < plan->count; i++) free(r.fixed[i]);
    free(r.fixed);
    free(r.stats);
    wh_workers_free(r.workers, r.threads);
    return st;
}
