/* src/model/acts.h - activations rounded to 8 bits, for linears whose scheme says so.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_ACTS_H
#define WH_MODEL_ACTS_H

#include <stddef.h>

#include <whit/scheme.h>

/*
 * The values that 8-bit activations stand for: x [tokens][cols], as many to out, which may be x.
 *
 *   kind    WHIT_INT: q = rne(x / s), -127 to 127; WHIT_FP8_E4M3, WHIT_FP8_E5M2: q = the nearest
 *           value of that type to x / s, saturating. out = s * q, rounded
 *   scale   s of all; 0: of each token its own, largest |x| / 127, 448, 57344
 *
 * A token of zeros stays; one with NaN or infinities stays as it is, too.
 */
void wh_acts_round(whit_kind kind, float scale, const float *x, size_t tokens, size_t cols,
                   float *out);

#endif
