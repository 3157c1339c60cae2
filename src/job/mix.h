/* src/job/mix.h - the mixes of GGUF: which block type each tensor of a model gets.
 *
 * Names are those of a GGUF file ("blk.3.attn_v.weight"). Pure: no files, no data.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_MIX_H
#define WH_JOB_MIX_H

#include <whit/block.h>
#include <whit/tensor.h>

typedef struct wh_mix wh_mix; /* static data */

/* "q4_k_m", any case; NULL: there is no such mix. */
const wh_mix *wh_mix_parse(const char *name);
const wh_mix *wh_mix_at(size_t i); /* NULL behind the last one */
const char *wh_mix_name(const wh_mix *mix);
whit_block wh_mix_type(const wh_mix *mix); /* of the most tensors */

/* general.file_type; of pure types the one whose readers expect such tensors. WHIT_BLOCK_NONE and
 * types other than F16 and BF16: that of F32. */
uint32_t wh_mix_file_type(const wh_mix *mix);
uint32_t wh_block_file_type(whit_block block);
uint32_t wh_dtype_file_type(whit_dtype dtype);

/* The block type itself if `cols` weights are whole blocks, else the one that takes its place, else
 * WHIT_BLOCK_NONE: then it is F16. */
whit_block wh_block_fallback(whit_block block, uint64_t cols);

/* Why a tensor is kept as it is in any file of blocks, as static text ("norm", "1-dimensional",
 * ..); NULL: it may become blocks. rows: product of all sides but cols; a single row is a vector to
 * GGUF, whatever the rank. */
const char *wh_gguf_keeps(const char *name, unsigned rank, uint64_t rows);

typedef struct wh_mix_tensor {
    const char *name;
    unsigned rank;
    uint64_t rows, cols; /* cols: ne[0] of the file; rows: all other sides together */
    whit_dtype dtype;
} wh_mix_tensor;

typedef struct wh_mix_model {
    uint32_t layers;  /* block_count                                                   */
    uint32_t gqa;     /* heads for each key and value head, of layer 0; 0: it has none */
    uint32_t experts; /* 0: none                                                       */
} wh_mix_model;

typedef struct wh_mix_choice {
    whit_block block;     /* WHIT_BLOCK_NONE: F16 if `fallback`, else kept as it is          */
    const char *reason;   /* why it is kept, static text; else NULL                          */
    int fallback;         /* 1: `wanted` does not divide its columns                         */
    whit_block wanted;    /* what the mix names                                              */
    int needs_importance; /* 1: the reference tool refuses to write it without importance  */
} wh_mix_choice;

typedef struct wh_mix_survey wh_mix_survey;

/*
 * Look at all tensors of a model, in any order: where a tensor stands among those of its sort, by
 * layer, decides some types, and whether there is an output.weight.
 *
 * The names are borrowed. Errors: WHIT_ERR_NOMEM.
 */
whit_status wh_mix_survey_make(wh_mix_survey **out, const wh_mix *mix, const wh_mix_model *model,
                               const wh_mix_tensor *tensors, size_t count, whit_error *err);
void wh_mix_survey_free(wh_mix_survey *survey); /* NULL is fine */

/* Decide for one of them. */
wh_mix_choice wh_mix_choose(const wh_mix_survey *survey, const wh_mix_tensor *tensor);

#endif
