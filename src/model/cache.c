/* src/model/cache.c - keys and values of the positions that were fed.
 *
 * Memory is taken from the system as it is touched: a text that stays short costs little.
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/pages.h"
#include "model/runner.h"

static size_t round_up(size_t n)
{
    return (n + WH_PANEL - 1) / WH_PANEL * WH_PANEL;
}

/* Floats of a head. */
static size_t key_floats(const wh_cache *cache, const wh_model_config *c)
{
    return cache->positions * c->head_dim;
}

static size_t value_floats(const wh_cache *cache, const wh_model_config *c)
{
    return cache->positions * round_up(c->head_dim);
}

whit_status wh_cache_open(wh_cache *cache, const wh_model_config *c, size_t positions,
                          whit_error *err)
{
    uint64_t bytes;
    *cache = (wh_cache){ .positions = round_up(positions) };
    if (!wh_mul_u64(cache->positions, round_up(c->head_dim), &bytes) ||
        !wh_mul_u64(bytes, (uint64_t)c->layers * c->kv_heads * sizeof(float), &bytes) ||
        bytes > SIZE_MAX / 2)
        return wh_fail(err, WHIT_ERR_NOMEM, "%zu positions fit in no memory", positions);
    const size_t heads = (size_t)c->layers * c->kv_heads;
    cache->keys_bytes = heads * key_floats(cache, c) * sizeof(float);
    cache->values_bytes = heads * value_floats(cache, c) * sizeof(float);
    cache->keys = wh_pages_alloc(cache->keys_bytes);
    cache->values = wh_pages_alloc(cache->values_bytes);
    if (cache->keys && cache->values) return WHIT_OK;
    wh_cache_close(cache);
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the keys and values of %zu positions",
                   positions);
}

void wh_cache_close(wh_cache *cache)
{
    wh_pages_free(cache->keys, cache->keys_bytes);
    wh_pages_free(cache->values, cache->values_bytes);
    cache->keys = cache->values = NULL;
}

float *wh_cache_keys(const wh_cache *cache, const wh_model_config *c, uint32_t layer,
                     uint32_t kv_head)
{
    return cache->keys + ((size_t)layer * c->kv_heads + kv_head) * key_floats(cache, c);
}

float *wh_cache_values(const wh_cache *cache, const wh_model_config *c, uint32_t layer,
                       uint32_t kv_head)
{
    return cache->values + ((size_t)layer * c->kv_heads + kv_head) * value_floats(cache, c);
}

void wh_cache_put_key(const wh_model_config *c, float *keys, size_t position, const float *key)
{
    float *to = keys + position / WH_PANEL * c->head_dim * WH_PANEL + position % WH_PANEL;
    for (uint32_t d = 0; d < c->head_dim; d++) to[(size_t)d * WH_PANEL] = key[d];
}

void wh_cache_put_value(const wh_cache *cache, const wh_model_config *c, float *values,
                        size_t position, const float *value)
{
    for (uint32_t d = 0; d < c->head_dim; d++)
        values[(d / WH_PANEL * cache->positions + position) * WH_PANEL + d % WH_PANEL] = value[d];
}
