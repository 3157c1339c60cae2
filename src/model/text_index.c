/* src/model/text_index.c - a hash table of borrowed texts, open addressing, at most half full.
 * SPDX-License-Identifier: MIT */
#include "model/text_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/hash.h"

/* The first n octets, n < 8, as a number; their count is hashed apart. */
static uint64_t load_part(const unsigned char *p, size_t n)
{
    if (n >= 4) return wh_load32(p) | (uint64_t)wh_load32(p + n - 4) << 32;
    if (n == 0) return 0;
    return p[0] | (uint64_t)p[n >> 1] << 8 | (uint64_t)p[n - 1] << 16;
}

static uint64_t hash(const char *text, size_t len, uint64_t key)
{
    const unsigned char *p = (const unsigned char *)text;
    uint64_t h = key ^ (len * 0x9e3779b97f4a7c15u);
    for (; len >= 8; len -= 8, p += 8)
        h = wh_fold(h ^ wh_load64(p) ^ 0xa0761d6478bd642fu, key ^ 0xe7037ed1a0b428dbu);
    return wh_fold(h ^ load_part(p, len) ^ 0x8ebc6af09c88c6e3u, key ^ 0x589965cc75374cc3u);
}

/* The slot that holds the text, or the free one where it belongs. cap > count. */
static size_t slot_of(const wh_text_index *x, const char *text, size_t len)
{
    size_t at = (size_t)hash(text, len, x->key) & (x->cap - 1);
    const wh_text_slot *s = &x->slot[at];
    while (s->text && (s->len != len || memcmp(s->text, text, len) != 0)) {
        at = (at + 1) & (x->cap - 1);
        s = &x->slot[at];
    }
    return at;
}

int wh_text_index_reserve(wh_text_index *x, size_t more)
{
    if (more <= x->cap / 2 && x->count <= x->cap / 2 - more) return 1;
    if (more > SIZE_MAX / 8 - x->count) return 0;
    wh_text_index big = { NULL, x->count, x->cap ? x->cap : 16, 0 };
    while (big.cap / 2 < x->count + more) big.cap *= 2;
    big.slot = wh_calloc(big.cap, sizeof *big.slot);
    if (!big.slot) return 0;
    big.key = wh_hash_key(big.slot);
    for (size_t i = 0; i < x->cap; i++) {
        const wh_text_slot *s = &x->slot[i];
        if (s->text) big.slot[slot_of(&big, s->text, s->len)] = *s;
    }
    free(x->slot);
    *x = big;
    return 1;
}

int wh_text_index_add(wh_text_index *x, const char *text, uint32_t len, uint32_t id)
{
    if (!wh_text_index_reserve(x, 1)) return -1;
    wh_text_slot *s = &x->slot[slot_of(x, text, len)];
    if (s->text) return 0;
    *s = (wh_text_slot){ text, len, id };
    x->count++;
    return 1;
}

uint32_t wh_text_index_find(const wh_text_index *x, const char *text, size_t len)
{
    if (x->count == 0) return WH_TEXT_NONE;
    const wh_text_slot *s = &x->slot[slot_of(x, text, len)];
    return s->text ? s->id : WH_TEXT_NONE;
}

void wh_text_index_free(wh_text_index *x)
{
    free(x->slot);
    memset(x, 0, sizeof *x);
}
