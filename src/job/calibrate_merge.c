/* src/job/calibrate_merge.c - calibration states into one.
 *
 * Statistics are added up state by state; Hessians piece by piece while the output is written.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/calibrate.h"

typedef struct merging {
    const whit_merge_part *part;
    size_t parts;
    whit_calib **from;    /* [parts] */
    const double *weight; /* [parts]; NULL: none */
    double *piece;        /* [piece_size] */
    size_t piece_size;
} merging;

/* Elements of a Hessian, from all states that have the input. */
static whit_status fetch(void *ctx, const wh_calib_input *input, uint64_t at, size_t n, double *out,
                         whit_error *err)
{
    merging *m = ctx;
    whit_status st = WHIT_OK;
    memset(out, 0, n * sizeof *out);
    if (n > m->piece_size) {
        free(m->piece);
        m->piece = wh_calloc(n, sizeof *m->piece);
        m->piece_size = m->piece ? n : 0;
        if (!m->piece) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for Hessians");
    }
    for (size_t k = 0; k < m->parts && st == WHIT_OK; k++) {
        const size_t i = whit_calib_find(m->from[k], input->linear[0]);
        if (i == WHIT_CALIB_NONE) continue;
        const double factor =
            m->weight ? wh_calib_mix_factor(m->from, m->weight, m->parts, k, input->name) : 1;
        st = wh_calib_read_hessian(m->from[k], &m->from[k]->input[i], at, n, m->piece, err);
        for (size_t e = 0; e < n && st == WHIT_OK; e++) out[e] += factor * m->piece[e];
    }
    return st;
}

/* What the states take, and the one that they become. */
static uint64_t memory_of(const merging *m, size_t opened)
{
    uint64_t sum = 0, most = 0;
    for (size_t k = 0; k < opened; k++) {
        uint64_t one = 0;
        for (size_t i = 0; i < m->from[k]->info.inputs; i++)
            one += wh_calib_input_bytes(m->from[k]->input[i].told.cols);
        sum += one;
        most = one > most ? one : most;
    }
    return sum + most;
}

static whit_status open_parts(merging *m, uint64_t limit, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < m->parts && st == WHIT_OK; k++) {
        st = whit_calib_open(&m->from[k], m->part[k].path, err);
        if (st == WHIT_OK && limit) st = wh_stream_fits(limit, memory_of(m, k + 1), err);
    }
    for (size_t k = 1; k < m->parts && st == WHIT_OK; k++)
        if (m->from[k]->info.has_hessian != m->from[0]->info.has_hessian)
            st = wh_fail(err, WHIT_ERR_FORMAT,
                         "only some of the states have Hessians; try: states with them, or "
                         "without");
    return st;
}

static whit_status merge_parts(merging *m, whit_calib *c, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (m->weight) return wh_calib_mix(c, m->from, m->weight, m->parts, err);
    for (size_t k = 0; k < m->parts && st == WHIT_OK; k++) st = wh_calib_merge(c, m->from[k], err);
    return st;
}

static whit_status write_output(merging *m, const whit_calib *c, const char *output, int force,
                                whit_error *err)
{
    wh_outset *set = NULL;
    const wh_calib_form form = wh_calib_form_of(output);
    const int hessian = m->from[0]->info.has_hessian && form == WH_CALIB_STATE;
    const char **inputs = wh_calloc(m->parts, sizeof *inputs);
    if (!inputs) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the output");
    for (size_t k = 0; k < m->parts; k++) inputs[k] = m->part[k].path;
    const wh_outset_spec spec = {
        .path = output, .count = 1, .force = force, .inputs = inputs, .inputs_count = m->parts
    };
    whit_status st = wh_outset_open(&set, &spec, err);
    if (st == WHIT_OK) st = wh_calib_write(c, form, hessian ? fetch : NULL, m, set, err);
    if (st == WHIT_OK) st = wh_outset_commit(set, err);
    wh_outset_close(set);
    free(inputs);
    return st;
}

/* All of them or none. */
static whit_status read_weights(merging *m, double **weight, whit_error *err)
{
    size_t given = 0;
    *weight = wh_calloc(m->parts, sizeof **weight);
    if (!*weight) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the weights");
    for (size_t k = 0; k < m->parts; k++) {
        (*weight)[k] = m->part[k].weight;
        given += m->part[k].weight != 0;
        if (!m->part[k].path || !(m->part[k].weight >= 0 && m->part[k].weight < INFINITY))
            return wh_fail(err, WHIT_ERR_ARG, "whit_calibrate_merge: no path, or no such weight");
    }
    if (given != 0 && given != m->parts)
        return wh_fail(err, WHIT_ERR_ARG,
                       "some states have weights, others none; try: a weight for each");
    m->weight = given ? *weight : NULL;
    return WHIT_OK;
}

whit_status whit_calibrate_merge(const whit_merge_part *part, size_t parts, const char *output,
                                 const whit_job_options *options, whit_error *err)
{
    merging m = { .part = part, .parts = parts };
    double *weight = NULL;
    if (!part || parts == 0 || !output || !*output)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calibrate_merge: no states, or no output");
    whit_calib *c = wh_calib_new(output);
    m.from = wh_calloc(parts, sizeof *m.from);
    whit_status st = c && m.from ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for states");
    if (st == WHIT_OK) st = read_weights(&m, &weight, err);
    if (st == WHIT_OK) st = open_parts(&m, options ? options->max_memory : 0, err);
    if (st == WHIT_OK) st = merge_parts(&m, c, err);
    if (st == WHIT_OK) st = wh_calib_settle(c, err);
    if (st == WHIT_OK) st = write_output(&m, c, output, options && options->force, err);
    for (size_t k = 0; m.from && k < parts; k++) whit_calib_close(m.from[k]);
    whit_calib_close(c);
    free(m.from);
    free(m.piece);
    free(weight);
    return st;
}
