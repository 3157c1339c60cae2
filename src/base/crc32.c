/* src/base/crc32.c - CRC-32 by eight tables: eight octets a step.
 *
 * table[0][b] is what octet b does to an empty sum, table[k][b] the same with k octets of zeros
 * behind it; so eight octets are eight look-ups that do not wait for each other.
 *
 * Source: M. E. Kounavis and F. L. Berry, "A Systematic Approach to Building High Performance
 * Software-Based CRC Generators" (2005).
 * SPDX-License-Identifier: MIT */
#include "base/crc32.h"

#include "base/bytes.h"

#define POLYNOMIAL 0xEDB88320u

void wh_crc32_init(wh_crc32 *c)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t sum = b;
        for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? POLYNOMIAL : 0);
        c->table[0][b] = sum;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            c->table[k][b] = c->table[k - 1][b] >> 8 ^ c->table[0][c->table[k - 1][b] & 255];
}

uint32_t wh_crc32_add(const wh_crc32 *c, uint32_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    sum = ~sum;
    for (; len >= 8; len -= 8, p += 8) {
        const uint32_t low = wh_load32(p) ^ sum, high = wh_load32(p + 4);
        sum = c->table[7][low & 255] ^ c->table[6][low >> 8 & 255] ^ c->table[5][low >> 16 & 255] ^
              c->table[4][low >> 24] ^ c->table[3][high & 255] ^ c->table[2][high >> 8 & 255] ^
              c->table[1][high >> 16 & 255] ^ c->table[0][high >> 24];
    }
    for (; len > 0; len--, p++) sum = sum >> 8 ^ c->table[0][(sum ^ *p) & 255];
    return ~sum;
}
