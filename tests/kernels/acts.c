/* tests/kernels/acts.c - activations for the checks of the kernels.
 * SPDX-License-Identifier: MIT */
#include "kernels/acts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static float one_float(size_t i, float_fill fill, check_rng *rng)
{
    const uint32_t any = (uint32_t)check_u64(rng);
    switch (fill) {
    case FLOATS_NORMAL:
        return check_normal(rng);
    case FLOATS_EXTREME:
        return any % 2 ? 1.5f : -1.5f;
    case FLOATS_ALTERNATING:
        return i % 2 ? 0.75f : -0.75f;
    case FLOATS_OUTLIER:
        return check_f32(rng) * 0x1p-10f;
    case FLOATS_WIDE:
        return wh_bits_f32(any >> 31 << 31 | (127 - 30 + any % 61) << 23 | (any >> 7 & 0x7fffff));
    case FLOATS_TINY:
        return wh_bits_f32(any & 0x807fffffu);
    case FLOATS_ZERO:
        return any % 2 ? 0.0f : -0.0f;
    default:
        return check_f32(rng);
    }
}

void acts_floats(float *x, size_t n, float_fill fill, check_rng *rng)
{
    for (size_t i = 0; i < n; i++) x[i] = one_float(i, fill, rng);
    const size_t at = n ? check_below(rng, n) : 0;
    if (n && fill == FLOATS_OUTLIER) x[at] = -100.0f;
    if (n && fill == FLOATS_NAN) x[at] = NAN;
    if (n && fill == FLOATS_INF) x[at] = -INFINITY;
}

static int8_t one_int(size_t k, int_fill fill, check_rng *rng)
{
    const int any = (int)check_below(rng, 255) - 127;
    switch (fill) {
    case INTS_HIGHEST:
        return 127;
    case INTS_LOWEST:
        return -127;
    case INTS_ALTERNATING:
        return k % 2 ? 127 : -127;
    case INTS_OUTLIER:
        return (int8_t)(any == 127 ? -127 : 0);
    case INTS_ZERO:
        return 0;
    default:
        return (int8_t)any;
    }
}

static float one_scale(int_fill fill, check_rng *rng)
{
    const float usual = (check_f32(rng) + 1.5f) * 0x1p-8f;
    if (fill == INTS_ZERO) return check_below(rng, 2) ? 0.0f : usual;
    if (fill == INTS_TINY) return usual * 0x1p-130f;
    if (fill == INTS_NAN) {
        const uint64_t which = check_below(rng, 4);
        return which == 0 ? NAN : which == 1 ? INFINITY : usual;
    }
    return usual;
}

static void *need(size_t count, size_t size)
{
    void *data = calloc(count, size);
    if (!data) {
        perror("acts");
        exit(1);
    }
    return data;
}

void acts_block(int_block *b, size_t cols, size_t step, size_t sum_step, size_t tokens,
                int_fill fill, check_rng *rng)
{
    const size_t sums = (cols + sum_step - 1) / sum_step * tokens;
    b->cols = cols;
    b->step = step;
    b->sum_step = sum_step;
    b->tokens = tokens;
    b->steps = (cols + step - 1) / step;
    b->codes_bytes = (cols + 63) / 64 * tokens * 64;
    b->scale_bytes = b->steps * tokens * sizeof *b->scale;
    b->sum_bytes = sums * sizeof *b->sum;
    b->plain = need(tokens * cols, 1);
    b->codes = need(b->codes_bytes, 1);
    b->scale = need(b->steps * tokens, sizeof *b->scale);
    b->sum = need(sums, sizeof *b->sum);
    for (size_t at = 0; at < b->steps * tokens; at++) b->scale[at] = one_scale(fill, rng);
    for (size_t j = 0; j < tokens; j++)
        for (size_t k = 0; k < cols; k++) {
            const size_t at = k / step * tokens + j;
            const int8_t code = one_int(k, fill, rng);
            if (!isfinite(b->scale[at])) continue;
            b->plain[j * cols + k] = code;
            b->codes[(k / 64 * tokens + j) * 64 + k % 64] = code;
            b->sum[k / sum_step * tokens + j] += code;
        }
}

void acts_block_free(int_block *b)
{
    free(b->plain);
    free(b->codes);
    free(b->scale);
    free(b->sum);
}

int acts_same(float a, float b)
{
    return wh_f32_bits(a) == wh_f32_bits(b) || (isnan(a) && isnan(b));
}
