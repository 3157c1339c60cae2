/* src/io/gguf_type.c - the types of tensors in a GGUF file by their numbers.
 *
 * Three sorts are read: plain elements, blocks that decode (whit/block.h has them), and blocks of
 * which only the size is known, so that the tensors behind them are found: their codebooks of some
 * thousand entries are not here. Everything else is refused with the reason.
 *
 * Traps:
 *   - Types that are gone keep their numbers.
 *   - ik_llama.cpp numbers types of its own: 97 to 158, 200 to 399, 36, and 41, which is another
 *     one in GGUF. Nothing in a file says which program numbered it.
 *   - NVFP4 may have a second scale in a tensor beside it, for the results of the product.
 *
 * Source: ggml-org/ggml, include/ggml.h and src/ggml-common.h; ikawrakow/ik_llama.cpp.
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <inttypes.h>
#include <string.h>

/* clang-format off */
static const struct {
    uint32_t id;
    whit_dtype dtype;
} plain[] = {
    { 0, WHIT_F32 }, { 1, WHIT_F16 },  { 30, WHIT_BF16 }, { 28, WHIT_F64 },
    { 24, WHIT_I8 }, { 25, WHIT_I16 }, { 26, WHIT_I32 },  { 27, WHIT_I64 },
};

static const struct {
    uint32_t id;
    const char *name;
    unsigned weights, bytes; /* of a block */
} sized[] = {
    { 16, "IQ2_XXS", 256, 66 }, { 17, "IQ2_XS", 256, 74 }, { 18, "IQ3_XXS", 256, 98 },
    { 19, "IQ1_S", 256, 50 },   { 21, "IQ3_S", 256, 110 }, { 22, "IQ2_S", 256, 82 },
    { 29, "IQ1_M", 256, 56 },
};

#define GONE "was removed from GGUF; try: convert the model again"
#define WORKING "is for working memory, and stands in no file"
#define FORK "is a type of ik_llama.cpp, not of GGUF; try: a file with types that both know"

static const struct {
    uint32_t first, last;
    const char *name, *why;
} refused[] = {
    { 4, 4, " (Q4_2)", GONE },
    { 5, 5, " (Q4_3)", GONE },
    { 9, 9, " (Q8_1)", WORKING },
    { 15, 15, " (Q8_K)", WORKING },
    { 31, 31, " (Q4_0_4_4)", GONE },
    { 32, 32, " (Q4_0_4_8)", GONE },
    { 33, 33, " (Q4_0_8_8)", GONE },
    { 36, 36, " (IQ4_NL_4_4; of ik_llama.cpp I2_S)", GONE },
    { 37, 37, " (IQ4_NL_4_8)", GONE },
    { 38, 38, " (IQ4_NL_8_8)", GONE },
    { 97, 158, "", FORK },
    { 200, 399, "", FORK },
    { 0, UINT32_MAX, "", "is not known" },
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static whit_status refuse(const wh_gguf *g, const char *tensor, uint32_t id, whit_error *err)
{
    char name[WH_SHORT];
    size_t i = 0;
    while (id < refused[i].first || id > refused[i].last) i++; /* the last one takes all */
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s: type number %" PRIu32 "%s %s", g->label,
                   wh_short(name, tensor), id, refused[i].name, refused[i].why);
}

whit_status wh_gguf_type(const wh_gguf *g, uint32_t id, whit_tensor *t, wh_gguf_unit *unit,
                         whit_error *err)
{
    const whit_block_info *info = whit_block_describe(whit_block_of_id(id));
    for (size_t i = 0; i < COUNT(plain); i++) {
        if (plain[i].id != id) continue;
        t->dtype = plain[i].dtype;
        *unit = (wh_gguf_unit){ 1, whit_dtype_bits(t->dtype) / 8 };
        return WHIT_OK;
    }
    t->dtype = WHIT_BLOCKS;
    if (info) {
        t->block = whit_block_of_id(id);
        t->type = info->name;
        *unit = (wh_gguf_unit){ info->weights, info->bytes };
        return WHIT_OK;
    }
    for (size_t i = 0; i < COUNT(sized); i++) {
        if (sized[i].id != id) continue;
        t->type = sized[i].name;
        *unit = (wh_gguf_unit){ sized[i].weights, sized[i].bytes };
        return WHIT_OK;
    }
    return refuse(g, t->name, id, err);
}

int wh_gguf_type_id(whit_dtype dtype, const char *type, uint32_t *id)
{
    const whit_block_info *info = type ? whit_block_describe(whit_block_parse(type)) : NULL;
    if (info) {
        *id = info->id;
        return 1;
    }
    for (size_t i = 0; i < COUNT(sized) && type; i++) {
        if (strcmp(sized[i].name, type) != 0) continue;
        *id = sized[i].id;
        return 1;
    }
    for (size_t i = 0; i < COUNT(plain) && !type; i++) {
        if (plain[i].dtype != dtype) continue;
        *id = plain[i].id;
        return 1;
    }
    return 0;
}

/* Whether a tensor of a type is among those from `first` on. */
static int has_block(const whit_file *file, size_t first, whit_block block)
{
    for (size_t i = first; i < file->count; i++)
        if (file->tensors[i].block == block) return 1;
    return 0;
}

whit_status wh_gguf_type_warnings(const wh_gguf *g, size_t first, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (has_block(g->file, first, WHIT_Q1_0))
        st = wh_io_warn(g->file, err,
                        "%s: type number 41 is read as Q1_0; ik_llama.cpp has another type of that "
                        "number",
                        g->label);
    if (st == WHIT_OK && has_block(g->file, first, WHIT_BLOCK_NVFP4))
        st = wh_io_warn(g->file, err,
                        "%s: the second scale of an NVFP4 tensor, where there is one beside it "
                        "(.scale), is not in the decoded values",
                        g->label);
    return st;
}
