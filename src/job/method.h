/* src/job/method.h - a method as the plan and the job see it: which entries take part, what is
 * folded into them, what was found.
 *
 *   method.c        options, who takes part, what the metadata say
 *   fold.c          folded factors, wherever weights are read
 *   facts.c         what is known of an input
 *   solve.c         one matrix, given that (planes.c: its codes)
 *   solve_sets.c    scales of the sets of AWQ and SmoothQuant
 *   solve_state.c   all of a plan, from a state
 *   solve_text.c    the same layer by layer, from texts (layers.c: running them)
 *   solve_plan.c    either, and what is said of it
 *   solutions.c     what was found, until it is written (work_solved.c)
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_METHOD_H
#define WH_JOB_METHOD_H

#include <whit/method.h>
#include "job/feeds.h"
#include "job/plan.h"
#include "job/solutions.h"
#include "job/stream.h"
#include "tensor/cvt.h"

/* The methods that scale inputs. */
#define WH_METHOD_FOLDS ((unsigned)WHIT_METHOD_AWQ | WHIT_METHOD_SMOOTHQUANT)

/* What was folded into the weights of an entry: w[r][c] * cols[c] * rows[r]. */
typedef struct wh_fold {
    float *rows, *cols; /* NULL: 1 */
    float *vector;      /* of a vector: what it is now */
    float *corrected;   /* of a bias: what it is beside its quantized matrix */
    float *importance;  /* of what comes in, once cols are in; NULL: unknown, or as it was */
} wh_fold;

/* What is told of an entry, as it is kept over an interruption. */
typedef struct wh_solved {
    uint32_t fallback; /* 0, or one of wh_fallback */
    uint32_t methods;  /* WHIT_METHOD_.., of the codes */
    double before, after, damping, scaling;
    double range; /* of activations, of static ones that were scaled; else 0 */
} wh_solved;

typedef enum wh_fallback {
    WH_FALLBACK_NONE,
    WH_FALLBACK_SCHEME,  /* the method cannot find codes of the scheme */
    WH_FALLBACK_UNKNOWN, /* nothing is known of its input */
    WH_FALLBACK_FEW,     /* too few tokens */
    WH_FALLBACK_NAN,     /* its inputs are not finite */
    WH_FALLBACK_FACTOR,  /* H has no factor */
    WH_FALLBACK_WORSE,   /* rounding alone is better */
    WH_FALLBACK_DEAD,    /* its inputs are all 0 */
    WH_FALLBACK_BLOCKS,  /* what would be scaled with it stays as it is */
    WH_FALLBACKS
} wh_fallback;

typedef struct wh_method {
    whit_method_options o;
    unsigned char *takes; /* [count] of the plan: 1, its codes are the method's */
    wh_fold *fold;        /* [count] */
    wh_solved *solved;    /* [count] */
    size_t count, taking;
    int ran; /* 1: once is all */
    wh_solutions solutions;
    wh_feeds feeds;
    char *state;                 /* path of the calibration, without texts */
    char source[WH_SHA256_TEXT]; /* of what it learned from; "": nothing */
    wh_lines warnings;
} wh_method;

/* Make plan->method: before anything is laid out. Errors: WHIT_ERR_ARG (options that do not go
 * together, or with the format), WHIT_ERR_NOMEM. */
whit_status wh_method_open(whit_plan *plan, const whit_method_options *o, whit_error *err);
/* Once schemes are chosen: who takes part. Errors: WHIT_ERR_BAR (strict), WHIT_ERR_ARG (nobody). */
whit_status wh_method_choose(whit_plan *plan, whit_error *err);
void wh_method_close(wh_method *m); /* NULL is fine */

/* Of gptq: what is added to the diagonal, as a share of its mean, unless that does not do. */
double wh_method_damping(const wh_method *m);
/* Options that change octets, for whit.options. */
void wh_method_option(const whit_plan *plan, wh_buf *out);
/* Whether the ceiling of the job holds what it takes, and what the stream takes afterwards, where
 * one was given. Errors: WHIT_ERR_NOMEM, those of finding out the architecture. */
whit_status wh_method_fits(const whit_plan *plan, uint64_t stream, whit_error *err);
/* What is in memory of the matrix that takes most while it is worked on. */
uint64_t wh_method_matrix(const whit_plan *plan);
/* What the meter counts for it, and for an entry. */
uint64_t wh_method_work(const whit_plan *plan);
uint64_t wh_method_share(const whit_plan *plan, size_t i);

/* Find the codes and factors of the whole plan; its work is added to what the meter counts, once
 * the texts are taken apart. Errors: those of running a model; WHIT_ERR_BAR (fallbacks under
 * strict), WHIT_ERR_IO, WHIT_ERR_NOMEM, WHIT_ERR_CANCELLED. */
whit_status wh_method_solve(whit_plan *plan, wh_meter *meter, whit_error *err);
/* The output is there: what would be taken up is not needed. */
void wh_method_done(const whit_plan *plan);

/* ---- fold.c ---------------------------------------------------------------------------------- */

/* 1 if anything was folded into the entry. */
int wh_folded(const whit_plan *plan, size_t i);
/* On weights that were read. */
void wh_fold_apply(const whit_plan *plan, size_t i, const wh_rect *rect, float *w);
/* Once all is folded: what comes into columns with factors was divided by them, its mean squares by
 * theirs. WHIT_ERR_NOMEM. */
whit_status wh_fold_weigh(const whit_plan *plan, whit_error *err);
/* The importance of an entry; `plain` (NULL: unknown) where its columns have no factors. */
const float *wh_fold_importance(const whit_plan *plan, size_t i, const float *plain);
/* On octets [at, at + n) of a tensor that is copied otherwise; scratch [n] floats. */
void wh_fold_octets(const whit_plan *plan, size_t i, const wh_cvt_ops *cvt, uint64_t at,
                    uint8_t *data, size_t n, float *scratch);
/* Rows of weights of the source, with what was folded in; corrected: biases as they are written. */
whit_status wh_fold_read(const whit_plan *plan, size_t i, uint64_t row, uint64_t rows,
                         int corrected, float *out, whit_error *err);
/* Times such factors [rows], [cols] (NULL: 1), kept with the solutions. Errors: WHIT_ERR_IO,
 * WHIT_ERR_NOMEM. */
whit_status wh_fold_matrix(const whit_plan *plan, size_t i, const float *rows, const float *cols,
                           whit_error *err);
/* Put values [cols] in place of a vector; corrected: of a bias beside its quantized matrix. */
whit_status wh_fold_vector(const whit_plan *plan, size_t i, int corrected, const float *values,
                           whit_error *err);
/* What an interrupted run had folded in. */
whit_status wh_fold_take_up(const whit_plan *plan, whit_error *err);

/* The static range of the activations of an entry, which were scaled. */
void wh_method_range(whit_plan_entry *e, float most);

/* ---- telling --------------------------------------------------------------------------------- */

const char *wh_fallback_text(uint32_t fallback);
whit_method_result wh_method_result(const whit_plan *plan, size_t i);
/* Say it of an entry, and keep it. */
whit_status wh_method_tell(const whit_plan *plan, size_t i, const wh_solved *solved,
                           whit_error *err);

#endif
