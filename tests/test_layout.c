/* tests/test_layout.c - the files that quantize writes: shards, index, metadata, order, alignment.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "jobs.h"

#include "job/layout.h"

static uint64_t kept_alignment(uint64_t bytes)
{
    uint64_t a = 64;
    while (bytes % a) a /= 2;
    return a;
}

/* Contract 4: data from a multiple of 64 on, without gaps, the largest alignment first, then by
 * name, nothing behind. */
static void check_order(const char *path)
{
    size_t len;
    unsigned char *all = scratch_read(path, &len);
    uint64_t start = 8, end;
    for (int i = 0; i < 8; i++) start += (uint64_t)all[i] << 8 * i;
    free(all);
    whit_source *s = job_open(path);
    const whit_file *f = whit_source_file(s);
    const whit_tensor *last = NULL;
    CHECK(start % 64 == 0, "%s: data begins at %llu", path, (unsigned long long)start);
    end = start;
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        uint64_t a = kept_alignment(t->bytes), b = last ? kept_alignment(last->bytes) : a;
        CHECK(t->offset == end && t->offset % a == 0, "%s: %s lies at %llu", path, t->name,
              (unsigned long long)t->offset);
        end += t->bytes;
        if (t->bytes == 0) continue;
        CHECK(!last || b > a || (b == a && strcmp(last->name, t->name) < 0), "%s: %s before %s",
              path, last ? last->name : "", t->name);
        last = t;
    }
    CHECK(end == len, "%s: %zu bytes, data ends at %llu", path, len, (unsigned long long)end);
    CHECK(whit_file_warnings(f) == 0, "%s: %s", path, whit_file_warning(f, 0));
    whit_source_close(s);
}

static void order(const scratch *s)
{
    static const uint64_t cols[] = { 1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 31, 32, 33, 48, 64, 96, 128 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], name[32];
    st_build b = { 0 };
    for (size_t i = 0; i < sizeof cols / sizeof cols[0]; i++) {
        snprintf(name, sizeof name, "%c%zu.vector", (int)('z' - i), i);
        st_add2(&b, name, "U8", 0, cols[i], NULL, (size_t)cols[i]);
        snprintf(name, sizeof name, "%c%zu.matrix", (int)('a' + i), i);
        st_add2(&b, name, "F32", 37, cols[i], NULL, (size_t)(37 * 4 * cols[i]));
    }
    st_add2(&b, "none", "F32", 0, 0, NULL, 0);
    st_write(&b, s, "order.safetensors");
    scratch_path(s, "order.safetensors", in);
    scratch_path(s, "ordered.safetensors", out);
    for (size_t i = 0; i < 4; i++) {
        static const char *const schemes[] = { "int3-g5-asym", "int8", "bf16", "keep" };
        job_quantize(in, out,
                     &(job_ask){ .rules = { "*=int4", "*matrix=nf4-g2", "*1*=f16" },
                                 .scheme = schemes[i],
                                 .job.force = 1 });
        check_order(out);
    }
    CHECK(job_dequantize(in, scratch_path(s, "plain.safetensors", out), WHIT_F16, 1, NULL) ==
              WHIT_OK,
          "dequantize");
    check_order(out);
    remove(out);
}

/* A folder with two shards, an index, a config. */
static void make_shards(const scratch *s)
{
    st_build b = { 0 };
    scratch_folder(s, "in");
    st_meta(&b, "format", "np");
    st_meta(&b, "author", "one \"quoted\"\n");
    st_meta(&b, "whit.recipe", "not ours");
    st_add2(&b, "layers.0.a.weight", "F16", 40, 64, NULL, 40 * 128);
    st_add2(&b, "norm", "F32", 0, 9, NULL, 36);
    st_write(&b, s, "in/model-00001-of-00002.safetensors");
    st_meta(&b, "author", "two");
    st_meta(&b, "second", "only here");
    st_add2(&b, "layers.1.b.weight", "BF16", 33, 66, NULL, 33 * 132);
    st_add2(&b, "lm_head.weight", "F32", 32, 32, NULL, 4096);
    st_write(&b, s, "in/model-00002-of-00002.safetensors");
    scratch_text(s, "in/model.safetensors.index.json",
                 "{\"metadata\":{\"total_size\":1},\"weight_map\":{"
                 "\"layers.0.a.weight\":\"model-00001-of-00002.safetensors\","
                 "\"norm\":\"model-00001-of-00002.safetensors\","
                 "\"layers.1.b.weight\":\"model-00002-of-00002.safetensors\","
                 "\"lm_head.weight\":\"model-00002-of-00002.safetensors\"}}");
    scratch_text(s, "in/config.json", "{\"model_type\": \"llama\"}\n");
    scratch_text(s, "in/tokenizer.json", "{}");
    scratch_text(s, "in/secret.txt", "not copied");
}

static const char *meta(const whit_source *s, size_t shard, const char *key)
{
    const char *value = whit_file_meta_find(whit_source_file(s), shard, key);
    return value ? value : "(none)";
}

static void check_shard_metadata(const whit_source *o)
{
    for (size_t k = 0; k < 2; k++) {
        CHECK(!strcmp(meta(o, k, "format"), "pt"), "%s", meta(o, k, "format"));
        CHECK(!strcmp(meta(o, k, "whit.format"), "1"), "%s", meta(o, k, "whit.format"));
        CHECK(!strcmp(meta(o, k, "whit.recipe"), "* int4-g32\nlm_head.weight int8-channel\n"), "%s",
              meta(o, k, "whit.recipe"));
    }
    CHECK(!strcmp(meta(o, 0, "author"), "one \"quoted\"\n"), "%s", meta(o, 0, "author"));
    CHECK(!strcmp(meta(o, 1, "author"), "two"), "%s", meta(o, 1, "author"));
    CHECK(!whit_file_meta_find(whit_source_file(o), 0, "second"), "a key of the other shard");
    CHECK(strstr(meta(o, 0, "whit.tensors"), "layers.0.a") &&
              !strstr(meta(o, 0, "whit.tensors"), "layers.1.b") &&
              !strstr(meta(o, 0, "whit.tensors"), "norm"),
          "each shard tells of its own: %s", meta(o, 0, "whit.tensors"));
}

static void sharded(const scratch *s)
{
    static const char *const names[] = { "model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], path[SCRATCH_PATH], path2[SCRATCH_PATH], line[128];
    job_ask ask = { .scheme = "int4-g32", .head = "int8" };
    size_t len, all = 0;
    job j;
    scratch_path(s, "in", in);
    CHECK(job_run(&j, in, scratch_path(s, "out/", out), &ask) == WHIT_OK, "%s", j.err.msg);
    if (j.status != WHIT_OK) exit(check_result());
    whit_source *o = job_open(out);
    const whit_file *f = whit_source_file(o);
    CHECK(whit_file_shards(f) == 2 && whit_file_has_index(f) && whit_file_warnings(f) == 0, "%s",
          whit_file_warnings(f) ? whit_file_warning(f, 0) : "shards");
    for (size_t k = 0; k < 2 && whit_file_shards(f) == 2; k++) {
        CHECK(!strcmp(whit_file_shard_name(f, k), names[k]), "%s", whit_file_shard_name(f, k));
        all += (size_t)whit_file_shard_bytes(f, k);
        check_order(whit_file_shard_path(f, k));
    }
    CHECK(all == whit_plan_total(j.plan)->file_bytes, "%zu bytes", all);
    check_shard_metadata(o);
    char *index = scratch_read(scratch_path(s, "out/model.safetensors.index.json", path), &len);
    snprintf(line, sizeof line, "%llu", (unsigned long long)whit_plan_total(j.plan)->bytes_out);
    CHECK(strstr(index, "total_size") && strstr(index, line), "total_size %s: %s", line, index);
    for (size_t i = 0; i < whit_file_count(f); i++)
        CHECK(strstr(index, whit_file_tensor(f, i)->name), "%s", whit_file_tensor(f, i)->name);
    free(index);
    CHECK(job_names(out) == 5, "shards, index, config, tokenizer: %zu", job_names(out));
    CHECK(job_same_file(scratch_path(s, "in/config.json", path),
                        scratch_path(s, "out/config.json", path2)),
          "config.json");
    whit_source_close(o);
    job_close(&j);
    CHECK(job_run(&j, in, out, &ask) == WHIT_ERR_ARG && strstr(j.err.msg, "exists"), "%s",
          j.err.msg);
    job_close(&j);
    ask.job.force = 1;
    CHECK(job_run(&j, in, in, &ask) == WHIT_ERR_ARG && job_one_line(&j.err), "output = input");
    job_close(&j);
    CHECK(job_names(in) == 6, "the input folder");
}

/* Shards or a folder into one file: all keys, the first of two; no files beside it. */
static void into_one(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job_ask ask = { .scheme = "int4-g32", .head = "int8" };
    size_t len, before = job_names(s->path);
    job j;
    CHECK(job_run(&j, scratch_path(s, "in", in), scratch_path(s, "one.safetensors", out), &ask) ==
              WHIT_OK,
          "%s", j.err.msg);
    if (j.status != WHIT_OK) exit(check_result());
    free(scratch_read(out, &len));
    CHECK(whit_plan_total(j.plan)->file_bytes == len, "%zu bytes", len);
    CHECK(job_names(s->path) == before + 1, "one file");
    job_close(&j);
    check_order(out);
    whit_source *o = job_open(out);
    CHECK(whit_source_count(o) == 4 && whit_source_quantized(o) == 3, "all tensors");
    CHECK(!strcmp(meta(o, 0, "author"), "one \"quoted\"\n"), "%s", meta(o, 0, "author"));
    CHECK(!strcmp(meta(o, 0, "second"), "only here"), "%s", meta(o, 0, "second"));
    CHECK(strstr(meta(o, 0, "whit.tensors"), "layers.0.a") &&
              strstr(meta(o, 0, "whit.tensors"), "layers.1.b"),
          "%s", meta(o, 0, "whit.tensors"));
    CHECK(!strcmp(whit_source_format(o), "whit native"), "%s", whit_source_format(o));
    whit_source_close(o);
    /* The index file itself is an input too, and gives the same. */
    job_quantize(scratch_path(s, "in/model.safetensors.index.json", in),
                 scratch_path(s, "two.safetensors", out), &ask);
    CHECK(job_same_file(out, scratch_path(s, "one.safetensors", in)), "by the index file");
    remove(in);
    remove(out);
}

static void metadata(const scratch *s)
{
    static const struct {
        whit_clip clip;
        const char *options;
    } cases[] = { { WHIT_CLIP_DEFAULT, "(none)" },
                  { WHIT_CLIP_MINMAX, "clip=minmax" },
                  { WHIT_CLIP_MSE, "clip=mse" } };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    uint64_t cube[3] = { 2, 20, 32 };
    st_build b = { 0 };
    st_add(&b, "x.experts.w", "BF16", 3, cube, NULL, 2 * 20 * 32 * 2);
    st_add2(&b, "n", "F16", 0, 5, NULL, 10);
    st_write(&b, s, "meta.safetensors");
    scratch_path(s, "meta.safetensors", in);
    scratch_path(s, "meta-out.safetensors", out);
    for (size_t i = 0; i < 3; i++) {
        job_ask ask = { .scheme = "INT4-sf32-ASYM",
                        .clip = cases[i].clip,
                        .job.force = 1,
                        .rules = { "n=F32", "y=NF4" } };
        job_quantize(in, out, &ask);
        whit_source *o = job_open(out);
        const char *tensors = meta(o, 0, "whit.tensors");
        CHECK(!strcmp(meta(o, 0, "whit.options"), cases[i].options), "%s",
              meta(o, 0, "whit.options"));
        CHECK(!strcmp(meta(o, 0, "whit.recipe"), "* int4-g128-asym-sf32\nn f32\ny nf4-g64\n"), "%s",
              meta(o, 0, "whit.recipe"));
        CHECK(strstr(tensors, "\"x.experts.w\":{\"scheme\":\"int4-g128-asym-sf32\",\"shape\":"
                              "[2,20,32],\"dtype\":\"BF16\"}"),
              "%s", tensors);
        CHECK(strstr(tensors, "\"n\":{\"scheme\":\"f32\",\"shape\":[5],\"dtype\":\"F16\"}"), "%s",
              tensors);
        CHECK(whit_file_meta_find(whit_source_file(o), 0, "whit.notes") != NULL, "whit.notes");
        whit_source_close(o);
    }
    remove(in);
    remove(out);
}

/* The recipe of an output, used as options, gives the same plan. */
static void recipe_again(const scratch *s, const char *data)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], again[SCRATCH_PATH], rules[8][256];
    job_ask ask = { .scheme = "int4-g64", .embeddings = "int8", .rules = { "*.v_proj=nf4" } };
    job_ask second = { .job.threads = 1 };
    snprintf(in, sizeof in, "%.900s/stories260K", data);
    job_quantize(in, scratch_path(s, "r1.safetensors", out), &ask);
    whit_source *o = job_open(out);
    char text[1024], *line = text;
    size_t n = 0;
    snprintf(text, sizeof text, "%s", meta(o, 0, "whit.recipe"));
    whit_source_close(o);
    for (char *end = strchr(line, '\n'); end && n < 6; line = end + 1, end = strchr(line, '\n')) {
        *end = 0;
        char *space = strrchr(line, ' ');
        if (!space) break;
        *space = '=';
        snprintf(rules[n], sizeof rules[n], "%.200s", line);
        if (n > 0) second.rules[n - 1] = rules[n];
        n++;
    }
    CHECK(n >= 3 && !strncmp(rules[0], "*=", 2), "%zu lines", n);
    second.scheme = rules[0] + 2;
    job_quantize(in, scratch_path(s, "r2.safetensors", again), &second);
    o = job_open(out);
    whit_source *p = job_open(again);
    CHECK(whit_source_count(o) == whit_source_count(p), "count");
    CHECK(!strcmp(meta(o, 0, "whit.tensors"), meta(p, 0, "whit.tensors")), "%s",
          meta(p, 0, "whit.tensors"));
    CHECK(!strcmp(meta(o, 0, "whit.recipe"), meta(p, 0, "whit.recipe")), "%s",
          meta(p, 0, "whit.recipe"));
    whit_source_close(o);
    whit_source_close(p);
    remove(out);
    remove(again);
}

/* A file without tensors, tensors without elements: nothing to do is no error. */
static void nothing(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], plain[SCRATCH_PATH];
    st_build b = { 0 };
    for (int i = 0; i < 2; i++) {
        if (i) st_add2(&b, "e", "F32", 0, 0, NULL, 0);
        st_write(&b, s, "none.safetensors");
        job_ask ask = { .job = { .threads = 2, .force = 1 } };
        job_quantize(scratch_path(s, "none.safetensors", in),
                     scratch_path(s, "none-out.safetensors", out), &ask);
        check_order(out);
        whit_error err = { WHIT_OK, "" };
        CHECK(job_dequantize(out, scratch_path(s, "none-plain.safetensors", plain), WHIT_F32, 2,
                             &err) == WHIT_OK,
              "%s", err.msg);
        whit_source *o = job_open(plain);
        CHECK(whit_source_count(o) == (size_t)i, "%zu", whit_source_count(o));
        whit_source_close(o);
        remove(plain);
    }
    remove(in);
    remove(out);
}

/* What readers would refuse is not written: a text of the metadata that is too long for them. */
static void too_long(void)
{
    wh_layout l;
    whit_error err = { WHIT_OK, "" };
    const size_t most = (size_t)16 << 20;
    char *text = malloc(most + 2);
    if (!text || wh_layout_init(&l, 1, WH_SAFETENSORS, &err) != WHIT_OK) scratch_die("memory");
    memset(text, 'x', most + 1);
    text[most + 1] = 0;
    CHECK(wh_layout_meta(&l, 0, "k", text, &err) == WHIT_ERR_UNSUPPORTED &&
              strstr(err.msg, "k of 0 tensors would exceed the 16 MiB"),
          "%s", err.msg);
    text[most] = 0;
    CHECK(wh_layout_meta(&l, 0, "k", text, &err) == WHIT_OK, "%s", err.msg);
    wh_layout_free(&l);
    free(text);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) return 1;
    too_long();
    scratch_make(&s);
    order(&s);
    make_shards(&s);
    sharded(&s);
    into_one(&s);
    metadata(&s);
    recipe_again(&s, argv[1]);
    nothing(&s);
    scratch_remove(&s);
    return check_result();
}
