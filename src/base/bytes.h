/* src/base/bytes.h - little-endian loads and stores at any alignment, on any machine.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_BYTES_H
#define WH_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

/* Compilers see one load or store in the byte-wise form too, but not inside loops that they would
 * turn into vectors; so the common case is spelt out. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WH_LITTLE_ENDIAN 1
#else
#define WH_LITTLE_ENDIAN 0
#endif

static inline uint16_t wh_load16(const void *p)
{
#if WH_LITTLE_ENDIAN
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
#else
    const uint8_t *b = p;
    return (uint16_t)(b[0] | (uint32_t)b[1] << 8);
#endif
}

static inline uint32_t wh_load32(const void *p)
{
#if WH_LITTLE_ENDIAN
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
#else
    const uint8_t *b = p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
#endif
}

static inline uint64_t wh_load64(const void *p)
{
    const uint8_t *b = p;
    return wh_load32(b) | (uint64_t)wh_load32(b + 4) << 32;
}

static inline void wh_store16(void *p, uint16_t v)
{
#if WH_LITTLE_ENDIAN
    memcpy(p, &v, sizeof v);
#else
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
#endif
}

static inline void wh_store32(void *p, uint32_t v)
{
#if WH_LITTLE_ENDIAN
    memcpy(p, &v, sizeof v);
#else
    uint8_t *b = p;
    wh_store16(b, (uint16_t)v);
    wh_store16(b + 2, (uint16_t)(v >> 16));
#endif
}

static inline void wh_store64(void *p, uint64_t v)
{
    uint8_t *b = p;
    wh_store32(b, (uint32_t)v);
    wh_store32(b + 4, (uint32_t)(v >> 32));
}

/* The bits of a float and back. */
static inline uint32_t wh_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline float wh_bits_f32(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#endif
