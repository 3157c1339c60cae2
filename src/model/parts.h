/* src/model/parts.h - the components of a tokenizer.json (normalizer, pre_tokenizer, decoder,
 * post_processor): read as they are, for vocab_rules.c to make sense of.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_PARTS_H
#define WH_MODEL_PARTS_H

#include "base/json.h"
#include "model/vocab_make.h"

typedef enum wh_member {
    WH_M_TYPE,
    WH_M_ADD_PREFIX_SPACE,
    WH_M_TRIM_OFFSETS,
    WH_M_USE_REGEX,
    WH_M_PATTERN,
    WH_M_BEHAVIOR,
    WH_M_INVERT,
    WH_M_REPLACEMENT,
    WH_M_PREPEND_SCHEME,
    WH_M_SPLIT,
    WH_M_STR_REP,
    WH_M_PREPEND,
    WH_M_CONTENT,
    WH_M_INDIVIDUAL_DIGITS,
    WH_M_START,
    WH_M_STOP,
    WH_M_SINGLE,
    WH_M_PAIR,
    WH_M_SPECIAL_TOKENS,
    WH_M_PARTS, /* the list in a Sequence, whatever it is called */
    WH_M_COUNT
} wh_member;
#define WH_M(member) (1u << (member))

/* A stretch of JSON text, to be read later. */
typedef struct wh_json_span {
    const char *src;
    size_t len;
} wh_json_span;

typedef struct wh_part {
    unsigned seen;                /* bits of the members that are there and not null */
    unsigned on;                  /* bits of those that are true */
    const char *text[WH_M_COUNT]; /* strings; "" where there is none. Of a pattern: what it holds */
    int regex;                    /* the pattern is a regular expression */
    uint64_t number[WH_M_COUNT];
    wh_json_span span[WH_M_COUNT]; /* single, special_tokens */
} wh_part;

typedef struct wh_parts {
    wh_part *part;
    size_t count, cap;
} wh_parts; /* zero-initialise; free(part) */

/* The value at hand: an object, or null (then nothing is added). A Sequence adds what it holds.
 * where: "normalizer", .., for messages. Errors: WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED (a member
 * that is not known), WHIT_ERR_NOMEM. */
whit_status wh_parts_read(wh_vocab_maker *m, wh_json *j, const char *where, wh_parts *out,
                          whit_error *err);

/* Words for JSON that is none, or for what (when j has no problem). */
whit_status wh_vocab_bad_json(const wh_vocab_maker *m, const wh_json *j, const char *name,
                              const char *what, whit_error *err);

/* What the parts say, into the vocabulary (vocab_rules.c). The vocabulary has its tokens before
 * the post-processor is looked at. Errors: WHIT_ERR_UNSUPPORTED (by name), WHIT_ERR_FORMAT. */
typedef struct wh_rules {
    wh_parts normalizer, pre_tokenizer, decoder, post_processor;
} wh_rules;
whit_status wh_rules_words(wh_vocab_maker *m, const wh_rules *rules, whit_error *err);
whit_status wh_rules_around(wh_vocab_maker *m, const wh_rules *rules, whit_error *err);

/* template.c: the ids that a TemplateProcessing puts around a text. Errors: WHIT_ERR_FORMAT,
 * WHIT_ERR_UNSUPPORTED (the text is not there once), WHIT_ERR_NOMEM. */
whit_status wh_template_read(wh_vocab_maker *m, const wh_part *part, whit_error *err);

#endif
