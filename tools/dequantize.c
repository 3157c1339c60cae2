/* tools/dequantize.c - whit dequantize: open, decode into one plain file.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

int cli_dequantize(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_job_options job;
    whit_source *source = NULL;
    cli_progress progress;
    whit_dtype dtype = cli_dtype(opt);

    cli_progress_begin(&progress, opt);
    cli_job_options(&job, opt, &progress);

    whit_status st = cli_open(&source, opt, opt->operands[0], &err);
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
