/* src/quant/encode.c - the table of encoder variants.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

/* Slowest first; [0] is the reference and always there. */
static const wh_encode_ops *const variants[] = { &wh_encode_scalar };

const wh_encode_ops *wh_encode_select(void)
{
    return variants[sizeof variants / sizeof variants[0] - 1];
}
