/* tests/test_glob.c - globs: what they match, what is refused, and that no glob is slow.
 * SPDX-License-Identifier: MIT */
#include "job/glob.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* clang-format off */
static const struct {
    const char *glob, *name;
    int want;
} cases[] = {
    /* the whole name, with or without a final ".weight" */
    { "a.b", "a.b", 1 },              { "a.b", "a.b.weight", 1 },       { "a.b.weight", "a.b.weight", 1 },
    { "a.b", "a.bias", 0 },           { "a.b", "xa.b", 0 },             { "a.b", "a.b.weight.weight", 0 },
    { "a.b.weight", "a.b", 0 },       { "a.b", "a.b.weights", 0 },      { "a.b", "a.bweight", 0 },
    { "", "", 1 },                    { "", ".weight", 1 },             { "", "weight", 0 },
    { "weight", "weight", 1 },        { "A", "a", 0 },
    /* star */
    { "*", "", 1 },                   { "*", "a.b.c", 1 },              { "a*c", "a.b.c", 1 },
    { "a*", "a", 1 },                 { "*a", "b", 0 },                 { "**a**", "xay", 1 },
    { "*.q_proj", "model.layers.0.self_attn.q_proj.weight", 1 },
    { "*.q_proj", "model.layers.0.self_attn.q_proj.bias", 0 },
    { "*weight", "x.weight", 1 },     { "*ab*ab", "abab", 1 },          { "*ab*ab", "abxb", 0 },
    /* one character is one code point; stars and classes stay on their borders */
    { "?", "a", 1 },                  { "?", "", 0 },                   { "?", "ab", 0 },
    { "?", "\xc3\xa9", 1 },           { "??", "\xc3\xa9", 0 },          { "*?\xa9", "\xc3\xa9", 0 },
    { "?", "\xf0\x9f\x98\x80", 1 },   { "\xc3\xa9", "\xc3\xa9", 1 },    { "*\xa9", "\xc3\xa9", 0 },
    { "??", "\xc3z", 1 },             { "?", "\xff", 1 },               { "[!a]", "\xc3\xa9", 1 },
    { "[!a][!a]", "\xc3\xa9", 0 },
    /* classes */
    { "[abc]", "b", 1 },              { "[abc]", "d", 0 },              { "[a-c]", "b", 1 },
    { "[a-c]", "-", 0 },              { "[a-]", "-", 1 },               { "[-a]", "-", 1 },
    { "[]]", "]", 1 },                { "[]a]", "a", 1 },               { "[!]]", "]", 0 },
    { "[!]]", "a", 1 },               { "[^a]", "a", 0 },               { "[^a]", "^", 1 },
    { "[a^]", "^", 1 },               { "[a!]", "!", 1 },               { "[!a]", "", 0 },
    { "[a-c-e]", "d", 0 },            { "[a-c-e]", "-", 1 },            { "[]-a]", "^", 1 },
    { "[\x01-\x7f]", "\x7f", 1 },     { "[a]", "ab", 0 },               { "[?-@]", "@", 1 },
    { "[*]", "*", 1 },                { "[*]", "a", 0 },                { "[{]a}", "{a}", 1 },
    { "[[]", "[", 1 },                { "a]", "a]", 1 },                { "[.]", ".", 1 },
    /* alternatives */
    { "{a,b}", "a", 1 },              { "{a,b}", "b", 1 },              { "{a,b}", "c", 0 },
    { "{a,b}", "ab", 0 },             { "x{a,bc}y", "xbcy", 1 },        { "{a}", "a", 1 },
    { "{}", "", 1 },                  { "a{,b}", "a", 1 },              { "a{,b}", "ab", 1 },
    { "{a,}", "", 1 },                { "{,}x", "x", 1 },               { "{a*c,b?}", "abbc", 1 },
    { "{a*c,b?}", "bz", 1 },          { "{a{b,c},d}e", "ace", 1 },      { "{a{b,c},d}e", "de", 1 },
    { "{a{b,c},d}e", "ade", 0 },      { "{[,],a}", ",", 1 },            { "{[}],a}", "}", 1 },
    { "a,b", "a,b", 1 },              { "a}", "a}", 1 },                { "{a,b}}", "b}", 1 },
    { "{a,b}{c,d}", "bc", 1 },        { "{a,b},c", "a,c", 1 },          { "{*,a}b", "xb", 1 },
    { "*.{q,k,v,o,gate,up,down}_proj", "model.layers.31.mlp.gate_proj.weight", 1 },
    { "*.{q,k,v,o,gate,up,down}_proj", "model.layers.31.mlp.ate_proj.weight", 0 },
    /* numbers: a whole run of digits, no leading zeros */
    { "{0..3}", "0", 1 },             { "{0..3}", "3", 1 },             { "{0..3}", "4", 0 },
    { "{0..3}", "00", 0 },            { "{0..3}", "03", 0 },            { "{0..3}", "13", 0 },
    { "{1..3}", "0", 0 },             { "{7..7}", "7", 1 },             { "{9..11}", "10", 1 },
    { "l.{0..3}.w", "l.2.w", 1 },     { "l.{0..3}.w", "l.12.w", 0 },    { "l.{0..3}*", "l.31", 0 },
    { "l{0..3}", "l2.weight", 1 },    { "l1{0..3}", "l12", 0 },         { "?{0..3}", "12", 0 },
    { "*{0..3}", "l12", 0 },          { "*{0..3}", "l2", 1 },           { "*{0..99}*", "a.100.b", 0 },
    { "{0..99}4", "34", 0 },          { "{0..99}?", "34", 0 },          { "{0..99}{4..5}", "34", 0 },
    { "{0..3}{4..5}", "34", 0 },      { "{0..3}[4]", "34", 0 },         { "{0..3}4", "34", 0 },
    { "{0..3}x{4..5}", "3x4", 1 },    { "{0..3,28..31}", "29", 1 },     { "{0..3,28..31}", "4", 0 },
    { "{0..3,last}", "last", 1 },     { "{0..3,last}", "2", 1 },        { "{a,{0..3}}", "2", 1 },
    { "{0..9223372036854775808}", "9223372036854775808", 1 },
    { "{0..9223372036854775808}", "9223372036854775809", 0 },
    { "{0..9223372036854775808}", "18446744073709551616", 0 },
    { "{0..9223372036854775808}", "99999999999999999999999999", 0 },
    { "{0..9223372036854775808}", "x", 0 },
    /* what only looks like numbers stands for itself */
    { "{a..c}", "a..c", 1 },          { "{a..c}", "b", 0 },             { "{0...3}", "0...3", 1 },
    { "{0..}", "0..", 1 },            { "{..3}", "..3", 1 },            { "{-1..3}", "-1..3", 1 },
    { "{0..3x}", "0..3x", 1 },        { "{0..3x}", "2", 0 },            { "0..3", "2", 0 },
    { "0..3", "0..3", 1 },            { "{0 ..3}", "0 ..3", 1 },
};

static const struct {
    const char *glob, *problem;
    unsigned octet;
} refused[] = {
    { "{", "a brace that is never closed", 1 },   { "a{b,{c}", "a brace that is never closed", 2 },
    { "{0..3", "a brace that is never closed", 1 },
    { "[", "never closed", 1 },                   { "[]", "never closed", 1 },
    { "[!", "never closed", 1 },                  { "[!]", "never closed", 1 },
    { "ab[a-", "never closed", 3 },               { "[a-z", "never closed", 1 },
    { "{[}", "never closed", 2 },                 { "[z-a]", "a class with an empty range", 1 },
    { "[a\xc3\xa9]", "not ASCII", 1 },            { "[a-\xff]", "not ASCII", 1 },
    { "l.{3..1}", "an empty range", 4 },          { "{a,01..3}", "a leading zero", 4 },
    { "{1..03}", "a leading zero", 2 },           { "{00..3}", "a leading zero", 2 },
    { "{0..9223372036854775809}", "beyond 2^63", 2 },
    { "{0..99999999999999999999999}", "beyond 2^63", 2 },
    { "{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}", "a 17th level of braces", 17 },
};
/* clang-format on */

static int match(const char *text, const char *name)
{
    wh_glob *glob = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_glob_parse(&glob, text, &err) == WHIT_OK, "%s: %s", text, err.msg);
    int got = glob ? wh_glob_match(glob, name) : -2;
    wh_glob_free(glob);
    return got;
}

static void test_refused(void)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        char not_null;
        wh_glob *glob = (void *)&not_null;
        whit_error err = { WHIT_OK, "" };
        char where[32];
        snprintf(where, sizeof where, " at octet %u", refused[i].octet);
        CHECK(wh_glob_parse(&glob, refused[i].glob, &err) == WHIT_ERR_ARG, "%s", refused[i].glob);
        CHECK(glob == NULL, "%s: out is set", refused[i].glob);
        CHECK(strstr(err.msg, refused[i].problem) != NULL, "%s: %s", refused[i].glob, err.msg);
        size_t len = strlen(err.msg), tail = strlen(where);
        CHECK(len > tail && strcmp(err.msg + len - tail, where) == 0, "%s: %s", refused[i].glob,
              err.msg);
        CHECK(strncmp(err.msg, "glob '", 6) == 0, "%s", err.msg);
    }
}

/* Sizes at their limits: 4096 octets and 16 levels are fine, one more is not. */
static void test_limits(void)
{
    static char text[4098];
    wh_glob *glob = NULL;
    whit_error err = { WHIT_OK, "" };
    memset(text, 'a', 4096);
    CHECK(match(text, text) == 1, "4096 octets");
    text[4096] = 'a';
    CHECK(wh_glob_parse(&glob, text, &err) == WHIT_ERR_ARG && !glob, "4097 octets");
    CHECK(strstr(err.msg, "longer than 4096") != NULL, "%s", err.msg);
    CHECK(match("{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}", "a") == 1, "16 levels");
    /* The most operations an octet can make: 4096 alternatives, all empty. */
    memset(text, ',', 4096);
    text[0] = '{';
    text[4095] = '}';
    text[4096] = 0;
    CHECK(match(text, "") == 1, "empty alternatives");
    CHECK(match(text, "a") == 0, "empty alternatives");
    wh_glob_free(NULL);
}

/* Globs that a backtracking matcher needs exponential time for. */
static void test_never_slow(void)
{
    char name[1001], text[400] = "";
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int i = 0; i < 60; i++) strcat(text, "*a");
    strcat(text, "b");
    CHECK(match(text, name) == 0, "stars");
    text[0] = 0;
    for (int i = 0; i < 40; i++) strcat(text, "{a,*,?}");
    CHECK(match(text, name) == 1, "alternatives");
    strcat(text, "b");
    CHECK(match(text, name) == 0, "alternatives");
    /* a long run of digits in front of many ranges */
    memset(name, '1', sizeof name - 1);
    text[0] = 0;
    for (int i = 0; i < 40; i++) strcat(text, "*{0..3}");
    CHECK(match(text, name) == 0, "numbers");
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        int got = match(cases[i].glob, cases[i].name);
        CHECK(got == cases[i].want, "'%s' on '%s': %d", cases[i].glob, cases[i].name, got);
    }
    test_refused();
    test_limits();
    test_never_slow();
    return check_result();
}
