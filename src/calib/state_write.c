/* src/calib/state_write.c - a calibration state as a safetensors file: see whit/calib.h.
 *
 * Equal states give equal octets: inputs by name, sources in order, histograms without the bins
 * that are empty at either end.
 * SPDX-License-Identifier: MIT */
#include "calib/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/st_write.h"

#define PIECE ((size_t)1 << 16) /* values that are put into octets at once */
enum { META = 8 };

enum part { MIN, MAX, SUM, SUM_ABS, SUM_SQUARE, LOG_BINS, BINS, SAMPLES, HESSIAN, PARTS };

static const struct {
    const char *suffix;
    whit_dtype dtype;
} parts[PARTS] = {
    [MIN] = { ".min", WHIT_F32 },
    [MAX] = { ".max", WHIT_F32 },
    [SUM] = { ".sum", WHIT_U64 },
    [SUM_ABS] = { ".sum_abs", WHIT_U64 },
    [SUM_SQUARE] = { ".sum_square", WHIT_U64 },
    [LOG_BINS] = { ".log_bins", WHIT_U64 },
    [BINS] = { ".bins", WHIT_U64 },
    [SAMPLES] = { ".samples", WHIT_F32 },
    [HESSIAN] = { ".hessian", WHIT_F64 },
};

struct wh_calib_file {
    const whit_calib *c;
    wh_hessian_fn *hessian;
    void *ctx;
    wh_out_entry *entry; /* [count] */
    char **name;
    size_t *order;
    struct {
        size_t input;
        enum part part;
    } * what; /* [count] */
    size_t count;
    wh_st_meta meta[META];
    size_t metas;
    wh_buf inputs, sources, at, header;
};

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the file of a state");
}

/* ---- what there is --------------------------------------------------------------------------- */

/* The bins from the first to the last that is not empty; *count 0: all are. */
static size_t used_bins(const wh_histogram *h, size_t *count)
{
    size_t first = 0, end = h->bins;
    while (first < end && h->bin[first] == 0) first++;
    while (end > first && h->bin[end - 1] == 0) end--;
    *count = end - first;
    return first;
}

static uint64_t size_of(const wh_calib_file *f, const wh_calib_input *in, enum part part,
                        uint32_t *rank, uint64_t shape[2])
{
    size_t bins;
    *rank = 1;
    shape[1] = 1;
    switch (part) {
    case MIN:
    case MAX:
        return shape[0] = in->told.cols;
    case SUM:
    case SUM_ABS:
    case SUM_SQUARE:
        *rank = 2;
        shape[0] = in->told.cols;
        shape[1] = 2;
        return 2 * in->told.cols;
    case LOG_BINS:
        used_bins(&in->histogram, &bins);
        return shape[0] = bins;
    case BINS:
        return shape[0] = WH_LINEAR_BINS;
    case SAMPLES:
        return shape[0] = in->histogram.few ? in->histogram.values : 0;
    default:
        return shape[0] = f->hessian ? wh_triangle(in->told.cols) : 0;
    }
}

static whit_status list_input(wh_calib_file *f, size_t i, whit_error *err)
{
    const wh_calib_input *in = &f->c->input[i];
    for (enum part part = 0; part < PARTS; part++) {
        wh_out_entry *e = &f->entry[f->count];
        wh_buf name = { 0 };
        *e = (wh_out_entry){ .dtype = parts[part].dtype };
        const uint64_t n = size_of(f, in, part, &e->rank, e->shape);
        if (n == 0) continue; /* all zeros, many samples, no Hessian */
        e->bytes = n * (whit_dtype_bits(e->dtype) / 8);
        wh_buf_puts(&name, in->name);
        wh_buf_puts(&name, parts[part].suffix);
        if (name.failed) {
            wh_buf_free(&name);
            return no_memory(err);
        }
        e->name = f->name[f->count] = name.data;
        f->what[f->count].input = i;
        f->what[f->count++].part = part;
    }
    return WHIT_OK;
}

static void describe_inputs(wh_buf *b, const whit_calib *c)
{
    for (size_t i = 0; i < c->info.inputs; i++) {
        const wh_calib_input *in = &c->input[i];
        size_t bins;
        const size_t first = used_bins(&in->histogram, &bins);
        wh_buf_puts(b, i ? ",{\"name\":" : "[{\"name\":");
        wh_json_put_string(b, in->name);
        wh_buf_putf(b,
                    ",\"columns\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"zeros\":%" PRIu64
                    ",\"log_first\":%zu,\"exponent\":%d,\"linears\":[",
                    in->told.cols, in->told.tokens, in->histogram.zeros,
                    bins ? in->histogram.first + first : 0, in->histogram.exponent);
        for (size_t k = 0; k < in->told.linears_count; k++) {
            if (k) wh_buf_puts(b, ",");
            wh_json_put_string(b, in->linear[k]);
        }
        wh_buf_puts(b, "]}");
    }
    wh_buf_puts(b, c->info.inputs ? "]" : "[]");
}

static void describe_sources(wh_buf *b, const whit_calib *c)
{
    for (size_t i = 0; i < c->info.sources; i++) {
        const wh_calib_source *s = &c->source[i];
        wh_buf_puts(b, i ? ",{\"kind\":" : "[{\"kind\":");
        wh_json_put_string(b, s->kind);
        if (s->input) {
            wh_buf_puts(b, ",\"input\":");
            wh_json_put_string(b, s->input);
        }
        wh_buf_putf(b, ",\"sha256\":\"%s\",\"context\":%" PRIu64 ",\"tokens\":%" PRIu64 "}",
                    s->sha256, s->told.context, s->told.tokens);
    }
    wh_buf_puts(b, c->info.sources ? "]" : "[]");
}

static void put_meta(wh_calib_file *f, const char *key, const char *value)
{
    f->meta[f->metas++] = (wh_st_meta){ key, value };
}

static whit_status describe(wh_calib_file *f, whit_error *err)
{
    const whit_calib *c = f->c;
    describe_inputs(&f->inputs, c);
    describe_sources(&f->sources, c);
    wh_buf_putf(&f->at, "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", c->at[0], c->at[1], c->at[2]);
    if (f->inputs.failed || f->sources.failed || f->at.failed) return no_memory(err);
    put_meta(f, "whit.state", WH_CALIB_VERSION);
    put_meta(f, "whit.state.model", c->model);
    put_meta(f, "whit.state.inputs", f->inputs.data);
    put_meta(f, "whit.state.sources", f->sources.data);
    if (c->info.is_final) put_meta(f, "whit.state.final", "1");
    if (c->plan[0]) put_meta(f, "whit.state.plan", c->plan);
    if (c->plan[0]) put_meta(f, "whit.state.at", f->at.data);
    return WHIT_OK;
}

whit_status wh_calib_file_open(wh_calib_file **out, const whit_calib *c, wh_hessian_fn *hessian,
                               void *ctx, uint64_t *bytes, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_calib_file *f = wh_calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return no_memory(err);
    *f = (wh_calib_file){ .c = c, .hessian = hessian, .ctx = ctx };
    const size_t most = c->info.inputs * PARTS;
    f->entry = wh_calloc(most, sizeof *f->entry);
    f->name = wh_calloc(most, sizeof *f->name);
    f->order = wh_calloc(most, sizeof *f->order);
    f->what = wh_calloc(most, sizeof *f->what);
    if (!f->entry || !f->name || !f->order || !f->what) st = no_memory(err);
    for (size_t i = 0; i < c->info.inputs && st == WHIT_OK; i++) st = list_input(f, i, err);
    if (st == WHIT_OK) st = describe(f, err);
    if (st == WHIT_OK) st = wh_st_layout(f->entry, f->count, f->order, bytes, err);
    if (st == WHIT_OK)
        st = wh_st_header(f->entry, f->count, f->order, f->meta, f->metas, &f->header, err);
    if (st != WHIT_OK) {
        wh_calib_file_close(f);
        return st;
    }
    *bytes += f->header.len;
    *out = f;
    return WHIT_OK;
}

void wh_calib_file_close(wh_calib_file *f)
{
    if (!f) return;
    for (size_t i = 0; f->name && i < f->count; i++) free(f->name[i]);
    wh_buf_free(&f->inputs);
    wh_buf_free(&f->sources);
    wh_buf_free(&f->at);
    wh_buf_free(&f->header);
    free(f->entry);
    free(f->name);
    free(f->order);
    free(f->what);
    free(f);
}

/* ---- data ------------------------------------------------------------------------------------ */

static void store_double(void *to, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    wh_store64(to, u);
}

static void put_wide(const wh_wide *w, uint64_t at, size_t n, unsigned char *to)
{
    for (size_t i = 0; i < n; i++)
        wh_store64(to + 8 * i, (at + i) % 2 ? w[(at + i) / 2].hi : w[(at + i) / 2].lo);
}

/* Values [at, at + n) of a part as octets. */
static whit_status put_values(const wh_calib_file *f, const wh_calib_input *in, enum part part,
                              uint64_t at, size_t n, unsigned char *to, double *scratch,
                              whit_error *err)
{
    const wh_histogram *h = &in->histogram;
    const float *real = part == MIN ? in->moments.min : part == MAX ? in->moments.max : h->few;
    const uint64_t *whole = h->linear;
    whit_status st = WHIT_OK;
    size_t bins;
    switch (part) {
    case MIN:
    case MAX:
    case SAMPLES:
        for (size_t i = 0; i < n; i++) wh_store32(to + 4 * i, wh_f32_bits(real[at + i]));
        break;
    case SUM:
    case SUM_ABS:
    case SUM_SQUARE:
        put_wide(in->moments.sum[part - SUM], at, n, to);
        break;
    case LOG_BINS:
    case BINS:
        if (part == LOG_BINS) whole = h->bin + used_bins(h, &bins);
        for (size_t i = 0; i < n; i++) wh_store64(to + 8 * i, whole[at + i]);
        break;
    default:
        st = f->hessian(f->ctx, in, at, n, scratch, err);
        for (size_t i = 0; i < n && st == WHIT_OK; i++) store_double(to + 8 * i, scratch[i]);
    }
    return st;
}

static whit_status write_entry(const wh_calib_file *f, size_t k, int fd, const char *path,
                               unsigned char *to, double *scratch, whit_error *err)
{
    const wh_out_entry *e = &f->entry[k];
    const size_t size = whit_dtype_bits(e->dtype) / 8;
    const uint64_t count = e->bytes / size;
    whit_status st = WHIT_OK;
    for (uint64_t at = 0; at < count && st == WHIT_OK;) {
        const size_t n = count - at < PIECE ? (size_t)(count - at) : PIECE;
        st =
            put_values(f, &f->c->input[f->what[k].input], f->what[k].part, at, n, to, scratch, err);
        if (st == WHIT_OK)
            st = wh_file_pwrite(fd, path, f->header.len + e->offset + at * size, to, n * size, err);
        at += n;
    }
    return st;
}

whit_status wh_calib_file_write(const wh_calib_file *f, int fd, const char *path, whit_error *err)
{
    unsigned char *to = wh_calloc(PIECE, sizeof(double));
    double *scratch = f->hessian ? wh_calloc(PIECE, sizeof *scratch) : NULL;
    whit_status st = to && (scratch || !f->hessian) ? WHIT_OK : no_memory(err);
    if (st == WHIT_OK) st = wh_file_pwrite(fd, path, 0, f->header.data, f->header.len, err);
    for (size_t k = 0; k < f->count && st == WHIT_OK; k++)
        st = write_entry(f, k, fd, path, to, scratch, err);
    free(to);
    free(scratch);
    return st;
}
