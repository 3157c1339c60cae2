/* src/tensor/dtype.c - one row per element type, and conversions of arrays to and from float32.
 *
 * F16 and BF16 are in cvt.c. No quantized types: those are schemes, or blocks (src/pack).
 *
 * SPDX-License-Identifier: MIT */
#include <whit/tensor.h>

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "tensor/cvt.h"

static void from_f64(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t u = wh_load64(src + 8 * i);
        double d;
        memcpy(&d, &u, sizeof d);
        dst[i] = (float)d;
    }
}

static void from_f32(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++) dst[i] = wh_bits_f32(wh_load32(src + 4 * i));
}

static void from_f16(const uint8_t *src, size_t n, float *dst)
{
    wh_cvt_scalar.from_f16(src, n, dst);
}

static void from_bf16(const uint8_t *src, size_t n, float *dst)
{
    wh_cvt_scalar.from_bf16(src, n, dst);
}

/* An octet has 256 values: a table for the call is cheaper than the arithmetic. */
static void from_octets(const uint8_t *src, size_t n, float *dst, float (*value)(uint8_t))
{
    float table[256];
    if (n < 256) {
        for (size_t i = 0; i < n; i++) dst[i] = value(src[i]);
        return;
    }
    for (unsigned c = 0; c < 256; c++) table[c] = value((uint8_t)c);
    for (size_t i = 0; i < n; i++) dst[i] = table[src[i]];
}

static void from_e5m2(const uint8_t *src, size_t n, float *dst)
{
    from_octets(src, n, dst, wh_e5m2_to_f32);
}

static void from_e4m3(const uint8_t *src, size_t n, float *dst)
{
    from_octets(src, n, dst, wh_e4m3_to_f32);
}

static void from_e8m0(const uint8_t *src, size_t n, float *dst)
{
    from_octets(src, n, dst, wh_e8m0_to_f32);
}

static void from_e4m3fnuz(const uint8_t *src, size_t n, float *dst)
{
    from_octets(src, n, dst, wh_e4m3fnuz_to_f32);
}

static void from_e5m2fnuz(const uint8_t *src, size_t n, float *dst)
{
    from_octets(src, n, dst, wh_e5m2fnuz_to_f32);
}

static const struct dtype_row {
    const char *name;
    unsigned bits;
    void (*to_f32)(const uint8_t *src, size_t n, float *dst); /* NULL: carried, not read */
} rows[WHIT_DTYPE_COUNT] = {
    [WHIT_BOOL] = { "BOOL", 8, NULL },
    [WHIT_F4] = { "F4", 4, NULL },
    [WHIT_F6_E2M3] = { "F6_E2M3", 6, NULL },
    [WHIT_F6_E3M2] = { "F6_E3M2", 6, NULL },
    [WHIT_U8] = { "U8", 8, NULL },
    [WHIT_I8] = { "I8", 8, NULL },
    [WHIT_F8_E5M2] = { "F8_E5M2", 8, from_e5m2 },
    [WHIT_F8_E4M3] = { "F8_E4M3", 8, from_e4m3 },
    [WHIT_F8_E8M0] = { "F8_E8M0", 8, from_e8m0 },
    [WHIT_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8, from_e4m3fnuz },
    [WHIT_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8, from_e5m2fnuz },
    [WHIT_I16] = { "I16", 16, NULL },
    [WHIT_U16] = { "U16", 16, NULL },
    [WHIT_F16] = { "F16", 16, from_f16 },
    [WHIT_BF16] = { "BF16", 16, from_bf16 },
    [WHIT_I32] = { "I32", 32, NULL },
    [WHIT_U32] = { "U32", 32, NULL },
    [WHIT_F32] = { "F32", 32, from_f32 },
    [WHIT_C64] = { "C64", 64, NULL },
    [WHIT_F64] = { "F64", 64, from_f64 },
    [WHIT_I64] = { "I64", 64, NULL },
    [WHIT_U64] = { "U64", 64, NULL },
    [WHIT_BLOCKS] = { "BLOCKS", 0, NULL },
};

static int known(whit_dtype dtype)
{
    return (unsigned)dtype < WHIT_DTYPE_COUNT;
}

const char *whit_dtype_name(whit_dtype dtype)
{
    return known(dtype) ? rows[dtype].name : "?";
}

unsigned whit_dtype_bits(whit_dtype dtype)
{
    return known(dtype) ? rows[dtype].bits : 0;
}

int whit_dtype_is_float(whit_dtype dtype)
{
    return known(dtype) && rows[dtype].to_f32 != NULL;
}

whit_dtype whit_dtype_parse(const char *name)
{
    for (int d = 0; d < WHIT_DTYPE_COUNT; d++)
        if (rows[d].bits > 0 && strcmp(rows[d].name, name) == 0) return (whit_dtype)d;
    return WHIT_DTYPE_COUNT;
}

whit_status whit_dtype_to_f32(whit_dtype dtype, const void *src, size_t count, float *dst)
{
    if (!whit_dtype_is_float(dtype) || (count > 0 && (!src || !dst))) return WHIT_ERR_ARG;
    rows[dtype].to_f32(src, count, dst);
    return WHIT_OK;
}

whit_status whit_dtype_from_f32(whit_dtype dtype, const float *src, size_t count, void *dst)
{
    if (count > 0 && (!src || !dst)) return WHIT_ERR_ARG;
    uint8_t *out = dst;
    switch (dtype) {
    case WHIT_F64:
        for (size_t i = 0; i < count; i++) {
            double d = (double)src[i];
            uint64_t u;
            memcpy(&u, &d, sizeof u);
            wh_store64(out + 8 * i, u);
        }
        return WHIT_OK;
    case WHIT_F32:
        for (size_t i = 0; i < count; i++) wh_store32(out + 4 * i, wh_f32_bits(src[i]));
        return WHIT_OK;
    case WHIT_F16:
        wh_cvt_scalar.to_f16(src, count, out);
        return WHIT_OK;
    case WHIT_BF16:
        wh_cvt_scalar.to_bf16(src, count, out);
        return WHIT_OK;
    case WHIT_F8_E4M3:
    case WHIT_F8_E5M2: {
        const wh_minifloat *f = dtype == WHIT_F8_E4M3 ? &wh_e4m3 : &wh_e5m2;
        for (size_t i = 0; i < count; i++)
            out[i] = isnan(src[i]) ? 0x7f : wh_minifloat_code(f, wh_minifloat_round(f, src[i]));
        return WHIT_OK;
    }
    case WHIT_F8_E8M0:
        for (size_t i = 0; i < count; i++) out[i] = wh_f32_to_e8m0(src[i]);
        return WHIT_OK;
    default:
        return WHIT_ERR_ARG;
    }
}
