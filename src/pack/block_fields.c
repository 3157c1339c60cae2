/* src/pack/block_fields.c - blocks of GGUF taken apart, many at a time: what products of codes
 * need.
 *
 * Not here: decoding them (block.c), which bit is where (block_simple.c, block_k.c).
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block.h"

#include <string.h>

/* What is stored for a sub-block as the number that d is multiplied with: six bits less 32, or four
 * to eight bits as they are; all fit eight with a sign. */
static int8_t factor(const wh_block_type *t, uint8_t stored)
{
    return (int8_t)(t->scale_signed ? (int)(int8_t)stored : (int)stored - t->scale_offset);
}

/* As the reference reads it, without what it does not look at: 0x7f is 0, but 0xff is 480. */
static uint8_t unsigned_e4m3(uint8_t stored)
{
    return stored == 0x7f ? 0 : stored & 0x7f;
}

void wh_block_take(const wh_block_type *t, const uint8_t *in, size_t count,
                   const wh_block_fields *out)
{
    const size_t weights = t->info.weights, subs = weights / t->sub;
    for (size_t b = 0; b < count; b++, in += t->info.bytes) {
        wh_block_parts p;
        t->unpack(in, &p);
        memcpy(out->code + b * weights, p.code, weights);
        if (t->step == WH_STEP_UE4M3)
            for (size_t k = 0; k < subs; k++) out->octet[b * subs + k] = unsigned_e4m3(p.scale[k]);
        else if (t->step == WH_STEP_E8M0)
            out->octet[b] = p.scale[0];
        else
            out->d[b] = p.d;
        if (t->step == WH_STEP_SCALED) {
            for (size_t k = 0; k < subs; k++) out->scale[b * subs + k] = factor(t, p.scale[k]);
            if (t->affine) memcpy(out->min + b * subs, p.min, subs);
            if (t->affine) out->m[b] = p.m;
        } else if (t->affine) {
            out->m[b] = p.m ^ 0x8000; /* the reference adds it */
        }
    }
}
