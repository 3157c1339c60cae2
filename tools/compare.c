/* tools/compare.c - whit compare: open both, compare, print, hold against the bar.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <math.h>

enum { TABLE_TOP = 10 };

/* The row to blame when the bar is missed: bytes that differ, else the lowest SQNR. */
static const whit_compare_row *worst_row(const whit_comparison *comparison)
{
    const whit_compare_row *worst = NULL;
    for (size_t i = 0; i < whit_comparison_count(comparison); i++) {
        const whit_compare_row *row = whit_comparison_at(comparison, i);
        if (row->differs) return row;
        if (!worst || !(row->sqnr_db >= worst->sqnr_db)) worst = row;
    }
    return worst;
}

static whit_status verdict(const cli_options *opt, const whit_comparison *comparison,
                           whit_error *err)
{
    if (isnan(opt->min_sqnr) || whit_comparison_passes(comparison, opt->min_sqnr)) return WHIT_OK;
    char a[CLI_SHORT], b[CLI_SHORT], tensor[CLI_SHORT];
    const whit_compare_row *worst = worst_row(comparison);
    cli_short(a, sizeof a, opt->operands[0]);
    cli_short(b, sizeof b, opt->operands[1]);
    cli_short(tensor, sizeof tensor, worst->name);
    if (worst->differs) {
        return cli_fail(err, WHIT_ERR_BAR, "%s: %s: bytes differ from those in %s", b, tensor, a);
    }
    return cli_fail(err, WHIT_ERR_BAR, "%s: %s: SQNR %.2f dB is below the bar of %g dB", b, tensor,
                    worst->sqnr_db, opt->min_sqnr);
}

static void print_results(const cli_options *opt, const whit_comparison *comparison,
                          const cli_results *results)
{
    int given = opt->top != CLI_TOP_UNSET;
    size_t table_top = given ? (size_t)opt->top : TABLE_TOP;
    size_t json_top = given ? (size_t)opt->top : 0;
    if (results->table) {
        whit_comparison_write_text(comparison, table_top, cli_text_flags(opt), results->table);
    }
    if (results->json) {
        whit_comparison_write_json(comparison, json_top, opt->min_sqnr, results->json);
    }
}

int cli_compare(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_job_options job;
    whit_source *a = NULL, *b = NULL;
    whit_comparison *comparison = NULL;
    cli_results results = { 0 };
    cli_progress progress;

    cli_progress_begin(&progress, opt);
    cli_job_options(&job, opt, &progress);

    whit_status st = cli_open(&a, opt, opt->operands[0], &err);
    if (st == WHIT_OK) st = cli_open_other(&b, opt, opt->operands[1], &err);
    if (st == WHIT_OK) {
        cli_source_warnings(opt, a);
        cli_source_warnings(opt, b);
        st = cli_results_open(&results, opt, a, b, &err);
    }
    if (st == WHIT_OK) st = whit_compare(&comparison, a, b, &job, &err);
    cli_progress_end(&progress);

    if (st == WHIT_OK) {
        for (size_t i = 0; i < whit_comparison_warnings(comparison); i++) {
            cli_warn(opt, "%s", whit_comparison_warning(comparison, i));
        }
        print_results(opt, comparison, &results);
        st = cli_results_commit(&results, &err);
    }
    if (st == WHIT_OK) st = verdict(opt, comparison, &err);
    cli_results_close(&results);
    whit_comparison_free(comparison);
    whit_source_close(b);
    whit_source_close(a);
    return cli_finish(opt, st, &err);
}
