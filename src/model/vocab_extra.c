/* src/model/vocab_extra.c - tokens that the files beside a tokenizer.model add to it.
 *
 *   tokenizer_config.json   "added_tokens_decoder": { "ID": {"content": TEXT, "special": ..}, .. }
 *   added_tokens.json       { TEXT: ID, .. }
 *
 * Source: huggingface/transformers (tokenizers without a tokenizer.json).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "model/vocab_config.h"
#include "model/vocab_json.h"

/* The members of added_tokens_decoder. */
static whit_status read_entry(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err)
{
    wh_tj r = { .m = m, .json = j };
    uint32_t id = 0;
    const char *p = key;
    for (; *p >= '0' && *p <= '9' && id < WH_VOCAB_MOST; p++) id = id * 10 + (uint32_t)(*p - '0');
    if (p == key || *p) return wh_vocab_bad(m, key, "an added token's id is no number", err);
    if (wh_json_next(j) != WH_JSON_OBJECT)
        return wh_vocab_bad_json(m, j, key, "an added token is no object", err);
    return wh_tj_added_object(&r, &id, err);
}

static whit_status read_config(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err)
{
    if (strcmp(key, "added_tokens_decoder") != 0) return wh_config_pass_over(m, j, key, err);
    wh_json_token token = wh_json_next(j);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_OBJECT) return wh_vocab_bad_json(m, j, key, "is no object", err);
    return wh_config_members(m, j, read_entry, err);
}

whit_status wh_config_decoder(wh_vocab_maker *m, const char *path, whit_error *err)
{
    return wh_config_file(m, path, read_config, err);
}

/* A token that the vocabulary has already is known better from there. */
static whit_status read_pair(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err)
{
    wh_added a = { .text = key, .len = (uint32_t)j->text_len };
    uint64_t id;
    if (wh_json_next(j) != WH_JSON_NUMBER || !wh_json_u64(j, &id) || id >= WH_VOCAB_MOST)
        return wh_vocab_bad_json(m, j, key, "its id is no whole number, or too high", err);
    a.id = (uint32_t)id;
    if (wh_vocab_find(m->v, a.text, a.len) == (int64_t)id) return WHIT_OK;
    return wh_tj_place(m, &a, err);
}

whit_status wh_config_added(wh_vocab_maker *m, const char *path, whit_error *err)
{
    return wh_config_file(m, path, read_pair, err);
}
