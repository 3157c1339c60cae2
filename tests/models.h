/* tests/models.h - tiny models with made-up weights, as a folder or as a GGUF file.
 *
 * Weights come from the names of the tensors by the rule of golden/model/make.py, which has logits
 * for them from elsewhere.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_MODELS_H
#define WHIT_MODELS_H

#include <whit/whit.h>

#include "check.h"
#include "gguf_build.h"
#include "model/gguf_keys.h"
#include "model/names.h"

static inline float *models_weight(const char *name, uint64_t rows, uint64_t cols, int vector)
{
    uint64_t seed = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++) seed = (seed ^ (unsigned char)*c) * 0x100000001b3u;
    const int key = strstr(name, "q_proj") || strstr(name, "k_proj");
    const char *end = strrchr(name, '.');
    check_rng rng = { seed };
    float *w = malloc((size_t)(rows * cols) * sizeof *w);
    if (!w) scratch_die("models_weight");
    for (uint64_t i = 0; i < rows * cols; i++) {
        double u = (double)check_f32(&rng);
        if (vector)
            u = u * 0.25 + (end && strcmp(end, ".bias") == 0 ? 0 : 1);
        else if (!strstr(name, "embed"))
            u *= key ? 0.75 : 0.375;
        w[i] = (float)u;
    }
    return w;
}

/* Rows of q and k in the order of GGUF's llama, by the words of formats 10.5. */
static inline void models_permute(float *w, uint64_t rows, uint64_t cols, uint64_t heads)
{
    const uint64_t hs = rows / heads;
    float *old = malloc((size_t)(rows * cols) * sizeof *old);
    if (!old) scratch_die("models_permute");
    memcpy(old, w, (size_t)(rows * cols) * sizeof *old);
    for (uint64_t h = 0; h < heads; h++)
        for (uint64_t i = 0; i < hs / 2; i++)
            for (uint64_t p = 0; p < 2; p++)
                memcpy(w + (h * hs + 2 * i + p) * cols, old + (h * hs + p * (hs / 2) + i) * cols,
                       (size_t)cols * sizeof *w);
    free(old);
}

/* Calls add for each tensor of the model. data is its own. */
typedef void models_add(void *to, const wh_model_config *c, const char *name, wh_role role,
                        uint64_t rows, uint64_t cols, float *data);

static inline void models_tensors(const wh_model_config *c, models_add *add, void *to)
{
    char name[WH_ROLE_NAME];
    for (wh_role r = WH_ROLE_NONE; r < WH_ROLES; r++)
        for (uint32_t l = 0; l < (r < WH_ROLE_LAYER ? 1 : c->layers); l++) {
            uint64_t rows, cols;
            if (!wh_role_expected(c, r)) continue;
            wh_role_shape(c, r, &rows, &cols);
            wh_role_name(r, l, 0, name);
            float *w = models_weight(name, rows, cols, wh_role_is_vector(r));
            add(to, c, name, r, rows, cols, w);
            free(w);
        }
}

static inline void models_add_st(void *to, const wh_model_config *c, const char *name, wh_role role,
                                 uint64_t rows, uint64_t cols, float *data)
{
    (void)c;
    st_add2(to, name, "F32", wh_role_is_vector(role) ? 0 : rows, cols, data,
            (size_t)(rows * cols) * sizeof *data);
}

/* type: GGUF's number, 0 (F32) or 1 (F16), of matrices. */
static inline void models_put_gguf(void *to, const wh_model_config *c, const char *name,
                                   wh_role role, uint64_t rows, uint64_t cols, float *data,
                                   uint32_t type)
{
    const int vector = wh_role_is_vector(role);
    const size_t n = (size_t)(rows * cols);
    wh_gguf_fate f;
    const uint64_t ne[2] = { cols, rows };
    if (wh_name_fate(c, name, &f, NULL) != WHIT_OK || f.dropped) scratch_die(name);
    if (f.permuted_heads && wh_role_is_vector(role))
        models_permute(data, cols, 1, f.permuted_heads);
    else if (f.permuted_heads)
        models_permute(data, rows, cols, f.permuted_heads);
    if (vector || type == 0) {
        gg_floats(to, f.name, vector ? 1 : 2, ne, data, n * sizeof *data);
        return;
    }
    uint16_t *half = malloc(n * sizeof *half);
    if (!half || whit_dtype_from_f32(WHIT_F16, data, n, half) != WHIT_OK) scratch_die(name);
    gg_tensor(to, f.name, type, 2, ne, half, n * sizeof *half);
    free(half);
}

static inline void models_add_gguf(void *to, const wh_model_config *c, const char *name,
                                   wh_role role, uint64_t rows, uint64_t cols, float *data)
{
    models_put_gguf(to, c, name, role, rows, cols, data, 0);
}

static inline void models_add_gguf_half(void *to, const wh_model_config *c, const char *name,
                                        wh_role role, uint64_t rows, uint64_t cols, float *data)
{
    models_put_gguf(to, c, name, role, rows, cols, data, 1);
}

/* A model folder in the scratch folder, from the text of its config.json. */
static inline void models_folder(const scratch *s, const char *name, const char *config)
{
    char file[64];
    st_build b = { 0 };
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    if (wh_config_parse(&c, name, config, strlen(config), &err) != WHIT_OK) scratch_die(err.msg);
    models_tensors(&c, models_add_st, &b);
    scratch_folder(s, name);
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    st_write(&b, s, file);
    snprintf(file, sizeof file, "%s/config.json", name);
    scratch_text(s, file, config);
}

/* The same model as a GGUF file, of tensors that add adds. 0: GGUF cannot hold it. */
static inline int models_gguf_of(const scratch *s, const char *name, const char *config,
                                 models_add *add)
{
    gg_build b = { 0 };
    wh_gguf_kvs k = { { 0 }, 0 };
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    if (wh_config_parse(&c, name, config, strlen(config), &err) != WHIT_OK) scratch_die(err.msg);
    int can = wh_gguf_put_model(&k, &c, &err) == WHIT_OK && c.window_first % c.layers == 0;
    if (can) {
        st_put(&b.keys, k.bytes.data, k.bytes.len);
        b.key_count = k.count;
        gg_number(&b, "tokenizer.ggml.bos_token_id", GG_U32, 1, 4);
        models_tensors(&c, add, &b);
        if (c.rope.kind == WH_ROPE_LLAMA3) {
            float divisors[64];
            const uint64_t ne = c.head_dim / 2;
            wh_rope_divisors(&c, divisors);
            gg_floats(&b, "rope_freqs.weight", 1, &ne, divisors, (size_t)ne * 4);
        }
        gg_write(&b, s, name);
    }
    wh_buf_free(&k.bytes);
    return can;
}

static inline int models_gguf(const scratch *s, const char *name, const char *config)
{
    return models_gguf_of(s, name, config, models_add_gguf);
}

/* A model that must open; else the test ends. */
static inline whit_model *models_open(const char *path, unsigned threads, whit_acts acts)
{
    whit_model_options o;
    whit_model *m = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_model_options_init(&o);
    o.threads = threads;
    o.acts = acts;
    CHECK(whit_model_open(&m, path, &o, &err) == WHIT_OK, "%s", err.msg);
    if (!m) exit(check_result());
    return m;
}

#endif
