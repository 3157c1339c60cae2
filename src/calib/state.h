/* src/calib/state.h - a calibration state in memory: while it is filled, merged, read, written.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_STATE_H
#define WH_CALIB_STATE_H

#include <whit/calib.h>
#include <whit/file.h>
#include "base/buf.h"
#include "base/names.h"
#include "base/sha256.h"
#include "calib/hessian.h"
#include "calib/histogram.h"
#include "calib/moments.h"

#define WH_CALIB_COLUMNS ((uint64_t)1 << 24) /* of an input, at most */
#define WH_CALIB_TOKENS ((uint64_t)1 << 38)  /* sums of x and |x| then fit their 128 bits */
#define WH_CALIB_VERSION "1"

typedef struct wh_calib_input {
    whit_calib_input told;
    char *name;
    char **linear; /* [told.linears_count] */
    wh_moments moments;
    wh_histogram histogram;
    size_t hessian; /* of a state that was read: its tensor in the file; WHIT_NOT_FOUND: none */
} wh_calib_input;

typedef struct wh_calib_source {
    whit_calib_source told;
    char *kind, *input; /* input NULL: no activations */
    char sha256[WH_SHA256_TEXT];
} wh_calib_source;

struct whit_calib {
    whit_calib_info info;
    char *path;
    char model[WH_SHA256_TEXT];
    wh_calib_input *input; /* [info.inputs] */
    size_t input_cap;
    wh_calib_source *source; /* [info.sources] */
    size_t source_cap;
    wh_names linears; /* names of matrices to the number of their input */
    whit_file *file;  /* of a state that was read */
    /* An interrupted run, which goes on where it says: metadata whit.state.plan and whit.state.at
     */
    char plan[WH_SHA256_TEXT]; /* "": none */
    uint64_t at[3];            /* feed, window of it, tokens of that which were fed */
};

/* state.c: an empty one. NULL: no memory. */
whit_calib *wh_calib_new(const char *path);
/* An input without tokens and histogram; all of linear are copied. Errors: WHIT_ERR_FORMAT (a name
 * is there already), WHIT_ERR_NOMEM. */
whit_status wh_calib_add_input(whit_calib *c, const char *name, const char *const *linear,
                               size_t linears, uint64_t cols, whit_error *err);
/* input NULL: no activations. Errors: WHIT_ERR_NOMEM. */
whit_status wh_calib_add_source(whit_calib *c, const char *kind, const char *input,
                                const char *sha256, uint64_t context, uint64_t tokens,
                                whit_error *err);
/* Octets of one input in memory, at most, without Hessian. */
uint64_t wh_calib_input_bytes(uint64_t cols);

/* What is shared by the inputs of a run while tokens come in. */
typedef struct wh_calib_desk {
    whit_context *context;
    const wh_moments_ops *ops;
    wh_tallies tallies;
    struct wh_calib_found {
        uint32_t top;
        int overflow;
        size_t channel; /* of top, if that is too large */
    } * found;          /* [threads] */
} wh_calib_desk;
whit_status wh_calib_desk_open(wh_calib_desk *d, whit_context *context, whit_error *err);
void wh_calib_desk_close(wh_calib_desk *d);

/* Take in x [tokens][cols], at most WH_MOMENTS_TOKENS of them. Errors: WHIT_ERR_NUMERIC (NaN, or a
 * magnitude above 2^24: names the input and the channel; sums or counts that pass their bits). */
whit_status wh_calib_take(wh_calib_desk *d, wh_calib_input *in, const float *x, size_t tokens,
                          whit_error *err);

/* c += from: inputs of one name become one. Errors: WHIT_ERR_FORMAT (another model, or an input
 * with other columns or matrices; a mixture), WHIT_ERR_NUMERIC (sums that pass their bits),
 * WHIT_ERR_NOMEM. */
whit_status wh_calib_merge(whit_calib *c, const whit_calib *from, whit_error *err);

/* state_mix.c: a mixture, made of `count` states with these weights (positive, finite). */
whit_status wh_calib_mix(whit_calib *c, whit_calib *const *from, const double *weight, size_t count,
                         whit_error *err);
/* What the Hessian of state number `k` is multiplied with in it, for the input of that name. */
double wh_calib_mix_factor(whit_calib *const *from, const double *weight, size_t count, size_t k,
                           const char *input);

/* Inputs and sources into the order of the file, samples sorted. */
whit_status wh_calib_settle(whit_calib *c, whit_error *err);

/* Windows of all its texts; activations are one each. */
uint64_t wh_calib_windows(const whit_calib *c);

/* Mean of a sum: 0 without tokens. */
double wh_calib_mean(const wh_calib_input *in, int sum, uint64_t channel);

/* state_write.c: elements [at, at + n) of the Hessian of the input of that name. */
typedef whit_status wh_hessian_fn(void *ctx, const wh_calib_input *input, uint64_t at, size_t n,
                                  double *out, whit_error *err);
typedef struct wh_calib_file wh_calib_file; /* laid out, ready to be written */
/* Of a settled state; hessian NULL: none. *bytes: the size of the file. */
whit_status wh_calib_file_open(wh_calib_file **out, const whit_calib *c, wh_hessian_fn *hessian,
                               void *ctx, uint64_t *bytes, whit_error *err);
whit_status wh_calib_file_write(const wh_calib_file *f, int fd, const char *path, whit_error *err);
void wh_calib_file_close(wh_calib_file *f); /* NULL is fine */

/* state_read.c: elements [at, at + n) of the Hessian of an input of a state that was read. */
whit_status wh_calib_read_hessian(const whit_calib *c, const wh_calib_input *in, uint64_t at,
                                  size_t n, double *out, whit_error *err);

/* whit_calib_probe, with the errors of a file that cannot be read: WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_calib_probe(const char *path, int *is, whit_error *err);

#endif
