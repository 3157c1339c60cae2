/* src/job/checkpoint.h - what the checkpoints of other programs want of a plan: which linears, in
 * which layout, and what the configuration says about them.
 *
 * The output is a model folder like the source: its files, names and types, but for the linears,
 * whose tensors are those of the layout (whit/pack.h), and config.json, which says so.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_CHECKPOINT_H
#define WH_JOB_CHECKPOINT_H

#include "job/plan.h"

typedef struct wh_checkpoint {
    unsigned gptq_version;    /* 0: 2 for schemes with zero points, else 1 */
    whit_packing *packing;    /* [count] of the plan; layout WHIT_LAYOUT_NATIVE: not packed */
    unsigned char *is_linear; /* [count]: a matrix that loaders make a linear layer of */
    size_t first;             /* the first that is packed; count: none */
} wh_checkpoint;

/* 1 for a format that is written this way. */
int wh_checkpoint_format(whit_format format);
/* The default scheme. */
const char *wh_checkpoint_standard(whit_format format);

/* Make plan->checkpoint. Errors: WHIT_ERR_ARG (options without a meaning here),
 * WHIT_ERR_UNSUPPORTED (the source is no model folder, or one of GPT-2), WHIT_ERR_NOMEM. */
whit_status wh_checkpoint_open(whit_plan *plan, const whit_quantize_options *o, whit_error *err);
void wh_checkpoint_close(wh_checkpoint *c); /* NULL is fine */

/* Make of a choice what the format can hold. Errors: WHIT_ERR_ARG, with the rule and the nearest
 * scheme. */
whit_status wh_checkpoint_settle(whit_plan *plan, size_t i, wh_choice *choice, whit_error *err);

/* The layout of an entry, or NULL where it is not packed. */
const whit_packing *wh_checkpoint_packing(const whit_plan *plan, size_t i);
/* The name that the tensors of a packed entry share. */
size_t wh_checkpoint_stem(const whit_plan *plan, size_t i);
/* 1 if a loader may take the tensor for a linear layer and would look for a packed one in vain:
 * such are listed. "lm_head", which lists begin with, is not among them. */
int wh_checkpoint_left_alone(const whit_plan *plan, size_t i);
whit_status wh_checkpoint_place(whit_plan *plan, size_t i, size_t file, whit_error *err);
/* Octets of the tensors of the largest one, which is held whole while it is made. */
uint64_t wh_checkpoint_largest(const whit_plan *plan);

/* That loaders will take the choices together. Errors: WHIT_ERR_ARG, with the rule. */
whit_status wh_checkpoint_check(const whit_plan *plan, whit_error *err);

/* checkpoint_config.c: config.json and what else says how the weights are stored, to the target.
 * Errors: WHIT_ERR_FORMAT (config.json is no object), WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_checkpoint_describe(whit_plan *plan, whit_error *err);

#endif
