/* src/model/pairs.c - a hash table of pairs.
 * SPDX-License-Identifier: MIT */
#include "model/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int enlarge(wh_pairs *p)
{
    wh_pairs big = { NULL, p->count, p->cap ? p->cap * 2 : 16, 0 };
    if (big.cap < p->cap) return 0;
    big.slot = wh_calloc(big.cap, sizeof *big.slot);
    if (!big.slot) return 0;
    big.seed = wh_hash_key(big.slot);
    for (size_t i = 0; i < big.cap; i++) big.slot[i].key = UINT64_MAX;
    for (size_t i = 0; i < p->cap; i++)
        if (p->slot[i].key != UINT64_MAX) *wh_pairs_slot(&big, p->slot[i].key) = p->slot[i];
    free(p->slot);
    *p = big;
    return 1;
}

int wh_pairs_add(wh_pairs *p, uint32_t left, uint32_t right, uint32_t rank, uint32_t result)
{
    const uint64_t key = (uint64_t)left << 32 | right;
    if (p->count >= p->cap / 2 && !enlarge(p)) return -1;
    wh_pair_slot *s = wh_pairs_slot(p, key);
    if (s->key == key) return 0;
    *s = (wh_pair_slot){ key, rank, result };
    p->count++;
    return 1;
}

void wh_pairs_free(wh_pairs *p)
{
    free(p->slot);
    memset(p, 0, sizeof *p);
}
