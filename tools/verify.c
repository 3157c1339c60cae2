/* tools/verify.c - whit verify: open, verify, print; anything that does not fit is exit 4.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

static whit_status verdict(const cli_options *opt, const whit_verification *v, whit_error *err)
{
    const size_t problems = whit_verification_problems(v);
    char name[CLI_SHORT];
    if (problems == 0) return WHIT_OK;
    return cli_fail(err, WHIT_ERR_FORMAT, "%s: %s%s",
                    cli_short(name, sizeof name, opt->operands[0]), whit_verification_problem(v, 0),
                    problems == 1 ? "" : ", and more of this kind");
}

static whit_status verify(const cli_options *opt, const whit_verify_options *options,
                          const whit_source *source, whit_verification **v, whit_error *err)
{
    cli_results results = { 0 };
    whit_status st = cli_results_open(&results, opt, source, options->against, err);
    if (st == WHIT_OK) st = whit_verify(v, source, options, err);
    if (st == WHIT_OK && results.table)
        whit_verification_write_text(*v, cli_text_flags(opt), results.table);
    if (st == WHIT_OK && results.json) whit_verification_write_json(*v, results.json);
    if (st == WHIT_OK) st = cli_results_commit(&results, err);
    cli_results_close(&results);
    return st;
}

int cli_verify(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_verify_options options;
    whit_source *source = NULL, *against = NULL;
    whit_verification *v = NULL;
    cli_progress progress;
    whit_status st = WHIT_OK;

    cli_progress_begin(&progress, opt);
    whit_verify_options_init(&options);
    cli_job_options(&options.job, opt, &progress);
    options.calibration = opt->calibration;
    if (opt->sample != CLI_UNSET) options.sample = opt->sample;
    if (!opt->against && (opt->calibration || opt->sample != CLI_UNSET))
        st = cli_fail(&err, WHIT_ERR_ARG, "verify: %s is about --against",
                      opt->calibration ? "--calibration" : "--sample");

    if (st == WHIT_OK) st = cli_open(&source, opt, opt->operands[0], &err);
    if (st == WHIT_OK && opt->against) st = cli_open(&against, opt, opt->against, &err);
    options.against = against;
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = verify(opt, &options, source, &v, &err);
    }
    cli_progress_end(&progress);
    if (st == WHIT_OK) st = verdict(opt, v, &err);
    whit_verification_free(v);
    whit_source_close(against);
    whit_source_close(source);
    return cli_finish(opt, st, &err);
}
