/* tools/quantize.c - whit quantize and whit plan: open, plan, run, print.
 *
 * Not here: what is particular to several inputs (batch.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <math.h>
#include <string.h>

void cli_quantize_options(whit_quantize_options *options, const cli_options *opt,
                          cli_progress *progress)
{
    static const whit_observer observers[] = {
        WHIT_OBSERVER_MINMAX, WHIT_OBSERVER_MINMAX,     WHIT_OBSERVER_ENTROPY,
        WHIT_OBSERVER_MSE,    WHIT_OBSERVER_PERCENTILE,
    }; /* by the number of the word */
    whit_quantize_options_init(options);
    options->scheme = opt->scheme;
    options->rules = opt->rules;
    options->rules_count = opt->rules_count;
    options->embeddings = opt->embeddings;
    options->head = opt->head;
    options->recipe = opt->recipe;
    options->shard_size = opt->shard_size;
    options->clip = (whit_clip)opt->clip;
    options->percentile = opt->percentile;
    options->nonfinite = (whit_nonfinite)opt->nonfinite;
    options->fake_quant = opt->fake_quant;
    options->requantize = opt->requantize;
    options->format = (whit_format)opt->format;
    options->gptq_version = (unsigned)opt->gptq_version;
    options->search = opt->search == 2 ? WHIT_SEARCH_REFERENCE : WHIT_SEARCH_BEST;
    options->calibration = opt->calibration;
    options->observer = observers[opt->observer];
    options->observer_percent = opt->observer_percent;
    cli_job_options(&options->job, opt, progress);
}

const char *cli_method_option(const cli_options *opt)
{
    return opt->feeds_count              ? "--text or --ids"
           : opt->context                ? "--context"
           : opt->token_limit            ? "--tokens"
           : opt->resume                 ? "--resume"
           : opt->act_order              ? "--act-order"
           : opt->static_groups          ? "--static-groups"
           : opt->alpha                  ? "--alpha"
           : opt->cd_passes != CLI_UNSET ? "--cd-passes"
           : !isnan(opt->damping)        ? "--damping"
           : !isnan(opt->qep)            ? "--qep"
                                         : NULL;
}

/* Options that need --method, and are there without. */
static whit_status without_method(const cli_options *opt, whit_error *err)
{
    const char *what = cli_method_option(opt);
    if (!what) return WHIT_OK;
    return cli_fail(err, WHIT_ERR_ARG, "%s: %s of --method; try: --method gptq", opt->command->name,
                    what);
}

static whit_status method_options(whit_method_options *m, const cli_options *opt, whit_error *err)
{
    char name[CLI_SHORT];
    if (!opt->method) return without_method(opt, err);
    m->methods = whit_method_parse(opt->method);
    if (!m->methods)
        return cli_fail(err, WHIT_ERR_ARG,
                        "no method '%s'; try: gptq, awq, smoothquant, hqq, awq+gptq or "
                        "smoothquant+gptq",
                        cli_short(name, sizeof name, opt->method));
    m->context = opt->context;
    m->tokens = opt->token_limit;
    m->act_order = opt->act_order;
    m->static_groups = opt->static_groups;
    m->resume = opt->resume;
    if (opt->cd_passes != CLI_UNSET) m->passes = (int)opt->cd_passes;
    if (!isnan(opt->damping)) m->damping = opt->damping;
    if (!isnan(opt->qep)) m->qep = opt->qep;
    if (opt->alpha && strcmp(opt->alpha, "auto") != 0 && !cli_read_number(opt->alpha, &m->alpha))
        m->alpha = NAN;
    if (!isnan(opt->damping) && !(opt->damping > 0 && opt->damping <= 1))
        return cli_fail(err, WHIT_ERR_ARG, "--damping takes a share above 0, at most 1");
    if ((!isnan(opt->qep) && !(opt->qep >= 0 && opt->qep <= 1)) ||
        (opt->alpha && strcmp(opt->alpha, "auto") != 0 && !(m->alpha >= 0 && m->alpha <= 1)))
        return cli_fail(err, WHIT_ERR_ARG, "--qep and --alpha take shares from 0 to 1");
    return WHIT_OK;
}

/* Those from *said on: running the plan may add some. */
static void plan_warnings(const cli_options *opt, const whit_plan *plan, size_t *said)
{
    for (; *said < whit_plan_warnings(plan); ++*said) {
        cli_warn(opt, "%s", whit_plan_warning(plan, *said));
    }
}

/* The entry to explain, or WHIT_NOT_FOUND where none was asked for. */
static whit_status find_tensor(const cli_options *opt, const whit_plan *plan, size_t *index,
                               whit_error *err)
{
    char file[CLI_SHORT], name[CLI_SHORT];
    *index = opt->explain ? whit_plan_find(plan, opt->explain) : WHIT_NOT_FOUND;
    if (!opt->explain || *index != WHIT_NOT_FOUND) return WHIT_OK;
    return cli_fail(err, WHIT_ERR_ARG, "%s: no tensor '%s'; try: whit inspect IN --tensors",
                    cli_short(file, sizeof file, opt->operands[0]),
                    cli_short(name, sizeof name, opt->explain));
}

/* How long it would take, for the table. What stops the trial would stop the job: a bad weight is
 * worth a warning, anything else is the end here too. */
static whit_status estimate(const cli_options *opt, whit_plan *plan, const cli_results *results,
                            whit_error *err)
{
    if (!opt->dry_run || opt->explain || !results->table) return WHIT_OK;
    whit_status st = whit_plan_estimate(plan, err);
    if (st != WHIT_ERR_NUMERIC) return st;
    cli_warn(opt, "%s", err->msg);
    return WHIT_OK;
}

static void print_results(const cli_options *opt, const whit_plan *plan, const whit_report *report,
                          size_t explain, const cli_results *results)
{
    int flags = cli_text_flags(opt);
    if (opt->verbosity == CLI_VERBOSITY_VERBOSE) flags |= WHIT_TEXT_TENSORS;
    if (explain != WHIT_NOT_FOUND) {
        if (results->table) whit_plan_explain_text(plan, explain, flags, results->table);
        if (results->json) whit_plan_explain_json(plan, explain, results->json);
    } else if (report) {
        if (results->table) whit_report_write_text(report, flags, results->table);
        if (results->json) whit_report_write_json(report, results->json);
    } else {
        if (results->table) whit_plan_write_text(plan, flags, results->table);
        if (results->json) whit_plan_write_json(plan, results->json);
    }
}

whit_status cli_plan_make(whit_plan **plan, const whit_source *source,
                          const whit_quantize_options *options, const cli_options *opt,
                          const char *output, whit_error *err)
{
    whit_status st = whit_plan_make(plan, source, options, output, err);
    if (st != WHIT_OK || !opt->search || whit_plan_format(*plan) == WHIT_FORMAT_GGUF) return st;
    return cli_fail(err, WHIT_ERR_ARG, "--search is about GGUF types; try: --format gguf");
}

static whit_status open_and_plan(const cli_options *opt, const whit_quantize_options *options,
                                 whit_source **source, whit_plan **plan, whit_error *err)
{
    whit_status st = cli_open(source, opt, opt->operands[0], err);
    if (st != WHIT_OK) return st;
    cli_source_warnings(opt, *source);
    st = cli_plan_make(plan, *source, options, opt, opt->output, err);
    if (st != WHIT_OK) return st;
    const whit_plan_totals *total = whit_plan_total(*plan);
    cli_note(opt, "%u threads, %llu bytes of buffers, %llu bytes of output", total->threads,
             (unsigned long long)total->memory_bytes, (unsigned long long)total->file_bytes);
    if (opt->json_path && !opt->dry_run) return whit_plan_keep_off(*plan, opt->json_path, err);
    return WHIT_OK;
}

whit_status cli_quantize_one(const cli_options *opt, cli_results *results, whit_error *err)
{
    whit_quantize_options options;
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_report *report = NULL;
    cli_results own = { 0 };
    cli_results *to = results ? results : &own;
    cli_feeds feeds = { NULL, 0, NULL, 0 };
    cli_progress progress;
    size_t warnings = 0, explain = WHIT_NOT_FOUND;

    cli_progress_begin(&progress, opt);
    cli_quantize_options(&options, opt, &progress);

    whit_status st = method_options(&options.method, opt, err);
    if (st == WHIT_OK) st = cli_feeds_open(&feeds, opt, err);
    options.method.feed = feeds.feed;
    options.method.feeds = feeds.count;
    if (st == WHIT_OK) st = open_and_plan(opt, &options, &source, &plan, err);
    if (plan) plan_warnings(opt, plan, &warnings);
    if (st == WHIT_OK) st = find_tensor(opt, plan, &explain, err);
    if (st == WHIT_OK && !results) st = cli_results_open(to, opt, source, NULL, err);
    if (st == WHIT_OK) st = estimate(opt, plan, to, err);
    if (st == WHIT_OK && !opt->dry_run) st = whit_plan_run(plan, &report, err);
    cli_progress_end(&progress);
    if (plan) plan_warnings(opt, plan, &warnings);

    if (st == WHIT_OK) {
        print_results(opt, plan, report, explain, to);
        if (!results) st = cli_results_commit(to, err);
    }
    cli_results_close(&own);
    whit_report_free(report);
    whit_plan_free(plan);
    whit_source_close(source);
    cli_feeds_close(&feeds);
    return st;
}

int cli_quantize(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_status st = cli_feeds_check(opt, &err);
    if (st == WHIT_OK && opt->operands_count > 1) return cli_batch(opt);
    if (st == WHIT_OK) st = cli_quantize_one(opt, NULL, &err);
    return cli_finish(opt, st, &err);
}
