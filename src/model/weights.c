/* src/model/weights.c - the tensors of a model by role, as the kernels take them.
 *
 * Each tensor of the file must have a role, once, with the shape that the configuration makes, and
 * each role that the configuration makes must have a tensor. Matrices become weights of the kernels
 * (whit_weight_load), vectors float32; embeddings stay in the file.
 *
 * Not here: what a form costs or how it is multiplied (src/kernels).
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/rope.h"
#include "model/runner.h"

/* ---- which tensor is what ---------------------------------------------------------------------
 */

typedef struct places {
    size_t *at; /* index into the source by role and layer; WHIT_NOT_FOUND */
    size_t count;
} places;

static size_t *place_of(const places *p, wh_role role, uint32_t layer)
{
    return &p->at[role < WH_ROLE_LAYER
                      ? (size_t)role
                      : WH_ROLE_LAYER + (size_t)layer * (WH_ROLES - WH_ROLE_LAYER) +
                            (size_t)(role - WH_ROLE_LAYER)];
}

static wh_naming naming_of(const whit_model *m)
{
    if (m->config.llama2c) return WH_NAMING_LLAMA2C;
    return whit_file_kv_count(whit_source_file(m->source), 0) > 0 ? WH_NAMING_GGUF : WH_NAMING_HF;
}

/* The role of a tensor; WH_ROLE_NONE for one that is not needed. */
static whit_status role_of(const whit_model *m, const char *name, wh_role *role, uint32_t *layer,
                           whit_error *err)
{
    char shortened[WH_SHORT];
    wh_gguf_fate fate;
    if (naming_of(m) != WH_NAMING_GGUF) {
        whit_status st = wh_name_fate(&m->config, name, &fate, err);
        *role = fate.role;
        *layer = fate.layer;
        return st;
    }
    *role = wh_role_of_gguf(name, layer);
    if (*role != WH_ROLE_NONE && wh_role_expected(&m->config, *role) && *layer < m->config.layers)
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: no tensor of this architecture has that name",
                   wh_short(shortened, name));
}

static whit_status check_shape(const whit_model *m, const whit_source_tensor *t, wh_role role,
                               whit_error *err)
{
    char name[WH_SHORT];
    uint64_t rows, cols;
    wh_role_shape(&m->config, role, &rows, &cols);
    if (wh_role_is_vector(role) ? t->tensor.rank == 1 && t->tensor.elements == cols
                                : t->tensor.rank == 2 && t->rows == rows && t->cols == cols)
        return WHIT_OK;
    wh_short(name, t->tensor.name);
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: its shape is %" PRIu64 " x %" PRIu64 ", the configuration makes it %" PRIu64
                   " x %" PRIu64,
                   name, t->rows, t->cols, rows, cols);
}

static whit_status check_type(const whit_source_tensor *t, whit_error *err)
{
    char name[WH_SHORT];
    if (whit_scheme_is_quantized(&t->scheme) || whit_dtype_is_float(t->stored)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s is no type of a weight",
                   wh_short(name, t->tensor.name), whit_tensor_type(&t->tensor));
}

static whit_status place_tensors(const whit_model *m, places *p, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; i < whit_source_count(m->source); i++) {
        const whit_source_tensor *t = whit_source_at(m->source, i);
        wh_role role = WH_ROLE_NONE;
        uint32_t layer = 0;
        whit_status st = role_of(m, t->tensor.name, &role, &layer, err);
        if (st == WHIT_OK && role == WH_ROLE_NONE) continue;
        if (st == WHIT_OK) st = check_shape(m, t, role, err);
        if (st == WHIT_OK) st = check_type(t, err);
        if (st != WHIT_OK) return st;
        size_t *at = place_of(p, role, layer);
        if (*at != WHIT_NOT_FOUND)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: the tensor is there twice",
                           wh_short(name, t->tensor.name));
        *at = i;
    }
    for (wh_role role = WH_ROLE_NONE; role < WH_ROLES; role++)
        for (uint32_t l = 0; l < (role < WH_ROLE_LAYER ? 1 : m->config.layers); l++)
            if (wh_role_expected(&m->config, role) && *place_of(p, role, l) == WHIT_NOT_FOUND) {
                char own[WH_ROLE_NAME];
                return wh_fail(err, WHIT_ERR_FORMAT, "%s: the tensor is missing",
                               wh_role_name(role, l, naming_of(m), own));
            }
    return WHIT_OK;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

typedef struct loading {
    whit_model *m;
    places places;
    size_t linears;
    whit_error *err;
    whit_status st; /* the first thing that goes wrong stays */
} loading;

/* NULL where the configuration has no such tensor. */
static float *vector(loading *x, wh_role role, uint32_t layer)
{
    whit_model *m = x->m;
    if (x->st != WHIT_OK || !wh_role_expected(&m->config, role)) return NULL;
    const size_t index = *place_of(&x->places, role, layer);
    const size_t n = (size_t)whit_source_at(m->source, index)->tensor.elements;
    const whit_source_tensor *t = whit_source_at(m->source, index);
    float *data = wh_calloc(n, sizeof *data);
    if (!data) {
        x->st = wh_fail(x->err, WHIT_ERR_NOMEM, "no memory for a vector of %zu values", n);
        return NULL;
    }
    x->st = whit_source_read_f32(m->source, index, 0, t->rows, 0, t->cols, data, x->err);
    m->info.parameters += n;
    m->info.weight_bytes += n * sizeof *data;
    return data;
}

void wh_linear_acts(wh_linear *l, whit_model *m, int a8, float scale)
{
    const int same = l->weight->whole_token && a8 == WHIT_A8_TOKEN;
    l->told.acts = m->acts;
    if (m->acts == WHIT_ACTS_Q8 && !l->told.info.acts_q8) l->told.acts = WHIT_ACTS_F32;
    if (a8 != WHIT_A8_NONE) l->told.acts = same ? WHIT_ACTS_Q8 : WHIT_ACTS_F32;
    l->told.a8 = a8;
    l->told.act_scale = scale;
    l->rounds = a8 != WHIT_A8_NONE && !same;
    m->rounds |= l->rounds;
}

static void linear(loading *x, wh_linear *l, wh_role role, wh_role bias, uint32_t layer)
{
    whit_model *m = x->m;
    if (x->st != WHIT_OK) return;
    const wh_role stored = role == WH_ROLE_OUTPUT && m->config.tied ? WH_ROLE_TOKEN_EMBD : role;
    const size_t index = *place_of(&x->places, stored, layer);
    x->st = whit_weight_load(&l->weight, m->context, m->source, index, x->err);
    if (x->st != WHIT_OK) return;
    whit_weight_describe(l->weight, &l->told.info);
    l->told.tensor = whit_source_at(m->source, index)->tensor.name;
    l->told.layer = role == WH_ROLE_OUTPUT ? -1 : (int64_t)layer;
    const whit_source_tensor *t = whit_source_at(m->source, index);
    wh_linear_acts(l, m, t->scheme.a8, t->act_scale);
    l->index = x->linears++;
    if (bias != WH_ROLE_NONE) l->bias = vector(x, bias, layer);
    if (stored == role) m->info.parameters += l->told.info.rows * l->told.info.cols;
    m->info.weight_bytes += l->told.info.bytes;
}

static const wh_role roles[WH_LINEARS][2] = {
    [WH_LINEAR_Q] = { WH_ROLE_ATTN_Q, WH_ROLE_ATTN_Q_BIAS },
    [WH_LINEAR_K] = { WH_ROLE_ATTN_K, WH_ROLE_ATTN_K_BIAS },
    [WH_LINEAR_V] = { WH_ROLE_ATTN_V, WH_ROLE_ATTN_V_BIAS },
    [WH_LINEAR_OUT] = { WH_ROLE_ATTN_OUT, WH_ROLE_ATTN_OUT_BIAS },
    [WH_LINEAR_GATE] = { WH_ROLE_FFN_GATE, WH_ROLE_FFN_GATE_BIAS },
    [WH_LINEAR_UP] = { WH_ROLE_FFN_UP, WH_ROLE_FFN_UP_BIAS },
    [WH_LINEAR_DOWN] = { WH_ROLE_FFN_DOWN, WH_ROLE_FFN_DOWN_BIAS },
};

void wh_linear_sides(const wh_model_config *c, size_t index, uint64_t *rows, uint64_t *cols)
{
    const int head = index / WH_LINEARS >= c->layers;
    wh_role_shape(c, head ? WH_ROLE_OUTPUT : roles[index % WH_LINEARS][0], rows, cols);
}

static void load_layer(loading *x, uint32_t i)
{
    wh_layer *l = &x->m->layer[i];
    l->attn_norm = vector(x, WH_ROLE_ATTN_NORM, i);
    l->ffn_norm = vector(x, WH_ROLE_FFN_NORM, i);
    l->q_norm = vector(x, WH_ROLE_ATTN_Q_NORM, i);
    l->k_norm = vector(x, WH_ROLE_ATTN_K_NORM, i);
    for (int k = 0; k < WH_LINEARS; k++) linear(x, &l->linear[k], roles[k][0], roles[k][1], i);
}

static void load_rope(loading *x)
{
    whit_model *m = x->m;
    const uint32_t half = m->config.head_dim / 2;
    float *divisors = vector(x, WH_ROLE_ROPE_FREQS, 0);
    for (uint32_t i = 0; divisors && i < half && x->st == WHIT_OK; i++)
        if (!(divisors[i] > 0 && isfinite(divisors[i])))
            x->st = wh_fail(x->err, WHIT_ERR_FORMAT,
                            "rope_freqs.weight: value %" PRIu32 " is not positive and finite", i);
    if (x->st == WHIT_OK) wh_rope_frequencies(&m->config, divisors, m->frequencies);
    free(divisors);
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the layers of a model");
}

whit_status wh_model_load(whit_model *m, whit_error *err)
{
    const uint32_t layers = m->config.layers;
    loading x = { .m = m, .err = err, .st = WHIT_OK };
    x.places.count = WH_ROLE_LAYER + (size_t)layers * (WH_ROLES - WH_ROLE_LAYER);
    x.places.at = wh_calloc(x.places.count, sizeof *x.places.at);
    m->layer = wh_calloc(layers, sizeof *m->layer);
    m->frequencies = wh_calloc(m->config.head_dim / 2, sizeof *m->frequencies);
    if (!x.places.at || !m->layer || !m->frequencies) {
        free(x.places.at);
        return no_memory(err);
    }
    for (size_t i = 0; i < x.places.count; i++) x.places.at[i] = WHIT_NOT_FOUND;
    x.st = place_tensors(m, &x.places, err);
    if (x.st == WHIT_OK) {
        uint64_t rows, cols;
        m->embeddings = *place_of(&x.places, WH_ROLE_TOKEN_EMBD, 0);
        wh_role_shape(&m->config, WH_ROLE_TOKEN_EMBD, &rows, &cols);
        m->info.parameters += rows * cols;
        load_rope(&x);
    }
    for (uint32_t i = 0; i < layers && x.st == WHIT_OK; i++) load_layer(&x, i);
    m->output_norm = vector(&x, WH_ROLE_OUTPUT_NORM, 0);
    linear(&x, &m->head, WH_ROLE_OUTPUT, WH_ROLE_NONE, 0);
    free(x.places.at);
    return x.st;
}

static void free_linear(wh_linear *l)
{
    whit_weight_free(l->weight);
    free(l->bias);
}

void wh_model_unload(whit_model *m)
{
    for (uint32_t i = 0; m->layer && i < m->config.layers; i++) {
        wh_layer *l = &m->layer[i];
        for (int k = 0; k < WH_LINEARS; k++) free_linear(&l->linear[k]);
        free(l->attn_norm);
        free(l->ffn_norm);
        free(l->q_norm);
        free(l->k_norm);
    }
    free_linear(&m->head);
    free(m->output_norm);
    free(m->frequencies);
    free(m->layer);
}
