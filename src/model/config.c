/* src/model/config.c - what the values of a configuration mean together, and where they are wrong.
 *
 * Values come from config.json (config_json.c) or from a GGUF file (config_gguf.c), raw; messages
 * take the names of the world that they came from. Left to defaults are only those that the model
 * code of transformers has defaults for and configurations do leave out: num_key_value_heads,
 * head_dim, rope_theta, the flags.
 *
 * A window that is written but not used (use_sliding_window of Qwen; Llama, whose code has no
 * window) is none.
 *
 * Source: huggingface/transformers, src/transformers/models/{llama,mistral,qwen2,qwen3}/
 * configuration_*.py and modeling_rope_utils.py; ggml-org/llama.cpp, src/llama-model.cpp.
 * SPDX-License-Identifier: MIT */
#include "base/elementary.h"
#include "model/config_raw.h"

#include <inttypes.h>
#include <string.h>

#define MOST_DIM ((uint64_t)1 << 20)
#define MOST_FFN ((uint64_t)1 << 22)
#define MOST_HEADS ((uint64_t)1 << 14)
#define MOST_HEAD_DIM ((uint64_t)1 << 14)
#define MOST_LAYERS 4096u
#define MOST_VOCAB ((uint64_t)1 << 26)
#define MOST_CONTEXT ((uint64_t)1 << 30)
#define MOST_FACTOR 1e6

/* ---- architectures --------------------------------------------------------------------------- */

static const struct {
    const char *model, *type; /* architectures and model_type of config.json */
    wh_arch arch;
    int window; /* its code knows a sliding window */
} known[] = {
    { "LlamaForCausalLM", "llama", WH_ARCH_LLAMA, 0 },
    { "MistralForCausalLM", "mistral", WH_ARCH_LLAMA, 1 },
    { "Qwen2ForCausalLM", "qwen2", WH_ARCH_QWEN2, 1 },
    { "Qwen3ForCausalLM", "qwen3", WH_ARCH_QWEN3, 1 },
};
#define KNOWN (sizeof known / sizeof known[0])
#define MISTRAL 1

static const char *const mixtures[] = { "MixtralForCausalLM", "mixtral",  "Qwen2MoeForCausalLM",
                                        "qwen2_moe",          "qwen2moe", "Qwen3MoeForCausalLM",
                                        "qwen3_moe",          "qwen3moe" };

const char *wh_arch_name(wh_arch arch)
{
    static const char *const text[] = { "llama", "qwen2", "qwen3" };
    return text[arch];
}

static whit_status is_mixture(const wh_raw_config *r, const char *name, whit_error *err)
{
    return wh_fail(
        err, WHIT_ERR_UNSUPPORTED,
        "%s: %s: a mixture of experts, which is not supported; supported are dense llama, "
        "mistral, qwen2, qwen3",
        r->label, name);
}

/* Index into known. */
static whit_status find_arch(const wh_raw_config *r, size_t *out, whit_error *err)
{
    const wh_raw_value *type = &r->value[WH_KEY_MODEL_TYPE];
    const char *name = *r->architecture            ? r->architecture
                       : type->kind == WH_RAW_TEXT ? type->text
                                                   : "";
    if (!*name)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: names no architecture; try: config.json of the "
                       "model's folder",
                       r->label);
    for (size_t i = 0; i < KNOWN; i++) {
        *out = i;
        int in_gguf = r->gguf && i != MISTRAL && strcmp(name, wh_arch_name(known[i].arch)) == 0;
        int in_hf = strcmp(name, known[i].model) == 0 || strcmp(name, known[i].type) == 0;
        if (r->gguf ? in_gguf : in_hf) return WHIT_OK;
    }
    for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++)
        if (strcmp(name, mixtures[i]) == 0) return is_mixture(r, name, err);
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: architecture %s is not known; known are %s",
                   r->label, name,
                   r->gguf ? "llama, qwen2, qwen3"
                           : "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, "
                             "Qwen3ForCausalLM");
}

/* ---- values ---------------------------------------------------------------------------------- */

/* The first thing that is wrong stays; later calls do nothing. */
typedef struct taking {
    const wh_raw_config *r;
    whit_error *err;
    whit_status st;
} taking;

static int has(const taking *t, wh_raw_key key)
{
    return t->r->value[key].kind != WH_RAW_ABSENT;
}

static void bad(taking *t, wh_raw_key key, const char *what)
{
    if (t->st == WHIT_OK) t->st = wh_raw_bad(t->r, key, what, t->err);
}

static void need(taking *t, wh_raw_key key)
{
    if (!has(t, key)) bad(t, key, "is missing");
}

/* What is absent leaves *out as it is; so do the next two. */
static void whole(taking *t, wh_raw_key key, uint64_t least, uint64_t most, uint32_t *out)
{
    const wh_raw_value *v = &t->r->value[key];
    char what[WH_SHORT];
    if (v->kind == WH_RAW_ABSENT) return;
    if (v->kind == WH_RAW_WHOLE && v->n >= least && v->n <= most) {
        *out = (uint32_t)v->n;
        return;
    }
    whit_error text = { WHIT_OK, "" };
    wh_fail(&text, WHIT_ERR_FORMAT, "is no whole number from %" PRIu64 " to %" PRIu64, least, most);
    bad(t, key, wh_short(what, text.msg));
}

static void real(taking *t, wh_raw_key key, double least, double most, double *out)
{
    const wh_raw_value *v = &t->r->value[key];
    char what[WH_SHORT];
    if (v->kind == WH_RAW_ABSENT) return;
    if ((v->kind == WH_RAW_WHOLE || v->kind == WH_RAW_REAL) && v->x >= least && v->x <= most) {
        *out = v->x;
        return;
    }
    whit_error text = { WHIT_OK, "" };
    wh_fail(&text, WHIT_ERR_FORMAT, "is no number from %g to %g", least, most);
    bad(t, key, wh_short(what, text.msg));
}

static void flag(taking *t, wh_raw_key key, int *out)
{
    const wh_raw_value *v = &t->r->value[key];
    if (v->kind == WH_RAW_ABSENT) return;
    if (v->kind != WH_RAW_BOOL) bad(t, key, "is neither true nor false");
    *out = v->n != 0;
}

/* ---- rope ------------------------------------------------------------------------------------ */

double wh_yarn_magnitude(double factor, double m)
{
    return 0.1 * m * wh_log(factor) + 1.0;
}

static void take_yarn(taking *t, wh_rope *p)
{
    double own, mscale = 0, all = 0;
    int truncate = 1;
    p->fast = 32;
    p->slow = 1;
    real(t, WH_KEY_FAST, 1e-3, 1e6, &p->fast);
    real(t, WH_KEY_SLOW, 1e-3, 1e6, &p->slow);
    if (p->slow >= p->fast) bad(t, WH_KEY_SLOW, "is not below that of the fast dimensions");
    flag(t, WH_KEY_TRUNCATE, &truncate);
    real(t, WH_KEY_MSCALE, 0, 100, &mscale);
    real(t, WH_KEY_MSCALE_ALL, 0, 100, &all);
    own = p->magnitude = wh_yarn_magnitude(p->factor, 1);
    if (mscale > 0 && all > 0)
        p->magnitude = wh_yarn_magnitude(p->factor, mscale) / wh_yarn_magnitude(p->factor, all);
    if (t->r->gguf) { /* a multiple of its own; in config.json instead of it */
        double times = 1;
        real(t, WH_KEY_ATTENTION_FACTOR, 1e-3, 1e3, &times);
        p->magnitude *= times;
    } else {
        real(t, WH_KEY_ATTENTION_FACTOR, 1e-3, 1e3, &p->magnitude);
    }
    p->yarn_attention = p->magnitude != own;
    p->yarn_untruncate = !truncate;
}

static void take_llama3(taking *t, wh_rope *p)
{
    p->low = 1;
    p->high = 4;
    real(t, WH_KEY_LOW, 1e-3, 1e6, &p->low);
    real(t, WH_KEY_HIGH, 1e-3, 1e6, &p->high);
    if (p->low >= p->high) bad(t, WH_KEY_LOW, "is not below high_freq_factor");
}

static void take_scaling(taking *t, wh_model_config *c)
{
    static const struct {
        const char *name;
        wh_rope_kind kind;
        int here[2]; /* in config.json, in GGUF */
    } kinds[] = {
        { "default", WH_ROPE_PLAIN, { 1, 0 } }, { "none", WH_ROPE_PLAIN, { 1, 1 } },
        { "linear", WH_ROPE_LINEAR, { 1, 1 } }, { "yarn", WH_ROPE_YARN, { 1, 1 } },
        { "llama3", WH_ROPE_LLAMA3, { 1, 0 } }, { "dynamic", WH_ROPE_DYNAMIC, { 1, 0 } },
    };
    const wh_raw_value *v = &t->r->value[WH_KEY_ROPE_TYPE];
    const wh_raw_key key = v->kind == WH_RAW_ABSENT ? WH_KEY_ROPE_TYPE_OLD : WH_KEY_ROPE_TYPE;
    v = &t->r->value[key];
    wh_rope *p = &c->rope;
    /* GGUF without a type is linear if there is a factor */
    const char *name = v->kind == WH_RAW_TEXT ? v->text : t->r->gguf ? "linear" : "default";
    size_t i = 0, count = sizeof kinds / sizeof kinds[0];
    if (v->kind == WH_RAW_ABSENT && !t->r->gguf && has(t, WH_KEY_FACTOR))
        bad(t, WH_KEY_ROPE_TYPE, "is missing");
    if (v->kind != WH_RAW_ABSENT && v->kind != WH_RAW_TEXT) bad(t, key, "is no text");
    while (i < count && (strcmp(name, kinds[i].name) != 0 || !kinds[i].here[t->r->gguf])) i++;
    if (i == count && t->st == WHIT_OK)
        t->st =
            wh_fail(t->err, WHIT_ERR_UNSUPPORTED, "%s: rope scaling %s is not known; known are %s",
                    t->r->label, name,
                    t->r->gguf ? "none, linear, yarn" : "default, linear, llama3, yarn, dynamic");
    if (t->st != WHIT_OK || kinds[i].kind == WH_ROPE_PLAIN) return;
    p->factor = kinds[i].kind == WH_ROPE_LLAMA3 ? 8 : 1;
    p->original = kinds[i].kind == WH_ROPE_LLAMA3 ? 8192 : c->context;
    if (!t->r->gguf && kinds[i].kind != WH_ROPE_LLAMA3) need(t, WH_KEY_FACTOR);
    real(t, WH_KEY_OLD_SCALE, t->r->gguf ? 0 : 1, MOST_FACTOR, &p->factor);
    real(t, WH_KEY_FACTOR, t->r->gguf ? 0 : 1, MOST_FACTOR, &p->factor);
    if (p->factor == 0) p->factor = 1; /* GGUF: not scaled */
    if (p->factor < 1) bad(t, WH_KEY_FACTOR, "is below 1");
    whole(t, WH_KEY_ORIGINAL, 1, MOST_CONTEXT, &p->original);
    if (p->factor == 1) p->original = 0;
    if (t->st != WHIT_OK || p->factor == 1) return;
    p->kind = kinds[i].kind;
    if (p->kind == WH_ROPE_YARN) take_yarn(t, p);
    if (p->kind == WH_ROPE_LLAMA3) take_llama3(t, p);
}

static void take_rope(taking *t, wh_model_config *c)
{
    double nested = 0, partial = 1;
    c->rope = (wh_rope){ .kind = WH_ROPE_PLAIN, .theta = 10000, .factor = 1, .magnitude = 1 };
    real(t, WH_KEY_THETA, 1.001, 1e15, &c->rope.theta);
    real(t, WH_KEY_NESTED_THETA, 1.001, 1e15, &nested);
    if (nested > 0 && has(t, WH_KEY_THETA) && nested != c->rope.theta)
        bad(t, WH_KEY_NESTED_THETA, "differs from the rope_theta outside");
    if (nested > 0) c->rope.theta = nested;
    real(t, WH_KEY_PARTIAL, 0, 1, &partial);
    real(t, WH_KEY_NESTED_PARTIAL, 0, partial, &partial);
    if (partial != 1 && t->st == WHIT_OK)
        t->st = wh_fail(t->err, WHIT_ERR_UNSUPPORTED,
                        "%s: partial_rotary_factor: rope of a part of each head is not supported",
                        t->r->label);
    take_scaling(t, c);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void take_sizes(taking *t, wh_model_config *c)
{
    static const wh_raw_key needed[] = { WH_KEY_DIM,   WH_KEY_LAYERS,  WH_KEY_HEADS, WH_KEY_FFN,
                                         WH_KEY_VOCAB, WH_KEY_CONTEXT, WH_KEY_EPS };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) need(t, needed[i]);
    whole(t, WH_KEY_DIM, 1, MOST_DIM, &c->dim);
    whole(t, WH_KEY_LAYERS, 1, MOST_LAYERS, &c->layers);
    whole(t, WH_KEY_HEADS, 1, MOST_HEADS, &c->heads);
    c->kv_heads = c->heads;
    whole(t, WH_KEY_KV_HEADS, 1, MOST_HEADS, &c->kv_heads);
    whole(t, WH_KEY_FFN, 1, MOST_FFN, &c->ffn);
    whole(t, WH_KEY_VOCAB, 1, MOST_VOCAB, &c->vocab);
    whole(t, WH_KEY_CONTEXT, 1, MOST_CONTEXT, &c->context);
    real(t, WH_KEY_EPS, 1e-12, 0.1, &c->eps);
    if (t->st != WHIT_OK) return;
    if (c->heads % c->kv_heads != 0) bad(t, WH_KEY_KV_HEADS, "does not divide the number of heads");
    /* The code of Qwen3 takes 128, that of the others what the heads leave. */
    c->head_dim = c->arch == WH_ARCH_QWEN3 && !t->r->gguf ? 128 : c->dim / c->heads;
    if (!has(t, WH_KEY_HEAD_DIM) && c->arch != WH_ARCH_QWEN3 && c->dim % c->heads != 0)
        bad(t, WH_KEY_HEADS, "does not divide the width, and the size of a head is not given");
    whole(t, WH_KEY_HEAD_DIM, 1, MOST_HEAD_DIM, &c->head_dim);
    if (c->head_dim == 0 || c->head_dim % 2 != 0)
        bad(t, WH_KEY_HEAD_DIM, "the size of a head is odd, or 0");
    uint32_t value = c->head_dim, rope = c->head_dim;
    whole(t, WH_KEY_VALUE_DIM, 1, MOST_HEAD_DIM, &value);
    whole(t, WH_KEY_ROPE_DIM, 1, MOST_HEAD_DIM, &rope);
    if (value != c->head_dim) bad(t, WH_KEY_VALUE_DIM, "is not the size of a head");
    if (rope != c->head_dim) bad(t, WH_KEY_ROPE_DIM, "is not the size of a head");
}

/* Which layers have a window, and how wide. */
static void take_window(taking *t, wh_model_config *c, size_t model)
{
    int use = t->r->gguf || model == MISTRAL;
    uint32_t window = 0, full = 28; /* the default of Qwen's code */
    flag(t, WH_KEY_USE_WINDOW, &use);
    whole(t, WH_KEY_WINDOW, 0, MOST_CONTEXT, &window);
    whole(t, WH_KEY_WINDOW_LAYERS, 0, MOST_LAYERS, &full);
    if (t->r->gguf || model == MISTRAL) full = 0;
    c->window_first = c->layers;
    if (!use || window == 0 || (!t->r->gguf && !known[model].window)) return;
    if (t->r->bad_list && t->st == WHIT_OK)
        t->st = wh_fail(t->err, WHIT_ERR_UNSUPPORTED, "%s: layer_types: %s", t->r->label,
                        t->r->bad_list);
    if (t->r->listed > 0 && t->r->listed != c->layers && t->st == WHIT_OK)
        t->st = wh_fail(t->err, WHIT_ERR_FORMAT,
                        "%s: layer_types: %" PRIu32 " of them, for %" PRIu32 " layers", t->r->label,
                        t->r->listed, c->layers);
    if (t->r->listed > 0) full = t->r->first_windowed;
    if (full >= c->layers) return;
    c->window = window;
    c->window_first = full;
}

static void take_flags(taking *t, wh_model_config *c, size_t model)
{
    int bias = 0;
    flag(t, WH_KEY_ATTENTION_BIAS, &bias);
    flag(t, WH_KEY_MLP_BIAS, &c->mlp_bias);
    flag(t, WH_KEY_TIED, &c->tied);
    if (model == MISTRAL || c->arch == WH_ARCH_QWEN2) bias = 0; /* their code does not ask */
    if (model == MISTRAL || c->arch != WH_ARCH_LLAMA) c->mlp_bias = 0;
    c->qkv_bias = bias || c->arch == WH_ARCH_QWEN2;
    c->out_bias = bias;
    c->qk_norm = c->arch == WH_ARCH_QWEN3;
    c->pairs = t->r->gguf && c->arch == WH_ARCH_LLAMA;
    const wh_raw_value *act = &t->r->value[WH_KEY_ACT];
    if (act->kind == WH_RAW_ABSENT) return;
    if (act->kind != WH_RAW_TEXT) bad(t, WH_KEY_ACT, "is no text");
    if (strcmp(act->text, "silu") != 0 && strcmp(act->text, "swish") != 0 && t->st == WHIT_OK)
        t->st = wh_fail(t->err, WHIT_ERR_UNSUPPORTED,
                        "%s: hidden_act: %s is not supported; supported is silu", t->r->label,
                        act->text);
}

static void take_ids(taking *t, wh_model_config *c)
{
    uint32_t bos = 0;
    c->bos = -1;
    whole(t, WH_KEY_BOS, 0, c->vocab - 1, &bos);
    if (has(t, WH_KEY_BOS)) c->bos = bos;
    c->eos_count = t->r->eos_count;
    memcpy(c->eos, t->r->eos, sizeof c->eos);
    for (unsigned i = 0; i < c->eos_count; i++)
        if (c->eos[i] >= c->vocab && t->st == WHIT_OK)
            t->st = wh_fail(t->err, WHIT_ERR_FORMAT,
                            "%s: eos_token_id: %" PRIu32 " is beyond the vocabulary of %" PRIu32,
                            t->r->label, c->eos[i], c->vocab);
    const wh_raw_value *name = &t->r->value[WH_KEY_PATH];
    if (name->kind == WH_RAW_TEXT && strlen(name->text) < sizeof c->name)
        memcpy(c->name, name->text, strlen(name->text) + 1);
}

whit_status wh_config_build(wh_model_config *c, const wh_raw_config *r, whit_error *err)
{
    taking t = { r, err, WHIT_OK };
    size_t model;
    memset(c, 0, sizeof *c);
    whit_status st = find_arch(r, &model, err);
    if (st != WHIT_OK) return st;
    c->arch = known[model].arch;
    for (wh_raw_key k = WH_KEY_EXPERTS; k <= WH_KEY_LOCAL_EXPERTS; k++)
        if (r->value[k].kind == WH_RAW_WHOLE && r->value[k].n > 0)
            return is_mixture(r, r->gguf ? wh_raw_gguf_name(k) : wh_raw_hf_name(k), err);
    take_sizes(&t, c);
    if (t.st == WHIT_OK) take_rope(&t, c);
    if (t.st == WHIT_OK) take_window(&t, c, model);
    if (t.st == WHIT_OK) take_flags(&t, c, model);
    if (t.st == WHIT_OK) take_ids(&t, c);
    return t.st;
}

float wh_rope_divisor(const wh_model_config *c, uint32_t i)
{
    const wh_rope *p = &c->rope;
    const double turn = 6.283185307179586476925287, original = p->original;
    const double wave = turn * wh_pow(p->theta, 2.0 * i / c->head_dim);
    if (wave < original / p->high) return 1.0f;
    if (wave > original / p->low) return (float)p->factor;
    const double s = (original / wave - p->low) / (p->high - p->low);
    return (float)(1.0 / ((1.0 - s) / p->factor + s));
}

void wh_rope_divisors(const wh_model_config *c, float *out)
{
    for (uint32_t i = 0; i < c->head_dim / 2; i++) out[i] = wh_rope_divisor(c, i);
}
