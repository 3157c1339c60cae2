/* src/job/eval_choices.c - multiple choice by log-likelihood.
 *
 * What two token lists in a row have in common is fed once: the choices of a question share its
 * prompt, questions may share examples before theirs. The same ids give the same bits however they
 * are fed.
 *
 * Source: EleutherAI/lm-evaluation-harness, lm_eval/api/model.py (TemplateLM) and
 * lm_eval/api/task.py (multiple_choice).
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/names.h"
#include "job/eval.h"

/* A choice as tokens: those from `scored` on are its own. */
typedef struct spelling {
    whit_ids ids;
    size_t scored;
    int truncated;
} spelling;

typedef struct quiz {
    whit_eval *e;
    const wh_eval_questions *questions;
    spelling now, base, fed; /* what is fed next; the same by the base; what the sessions have */
    wh_buf text;
    double ll[2]; /* of the choice at hand: model, base */
    wh_names tags;
    size_t score_cap;
} quiz;

/* ---- texts to tokens --------------------------------------------------------------------------
 */

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* The ids of a text behind the start of text. */
static whit_status put_ids(quiz *z, size_t side, const char *text, size_t len, whit_ids *ids,
                           whit_error *err)
{
    const whit_eval *e = z->e;
    uint64_t octets = 0; /* none: JSON is UTF-8 */
    ids->count = 0;
    if (e->starts) {
        void *list = ids->id;
        const int grown = wh_grow(&list, &ids->cap, 1, sizeof *ids->id);
        ids->id = list;
        if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the token ids");
        ids->id[ids->count++] = (uint32_t)e->start;
    }
    return wh_eval_tokenize(e->side[side].tokenizer, text, len, ids, &octets, err);
}

/* prompt + choice as tokens. */
static whit_status spell(quiz *z, const wh_eval_question *q, size_t choice, size_t side,
                         spelling *s, whit_error *err)
{
    const whit_eval *e = z->e;
    size_t prompt = strlen(q->prompt);
    z->text.len = 0;
    wh_buf_puts(&z->text, q->prompt);
    wh_buf_puts(&z->text, q->choice[choice]);
    if (z->text.failed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the text of a choice");
    while (prompt > 0 && q->prompt[prompt - 1] == ' ') prompt--;
    whit_status st = put_ids(z, side, z->text.data, prompt, &s->ids, err);
    s->scored = s->ids.count;
    if (st == WHIT_OK) st = put_ids(z, side, z->text.data, z->text.len, &s->ids, err);
    if (st != WHIT_OK) return st;
    /* tokens across the border can be fewer than those of the prompt alone */
    if (s->scored >= s->ids.count) s->scored = s->ids.count > 0 ? s->ids.count - 1 : 0;
    const size_t most = e->context + 1; /* the last one is only predicted */
    const size_t over = s->ids.count > most ? s->ids.count - most : 0;
    s->truncated = over > 0;
    if (over > 0) memmove(s->ids.id, s->ids.id + over, most * sizeof *s->ids.id);
    s->ids.count -= over;
    s->scored = s->scored > over ? s->scored - over : 0;
    return WHIT_OK;
}

static whit_status check_spelling(const quiz *z, const wh_eval_question *q, size_t choice,
                                  whit_error *err)
{
    const spelling *s = &z->now;
    const whit_eval *e = z->e;
    char name[WH_SHORT];
    wh_short(name, e->input);
    if (s->scored == 0 && s->truncated)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: line %" PRIu64 ": choice %zu alone exceeds the context of %zu tokens; "
                       "try: --context",
                       name, q->line, choice, e->context);
    if (s->scored == 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: line %" PRIu64
                       ": the prompt is empty, and the tokenizer puts no start before a text",
                       name, q->line);
    for (size_t i = 0; i < s->ids.count; i++)
        if (s->ids.id[i] >= e->vocabulary)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: line %" PRIu64 ": token %" PRIu32
                           ", but the embeddings have %zu rows; try: the tokenizer of this model",
                           name, q->line, s->ids.id[i], e->vocabulary);
    return WHIT_OK;
}

static int same_spelling(const spelling *a, const spelling *b)
{
    return a->scored == b->scored && a->ids.count == b->ids.count &&
           (a->ids.count == 0 ||
            memcmp(a->ids.id, b->ids.id, a->ids.count * sizeof *a->ids.id) == 0);
}

/* z->now, by the model's tokenizer; the base's must give the same. */
static whit_status spell_both(quiz *z, const wh_eval_question *q, size_t choice, whit_error *err)
{
    char base[WH_SHORT];
    whit_status st = spell(z, q, choice, 0, &z->now, err);
    if (st == WHIT_OK && z->e->base) st = spell(z, q, choice, 1, &z->base, err);
    if (st != WHIT_OK) return st;
    if (z->e->base && !same_spelling(&z->now, &z->base))
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: its vocabulary gives other ids for line %" PRIu64
                       "; models are compared by token ids; try: a base with the same vocabulary",
                       wh_short(base, z->e->base), q->line);
    return check_spelling(z, q, choice, err);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static void take(void *ctx, size_t i, const wh_eval_row *row)
{
    quiz *z = ctx;
    (void)i;
    z->ll[0] -= row->nll;
    z->ll[1] -= row->base_nll;
}

/* z->ll of the tokens in z->now. */
static whit_status ask(quiz *z, const char *what, whit_error *err)
{
    whit_eval *e = z->e;
    const spelling *s = &z->now;
    size_t same = 0;
    while (same + 1 < s->scored && same < z->fed.ids.count &&
           s->ids.id[same] == z->fed.ids.id[same])
        same++;
    for (size_t i = 0; i < e->sides; i++) whit_session_rewind(e->side[i].session, same);
    z->ll[0] = z->ll[1] = 0;
    whit_status st = wh_eval_feed(e, s->ids.id, s->ids.count, s->scored, what, take, z, err);
    const spelling old = z->fed;
    z->fed = z->now;
    z->now = old;
    z->fed.ids.count--; /* the last one was only predicted */
    return st;
}

/* ---- scores -----------------------------------------------------------------------------------
 */

typedef struct verdict {
    size_t pick[2], pick_norm[2]; /* model, base */
    int truncated;
} verdict;

static whit_status judge(quiz *z, const wh_eval_question *q, const char *what, verdict *v,
                         whit_error *err)
{
    double best[2] = { -INFINITY, -INFINITY }, best_norm[2] = { -INFINITY, -INFINITY };
    *v = (verdict){ { 0, 0 }, { 0, 0 }, 0 };
    for (size_t c = 0; c < q->choices; c++) {
        whit_status st = spell_both(z, q, c, err);
        v->truncated |= z->now.truncated;
        if (st == WHIT_OK) st = ask(z, what, err);
        if (st != WHIT_OK) return st;
        for (size_t s = 0; s < z->e->sides; s++) {
            const double norm = z->ll[s] / (double)characters(q->choice[c]);
            if (z->ll[s] > best[s]) v->pick[s] = c;
            if (z->ll[s] > best[s]) best[s] = z->ll[s];
            if (norm > best_norm[s]) v->pick_norm[s] = c;
            if (norm > best_norm[s]) best_norm[s] = norm;
        }
    }
    return WHIT_OK;
}

/* Counts until finish() makes shares of them. */
static void add(whit_eval_score *s, const wh_eval_question *q, const verdict *v)
{
    const int right = v->pick[0] == q->answer, base_right = v->pick[1] == q->answer;
    s->questions++;
    s->truncated += v->truncated ? 1 : 0;
    s->accuracy += right;
    s->accuracy_norm += v->pick_norm[0] == q->answer;
    s->base_accuracy += base_right;
    s->base_accuracy_norm += v->pick_norm[1] == q->answer;
    s->lost += base_right && !right;
    s->gained += right && !base_right;
    s->changed += v->pick[0] != v->pick[1];
}

static void finish(whit_eval_score *s, int base)
{
    const double n = (double)s->questions;
    s->accuracy /= n;
    s->accuracy_norm /= n;
    s->accuracy_error = sqrt(s->accuracy * (1 - s->accuracy) / (n - 1));
    s->accuracy_norm_error = sqrt(s->accuracy_norm * (1 - s->accuracy_norm) / (n - 1));
    s->base_accuracy = base ? s->base_accuracy / n : NAN;
    s->base_accuracy_norm = base ? s->base_accuracy_norm / n : NAN;
    s->flips_p = base ? wh_eval_coins((uint64_t)s->lost, (uint64_t)s->gained) : NAN;
    if (base) return;
    s->lost = s->gained = s->changed = NAN;
}

/* The score of a tag, which is made where it is new; NULL: all. *at 0 is all. */
static whit_status score_of(quiz *z, const char *tag, size_t *at, whit_error *err)
{
    whit_eval *e = z->e;
    void *score = e->score, *names = e->tag;
    size_t cap = z->score_cap;
    *at = tag ? wh_names_find(&z->tags, tag) : 0;
    if (*at != WH_NAMES_NONE && *at < e->score_count) return WHIT_OK;
    *at = e->score_count;
    const int grown = wh_grow(&score, &cap, e->score_count + 1, sizeof *e->score);
    e->score = score;
    const int named = grown && wh_grow(&names, &z->score_cap, e->score_count + 1, sizeof *e->tag);
    e->tag = names;
    if (!named) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the scores");
    e->tag[*at] = tag ? wh_strndup(tag, strlen(tag)) : NULL;
    e->score[*at] = (whit_eval_score){ .tag = e->tag[*at] };
    e->score_count++;
    if (tag && (!e->tag[*at] || wh_names_add(&z->tags, e->tag[*at], *at) < 0))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the scores");
    return WHIT_OK;
}

static whit_status ask_all(quiz *z, whit_error *err)
{
    whit_eval *e = z->e;
    size_t at;
    whit_status st = score_of(z, NULL, &at, err);
    e->meter.total = z->questions->count;
    e->began = wh_seconds();
    for (size_t i = 0; i < z->questions->count && st == WHIT_OK; i++) {
        const wh_eval_question *q = &z->questions->question[i];
        verdict v;
        char what[64];
        snprintf(what, sizeof what, "question %zu of %zu", i + 1, z->questions->count);
        st = judge(z, q, what, &v, err);
        if (st == WHIT_OK) add(&e->score[0], q, &v);
        if (st == WHIT_OK && q->tag) st = score_of(z, q->tag, &at, err);
        if (st == WHIT_OK && q->tag) add(&e->score[at], q, &v);
        if (st == WHIT_OK) st = wh_meter_step(&e->meter, what, 1, err);
    }
    for (size_t i = 0; i < e->score_count; i++) finish(&e->score[i], e->base != NULL);
    return st;
}

whit_status wh_eval_run_choices(whit_eval *e, const wh_eval_questions *questions, whit_error *err)
{
    quiz z = { .e = e, .questions = questions };
    char name[WH_SHORT];
    whit_status st = ask_all(&z, err);
    if (st == WHIT_OK && e->score[0].truncated)
        wh_lines_add(&e->warnings, "%s: prompts that lost their beginning to the context: %" PRIu64,
                     wh_short(name, e->input), e->score[0].truncated);
    whit_ids_free(&z.now.ids);
    whit_ids_free(&z.base.ids);
    whit_ids_free(&z.fed.ids);
    wh_names_free(&z.tags);
    wh_buf_free(&z.text);
    return st;
}
