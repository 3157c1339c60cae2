/* src/model/acts.c - activations rounded to 8 bits.
 *
 * Where the kernels have the very product (int8 weights per channel, a scale a token), they round
 * by themselves; this is for all others, and what follows is a product of floats. Source of the
 * forms: vllm-project/compressed-tensors, src/compressed_tensors/quantization/lifecycle/forward.py.
 * SPDX-License-Identifier: MIT */
#include "model/acts.h"

#include <math.h>
#include <string.h>

#include <whit/tensor.h>

#define BLOCK 256 /* values at once */

/* The largest magnitude; NaN where a value is not finite. */
static float largest(const float *x, size_t n)
{
    float most = 0, odd = 0;
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
        odd += x[i] - x[i];
    }
    return isnan(odd) ? odd : most;
}

static void round_ints(const float *x, size_t n, float scale, float *out)
{
    const float shift = 0x1.8p23f; /* a sum with it is rounded to whole numbers, ties to even */
    for (size_t i = 0; i < n; i++) {
        float q = x[i] / scale;
        q = q > 127.0f ? 127.0f : q;
        q = q < -127.0f ? -127.0f : q;
        out[i] = scale * ((q + shift) - shift);
    }
}

static void round_floats(whit_dtype type, float most, const float *x, size_t n, float scale,
                         float *out)
{
    uint8_t octets[BLOCK];
    for (size_t i = 0; i < n; i++) {
        const float q = x[i] / scale;
        out[i] = q > most ? most : q < -most ? -most : q;
    }
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t m = n - at < BLOCK ? n - at : BLOCK;
        whit_dtype_from_f32(type, out + at, m, octets);
        whit_dtype_to_f32(type, octets, m, out + at);
    }
    for (size_t i = 0; i < n; i++) out[i] *= scale;
}

void wh_acts_round(whit_kind kind, float scale, const float *x, size_t tokens, size_t cols,
                   float *out)
{
    const whit_dtype type = kind == WHIT_FP8_E5M2 ? WHIT_F8_E5M2 : WHIT_F8_E4M3;
    const float most = kind == WHIT_INT ? 127.0f : kind == WHIT_FP8_E5M2 ? 57344.0f : 448.0f;
    for (size_t t = 0; t < tokens; t++, x += cols, out += cols) {
        const float all = largest(x, cols), s = scale > 0 ? scale : all / most;
        if (isnan(all) || !(s > 0)) { /* zeros, or so small that there is no scale */
            memmove(out, x, cols * sizeof *out);
            continue;
        }
        if (kind == WHIT_INT)
            round_ints(x, cols, s, out);
        else
            round_floats(type, most, x, cols, s, out);
    }
}
