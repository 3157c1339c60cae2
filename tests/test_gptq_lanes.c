/* tests/test_gptq_lanes.c - the loops over the rows of a column: every variant that this CPU has
 * gives the reference's bits, and the reference finds the nearest value.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* unsetenv */
#include "calib/gptq_lanes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "check.h"

enum { ROWS = WH_GPTQ_ROWS, PANEL = 16 };

static const struct {
    const char *name;
    whit_kind kind; /* of a table or small float; WHIT_INT: steps */
} targets[] = {
    { "steps", WHIT_INT },     { "nf4", WHIT_NF4 },       { "fp4", WHIT_FP4 },
    { "e4m3", WHIT_FP8_E4M3 }, { "e5m2", WHIT_FP8_E5M2 },
};
#define TARGETS (sizeof targets / sizeof targets[0])

static wh_gptq_target make_target(size_t i)
{
    return (wh_gptq_target){ .book = wh_codebook_of(targets[i].kind),
                             .minifloat = wh_minifloat_of(targets[i].kind) };
}

/* Steps of either sign, a few of them 0; 4-bit grids with bases and offsets of their own. */
static wh_gptq_grid make_grid(check_rng *rng, int bases)
{
    wh_gptq_grid g;
    for (size_t i = 0; i < ROWS; i++) {
        const float zero = (float)check_below(rng, 16);
        g.step[i] = i % 13 == 5 ? 0.0f : 0.01f + 0.1f * check_f32(rng);
        g.base[i] = bases && i % 3 == 0 ? check_f32(rng) : 0.0f;
        g.lo[i] = -zero;
        g.hi[i] = 15.0f - zero;
        g.offset[i] = zero;
        if (i % 7 == 0) g.step[i] = -g.step[i];
        if (i % 11 == 4) g.step[i] = 0.25f;
    }
    return g;
}

typedef struct column {
    float v[ROWS], w[ROWS], q[ROWS], back[ROWS], level[ROWS], e[ROWS], x[ROWS];
    double loss[ROWS];
    uint8_t code[ROWS];
} column;

/* All four operations on one column; y: those before it. */
static void work(const wh_gptq_lanes *ops, const wh_gptq_target *t, const wh_gptq_grid *g,
                 float (*y)[ROWS], const float *factor, size_t n, size_t lanes, column *c)
{
    ops->chain(c->x, (const float(*)[ROWS])y, factor, n, lanes);
    ops->round(t, g, c->v, lanes, c->q, c->code);
    ops->values(t, g, c->code, lanes, c->back, c->level);
    ops->miss(c->w, c->q, c->v, 0.7f, lanes, c->e, c->loss);
}

/* No code of the grid is nearer than the one that was chosen, and codes decode to the values. */
static void check_nearest(const char *name, const wh_gptq_target *t, const wh_gptq_grid *g,
                          size_t lanes, const column *c)
{
    for (size_t i = 0; i < lanes; i++) {
        const float miss = fabsf(c->v[i] - c->q[i]);
        CHECK(c->q[i] == c->back[i], "%s: row %zu: %g, of its code %g", name, i, (double)c->q[i],
              (double)c->back[i]);
        CHECK(c->e[i] == c->w[i] - c->q[i] && c->level[i] * g->step[i] - g->base[i] == c->q[i],
              "%s: row %zu", name, i);
        const size_t edge = i % 15; /* two zeros share theirs */
        if (t->book && g->step[i] == 0.25f && c->v[i] == 0.25f * t->book->threshold[edge] &&
            (edge == 0 || t->book->threshold[edge] > t->book->threshold[edge - 1]))
            CHECK(c->q[i] == 0.25f * t->book->value[edge], "%s: a tie to %g", name,
                  (double)c->q[i]);
        if (g->step[i] == 0.0f) continue;
        for (int k = 0; k < 16; k++) {
            const float level = t->book ? t->book->value[k] : g->lo[i] + (float)k;
            const float other = fabsf(c->v[i] - (g->step[i] * level - g->base[i]));
            if (t->minifloat) break;
            CHECK(miss <= other * (1 + 1e-5f) + 1e-6f, "%s: row %zu: %g, entry %d misses by %g",
                  name, i, (double)miss, k, (double)other);
        }
    }
}

static void compare(const wh_gptq_lanes *ops, const wh_gptq_lanes *reference, check_rng *rng,
                    size_t target, size_t lanes)
{
    const wh_gptq_target t = make_target(target);
    const wh_gptq_grid g = make_grid(rng, targets[target].kind == WHIT_INT);
    float y[PANEL][ROWS], factor[PANEL * 16];
    column want, got;
    memset(&want, 0x5a, sizeof want);
    for (size_t i = 0; i < ROWS; i++) {
        want.v[i] = check_normal(rng) * 0.3f;
        want.w[i] = check_normal(rng);
        want.x[i] = check_normal(rng);
        want.loss[i] = (double)check_f32(rng);
        if (i % 11 == 3) want.v[i] = g.step[i] * 0.5f - g.base[i]; /* in the middle of two */
        if (t.book && g.step[i] == 0.25f) want.v[i] = 0.25f * t.book->threshold[i % 15];
    }
    for (size_t j = 0; j < PANEL; j++)
        for (size_t i = 0; i < ROWS; i++) y[j][i] = check_normal(rng);
    for (size_t j = 0; j < PANEL * 16; j++) factor[j] = check_normal(rng);
    got = want;
    const size_t n = check_below(rng, PANEL);
    work(reference, &t, &g, y, factor, n, lanes, &want);
    work(ops, &t, &g, y, factor, n, lanes, &got);
    CHECK(memcmp(&want, &got, sizeof want) == 0, "%s: %s, %zu lanes", ops->isa,
          targets[target].name, lanes);
    check_nearest(targets[target].name, &t, &g, lanes, &want);
}

int main(void)
{
    size_t count, tried = 0;
    uint32_t allowed;
    const wh_gptq_lanes *const *v = wh_gptq_lanes_variants(&count);
    unsetenv("WHIT_ISA");
    wh_isa_allowed(&allowed, NULL);
    for (size_t i = 0; i < count; i++) {
        check_rng rng = { 3 };
        if (v[i]->needs & ~allowed) {
            printf("skip gptq_lanes_%s: this CPU lacks it\n", v[i]->isa);
            continue;
        }
        tried++;
        for (size_t t = 0; t < TARGETS; t++)
            for (size_t lanes = 16; lanes <= ROWS; lanes += 16)
                for (int k = 0; k < 8; k++) compare(v[i], v[0], &rng, t, lanes);
    }
    CHECK(tried > 0 && v[0]->needs == 0, "no reference");
    CHECK(wh_gptq_lanes_select() == v[tried - 1], "%s was chosen", wh_gptq_lanes_select()->isa);
    return check_result();
}
