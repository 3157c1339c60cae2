/* tests/test_rules.c - the selection: the default and its exceptions, rules, --embeddings, --head,
 * fallbacks, rules that match nothing, and the recipe that repeats all of it.
 * SPDX-License-Identifier: MIT */
#include "job/rules.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static whit_tensor tensor_of(const char *name, whit_dtype dtype, uint32_t rank,
                             const uint64_t *shape)
{
    whit_tensor t = { .name = name, .dtype = dtype, .rank = rank, .elements = 1 };
    for (uint32_t d = 0; d < rank; d++) t.elements *= t.shape[d] = shape[d];
    t.bytes = (t.elements * whit_dtype_bits(dtype) + 7) / 8;
    return t;
}

static int is(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

typedef struct row {
    const char *name;
    whit_dtype dtype;
    uint32_t rank;
    uint64_t shape[4];
    const char *scheme, *reason;
    int fallback;
} row;

static void check_row(wh_rules *rules, const row *r, const char *rule, const char *what)
{
    whit_tensor t = tensor_of(r->name, r->dtype, r->rank, r->shape);
    wh_choice c;
    whit_error err = { WHIT_OK, "" };
    char text[WHIT_SCHEME_TEXT];
    CHECK(wh_rules_choose(rules, &t, &c, &err) == WHIT_OK, "%s: %s", r->name, err.msg);
    whit_scheme_print(&c.scheme, text);
    CHECK(is(text, r->scheme), "%s, %s: %s (%s)", what, r->name, text, c.reason ? c.reason : "");
    CHECK(is(c.reason, r->reason), "%s, %s: reason %s", what, r->name, c.reason ? c.reason : "-");
    CHECK(is(c.rule, rule), "%s, %s: rule %s", what, r->name, c.rule ? c.rule : "-");
    CHECK(c.fallback == r->fallback, "%s, %s: fallback %d", what, r->name, c.fallback);
}

static wh_rules *make(const char *standard, const char *embeddings, const char *head,
                      const char *const *list, size_t count)
{
    wh_rules *rules = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_rules_make(&rules, standard, embeddings, head, list, count, &err) == WHIT_OK, "%s",
          err.msg);
    if (!rules) exit(check_result()); /* nothing below makes sense */
    return rules;
}

/* clang-format off */
static const row defaults[] = {
    /* floats of rank 2 and more, 32 columns, 1024 elements */
    { "model.layers.0.mlp.up_proj.weight", WHIT_F16,  2, { 64, 32 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F32,         2, { 32, 32 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F32,         2, { 31, 33 },       "keep", "small", 0 },
    { "a.weight",           WHIT_F32,         2, { 1000, 31 },     "keep", "narrow", 0 },
    { "a.weight",           WHIT_F32,         2, { 1, 1024 },      "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F32,         2, { 4, 4 },         "keep", "small", 0 },
    { "a.weight",           WHIT_F32,         2, { 0, 64 },        "keep", "empty", 0 },
    { "a.weight",           WHIT_F32,         2, { 64, 0 },        "keep", "empty", 0 },
    { "a.weight",           WHIT_F32,         1, { 4096 },         "keep", "1-dimensional", 0 },
    { "a.weight",           WHIT_F32,         0, { 0 },            "keep", "scalar", 0 },
    { "conv.weight",        WHIT_F32,         4, { 16, 4, 3, 3 },  "keep", "small", 0 },
    { "conv.weight",        WHIT_F32,         4, { 32, 4, 3, 3 },  "int4-g128", NULL, 0 },
    { "conv.weight",        WHIT_F32,         4, { 64, 3, 3, 3 },  "keep", "narrow", 0 },
    { "m.experts.up",       WHIT_F32,         3, { 8, 64, 16 },    "keep", "narrow", 0 },
    { "m.other.up",         WHIT_F32,         3, { 8, 64, 16 },    "int4-g128", NULL, 0 },
    /* types */
    { "a.weight",           WHIT_BF16,        2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F64,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F8_E4M3,     2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F8_E5M2FNUZ, 2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "a.weight",           WHIT_F8_E8M0,     2, { 64, 64 },       "keep", "scales", 0 },
    { "a.weight",           WHIT_F4,          2, { 64, 64 },       "keep", "type is carried as it is", 0 },
    { "a.weight",           WHIT_C64,         2, { 64, 64 },       "keep", "type is carried as it is", 0 },
    { "a.weight",           WHIT_I64,         2, { 64, 64 },       "keep", "integer", 0 },
    { "a.weight",           WHIT_U8,          2, { 64, 64 },       "keep", "integer", 0 },
    { "a.weight",           WHIT_BOOL,        2, { 64, 64 },       "keep", "boolean", 0 },
    { "embed",              WHIT_I32,         2, { 64, 64 },       "keep", "integer", 0 },
    { "lm_head",            WHIT_F32,         1, { 64 },           "keep", "1-dimensional", 0 },
    /* embeddings: by the last part before .weight, and only by that */
    { "model.embed_tokens.weight", WHIT_F16,  2, { 64, 64 },       "keep", "embedding", 0 },
    { "token_embd.weight",  WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "x.word_embeddings",  WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "emb.weight",         WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "tok_emb",            WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "h.wte.weight",       WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "transformer.wpe",    WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "shared.weight",      WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "layers.3.embed",     WHIT_F16,         2, { 64, 64 },       "keep", "embedding", 0 },
    { "embed",              WHIT_F16,         2, { 2, 2 },         "keep", "embedding", 0 },
    { "embed.proj.weight",  WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "embed.weight.x",     WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "Embed",              WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "xemb",               WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "emb_x",              WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "shared.up.weight",   WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "weight",             WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { ".weight",            WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "",                   WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    /* heads */
    { "lm_head.weight",     WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "a.0.lm_head",        WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "wcls",               WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "embed_out.weight",   WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "output.weight",      WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "model.head",         WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "classifier.weight",  WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "score.weight",       WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "a1.output.weight",   WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "l.1.output.weight",  WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "12.head",            WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "a..head",            WHIT_F16,         2, { 64, 64 },       "keep", "output head", 0 },
    { "attn_output.weight", WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    { "output.dense",       WHIT_F16,         2, { 64, 64 },       "int4-g128", NULL, 0 },
    /* routers; a gate is one with fewer rows than a quarter of its columns */
    { "l.0.router.weight",  WHIT_F16,         2, { 64, 64 },       "keep", "router", 0 },
    { "b.0.ffn_gate_inp",   WHIT_F16,         2, { 64, 64 },       "keep", "router", 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 8, 4096 },      "keep", "router", 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 31, 128 },      "keep", "router", 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 32, 128 },      "int4-g128", NULL, 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 32, 129 },      "keep", "router", 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 33, 131 },      "int4-g128", NULL, 0 },
    { "l.0.gate.weight",    WHIT_F16,         2, { 1ull << 60, 4 }, "keep", "narrow", 0 },
    { "l.0.gate_proj",      WHIT_F16,         2, { 8, 4096 },      "int4-g128", NULL, 0 },
};
/* clang-format on */

static void test_defaults(void)
{
    wh_rules *rules = make("int4-g128", NULL, NULL, NULL, 0);
    for (size_t i = 0; i < COUNT(defaults); i++) check_row(rules, &defaults[i], NULL, "default");
    CHECK(wh_rules_unmatched(rules) == 0 && !wh_rules_unmatched_at(rules, 0), "no rules");
    wh_rules_free(rules);
    wh_rules_free(NULL);
}

/* --scheme may name a plain type or keep: it then holds for what is quantized by default. */
static void test_plain_default(void)
{
    static const struct {
        const char *standard;
        row r;
    } cases[] = {
        { "f16", { "a", WHIT_F32, 2, { 64, 64 }, "f16", NULL, 0 } },
        { "f16", { "a", WHIT_F16, 2, { 64, 64 }, "keep", "already F16", 0 } },
        { "bf16", { "a", WHIT_BF16, 2, { 64, 64 }, "keep", "already BF16", 0 } },
        { "f32", { "a", WHIT_F32, 2, { 64, 64 }, "keep", "already F32", 0 } },
        { "f32", { "a", WHIT_F8_E4M3, 2, { 64, 64 }, "f32", NULL, 0 } },
        { "f16", { "a", WHIT_F32, 1, { 64 }, "keep", "1-dimensional", 0 } },
        { "f16", { "embed", WHIT_F32, 2, { 64, 64 }, "keep", "embedding", 0 } },
        { "keep", { "a", WHIT_F32, 2, { 64, 64 }, "keep", "default", 0 } },
        { "keep", { "a", WHIT_F32, 2, { 4, 4 }, "keep", "small", 0 } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        wh_rules *rules = make(cases[i].standard, NULL, NULL, NULL, 0);
        check_row(rules, &cases[i].r, NULL, cases[i].standard);
        wh_rules_free(rules);
    }
}

static void test_embeddings_and_head(void)
{
    static const row rows[] = {
        { "model.embed_tokens.weight", WHIT_F16, 2, { 64, 64 }, "int8-channel", NULL, 0 },
        { "embed", WHIT_F16, 2, { 2, 3 }, "int8-channel", NULL, 0 }, /* no least size */
        { "wpe", WHIT_F16, 3, { 2, 3, 4 }, "int8-channel", NULL, 0 },
        { "lm_head.weight", WHIT_F16, 2, { 64, 64 }, "int6-g128", NULL, 0 },
        { "embed_out", WHIT_F16, 2, { 64, 64 }, "int6-g128", NULL, 0 },
        { "l.1.output.weight", WHIT_F16, 2, { 64, 64 }, "int4-g128", NULL, 0 },
        { "l.router", WHIT_F16, 2, { 64, 64 }, "keep", "router", 0 },
        { "embed", WHIT_F16, 1, { 64 }, "keep", "1-dimensional", 0 },
        { "embed", WHIT_I32, 2, { 64, 64 }, "keep", "integer", 0 },
        { "lm_head", WHIT_F16, 0, { 0 }, "keep", "scalar", 0 },
        { "embed", WHIT_F16, 2, { 0, 64 }, "keep", "empty", 1 },
    };
    wh_rules *rules = make("int4", "int8", "int6", NULL, 0);
    for (size_t i = 0; i < COUNT(rows); i++) check_row(rules, &rows[i], NULL, "special");
    wh_rules_free(rules);

    static const row only[] = {
        { "embed", WHIT_F16, 2, { 64, 64 }, "keep", "already F16", 0 },
        { "embed", WHIT_F32, 2, { 64, 64 }, "f16", NULL, 0 },
        { "embed", WHIT_F32, 1, { 64 }, "keep", "1-dimensional", 0 },
        { "lm_head", WHIT_F32, 2, { 64, 64 }, "keep", "output head", 0 },
    };
    rules = make("int4", "f16", NULL, NULL, 0);
    for (size_t i = 0; i < COUNT(only); i++) check_row(rules, &only[i], NULL, "embeddings only");
    wh_rules_free(rules);

    static const row kept = { "lm_head", WHIT_F32, 2, { 64, 64 }, "keep", "output head", 0 };
    rules = make("int4", NULL, "keep", NULL, 0);
    check_row(rules, &kept, NULL, "head kept");
    wh_rules_free(rules);
}

static void test_rules(void)
{
    static const char *const list[] = {
        "*=int8",    "*norm*=f32", "l.{0..3}.*=int4-g64-asym", "l.2.up=keep", "a=b=nf4",
        "*.bf=bf16", "token=int2", "nothing.*=int4",           "*.ids=f16",   "nor.this=keep",
    };
    static const struct {
        const char *rule;
        row r;
    } cases[] = {
        { "*", { "x", WHIT_F32, 2, { 64, 64 }, "int8-channel", NULL, 0 } },
        { "*", { "x", WHIT_F32, 2, { 1, 1 }, "int8-channel", NULL, 0 } }, /* no least size */
        { "*", { "embed", WHIT_F32, 2, { 64, 64 }, "int8-channel", NULL, 0 } },
        { "*", { "lm_head", WHIT_F32, 2, { 64, 64 }, "int8-channel", NULL, 0 } },
        { "*", { "l.9.router", WHIT_F32, 2, { 64, 64 }, "int8-channel", NULL, 0 } },
        { "*", { "x.scales", WHIT_F8_E8M0, 2, { 64, 64 }, "int8-channel", NULL, 0 } },
        { "l.{0..3}.*", { "l.3.up.weight", WHIT_F32, 2, { 8, 8 }, "int4-g64-asym", NULL, 0 } },
        { "*", { "l.4.up.weight", WHIT_F32, 2, { 8, 8 }, "int8-channel", NULL, 0 } },
        { "l.2.up", { "l.2.up.weight", WHIT_F32, 2, { 8, 8 }, "keep", "rule", 0 } },
        { "l.2.up", { "l.2.up", WHIT_I8, 2, { 8, 8 }, "keep", "rule", 0 } },
        { "a=b", { "a=b", WHIT_F32, 2, { 8, 8 }, "nf4-g64", NULL, 0 } },
        { "token", { "token.weight", WHIT_F32, 2, { 8, 8 }, "int2-g128", NULL, 0 } },
        /* plain types hold any float, of any rank, and of no elements */
        { "*norm*", { "norm.weight", WHIT_F16, 1, { 64 }, "f32", NULL, 0 } },
        { "*norm*", { "norm.scale", WHIT_BF16, 0, { 0 }, "f32", NULL, 0 } },
        { "*norm*", { "norm.none", WHIT_BF16, 2, { 0, 3 }, "f32", NULL, 0 } },
        { "*norm*", { "norm.f", WHIT_F32, 1, { 64 }, "keep", "already F32", 0 } },
        { "*.bf", { "x.bf", WHIT_BF16, 2, { 64, 64 }, "keep", "already BF16", 0 } },
        /* what a scheme cannot hold is kept, and said */
        { "*", { "x", WHIT_F32, 1, { 64 }, "keep", "1-dimensional", 1 } },
        { "*", { "x", WHIT_F32, 0, { 0 }, "keep", "scalar", 1 } },
        { "*", { "x", WHIT_F32, 2, { 64, 0 }, "keep", "empty", 1 } },
        { "*", { "x", WHIT_I64, 2, { 64, 64 }, "keep", "integer", 1 } },
        { "*", { "x", WHIT_BOOL, 2, { 64, 64 }, "keep", "boolean", 1 } },
        { "*", { "x", WHIT_F6_E2M3, 2, { 64, 64 }, "keep", "type is carried as it is", 1 } },
        { "*.ids", { "x.ids", WHIT_I64, 2, { 64, 64 }, "keep", "integer", 1 } },
        { "*norm*", { "norm", WHIT_U8, 1, { 64 }, "keep", "integer", 1 } },
    };
    wh_rules *rules = make("int4", "int3", "int5", list, COUNT(list)); /* rules beat all three */
    CHECK(wh_rules_unmatched(rules) == COUNT(list), "before");
    for (size_t i = 0; i < COUNT(cases); i++) check_row(rules, &cases[i].r, cases[i].rule, "rule");
    CHECK(wh_rules_unmatched(rules) == 2, "%zu", wh_rules_unmatched(rules));
    CHECK(is(wh_rules_unmatched_at(rules, 0), "nothing.*=int4"), "first");
    CHECK(is(wh_rules_unmatched_at(rules, 1), "nor.this=keep"), "second");
    CHECK(wh_rules_unmatched_at(rules, 2) == NULL, "third");
    wh_rules_free(rules);
}

/* A rule that only ever loses to a later one has matched all the same. */
static void test_overridden_rule_has_matched(void)
{
    static const char *const list[] = { "a*=int8", "ab=keep" };
    static const row r = { "ab", WHIT_F32, 2, { 64, 64 }, "keep", "rule", 0 };
    wh_rules *rules = make("int4", NULL, NULL, list, 2);
    check_row(rules, &r, "ab", "overridden");
    CHECK(wh_rules_unmatched(rules) == 0, "%zu", wh_rules_unmatched(rules));
    wh_rules_free(rules);
}

static void test_refused(void)
{
    static const struct {
        const char *standard, *embeddings, *head, *rule, *quoted;
    } cases[] = {
        { "int9", NULL, NULL, "*=int4", "'int9'" },
        { NULL, NULL, NULL, "*=int4", "missing" },
        { "int4", "int1", NULL, "*=int4", "'int1'" },
        { "int4", NULL, "int4-g1", "*=int4", "'int4-g1'" },
        { "int4", NULL, NULL, "lm_head", "rule 'lm_head': no '='" },
        { "int4", NULL, NULL, "", "rule ''" },
        { "int4", NULL, NULL, "=int4", "glob is empty" },
        { "int4", NULL, NULL, "a=", "rule 'a=': scheme ''" },
        { "int4", NULL, NULL, "a=int4=int9", "rule 'a=int4=int9': scheme 'int9'" },
        { "int4", NULL, NULL, "a= int4", "scheme ' int4'" },
        { "int4", NULL, NULL, "a{b=int4", "rule 'a{b=int4': glob 'a{b'" },
        { "int4", NULL, NULL, "#a=int4", "[#]" },
        { "int4", NULL, NULL, " a=int4", "space" },
        { "int4", NULL, NULL, "a =int4", "space" },
        { "int4", NULL, NULL, "a\nb=int4", "rule 'a?b=int4'" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const list[] = { "ok*=int4", cases[i].rule };
        char not_null;
        wh_rules *rules = (void *)&not_null;
        whit_error err = { WHIT_OK, "" };
        whit_status st = wh_rules_make(&rules, cases[i].standard, cases[i].embeddings,
                                       cases[i].head, list, 2, &err);
        CHECK(st == WHIT_ERR_ARG && rules == NULL, "case %zu: %d", i, (int)st);
        CHECK(strstr(err.msg, cases[i].quoted) != NULL, "case %zu: %s", i, err.msg);
    }
}

/* ---- the recipe ------------------------------------------------------------------------------ */

static const row model[] = {
    { "embed", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "odd *?[{}],# embed.weight", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "odd xxxxx embed", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "#embed", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "l.0.embed", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "l.0.up.weight", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "l.0.norm.weight", WHIT_F16, 1, { 64 }, NULL, NULL, 0 },
    { "embed.norm", WHIT_F16, 1, { 64 }, NULL, NULL, 0 },
    { "lm_head.weight", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
    { "l.1.router", WHIT_F16, 2, { 64, 64 }, NULL, NULL, 0 },
};

static void choose_all(wh_rules *rules, whit_scheme out[COUNT(model)])
{
    for (size_t i = 0; i < COUNT(model); i++) {
        whit_tensor t = tensor_of(model[i].name, model[i].dtype, model[i].rank, model[i].shape);
        wh_choice c;
        CHECK(wh_rules_choose(rules, &t, &c, NULL) == WHIT_OK, "%s", t.name);
        out[i] = c.scheme;
    }
}

/* Read the lines of a recipe as its users do: the first is the default, the others are rules. */
static wh_rules *read_recipe(char *text)
{
    static char rules_text[16][128];
    const char *list[16];
    char *standard = NULL;
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line && n < 16; line = strtok(NULL, "\n")) {
        char *space = strrchr(line, ' ');
        CHECK(space != NULL, "%s", line);
        if (!space) continue;
        *space = 0;
        if (!standard) {
            CHECK(strcmp(line, "*") == 0, "%s", line);
            standard = space + 1;
            continue;
        }
        snprintf(rules_text[n], sizeof rules_text[n], "%s=%s", line, space + 1);
        list[n] = rules_text[n];
        n++;
    }
    return make(standard, NULL, NULL, list, n);
}

static void test_recipe(void)
{
    static const char *const list[] = { "l.0.*=INT8-ASYM-SF32", "lm_{a,head}=keep", "a b=nf4" };
    whit_scheme want[COUNT(model)], got[COUNT(model)];
    wh_buf out = { 0 };
    wh_rules *rules = make("int4", "int6-sf16", "int5", list, COUNT(list));
    choose_all(rules, want);
    wh_rules_recipe(rules, &out);
    CHECK(!out.failed && is(out.data, "* int4-g128\n"
                                      "embed int6-g128\n"
                                      "odd[ ][*][?][[][{]}],[#][ ]embed.weight int6-g128\n"
                                      "odd[ ]xxxxx[ ]embed int6-g128\n"
                                      "[#]embed int6-g128\n"
                                      "l.0.* int8-channel-asym\n"
                                      "lm_{a,head} keep\n"
                                      "a b nf4-g64\n"),
          "%s", out.data);
    wh_rules_free(rules);
    rules = out.data ? read_recipe(out.data) : NULL;
    if (rules) choose_all(rules, got);
    for (size_t i = 0; rules && i < COUNT(model); i++) {
        char a[WHIT_SCHEME_TEXT], b[WHIT_SCHEME_TEXT];
        CHECK(is(whit_scheme_print(&want[i], a), whit_scheme_print(&got[i], b)), "%s: %s, %s",
              model[i].name, a, b);
    }
    wh_rules_free(rules);
    wh_buf_free(&out);

    rules = make("keep", "int8", NULL, NULL, 0);
    whit_tensor t = tensor_of("a\nb\x7f.embed", WHIT_F16, 2, (const uint64_t[]){ 64, 64 });
    wh_choice c;
    CHECK(wh_rules_choose(rules, &t, &c, NULL) == WHIT_OK, "control characters");
    wh_rules_recipe(rules, &out);
    CHECK(is(out.data, "* keep\na?b?.embed int8-channel\n"), "%s", out.data);
    wh_rules_free(rules);
    wh_buf_free(&out);
}

int main(void)
{
    test_defaults();
    test_plain_default();
    test_embeddings_and_head();
    test_rules();
    test_overridden_rule_has_matched();
    test_refused();
    test_recipe();
    return check_result();
}
