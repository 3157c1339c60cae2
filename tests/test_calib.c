/* tests/test_calib.c - the sums, histograms and products that a calibration state is made of: every
 * variant against sums in integers one by one, any cutting and order, the vectors of the methods.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "calib/hessian.h"
#include "calib/histogram.h"
#include "calib/moments.h"
#include "quant/range.h"
#include "check.h"

/* ---- fixed point ----------------------------------------------------------------------------- */

static void test_wide(void)
{
    static const struct {
        double v;
        uint64_t hi, lo;
    } rows[] = {
        { 0, 0, 0 },
        { 1, 1, 0 },
        { -1, UINT64_MAX, 0 },
        { 0x1p-64, 0, 1 },
        { -0x1p-64, UINT64_MAX, UINT64_MAX },
        { 0x1p-65, 0, 0 }, /* ties to even */
        { 0x1.8p-64, 0, 2 },
        { 0x1.4p-63, 0, 2 },
        { 0x1.cp-63, 0, 4 },
        { 0x1.00001p-65, 0, 1 },
        { 0x1p-200, 0, 0 },
        { 0x1.fffffffffffffp-12, 0, 0x001fffffffffffff },
        { 0x1p48, (uint64_t)1 << 48, 0 },
        { 3.5, 3, (uint64_t)1 << 63 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const wh_wide w = wh_wide_of(rows[i].v);
        CHECK(w.hi == rows[i].hi && w.lo == rows[i].lo, "%a: %llx %llx", rows[i].v,
              (unsigned long long)w.hi, (unsigned long long)w.lo);
    }
    CHECK(wh_wide_signed(wh_wide_of(-12345.678)) == -12345.678, "back");
    CHECK(wh_wide_unsigned((wh_wide){ 1, (uint64_t)1 << 63 }) == 0x1p63, "rounded down");
    CHECK(wh_wide_unsigned((wh_wide){ 1, ((uint64_t)1 << 63) + 1024 }) == 0x1.0000000000001p63,
          "just above a tie");
    wh_wide w = { UINT64_MAX, UINT64_MAX };
    CHECK(wh_wide_add(&w, (wh_wide){ 1, 0 }) && w.hi == 0 && w.lo == 0, "carry");
    int over = 0;
    w = wh_wide_times((wh_wide){ 0xffffffff12345678u, 5 }, 0x123456789abcdefu, &over);
    CHECK(!over && w.lo == (uint64_t)0xffffffff12345678u * 0x123456789abcdefu, "times");
    wh_wide_times((wh_wide){ 0, (uint64_t)1 << 40 }, (uint64_t)1 << 30, &over);
    CHECK(over, "times passes its bits");
}

/* ---- moments --------------------------------------------------------------------------------- */

typedef struct channels {
    float min[200], max[200];
    wh_wide sum[WH_SUMS][200];
} channels;

static wh_moments open_channels(channels *c, size_t n)
{
    wh_moments m = { .channels = n, .min = c->min, .max = c->max };
    memset(c->sum, 0, sizeof c->sum);
    for (size_t i = 0; i < n; i++) {
        c->min[i] = INFINITY;
        c->max[i] = -INFINITY;
    }
    for (size_t s = 0; s < WH_SUMS; s++) m.sum[s] = c->sum[s];
    return m;
}

static float value_of(check_rng *r, int fill)
{
    const float v = check_normal(r);
    switch (fill) {
    case 0:
        return v;
    case 1: /* every exponent, up to the limit */
        return ldexpf(v, (int)check_below(r, 60) - 45);
    case 2:
        return check_below(r, 3) ? 0.0f : -0.0f;
    case 3: /* denormal, tiny */
        return wh_bits_f32((uint32_t)check_u64(r) & 0x80ffffffu);
    case 4: /* ties at the coarse step */
        return ((float)check_below(r, 64) - 32) * 0x1p-13f;
    case 5: /* between the simple limit and the limit */
        return check_below(r, 2) ? 0x1p24f : -0x1.8p20f;
    default:
        return check_below(r, 50) ? v : ldexpf(v, 18);
    }
}

static void oracle(wh_moments *m, const float *x, size_t tokens)
{
    for (size_t t = 0; t < tokens; t++)
        for (size_t c = 0; c < m->channels; c++) {
            const double v = (double)x[t * m->channels + c];
            wh_wide_add(&m->sum[WH_SUM][c], wh_wide_of(v));
            wh_wide_add(&m->sum[WH_SUM_ABS][c], wh_wide_of(fabs(v)));
            wh_wide_add(&m->sum[WH_SUM_SQUARE][c], wh_wide_of(v * v));
            if ((float)v < m->min[c]) m->min[c] = (float)v + 0.0f;
            if ((float)v > m->max[c]) m->max[c] = (float)v + 0.0f;
        }
}

static void check_variant(const wh_moments_ops *ops, const float *x, size_t tokens, size_t cols,
                          int fill, check_rng *r)
{
    static channels want, got;
    wh_moments a = open_channels(&want, cols), b = open_channels(&got, cols);
    int overflow = 0;
    oracle(&a, x, tokens);
    for (size_t t = 0; t < tokens;) { /* any cutting */
        size_t n = 1 + (size_t)check_below(r, WH_MOMENTS_TOKENS);
        if (n > tokens - t) n = tokens - t;
        for (size_t c = 0; c < cols; c += WH_MOMENTS_WIDE) {
            const size_t w = cols - c < WH_MOMENTS_WIDE ? cols - c : WH_MOMENTS_WIDE;
            wh_moments_add(ops, &b, x + t * cols, n, c, w, &overflow);
        }
        t += n;
    }
    for (size_t c = 0; c < cols; c++) {
        CHECK(wh_f32_bits(want.min[c]) == wh_f32_bits(got.min[c]) &&
                  wh_f32_bits(want.max[c]) == wh_f32_bits(got.max[c]),
              "%s fill %d channel %zu: %a %a, not %a %a", ops->isa, fill, c, (double)got.min[c],
              (double)got.max[c], (double)want.min[c], (double)want.max[c]);
        for (size_t s = 0; s < WH_SUMS; s++)
            CHECK(memcmp(&want.sum[s][c], &got.sum[s][c], sizeof(wh_wide)) == 0,
                  "%s fill %d channel %zu sum %zu: %llx %llx, not %llx %llx", ops->isa, fill, c, s,
                  (unsigned long long)got.sum[s][c].hi, (unsigned long long)got.sum[s][c].lo,
                  (unsigned long long)want.sum[s][c].hi, (unsigned long long)want.sum[s][c].lo);
    }
    CHECK(!overflow, "no overflow");
}

static void test_moments(void)
{
    static float x[700 * 200];
    check_rng r = { 7 };
    uint32_t allowed = 0;
    size_t count;
    wh_isa_allowed(&allowed, NULL);
    const wh_moments_ops *const *v = wh_moments_variants(&count);
    for (size_t i = 0; i < count; i++) {
        if (v[i]->needs & ~allowed) {
            printf("skip moments_%s: this CPU or WHIT_ISA lacks it\n", v[i]->isa);
            continue;
        }
        for (int fill = 0; fill < 7; fill++)
            for (int k = 0; k < 6; k++) {
                const size_t tokens = k == 0 ? 700 : 1 + (size_t)check_below(&r, 300);
                const size_t cols = 1 + (size_t)check_below(&r, 200);
                for (size_t n = 0; n < tokens * cols; n++) x[n] = value_of(&r, fill);
                check_variant(v[i], x, tokens, cols, fill, &r);
            }
    }
}

static void test_refused(void)
{
    static channels c;
    static const float bad[] = { NAN, INFINITY, -INFINITY, 0x1.000002p24f };
    const wh_moments_ops *ops = wh_moments_select();
    float x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    int overflow = 0;
    for (size_t i = 0; i < 4; i++) {
        wh_moments m = open_channels(&c, 8);
        x[5] = bad[i];
        const uint32_t top = wh_moments_add(ops, &m, x, 1, 0, 8, &overflow);
        CHECK(top > wh_f32_bits(WH_MOMENTS_LIMIT) && c.sum[0][0].hi == 0, "%g", (double)bad[i]);
    }
    wh_moments m = open_channels(&c, 1);
    c.sum[WH_SUM_SQUARE][0] = (wh_wide){ 0, UINT64_MAX };
    x[0] = 1;
    wh_moments_add(ops, &m, x, 1, 0, 1, &overflow);
    CHECK(overflow, "a sum of squares passes its bits");
}

/* ---- histograms ------------------------------------------------------------------------------ */

static uint32_t top_of(const float *x, size_t n)
{
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = wh_f32_bits(fabsf(x[i]));
        top = bits > top ? bits : top;
    }
    return top;
}

static void check_same(wh_histogram *a, wh_histogram *b, const char *what)
{
    wh_histogram_sort(a);
    wh_histogram_sort(b);
    CHECK(a->exponent == b->exponent && a->zeros == b->zeros && a->values == b->values,
          "%s: exponent %d %d", what, a->exponent, b->exponent);
    CHECK(memcmp(a->bin, b->bin, WH_LOG_BINS * sizeof *a->bin) == 0, "%s: logarithmic", what);
    CHECK(memcmp(a->linear, b->linear, WH_LINEAR_BINS * sizeof *a->linear) == 0, "%s: linear",
          what);
    CHECK(!a->few == !b->few &&
              (!a->few || memcmp(a->few, b->few, (size_t)a->values * sizeof *a->few) == 0),
          "%s: samples", what);
}

/* Random splits in random order, by threads or not, merged in random grouping. */
static void test_histogram(void)
{
    enum { MOST = 70000 };
    static float x[MOST];
    check_rng r = { 11 };
    wh_tallies t;
    wh_pool *pool = NULL;
    CHECK(wh_pool_open(&pool, 3, 0, NULL) == WHIT_OK && wh_tallies_init(&t, 3, NULL) == WHIT_OK,
          "pool");
    for (int round = 0; round < 24; round++) {
        const size_t n = round % 3 == 2 ? MOST : 1 + (size_t)check_below(&r, 2000);
        wh_histogram whole, part[3];
        for (size_t i = 0; i < n; i++) x[i] = value_of(&r, round % 7 == 2 ? 0 : round % 7);
        wh_histogram_init(&whole, WH_LOG_BINS, WH_FEW, NULL);
        wh_histogram_add(&whole, &t, NULL, x, n, top_of(x, n));
        for (int k = 0; k < 3; k++) wh_histogram_init(&part[k], WH_LOG_BINS, WH_FEW, NULL);
        for (size_t at = 0; at < n;) {
            size_t m = 1 + (size_t)check_below(&r, n / 2 + 1);
            if (m > n - at) m = n - at;
            wh_histogram_add(&part[check_below(&r, 3)], &t, check_below(&r, 2) ? pool : NULL,
                             x + at, m, top_of(x + at, m));
            at += m;
        }
        const size_t first = (size_t)check_below(&r, 3), second = (first + 1) % 3;
        CHECK(wh_histogram_merge(&part[first], &part[second]) &&
                  wh_histogram_merge(&part[first], &part[(first + 2) % 3]),
              "merged");
        check_same(&whole, &part[first], "merged");
        for (int k = 0; k < 3; k++) wh_histogram_free(&part[k]);
        wh_histogram_free(&whole);
    }
    wh_tallies_free(&t);
    wh_pool_close(pool);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The order statistic below 65536 values; from there on the edge above it, and no further. */
static void test_percentile(void)
{
    static float x[WH_FEW + 100];
    static const double percent[] = { 100, 99.999, 99.9, 99, 50, 1, 0.001 };
    check_rng r = { 13 };
    wh_tallies t;
    wh_tallies_init(&t, 1, NULL);
    for (int many = 0; many < 2; many++) {
        const size_t n = many ? WH_FEW : WH_FEW - 1;
        wh_histogram h;
        for (size_t i = 0; i < n; i++) x[i] = check_below(&r, 9) ? fabsf(check_normal(&r)) : 0;
        wh_histogram_init(&h, WH_LOG_BINS, WH_FEW, NULL);
        wh_histogram_add(&h, &t, NULL, x, n, top_of(x, n));
        wh_histogram_sort(&h);
        qsort(x, n, sizeof *x, ascending);
        CHECK((h.few == NULL) == many, "samples");
        for (size_t i = 0; i < sizeof percent / sizeof percent[0]; i++) {
            const uint64_t share = (uint64_t)(percent[i] * 1000 + 0.5); /* of 100000 */
            const size_t rank = (size_t)((share * n + 99999) / 100000);
            const float want = x[rank - 1], got = wh_histogram_percentile(&h, percent[i]);
            CHECK(many && want > 0 ? got > want && got <= want * (1 + 0x1p-7f) : got == want,
                  "%g %%: %a, not %a", percent[i], (double)got, (double)want);
        }
        wh_histogram_free(&h);
    }
    wh_tallies_free(&t);
}

/* The ceil(P/100*n)-th, as whole numbers have it: 99.9 % of 1000 is 999. */
static void test_ranks(void)
{
    for (uint64_t share = 90000; share <= 100000; share += share < 99900 ? 100 : 1)
        for (uint64_t n = 1; n < 3000; n++) {
            const uint64_t want = (share * n + 99999) / 100000;
            const uint64_t got = wh_percentile_rank((double)share / 1000, n);
            CHECK(got == want, "%g %% of %d: %d, not %d", (double)share / 1000, (int)n, (int)got,
                  (int)want);
        }
}

/* ---- products -------------------------------------------------------------------------------- */

static void test_hessian(void)
{
    enum { COLS = 37, TOKENS = 300 };
    static float x[TOKENS * COLS];
    const uint64_t cols[2] = { COLS, 3 };
    check_rng r = { 17 };
    for (size_t i = 0; i < TOKENS * COLS; i++) x[i] = check_normal(&r);
    CHECK(wh_triangle_row(COLS, 0) == 0 && wh_triangle_row(COLS, COLS) == wh_triangle(COLS),
          "rows of the triangle");
    for (int file = 0; file < 2; file++)
        for (unsigned threads = 1; threads <= 3; threads += 2) {
            const whit_context_options o = { sizeof o, threads, -1 };
            whit_context *context = NULL;
            wh_hessians h = { .fd = -1 };
            FILE *f = file ? tmpfile() : NULL;
            double got[COLS];
            whit_context_open(&context, &o, NULL);
            CHECK(wh_hessians_open(&h, context, cols, 2, file ? dup(fileno(f)) : -1, "spill",
                                   NULL) == WHIT_OK,
                  "open");
            for (size_t t = 0; t < TOKENS; t += 100)
                CHECK(wh_hessians_add(&h, 0, x + t * COLS, 100, NULL) == WHIT_OK, "add");
            CHECK(wh_hessians_add(&h, 1, x, 100, NULL) == WHIT_OK, "the other");
            for (size_t row = 0; row < COLS; row++) {
                wh_hessians_get(&h, 0, wh_triangle_row(COLS, row), COLS - row, got, NULL);
                for (size_t c = row; c < COLS; c++) {
                    double want = 0, most = 0;
                    for (size_t t = 0; t < TOKENS; t++) {
                        const double p = (double)x[t * COLS + row] * (double)x[t * COLS + c];
                        want += p;
                        most += fabs(p);
                    }
                    CHECK(fabs(got[c - row] - want) <= most * 100 * 0x1p-24, "%zu %zu: %g, not %g",
                          row, c, got[c - row], want);
                }
            }
            wh_hessians_close(&h);
            if (f) fclose(f);
            whit_context_close(context);
        }
}

int main(void)
{
    uint32_t allowed;
    whit_error err = { WHIT_OK, "" };
    if (wh_isa_allowed(&allowed, &err) != WHIT_OK) {
        printf("skip: %s\n", err.msg);
        return CHECK_SKIP;
    }
    test_wide();
    test_moments();
    test_refused();
    test_histogram();
    test_percentile();
    test_ranks();
    test_hessian();
    return check_result();
}
