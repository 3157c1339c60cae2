/* src/model/token.h - between the files of the tokenizer: its tables, what a call of it works with.
 *
 * Inside, spaces are spaces: texts of SentencePiece tokens have them for U+2581, so that a text
 * need not be rewritten. The order of work on a text:
 *
 *   added tokens (token_added.c) - NFC, spaces (token_text.c) - added tokens of normalised text -
 *   words (token_split.c) - merges (token_merge.c)
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_TOKEN_H
#define WH_MODEL_TOKEN_H

#include <whit/tokenizer.h>
#include "base/buf.h"
#include "model/pairs.h"
#include "model/text_index.h"
#include "model/vocab.h"

#define WH_ID_NONE UINT32_MAX

/* Added tokens as a tree of octets; node 0 is the root. */
typedef struct wh_tree {
    wh_pairs edge;   /* (node, octet) to the node below, as rank */
    uint32_t *added; /* [nodes]: index of the added token that ends there, or WH_ID_NONE */
    size_t nodes, cap;
    uint64_t start[1024]; /* bit first * 256 + second: some token begins so */
} wh_tree;

/* What a token stands for in a text. */
typedef struct wh_piece {
    const char *text; /* octets */
    uint32_t len;
    unsigned char special; /* left out when decoding, unless asked for */
    unsigned char whole;   /* its text encodes to it alone */
} wh_piece;

struct whit_tokenizer {
    wh_vocab *vocab;
    wh_piece *piece;        /* [vocab->count] */
    wh_buf texts;           /* of the pieces that are not the vocabulary's */
    wh_text_index words;    /* texts that merges can make, to ids */
    wh_pairs merges;        /* ids to rank and id */
    uint32_t octet[256];    /* the token of an octet; WH_ID_NONE */
    uint32_t ascii[128];    /* SPM: the token of a character; WH_ID_NONE */
    uint64_t joins[129][3]; /* SPM: bit b of joins[a]: some token has the characters a and b
                               side by side; 128 stands for all beyond ASCII               */
    wh_tree raw, normal;    /* added tokens in the text as it is, and as it is normalised */
    whit_tokenizer_info info;
    char *path;
};

/* ---- ids.c ----------------------------------------------------------------------------------- */

int wh_ids_add(whit_ids *ids, uint32_t id); /* 0: no memory */

/* ---- token_build.c, token_score.c ------------------------------------------------------------ */

/* The tables, from t->vocab. label is for messages. Errors: WHIT_ERR_FORMAT (a merge twice),
 * WHIT_ERR_UNSUPPORTED (tokens that are too long), WHIT_ERR_NOMEM. */
whit_status wh_tokenizer_build(whit_tokenizer *t, const char *label, whit_error *err);
/* SPM without merges: those that the scores stand for. */
whit_status wh_tokenizer_merge_scores(whit_tokenizer *t, const char *label, whit_error *err);

/* ---- token_merge.c --------------------------------------------------------------------------- */

/* One symbol of a word; the first is 0. Links are indices, WH_ID_NONE at the ends. */
typedef struct wh_symbol {
    uint32_t id;           /* WH_ID_NONE: it has become part of another */
    uint32_t before, next; /* neighbours */
    uint32_t rank, result; /* of the merge with the next one; WH_PAIR_NONE: none */
} wh_symbol;

/* What a thread works with. */
typedef struct wh_work {
    wh_symbol *symbol;
    size_t symbols, symbol_cap;
    uint64_t *queue; /* rank << 32 | symbol: a heap, the least first */
    size_t queued, queue_cap;
    wh_buf nfc, text; /* normalised */
} wh_work;            /* zero-initialise */

void wh_work_free(wh_work *w);
/* Add a symbol at the end. 0: no memory. */
int wh_work_add(wh_work *w, uint32_t id);
/* Merge the symbols, lowest rank first, of equals the leftmost. 0: no memory. */
int wh_work_merge(wh_work *w, const wh_pairs *merges);

/* ---- token_split.c --------------------------------------------------------------------------- */

typedef struct wh_split {
    const char *text; /* checked UTF-8 */
    size_t len, at;   /* `at` is where the next word begins */
    wh_pre how;
    size_t limit; /* of SMOLLM: the next digit */
} wh_split;

/* The octets of the next word; 0 at the end. */
size_t wh_split_next(wh_split *s);

/* ---- token_added.c --------------------------------------------------------------------------- */

typedef struct wh_match {
    size_t begin, end; /* with the white space that it swallows */
    size_t resume;     /* where to look for the next one: that white space may match again */
    size_t reach;      /* white space lies between resume and here, where that is behind it */
    uint32_t id;
} wh_match;

/* Put the text of the added token of that index, unless the text is there. 0: no memory. */
int wh_tree_put(wh_tree *tree, const char *text, size_t len, uint32_t added);
void wh_tree_free(wh_tree *tree);
/* The first added token from m->resume on that counts; it swallows no white space before m->end.
 * plain: special ones do not count. 0: none. */
int wh_tree_find(const whit_tokenizer *t, const wh_tree *tree, const char *text, size_t len,
                 int plain, wh_match *m);

/* ---- token_text.c ---------------------------------------------------------------------------- */

/* The spaces of a text of SPM, or the one before a text of byte-level: append it to b. at_start:
 * the text is at the start of the input. */
void wh_text_put_spaces(const wh_vocab *v, wh_buf *b, const char *text, size_t len, int at_start);

/* What stands for an octet in joins. */
static inline unsigned wh_join_class(char c)
{
    const unsigned char u = (unsigned char)c;
    return u < 128 ? u : 128;
}

/* ---- token_encode.c -------------------------------------------------------------------------- */

/* The symbols of one word, merged: from w->symbol[0] on. 1: done; 0: an octet has no token, and
 * there is none for what is unknown; -1: no memory. len > 0. */
int wh_encode_word(const whit_tokenizer *t, wh_work *w, const char *text, size_t len);

#endif
