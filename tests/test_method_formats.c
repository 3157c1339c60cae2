/* tests/test_method_formats.c - every scheme and format that can hold what a method found, holds
 * it.
 *
 * The values of the output are those whose error the report has, by the Hessian of a state; and
 * those that --fake-quant writes.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/block.h>

#include "methods.h"

typedef struct from {
    char model[SCRATCH_PATH], state[SCRATCH_PATH];
    whit_calib *calib;
    whit_source *source;
} from;

static scratch room;
static from narrow, wide; /* folder with 64 and 96 columns; GGUF file with 256 and 64 */

static const char *at(const char *name, char path[SCRATCH_PATH])
{
    return scratch_path(&room, name, path);
}

typedef struct way {
    const char *scheme;
    whit_format format;
} way;

static const way ways[] = {
    { "int2-g32", WHIT_FORMAT_AUTO },
    { "int3-g32", WHIT_FORMAT_AUTO },
    { "int4-g32", WHIT_FORMAT_AUTO },
    { "int5-g64", WHIT_FORMAT_AUTO },
    { "int6-channel", WHIT_FORMAT_AUTO },
    { "int7-tensor", WHIT_FORMAT_AUTO },
    { "int8-channel", WHIT_FORMAT_AUTO },
    { "int4-channel", WHIT_FORMAT_AUTO },
    { "int4-g24", WHIT_FORMAT_AUTO },
    { "int2-g32-asym", WHIT_FORMAT_AUTO },
    { "int3-g24-asym", WHIT_FORMAT_AUTO },
    { "int4-g32-asym", WHIT_FORMAT_AUTO },
    { "int4-tensor-asym", WHIT_FORMAT_AUTO },
    { "int8-channel-asym", WHIT_FORMAT_AUTO },
    { "int4-g32-sf32", WHIT_FORMAT_AUTO },
    { "int4-g32-sbf16", WHIT_FORMAT_AUTO },
    { "int4-g32-a8", WHIT_FORMAT_AUTO },
    { "int8-channel-a8s", WHIT_FORMAT_AUTO },
    { "nf4-g64", WHIT_FORMAT_AUTO },
    { "fp4-g32", WHIT_FORMAT_AUTO },
    { "fp4bnb-g64", WHIT_FORMAT_AUTO },
    { "fp8_e4m3-channel", WHIT_FORMAT_AUTO },
    { "fp8_e5m2-tensor", WHIT_FORMAT_AUTO },
    { "fp8_e4m3-block32x32", WHIT_FORMAT_AUTO },
    { "fp8_e5m2-block24x40", WHIT_FORMAT_AUTO },
    { "mxfp4", WHIT_FORMAT_AUTO },
    { "nvfp4", WHIT_FORMAT_AUTO },
    { "int4-g32", WHIT_FORMAT_CT },
    { "int4-g32-asym", WHIT_FORMAT_CT },
    { "int8-channel", WHIT_FORMAT_CT },
    { "int8-channel-a8", WHIT_FORMAT_CT },
    { "fp8_e4m3-channel-a8", WHIT_FORMAT_CT },
    { "fp8_e4m3-block128x128", WHIT_FORMAT_CT },
    { "int2-g32", WHIT_FORMAT_GPTQ },
    { "int3-g32", WHIT_FORMAT_GPTQ },
    { "int4-g32", WHIT_FORMAT_GPTQ },
    { "int4-g32-asym", WHIT_FORMAT_GPTQ },
    { "int8-g32", WHIT_FORMAT_GPTQ },
    { "int4-g32-asym", WHIT_FORMAT_AWQ },
    { "nf4-g64", WHIT_FORMAT_BNB },
    { "fp4bnb-g64", WHIT_FORMAT_BNB },
    { "int8-channel", WHIT_FORMAT_BNB },
};

static const char *format_name(whit_format f)
{
    static const char *const names[] = { "native", "native", "gguf", "ct", "gptq", "awq", "bnb" };
    return names[f];
}

/* The rows of the report are those of the values in out; how many. */
static size_t check_rows(const whit_report *report, const from *m, const char *out,
                         const char *what)
{
    size_t solved = 0;
    whit_source *s = job_open(out);
    for (size_t i = 0; i < whit_report_count(report); i++) {
        const whit_report_row *row = whit_report_at(report, i);
        const char *name = row->entry->source->tensor.name;
        const whit_method_result *r = &row->method;
        if (!r->name || r->fallback) continue;
        solved++;
        const double is = methods_loss(m->calib, m->source, s, name, r->damping);
        CHECK(methods_near(r->after, is), "%s, %s: error %g, of what is written %g", what, name,
              r->after, is);
    }
    whit_source_close(s);
    return solved;
}

typedef enum twist { AS_IS, ACT_ORDER, STATIC, NO_PASSES, MANY_PASSES, TWISTS } twist;

static size_t check_written(const from *m, const way *w, const char *out, twist how)
{
    char what[96], path[SCRATCH_PATH];
    whit_method_options o = methods_of("gptq", NULL);
    o.act_order = how == ACT_ORDER;
    o.static_groups = how == STATIC;
    o.passes = how == NO_PASSES ? 0 : how == MANY_PASSES ? 7 : -1;
    job_ask ask = { .scheme = w->scheme,
                    .format = w->format,
                    .calibration = m->state,
                    .method = &o,
                    .job = { .threads = 1 } };
    char rule[96];
    job j;
    size_t solved = 0;
    snprintf(rule, sizeof rule, "*_proj.weight=%s", w->scheme); /* small matrices, too */
    if (m == &narrow) ask.rules[0] = rule;
    if (m == &narrow && w->format == WHIT_FORMAT_AUTO) ask.head = w->scheme;
    snprintf(what, sizeof what, "gptq %s %s, options %d", w->scheme, format_name(w->format),
             (int)how);
    CHECK(job_run(&j, m->model, at(out, path), &ask) == WHIT_OK, "%s: %s", what, j.err.msg);
    if (j.report) solved = check_rows(j.report, m, path, what);
    job_close(&j);
    scratch_remove_tree(path);
    printf("%s: %zu\n", what, solved);
    return solved;
}

/* Codes decode to what --fake-quant writes. */
static void check_fake(const char *method, const char *scheme)
{
    char real[SCRATCH_PATH], fake[SCRATCH_PATH];
    const whit_method_options o = methods_of(method, NULL);
    job_ask ask = { .scheme = scheme,
                    .calibration = strcmp(method, "hqq") ? narrow.state : NULL,
                    .method = &o,
                    .job = { .threads = 1 } };
    job_quantize(narrow.model, at("real.safetensors", real), &ask);
    ask.fake_quant = 1;
    job_quantize(narrow.model, at("fake.safetensors", fake), &ask);
    whit_source *a = job_open(real), *b = job_open(fake);
    for (size_t i = 0; i < whit_source_count(narrow.source); i++) {
        const whit_source_tensor *t = whit_source_at(narrow.source, i);
        float *x = job_values(a, t->tensor.name), *y = job_values(b, t->tensor.name);
        CHECK(memcmp(x, y, (size_t)t->tensor.elements * sizeof *x) == 0, "%s %s: %s is faked wrong",
              method, scheme, t->tensor.name);
        free(x);
        free(y);
    }
    whit_source_close(a);
    whit_source_close(b);
    remove(real);
    remove(fake);
}

/* What 8-bit scales cost, decibels; with a method they are those of weights with its factors. */
static double nested_cost(const char *method)
{
    static const char *const schemes[] = { "nf4-g64", "nf4-g64-dq" };
    const whit_method_options o = methods_of(method ? method : "hqq", NULL);
    double db[2] = { 0, 0 };
    char path[SCRATCH_PATH], rule[96];
    for (int dq = 0; dq < 2; dq++) {
        job_ask ask = { .scheme = schemes[dq],
                        .calibration = method ? narrow.state : NULL,
                        .method = method ? &o : NULL,
                        .job = { .threads = 1 },
                        .rules = { rule } };
        job j;
        snprintf(rule, sizeof rule, "*_proj.weight=%s", schemes[dq]);
        CHECK(job_run(&j, narrow.model, at("out.safetensors", path), &ask) == WHIT_OK, "%s",
              j.err.msg);
        if (j.report) db[dq] = whit_report_sqnr_db(j.report);
        job_close(&j);
        remove(path);
    }
    printf("%s: 8-bit scales cost %.3f dB\n", method ? method : "rounded", db[0] - db[1]);
    return db[0] - db[1];
}

static void check_blocks(void)
{
    char text[WHIT_SCHEME_TEXT];
    size_t types = 0;
    for (int b = WHIT_BLOCK_NONE + 1; whit_block_describe((whit_block)b); b++) {
        const whit_scheme s = { .kind = WHIT_GGUF, .block = (whit_block)b };
        if (!whit_block_describe((whit_block)b)->encodes || b == WHIT_BLOCK_NVFP4) continue;
        const way w = { whit_scheme_print(&s, text), WHIT_FORMAT_GGUF };
        types++;
        CHECK(check_written(&wide, &w, "out.gguf", AS_IS) >= 5, "%s: too few matrices", text);
    }
    CHECK(types >= 10, "%zu types of blocks", types);
}

/* The options of GPTQ that change the order of things. */
static void check_twists(void)
{
    static const way codes[] = { { "int4-g32", WHIT_FORMAT_AUTO },
                                 { "int3-g32-asym", WHIT_FORMAT_AUTO },
                                 { "int8-channel", WHIT_FORMAT_AUTO },
                                 { "nvfp4", WHIT_FORMAT_AUTO },
                                 { "fp8_e4m3-block32x32", WHIT_FORMAT_AUTO } };
    static const way blocks[] = { { "q4_0", WHIT_FORMAT_GGUF },
                                  { "q2_k", WHIT_FORMAT_GGUF },
                                  { "q6_k", WHIT_FORMAT_GGUF } };
    for (twist t = ACT_ORDER; t < TWISTS; t++) {
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            CHECK(check_written(&narrow, &codes[i], "out.safetensors", t) >= 5, "%s, options %d",
                  codes[i].scheme, (int)t);
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
            CHECK(check_written(&wide, &blocks[i], "out.gguf", t) >= 5, "%s, options %d",
                  blocks[i].scheme, (int)t);
    }
}

static void open_from(from *f, const char *model, const char *state, const methods_text *text)
{
    whit_error err = { WHIT_OK, "" };
    at(model, f->model);
    methods_state(f->model, text, 1, at(state, f->state));
    CHECK(whit_calib_open(&f->calib, f->state, &err) == WHIT_OK, "%s", err.msg);
    f->source = job_open(f->model);
}

static void close_from(from *f)
{
    whit_source_close(f->source);
    whit_calib_close(f->calib);
}

int main(void)
{
    char config[1024];
    methods_text text;
    scratch_make(&room);
    methods_ids(&text, 200, 64, 1);
    models_folder(&room, "narrow", methods_config(config, "qwen2", 64, 96, 16, 64));
    if (!models_gguf(&room, "wide.gguf", methods_config(config, "llama", 256, 64, 16, 64)))
        scratch_die("wide.gguf");
    open_from(&narrow, "narrow", "narrow.state", &text);
    open_from(&wide, "wide.gguf", "wide.state", &text);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        /* rows of 96 do not fit into blocks of 64, which know no rows: that one is kept; the head
         * is kept in all but the native format */
        const size_t flat = ways[i].format == WHIT_FORMAT_BNB && strstr(ways[i].scheme, "g64");
        const size_t want = ways[i].format == WHIT_FORMAT_AUTO ? 8 : 7 - flat;
        const size_t n =
            check_written(&narrow, &ways[i], ways[i].format ? "out" : "out.safetensors", AS_IS);
        CHECK(n == want, "%s %s: %zu matrices", ways[i].scheme, format_name(ways[i].format), n);
    }
    check_blocks();
    check_twists();
    const double alone = nested_cost(NULL);
    CHECK(nested_cost("awq") < alone + 0.2, "awq: nested scales are of other weights");
    CHECK(nested_cost("smoothquant") < alone + 0.2, "smoothquant: so they are");
    check_fake("gptq", "int4-g32");
    check_fake("gptq", "nvfp4");
    check_fake("awq", "int4-g32-asym");
    check_fake("awq+gptq", "int3-g32");
    check_fake("smoothquant", "int8-channel-a8");
    check_fake("smoothquant+gptq", "fp8_e4m3-channel-a8");
    check_fake("hqq", "int4-g32-asym");
    check_fake("hqq", "int2-channel-asym");
    close_from(&narrow);
    close_from(&wide);
    methods_free(&text);
    scratch_remove(&room);
    return check_result();
}
