/* src/quant/scheme.c - schemes: the tables of what there is, their text, and the shapes that follow
 * from them.
 *
 * A row for each kind, a row for each part that may follow one; parser and printer hold no names of
 * their own. The types of GGUF take no parts, and their names are whit/block.h's. Not here: texts
 * read (scheme_parse.c), what a file format can hold, which tensor gets which scheme, the
 * arithmetic, the table of NF4.
 * The grammar and its defaults are this project's own; they are in whit/scheme.h.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/scheme.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
const wh_scheme_kind wh_scheme_kinds[] = {
    { "int4", WHIT_INT,     4,   8, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "int8", WHIT_INT,     8, 128, WHIT_GRAN_CHANNEL,   0, WH_PART_INT, WHIT_BOOL },
    { "int2", WHIT_INT,     2,   2, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "int3", WHIT_INT,     3,   4, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "int5", WHIT_INT,     5,  16, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "int6", WHIT_INT,     6,  32, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "int7", WHIT_INT,     7,  64, WHIT_GRAN_GROUP,   128, WH_PART_INT, WHIT_BOOL },
    { "nf4",  WHIT_NF4,     4,   7, WHIT_GRAN_GROUP,    64, WH_PART_NESTED, WHIT_BOOL },
    { "fp4",  WHIT_FP4,     4,   0, WHIT_GRAN_GROUP,    32, WH_PART_TABLE, WHIT_BOOL },
    { "fp4bnb",   WHIT_FP4BNB,   4, 0, WHIT_GRAN_GROUP,  64, WH_PART_NESTED, WHIT_BOOL },
    { "fp8_e4m3", WHIT_FP8_E4M3, 8, 0, WHIT_GRAN_CHANNEL, 0, WH_PART_FP8, WHIT_BOOL },
    { "fp8_e5m2", WHIT_FP8_E5M2, 8, 0, WHIT_GRAN_CHANNEL, 0, WH_PART_FP8, WHIT_BOOL },
    { "mxfp4", WHIT_MXFP4,  4,   0, WHIT_GRAN_GROUP,    32, 0, WHIT_F8_E8M0 },
    { "nvfp4", WHIT_NVFP4,  4,   0, WHIT_GRAN_GROUP,    16, 0, WHIT_F8_E4M3 },
    { "f16",  WHIT_TO_F16,  0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "bf16", WHIT_TO_BF16, 0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "f32",  WHIT_TO_F32,  0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "keep", WHIT_KEEP,    0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { NULL,   WHIT_KEEP,    0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
};
/* clang-format on */

const wh_scheme_part wh_scheme_parts[] = {
    { "tensor", WH_PART_GRAN, WHIT_GRAN_TENSOR },
    { "channel", WH_PART_GRAN, WHIT_GRAN_CHANNEL },
    { "asym", WH_PART_ASYM, 1 },
    { "dq", WH_PART_DQ, 1 },
    { "sf32", WH_PART_SCALE, WHIT_F32 },
    { "sf16", WH_PART_SCALE, WHIT_F16 },
    { "sbf16", WH_PART_SCALE, WHIT_BF16 },
    { "a8", WH_PART_ACTS, WHIT_A8_TOKEN },
    { "a8s", WH_PART_ACTS, WHIT_A8_STATIC },
    { NULL, 0, 0 },
};

const wh_scheme_kind *wh_scheme_kind_named(const char *name, size_t len)
{
    for (const wh_scheme_kind *k = wh_scheme_kinds; k->name; k++)
        if (strlen(k->name) == len && memcmp(k->name, name, len) == 0) return k;
    return NULL;
}

const wh_scheme_kind *wh_scheme_kind_of(const whit_scheme *s)
{
    for (const wh_scheme_kind *k = wh_scheme_kinds; k->name; k++)
        if (k->kind == s->kind && k->bits == s->bits) return k;
    return NULL;
}

whit_dtype wh_scheme_default_scale(const wh_scheme_kind *row, const whit_scheme *s)
{
    if (row->scale != WHIT_BOOL) return row->scale;
    return s->gran == WHIT_GRAN_GROUP && !s->dq ? WHIT_F16 : WHIT_F32;
}

/* The part of that sort and value; "" where it has no name: a number says it. */
static const char *part_name(unsigned sort, int value)
{
    for (const wh_scheme_part *p = wh_scheme_parts; p->name; p++)
        if (p->sort == sort && p->value == value) return p->name;
    return "";
}

/* Put a part behind what is there; whatever the tables hold fits. */
static void put_part(char buf[WHIT_SCHEME_TEXT], const char *part)
{
    size_t n = strlen(buf);
    snprintf(buf + n, WHIT_SCHEME_TEXT - n, "-%s", part);
}

const char *whit_scheme_print(const whit_scheme *scheme, char buf[WHIT_SCHEME_TEXT])
{
    const wh_scheme_kind *row = wh_scheme_kind_of(scheme);
    char gran[32];
    if (!row) {
        const whit_block_info *info = whit_block_describe(scheme->block);
        snprintf(buf, WHIT_SCHEME_TEXT, "%s",
                 scheme->kind == WHIT_GGUF && info ? info->lower : "?");
        return buf;
    }
    snprintf(buf, WHIT_SCHEME_TEXT, "%s", row->name);
    snprintf(gran, sizeof gran, "%s", part_name(WH_PART_GRAN, (int)scheme->gran));
    if (scheme->gran == WHIT_GRAN_GROUP) snprintf(gran, sizeof gran, "g%u", scheme->group);
    if (scheme->gran == WHIT_GRAN_BLOCK)
        snprintf(gran, sizeof gran, "block%ux%u", scheme->block_rows, scheme->group);
    if ((row->takes & WH_PART_GRAN) && scheme->gran != WHIT_GRAN_NONE) put_part(buf, gran);
    if ((row->takes & WH_PART_ASYM) && scheme->asym) put_part(buf, part_name(WH_PART_ASYM, 1));
    if ((row->takes & WH_PART_DQ) && scheme->dq) put_part(buf, part_name(WH_PART_DQ, 1));
    if ((row->takes & WH_PART_SCALE) && scheme->scale_type != wh_scheme_default_scale(row, scheme))
        put_part(buf, part_name(WH_PART_SCALE, (int)scheme->scale_type));
    if ((row->takes & WH_PART_ACTS) && scheme->a8)
        put_part(buf, part_name(WH_PART_ACTS, scheme->a8));
    return buf;
}

int whit_scheme_is_quantized(const whit_scheme *scheme)
{
    const wh_scheme_kind *row = wh_scheme_kind_of(scheme);
    if (scheme->kind == WHIT_GGUF) return whit_block_describe(scheme->block) != NULL;
    return row && row->bits != 0;
}

void whit_scheme_scales(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                        uint64_t *scale_rows, uint64_t *scale_cols)
{
    *scale_rows = *scale_cols = 0;
    switch (scheme->gran) {
    case WHIT_GRAN_NONE:
        break;
    case WHIT_GRAN_TENSOR:
        *scale_rows = *scale_cols = 1;
        break;
    case WHIT_GRAN_CHANNEL:
        *scale_rows = rows;
        *scale_cols = 1;
        break;
    case WHIT_GRAN_GROUP:
        if (scheme->group == 0) break;
        *scale_rows = rows;
        *scale_cols = cols / scheme->group + (cols % scheme->group != 0);
        break;
    case WHIT_GRAN_BLOCK:
        if (scheme->group == 0 || scheme->block_rows == 0) break;
        *scale_rows = rows / scheme->block_rows + (rows % scheme->block_rows != 0);
        *scale_cols = cols / scheme->group + (cols % scheme->group != 0);
        break;
    }
}

unsigned whit_scheme_zero_code(const whit_scheme *scheme)
{
    const wh_scheme_kind *row = wh_scheme_kind_of(scheme);
    return row && !scheme->asym ? row->zero_code : 0;
}
