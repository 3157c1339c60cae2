/* src/job/run.c - the streaming job of quantize: read, encode and write tiles, in order.
 *
 * Each worker takes the next tile of the whole plan, reads it by position, encodes it into its own
 * buffers and has the parts written to the places that the layout fixed (writer.c); only sums and
 * progress are taken in order. So memory is a set of buffers a worker and another of what it has
 * ready, and no tensor is a special case.
 * Headers are written last, since they hold the counts of fallbacks.
 *
 * SPDX-License-Identifier: MIT */
#include "job/run.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "io/io.h"
#include "job/report.h"
#include "job/span.h"
#include "job/writer.h"
#include "quant/nested.h"

#define FLUSH_EVERY ((uint64_t)32 << 20)

/* Made once for the tiles of an entry that a worker takes one after the other. */
typedef struct coder {
    size_t number; /* 1 + entry, 0: none yet */
    wh_quantizer q;
} coder;

typedef struct run {
    const whit_plan *plan;
    const wh_cvt_ops *cvt;
    wh_worker *workers;
    coder *coder; /* [threads] */
    unsigned threads;
    wh_fixed **fixed;        /* [count]: scales of entries that span tiles, else NULL */
    float *scale2;           /* [count]: of nvfp4 */
    wh_nested *nested;       /* [count]: of dq */
    whit_quant_stats *stats; /* [count] */
    wh_outset *set;
    wh_writer *writer; /* NULL: a trial, which writes nothing */
    wh_meter meter;
    uint64_t unflushed;
} run;

/* At once: little things, and what is not in the worker's buffers for output. */
static whit_status write_now(const run *r, wh_spot spot, uint64_t offset, const void *data,
                             size_t len, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    if (!r->set) return WHIT_OK;
    return wh_file_pwrite(wh_target_fd(t, r->set, spot.file), wh_target_name(t, r->set, spot.file),
                          wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

/* With the tile: data in out, scale_out or zero of the worker. */
static whit_status write_at(const run *r, const wh_worker *w, wh_spot spot, uint64_t offset,
                            const void *data, size_t len, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    if (!r->writer) return WHIT_OK;
    return wh_writer_add(r->writer, (unsigned)(w - r->workers), wh_target_fd(t, r->set, spot.file),
                         wh_target_name(t, r->set, spot.file),
                         wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

static whit_status read_weights(const run *r, size_t i, const wh_rect *rect, float *w,
                                whit_error *err)
{
    const whit_source *source = r->plan->source;
    whit_status st = WHIT_OK;
    if (rect->cols == r->plan->entry[i].source->cols) /* whole rows lie together */
        return whit_source_read_f32(source, i, rect->r0, rect->rows, 0, rect->cols, w, err);
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++)
        st = whit_source_read_f32(source, i, rect->r0 + k, 1, rect->c0, rect->cols,
                                  w + k * rect->cols, err);
    return st;
}

/* The `part` octets of each row, from the worker's out into rows of `row` octets. */
static whit_status write_rect(const run *r, const wh_worker *w, wh_spot spot, const wh_rect *rect,
                              uint64_t row, uint64_t first, size_t part, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (part == row) return write_at(r, w, spot, first, w->out, (size_t)rect->rows * part, err);
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++)
        st = write_at(r, w, spot, first + k * row, w->out + k * part, part, err);
    return st;
}

/* Kept: the same octets. */
static whit_status copy_tile(const run *r, size_t i, const wh_rect *rect, wh_worker *w,
                             whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    whit_status st = whit_file_read(whit_source_file(r->plan->source), e->source->planes[0],
                                    rect->c0, (size_t)rect->cols, w->out, err);
    if (st != WHIT_OK) return st;
    return write_at(r, w, r->plan->spot[i][0], rect->c0, w->out, (size_t)rect->cols, err);
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
    float limit = type == WHIT_F16 ? 65504.0f : type == WHIT_BF16 ? 0x1.fep127f : FLT_MAX;
    whit_status st = read_weights(r, i, rect, w->w, err);
    if (st != WHIT_OK) return st;
    if (r->plan->nonfinite != WHIT_NONFINITE_REFUSE)
        w->stats.nonfinite = wh_clean(w->w, n, r->plan->nonfinite, limit, w->w);
    wh_cvt_from_f32(r->cvt, type, w->w, n, w->out);
    wh_cvt_to_f32(r->cvt, type, w->out, n, w->scratch);
    st = wh_convert_measure(w->w, w->scratch, n, rect, "--nonfinite zero, or --rule 'NAME=keep'",
                            &w->stats, err);
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    return write_at(r, w, r->plan->spot[i][0], (rect->r0 * e->source->cols + rect->c0) * size,
                    w->out, n * size, err);
}

/* dq: the codes of the scales that begin with number first; with the first tile the rest. */
static whit_status write_nested(const run *r, size_t i, uint64_t first, wh_worker *w, size_t count,
                                whit_error *err)
{
    const wh_nested *n = &r->nested[i];
    if (!r->set) return WHIT_OK; /* a trial */
    const whit_source_tensor *s = r->plan->entry[i].source;
    whit_status st = write_now(r, r->plan->spot[i][1], first, n->code + first, count, err);
    if (st != WHIT_OK || first != 0) return st;
    uint64_t groups = s->rows * ((s->cols - 1) / r->plan->entry[i].scheme.group + 1);
    uint64_t blocks = (groups - 1) / WH_NESTED_BLOCK + 1;
    for (uint64_t b = 0; b < blocks && st == WHIT_OK; b += 1024) {
        size_t m = blocks - b < 1024 ? (size_t)(blocks - b) : 1024;
        uint8_t bytes[4 * 1024];
        whit_dtype_from_f32(WHIT_F32, n->absmax + b, m, bytes);
        st = write_now(r, r->plan->spot[i][2], 4 * b, bytes, 4 * m, err);
    }
    whit_dtype_from_f32(WHIT_F32, &n->offset, 1, w->scale_out);
    return st == WHIT_OK ? write_now(r, r->plan->spot[i][3], 0, w->scale_out, 4, err) : st;
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
    /* parts of rows, or of blocks of rows, are one row of scales high */
    uint64_t high = s->block_rows ? s->block_rows : 1;
    first = s->gran == WHIT_GRAN_TENSOR
                ? 0
                : rect->r0 / high * scols + (s->group ? rect->c0 / s->group : 0);
    if (s->dq) return write_nested(r, i, first, w, count, err);
    if (r->fixed[i]) { /* one scale, written with the first tile of its region */
        if (rect->c0 != 0 || (s->gran == WHIT_GRAN_TENSOR && rect->r0 != 0)) return WHIT_OK;
        count = 1;
    }
    wh_cvt_from_f32(r->cvt, s->scale_type, w->scale, count, w->scale_out);
    whit_status st =
        write_at(r, w, r->plan->spot[i][1], first * size, w->scale_out, count * size, err);
    if (st == WHIT_OK && s->asym)
        st = write_at(r, w, r->plan->spot[i][2], first, w->zero, count, err);
    if (st == WHIT_OK && s->kind == WHIT_NVFP4 && first == 0) {
        uint8_t scale2[4];
        whit_dtype_from_f32(WHIT_F32, &r->scale2[i], 1, scale2);
        st = write_now(r, r->plan->spot[i][2], 0, scale2, sizeof scale2, err);
    }
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
    return write_rect(r, w, r->plan->spot[i][0], rect, row, rect->r0 * row + rect->c0 / 8 * bits,
                      part, err);
}

/* --fake-quant: the values that the codes stand for, in the type of the source. */
static whit_status write_fake(const run *r, size_t i, const wh_rect *rect, const wh_quantizer *q,
                              const wh_tile *t, wh_worker *w, whit_error *err)
{
    const whit_source_tensor *s = r->plan->entry[i].source;
    size_t groups = (t->cols + t->group - 1) / t->group, n = (size_t)(rect->rows * rect->cols);
    size_t size = whit_dtype_bits(s->tensor.dtype) / 8;
    whit_scheme one = q->scheme;
    one.gran = WHIT_GRAN_CHANNEL;
    for (size_t row = 0; row < t->rows; row++)
        for (size_t g = 0; g < groups; g++) {
            size_t c = g * t->group, m = t->cols - c < t->group ? t->cols - c : t->group;
            size_t at = row * t->cols + c;
            size_t k = row / (t->block_rows ? t->block_rows : 1) * groups + g;
            float scale = t->scale[k] * q->unit;
            whit_dequantize(t->codes + at, &scale, t->zero ? t->zero + k : NULL, 1, m, &one,
                            w->w + at, NULL);
        }
    wh_cvt_from_f32(r->cvt, s->tensor.dtype, w->w, n, w->out);
    return write_rect(r, w, r->plan->spot[i][0], rect, s->cols * size,
                      (rect->r0 * s->cols + rect->c0) * size, (size_t)rect->cols * size, err);
}

/* dq: the scales that a decoder will see. */
static void decode_nested(const wh_nested *n, const wh_tile *t, float *scale, size_t cols)
{
    float map[256];
    size_t group = t->group, per_row = (cols - 1) / group + 1;
    size_t here = t->rows * ((t->cols - 1) / group + 1);
    uint64_t first = t->row0 * per_row + t->col0 / group;
    wh_nested_map(map);
    for (size_t i = 0; i < here; i++)
        scale[i] = wh_nested_decode(map, n->code[first + i],
                                    n->absmax[(first + i) / WH_NESTED_BLOCK], n->offset);
}

static whit_status coder_of(const run *r, unsigned worker, size_t i, const wh_quantizer **q,
                            whit_error *err)
{
    coder *c = &r->coder[worker];
    float scale2 = r->scale2[i] > 0 ? r->scale2[i] : 1.0f; /* a trial has not looked for it */
    *q = &c->q;
    if (c->number == i + 1) return WHIT_OK;
    c->number = 0;
    whit_status st = wh_plan_quantizer(r->plan, i, scale2, &c->q, err);
    if (st == WHIT_OK) c->number = i + 1;
    return st;
}

static whit_status encode_tile(const run *r, unsigned worker, size_t i, const wh_rect *rect,
                               whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    const wh_quantizer *q;
    wh_worker *w = &r->workers[worker];
    whit_status st = coder_of(r, worker, i, &q, err);
    if (st == WHIT_OK) st = read_weights(r, i, rect, w->w, err);
    if (st != WHIT_OK) return st;
    wh_tile t = { .w = w->w,
                  .rows = (size_t)rect->rows,
                  .cols = (size_t)rect->cols,
                  .group = (size_t)rect->cols,
                  .codes = w->codes,
                  .scale = w->scale,
                  .zero = q->scheme.asym ? w->zero : NULL,
                  .scratch = w->scratch,
                  .row0 = rect->r0,
                  .col0 = rect->c0,
                  .stats = &w->stats };
    if (q->scheme.group && q->scheme.group < t.cols) t.group = q->scheme.group;
    if (q->scheme.gran == WHIT_GRAN_BLOCK) {
        t.block_rows = q->scheme.block_rows;
        t.gather = (float *)(void *)w->out; /* not needed before the codes are packed */
        size_t high = t.block_rows < t.rows ? t.block_rows : t.rows;
        t.gather_codes = w->out + sizeof(float) * high * t.group;
    }
    if (q->scheme.dq && r->nested[i].code) {
        decode_nested(&r->nested[i], &t, w->scale, (size_t)e->source->cols);
        t.given = w->scale;
    }
    if (r->fixed[i])
        t.fixed = &r->fixed[i][q->scheme.gran == WHIT_GRAN_TENSOR ? 0 : rect->r0];
    else if (q->scheme.gran == WHIT_GRAN_TENSOR) { /* the whole tensor is this tile: one region */
        t.group = t.cols = t.rows * t.cols;
        t.rows = 1;
    }
    st = wh_tile_encode(q, &t, err);
    if (st == WHIT_ERR_NUMERIC && t.rows != rect->rows) {
        t.rows = (size_t)rect->rows;
        t.cols = (size_t)rect->cols;
        wh_tile_not_finite(&t, err);
    }
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    if (r->plan->fake) return write_fake(r, i, rect, q, &t, w, err);
    st = write_codes(r, i, rect, w, err);
    if (st != WHIT_OK) return st;
    size_t high = t.block_rows ? t.block_rows : 1;
    return write_scales(r, i, rect, w,
                        (t.rows + high - 1) / high * ((t.cols + t.group - 1) / t.group), err);
}

/* Up to what is to be written. */
static whit_status make_tile(const run *r, unsigned worker, uint64_t tile, whit_error *err)
{
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
        return encode_tile(r, worker, i, &rect, err);
    }
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    run *r = ctx;
    whit_status st = wh_writer_begin(r->writer, worker, tile, err);
    if (st != WHIT_OK) return st;
    st = make_tile(r, worker, tile, err);
    if (st != WHIT_OK) return wh_writer_fail(r->writer, tile, st, err);
    return wh_writer_send(r->writer, worker, &r->workers[worker], err);
}

whit_status wh_run_try(const whit_plan *plan, uint64_t tile, wh_worker *worker, whit_error *err)
{
    coder one = { 0 };
    run r = { .plan = plan,
              .cvt = whit_source_file(plan->source)->cvt,
              .workers = worker,
              .coder = &one,
              .threads = 1 };
    r.fixed = wh_calloc(plan->count, sizeof *r.fixed);
    r.scale2 = wh_calloc(plan->count, sizeof *r.scale2);
    r.nested = wh_calloc(plan->count, sizeof *r.nested);
    whit_status st = r.fixed && r.scale2 && r.nested
                         ? make_tile(&r, 0, tile, err)
                         : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a trial");
    free(r.fixed);
    free(r.scale2);
    free(r.nested);
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
    sum->nonfinite += s->nonfinite;
    if (s->max_abs_err > sum->max_abs_err) sum->max_abs_err = s->max_abs_err;
    uint64_t n = wh_numbering_share(&r->plan->tiles, i, tile, e->bytes_in);
    r->unflushed += n;
    if (r->unflushed >= FLUSH_EVERY) {
        uint32_t file = r->plan->spot[i][0].file;
        wh_file_flush_hint(wh_target_fd(&r->plan->target, r->set, file), 0, 0);
        r->unflushed = 0;
    }
    whit_status st = wh_meter_step(&r->meter, e->source->tensor.name, n, err);
    return st == WHIT_OK ? st : wh_writer_fail(r->writer, tile, st, err);
}

static whit_status run_tiles(run *r, whit_error *err)
{
    const uint64_t tiles = r->plan->tiles.first[r->plan->count];
    whit_status st = wh_for_ordered(r->threads, tiles, tile_work, tile_commit, r, err);
    const whit_status lowest = wh_writer_status(r->writer, err);
    return lowest == WHIT_OK ? st : lowest;
}

/* Scales of tensors that span tiles, and of those with a scale of their own on top. */
static whit_status fit_spans(run *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < r->plan->count && st == WHIT_OK; i++) {
        wh_quantizer q;
        float amax;
        const whit_scheme *s = &r->plan->entry[i].scheme;
        if (s->kind != WHIT_NVFP4 && !s->dq && !wh_plan_spans(r->plan, i)) continue;
        st = wh_plan_quantizer(r->plan, i, 1.0f, &q, err);
        if (st != WHIT_OK) return st;
        if (q.scheme.kind == WHIT_NVFP4) {
            st = wh_span_amax(r->plan, i, &q, r->workers, r->threads, &r->meter, &amax, err);
            r->scale2[i] = whit_nvfp4_scale2(amax);
        } else if (q.scheme.dq) {
            st = wh_span_nested(r->plan, i, &q, r->workers, r->threads, &r->meter, &r->nested[i],
                                err);
        } else
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
        if (plan->entry[i].scheme.kind == WHIT_NVFP4 || plan->entry[i].scheme.dq)
            total += plan->entry[i].bytes_in;
        else if (wh_plan_spans(plan, i) && wh_plan_quantizer(plan, i, 1.0f, &q, NULL) == WHIT_OK)
            total += wh_span_passes(&q) * plan->entry[i].bytes_in;
    }
    return total;
}

static whit_status allocate(run *r, whit_error *err)
{
    r->workers = wh_workers_make(r->threads, wh_numbering_largest(&r->plan->tiles));
    r->writer = wh_writer_make(r->threads, wh_numbering_largest(&r->plan->tiles));
    r->coder = wh_calloc(r->threads, sizeof *r->coder);
    r->fixed = wh_calloc(r->plan->count, sizeof *r->fixed);
    r->stats = wh_calloc(r->plan->count, sizeof *r->stats);
    r->scale2 = wh_calloc(r->plan->count, sizeof *r->scale2);
    r->nested = wh_calloc(r->plan->count, sizeof *r->nested);
    return r->workers && r->writer && r->coder && r->fixed && r->stats && r->scale2 && r->nested
               ? WHIT_OK
               : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the buffers of %u threads",
                         r->threads);
}

whit_status whit_plan_run(whit_plan *plan, whit_report **report, whit_error *err)
{
    if (report) *report = NULL;
    if (!plan || !plan->target.path)
        return wh_fail(err, WHIT_ERR_ARG, "whit_plan_run: the plan has no output");
    run r = { .plan = plan,
              .cvt = whit_source_file(plan->source)->cvt,
              .threads = plan->totals.threads };
    whit_status st = allocate(&r, err);
    if (st == WHIT_OK)
        st = wh_target_open(&plan->target, plan->source, plan->job.force, &r.set, err);
    wh_meter_start(&r.meter, &plan->job, total_work(plan));
    if (st == WHIT_OK) st = fit_spans(&r, err);
    if (st == WHIT_OK) st = run_tiles(&r, err);
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
    for (size_t i = 0; r.nested && i < plan->count; i++) wh_nested_free(&r.nested[i]);
    free(r.coder);
    free(r.nested);
    free(r.fixed);
    free(r.stats);
    free(r.scale2);
    wh_workers_free(r.workers, r.threads);
    wh_writer_free(r.writer);
    return st;
}
