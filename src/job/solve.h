/* src/job/solve.h - the codes of one matrix after the other, from what is known of its input.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SOLVE_H
#define WH_JOB_SOLVE_H

#include "calib/awq.h"
#include "job/method.h"
#include "model/places.h"

#define WH_FACTS_FEWEST 64  /* tokens, without which nothing is learned */
#define WH_FACTS_SAMPLE 512 /* tokens of a sample */

/* What is known of the input of some matrices: sums over its tokens. */
typedef struct wh_facts {
    size_t cols;
    uint64_t tokens;
    double *triangle;      /* X^T X, as statistics keep it (calib/hessian.h)                  */
    double *drift;         /* [cols][cols] (Y - X)^T X, Y the float model's input; or NULL    */
    double *sum, *sum_abs; /* [cols] of x, |x|                                           */
    float *most;           /* [cols] the largest |x|                                     */
    float *sample;         /* [samples][cols] some tokens; or NULL                       */
    size_t samples;
    int finite;
} wh_facts;

/* Zeros; drift and sample as asked for. Errors: WHIT_ERR_NOMEM; free then, too. */
whit_status wh_facts_make(wh_facts *f, size_t cols, int drift, int sample, whit_error *err);
void wh_facts_free(wh_facts *f); /* all zeros is fine */
/* Why nothing can be learned from them (NULL, or of no columns: unknown). */
wh_fallback wh_facts_lack(const wh_facts *f);
/* As if X were divided by t [cols], column by column. */
void wh_facts_divide(wh_facts *f, const float *t);

/* Adding to facts, from tokens that pass a layer. */
typedef struct wh_gather {
    whit_context *context;
    size_t cols;    /* of the widest input */
    float *product; /* [cols][cols] zeros */
    float *cross;   /* the same, of any values; NULL: no drift */
    float *turned;  /* [2][cols][256]; NULL: no drift */
} wh_gather;        /* zero-initialise */

/* Errors: WHIT_ERR_NOMEM; close then, too. */
whit_status wh_gather_open(wh_gather *g, whit_context *context, size_t cols, int drift,
                           whit_error *err);
void wh_gather_close(wh_gather *g);
/* Rows x [tokens][cols], at most 256, of which the first is token number `at` of `all`; y: the same
 * tokens in the float model, NULL: no drift. Same bits at any number of threads. */
whit_status wh_facts_add(wh_gather *g, wh_facts *f, uint64_t at, uint64_t all, const float *x,
                         const float *y, size_t tokens, whit_error *err);

/* For matrices with the same input, one after the other. */
typedef struct wh_solver {
    const whit_plan *plan;
    whit_context *context;
    wh_meter *meter;
    const wh_facts *facts; /* NULL: nothing is known, nor needed */
    wh_gptq_base base;
    size_t base_group; /* that it was made for; 0: there is none */
    int base_failed;
} wh_solver; /* zero-initialise */

/* Go on to another input. */
void wh_solver_input(wh_solver *s, const wh_facts *facts);
void wh_solver_close(wh_solver *s);

/* The factor of H, for parameters that are found for `group` columns together; *base is NULL where
 * there is none. Errors: WHIT_ERR_NOMEM. */
whit_status wh_solver_base(wh_solver *s, size_t group, const wh_gptq_base **base, whit_error *err);

/* All float weights of an entry, folded and finite. Errors: WHIT_ERR_NUMERIC, unless --nonfinite
 * says what becomes of them; those of reading. */
whit_status wh_solver_read(const wh_solver *s, size_t i, float *w, whit_error *err);

/* What an entry becomes, of weights w. */
wh_awq_format wh_solver_format(const wh_solver *s, size_t i, const float *w);
/* Columns whose parameters are found together. */
size_t wh_solver_group(const wh_awq_format *format, size_t cols);

/*
 * Find the codes of an entry that takes part and keep them; of another one only decoded is made.
 *
 *   w        in   [rows][cols] the float weights, folded
 *   decoded  out  the same shape: the values that will be written
 *   scaling  in   what is told of its set
 *
 * A bias makes up for what that changes in the mean of its outputs.
 * Errors: those of encoding; WHIT_ERR_IO, WHIT_ERR_NOMEM, WHIT_ERR_CANCELLED.
 */
whit_status wh_solve(wh_solver *s, size_t i, const float *w, float *decoded, double scaling,
                     whit_error *err);

/* The same, of weights that are read for it. */
whit_status wh_solve_entry(wh_solver *s, size_t i, double scaling, whit_error *err);

/* The decoded values of an entry that was solved before, w as for wh_solve. */
whit_status wh_solved_decode(const wh_solver *s, size_t i, const float *w, float *decoded,
                             whit_error *err);

/* ---- solve_sets.c ---------------------------------------------------------------------------- */

/* Inputs of a layer: of q, k, v; of the output projection; of gate, up; of down. */
enum { WH_INPUT_ATTN, WH_INPUT_OUT, WH_INPUT_FFN, WH_INPUT_DOWN, WH_LAYER_INPUTS };
/* The first linear of an input, and how many it has. */
size_t wh_input_first(size_t input, size_t *count);

/*
 * AWQ and SmoothQuant for a layer: find the scales of its four sets and fold them into its weights;
 * the facts become those of the scaled inputs.
 *
 *   facts    in/out  [WH_LAYER_INPUTS]; cols 0: unknown, and its set stays as it is
 *   scaling  out     [WH_LINEARS] exponent or alpha, NaN where nothing is scaled
 *
 * Errors: as wh_solve.
 */
whit_status wh_sets_fold(wh_solver *s, const wh_places *places, const wh_model_config *config,
                         uint32_t layer, wh_facts *facts, double *scaling, whit_error *err);

/* ---- drivers --------------------------------------------------------------------------------- */

whit_status wh_solve_state(wh_solver *s, whit_error *err);
whit_status wh_solve_text(wh_solver *s, whit_error *err);
/* Octets that those take. */
whit_status wh_solve_text_bytes(const whit_plan *plan, uint64_t *bytes, whit_error *err);

/* method.c: the role of an entry by any naming. */
wh_role wh_method_role(const whit_plan *plan, size_t i, uint32_t *layer);

#endif
