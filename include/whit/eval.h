/* include/whit/eval.h - how good a model is: the perplexity of a text, answers of multiple choice,
 * and what a quantized model lost against its base, both read in one pass.
 *
 * No logits are kept: of each position a few numbers remain. Results are the same bits at any
 * number of threads, on every instruction set and from every compiler.
 *
 * Of the Llama of method.h (F16, perplexity 45.11 +- 1.5 on 52633 tokens that it never saw), its
 * matrices rounded, embeddings and head not, by
 * whit eval OUT --base MODEL --text FILE --protocol chunk --context 512:
 *
 *   scheme        bits  perplexity  KL mean   KL 99 %  same first choice
 *   int8-channel  8.1   45.107      0.00003   0.0001   99.6 %
 *   q8_0          8.5   45.112      0.00001   0.0001   99.7 %
 *   q6_k          6.6   45.113      0.00016   0.0008   99.0 %
 *   int6-g64      6.3   45.114      0.00029   0.0013   98.6 %
 *   q5_k          5.5   45.119      0.00066   0.0030   97.9 %
 *   q4_k          4.5   45.248      0.00261   0.0118   96.0 %
 *   int4-g32      4.5   45.305      0.00384   0.0177   95.1 %
 *   nf4-g64       4.3   45.329      0.00382   0.0174   95.3 %
 *   int4-g64      4.3   45.372      0.00461   0.0213   94.6 %
 *   int4-g128     4.1   45.396      0.00531   0.0248   94.2 %
 *   q3_k          3.4   45.754      0.01211   0.0548   91.7 %
 *   int3-g64      3.3   46.207      0.01869   0.0818   89.2 %
 *   q2_k          2.6   47.708      0.04663   0.2133   84.1 %
 *   int2-g32      2.5   50.107      0.08825   0.3989   78.5 %
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_EVAL_H
#define WHIT_EVAL_H

#include <whit/job.h>
#include <whit/model.h>
#include <whit/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a text becomes windows of `context` tokens, and which of them are scored. Figures compare
 * only under one protocol, with one context. Values are ABI: append. */
typedef enum whit_eval_protocol {
    WHIT_EVAL_WINDOW = 0, /* start of text + the ids of the whole text, cut into windows; all but
                             the first of each are scored (GPTQ papers)                       */
    WHIT_EVAL_CHUNK,      /* the ids cut into pieces of context - 1; a window is start of text + a
                             piece, which is scored whole                                     */
    WHIT_EVAL_HALF,       /* the windows of WINDOW, but the first token of each becomes start of
                             text; scored is what follows the middle one (llama.cpp)          */
    WHIT_EVAL_STORY       /* each story (a stretch without empty line, tokenized by itself):
                             start of text + its first context - 1 ids, which are scored      */
} whit_eval_protocol;
/* What does not fill a window is dropped, except of stories. WINDOW and HALF put a start of text
 * where the tokenizer does (whit_tokenizer_info.adds_bos); CHUNK and STORY cannot be without. */

typedef struct whit_eval_options {
    size_t struct_size;  /* sizeof(whit_eval_options); whit_eval_options_init sets it            */
    const char *text;    /* path of a text; NULL: none, but choices                              */
    const char *choices; /* path of questions, see below; NULL: none, but a text                 */
    const char *base;    /* path of the model that the first one comes from; NULL: none. It is run
                            with float32 activations                                         */
    whit_eval_protocol protocol; /* of a text                                                */
    uint64_t context; /* positions, 2 to 2^28; 0: what the models were made for, at most 2048   */
    uint64_t tokens;  /* read only so many ids of the text (start of text not counted); 0: all   */
    whit_acts acts;   /* of the model                                                            */
    whit_job_options job; /* max_memory: of the models' weights and all buffers, checked once
                             the weights are there; 0: no ceiling. force and strict: not used */
} whit_eval_options;
WHIT_API void whit_eval_options_init(whit_eval_options *options);

/* Of a text. n tokens are scored, in windows w that hold n_w of them; l is the negative
 * log-likelihood of a token, natural logarithm, from a log-softmax in double.
 * A standard error takes windows as the samples, since the tokens of one depend on each other:
 *   error(mean)^2 = W / (W - 1) * sum over w (sum_w - mean * n_w)^2 / n^2
 * With one window its tokens are the samples; with one token there is none (NaN).
 * What belongs to the base is NaN without one. */
typedef struct whit_eval_scores {
    double perplexity;     /* exp(nll)                                                          */
    double standard_error; /* of it: perplexity * error(nll)                                    */
    double token_error;    /* the same, as if all tokens were independent (as llama.cpp has it) */
    double nll;            /* mean of l                                                         */
    uint64_t tokens, windows;
    uint64_t text_tokens; /* ids of the text, those that are not scored included               */
    double base_perplexity, base_error, base_nll;
    /* Of sum over v p(v) (ln p(v) - ln q(v)), p the base's, q the model's; quantiles are
     * interpolated between the sorted values x: x[p (n - 1)], held as float32 */
    double kl_mean, kl_error, kl_median, kl_p90, kl_p99, kl_p999, kl_max;
    double top1;   /* share of positions where both have the same most likely token           */
    double rms_dp; /* root of the mean of (q(t) - p(t))^2, t the token that is there             */
    double ratio;  /* perplexity / base_perplexity                                               */
    double ratio_low, ratio_high; /* exp(d -+ t error(d)), d the mean of l - l of the base, token
                                     by token; t Student's, 95 % with W - 1 degrees of freedom */
} whit_eval_scores;

/* A position where model and base differ most. Texts are UTF-8 where the tokens are. */
typedef struct whit_eval_place {
    uint64_t position; /* of the token, counted from 0 in the ids of the text                 */
    uint64_t window;
    uint32_t token;
    double kl, p, p_base; /* p: probability of the token                                         */
    const char *before;   /* text of the tokens before it in the window, 24 at most              */
    const char *text;     /* of the token                                                        */
    const char *top, *top_base; /* of the most likely ones                                       */
} whit_eval_place;

/* Of questions: all, or those with one tag. The first answer of equals counts. */
typedef struct whit_eval_score {
    const char *tag; /* NULL: all                                                             */
    uint64_t questions;
    uint64_t truncated;   /* their prompt lost its beginning                                     */
    double accuracy;      /* share that the likeliest choice answers                             */
    double accuracy_norm; /* the same by log-likelihood / characters of the choice               */
    double accuracy_error, accuracy_norm_error; /* sqrt(a (1 - a) / (questions - 1))             */
    double base_accuracy, base_accuracy_norm;   /* NaN without base, as all below                 */
    double lost, gained; /* questions that only the base answers, that only the model answers */
    double changed;      /* that get another choice                                              */
    double flips_p; /* chance of lost and gained as far apart or farther, were both alike: McNemar's
                       test, exact                                                           */
} whit_eval_score;

typedef struct whit_eval whit_eval;

/*
 * Evaluate the model in `path` (as for whit_model_open; its tokenizer is taken from the folder or
 * from the GGUF file) on options->text or options->choices.
 *
 * Texts: special tokens that a text spells count as such. An octet that is not UTF-8 becomes its
 * byte token, the text on either side is tokenized by itself; a warning tells how many.
 *
 * Choices: a line is an object with "prompt", "choices" (two or more), "answer" (index from 0, or
 * the text of a choice) and, if wanted, "tag"; other keys are left alone, empty lines passed over.
 * ll of a choice is the sum of the log-likelihoods of its tokens behind the prompt: of the ids of
 * prompt + choice those behind as many as the prompt has, spaces at the end of the prompt counted
 * to the choice. What exceeds the context is cut off at the left (lm-evaluation-harness).
 *
 * The base must have the same vocabulary: as many logits, the same ids for the text. The vocabulary
 * may have fewer tokens than the model has logits (padding: it counts in the softmax), or more,
 * which is a warning, unless the text has such a token.
 *
 * Memory: the weights, keys and values of one window, logits of at most 256 positions (64 MiB, or
 * one position) a model; the text and its ids; with a base 4 octets a scored token.
 *
 * Errors: those of whit_model_open, whit_tokenizer_open, whit_session_open and whit_tokenize;
 * WHIT_ERR_ARG (neither text nor choices, or both; context), WHIT_ERR_FORMAT (too short for a
 * window; a line that is no question, a choice beyond the context; vocabularies that differ; an id
 * without embedding), WHIT_ERR_UNSUPPORTED (no start of text where the protocol wants one),
 * WHIT_ERR_NUMERIC (logits that are not finite; err->msg names the layer), WHIT_ERR_NOMEM,
 * WHIT_ERR_CANCELLED. *out is NULL then.
 * Progress (whit_progress.done, total) is in tokens, of choices in questions.
 */
WHIT_API whit_status whit_eval_run(whit_eval **out, const char *path,
                                   const whit_eval_options *options, whit_error *err);
WHIT_API void whit_eval_free(whit_eval *eval); /* NULL is fine */

/* All results belong to it. Of a text; NULL: it was choices. */
WHIT_API const whit_eval_scores *whit_eval_total(const whit_eval *eval);
/* The ten with the largest divergence, the worst first; none without base. */
WHIT_API size_t whit_eval_places(const whit_eval *eval);
WHIT_API const whit_eval_place *whit_eval_place_at(const whit_eval *eval, size_t index);
/* Of choices: index 0 is all, then the tags in the order of their first question. */
WHIT_API size_t whit_eval_score_count(const whit_eval *eval);
WHIT_API const whit_eval_score *whit_eval_score_at(const whit_eval *eval, size_t index);
WHIT_API size_t whit_eval_warnings(const whit_eval *eval);
WHIT_API const char *whit_eval_warning(const whit_eval *eval, size_t index);

/*
 * Bars: "kl.mean>0.02", several with commas. Names are those of the JSON (perplexity, kl.p99,
 * ratio.high, accuracy, flips.lost, ..), operators < <= > >=, then a number.
 *
 * whit_eval_bar_check: whether the text is one for these options, before the work. Errors:
 * WHIT_ERR_ARG (syntax; no such name; it needs a base, or the other kind of work).
 * whit_eval_bar_hold: WHIT_OK while no condition is met. Errors: WHIT_ERR_BAR naming the first that
 * is, or whose value does not exist; WHIT_ERR_ARG.
 */
WHIT_API whit_status whit_eval_bar_check(const char *text, const whit_eval_options *options,
                                         whit_error *err);
WHIT_API whit_status whit_eval_bar_hold(const char *text, const whit_eval *eval, whit_error *err);

/* A table for people (flags: WHIT_TEXT_COLOR), one JSON object (schema 1). Errors on out are left
 * to the caller's ferror. */
WHIT_API void whit_eval_write_text(const whit_eval *eval, int flags, FILE *out);
WHIT_API void whit_eval_write_json(const whit_eval *eval, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
