/* src/print/explain.c - why a tensor gets what it gets, as text and as JSON.
 *
 * It asks the rules again, the same way as the plan did (wh_rules_ask). JSON is schema 1
 * (whit/job.h).
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/plan.h"
#include "print/page.h"

typedef struct votes {
    wh_vote *vote;
    size_t count, cap;
    int failed;
} votes;

/* A wh_vote_fn. */
static void collect(void *ctx, const wh_vote *vote)
{
    votes *v = ctx;
    void *all = v->vote;
    int grown = wh_grow(&all, &v->cap, v->count + 1, sizeof *v->vote);
    v->vote = all;
    if (grown)
        v->vote[v->count++] = *vote;
    else
        v->failed = 1;
}

static votes ask(const whit_plan *plan, size_t index)
{
    votes v = { 0 };
    whit_status st =
        wh_rules_ask(plan->rules, &plan->entry[index].source->tensor, collect, &v, NULL);
    if (st != WHIT_OK) v.failed = 1;
    return v;
}

static const char *voter_name(wh_voter by)
{
    static const char *const names[] = {
        [WH_VOTE_EXCEPTION] = "built-in", [WH_VOTE_DEFAULT] = "default",
        [WH_VOTE_RECIPE] = "recipe",      [WH_VOTE_EMBEDDINGS] = "embeddings",
        [WH_VOTE_HEAD] = "head",          [WH_VOTE_RULE] = "rule",
    };
    return names[by];
}

/* Print and forget. Names and globs hold no control characters once wh_fail has had them. */
static void finish(wh_buf *b, int failed, FILE *out)
{
    b->failed |= failed;
    wh_buf_print(b, out);
}

static void put_clean(wh_buf *b, const char *text)
{
    whit_error clean;
    char shown[WH_SHORT];
    wh_fail(&clean, WHIT_OK, "%s", wh_short(shown, text));
    wh_buf_puts(b, clean.msg);
}

static void put_vote(wh_buf *b, const whit_plan *plan, const wh_vote *v, int decides, int flags)
{
    char scheme[WHIT_SCHEME_TEXT];
    int bold = decides && (flags & WHIT_TEXT_COLOR);
    wh_buf_putf(b, "%s%-10s %-16s", bold ? WH_BOLD : "", voter_name(v->by),
                whit_scheme_print(&v->scheme, scheme));
    if (v->by == WH_VOTE_EXCEPTION) wh_buf_putf(b, " (%s)", v->reason);
    if (v->rule) {
        wh_buf_puts(b, " ");
        put_clean(b, v->rule->text);
        if (v->rule->line)
            wh_buf_putf(b, ", %s:%zu", wh_rules_lines(plan->rules)->name, v->rule->line);
    }
    wh_buf_putf(b, "%s%s\n", decides ? "  <- decides" : "", bold ? WH_PLAIN : "");
}

void whit_plan_explain_text(const whit_plan *plan, size_t index, int flags, FILE *out)
{
    const whit_plan_entry *e = &plan->entry[index];
    votes v = ask(plan, index);
    wh_buf b = { 0 };
    char scheme[WHIT_SCHEME_TEXT];
    wh_buf_puts(&b, "tensor     ");
    put_clean(&b, e->source->tensor.name);
    wh_buf_putf(&b, "\nmatrix     %" PRIu64 " x %" PRIu64 ", %s\n", e->source->rows,
                e->source->cols, whit_tensor_type(&e->source->tensor));
    for (size_t i = 0; i < v.count; i++) put_vote(&b, plan, &v.vote[i], i + 1 == v.count, flags);
    wh_buf_putf(&b, "result     %s", whit_scheme_print(&e->scheme, scheme));
    if (e->reason) wh_buf_putf(&b, " (%s)", e->reason);
    wh_buf_putf(&b, ", %" PRIu64 " -> %" PRIu64 " bytes\n", e->bytes_in, e->bytes_out);
    finish(&b, v.failed, out);
    free(v.vote);
}

static void put_said(wh_buf *b, const whit_plan *plan, const votes *v)
{
    char scheme[WHIT_SCHEME_TEXT];
    wh_buf_puts(b, ",\"said\":[");
    for (size_t i = 0; i < v->count; i++) {
        const wh_rule *r = v->vote[i].rule;
        int recipe = r && r->line;
        wh_buf_putf(b, "%s{\"by\":\"%s\"", i ? "," : "", voter_name(v->vote[i].by));
        wh_json_add_text(b, "scheme", whit_scheme_print(&v->vote[i].scheme, scheme));
        wh_json_add_text(b, "glob", r ? r->text : NULL);
        wh_json_add_text(b, "file", recipe ? wh_rules_lines(plan->rules)->name : NULL);
        if (recipe)
            wh_buf_putf(b, ",\"line\":%zu", r->line);
        else
            wh_json_add_text(b, "line", NULL);
        wh_buf_putf(b, ",\"decides\":%s}", i + 1 == v->count ? "true" : "false");
    }
    wh_buf_puts(b, "]");
}

void whit_plan_explain_json(const whit_plan *plan, size_t index, FILE *out)
{
    const whit_plan_entry *e = &plan->entry[index];
    votes v = ask(plan, index);
    wh_buf b = { 0 };
    char scheme[WHIT_SCHEME_TEXT];
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"plan\"");
    wh_json_add_text(&b, "input", whit_file_path(whit_source_file(plan->source)));
    wh_buf_puts(&b, ",\"explain\":{\"name\":");
    wh_json_put_string(&b, e->source->tensor.name);
    wh_json_add_text(&b, "dtype", whit_tensor_type(&e->source->tensor));
    wh_buf_putf(&b, ",\"rows\":%" PRIu64 ",\"cols\":%" PRIu64, e->source->rows, e->source->cols);
    put_said(&b, plan, &v);
    wh_json_add_text(&b, "scheme", whit_scheme_print(&e->scheme, scheme));
    wh_buf_putf(&b, ",\"kept\":%s", e->scheme.kind == WHIT_KEEP ? "true" : "false");
    wh_json_add_text(&b, "reason", e->reason);
    wh_json_add_text(&b, "rule", e->rule);
    wh_buf_putf(&b, ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "}}\n", e->bytes_in,
                e->bytes_out);
    finish(&b, v.failed, out);
    free(v.vote);
}
