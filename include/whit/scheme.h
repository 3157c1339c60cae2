/* include/whit/scheme.h - what a tensor becomes: the scheme, its text form, its arithmetic shape.
 *
 *   scheme = kind [ "-" gran ] { "-" option }
 *   kind   = int2 .. int8 | nf4 | fp4 | fp4bnb | fp8_e4m3 | fp8_e5m2 | mxfp4 | nvfp4
 *          | f16 | bf16 | f32 | keep | q4_0, q4_k, .. (whit/block.h; only where the output is GGUF)
 *   gran   = tensor | channel | g N      (N = 2 .. 65536 consecutive columns share one scale)
 *          | block R x C                 (fp8: R rows by C columns, each 2 .. 1024)
 *   option = asym (intN) | dq (nf4, fp4bnb) | sf32 | sf16 | sbf16 (type of the stored scale)
 *          | a8 | a8s (intN, fp8: the layer's activations become 8 bits while it runs, with a
 *                       scale a token or one that calibration found)
 *
 * Scales are F32 for a tensor or a channel and F16 for groups, unless an option says otherwise.
 * "int8" alone is int8-channel, "int2" .. "int7" are g128, "nf4" and "fp4bnb" g64, "fp4" g32, fp8
 * kinds channel. mxfp4 and nvfp4 have fixed groups.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_SCHEME_H
#define WHIT_SCHEME_H

#include <whit/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are ABI: append, never renumber. */
typedef enum whit_kind {
    WHIT_KEEP = 0, /* the tensor's own bytes                                         */
    WHIT_INT,      /* w = scale * (u - zero), bits 2..8; symmetric: zero = 2^(bits-1) */
    WHIT_NF4,      /* w = scale * table[u]                                           */
    WHIT_TO_F16,   /* plain tensors of another float type                            */
    WHIT_TO_BF16,
    WHIT_TO_F32,
    WHIT_FP4,      /* w = scale * E2M1(u)                                              */
    WHIT_FP4BNB,   /* w = scale * table[u], the table of bitsandbytes                  */
    WHIT_FP8_E4M3, /* w = scale * E4M3(u), saturating at 448                          */
    WHIT_FP8_E5M2, /* w = scale * E5M2(u), saturating at 57344                        */
    WHIT_MXFP4,    /* w = 2^(e-127) * E2M1(u), groups of 32                           */
    WHIT_NVFP4,    /* w = (scale2 * E4M3(scale)) * E2M1(u), groups of 16              */
    WHIT_GGUF      /* blocks of GGUF, of the type in `block`                           */
} whit_kind;

typedef enum whit_gran {
    WHIT_GRAN_NONE = 0, /* keep, f16, bf16, f32, GGUF types                          */
    WHIT_GRAN_TENSOR,   /* one scale                                                 */
    WHIT_GRAN_CHANNEL,  /* one scale a row                                           */
    WHIT_GRAN_GROUP,    /* one scale for each `group` columns of a row; last may be short */
    WHIT_GRAN_BLOCK     /* one scale for block_rows x group; those at the ends may be short */
} whit_gran;

/* Values of whit_scheme.a8, ABI: append. */
enum {
    WHIT_A8_NONE = 0,
    WHIT_A8_TOKEN, /* largest |x| of the token / 127, 448 or 57344                            */
    WHIT_A8_STATIC /* one scale of the layer, stored beside the weights                       */
};

typedef struct whit_scheme {
    whit_kind kind;
    unsigned bits; /* of a code: 2..8; 0 where nothing is quantized, and for WHIT_GGUF */
    int asym;      /* WHIT_INT only: an integer zero point for each scale     */
    whit_gran gran;
    uint32_t group;        /* columns: WHIT_GRAN_GROUP 2..65536, _BLOCK 2..1024; else 0 */
    whit_dtype scale_type; /* WHIT_F32, WHIT_F16 or WHIT_BF16; mxfp4 WHIT_F8_E8M0,
                              nvfp4 WHIT_F8_E4M3; dq WHIT_F32, before they are quantized */
    uint32_t block_rows;   /* WHIT_GRAN_BLOCK: 2..1024, as group then is; else 0       */
    int dq;                /* nf4, fp4bnb: scales are quantized in turn, blocks of 256  */
    whit_block block;      /* WHIT_GGUF; else WHIT_BLOCK_NONE                            */
    int a8; /* WHIT_A8_..: the layer takes its activations in 8 bits, int8 where the weights are
               integers, else their own fp8; of the weights nothing changes             */
} whit_scheme;

/*
 * Parse the text of a scheme. Case-insensitive; the granularity and the options may stand in any
 * order after the kind and may be left out. Defaults: int8 and fp8 per channel, int2..int7 g128,
 * nf4 and fp4bnb g64, fp4 g32; scales F32 for tensor and channel, F16 for groups.
 *
 * Errors: WHIT_ERR_ARG; err->msg quotes the text and names the nearest valid scheme.
 */
WHIT_API whit_status whit_scheme_parse(whit_scheme *out, const char *text, whit_error *err);

#define WHIT_SCHEME_TEXT 48
/* The canonical text: parse(print(s)) == s. Granularity always where the kind has a choice,
 * options only where they differ from the default. GGUF types have the names of the format in lower
 * case; "mxfp4" and "nvfp4" are also kinds of their own, and are parsed as those. Returns buf. */
WHIT_API const char *whit_scheme_print(const whit_scheme *scheme, char buf[WHIT_SCHEME_TEXT]);

/* 1 if the scheme stores codes (intN, nf4, fp4, fp4bnb, fp8, mxfp4, nvfp4, GGUF types), 0 for keep
 * and the plain float types. */
WHIT_API int whit_scheme_is_quantized(const whit_scheme *scheme);

/* Shape of the scale plane of a rows x cols matrix: [rows, ceil(cols/group)], [rows, 1], [1, 1],
 * [ceil(rows/block_rows), ceil(cols/group)]. */
WHIT_API void whit_scheme_scales(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                                 uint64_t *scale_rows, uint64_t *scale_cols);

/* The code that stands for zero: 2^(bits-1) symmetric, 7 for nf4, else 0 (asym: zero point 0). */
WHIT_API unsigned whit_scheme_zero_code(const whit_scheme *scheme);

/* The 16 values of the codes of nf4, fp4 or fp4bnb, by code; NULL for other kinds. */
WHIT_API const float *whit_scheme_table(whit_kind kind);

/* The values of the codes of scales, with dq, ascending. */
WHIT_API void whit_scheme_scale_map(float map[256]);

#ifdef __cplusplus
}
#endif
#endif
