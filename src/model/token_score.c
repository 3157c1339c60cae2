/* src/model/token_score.c - merges of a SentencePiece vocabulary that has scores.
 *
 * Two neighbours merge when their texts together are a token; the one with the highest score goes
 * first, of equals the leftmost. That is the merges of all tokens, each at each place where it can
 * be cut in two tokens, with the rank of its score; equal scores have equal ranks.
 *
 * A token that holds a character which is no token itself can not be reached so (it could in
 * SentencePiece); vocabularies have all characters of their tokens.
 * Source: google/sentencepiece, src/bpe_model.cc.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "model/token.h"
#include "model/unicode.h"

/* Octets of a token: trying all places takes their square. Real ones have some dozens. */
#define MAX_PIECE 512u

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All merges that make the token. 0: no memory. */
static int add_merges(whit_tokenizer *t, uint32_t id, uint32_t rank)
{
    const wh_piece *p = &t->piece[id];
    size_t n;
    for (size_t at = 0; at < p->len; at += n) {
        wh_utf8_read(p->text + at, &n);
        if (at == 0) continue;
        const uint32_t left = wh_text_index_find(&t->words, p->text, at);
        if (left == WH_TEXT_NONE) continue;
        const uint32_t right = wh_text_index_find(&t->words, p->text + at, p->len - at);
        if (right == WH_TEXT_NONE) continue;
        if (wh_pairs_add(&t->merges, left, right, rank, id) < 0) return 0;
    }
    return 1;
}

whit_status wh_tokenizer_merge_scores(whit_tokenizer *t, const char *label, whit_error *err)
{
    const wh_vocab *v = t->vocab;
    size_t count = 0;
    uint32_t rank = 0;
    whit_status st = WHIT_OK;
    scored *list = wh_calloc(v->count, sizeof *list);
    if (!list) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
    for (size_t i = 0; i < t->words.cap; i++) {
        const wh_text_slot *s = &t->words.slot[i];
        if (s->text) list[count++] = (scored){ v->token[s->id].score, s->id };
    }
    qsort(list, count, sizeof *list, by_score);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        const uint32_t id = list[i].id;
        if (i > 0 && list[i].score != list[i - 1].score) rank++;
        if (t->piece[id].len > MAX_PIECE)
            st = wh_fail(err, WHIT_ERR_UNSUPPORTED,
                         "%s: token %u: a SentencePiece token of more than 512 bytes", label, id);
        else if (!add_merges(t, id, rank))
            st = wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
    }
    free(list);
    return st;
}
