/* src/pack/block_loops.h - encode some blocks side by side: what a block_encode_<isa>.c includes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_LOOPS_H
#define WH_PACK_BLOCK_LOOPS_H

#include "pack/block_best_k.h"

/* A product with 0 is 0 of finite numbers alone. n is a multiple of 32. */
static int all_finite(const float *x, size_t n)
{
    const vf zero = v_set(0.0f);
    vf sum[4] = { zero, zero, zero, zero };
    for (size_t i = 0; i < n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] = v_add(sum[k], v_mul(v_load(x + (i + k) * W), zero));
    const vf all = v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3]));
    return !m_any(v_ne(all, zero));
}

static int encode_lanes(const wh_block_batch *b)
{
    lanes s;
    const size_t n = b->type->info.weights;
    v_tile(b->x, n, s.x);
    if (!all_finite(s.x, n)) return 0;
    if (b->importance[0]) v_tile(b->importance, n, s.w);
    v_store(s.d, v_set(0.0f)); /* emitted, whether the type has them or not */
    v_store(s.m, v_set(0.0f));
    reference(b, &s);
    if (b->search == WHIT_SEARCH_BEST) best(b, &s);
    emit(b, &s);
    return 1;
}

#endif
