/* src/model/runner.h - between the files of the runner: a model in memory, a text in memory.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_RUNNER_H
#define WH_MODEL_RUNNER_H

#include <whit/model.h>
#include "base/lines.h"
#include "kernels/context.h"
#include "model/config.h"
#include "model/names.h"
#include "model/ops.h"

/* A matrix with its bias, ready to multiply. */
typedef struct wh_linear {
    whit_weight *weight;
    float *bias; /* NULL: none */
    whit_model_linear told;
    int rounds; /* its activations are rounded before the product (acts.h) */
    size_t index;
} wh_linear;

enum {
    WH_LINEAR_Q,
    WH_LINEAR_K,
    WH_LINEAR_V,
    WH_LINEAR_OUT,
    WH_LINEAR_GATE,
    WH_LINEAR_UP,
    WH_LINEAR_DOWN,
    WH_LINEARS
};

typedef struct wh_layer {
    wh_linear linear[WH_LINEARS];
    float *attn_norm, *ffn_norm;
    float *q_norm, *k_norm; /* NULL: none */
} wh_layer;

#define WH_DRAWN_ROWS 64

struct whit_model {
    whit_source *source; /* NULL: there is no file (drawn.c) */
    float *drawn;        /* then: embeddings [WH_DRAWN_ROWS][dim], of id modulo that */
    whit_context *context;
    int lent; /* the context is the caller's */
    wh_model_config config;
    const wh_ops *ops;
    whit_acts acts;
    int rounds;        /* some linear does */
    size_t embeddings; /* index into the source: rows are read as they are needed */
    wh_layer *layer;   /* [config.layers] */
    wh_linear head;
    float *output_norm;
    double *frequencies; /* of rope, [head_dim / 2] */
    char *path;
    wh_lines warnings;
    whit_model_info info;
};

/* model.c: whit_model_open with a context of the caller's, which he closes after the model. */
whit_status wh_model_open_in(whit_model **out, const char *path, whit_context *context,
                             whit_acts acts, whit_error *err);

/* drawn.c: a model without a file: made-up embeddings, norms of 1, no biases; its linears are to be
 * put before it is fed. */
whit_status wh_model_draw(whit_model **out, const wh_model_config *config, whit_context *context,
                          whit_acts acts, whit_error *err);
/* Replace a linear, index as for whit_model_linear_at. The weight belongs to the model then. */
void wh_model_put(whit_model *m, size_t index, whit_weight *weight);

/* What whit_model_describe tells. */
void wh_model_tell(whit_model *m);

/* weights.c: how a linear takes its activations: as the model does where there is a kernel for it,
 * or in 8 bits as its scheme says, WHIT_A8_..; scale: of WHIT_A8_STATIC. */
void wh_linear_acts(wh_linear *l, whit_model *m, int a8, float scale);

/* weights.c: everything behind source and config. */
whit_status wh_model_load(whit_model *m, whit_error *err);
void wh_model_unload(whit_model *m);

/* Rows and columns of a linear, index as for whit_model_linear_at. */
void wh_linear_sides(const wh_model_config *c, size_t index, uint64_t *rows, uint64_t *cols);
/* Itself; the last one is the head. */
const wh_linear *wh_model_linear(const whit_model *m, size_t index);

/* ---- keys and values of a text ----------------------------------------------------------------
 */

/*
 * Both lie as the kernels have float weights (kernels/kernels.h), so that attention is a product
 * like any other: keys as rows of a weight whose inputs are the dimensions of a head, values as
 * columns of one whose inputs are the positions.
 *
 *   keys    [layer][kv head][panel of 16 positions][dimension][16 positions]
 *   values  [layer][kv head][panel of 16 dimensions][position][16 dimensions]
 */
typedef struct wh_cache {
    float *keys, *values;
    size_t keys_bytes, values_bytes;
    size_t positions; /* a multiple of 16 */
} wh_cache;

/* cache.c. Errors: WHIT_ERR_NOMEM. */
whit_status wh_cache_open(wh_cache *cache, const wh_model_config *c, size_t positions,
                          whit_error *err);
void wh_cache_close(wh_cache *cache);
float *wh_cache_keys(const wh_cache *cache, const wh_model_config *c, uint32_t layer,
                     uint32_t kv_head);
float *wh_cache_values(const wh_cache *cache, const wh_model_config *c, uint32_t layer,
                       uint32_t kv_head);
/* Enter one head of one position. */
void wh_cache_put_key(const wh_model_config *c, float *keys, size_t position, const float *key);
void wh_cache_put_value(const wh_cache *cache, const wh_model_config *c, float *values,
                        size_t position, const float *value);

/* ---- a text -----------------------------------------------------------------------------------
 */

#define WH_CHUNK 256 /* tokens that pass through the layers together, at most */

struct whit_session {
    whit_model *model;
    wh_cache cache;
    size_t positions, position;
    size_t chunk;
    /* [chunk][..]: residual stream, what goes into linears, what comes out */
    float *stream, *normed, *query, *turned, *key, *value, *mixed, *gate, *up;
    float *rounded;       /* [chunk][the widest input], where some linear may round */
    float *cosine, *sine; /* [chunk][head_dim / 2] */
    char *desks;          /* of attention, one a thread */
    size_t desk_bytes;
    void *pages; /* what all these lie in */
    size_t pages_bytes;
    whit_input_fn *watch;
    void *watch_ctx;
};

/* forward.c: tokens [position, position + count) of one chunk; ids are checked. logits: of the last
 * `wanted` of them; NULL: whoever watches sees the head's input. */
whit_status wh_forward(whit_session *s, size_t position, const uint32_t *ids, size_t count,
                       size_t wanted, float *logits, whit_error *err);

/* The same in steps, all on the tokens in the session's buffers, at most a chunk. First their
 * positions; then for each layer: norm of the stream to `normed`; mix of that: queries, keys and
 * values, attention to `mixed`; add: what the linear makes of x to the stream; norm; gate: of
 * normed to `gate`; add. */
void wh_step_place(whit_session *s, size_t position, size_t count);
void wh_step_norm(whit_session *s, const float *weight, size_t count);
whit_status wh_step_mix(whit_session *s, uint32_t layer, size_t position, size_t count,
                        whit_error *err);
whit_status wh_step_add(whit_session *s, const wh_linear *l, size_t position, const float *x,
                        size_t count, whit_error *err);
whit_status wh_step_gate(whit_session *s, uint32_t layer, size_t position, size_t count,
                         whit_error *err);
/* All of a layer. */
whit_status wh_step_layer(whit_session *s, uint32_t layer, size_t position, size_t count,
                          whit_error *err);

/* attention.c: octets of a thread's desk. */
size_t wh_attention_desk(const whit_model *m, size_t positions);
/* mixed [count][heads * head_dim] from turned, whose positions are in the cache. */
void wh_attention(whit_session *s, uint32_t layer, size_t position, size_t count);

#endif
