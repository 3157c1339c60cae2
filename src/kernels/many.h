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
 * block of tokens serves. Steps of less than WH_STEP inputs, whose sums leave the tiles more often,
 * pay where the block has to multiply two digits, else with two blocks (int4-g64: 20 tokens at 0.75
 * times the speed, 32 at 1.05; int8-g64 1.3). */
#define WH_MANY_TOKENS 17
#define WH_MANY_TOKENS_SHORT 32
#define WH_MANY_NEAR ((size_t)1 << 20) /* octets of expanded panels, if two fit */

wh_qact_fn wh_qact_bf16_amx;
wh_many_fn wh_many_q2_q8_amx, wh_many_q3_q8_amx, wh_many_q4_q8_amx, wh_many_q5_q8_amx,
    wh_many_q6_q8_amx, wh_many_q8_q8_amx, wh_many_t4_q8_amx, wh_many_bf16_amx;

/* With int8 activations, forms Q and T4, and B2 without sub-blocks: steps are whole
 * tiles, or there is only one. */
static inline int wh_many_fits(const whit_weight *w)
{
    return w->int_step >= w->cols || w->int_step % 64 == 0;
}

/* Octets of each code with int8 activations. */
static inline size_t wh_many_digits(const whit_weight *w)
{
    return w->form == WH_FORM_T4 && w->digits == 2 ? 2 : 1;
}

/* Tokens of int8 activations from which on they serve. */
static inline size_t wh_many_least(const whit_weight *w)
{
    const int once = w->int_step >= w->cols || w->int_step >= WH_STEP;
    return once || wh_many_digits(w) == 2 ? WH_MANY_TOKENS : WH_MANY_TOKENS_SHORT;
}

/* Octets of an expanded panel: 16 rows of int8 inputs in tiles of 64, or bfloat16 in tiles of 32.
 */
static inline size_t wh_many_panel(const whit_weight *w, int bf16)
{
    if (bf16) return (w->cols + 31) / 32 * 1024;
    return (w->cols + 63) / 64 * 1024 * wh_many_digits(w);
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
