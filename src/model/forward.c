/* src/model/forward.c - tokens through the layers: residual stream in, logits out.
 *
 *   h = embeddings;  for each layer:  h += out(attention(norm(h)));  h += down(silu(gate) * up),
 *   both of norm(h);  logits = head(norm(h))
 *
 * Every step handles a token by itself, but for attention; threads share tokens out, so nothing
 * depends on how many there are.
 * Source: Touvron et al. 2023 (arXiv:2302.13971); huggingface/transformers,
 * src/transformers/models/{llama,qwen2,qwen3}/modeling_*.py.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "model/acts.h"
#include "model/rope.h"
#include "model/runner.h"

/* Below so many values they are sooner done than handed out. */
#define WORTH_THREADS 16384

/* ---- work on tokens ---------------------------------------------------------------------------
 */

typedef struct tokens {
    whit_session *s;
    const wh_layer *layer;
    uint32_t index; /* of the layer */
    size_t position, count;
    const float *weight; /* of a norm */
    void (*work)(const struct tokens *t, size_t begin, size_t end);
} tokens;

static void part(void *ctx, unsigned t, unsigned threads)
{
    const tokens *job = ctx;
    size_t begin, end;
    wh_pool_split(job->count, 1, t, threads, &begin, &end);
    if (begin < end) job->work(job, begin, end);
}

/* values: how many there are for each token. */
static void share(tokens *job, size_t values, void (*work)(const tokens *, size_t, size_t))
{
    whit_context *c = job->s->model->context;
    job->work = work;
    if (job->count == 1 || job->count * values < WORTH_THREADS) {
        work(job, 0, job->count);
        return;
    }
    pthread_mutex_lock(&c->lock);
    wh_pool_run(c->pool, part, job);
    pthread_mutex_unlock(&c->lock);
}

static void norm_tokens(const tokens *t, size_t begin, size_t end)
{
    const wh_model_config *c = &t->s->model->config;
    for (size_t i = begin; i < end; i++)
        t->s->model->ops->rms_norm(t->s->stream + i * c->dim, t->weight, c->eps, c->dim,
                                   t->s->normed + i * c->dim);
}

static void gate_tokens(const tokens *t, size_t begin, size_t end)
{
    const size_t n = t->s->model->config.ffn;
    t->s->model->ops->silu_times(t->s->gate + begin * n, t->s->up + begin * n, (end - begin) * n);
}

/* What attention or the feed-forward part gives is in `normed`. */
static void add_tokens(const tokens *t, size_t begin, size_t end)
{
    const size_t n = t->s->model->config.dim;
    wh_add(t->s->stream + begin * n, t->s->normed + begin * n, (end - begin) * n);
}

/* Norms of q and k, rope, and into the cache. */
static void place_tokens(const tokens *t, size_t begin, size_t end)
{
    const whit_session *s = t->s;
    const wh_model_config *c = &s->model->config;
    const uint32_t dim = c->head_dim;
    for (size_t i = begin; i < end; i++) {
        const float *cs = s->cosine + i * (dim / 2), *sn = s->sine + i * (dim / 2);
        for (uint32_t h = 0; h < c->heads; h++) {
            float *q = s->query + (i * c->heads + h) * dim;
            if (t->layer->q_norm) t->s->model->ops->rms_norm(q, t->layer->q_norm, c->eps, dim, q);
            wh_rope_turn(c, cs, sn, q, s->turned + (i * c->heads + h) * dim);
        }
        for (uint32_t h = 0; h < c->kv_heads; h++) {
            float *k = s->key + (i * c->kv_heads + h) * dim;
            /* the place of a query that is not needed any more: heads >= kv_heads */
            float *turned = s->query + (i * c->heads + h) * dim;
            if (t->layer->k_norm) t->s->model->ops->rms_norm(k, t->layer->k_norm, c->eps, dim, k);
            wh_rope_turn(c, cs, sn, k, turned);
            wh_cache_put_key(c, wh_cache_keys(&s->cache, c, t->index, h), t->position + i, turned);
            wh_cache_put_value(&s->cache, c, wh_cache_values(&s->cache, c, t->index, h),
                               t->position + i, s->value + (i * c->kv_heads + h) * dim);
        }
    }
}

/* ---- layers -----------------------------------------------------------------------------------
 */

typedef struct rounding {
    const wh_linear *l;
    const float *x;
    float *out;
    size_t count;
} rounding;

static void round_part(void *ctx, unsigned t, unsigned threads)
{
    const rounding *r = ctx;
    const size_t cols = (size_t)r->l->told.info.cols;
    size_t begin, end;
    wh_pool_split(r->count, 1, t, threads, &begin, &end);
    wh_acts_round(r->l->told.info.scheme.kind, r->l->told.act_scale, r->x + begin * cols,
                  end - begin, cols, r->out + begin * cols);
}

/* The activations in 8 bits, as the linear's scheme has them. */
static const float *rounded(const whit_session *s, const wh_linear *l, const float *x, size_t count)
{
    whit_context *c = s->model->context;
    rounding r = { l, x, s->rounded, count };
    if (count * l->told.info.cols < WORTH_THREADS) {
        round_part(&r, 0, 1);
        return s->rounded;
    }
    pthread_mutex_lock(&c->lock);
    wh_pool_run(c->pool, round_part, &r);
    pthread_mutex_unlock(&c->lock);
    return s->rounded;
}

static void show(const whit_session *s, const wh_linear *l, size_t position, const float *x,
                 size_t count)
{
    const whit_linear_input input = { l->index, x, count, (size_t)l->told.info.cols, position };
    if (s->watch) s->watch(s->watch_ctx, &input);
}

/* y [count][rows] = x [count][cols] W^T + bias */
static whit_status product(const whit_session *s, const wh_linear *l, size_t position,
                           const float *x, size_t count, float *y, whit_error *err)
{
    const whit_weight_info *info = &l->told.info;
    show(s, l, position, x, count);
    if (l->rounds) x = rounded(s, l, x, count);
    whit_status st = whit_matmul(s->model->context, l->weight, l->told.acts, x, count, y, err);
    for (size_t t = 0; t < count && l->bias && st == WHIT_OK; t++)
        wh_add(y + t * info->rows, l->bias, (size_t)info->rows);
    return st;
}

void wh_step_norm(whit_session *s, const float *weight, size_t count)
{
    tokens t = { .s = s, .count = count, .weight = weight };
    share(&t, s->model->config.dim, norm_tokens);
}

whit_status wh_step_mix(whit_session *s, uint32_t layer, size_t position, size_t count,
                        whit_error *err)
{
    const wh_layer *l = &s->model->layer[layer];
    const wh_model_config *c = &s->model->config;
    tokens t = { .s = s, .layer = l, .index = layer, .position = position, .count = count };
    whit_status st = product(s, &l->linear[WH_LINEAR_Q], position, s->normed, count, s->query, err);
    if (st == WHIT_OK)
        st = product(s, &l->linear[WH_LINEAR_K], position, s->normed, count, s->key, err);
    if (st == WHIT_OK)
        st = product(s, &l->linear[WH_LINEAR_V], position, s->normed, count, s->value, err);
    if (st != WHIT_OK) return st;
    share(&t, (size_t)c->heads * c->head_dim, place_tokens);
    wh_attention(s, layer, position, count);
    return WHIT_OK;
}

whit_status wh_step_add(whit_session *s, const wh_linear *l, size_t position, const float *x,
                        size_t count, whit_error *err)
{
    tokens t = { .s = s, .count = count };
    whit_status st = product(s, l, position, x, count, s->normed, err);
    if (st == WHIT_OK) share(&t, s->model->config.dim, add_tokens);
    return st;
}

whit_status wh_step_gate(whit_session *s, uint32_t layer, size_t position, size_t count,
                         whit_error *err)
{
    const wh_linear *l = s->model->layer[layer].linear;
    tokens t = { .s = s, .count = count };
    whit_status st = product(s, &l[WH_LINEAR_GATE], position, s->normed, count, s->gate, err);
    if (st == WHIT_OK) st = product(s, &l[WH_LINEAR_UP], position, s->normed, count, s->up, err);
    if (st == WHIT_OK) share(&t, s->model->config.ffn, gate_tokens);
    return st;
}

whit_status wh_step_layer(whit_session *s, uint32_t layer, size_t position, size_t count,
                          whit_error *err)
{
    const wh_layer *l = &s->model->layer[layer];
    wh_step_norm(s, l->attn_norm, count);
    whit_status st = wh_step_mix(s, layer, position, count, err);
    if (st == WHIT_OK)
        st = wh_step_add(s, &l->linear[WH_LINEAR_OUT], position, s->mixed, count, err);
    if (st != WHIT_OK) return st;
    wh_step_norm(s, l->ffn_norm, count);
    st = wh_step_gate(s, layer, position, count, err);
    if (st == WHIT_OK)
        st = wh_step_add(s, &l->linear[WH_LINEAR_DOWN], position, s->gate, count, err);
    return st;
}

void wh_step_place(whit_session *s, size_t position, size_t count)
{
    const whit_model *m = s->model;
    wh_rope_tables(&m->config, m->frequencies, position, count, s->cosine, s->sine);
}

static whit_status embed(const whit_model *m, uint32_t id, float *out, whit_error *err)
{
    const size_t dim = m->config.dim;
    if (m->source) return whit_source_read_f32(m->source, m->embeddings, id, 1, 0, dim, out, err);
    memcpy(out, m->drawn + id % WH_DRAWN_ROWS * dim, dim * sizeof *out);
    return WHIT_OK;
}

whit_status wh_forward(whit_session *s, size_t position, const uint32_t *ids, size_t count,
                       size_t wanted, float *logits, whit_error *err)
{
    const whit_model *m = s->model;
    const size_t dim = m->config.dim;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < count && st == WHIT_OK; i++)
        st = embed(m, ids[i], s->stream + i * dim, err);
    wh_step_place(s, position, count);
    for (uint32_t l = 0; l < m->config.layers && st == WHIT_OK; l++)
        st = wh_step_layer(s, l, position, count, err);
    if (st != WHIT_OK || wanted == 0) return st;
    wh_step_norm(s, m->output_norm, count);
    const float *x = s->normed + (count - wanted) * dim;
    if (logits) return product(s, &m->head, position + count - wanted, x, wanted, logits, err);
    show(s, &m->head, position + count - wanted, x, wanted);
    return WHIT_OK;
}
