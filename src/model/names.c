/* src/model/names.c - the table of tensor names, and what depends on it.
 *
 * Models of the Llama family name their tensors alike; which of them a model has is a matter of its
 * configuration. A name that is not known is refused: a tensor left out silently ruins a model.
 *
 * Source: ggml-org/llama.cpp, gguf-py/gguf/tensor_mapping.py and convert_hf_to_gguf.py (permute).
 * SPDX-License-Identifier: MIT */
#include "model/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Names without "model." and "model.layers.N.", "blk.N.", "layers.N.". */
static const char *const names[WH_ROLES][3] = {
    [WH_ROLE_TOKEN_EMBD] = { "embed_tokens.weight", "token_embd.weight", "tok_embeddings.weight" },
    [WH_ROLE_OUTPUT_NORM] = { "norm.weight", "output_norm.weight", "norm.weight" },
    [WH_ROLE_OUTPUT] = { "lm_head.weight", "output.weight", "output.weight" },
    [WH_ROLE_ROPE_FREQS] = { NULL, "rope_freqs.weight", NULL },
    [WH_ROLE_ATTN_NORM] = { "input_layernorm.weight", "attn_norm.weight", "attention_norm.weight" },
    [WH_ROLE_ATTN_Q] = { "self_attn.q_proj.weight", "attn_q.weight", "attention.wq.weight" },
    [WH_ROLE_ATTN_K] = { "self_attn.k_proj.weight", "attn_k.weight", "attention.wk.weight" },
    [WH_ROLE_ATTN_V] = { "self_attn.v_proj.weight", "attn_v.weight", "attention.wv.weight" },
    [WH_ROLE_ATTN_OUT] = { "self_attn.o_proj.weight", "attn_output.weight", "attention.wo.weight" },
    [WH_ROLE_ATTN_Q_BIAS] = { "self_attn.q_proj.bias", "attn_q.bias", NULL },
    [WH_ROLE_ATTN_K_BIAS] = { "self_attn.k_proj.bias", "attn_k.bias", NULL },
    [WH_ROLE_ATTN_V_BIAS] = { "self_attn.v_proj.bias", "attn_v.bias", NULL },
    [WH_ROLE_ATTN_OUT_BIAS] = { "self_attn.o_proj.bias", "attn_output.bias", NULL },
    [WH_ROLE_ATTN_Q_NORM] = { "self_attn.q_norm.weight", "attn_q_norm.weight", NULL },
    [WH_ROLE_ATTN_K_NORM] = { "self_attn.k_norm.weight", "attn_k_norm.weight", NULL },
    [WH_ROLE_FFN_NORM] = { "post_attention_layernorm.weight", "ffn_norm.weight",
                           "ffn_norm.weight" },
    [WH_ROLE_FFN_GATE] = { "mlp.gate_proj.weight", "ffn_gate.weight", "feed_forward.w1.weight" },
    [WH_ROLE_FFN_UP] = { "mlp.up_proj.weight", "ffn_up.weight", "feed_forward.w3.weight" },
    [WH_ROLE_FFN_DOWN] = { "mlp.down_proj.weight", "ffn_down.weight", "feed_forward.w2.weight" },
    [WH_ROLE_FFN_GATE_BIAS] = { "mlp.gate_proj.bias", "ffn_gate.bias", NULL },
    [WH_ROLE_FFN_UP_BIAS] = { "mlp.up_proj.bias", "ffn_up.bias", NULL },
    [WH_ROLE_FFN_DOWN_BIAS] = { "mlp.down_proj.bias", "ffn_down.bias", NULL },
};

/* ---- roles ----------------------------------------------------------------------------------- */

/* Behind a number without leading zeros and a dot; NULL if there is none. */
static const char *skip_layer(const char *text, uint32_t *layer)
{
    uint32_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (p - text == 6 || (p > text && *text == '0')) return NULL;
        n = n * 10 + (uint32_t)(*p - '0');
    }
    if (p == text || *p != '.') return NULL;
    *layer = n;
    return p + 1;
}

static wh_role find(const char *name, wh_naming by, wh_role first, wh_role end)
{
    for (wh_role r = first; r < end; r++) {
        const char *own = names[r][by];
        if (own && strcmp(name, own) == 0) return r;
    }
    return WH_ROLE_NONE;
}

static wh_role role_of(const char *name, wh_naming by, const char *block, uint32_t *layer)
{
    const size_t n = strlen(block);
    *layer = 0;
    if (strncmp(name, block, n) != 0) return find(name, by, WH_ROLE_TOKEN_EMBD, WH_ROLE_LAYER);
    name = skip_layer(name + n, layer);
    wh_role r = name ? find(name, by, WH_ROLE_LAYER, WH_ROLES) : WH_ROLE_NONE;
    if (r == WH_ROLE_NONE) *layer = 0;
    return r;
}

static const char *without_model(const char *name)
{
    return strncmp(name, "model.", 6) == 0 ? name + 6 : name;
}

wh_role wh_role_of_hf(const char *name, uint32_t *layer)
{
    return role_of(without_model(name), WH_NAMING_HF, "layers.", layer);
}

wh_role wh_role_of_gguf(const char *name, uint32_t *layer)
{
    return role_of(name, WH_NAMING_GGUF, "blk.", layer);
}

wh_role wh_role_of_llama2c(const char *name, uint32_t *layer)
{
    return role_of(name, WH_NAMING_LLAMA2C, "layers.", layer);
}

const char *wh_role_name(wh_role role, uint32_t layer, wh_naming by, char buf[WH_ROLE_NAME])
{
    static const char *const blocks[] = { "model.layers", "blk", "layers" };
    const char *own = names[role][by];
    if (!own) own = "";
    if (role >= WH_ROLE_LAYER)
        snprintf(buf, WH_ROLE_NAME, "%s.%" PRIu32 ".%s", blocks[by], layer, own);
    else
        snprintf(buf, WH_ROLE_NAME, "%s%s",
                 by != WH_NAMING_HF || role == WH_ROLE_OUTPUT ? "" : "model.", own);
    return buf;
}

int wh_role_expected(const wh_model_config *c, wh_role role)
{
    switch (role) {
    case WH_ROLE_NONE:
    case WH_ROLES:
        return 0;
    case WH_ROLE_OUTPUT:
        return !c->tied;
    case WH_ROLE_ROPE_FREQS:
        return c->rope.kind == WH_ROPE_TENSOR;
    case WH_ROLE_ATTN_Q_BIAS:
    case WH_ROLE_ATTN_K_BIAS:
    case WH_ROLE_ATTN_V_BIAS:
        return c->qkv_bias;
    case WH_ROLE_ATTN_OUT_BIAS:
        return c->out_bias;
    case WH_ROLE_ATTN_Q_NORM:
    case WH_ROLE_ATTN_K_NORM:
        return c->qk_norm;
    case WH_ROLE_FFN_GATE_BIAS:
    case WH_ROLE_FFN_UP_BIAS:
    case WH_ROLE_FFN_DOWN_BIAS:
        return c->mlp_bias;
    default:
        return 1;
    }
}

int wh_role_is_vector(wh_role role)
{
    switch (role) {
    case WH_ROLE_TOKEN_EMBD:
    case WH_ROLE_OUTPUT:
    case WH_ROLE_ATTN_Q:
    case WH_ROLE_ATTN_K:
    case WH_ROLE_ATTN_V:
    case WH_ROLE_ATTN_OUT:
    case WH_ROLE_FFN_GATE:
    case WH_ROLE_FFN_UP:
    case WH_ROLE_FFN_DOWN:
        return 0;
    default:
        return 1;
    }
}

void wh_role_shape(const wh_model_config *c, wh_role role, uint64_t *rows, uint64_t *cols)
{
    const uint64_t q = (uint64_t)c->heads * c->head_dim, kv = (uint64_t)c->kv_heads * c->head_dim;
    const struct {
        uint64_t rows, cols;
    } shape[WH_ROLES] = {
        [WH_ROLE_TOKEN_EMBD] = { c->vocab, c->dim }, [WH_ROLE_OUTPUT_NORM] = { 1, c->dim },
        [WH_ROLE_OUTPUT] = { c->vocab, c->dim },     [WH_ROLE_ROPE_FREQS] = { 1, c->head_dim / 2 },
        [WH_ROLE_ATTN_NORM] = { 1, c->dim },         [WH_ROLE_ATTN_Q] = { q, c->dim },
        [WH_ROLE_ATTN_K] = { kv, c->dim },           [WH_ROLE_ATTN_V] = { kv, c->dim },
        [WH_ROLE_ATTN_OUT] = { c->dim, q },          [WH_ROLE_ATTN_Q_BIAS] = { 1, q },
        [WH_ROLE_ATTN_K_BIAS] = { 1, kv },           [WH_ROLE_ATTN_V_BIAS] = { 1, kv },
        [WH_ROLE_ATTN_OUT_BIAS] = { 1, c->dim },     [WH_ROLE_ATTN_Q_NORM] = { 1, c->head_dim },
        [WH_ROLE_ATTN_K_NORM] = { 1, c->head_dim },  [WH_ROLE_FFN_NORM] = { 1, c->dim },
        [WH_ROLE_FFN_GATE] = { c->ffn, c->dim },     [WH_ROLE_FFN_UP] = { c->ffn, c->dim },
        [WH_ROLE_FFN_DOWN] = { c->dim, c->ffn },     [WH_ROLE_FFN_GATE_BIAS] = { 1, c->ffn },
        [WH_ROLE_FFN_UP_BIAS] = { 1, c->ffn },       [WH_ROLE_FFN_DOWN_BIAS] = { 1, c->dim },
    };
    *rows = shape[role].rows;
    *cols = shape[role].cols;
}

/* ---- from a model folder to GGUF ------------------------------------------------------------- */

int wh_name_is_derived(const char *hf_name)
{
    static const char *const ends[] = { ".rotary_emb.inv_freq", ".attention.masked_bias",
                                        ".attention.bias" };
    const size_t n = strlen(hf_name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t k = strlen(ends[i]);
        if (n >= k && strcmp(hf_name + n - k, ends[i]) == 0) return 1;
    }
    return strstr(hf_name, ".attention.rotary_emb") != NULL;
}

/* Rows of q and k are turned by rope: pairs of halves here, neighbours there. */
static uint32_t permuted_heads(const wh_model_config *c, wh_role role)
{
    if (c->arch != WH_ARCH_LLAMA || c->pairs) return 0; /* they are neighbours already */
    if (role == WH_ROLE_ATTN_Q || role == WH_ROLE_ATTN_Q_BIAS) return c->heads;
    if (role == WH_ROLE_ATTN_K || role == WH_ROLE_ATTN_K_BIAS) return c->kv_heads;
    return 0;
}

static whit_status refuse(const char *hf_name, const char *what, whit_error *err)
{
    char name[WH_SHORT];
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s", wh_short(name, hf_name), what);
}

whit_status wh_name_fate(const wh_model_config *c, const char *hf_name, wh_gguf_fate *out,
                         whit_error *err)
{
    memset(out, 0, sizeof *out);
    if (wh_name_is_derived(hf_name)) {
        out->dropped = "is computed when the model is loaded";
        return WHIT_OK;
    }
    wh_role role =
        c->llama2c ? wh_role_of_llama2c(hf_name, &out->layer) : wh_role_of_hf(hf_name, &out->layer);
    if (role == WH_ROLE_OUTPUT && c->tied) {
        out->dropped = "is the matrix of the embeddings (tie_word_embeddings)";
        return WHIT_OK;
    }
    if (role == WH_ROLE_NONE)
        return refuse(hf_name, "no tensor of this architecture has that name", err);
    if (!wh_role_expected(c, role))
        return refuse(hf_name, "config.json says that the model has no such tensor", err);
    if (out->layer >= c->layers)
        return refuse(hf_name, "config.json says that the model has fewer layers", err);
    out->role = role;
    out->vector = wh_role_is_vector(role);
    out->permuted_heads = permuted_heads(c, role);
    wh_role_name(role, out->layer, WH_NAMING_GGUF, out->name);
    return WHIT_OK;
}

/* ---- the order of rows ----------------------------------------------------------------------- */

uint64_t wh_hf_row(uint64_t gguf_row, uint64_t rows, uint64_t heads)
{
    const uint64_t size = rows / heads, at = gguf_row % size;
    return gguf_row - at + (at % 2) * (size / 2) + at / 2;
}

uint64_t wh_gguf_row(uint64_t hf_row, uint64_t rows, uint64_t heads)
{
    const uint64_t size = rows / heads, at = hf_row % size, half = size / 2;
    return hf_row - at + 2 * (at % half) + at / half;
}
