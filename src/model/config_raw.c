/* src/model/config_raw.c - the names of a configuration's values in config.json and in GGUF.
 *
 * Source: huggingface/transformers, src/transformers/models/{llama,mistral,qwen2,qwen3}/
 * configuration_*.py; ggml-org/llama.cpp, gguf-py/gguf/constants.py.
 * SPDX-License-Identifier: MIT */
#include "model/config_raw.h"

static const struct {
    const char *hf, *gguf;
} names[WH_KEYS] = {
    [WH_KEY_DIM] = { "hidden_size", "embedding_length" },
    [WH_KEY_LAYERS] = { "num_hidden_layers", "block_count" },
    [WH_KEY_HEADS] = { "num_attention_heads", "attention.head_count" },
    [WH_KEY_KV_HEADS] = { "num_key_value_heads", "attention.head_count_kv" },
    [WH_KEY_HEAD_DIM] = { "head_dim", "attention.key_length" },
    [WH_KEY_VALUE_DIM] = { NULL, "attention.value_length" },
    [WH_KEY_ROPE_DIM] = { NULL, "rope.dimension_count" },
    [WH_KEY_OLD_SCALE] = { NULL, "rope.scale_linear" },
    [WH_KEY_FFN] = { "intermediate_size", "feed_forward_length" },
    [WH_KEY_VOCAB] = { "vocab_size", "vocab_size" },
    [WH_KEY_CONTEXT] = { "max_position_embeddings", "context_length" },
    [WH_KEY_EPS] = { "rms_norm_eps", "attention.layer_norm_rms_epsilon" },
    [WH_KEY_THETA] = { "rope_theta", "rope.freq_base" },
    [WH_KEY_WINDOW] = { "sliding_window", "attention.sliding_window" },
    [WH_KEY_EXPERTS] = { "num_experts", "expert_count" },
    [WH_KEY_LOCAL_EXPERTS] = { "num_local_experts", NULL },
    [WH_KEY_USE_WINDOW] = { "use_sliding_window", NULL },
    [WH_KEY_WINDOW_LAYERS] = { "max_window_layers", NULL },
    [WH_KEY_ATTENTION_BIAS] = { "attention_bias", NULL },
    [WH_KEY_MLP_BIAS] = { "mlp_bias", NULL },
    [WH_KEY_TIED] = { "tie_word_embeddings", NULL },
    [WH_KEY_ACT] = { "hidden_act", NULL },
    [WH_KEY_PARTIAL] = { "partial_rotary_factor", NULL },
    [WH_KEY_BOS] = { "bos_token_id", NULL },
    [WH_KEY_MODEL_TYPE] = { "model_type", NULL },
    [WH_KEY_PATH] = { "_name_or_path", NULL },
    [WH_KEY_ROPE_TYPE] = { "rope_type", "rope.scaling.type" },
    [WH_KEY_ROPE_TYPE_OLD] = { "type", NULL },
    [WH_KEY_FACTOR] = { "factor", "rope.scaling.factor" },
    [WH_KEY_ORIGINAL] = { "original_max_position_embeddings",
                          "rope.scaling.original_context_length" },
    [WH_KEY_ATTENTION_FACTOR] = { "attention_factor", "rope.scaling.attn_factor" },
    [WH_KEY_FAST] = { "beta_fast", "rope.scaling.yarn_beta_fast" },
    [WH_KEY_SLOW] = { "beta_slow", "rope.scaling.yarn_beta_slow" },
    [WH_KEY_LOW] = { "low_freq_factor", NULL },
    [WH_KEY_HIGH] = { "high_freq_factor", NULL },
    [WH_KEY_MSCALE] = { "mscale", NULL },
    [WH_KEY_MSCALE_ALL] = { "mscale_all_dim", NULL },
    [WH_KEY_TRUNCATE] = { "truncate", NULL },
    [WH_KEY_NESTED_THETA] = { "rope_theta", NULL },
    [WH_KEY_NESTED_PARTIAL] = { "partial_rotary_factor", NULL },
};

const char *wh_raw_hf_name(wh_raw_key key)
{
    return names[key].hf;
}

const char *wh_raw_gguf_name(wh_raw_key key)
{
    return names[key].gguf;
}

whit_status wh_raw_bad(const wh_raw_config *r, wh_raw_key key, const char *what, whit_error *err)
{
    if (r->gguf && names[key].gguf)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s.%s: %s", r->label, r->gguf_arch,
                       names[key].gguf, what);
    const char *name = names[key].hf ? names[key].hf : names[key].gguf;
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s%s: %s", r->label,
                   key >= WH_KEY_SCALING ? "rope scaling: " : "", name, what);
}
