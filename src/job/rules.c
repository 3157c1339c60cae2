/* src/job/rules.c - which scheme each tensor gets: the default, its exceptions, the user's rules.
 *
 * A decision goes: the last rule that matches; else --embeddings or --head for those; else the
 * default scheme for what is quantized by default; else keep. Not here: what an output format can
 * hold (the plan asks that), reading recipe files. The selection is specified in README.
 *
 * SPDX-License-Identifier: MIT */
#include "job/rules.h"

#include "base/mem.h"
#include "job/glob.h"

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

typedef struct rule {
    char *text, *glob_text;
    wh_glob *glob;
    whit_scheme scheme;
    int matched;
} rule;

/* A name that --embeddings or --head decided: the recipe lists it. */
typedef struct special_name {
    char *name;
    name_class class;
} special_name;

struct wh_rules {
    whit_scheme standard, special[2];
    int has_special[2];
    rule *rules;
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

/* The last rule that matches, or NULL. Marks every one that does. */
static whit_status find_rule(wh_rules *rules, const char *name, const rule **out, whit_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        int match = wh_glob_match(rules->rules[i].glob, name);
        if (match < 0) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to match a rule");
        if (!match) continue;
        rules->rules[i].matched = 1;
        *out = &rules->rules[i];
    }
    return WHIT_OK;
}

static whit_status remember(wh_rules *rules, const char *name, name_class class, whit_error *err)
{
    void *names = rules->names;
    int grown = wh_grow(&names, &rules->names_cap, rules->names_count + 1, sizeof *rules->names);
    rules->names = names;
    char *copy = grown ? wh_strndup(name, strlen(name)) : NULL;
    if (!copy) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the recipe");
    rules->names[rules->names_count++] = (special_name){ copy, class };
    return WHIT_OK;
}

whit_status wh_rules_choose(wh_rules *rules, const whit_tensor *tensor, wh_choice *out,
                            whit_error *err)
{
    const rule *found;
    *out = (wh_choice){ .scheme = { .kind = WHIT_KEEP, .scale_type = WHIT_F32 } };
    whit_status st = find_rule(rules, tensor->name, &found, err);
    if (st != WHIT_OK) return st;
    if (found) {
        out->rule = found->glob_text;
        apply(out, tensor, &found->scheme, "rule");
        return WHIT_OK;
    }
    name_class class = class_of(tensor->name);
    const char *reason = exception(tensor, class);
    int special = (class == NAME_EMBEDDING || class == NAME_HEAD) && rules->has_special[class];
    if (special && tensor->rank >= 2 && whit_dtype_is_float(tensor->dtype)) {
        apply(out, tensor, &rules->special[class], reason);
        return remember(rules, tensor->name, class, err);
    }
    if (reason)
        out->reason = reason;
    else
        apply(out, tensor, &rules->standard, "default");
    return WHIT_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* A recipe holds one rule a line, the scheme behind the last space, '#' before comments. */
static const char *bad_glob(const char *glob)
{
    size_t len = strlen(glob);
    if (len == 0) return "the glob is empty";
    if (glob[0] == '#') return "a glob cannot begin with '#'; try: [#]";
    if (glob[0] == ' ' || glob[len - 1] == ' ')
        return "a glob cannot begin or end with a space; try: [ ]";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)glob[i] < 0x20 || glob[i] == 0x7f) return "a control character";
    return NULL;
}

static whit_status make_rule(rule *r, const char *text, whit_error *err)
{
    char shown[WH_SHORT], prefix[WH_SHORT + 8];
    const char *equal = strrchr(text, '=');
    if (!equal)
        return wh_fail(err, WHIT_ERR_ARG, "rule '%s': no '='; try: 'GLOB=SCHEME'",
                       wh_short(shown, text));
    r->text = wh_strndup(text, strlen(text));
    r->glob_text = wh_strndup(text, (size_t)(equal - text));
    if (!r->text || !r->glob_text) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the rules");
    const char *bad = bad_glob(r->glob_text);
    if (bad) return wh_fail(err, WHIT_ERR_ARG, "rule '%s': %s", wh_short(shown, text), bad);
    whit_status st = wh_glob_parse(&r->glob, r->glob_text, err);
    if (st == WHIT_OK) st = whit_scheme_parse(&r->scheme, equal + 1, err);
    if (st != WHIT_ERR_ARG) return st;
    snprintf(prefix, sizeof prefix, "rule '%s'", wh_short(shown, text));
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
    if (!made || !made->rules) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the rules");
        goto cleanup;
    }
    st = whit_scheme_parse(&made->standard, default_scheme, err);
    for (size_t i = 0; i < 2 && st == WHIT_OK; i++) {
        made->has_special[i] = special[i] != NULL;
        if (special[i]) st = whit_scheme_parse(&made->special[i], special[i], err);
    }
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        made->count = i + 1; /* a half-made rule is freed like a whole one */
        st = make_rule(&made->rules[i], rules[i], err);
    }
    if (st != WHIT_OK) goto cleanup;
    *out = made;
    made = NULL;
cleanup:
    wh_rules_free(made);
    return st;
}

void wh_rules_free(wh_rules *rules)
{
    if (!rules) return;
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->rules[i].text);
        free(rules->rules[i].glob_text);
        wh_glob_free(rules->rules[i].glob);
    }
    for (size_t i = 0; i < rules->names_count; i++) free(rules->names[i].name);
    free(rules->rules);
    free(rules->names);
    free(rules);
}

/* ---- asking afterwards ----------------------------------------------------------------------- */

size_t wh_rules_unmatched(const wh_rules *rules)
{
    size_t n = 0;
    for (size_t i = 0; i < rules->count; i++) n += !rules->rules[i].matched;
    return n;
}

const char *wh_rules_unmatched_at(const wh_rules *rules, size_t i)
{
    for (size_t k = 0; k < rules->count; k++)
        if (!rules->rules[k].matched && i-- == 0) return rules->rules[k].text;
    return NULL;
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

static void put_scheme(wh_buf *out, const whit_scheme *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    wh_buf_putf(out, " %s\n", whit_scheme_print(scheme, text));
}

void wh_rules_recipe(const wh_rules *rules, wh_buf *out)
{
    wh_buf_puts(out, "*");
    put_scheme(out, &rules->standard);
    for (size_t i = 0; i < rules->names_count; i++) {
        put_exact(out, rules->names[i].name);
        put_scheme(out, &rules->special[rules->names[i].class]);
    }
    for (size_t i = 0; i < rules->count; i++) {
        wh_buf_puts(out, rules->rules[i].glob_text);
        put_scheme(out, &rules->rules[i].scheme);
    }
}
