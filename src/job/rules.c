/* src/job/rules.c - which scheme each tensor gets: the default, its exceptions, the user's rules.
 *
 * All who have a say are asked in order: the built-in choice (the default scheme, or keep for what
 * is not quantized by default), the lines of the recipe that match, --embeddings or --head for
 * those, the rules that match. The last one decides. Not here: what an output format can hold (the
 * plan asks that), reading recipes (recipe.c). The selection is specified in whit/job.h.
 *
 * SPDX-License-Identifier: MIT */
#include "job/rules.h"

#include "base/mem.h"
#include "base/names.h"
#include "job/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_COLS 32
#define MIN_ELEMENTS 1024

/* What the name says. The first two index wh_rules.special. */
typedef enum name_class {
    NAME_EMBEDDING,
    NAME_HEAD,
    NAME_ROUTER,
    NAME_GATE,
    NAME_OTHER
} name_class;

/* A name that --embeddings or --head decided: the recipe lists it. */
typedef struct special_name {
    char *glob; /* of exactly this name */
    name_class class;
} special_name;

struct wh_rules {
    whit_scheme standard, special[2];
    const wh_mix *mix; /* the default is this one, and `standard` keep; or NULL */
    wh_begin_fn *begin;
    void *begin_ctx;
    int has_special[2], special_matched[2];
    wh_recipe recipe;
    wh_rule *rules;
    char **text; /* of the rules, "GLOB=SCHEME" */
    size_t count;
    special_name *names;
    size_t names_count, names_cap;
};

/* ---- what a tensor is ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    name_class class;
    int outside_layers; /* only where no part of the name is a number */
} last_parts[] = {
    { "emb", NAME_EMBEDDING, 0 }, { "tok_emb", NAME_EMBEDDING, 0 },   { "wte", NAME_EMBEDDING, 0 },
    { "wpe", NAME_EMBEDDING, 0 }, { "shared", NAME_EMBEDDING, 0 },    { "wcls", NAME_HEAD, 0 },
    { "lm_head", NAME_HEAD, 0 },  { "embed_out", NAME_HEAD, 0 },      { "output", NAME_HEAD, 1 },
    { "head", NAME_HEAD, 1 },     { "classifier", NAME_HEAD, 1 },     { "score", NAME_HEAD, 1 },
    { "router", NAME_ROUTER, 0 }, { "ffn_gate_inp", NAME_ROUTER, 0 }, { "gate", NAME_GATE, 0 },
};

static int contains(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(text + i, word, n) == 0) return 1;
    return 0;
}

static int has_number_part(const char *name)
{
    for (;;) {
        size_t digits = strspn(name, "0123456789"), len = strcspn(name, ".");
        if (len > 0 && digits == len) return 1;
        if (!name[len]) return 0;
        name += len + 1;
    }
}

/* Goes by the last part of the name, a final ".weight" aside. */
static name_class class_of(const char *name)
{
    static const char suffix[] = ".weight";
    size_t len = strlen(name), cut = sizeof suffix - 1;
    if (len >= cut && memcmp(name + len - cut, suffix, cut) == 0) len -= cut;
    size_t start = len;
    while (start > 0 && name[start - 1] != '.') start--;
    const char *part = name + start;
    len -= start;
    for (size_t i = 0; i < sizeof last_parts / sizeof last_parts[0]; i++) {
        if (strlen(last_parts[i].name) != len || memcmp(part, last_parts[i].name, len) != 0)
            continue;
        return last_parts[i].outside_layers && has_number_part(name) ? NAME_OTHER
                                                                     : last_parts[i].class;
    }
    if (contains(part, len, "embed") || contains(part, len, "embd")) return NAME_EMBEDDING;
    return NAME_OTHER;
}

wh_name_sort wh_rules_name_sort(const char *name)
{
    const name_class class = class_of(name);
    return class == NAME_EMBEDDING ? WH_NAME_EMBEDDING
           : class == NAME_HEAD    ? WH_NAME_HEAD
                                   : WH_NAME_OTHER;
}

/* Why no scheme but keep can hold this type. */
static const char *type_reason(whit_dtype dtype)
{
    switch (dtype) {
    case WHIT_BOOL:
        return "boolean";
    case WHIT_U8:
    case WHIT_I8:
    case WHIT_I16:
    case WHIT_U16:
    case WHIT_I32:
    case WHIT_U32:
    case WHIT_I64:
    case WHIT_U64:
        return "integer";
    default:
        return "type is carried as it is";
    }
}

/* Why the tensor cannot be stored by this scheme; NULL when it can. */
static const char *unfit(const whit_tensor *t, const whit_scheme *scheme)
{
    if (!whit_dtype_is_float(t->dtype)) return type_reason(t->dtype);
    if (!whit_scheme_is_quantized(scheme)) return NULL;
    if (t->rank < 2) return t->rank == 0 ? "scalar" : "1-dimensional";
    return t->elements == 0 ? "empty" : NULL;
}

/* Why the tensor is not quantized by default; NULL when it is. */
static const char *exception(const whit_tensor *t, name_class class)
{
    uint64_t rows, cols;
    if (!whit_dtype_is_float(t->dtype)) return type_reason(t->dtype);
    if (t->dtype == WHIT_F8_E8M0) return "scales";
    if (t->rank < 2) return t->rank == 0 ? "scalar" : "1-dimensional";
    if (class == NAME_EMBEDDING) return "embedding";
    if (class == NAME_HEAD) return "output head";
    whit_tensor_matrix(t, &rows, &cols);
    if (class == NAME_ROUTER) return "router";
    if (class == NAME_GATE && rows < cols / 4 + (cols % 4 != 0))
        return "router"; /* 4 rows < cols */
    if (t->elements == 0) return "empty";
    if (t->elements < MIN_ELEMENTS) return "small";
    return cols < MIN_COLS ? "narrow" : NULL;
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* The reason to keep a tensor that is of the asked type already; NULL when it is not. */
static const char *already(const whit_tensor *t, const whit_scheme *scheme)
{
    if (scheme->kind == WHIT_TO_F16 && t->dtype == WHIT_F16) return "already F16";
    if (scheme->kind == WHIT_TO_BF16 && t->dtype == WHIT_BF16) return "already BF16";
    if (scheme->kind == WHIT_TO_F32 && t->dtype == WHIT_F32) return "already F32";
    return NULL;
}

/* Give the tensor the scheme that was named for it, as far as it can hold it. */
static void apply(wh_choice *choice, const whit_tensor *t, const whit_scheme *scheme,
                  const char *keep_reason)
{
    if (scheme->kind == WHIT_KEEP) {
        choice->reason = keep_reason;
        return;
    }
    choice->reason = unfit(t, scheme);
    choice->fallback = choice->reason != NULL;
    if (!choice->reason) choice->reason = already(t, scheme);
    if (!choice->reason) choice->scheme = *scheme;
}

/* The glob of exactly this name. Characters that would break the line become '?', which is as near
 * as a line of text can come. */
static void put_exact(wh_buf *out, const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x20 || c == 0x7f)
            wh_buf_put(out, "?", 1);
        else if (strchr("*?[{# ", c))
            wh_buf_putf(out, "[%c]", c);
        else
            wh_buf_put(out, name, 1);
    }
}

/* The rules that match, in order. */
static whit_status ask_rules(wh_rule *rule, size_t count, const char *name, wh_vote_fn *say,
                             void *ctx, whit_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int match = wh_glob_match(rule[i].glob, name);
        if (match < 0) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to match a rule");
        if (!match) continue;
        say(ctx, &(wh_vote){ .by = rule[i].line ? WH_VOTE_RECIPE : WH_VOTE_RULE,
                             .rule = &rule[i],
                             .scheme = rule[i].scheme,
                             .reason = "rule" });
    }
    return WHIT_OK;
}

whit_status wh_rules_ask(wh_rules *rules, const whit_tensor *tensor, wh_vote_fn *say, void *ctx,
                         whit_error *err)
{
    name_class class = class_of(tensor->name);
    const char *reason = exception(tensor, class);
    wh_vote first = { .by = reason ? WH_VOTE_EXCEPTION : WH_VOTE_DEFAULT,
                      .scheme = { .kind = WHIT_KEEP, .scale_type = WHIT_F32 },
                      .reason = reason ? reason : "default" };
    if (!reason) first.scheme = rules->standard;
    if (rules->begin) rules->begin(rules->begin_ctx, tensor, &first);
    say(ctx, &first);
    whit_status st =
        ask_rules(rules->recipe.rule, rules->recipe.count, tensor->name, say, ctx, err);
    if (st != WHIT_OK) return st;
    int special = (class == NAME_EMBEDDING || class == NAME_HEAD) && rules->has_special[class];
    if (special && tensor->rank >= 2 && whit_dtype_is_float(tensor->dtype))
        say(ctx, &(wh_vote){ .by = class == NAME_HEAD ? WH_VOTE_HEAD : WH_VOTE_EMBEDDINGS,
                             .scheme = rules->special[class],
                             .reason = reason });
    return ask_rules(rules->rules, rules->count, tensor->name, say, ctx, err);
}

typedef struct choosing {
    wh_rules *rules;
    wh_vote won;
} choosing;

/* A wh_vote_fn: what is said last counts. */
static void keep_last(void *ctx, const wh_vote *vote)
{
    choosing *c = ctx;
    if (vote->rule) vote->rule->matched = 1;
    if (vote->by == WH_VOTE_EMBEDDINGS) c->rules->special_matched[NAME_EMBEDDING] = 1;
    if (vote->by == WH_VOTE_HEAD) c->rules->special_matched[NAME_HEAD] = 1;
    c->won = *vote;
}

static whit_status remember(wh_rules *rules, const char *name, name_class class, whit_error *err)
{
    void *names = rules->names;
    wh_buf glob = { 0 };
    int grown = wh_grow(&names, &rules->names_cap, rules->names_count + 1, sizeof *rules->names);
    rules->names = names;
    put_exact(&glob, name);
    if (!grown || glob.failed) {
        wh_buf_free(&glob);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the recipe");
    }
    rules->names[rules->names_count++] = (special_name){ glob.data, class };
    return WHIT_OK;
}

whit_status wh_rules_choose(wh_rules *rules, const whit_tensor *tensor, wh_choice *out,
                            whit_error *err)
{
    choosing c = { rules, { .by = WH_VOTE_DEFAULT } };
    *out = (wh_choice){ .scheme = { .kind = WHIT_KEEP, .scale_type = WHIT_F32 } };
    whit_status st = wh_rules_ask(rules, tensor, keep_last, &c, err);
    if (st != WHIT_OK) return st;
    if (c.won.rule) out->rule = c.won.rule->text;
    apply(out, tensor, &c.won.scheme, c.won.reason);
    if (c.won.by == WH_VOTE_EMBEDDINGS) return remember(rules, tensor->name, NAME_EMBEDDING, err);
    return c.won.by == WH_VOTE_HEAD ? remember(rules, tensor->name, NAME_HEAD, err) : WHIT_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static whit_status make_rule(wh_rule *rule, const char *text, whit_error *err)
{
    char shown[WH_SHORT], prefix[WH_SHORT + 8];
    const char *equal = strrchr(text, '=');
    wh_short(shown, text);
    if (!equal) return wh_fail(err, WHIT_ERR_ARG, "rule '%s': no '='; try: 'GLOB=SCHEME'", shown);
    whit_status st = wh_rule_make(rule, text, (size_t)(equal - text), equal + 1, err);
    if (st != WHIT_ERR_ARG) return st;
    snprintf(prefix, sizeof prefix, "rule '%s'", shown);
    return wh_prefix(err, st, prefix);
}

whit_status wh_rules_make(wh_rules **out, const char *default_scheme, const char *embeddings,
                          const char *head, const char *const *rules, size_t count, whit_error *err)
{
    const char *const special[2] = { [NAME_EMBEDDING] = embeddings, [NAME_HEAD] = head };
    whit_status st = WHIT_OK;
    *out = NULL;
    wh_rules *made = wh_calloc(1, sizeof *made);
    if (made) made->rules = wh_calloc(count, sizeof *made->rules);
    if (made) made->text = wh_calloc(count, sizeof *made->text);
    if (!made || !made->rules || !made->text) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the rules");
        goto cleanup;
    }
    made->mix = wh_mix_parse(default_scheme);
    st = whit_scheme_parse(&made->standard, made->mix ? "keep" : default_scheme, err);
    for (size_t i = 0; i < 2 && st == WHIT_OK; i++) {
        made->has_special[i] = special[i] != NULL;
        if (special[i]) st = whit_scheme_parse(&made->special[i], special[i], err);
    }
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        made->count = i + 1; /* a half-made rule is freed like a whole one */
        made->text[i] = wh_strndup(rules[i], strlen(rules[i]));
        st = made->text[i] ? make_rule(&made->rules[i], rules[i], err)
                           : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the rules");
    }
    if (st != WHIT_OK) goto cleanup;
    *out = made;
    made = NULL;
cleanup:
    wh_rules_free(made);
    return st;
}

void wh_rules_begin_with(wh_rules *rules, wh_begin_fn *begin, void *ctx)
{
    rules->begin = begin;
    rules->begin_ctx = ctx;
}

void wh_rules_take(wh_rules *rules, wh_recipe *recipe)
{
    wh_recipe_free(&rules->recipe);
    rules->recipe = *recipe;
    *recipe = (wh_recipe){ 0 };
}

void wh_rules_free(wh_rules *rules)
{
    if (!rules) return;
    for (size_t i = 0; i < rules->count; i++) {
        wh_rule_free(&rules->rules[i]);
        free(rules->text[i]);
    }
    for (size_t i = 0; i < rules->names_count; i++) free(rules->names[i].glob);
    wh_recipe_free(&rules->recipe);
    free(rules->rules);
    free(rules->text);
    free(rules->names);
    free(rules);
}

/* ---- asking afterwards ----------------------------------------------------------------------- */

const wh_recipe *wh_rules_lines(const wh_rules *rules)
{
    return &rules->recipe;
}

size_t wh_rules_unmatched(const wh_rules *rules)
{
    size_t n = 0;
    for (size_t i = 0; i < rules->count; i++) n += !rules->rules[i].matched;
    return n;
}

const char *wh_rules_unmatched_at(const wh_rules *rules, size_t i)
{
    for (size_t k = 0; k < rules->count; k++)
        if (!rules->rules[k].matched && i-- == 0) return rules->text[k];
    return NULL;
}

int wh_rules_embeddings_unmatched(const wh_rules *rules)
{
    return rules->has_special[NAME_EMBEDDING] && !rules->special_matched[NAME_EMBEDDING];
}

int wh_rules_head_unmatched(const wh_rules *rules)
{
    return rules->has_special[NAME_HEAD] && !rules->special_matched[NAME_HEAD];
}

/* ---- the recipe ------------------------------------------------------------------------------ */

typedef struct line {
    const char *glob;
    const whit_scheme *scheme;
} line;

/* All that was said, in the order of rank. Returns how many lines. */
static size_t list_lines(const wh_rules *rules, line *out)
{
    size_t n = 0;
    for (size_t i = 0; i < rules->recipe.count; i++)
        out[n++] = (line){ rules->recipe.rule[i].text, &rules->recipe.rule[i].scheme };
    for (size_t i = 0; i < rules->names_count; i++)
        out[n++] = (line){ rules->names[i].glob, &rules->special[rules->names[i].class] };
    for (size_t i = 0; i < rules->count; i++)
        out[n++] = (line){ rules->rules[i].text, &rules->rules[i].scheme };
    return n;
}

static void put_line(wh_buf *out, const char *glob, const whit_scheme *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    wh_buf_putf(out, "%s %s\n", glob, whit_scheme_print(scheme, text));
}

void wh_rules_recipe(const wh_rules *rules, wh_buf *out)
{
    line *lines = wh_calloc(rules->recipe.count + rules->names_count + rules->count, sizeof *lines);
    size_t n = lines ? list_lines(rules, lines) : 0;
    wh_names later = { 0 };
    out->failed |= !lines;
    for (size_t i = n; i-- > 0;) {
        int added = wh_names_add(&later, lines[i].glob, i);
        out->failed |= added < 0;
        if (added == 0) lines[i].glob = NULL;
    }
    if (rules->mix)
        wh_buf_putf(out, "* %s\n", wh_mix_name(rules->mix));
    else
        put_line(out, "*", &rules->standard);
    for (size_t i = 0; i < n; i++)
        if (lines[i].glob) put_line(out, lines[i].glob, lines[i].scheme);
    wh_names_free(&later);
    free(lines);
}
