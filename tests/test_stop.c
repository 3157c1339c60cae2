/* tests/test_stop.c - what stops a job: NaN and infinity, scales and values beyond their type, the
 * progress function, strict. Whatever it is, nothing is left behind.
 *
 * Faults of the system are injected in torture.c.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <float.h>
#include <math.h>

#include "jobs.h"

/* A file with one or two matrices of normal values, and odd ones at some places. */
typedef struct place {
    size_t row, col;
    float value;
} place;

static void write_odd(const scratch *s, const char *name, const char *tensor, size_t rows,
                      size_t cols, const place *at, size_t count)
{
    check_rng r = { 3 };
    st_build b = { 0 };
    float *w = malloc(rows * cols * sizeof *w);
    for (size_t i = 0; i < rows * cols; i++) w[i] = check_f32(&r);
    for (size_t i = 0; i < count; i++) w[at[i].row * cols + at[i].col] = at[i].value;
    st_add2(&b, tensor, "F32", rows, cols, w, rows * cols * sizeof *w);
    free(w);
    st_write(&b, s, name);
}

/* The job fails, says all of this in one line, and leaves only the input. */
static void check_stops(const scratch *s, const char *name, const job_ask *ask, whit_status want,
                        const char *const *says, const char *what)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    size_t before = job_names(s->path);
    for (int folder = 0; folder < 2; folder++) {
        job j;
        whit_status st = job_run(&j, scratch_path(s, name, in),
                                 scratch_path(s, folder ? "stop" : "stop.safetensors", out), ask);
        CHECK(st == want && j.err.code == want, "%s: status %d: %s", what, (int)st, j.err.msg);
        CHECK(job_one_line(&j.err), "%s: %s", what, j.err.msg);
        for (size_t i = 0; says[i]; i++)
            CHECK(strstr(j.err.msg, says[i]), "%s: no '%s' in: %s", what, says[i], j.err.msg);
        CHECK(j.report == NULL, "%s: a report", what);
        job_close(&j);
        CHECK(job_names(s->path) == before, "%s: debris", what);
        scratch_remove_tree(out);
    }
}

static void not_finite(const scratch *s)
{
    static const struct {
        const char *scheme;
        size_t rows, cols;
        place at[3];
        const char *row, *col;
    } cases[] = {
        /* clang-format off */
        { "int4-g32",         40, 70,      { { 39, 69, NAN }, { 3, 68, INFINITY }, { 3, 69, NAN } },       "row 3,", "column 68" },
        { "int8-channel",     9000, 67,    { { 8999, 0, NAN }, { 4500, 66, -INFINITY }, { 8000, 1, NAN } }, "row 4500,", "column 66" },
        { "int4-tensor",      9000, 67,    { { 8999, 66, NAN }, { 7000, 2, NAN }, { 8000, 1, NAN } },      "row 7000,", "column 2" },
        { "int4-tensor",      9, 7,        { { 8, 6, NAN }, { 1, 2, NAN }, { 8, 1, NAN } },                "row 1,", "column 2" },
        { "int8-tensor-asym", 9000, 67,    { { 0, 0, NAN }, { 7000, 2, NAN }, { 8000, 1, NAN } },          "row 0,", "column 0" },
        { "nf4-channel",      2, 600000,   { { 1, 5, NAN }, { 0, 599999, NAN }, { 1, 1, NAN } },           "row 0,", "column 599999" },
        { "int3-g7",          2, 600000,   { { 1, 5, NAN }, { 1, 270000, NAN }, { 1, 530001, NAN } },      "row 1,", "column 5 " },
        { "f16",              9000, 67,    { { 8999, 66, NAN }, { 5000, 2, INFINITY }, { 8000, 1, NAN } }, "row 5000,", "column 2" },
        { "bf16",             1, 600000,   { { 0, 599999, NAN }, { 0, 300000, NAN }, { 0, 300001, NAN } }, "row 0,", "column 300000" },
        { "bf16",             40, 70,      { { 39, 69, NAN }, { 3, 68, FLT_MAX }, { 3, 69, NAN } },        "row 3,", "column 68" },
        { "f16",              40, 70,      { { 39, 69, NAN }, { 3, 68, 65520.0f }, { 3, 69, NAN } },       "row 3,", "column 68" },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned threads = 1; threads <= 8; threads += threads + 1) { /* 1, 3, 7 */
            char rule[32], what[64];
            snprintf(rule, sizeof rule, "*=%s", cases[i].scheme);
            snprintf(what, sizeof what, "case %zu, %u threads", i, threads);
            if (threads == 1)
                write_odd(s, "nan.safetensors", "layer.0.w", cases[i].rows, cases[i].cols,
                          cases[i].at, 3);
            check_stops(s, "nan.safetensors",
                        &(job_ask){ .rules = { rule }, .job.threads = threads }, WHIT_ERR_NUMERIC,
                        (const char *[]){ "nan.safetensors", "layer.0.w", cases[i].row,
                                          cases[i].col, NULL },
                        what);
        }
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job_quantize(scratch_path(s, "nan.safetensors", in), scratch_path(s, "k.safetensors", out),
                 &(job_ask){ .scheme = "keep" });
    remove(out);
    remove(in);
}

/* Just inside and just outside what the types hold. */
static void beyond(const scratch *s)
{
    static const struct {
        const char *scheme;
        float value;
        int fits;
        const char *says;
    } cases[] = {
        /* clang-format off */
        { "int4-g32",         65504.0f * 7,   1, "" },
        { "int8-g32",         65504.0f * 130, 0, "-sf32" },
        { "int2-g32",         65504.0f * 8,   0, "-sf32" },
        { "int2-g32-sf32",    65504.0f * 8,   1, "" },
        { "int8-channel-sf16", 1e9f,          0, "-sf32" },
        { "int8-tensor-sf16", 1e9f,           0, "-sf32" },
        { "nf4-g64",          65504.0f,       1, "" },
        { "nf4-g64",          65520.0f,       0, "-sf32" },
        { "nf4-g64-sbf16",    1e30f,          1, "" },
        { "int4-g32-asym",    65504.0f * 17,  0, "-sf32" },
        { "f16",              65519.0f,       1, "" },
        { "bf16",             3.3e38f,        1, "" },
        { "int8-channel",     FLT_MAX,        1, "" },
        { "int4-g32-sf32",    FLT_MAX,        1, "" },
        { "int4-g32-sf32",    -FLT_MAX,       1, "" },
        { "int3-g32-asym-sf32", FLT_MAX,      1, "" },
        { "nf4-g32-sf32",     FLT_MAX,        1, "" },
        { "int8-tensor-asym", FLT_MAX,        1, "" },
        { "int7-channel",     -FLT_MAX,       1, "" },
        /* clang-format on */
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], plain[SCRATCH_PATH], rule[32], what[64];
    scratch_path(s, "beyond.safetensors", in);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        place at = { 17, 33, cases[i].value };
        write_odd(s, "beyond.safetensors", "w", 40, 64, &at, 1);
        snprintf(rule, sizeof rule, "w=%s", cases[i].scheme);
        snprintf(what, sizeof what, "%s with %g", cases[i].scheme, (double)cases[i].value);
        job_ask ask = { .rules = { rule }, .clip = WHIT_CLIP_MINMAX };
        if (!cases[i].fits) {
            check_stops(s, "beyond.safetensors", &ask, WHIT_ERR_NUMERIC,
                        (const char *[]){ "w", cases[i].says, NULL }, what);
            continue;
        }
        /* What fits decodes to finite values, which any other program can take. */
        job_quantize(in, scratch_path(s, "b.safetensors", out), &ask);
        whit_source *o = job_open(out);
        float *v = job_values(o, "w");
        size_t odd = 0;
        for (size_t k = 0; k < 40 * 64; k++) odd += (size_t)!isfinite(v[k]);
        CHECK(odd == 0, "%s: %zu decoded values are not finite", what, odd);
        whit_error err = { WHIT_OK, "" };
        CHECK(job_dequantize(out, scratch_path(s, "p.safetensors", plain), WHIT_F32, 1, &err) ==
                  WHIT_OK,
              "%s: %s", what, err.msg);
        free(v);
        whit_source_close(o);
        remove(out);
        remove(plain);
    }
    remove(in);
}

/* Values all over the range of float32: a job ends with finite values or with an error. */
static void extreme(const scratch *s)
{
    static const char *const schemes[] = {
        "int2",          "int3-g7-sf32",      "int4-channel",       "int5-tensor",
        "int8",          "int4-channel-asym", "int8-tensor-asym",   "nf4-g2-sf32",
        "int6-g5-sbf16", "nf4-channel-sbf16", "int8-channel-sbf16", "int7-channel-sbf16"
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], rule[40];
    check_rng r = { 77 };
    size_t fits = 0;
    scratch_path(s, "extreme.safetensors", in);
    for (size_t i = 0; i < 6 * (sizeof schemes / sizeof schemes[0]); i++) {
        float w[20][33];
        st_build b = { 0 };
        for (size_t k = 0; k < 20 * 33; k++) { /* a third of the files have no other sign */
            float v = k % 7 ? check_f32(&r) : k % 2 ? -1.0f : 1.0f;
            w[k / 33][k % 33] = FLT_MAX * (i % 3 ? v : fabsf(v)) * (1.0f - (float)i * 1e-4f);
        }
        st_add2(&b, "w", "F32", 20, 33, w, sizeof w);
        st_write(&b, s, "extreme.safetensors");
        snprintf(rule, sizeof rule, "w=%s", schemes[i / 6]);
        job_ask ask = { .rules = { rule }, .clip = i % 2 ? WHIT_CLIP_MSE : WHIT_CLIP_MINMAX };
        job j;
        whit_status st = job_run(&j, in, scratch_path(s, "e.safetensors", out), &ask);
        CHECK(st == WHIT_OK || (st == WHIT_ERR_NUMERIC && strstr(j.err.msg, "w: ")), "%s: %s", rule,
              j.err.msg);
        if (st == WHIT_OK) {
            whit_source *o = job_open(out);
            float *v = job_values(o, "w");
            size_t odd = 0;
            for (size_t k = 0; k < 20 * 33; k++) odd += (size_t)!isfinite(v[k]);
            CHECK(odd == 0, "%s, clip %d: %zu decoded values are not finite", rule, (int)ask.clip,
                  odd);
            CHECK(whit_report_at(j.report, 0)->sqnr_db > 0, "%s: %g dB", rule,
                  whit_report_at(j.report, 0)->sqnr_db);
            free(v);
            whit_source_close(o);
            remove(out);
            fits++;
        }
        job_close(&j);
    }
    CHECK(fits > 10, "%zu fit", fits);
    remove(in);
}

/* Scales that are too small for their type: counted in the notes, refused by strict. */
static void raised(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    float w[64 * 32];
    st_build b = { 0 };
    for (size_t i = 0; i < 64 * 32; i++) {
        float unit = i < 16 * 32 ? 1.0f : i < 40 * 32 ? 5e-8f : 1e-20f;
        w[i] = (float)(i % 7) / 6.0f * unit;
    }
    st_add2(&b, "tiny", "F32", 64, 32, w, sizeof w);
    st_write(&b, s, "tiny.safetensors");
    job_ask ask = { .scheme = "int4-g32", .clip = WHIT_CLIP_MINMAX, .job.strict = 1 };
    check_stops(s, "tiny.safetensors", &ask, WHIT_ERR_BAR, (const char *[]){ "tiny", NULL },
                "strict");
    ask.job.strict = 0;
    job j;
    size_t len;
    CHECK(job_run(&j, scratch_path(s, "tiny.safetensors", in),
                  scratch_path(s, "t.safetensors", out), &ask) == WHIT_OK,
          "%s", j.err.msg);
    free(scratch_read(out, &len));
    CHECK(whit_plan_total(j.plan)->file_bytes == len, "the counts have a fixed width");
    whit_source *o = job_open(out);
    const char *notes = whit_file_meta_find(whit_source_file(o), 0, "whit.notes");
    unsigned long long scales = 0, groups = 0;
    const char *a = notes ? strstr(notes, "scales_raised\":") : NULL;
    const char *z = notes ? strstr(notes, "groups_zeroed\":") : NULL;
    CHECK(a && z && sscanf(a, "scales_raised\":%llu", &scales) == 1 &&
              sscanf(z, "groups_zeroed\":%llu", &groups) == 1 && scales == 48 && groups == 24,
          "%s", notes ? notes : "no notes");
    float *v = job_values(o, "tiny");
    size_t wrong = 0;
    for (size_t i = 0; i < 64 * 32; i++) wrong += i >= 40 * 32 && v[i] != 0.0f;
    CHECK(wrong == 0, "%zu values of zeroed groups", wrong);
    free(v);
    whit_source_close(o);
    job_close(&j);
    remove(in);
    remove(out);
}

typedef struct watch {
    int calls, stop_at, inside, bad;
    uint64_t done, total;
    double seconds;
} watch;

static int watch_fn(void *user, const whit_progress *p)
{
    watch *w = user;
    w->bad |= w->inside++ != 0;
    w->calls++;
    w->bad |= p->done < w->done || p->done > p->total || (w->total && p->total != w->total);
    w->bad |= p->seconds < w->seconds || !p->tensor || !p->tensor[0];
    w->done = p->done;
    w->total = p->total;
    w->seconds = p->seconds;
    w->inside--;
    return w->calls == w->stop_at;
}

static void write_two(const scratch *s)
{
    st_build b = { 0 };
    check_rng r = { 8 };
    size_t n = 9000 * 67, m = 2 * 300000;
    uint16_t *h = malloc((n > m ? n : m) * 2);
    for (size_t i = 0; i < (n > m ? n : m); i++) h[i] = (uint16_t)(0x3800 + check_below(&r, 999));
    st_add2(&b, "tall", "F16", 9000, 67, h, n * 2);
    st_add2(&b, "long", "F16", 2, 300000, h, m * 2);
    st_add2(&b, "ids", "I32", 0, 100000, NULL, 400000);
    free(h);
    st_write(&b, s, "two.safetensors");
}

/* Cancelled at every tile in turn, until it runs through. */
static void cancelled(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    scratch_path(s, "two.safetensors", in);
    for (unsigned threads = 1; threads <= 2; threads++)
        for (int stop = 1;; stop++) {
            watch w = { .stop_at = stop };
            size_t before = job_names(s->path);
            job_ask ask = { .scheme = "int3-g64",
                            .rules = { "long=int4-channel" },
                            .job = {
                                .threads = threads, .progress = watch_fn, .progress_user = &w } };
            job j;
            whit_status st = job_run(&j, in, scratch_path(s, "c", out), &ask);
            CHECK(!w.bad, "progress goes forward, one call at a time");
            job_close(&j);
            if (w.calls < stop) { /* it ran through */
                CHECK(st == WHIT_OK && stop > 8, "%d calls", w.calls);
                CHECK(w.done == w.total, "%llu of %llu", (unsigned long long)w.done,
                      (unsigned long long)w.total);
                scratch_remove_tree(out);
                break;
            }
            CHECK(st == WHIT_ERR_CANCELLED, "call %d: status %d", stop, (int)st);
            CHECK(w.calls == stop, "%d calls after stop at %d", w.calls, stop);
            CHECK(job_names(s->path) == before, "call %d: debris", stop);
        }
}

static void cancelled_others(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job_quantize(scratch_path(s, "two.safetensors", in), scratch_path(s, "q.safetensors", out),
                 &(job_ask){ .scheme = "int4" });
    whit_source *src = job_open(out);
    uint64_t stored = 0;
    for (size_t i = 0; i < whit_source_count(src); i++)
        stored += whit_source_at(src, i)->tensor.bytes;
    size_t before = job_names(s->path);
    for (int what = 0; what < 3; what++)
        for (int stop = 3; stop >= 0; stop -= 3) {
            watch w = { .stop_at = stop };
            whit_job_options o;
            whit_error err = { WHIT_OK, "" };
            whit_comparison *c = NULL;
            whit_check *k = NULL;
            whit_status st;
            whit_job_options_init(&o);
            o.threads = 2;
            o.progress = watch_fn;
            o.progress_user = &w;
            if (what == 0)
                st = whit_dequantize_model(src, scratch_path(s, "d.safetensors", in), WHIT_F16, &o,
                                           &err);
            else if (what == 1)
                st = whit_compare(&c, src, src, &o, &err);
            else
                st = whit_check_run(&k, src, &o, &err);
            CHECK(st == (stop ? WHIT_ERR_CANCELLED : WHIT_OK), "job %d: %d", what, (int)st);
            CHECK(!w.bad && (stop ? w.calls == stop : w.done == w.total), "job %d: progress", what);
            if (what == 0 && stop == 0)
                CHECK(w.total == stored, "job %d: progress counts stored bytes: %llu, not %llu",
                      what, (unsigned long long)stored, (unsigned long long)w.total);
            if (stop == 0 && what == 0) remove(in);
            CHECK(job_names(s->path) == before, "job %d: debris", what);
            CHECK(stop == 0 || (!c && !k), "job %d: *out", what);
            whit_comparison_free(c);
            whit_check_free(k);
        }
    whit_source_close(src);
}

/* Absurd thread counts are served, not obeyed. */
static void many_threads(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    place none = { 0, 0, 0.0f };
    write_odd(s, "few.safetensors", "w", 32, 32, &none, 1);
    scratch_path(s, "few.safetensors", in);
    for (unsigned threads = 300; threads >= 300 && threads < 100000; threads *= 100) {
        job_ask ask = { .scheme = "int4", .job = { .threads = threads, .force = 1 } };
        job_quantize(in, scratch_path(s, "few-out.safetensors", out), &ask);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    not_finite(&s);
    beyond(&s);
    extreme(&s);
    raised(&s);
    write_two(&s);
    cancelled(&s);
    cancelled_others(&s);
    many_threads(&s);
    scratch_remove(&s);
    return check_result();
}
