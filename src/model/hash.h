/* src/model/hash.h - mixing for the hash tables of the tokenizer.
 *
 * Tables take the address of their memory as a key: a vocabulary of a stranger cannot choose what
 * falls on one slot, and nothing that is written depends on the order of slots.
 * Source of the mixing: multiply two words to 128 bits and fold, as in wyhash (Wang Yi).
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_HASH_H
#define WH_MODEL_HASH_H

#include <stdint.h>

/* The two halves of the product, folded. */
static inline uint64_t wh_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide p = (wide)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
#else
    uint64_t al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
    uint64_t first = ah * bl + (al * bl >> 32), second = al * bh + (first & 0xffffffff);
    return (a * b) ^ (ah * bh + (first >> 32) + (second >> 32));
#endif
}

/* The key of a table at that address. */
static inline uint64_t wh_hash_key(const void *table)
{
    return (uint64_t)(uintptr_t)table * 0x9e3779b97f4a7c15u;
}

#endif
