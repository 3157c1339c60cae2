/* src/model/vocab_json.h - between the files that read tokenizer.json.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_VOCAB_JSON_H
#define WH_MODEL_VOCAB_JSON_H

#include "model/parts.h"

typedef struct wh_tj {
    wh_vocab_maker *m;
    wh_json *json;
    wh_rules rules;
    wh_json_span model, added, merges;
    unsigned char byte_fallback, fuse_unk, ignore_merges;
    const char *unk; /* NULL: not there */
    unsigned seen;   /* of the object at hand: bit i is member i of its table */
} wh_tj;

/* WHIT_ERR_FORMAT, in the words of the JSON parser where it has some. */
whit_status wh_tj_bad(const wh_tj *r, const char *name, const char *what, whit_error *err);
/* The next value: null counts as false. */
whit_status wh_tj_bool(const wh_tj *r, const char *name, unsigned char *out, whit_error *err);
/* The same for a text, which lives as long as the vocabulary; null leaves *out. */
whit_status wh_tj_text(const wh_tj *r, const char *name, const char **out, whit_error *err);
/* The row in names[count] of the key at hand, or count. Errors: it is there twice. */
whit_status wh_tj_member(wh_tj *r, const char *where, const char *const *names, size_t count,
                         size_t *which, whit_error *err);

/* vocab_added.c */
/* An added token, as the vocabulary has it already or as a new one; to be found in texts. */
whit_status wh_tj_place(wh_vocab_maker *m, const wh_added *added, whit_error *err);
/* The object of one, behind the opening bracket; id: where it is not in the object. */
whit_status wh_tj_added_object(wh_tj *r, const uint32_t *id, whit_error *err);
/* The list of added tokens; what follows from everything. */
whit_status wh_tj_added(wh_tj *r, whit_error *err);
whit_status wh_tj_settle(wh_tj *r, whit_error *err);

#endif
