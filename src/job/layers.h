/* src/job/layers.h - a model run layer by layer over all tokens of some texts: one layer in memory.
 *
 * On one or two sides: that of the quantized model, and that of the float model beside it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_LAYERS_H
#define WH_JOB_LAYERS_H

#include "job/feeds.h"
#include "job/method.h"
#include "model/places.h"
#include "model/runner.h"

/* Rows of activations, of every token: in memory, or in a file that has no name. */
typedef struct wh_rows_kept {
    float *data; /* [rows][cols]; NULL: in the file */
    int fd;      /* -1: none */
    uint64_t rows;
    size_t cols;
} wh_rows_kept;

enum { WH_SIDE_QUANTIZED, WH_SIDE_FLOAT, WH_SIDES };

typedef struct wh_side {
    whit_model *model; /* of one layer */
    whit_session *session;
    wh_rows_kept stream, mixed;
} wh_side;

typedef struct wh_layers {
    const whit_plan *plan;
    whit_context *context;
    wh_feeds *feeds;
    wh_model_config config;
    wh_places places;
    wh_side side[WH_SIDES];
    unsigned sides;
    uint64_t tokens; /* of all texts */
    uint32_t layer;  /* that is loaded */
} wh_layers;         /* zero-initialise */

/* Texts are taken apart, embeddings read. Errors: those of wh_feeds_settle and wh_config_of_file;
 * WHIT_ERR_NOMEM, WHIT_ERR_IO. Close then, too. */
whit_status wh_layers_open(wh_layers *l, const whit_plan *plan, whit_context *context,
                           wh_feeds *feeds, unsigned sides, wh_lines *warnings, whit_error *err);
void wh_layers_close(wh_layers *l);
/* Octets that it takes at most, with the method at work on one of its matrices, or on the head. */
uint64_t wh_layers_bytes(const whit_plan *plan, const wh_model_config *c, unsigned sides);

/* Go on to a layer: norms, biases; its linears are put one by one. Errors: those of reading. */
whit_status wh_layers_load(wh_layers *l, uint32_t layer, whit_error *err);
/* Vectors again, as they are folded now. */
whit_status wh_layers_vectors(wh_layers *l, whit_error *err);
/* w [rows][cols] is copied. */
whit_status wh_layers_put(wh_layers *l, unsigned side, size_t linear, const float *w,
                          whit_error *err);

/* ---- passes over all tokens ------------------------------------------------------------------ */

/* What a pass does with the stream. */
typedef enum wh_pass_kind {
    WH_PASS_ATTN, /* looks at the input of q, k, v */
    WH_PASS_OUT,  /* attention; looks at the input of the output projection, and keeps it */
    WH_PASS_FFN,  /* adds what that makes of it; looks at the input of gate and up */
    WH_PASS_DOWN, /* looks at the input of down */
    WH_PASS_END,  /* adds what that makes of it */
    WH_PASS_LOOK, /* looks at all four; the stream stays as it is */
    WH_PASS_SKIP, /* the whole layer at once, looks at nothing */
    WH_PASS_HEAD  /* looks at the input of the output head; behind the last layer */
} wh_pass_kind;

/* Rows [tokens][cols] of the input (WH_INPUT_..) for tokens from number `at` on; y: of the float
 * model, NULL: there is none. */
typedef whit_status wh_look_fn(void *ctx, size_t input, uint64_t at, const float *x, const float *y,
                               size_t tokens, whit_error *err);

whit_status wh_layers_pass(wh_layers *l, wh_pass_kind kind, wh_look_fn *look, void *ctx,
                           whit_error *err);

#endif
