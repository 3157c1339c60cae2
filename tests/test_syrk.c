/* tests/test_syrk.c - X^T X against the chain written down, to the bit: every level of this CPU,
 * thread counts, cuts of the tokens; what must stay untouched, and wrong calls.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <whit/kernel.h>

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define MARK 64 /* floats before and after h that nothing may write */

static const char *const levels[] = { "scalar", "avx2", "avx512", "neon" };

static whit_context *open_context(const char *level, unsigned threads)
{
    const whit_context_options o = { sizeof o, threads, 0 };
    whit_context *c = NULL;
    setenv("WHIT_ISA", level, 1);
    return whit_context_open(&c, &o, NULL) == WHIT_OK ? c : NULL;
}

/* The sentence of the header, element by element. */
static void reference(const float *x, size_t tokens, size_t cols, float *h)
{
    for (size_t i = 0; i < cols; i++)
        for (size_t j = i; j < cols; j++)
            for (size_t t = 0; t < tokens; t++)
                h[i * cols + j] = fmaf(x[t * cols + i], x[t * cols + j], h[i * cols + j]);
}

typedef struct shape {
    size_t tokens, cols;
} shape;

static float *filled(check_rng *rng, size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = check_normal(rng);
    return x;
}

/* In calls of at most `cut` tokens. */
static void check_syrk(whit_context *c, shape s, size_t cut, const float *x, const float *before,
                       const float *want, const char *what)
{
    const size_t n = s.cols * s.cols;
    whit_error err = { WHIT_OK, "" };
    float *h = malloc((n + 2 * MARK) * sizeof *h);
    if (!h) abort();
    memcpy(h, before, (n + 2 * MARK) * sizeof *h);
    for (size_t t = 0; t < s.tokens; t += cut) {
        const size_t part = s.tokens - t < cut ? s.tokens - t : cut;
        CHECK(whit_syrk(c, x + t * s.cols, part, s.cols, h + MARK, &err) == WHIT_OK, "%s: %s", what,
              err.msg);
    }
    size_t odd = 0;
    for (size_t i = 0; i < n + 2 * MARK; i++) odd += memcmp(h + i, want + i, sizeof *h) != 0;
    CHECK(odd == 0, "%s, %u threads, %zu x %zu cut at %zu: %zu values differ", what,
          whit_context_threads(c), s.tokens, s.cols, cut, odd);
    free(h);
}

static void test_levels(void)
{
    static const shape shapes[] = { { 1, 1 },    { 3, 2 },   { 5, 15 },    { 8, 16 },  { 7, 17 },
                                    { 300, 33 }, { 513, 4 }, { 1200, 20 }, { 9, 61 },  { 512, 97 },
                                    { 40, 130 }, { 3, 511 }, { 2, 1040 },  { 18, 500 } };
    check_rng rng = { 7 };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const shape s = shapes[i];
        float *x = filled(&rng, s.tokens * s.cols);
        float *before = filled(&rng, s.cols * s.cols + 2 * MARK);
        float *want = malloc((s.cols * s.cols + 2 * MARK) * sizeof *want);
        if (!x || !before || !want) abort();
        memcpy(want, before, (s.cols * s.cols + 2 * MARK) * sizeof *want);
        reference(x, s.tokens, s.cols, want + MARK);
        for (size_t l = 0; l < COUNT(levels); l++)
            for (unsigned threads = 1; threads <= 7; threads += threads == 1 ? 1 : 5) {
                whit_context *c = open_context(levels[l], threads);
                if (!c) continue; /* not of this CPU */
                check_syrk(c, s, s.tokens, x, before, want, levels[l]);
                check_syrk(c, s, s.tokens / 3 + 1, x, before, want, levels[l]);
                whit_context_close(c);
            }
        free(x);
        free(before);
        free(want);
    }
}

/* Infinities and NaN reach the products that they are part of, and no others. */
static void test_special(void)
{
    enum { TOKENS = 6, COLS = 40, BAD = 19 };
    check_rng rng = { 3 };
    whit_context *c = NULL;
    float *x = filled(&rng, TOKENS * COLS), *h = calloc(COLS * COLS, sizeof *h);
    unsetenv("WHIT_ISA");
    if (!x || !h || whit_context_open(&c, NULL, NULL) != WHIT_OK) abort();
    x[2 * COLS + BAD] = NAN;
    CHECK(whit_syrk(c, x, TOKENS, COLS, h, NULL) == WHIT_OK, "a NaN is no error");
    for (size_t i = 0; i < COLS; i++)
        for (size_t j = i; j < COLS; j++)
            CHECK(!isnan(h[i * COLS + j]) == (i != BAD && j != BAD), "h[%zu][%zu] is %g", i, j,
                  (double)h[i * COLS + j]);
    whit_context_close(c);
    free(x);
    free(h);
}

static void test_wrong_calls(void)
{
    whit_error err = { WHIT_OK, "" };
    whit_context *c = NULL;
    float x[4] = { 1, 2, 3, 4 }, h[4] = { 0 };
    unsetenv("WHIT_ISA");
    if (whit_context_open(&c, NULL, &err) != WHIT_OK) abort();
    CHECK(whit_syrk(NULL, x, 2, 2, h, &err) == WHIT_ERR_ARG, "no context");
    CHECK(whit_syrk(c, NULL, 2, 2, h, &err) == WHIT_ERR_ARG, "no x");
    CHECK(whit_syrk(c, x, 2, 2, NULL, &err) == WHIT_ERR_ARG, "no h");
    CHECK(strstr(err.msg, "null") != NULL, "%s", err.msg);
    CHECK(whit_syrk(c, NULL, 0, 2, h, &err) == WHIT_OK && h[0] == 0.0f, "no tokens");
    CHECK(whit_syrk(c, x, 2, 0, NULL, &err) == WHIT_OK, "no columns");
    CHECK(whit_syrk(c, x, 2, SIZE_MAX / 16, h, &err) == WHIT_ERR_NOMEM, "more than any memory");
    CHECK(whit_syrk(c, x, 2, 2, h, NULL) == WHIT_OK, "the context still works");
    CHECK(h[0] == 10.0f && h[1] == 14.0f && h[2] == 0.0f && h[3] == 20.0f, "%g %g %g %g",
          (double)h[0], (double)h[1], (double)h[2], (double)h[3]);
    whit_context_close(c);
}

int main(void)
{
    test_levels();
    test_special();
    test_wrong_calls();
    return check_result();
}
