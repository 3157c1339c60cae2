/* src/job/recipe.c - recipes: files of rules, read line by line.
 *
 * The format is described in recipe.h. Not here: what a rule means (rules.c), which also writes
 * recipes.
 *
 * SPDX-License-Identifier: MIT */
#include "job/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"
#include "job/mix.h"

typedef struct reader {
    wh_recipe *out;
    wh_names globs; /* of the lines so far, to their numbers */
    size_t line;
} reader;

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What no line may hold, comments included; NULL when there is nothing of it. */
static const char *bad_text(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = wh_utf8_sequence((const unsigned char *)text + i, len - i);
        if (n == 0) return "not UTF-8";
        if ((unsigned char)text[i] == 0x7f || ((unsigned char)text[i] < 0x20 && text[i] != '\t'))
            return "a control character";
    }
    return NULL;
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the recipe");
}

/* The rule in text, which ends in neither blanks nor a comment; NUL-terminated. */
static whit_status take_rule(reader *r, char *text, whit_error *err)
{
    wh_recipe *out = r->out;
    size_t len = strlen(text), start = len;
    while (start > 0 && !is_blank(text[start - 1])) start--;
    const char *scheme = text + start;
    while (start > 0 && is_blank(text[start - 1])) start--;
    if (start == 0) return wh_fail(err, WHIT_ERR_ARG, "a glob without a scheme; try: GLOB SCHEME");
    if (out->count == 0 && !out->standard[0] && start == 1 && text[0] == '*') {
        whit_scheme standard;
        const wh_mix *mix = wh_mix_parse(scheme);
        whit_status st = mix ? WHIT_OK : whit_scheme_parse(&standard, scheme, err);
        if (mix)
            snprintf(out->standard, sizeof out->standard, "%s", wh_mix_name(mix));
        else if (st == WHIT_OK)
            whit_scheme_print(&standard, out->standard);
        return st;
    }
    void *rules = out->rule;
    int grown = wh_grow(&rules, &out->cap, out->count + 1, sizeof *out->rule);
    out->rule = rules;
    if (!grown) return no_memory(err);
    wh_rule *rule = &out->rule[out->count++]; /* a half-made rule is freed like a whole one */
    whit_status st = wh_rule_make(rule, text, start, scheme, err);
    if (st != WHIT_OK) return st;
    rule->line = r->line;
    int added = wh_names_add(&r->globs, rule->text, r->line);
    if (added < 0) return no_memory(err);
    if (!added) rule->first = wh_names_find(&r->globs, rule->text);
    return WHIT_OK;
}

/* One line, without its end. */
static whit_status take_line(reader *r, const char *text, size_t len, whit_error *err)
{
    char prefix[WH_SHORT + 32];
    char *line = NULL;
    while (len > 0 && is_blank(text[len - 1])) len--;
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    const char *bad = bad_text(text, len);
    whit_status st = bad ? wh_fail(err, WHIT_ERR_ARG, "%s", bad) : WHIT_OK;
    if (st == WHIT_OK && len > 0 && text[0] != '#') {
        line = wh_strndup(text, len);
        st = line ? take_rule(r, line, err) : no_memory(err);
        free(line);
    }
    if (st != WHIT_ERR_ARG) return st;
    snprintf(prefix, sizeof prefix, "%s:%zu", r->out->name, r->line);
    return wh_prefix(err, st, prefix);
}

static whit_status take_all(reader *r, const char *text, size_t len, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (len > WH_RECIPE_BYTES)
        return wh_fail(err, WHIT_ERR_ARG, "%s: a recipe has at most %zu bytes, this one %zu",
                       r->out->name, WH_RECIPE_BYTES, len);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* some editors begin with it */
        text += 3;
        len -= 3;
    }
    while (len > 0 && st == WHIT_OK) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        if (++r->line > WH_RECIPE_LINES)
            return wh_fail(err, WHIT_ERR_ARG, "%s: a recipe has at most %zu lines", r->out->name,
                           WH_RECIPE_LINES);
        st = take_line(r, text, n > 0 && text[n - 1] == '\r' ? n - 1 : n, err);
        n += end != NULL;
        text += n;
        len -= n;
    }
    return st;
}

whit_status wh_recipe_parse(wh_recipe *out, const char *name, const char *text, size_t len,
                            whit_error *err)
{
    char shown[WH_SHORT];
    reader r = { .out = out };
    *out = (wh_recipe){ .bytes = len };
    wh_short(shown, name);
    out->name = wh_strndup(shown, strlen(shown));
    whit_status st = out->name ? take_all(&r, text, len, err) : no_memory(err);
    wh_names_free(&r.globs);
    if (st != WHIT_OK) wh_recipe_free(out);
    return st;
}

whit_status wh_recipe_read(wh_recipe *out, const char *path, whit_error *err)
{
    char *text = NULL;
    size_t len = 0;
    *out = (wh_recipe){ 0 };
    whit_status st = wh_file_slurp(path, WH_RECIPE_BYTES, &text, &len, err);
    if (st == WHIT_ERR_FORMAT) { /* too large: as wrong as a line would be */
        if (err) err->code = WHIT_ERR_ARG;
        st = WHIT_ERR_ARG;
    }
    if (st == WHIT_OK) st = wh_recipe_parse(out, path, text, len, err);
    free(text);
    return st;
}

void wh_recipe_free(wh_recipe *recipe)
{
    for (size_t i = 0; i < recipe->count; i++) wh_rule_free(&recipe->rule[i]);
    free(recipe->rule);
    free(recipe->name);
    *recipe = (wh_recipe){ 0 };
}
