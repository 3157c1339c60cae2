/* src/calib/state.c - a calibration state: its inputs, what they take in, merging, what it tells.
 *
 * Not here: the file (state_read.c, state_write.c), mixtures (state_mix.c).
 * SPDX-License-Identifier: MIT */
#include "calib/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "kernels/context.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the statistics");
}

/* ---- making ---------------------------------------------------------------------------------- */

whit_calib *wh_calib_new(const char *path)
{
    whit_calib *c = wh_calloc(1, sizeof *c);
    if (c) c->path = wh_strndup(path, strlen(path));
    if (c && c->path) {
        c->info.path = c->path;
        c->info.model = c->model;
        return c;
    }
    free(c);
    return NULL;
}

static void free_input(wh_calib_input *in)
{
    for (size_t i = 0; in->linear && i < in->told.linears_count; i++) free(in->linear[i]);
    free(in->linear);
    free(in->name);
    free(in->moments.min);
    free(in->moments.max);
    for (size_t s = 0; s < WH_SUMS; s++) free(in->moments.sum[s]);
    wh_histogram_free(&in->histogram);
}

void whit_calib_close(whit_calib *calib)
{
    if (!calib) return;
    for (size_t i = 0; i < calib->info.inputs; i++) free_input(&calib->input[i]);
    for (size_t i = 0; i < calib->info.sources; i++) {
        free(calib->source[i].kind);
        free(calib->source[i].input);
    }
    wh_names_free(&calib->linears);
    whit_file_close(calib->file);
    free(calib->input);
    free(calib->source);
    free(calib->path);
    free(calib);
}

static whit_status name_input(wh_calib_input *in, const char *name, const char *const *linear,
                              size_t linears, whit_error *err)
{
    in->name = wh_strndup(name, strlen(name));
    in->linear = wh_calloc(linears, sizeof *in->linear);
    if (!in->name || !in->linear) return no_memory(err);
    for (; in->told.linears_count < linears; in->told.linears_count++) {
        const char *one = linear[in->told.linears_count];
        in->linear[in->told.linears_count] = wh_strndup(one, strlen(one));
        if (!in->linear[in->told.linears_count]) return no_memory(err);
    }
    in->told.name = in->name;
    in->told.linears = (const char *const *)in->linear;
    return WHIT_OK;
}

static whit_status make_moments(wh_moments *m, size_t channels, whit_error *err)
{
    m->channels = channels;
    m->min = wh_calloc(channels, sizeof *m->min);
    m->max = wh_calloc(channels, sizeof *m->max);
    int ok = m->min && m->max;
    for (size_t s = 0; s < WH_SUMS; s++) {
        m->sum[s] = wh_calloc(channels, sizeof *m->sum[s]);
        ok = ok && m->sum[s];
    }
    for (size_t i = 0; ok && i < channels; i++) {
        m->min[i] = INFINITY;
        m->max[i] = -INFINITY;
    }
    return ok ? WHIT_OK : no_memory(err);
}

/* Enter the names of its matrices. */
static whit_status enter_linears(whit_calib *c, size_t index, whit_error *err)
{
    char name[WH_SHORT];
    const wh_calib_input *in = &c->input[index];
    for (size_t i = 0; i < in->told.linears_count; i++) {
        const int added = wh_names_add(&c->linears, in->linear[i], index);
        if (added < 0) return no_memory(err);
        if (added == 0)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: the matrix has two inputs",
                           wh_short(name, in->linear[i]));
    }
    return WHIT_OK;
}

whit_status wh_calib_add_input(whit_calib *c, const char *name, const char *const *linear,
                               size_t linears, uint64_t cols, whit_error *err)
{
    void *list = c->input;
    const int grown = wh_grow(&list, &c->input_cap, c->info.inputs + 1, sizeof *c->input);
    c->input = list;
    if (!grown) return no_memory(err);
    wh_calib_input *in = &c->input[c->info.inputs++];
    *in = (wh_calib_input){ .hessian = WHIT_NOT_FOUND };
    in->told.cols = cols;
    whit_status st = name_input(in, name, linear, linears, err);
    if (st == WHIT_OK) st = make_moments(&in->moments, (size_t)cols, err);
    return st == WHIT_OK ? enter_linears(c, c->info.inputs - 1, err) : st;
}

whit_status wh_calib_add_source(whit_calib *c, const char *kind, const char *input,
                                const char *sha256, uint64_t context, uint64_t tokens,
                                whit_error *err)
{
    void *list = c->source;
    const int grown = wh_grow(&list, &c->source_cap, c->info.sources + 1, sizeof *c->source);
    c->source = list;
    if (!grown) return no_memory(err);
    wh_calib_source *s = &c->source[c->info.sources++];
    *s = (wh_calib_source){ .told = { .context = context, .tokens = tokens } };
    s->kind = wh_strndup(kind, strlen(kind));
    s->input = input ? wh_strndup(input, strlen(input)) : NULL;
    if (!s->kind || (input && !s->input)) return no_memory(err);
    memcpy(s->sha256, sha256, sizeof s->sha256);
    return WHIT_OK;
}

uint64_t wh_calib_input_bytes(uint64_t cols)
{
    return cols * (2 * sizeof(float) + WH_SUMS * sizeof(wh_wide)) +
           (WH_LOG_BINS + WH_LINEAR_BINS) * sizeof(uint64_t) + WH_FEW * sizeof(float) + 4096;
}

/* ---- taking in ------------------------------------------------------------------------------- */

whit_status wh_calib_desk_open(wh_calib_desk *d, whit_context *context, whit_error *err)
{
    const unsigned threads = whit_context_threads(context);
    *d = (wh_calib_desk){ .context = context, .ops = wh_moments_select() };
    d->found = wh_calloc(threads, sizeof *d->found);
    if (!d->found) return no_memory(err);
    return wh_tallies_init(&d->tallies, threads, err);
}

void wh_calib_desk_close(wh_calib_desk *d)
{
    wh_tallies_free(&d->tallies);
    free(d->found);
    memset(d, 0, sizeof *d);
}

typedef struct taking {
    wh_calib_desk *desk;
    wh_moments *moments;
    const float *x;
    size_t tokens;
} taking;

static void moments_part(void *ctx, unsigned t, unsigned threads)
{
    const taking *k = ctx;
    struct wh_calib_found *f = &k->desk->found[t];
    size_t begin, end;
    *f = (struct wh_calib_found){ 0, 0, 0 };
    wh_pool_split(k->moments->channels, 16, t, threads, &begin, &end);
    for (size_t c = begin; c < end; c += WH_MOMENTS_WIDE) {
        const size_t n = end - c < WH_MOMENTS_WIDE ? end - c : WH_MOMENTS_WIDE;
        const uint32_t top =
            wh_moments_add(k->desk->ops, k->moments, k->x, k->tokens, c, n, &f->overflow);
        f->top = top > f->top ? top : f->top;
    }
}

/* Names the first value that is out of range. */
static whit_status refuse(const wh_calib_input *in, const float *x, size_t tokens, whit_error *err)
{
    char name[WH_SHORT];
    const size_t cols = in->moments.channels;
    for (size_t i = 0; i < tokens * cols; i++) {
        if (fabsf(x[i]) <= WH_MOMENTS_LIMIT) continue;
        return wh_fail(err, WHIT_ERR_NUMERIC,
                       "%s: its input has %s in channel %zu; try: inspect --check of the model",
                       wh_short(name, in->name),
                       isfinite(x[i]) ? "a magnitude above 2^24" : "what is not finite", i % cols);
    }
    return wh_fail(err, WHIT_ERR_NUMERIC, "%s: its sums pass 128 bits", wh_short(name, in->name));
}

whit_status wh_calib_take(wh_calib_desk *d, wh_calib_input *in, const float *x, size_t tokens,
                          whit_error *err)
{
    char name[WH_SHORT];
    struct wh_calib_found all = { 0, 0, 0 };
    taking k = { d, &in->moments, x, tokens };
    if (in->told.tokens + tokens > WH_CALIB_TOKENS)
        return wh_fail(err, WHIT_ERR_NUMERIC, "%s: more than 2^38 tokens",
                       wh_short(name, in->name));
    pthread_mutex_lock(&d->context->lock);
    wh_pool_run(d->context->pool, moments_part, &k);
    for (unsigned t = 0; t < d->tallies.threads; t++) {
        all.top = d->found[t].top > all.top ? d->found[t].top : all.top;
        all.overflow |= d->found[t].overflow;
    }
    const int good = all.top <= wh_f32_bits(WH_MOMENTS_LIMIT) && !all.overflow;
    if (good)
        wh_histogram_add(&in->histogram, &d->tallies, d->context->pool, x,
                         tokens * in->moments.channels, all.top);
    pthread_mutex_unlock(&d->context->lock);
    if (!good) return refuse(in, x, tokens, err);
    in->told.tokens += tokens;
    return WHIT_OK;
}

/* ---- merging --------------------------------------------------------------------------------- */

static int same_linears(const wh_calib_input *a, const wh_calib_input *b)
{
    int same = a->told.cols == b->told.cols && a->told.linears_count == b->told.linears_count;
    for (size_t i = 0; same && i < a->told.linears_count; i++)
        same = strcmp(a->linear[i], b->linear[i]) == 0;
    return same;
}

static whit_status merge_input(wh_calib_input *to, const wh_calib_input *from, whit_error *err)
{
    char name[WH_SHORT];
    wh_moments *m = &to->moments;
    int overflow = to->told.tokens + from->told.tokens > WH_CALIB_TOKENS;
    for (size_t c = 0; c < m->channels; c++) {
        if (from->moments.min[c] < m->min[c]) m->min[c] = from->moments.min[c];
        if (from->moments.max[c] > m->max[c]) m->max[c] = from->moments.max[c];
        for (size_t s = 0; s < WH_SUMS; s++) {
            const int carry = wh_wide_add(&m->sum[s][c], from->moments.sum[s][c]);
            overflow |= carry && s == WH_SUM_SQUARE;
        }
    }
    if (!wh_histogram_merge(&to->histogram, &from->histogram) || overflow)
        return wh_fail(err, WHIT_ERR_NUMERIC, "%s: its sums pass 128 bits, or its tokens 2^38",
                       wh_short(name, to->name));
    to->told.tokens += from->told.tokens;
    return WHIT_OK;
}

whit_status wh_calib_merge(whit_calib *c, const whit_calib *from, whit_error *err)
{
    char path[WH_SHORT], name[WH_SHORT];
    whit_status st = WHIT_OK;
    wh_short(path, from->path);
    if (from->info.is_final)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: a weighed mixture, which merges no more; try: the states it is of",
                       path);
    if (c->info.sources > 0 && strcmp(c->model, from->model) != 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: a state of another model", path);
    memcpy(c->model, from->model, sizeof c->model);
    for (size_t i = 0; i < from->info.inputs && st == WHIT_OK; i++) {
        const wh_calib_input *in = &from->input[i];
        size_t at = whit_calib_find(c, in->linear[0]);
        if (at == WHIT_CALIB_NONE) {
            at = c->info.inputs;
            st = wh_calib_add_input(c, in->name, in->told.linears, in->told.linears_count,
                                    in->told.cols, err);
            if (st == WHIT_OK)
                st = wh_histogram_init(&c->input[at].histogram, WH_LOG_BINS, WH_FEW, err);
        }
        if (st == WHIT_OK && !same_linears(&c->input[at], in))
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: other columns or matrices than in another",
                         path, wh_short(name, in->name));
        if (st == WHIT_OK) st = merge_input(&c->input[at], in, err);
    }
    for (size_t i = 0; i < from->info.sources && st == WHIT_OK; i++) {
        const wh_calib_source *s = &from->source[i];
        st = wh_calib_add_source(c, s->kind, s->input, s->sha256, s->told.context, s->told.tokens,
                                 err);
    }
    return st;
}

/* ---- order ----------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const wh_calib_input *)a)->name, ((const wh_calib_input *)b)->name);
}

static int by_all(const void *a, const void *b)
{
    const wh_calib_source *x = a, *y = b;
    int order = strcmp(x->kind, y->kind);
    if (order == 0) order = strcmp(x->input ? x->input : "", y->input ? y->input : "");
    if (order == 0) order = strcmp(x->sha256, y->sha256);
    if (order == 0)
        order = (x->told.context > y->told.context) - (x->told.context < y->told.context);
    return order ? order : (x->told.tokens > y->told.tokens) - (x->told.tokens < y->told.tokens);
}

/* What is told of an input by its sums. */
static void tell_input(wh_calib_input *in)
{
    in->told.zeros = in->histogram.zeros;
    in->told.values = in->histogram.values;
    in->told.min = INFINITY;
    in->told.max = -INFINITY;
    for (size_t c = 0; c < in->moments.channels; c++) {
        in->told.min = fminf(in->told.min, in->moments.min[c]);
        in->told.max = fmaxf(in->told.max, in->moments.max[c]);
    }
}

whit_status wh_calib_settle(whit_calib *c, whit_error *err)
{
    if (c->info.inputs) qsort(c->input, c->info.inputs, sizeof *c->input, by_name);
    if (c->info.sources) qsort(c->source, c->info.sources, sizeof *c->source, by_all);
    wh_names_free(&c->linears);
    for (size_t i = 0; i < c->info.inputs; i++) {
        wh_histogram_sort(&c->input[i].histogram);
        tell_input(&c->input[i]);
        whit_status st = enter_linears(c, i, err);
        if (st != WHIT_OK) return st;
    }
    for (size_t i = 0; i < c->info.sources; i++) {
        wh_calib_source *s = &c->source[i];
        s->told.kind = s->kind;
        s->told.input = s->input;
        s->told.sha256 = s->sha256;
    }
    return WHIT_OK;
}

/* ---- what it tells --------------------------------------------------------------------------- */

const whit_calib_info *whit_calib_describe(const whit_calib *calib)
{
    return &calib->info;
}

const whit_calib_input *whit_calib_at(const whit_calib *calib, size_t index)
{
    return index < calib->info.inputs ? &calib->input[index].told : NULL;
}

const whit_calib_source *whit_calib_source_at(const whit_calib *calib, size_t index)
{
    return index < calib->info.sources ? &calib->source[index].told : NULL;
}

size_t whit_calib_find(const whit_calib *calib, const char *linear)
{
    const size_t at = wh_names_find(&calib->linears, linear);
    return at == WH_NAMES_NONE ? WHIT_CALIB_NONE : at;
}

uint64_t wh_calib_windows(const whit_calib *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->info.sources; i++) {
        const whit_calib_source *s = &c->source[i].told;
        n += s->context ? (s->tokens - 1) / s->context + 1 : 1;
    }
    return n;
}

double wh_calib_mean(const wh_calib_input *in, int sum, uint64_t channel)
{
    const wh_wide w = in->moments.sum[sum][channel];
    if (in->told.tokens == 0) return 0;
    return (sum == WH_SUM_SQUARE ? wh_wide_unsigned(w) : wh_wide_signed(w)) /
           (double)in->told.tokens;
}

whit_calib_channel whit_calib_channel_at(const whit_calib *calib, size_t index, uint64_t channel)
{
    const wh_calib_input *in = &calib->input[index];
    return (whit_calib_channel){
        .mean = wh_calib_mean(in, WH_SUM, channel),
        .mean_abs = wh_calib_mean(in, WH_SUM_ABS, channel),
        .mean_square = wh_calib_mean(in, WH_SUM_SQUARE, channel),
        .min = in->moments.min[channel],
        .max = in->moments.max[channel],
    };
}

float whit_calib_percentile(const whit_calib *calib, size_t index, double percent)
{
    return wh_histogram_percentile(&calib->input[index].histogram, percent);
}

const uint64_t *whit_calib_bins(const whit_calib *calib, size_t index, double *width)
{
    const wh_histogram *h = &calib->input[index].histogram;
    *width = ldexp(1, h->exponent);
    return h->linear;
}
