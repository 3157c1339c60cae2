/* src/calib/imatrix_state.c - a calibration state as an importance matrix: mean squares of the
 * channels, for every matrix that its inputs go into.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

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

whit_status wh_imatrix_read_state(whit_imatrix *m, whit_error *err)
{
    whit_calib *c = NULL;
    m->info.format = "calibration state";
    whit_status st = whit_calib_open(&c, m->path, err);
    for (size_t i = 0; st == WHIT_OK && i < c->info.inputs; i++)
        st = add_input(m, &c->input[i], err);
    whit_calib_close(c);
    return st;
}
