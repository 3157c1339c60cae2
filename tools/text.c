/* tools/text.c - what a word on the command line says: numbers, sizes, one of a list, and how near
 * it is to another; and names made short.
 *
 * The distance is the optimal string alignment one: insert, delete, replace, swap neighbours.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t cli_edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t d[3][CLI_NEAR_LENGTH + 1]; /* row i of the table is d[i % 3] */
    if (n > CLI_NEAR_LENGTH || m > CLI_NEAR_LENGTH) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++) d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = d[i % 3];
        const size_t *above = d[(i + 2) % 3], *above2 = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = smaller(above[j] + 1, row[j - 1] + 1);
            row[j] = smaller(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], above2[j - 2] + 1);
            }
        }
    }
    return d[n % 3][m];
}

int cli_read_count(const char *text, uint64_t limit, uint64_t *out, const char **end)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (n > (limit - digit) / 10) return 0; /* limit is at least 9 */
        n = n * 10 + digit;
    }
    *out = n;
    *end = p;
    return p != text;
}

static int same_word(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char low = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        if (low != *b) return 0;
    }
    return *a == *b;
}

int cli_read_size(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        { "", 1 },
        { "b", 1 },
        { "kb", 1000 },
        { "mb", 1000000 },
        { "gb", 1000000000 },
        { "tb", 1000000000000 },
        { "kib", (uint64_t)1 << 10 },
        { "mib", (uint64_t)1 << 20 },
        { "gib", (uint64_t)1 << 30 },
        { "tib", (uint64_t)1 << 40 },
    };
    uint64_t n = 0;
    const char *end = NULL;
    if (!cli_read_count(text, UINT64_MAX, &n, &end) || n == 0) return 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!same_word(end, units[i].unit)) continue;
        if (n > UINT64_MAX / units[i].bytes) return 0;
        *out = n * units[i].bytes;
        return 1;
    }
    return 0;
}

int cli_read_shape(const char *text, cli_shape *out)
{
    for (out->rank = 0; out->rank < WHIT_MAX_RANK;) {
        if (!cli_read_count(text, UINT64_MAX, &out->size[out->rank++], &text)) return 0;
        if (*text++ != ',') return text[-1] == '\0';
    }
    return 0;
}

int cli_read_word(const char *text, const char *words)
{
    size_t length = strlen(text);
    for (int i = 1;; i++) {
        size_t n = strcspn(words, "|");
        if (n == length && memcmp(words, text, n) == 0) return i;
        if (words[n] == '\0') return 0;
        words += n + 1;
    }
}

int cli_read_number(const char *text, double *out)
{
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && !isnan(*out);
}

static int inside_character(char c) /* of UTF-8 */
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

const char *cli_short(char *buf, size_t size, const char *name)
{
    size_t n = strlen(name);
    if (n < size) return memcpy(buf, name, n + 1);
    size_t head = (size - 4) / 2, tail = n - (size - 4 - head);
    while (head > 0 && inside_character(name[head])) head--;
    while (inside_character(name[tail])) tail++;
    memcpy(buf, name, head);
    memcpy(buf + head, "...", 3);
    memcpy(buf + head + 3, name + tail, n - tail + 1);
    return buf;
}
