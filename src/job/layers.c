/* src/job/layers.c - a model run layer by layer over all tokens of some texts.
 *
 * A side is a model of one layer, whose weights are exchanged, with the residual stream of every
 * token. A pass takes the windows one after the other, in chunks; what comes behind a window begins
 * at position 0 again.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "job/layers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/temp.h"
#include "job/solve.h"

/* ---- rows of activations --------------------------------------------------------------------- */

static whit_status rows_open(wh_rows_kept *k, uint64_t rows, size_t cols, uint64_t room,
                             const char *output, whit_error *err)
{
    uint64_t bytes;
    *k = (wh_rows_kept){ .fd = -1, .rows = rows, .cols = cols };
    if (!wh_mul_u64(rows, cols * sizeof(float), &bytes))
        return wh_fail(err, WHIT_ERR_NOMEM, "too many tokens");
    if (bytes > room) return wh_temp_spill(output, &k->fd, err);
    k->data = wh_calloc(rows, cols * sizeof *k->data);
    return k->data ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for activations");
}

static void rows_close(wh_rows_kept *k)
{
    if (k->cols > 0 && k->fd >= 0) close(k->fd);
    free(k->data);
    *k = (wh_rows_kept){ .fd = -1 };
}

static whit_status rows_get(const wh_rows_kept *k, uint64_t at, size_t n, float *out,
                            whit_error *err)
{
    const size_t row = k->cols * sizeof *out;
    if (!k->data) return wh_file_pread(k->fd, "activations", at * row, out, n * row, err);
    memcpy(out, k->data + at * k->cols, n * row);
    return WHIT_OK;
}

static whit_status rows_put(wh_rows_kept *k, uint64_t at, size_t n, const float *in,
                            whit_error *err)
{
    const size_t row = k->cols * sizeof *in;
    if (!k->data) return wh_file_pwrite(k->fd, "activations", at * row, in, n * row, err);
    memcpy(k->data + at * k->cols, in, n * row);
    return WHIT_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static whit_status open_side(wh_layers *l, wh_side *s, uint64_t room, whit_error *err)
{
    wh_model_config one = l->config;
    const size_t heads = (size_t)l->config.heads * l->config.head_dim;
    const char *output = l->plan->target.path;
    one.layers = 1;
    whit_status st = wh_model_draw(&s->model, &one, l->context, WHIT_ACTS_F32, err);
    if (st == WHIT_OK)
        st = wh_places_rope(&l->places, &l->config, l->plan->source, s->model->frequencies, err);
    if (st == WHIT_OK) st = whit_session_open(&s->session, s->model, l->feeds->window, err);
    if (st == WHIT_OK) st = rows_open(&s->stream, l->tokens, l->config.dim, room, output, err);
    return st == WHIT_OK ? rows_open(&s->mixed, l->tokens, heads, room, output, err) : st;
}

/* Both streams begin as the embeddings. */
static whit_status embed(wh_layers *l, whit_error *err)
{
    const size_t dim = l->config.dim;
    const size_t index = *wh_place_of(&l->places, WH_ROLE_TOKEN_EMBD, 0);
    whit_status st = WHIT_OK;
    float *row = wh_calloc(dim, sizeof *row);
    uint64_t at = 0;
    if (!row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an embedding");
    for (size_t i = 0; i < l->feeds->count; i++) {
        const wh_feed *f = &l->feeds->feed[i];
        for (uint64_t w = 0; w < wh_feed_windows(l->feeds, f); w++) {
            const size_t n = wh_feed_window(l->feeds, f, w);
            for (size_t t = 0; t < n && st == WHIT_OK; t++, at++) {
                st = whit_source_read_f32(l->plan->source, index, l->feeds->token[t], 1, 0, dim,
                                          row, err);
                for (unsigned k = 0; k < l->sides && st == WHIT_OK; k++)
                    st = rows_put(&l->side[k].stream, at, 1, row, err);
            }
        }
    }
    free(row);
    return st;
}

/* What each of the kept arrays may take of the memory that the layers leave; beyond that it is a
 * file. An eighth of the ceiling is enough. */
static uint64_t kept_room(const wh_layers *l)
{
    const uint64_t limit = wh_stream_limit(&l->plan->job);
    const uint64_t least = wh_layers_bytes(l->plan, &l->config, l->sides);
    const uint64_t left = limit > least ? (limit - least) / (2 * l->sides) : 0;
    return left < limit / 8 ? left : limit / 8;
}

whit_status wh_layers_open(wh_layers *l, const whit_plan *plan, whit_context *context,
                           wh_feeds *feeds, unsigned sides, wh_lines *warnings, whit_error *err)
{
    const whit_file *file = whit_source_file(plan->source);
    *l = (wh_layers){ .plan = plan, .context = context, .feeds = feeds, .sides = sides };
    for (unsigned k = 0; k < WH_SIDES; k++) l->side[k].stream.fd = l->side[k].mixed.fd = -1;
    whit_status st = wh_config_of_file(&l->config, file, err);
    if (st != WHIT_OK) return st;
    const wh_feeds_model m = { whit_file_path(file), file, l->config.context, l->config.vocab,
                               l->config.bos };
    st = wh_places_find(&l->places, &l->config, plan->source, err);
    if (st == WHIT_OK) st = wh_feeds_settle(feeds, &m, plan->method->o.context, warnings, err);
    for (size_t i = 0; i < feeds->count && st == WHIT_OK; i++)
        l->tokens += wh_feed_tokens(feeds, &feeds->feed[i], WH_FEED_ALL, 0);
    const uint64_t room = kept_room(l);
    for (unsigned k = 0; k < sides && st == WHIT_OK; k++) st = open_side(l, &l->side[k], room, err);
    return st == WHIT_OK ? embed(l, err) : st;
}

void wh_layers_close(wh_layers *l)
{
    for (unsigned k = 0; k < WH_SIDES; k++) {
        whit_session_close(l->side[k].session);
        whit_model_close(l->side[k].model);
        rows_close(&l->side[k].stream);
        rows_close(&l->side[k].mixed);
    }
    wh_places_free(&l->places);
    *l = (wh_layers){ 0 };
}

uint64_t wh_layers_bytes(const whit_plan *plan, const wh_model_config *c, unsigned sides)
{
    uint64_t weights = 0, widest = 0;
    for (size_t k = 0; k < WH_LINEARS; k++) {
        uint64_t rows, cols;
        wh_linear_sides(c, k, &rows, &cols);
        weights += rows * cols;
        if (cols > widest) widest = cols;
    }
    /* layers; the matrix that is worked on; H, its factor, the drift */
    return sides * weights * 4 + wh_method_matrix(plan) + widest * widest * (sides > 1 ? 44 : 24);
}

/* ---- weights --------------------------------------------------------------------------------- */

static whit_status read_vector(const wh_layers *l, unsigned side, wh_role role, float *out,
                               whit_error *err)
{
    if (!wh_role_expected(&l->config, role) || !out) return WHIT_OK;
    const size_t i = *wh_place_of(&l->places, role, l->layer);
    return wh_fold_read(l->plan, i, 0, l->plan->entry[i].source->rows, side == WH_SIDE_QUANTIZED,
                        out, err);
}

static whit_status read_bias(const wh_layers *l, unsigned side, wh_linear *linear, wh_role role,
                             whit_error *err)
{
    uint64_t rows, cols;
    if (!wh_role_expected(&l->config, role)) return WHIT_OK;
    wh_role_shape(&l->config, role, &rows, &cols);
    if (!linear->bias) linear->bias = wh_calloc(cols, sizeof *linear->bias);
    if (!linear->bias) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a bias");
    return read_vector(l, side, role, linear->bias, err);
}

whit_status wh_layers_vectors(wh_layers *l, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (unsigned s = 0; s < l->sides && st == WHIT_OK; s++) {
        wh_layer *to = &l->side[s].model->layer[0];
        st = read_vector(l, s, WH_ROLE_ATTN_NORM, to->attn_norm, err);
        if (st == WHIT_OK) st = read_vector(l, s, WH_ROLE_FFN_NORM, to->ffn_norm, err);
        if (st == WHIT_OK) st = read_vector(l, s, WH_ROLE_ATTN_Q_NORM, to->q_norm, err);
        if (st == WHIT_OK) st = read_vector(l, s, WH_ROLE_ATTN_K_NORM, to->k_norm, err);
        if (st == WHIT_OK)
            st = read_vector(l, s, WH_ROLE_OUTPUT_NORM, l->side[s].model->output_norm, err);
        for (size_t k = 0; k < WH_LINEARS && st == WHIT_OK; k++)
            st = read_bias(l, s, &to->linear[k], wh_linear_bias(k), err);
    }
    return st;
}

whit_status wh_layers_load(wh_layers *l, uint32_t layer, whit_error *err)
{
    l->layer = layer;
    for (unsigned s = 0; s < l->sides; s++) /* layer 0 has a window as this one has */
        l->side[s].model->config.window_first = layer >= l->config.window_first ? 0 : 1;
    return wh_layers_vectors(l, err);
}

whit_status wh_layers_put(wh_layers *l, unsigned side, size_t linear, const float *w,
                          whit_error *err)
{
    whit_weight *weight;
    uint64_t rows, cols;
    wh_linear_sides(&l->config, linear, &rows, &cols);
    whit_status st = whit_weight_from_floats(&weight, l->context, WHIT_F32, rows, cols, w, err);
    if (st == WHIT_OK) wh_model_put(l->side[side].model, linear, weight);
    return st;
}

/* ---- passes ---------------------------------------------------------------------------------- */

typedef struct pass {
    wh_layers *l;
    wh_pass_kind kind;
    wh_look_fn *look;
    void *ctx;
    uint64_t at;     /* the chunk's first token */
    size_t position; /* in its window */
    size_t count;
} pass;

/* What a step shows of a session. */
typedef enum shown { SHOWN_NOTHING, SHOWN_NORMED, SHOWN_MIXED, SHOWN_GATE } shown;

static const float *rows_shown(const whit_session *s, shown what)
{
    switch (what) {
    case SHOWN_NORMED:
        return s->normed;
    case SHOWN_MIXED:
        return s->mixed;
    case SHOWN_GATE:
        return s->gate;
    default:
        return NULL;
    }
}

static whit_status look(const pass *p, size_t input, shown what, whit_error *err)
{
    const float *rows[WH_SIDES] = { NULL, NULL };
    for (unsigned s = 0; s < p->l->sides; s++) rows[s] = rows_shown(p->l->side[s].session, what);
    return p->look(p->ctx, input, p->at, rows[WH_SIDE_QUANTIZED], rows[WH_SIDE_FLOAT], p->count,
                   err);
}

typedef whit_status side_fn(const pass *p, wh_side *s, whit_error *err);

static whit_status both(const pass *p, side_fn *fn, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (unsigned s = 0; s < p->l->sides && st == WHIT_OK; s++) st = fn(p, &p->l->side[s], err);
    return st;
}

static whit_status take_stream(const pass *p, wh_side *s, whit_error *err)
{
    wh_step_place(s->session, p->position, p->count);
    return rows_get(&s->stream, p->at, p->count, s->session->stream, err);
}

static whit_status keep_stream(const pass *p, wh_side *s, whit_error *err)
{
    return rows_put(&s->stream, p->at, p->count, s->session->stream, err);
}

static whit_status norm_attn(const pass *p, wh_side *s, whit_error *err)
{
    (void)err;
    wh_step_norm(s->session, s->model->layer[0].attn_norm, p->count);
    return WHIT_OK;
}

static whit_status norm_ffn(const pass *p, wh_side *s, whit_error *err)
{
    (void)err;
    wh_step_norm(s->session, s->model->layer[0].ffn_norm, p->count);
    return WHIT_OK;
}

static whit_status norm_head(const pass *p, wh_side *s, whit_error *err)
{
    (void)err;
    wh_step_norm(s->session, s->model->output_norm, p->count);
    return WHIT_OK;
}

static whit_status mix(const pass *p, wh_side *s, whit_error *err)
{
    return wh_step_mix(s->session, 0, p->position, p->count, err);
}

static whit_status keep_mixed(const pass *p, wh_side *s, whit_error *err)
{
    return rows_put(&s->mixed, p->at, p->count, s->session->mixed, err);
}

static whit_status take_mixed(const pass *p, wh_side *s, whit_error *err)
{
    return rows_get(&s->mixed, p->at, p->count, s->session->mixed, err);
}

static whit_status add_out(const pass *p, wh_side *s, whit_error *err)
{
    return wh_step_add(s->session, &s->model->layer[0].linear[WH_LINEAR_OUT], p->position,
                       s->session->mixed, p->count, err);
}

static whit_status gate(const pass *p, wh_side *s, whit_error *err)
{
    return wh_step_gate(s->session, 0, p->position, p->count, err);
}

static whit_status add_down(const pass *p, wh_side *s, whit_error *err)
{
    return wh_step_add(s->session, &s->model->layer[0].linear[WH_LINEAR_DOWN], p->position,
                       s->session->gate, p->count, err);
}

static whit_status whole(const pass *p, wh_side *s, whit_error *err)
{
    return wh_step_layer(s->session, 0, p->position, p->count, err);
}

typedef struct step {
    side_fn *fn; /* NULL: look */
    shown shows;
    size_t input;
} step;

static whit_status take_step(const pass *p, const step *s, whit_error *err)
{
    return s->fn ? both(p, s->fn, err) : look(p, s->input, s->shows, err);
}

#define SHOW(what, input)                                                                          \
    {                                                                                              \
        NULL, SHOWN_##what, WH_INPUT_##input                                                       \
    }
#define DO(fn)                                                                                     \
    {                                                                                              \
        fn, SHOWN_NOTHING, 0                                                                       \
    }
#define MOST_STEPS 10

static const step passes[][MOST_STEPS] = {
    [WH_PASS_ATTN] = { DO(take_stream), DO(norm_attn), SHOW(NORMED, ATTN) },
    [WH_PASS_OUT] = { DO(take_stream), DO(norm_attn), DO(mix), SHOW(MIXED, OUT), DO(keep_mixed) },
    [WH_PASS_FFN] = { DO(take_stream), DO(take_mixed), DO(add_out), DO(keep_stream), DO(norm_ffn),
                      SHOW(NORMED, FFN) },
    [WH_PASS_DOWN] = { DO(take_stream), DO(norm_ffn), DO(gate), SHOW(GATE, DOWN) },
    [WH_PASS_END] = { DO(take_stream), DO(norm_ffn), DO(gate), DO(add_down), DO(keep_stream) },
    [WH_PASS_LOOK] = { DO(take_stream), DO(norm_attn), SHOW(NORMED, ATTN), DO(mix),
                       SHOW(MIXED, OUT), DO(add_out), DO(norm_ffn), SHOW(NORMED, FFN), DO(gate),
                       SHOW(GATE, DOWN) },
    [WH_PASS_SKIP] = { DO(take_stream), DO(whole), DO(keep_stream) },
    [WH_PASS_HEAD] = { DO(take_stream), DO(norm_head), SHOW(NORMED, ATTN) },
};

static whit_status take_steps(const pass *p, whit_error *err)
{
    const step *steps = passes[p->kind];
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < MOST_STEPS && (steps[k].fn || steps[k].shows) && st == WHIT_OK; k++)
        st = take_step(p, &steps[k], err);
    return st;
}

whit_status wh_layers_pass(wh_layers *l, wh_pass_kind kind, wh_look_fn *fn, void *ctx,
                           whit_error *err)
{
    pass p = { .l = l, .kind = kind, .look = fn, .ctx = ctx };
    const size_t chunk = l->side[0].session->chunk;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < l->feeds->count; i++) {
        const wh_feed *f = &l->feeds->feed[i];
        const uint64_t all = wh_feed_tokens(l->feeds, f, WH_FEED_ALL, 0);
        for (uint64_t at = 0; at < all && st == WHIT_OK; at += p.count, p.at += p.count) {
            p.position = (size_t)(at % l->feeds->window);
            const uint64_t window = l->feeds->window - p.position, left = all - at;
            const uint64_t n = window < left ? window : left;
            p.count = (size_t)(n < chunk ? n : chunk);
            st = take_steps(&p, err);
        }
    }
    return st;
}
