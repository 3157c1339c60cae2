/* tests/test_tensor_names.c - names of tensors in model folders and in GGUF: roles, what becomes of
 * each on the way, the order of rows.
 *
 * SPDX-License-Identifier: MIT */
#include "model/names.h"

#include "check.h"
#include "configs.h"

#define L "model.layers.3."

/* Changes to the base; a name; its name in GGUF, or words of why not. */
static const struct {
    const char *changes, *hf, *gguf;
    int vector;
    uint32_t heads;
} cases[] = {
    /* clang-format off */
    { "", "model.embed_tokens.weight", "token_embd.weight", 0, 0 },
    { "", "embed_tokens.weight", "token_embd.weight", 0, 0 },
    { "", "model.norm.weight", "output_norm.weight", 1, 0 },
    { "", "norm.weight", "output_norm.weight", 1, 0 },
    { "", "lm_head.weight", "output.weight", 0, 0 },
    { "", L "input_layernorm.weight", "blk.3.attn_norm.weight", 1, 0 },
    { "", "layers.4.input_layernorm.weight", "blk.4.attn_norm.weight", 1, 0 },
    { "", L "self_attn.q_proj.weight", "blk.3.attn_q.weight", 0, 8 },
    { "", L "self_attn.k_proj.weight", "blk.3.attn_k.weight", 0, 4 },
    { "", L "self_attn.v_proj.weight", "blk.3.attn_v.weight", 0, 0 },
    { "", L "self_attn.o_proj.weight", "blk.3.attn_output.weight", 0, 0 },
    { "", L "post_attention_layernorm.weight", "blk.3.ffn_norm.weight", 1, 0 },
    { "", L "mlp.gate_proj.weight", "blk.3.ffn_gate.weight", 0, 0 },
    { "", L "mlp.up_proj.weight", "blk.3.ffn_up.weight", 0, 0 },
    { "", L "mlp.down_proj.weight", "blk.3.ffn_down.weight", 0, 0 },
    { "attention_bias true", L "self_attn.q_proj.bias", "blk.3.attn_q.bias", 1, 8 },
    { "attention_bias true", L "self_attn.k_proj.bias", "blk.3.attn_k.bias", 1, 4 },
    { "attention_bias true", L "self_attn.v_proj.bias", "blk.3.attn_v.bias", 1, 0 },
    { "attention_bias true", L "self_attn.o_proj.bias", "blk.3.attn_output.bias", 1, 0 },
    { "mlp_bias true", L "mlp.down_proj.bias", "blk.3.ffn_down.bias", 1, 0 },
    { "architectures [\"MistralForCausalLM\"]", L "self_attn.k_proj.weight", "blk.3.attn_k.weight", 0, 4 },
    { "architectures [\"Qwen2ForCausalLM\"]", L "self_attn.q_proj.weight", "blk.3.attn_q.weight", 0, 0 },
    { "architectures [\"Qwen2ForCausalLM\"]", L "self_attn.k_proj.bias", "blk.3.attn_k.bias", 1, 0 },
    { "architectures [\"Qwen3ForCausalLM\"]", L "self_attn.q_norm.weight", "blk.3.attn_q_norm.weight", 1, 0 },
    { "architectures [\"Qwen3ForCausalLM\"]", L "self_attn.k_norm.weight", "blk.3.attn_k_norm.weight", 1, 0 },
    /* dropped */
    { "", L "self_attn.rotary_emb.inv_freq", "-is computed", 0, 0 },
    { "", "model.rotary_emb.inv_freq", "-is computed", 0, 0 },
    { "", "transformer.h.0.attn.attention.masked_bias", "-is computed", 0, 0 },
    { "", "h.0.attention.bias", "-is computed", 0, 0 },
    { "", "layers.0.attention.rotary_emb.cos", "-is computed", 0, 0 },
    { "tie_word_embeddings true", "lm_head.weight", "-is the matrix of the embeddings", 0, 0 },
    /* refused */
    { "", L "self_attn.q_proj.bias", "!" L "self_attn.q_proj.bias: config.json says that the model has no such", 0, 0 },
    { "", L "self_attn.q_norm.weight", "!no such", 0, 0 },
    { "architectures [\"Qwen3ForCausalLM\"]", L "self_attn.q_proj.bias", "!no such", 0, 0 },
    { "", "model.layers.5.input_layernorm.weight", "!has fewer layers", 0, 0 },
    { "", "model.layers.05.input_layernorm.weight", "!no tensor of this architecture", 0, 0 },
    { "", "model.layers.4294967296.input_layernorm.weight", "!no tensor", 0, 0 },
    { "", "model.layers..input_layernorm.weight", "!no tensor", 0, 0 },
    { "", "model.layers.3", "!no tensor", 0, 0 },
    { "", "model.layers.3.", "!no tensor", 0, 0 },
    { "", "model.layers.-1.input_layernorm.weight", "!no tensor", 0, 0 },
    { "", L "mlp.gate_proj.weights", "!no tensor", 0, 0 },
    { "", L "mlp.gate_proj.qweight", "!" L "mlp.gate_proj.qweight: no tensor", 0, 0 },
    { "", L "block_sparse_moe.gate.weight", "!no tensor", 0, 0 },
    { "", L "norm.weight", "!no tensor", 0, 0 },
    { "", "model.model.norm.weight", "!no tensor", 0, 0 },
    { "", "", "!no tensor", 0, 0 },
    /* clang-format on */
};

static void parse(wh_model_config *c, const char *changes)
{
    char text[CONFIGS_TEXT];
    whit_error err = { WHIT_OK, "" };
    configs_text(text, changes);
    CHECK(wh_config_parse(c, "c", text, strlen(text), &err) == WHIT_OK, "%s", err.msg);
}

static void test_fates(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_model_config c;
        wh_gguf_fate f;
        whit_error err = { WHIT_OK, "" };
        const char *want = cases[i].gguf;
        parse(&c, cases[i].changes);
        whit_status st = wh_name_fate(&c, cases[i].hf, &f, &err);
        if (*want == '!') {
            CHECK(st == WHIT_ERR_UNSUPPORTED && strstr(err.msg, want + 1), "%s: %d '%s'",
                  cases[i].hf, (int)st, err.msg);
            continue;
        }
        CHECK(st == WHIT_OK, "%s: %s", cases[i].hf, err.msg);
        if (*want == '-') {
            CHECK(f.role == WH_ROLE_NONE && f.dropped && strstr(f.dropped, want + 1), "%s",
                  cases[i].hf);
            continue;
        }
        CHECK(!f.dropped && strcmp(f.name, want) == 0, "%s: %s", cases[i].hf, f.name);
        CHECK(f.vector == cases[i].vector && f.permuted_heads == cases[i].heads, "%s: %d %u",
              cases[i].hf, f.vector, f.permuted_heads);
        uint32_t layer;
        CHECK(wh_role_of_gguf(f.name, &layer) == f.role && layer == f.layer, "%s and back", f.name);
    }
}

static void test_gguf_names(void)
{
    static const char *const none[] = {
        "blk.0.attn_q.weight.x",
        "blk.0.",
        "blk.x.attn_q.weight",
        "token_embd",
        "",
        "blk.00.attn_q.weight",
        "blk..attn_q.weight",
        "blk.0.output.weight",
        "attn_q.weight",
    };
    uint32_t layer = 7;
    char name[WH_ROLE_NAME];
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(wh_role_of_gguf(none[i], &layer) == WH_ROLE_NONE && layer == 0, "'%s'", none[i]);
    CHECK(wh_role_of_gguf("rope_freqs.weight", &layer) == WH_ROLE_ROPE_FREQS, "no name elsewhere");
    for (wh_role r = WH_ROLE_TOKEN_EMBD; r < WH_ROLES; r++) {
        uint32_t want = r < WH_ROLE_LAYER ? 0 : 4095;
        wh_role_name(r, want, WH_NAMING_GGUF, name);
        CHECK(wh_role_of_gguf(name, &layer) == r && layer == want, "%s", name);
        if (r == WH_ROLE_ROPE_FREQS) continue;
        wh_role_name(r, want, WH_NAMING_HF, name);
        CHECK(wh_role_of_hf(name, &layer) == r && layer == want, "%s", name);
    }
}

/* Roles that must be there make up the size of the model. */
static void test_shapes(void)
{
    static const struct {
        const char *changes;
        uint64_t weights;
    } models[] = {
        { "tie_word_embeddings true",
          260032 }, /* stories260K: its file has 1040128 octets of F32 */
        { "", 260032 + 512 * 64 },
        { "architectures [\"Qwen2ForCausalLM\"]\ntie_word_embeddings true", 260032 + 5 * 128 },
        { "architectures [\"Qwen3ForCausalLM\"]\ntie_word_embeddings true\nhead_dim 8",
          260032 + 5 * 16 },
        { "attention_bias true\nmlp_bias true\ntie_word_embeddings true",
          260032 + 5 * (64 + 32 + 32 + 64 + 172 + 172 + 64) },
        { "head_dim 16\ntie_word_embeddings true", 260032 + 5 * 12288 },
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        wh_model_config c;
        uint64_t total = 0, rows, cols;
        parse(&c, models[i].changes);
        for (wh_role r = WH_ROLE_NONE; r < WH_ROLES; r++) {
            if (!wh_role_expected(&c, r)) continue;
            wh_role_shape(&c, r, &rows, &cols);
            CHECK(rows == 1 || !wh_role_is_vector(r), "role %d", (int)r);
            total += rows * cols * (r < WH_ROLE_LAYER ? 1 : c.layers);
        }
        CHECK(total == models[i].weights, "%s: %llu", models[i].changes, (unsigned long long)total);
    }
}

static void test_rows(void)
{
    static const uint64_t given[8] = { 0, 4, 1, 5, 2, 6, 3, 7 }; /* formats 10.5, hs = 8 */
    for (uint64_t r = 0; r < 16; r++) {
        uint64_t want = r / 8 * 8 + given[r % 8];
        CHECK(wh_hf_row(r, 16, 2) == want, "row %llu", (unsigned long long)r);
        CHECK(wh_gguf_row(want, 16, 2) == r, "and back");
    }
    static const uint64_t shapes[][2] = { { 2, 1 }, { 12, 2 }, { 64, 8 }, { 32, 4 }, { 126, 7 } };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (uint64_t r = 0, n = shapes[i][0], h = shapes[i][1]; r < n; r++) {
            uint64_t hf = wh_hf_row(r, n, h);
            CHECK(hf / (n / h) == r / (n / h) && wh_gguf_row(hf, n, h) == r, "%llu of %llu",
                  (unsigned long long)r, (unsigned long long)n);
        }
}

int main(void)
{
    test_fates();
    test_gguf_names();
    test_shapes();
    test_rows();
    return check_result();
}
