/* src/job/act_scales.c - the ranges of activations that a plan's static a8s schemes ask for.
 *
 * Matrices with one input have one range. Not here: the ranges themselves (src/calib/observe.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/act_scales.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "calib/state.h"

static int is_static(const whit_plan *p, size_t i)
{
    return p->entry[i].scheme.a8 == WHIT_A8_STATIC && !p->fake;
}

static size_t first_static(const whit_plan *p)
{
    size_t i = 0;
    while (i < p->count && !is_static(p, i)) i++;
    return i;
}

/* What was last found for an input. */
typedef struct found {
    whit_calib_range range; /* scale 0: nothing yet */
    whit_kind kind;
} found;

static whit_status find_range(const whit_plan *p, const whit_calib *state, size_t i, found *known,
                              whit_error *err)
{
    whit_plan_entry *e = &p->entry[i];
    char name[WH_SHORT], path[WH_SHORT];
    const size_t input = whit_calib_find(state, e->source->tensor.name);
    wh_short(name, e->source->tensor.name);
    wh_short(path, p->calibration);
    if (input == WHIT_CALIB_NONE)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: %s knows nothing of its input; try: a state of this model", name, path);
    const whit_calib_input *in = whit_calib_at(state, input);
    if (in->cols != e->source->cols)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: has %" PRIu64 " columns, and its input in %s %" PRIu64
                       "; try: a state of this model",
                       name, e->source->cols, path, in->cols);
    found *f = &known[input];
    if (!(f->range.scale > 0) || f->kind != e->scheme.kind) {
        f->kind = e->scheme.kind;
        whit_status st = whit_calib_observe(state, input, p->observer, p->observer_percent, f->kind,
                                            &f->range, err);
        if (st != WHIT_OK) return st;
    }
    e->acts = f->range;
    return WHIT_OK;
}

whit_status wh_act_scales(whit_plan *p, whit_error *err)
{
    const size_t first = first_static(p);
    char name[WH_SHORT];
    int is = 0;
    if (first == p->count) {
        if (p->observer != WHIT_OBSERVER_MINMAX)
            wh_lines_add(&p->warnings, "--observer changes nothing: no scheme has a8s");
        return WHIT_OK;
    }
    wh_short(name, p->entry[first].source->tensor.name);
    whit_status st = p->calibration ? wh_calib_probe(p->calibration, &is, err) : WHIT_OK;
    if (st != WHIT_OK) return st;
    if (!is)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: a8s wants statistics of its activations; try: --calibration STATE, of "
                       "whit calibrate, or a8, a scale a token",
                       name);
    whit_calib *state;
    st = whit_calib_open(&state, p->calibration, err);
    if (st != WHIT_OK) return st;
    found *known = wh_calloc(whit_calib_describe(state)->inputs, sizeof *known);
    if (!known) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for ranges of activations");
    for (size_t i = first; i < p->count && st == WHIT_OK; i++)
        if (is_static(p, i)) st = find_range(p, state, i, known, err);
    free(known);
    whit_calib_close(state);
    return st;
}

int wh_act_any(const whit_plan *p)
{
    return first_static(p) < p->count;
}

void wh_act_option(const whit_plan *p, wh_buf *out)
{
    static const char *const names[] = { "minmax", "percentile:", "entropy", "mse" };
    if (!wh_act_any(p) || p->observer == WHIT_OBSERVER_MINMAX) return;
    wh_buf_putf(out, "%sobserver=%s", out->len ? " " : "", names[p->observer]);
    if (p->observer == WHIT_OBSERVER_PERCENTILE) wh_json_put_double(out, p->observer_percent);
}

size_t wh_act_summary(const whit_plan *p, double *clipped, double *sqnr_db)
{
    size_t n = 0;
    *clipped = 0;
    *sqnr_db = INFINITY;
    for (size_t i = 0; i < p->count; i++) {
        if (!is_static(p, i)) continue;
        n++;
        *clipped = fmax(*clipped, p->entry[i].acts.clipped);
        *sqnr_db = fmin(*sqnr_db, p->entry[i].acts.sqnr_db);
    }
    return n;
}
