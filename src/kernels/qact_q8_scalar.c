/* src/kernels/qact_q8_scalar.c - int8 activations in plain C: the reference, and what the other
 * variants call for a step whose largest magnitude is out of the ordinary.
 *
 * The rules are in kernels.h. Magnitudes are compared as integers, where a NaN is the largest.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/qact.h"

#include <math.h>

static uint32_t largest(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) most = wh_qact_larger(most, x[i]);
    return most;
}

/* Codes of x[0..n) that starts at input k of its token. */
static int32_t put_codes(const float *x, size_t n, size_t k, float lift, float inverse,
                         int8_t *codes, size_t chunk)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++, k++) {
        const int q = (int)nearbyintf(x[i] * lift * inverse);
        codes[wh_qact_at(k, chunk)] = (int8_t)q;
        sum += q;
    }
    return sum;
}

int32_t wh_qact_span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes, size_t chunk)
{
    const float amax = wh_bits_f32(most);
    if (most == 0 || most >= WH_QACT_INFINITE) {
        for (size_t i = 0; i < n; i++, k++) codes[wh_qact_at(k, chunk)] = 0;
        return 0;
    }
    /* 127 / amax must not overflow; the product with a power of two is exact */
    const float lift = most < WH_QACT_TINY ? 0x1p64f : 1.0f;
    return put_codes(x, n, k, lift, 127.0f / (amax * lift), codes, chunk);
}

void wh_qact_q8_scalar(const wh_qact_args *a)
{
    wh_qact_steps(a, largest, wh_qact_span, wh_qact_sums_16);
}
