/* src/job/eval_questions.c - a file of questions: one JSON object a line.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/eval.h"

enum { PROMPT = 1, CHOICES = 2, ANSWER = 4, TAG = 8 };

typedef struct reader {
    wh_json json;
    const char *label;
    wh_eval_question *q;
    int seen;     /* members */
    char *answer; /* as text; NULL: a number, in q->answer */
    whit_error *err;
} reader;

static whit_status bad(const reader *r, const char *what)
{
    if (r->json.nomem) return wh_fail(r->err, WHIT_ERR_NOMEM, "%s: no memory", r->label);
    return wh_fail(r->err, WHIT_ERR_FORMAT, "%s: line %" PRIu64 ": %s", r->label, r->q->line,
                   r->json.problem ? r->json.problem : what);
}

static whit_status no_memory(const reader *r)
{
    return wh_fail(r->err, WHIT_ERR_NOMEM, "%s: no memory for the questions", r->label);
}

static whit_status keep_text(reader *r, char **out)
{
    *out = wh_strndup(r->json.text, r->json.text_len);
    return *out ? WHIT_OK : no_memory(r);
}

static whit_status read_choices(reader *r)
{
    static const char what[] = "\"choices\" is no list of texts";
    wh_eval_question *q = r->q;
    if (wh_json_next(&r->json) != WH_JSON_ARRAY) return bad(r, what);
    for (wh_json_token t; (t = wh_json_next(&r->json)) != WH_JSON_ARRAY_END;) {
        void *choice = q->choice;
        if (t != WH_JSON_STRING) return bad(r, what);
        if (r->json.text_len == 0) return bad(r, "a choice is empty");
        const int grown = wh_grow(&choice, &q->cap, q->choices + 1, sizeof *q->choice);
        q->choice = choice;
        if (!grown) return no_memory(r);
        whit_status st = keep_text(r, &q->choice[q->choices]);
        if (st != WHIT_OK) return st;
        q->choices++;
    }
    return q->choices < 2 ? bad(r, "has fewer than two choices") : WHIT_OK;
}

static whit_status read_answer(reader *r)
{
    static const char what[] = "\"answer\" is neither an index nor a text";
    uint64_t index = 0;
    const wh_json_token t = wh_json_next(&r->json);
    if (t == WH_JSON_STRING) return keep_text(r, &r->answer);
    if (t != WH_JSON_NUMBER || !wh_json_u64(&r->json, &index)) return bad(r, what);
    r->q->answer = index < SIZE_MAX ? (size_t)index : SIZE_MAX;
    return WHIT_OK;
}

static whit_status read_member(reader *r)
{
    static const struct {
        const char *name;
        int member;
    } members[] = {
        { "prompt", PROMPT }, { "choices", CHOICES }, { "answer", ANSWER }, { "tag", TAG }
    };
    int member = 0;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(r->json.text, members[i].name) == 0) member = members[i].member;
    if (!member) return wh_json_skip(&r->json, WH_JSON_KEY) ? WHIT_OK : bad(r, "is no object");
    if (r->seen & member) return bad(r, "a member is there twice");
    r->seen |= member;
    if (member == CHOICES) return read_choices(r);
    if (member == ANSWER) return read_answer(r);
    const wh_json_token t = wh_json_next(&r->json);
    if (member == TAG && t == WH_JSON_NULL) return WHIT_OK;
    if (t != WH_JSON_STRING)
        return bad(r, member == TAG ? "\"tag\" is no text" : "\"prompt\" is no text");
    return keep_text(r, member == TAG ? &r->q->tag : &r->q->prompt);
}

/* The answer as an index. */
static whit_status settle_answer(reader *r)
{
    wh_eval_question *q = r->q;
    size_t found = 0;
    for (size_t i = 0; r->answer && i < q->choices; i++) {
        if (strcmp(q->choice[i], r->answer) != 0) continue;
        q->answer = i;
        found++;
    }
    if (r->answer && found != 1)
        return bad(r, "\"answer\" is the text of no choice, or of several");
    return q->answer < q->choices ? WHIT_OK : bad(r, "\"answer\" is beyond the choices");
}

static whit_status read_line(wh_eval_question *q, const char *label, const char *text, size_t len,
                             whit_error *err)
{
    reader r = { .label = label, .q = q, .err = err };
    whit_status st = WHIT_OK;
    wh_json_token t;
    wh_json_init(&r.json, text, len);
    if (wh_json_next(&r.json) != WH_JSON_OBJECT) st = bad(&r, "is no object");
    while (st == WHIT_OK && (t = wh_json_next(&r.json)) != WH_JSON_OBJECT_END)
        st = t == WH_JSON_KEY ? read_member(&r) : bad(&r, "is no object");
    if (st == WHIT_OK && wh_json_next(&r.json) != WH_JSON_END)
        st = bad(&r, "is more than an object");
    if (st == WHIT_OK && !(r.seen & PROMPT)) st = bad(&r, "has no \"prompt\"");
    if (st == WHIT_OK && !(r.seen & CHOICES)) st = bad(&r, "has no \"choices\"");
    if (st == WHIT_OK && !(r.seen & ANSWER)) st = bad(&r, "has no \"answer\"");
    if (st == WHIT_OK) st = settle_answer(&r);
    free(r.answer);
    wh_json_free(&r.json);
    return st;
}

whit_status wh_eval_questions_read(wh_eval_questions *out, const char *label, const char *text,
                                   size_t len, whit_error *err)
{
    const char *end = text + len;
    uint64_t number = 0;
    for (const char *p = text; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *stop = lf ? lf : end, *line = p;
        p = lf ? lf + 1 : end;
        number++;
        while (line < stop && memchr(" \t\r", *line, 3)) line++;
        if (line == stop) continue;
        void *list = out->question;
        const int grown = wh_grow(&list, &out->cap, out->count + 1, sizeof *out->question);
        out->question = list;
        if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the questions", label);
        wh_eval_question *q = &out->question[out->count++];
        *q = (wh_eval_question){ .line = number };
        whit_status st = read_line(q, label, line, (size_t)(stop - line), err);
        if (st != WHIT_OK) return st;
    }
    return out->count ? WHIT_OK : wh_fail(err, WHIT_ERR_FORMAT, "%s: holds no question", label);
}

void wh_eval_questions_free(wh_eval_questions *q)
{
    for (size_t i = 0; i < q->count; i++) {
        wh_eval_question *one = &q->question[i];
        for (size_t k = 0; k < one->choices; k++) free(one->choice[k]);
        free(one->choice);
        free(one->prompt);
        free(one->tag);
    }
    free(q->question);
    memset(q, 0, sizeof *q);
}
