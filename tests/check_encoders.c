/* tests/check_encoders.c - every encoder variant of the build against the scalar one, bit by bit.
 *
 * Run once per level of WHIT_ISA: the variants that the level allows are compared; without one
 * beyond scalar, and where the CPU lacks the level, the program says that it is skipped. Data lies
 * against unreadable pages on both sides, codes between canaries.
 *
 * SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "quant/encode.h"

enum { LONGEST = 4096 + 17 };

/* ---- memory between unreadable pages --------------------------------------------------------- */

typedef struct fence {
    unsigned char *base;
    size_t page, inside;
} fence;

static fence fence_make(size_t bytes)
{
    fence f = { .page = (size_t)sysconf(_SC_PAGESIZE) };
    f.inside = (bytes + f.page - 1) / f.page * f.page;
    f.base = mmap(NULL, f.inside + 2 * f.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.base == MAP_FAILED || mprotect(f.base + f.page, f.inside, PROT_READ | PROT_WRITE) != 0) {
        printf("no memory for the test\n");
        exit(1);
    }
    return f;
}

/* The first or the last `bytes` inside. */
static void *fence_at(const fence *f, int last, size_t bytes)
{
    return f->base + f->page + (last ? f->inside - bytes : 0);
}

static void fence_free(fence *f)
{
    munmap(f->base, f->inside + 2 * f->page);
}

/* ---- grids ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    whit_kind kind;
    float lo, hi;
    int offset;
} grids[] = {
    { "int2", WHIT_INT, -2, 1, 2 },
    { "int4", WHIT_INT, -8, 7, 8 },
    { "int4 +-7", WHIT_INT, -7, 7, 8 },
    { "int4 asym", WHIT_INT, -3, 12, 3 },
    { "int4 asym 0", WHIT_INT, 0, 15, 0 },
    { "int7", WHIT_INT, -64, 63, 64 },
    { "int8", WHIT_INT, -127, 127, 128 },
    { "int8 asym", WHIT_INT, -200, 55, 200 },
    { "int8 asym 255", WHIT_INT, -255, 0, 255 },
    { "nf4", WHIT_NF4, 0, 0, 0 },
    { "fp4", WHIT_FP4, 0, 0, 0 },
    { "fp4bnb", WHIT_FP4BNB, 0, 0, 0 },
    { "e4m3", WHIT_FP8_E4M3, 0, 0, 0 },
    { "e5m2", WHIT_FP8_E5M2, 0, 0, 0 },
};

enum { GRIDS = sizeof grids / sizeof grids[0] };

static wh_grid grid_at(size_t i, float scale)
{
    return (wh_grid){ .scale = scale,
                      .lo = grids[i].lo,
                      .hi = grids[i].hi,
                      .offset = grids[i].offset,
                      .book = wh_codebook_of(grids[i].kind),
                      .minifloat = wh_minifloat_of(grids[i].kind) };
}

/* ---- data ------------------------------------------------------------------------------------ */

enum { NORMAL, UNIFORM, TIES, TINY, HUGE_ONES, ZEROS, EQUAL, ALTERNATING, ANY_BITS, FILLS };

static const char *const fill_names[FILLS] = { "normal",    "uniform", "ties",
                                               "subnormal", "huge",    "zeros of both signs",
                                               "all equal", "largest", "any finite bits" };

/* Where rounding turns, or one float beside it; in units of the scale. */
static float turning_point(check_rng *r, const wh_grid *g)
{
    float at;
    if (g->book) {
        at = g->book->threshold[check_below(r, 15)];
    } else if (g->minifloat) {
        const float step = ldexpf(g->minifloat->smallest, -g->minifloat->mantissa);
        at = ldexpf((float)check_below(r, 64) + 0.5f, (int)check_below(r, 12)) * step;
    } else {
        at = (float)check_below(r, 300) - 150.5f;
    }
    const float toward[] = { at, -INFINITY, INFINITY };
    at = nextafterf(at, toward[check_below(r, 3)]);
    return check_below(r, 2) ? at : -at;
}

static float element(check_rng *r, int how, const wh_grid *g, size_t i)
{
    uint32_t u = (uint32_t)check_u64(r);
    switch (how) {
    case NORMAL:
        return check_normal(r);
    case UNIFORM:
        return 2 * check_f32(r);
    case TIES:
        return turning_point(r, g) * g->scale;
    case TINY:
        return wh_bits_f32(u & 0x807fffff);
    case HUGE_ONES:
        return wh_bits_f32((u & 0x80ffffff) | 0x7e000000);
    case ZEROS:
        return u & 1 ? -0.0f : 0.0f;
    case EQUAL:
        return 0.7f;
    case ALTERNATING:
        return i % 2 ? -FLT_MAX : FLT_MAX;
    default:
        return (u >> 23 & 0xff) == 0xff ? wh_bits_f32(u ^ 0x40000000) : wh_bits_f32(u);
    }
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static int same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static int same_float(float a, float b)
{
    return wh_f32_bits(a) == wh_f32_bits(b) || (isnan(a) && isnan(b));
}

typedef struct setting {
    const wh_encode_ops *ops;
    const char *grid, *fill;
    size_t n;
} setting;

#define AT "%s, %s, %s, %zu elements"
#define WHERE(s) (s)->ops->isa, (s)->grid, (s)->fill, (s)->n

static void check_range(const setting *s, const float *x)
{
    wh_range want, got;
    memset(&got, 0x55, sizeof got);
    wh_encode_scalar.range(x, s->n, &want);
    s->ops->range(x, s->n, &got);
    CHECK(want.finite == got.finite, AT ": finite %d", WHERE(s), got.finite);
    CHECK(!want.finite || (same_float(want.min, got.min) && same_float(want.max, got.max)),
          AT ": range %a %a, not %a %a", WHERE(s), (double)got.min, (double)got.max,
          (double)want.min, (double)want.max);
}

static void check_normalise(const setting *s, const float *x, float k)
{
    static float want[LONGEST];
    fence f = fence_make(s->n * sizeof *x + 1);
    float *y = fence_at(&f, 1, s->n * sizeof *x);
    double a = wh_encode_scalar.normalise(x, s->n, k, want), b = s->ops->normalise(x, s->n, k, y);
    CHECK(same_double(a, b), AT ": sum of squares %a, not %a", WHERE(s), b, a);
    CHECK(s->n == 0 || memcmp(want, y, s->n * sizeof *y) == 0, AT ": normalised", WHERE(s));
    fence_free(&f);
}

static void check_encode(const setting *s, const float *y, const wh_grid *g)
{
    enum { EDGE = 32 };
    static uint8_t want[LONGEST + 2 * EDGE], got[LONGEST + 2 * EDGE];
    float worst = 1e-3f, worst2 = 1e-3f;
    memset(want, 0xa5, sizeof want);
    memset(got, 0xa5, sizeof got);
    double a = wh_encode_scalar.encode(y, s->n, g, want + EDGE, &worst);
    double b = s->ops->encode(y, s->n, g, got + EDGE, &worst2);
    CHECK(same_double(a, b), AT ": error %a, not %a", WHERE(s), b, a);
    CHECK(same_float(worst, worst2), AT ": largest %a, not %a", WHERE(s), (double)worst2,
          (double)worst);
    for (size_t i = 0; i < s->n + 2 * EDGE; i++)
        if (want[i] != got[i]) {
            CHECK(0, AT ": code %zu - %d of %a is %d, not %d", WHERE(s), i, EDGE,
                  i >= EDGE && i < EDGE + s->n ? (double)(y[i - EDGE] / g->scale) : 0.0, got[i],
                  want[i]);
            break;
        }
}

/* The same as one after the other. */
static void check_scaled(const setting *s, const float *x, const wh_grid *g, float k)
{
    enum { EDGE = 32 };
    static float y[LONGEST];
    static uint8_t want[LONGEST + 2 * EDGE], got[LONGEST + 2 * EDGE];
    float worst = 1e-3f, worst2 = 1e-3f;
    double squares = -1;
    memset(want, 0xa5, sizeof want);
    memset(got, 0xa5, sizeof got);
    const double w2 = wh_encode_scalar.normalise(x, s->n, k, y);
    double a = wh_encode_scalar.encode(y, s->n, g, want + EDGE, &worst);
    double b = s->ops->encode_scaled(x, s->n, k, g, got + EDGE, &worst2, &squares);
    CHECK(same_double(a, b), AT ": scaled: error %a, not %a", WHERE(s), b, a);
    CHECK(same_double(w2, squares), AT ": scaled: squares %a, not %a", WHERE(s), squares, w2);
    CHECK(same_float(worst, worst2), AT ": scaled: largest %a, not %a", WHERE(s), (double)worst2,
          (double)worst);
    CHECK(memcmp(want, got, s->n + 2 * EDGE) == 0, AT ": scaled: codes differ", WHERE(s));
}

/* A limit is an answer only where the sum reaches it; at partial sums and beside them. */
static void check_limits(const setting *s, const float *y, const wh_grid *g, double whole)
{
    const double limits[] = { INFINITY,  whole, nextafter(whole, 0), nextafter(whole, INFINITY),
                              whole / 2, 0.0 };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        double e = s->ops->error(y, s->n, g, limits[i]);
        double want = whole < limits[i] || isnan(whole) ? whole : limits[i];
        CHECK(same_double(e, want), AT ": error %a under %a, not %a", WHERE(s), e, limits[i], want);
    }
    for (size_t part = 64; part < s->n; part += 64) {
        double sum = wh_encode_scalar.error(y, part, g, INFINITY);
        double e = s->ops->error(y, s->n, g, sum), want = whole < sum ? whole : sum;
        CHECK(same_double(e, want), AT ": error %a under a partial sum %a", WHERE(s), e, sum);
        if (part > 512) break;
    }
}

static void check_fit(const setting *s, const float *y, const wh_grid *g)
{
    double a, b, a2, b2;
    double e = wh_encode_scalar.fit(y, s->n, g, &a, &b), e2 = s->ops->fit(y, s->n, g, &a2, &b2);
    CHECK(same_double(e, e2) && same_double(a, a2) && same_double(b, b2),
          AT ": fit %a %a %a, not %a %a %a", WHERE(s), e2, a2, b2, e, a, b);
}

/* With weights: the bits of the reference; those of 1 change nothing; limits as without. */
static void check_weighted(const setting *s, const float *y, const float *weight, const wh_grid *g)
{
    static float ones[LONGEST];
    double a, b, a2, b2;
    double e = wh_encode_scalar.weighted_fit(y, weight, s->n, g, &a, &b);
    double e2 = s->ops->weighted_fit(y, weight, s->n, g, &a2, &b2);
    CHECK(same_double(e, e2) && same_double(a, a2) && same_double(b, b2),
          AT ": weighted fit %a %a %a, not %a %a %a", WHERE(s), e2, a2, b2, e, a, b);
    const double half = e / 2;
    CHECK(same_double(e, s->ops->weighted(y, weight, s->n, g, INFINITY)) || !(e < INFINITY),
          AT ": weighted", WHERE(s));
    CHECK(!(e > 0) || same_double(half, s->ops->weighted(y, weight, s->n, g, half)) || isinf(e),
          AT ": weighted, limited", WHERE(s));
    for (size_t i = 0; i < s->n; i++) ones[i] = 1.0f;
    e = wh_encode_scalar.fit(y, s->n, g, &a, &b);
    e2 = s->ops->weighted_fit(y, ones, s->n, g, &a2, &b2);
    CHECK(same_double(e, e2) && same_double(a, a2) && same_double(b, b2), AT ": weights of 1",
          WHERE(s));
}

static void check_one(const wh_encode_ops *ops, size_t grid, int how, size_t n, float scale,
                      check_rng *r)
{
    const wh_grid g = grid_at(grid, scale);
    const setting s = { ops, grids[grid].name, fill_names[how], n };
    fence f = fence_make(n * sizeof(float) + 1);
    float *y = fence_at(&f, 1, n * sizeof *y), *start = fence_at(&f, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = element(r, how, &g, i);
    check_range(&s, y);
    check_normalise(&s, y, how == TINY ? 0x1p126f : how >= HUGE_ONES ? 0x1p-126f : 0.5f);
    check_encode(&s, y, &g);
    check_scaled(&s, y, &g, how == TINY ? 0x1p126f : how >= HUGE_ONES ? 0x1p-126f : 0.5f);
    check_fit(&s, y, &g);
    check_limits(&s, y, &g, wh_encode_scalar.error(y, n, &g, INFINITY));
    fence f2 = fence_make(n * sizeof(float) + 1);
    float *weight = fence_at(&f2, 1, n * sizeof *weight);
    for (size_t i = 0; i < n; i++) weight[i] = check_f32(r) + 1.0f;
    check_weighted(&s, y, weight, &g);
    fence_free(&f2);
    memmove(start, y, n * sizeof *y); /* now against the page before */
    check_range(&s, start);
    check_encode(&s, start, &g);
    check_scaled(&s, start, &g, 0.5f);
    fence_free(&f);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static const size_t odd_sizes[] = { 255, 256, 257, 511, 1000, 1023, 4095, 4096, LONGEST };

static void test_grids(const wh_encode_ops *ops)
{
    static const float scales[] = { 0.11f, -0.25f, 1.0f, -1.7f, 0x1p-100f, 0x1.8p100f };
    check_rng r = { 5 };
    for (size_t grid = 0; grid < GRIDS; grid++) {
        for (size_t n = 0; n <= 200; n++)
            check_one(ops, grid, (int)(n % FILLS), n, scales[check_below(&r, 4)], &r);
        for (int how = 0; how < FILLS; how++)
            for (size_t k = 0; k < sizeof scales / sizeof scales[0]; k++)
                check_one(ops, grid, how, 100 + check_below(&r, 100), scales[k], &r);
        for (size_t k = 0; k < sizeof odd_sizes / sizeof odd_sizes[0]; k++)
            check_one(ops, grid, (int)(k % 4), odd_sizes[k], scales[k % 4], &r);
    }
}

/* All kinds of magnitudes, through every type of scale; where F16 turns too. */
static void test_quotients(const wh_encode_ops *ops)
{
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    static const float divisors[] = { 1.0f, 7.0f, 127.0f, 448.0f, 0x1p-20f };
    check_rng r = { 11 };
    for (int round = 0; round < 20000; round++) {
        float x[WH_LANES], want[WH_LANES], got[WH_LANES];
        const whit_dtype type = types[round % 3];
        const float divisor = divisors[check_below(&r, 5)];
        for (size_t i = 0; i < WH_LANES; i++) {
            uint32_t u = (uint32_t)check_u64(&r) & 0x7fffffff;
            if (round % 2) u = (u & 0x0fffe000) + 0x33000000 + (uint32_t)check_below(&r, 3) - 1;
            x[i] = u < 0x7f800000 ? wh_bits_f32(u) : 0.0f;
        }
        wh_encode_scalar.quotients(x, divisor, type, want);
        ops->quotients(x, divisor, type, got);
        for (size_t i = 0; i < WH_LANES; i++)
            CHECK(same_float(want[i], got[i]), "%s: %a / %a as type %d is %a, not %a", ops->isa,
                  (double)x[i], (double)divisor, (int)type, (double)got[i], (double)want[i]);
    }
}

/* Each place in turn holds what is not finite, or the only zero, or the least and the largest. */
static void test_ranges(const wh_encode_ops *ops)
{
    static const float odd[] = {
        NAN, -NAN, INFINITY, -INFINITY, -0.0f, FLT_MAX, -FLT_MAX, 0x1p-149f
    };
    float x[LONGEST];
    for (size_t n = 1; n < 150; n += n < 70 ? 1 : 13)
        for (size_t at = 0; at < n; at++)
            for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++)
                for (int sign = -1; sign <= 1; sign++) {
                    const setting s = { ops, "-", "one odd element", n };
                    for (size_t i = 0; i < n; i++) x[i] = (float)sign * (float)(i + 1);
                    x[at] = odd[k];
                    check_range(&s, x);
                }
}

int main(void)
{
    size_t count, tested = 0;
    uint32_t allowed;
    whit_error err;
    const wh_encode_ops *const *variants = wh_encode_variants(&count);
    const char *cap = getenv("WHIT_ISA");
    if (wh_cpu_allowed(wh_cpu_features(), cap, &allowed, &err) != WHIT_OK) {
        printf("skipped: %s\n", err.msg);
        return CHECK_SKIP;
    }
    CHECK(variants[0] == &wh_encode_scalar && variants[0]->needs == 0, "the reference comes first");
    CHECK(!(wh_encode_select()->needs & ~allowed), "%s: not allowed", wh_encode_select()->isa);
    CHECK(!cap || strcmp(cap, "scalar") != 0 || wh_encode_select() == variants[0], "the cap");
    for (size_t v = 0; v < count; v++) {
        if (variants[v]->needs & ~allowed) continue;
        printf("%s\n", variants[v]->isa);
        test_grids(variants[v]);
        test_ranges(variants[v]);
        test_quotients(variants[v]);
        tested++;
        if (cap && strcmp(cap, variants[v]->isa) == 0)
            CHECK(wh_encode_select() == variants[v], "WHIT_ISA=%s is served by it", cap);
    }
    CHECK(tested > 0, "no variant");
    return check_result();
}
