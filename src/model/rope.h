/* src/model/rope.h - rotary positions: frequencies, and the tables of a run of tokens.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_ROPE_H
#define WH_MODEL_ROPE_H

#include "model/config.h"

/* Turns of each pair of a head by one position, in radians: [head_dim / 2]. divisors: what
 * rope_freqs.weight holds, for WH_ROPE_TENSOR, where NULL is all 1; else NULL. */
void wh_rope_frequencies(const wh_model_config *c, const float *divisors, double *out);

/* cosine and sine [tokens][head_dim / 2] of positions first, first + 1, .. */
void wh_rope_tables(const wh_model_config *c, const double *frequencies, size_t first,
                    size_t tokens, float *cosine, float *sine);

/* Turn one head. What comes out is in halves, whichever order came in: pair i is at i and
 * i + head_dim/2. in and out must not overlap. */
void wh_rope_turn(const wh_model_config *c, const float *cosine, const float *sine, const float *in,
                  float *out);

#endif
