/* src/model/nfc.c - the normal form NFC: canonical decomposition, order of marks, composition.
 *
 * Characters that NFC may change, or that may join what stands before them, are uneasy (a table).
 * Between them everything is copied; so only an easy character and the uneasy ones behind it are
 * worked on together.
 *
 * Source: Unicode Standard Annex 15; the arithmetic of Hangul is section 3.12 of the standard.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/unicode.h"

enum {
    HANGUL = 0xac00,
    LEADS = 0x1100,
    VOWELS = 0x1161,
    TAILS = 0x11a7, /* one before the first */
    LEAD_COUNT = 19,
    VOWEL_COUNT = 21,
    TAIL_COUNT = 28,
    HANGUL_COUNT = LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT
};

/* A starter and the marks behind it that have not become one with it. */
typedef struct cluster {
    wh_buf *out;
    uint32_t starter;
    int has_starter;
    uint64_t *mark; /* class << 56 | place << 24 | code point: in the order of the numbers */
    size_t count, cap;
} cluster;

static unsigned class_of(uint32_t c)
{
    return wh_unicode_value(wh_unicode_classes, wh_unicode_classes_count, 8, c);
}

static int is_uneasy(uint32_t c)
{
    return c >= 0x300 && wh_unicode_value(wh_unicode_uneasy, wh_unicode_uneasy_count, 1, c) != 0;
}

/* The one character that two make, or 0. */
static uint32_t compose(uint32_t a, uint32_t b)
{
    if (a >= LEADS && a < LEADS + LEAD_COUNT && b >= VOWELS && b < VOWELS + VOWEL_COUNT)
        return HANGUL + ((a - LEADS) * VOWEL_COUNT + (b - VOWELS)) * TAIL_COUNT;
    if (a >= HANGUL && a < HANGUL + HANGUL_COUNT && (a - HANGUL) % TAIL_COUNT == 0 && b > TAILS &&
        b < TAILS + TAIL_COUNT)
        return a + (b - TAILS);
    size_t low = 0, high = wh_unicode_composing_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const uint32_t *pair = wh_unicode_parts + (size_t)wh_unicode_composing[middle] * 3;
        if (pair[1] == a && pair[2] == b) return pair[0];
        if (pair[1] < a || (pair[1] == a && pair[2] < b))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Put the marks in order and join those with the starter that are not blocked by one before them of
 * the same class. */
static void join_marks(cluster *k)
{
    size_t kept = 0;
    unsigned before = 0;
    if (k->count > 1) qsort(k->mark, k->count, sizeof *k->mark, by_number);
    for (size_t i = 0; i < k->count; i++) {
        const unsigned class = (unsigned)(k->mark[i] >> 56);
        const uint32_t c = (uint32_t)(k->mark[i] & 0xffffff);
        const uint32_t joined = k->has_starter && class != before ? compose(k->starter, c) : 0;
        if (joined) {
            k->starter = joined;
        } else {
            k->mark[kept++] = k->mark[i];
            before = class;
        }
    }
    k->count = kept;
}

static void flush(cluster *k)
{
    if (k->has_starter) wh_utf8_put(k->out, k->starter);
    for (size_t i = 0; i < k->count; i++) wh_utf8_put(k->out, (uint32_t)(k->mark[i] & 0xffffff));
    k->has_starter = 0;
    k->count = 0;
}

/* The next character, which decomposes no further. */
static void put(cluster *k, uint32_t c)
{
    const uint64_t class = class_of(c);
    if (class == 0) {
        join_marks(k);
        const uint32_t joined = k->has_starter && k->count == 0 ? compose(k->starter, c) : 0;
        if (!joined) flush(k);
        k->starter = joined ? joined : c;
        k->has_starter = 1;
        return;
    }
    void *mark = k->mark;
    if (!wh_grow(&mark, &k->cap, k->count + 1, sizeof *k->mark)) {
        k->out->failed = 1;
        return;
    }
    k->mark = mark;
    k->mark[k->count] = class << 56 | (uint64_t)(uint32_t)k->count << 24 | c;
    k->count++;
}

/* What a character decomposes into, put in order; the first part may decompose again. */
static void decompose(cluster *k, uint32_t c)
{
    size_t low = 0, high = wh_unicode_parts_count;
    if (c >= HANGUL && c < HANGUL + HANGUL_COUNT) {
        const uint32_t s = c - HANGUL, tail = s % TAIL_COUNT;
        put(k, LEADS + s / (VOWEL_COUNT * TAIL_COUNT));
        put(k, VOWELS + s / TAIL_COUNT % VOWEL_COUNT);
        if (tail > 0) put(k, TAILS + tail);
        return;
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const uint32_t *pair = wh_unicode_parts + middle * 3;
        if (pair[0] == c) {
            decompose(k, pair[1]); /* at most four levels, as the table has them */
            if (pair[2]) decompose(k, pair[2]);
            return;
        }
        if (pair[0] < c)
            low = middle + 1;
        else
            high = middle;
    }
    put(k, c);
}

int wh_nfc_is_easy(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = 1;
        if ((unsigned char)text[i] >= 0x80 && is_uneasy(wh_utf8_read(text + i, &n))) return 0;
    }
    return 1;
}

void wh_nfc_put(wh_buf *b, const char *text, size_t len)
{
    cluster k = { .out = b };
    size_t copied = 0, last = 0; /* before `copied` all is done; the last easy one is at `last` */
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c = wh_utf8_read(text + i, &n);
        if (!is_uneasy(c)) {
            last = i;
            continue;
        }
        wh_buf_put(b, text + copied, last - copied);
        for (i = last; i < len; i += n) {
            c = wh_utf8_read(text + i, &n);
            if (i > last && !is_uneasy(c)) break;
            decompose(&k, c);
        }
        join_marks(&k);
        flush(&k);
        copied = last = i;
        n = 0; /* the easy one that ended it is looked at again */
    }
    wh_buf_put(b, text + copied, len - copied);
    free(k.mark);
}
