/* tests/test_config.c - configurations of models: from config.json, from GGUF, hostile ones.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "model/config.h"

#include <math.h>
#include <whit/side.h>

#include "check.h"
#include "configs.h"
#include "gguf_build.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED
#define MISTRAL "architectures [\"MistralForCausalLM\"]\n"
#define QWEN2 "architectures [\"Qwen2ForCausalLM\"]\n"
#define QWEN3 "architectures [\"Qwen3ForCausalLM\"]\n"
#define SWA "\"sliding_attention\""
#define FULL "\"full_attention\""

/* Changes to the base, and what becomes of it: words of the message, or of what it says. */
static const struct {
    const char *changes;
    whit_status want;
    const char *words;
} cases[] = {
    /* clang-format off */
    { "", WHIT_OK, "llama d64 l5 h8/4x8 f172 v512 c512 eps 1e-05 theta 10000; rope 0 x1 o0" },
    { "", WHIT_OK, "win 0@5; bias 000; norm 0; tied 0; pairs 0; bos -1; eos; name ''" },
    /* what is missing, of the wrong kind, out of range */
    { "hidden_size", FMT, "c.json: hidden_size: is missing" },
    { "num_hidden_layers", FMT, "num_hidden_layers: is missing" },
    { "num_attention_heads", FMT, "num_attention_heads: is missing" },
    { "intermediate_size", FMT, "intermediate_size: is missing" },
    { "vocab_size", FMT, "vocab_size: is missing" },
    { "rms_norm_eps", FMT, "rms_norm_eps: is missing" },
    { "max_position_embeddings", FMT, "max_position_embeddings: is missing" },
    { "hidden_size null", FMT, "hidden_size: is missing" },
    { "num_hidden_layers \"5\"", FMT, "num_hidden_layers: is no whole number from 1 to 4096" },
    { "num_hidden_layers [5]", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers 5.0", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers true", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers 0", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers -1", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers 4097", FMT, "num_hidden_layers: is no whole number" },
    { "num_hidden_layers 4294967297", FMT, "num_hidden_layers: is no whole number" },
    { "hidden_size 18446744073709551617", FMT, "hidden_size: is no whole number" },
    { "hidden_size 1048577", FMT, "hidden_size: is no whole number" },
    { "vocab_size 67108865", FMT, "vocab_size: is no whole number" },
    { "intermediate_size 99999999", FMT, "intermediate_size: is no whole number" },
    { "max_position_embeddings 1e9", FMT, "max_position_embeddings: is no whole number" },
    { "max_position_embeddings 2000000000", FMT, "max_position_embeddings: is no whole number" },
    { "num_attention_heads 0", FMT, "num_attention_heads: is no whole number" },
    { "num_attention_heads 7\nnum_key_value_heads 7", FMT, "num_attention_heads: does not divide the width" },
    { "num_attention_heads 7\nnum_key_value_heads 7\nhead_dim 8", WHIT_OK, "h7/7x8" },
    { "num_key_value_heads 3", FMT, "num_key_value_heads: does not divide the number of heads" },
    { "num_key_value_heads 16", FMT, "num_key_value_heads: does not divide" },
    { "num_key_value_heads 0", FMT, "num_key_value_heads: is no whole number" },
    { "num_key_value_heads", WHIT_OK, "h8/8x8" },
    { "num_key_value_heads null", WHIT_OK, "h8/8x8" },
    { "head_dim 7", FMT, "head_dim: the size of a head is odd" },
    { "head_dim 0", FMT, "head_dim: is no whole number" },
    { "hidden_size 56\nnum_attention_heads 8", FMT, "head_dim: the size of a head is odd" },
    { "hidden_size 4\nnum_attention_heads 8", FMT, "does not divide the width" },
    { "head_dim 16", WHIT_OK, "h8/4x16" },
    { "rms_norm_eps 0", FMT, "rms_norm_eps: is no number from 1e-12 to 0.1" },
    { "rms_norm_eps -1e-5", FMT, "rms_norm_eps: is no number" },
    { "rms_norm_eps 1e999", FMT, "rms_norm_eps: is no number" },
    { "rms_norm_eps Infinity", FMT, "rms_norm_eps: is no number" },
    { "rms_norm_eps NaN", FMT, "rms_norm_eps: is no number" },
    { "hidden_size Infinity", FMT, "hidden_size: is no whole number" },
    { "eos_token_id -Infinity", FMT, "eos_token_id: is no id of a token" },
    { "time_step_limit [0.0, Infinity]\nx NaN", WHIT_OK, "d64" },
    { "rms_norm_eps \"1e-5\"", FMT, "rms_norm_eps: is no number" },
    { "rms_norm_eps 1E-6", WHIT_OK, "eps 1e-06" },
    { "rms_norm_eps 0.000001", WHIT_OK, "eps 1e-06" },
    { "hidden_size 64\nhidden_size 64", FMT, "hidden_size: is there twice" },
    { "eos_token_id 1\neos_token_id 1", FMT, "eos_token_id: is there twice" },
    { "tie_word_embeddings 1", FMT, "tie_word_embeddings: is neither true nor false" },
    { "tie_word_embeddings true", WHIT_OK, "tied 1" },
    { "unknown {\"a\": [1, {\"hidden_size\": 3}]}", WHIT_OK, "d64" },
    /* architectures */
    { "architectures [\"FooForCausalLM\"]", UNS, "architecture FooForCausalLM is not known; known are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM" },
    { "architectures [\"LlamaForSequenceClassification\"]", UNS, "LlamaForSequenceClassification is not known" },
    { "architectures [\"MixtralForCausalLM\"]", UNS, "MixtralForCausalLM: a mixture of experts" },
    { "architectures [\"Qwen2MoeForCausalLM\"]", UNS, "Qwen2MoeForCausalLM: a mixture" },
    { "architectures [\"Qwen3MoeForCausalLM\"]", UNS, "Qwen3MoeForCausalLM: a mixture" },
    { "num_local_experts 8", UNS, "num_local_experts: a mixture" },
    { "num_experts 8", UNS, "num_experts: a mixture" },
    { "num_experts 0", WHIT_OK, "llama" },
    { "architectures\nmodel_type", FMT, "names no architecture" },
    { "architectures []\nmodel_type null", FMT, "names no architecture" },
    { "architectures \"LlamaForCausalLM\"", FMT, "architectures: is no list" },
    { "architectures [1]", FMT, "architectures: is no list" },
    { "architectures null\nmodel_type \"qwen2\"", WHIT_OK, "qwen2" },
    { "architectures\nmodel_type \"foo\"", UNS, "architecture foo is not known" },
    { MISTRAL, WHIT_OK, "llama" },
    { QWEN2, WHIT_OK, "qwen2 d64 l5 h8/4x8" },
    { QWEN3, WHIT_OK, "qwen3 d64 l5 h8/4x128" },
    { QWEN3 "num_attention_heads 6\nnum_key_value_heads 2", WHIT_OK, "h6/2x128" },
    { QWEN3 "head_dim 32", WHIT_OK, "h8/4x32" },
    /* flags */
    { "attention_bias true", WHIT_OK, "bias 110" },
    { "mlp_bias true", WHIT_OK, "bias 001" },
    { MISTRAL "attention_bias true\nmlp_bias true", WHIT_OK, "bias 000" },
    { QWEN2, WHIT_OK, "bias 100; norm 0" },
    { QWEN3, WHIT_OK, "bias 000; norm 1" },
    { QWEN3 "attention_bias true", WHIT_OK, "bias 110; norm 1" },
    { "hidden_act \"silu\"", WHIT_OK, "" },
    { "hidden_act \"swish\"", WHIT_OK, "" },
    { "hidden_act \"gelu\"", UNS, "hidden_act: gelu is not supported; supported is silu" },
    { "hidden_act 1", FMT, "hidden_act: is no text" },
    /* ids and names */
    { "bos_token_id 1\neos_token_id 2", WHIT_OK, "bos 1; eos 2;" },
    { "bos_token_id null\neos_token_id [2, 7, 2]", WHIT_OK, "bos -1; eos 2 7;" },
    { "bos_token_id 512", FMT, "bos_token_id: is no whole number from 0 to 511" },
    { "eos_token_id 512", FMT, "eos_token_id: 512 is beyond the vocabulary of 512" },
    { "eos_token_id -1", FMT, "eos_token_id: is no id" },
    { "eos_token_id [1, \"2\"]", FMT, "eos_token_id: is no id" },
    { "eos_token_id {}", FMT, "eos_token_id: is no id" },
    { "eos_token_id [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", FMT, "eos_token_id: more than 16" },
    { "_name_or_path \"/home/somebody/models/Tiny Llama/\"", WHIT_OK, "name 'Tiny Llama'" },
    { "_name_or_path \"C:\\\\models\\\\tiny\"", WHIT_OK, "name 'tiny'" },
    { "_name_or_path \"meta/tiny-7B\"", WHIT_OK, "name 'tiny-7B'" },
    { "_name_or_path \"/home/somebody/..\"", WHIT_OK, "name ''" },
    { "_name_or_path \"./\"", WHIT_OK, "name ''" },
    { "_name_or_path \"\"", WHIT_OK, "name ''" },
    { "_name_or_path \"/a/0123456789012345678901234567890123456789012345678901234567890123\"", WHIT_OK, "name ''" },
    /* rope */
    { "rope_theta 500000.0", WHIT_OK, "theta 500000;" },
    { "rope_theta 1000000", WHIT_OK, "theta 1000000;" },
    { "rope_theta 0", FMT, "rope_theta: is no number" },
    { "rope_theta 1", FMT, "rope_theta: is no number" },
    { "rope_theta -10000", FMT, "rope_theta: is no number" },
    { "rope_parameters {\"rope_theta\": 1000000.0, \"rope_type\": \"default\"}", WHIT_OK, "theta 1000000; rope 0" },
    { "rope_parameters {\"rope_theta\": 1e6}\nrope_theta 1e6", WHIT_OK, "theta 1000000; rope 0" },
    { "rope_parameters {\"rope_theta\": 1e6}\nrope_theta 1e5", FMT, "rope_theta: differs" },
    { "rope_parameters {\"full_attention\": {\"rope_theta\": 1e6}}", UNS, "one rope for each type of layer" },
    { "rope_parameters {}\nrope_scaling {}", FMT, "rope_scaling is there twice, or rope_parameters" },
    { "rope_parameters {}\nrope_scaling null", WHIT_OK, "rope 0" },
    { "rope_scaling [1]", FMT, "rope scaling: is no object" },
    { "rope_scaling {\"type\": \"linear\"}", FMT, "rope scaling: factor: is missing" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": 2.5}", WHIT_OK, "rope 1 x2.5" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": 1}", WHIT_OK, "rope 0 x1" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": 0.5}", FMT, "factor: is no number from 1" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": \"2\"}", FMT, "factor: is no number" },
    { "rope_scaling {\"type\": \"linear\", \"factor\": 2, \"factor\": 2}", FMT, "factor: is there twice" },
    { "rope_scaling {\"factor\": 2}", FMT, "rope_type: is missing" },
    { "rope_scaling {\"type\": 7, \"factor\": 2}", FMT, "type: is no text" },
    { "rope_scaling {\"type\": \"su\", \"factor\": 2}", UNS, "rope scaling su is not known; known are default, linear, llama3, yarn, dynamic" },
    { "rope_scaling {\"rope_type\": \"longrope\"}", UNS, "rope scaling longrope is not known" },
    { "rope_scaling {\"type\": \"dynamic\", \"factor\": 2}", WHIT_OK, "rope 4 x2 o512" },
    { "rope_scaling {\"rope_type\": \"llama3\"}", WHIT_OK, "rope 2 x8 o8192 lo1 hi4" },
    { "rope_scaling {\"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 2, \"high_freq_factor\": 3.5, \"original_max_position_embeddings\": 4096}", WHIT_OK, "rope 2 x32 o4096 lo2 hi3.5" },
    { "rope_scaling {\"rope_type\": \"llama3\", \"low_freq_factor\": 4}", FMT, "low_freq_factor: is not below" },
    { "rope_scaling {\"rope_type\": \"llama3\", \"original_max_position_embeddings\": 0}", FMT, "original_max_position_embeddings: is no whole number" },
    { "rope_scaling {\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 128}", WHIT_OK, "rope 3 x4 o128 lo0 hi0 fast32 slow1 m1.1386294 a0 u0" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4.0}", WHIT_OK, "rope 3 x4 o512" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4.0, \"attention_factor\": 1.5}", WHIT_OK, "m1.5 a1" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4.0, \"mscale\": 0.5, \"mscale_all_dim\": 1}", WHIT_OK, "m0.93912443 a1" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4.0, \"beta_fast\": 16, \"beta_slow\": 2, \"truncate\": false}", WHIT_OK, "fast16 slow2 m1.1386294 a0 u1" },
    { "rope_scaling {\"type\": \"yarn\", \"factor\": 4.0, \"beta_fast\": 1}", FMT, "beta_slow: is not below" },
    { "partial_rotary_factor 1.0", WHIT_OK, "" },
    { "partial_rotary_factor 0.5", UNS, "partial_rotary_factor: rope of a part" },
    { "rope_parameters {\"partial_rotary_factor\": 0.5}", UNS, "partial_rotary_factor: rope of a part" },
    /* windows */
    { "sliding_window 128", WHIT_OK, "win 0@5" },
    { MISTRAL "sliding_window 128", WHIT_OK, "win 128@0" },
    { MISTRAL "sliding_window null", WHIT_OK, "win 0@5" },
    { MISTRAL "sliding_window -1", FMT, "sliding_window: is no whole number" },
    { QWEN2 "sliding_window 128\nuse_sliding_window false", WHIT_OK, "win 0@5" },
    { QWEN2 "sliding_window 128", WHIT_OK, "win 0@5" },
    { QWEN2 "sliding_window 128\nuse_sliding_window true\nmax_window_layers 5", WHIT_OK, "win 0@5" },
    { QWEN2 "sliding_window 128\nuse_sliding_window true\nmax_window_layers 2", WHIT_OK, "win 128@2" },
    { QWEN2 "sliding_window 128\nuse_sliding_window true\nmax_window_layers 0", WHIT_OK, "win 128@0" },
    { QWEN3 "sliding_window 128\nuse_sliding_window true\nlayer_types [" FULL "," FULL "," FULL "," SWA "," SWA "]", WHIT_OK, "win 128@3" },
    { QWEN3 "sliding_window 128\nuse_sliding_window true\nlayer_types [" SWA "," FULL "," SWA "," FULL "," SWA "]", UNS, "layer_types: a window on some layers before" },
    { QWEN3 "sliding_window 128\nuse_sliding_window true\nlayer_types [" SWA ",\"x\"," SWA "," SWA "," SWA "]", UNS, "layer_types: a layer is of a type" },
    { QWEN3 "sliding_window 128\nuse_sliding_window true\nlayer_types [" SWA "]", FMT, "layer_types: 1 of them, for 5 layers" },
    { QWEN3 "layer_types [" FULL "," FULL "," FULL "," FULL "," FULL "]", WHIT_OK, "win 0@5" },
    { QWEN3 "layer_types 7", FMT, "layer_types: is no list" },
    /* clang-format on */
};

static void test_cases(void)
{
    char text[CONFIGS_TEXT], said[1024];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        configs_text(text, cases[i].changes);
        whit_status st = wh_config_parse(&c, "c.json", text, strlen(text), &err);
        CHECK(st == cases[i].want, "%s: status %d, not %d: %s", cases[i].changes, (int)st,
              (int)cases[i].want, err.msg);
        const char *got = st == WHIT_OK ? configs_say(&c, said) : err.msg;
        CHECK(strstr(got, cases[i].words), "%s: '%s' lacks '%s'", cases[i].changes, got,
              cases[i].words);
        if (st != WHIT_OK) CHECK(strncmp(err.msg, "c.json: ", 8) == 0, "%s", err.msg);
    }
}

/* Texts that are no object, or end early: every prefix of a good one. */
static void test_texts(void)
{
    char text[CONFIGS_TEXT];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    configs_text(text, "rope_scaling {\"type\": \"linear\", \"factor\": 2}\neos_token_id [1, 2]\n"
                       "layer_types [\"full_attention\"]");
    size_t len = strlen(text);
    CHECK(wh_config_parse(&c, "c", text, len, &err) == WHIT_OK, "%s", err.msg);
    for (size_t n = 0; n < len; n++)
        CHECK(wh_config_parse(&c, "c", text, n, &err) == FMT, "%zu octets of %zu", n, len);
    strcat(text, "7");
    CHECK(wh_config_parse(&c, "c", text, len + 1, &err) == FMT, "something behind it");
    CHECK(wh_config_parse(&c, "c", "[]", 2, NULL) == FMT, "a list");
}

/* ---- GGUF ---- */

typedef enum part { P_NONE, P_BIAS = 1, P_OUT = 2, P_MLP = 4, P_HEAD = 8, P_FREQS = 16 } part;

/* Changes are lines "KEY TYPE NUMBER"; keys without the architecture. */
static const struct {
    const char *arch, *changes;
    int parts;
    whit_status want;
    const char *words;
} gguf_cases[] = {
    /* clang-format off */
    { "llama", "", P_HEAD, WHIT_OK, "llama d64 l5 h8/4x8 f172 v512 c512 eps 1e-05 theta 10000; rope 0" },
    { "llama", "", 0, WHIT_OK, "win 0@5; bias 000; norm 0; tied 1; pairs 1; bos -1; eos; name 'x y'" },
    { "qwen2", "", P_BIAS | P_HEAD, WHIT_OK, "bias 100; norm 0; tied 0; pairs 0" },
    { "llama", "", P_BIAS | P_OUT | P_MLP, WHIT_OK, "bias 111" },
    { "qwen3", "attention.key_length 4 32\nattention.value_length 4 32", 0, WHIT_OK, "h8/4x32" },
    { "gemma", "", 0, UNS, "architecture gemma is not known; known are llama, qwen2, qwen3" },
    { "mistral", "", 0, UNS, "architecture mistral is not known" },
    { "qwen3moe", "", 0, UNS, "qwen3moe: a mixture of experts" },
    { "llama", "expert_count 4 8", 0, UNS, "expert_count: a mixture of experts" },
    { "llama", "expert_count 4 0", 0, WHIT_OK, "llama" },
    { "llama", "block_count", 0, FMT, "llama.block_count: is missing" },
    { "llama", "block_count 5 5", 0, WHIT_OK, "l5" },
    { "llama", "block_count 10 5", 0, WHIT_OK, "l5" },
    { "llama", "block_count 11 -5", 0, FMT, "llama.block_count: is no whole number from 1 to 4096" },
    { "llama", "block_count 10 4294967297", 0, FMT, "llama.block_count: is no whole number" },
    { "llama", "block_count 7 1", 0, FMT, "llama.block_count: is no whole number" },
    { "llama", "attention.head_count_kv 4 3", 0, FMT, "llama.attention.head_count_kv: does not divide" },
    { "llama", "attention.value_length 4 16", 0, FMT, "llama.attention.value_length: is not the size of a head" },
    { "llama", "rope.dimension_count 4 4", 0, FMT, "llama.rope.dimension_count: is not the size of a head" },
    { "llama", "rope.dimension_count 4 8", 0, WHIT_OK, "" },
    { "llama", "attention.sliding_window 4 64", 0, WHIT_OK, "win 64@0" },
    { "llama", "rope.freq_base 6 1000000", 0, WHIT_OK, "theta 1000000" },
    { "llama", "rope.freq_base 4 1000000", 0, WHIT_OK, "theta 1000000" },
    { "llama", "rope.scaling.factor 6 4", 0, WHIT_OK, "rope 1 x4" },
    { "llama", "rope.scale_linear 6 4", 0, WHIT_OK, "rope 1 x4" },
    { "llama", "rope.scaling.factor 6 0", 0, WHIT_OK, "rope 0 x1" },
    { "llama", "rope.scaling.type linear\nrope.scaling.factor 6 4", 0, WHIT_OK, "rope 1 x4" },
    { "llama", "rope.scaling.type none\nrope.scaling.factor 6 4", 0, WHIT_OK, "rope 0 x1" },
    { "llama", "rope.scaling.type longrope", 0, UNS, "rope scaling longrope is not known; known are none, linear, yarn" },
    { "llama", "rope.scaling.type llama3", 0, UNS, "rope scaling llama3 is not known" },
    { "llama", "rope.scaling.type yarn\nrope.scaling.factor 6 4\nrope.scaling.original_context_length 4 128", 0, WHIT_OK, "rope 3 x4 o128 lo0 hi0 fast32 slow1 m1.1386294 a0" },
    { "llama", "rope.scaling.type yarn\nrope.scaling.factor 6 4\nrope.scaling.attn_factor 6 2", 0, WHIT_OK, "m2.2772589 a1" },
    { "llama", "", P_FREQS, WHIT_OK, "rope 5 x1" },
    { "llama", "rope.scaling.factor 6 4", P_FREQS, UNS, "rope_freqs.weight: together with rope scaling" },
    { "llama", "vocab_size 4 300", 0, WHIT_OK, "v300" },
    /* clang-format on */
};

static const char *const gguf_base[] = {
    "context_length 4 512",
    "embedding_length 4 64",
    "block_count 4 5",
    "feed_forward_length 4 172",
    "attention.head_count 4 8",
    "attention.head_count_kv 4 4",
    "attention.layer_norm_rms_epsilon 6 1e-5",
};
#define GGUF_BASE (sizeof gguf_base / sizeof gguf_base[0])

static void add_key(gg_build *b, const char *arch, const char *line)
{
    char key[128], type[64] = "", value[64] = "";
    char full[256];
    size_t len = strcspn(line, "\n");
    char one[256];
    snprintf(one, sizeof one, "%.*s", (int)len, line);
    int n = sscanf(one, "%127s %63s %63s", key, type, value);
    snprintf(full, sizeof full, "%s.%s", arch, key);
    if (n == 2) gg_string(b, full, type, strlen(type));
    if (n < 3) return;
    static const size_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    unsigned t = (unsigned)atoi(type);
    float f = (float)atof(value);
    uint32_t bits;
    memcpy(&bits, &f, 4);
    gg_number(b, full, t, t == GG_F32 ? bits : (uint64_t)atoll(value), sizes[t]);
}

static void add_keys(gg_build *b, const char *arch, const char *changes)
{
    for (size_t i = 0; i < GGUF_BASE; i++) {
        size_t key = strcspn(gguf_base[i], " ");
        int replaced = 0;
        for (const char *p = changes; *p; p += strcspn(p, "\n"), p += *p == '\n')
            replaced |= strcspn(p, " \n") == key && memcmp(p, gguf_base[i], key) == 0;
        if (!replaced) add_key(b, arch, gguf_base[i]);
    }
    for (const char *p = changes; *p; p += strcspn(p, "\n"), p += *p == '\n') add_key(b, arch, p);
}

static void add_tensors(gg_build *b, int parts)
{
    static const struct {
        int part;
        const char *name;
    } tensors[] = { { P_BIAS, "blk.0.attn_q.bias" },
                    { P_OUT, "blk.0.attn_output.bias" },
                    { P_MLP, "blk.0.ffn_up.bias" },
                    { P_HEAD, "output.weight" },
                    { P_FREQS, "rope_freqs.weight" } };
    static const float zeros[512];
    const uint64_t ne[2] = { 1, 512 };
    gg_tensor(b, "token_embd.weight", 0, 2, ne, zeros, sizeof zeros);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        if (parts & tensors[i].part) gg_tensor(b, tensors[i].name, 0, 1, ne, zeros, 4);
}

static whit_status read_gguf(const scratch *s, wh_model_config *c, whit_error *err)
{
    char path[SCRATCH_PATH];
    whit_file *file = NULL;
    whit_status st = whit_file_open(&file, scratch_path(s, "m.gguf", path), err);
    CHECK(st == WHIT_OK, "%s", err->msg);
    if (st == WHIT_OK) st = wh_config_of_file(c, file, err);
    whit_file_close(file);
    return st;
}

static void test_gguf(const scratch *s)
{
    char said[1024];
    for (size_t i = 0; i < sizeof gguf_cases / sizeof gguf_cases[0]; i++) {
        gg_build b = { 0 };
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        gg_string(&b, "general.architecture", gguf_cases[i].arch, strlen(gguf_cases[i].arch));
        gg_string(&b, "general.name", "x y", 3);
        add_keys(&b, gguf_cases[i].arch, gguf_cases[i].changes);
        add_tensors(&b, gguf_cases[i].parts);
        gg_write(&b, s, "m.gguf");
        whit_status st = read_gguf(s, &c, &err);
        CHECK(st == gguf_cases[i].want, "%s %s: status %d: %s", gguf_cases[i].arch,
              gguf_cases[i].changes, (int)st, err.msg);
        const char *got = st == WHIT_OK ? configs_say(&c, said) : err.msg;
        CHECK(strstr(got, gguf_cases[i].words), "%s: '%s' lacks '%s'", gguf_cases[i].changes, got,
              gguf_cases[i].words);
    }
}

/* A number for each layer; ids of tokens; no architecture. */
static void test_gguf_odd(const scratch *s)
{
    char said[1024];
    for (int same = 0; same < 2; same++) {
        gg_build b = { 0 };
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        gg_string(&b, "general.architecture", "llama", 5);
        add_keys(&b, "llama", "attention.head_count_kv");
        gg_array(&b, "llama.attention.head_count_kv", GG_U32, 5);
        for (int i = 0; i < 5; i++) gg_int(&b.keys, i == 4 && !same ? 2 : 4, 4);
        gg_number(&b, "tokenizer.ggml.bos_token_id", GG_U32, 1, 4);
        gg_number(&b, "tokenizer.ggml.eos_token_id", GG_U32, 2, 4);
        gg_number(&b, "tokenizer.ggml.eot_token_id", GG_U32, 3, 4);
        add_tensors(&b, 0);
        gg_write(&b, s, "m.gguf");
        whit_status st = read_gguf(s, &c, &err);
        CHECK(st == (same ? WHIT_OK : FMT), "%s", err.msg);
        if (same)
            CHECK(strstr(configs_say(&c, said), "h8/4x8") && strstr(said, "bos 1; eos 2 3;"), "%s",
                  said);
    }
    gg_build b = { 0 };
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    gg_string(&b, "general.type", "model", 5);
    add_tensors(&b, 0);
    gg_write(&b, s, "m.gguf");
    CHECK(read_gguf(s, &c, &err) == FMT && strstr(err.msg, "general.architecture: is missing"),
          "%s", err.msg);
}

/* ---- folders ---- */

static void test_folder(const scratch *s)
{
    char text[CONFIGS_TEXT], path[SCRATCH_PATH], said[1024];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    scratch_folder(s, "f");
    scratch_path(s, "f", path);
    CHECK(wh_config_read_folder(&c, path, &err) == FMT && strstr(err.msg, "config.json"), "%s",
          err.msg);
    scratch_text(s, "f/config.json", configs_text(text, "eos_token_id 2"));
    CHECK(wh_config_read_folder(&c, path, &err) == WHIT_OK, "%s", err.msg);
    CHECK(strstr(configs_say(&c, said), "eos 2;"), "%s", said);
    scratch_text(s, "f/generation_config.json", "{\"eos_token_id\": [7, 2], \"x\": {\"y\": 1}}");
    CHECK(wh_config_read_folder(&c, path, &err) == WHIT_OK, "%s", err.msg);
    CHECK(strstr(configs_say(&c, said), "eos 2 7;"), "%s", said);
    scratch_text(s, "f/generation_config.json", "{\"eos_token_id\": \"x\"}");
    CHECK(wh_config_read_folder(&c, path, &err) == FMT &&
              strstr(err.msg, "generation_config.json: eos_token_id"),
          "%s", err.msg);
    scratch_text(s, "f/generation_config.json", "{");
    CHECK(wh_config_read_folder(&c, path, &err) == FMT, "%s", err.msg);
}

/* The files of tests/data/malformed/json that are configurations. */
static void test_hostile(const char *data)
{
    static const struct {
        const char *name;
        whit_status want;
        const char *words;
    } files[] = {
        { "config-bom.json", FMT, "not valid JSON" },
        { "config-kv-not-dividing.json", FMT, "num_key_value_heads: does not divide" },
        { "config-missing-hidden-size.json", FMT, "hidden_size: is missing" },
        { "config-not-json.json", FMT, "not valid JSON" },
        { "config-string-number.json", FMT, "num_hidden_layers: is no whole number" },
        { "config-truncated.json", FMT, "not valid JSON" },
        { "config-unknown-arch.json", UNS, "architecture FooForCausalLM is not known" },
        { "config-zero-heads.json", FMT, "num_attention_heads: is no whole number" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[SCRATCH_PATH];
        wh_model_config c;
        whit_error err = { WHIT_OK, "" };
        size_t len;
        snprintf(path, sizeof path, "%s/malformed/json/%s", data, files[i].name);
        char *text = scratch_read(path, &len);
        whit_status st = wh_config_parse(&c, files[i].name, text, len, &err);
        CHECK(st == files[i].want && strstr(err.msg, files[i].words) &&
                  strstr(err.msg, files[i].name),
              "%s: %d: %s", files[i].name, (int)st, err.msg);
        free(text);
    }
}

/* What is no small file is no error: nothing is said. */
static void test_none(const scratch *s)
{
    static const char *const names[] = { "nowhere.json", "f", "none.json" };
    scratch_text(s, "none.json", "no JSON");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[SCRATCH_PATH];
        whit_error err = { WHIT_OK, "" };
        whit_side *side = NULL;
        const whit_status st = whit_side_open(&side, scratch_path(s, names[i], path), &err);
        CHECK(st == WHIT_OK && !side && err.code == WHIT_OK && !err.msg[0], "%s: %d: %s", names[i],
              (int)st, err.msg);
        whit_side_close(side);
    }
}

/* The model in the tests' data says the same as a folder and as a GGUF file. */
static void test_real(const char *data)
{
    char path[SCRATCH_PATH], a[1024], b[1024];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    whit_file *file = NULL;
    snprintf(path, sizeof path, "%s/stories260K", data);
    CHECK(whit_file_open(&file, path, &err) == WHIT_OK &&
              wh_config_of_file(&c, file, &err) == WHIT_OK,
          "%s", err.msg);
    whit_file_close(file);
    CHECK(c.pairs == 0, "halves in a folder");
    c.pairs = 1;
    configs_say(&c, a);
    snprintf(path, sizeof path, "%s/gguf/stories260K-q4_0.gguf", data);
    CHECK(whit_file_open(&file, path, &err) == WHIT_OK &&
              wh_config_of_file(&c, file, &err) == WHIT_OK,
          "%s", err.msg);
    whit_file_close(file);
    c.name[0] = 0;
    CHECK(strcmp(a, configs_say(&c, b)) == 0, "%s\n%s", a, b);
    snprintf(path, sizeof path, "%s/stories260K/model.safetensors", data);
    CHECK(whit_file_open(&file, path, &err) == WHIT_OK &&
              wh_config_of_file(&c, file, &err) == WHIT_OK && c.dim == 64,
          "a file in a folder: %s", err.msg);
    whit_file_close(file);
}

/* 16.2 of the notes on methods: base 5e5, heads of 128, factor 8. Frequency / divisor is given. */
static void test_divisors(void)
{
    static const struct {
        int i;
        double frequency, scaled;
    } given[] = { { 0, 1, 1 },
                  { 28, .00321144599, .00321144599 },
                  { 31, .00173604670, .000856751413 },
                  { 34, .000938473857, .000178507813 } };
    char text[CONFIGS_TEXT];
    float d[64];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    configs_text(text,
                 "head_dim 128\nrope_theta 500000.0\nrope_scaling {\"rope_type\": \"llama3\", "
                 "\"factor\": 8.0}");
    CHECK(wh_config_parse(&c, "c", text, strlen(text), &err) == WHIT_OK, "%s", err.msg);
    wh_rope_divisors(&c, d);
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        double got = given[i].frequency / (double)d[given[i].i];
        CHECK(fabs(got / given[i].scaled - 1) < 1e-7, "%d: %.9g, not %.9g", given[i].i, got,
              given[i].scaled);
    }
    CHECK(d[63] == 8 && d[35] == 8 && d[28] == 1, "the ends");
    for (int i = 1; i < 64; i++) CHECK(d[i] >= d[i - 1], "%d falls", i);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 1;
    scratch_make(&s);
    test_cases();
    test_texts();
    test_gguf(&s);
    test_gguf_odd(&s);
    test_folder(&s);
    test_none(&s);
    test_hostile(argv[1]);
    test_real(argv[1]);
    test_divisors();
    scratch_remove(&s);
    return check_result();
}
