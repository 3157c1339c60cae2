/* tools/cli.h - what the commands of the whit tool share: options, messages, progress, exit codes.
 *
 * One table (options.c) holds every option; the parser and the help read it, so they cannot
 * disagree.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TOOLS_CLI_H
#define WHIT_TOOLS_CLI_H

#include <signal.h>

#include <whit/whit.h>

#if defined(__GNUC__) || defined(__clang__)
#define CLI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CLI_PRINTF(fmt, args)
#endif

/* ---- exit codes (README has the table) ------------------------------------------------------- */

enum {
    CLI_EXIT_OK = 0,
    CLI_EXIT_SYSTEM = 1,
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_BAR = 3,
    CLI_EXIT_INPUT = 4,
    CLI_EXIT_RESUMABLE = 75 /* interrupted; the same command goes on */
};

int cli_exit_code(whit_status status);

/* ---- commands and options (cli.c) ------------------------------------------------------------ */

enum { /* bits of cli_option.commands */
       CLI_QUANTIZE = 1,
       CLI_DEQUANTIZE = 2,
       CLI_INSPECT = 4,
       CLI_COMPARE = 8,
       CLI_PLAN = 16,
       CLI_JOBS = 31,                               /* every command that opens a model */
       CLI_WRITERS = CLI_QUANTIZE | CLI_DEQUANTIZE, /* they have an output */
       CLI_HELP = 32,
       CLI_BENCH = 64,
       CLI_EVAL = 128,
       CLI_CALIBRATE = 1024,
       CLI_VERIFY = 2048,
       /* every command that takes threads and memory */
       CLI_WORK = CLI_JOBS | CLI_BENCH | CLI_EVAL | CLI_CALIBRATE | CLI_VERIFY,
       CLI_GENERATE = 256,
       CLI_TOKENIZE = 512,
       CLI_RUNNERS = CLI_GENERATE | CLI_TOKENIZE, /* they go on with a text, or take one apart */
       CLI_ALL = 4095
};

typedef struct cli_options cli_options;

typedef struct cli_command {
    const char *name;
    unsigned bit;
    int (*run)(const cli_options *opt); /* returns the exit code                        */
    size_t min_operands, max_operands;
    const char *operands; /* "IN -o OUT", for the usage line                            */
    const char *brief;    /* one line                                                   */
    const char *about;    /* a paragraph, each line ended by \n                         */
    const char *example;
} cli_command;

extern const cli_command cli_commands[]; /* whit.c; ends with a row whose name is NULL */

/* Options with a list of words hold the number of the word, counted from 1; 0 is not given. */
enum { CLI_PROGRESS_AUTO = 1, CLI_PROGRESS_PLAIN, CLI_PROGRESS_JSON, CLI_PROGRESS_NONE };
enum { CLI_COLOR_AUTO = 1, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };
enum { CLI_DTYPE_F32 = 1, CLI_DTYPE_F16, CLI_DTYPE_BF16 };
enum { CLI_ACTS_F32 = 1, CLI_ACTS_Q8, CLI_ACTS_BF16 };
enum { CLI_VERBOSITY_QUIET = -1, CLI_VERBOSITY_VERBOSE = 1 };

/* What calibrate and methods read: --text, --ids, --activations in the order given. */
typedef struct cli_feed {
    whit_feed_kind kind;
    const char *value;
} cli_feed;

#define CLI_TOP_UNSET UINT64_MAX /* --top was not given */
#define CLI_UNSET UINT64_MAX
#define CLI_NEW_TOKENS 256 /* of generate, unless --tokens says */

typedef struct cli_shape {
    uint32_t rank; /* 0: not given */
    uint64_t size[WHIT_MAX_RANK];
} cli_shape;

struct cli_options {
    const cli_command *command;
    const char **operands; /* [operands_count], in argv                                  */
    size_t operands_count;
    const char **rules; /* [rules_count], in argv; of eval the bars                      */
    size_t rules_count;
    cli_feed *feeds; /* [feeds_count], values in argv */
    size_t feeds_count;
    const char **reads; /* [reads_count], in argv: every path that is named as something to read,
                           and that is there (reads.c) */
    size_t reads_count;
    const char *output, *scheme, *embeddings, *head, *recipe;
    const char *explain;      /* a tensor; NULL: not asked for                               */
    const char *svg, *tensor; /* a picture, and what it shows                              */
    const char *csv;
    const char *json_path; /* of --json=FILE; NULL: JSON goes to stdout                  */
    uint64_t max_memory, shard_size;
    uint64_t threads, top;
    cli_shape shape; /* of a raw array                                                   */
    double min_sqnr; /* NaN when there is no bar                                         */
    double percentile;
    int nonfinite; /* number of the word, which is the value of whit_nonfinite             */
    int fake_quant;
    int requantize;
    int format;       /* number of the word, which is the value of whit_format                */
    int gptq_version; /* number of the word, which is the version                            */
    int search;       /* number of the word: 1 best, 2 reference; 0: not given               */
    const char *calibration;
    int observer; /* number of the word; 4: observer_percent */
    double observer_percent;
    int clip; /* number of the word, which is the value of whit_clip              */
    int dtype, progress, color;
    int verbosity;
    int json, force, strict, dry_run, tensors, check, stats, sweep;
    const char *types, *shapes, *tokens, *model; /* of bench, as they were given            */
    const char *synthetic;
    double seconds; /* 0: not given                            */
    int acts;       /* number of the word, which is the value of whit_bench_acts                */
    int place;      /* the value of whit_bench_place           */
    int pin, list;
    const char *prompt, *text; /* of generate; a file, of tokenize "-" is stdin               */
    uint64_t new_tokens, seed;
    double temperature, top_p;
    int decode;
    const char *choices, *base;          /* of eval                                           */
    int protocol;                        /* number of the word: whit_eval_protocol + 1        */
    uint64_t context, token_limit;       /* 0: not given                                      */
    int hessian, resume, merge, compare; /* of calibrate; resume of methods too        */
    const char *method, *alpha;          /* NULL: not given                                   */
    double damping, qep;                 /* NaN: not given                                    */
    uint64_t cd_passes;                  /* CLI_UNSET: not given                              */
    int act_order, static_groups;
    int provenance;      /* of inspect                                        */
    const char *against; /* of verify                                         */
    uint64_t sample;
};

/* The feeds of the command line (feeds.c). */
typedef struct cli_feeds {
    whit_feed *feed; /* [count] */
    size_t count;
    char **owned; /* names of inputs, and what standard input held */
    size_t owned_count;
} cli_feeds; /* zero-initialise */

/* WHIT_ERR_ARG where standard input would be read more than once: by two feeds, for two inputs, or
 * by the run that goes on. */
whit_status cli_feeds_check(const cli_options *opt, whit_error *err);
/* Errors: WHIT_ERR_ARG, those of reading standard input. Close then, too. */
whit_status cli_feeds_open(cli_feeds *feeds, const cli_options *opt, whit_error *err);
void cli_feeds_close(cli_feeds *feeds);

typedef enum cli_outcome {
    CLI_RUN,
    CLI_SHOW_HELP,
    CLI_SHOW_VERSION,
    CLI_BAD_USAGE,
    CLI_NO_MEMORY
} cli_outcome;

/* Read the arguments after the command's name. What is wrong has been reported. Call
 * cli_options_free whatever comes back. */
cli_outcome cli_parse(cli_options *opt, const cli_command *command, int argc, char **argv);
void cli_options_free(cli_options *opt);

/* The command of that name, or NULL. */
const cli_command *cli_command_find(const char *name);
/* Report a name that is no command, with the nearest one; returns the exit code. */
int cli_command_unknown(const char *name);

/* ---- help (help.c) --------------------------------------------------------------------------- */

void cli_help(const cli_command *command, FILE *out); /* NULL: of whit itself */

/* ---- text of values (text.c) ----------------------------------------------------------------- */

enum { CLI_NEAR_EDITS = 2, CLI_NEAR_LENGTH = 40 };
/* Edits from a to b; SIZE_MAX when one of them is longer than CLI_NEAR_LENGTH. */
size_t cli_edit_distance(const char *a, const char *b);

/* These return 0 when the text is refused. */
/* The digits at the start of text, up to limit (at least 9); *end is what follows them. */
int cli_read_count(const char *text, uint64_t limit, uint64_t *out, const char **end);
/* 4096, 512MiB, 4GiB, 5GB, ..: at least 1. */
int cli_read_size(const char *text, uint64_t *out);
/* 4096,11008: one to eight whole numbers. */
int cli_read_shape(const char *text, cli_shape *out);
int cli_read_number(const char *text, double *out); /* infinity is one, NaN is not */
/* Number of the word in "one|two|three", counted from 1. */
int cli_read_word(const char *text, const char *words);

#define CLI_SHORT 72
/* The name in a buffer of size bytes (at least 8); a long one loses its middle to "...". */
const char *cli_short(char *buf, size_t size, const char *name);

/* ---- inputs (input.c) ------------------------------------------------------------------------ */

/* The type that --dtype names. */
whit_dtype cli_dtype(const cli_options *opt);
/* --acts, f32 unless it is given. */
whit_acts cli_acts(const cli_options *opt);
/* The model in path or, with --shape, the raw array. */
whit_status cli_open(whit_source **out, const cli_options *opt, const char *path, whit_error *err);
/* The second one of compare: with --shape also a model, and a raw array only if it is none. */
whit_status cli_open_other(whit_source **out, const cli_options *opt, const char *path,
                           whit_error *err);

/* A whole file, or with "-" all of standard input. *data is freed with free(). Errors: WHIT_ERR_IO,
 * WHIT_ERR_NOMEM, WHIT_ERR_CANCELLED (a signal came while it waited). */
whit_status cli_read_text(const char *path, char **data, size_t *len, whit_error *err);

/* ---- what is read, and never replaced (reads.c) ---------------------------------------------- */

/* Fill opt->reads, which has room for all of the arguments. */
void cli_reads_list(cli_options *opt);
/* The folder that a file of this path is in, as "DIR/." or ".". NULL: no memory. free() it. */
char *cli_folder(const char *path);
/* 1: *st is of what the path leads to. 0: that is nothing. -1: errno says why it is not known. */
struct stat;
int cli_look(const char *path, struct stat *st);
/* WHIT_ERR_ARG if the file in path (NULL is fine) is there and is one of opt->reads, may be read
 * with a folder that is one of them, or belongs to a model's file among them: no result may replace
 * it. Outputs of jobs are kept off them by the library. WHIT_ERR_IO when the system does not say.
 * Names that are free are fine everywhere. */
whit_status cli_reads_check(const cli_options *opt, const char *path, whit_error *err);
/* 1 if both name the same file, or would if there were one. */
int cli_same_place(const char *a, const char *b);
/* 1 if path, or the file that it leads to, lies directly in the folder; 0 if that is none. */
int cli_is_inside(const char *path, const char *folder);

/* ---- messages (output.c) --------------------------------------------------------------------- */

/* One line on stderr each. Warnings fall silent under --quiet, notes need --verbose. Only
 * cli_error takes a NULL opt. */
void cli_error(const cli_options *opt, const char *fmt, ...) CLI_PRINTF(2, 3);
void cli_warn(const cli_options *opt, const char *fmt, ...) CLI_PRINTF(2, 3);
void cli_note(const cli_options *opt, const char *fmt, ...) CLI_PRINTF(2, 3);

/* Fill *err and return status. */
whit_status cli_fail(whit_error *err, whit_status status, const char *fmt, ...) CLI_PRINTF(3, 4);

/* Report a failed status (WHIT_OK is fine); returns the exit code, which of an interrupted run with
 * --resume is CLI_EXIT_RESUMABLE. */
int cli_finish(const cli_options *opt, whit_status status, const whit_error *err);

/* What the container had to say, as warnings. */
void cli_source_warnings(const cli_options *opt, const whit_source *source);

/* WHIT_TEXT_COLOR where stdout is to be coloured. */
int cli_text_flags(const cli_options *opt);

/* ---- files of results (results.c) ------------------------------------------------------------ */

/* From here on a signal that would end the command takes unfinished files of results with it; jobs
 * look after signals by themselves (progress.c). */
void cli_results_guard(void);

/* Where results go: the table to stdout, JSON to stdout or to a file of its own. */
typedef struct cli_results {
    FILE *table; /* NULL: not wanted                                                     */
    FILE *json;  /* NULL: not wanted                                                     */
    char *temp;  /* temporary name of the JSON file; NULL: written in place, or stdout   */
    const char *path;
    int force; /* what is there by the end may be replaced                               */
} cli_results;

/* Opens the JSON file under a temporary name, before the work begins, so that a job of hours does
 * not end in "permission denied". An existing file needs --force and may be no input (reads.c, and
 * the files of the sources, NULL allowed). Close it in any case. */
whit_status cli_results_open(cli_results *results, const cli_options *opt, const whit_source *a,
                             const whit_source *b, whit_error *err);
/* The same for the file of another option (--svg, --csv), in results->json. */
whit_status cli_results_file(cli_results *results, const cli_options *opt, const char *option,
                             const char *path, const whit_source *source, whit_error *err);
/* As cli_results_open, before models are opened by these paths (NULL: none): looks at their files
 * only where the JSON file is there already. */
whit_status cli_results_before(cli_results *results, const cli_options *opt, const char *a,
                               const char *b, whit_error *err);
/* WHIT_ERR_ARG if the JSON file is an input of this source or the output of these options. */
whit_status cli_results_check(const cli_options *opt, const whit_source *source, whit_error *err);
/* All was written: give the JSON file its name. */
whit_status cli_results_commit(cli_results *results, whit_error *err);
/* Without commit the JSON file is removed. */
void cli_results_close(cli_results *results);

/* ---- progress and signals (progress.c) ------------------------------------------------------- */

enum { CLI_SIGNALS = 3 };

typedef struct cli_progress {
    int style;                            /* CLI_PROGRESS_..; AUTO is the bar             */
    int no_rate;                          /* what is done is not counted in bytes         */
    double next;                          /* second at which the next one is due          */
    size_t width;                         /* of the bar that stands on the terminal       */
    struct sigaction before[CLI_SIGNALS]; /* put back at the end                          */
} cli_progress;

/* From here until the end SIGINT, SIGTERM and SIGHUP stop the job, which then cleans up. */
void cli_progress_begin(cli_progress *progress, const cli_options *opt);
void cli_progress_end(cli_progress *progress); /* also clears the bar */
/* 1 from the first of these signals on. */
int cli_interrupted(void);

/* The options that all jobs share, with progress as their whit_progress_fn. */
void cli_job_options(whit_job_options *job, const cli_options *opt, cli_progress *progress);

/* ---- the commands ---------------------------------------------------------------------------- */

int cli_quantize(const cli_options *opt);
/* whit_plan_make, and what the options say beside it. */
whit_status cli_plan_make(whit_plan **plan, const whit_source *source,
                          const whit_quantize_options *options, const cli_options *opt,
                          const char *output, whit_error *err);
/* One input: that of opt, which has no other. results: NULL, or open already for all inputs. */
whit_status cli_quantize_one(const cli_options *opt, cli_results *results, whit_error *err);
/* The options of quantize and plan, with progress as their whit_progress_fn. */
void cli_quantize_options(whit_quantize_options *options, const cli_options *opt,
                          cli_progress *progress);
/* An option that was given and belongs to --method; NULL: there is none. */
const char *cli_method_option(const cli_options *opt);
int cli_batch(const cli_options *opt); /* cli_quantize_one for each of several inputs */
int cli_plan(const cli_options *opt);
int cli_dequantize(const cli_options *opt);
int cli_inspect(const cli_options *opt);
int cli_compare(const cli_options *opt);
int cli_bench(const cli_options *opt);
int cli_eval(const cli_options *opt);
int cli_calibrate(const cli_options *opt);
int cli_generate(const cli_options *opt);
int cli_tokenize(const cli_options *opt);
int cli_verify(const cli_options *opt);

#endif
