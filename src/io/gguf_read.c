/* src/io/gguf_read.c - elements of a GGUF tensor as float32: plain ones, and blocks, decoded.
 *
 * Blocks follow each other without gaps through all rows, so that elements [first, first + count)
 * lie in blocks [first / n, (first + count - 1) / n]; of the first and the last one, what was not
 * asked for is decoded and dropped.
 *
 * Not here: what a block means (src/pack/block.c).
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <string.h>

#include "base/file.h"

#define MOST_WEIGHTS 256 /* of a block */

typedef struct reader {
    const whit_tensor *t;
    const wh_shard *shard;
    const whit_block_info *info;
    unsigned char raw[65536]; /* small enough that the decoder finds it in the cache */
} reader;

/* Decode n blocks from number `block` on: as many as raw holds, at most. */
static whit_status decode(reader *r, uint64_t block, size_t n, float *dst, whit_error *err)
{
    const size_t bytes = r->info->bytes;
    whit_status st = wh_file_pread(r->shard->fd, r->shard->path, r->t->offset + block * bytes,
                                   r->raw, n * bytes, err);
    return st == WHIT_OK ? whit_block_decode(r->t->block, r->raw, n, dst, err) : st;
}

whit_status wh_gguf_read_f32(const whit_file *file, size_t index, uint64_t first, size_t count,
                             float *dst, whit_error *err)
{
    reader r = { .t = &file->tensors[index] };
    float one[MOST_WEIGHTS];
    if (r.t->block == WHIT_BLOCK_NONE) return wh_io_read_f32(file, index, first, count, dst, err);
    r.shard = &file->shards[r.t->shard];
    r.info = whit_block_describe(r.t->block);
    const size_t per = r.info->weights, most = sizeof r.raw / r.info->bytes;
    for (size_t done = 0, n; done < count; done += n) {
        const uint64_t block = (first + done) / per;
        const size_t skip = (size_t)((first + done) % per), left = count - done;
        whit_status st;
        if (skip == 0 && left >= per) {
            n = left / per < most ? left / per : most;
            st = decode(&r, block, n, dst + done, err);
            n *= per;
        } else {
            n = per - skip < left ? per - skip : left;
            st = decode(&r, block, 1, one, err);
            if (st == WHIT_OK) memcpy(dst + done, one + skip, n * sizeof *dst);
        }
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}
