/* tools/calibrate.c - whit calibrate: which options go together; run, merge or compare; print.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- which options go together --------------------------------------------------------------- */

static int bad(whit_error *err, const char *what)
{
    cli_fail(err, WHIT_ERR_ARG, "calibrate: %s", what);
    return 0;
}

/* An option that belongs to a run, or NULL. */
static const char *run_option(const cli_options *opt)
{
    return opt->feeds_count   ? "--text, --ids and --activations"
           : opt->token_limit ? "--tokens"
           : opt->context     ? "--context"
           : opt->hessian     ? "--hessian"
           : opt->resume      ? "--resume"
                              : NULL;
}

static int check_states(const cli_options *opt, whit_error *err)
{
    if (opt->merge && opt->compare)
        return bad(err, "--merge and --compare exclude each other; try: one of them");
    if (run_option(opt)) {
        cli_fail(err, WHIT_ERR_ARG, "calibrate: %s with states has no meaning; try: without",
                 run_option(opt));
        return 0;
    }
    if (opt->compare && opt->operands_count != 2)
        return bad(err, "--compare takes two states; usage: whit calibrate --compare A B");
    if (opt->merge && opt->operands_count == 0)
        return bad(err, "no states; usage: whit calibrate --merge A B.. -o C");
    if (opt->compare && opt->output) return bad(err, "--compare writes nothing; try: without -o");
    if (opt->merge && opt->json) return bad(err, "--merge prints nothing; try: without --json");
    return 1;
}

static int check_run(const cli_options *opt, whit_error *err)
{
    size_t dumps = 0;
    for (size_t i = 0; i < opt->feeds_count; i++)
        dumps += opt->feeds[i].kind == WHIT_FEED_ACTIVATIONS;
    if (opt->feeds_count == 0)
        return bad(err, "nothing to read; try: --text FILE, --ids FILE or --activations NAME=FILE");
    if (dumps != 0 && dumps != opt->feeds_count)
        return bad(err, "--activations needs no model, texts and ids do; try: one of them");
    if (dumps == 0 && opt->operands_count == 0)
        return bad(err, "a model is missing; usage: whit calibrate MODEL --text FILE -o STATE");
    if (opt->operands_count > (dumps ? 0u : 1u)) {
        cli_fail(err, WHIT_ERR_ARG, "calibrate: unexpected argument '%s'; try: whit help calibrate",
                 opt->operands[dumps ? 0 : 1]);
        return 0;
    }
    return cli_feeds_check(opt, err) == WHIT_OK;
}

static int check(const cli_options *opt, whit_error *err)
{
    const int states = opt->merge || opt->compare;
    if (!(states ? check_states(opt, err) : check_run(opt, err))) return 0;
    if (!opt->compare && !opt->output) return bad(err, "no output; try: -o STATE");
    return 1;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static whit_status calibrate(whit_calibration **out, const cli_options *opt, const cli_feeds *in,
                             whit_error *err)
{
    whit_calibrate_options o;
    cli_progress progress;
    whit_calibrate_options_init(&o);
    o.feed = in->feed;
    o.feeds = in->count;
    o.context = opt->context;
    o.tokens = opt->token_limit;
    o.hessian = opt->hessian;
    o.resume = opt->resume;
    cli_progress_begin(&progress, opt);
    progress.no_rate = 1;
    cli_job_options(&o.job, opt, &progress);
    whit_status st =
        whit_calibrate(out, opt->operands_count ? opt->operands[0] : NULL, &o, opt->output, err);
    cli_progress_end(&progress);
    return st;
}

static whit_status run(const cli_options *opt, whit_error *err)
{
    cli_feeds in = { NULL, 0, NULL, 0 };
    whit_calibration *c = NULL;
    cli_results results = { 0 };
    const char *model = opt->operands_count ? opt->operands[0] : NULL;
    whit_status st = cli_results_before(&results, opt, model, NULL, err);
    if (st == WHIT_OK) st = cli_feeds_open(&in, opt, err);
    if (st == WHIT_OK) st = calibrate(&c, opt, &in, err);
    if (st == WHIT_OK) {
        for (size_t i = 0; i < whit_calibration_warnings(c); i++)
            cli_warn(opt, "%s", whit_calibration_warning(c, i));
        if (results.table) whit_calibration_write_text(c, cli_text_flags(opt), results.table);
        if (results.json) whit_calibration_write_json(c, results.json);
        st = cli_results_commit(&results, err);
    }
    cli_results_close(&results);
    whit_calibration_free(c);
    cli_feeds_close(&in);
    return st;
}

/* ---- states ---------------------------------------------------------------------------------- */

/* PATH:WEIGHT, unless a file has all of it as its name. */
static whit_status read_part(whit_merge_part *part, const char *text, char **owned, whit_error *err)
{
    struct stat st;
    const char *colon = strrchr(text, ':');
    *part = (whit_merge_part){ text, 0 };
    if (!colon || colon == text || stat(text, &st) == 0) return WHIT_OK;
    if (!cli_read_number(colon + 1, &part->weight)) return WHIT_OK;
    if (!(part->weight > 0 && part->weight < 1e30))
        return cli_fail(err, WHIT_ERR_ARG, "calibrate: '%s': a weight is above 0", text);
    *owned = malloc((size_t)(colon - text) + 1);
    if (!*owned) return cli_fail(err, WHIT_ERR_NOMEM, "out of memory");
    memcpy(*owned, text, (size_t)(colon - text));
    (*owned)[colon - text] = '\0';
    part->path = *owned;
    return WHIT_OK;
}

static whit_status merge(const cli_options *opt, whit_error *err)
{
    const size_t n = opt->operands_count;
    whit_merge_part *part = calloc(n, sizeof *part);
    char **owned = calloc(n, sizeof *owned);
    whit_job_options job;
    whit_job_options_init(&job);
    job.force = opt->force;
    job.max_memory = opt->max_memory;
    whit_status st = part && owned ? WHIT_OK : cli_fail(err, WHIT_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < n && st == WHIT_OK; i++)
        st = read_part(&part[i], opt->operands[i], &owned[i], err);
    if (st == WHIT_OK) st = whit_calibrate_merge(part, n, opt->output, &job, err);
    for (size_t i = 0; owned && i < n; i++) free(owned[i]);
    free(owned);
    free(part);
    return st;
}

static whit_status compare(const cli_options *opt, whit_error *err)
{
    whit_calib *a = NULL, *b = NULL;
    whit_calib_difference *d = NULL;
    size_t count;
    cli_results results = { 0 };
    whit_status st = whit_calib_open(&a, opt->operands[0], err);
    if (st == WHIT_OK) st = whit_calib_open(&b, opt->operands[1], err);
    if (st == WHIT_OK) st = whit_calib_compare(a, b, &d, &count, err);
    if (st == WHIT_OK) st = cli_results_open(&results, opt, NULL, NULL, err);
    if (st == WHIT_OK) {
        if (results.table) whit_calib_compare_text(d, count, cli_text_flags(opt), results.table);
        if (results.json) whit_calib_compare_json(d, count, results.json);
        st = cli_results_commit(&results, err);
    }
    cli_results_close(&results);
    free(d);
    whit_calib_close(a);
    whit_calib_close(b);
    return st;
}

int cli_calibrate(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    if (!check(opt, &err)) return cli_finish(opt, WHIT_ERR_ARG, &err);
    whit_status st = cli_reads_check(opt, opt->output, &err);
    if (st == WHIT_OK)
        st = opt->merge ? merge(opt, &err) : opt->compare ? compare(opt, &err) : run(opt, &err);
    return cli_finish(opt, st, &err);
}
