/* src/model/token_encode.c - text to ids.
 *
 * Words that are tokens to which their merges lead back need one look-up. Of SentencePiece
 * vocabularies a whole text is one word; it is cut between characters that no token has side by
 * side. No merge can ever reach across: it would make such a token. And since merges on one side do
 * not change what is on the other, each side's merges happen in the order they would have in the
 * whole. So the ids are the same; of what is unknown on both sides of a cut, one id may be left
 * out.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "model/token.h"
#include "model/unicode.h"

typedef struct coder {
    const whit_tokenizer *t;
    unsigned flags;
    whit_ids *ids;
    size_t begun; /* of ids: where the words at hand began */
    wh_work work;
    whit_error *err;
} coder;

static whit_status no_memory(const coder *c)
{
    return wh_fail(c->err, WHIT_ERR_NOMEM, "no memory for the token ids");
}

/* ---- words ----------------------------------------------------------------------------------- */

/* What stands for a character that is no token: its octets, or the one unknown. As wh_encode_word.
 */
static int add_unknown(const whit_tokenizer *t, wh_work *w, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    const int64_t unk = t->vocab->special[WH_SPECIAL_UNK];
    size_t known = 0;
    while (known < len && t->octet[p[known]] != WH_ID_NONE) known++;
    for (size_t i = 0; known == len && i < len; i++)
        if (!wh_work_add(w, t->octet[p[i]])) return -1;
    if (known == len) return 1;
    if (unk < 0) return 0;
    if (t->vocab->fuse_unk && w->symbols > 0 && w->symbol[w->symbols - 1].id == (uint32_t)unk)
        return 1;
    return wh_work_add(w, (uint32_t)unk) ? 1 : -1;
}

int wh_encode_word(const whit_tokenizer *t, wh_work *w, const char *text, size_t len)
{
    const int octets = t->vocab->kind == WH_VOCAB_BPE;
    int done = 1;
    w->symbols = 0;
    for (size_t i = 0, n = 1; i < len && done > 0; i += n) {
        const unsigned char c = (unsigned char)text[i];
        uint32_t id;
        if (octets) {
            id = t->octet[c];
        } else if (c < 128) {
            id = t->ascii[c];
            n = 1;
        } else {
            wh_utf8_read(text + i, &n);
            id = wh_text_index_find(&t->words, text + i, n);
        }
        if (id == WH_ID_NONE)
            done = add_unknown(t, w, text + i, n);
        else if (!wh_work_add(w, id))
            done = -1;
    }
    return done > 0 && !wh_work_merge(w, &t->merges) ? -1 : done;
}

/* 1 where the first symbol behind a cut is unknown, as what is before the cut, and they are one. */
static int joins_unknown(const coder *c, uint32_t first)
{
    const wh_vocab *v = c->t->vocab;
    const whit_ids *ids = c->ids;
    return v->kind == WH_VOCAB_SPM && v->fuse_unk && (int64_t)first == v->special[WH_SPECIAL_UNK] &&
           ids->count > c->begun && ids->id[ids->count - 1] == first;
}

static whit_status put_word(coder *c, const char *text, size_t len)
{
    const whit_tokenizer *t = c->t;
    const uint32_t id = wh_text_index_find(&t->words, text, len);
    if (id != WH_TEXT_NONE && t->piece[id].whole)
        return wh_ids_add(c->ids, id) ? WHIT_OK : no_memory(c);
    const int done = wh_encode_word(t, &c->work, text, len);
    if (done < 0) return no_memory(c);
    if (done == 0)
        return wh_fail(c->err, WHIT_ERR_FORMAT,
                       "%s: the vocabulary has no token for a part of \"%.*s\", and none for what "
                       "is unknown",
                       t->info.path, (int)(len < 24 ? len : 24), text);
    const wh_symbol *s = c->work.symbol;
    uint32_t at = joins_unknown(c, s->id) ? s->next : 0;
    for (; at != WH_ID_NONE; at = s[at].next)
        if (!wh_ids_add(c->ids, s[at].id)) return no_memory(c);
    return WHIT_OK;
}

/* Where the text can be cut next, behind `at`: see above. */
static size_t next_cut(const whit_tokenizer *t, const char *text, size_t len, size_t at)
{
    unsigned before = wh_join_class(text[at]), here;
    for (at++; at < len; at++, before = here) {
        here = wh_join_class(text[at]);
        if (!(t->joins[before][here / 64] >> here % 64 & 1)) break;
    }
    return at;
}

/* Text without added tokens, normalised. */
static whit_status put_words(coder *c, const char *text, size_t len)
{
    whit_status st = WHIT_OK;
    wh_split split = { .text = text, .len = len, .how = c->t->vocab->split };
    c->begun = c->ids->count;
    if (c->t->vocab->kind == WH_VOCAB_SPM) {
        for (size_t at = 0, cut; at < len && st == WHIT_OK; at = cut) {
            cut = next_cut(c->t, text, len, at);
            st = put_word(c, text + at, cut - at);
        }
        return st;
    }
    for (size_t at = 0, n; st == WHIT_OK && (n = wh_split_next(&split)) > 0; at += n)
        st = put_word(c, text + at, n);
    return st;
}

/* ---- stretches between added tokens ---------------------------------------------------------- */

/* The spaces, where they are not done yet, then the words. */
static whit_status put_plain(coder *c, const char *text, size_t len, int at_start)
{
    const wh_vocab *v = c->t->vocab;
    wh_buf *b = &c->work.text;
    if (v->marks_first) return put_words(c, text, len);
    if (v->kind == WH_VOCAB_BPE && !v->prefix_space) return put_words(c, text, len);
    b->len = 0;
    wh_text_put_spaces(v, b, text, len, at_start);
    return b->failed ? no_memory(c) : put_words(c, b->data, b->len);
}

typedef whit_status put_fn(coder *c, const char *text, size_t len, int at_start);

/* The text around added tokens by `put`, they themselves as they are. */
static whit_status put_around(coder *c, const wh_tree *tree, put_fn *put, const char *text,
                              size_t len, int at_start)
{
    const int plain = (c->flags & WHIT_TOKENIZE_PLAIN) != 0;
    whit_status st = WHIT_OK;
    wh_match m = { .end = 0 };
    size_t at = 0;
    while (st == WHIT_OK && wh_tree_find(c->t, tree, text, len, plain, &m)) {
        if (m.begin > at) st = put(c, text + at, m.begin - at, at_start && at == 0);
        /* One whose white space another has swallowed is nothing. */
        if (st == WHIT_OK && m.begin < m.end && !wh_ids_add(c->ids, m.id)) st = no_memory(c);
        at = m.end;
    }
    if (st == WHIT_OK && at < len) st = put(c, text + at, len - at, at_start && at == 0);
    return st;
}

/* NFC and the spaces, where they come first, then added tokens of normalised text. */
static whit_status put_normalised(coder *c, const char *text, size_t len, int at_start)
{
    const wh_vocab *v = c->t->vocab;
    wh_buf *nfc = &c->work.nfc;
    if (v->nfc && !wh_nfc_is_easy(text, len)) {
        nfc->len = 0;
        wh_nfc_put(nfc, text, len);
        if (nfc->failed) return no_memory(c);
        text = nfc->data;
        len = nfc->len;
    }
    if (v->marks_first) {
        wh_buf *b = &c->work.text;
        b->len = 0;
        wh_text_put_spaces(v, b, text, len, at_start);
        if (b->failed) return no_memory(c);
        text = b->data;
        len = b->len;
    }
    return put_around(c, &c->t->normal, put_plain, text, len, at_start);
}

/* ---- public ---------------------------------------------------------------------------------- */

static whit_status put_all(coder *c, const char *text, size_t len)
{
    const wh_vocab *v = c->t->vocab;
    const int around = (c->flags & WHIT_TOKENIZE_AROUND) != 0;
    const int before = around || (c->flags & WHIT_TOKENIZE_BEFORE);
    for (size_t i = 0; before && i < v->befores; i++)
        if (!wh_ids_add(c->ids, v->before[i])) return no_memory(c);
    whit_status st = put_around(c, &c->t->raw, put_normalised, text, len, 1);
    for (size_t i = 0; around && st == WHIT_OK && i < v->afters; i++)
        if (!wh_ids_add(c->ids, v->after[i])) return no_memory(c);
    return st;
}

whit_status whit_tokenize(const whit_tokenizer *tokenizer, const char *text, size_t len,
                          unsigned flags, whit_ids *ids, whit_error *err)
{
    if (!tokenizer || (!text && len > 0) || !ids)
        return wh_fail(err, WHIT_ERR_ARG, "whit_tokenize: no tokenizer, text or ids");
    if (flags & ~(unsigned)(WHIT_TOKENIZE_AROUND | WHIT_TOKENIZE_PLAIN | WHIT_TOKENIZE_BEFORE))
        return wh_fail(err, WHIT_ERR_ARG, "whit_tokenize: unknown flags");
    const size_t valid = wh_utf8_prefix(text, len);
    if (valid < len)
        return wh_fail(err, WHIT_ERR_ARG,
                       "the text is not UTF-8 at byte %zu; try: converting it to UTF-8", valid);
    const size_t before = ids->count;
    coder c = { .t = tokenizer, .flags = flags, .ids = ids, .err = err };
    whit_status st = put_all(&c, text, len);
    if (st != WHIT_OK) ids->count = before;
    wh_work_free(&c.work);
    return st;
}
