/* include/whit/calibrate.h - calibration: what comes into the matrices of a model on some texts, as
 * a state (whit/calib.h) that merges exactly.
 *
 * A text is cut into windows of `context` tokens, each by itself: the start of text, where the
 * tokenizer puts one, and the next ids; the last one may be shorter. Ids that begin with it, as
 * those of a tokenizer do, have it once in their first window. Everything that is fed counts.
 * Results are the same octets at any number of threads, on every instruction set and from every
 * compiler.
 *
 * Static ranges (-a8s) from such a state, the Llama of method.h as int8-channel-a8s, calibrated on
 * 60000 tokens of other documentation, KL of 4000 tokens: minmax 0.018, percentile:99.99 0.0051,
 * mse 0.0074, entropy 0.026 (far outliers carry much here; entropy is meant for convolutions); with
 * a scale a token (-a8) 0.0004.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CALIBRATE_H
#define WHIT_CALIBRATE_H

#include <whit/calib.h>
#include <whit/job.h>
#include <whit/model.h>
#include <whit/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_calibrate_options {
    size_t struct_size; /* sizeof(whit_calibrate_options); whit_calibrate_options_init sets it    */
    const whit_feed *feed; /* [feeds] one or more; activations do not mix with the others         */
    size_t feeds;
    uint64_t context;  /* tokens of a window, 2 to 2^28; 0: what the model was made for, at most
                          2048                                                                    */
    uint64_t tokens;   /* of each text only so many ids; 0: all                                   */
    int hessian;       /* 1: X^T X of every input too                                             */
    int resume;        /* 1: go on where an interrupted run of the same plan stopped, and when
                          this one is interrupted keep OUTPUT.partial, a folder with a state of
                          what was fed so far                                                     */
    double save_every; /* with resume: seconds between savings against a kill; 0: 60             */
    whit_job_options job; /* max_memory: of the model's weights, the statistics and all buffers;
                             0: Hessians alone have the usual ceiling. What of them does not fit
                             goes to a file beside the output. strict: not used                  */
} whit_calibrate_options;
WHIT_API void whit_calibrate_options_init(whit_calibrate_options *options);

typedef struct whit_calibrate_totals {
    uint64_t tokens; /* that were fed, or samples; of a resumed run its own             */
    uint64_t windows, inputs;
    uint64_t columns; /* of all inputs                                                   */
    double seconds;   /* from the first token to the last                                */
    double statistics_seconds, hessian_seconds; /* of these                                      */
    double hessian_gflops; /* products of the triangles, a second of hessian_seconds           */
    int spilled;           /* 1: Hessians went to a file                                      */
} whit_calibrate_totals;

typedef struct whit_calibration whit_calibration; /* what is to be said of a run */

/*
 * Feed everything to the model in `path` (NULL: activations) and write `output`: a state, or where
 * its name ends in .dat or .gguf an importance matrix of that form. It appears whole.
 *
 * Errors: those of whit_model_open, whit_tokenizer_open and whit_session_open; WHIT_ERR_ARG (feeds,
 * context; output exists and force is 0, or is an input; resume with another plan),
 * WHIT_ERR_FORMAT (a text without tokens, an id without embedding, activations that are no matrix
 * or of other columns), WHIT_ERR_NUMERIC (a magnitude above 2^24 or not finite: err->msg names the
 * input), WHIT_ERR_IO, WHIT_ERR_NOMEM (also: max_memory too small), WHIT_ERR_CANCELLED (with resume
 * what was done is kept). *out (which may be NULL) is NULL then.
 * Progress is in tokens.
 */
WHIT_API whit_status whit_calibrate(whit_calibration **out, const char *path,
                                    const whit_calibrate_options *options, const char *output,
                                    whit_error *err);
WHIT_API void whit_calibration_free(whit_calibration *calibration); /* NULL is fine */
WHIT_API const whit_calibrate_totals *whit_calibration_total(const whit_calibration *calibration);
WHIT_API size_t whit_calibration_warnings(const whit_calibration *calibration);
WHIT_API const char *whit_calibration_warning(const whit_calibration *calibration, size_t index);

typedef struct whit_merge_part {
    const char *path; /* of a state */
    double weight;    /* 0: none    */
} whit_merge_part;

/*
 * Several states into one: the octets that one run over all their texts gives, in any order and
 * grouping; Hessians add up within 2^-20. With weights (all above 0, or none) a mixture of their
 * means, which is final: it merges no more. output as for whit_calibrate. Of options force and
 * max_memory count; NULL: neither.
 * Errors: those of whit_calib_open; WHIT_ERR_ARG, WHIT_ERR_FORMAT (of different models; Hessians in
 * some only; a mixture), WHIT_ERR_NUMERIC (sums beyond 128 bits), WHIT_ERR_IO, WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_calibrate_merge(const whit_merge_part *part, size_t parts,
                                          const char *output, const whit_job_options *options,
                                          whit_error *err);

/* Tables for people and one JSON object each; errors on out are left to the caller's ferror. */
WHIT_API void whit_calibration_write_text(const whit_calibration *calibration, int flags,
                                          FILE *out);
WHIT_API void whit_calibration_write_json(const whit_calibration *calibration, FILE *out);
/* stats: a line for each input. */
WHIT_API void whit_calib_write_text(const whit_calib *calib, int stats, int flags, FILE *out);
WHIT_API void whit_calib_write_json(const whit_calib *calib, FILE *out);
/* The ranges of an input's channels as a picture, outliers marked. Errors: WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_calib_write_svg(const whit_calib *calib, size_t index, FILE *out,
                                          whit_error *err);
WHIT_API void whit_calib_compare_text(const whit_calib_difference *difference, size_t count,
                                      int flags, FILE *out);
WHIT_API void whit_calib_compare_json(const whit_calib_difference *difference, size_t count,
                                      FILE *out);

#ifdef __cplusplus
}
#endif
#endif
