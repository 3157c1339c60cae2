/* tests/kernel_make.h - contexts, weights of any scheme and tokens for the tests of whit/kernel.h.
 *
 * What cannot be made ends the program.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_KERNEL_MAKE_H
#define WHIT_KERNEL_MAKE_H

#include <whit/whit.h>

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scratch.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static inline void *kernel_need(size_t count, size_t size)
{
    void *data = calloc(count ? count : 1, size);
    if (!data) scratch_die("memory");
    return data;
}

static inline whit_context *kernel_context(unsigned threads, int spin_us)
{
    const whit_context_options options = { sizeof options, threads, spin_us };
    whit_error err = { WHIT_OK, "" };
    whit_context *context = NULL;
    CHECK(whit_context_open(&context, &options, &err) == WHIT_OK, "%s", err.msg);
    if (!context) exit(check_result());
    return context;
}

static inline whit_scheme kernel_scheme(const char *text)
{
    whit_scheme scheme = { .kind = WHIT_GGUF, .scale_type = WHIT_F32 };
    whit_error err = { WHIT_OK, "" };
    if (strncmp(text, "gguf:", 5) == 0) { /* not the kind of ours of that name */
        scheme.block = whit_block_parse(text + 5);
        return scheme;
    }
    CHECK(whit_scheme_parse(&scheme, text, &err) == WHIT_OK, "%s", err.msg);
    return scheme;
}

/* So many columns, of types with blocks rounded up to whole ones. */
static inline size_t kernel_cols(const char *text, size_t cols)
{
    const whit_block_info *info = whit_block_describe(kernel_scheme(text).block);
    return info ? (cols + info->weights - 1) / info->weights * info->weights : cols;
}

static inline whit_status kernel_blocks(whit_weight **w, whit_context *context, whit_block block,
                                        const float *values, size_t rows, size_t cols,
                                        uint8_t *octets, whit_error *err)
{
    const whit_status st =
        whit_block_encode(block, WHIT_SEARCH_REFERENCE, values, rows, cols, NULL, octets, err);
    return st == WHIT_OK ? whit_weight_from_blocks(w, context, block, rows, cols, octets, err) : st;
}

/* A weight of any scheme, the same each time. */
static inline whit_weight *kernel_weight(whit_context *context, const char *text, size_t rows,
                                         size_t cols)
{
    const whit_scheme scheme = kernel_scheme(text);
    check_rng rng = { rows + 77 * cols };
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    uint64_t scale_rows, scale_cols;
    whit_scheme_scales(&scheme, rows, cols, &scale_rows, &scale_cols);
    const size_t scales = (size_t)(scale_rows * scale_cols);
    uint8_t *codes = kernel_need(rows * cols * 4, 1), *zero = kernel_need(scales, 1);
    float *scale = kernel_need(scales, sizeof *scale),
          *values = kernel_need(rows * cols, sizeof *values);
    for (size_t i = 0; i < rows * cols; i++) {
        codes[i] = (uint8_t)(check_u64(&rng) & 0x7b); /* no NaN of fp8 */
        if (scheme.bits && scheme.bits < 8) codes[i] &= (uint8_t)((1u << scheme.bits) - 1);
        values[i] = check_normal(&rng);
    }
    for (size_t i = 0; i < scales; i++) {
        scale[i] = check_f32(&rng) * 0.01f;
        if (scheme.kind == WHIT_MXFP4) scale[i] = 1.0f / (float)(1 << check_below(&rng, 9));
        if (scheme.kind == WHIT_NVFP4) scale[i] = (float)(1 + check_below(&rng, 15)) * 0.0123f;
    }
    const whit_dtype type = scheme.kind == WHIT_TO_F16    ? WHIT_F16
                            : scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                          : WHIT_F32;
    whit_status st;
    if (scheme.kind == WHIT_GGUF) {
        st = kernel_blocks(&w, context, scheme.block, values, rows, cols, codes, &err);
    } else if (whit_scheme_is_quantized(&scheme)) {
        st = whit_weight_from_codes(&w, context, &scheme, rows, cols, codes, scale,
                                    scheme.asym ? zero : NULL, &err);
    } else {
        whit_dtype_from_f32(type, values, rows * cols, codes);
        st = whit_weight_from_floats(&w, context, type, rows, cols, codes, &err);
    }
    CHECK(st == WHIT_OK && w, "%s: %s", text, err.msg);
    free(codes);
    free(zero);
    free(scale);
    free(values);
    if (!w) exit(check_result());
    return w;
}

static inline float *kernel_tokens(size_t n)
{
    check_rng rng = { n };
    float *x = kernel_need(n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = check_normal(&rng);
    return x;
}

static inline void kernel_multiply(whit_context *context, const whit_weight *w, whit_acts acts,
                                   const float *x, size_t tokens, float *y)
{
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_matmul(context, w, acts, x, tokens, y, &err) == WHIT_OK, "%s", err.msg);
}

#endif
