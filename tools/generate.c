/* tools/generate.c - whit generate: the prompt and what a model goes on with to stdout, as it
 * comes; how fast it was to stderr.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct prompt {
    const char *text;
    size_t len;
} prompt;

/* What cannot be written ends the text, as a signal does. */
static int put(const char *text, size_t len)
{
    if (len > 0) fwrite(text, 1, len, stdout);
    return fflush(stdout) != 0 || cli_interrupted();
}

/* A whit_generate_fn. */
static int put_text(void *user, uint32_t id, const char *text, size_t len)
{
    (void)user, (void)id;
    return put(text, len);
}

/* A whit_progress_fn: the prompt is sound and will be read. */
static int put_prompt(void *user, const whit_progress *progress)
{
    const prompt *p = user;
    return put(p->text, progress->done == 0 ? p->len : 0);
}

/* Which path each linear takes. */
static void tell_linears(const cli_options *opt, const whit_model *model)
{
    size_t q8 = 0;
    for (size_t i = 0; i < whit_model_linears(model); i++) {
        const whit_model_linear *l = whit_model_linear_at(model, i);
        char name[CLI_SHORT], scheme[WHIT_SCHEME_TEXT];
        q8 += l->acts == WHIT_ACTS_Q8;
        whit_scheme_print(&l->info.scheme, scheme);
        cli_note(opt, "%s: %" PRIu64 "x%" PRIu64 " %s%s as %s, activations %s",
                 cli_short(name, sizeof name, l->tensor), l->info.rows, l->info.cols, scheme,
                 l->info.decoded ? " decoded" : "", l->info.form,
                 l->a8 == WHIT_A8_STATIC  ? "a8s"
                 : l->a8 == WHIT_A8_TOKEN ? "a8"
                                          : whit_acts_name(l->acts));
    }
    if (opt->acts == CLI_ACTS_Q8 && q8 == 0)
        cli_warn(opt, "--acts q8 changes nothing: no matrix of this model has a kernel for it");
}

static void tell_model(const cli_options *opt, const whit_model *model)
{
    const whit_model_info *m = whit_model_describe(model);
    for (size_t i = 0; i < whit_model_warnings(model); i++)
        cli_warn(opt, "%s", whit_model_warning(model, i));
    cli_note(opt,
             "%s, %" PRIu32 " layers, width %" PRIu32 ", %.1f M parameters in %.1f MB, context "
             "%" PRIu32 ", %u thread%s",
             m->architecture, m->layers, m->width, (double)m->parameters * 1e-6,
             (double)m->weight_bytes * 1e-6, m->context, m->threads, m->threads == 1 ? "" : "s");
    tell_linears(opt, model);
    if (opt->temperature == 0 && (opt->top_p != 1 || opt->seed != 0))
        cli_warn(opt, "%s changes nothing without --temperature: the likeliest token is taken",
                 opt->top_p != 1 ? "--top-p" : "--seed");
}

static double rate(size_t tokens, double seconds)
{
    return tokens > 0 && seconds > 0 ? (double)tokens / seconds : 0;
}

static void tell_speed(const cli_options *opt, const whit_generated *g)
{
    if (opt->verbosity == CLI_VERBOSITY_QUIET || g->prompt_tokens == 0) return;
    fprintf(stderr,
            "whit: prompt %zu tokens, %.3f s, %.1f tokens/s; generated %zu tokens, %.3f s, %.1f "
            "tokens/s",
            g->prompt_tokens, g->prompt_seconds, rate(g->prompt_tokens, g->prompt_seconds),
            g->tokens, g->seconds, rate(g->fed, g->seconds));
    if (g->ending == WHIT_ENDING_TOKEN) fprintf(stderr, "; ended by token %" PRIu32, g->ending_id);
    if (g->ending == WHIT_ENDING_CONTEXT) fputs("; the context is full", stderr);
    putc('\n', stderr);
}

static whit_status open_model(const cli_options *opt, whit_model **model,
                              whit_tokenizer **tokenizer, whit_error *err)
{
    whit_model_options o;
    whit_model_options_init(&o);
    o.threads = (unsigned)opt->threads;
    o.acts = cli_acts(opt);
    whit_status st = whit_tokenizer_open(tokenizer, opt->operands[0], err);
    return st == WHIT_OK ? whit_model_open(model, opt->operands[0], &o, err) : st;
}

static whit_status generate(const cli_options *opt, whit_model *model,
                            const whit_tokenizer *tokenizer, prompt *p, whit_generated *out,
                            whit_error *err)
{
    whit_generate_options o;
    whit_generate_options_init(&o);
    o.tokens = (size_t)opt->new_tokens;
    o.sampling.temperature = opt->temperature;
    o.sampling.top_p = opt->top_p;
    o.sampling.seed = opt->seed;
    o.text = put_text;
    o.progress = put_prompt;
    o.user = p;
    whit_status st = whit_generate(model, tokenizer, p->text, p->len, &o, out, err);
    if (out->prompt_tokens > 0) putchar('\n');
    if (fflush(stdout) != 0 && st == WHIT_ERR_CANCELLED) st = WHIT_OK; /* main tells of stdout */
    return st;
}

int cli_generate(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_model *model = NULL;
    whit_tokenizer *tokenizer = NULL;
    whit_generated done = { 0 };
    cli_progress progress;
    char *text = NULL;
    prompt p = { opt->prompt ? opt->prompt : "", 0 };
    p.len = strlen(p.text);

    whit_status st = open_model(opt, &model, &tokenizer, &err);
    cli_progress_begin(&progress, opt); /* before that a signal has nothing to spare */
    if (st == WHIT_OK && strcmp(p.text, "-") == 0) {
        st = cli_read_text("-", &text, &p.len, &err);
        p.text = text;
    }
    if (st == WHIT_OK) {
        tell_model(opt, model);
        st = generate(opt, model, tokenizer, &p, &done, &err);
        if (st == WHIT_OK || st == WHIT_ERR_CANCELLED) tell_speed(opt, &done);
    }
    cli_progress_end(&progress);
    whit_model_close(model);
    whit_tokenizer_close(tokenizer);
    free(text);
    return cli_finish(opt, st, &err);
}
