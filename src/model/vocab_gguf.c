/* src/model/vocab_gguf.c - the vocabulary in the metadata of a GGUF file.
 *
 *   tokenizer.ggml.model        "llama" (SentencePiece) or "gpt2" (byte-level BPE)
 *   tokenizer.ggml.pre          how text is split; of "gpt2" required here: a guess gives wrong ids
 *   tokenizer.ggml.tokens       [string], by id
 *   tokenizer.ggml.scores       [f32], of "llama"
 *   tokenizer.ggml.token_type   [i32], 1..6; all normal where it is missing
 *   tokenizer.ggml.merges       [string] "LEFT RIGHT", of "gpt2"
 *   ids and flags               model/vocab_make.c has the names of the ids
 *
 * What the file does not say is as llama.cpp has it: of "llama" BOS 1, EOS 2, UNK 0, BOS and a
 * space before each text; of "gpt2" BOS where the name of the pre-tokenizer stands for it. Not as
 * llama.cpp: NFC goes with the names of the Qwen family, as in the models' own tokenizers.
 *
 * Source: ggml-org/llama.cpp, src/llama-vocab.cpp; ggml-org/ggml, docs/gguf.md.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "io/gguf.h"
#include "model/vocab_make.h"

#define KEY(name) "tokenizer.ggml." name

/* The value of a key in the first file that has it; the parts of a split model share one. */
static const whit_kv *find(const whit_file *file, const char *key)
{
    const whit_kv *kv = NULL;
    for (size_t i = 0; i < whit_file_shards(file) && !kv; i++) kv = whit_file_kv_find(file, i, key);
    return kv;
}

static whit_status find_array(const wh_vocab_maker *m, const whit_file *file, const char *key,
                              whit_kv_type type, uint64_t count, const whit_kv **out,
                              whit_error *err)
{
    *out = find(file, key);
    if (!*out) return WHIT_OK;
    if (!(*out)->is_array || (*out)->type != type)
        return wh_vocab_bad(m, key, "is no list of the type it should have", err);
    if (count != UINT64_MAX && (*out)->count != count)
        return wh_vocab_bad(m, key, "is not as long as the list of tokens", err);
    return WHIT_OK;
}

/* A text, or NULL where there is none. */
static whit_status find_text(const wh_vocab_maker *m, const whit_file *file, const char *key,
                             const char **out, whit_error *err)
{
    const whit_kv *kv = find(file, key);
    *out = NULL;
    if (!kv) return WHIT_OK;
    const whit_kv_string *s = kv->data;
    if (kv->is_array || kv->type != WHIT_KV_STRING || !wh_gguf_is_text(s))
        return wh_vocab_bad(m, key, "is no text", err);
    *out = wh_vocab_text(m->v, s->text, s->len);
    return *out ? WHIT_OK : wh_vocab_no_memory(m, err);
}

static whit_status read_flag(const wh_vocab_maker *m, const whit_file *file, const char *key,
                             signed char *flag, whit_error *err)
{
    const whit_kv *kv = find(file, key);
    if (!kv) return WHIT_OK;
    if (kv->is_array || kv->type != WHIT_KV_BOOL) return wh_vocab_bad(m, key, "is no bool", err);
    *flag = *(const uint8_t *)kv->data ? 1 : 0;
    return WHIT_OK;
}

/* ---- tokens and merges ----------------------------------------------------------------------- */

static whit_status read_tokens(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    const whit_kv *tokens, *scores = NULL, *types = NULL;
    whit_status st = find_array(m, file, KEY("tokens"), WHIT_KV_STRING, UINT64_MAX, &tokens, err);
    if (st == WHIT_OK && (!tokens || tokens->count == 0))
        return wh_vocab_bad(m, KEY("tokens"), "is missing, or empty", err);
    if (st == WHIT_OK)
        st = find_array(m, file, KEY("scores"), WHIT_KV_F32, tokens->count, &scores, err);
    if (st == WHIT_OK)
        st = find_array(m, file, KEY("token_type"), WHIT_KV_I32, tokens->count, &types, err);
    if (st != WHIT_OK) return st;
    const int spm = m->v->kind == WH_VOCAB_SPM;
    if (spm && !scores)
        return wh_vocab_bad(m, KEY("scores"), "is missing; without it there are no merges", err);
    wh_vocab_bound(m, tokens->count * 4);
    for (uint64_t i = 0; i < tokens->count && st == WHIT_OK; i++) {
        const whit_kv_string *s = (const whit_kv_string *)tokens->data + i;
        const int32_t type = types ? ((const int32_t *)types->data)[i] : WH_TOKEN_NORMAL;
        const float score = spm ? ((const float *)scores->data)[i] : 0.0f;
        if (type < WH_TOKEN_NORMAL || type > WH_TOKEN_BYTE)
            return wh_vocab_bad(m, KEY("token_type"), "holds a type that is not known", err);
        if (score != score)
            return wh_vocab_bad(m, KEY("scores"), "holds something that is no number", err);
        if (type == WH_TOKEN_BYTE) m->v->byte_fallback = 1;
        st = wh_vocab_put(m, i, s->text, s->len, (wh_token_type)type, score, err);
    }
    return st;
}

static whit_status read_merges(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    const whit_kv *merges;
    whit_status st = find_array(m, file, KEY("merges"), WHIT_KV_STRING, UINT64_MAX, &merges, err);
    if (st != WHIT_OK) return st;
    if (!merges) return wh_vocab_bad(m, KEY("merges"), "is missing", err);
    for (uint64_t i = 0; i < merges->count && st == WHIT_OK; i++) {
        const whit_kv_string *s = (const whit_kv_string *)merges->data + i;
        st = wh_vocab_put_merge(m, s->text, s->len, err);
    }
    return st;
}

/* ---- ids and flags --------------------------------------------------------------------------- */

static whit_status read_ids(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    wh_vocab *v = m->v;
    for (int i = 0; i < WH_SPECIAL_COUNT; i++) {
        uint64_t id;
        const char *key = wh_special_key((wh_special)i);
        const whit_kv *kv = find(file, key);
        if (!kv) continue;
        if (!wh_gguf_kv_u64(kv, &id)) return wh_vocab_bad(m, key, "is no whole number", err);
        if (id < v->count)
            v->special[i] = (int64_t)id;
        else if (id != UINT32_MAX) /* written for none */
            return wh_vocab_bad(m, key, "is no id of the vocabulary", err);
    }
    if (v->kind == WH_VOCAB_SPM)
        for (int i = 0; i < 3 && i < (int)v->count; i++) {
            static const wh_special which[3] = { WH_SPECIAL_UNK, WH_SPECIAL_BOS, WH_SPECIAL_EOS };
            if (!find(file, wh_special_key(which[i]))) v->special[which[i]] = i;
        }
    wh_vocab_name_specials(m);
    return WHIT_OK;
}

static whit_status read_flags(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    wh_vocab *v = m->v;
    whit_status st = read_flag(m, file, KEY("add_bos_token"), &v->add_bos, err);
    if (st == WHIT_OK) st = read_flag(m, file, KEY("add_eos_token"), &v->add_eos, err);
    if (st == WHIT_OK) st = read_flag(m, file, KEY("add_space_prefix"), &v->add_space_prefix, err);
    if (st == WHIT_OK)
        st = read_flag(m, file, KEY("remove_extra_whitespaces"), &v->remove_extra_whitespaces, err);
    if (st == WHIT_OK) st = find_text(m, file, "tokenizer.chat_template", &v->chat_template, err);
    if (v->add_eos < 0) v->add_eos = 0;
    return st;
}

/* ---- the two families ------------------------------------------------------------------------ */

static whit_status read_spm(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    wh_vocab *v = m->v;
    v->kind = WH_VOCAB_SPM;
    v->pre = "default";
    v->fuse_unk = 1;
    whit_status st = read_tokens(m, file, err);
    if (st == WHIT_OK) st = read_ids(m, file, err);
    if (st == WHIT_OK) st = read_flags(m, file, err);
    if (v->add_bos < 0) v->add_bos = v->special[WH_SPECIAL_BOS] >= 0;
    if (v->add_space_prefix < 0) v->add_space_prefix = 1;
    v->prefix = v->add_space_prefix ? WH_PREFIX_PREPEND : WH_PREFIX_NEVER;
    v->strip_space = v->add_space_prefix != 0 || v->remove_extra_whitespaces > 0;
    v->marks_first = 1;
    return st;
}

static whit_status read_bpe(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    wh_vocab *v = m->v;
    v->kind = WH_VOCAB_BPE;
    whit_status st = find_text(m, file, KEY("pre"), &v->pre, err);
    if (st != WHIT_OK) return st;
    if (!v->pre)
        return wh_vocab_unsupported(m, KEY("pre"),
                                    "is missing, so that the pre-tokenizer is not known", err);
    const wh_pre_row *row = wh_pre_find(v->pre);
    if (!row) return wh_vocab_unsupported(m, v->pre, "is a pre-tokenizer that is not known", err);
    v->split = row->split;
    v->ignore_merges = row->ignore_merges;
    v->nfc = row->nfc;
    st = read_tokens(m, file, err);
    if (st == WHIT_OK) st = read_merges(m, file, err);
    if (st == WHIT_OK) st = read_ids(m, file, err);
    if (st == WHIT_OK) st = read_flags(m, file, err);
    if (v->add_bos < 0) v->add_bos = row->add_bos && v->special[WH_SPECIAL_BOS] >= 0;
    if (v->add_space_prefix > 0) v->prefix_space = 1;
    return st;
}

static whit_status read_file(wh_vocab_maker *m, const whit_file *file, whit_error *err)
{
    const char *model;
    whit_status st = find_text(m, file, KEY("model"), &model, err);
    if (st != WHIT_OK) return st;
    if (!model) return wh_vocab_bad(m, KEY("model"), "is missing: the file has no tokenizer", err);
    if (strcmp(model, "llama") == 0)
        st = read_spm(m, file, err);
    else if (strcmp(model, "gpt2") == 0)
        st = read_bpe(m, file, err);
    else
        st = wh_vocab_unsupported(m, model, "is a tokenizer that is not read; known: llama, gpt2",
                                  err);
    if (st == WHIT_OK) st = wh_vocab_add_typed(m, err);
    return st == WHIT_OK ? wh_vocab_add_around(m, err) : st;
}

whit_status wh_vocab_read_gguf(wh_vocab **out, const whit_file *file, whit_error *err)
{
    wh_vocab_maker m;
    whit_status st = wh_vocab_begin(&m, whit_file_path(file), err);
    if (st == WHIT_OK) st = read_file(&m, file, err);
    return wh_vocab_end(&m, st, out);
}
