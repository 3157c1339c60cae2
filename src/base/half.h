/* src/base/half.h - the small float types of formats that people store weights in.
 *
 * To float32 every conversion is exact. From float32: nearest, ties to even.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_HALF_H
#define WH_BASE_HALF_H

#include "base/bytes.h"

/* F16 and BF16 inline, so that loops over them become vectors. 65520 and more: infinity; NaN stays
 * NaN. */
static inline float wh_f16_to_f32(uint16_t h)
{
    /* Exponent and mantissa moved in place read as f * 2^-112, subnormals included; the product
     * with 2^112 is exact. Infinity and NaN land on 2^16 and above and get the top exponent, NaN
     * becomes quiet, as in hardware. */
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    float f = wh_bits_f32((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;
    uint32_t special = f >= 65536.0f ? 0x7f800000u : 0u, quiet = f > 65536.0f ? 0x400000u : 0u;
    return wh_bits_f32(wh_f32_bits(f) | special | quiet | sign);
}

static inline uint16_t wh_f32_to_f16(float f)
{
    uint32_t u = wh_f32_bits(f), sign = u >> 16 & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff)); /* quiet NaN */
    if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00);                    /* 65520 */
    if (u < 0x38800000) {
        /* Below 2^-14: adding 0.5 puts the unit of binary16 subnormals, 2^-24, on the last bit. */
        float shifted = wh_bits_f32(u) + 0.5f;
        return (uint16_t)(sign | (wh_f32_bits(shifted) - 0x3f000000));
    }
    u += 0xfff + (u >> 13 & 1); /* half to even; a carry moves into the exponent */
    return (uint16_t)(sign | ((u - 0x38000000) >> 13));
}

static inline float wh_bf16_to_f32(uint16_t h)
{
    return wh_bits_f32((uint32_t)h << 16);
}

static inline uint16_t wh_f32_to_bf16(float f)
{
    uint32_t u = wh_f32_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float wh_e4m3_to_f32(uint8_t b); /* E4M3FN */
float wh_e5m2_to_f32(uint8_t b);
float wh_e4m3fnuz_to_f32(uint8_t b);
float wh_e5m2fnuz_to_f32(uint8_t b);
float wh_e8m0_to_f32(uint8_t b);
/* Half of it as GGUF reads it, where 0xff is no NaN: 2^-128 .. 2^127. */
float wh_e8m0_half_to_f32(uint8_t b);

/* A float of 8 bits: sign, exponent, `mantissa` bits. */
typedef struct wh_minifloat {
    int mantissa, bias;
    float smallest; /* normal value: below it the step stays the same */
    float largest;  /* what is beyond saturates */
} wh_minifloat;
extern const wh_minifloat wh_e4m3, wh_e5m2;

/* The nearest value of the grid, ties to even, saturating; v is no NaN. */
float wh_minifloat_round(const wh_minifloat *f, float v);
/* The code of a value that lies on the grid. */
uint8_t wh_minifloat_code(const wh_minifloat *f, float value);
/* The code of a power of two, 2^-127 .. 2^127. */
uint8_t wh_f32_to_e8m0(float f);

#endif
