/* src/pack/streams.c - streams of codes in words of 32 bits, in any direction.
 *
 * All streams go on by 32 codes before the first of them goes on further: streams that lie side by
 * side fill lines of the cache together.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/streams.h"

#include <string.h>

#include <whit/pack.h>

#define BLOCK 32 /* codes that fill whole words, whatever their bits */

/* The code that stands at a place of a block. */
static size_t code_at(const wh_streams *s, size_t place)
{
    return s->order ? place / 8 * 8 + s->order[place % 8] : place;
}

static void pack_block(const wh_streams *s, const uint8_t *codes, size_t n, uint8_t *words)
{
    uint8_t block[BLOCK], octets[BLOCK] = { 0 };
    for (size_t k = 0; k < n; k++)
        block[k] = (uint8_t)(codes[code_at(s, k) * s->code_step] + s->add);
    whit_pack_bits(block, n, s->bits, octets);
    for (size_t w = 0; w < (n * s->bits + 31) / 32; w++)
        memcpy(words + 4 * w * s->word_step, octets + 4 * w, 4);
}

/* Of n codes those from `skip` on; codes points to the first of these. */
static void unpack_block(const wh_streams *s, const uint8_t *words, size_t n, size_t skip,
                         uint8_t *codes)
{
    const uint8_t mask = (uint8_t)((1u << s->bits) - 1);
    const size_t places = s->order ? (n + 7) / 8 * 8 : n;
    uint8_t block[BLOCK], octets[BLOCK];
    for (size_t w = 0; w < (places * s->bits + 31) / 32; w++)
        memcpy(octets + 4 * w, words + 4 * w * s->word_step, 4);
    whit_unpack_bits(octets, places, s->bits, block);
    for (size_t k = 0; k < places; k++) {
        const size_t c = code_at(s, k);
        if (c >= skip && c < n)
            codes[(c - skip) * s->code_step] = (uint8_t)(block[k] - s->add) & mask;
    }
}

void wh_streams_pack(const wh_streams *s, const uint8_t *codes, uint8_t *words)
{
    for (size_t k = 0; k < s->count; k += BLOCK) {
        const size_t n = s->count - k < BLOCK ? s->count - k : BLOCK;
        for (size_t i = 0; i < s->streams; i++)
            pack_block(s, codes + i * s->code_next + k * s->code_step, n,
                       words + 4 * (i * s->word_next + k / BLOCK * s->bits * s->word_step));
    }
}

void wh_streams_unpack(const wh_streams *s, const uint8_t *words, uint8_t *codes)
{
    const size_t end = s->skip + s->count;
    for (size_t k = s->skip / BLOCK * BLOCK; k < end; k += BLOCK) {
        const size_t n = end - k < BLOCK ? end - k : BLOCK, skip = s->skip > k ? s->skip - k : 0;
        for (size_t i = 0; i < s->streams; i++)
            unpack_block(s, words + 4 * (i * s->word_next + k / BLOCK * s->bits * s->word_step), n,
                         skip,
                         codes + i * s->code_next + (k > s->skip ? k - s->skip : 0) * s->code_step);
    }
}
