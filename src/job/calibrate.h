/* src/job/calibrate.h - between the files of calibration: feeds, the run, what is kept of it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_CALIBRATE_H
#define WH_JOB_CALIBRATE_H

#include <whit/calibrate.h>
#include "base/lines.h"
#include "calib/state.h"
#include "io/outset.h"
#include "job/feeds.h"
#include "job/stream.h"
#include "model/runner.h"

#define WH_CALIB_PIECE WH_MOMENTS_TOKENS
_Static_assert(WH_CHUNK <= WH_MOMENTS_TOKENS, "what passes a model at once is taken in at once");

/* Where a run is: everything before was fed. */
typedef struct wh_place {
    uint64_t feed, window, position; /* tokens of the window; of activations rows of window 0 */
} wh_place;

struct whit_calibration {
    whit_calibrate_options o;
    char *path, *output; /* path NULL: activations */
    wh_feeds feeds;
    whit_model *model;
    whit_session *session;
    whit_context *context; /* the model's, or of its own */
    size_t *slot; /* [linears] the input that a linear is the first of; or WHIT_CALIB_NONE */
    whit_calib *state;
    wh_calib_desk desk;
    wh_hessians hessians;
    wh_outset *set;
    char *partial; /* OUTPUT.partial */
    char plan[WH_SHA256_TEXT];
    wh_place at;
    int begun;      /* tokens are fed: there is something to be kept */
    double saved;   /* when */
    whit_status st; /* of what came in while the model ran */
    whit_error err;
    wh_meter meter;
    wh_lines warnings;
    const char *isa;
    whit_calibrate_totals total;
};

/* ---- calibrate_save.c ------------------------------------------------------------------------
 */

/* WHIT_ERR_ARG when something that is read lies where a run keeps its own things. */
whit_status wh_calib_apart(const whit_calibration *c, whit_error *err);
/* The output is opened, and what an earlier run left: taken up with resume, else removed. Errors:
 * also WHIT_ERR_ARG (another plan). */
whit_status wh_calib_open_output(whit_calibration *c, whit_error *err);
/* Write OUTPUT.partial. */
whit_status wh_calib_save(whit_calibration *c, whit_error *err);
/* Write and place the output; remove OUTPUT.partial. */
whit_status wh_calib_commit(whit_calibration *c, whit_error *err);

/* What an output is, by its name. */
typedef enum wh_calib_form { WH_CALIB_STATE, WH_CALIB_DAT, WH_CALIB_GGUF } wh_calib_form;
wh_calib_form wh_calib_form_of(const char *output);
/* A settled state in the form of the set's only file. */
whit_status wh_calib_write(const whit_calib *c, wh_calib_form form, wh_hessian_fn *hessian,
                           void *ctx, const wh_outset *set, whit_error *err);

#endif
