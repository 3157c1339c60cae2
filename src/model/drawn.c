/* src/model/drawn.c - models without a file, for measuring: everything but the linears is made up,
 * and those are the caller's.
 *
 * What the numbers are changes no time, as long as they stay finite.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "model/rope.h"
#include "model/runner.h"

/* [n] of 1. */
static float *ones(size_t n)
{
    float *v = wh_calloc(n, sizeof *v);
    for (size_t i = 0; v && i < n; i++) v[i] = 1.0f;
    return v;
}

static int draw_layer(const wh_model_config *c, wh_layer *l)
{
    l->attn_norm = ones(c->dim);
    l->ffn_norm = ones(c->dim);
    if (c->qk_norm) l->q_norm = ones(c->head_dim);
    if (c->qk_norm) l->k_norm = ones(c->head_dim);
    return l->attn_norm && l->ffn_norm && (!c->qk_norm || (l->q_norm && l->k_norm));
}

/* Embeddings from -1 to 1 that are no two rows alike. 0: no memory. */
static int draw(whit_model *m)
{
    const wh_model_config *c = &m->config;
    const size_t n = (size_t)WH_DRAWN_ROWS * c->dim;
    m->layer = wh_calloc(c->layers, sizeof *m->layer);
    m->frequencies = wh_calloc(c->head_dim / 2, sizeof *m->frequencies);
    m->output_norm = ones(c->dim);
    m->drawn = wh_calloc(n, sizeof *m->drawn);
    m->path = wh_strndup("", 0);
    if (!m->layer || !m->frequencies || !m->output_norm || !m->drawn || !m->path) return 0;
    for (uint32_t i = 0; i < c->layers; i++)
        if (!draw_layer(c, &m->layer[i])) return 0;
    for (size_t i = 0; i < n; i++) m->drawn[i] = (float)(i * 2654435761u % 65521) / 32760.5f - 1.0f;
    wh_rope_frequencies(c, NULL, m->frequencies);
    return 1;
}

whit_status wh_model_draw(whit_model **out, const wh_model_config *config, whit_context *context,
                          whit_acts acts, whit_error *err)
{
    whit_model *m = wh_calloc(1, sizeof *m);
    *out = NULL;
    if (m) {
        m->config = *config;
        m->context = context;
        m->lent = 1;
        m->acts = acts;
        m->ops = wh_ops_select();
    }
    if (!m || !draw(m)) {
        whit_model_close(m);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a model");
    }
    wh_model_tell(m);
    *out = m;
    return WHIT_OK;
}

const wh_linear *wh_model_linear(const whit_model *m, size_t index)
{
    const size_t layer = index / WH_LINEARS;
    return layer < m->config.layers ? &m->layer[layer].linear[index % WH_LINEARS] : &m->head;
}

void wh_model_put(whit_model *m, size_t index, whit_weight *weight)
{
    wh_linear *l = (wh_linear *)(uintptr_t)wh_model_linear(m, index);
    m->info.weight_bytes -= l->told.info.bytes;
    whit_weight_free(l->weight);
    l->weight = weight;
    l->index = index;
    if (!l->told.tensor) l->told.tensor = "";
    l->told.layer = l == &m->head ? -1 : (int64_t)(index / WH_LINEARS);
    whit_weight_describe(weight, &l->told.info);
    wh_linear_acts(l, m, weight->scheme.a8, 0);
    m->info.weight_bytes += l->told.info.bytes;
}
