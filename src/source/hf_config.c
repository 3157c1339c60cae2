/* src/source/hf_config.c - what the configuration beside a quantized checkpoint says.
 *
 * config.json is the model's, with an object quantization_config (older: compression_config) whose
 * quant_method names the format. Only what bears on reading is taken, by the tables below; what it
 * says is compared with the tensors by the reader of the format.
 *
 * Source: huggingface/transformers, src/transformers/utils/quantization_config.py;
 * vllm-project/compressed-tensors, src/compressed_tensors/quantization/quant_args.py;
 * ModelCloud/GPTQModel, gptqmodel/quantization/config.py.
 * SPDX-License-Identifier: MIT */
#include "source/hf_config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_CONFIG ((uint64_t)64 << 20)

typedef enum sort {
    TEXT,   /* wh_hf_text */
    NUMBER, /* int64_t: whole, of up to nine digits */
    TRUTH,  /* int */
    PAIR,   /* int64_t [2]: [128, 128] or "128x128" */
    CHOICE, /* int: true 1, false 0, a text -1 */
    OBJECT, /* by the table of the member, into the same struct */
    GROUPS, /* every member of an object whatever its name, as OBJECT into a new wh_hf_group */
    FILLED  /* int: an object is not empty */
} sort;

/* null leaves what was there. */
typedef struct member {
    const char *key;
    sort sort;
    size_t at;                   /* in the struct */
    const struct member *inside; /* of OBJECT, GROUPS: up to one without a key */
} member;

static const member weights[] = {
    { "num_bits", NUMBER, offsetof(wh_hf_group, bits), NULL },
    { "type", TEXT, offsetof(wh_hf_group, type), NULL },
    { "symmetric", TRUTH, offsetof(wh_hf_group, symmetric), NULL },
    { "strategy", TEXT, offsetof(wh_hf_group, strategy), NULL },
    { "group_size", NUMBER, offsetof(wh_hf_group, size), NULL },
    { "block_structure", PAIR, offsetof(wh_hf_group, block), NULL },
    { NULL, TEXT, 0, NULL },
};
static const member activations[] = {
    { "num_bits", NUMBER, offsetof(wh_hf_group, act_bits), NULL },
    { "type", TEXT, offsetof(wh_hf_group, act_type), NULL },
    { "strategy", TEXT, offsetof(wh_hf_group, act_strategy), NULL },
    { "dynamic", CHOICE, offsetof(wh_hf_group, act_dynamic), NULL },
    { NULL, TEXT, 0, NULL },
};
static const member group[] = {
    { "weights", OBJECT, 0, weights },
    { "input_activations", OBJECT, 0, activations },
    { NULL, TEXT, 0, NULL },
};
static const member sparsity[] = {
    { "format", TEXT, offsetof(wh_hf_config, sparsity), NULL },
    { NULL, TEXT, 0, NULL },
};
static const member quantization[] = {
    { "quant_method", TEXT, offsetof(wh_hf_config, name), NULL },
    { "method", TEXT, offsetof(wh_hf_config, name), NULL },
    { "format", TEXT, offsetof(wh_hf_config, format), NULL },
    { "checkpoint_format", TEXT, offsetof(wh_hf_config, checkpoint), NULL },
    { "bits", NUMBER, offsetof(wh_hf_config, bits), NULL },
    { "group_size", NUMBER, offsetof(wh_hf_config, group_size), NULL },
    { "w_bit", NUMBER, offsetof(wh_hf_config, w_bit), NULL },
    { "q_group_size", NUMBER, offsetof(wh_hf_config, q_group_size), NULL },
    { "version", TEXT, offsetof(wh_hf_config, version), NULL },
    { "pack_dtype", TEXT, offsetof(wh_hf_config, pack_dtype), NULL },
    { "dynamic", FILLED, offsetof(wh_hf_config, dynamic), NULL },
    { "weight_block_size", PAIR, offsetof(wh_hf_config, weight_block), NULL },
    { "is_marlin_format", TRUTH, offsetof(wh_hf_config, marlin), NULL },
    { "config_groups", GROUPS, 0, group },
    { "sparsity_config", OBJECT, 0, sparsity },
    { NULL, TEXT, 0, NULL },
};
static const member model[] = {
    { "quantization_config", OBJECT, 0, quantization },
    { "compression_config", OBJECT, 0, quantization },
    { NULL, TEXT, 0, NULL },
};

typedef struct parser {
    wh_json j;
    wh_hf_config *config;
    char wrong[120]; /* the first thing; empty: none */
} parser;

static int fail(parser *p, const char *key, const char *what)
{
    if (!*p->wrong) snprintf(p->wrong, sizeof p->wrong, "%s%s", key, what);
    return 0;
}

/* ---- values: 0 where one is of another type -------------------------------------------------- */

static int take_text(parser *p, wh_json_token token, char *out)
{
    const size_t n = p->j.text_len < WH_HF_TEXT - 1 ? p->j.text_len : WH_HF_TEXT - 1;
    if (token != WH_JSON_STRING) return 0;
    memcpy(out, p->j.text, n);
    out[n] = 0;
    return 1;
}

static int take_number(parser *p, wh_json_token token, int64_t *out)
{
    const char *digits = p->j.text + (p->j.text[0] == '-');
    if (token != WH_JSON_NUMBER || strspn(digits, "0123456789") != strlen(digits) ||
        strlen(digits) > 9)
        return 0;
    *out = strtol(p->j.text, NULL, 10);
    return 1;
}

static int take_truth(wh_json_token token, int *out)
{
    *out = token == WH_JSON_TRUE;
    return token == WH_JSON_TRUE || token == WH_JSON_FALSE;
}

static int take_choice(wh_json_token token, int *out)
{
    *out = token == WH_JSON_STRING ? -1 : token == WH_JSON_TRUE;
    return token == WH_JSON_STRING || token == WH_JSON_TRUE || token == WH_JSON_FALSE;
}

static int take_pair(parser *p, wh_json_token token, int64_t out[2])
{
    if (token == WH_JSON_STRING) {
        char *end;
        out[0] = strtol(p->j.text, &end, 10);
        if (*end != 'x') return 0;
        out[1] = strtol(end + 1, &end, 10);
        return *end == 0;
    }
    return token == WH_JSON_ARRAY && take_number(p, wh_json_next(&p->j), &out[0]) &&
           take_number(p, wh_json_next(&p->j), &out[1]) && wh_json_next(&p->j) == WH_JSON_ARRAY_END;
}

/* ---- objects --------------------------------------------------------------------------------- */

static int take_members(parser *p, const member *table, void *to);

static int take_group(parser *p, const member *m)
{
    wh_hf_config *c = p->config;
    void *data = c->group;
    if (!wh_grow(&data, &c->cap, c->groups + 1, sizeof *c->group)) {
        p->j.nomem = 1;
        return 0;
    }
    c->group = data;
    wh_hf_group *g = &c->group[c->groups];
    *g = (wh_hf_group){ .symmetric = -1 };
    if (!take_members(p, m->inside, g)) return 0;
    /* one that says nothing of weights is none */
    c->groups += g->bits != 0 || *g->type || *g->strategy || g->size != 0 || g->symmetric >= 0;
    if (g->symmetric < 0) g->symmetric = 1;
    return 1;
}

static int take_groups(parser *p, const member *m)
{
    wh_json_token token;
    while ((token = wh_json_next(&p->j)) == WH_JSON_KEY) {
        token = wh_json_next(&p->j);
        if (token == WH_JSON_NULL) continue;
        if (token != WH_JSON_OBJECT) return fail(p, m->key, " holds something else than objects");
        if (p->config->groups == WH_HF_GROUPS)
            return fail(p, m->key, " holds more than 256 groups");
        if (!take_group(p, m)) return 0;
    }
    return token == WH_JSON_OBJECT_END;
}

static int take_filled(parser *p, int *out)
{
    wh_json_token token;
    while ((token = wh_json_next(&p->j)) == WH_JSON_KEY) {
        *out = 1;
        if (!wh_json_skip(&p->j, token)) return 0;
    }
    return token == WH_JSON_OBJECT_END;
}

static int take_value(parser *p, const member *m, void *to)
{
    static const char *const wants[] = { " is no text",          " is no whole number",
                                         " is no truth value",   " is no pair of numbers",
                                         " is no truth or text", " is no object" };
    const wh_json_token token = wh_json_next(&p->j);
    void *at = (char *)to + m->at;
    int ok = token == WH_JSON_OBJECT;
    if (token == WH_JSON_NULL) return 1;
    if (m->sort == TEXT) ok = take_text(p, token, at);
    if (m->sort == NUMBER) ok = take_number(p, token, at);
    if (m->sort == TRUTH) ok = take_truth(token, at);
    if (m->sort == PAIR) ok = take_pair(p, token, at);
    if (m->sort == CHOICE) ok = take_choice(token, at);
    if (!ok) return fail(p, m->key, wants[m->sort < OBJECT ? m->sort : OBJECT]);
    if (m->sort == OBJECT) return take_members(p, m->inside, to);
    if (m->sort == GROUPS) return take_groups(p, m);
    return m->sort == FILLED ? take_filled(p, at) : 1;
}

/* Behind an opening bracket: all members up to the closing one. */
static int take_members(parser *p, const member *table, void *to)
{
    unsigned seen = 0;
    wh_json_token token;
    while ((token = wh_json_next(&p->j)) == WH_JSON_KEY) {
        unsigned i = 0;
        while (table[i].key && strcmp(p->j.text, table[i].key) != 0) i++;
        if (!table[i].key) {
            if (!wh_json_skip(&p->j, token)) return 0;
            continue;
        }
        if (seen >> i & 1) return fail(p, table[i].key, " is there twice");
        seen |= 1u << i;
        if (!take_value(p, &table[i], to)) return 0;
    }
    return token == WH_JSON_OBJECT_END;
}

/* ---- files ----------------------------------------------------------------------------------- */

static wh_hf_method method_of(const wh_hf_config *c)
{
    static const struct {
        const char *name;
        wh_hf_method method;
    } methods[] = { { "compressed-tensors", WH_HF_CT },
                    { "gptq", WH_HF_GPTQ },
                    { "awq", WH_HF_AWQ },
                    { "bitsandbytes", WH_HF_BNB },
                    { "fp8", WH_HF_FP8 } };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(c->name, methods[i].name) == 0) return methods[i].method;
    if (*c->name) return WH_HF_OTHER;
    /* files of their own name no method */
    return c->groups > 0   ? WH_HF_CT
           : c->w_bit != 0 ? WH_HF_AWQ
           : c->bits != 0  ? WH_HF_GPTQ
                           : WH_HF_NONE;
}

whit_status wh_hf_config_parse(wh_hf_config *config, const char *text, size_t len, int bare,
                               whit_error *err)
{
    parser p = { .config = config };
    wh_json_init(&p.j, text, len);
    p.j.python = 1;
    if (wh_json_next(&p.j) != WH_JSON_OBJECT)
        fail(&p, "", "no JSON object");
    else if (take_members(&p, bare ? quantization : model, config))
        wh_json_next(&p.j); /* the end, or text behind it */
    const char *problem = p.j.problem;
    const int nomem = p.j.nomem;
    wh_json_free(&p.j);
    if (nomem) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the configuration");
    if (problem) return wh_fail(err, WHIT_ERR_FORMAT, "not valid JSON: %s", problem);
    if (*p.wrong) return wh_fail(err, WHIT_ERR_FORMAT, "%s", p.wrong);
    config->method = method_of(config);
    if (config->w_bit != 0) config->bits = config->w_bit;
    if (config->q_group_size != 0) config->group_size = config->q_group_size;
    return WHIT_OK;
}

static whit_status read_file(wh_hf_config *config, const char *folder, const char *name, int bare,
                             whit_error *err)
{
    char *path = NULL, *text = NULL;
    size_t len = 0;
    whit_status st = wh_file_inside(folder, name, &path, err);
    if (st == WHIT_OK) st = wh_file_slurp(path, MAX_CONFIG, &text, &len, err);
    if (st == WHIT_OK) {
        st = wh_hf_config_parse(config, text, len, bare, err);
        if (st != WHIT_OK) wh_prefix(err, st, path);
    }
    free(text);
    free(path);
    return st;
}

whit_status wh_hf_config_read(wh_hf_config *config, const char *folder, const char **file,
                              whit_error *err)
{
    static const char *const names[] = { "config.json", "quantize_config.json",
                                         "quant_config.json" };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < 3 && st == WHIT_OK && config->method == WH_HF_NONE; i++) {
        int there;
        char *path = wh_path_join(folder, names[i]);
        if (!path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the configuration");
        *file = names[i];
        st = wh_file_there(path, &there, err);
        if (there) st = read_file(config, folder, names[i], i > 0, err);
        free(path);
    }
    return st;
}

void wh_hf_config_free(wh_hf_config *config)
{
    free(config->group);
    *config = (wh_hf_config){ 0 };
}
