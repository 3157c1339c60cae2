/* src/calib/gptq_blocks.h - the block types of GGUF as targets of GPTQ.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_GPTQ_BLOCKS_H
#define WH_CALIB_GPTQ_BLOCKS_H

#include <whit/block.h>

#include "calib/gptq.h"

typedef struct wh_gptq_blocks {
    wh_gptq_target target; /* first */
    whit_block block;
    size_t rows, cols;
    uint8_t *out; /* [rows][cols / weights] blocks */
    wh_codebook book;
} wh_gptq_blocks;

/*
 * A block's scales are those that its encoder finds (the best search) for the weights as they
 * stand, each column weighted by its mean square; then the codes follow with the scales as they are
 * stored. out: as whit_block_encode has it. Errors: WHIT_ERR_ARG (no type that is written, cols no
 * multiple); from wh_gptq_run: as whit_block_encode.
 */
whit_status wh_gptq_blocks_open(wh_gptq_blocks *b, whit_block block, size_t rows, size_t cols,
                                uint8_t *out, whit_error *err);

#endif
