/* src/job/mix.c - the mixes of GGUF: which block type each tensor of a model gets.
 *
 * A mix gives most tensors one type, and better ones to those that lose most: values of attention
 * and the second half of the feed-forward net in chosen layers, the output. A row of the table for
 * each mix. What the reference tool does for single architectures (Falcon, GLM5) is not here.
 *
 * Traps:
 *   - Layers are counted where there are such tensors: a model with attention in every fourth layer
 *     has a quarter as many values to count. Of feed-forward tensors the count is the model's
 *     layers all the same, and with experts the number in the name stands for the place.
 *   - A fused attn_qkv, and attn_kv_b, are values of attention. Older tools have them otherwise.
 *   - The output is Q6_K only if its columns fit the mix's own type, not Q6_K's.
 *
 * Source: ggml-org/llama.cpp of 2026, src/llama-quant.cpp.
 * SPDX-License-Identifier: MIT */
#include "job/mix.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/names.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Which tensors of a sort get the better type; i: the place among them, of n. */
typedef enum choice_rule {
    NONE,
    ALL,
    SHARED,    /* four heads or more share their keys and values */
    FIRST_2,   /* i < 2                                          */
    FIRST_4,   /* i < 4                                          */
    SIXTEENTH, /* i < n/16                                       */
    EIGHTH,    /* i < n/8                                        */
    MORE       /* the first eighth, the last one, every third between */
} choice_rule;

typedef struct choice {
    choice_rule who;
    whit_block then, otherwise;
} choice;

struct wh_mix {
    const char *name;
    uint32_t file_type;
    whit_block type;
    choice attn_v, ffn_down, attn_output;
    whit_block attn_output_8; /* in a model of eight experts */
    int q2_k_needs;           /* importance, embeddings aside: the reference tool refuses without */
};

/* clang-format off */
static const wh_mix mixes[] = {
    /* name      file type        attn_v                           ffn_down                            attn_output                  of 8 experts, q2_k_needs */
    { "q2_k_s", 21, WHIT_Q2_K, { SHARED,  WHIT_Q4_K, WHIT_Q2_K }, { EIGHTH,    WHIT_Q4_K, WHIT_Q2_K }, { NONE, 0,         WHIT_Q2_K }, WHIT_Q2_K, 1 },
    { "q2_k_m", 10, WHIT_Q2_K, { SHARED,  WHIT_Q4_K, WHIT_Q3_K }, { ALL,       WHIT_Q3_K, 0         }, { ALL,  WHIT_Q3_K, 0         }, WHIT_Q5_K, 0 },
    { "q3_k_s", 11, WHIT_Q3_K, { NONE,    0,         WHIT_Q3_K }, { NONE,      0,         WHIT_Q3_K }, { NONE, 0,         WHIT_Q3_K }, WHIT_Q5_K, 0 },
    { "q3_k_m", 12, WHIT_Q3_K, { FIRST_2, WHIT_Q5_K, WHIT_Q4_K }, { SIXTEENTH, WHIT_Q5_K, WHIT_Q4_K }, { ALL,  WHIT_Q4_K, 0         }, WHIT_Q5_K, 0 },
    { "q3_k_l", 13, WHIT_Q3_K, { ALL,     WHIT_Q5_K, 0         }, { ALL,       WHIT_Q5_K, 0         }, { ALL,  WHIT_Q5_K, 0         }, WHIT_Q3_K, 0 },
    { "q4_k_s", 14, WHIT_Q4_K, { FIRST_4, WHIT_Q5_K, WHIT_Q4_K }, { EIGHTH,    WHIT_Q5_K, WHIT_Q4_K }, { NONE, 0,         WHIT_Q4_K }, WHIT_Q5_K, 0 },
    { "q4_k_m", 15, WHIT_Q4_K, { MORE,    WHIT_Q6_K, WHIT_Q4_K }, { MORE,      WHIT_Q6_K, WHIT_Q4_K }, { NONE, 0,         WHIT_Q4_K }, WHIT_Q5_K, 0 },
    { "q5_k_s", 16, WHIT_Q5_K, { NONE,    0,         WHIT_Q5_K }, { NONE,      0,         WHIT_Q5_K }, { NONE, 0,         WHIT_Q5_K }, WHIT_Q5_K, 0 },
    { "q5_k_m", 17, WHIT_Q5_K, { MORE,    WHIT_Q6_K, WHIT_Q5_K }, { MORE,      WHIT_Q6_K, WHIT_Q5_K }, { NONE, 0,         WHIT_Q5_K }, WHIT_Q5_K, 0 },
};

/* Pure Q3_K, Q4_K and Q5_K have no number of their own; the small mix is nearest. */
static const uint32_t file_types[] = {
    [WHIT_Q4_0] = 2,   [WHIT_Q4_1] = 3,   [WHIT_Q5_0] = 8,   [WHIT_Q5_1] = 9,
    [WHIT_Q8_0] = 7,   [WHIT_Q2_K] = 10,  [WHIT_Q3_K] = 11,  [WHIT_Q4_K] = 14,
    [WHIT_Q5_K] = 16,  [WHIT_Q6_K] = 18,  [WHIT_IQ4_NL] = 25, [WHIT_IQ4_XS] = 30,
    [WHIT_TQ1_0] = 36, [WHIT_TQ2_0] = 37, [WHIT_BLOCK_MXFP4] = 38, [WHIT_BLOCK_NVFP4] = 39,
    [WHIT_Q1_0] = 40,  [WHIT_Q2_0] = 41,
};

static const whit_block fallbacks[] = { /* of what is not here: F16 */
    [WHIT_Q2_K] = WHIT_Q4_0,  [WHIT_Q3_K] = WHIT_Q4_0,   [WHIT_Q4_K] = WHIT_Q5_0,
    [WHIT_Q5_K] = WHIT_Q5_1,  [WHIT_Q6_K] = WHIT_Q8_0,   [WHIT_IQ4_XS] = WHIT_IQ4_NL,
    [WHIT_TQ1_0] = WHIT_Q4_0, [WHIT_TQ2_0] = WHIT_Q4_0,  [WHIT_Q2_0] = WHIT_Q4_0,
};

/* What a name holds that is kept; `whole`: what it is. */
static const struct {
    const char *part, *reason;
    int whole;
} kept[] = {
    { "_norm.weight", "norm", 0 },
    { "ffn_gate_inp.weight", "router", 0 },
    { "ffn_gate_tid2eid.weight", "router", 0 },
    { "altup", "small", 0 },
    { "laurel", "small", 0 },
    { "per_layer_model_proj", "small", 0 },
    { "position_embd.weight", "position embedding", 1 },
    { "token_types.weight", "token types", 1 },
    { ".position_embd", "position embedding", 0 },
    { "sam.pos_embd", "position embedding", 0 },
    { ".rel_pos", "position embedding", 0 },
    { "attn_rel_b.weight", "position embedding", 0 },
    { "ssm_conv1d", "convolution", 0 },
    { "shortconv.conv.weight", "convolution", 0 },
    { "indexer.k_proj.weight", "indexer", 0 },
    { "indexer.q_proj.weight", "indexer", 0 },
    { "time_mix_first.weight", "time mix", 0 },
    { "time_mix_w0.weight", "time mix", 0 },
    { "time_mix_w1.weight", "time mix", 0 },
    { "time_mix_w2.weight", "time mix", 0 },
    { "time_mix_v0.weight", "time mix", 0 },
    { "time_mix_v1.weight", "time mix", 0 },
    { "time_mix_v2.weight", "time mix", 0 },
    { "time_mix_a0.weight", "time mix", 0 },
    { "time_mix_a1.weight", "time mix", 0 },
    { "time_mix_a2.weight", "time mix", 0 },
    { "time_mix_g1.weight", "time mix", 0 },
    { "time_mix_g2.weight", "time mix", 0 },
    { "time_mix_decay_w1.weight", "time mix", 0 },
    { "time_mix_decay_w2.weight", "time mix", 0 },
    { "time_mix_lerp_fused.weight", "time mix", 0 },
    { "sam.neck.", "image encoder", 0 },
    { "sam.net_", "image encoder", 0 },
    { ".patch_embd", "image encoder", 0 },
    { ".patch_merger", "image encoder", 0 },
    { "a.rvq.codebook", "audio codebook", 0 },
    { "mm.a.code_embd", "audio codebook", 0 },
};

typedef enum sort { OUTPUT, EMBEDDING, ATTN_V, ATTN_K, ATTN_OUTPUT, FFN_DOWN, OTHER } sort;

static const struct {
    const char *part;
    sort sort;
    int whole;
} sorts[] = {
    { "output.weight", OUTPUT, 1 },
    { "token_embd.weight", EMBEDDING, 1 },
    { "per_layer_token_embd.weight", EMBEDDING, 1 },
    { "attn_qkv.weight", ATTN_V, 0 },
    { "attn_kv_b.weight", ATTN_V, 0 },
    { "attn_v.weight", ATTN_V, 0 },
    { "attn_k.weight", ATTN_K, 0 },
    { "attn_output.weight", ATTN_OUTPUT, 0 },
    { "ffn_down", FFN_DOWN, 0 },
};
/* clang-format on */

static int name_has(const char *name, const char *part, int whole)
{
    return whole ? strcmp(name, part) == 0 : strstr(name, part) != NULL;
}

static sort sort_of(const char *name)
{
    for (size_t i = 0; i < COUNT(sorts); i++)
        if (name_has(name, sorts[i].part, sorts[i].whole)) return sorts[i].sort;
    return OTHER;
}

/* ---- what can be asked without a model ------------------------------------------------------- */

const wh_mix *wh_mix_parse(const char *name)
{
    for (size_t i = 0; name && i < COUNT(mixes); i++)
        if (wh_name_is(name, mixes[i].name)) return &mixes[i];
    return NULL;
}

const wh_mix *wh_mix_at(size_t i)
{
    return i < COUNT(mixes) ? &mixes[i] : NULL;
}

const char *wh_mix_name(const wh_mix *mix)
{
    return mix->name;
}

whit_block wh_mix_type(const wh_mix *mix)
{
    return mix->type;
}

uint32_t wh_mix_file_type(const wh_mix *mix)
{
    return mix->file_type;
}

uint32_t wh_block_file_type(whit_block block)
{
    _Static_assert(COUNT(file_types) == WHIT_BLOCK_COUNT, "every type has a number");
    return (size_t)block < COUNT(file_types) ? file_types[block] : 0;
}

uint32_t wh_dtype_file_type(whit_dtype dtype)
{
    return dtype == WHIT_F16 ? 1 : dtype == WHIT_BF16 ? 32 : 0;
}

static int divides(whit_block block, uint64_t cols)
{
    const whit_block_info *info = whit_block_describe(block);
    return info && cols % info->weights == 0;
}

whit_block wh_block_fallback(whit_block block, uint64_t cols)
{
    if (divides(block, cols)) return block;
    const whit_block next = (size_t)block < COUNT(fallbacks) ? fallbacks[block] : WHIT_BLOCK_NONE;
    return divides(next, cols) ? next : WHIT_BLOCK_NONE;
}

const char *wh_gguf_keeps(const char *name, unsigned rank, uint64_t rows)
{
    static const char end[] = "weight";
    const size_t len = strlen(name), n = sizeof end - 1;
    if (rank < 2 || rows < 2) return rank == 0 ? "scalar" : "1-dimensional";
    if (len < n || memcmp(name + len - n, end, n) != 0) return "no weight";
    for (size_t i = 0; i < COUNT(kept); i++)
        if (name_has(name, kept[i].part, kept[i].whole)) return kept[i].reason;
    return NULL;
}

/* ---- a model --------------------------------------------------------------------------------- */

typedef struct place {
    const char *name;
    uint64_t layer; /* 0: outside of layers, else 1 more than the number */
} place;

typedef struct places {
    place *at;
    size_t count;
} places;

struct wh_mix_survey {
    const wh_mix *mix;
    wh_mix_model model;
    int has_output;
    places attn_v, ffn_down; /* by layer, then name */
};

/* "blk.12.": 13. What is larger than any number of layers stays so. */
static uint64_t layer_of(const char *name)
{
    uint64_t n = 0;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9') return 0;
    for (name += 4; *name >= '0' && *name <= '9' && n <= UINT32_MAX; name++)
        n = n * 10 + (uint64_t)(*name - '0');
    return n + 1;
}

static int by_layer(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return strcmp(x->name, y->name);
}

static const char *kept_because(const wh_mix_tensor *t)
{
    if (t->dtype == WHIT_F8_E8M0) return "scales";
    if (t->dtype != WHIT_BLOCKS && !whit_dtype_is_float(t->dtype))
        return "type is carried as it is";
    return wh_gguf_keeps(t->name, t->rank, t->rows);
}

static void add_place(places *list, const char *name)
{
    list->at[list->count++] = (place){ name, layer_of(name) };
}

whit_status wh_mix_survey_make(wh_mix_survey **out, const wh_mix *mix, const wh_mix_model *model,
                               const wh_mix_tensor *tensors, size_t count, whit_error *err)
{
    wh_mix_survey *s = *out = wh_calloc(1, sizeof *s);
    if (s) *s = (wh_mix_survey){ .mix = mix, .model = *model };
    if (s) s->attn_v.at = wh_calloc(count, sizeof *s->attn_v.at);
    if (s) s->ffn_down.at = wh_calloc(count, sizeof *s->ffn_down.at);
    if (!s || !s->attn_v.at || !s->ffn_down.at) {
        wh_mix_survey_free(s);
        *out = NULL;
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the mix of %zu tensors", count);
    }
    for (size_t i = 0; i < count; i++) {
        const sort what = sort_of(tensors[i].name);
        s->has_output |= what == OUTPUT;
        if (kept_because(&tensors[i])) continue;
        if (what == ATTN_V) add_place(&s->attn_v, tensors[i].name);
        if (what == FFN_DOWN) add_place(&s->ffn_down, tensors[i].name);
    }
    qsort(s->attn_v.at, s->attn_v.count, sizeof *s->attn_v.at, by_layer);
    qsort(s->ffn_down.at, s->ffn_down.count, sizeof *s->ffn_down.at, by_layer);
    return WHIT_OK;
}

void wh_mix_survey_free(wh_mix_survey *survey)
{
    if (!survey) return;
    free(survey->attn_v.at);
    free(survey->ffn_down.at);
    free(survey);
}

/* How many of the list stand before this one. */
static uint64_t rank_in(const places *list, const char *name)
{
    const place key = { name, layer_of(name) };
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_layer(&list->at[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int more(uint64_t i, uint64_t n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static whit_block pick(const choice *c, uint64_t i, uint64_t n, uint32_t gqa)
{
    const int yes[] = {
        [NONE] = 0,           [ALL] = 1,           [SHARED] = gqa >= 4,
        [FIRST_2] = i < 2,    [FIRST_4] = i < 4,   [SIXTEENTH] = i < n / 16,
        [EIGHTH] = i < n / 8, [MORE] = more(i, n),
    };
    return yes[c->who] ? c->then : c->otherwise;
}

static whit_block attn_v_type(const wh_mix_survey *s, const char *name)
{
    const wh_mix_model *m = &s->model;
    if (m->experts == 8) return WHIT_Q8_0;
    whit_block type = pick(&s->mix->attn_v, rank_in(&s->attn_v, name), s->attn_v.count, m->gqa);
    /* the shape of the models of 70 B: values are small against the rest */
    if (m->layers == 80 && m->gqa > 1 && (type == WHIT_Q3_K || type == WHIT_Q4_K)) return WHIT_Q5_K;
    return type;
}

static whit_block ffn_down_type(const wh_mix_survey *s, const char *name)
{
    const wh_mix_model *m = &s->model;
    const uint64_t layer = layer_of(name);
    if (m->experts > 1 && layer == 0) return s->mix->type; /* the reference tool stops here */
    const uint64_t i = m->experts > 1 ? layer - 1 : rank_in(&s->ffn_down, name);
    return pick(&s->mix->ffn_down, i, m->layers, m->gqa);
}

static whit_block type_of(const wh_mix_survey *s, const wh_mix_tensor *t)
{
    const wh_mix *mix = s->mix;
    sort what = sort_of(t->name);
    if (what == EMBEDDING && !s->has_output) what = OUTPUT; /* it is both */
    switch (what) {
    case OUTPUT:
        return divides(mix->type, t->cols) ? WHIT_Q6_K : WHIT_Q8_0;
    case ATTN_V:
        return attn_v_type(s, t->name);
    case ATTN_K:
        return s->model.experts == 8 ? WHIT_Q8_0 : mix->type;
    case ATTN_OUTPUT:
        return s->model.experts == 8 ? mix->attn_output_8
                                     : pick(&mix->attn_output, 0, 0, s->model.gqa);
    case FFN_DOWN:
        return ffn_down_type(s, t->name);
    case EMBEDDING:
    case OTHER:
        break;
    }
    return mix->type;
}

wh_mix_choice wh_mix_choose(const wh_mix_survey *survey, const wh_mix_tensor *tensor)
{
    const char *reason = kept_because(tensor);
    if (reason) return (wh_mix_choice){ .reason = reason };
    wh_mix_choice c = { .wanted = type_of(survey, tensor) };
    c.block = wh_block_fallback(c.wanted, tensor->cols);
    c.fallback = c.block != c.wanted;
    c.needs_importance =
        c.block == WHIT_Q2_K && survey->mix->q2_k_needs && sort_of(tensor->name) != EMBEDDING;
    return c;
}
