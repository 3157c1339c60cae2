/* tools/quantize.c - whit quantize: open, plan, run, print.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

static void quantize_options(whit_quantize_options *options, const cli_options *opt,
                             cli_progress *progress)
{
    whit_quantize_options_init(options);
    options->scheme = opt->scheme;
    options->rules = opt->rules;
    options->rules_count = opt->rules_count;
    options->embeddings = opt->embeddings;
    options->head = opt->head;
    options->clip = (whit_clip)opt->clip;
    cli_job_options(&options->job, opt, progress);
}

/* Those from *said on: running the plan may add some. */
static void plan_warnings(const cli_options *opt, const whit_plan *plan, size_t *said)
{
    for (; *said < whit_plan_warnings(plan); ++*said) {
        cli_warn(opt, "%s", whit_plan_warning(plan, *said));
    }
}

static void print_results(const cli_options *opt, const whit_plan *plan, const whit_report *report,
                          const cli_results *results)
{
    int flags = cli_text_flags(opt);
    if (opt->verbosity == CLI_VERBOSITY_VERBOSE) flags |= WHIT_TEXT_TENSORS;
    if (report) {
        if (results->table) whit_report_write_text(report, flags, results->table);
        if (results->json) whit_report_write_json(report, results->json);
    } else {
        if (results->table) whit_plan_write_text(plan, flags, results->table);
        if (results->json) whit_plan_write_json(plan, results->json);
    }
}

int cli_quantize(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_quantize_options options;
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_report *report = NULL;
    cli_results results = { NULL, NULL, NULL, NULL };
    cli_progress progress;
    size_t warnings = 0;

    cli_progress_begin(&progress, opt);
    quantize_options(&options, opt, &progress);

    whit_status st = whit_source_open(&source, opt->operands[0], &err);
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = whit_plan_make(&plan, source, &options, opt->output, &err);
    }
    if (st == WHIT_OK) {
        const whit_plan_totals *total = whit_plan_total(plan);
        plan_warnings(opt, plan, &warnings);
        cli_note(opt, "%u threads, %llu bytes of buffers, %llu bytes of output", total->threads,
                 (unsigned long long)total->memory_bytes, (unsigned long long)total->file_bytes);
        st = cli_results_open(&results, opt, source, NULL, &err);
    }
    if (st == WHIT_OK && !opt->dry_run) st = whit_plan_run(plan, &report, &err);
    cli_progress_end(&progress);
    if (plan) plan_warnings(opt, plan, &warnings);

    if (st == WHIT_OK) {
        print_results(opt, plan, report, &results);
        st = cli_results_commit(&results, &err);
    }
    cli_results_close(&results);
    whit_report_free(report);
    whit_plan_free(plan);
    whit_source_close(source);
    return cli_finish(opt, st, &err);
}
