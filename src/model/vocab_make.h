/* src/model/vocab_make.h - between the readers of vocabularies: filling a wh_vocab.
 *
 * A reader begins an empty vocabulary, puts tokens, then merges and added tokens, and ends it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_VOCAB_MAKE_H
#define WH_MODEL_VOCAB_MAKE_H

#include "base/buf.h"
#include "model/vocab.h"

#define WH_VOCAB_MAX_TEXT 65535u /* octets of a token */

/* U+2581, which SentencePiece writes for a space. */
#define WH_SPACE_MARK "\xe2\x96\x81"
#define WH_SPACE_MARK_LEN 3u

/* What a reader holds while it reads. */
typedef struct wh_vocab_maker {
    wh_vocab *v;
    char label[WH_SHORT];          /* of the file, for messages */
    uint32_t limit;                /* ids lie below: the file is too short for more */
    int64_t own[WH_SPECIAL_COUNT]; /* special ids that the vocabulary's own file says; the files
                                      beside it go first. -1: none                            */
    wh_buf scratch;
} wh_vocab_maker;

/* An empty vocabulary, for the file at path. Errors: WHIT_ERR_NOMEM. Whatever it returns, call
 * wh_vocab_end. */
whit_status wh_vocab_begin(wh_vocab_maker *m, const char *path, whit_error *err);
/* Before the first token: the source has that many octets. */
void wh_vocab_bound(wh_vocab_maker *m, uint64_t bytes);
/* Hands the vocabulary out when st is WHIT_OK, else frees it and makes *out NULL. Returns st. */
whit_status wh_vocab_end(wh_vocab_maker *m, whit_status st, wh_vocab **out);

/* "FILE: NAME: what", or without a name: WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED. */
whit_status wh_vocab_bad(const wh_vocab_maker *m, const char *name, const char *what,
                         whit_error *err);
whit_status wh_vocab_unsupported(const wh_vocab_maker *m, const char *name, const char *what,
                                 whit_error *err);
whit_status wh_vocab_no_memory(const wh_vocab_maker *m, whit_error *err);

/* A copy that lives as long as the vocabulary. NULL: no memory. */
const char *wh_vocab_text(wh_vocab *v, const char *text, size_t len);

/* A token. Errors: WHIT_ERR_FORMAT (text or id there twice, too high an id, a text that is too
 * long, not UTF-8 or holds NUL), WHIT_ERR_NOMEM. */
whit_status wh_vocab_put(wh_vocab_maker *m, uint64_t id, const char *text, size_t len,
                         wh_token_type type, float score, whit_error *err);

/* The next merge, "LEFT RIGHT" or as two texts. Errors: WHIT_ERR_FORMAT (a part or the whole is no
 * token, no space), WHIT_ERR_NOMEM. */
whit_status wh_vocab_put_merge(wh_vocab_maker *m, const char *pair, size_t len, whit_error *err);
whit_status wh_vocab_put_merge2(wh_vocab_maker *m, const char *left, size_t left_len,
                                const char *right, size_t right_len, whit_error *err);
/* SPM: scores that put the tokens in the order of the merges. */
void wh_vocab_score_by_merges(wh_vocab *v);

/* A token to be found in the text before anything else; added->text is copied. */
whit_status wh_vocab_put_added(wh_vocab_maker *m, const wh_added *added, whit_error *err);
/* The same for each control, user-defined and unknown token that is none yet. */
whit_status wh_vocab_add_typed(wh_vocab_maker *m, whit_error *err);

/* Set the special ids that have no number yet: m->own, then well-known names (<|eot_id|>, ..). */
void wh_vocab_name_specials(wh_vocab_maker *m);
/* BOS and EOS around a text where add_bos and add_eos are 1. Errors: WHIT_ERR_FORMAT (nothing says
 * which tokens they are), WHIT_ERR_NOMEM. */
whit_status wh_vocab_add_around(wh_vocab_maker *m, whit_error *err);

/* 1 for UTF-8 without NUL. */
int wh_vocab_is_text(const char *text, size_t len);
/* The octet that a token <0x00> .. <0xFF> stands for, or -1. */
int wh_vocab_octet(const wh_token *t);

/* ---- the files of a folder, into a vocabulary that has begun ----------------------------------
 */

#define WH_VOCAB_MAX_FILE ((uint64_t)256 << 20)

whit_status wh_vocab_load_json(wh_vocab_maker *m, const char *path, whit_error *err);
whit_status wh_vocab_load_sentencepiece(wh_vocab_maker *m, const char *path, whit_error *err);

/* ---- vocab_pre.c: the ways to split text that are known -------------------------------------- */

typedef struct wh_pre_row {
    const char *name; /* tokenizer.ggml.pre */
    wh_pre split;
    unsigned char ignore_merges, nfc, add_bos; /* what the name stands for besides */
} wh_pre_row;

const wh_pre_row *wh_pre_find(const char *name); /* NULL: not known */
/* The name of a way to split, with merges ignored (0 or 1) and NFC (0 or 1); where there is none,
 * the nearest. */
const char *wh_pre_name(wh_pre split, int ignore_merges, int nfc);
/* What a regular expression of tokenizer.json means; WH_PRE_NONE: it is not known. */
wh_pre wh_pre_of_pattern(const char *pattern);

#endif
