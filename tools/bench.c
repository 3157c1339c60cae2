/* tools/bench.c - whit bench: which options go with what, measure, print.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <stdlib.h>

enum { MATMUL = 1, QUANTIZE = 2, MEMORY = 4, PASS = 8, GPTQ = 16, MODEL = 32, LIST = 64 };

/* The option that was given and has no meaning for this kind; NULL: there is none. */
static const char *misplaced(const cli_options *opt, int kind)
{
    const struct {
        const char *name;
        int given, kinds;
    } rows[] = {
        { "--type", opt->types != NULL, MATMUL | QUANTIZE | PASS | GPTQ },
        { "--shape", opt->shapes != NULL, MATMUL | QUANTIZE | GPTQ },
        { "--tokens", opt->tokens != NULL, MATMUL | MODEL },
        { "--acts", opt->acts != 0, MATMUL | MODEL | PASS },
        { "--cold", opt->place == WHIT_BENCH_COLD, MATMUL | MODEL },
        { "--warm", opt->place == WHIT_BENCH_WARM, MATMUL | MODEL },
        { "--model", opt->model != NULL, MODEL },
        { "--synthetic", opt->synthetic != NULL, PASS },
        { "--clip", opt->clip != 0, QUANTIZE },
        { "--seconds", opt->seconds != 0, MATMUL | MODEL | QUANTIZE | PASS | GPTQ },
        { "--pin", opt->pin, MATMUL | MODEL | QUANTIZE | MEMORY | PASS | GPTQ },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].given && !(rows[i].kinds & kind)) return rows[i].name;
    return NULL;
}

/* 0: refused; the message is in *err. */
static int choose(const cli_options *opt, whit_bench_what *what, whit_error *err)
{
    const char *word = opt->operands_count ? opt->operands[0] : "matmul";
    const int number = cli_read_word(word, "matmul|quantize|memory|model|gptq");
    *what = (whit_bench_what)(number - 1);
    if (number == 0) {
        cli_fail(err, WHIT_ERR_ARG,
                 "bench: '%s' is no bench; try: matmul, quantize, memory, model or gptq", word);
        return 0;
    }
    const int kind = opt->list ? LIST : number == 1 && opt->model ? MODEL : 1 << (number - 1);
    const int named = opt->operands_count > 1;
    const char *option = misplaced(opt, kind);
    if (option && kind == LIST)
        cli_fail(err, WHIT_ERR_ARG, "bench: %s has no meaning with --list", option);
    else if (option && kind == MODEL)
        cli_fail(err, WHIT_ERR_ARG, "bench: %s has no meaning with --model", option);
    else if (option)
        cli_fail(err, WHIT_ERR_ARG, "bench: %s has no meaning for %s; try: whit help bench", option,
                 word);
    else if (named && kind != PASS)
        cli_fail(err, WHIT_ERR_ARG, "bench: unexpected argument '%s'; try: whit help bench",
                 opt->operands[1]);
    else if (kind == PASS && named == (opt->synthetic != NULL))
        cli_fail(err, WHIT_ERR_ARG,
                 "bench: one model is measured; try: whit bench model MODEL, or --synthetic "
                 "1024x8");
    else if (!(opt->seconds >= 0 && opt->seconds <= 3600))
        cli_fail(err, WHIT_ERR_ARG, "bench: --seconds takes a number from 0 to 3600");
    else
        return 1;
    return 0;
}

static void bench_options(whit_bench_options *options, const cli_options *opt, whit_bench_what what,
                          cli_progress *progress)
{
    whit_bench_options_init(options);
    options->what = what;
    options->types = opt->types;
    options->shapes = opt->shapes;
    options->tokens = opt->tokens;
    options->place = (whit_bench_place)opt->place;
    options->acts = (whit_bench_acts)opt->acts;
    options->clip = (whit_clip)opt->clip;
    options->percentile = opt->percentile;
    options->seconds = opt->seconds;
    options->pin = opt->pin;
    options->path = opt->operands_count > 1 ? opt->operands[1] : NULL;
    options->synthetic = opt->synthetic;
    cli_job_options(&options->job, opt, progress);
}

static whit_status list(const cli_options *opt, cli_results *results, whit_error *err)
{
    whit_bench_entry *entries = NULL;
    size_t count = 0;
    whit_status st = whit_bench_list(&entries, &count, err);
    if (st == WHIT_OK && results->table)
        whit_bench_list_text(entries, count, cli_text_flags(opt), results->table);
    if (st == WHIT_OK && results->json) whit_bench_list_json(entries, count, results->json);
    free(entries);
    return st;
}

static whit_status measure(const cli_options *opt, whit_bench_what what, const whit_source *model,
                           cli_results *results, whit_error *err)
{
    whit_bench_options options;
    whit_bench *bench = NULL;
    cli_progress progress;
    cli_progress_begin(&progress, opt);
    progress.no_rate = 1;
    bench_options(&options, opt, what, &progress);
    options.model = model;
    whit_status st = whit_bench_run(&bench, &options, err);
    cli_progress_end(&progress);
    if (st == WHIT_OK) {
        for (size_t i = 0; i < whit_bench_warnings(bench); i++)
            cli_warn(opt, "%s", whit_bench_warning(bench, i));
        if (results->table) whit_bench_write_text(bench, cli_text_flags(opt), results->table);
        if (results->json) whit_bench_write_json(bench, results->json);
    }
    whit_bench_free(bench);
    return st;
}

int cli_bench(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_bench_what what;
    const char *path = opt->operands_count > 1 ? opt->operands[1] : NULL;
    whit_source *model = NULL; /* whose matrices are measured; that of `path` the bench opens */
    cli_results results = { 0 };
    if (!choose(opt, &what, &err)) return cli_finish(opt, WHIT_ERR_ARG, &err);

    whit_status st = opt->model ? whit_source_open(&model, opt->model, &err) : WHIT_OK;
    if (st == WHIT_OK && model) cli_source_warnings(opt, model);
    if (st == WHIT_OK)
        st = path ? cli_results_before(&results, opt, path, NULL, &err)
                  : cli_results_open(&results, opt, model, NULL, &err);
    if (st == WHIT_OK)
        st = opt->list ? list(opt, &results, &err) : measure(opt, what, model, &results, &err);
    if (st == WHIT_OK) st = cli_results_commit(&results, &err);
    cli_results_close(&results);
    whit_source_close(model);
    return cli_finish(opt, st, &err);
}
