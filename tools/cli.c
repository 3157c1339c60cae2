/* tools/cli.c - the option table, and what reads it: the parser and the help.
 *
 * Long options take "--name value" or "--name=value", letters may stand together ("-fo OUT",
 * "-T4"), "--" ends the options, options and operands mix freely. A repeated option replaces what
 * it said before, except --rule. Not here: how the text of a value is read (text.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum option_kind {
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_FLAG,   /* int: takes the value of the column `set` */
    OPTION_TEXT,   /* const char *                             */
    OPTION_RULE,   /* appended to rules                        */
    OPTION_WORD,   /* int: number of the word in `value`       */
    OPTION_CLIP,   /* the same, and a number behind the last   */
    OPTION_COUNT,  /* uint64_t up to the column `set`          */
    OPTION_SIZE,   /* uint64_t bytes                           */
    OPTION_SHAPE,  /* cli_shape                                */
    OPTION_NUMBER, /* double                                   */
    OPTION_JSON    /* flag, with =FILE also json_path          */
} option_kind;

typedef struct cli_option {
    const char *name;
    char letter; /* 0: none */
    option_kind kind;
    const char *value; /* its name in the help, or the words; NULL: takes none */
    size_t field;      /* in cli_options                                       */
    int set;
    unsigned commands;
    const char *help; /* a \n continues on the next line */
} cli_option;

#define FIELD(name) offsetof(cli_options, name)
#define WRITERS (CLI_QUANTIZE | CLI_DEQUANTIZE)
#define PLANNERS (CLI_QUANTIZE | CLI_PLAN)
#define LISTERS (PLANNERS | CLI_INSPECT | CLI_COMPARE | CLI_BENCH)

/* clang-format off */
static const cli_option option_table[] = {
    { "output", 'o', OPTION_TEXT, "OUT", FIELD(output), 0, WRITERS | CLI_PLAN,
      "where to write" },
    { "scheme", 0, OPTION_TEXT, "SCHEME", FIELD(scheme), 0, PLANNERS,
      "what the matrices become (default: int4-g128)" },
    { "rule", 0, OPTION_RULE, "GLOB=SCHEME", 0, 0, PLANNERS,
      "another scheme for the tensors of these names; may be\nrepeated, the last match wins" },
    { "embeddings", 0, OPTION_TEXT, "SCHEME", FIELD(embeddings), 0, PLANNERS,
      "for the embeddings (default: keep)" },
    { "head", 0, OPTION_TEXT, "SCHEME", FIELD(head), 0, PLANNERS,
      "for the output head (default: keep)" },
    { "recipe", 0, OPTION_TEXT, "FILE", FIELD(recipe), 0, PLANNERS,
      "rules from a file: lines GLOB SCHEME, # before comments;\n"
      "the options above rank higher, and a first line * SCHEME\n"
      "stands for --scheme" },
    { "clip", 0, OPTION_CLIP, "minmax|mse|percentile:P", FIELD(clip), 0, PLANNERS,
      "scales that cover the whole range, of least squared error,\n"
      "or of a percentile (default: minmax for 8 bits, mse below)" },
    { "nonfinite", 0, OPTION_WORD, "zero|clamp", FIELD(nonfinite), 0, PLANNERS,
      "NaN becomes 0, infinities 0 or the largest value of their\n"
      "group (default: exit 4)" },
    { "fake-quant", 0, OPTION_FLAG, NULL, FIELD(fake_quant), 1, PLANNERS,
      "write the decoded values, named and typed as the input" },
    { "requantize", 0, OPTION_FLAG, NULL, FIELD(requantize), 1, PLANNERS,
      "take an input that is quantized already, and lose twice" },
    { "shard-size", 0, OPTION_SIZE, "SIZE", FIELD(shard_size), 0, PLANNERS,
      "largest weight file in a folder, such as 5GB (default:\n"
      "files as in the input); a tensor is never cut" },
    { "explain", 0, OPTION_TEXT, "TENSOR", FIELD(explain), 0, CLI_PLAN,
      "say who decided about one tensor, and what others said" },
    { "sweep", 0, OPTION_FLAG, NULL, FIELD(sweep), 1, CLI_PLAN,
      "try many schemes and group sizes on what would be\n"
      "quantized: bits a weight against SQNR" },
    { "csv", 0, OPTION_TEXT, "FILE", FIELD(csv), 0, CLI_PLAN,
      "of --sweep: the table as comma-separated values" },
    { "svg", 0, OPTION_TEXT, "FILE", FIELD(svg), 0, CLI_PLAN,
      "of --sweep: a picture with the Pareto front" },
    { "dry-run", 0, OPTION_FLAG, NULL, FIELD(dry_run), 1, CLI_QUANTIZE,
      "print the plan with exact sizes, write nothing" },
    { "shape", 0, OPTION_SHAPE, "R,C", FIELD(shape), 0, CLI_JOBS,
      "the input is a raw array of this shape: row-major, little-\n"
      "endian, nothing else in the file" },
    { "dtype", 0, OPTION_WORD, "f32|f16|bf16", FIELD(dtype), 0, CLI_JOBS,
      "its type; dequantize, without --shape: type of decoded\n"
      "tensors (default: f32)" },
    { "tensors", 0, OPTION_FLAG, NULL, FIELD(tensors), 1, CLI_INSPECT,
      "list every tensor" },
    { "check", 0, OPTION_FLAG, NULL, FIELD(check), 1, CLI_INSPECT,
      "read all data and prove it sound (exit 4 if not)" },
    { "stats", 0, OPTION_FLAG, NULL, FIELD(stats), 1, CLI_INSPECT,
      "read all data: min, max, mean, deviation, kurtosis, zeros,\n"
      "NaN, Inf, and the largest row's maximum over the median" },
    { "svg", 0, OPTION_TEXT, "FILE", FIELD(svg), 0, CLI_INSPECT,
      "--stats, and the histogram of one tensor as a picture" },
    { "tensor", 0, OPTION_TEXT, "NAME", FIELD(tensor), 0, CLI_INSPECT,
      "which one (default: the one with the most weights)" },
    { "scheme", 0, OPTION_TEXT, "SCHEME", FIELD(scheme), 0, CLI_INSPECT,
      "draw the grid of a scheme on it" },
    { "top", 0, OPTION_COUNT, "N", FIELD(top), 1000000000, CLI_COMPARE,
      "list the N worst tensors, 0: all (default: 10; JSON: all)" },
    { "min-sqnr", 0, OPTION_NUMBER, "DB", FIELD(min_sqnr), 0, CLI_COMPARE,
      "exit 3 when the SQNR of some tensor is below" },
    { "type", 0, OPTION_TEXT, "T,..", FIELD(types), 0, CLI_BENCH,
      "schemes, f32, f16, bf16 (default: f32,f16,int8-channel,\n"
      "int4-g128,int4-g32,nf4-g64; quantize: a list of its own)" },
    { "shape", 0, OPTION_TEXT, "NxK,..", FIELD(shapes), 0, CLI_BENCH,
      "outputs x inputs (default: 4096x4096)" },
    { "tokens", 0, OPTION_TEXT, "M,..", FIELD(tokens), 0, CLI_BENCH,
      "at once (default: 1,512; with --model: 1)" },
    { "acts", 0, OPTION_WORD, "f32|q8", FIELD(acts), 0, CLI_BENCH,
      "activations as they are, or int8 with integer products\n"
      "(default: q8 where the type has it, else f32)" },
    { "cold", 0, OPTION_FLAG, NULL, FIELD(place), WHIT_BENCH_COLD, CLI_BENCH,
      "weights come from memory: 1 GiB of others in between\n"
      "(default up to 16 tokens)" },
    { "warm", 0, OPTION_FLAG, NULL, FIELD(place), WHIT_BENCH_WARM, CLI_BENCH,
      "one weight again and again (default above 16 tokens)" },
    { "model", 0, OPTION_TEXT, "FILE", FIELD(model), 0, CLI_BENCH,
      "the matrices of a model, summed to a time per token" },
    { "clip", 0, OPTION_CLIP, "minmax|mse|percentile:P", FIELD(clip), 0, CLI_BENCH,
      "of quantize (default: as the command; alone: both)" },
    { "seconds", 0, OPTION_NUMBER, "S", FIELD(seconds), 0, CLI_BENCH,
      "to measure each row for (default: 0.7)" },
    { "pin", 0, OPTION_FLAG, NULL, FIELD(pin), 1, CLI_BENCH,
      "keep each thread on a processor of its own (Linux)" },
    { "list", 0, OPTION_FLAG, NULL, FIELD(list), 1, CLI_BENCH,
      "measure nothing: which operation runs at which level of\n"
      "WHIT_ISA, and why others have none of their own" },
    { "force", 'f', OPTION_FLAG, NULL, FIELD(force), 1, CLI_WORK,
      "replace an output that exists" },
    { "strict", 0, OPTION_FLAG, NULL, FIELD(strict), 1, PLANNERS | CLI_COMPARE,
      "exit 3 on what is a warning otherwise: a tensor that\n"
      "cannot have its scheme, a rule or tensor without match" },
    { "threads", 'T', OPTION_COUNT, "N", FIELD(threads), 1024, CLI_JOBS,
      "0: all cores, the default; never changes a result" },
    { "threads", 'T', OPTION_COUNT, "N", FIELD(threads), 256, CLI_BENCH,
      "0: all cores, the default" },
    { "max-memory", 0, OPTION_SIZE, "SIZE", FIELD(max_memory), 0, CLI_WORK,
      "ceiling for buffers, such as 512MiB or 4GiB\n"
      "(default: a quarter of the memory, at most 4GiB)" },
    { "json", 0, OPTION_JSON, "FILE", FIELD(json), 0, LISTERS,
      "JSON on stdout instead of the table, or in FILE beside it" },
    { "quiet", 'q', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_QUIET, CLI_WORK,
      "errors only: no table, warnings or progress bar" },
    { "verbose", 'v', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_VERBOSE, CLI_WORK,
      "every tensor in the table; on stderr what the work uses" },
    { "progress", 0, OPTION_WORD, "auto|plain|json|none", FIELD(progress), 0, CLI_WORK,
      "on stderr; auto: a bar where that is a terminal" },
    { "color", 0, OPTION_WORD, "auto|always|never", FIELD(color), 0, CLI_WORK,
      "auto: on terminals, unless NO_COLOR is set" },
    { "help", 'h', OPTION_HELP, NULL, 0, 0, CLI_ALL, "show this text" },
    { "version", 0, OPTION_VERSION, NULL, 0, 0, CLI_ALL, "show the version" },
};
/* clang-format on */

enum { OPTION_TABLE_LENGTH = sizeof option_table / sizeof option_table[0] };

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

static int bad(const cli_options *opt, const char *option, const char *what, const char *value)
{
    cli_error(opt, "%s: %s %s '%s'; try: whit help %s", opt->command->name, option, what, value,
              opt->command->name);
    return 0;
}

/* "minmax", "mse" or "percentile:P"; 0: none of them. */
static int read_clip(cli_options *opt, const char *value)
{
    static const char percentile[] = "percentile:";
    size_t len = sizeof percentile - 1;
    opt->clip = cli_read_word(value, "minmax|mse");
    if (opt->clip) return 1;
    if (strncmp(value, percentile, len) != 0) return 0;
    opt->clip = WHIT_CLIP_PERCENTILE;
    return cli_read_number(value + len, &opt->percentile) && opt->percentile > 0 &&
           opt->percentile <= 100;
}

/* 0: refused, and reported. */
static int set_option(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    char *field = (char *)opt + o->field;
    const char *end = NULL;
    uint64_t limit = (uint64_t)o->set;

    if (value && *value == '\0') return bad(opt, shown, "needs a value, not", value);
    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)(void *)field = o->set;
        break;
    case OPTION_TEXT:
        *(const char **)(void *)field = value;
        break;
    case OPTION_RULE:
        opt->rules[opt->rules_count++] = value;
        break;
    case OPTION_WORD:
        *(int *)(void *)field = cli_read_word(value, o->value);
        if (*(int *)(void *)field == 0) {
            cli_error(opt, "%s: %s takes %s, not '%s'", opt->command->name, shown, o->value, value);
            return 0;
        }
        break;
    case OPTION_CLIP:
        if (!read_clip(opt, value)) {
            cli_error(opt, "%s: %s takes %s with P above 0, at most 100, not '%s'",
                      opt->command->name, shown, o->value, value);
            return 0;
        }
        break;
    case OPTION_COUNT:
        if (!cli_read_count(value, limit, (uint64_t *)(void *)field, &end) || *end != '\0') {
            cli_error(opt, "%s: %s takes a number from 0 to %d, not '%s'", opt->command->name,
                      shown, o->set, value);
            return 0;
        }
        if (o->field == FIELD(top)) opt->top_given = 1;
        break;
    case OPTION_SIZE:
        if (!cli_read_size(value, (uint64_t *)(void *)field)) {
            return bad(opt, shown, "takes a size such as 512MiB, 4GiB or 5GB, not", value);
        }
        break;
    case OPTION_SHAPE:
        if (!cli_read_shape(value, (cli_shape *)(void *)field)) {
            return bad(opt, shown, "takes up to 8 whole numbers such as 4096,11008, not", value);
        }
        break;
    case OPTION_NUMBER:
        if (!cli_read_number(value, (double *)(void *)field)) {
            return bad(opt, shown, "takes a number, not", value);
        }
        break;
    case OPTION_JSON:
        opt->json = 1;
        opt->json_path = value;
        break;
    case OPTION_HELP:
    case OPTION_VERSION:
        break;
    }
    return 1;
}

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
    for (size_t i = 0; i < OPTION_TABLE_LENGTH; i++) {
        const cli_option *o = &option_table[i];
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
    int looks_like_option = value && value[0] == '-' && value[1] && o->kind != OPTION_NUMBER;
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
        bad(opt, shown, "takes no value, not", value);
        return CLI_BAD_USAGE;
    }
    if (!value && takes_value(o)) {
        value = next_value(opt, o, shown, args);
        if (!value) return CLI_BAD_USAGE;
    }
    return set_option(opt, o, shown, value) ? outcome_of(o) : CLI_BAD_USAGE;
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
        if (!set_option(opt, o, shown, value)) return CLI_BAD_USAGE;
        if (outcome_of(o) != CLI_RUN || value) return outcome_of(o);
    }
    return CLI_RUN;
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
    else if (opt->csv && opt->svg && strcmp(opt->csv, opt->svg) == 0)
        cli_error(opt, "%s: --csv and --svg name the same file; try: another name", name);
    else
        return 1;
    return 0;
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
    if (opt->operands_count > c->max_operands) {
        cli_error(opt, "%s: unexpected argument '%s'; usage: whit %s %s", c->name,
                  opt->operands[c->max_operands], c->name, c->operands);
    } else if (opt->operands_count < c->min_operands) {
        cli_error(opt, "%s: an input is missing; usage: whit %s %s", c->name, c->name, c->operands);
    } else if ((c->bit & WRITERS) && !opt->output && !opt->dry_run) {
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
    opt->operands = calloc((size_t)argc + 1, sizeof *opt->operands);
    opt->rules = calloc((size_t)argc + 1, sizeof *opt->rules);
    if (!opt->operands || !opt->rules) {
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
    return outcome == CLI_RUN ? check_operands(opt) : outcome;
}

void cli_options_free(cli_options *opt)
{
    free(opt->operands);
    free(opt->rules);
    opt->operands = NULL;
    opt->rules = NULL;
}

/* ---- help ------------------------------------------------------------------------------------ */

enum { HELP_COLUMN = 24 };

static void help_option(const cli_option *o, FILE *out)
{
    char left[80];
    const char *open = o->kind == OPTION_JSON ? "[=" : " ", *close = *open == '[' ? "]" : "";
    int n = snprintf(left, sizeof left, "  %c%c%s --%s%s%s%s", o->letter ? '-' : ' ',
                     o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
                     o->value ? open : "", o->value ? o->value : "", o->value ? close : "");
    fputs(left, out);
    if (n > HELP_COLUMN - 2)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - n, "");
    for (const char *p = o->help; *p; p++) {
        putc(*p, out);
        if (*p == '\n') fprintf(out, "%*s", HELP_COLUMN, "");
    }
    putc('\n', out);
}

static void help_whit(FILE *out)
{
    fputs("whit - quantize models: fewer bits a weight, measured\n"
          "\n"
          "usage: whit COMMAND [OPTIONS]\n"
          "\n"
          "commands:\n",
          out);
    for (const cli_command *c = cli_commands; c->name; c++) {
        fprintf(out, "  %-12s %s\n", c->name, c->brief);
    }
    fputs("\n"
          "Inputs are never changed. whit help COMMAND explains a command; --version, --help.\n"
          "WHIT_ISA=scalar, avx2, .. lowers the instruction set; the results stay the same.\n"
          "\n"
          "exit codes: 0 done, 1 the system failed or interrupted, 2 usage, 3 a bar was missed,\n"
          "4 the input is malformed or unsupported, or holds NaN where it must not\n"
          "\n"
          "example:\n"
          "  whit quantize Llama-3.1-8B/ -o out/ --scheme int4-g128\n",
          out);
}

void cli_help(const cli_command *command, FILE *out)
{
    if (!command) {
        help_whit(out);
        return;
    }
    fprintf(out, "whit %s - %s\n\nusage: whit %s %s%s\n\n%s\noptions:\n", command->name,
            command->brief, command->name, command->operands,
            command->bit & CLI_WORK ? " [OPTIONS]" : "", command->about);
    for (size_t i = 0; i < OPTION_TABLE_LENGTH; i++) {
        if (option_table[i].commands & command->bit) help_option(&option_table[i], out);
    }
    fprintf(out, "\nexample:\n  %s\n", command->example);
}
