/* src/bench/quantize.c - how fast float32 becomes codes: whit_quantize, and whit_block_encode,
 * on every thread.
 *
 * Each thread has rows of its own, as in the streaming job; reading and writing files is not in it.
 * The input rotates over copies like cold weights, since a model's weights are met once. f16 and
 * bf16 are the conversions that the jobs use. A block type has a row for each search.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kernels/context.h"
#include "pack/block_encode.h"
#include "quant/encode.h"
#include "tensor/cvt.h"

typedef struct encoder {
    whit_scheme scheme;
    whit_clip clip;
    whit_search search; /* of block types */
} encoder;

typedef struct task {
    const encoder *encoder;
    const wh_cvt_ops *cvt;
    double percentile;
    const float *w;
    uint8_t *codes, *zero;
    float *scale;
    size_t rows, cols;
    whit_status status[WH_POOL_MAX];
    whit_error error[WH_POOL_MAX];
} task;

/* Octets of a row of blocks. */
static size_t row_bytes(const whit_scheme *s, size_t cols)
{
    const whit_block_info *info = whit_block_describe(s->block);
    return cols / info->weights * info->bytes;
}

static whit_status encode_rows(task *job, size_t r0, size_t rows, whit_error *err)
{
    const whit_scheme *s = &job->encoder->scheme;
    const float *w = job->w + r0 * job->cols;
    uint64_t above, groups;
    if (rows == 0) return WHIT_OK;
    if (s->kind == WHIT_GGUF)
        return whit_block_encode(s->block, job->encoder->search, w, rows, job->cols, NULL,
                                 job->codes + r0 * row_bytes(s, job->cols), err);
    if (!whit_scheme_is_quantized(s)) {
        const whit_dtype dtype = s->kind == WHIT_TO_F16 ? WHIT_F16 : WHIT_BF16;
        return wh_cvt_from_f32(job->cvt, dtype, w, rows * job->cols,
                               job->codes + r0 * job->cols * 2);
    }
    whit_scheme_scales(s, rows, job->cols, &above, &groups);
    const size_t at = r0 * (size_t)groups; /* enough apart for any granularity */
    const whit_quant_spec spec = { .struct_size = sizeof spec,
                                   .scheme = *s,
                                   .clip = job->encoder->clip,
                                   .percentile = job->percentile,
                                   .scale2 = whit_nvfp4_scale2(8) };
    return whit_quantize(w, rows, job->cols, &spec, job->codes + r0 * job->cols, job->scale + at,
                         s->asym ? job->zero + at : NULL, NULL, err);
}

static void encode_part(void *ctx, unsigned t, unsigned threads)
{
    task *job = ctx;
    size_t begin, end;
    wh_pool_split(job->rows, 1, t, threads, &begin, &end);
    job->status[t] = encode_rows(job, begin, end - begin, &job->error[t]);
}

/* ---- which encoders ---- */

static const struct {
    const char *type;
    whit_clip clip;
} standard[] = {
    { "int8-channel", WHIT_CLIP_MINMAX },   { "int4-g128", WHIT_CLIP_MINMAX },
    { "int4-g128", WHIT_CLIP_MSE },         { "int4-g32", WHIT_CLIP_MINMAX },
    { "int4-g128-asym", WHIT_CLIP_MINMAX }, { "nf4-g64", WHIT_CLIP_MINMAX },
    { "nf4-g64", WHIT_CLIP_MSE },           { "fp8_e4m3-channel", WHIT_CLIP_MINMAX },
    { "f16", WHIT_CLIP_DEFAULT },           { "bf16", WHIT_CLIP_DEFAULT },
};

typedef struct encoders {
    encoder *list;
    size_t count;
} encoders;

static void add(encoders *e, const whit_scheme *scheme, whit_clip clip)
{
    if (scheme->kind != WHIT_GGUF) {
        e->list[e->count++] = (encoder){ .scheme = *scheme, .clip = clip };
        return;
    }
    e->list[e->count++] = (encoder){ .scheme = *scheme, .search = WHIT_SEARCH_REFERENCE };
    e->list[e->count++] = (encoder){ .scheme = *scheme, .search = WHIT_SEARCH_BEST };
}

/* An empty list with room for so many types. */
static whit_status make_room(encoders *e, size_t types, whit_error *err)
{
    e->list = wh_calloc(types, 2 * sizeof *e->list);
    e->count = 0;
    return e->list ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu types", types);
}

/* Some schemes, then every block type (two of them share their names with schemes). */
static whit_status standard_encoders(encoders *out, whit_error *err)
{
    const size_t n = sizeof standard / sizeof standard[0];
    whit_status st = make_room(out, n + WHIT_BLOCK_COUNT, err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        whit_scheme scheme;
        st = whit_scheme_parse(&scheme, standard[i].type, err);
        if (st == WHIT_OK) add(out, &scheme, standard[i].clip);
    }
    for (int i = 1; i < WHIT_BLOCK_COUNT && st == WHIT_OK; i++) {
        const whit_scheme scheme = { .kind = WHIT_GGUF, .block = (whit_block)i };
        if (whit_block_describe(scheme.block)->encodes) add(out, &scheme, WHIT_CLIP_DEFAULT);
    }
    return st;
}

static whit_clip clip_of(const whit_bench *b, const whit_scheme *s)
{
    if (!whit_scheme_is_quantized(s)) return WHIT_CLIP_DEFAULT;
    if (b->o.clip != WHIT_CLIP_DEFAULT) return b->o.clip;
    return s->bits == 8 ? WHIT_CLIP_MINMAX : WHIT_CLIP_MSE; /* as whit quantize */
}

static whit_status check_type(const whit_bench *b, const whit_scheme *s, whit_error *err)
{
    char text[WHIT_SCHEME_TEXT];
    if (s->kind == WHIT_TO_F32)
        return wh_fail(err, WHIT_ERR_ARG, "f32 is what the encoders read; try: f16 or int4-g128");
    if (s->kind == WHIT_GGUF && b->o.clip != WHIT_CLIP_DEFAULT)
        return wh_fail(err, WHIT_ERR_ARG, "%s: blocks are not clipped; try: no --clip",
                       whit_scheme_print(s, text));
    return WHIT_OK;
}

static whit_status make_encoders(whit_bench *b, encoders *out, whit_error *err)
{
    whit_scheme *types = NULL;
    size_t count;
    if (!b->o.types && b->o.clip == WHIT_CLIP_DEFAULT) return standard_encoders(out, err);
    const char *text = b->o.types ? b->o.types : "int8-channel,int4-g128,int4-g32,nf4-g64";
    whit_status st = wh_list_types(text, &types, &count, err);
    if (st == WHIT_OK) st = make_room(out, count, err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        st = check_type(b, &types[i], err);
        if (st == WHIT_OK) add(out, &types[i], clip_of(b, &types[i]));
    }
    free(types);
    return st;
}

/* Whether rows of so many columns can be encoded: blocks are whole. */
static int fits(const encoder *e, uint64_t cols)
{
    return e->scheme.kind != WHIT_GGUF || cols % whit_block_describe(e->scheme.block)->weights == 0;
}

/* One line for the types that a shape has no rows of. */
static whit_status tell_left_out(whit_bench *b, const encoders *e, const wh_sides *shape,
                                 whit_error *err)
{
    wh_buf text = { 0 };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < e->count; i++)
        if (!fits(&e->list[i], shape->cols) && e->list[i].search == WHIT_SEARCH_REFERENCE)
            wh_buf_putf(&text, "%s%s", text.len ? ", " : "",
                        whit_block_describe(e->list[i].scheme.block)->lower);
    if (text.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a warning");
    else if (text.len)
        wh_lines_add(&b->warnings,
                     "%" PRIu64 "x%" PRIu64 ": left out, since rows are no whole blocks: %s",
                     shape->rows, shape->cols, text.data);
    wh_buf_free(&text);
    return st;
}

/* ---- measuring ---- */

typedef struct trial {
    whit_bench *b;
    task job;
    uint64_t copies, next; /* of the input, in the probe's buffer */
    double *us;
    size_t runs, cap;
    double seconds;
} trial;

static whit_status encode_once(trial *t, whit_error *err)
{
    void *us = t->us;
    const int grown = wh_grow(&us, &t->cap, t->runs + 1, sizeof *t->us);
    const size_t n = t->job.rows * t->job.cols;
    t->us = us;
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu times", t->runs);
    t->job.w = (const float *)(void *)t->b->probes.buffer + t->next++ % t->copies * n;
    const double start = wh_seconds();
    wh_pool_run(t->b->context->pool, encode_part, &t->job);
    const double seconds = wh_seconds() - start;
    t->us[t->runs++] = seconds * 1e6;
    t->seconds += seconds;
    for (unsigned k = 0; k < t->b->machine.threads; k++)
        if (t->job.status[k] != WHIT_OK)
            return wh_fail(err, t->job.status[k], "%s", t->job.error[k].msg);
    return WHIT_OK;
}

static const char *isa_of(const trial *t)
{
    const whit_scheme *s = &t->job.encoder->scheme;
    if (s->kind == WHIT_GGUF) return wh_block_select()->isa;
    return whit_scheme_is_quantized(s) ? wh_encode_select()->isa : t->job.cvt->isa;
}

static const char *search_of(const encoder *e)
{
    if (e->scheme.kind != WHIT_GGUF) return NULL;
    return e->search == WHIT_SEARCH_BEST ? "best" : "reference";
}

/* A row of its own; `at` for the progress. */
static whit_status measure(trial *t, size_t at, whit_error *err)
{
    whit_bench *b = t->b;
    const whit_scheme *scheme = &t->job.encoder->scheme;
    const size_t n = t->job.rows * t->job.cols;
    whit_bench_row *row = wh_bench_add(b);
    if (!row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a row");
    whit_scheme_print(scheme, row->type);
    t->runs = 0;
    t->seconds = 0;
    double dropped = 0;
    do {
        double part = (t->seconds - dropped) / b->o.seconds;
        whit_status st = wh_bench_step(b, row->type, (double)at + (part < 1 ? part : 1), err);
        if (st == WHIT_OK) st = encode_once(t, err);
        if (st != WHIT_OK) return st;
        if (t->runs <= WH_BENCH_DROPPED && dropped < b->o.seconds) dropped = t->seconds;
    } while (t->seconds - dropped < b->o.seconds && t->seconds < 3 * b->o.seconds);
    const size_t first = t->runs > WH_BENCH_DROPPED ? WH_BENCH_DROPPED : t->runs - 1;
    row->op = "quantize";
    row->isa = isa_of(t);
    row->clip = t->job.encoder->clip;
    row->search = search_of(t->job.encoder);
    row->percentile = row->clip == WHIT_CLIP_PERCENTILE ? b->o.percentile : 0;
    row->rows = t->job.rows;
    row->cols = t->job.cols;
    row->bytes = n * sizeof(float);
    row->cold = t->copies > 1;
    row->runs = t->runs - first;
    row->us_median = wh_median(t->us + first, (size_t)row->runs);
    row->us_min = t->us[first];
    row->checksum = wh_checksum(
        t->job.codes, scheme->kind == WHIT_GGUF ? t->job.rows * row_bytes(scheme, t->job.cols) : n);
    return WHIT_OK;
}

static whit_status measure_all(trial *t, const encoders *e, whit_error *err)
{
    whit_bench *b = t->b;
    const size_t first = b->count;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < e->count && st == WHIT_OK; i++) {
        t->job.encoder = &e->list[i];
        if (!fits(t->job.encoder, t->job.cols)) continue;
        if ((b->count - first) % 4 == 0) st = wh_probes_run(b, err);
        if (st == WHIT_OK) st = measure(t, b->count, err);
    }
    if (st == WHIT_OK) st = wh_probes_run(b, err);
    for (size_t i = first; i < b->count && st == WHIT_OK; i++) {
        whit_bench_row *r = &b->row[i];
        r->read_gbps = wh_probes_read_gbps(&b->probes);
        r->gbps = (double)r->bytes / r->us_min * 1e-3;
        r->pct_bw = 100 * r->gbps / r->read_gbps;
        r->mweights = (double)r->rows * (double)r->cols / r->us_min / b->machine.threads;
        r->bound = "read";
    }
    return st;
}

static whit_status allocate(trial *t, const wh_sides *shape, whit_error *err)
{
    const size_t n = (size_t)(shape->rows * shape->cols);
    t->job.rows = (size_t)shape->rows;
    t->job.cols = (size_t)shape->cols;
    t->job.codes = wh_calloc(n, 2);
    t->job.zero = wh_calloc(n, 1);
    t->job.scale = wh_calloc(n, sizeof *t->job.scale);
    if (!t->job.codes || !t->job.zero || !t->job.scale)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu codes", n);
    float *w = (float *)(void *)t->b->probes.buffer;
    t->copies = t->b->probes.bytes / (n * sizeof(float));
    if (t->copies > WH_MOST_COPIES) t->copies = WH_MOST_COPIES;
    wh_bench_fill(w, n, 1);
    for (uint64_t i = 1; i < t->copies; i++) memcpy(w + i * n, w, n * sizeof *w);
    return WHIT_OK;
}

static void release(trial *t)
{
    free(t->job.codes);
    free(t->job.zero);
    free(t->job.scale);
    t->job.codes = t->job.zero = NULL;
    t->job.scale = NULL;
}

/* The buffer of the probes holds the input: one copy at least. */
static whit_status open_input(whit_bench *b, const wh_sides *shape, size_t count, whit_error *err)
{
    uint64_t most = 0, probe, copies;
    for (size_t i = 0; i < count; i++)
        if (shape[i].rows * shape[i].cols > most) most = shape[i].rows * shape[i].cols;
    whit_status st = wh_bench_share(b, most * (2 + 1 + 4), most * 4, &probe, &copies, err);
    if (st == WHIT_OK) st = wh_bench_share(b, most * (2 + 1 + 4), 0, &probe, &copies, err);
    if (st == WHIT_OK && probe < most * 4) probe = (most * 4 / WH_PROBE_UNIT + 1) * WH_PROBE_UNIT;
    return st == WHIT_OK ? wh_probes_open(b, probe, err) : st;
}

whit_status wh_bench_quantize(whit_bench *b, whit_error *err)
{
    encoders e = { 0 };
    wh_sides *shape = NULL;
    size_t shapes = 0;
    trial *t = wh_calloc(1, sizeof *t); /* an error for each thread is too much for the stack */
    whit_status st =
        t ? make_encoders(b, &e, err) : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a trial");
    if (st == WHIT_OK)
        st = wh_list_shapes(b->o.shapes ? b->o.shapes : "4096x4096", &shape, &shapes, err);
    if (st == WHIT_OK) st = open_input(b, shape, shapes, err);
    b->meter.total = e.count * shapes * 1000;
    for (size_t i = 0; i < shapes && st == WHIT_OK; i++) {
        t->b = b;
        t->job.cvt = wh_cvt_select();
        t->job.percentile = b->o.percentile;
        st = tell_left_out(b, &e, &shape[i], err);
        if (st == WHIT_OK) st = allocate(t, &shape[i], err);
        if (st == WHIT_OK) st = measure_all(t, &e, err);
        const uint64_t rotation = t->copies * shape[i].rows * shape[i].cols * 4;
        if (i == 0 || rotation < b->machine.rotation_bytes) b->machine.rotation_bytes = rotation;
        release(t);
    }
    if (st == WHIT_OK) st = wh_bench_step(b, "done", (double)b->meter.total / 1000, err);
    if (st == WHIT_OK && b->count == 0)
        st = wh_fail(err, WHIT_ERR_ARG,
                     "no shape has rows of whole blocks; try: multiples of 256 columns");
    if (t) free(t->us);
    free(t);
    free(e.list);
    free(shape);
    return st;
}
