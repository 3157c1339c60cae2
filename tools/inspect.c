/* tools/inspect.c - whit inspect: open, check and measure where asked, print.
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

/* The tensor to draw: the named one, with or without ".weight", or the largest that has values. */
static whit_status find_tensor(const cli_options *opt, const whit_source *source,
                               const whit_stats *stats, size_t *index, whit_error *err)
{
    char name[1024];
    *index = WHIT_NOT_FOUND;
    if (opt->tensor) {
        snprintf(name, sizeof name, "%s.weight", opt->tensor);
        *index = whit_source_find(source, opt->tensor);
        if (*index == WHIT_NOT_FOUND) *index = whit_source_find(source, name);
        if (*index != WHIT_NOT_FOUND) return WHIT_OK;
        return cli_fail(err, WHIT_ERR_ARG, "%s: no such tensor; try: whit inspect IN --tensors",
                        cli_short(name, CLI_SHORT, opt->tensor));
    }
    uint64_t most = 0;
    for (size_t i = 0; i < whit_stats_count(stats); i++) {
        if (whit_stats_at(stats, i)->finite <= most) continue;
        most = whit_stats_at(stats, i)->finite;
        *index = i;
    }
    if (most > 0) return WHIT_OK;
    return cli_fail(err, WHIT_ERR_ARG, "%s: no tensor has values to draw",
                    cli_short(name, CLI_SHORT, opt->operands[0]));
}

static whit_status draw(const cli_options *opt, const whit_source *source, const whit_stats *stats,
                        const whit_scheme *scheme, const whit_job_options *job, FILE *out,
                        whit_error *err)
{
    size_t index;
    whit_status st = find_tensor(opt, source, stats, &index, err);
    return st == WHIT_OK
               ? whit_stats_write_svg(stats, index, opt->scheme ? scheme : NULL, job, out, err)
               : st;
}

/* A small file of a model by itself. */
static whit_status inspect_side(const cli_options *opt, const whit_side *side, whit_error *err)
{
    cli_results results = { 0 };
    char name[CLI_SHORT];
    if (opt->stats || opt->svg || opt->tensors)
        return cli_fail(err, WHIT_ERR_ARG, "%s: is a %s, which has no tensors; try: --check",
                        cli_short(name, sizeof name, opt->operands[0]), whit_side_format(side));
    whit_status st = cli_results_open(&results, opt, NULL, NULL, err);
    if (st == WHIT_OK && results.table) whit_side_write_text(side, opt->check, results.table);
    if (st == WHIT_OK && results.json) whit_side_write_json(side, opt->check, results.json);
    if (st == WHIT_OK) st = cli_results_commit(&results, err);
    cli_results_close(&results);
    return st;
}

/* Nothing but who made it how. */
static whit_status inspect_provenance(const cli_options *opt, whit_error *err)
{
    whit_source *source = NULL;
    cli_results results = { 0 };
    if (opt->check || opt->stats || opt->tensors || opt->svg)
        return cli_fail(err, WHIT_ERR_ARG, "inspect: --provenance goes alone; try: whit verify");
    whit_status st = cli_open(&source, opt, opt->operands[0], err);
    if (st == WHIT_OK) cli_source_warnings(opt, source);
    if (st == WHIT_OK) st = cli_results_open(&results, opt, source, NULL, err);
    if (st == WHIT_OK && results.table) st = whit_provenance_write_text(source, results.table, err);
    if (st == WHIT_OK && results.json) st = whit_provenance_write_json(source, results.json, err);
    if (st == WHIT_OK) st = cli_results_commit(&results, err);
    cli_results_close(&results);
    whit_source_close(source);
    return st;
}

static whit_status inspect_model(const cli_options *opt, whit_error *err)
{
    whit_job_options job;
    whit_source *source = NULL;
    whit_check *check = NULL;
    whit_stats *stats = NULL;
    whit_scheme scheme;
    cli_results results = { 0 }, picture = results;
    cli_progress progress;
    int verbose = opt->verbosity == CLI_VERBOSITY_VERBOSE;

    cli_progress_begin(&progress, opt);
    cli_job_options(&job, opt, &progress);

    whit_status st = opt->scheme ? whit_scheme_parse(&scheme, opt->scheme, err) : WHIT_OK;
    if (st == WHIT_OK) st = cli_open(&source, opt, opt->operands[0], err);
    if (st == WHIT_OK && whit_file_meta_find(whit_source_file(source), 0, "whit.state"))
        st = cli_fail(err, WHIT_ERR_IO, "%s: a calibration state, which could not be read at once",
                      opt->operands[0]); /* or it would have been taken for one */
    if (st == WHIT_OK) {
        cli_source_warnings(opt, source);
        st = cli_results_open(&results, opt, source, NULL, err);
    }
    if (st == WHIT_OK && opt->svg)
        st = cli_results_file(&picture, opt, "--svg", opt->svg, source, err);
    if (st == WHIT_OK && opt->check) st = whit_check_run(&check, source, &job, err);
    if (st == WHIT_OK && (opt->stats || opt->svg)) st = whit_stats_run(&stats, source, &job, err);
    if (st == WHIT_OK && opt->svg) st = draw(opt, source, stats, &scheme, &job, picture.json, err);
    cli_progress_end(&progress);

    if (st == WHIT_OK) {
        int flags = cli_text_flags(opt) | (opt->tensors || verbose ? WHIT_TEXT_TENSORS : 0);
        if (results.table) whit_source_write_text(source, check, stats, flags, results.table);
        if (results.json) whit_source_write_json(source, check, stats, results.json);
        st = opt->svg ? cli_results_commit(&picture, err) : WHIT_OK;
        if (st == WHIT_OK) st = cli_results_commit(&results, err);
    }
    if (st == WHIT_OK) st = verdict(opt, check, err);
    cli_results_close(&picture);
    cli_results_close(&results);
    whit_stats_free(stats);
    whit_check_free(check);
    whit_source_close(source);
    return st;
}

/* A calibration state: as a model it would be a list of sums. */
static whit_status inspect_state(const cli_options *opt, whit_error *err)
{
    whit_calib *c = NULL;
    cli_results results = { 0 }, picture = results;
    char name[CLI_SHORT];
    size_t index = 0;
    whit_status st = whit_calib_open(&c, opt->operands[0], err);
    if (st == WHIT_OK && opt->check) st = whit_calib_check(c, err);
    if (st == WHIT_OK && opt->tensor) index = whit_calib_find(c, opt->tensor);
    if (st == WHIT_OK && (index == WHIT_CALIB_NONE || opt->scheme))
        st = cli_fail(err, WHIT_ERR_ARG, "%s: %s; try: whit inspect STATE --stats",
                      cli_short(name, sizeof name, opt->scheme ? opt->scheme : opt->tensor),
                      opt->scheme ? "no grid is drawn on channels" : "no such matrix");
    if (st == WHIT_OK) st = cli_results_open(&results, opt, NULL, NULL, err);
    if (st == WHIT_OK && opt->svg)
        st = cli_results_file(&picture, opt, "--svg", opt->svg, NULL, err);
    if (st == WHIT_OK && opt->svg) st = whit_calib_write_svg(c, index, picture.json, err);
    if (st == WHIT_OK) {
        const int stats = opt->stats || opt->tensors || opt->verbosity == CLI_VERBOSITY_VERBOSE;
        if (results.table) whit_calib_write_text(c, stats, cli_text_flags(opt), results.table);
        if (results.table && opt->check) fputs("check    sound\n", results.table);
        if (results.json) whit_calib_write_json(c, results.json);
        st = opt->svg ? cli_results_commit(&picture, err) : WHIT_OK;
        if (st == WHIT_OK) st = cli_results_commit(&results, err);
    }
    cli_results_close(&picture);
    cli_results_close(&results);
    whit_calib_close(c);
    return st;
}

int cli_inspect(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_side *side = NULL;
    const int state = !opt->shape.rank && whit_calib_probe(opt->operands[0]);
    whit_status st =
        opt->shape.rank || state ? WHIT_OK : whit_side_open(&side, opt->operands[0], &err);
    if (st == WHIT_OK)
        st = opt->provenance ? inspect_provenance(opt, &err)
             : state         ? inspect_state(opt, &err)
             : side          ? inspect_side(opt, side, &err)
                             : inspect_model(opt, &err);
    whit_side_close(side);
    return cli_finish(opt, st, &err);
}
