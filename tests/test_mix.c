/* tests/test_mix.c - which block type each tensor of a GGUF model gets.
 *
 * The expected types are those of the reference tool: formats of llama.cpp's llama-quantize of
 * 2026, which was run over such models.
 * SPDX-License-Identifier: MIT */
#include "job/mix.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
enum { MOST = 2048, NAME = 48 };

typedef struct model {
    char name[MOST][NAME];
    wh_mix_tensor tensor[MOST];
    size_t count;
} model;

static void add(model *m, const char *name, unsigned rank, uint64_t rows, uint64_t cols)
{
    snprintf(m->name[m->count], NAME, "%s", name);
    m->tensor[m->count] = (wh_mix_tensor){ m->name[m->count], rank, rows, cols, WHIT_F32 };
    m->count++;
}

static void add_in(model *m, unsigned layer, const char *part, uint64_t cols)
{
    char name[NAME];
    snprintf(name, sizeof name, "blk.%u.%s", layer, part);
    add(m, name, 2, 64, cols);
}

/* A model like Llama's, its tensors in an order that no file has. */
static void make_model(model *m, unsigned layers, int tied, uint64_t cols)
{
    static const char *const parts[] = {
        "attn_v.weight",   "attn_q.weight",   "attn_output.weight", "ffn_up.weight",
        "ffn_gate.weight", "ffn_down.weight", "attn_k.weight",
    };
    m->count = 0;
    for (unsigned i = 0; i < layers; i++)
        for (size_t k = 0; k < COUNT(parts); k++)
            add_in(m, (i * 7 + 3) % layers, parts[k], cols); /* no layer count here has a 7 */
    add(m, "token_embd.weight", 2, 512, cols);
    if (!tied) add(m, "output.weight", 2, 512, cols);
    add(m, "output_norm.weight", 1, 1, cols);
}

static const wh_mix_tensor *find(const model *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->name[i], name) == 0) return &m->tensor[i];
    return NULL;
}

static const char *lower(whit_block block)
{
    const whit_block_info *info = whit_block_describe(block);
    return info ? info->lower : "none";
}

static wh_mix_choice ask(const model *m, const char *mix, const wh_mix_model *facts,
                         const char *name)
{
    wh_mix_survey *s = NULL;
    const wh_mix_tensor *t = find(m, name);
    wh_mix_choice c = { .reason = "no answer" };
    CHECK(t && wh_mix_survey_make(&s, wh_mix_parse(mix), facts, m->tensor, m->count, NULL) ==
                   WHIT_OK,
          "%s of %s", name, mix);
    if (t && s) c = wh_mix_choose(s, t);
    wh_mix_survey_free(s);
    return c;
}

/* The layers whose tensor gets `type`, as "0 1 4 ..". */
static void layers_with(const model *m, const char *mix, const wh_mix_model *facts,
                        const char *part, whit_block type, char *out, size_t size)
{
    char name[NAME];
    size_t len = 0;
    out[0] = 0;
    for (unsigned i = 0; i < facts->layers; i++) {
        snprintf(name, sizeof name, "blk.%u.%s", i, part);
        if (find(m, name) && ask(m, mix, facts, name).block == type)
            len += (size_t)snprintf(out + len, size - len, "%s%u", len ? " " : "", i);
    }
}

/* Every column of the table, at 22 layers: the layers of the better type, the type of the rest. */
static void columns(void)
{
#define MORE_22 "0 1 4 7 10 13 16 19 20 21"
#define ALL_22 "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"
    static const struct {
        const char *mix, *part;
        uint32_t gqa;
        whit_block better;
        const char *where;
        whit_block rest;
    } cases[] = {
        { "q2_k_s", "attn_v.weight", 8, WHIT_Q4_K, ALL_22, WHIT_Q2_K },
        { "q2_k_s", "attn_v.weight", 3, WHIT_Q4_K, "", WHIT_Q2_K },
        { "q2_k_s", "ffn_down.weight", 1, WHIT_Q4_K, "0 1", WHIT_Q2_K },
        { "q2_k_s", "attn_output.weight", 8, WHIT_Q4_K, "", WHIT_Q2_K },
        { "q2_k_m", "attn_v.weight", 4, WHIT_Q4_K, ALL_22, WHIT_Q3_K },
        { "q2_k_m", "attn_v.weight", 1, WHIT_Q4_K, "", WHIT_Q3_K },
        { "q2_k_m", "ffn_down.weight", 1, WHIT_Q3_K, ALL_22, WHIT_Q2_K },
        { "q2_k_m", "attn_output.weight", 1, WHIT_Q3_K, ALL_22, WHIT_Q2_K },
        { "q2_k_m", "attn_q.weight", 8, WHIT_Q3_K, "", WHIT_Q2_K },
        { "q3_k_s", "attn_v.weight", 8, WHIT_Q4_K, "", WHIT_Q3_K },
        { "q3_k_s", "ffn_down.weight", 8, WHIT_Q4_K, "", WHIT_Q3_K },
        { "q3_k_s", "attn_output.weight", 8, WHIT_Q4_K, "", WHIT_Q3_K },
        { "q3_k_m", "attn_v.weight", 8, WHIT_Q5_K, "0 1", WHIT_Q4_K },
        { "q3_k_m", "ffn_down.weight", 8, WHIT_Q5_K, "0", WHIT_Q4_K },
        { "q3_k_m", "attn_output.weight", 8, WHIT_Q4_K, ALL_22, WHIT_Q3_K },
        { "q3_k_m", "ffn_up.weight", 8, WHIT_Q4_K, "", WHIT_Q3_K },
        { "q3_k_l", "attn_v.weight", 8, WHIT_Q5_K, ALL_22, WHIT_Q3_K },
        { "q3_k_l", "ffn_down.weight", 8, WHIT_Q5_K, ALL_22, WHIT_Q3_K },
        { "q3_k_l", "attn_output.weight", 8, WHIT_Q5_K, ALL_22, WHIT_Q3_K },
        { "q3_k_l", "attn_k.weight", 8, WHIT_Q5_K, "", WHIT_Q3_K },
        { "q4_k_s", "attn_v.weight", 8, WHIT_Q5_K, "0 1 2 3", WHIT_Q4_K },
        { "q4_k_s", "ffn_down.weight", 8, WHIT_Q5_K, "0 1", WHIT_Q4_K },
        { "q4_k_s", "attn_output.weight", 8, WHIT_Q5_K, "", WHIT_Q4_K },
        { "q4_k_m", "attn_v.weight", 8, WHIT_Q6_K, MORE_22, WHIT_Q4_K },
        { "q4_k_m", "ffn_down.weight", 8, WHIT_Q6_K, MORE_22, WHIT_Q4_K },
        { "q4_k_m", "attn_output.weight", 8, WHIT_Q6_K, "", WHIT_Q4_K },
        { "q4_k_m", "ffn_gate.weight", 8, WHIT_Q6_K, "", WHIT_Q4_K },
        { "q5_k_s", "attn_v.weight", 8, WHIT_Q6_K, "", WHIT_Q5_K },
        { "q5_k_s", "ffn_down.weight", 8, WHIT_Q6_K, "", WHIT_Q5_K },
        { "q5_k_m", "attn_v.weight", 8, WHIT_Q6_K, MORE_22, WHIT_Q5_K },
        { "q5_k_m", "ffn_down.weight", 8, WHIT_Q6_K, MORE_22, WHIT_Q5_K },
        { "q5_k_m", "attn_output.weight", 8, WHIT_Q6_K, "", WHIT_Q5_K },
    };
    static model m;
    make_model(&m, 22, 0, 512);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const wh_mix_model facts = { 22, cases[i].gqa, 0 };
        char where[128], name[NAME];
        layers_with(&m, cases[i].mix, &facts, cases[i].part, cases[i].better, where, sizeof where);
        CHECK(strcmp(where, cases[i].where) == 0, "%s %s gqa %u: %s in layers %s, not %s",
              cases[i].mix, cases[i].part, cases[i].gqa, lower(cases[i].better), where,
              cases[i].where);
        snprintf(name, sizeof name, "blk.2.%s", cases[i].part); /* in none of the short lists */
        const whit_block got = ask(&m, cases[i].mix, &facts, name).block;
        const int all = strcmp(cases[i].where, ALL_22) == 0;
        const int first = strcmp(cases[i].where, "0 1 2 3") == 0;
        CHECK(all || first || got == cases[i].rest, "%s %s: %s", cases[i].mix, cases[i].part,
              lower(got));
    }
}

/* Single tensors of models with a property of their own. */
static void properties(void)
{
    static const struct {
        const char *why, *mix, *name;
        wh_mix_model facts;
        int tied;
        uint64_t cols;
        whit_block want, wanted;
        int fallback;
    } cases[] = {
        { "head", "q2_k_s", "output.weight", { 5, 1, 0 }, 0, 256, WHIT_Q6_K, WHIT_Q6_K, 0 },
        { "not tied", "q3_k_s", "token_embd.weight", { 5, 1, 0 }, 0, 256, WHIT_Q3_K, WHIT_Q3_K, 0 },
        { "tied", "q3_k_s", "token_embd.weight", { 5, 1, 0 }, 1, 256, WHIT_Q6_K, WHIT_Q6_K, 0 },
        /* 288 is no multiple of the 256 of the mix's own type */
        { "head", "q4_k_m", "output.weight", { 5, 1, 0 }, 0, 288, WHIT_Q8_0, WHIT_Q8_0, 0 },
        { "tied", "q4_k_m", "token_embd.weight", { 5, 1, 0 }, 1, 288, WHIT_Q8_0, WHIT_Q8_0, 0 },
        { "head", "q5_k_m", "output.weight", { 5, 1, 0 }, 0, 100, WHIT_BLOCK_NONE, WHIT_Q8_0, 1 },
        { "falls", "q4_k_m", "blk.1.attn_q.weight", { 5, 1, 0 }, 0, 288, WHIT_Q5_0, WHIT_Q4_K, 1 },
        { "falls", "q5_k_s", "blk.1.attn_q.weight", { 5, 1, 0 }, 0, 288, WHIT_Q5_1, WHIT_Q5_K, 1 },
        { "falls", "q4_k_m", "blk.4.attn_v.weight", { 5, 1, 0 }, 0, 288, WHIT_Q8_0, WHIT_Q6_K, 1 },
        { "falls", "q3_k_s", "blk.1.attn_q.weight", { 5, 1, 0 }, 0, 288, WHIT_Q4_0, WHIT_Q3_K, 1 },
        { "falls", "q2_k_m", "blk.1.attn_q.weight", { 5, 1, 0 }, 0, 288, WHIT_Q4_0, WHIT_Q2_K, 1 },
        { "f16", "q4_k_m", "blk.1.ffn_up.weight", { 5, 1, 0 }, 0, 172, 0, WHIT_Q4_K, 1 },
        /* the shape of 70 B: 80 layers and shared keys and values */
        { "70B", "q4_k_s", "blk.40.attn_v.weight", { 80, 8, 0 }, 0, 256, WHIT_Q5_K, WHIT_Q5_K, 0 },
        { "70B", "q3_k_s", "blk.40.attn_v.weight", { 80, 2, 0 }, 0, 256, WHIT_Q5_K, WHIT_Q5_K, 0 },
        { "70B", "q2_k_m", "blk.40.attn_v.weight", { 80, 8, 0 }, 0, 256, WHIT_Q5_K, WHIT_Q5_K, 0 },
        { "70B", "q2_k_s", "blk.40.attn_v.weight", { 80, 2, 0 }, 0, 256, WHIT_Q2_K, WHIT_Q2_K, 0 },
        { "70B", "q5_k_m", "blk.79.attn_v.weight", { 80, 8, 0 }, 0, 256, WHIT_Q6_K, WHIT_Q6_K, 0 },
        { "70B", "q4_k_s", "blk.40.attn_k.weight", { 80, 8, 0 }, 0, 256, WHIT_Q4_K, WHIT_Q4_K, 0 },
        { "65B", "q4_k_s", "blk.40.attn_v.weight", { 80, 1, 0 }, 0, 256, WHIT_Q4_K, WHIT_Q4_K, 0 },
        /* 31/16 is 1 */
        { "16th",
          "q3_k_m",
          "blk.0.ffn_down.weight",
          { 31, 1, 0 },
          0,
          256,
          WHIT_Q5_K,
          WHIT_Q5_K,
          0 },
        { "16th",
          "q3_k_m",
          "blk.1.ffn_down.weight",
          { 31, 1, 0 },
          0,
          256,
          WHIT_Q4_K,
          WHIT_Q4_K,
          0 },
        /* exactly eight experts */
        { "moe", "q2_k_m", "blk.3.attn_v.weight", { 32, 4, 8 }, 0, 256, WHIT_Q8_0, WHIT_Q8_0, 0 },
        { "moe", "q5_k_s", "blk.3.attn_k.weight", { 32, 4, 8 }, 0, 256, WHIT_Q8_0, WHIT_Q8_0, 0 },
        { "moe", "q5_k_s", "blk.3.attn_q.weight", { 32, 4, 8 }, 0, 256, WHIT_Q5_K, WHIT_Q5_K, 0 },
        { "moe", "q3_k_s", "blk.3.attn_output.weight", { 32, 4, 8 }, 0, 256, WHIT_Q5_K, WHIT_Q5_K },
        { "moe", "q3_k_l", "blk.3.attn_output.weight", { 32, 4, 8 }, 0, 256, WHIT_Q3_K, WHIT_Q3_K },
        { "moe", "q2_k_s", "blk.3.attn_output.weight", { 32, 4, 8 }, 0, 256, WHIT_Q2_K, WHIT_Q2_K },
        { "moe", "q4_k_m", "blk.3.attn_k.weight", { 32, 4, 16 }, 0, 256, WHIT_Q4_K, WHIT_Q4_K },
        { "moe",
          "q3_k_l",
          "blk.3.attn_output.weight",
          { 32, 4, 16 },
          0,
          256,
          WHIT_Q5_K,
          WHIT_Q5_K },
    };
    static model m;
    for (size_t i = 0; i < COUNT(cases); i++) {
        make_model(&m, cases[i].facts.layers, cases[i].tied, cases[i].cols);
        const wh_mix_choice c = ask(&m, cases[i].mix, &cases[i].facts, cases[i].name);
        CHECK(c.block == cases[i].want && c.wanted == cases[i].wanted &&
                  c.fallback == cases[i].fallback && !c.reason,
              "%s: %s of %s is %s for %s, fallback %d", cases[i].why, cases[i].name, cases[i].mix,
              lower(c.block), lower(c.wanted), c.fallback);
    }
}

/* Layers are counted where there are such tensors, numbers as numbers. */
static void counted(void)
{
    static model m;
    const wh_mix_model facts = { 48, 2, 0 }, experts = { 48, 2, 16 };
    char where[128];
    m.count = 0;
    for (unsigned i = 47; i < 48; i--) {
        if (i % 4 == 3) add_in(&m, i, i % 8 == 3 ? "attn_qkv.weight" : "attn_v.weight", 256);
        if (i % 2 == 1) add_in(&m, i, "ffn_down.weight", 256);
    }
    /* twelve values: i 0, 3, 6, 9, and from 10 on */
    layers_with(&m, "q4_k_m", &facts, "attn_qkv.weight", WHIT_Q6_K, where, sizeof where);
    CHECK(strcmp(where, "3 27 43") == 0, "values, fused: %s", where);
    layers_with(&m, "q4_k_m", &facts, "attn_v.weight", WHIT_Q6_K, where, sizeof where);
    CHECK(strcmp(where, "15 39 47") == 0, "values: %s", where);
    /* the first four are in layers 3, 7, 11, 15 */
    layers_with(&m, "q4_k_s", &facts, "attn_v.weight", WHIT_Q5_K, where, sizeof where);
    CHECK(strcmp(where, "7 15") == 0, "first four: %s", where);
    /* 48/8 = 6 of them, by place; by number with experts */
    layers_with(&m, "q4_k_s", &facts, "ffn_down.weight", WHIT_Q5_K, where, sizeof where);
    CHECK(strcmp(where, "1 3 5 7 9 11") == 0, "down: %s", where);
    layers_with(&m, "q4_k_s", &experts, "ffn_down.weight", WHIT_Q5_K, where, sizeof where);
    CHECK(strcmp(where, "1 3 5") == 0, "down with experts: %s", where);
}

static void importance(void)
{
    static const struct {
        const char *mix, *name;
        int needs;
    } cases[] = {
        { "q2_k_s", "blk.1.attn_q.weight", 1 }, { "q2_k_s", "blk.0.ffn_down.weight", 0 },
        { "q2_k_s", "token_embd.weight", 0 },   { "q2_k_s", "output.weight", 0 },
        { "q2_k_m", "blk.1.attn_q.weight", 0 },
    };
    static model m;
    const wh_mix_model facts = { 8, 1, 0 };
    make_model(&m, 8, 0, 256);
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK(ask(&m, cases[i].mix, &facts, cases[i].name).needs_importance == cases[i].needs,
              "%s of %s", cases[i].name, cases[i].mix);
    make_model(&m, 8, 0, 32); /* Q4_0 takes its place */
    CHECK(!ask(&m, "q2_k_s", &facts, "blk.1.attn_q.weight").needs_importance, "not Q2_K");
}

static void candidates(void)
{
    static const struct {
        const char *name;
        unsigned rank;
        uint64_t rows;
        const char *reason;
    } cases[] = {
        { "blk.0.attn_q.weight", 2, 64, NULL },
        { "blk.0.attn_q.weight", 2, 1, "1-dimensional" },
        { "blk.0.attn_norm.weight", 1, 1, "1-dimensional" },
        { "blk.0.attn_norm.weight", 2, 4, "norm" },
        { "scale.weight", 0, 1, "scalar" },
        { "blk.0.attn_q.bias", 2, 64, "no weight" },
        { "blk.0.attn_q.weights", 2, 64, "no weight" },
        { "ight", 2, 64, "no weight" },
        { "weight", 2, 64, NULL },
        { "blk.0.ffn_gate_inp.weight", 2, 8, "router" },
        { "blk.0.ffn_gate_inp_shexp.weight", 2, 8, NULL },
        { "blk.0.ffn_gate_exps.weight", 3, 128, NULL },
        { "token_embd.weight", 2, 64, NULL },
        { "output.weight", 2, 64, NULL },
        { "position_embd.weight", 2, 64, "position embedding" },
        { "v.position_embd.weight", 2, 64, "position embedding" },
        { "token_types.weight", 2, 2, "token types" },
        { "blk.0.ssm_conv1d.weight", 2, 64, "convolution" },
        { "blk.0.ssm_in.weight", 2, 64, NULL },
        { "blk.0.shortconv.conv.weight", 2, 64, "convolution" },
        { "blk.0.time_mix_w1.weight", 2, 64, "time mix" },
        { "blk.0.time_mix_key.weight", 2, 64, NULL },
        { "blk.0.laurel_l.weight", 2, 64, "small" },
        { "v.patch_embd.weight", 4, 64, "image encoder" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = wh_gguf_keeps(cases[i].name, cases[i].rank, cases[i].rows);
        CHECK(got == cases[i].reason || (got && cases[i].reason && !strcmp(got, cases[i].reason)),
              "%s of rank %u: %s", cases[i].name, cases[i].rank, got ? got : "candidate");
    }
}

static void kept_types(void)
{
    static model m;
    const wh_mix_model facts = { 4, 1, 0 };
    make_model(&m, 4, 0, 256);
    for (size_t i = 0; i < m.count; i++) m.tensor[i].dtype = i % 2 ? WHIT_I32 : WHIT_F8_E8M0;
    wh_mix_choice c = ask(&m, "q4_k_m", &facts, m.name[1]);
    CHECK(c.block == WHIT_BLOCK_NONE && !c.fallback && c.reason, "integers");
    c = ask(&m, "q4_k_m", &facts, m.name[2]);
    CHECK(c.block == WHIT_BLOCK_NONE && !c.fallback && c.reason, "scales");
    for (size_t i = 0; i < m.count; i++) m.tensor[i].dtype = WHIT_BLOCKS;
    c = ask(&m, "q4_k_m", &facts, "blk.0.attn_q.weight");
    CHECK(c.block == WHIT_Q4_K, "blocks may be encoded again");
    c = ask(&m, "q4_k_m", &facts, "output_norm.weight");
    CHECK(c.reason && !c.fallback && strcmp(c.reason, "1-dimensional") == 0, "norm");
}

static void fallbacks(void)
{
    static const struct {
        whit_block from;
        uint64_t cols;
        whit_block to;
    } cases[] = {
        { WHIT_Q2_K, 64, WHIT_Q4_0 },  { WHIT_Q3_K, 64, WHIT_Q4_0 },
        { WHIT_Q4_K, 64, WHIT_Q5_0 },  { WHIT_Q5_K, 64, WHIT_Q5_1 },
        { WHIT_Q6_K, 64, WHIT_Q8_0 },  { WHIT_IQ4_XS, 64, WHIT_IQ4_NL },
        { WHIT_TQ1_0, 64, WHIT_Q4_0 }, { WHIT_TQ2_0, 64, WHIT_Q4_0 },
        { WHIT_Q2_0, 32, WHIT_Q4_0 },  { WHIT_Q4_K, 172, WHIT_BLOCK_NONE },
        { WHIT_Q4_0, 48, 0 },          { WHIT_IQ4_NL, 48, 0 },
        { WHIT_BLOCK_NVFP4, 32, 0 },   { WHIT_Q1_0, 64, 0 },
        { WHIT_Q4_K, 512, WHIT_Q4_K }, { WHIT_Q8_0, 32, WHIT_Q8_0 },
        { WHIT_BLOCK_NONE, 256, 0 },   { WHIT_BLOCK_COUNT, 256, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK(wh_block_fallback(cases[i].from, cases[i].cols) == cases[i].to, "%s with %u columns",
              lower(cases[i].from), (unsigned)cases[i].cols);
}

static void names(void)
{
    static const struct {
        const char *name;
        uint32_t file_type;
        whit_block type;
    } cases[] = {
        { "q2_k_s", 21, WHIT_Q2_K }, { "q2_k_m", 10, WHIT_Q2_K }, { "q3_k_s", 11, WHIT_Q3_K },
        { "q3_k_m", 12, WHIT_Q3_K }, { "q3_k_l", 13, WHIT_Q3_K }, { "q4_k_s", 14, WHIT_Q4_K },
        { "q4_k_m", 15, WHIT_Q4_K }, { "q5_k_s", 16, WHIT_Q5_K }, { "q5_k_m", 17, WHIT_Q5_K },
    };
    static const char *const no_mix[] = { "q4_k", "q4_k_", "q4_k_l", "q4_k_m ", "", "q6_k" };
    static const uint32_t pure[WHIT_BLOCK_COUNT] = { 0,  2,  3,  8,  9,  7,  10, 11, 14, 16,
                                                     18, 25, 30, 36, 37, 38, 39, 40, 41 };
    size_t n = 0;
    while (wh_mix_at(n)) n++;
    CHECK(n == COUNT(cases), "%zu mixes", n);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const wh_mix *mix = wh_mix_parse(cases[i].name);
        char upper[16];
        snprintf(upper, sizeof upper, "Q%s", cases[i].name + 1);
        for (char *p = upper; *p; p++)
            if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
        CHECK(mix && mix == wh_mix_parse(upper) && wh_mix_file_type(mix) == cases[i].file_type &&
                  wh_mix_type(mix) == cases[i].type && !strcmp(wh_mix_name(mix), cases[i].name),
              "%s", cases[i].name);
    }
    for (size_t i = 0; i < COUNT(no_mix); i++) CHECK(!wh_mix_parse(no_mix[i]), "%s", no_mix[i]);
    CHECK(!wh_mix_parse(NULL), "NULL");
    for (int i = 0; i < WHIT_BLOCK_COUNT; i++)
        CHECK(wh_block_file_type((whit_block)i) == pure[i], "%s", lower((whit_block)i));
    CHECK(wh_dtype_file_type(WHIT_F16) == 1 && wh_dtype_file_type(WHIT_BF16) == 32 &&
              wh_dtype_file_type(WHIT_F32) == 0,
          "plain types");
}

/* Names of a stranger's file. */
static void odd_names(void)
{
    static const char *const odd[] = {
        "blk.99999999999999999999999.ffn_down.weight",
        "blk.-1.ffn_down.weight",
        "blk..ffn_down.weight",
        "ffn_down.weight",
        "enc.blk.0.ffn_down.weight",
        "blk.7.attn_v.weight",
    };
    static model m;
    const wh_mix_model experts = { 4, 1, 4 }, none = { 0, 0, 0 };
    m.count = 0;
    for (size_t i = 0; i < COUNT(odd); i++) add(&m, odd[i], 2, 4, 256);
    for (size_t i = 0; i < COUNT(odd); i++) {
        whit_block got = ask(&m, "q4_k_s", &experts, odd[i]).block;
        CHECK(got == (i == 5 ? WHIT_Q5_K : WHIT_Q4_K), "%s: %s", odd[i], lower(got));
        got = ask(&m, "q4_k_m", &none, odd[i]).block;
        CHECK(got == WHIT_Q6_K, "no layers: %s: %s", odd[i], lower(got));
    }
}

int main(void)
{
    names();
    candidates();
    fallbacks();
    columns();
    properties();
    counted();
    importance();
    kept_types();
    odd_names();
    return check_result();
}
