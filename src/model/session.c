/* src/model/session.c - a text that a model reads: its memory, and feeding it.
 *
 * Tokens pass through the layers in pieces of at most WH_CHUNK; where the cuts are changes no bit.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "model/runner.h"

#define POSITIONS 4096u        /* unless the caller says */
#define MOST ((size_t)1 << 28) /* positions whose angles are exact */

/* Room for the buffers: with base NULL only its size is reckoned. */
static size_t lay_out(whit_session *s, char *base)
{
    const wh_model_config *c = &s->model->config;
    const size_t q = (size_t)c->heads * c->head_dim, kv = (size_t)c->kv_heads * c->head_dim;
    const size_t widest = c->ffn > c->dim ? (c->ffn > q ? c->ffn : q) : c->dim > q ? c->dim : q;
    const struct {
        float **at;
        size_t values; /* of a token */
    } buffers[] = {
        { &s->stream, c->dim },
        { &s->normed, c->dim },
        { &s->query, q },
        { &s->turned, q },
        { &s->key, kv },
        { &s->value, kv },
        { &s->mixed, q },
        { &s->gate, c->ffn },
        { &s->up, c->ffn },
        { &s->rounded, s->model->rounds || s->model->lent ? widest : 0 },
        { &s->cosine, c->head_dim / 2 },
        { &s->sine, c->head_dim / 2 },
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (base) *buffers[i].at = (float *)(void *)(base + used);
        used += (s->chunk * buffers[i].values * sizeof(float) + 63) / 64 * 64;
    }
    if (base) s->desks = base + used;
    return used + s->desk_bytes * whit_context_threads(s->model->context);
}

static whit_status allocate(whit_session *s, whit_error *err)
{
    s->chunk = s->positions < WH_CHUNK ? s->positions : WH_CHUNK;
    s->desk_bytes = wh_attention_desk(s->model, s->positions);
    s->pages_bytes = lay_out(s, NULL);
    s->pages = wh_pages_alloc(s->pages_bytes);
    if (!s->pages)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory to run a model: %zu octets", s->pages_bytes);
    lay_out(s, s->pages);
    return wh_cache_open(&s->cache, &s->model->config, s->positions, err);
}

whit_status whit_session_open(whit_session **out, whit_model *model, size_t positions,
                              whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_session_open: no place for the result");
    *out = NULL;
    if (!model) return wh_fail(err, WHIT_ERR_ARG, "whit_session_open: no model");
    const wh_model_config *c = &model->config;
    if (positions == 0) positions = c->context < POSITIONS ? c->context : POSITIONS;
    if (c->rope.kind == WH_ROPE_DYNAMIC && positions > c->rope.original)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%zu positions: with rope scaling dynamic at most %u are supported",
                       positions, (unsigned)c->rope.original);
    if (positions > MOST)
        return wh_fail(err, WHIT_ERR_ARG, "whit_session_open: more than %zu positions", MOST);
    whit_session *s = wh_calloc(1, sizeof *s);
    if (!s) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a session");
    s->model = model;
    s->positions = positions;
    whit_status st = allocate(s, err);
    if (st != WHIT_OK) {
        whit_session_close(s);
        return st;
    }
    *out = s;
    return WHIT_OK;
}

void whit_session_close(whit_session *session)
{
    if (!session) return;
    wh_cache_close(&session->cache);
    wh_pages_free(session->pages, session->pages_bytes);
    free(session);
}

size_t whit_session_position(const whit_session *session)
{
    return session->position;
}

size_t whit_session_positions(const whit_session *session)
{
    return session->positions;
}

void whit_session_rewind(whit_session *session, size_t position)
{
    if (position < session->position) session->position = position;
}

void whit_session_watch(whit_session *session, whit_input_fn *fn, void *ctx)
{
    session->watch = fn;
    session->watch_ctx = ctx;
}

static whit_status check_feed(const whit_session *s, const uint32_t *ids, size_t count,
                              whit_logits which, const float *logits, whit_error *err)
{
    if (!s || (count > 0 && !ids) ||
        (count > 0 && which != WHIT_LOGITS_NONE && !logits && !s->watch))
        return wh_fail(err, WHIT_ERR_ARG, "whit_session_feed: session, ids or logits is null");
    if ((int)which < WHIT_LOGITS_NONE || which > WHIT_LOGITS_ALL)
        return wh_fail(err, WHIT_ERR_ARG, "whit_session_feed: no such choice of logits");
    if (count > s->positions - s->position)
        return wh_fail(err, WHIT_ERR_ARG, "whit_session_feed: %zu tokens, but %zu positions left",
                       count, s->positions - s->position);
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= s->model->config.vocab)
            return wh_fail(err, WHIT_ERR_ARG, "whit_session_feed: id %u, but %u tokens", ids[i],
                           s->model->config.vocab);
    return WHIT_OK;
}

whit_status whit_session_feed(whit_session *session, const uint32_t *ids, size_t count,
                              whit_logits which, float *logits, whit_error *err)
{
    whit_session *s = session;
    whit_status st = check_feed(s, ids, count, which, logits, err);
    for (size_t done = 0; done < count && st == WHIT_OK;) {
        const size_t n = count - done < s->chunk ? count - done : s->chunk;
        size_t wanted = which == WHIT_LOGITS_ALL ? n : 0;
        if (which == WHIT_LOGITS_LAST && done + n == count) wanted = 1;
        st = wh_forward(s, s->position + done, ids + done, n, wanted, logits, err);
        if (wanted > 0 && logits) logits += wanted * s->model->config.vocab;
        done += n;
    }
    if (st == WHIT_OK) s->position += count;
    return st;
}
