/* tests/kernels/check_qact.c - int8 activations: every variant, [0] too, gives exactly the codes,
 * scales and sums of the rules in kernels.h, worked out here one value at a time in double.
 *
 * The two rounded operations of a code are done as one exact product in double and its conversion
 * to float32; no code may lie further than half a step (and its rounding) from its value.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"

typedef struct qact_room {
    guard x, codes, scale, sum;
} qact_room;

typedef struct qact_case {
    size_t cols, step, tokens, stride, steps;
    int whole_token;
    float *x;
    int_block want; /* step, tokens, steps and the planes; `plain` is unused */
} qact_case;

/* ---- the rules ---- */

/* |x|, NaN above infinity. */
static uint32_t magnitude(float x)
{
    return wh_f32_bits(x) & 0x7fffffffu;
}

static float largest(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) most = magnitude(x[i]) > most ? magnitude(x[i]) : most;
    return wh_bits_f32(most);
}

static int code_of(float x, float most)
{
    if (most == 0.0f || !isfinite(most)) return 0;
    const double lift = (double)most < 0x1p-100 ? 0x1p64 : 1.0;
    const float inverse = (float)(127.0 / ((double)most * lift)); /* 127 / 2^-149 2^64: in range */
    const float product = (float)((double)x * lift * (double)inverse);
    const double below = floor((double)product), part = (double)product - below;
    const int up = part > 0.5 || (part == 0.5 && fmod(below, 2.0) != 0.0);
    const int code = (int)below + up;
    CHECK(fabs((double)x / (double)most * 127.0 - code) <= 0.5 + 0x1p-16 && code <= 127 &&
              code >= -127,
          "%s: %a of %a is %d", guard_case_name(), (double)x, (double)most, code);
    return code;
}

static void expect(qact_case *c)
{
    for (size_t j = 0; j < c->tokens; j++) {
        const float *x = c->x + j * c->stride;
        for (size_t b = 0; b < c->steps; b++) {
            const size_t k0 = b * c->step, at = b * c->tokens + j;
            const size_t n = c->cols - k0 < c->step ? c->cols - k0 : c->step;
            const float most = c->whole_token ? largest(x, c->cols) : largest(x + k0, n);
            c->want.scale[at] = (float)((double)most / 127.0);
            for (size_t k = k0; k < k0 + n; k++) {
                const int code = code_of(x[k], most);
                c->want.codes[(k / 64 * c->tokens + j) * 64 + k % 64] = (int8_t)code;
                c->want.sum[k / c->want.sum_step * c->tokens + j] += code;
            }
        }
    }
}

/* ---- inputs ---- */

static float near_limit(check_rng *rng)
{
    const uint32_t limit = 0x0d800000; /* 2^-100 */
    const uint32_t bits = limit - 2 + (uint32_t)check_below(rng, 5);
    return wh_bits_f32(bits | (check_below(rng, 2) ? 0x80000000u : 0));
}

enum { TIES = FLOAT_FILLS, LIMIT, HIGH, LARGEST, BOTTOM, ANYWHERE, QACT_FILLS };

/* Ties: the largest is 127 (inverse 1) and the others are halves. Bottom: normal, but 127 / m is
 * out of range; anywhere: each 32 inputs of another magnitude. */
static void fill(float *x, size_t n, int how, check_rng *rng)
{
    if (how < FLOAT_FILLS) acts_floats(x, n, (float_fill)how, rng);
    int exponent = 0;
    for (size_t i = 0; i < n && how >= FLOAT_FILLS; i++) {
        if (i % 32 == 0) exponent = (int)check_below(rng, how == BOTTOM ? 10 : 276) - 149 + 20;
        if (how == BOTTOM || how == ANYWHERE) x[i] = ldexpf(check_f32(rng), exponent);
        if (how == TIES)
            x[i] = i % 32 == 5 ? -127.0f : (float)((int)check_below(rng, 507) - 253) * 0.5f;
        if (how == LIMIT) x[i] = near_limit(rng) * (i % 4 ? 0.3f : 1.0f);
        if (how == HIGH) x[i] = i % 3 ? 3.4028234e38f : -1.7e38f;
        if (how == LARGEST) x[i] = check_f32(rng) * wh_bits_f32(0x7f000000);
    }
}

/* ---- */

static void run(qact_case *c, uint32_t allowed, const qact_room *room)
{
    const wh_op_row *op = &wh_op_table()[WH_QACT_Q8];
    const int_block *w = &c->want;
    const size_t x_bytes = ((c->tokens - 1) * c->stride + c->cols) * sizeof *c->x;
    char what[160];
    snprintf(what, sizeof what, "%s", guard_case_name());
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++)
        for (size_t v = 0; v < op->count; v++) {
            if (op->variants[v].needs & ~allowed) continue;
            guard_case("%s_%s %s", op->name, op->variants[v].isa, what);
            wh_qact_args a = { .stride = c->stride,
                               .cols = c->cols,
                               .step = c->step,
                               .sum_step = w->sum_step,
                               .whole_token = c->whole_token,
                               .tokens = c->tokens };
            a.x = guard_put(&room->x, c->x, x_bytes, 4, side);
            a.codes = guard_place(&room->codes, w->codes_bytes, 64, side);
            a.scale = guard_place(&room->scale, w->scale_bytes, 4, side);
            a.sum = guard_place(&room->sum, w->sum_bytes, 4, side);
            op->variants[v].qact(&a);
            size_t wrong = 0;
            for (size_t i = 0; i < c->steps * c->tokens; i++)
                wrong += !acts_same(a.scale[i], w->scale[i]);
            CHECK(wrong == 0, "%s: %zu scales", guard_case_name(), wrong);
            CHECK(memcmp(a.sum, w->sum, w->sum_bytes) == 0, "%s: sums", guard_case_name());
            CHECK(memcmp(a.codes, w->codes, w->codes_bytes) == 0, "%s: codes", guard_case_name());
            CHECK(guard_intact(&room->codes, a.codes, w->codes_bytes) &&
                      guard_intact(&room->scale, a.scale, w->scale_bytes) &&
                      guard_intact(&room->sum, a.sum, w->sum_bytes),
                  "%s: beside the outputs", guard_case_name());
        }
}

static void one_case(size_t cols, size_t step, int whole_token, size_t tokens, int how, int by_16,
                     uint32_t allowed, const qact_room *room, check_rng *rng)
{
    qact_case c = { .cols = cols, .step = step, .tokens = tokens, .whole_token = whole_token };
    c.stride = cols + check_below(rng, 3);
    c.steps = (cols + step - 1) / step;
    c.x = calloc(tokens * c.stride, sizeof *c.x);
    if (!c.x) abort();
    for (size_t j = 0; j < tokens; j++) /* every token in another way now and then */
        fill(c.x + j * c.stride, cols,
             check_below(rng, 4) ? how : (int)check_below(rng, QACT_FILLS), rng);
    guard_case("cols %zu step %zu%s%s tokens %zu fill %d", cols, step, whole_token ? " whole" : "",
               by_16 ? " sums of 16" : "", tokens, how);
    acts_block(&c.want, cols, step, by_16 ? 16 : step, tokens, INTS_ZERO, rng);
    expect(&c);
    run(&c, allowed, room);
    acts_block_free(&c.want);
    free(c.x);
}

int check_qact(uint32_t allowed)
{
    static const size_t lengths[] = { 1, 3, 7, 33, 63, 64, 65, 96, 100, 128, 160, 256, 4096 + 32 };
    static const size_t steps[] = { 16, 32, 48, 64, 96, 128, 0 };
    qact_room room;
    check_rng rng = { 46 };
    size_t turn = 0;
    guard_open(&room.x, (size_t)2 << 20);
    guard_open(&room.codes, (size_t)2 << 20);
    guard_open(&room.scale, (size_t)1 << 20);
    guard_open(&room.sum, (size_t)1 << 20);
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t s = 0; s < COUNT(steps); s++)
            for (int how = 0; how < QACT_FILLS; how++, turn++) {
                const size_t cols = lengths[i], step = steps[s] ? steps[s] : cols;
                const size_t tokens = cols > 256 ? 1 + turn % 3 : 1 + turn % WH_TOKENS;
                one_case(cols, step, steps[s] == 0, tokens, how, 0, allowed, &room, &rng);
                if (step == 32 && cols >= 32)
                    one_case(cols / 32 * 32, step, 0, tokens, how, 1, allowed, &room, &rng);
            }
    for (int more = -32; more <= 33; more += 13) /* steps as long as they get */
        one_case((size_t)(WH_LONG_STEP + more), WH_LONG_STEP, 1, 2, FLOATS_OUTLIER, 0, allowed,
                 &room, &rng);
    guard_close(&room.x);
    guard_close(&room.codes);
    guard_close(&room.scale);
    guard_close(&room.sum);
    printf("qact: ");
    return check_result();
}
