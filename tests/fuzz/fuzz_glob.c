/* tests/fuzz/fuzz_glob.c - first line a glob, the rest a name. The parser takes or refuses it; the
 * matcher agrees with a naive one that tries everything, where the input is small enough for that.
 * SPDX-License-Identifier: MIT */
#include "job/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GLOB 4200 /* beyond the parser's own limit, which is thereby reached */
#define MAX_NAME 2048
#define SMALL 32
#define MAX_TRIES 20000

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

typedef struct naive {
    const char *name, *end;
    unsigned tries;
} naive;

static size_t octets_of(const char *s)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80) return 1;
    return n;
}

/* Length of the class at g, from '[' to behind ']'; *in says whether c is in it. */
static size_t read_class(const char *g, unsigned c, int *in)
{
    size_t i = 1;
    int complement = g[i] == '!' || g[i] == '^', found = 0;
    i += (size_t)complement;
    for (int first = 1; first || g[i] != ']'; first = 0) {
        unsigned lo = (unsigned char)g[i], hi = lo;
        if (g[i + 1] == '-' && g[i + 2] != ']') hi = (unsigned char)g[i += 2];
        if (c >= lo && c <= hi) found = 1;
        i++;
    }
    *in = found != complement;
    return i + 1;
}

/* The end of the alternative at g: its ',' or '}'. */
static const char *alternative_end(const char *g)
{
    int depth = 0, in;
    for (;; g++) {
        if (*g == '[') {
            g += read_class(g, 0, &in) - 1;
            continue;
        }
        if (depth == 0 && (*g == ',' || *g == '}')) return g;
        depth += (*g == '{') - (*g == '}');
    }
}

/* Is g..end two numbers with two dots between? As text, without leading zeros or a limit. */
static int is_range(const char *g, const char *end)
{
    size_t a = strspn(g, "0123456789");
    if (a == 0 || strncmp(g + a, "..", 2) != 0) return 0;
    size_t b = strspn(g + a + 2, "0123456789");
    return b != 0 && g + a + 2 + b == end;
}

/* Numbers as text: the longer is the larger, equals in the order of their digits. */
static int compare_numbers(const char *a, const char *b)
{
    size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
    return n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
}

static int try_match(naive *t, const char *g, const char *n);

static int try_brace(naive *t, const char *g, const char *n)
{
    const char *close = g;
    do close = alternative_end(close + 1);
    while (*close != '}');
    for (const char *a = g + 1;; a++) {
        const char *end = alternative_end(a);
        if (is_range(a, end)) {
            size_t len = strspn(n, "0123456789");
            int inside = n > t->name && strchr("0123456789", n[-1]) != NULL;
            if (len > 0 && !inside && (len == 1 || *n != '0') && n + len <= t->end &&
                compare_numbers(a, n) <= 0 && compare_numbers(n, strstr(a, "..") + 2) <= 0 &&
                try_match(t, close + 1, n + len))
                return 1;
        } else {
            char *joined = malloc((size_t)(end - a) + strlen(close + 1) + 1);
            if (!joined) abort();
            memcpy(joined, a, (size_t)(end - a));
            strcpy(joined + (end - a), close + 1);
            int found = try_match(t, joined, n);
            free(joined);
            if (found) return 1;
        }
        if (end == close) return 0;
        a = end;
    }
}

static int try_match(naive *t, const char *g, const char *n)
{
    int in;
    size_t skip = 1;
    if (++t->tries > MAX_TRIES) return 0;
    if (*g == 0) return n == t->end;
    if (*g == '{') return try_brace(t, g, n);
    if (*g == '*' && try_match(t, g + 1, n)) return 1;
    if (n == t->end) return 0;
    size_t octets = octets_of(n);
    switch (*g) {
    case '*':
        return try_match(t, g, n + octets);
    case '?':
        break;
    case '[':
        skip = read_class(g, octets == 1 ? (unsigned char)*n : 0x100, &in);
        if (!in) return 0;
        break;
    default:
        skip = octets_of(g);
        if (skip != octets || memcmp(g, n, skip) != 0) return 0;
    }
    return try_match(t, g + skip, n + octets);
}

/* Octets of a broken character in an alternative would form whole ones when texts are joined. */
static int is_utf8(const char *s)
{
    for (; *s; s += octets_of(s))
        if ((unsigned char)*s >= 0x80 && octets_of(s) == 1) return 0;
    return 1;
}

/* 1, 0, or -1 when it takes too long. */
static int naive_match(const char *glob, const char *name)
{
    size_t len = strlen(name);
    naive whole = { name, name + len, 0 }, stem = { name, name + len, 0 };
    int found = try_match(&whole, glob, name);
    if (len >= 7 && strcmp(name + len - 7, ".weight") == 0) {
        stem.end -= 7;
        found |= try_match(&stem, glob, name);
    }
    return whole.tries > MAX_TRIES || stem.tries > MAX_TRIES ? -1 : found;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char glob_text[MAX_GLOB + 1], name[MAX_NAME + 1];
    const unsigned char *line = size ? memchr(data, '\n', size) : NULL;
    size_t n = line ? (size_t)(line - data) : size, m = line ? size - n - 1 : 0;
    if (n > MAX_GLOB || m > MAX_NAME) return 0;
    if (n) memcpy(glob_text, data, n);
    if (m) memcpy(name, data + n + 1, m);
    glob_text[n] = name[m] = 0; /* a NUL inside ends either one early */

    wh_glob *glob = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_status st = wh_glob_parse(&glob, glob_text, &err);
    if ((st == WHIT_OK) != (glob != NULL) || (st == WHIT_OK) != (err.msg[0] == 0)) abort();
    if (!glob) return 0;
    int got = wh_glob_match(glob, name);
    if (got != 0 && got != 1) abort();
    if (strlen(glob_text) <= SMALL && strlen(name) <= SMALL && is_utf8(glob_text)) {
        int want = naive_match(glob_text, name);
        if (want >= 0 && want != got) {
            fprintf(stderr, "'%s' on '%s': %d, not %d\n", glob_text, name, got, want);
            abort();
        }
    }
    wh_glob_free(glob);
    return 0;
}
