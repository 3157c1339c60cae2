/* src/job/compare.c - decoded values of two models, tensor by tensor.
 *
 * The reference is a: sqnr = 10 log10(sum a^2 / sum (a - b)^2), cosine = sum ab / sqrt(sum a^2 *
 * sum b^2), all sums in double, tile by tile in order.
 *
 * SPDX-License-Identifier: MIT */
#include "job/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whit/quant.h>
#include "base/mem.h"
#include "job/plan.h"
#include "job/stored.h"
#include "job/stream.h"

typedef struct sums {
    double aa, bb, ab, ee, worst;
    int differs;
} sums;

typedef struct pair {
    size_t a, b; /* indices into the sources */
    int octets;  /* carried types: compared byte by byte */
} pair;

typedef struct compare_job {
    const whit_source *a, *b;
    pair *pair; /* [count] */
    sums *sum;  /* [count] */
    size_t count;
    wh_numbering tiles;
    wh_stream stream;
} compare_job;

static void add_values(const float *a, const float *b, size_t n, sums *s)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        if (x == y || (isnan(x) && isnan(y))) { /* also equal infinities */
            if (!isfinite(x)) continue;
        } else if (!isfinite(x) || !isfinite(y)) {
            s->ee = s->worst = INFINITY;
            continue;
        }
        double e = x - y;
        s->aa += x * x;
        s->bb += y * y;
        s->ab += x * y;
        s->ee += e * e;
        s->worst = fmax(s->worst, fabs(e));
    }
}

static whit_status read_octets(const whit_source *s, size_t index, const wh_rect *r, void *dst,
                               whit_error *err)
{
    return whit_file_read(whit_source_file(s), whit_source_at(s, index)->planes[0], r->c0,
                          (size_t)r->cols, dst, err);
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    compare_job *j = ctx;
    wh_rect r;
    const pair *p = &j->pair[wh_numbering_find(&j->tiles, tile, &r)];
    wh_worker *w = &j->stream.workers[worker];
    sums *s = wh_stream_slot(&j->stream, worker);
    *s = (sums){ 0 };
    if (p->octets) {
        whit_status st = read_octets(j->a, p->a, &r, w->w, err);
        if (st == WHIT_OK) st = read_octets(j->b, p->b, &r, w->scratch, err);
        s->differs = st == WHIT_OK && memcmp(w->w, w->scratch, (size_t)r.cols) != 0;
        return st;
    }
    whit_status st = whit_source_read_f32(j->a, p->a, r.r0, r.rows, r.c0, r.cols, w->w, err);
    if (st == WHIT_OK)
        st = whit_source_read_f32(j->b, p->b, r.r0, r.rows, r.c0, r.cols, w->scratch, err);
    if (st == WHIT_OK) add_values(w->w, w->scratch, (size_t)(r.rows * r.cols), s);
    return st;
}

static void add_sums(sums *to, const sums *s)
{
    to->aa += s->aa;
    to->bb += s->bb;
    to->ab += s->ab;
    to->ee += s->ee;
    to->worst = fmax(to->worst, s->worst);
    to->differs |= s->differs;
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    compare_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    add_sums(&j->sum[i], wh_stream_slot(&j->stream, worker));
    const whit_tensor *a = &whit_source_at(j->a, j->pair[i].a)->tensor;
    const whit_tensor *b = &whit_source_at(j->b, j->pair[i].b)->tensor;
    return wh_meter_step(&j->stream.meter, a->name,
                         wh_numbering_share(&j->tiles, i, tile, a->bytes + b->bytes), err);
}

/* One side has what the other lacks: a warning, strictly a bar. */
static whit_status lone(whit_comparison *c, const char *name, const char *side, int strict,
                        whit_error *err)
{
    char text[WH_SHORT];
    wh_short(text, name);
    if (strict) return wh_fail(err, WHIT_ERR_BAR, "%s: only in the %s model", text, side);
    wh_lines_add(&c->warnings, "%s: only in the %s model", text, side);
    return WHIT_OK;
}

static whit_status match_one(compare_job *j, size_t a, size_t b, whit_error *err)
{
    const whit_source_tensor *x = whit_source_at(j->a, a), *y = whit_source_at(j->b, b);
    char name[WH_SHORT];
    int same = x->tensor.rank == y->tensor.rank;
    for (uint32_t d = 0; same && d < x->tensor.rank; d++)
        same = x->tensor.shape[d] == y->tensor.shape[d];
    int floats = whit_dtype_is_float(x->tensor.dtype) && whit_dtype_is_float(y->tensor.dtype);
    int types = floats || strcmp(whit_tensor_type(&x->tensor), whit_tensor_type(&y->tensor)) == 0;
    if (same && !types) {
        whit_status st = wh_stored_decodes(j->a, a, err);
        if (st == WHIT_OK) st = wh_stored_decodes(j->b, b, err);
        if (st != WHIT_OK) return st;
    }
    if (!same || !types)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: the two models differ in its %s",
                       wh_short(name, x->tensor.name), same ? "type" : "shape");
    j->pair[j->count] = (pair){ a, b, !floats };
    j->tiles.tiling[j->count++] =
        floats ? wh_tiling_make(x->rows, x->cols, 1) : wh_tiling_make(1, x->tensor.bytes, 1);
    return WHIT_OK;
}

static whit_status nothing_common(const compare_job *j, whit_error *err)
{
    char a[WH_SHORT], b[WH_SHORT];
    const int one_gguf = (strncmp(whit_source_format(j->a), "GGUF", 4) == 0) !=
                         (strncmp(whit_source_format(j->b), "GGUF", 4) == 0);
    wh_short(a, whit_file_path(whit_source_file(j->a)));
    wh_short(b, whit_file_path(whit_source_file(j->b)));
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: no tensor has the name of one in %s%s", b, a,
                   one_gguf ? ", since GGUF has names of its own; try: both as GGUF" : "");
}

static whit_status match(compare_job *j, whit_comparison *c, int strict, whit_error *err)
{
    whit_status st = WHIT_OK;
    size_t n = whit_source_count(j->a);
    j->pair = wh_calloc(n, sizeof *j->pair);
    j->sum = wh_calloc(n, sizeof *j->sum);
    if (!wh_numbering_init(&j->tiles, n) || !j->pair || !j->sum)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the comparison");
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        const char *name = whit_source_at(j->a, i)->tensor.name;
        size_t k = whit_source_find(j->b, name);
        st = k == WHIT_NOT_FOUND ? lone(c, name, "first", strict, err) : match_one(j, i, k, err);
    }
    for (size_t k = 0; k < whit_source_count(j->b) && st == WHIT_OK; k++) {
        const char *name = whit_source_at(j->b, k)->tensor.name;
        if (whit_source_find(j->a, name) == WHIT_NOT_FOUND)
            st = lone(c, name, "second", strict, err);
    }
    j->tiles.count = j->count;
    wh_numbering_finish(&j->tiles);
    if (st == WHIT_OK && j->count == 0) st = nothing_common(j, err);
    return st;
}

static whit_status stream(compare_job *j, const whit_job_options *options, whit_error *err)
{
    wh_pass pass = { .tiles = &j->tiles,
                     .slot_bytes = sizeof(sums),
                     .work = tile_work,
                     .commit = tile_commit,
                     .ctx = j };
    for (size_t i = 0; i < j->count; i++)
        pass.reads += whit_source_at(j->a, j->pair[i].a)->tensor.bytes +
                      whit_source_at(j->b, j->pair[i].b)->tensor.bytes;
    whit_status st =
        wh_stream_open(&j->stream, options, &j->tiles, wh_stream_tables(j->count), err);
    return st == WHIT_OK ? wh_stream_pass(&j->stream, &pass, err) : st;
}

static whit_compare_row make_row(const char *name, whit_scheme scheme, uint64_t elements,
                                 const sums *s)
{
    return (whit_compare_row){
        .name = name,
        .scheme = scheme,
        .elements = elements,
        .mse = elements ? s->ee / (double)elements : 0.0,
        .sqnr_db = whit_sqnr_db(s->aa, s->ee),
        .cosine = s->aa > 0.0 && s->bb > 0.0 ? s->ab / (sqrt(s->aa) * sqrt(s->bb))
                                             : (s->aa == s->bb ? 1.0 : 0.0),
        .max_abs_error = s->worst,
        .differs = s->differs,
    };
}

/* Infinite sums share equally between themselves. */
static double share_of(double ee, double all)
{
    if (isinf(all)) return isinf(ee) ? 1.0 : 0.0;
    return all > 0.0 ? ee / all : 0.0;
}

static int worst_first(const void *a, const void *b)
{
    const whit_compare_row *x = a, *y = b;
    if (x->differs != y->differs) return y->differs - x->differs;
    if (x->share != y->share) return x->share < y->share ? 1 : -1;
    return strcmp(x->name, y->name);
}

static whit_status fill_rows(const compare_job *j, whit_comparison *c, whit_error *err)
{
    sums all = { 0 };
    uint64_t elements = 0;
    c->row = wh_calloc(j->count, sizeof *c->row);
    if (!c->row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the comparison");
    for (size_t i = 0; i < j->count; i++) {
        const whit_source_tensor *b = whit_source_at(j->b, j->pair[i].b);
        c->row[i] = make_row(b->tensor.name, b->scheme, b->tensor.elements, &j->sum[i]);
        add_sums(&all, &j->sum[i]);
        if (!j->pair[i].octets) elements += b->tensor.elements;
    }
    for (size_t i = 0; i < j->count; i++) c->row[i].share = share_of(j->sum[i].ee, all.ee);
    c->count = j->count;
    c->total = make_row("all", (whit_scheme){ .kind = WHIT_KEEP }, elements, &all);
    c->total.share = 1.0;
    if (c->count > 0) qsort(c->row, c->count, sizeof *c->row, worst_first);
    return WHIT_OK;
}

whit_status whit_compare(whit_comparison **out, const whit_source *a, const whit_source *b,
                         const whit_job_options *options, whit_error *err)
{
    *out = NULL;
    if (!a || !b || !options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_compare: argument missing");
    compare_job j = { .a = a, .b = b };
    whit_comparison *c = wh_calloc(1, sizeof *c);
    if (!c) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the comparison");
    c->warnings.limit = 100;
    whit_status st = match(&j, c, options->strict, err);
    if (st == WHIT_OK) st = stream(&j, options, err);
    if (st == WHIT_OK) st = fill_rows(&j, c, err);
    if (st == WHIT_OK && c->warnings.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the warnings");
    free(j.pair);
    free(j.sum);
    wh_numbering_free(&j.tiles);
    if (st == WHIT_OK)
        *out = c;
    else
        whit_comparison_free(c);
    return st;
}

void whit_comparison_free(whit_comparison *comparison)
{
    if (!comparison) return;
    wh_lines_free(&comparison->warnings);
    free(comparison->row);
    free(comparison);
}

size_t whit_comparison_count(const whit_comparison *comparison)
{
    return comparison->count;
}

const whit_compare_row *whit_comparison_at(const whit_comparison *comparison, size_t index)
{
    return index < comparison->count ? &comparison->row[index] : NULL;
}

const whit_compare_row *whit_comparison_total(const whit_comparison *comparison)
{
    return &comparison->total;
}

size_t whit_comparison_warnings(const whit_comparison *comparison)
{
    return comparison->warnings.count;
}

const char *whit_comparison_warning(const whit_comparison *comparison, size_t index)
{
    return wh_lines_at(&comparison->warnings, index);
}

int whit_comparison_passes(const whit_comparison *comparison, double min_sqnr_db)
{
    for (size_t i = 0; i < comparison->count; i++) {
        const whit_compare_row *r = &comparison->row[i];
        if (r->differs || !(r->sqnr_db >= min_sqnr_db)) return 0;
    }
    return 1;
}
