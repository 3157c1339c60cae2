/* src/calib/imatrix_state.c - a calibration state as an importance matrix: mean squares of the
 * channels, for every matrix that its inputs go into.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/imatrix.h"
#include "calib/state.h"

static whit_status add_input(whit_imatrix *m, const wh_calib_input *in, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < in->told.linears_count && st == WHIT_OK; k++) {
        float *values = NULL;
        st = wh_imatrix_add(m, in->linear[k], strlen(in->linear[k]), in->told.cols, &values, err);
        for (uint64_t c = 0; c < in->told.cols && st == WHIT_OK; c++)
            values[c] = (float)wh_calib_mean(in, WH_SUM_SQUARE, c);
    }
    return st;
}

/* The hash of a text is what is known of it. */
static whit_status describe(whit_imatrix *m, const whit_calib *c, whit_error *err)
{
    char *dataset = wh_strndup(c->source[0].sha256, strlen(c->source[0].sha256));
    if (!dataset) return wh_imatrix_no_memory(m, err);
    free(m->dataset);
    m->dataset = dataset;
    m->info.chunks = wh_calib_windows(c);
    m->info.chunk_size = c->source[0].told.context;
    return WHIT_OK;
}

whit_status wh_imatrix_read_state(whit_imatrix *m, whit_error *err)
{
    whit_calib *c = NULL;
    m->info.format = "calibration state";
    whit_status st = whit_calib_open(&c, m->path, err);
    for (size_t i = 0; st == WHIT_OK && i < c->info.inputs; i++)
        st = add_input(m, &c->input[i], err);
    if (st == WHIT_OK) st = describe(m, c, err);
    whit_calib_close(c);
    return st;
}
