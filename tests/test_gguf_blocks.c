/* tests/test_gguf_blocks.c - quantized tensors of GGUF files through everything that reads a model:
 * lists, parts of rows, jobs, weights; what is only listed. What a block means:
 * interop/gguf_blocks.py. Malformed sizes: test_gguf.c. Quantizing it again: test_requantize.c.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include "block_make.h"
#include "jobs.h"

static whit_source *open_at(const scratch *s, const char *name)
{
    char path[SCRATCH_PATH];
    return job_open(scratch_path(s, name, path));
}

/* ---- lists and parts ------------------------------------------------------------------------- */

static void check_parts(const whit_source *src, size_t index, const float *want)
{
    const whit_source_tensor *t = whit_source_at(src, index);
    const whit_file *f = whit_source_file(src);
    const size_t n = (size_t)t->tensor.elements, cols = (size_t)t->cols;
    float *v = block_room(n * sizeof *v);
    check_rng r = { 9 };
    for (int k = 0; k < 40; k++) {
        size_t first = (size_t)check_below(&r, n), count = (size_t)check_below(&r, n - first + 1);
        CHECK(whit_file_read_f32(f, t->planes[0], first, count, v, NULL) == WHIT_OK &&
                  memcmp(v, want + first, count * sizeof *v) == 0,
              "%s: elements from %zu, %zu", t->tensor.name, first, count);
        size_t row = (size_t)check_below(&r, t->rows), c = (size_t)check_below(&r, cols / 8) * 8;
        count = 1 + (size_t)check_below(&r, cols - c);
        CHECK(whit_source_read_f32(src, index, row, 1, c, count, v, NULL) == WHIT_OK &&
                  memcmp(v, want + row * cols + c, count * sizeof *v) == 0,
              "%s: row %zu, columns from %zu, %zu", t->tensor.name, row, c, count);
    }
    CHECK(whit_file_read_f32(f, t->planes[0], n, 1, v, NULL) == WHIT_ERR_ARG, "behind the end");
    CHECK(whit_file_read_rows(f, t->planes[0], 1, t->rows, v, NULL) == WHIT_OK &&
              memcmp(v, want + cols, (n - cols) * sizeof *v) == 0,
          "%s: rows", t->tensor.name);
    free(v);
}

/* A file with a tensor of each type, 3 rows of 5 blocks, a plain one behind each. */
static void put_types(const scratch *s, const char *name)
{
    gg_build b = { 0 };
    char tensor[32];
    const uint64_t four = 4;
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        const whit_block_info *info = whit_block_describe((whit_block)t);
        const uint64_t ne[2] = { 5 * info->weights, 3 };
        unsigned char *blocks = block_make((whit_block)t, 15, (uint64_t)t);
        snprintf(tensor, sizeof tensor, "%s.weight", info->name);
        gg_tensor(&b, tensor, info->id, 2, ne, blocks, 15 * (size_t)info->bytes);
        free(blocks);
        snprintf(tensor, sizeof tensor, "%s.plain", info->name);
        gg_tensor(&b, tensor, 0, 1, &four, "abcdefghijklmnop", 16);
    }
    gg_write(&b, s, name);
}

static void test_types(const scratch *s)
{
    put_types(s, "types.gguf");
    whit_source *src = open_at(s, "types.gguf");
    const whit_file *f = whit_source_file(src);
    CHECK(whit_source_count(src) == 2 * (WHIT_BLOCK_COUNT - 1), "all");
    CHECK(whit_source_quantized(src) == WHIT_BLOCK_COUNT - 1, "quantized");
    for (int k = 1; k < WHIT_BLOCK_COUNT; k++) {
        const whit_block_info *info = whit_block_describe((whit_block)k);
        char name[32], text[WHIT_SCHEME_TEXT];
        snprintf(name, sizeof name, "%s.weight", info->name);
        const size_t i = whit_source_find(src, name), n = 15 * (size_t)info->weights;
        const whit_source_tensor *t = whit_source_at(src, i);
        const whit_tensor *stored = t ? whit_file_tensor(f, t->planes[0]) : NULL;
        if (!t || !stored) {
            CHECK(0, "%s is missing", name);
            continue;
        }
        CHECK(stored->dtype == WHIT_BLOCKS && stored->block == (whit_block)k, "%s", name);
        CHECK(strcmp(whit_tensor_type(stored), info->name) == 0, "%s", whit_tensor_type(stored));
        CHECK(stored->bytes == 15 * (uint64_t)info->bytes && stored->elements == n, "%s", name);
        CHECK(t->tensor.dtype == WHIT_F32 && t->stored == WHIT_BLOCKS, "%s", name);
        CHECK(t->rows == 3 && t->cols == 5 * info->weights, "%s", name);
        CHECK(strcmp(whit_scheme_print(&t->scheme, text), info->lower) == 0, "%s: %s", name, text);
        unsigned char *blocks = block_make((whit_block)k, 15, (uint64_t)k);
        float *want = block_room(n * sizeof *want);
        whit_block_decode((whit_block)k, blocks, 15, want, NULL);
        for (size_t e = 0; e < n; e++) CHECK(isfinite(want[e]), "%s: %zu", name, e);
        check_parts(src, i, want);
        free(want);
        free(blocks);
    }
    /* two types have a trap each: said once */
    CHECK(whit_file_warnings(f) == 2 && strstr(whit_file_warning(f, 0), "41 is read as Q1_0") &&
              strstr(whit_file_warning(f, 1), "NVFP4"),
          "%zu warnings", whit_file_warnings(f));
    whit_source_close(src);
}

/* One dimension, three, and parts of a split model. */
static void test_shapes(const scratch *s)
{
    static const uint64_t ne[3] = { 64, 3, 2 };
    unsigned char *blocks = block_make(WHIT_Q8_0, 12, 1);
    float want[384];
    whit_block_decode(WHIT_Q8_0, blocks, 12, want, NULL);
    for (unsigned part = 0; part < 2; part++) {
        gg_build b = { 0 };
        gg_number(&b, "split.no", GG_U16, part, 2);
        gg_number(&b, "split.count", GG_U16, 2, 2);
        gg_tensor(&b, part ? "flat" : "blk.0.experts.up", 8, part ? 1 : 3, ne, blocks,
                  part ? 68 : 408);
        if (part) gg_tensor(&b, "ternary", 41, 1, (const uint64_t[]){ 128 }, blocks, 18);
        gg_write(&b, s, part ? "s-00002-of-00002.gguf" : "s-00001-of-00002.gguf");
    }
    whit_source *src = open_at(s, "s-00002-of-00002.gguf");
    const whit_source_tensor *t = whit_source_at(src, 0), *u = whit_source_at(src, 1);
    CHECK(whit_source_count(src) == 3 && t->rows == 6 && t->cols == 64, "experts");
    CHECK(u->tensor.shard == 1 && u->rows == 1 && u->cols == 64, "in the second part");
    CHECK(whit_file_warnings(whit_source_file(src)) == 1, "the parts were listed twice");
    float *v = job_values(src, "blk.0.experts.up");
    CHECK(memcmp(v, want, sizeof want) == 0, "experts");
    free(v);
    v = job_values(src, "flat");
    CHECK(memcmp(v, want, 64 * sizeof *v) == 0, "one dimension");
    free(v);
    free(blocks);
    whit_source_close(src);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* The same values in a and b, tensor by tensor. */
static void check_same_values(const whit_source *a, const whit_source *b)
{
    CHECK(whit_source_count(a) == whit_source_count(b), "count");
    for (size_t i = 0; i < whit_source_count(a); i++) {
        const whit_source_tensor *t = whit_source_at(a, i);
        float *x = job_values(a, t->tensor.name), *y = job_values(b, t->tensor.name);
        CHECK(memcmp(x, y, (size_t)t->tensor.elements * sizeof *x) == 0, "%s", t->tensor.name);
        free(x);
        free(y);
    }
}

static void test_dequantize(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], half[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_job_options o;
    whit_comparison *c = NULL;
    whit_check *k = NULL;
    block_model(s, "m.gguf");
    scratch_path(s, "m.gguf", in);
    CHECK(job_dequantize(in, scratch_path(s, "m.safetensors", out), WHIT_F32, 1, &err) == WHIT_OK,
          "%s", err.msg);
    CHECK(job_dequantize(in, scratch_path(s, "h.safetensors", half), WHIT_BF16, 3, &err) == WHIT_OK,
          "%s", err.msg);
    whit_source *a = job_open(in), *b = job_open(out);
    CHECK(whit_source_quantized(a) == 4 && whit_source_quantized(b) == 0, "decoded");
    check_same_values(a, b);
    whit_job_options_init(&o);
    CHECK(whit_compare(&c, b, a, &o, &err) == WHIT_OK, "%s", err.msg);
    CHECK(c && whit_comparison_passes(c, INFINITY), "no difference");
    CHECK(c && whit_comparison_at(c, 0)->scheme.kind == WHIT_GGUF, "the scheme of b");
    whit_comparison_free(c);
    CHECK(whit_check_run(&k, a, &o, &err) == WHIT_OK && whit_check_problems(k) == 0, "sound");
    whit_check_free(k);

    whit_stats *x = NULL, *y = NULL;
    CHECK(whit_stats_run(&x, a, &o, &err) == WHIT_OK && whit_stats_run(&y, b, &o, &err) == WHIT_OK,
          "%s", err.msg);
    for (size_t i = 0; x && y && i < whit_stats_count(x); i++) {
        const whit_stats_row *r = whit_stats_at(x, i);
        const whit_stats_row *q = whit_stats_at(y, whit_source_find(b, r->source->tensor.name));
        CHECK(r->known && r->finite == q->finite && memcmp(&r->mean, &q->mean, 8) == 0 &&
                  memcmp(&r->std, &q->std, 8) == 0 && r->min == q->min,
              "%s", r->source->tensor.name);
    }
    whit_stats_free(x);
    whit_stats_free(y);
    whit_source_close(a);
    whit_source_close(b);
}

/* A scale that is NaN, infinite: found by the check, which counts decoded values. */
static void test_check(const scratch *s)
{
    static const uint64_t ne = 96;
    whit_error err = { WHIT_OK, "" };
    whit_job_options o;
    whit_check *k = NULL;
    gg_build b = { 0 };
    unsigned char *q = block_make(WHIT_Q8_0, 3, 1);
    memcpy(q + 34, "\0\x7e", 2);
    gg_tensor(&b, "bad", 8, 1, &ne, q, 102);
    gg_write(&b, s, "bad.gguf");
    whit_job_options_init(&o);
    whit_source *src = open_at(s, "bad.gguf");
    CHECK(whit_check_run(&k, src, &o, &err) == WHIT_OK, "%s", err.msg);
    CHECK(k && whit_check_problems(k) == 1 &&
              strcmp(whit_check_problem(k, 0), "bad: 32 decoded values that are not finite") == 0,
          "%s", k ? whit_check_problem(k, 0) : "");
    whit_check_free(k);
    whit_source_close(src);
    free(q);
}

/* ---- types that are only listed -------------------------------------------------------------- */

static void test_listed(const scratch *s)
{
    static const struct {
        unsigned id, bytes;
        const char *name;
    } types[] = { { 16, 66, "IQ2_XXS" }, { 17, 74, "IQ2_XS" }, { 18, 98, "IQ3_XXS" },
                  { 19, 50, "IQ1_S" },   { 21, 110, "IQ3_S" }, { 22, 82, "IQ2_S" },
                  { 29, 56, "IQ1_M" } };
    static const uint64_t ne[2] = { 512, 2 };
    static float plain[1024];
    unsigned char octets[440] = { 1, 2, 3 };
    char path[SCRATCH_PATH], words[64];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        gg_build b = { 0 };
        job j;
        whit_error err = { WHIT_OK, "" };
        whit_comparison *c = NULL;
        whit_job_options o;
        float v;
        gg_tensor(&b, "w", types[i].id, 2, ne, octets, 4 * (size_t)types[i].bytes);
        gg_write(&b, s, "listed.gguf");
        gg_tensor(&b, "w", i ? 16 : 17, 2, ne, octets, 4 * (size_t)(i ? 66 : 74));
        gg_write(&b, s, "another.gguf");
        gg_tensor(&b, "w", 0, 2, ne, plain, sizeof plain);
        gg_write(&b, s, "plain.gguf");
        snprintf(words, sizeof words, "listed.gguf: w: quantized as %s, which", types[i].name);
        scratch_path(s, "listed.gguf", path);
        whit_source *src = job_open(path), *other = open_at(s, "another.gguf");
        whit_source *floats = open_at(s, "plain.gguf");
        const whit_source_tensor *t = whit_source_at(src, 0);
        CHECK(t->tensor.bytes == 4 * types[i].bytes && t->stored == WHIT_BLOCKS, "%s", words);
        CHECK(t->tensor.block == WHIT_BLOCK_NONE && t->scheme.kind == WHIT_KEEP, "%s", words);
        CHECK(strcmp(whit_tensor_type(&t->tensor), types[i].name) == 0, "%s", words);
        CHECK(whit_source_quantized(src) == 0, "%s: does not decode", words);
        CHECK(whit_source_read_f32(src, 0, 0, 1, 0, 1, &v, &err) == WHIT_ERR_ARG &&
                  strstr(err.msg, types[i].name),
              "%s", err.msg);
        whit_status st = job_dequantize(path, "no.safetensors", WHIT_F32, 1, &err);
        CHECK(st == WHIT_ERR_UNSUPPORTED && strstr(err.msg, words), "%s", err.msg);
        st = job_plan(&j, path, NULL, &(job_ask){ .requantize = 1 });
        CHECK(st == WHIT_ERR_UNSUPPORTED && strstr(j.err.msg, words), "%s", j.err.msg);
        job_close(&j);
        whit_job_options_init(&o);
        CHECK(whit_compare(&c, src, src, &o, &err) == WHIT_OK, "%s: the same octets", words);
        whit_comparison_free(c);
        CHECK(whit_compare(&c, floats, src, &o, &err) == WHIT_ERR_UNSUPPORTED &&
                  strstr(err.msg, words),
              "%s", err.msg);
        CHECK(whit_compare(&c, src, other, &o, &err) == WHIT_ERR_UNSUPPORTED, "%s", words);
        whit_source_close(src);
        whit_source_close(other);
        whit_source_close(floats);
    }
}

/* ---- weights --------------------------------------------------------------------------------- */

static void test_weight(const scratch *s)
{
    static float x[256], y[40], z[40];
    whit_error err = { WHIT_OK, "" };
    whit_context *context = NULL;
    whit_weight *w = NULL, *plain = NULL;
    whit_weight_info info;
    whit_source *src = open_at(s, "m.gguf");
    float *v = job_values(src, "blk.0.small.weight");
    check_rng r = { 2 };
    for (size_t i = 0; i < 256; i++) x[i] = check_f32(&r);
    CHECK(whit_context_open(&context, NULL, &err) == WHIT_OK, "%s", err.msg);
    if (!context) return;
    const size_t index = whit_source_find(src, "blk.0.small.weight");
    CHECK(whit_weight_load(&w, context, src, index, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_weight_from_floats(&plain, context, WHIT_F32, 40, 256, v, &err) == WHIT_OK, "%s",
          err.msg);
    if (w && plain) {
        whit_weight_describe(w, &info);
        CHECK(!info.decoded && strcmp(info.form, "q5g") == 0 && info.scheme.block == WHIT_Q5_0 &&
                  info.rows == 40 && info.cols == 256,
              "%s", info.form);
        CHECK(whit_matmul(context, w, WHIT_ACTS_F32, x, 1, y, &err) == WHIT_OK, "%s", err.msg);
        CHECK(whit_matmul(context, plain, WHIT_ACTS_F32, x, 1, z, &err) == WHIT_OK, "%s", err.msg);
        CHECK(memcmp(y, z, sizeof y) == 0, "the same products");
    }
    const whit_scheme scheme = { .kind = WHIT_GGUF, .block = WHIT_Q4_0 };
    whit_weight *no = NULL;
    CHECK(whit_weight_from_codes(&no, context, &scheme, 1, 32, (const uint8_t *)x, x, NULL, &err) ==
              WHIT_ERR_ARG,
          "codes of blocks are not one an octet");
    whit_weight_free(w);
    whit_weight_free(plain);
    whit_context_close(context);
    whit_source_close(src);
    free(v);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_types(&s);
    test_shapes(&s);
    test_dequantize(&s);
    test_check(&s);
    test_listed(&s);
    test_weight(&s);
    scratch_remove(&s);
    return check_result();
}
