/* include/whit/generate.h - choosing the next token, and texts that a model goes on with.
 *
 * The same model, prompt and options give the same text at any number of threads and on every
 * instruction set: logits are the same there (whit/model.h), and so is all that is done with them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_GENERATE_H
#define WHIT_GENERATE_H

#include <whit/job.h>
#include <whit/model.h>
#include <whit/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one token ------------------------------------------------------------------------------- */

typedef struct whit_sampling {
    size_t struct_size; /* sizeof(whit_sampling); whit_sampling_init sets it                     */
    double temperature; /* 0: the most likely token, always, of equal ones the lower id          */
    double top_p;       /* above 0, up to 1: what the likeliest tokens that are chosen from have
                           of all probability; 1: every token                                    */
    uint64_t seed;
} whit_sampling;
WHIT_API void whit_sampling_init(whit_sampling *sampling); /* 0, 1, 0 */

typedef struct whit_sampler whit_sampler;

/*
 * sampling may be NULL. vocabulary: how many logits there will be, at least 1.
 * Errors: WHIT_ERR_ARG (temperature or top_p out of range), WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_sampler_open(whit_sampler **out, const whit_sampling *sampling,
                                       uint32_t vocabulary, whit_error *err);
WHIT_API void whit_sampler_close(whit_sampler *sampler); /* NULL is fine */

/*
 * Choose a token by its logits.
 *
 *   logits  in  float32 [vocabulary]; -inf: never
 *
 * With a temperature the weights are e^((logit - the largest) / temperature), as float32, those
 * below 1e-37 being 0. They are put in order, the largest first, of equal ones the lower id; then
 * the shortest beginning counts whose sum is at least top_p of the sum of all (top_p 1: all, by
 * id). The n-th call, from 0, draws u in [0, 1): the upper 53 bits of the n-th number of splitmix64
 * from the seed. Chosen is the first token in that order whose running sum, in double, exceeds u
 * times the sum.
 *
 * Errors: WHIT_ERR_NUMERIC (NaN or +inf among the logits, or no token but those of -inf).
 * Source: top_p: Holtzman et al. 2019 (arXiv:1904.09751), nucleus; splitmix64: Steele, Lea and
 * Flood 2014, Fast Splittable Pseudorandom Number Generators.
 */
WHIT_API whit_status whit_sampler_next(whit_sampler *sampler, const float *logits, uint32_t *id,
                                       whit_error *err);

/* ---- a text ---------------------------------------------------------------------------------- */

/* What a token adds to the text: whole UTF-8 characters. Octets of one that is not complete wait
 * for the next token, so len may be 0; what is left of them at the end comes in a call of its own,
 * with the last id again. Anything but 0 ends the text. */
typedef int whit_generate_fn(void *user, uint32_t id, const char *text, size_t len);

typedef struct whit_generate_options {
    size_t struct_size; /* sizeof(whit_generate_options); whit_generate_options_init sets it     */
    size_t tokens;      /* new ones at most; 256                                                 */
    whit_sampling sampling;
    whit_generate_fn *text;     /* may be NULL                                                   */
    whit_progress_fn *progress; /* may be NULL; while the prompt is read, in tokens              */
    void *user;                 /* of both                                                       */
} whit_generate_options;
WHIT_API void whit_generate_options_init(whit_generate_options *options);

typedef enum whit_ending {
    WHIT_ENDING_TOKENS = 0, /* as many as were asked for                                         */
    WHIT_ENDING_TOKEN,      /* one that ends a text                                              */
    WHIT_ENDING_CONTEXT     /* the model was made for no more positions                          */
} whit_ending;

typedef struct whit_generated {
    size_t prompt_tokens; /* with those that go before a text                                    */
    size_t tokens;        /* new ones, without the one that ended it                             */
    size_t fed;           /* of them, one by one                                                 */
    whit_ending ending;
    uint32_t ending_id;    /* WHIT_ENDING_TOKEN                                          */
    double prompt_seconds; /* until the first new token could be chosen                  */
    double seconds;        /* after that                                                 */
} whit_generated;

/*
 * Let a model go on with a text.
 *
 *   tokenizer  that of the model
 *   prompt     UTF-8 [len]; special tokens in it count. What the vocabulary puts before a text goes
 *              before it, and if it is empty and nothing does, the model's start of a text.
 *   options    may be NULL
 *   out        may be NULL; also filled where the caller's functions ended it
 *
 * It ends with an id that the model names as an end (generation_config.json, config.json, GGUF),
 * where it names none with the vocabulary's; and with one that starts a text, as another one
 * begins there. Ids beyond the vocabulary are never chosen, however many rows the model has.
 *
 * Errors: those of whit_tokenize, whit_session_open, whit_session_feed and whit_sampler_next;
 * WHIT_ERR_ARG (a prompt longer than the context; an empty one where nothing can begin a text),
 * WHIT_ERR_FORMAT (a token that the model has no row for), WHIT_ERR_NUMERIC (logits that are not
 * finite; err->msg names the layer), WHIT_ERR_CANCELLED (the caller's functions ended it).
 */
WHIT_API whit_status whit_generate(whit_model *model, const whit_tokenizer *tokenizer,
                                   const char *prompt, size_t len,
                                   const whit_generate_options *options, whit_generated *out,
                                   whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
