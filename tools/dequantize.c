/* tools/dequantize.c - whit dequantize: open, decode into one plain file.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

int cli_dequantize(const cli_options *opt)
{
    static const whit_dtype dtypes[] = {
        WHIT_F32, /* not given */
        [CLI_DTYPE_F32] = WHIT_F32, [CLI_DTYPE_F16] = WHIT_F16, [CLI_DTYPE_BF16] = WHIT_BF16
    };
    whit_error err = { WHIT_OK, "" };
    whit_job_options job;
    whit_source *source = NULL;
    cli_progress progress;
    whit_dtype dtype = dtypes[opt->dtype];

    cli_progress_begin(&progress, opt);
    cli_job_options(&job, opt, &progress);

    whit_status st = whit_source_open(&source, opt->operands[0], &err);
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = whit_dequantize_model(source, opt->output, dtype, &job, &err);
    }
    cli_progress_end(&progress);
    if (st == WHIT_OK && opt->verbosity != CLI_VERBOSITY_QUIET) {
        printf("%s: %zu tensors, %zu of them decoded to %s\n", opt->output,
               whit_source_count(source), whit_source_quantized(source), whit_dtype_name(dtype));
    }
    whit_source_close(source);
    return cli_finish(opt, st, &err);
}
