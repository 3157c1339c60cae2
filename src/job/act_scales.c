/* src/job/act_scales.c - the scales of activations that a plan's static a8s schemes ask for.
 *
 * SPDX-License-Identifier: MIT */
#include "job/act_scales.h"

whit_status wh_act_scales(whit_plan *p, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; i < p->count; i++)
        if (p->entry[i].scheme.a8 == WHIT_A8_STATIC)
            return wh_fail(err, WHIT_ERR_ARG,
                           "%s: a8s wants statistics of its activations; try: a8, a scale a token",
                           wh_short(name, p->entry[i].source->tensor.name));
    return WHIT_OK;
}
