/* src/quant/decode.c - codes back to float32, and the error in dB.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/quant.h>

#include <math.h>

#include "base/error.h"
#include "quant/codebook.h"

static void decode_table(const uint8_t *u, size_t n, float scale, const float *table, float *w)
{
    for (size_t i = 0; i < n; i++) w[i] = scale * table[u[i] & 15];
}

static void decode_minifloat(const uint8_t *u, size_t n, float scale, whit_dtype type, float *w)
{
    whit_dtype_to_f32(type, u, n, w);
    for (size_t i = 0; i < n; i++) w[i] *= scale;
}

static void decode_step(const uint8_t *u, size_t n, float scale, int zero, float *w)
{
    for (size_t i = 0; i < n; i++) w[i] = scale * (float)((int)u[i] - zero);
}

whit_status whit_dequantize(const uint8_t *codes, const float *scale, const uint8_t *zero,
                            size_t rows, size_t cols, const whit_scheme *scheme, float *w,
                            whit_error *err)
{
    if (!scheme || !whit_scheme_is_quantized(scheme) || scheme->kind == WHIT_GGUF)
        return wh_fail(err, WHIT_ERR_ARG, "whit_dequantize: no scheme of codes");
    if (rows == 0 || cols == 0) return WHIT_OK;
    if (!codes || !scale || !w || (scheme->asym && !zero) || scheme->gran == WHIT_GRAN_NONE ||
        ((scheme->gran == WHIT_GRAN_GROUP || scheme->gran == WHIT_GRAN_BLOCK) &&
         (scheme->group == 0 || (scheme->gran == WHIT_GRAN_BLOCK && scheme->block_rows == 0))))
        return wh_fail(err, WHIT_ERR_ARG, "whit_dequantize: a matrix or plane missing");
    uint64_t srows, scols;
    whit_scheme_scales(scheme, rows, cols, &srows, &scols);
    size_t group = scheme->group ? scheme->group : cols;
    size_t rows_each = scheme->gran == WHIT_GRAN_BLOCK ? scheme->block_rows : 1;
    const float *table = whit_scheme_table(scheme->kind);
    whit_dtype type = scheme->kind == WHIT_FP8_E4M3 ? WHIT_F8_E4M3 : WHIT_F8_E5M2;
    int centre = (int)whit_scheme_zero_code(scheme);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0, g = 0; c < cols; c += group, g++) {
            size_t at = r * cols + c, n = cols - c < group ? cols - c : group;
            size_t s = (srows == 1 ? 0 : r / rows_each) * (size_t)scols + g;
            if (table)
                decode_table(codes + at, n, scale[s], table, w + at);
            else if (wh_minifloat_of(scheme->kind))
                decode_minifloat(codes + at, n, scale[s], type, w + at);
            else
                decode_step(codes + at, n, scale[s], scheme->asym ? zero[s] : centre, w + at);
        }
    return WHIT_OK;
}

double whit_sqnr_db(double sum_w2, double sum_err2)
{
    if (!(sum_err2 > 0.0)) return sum_err2 == 0.0 ? INFINITY : NAN;
    return 10.0 * log10(sum_w2 / sum_err2);
}
