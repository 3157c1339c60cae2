/* src/model/token_merge.c - byte-pair merges of one word, in n log n.
 *
 * Rule: of all neighbours that have a merge, take those with the lowest rank, of equals the
 * leftmost; until none has one. A queue holds (rank, symbol). An entry is stale when the symbol has
 * become part of another, or its merge with the next one has another rank by now; then it is passed
 * over. So each symbol can be in the queue several times, but the sum of entries is below 3 n.
 *
 * Source of the rule: Sennrich et al. 2016 (arXiv:1508.07909); huggingface/tokenizers, bpe/word.rs,
 * for ties.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/token.h"

void wh_work_free(wh_work *w)
{
    free(w->symbol);
    free(w->queue);
    wh_buf_free(&w->nfc);
    wh_buf_free(&w->text);
    memset(w, 0, sizeof *w);
}

int wh_work_add(wh_work *w, uint32_t id)
{
    const uint32_t at = (uint32_t)w->symbols;
    if (w->symbols >= w->symbol_cap) {
        void *symbols = w->symbol;
        if (w->symbols >= WH_ID_NONE) return 0;
        if (!wh_grow(&symbols, &w->symbol_cap, w->symbols + 1, sizeof *w->symbol)) return 0;
        w->symbol = symbols;
    }
    if (at > 0) w->symbol[at - 1].next = at;
    w->symbol[at] = (wh_symbol){ id, at > 0 ? at - 1 : WH_ID_NONE, WH_ID_NONE, WH_PAIR_NONE, 0 };
    w->symbols++;
    return 1;
}

/* ---- the queue: a binary heap ---------------------------------------------------------------- */

static int push(wh_work *w, uint64_t entry)
{
    if (w->queued >= w->queue_cap) {
        void *queue = w->queue;
        if (!wh_grow(&queue, &w->queue_cap, w->queued + 1, sizeof *w->queue)) return 0;
        w->queue = queue;
    }
    size_t at = w->queued++;
    for (; at > 0 && w->queue[(at - 1) / 2] > entry; at = (at - 1) / 2)
        w->queue[at] = w->queue[(at - 1) / 2];
    w->queue[at] = entry;
    return 1;
}

static uint64_t pop(wh_work *w)
{
    const uint64_t least = w->queue[0], last = w->queue[--w->queued];
    size_t at = 0;
    for (size_t below = 1; below < w->queued; below = 2 * at + 1) {
        if (below + 1 < w->queued && w->queue[below + 1] < w->queue[below]) below++;
        if (w->queue[below] >= last) break;
        w->queue[at] = w->queue[below];
        at = below;
    }
    w->queue[at] = last;
    return least;
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Look up the merge of a symbol with the next one, and queue it. */
static int enter(wh_work *w, const wh_pairs *merges, uint32_t at)
{
    wh_symbol *s = &w->symbol[at];
    s->rank = WH_PAIR_NONE;
    if (s->next == WH_ID_NONE) return 1;
    s->rank = wh_pairs_find(merges, s->id, w->symbol[s->next].id, &s->result);
    return s->rank == WH_PAIR_NONE || push(w, (uint64_t)s->rank << 32 | at);
}

int wh_work_merge(wh_work *w, const wh_pairs *merges)
{
    w->queued = 0;
    for (size_t i = 0; i < w->symbols; i++)
        if (!enter(w, merges, (uint32_t)i)) return 0;
    while (w->queued > 0) {
        const uint64_t entry = pop(w);
        const uint32_t at = (uint32_t)entry;
        wh_symbol *s = &w->symbol[at];
        if (s->id == WH_ID_NONE || s->rank != (uint32_t)(entry >> 32)) continue;
        wh_symbol *gone = &w->symbol[s->next];
        s->id = s->result;
        s->next = gone->next;
        gone->id = WH_ID_NONE;
        if (s->next != WH_ID_NONE) w->symbol[s->next].before = at;
        if (!enter(w, merges, at)) return 0;
        if (s->before != WH_ID_NONE && !enter(w, merges, s->before)) return 0;
    }
    return 1;
}
