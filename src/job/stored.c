/* src/job/stored.c - inputs that are quantized already, and schemes that only GGUF can hold.
 *
 * Quantizing decoded values adds a second loss to the first, which no figure of the report can
 * show: the original is not there. So it has to be asked for, and is said.
 *
 * SPDX-License-Identifier: MIT */
#include "job/stored.h"

#include <string.h>

whit_status wh_stored_decodes(const whit_source *source, size_t index, whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(source, index);
    char path[WH_SHORT], name[WH_SHORT];
    if (t->stored != WHIT_BLOCKS || t->tensor.block != WHIT_BLOCK_NONE) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                   "%s: %s: quantized as %s, which is listed but not decoded here; try: the same "
                   "model in another type",
                   wh_short(path, whit_file_path(whit_source_file(source))),
                   wh_short(name, t->tensor.name), whit_tensor_type(&t->tensor));
}

/* The scheme of the first quantized tensor, for messages. */
static const char *example(const whit_source *source, char text[WHIT_SCHEME_TEXT])
{
    size_t i = 0;
    while (!whit_scheme_is_quantized(&whit_source_at(source, i)->scheme)) i++;
    return whit_scheme_print(&whit_source_at(source, i)->scheme, text);
}

whit_status wh_stored_check(const whit_source *source, int requantize, whit_error *err)
{
    char path[WH_SHORT], text[WHIT_SCHEME_TEXT];
    if (requantize || whit_source_quantized(source) == 0) return WHIT_OK;
    return wh_fail(
        err, WHIT_ERR_UNSUPPORTED,
        "%s: is quantized already (%s); try: the model it was made from, or --requantize "
        "to lose twice",
        wh_short(path, whit_file_path(whit_source_file(source))), example(source, text));
}

/* What comes nearest to a type of GGUF in values and size. */
static const char *nearest(whit_block block)
{
    static const char *const schemes[WHIT_BLOCK_COUNT] = {
        /* clang-format off */
        [WHIT_Q4_0] = "int4-g32",        [WHIT_Q4_1] = "int4-g32-asym", [WHIT_Q5_0] = "int5-g32",
        [WHIT_Q5_1] = "int5-g32-asym",   [WHIT_Q8_0] = "int8-g32",      [WHIT_Q2_K] = "int2-g16-asym",
        [WHIT_Q3_K] = "int3-g16",        [WHIT_Q4_K] = "int4-g32-asym", [WHIT_Q5_K] = "int5-g32-asym",
        [WHIT_Q6_K] = "int6-g16",        [WHIT_IQ4_NL] = "nf4-g32",     [WHIT_IQ4_XS] = "nf4-g32",
        [WHIT_TQ1_0] = "int2-g256",      [WHIT_TQ2_0] = "int2-g256",    [WHIT_BLOCK_MXFP4] = "mxfp4",
        [WHIT_BLOCK_NVFP4] = "nvfp4",    [WHIT_Q1_0] = "int2-g128",     [WHIT_Q2_0] = "int2-g64",
        /* clang-format on */
    };
    return schemes[block];
}

whit_status wh_stored_settle(whit_plan *plan, const whit_source_tensor *s, wh_choice *choice,
                             whit_error *err)
{
    char text[WHIT_SCHEME_TEXT];
    if (choice->scheme.kind == WHIT_GGUF)
        return wh_fail(err, WHIT_ERR_ARG,
                       "scheme '%s' is a type of GGUF, and the output no NAME.gguf; try: %s",
                       whit_scheme_print(&choice->scheme, text), nearest(choice->scheme.block));
    if (!whit_scheme_is_quantized(&s->scheme)) return WHIT_OK;
    if (choice->scheme.kind == WHIT_KEEP) {
        choice->scheme = (whit_scheme){ .kind = WHIT_TO_F32, .scale_type = WHIT_F32 };
        plan->decoded++;
    } else if (whit_scheme_is_quantized(&choice->scheme)) {
        wh_stored_count(plan, s);
    }
    return WHIT_OK;
}

void wh_stored_count(whit_plan *plan, const whit_source_tensor *s)
{
    if (!whit_scheme_is_quantized(&s->scheme)) return;
    if (plan->again++ == 0) plan->again_first = s;
}

void wh_stored_warn(whit_plan *plan)
{
    char text[WHIT_SCHEME_TEXT];
    if (plan->again > 0)
        wh_lines_add(&plan->warnings,
                     "%zu tensors were quantized before (%s): their weights lose twice, and errors "
                     "here are only those of the second time",
                     plan->again, whit_scheme_print(&plan->again_first->scheme, text));
    if (plan->decoded > 0)
        wh_lines_add(&plan->warnings,
                     "%zu quantized tensors that are kept become F32: nothing of them is lost, and "
                     "they are larger",
                     plan->decoded);
}
