/* src/bench/gptq.c - how long GPTQ takes for one layer, from H to codes, held against the fused
 * multiply-adds of the same threads.
 *
 * Each type has two rows: codes by feedback alone, and with three passes of descent and new scales
 * behind. Reading H and writing codes are not in it. Counted are operations on floats as methods
 * have them: cols^3 / 3 for the factor (taken in double, so at half the speed at most), rows cols^2
 * for the feedback, twice that for each pass and for new scales; the search for scales counts as
 * nothing. What a pass takes is told by runs with and without.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/pages.h"
#include "calib/gptq_blocks.h"
#include "calib/gptq_codes.h"
#include "calib/hessian.h"
#include "kernels/context.h"

enum { PASSES = 3, NEAR = 64 };
#define LAMBDA 0.01
#define PROBE_BYTES ((uint64_t)256 << 20)

/* The layer, and where its codes go. */
typedef struct layer {
    size_t rows, cols;
    double *triangle, *square;
    float *w, *scale, *weight; /* weight [cols]: mean squares by column of W */
    uint8_t *codes, *zero;
} layer;

typedef struct seconds {
    double factor, round, passes, refit;
} seconds;

typedef struct trial {
    whit_bench *b;
    layer l;
    whit_scheme scheme;
    unsigned passes;
    wh_gptq_codes to_codes;
    wh_gptq_blocks to_blocks;
    const wh_gptq_target *target;
    double *us;
    size_t runs, cap;
    double all; /* seconds of the runs */
} trial;

static double sum(const seconds *s)
{
    return s->factor + s->round + s->passes + s->refit;
}

/* ---- the layer ---- */

static uint64_t square_bytes(uint64_t cols)
{
    return cols * cols * sizeof(double);
}

/* Octets of all that a layer needs: what is here; factor and H in panels; rows in hand. */
static uint64_t layer_bytes(const wh_sides *s, unsigned threads)
{
    const uint64_t n = s->rows * s->cols, side = s->cols + 16;
    return n * (4 + 4 + 2 + 1) + square_bytes(s->cols) * 3 / 2 + 6 * side * side +
           side * (6200 + 1300 * (uint64_t)threads);
}

/* Columns of different size that resemble their neighbours, with a few that are large. */
static void make_h(layer *l)
{
    double near[NEAR], *to = l->triangle;
    /* cppcheck-suppress uninitvar ; the one before is set */
    for (size_t i = 0; i < NEAR; i++) near[i] = i ? 0.7 * near[i - 1] : 1;
    wh_bench_fill(l->weight, l->cols, 7);
    for (size_t i = 0; i < l->cols; i++) {
        const float size = l->weight[i] < 0 ? -l->weight[i] : l->weight[i];
        l->weight[i] = 0.5f + size + (i % 251 == 17 ? 10.0f : 0.0f);
    }
    for (size_t i = 0; i < l->cols; i++)
        for (size_t j = i; j < l->cols; j++)
            *to++ = j - i < NEAR ? (double)l->weight[i] * (double)l->weight[j] * near[j - i] : 0;
}

static void close_layer(layer *l)
{
    free(l->triangle);
    wh_pages_free(l->square, (size_t)square_bytes(l->cols));
    free(l->w);
    free(l->scale);
    free(l->weight);
    free(l->codes);
    free(l->zero);
    *l = (layer){ 0 };
}

static whit_status open_layer(layer *l, const wh_sides *shape, whit_error *err)
{
    const size_t rows = (size_t)shape->rows, cols = (size_t)shape->cols, n = rows * cols;
    *l = (layer){ .rows = rows, .cols = cols };
    l->triangle = wh_calloc(wh_triangle_row(cols, cols), sizeof *l->triangle);
    l->square = wh_pages_alloc((size_t)square_bytes(cols));
    l->w = wh_calloc(n, sizeof *l->w);
    l->scale = wh_calloc(n, sizeof *l->scale);
    l->weight = wh_calloc(cols, sizeof *l->weight);
    l->codes = wh_calloc(n, 2);
    l->zero = wh_calloc(n, 1);
    if (!l->triangle || !l->square || !l->w || !l->scale || !l->weight || !l->codes || !l->zero)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a layer of %zu x %zu", rows, cols);
    make_h(l);
    wh_bench_fill(l->w, n, 1);
    return WHIT_OK;
}

/* ---- one run ---- */

static whit_status open_target(trial *t, whit_error *err)
{
    const layer *l = &t->l;
    const whit_quant_spec spec = { .struct_size = sizeof spec,
                                   .scheme = t->scheme,
                                   .scale2 = whit_nvfp4_scale2(8) };
    t->target = t->scheme.kind == WHIT_GGUF ? &t->to_blocks.target : &t->to_codes.target;
    if (t->scheme.kind == WHIT_GGUF)
        return wh_gptq_blocks_open(&t->to_blocks, t->scheme.block, l->rows, l->cols, l->codes, err);
    return wh_gptq_codes_open(&t->to_codes, &spec, l->rows, l->cols, l->codes, l->scale,
                              t->scheme.asym ? l->zero : NULL, err);
}

/* Whether new scales can follow the codes. */
static int refits(const trial *t)
{
    const size_t cols = t->l.cols, group = t->target->group < cols ? t->target->group : cols;
    return t->passes > 0 && t->target->rescale && t->target->sub >= group;
}

/* The codes, with scales found for them; *took: seconds. */
static whit_status find_codes(trial *t, const wh_gptq_base *base, unsigned passes, int refit,
                              double *took, whit_error *err)
{
    const wh_gptq_job job = {
        .base = base, .w = t->l.w, .rows = t->l.rows, .passes = passes, .refit = refit
    };
    const double start = wh_seconds();
    whit_status st = WHIT_OK;
    if (t->target->fixed) { /* scales of several rows are found before */
        for (size_t i = 0; i < t->l.cols; i++) t->l.weight[base->order[i]] = base->weight[i];
        st = wh_gptq_codes_shared(&t->to_codes, t->l.w, t->l.weight, err);
    }
    if (st == WHIT_OK) st = wh_gptq_run(t->b->context, &job, t->target, NULL, err);
    *took = wh_seconds() - start;
    return st;
}

static whit_status once(trial *t, seconds *s, whit_error *err)
{
    wh_gptq_base base = { 0 };
    double round = 0, passes = 0, refit = 0;
    *s = (seconds){ 0 };
    whit_status st = open_target(t, err);
    if (st != WHIT_OK) return st;
    const wh_gptq_options o = { WH_GPTQ_GROUPS, t->target->group, LAMBDA, t->passes > 0,
                                t->l.square };
    const double start = wh_seconds();
    st = wh_gptq_base_make(&base, t->b->context, t->l.triangle, t->l.cols, &o, err);
    s->factor = wh_seconds() - start;
    if (st == WHIT_OK) st = find_codes(t, &base, 0, 0, &round, err);
    if (st == WHIT_OK && t->passes) st = find_codes(t, &base, t->passes, 0, &passes, err);
    if (st == WHIT_OK && refits(t)) st = find_codes(t, &base, t->passes, 1, &refit, err);
    s->round = round;
    if (passes > round) s->passes = passes - round;
    if (refit > passes) s->refit = refit - passes;
    wh_gptq_base_free(&base);
    return st;
}

/* ---- a row ---- */

static double operations(const trial *t)
{
    const double n = (double)t->l.cols, codes = (double)t->l.rows * n * n;
    return n * n * n / 3 + codes * (1 + 2.0 * t->passes + (refits(t) ? 2 : 0));
}

/* Octets of codes and scales of blocks; of codes alone of schemes. */
static size_t code_bytes(const trial *t)
{
    const size_t n = t->l.rows * t->l.cols;
    if (t->scheme.kind != WHIT_GGUF) return n;
    const whit_block_info *info = whit_block_describe(t->scheme.block);
    return n / info->weights * info->bytes;
}

static void fill_row(trial *t, whit_bench_row *row, const seconds *best, size_t first)
{
    const wh_variant *tile = t->b->context->kernels.op[WH_TILE_CHAIN];
    whit_scheme_print(&t->scheme, row->type);
    row->op = "gptq";
    row->isa = tile->isa;
    row->rows = t->l.rows;
    row->cols = t->l.cols;
    row->passes = t->passes;
    row->bytes = (uint64_t)t->l.rows * t->l.cols * sizeof *t->l.w;
    row->runs = t->runs - first;
    row->us_min = sum(best) * 1e6;
    row->us_median = wh_median(t->us + first, (size_t)row->runs);
    row->factor_us = best->factor * 1e6;
    row->round_us = best->round * 1e6;
    row->pass_us = t->passes ? best->passes * 1e6 / t->passes : 0;
    row->refit_us = best->refit * 1e6;
    row->gflops = operations(t) / row->us_min * 1e-3;
    row->bound = "compute";
    row->checksum = wh_checksum(t->l.codes, code_bytes(t));
}

/* A row of its own; `at` for the progress. */
static whit_status measure(trial *t, size_t at, whit_error *err)
{
    whit_bench *b = t->b;
    char type[WHIT_SCHEME_TEXT];
    seconds s, best = { 0 };
    double dropped = 0;
    t->runs = 0;
    t->all = 0;
    const int told = wh_peak_start();
    do {
        void *us = t->us;
        const int grown = wh_grow(&us, &t->cap, t->runs + 1, sizeof *t->us);
        const double part = (t->all - dropped) / b->o.seconds;
        t->us = us;
        if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu times", t->runs);
        whit_status st = wh_bench_step(b, whit_scheme_print(&t->scheme, type),
                                       (double)at + (part < 1 ? part : 1), err);
        if (st == WHIT_OK) st = once(t, &s, err);
        if (st != WHIT_OK) return st;
        if (t->runs <= WH_BENCH_DROPPED || sum(&s) < sum(&best)) best = s;
        t->us[t->runs++] = sum(&s) * 1e6;
        t->all += sum(&s);
        if (t->runs <= WH_BENCH_DROPPED && dropped < b->o.seconds) dropped = t->all;
    } while (t->all - dropped < b->o.seconds && t->all < 3 * b->o.seconds);
    whit_bench_row *row = wh_bench_add(b);
    if (!row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a row");
    fill_row(t, row, &best, t->runs > WH_BENCH_DROPPED ? WH_BENCH_DROPPED : t->runs - 1);
    const uint64_t peak = told ? wh_peak_bytes() : 0;
    row->peak_bytes = peak > b->probes.bytes ? peak - b->probes.bytes : 0;
    return WHIT_OK;
}

/* ---- the whole ---- */

static whit_status check_type(const whit_scheme *s, whit_error *err)
{
    char text[WHIT_SCHEME_TEXT];
    if (s->kind != WHIT_GGUF && !whit_scheme_is_quantized(s))
        return wh_fail(err, WHIT_ERR_ARG, "%s has no codes to find; try: int4-g128",
                       whit_scheme_print(s, text));
    if (s->dq)
        return wh_fail(err, WHIT_ERR_ARG, "%s: nested scales are found before; try: nf4-g64",
                       whit_scheme_print(s, text));
    return WHIT_OK;
}

static int fits(const whit_scheme *s, uint64_t cols)
{
    return s->kind != WHIT_GGUF || cols % whit_block_describe(s->block)->weights == 0;
}

static whit_status measure_types(trial *t, const whit_scheme *types, size_t n, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        char text[WHIT_SCHEME_TEXT];
        t->scheme = types[i];
        if (!fits(&types[i], t->l.cols)) {
            wh_lines_add(&t->b->warnings, "%zux%zu: left out, since rows are no whole blocks: %s",
                         t->l.rows, t->l.cols, whit_scheme_print(&types[i], text));
            continue;
        }
        st = wh_probes_run(t->b, err);
        for (t->passes = 0; t->passes <= PASSES && st == WHIT_OK; t->passes += PASSES)
            st = measure(t, t->b->count, err);
    }
    return st;
}

/* What the same threads multiply and add at most, of all probes. */
static void compare_rows(whit_bench *b, size_t probe)
{
    for (size_t i = 0; i < b->count; i++) {
        whit_bench_row *r = &b->row[i];
        r->peak = b->probes.value[probe].probe->name;
        r->peak_gops = b->probes.value[probe].all;
        r->pct_peak = 100 * r->gflops / r->peak_gops;
        r->pct_bound = r->pct_peak;
    }
}

/* Reading bounds nothing here: a small buffer for those probes. */
static whit_status open_probes(whit_bench *b, const wh_sides *shape, size_t n, size_t *fma,
                               whit_error *err)
{
    const wh_variant *tile = b->context->kernels.op[WH_TILE_CHAIN];
    uint64_t most = 0, probe, copies;
    for (size_t i = 0; i < n; i++) {
        const uint64_t bytes = layer_bytes(&shape[i], b->machine.threads);
        most = bytes > most ? bytes : most;
    }
    whit_status st = wh_bench_share(b, most, 0, &probe, &copies, err);
    if (st == WHIT_OK) st = wh_probes_open(b, probe < PROBE_BYTES ? probe : PROBE_BYTES, err);
    if (st == WHIT_OK) *fma = wh_probes_want(&b->probes, wh_probe_for(WH_PROBE_FMA, tile->isa));
    return st;
}

whit_status wh_bench_gptq(whit_bench *b, whit_error *err)
{
    static const char standard[] = "int4-g128,int3-g64,nf4-g64,q4_k";
    whit_scheme *types = NULL;
    wh_sides *shape = NULL;
    size_t count = 0, shapes = 0, fma = 0;
    trial *t = wh_calloc(1, sizeof *t);
    whit_status st = t ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a trial");
    if (st == WHIT_OK) st = wh_list_types(b->o.types ? b->o.types : standard, &types, &count, err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) st = check_type(&types[i], err);
    if (st == WHIT_OK)
        st = wh_list_shapes(b->o.shapes ? b->o.shapes : "4096x4096", &shape, &shapes, err);
    if (st == WHIT_OK) st = open_probes(b, shape, shapes, &fma, err);
    b->meter.total = 2 * count * shapes * 1000;
    for (size_t i = 0; i < shapes && st == WHIT_OK; i++) {
        t->b = b;
        st = open_layer(&t->l, &shape[i], err);
        if (st == WHIT_OK) st = measure_types(t, types, count, err);
        close_layer(&t->l);
    }
    if (st == WHIT_OK) st = wh_probes_run(b, err);
    if (st == WHIT_OK) st = wh_bench_step(b, "done", (double)b->meter.total / 1000, err);
    if (st == WHIT_OK && b->count == 0)
        st = wh_fail(err, WHIT_ERR_ARG,
                     "no shape has rows of whole blocks; try: multiples of 256 columns");
    if (st == WHIT_OK) compare_rows(b, fma);
    if (t) free(t->us);
    free(t);
    free(types);
    free(shape);
    return st;
}
