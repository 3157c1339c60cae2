/* src/pack/block_encode.h - encoders of blocks, several blocks side by side, by instruction set.
 *
 * One lane is one block: each lane adds and compares in the order of the reference, so every
 * variant writes the same octets, whatever its width. The loops are written once, in the headers
 * that block_loops.h includes, over vectors which each block_encode_<isa>.c defines.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_ENCODE_H
#define WH_PACK_BLOCK_ENCODE_H

#include "pack/block.h"

#define WH_BLOCK_LANES 16 /* the most that a variant has */

typedef struct wh_block_batch {
    whit_block block;
    const wh_block_type *type;
    whit_search search;
    const float *x[WH_BLOCK_LANES];          /* the weights of each block                   */
    const float *importance[WH_BLOCK_LANES]; /* of its columns; [0] NULL: none              */
    float mean_square[WH_BLOCK_LANES];       /* of its row, where there is an importance     */
    uint8_t *out[WH_BLOCK_LANES];            /* blocks may be the same one, several times    */
} wh_block_batch;

typedef struct wh_block_ops {
    const char *isa;
    uint32_t needs;                             /* WH_ISA_* */
    size_t lanes;                               /* blocks that encode takes at once */
    int (*encode)(const wh_block_batch *batch); /* 0: a weight is not finite, nothing is written */
} wh_block_ops;

extern const wh_block_ops wh_block_scalar;
#ifdef WH_BUILD_X86
extern const wh_block_ops wh_block_avx2, wh_block_avx512;
#endif
#ifdef WH_BUILD_ARM64
extern const wh_block_ops wh_block_neon;
#endif

/* All variants of this build, slowest first, [0] the scalar one. */
const wh_block_ops *const *wh_block_variants(size_t *count);
/* The fastest that this CPU and WHIT_ISA allow. */
const wh_block_ops *wh_block_select(void);

#endif
