/* src/model/attention.c - softmax of queries times keys, times values.
 *
 * Keys and values lie as the kernels have float weights (model/runner.h), so both products are
 * tiles of theirs: one chain of fused multiply-adds for each score, over the dimensions, and for
 * each output, over the positions. A strip is some queries that share a kv head; how many there are
 * together changes nothing. Positions that a query does not see weigh 0, which leaves its chain as
 * it is. The row of scores is made whole; then exponentials, their sum in double, and one division
 * for each output.
 *
 * Source: Vaswani et al. 2017 (arXiv:1706.03762); grouped heads: Ainslie et al. 2023
 * (arXiv:2305.13245); windows: Jiang et al. 2023 (arXiv:2310.06825).
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "model/runner.h"

/* Below so many multiplications it is sooner done than handed out. */
#define WORTH_THREADS 16384

typedef struct desk {
    float *scores; /* [panel][query][16 positions] */
    float *seen;   /* [position][query]: weights of the values */
    float *query;  /* [dimension][query] */
    float *sums;   /* [2 panels][query][16 dimensions] */
    float *total;  /* [query] */
} desk;

/* Which part of the call a strip is. */
typedef struct strip {
    uint32_t kv_head;
    size_t first, queries; /* of tokens * rep queries; query i is head i % rep of token i / rep */
    size_t begin, end;     /* positions that any of them sees; begin is a multiple of 16 */
} strip;

typedef struct call {
    whit_session *s;
    const wh_variant *tile;
    uint32_t layer;
    size_t position, count;
    size_t rep, strips; /* query heads of a kv head; strips of a kv head */
} call;

/* ---- sizes ------------------------------------------------------------------------------------
 */

static const wh_variant *tile_of(const whit_model *m)
{
    return m->context->kernels.op[WH_TILE_CHAIN];
}

static size_t line_floats(size_t n)
{
    return (n + WH_PANEL - 1) / WH_PANEL * WH_PANEL;
}

size_t wh_attention_desk(const whit_model *m, size_t positions)
{
    const size_t most = tile_of(m)->tokens, all = line_floats(positions);
    return (2 * all * most + line_floats(m->config.head_dim * most) + 2 * WH_PANEL * most +
            line_floats(most)) *
           sizeof(float);
}

static desk desk_at(const call *c, unsigned t)
{
    const size_t most = c->tile->tokens, all = line_floats(c->s->positions);
    desk d;
    d.scores = (float *)(void *)(c->s->desks + t * c->s->desk_bytes);
    d.seen = d.scores + all * most;
    d.query = d.seen + all * most;
    d.sums = d.query + line_floats(c->s->model->config.head_dim * most);
    d.total = d.sums + 2 * WH_PANEL * most;
    return d;
}

static size_t window_begin(const call *c, size_t position)
{
    const wh_model_config *m = &c->s->model->config;
    const size_t window = c->layer >= m->window_first ? m->window : 0;
    return window == 0 || position < window ? 0 : position + 1 - window;
}

/* ---- one strip --------------------------------------------------------------------------------
 */

static strip strip_at(const call *c, size_t index)
{
    const size_t all = c->count * c->rep, each = (all + c->strips - 1) / c->strips;
    strip p = { .kv_head = (uint32_t)(index / c->strips) };
    p.first = index % c->strips * each;
    p.queries = p.first >= all ? 0 : all - p.first < each ? all - p.first : each;
    if (p.queries == 0) return p;
    p.begin = window_begin(c, c->position + p.first / c->rep) / WH_PANEL * WH_PANEL;
    p.end = c->position + (p.first + p.queries - 1) / c->rep + 1;
    return p;
}

/* Of session buffers [count][heads * head_dim]. */
static float *head_at(const call *c, float *buffer, const strip *p, size_t query)
{
    const wh_model_config *m = &c->s->model->config;
    const size_t i = p->first + query, head = p->kv_head * c->rep + i % c->rep;
    return buffer + (i / c->rep * m->heads + head) * m->head_dim;
}

static void pack_queries(const call *c, const strip *p, const desk *d)
{
    const uint32_t dim = c->s->model->config.head_dim;
    const float scale = (float)(1.0 / sqrt((double)dim));
    for (size_t q = 0; q < p->queries; q++) {
        const float *from = head_at(c, c->s->turned, p, q);
        for (uint32_t i = 0; i < dim; i++) d->query[i * p->queries + q] = from[i] * scale;
    }
}

/* scores, of positions from p->begin on. */
static void score(const call *c, const strip *p, const desk *d)
{
    const wh_model_config *m = &c->s->model->config;
    const float *keys = wh_cache_keys(&c->s->cache, m, c->layer, p->kv_head);
    const size_t from = p->begin / WH_PANEL, to = (p->end + WH_PANEL - 1) / WH_PANEL;
    const size_t panel = (size_t)m->head_dim * WH_PANEL, row = p->queries * WH_PANEL;
    memset(d->scores, 0, (to - from) * row * sizeof(float));
    for (size_t i = from; i < to; i += c->tile->panels) {
        wh_tile_args a = { .x = d->query, .tokens = p->queries, .n = m->head_dim };
        a.panels = to - i < c->tile->panels ? to - i : c->tile->panels;
        for (size_t k = 0; k < a.panels; k++) a.value[k] = keys + (i + k) * panel;
        a.sums = d->scores + (i - from) * row;
        c->tile->tile(&a);
    }
}

/* What query q gives each position, to `seen`; the sum of it. */
static double weigh(const call *c, const strip *p, const desk *d, size_t q)
{
    const size_t position = c->position + (p->first + q) / c->rep;
    const wh_score_row row = { .first = d->scores + q * WH_PANEL,
                               .stride = p->queries * WH_PANEL,
                               .panels = (p->end - p->begin + WH_PANEL - 1) / WH_PANEL,
                               .begin = window_begin(c, position) - p->begin,
                               .end = position + 1 - p->begin };
    const double sum = c->s->model->ops->exponentials(&row);
    for (size_t i = 0; i < row.panels; i++)
        for (size_t k = 0; k < WH_PANEL; k++)
            d->seen[(i * WH_PANEL + k) * p->queries + q] = row.first[i * row.stride + k];
    return sum;
}

/* mixed = sum of seen * values, by the total. */
static void mix(const call *c, const strip *p, const desk *d)
{
    const wh_model_config *m = &c->s->model->config;
    const wh_cache *cache = &c->s->cache;
    const float *values = wh_cache_values(cache, m, c->layer, p->kv_head);
    for (size_t i = 0; i * WH_PANEL < m->head_dim; i += c->tile->panels) {
        const size_t left = (m->head_dim - i * WH_PANEL + WH_PANEL - 1) / WH_PANEL;
        wh_tile_args a = { .x = d->seen, .tokens = p->queries, .n = p->end - p->begin };
        a.panels = left < c->tile->panels ? left : c->tile->panels;
        for (size_t k = 0; k < a.panels; k++)
            a.value[k] = values + ((i + k) * cache->positions + p->begin) * WH_PANEL;
        a.sums = d->sums;
        memset(d->sums, 0, a.panels * p->queries * WH_PANEL * sizeof(float));
        c->tile->tile(&a);
        for (size_t q = 0; q < p->queries; q++) {
            float *to = head_at(c, c->s->mixed, p, q);
            for (size_t e = 0; e < a.panels * WH_PANEL && i * WH_PANEL + e < m->head_dim; e++)
                to[i * WH_PANEL + e] =
                    d->sums[(e / WH_PANEL * p->queries + q) * WH_PANEL + e % WH_PANEL] /
                    d->total[q];
        }
    }
}

static void attend(void *ctx, unsigned t, unsigned threads)
{
    const call *c = ctx;
    const size_t items = c->strips * c->s->model->config.kv_heads;
    const desk d = desk_at(c, t);
    for (size_t i = t; i < items; i += threads) { /* later strips have more to do */
        const strip p = strip_at(c, i);
        if (p.queries == 0) continue;
        pack_queries(c, &p, &d);
        score(c, &p, &d);
        for (size_t q = 0; q < p.queries; q++) d.total[q] = (float)weigh(c, &p, &d, q);
        mix(c, &p, &d);
    }
}

void wh_attention(whit_session *s, uint32_t layer, size_t position, size_t count)
{
    const wh_model_config *m = &s->model->config;
    call c = { s, tile_of(s->model), layer, position, count, m->heads / m->kv_heads, 0 };
    c.strips = (count * c.rep + c.tile->tokens - 1) / c.tile->tokens;
    const double work = (double)count * m->heads * m->head_dim * (double)(position + count);
    if (work < WORTH_THREADS) {
        attend(&c, 0, 1);
        return;
    }
    pthread_mutex_lock(&s->model->context->lock);
    wh_pool_run(s->model->context->pool, attend, &c);
    pthread_mutex_unlock(&s->model->context->lock);
}
