/* src/job/calibrate_save.c - the output of a calibration, and OUTPUT.partial, which an interrupted
 * run leaves to the next.
 *
 * OUTPUT.partial/state.safetensors is a state of what was fed, with the hash of the plan and the
 * place where it stopped in its metadata. It appears whole each time, so a run that is killed
 * leaves the one before. The lock of the output keeps others out of both.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "calib/imatrix_write.h"
#include "io/temp.h"
#include "job/calibrate.h"

#define PARTIAL_NAME "state.safetensors"

wh_calib_form wh_calib_form_of(const char *output)
{
    const size_t len = strlen(output);
    if (len > 4 && strcmp(output + len - 4, ".dat") == 0) return WH_CALIB_DAT;
    return len > 5 && strcmp(output + len - 5, ".gguf") == 0 ? WH_CALIB_GGUF : WH_CALIB_STATE;
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *gguf_name(const char *linear, char buf[64])
{
    uint32_t layer;
    const wh_role role = wh_role_of_hf(linear, &layer);
    _Static_assert(WH_ROLE_NAME <= 64, "room for the name");
    return role == WH_ROLE_NONE ? linear : wh_role_name(role, layer, WH_NAMING_GGUF, buf);
}

whit_status wh_calib_write(const whit_calib *c, wh_calib_form form, wh_hessian_fn *hessian,
                           void *ctx, const wh_outset *set, whit_error *err)
{
    wh_calib_file *file = NULL;
    wh_buf b = { 0 };
    uint64_t bytes;
    whit_status st;
    if (form == WH_CALIB_STATE) {
        st = wh_calib_file_open(&file, c, hessian, ctx, &bytes, err);
        if (st == WHIT_OK)
            st = wh_calib_file_write(file, wh_outset_fd(set, 0), wh_outset_path(set, 0), err);
        wh_calib_file_close(file);
        return st;
    }
    st = wh_imatrix_make(c, form == WH_CALIB_GGUF, gguf_name, &b, err);
    if (st == WHIT_OK)
        st = wh_file_pwrite(wh_outset_fd(set, 0), wh_outset_path(set, 0), 0, b.data, b.len, err);
    wh_buf_free(&b);
    return st;
}

/* The number of an input in the run; the Hessians have the same. */
static whit_status fetch(void *ctx, const wh_calib_input *input, uint64_t at, size_t n, double *out,
                         whit_error *err)
{
    const whit_calibration *c = ctx;
    return wh_hessians_get(&c->hessians, (size_t)(input - c->state->input), at, n, out, err);
}

/* What was fed up to now, as sources. */
static whit_status list_sources(whit_calibration *c, whit_error *err)
{
    static const char *const kinds[] = { "text", "ids", "activations" };
    whit_calib *s = c->state;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < s->info.sources; i++) {
        free(s->source[i].kind);
        free(s->source[i].input);
    }
    s->info.sources = 0;
    for (size_t i = 0; i < c->o.feeds && i <= c->at.feed && st == WHIT_OK; i++) {
        const wh_feed *f = &c->feeds.feed[i];
        const int whole = i < c->at.feed;
        const uint64_t tokens =
            wh_feed_tokens(&c->feeds, f, whole ? WH_FEED_ALL : c->at.window, c->at.position);
        if (tokens > 0)
            st = wh_calib_add_source(s, kinds[f->what->kind], f->what->input, f->sha256,
                                     c->feeds.window, tokens, err);
    }
    return st == WHIT_OK ? wh_calib_settle(s, err) : st;
}

/* ---- OUTPUT.partial -------------------------------------------------------------------------- */

static whit_status open_set(wh_outset **set, const whit_calibration *c, whit_error *err)
{
    static const char *const name = PARTIAL_NAME;
    const wh_outset_spec spec = {
        .path = c->partial, .folder = 1, .names = &name, .count = 1, .force = 1
    };
    return wh_outset_open(set, &spec, err);
}

whit_status wh_calib_save(whit_calibration *c, whit_error *err)
{
    wh_outset *set = NULL;
    memcpy(c->state->plan, c->plan, sizeof c->plan);
    c->state->at[0] = c->at.feed;
    c->state->at[1] = c->at.window;
    c->state->at[2] = c->at.position;
    whit_status st = list_sources(c, err);
    if (st == WHIT_OK && c->state->info.sources > 0) {
        st = open_set(&set, c, err);
        if (st == WHIT_OK)
            st = wh_calib_write(c->state, WH_CALIB_STATE, c->o.hessian ? fetch : NULL, c, set, err);
        if (st == WHIT_OK) st = wh_outset_commit(set, err);
        wh_outset_close(set);
    }
    c->state->plan[0] = '\0';
    c->saved = wh_seconds();
    return st;
}

/* What another run left; opening the set removes what it left half-written. */
static void remove_partial(const whit_calibration *c)
{
    wh_outset *set = NULL;
    char *state = wh_path_join(c->partial, PARTIAL_NAME);
    int there;
    if (state && wh_file_is_folder(c->partial, &there, NULL) == WHIT_OK && there) {
        if (open_set(&set, c, NULL) == WHIT_OK) wh_outset_close(set);
        unlink(state);
        rmdir(c->partial);
    }
    free(state);
}

static whit_status take_hessians(whit_calibration *c, const whit_calib *old, whit_error *err)
{
    enum { PIECE = 1 << 16 };
    double *piece = wh_calloc(PIECE, sizeof *piece);
    whit_status st = piece ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory to go on");
    for (size_t i = 0; i < old->info.inputs && st == WHIT_OK; i++) {
        const uint64_t all = wh_triangle(old->input[i].told.cols);
        const size_t to = whit_calib_find(c->state, old->input[i].linear[0]);
        for (uint64_t at = 0; at < all && st == WHIT_OK; at += PIECE) {
            const size_t n = all - at < PIECE ? (size_t)(all - at) : PIECE;
            st = wh_calib_read_hessian(old, &old->input[i], at, n, piece, err);
            if (st == WHIT_OK) st = wh_hessians_put(&c->hessians, to, at, n, piece, err);
        }
    }
    free(piece);
    return st;
}

static int is_place(const whit_calibration *c, const wh_place *p)
{
    if (p->feed >= c->o.feeds) return p->feed == c->o.feeds && p->window == 0 && p->position == 0;
    const wh_feed *f = &c->feeds.feed[p->feed];
    return p->window < wh_feed_windows(&c->feeds, f) &&
           p->position < (f->file ? f->rows : c->feeds.window) &&
           wh_feed_tokens(&c->feeds, f, p->window, p->position) <=
               wh_feed_tokens(&c->feeds, f, WH_FEED_ALL, 0);
}

static whit_status take_up(whit_calibration *c, const char *path, whit_error *err)
{
    char name[WH_SHORT];
    whit_calib *old = NULL;
    wh_short(name, c->partial);
    whit_status st = whit_calib_open(&old, path, err);
    if (st != WHIT_OK) return st;
    const wh_place at = { old->at[0], old->at[1], old->at[2] };
    const size_t inputs = c->state->info.inputs;
    if (strcmp(old->plan, c->plan) != 0)
        st = wh_fail(err, WHIT_ERR_ARG,
                     "%s: of a run with another plan; try: the same command as then, or without "
                     "--resume",
                     name);
    else if (!is_place(c, &at) || old->info.has_hessian != !!c->o.hessian)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: says no place of this run; try: without --resume",
                     name);
    if (st == WHIT_OK) st = wh_calib_merge(c->state, old, err);
    if (st == WHIT_OK && c->state->info.inputs != inputs)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: has other inputs; try: without --resume", name);
    if (st == WHIT_OK && c->o.hessian) st = take_hessians(c, old, err);
    if (st == WHIT_OK) c->at = at;
    whit_calib_close(old);
    return st;
}

/* ---- the output ------------------------------------------------------------------------------ */

/* What nobody may write over: the model and whatever is read. Freed with free(). */
static const char **list_inputs(const whit_calibration *c, size_t *count)
{
    const whit_file *file = c->model ? whit_source_file(c->model->source) : NULL;
    const size_t shards = file ? whit_file_shards(file) : 0;
    const whit_job_options *job = &c->o.job;
    const char **all = wh_calloc(shards + c->o.feeds + job->reads_count, sizeof *all);
    *count = 0;
    for (size_t i = 0; all && i < shards; i++) all[(*count)++] = whit_file_shard_path(file, i);
    for (size_t i = 0; all && i < c->o.feeds; i++)
        if (!c->o.feed[i].data) all[(*count)++] = c->o.feed[i].path;
    for (size_t i = 0; all && i < job->reads_count; i++) all[(*count)++] = job->reads[i];
    return all;
}

whit_status wh_calib_apart(const whit_calibration *c, whit_error *err)
{
    size_t count;
    const char **inputs = list_inputs(c, &count);
    whit_status st = inputs ? wh_inputs_apart(inputs, count, c->output, err)
                            : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the inputs");
    free(inputs);
    return st;
}

static uint64_t output_bytes(const whit_calibration *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->state->info.inputs; i++) {
        const uint64_t cols = c->state->input[i].told.cols;
        n += cols * 56 + WH_LINEAR_BINS * 8 + 4096 + (c->o.hessian ? wh_triangle(cols) * 8 : 0);
    }
    return wh_calib_form_of(c->output) == WH_CALIB_STATE ? n : 0;
}

whit_status wh_calib_open_output(whit_calibration *c, whit_error *err)
{
    size_t count;
    const char **inputs = list_inputs(c, &count);
    c->partial = wh_path_beside(c->output, ".partial");
    if (!inputs || !c->partial) {
        free(inputs);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the output");
    }
    const wh_outset_spec spec = { .path = c->output,
                                  .count = 1,
                                  .force = c->o.job.force,
                                  .inputs = inputs,
                                  .inputs_count = count,
                                  .bytes = output_bytes(c) };
    whit_status st = wh_outset_open(&c->set, &spec, err);
    free(inputs);
    if (st != WHIT_OK) return st;
    char *state = wh_path_join(c->partial, PARTIAL_NAME);
    int there = 0;
    if (!state) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the output");
    if (state && !c->o.resume) remove_partial(c);
    if (state && c->o.resume) st = wh_file_there(state, &there, err);
    if (there) st = take_up(c, state, err);
    free(state);
    return st;
}

whit_status wh_calib_commit(whit_calibration *c, whit_error *err)
{
    const wh_calib_form form = wh_calib_form_of(c->output);
    whit_status st = list_sources(c, err);
    if (st == WHIT_OK)
        st = wh_calib_write(c->state, form, c->o.hessian ? fetch : NULL, c, c->set, err);
    if (st == WHIT_OK) st = wh_outset_commit(c->set, err);
    if (st == WHIT_OK) remove_partial(c);
    return st;
}
