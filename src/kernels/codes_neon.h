/* src/kernels/codes_neon.h - the codes of a panel in NEON vectors, from the layouts of kernels.h.
 *
 * A vector holds 4 rows at 4 inputs, as octets: those of a row lie together. Two at a time, so that
 * the registers of the loops around suffice.
 * Only static functions: a file that includes this may be built for more than ARMv8.0-A.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_CODES_NEON_H
#define WH_KERNELS_CODES_NEON_H

#include "kernels/forms.h"
#include "kernels/panel_neon.h"

enum {
    LINE = 64, /* octets */
    EIGHT = 8  /* inputs: a unit has four times as many */
};

/* The codes of inputs 8t .. 8t + 7 of a unit, as they are stored: c[0] has the first four. `unit`
 * points at the quarter's codes in its first line. */
typedef void codes_fn(const uint8_t *unit, size_t t, uint8x16_t *c);

/* A width of codes, whatever form has it. */
typedef struct code_kind {
    codes_fn *codes;
    unsigned bits;
    int table;  /* to int8 activations the codes stand for integers of a digit or two.. */
    int octets; /* ..or of one that is an octet, as codes of 8 bits are */
} code_kind;

/* Octets of a panel for a unit. */
static WH_INLINE size_t unit_bytes(const code_kind *f)
{
    return f->bits * LINE;
}

/* The bits of `mask`; in `from` they lie so many places lower. */
static WH_INLINE uint8x16_t moved(uint8x16_t from, int places, uint8_t mask)
{
    return vandq_u8(vshlq_u8(from, vdupq_n_s8((int8_t)places)), vdupq_n_u8(mask));
}

static WH_INLINE void codes_4(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t nibbles = vld1q_u8(unit + t * LINE);
    c[0] = vandq_u8(nibbles, vdupq_n_u8(15));
    c[1] = vshrq_n_u8(nibbles, 4);
}

static WH_INLINE void codes_1(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t bits = vld1q_u8(unit);
    c[0] = moved(bits, 1 - (int)(2 * t), 2);
    c[1] = moved(bits, -(int)(2 * t), 2);
}

static WH_INLINE void codes_2(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t pairs = vld1q_u8(unit + t / 2 * LINE);
    const int below = (int)(t % 2 * 4);
    c[0] = moved(pairs, -below, 3);
    c[1] = moved(pairs, -below - 2, 3);
}

static WH_INLINE void codes_3(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t bits = vld1q_u8(unit + 2 * LINE);
    codes_2(unit, t, c);
    c[0] = vorrq_u8(c[0], moved(bits, 2 - (int)(2 * t), 4));
    c[1] = vorrq_u8(c[1], moved(bits, 1 - (int)(2 * t), 4));
}

static WH_INLINE void codes_5(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t bits = vld1q_u8(unit + 4 * LINE);
    codes_4(unit, t, c);
    c[0] = vorrq_u8(c[0], moved(bits, 4 - (int)(2 * t), 16));
    c[1] = vorrq_u8(c[1], moved(bits, 3 - (int)(2 * t), 16));
}

static WH_INLINE void codes_6(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    const uint8x16_t pairs = vld1q_u8(unit + (4 + t / 2) * LINE);
    const int above = 4 - (int)(t % 2 * 4);
    codes_4(unit, t, c);
    c[0] = vorrq_u8(c[0], moved(pairs, above, 48));
    c[1] = vorrq_u8(c[1], moved(pairs, above - 2, 48));
}

static WH_INLINE void codes_8(const uint8_t *unit, size_t t, uint8x16_t *c)
{
    c[0] = vld1q_u8(unit + 2 * t * LINE);
    c[1] = vld1q_u8(unit + (2 * t + 1) * LINE);
}

static const code_kind code_1 = { codes_1, 1, 0, 0 }, code_2 = { codes_2, 2, 0, 0 },
                       code_3 = { codes_3, 3, 0, 0 }, code_4 = { codes_4, 4, 0, 0 },
                       code_5 = { codes_5, 5, 0, 0 }, code_6 = { codes_6, 6, 0, 0 },
                       code_8 = { codes_8, 8, 0, 1 };

#endif
