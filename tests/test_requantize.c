/* tests/test_requantize.c - inputs that are quantized already, blocks of GGUF and native files:
 * only on demand, the same octets as from the decoded values, and the second loss is said. Schemes
 * that only a GGUF file can hold.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "block_make.h"
#include "jobs.h"

static void check_warnings(const job *j, const char *const *words, size_t count)
{
    CHECK(whit_plan_warnings(j->plan) == count, "%zu warnings", whit_plan_warnings(j->plan));
    for (size_t i = 0; i < count && i < whit_plan_warnings(j->plan); i++)
        CHECK(strstr(whit_plan_warning(j->plan, i), words[i]), "%s", whit_plan_warning(j->plan, i));
}

static void check_report(const job *j)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    whit_report_write_text(j->report, 0, f);
    whit_report_write_json(j->report, f);
    fclose(f);
    CHECK(strstr(text, "notes     2 tensors were quantized before: this error comes on top"), "%s",
          text);
    CHECK(strstr(text, "\"2 tensors were quantized before (q4_k): "), "%s", text);
    CHECK(strstr(text, "\"dtype\":\"Q5_0\",\"source_scheme\":\"q5_0\",\"scheme\":\"int4-g64\""),
          "%s", text);
    CHECK(strstr(text, "\"dtype\":\"F32\",\"source_scheme\":null,\"scheme\":\"keep\""), "%s", text);
    free(text);
}

/* With a scheme: from blocks the same octets as from the file of their decoded values. */
static void same_as_decoded(const scratch *s, const char *scheme, int fake)
{
    char in[SCRATCH_PATH], plain[SCRATCH_PATH], once[SCRATCH_PATH], twice[SCRATCH_PATH];
    static const char *const words[] = { "flat: kept (1-dimensional)", "2 tensors were quantized",
                                         "2 quantized tensors that are kept become F32" };
    job j;
    scratch_path(s, "m.gguf", in);
    scratch_path(s, "m.safetensors", plain);
    const job_ask ask = { .scheme = scheme,
                          .requantize = 1,
                          .fake_quant = fake,
                          .rules = { "flat=int8" },
                          .job = { .threads = 2, .force = 1 } };
    job_quantize(plain, scratch_path(s, "once.safetensors", once), &ask);
    CHECK(job_run(&j, in, scratch_path(s, "twice.safetensors", twice), &ask) == WHIT_OK, "%s: %s",
          scheme, j.err.msg);
    if (j.report) check_warnings(&j, words, 3);
    if (j.report && !strcmp(scheme, "int4-g64") && !fake) check_report(&j);
    job_close(&j);
    whit_source *a = job_open(once), *b = job_open(twice);
    const whit_file *f = whit_source_file(a), *g = whit_source_file(b);
    CHECK(whit_file_count(f) == whit_file_count(g), "%s: tensors", scheme);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const char *name = whit_file_tensor(f, i)->name;
        size_t n, m;
        unsigned char *x = job_bytes(a, name, &n), *y = job_bytes(b, name, &m);
        CHECK(y && n == m && memcmp(x, y, n) == 0, "%s: %s", scheme, name);
        free(x);
        free(y);
    }
    whit_source_close(a);
    whit_source_close(b);
}

static void test_requantize(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job j;
    scratch_path(s, "m.gguf", in);
    scratch_path(s, "no.safetensors", out);
    CHECK(job_plan(&j, in, out, &(job_ask){ 0 }) == WHIT_ERR_UNSUPPORTED &&
              strstr(j.err.msg, "m.gguf: is quantized already (q4_k); try: ") &&
              strstr(j.err.msg, "--requantize"),
          "%s", j.err.msg);
    job_close(&j);
    /* each way of reading: tiles, parts of a row, passes for one scale, for scales of scales */
    static const char *const schemes[] = { "int4-g64", "int3-channel", "int8-tensor",
                                           "nvfp4",    "nf4-g64-dq",   "fp8_e4m3-block32x64",
                                           "f16",      "bf16",         "f32" };
    for (size_t i = 0; i < 6; i++) same_as_decoded(s, schemes[i], 0);
    same_as_decoded(s, "int4-g64", 1);
    same_as_decoded(s, "mxfp4", 1);
    for (size_t i = 6; i < sizeof schemes / sizeof schemes[0]; i++) {
        char to[SCRATCH_PATH];
        const job_ask ask = {
            .scheme = schemes[i], .embeddings = schemes[i], .requantize = 1, .job = { .force = 1 }
        };
        CHECK(job_run(&j, in, scratch_path(s, "to.safetensors", to), &ask) == WHIT_OK, "%s",
              j.err.msg);
        job_close(&j);
        whit_source *b = job_open(to);
        const whit_source_tensor *t = whit_source_at(b, whit_source_find(b, "token_embd.weight"));
        const whit_dtype want = i == 6 ? WHIT_F16 : i == 7 ? WHIT_BF16 : WHIT_F32;
        CHECK(t && t->tensor.dtype == want, "%s", schemes[i]);
        whit_source_close(b);
    }
}

/* A native file of ours in turn: kept F16 tensors stay, kept quantized ones become F32. */
static void test_native(const scratch *s)
{
    char plain[SCRATCH_PATH], first[SCRATCH_PATH], second[SCRATCH_PATH];
    static const char *const words[] = { "2 tensors were quantized before (int8-channel)",
                                         "1 quantized tensors that are kept" };
    job j;
    scratch_path(s, "m.safetensors", plain);
    scratch_path(s, "first.safetensors", first);
    job_quantize(plain, first, &(job_ask){ .scheme = "int8", .embeddings = "int8" });
    CHECK(job_plan(&j, first, NULL, &(job_ask){ 0 }) == WHIT_ERR_UNSUPPORTED &&
              strstr(j.err.msg, "is quantized already (int8-channel)"),
          "%s", j.err.msg);
    job_close(&j);
    CHECK(job_run(&j, first, scratch_path(s, "second.safetensors", second),
                  &(job_ask){ .requantize = 1 }) == WHIT_OK,
          "%s", j.err.msg);
    if (j.report) check_warnings(&j, words, 2);
    job_close(&j);
    whit_source *a = job_open(first), *b = job_open(second);
    float *x = job_values(a, "token_embd.weight"), *y = job_values(b, "token_embd.weight");
    const whit_source_tensor *t = whit_source_at(b, whit_source_find(b, "token_embd.weight"));
    CHECK(t->scheme.kind == WHIT_TO_F32 && memcmp(x, y, 40 * 256 * sizeof *x) == 0, "as decoded");
    free(x);
    free(y);
    whit_source_close(a);
    whit_source_close(b);
}

/* The warning speaks of what is quantized again, not of what is only decoded before it. */
static void test_named(const scratch *s)
{
    static const char *const words[] = { "1 tensors were quantized before (int4-g32)",
                                         "1 quantized tensors that are kept" };
    float w[2][64 * 64];
    char in[SCRATCH_PATH], once[SCRATCH_PATH];
    check_rng rng = { 3 };
    st_build b = { 0 };
    job j;
    for (size_t i = 0; i < 2 * 64 * 64; i++) w[i / 4096][i % 4096] = check_f32(&rng);
    st_add2(&b, "a.weight", "F32", 64, 64, w[0], sizeof w[0]);
    st_add2(&b, "b.weight", "F32", 64, 64, w[1], sizeof w[1]);
    st_write(&b, s, "two.safetensors");
    job_quantize(scratch_path(s, "two.safetensors", in), scratch_path(s, "named.safetensors", once),
                 &(job_ask){ .scheme = "int8", .rules = { "b.weight=int4-g32" } });
    job_plan(&j, once, scratch_path(s, "no.safetensors", in),
             &(job_ask){ .scheme = "int4", .requantize = 1, .rules = { "a.weight=keep" } });
    CHECK(j.status == WHIT_OK, "%s", j.err.msg);
    if (j.plan) check_warnings(&j, words, 2);
    job_close(&j);
}

/* Schemes of GGUF for an output of another kind. */
static void test_schemes(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    scratch_path(s, "m.safetensors", in);
    scratch_path(s, "no.safetensors", out);
    for (int k = 1; k < WHIT_BLOCK_COUNT; k++) {
        const whit_block_info *info = whit_block_describe((whit_block)k);
        if (k == WHIT_BLOCK_MXFP4 || k == WHIT_BLOCK_NVFP4) continue; /* kinds of ours, too */
        job j;
        const job_ask ask = { .scheme = info->lower, .rules = { "*wide*=int4" } };
        whit_status st = job_plan(&j, in, out, &ask);
        char words[96];
        snprintf(words, sizeof words, "scheme '%s' is a type of GGUF, ", info->lower);
        CHECK(st == WHIT_ERR_ARG && strstr(j.err.msg, words), "%s: %s", info->lower, j.err.msg);
        const char *try = strstr(j.err.msg, "; try: ");
        whit_scheme near;
        CHECK(try && whit_scheme_parse(&near, try + 7, NULL) == WHIT_OK && near.kind != WHIT_GGUF,
              "%s", j.err.msg);
        job_close(&j);
        st = job_plan(&j, in, NULL, &ask); /* which a scheme of GGUF makes one for GGUF */
        CHECK(st == WHIT_ERR_UNSUPPORTED && strstr(j.err.msg, "from a model folder"), "%s: %s",
              info->lower, j.err.msg);
        job_close(&j);
    }
}

int main(void)
{
    scratch s;
    whit_error err = { WHIT_OK, "" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    scratch_make(&s);
    block_model(&s, "m.gguf");
    CHECK(job_dequantize(scratch_path(&s, "m.gguf", in), scratch_path(&s, "m.safetensors", out),
                         WHIT_F32, 1, &err) == WHIT_OK,
          "%s", err.msg);
    test_requantize(&s);
    test_native(&s);
    test_named(&s);
    test_schemes(&s);
    scratch_remove(&s);
    return check_result();
}
