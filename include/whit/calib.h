/* include/whit/calib.h - what is known about the inputs of a model's matrices: calibration states
 * with statistics of every channel, and importance matrices.
 *
 * A state is a safetensors file (below) that whit_calibrate writes (whit/calibrate.h). States of
 * several texts merge to the very bytes that one run over all of them gives.
 *
 * An importance matrix says, for each column of a weight, the mean square of what it was multiplied
 * with on some text. Read as one are a state, and both forms of llama.cpp: the old one (.dat) and
 * GGUF; both are written too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CALIB_H
#define WHIT_CALIB_H

#include <whit/scheme.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- states -----------------------------------------------------------------------------------
 */

/*
 * The file: for each input, which is shared by the matrices that are multiplied with it and named
 * like the first of them, tensors
 *
 *   INPUT.min, INPUT.max    F32 [columns]     of what came in
 *   INPUT.sum, INPUT.sum_abs, INPUT.sum_square
 *                           U64 [columns, 2]  sums of x, |x|, x^2 in units of 2^-64, lower
 *                                             64 bits first (two's complement; squares
 *                                             unsigned)
 *   INPUT.log_bins          U64 [bins]        magnitudes by the upper 16 bits of their
 *                                             float32, from bin "log_first" on; first and
 *                                             last are not 0
 *   INPUT.bins              U64 [2048]        magnitudes by floor(|x| / 2^exponent)
 *   INPUT.samples           F32 [values]      all magnitudes, ascending; below 65536 values
 *   INPUT.hessian           F64 [columns * (columns + 1) / 2]
 *                                             X^T X, where it was asked for: the upper
 *                                             triangle, row by row
 *
 * and metadata whit.state = "1", whit.state.model (SHA-256 of the model's weight file; of several
 * files, of the lines "HASH  NAME" in their order; empty for activations), whit.state.inputs: JSON,
 * a list by name of {"name","columns","tokens","zeros","log_first","exponent","linears":[..]},
 * whit.state.sources: JSON, a sorted list of {"kind","sha256","context","tokens"}, of activations
 * with their "input", and whit.state.final = "1" in a weighed mixture, which merges no more.
 * Each x, |x|, x^2 is rounded to the unit once, from double, ties to even; so sums have no order.
 * Zeros are counted, and in no bin.
 */
typedef struct whit_calib whit_calib;

typedef struct whit_calib_info {
    const char *path;  /* as given to open                                                     */
    const char *model; /* SHA-256 in hexadecimal; "": of activations                           */
    size_t inputs, sources;
    int is_final;    /* 1: a weighed mixture                                                   */
    int has_hessian; /* 1: of every input                                                      */
} whit_calib_info;

typedef struct whit_calib_input {
    const char *name;
    const char *const *linears; /* [linears_count] matrices that it goes into, by their names   */
    size_t linears_count;
    uint64_t cols;
    uint64_t tokens; /* how many rows came in; at least 1                                       */
    uint64_t values; /* tokens * cols; of a mixture about that                                  */
    uint64_t zeros;
    float min, max; /* of all channels                                                          */
} whit_calib_input;

typedef struct whit_calib_channel {
    double mean, mean_abs, mean_square;
    float min, max;
} whit_calib_channel;

typedef struct whit_calib_source {
    const char *kind;   /* "text", "ids", "activations"                                        */
    const char *input;  /* of activations its name; else NULL                                   */
    const char *sha256; /* of its octets                                                       */
    uint64_t context;   /* tokens of a window; of activations 0                                */
    uint64_t tokens;    /* that were fed, starts of windows included                           */
} whit_calib_source;

/* 1 for a safetensors file with whit.state in its metadata; 0 for anything else, or nothing. */
WHIT_API int whit_calib_probe(const char *path);

/*
 * Read a state; Hessians stay in the file. Everything is checked: shapes, counts that add up,
 * values that are finite and in order. Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED
 * (no state, or one of a later version), WHIT_ERR_NOMEM. *out is NULL then.
 */
WHIT_API whit_status whit_calib_open(whit_calib **out, const char *path, whit_error *err);
/* Read the Hessians too: all is finite, no diagonal negative. Errors: as above. */
WHIT_API whit_status whit_calib_check(const whit_calib *calib, whit_error *err);
WHIT_API void whit_calib_close(whit_calib *calib); /* NULL is fine */

/* All that these return belongs to the state. In the order of names; NULL outside. */
WHIT_API const whit_calib_info *whit_calib_describe(const whit_calib *calib);
WHIT_API const whit_calib_input *whit_calib_at(const whit_calib *calib, size_t index);
WHIT_API const whit_calib_source *whit_calib_source_at(const whit_calib *calib, size_t index);
/* The input of a matrix, by its name; WHIT_CALIB_NONE: there is none. */
#define WHIT_CALIB_NONE ((size_t)-1)
WHIT_API size_t whit_calib_find(const whit_calib *calib, const char *linear);

/* The statistics of one channel of an input; both indices in range. */
WHIT_API whit_calib_channel whit_calib_channel_at(const whit_calib *calib, size_t index,
                                                  uint64_t channel);

/* The magnitude that at least `percent` (in (0, 100]) of an input's values do not exceed: below
 * 65536 values the order statistic itself, from there on the upper edge of its bin. */
WHIT_API float whit_calib_percentile(const whit_calib *calib, size_t index, double percent);

/* The 2048 bins of an input: number i counts magnitudes in [i, i + 1) * *width, zeros apart. */
WHIT_API const uint64_t *whit_calib_bins(const whit_calib *calib, size_t index, double *width);

/* X^T X of an input into h, float64 [cols][cols], both triangles. Errors: WHIT_ERR_ARG (it has
 * none), WHIT_ERR_IO, WHIT_ERR_FORMAT (not finite), WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_calib_hessian(const whit_calib *calib, size_t index, double *h,
                                        whit_error *err);

/* ---- what is fed to a model to find out
 * ----------------------------------------------------------
 */

/* Values are ABI: append. */
typedef enum whit_feed_kind {
    WHIT_FEED_TEXT = 0,   /* a text; an octet that is not UTF-8 becomes its byte token           */
    WHIT_FEED_IDS,        /* ids, as whit_ids_read takes them                                    */
    WHIT_FEED_ACTIVATIONS /* a matrix of floats [samples, columns], such as a NumPy array: what
                             came into `input`, from any program; no model is run                */
} whit_feed_kind;

typedef struct whit_feed {
    whit_feed_kind kind;
    const char *path; /* of the file; with data a name for messages                             */
    const char *data; /* its octets, [len]; NULL: they are read. Not of activations             */
    size_t len;
    const char *input; /* of activations: the name of the input, and of its matrix               */
} whit_feed;

/* ---- ranges of activations --------------------------------------------------------------------
 */

/* Which magnitudes of an input one scale is to cover. Values are ABI: append. */
typedef enum whit_observer {
    WHIT_OBSERVER_MINMAX = 0, /* all of them                                                     */
    WHIT_OBSERVER_PERCENTILE, /* those that so many percent of the values do not exceed          */
    WHIT_OBSERVER_ENTROPY,    /* 128 levels that keep the most information (of the histogram)    */
    WHIT_OBSERVER_MSE         /* those whose codes have the least squared error (of it)          */
} whit_observer;

typedef struct whit_calib_range {
    float limit;    /* the largest magnitude that is covered                                      */
    float scale;    /* limit / 127 (int8), 448 (E4M3), 57344 (E5M2); 1 where all values are 0    */
    double clipped; /* share of the values beyond it, zeros counted; of the histogram           */
    double sqnr_db; /* expected of values rounded with that scale; of the histogram              */
} whit_calib_range;

/*
 * The range of an input for activations of 8 bits: kind WHIT_INT, WHIT_FP8_E4M3 or WHIT_FP8_E5M2,
 * as of the weights. percent in (0, 100] is WHIT_OBSERVER_PERCENTILE's; a percentile of 0 becomes
 * the largest magnitude. Ranges are edges of the 2048 bins, but for minmax and percentile.
 * Errors: WHIT_ERR_ARG.
 */
WHIT_API whit_status whit_calib_observe(const whit_calib *calib, size_t index, whit_observer how,
                                        double percent, whit_kind kind, whit_calib_range *out,
                                        whit_error *err);

/* ---- two states -------------------------------------------------------------------------------
 */

typedef struct whit_calib_difference {
    const char *name; /* of the input in a                                                      */
    uint64_t cols;
    double rank;    /* Spearman's correlation of the channels' mean squares; ties have mean ranks;
                       NaN where all of one state are equal                                       */
    double range;   /* largest magnitude in b over that in a                                      */
    double outside; /* share of the channels whose range in b leaves the one in a, stretched to
                       twice its width about its middle                                         */
} whit_calib_difference;

/* How alike the inputs of two states of one model are, input by input in the order of a: a set that
 * does not represent the use has low ranks, and ranges far from 1. Inputs that only one has are
 * left out. *out [*count], freed with free(). Errors: WHIT_ERR_FORMAT (no input in common; other
 * columns), WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_calib_compare(const whit_calib *a, const whit_calib *b,
                                        whit_calib_difference **out, size_t *count,
                                        whit_error *err);

/* ---- importance matrices ----------------------------------------------------------------------
 */

typedef struct whit_imatrix whit_imatrix;

/* What the file says of one tensor. Everything belongs to the whit_imatrix. */
typedef struct whit_imatrix_entry {
    const char *name;    /* of the tensor in a GGUF model, ".weight" included; of a state as the
                            model that it was made with names it                               */
    uint64_t count;      /* columns of its matrix, times matrices where it stacks experts        */
    const float *values; /* [count] mean squares, one matrix after the other: finite, >= 0       */
} whit_imatrix_entry;

typedef struct whit_imatrix_info {
    const char *path;    /* as given to open                                                     */
    const char *format;  /* "imatrix .dat", "imatrix GGUF" or "calibration state"                */
    const char *dataset; /* the (first) text it was made from; "" where the file does not say    */
    uint64_t chunks;     /* of text; 0 where the file does not say                               */
    uint64_t chunk_size; /* tokens of one; 0 where the file does not say                         */
    size_t entries;
} whit_imatrix_info;

/*
 * Read a whole file; which form it has goes by content. Sums are divided by how often they were
 * added to; a matrix that was never used counts each column as 1 (the old form: as it stands).
 *
 * Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (malformed or truncated; keys that are missing; a value that
 * is negative or not finite), WHIT_ERR_UNSUPPORTED (another format), WHIT_ERR_NOMEM. *out is NULL
 * then.
 */
WHIT_API whit_status whit_imatrix_open(whit_imatrix **out, const char *path, whit_error *err);
WHIT_API void whit_imatrix_close(whit_imatrix *imatrix); /* NULL is fine */

WHIT_API const whit_imatrix_info *whit_imatrix_describe(const whit_imatrix *imatrix);
/* In the order of the file; NULL outside. */
WHIT_API const whit_imatrix_entry *whit_imatrix_at(const whit_imatrix *imatrix, size_t index);

/*
 * The values for one tensor, by its name in a GGUF model.
 *
 *   cols      columns of each matrix          matrices  1, or how many experts are stacked
 *   values    out  [matrices][cols]; NULL where the file has no entry, and for
 *             token_embd.weight, whose entry is about something else
 *
 * Errors: WHIT_ERR_FORMAT (an entry with another number of values: of another model).
 */
WHIT_API whit_status whit_imatrix_find(const whit_imatrix *imatrix, const char *name, uint64_t cols,
                                       uint64_t matrices, const float **values, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
