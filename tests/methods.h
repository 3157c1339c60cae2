/* tests/methods.h - methods for tests: made-up models that methods learn something of, ids to learn
 * from, logits to compare.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_METHODS_H
#define WHIT_METHODS_H

#include <math.h>

#include "jobs.h"
#include "models.h"

/* ---- what is learned from -------------------------------------------------------------------- */

/* Ids below `vocab` as text, after a start. */
typedef struct methods_text {
    st_text ids;
    whit_feed feed;
} methods_text;

static inline void methods_ids(methods_text *t, size_t count, uint32_t vocab, uint64_t seed)
{
    check_rng rng = { seed };
    *t = (methods_text){ { NULL, 0, 0 }, { .kind = WHIT_FEED_IDS } };
    st_putf(&t->ids, "[1");
    for (size_t i = 1; i < count; i++) st_putf(&t->ids, ",%u", (unsigned)check_below(&rng, vocab));
    st_putf(&t->ids, "]");
    t->feed.path = "ids";
    t->feed.data = t->ids.data;
    t->feed.len = t->ids.len;
}

static inline void methods_free(methods_text *t)
{
    free(t->ids.data);
}

/* The options of a method that learns from the ids; NULL: from a state, or nothing. */
static inline whit_method_options methods_of(const char *name, const methods_text *t)
{
    whit_method_options o;
    whit_method_options_init(&o);
    o.methods = whit_method_parse(name);
    if (t) o.feed = &t->feed;
    o.feeds = t != NULL;
    return o;
}

/* A state with Hessians, of the ids. */
static inline void methods_state(const char *model, const methods_text *t, int hessian,
                                 const char *out)
{
    whit_calibrate_options o;
    whit_error err = { WHIT_OK, "" };
    whit_calibrate_options_init(&o);
    o.feed = &t->feed;
    o.feeds = 1;
    o.hessian = hessian;
    CHECK(whit_calibrate(NULL, model, &o, out, &err) == WHIT_OK, "%s", err.msg);
}

/* ---- models ---------------------------------------------------------------------------------- */

/* A model as a folder, like models_folder, in other types. */
typedef struct methods_build {
    st_build b;
    whit_dtype matrices, vectors;
} methods_build;

static inline void methods_add(void *to, const wh_model_config *c, const char *name, wh_role role,
                               uint64_t rows, uint64_t cols, float *data)
{
    methods_build *m = to;
    const whit_dtype type = wh_role_is_vector(role) ? m->vectors : m->matrices;
    const size_t n = (size_t)(rows * cols), bytes = n * whit_dtype_bits(type) / 8;
    unsigned char *octets = malloc(bytes);
    (void)c;
    if (!octets || whit_dtype_from_f32(type, data, n, octets) != WHIT_OK) scratch_die(name);
    const int vector = wh_role_is_vector(role);
    const uint64_t shape[2] = { rows, cols };
    st_add_octets(&m->b, name, whit_dtype_name(type), vector ? 1 : 2, shape + vector, octets,
                  bytes);
    free(octets);
}

static inline void methods_folder(const scratch *s, const char *name, const char *config,
                                  whit_dtype matrices, whit_dtype vectors)
{
    char file[128];
    methods_build m = { { { 0 }, { 0 }, { 0 } }, matrices, vectors };
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    if (wh_config_parse(&c, name, config, strlen(config), &err) != WHIT_OK) scratch_die(err.msg);
    models_tensors(&c, methods_add, &m);
    scratch_folder(s, name);
    snprintf(file, sizeof file, "%.64s/model.safetensors", name);
    st_write(&m.b, s, file);
    snprintf(file, sizeof file, "%.64s/config.json", name);
    scratch_text(s, file, config);
}

/* One layer, 4 heads, 2 of keys and values, so many columns; Qwen2 has biases of q, k, v. */
static inline const char *methods_config(char text[1024], const char *family, unsigned dim,
                                         unsigned ffn, unsigned head_dim, unsigned vocab)
{
    const int qwen = strcmp(family, "qwen2") == 0;
    snprintf(text, 1024,
             "{\"architectures\":[\"%sForCausalLM\"],\"model_type\":\"%s\",\"head_dim\":%u,"
             "\"hidden_size\":%u,\"intermediate_size\":%u,\"max_position_embeddings\":128,"
             "\"num_attention_heads\":4,\"num_hidden_layers\":1,\"num_key_value_heads\":2,"
             "\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0,\"vocab_size\":%u,"
             "\"hidden_act\":\"silu\",\"bos_token_id\":1,\"eos_token_id\":2}",
             qwen ? "Qwen2" : "Llama", family, head_dim, dim, ffn, vocab);
    return text;
}

/* ---- logits ---------------------------------------------------------------------------------- */

#define METHODS_TOKENS 40

/* Of made-up ids, [METHODS_TOKENS][*vocabulary]; freed with free(). */
static inline float *methods_logits(const char *path, size_t *vocabulary)
{
    whit_model_options o;
    whit_model *m = NULL;
    whit_session *s = NULL;
    whit_error err = { WHIT_OK, "" };
    uint32_t ids[METHODS_TOKENS];
    whit_model_options_init(&o);
    o.threads = 1;
    o.acts = WHIT_ACTS_F32;
    CHECK(whit_model_open(&m, path, &o, &err) == WHIT_OK, "%s", err.msg);
    if (!m) exit(check_result());
    *vocabulary = (size_t)whit_model_describe(m)->vocabulary;
    for (uint32_t t = 0; t < METHODS_TOKENS; t++) ids[t] = (7 * t + 3) % (uint32_t)*vocabulary;
    float *logits = calloc(METHODS_TOKENS * *vocabulary, sizeof *logits);
    if (!logits) scratch_die(path);
    CHECK(whit_session_open(&s, m, METHODS_TOKENS, &err) == WHIT_OK &&
              whit_session_feed(s, ids, METHODS_TOKENS, WHIT_LOGITS_ALL, logits, &err) == WHIT_OK,
          "%s: %s", path, err.msg);
    whit_session_close(s);
    whit_model_close(m);
    return logits;
}

/* The largest difference of the logits of two models, by the largest magnitude in b. */
static inline double methods_distance(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    float *x = methods_logits(a, &n), *y = methods_logits(b, &m);
    double most = 0, scale = 0;
    CHECK(n == m, "%s has %zu logits, %s %zu", a, n, b, m);
    for (size_t i = 0; i < METHODS_TOKENS * n && n == m; i++) {
        const double d = fabs((double)x[i] - (double)y[i]);
        if (!(d <= most)) most = d;
        scale = fmax(scale, fabs((double)y[i]));
    }
    free(x);
    free(y);
    return most / scale;
}

/* ---- results --------------------------------------------------------------------------------- */

/* The plan's warning that holds the text; NULL: none. */
static inline const char *methods_warning(const whit_plan *plan, const char *text)
{
    for (size_t i = 0; i < whit_plan_warnings(plan); i++)
        if (strstr(whit_plan_warning(plan, i), text)) return whit_plan_warning(plan, i);
    return NULL;
}

/* The row of a tensor; NULL, with a failed check: there is none. */
static inline const whit_report_row *methods_row(const whit_report *r, const char *name)
{
    for (size_t i = 0; i < whit_report_count(r); i++)
        if (strcmp(whit_report_at(r, i)->entry->source->tensor.name, name) == 0)
            return whit_report_at(r, i);
    CHECK(0, "no row of %s", name);
    return NULL;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Damp it as GPTQ does: dead columns become as the mean of the others, which is added in part. */
static inline void methods_damp(double *h, size_t n, double lambda)
{
    double sum = 0;
    size_t live = 0;
    for (size_t i = 0; i < n; i++) {
        sum += h[i * n + i];
        live += h[i * n + i] > 0;
    }
    const double mean = live ? sum / (double)live : 1;
    for (size_t i = 0; i < n && lambda > 0; i++)
        h[i * n + i] = (h[i * n + i] > 0 ? h[i * n + i] : mean) + lambda * mean;
}

/* tr(D H D^T) / (tokens * rows) of D = a - b, by the state's H, damped by lambda. */
static inline double methods_loss(const whit_calib *state, const whit_source *a,
                                  const whit_source *b, const char *name, double lambda)
{
    const size_t in = whit_calib_find(state, name);
    const whit_source_tensor *t = whit_source_at(a, whit_source_find(a, name));
    whit_error err = { WHIT_OK, "" };
    if (in == WHIT_CALIB_NONE) return NAN;
    const size_t rows = (size_t)t->rows, cols = (size_t)t->cols;
    float *x = job_values(a, name), *y = job_values(b, name);
    double *h = calloc(cols * cols, sizeof *h), sum = 0;
    if (!h) scratch_die(name);
    CHECK(whit_calib_hessian(state, in, h, &err) == WHIT_OK, "%s", err.msg);
    methods_damp(h, cols, lambda);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++) {
            const double d = (double)x[r * cols + i] - (double)y[r * cols + i];
            double row = 0;
            for (size_t k = 0; k < cols; k++)
                row += h[i * cols + k] * ((double)x[r * cols + k] - (double)y[r * cols + k]);
            sum += d * row;
        }
    free(x);
    free(y);
    free(h);
    return sum / ((double)whit_calib_at(state, in)->tokens * (double)rows);
}

static inline int methods_near(double a, double b)
{
    return fabs(a - b) <= 1e-4 * fabs(b);
}

#endif
