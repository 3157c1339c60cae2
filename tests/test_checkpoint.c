/* tests/test_checkpoint.c - folders in the formats of other programs: what their configuration
 * says, what is refused because no loader would take it.
 *
 * Not here: that the tensors decode to the right values (test_hf_pairs.c, interop/checkpoints.py).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"

typedef struct matrix {
    const char *name;
    uint64_t rows, cols;
} matrix;

/* A model folder "NAME" of such matrices in F32, and its config.json. */
static void make(const scratch *s, const char *name, const char *config, const matrix *m, size_t n)
{
    st_build b = { 0 };
    check_rng rng = { 7 };
    char file[128];
    scratch_folder(s, name);
    for (size_t i = 0; i < n; i++) {
        const size_t count = (size_t)(m[i].rows * m[i].cols);
        float *w = malloc(count * sizeof *w);
        if (!w) scratch_die(name);
        for (size_t k = 0; k < count; k++) w[k] = check_f32(&rng);
        st_add2(&b, m[i].name, "F32", m[i].rows, m[i].cols, w, count * sizeof *w);
        free(w);
    }
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    st_write(&b, s, file);
    snprintf(file, sizeof file, "%s/config.json", name);
    scratch_text(s, file, config);
}

/* That the file of an output holds the text. */
static void holds(const scratch *s, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    size_t len;
    char *all = scratch_read(scratch_path(s, name, path), &len);
    CHECK(strstr(all, text), "%s: no %s in %s", name, text, all);
    free(all);
}

#define BLOCK "model.layers.0.self_attn."

/* Floats that a loader may make a linear layer of, and tables that it will not. */
static void test_left_alone(const scratch *s)
{
    static const matrix m[] = {
        { "model.embed_tokens.weight", 64, 64 },
        { BLOCK "q_proj.weight", 64, 64 },
        { "embed_vision.embedding_projection.weight", 64, 64 },
        { "embed_out.weight", 64, 64 },
        { "lm_head.weight", 64, 64 },
        { "score.weight", 64, 64 },
        { "model.wte.weight", 64, 64 },
    };
    static const char list[] =
        "[\"lm_head\",\"embed_vision.embedding_projection\",\"embed_out\",\"score\"]";
    static const struct {
        const char *scheme, *key;
        whit_format format;
    } cases[] = {
        { "int4-g32", "\"ignore\":", WHIT_FORMAT_CT },
        { "nf4-g64", "\"llm_int8_skip_modules\":", WHIT_FORMAT_BNB },
        { "int4-g32", "\"modules_to_not_convert\":", WHIT_FORMAT_AWQ },
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], want[256];
    make(s, "heads", "{}", m, sizeof m / sizeof m[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const job_ask ask = { .scheme = cases[i].scheme,
                              .format = cases[i].format,
                              .job = { .force = 1 } };
        job_quantize(scratch_path(s, "heads", in), scratch_path(s, "left", out), &ask);
        snprintf(want, sizeof want, "%s%s", cases[i].key, list);
        holds(s, "left/config.json", want);
    }
}

/* AWQ's groups of whole rows, whose number of columns is one for all linears or not. */
static void test_awq_width(const scratch *s)
{
    static const matrix m[] = { { BLOCK "q_proj.weight", 64, 64 },
                                { BLOCK "o_proj.weight", 64, 64 },
                                { "model.layers.0.mlp.down_proj.weight", 64, 128 } };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    for (size_t n = 2; n <= 3; n++)
        for (int tensor = 0; tensor < 2; tensor++) {
            const job_ask ask = { .scheme = tensor ? "int4-tensor" : "int4-channel",
                                  .format = WHIT_FORMAT_AWQ,
                                  .job = { .force = 1 } };
            if (!tensor) make(s, n == 2 ? "square" : "wide", "{}", m, n);
            scratch_path(s, n == 2 ? "square" : "wide", in);
            job_quantize(in, scratch_path(s, "widths", out), &ask);
            holds(s, "widths/config.json", n == 2 ? "\"group_size\":64," : "\"group_size\":-1,");
            holds(s, "widths/quant_config.json",
                  n == 2 ? "\"q_group_size\":64," : "\"q_group_size\":-1,");
            whit_source *read = job_open(out);
            for (size_t i = 0; i < n; i++) free(job_values(read, m[i].name));
            whit_source_close(read);
        }
}

/* Groups that do not divide the columns: kept where lists have room for that, else refused. */
static void test_short_group(const scratch *s)
{
    static const matrix m[] = { { BLOCK "q_proj.weight", 64, 64 },
                                { "model.layers.0.mlp.down_proj.weight", 64, 72 } };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job j;
    make(s, "short", "{}", m, 2);
    scratch_path(s, "short", in);
    scratch_path(s, "shorter", out);
    CHECK(job_plan(&j, in, out, &(job_ask){ .scheme = "int4-g32", .format = WHIT_FORMAT_GPTQ }) ==
                  WHIT_ERR_ARG &&
              strstr(j.err.msg, "down_proj.weight is kept (its shape does not fit the format)"),
          "%s", j.err.msg);
    job_close(&j);
    job_quantize(in, out, &(job_ask){ .scheme = "int4-g32", .format = WHIT_FORMAT_AWQ });
    holds(s, "shorter/config.json", "[\"lm_head\",\"model.layers.0.mlp.down_proj\"]");
}

static void holds_not(const scratch *s, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    size_t len;
    char *all = scratch_read(scratch_path(s, name, path), &len);
    CHECK(!strstr(all, text), "%s: %s in %s", name, text, all);
    free(all);
}

/* What says that weights are stored as codes goes where they are not: of all members the only one,
 * the first, the last. */
static void test_plain_config(const scratch *s)
{
    static const char *const configs[][2] = {
        { "{}", "{\n}" },
        { "{\"a\":[1, 2]}\n", "{\"a\":[1, 2]\n}\n" },
        { "{ \"quantization_config\": {\"bits\":4}, \"a\": 1,\"compression_config\":0}",
          "{ \"a\": 1\n}" },
    };
    static const matrix m[] = { { BLOCK "q_proj.weight", 64, 64 } };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], name[16];
    job j;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        snprintf(name, sizeof name, "plain%zu", i);
        make(s, name, configs[i][0], m, 1);
        scratch_path(s, name, in);
        job_quantize(
            in, scratch_path(s, "coded", out),
            &(job_ask){ .scheme = "int4-g32", .format = WHIT_FORMAT_GPTQ, .job.force = 1 });
        holds(s, "coded/config.json", "\"quantization_config\": {\"quant_method\":\"gptq\"");
        scratch_path(s, "coded", in);
        CHECK(job_run(&j, in, scratch_path(s, "faked", out),
                      &(job_ask){ .fake_quant = 1, .requantize = 1, .job.force = 1 }) == WHIT_OK,
              "%s", j.err.msg);
        for (size_t k = 0; j.plan && k < whit_plan_warnings(j.plan); k++)
            CHECK(!strstr(whit_plan_warning(j.plan, k), "copied as it is"), "said of a text anew");
        job_close(&j);
        holds(s, "faked/config.json", configs[i][1]);
        holds_not(s, "faked/config.json", "_config");
    }
    CHECK(job_plan(&j, in, scratch_path(s, "native", out), &(job_ask){ .requantize = 1 }) ==
              WHIT_OK,
          "%s", j.err.msg);
    CHECK(j.plan && whit_plan_warnings(j.plan) > 0 &&
              strstr(whit_plan_warning(j.plan, whit_plan_warnings(j.plan) - 1), "copied as it is"),
          "not said of a native output");
    job_close(&j);
}

/* Weights that are the other way round. */
static void test_turned(const scratch *s)
{
    static const matrix m[] = { { "h.0.attn.c_attn.weight", 64, 192 } };
    static const char *const schemes[] = { "int8", "int4-g32", "int4-g32", "nf4" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job j;
    make(s, "gpt2", "{\"model_type\":\"gpt2\"}", m, 1);
    scratch_path(s, "gpt2", in);
    scratch_path(s, "gpt2-out", out);
    for (unsigned f = WHIT_FORMAT_CT; f <= WHIT_FORMAT_BNB; f++) {
        const job_ask ask = { .scheme = schemes[f - WHIT_FORMAT_CT], .format = (whit_format)f };
        CHECK(job_plan(&j, in, out, &ask) == WHIT_ERR_UNSUPPORTED &&
                  strstr(j.err.msg, "gpt2: GPT-2 stores weights inputs x outputs"),
              "%s", j.err.msg);
        job_close(&j);
    }
    job_quantize(in, out, &(job_ask){ .scheme = "int8" });
}

/* Small files: those that loaders know are copied, others that may matter are named. */
static void test_small_files(const scratch *s)
{
    static const matrix m[] = { { BLOCK "q_proj.weight", 64, 64 } };
    static const char *const copied[] = {
        "vocab.txt",   "spiece.model",       "sentencepiece.bpe.model",
        "tekken.json", "tokenizer.model.v3", "tokenizer.json"
    };
    static const char *const left[] = { "modeling_x.py", "a.json", "b.tiktoken", "sub.model" };
    static const char *const silent[] = { "README.txt",     "LICENSE.txt", "Notice.txt",
                                          ".gitattributes", "x.png",       "quant_config.json" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], name[64];
    job j;
    size_t said = 0;
    make(s, "small", "{}", m, 1);
    scratch_folder(s, "small/folder.json");
    for (size_t i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "small/%s", copied[i]);
        scratch_text(s, name, copied[i]);
        snprintf(name, sizeof name, "small/%s", silent[i]);
        scratch_text(s, name, silent[i]);
        snprintf(name, sizeof name, "small/%s", left[i % 4]);
        scratch_text(s, name, left[i % 4]);
    }
    scratch_path(s, "small", in);
    CHECK(job_run(&j, in, scratch_path(s, "small-out", out), &(job_ask){ 0 }) == WHIT_OK, "%s",
          j.err.msg);
    for (size_t i = 0; j.plan && i < whit_plan_warnings(j.plan); i++)
        said += strstr(whit_plan_warning(j.plan, i),
                       "/small: not copied: a.json, b.tiktoken, modeling_x.py and 1 more") != NULL;
    CHECK(said == 1 && whit_plan_warnings(j.plan) == 1, "%zu times said", said);
    job_close(&j);
    for (size_t i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "small-out/%s", copied[i]);
        holds(s, name, copied[i]);
    }
    CHECK(job_names(out) == 8, "%zu files", job_names(out)); /* those, weights and config.json */
}

/* A type of scales that was asked for is refused where loaders read another; the default is not. */
static void test_scale_types(const scratch *s)
{
    static const matrix m[] = { { BLOCK "q_proj.weight", 64, 64 } };
    static const struct {
        const char *scheme;
        whit_format format;
        const char *said; /* NULL: it is taken */
    } cases[] = {
        { "int4-g32-sf32", WHIT_FORMAT_GPTQ, "not int4-g32-sf32; try: int4-g32" },
        { "int4-g32-sbf16", WHIT_FORMAT_AWQ, "not int4-g32-sbf16; try: int4-g32" },
        { "nf4-g64-sbf16", WHIT_FORMAT_BNB, NULL },
        { "int4-g32-sf32", WHIT_FORMAT_CT, NULL },
        { "int4-g32-sf16", WHIT_FORMAT_GPTQ, NULL },
        { "int4-channel", WHIT_FORMAT_GPTQ, NULL },
        { "int4-channel-sf16", WHIT_FORMAT_AWQ, NULL },
        { "nf4-g64", WHIT_FORMAT_BNB, NULL },
        { "nf4-g64-sf32", WHIT_FORMAT_BNB, NULL },
        { "nf4-g64-dq", WHIT_FORMAT_BNB, NULL },
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    make(s, "scales", "{}", m, 1);
    scratch_path(s, "scales", in);
    scratch_path(s, "scaled", out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const job_ask ask = { .scheme = cases[i].scheme, .format = cases[i].format };
        job j;
        job_plan(&j, in, out, &ask);
        CHECK(j.status == (cases[i].said ? WHIT_ERR_ARG : WHIT_OK) &&
                  (!cases[i].said || strstr(j.err.msg, cases[i].said)),
              "%s: %s", cases[i].scheme, j.err.msg);
        job_close(&j);
    }
}

/* Where no other type of scales is read, -sf32 is no advice. */
static void test_large_scales(const scratch *s)
{
    float w[64 * 64];
    char in[SCRATCH_PATH], out[SCRATCH_PATH], want[256];
    st_build b = { 0 };
    job j;
    for (size_t i = 0; i < 64 * 64; i++) w[i] = i % 2 ? 1e6f : -1.0f;
    st_add2(&b, BLOCK "q_proj.weight", "F32", 64, 64, w, sizeof w);
    scratch_folder(s, "large");
    st_write(&b, s, "large/model.safetensors");
    scratch_text(s, "large/config.json", "{}");
    scratch_path(s, "large", in);
    for (unsigned f = WHIT_FORMAT_CT; f <= WHIT_FORMAT_AWQ; f++) {
        job_run(&j, in, scratch_path(s, "large-out", out),
                &(job_ask){ .scheme = "int4-g32", .format = (whit_format)f });
        snprintf(want, sizeof want,
                 "large: " BLOCK "q_proj.weight: row 0: a scale is too large for "
                 "F16; %s",
                 f == WHIT_FORMAT_CT ? "try: -sf32"
                                     : "try: --format compressed-tensors, with -sf32");
        CHECK(j.status == WHIT_ERR_NUMERIC && strstr(j.err.msg, want), "%s", j.err.msg);
        job_close(&j);
    }
    job_quantize(in, out, &(job_ask){ .scheme = "int4-g32-sf32", .format = WHIT_FORMAT_CT });
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_left_alone(&s);
    test_awq_width(&s);
    test_short_group(&s);
    test_plain_config(&s);
    test_turned(&s);
    test_small_files(&s);
    test_scale_types(&s);
    test_large_scales(&s);
    scratch_remove(&s);
    return check_result();
}
