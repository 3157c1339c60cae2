/* src/model/config_raw.h - between the readers of a configuration and what makes sense of it: the
 * values as they were written, under the names of both worlds.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_CONFIG_RAW_H
#define WH_MODEL_CONFIG_RAW_H

#include "model/config.h"

typedef enum wh_raw_kind {
    WH_RAW_ABSENT, /* null counts as absent */
    WH_RAW_WHOLE,  /* n, and x */
    WH_RAW_REAL,   /* x */
    WH_RAW_BOOL,   /* n */
    WH_RAW_TEXT,   /* text, cut to what fits */
    WH_RAW_OTHER   /* a list, an object, a text with a number's place */
} wh_raw_kind;

typedef struct wh_raw_value {
    wh_raw_kind kind;
    uint64_t n;
    double x;
    char text[72];
} wh_raw_value;

typedef enum wh_raw_key {
    WH_KEY_DIM,
    WH_KEY_LAYERS,
    WH_KEY_HEADS,
    WH_KEY_KV_HEADS,
    WH_KEY_HEAD_DIM,
    WH_KEY_VALUE_DIM, /* GGUF only, as are the next two */
    WH_KEY_ROPE_DIM,
    WH_KEY_OLD_SCALE,
    WH_KEY_FFN,
    WH_KEY_VOCAB,
    WH_KEY_CONTEXT,
    WH_KEY_EPS,
    WH_KEY_THETA,
    WH_KEY_WINDOW,
    WH_KEY_EXPERTS,
    WH_KEY_LOCAL_EXPERTS,
    WH_KEY_USE_WINDOW, /* config.json only, from here to the scaling */
    WH_KEY_WINDOW_LAYERS,
    WH_KEY_ATTENTION_BIAS,
    WH_KEY_MLP_BIAS,
    WH_KEY_TIED,
    WH_KEY_ACT,
    WH_KEY_PARTIAL,
    WH_KEY_BOS,
    WH_KEY_MODEL_TYPE,
    WH_KEY_PATH,
    WH_KEY_SCALING, /* the first one of the scaling: members of rope_scaling in config.json */
    WH_KEY_ROPE_TYPE = WH_KEY_SCALING,
    WH_KEY_ROPE_TYPE_OLD,
    WH_KEY_FACTOR,
    WH_KEY_ORIGINAL,
    WH_KEY_ATTENTION_FACTOR,
    WH_KEY_FAST,
    WH_KEY_SLOW,
    WH_KEY_LOW,
    WH_KEY_HIGH,
    WH_KEY_MSCALE,
    WH_KEY_MSCALE_ALL,
    WH_KEY_TRUNCATE,
    WH_KEY_NESTED_THETA,
    WH_KEY_NESTED_PARTIAL,
    WH_KEYS
} wh_raw_key;

typedef struct wh_raw_config {
    char label[WH_SHORT];
    int gguf;              /* which of the names messages take */
    const char *gguf_arch; /* in front of GGUF names */
    char architecture[72]; /* as written: LlamaForCausalLM, or GGUF's llama; "": none */
    wh_raw_value value[WH_KEYS];
    uint32_t eos[WH_CONFIG_EOS];
    unsigned eos_count;
    /* layer_types of config.json */
    uint32_t listed, first_windowed; /* listed: 0 without the list */
    const char *bad_list;            /* static text: why it is not followed */
} wh_raw_config;

/* The name in config.json; NULL for those of GGUF only. */
const char *wh_raw_hf_name(wh_raw_key key);
/* The name in GGUF, without the architecture in front; NULL for those of config.json only. */
const char *wh_raw_gguf_name(wh_raw_key key);

/* WHIT_ERR_FORMAT: "LABEL: KEY: what". */
whit_status wh_raw_bad(const wh_raw_config *r, wh_raw_key key, const char *what, whit_error *err);

/* Everything that a value by itself or with others can be wrong in is found here. What only GGUF
 * tensors tell (biases, tied, rope_freqs) is for the caller to enter afterwards. */
whit_status wh_config_build(wh_model_config *c, const wh_raw_config *r, whit_error *err);

#endif
