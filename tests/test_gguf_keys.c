/* tests/test_gguf_keys.c - the metadata that a model and its vocabulary make, read again by our own
 * reader: keys, exact types, values.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "model/gguf_keys.h"

#include <inttypes.h>

#include "check.h"
#include "configs.h"
#include "gguf_build.h"
#include "model/vocab.h"

/* What was put together as a file with one tensor, opened. */
static whit_file *as_file(const scratch *s, const wh_gguf_kvs *k)
{
    static const float zeros[4];
    static const uint64_t ne[2] = { 2, 2 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *file = NULL;
    gg_build b = { 0 };
    st_put(&b.keys, k->bytes.data, k->bytes.len);
    b.key_count = k->count;
    gg_tensor(&b, "output.weight", 0, 2, ne, zeros, sizeof zeros);
    gg_write(&b, s, "k.gguf");
    CHECK(whit_file_open(&file, scratch_path(s, "k.gguf", path), &err) == WHIT_OK, "%s", err.msg);
    return file;
}

static void say_one(wh_buf *b, const whit_kv *kv, uint64_t i)
{
    const whit_kv_string *text = kv->data;
    switch (kv->type) {
    case WHIT_KV_U32:
        wh_buf_putf(b, "%" PRIu32, ((const uint32_t *)kv->data)[i]);
        break;
    case WHIT_KV_I32:
        wh_buf_putf(b, "%" PRId32, ((const int32_t *)kv->data)[i]);
        break;
    case WHIT_KV_F32:
        wh_buf_putf(b, "%.7g", (double)((const float *)kv->data)[i]);
        break;
    case WHIT_KV_BOOL:
        wh_buf_putf(b, "%d", ((const uint8_t *)kv->data)[i]);
        break;
    case WHIT_KV_STRING:
        wh_buf_put(b, text[i].text, text[i].len);
        break;
    default:
        wh_buf_puts(b, "?");
    }
}

/* Lines "KEY TYPE VALUE", of arrays "KEY TYPE[N] VALUE|VALUE". */
static void say(wh_buf *b, const whit_file *file)
{
    for (size_t i = 0; i < whit_file_kv_count(file, 0); i++) {
        const whit_kv *kv = whit_file_kv(file, 0, i);
        wh_buf_putf(b, "%s %s", kv->key, whit_kv_type_name(kv->type));
        if (kv->is_array) wh_buf_putf(b, "[%" PRIu64 "]", kv->count);
        for (uint64_t e = 0; e < kv->count; e++) {
            wh_buf_puts(b, e ? "|" : " ");
            say_one(b, kv, e);
        }
        wh_buf_puts(b, "\n");
    }
}

static void check_said(const scratch *s, const char *what, const wh_gguf_kvs *k, const char *want)
{
    wh_buf b = { 0 };
    whit_file *file = as_file(s, k);
    if (file) say(&b, file);
    CHECK(b.data && strcmp(b.data, want) == 0, "%s:\n%s-- is not\n%s", what,
          b.data ? b.data : "nothing", want);
    wh_buf_free(&b);
    whit_file_close(file);
}

static void parse(wh_model_config *c, const char *changes)
{
    char text[CONFIGS_TEXT];
    whit_error err = { WHIT_OK, "" };
    configs_text(text, changes);
    CHECK(wh_config_parse(c, "c", text, strlen(text), &err) == WHIT_OK, "%s", err.msg);
}

/* ---- architectures ---- */

#define SIZES(a)                                                                                   \
    a ".context_length u32 512\n" a ".embedding_length u32 64\n" a ".block_count u32 5\n" a        \
      ".feed_forward_length u32 172\n" a ".attention.head_count u32 8\n" a                         \
      ".attention.head_count_kv u32 4\n" a ".attention.layer_norm_rms_epsilon f32 1e-05\n"
#define LLAMA_END "llama.rope.dimension_count u32 8\nllama.vocab_size u32 512\n"
#define START(a) "general.architecture string " a "\ngeneral.type string model\n"

static const struct {
    const char *changes, *want;
} models[] = {
    /* clang-format off */
    { "", START("llama") SIZES("llama") "llama.rope.freq_base f32 10000\n" LLAMA_END },
    { "_name_or_path \"/x/y z\"", START("llama") "general.name string y z\n" SIZES("llama")
      "llama.rope.freq_base f32 10000\n" LLAMA_END },
    { "architectures [\"MistralForCausalLM\"]\nsliding_window 128", START("llama") SIZES("llama")
      "llama.attention.sliding_window u32 128\nllama.rope.freq_base f32 10000\n" LLAMA_END },
    { "head_dim 16", START("llama") SIZES("llama")
      "llama.attention.key_length u32 16\nllama.attention.value_length u32 16\nllama.rope.freq_base f32 10000\n"
      "llama.rope.dimension_count u32 16\nllama.vocab_size u32 512\n" },
    { "architectures [\"Qwen2ForCausalLM\"]\nrope_theta 1e6", START("qwen2") SIZES("qwen2")
      "qwen2.rope.freq_base f32 1000000\n" },
    { "architectures [\"Qwen3ForCausalLM\"]\nhead_dim 8", START("qwen3") SIZES("qwen3")
      "qwen3.attention.key_length u32 8\nqwen3.attention.value_length u32 8\nqwen3.rope.freq_base f32 10000\n" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": 4}", START("llama") SIZES("llama")
      "llama.rope.freq_base f32 10000\n" LLAMA_END
      "llama.rope.scaling.type string linear\nllama.rope.scaling.factor f32 4\n" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 128}",
      START("llama") SIZES("llama") "llama.rope.freq_base f32 10000\n" LLAMA_END
      "llama.rope.scaling.type string yarn\nllama.rope.scaling.factor f32 4\n"
      "llama.rope.scaling.original_context_length u32 128\n" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4, \"attention_factor\": 2.2772588722, \"beta_fast\": 16, \"beta_slow\": 2}",
      START("llama") SIZES("llama") "llama.rope.freq_base f32 10000\n" LLAMA_END
      "llama.rope.scaling.type string yarn\nllama.rope.scaling.factor f32 4\n"
      "llama.rope.scaling.original_context_length u32 512\nllama.rope.scaling.attn_factor f32 2\n"
      "llama.rope.scaling.yarn_beta_fast f32 16\nllama.rope.scaling.yarn_beta_slow f32 2\n" },
    { "rope_scaling {\"rope_type\": \"llama3\", \"factor\": 8}", START("llama") SIZES("llama")
      "llama.rope.freq_base f32 10000\n" LLAMA_END },
    { "rope_scaling {\"type\": \"dynamic\", \"factor\": 8}", START("llama") SIZES("llama")
      "llama.rope.freq_base f32 10000\n" LLAMA_END },
    /* clang-format on */
};

/* What GGUF says of a configuration, read again, is the configuration: except what only tensors
 * tell, and the order of q and k. */
static void check_again(const scratch *s, const wh_gguf_kvs *k, const wh_model_config *c)
{
    char a[1024], b[1024];
    wh_model_config again, want = *c;
    whit_error err = { WHIT_OK, "" };
    wh_gguf_kvs more = { { 0 }, k->count };
    char key[64];
    wh_buf_put(&more.bytes, k->bytes.data, k->bytes.len);
    snprintf(key, sizeof key, "%s.vocab_size", wh_arch_name(c->arch));
    if (c->arch != WH_ARCH_LLAMA) wh_gguf_put_u32(&more, key, c->vocab);
    whit_file *file = as_file(s, &more);
    CHECK(file && wh_config_of_file(&again, file, &err) == WHIT_OK, "%s", err.msg);
    whit_file_close(file);
    wh_buf_free(&more.bytes);
    want.qkv_bias = 0;
    want.pairs = c->arch == WH_ARCH_LLAMA;
    want.rope.magnitude = again.rope.magnitude; /* float32 of a quotient */
    if (want.rope.kind == WH_ROPE_LLAMA3 || want.rope.kind == WH_ROPE_DYNAMIC)
        want.rope = again.rope;
    CHECK(again.rope.magnitude > c->rope.magnitude - 1e-6 &&
              again.rope.magnitude < c->rope.magnitude + 1e-6,
          "%.9g, not %.9g", again.rope.magnitude, c->rope.magnitude);
    CHECK(strcmp(configs_say(&again, a), configs_say(&want, b)) == 0, "%s\n%s", a, b);
}

static void test_models(const scratch *s)
{
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        wh_gguf_kvs k = { { 0 }, 0 };
        parse(&c, models[i].changes);
        CHECK(wh_gguf_put_model(&k, &c, &err) == WHIT_OK, "%s", err.msg);
        check_said(s, models[i].changes, &k, models[i].want);
        check_again(s, &k, &c);
        wh_buf_free(&k.bytes);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *changes, *words;
    } cases[] = {
        { "architectures [\"Qwen3ForCausalLM\"]\nattention_bias true",
          "attention_bias: GGUF has no" },
        { "rope_scaling {\"type\": \"yarn\", \"factor\": 4, \"truncate\": false}", "truncate: " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        wh_gguf_kvs k = { { 0 }, 0 };
        parse(&c, cases[i].changes);
        CHECK(wh_gguf_put_model(&k, &c, &err) == WHIT_ERR_UNSUPPORTED &&
                  strstr(err.msg, cases[i].words),
              "%s", err.msg);
        wh_buf_free(&k.bytes);
    }
}

/* Scores of tokenizer.json come from its list of merges, those of the file from SentencePiece: of
 * what merges make (the others are 0 there) they put the same first. */
static void check_order(const whit_kv *a, const whit_kv *b)
{
    const float *x = a->data, *y = b->data;
    for (uint64_t i = 0; i < a->count; i++)
        for (uint64_t j = 0; j < i; j++)
            CHECK(x[i] == 0 || x[j] == 0 || (x[i] < x[j]) == (y[i] < y[j]),
                  "scores of %" PRIu64 " and %" PRIu64, i, j);
}

/* Each key that a folder gives, its vocabulary's too, stands in a GGUF file of the same model with
 * that type and value. */
static void test_real(const scratch *s, const char *data)
{
    char path[SCRATCH_PATH];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    wh_gguf_kvs k = { { 0 }, 0 };
    wh_vocab *v = NULL;
    whit_file *real = NULL;
    snprintf(path, sizeof path, "%s/stories260K", data);
    CHECK(wh_config_read_folder(&c, path, &err) == WHIT_OK &&
              wh_vocab_read_folder(&v, path, &err) == WHIT_OK,
          "%s", err.msg);
    CHECK(wh_gguf_put_model(&k, &c, &err) == WHIT_OK, "%s", err.msg);
    CHECK(v && wh_gguf_put_vocab(&k, &c, v, c.vocab, &err) == WHIT_OK, "%s", err.msg);
    wh_vocab_free(v);
    snprintf(path, sizeof path, "%s/gguf/stories260K-q4_0.gguf", data);
    CHECK(whit_file_open(&real, path, &err) == WHIT_OK, "%s", err.msg);
    whit_file *ours = as_file(s, &k);
    for (size_t i = 0; ours && i < whit_file_kv_count(ours, 0); i++) {
        const whit_kv *kv = whit_file_kv(ours, 0, i), *other;
        if (strcmp(kv->key, "general.type") == 0) continue; /* that file has none */
        wh_buf a = { 0 }, b = { 0 };
        other = whit_file_kv_find(real, 0, kv->key);
        CHECK(other && other->type == kv->type && other->is_array == kv->is_array &&
                  other->count == kv->count,
              "%s", kv->key);
        if (other && strcmp(kv->key, "tokenizer.ggml.scores") == 0) {
            check_order(kv, other);
            continue;
        }
        for (uint64_t e = 0; other && e < kv->count && e < other->count; e++) {
            say_one(&a, kv, e);
            say_one(&b, other, e);
            wh_buf_puts(&a, "|");
            wh_buf_puts(&b, "|");
        }
        CHECK(a.data && b.data && strcmp(a.data, b.data) == 0, "%s: %s, %s", kv->key, a.data,
              b.data);
        wh_buf_free(&a);
        wh_buf_free(&b);
    }
    whit_file_close(ours);
    whit_file_close(real);
    wh_buf_free(&k.bytes);
}

/* ---- vocabularies ---- */

static wh_token spm[] = {
    { "<unk>", 5, 0, WH_TOKEN_UNKNOWN },
    { "<s>", 3, 0, WH_TOKEN_CONTROL },
    { "<0x0A>", 6, 0, WH_TOKEN_BYTE },
    { NULL, 0, -10000, WH_TOKEN_UNUSED },
    { "\xe2\x96\x81"
      "a",
      4, -1.5f, WH_TOKEN_NORMAL },
    { "[PAD3]", 6, -2, WH_TOKEN_USER },
};
static wh_token bpe[] = {
    { "a", 1, 0, WH_TOKEN_NORMAL },
    { "b c", 3, 0, WH_TOKEN_NORMAL },
    { "ab c", 4, 0, WH_TOKEN_NORMAL },
    { "<|end|>", 7, 0, WH_TOKEN_CONTROL },
};
static wh_merge merges[] = { { 0, 1, 2 } };

static void begin_spm(wh_vocab *v)
{
    memset(v, 0, sizeof *v);
    v->kind = WH_VOCAB_SPM;
    v->token = spm;
    v->count = 6;
    v->pre = "default";
    for (int i = 0; i < WH_SPECIAL_COUNT; i++) v->special[i] = -1;
    v->special[WH_SPECIAL_BOS] = 1;
    v->special[WH_SPECIAL_UNK] = 0;
    v->add_bos = 1;
    v->add_eos = 0;
    v->add_space_prefix = 1;
    v->remove_extra_whitespaces = -1;
}

static void begin_bpe(wh_vocab *v)
{
    begin_spm(v);
    v->kind = WH_VOCAB_BPE;
    v->token = bpe;
    v->count = 4;
    v->merge = merges;
    v->merges = 1;
    v->pre = "llama-bpe";
    v->special[WH_SPECIAL_BOS] = -1;
    v->special[WH_SPECIAL_UNK] = -1;
    v->special[WH_SPECIAL_EOT] = 3;
    v->add_bos = v->add_eos = v->add_space_prefix = -1;
    v->chat_template = "{{ x }}";
}

static void test_vocabs(const scratch *s)
{
    wh_vocab v;
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    wh_gguf_kvs k = { { 0 }, 0 };
    parse(&c, "eos_token_id [4, 5]");
    begin_spm(&v);
    CHECK(wh_gguf_put_vocab(&k, &c, &v, 8, &err) == WHIT_OK, "%s", err.msg);
    check_said(s, "SPM", &k,
               "tokenizer.ggml.model string llama\n"
               "tokenizer.ggml.pre string default\n"
               "tokenizer.ggml.tokens string[8] <unk>|<s>|<0x0A>|[PAD3_]|\xe2\x96\x81"
               "a|[PAD3]|"
               "[PAD6_]|[PAD7_]\n"
               "tokenizer.ggml.scores f32[8] 0|0|0|-10000|-1.5|-2|-10000|-10000\n"
               "tokenizer.ggml.token_type i32[8] 2|3|6|5|1|4|5|5\n"
               "tokenizer.ggml.bos_token_id u32 1\n"
               "tokenizer.ggml.eos_token_id u32 4\n"
               "tokenizer.ggml.unknown_token_id u32 0\n"
               "tokenizer.ggml.add_bos_token bool 1\n"
               "tokenizer.ggml.add_eos_token bool 0\n"
               "tokenizer.ggml.add_space_prefix bool 1\n");
    wh_buf_free(&k.bytes);
    k.count = 0;
    begin_bpe(&v);
    c.eos_count = 0;
    CHECK(wh_gguf_put_vocab(&k, &c, &v, 5, &err) == WHIT_OK, "%s", err.msg);
    check_said(s, "BPE", &k,
               "tokenizer.ggml.model string gpt2\n"
               "tokenizer.ggml.pre string llama-bpe\n"
               "tokenizer.ggml.tokens string[5] a|b c|ab c|<|end|>|[PAD4]\n"
               "tokenizer.ggml.token_type i32[5] 1|1|1|3|5\n"
               "tokenizer.ggml.merges string[1] a b\xc4\xa0"
               "c\n"
               "tokenizer.ggml.eot_token_id u32 3\n"
               "tokenizer.chat_template string {{ x }}\n");
    wh_buf_free(&k.bytes);
}

/* The names of rows without a token differ from all others, whatever those are. */
static void test_unique_names(const scratch *s)
{
    static const char *const texts[] = { "[PAD5]", "[PAD6_]", "[PAD7__]x", "[PAD9___]", "[PAD]",
                                         NULL,     NULL,      NULL,        NULL };
    wh_token token[9];
    wh_vocab v;
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    wh_gguf_kvs k = { { 0 }, 0 };
    parse(&c, "");
    begin_spm(&v);
    for (int i = 0; i < 9; i++) {
        uint32_t len = texts[i] ? (uint32_t)strlen(texts[i]) : 0;
        token[i] = (wh_token){ texts[i], len, 0, WH_TOKEN_NORMAL };
    }
    v.token = token;
    v.count = 9;
    CHECK(wh_gguf_put_vocab(&k, &c, &v, 9, &err) == WHIT_OK, "%s", err.msg);
    whit_file *file = as_file(s, &k);
    const whit_kv *kv = file ? whit_file_kv_find(file, 0, "tokenizer.ggml.tokens") : NULL;
    const whit_kv_string *name = kv ? kv->data : NULL;
    CHECK(kv && kv->count == 9, "tokens");
    for (int i = 0; name && i < 9; i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(name[i].text, name[j].text) != 0, "%s twice", name[i].text);
    if (name) CHECK(strcmp(name[8].text, "[PAD8__]") == 0, "%s", name[8].text);
    whit_file_close(file);
    wh_buf_free(&k.bytes);
}

static void test_vocab_errors(void)
{
    wh_vocab v;
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    wh_gguf_kvs k = { { 0 }, 0 };
    parse(&c, "");
    begin_spm(&v);
    CHECK(wh_gguf_put_vocab(&k, &c, &v, 5, &err) == WHIT_ERR_FORMAT &&
              strstr(err.msg, "tokenizer: 6 tokens, for 5 rows of the embeddings"),
          "%s", err.msg);
    v.special[WH_SPECIAL_PAD] = 8;
    CHECK(wh_gguf_put_vocab(&k, &c, &v, 8, &err) == WHIT_ERR_FORMAT &&
              strstr(err.msg, "tokenizer: id 8 of the pad"),
          "%s", err.msg);
    wh_buf_free(&k.bytes);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 1;
    scratch_make(&s);
    test_models(&s);
    test_refused();
    test_real(&s, argv[1]);
    test_vocabs(&s);
    test_unique_names(&s);
    test_vocab_errors();
    scratch_remove(&s);
    return check_result();
}
