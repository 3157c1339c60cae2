/* tools/cli.c - the parser: arguments taken apart by the option table, and what of them does not
 * go together.
 *
 * Long options take "--name value" or "--name=value", letters may stand together ("-fo OUT",
 * "-T4"), "--" ends the options, options and operands mix freely. A repeated option replaces what
 * it said before, except --rule. Not here: the options and their values (options.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- near misses ----------------------------------------------------------------------------- */

/* Keeps the nearest name so far; a name that shares nothing with the word is no suggestion. */
static void consider(const char *word, const char *name, const char **best, size_t *distance)
{
    size_t d = cli_edit_distance(word, name);
    if (d < *distance && d < strlen(name)) {
        *best = name;
        *distance = d;
    }
}

const cli_command *cli_command_find(const char *name)
{
    for (const cli_command *c = cli_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

int cli_command_unknown(const char *name)
{
    const char *best = NULL;
    size_t distance = CLI_NEAR_EDITS + 1;
    for (const cli_command *c = cli_commands; c->name; c++) {
        consider(name, c->name, &best, &distance);
    }
    if (best) {
        cli_error(NULL, "'%s' is no command; try: whit %s", name, best);
    } else {
        cli_error(NULL, "'%s' is no command; try: whit help", name);
    }
    return CLI_EXIT_USAGE;
}

/* ---- parser ---------------------------------------------------------------------------------- */

static int takes_value(const cli_option *o)
{
    return o->value && o->kind != OPTION_JSON;
}

/* An option of this command; NULL when there is none, which has been reported. */
static const cli_option *find_option(const cli_options *opt, const char *name, char letter,
                                     const char *shown)
{
    const char *best = NULL, *command = opt->command->name;
    size_t distance = CLI_NEAR_EDITS + 1;
    int elsewhere = 0; /* another command takes it */
    for (const cli_option *o = cli_option_table; o->name; o++) {
        int mine = (o->commands & opt->command->bit) != 0;
        if (name ? strcmp(o->name, name) == 0 : o->letter == letter) {
            if (mine) return o;
            elsewhere = 1;
        }
        if (name && mine) consider(name, o->name, &best, &distance);
    }
    if (elsewhere) {
        cli_error(opt, "%s: %s has no meaning here; try: whit help %s", command, shown, command);
    } else if (best) {
        cli_error(opt, "%s: unknown option %s; try: --%s", command, shown, best);
    } else {
        cli_error(opt, "%s: unknown option %s; try: whit help %s", command, shown, command);
    }
    return NULL;
}

typedef struct arguments {
    int argc;
    char **argv;
    int next;
} arguments;

/* The value in the next argument. One that looks like an option is more likely a value forgotten
 * than a file called "-f"; "--output=-f" says so. NULL has been reported. */
static const char *next_value(const cli_options *opt, const cli_option *o, const char *shown,
                              arguments *args)
{
    const char *value = args->next < args->argc ? args->argv[args->next] : NULL;
    const int counts = o->kind == OPTION_COUNT || o->kind == OPTION_SIZE; /* refuse a sign */
    int looks_like_option = value && value[0] == '-' && value[1] && o->kind != OPTION_NUMBER &&
                            !(counts && value[1] >= '0' && value[1] <= '9');
    if (value && !looks_like_option) {
        args->next++;
        return value;
    }
    cli_error(opt, "%s: %s needs a value; try: --%s=%s", opt->command->name, shown, o->name,
              value ? value : o->value);
    return NULL;
}

static cli_outcome outcome_of(const cli_option *o)
{
    if (o->kind == OPTION_HELP) return CLI_SHOW_HELP;
    return o->kind == OPTION_VERSION ? CLI_SHOW_VERSION : CLI_RUN;
}

static cli_outcome parse_long(cli_options *opt, const char *arg, arguments *args)
{
    char name[CLI_NEAR_LENGTH + 1], shown[CLI_NEAR_LENGTH + 3];
    size_t length = strcspn(arg + 2, "=");
    const char *value = arg[2 + length] == '=' ? arg + 3 + length : NULL;
    if (length > CLI_NEAR_LENGTH) length = CLI_NEAR_LENGTH;
    memcpy(name, arg + 2, length);
    name[length] = '\0';
    snprintf(shown, sizeof shown, "--%s", name);

    const cli_option *o = find_option(opt, name, 0, shown);
    if (!o) return CLI_BAD_USAGE;
    if (value && !o->value) {
        cli_option_bad(opt, shown, "takes no value, not", value);
        return CLI_BAD_USAGE;
    }
    if (!value && takes_value(o)) {
        value = next_value(opt, o, shown, args);
        if (!value) return CLI_BAD_USAGE;
    }
    return cli_option_set(opt, o, shown, value) ? outcome_of(o) : CLI_BAD_USAGE;
}

static cli_outcome parse_letters(cli_options *opt, const char *arg, arguments *args)
{
    for (const char *p = arg + 1; *p; p++) {
        char shown[] = { '-', *p, '\0' };
        const char *value = NULL;
        const cli_option *o = find_option(opt, NULL, *p, shown);
        if (!o) return CLI_BAD_USAGE;
        if (takes_value(o)) {
            value = p[1] ? p + 1 : next_value(opt, o, shown, args);
            if (!value) return CLI_BAD_USAGE;
        }
        if (!cli_option_set(opt, o, shown, value)) return CLI_BAD_USAGE;
        if (outcome_of(o) != CLI_RUN || value) return outcome_of(o);
    }
    return CLI_RUN;
}

/* An option of quantize that a sweep, which only rounds, has no use for; NULL: there is none. */
static const char *no_sweep_option(const cli_options *opt)
{
    return opt->method        ? "--method"
           : opt->calibration ? "--calibration"
           : opt->observer    ? "--observer"
                              : cli_method_option(opt);
}

/* 0: refused, and reported. */
static int check_sweep(const cli_options *opt)
{
    const char *name = opt->command->name;
    if (!opt->sweep && (opt->csv || opt->svg))
        cli_error(opt, "%s: %s is for the sweep; try: --sweep with it", name,
                  opt->csv ? "--csv" : "--svg");
    else if (opt->sweep && opt->explain)
        cli_error(opt, "%s: --sweep and --explain exclude each other; try: one of them", name);
    else if (opt->sweep && opt->operands_count > 1)
        cli_error(opt, "%s: --sweep takes one input; try: one by one", name);
    else if (opt->sweep && no_sweep_option(opt))
        cli_error(opt, "%s: %s has no meaning with --sweep; try: without it", name,
                  no_sweep_option(opt));
    else if (opt->csv && opt->svg && cli_same_place(opt->csv, opt->svg))
        cli_error(opt, "%s: --csv and --svg name the same file; try: another name", name);
    else
        return 1;
    return 0;
}

/* 0: refused, and reported. */
static int check_text(const cli_options *opt)
{
    const char *name = opt->command->name;
    if (!opt->text)
        cli_error(opt, "%s: no text; try: --text FILE, or --text - for standard input", name);
    else if (opt->decode && opt->json)
        cli_error(opt, "%s: --json has no meaning with --decode; try: without it", name);
    else
        return 1;
    return 0;
}

/* 0: refused, and reported. What is placed when it is whole cannot be standard output. */
static int check_outputs(const cli_options *opt)
{
    const struct {
        const char *option, *value;
    } outputs[] = { { "-o", opt->output }, { "--csv", opt->csv }, { "--svg", opt->svg } };
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        if (!outputs[i].value || strcmp(outputs[i].value, "-") != 0) continue;
        cli_error(opt, "%s: %s writes files, not standard output; try: %s ./- for one named so",
                  opt->command->name, outputs[i].option, outputs[i].option);
        return 0;
    }
    return 1;
}

/* 0: refused, and reported. Words are told by the command that knows them. */
static int check_names(const cli_options *opt)
{
    const cli_command *c = opt->command;
    const size_t words = c->bit == CLI_HELP || c->bit == CLI_BENCH;
    for (size_t i = words; i < opt->operands_count; i++) {
        if (opt->operands[i][0]) continue;
        cli_error(opt, "%s: an input has no name: ''; usage: whit %s %s", c->name, c->name,
                  c->operands);
        return 0;
    }
    return check_outputs(opt);
}

static cli_outcome check_operands(const cli_options *opt)
{
    const cli_command *c = opt->command;
    if (opt->dtype && !opt->shape.rank && c->bit != CLI_DEQUANTIZE) {
        cli_error(opt, "%s: --dtype is the type of a raw array; try: --shape R,C with it", c->name);
        return CLI_BAD_USAGE;
    }
    if (c->bit == CLI_INSPECT && !opt->svg && (opt->tensor || opt->scheme)) {
        cli_error(opt, "%s: %s is for the picture; try: --svg FILE with it", c->name,
                  opt->tensor ? "--tensor" : "--scheme");
        return CLI_BAD_USAGE;
    }
    if (c->bit == CLI_PLAN && !check_sweep(opt)) return CLI_BAD_USAGE;
    if (c->bit == CLI_TOKENIZE && !check_text(opt)) return CLI_BAD_USAGE;
    if (!check_names(opt)) return CLI_BAD_USAGE;
    if (opt->operands_count > c->max_operands) {
        cli_error(opt, "%s: unexpected argument '%s'; usage: whit %s %s", c->name,
                  opt->operands[c->max_operands], c->name, c->operands);
    } else if (opt->operands_count < c->min_operands) {
        cli_error(opt, "%s: an input is missing; usage: whit %s %s", c->name, c->name, c->operands);
    } else if ((c->bit & CLI_WRITERS) && !opt->output && !opt->dry_run) {
        cli_error(opt, "%s: no output; usage: whit %s %s", c->name, c->name, c->operands);
    } else {
        return CLI_RUN;
    }
    return CLI_BAD_USAGE;
}

cli_outcome cli_parse(cli_options *opt, const cli_command *command, int argc, char **argv)
{
    arguments args = { argc, argv, 0 };
    cli_outcome outcome = CLI_RUN;
    int options_end = 0;

    memset(opt, 0, sizeof *opt);
    opt->command = command;
    opt->min_sqnr = NAN;
    opt->top = CLI_TOP_UNSET;
    opt->damping = NAN;
    opt->qep = NAN;
    opt->cd_passes = CLI_UNSET;
    opt->sample = CLI_UNSET;
    opt->new_tokens = CLI_NEW_TOKENS;
    opt->top_p = 1;
    opt->operands = calloc((size_t)argc + 1, sizeof *opt->operands);
    opt->rules = calloc((size_t)argc + 1, sizeof *opt->rules);
    opt->feeds = calloc((size_t)argc + 1, sizeof *opt->feeds);
    opt->reads = calloc((size_t)argc + 1, sizeof *opt->reads);
    if (!opt->operands || !opt->rules || !opt->feeds || !opt->reads) {
        cli_error(opt, "out of memory");
        return CLI_NO_MEMORY;
    }
    while (outcome == CLI_RUN && args.next < argc) {
        const char *arg = argv[args.next++];
        if (options_end || arg[0] != '-' || arg[1] == '\0') {
            opt->operands[opt->operands_count++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            options_end = 1;
        } else if (arg[1] == '-') {
            outcome = parse_long(opt, arg, &args);
        } else {
            outcome = parse_letters(opt, arg, &args);
        }
    }
    if (outcome == CLI_RUN) outcome = check_operands(opt);
    if (outcome == CLI_RUN) cli_reads_list(opt);
    return outcome;
}

void cli_options_free(cli_options *opt)
{
    free(opt->operands);
    free(opt->rules);
    free(opt->feeds);
    free(opt->reads);
    opt->reads = NULL;
    opt->feeds = NULL;
    opt->operands = NULL;
    opt->rules = NULL;
}
