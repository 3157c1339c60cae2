/* src/kernels/qact_q8_scalar.c - int8 activations in plain C: the reference, and what the other
 * variants call for a step whose largest magnitude is out of the ordinary.
 *
 * The rules are in kernels.h. Magnitudes are compared as integers, where a NaN is the largest.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/qact.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"

#define TINY_BITS 0x0d800000u /* 2^-100 */
#define INF_BITS 0x7f800000u

static uint32_t largest(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = wh_f32_bits(x[i]) & 0x7fffffffu;
        most = u > most ? u : most;
    }
    return most;
}

/* Codes of x[0..n) that starts at input k of its token. */
static int32_t put_codes(const float *x, size_t n, size_t k, float lift, float inverse,
                         int8_t *codes, size_t chunk)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++, k++) {
        const int q = (int)nearbyintf(x[i] * lift * inverse);
        codes[k / 64 * chunk + k % 64] = (int8_t)q;
        sum += q;
    }
    return sum;
}

int32_t wh_qact_span(const float *x, size_t n, size_t k, uint32_t most, int8_t *codes, size_t chunk)
{
    const float amax = wh_bits_f32(most);
    if (most == 0 || most >= INF_BITS) {
        for (size_t i = 0; i < n; i++, k++) codes[k / 64 * chunk + k % 64] = 0;
        return 0;
    }
    /* 127 / amax must not overflow; the product with a power of two is exact */
    const float lift = most < TINY_BITS ? 0x1p64f : 1.0f;
    return put_codes(x, n, k, lift, 127.0f / (amax * lift), codes, chunk);
}

void wh_qact_q8_scalar(const wh_qact_args *a)
{
    const size_t chunk = a->tokens * 64;
    memset(a->codes, 0, (a->cols + 63) / 64 * chunk);
    for (size_t j = 0; j < a->tokens; j++) {
        const float *x = a->x + j * a->stride;
        const uint32_t whole = a->whole_token ? largest(x, a->cols) : 0;
        for (size_t k = 0, b = 0; k < a->cols; k += a->step, b++) {
            const size_t n = a->cols - k < a->step ? a->cols - k : a->step;
            const uint32_t most = a->whole_token ? whole : largest(x + k, n);
            a->scale[b * a->tokens + j] = wh_bits_f32(most) / 127.0f;
            a->sum[b * a->tokens + j] = wh_qact_span(x + k, n, k, most, a->codes + j * 64, chunk);
        }
    }
}
