/* src/pack/block_loops.h - encode some blocks side by side: what a block_encode_<isa>.c includes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_LOOPS_H
#define WH_PACK_BLOCK_LOOPS_H

#include "pack/block_best_k.h"

static void encode_lanes(const wh_block_batch *b)
{
    lanes s;
    const size_t n = b->type->info.weights;
    v_tile(b->x, n, s.x);
    if (b->importance[0]) v_tile(b->importance, n, s.w);
    v_store(s.m, v_set(0.0f));
    reference(b, &s);
    if (b->search == WHIT_SEARCH_BEST) best(b, &s);
    emit(b, &s);
}

#endif
