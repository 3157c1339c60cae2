/* src/source/layouts.c - the table of the layouts in which codes are read.
 *
 * SPDX-License-Identifier: MIT */
#include "source/reader.h"

const wh_layout_ops *wh_layout_ops_of(const whit_source_tensor *t)
{
    (void)t;
    return &wh_layout_native;
}
