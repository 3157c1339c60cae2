/* src/calib/gptq_blocks.c - the block types of GGUF as targets of GPTQ: a block is encoded for its
 * scales, taken apart for its grids, and put together again with the codes that the feedback chose.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_blocks.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "pack/block.h"

enum { MOST_BYTES = 256 }; /* of a block */

static const wh_gptq_blocks *blocks_of(const wh_gptq_target *t)
{
    return (const wh_gptq_blocks *)(const void *)t;
}

static uint8_t *block_at(const wh_gptq_blocks *b, size_t row, size_t col)
{
    const whit_block_info *info = whit_block_describe(b->block);
    return b->out + (row * (b->cols / info->weights) + col / info->weights) * info->bytes;
}

/* The grids of one row's block. */
static void to_grids(const wh_block_type *t, const uint8_t *block, size_t i, wh_gptq_grid *grid)
{
    wh_block_parts p = { 0 };
    t->unpack(block, &p);
    for (size_t k = 0; k * t->sub < t->info.weights; k++) {
        wh_block_sub(t, &p, k, &grid[k].step[i], &grid[k].base[i]);
        grid[k].lo[i] = (float)t->lowest;
        grid[k].hi[i] = (float)t->highest;
        grid[k].offset[i] = (float)-t->lowest;
        /* the encoders never write the code that has no opposite, and kernels may rely on it */
        if (t->lowest == -128) grid[k].lo[i] = -127.0f;
    }
}

static whit_status find(const wh_gptq_target *target, const wh_gptq_region *r, wh_gptq_grid *grid,
                        whit_error *err)
{
    const wh_gptq_blocks *b = blocks_of(target);
    const wh_block_type *t = wh_block_type_of(b->block);
    uint8_t coded[WH_GPTQ_ROWS * MOST_BYTES];
    whit_error why = { WHIT_OK, "" };
    const whit_status st = whit_block_encode(b->block, WHIT_SEARCH_BEST, r->v, r->rows, r->cols,
                                             r->weight, coded, &why);
    if (st != WHIT_OK)
        return wh_fail(err, st, "rows from %zu, columns from %zu: %.180s", r->row, r->col, why.msg);
    for (size_t i = 0; i < r->rows; i++) {
        uint8_t *block = block_at(b, r->row + i, r->col);
        memcpy(block, coded + i * t->info.bytes, t->info.bytes);
        to_grids(t, block, i, grid);
    }
    return WHIT_OK;
}

static void put(const wh_gptq_target *target, const wh_gptq_region *r, const uint8_t *codes)
{
    const wh_gptq_blocks *b = blocks_of(target);
    const wh_block_type *t = wh_block_type_of(b->block);
    for (size_t i = 0; i < r->rows; i++) {
        uint8_t *block = block_at(b, r->row + i, r->col);
        wh_block_parts p = { 0 };
        t->unpack(block, &p);
        memcpy(p.code, codes + i * r->cols, r->cols);
        t->pack(&p, block);
    }
}

/* d alone is the step: of the same sign, since some kernels rely on that. */
static float rescale(const wh_gptq_target *target, size_t row, size_t col, float wanted)
{
    const wh_gptq_blocks *b = blocks_of(target);
    const wh_block_type *t = wh_block_type_of(b->block);
    uint8_t *d = block_at(b, row, col) + t->d_at;
    const uint16_t half = wh_f32_to_f16(wanted), old = wh_load16(d);
    const float stored = wh_f16_to_f32(half);
    if (!isnormal(stored) || ((half ^ old) & 0x8000)) return 0.0f;
    d[0] = (uint8_t)(half & 0xff);
    d[1] = (uint8_t)(half >> 8);
    return stored;
}

/* The levels in ascending order with their codes; of equal ones the first code is used. */
static void make_book(wh_codebook *book, const int8_t *levels, size_t count)
{
    for (size_t i = 0; i < 16; i++) {
        size_t at = i < count ? i : count - 1; /* what is left repeats the last: never chosen */
        book->by_code[i] = (float)levels[i < count ? i : 0];
        if (i >= count) {
            book->value[i] = book->value[at];
            book->code[i] = book->code[at];
            continue;
        }
        for (; at > 0 && book->value[at - 1] > (float)levels[i]; at--) {
            book->value[at] = book->value[at - 1];
            book->code[at] = book->code[at - 1];
        }
        book->value[at] = (float)levels[i];
        book->code[at] = (uint8_t)i;
    }
    for (size_t i = 0; i < 15; i++) {
        const float middle = (book->value[i] + book->value[i + 1]) / 2;
        book->threshold[i] = i + 1 < count ? middle : INFINITY;
    }
}

whit_status wh_gptq_blocks_open(wh_gptq_blocks *b, whit_block block, size_t rows, size_t cols,
                                uint8_t *out, whit_error *err)
{
    const wh_block_type *t = wh_block_type_of(block);
    if (!t || !t->info.encodes || !out)
        return wh_fail(err, WHIT_ERR_ARG, "no block type %d that is written", (int)block);
    if (cols % t->info.weights)
        return wh_fail(err, WHIT_ERR_ARG, "%s: %zu columns are not a multiple of %u", t->info.name,
                       cols, t->info.weights);
    *b = (wh_gptq_blocks){ .block = block, .rows = rows, .cols = cols, .out = out };
    b->target =
        (wh_gptq_target){ .group = t->info.weights, .sub = t->sub, .find = find, .put = put };
    if (t->levels) {
        make_book(&b->book, t->levels, t->levels == wh_block_sign ? 2 : 16);
        b->target.book = &b->book;
    }
    if (t->step == WH_STEP_D && t->d_at >= 0 && t->sub == t->info.weights)
        b->target.rescale = rescale;
    return WHIT_OK;
}
