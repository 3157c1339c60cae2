/* tools/eval.c - whit eval: which options go together, evaluate, print, hold against the bars.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <string.h>

/* 0: refused; the message is in *err. */
static int check(const cli_options *opt, whit_error *err)
{
    const char *misplaced = opt->protocol ? "--protocol" : opt->token_limit ? "--tokens" : NULL;
    if (!opt->text && !opt->choices)
        cli_fail(err, WHIT_ERR_ARG, "eval: nothing to read; try: --text FILE or --choices FILE");
    else if (opt->text && opt->choices)
        cli_fail(err, WHIT_ERR_ARG,
                 "eval: --text and --choices exclude each other; try: one of "
                 "them");
    else if (strcmp(opt->text ? opt->text : opt->choices, "-") == 0)
        cli_fail(err, WHIT_ERR_ARG,
                 "eval: standard input is not read, only files; try: %s FILE, or ./- for one of "
                 "this name",
                 opt->text ? "--text" : "--choices");
    else if (opt->choices && misplaced)
        cli_fail(err, WHIT_ERR_ARG, "eval: %s has no meaning with --choices; try: whit help eval",
                 misplaced);
    else
        return 1;
    return 0;
}

static void eval_options(whit_eval_options *options, const cli_options *opt)
{
    whit_eval_options_init(options);
    options->text = opt->text;
    options->choices = opt->choices;
    options->base = opt->base;
    options->protocol = opt->protocol ? (whit_eval_protocol)(opt->protocol - 1) : WHIT_EVAL_WINDOW;
    options->context = opt->context;
    options->tokens = opt->token_limit;
    options->acts = cli_acts(opt);
}

static whit_status measure(whit_eval **out, const cli_options *opt, whit_eval_options *options,
                           whit_error *err)
{
    cli_progress progress;
    cli_progress_begin(&progress, opt);
    progress.no_rate = 1;
    cli_job_options(&options->job, opt, &progress);
    whit_status st = whit_eval_run(out, opt->operands[0], options, err);
    cli_progress_end(&progress);
    return st;
}

static void print_results(const cli_options *opt, const whit_eval *eval, cli_results *results)
{
    for (size_t i = 0; i < whit_eval_warnings(eval); i++)
        cli_warn(opt, "%s", whit_eval_warning(eval, i));
    if (results->table) whit_eval_write_text(eval, cli_text_flags(opt), results->table);
    if (results->json) whit_eval_write_json(eval, results->json);
}

static whit_status hold_bars(const cli_options *opt, const whit_eval *eval, whit_error *err)
{
    whit_error missed = { WHIT_OK, "" };
    char name[CLI_SHORT];
    for (size_t i = 0; i < opt->rules_count; i++) {
        whit_status st = whit_eval_bar_hold(opt->rules[i], eval, &missed);
        if (st != WHIT_OK)
            return cli_fail(err, st, "%s: %s", cli_short(name, sizeof name, opt->operands[0]),
                            missed.msg);
    }
    return WHIT_OK;
}

int cli_eval(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" }, bad = { WHIT_OK, "" };
    whit_eval_options options;
    whit_eval *eval = NULL;
    cli_results results = { 0 };
    if (!check(opt, &err)) return cli_finish(opt, WHIT_ERR_ARG, &err);
    eval_options(&options, opt);
    for (size_t i = 0; i < opt->rules_count; i++) {
        whit_status st = whit_eval_bar_check(opt->rules[i], &options, &bad);
        if (st == WHIT_OK) continue;
        cli_fail(&err, st, "eval: --fail-if: %s", bad.msg);
        return cli_finish(opt, st, &err);
    }

    whit_status st = cli_results_before(&results, opt, opt->operands[0], opt->base, &err);
    if (st == WHIT_OK) st = measure(&eval, opt, &options, &err);
    if (st == WHIT_OK) {
        print_results(opt, eval, &results);
        st = cli_results_commit(&results, &err);
    }
    if (st == WHIT_OK) st = hold_bars(opt, eval, &err);
    cli_results_close(&results);
    whit_eval_free(eval);
    return cli_finish(opt, st, &err);
}
