/* tests/test_recipe.c - recipes: what a line may be, messages with file and line, limits, how they
 * rank among the other ways to name a scheme, and that what is written is read as the same.
 * SPDX-License-Identifier: MIT */
#include "job/rules.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static whit_status parse(wh_recipe *r, const char *text, whit_error *err)
{
    return wh_recipe_parse(r, "r.txt", text, strlen(text), err);
}

/* "DEFAULT|LINE GLOB=SCHEME|.." */
static void show(const wh_recipe *r, char *out, size_t size)
{
    char scheme[WHIT_SCHEME_TEXT];
    size_t n = (size_t)snprintf(out, size, "%s", r->standard);
    for (size_t i = 0; i < r->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "|%zu %s=%s", r->rule[i].line, r->rule[i].text,
                              whit_scheme_print(&r->rule[i].scheme, scheme));
}

static void test_lines(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "\n\n \t \n", "" },
        { "# a comment\n  # another\n", "" },
        { "#\n#* int8", "" },
        { "a int8\n", "|1 a=int8-channel" },
        { "a int8", "|1 a=int8-channel" },
        { "a INT8-Asym\r\nb keep\r\n", "|1 a=int8-channel-asym|2 b=keep" },
        { "\t a \t nf4 \t\n", "|1 a=nf4-g64" },
        { "a b   c int4", "|1 a b   c=int4-g128" },
        { "\xef\xbb\xbf* int8\na int4", "int8-channel|2 a=int4-g128" },
        { "* int4-g64\n", "int4-g64" },
        { "# said by whit\n\n*\tint4-g64\n* int8\n", "int4-g64|4 *=int8-channel" },
        { "a int8\n* int4\n", "|1 a=int8-channel|2 *=int4-g128" }, /* no longer the first */
        { "** int4\n", "|1 **=int4-g128" },
        { "[#]a=b int8\n", "|1 [#]a=b=int8-channel" },
        { "a#b int8\n", "|1 a#b=int8-channel" },
        { "\xc3\xa9*.{0..3,9} int8\n", "|1 \xc3\xa9*.{0..3,9}=int8-channel" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        wh_recipe r;
        char got[256];
        whit_error err = { WHIT_OK, "" };
        CHECK(parse(&r, cases[i].text, &err) == WHIT_OK, "case %zu: %s", i, err.msg);
        show(&r, got, sizeof got);
        CHECK(strcmp(got, cases[i].want) == 0, "case %zu: '%s', not '%s'", i, got, cases[i].want);
        wh_recipe_free(&r);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *text, *begin, *quoted;
    } cases[] = {
        { "int8\n", "r.txt:1: ", "try: GLOB SCHEME" },
        { "*", "r.txt:1: ", "a glob without a scheme" },
        { "a int8\n\n# c\nb int9\n", "r.txt:4: ", "'int9'" },
        { "* int9\n", "r.txt:1: ", "'int9'" },
        { "* int4\r\na{b int4\r\n", "r.txt:2: ", "glob 'a{b'" },
        { "a[b int4", "r.txt:1: ", "glob 'a[b'" },
        { "a int8 # comment int4\n", "r.txt:1: ", "a comment needs a line of its own" },
        { "a int8 # comment\n", "r.txt:1: ", "a comment needs a line of its own" },
        { "a\x01 int4", "r.txt:1: ", "control character" },
        { "# \x1b[2J\n", "r.txt:1: ", "control character" },
        { "a\rb int4", "r.txt:1: ", "control character" },
        { "\n\xff* int4", "r.txt:2: ", "not UTF-8" },
        { "# \xc3(\n", "r.txt:1: ", "not UTF-8" },
        { "a\xed\xa0\x80 int4", "r.txt:1: ", "not UTF-8" },
        { "a=int4\n", "r.txt:1: ", "try: GLOB SCHEME" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        wh_recipe r = { .count = 7 };
        whit_error err = { WHIT_OK, "" };
        CHECK(parse(&r, cases[i].text, &err) == WHIT_ERR_ARG, "case %zu", i);
        CHECK(err.code == WHIT_ERR_ARG && strstr(err.msg, cases[i].begin) == err.msg,
              "case %zu: %s", i, err.msg);
        CHECK(strstr(err.msg, cases[i].quoted) != NULL, "case %zu: %s", i, err.msg);
        CHECK(r.count == 0 && r.rule == NULL && r.name == NULL, "case %zu: not empty", i);
        CHECK(parse(&r, cases[i].text, NULL) == WHIT_ERR_ARG, "case %zu: without an error", i);
    }
    wh_recipe r;
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_recipe_parse(&r, "r", "a int8\nb\0 int4\n", 15, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "r:2: a control character"),
          "NUL: %s", err.msg);
}

static char *filled(const char *unit, size_t times, size_t *len)
{
    size_t n = strlen(unit);
    char *text = malloc(n * times + 1);
    if (!text) exit(1);
    for (size_t i = 0; i < times; i++) memcpy(text + i * n, unit, n);
    text[ *len = n * times] = 0;
    return text;
}

static void test_limits(void)
{
    static const struct {
        const char *unit;
        size_t times;
        const char *quoted; /* NULL: taken */
    } cases[] = {
        { "#\n", 100000, NULL },
        { "\n", 100000, NULL },
        { "\n", 100001, "at most 100000 lines" },
        { "# 45678\n", 131072, "at most 100000 lines" },
        { "# 456789abcdef\n\n", 65536, "at most 100000 lines" },
        { "# 456789abcdef.\n", 65536, NULL }, /* 1 MiB to the octet */
        { "# 456789abcdef.\n", 65537, "at most 1048576 bytes" },
        { "a", 4097, "r:1: a glob without a scheme" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len;
        char *text = filled(cases[i].unit, cases[i].times, &len);
        wh_recipe r;
        whit_error err = { WHIT_OK, "" };
        whit_status st = wh_recipe_parse(&r, "r", text, len, &err);
        CHECK(st == (cases[i].quoted ? WHIT_ERR_ARG : WHIT_OK), "case %zu: %s", i, err.msg);
        if (cases[i].quoted) CHECK(strstr(err.msg, cases[i].quoted), "case %zu: %s", i, err.msg);
        wh_recipe_free(&r);
        free(text);
    }
}

static void test_duplicates(void)
{
    wh_recipe r;
    CHECK(parse(&r, "* int4\na int8\nb int8\na int4\n\na keep\n* int8\n", NULL) == WHIT_OK, "-");
    CHECK(r.count == 5, "%zu", r.count);
    if (r.count == 5) {
        CHECK(!r.rule[0].first && !r.rule[1].first && !r.rule[4].first, "none of these");
        CHECK(r.rule[2].first == 2 && r.rule[3].first == 2, "%zu %zu", r.rule[2].first,
              r.rule[3].first);
    }
    wh_recipe_free(&r);
}

/* ---- among the other ways -------------------------------------------------------------------- */

typedef struct ask {
    const char *scheme, *embeddings, *head, *rules[3], *recipe;
} ask;

static wh_rules *make(const ask *a)
{
    wh_rules *rules = NULL;
    wh_recipe r = { 0 };
    size_t count = 0;
    whit_error err = { WHIT_OK, "" };
    while (count < 3 && a->rules[count]) count++;
    if (a->recipe) CHECK(parse(&r, a->recipe, &err) == WHIT_OK, "%s", err.msg);
    const char *standard = a->scheme ? a->scheme : r.standard[0] ? r.standard : "int4-g128";
    CHECK(wh_rules_make(&rules, standard, a->embeddings, a->head, a->rules, count, &err) == WHIT_OK,
          "%s", err.msg);
    if (!rules) exit(check_result());
    wh_rules_take(rules, &r);
    CHECK(r.rule == NULL && r.name == NULL, "taken");
    return rules;
}

static const char *const model[] = { "embed", "lm_head.weight", "l.0.up", "l.1.up", "l.0.#x y" };

/* Choose for the model, write the recipe; freed by the caller. schemes: "S1 S2 ..". */
static char *choose(wh_rules *rules, char *schemes, size_t size)
{
    wh_buf out = { 0 };
    size_t n = 0;
    schemes[0] = 0;
    for (size_t i = 0; i < COUNT(model); i++) {
        whit_tensor t = { .name = model[i],
                          .dtype = WHIT_F32,
                          .rank = 2,
                          .shape = { 64, 64 },
                          .elements = 4096,
                          .bytes = 16384 };
        wh_choice c;
        char text[WHIT_SCHEME_TEXT];
        CHECK(wh_rules_choose(rules, &t, &c, NULL) == WHIT_OK, "%s", t.name);
        if (n < size)
            n += (size_t)snprintf(schemes + n, size - n, "%s%s", i ? " " : "",
                                  whit_scheme_print(&c.scheme, text));
    }
    wh_rules_recipe(rules, &out);
    CHECK(!out.failed && out.data, "no memory");
    if (!out.data) exit(check_result());
    return out.data;
}

static const struct {
    ask a;
    const char *schemes, *recipe;
} ranks[] = {
    { { .recipe = "* int8\n" },
      "keep keep int8-channel int8-channel int8-channel",
      "* int8-channel\n" },
    { { .recipe = "* int8\n", .scheme = "int4" },
      "keep keep int4-g128 int4-g128 int4-g128",
      "* int4-g128\n" },
    { { .recipe = "** int8\n" },
      "int8-channel int8-channel int8-channel int8-channel int8-channel",
      "* int4-g128\n** int8-channel\n" },
    { { .recipe = "# c\nl.* int8\n*0.up int5\n" },
      "keep keep int5-g128 int8-channel int8-channel",
      "* int4-g128\nl.* int8-channel\n*0.up int5-g128\n" },
    /* flags rank higher than lines, whatever the order */
    { { .recipe = "* int4\nembed int8\nl.0.up int5\n",
        .embeddings = "int6",
        .rules = { "l.*=int3" } },
      "int6-g128 keep int3-g128 int3-g128 int3-g128",
      "* int4-g128\nl.0.up int5-g128\nembed int6-g128\nl.* int3-g128\n" },
    /* of the same glob the last one is written */
    { { .recipe = "l.* int8\nl.* int5\n",
        .head = "int6",
        .rules = { "l.*=nf4", "*x*=int2", "l.*=int3" } },
      "keep int6-g128 int3-g128 int3-g128 int3-g128",
      "* int4-g128\nlm_head.weight int6-g128\n*x* int2-g128\nl.* int3-g128\n" },
};

static void test_ranks(void)
{
    for (size_t i = 0; i < COUNT(ranks); i++) {
        char got[256];
        wh_rules *rules = make(&ranks[i].a);
        char *recipe = choose(rules, got, sizeof got);
        CHECK(strcmp(got, ranks[i].schemes) == 0, "case %zu: %s", i, got);
        CHECK(strcmp(recipe, ranks[i].recipe) == 0, "case %zu: %s", i, recipe);
        free(recipe);
        wh_rules_free(rules);
    }
}

/* What was written is read as the same: alone, and with the same options once more. */
static void check_again(const ask *a, const char *recipe, const char *schemes, const char *what,
                        size_t i)
{
    char got[256];
    wh_rules *rules = make(a);
    char *again = choose(rules, got, sizeof got);
    CHECK(strcmp(got, schemes) == 0, "case %zu, %s: %s, not %s", i, what, got, schemes);
    CHECK(strcmp(again, recipe) == 0, "case %zu, %s: %s, not %s", i, what, again, recipe);
    free(again);
    wh_rules_free(rules);
}

static void test_again(void)
{
    static const ask more[] = {
        { .scheme = "int4",
          .embeddings = "int6-sf16",
          .head = "int5",
          .rules = { "l.0.*=INT8-ASYM-SF32", "lm_{a,head}=keep", "a b=nf4" } },
        { .rules = { "*=int8", "*0*=f16", "*=int8" } },
        { .head = "keep", .embeddings = "f16" },
        { .recipe = "* nf4\nlm_head keep\n** int8\nembed int4\n", .head = "int7" },
    };
    for (size_t i = 0; i < COUNT(ranks) + COUNT(more); i++) {
        ask a = i < COUNT(ranks) ? ranks[i].a : more[i - COUNT(ranks)];
        char schemes[256];
        wh_rules *rules = make(&a);
        char *recipe = choose(rules, schemes, sizeof schemes);
        wh_rules_free(rules);
        check_again(&(ask){ .recipe = recipe }, recipe, schemes, "alone", i);
        a.recipe = recipe;
        check_again(&a, recipe, schemes, "with the options", i);
        free(recipe);
    }
}

static void test_matched(void)
{
    char got[256];
    const ask a = { .recipe = "* int4\nl.0.* int8\nnothing int8\nl.* keep\n",
                    .rules = { "l*=int3" } };
    wh_rules *rules = make(&a);
    free(choose(rules, got, sizeof got));
    const wh_recipe *lines = wh_rules_lines(rules);
    CHECK(lines->count == 3 && lines->rule[0].matched && !lines->rule[1].matched &&
              lines->rule[2].matched,
          "overridden lines have matched all the same");
    CHECK(wh_rules_unmatched(rules) == 0, "%zu", wh_rules_unmatched(rules));
    wh_rules_free(rules);
}

static void test_files(void)
{
    wh_recipe r = { .count = 7 };
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_recipe_read(&r, "/no/such/recipe", &err) == WHIT_ERR_IO && r.count == 0, "%s",
          err.msg);
    CHECK(strstr(err.msg, "/no/such/recipe: ") == err.msg, "%s", err.msg);
    CHECK(wh_recipe_read(&r, "/", &err) == WHIT_ERR_UNSUPPORTED, "%s", err.msg);
    wh_recipe_free(&r);
}

int main(void)
{
    test_lines();
    test_refused();
    test_limits();
    test_duplicates();
    test_ranks();
    test_again();
    test_matched();
    test_files();
    return check_result();
}
