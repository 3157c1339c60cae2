/* include/whit/job.h - the streaming jobs: plan, quantize, dequantize, compare, check, report.
 *
 * A job reads tensors in tiles of bounded size, so its memory does not depend on the size of the
 * model or of any tensor. Results never depend on the number of threads.
 *
 * Quantized by default: float tensors of two or more dimensions with at least 32 columns and 1024
 * elements, but not embeddings, output heads and routers, by their names. Rules are asked in order
 * and the last match wins: recipe lines, then `embeddings` and `head`, then `rules`. A rule is
 * "GLOB=SCHEME", a line of a recipe "GLOB SCHEME"; globs know * (dots too), ?, [a-z], {a,b} and
 * {0..3,28..31}, and match with or without the final ".weight". Every output carries the recipe
 * that made it as whit.recipe: used again, with the options of whit.options, it makes the same
 * bytes, whatever the rules were given by.
 *
 * In GGUF a scheme is a type, which the matrices get as any other scheme, or a mix, which decides
 * about every tensor as llama.cpp's quantize tool does: q2_k_s q2_k_m q3_k_s q3_k_m q3_k_l q4_k_s
 * q4_k_m q5_k_s q5_k_m (q2_k_m is what llama.cpp calls Q2_K). Rules and recipes override both.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_JOB_H
#define WHIT_JOB_H

#include <stdio.h>

#include <whit/calib.h>
#include <whit/method.h>
#include <whit/quant.h>
#include <whit/source.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_progress {
    const char *tensor;   /* the one that was just worked on                               */
    uint64_t done, total; /* stored bytes of the input, all passes counted                 */
    double seconds;       /* since the job began                                           */
    double before, after; /* mean square error of the outputs of a matrix that a method is done
                             with: rounded only, as it is now; else 0                       */
} whit_progress;

/* Called from one thread at a time, in the order of the work, after every tile (a few hundred
 * thousand weights). Anything but 0 stops the job: WHIT_ERR_CANCELLED, nothing is left behind
 * but what method.resume keeps. */
typedef int whit_progress_fn(void *user, const whit_progress *progress);

typedef struct whit_job_options {
    size_t struct_size;         /* sizeof(whit_job_options); whit_job_options_init sets it        */
    unsigned threads;           /* 0: all cores this process may use; at most 256 run             */
    uint64_t max_memory;        /* bytes; 0: the smaller of a quarter of RAM and 4 GiB            */
    int force;                  /* replace an output that exists                                  */
    int strict;                 /* fallbacks, and rules, embeddings or a head that match nothing,
                                   are WHIT_ERR_BAR                                              */
    whit_progress_fn *progress; /* may be NULL                                             */
    void *progress_user;
    const char *const *reads; /* [reads_count] paths of what the caller reads beside the source (a
                                 recipe, a text, another model's file), all of them there: no output
                                 replaces one, compared by device and inode. Borrowed until the
                                 job, or the plan, has ended                                   */
    size_t reads_count;       /* 0: none                                                        */
} whit_job_options;
WHIT_API void whit_job_options_init(whit_job_options *options);

/* ---- quantize -------------------------------------------------------------------------------- */

/* Values are ABI: append, never renumber. */
typedef enum whit_format {
    WHIT_FORMAT_AUTO = 0, /* by the name of the output: .gguf is GGUF, all else native      */
    WHIT_FORMAT_NATIVE,   /* safetensors: a name in .safetensors, or a folder               */
    WHIT_FORMAT_GGUF,     /* a name in .gguf                                                */
    WHIT_FORMAT_CT,       /* compressed-tensors: a model folder, as are the following       */
    WHIT_FORMAT_GPTQ,
    WHIT_FORMAT_AWQ,
    WHIT_FORMAT_BNB /* bitsandbytes                                                   */
} whit_format;

typedef struct whit_quantize_options {
    size_t struct_size;       /* whit_quantize_options_init sets it                              */
    const char *scheme;       /* default for all that is quantized, or (GGUF) a mix: q4_k_m, ..,
                                 which decides about every tensor; NULL: "int4-g128", GGUF "q4_k_m" */
    const char *const *rules; /* [rules_count] "GLOB=SCHEME"; the last match wins          */
    size_t rules_count;
    const char *recipe;     /* path of a file with lines "GLOB SCHEME", '#' before comments; rules,
                               embeddings and head rank above them; a first line "* SCHEME" is the
                               default where scheme is NULL. The metadata value whit.recipe of an
                               output is one. NULL: none                                 */
    const char *embeddings; /* scheme for the embeddings, which are kept by default; or NULL */
    const char *head;       /* the same for the output head                              */
    whit_clip clip;
    uint64_t shard_size; /* bytes: no weight file in the output folder is larger, unless one tensor
                            alone is; 0: shards as in the source                             */
    double percentile;   /* WHIT_CLIP_PERCENTILE: in (0, 100]                                */
    whit_nonfinite nonfinite; /* f16, bf16, f32: clamp means the type's largest value       */
    int fake_quant; /* 1: write the decoded values under the names, shapes and types of the
                       source instead of codes, for trainers; see below                  */
    whit_format format;
    unsigned gptq_version;   /* of WHIT_FORMAT_GPTQ: 1 or 2; 0: 2 for schemes with zero points,
                                else 1                                                       */
    whit_search search;      /* of GGUF's block types                                        */
    const char *calibration; /* path of a calibration state or an importance matrix: searches weigh
                                errors by the mean square of what a column is multiplied with (the
                                encoders of GGUF's block types; elsewhere clip mse, with a scale for
                                each row or group); NULL: none                               */
    int requantize; /* 1: the source may be quantized already: what is quantized again loses
                       twice, what is kept becomes F32; said as a warning. From GGUF to GGUF
                       blocks are kept as they are, and nobody need ask for that         */
    whit_job_options job;
    whit_observer observer;  /* ranges of activations of schemes with a8s, from `calibration`, which
                                must be a state then                                          */
    double observer_percent; /* of WHIT_OBSERVER_PERCENTILE: in (0, 100]                      */
    whit_method_options method; /* what keeps a layer's outputs; none is the default           */
} whit_quantize_options;
WHIT_API void whit_quantize_options_init(whit_quantize_options *options);

/* Fake quantization lies on the grid of the scheme: quantizing such a file again with the same
 * scheme changes no value in F32; F16 files move by at most 2 and BF16 files by at most 1 unit in
 * the last place. Exceptions, with shares measured on the bundled model (tests/test_fake.c has the
 * reasons and checks them): asymmetric codes whose scale is not searched (8 bits, clip minmax) and
 * nvfp4 may miss a scale's last bits, by at most 5 units in F32 and 3 in BF16, and a row of such
 * codes moves by up to a step where both its ends fall between two codes (int8-channel-asym: 1.1 %
 * of the weights in F32, 4.9 % in F16 and BF16; nvfp4: 3.5 % in F32); dq quantizes its scales
 * again, by at most 0.7 % of the largest. */

typedef struct whit_plan whit_plan; /* borrows the source: close that after the plan */

typedef struct whit_plan_entry {
    const whit_source_tensor *source;
    whit_scheme scheme;
    const char *reason; /* why it is kept; NULL when it is not                            */
    const char *rule;   /* the glob that decided, NULL for the built-in choice            */
    int fallback;       /* 1: kept although a rule or option gave it a scheme             */
    uint64_t weights, bytes_in, bytes_out;
    whit_calib_range acts; /* of schemes with WHIT_A8_STATIC; else all 0                     */
} whit_plan_entry;

typedef struct whit_plan_totals {
    uint64_t tensors, weights, bytes_in, bytes_out; /* data of tensors                     */
    uint64_t file_bytes;   /* exact size of the weight files to be written, headers included */
    uint64_t memory_bytes; /* peak of the job's own buffers at the chosen number of threads */
    unsigned threads;      /* as many as the ceiling on memory allows                      */
    double seconds;        /* that the job may take; NaN before whit_plan_estimate         */
} whit_plan_totals;

/*
 * Decide what each tensor becomes and how the output is laid out; reads and writes no data.
 *
 *   source  a folder, or the index of its shards, brings its configuration and tokenizer along
 *   output  "X.safetensors": one native file; "X.gguf": a GGUF file, with shard_size parts of one
 *           beside each other, "X-00001-of-00003.gguf"; anything else: a folder. NULL: for a plan
 *           that is only looked at (whit_plan_run then returns WHIT_ERR_ARG).
 *
 * A GGUF file is made from a GGUF file, which keeps its metadata, or from a model folder of the
 * Llama, Mistral, Qwen2 or Qwen3 architecture with its config.json and tokenizer. Block types whose
 * blocks do not fit the columns become the next type that does, at last F16; vectors are F32.
 *
 * Errors: WHIT_ERR_ARG (scheme, rule or recipe syntax: the text is quoted, of a recipe with file
 * and line; a scheme or option that the format has not; shard_size for an output that is one file,
 * or too small), WHIT_ERR_IO (the recipe or the calibration cannot be read), WHIT_ERR_FORMAT (a
 * configuration, vocabulary or importance matrix that is malformed or of another model),
 * WHIT_ERR_UNSUPPORTED (the source is quantized already and requantize is 0, or holds blocks that
 * do not decode; a text of the metadata above the 16 MiB that readers take; of GGUF: another
 * architecture, another kind of tokenizer), WHIT_ERR_BAR (strict),
 * WHIT_ERR_NOMEM (also: max_memory too small, the message names the smallest value that works).
 */
WHIT_API whit_status whit_plan_make(whit_plan **out, const whit_source *source,
                                    const whit_quantize_options *options, const char *output,
                                    whit_error *err);
WHIT_API void whit_plan_free(whit_plan *plan); /* NULL is fine */
WHIT_API size_t whit_plan_count(const whit_plan *plan);
WHIT_API const whit_plan_entry *whit_plan_at(const whit_plan *plan, size_t index);
WHIT_API const whit_plan_totals *whit_plan_total(const whit_plan *plan);
/* Never WHIT_FORMAT_AUTO. */
WHIT_API whit_format whit_plan_format(const whit_plan *plan);
/* The entry of a tensor, named with or without a final ".weight"; WHIT_NOT_FOUND: there is none. */
WHIT_API size_t whit_plan_find(const whit_plan *plan, const char *name);

/*
 * Measure how long the job may take, by reading and encoding some tiles of it for about a second at
 * most, on all its threads and in the memory of the plan; nothing is written. The figure goes to
 * whit_plan_totals.seconds; it differs from call to call, and knows nothing of a slow disk at the
 * other end. Errors as whit_plan_run, which would meet the same ones.
 */
WHIT_API whit_status whit_plan_estimate(whit_plan *plan, whit_error *err);

/* For a caller who writes a file of its own meanwhile. Errors: WHIT_ERR_ARG (path names a file that
 * whit_plan_run writes, or is one that it replaces: compared by folder, device and inode),
 * WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_plan_keep_off(const whit_plan *plan, const char *path, whit_error *err);

WHIT_API size_t whit_plan_warnings(const whit_plan *plan);
WHIT_API const char *whit_plan_warning(const whit_plan *plan, size_t index);

typedef struct whit_report whit_report; /* borrows plan and source */

typedef struct whit_report_row {
    const whit_plan_entry *entry;
    double mse, sqnr_db, max_abs_error; /* of the decoded weights; sqnr_db is infinite for exact */
    whit_method_result method;
} whit_report_row;

/*
 * Quantize and write. The output appears whole or not at all: everything is written under
 * temporary names, fsynced, renamed, the index or only model file last.
 *
 *   report  out  may be NULL; free it with whit_report_free
 *
 * Errors: WHIT_ERR_ARG (output exists and force is 0; output is the input; another run holds the
 * output; a plan with a method was run before), WHIT_ERR_NUMERIC (NaN or Inf in a tensor to be
 * quantized: tensor, row, column; a scale or value beyond its stored type), WHIT_ERR_BAR (under
 * strict: a scale was raised), WHIT_ERR_IO, WHIT_ERR_FORMAT, WHIT_ERR_NOMEM, WHIT_ERR_CANCELLED.
 * The input is never opened for writing.
 */
WHIT_API whit_status whit_plan_run(whit_plan *plan, whit_report **report, whit_error *err);
WHIT_API void whit_report_free(whit_report *report); /* NULL is fine */
WHIT_API size_t whit_report_count(const whit_report *report);
WHIT_API const whit_report_row *whit_report_at(const whit_report *report, size_t index);
/* Over all quantized tensors together. */
WHIT_API double whit_report_sqnr_db(const whit_report *report);

/* ---- sweep ----------------------------------------------------------------------------------- */

typedef struct whit_sweep_row {
    whit_scheme scheme;
    uint64_t bytes_out;     /* of the tensors, were they all of this scheme                    */
    double bits_per_weight; /* from that                                                       */
    double sqnr_db; /* over all together; infinite: exact; NaN: a scale is beyond its type */
    int pareto; /* 1: no other row has as few bits and as high an SQNR; of equal ones the first */
} whit_sweep_row;

typedef struct whit_sweep_totals {
    uint64_t tensors, weights; /* that the plan quantizes                                      */
    uint64_t sampled;          /* weights that were measured                                   */
    uint64_t in_parts;         /* tensors whose rows were measured in parts                    */
} whit_sweep_totals;

typedef struct whit_sweep whit_sweep; /* borrows the plan */

/*
 * What every scheme of a fixed list would cost and lose on the tensors that the plan quantizes,
 * whatever it makes of them: int8, int6 .. int2, int4-asym, nf4, fp4, fp8_e4m3 with groups of 16,
 * 32, 64, 128, 256 and per channel; mxfp4, nvfp4. Clip, nonfinite, threads, memory and progress are
 * those of the plan. Nothing is written; results do not depend on threads.
 *
 * Sizes are exact. Of a tensor with more than 1048576 weights a sample of about as many is measured
 * and stands for the whole: rows at equal distances. A row of more than 262144 columns is measured
 * in parts of these, each with scales of its own (per channel that is a little too good).
 *
 *   out  out  rows by bits a weight, then by SQNR, the higher first
 *
 * Errors: WHIT_ERR_ARG (the plan quantizes nothing), WHIT_ERR_NUMERIC (NaN or Inf in what is
 * measured: tensor, row, column), WHIT_ERR_IO, WHIT_ERR_FORMAT (file changed), WHIT_ERR_NOMEM,
 * WHIT_ERR_CANCELLED.
 */
WHIT_API whit_status whit_sweep_run(whit_sweep **out, const whit_plan *plan, whit_error *err);
WHIT_API void whit_sweep_free(whit_sweep *sweep); /* NULL is fine */
WHIT_API size_t whit_sweep_count(const whit_sweep *sweep);
WHIT_API const whit_sweep_row *whit_sweep_at(const whit_sweep *sweep, size_t index);
WHIT_API const whit_sweep_totals *whit_sweep_total(const whit_sweep *sweep);

/* A header row, then one for each scheme: its name, bits_per_weight, sqnr_db (inf: exact; empty: a
 * scale is beyond its type), bytes, pareto (1 or 0). As a picture: the points, their Pareto front
 * and its names.
 * Errors: WHIT_ERR_NOMEM; those on out are left to the caller's ferror. */
WHIT_API whit_status whit_sweep_write_csv(const whit_sweep *sweep, FILE *out, whit_error *err);
WHIT_API whit_status whit_sweep_write_svg(const whit_sweep *sweep, FILE *out, whit_error *err);

/* ---- dequantize ------------------------------------------------------------------------------ */

/*
 * Write a plain safetensors file with every quantized tensor decoded, blocks of GGUF included.
 *
 *   output  ends in .safetensors
 *   dtype   WHIT_F32, WHIT_F16 or WHIT_BF16: the type of decoded tensors; F32 holds the decoded
 *           values exactly. Tensors that are stored plain keep their type and bytes.
 *
 * Errors as whit_plan_run; WHIT_ERR_NUMERIC when a decoded value is NaN or infinite, or a finite
 * one becomes infinite in dtype;
 * WHIT_ERR_UNSUPPORTED for blocks that do not decode.
 */
WHIT_API whit_status whit_dequantize_model(const whit_source *source, const char *output,
                                           whit_dtype dtype, const whit_job_options *options,
                                           whit_error *err);

/* ---- compare --------------------------------------------------------------------------------- */

typedef struct whit_compare_row {
    const char *name;
    whit_scheme scheme; /* of the tensor in b                                              */
    uint64_t elements;
    double mse, sqnr_db, cosine, max_abs_error;
    double share; /* of the squared error of all tensors                                   */
    int differs;  /* integers and other carried types: 1 if the bytes differ; else 0       */
} whit_compare_row;

typedef struct whit_comparison whit_comparison; /* borrows both sources */

/*
 * Compare the decoded values of b with those of a, tensor by tensor of the same name.
 * Rows come worst first: largest share of the total squared error first, ties by name.
 * A NaN equals a NaN, an infinity itself; any other difference that is not finite counts as an
 * infinite error. A tensor that stands on one side only is a warning (strict: WHIT_ERR_BAR).
 * Errors: WHIT_ERR_FORMAT (shapes differ, or no tensor in common), WHIT_ERR_UNSUPPORTED (blocks
 * that do not decode, against another type), WHIT_ERR_IO, WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_compare(whit_comparison **out, const whit_source *a, const whit_source *b,
                                  const whit_job_options *options, whit_error *err);
WHIT_API void whit_comparison_free(whit_comparison *comparison); /* NULL is fine */
WHIT_API size_t whit_comparison_count(const whit_comparison *comparison);
WHIT_API const whit_compare_row *whit_comparison_at(const whit_comparison *comparison,
                                                    size_t index);
WHIT_API const whit_compare_row *whit_comparison_total(const whit_comparison *comparison);
WHIT_API size_t whit_comparison_warnings(const whit_comparison *comparison);
WHIT_API const char *whit_comparison_warning(const whit_comparison *comparison, size_t index);
/* 1 if every tensor's SQNR is at least min_sqnr_db and no carried tensor differs. */
WHIT_API int whit_comparison_passes(const whit_comparison *comparison, double min_sqnr_db);

/* ---- check ----------------------------------------------------------------------------------- */

typedef struct whit_check whit_check;

/*
 * Read all of a model's data and prove it sound: finite scales that are not zero, codes and zero
 * points inside their range, unused bits zero; of blocks of GGUF, finite decoded values. NaN and
 * Inf in plain tensors are notes, no problems. Structure and sizes were proved by whit_source_open.
 * Of a folder, config.json and tokenizer too, as a runner of the model reads them: what it does not
 * know (an architecture) is a note, what is wrong a problem.
 * Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (file changed), WHIT_ERR_NOMEM. Problems are no error of
 * this call: ask whit_check_problems.
 */
WHIT_API whit_status whit_check_run(whit_check **out, const whit_source *source,
                                    const whit_job_options *options, whit_error *err);
WHIT_API void whit_check_free(whit_check *check); /* NULL is fine */
WHIT_API size_t whit_check_problems(const whit_check *check);
WHIT_API const char *whit_check_problem(const whit_check *check, size_t index);
WHIT_API size_t whit_check_notes(const whit_check *check);
WHIT_API const char *whit_check_note(const whit_check *check, size_t index);

/* ---- statistics ------------------------------------------------------------------------------ */

typedef struct whit_stats_row {
    const whit_source_tensor *source;
    int known; /* 0: of a type that is not read as floats; counts are 0 then, the others NaN  */
    uint64_t finite, zeros, nan, inf; /* how many values; zeros are finite, too               */
    double min, max, mean;            /* of the finite values, as all below; NaN without any  */
    double std;                       /* sqrt(m2): divided by the count, not one less         */
    double kurtosis;                  /* m4 / m2^2, 3 for a normal distribution (that is, not the
                                         excess); NaN where all values are equal              */
    double outlier_ratio; /* largest magnitude of a row of the matrix, the largest of them over
                             their median (of an even count: the mean of the middle two); infinite
                             over 0, NaN where all are 0                                      */
} whit_stats_row;

typedef struct whit_stats whit_stats; /* borrows the source */

/*
 * Statistics of every tensor's values as float32 (quantized ones decoded), in one pass. Sums are in
 * double and taken tile by tile in order: the same for any number of threads. Memory besides the
 * tiles: 4 bytes a row of the largest matrix.
 *
 *   out  out  a row for each tensor of the source, under the same index
 *
 * Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (file changed), WHIT_ERR_NOMEM (also: max_memory too small),
 * WHIT_ERR_CANCELLED. NaN and Inf are no error.
 */
WHIT_API whit_status whit_stats_run(whit_stats **out, const whit_source *source,
                                    const whit_job_options *options, whit_error *err);
WHIT_API void whit_stats_free(whit_stats *stats); /* NULL is fine */
WHIT_API size_t whit_stats_count(const whit_stats *stats);
WHIT_API const whit_stats_row *whit_stats_at(const whit_stats *stats, size_t index);

/*
 * Read one tensor once more and draw the histogram of its finite values as an SVG document.
 *
 *   scheme  a quantizing scheme whose grid is drawn, as for a group that holds the smallest and the
 *           largest value (scale of clip minmax); NULL: none
 *
 * Errors: those of whit_stats_run; WHIT_ERR_ARG (no finite value; a scheme without a grid). Errors
 * on out are left to the caller's ferror.
 */
WHIT_API whit_status whit_stats_write_svg(const whit_stats *stats, size_t index,
                                          const whit_scheme *scheme,
                                          const whit_job_options *options, FILE *out,
                                          whit_error *err);

/* ---- text and JSON --------------------------------------------------------------------------- */

enum {
    WHIT_TEXT_COLOR = 1,  /* ANSI escapes                                                  */
    WHIT_TEXT_TENSORS = 2 /* every tensor on its own line                                  */
};

/* Tables for people (the text may change between versions) and one JSON object each, which is
 * stable: "schema": 1, raw numbers, bytes as integers, null for what does not exist or is infinite;
 * new keys may appear. A comparison without a bar has "passed": true. Errors on out are left to the
 * caller's ferror. */
WHIT_API void whit_plan_write_text(const whit_plan *plan, int flags, FILE *out);
WHIT_API void whit_plan_write_json(const whit_plan *plan, FILE *out);
/* Why one entry is what it is: what everybody said about it, in the order of rank (the built-in
 * choice, recipe lines, embeddings and head, rules), and who decided. index < whit_plan_count. */
WHIT_API void whit_plan_explain_text(const whit_plan *plan, size_t index, int flags, FILE *out);
WHIT_API void whit_plan_explain_json(const whit_plan *plan, size_t index, FILE *out);
WHIT_API void whit_sweep_write_text(const whit_sweep *sweep, int flags, FILE *out);
WHIT_API void whit_sweep_write_json(const whit_sweep *sweep, FILE *out);
WHIT_API void whit_report_write_text(const whit_report *report, int flags, FILE *out);
WHIT_API void whit_report_write_json(const whit_report *report, FILE *out);
/* top: how many rows, 0 for all; min_sqnr_db: NaN when there is no bar. */
WHIT_API void whit_comparison_write_text(const whit_comparison *comparison, size_t top, int flags,
                                         FILE *out);
WHIT_API void whit_comparison_write_json(const whit_comparison *comparison, size_t top,
                                         double min_sqnr_db, FILE *out);
/* check and stats may be NULL. */
WHIT_API void whit_source_write_text(const whit_source *source, const whit_check *check,
                                     const whit_stats *stats, int flags, FILE *out);
WHIT_API void whit_source_write_json(const whit_source *source, const whit_check *check,
                                     const whit_stats *stats, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
