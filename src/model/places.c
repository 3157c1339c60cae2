/* src/model/places.c - which tensor of a file is what in a model.
 *
 * Each tensor of the file must have a role, once, with the shape that the configuration makes, and
 * each role that the configuration makes must have a tensor.
 * SPDX-License-Identifier: MIT */
#include "model/places.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/rope.h"
#include "model/runner.h"

size_t *wh_place_of(const wh_places *p, wh_role role, uint32_t layer)
{
    return &p->at[role < WH_ROLE_LAYER
                      ? (size_t)role
                      : WH_ROLE_LAYER + (size_t)layer * (WH_ROLES - WH_ROLE_LAYER) +
                            (size_t)(role - WH_ROLE_LAYER)];
}

static wh_naming naming_of(const wh_model_config *c, const whit_source *source)
{
    if (c->llama2c) return WH_NAMING_LLAMA2C;
    return whit_file_kv_count(whit_source_file(source), 0) > 0 ? WH_NAMING_GGUF : WH_NAMING_HF;
}

/* The role of a tensor; WH_ROLE_NONE for one that is not needed. */
static whit_status role_of(const wh_model_config *c, wh_naming by, const char *name, wh_role *role,
                           uint32_t *layer, whit_error *err)
{
    char shortened[WH_SHORT];
    wh_gguf_fate fate;
    if (by != WH_NAMING_GGUF) {
        whit_status st = wh_name_fate(c, name, &fate, err);
        *role = fate.role;
        *layer = fate.layer;
        return st;
    }
    *role = wh_role_of_gguf(name, layer);
    if (*role != WH_ROLE_NONE && wh_role_expected(c, *role) && *layer < c->layers) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: no tensor of this architecture has that name",
                   wh_short(shortened, name));
}

static whit_status check_shape(const wh_model_config *c, const whit_source_tensor *t, wh_role role,
                               whit_error *err)
{
    char name[WH_SHORT];
    uint64_t rows, cols;
    wh_role_shape(c, role, &rows, &cols);
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

static whit_status place_tensors(wh_places *p, const wh_model_config *c, const whit_source *source,
                                 whit_error *err)
{
    const wh_naming by = naming_of(c, source);
    char name[WH_SHORT];
    for (size_t i = 0; i < whit_source_count(source); i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        wh_role role = WH_ROLE_NONE;
        uint32_t layer = 0;
        whit_status st = role_of(c, by, t->tensor.name, &role, &layer, err);
        if (st == WHIT_OK && role == WH_ROLE_NONE) continue;
        if (st == WHIT_OK) st = check_shape(c, t, role, err);
        if (st == WHIT_OK) st = check_type(t, err);
        if (st != WHIT_OK) return st;
        size_t *at = wh_place_of(p, role, layer);
        if (*at != WHIT_NOT_FOUND)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: the tensor is there twice",
                           wh_short(name, t->tensor.name));
        *at = i;
    }
    for (wh_role role = WH_ROLE_NONE; role < WH_ROLES; role++)
        for (uint32_t l = 0; l < (role < WH_ROLE_LAYER ? 1 : c->layers); l++)
            if (wh_role_expected(c, role) && *wh_place_of(p, role, l) == WHIT_NOT_FOUND) {
                char own[WH_ROLE_NAME];
                return wh_fail(err, WHIT_ERR_FORMAT, "%s: the tensor is missing",
                               wh_role_name(role, l, by, own));
            }
    return WHIT_OK;
}

whit_status wh_places_find(wh_places *p, const wh_model_config *c, const whit_source *source,
                           whit_error *err)
{
    p->count = WH_ROLE_LAYER + (size_t)c->layers * (WH_ROLES - WH_ROLE_LAYER);
    p->at = wh_calloc(p->count, sizeof *p->at);
    if (!p->at) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the tensors of a model");
    for (size_t i = 0; i < p->count; i++) p->at[i] = WHIT_NOT_FOUND;
    return place_tensors(p, c, source, err);
}

void wh_places_free(wh_places *p)
{
    free(p->at);
    p->at = NULL;
}

whit_status wh_places_rope(const wh_places *p, const wh_model_config *c, const whit_source *source,
                           double *frequencies, whit_error *err)
{
    const uint32_t half = c->head_dim / 2;
    float *divisors = NULL;
    whit_status st = WHIT_OK;
    if (wh_role_expected(c, WH_ROLE_ROPE_FREQS)) {
        const size_t index = *wh_place_of(p, WH_ROLE_ROPE_FREQS, 0);
        divisors = wh_calloc(half, sizeof *divisors);
        if (!divisors) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for divisors of rope");
        st = whit_source_read_f32(source, index, 0, 1, 0, half, divisors, err);
    }
    for (uint32_t i = 0; divisors && i < half && st == WHIT_OK; i++)
        if (!(divisors[i] > 0 && isfinite(divisors[i])))
            st = wh_fail(err, WHIT_ERR_FORMAT,
                         "rope_freqs.weight: value %" PRIu32 " is not positive and finite", i);
    if (st == WHIT_OK) wh_rope_frequencies(c, divisors, frequencies);
    free(divisors);
    return st;
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

wh_role wh_linear_role(size_t linear)
{
    return roles[linear][0];
}

wh_role wh_linear_bias(size_t linear)
{
    return roles[linear][1];
}

void wh_linear_sides(const wh_model_config *c, size_t index, uint64_t *rows, uint64_t *cols)
{
    const int head = index / WH_LINEARS >= c->layers;
    wh_role_shape(c, head ? WH_ROLE_OUTPUT : roles[index % WH_LINEARS][0], rows, cols);
}
