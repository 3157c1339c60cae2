/* src/model/gguf_vocab.c - a vocabulary as the tokenizer.* keys of GGUF.
 *
 * Lists have one element for each row of the embeddings. Ids without a token are called [PAD7],
 * with the id; loaders refuse a text that is there twice, so where a token is called so itself, the
 * names get a tail: [PAD7_].
 *
 * Not here: which pre-tokenizer it is (the vocabulary knows).
 * Source: ggml-org/llama.cpp, gguf-py/gguf/{constants,vocab}.py, convert_hf_to_gguf.py.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/gguf_keys.h"
#include "model/vocab.h"

#define HOLE_SCORE (-10000.0f)
#define MOST_TAIL 32u

/* NULL where there is none; a token without a text is none either, as no text has it. */
static const wh_token *token_at(const wh_vocab *v, uint64_t id)
{
    return id < v->count && v->token[id].text && v->token[id].len > 0 ? &v->token[id] : NULL;
}

/* How many '_' stand behind the number in a text of the form [PAD7__] that is the name of a row
 * without a token; -1 for any other text. */
static int tail_of(const wh_vocab *v, uint64_t rows, const wh_token *t)
{
    uint64_t id = 0;
    const char *p = t->text + 4, *end = t->text + t->len;
    int tail = 0;
    if (t->len < 6 || memcmp(t->text, "[PAD", 4) != 0) return -1;
    for (; p < end && *p >= '0' && *p <= '9' && id < rows; p++) id = id * 10 + (uint64_t)(*p - '0');
    if (p == t->text + 4) return -1;
    for (; p < end && *p == '_'; p++) tail++;
    return p + 1 == end && *p == ']' && id < rows && !token_at(v, id) ? tail : -1;
}

static whit_status put_tokens(wh_gguf_kvs *k, const wh_vocab *v, uint64_t rows, whit_error *err)
{
    static const char tails[MOST_TAIL + 1] = "________________________________";
    char name[64];
    int tail = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->token[i].text && tail_of(v, rows, &v->token[i]) >= tail)
            tail = tail_of(v, rows, &v->token[i]) + 1;
    if ((unsigned)tail > MOST_TAIL)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "tokenizer: no name is left for rows without a token");
    wh_gguf_begin_array(k, "tokenizer.ggml.tokens", WHIT_KV_STRING, rows);
    for (uint64_t i = 0; i < rows; i++) {
        const wh_token *t = token_at(v, i);
        if (!t) snprintf(name, sizeof name, "[PAD%" PRIu64 "%.*s]", i, tail, tails);
        wh_gguf_item_string(k, t ? t->text : name, t ? t->len : strlen(name));
    }
    return WHIT_OK;
}

static void put_scores(wh_gguf_kvs *k, const wh_vocab *v, uint64_t rows)
{
    wh_gguf_begin_array(k, "tokenizer.ggml.scores", WHIT_KV_F32, rows);
    for (uint64_t i = 0; i < rows; i++) {
        const wh_token *t = token_at(v, i);
        wh_gguf_item_u32(k, wh_f32_bits(t ? t->score : HOLE_SCORE));
    }
}

static void put_types(wh_gguf_kvs *k, const wh_vocab *v, uint64_t rows)
{
    wh_gguf_begin_array(k, "tokenizer.ggml.token_type", WHIT_KV_I32, rows);
    for (uint64_t i = 0; i < rows; i++) {
        const wh_token *t = token_at(v, i);
        wh_gguf_item_u32(k, (uint32_t)(t ? t->type : WH_TOKEN_UNUSED));
    }
}

/* One side of a merge: a space in it would be taken for the one between the sides. */
static void put_side(wh_buf *b, const wh_token *t)
{
    for (uint32_t i = 0; i < t->len; i++) {
        if (t->text[i] == ' ')
            wh_buf_put(b, "\xc4\xa0", 2); /* U+0120 */
        else
            wh_buf_put(b, t->text + i, 1);
    }
}

static whit_status put_merges(wh_gguf_kvs *k, const wh_vocab *v, whit_error *err)
{
    wh_buf line = { 0 };
    wh_gguf_begin_array(k, "tokenizer.ggml.merges", WHIT_KV_STRING, v->merges);
    for (size_t i = 0; i < v->merges && !line.failed; i++) {
        line.len = 0;
        put_side(&line, &v->token[v->merge[i].left]);
        wh_buf_put(&line, " ", 1);
        put_side(&line, &v->token[v->merge[i].right]);
        if (!line.failed) wh_gguf_item_string(k, line.data, line.len);
    }
    int failed = line.failed;
    wh_buf_free(&line);
    return failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the merges") : WHIT_OK;
}

static whit_status put_specials(wh_gguf_kvs *k, const wh_model_config *c, const wh_vocab *v,
                                uint64_t rows, whit_error *err)
{
    for (int s = 0; s < WH_SPECIAL_COUNT; s++) {
        int64_t id = v->special[s];
        if (id < 0 && s == WH_SPECIAL_BOS) id = c->bos;
        if (id < 0 && s == WH_SPECIAL_EOS && c->eos_count > 0) id = c->eos[0];
        if (id < 0) continue;
        if ((uint64_t)id >= rows)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "tokenizer: id %" PRId64 " of the %s token is beyond the %" PRIu64
                           " rows of the embeddings",
                           id, wh_special_name((wh_special)s), rows);
        wh_gguf_put_u32(k, wh_special_key((wh_special)s), (uint32_t)id);
    }
    return WHIT_OK;
}

static void put_flag(wh_gguf_kvs *k, const char *key, int value)
{
    if (value >= 0) wh_gguf_put_bool(k, key, value);
}

whit_status wh_gguf_put_vocab(wh_gguf_kvs *k, const wh_model_config *c, const wh_vocab *v,
                              uint64_t rows, whit_error *err)
{
    const int spm = v->kind == WH_VOCAB_SPM;
    const char *model = spm ? "llama" : "gpt2";
    whit_status st;
    if (v->count > rows)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "tokenizer: %" PRIu32 " tokens, for %" PRIu64
                       " rows of the embeddings; try: the tokenizer of this model",
                       v->count, rows);
    wh_gguf_put_string(k, "tokenizer.ggml.model", model, strlen(model));
    wh_gguf_put_string(k, "tokenizer.ggml.pre", v->pre, strlen(v->pre));
    st = put_tokens(k, v, rows, err);
    if (st != WHIT_OK) return st;
    if (spm) put_scores(k, v, rows);
    put_types(k, v, rows);
    if (!spm) st = put_merges(k, v, err);
    if (st == WHIT_OK) st = put_specials(k, c, v, rows, err);
    if (st != WHIT_OK) return st;
    put_flag(k, "tokenizer.ggml.add_bos_token", v->add_bos);
    put_flag(k, "tokenizer.ggml.add_eos_token", v->add_eos);
    put_flag(k, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
    put_flag(k, "tokenizer.ggml.remove_extra_whitespaces", v->remove_extra_whitespaces);
    if (v->chat_template)
        wh_gguf_put_string(k, "tokenizer.chat_template", v->chat_template,
                           strlen(v->chat_template));
    return k->bytes.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the vocabulary") : WHIT_OK;
}
