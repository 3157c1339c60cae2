/* tests/test_vocab_gguf.c - vocabularies in the metadata of GGUF files: what is taken over, what is
 * refused and in which words.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "check.h"
#include "gguf_build.h"
#include "model/vocab.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED
#define KEY(name) "tokenizer.ggml." name

static void put_text(gg_build *b, const char *key, const char *text)
{
    gg_string(b, key, text, strlen(text));
}

static void put_texts(gg_build *b, const char *key, const char *const *texts, size_t count)
{
    gg_array(b, key, GG_STRING, count);
    for (size_t i = 0; i < count; i++) gg_text(&b->keys, texts[i], strlen(texts[i]));
}

static void put_numbers(gg_build *b, const char *key, unsigned type, const uint32_t *v,
                        size_t count)
{
    gg_array(b, key, type, count);
    for (size_t i = 0; i < count; i++) gg_int(&b->keys, v[i], 4);
}

static wh_vocab *read_gguf(const scratch *s, gg_build *b, whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *file = NULL;
    wh_vocab *v = NULL;
    gg_write(b, s, "t.gguf");
    CHECK(whit_file_open(&file, scratch_path(s, "t.gguf", path), &err) == WHIT_OK, "%s", err.msg);
    whit_status st = file ? wh_vocab_read_gguf(&v, file, &err) : FMT;
    CHECK(st == want && strstr(err.msg, words), "%s: %d: %s", words, (int)st, err.msg);
    whit_file_close(file); /* the vocabulary has copies */

    return v;
}

static const char *const spm_tokens[] = { "<unk>", "<s>", "</s>", "<0x41>", "a", "u d" };
static const uint32_t spm_types[] = { 2, 3, 3, 6, 1, 4 };
static const uint32_t spm_scores[] = { 0, 0, 0, 0, 0xbf800000, 0 };
static const char *const bpe_tokens[] = { "a", "b", "ab", "<|eot_id|>" };
static const uint32_t bpe_types[] = { 1, 1, 1, 3 };
static const char *const bpe_merges[] = { "a b" };

enum { NO_SCORES = 1, NO_TYPES = 2, NO_TOKENS = 4, NO_PRE = 8, NO_MERGES = 16 };

static void put_spm(gg_build *b, unsigned without)
{
    memset(b, 0, sizeof *b);
    put_text(b, KEY("model"), "llama");
    if (!(without & NO_TOKENS)) put_texts(b, KEY("tokens"), spm_tokens, 6);
    if (!(without & NO_SCORES)) put_numbers(b, KEY("scores"), GG_F32, spm_scores, 6);
    if (!(without & NO_TYPES)) put_numbers(b, KEY("token_type"), GG_I32, spm_types, 6);
}

static void put_bpe(gg_build *b, const char *pre, unsigned without)
{
    memset(b, 0, sizeof *b);
    put_text(b, KEY("model"), "gpt2");
    if (pre) put_text(b, KEY("pre"), pre);
    put_texts(b, KEY("tokens"), bpe_tokens, 4);
    if (!(without & NO_TYPES)) put_numbers(b, KEY("token_type"), GG_I32, bpe_types, 4);
    if (!(without & NO_MERGES)) put_texts(b, KEY("merges"), bpe_merges, 1);
}

static void test_gguf(void)
{
    scratch s;
    gg_build b;
    scratch_make(&s);
    put_spm(&b, 0);
    gg_number(&b, KEY("eos_token_id"), GG_U32, 4, 4);
    gg_number(&b, KEY("padding_token_id"), GG_U32, UINT32_MAX, 4);
    put_text(&b, "tokenizer.chat_template", "{{ x }}");
    wh_vocab *v = read_gguf(&s, &b, WHIT_OK, "");
    if (v) {
        CHECK(v->kind == WH_VOCAB_SPM && v->count == 6 && v->addeds == 4, "counts");
        CHECK(v->special[WH_SPECIAL_BOS] == 1 && v->special[WH_SPECIAL_UNK] == 0, "defaults");
        CHECK(v->special[WH_SPECIAL_EOS] == 4 && v->special[WH_SPECIAL_PAD] == -1, "ids");
        CHECK(v->add_bos == 1 && v->before[0] == 1 && v->add_space_prefix == 1, "defaults");
        CHECK(v->token[4].score == -1.0f && v->token[5].type == WH_TOKEN_USER, "a token");
        CHECK(v->chat_template && !strcmp(v->chat_template, "{{ x }}"), "template");
    }
    wh_vocab_free(v);
    put_spm(&b, NO_TYPES);
    gg_number(&b, KEY("add_bos_token"), GG_BOOL, 0, 1);
    gg_number(&b, KEY("add_eos_token"), GG_BOOL, 1, 1);
    gg_number(&b, KEY("add_space_prefix"), GG_BOOL, 0, 1);
    v = read_gguf(&s, &b, WHIT_OK, "");
    CHECK(v && v->befores == 0 && v->afters == 1 && v->after[0] == 2, "what goes around");
    CHECK(v && v->prefix == WH_PREFIX_NEVER && v->addeds == 0 && !v->byte_fallback, "flags");
    wh_vocab_free(v);

    put_bpe(&b, "llama-bpe", 0);
    gg_number(&b, KEY("bos_token_id"), GG_U32, 3, 4);
    v = read_gguf(&s, &b, WHIT_OK, "");
    if (v) {
        CHECK(v->kind == WH_VOCAB_BPE && v->split == WH_PRE_LLAMA3 && v->ignore_merges, "kind");
        CHECK(v->merges == 1 && v->merge[0].result == 2 && !strcmp(v->pre, "llama-bpe"), "merges");
        CHECK(v->befores == 1 && v->before[0] == 3 && v->special[WH_SPECIAL_EOT] == 3, "by name");
    }
    wh_vocab_free(v);
    put_bpe(&b, "qwen2", NO_TYPES);
    v = read_gguf(&s, &b, WHIT_OK, "");
    CHECK(v && v->split == WH_PRE_QWEN2 && v->nfc && !v->ignore_merges && v->befores == 0, "qwen2");
    wh_vocab_free(v);
    scratch_remove(&s);
}

static void test_gguf_refusals(void)
{
    static const char *const twice[] = { "a", "a", "ab", "x" }, *const apart[] = { "ab" };
    static const uint32_t types[] = { 1, 1, 7, 1, 1, 1 },
                          nan_scores[] = { 0x7fc00000, 0, 0, 0, 0, 0 };
    scratch s;
    gg_build b;
    scratch_make(&s);
    memset(&b, 0, sizeof b);
    put_text(&b, "general.name", "x");
    read_gguf(&s, &b, FMT, "tokenizer.ggml.model: is missing");
    memset(&b, 0, sizeof b);
    put_text(&b, KEY("model"), "bert");
    read_gguf(&s, &b, UNS, "bert: is a tokenizer that is not read");
    memset(&b, 0, sizeof b);
    gg_number(&b, KEY("model"), GG_U32, 1, 4);
    read_gguf(&s, &b, FMT, "is no text");
    put_spm(&b, NO_TOKENS);
    read_gguf(&s, &b, FMT, "tokens: is missing, or empty");
    put_spm(&b, NO_SCORES);
    read_gguf(&s, &b, FMT, "scores: is missing");
    put_spm(&b, NO_SCORES);
    put_numbers(&b, KEY("scores"), GG_F32, spm_scores, 5);
    read_gguf(&s, &b, FMT, "scores: is not as long as");
    put_spm(&b, NO_SCORES);
    put_numbers(&b, KEY("scores"), GG_I32, spm_scores, 6);
    read_gguf(&s, &b, FMT, "no list of the type");
    put_spm(&b, NO_SCORES);
    put_numbers(&b, KEY("scores"), GG_F32, nan_scores, 6);
    read_gguf(&s, &b, FMT, "is no number");
    put_spm(&b, NO_TYPES);
    put_numbers(&b, KEY("token_type"), GG_I32, types, 6);
    read_gguf(&s, &b, FMT, "a type that is not known");
    put_spm(&b, 0);
    gg_number(&b, KEY("bos_token_id"), GG_U32, 6, 4);
    read_gguf(&s, &b, FMT, "bos_token_id: is no id of the vocabulary");
    put_spm(&b, 0);
    put_text(&b, KEY("bos_token_id"), "1");
    read_gguf(&s, &b, FMT, "is no whole number");
    put_spm(&b, 0);
    gg_number(&b, KEY("add_bos_token"), GG_U32, 1, 4);
    read_gguf(&s, &b, FMT, "is no bool");
    put_bpe(&b, NULL, 0);
    read_gguf(&s, &b, UNS, "tokenizer.ggml.pre: is missing");
    put_bpe(&b, "tekken", 0);
    read_gguf(&s, &b, UNS, "tekken: is a pre-tokenizer that is not known");
    put_bpe(&b, "gpt-2", NO_MERGES);
    read_gguf(&s, &b, FMT, "merges: is missing");
    put_bpe(&b, "gpt-2", NO_MERGES);
    put_texts(&b, KEY("merges"), apart, 1);
    read_gguf(&s, &b, FMT, "without a space");
    put_bpe(&b, "gpt-2", 0);
    gg_number(&b, KEY("add_bos_token"), GG_BOOL, 1, 1);
    read_gguf(&s, &b, FMT, "bos: it goes with each text, but");
    memset(&b, 0, sizeof b);
    put_text(&b, KEY("model"), "gpt2");
    put_text(&b, KEY("pre"), "gpt-2");
    put_texts(&b, KEY("tokens"), twice, 4);
    read_gguf(&s, &b, FMT, "a: the token is there twice");
    scratch_remove(&s);
}

int main(void)
{
    test_gguf();
    test_gguf_refusals();
    return check_result();
}
