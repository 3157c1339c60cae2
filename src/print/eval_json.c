/* src/print/eval_json.c - an evaluation as one JSON object, schema 1 (whit/job.h).
 *
 * Figures are written from the table of names, so that a bar can name each of them.
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#include "job/eval.h"

static void put_value(wh_buf *b, const wh_eval_name *name, const char *key, const void *scores)
{
    wh_buf_putf(b, "\"%s\":", key);
    if (name->whole)
        wh_buf_putf(b, "%" PRIu64, (uint64_t)wh_eval_value(name, scores));
    else
        wh_json_put_double(b, wh_eval_value(name, scores));
}

/* The part of a name before its point, or all of it, is the same in both. */
static int same_group(const char *a, const char *b)
{
    const size_t n = strcspn(a, ".");
    return n == strcspn(b, ".") && memcmp(a, b, n) == 0;
}

/* Figures by their names: "kl.mean" is the member mean of the object kl. */
static void put_figures(wh_buf *b, unsigned of, int base, const void *scores)
{
    const char *group = ""; /* a name in the object that is open */
    for (const wh_eval_name *n = wh_eval_names; n->name; n++) {
        const size_t len = strcspn(n->name, ".");
        const int member = n->name[len] == '.', same = member && same_group(n->name, group);
        if (!(n->of & of) || (!base && (n->of & WH_EVAL_OF_BASE))) continue;
        if (*group && !same) wh_buf_puts(b, "}");
        wh_buf_puts(b, ",");
        if (member && !same) wh_buf_putf(b, "\"%.*s\":{", (int)len, n->name);
        put_value(b, n, member ? n->name + len + 1 : n->name, scores);
        group = member ? n->name : "";
    }
    if (*group) wh_buf_puts(b, "}");
}

/* What there is with a base only. */
static void put_missing(wh_buf *b, unsigned of)
{
    const char *before = "";
    for (const wh_eval_name *n = wh_eval_names; n->name; n++) {
        if (!(n->of & of) || !(n->of & WH_EVAL_OF_BASE) || same_group(n->name, before)) continue;
        wh_buf_putf(b, ",\"%.*s\":null", (int)strcspn(n->name, "."), n->name);
        before = n->name;
    }
}

static void put_places(wh_buf *b, const whit_eval *e)
{
    wh_buf_puts(b, ",\"worst\":[");
    for (size_t i = 0; i < e->places; i++) {
        const whit_eval_place *p = &e->place[i];
        wh_buf_putf(b, "%s{\"position\":%" PRIu64, i ? "," : "", p->position);
        wh_json_add_u64(b, "window", p->window);
        wh_json_add_u64(b, "token", p->token);
        wh_json_add_double(b, "kl", p->kl);
        wh_json_add_double(b, "p", p->p);
        wh_json_add_double(b, "p_base", p->p_base);
        wh_json_add_text(b, "before", p->before);
        wh_json_add_text(b, "text", p->text);
        wh_json_add_text(b, "top", p->top);
        wh_json_add_text(b, "top_base", p->top_base);
        wh_buf_puts(b, "}");
    }
    wh_buf_puts(b, "]");
}

static void put_tags(wh_buf *b, const whit_eval *e)
{
    wh_buf_puts(b, ",\"tags\":[");
    for (size_t i = 1; i < e->score_count; i++) {
        wh_buf_puts(b, i > 1 ? ",{\"tag\":" : "{\"tag\":");
        wh_json_put_string(b, e->score[i].tag);
        put_figures(b, WH_EVAL_OF_CHOICES, e->base != NULL, &e->score[i]);
        wh_buf_puts(b, "}");
    }
    wh_buf_puts(b, "]");
}

static void put_run(wh_buf *b, const whit_eval *e)
{
    const double seconds = e->ended - e->began;
    wh_json_add_text(b, "acts", whit_acts_name(e->o.acts));
    wh_json_add_u64(b, "vocabulary", e->vocabulary);
    if (e->starts)
        wh_json_add_u64(b, "bos", (uint64_t)e->start);
    else
        wh_json_add_text(b, "bos", NULL);
    wh_json_add_double(b, "seconds", e->ended - e->meter.start);
    wh_json_add_double(b, "tokens_per_second", seconds > 0 ? (double)e->fed / seconds : 0);
    wh_json_add_text(b, "isa", e->isa);
    wh_json_add_u64(b, "threads", e->threads);
    wh_json_add_lines(b, "warnings", &e->warnings);
}

void whit_eval_write_json(const whit_eval *eval, FILE *out)
{
    static const char *const protocols[] = { "window", "chunk", "half", "story" };
    const unsigned of = eval->score ? WH_EVAL_OF_CHOICES : WH_EVAL_OF_TEXT;
    const void *scores = eval->score ? (const void *)eval->score : &eval->scores;
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"eval\"");
    wh_json_add_text(&b, "model", eval->path);
    wh_json_add_text(&b, "base_model", eval->base);
    wh_json_add_text(&b, "text", eval->score ? NULL : eval->input);
    wh_json_add_text(&b, "choices", eval->score ? eval->input : NULL);
    wh_json_add_text(&b, "protocol", eval->score ? NULL : protocols[eval->o.protocol]);
    wh_json_add_u64(&b, "context", eval->context);
    put_figures(&b, of, eval->base != NULL, scores);
    if (!eval->base) put_missing(&b, of);
    if (eval->score)
        put_tags(&b, eval);
    else
        put_places(&b, eval);
    put_run(&b, eval);
    wh_buf_puts(&b, "}\n");
    wh_buf_print(&b, out);
}
