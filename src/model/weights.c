/* src/model/weights.c - the tensors of a model as the kernels take them.
 *
 * Matrices become weights of the kernels (whit_weight_load), vectors float32; embeddings stay in
 * the file.
 *
 * Not here: which tensor is what (places.c); what a form costs or how it is multiplied
 * (src/kernels).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/places.h"
#include "model/runner.h"

/* ---- loading ----------------------------------------------------------------------------------
 */

typedef struct loading {
    whit_model *m;
    wh_places places;
    size_t linears;
    whit_error *err;
    whit_status st; /* the first thing that goes wrong stays */
} loading;

/* NULL where the configuration has no such tensor. */
static float *vector(loading *x, wh_role role, uint32_t layer)
{
    whit_model *m = x->m;
    if (x->st != WHIT_OK || !wh_role_expected(&m->config, role)) return NULL;
    const size_t index = *wh_place_of(&x->places, role, layer);
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
    const size_t index = *wh_place_of(&x->places, stored, layer);
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

static void load_layer(loading *x, uint32_t i)
{
    wh_layer *l = &x->m->layer[i];
    l->attn_norm = vector(x, WH_ROLE_ATTN_NORM, i);
    l->ffn_norm = vector(x, WH_ROLE_FFN_NORM, i);
    l->q_norm = vector(x, WH_ROLE_ATTN_Q_NORM, i);
    l->k_norm = vector(x, WH_ROLE_ATTN_K_NORM, i);
    for (size_t k = 0; k < WH_LINEARS; k++)
        linear(x, &l->linear[k], wh_linear_role(k), wh_linear_bias(k), i);
}

static void load_rope(loading *x)
{
    whit_model *m = x->m;
    const wh_role role = WH_ROLE_ROPE_FREQS;
    if (x->st == WHIT_OK)
        x->st = wh_places_rope(&x->places, &m->config, m->source, m->frequencies, x->err);
    if (x->st != WHIT_OK || !wh_role_expected(&m->config, role)) return;
    m->info.parameters += m->config.head_dim / 2;
    m->info.weight_bytes += m->config.head_dim / 2 * sizeof(float);
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the layers of a model");
}

whit_status wh_model_load(whit_model *m, whit_error *err)
{
    const uint32_t layers = m->config.layers;
    loading x = { .m = m, .err = err, .st = WHIT_OK };
    x.st = wh_places_find(&x.places, &m->config, m->source, err);
    m->layer = wh_calloc(layers, sizeof *m->layer);
    m->frequencies = wh_calloc(m->config.head_dim / 2, sizeof *m->frequencies);
    if (x.st == WHIT_OK && (!m->layer || !m->frequencies)) x.st = no_memory(err);
    if (x.st == WHIT_OK) {
        uint64_t rows, cols;
        m->embeddings = *wh_place_of(&x.places, WH_ROLE_TOKEN_EMBD, 0);
        wh_role_shape(&m->config, WH_ROLE_TOKEN_EMBD, &rows, &cols);
        m->info.parameters += rows * cols;
        load_rope(&x);
    }
    for (uint32_t i = 0; i < layers && x.st == WHIT_OK; i++) load_layer(&x, i);
    m->output_norm = vector(&x, WH_ROLE_OUTPUT_NORM, 0);
    linear(&x, &m->head, WH_ROLE_OUTPUT, WH_ROLE_NONE, 0);
    wh_places_free(&x.places);
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
