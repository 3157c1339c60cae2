/* tests/packing_pairs.h - which scheme each layout of a checkpoint holds without any loss.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_PACKING_PAIRS_H
#define WHIT_PACKING_PAIRS_H

#include "packing.h"
#include "st_build.h"

/* Pairs that keep codes and scales bit for bit. The shapes are odd where the layout allows it. */
static const struct {
    const char *scheme;
    whit_layout layout;
    size_t rows, cols;
} exact[] = {
    /* clang-format off */
    { "int8-channel",            WHIT_LAYOUT_CT_PACKED, 31, 70 },
    { "int8-channel-sbf16",      WHIT_LAYOUT_CT_PACKED, 8, 3 },
    { "int8-g32",                WHIT_LAYOUT_CT_PACKED, 5, 96 },
    { "int8-channel-asym",       WHIT_LAYOUT_CT_PACKED, 31, 9 },
    { "int8-g7-asym",            WHIT_LAYOUT_CT_PACKED, 6, 21 },
    { "int4-channel",            WHIT_LAYOUT_CT_PACKED, 3, 37 },
    { "int4-channel-sf16",       WHIT_LAYOUT_CT_PACKED, 1, 8 },
    { "int4-g32",                WHIT_LAYOUT_CT_PACKED, 64, 64 },
    { "int4-g128-sf32",          WHIT_LAYOUT_CT_PACKED, 17, 256 },
    { "int4-channel-asym",       WHIT_LAYOUT_CT_PACKED, 20, 41 },
    { "int4-g32-asym",           WHIT_LAYOUT_CT_PACKED, 130, 64 },
    { "int4-g3-asym",            WHIT_LAYOUT_CT_PACKED, 33, 36 },
    { "int8-tensor",             WHIT_LAYOUT_CT_INT,    7, 11 },
    { "int8-tensor-sf16",        WHIT_LAYOUT_CT_INT,    64, 64 },
    { "int8-channel",            WHIT_LAYOUT_CT_INT,    13, 5 },
    { "int8-channel-sbf16",      WHIT_LAYOUT_CT_INT,    1, 1 },
    { "fp8_e4m3-channel",        WHIT_LAYOUT_CT_FLOAT,  9, 33 },
    { "fp8_e4m3-tensor",         WHIT_LAYOUT_CT_FLOAT,  9, 33 },
    { "fp8_e4m3-block128x128",   WHIT_LAYOUT_CT_FLOAT,  300, 200 },
    { "int2-g32",                WHIT_LAYOUT_GPTQ,      32, 64 },
    { "int3-g32",                WHIT_LAYOUT_GPTQ,      96, 64 },
    { "int4-g32",                WHIT_LAYOUT_GPTQ,      24, 96 },
    { "int4-g128",               WHIT_LAYOUT_GPTQ_V2,   136, 256 },
    { "int4-channel-sf16",       WHIT_LAYOUT_GPTQ,      8, 40 },
    { "int4-tensor-sf16",        WHIT_LAYOUT_GPTQ,      24, 8 },
    { "int8-channel-sf16",       WHIT_LAYOUT_GPTQ,      20, 12 },
    { "int8-tensor-sf16",        WHIT_LAYOUT_GPTQ_V2,   20, 12 },
    { "int8-g64",                WHIT_LAYOUT_GPTQ,      8, 192 },
    { "int2-g16-asym",           WHIT_LAYOUT_GPTQ_V2,   48, 32 },
    { "int3-g64-asym",           WHIT_LAYOUT_GPTQ_V2,   64, 128 },
    { "int4-g32-asym",           WHIT_LAYOUT_GPTQ_V2,   40, 64 },
    { "int4-channel-asym-sf16",  WHIT_LAYOUT_GPTQ_V2,   8, 24 },
    { "int8-g32-asym",           WHIT_LAYOUT_GPTQ_V2,   12, 64 },
    { "int3-g32-asym",           WHIT_LAYOUT_GPTQ,      32, 64 },
    { "int4-g64-asym",           WHIT_LAYOUT_GPTQ,      16, 64 },
    { "int8-g32-asym",           WHIT_LAYOUT_GPTQ,      12, 64 },
    { "int4-g32-asym",           WHIT_LAYOUT_AWQ,       40, 96 },
    { "int4-g5-asym",            WHIT_LAYOUT_AWQ,       8, 15 },
    { "int4-channel-asym-sf16",  WHIT_LAYOUT_AWQ,       16, 9 },
    { "int4-g128",               WHIT_LAYOUT_AWQ,       72, 256 },
    { "int4-channel-sf16",       WHIT_LAYOUT_AWQ,       8, 1 },
    { "int4-tensor-sf16",        WHIT_LAYOUT_AWQ,       24, 7 },
    { "nf4-g64",                 WHIT_LAYOUT_BNB4,      5, 128 },
    { "nf4-g32-sf32",            WHIT_LAYOUT_BNB4,      31, 96 },
    { "nf4-channel",             WHIT_LAYOUT_BNB4,      3, 4096 },
    { "nf4-g64-dq",              WHIT_LAYOUT_BNB4,      40, 512 },
    { "fp4bnb-g64",              WHIT_LAYOUT_BNB4,      9, 64 },
    { "fp4bnb-g128-dq",          WHIT_LAYOUT_BNB4,      1, 128 },
    { "int8-channel",            WHIT_LAYOUT_BNB8,      33, 7 },
    { "int8-channel-sf16",       WHIT_LAYOUT_BNB8,      64, 64 },
    { "int8-channel-sbf16",      WHIT_LAYOUT_BNB8,      8, 1 },
    /* clang-format on */
};

/* A folder with the layer L. */
static inline void write_checkpoint(const scratch *s, const whit_packing *p, const image *im)
{
    char config[400];
    st_build b = { 0 };
    for (unsigned k = 0; k < im->count; k++) {
        const whit_plane *q = &im->plane[k];
        char name[64];
        snprintf(name, sizeof name, "L%s", q->suffix);
        st_add_octets(&b, name, whit_dtype_name(q->dtype), q->rank, q->shape, im->data[k],
                      (size_t)q->bytes);
    }
    st_write(&b, s, "model.safetensors");
    /* what the tensors alone do not tell: the version, how long a short last group is not, the bits
     * of few columns */
    *config = 0;
    if (p->layout == WHIT_LAYOUT_GPTQ || p->layout == WHIT_LAYOUT_GPTQ_V2)
        snprintf(config, sizeof config,
                 "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":%u,"
                 "\"group_size\":%d,\"checkpoint_format\":\"%s\"}}",
                 p->scheme.bits, p->scheme.group ? (int)p->scheme.group : -1,
                 whit_layout_name(p->layout));
    if (p->layout == WHIT_LAYOUT_CT_PACKED)
        snprintf(
            config, sizeof config,
            "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"%s\","
            "\"config_groups\":{\"group_0\":{\"weights\":{\"num_bits\":%u,\"symmetric\":%s,"
            "\"strategy\":\"%s\",\"group_size\":%d}}}}}",
            whit_layout_name(p->layout), p->scheme.bits, p->scheme.asym ? "false" : "true",
            p->scheme.group ? "group" : "channel", p->scheme.group ? (int)p->scheme.group : -1);
    if (*config) scratch_text(s, "config.json", config);
}

#endif
