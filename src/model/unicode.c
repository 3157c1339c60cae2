/* src/model/unicode.c - looking characters up in the tables.
 * SPDX-License-Identifier: MIT */
#include "model/unicode.h"

unsigned wh_unicode_value(const uint32_t *changes, size_t count, unsigned bits, uint32_t c)
{
    size_t low = 0, high = count; /* the change is in [low, high); the first one is at 0 */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (changes[middle] >> bits <= c)
            low = middle;
        else
            high = middle;
    }
    return changes[low] & ((1u << bits) - 1);
}

wh_unicode_kind wh_unicode_kind_of(uint32_t c)
{
    return (wh_unicode_kind)wh_unicode_value(wh_unicode_kinds, wh_unicode_kinds_count, 3, c);
}

uint32_t wh_utf8_read(const char *p, size_t *n)
{
    const unsigned char *u = (const unsigned char *)p;
    *n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    if (*n == 1) return u[0];
    if (*n == 2) return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3fu);
    if (*n == 3)
        return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3fu);
    return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
           (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3fu);
}
