/* src/job/calibrate.c - the run of a calibration: a model (or nothing but activations) opened, fed
 * piece by piece, its inputs taken in.
 *
 * Matrices that are multiplied with the same input share its statistics. The output head's input is
 * looked at without its product. A piece is what passes the layers at once: a run can be
 * interrupted, saved and taken up behind any of them, since the tokens of a window that were fed
 * before are fed again unseen.
 * Not here: what is fed (feeds.c), files (calibrate_save.c), words (print/calibrate_text.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/calibrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "io/temp.h"
#include "job/model_hash.h"

#define SAVE_EVERY 60.0

void whit_calibrate_options_init(whit_calibrate_options *options)
{
    *options = (whit_calibrate_options){ .struct_size = sizeof *options };
    whit_job_options_init(&options->job);
}

/* ---- opening --------------------------------------------------------------------------------- */

static whit_status open_model(whit_calibration *c, whit_error *err)
{
    whit_model_options o;
    whit_model_options_init(&o);
    o.threads = c->o.job.threads < WH_POOL_MAX ? c->o.job.threads : WH_POOL_MAX;
    whit_status st = whit_model_open(&c->model, c->path, &o, err);
    if (st != WHIT_OK) return st;
    wh_lines_copy(&c->warnings, &c->model->warnings);
    c->context = whit_model_context(c->model);
    const whit_model_info *m = whit_model_describe(c->model);
    const wh_feeds_model what = { c->path, whit_source_file(c->model->source), m->context,
                                  m->vocabulary, m->bos };
    return wh_feeds_settle(&c->feeds, &what, c->o.context, &c->warnings, err);
}

/* q, k, v have one input, and so have gate and up. */
static size_t shared_by(size_t linear, size_t linears)
{
    if (linear + 1 == linears) return 1;
    switch (linear % WH_LINEARS) {
    case WH_LINEAR_Q:
        return 3;
    case WH_LINEAR_GATE:
        return 2;
    case WH_LINEAR_OUT:
    case WH_LINEAR_DOWN:
        return 1;
    default:
        return 0;
    }
}

static whit_status add_input(whit_calibration *c, const char *const *names, size_t count,
                             uint64_t cols, whit_error *err)
{
    whit_calib *s = c->state;
    whit_status st = wh_calib_add_input(s, names[0], names, count, cols, err);
    return st == WHIT_OK ? wh_histogram_init(&s->input[s->info.inputs - 1].histogram, WH_LOG_BINS,
                                             WH_FEW, err)
                         : st;
}

static whit_status list_model_inputs(whit_calibration *c, whit_error *err)
{
    const size_t linears = whit_model_linears(c->model);
    whit_status st = WHIT_OK;
    c->slot = wh_calloc(linears, sizeof *c->slot);
    if (!c->slot) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the inputs");
    for (size_t i = 0; i < linears && st == WHIT_OK; i++) {
        const size_t n = shared_by(i, linears);
        const char *names[3];
        for (size_t k = 0; k < n; k++) names[k] = whit_model_linear_at(c->model, i + k)->tensor;
        if (n > 0) st = add_input(c, names, n, whit_model_linear_at(c->model, i)->info.cols, err);
    }
    if (st == WHIT_OK) st = wh_calib_settle(c->state, err); /* into the order of names */
    for (size_t i = 0; i < linears && st == WHIT_OK; i++)
        c->slot[i] = shared_by(i, linears)
                         ? whit_calib_find(c->state, whit_model_linear_at(c->model, i)->tensor)
                         : WHIT_CALIB_NONE;
    return st;
}

static whit_status list_activations(whit_calibration *c, whit_error *err)
{
    char name[WH_SHORT];
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < c->o.feeds && st == WHIT_OK; i++)
        if (whit_calib_find(c->state, c->feeds.feed[i].what->input) == WHIT_CALIB_NONE)
            st = add_input(c, &c->feeds.feed[i].what->input, 1, c->feeds.feed[i].cols, err);
    if (st == WHIT_OK) st = wh_calib_settle(c->state, err);
    for (size_t i = 0; i < c->o.feeds && st == WHIT_OK; i++) {
        c->feeds.feed[i].slot = whit_calib_find(c->state, c->feeds.feed[i].what->input);
        const uint64_t cols = c->state->input[c->feeds.feed[i].slot].told.cols;
        if (cols != c->feeds.feed[i].cols)
            st = wh_fail(err, WHIT_ERR_FORMAT,
                         "%s: %" PRIu64 " columns, another file of this input has %" PRIu64,
                         wh_short(name, c->feeds.feed[i].what->path), c->feeds.feed[i].cols, cols);
    }
    return st;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t fixed_memory(const whit_calibration *c)
{
    uint64_t n = whit_context_threads(c->context) * ((uint64_t)320 << 10);
    for (size_t i = 0; i < c->state->info.inputs; i++)
        n += wh_calib_input_bytes(c->state->input[i].told.cols);
    for (size_t i = 0; i < c->o.feeds; i++) {
        n += c->feeds.feed[i].ids.count * sizeof(uint32_t);
        if (c->feeds.feed[i].file) n += c->feeds.feed[i].cols * WH_CALIB_PIECE * sizeof(float);
    }
    if (!c->model) return n;
    const whit_model_info *m = whit_model_describe(c->model);
    return n + m->weight_bytes +
           (uint64_t)m->layers * m->kv_heads * m->head_width * c->feeds.window * 2 * sizeof(float);
}

static whit_status open_hessians(whit_calibration *c, uint64_t fixed, whit_error *err)
{
    const size_t n = c->state->info.inputs;
    uint64_t *cols = wh_calloc(n, sizeof *cols), all = 0, room = 0;
    int fd = -1;
    if (!cols) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the Hessians");
    for (size_t i = 0; i < n; i++) {
        cols[i] = c->state->input[i].told.cols;
        all += wh_triangle(cols[i]) * sizeof(double);
    }
    const uint64_t limit = wh_stream_limit(&c->o.job);
    const uint64_t least = wh_hessians_scratch(cols, n, 1), other = c->o.job.max_memory ? fixed : 0;
    whit_status st = wh_stream_fits(limit, other + least, err);
    if (st == WHIT_OK) room = limit - other;
    c->total.spilled = st == WHIT_OK && all + wh_hessians_scratch(cols, n, 0) > room;
    if (c->total.spilled) st = wh_temp_spill(c->output, &fd, err);
    if (st == WHIT_OK) st = wh_hessians_open(&c->hessians, c->context, cols, n, fd, c->output, err);
    free(cols);
    return st;
}

static whit_status open_memory(whit_calibration *c, whit_error *err)
{
    const uint64_t fixed = fixed_memory(c);
    whit_status st = WHIT_OK;
    if (c->o.job.max_memory && !c->o.hessian) /* else with what they take */
        st = wh_stream_fits(c->o.job.max_memory, fixed, err);
    if (st == WHIT_OK) st = wh_calib_desk_open(&c->desk, c->context, err);
    if (st == WHIT_OK && c->o.hessian) st = open_hessians(c, fixed, err);
    if (st == WHIT_OK && c->model)
        st = whit_session_open(&c->session, c->model, c->feeds.window, err);
    return st;
}

/* What a run does, as a hash: the same plan, the same octets. */
static whit_status make_plan(whit_calibration *c, whit_error *err)
{
    wh_sha256 s;
    uint8_t digest[WH_SHA256_BYTES];
    const uint64_t numbers[] = { c->feeds.window, c->feeds.lead, c->o.tokens,
                                 (uint64_t) !!c->o.hessian, c->o.feeds };
    char small[WH_SHA256_TEXT] = "";
    whit_status st =
        c->model ? wh_model_small_hash(whit_source_file(c->model->source), small, err) : WHIT_OK;
    if (st != WHIT_OK) return st;
    wh_sha256_init(&s);
    wh_sha256_add(&s, WHIT_VERSION_STRING, sizeof WHIT_VERSION_STRING);
    wh_sha256_add(&s, c->state->model, sizeof c->state->model);
    wh_sha256_add(&s, small, sizeof small);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[32];
        wh_sha256_add(&s, text, (size_t)snprintf(text, sizeof text, "%" PRIu64 "\n", numbers[i]));
    }
    for (size_t i = 0; i < c->o.feeds; i++) {
        const whit_feed *f = &c->o.feed[i];
        const unsigned char kind = (unsigned char)f->kind;
        wh_sha256_add(&s, &kind, 1);
        wh_sha256_add(&s, c->feeds.feed[i].sha256, sizeof c->feeds.feed[i].sha256);
        if (f->input) wh_sha256_add(&s, f->input, strlen(f->input) + 1);
    }
    wh_sha256_end(&s, digest);
    wh_sha256_text(digest, c->plan);
    return WHIT_OK;
}

static whit_status open_all(whit_calibration *c, whit_error *err)
{
    whit_status st = whit_isa(&c->isa, err);
    if (st == WHIT_OK) st = wh_feeds_open(&c->feeds, c->o.feed, c->o.feeds, c->o.tokens, err);
    c->state = wh_calib_new(c->output);
    if (st == WHIT_OK && !c->state) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a state");
    if (st != WHIT_OK) return st;
    if (c->path) {
        st = open_model(c, err);
        if (st == WHIT_OK)
            st = wh_model_hash(whit_source_file(c->model->source), c->state->model, err);
        if (st == WHIT_OK) st = list_model_inputs(c, err);
    } else {
        const whit_context_options o = { sizeof o, c->o.job.threads, -1 };
        st = whit_context_open(&c->context, &o, err);
        if (st == WHIT_OK) st = list_activations(c, err);
    }
    if (st == WHIT_OK) st = wh_calib_apart(c, err); /* before anything is spilled */
    if (st == WHIT_OK) st = open_memory(c, err);
    if (st != WHIT_OK) return st;
    st = make_plan(c, err);
    return st == WHIT_OK ? wh_calib_open_output(c, err) : st;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static whit_status take(whit_calibration *c, size_t slot, const float *x, size_t tokens,
                        whit_error *err)
{
    const double start = wh_seconds();
    whit_status st = wh_calib_take(&c->desk, &c->state->input[slot], x, tokens, err);
    c->total.statistics_seconds += wh_seconds() - start;
    if (st == WHIT_OK && c->o.hessian) st = wh_hessians_add(&c->hessians, slot, x, tokens, err);
    return st;
}

static void watch(void *ctx, const whit_linear_input *input)
{
    whit_calibration *c = ctx;
    const size_t slot = c->slot[input->linear];
    if (c->st == WHIT_OK && slot != WHIT_CALIB_NONE)
        c->st = take(c, slot, input->x, input->tokens, &c->err);
}

/* Behind a piece: what is told, and saved. */
static whit_status step(whit_calibration *c, const char *what, size_t tokens, whit_error *err)
{
    const double every = c->o.save_every > 0 ? c->o.save_every : SAVE_EVERY;
    c->total.tokens += tokens;
    if (c->o.resume && wh_seconds() - c->saved >= every) {
        whit_status st = wh_calib_save(c, err);
        if (st != WHIT_OK) return st;
    }
    return wh_meter_step(&c->meter, what, tokens, err);
}

/* Tokens [0, c->at.position) were taken in before. */
static whit_status feed_window(whit_calibration *c, const wh_feed *f, whit_error *err)
{
    char what[64];
    const size_t n = wh_feed_window(&c->feeds, f, c->at.window), skip = (size_t)c->at.position;
    whit_status st = WHIT_OK;
    snprintf(what, sizeof what, "window %" PRIu64 " of %" PRIu64, c->at.window + 1,
             wh_feed_windows(&c->feeds, f));
    whit_session_rewind(c->session, 0);
    if (skip) st = whit_session_feed(c->session, c->feeds.token, skip, WHIT_LOGITS_NONE, NULL, err);
    whit_session_watch(c->session, watch, c);
    while (st == WHIT_OK && c->at.position < n) {
        const size_t at = (size_t)c->at.position;
        const size_t m = n - at < WH_CALIB_PIECE ? n - at : WH_CALIB_PIECE;
        st = whit_session_feed(c->session, c->feeds.token + at, m, WHIT_LOGITS_ALL, NULL, err);
        if (st == WHIT_OK && c->st != WHIT_OK) {
            if (err) *err = c->err;
            st = c->st;
        }
        if (st != WHIT_OK) break;
        c->at.position += m;
        if (c->at.position == n) c->at = (wh_place){ c->at.feed, c->at.window + 1, 0 };
        if (c->at.position == 0 && c->at.window == wh_feed_windows(&c->feeds, f))
            c->at = (wh_place){ c->at.feed + 1, 0, 0 };
        c->total.windows += c->at.position == 0;
        st = step(c, what, m, err);
        if (c->at.position == 0) break;
    }
    whit_session_watch(c->session, NULL, NULL);
    return st;
}

static whit_status feed_activations(whit_calibration *c, const wh_feed *f, whit_error *err)
{
    float *x = wh_calloc(f->cols, WH_CALIB_PIECE * sizeof *x);
    whit_status st = x ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for activations");
    while (st == WHIT_OK && c->at.position < f->rows) {
        const uint64_t left = f->rows - c->at.position;
        const size_t n = left < WH_CALIB_PIECE ? (size_t)left : WH_CALIB_PIECE;
        st = whit_file_read_rows(f->file, 0, c->at.position, c->at.position + n, x, err);
        if (st == WHIT_OK) st = take(c, f->slot, x, n, err);
        if (st != WHIT_OK) break;
        c->at.position += n;
        if (c->at.position == f->rows) c->at = (wh_place){ c->at.feed + 1, 0, 0 };
        st = step(c, f->what->input, n, err);
        if (c->at.position == 0) break;
    }
    free(x);
    return st;
}

static whit_status feed_all(whit_calibration *c, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_meter_start(&c->meter, &c->o.job, 0);
    for (size_t i = 0; i < c->o.feeds; i++) {
        c->meter.total += wh_feed_tokens(&c->feeds, &c->feeds.feed[i], WH_FEED_ALL, 0);
        if (i < c->at.feed)
            c->meter.done += wh_feed_tokens(&c->feeds, &c->feeds.feed[i], WH_FEED_ALL, 0);
    }
    if (c->at.feed < c->o.feeds)
        c->meter.done +=
            wh_feed_tokens(&c->feeds, &c->feeds.feed[c->at.feed], c->at.window, c->at.position);
    c->saved = c->meter.start;
    c->begun = 1;
    while (st == WHIT_OK && c->at.feed < c->o.feeds) {
        const wh_feed *f = &c->feeds.feed[c->at.feed];
        st = f->file ? feed_activations(c, f, err) : feed_window(c, f, err);
    }
    c->total.seconds = wh_seconds() - c->meter.start;
    return st;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void tell_total(whit_calibration *c)
{
    c->total.inputs = c->state->info.inputs;
    for (size_t i = 0; i < c->state->info.inputs; i++)
        c->total.columns += c->state->input[i].told.cols;
    c->total.hessian_seconds = c->hessians.seconds;
    if (c->hessians.seconds > 0)
        c->total.hessian_gflops = c->hessians.flops / c->hessians.seconds * 1e-9;
}

static whit_status run(whit_calibration *c, whit_error *err)
{
    whit_status st = open_all(c, err);
    if (st == WHIT_OK) st = feed_all(c, err);
    if (st == WHIT_ERR_CANCELLED && c->begun && c->o.resume) {
        whit_error failed = { WHIT_OK, "" };
        const whit_status saved = wh_calib_save(c, &failed);
        if (saved != WHIT_OK) {
            if (err) *err = failed;
            st = saved;
        }
    }
    if (st == WHIT_OK && c->warnings.failed) /* nothing is added to them from here on */
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the warnings");
    if (st == WHIT_OK) st = wh_calib_commit(c, err);
    if (st == WHIT_OK) tell_total(c);
    return st;
}

/* All but what is told. */
static void close_run(whit_calibration *c)
{
    wh_feeds_close(&c->feeds);
    wh_outset_close(c->set);
    wh_hessians_close(&c->hessians);
    wh_calib_desk_close(&c->desk);
    whit_calib_close(c->state);
    whit_session_close(c->session);
    if (!c->model) whit_context_close(c->context);
    whit_model_close(c->model);
    free(c->slot);
    free(c->partial);
    c->slot = NULL;
    c->partial = NULL;
}

static whit_status check_feeds(const char *path, const whit_calibrate_options *o, whit_error *err)
{
    if (!o->feed || o->feeds == 0)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calibrate: nothing to feed");
    for (size_t i = 0; i < o->feeds; i++) {
        const whit_feed *f = &o->feed[i];
        const int dump = f->kind == WHIT_FEED_ACTIVATIONS;
        if ((int)f->kind < WHIT_FEED_TEXT || f->kind > WHIT_FEED_ACTIVATIONS || !f->path ||
            dump != !path || dump != !!f->input || (dump && (f->data || !*f->input)))
            return wh_fail(err, WHIT_ERR_ARG,
                           path ? "texts and ids are fed to a model"
                                : "without a model activations are fed, with "
                                  "the names of their inputs");
    }
    return WHIT_OK;
}

static whit_status check_options(const char *path, const whit_calibrate_options *o,
                                 const char *output, whit_error *err)
{
    if (!o || o->struct_size != sizeof *o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calibrate: struct_size not set");
    if (!output || !*output || (path && !*path))
        return wh_fail(err, WHIT_ERR_ARG, "whit_calibrate: no path, or no output");
    whit_status st = wh_feeds_context(o->context, err);
    if (st != WHIT_OK) return st;
    if (o->hessian && wh_calib_form_of(output) != WH_CALIB_STATE)
        return wh_fail(err, WHIT_ERR_ARG,
                       "an importance matrix holds no Hessians; try: another name than %s", output);
    return check_feeds(path, o, err);
}

static whit_calibration *make(const char *path, const whit_calibrate_options *o, const char *output)
{
    whit_calibration *c = wh_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->o = *o;
    c->hessians.fd = -1;
    c->path = path ? wh_strndup(path, strlen(path)) : NULL;
    c->output = wh_strndup(output, strlen(output));
    if ((c->path || !path) && c->output) return c;
    whit_calibration_free(c);
    return NULL;
}

whit_status whit_calibrate(whit_calibration **out, const char *path,
                           const whit_calibrate_options *options, const char *output,
                           whit_error *err)
{
    if (out) *out = NULL;
    whit_status st = check_options(path, options, output, err);
    if (st != WHIT_OK) return st;
    whit_calibration *c = make(path, options, output);
    if (!c) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a calibration");
    st = run(c, err);
    close_run(c);
    if (st != WHIT_OK || !out)
        whit_calibration_free(c);
    else
        *out = c;
    return st;
}

void whit_calibration_free(whit_calibration *calibration)
{
    if (!calibration) return;
    wh_lines_free(&calibration->warnings);
    free(calibration->path);
    free(calibration->output);
    free(calibration);
}

const whit_calibrate_totals *whit_calibration_total(const whit_calibration *calibration)
{
    return &calibration->total;
}

size_t whit_calibration_warnings(const whit_calibration *calibration)
{
    return calibration->warnings.count;
}

const char *whit_calibration_warning(const whit_calibration *calibration, size_t index)
{
    return wh_lines_at(&calibration->warnings, index);
}
