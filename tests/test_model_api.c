/* tests/test_model_api.c - opening and feeding models: quantized weights, what is told about them,
 * the hook, sessions side by side, and what is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>
#include <pthread.h>

#include "configs.h"
#include "jobs.h"
#include "models.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED
#define TOKENS 24
#define VOCABULARY 64
#define WIDE "hidden_size 64\nintermediate_size 96\nnum_hidden_layers 2\nvocab_size 64\n"
#define QWEN3 "architectures [\"Qwen3ForCausalLM\"]\nhead_dim 16\n"

static uint32_t ids[TOKENS];

/* Logits of all tokens, in pieces. */
static void run(whit_model *m, size_t piece, float logits[TOKENS][VOCABULARY])
{
    whit_session *s = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_session_open(&s, m, TOKENS, &err) == WHIT_OK, "%s", err.msg);
    for (size_t t = 0; t < TOKENS; t += piece) {
        size_t n = TOKENS - t < piece ? TOKENS - t : piece;
        CHECK(whit_session_feed(s, ids + t, n, WHIT_LOGITS_ALL, logits[t], &err) == WHIT_OK, "%s",
              err.msg);
    }
    whit_session_close(s);
}

static void run_path(const char *path, whit_acts acts, float logits[TOKENS][VOCABULARY])
{
    whit_model *m = models_open(path, 2, acts);
    run(m, TOKENS, logits);
    whit_model_close(m);
}

static double distance(float a[TOKENS][VOCABULARY], float b[TOKENS][VOCABULARY])
{
    double most = 0, scale = 0;
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < VOCABULARY; i++) {
            double d = fabs((double)a[t][i] - (double)b[t][i]);
            if (!(d <= most)) most = d;
            scale = fmax(scale, fabs((double)b[t][i]));
        }
    return most / scale;
}

/* ---- quantized weights ------------------------------------------------------------------------
 */

/* The decoded values of a model, as a folder of float32. */
static void decode_model(const scratch *s, const char *from, const char *name, const char *config)
{
    char file[128];
    st_build b = { 0 };
    whit_error err = { WHIT_OK, "" };
    whit_source *in = job_open(from);
    for (size_t i = 0; i < whit_source_count(in); i++) {
        const whit_source_tensor *t = whit_source_at(in, i);
        const size_t n = (size_t)t->tensor.elements;
        float *w = malloc(n * sizeof *w);
        CHECK(w && whit_source_read_f32(in, i, 0, t->rows, 0, t->cols, w, &err) == WHIT_OK, "%s",
              err.msg);
        st_add2(&b, t->tensor.name, "F32", t->tensor.rank == 1 ? 0 : t->rows, t->cols, w,
                n * sizeof *w);
        free(w);
    }
    whit_source_close(in);
    scratch_folder(s, name);
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    st_write(&b, s, file);
    snprintf(file, sizeof file, "%s/config.json", name);
    scratch_text(s, file, config);
}

static const struct {
    const char *scheme, *form; /* of the first linear */
    int decoded, q8;
} schemes[] = {
    { "int8-channel", "q8c", 0, 1 }, { "int4-g32", "q4g", 0, 1 }, { "int4-g32-asym", "q4gz", 0, 1 },
    { "int3-g64", "q3c", 0, 1 },     { "nf4-g32", "nf4b", 0, 1 }, { "fp8_e4m3", "f8c", 0, 0 },
    { "int8-tensor", "q8c", 0, 1 },  { "f16", "f16", 0, 0 },      { "bf16", "bf16", 0, 0 },
    { "mxfp4", "nf4b", 0, 1 },
};

/* A quantized model is the model of its decoded weights; what it is multiplied with is told. */
static void check_scheme(const scratch *s, const char *in, size_t i, const char *config)
{
    char out[SCRATCH_PATH], plain[SCRATCH_PATH], name[64];
    static float got[TOKENS][VOCABULARY], want[TOKENS][VOCABULARY], again[TOKENS][VOCABULARY];
    snprintf(name, sizeof name, "q%zu", i);
    const job_ask ask = { .scheme = schemes[i].scheme };
    job_quantize(in, scratch_path(s, name, out), &ask);
    snprintf(name, sizeof name, "p%zu", i);
    decode_model(s, out, name, config);
    run_path(scratch_path(s, name, plain), WHIT_ACTS_F32, want);
    run_path(out, WHIT_ACTS_F32, got);
    CHECK(distance(got, want) < 1e-5, "%s: %g", schemes[i].scheme, distance(got, want));

    whit_model *m = models_open(out, 1, WHIT_ACTS_Q8);
    const whit_model_linear *l = whit_model_linear_at(m, 0);
    CHECK(strcmp(l->info.form, schemes[i].form) == 0 && l->info.decoded == schemes[i].decoded,
          "%s: %s", schemes[i].scheme, l->info.form);
    CHECK(l->acts == (schemes[i].q8 ? WHIT_ACTS_Q8 : WHIT_ACTS_F32), "%s: acts", schemes[i].scheme);
    run(m, TOKENS, got);
    run(m, 5, again);
    CHECK(memcmp(got, again, sizeof got) == 0, "%s: int8 activations in pieces", schemes[i].scheme);
    const double off = distance(got, want);
    CHECK(schemes[i].q8 ? off > 1e-6 && off < 0.1 : off < 1e-5, "%s: %g with int8 activations",
          schemes[i].scheme, off);
    whit_model_close(m);
}

static void test_schemes(const scratch *s)
{
    char text[CONFIGS_TEXT], in[SCRATCH_PATH];
    const char *config = configs_text(text, WIDE QWEN3);
    models_folder(s, "float", config);
    scratch_path(s, "float", in);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) check_scheme(s, in, i, config);
}

/* GGUF blocks are multiplied as what they decode to. */
static void test_blocks(const scratch *s, const char *data)
{
    char path[SCRATCH_PATH], out[SCRATCH_PATH];
    static const char *const tables[] = { "iq4_nl", "mxfp4" };
    snprintf(path, sizeof path, "%s/gguf/stories260K-q4_0.gguf", data);
    whit_model *m = models_open(path, 1, WHIT_ACTS_F32);
    const whit_model_linear *l = whit_model_linear_at(m, 0);
    CHECK(strcmp(l->tensor, "blk.0.attn_q.weight") == 0 && l->info.scheme.kind == WHIT_GGUF &&
              !l->info.decoded && strcmp(l->info.form, "q4g") == 0,
          "%s as %s", l->tensor, l->info.form);
    l = whit_model_linear_at(m, whit_model_linears(m) - 1);
    CHECK(strcmp(l->tensor, "token_embd.weight") == 0 && l->layer == -1, "%s", l->tensor);
    whit_model_close(m);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const job_ask ask = { .scheme = tables[i], .requantize = 1 };
        job_quantize(path, scratch_path(s, "table.gguf", out), &ask);
        m = models_open(out, 1, WHIT_ACTS_Q8);
        l = whit_model_linear_at(m, 0);
        CHECK(l->info.scheme.kind == WHIT_GGUF && !l->info.decoded && l->acts == WHIT_ACTS_Q8 &&
                  strcmp(l->info.form, "t4g") == 0,
              "%s as %s", tables[i], l->info.form);
        whit_model_close(m);
        remove(out);
    }
}

/* ---- long texts ------------------------------------------------------------------------------ */

/* More tokens than pass through the layers together. */
static void test_long(const char *data)
{
    static uint32_t text[400];
    static float whole[512], pieces[512];
    char path[SCRATCH_PATH];
    whit_session *s = NULL;
    whit_error err = { WHIT_OK, "" };
    snprintf(path, sizeof path, "%s/stories260K", data);
    whit_model *m = models_open(path, 2, WHIT_ACTS_F32);
    for (uint32_t i = 0; i < 400; i++) text[i] = i ? (7 * i + 3) % 512 : 1;
    CHECK(whit_session_open(&s, m, 400, &err) == WHIT_OK &&
              whit_session_feed(s, text, 400, WHIT_LOGITS_LAST, whole, &err) == WHIT_OK,
          "%s", err.msg);
    for (size_t n = 1; n <= 300; n += 99) {
        whit_session_rewind(s, 0);
        for (size_t t = 0; t < 400; t += n)
            whit_session_feed(s, text + t, 400 - t < n ? 400 - t : n, WHIT_LOGITS_LAST, pieces,
                              &err);
        CHECK(whit_session_position(s) == 400 && memcmp(whole, pieces, sizeof whole) == 0,
              "in pieces of %zu", n);
    }
    whit_session_close(s);
    whit_model_close(m);
}

/* ---- what is told -----------------------------------------------------------------------------
 */

static void test_info(const char *data)
{
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/stories260K", data);
    whit_model *m = models_open(path, 3, WHIT_ACTS_F32);
    const whit_model_info *i = whit_model_describe(m);
    CHECK(strcmp(i->architecture, "llama") == 0 && strcmp(i->path, path) == 0 && !*i->name,
          "texts");
    CHECK(i->width == 64 && i->layers == 5 && i->heads == 8 && i->kv_heads == 4 &&
              i->head_width == 8 && i->ffn_width == 172 && i->vocabulary == 512 &&
              i->context == 512 && i->window == 0 && i->window_layer == 5,
          "sizes");
    CHECK(i->bos == 1 && i->eos_count == 1 && i->eos[0] == 2 && i->threads == 3, "ids");
    CHECK(i->parameters == 260032, "%llu parameters", (unsigned long long)i->parameters);
    CHECK(whit_model_warnings(m) == 0 && !whit_model_warning(m, 0), "no warnings");
    CHECK(whit_model_linears(m) == 36 && !whit_model_linear_at(m, 36), "linears");
    const whit_model_linear *l = whit_model_linear_at(m, 13);
    CHECK(strcmp(l->tensor, "model.layers.1.mlp.down_proj.weight") == 0 && l->layer == 1 &&
              l->info.rows == 64 && l->info.cols == 172 && strcmp(l->info.form, "f16") == 0,
          "%s", l->tensor);
    CHECK(strcmp(whit_model_linear_at(m, 35)->tensor, "model.embed_tokens.weight") == 0, "tied");
    whit_model_close(m);
    whit_model_close(NULL);
}

/* ---- the hook ---------------------------------------------------------------------------------
 */

typedef struct seen {
    size_t calls, tokens, position;
    int ordered, same;
    float x[TOKENS * 64]; /* of linear 0 */
    const whit_model *m;
} seen;

static void watch(void *ctx, const whit_linear_input *in)
{
    seen *w = ctx;
    const whit_model_linear *l = whit_model_linear_at(w->m, in->linear);
    w->ordered &= in->linear == w->calls % whit_model_linears(w->m);
    w->ordered &= l && l->info.cols == in->cols;
    w->calls++;
    w->tokens = in->tokens;
    w->position = in->position;
    if (in->linear == 0) memcpy(w->x, in->x, in->tokens * in->cols * sizeof(float));
    if (in->linear == 1 || in->linear == 2)
        w->same &= memcmp(w->x, in->x, in->tokens * in->cols * sizeof(float)) == 0;
}

static void test_watch(const scratch *s)
{
    char path[SCRATCH_PATH];
    float logits[VOCABULARY];
    static seen w;
    whit_session *session = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_model *m = models_open(scratch_path(s, "float", path), 1, WHIT_ACTS_F32);
    w = (seen){ .ordered = 1, .same = 1, .m = m };
    CHECK(whit_session_open(&session, m, 0, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_session_positions(session) == 512, "as many as the context");
    whit_session_watch(session, watch, &w);
    CHECK(whit_session_feed(session, ids, 9, WHIT_LOGITS_LAST, logits, &err) == WHIT_OK, "%s",
          err.msg);
    CHECK(w.calls == 15 && w.ordered && w.same, "%zu calls", w.calls);
    CHECK(w.tokens == 1 && w.position == 8, "the head sees the last token only");
    /* the first input is the norm of the embeddings, whose weights are around 1 */
    double squares = 0;
    for (int i = 0; i < 64; i++) squares += (double)w.x[i] * (double)w.x[i];
    CHECK(squares > 32 && squares < 128, "normed: %g", squares);
    CHECK(whit_session_feed(session, ids, 3, WHIT_LOGITS_NONE, NULL, &err) == WHIT_OK &&
              w.calls == 29 && w.tokens == 3 && w.position == 9,
          "%zu calls: no head without logits", w.calls);
    whit_session_watch(session, NULL, NULL);
    CHECK(whit_session_feed(session, ids, 3, WHIT_LOGITS_LAST, logits, &err) == WHIT_OK &&
              w.calls == 29,
          "no more");
    whit_session_close(session);
    whit_session_close(NULL);
    whit_model_close(m);
}

/* ---- sessions ---------------------------------------------------------------------------------
 */

static void test_sessions(const scratch *s)
{
    static float all[TOKENS][VOCABULARY], two[2][TOKENS][VOCABULARY];
    char path[SCRATCH_PATH];
    float last[VOCABULARY];
    whit_session *a = NULL, *b = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_model *m = models_open(scratch_path(s, "float", path), 2, WHIT_ACTS_F32);
    run(m, TOKENS, all);
    CHECK(whit_session_open(&a, m, TOKENS, &err) == WHIT_OK &&
              whit_session_open(&b, m, TOKENS + 40, &err) == WHIT_OK,
          "%s", err.msg);
    for (size_t t = 0; t < TOKENS; t += 4) { /* side by side */
        whit_session_feed(a, ids + t, 4, WHIT_LOGITS_ALL, two[0][t], &err);
        whit_session_feed(b, ids + t, 4, WHIT_LOGITS_ALL, two[1][t], &err);
    }
    CHECK(memcmp(all, two[0], sizeof all) == 0 && memcmp(all, two[1], sizeof all) == 0, "two");
    whit_session_rewind(a, 10);
    whit_session_rewind(a, 11);
    CHECK(whit_session_position(a) == 10, "rewound");
    CHECK(whit_session_feed(a, ids + 10, 3, WHIT_LOGITS_LAST, last, &err) == WHIT_OK &&
              memcmp(last, all[12], sizeof last) == 0,
          "the same again");
    whit_session_rewind(a, 0);
    CHECK(whit_session_feed(a, ids, 0, WHIT_LOGITS_ALL, NULL, &err) == WHIT_OK, "none");
    CHECK(whit_session_feed(a, ids, TOKENS, WHIT_LOGITS_LAST, last, &err) == WHIT_OK &&
              memcmp(last, all[TOKENS - 1], sizeof last) == 0,
          "from the start");
    whit_session_close(a);
    whit_session_close(b);
    whit_model_close(m);
}

static void test_session_errors(const scratch *s)
{
    static const uint32_t beyond[3] = { 1, VOCABULARY, 2 };
    char path[SCRATCH_PATH];
    float logits[8][VOCABULARY];
    whit_session *a = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_model *m = models_open(scratch_path(s, "float", path), 1, WHIT_ACTS_F32);
    CHECK(whit_session_open(NULL, m, 8, &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_session_open(&a, NULL, 8, &err) == WHIT_ERR_ARG && !a, "no model");
    CHECK(whit_session_open(&a, m, SIZE_MAX, &err) == WHIT_ERR_ARG && !a, "%s", err.msg);
    CHECK(whit_session_open(&a, m, 8, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_session_feed(a, ids, 3, WHIT_LOGITS_ALL, logits[0], &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_session_feed(a, beyond, 3, WHIT_LOGITS_ALL, logits[0], &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "id 64, but 64 tokens"),
          "%s", err.msg);
    CHECK(whit_session_feed(a, ids, 6, WHIT_LOGITS_ALL, logits[0], &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "6 tokens, but 5 positions left"),
          "%s", err.msg);
    CHECK(whit_session_feed(a, NULL, 1, WHIT_LOGITS_NONE, NULL, &err) == WHIT_ERR_ARG, "no ids");
    CHECK(whit_session_feed(a, ids, 1, WHIT_LOGITS_LAST, NULL, &err) == WHIT_ERR_ARG, "no room");
    CHECK(whit_session_feed(a, ids, 1, (whit_logits)7, logits[0], &err) == WHIT_ERR_ARG, "which");
    CHECK(whit_session_feed(NULL, ids, 1, WHIT_LOGITS_NONE, NULL, &err) == WHIT_ERR_ARG, "null");
    CHECK(whit_session_position(a) == 3, "as before");
    CHECK(whit_session_feed(a, ids, 5, WHIT_LOGITS_NONE, NULL, &err) == WHIT_OK, "%s", err.msg);
    whit_session_close(a);
    whit_model_close(m);
}

typedef struct caller {
    whit_model *m;
    whit_status st;
    float logits[TOKENS][VOCABULARY];
} caller;

/* Without CHECK, which is not for threads. */
static void *call(void *ctx)
{
    caller *c = ctx;
    whit_session *s = NULL;
    c->st = whit_session_open(&s, c->m, TOKENS, NULL);
    for (size_t t = 0; t < TOKENS && c->st == WHIT_OK; t += 3)
        c->st = whit_session_feed(s, ids + t, 3, WHIT_LOGITS_ALL, c->logits[t], NULL);
    whit_session_close(s);
    return NULL;
}

static void test_threads(const scratch *s)
{
    static caller callers[4];
    char path[SCRATCH_PATH];
    pthread_t thread[4];
    whit_model *m = models_open(scratch_path(s, "float", path), 2, WHIT_ACTS_F32);
    for (int i = 0; i < 4; i++) {
        callers[i].m = m;
        if (pthread_create(&thread[i], NULL, call, &callers[i]) != 0) scratch_die("a thread");
    }
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < 4; i++)
        CHECK(callers[i].st == WHIT_OK &&
                  memcmp(callers[0].logits, callers[i].logits, sizeof callers[0].logits) == 0,
              "caller %d", i);
    whit_model_close(m);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

/* One change to a good folder: a tensor left out, added, or made otherwise. */
static const struct {
    const char *what, *left_out, *added, *dtype;
    uint64_t rows, cols;
    whit_status want;
    const char *words;
} models[] = {
    { "nothing", "", "", "", 0, 0, WHIT_OK, "" },
    { "a missing matrix", "model.layers.1.mlp.up_proj.weight", "", "", 0, 0, FMT,
      "model.layers.1.mlp.up_proj.weight: the tensor is missing" },
    { "a missing norm", "model.norm.weight", "", "", 0, 0, FMT,
      "model.norm.weight: the tensor is" },
    { "no embeddings", "model.embed_tokens.weight", "", "", 0, 0, FMT, "embed_tokens.weight: the" },
    { "no head", "lm_head.weight", "", "", 0, 0, FMT, "lm_head.weight: the tensor is missing" },
    { "one twice", "", "norm.weight", "F32", 0, 64, FMT, "norm.weight: the tensor is there twice" },
    { "one too many", "", "model.layers.2.input_layernorm.weight", "F32", 0, 64, UNS,
      "fewer layers" },
    { "an unknown one", "", "model.extra.weight", "F32", 4, 4, UNS,
      "model.extra.weight: no tensor" },
    { "a bias", "", "model.layers.0.mlp.up_proj.bias", "F32", 0, 96, UNS, "has no such tensor" },
    { "packed codes", "", "model.layers.0.mlp.up_proj.packed", "I32", 4, 96, UNS,
      "no tensor of this" },
    { "a derived one", "", "model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 0, 4, WHIT_OK,
      "" },
    { "turned round", "lm_head.weight", "lm_head.weight", "F32", 64, 32, FMT,
      "lm_head.weight: its shape is 64 x 32, the configuration makes it 64 x 64" },
    { "a flat matrix", "lm_head.weight", "lm_head.weight", "F32", 0, 64 * 64, FMT, "its shape" },
    { "a matrix for a norm", "model.norm.weight", "model.norm.weight", "F32", 1, 64, FMT,
      "its shape" },
    { "integers", "lm_head.weight", "lm_head.weight", "I32", 64, 64, UNS,
      "lm_head.weight: I32 is no" },
    { "integers for a norm", "model.norm.weight", "model.norm.weight", "I32", 0, 64, UNS, "" },
    { "integers for embeddings", "model.embed_tokens.weight", "model.embed_tokens.weight", "I32",
      64, 64, UNS, "embed_tokens.weight: I32 is no type" },
    { "small floats", "lm_head.weight", "lm_head.weight", "F8_E4M3", 64, 64, WHIT_OK, "" },
};

typedef struct changed {
    st_build b;
    const char *left_out;
} changed;

static void add_changed(void *to, const wh_model_config *c, const char *name, wh_role role,
                        uint64_t rows, uint64_t cols, float *data)
{
    changed *x = to;
    if (strcmp(name, x->left_out) != 0) models_add_st(&x->b, c, name, role, rows, cols, data);
}

static void test_refused(const scratch *s)
{
    char text[CONFIGS_TEXT], path[SCRATCH_PATH];
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    scratch_folder(s, "bad");
    scratch_text(s, "bad/config.json", configs_text(text, WIDE));
    CHECK(wh_config_parse(&c, "c", text, strlen(text), &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        changed x = { .left_out = models[i].left_out };
        whit_model *m = NULL;
        models_tensors(&c, add_changed, &x);
        if (*models[i].added)
            st_add2(&x.b, models[i].added, models[i].dtype, models[i].rows, models[i].cols, NULL,
                    (size_t)(models[i].rows ? models[i].rows : 1) * (size_t)models[i].cols *
                        (models[i].dtype[0] == 'F' && models[i].dtype[1] == '8' ? 1 : 4));
        st_write(&x.b, s, "bad/model.safetensors");
        whit_status st = whit_model_open(&m, scratch_path(s, "bad", path), NULL, &err);
        CHECK(st == models[i].want, "%s: status %d: %s", models[i].what, (int)st, err.msg);
        if (st != WHIT_OK)
            CHECK(!m && strstr(err.msg, models[i].words) && strstr(err.msg, "bad"), "%s: %s",
                  models[i].what, err.msg);
        whit_model_close(m);
    }
    remove(scratch_path(s, "bad/config.json", path));
    whit_model *m = (whit_model *)(uintptr_t)1;
    CHECK(whit_model_open(&m, scratch_path(s, "bad", path), NULL, &err) == FMT && !m &&
              strstr(err.msg, "config.json"),
          "%s", err.msg);
}

static void test_rope(const scratch *s)
{
    static float plain[TOKENS][VOCABULARY], dynamic[TOKENS][VOCABULARY];
    char text[CONFIGS_TEXT], path[SCRATCH_PATH];
    whit_session *session = NULL;
    whit_error err = { WHIT_OK, "" };
    models_folder(s, "plain", configs_text(text, WIDE));
    models_folder(s, "dynamic",
                  configs_text(text, WIDE "max_position_embeddings 24\n"
                                          "rope_scaling {\"type\": \"dynamic\", \"factor\": 2}"));
    run_path(scratch_path(s, "plain", path), WHIT_ACTS_F32, plain);
    run_path(scratch_path(s, "dynamic", path), WHIT_ACTS_F32, dynamic);
    CHECK(memcmp(plain, dynamic, sizeof plain) == 0, "dynamic is plain within the context");
    whit_model *m = models_open(path, 1, WHIT_ACTS_F32);
    CHECK(whit_model_warnings(m) == 0, "%s", whit_model_warning(m, 0));
    CHECK(whit_session_open(&session, m, 25, &err) == UNS && !session &&
              strstr(err.msg, "25 positions: with rope scaling dynamic at most 24"),
          "%s", err.msg);
    whit_model_close(m);
}

/* Divisors of a GGUF file that are none. */
static void test_divisors(const scratch *s)
{
    static const float bad[] = { 0, -1, INFINITY, NAN };
    char text[CONFIGS_TEXT], path[SCRATCH_PATH];
    const char *config =
        configs_text(text, WIDE "rope_scaling {\"rope_type\": \"llama3\", \"factor\": 8}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t len;
        whit_model *m = NULL;
        whit_error err = { WHIT_OK, "" };
        models_gguf(s, "d.gguf", config);
        unsigned char *raw = scratch_read(scratch_path(s, "d.gguf", path), &len);
        memcpy(raw + len - 32, &bad[i], 4); /* the last tensor: 16 octets, and padding */
        scratch_write(s, "d.gguf", raw, len);
        free(raw);
        CHECK(whit_model_open(&m, path, NULL, &err) == FMT && !m &&
                  strstr(err.msg, "rope_freqs.weight: value 0 is not positive and finite"),
              "%s", err.msg);
    }
}

static void test_arguments(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_model *m = (whit_model *)(uintptr_t)1;
    whit_model_options o;
    whit_error err = { WHIT_OK, "" };
    scratch_path(s, "float", path);
    CHECK(whit_model_open(NULL, path, NULL, &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_model_open(&m, "", NULL, &err) == WHIT_ERR_ARG && !m, "no path");
    CHECK(whit_model_open(&m, scratch_path(s, "none", path), NULL, &err) == WHIT_ERR_IO, "%s",
          err.msg);
    whit_model_options_init(&o);
    o.struct_size = 4;
    CHECK(whit_model_open(&m, path, &o, &err) == WHIT_ERR_ARG, "%s", err.msg);
    whit_model_options_init(&o);
    o.acts = (whit_acts)7;
    CHECK(whit_model_open(&m, path, &o, &err) == WHIT_ERR_ARG, "%s", err.msg);
    whit_model_options_init(&o);
    o.threads = 100000;
    CHECK(whit_model_open(&m, scratch_path(s, "float", path), &o, &err) == WHIT_ERR_ARG, "%s",
          err.msg);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 1;
    for (uint32_t i = 0; i < TOKENS; i++) ids[i] = (7 * i + 3) % VOCABULARY;
    scratch_make(&s);
    test_schemes(&s);
    test_blocks(&s, argv[1]);
    test_long(argv[1]);
    test_info(argv[1]);
    test_watch(&s);
    test_sessions(&s);
    test_session_errors(&s);
    test_threads(&s);
    test_refused(&s);
    test_rope(&s);
    test_divisors(&s);
    test_arguments(&s);
    scratch_remove(&s);
    return check_result();
}
