/* tools/plan.c - whit plan: quantize up to the point where it would write.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

int cli_plan(const cli_options *opt)
{
    cli_options plan = *opt;
    plan.dry_run = 1;
    return cli_quantize(&plan);
}
