/* src/model/gguf_keys.c - the keys of an architecture, with the types that loaders insist on.
 *
 * Written as the reference writes them, with one addition: a window is written for llama
 * (Mistral) too, which the reference leaves out; its loader passes over the key.
 *
 * Source: ggml-org/llama.cpp, gguf-py/gguf/constants.py, convert_hf_to_gguf.py, src/llama-arch.cpp.
 * SPDX-License-Identifier: MIT */
#include "model/gguf_keys.h"

#include <stdio.h>
#include <string.h>

#define KEY 128

static const char *key_of(const wh_model_config *c, const char *name, char buf[KEY])
{
    snprintf(buf, KEY, "%s.%s", wh_arch_name(c->arch), name);
    return buf;
}

static void put_u32(wh_gguf_kvs *k, const wh_model_config *c, const char *name, uint32_t v)
{
    char key[KEY];
    wh_gguf_put_u32(k, key_of(c, name, key), v);
}

static void put_f32(wh_gguf_kvs *k, const wh_model_config *c, const char *name, double v)
{
    char key[KEY];
    wh_gguf_put_f32(k, key_of(c, name, key), (float)v);
}

static void put_text(wh_gguf_kvs *k, const char *key, const char *text)
{
    wh_gguf_put_string(k, key, text, strlen(text));
}

static void put_scaling(wh_gguf_kvs *k, const wh_model_config *c)
{
    const wh_rope *p = &c->rope;
    char key[KEY];
    if (p->kind != WH_ROPE_LINEAR && p->kind != WH_ROPE_YARN) return;
    put_text(k, key_of(c, "rope.scaling.type", key), p->kind == WH_ROPE_YARN ? "yarn" : "linear");
    put_f32(k, c, "rope.scaling.factor", p->factor);
    if (p->kind == WH_ROPE_LINEAR) return;
    put_u32(k, c, "rope.scaling.original_context_length", p->original);
    if (p->yarn_attention)
        put_f32(k, c, "rope.scaling.attn_factor", p->magnitude / wh_yarn_magnitude(p->factor, 1));
    if (p->fast != 32) put_f32(k, c, "rope.scaling.yarn_beta_fast", p->fast);
    if (p->slow != 1) put_f32(k, c, "rope.scaling.yarn_beta_slow", p->slow);
}

static void put_heads(wh_gguf_kvs *k, const wh_model_config *c)
{
    put_u32(k, c, "attention.head_count", c->heads);
    put_u32(k, c, "attention.head_count_kv", c->kv_heads);
    put_f32(k, c, "attention.layer_norm_rms_epsilon", c->eps);
    if (c->arch == WH_ARCH_QWEN3 || (uint64_t)c->heads * c->head_dim != c->dim) {
        put_u32(k, c, "attention.key_length", c->head_dim);
        put_u32(k, c, "attention.value_length", c->head_dim);
    }
    if (c->window > 0 && c->window_first == 0) put_u32(k, c, "attention.sliding_window", c->window);
}

whit_status wh_gguf_put_model(wh_gguf_kvs *k, const wh_model_config *c, whit_error *err)
{
    if (c->arch != WH_ARCH_LLAMA && (c->out_bias || c->mlp_bias))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "attention_bias: GGUF has no %s with it",
                       wh_arch_name(c->arch));
    if (c->rope.kind == WH_ROPE_YARN && c->rope.yarn_untruncate)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "rope scaling: truncate: GGUF has no yarn with it off");
    put_text(k, "general.architecture", wh_arch_name(c->arch));
    put_text(k, "general.type", "model");
    if (*c->name) put_text(k, "general.name", c->name);
    put_u32(k, c, "context_length", c->context);
    put_u32(k, c, "embedding_length", c->dim);
    put_u32(k, c, "block_count", c->layers);
    put_u32(k, c, "feed_forward_length", c->ffn);
    put_heads(k, c);
    put_f32(k, c, "rope.freq_base", c->rope.theta);
    if (c->arch == WH_ARCH_LLAMA) {
        put_u32(k, c, "rope.dimension_count", c->head_dim);
        put_u32(k, c, "vocab_size", c->vocab);
    }
    put_scaling(k, c);
    return k->bytes.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the metadata") : WHIT_OK;
}
