/* src/job/gguf_out.h - what a GGUF file wants of a plan: names, order, types and metadata.
 *
 * A model folder of the Llama family becomes a complete model: its tensors under their names in
 * GGUF, rows of q and k in that order, vocabulary and configuration as metadata. A GGUF file stays
 * what it is, whatever its architecture, with other types.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_GGUF_OUT_H
#define WH_JOB_GGUF_OUT_H

#include <whit/calib.h>
#include "base/sha256.h"
#include "job/mix.h"
#include "job/plan.h"
#include "model/config.h"
#include "model/gguf_keys.h"
#include "model/names.h"
#include "model/vocab.h"

/* What becomes of one tensor of the source. */
typedef struct wh_gguf_tensor {
    const char *name;        /* in the output; NULL: it is left out                             */
    char own[WH_ROLE_NAME];  /* what name points to, where it is not the source's               */
    const char *dropped;     /* static text: why it is left out                                 */
    uint32_t heads;          /* rows go to GGUF's order in so many heads; 0: they stay          */
    int vector;              /* F32 in any file                                                 */
    uint64_t rows, cols;     /* the matrix to GGUF: rows are all sides but the last             */
    const float *importance; /* [matrices][cols], or NULL */
    uint64_t matrices;       /* experts that the tensor stacks; 1 */
} wh_gguf_tensor;

typedef struct wh_gguf_out {
    wh_gguf_tensor *tensor; /* [count] of the plan */
    int converts;           /* 1: from a model folder; config and vocab are of it */
    wh_model_config config;
    wh_vocab *vocab;
    wh_mix_tensor *asked; /* [asked_count]: what the survey looked at */
    size_t asked_count;
    const wh_mix *mix; /* NULL: schemes decide */
    wh_mix_survey *survey;
    whit_imatrix *imatrix;        /* NULL: none */
    char learned[WH_SHA256_TEXT]; /* its SHA-256 */
    uint64_t without;   /* tensors of layers that it has no entry for, though their type would
                           use one */
    uint32_t alignment; /* that the source says; 0: it says none */
    float *rope;        /* [head_dim / 2]: divisors of rope_freqs.weight, or NULL */
    wh_spot rope_spot;
} wh_gguf_out;

/* GGUF where nothing was said but by the scheme: for plans that are only looked at. */
whit_format wh_gguf_guess(whit_format format, const char *output, const char *standard);

/* Options and mixes that only GGUF has, in a plan for another format. Errors: WHIT_ERR_ARG. */
whit_status wh_gguf_refuse_options(const whit_quantize_options *o, const char *standard,
                                   whit_error *err);

/*
 * Make plan->gguf and plan->order: before the rules, which standard is the default of.
 * Errors: WHIT_ERR_ARG (options without a meaning here), WHIT_ERR_UNSUPPORTED (not a model folder
 * or GGUF file; an architecture or tensor that GGUF or this program does not know), WHIT_ERR_FORMAT
 * (tensors are missing or have another shape), WHIT_ERR_IO, WHIT_ERR_NOMEM.
 */
whit_status wh_gguf_open(whit_plan *plan, const whit_quantize_options *o, const char *standard,
                         whit_error *err);
void wh_gguf_close(wh_gguf_out *g);            /* NULL is fine */
uint64_t wh_gguf_bytes(const whit_plan *plan); /* of memory */

/* ---- gguf_settle.c: types -------------------------------------------------------------------- */

/* A wh_begin_fn for the plan as ctx. */
void wh_gguf_vote(void *ctx, const whit_tensor *tensor, wh_vote *first);

/* Make of a choice what the file can hold: the type that fits the columns, F32 for vectors, blocks
 * of a GGUF source as they are. Errors: WHIT_ERR_ARG, with the nearest type. */
whit_status wh_gguf_settle(whit_plan *plan, size_t i, wh_choice *choice, whit_error *err);

/* How many tensors have their errors weighed by importance. */
uint64_t wh_gguf_weighed(const whit_plan *plan);

/* The matrix that is cut into tiles, and how many of its columns belong together. */
void wh_gguf_tiles(const whit_plan *plan, size_t i, uint64_t *rows, uint64_t *cols, uint64_t *unit);

/* ---- gguf_describe.c: places and metadata ---------------------------------------------------- */

int wh_gguf_drops(const whit_plan *plan, size_t i);
/* The name in the file, for a tensor that is not blocks. */
void wh_gguf_rename(const whit_plan *plan, size_t i, wh_out_entry *what);
/* A tensor that becomes blocks, or stays so. */
whit_status wh_gguf_place(whit_plan *plan, size_t i, size_t file, whit_error *err);
/* Tensors that the source does not have; their bytes. */
whit_status wh_gguf_place_rest(whit_plan *plan, whit_error *err);
uint64_t wh_gguf_rest_bytes(const whit_plan *plan);
uint32_t wh_gguf_alignment(const whit_plan *plan);
/* The metadata of the model, which the first file has; the types must be chosen. Errors: as below.
 */
whit_status wh_gguf_put_keys(const whit_plan *plan, wh_gguf_kvs *k, whit_error *err);
/* The metadata of all files. Errors: WHIT_ERR_NOMEM, WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED. */
whit_status wh_gguf_describe(whit_plan *plan, whit_error *err);
/* The data of those of wh_gguf_place_rest. */
whit_status wh_gguf_write_rest(const whit_plan *plan, const wh_outset *set, whit_error *err);

#endif
