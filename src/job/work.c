/* src/job/work.c - the work of quantize on a single tile: read, encode, hand over to be written.
 *
 * A worker reads the tile by position, encodes it into its own buffers and has the parts written to
 * the places that the layout fixed (writer.c). Nothing here depends on the order of tiles.
 * Not here: which tiles there are and what becomes of the sums (run.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/work.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include <whit/pack.h>
#include "base/file.h"
#include "base/mem.h"
#include "io/io.h"
#include "job/checkpoint.h"
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/method.h"
#include "job/report.h"
#include "job/work_blocks.h"
#include "job/work_packed.h"
#include "job/work_solved.h"
#include "quant/nested.h"

/* At once: little things, and what is not in the worker's buffers for output. */
static whit_status write_now(const wh_work *r, wh_spot spot, uint64_t offset, const void *data,
                             size_t len, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    if (r->match) return wh_match_bytes(r->match, spot, offset, data, len, err);
    if (!r->set) return WHIT_OK;
    return wh_file_pwrite(wh_target_fd(t, r->set, spot.file), wh_target_name(t, r->set, spot.file),
                          wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

whit_status wh_work_write(const wh_work *r, const wh_worker *w, wh_spot spot, uint64_t offset,
                          const void *data, size_t len, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    const unsigned worker = (unsigned)(w - r->workers);
    if (r->match) return wh_match_bytes(r->match, spot, offset, data, len, err);
    if (!r->writer) return WHIT_OK;
    if (r->digests) wh_digests_note(r->digests, worker, spot, offset, data, len);
    return wh_writer_add(r->writer, worker, wh_target_fd(t, r->set, spot.file),
                         wh_target_name(t, r->set, spot.file),
                         wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

/* Rows one by one, since they change places; a vector is one row. */
static whit_status read_permuted(const wh_work *r, size_t i, const wh_rect *rect, uint32_t heads,
                                 wh_worker *w, whit_error *err)
{
    const whit_source *source = r->plan->source;
    const whit_source_tensor *s = r->plan->entry[i].source;
    whit_status st = WHIT_OK;
    if (s->rows == 1) {
        st = wh_fold_read(r->plan, i, 0, 1, 1, w->scratch, err);
        for (uint64_t k = 0; k < s->cols && st == WHIT_OK; k++)
            w->w[k] = w->scratch[wh_hf_row(k, s->cols, heads)];
        return st;
    }
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++) {
        const wh_rect row = { wh_hf_row(rect->r0 + k, s->rows, heads), 1, rect->c0, rect->cols };
        float *out = w->w + k * rect->cols;
        st = whit_source_read_f32(source, i, row.r0, 1, row.c0, row.cols, out, err);
        if (st == WHIT_OK) wh_fold_apply(r->plan, i, &row, out);
    }
    return st;
}

/* Rows of GGUF's matrix that are one row of the source's: a convolution's, a stack's. */
static uint64_t rows_in_row(const wh_work *r, size_t i)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    return e->scheme.kind == WHIT_GGUF ? e->source->cols / r->plan->gguf->tensor[i].cols : 1;
}

whit_status wh_work_read(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                         whit_error *err)
{
    const whit_source *source = r->plan->source;
    const uint32_t heads = r->plan->gguf ? r->plan->gguf->tensor[i].heads : 0;
    const uint64_t cols = r->plan->entry[i].source->cols, many = rows_in_row(r, i);
    whit_status st = WHIT_OK;
    if (heads) return read_permuted(r, i, rect, heads, w, err);
    if (rect->cols == cols) /* whole rows lie together */
        return wh_fold_read(r->plan, i, rect->r0, rect->rows, 1, w->w, err);
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++) {
        const uint64_t row = rect->r0 + k;
        st = whit_source_read_f32(source, i, row / many, 1, row % many * (cols / many) + rect->c0,
                                  rect->cols, w->w + k * rect->cols, err);
    }
    if (st == WHIT_OK && many == 1) wh_fold_apply(r->plan, i, rect, w->w);
    return st;
}

/* The `part` octets of each row, from the worker's out into rows of `row` octets. */
static whit_status write_rect(const wh_work *r, const wh_worker *w, wh_spot spot,
                              const wh_rect *rect, uint64_t row, uint64_t first, size_t part,
                              whit_error *err)
{
    whit_status st = WHIT_OK;
    if (part == row)
        return wh_work_write(r, w, spot, first, w->out, (size_t)rect->rows * part, err);
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++)
        st = wh_work_write(r, w, spot, first + k * row, w->out + k * part, part, err);
    return st;
}

/* Kept: the same octets. */
static whit_status copy_tile(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                             whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    whit_status st = whit_file_read(whit_source_file(r->plan->source), e->source->planes[0],
                                    rect->c0, (size_t)rect->cols, w->out, err);
    if (st != WHIT_OK) return st;
    wh_fold_octets(r->plan, i, r->cvt, rect->c0, w->out, (size_t)rect->cols, w->scratch);
    return wh_work_write(r, w, r->plan->spot[i][0], rect->c0, w->out, (size_t)rect->cols, err);
}

/* f16, bf16, f32: the same values in another type. */
static whit_status convert_tile(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
                                whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    whit_dtype type = e->scheme.kind == WHIT_TO_F16    ? WHIT_F16
                      : e->scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                       : WHIT_F32;
    size_t n = (size_t)(rect->rows * rect->cols), size = whit_dtype_bits(type) / 8;
    float limit = type == WHIT_F16 ? 65504.0f : type == WHIT_BF16 ? 0x1.fep127f : FLT_MAX;
    whit_status st = wh_work_read(r, i, rect, w, err);
    if (st != WHIT_OK) return st;
    if (r->plan->nonfinite != WHIT_NONFINITE_REFUSE)
        w->stats.nonfinite = wh_clean(w->w, n, r->plan->nonfinite, limit, w->w);
    wh_cvt_from_f32(r->cvt, type, w->w, n, w->out);
    wh_cvt_to_f32(r->cvt, type, w->out, n, w->scratch);
    st = wh_convert_measure(w->w, w->scratch, n, rect, "--rule 'NAME=bf16', or =keep",
                            "--nonfinite zero, or --rule 'NAME=keep'", &w->stats, err);
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    return wh_work_write(r, w, r->plan->spot[i][0], (rect->r0 * e->source->cols + rect->c0) * size,
                         w->out, n * size, err);
}

/* dq: the codes of the scales that begin with number first; with the first tile the rest. */
static whit_status write_nested(const wh_work *r, size_t i, uint64_t first, wh_worker *w,
                                size_t count, whit_error *err)
{
    const wh_nested *n = &r->nested[i];
    if (!r->set && !r->match) return WHIT_OK; /* a trial */
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

static whit_status write_number(const wh_work *r, wh_spot spot, float number, whit_error *err)
{
    uint8_t octets[4];
    whit_dtype_from_f32(WHIT_F32, &number, 1, octets);
    return write_now(r, spot, 0, octets, sizeof octets, err);
}

/* The scales and zero points of a tile, to their places. */
static whit_status write_scales(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
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
    /* one scale, written with the first tile of its region */
    if (r->fixed[i] || s->gran == WHIT_GRAN_TENSOR) {
        if (rect->c0 != 0 || (s->gran == WHIT_GRAN_TENSOR && rect->r0 != 0)) return WHIT_OK;
        count = 1;
    }
    wh_cvt_from_f32(r->cvt, s->scale_type, w->scale, count, w->scale_out);
    whit_status st =
        wh_work_write(r, w, r->plan->spot[i][1], first * size, w->scale_out, count * size, err);
    if (st == WHIT_OK && s->asym)
        st = wh_work_write(r, w, r->plan->spot[i][2], first, w->zero, count, err);
    if (st == WHIT_OK && s->kind == WHIT_NVFP4 && first == 0)
        st = write_number(r, r->plan->spot[i][2], r->scale2[i], err);
    if (st == WHIT_OK && s->a8 == WHIT_A8_STATIC && first == 0)
        st = write_number(r, r->plan->spot[i][s->asym ? 3 : 2], r->plan->entry[i].acts.scale, err);
    return st;
}

/* Pack the codes of the tile, row by row, and write them. */
static whit_status write_codes(const wh_work *r, size_t i, const wh_rect *rect, wh_worker *w,
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

/* The values that the codes of a tile stand for. */
static void decode_tile(const wh_quantizer *q, const wh_tile *t, float *out)
{
    const size_t groups = (t->cols + t->group - 1) / t->group;
    whit_scheme one = q->scheme;
    one.gran = WHIT_GRAN_CHANNEL;
    for (size_t row = 0; row < t->rows; row++)
        for (size_t g = 0; g < groups; g++) {
            size_t c = g * t->group, m = t->cols - c < t->group ? t->cols - c : t->group;
            size_t at = row * t->cols + c;
            size_t k = row / (t->block_rows ? t->block_rows : 1) * groups + g;
            float scale = t->scale[k] * q->unit;
            whit_dequantize(t->codes + at, &scale, t->zero ? t->zero + k : NULL, 1, m, &one,
                            out + at, NULL);
        }
}

/* --fake-quant: the values that the codes stand for, in the type of the source. They may be beyond
 * its weights, and so beyond the type. */
static whit_status write_fake(const wh_work *r, size_t i, const wh_rect *rect,
                              const wh_quantizer *q, const wh_tile *t, wh_worker *w,
                              whit_error *err)
{
    const whit_source_tensor *s = r->plan->entry[i].source;
    const size_t n = (size_t)(rect->rows * rect->cols);
    const size_t size = whit_dtype_bits(s->tensor.dtype) / 8;
    static const char hint[] = "--rule 'NAME=keep', or no --fake-quant";
    whit_quant_stats *told = &w->stats;
    decode_tile(q, t, w->scratch);
    wh_cvt_from_f32(r->cvt, s->tensor.dtype, w->scratch, n, w->out);
    wh_cvt_to_f32(r->cvt, s->tensor.dtype, w->out, n, w->scratch);
    for (size_t k = 0; k < n; k++) /* what was not finite was counted, and has no error */
        if (!isfinite(w->w[k])) w->w[k] = w->scratch[k];
    told->weights = 0; /* the errors are those of the values in their type */
    told->sum_w2 = told->sum_err2 = told->max_abs_err = 0;
    whit_status st = wh_convert_measure(w->w, w->scratch, n, rect, hint, hint, told, err);
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    return write_rect(r, w, r->plan->spot[i][0], rect, s->cols * size,
                      (rect->r0 * s->cols + rect->c0) * size, (size_t)rect->cols * size, err);
}

/* What a method has found, measured against what it was found for. */
static whit_status fetch_tile(const wh_work *r, size_t i, const wh_rect *rect,
                              const wh_quantizer *q, const wh_tile *t, wh_worker *w,
                              whit_error *err)
{
    const size_t n = (size_t)(rect->rows * rect->cols);
    whit_status st = wh_work_fetch(r->plan, i, rect, t, err);
    if (st != WHIT_OK) return st;
    if (r->plan->nonfinite != WHIT_NONFINITE_REFUSE)
        w->stats.nonfinite = wh_clean(w->w, n, r->plan->nonfinite, 0.0f, w->w);
    decode_tile(q, t, w->scratch);
    return wh_convert_measure(w->w, w->scratch, n, rect, "--rule 'NAME=keep'", "--nonfinite zero",
                              &w->stats, err);
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

static whit_status coder_of(const wh_work *r, unsigned worker, size_t i, const wh_quantizer **q,
                            whit_error *err)
{
    wh_coder *c = &r->coder[worker];
    float scale2 = r->scale2[i] > 0 ? r->scale2[i] : 1.0f; /* a trial has not looked for it */
    *q = &c->q;
    if (c->number == i + 1) return WHIT_OK;
    c->number = 0;
    whit_status st = wh_plan_quantizer(r->plan, i, scale2, &c->q, err);
    if (st == WHIT_OK) c->number = i + 1;
    return st;
}

static whit_status encode_tile(const wh_work *r, unsigned worker, size_t i, const wh_rect *rect,
                               whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    const wh_quantizer *q;
    wh_worker *w = &r->workers[worker];
    whit_status st = coder_of(r, worker, i, &q, err);
    if (st == WHIT_OK) st = wh_work_read(r, i, rect, w, err);
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
    const float *plain = r->plan->importance ? r->plan->importance->values[i] : NULL;
    const float *importance = wh_fold_importance(r->plan, i, plain);
    if (importance) t.importance = importance + rect->c0;
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
    st = wh_work_solved(r->plan, i) ? fetch_tile(r, i, rect, q, &t, w, err)
                                    : wh_tile_encode(q, &t, err);
    if (st == WHIT_ERR_NUMERIC && t.rows != rect->rows) {
        t.rows = (size_t)rect->rows;
        t.cols = (size_t)rect->cols;
        wh_tile_not_finite(&t, err);
    }
    if (st != WHIT_OK) return wh_plan_blame(r->plan, i, st, err);
    if (r->plan->fake) return write_fake(r, i, rect, q, &t, w, err);
    if (wh_checkpoint_packing(r->plan, i))
        return r->images ? wh_work_pack(r, i, rect, w, err) : WHIT_OK;
    st = write_codes(r, i, rect, w, err);
    if (st != WHIT_OK) return st;
    size_t high = t.block_rows ? t.block_rows : 1;
    return write_scales(r, i, rect, w,
                        (t.rows + high - 1) / high * ((t.cols + t.group - 1) / t.group), err);
}

whit_status wh_work_tile(const wh_work *r, unsigned worker, uint64_t tile, whit_error *err)
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
    case WHIT_GGUF:
        return wh_work_blocks(r, i, &rect, w, err);
    default:
        return encode_tile(r, worker, i, &rect, err);
    }
}

whit_status wh_work_try(const whit_plan *plan, uint64_t tile, wh_worker *worker, whit_error *err)
{
    wh_coder one = { 0 };
    wh_work w = { .plan = plan,
                  .cvt = whit_source_file(plan->source)->cvt,
                  .workers = worker,
                  .coder = &one,
                  .threads = 1 };
    w.fixed = wh_calloc(plan->count, sizeof *w.fixed);
    w.scale2 = wh_calloc(plan->count, sizeof *w.scale2);
    w.nested = wh_calloc(plan->count, sizeof *w.nested);
    whit_status st = w.fixed && w.scale2 && w.nested
                         ? wh_work_tile(&w, 0, tile, err)
                         : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a trial");
    free(w.fixed);
    free(w.scale2);
    free(w.nested);
    return st;
}

whit_status wh_work_open(wh_work *w, const whit_plan *plan, whit_error *err)
{
    const uint64_t largest = wh_numbering_largest(&plan->tiles);
    *w = (wh_work){ .plan = plan,
                    .cvt = whit_source_file(plan->source)->cvt,
                    .threads = plan->totals.threads };
    w->workers = wh_workers_make(w->threads, largest);
    w->writer = wh_writer_make(w->threads, largest);
    w->digests = wh_digests_make(&plan->target.layout, w->threads);
    w->coder = wh_calloc(w->threads, sizeof *w->coder);
    w->fixed = wh_calloc(plan->count, sizeof *w->fixed);
    w->scale2 = wh_calloc(plan->count, sizeof *w->scale2);
    w->nested = wh_calloc(plan->count, sizeof *w->nested);
    if (plan->checkpoint) w->images = wh_images_make(plan);
    const int imaged = !plan->checkpoint || w->images;
    return w->workers && w->writer && w->digests && w->coder && w->fixed && w->scale2 &&
                   w->nested && imaged
               ? WHIT_OK
               : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the buffers of %u threads",
                         w->threads);
}

whit_status wh_work_open_match(wh_work *w, const whit_plan *plan, const wh_match *match,
                               whit_error *err)
{
    whit_status st = wh_work_open(w, plan, err);
    w->match = match;
    return st;
}

void wh_work_close(wh_work *w)
{
    for (size_t i = 0; w->fixed && i < w->plan->count; i++) free(w->fixed[i]);
    for (size_t i = 0; w->nested && i < w->plan->count; i++) wh_nested_free(&w->nested[i]);
    free(w->coder);
    free(w->nested);
    free(w->fixed);
    free(w->scale2);
    wh_workers_free(w->workers, w->threads);
    wh_writer_free(w->writer);
    wh_digests_free(w->digests);
    wh_images_free(w->images);
}
