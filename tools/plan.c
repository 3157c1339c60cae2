/* tools/plan.c - whit plan: quantize up to the point where it would write; or its sweep.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

typedef struct outlets { /* where a sweep goes */
    cli_results results, csv, svg;
} outlets;

static whit_status open_outlets(outlets *to, const cli_options *opt, const whit_source *source,
                                whit_error *err)
{
    whit_status st = cli_results_open(&to->results, opt, source, NULL, err);
    if (st == WHIT_OK && opt->csv)
        st = cli_results_file(&to->csv, opt, "--csv", opt->csv, source, err);
    if (st == WHIT_OK && opt->svg)
        st = cli_results_file(&to->svg, opt, "--svg", opt->svg, source, err);
    return st;
}

static whit_status print_sweep(outlets *to, const cli_options *opt, const whit_sweep *sweep,
                               whit_error *err)
{
    whit_status st = WHIT_OK;
    if (to->results.table) whit_sweep_write_text(sweep, cli_text_flags(opt), to->results.table);
    if (to->results.json) whit_sweep_write_json(sweep, to->results.json);
    if (opt->csv) st = whit_sweep_write_csv(sweep, to->csv.json, err);
    if (st == WHIT_OK && opt->csv) st = cli_results_commit(&to->csv, err);
    if (st == WHIT_OK && opt->svg) st = whit_sweep_write_svg(sweep, to->svg.json, err);
    if (st == WHIT_OK && opt->svg) st = cli_results_commit(&to->svg, err);
    return st == WHIT_OK ? cli_results_commit(&to->results, err) : st;
}

static int run_sweep(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_quantize_options options;
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_sweep *sweep = NULL;
    outlets to = { 0 };
    cli_progress progress;

    cli_progress_begin(&progress, opt);
    cli_quantize_options(&options, opt, &progress);

    whit_status st = cli_open(&source, opt, opt->operands[0], &err);
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = cli_plan_make(&plan, source, &options, opt, opt->output, &err);
    }
    for (size_t i = 0; plan && i < whit_plan_warnings(plan); i++) {
        cli_warn(opt, "%s", whit_plan_warning(plan, i));
    }
    if (st == WHIT_OK) st = open_outlets(&to, opt, source, &err);
    if (st == WHIT_OK) st = whit_sweep_run(&sweep, plan, &err);
    cli_progress_end(&progress);

    if (st == WHIT_OK) st = print_sweep(&to, opt, sweep, &err);
    cli_results_close(&to.svg);
    cli_results_close(&to.csv);
    cli_results_close(&to.results);
    whit_sweep_free(sweep);
    whit_plan_free(plan);
    whit_source_close(source);
    return cli_finish(opt, st, &err);
}

int cli_plan(const cli_options *opt)
{
    cli_options plan = *opt;
    plan.dry_run = 1;
    return opt->sweep ? run_sweep(opt) : cli_quantize(&plan);
}
