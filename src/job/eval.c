/* src/job/eval.c - evaluating a model: opening it and its base, feeding both, results.
 *
 * Both read the same tokens piece by piece; of the logits of a piece a row of numbers a position is
 * made (eval_rows.c) before the next one is fed. Not here: what is fed and what becomes of the rows
 * (eval_perplexity.c, eval_choices.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/eval.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "job/blame.h"
#include "model/runner.h"

#define CONTEXT_MOST ((uint64_t)1 << 28)

void whit_eval_options_init(whit_eval_options *options)
{
    *options = (whit_eval_options){ .struct_size = sizeof *options };
    whit_job_options_init(&options->job);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

/* Of a GGUF file it is in it; of others in the folder, where the configuration is too. */
static whit_status open_tokenizer(wh_eval_side *s, whit_error *err)
{
    const whit_file *file = whit_source_file(s->model->source);
    if (whit_file_is_folder(file) || whit_file_kv_count(file, 0) > 0)
        return whit_tokenizer_open(&s->tokenizer, s->path, err);
    return whit_tokenizer_open(&s->tokenizer, whit_file_folder(file), err);
}

static void warn_of(whit_eval *e, const wh_eval_side *s, whit_acts acts)
{
    const whit_model_info *info = whit_model_describe(s->model);
    const uint32_t tokens = whit_tokenizer_describe(s->tokenizer)->vocabulary;
    char name[WH_SHORT];
    size_t with_q8 = 0;
    wh_short(name, s->path);
    wh_lines_copy(&e->warnings, &s->model->warnings);
    if (tokens > info->vocabulary)
        wh_lines_add(&e->warnings,
                     "%s: the vocabulary has %" PRIu32 " tokens, the embeddings %" PRIu32 " rows",
                     name, tokens, info->vocabulary);
    for (size_t i = 0; i < whit_model_linears(s->model); i++)
        with_q8 += whit_model_linear_at(s->model, i)->acts == WHIT_ACTS_Q8 ||
                   whit_model_linear_at(s->model, i)->a8;
    if (acts == WHIT_ACTS_Q8 && with_q8 == 0)
        wh_lines_add(&e->warnings, "%s: no matrix of it is multiplied with int8 activations", name);
}

static whit_status open_side(whit_eval *e, size_t i, whit_acts acts, whit_error *err)
{
    wh_eval_side *s = &e->side[i];
    whit_model_options o;
    whit_model_options_init(&o);
    o.threads = e->o.job.threads < WH_POOL_MAX ? e->o.job.threads : WH_POOL_MAX;
    o.acts = acts;
    s->path = i == 0 ? e->path : e->base;
    whit_status st = whit_model_open(&s->model, s->path, &o, err);
    if (st == WHIT_OK) st = open_tokenizer(s, err);
    if (st == WHIT_OK) warn_of(e, s, acts);
    e->sides++;
    return st;
}

static void close_side(wh_eval_side *s)
{
    free(s->logits);
    whit_session_close(s->session);
    whit_tokenizer_close(s->tokenizer);
    whit_model_close(s->model);
    *s = (wh_eval_side){ 0 };
}

static whit_status settle_context(whit_eval *e, whit_error *err)
{
    char name[WH_SHORT];
    uint64_t made = WH_EVAL_CONTEXT;
    for (size_t i = 0; i < e->sides; i++) {
        const uint32_t context = whit_model_describe(e->side[i].model)->context;
        if (context < made) made = context;
        if (e->o.context > context)
            wh_lines_add(&e->warnings, "%s: was made for %" PRIu32 " positions, not %" PRIu64,
                         wh_short(name, e->side[i].path), context, e->o.context);
    }
    if (e->o.context == 0 && made < 2)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: has a context of one token",
                       wh_short(name, e->path));
    e->context = (size_t)(e->o.context ? e->o.context : made);
    return WHIT_OK;
}

/* Octets that it takes, besides what is small. */
static uint64_t memory_of(const whit_eval *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->sides; i++) {
        const whit_model_info *m = whit_model_describe(e->side[i].model);
        sum += m->weight_bytes + (uint64_t)e->rows * m->vocabulary * sizeof(float) +
               (uint64_t)m->layers * m->kv_heads * m->head_width * e->context * 2 * sizeof(float);
    }
    return sum;
}

static whit_status open_sessions(whit_eval *e, whit_error *err)
{
    const size_t row = e->vocabulary * sizeof(float);
    e->rows = WH_EVAL_LOGITS / row;
    if (e->rows > WH_EVAL_ROWS) e->rows = WH_EVAL_ROWS;
    if (e->rows > e->context) e->rows = e->context;
    if (e->rows == 0) e->rows = 1;
    whit_status st = WHIT_OK;
    if (e->o.job.max_memory) st = wh_stream_fits(e->o.job.max_memory, memory_of(e), err);
    for (size_t i = 0; i < e->sides && st == WHIT_OK; i++) {
        wh_eval_side *s = &e->side[i];
        st = whit_session_open(&s->session, s->model, e->context, err);
        if (st != WHIT_OK) return wh_prefix(err, st, s->path);
        s->logits = wh_calloc(e->rows, row);
        if (!s->logits) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the logits");
    }
    if (st != WHIT_OK) return st;
    e->row = wh_calloc(e->rows, sizeof *e->row);
    return e->row ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the figures");
}

static whit_status open_all(whit_eval *e, whit_error *err)
{
    char name[WH_SHORT];
    whit_status st = open_side(e, 0, e->o.acts, err);
    if (st == WHIT_OK && e->base) st = open_side(e, 1, WHIT_ACTS_F32, err);
    if (st == WHIT_OK) st = settle_context(e, err);
    if (st != WHIT_OK) return st;
    const whit_model_info *m = whit_model_describe(e->side[0].model);
    const whit_tokenizer_info *t = whit_tokenizer_describe(e->side[0].tokenizer);
    e->vocabulary = m->vocabulary;
    e->threads = m->threads;
    e->start = t->bos >= 0 ? t->bos : m->bos;
    if (e->start >= (int64_t)e->vocabulary) e->start = -1;
    e->starts = t->adds_bos && e->start >= 0;
    if (e->base && whit_model_describe(e->side[1].model)->vocabulary != m->vocabulary)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: gives %" PRIu32 " logits, the base %" PRIu32
                       "; models are compared by token ids; try: a base with the same vocabulary",
                       wh_short(name, e->path), m->vocabulary,
                       whit_model_describe(e->side[1].model)->vocabulary);
    return open_sessions(e, err);
}

/* ---- feeding ----------------------------------------------------------------------------------
 */

static whit_status feed_all(whit_eval *e, const uint32_t *token, size_t n, whit_logits which,
                            const char *what, whit_error *err)
{
    for (size_t i = 0; i < e->sides; i++) {
        wh_eval_side *s = &e->side[i];
        whit_status st = whit_session_feed(s->session, token, n, which, s->logits, err);
        if (st != WHIT_OK) return st;
        e->fed += n;
    }
    return wh_meter_step(&e->meter, what, e->o.text ? n : 0, err);
}

whit_status wh_eval_feed(whit_eval *e, const uint32_t *token, size_t count, size_t scored,
                         const char *what, wh_eval_take *take, void *ctx, whit_error *err)
{
    size_t at = whit_session_position(e->side[0].session);
    while (at + 1 < scored) {
        const size_t left = scored - 1 - at, n = left < e->rows ? left : e->rows;
        whit_status st = feed_all(e, token + at, n, WHIT_LOGITS_NONE, what, err);
        if (st != WHIT_OK) return st;
        at += n;
    }
    while (at + 1 < count) {
        const size_t left = count - 1 - at, n = left < e->rows ? left : e->rows;
        const wh_eval_rows rows = { e->side[0].model->ops,
                                    e->side[0].logits,
                                    e->side[1].logits,
                                    e->vocabulary,
                                    n,
                                    token + at + 1,
                                    e->row };
        whit_status st = feed_all(e, token + at, n, WHIT_LOGITS_ALL, what, err);
        if (st != WHIT_OK) return st;
        wh_eval_rows_run(whit_model_context(e->side[0].model), &rows);
        for (size_t i = 0; i < n; i++) {
            if (e->row[i].bad) {
                const wh_eval_side *s = &e->side[e->row[i].bad == WH_EVAL_BAD_BASE];
                return wh_blame(s->model, s->session, token, at + i + 1, err);
            }
            take(ctx, at + i + 1, &e->row[i]);
        }
        at += n;
    }
    return WHIT_OK;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static whit_status check_options(const char *path, const whit_eval_options *o, whit_error *err)
{
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_eval_run: no path");
    if (!o || o->struct_size != sizeof *o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_eval_run: struct_size not set");
    if (!o->text == !o->choices)
        return wh_fail(err, WHIT_ERR_ARG, "whit_eval_run: one of text and choices is to be set");
    if ((int)o->protocol < WHIT_EVAL_WINDOW || o->protocol > WHIT_EVAL_STORY)
        return wh_fail(err, WHIT_ERR_ARG, "whit_eval_run: no such protocol");
    const uint64_t least = o->protocol == WHIT_EVAL_HALF && o->text ? 3 : 2;
    if (o->context && (o->context < least || o->context > CONTEXT_MOST))
        return wh_fail(err, WHIT_ERR_ARG,
                       "a context of %" PRIu64 " tokens; try: %" PRIu64 " to %" PRIu64, o->context,
                       least, CONTEXT_MOST);
    return WHIT_OK;
}

/* What is read is looked at before the models are, which may take a while. */
static whit_status run(whit_eval *e, whit_error *err)
{
    wh_eval_questions questions = { .count = 0 };
    char *text = NULL, name[WH_SHORT];
    size_t len = 0;
    wh_meter_start(&e->meter, &e->o.job, 0);
    wh_short(name, e->input);
    whit_status st = whit_isa(&e->isa, err);
    if (st == WHIT_OK) st = wh_file_slurp(e->input, WH_EVAL_TEXT, &text, &len, err);
    if (st == WHIT_OK && e->o.choices)
        st = wh_eval_questions_read(&questions, name, text, len, err);
    if (st == WHIT_OK) st = open_all(e, err);
    if (st == WHIT_OK)
        st = e->o.choices ? wh_eval_run_choices(e, &questions, err)
                          : wh_eval_run_text(e, text, len, err);
    wh_eval_questions_free(&questions);
    free(text);
    e->ended = wh_seconds();
    if (st == WHIT_OK && e->warnings.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the warnings");
    return st;
}

static whit_eval *make(const char *path, const whit_eval_options *o)
{
    const char *input = o->text ? o->text : o->choices;
    whit_eval *e = wh_calloc(1, sizeof *e);
    if (!e) return NULL;
    e->o = *o;
    e->path = wh_strndup(path, strlen(path));
    e->input = wh_strndup(input, strlen(input));
    if (o->base) e->base = wh_strndup(o->base, strlen(o->base));
    if (e->path && e->input && (e->base || !o->base)) return e;
    whit_eval_free(e);
    return NULL;
}

whit_status whit_eval_run(whit_eval **out, const char *path, const whit_eval_options *options,
                          whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_eval_run: no place for the result");
    *out = NULL;
    whit_status st = check_options(path, options, err);
    if (st != WHIT_OK) return st;
    whit_eval *e = make(path, options);
    if (!e) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an evaluation");
    st = run(e, err);
    for (size_t i = 0; i < 2; i++) close_side(&e->side[i]);
    if (st != WHIT_OK) {
        whit_eval_free(e);
        return st;
    }
    *out = e;
    return WHIT_OK;
}

void whit_eval_free(whit_eval *eval)
{
    if (!eval) return;
    for (size_t i = 0; i < WH_EVAL_PLACES; i++)
        for (size_t k = 0; k < 4; k++) free(eval->place_text[i][k]);
    for (size_t i = 0; eval->tag && i < eval->score_count; i++) free(eval->tag[i]);
    free(eval->tag);
    free(eval->score);
    free(eval->row);
    wh_lines_free(&eval->warnings);
    free(eval->path);
    free(eval->base);
    free(eval->input);
    free(eval);
}

/* ---- results ----------------------------------------------------------------------------------
 */

const whit_eval_scores *whit_eval_total(const whit_eval *eval)
{
    return eval->score ? NULL : &eval->scores;
}

size_t whit_eval_places(const whit_eval *eval)
{
    return eval->places;
}

const whit_eval_place *whit_eval_place_at(const whit_eval *eval, size_t index)
{
    return index < eval->places ? &eval->place[index] : NULL;
}

size_t whit_eval_score_count(const whit_eval *eval)
{
    return eval->score_count;
}

const whit_eval_score *whit_eval_score_at(const whit_eval *eval, size_t index)
{
    return index < eval->score_count ? &eval->score[index] : NULL;
}

size_t whit_eval_warnings(const whit_eval *eval)
{
    return eval->warnings.count;
}

const char *whit_eval_warning(const whit_eval *eval, size_t index)
{
    return wh_lines_at(&eval->warnings, index);
}
