/* src/kernels/many.h - products of many tokens at once: which weights they serve, and the memory
 * they work in.
 *
 * A block of panels is expanded for all inputs into operands of the tiles, about as many as the
 * second-level cache holds beside the activations that pass by.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_MANY_H
#define WH_KERNELS_MANY_H

#include "kernels/kernels.h"

/* Fewer tokens leave most rows of a tile empty and do not pay for the expansion: the product of a
 * block of tokens serves. Where the two are equally fast was not measured. */
#define WH_MANY_TOKENS 17
/* Shorter steps spend more time on taking the sums out of the tiles than on products (g = 64: a
 * quarter of the peak), and the product of a block of tokens serves. */
#define WH_MANY_STEP 128
#define WH_MANY_NEAR ((size_t)1 << 20) /* octets of expanded panels, if two fit */

wh_qact_fn wh_qact_bf16_amx;
wh_many_fn wh_many_q2_q8_amx, wh_many_q3_q8_amx, wh_many_q4_q8_amx, wh_many_q5_q8_amx,
    wh_many_q6_q8_amx, wh_many_q8_q8_amx, wh_many_bf16_amx;

/* With int8 activations, forms Q and B2 without sub-blocks: steps are so long, and begin where a
 * tile does. */
static inline int wh_many_fits(const whit_weight *w)
{
    return w->int_step >= w->cols || (w->int_step >= WH_MANY_STEP && w->int_step % 64 == 0);
}

/* Octets of an expanded panel: 16 rows of int8 inputs in tiles of 64, or bfloat16 in tiles of 32.
 */
static inline size_t wh_many_panel(const whit_weight *w, int bf16)
{
    const size_t inputs = bf16 ? 32 : 64;
    return (w->cols + inputs - 1) / inputs * 1024;
}

/* Panels expanded at once; even. */
static inline size_t wh_many_panels(const whit_weight *w, int bf16)
{
    const size_t fit = WH_MANY_NEAR / wh_many_panel(w, bf16) / 2 * 2;
    return fit ? fit : 2;
}

/* Octets of wh_many_args.near. */
static inline size_t wh_many_near(const whit_weight *w, int bf16)
{
    return wh_many_panels(w, bf16) * wh_many_panel(w, bf16);
}

#endif
