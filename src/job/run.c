/* src/job/run.c - the streaming job of quantize: every tile of the plan, in order.
 *
 * Each worker takes the next tile of the whole plan and makes and writes it (work.c); only sums and
 * progress are taken in order. So memory is a set of buffers a worker and another of what it has
 * ready, and no tensor is a special case.
 * Headers are written last, since they hold the counts of fallbacks and the digests.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/job.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/checkpoint.h"
#include "job/describe.h"
#include "job/gguf_out.h"
#include "job/method.h"
#include "job/report.h"
#include "job/work.h"
#include "job/work_fit.h"
#include "job/work_packed.h"
#include "job/work_solved.h"

#define FLUSH_EVERY ((uint64_t)32 << 20)

typedef struct run {
    wh_work work;
    whit_quant_stats *stats; /* [count] */
    wh_meter meter;
    uint64_t unflushed;
} run;

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    run *r = ctx;
    whit_status st = wh_writer_begin(r->work.writer, worker, tile, err);
    if (st == WHIT_OK) st = wh_work_tile(&r->work, worker, tile, err);
    if (st != WHIT_OK && r->work.digests) wh_digests_stop(r->work.digests);
    if (st != WHIT_OK) return wh_writer_fail(r->work.writer, tile, st, err);
    if (r->work.digests) wh_digests_turn(r->work.digests, worker, tile);
    return wh_writer_send(r->work.writer, worker, &r->work.workers[worker], err);
}

/* In order: sums, progress, and a nudge to the system to write back what is there. */
static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    run *r = ctx;
    wh_rect rect;
    size_t i = wh_numbering_find(&r->work.plan->tiles, tile, &rect);
    const whit_plan_entry *e = &r->work.plan->entry[i];
    const whit_quant_stats *s = &r->work.workers[worker].stats;
    whit_quant_stats *sum = &r->stats[i];
    sum->weights += s->weights;
    sum->sum_w2 += s->sum_w2;
    sum->sum_err2 += s->sum_err2;
    sum->scales_raised += s->scales_raised;
    sum->groups_zeroed += s->groups_zeroed;
    sum->nonfinite += s->nonfinite;
    if (s->max_abs_err > sum->max_abs_err) sum->max_abs_err = s->max_abs_err;
    const uint64_t last = r->work.plan->tiles.first[i + 1] - 1;
    if (tile == last && wh_checkpoint_packing(r->work.plan, i)) {
        whit_status written = wh_work_packed_finish(&r->work, i, err);
        if (written != WHIT_OK) return wh_writer_fail(r->work.writer, tile, written, err);
    }
    uint64_t n = wh_numbering_share(&r->work.plan->tiles, i, tile, e->bytes_in);
    r->unflushed += n;
    if (r->unflushed >= FLUSH_EVERY) {
        uint32_t file = r->work.plan->spot[i][0].file;
        wh_file_flush_hint(wh_target_fd(&r->work.plan->target, r->work.set, file), 0, 0);
        r->unflushed = 0;
    }
    whit_status st = wh_meter_step(&r->meter, e->source->tensor.name, n, err);
    return st == WHIT_OK ? st : wh_writer_fail(r->work.writer, tile, st, err);
}

static whit_status run_tiles(run *r, whit_error *err)
{
    const uint64_t tiles = r->work.plan->tiles.first[r->work.plan->count];
    whit_status st = wh_for_ordered(r->work.threads, tiles, tile_work, tile_commit, r, err);
    const whit_status lowest = wh_writer_status(r->work.writer, err);
    return lowest == WHIT_OK ? st : lowest;
}

static whit_status fit_spans(run *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < r->work.plan->count && st == WHIT_OK; i++)
        st = wh_work_fit(&r->work, i, &r->meter, &r->stats[i], err);
    return st;
}

/* The counts of fallbacks of each output file go into its metadata. */
static whit_status write_notes(run *r, whit_plan *plan, whit_error *err)
{
    whit_status st = WHIT_OK;
    const size_t files = plan->gguf ? 1 : plan->target.layout.count; /* the first speaks for all */
    for (size_t f = 0; f < files && st == WHIT_OK; f++) {
        wh_buf notes = { 0 };
        whit_quant_stats sum = { 0 };
        uint64_t kept = 0;
        for (size_t i = 0; i < plan->count; i++) {
            if (!plan->gguf && plan->spot[i][0].file != f) continue;
            kept += (uint64_t)plan->entry[i].fallback;
            sum.scales_raised += r->stats[i].scales_raised;
            sum.groups_zeroed += r->stats[i].groups_zeroed;
            sum.nonfinite += r->stats[i].nonfinite;
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
    for (size_t i = 0; r->work.plan->job.strict && i < r->work.plan->count; i++)
        if (r->stats[i].scales_raised > 0)
            return wh_fail(err, WHIT_ERR_BAR,
                           "%s: %" PRIu64 " scales are too small for their type; try: -sf32",
                           wh_short(name, r->work.plan->entry[i].source->tensor.name),
                           r->stats[i].scales_raised);
    return WHIT_OK;
}

/* Stored octets that are read before the tiles of an entry, for its scales. */
static uint64_t passes_of(const whit_plan *plan, size_t i)
{
    const whit_plan_entry *e = &plan->entry[i];
    wh_quantizer q;
    if (e->scheme.kind == WHIT_NVFP4 || e->scheme.dq) return e->bytes_in;
    if (!wh_plan_spans(plan, i) || wh_plan_quantizer(plan, i, 1.0f, &q, NULL) != WHIT_OK) return 0;
    return wh_span_passes(&q) * e->bytes_in;
}

/* What is known before a method has run, which adds its own work when it knows its tokens. */
static uint64_t total_work(const whit_plan *plan)
{
    uint64_t total = plan->totals.bytes_in;
    for (size_t i = 0; i < plan->count; i++)
        if (!plan->method || !plan->method->takes[i]) total += passes_of(plan, i);
    return total;
}

/* Passes for what a method was to round and did not. */
static uint64_t work_left(const whit_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->method->takes[i] && !wh_work_solved(plan, i)) total += passes_of(plan, i);
    return total;
}

whit_status whit_plan_run(whit_plan *plan, whit_report **report, whit_error *err)
{
    if (report) *report = NULL;
    if (!plan || !plan->target.path)
        return wh_fail(err, WHIT_ERR_ARG, "whit_plan_run: the plan has no output");
    run r = { 0 };
    wh_outset *set = NULL;
    whit_status st = wh_target_open(&plan->target, plan->source, &plan->job, &set, err);
    wh_meter_start(&r.meter, &plan->job, total_work(plan));
    if (st == WHIT_OK && plan->method) st = wh_method_solve(plan, &r.meter, err);
    if (st == WHIT_OK && plan->method) r.meter.total += work_left(plan);
    if (st == WHIT_OK) st = wh_work_open(&r.work, plan, err);
    r.work.set = set;
    r.stats = wh_calloc(plan->count, sizeof *r.stats);
    if (st == WHIT_OK && !r.stats)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the sums of %zu tensors", plan->count);
    if (st == WHIT_OK) st = fit_spans(&r, err);
    if (st == WHIT_OK) st = run_tiles(&r, err);
    if (st == WHIT_OK && plan->gguf) st = wh_gguf_write_rest(plan, r.work.set, err);
    if (st == WHIT_OK) st = check_strict(&r, err);
    if (st == WHIT_OK) st = write_notes(&r, plan, err);
    if (st == WHIT_OK && r.work.digests)
        st = wh_digests_finish(r.work.digests, &plan->target, r.work.set, r.work.workers,
                               r.work.threads, wh_numbering_largest(&plan->tiles), err);
    if (st == WHIT_OK && report) st = wh_report_make(report, plan, r.stats, err);
    if (st == WHIT_OK) st = wh_target_finish(&plan->target, plan->source, set, err);
    if (st == WHIT_OK && plan->method) wh_method_done(plan);
    wh_outset_close(set);
    if (report && *report) wh_report_stop(*report, wh_seconds() - r.meter.start);
    if (st != WHIT_OK && report) {
        whit_report_free(*report);
        *report = NULL;
    }
    free(r.stats);
    wh_work_close(&r.work);
    return st;
}
