/* tests/torture_jobs.h - the model that torture.c works on, and the jobs that it tortures.
 *
 * The model is a folder of two shards. Beside it lie a native file of nearly the same tensors, the
 * same weights in a GGUF file, an array in Fortran order and big-endian, archives of arrays and of
 * PyTorch, a checkpoint of llama2.c, and checkpoints of other programs: every reader is met. A
 * folder that is a whole model becomes GGUF.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TORTURE_JOBS_H
#define WHIT_TORTURE_JOBS_H

#include "block_make.h"
#include "configs.h"
#include "jobs.h"
#include "models.h"
#include "torch_build.h"

#include "job/mix.h"

typedef struct place {
    scratch s;
    char in[SCRATCH_PATH], native[SCRATCH_PATH], gguf[SCRATCH_PATH], npy[SCRATCH_PATH];
    char recipe[SCRATCH_PATH], out[SCRATCH_PATH];
    char blocks[SCRATCH_PATH], old_imatrix[SCRATCH_PATH], imatrix[SCRATCH_PATH];
    char llama[SCRATCH_PATH], importance[SCRATCH_PATH];
    char npz[SCRATCH_PATH], torch[SCRATCH_PATH], old_torch[SCRATCH_PATH], llama2c[SCRATCH_PATH];
    char said[SCRATCH_PATH], unsaid[SCRATCH_PATH]; /* checkpoints, with and without configuration */
} place;

typedef struct operation {
    const char *name;
    const char *out; /* in the scratch folder; NULL: nothing is written */
    unsigned threads;
    int old; /* something is there already, and --force */
    whit_status (*run)(const place *p, const struct operation *op, whit_error *err);
} operation;

/* ---- the model ------------------------------------------------------------------------------- */

static void write_folder(place *p, const float w[64 * 40])
{
    st_build b = { 0 };
    scratch_folder(&p->s, "in");
    st_meta(&b, "author", "somebody");
    st_add2(&b, "embed_tokens.weight", "F32", 64, 40, w, 64 * 40 * 4);
    st_add2(&b, "tall", "F32", 40, 64, w, 64 * 40 * 4);
    st_add2(&b, "only here", "I32", 0, 4, w, 16);
    st_write(&b, &p->s, "in/model-1.safetensors");
    st_add2(&b, "long", "F32", 32, 80, w, 64 * 40 * 4);
    st_add2(&b, "x.norm", "F16", 0, 64, NULL, 128);
    st_write(&b, &p->s, "in/model-2.safetensors");
    scratch_text(&p->s, "in/model.safetensors.index.json",
                 "{\"weight_map\":{\"embed_tokens.weight\":\"model-1.safetensors\","
                 "\"tall\":\"model-1.safetensors\",\"only here\":\"model-1.safetensors\","
                 "\"long\":\"model-2.safetensors\",\"x.norm\":\"model-2.safetensors\"}}");
    scratch_text(&p->s, "in/config.json", "{\"model_type\":\"llama\"}");
    scratch_text(&p->s, "in/tokenizer.json", "{}");
    scratch_path(&p->s, "in", p->in);
}

/* With one tensor less and one more, of most stored forms. */
static void write_native(place *p)
{
    st_build b = { 0 };
    char plain[SCRATCH_PATH];
    float w[64 * 40] = { 1, 2, -3 };
    st_add2(&b, "embed_tokens.weight", "F32", 64, 40, w, sizeof w);
    st_add2(&b, "tall", "F32", 40, 64, w, sizeof w);
    st_add2(&b, "only there", "F32", 0, 4, w, 16);
    st_add2(&b, "long", "F32", 32, 80, w, sizeof w);
    st_add2(&b, "x.norm", "F16", 0, 64, NULL, 128);
    st_write(&b, &p->s, "plain.safetensors");
    job_quantize(scratch_path(&p->s, "plain.safetensors", plain),
                 scratch_path(&p->s, "native.safetensors", p->native),
                 &(job_ask){ .scheme = "int4-g32-asym",
                             .embeddings = "nvfp4",
                             .rules = { "long=nf4-g64-dq", "*norm=f32" } });
    remove(plain);
}

static void write_gguf(place *p, const float w[64 * 40])
{
    static const uint64_t wide[2] = { 80, 32 }, tall[2] = { 64, 40 }, four = 4;
    gg_build b = { 0 };
    gg_string(&b, "general.name", "tortured", 8);
    gg_array(&b, "numbers", GG_U16, 3);
    gg_int(&b.keys, 0, 6);
    gg_array(&b, "words", GG_STRING, 2);
    gg_text(&b.keys, "a", 1);
    gg_text(&b.keys, "b", 1);
    gg_tensor(&b, "long", 0, 2, wide, w, 64 * 40 * 4);
    gg_tensor(&b, "tall", 0, 2, tall, w, 64 * 40 * 4);
    gg_tensor(&b, "four", 0, 1, &four, w, 16);
    gg_write(&b, &p->s, "model.gguf");
    scratch_path(&p->s, "model.gguf", p->gguf);
    unsigned char *q = block_make(WHIT_Q4_K, 80, 1);
    static const uint64_t cols[2] = { 256, 40 }, thin[2] = { 128, 3 };
    gg_tensor(&b, "blk.0.up", 12, 2, cols, q, 40 * 144);
    gg_tensor(&b, "token_embd", 12, 2, cols, q, 40 * 144);
    gg_tensor(&b, "odd", 41, 2, thin, q, 3 * 18);
    gg_write(&b, &p->s, "blocks.gguf");
    scratch_path(&p->s, "blocks.gguf", p->blocks);
    free(q);
    scratch_text(&p->s, "recipe.txt", "# of two lines\n* int4-g32\nlong fp8_e4m3-block16x16\n");
    scratch_path(&p->s, "recipe.txt", p->recipe);
}

/* Deflated arrays; a tensor and its transpose in PyTorch's two containers; a model of one layer. */
static void write_archives(place *p, const float w[64 * 40])
{
    static const uint64_t shape[2] = { 8, 40 }, plain[2] = { 40, 1 }, other[2] = { 40, 8 };
    static const uint64_t turned[2] = { 1, 40 };
    static const uint32_t numbers[] = { 8, 16, 1, 2, 1, 12, 4 };
    st_text array = { 0 }, model = { 0 };
    zb_build z = { 0 };
    tb_build b = { 0 };
    st_putf(&array, "%cNUMPY%c%c%c%c%-117s\n", 0x93, 1, 0, 118, 0,
            "{'descr': '<f4', 'fortran_order': True, 'shape': (8, 40)}");
    st_put(&array, w, 8 * 40 * 4);
    zb_add(&z, "a.npy", array.data, array.len, 8);
    zb_add(&z, "note", "left out", 8, 0);
    zb_write(&z, &p->s, "arrays.npz");
    const size_t s = tb_add(&b, "Float", w, 8 * 40, 8 * 40 * 4);
    tb_tensor(&b, "a", s, 0, 2, shape, plain);
    tb_tensor(&b, "b", s, 0, 2, other, turned);
    tb_write_zip(&b, &p->s, "zip.pt", 8);
    tb_write_old(&b, &p->s, "old.pth");
    for (int i = 0; i < 7; i++) zb_u32(&model, numbers[i]);
    while (model.len < 28 + 4 * (12 * 8 + 2 * 8 + 3 * 8 * 16 + 2 * 64 + 2 * 32 + 8 + 2 * 4 * 2))
        st_put(&model, w, 4);
    scratch_write(&p->s, "model.bin", model.data, model.len);
    scratch_path(&p->s, "arrays.npz", p->npz);
    scratch_path(&p->s, "zip.pt", p->torch);
    scratch_path(&p->s, "old.pth", p->old_torch);
    scratch_path(&p->s, "model.bin", p->llama2c);
    tb_free(&b);
    free(model.data);
    free(array.data);
}

/* Importance matrices: two entries in the old form, a pair of tensors in a GGUF file. */
static void write_imatrices(place *p)
{
    static const char entries[] = "\2\0\0\0\1\0\0\0a\0\0\0\0\1\0\0\0\0\0\200\77"
                                  "\1\0\0\0b\1\0\0\0\1\0\0\0\0\0\200\77\1\0\0\0\1\0\0\0x";
    static const uint64_t four = 4, one = 1;
    gg_build b = { 0 };
    scratch_write(&p->s, "old.dat", entries, sizeof entries - 1);
    scratch_path(&p->s, "old.dat", p->old_imatrix);
    gg_string(&b, "general.type", "imatrix", 7);
    gg_array(&b, "imatrix.datasets", GG_STRING, 1);
    gg_text(&b.keys, "x", 1);
    gg_number(&b, "imatrix.chunk_count", GG_U32, 1, 4);
    gg_number(&b, "imatrix.chunk_size", GG_U32, 1, 4);
    gg_tensor(&b, "a.in_sum2", 0, 1, &four, "\0\0\200\77\0\0\200\77\0\0\200\77\0\0\200\77", 16);
    gg_tensor(&b, "a.counts", 0, 1, &one, "\0\0\200\77", 4);
    gg_write(&b, &p->s, "imatrix.gguf");
    scratch_path(&p->s, "imatrix.gguf", p->imatrix);
}

/* Their codes and scales are zeros. */
static void write_checkpoints(place *p)
{
    static const char state[] = "{\"quant_type\":\"nf4\",\"blocksize\":32,\"dtype\":\"float16\","
                                "\"shape\":[8,40],\"nested_blocksize\":256,"
                                "\"nested_dtype\":\"float32\",\"nested_offset\":0.5}";
    static const int64_t shape[2] = { 16, 64 };
    st_build b = { 0 };
    scratch_folder(&p->s, "said");
    st_add2(&b, "a.weight_packed", "I32", 16, 8, NULL, 512);
    st_add2(&b, "a.weight_scale", "F16", 16, 2, NULL, 64);
    st_add2(&b, "a.weight_zero_point", "I32", 2, 2, NULL, 16);
    st_add2(&b, "a.weight_shape", "I64", 0, 2, shape, 16);
    st_add2(&b, "b.weight", "I8", 16, 64, NULL, 1024);
    st_add2(&b, "b.weight_scale", "F32", 16, 1, NULL, 64);
    st_write(&b, &p->s, "said/model.safetensors");
    scratch_text(
        &p->s, "said/config.json",
        "{\"quantization_config\":{\"config_groups\":{\"0\":{\"weights\":{\"num_bits\":8,"
        "\"strategy\":\"channel\"}},\"1\":{\"weights\":{\"num_bits\":4,\"symmetric\":false,"
        "\"strategy\":\"group\",\"group_size\":32}}}}}");
    scratch_path(&p->s, "said", p->said);
    scratch_folder(&p->s, "unsaid");
    st_add2(&b, "c.qweight", "I32", 8, 16, NULL, 512);
    st_add2(&b, "c.qzeros", "I32", 2, 2, NULL, 16);
    st_add2(&b, "c.scales", "F16", 2, 16, NULL, 64);
    st_add2(&b, "c.g_idx", "I32", 0, 64, NULL, 256);
    st_add2(&b, "d.qweight", "I32", 64, 2, NULL, 512);
    st_add2(&b, "d.qzeros", "I32", 2, 2, NULL, 16);
    st_add2(&b, "d.scales", "F16", 2, 16, NULL, 64);
    st_add2(&b, "e.weight", "U8", 160, 1, NULL, 160);
    st_add2(&b, "e.weight.absmax", "U8", 0, 10, NULL, 10);
    st_add2(&b, "e.weight.quant_map", "F32", 0, 16, NULL, 64);
    st_add2(&b, "e.weight.nested_absmax", "F32", 0, 1, NULL, 4);
    st_add2(&b, "e.weight.nested_quant_map", "F32", 0, 256, NULL, 1024);
    st_add2(&b, "e.weight.quant_state.bitsandbytes__nf4", "U8", 0, sizeof state - 1, state,
            sizeof state - 1);
    st_write(&b, &p->s, "unsaid/model.safetensors");
    scratch_text(&p->s, "unsaid/config.json", "{\"model_type\":\"llama\"}");
    scratch_path(&p->s, "unsaid", p->unsaid);
}

static void write_npy(place *p, const float w[64 * 40])
{
    st_text t = { 0 };
    st_putf(&t, "%cNUMPY%c%c%c%c%-117s\n", 0x93, 1, 0, 118, 0,
            "{'descr': '>f4', 'fortran_order': True, 'shape': (64, 40)}");
    st_put(&t, w, 64 * 40 * 4);
    for (size_t i = t.len - 64 * 40 * 4; i < t.len; i += 4) t.data[i + 1] = 0; /* no NaN */
    scratch_write(&p->s, "array.npy", t.data, t.len);
    free(t.data);
    scratch_path(&p->s, "array.npy", p->npy);
}

/* A model of one layer with its vocabulary; an importance matrix for one of its tensors. */
static void write_llama(place *p)
{
    char config[CONFIGS_TEXT];
    st_text t = { 0 };
    static const char name[] = "blk.0.attn_q.weight";
    configs_text(config, "vocab_size 5\nnum_hidden_layers 1\nhidden_size 32\nintermediate_size 64\n"
                         "num_attention_heads 2\nnum_key_value_heads 1\nattention_bias true\n"
                         "bos_token_id 0\neos_token_id 1\nrope_scaling {\"rope_type\":\"llama3\","
                         "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                         "\"original_max_position_embeddings\":128}");
    models_folder(&p->s, "llama", config);
    scratch_text(&p->s, "llama/tokenizer.json",
                 "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                 "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
                 "{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}");
    scratch_text(&p->s, "llama/tokenizer_config.json", "{\"bos_token\":\"a\"}");
    scratch_path(&p->s, "llama", p->llama);
    gg_int(&t, 1, 4);
    gg_int(&t, sizeof name - 1, 4);
    st_put(&t, name, sizeof name - 1);
    gg_int(&t, 0, 4);
    gg_int(&t, 32, 4);
    for (int i = 0; i < 32; i++) st_put(&t, i % 3 ? "\0\0\200\77" : "\0\0\200\76", 4);
    scratch_write(&p->s, "llama.dat", t.data, t.len);
    free(t.data);
    scratch_path(&p->s, "llama.dat", p->importance);
}

static void write_model(place *p)
{
    check_rng r = { 12 };
    float w[64 * 40];
    for (size_t i = 0; i < 64 * 40; i++) w[i] = check_f32(&r);
    write_folder(p, w);
    write_native(p);
    write_gguf(p, w);
    write_npy(p, w);
    write_archives(p, w);
    write_imatrices(p);
    write_llama(p);
    write_checkpoints(p);
}

/* ---- the jobs -------------------------------------------------------------------------------- */

static whit_job_options options_of(const operation *op)
{
    whit_job_options o;
    whit_job_options_init(&o);
    o.threads = op->threads;
    o.force = op->old;
    return o;
}

static whit_status open_native(const place *p, const operation *op, whit_error *err)
{
    whit_source *src;
    (void)op;
    whit_status st = whit_source_open(&src, p->native, err);
    whit_source_close(src);
    return st;
}

static whit_status quantize(const place *p, const operation *op, whit_error *err)
{
    job j;
    const job_ask ask = { .scheme = "int4-g32",
                          .embeddings = "int8",
                          .job = options_of(op),
                          .rules = { "long=int3-tensor", "*norm=f32", "tall=int5-channel-asym" } };
    int runs = op->out != NULL;
    whit_status st = runs ? job_run(&j, p->in, p->out, &ask) : job_plan(&j, p->in, NULL, &ask);
    *err = j.err;
    job_close(&j);
    return st;
}

/* What the other knobs add: a recipe and shards of a size, or fake quantization. */
static whit_status with_knobs(const place *p, const operation *op, const char *in, int fake,
                              whit_error *err)
{
    whit_source *src = NULL;
    whit_plan *plan = NULL;
    whit_quantize_options o;
    whit_quantize_options_init(&o);
    o.job = options_of(op);
    o.fake_quant = fake;
    o.scheme = fake ? "nf4-g64-dq" : NULL;
    o.recipe = fake ? NULL : p->recipe;
    o.shard_size = fake ? 0 : 7000;
    whit_status st = whit_source_open(&src, in, err);
    if (st == WHIT_OK) st = whit_plan_make(&plan, src, &o, p->out, err);
    if (st == WHIT_OK) st = whit_plan_run(plan, NULL, err);
    whit_plan_free(plan);
    whit_source_close(src);
    return st;
}

static whit_status cut_gguf(const place *p, const operation *op, whit_error *err)
{
    return with_knobs(p, op, p->gguf, 0, err);
}

static whit_status fake_npy(const place *p, const operation *op, whit_error *err)
{
    return with_knobs(p, op, p->npy, 1, err);
}

static whit_status sweep(const place *p, const operation *op, whit_error *err)
{
    job j;
    whit_sweep *sweep = NULL;
    const job_ask ask = { .job = options_of(op), .clip = WHIT_CLIP_MINMAX };
    whit_status st = job_plan(&j, p->npy, NULL, &ask);
    *err = j.err;
    if (st == WHIT_OK) st = whit_sweep_run(&sweep, j.plan, err);
    whit_sweep_free(sweep);
    job_close(&j);
    return st;
}

/* d dequantize, k check, s statistics, c compare with the folder. */
static whit_status on_native(const place *p, const operation *op, whit_error *err, char what)
{
    whit_source *src;
    whit_comparison *c = NULL;
    whit_check *k = NULL;
    whit_stats *s = NULL;
    const whit_job_options o = options_of(op);
    whit_status st = whit_source_open(&src, p->native, err);
    if (st == WHIT_OK && what == 'd') st = whit_dequantize_model(src, p->out, WHIT_F16, &o, err);
    if (st == WHIT_OK && what == 'k') st = whit_check_run(&k, src, &o, err);
    if (st == WHIT_OK && what == 's') st = whit_stats_run(&s, src, &o, err);
    if (st == WHIT_OK && what == 'c') {
        whit_source *plain;
        st = whit_source_open(&plain, p->in, err);
        if (st == WHIT_OK) st = whit_compare(&c, plain, src, &o, err);
        /* a lone tensor on each side: two warnings, or one was lost */
        if (st == WHIT_OK && whit_comparison_warnings(c) != 2) {
            st = err->code = WHIT_ERR_BAR;
            snprintf(err->msg, sizeof err->msg, "a warning is lost");
        }
        whit_comparison_free(c);
        whit_source_close(plain);
    }
    whit_stats_free(s);
    whit_check_free(k);
    whit_source_close(src);
    return st;
}

static whit_status dequantize(const place *p, const operation *op, whit_error *err)
{
    return on_native(p, op, err, 'd');
}

static whit_status compare(const place *p, const operation *op, whit_error *err)
{
    return on_native(p, op, err, 'c');
}

static whit_status check(const place *p, const operation *op, whit_error *err)
{
    return on_native(p, op, err, 'k');
}

static whit_status stats(const place *p, const operation *op, whit_error *err)
{
    return on_native(p, op, err, 's');
}

/* Digests, scales and codes; then tensors made again: those that are not from another source fit.
 */
static whit_status verify(const place *p, const operation *op, whit_error *err)
{
    whit_source *src = NULL, *plain = NULL;
    whit_verification *v = NULL;
    whit_verify_options o;
    whit_verify_options_init(&o);
    o.job = options_of(op);
    o.sample = 0;
    whit_status st = whit_source_open(&src, p->native, err);
    if (st == WHIT_OK) st = whit_source_open(&plain, p->in, err);
    o.against = plain;
    if (st == WHIT_OK) st = whit_verify(&v, src, &o, err);
    /* "only here" is missing, "only there" is not from the source, and the weights are others */
    if (st == WHIT_OK && whit_verification_problems(v) != 5) {
        st = err->code = WHIT_ERR_BAR;
        snprintf(err->msg, sizeof err->msg, "%zu problems", whit_verification_problems(v));
    }
    whit_verification_free(v);
    whit_source_close(plain);
    whit_source_close(src);
    return st;
}

/* Blocks of GGUF: decoded, or with 2 threads quantized again. */
static whit_status from_blocks(const place *p, const operation *op, whit_error *err)
{
    whit_source *src = NULL;
    whit_plan *plan = NULL;
    whit_report *report = NULL;
    whit_quantize_options o;
    whit_quantize_options_init(&o);
    o.job = options_of(op);
    o.requantize = 1;
    whit_status st = whit_source_open(&src, p->blocks, err);
    if (st == WHIT_OK && op->threads == 1)
        st = whit_dequantize_model(src, p->out, WHIT_F32, &o.job, err);
    if (st == WHIT_OK && op->threads > 1) st = whit_plan_make(&plan, src, &o, p->out, err);
    if (st == WHIT_OK && plan) st = whit_plan_run(plan, &report, err);
    whit_report_free(report);
    whit_plan_free(plan);
    whit_source_close(src);
    return st;
}

/* A folder becomes GGUF; over an old file or with 2 threads with weighed errors. */
static whit_status to_gguf(const place *p, const operation *op, whit_error *err)
{
    job j;
    const int weighs = op->old || op->threads > 1;
    const job_ask ask = { .scheme = weighs ? "q4_k_m" : NULL,
                          .rules = { weighs ? "*.o_proj=q8_0" : NULL },
                          .calibration = weighs ? p->importance : NULL,
                          .job = options_of(op) };
    whit_status st = job_run(&j, p->llama, p->out, &ask);
    *err = j.err;
    job_close(&j);
    return st;
}

/* In parts, which have a folder of their own here: then they are what is there, or not. */
static whit_status to_parts(const place *p, const operation *op, whit_error *err)
{
    char out[SCRATCH_PATH];
    job j;
    const job_ask ask = { .scheme = "q8_0", .shard_size = 6000, .job = options_of(op) };
    snprintf(out, sizeof out, "%.*s/m.gguf", SCRATCH_PATH / 2, p->out);
    __real_mkdir(p->out, 0700);
    whit_status st = job_run(&j, p->llama, out, &ask);
    if (st != WHIT_OK) rmdir(p->out);
    *err = j.err;
    job_close(&j);
    return st;
}

/* A checkpoint of another program, decoded. */
static whit_status from_checkpoint(const place *p, const operation *op, whit_error *err)
{
    whit_source *src = NULL;
    const whit_job_options o = options_of(op);
    whit_status st = whit_source_open(&src, op->threads > 1 ? p->unsaid : p->said, err);
    if (st == WHIT_OK) st = whit_dequantize_model(src, p->out, WHIT_F16, &o, err);
    whit_source_close(src);
    return st;
}

/* Each is listed and read through. */
static whit_status archives(const place *p, const operation *op, whit_error *err)
{
    const char *const paths[] = { p->npz, p->torch, p->old_torch, p->llama2c };
    const whit_job_options o = options_of(op);
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && st == WHIT_OK; i++) {
        whit_source *src = NULL;
        whit_stats *stats = NULL;
        st = whit_source_open(&src, paths[i], err);
        if (st == WHIT_OK) st = whit_stats_run(&stats, src, &o, err);
        whit_stats_free(stats);
        whit_source_close(src);
    }
    return st;
}

static whit_status imatrices(const place *p, const operation *op, whit_error *err)
{
    whit_imatrix *m;
    (void)op;
    whit_status st = whit_imatrix_open(&m, p->old_imatrix, err);
    whit_imatrix_close(m);
    if (st != WHIT_OK) return st;
    st = whit_imatrix_open(&m, p->imatrix, err);
    whit_imatrix_close(m);
    return st;
}

static whit_status mix(const place *p, const operation *op, whit_error *err)
{
    static const wh_mix_tensor tensors[] = {
        { "blk.0.attn_v.weight", 2, 64, 256, WHIT_F32 },
        { "blk.0.ffn_down.weight", 2, 64, 256, WHIT_F32 },
    };
    const wh_mix_model model = { 1, 1, 0 };
    wh_mix_survey *survey;
    (void)p;
    (void)op;
    whit_status st = wh_mix_survey_make(&survey, wh_mix_at(0), &model, tensors, 2, err);
    wh_mix_survey_free(survey);
    return st;
}

static const operation operations[] = {
    /* clang-format off */
    { "open",                    NULL,              1, 0, open_native },
    { "plan",                    NULL,              1, 0, quantize },
    { "quantize to a folder",    "out",             1, 0, quantize },
    { "the same, 2 threads",     "out",             2, 0, quantize },
    { "quantize to a file",      "out.safetensors", 1, 0, quantize },
    { "over an old file",        "old.safetensors", 1, 1, quantize },
    { "over an old folder",      "old",             1, 1, quantize },
    { "GGUF, recipe, shards",    "cut",             2, 0, cut_gguf },
    { "NPY, fake quantization",  "f.safetensors",   1, 0, fake_npy },
    { "NPZ, PyTorch, llama2.c",  NULL,              1, 0, archives },
    { "sweep",                   NULL,              1, 0, sweep },
    { "dequantize",              "d.safetensors",   1, 0, dequantize },
    { "the same, 2 threads",     "d.safetensors",   2, 0, dequantize },
    { "compare",                 NULL,              1, 0, compare },
    { "check, 2 threads",        NULL,              2, 0, check },
    { "verify",                  NULL,              1, 0, verify },
    { "verify, 2 threads",       NULL,              2, 0, verify },
    { "statistics",              NULL,              1, 0, stats },
    { "blocks, dequantize",      "d.safetensors",   1, 0, from_blocks },
    { "blocks again, 2 threads", "d.safetensors",   2, 0, from_blocks },
    { "a checkpoint",            "d.safetensors",   1, 0, from_checkpoint },
    { "checkpoints, 2 threads",  "d.safetensors",   2, 0, from_checkpoint },
    { "importance matrices",     NULL,              1, 0, imatrices },
    { "GGUF",                    "m.gguf",          1, 0, to_gguf },
    { "GGUF, weighed",           "m.gguf",          2, 0, to_gguf },
    { "over an old GGUF",        "old.gguf",        1, 1, to_gguf },
    { "GGUF in parts",           "parts",           1, 0, to_parts },
    { "mix",                     NULL,              1, 0, mix },
    /* clang-format on */
};

#endif
