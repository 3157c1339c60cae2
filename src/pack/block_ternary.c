/* src/pack/block_ternary.c - which bit is where in the blocks of weights -d, 0 and d.
 *
 * TQ1_0 writes five digits of base 3 as one octet, the first digit the most significant: the number
 * v in 0..242 becomes ceil(v * 256 / 243), so that each product with 3 pushes the next digit out of
 * the octet's top. What codes mean: block.c. Source: ggml-org/ggml, src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block.h"

#include "base/bytes.h"

/* `octets` octets with `digits` digits each; digit n of octet m is element m + n * octets. */
static void unpack_trits(const uint8_t *in, size_t octets, size_t digits, uint8_t *code)
{
    for (size_t m = 0; m < octets; m++) {
        uint8_t b = in[m];
        for (size_t n = 0; n < digits; n++, b = (uint8_t)(b * 3))
            code[m + n * octets] = (uint8_t)(b * 3 >> 8);
    }
}

static void pack_trits(const uint8_t *code, size_t octets, size_t digits, uint8_t *out)
{
    for (size_t m = 0; m < octets; m++) {
        unsigned v = 0;
        for (size_t n = 0; n < 5; n++) v = 3 * v + (n < digits ? code[m + n * octets] : 0);
        out[m] = (uint8_t)((v * 256 + 242) / 243);
    }
}

/* 32 octets, elements 0..159 | 16 octets, 160..239 | 4 octets of four digits, 240..255 | d */
void wh_unpack_tq1_0(const uint8_t *in, wh_block_parts *p)
{
    unpack_trits(in, 32, 5, p->code);
    unpack_trits(in + 32, 16, 5, p->code + 160);
    unpack_trits(in + 48, 4, 4, p->code + 240);
    p->d = wh_load16(in + 52);
}

void wh_pack_tq1_0(const wh_block_parts *p, uint8_t *out)
{
    pack_trits(p->code, 32, 5, out);
    pack_trits(p->code + 160, 16, 5, out + 32);
    pack_trits(p->code + 240, 4, 4, out + 48);
    wh_store16(out + 52, p->d);
}

/* codes of two bits, a half of the block in 32 octets: bits 2 g of octet l are element 32 g + l | d
 */
void wh_unpack_tq2_0(const uint8_t *in, wh_block_parts *p)
{
    for (size_t i = 0; i < WH_BLOCK_WEIGHTS; i++)
        p->code[i] = in[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
    p->d = wh_load16(in + 64);
}

void wh_pack_tq2_0(const wh_block_parts *p, uint8_t *out)
{
    memset(out, 0, 64);
    for (size_t i = 0; i < WH_BLOCK_WEIGHTS; i++)
        out[i / 128 * 32 + i % 32] |= (uint8_t)((p->code[i] & 3) << 2 * (i % 128 / 32));
    wh_store16(out + 64, p->d);
}
