/* tests/test_stats.c - statistics against a second computation in two passes: moments and their
 * merging, order statistics, whole models with tiles of every kind, and the same bits for any
 * number of threads.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/job.h>

#include <math.h>

#include "check.h"
#include "job/stats.h"
#include "scratch.h"

typedef long double real;

typedef struct reference {
    real mean, std, kurtosis;
    real spread; /* for tolerances: largest deviation from the mean */
    real min, max;
    uint64_t finite, zeros, nan, inf;
} reference;

/* Two passes, values one after the other. */
static reference refer(const float *v, size_t n)
{
    reference r = { .min = INFINITY, .max = -INFINITY };
    real sum = 0, m2 = 0, m4 = 0;
    for (size_t i = 0; i < n; i++) {
        r.zeros += v[i] == 0.0f;
        r.nan += isnan(v[i]) != 0;
        r.inf += isinf(v[i]) != 0;
        if (!isfinite(v[i])) continue;
        sum += v[i];
        r.finite++;
        r.min = fminl(r.min, v[i]);
        r.max = fmaxl(r.max, v[i]);
    }
    r.mean = sum / (real)r.finite;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        real d = v[i] - r.mean;
        m2 += d * d;
        m4 += d * d * d * d;
        r.spread = fmaxl(r.spread, fabsl(d));
    }
    r.std = sqrtl(m2 / (real)r.finite);
    r.kurtosis = m2 > 0 ? m4 / (real)r.finite / (r.std * r.std * r.std * r.std) : (real)NAN;
    return r;
}

static int near(double got, real want, real tolerance)
{
    return isnan(want) ? isnan(got) : fabsl((real)got - want) <= tolerance;
}

/* ---- moments ---- */

enum { NORMAL, OFFSET, CANCELLING, CONSTANT, HUGE_VALUES, TINY_VALUES, ONE_OUTLIER, KINDS };

static void fill(float *v, size_t n, int kind, check_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        float x = check_normal(rng);
        v[i] = x;
        if (kind == OFFSET) v[i] = 16777216.0f + 2.0f * (float)(int)(4.0f * x);
        if (kind == CANCELLING) v[i] = (i & 1 ? -1.0f : 1.0f) * 1e20f + x;
        if (kind == CONSTANT) v[i] = 0.1f;
        if (kind == HUGE_VALUES) v[i] = x * 0x1p124f;
        if (kind == TINY_VALUES) v[i] = x * 0x1p-140f;
        if (kind == ONE_OUTLIER && i == n / 3) v[i] = -1e6f;
    }
}

/* The third moment of a part enters the fourth of the whole, so it is checked by way of that. */
static void check_moments(const wh_moments *m, const float *v, size_t n, const char *what, int kind)
{
    reference r = refer(v, n);
    real eps = 1e-14L, scale = fabsl(r.mean) + r.spread;
    if (n == 0) {
        CHECK(m->n == 0 && m->m2 == 0 && m->m4 == 0, "%s: nothing", what);
        return;
    }
    CHECK(m->n == (double)n && near(m->mean, r.mean, eps * scale), "%s of %zu, kind %d: mean %g",
          what, n, kind, m->mean);
    CHECK(near(sqrt(m->m2 / m->n), r.std, eps * (r.std + eps * scale)),
          "%s of %zu, kind %d: std %g", what, n, kind, sqrt(m->m2 / m->n));
    if (kind == CONSTANT || r.std == 0) return;
    double variance = m->m2 / m->n;
    CHECK(near(m->m4 / m->n / (variance * variance), r.kurtosis, 20 * eps * r.kurtosis),
          "%s of %zu, kind %d: kurtosis %.17g, not %.17Lg", what, n, kind,
          m->m4 / m->n / (variance * variance), r.kurtosis);
}

static void test_moments(void)
{
    static const size_t lengths[] = { 0, 1, 2, 7, 8, 9, 15, 16, 17, 100, 4099 };
    float v[4099];
    check_rng rng = { 7 };
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++)
        for (int kind = 0; kind < KINDS; kind++) {
            size_t n = lengths[k];
            fill(v, n, kind, &rng);
            wh_moments all = wh_moments_of(v, n), sum = { 0 };
            check_moments(&all, v, n, "moments", kind);
            for (size_t i = 0, m; i < n; i += m) { /* in pieces of any size, none included */
                m = (size_t)check_below(&rng, n - i + 1);
                if (m > 40 && kind != NORMAL) m = 40;
                wh_moments part = wh_moments_of(v + i, m);
                sum = wh_moments_merge(&sum, &part);
            }
            check_moments(&sum, v, n, "merged", kind);
        }
    /* Both ways: equal counts with another mean, and very unequal ones. */
    fill(v, 4000, ONE_OUTLIER, &rng);
    wh_moments a = wh_moments_of(v, 3999), b = wh_moments_of(v + 3999, 1);
    wh_moments ab = wh_moments_merge(&a, &b), ba = wh_moments_merge(&b, &a);
    check_moments(&ab, v, 4000, "a, b", ONE_OUTLIER);
    check_moments(&ba, v, 4000, "b, a", ONE_OUTLIER);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void test_kth(void)
{
    float v[500], sorted[500];
    check_rng rng = { 3 };
    for (int round = 0; round < 20; round++) {
        size_t n = 1 + (size_t)check_below(&rng, 500);
        for (size_t i = 0; i < n; i++) {
            v[i] = fabsf(check_normal(&rng));
            if (round % 3 == 1) v[i] = floorf(v[i] * 2.0f); /* many are equal */
            if (round % 3 == 2) v[i] = ldexpf(v[i], (int)(check_u64(&rng) % 270) - 148);
        }
        memcpy(sorted, v, sizeof v);
        qsort(sorted, n, sizeof *sorted, by_value);
        for (size_t k = 0; k < n; k += 1 + n / 10)
            CHECK(wh_kth(v, n, k) == sorted[k], "%zu of %zu: %a, not %a", k, n,
                  (double)wh_kth(v, n, k), (double)sorted[k]);
        CHECK(wh_kth(v, n, n - 1) == sorted[n - 1], "the largest of %zu", n);
    }
}

/* ---- models ---- */

static const struct {
    const char *name;
    size_t rows, cols;
    int kind; /* of fill; -1: see special_values */
} tensors[] = {
    { "tall", 700, 1000, NORMAL },      /* three tiles of whole rows */
    { "long", 3, 300000, ONE_OUTLIER }, /* rows longer than a tile */
    { "narrow", 270001, 1, OFFSET },    /* more rows than a tile */
    { "vector", 1, 999, CANCELLING },
    { "even", 4, 3, NORMAL },
    { "constant", 5, 7, CONSTANT },
    { "odd", 900, 300, -1 },
    { "hopeless", 2, 3, -1 }, /* no finite value */
    { "zero", 3, 4, -1 },
    { "mostly zero", 3, 4, -1 },
    { "none", 0, 5, NORMAL },
};
#define TENSORS (sizeof tensors / sizeof tensors[0])

static void special_values(float *v, size_t n, const char *name, check_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = i & 1 ? -0.0f : 0.0f;
        if (strcmp(name, "hopeless") == 0) v[i] = i & 1 ? NAN : INFINITY;
        if (strcmp(name, "mostly zero") == 0 && i == 5) v[i] = -2.0f;
        if (strcmp(name, "odd") != 0) continue;
        v[i] = check_normal(rng);
        if (check_below(rng, 1000) == 0) v[i] = NAN;
        if (check_below(rng, 1000) == 0) v[i] = (float)(check_u64(rng) & 1 ? INFINITY : -INFINITY);
        if (i / 300 == 17) v[i] = NAN; /* a row without a finite value */
    }
}

/* All of them, F32, and two that are not floats. */
static void write_model(const scratch *s, const char *name, float *values[TENSORS])
{
    char header[4096];
    size_t total = 0, at = 0, n;
    check_rng rng = { 11 };
    header[at++] = '{';
    for (size_t i = 0; i < TENSORS; i++) {
        n = tensors[i].rows * tensors[i].cols;
        at += (size_t)snprintf(
            header + at, sizeof header - at,
            "\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]},",
            tensors[i].name, tensors[i].rows, tensors[i].cols, total, total + 4 * n);
        total += 4 * n;
        values[i] = malloc(4 * n + 4);
        if (!values[i]) scratch_die("memory");
        if (tensors[i].kind < 0)
            special_values(values[i], n, tensors[i].name, &rng);
        else
            fill(values[i], n, tensors[i].kind, &rng);
    }
    snprintf(header + at, sizeof header - at,
             "\"count\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[%zu,%zu]},"
             "\"scalar\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[%zu,%zu]}}",
             total, total + 8, total + 8, total + 10);
    unsigned char *data = calloc(total + 10, 1);
    if (!data) scratch_die("memory");
    for (size_t i = 0, to = 0; i < TENSORS; i++) {
        n = tensors[i].rows * tensors[i].cols;
        for (size_t k = 0; k < n; k++, to += 4) {
            uint32_t bits;
            memcpy(&bits, &values[i][k], sizeof bits);
            for (int b = 0; b < 4; b++) data[to + (size_t)b] = (unsigned char)(bits >> 8 * b);
        }
    }
    data[total + 9] = 0xc4; /* F16 -4 */
    scratch_safetensors(s, name, header, data, total + 10);
    free(data);
}

static double ratio_of(const float *v, size_t rows, size_t cols)
{
    float *largest = calloc(rows + 1, sizeof *largest);
    double ratio = NAN;
    if (!largest) scratch_die("memory");
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            if (isfinite(v[r * cols + c]) && fabsf(v[r * cols + c]) > largest[r])
                largest[r] = fabsf(v[r * cols + c]);
    if (rows > 0) {
        qsort(largest, rows, sizeof *largest, by_value);
        double middle = ((double)largest[(rows - 1) / 2] + (double)largest[rows / 2]) / 2;
        if (largest[rows - 1] > 0.0f) ratio = (double)largest[rows - 1] / middle;
    }
    free(largest);
    return ratio;
}

static int same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_row(const whit_stats_row *r, const float *v, size_t rows, size_t cols)
{
    const char *name = r->source->tensor.name;
    reference want = refer(v, rows * cols);
    real scale = fabsl(want.mean) + want.spread, eps = 1e-13L;
    CHECK(r->known && r->finite == want.finite && r->zeros == want.zeros && r->nan == want.nan &&
              r->inf == want.inf,
          "%s: %llu finite", name, (unsigned long long)r->finite);
    CHECK(same(r->outlier_ratio, ratio_of(v, rows, cols)), "%s: outlier %g", name,
          r->outlier_ratio);
    if (want.finite == 0) {
        CHECK(isnan(r->min) && isnan(r->max) && isnan(r->mean) && isnan(r->std) &&
                  isnan(r->kurtosis),
              "%s: of nothing: %g", name, r->mean);
        return;
    }
    CHECK((real)r->min == want.min && (real)r->max == want.max && !(r->min == 0 && signbit(r->min)),
          "%s: %g to %g", name, r->min, r->max);
    CHECK(near(r->mean, want.mean, eps * scale), "%s: mean %.17g, not %.17Lg", name, r->mean,
          want.mean);
    CHECK(near(r->std, want.std, eps * (want.std + 1e-3L * eps * scale)),
          "%s: std %.17g, not %.17Lg", name, r->std, want.std);
    if (strcmp(name, "constant") != 0)
        CHECK(near(r->kurtosis, want.kurtosis, 10 * eps * want.kurtosis),
              "%s: kurtosis %.17g, not %.17Lg", name, r->kurtosis, want.kurtosis);
    else
        CHECK(isnan(r->kurtosis) && r->std == 0, "constant: kurtosis %g std %g", r->kurtosis,
              r->std);
}

static whit_stats *run(const whit_source *source, unsigned threads)
{
    whit_job_options options;
    whit_error err = { WHIT_OK, "" };
    whit_stats *stats = NULL;
    whit_job_options_init(&options);
    options.threads = threads;
    whit_status st = whit_stats_run(&stats, source, &options, &err);
    CHECK(st == WHIT_OK && stats, "%s", err.msg);
    return stats;
}

/* All fields, NaN equal to NaN. */
static int same_row(const whit_stats_row *a, const whit_stats_row *b)
{
    return a->source == b->source && a->known == b->known && a->finite == b->finite &&
           a->zeros == b->zeros && a->nan == b->nan && a->inf == b->inf && same(a->min, b->min) &&
           same(a->max, b->max) && same(a->mean, b->mean) && same(a->std, b->std) &&
           same(a->kurtosis, b->kurtosis) && same(a->outlier_ratio, b->outlier_ratio);
}

static void check_threads(const whit_source *source, const whit_stats *stats)
{
    static const unsigned threads[] = { 2, 3, 8 };
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        whit_stats *again = run(source, threads[t]);
        for (size_t i = 0; again && i < whit_stats_count(stats); i++)
            CHECK(same_row(whit_stats_at(stats, i), whit_stats_at(again, i)), "%s: %u threads",
                  whit_source_at(source, i)->tensor.name, threads[t]);
        whit_stats_free(again);
    }
}

static void test_model(const scratch *s)
{
    float *values[TENSORS];
    char path[SCRATCH_PATH];
    whit_source *source = NULL;
    write_model(s, "m.safetensors", values);
    CHECK(whit_source_open(&source, scratch_path(s, "m.safetensors", path), NULL) == WHIT_OK,
          "open");
    whit_stats *stats = source ? run(source, 1) : NULL;
    for (size_t i = 0; stats && i < TENSORS; i++)
        check_row(whit_stats_at(stats, whit_source_find(source, tensors[i].name)), values[i],
                  tensors[i].rows, tensors[i].cols);
    if (stats) {
        const whit_stats_row *count = whit_stats_at(stats, whit_source_find(source, "count"));
        const whit_stats_row *scalar = whit_stats_at(stats, whit_source_find(source, "scalar"));
        CHECK(whit_stats_count(stats) == TENSORS + 2 && !whit_stats_at(stats, TENSORS + 2), "rows");
        CHECK(!count->known && count->finite == 0 && isnan(count->min) &&
                  isnan(count->outlier_ratio),
              "an integer: %g", count->min);
        CHECK(scalar->known && scalar->mean == -4 && scalar->std == 0 && scalar->outlier_ratio == 1,
              "a scalar: %g", scalar->mean);
        const whit_stats_row *few = whit_stats_at(stats, whit_source_find(source, "mostly zero"));
        CHECK(isinf(few->outlier_ratio) && few->max == 0, "%g", few->outlier_ratio);
        check_threads(source, stats);
    }
    whit_stats_free(stats);
    whit_source_close(source);
    for (size_t i = 0; i < TENSORS; i++) free(values[i]);
}

/* Quantized: the decoded values, as whit_source_read_f32 gives them. */
static void test_quantized(const scratch *s, const char *data)
{
    static const char *const schemes[] = { "int4-g64", "int3-g32-asym", "nf4", "int8-tensor" };
    char model[SCRATCH_PATH], path[SCRATCH_PATH];
    snprintf(model, sizeof model, "%s/stories260K", data);
    scratch_path(s, "q.safetensors", path);
    for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
        whit_source *plain = NULL, *source = NULL;
        whit_plan *plan = NULL;
        whit_quantize_options options;
        whit_error err = { WHIT_OK, "" };
        whit_quantize_options_init(&options);
        options.scheme = schemes[k];
        options.job.force = 1;
        whit_status st = whit_source_open(&plain, model, &err);
        if (st == WHIT_OK) st = whit_plan_make(&plan, plain, &options, path, &err);
        if (st == WHIT_OK) st = whit_plan_run(plan, NULL, &err);
        if (st == WHIT_OK) st = whit_source_open(&source, path, &err);
        CHECK(st == WHIT_OK, "%s", err.msg);
        whit_stats *stats = source ? run(source, 2) : NULL;
        for (size_t i = 0; stats && i < whit_source_count(source); i++) {
            const whit_source_tensor *t = whit_source_at(source, i);
            float *v = malloc((size_t)t->tensor.elements * sizeof *v);
            if (!v) scratch_die("memory");
            CHECK(whit_source_read_f32(source, i, 0, t->rows, 0, t->cols, v, NULL) == WHIT_OK,
                  "read");
            check_row(whit_stats_at(stats, i), v, (size_t)t->rows, (size_t)t->cols);
            free(v);
        }
        whit_stats_free(stats);
        whit_source_close(source);
        whit_plan_free(plan);
        whit_source_close(plain);
    }
}

static int stop(void *user, const whit_progress *progress)
{
    ++*(int *)user;
    return progress->done > 1000000;
}

static void test_faults(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_job_options options;
    whit_error err = { WHIT_OK, "" };
    whit_source *source = NULL;
    whit_stats *stats = NULL;
    int steps = 0;
    CHECK(whit_source_open(&source, scratch_path(s, "m.safetensors", path), NULL) == WHIT_OK,
          "open");
    if (!source) return;
    whit_job_options_init(&options);
    CHECK(whit_stats_run(&stats, NULL, &options, &err) == WHIT_ERR_ARG && !stats, "no source");
    CHECK(whit_stats_run(&stats, source, NULL, &err) == WHIT_ERR_ARG && !stats, "no options");
    options.max_memory = 1 << 20;
    CHECK(whit_stats_run(&stats, source, &options, &err) == WHIT_ERR_NOMEM && !stats &&
              strstr(err.msg, "try: --max-memory "),
          "%s", err.msg);
    options.max_memory = 0;
    options.progress = stop;
    options.progress_user = &steps;
    CHECK(whit_stats_run(&stats, source, &options, &err) == WHIT_ERR_CANCELLED && !stats &&
              steps > 1,
          "%d steps: %s", steps, err.msg);
    options.progress = NULL;
    CHECK(truncate(path, 100000) == 0, "truncate");
    CHECK(whit_stats_run(&stats, source, &options, &err) == WHIT_ERR_FORMAT && !stats, "%s",
          err.msg);
    whit_stats_free(NULL);
    whit_source_close(source);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    test_moments();
    test_kth();
    test_model(&s);
    test_quantized(&s, argv[1]);
    test_faults(&s);
    scratch_remove(&s);
    return check_result();
}
