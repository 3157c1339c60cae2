/* tests/test_factor.c - R R^T = H: by hand, against the plain algorithm, the same bits at every
 * level of this CPU and any number of threads; damping, dead columns, matrices that have no factor.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "calib/factor.h"

#include "gptq/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "calib/tile64.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const char *const levels[] = { "scalar", "avx2", "avx512", "neon" };

/* ---- tiles ---- */

static void test_tiles(void)
{
    enum { MOST = 40 };
    uint32_t allowed;
    size_t count;
    check_rng rng = { 5 };
    const wh_tile64 *v = wh_tile64_variants(&count);
    double *value = wh_alloc_aligned(MOST * WH_LANES64, sizeof *value);
    if (!value) abort();
    unsetenv("WHIT_ISA");
    wh_isa_allowed(&allowed, NULL);
    for (size_t i = 0; i < count; i++) {
        CHECK(WH_STRIP64 % v[i].tokens == 0, "%s: strips of %u", v[i].isa, v[i].tokens);
        if (v[i].needs & ~allowed) continue;
        for (size_t tokens = 1; tokens <= v[i].tokens; tokens++)
            for (size_t n = 0; n <= MOST; n += 1 + n / 4) {
                _Alignas(64) double want[WH_STRIP64 * WH_LANES64], got[WH_STRIP64 * WH_LANES64];
                double x[MOST * WH_STRIP64];
                for (size_t k = 0; k < n * WH_LANES64; k++) value[k] = (double)check_normal(&rng);
                for (size_t k = 0; k < n * tokens; k++) x[k] = (double)check_normal(&rng);
                for (size_t k = 0; k < COUNT(want); k++) want[k] = got[k] = (double)k;
                wh_tile64_args a = { value, x, tokens, n, want, WH_LANES64 };
                wh_tile64_scalar(&a);
                const size_t cut = n / 3; /* chains go on in a second call */
                wh_tile64_args b = { value, x, tokens, cut, got, WH_LANES64 };
                v[i].run(&b);
                b.value += cut * WH_LANES64;
                b.x += cut * tokens;
                b.n = n - cut;
                v[i].run(&b);
                CHECK(memcmp(want, got, sizeof want) == 0, "%s: %zu by %zu", v[i].isa, tokens, n);
            }
    }
    wh_free_aligned(value);
}

/* ---- the factor ---- */

/* X^T X / tokens of correlated columns, the upper triangle; NAN below it, where nobody may look. */
static double *second_moment(check_rng *rng, size_t n, size_t tokens)
{
    double *h = malloc((n * n + 1) * sizeof *h);
    double *x = malloc((tokens * n + 1) * sizeof *x);
    if (!h || !x) abort();
    for (size_t t = 0; t < tokens; t++) {
        double last = 0;
        for (size_t i = 0; i < n; i++)
            x[t * n + i] = last = 0.7 * last + (double)check_normal(rng) * (i % 7 == 3 ? 5 : 1);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t t = 0; t < tokens; t++) sum += x[t * n + i] * x[t * n + j];
            h[i * n + j] = i <= j ? sum / (double)tokens : NAN;
        }
    free(x);
    return h;
}

/* As statistics keep it; freed by the caller. */
static double *triangle_of(const double *h, size_t n)
{
    double *t = malloc((n * (n + 1) / 2 + 1) * sizeof *t), *to = t;
    if (!t) abort();
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) *to++ = h[i * n + j];
    return t;
}

/* The largest |R R^T - H| / sqrt(H_ii H_jj), and whether what is below the diagonal stayed NAN. */
static double worst_error(const double *r, const double *h, size_t n, size_t *touched)
{
    double worst = 0;
    *touched = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) *touched += isnan(r[i * n + j]) ? 0 : 1;
        for (size_t j = i; j < n; j++) {
            double sum = 0;
            for (size_t k = j; k < n; k++) sum += r[i * n + k] * r[j * n + k];
            const double d = fabs(sum - h[i * n + j]) / sqrt(h[i * (n + 1)] * h[j * (n + 1)]);
            if (!(d <= worst)) worst = d;
        }
    }
    return worst;
}

static void test_sizes(void)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 15, 16, 17, 31, 48, 97, 191, 192, 193, 211, 400 };
    check_rng rng = { 11 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const size_t n = sizes[i], bytes = n * n * sizeof(double);
        double *h = second_moment(&rng, n, 2 * n + 3), *first = NULL;
        for (size_t l = 0; l < COUNT(levels); l++)
            for (unsigned threads = 1; threads <= 7; threads = threads == 1 ? 2 : threads + 5) {
                whit_context *c = open_context(levels[l], threads);
                if (!c) continue; /* not of this CPU */
                whit_error err = { WHIT_OK, "" };
                double *r = malloc(bytes + 1);
                size_t touched;
                if (!r) abort();
                memcpy(r, h, bytes);
                CHECK(wh_factor(c, r, n, NULL, &err) == WHIT_OK, "%zu: %s", n, err.msg);
                if (!first) {
                    const double worst = worst_error(r, h, n, &touched);
                    CHECK(worst <= 1e-15 * (double)(n + 8), "%zu: off by %g", n, worst);
                    CHECK(touched == 0, "%zu: %zu below the diagonal", n, touched);
                    first = r;
                    r = NULL;
                } else {
                    size_t odd = 0;
                    for (size_t a = 0; a < n; a++)
                        odd += memcmp(r + a * (n + 1), first + a * (n + 1), (n - a) * 8) != 0;
                    CHECK(odd == 0, "%zu: %zu rows differ with %s, %u threads", n, odd, levels[l],
                          threads);
                }
                free(r);
                whit_context_close(c);
            }
        free(first);
        free(h);
    }
}

/* Methods 5.6: the factor as it was computed by hand. */
static void test_by_hand(void)
{
    double h[9] = { 4, 2, .5, 2, 3, 1, .5, 1, 2 };
    static const double want[9] = { 1.6278821, 1.1067972, .3535534, 2,        1.5811388,
                                    .7071068,  .5,        1,        1.4142136 };
    whit_context *c = open_context(NULL, 2);
    CHECK(c && wh_factor(c, h, 3, NULL, NULL) == WHIT_OK, "3 x 3");
    for (size_t i = 0; i < 9; i++) CHECK(fabs(h[i] - want[i]) < 1e-7, "R[%zu] is %.9g", i, h[i]);
    whit_context_close(c);
}

/* ---- where there is none ---- */

static void test_singular(void)
{
    check_rng rng = { 21 };
    whit_context *c = open_context(NULL, 2);
    const size_t n = 230;
    whit_error err = { WHIT_OK, "" };
    double *h = second_moment(&rng, n, n / 2), *r = malloc(n * n * sizeof *r);
    double *t = triangle_of(h, n), diag[230], mean = 0;
    size_t bad = 0;
    if (!c || !r) abort();
    memcpy(r, h, n * n * sizeof *r);
    CHECK(wh_factor(c, r, n, &bad, &err) == WHIT_ERR_NUMERIC, "rank %zu of %zu", n / 2, n);
    CHECK(bad >= n / 2 - 12 && bad <= n / 2 + 12, "fails at column %zu", bad);
    CHECK(strstr(err.msg, "column") != NULL, "%s", err.msg);
    for (size_t i = 0; i < n; i++) mean += h[i * (n + 1)] / (double)n;
    wh_damping d = { .lambda = 0.01 };
    CHECK(wh_factor_damped(c, t, NULL, n, r, diag, &d, &err) == WHIT_OK, "%s", err.msg);
    CHECK(d.lambda == 0.01 && d.dead == 0, "lambda %g", d.lambda);
    CHECK(fabs(diag[7] - h[7 * (n + 1)] - 0.01 * mean) < 1e-12, "diagonal %g", diag[7]);
    d.lambda = 0;
    CHECK(wh_factor_damped(c, t, NULL, n, r, NULL, &d, &err) == WHIT_OK, "%s", err.msg);
    CHECK(d.lambda > 0 && d.lambda <= 1e-3, "from 0 up to %g", d.lambda);
    whit_context_close(c);
    free(h);
    free(t);
    free(r);
}

/* In another order: the factor of the same matrix with rows and columns moved. */
static void test_order(void)
{
    enum { N = 37 };
    check_rng rng = { 31 };
    whit_context *c = open_context(NULL, 2);
    double *h = second_moment(&rng, N, 90), *t = triangle_of(h, N), *r = calloc(N * N, sizeof *r);
    uint32_t order[N];
    wh_damping d = { .lambda = 0 };
    double worst = 0;
    if (!c || !r) abort();
    for (uint32_t i = 0; i < N; i++) order[i] = (i * 10 + 3) % N;
    CHECK(wh_factor_damped(c, t, order, N, r, NULL, &d, NULL) == WHIT_OK, "37 columns");
    for (size_t i = 0; i < N; i++)
        for (size_t j = i; j < N; j++) {
            const size_t a = order[i] < order[j] ? order[i] : order[j], b = order[i] ^ order[j] ^ a;
            double sum = 0;
            for (size_t k = j; k < N; k++) sum += r[i * N + k] * r[j * N + k];
            worst = fmax(worst, fabs(sum - h[a * N + b]));
        }
    CHECK(worst < 1e-12, "off by %g", worst);
    whit_context_close(c);
    free(h);
    free(t);
    free(r);
}

static void test_damping(void)
{
    whit_error err = { WHIT_OK, "" };
    whit_context *c = open_context(NULL, 1);
    double r[4], diag[2];
    const double indefinite[3] = { 1, 1.5, 1 }; /* needs lambda > .5 */
    const double hopeless[3] = { 1, 3, 1 }, dead[3] = { 0, 0, 4 }, all_dead[3] = { 0 };
    const double negative[3] = { 1, 0, -1 }, nan[3] = { NAN, 0, 1 }, off[3] = { 1, NAN, 1 };
    wh_damping d = { .lambda = 0.05 };
    CHECK(wh_factor_damped(c, indefinite, NULL, 2, r, diag, &d, &err) == WHIT_OK, "%s", err.msg);
    CHECK(d.lambda == 1, "0.05, 0.5, then 1, not %g", d.lambda);
    d.lambda = 0.01;
    CHECK(wh_factor_damped(c, hopeless, NULL, 2, r, diag, &d, &err) == WHIT_ERR_NUMERIC,
          "hopeless");
    CHECK(strstr(err.msg, "column 0"), "%s", err.msg);
    d.lambda = 0.5;
    CHECK(wh_factor_damped(c, dead, NULL, 2, r, diag, &d, &err) == WHIT_OK && d.dead == 1, "dead");
    CHECK(diag[0] == 6 && diag[1] == 6, "a dead column counts as the mean: %g %g", diag[0],
          diag[1]);
    CHECK(wh_factor_damped(c, all_dead, NULL, 2, r, diag, &d, &err) == WHIT_OK && d.dead == 2,
          "all");
    CHECK(diag[0] == 1.5, "%g", diag[0]);
    CHECK(wh_factor_damped(c, negative, NULL, 2, r, diag, &d, &err) == WHIT_ERR_NUMERIC,
          "negative");
    CHECK(strstr(err.msg, "column 1"), "%s", err.msg);
    CHECK(wh_factor_damped(c, nan, NULL, 2, r, diag, &d, &err) == WHIT_ERR_NUMERIC, "NaN");
    CHECK(wh_factor_damped(c, off, NULL, 2, r, diag, &d, &err) == WHIT_ERR_NUMERIC,
          "NaN off the diagonal");
    d.lambda = -1;
    CHECK(wh_factor_damped(c, dead, NULL, 2, r, diag, &d, &err) == WHIT_ERR_ARG, "lambda below 0");
    CHECK(wh_factor(NULL, r, 2, NULL, &err) == WHIT_ERR_ARG, "no context");
    CHECK(wh_factor(c, r, SIZE_MAX / 64, NULL, &err) == WHIT_ERR_NOMEM, "more than any memory");
    whit_context_close(c);
}

int main(void)
{
    test_tiles();
    test_sizes();
    test_by_hand();
    test_singular();
    test_order();
    test_damping();
    return check_result();
}
