/* src/pack/bits.c - codes to a dense bit string, least significant bit first, and back.
 *
 *   bits = 4   octet k   7 6 5 4 | 3 2 1 0        bits = 3   octet 0   7 6 | 5 4 3 | 2 1 0
 *              code      2k+1    | 2k                                  2.  |   1   |   0
 *                                                            octet 1   7 | 6 5 4 | 3 2 1 | 0
 *                                                                      5.|   4   |   3   | .2
 *
 * 8 and 4 bits have loops of their own, since files are mostly made of them; the general one
 * takes 8 codes at a time, which always fill `bits` whole octets.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/pack.h>

#include <string.h>

size_t whit_packed_bytes(size_t count, unsigned bits)
{
    return count / 8 * bits + (count % 8 * bits + 7) / 8;
}

static void pack8(const uint8_t *codes, size_t octets, unsigned bits, uint8_t *out)
{
    uint64_t word = 0, mask = (1u << bits) - 1;
    for (unsigned i = 0; i < 8; i++) word |= (codes[i] & mask) << (i * bits);
    for (size_t i = 0; i < octets; i++) out[i] = (uint8_t)(word >> (8 * i));
}

static void unpack8(const uint8_t *in, size_t octets, unsigned bits, uint8_t *codes)
{
    uint64_t word = 0, mask = (1u << bits) - 1;
    for (size_t i = 0; i < octets; i++) word |= (uint64_t)in[i] << (8 * i);
    for (unsigned i = 0; i < 8; i++) codes[i] = (uint8_t)(word >> (i * bits) & mask);
}

static void pack_nibbles(const uint8_t *codes, size_t octets, uint8_t *out)
{
    for (size_t i = 0; i < octets; i++)
        out[i] = (uint8_t)((codes[2 * i] & 15) | codes[2 * i + 1] << 4);
}

static void unpack_nibbles(const uint8_t *in, size_t octets, uint8_t *codes)
{
    for (size_t i = 0; i < octets; i++) {
        codes[2 * i] = in[i] & 15;
        codes[2 * i + 1] = in[i] >> 4;
    }
}

whit_status whit_pack_bits(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    if (bits < 1 || bits > 8 || (count > 0 && (!codes || !out))) return WHIT_ERR_ARG;
    size_t whole = count / 8 * 8;
    if (bits == 8) {
        if (count > 0) memcpy(out, codes, count);
        return WHIT_OK;
    }
    if (bits == 4)
        pack_nibbles(codes, whole / 2, out);
    else
        for (size_t i = 0; i < whole; i += 8) pack8(codes + i, bits, bits, out + i / 8 * bits);
    if (whole < count) {
        uint8_t tail[8] = { 0 };
        memcpy(tail, codes + whole, count - whole);
        pack8(tail, whit_packed_bytes(count - whole, bits), bits, out + whole / 8 * bits);
    }
    return WHIT_OK;
}

whit_status whit_unpack_bits(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    if (bits < 1 || bits > 8 || (count > 0 && (!codes || !in))) return WHIT_ERR_ARG;
    size_t whole = count / 8 * 8;
    if (bits == 8) {
        if (count > 0) memcpy(codes, in, count);
        return WHIT_OK;
    }
    if (bits == 4)
        unpack_nibbles(in, whole / 2, codes);
    else
        for (size_t i = 0; i < whole; i += 8) unpack8(in + i / 8 * bits, bits, bits, codes + i);
    if (whole < count) {
        uint8_t tail[8];
        unpack8(in + whole / 8 * bits, whit_packed_bytes(count - whole, bits), bits, tail);
        memcpy(codes + whole, tail, count - whole);
    }
    return WHIT_OK;
}
