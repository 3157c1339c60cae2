/* src/pack/block_k.c - which bit is where in the blocks of 256 weights with scales of their own.
 *
 * The k-quants and IQ4_XS. What codes and scales mean: block.c. The ternary ones: block_ternary.c.
 * Source: ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block.h"

#include "base/bytes.h"

/* Codes of two bits: a half of the block, 128 elements, takes 32 octets; bits 2g and 2g + 1 of
 * octet l are element 32 g + l. */
static void unpack_quarters(const uint8_t *in, uint8_t *code)
{
    for (size_t half = 0; half < 2; half++)
        for (size_t g = 0; g < 4; g++)
            for (size_t l = 0; l < 32; l++)
                code[128 * half + 32 * g + l] = in[32 * half + l] >> 2 * g & 3;
}

static void pack_quarters(const uint8_t *code, uint8_t *out)
{
    for (size_t half = 0; half < 2; half++) {
        const uint8_t *c = code + 128 * half;
        for (size_t l = 0; l < 32; l++)
            out[32 * half + l] = (uint8_t)((c[l] & 3) | (c[32 + l] & 3) << 2 |
                                           (c[64 + l] & 3) << 4 | (c[96 + l] & 3) << 6);
    }
}

/* Codes of four bits: 64 elements take 32 octets, element l in the low half of octet l, element
 * 32 + l in the high one. */
static void unpack_halves(const uint8_t *in, uint8_t *code)
{
    for (size_t c = 0; c < 4; c++)
        for (size_t l = 0; l < 32; l++) {
            code[64 * c + l] = in[32 * c + l] & 15;
            code[64 * c + 32 + l] = in[32 * c + l] >> 4;
        }
}

static void pack_halves(const uint8_t *code, uint8_t *out)
{
    for (size_t c = 0; c < 4; c++)
        for (size_t l = 0; l < 32; l++)
            out[32 * c + l] = (uint8_t)((code[64 * c + l] & 15) | code[64 * c + 32 + l] << 4);
}

/* One more bit for each element: bit g of octet l is that of element 32 g + l. */
static void unpack_bits(const uint8_t *in, unsigned shift, uint8_t *code)
{
    for (size_t g = 0; g < 8; g++)
        for (size_t l = 0; l < 32; l++) code[32 * g + l] |= (uint8_t)((in[l] >> g & 1) << shift);
}

static void pack_bits(const uint8_t *code, unsigned shift, uint8_t *out)
{
    for (size_t l = 0; l < 32; l++) out[l] = 0;
    for (size_t g = 0; g < 8; g++)
        for (size_t l = 0; l < 32; l++) out[l] |= (uint8_t)((code[32 * g + l] >> shift & 1) << g);
}

/* 16 octets, scale low and min high | codes | d | dmin
 * A scale with more bits spoils the min beside it, as it does in the reference. */
void wh_unpack_q2_k(const uint8_t *in, wh_block_parts *p)
{
    for (size_t k = 0; k < 16; k++) {
        p->scale[k] = in[k] & 15;
        p->min[k] = in[k] >> 4;
    }
    unpack_quarters(in + 16, p->code);
    p->d = wh_load16(in + 80);
    p->m = wh_load16(in + 82);
}

void wh_pack_q2_k(const wh_block_parts *p, uint8_t *out)
{
    for (size_t k = 0; k < 16; k++) out[k] = (uint8_t)(p->scale[k] | p->min[k] << 4);
    pack_quarters(p->code, out + 16);
    wh_store16(out + 80, p->d);
    wh_store16(out + 82, p->m);
}

/* third bits | low two bits | 12 octets of scales | d
 * Scale k, six bits: low four in half k / 8 of octet k mod 8, high two at bit 2 (k / 4) of octet
 * 8 + k mod 4. */
void wh_unpack_q3_k(const uint8_t *in, wh_block_parts *p)
{
    const uint8_t *s = in + 96;
    unpack_quarters(in + 32, p->code);
    unpack_bits(in, 2, p->code);
    for (size_t k = 0; k < 16; k++) {
        const unsigned low = s[k % 8] >> 4 * (k / 8) & 15, high = s[8 + k % 4] >> 2 * (k / 4) & 3;
        p->scale[k] = (uint8_t)(low | high << 4);
    }
    p->d = wh_load16(in + 108);
}

void wh_pack_q3_k(const wh_block_parts *p, uint8_t *out)
{
    const uint8_t *v = p->scale;
    pack_bits(p->code, 2, out);
    pack_quarters(p->code, out + 32);
    for (size_t k = 0; k < 8; k++) out[96 + k] = (uint8_t)((v[k] & 15) | (v[8 + k] & 15) << 4);
    for (size_t k = 0; k < 4; k++)
        out[104 + k] = (uint8_t)((v[k] >> 4 & 3) | (v[4 + k] >> 4 & 3) << 2 |
                                 (v[8 + k] >> 4 & 3) << 4 | (v[12 + k] >> 4 & 3) << 6);
    wh_store16(out + 108, p->d);
}

/* Too many bits: as above. Eight scales and eight mins of six bits in 12 octets: octet k < 4 is
 * scale k, octet 4 + k min k, their top two bits those of scale and min 4 + k; octet 8 + k has the
 * low halves of those two. */
static void unpack_scales(const uint8_t *in, wh_block_parts *p)
{
    for (size_t k = 0; k < 4; k++) {
        p->scale[k] = in[k] & 63;
        p->min[k] = in[4 + k] & 63;
        p->scale[4 + k] = (uint8_t)((in[8 + k] & 15) | in[k] >> 6 << 4);
        p->min[4 + k] = (uint8_t)(in[8 + k] >> 4 | in[4 + k] >> 6 << 4);
    }
}

static void pack_scales(const wh_block_parts *p, uint8_t *out)
{
    for (size_t k = 0; k < 4; k++) {
        const unsigned scale = p->scale[4 + k], min = p->min[4 + k];
        out[k] = (uint8_t)(p->scale[k] | scale >> 4 << 6);
        out[4 + k] = (uint8_t)(p->min[k] | min >> 4 << 6);
        out[8 + k] = (uint8_t)((scale & 15) | (min & 15) << 4);
    }
}

/* d | dmin | scales and mins | codes */
void wh_unpack_q4_k(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    p->m = wh_load16(in + 2);
    unpack_scales(in + 4, p);
    unpack_halves(in + 16, p->code);
}

void wh_pack_q4_k(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    wh_store16(out + 2, p->m);
    pack_scales(p, out + 4);
    pack_halves(p->code, out + 16);
}

/* d | dmin | scales and mins | fifth bits | codes */
void wh_unpack_q5_k(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    p->m = wh_load16(in + 2);
    unpack_scales(in + 4, p);
    unpack_halves(in + 48, p->code);
    unpack_bits(in + 16, 4, p->code);
}

void wh_pack_q5_k(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    wh_store16(out + 2, p->m);
    pack_scales(p, out + 4);
    pack_bits(p->code, 4, out + 16);
    pack_halves(p->code, out + 48);
}

/* low halves | high two bits | 16 signed scales | d
 * A half of the block, 128 elements: its 64 octets of low halves hold elements l and 64 + l,
 * l = 0..63; its high bits lie as the codes of two bits do. */
void wh_unpack_q6_k(const uint8_t *in, wh_block_parts *p)
{
    unpack_quarters(in + 128, p->code);
    for (size_t half = 0; half < 2; half++)
        for (size_t l = 0; l < 64; l++) {
            uint8_t *c = p->code + 128 * half + l;
            const int octet = in[64 * half + l];
            c[0] = (uint8_t)(c[0] << 4 | (octet & 15));
            c[64] = (uint8_t)(c[64] << 4 | octet >> 4);
        }
    memcpy(p->scale, in + 192, 16);
    p->d = wh_load16(in + 208);
}

void wh_pack_q6_k(const wh_block_parts *p, uint8_t *out)
{
    uint8_t high[WH_BLOCK_WEIGHTS];
    for (size_t i = 0; i < WH_BLOCK_WEIGHTS; i++) high[i] = p->code[i] >> 4;
    for (size_t half = 0; half < 2; half++)
        for (size_t l = 0; l < 64; l++) {
            const uint8_t *c = p->code + 128 * half + l;
            out[64 * half + l] = (uint8_t)((c[0] & 15) | c[64] << 4);
        }
    pack_quarters(high, out + 128);
    memcpy(out + 192, p->scale, 16);
    wh_store16(out + 208, p->d);
}

/* d | high two bits of the scales, 2 k and up of 16 bits | low halves, even k low | codes
 * Codes as in Q4_0: 32 elements take 16 octets, j and 16 + j. */
void wh_unpack_iq4_xs(const uint8_t *in, wh_block_parts *p)
{
    const unsigned high = wh_load16(in + 2);
    p->d = wh_load16(in);
    for (size_t k = 0; k < 8; k++) {
        const uint8_t *codes = in + 8 + 16 * k;
        p->scale[k] = (uint8_t)((in[4 + k / 2] >> 4 * (k % 2) & 15) | (high >> 2 * k & 3) << 4);
        for (size_t j = 0; j < 16; j++) {
            p->code[32 * k + j] = codes[j] & 15;
            p->code[32 * k + 16 + j] = codes[j] >> 4;
        }
    }
}

void wh_pack_iq4_xs(const wh_block_parts *p, uint8_t *out)
{
    unsigned high = 0;
    for (size_t k = 0; k < 8; k++) high |= (unsigned)(p->scale[k] >> 4 & 3) << 2 * k;
    wh_store16(out, p->d);
    wh_store16(out + 2, (uint16_t)high);
    for (size_t k = 0; k < 4; k++)
        out[4 + k] = (uint8_t)((p->scale[2 * k] & 15) | p->scale[2 * k + 1] << 4);
    for (size_t k = 0; k < 8; k++)
        for (size_t j = 0; j < 16; j++)
            out[8 + 16 * k + j] =
                (uint8_t)((p->code[32 * k + j] & 15) | p->code[32 * k + 16 + j] << 4);
}
