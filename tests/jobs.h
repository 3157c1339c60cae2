/* tests/jobs.h - running the jobs in a test: one call from paths to a finished or failed job.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_JOBS_H
#define WHIT_JOBS_H

#include <whit/whit.h>

#include "check.h"
#include "st_build.h"

/* What a test wants of a quantize job; zeros are the defaults. */
typedef struct job_ask {
    const char *scheme, *embeddings, *head;
    const char *rules[6]; /* up to the first NULL */
    whit_clip clip;
    int requantize, fake_quant;
    whit_search search;
    const char *calibration;
    uint64_t shard_size;
    whit_nonfinite nonfinite;
    whit_format format;
    const whit_method_options *method; /* NULL: none */
    whit_job_options job;              /* struct_size is filled in */
} job_ask;

typedef struct job {
    whit_source *source;
    whit_plan *plan;
    whit_report *report;
    whit_status status;
    whit_error err;
} job;

/* Open and plan. The status is in j->status; job_close is due in any case. */
static inline whit_status job_plan(job *j, const char *in, const char *out, const job_ask *ask)
{
    whit_quantize_options o;
    memset(j, 0, sizeof *j);
    whit_quantize_options_init(&o);
    o.scheme = ask->scheme;
    o.embeddings = ask->embeddings;
    o.head = ask->head;
    o.rules = ask->rules;
    while (o.rules_count < 6 && ask->rules[o.rules_count]) o.rules_count++;
    o.clip = ask->clip;
    o.requantize = ask->requantize;
    o.fake_quant = ask->fake_quant;
    o.search = ask->search;
    o.calibration = ask->calibration;
    o.shard_size = ask->shard_size;
    o.nonfinite = ask->nonfinite;
    o.format = ask->format;
    if (ask->method) o.method = *ask->method;
    o.job = ask->job;
    o.job.struct_size = sizeof o.job;
    j->status = whit_source_open(&j->source, in, &j->err);
    if (j->status == WHIT_OK) j->status = whit_plan_make(&j->plan, j->source, &o, out, &j->err);
    return j->status;
}

static inline whit_status job_run(job *j, const char *in, const char *out, const job_ask *ask)
{
    if (job_plan(j, in, out, ask) == WHIT_OK)
        j->status = whit_plan_run(j->plan, &j->report, &j->err);
    return j->status;
}

static inline void job_close(job *j)
{
    whit_report_free(j->report);
    whit_plan_free(j->plan);
    whit_source_close(j->source);
    memset(j, 0, sizeof *j);
}

/* Quantize; that must work. */
static inline void job_quantize(const char *in, const char *out, const job_ask *ask)
{
    job j;
    CHECK(job_run(&j, in, out, ask) == WHIT_OK, "%s to %s: %s", in, out, j.err.msg);
    job_close(&j);
}

/* NULL, with a failed check, when it does not open. */
static inline whit_source *job_open(const char *path)
{
    whit_source *s = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_source_open(&s, path, &err) == WHIT_OK, "%s", err.msg);
    if (!s) exit(check_result());
    return s;
}

static inline whit_status job_dequantize(const char *in, const char *out, whit_dtype dtype,
                                         unsigned threads, whit_error *err)
{
    whit_job_options o;
    whit_source *s = job_open(in);
    whit_job_options_init(&o);
    o.threads = threads;
    whit_status st = whit_dequantize_model(s, out, dtype, &o, err);
    whit_source_close(s);
    return st;
}

/* The decoded values of a tensor, freed with free(). */
static inline float *job_values(const whit_source *s, const char *name)
{
    whit_error err = { WHIT_OK, "" };
    const whit_source_tensor *t = whit_source_at(s, whit_source_find(s, name));
    CHECK(t != NULL, "%s is missing", name);
    if (!t) exit(check_result());
    float *v = malloc((size_t)t->tensor.elements * sizeof *v + 1);
    if (!v) scratch_die(name);
    whit_status st =
        whit_source_read_f32(s, whit_source_find(s, name), 0, t->rows, 0, t->cols, v, &err);
    CHECK(st == WHIT_OK, "%s: %s", name, err.msg);
    return v;
}

/* The stored bytes of a tensor of the container, freed with free(); NULL: there is none. */
static inline unsigned char *job_bytes(const whit_source *s, const char *name, size_t *len)
{
    const whit_file *f = whit_source_file(s);
    size_t i = whit_file_find(f, name);
    *len = 0;
    if (i == WHIT_NOT_FOUND) return NULL;
    *len = (size_t)whit_file_tensor(f, i)->bytes;
    unsigned char *b = malloc(*len + 1);
    if (!b) scratch_die(name);
    CHECK(whit_file_read(f, i, 0, *len, b, NULL) == WHIT_OK, "%s", name);
    return b;
}

/* How many names there are in a folder, hidden ones included. */
static inline size_t job_names(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n > 2 ? n - 2 : 0;
}

static inline int job_same_file(const char *a, const char *b)
{
    size_t n, m;
    void *x = scratch_read(a, &n), *y = scratch_read(b, &m);
    int same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

/* One printable line, not empty. */
static inline int job_one_line(const whit_error *err)
{
    size_t n = strlen(err->msg);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)err->msg[i] < 0x20 || err->msg[i] == 0x7f) return 0;
    return n > 0 && n < sizeof err->msg - 1;
}

#endif
