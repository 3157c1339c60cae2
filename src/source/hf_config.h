/* src/source/hf_config.h - what the configuration beside a quantized checkpoint says.
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_HF_CONFIG_H
#define WH_SOURCE_HF_CONFIG_H

#include "base/error.h"

typedef enum wh_hf_method {
    WH_HF_NONE = 0, /* nothing is said */
    WH_HF_CT,       /* compressed-tensors */
    WH_HF_GPTQ,
    WH_HF_AWQ,
    WH_HF_BNB,  /* bitsandbytes */
    WH_HF_FP8,  /* in blocks */
    WH_HF_OTHER /* one that is not read */
} wh_hf_method;

/* Groups of compressed-tensors: each layer may be compared with all. Real ones have a few. */
#define WH_HF_GROUPS 256
#define WH_HF_TEXT 40
typedef char wh_hf_text[WH_HF_TEXT]; /* cut short where it is longer; "": not said */

/* compressed-tensors: one group of layers, its weights and activations. Numbers are 0 where nothing
 * is said. */
typedef struct wh_hf_group {
    wh_hf_text type, strategy; /* "int", "float"; "tensor", "channel", "group", "block", .. */
    int64_t bits, size;        /* size: of "group", -1 for all columns */
    int64_t block[2];          /* rows and columns of "block" */
    int symmetric;             /* 1 where nothing is said */
    wh_hf_text act_type, act_strategy; /* of its activations; "": they stay as they are */
    int64_t act_bits;
    int act_dynamic; /* 1, 0, -1: neither */
} wh_hf_group;

/* Zero-initialise; wh_hf_config_free at the end. */
typedef struct wh_hf_config {
    wh_hf_method method;
    wh_hf_text name;                           /* quant_method */
    wh_hf_text format, checkpoint, pack_dtype; /* checkpoint: checkpoint_format */
    wh_hf_text version;                        /* of AWQ */
    int64_t bits, group_size;                  /* group_size: -1 for all columns */
    int64_t w_bit, q_group_size;               /* as AutoAWQ names them */
    int dynamic;                               /* layers that are otherwise */
    int marlin;                                /* is_marlin_format */
    int64_t weight_block[2];                   /* rows and columns of a block of fp8 */
    wh_hf_text sparsity;                       /* sparsity_config.format */
    wh_hf_group *group;                        /* [groups] */
    size_t groups, cap;
} wh_hf_config;

/*
 * Parse the text of a configuration: a whole config.json, whose quantization_config counts, or one
 * that is nothing else (bare). Everything that is used must have its type and be there once; the
 * rest is passed over. err->msg says what is wrong, without a name.
 * Errors: WHIT_ERR_FORMAT, WHIT_ERR_NOMEM.
 */
whit_status wh_hf_config_parse(wh_hf_config *config, const char *text, size_t len, int bare,
                               whit_error *err);

/* Find and parse the configuration in a folder: config.json, quantize_config.json,
 * quant_config.json, the first that says something, whose name *file gets. None of them: WHIT_OK,
 * and method is WH_HF_NONE. Errors: those above, with the file's name; WHIT_ERR_IO. */
whit_status wh_hf_config_read(wh_hf_config *config, const char *folder, const char **file,
                              whit_error *err);
void wh_hf_config_free(wh_hf_config *config);

#endif
