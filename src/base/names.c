/* src/base/names.c - a hash set of borrowed strings, open addressing, at most half full.
 *
 * The names come from files of strangers, so that a plain hash would let one of them choose a
 * million names that fall on one slot. The hash is therefore keyed, by the address of the table:
 * nobody knows it beforehand, and nothing that is written depends on the order of the slots.
 *
 * Source: SipHash-1-3, of Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 * SPDX-License-Identifier: MIT */
#include "base/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t sip_hash(const char *name, size_t len, uint64_t k0, uint64_t k1)
{
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u };
    unsigned char last[8] = { 0 };
    size_t whole = len / 8 * 8;
    for (size_t i = 0; i <= whole; i += 8) { /* the last word holds the rest and the length */
        if (i == whole) {
            memcpy(last, name + whole, len - whole);
            last[7] = (unsigned char)len;
        }
        uint64_t word = wh_load64(i == whole ? (const char *)last : name + i);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds name, or the free one where it belongs. cap > count. */
static size_t slot_of(const wh_names *set, const char *name)
{
    uint64_t key = (uintptr_t)set->name;
    uint64_t hash = sip_hash(name, strlen(name), key, key * 0x9e3779b97f4a7c15u);
    size_t slot = (size_t)hash & (set->cap - 1);
    while (set->name[slot] && strcmp(set->name[slot], name) != 0)
        slot = (slot + 1) & (set->cap - 1);
    return slot;
}

static int enlarge(wh_names *set)
{
    wh_names big = { NULL, NULL, set->count, set->cap ? set->cap * 2 : 16 };
    if (big.cap < set->cap) return 0;
    big.name = wh_calloc(big.cap, sizeof *big.name);
    big.index = wh_calloc(big.cap, sizeof *big.index);
    if (!big.name || !big.index) {
        wh_names_free(&big);
        return 0;
    }
    for (size_t i = 0; i < set->cap; i++) {
        if (!set->name[i]) continue;
        size_t slot = slot_of(&big, set->name[i]);
        big.name[slot] = set->name[i];
        big.index[slot] = set->index[i];
    }
    wh_names_free(set);
    *set = big;
    return 1;
}

int wh_names_add(wh_names *set, const char *name, size_t index)
{
    if (set->count >= set->cap / 2 && !enlarge(set)) return -1;
    size_t slot = slot_of(set, name);
    if (set->name[slot]) return 0;
    set->name[slot] = name;
    set->index[slot] = index;
    set->count++;
    return 1;
}

size_t wh_names_find(const wh_names *set, const char *name)
{
    if (set->count == 0) return WH_NAMES_NONE;
    size_t slot = slot_of(set, name);
    return set->name[slot] ? set->index[slot] : WH_NAMES_NONE;
}

void wh_names_free(wh_names *set)
{
    free((void *)set->name);
    free(set->index);
    memset(set, 0, sizeof *set);
}

int wh_name_is(const char *name, const char *lower)
{
    while (*lower && (*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name) == *lower)
        name++, lower++;
    return !*name && !*lower;
}

int wh_ends_with(const char *name, const char *end, size_t *stem)
{
    const size_t n = strlen(name), m = strlen(end);
    if (n <= m || strcmp(name + n - m, end) != 0) return 0;
    if (stem) *stem = n - m;
    return 1;
}

int wh_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
