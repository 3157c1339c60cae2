/* src/source/layouts.c - the table of the layouts in which codes are read.
 *
 * SPDX-License-Identifier: MIT */
#include "source/reader.h"

const wh_layout_ops *wh_layout_ops_of(const whit_source_tensor *t)
{
    static const wh_layout_ops *const ops[WHIT_LAYOUT_COUNT] = {
        /* clang-format off */
        [WHIT_LAYOUT_NATIVE]    = &wh_layout_native,
        [WHIT_LAYOUT_CT_PACKED] = &wh_layout_ct_packed,
        [WHIT_LAYOUT_CT_INT]    = &wh_layout_ct_int,
        [WHIT_LAYOUT_CT_FLOAT]  = &wh_layout_ct_float,
        [WHIT_LAYOUT_GPTQ]      = &wh_layout_gptq,
        [WHIT_LAYOUT_GPTQ_V2]   = &wh_layout_gptq,
        [WHIT_LAYOUT_AWQ]       = &wh_layout_awq,
        [WHIT_LAYOUT_BNB4]      = &wh_layout_bnb4,
        [WHIT_LAYOUT_BNB8]      = &wh_layout_bnb8,
        [WHIT_LAYOUT_LLAMA2C]   = &wh_layout_llama2c,
        /* clang-format on */
    };
    return ops[t->layout];
}
