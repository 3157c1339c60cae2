/* src/pack/block_simple.c - which bit is where in the blocks with one scale, and in MXFP4, NVFP4.
 *
 * Codes of four bits: octet j holds element j in its low half and element j + 16 in the high one.
 * What codes and scales mean: block.c. Source: ggml-org/ggml, src/ggml-common.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block.h"

#include "base/bytes.h"

static void unpack_halves(const uint8_t *in, size_t octets, uint8_t *code)
{
    for (size_t j = 0; j < octets; j++) {
        code[j] = in[j] & 15;
        code[octets + j] = in[j] >> 4;
    }
}

static void pack_halves(const uint8_t *code, size_t octets, uint8_t *out)
{
    for (size_t j = 0; j < octets; j++) out[j] = (uint8_t)((code[j] & 15) | code[octets + j] << 4);
}

/* d | 16 octets of codes; IQ4_NL is the same with other levels */
void wh_unpack_q4_0(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    unpack_halves(in + 2, 16, p->code);
}

void wh_pack_q4_0(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    pack_halves(p->code, 16, out + 2);
}

/* d | m | codes */
void wh_unpack_q4_1(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    p->m = wh_load16(in + 2);
    unpack_halves(in + 4, 16, p->code);
}

void wh_pack_q4_1(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    wh_store16(out + 2, p->m);
    pack_halves(p->code, 16, out + 4);
}

/* Four octets whose bit i is bit 4 of element i | the low halves. */
static void unpack_fives(const uint8_t *in, uint8_t *code)
{
    unpack_halves(in + 4, 16, code);
    for (size_t i = 0; i < 32; i++) code[i] |= (uint8_t)((in[i / 8] >> i % 8 & 1) << 4);
}

static void pack_fives(const uint8_t *code, uint8_t *out)
{
    uint32_t high = 0;
    for (size_t i = 0; i < 32; i++) high |= (uint32_t)(code[i] >> 4 & 1) << i;
    wh_store32(out, high);
    pack_halves(code, 16, out + 4);
}

/* d | fifth bits | codes */
void wh_unpack_q5_0(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    unpack_fives(in + 2, p->code);
}

void wh_pack_q5_0(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    pack_fives(p->code, out + 2);
}

/* d | m | fifth bits | codes */
void wh_unpack_q5_1(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    p->m = wh_load16(in + 2);
    unpack_fives(in + 4, p->code);
}

void wh_pack_q5_1(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    wh_store16(out + 2, p->m);
    pack_fives(p->code, out + 4);
}

/* d | 32 signed octets; our code is the octet + 128 */
void wh_unpack_q8_0(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    for (size_t i = 0; i < 32; i++) p->code[i] = in[2 + i] ^ 0x80;
}

void wh_pack_q8_0(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    for (size_t i = 0; i < 32; i++) out[2 + i] = p->code[i] ^ 0x80;
}

/* exponent | codes */
void wh_unpack_mxfp4(const uint8_t *in, wh_block_parts *p)
{
    p->scale[0] = in[0];
    unpack_halves(in + 1, 16, p->code);
}

void wh_pack_mxfp4(const wh_block_parts *p, uint8_t *out)
{
    out[0] = p->scale[0];
    pack_halves(p->code, 16, out + 1);
}

/* four scales | four times eight octets of codes: elements j and j + 8 of their sixteen */
void wh_unpack_nvfp4(const uint8_t *in, wh_block_parts *p)
{
    memcpy(p->scale, in, 4);
    for (size_t k = 0; k < 4; k++) unpack_halves(in + 4 + 8 * k, 8, p->code + 16 * k);
}

void wh_pack_nvfp4(const wh_block_parts *p, uint8_t *out)
{
    memcpy(out, p->scale, 4);
    for (size_t k = 0; k < 4; k++) pack_halves(p->code + 16 * k, 8, out + 4 + 8 * k);
}

/* d | element i is bit i mod 8 of octet i / 8 */
void wh_unpack_q1_0(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    for (size_t i = 0; i < 128; i++) p->code[i] = in[2 + i / 8] >> i % 8 & 1;
}

void wh_pack_q1_0(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    for (size_t j = 0; j < 16; j++) {
        unsigned bits = 0;
        for (size_t i = 0; i < 8; i++) bits |= (unsigned)(p->code[8 * j + i] & 1) << i;
        out[2 + j] = (uint8_t)bits;
    }
}

/* d | element i is bits 2 (i mod 4) and up of octet i / 4 */
void wh_unpack_q2_0(const uint8_t *in, wh_block_parts *p)
{
    p->d = wh_load16(in);
    for (size_t i = 0; i < 64; i++) p->code[i] = in[2 + i / 4] >> 2 * (i % 4) & 3;
}

void wh_pack_q2_0(const wh_block_parts *p, uint8_t *out)
{
    wh_store16(out, p->d);
    for (size_t j = 0; j < 16; j++) {
        const uint8_t *c = p->code + 4 * j;
        out[2 + j] = (uint8_t)(c[0] | c[1] << 2 | c[2] << 4 | c[3] << 6);
    }
}
