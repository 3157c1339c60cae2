/* src/model/vocab_config.h - the small files beside a vocabulary.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_VOCAB_CONFIG_H
#define WH_MODEL_VOCAB_CONFIG_H

#include "base/json.h"
#include "model/vocab_make.h"

/* Each adds what its file says to the vocabulary, unless an earlier one said it. Errors:
 * WHIT_ERR_FORMAT, WHIT_ERR_IO, WHIT_ERR_NOMEM. */

/* tokenizer_config.json, special_tokens_map.json: bos_token, .., add_bos_token, chat_template. */
whit_status wh_config_texts(wh_vocab_maker *m, const char *path, whit_error *err);
/* generation_config.json, config.json: bos_token_id, .. */
whit_status wh_config_ids(wh_vocab_maker *m, const char *path, whit_error *err);
/* chat_template.jinja */
whit_status wh_config_template(wh_vocab_maker *m, const char *path, whit_error *err);

/* vocab_extra.c: tokens that are added to a tokenizer.model.
 * tokenizer_config.json: "added_tokens_decoder": { "ID": {"content": .., ..}, .. } */
whit_status wh_config_decoder(wh_vocab_maker *m, const char *path, whit_error *err);
/* added_tokens.json: { TEXT: ID, .. } */
whit_status wh_config_added(wh_vocab_maker *m, const char *path, whit_error *err);

/* Reads the value of the member whose key is at hand; key lives as long as the vocabulary. */
typedef whit_status wh_config_member_fn(wh_vocab_maker *m, wh_json *j, const char *key,
                                        whit_error *err);
/* The members of an object, behind its opening bracket; those of a file. */
whit_status wh_config_members(wh_vocab_maker *m, wh_json *j, wh_config_member_fn *read,
                              whit_error *err);
whit_status wh_config_file(wh_vocab_maker *m, const char *path, wh_config_member_fn *read,
                           whit_error *err);
whit_status wh_config_pass_over(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err);

#endif
