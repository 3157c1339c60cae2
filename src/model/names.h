/* src/model/names.h - tensors of a model by role, and the names that Hugging Face, GGUF and
 * llama2.c have for them.
 *
 * Not here: the importance of a tensor for a mix (job); names of anything but dense models of the
 * Llama family.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_NAMES_H
#define WH_MODEL_NAMES_H

#include "model/config.h"

typedef enum wh_role {
    WH_ROLE_NONE,
    WH_ROLE_TOKEN_EMBD,
    WH_ROLE_OUTPUT_NORM,
    WH_ROLE_OUTPUT,
    WH_ROLE_ROPE_FREQS, /* GGUF only */
    WH_ROLE_ATTN_NORM,  /* from here on: one in each layer */
    WH_ROLE_ATTN_Q,
    WH_ROLE_ATTN_K,
    WH_ROLE_ATTN_V,
    WH_ROLE_ATTN_OUT,
    WH_ROLE_ATTN_Q_BIAS,
    WH_ROLE_ATTN_K_BIAS,
    WH_ROLE_ATTN_V_BIAS,
    WH_ROLE_ATTN_OUT_BIAS,
    WH_ROLE_ATTN_Q_NORM,
    WH_ROLE_ATTN_K_NORM,
    WH_ROLE_FFN_NORM,
    WH_ROLE_FFN_GATE,
    WH_ROLE_FFN_UP,
    WH_ROLE_FFN_DOWN,
    WH_ROLE_FFN_GATE_BIAS,
    WH_ROLE_FFN_UP_BIAS,
    WH_ROLE_FFN_DOWN_BIAS,
    WH_ROLES
} wh_role;
#define WH_ROLE_LAYER WH_ROLE_ATTN_NORM /* the first that is in each layer */

#define WH_ROLE_NAME 64 /* room for the longest name */

/* What becomes of a tensor of a model folder, or of llama2.c, on its way to GGUF. */
typedef struct wh_gguf_fate {
    wh_role role; /* WH_ROLE_NONE: dropped */
    uint32_t layer;
    const char *dropped;     /* static text: why it is left out; NULL: it is written */
    char name[WH_ROLE_NAME]; /* in GGUF */
    int vector;              /* 1: one-dimensional, and F32 in GGUF */
    uint32_t permuted_heads; /* rows are put into GGUF's order, in so many heads; 0: left alone */
} wh_gguf_fate;

/*
 * By the name in a model folder, with or without "model." in front, or that of llama2.c.
 * Errors: WHIT_ERR_UNSUPPORTED (a name that is not known, or not with this configuration; a layer
 * beyond the last).
 */
whit_status wh_name_fate(const wh_model_config *c, const char *hf_name, wh_gguf_fate *out,
                         whit_error *err);

/* Who named the tensors. */
typedef enum wh_naming { WH_NAMING_HF, WH_NAMING_GGUF, WH_NAMING_LLAMA2C } wh_naming;

/* The role that a name has, by any naming; WH_ROLE_NONE if it has none. *layer is 0 for roles
 * that are there once. Whether the model has such a layer is not looked at. */
wh_role wh_role_of_hf(const char *name, uint32_t *layer);
wh_role wh_role_of_gguf(const char *name, uint32_t *layer);
wh_role wh_role_of_llama2c(const char *name, uint32_t *layer);

/* The name by that naming (of a role that has one there). Returns buf. */
const char *wh_role_name(wh_role role, uint32_t layer, wh_naming by, char buf[WH_ROLE_NAME]);

/* 1 if a model of this configuration must have it. WH_ROLE_ROPE_FREQS: it depends on the file. */
int wh_role_expected(const wh_model_config *c, wh_role role);

/* Its shape: rows outputs of cols inputs; a vector is one row. */
void wh_role_shape(const wh_model_config *c, wh_role role, uint64_t *rows, uint64_t *cols);
int wh_role_is_vector(wh_role role);

/* A name of a tensor that holds what is computed anyway, or never used: rotary_emb.inv_freq, .. */
int wh_name_is_derived(const char *hf_name);

/*
 * GGUF llama holds the rows of q and k, and their biases, in another order: in each head, rows i
 * and i + n/2 of a model folder are neighbours. rows must be a multiple of 2 * heads.
 */
uint64_t wh_hf_row(uint64_t gguf_row, uint64_t rows, uint64_t heads);
uint64_t wh_gguf_row(uint64_t hf_row, uint64_t rows, uint64_t heads);

#endif
