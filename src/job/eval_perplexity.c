/* src/job/eval_perplexity.c - the windows of a text, one after the other.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/eval.h"

#define BEFORE 24 /* tokens that are shown before a bad one */

typedef struct reading {
    whit_eval *e;
    wh_eval_text text;
    wh_eval_window *window;
    size_t windows;
    uint32_t *token; /* [context] of the window */
    size_t lead;     /* 1: a start of text goes first */
    wh_eval_tally tally;
} reading;

/* ---- the text ---------------------------------------------------------------------------------
 */

static int same_ids(const wh_eval_text *a, const wh_eval_text *b)
{
    return a->ids.count == b->ids.count && a->stories == b->stories &&
           (a->ids.count == 0 ||
            (memcmp(a->ids.id, b->ids.id, a->ids.count * sizeof *a->ids.id) == 0 &&
             memcmp(a->begin, b->begin, (a->stories + 1) * sizeof *a->begin) == 0));
}

/* The base must read the same ids. */
static whit_status check_base(const reading *r, const char *text, size_t len, int stories,
                              whit_error *err)
{
    char path[WH_SHORT];
    wh_eval_text other = { .stories = 0 };
    wh_short(path, r->e->base);
    whit_status st = wh_eval_text_read(&other, r->e->side[1].tokenizer, text, len, stories, err);
    if (st != WHIT_OK)
        st = wh_prefix(err, st, r->e->base);
    else if (!same_ids(&r->text, &other))
        st =
            wh_fail(err, WHIT_ERR_FORMAT,
                    "%s: its vocabulary gives other ids for the text; models are compared by token "
                    "ids; try: a base with the same vocabulary",
                    path);
    wh_eval_text_free(&other);
    return st;
}

static whit_status check_ids(const reading *r, whit_error *err)
{
    char path[WH_SHORT];
    for (size_t i = 0; i < r->text.ids.count; i++)
        if (r->text.ids.id[i] >= r->e->vocabulary)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: the text has token %" PRIu32 ", but the embeddings have %zu rows; "
                           "try: the tokenizer of this model",
                           wh_short(path, r->e->path), r->text.ids.id[i], r->e->vocabulary);
    return WHIT_OK;
}

static whit_status read_text(reading *r, const char *text, size_t len, whit_error *err)
{
    whit_eval *e = r->e;
    const int stories = e->o.protocol == WHIT_EVAL_STORY;
    char name[WH_SHORT];
    whit_status st = wh_eval_text_read(&r->text, e->side[0].tokenizer, text, len, stories, err);
    if (st != WHIT_OK) return wh_prefix(err, st, e->input);
    if (e->base) st = check_base(r, text, len, stories, err);
    if (st != WHIT_OK) return st;
    if (r->text.octets)
        wh_lines_add(&e->warnings, "%s: octets that are not UTF-8, taken as byte tokens: %" PRIu64,
                     wh_short(name, e->input), r->text.octets);
    if (e->o.tokens) wh_eval_text_cut(&r->text, e->o.tokens);
    e->scores.text_tokens = r->text.ids.count;
    return check_ids(r, err);
}

static whit_status cut_windows(reading *r, whit_error *err)
{
    whit_eval *e = r->e;
    const whit_eval_protocol p = e->o.protocol;
    const int wants = p == WHIT_EVAL_CHUNK || p == WHIT_EVAL_STORY;
    char name[WH_SHORT];
    wh_short(name, e->start < 0 ? e->path : e->input);
    if (wants && e->start < 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: no start of text is known, which this protocol begins with; try: "
                       "--protocol window",
                       name);
    e->starts = e->start >= 0 && (wants || e->starts);
    whit_status st =
        wh_eval_windows(&r->text, p, e->context, e->starts, &r->window, &r->windows, err);
    if (st != WHIT_OK || r->windows > 0) return st;
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: %zu tokens do not fill one window of %zu; try: a longer text, or --context",
                   name, r->text.ids.count, e->context);
}

/* ---- the windows ------------------------------------------------------------------------------
 */

static void take(void *ctx, size_t i, const wh_eval_row *row)
{
    reading *r = ctx;
    wh_eval_tally_add(&r->tally, row, r->window[r->tally.window].first + i - r->lead);
}

static whit_status read_window(reading *r, size_t w, whit_error *err)
{
    const wh_eval_window *window = &r->window[w];
    const size_t n = wh_eval_window_tokens(window);
    char what[64];
    snprintf(what, sizeof what, "window %zu of %zu", w + 1, r->windows);
    r->tally.window = w;
    r->lead = window->start ? 1 : 0;
    r->token[0] = (uint32_t)r->e->start;
    memcpy(r->token + r->lead, r->text.ids.id + window->first, window->ids * sizeof *r->token);
    for (size_t i = 0; i < r->e->sides; i++) whit_session_rewind(r->e->side[i].session, 0);
    return wh_eval_feed(r->e, r->token, n, window->scored, what, take, r, err);
}

static whit_status read_windows(reading *r, whit_error *err)
{
    uint64_t scored = 0;
    r->e->meter.total = 0;
    for (size_t w = 0; w < r->windows; w++) {
        const size_t n = wh_eval_window_tokens(&r->window[w]);
        scored += n - r->window[w].scored;
        r->e->meter.total += n - 1;
    }
    whit_status st = wh_eval_tally_open(&r->tally, r->windows, scored, r->e->base != NULL, err);
    if (st != WHIT_OK) return st;
    r->token = wh_calloc(r->e->context, sizeof *r->token);
    if (!r->token) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a window");
    r->e->began = wh_seconds();
    for (size_t w = 0; w < r->windows && st == WHIT_OK; w++) st = read_window(r, w, err);
    return st;
}

/* ---- the worst positions ----------------------------------------------------------------------
 */

/* The text of tokens as it is inside of a text; NULL: no memory. */
static char *text_of(const whit_tokenizer *t, const uint32_t *id, size_t n)
{
    whit_text_stream stream = { WHIT_DETOKENIZE_SPECIAL, 1 };
    wh_buf b = { .data = NULL };
    wh_buf_put(&b, "", 0);
    for (size_t i = 0; i < n; i++) {
        const char *piece;
        size_t len;
        if (whit_detokenize_next(t, &stream, id[i], &piece, &len, NULL) == WHIT_OK)
            wh_buf_put(&b, piece, len); /* what pads the logits has no text */
    }
    if (b.failed) wh_buf_free(&b);
    return b.data;
}

static whit_status show_places(reading *r, whit_error *err)
{
    whit_eval *e = r->e;
    const whit_tokenizer *t = e->side[0].tokenizer;
    for (size_t i = 0; i < r->tally.spots; i++) {
        const wh_eval_spot *s = &r->tally.worst[i];
        const uint32_t *id = r->text.ids.id + s->position;
        size_t before = (size_t)s->position - r->window[s->window].first;
        if (before > BEFORE) before = BEFORE;
        char **text = e->place_text[i];
        text[0] = text_of(t, id - before, before);
        text[1] = text_of(t, id, 1);
        text[2] = text_of(t, &s->row.top, 1);
        text[3] = text_of(t, &s->row.base_top, 1);
        if (!text[0] || !text[1] || !text[2] || !text[3])
            return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the worst positions");
        e->place[e->places++] = (whit_eval_place){
            .position = s->position,
            .window = s->window,
            .token = *id,
            .kl = s->row.kl,
            .p = wh_eval_probability(s->row.nll),
            .p_base = wh_eval_probability(s->row.base_nll),
            .before = text[0],
            .text = text[1],
            .top = text[2],
            .top_base = text[3],
        };
    }
    return WHIT_OK;
}

whit_status wh_eval_run_text(whit_eval *e, const char *text, size_t len, whit_error *err)
{
    reading r = { .e = e };
    whit_status st = read_text(&r, text, len, err);
    if (st == WHIT_OK) st = cut_windows(&r, err);
    if (st == WHIT_OK) st = read_windows(&r, err);
    if (st == WHIT_OK) {
        const uint64_t ids = e->scores.text_tokens;
        wh_eval_tally_scores(&r.tally, &e->scores);
        e->scores.text_tokens = ids;
        st = show_places(&r, err);
    }
    wh_eval_tally_close(&r.tally);
    wh_eval_text_free(&r.text);
    free(r.window);
    free(r.token);
    return st;
}
