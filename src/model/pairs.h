/* src/model/pairs.h - pairs of numbers to two more: merges (rank, result), edges of a tree.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_PAIRS_H
#define WH_MODEL_PAIRS_H

#include <stddef.h>

#include "model/hash.h"

#define WH_PAIR_NONE UINT32_MAX

typedef struct wh_pair_slot {
    uint64_t key; /* left << 32 | right; all ones: free */
    uint32_t rank, result;
} wh_pair_slot;

typedef struct wh_pairs {
    wh_pair_slot *slot; /* open addressing, at most half full */
    size_t count, cap;  /* cap is 0 or a power of two */
    uint64_t seed;
} wh_pairs; /* zero-initialise */

/* 1: added; 0: the pair is there already; -1: no memory. left is not WH_PAIR_NONE. */
int wh_pairs_add(wh_pairs *p, uint32_t left, uint32_t right, uint32_t rank, uint32_t result);
void wh_pairs_free(wh_pairs *p);

/* The slot of the pair, or the free one where it belongs. cap > 0. */
static inline wh_pair_slot *wh_pairs_slot(const wh_pairs *p, uint64_t key)
{
    size_t at = (size_t)wh_fold(key ^ p->seed, 0x9fb21c651e98df25u) & (p->cap - 1);
    while (p->slot[at].key != key && p->slot[at].key != UINT64_MAX) at = (at + 1) & (p->cap - 1);
    return &p->slot[at];
}

/* The rank of the pair, and its result; WH_PAIR_NONE: it is not there. */
static inline uint32_t wh_pairs_find(const wh_pairs *p, uint32_t left, uint32_t right,
                                     uint32_t *result)
{
    if (p->cap == 0) return WH_PAIR_NONE;
    const uint64_t key = (uint64_t)left << 32 | right;
    const wh_pair_slot *s = wh_pairs_slot(p, key);
    *result = s->result;
    return s->key == key ? s->rank : WH_PAIR_NONE;
}

#endif
