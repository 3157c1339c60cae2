/* tools/inspect.c - whit inspect: open, check where asked, print.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

/* A file with problems is malformed input, like one that could not be opened. */
static whit_status verdict(const cli_options *opt, const whit_check *check, whit_error *err)
{
    size_t problems = check ? whit_check_problems(check) : 0;
    if (problems == 0) return WHIT_OK;
    char name[CLI_SHORT];
    return cli_fail(err, WHIT_ERR_FORMAT, "%s: the check found %zu problem%s, the first: %s",
                    cli_short(name, sizeof name, opt->operands[0]), problems,
                    problems == 1 ? "" : "s", whit_check_problem(check, 0));
}

int cli_inspect(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_job_options job;
    whit_source *source = NULL;
    whit_check *check = NULL;
    cli_results results = { NULL, NULL, NULL, NULL };
    cli_progress progress;
    int verbose = opt->verbosity == CLI_VERBOSITY_VERBOSE;

    cli_progress_begin(&progress, opt);
    cli_job_options(&job, opt, &progress);

    whit_status st = whit_source_open(&source, opt->operands[0], &err);
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = cli_results_open(&results, opt, source, NULL, &err);
    }
    if (st == WHIT_OK && opt->check) st = whit_check_run(&check, source, &job, &err);
    cli_progress_end(&progress);

    if (st == WHIT_OK) {
        int flags = cli_text_flags(opt) | (opt->tensors || verbose ? WHIT_TEXT_TENSORS : 0);
        if (results.table) whit_source_write_text(source, check, flags, results.table);
        if (results.json) whit_source_write_json(source, check, results.json);
        st = cli_results_commit(&results, &err);
    }
    if (st == WHIT_OK) st = verdict(opt, check, &err);
    cli_results_close(&results);
    whit_check_free(check);
    whit_source_close(source);
    return cli_finish(opt, st, &err);
}
