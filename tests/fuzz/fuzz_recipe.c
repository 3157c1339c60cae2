/* tests/fuzz/fuzz_recipe.c - a recipe: it is taken or refused with a line and a reason; what is
 * taken, written and read again decides the same and is written the same. Its lines are rules of a
 * command line, too.
 * SPDX-License-Identifier: MIT */
#include "job/rules.h"

#include <stdlib.h>
#include <string.h>

#define MOST 65536

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *const names[] = { "model.embed_tokens.weight", "lm_head", "l.0.up_proj.weight",
                                     "l.12.norm.weight", "a b#c" };
enum { NAMES = sizeof names / sizeof names[0] };

/* Takes the recipe. The text that the rules write, freed by the caller. */
static char *decide(wh_recipe *recipe, whit_scheme schemes[NAMES])
{
    wh_rules *rules = NULL;
    wh_buf out = { 0 };
    const char *standard = recipe->standard[0] ? recipe->standard : "int4-g128";
    if (wh_rules_make(&rules, standard, NULL, NULL, NULL, 0, NULL) != WHIT_OK) abort();
    wh_rules_take(rules, recipe);
    for (size_t i = 0; i < NAMES; i++) {
        whit_tensor t = { .name = names[i],
                          .dtype = WHIT_F32,
                          .rank = 2,
                          .shape = { 64, 64 },
                          .elements = 4096,
                          .bytes = 16384 };
        wh_choice c;
        if (wh_rules_choose(rules, &t, &c, NULL) != WHIT_OK) abort();
        schemes[i] = c.scheme;
    }
    wh_rules_recipe(rules, &out);
    if (out.failed) abort();
    wh_rules_free(rules);
    return out.data;
}

static void check_round_trip(wh_recipe *recipe)
{
    whit_scheme before[NAMES], after[NAMES];
    char a[WHIT_SCHEME_TEXT], b[WHIT_SCHEME_TEXT];
    wh_recipe again;
    char *text = decide(recipe, before);
    if (wh_recipe_parse(&again, "again", text, strlen(text), NULL) != WHIT_OK) abort();
    for (size_t i = 0; i < again.count; i++)
        if (again.rule[i].first) abort();
    char *second = decide(&again, after);
    if (strcmp(text, second) != 0) abort();
    for (size_t i = 0; i < NAMES; i++)
        if (strcmp(whit_scheme_print(&before[i], a), whit_scheme_print(&after[i], b)) != 0) abort();
    wh_recipe_free(&again);
    free(second);
    free(text);
}

/* The lines as rules of a command line: all are taken, or one is refused. */
static void check_rules(char *text)
{
    const char *rule[8];
    size_t count = 0;
    wh_rules *rules = NULL;
    whit_error err = { WHIT_OK, "" };
    for (char *line = text, *end; line && count < sizeof rule / sizeof rule[0]; line = end) {
        rule[count++] = line;
        end = strchr(line, '\n');
        if (end) *end++ = 0;
    }
    const whit_status st = wh_rules_make(&rules, "int4-g128", NULL, NULL, rule, count, &err);
    if (st != WHIT_OK && (st != WHIT_ERR_ARG || err.code != st || rules)) abort();
    if (st == WHIT_OK && wh_rules_unmatched(rules) != count) abort();
    wh_rules_free(rules);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    wh_recipe recipe;
    whit_error err = { WHIT_OK, "" };
    if (size > MOST) return 0;
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size > 0) memcpy(text, data, size);
    text[size] = 0;
    whit_status st = wh_recipe_parse(&recipe, "r", text, size, &err);
    check_rules(text);
    free(text);
    if (st == WHIT_OK)
        check_round_trip(&recipe);
    else if (st != WHIT_ERR_ARG || err.code != st || strncmp(err.msg, "r:", 2) != 0)
        abort();
    wh_recipe_free(&recipe);
    return 0;
}
