/* src/job/generate.c - a text that a model goes on with: the prompt in, token by token out.
 *
 * Not here: how a token is chosen (src/model/sample.c).
 * SPDX-License-Identifier: MIT */
#include <whit/generate.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/blame.h"
#include "job/stream.h"

#define PIECE 256 /* tokens of the prompt between two questions whether to go on */

typedef struct run {
    whit_model *model;
    const whit_tokenizer *tokenizer;
    whit_generate_options o;
    whit_session *session;
    whit_sampler *sampler;
    whit_ids ids; /* the prompt, then what was fed behind it */
    float *logits;
    whit_text_stream stream;
    wh_buf text;   /* what is not told yet */
    uint32_t last; /* new token */
    double start;
    whit_generated out;
} run;

void whit_generate_options_init(whit_generate_options *options)
{
    *options = (whit_generate_options){ .struct_size = sizeof *options, .tokens = 256 };
    whit_sampling_init(&options->sampling);
}

/* ---- the text, in whole characters ----------------------------------------------------------- */

/* Whether n octets that are no character become one with others behind them. */
static int is_begun(const unsigned char *p, size_t n)
{
    for (int fill = 0x80; fill <= 0xbf; fill += 0x3f) { /* the ends of what may follow */
        unsigned char whole[4];
        memset(whole, fill, sizeof whole);
        memcpy(whole, p, n);
        if (wh_utf8_sequence(whole, sizeof whole) > n) return 1;
    }
    return 0;
}

/* How many octets from the start can be told: all but a character that is not complete. */
static size_t tellable(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t from = len < 3 ? 0 : len - 3;
    for (size_t i = from; i < len; i++)
        if (p[i] >= 0xc0 && is_begun(p + i, len - i)) return i;
    return len;
}

/* Tell the next n octets. */
static whit_status tell(run *r, size_t n)
{
    if (r->o.text && r->o.text(r->o.user, r->last, n > 0 ? r->text.data : "", n))
        return WHIT_ERR_CANCELLED;
    if (n == 0) return WHIT_OK;
    memmove(r->text.data, r->text.data + n, r->text.len - n);
    r->text.len -= n;
    return WHIT_OK;
}

static whit_status add_token(run *r, uint32_t id, whit_error *err)
{
    const char *piece;
    size_t len;
    whit_status st = whit_detokenize_next(r->tokenizer, &r->stream, id, &piece, &len, err);
    if (st != WHIT_OK) return st;
    wh_buf_put(&r->text, piece, len);
    if (r->text.failed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the text");
    r->out.tokens++;
    r->last = id;
    return tell(r, tellable(r->text.data, r->text.len));
}

/* ---- the prompt ------------------------------------------------------------------------------ */

/* Tokens that the vocabulary has and the model has not. */
static whit_status check_ids(const run *r, whit_error *err)
{
    const whit_model_info *m = whit_model_describe(r->model);
    for (size_t i = 0; i < r->ids.count; i++)
        if (r->ids.id[i] >= m->vocabulary)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "the prompt has token %" PRIu32 " of the vocabulary, but the model has "
                           "%" PRIu32 " rows of embeddings; try: the tokenizer of this model",
                           r->ids.id[i], m->vocabulary);
    if (r->ids.count > m->context)
        return wh_fail(err, WHIT_ERR_ARG,
                       "the prompt has %zu tokens, the model was made for %" PRIu32
                       " positions; try: a shorter prompt",
                       r->ids.count, m->context);
    return WHIT_OK;
}

static whit_status append_id(run *r, uint32_t id, whit_error *err)
{
    void *ids = r->ids.id;
    if (!wh_grow(&ids, &r->ids.cap, r->ids.count + 1, sizeof *r->ids.id))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the tokens");
    r->ids.id = ids;
    r->ids.id[r->ids.count++] = id;
    return WHIT_OK;
}

static whit_status make_ids(run *r, const char *prompt, size_t len, whit_error *err)
{
    const int64_t bos = whit_model_describe(r->model)->bos;
    whit_status st = whit_tokenize(r->tokenizer, prompt, len, WHIT_TOKENIZE_BEFORE, &r->ids, err);
    if (st != WHIT_OK) return st;
    if (r->ids.count == 0) {
        if (bos < 0)
            return wh_fail(err, WHIT_ERR_ARG,
                           "the prompt is empty, and no token begins a text; try: --prompt TEXT");
        st = append_id(r, (uint32_t)bos, err);
        if (st != WHIT_OK) return st;
    }
    return check_ids(r, err);
}

/* The first tokens are decoded, too: what follows depends on whether something went before. */
static whit_status pass_over(run *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < r->ids.count && st == WHIT_OK; i++) {
        const char *piece;
        size_t len;
        st = whit_detokenize_next(r->tokenizer, &r->stream, r->ids.id[i], &piece, &len, err);
    }
    return st;
}

static whit_status read_prompt(run *r, whit_error *err)
{
    const size_t count = r->ids.count;
    whit_status st = pass_over(r, err);
    if (st == WHIT_OK) r->out.prompt_tokens = count;
    for (size_t done = 0; done < count && st == WHIT_OK;) {
        const size_t n = count - done < PIECE ? count - done : PIECE;
        const whit_progress p = {
            .tensor = "prompt", .done = done, .total = count, .seconds = wh_seconds() - r->start
        };
        if (r->o.progress && r->o.progress(r->o.user, &p)) return WHIT_ERR_CANCELLED;
        const int last = done + n == count;
        st = whit_session_feed(r->session, r->ids.id + done, n,
                               last ? WHIT_LOGITS_LAST : WHIT_LOGITS_NONE, r->logits, err);
        done += n;
    }
    r->out.prompt_seconds = wh_seconds() - r->start;
    return st;
}

/* ---- new tokens ------------------------------------------------------------------------------ */

static int is_end(const run *r, uint32_t id)
{
    const whit_model_info *m = whit_model_describe(r->model);
    const whit_tokenizer_info *t = whit_tokenizer_describe(r->tokenizer);
    for (unsigned i = 0; i < m->eos_count; i++)
        if (m->eos[i] == id) return 1;
    if (m->eos_count == 0 && ((int64_t)id == t->eos || (int64_t)id == t->eot)) return 1;
    return (int64_t)id == m->bos || (int64_t)id == t->bos;
}

static whit_status go_on(run *r, size_t most, whit_error *err)
{
    whit_status st = WHIT_OK;
    while (r->out.tokens < most) {
        uint32_t id;
        st = whit_sampler_next(r->sampler, r->logits, &id, err);
        if (st == WHIT_ERR_NUMERIC)
            return wh_blame(r->model, r->session, r->ids.id, r->ids.count, err);
        if (st != WHIT_OK) return st;
        if (is_end(r, id)) {
            r->out.ending = WHIT_ENDING_TOKEN;
            r->out.ending_id = id;
            return WHIT_OK;
        }
        st = add_token(r, id, err);
        if (st != WHIT_OK || r->out.tokens == most) return st;
        st = append_id(r, id, err);
        if (st == WHIT_OK)
            st = whit_session_feed(r->session, &id, 1, WHIT_LOGITS_LAST, r->logits, err);
        if (st != WHIT_OK) return st;
        r->out.fed++;
    }
    return st;
}

/* What is left of a character that never was completed. */
static whit_status finish(run *r, whit_status st)
{
    return st == WHIT_OK && r->text.len > 0 ? tell(r, r->text.len) : st;
}

static whit_status open_run(run *r, size_t positions, whit_error *err)
{
    const whit_model_info *m = whit_model_describe(r->model);
    const uint32_t known = whit_tokenizer_describe(r->tokenizer)->vocabulary;
    const uint32_t vocabulary = known < m->vocabulary ? known : m->vocabulary;
    whit_status st = whit_sampler_open(&r->sampler, &r->o.sampling, vocabulary, err);
    if (st == WHIT_OK) st = whit_session_open(&r->session, r->model, positions, err);
    if (st != WHIT_OK) return st;
    r->logits = wh_calloc(m->vocabulary, sizeof *r->logits);
    return r->logits ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for logits");
}

static whit_status run_all(run *r, const char *prompt, size_t len, whit_error *err)
{
    whit_status st = make_ids(r, prompt, len, err);
    if (st != WHIT_OK) return st;
    const size_t room = whit_model_describe(r->model)->context - r->ids.count + 1;
    const size_t most = r->o.tokens < room ? r->o.tokens : room;
    st = open_run(r, r->ids.count + (most > 0 ? most - 1 : 0), err);
    if (st == WHIT_OK) st = read_prompt(r, err);
    if (st != WHIT_OK) return st;
    if (most < r->o.tokens) r->out.ending = WHIT_ENDING_CONTEXT;
    st = finish(r, go_on(r, most, err));
    r->out.seconds = wh_seconds() - r->start - r->out.prompt_seconds;
    return st;
}

whit_status whit_generate(whit_model *model, const whit_tokenizer *tokenizer, const char *prompt,
                          size_t len, const whit_generate_options *options, whit_generated *out,
                          whit_error *err)
{
    run r = { .model = model, .tokenizer = tokenizer, .start = wh_seconds() };
    if (out) memset(out, 0, sizeof *out);
    if (!model || !tokenizer || (!prompt && len > 0))
        return wh_fail(err, WHIT_ERR_ARG, "whit_generate: model, tokenizer or prompt is null");
    if (options && options->struct_size != sizeof r.o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_generate: struct_size not set");
    whit_generate_options_init(&r.o);
    if (options) r.o = *options;
    whit_status st = run_all(&r, prompt, len, err);
    if (st == WHIT_ERR_CANCELLED) st = wh_fail(err, st, "the caller ended the text");
    if (out) *out = r.out;
    whit_ids_free(&r.ids);
    whit_session_close(r.session);
    whit_sampler_close(r.sampler);
    wh_buf_free(&r.text);
    free(r.logits);
    return st;
}
