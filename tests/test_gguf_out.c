/* tests/test_gguf_out.c - what becomes of each tensor in a GGUF file: name, place, type, octets.
 *
 * From folders of every architecture and from GGUF files; the expected octets come from the weights
 * by what formats 10.5 says of rows, and from encoding whole matrices. Keys, mixes and vocabularies
 * have tests of their own, as does the command (cli/gguf_out.sh, cli/gguf_folder.sh).
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <math.h>

#include "configs.h"
#include "jobs.h"
#include "models.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Three tokens, whatever the model; the other rows of its embeddings are padding. */
static const char tokenizer[] =
    "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[],\"model\":{"
    "\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

#define SMALL "vocab_size 24\nnum_hidden_layers 1\nbos_token_id 0\neos_token_id 1\n"

/* Files by the list of their tensors, "NAME TYPE SIDES" in the order of the file. */
static const struct {
    const char *name, *changes;
    job_ask ask;
    const char *tensors;
} cases[] = {
    /* clang-format off */
    { "llama", SMALL "tie_word_embeddings true", { .scheme = "f32" },
      "token_embd.weight F32 24x64\n"        "blk.0.attn_norm.weight F32 64\n"
      "blk.0.attn_q.weight F32 64x64\n"      "blk.0.attn_k.weight F32 32x64\n"
      "blk.0.attn_v.weight F32 32x64\n"      "blk.0.attn_output.weight F32 64x64\n"
      "blk.0.ffn_norm.weight F32 64\n"       "blk.0.ffn_gate.weight F32 172x64\n"
      "blk.0.ffn_up.weight F32 172x64\n"     "blk.0.ffn_down.weight F32 64x172\n"
      "output_norm.weight F32 64\n" },
    { "biases", SMALL "attention_bias true\nmlp_bias true", { .scheme = "f16", .rules = { "*=f16" } },
      "token_embd.weight F16 24x64\n"        "blk.0.attn_norm.weight F32 64\n"
      "blk.0.attn_q.weight F16 64x64\n"      "blk.0.attn_k.weight F16 32x64\n"
      "blk.0.attn_v.weight F16 32x64\n"      "blk.0.attn_output.weight F16 64x64\n"
      "blk.0.attn_q.bias F32 64\n"           "blk.0.attn_k.bias F32 32\n"
      "blk.0.attn_v.bias F32 32\n"           "blk.0.attn_output.bias F32 64\n"
      "blk.0.ffn_norm.weight F32 64\n"       "blk.0.ffn_gate.weight F16 172x64\n"
      "blk.0.ffn_up.weight F16 172x64\n"     "blk.0.ffn_down.weight F16 64x172\n"
      "blk.0.ffn_gate.bias F32 172\n"        "blk.0.ffn_up.bias F32 172\n"
      "blk.0.ffn_down.bias F32 64\n"         "output_norm.weight F32 64\n"
      "output.weight F16 24x64\n" },
    { "llama3", SMALL "tie_word_embeddings true\nnum_attention_heads 2\nnum_key_value_heads 1\n"
      "rope_theta 500000.0\nrope_scaling {\"rope_type\":\"llama3\",\"factor\":8.0,"
      "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":128}",
      { .scheme = "keep", .embeddings = "bf16", .rules = { "*_proj=bf16" } },
      "token_embd.weight BF16 24x64\n"       "blk.0.attn_norm.weight F32 64\n"
      "blk.0.attn_q.weight BF16 64x64\n"     "blk.0.attn_k.weight BF16 32x64\n"
      "blk.0.attn_v.weight BF16 32x64\n"     "blk.0.attn_output.weight BF16 64x64\n"
      "blk.0.ffn_norm.weight F32 64\n"       "blk.0.ffn_gate.weight BF16 172x64\n"
      "blk.0.ffn_up.weight BF16 172x64\n"    "blk.0.ffn_down.weight BF16 64x172\n"
      "output_norm.weight F32 64\n"          "rope_freqs.weight F32 16\n" },
    { "mistral", SMALL "architectures [\"MistralForCausalLM\"]\nhead_dim 32\nintermediate_size 96\n"
      "sliding_window null", { .scheme = "q4_1", .head = "q8_0", .search = WHIT_SEARCH_REFERENCE },
      "token_embd.weight F32 24x64\n"        "blk.0.attn_norm.weight F32 64\n"
      "blk.0.attn_q.weight Q4_1 256x64\n"    "blk.0.attn_k.weight Q4_1 128x64\n"
      "blk.0.attn_v.weight Q4_1 128x64\n"    "blk.0.attn_output.weight Q4_1 64x256\n"
      "blk.0.ffn_norm.weight F32 64\n"       "blk.0.ffn_gate.weight Q4_1 96x64\n"
      "blk.0.ffn_up.weight Q4_1 96x64\n"     "blk.0.ffn_down.weight Q4_1 64x96\n"
      "output_norm.weight F32 64\n"          "output.weight Q8_0 24x64\n" },
    { "qwen2", SMALL "architectures [\"Qwen2ForCausalLM\"]\ntie_word_embeddings true",
      { .scheme = "q8_0", .embeddings = "iq4_nl" },
      "token_embd.weight IQ4_NL 24x64\n"     "blk.0.attn_norm.weight F32 64\n"
      "blk.0.attn_q.weight Q8_0 64x64\n"     "blk.0.attn_k.weight Q8_0 32x64\n"
      "blk.0.attn_v.weight Q8_0 32x64\n"     "blk.0.attn_output.weight Q8_0 64x64\n"
      "blk.0.attn_q.bias F32 64\n"           "blk.0.attn_k.bias F32 32\n"
      "blk.0.attn_v.bias F32 32\n"           "blk.0.ffn_norm.weight F32 64\n"
      "blk.0.ffn_gate.weight Q8_0 172x64\n"  "blk.0.ffn_up.weight Q8_0 172x64\n"
      "blk.0.ffn_down.weight F16 64x172\n"   "output_norm.weight F32 64\n" },
    { "qwen3", SMALL "architectures [\"Qwen3ForCausalLM\"]\nhead_dim 16\nhidden_size 256\n"
      "intermediate_size 256", { .scheme = "q4_k_m", .job.threads = 2 },
      "token_embd.weight Q4_K 24x256\n"      "blk.0.attn_norm.weight F32 256\n"
      "blk.0.attn_q.weight Q4_K 128x256\n"   "blk.0.attn_k.weight Q4_K 64x256\n"
      "blk.0.attn_v.weight Q6_K 64x256\n"    "blk.0.attn_output.weight Q5_0 256x128\n"
      "blk.0.attn_q_norm.weight F32 16\n"    "blk.0.attn_k_norm.weight F32 16\n"
      "blk.0.ffn_norm.weight F32 256\n"      "blk.0.ffn_gate.weight Q4_K 256x256\n"
      "blk.0.ffn_up.weight Q4_K 256x256\n"   "blk.0.ffn_down.weight Q6_K 256x256\n"
      "output_norm.weight F32 256\n"         "output.weight Q6_K 24x256\n" },
    /* clang-format on */
};

/* ---- what a file holds ----------------------------------------------------------------------- */

static void list_tensors(const whit_file *f, st_text *out)
{
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        st_putf(out, "%s %s", t->name, whit_tensor_type(t));
        for (uint32_t d = 0; d < t->rank; d++)
            st_putf(out, "%c%llu", d ? 'x' : ' ', (unsigned long long)t->shape[d]);
        st_putf(out, "\n");
    }
}

static void check_octets(const whit_source *s, const char *name, const void *want, size_t bytes)
{
    size_t len, at = 0;
    unsigned char *have = job_bytes(s, name, &len);
    const unsigned char *w = want;
    CHECK(have && len == bytes, "%s: %zu octets, not %zu", name, len, bytes);
    while (have && len == bytes && at < len && have[at] == w[at]) at++;
    CHECK(!have || len != bytes || at == len, "%s: octet %zu is %02x, not %02x", name, at, have[at],
          w[at]);
    free(have);
}

/* As the type holds these rows, encoded all at once. */
static void check_rows(const whit_source *s, const char *name, whit_search search, const float *w,
                       uint64_t rows, uint64_t cols, const float *importance)
{
    const whit_tensor *t = whit_file_tensor(whit_source_file(s), whit_source_find(s, name));
    const size_t n = (size_t)(rows * cols);
    unsigned char *out = malloc(n * 4 + 1);
    whit_error err = { WHIT_OK, "" };
    if (!t || !out) scratch_die(name);
    if (t->block != WHIT_BLOCK_NONE)
        CHECK(whit_block_encode(t->block, search, w, (size_t)rows, (size_t)cols, importance, out,
                                &err) == WHIT_OK,
              "%s: %s", name, err.msg);
    else
        whit_dtype_from_f32(t->dtype, w, n, out);
    check_octets(s, name, out, (size_t)t->bytes);
    free(out);
}

/* ---- from folders ---------------------------------------------------------------------------- */

typedef struct expect {
    const whit_source *out;
    whit_search search;
    size_t seen;
} expect;

/* A models_add: the tensor stands in the output with the octets of its weights. */
static void expect_tensor(void *to, const wh_model_config *c, const char *name, wh_role role,
                          uint64_t rows, uint64_t cols, float *data)
{
    expect *e = to;
    char own[WH_ROLE_NAME];
    const int q = strstr(name, "q_proj") != NULL, k = strstr(name, "k_proj") != NULL;
    const uint64_t heads = q ? c->heads : c->kv_heads;
    wh_role_name(role, 0, WH_NAMING_GGUF, own);
    if ((q || k) && c->arch == WH_ARCH_LLAMA) {
        if (wh_role_is_vector(role))
            models_permute(data, cols, 1, heads);
        else
            models_permute(data, rows, cols, heads);
    }
    check_rows(e->out, own, e->search, data, rows, cols, NULL);
    e->seen++;
}

/* Formats 10.4, for 32 weights a head at base 500000. */
static void check_divisors(const whit_source *s)
{
    float want[16];
    unsigned char octets[64];
    for (int i = 0; i < 16; i++) {
        const double wave = 2 * 3.14159265358979323846 * pow(500000.0, 2 * i / 32.0);
        const double t = (128 / wave - 1.0) / (4.0 - 1.0);
        want[i] = (float)(wave < 128 / 4.0 ? 1.0 : wave > 128 ? 8.0 : 1 / ((1 - t) / 8 + t));
    }
    CHECK(want[0] == 1.0f && want[15] == 8.0f, "both ends are reached");
    whit_dtype_from_f32(WHIT_F32, want, 16, octets);
    check_octets(s, "rope_freqs.weight", octets, sizeof octets);
}

/* What the plan says of sizes is what is written. */
static void check_plan(const whit_plan *plan, const char *path, size_t tensors, int added)
{
    size_t len;
    uint64_t bytes = 0;
    free(scratch_read(path, &len));
    whit_source *s = job_open(path);
    for (size_t i = 0; i < whit_source_count(s); i++) bytes += whit_source_at(s, i)->tensor.bytes;
    CHECK(whit_plan_total(plan)->file_bytes == len, "%s: %llu octets planned, %zu written", path,
          (unsigned long long)whit_plan_total(plan)->file_bytes, len);
    CHECK(whit_plan_total(plan)->bytes_out + (uint64_t)added == bytes, "%s: data", path);
    CHECK(whit_plan_count(plan) == tensors && whit_plan_format(plan) == WHIT_FORMAT_GGUF, "%s",
          path);
    whit_source_close(s);
}

static void folder(const scratch *s, size_t i)
{
    char config[CONFIGS_TEXT], in[SCRATCH_PATH], out[SCRATCH_PATH], file[64];
    wh_model_config c;
    st_text list = { 0 };
    job j;
    configs_text(config, cases[i].changes);
    CHECK(wh_config_parse(&c, "c", config, strlen(config), NULL) == WHIT_OK, "%s", cases[i].name);
    models_folder(s, cases[i].name, config);
    snprintf(file, sizeof file, "%s/tokenizer.json", cases[i].name);
    scratch_text(s, file, tokenizer);
    scratch_path(s, cases[i].name, in);
    scratch_path(s, "folder.gguf", out);
    CHECK(job_run(&j, in, out, &cases[i].ask) == WHIT_OK, "%s: %s", cases[i].name, j.err.msg);
    if (j.status != WHIT_OK) exit(check_result());
    whit_source *made = job_open(out);
    list_tensors(whit_source_file(made), &list);
    CHECK(strcmp(list.data, cases[i].tensors) == 0, "%s:\n%s", cases[i].name, list.data);
    const int rope = c.rope.kind == WH_ROPE_LLAMA3;
    expect e = { made, cases[i].ask.search, 0 };
    models_tensors(&c, expect_tensor, &e);
    CHECK(e.seen + (size_t)rope == whit_source_count(made), "%s: %zu", cases[i].name, e.seen);
    if (rope) check_divisors(made);
    check_plan(j.plan, out, e.seen, rope ? 64 : 0);
    free(list.data);
    whit_source_close(made);
    job_close(&j);
    remove(out);
}

/* ---- from GGUF ------------------------------------------------------------------------------- */

static float *random_rows(uint64_t n, uint64_t seed)
{
    check_rng r = { seed };
    float *w = malloc((size_t)n * sizeof *w);
    if (!w) scratch_die("random_rows");
    for (uint64_t i = 0; i < n; i++) w[i] = check_normal(&r);
    return w;
}

/* An importance matrix in the old form with one entry. */
static void write_importance(const scratch *s, const char *tensor, const float *v, size_t count)
{
    st_text t = { 0 };
    gg_int(&t, 1, 4);
    gg_int(&t, strlen(tensor), 4);
    st_put(&t, tensor, strlen(tensor));
    gg_int(&t, 1, 4);
    gg_int(&t, count, 4);
    st_put(&t, v, count * sizeof *v);
    scratch_write(s, "importance.dat", t.data, t.len);
    free(t.data);
}

/* Rows that no tile holds whole: the encoders of Q4_0 .. Q5_1 with importance want all of it. */
static void long_rows(const scratch *s)
{
    static const char *const schemes[] = { "q4_0", "q5_1", "q4_k", "q8_0", "iq4_xs" };
    const uint64_t ne[2] = { (1 << 18) + 1024, 2 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], matrix[SCRATCH_PATH];
    float *w = random_rows(ne[0] * 2, 3), *v = random_rows(ne[0], 4);
    gg_build b = { 0 };
    for (uint64_t i = 0; i < ne[0]; i++) v[i] = fabsf(v[i]);
    for (uint64_t i = ne[0] / 2; i < ne[0]; i++) w[i] *= 100; /* the parts of a row differ */
    gg_floats(&b, "blk.0.ffn_up.weight", 2, ne, w, (size_t)ne[0] * 8);
    gg_write(&b, s, "long.gguf");
    write_importance(s, "blk.0.ffn_up.weight", v, (size_t)ne[0]);
    scratch_path(s, "long.gguf", in);
    scratch_path(s, "out.gguf", out);
    scratch_path(s, "importance.dat", matrix);
    for (size_t i = 0; i < COUNT(schemes) * 2; i++) {
        const job_ask ask = { .scheme = schemes[i / 2],
                              .search = WHIT_SEARCH_REFERENCE,
                              .calibration = i % 2 ? matrix : NULL,
                              .job = { .threads = 2, .force = 1 } };
        const int weighs = i % 2 && strcmp(ask.scheme, "q8_0") != 0;
        job_quantize(in, out, &ask);
        whit_source *made = job_open(out);
        check_rows(made, "blk.0.ffn_up.weight", WHIT_SEARCH_REFERENCE, w, 2, ne[0],
                   weighs ? v : NULL);
        whit_source_close(made);
    }
    free(w);
    free(v);
    remove(out);
}

/* A stack of matrices, each with its own importance; a convolution is rows of its last side. */
static void stacks(const scratch *s)
{
    enum { COLS = 64, ROWS = 5, EXPERTS = 3 };
    const uint64_t ne[4] = { COLS, ROWS, EXPERTS, 2 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], matrix[SCRATCH_PATH];
    float *w = random_rows((uint64_t)COLS * ROWS * EXPERTS * 2, 5);
    float *v = random_rows(COLS * EXPERTS, 6);
    gg_build b = { 0 };
    for (size_t i = 0; i < COLS * EXPERTS; i++) v[i] = fabsf(v[i]);
    gg_floats(&b, "blk.0.ffn_down_exps.weight", 3, ne, w, COLS * ROWS * EXPERTS * 4);
    gg_floats(&b, "four.weight", 4, ne, w, (size_t)COLS * ROWS * EXPERTS * 2 * 4);
    gg_write(&b, s, "stacks.gguf");
    write_importance(s, "blk.0.ffn_down_exps.weight", v, COLS * EXPERTS);
    scratch_path(s, "stacks.gguf", in);
    scratch_path(s, "out.gguf", out);
    const job_ask ask = { .scheme = "q5_0",
                          .rules = { "*=q5_0" },
                          .calibration = scratch_path(s, "importance.dat", matrix) };
    job_quantize(in, out, &ask);
    whit_source *made = job_open(out);
    unsigned char want[EXPERTS * ROWS * COLS / 32 * 22];
    const size_t each = sizeof want / EXPERTS;
    for (size_t e = 0; e < EXPERTS; e++)
        CHECK(whit_block_encode(WHIT_Q5_0, WHIT_SEARCH_BEST, w + e * ROWS * COLS, ROWS, COLS,
                                v + e * COLS, want + e * each, NULL) == WHIT_OK,
              "%zu", e);
    check_octets(made, "blk.0.ffn_down_exps.weight", want, sizeof want);
    check_rows(made, "four.weight", WHIT_SEARCH_BEST, w, ROWS * EXPERTS * 2, COLS, NULL);
    whit_source_close(made);
    free(w);
    free(v);
    remove(out);
}

/* The alignment of a source is that of every part, whatever type of number says it. */
static void alignments(const scratch *s)
{
    static const struct {
        unsigned type, octets;
        uint64_t alignment;
    } ways[] = { { GG_U32, 4, 256 }, { GG_U64, 8, 128 }, { GG_I32, 4, 8 }, { GG_U32, 4, 32 } };
    const uint64_t ne[2] = { 36, 3 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], first[SCRATCH_PATH];
    float *w = random_rows(36 * 3 * 4, 7);
    for (size_t i = 0; i < COUNT(ways); i++) {
        gg_build b = { .alignment = (size_t)ways[i].alignment };
        gg_number(&b, "general.alignment", ways[i].type, ways[i].alignment, ways[i].octets);
        for (int k = 0; k < 4; k++) {
            const char name[2] = { (char)('a' + k), 0 };
            gg_floats(&b, name, 2, ne, w + k * 108, 432);
        }
        gg_write(&b, s, "aligned.gguf");
        scratch_path(s, "aligned.gguf", in);
        scratch_path(s, "out.gguf", out);
        scratch_path(s, "out-00001-of-00005.gguf", first);
        job_quantize(in, out, &(job_ask){ .scheme = "keep", .shard_size = 1, .job.force = 1 });
        whit_source *made = job_open(first);
        const whit_file *f = whit_source_file(made);
        CHECK(whit_file_shards(f) == 5, "%zu parts", whit_file_shards(f));
        for (size_t k = 0; k < 5; k++) {
            const whit_kv *kv = whit_file_kv_find(f, k, "general.alignment");
            CHECK(kv && kv->type == WHIT_KV_U32 && *(const uint32_t *)kv->data == ways[i].alignment,
                  "alignment %zu, part %zu", i, k);
            if (k < 4) check_octets(made, whit_file_tensor(f, k)->name, w + k * 108, 432);
        }
        whit_source_close(made);
    }
    free(w);
}

static void broken(const scratch *s)
{
    static const struct {
        float value;
        job_ask ask;
        whit_status status;
        const char *words;
    } ways[] = {
        { NAN, { .scheme = "q4_0" }, WHIT_ERR_NUMERIC, "blk.0.up.weight: row 2, column 35 is NaN" },
        { INFINITY, { .scheme = "q4_k" }, WHIT_ERR_NUMERIC, "row 2, column 35 is infinite" },
        { -INFINITY, { .scheme = "q4_0", .nonfinite = WHIT_NONFINITE_CLAMP }, WHIT_OK, "" },
        { NAN, { .scheme = "q6_k", .nonfinite = WHIT_NONFINITE_ZERO }, WHIT_OK, "" },
        { 3e38f, { .scheme = "q8_0" }, WHIT_ERR_NUMERIC, "row 2: a scale of q8_0 is beyond F16" },
        { 3e38f, { .scheme = "q4_k" }, WHIT_ERR_NUMERIC, "row 2: a scale of q4_k is beyond F16" },
        { 3e38f, { .scheme = "f16" }, WHIT_ERR_NUMERIC, "is too large for the type" },
        { 3e38f, { .scheme = "mxfp4" }, WHIT_OK, "" },
    };
    const uint64_t ne[2] = { 256, 4 };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    float *w = random_rows(256 * 4, 8);
    for (size_t i = 0; i < COUNT(ways); i++) {
        gg_build b = { 0 };
        job j;
        w[256 * 2 + 35] = ways[i].value;
        gg_floats(&b, "blk.0.up.weight", 2, ne, w, 256 * 4 * 4);
        gg_write(&b, s, "broken.gguf");
        const whit_status st = job_run(&j, scratch_path(s, "broken.gguf", in),
                                       scratch_path(s, "broken-out.gguf", out), &ways[i].ask);
        CHECK(st == ways[i].status && strstr(j.err.msg, ways[i].words), "%zu: %d '%s'", i, (int)st,
              j.err.msg);
        CHECK((access(out, F_OK) == 0) == (st == WHIT_OK), "%zu: the file", i);
        job_close(&j);
        remove(out);
    }
    free(w);
}

/* The smallest ceiling on memory works, and nothing changes but the number of threads. */
static void ceiling(const scratch *s)
{
    char in[SCRATCH_PATH], a[SCRATCH_PATH], b[SCRATCH_PATH];
    job j;
    job_ask ask = { .scheme = "q4_k_m", .job.max_memory = 1 };
    scratch_path(s, "qwen3", in);
    scratch_path(s, "a.gguf", a);
    scratch_path(s, "b.gguf", b);
    CHECK(job_plan(&j, in, a, &ask) == WHIT_ERR_NOMEM, "%d", (int)j.status);
    const char *least = strstr(j.err.msg, "--max-memory ");
    CHECK(least != NULL, "%s", j.err.msg);
    ask.job.max_memory = least ? (uint64_t)atoi(least + 13) << 20 : 1 << 30;
    job_close(&j);
    job_quantize(in, a, &ask);
    ask.job = (whit_job_options){ .threads = 2 };
    job_quantize(in, b, &ask);
    CHECK(job_same_file(a, b), "another file with little memory");
}

/* What GGUF has no key or name for is said, once. */
static void vocab_notes(const scratch *s)
{
    static const char *const said[] = {
        "tokenizer.json: no name of GGUF stands for this pre-tokenizer with heeded merges and NFC; "
        "gpt-2 is the nearest",
        "pad_token zz is not in the vocabulary",
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], config[CONFIGS_TEXT];
    job j;
    configs_text(config, SMALL "tie_word_embeddings true");
    models_folder(s, "notes", config);
    scratch_text(s, "notes/tokenizer.json",
                 "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                 "\"add_prefix_space\":false},\"post_processor\":null,\"decoder\":{\"type\":"
                 "\"ByteLevel\"},\"added_tokens\":[],\"model\":{\"type\":\"BPE\",\"vocab\":"
                 "{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}");
    scratch_text(s, "notes/special_tokens_map.json", "{\"pad_token\":\"zz\"}");
    const job_ask ask = { .scheme = "f32", .shard_size = 100000 }; /* keys are made twice */
    job_plan(&j, scratch_path(s, "notes", in), scratch_path(s, "notes.gguf", out), &ask);
    CHECK(j.status == WHIT_OK, "%s", j.err.msg);
    for (size_t k = 0; j.plan && k < COUNT(said); k++) {
        size_t times = 0;
        for (size_t i = 0; i < whit_plan_warnings(j.plan); i++)
            times += strstr(whit_plan_warning(j.plan, i), said[k]) != NULL;
        CHECK(times == 1, "%zu times: %s", times, said[k]);
    }
    job_close(&j);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < COUNT(cases); i++) folder(&s, i);
    long_rows(&s);
    stacks(&s);
    alignments(&s);
    broken(&s);
    ceiling(&s);
    vocab_notes(&s);
    scratch_remove(&s);
    return check_result();
}
