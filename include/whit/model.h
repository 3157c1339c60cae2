/* include/whit/model.h - running a language model: token ids in, logits out.
 *
 * Dense models of the Llama family (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM,
 * Qwen3ForCausalLM) from a model folder with config.json, or from a GGUF file. Weights may be of
 * any type that whit/source.h reads, quantized or not: each is multiplied in the form that
 * whit_weight_load gives it. Activations of layers whose scheme says a8 or a8s are rounded to 8
 * bits. Tokens come from elsewhere; so does the choice of the next one.
 *
 * The same ids give the same bits of logits at any number of threads, on every instruction set, and
 * whether they are fed at once, in pieces or one by one (NaN apart).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_MODEL_H
#define WHIT_MODEL_H

#include <whit/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_model whit_model;     /* weights: read-only, shared by its sessions */
typedef struct whit_session whit_session; /* one text: what was fed so far */

typedef struct whit_model_options {
    size_t struct_size; /* sizeof(whit_model_options); whit_model_options_init sets it        */
    unsigned threads;   /* 0: every core that the process may use                             */
    whit_acts acts;     /* WHIT_ACTS_Q8: int8 activations for every linear that has a kernel for
                           them; the others get floats, as whit_model_linear tells.
                           WHIT_ACTS_BF16: every linear, or WHIT_ERR_UNSUPPORTED. A linear whose
                           scheme names its activations has those                             */
} whit_model_options;
WHIT_API void whit_model_options_init(whit_model_options *options);

/*
 * Open a model: path as for whit_source_open. options may be NULL. The embeddings stay in the file,
 * which is read while sessions run.
 * Errors: those of whit_source_open; WHIT_ERR_FORMAT (configuration or tensors contradict each
 * other, one is missing), WHIT_ERR_UNSUPPORTED (an architecture or tensor that is not known, by
 * name), WHIT_ERR_NOMEM. *out is NULL then.
 */
WHIT_API whit_status whit_model_open(whit_model **out, const char *path,
                                     const whit_model_options *options, whit_error *err);
WHIT_API void whit_model_close(whit_model *model); /* after its sessions; NULL is fine */

/* What the model is. Everything belongs to it. */
typedef struct whit_model_info {
    const char *path;         /* as given to open                                             */
    const char *architecture; /* "llama", "qwen2", "qwen3"                                    */
    const char *name;         /* "": it has none                                              */
    uint32_t width, layers, heads, kv_heads, head_width, ffn_width;
    uint32_t vocabulary;   /* ids are below it; logits of one position                       */
    uint32_t context;      /* positions that it was made for                                 */
    uint32_t window;       /* positions that a token sees, itself included; 0: all before it */
    uint32_t window_layer; /* the first layer with the window                                */
    int64_t bos;           /* id of the start of a text; -1: none is known                   */
    const uint32_t *eos;   /* [eos_count] ids that end one                                   */
    unsigned eos_count;
    uint64_t parameters;   /* shared ones once                                               */
    uint64_t weight_bytes; /* in memory, as the kernels have them                            */
    unsigned threads;
} whit_model_info;
WHIT_API const whit_model_info *whit_model_describe(const whit_model *model);

/* Lines worth showing a user, which name the model or a file of it: what its container has to say
 * (whit_file_warnings). */
WHIT_API size_t whit_model_warnings(const whit_model *model);
WHIT_API const char *whit_model_warning(const whit_model *model, size_t index);

/* A matrix of the model, and the path that it takes. */
typedef struct whit_model_linear {
    const char *tensor;    /* its name in the file                                            */
    int64_t layer;         /* -1: the output head                                             */
    whit_weight_info info; /* form in memory; decoded: 1 where no kernel has the stored form  */
    whit_acts acts;        /* what it is multiplied with                                      */
    int a8;                /* WHIT_A8_..: 8 bits as its scheme says, whatever the options say:
                              values that are rounded so beforehand, or, for int8 weights per
                              channel with a scale a token, WHIT_ACTS_Q8, which is the same    */
    float act_scale;       /* WHIT_A8_STATIC; else 0                                          */
} whit_model_linear;
/* In the order in which a token meets them; the output head is the last one. */
WHIT_API size_t whit_model_linears(const whit_model *model);
WHIT_API const whit_model_linear *whit_model_linear_at(const whit_model *model, size_t index);

/* Its threads and kernels, for work between calls. */
WHIT_API whit_context *whit_model_context(whit_model *model);

/*
 * Begin a text of up to so many positions; 0: the model's context, at most 4096. Beyond the context
 * it runs, but was not made for it. Memory for positions is taken as they fill.
 * Errors: WHIT_ERR_ARG, WHIT_ERR_UNSUPPORTED (with dynamic rope scaling: positions beyond those
 * that it leaves as they are), WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_session_open(whit_session **out, whit_model *model, size_t positions,
                                       whit_error *err);
WHIT_API void whit_session_close(whit_session *session); /* NULL is fine */

WHIT_API size_t whit_session_position(const whit_session *session); /* tokens fed so far */
WHIT_API size_t whit_session_positions(const whit_session *session);
/* Forget all but the first `position` tokens; no-op where there are no more. */
WHIT_API void whit_session_rewind(whit_session *session, size_t position);

typedef enum whit_logits {
    WHIT_LOGITS_NONE = 0,
    WHIT_LOGITS_LAST = 1, /* float32 [vocabulary]: of what follows the last token               */
    WHIT_LOGITS_ALL = 2   /* float32 [count][vocabulary]: of what follows each token            */
} whit_logits;

/*
 * Feed count tokens behind those that were fed before.
 *
 *   ids     in   [count], each below the vocabulary
 *   logits  out  as `which` says; NULL for none. Not normalised. NULL
 *                while a function watches: it sees the output head's input, whose product is left
 *                out
 *   count   0 is a successful no-op
 *
 * Errors: WHIT_ERR_ARG (an id, more tokens than positions are left), WHIT_ERR_IO and
 * WHIT_ERR_FORMAT (the file of the model has changed). The session is then as it was.
 * Threads: calls on sessions of one model take turns inside; one session is one caller's.
 */
WHIT_API whit_status whit_session_feed(whit_session *session, const uint32_t *ids, size_t count,
                                       whit_logits which, float *logits, whit_error *err);

/* What a linear is about to be multiplied with. */
typedef struct whit_linear_input {
    size_t linear;  /* index for whit_model_linear_at                                  */
    const float *x; /* [tokens][cols]                                                  */
    size_t tokens, cols;
    size_t position; /* of the first of the tokens                                      */
} whit_linear_input;
typedef void whit_input_fn(void *ctx, const whit_linear_input *input);

/* Call fn before each product of a linear, in the thread that feeds; NULL: no more. The output head
 * sees only the tokens whose logits are asked for. */
WHIT_API void whit_session_watch(whit_session *session, whit_input_fn *fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
