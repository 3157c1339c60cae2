/* tests/test_properties.c - what must hold for every matrix: error bounds, idempotence, symmetries,
 * sums, and the search against minmax.
 *
 * Every kind of codes, granularity, scale type and clip, over rows of different make: normal, all
 * positive, with outliers, nearly empty, constant. Bounds are those of real arithmetic plus four
 * units in the last place of the group's largest magnitude; none is tuned.
 * SPDX-License-Identifier: MIT */
#include <whit/quant.h>

#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum { ROWS = 6, COLS = 150, SIZE = ROWS * COLS };

typedef struct matrix {
    float w[SIZE];
} matrix;

/* What quantizing a matrix gave. */
typedef struct result {
    whit_quant_spec spec;
    uint8_t codes[SIZE], zero[SIZE];
    float scale[SIZE], back[SIZE];
    size_t group, groups; /* columns that share a scale, scales in all */
    whit_quant_stats stats;
    char text[WHIT_SCHEME_TEXT + 8]; /* for messages */
} result;

static result run(const whit_quant_spec *spec, const matrix *m)
{
    result q = { .spec = *spec };
    const whit_scheme *s = &spec->scheme;
    uint64_t srows, scols;
    char name[WHIT_SCHEME_TEXT];
    whit_error err = { WHIT_OK, "" };
    snprintf(q.text, sizeof q.text, "%s %s", whit_scheme_print(s, name),
             spec->clip == WHIT_CLIP_MSE ? "mse" : "minmax");
    uint8_t *zero = s->asym ? q.zero : NULL;
    whit_status st = whit_quantize(m->w, ROWS, COLS, spec, q.codes, q.scale, zero, &q.stats, &err);
    if (st == WHIT_OK) st = whit_dequantize(q.codes, q.scale, zero, ROWS, COLS, s, q.back, &err);
    whit_scheme_scales(s, ROWS, COLS, &srows, &scols);
    q.groups = (size_t)(srows * scols);
    q.group = s->gran == WHIT_GRAN_TENSOR                     ? SIZE
              : s->gran == WHIT_GRAN_GROUP && s->group < COLS ? s->group
                                                              : COLS;
    CHECK(st == WHIT_OK, "%s: %s", q.text, err.msg);
    return q;
}

/* Where group g begins; *n is its length. */
static size_t group_at(const result *q, size_t g, size_t *n)
{
    if (q->group == SIZE) {
        *n = SIZE;
        return 0;
    }
    size_t across = (COLS + q->group - 1) / q->group, c0 = g % across * q->group;
    *n = COLS - c0 < q->group ? COLS - c0 : q->group;
    return g / across * COLS + c0;
}

static double largest(const float *w, size_t n)
{
    double amax = 0;
    for (size_t i = 0; i < n; i++) amax = fmax(amax, fabs((double)w[i]));
    return amax;
}

/* 0, or magnitudes from 1 to 1600: F16 scales, searched and doubled too, stay normal numbers. */
static void fill(matrix *m, check_rng *r)
{
    float level = 16.0f * (1.5f + check_f32(r));
    for (size_t c = 0; c < COLS; c++) {
        float x[4];
        for (int i = 0; i < 4; i++) {
            x[i] = check_normal(r);
            x[i] = 16.0f * (x[i] + copysignf(0.0625f, x[i]));
        }
        m->w[c] = x[0];
        m->w[COLS + c] = fabsf(x[1]);
        m->w[2 * COLS + c] = check_below(r, 20) ? x[2] : 16.0f * x[2];
        m->w[3 * COLS + c] = check_below(r, 9) ? 0.0f : x[3];
        m->w[4 * COLS + c] = -level;
        m->w[5 * COLS + c] = 2.0f * (float)((int)check_below(r, 41) - 20); /* many ties */
    }
}

/* ---- bounds ------------------------------------------------------------------------------------
 */

/* The end of the codes that is nearest to t = x / scale, and whether t rounds to beyond it. */
static int clipped(const result *q, size_t g, double t, double *end)
{
    const whit_scheme *s = &q->spec.scheme;
    int half = 1 << (s->bits - 1), full = s->bits < 8 && q->spec.clip == WHIT_CLIP_MSE;
    int lo = s->asym ? -q->zero[g] : full ? -half : 1 - half;
    int hi = s->asym ? 2 * half - 1 - q->zero[g] : half - 1;
    *end = t < lo ? lo : hi;
    return rint(t) < lo || rint(t) > hi;
}

/* methods 1.6: not clipped: at most half a step; clipped: the distance to the nearer end. */
static double bound_of(const result *q, size_t g, double x)
{
    double s = (double)q->scale[g], end, best = INFINITY;
    if (q->spec.scheme.kind == WHIT_NF4) { /* the distance to the nearest value */
        for (int u = 0; u < 16; u++)
            best = fmin(best, fabs(x - s * (double)whit_scheme_table(WHIT_NF4)[u]));
        return best;
    }
    return clipped(q, g, x / s, &end) ? fabs(x - s * end) : fabs(s) / 2;
}

/* What minmax never exceeds, in steps: a half, and another half where the zero point is rounded.
 * It needs (levels) * |stored / exact scale - 1| < 1/2, which 8-bit asym with BF16 fails. */
static double minmax_steps(const whit_scheme *s)
{
    if (s->kind == WHIT_NF4 || (s->asym && s->bits == 8 && s->scale_type == WHIT_BF16))
        return INFINITY;
    return s->asym ? 1.0 : 0.5;
}

static void check_bounds(const result *q, const matrix *m)
{
    const whit_scheme *s = &q->spec.scheme;
    int restricted =
        !s->asym && s->kind == WHIT_INT && (s->bits == 8 || q->spec.clip == WHIT_CLIP_MINMAX);
    for (size_t g = 0; g < q->groups; g++) {
        size_t n, at = group_at(q, g, &n), wrong = 0, outside = 0;
        double amax = largest(m->w + at, n), step = fabs((double)q->scale[g]);
        double slack = amax > 0 ? 4 * ldexp(1.0, ilogb(amax) - 23) : 0, over = 0;
        double steps = q->spec.clip == WHIT_CLIP_MINMAX ? minmax_steps(s) : INFINITY;
        float stored;
        uint8_t raw[4];
        whit_dtype_from_f32(s->scale_type, &q->scale[g], 1, raw);
        whit_dtype_to_f32(s->scale_type, raw, 1, &stored);
        int positive =
            s->asym || s->bits == 8 || q->spec.positive_scale || q->spec.clip == WHIT_CLIP_MINMAX;
        CHECK(stored == q->scale[g] && isfinite(stored) && stored != 0 && (!positive || stored > 0),
              "%s: scale %a", q->text, (double)stored);
        CHECK(!s->asym || q->zero[g] < 1 << s->bits, "%s: zero %d", q->text, q->zero[g]);
        for (size_t i = at; i < at + n; i++) {
            double e = fabs((double)m->w[i] - (double)q->back[i]);
            double bound = bound_of(q, g, (double)m->w[i]);
            if (amax == 0) bound = 0;
            wrong += e > bound + slack || e > steps * step + slack;
            over = fmax(over, e - bound);
            outside += q->codes[i] >= 1 << s->bits || (restricted && q->codes[i] == 0);
        }
        CHECK(wrong == 0, "%s, group %zu: %zu beyond the bound, by %g of step %g", q->text, g,
              wrong, over, step);
        CHECK(outside == 0, "%s: %zu codes outside", q->text, outside);
    }
}

/* The library sums squares of float32 differences in 16 float32 lanes over blocks of 64: two
 * roundings of the difference's square, at most 3 additions in a lane and 4 in the tree, each of
 * 2^-24: below 1e-6. */
static void check_stats(const result *q, const matrix *m)
{
    double w2 = 0, e2 = 0, worst = 0;
    for (size_t i = 0; i < SIZE; i++) {
        double x = (double)m->w[i], d = x - (double)q->back[i];
        w2 += x * x;
        e2 += d * d;
        worst = fmax(worst, fabs(d));
    }
    CHECK(q->stats.weights == SIZE, "%s: %d weights", q->text, (int)q->stats.weights);
    CHECK(fabs(q->stats.sum_w2 - w2) <= 1e-6 * w2, "%s: %.9g, not %.9g", q->text, q->stats.sum_w2,
          w2);
    CHECK(fabs(q->stats.sum_err2 - e2) <= 1e-6 * e2, "%s: %.9g, not %.9g", q->text,
          q->stats.sum_err2, e2);
    CHECK(fabs(q->stats.max_abs_err - worst) <= 1e-6 * worst, "%s: %g, not %g", q->text,
          q->stats.max_abs_err, worst);
    CHECK(q->stats.scales_raised == 0 && q->stats.groups_zeroed == 0, "%s", q->text);
}

static double group_error(const result *q, const matrix *m, size_t at, size_t n)
{
    double e = 0;
    for (size_t i = at; i < at + n; i++) {
        double d = (double)m->w[i] - (double)q->back[i];
        e += d * d;
    }
    return e;
}

/* In every group. Two candidates are compared by sums that are each off by less than 1e-6 (see
 * above), so the loser may be better by twice that and no more. */
static void check_never_worse(const result *mse, const result *minmax, const matrix *m)
{
    for (size_t g = 0; g < mse->groups; g++) {
        size_t n, at = group_at(mse, g, &n);
        double e = group_error(mse, m, at, n), plain = group_error(minmax, m, at, n);
        CHECK(e <= plain * (1 + 2e-6), "%s, group %zu: %.9g, minmax %.9g", mse->text, g, e, plain);
    }
}

/* ---- once more ---------------------------------------------------------------------------------
 */

/* Whether group g uses the whole of its codes, so that its range is that of the codes. */
static int spans(const result *q, size_t g)
{
    size_t n, at = group_at(q, g, &n);
    int top = (1 << q->spec.scheme.bits) - 1, low = q->zero[g] == 0, high = q->zero[g] == top;
    for (size_t i = at; i < at + n; i++) {
        low |= q->codes[i] == 0;
        high |= q->codes[i] == top;
    }
    return low && high;
}

/*
 * Quantize what was decoded. Symmetric codes and nf4: minmax gives the codes and scales again;
 * (a/n)*n/n == a/n in binary32 where a/n is itself the quotient of a float. The search finds a pair
 * with the same values (the grid is among its candidates, and has no error), perhaps spelt with
 * other codes where two pairs mean the same. Asym: the bounds; beyond them, codes that use their
 * whole range come again under minmax (F32 scales: to 3 ulp, for three roundings), and the search
 * keeps the values where scales have 11 bits or fewer, so that the ends of the grid are exact.
 */
static void check_idempotent(const result *q)
{
    const whit_scheme *s = &q->spec.scheme;
    matrix m;
    memcpy(m.w, q->back, sizeof m.w);
    result again = run(&q->spec, &m);
    int minmax = q->spec.clip == WHIT_CLIP_MINMAX, narrow = s->scale_type != WHIT_F32;
    check_bounds(&again, &m);
    for (size_t g = 0; g < q->groups; g++) {
        size_t n, at = group_at(q, g, &n);
        int constant = 1, same = 1;
        for (size_t i = at; i < at + n; i++) {
            constant &= m.w[i] == m.w[at];
            same &= again.back[i] == q->back[i];
        }
        int codes = memcmp(again.codes + at, q->codes + at, n) == 0;
        if (!s->asym || (!minmax && narrow && !constant))
            CHECK(same, "%s, group %zu: other values", q->text, g);
        if (!s->asym && minmax)
            CHECK(codes && again.scale[g] == q->scale[g], "%s, group %zu: %a, now %a", q->text, g,
                  (double)q->scale[g], (double)again.scale[g]);
        if (s->asym && minmax && spans(q, g)) {
            double off = fabs((double)again.scale[g] - (double)q->scale[g]);
            double ulp = ldexp(1.0, ilogb((double)q->scale[g]) - 23);
            CHECK(codes && again.zero[g] == q->zero[g] && off <= (narrow ? 0 : 3 * ulp),
                  "%s, group %zu: %a, now %a", q->text, g, (double)q->scale[g],
                  (double)again.scale[g]);
        }
    }
}

/* ---- symmetries --------------------------------------------------------------------------------
 */

/* Powers of two move into the scale, as long as it stays a normal number of its type. */
static void check_equivariant(const result *q, const matrix *m)
{
    static const int wide[] = { -60, 1, 40 }, f16[] = { -3, -1, 1 };
    for (size_t i = 0; i < 3; i++) {
        int k = q->spec.scheme.scale_type == WHIT_F16 ? f16[i] : wide[i];
        matrix moved;
        for (size_t c = 0; c < SIZE; c++) moved.w[c] = ldexpf(m->w[c], k);
        result r = run(&q->spec, &moved);
        int scales = 1;
        for (size_t g = 0; g < q->groups; g++) {
            size_t n, at = group_at(q, g, &n);
            int zero = largest(m->w + at, n) == 0; /* scale 1 whatever the power */
            scales &= r.scale[g] == (zero ? 1.0f : ldexpf(q->scale[g], k));
        }
        CHECK(scales, "%s times 2^%d: scales", q->text, k);
        CHECK(memcmp(r.codes, q->codes, sizeof r.codes) == 0, "%s times 2^%d: codes", q->text, k);
        CHECK(memcmp(r.zero, q->zero, sizeof r.zero) == 0, "%s times 2^%d: zeros", q->text, k);
    }
}

/* Restricted codes have no end of their own on either side. */
static void check_signs(const result *q, const matrix *m)
{
    matrix other;
    for (size_t c = 0; c < SIZE; c++) other.w[c] = -m->w[c];
    result r = run(&q->spec, &other);
    int top = 1 << q->spec.scheme.bits, same = 1;
    for (size_t c = 0; c < SIZE; c++) same &= r.codes[c] + q->codes[c] == top;
    CHECK(same && memcmp(r.scale, q->scale, sizeof r.scale) == 0, "%s: not odd", q->text);
}

/* Rows upside down: each keeps its codes, scales and zero points. One scale for all: only minmax,
 * since the sums of the search are taken in the order of the weights. */
static void check_rows(const result *q, const matrix *m)
{
    matrix other;
    for (size_t r = 0; r < ROWS; r++)
        memcpy(other.w + r * COLS, m->w + (ROWS - 1 - r) * COLS, COLS * sizeof *m->w);
    result p = run(&q->spec, &other);
    size_t across = q->groups / ROWS;
    int same = 1;
    for (size_t r = 0; r < ROWS; r++) {
        size_t from = ROWS - 1 - r;
        same &= memcmp(p.codes + r * COLS, q->codes + from * COLS, COLS) == 0;
        if (across == 0) continue;
        same &=
            memcmp(p.scale + r * across, q->scale + from * across, across * sizeof *p.scale) == 0;
        same &= memcmp(p.zero + r * across, q->zero + from * across, across) == 0;
    }
    CHECK(same && (across > 0 || p.scale[0] == q->scale[0]), "%s: rows", q->text);
}

static void check_scheme(whit_scheme s, check_rng *r)
{
    matrix m;
    result q[2];
    fill(&m, r);
    for (int i = 0; i < 2; i++) {
        whit_quant_spec spec = { sizeof spec, s, i ? WHIT_CLIP_MSE : WHIT_CLIP_MINMAX, 0 };
        q[i] = run(&spec, &m);
        check_bounds(&q[i], &m);
        check_stats(&q[i], &m);
        check_idempotent(&q[i]);
        check_equivariant(&q[i], &m);
        if (i == 0 && s.kind == WHIT_INT && !s.asym) check_signs(&q[i], &m);
        if (i == 0 || s.gran != WHIT_GRAN_TENSOR) check_rows(&q[i], &m);
    }
    check_never_worse(&q[1], &q[0], &m);
    if (s.asym) return;
    whit_quant_spec spec = { sizeof spec, s, WHIT_CLIP_MSE, 1 };
    result positive = run(&spec, &m);
    check_bounds(&positive, &m);
    check_idempotent(&positive);
    check_never_worse(&positive, &q[0], &m);
}

/*
 * Weights a rounding away from a tie: codes are those of a binary32 division by the stored scale,
 * not of a product with its inverse, which often falls on the other side.
 */
static void test_near_ties(void)
{
    static const char *const schemes[] = { "int4-channel", "int8-channel", "int5-channel-asym",
                                           "int8-channel-asym-sbf16" };
    check_rng r = { 8 };
    for (size_t k = 0; k < COUNT(schemes) * 40; k++) {
        enum { N = 64 };
        whit_quant_spec spec = { .struct_size = sizeof spec, .clip = WHIT_CLIP_MINMAX };
        uint8_t codes[N], zero = 0;
        float w[N] = { 1.5f + check_f32(&r) / 2 }, scale = 0;
        size_t wrong = 0;
        CHECK(whit_scheme_parse(&spec.scheme, schemes[k / 40], NULL) == WHIT_OK, "scheme");
        uint8_t *z = spec.scheme.asym ? &zero : NULL;
        whit_quantize(w, 1, 1, &spec, codes, &scale, z, NULL, NULL); /* the scale of w[0] alone */
        int half = 1 << (spec.scheme.bits - 1), hi = z ? 2 * half - 1 : half - 1;
        for (size_t i = 1; i < N; i++) {
            w[i] = scale * ((float)check_below(&r, (uint64_t)hi) + 0.5f);
            if (i % 3) w[i] = nextafterf(w[i], i % 3 == 1 ? 0.0f : INFINITY);
        }
        CHECK(whit_quantize(w, 1, N, &spec, codes, &scale, z, NULL, NULL) == WHIT_OK, "ties");
        for (size_t i = 0; i < N; i++) {
            int want = (int)fminf(rintf(w[i] / scale), (float)hi);
            wrong += codes[i] != want + (z ? 0 : half);
        }
        CHECK(wrong == 0 && zero == 0, "%s: %zu of %d", schemes[k / 40], wrong, N);
    }
}

int main(void)
{
    static const uint32_t groups[] = { 0, 1, 2, 3, 32, 128, COLS, COLS + 50 }; /* tensor, channel */
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    check_rng r = { 20240229 };
    for (unsigned kind = 0; kind < 15; kind++) /* int2 .. int8, the same asym, nf4 */
        for (size_t g = 0; g < COUNT(groups); g++)
            for (size_t t = 0; t < COUNT(types); t++) {
                whit_scheme s = { WHIT_INT,        2 + kind % 7, kind >= 7,
                                  WHIT_GRAN_GROUP, groups[g],    types[t] };
                if (kind == 14) s = (whit_scheme){ WHIT_NF4, 4, 0, s.gran, s.group, s.scale_type };
                if (g < 2) {
                    s.gran = g ? WHIT_GRAN_CHANNEL : WHIT_GRAN_TENSOR;
                    s.group = 0;
                }
                for (int round = 0; round < 3; round++) check_scheme(s, &r);
            }
    test_near_ties();
    return check_result();
}
