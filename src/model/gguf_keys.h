/* src/model/gguf_keys.h - the metadata of a GGUF file that a model and its vocabulary make.
 *
 * Not here: general.file_type and general.quantization_version, which depend on what the tensors
 * become; tensors (model/names.h).
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_GGUF_KEYS_H
#define WH_MODEL_GGUF_KEYS_H

#include "io/gguf_write.h"
#include "model/config.h"

struct wh_vocab; /* model/vocab.h */

/*
 * general.architecture, general.type, general.name (where the configuration has a name) and the
 * keys of the architecture. Of rope scaling llama3 the divisors are a tensor: wh_rope_divisors.
 * Errors, also below: WHIT_ERR_UNSUPPORTED (GGUF cannot say it), WHIT_ERR_NOMEM.
 */
whit_status wh_gguf_put_model(wh_gguf_kvs *k, const wh_model_config *c, whit_error *err);

/*
 * The tokenizer.* keys, for `rows` rows of the embeddings: rows without a token get a name of their
 * own. Where the vocabulary does not know the ids of bos and eos, those of the configuration.
 * Besides: WHIT_ERR_FORMAT (more tokens than rows, a special id beyond them).
 */
whit_status wh_gguf_put_vocab(wh_gguf_kvs *k, const wh_model_config *c, const struct wh_vocab *v,
                              uint64_t rows, whit_error *err);

#endif
