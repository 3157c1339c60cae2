/* tests/block_make.h - blocks of GGUF with random codes and sane scales, and a model of them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_BLOCK_MAKE_H
#define WHIT_BLOCK_MAKE_H

#include <whit/block.h>

#include "check.h"
#include "gguf_build.h"

enum { BLOCK_WIDE = 262656 }; /* columns: more than a tile of 262144, a multiple of 256 */

static inline void *block_room(size_t bytes)
{
    void *p = calloc(bytes + 1, 1);
    if (!p) scratch_die("memory");
    return p;
}

/* Random blocks whose scales are small and finite: their F16 and E8M0 fields are 1/16 and the like.
 */
static inline unsigned char *block_make(whit_block block, size_t count, uint64_t seed)
{
    static const struct {
        whit_block block;
        unsigned at[2]; /* F16 fields; 0, 0: only the first */
    } halves[] = { { WHIT_Q4_1, { 0, 2 } }, { WHIT_Q5_1, { 0, 2 } }, { WHIT_Q2_K, { 80, 82 } },
                   { WHIT_Q3_K, { 108 } },  { WHIT_Q4_K, { 0, 2 } }, { WHIT_Q5_K, { 0, 2 } },
                   { WHIT_Q6_K, { 208 } },  { WHIT_TQ1_0, { 52 } },  { WHIT_TQ2_0, { 64 } } };
    const whit_block_info *info = whit_block_describe(block);
    check_rng r = { seed };
    unsigned char *b = block_room(count * info->bytes);
    for (size_t i = 0; i < count * info->bytes; i++) b[i] = (unsigned char)check_u64(&r);
    for (size_t k = 0; k < count; k++) {
        unsigned char *at = b + k * info->bytes;
        unsigned first = 0, second = 0;
        for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
            if (halves[i].block == block) first = halves[i].at[0], second = halves[i].at[1];
        if (block == WHIT_BLOCK_MXFP4) {
            at[0] = (unsigned char)(120 + at[0] % 8);
        } else if (block == WHIT_BLOCK_NVFP4) {
            for (unsigned i = 0; i < 4; i++) at[i] &= 0x3f;
        } else {
            at[first + 1] = (unsigned char)(0x28 + at[first + 1] % 4);
            at[second + 1] = second ? (unsigned char)(0x28 + at[second + 1] % 4) : at[second + 1];
        }
    }
    return b;
}

/* Two rows longer than a tile, a small matrix, a vector that is quantized, one that is not. */
static inline void block_model(const scratch *s, const char *name)
{
    static const uint64_t wide[2] = { BLOCK_WIDE, 2 }, small[2] = { 256, 40 }, flat = 256;
    static const float norm[4] = { 1, 2, 3, 4 };
    gg_build b = { 0 };
    unsigned char *k = block_make(WHIT_Q4_K, 2 * BLOCK_WIDE / 256, 3);
    unsigned char *q = block_make(WHIT_Q5_0, 320, 4);
    gg_string(&b, "general.name", "a model", 7);
    gg_tensor(&b, "blk.0.wide.weight", 12, 2, wide, k, 2 * BLOCK_WIDE / 256 * 144);
    gg_tensor(&b, "blk.0.small.weight", 6, 2, small, q, 320 * 22);
    gg_tensor(&b, "token_embd.weight", 6, 2, small, q, 320 * 22);
    gg_tensor(&b, "flat", 6, 1, &flat, q, 8 * 22);
    gg_tensor(&b, "norm", 0, 1, (const uint64_t[]){ 4 }, norm, sizeof norm);
    gg_write(&b, s, name);
    free(k);
    free(q);
}

#endif
