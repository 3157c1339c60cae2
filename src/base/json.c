/* src/base/json.c - pull parser and writer helpers for JSON.
 *
 * The parser is a state machine over a text in memory: no recursion (the open levels are one bit
 * each) and no tree. It is strict: what the grammar does not name is an error, comments, trailing
 * commas and a byte-order mark included; NaN and infinities, too, but for files of Python. Not
 * here: duplicate keys.
 *
 * Source: RFC 8259; well-formed UTF-8 as in RFC 3629.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE, /* a value: at the start, or after a key */
    FIRST, /* right behind an opening bracket: an element, or the closing bracket */
    AFTER, /* behind a value: a comma, a closing bracket, or the end */
};

void wh_json_init(wh_json *j, const char *src, size_t len)
{
    memset(j, 0, sizeof *j);
    j->src = src;
    j->len = len;
    j->text = "";
}

void wh_json_free(wh_json *j)
{
    wh_buf_free(&j->scratch);
    j->text = "";
    j->text_len = 0;
}

static wh_json_token problem(wh_json *j, const char *what)
{
    j->problem = what;
    return WH_JSON_ERROR;
}

size_t wh_utf8_sequence(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, low, high; /* lead octets, and the range of the second octet */
        size_t len;
    } forms[] = {
        /* clang-format off */
        { 0x00, 0x7f, 0x00, 0x00, 1 },
        { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last) continue;
        if (forms[i].len > left) return 0;
        if (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high)) return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80) return 0;
        return forms[i].len;
    }
    return 0;
}

size_t wh_utf8_prefix(const char *text, size_t len)
{
    size_t at = 0;
    for (size_t n; at < len; at += n) {
        n = (unsigned char)text[at] < 0x80
                ? 1
                : wh_utf8_sequence((const unsigned char *)text + at, len - at);
        if (n == 0) break;
    }
    return at;
}

void wh_utf8_put(wh_buf *b, uint32_t c)
{
    unsigned char u[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, c >>= 6) u[i] = (unsigned char)(0x80 | (c & 0x3f));
    u[0] = (unsigned char)(lead[n] | c);
    wh_buf_put(b, u, n);
}

/* The octet at the position, or -1 at the end. */
static int peek(const wh_json *j)
{
    return j->pos < j->len ? (unsigned char)j->src[j->pos] : -1;
}

static void skip_space(wh_json *j)
{
    for (int c = peek(j); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = peek(j)) j->pos++;
}

static int in_array(const wh_json *j)
{
    return (int)(j->is_array >> (j->depth - 1) & 1);
}

static void clear_text(wh_json *j)
{
    j->text = "";
    j->text_len = 0;
    j->scratch.len = 0;
    wh_buf_put(&j->scratch, "", 0); /* so that an empty text is there, too */
}

/* Hand out what the scratch buffer holds, as that token. */
static wh_json_token set_text(wh_json *j, wh_json_token token)
{
    if (j->scratch.failed) {
        j->nomem = 1;
        return problem(j, "no memory");
    }
    j->text = j->scratch.data;
    j->text_len = j->scratch.len;
    return token;
}

/* Four hexadecimal digits at the position, or -1. */
static int32_t hex4(wh_json *j)
{
    int32_t v = 0;
    if (j->len - j->pos < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = peek(j);
        if (c >= '0' && c <= '9')
            v = v * 16 + c - '0';
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            v = v * 16 + (c | 32) - 'a' + 10;
        else
            return -1;
        j->pos++;
    }
    return v;
}

/* Behind "\u": one code unit, or the two of a surrogate pair. */
static wh_json_token unicode_escape(wh_json *j)
{
    int32_t c = hex4(j);
    if (c < 0) return problem(j, "\\u without four hexadecimal digits");
    if (c == 0) return problem(j, "NUL in a string");
    if (c >= 0xd800 && c < 0xe000) {
        int32_t low = -1;
        if (c < 0xdc00 && j->len - j->pos >= 2 && memcmp(j->src + j->pos, "\\u", 2) == 0) {
            j->pos += 2;
            low = hex4(j);
        }
        if (low < 0xdc00 || low >= 0xe000) return problem(j, "lone surrogate in a string");
        c = 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
    }
    wh_utf8_put(&j->scratch, (uint32_t)c);
    return WH_JSON_STRING;
}

/* At a backslash. */
static wh_json_token escape(wh_json *j)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    j->pos++;
    int c = peek(j);
    if (c < 0) return problem(j, "string does not end");
    if (c == 'u') {
        j->pos++;
        return unicode_escape(j);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) return problem(j, "unknown escape in a string");
    wh_buf_put(&j->scratch, to + (at - from), 1);
    j->pos++;
    return WH_JSON_STRING;
}

/* At the opening quote: decode to behind the closing one, as that token. */
static wh_json_token string(wh_json *j, wh_json_token token)
{
    clear_text(j);
    j->pos++;
    for (;;) {
        size_t run = j->pos, n = 1;
        int c;
        while ((c = peek(j)) >= 0x20 && c != '"' && c != '\\') {
            if (c >= 0x80)
                n = wh_utf8_sequence((const unsigned char *)j->src + j->pos, j->len - j->pos);
            if (n == 0) return problem(j, "invalid UTF-8 in a string");
            j->pos += n;
            n = 1;
        }
        if (j->pos > run) wh_buf_put(&j->scratch, j->src + run, j->pos - run);
        if (c == '"') break;
        if (c < 0) return problem(j, "string does not end");
        if (c < 0x20) return problem(j, "control character in a string");
        if (escape(j) == WH_JSON_ERROR) return WH_JSON_ERROR;
    }
    j->pos++;
    return set_text(j, token);
}

static size_t digits(wh_json *j)
{
    size_t from = j->pos;
    while (peek(j) >= '0' && peek(j) <= '9') j->pos++;
    return j->pos - from;
}

/* From there to the position. */
static wh_json_token number_text(wh_json *j, size_t from)
{
    clear_text(j);
    wh_buf_put(&j->scratch, j->src + from, j->pos - from);
    return set_text(j, WH_JSON_NUMBER);
}

static wh_json_token number(wh_json *j)
{
    size_t from = j->pos;
    if (peek(j) == '-') j->pos++;
    if (peek(j) == '0')
        j->pos++; /* and no digit behind it: what follows is judged by the next call */
    else if (digits(j) == 0)
        return problem(j, "number without digits");
    if (peek(j) == '.') {
        j->pos++;
        if (digits(j) == 0) return problem(j, "number without digits after the point");
    }
    if (peek(j) == 'e' || peek(j) == 'E') {
        j->pos++;
        if (peek(j) == '+' || peek(j) == '-') j->pos++;
        if (digits(j) == 0) return problem(j, "number without digits in the exponent");
    }
    return number_text(j, from);
}

/* At a word that Python writes for a number: its octets; else 0. */
static size_t python_word(const wh_json *j)
{
    static const char *const words[] = { "Infinity", "-Infinity", "NaN" };
    for (size_t i = 0; j->python && i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i]);
        if (j->len - j->pos >= n && memcmp(j->src + j->pos, words[i], n) == 0) return n;
    }
    return 0;
}

static wh_json_token literal(wh_json *j)
{
    static const struct {
        const char *text;
        wh_json_token token;
    } words[] = { { "true", WH_JSON_TRUE }, { "false", WH_JSON_FALSE }, { "null", WH_JSON_NULL } };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i].text);
        if (j->len - j->pos < n || memcmp(j->src + j->pos, words[i].text, n) != 0) continue;
        j->pos += n;
        return words[i].token;
    }
    return problem(j, peek(j) < 0 ? "text ends early" : "unexpected character");
}

static wh_json_token open_level(wh_json *j, int array)
{
    if (j->depth == WH_JSON_DEPTH) return problem(j, "more than 64 levels");
    uint64_t bit = (uint64_t)1 << j->depth;
    j->is_array = array ? j->is_array | bit : j->is_array & ~bit;
    j->depth++;
    j->pos++;
    j->state = FIRST;
    return array ? WH_JSON_ARRAY : WH_JSON_OBJECT;
}

static wh_json_token value(wh_json *j)
{
    int c = peek(j);
    if (c == '{' || c == '[') return open_level(j, c == '[');
    j->state = AFTER;
    if (c == '"') return string(j, WH_JSON_STRING);
    const size_t word = python_word(j);
    if (word > 0) {
        j->pos += word;
        return number_text(j, j->pos - word);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return number(j);
    return literal(j);
}

/* A member name and its colon. */
static wh_json_token key(wh_json *j)
{
    if (peek(j) != '"') return problem(j, "expected a member name");
    if (string(j, WH_JSON_KEY) == WH_JSON_ERROR) return WH_JSON_ERROR;
    skip_space(j);
    if (peek(j) != ':') return problem(j, "expected ':'");
    j->pos++;
    j->state = VALUE;
    return WH_JSON_KEY;
}

wh_json_token wh_json_next(wh_json *j)
{
    if (j->problem) return WH_JSON_ERROR;
    skip_space(j);
    int c = peek(j);
    if (j->state == VALUE) return value(j);
    if (j->depth == 0) return c < 0 ? WH_JSON_END : problem(j, "text after the value");
    int array = in_array(j);
    if (c == (array ? ']' : '}')) {
        j->pos++;
        j->depth--;
        j->state = AFTER;
        return array ? WH_JSON_ARRAY_END : WH_JSON_OBJECT_END;
    }
    if (j->state == AFTER) {
        if (c != ',')
            return problem(j, c < 0 ? "text ends early" : "expected ',' or a closing bracket");
        j->pos++;
        skip_space(j);
    }
    return array ? value(j) : key(j);
}

int wh_json_skip(wh_json *j, wh_json_token last)
{
    unsigned target = j->depth;
    if (last == WH_JSON_OBJECT || last == WH_JSON_ARRAY)
        target--;
    else if (last == WH_JSON_KEY)
        wh_json_next(j);
    while (!j->problem && j->depth > target) wh_json_next(j);
    return j->problem == NULL;
}

int wh_json_u64(const wh_json *j, uint64_t *out)
{
    uint64_t v = 0;
    if (j->text_len == 0) return 0;
    for (const char *p = j->text; *p; p++) {
        if (*p < '0' || *p > '9') return 0;
        unsigned d = (unsigned)(*p - '0');
        if (v > (UINT64_MAX - d) / 10) return 0;
        v = v * 10 + d;
    }
    *out = v;
    return 1;
}

int wh_json_f64(const wh_json *j, double *out)
{
    char text[420], half[16];
    const size_t point = strcspn(j->text, ".");
    snprintf(half, sizeof half, "%.1f", 0.5); /* "0", the locale's decimal point, "5" */
    if (j->text_len > 400 || j->text[j->text[0] == '-'] > '9') return 0;
    if (point == j->text_len)
        memcpy(text, j->text, point + 1);
    else
        snprintf(text, sizeof text, "%.*s%.*s%s", (int)point, j->text, (int)strlen(half) - 2,
                 half + 1, j->text + point + 1);
    *out = strtod(text, NULL);
    return 1;
}

void wh_json_put_string(wh_buf *b, const char *text)
{
    size_t left = strlen(text);
    wh_buf_put(b, "\"", 1);
    while (left > 0) {
        const unsigned char *p = (const unsigned char *)text;
        size_t n = wh_utf8_sequence(p, left);
        if (n == 0) {
            wh_buf_puts(b, "\xef\xbf\xbd");
            n = 1;
        } else if (*p == '"' || *p == '\\')
            wh_buf_putf(b, "\\%c", *p);
        else if (*p < 0x20)
            wh_buf_putf(b, "\\u%04x", *p);
        else
            wh_buf_put(b, text, n);
        text += n;
        left -= n;
    }
    wh_buf_put(b, "\"", 1);
}

void wh_json_put_double(wh_buf *b, double v)
{
    char text[40];
    if (!isfinite(v)) {
        wh_buf_puts(b, "null");
        return;
    }
    snprintf(text, sizeof text, "%.9g", v);
    /* The locale's decimal point may be any character, of several octets even. */
    for (const char *p = text; *p;) {
        size_t n = strspn(p, "0123456789+-e");
        wh_buf_put(b, p, n);
        p += n;
        n = strcspn(p, "0123456789+-e");
        if (n > 0) wh_buf_put(b, ".", 1);
        p += n;
    }
}

void wh_json_add_text(wh_buf *b, const char *key, const char *text)
{
    wh_buf_putf(b, ",\"%s\":", key);
    if (text)
        wh_json_put_string(b, text);
    else
        wh_buf_puts(b, "null");
}

void wh_json_add_u64(wh_buf *b, const char *key, uint64_t value)
{
    wh_buf_putf(b, ",\"%s\":%" PRIu64, key, value);
}

void wh_json_add_double(wh_buf *b, const char *key, double value)
{
    wh_buf_putf(b, ",\"%s\":", key);
    wh_json_put_double(b, value);
}

void wh_json_add_lines(wh_buf *b, const char *key, const wh_lines *lines)
{
    wh_buf_putf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < lines->count; i++) {
        if (i) wh_buf_puts(b, ",");
        wh_json_put_string(b, lines->line[i]);
    }
    wh_buf_puts(b, "]");
}
