/* src/model/token_split.c - the words of byte-level vocabularies, without a regular expression.
 *
 * The patterns, alternatives in order, the first that matches counts (L letters, N numbers, S white
 * space, O all others):
 *
 *   GPT-2     's 't 're 've 'm 'll 'd  |  [space] L+  |  [space] N+  |  [space] O+  |  S
 *   Llama 3   the same in any case     |  [one that is neither CR, LF, L nor N] L+  |  N up to
 * three |  [space] O+ (CR or LF)*  |  S+ up to its last CR or LF  |  S Qwen 2    as Llama 3, with
 * one N SmolLM    each N alone; between them GPT-2, which takes the next N for the end of the text
 *
 * where S is a run of white space without its last character, unless it ends the text or is one
 * character long. The patterns match at every position, so there is nothing between the words.
 *
 * In any case: as Unicode folds it, by which U+017F (long s) is an s.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "model/token.h"
#include "model/unicode.h"

/* Kinds of characters, as the patterns tell them apart. */
enum { OTHER, LETTER, NUMBER, SPACE, NEWLINE };

/* clang-format off */
static const unsigned char ascii[128] = {
    ['\t'] = SPACE, ['\n'] = NEWLINE, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = NEWLINE,
    [' '] = SPACE,
    ['0'] = NUMBER, ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER, ['4'] = NUMBER,
    ['5'] = NUMBER, ['6'] = NUMBER, ['7'] = NUMBER, ['8'] = NUMBER, ['9'] = NUMBER,
    ['A'] = LETTER, ['B'] = LETTER, ['C'] = LETTER, ['D'] = LETTER, ['E'] = LETTER, ['F'] = LETTER,
    ['G'] = LETTER, ['H'] = LETTER, ['I'] = LETTER, ['J'] = LETTER, ['K'] = LETTER, ['L'] = LETTER,
    ['M'] = LETTER, ['N'] = LETTER, ['O'] = LETTER, ['P'] = LETTER, ['Q'] = LETTER, ['R'] = LETTER,
    ['S'] = LETTER, ['T'] = LETTER, ['U'] = LETTER, ['V'] = LETTER, ['W'] = LETTER, ['X'] = LETTER,
    ['Y'] = LETTER, ['Z'] = LETTER,
    ['a'] = LETTER, ['b'] = LETTER, ['c'] = LETTER, ['d'] = LETTER, ['e'] = LETTER, ['f'] = LETTER,
    ['g'] = LETTER, ['h'] = LETTER, ['i'] = LETTER, ['j'] = LETTER, ['k'] = LETTER, ['l'] = LETTER,
    ['m'] = LETTER, ['n'] = LETTER, ['o'] = LETTER, ['p'] = LETTER, ['q'] = LETTER, ['r'] = LETTER,
    ['s'] = LETTER, ['t'] = LETTER, ['u'] = LETTER, ['v'] = LETTER, ['w'] = LETTER, ['x'] = LETTER,
    ['y'] = LETTER, ['z'] = LETTER,
};
/* clang-format on */

/* The text from `at` to `end`, of which a word is to be found. */
typedef struct view {
    const char *text;
    size_t end;
} view;

static int wide_kind(const char *p, size_t *n)
{
    static const unsigned char kinds[] = {
        [WH_UNICODE_OTHER] = OTHER,   [WH_UNICODE_LETTER] = LETTER,
        [WH_UNICODE_NUMBER] = NUMBER, [WH_UNICODE_NUMBER_WORD] = NUMBER,
        [WH_UNICODE_SPACE] = SPACE,   [WH_UNICODE_WORD] = OTHER,
    };
    return kinds[wh_unicode_kind_of(wh_utf8_read(p, n))];
}

/* The kind of the character at `at`, and its octets. */
static inline int kind_at(const view *v, size_t at, size_t *n)
{
    const unsigned char c = (unsigned char)v->text[at];
    *n = 1;
    return c < 128 ? ascii[c] : wide_kind(v->text + at, n);
}

/* Where the run of a kind ends that begins at `at`. */
static inline size_t run(const view *v, size_t at, int kind)
{
    for (size_t n; at < v->end; at += n)
        if (kind_at(v, at, &n) != kind) break;
    return at;
}

/* What a contraction takes at the apostrophe at `at`: its octets, or 0. */
static size_t contraction(const view *v, size_t at, int any_case)
{
    static const char *const forms[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    const char *p = v->text + at + 1;
    const size_t left = v->end - at - 1;
    const char low = any_case ? 0x20 : 0;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const size_t n = strlen(forms[i]);
        size_t k = 0;
        /* No octet but a letter becomes one of these by the bit. */
        while (k < n && k < left && (p[k] | low) == forms[i][k]) k++;
        if (k == n) return n + 1;
    }
    return any_case && left >= 2 && memcmp(p, "\xc5\xbf", 2) == 0 ? 3 : 0;
}

/* White space from `at` on: without its last character, unless it ends the text or is alone. */
static size_t space(const view *v, size_t at)
{
    size_t last = at, n;
    size_t end = at;
    for (int kind; end < v->end; end += n) {
        kind = kind_at(v, end, &n);
        if (kind != SPACE && kind != NEWLINE) break;
        last = end;
    }
    return end == v->end || last == at ? end : last;
}

static size_t gpt2_word(const view *v, size_t at)
{
    size_t n, begin = at;
    if (v->text[at] == '\'') {
        n = contraction(v, at, 0);
        if (n > 0) return at + n;
    }
    if (v->text[at] == ' ' && at + 1 < v->end) begin = at + 1;
    const int kind = kind_at(v, begin, &n);
    if (kind == SPACE || kind == NEWLINE) return space(v, at);
    return run(v, begin + n, kind);
}

/* White space with a newline in it: up to the last one; without: 0. */
static size_t lines(const view *v, size_t at)
{
    size_t end = 0;
    for (size_t n; at < v->end; at += n) {
        const int kind = kind_at(v, at, &n);
        if (kind == NEWLINE)
            end = at + n;
        else if (kind != SPACE)
            break;
    }
    return end;
}

static size_t numbers(const view *v, size_t at, int most)
{
    for (size_t n; most > 0 && at < v->end && kind_at(v, at, &n) == NUMBER; most--) at += n;
    return at;
}

static size_t llama3_word(const view *v, size_t at, int digits)
{
    size_t n, m = 0;
    int next = -1;
    if (v->text[at] == '\'') {
        n = contraction(v, at, 1);
        if (n > 0) return at + n;
    }
    const int kind = kind_at(v, at, &n);
    if (kind == LETTER) return run(v, at + n, LETTER);
    if (kind == NUMBER) return numbers(v, at, digits);
    if (at + n < v->end) next = kind_at(v, at + n, &m);
    if (kind != NEWLINE && next == LETTER) return run(v, at + n + m, LETTER);
    if (kind == OTHER || (v->text[at] == ' ' && next == OTHER)) {
        const size_t end = run(v, at + n, OTHER);
        return run(v, end, NEWLINE);
    }
    const size_t end = lines(v, at);
    return end > 0 ? end : space(v, at);
}

/* Digits apart; to the words between them the next digit is the end. */
static size_t smollm_word(wh_split *s)
{
    view v = { s->text, s->len };
    size_t n;
    if (kind_at(&v, s->at, &n) == NUMBER) return s->at + n;
    if (s->limit <= s->at)
        for (s->limit = s->at; s->limit < s->len; s->limit += n)
            if (kind_at(&v, s->limit, &n) == NUMBER) break;
    v.end = s->limit;
    return gpt2_word(&v, s->at);
}

size_t wh_split_next(wh_split *s)
{
    const view v = { s->text, s->len };
    const size_t at = s->at;
    if (at >= s->len) return 0;
    switch (s->how) {
    case WH_PRE_GPT2:
        s->at = gpt2_word(&v, at);
        break;
    case WH_PRE_LLAMA3:
        s->at = llama3_word(&v, at, 3);
        break;
    case WH_PRE_QWEN2:
        s->at = llama3_word(&v, at, 1);
        break;
    case WH_PRE_SMOLLM:
        s->at = smollm_word(s);
        break;
    case WH_PRE_NONE:
        s->at = s->len;
        break;
    }
    return s->at - at;
}
