/* src/job/eval_ids.c - a text to ids, and ids to the windows of a protocol.
 *
 * The protocols are those that published figures are made with; whit/eval.h says what each is.
 * Source: IST-DASLab/gptq (WINDOW), ggml-org/llama.cpp, tools/perplexity (HALF).
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/eval.h"
#include "model/token.h"

/* ---- text to ids ------------------------------------------------------------------------------
 */

static whit_status put_octet(const whit_tokenizer *t, unsigned char octet, whit_ids *ids,
                             whit_error *err)
{
    void *list = ids->id;
    const int64_t unknown = whit_tokenizer_describe(t)->unk;
    if (t->octet[octet] == WH_ID_NONE && unknown < 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "the text is not UTF-8, and the vocabulary has no token for the octet %02x; "
                       "try: converting the text to UTF-8",
                       octet);
    const int grown = wh_grow(&list, &ids->cap, ids->count + 1, sizeof *ids->id);
    ids->id = list;
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the token ids");
    ids->id[ids->count++] = t->octet[octet] == WH_ID_NONE ? (uint32_t)unknown : t->octet[octet];
    return WHIT_OK;
}

whit_status wh_eval_tokenize(const whit_tokenizer *t, const char *text, size_t len, whit_ids *ids,
                             uint64_t *octets, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t at = 0; at < len && st == WHIT_OK;) {
        const size_t n = wh_utf8_prefix(text + at, len - at);
        if (n > 0) {
            st = whit_tokenize(t, text + at, n, 0, ids, err);
            at += n;
            continue;
        }
        st = put_octet(t, (unsigned char)text[at++], ids, err);
        ++*octets;
    }
    return st;
}

static whit_status end_story(wh_eval_text *out, whit_error *err)
{
    void *begin = out->begin;
    const int grown = wh_grow(&begin, &out->cap, out->stories + 2, sizeof *out->begin);
    out->begin = begin;
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the stories");
    if (out->stories == 0) out->begin[0] = 0;
    out->begin[++out->stories] = out->ids.count;
    return WHIT_OK;
}

/* The end of the line at p, without its LF and CR; *next is where the next one begins. */
static const char *line_end(const char *p, const char *end, const char **next)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p));
    *next = lf ? lf + 1 : end;
    const char *stop = lf ? lf : end;
    return stop > p && stop[-1] == '\r' ? stop - 1 : stop;
}

whit_status wh_eval_text_read(wh_eval_text *out, const whit_tokenizer *t, const char *text,
                              size_t len, int stories, whit_error *err)
{
    const char *end = text + len, *story = NULL, *last = NULL;
    whit_status st = WHIT_OK;
    if (!stories) {
        st = wh_eval_tokenize(t, text, len, &out->ids, &out->octets, err);
        return st == WHIT_OK ? end_story(out, err) : st;
    }
    for (const char *line = text, *next; st == WHIT_OK; line = next) {
        const char *stop = line < end ? line_end(line, end, &next) : end;
        if (stop > line) {
            if (!story) story = line;
            last = stop;
        } else if (story) {
            st = wh_eval_tokenize(t, story, (size_t)(last - story), &out->ids, &out->octets, err);
            if (st == WHIT_OK) st = end_story(out, err);
            story = NULL;
        }
        if (line >= end) break;
    }
    return st;
}

void wh_eval_text_cut(wh_eval_text *text, uint64_t most)
{
    if (most >= text->ids.count) return;
    text->ids.count = (size_t)most;
    while (text->stories > 1 && text->begin[text->stories - 1] >= most) text->stories--;
    text->begin[text->stories] = (size_t)most;
}

void wh_eval_text_free(wh_eval_text *text)
{
    whit_ids_free(&text->ids);
    free(text->begin);
    memset(text, 0, sizeof *text);
}

/* ---- ids to windows ---------------------------------------------------------------------------
 */

static size_t window_count(const wh_eval_text *text, whit_eval_protocol protocol, size_t context,
                           int start)
{
    if (protocol == WHIT_EVAL_STORY) return text->stories;
    if (protocol == WHIT_EVAL_CHUNK) return text->ids.count / (context - 1);
    return (text->ids.count + (start ? 1 : 0)) / context;
}

/* Window w of WINDOW and HALF: the stream is the start of text and the ids. */
static wh_eval_window of_stream(size_t w, size_t context, int start)
{
    const size_t lead = start ? 1 : 0;
    if (w == 0) return (wh_eval_window){ 0, context - lead, start, 1 };
    return (wh_eval_window){ w * context - lead, context, 0, 1 };
}

whit_status wh_eval_windows(const wh_eval_text *text, whit_eval_protocol protocol, size_t context,
                            int start, wh_eval_window **out, size_t *count, whit_error *err)
{
    const size_t n = window_count(text, protocol, context, start);
    size_t kept = 0;
    *count = 0;
    *out = wh_calloc(n, sizeof **out);
    if (!*out) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu windows", n);
    for (size_t w = 0; w < n; w++) {
        wh_eval_window *o = &(*out)[kept];
        if (protocol == WHIT_EVAL_STORY) {
            const size_t ids = text->begin[w + 1] - text->begin[w];
            *o = (wh_eval_window){ text->begin[w], ids < context ? ids : context - 1, 1, 1 };
        } else if (protocol == WHIT_EVAL_CHUNK) {
            *o = (wh_eval_window){ w * (context - 1), context - 1, 1, 1 };
        } else {
            *o = of_stream(w, context, start);
        }
        if (protocol == WHIT_EVAL_HALF) {
            o->scored = context / 2 + 1;
            if (start && !o->start) *o = (wh_eval_window){ o->first + 1, o->ids - 1, 1, o->scored };
        }
        kept += wh_eval_window_tokens(o) > o->scored; /* a story may be no token long */
    }
    *count = kept;
    return WHIT_OK;
}
