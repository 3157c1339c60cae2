/* src/job/check.c - all of a model's data read once: are scales, zero points and codes what their
 * scheme allows, are the fill bits zero, where are NaN and infinity.
 *
 * Every stored part is an item of its own: a plane of codes, of scales, of zero points, the blocks
 * of a GGUF tensor, or a plain float tensor. Of checkpoints of other programs, whose codes mean
 * what their layout says and may all be in use, the decoded values are one. Other types hold
 * nothing that could be wrong. Not here: the small files beside the weights (side.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/plan.h"
#include "job/side.h"
#include "job/stream.h"

typedef enum role {
    ROLE_FLOATS,
    ROLE_CODES,
    ROLE_SCALES,
    ROLE_ZEROS,
    ROLE_SCALE2,
    ROLE_FINITE,
    ROLE_BLOCKS,
    ROLE_DECODED
} role;

typedef struct item {
    const whit_source_tensor *of;
    size_t stored; /* index in the file; ROLE_DECODED: in the source */
    role role;
} item;

typedef struct found {
    uint64_t bad;      /* values outside what is allowed: problems */
    uint64_t nan, inf; /* of plain floats: notes */
    uint64_t fill;     /* rows whose unused bits are not 0 */
} found;

typedef struct check_job {
    const whit_source *source;
    item *item; /* [count] */
    size_t count;
    found *sum; /* [count] */
    wh_numbering tiles;
    wh_stream stream;
} check_job;

static void check_floats(const float *v, size_t n, found *f)
{
    for (size_t i = 0; i < n; i++) {
        f->nan += (uint64_t)(isnan(v[i]) != 0);
        f->inf += (uint64_t)(isinf(v[i]) != 0);
    }
}

static void check_scales(const float *v, size_t n, int positive, found *f)
{
    for (size_t i = 0; i < n; i++)
        f->bad += (uint64_t)(!isfinite(v[i]) || v[i] == 0.0f || (positive && v[i] < 0.0f));
}

static void check_zeros(const uint8_t *v, size_t n, unsigned bits, found *f)
{
    for (size_t i = 0; i < n; i++) f->bad += (uint64_t)(v[i] >> bits != 0);
}

/* Codes that no encoder writes: -128 of symmetric int8, NaN and infinity of fp8. */
static int is_stray(const whit_scheme *s, uint8_t code)
{
    if (s->kind == WHIT_FP8_E4M3) return (code & 0x7f) == 0x7f;
    if (s->kind == WHIT_FP8_E5M2) return (code & 0x7f) >= 0x7c;
    return code == 0;
}

/* Rows of codes, or a part of one. Narrower codes are all in use. */
static void check_codes(const uint8_t *v, const wh_rect *r, const whit_source_tensor *t,
                        uint64_t row_bytes, found *f)
{
    unsigned bits = t->scheme.bits, used = (unsigned)(t->cols * bits % 8);
    if (bits == 8 && !t->scheme.asym)
        for (uint64_t i = 0; i < r->rows * r->cols; i++)
            f->bad += (uint64_t)is_stray(&t->scheme, v[i]);
    if (used == 0 || r->c0 + r->cols != row_bytes) return;
    for (uint64_t k = 0; k < r->rows; k++)
        f->fill += (uint64_t)(v[(k + 1) * r->cols - 1] >> used != 0);
}

static whit_status read_item(const check_job *j, const item *it, const wh_rect *r, uint64_t cols,
                             wh_worker *w, whit_error *err)
{
    const size_t n = (size_t)(r->rows * r->cols);
    const size_t size =
        it->role == ROLE_SCALES ? whit_dtype_bits(it->of->scheme.scale_type) / 8 : 1;
    const uint64_t first = r->r0 * cols + r->c0;
    const whit_file *file = whit_source_file(j->source);
    switch (it->role) {
    case ROLE_DECODED:
        return whit_source_read_f32(j->source, it->stored, r->r0, r->rows, r->c0, r->cols, w->w,
                                    err);
    case ROLE_CODES:
    case ROLE_SCALES:
    case ROLE_ZEROS:
        return whit_file_read(file, it->stored, first * size, n * size, w->out, err);
    default:
        return whit_file_read_f32(file, it->stored, first, n, w->w, err);
    }
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    check_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    const item *it = &j->item[i];
    wh_worker *w = &j->stream.workers[worker];
    found *f = wh_stream_slot(&j->stream, worker);
    size_t n = (size_t)(r.rows * r.cols);
    const whit_scheme *s = &it->of->scheme;
    *f = (found){ 0 };
    whit_status st = read_item(j, it, &r, j->tiles.tiling[i].cols, w, err);
    if (st != WHIT_OK) return st;
    switch (it->role) {
    case ROLE_FLOATS:
        check_floats(w->w, n, f);
        break;
    case ROLE_SCALES:
        whit_dtype_to_f32(s->scale_type, w->out, n, w->w); /* mxfp4 stores E8M0 as U8 */
        check_scales(w->w, n, s->asym || s->bits == 8, f);
        break;
    case ROLE_SCALE2:
        check_scales(w->w, n, 1, f);
        break;
    case ROLE_FINITE:
    case ROLE_BLOCKS:
    case ROLE_DECODED:
        for (size_t k = 0; k < n; k++) f->bad += (uint64_t)!isfinite(w->w[k]);
        break;
    case ROLE_ZEROS:
        check_zeros(w->out, n, s->bits, f);
        break;
    case ROLE_CODES:
        check_codes(w->out, &r, it->of, j->tiles.tiling[i].cols, f);
        break;
    }
    return WHIT_OK;
}

static uint64_t bytes_of(const check_job *j, size_t i)
{
    const item *it = &j->item[i];
    return it->role == ROLE_DECODED
               ? it->of->tensor.bytes
               : whit_file_tensor(whit_source_file(j->source), it->stored)->bytes;
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    check_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    const found *f = wh_stream_slot(&j->stream, worker);
    j->sum[i].bad += f->bad;
    j->sum[i].nan += f->nan;
    j->sum[i].inf += f->inf;
    j->sum[i].fill += f->fill;
    return wh_meter_step(&j->stream.meter, j->item[i].of->tensor.name,
                         wh_numbering_share(&j->tiles, i, tile, bytes_of(j, i)), err);
}

static void add_item(check_job *j, const whit_source_tensor *of, size_t stored, role what)
{
    const whit_tensor *t = whit_file_tensor(whit_source_file(j->source), stored);
    j->item[j->count] = (item){ of, stored, what };
    j->tiles.tiling[j->count++] = what == ROLE_CODES ? wh_tiling_make(t->shape[0], t->shape[1], 1)
                                                     : wh_tiling_make(1, t->elements, 1);
}

static void add_decoded(check_job *j, size_t i)
{
    const whit_source_tensor *t = whit_source_at(j->source, i);
    j->item[j->count] = (item){ t, i, ROLE_DECODED };
    j->tiles.tiling[j->count++] = wh_tiling_make(t->rows, t->cols, 1);
}

static whit_status list_items(check_job *j, whit_error *err)
{
    size_t n = whit_source_count(j->source);
    j->item = n < SIZE_MAX / 3 ? wh_calloc(3 * n, sizeof *j->item) : NULL;
    j->sum = j->item ? wh_calloc(3 * n, sizeof *j->sum) : NULL;
    if (!j->sum || !wh_numbering_init(&j->tiles, 3 * n))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the check");
    for (size_t i = 0; i < n; i++) {
        const whit_source_tensor *t = whit_source_at(j->source, i);
        if (t->scheme.kind == WHIT_GGUF) {
            add_item(j, t, t->planes[0], ROLE_BLOCKS);
        } else if (whit_scheme_is_quantized(&t->scheme) && t->layout != WHIT_LAYOUT_NATIVE) {
            add_decoded(j, i);
        } else if (whit_scheme_is_quantized(&t->scheme)) {
            add_item(j, t, t->planes[0], ROLE_CODES);
            if (!t->scheme.dq) add_item(j, t, t->planes[1], ROLE_SCALES); /* any octet is one */
            if (t->scheme.dq) add_item(j, t, t->planes[2], ROLE_FINITE);
            if (t->scheme.dq) add_item(j, t, t->planes[3], ROLE_FINITE);
            if (t->scheme.asym) add_item(j, t, t->planes[2], ROLE_ZEROS);
            if (t->scheme.kind == WHIT_NVFP4) add_item(j, t, t->planes[2], ROLE_SCALE2);
        } else if (whit_dtype_is_float(t->stored)) {
            add_item(j, t, t->planes[0], ROLE_FLOATS);
        }
    }
    j->tiles.count = j->count;
    wh_numbering_finish(&j->tiles);
    return WHIT_OK;
}

static whit_status stream(check_job *j, const whit_job_options *options, whit_error *err)
{
    wh_pass pass = { .tiles = &j->tiles,
                     .slot_bytes = sizeof(found),
                     .work = tile_work,
                     .commit = tile_commit,
                     .ctx = j };
    /* of all tensors that the file has: an item is one of them */
    const uint64_t tables = wh_stream_tables(whit_file_count(whit_source_file(j->source)));
    for (size_t i = 0; i < j->count; i++) pass.reads += bytes_of(j, i);
    whit_status st = wh_stream_open(&j->stream, options, &j->tiles, tables, err);
    return st == WHIT_OK ? wh_stream_pass(&j->stream, &pass, err) : st;
}

static void say(const check_job *j, whit_check *c)
{
    static const char *const what[] = { "",
                                        "codes outside the scheme's range",
                                        "scales that are 0, not finite or of the wrong sign",
                                        "zero points outside the range of codes",
                                        "tensor scales that are 0, not finite or negative",
                                        "nested scales that are not finite",
                                        "decoded values that are not finite",
                                        "decoded values that are not finite" };
    for (size_t i = 0; i < j->count; i++) {
        const found *f = &j->sum[i];
        char name[WH_SHORT];
        wh_short(name, j->item[i].of->tensor.name);
        if (f->bad)
            wh_lines_add(&c->problems, "%s: %" PRIu64 " %s", name, f->bad, what[j->item[i].role]);
        if (f->fill)
            wh_lines_add(&c->problems, "%s: %" PRIu64 " rows end in bits that are not 0", name,
                         f->fill);
        if (f->nan || f->inf)
            wh_lines_add(&c->notes, "%s: %" PRIu64 " NaN, %" PRIu64 " infinite", name, f->nan,
                         f->inf);
    }
}

whit_status whit_check_run(whit_check **out, const whit_source *source,
                           const whit_job_options *options, whit_error *err)
{
    *out = NULL;
    if (!source || !options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_check_run: argument missing");
    check_job j = { .source = source };
    whit_check *c = wh_calloc(1, sizeof *c);
    if (!c) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the check");
    whit_status st = list_items(&j, err);
    if (st == WHIT_OK) st = stream(&j, options, err);
    if (st == WHIT_OK) say(&j, c);
    if (st == WHIT_OK) st = wh_side_check(whit_source_file(source), c, err);
    if (st == WHIT_OK && (c->problems.failed || c->notes.failed))
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the findings");
    free(j.item);
    free(j.sum);
    wh_numbering_free(&j.tiles);
    if (st == WHIT_OK)
        *out = c;
    else
        whit_check_free(c);
    return st;
}

void whit_check_free(whit_check *check)
{
    if (!check) return;
    wh_lines_free(&check->problems);
    wh_lines_free(&check->notes);
    free(check);
}

size_t whit_check_problems(const whit_check *check)
{
    return check->problems.count;
}

const char *whit_check_problem(const whit_check *check, size_t index)
{
    return wh_lines_at(&check->problems, index);
}

size_t whit_check_notes(const whit_check *check)
{
    return check->notes.count;
}

const char *whit_check_note(const whit_check *check, size_t index)
{
    return wh_lines_at(&check->notes, index);
}
