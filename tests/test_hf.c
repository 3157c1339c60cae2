/* tests/test_hf.c - quantized checkpoints of other programs: the values that an independent program
 * decodes from them (interop/hf_golden.py made the folders), whatever is asked for at once; the
 * codes; the commands.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"
#include "source/codes.h"

#include <math.h>

static uint64_t fnv(const float *v, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        uint8_t octets[4];
        whit_dtype_from_f32(WHIT_F32, &v[i], 1, octets);
        for (int k = 0; k < 4; k++) h = (h ^ octets[k]) * 1099511628211u;
    }
    return h;
}

/* Random rectangles that may be asked for are parts of the whole. */
static void check_parts(const whit_source *s, size_t index, const float *whole, check_rng *r)
{
    const whit_source_tensor *t = whit_source_at(s, index);
    const size_t cols = (size_t)t->cols;
    float *part = malloc((size_t)t->tensor.elements * sizeof *part);
    if (!part) scratch_die("a part");
    for (int k = 0; k < 40; k++) {
        const size_t r0 = check_below(r, t->rows), c0 = k % 2 ? check_below(r, cols) / 8 * 8 : 0;
        const size_t rows = k % 2 ? 1 : 1 + check_below(r, t->rows - r0);
        const size_t n = k % 2 ? 1 + check_below(r, cols - c0) : cols;
        whit_error err = { WHIT_OK, "" };
        CHECK(whit_source_read_f32(s, index, r0, rows, c0, n, part, &err) == WHIT_OK, "%s",
              err.msg);
        CHECK(memcmp(part, whole + r0 * cols + c0, rows * n * sizeof *part) == 0,
              "%s: %zu rows from %zu, %zu columns from %zu", t->tensor.name, rows, r0, n, c0);
    }
    free(part);
}

/* The values of codes of fp4 are thirds, which programs round as they like. */
static int is_near(float a, float b, whit_kind kind)
{
    return a == b || (kind == WHIT_FP4BNB && fabsf(a - b) <= 0x1p-21f * fabsf(b));
}

/* Codes and scales as ours mean the same values. */
static void check_codes(const whit_source *s, size_t index, const float *whole)
{
    const whit_source_tensor *t = whit_source_at(s, index);
    const size_t n = (size_t)t->tensor.elements;
    uint8_t *codes = malloc(n), *zero = malloc(n);
    float *scale = malloc(n * sizeof *scale), *w = malloc(n * sizeof *w);
    whit_scheme scheme = t->scheme;
    whit_error err = { WHIT_OK, "" };
    if (!codes || !zero || !scale || !w) scratch_die("codes");
    whit_status st = wh_codes_rows(whit_source_file(s), t, 0, (size_t)t->rows, codes, scale,
                                   scheme.asym ? zero : NULL, &err);
    if (scheme.gran == WHIT_GRAN_TENSOR) scheme.gran = WHIT_GRAN_CHANNEL; /* one a row */
    if (st == WHIT_OK)
        st = whit_dequantize(codes, scale, scheme.asym ? zero : NULL, (size_t)t->rows,
                             (size_t)t->cols, &scheme, w, &err);
    size_t same = 0;
    while (st == WHIT_OK && same < n && is_near(w[same], whole[same], scheme.kind)) same++;
    CHECK(same == n, "%s: code %zu: %s", t->tensor.name, same, err.msg);
    free(codes);
    free(zero);
    free(scale);
    free(w);
}

static void check_line(const whit_source *s, const char *name, const char *scheme, int scattered,
                       uint64_t hash)
{
    const size_t index = whit_source_find(s, name);
    const whit_source_tensor *t = whit_source_at(s, index);
    char text[WHIT_SCHEME_TEXT];
    check_rng r = { hash };
    CHECK(t != NULL, "%s is missing", name);
    if (!t) return;
    CHECK(strcmp(whit_scheme_print(&t->scheme, text), scheme) == 0, "%s: %s", name, text);
    CHECK(t->scattered == scattered && t->layout != WHIT_LAYOUT_NATIVE, "%s: scattered", name);
    CHECK(whit_dtype_is_float(t->tensor.dtype) && t->planes[0] != WHIT_NOT_FOUND, "%s", name);
    float *v = job_values(s, name);
    CHECK(fnv(v, (size_t)t->tensor.elements) == hash, "%s (%s): other values", name, scheme);
    check_parts(s, index, v, &r);
    if (!scattered && t->scheme.gran != WHIT_GRAN_BLOCK) check_codes(s, index, v);
    free(v);
}

/* Every line of expected.txt; every folder has as many quantized tensors as lines. */
static void test_golden(const char *data)
{
    char path[SCRATCH_PATH], open[64] = "", folder[64], name[128], scheme[WHIT_SCHEME_TEXT],
                             flag[16];
    unsigned long long hash;
    size_t lines = 0, here = 0;
    whit_source *s = NULL;
    snprintf(path, sizeof path, "%s/hf/expected.txt", data);
    FILE *f = fopen(path, "r");
    if (!f) scratch_die(path);
    while (fscanf(f, "%63s %127s %47s %15s %llx", folder, name, scheme, flag, &hash) == 5) {
        if (strcmp(folder, open) != 0) {
            CHECK(!s || whit_source_quantized(s) == here, "%s: %zu quantized", open, here);
            whit_source_close(s);
            snprintf(open, sizeof open, "%s", folder);
            snprintf(path, sizeof path, "%.500s/hf/%s", data, folder);
            s = job_open(path);
            here = 0;
        }
        check_line(s, name, scheme, strcmp(flag, "scattered") == 0, hash);
        here++;
        lines++;
    }
    CHECK(feof(f) && lines > 0 && s && whit_source_quantized(s) == here, "%zu lines", lines);
    whit_source_close(s);
    fclose(f);
}

/* Names, kinds and the rest of one folder as a source shows it. */
static void test_listing(const char *data)
{
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/hf/ct-plain", data);
    whit_source *s = job_open(path);
    CHECK(strcmp(whit_source_format(s), "compressed-tensors") == 0, "%s", whit_source_format(s));
    CHECK(whit_source_count(s) == 9 && whit_source_quantized(s) == 7, "%zu of %zu",
          whit_source_quantized(s), whit_source_count(s));
    const whit_source_tensor *t =
        whit_source_at(s, whit_source_find(s, "model.layers.0.self_attn.q_proj.weight"));
    CHECK(t && t->layout == WHIT_LAYOUT_CT_INT && t->stored == WHIT_I8 && t->rows == 64 &&
              t->cols == 64 && t->tensor.bytes == 64 * 64 + 128 && t->tensor.dtype == WHIT_BF16,
          "q_proj");
    CHECK(whit_source_find(s, "model.layers.0.self_attn.q_proj.weight_scale") == WHIT_NOT_FOUND,
          "parts are not listed");
    CHECK(whit_source_find(s, "model.layers.0.self_attn.q_proj.input_scale") != WHIT_NOT_FOUND,
          "what is no part is");
    whit_source_close(s);
    /* the file by itself: its folder's configuration counts */
    snprintf(path, sizeof path, "%s/hf/ct-plain/model.safetensors", data);
    s = job_open(path);
    CHECK(whit_source_quantized(s) == 7, "the file");
    whit_source_close(s);
}

/* As weights of the kernels: codes where they can, and decoded where columns are scattered. */
static void test_weights(const char *data, const char *name)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_context *context = NULL;
    snprintf(path, sizeof path, "%s/hf/%s", data, name);
    whit_source *s = job_open(path);
    CHECK(whit_context_open(&context, NULL, &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; i < whit_source_count(s) && context; i++) {
        const whit_source_tensor *t = whit_source_at(s, i);
        float *x = calloc((size_t)t->cols, sizeof *x), *y = calloc((size_t)t->rows, sizeof *y);
        whit_weight *w = NULL;
        whit_weight_info info;
        if (t->layout == WHIT_LAYOUT_NATIVE) {
            free(x);
            free(y);
            continue;
        }
        CHECK(whit_weight_load(&w, context, s, i, &err) == WHIT_OK, "%s", err.msg);
        float *v = job_values(s, t->tensor.name);
        whit_weight_describe(w, &info);
        CHECK(!t->scattered || info.decoded, "%s is no code of a kernel's", t->tensor.name);
        x[t->cols / 2] = 1.0f; /* one column of the matrix comes out */
        CHECK(whit_matmul(context, w, WHIT_ACTS_F32, x, 1, y, &err) == WHIT_OK, "%s", err.msg);
        for (size_t r = 0; r < t->rows; r++)
            CHECK(is_near(y[r], v[r * t->cols + t->cols / 2], t->scheme.kind), "%s: row %zu",
                  t->tensor.name, r);
        whit_weight_free(w);
        free(x);
        free(y);
        free(v);
    }
    whit_context_close(context);
    whit_source_close(s);
}

/* The jobs on a checkpoint: decoded, compared with what was decoded, quantized again on demand. */
static void test_jobs(const char *data, const scratch *s, const char *name)
{
    char in[SCRATCH_PATH], plain[SCRATCH_PATH], out[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_job_options o;
    whit_comparison *c = NULL;
    job j;
    snprintf(in, sizeof in, "%s/hf/%s", data, name);
    scratch_path(s, "plain.safetensors", plain);
    scratch_path(s, "out.safetensors", out);
    CHECK(job_dequantize(in, plain, WHIT_F32, 2, &err) == WHIT_OK, "%s", err.msg);
    whit_source *a = job_open(in), *b = job_open(plain);
    whit_job_options_init(&o);
    CHECK(whit_compare(&c, a, b, &o, &err) == WHIT_OK, "%s", err.msg);
    if (c) CHECK(whit_comparison_total(c)->max_abs_error == 0, "%s: not the same values", name);
    whit_comparison_free(c);
    CHECK(job_plan(&j, in, out, &(job_ask){ 0 }) == WHIT_ERR_UNSUPPORTED &&
              strstr(j.err.msg, "is quantized already"),
          "%s", j.err.msg);
    job_close(&j);
    const job_ask ask = { .scheme = "int4-g32", .requantize = 1 };
    CHECK(job_run(&j, in, out, &ask) == WHIT_OK, "%s: %s", name, j.err.msg);
    job_close(&j);
    whit_source_close(a);
    whit_source_close(b);
    remove(plain);
    remove(out);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) return 1;
    scratch_make(&s);
    test_golden(argv[1]);
    test_listing(argv[1]);
    test_weights(argv[1], "ct-packed");
    test_weights(argv[1], "ct-actorder");
    test_weights(argv[1], "ct-plain");
    test_weights(argv[1], "fp8");
    test_weights(argv[1], "gptq-4");
    test_weights(argv[1], "gptq-4-act");
    test_weights(argv[1], "gptq-3");
    test_weights(argv[1], "awq");
    test_weights(argv[1], "bnb-4");
    test_weights(argv[1], "bnb-dq");
    test_weights(argv[1], "bnb-int8");
    test_jobs(argv[1], &s, "ct-packed");
    test_jobs(argv[1], &s, "ct-actorder");
    test_jobs(argv[1], &s, "ct-plain");
    test_jobs(argv[1], &s, "fp8");
    test_jobs(argv[1], &s, "gptq-4");
    test_jobs(argv[1], &s, "gptq-4-act");
    test_jobs(argv[1], &s, "awq");
    test_jobs(argv[1], &s, "bnb-4");
    test_jobs(argv[1], &s, "bnb-dq");
    scratch_remove(&s);
    return check_result();
}
