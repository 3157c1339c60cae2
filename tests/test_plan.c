/* tests/test_plan.c - what each tensor becomes, and exact sizes before anything is written.
 *
 * The layout of the files that a plan promises is tested in test_layout.c.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <limits.h>

#include "jobs.h"

static const struct {
    const char *name, *dtype;
    unsigned rank;
    uint64_t shape[4];
    int quantized; /* by default */
} model[] = {
    /* clang-format off */
    { "model.embed_tokens.weight",                      "F16", 2, { 64, 64 },      0 },
    { "token_embd.weight",                              "F16", 2, { 64, 64 },      0 },
    { "my_embedder.weight",                             "F32", 2, { 64, 64 },      0 },
    { "embed.proj.weight",                              "F32", 2, { 64, 64 },      1 },
    { "transformer.emb.weight",                         "F32", 2, { 64, 64 },      0 },
    { "tok_emb",                                        "F32", 2, { 64, 64 },      0 },
    { "transformer.wte.weight",                         "F32", 2, { 64, 64 },      0 },
    { "transformer.wpe.weight",                         "F32", 2, { 64, 64 },      0 },
    { "shared.weight",                                  "F32", 2, { 64, 64 },      0 },
    { "shared.down.weight",                             "F32", 2, { 64, 64 },      1 },
    { "shared_expert.weight",                           "F32", 2, { 64, 64 },      1 },
    { "wcls.weight",                                    "F32", 2, { 64, 64 },      0 },
    { "lm_head.weight",                                 "F32", 2, { 64, 64 },      0 },
    { "layers.0.lm_head.weight",                        "F32", 2, { 64, 64 },      0 },
    { "embed_out.weight",                               "F32", 2, { 64, 64 },      0 },
    { "output.weight",                                  "F32", 2, { 64, 64 },      0 },
    { "layers.0.attention.output.weight",               "F32", 2, { 64, 64 },      1 },
    { "head.weight",                                    "F32", 2, { 64, 64 },      0 },
    { "blocks.11.head",                                 "F32", 2, { 64, 64 },      1 },
    { "classifier.weight",                              "F32", 2, { 64, 64 },      0 },
    { "score.weight",                                   "F32", 2, { 64, 64 },      0 },
    { "l0.score.weight",                                "F32", 2, { 64, 64 },      0 },
    { "layers.3.mlp.router.weight",                     "F32", 2, { 64, 64 },      0 },
    { "blk.3.ffn_gate_inp.weight",                      "F32", 2, { 64, 64 },      0 },
    { "layers.3.mlp.gate.weight",                       "F32", 2, { 15, 64 * 2 },  0 },
    { "layers.4.mlp.gate.weight",                       "F32", 2, { 31, 128 },     0 },
    { "layers.5.mlp.gate.weight",                       "F32", 2, { 32, 128 },     1 },
    { "layers.6.mlp.gate.weight",                       "F32", 2, { 33, 130 },     1 },
    { "layers.7.mlp.gate.weight",                       "F32", 2, { 32, 130 },     0 },
    { "layers.3.mlp.gate_proj.weight",                  "F32", 2, { 15, 128 },     1 },
    { "narrow.weight",                                  "F32", 2, { 64, 31 },      0 },
    { "least_cols.weight",                              "F32", 2, { 32, 32 },      1 },
    { "small.weight",                                   "F32", 2, { 31, 33 },      0 },
    { "conv.weight",                                    "F32", 4, { 16, 8, 3, 3 }, 1 },
    { "conv_narrow.weight",                             "F32", 4, { 64, 3, 3, 3 }, 0 },
    { "mlp.experts.down_proj",                          "F32", 3, { 4, 16, 40 },   1 },
    { "mlp.experts.narrow",                             "F32", 3, { 4, 80, 16 },   0 },
    { "mlp.other.wide",                                 "F32", 3, { 4, 80, 16 },   1 },
    { "norm.weight",                                    "F32", 1, { 4096 },        0 },
    { "scalar",                                         "F32", 0, { 0 },           0 },
    { "empty_rows.weight",                              "F32", 2, { 0, 64 },       0 },
    { "empty_cols.weight",                              "F32", 2, { 64, 0 },       0 },
    { "ids.weight",                                     "I64", 2, { 64, 64 },      0 },
    { "bytes.weight",                                   "U8",  2, { 64, 64 },      0 },
    { "mask.weight",                                    "BOOL", 2, { 64, 64 },     0 },
    { "f4.weight",                                      "F4",  2, { 64, 64 },      0 },
    { "f8.weight",                                      "F8_E4M3", 2, { 64, 64 },  1 },
    { "f8b.weight",                                     "F8_E5M2", 2, { 64, 64 },  1 },
    { "bf16.weight",                                    "BF16", 2, { 64, 64 },     1 },
    { "f64.weight",                                     "F64", 2, { 64, 64 },      1 },
    { "complex.weight",                                 "C64", 2, { 64, 64 },      0 },
    { "odd \"name\"\\ \t \xc3\xa9.weight",              "F32", 2, { 33, 65 },      1 },
    /* clang-format on */
};
#define MODEL (sizeof model / sizeof model[0])

static void add_model(st_build *b, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        uint64_t n = 1;
        for (unsigned d = 0; d < model[i].rank; d++) n *= model[i].shape[d];
        n = n * whit_dtype_bits(whit_dtype_parse(model[i].dtype)) / 8;
        st_add(b, model[i].name, model[i].dtype, model[i].rank, model[i].shape, NULL, (size_t)n);
    }
}

static void write_model(const scratch *s, const char *name)
{
    st_build b = { 0 };
    add_model(&b, 0, MODEL);
    st_write(&b, s, name);
}

static const whit_plan_entry *entry_of(const job *j, const char *name)
{
    for (size_t i = 0; i < whit_plan_count(j->plan); i++)
        if (!strcmp(whit_plan_at(j->plan, i)->source->tensor.name, name))
            return whit_plan_at(j->plan, i);
    return NULL;
}

static void check_entry(const whit_plan_entry *e, size_t i)
{
    const char *name = model[i].name;
    int coded = whit_scheme_is_quantized(&e->scheme);
    CHECK(coded == model[i].quantized, "%s: quantized %d (%s)", name, coded,
          e->reason ? e->reason : "no reason");
    CHECK((e->reason != NULL) == !model[i].quantized, "%s: reason", name);
    CHECK((e->scheme.kind == WHIT_KEEP) == !model[i].quantized, "%s: kind", name);
    CHECK(e->rule == NULL && e->fallback == 0, "%s: no rule named it", name);
    CHECK(e->weights == e->source->tensor.elements && e->bytes_in == e->source->tensor.bytes,
          "%s: sizes", name);
    if (!model[i].quantized) CHECK(e->bytes_out == e->bytes_in, "%s: kept bytes", name);
}

static void selection(const scratch *s)
{
    static const struct {
        const char *name, *reason;
    } why[] = { { "model.embed_tokens.weight", "embedding" },
                { "wcls.weight", "output head" },
                { "layers.3.mlp.gate.weight", "router" },
                { "norm.weight", "1-dimensional" },
                { "ids.weight", "integer" },
                { "small.weight", "small" } };
    char in[SCRATCH_PATH], text[WHIT_SCHEME_TEXT];
    job j;
    write_model(s, "model.safetensors");
    job_ask ask = { .job.strict = 1 }; /* built-in exceptions are no fallbacks */
    CHECK(job_plan(&j, scratch_path(s, "model.safetensors", in), NULL, &ask) == WHIT_OK, "%s",
          j.err.msg);
    CHECK(whit_plan_count(j.plan) == MODEL && whit_plan_warnings(j.plan) == 0, "all tensors");
    for (size_t i = 0; i < MODEL; i++) {
        const whit_plan_entry *e = entry_of(&j, model[i].name);
        CHECK(e != NULL, "%s is missing", model[i].name);
        if (e) check_entry(e, i);
    }
    for (size_t i = 0; i < sizeof why / sizeof why[0]; i++) {
        const char *reason = entry_of(&j, why[i].name)->reason;
        CHECK(reason && !strcmp(reason, why[i].reason), "%s: %s", why[i].name,
              reason ? reason : "none");
    }
    const whit_plan_entry *e = entry_of(&j, "least_cols.weight");
    CHECK(!strcmp(whit_scheme_print(&e->scheme, text), "int4-g128"), "the default: %s", text);
    e = entry_of(&j, "mlp.experts.down_proj");
    CHECK(e->source->rows == 64 && e->source->cols == 40, "each expert is a matrix");
    CHECK(e->bytes_out == 64 * 20 + 64 * 2, "%llu", (unsigned long long)e->bytes_out);
    e = entry_of(&j, "conv.weight");
    CHECK(e->source->rows == 16 && e->source->cols == 72, "a convolution");
    CHECK(whit_plan_at(j.plan, MODEL) == NULL && whit_plan_warning(j.plan, 0) == NULL, "outside");
    job_close(&j);
}

static void rules(const scratch *s)
{
    static const struct {
        const char *name, *scheme, *rule;
        int fallback;
    } rows[] = {
        { "model.embed_tokens.weight", "int8-channel", NULL, 0 },
        { "shared.weight", "int8-channel", NULL, 0 },
        { "lm_head.weight", "nf4-g64", NULL, 0 },
        { "wcls.weight", "int6-g32", "w*", 0 },
        { "layers.3.mlp.router.weight", "int3-g16-asym", "*.router", 0 },
        { "small.weight", "f16", "s{mall,core}.weight", 0 },
        { "score.weight", "f16", "s{mall,core}.weight", 0 },
        { "norm.weight", "keep", "norm", 1 },
        { "ids.weight", "keep", "*ids*", 1 },
        { "empty_rows.weight", "keep", "empty_*", 1 },
        { "bf16.weight", "int5-tensor", NULL, 0 },
    };
    char in[SCRATCH_PATH], text[WHIT_SCHEME_TEXT];
    job j;
    job_ask ask = { .scheme = "INT5-tensor",
                    .embeddings = "int8",
                    .head = "nf4",
                    .rules = { "w*=int6-g32", "*.router=int3-asym-g16", "s{mall,core}.weight=f16",
                               "norm=int8", "*ids*=int4", "empty_*=int4" } };
    CHECK(job_plan(&j, scratch_path(s, "model.safetensors", in), "x.safetensors", &ask) == WHIT_OK,
          "%s", j.err.msg);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const whit_plan_entry *e = entry_of(&j, rows[i].name);
        whit_scheme_print(&e->scheme, text);
        CHECK(!strcmp(text, rows[i].scheme), "%s: %s", rows[i].name, text);
        CHECK(e->rule ? rows[i].rule && !strcmp(e->rule, rows[i].rule) : !rows[i].rule, "%s: %s",
              rows[i].name, e->rule ? e->rule : "no rule");
        CHECK(e->fallback == rows[i].fallback, "%s: fallback %d", rows[i].name, e->fallback);
    }
    CHECK(whit_plan_warnings(j.plan) >= 3, "fallbacks are said");
    job_close(&j);
}

/* What a plan refuses, and what strict makes of warnings. */
static void refused(const scratch *s)
{
    static const struct {
        job_ask ask;
        whit_status status;
        const char *says; /* in the error, or in a warning where the status is WHIT_OK */
    } cases[] = {
        /* clang-format off */
        { { .scheme = "int9" },                                WHIT_ERR_ARG, "int9" },
        { { .scheme = "" },                                    WHIT_ERR_ARG, "" },
        { { .embeddings = "q4_k" },                            WHIT_ERR_ARG, "q4_k" },
        { { .head = "int4-g1" },                               WHIT_ERR_ARG, "int4-g1" },
        { { .rules = { "abc" } },                              WHIT_ERR_ARG, "abc" },
        { { .rules = { "a[=int4" } },                          WHIT_ERR_ARG, "a[" },
        { { .rules = { "*=int4", "*=int44" } },                WHIT_ERR_ARG, "int44" },
        { { .clip = (whit_clip)77 },                           WHIT_ERR_ARG, "" },
        { { .rules = { "*q_proj=int8" } },                     WHIT_OK,      "q_proj" },
        { { .rules = { "*q_proj=int8" }, .job.strict = 1 },    WHIT_ERR_BAR, "q_proj" },
        { { .rules = { "norm=int8" } },                        WHIT_OK,      "norm" },
        { { .rules = { "norm=int8" }, .job.strict = 1 },       WHIT_OK,      "norm" },
        { { .rules = { "scalar=int8" }, .job.strict = 1 },     WHIT_OK,      "scalar" },
        { { .rules = { "ids=int8" } },                         WHIT_OK,      "ids" },
        { { .rules = { "ids=int8" }, .job.strict = 1 },        WHIT_ERR_BAR, "ids" },
        { { .rules = { "f4=f32" }, .job.strict = 1 },          WHIT_ERR_BAR, "f4" },
        { { .rules = { "ids=keep" }, .job.strict = 1 },        WHIT_OK,      NULL },
        { { .rules = { "norm=bf16" }, .job.strict = 1 },       WHIT_OK,      NULL },
        { { .rules = { "*=int4", "ids=keep", "*q=int4" } },    WHIT_OK,      "*q=int4" },
        /* clang-format on */
    };
    char in[SCRATCH_PATH];
    scratch_path(s, "model.safetensors", in);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j;
        const char *says = cases[i].says;
        whit_status st = job_plan(&j, in, "out", &cases[i].ask);
        CHECK(st == cases[i].status, "case %zu: status %d, %s", i, (int)st, j.err.msg);
        CHECK((st == WHIT_OK) == (j.plan != NULL), "case %zu: *out", i);
        if (st != WHIT_OK)
            CHECK(strstr(j.err.msg, says) && job_one_line(&j.err), "case %zu: %s", i, j.err.msg);
        int said = !says && j.plan && whit_plan_warnings(j.plan) == 0;
        for (size_t k = 0; says && j.plan && k < whit_plan_warnings(j.plan); k++)
            said |= strstr(whit_plan_warning(j.plan, k), says) != NULL;
        CHECK(said || st != WHIT_OK, "case %zu: the warning about %s", i, says ? says : "nothing");
        job_close(&j);
    }
}

static void arguments(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], native[SCRATCH_PATH];
    whit_plan *plan = (whit_plan *)(uintptr_t)1;
    whit_error err = { WHIT_OK, "" };
    whit_quantize_options o;
    job j;
    whit_source *src = job_open(scratch_path(s, "model.safetensors", in));
    whit_quantize_options_init(&o);
    CHECK(whit_plan_make(&plan, NULL, &o, "out", &err) == WHIT_ERR_ARG && !plan, "no source");
    CHECK(whit_plan_make(&plan, src, NULL, "out", &err) == WHIT_ERR_ARG && !plan, "no options");
    o.struct_size--;
    CHECK(whit_plan_make(&plan, src, &o, "out", &err) == WHIT_ERR_ARG && !plan, "struct_size");
    whit_quantize_options_init(&o);
    o.job.struct_size = 0;
    CHECK(whit_plan_make(&plan, src, &o, "out", NULL) == WHIT_ERR_ARG && !plan, "job.struct_size");
    whit_plan_free(NULL);
    whit_source_close(src);

    job_ask ask = { .scheme = "int8" };
    CHECK(job_run(&j, in, NULL, &ask) == WHIT_ERR_ARG && !j.report, "a plan only looked at");
    job_close(&j);
    CHECK(job_plan(&j, in, "x.gguf", &ask) != WHIT_OK && job_one_line(&j.err), "GGUF");
    job_close(&j);
    job_quantize(in, scratch_path(s, "n.safetensors", native), &ask);
    CHECK(job_plan(&j, native, scratch_path(s, "twice", out), &ask) == WHIT_ERR_UNSUPPORTED &&
              strstr(j.err.msg, "n.safetensors") && strstr(j.err.msg, "--requantize"),
          "%s", j.err.msg);
    job_close(&j);
    CHECK(job_names(s->path) == 2, "nothing else was written");
    remove(native);
}

/* Two parts of the output would have one name; which status is not fixed, but it is no crash and
 * nothing is written. */
static void colliding(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    st_build b = { 0 };
    job j;
    st_add2(&b, "a", "F32", 32, 32, NULL, 4096);
    st_add2(&b, "a.q", "U8", 0, 8, NULL, 8);
    st_write(&b, s, "collide.safetensors");
    job_ask ask = { .scheme = "int4" };
    scratch_path(s, "collide.safetensors", in);
    CHECK(job_plan(&j, in, scratch_path(s, "c.safetensors", out), &ask) != WHIT_OK &&
              strstr(j.err.msg, "a.q") && job_one_line(&j.err),
          "%s", j.err.msg);
    job_close(&j);
    ask.scheme = "keep";
    job_quantize(in, out, &ask);
    remove(out);
    remove(in);
}

/* max_memory: the message names the smallest value that works, and that one works. */
static void memory(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], low[SCRATCH_PATH];
    unsigned long long mib = 0;
    uint64_t held = 0;
    job j;
    job_ask ask = { .scheme = "int4-g32", .job = { .threads = 8, .max_memory = 1 } };
    scratch_path(s, "model.safetensors", in);
    job_quantize(in, scratch_path(s, "free.safetensors", out), &(job_ask){ .scheme = "int4-g32" });
    CHECK(job_plan(&j, in, "x", &ask) == WHIT_ERR_NOMEM && job_one_line(&j.err), "too small");
    const char *names = strstr(j.err.msg, "--max-memory ");
    CHECK(names && sscanf(names, "--max-memory %lluMiB", &mib) == 1, "%s", j.err.msg);
    job_close(&j);
    ask.job.max_memory = mib << 20;
    CHECK(job_run(&j, in, scratch_path(s, "low.safetensors", low), &ask) == WHIT_OK, "%s",
          j.err.msg);
    if (j.plan) {
        const whit_plan_totals *t = whit_plan_total(j.plan);
        CHECK(t->memory_bytes <= mib << 20 && t->memory_bytes > (mib - 1) << 20, "%llu of %llu MiB",
              (unsigned long long)t->memory_bytes, mib);
        CHECK(t->threads >= 1 && t->threads <= 8, "%u threads", t->threads);
    }
    job_close(&j);
    CHECK(job_same_file(out, low), "memory changes a byte");
    ask.job.max_memory = (mib - 1) << 20;
    CHECK(job_plan(&j, in, "x", &ask) == WHIT_ERR_NOMEM, "one MiB less is too small");
    job_close(&j);
    ask.job = (whit_job_options){ .threads = 3 };
    CHECK(job_plan(&j, in, "x", &ask) == WHIT_OK && whit_plan_total(j.plan)->threads == 3,
          "as asked");
    job_close(&j);
    static const unsigned many[] = { 256, 257, 1024, UINT_MAX };
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        ask.job = (whit_job_options){ .threads = many[i], .max_memory = UINT64_MAX };
        CHECK(job_plan(&j, in, "x", &ask) == WHIT_OK && whit_plan_total(j.plan)->threads == 256,
              "%u threads: as many as run", many[i]);
        uint64_t bytes = j.plan ? whit_plan_total(j.plan)->memory_bytes : 0;
        CHECK(i == 0 || bytes == held, "%u threads: no buffers for the others", many[i]);
        held = bytes;
        job_close(&j);
    }
    remove(out);
    remove(low);
}

/* bytes_out, the totals and file_bytes against what is written. */
static void sizes(const scratch *s)
{
    static const char *const schemes[] = {
        "int2",
        "int3-g7",
        "int4",
        "int5-channel",
        "int6-tensor-asym",
        "int7-g65536-sf32",
        "int8",
        "int8-g2",
        "int3-asym",
        "int4-g128-sbf16",
        "nf4",
        "nf4-tensor-sf16",
        "f16",
        "bf16",
        "f32",
        "keep",
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], a[WHIT_SCHEME_TEXT], b[WHIT_SCHEME_TEXT];
    scratch_path(s, "model.safetensors", in);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        job j;
        size_t len, data = 0;
        uint64_t sum_in = 0, sum_out = 0, weights = 0;
        job_ask ask = { .scheme = schemes[i], .rules = { "*embed*=int3-g5-asym", "norm=f16" } };
        CHECK(job_run(&j, in, scratch_path(s, "sizes.safetensors", out), &ask) == WHIT_OK, "%s: %s",
              schemes[i], j.err.msg);
        if (j.status != WHIT_OK) exit(check_result());
        free(scratch_read(out, &len));
        const whit_plan_totals *t = whit_plan_total(j.plan);
        CHECK(t->file_bytes == len, "%s: %llu promised, %zu written", schemes[i],
              (unsigned long long)t->file_bytes, len);
        for (size_t k = 0; k < whit_plan_count(j.plan); k++) {
            sum_in += whit_plan_at(j.plan, k)->bytes_in;
            sum_out += whit_plan_at(j.plan, k)->bytes_out;
            weights += whit_plan_at(j.plan, k)->weights;
        }
        CHECK(t->bytes_in == sum_in && t->bytes_out == sum_out && t->weights == weights &&
                  t->tensors == MODEL,
              "%s: totals", schemes[i]);
        whit_source *o = job_open(out);
        for (size_t k = 0; k < whit_source_count(o); k++) {
            const whit_source_tensor *w = whit_source_at(o, k);
            const whit_plan_entry *e = entry_of(&j, w->tensor.name);
            CHECK(e && e->bytes_out == w->tensor.bytes, "%s: %s", schemes[i], w->tensor.name);
            CHECK(e && !strcmp(whit_scheme_print(&e->scheme, a), whit_scheme_print(&w->scheme, b)),
                  "%s: scheme of %s", schemes[i], w->tensor.name);
        }
        for (size_t k = 0; k < whit_file_count(whit_source_file(o)); k++)
            data += (size_t)whit_file_tensor(whit_source_file(o), k)->bytes;
        CHECK(data == t->bytes_out && whit_source_count(o) == MODEL, "%s: data", schemes[i]);
        whit_source_close(o);
        job_close(&j);
        remove(out);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    selection(&s);
    rules(&s);
    refused(&s);
    arguments(&s);
    colliding(&s);
    memory(&s);
    sizes(&s);
    scratch_remove(&s);
    return check_result();
}
