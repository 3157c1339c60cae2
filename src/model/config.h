/* src/model/config.h - the architecture of a model: what config.json or the metadata of a file
 * says about it, checked.
 *
 * Dense models of the Llama family: LlamaForCausalLM and MistralForCausalLM ("llama"),
 * Qwen2ForCausalLM ("qwen2"), Qwen3ForCausalLM ("qwen3").
 *
 * Not here: tensors and their names (model/names.h); the vocabulary (model/vocab.h).
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_CONFIG_H
#define WH_MODEL_CONFIG_H

#include <whit/file.h>
#include "base/error.h"

typedef enum wh_arch { WH_ARCH_LLAMA, WH_ARCH_QWEN2, WH_ARCH_QWEN3 } wh_arch;

/* How positions beyond those of the first training are made to fit. */
typedef enum wh_rope_kind {
    WH_ROPE_PLAIN,
    WH_ROPE_LINEAR,  /* position / factor                                                */
    WH_ROPE_LLAMA3,  /* frequencies divided by wh_rope_divisor                           */
    WH_ROPE_YARN,    /* a ramp between both, and longer vectors                          */
    WH_ROPE_DYNAMIC, /* plain up to `original` positions; beyond, the base grows (NTK)   */
    WH_ROPE_TENSOR   /* GGUF: frequencies divided by the tensor rope_freqs.weight        */
} wh_rope_kind;

typedef struct wh_rope {
    wh_rope_kind kind;
    double theta;        /* base of the frequencies                                        */
    double factor;       /* not WH_ROPE_PLAIN, not WH_ROPE_TENSOR: >= 1                    */
    double low, high;    /* llama3: low_freq_factor < high_freq_factor                     */
    double fast, slow;   /* yarn: beta_fast > beta_slow                                    */
    double magnitude;    /* of cos and sin: 1, with yarn its attention factor              */
    uint32_t original;   /* llama3, yarn, dynamic: positions before the scaling            */
    int yarn_attention;  /* 1: magnitude is not what yarn takes by itself                  */
    int yarn_untruncate; /* 1: ends of the ramp are not rounded to whole dimensions        */
} wh_rope;

#define WH_CONFIG_EOS 16 /* ids kept; a model with more is refused */

/* All numbers are checked: products of two of them fit 64 bits with room to spare, heads is a
 * multiple of kv_heads, head_dim is even. */
typedef struct wh_model_config {
    wh_arch arch;
    uint32_t dim, layers, heads, kv_heads, head_dim, ffn, vocab, context;
    double eps; /* of the norms, inside the root */
    wh_rope rope;
    uint32_t window;       /* keys that a query sees, itself included; 0: all of them       */
    uint32_t window_first; /* first layer with the window; `layers` where there is none     */
    int qkv_bias, out_bias, mlp_bias; /* 1: these linears have biases                      */
    int qk_norm;                      /* 1: q and k are normed, head by head, before rope  */
    int tied;                         /* 1: the output matrix is that of the embeddings    */
    int pairs;                        /* 1: rope turns neighbours (2i, 2i+1): q and k of a
                                         GGUF llama, of llama2.c; 0: halves (i, i +
                                         head_dim/2)                                        */
    int llama2c;                      /* 1: tensors have the names of llama2.c              */
    int64_t bos;                      /* -1: none                                           */
    uint32_t eos[WH_CONFIG_EOS];
    unsigned eos_count;
    char name[64]; /* general.name, or the last part of _name_or_path; "": none, or longer */
} wh_model_config; /* nothing in it is owned */

/* "llama", "qwen2", "qwen3": general.architecture. */
const char *wh_arch_name(wh_arch arch);

/*
 * From the text of a config.json. label names it in messages.
 * Errors, also of those below: WHIT_ERR_FORMAT (not JSON; a value is missing, of the wrong kind or
 * out of range; values that contradict each other), WHIT_ERR_UNSUPPORTED (an architecture,
 * activation or kind of rope that is not known, by name; mixtures of experts), WHIT_ERR_NOMEM.
 */
whit_status wh_config_parse(wh_model_config *c, const char *label, const char *text, size_t len,
                            whit_error *err);

/* config.json of a model folder; end-of-text ids also from generation_config.json, if there.
 * Besides: WHIT_ERR_IO. */
whit_status wh_config_read_folder(wh_model_config *c, const char *folder, whit_error *err);

/* The metadata of an open GGUF file; biases, tied embeddings and llama3 factors show in its
 * tensors. */
whit_status wh_config_read_gguf(wh_model_config *c, const whit_file *file, whit_error *err);

/* A checkpoint of llama2.c, or what was made from one: by its metadata llama2c.*. */
int wh_config_is_llama2c(const whit_file *file);
whit_status wh_config_read_llama2c(wh_model_config *c, const whit_file *file, whit_error *err);

/* Of an open file: its metadata where it is GGUF or of llama2.c, else config.json of its folder. */
whit_status wh_config_of_file(wh_model_config *c, const whit_file *file, whit_error *err);

/* Llama 3: what frequency i is divided by, i < head_dim / 2; rope_freqs.weight holds them all.
 * rope.kind must be WH_ROPE_LLAMA3. */
float wh_rope_divisor(const wh_model_config *c, uint32_t i);
void wh_rope_divisors(const wh_model_config *c, float *out);

/* What yarn makes vectors longer by: 0.1 m ln(factor) + 1. */
double wh_yarn_magnitude(double factor, double m);

#endif
