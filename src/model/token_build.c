/* src/model/token_build.c - the tables of a tokenizer, from its vocabulary.
 *
 *   piece    what each token stands for. Byte-level: the octets behind the printable alphabet, in
 *            which those that print are themselves and the others are U+0100 and so on. SPM: spaces
 *            for U+2581, octets for <0x00> .. <0xFF>. Added tokens stand for their own text
 *   words    the texts of tokens that merges can make
 *   whole    tokens to whose text the merges lead back: a word that is one needs no merges. (Not
 *            each token is one: "ab" made by "a b" is none where "b c" comes first in "abc".)
 *
 * Not here: SPM without merges (token_score.c).
 * Source of the alphabet: openai/gpt-2, src/encoder.py.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/token.h"
#include "model/unicode.h"
#include "model/vocab_make.h"

#define MAX_ADDED 1024u /* octets: looking for them costs so much at each place of a text */

/* The octet behind a character of the printable alphabet, or -1. */
static int octet_of(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
        return (int)c;
    if (c < 0x100 || c >= 0x100 + 68) return -1;
    const int rank = (int)c - 0x100; /* of the octets that do not print */
    if (rank <= 0x20) return rank;
    return rank <= 0x42 ? rank - 0x21 + 0x7f : 0xad;
}

/* Append what the token stands for. */
static void put_piece(const wh_vocab *v, const wh_token *t, wh_buf *b)
{
    const size_t before = b->len;
    const int octet = v->kind == WH_VOCAB_SPM && t->type == WH_TOKEN_BYTE ? wh_vocab_octet(t) : -1;
    if (octet >= 0) {
        const char one = (char)octet;
        wh_buf_put(b, &one, 1);
        return;
    }
    for (size_t i = 0, n; t->type == WH_TOKEN_NORMAL && i < t->len; i += n) {
        const uint32_t c = wh_utf8_read(t->text + i, &n);
        const int plain = v->kind == WH_VOCAB_BPE ? octet_of(c) : c == 0x2581 ? ' ' : -1;
        const char one = (char)plain;
        if (plain < 0 && v->kind == WH_VOCAB_BPE) break; /* not in the alphabet */
        if (plain < 0)
            wh_buf_put(b, t->text + i, n);
        else
            wh_buf_put(b, &one, 1);
        if (i + n == t->len) return;
    }
    b->len = before;
    wh_buf_put(b, t->text, t->len);
}

static whit_status no_memory(const char *label, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
}

static whit_status build_pieces(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    size_t at = 0;
    t->piece = wh_calloc(v->count, sizeof *t->piece);
    if (!t->piece) return no_memory(label, err);
    for (uint32_t i = 0; i < v->count && !t->texts.failed; i++) {
        if (v->token[i].text) put_piece(v, &v->token[i], &t->texts);
        t->piece[i].len = (uint32_t)(t->texts.len - at);
        at = t->texts.len;
    }
    if (t->texts.failed) return no_memory(label, err);
    at = 0;
    for (uint32_t i = 0; i < v->count; at += t->piece[i++].len) {
        const wh_token_type type = v->token[i].type;
        t->piece[i].text = t->texts.data ? t->texts.data + at : "";
        t->piece[i].special = type == WH_TOKEN_CONTROL || type == WH_TOKEN_UNKNOWN;
    }
    for (size_t i = 0; i < v->addeds; i++) t->piece[v->added[i].id].special = v->added[i].special;
    return WHIT_OK;
}

/* 1 for a token that a text without added tokens can lead to. A space that is written as one is
 * none of SPM: it would be U+2581. */
static int is_word(const wh_vocab *v, const wh_token *t)
{
    if (!t->text || t->len == 0 || t->type != WH_TOKEN_NORMAL) return 0;
    return v->kind == WH_VOCAB_BPE || !memchr(t->text, ' ', t->len);
}

static whit_status build_words(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    memset(t->octet, 0xff, sizeof t->octet);
    memset(t->ascii, 0xff, sizeof t->ascii);
    if (!wh_text_index_reserve(&t->words, v->count)) return no_memory(label, err);
    for (uint32_t i = 0; i < v->count; i++) {
        const wh_piece *p = &t->piece[i];
        const wh_token *token = &v->token[i];
        const unsigned char first = p->len > 0 ? (unsigned char)p->text[0] : 0;
        const int octet = v->kind == WH_VOCAB_BPE
                              ? token->type == WH_TOKEN_NORMAL
                              : v->byte_fallback && token->type == WH_TOKEN_BYTE;
        if (octet && p->len == 1) t->octet[first] = i;
        if (!is_word(v, token)) continue;
        if (p->len == 1 && first < 128) t->ascii[first] = i;
        if (wh_text_index_add(&t->words, p->text, p->len, i) < 0) return no_memory(label, err);
    }
    return WHIT_OK;
}

static whit_status build_merges(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    for (size_t i = 0; i < v->merges; i++) {
        const wh_merge *m = &v->merge[i];
        int added = wh_pairs_add(&t->merges, m->left, m->right, (uint32_t)i, m->result);
        if (added < 0) return no_memory(label, err);
        if (!added) return wh_fail(err, WHIT_ERR_FORMAT, "%s: merge %zu is there twice", label, i);
    }
    if (v->kind == WH_VOCAB_SPM && v->merges == 0) return wh_tokenizer_merge_scores(t, label, err);
    return WHIT_OK;
}

static void note_text(whit_tokenizer *t, const wh_piece *p)
{
    for (uint32_t k = 1; k < p->len; k++) {
        const unsigned a = wh_join_class(p->text[k - 1]), b = wh_join_class(p->text[k]);
        t->joins[a][b / 64] |= (uint64_t)1 << b % 64;
    }
}

/* Which characters some token has side by side (SPM): between all others a text can be cut, see
 * token_encode.c. */
static void note_joins(whit_tokenizer *t)
{
    const wh_vocab *v = t->vocab;
    t->joins[128][2] = 1; /* the octets of one character, too */
    for (uint32_t i = 0; i < v->count; i++)
        if (is_word(v, &v->token[i])) note_text(t, &t->piece[i]);
    for (size_t i = 0; i < v->merges; i++) {
        const wh_merge *m = &v->merge[i];
        note_text(t, &t->piece[m->result]);
        if (v->token[m->left].type == WH_TOKEN_BYTE || v->token[m->right].type == WH_TOKEN_BYTE)
            memset(t->joins, 0xff, sizeof t->joins); /* its text is not that of the characters */
    }
}

static whit_status find_whole(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    wh_work w = { .symbol = NULL };
    whit_status st = WHIT_OK;
    for (uint32_t i = 0; i < v->count && st == WHIT_OK; i++) {
        wh_piece *p = &t->piece[i];
        if (!is_word(v, &v->token[i])) continue;
        const int made = wh_encode_word(t, &w, p->text, p->len);
        if (made < 0) st = no_memory(label, err);
        p->whole =
            v->ignore_merges || (made > 0 && w.symbol[0].id == i && w.symbol[0].next == WH_ID_NONE);
    }
    wh_work_free(&w);
    return st;
}

/* ---- added tokens ---------------------------------------------------------------------------- */

/* What the normalizer makes of an added token's text, to be found in normalised text. */
static int put_normal(whit_tokenizer *t, const wh_added *a, uint32_t which)
{
    wh_buf nfc = { .data = NULL }, text = { .data = NULL };
    const wh_vocab *v = t->vocab;
    int ok = 1;
    if (v->nfc)
        wh_nfc_put(&nfc, a->text, a->len);
    else
        wh_buf_put(&nfc, a->text, a->len);
    if (v->marks_first)
        wh_text_put_spaces(v, &text, nfc.data, nfc.len, 1);
    else
        wh_buf_put(&text, nfc.data, nfc.len);
    ok = !nfc.failed && !text.failed &&
         (text.len == 0 || wh_tree_put(&t->normal, text.data, text.len, which));
    wh_buf_free(&nfc);
    wh_buf_free(&text);
    return ok;
}

static whit_status build_added(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    char name[WH_SHORT];
    for (size_t i = 0; i < v->addeds; i++) {
        const wh_added *a = &v->added[i];
        if (a->len > MAX_ADDED)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                           "%s: %s: an added token of more than 1024 bytes", label,
                           wh_short(name, a->text));
        int put = a->normalized ? put_normal(t, a, (uint32_t)i)
                                : wh_tree_put(&t->raw, a->text, a->len, (uint32_t)i);
        if (!put) return no_memory(label, err);
    }
    return WHIT_OK;
}

whit_status wh_tokenizer_build(whit_tokenizer *t, const char *label, whit_error *err)
{
    whit_status st = build_pieces(t, label, err);
    if (st == WHIT_OK) st = build_words(t, label, err);
    if (st == WHIT_OK) st = build_merges(t, label, err);
    if (st != WHIT_OK) return st;
    if (t->vocab->kind == WH_VOCAB_SPM) note_joins(t);
    st = find_whole(t, label, err);
    return st == WHIT_OK ? build_added(t, label, err) : st;
}
