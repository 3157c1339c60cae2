/* tests/test_json.c - base/json.h and base/names.h: every token, every refusal, numbers, writing.
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "check.h"

/* The tokens of a text as a line: brackets, "k:NAME", "s:TEXT", "n:DIGITS", t f z, '.' at the end;
 * after an error "!" and the problem. */
static void trace(const char *text, size_t len, int python, wh_buf *out)
{
    static const char *const plain[] = {
        [WH_JSON_OBJECT] = "{",    [WH_JSON_OBJECT_END] = "}", [WH_JSON_ARRAY] = "[",
        [WH_JSON_ARRAY_END] = "]", [WH_JSON_KEY] = "k:",       [WH_JSON_STRING] = "s:",
        [WH_JSON_NUMBER] = "n:",   [WH_JSON_TRUE] = "t",       [WH_JSON_FALSE] = "f",
        [WH_JSON_NULL] = "z",      [WH_JSON_END] = "."
    };
    wh_json j;
    wh_json_token t;
    char *copy = malloc(len + 1); /* exactly long enough: a sanitizer sees one octet too far */
    if (!copy) return;
    memcpy(copy, text, len);
    wh_json_init(&j, copy, len);
    j.python = python;
    do {
        t = wh_json_next(&j);
        if (out->len) wh_buf_puts(out, " ");
        if (t == WH_JSON_ERROR)
            wh_buf_putf(out, "!%s", j.problem);
        else
            wh_buf_puts(out, plain[t]);
        if (t == WH_JSON_KEY || t == WH_JSON_STRING || t == WH_JSON_NUMBER) {
            wh_buf_puts(out, j.text);
            CHECK(strlen(j.text) == j.text_len, "\"%s\"", text);
        }
    } while (t != WH_JSON_ERROR && t != WH_JSON_END);
    CHECK(wh_json_next(&j) == t, "\"%s\": the last token sticks", text);
    CHECK((j.problem != NULL) == (t == WH_JSON_ERROR), "\"%s\"", text);
    CHECK(j.pos <= j.len, "\"%s\"", text);
    wh_json_free(&j);
    wh_json_free(&j); /* twice is fine */
    free(copy);
}

static const struct {
    const char *text, *want;
} cases[] = {
    /* clang-format off */
    { "", "!text ends early" },
    { " \t\r\n", "!text ends early" },
    { "\xef\xbb\xbf{}", "!unexpected character" },
    { "\v1", "!unexpected character" },
    { "{}", "{ } ." },
    { " { } ", "{ } ." },
    { "[]", "[ ] ." },
    { "[[],{}]", "[ [ ] { } ] ." },
    { "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":true}", "{ k:a { k:b [ n:1 { k:c z } ] } k:d t } ." },
    { "{ \"a\" : 1 , \"b\" : 2 }", "{ k:a n:1 k:b n:2 } ." },
    { "true", "t ." }, { "false", "f ." }, { "null", "z ." }, { "\"x\"", "s:x ." },
    { "tru", "!unexpected character" },
    { "truex", "t !text after the value" },
    { "True", "!unexpected character" },
    { "NaN", "!unexpected character" },
    { "{} {}", "{ } !text after the value" },
    { "1 2", "n:1 !text after the value" },
    { "[1,]", "[ n:1 !unexpected character" },
    { "[,1]", "[ !unexpected character" },
    { "[1 2]", "[ n:1 !expected ',' or a closing bracket" },
    { "[1", "[ n:1 !text ends early" },
    { "[", "[ !text ends early" },
    { "[}", "[ !unexpected character" },
    { "{]", "{ !expected a member name" },
    { "{\"a\":1]", "{ k:a n:1 !expected ',' or a closing bracket" },
    { "{\"a\":1,}", "{ k:a n:1 !expected a member name" },
    { "{\"a\" 1}", "{ !expected ':'" },
    { "{\"a\":}", "{ k:a !unexpected character" },
    { "{\"a\":", "{ k:a !text ends early" },
    { "{1:2}", "{ !expected a member name" },
    { "{", "{ !expected a member name" },
    { "]", "!unexpected character" },
    { "// x\n1", "!unexpected character" },
    { "'a'", "!unexpected character" },
    /* numbers */
    { "[0,-0,1.5,-2e3,4E+5,6e-7,10]", "[ n:0 n:-0 n:1.5 n:-2e3 n:4E+5 n:6e-7 n:10 ] ." },
    { "01", "n:0 !text after the value" },
    { "[-01]", "[ n:-0 !expected ',' or a closing bracket" },
    { "-", "!number without digits" },
    { "+1", "!unexpected character" },
    { ".5", "!unexpected character" },
    { "1.", "!number without digits after the point" },
    { "1.e5", "!number without digits after the point" },
    { "1e", "!number without digits in the exponent" },
    { "1e+", "!number without digits in the exponent" },
    { "-Infinity", "!number without digits" },
    { "0x10", "n:0 !text after the value" },
    /* strings */
    { "\"\"", "s: ." },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s:\"\\/\b\f\n\r\t ." },
    { "\"\\u0041\\u00e9\\u20AC\\uffff\"", "s:A\xc3\xa9\xe2\x82\xac\xef\xbf\xbf ." },
    { "\"\\uD83D\\uDE00\"", "s:\xf0\x9f\x98\x80 ." },
    { "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "s:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f ." },
    { "\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf\"", "s:\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf ." },
    { "\"a", "!string does not end" },
    { "\"a\\", "!string does not end" },
    { "\"a\\\"", "!string does not end" },
    { "\"\\x41\"", "!unknown escape in a string" },
    { "\"\\u00\"", "!\\u without four hexadecimal digits" },
    { "\"\\u00g0\"", "!\\u without four hexadecimal digits" },
    { "\"\\u12", "!\\u without four hexadecimal digits" },
    { "\"\\u0000\"", "!NUL in a string" },
    { "\"\\ud800\"", "!lone surrogate in a string" },
    { "\"\\udc00\"", "!lone surrogate in a string" },
    { "\"\\ud800\\ud800\"", "!lone surrogate in a string" },
    { "\"\\ud800\\u0041\"", "!lone surrogate in a string" },
    { "\"\\ud800\\ue000\"", "!lone surrogate in a string" },
    { "\"\\ud800x\"", "!lone surrogate in a string" },
    { "\"a\nb\"", "!control character in a string" },
    { "\"\x1f\"", "!control character in a string" },
    { "\"\x80\"", "!invalid UTF-8 in a string" },
    { "\"\xc0\x80\"", "!invalid UTF-8 in a string" },         /* overlong */
    { "\"\xc1\xbf\"", "!invalid UTF-8 in a string" },
    { "\"\xe0\x9f\xbf\"", "!invalid UTF-8 in a string" },
    { "\"\xf0\x8f\xbf\xbf\"", "!invalid UTF-8 in a string" },
    { "\"\xed\xa0\x80\"", "!invalid UTF-8 in a string" },     /* a surrogate */
    { "\"\xf4\x90\x80\x80\"", "!invalid UTF-8 in a string" }, /* above U+10FFFF */
    { "\"\xf5\x80\x80\x80\"", "!invalid UTF-8 in a string" },
    { "\"\xff\"", "!invalid UTF-8 in a string" },
    { "\"\xe2\x82\"", "!invalid UTF-8 in a string" },         /* cut short */
    { "\"\xe2\x82", "!invalid UTF-8 in a string" },
    { "\"\xf0\x9f\x98\x7f\"", "!invalid UTF-8 in a string" },
    { "{\"\xff\":1}", "{ !invalid UTF-8 in a string" },
    /* clang-format on */
};

static void test_tokens(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_buf got = { 0 };
        trace(cases[i].text, strlen(cases[i].text), 0, &got);
        CHECK(got.data && strcmp(got.data, cases[i].want) == 0, "%s: got %s, want %s",
              cases[i].text, got.data, cases[i].want);
        wh_buf_free(&got);
    }
    wh_buf got = { 0 };
    trace("\"a\0b\"", 5, 0, &got); /* a NUL octet is a control character */
    CHECK(got.data && strcmp(got.data, "!control character in a string") == 0, "%s", got.data);
    wh_buf_free(&got);
    trace("\"\\\0\"", 4, 0, &got);
    CHECK(got.data && strcmp(got.data, "!unknown escape in a string") == 0, "%s", got.data);
    wh_buf_free(&got);
    trace("1\0", 2, 0, &got);
    CHECK(got.data && strcmp(got.data, "n:1 !text after the value") == 0, "%s", got.data);
    wh_buf_free(&got);
}

static void test_endings(void)
{
    size_t stem = 7;
    CHECK(wh_ends_with("a.gguf", ".gguf", &stem) && stem == 1, "%zu", stem);
    CHECK(wh_ends_with("a.gguf.gguf", ".gguf", &stem) && stem == 6, "%zu", stem);
    CHECK(!wh_ends_with(".gguf", ".gguf", &stem) && !wh_ends_with("gguf", ".gguf", &stem) &&
              !wh_ends_with("a.gguf2", ".gguf", NULL) && !wh_ends_with("", "", NULL),
          "nothing before it, or another end");
    CHECK(stem == 6 && wh_ends_with("a", "", NULL), "left alone");
}

/* Words of Python's json module: numbers without a value, and nothing else is taken in. */
static void test_python(void)
{
    static const char *const words[][2] = {
        { "[0.0, Infinity]", "[ n:0.0 n:Infinity ] ." },
        { "[-Infinity,NaN]", "[ n:-Infinity n:NaN ] ." },
        { "{\"a\":NaN,\"b\":[-1,-0]}", "{ k:a n:NaN k:b [ n:-1 n:-0 ] } ." },
        { "Infinity", "n:Infinity ." },
        { "Infinit", "!unexpected character" },
        { "-Infinit", "!number without digits" },
        { "-NaN", "!number without digits" },
        { "+Infinity", "!unexpected character" },
        { "nan", "!unexpected character" },
        { "Infinity1", "n:Infinity !text after the value" },
        { "[NaN", "[ n:NaN !text ends early" },
        { "{NaN:1}", "{ !expected a member name" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        wh_buf got = { 0 };
        trace(words[i][0], strlen(words[i][0]), 1, &got);
        CHECK(got.data && strcmp(got.data, words[i][1]) == 0, "%s: got %s", words[i][0], got.data);
        wh_buf_free(&got);
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const each[] = { "Infinity", "-Infinity", "NaN" };
        wh_json j;
        uint64_t whole = 7;
        double real = 7;
        wh_json_init(&j, each[i], strlen(each[i]));
        j.python = 1;
        CHECK(wh_json_next(&j) == WH_JSON_NUMBER && !wh_json_u64(&j, &whole) &&
                  !wh_json_f64(&j, &real) && whole == 7,
              "%s", each[i]);
        wh_json_free(&j);
    }
}

static void test_depth(void)
{
    char text[2 * WH_JSON_DEPTH + 2];
    for (size_t depth = WH_JSON_DEPTH - 1; depth <= WH_JSON_DEPTH + 1; depth++) {
        wh_json j;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        wh_json_init(&j, text, depth <= WH_JSON_DEPTH ? 2 * depth : depth);
        wh_json_token t;
        do t = wh_json_next(&j);
        while (t != WH_JSON_ERROR && t != WH_JSON_END);
        CHECK((t == WH_JSON_END) == (depth <= WH_JSON_DEPTH), "%zu levels", depth);
        if (t == WH_JSON_ERROR)
            CHECK(strcmp(j.problem, "more than 64 levels") == 0, "%s", j.problem);
        wh_json_free(&j);
    }
    /* Objects and arrays on one level one after the other, deep and shallow. */
    wh_buf got = { 0 };
    const char *mixed = "[{\"a\":[]},[{}],{\"b\":{\"c\":[[1]]}}]";
    trace(mixed, strlen(mixed), 0, &got);
    CHECK(strcmp(got.data, "[ { k:a [ ] } [ { } ] { k:b { k:c [ [ n:1 ] ] } } ] .") == 0, "%s",
          got.data);
    wh_buf_free(&got);
}

static void test_skip(void)
{
    static const char text[] = "{\"a\":{\"x\":[1,{\"y\":[]}]},\"b\":7,\"c\":[[],[2]],\"d\":\"e\"}";
    wh_json j;
    wh_json_init(&j, text, sizeof text - 1);
    CHECK(wh_json_next(&j) == WH_JSON_OBJECT, "opens");
    CHECK(wh_json_next(&j) == WH_JSON_KEY && wh_json_skip(&j, WH_JSON_KEY), "a value after a key");
    CHECK(wh_json_next(&j) == WH_JSON_KEY && strcmp(j.text, "b") == 0, "at %s", j.text);
    CHECK(wh_json_skip(&j, WH_JSON_KEY), "a scalar after a key");
    CHECK(wh_json_next(&j) == WH_JSON_KEY && strcmp(j.text, "c") == 0, "at %s", j.text);
    CHECK(wh_json_next(&j) == WH_JSON_ARRAY && wh_json_skip(&j, WH_JSON_ARRAY), "an array");
    CHECK(wh_json_next(&j) == WH_JSON_KEY && strcmp(j.text, "d") == 0, "at %s", j.text);
    wh_json_token t = wh_json_next(&j);
    CHECK(t == WH_JSON_STRING && wh_json_skip(&j, t), "no-op behind a scalar");
    t = wh_json_next(&j);
    CHECK(t == WH_JSON_OBJECT_END && wh_json_skip(&j, t), "no-op behind an end");
    CHECK(wh_json_next(&j) == WH_JSON_END, "the end");
    wh_json_free(&j);

    wh_json_init(&j, text, sizeof text - 1);
    CHECK(wh_json_skip(&j, wh_json_next(&j)) && wh_json_next(&j) == WH_JSON_END, "the whole text");
    wh_json_free(&j);
    wh_json_init(&j, text, 20);
    CHECK(!wh_json_skip(&j, wh_json_next(&j)), "an error inside");
    CHECK(!wh_json_skip(&j, WH_JSON_ERROR), "an error before");
    wh_json_free(&j);
}

static void test_u64(void)
{
    static const struct {
        const char *text;
        int ok;
        uint64_t want;
    } rows[] = {
        { "0", 1, 0 },
        { "18446744073709551615", 1, UINT64_MAX },
        { "18446744073709551616", 0, 0 },
        { "18446744073709551620", 0, 0 },
        { "99999999999999999999999999", 0, 0 },
        { "-1", 0, 0 },
        { "-0", 0, 0 },
        { "1.0", 0, 0 },
        { "1e2", 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t v = 77;
        wh_json j;
        wh_json_init(&j, rows[i].text, strlen(rows[i].text));
        CHECK(!wh_json_u64(&j, &v), "nothing read yet");
        CHECK(wh_json_next(&j) == WH_JSON_NUMBER, "%s", rows[i].text);
        CHECK(wh_json_u64(&j, &v) == rows[i].ok, "%s", rows[i].text);
        CHECK(v == (rows[i].ok ? rows[i].want : 77), "%s", rows[i].text);
        wh_json_free(&j);
    }
}

static void test_f64(const char *locale)
{
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        { "0", 0 },
        { "-12", -12 },
        { "0.028076171875", 0.028076171875 },
        { "2.34567802e-02", 2.34567802e-02 },
        { "0.1", 0.1 },
        { "1E2", 100 },
        { "-5.0e-324", -5e-324 },
        { "1e999", INFINITY },
        { "123456789012345678901234567890.5", 123456789012345678901234567890.5 },
    };
    char longer[402];
    double v = 0;
    wh_json j;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wh_json_init(&j, rows[i].text, strlen(rows[i].text));
        CHECK(wh_json_next(&j) == WH_JSON_NUMBER && wh_json_f64(&j, &v), "%s", rows[i].text);
        CHECK(v == rows[i].want, "%s: %s is %.17g", locale, rows[i].text, v);
        wh_json_free(&j);
    }
    memset(longer, '1', sizeof longer);
    longer[1] = '.'; /* 1.111.. */
    for (size_t n = 400; n <= 401; n++) {
        wh_json_init(&j, longer, n);
        CHECK(wh_json_next(&j) == WH_JSON_NUMBER && wh_json_f64(&j, &v) == (n == 400), "%zu", n);
        CHECK(v == 10.0 / 9, "%s: %.17g", locale, v);
        wh_json_free(&j);
    }
}

static void test_put_string(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "", "\"\"" },
        { "a/b \x7f", "\"a/b \x7f\"" },
        { "q\"b\\", "\"q\\\"b\\\\\"" },
        { "\n\x01\x1f", "\"\\u000a\\u0001\\u001f\"" },
        { "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
        { "a\xff"
          "b",
          "\"a\xef\xbf\xbd"
          "b\"" },
        { "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wh_buf b = { 0 };
        wh_json_put_string(&b, rows[i].text);
        CHECK(strcmp(b.data, rows[i].want) == 0, "got %s, want %s", b.data, rows[i].want);
        wh_buf_free(&b);
    }
}

static void test_put_double(const char *locale)
{
    static const struct {
        double v;
        const char *want;
    } rows[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { 1.5, "1.5" },
        { 0.1, "0.1" },
        { 1e10, "1e+10" },
        { 1e-7, "1e-07" },
        { 123456789, "123456789" },
        { -2.25, "-2.25" },
        { DBL_MAX, "1.79769313e+308" },
        { NAN, "null" },
        { INFINITY, "null" },
        { -INFINITY, "null" },
        { 1.0 / 3, "0.333333333" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wh_buf b = { 0 }, got = { 0 };
        wh_json_put_double(&b, rows[i].v);
        CHECK(strcmp(b.data, rows[i].want) == 0, "%s: got %s, want %s", locale, b.data,
              rows[i].want);
        trace(b.data, b.len, 0, &got);
        CHECK(!strchr(got.data, '!'), "%s is JSON", b.data);
        wh_buf_free(&got);
        wh_buf_free(&b);
    }
}

static void test_names(void)
{
    enum { N = 5000 };
    static char text[N][12];
    wh_names set = { 0 };
    CHECK(wh_names_find(&set, "x") == WH_NAMES_NONE, "empty");
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "%zu.w", i);
        CHECK(wh_names_add(&set, text[i], i * 3) == 1, "add %s", text[i]);
        CHECK(wh_names_add(&set, text[i / 2], 1) == 0, "%s again", text[i / 2]);
    }
    CHECK(wh_names_add(&set, "", 9) == 1 && wh_names_find(&set, "") == 9, "the empty name");
    CHECK(set.count == N + 1, "%zu", set.count);
    for (size_t i = 0; i < N; i++) CHECK(wh_names_find(&set, text[i]) == i * 3, "find %s", text[i]);
    CHECK(wh_names_find(&set, "5000.w") == WH_NAMES_NONE, "not there");
    CHECK(wh_names_find(&set, "1.") == WH_NAMES_NONE, "a part of one");
    wh_names_free(&set);
    CHECK(set.count == 0 && set.cap == 0, "empty again");
    wh_names_free(&set);
}

static void test_add_lines(void)
{
    wh_lines none = { 0 }, two = { 0 };
    wh_buf b = { 0 };
    wh_lines_add(&two, "one \"%d\"", 1);
    wh_lines_add(&two, "two");
    wh_json_add_lines(&b, "none", &none);
    wh_json_add_lines(&b, "two", &two);
    static const char want[] = ",\"none\":[],\"two\":[\"one \\\"1\\\"\",\"two\"]";
    CHECK(b.data && strcmp(b.data, want) == 0, "lines as %s", b.data ? b.data : "nothing");
    wh_buf_free(&b);
    wh_lines_free(&two);
}

int main(void)
{
    test_add_lines();
    test_tokens();
    test_endings();
    test_python();
    test_depth();
    test_skip();
    test_u64();
    test_put_string();
    test_f64("C");
    test_put_double("C");
    static const char *const commas[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ps_AF.UTF-8" };
    for (size_t i = 0; i < sizeof commas / sizeof commas[0]; i++)
        if (setlocale(LC_NUMERIC, commas[i])) {
            test_f64(commas[i]);
            test_put_double(commas[i]);
        }
    test_names();
    return check_result();
}
