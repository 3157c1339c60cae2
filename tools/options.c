/* tools/options.c - the option table, and how the value of an option becomes a field of
 * cli_options.
 *
 * Not here: how the arguments are taken apart (cli.c), how the text of a value is read (text.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "option.h"

#include <inttypes.h>
#include <string.h>

#define FIELD(name) offsetof(cli_options, name)
#define PLANNERS (CLI_QUANTIZE | CLI_PLAN)
#define LISTERS                                                                                    \
    (PLANNERS | CLI_INSPECT | CLI_COMPARE | CLI_BENCH | CLI_EVAL | CLI_CALIBRATE | CLI_VERIFY)
#define SEED_LIMIT (-1) /* as a uint64_t: all of them */

/* clang-format off */
const cli_option cli_option_table[] = {
    { "output", 'o', OPTION_TEXT, "OUT", FIELD(output), 0, CLI_WRITERS,
      "where to write" },
    { "format", 0, OPTION_WORD, "native|gguf|compressed-tensors|gptq|awq|bitsandbytes",
      FIELD(format), 0, PLANNERS,
      "of the output (default: gguf for a name in .gguf, else\n"
      "native)" },
    { "gptq-version", 0, OPTION_WORD, "1|2", FIELD(gptq_version), 0, PLANNERS,
      "of --format gptq (default: 2 where there are zero points)" },
    { "output", 'o', OPTION_TEXT, "OUT", FIELD(output), 0, CLI_PLAN,
      "where quantize would write" },
    { "scheme", 0, OPTION_TEXT, "SCHEME", FIELD(scheme), 0, PLANNERS,
      "what the matrices become (default: int4-g128); GGUF: a\n"
      "type, or a mix of types (default: q4_k_m)" },
    { "rule", 0, OPTION_RULE, "GLOB=SCHEME", 0, 0, PLANNERS,
      "another scheme for the tensors of these names; may be\nrepeated, the last match wins" },
    { "embeddings", 0, OPTION_TEXT, "SCHEME", FIELD(embeddings), 0, PLANNERS,
      "for the embeddings (default: keep)" },
    { "head", 0, OPTION_TEXT, "SCHEME", FIELD(head), 0, PLANNERS,
      "for the output head (default: keep)" },
    { "recipe", 0, OPTION_READ, "FILE", FIELD(recipe), 0, PLANNERS,
      "rules from a file: lines GLOB SCHEME, # before comments;\n"
      "the options above rank higher, and a first line * SCHEME\n"
      "stands for --scheme" },
    { "clip", 0, OPTION_CLIP, "minmax|mse|percentile:P", FIELD(clip), 0, PLANNERS,
      "scales that cover the whole range, of least squared error,\n"
      "or of a percentile (default: minmax for 8 bits, mse below)" },
    { "search", 0, OPTION_WORD, "best|reference", FIELD(search), 0, PLANNERS,
      "GGUF types: of least error, or the bytes of the reference\n"
      "encoders (default: best)" },
    { "calibration", 0, OPTION_READ, "FILE", FIELD(calibration), 0, PLANNERS,
      "weigh errors by what the matrices are multiplied with: a\n"
      "state of whit calibrate, or an importance matrix of\n"
      "llama.cpp (.dat or .gguf)" },
    { "observer", 0, OPTION_OBSERVER, "minmax|entropy|mse|percentile:P", FIELD(observer), 0, PLANNERS,
      "which range of activations schemes with -a8s cover, from\n"
      "the state that --calibration names (default: minmax)" },
    { "method", 0, OPTION_TEXT, "METHOD", FIELD(method), 0, PLANNERS,
      "gptq, awq, smoothquant, hqq, awq+gptq, smoothquant+gptq:\n"
      "codes that keep what a layer gives. Learns from --text\n"
      "layer by layer, or from the state of --calibration; hqq\n"
      "from nothing" },
    { "text", 0, OPTION_FEED, "FILE", 0, WHIT_FEED_TEXT, PLANNERS,
      "of --method: run the model on this text; -: standard\n"
      "input; may be repeated" },
    { "ids", 0, OPTION_FEED, "FILE", 0, WHIT_FEED_IDS, PLANNERS,
      "the same with ids of tokens, as tokenize prints them" },
    { "tokens", 0, OPTION_COUNT, "N", FIELD(token_limit), 2147483647, PLANNERS,
      "of each text only the first N (default: all)" },
    { "context", 0, OPTION_COUNT, "N", FIELD(context), 268435456, PLANNERS,
      "tokens of a window of text (default: those that the model\n"
      "was made for, at most 2048)" },
    { "damping", 0, OPTION_NUMBER, "X", FIELD(damping), 0, PLANNERS,
      "gptq: share of the mean of the Hessian's diagonal that is\n"
      "added to it (default: 0.01)" },
    { "act-order", 0, OPTION_FLAG, NULL, FIELD(act_order), 1, PLANNERS,
      "gptq: columns with the largest inputs first (default: in\n"
      "each group)" },
    { "static-groups", 0, OPTION_FLAG, NULL, FIELD(static_groups), 1, PLANNERS,
      "gptq: scales from the weights as they came" },
    { "cd-passes", 0, OPTION_COUNT, "N", FIELD(cd_passes), 100, PLANNERS,
      "gptq: of coordinate descent afterwards (default: 3, with\n"
      "fewer than two tokens a column 0)" },
    { "qep", 0, OPTION_NUMBER, "X", FIELD(qep), 0, PLANNERS,
      "gptq with --text: share of the errors of the layers before\n"
      "that weights make up for, 0 to 1 (default: 0.5)" },
    { "alpha", 0, OPTION_TEXT, "A|auto", FIELD(alpha), 0, PLANNERS,
      "smoothquant: how much moves into the weights, 0 to 1\n"
      "(default: auto, the best of each set; of a state 0.5)" },
    { "resume", 0, OPTION_FLAG, NULL, FIELD(resume), 1, CLI_QUANTIZE,
      "of --method: when interrupted keep what was done in\n"
      "OUT.partial (exit 75), and go on from there" },
    { "nonfinite", 0, OPTION_WORD, "zero|clamp", FIELD(nonfinite), 0, PLANNERS,
      "NaN becomes 0, infinities 0 or the largest value of their\n"
      "group (default: exit 4)" },
    { "fake-quant", 0, OPTION_FLAG, NULL, FIELD(fake_quant), 1, PLANNERS,
      "write the decoded values, named and typed as the input" },
    { "requantize", 0, OPTION_FLAG, NULL, FIELD(requantize), 1, PLANNERS,
      "take an input that is quantized already, and lose twice" },
    { "shard-size", 0, OPTION_SIZE, "SIZE", FIELD(shard_size), 0, PLANNERS,
      "largest weight file in a folder, or part of a GGUF file,\n"
      "such as 5GB (default: files as in the input, one GGUF\n"
      "file); a tensor is never cut" },
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
    { "dtype", 0, OPTION_WORD, "f32|f16|bf16", FIELD(dtype), 0, CLI_JOBS & ~CLI_DEQUANTIZE,
      "its type (default: f32)" },
    { "dtype", 0, OPTION_WORD, "f32|f16|bf16", FIELD(dtype), 0, CLI_DEQUANTIZE,
      "its type; without --shape: that of decoded tensors\n"
      "(default: f32)" },
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
    { "provenance", 0, OPTION_FLAG, NULL, FIELD(provenance), 1, CLI_INSPECT,
      "say only who made it how: version, recipe, options, hashes" },
    { "against", 0, OPTION_READ, "SOURCE", FIELD(against), 0, CLI_VERIFY,
      "the model that it was made from: make tensors again by the\n"
      "file's own recipe, and compare the bytes" },
    { "sample", 0, OPTION_COUNT, "N", FIELD(sample), 1000000000, CLI_VERIFY,
      "how many tensors to make again, 0: all (default: 16)" },
    { "calibration", 0, OPTION_READ, "FILE", FIELD(calibration), 0, CLI_VERIFY,
      "of --against: what the file was made with" },
    { "top", 0, OPTION_COUNT, "N", FIELD(top), 1000000000, CLI_COMPARE,
      "list the N worst tensors, 0: all (default: 10; JSON: all)" },
    { "min-sqnr", 0, OPTION_NUMBER, "DB", FIELD(min_sqnr), 0, CLI_COMPARE,
      "exit 3 when the SQNR of some tensor is below" },
    { "type", 0, OPTION_TEXT, "T,..", FIELD(types), 0, CLI_BENCH,
      "schemes, types of GGUF (gguf:mxfp4: not our kind of that\n"
      "name), f32, f16, bf16 (default: f32,f16,int8-channel,\n"
      "int4-g128,int4-g32,nf4-g64; quantize: a list of its own)" },
    { "shape", 0, OPTION_TEXT, "NxK,..", FIELD(shapes), 0, CLI_BENCH,
      "outputs x inputs (default: 4096x4096)" },
    { "tokens", 0, OPTION_TEXT, "M,..", FIELD(tokens), 0, CLI_BENCH,
      "at once (default: 1,512; with --model: 1)" },
    { "acts", 0, OPTION_WORD, "f32|q8|bf16", FIELD(acts), 0, CLI_BENCH,
      "activations as they are, int8 with integer products, or\n"
      "rounded to bfloat16 as the weights are (only AMX; default:\n"
      "q8 where the type has it, else f32)" },
    { "cold", 0, OPTION_FLAG, NULL, FIELD(place), WHIT_BENCH_COLD, CLI_BENCH,
      "weights come from memory: 1 GiB of others in between\n"
      "(default up to 16 tokens)" },
    { "warm", 0, OPTION_FLAG, NULL, FIELD(place), WHIT_BENCH_WARM, CLI_BENCH,
      "one weight again and again (default above 16 tokens)" },
    { "model", 0, OPTION_READ, "FILE", FIELD(model), 0, CLI_BENCH,
      "the matrices of a model, summed to a time per token" },
    { "synthetic", 0, OPTION_TEXT, "WIDTHxLAYERS", FIELD(synthetic), 0, CLI_BENCH,
      "model: a Llama of this size with made-up weights, such as\n"
      "1024x8, instead of MODEL" },
    { "clip", 0, OPTION_CLIP, "minmax|mse|percentile:P", FIELD(clip), 0, CLI_BENCH,
      "of quantize (default: as the command; alone: both)" },
    { "seconds", 0, OPTION_NUMBER, "S", FIELD(seconds), 0, CLI_BENCH,
      "to measure each row for (default: 0.7; gptq: 2)" },
    { "pin", 0, OPTION_FLAG, NULL, FIELD(pin), 1, CLI_BENCH,
      "keep each thread on a processor of its own (Linux)" },
    { "list", 0, OPTION_FLAG, NULL, FIELD(list), 1, CLI_BENCH,
      "measure nothing: which operation runs at which level of\n"
      "WHIT_ISA, and why others have none of their own" },
    { "text", 0, OPTION_READ, "FILE", FIELD(text), 0, CLI_EVAL,
      "perplexity of this text" },
    { "choices", 0, OPTION_READ, "FILE", FIELD(choices), 0, CLI_EVAL,
      "multiple choice: a JSON object a line" },
    { "base", 0, OPTION_READ, "MODEL", FIELD(base), 0, CLI_EVAL,
      "the model that MODEL was made from: what was lost" },
    { "protocol", 0, OPTION_WORD, "window|chunk|half|story", FIELD(protocol), 0, CLI_EVAL,
      "how the text is cut (default: window)" },
    { "context", 0, OPTION_COUNT, "N", FIELD(context), 268435456, CLI_EVAL,
      "tokens of a window (default: those that the models were\n"
      "made for, at most 2048)" },
    { "tokens", 0, OPTION_COUNT, "N", FIELD(token_limit), 2147483647, CLI_EVAL,
      "read the first N tokens of the text only (default: all)" },
    { "acts", 0, OPTION_WORD, "f32|q8|bf16", FIELD(acts), 0, CLI_EVAL,
      "activations as they are (8 bits all the same where a scheme\n"
      "says a8), int8 where a kernel takes them, or\n"
      "rounded to bfloat16 as the weights are (only AMX;\n"
      "default: f32; the base always has f32)" },
    { "fail-if", 0, OPTION_RULE, "NAME>X", 0, 0, CLI_EVAL,
      "exit 3 when a result is so: names of the JSON, < <= > >=,\n"
      "several with commas; may be repeated" },
    { "text", 0, OPTION_FEED, "FILE", 0, WHIT_FEED_TEXT, CLI_CALIBRATE,
      "run the model on this text; -: standard input; may be\n"
      "repeated, each text is cut into windows by itself" },
    { "ids", 0, OPTION_FEED, "FILE", 0, WHIT_FEED_IDS, CLI_CALIBRATE,
      "the same with ids of tokens, as tokenize prints them" },
    { "activations", 0, OPTION_FEED, "NAME=FILE", 0, WHIT_FEED_ACTIVATIONS, CLI_CALIBRATE,
      "instead of a model: what came into the matrix NAME, a NumPy\n"
      "array [samples, columns]; may be repeated" },
    { "output", 'o', OPTION_TEXT, "OUT", FIELD(output), 0, CLI_CALIBRATE,
      "the state; an importance matrix of llama.cpp for a name in\n"
      ".dat or .gguf" },
    { "tokens", 0, OPTION_COUNT, "N", FIELD(token_limit), 2147483647, CLI_CALIBRATE,
      "read the first N tokens of each text only (default: all)" },
    { "context", 0, OPTION_COUNT, "N", FIELD(context), 268435456, CLI_CALIBRATE,
      "tokens of a window (default: those that the model was made\n"
      "for, at most 2048)" },
    { "hessian", 0, OPTION_FLAG, NULL, FIELD(hessian), 1, CLI_CALIBRATE,
      "X^T X of every input too, for methods that need it; what\n"
      "exceeds --max-memory goes to a file meanwhile" },
    { "resume", 0, OPTION_FLAG, NULL, FIELD(resume), 1, CLI_CALIBRATE,
      "when interrupted keep what was done in OUT.partial (exit\n"
      "75), and go on from there" },
    { "merge", 0, OPTION_FLAG, NULL, FIELD(merge), 1, CLI_CALIBRATE,
      "states into one; A:0.7 B:0.3 mixes their means" },
    { "compare", 0, OPTION_FLAG, NULL, FIELD(compare), 1, CLI_CALIBRATE,
      "how alike two states are, input by input" },
    { "prompt", 0, OPTION_STRING, "TEXT", FIELD(prompt), 0, CLI_GENERATE,
      "what the model goes on with; -: standard input, as it is\n"
      "(default: nothing, the start of a text)" },
    { "tokens", 0, OPTION_COUNT, "N", FIELD(new_tokens), 1000000000, CLI_GENERATE,
      "new ones at most (default: 256)" },
    { "temperature", 0, OPTION_NUMBER, "T", FIELD(temperature), 0, CLI_GENERATE,
      "draw tokens by lot, the higher the wilder; 0: take the\n"
      "likeliest one (default: 0)" },
    { "top-p", 0, OPTION_NUMBER, "P", FIELD(top_p), 0, CLI_GENERATE,
      "draw among the likeliest tokens that have P of all\n"
      "probability together (default: 1)" },
    { "seed", 0, OPTION_COUNT, "S", FIELD(seed), SEED_LIMIT, CLI_GENERATE,
      "of the lot: the same one, the same text (default: 0)" },
    { "acts", 0, OPTION_WORD, "f32|q8|bf16", FIELD(acts), 0, CLI_GENERATE,
      "activations as they are, int8 with integer products where\n"
      "the weights have it, or rounded to bfloat16 as the weights\n"
      "are (only AMX; default: f32)" },
    { "text", 0, OPTION_READ, "FILE", FIELD(text), 0, CLI_TOKENIZE,
      "what to take apart, octet by octet as it is; -: standard\n"
      "input" },
    { "decode", 0, OPTION_FLAG, NULL, FIELD(decode), 1, CLI_TOKENIZE,
      "FILE holds ids, or what --json printed: print the text" },
    { "json", 0, OPTION_JSON, "FILE", FIELD(json), 0, CLI_TOKENIZE,
      "JSON on stdout instead of lines, or in FILE beside them" },
    { "force", 'f', OPTION_FLAG, NULL, FIELD(force), 1, CLI_TOKENIZE,
      "replace a file of --json that exists" },
    { "threads", 'T', OPTION_COUNT, "N", FIELD(threads), 256, CLI_GENERATE,
      "0: all cores, the default; never changes the text" },
    { "quiet", 'q', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_QUIET, CLI_RUNNERS,
      "nothing but errors on stderr" },
    { "verbose", 'v', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_VERBOSE, CLI_GENERATE,
      "on stderr the model, and which path each matrix takes" },
    { "verbose", 'v', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_VERBOSE, CLI_TOKENIZE,
      "on stderr what the vocabulary is" },
    { "color", 0, OPTION_WORD, "auto|always|never", FIELD(color), 0, CLI_RUNNERS,
      "auto: on terminals, unless NO_COLOR is set" },
    { "force", 'f', OPTION_FLAG, NULL, FIELD(force), 1, CLI_WORK,
      "replace an output that exists" },
    { "strict", 0, OPTION_FLAG, NULL, FIELD(strict), 1, PLANNERS | CLI_COMPARE,
      "exit 3 on what is a warning otherwise: a tensor that\n"
      "cannot have its scheme, a rule or tensor without match" },
    { "threads", 'T', OPTION_COUNT, "N", FIELD(threads), 1024,
      CLI_JOBS | CLI_EVAL | CLI_CALIBRATE | CLI_VERIFY,
      "0: all cores, the default; never changes a result" },
    { "threads", 'T', OPTION_COUNT, "N", FIELD(threads), 256, CLI_BENCH,
      "0: all cores, the default" },
    { "max-memory", 0, OPTION_SIZE, "SIZE", FIELD(max_memory), 0, CLI_EVAL | CLI_CALIBRATE,
      "ceiling for weights and buffers, such as 512MiB or 4GiB\n"
      "(default: none)" },
    { "max-memory", 0, OPTION_SIZE, "SIZE", FIELD(max_memory), 0, CLI_WORK & ~(CLI_EVAL | CLI_CALIBRATE),
      "ceiling for buffers, such as 512MiB or 4GiB\n"
      "(default: a quarter of the memory, at most 4GiB)" },
    { "json", 0, OPTION_JSON, "FILE", FIELD(json), 0, LISTERS,
      "JSON on stdout instead of the table, or in FILE beside it" },
    { "quiet", 'q', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_QUIET, CLI_WORK,
      "errors only: no table, warnings or progress bar" },
    { "verbose", 'v', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_VERBOSE,
      PLANNERS | CLI_INSPECT, "every tensor in the table; on stderr what the work uses" },
    { "verbose", 'v', OPTION_FLAG, NULL, FIELD(verbosity), CLI_VERBOSITY_VERBOSE,
      CLI_DEQUANTIZE | CLI_COMPARE | CLI_BENCH | CLI_EVAL | CLI_CALIBRATE | CLI_VERIFY,
      "on stderr what the work uses" },
    { "progress", 0, OPTION_WORD, "auto|plain|json|none", FIELD(progress), 0, CLI_WORK,
      "on stderr; auto: a bar where that is a terminal" },
    { "color", 0, OPTION_WORD, "auto|always|never", FIELD(color), 0, CLI_WORK,
      "auto: on terminals, unless NO_COLOR is set" },
    { "help", 'h', OPTION_HELP, NULL, 0, 0, CLI_ALL, "show this text" },
    { "version", 0, OPTION_VERSION, NULL, 0, 0, CLI_ALL, "show the version" },
    { NULL, 0, OPTION_FLAG, NULL, 0, 0, 0, NULL },
};/* clang-format on */

int cli_option_bad(const cli_options *opt, const char *shown, const char *what, const char *value)
{
    cli_error(opt, "%s: %s %s '%s'; try: whit help %s", opt->command->name, shown, what, value,
              opt->command->name);
    return 0;
}

/* ---- setters: one a kind; 0: refused, and reported ------------------------------------------- */

typedef int set_fn(cli_options *opt, const cli_option *o, const char *shown, const char *value);

static void *field_of(cli_options *opt, const cli_option *o)
{
    return (char *)opt + o->field;
}

static int set_nothing(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)opt, (void)o, (void)shown, (void)value;
    return 1;
}

static int set_flag(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)shown, (void)value;
    *(int *)field_of(opt, o) = o->set;
    return 1;
}

static int set_text(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)shown;
    *(const char **)field_of(opt, o) = value;
    return 1;
}

/* More than one would be read, and is not. */
static int set_read(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    if (*(const char **)field_of(opt, o))
        return cli_option_bad(opt, shown, "is there twice, once with", value);
    return set_text(opt, o, shown, value);
}

static int set_rule(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)o, (void)shown;
    opt->rules[opt->rules_count++] = value;
    return 1;
}

static int set_feed(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)shown;
    opt->feeds[opt->feeds_count++] = (cli_feed){ (whit_feed_kind)o->set, value };
    return 1;
}

static int set_word(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    int *word = field_of(opt, o);
    *word = cli_read_word(value, o->value);
    if (*word) return 1;
    cli_error(opt, "%s: %s takes %s, not '%s'", opt->command->name, shown, o->value, value);
    return 0;
}

/* A word of `words`, or "percentile:P", whose number is one more; 0: none of them. */
static int read_range(const char *value, const char *words, int last, double *percent)
{
    static const char percentile[] = "percentile:";
    const size_t len = sizeof percentile - 1;
    const int word = cli_read_word(value, words);
    if (word || strncmp(value, percentile, len) != 0) return word;
    return cli_read_number(value + len, percent) && *percent > 0 && *percent <= 100 ? last : 0;
}

static int set_clip(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    const int clip = o->kind == OPTION_CLIP;
    int *word = field_of(opt, o);
    *word = clip ? read_range(value, "minmax|mse", 3, &opt->percentile)
                 : read_range(value, "minmax|entropy|mse", 4, &opt->observer_percent);
    if (*word) return 1;
    cli_error(opt, "%s: %s takes %s with P above 0, at most 100, not '%s'", opt->command->name,
              shown, o->value, value);
    return 0;
}

static int set_count(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    const char *end = NULL;
    if (cli_read_count(value, (uint64_t)o->set, field_of(opt, o), &end) && *end == '\0') return 1;
    cli_error(opt, "%s: %s takes a number from 0 to %" PRIu64 ", not '%s'", opt->command->name,
              shown, (uint64_t)o->set, value);
    return 0;
}

static int set_size(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    static const char what[] = "takes a size such as 512MiB, 4GiB or 5GB, not";
    return cli_read_size(value, field_of(opt, o)) || cli_option_bad(opt, shown, what, value);
}

static int set_shape(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    static const char what[] = "takes up to 8 whole numbers such as 4096,11008, not";
    return cli_read_shape(value, field_of(opt, o)) || cli_option_bad(opt, shown, what, value);
}

static int set_number(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    static const char what[] = "takes a number, not";
    return cli_read_number(value, field_of(opt, o)) || cli_option_bad(opt, shown, what, value);
}

static int set_json(cli_options *opt, const cli_option *o, const char *shown, const char *value)
{
    (void)o, (void)shown;
    opt->json = 1;
    opt->json_path = value && strcmp(value, "-") == 0 ? NULL : value; /* as elsewhere: stdout */
    return 1;
}

int cli_option_set(cli_options *opt, const cli_option *option, const char *shown, const char *value)
{
    static set_fn *const setters[] = {
        [OPTION_HELP] = set_nothing,  [OPTION_VERSION] = set_nothing, [OPTION_FLAG] = set_flag,
        [OPTION_STRING] = set_text,   [OPTION_TEXT] = set_text,       [OPTION_READ] = set_read,
        [OPTION_RULE] = set_rule,     [OPTION_WORD] = set_word,       [OPTION_CLIP] = set_clip,
        [OPTION_OBSERVER] = set_clip, [OPTION_COUNT] = set_count,     [OPTION_SIZE] = set_size,
        [OPTION_SHAPE] = set_shape,   [OPTION_NUMBER] = set_number,   [OPTION_FEED] = set_feed,
        [OPTION_JSON] = set_json,
    };
    if (value && *value == '\0' && option->kind != OPTION_STRING)
        return cli_option_bad(opt, shown, "needs a value, not", value);
    return setters[option->kind](opt, option, shown, value);
}
