/* tests/test_sample.c - the next token from logits: against a plain reckoning of the header's
 * words, at the edges, and by known numbers of splitmix64.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/generate.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MOST 1000
#define DRAWS 400

static whit_sampler *open_sampler(double temperature, double top_p, uint64_t seed, uint32_t n)
{
    whit_sampling o;
    whit_sampler *s = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_sampling_init(&o);
    o.temperature = temperature;
    o.top_p = top_p;
    o.seed = seed;
    CHECK(whit_sampler_open(&s, &o, n, &err) == WHIT_OK, "%s", err.msg);
    if (!s) exit(check_result());
    return s;
}

static uint32_t next(whit_sampler *s, const float *logits)
{
    uint32_t id = UINT32_MAX;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_sampler_next(s, logits, &id, &err) == WHIT_OK, "%s", err.msg);
    return id;
}

/* ---- edges ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    float logits[4];
    double temperature, top_p;
    whit_status want;
    uint32_t id; /* always this one */
} edges[] = {
    { "greedy", { 1, 4, 3, 2 }, 0, 1, WHIT_OK, 1 },
    { "greedy, ties by the lower id", { 1, 4, 4, 4 }, 0, 1, WHIT_OK, 1 },
    { "greedy, -0 is 0", { -1, -0.0f, 0, 0 }, 0, 1, WHIT_OK, 1 },
    { "greedy beside -inf", { -INFINITY, -3e38f, -INFINITY, -INFINITY }, 0, 1, WHIT_OK, 1 },
    { "greedy leaves top_p alone", { 1, 4, 3, 2 }, 0, 0.5, WHIT_OK, 1 },
    { "drawn beside -inf", { -INFINITY, -INFINITY, 1, -INFINITY }, 1, 1, WHIT_OK, 2 },
    { "far too unlikely", { 0, 200, 0, 0 }, 1, 1, WHIT_OK, 1 },
    { "hardly warm", { 1, 1.0001f, 1, 1 }, 1e-300, 1, WHIT_OK, 1 },
    { "huge logits", { 3e38f, -3e38f, -3e38f, -3e38f }, 1, 0.9, WHIT_OK, 0 },
    { "one is enough", { 0, 3, 1, 1 }, 1, 0.5, WHIT_OK, 1 },
    { "the least top_p", { 2, 2, 2, 2 }, 1, 1e-300, WHIT_OK, 0 },
    { "few of equals", { 2, 2, 2, 2 }, 1, 0.25, WHIT_OK, 0 },
    { "NaN", { 1, NAN, 3, 2 }, 0, 1, WHIT_ERR_NUMERIC, 0 },
    { "NaN first", { NAN, 1, 3, 2 }, 0, 1, WHIT_ERR_NUMERIC, 0 },
    { "NaN, drawn", { 1, 2, 3, NAN }, 1, 0.9, WHIT_ERR_NUMERIC, 0 },
    { "+inf", { 1, INFINITY, 3, 2 }, 0, 1, WHIT_ERR_NUMERIC, 0 },
    { "all -inf", { -INFINITY, -INFINITY, -INFINITY, -INFINITY }, 0, 1, WHIT_ERR_NUMERIC, 0 },
};

static void test_edges(void)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        whit_sampler *s = open_sampler(edges[i].temperature, edges[i].top_p, 1, 4);
        for (int k = 0; k < 50; k++) {
            uint32_t id = UINT32_MAX;
            whit_error err = { WHIT_OK, "" };
            whit_status st = whit_sampler_next(s, edges[i].logits, &id, &err);
            CHECK(st == edges[i].want && (st != WHIT_OK || id == edges[i].id), "%s: %d, id %u, %s",
                  edges[i].name, (int)st, (unsigned)id, err.msg);
        }
        whit_sampler_close(s);
    }
}

static void test_refused(void)
{
    static const struct {
        double temperature, top_p;
        uint32_t n;
    } bad[] = { { -0.1, 1, 4 }, { NAN, 1, 4 }, { INFINITY, 1, 4 }, { 1, 0, 4 },
                { 1, 1.01, 4 }, { 1, NAN, 4 }, { 1, -1, 4 },       { 1, 1, 0 } };
    whit_sampling o;
    whit_error err;
    whit_sampler *s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        whit_sampling_init(&o);
        o.temperature = bad[i].temperature;
        o.top_p = bad[i].top_p;
        s = (whit_sampler *)&o;
        CHECK(whit_sampler_open(&s, &o, bad[i].n, &err) == WHIT_ERR_ARG && !s, "case %zu", i);
    }
    whit_sampling_init(&o);
    o.struct_size = 0;
    CHECK(whit_sampler_open(&s, &o, 4, &err) == WHIT_ERR_ARG && !s, "struct_size");
    CHECK(whit_sampler_open(NULL, NULL, 4, &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_sampler_open(&s, NULL, 4, &err) == WHIT_OK && s, "options may be NULL");
    CHECK(whit_sampler_next(s, NULL, NULL, &err) == WHIT_ERR_ARG, "no logits");
    whit_sampler_close(s);
    whit_sampler_close(NULL);
}

/* ---- the lot --------------------------------------------------------------------------------- */

/* The first numbers of splitmix64 from 0: e220a8397b1dcdaf, 6e789e6aa1b965f4, 06c45d188009454f,
 * f88bb8a8724c81ec, 1b39896a51a8749b. Of ten equal tokens each is the first digit behind the point
 * of what they are as parts of 1. */
static void test_known(void)
{
    static const uint32_t want[] = { 8, 4, 0, 9, 1 };
    static const float equal[10];
    whit_sampler *s = open_sampler(1, 1, 0, 10);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const uint32_t id = next(s, equal);
        CHECK(id == want[i], "number %zu chose %u", i, (unsigned)id);
    }
    whit_sampler_close(s);
}

typedef struct pair {
    double weight;
    uint32_t id;
} pair;

static int by_weight(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* What the header says, with the C library's exp and nothing left out. */
static uint32_t plain(const float *logits, uint32_t n, double temperature, double top_p, double u)
{
    static pair list[MOST];
    double largest = -INFINITY, total = 0, sum = 0, running = 0;
    size_t kept = 0;
    for (uint32_t i = 0; i < n; i++) largest = fmax(largest, (double)logits[i]);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (pair){ exp(((double)logits[i] - largest) / temperature), i };
        total += list[i].weight;
    }
    if (top_p < 1) qsort(list, n, sizeof *list, by_weight);
    while (kept < n && (top_p == 1 || sum < top_p * total)) sum += list[kept++].weight;
    for (size_t i = 0; i < kept; i++) {
        running += list[i].weight;
        if (running > u * sum) return list[i].id;
    }
    return list[kept - 1].id;
}

static void test_plain(void)
{
    static const uint32_t sizes[] = { 1, 2, 3, 16, 17, 333, MOST };
    static const double temperatures[] = { 0.3, 1, 7 }, top_ps[] = { 1, 0.95, 0.5, 0.1, 0.001 };
    static float logits[MOST];
    check_rng rng = { 7 };
    size_t moved = 0;
    for (size_t a = 0; a < sizeof sizes / sizeof sizes[0]; a++)
        for (size_t b = 0; b < 3; b++)
            for (size_t c = 0; c < 5; c++) {
                const uint64_t seed = 100 * a + 10 * b + c;
                check_rng draws = { seed };
                whit_sampler *s = open_sampler(temperatures[b], top_ps[c], seed, sizes[a]);
                for (int k = 0; k < DRAWS; k++) {
                    for (uint32_t i = 0; i < sizes[a]; i++) logits[i] = 3 * check_normal(&rng);
                    if (k % 4 == 0) logits[sizes[a] / 2] = logits[0]; /* equals */
                    const double u = (double)(check_u64(&draws) >> 11) * 0x1p-53;
                    const uint32_t id = next(s, logits);
                    const uint32_t want = plain(logits, sizes[a], temperatures[b], top_ps[c], u);
                    CHECK(id == want, "%u tokens, temperature %g, top_p %g, draw %d: %u, not %u",
                          (unsigned)sizes[a], temperatures[b], top_ps[c], k, (unsigned)id,
                          (unsigned)want);
                    moved += id > 0;
                }
                whit_sampler_close(s);
            }
    CHECK(moved > 1000, "hardly any but token 0");
}

/* How often each of four tokens comes is what its weight says, within four deviations. */
static void test_shares(void)
{
    static const double share[] = { 0.5, 0.3, 0.15, 0.05 };
    float logits[4];
    double count[4] = { 0 };
    const int n = 40000;
    whit_sampler *s = open_sampler(1, 1, 42, 4);
    for (int i = 0; i < 4; i++) logits[i] = (float)log(share[i]);
    for (int k = 0; k < n; k++) count[next(s, logits)]++;
    for (int i = 0; i < 4; i++) {
        const double off = count[i] - n * share[i], one = sqrt(n * share[i] * (1 - share[i]));
        CHECK(fabs(off) < 4 * one, "token %d came %g times", i, count[i]);
    }
    whit_sampler_close(s);
}

int main(void)
{
    test_edges();
    test_refused();
    test_known();
    test_plain();
    test_shares();
    return check_result();
}
