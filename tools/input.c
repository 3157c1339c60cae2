/* tools/input.c - opening what a command reads: a model, or with --shape a raw array.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <string.h>

whit_dtype cli_dtype(const cli_options *opt)
{
    static const whit_dtype dtypes[] = {
        WHIT_F32, /* not given */
        [CLI_DTYPE_F32] = WHIT_F32, [CLI_DTYPE_F16] = WHIT_F16, [CLI_DTYPE_BF16] = WHIT_BF16
    };
    return dtypes[opt->dtype];
}

whit_status cli_open(whit_source **out, const cli_options *opt, const char *path, whit_error *err)
{
    whit_raw_options raw;
    if (!opt->shape.rank) return whit_source_open(out, path, err);
    whit_raw_options_init(&raw);
    raw.dtype = cli_dtype(opt);
    raw.rank = opt->shape.rank;
    memcpy(raw.shape, opt->shape.size, sizeof raw.shape);
    return whit_source_open_raw(out, path, &raw, err);
}

whit_status cli_open_other(whit_source **out, const cli_options *opt, const char *path,
                           whit_error *err)
{
    whit_status st = whit_source_open(out, path, err);
    int unknown = st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED;
    return unknown && opt->shape.rank && cli_open(out, opt, path, NULL) == WHIT_OK ? WHIT_OK : st;
}
