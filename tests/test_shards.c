/* tests/test_shards.c - output in files of bounded size: planned to the byte, parts of a tensor
 * together, the same tensors as without.
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "job/plan.h"

#include "jobs.h"

#define TENSORS 40

static const char *tensor_name(size_t i, char buf[96])
{
    snprintf(buf, 96, i % 7 == 3 ? "odd \"%zu\"\\\t\xc3\xa9.weight" : "layers.%zu.up.weight", i);
    return buf;
}

/* Tensors 1 .. 40 times a kilobyte, some kept; one is larger than most limits below. */
static void add_tensors(st_build *b, size_t first, size_t end, check_rng *rng)
{
    for (size_t i = first; i < end; i++) {
        char name[96];
        uint64_t shape[2] = { 8 + i * 11 % 150, 64 + i % 3 * 32 };
        if (i == 20) shape[0] = 900;
        size_t n = (size_t)(shape[0] * shape[1]);
        float *w = malloc(n * sizeof *w);
        if (!w) scratch_die("weights");
        for (size_t k = 0; k < n; k++) w[k] = check_normal(rng);
        st_add(b, tensor_name(i, name), "F32", 2, shape, w, n * sizeof *w);
        free(w);
    }
}

static void make_source(const scratch *s)
{
    check_rng rng = { 1 };
    st_build b = { 0 };
    st_meta(&b, "note", "a \"quoted\" value\n");
    add_tensors(&b, 0, TENSORS, &rng);
    st_write(&b, s, "in.safetensors");
}

typedef struct ask {
    uint64_t shard_size;
    unsigned threads;
    const char *rule;
    const char *scheme; /* NULL: int4-g32-asym */
} ask;

static whit_status plan(job *j, const char *in, const char *out, ask a)
{
    whit_quantize_options o;
    memset(j, 0, sizeof *j);
    whit_quantize_options_init(&o);
    o.scheme = a.scheme ? a.scheme : "int4-g32-asym";
    o.shard_size = a.shard_size;
    o.rules = &a.rule;
    o.rules_count = a.rule != NULL;
    o.job.threads = a.threads;
    o.job.force = 1;
    j->status = whit_source_open(&j->source, in, &j->err);
    if (j->status == WHIT_OK) j->status = whit_plan_make(&j->plan, j->source, &o, out, &j->err);
    return j->status;
}

static void run(const char *in, const char *out, ask a, uint64_t *promised)
{
    job j;
    CHECK(plan(&j, in, out, a) == WHIT_OK, "%s", j.err.msg);
    if (j.plan) {
        *promised = whit_plan_total(j.plan)->file_bytes;
        CHECK(whit_plan_run(j.plan, NULL, &j.err) == WHIT_OK, "%s", j.err.msg);
    }
    job_close(&j);
}

/* Which shard each part of tensor i is in: all the same. */
static uint32_t shard_of(const whit_source *s, const char *name)
{
    const whit_file *f = whit_source_file(s);
    const whit_source_tensor *t = whit_source_at(s, whit_source_find(s, name));
    CHECK(t != NULL, "%s is missing", name);
    if (!t) exit(check_result());
    uint32_t shard = whit_file_tensor(f, t->planes[0])->shard;
    for (int k = 1; k < 3; k++)
        if (t->planes[k] != WHIT_NOT_FOUND)
            CHECK(whit_file_tensor(f, t->planes[k])->shard == shard, "%s is cut", name);
    return shard;
}

static void check_values(const whit_source *a, const whit_source *b, const char *name)
{
    const whit_source_tensor *t = whit_source_at(a, whit_source_find(a, name));
    float *x = job_values(a, name), *y = job_values(b, name);
    CHECK(t && memcmp(x, y, (size_t)t->tensor.elements * sizeof *x) == 0, "%s differs", name);
    free(x);
    free(y);
}

/* A folder in shards of at most `limit` bytes, against the whole model in one file. */
static void check_folder(const char *folder, const char *whole, uint64_t limit, uint64_t promised)
{
    whit_source *s = job_open(folder), *w = job_open(whole);
    const whit_file *f = whit_source_file(s);
    size_t shards = whit_file_shards(f), in_shard[TENSORS + 1] = { 0 };
    uint64_t sum = 0;
    uint32_t last = 0;
    char name[96], want[64];
    CHECK(whit_file_has_index(f) == (shards > 1), "%zu shards", shards);
    CHECK(shards <= TENSORS, "%zu shards", shards);
    for (size_t i = 0; i < TENSORS && shards <= TENSORS; i++) {
        uint32_t shard = shard_of(s, tensor_name(i, name));
        CHECK(shard >= last, "%s: in another order", name);
        in_shard[last = shard]++;
        check_values(s, w, name);
    }
    for (size_t k = 0; k < shards; k++) {
        uint64_t bytes = whit_file_shard_bytes(f, k);
        sum += bytes;
        CHECK(bytes <= limit || in_shard[k] == 1, "limit %llu: shard %zu has %llu bytes",
              (unsigned long long)limit, k, (unsigned long long)bytes);
        snprintf(want, sizeof want, "model-%05zu-of-%05zu.safetensors", k + 1, shards);
        if (shards == 1) strcpy(want, "model.safetensors");
        CHECK(strcmp(whit_file_shard_name(f, k), want) == 0, "%s", whit_file_shard_name(f, k));
        const char *note = whit_file_meta_find(f, k, "note");
        CHECK(note && strcmp(note, "a \"quoted\" value\n") == 0, "shard %zu: metadata", k);
    }
    CHECK(sum == promised, "limit %llu: %llu bytes promised, %llu written",
          (unsigned long long)limit, (unsigned long long)promised, (unsigned long long)sum);
    /* Neighbours do not fit into one file, a margin for its header aside. */
    CHECK(shards == 1 || sum + shards * 4096 > limit * (shards / 2), "%zu shards of %llu", shards,
          (unsigned long long)limit);
    whit_source_close(s);
    whit_source_close(w);
}

static void test_limits(const scratch *s)
{
    static const uint64_t limits[] = { 1,     5000,   12000,  30000,   30001,
                                       64000, 100000, 300000, 1 << 30, UINT64_MAX };
    char in[SCRATCH_PATH], whole[SCRATCH_PATH], out[SCRATCH_PATH];
    uint64_t promised;
    scratch_path(s, "in.safetensors", in);
    scratch_path(s, "whole.safetensors", whole);
    scratch_path(s, "out", out);
    run(in, whole, (ask){ .rule = "layers.1?.up=keep" }, &promised);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        run(in, out, (ask){ limits[i], 1, "layers.1?.up=keep" }, &promised);
        check_folder(out, whole, limits[i], promised);
    }
}

/* The same bytes from any number of threads; shards of the source do not show. */
static void test_same(const scratch *s)
{
    char in[SCRATCH_PATH], a[SCRATCH_PATH], b[SCRATCH_PATH], name[SCRATCH_PATH * 2];
    char other[SCRATCH_PATH * 2];
    uint64_t promised;
    scratch_path(s, "in.safetensors", in);
    scratch_path(s, "t1", a);
    scratch_path(s, "t3", b);
    run(in, a, (ask){ 64000, 1, NULL }, &promised);
    run(in, b, (ask){ 64000, 3, NULL }, &promised);
    size_t files = job_names(a);
    CHECK(files > 3 && files == job_names(b), "%zu files", files);
    for (size_t k = 1; k < files; k++) {
        snprintf(name, sizeof name, "%s/model-%05zu-of-%05zu.safetensors", a, k, files - 1);
        snprintf(other, sizeof other, "%s/model-%05zu-of-%05zu.safetensors", b, k, files - 1);
        CHECK(job_same_file(name, other), "%s", name);
    }
    snprintf(name, sizeof name, "%s/model.safetensors.index.json", a);
    snprintf(other, sizeof other, "%s/model.safetensors.index.json", b);
    CHECK(job_same_file(name, other), "%s", name);
}

/* A source in shards: cut anew, or joined into one file. Old shards go. */
static void test_source_in_shards(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], whole[SCRATCH_PATH], one[SCRATCH_PATH + 32];
    uint64_t promised;
    check_rng rng = { 1 };
    st_build b = { 0 };
    st_text index = { 0 };
    scratch_folder(s, "model");
    st_putf(&index, "{\"weight_map\":{");
    for (size_t k = 0; k < 2; k++) {
        char name[96];
        st_meta(&b, "note", "a \"quoted\" value\n");
        st_meta(&b, k ? "second" : "first", "x");
        add_tensors(&b, k * 20, k * 20 + 20, &rng);
        st_write(&b, s, k ? "model/b.safetensors" : "model/a.safetensors");
        for (size_t i = k * 20; i < k * 20 + 20; i++) {
            st_putf(&index, i ? "," : "");
            st_put_string(&index, tensor_name(i, name));
            st_putf(&index, ":\"%c.safetensors\"", k ? 'b' : 'a');
        }
    }
    st_putf(&index, "}}");
    scratch_text(s, "model/model.safetensors.index.json", index.data);
    free(index.data);
    scratch_path(s, "model", in);
    scratch_path(s, "cut", out);
    scratch_path(s, "cut.safetensors", whole);
    run(in, whole, (ask){ 0 }, &promised);
    run(in, out, (ask){ 0 }, &promised);
    CHECK(job_names(out) == 3, "as the source: %zu", job_names(out));
    run(in, out, (ask){ .shard_size = 30000 }, &promised);
    check_folder(out, whole, 30000, promised);
    run(in, out, (ask){ .shard_size = 1 << 30 }, &promised);
    check_folder(out, whole, 1 << 30, promised);
    CHECK(job_names(out) == 1, "%zu names left", job_names(out));
    snprintf(one, sizeof one, "%s/model.safetensors", out);
    whit_source *joined = job_open(one);
    const whit_file *f = whit_source_file(joined);
    CHECK(whit_file_meta_find(f, 0, "first") && whit_file_meta_find(f, 0, "second"), "metadata");
    whit_source_close(joined);
}

/* Small tensors, whose header is larger than their data, and much metadata in every file: all of it
 * counts, at any limit. */
static void test_headers_count(const char *in, const char *scheme)
{
    for (uint64_t limit = 46000; limit < 400000; limit += 7919) {
        job j;
        const ask a = { .shard_size = limit, .scheme = scheme };
        CHECK(plan(&j, in, NULL, a) == WHIT_OK, "%s", j.err.msg);
        const wh_layout *l = j.plan ? &j.plan->target.layout : NULL;
        for (size_t f = 0; l && f < l->count; f++)
            CHECK(wh_layout_file_bytes(l, f) <= limit, "limit %llu: file %zu of %zu has %llu bytes",
                  (unsigned long long)limit, f, l->count,
                  (unsigned long long)wh_layout_file_bytes(l, f));
        job_close(&j);
    }
}

/* The name of a tensor stands in the header more than twice for each of its parts. */
static void test_long_names(const scratch *s)
{
    static const float w[64 * 32];
    char in[SCRATCH_PATH], name[1600];
    st_build b = { 0 };
    for (size_t i = 0; i < 60; i++) {
        memset(name, 'x', sizeof name - 1);
        snprintf(name + sizeof name - 32, 32, ".%zu.weight", i);
        st_add2(&b, name, "F32", 64, 32, w, sizeof w);
    }
    st_write(&b, s, "long.safetensors");
    scratch_path(s, "long.safetensors", in);
    test_headers_count(in, NULL);
    test_headers_count(in, "nf4-g64-dq");
    test_headers_count(in, "keep");
}

/* Too many files: the value that is named works. */
static void test_too_many(const scratch *s)
{
    char in[SCRATCH_PATH];
    st_build b = { 0 };
    static const float w[64 * 32];
    char note[16001];
    memset(note, '"', sizeof note - 1);
    note[sizeof note - 1] = 0;
    st_meta(&b, "note", note);
    for (size_t i = 0; i < 600; i++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%zu.\"some\\where\".\n.w", i);
        st_add2(&b, name, "F32", 64, 32, w, sizeof w);
    }
    st_write(&b, s, "many.safetensors");
    scratch_path(s, "many.safetensors", in);
    test_headers_count(in, NULL);
    test_headers_count(in, "nf4-g64-dq");
    job j;
    CHECK(plan(&j, in, NULL, (ask){ .shard_size = 1000 }) == WHIT_ERR_ARG, "%s", j.err.msg);
    const char *value = strstr(j.err.msg, "try: --shard-size ");
    CHECK(value && strstr(j.err.msg, "600, and 512"), "%s", j.err.msg);
    uint64_t named = value ? strtoull(value + 18, NULL, 10) << 20 : 0;
    job_close(&j);
    CHECK(plan(&j, in, NULL, (ask){ .shard_size = named }) == WHIT_OK, "%s", j.err.msg);
    job_close(&j);
}

static void test_refused(const scratch *s)
{
    char in[SCRATCH_PATH];
    job j;
    scratch_path(s, "in.safetensors", in);
    CHECK(plan(&j, in, "x.safetensors", (ask){ .shard_size = 1 << 20 }) == WHIT_ERR_ARG,
          "one file");
    CHECK(strstr(j.err.msg, "x.safetensors: is one file") != NULL, "%s", j.err.msg);
    job_close(&j);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    make_source(&s);
    test_limits(&s);
    test_same(&s);
    test_source_in_shards(&s);
    test_long_names(&s);
    test_too_many(&s);
    test_refused(&s);
    scratch_remove(&s);
    return check_result();
}
