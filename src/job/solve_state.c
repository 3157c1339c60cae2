/* src/job/solve_state.c - a whole plan by what a calibration state knows of the float model's
 * inputs, or by nothing at all.
 *
 * Matrices that share an input are solved together; layers whose sets are scaled come first.
 * Each such step is a stage that an interrupted run need not repeat.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/hessian.h"
#include "job/importance.h"
#include "job/solve.h"
#include "model/runner.h"

typedef struct driver {
    wh_solver *s;
    whit_calib *state;   /* NULL: none */
    unsigned char *done; /* [count] */
    uint32_t stage;      /* that comes next */
    wh_model_config config;
    wh_places places;
} driver;

/* ---- facts ----------------------------------------------------------------------------------- */

static whit_status load_hessian(const driver *d, size_t input, wh_facts *f, whit_error *err)
{
    double *h = wh_calloc(f->cols, f->cols * sizeof *h);
    if (!h) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an H of %zu columns", f->cols);
    whit_status st = whit_calib_hessian(d->state, input, h, err);
    for (size_t r = 0, k = 0; r < f->cols && st == WHIT_OK; r++)
        for (size_t c = r; c < f->cols; c++) f->triangle[k++] = h[r * f->cols + c];
    free(h);
    return st;
}

static whit_status load_facts(const driver *d, size_t input, wh_facts *f, whit_error *err)
{
    const whit_calib_input *in = whit_calib_at(d->state, input);
    whit_status st = wh_facts_make(f, (size_t)in->cols, 0, 0, err);
    if (st != WHIT_OK) return st;
    f->tokens = in->tokens;
    for (size_t c = 0; c < f->cols; c++) {
        const whit_calib_channel ch = whit_calib_channel_at(d->state, input, c);
        f->sum[c] = ch.mean * (double)in->tokens;
        f->sum_abs[c] = ch.mean_abs * (double)in->tokens;
        f->most[c] = fmaxf(fabsf(ch.min), fabsf(ch.max));
    }
    return whit_calib_describe(d->state)->has_hessian ? load_hessian(d, input, f, err) : WHIT_OK;
}

/* The input of an entry by any of its names; WHIT_CALIB_NONE. */
static size_t input_of(const driver *d, size_t i)
{
    const char *name = d->s->plan->entry[i].source->tensor.name;
    char other[WH_ROLE_NAME];
    uint32_t layer = 0;
    size_t found = d->state ? whit_calib_find(d->state, name) : WHIT_CALIB_NONE;
    const wh_role role = wh_method_role(d->s->plan, i, &layer);
    for (int by = WH_NAMING_HF; d->state && found == WHIT_CALIB_NONE && role != WH_ROLE_NONE &&
                                role != WH_ROLE_TOKEN_EMBD && by <= WH_NAMING_GGUF;
         by++)
        found = whit_calib_find(d->state, wh_role_name(role, layer, (wh_naming)by, other));
    return found;
}

static whit_status check_cols(const driver *d, size_t i, size_t input, whit_error *err)
{
    const whit_source_tensor *t = d->s->plan->entry[i].source;
    char name[WH_SHORT];
    if (whit_calib_at(d->state, input)->cols == t->cols) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s: the calibration knows another number of its columns; try: a state of this "
                   "model",
                   wh_short(name, t->tensor.name));
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* Go on to the next one; 1: an interrupted run has finished it. */
static int finished_before(driver *d)
{
    return d->stage++ < d->s->plan->method->solutions.stages;
}

/* The matrices of an input (WHIT_CALIB_NONE: of none) that are left. */
static whit_status solve_input(driver *d, size_t input, whit_error *err)
{
    const whit_plan *p = d->s->plan;
    const int skip = finished_before(d);
    wh_facts facts = { 0 };
    int loaded = 0;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        if (d->done[i] || !p->method->takes[i] || input_of(d, i) != input) continue;
        d->done[i] = 1;
        if (skip) continue;
        if (!loaded && input != WHIT_CALIB_NONE) st = load_facts(d, input, &facts, err);
        if (st == WHIT_OK && !loaded)
            wh_solver_input(d->s, input != WHIT_CALIB_NONE ? &facts : NULL);
        loaded = 1;
        if (st == WHIT_OK && input != WHIT_CALIB_NONE) st = check_cols(d, i, input, err);
        if (st == WHIT_OK) st = wh_solve_entry(d->s, i, NAN, err);
    }
    wh_solver_input(d->s, NULL);
    wh_facts_free(&facts);
    if (st != WHIT_OK || skip) return st;
    return wh_solutions_finish(&p->method->solutions, err);
}

static whit_status solve_linears(driver *d, uint32_t layer, const wh_facts *facts,
                                 const double *scaling, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++) {
        size_t count;
        const size_t first = wh_input_first(k, &count);
        wh_solver_input(d->s, facts[k].cols ? &facts[k] : NULL);
        for (size_t l = first; l < first + count && st == WHIT_OK; l++)
            st = wh_solve_entry(d->s, *wh_place_of(&d->places, wh_linear_role(l), layer),
                                scaling[l], err);
    }
    wh_solver_input(d->s, NULL);
    return st;
}

/* A layer whose sets are scaled. */
static whit_status solve_layer(driver *d, uint32_t layer, whit_error *err)
{
    const whit_plan *p = d->s->plan;
    wh_facts facts[WH_LAYER_INPUTS] = { { 0 } };
    double scaling[WH_LINEARS];
    whit_status st = WHIT_OK;
    for (size_t l = 0; l < WH_LINEARS; l++)
        d->done[*wh_place_of(&d->places, wh_linear_role(l), layer)] = 1;
    if (finished_before(d)) return WHIT_OK;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++) {
        size_t count;
        const size_t i = *wh_place_of(&d->places, wh_linear_role(wh_input_first(k, &count)), layer);
        const size_t input = input_of(d, i);
        if (input == WHIT_CALIB_NONE) continue;
        st = check_cols(d, i, input, err);
        if (st == WHIT_OK) st = load_facts(d, input, &facts[k], err);
    }
    if (st == WHIT_OK) st = wh_sets_fold(d->s, &d->places, &d->config, layer, facts, scaling, err);
    if (st == WHIT_OK) st = solve_linears(d, layer, facts, scaling, err);
    for (size_t k = 0; k < WH_LAYER_INPUTS; k++) wh_facts_free(&facts[k]);
    return st == WHIT_OK ? wh_solutions_finish(&p->method->solutions, err) : st;
}

static whit_status solve_layers(driver *d, whit_error *err)
{
    const whit_plan *p = d->s->plan;
    whit_status st = WHIT_OK;
    if (!(p->method->o.methods & WH_METHOD_FOLDS)) return WHIT_OK;
    st = wh_config_of_file(&d->config, whit_source_file(p->source), err);
    if (st == WHIT_OK) st = wh_places_find(&d->places, &d->config, p->source, err);
    for (uint32_t l = 0; l < d->config.layers && st == WHIT_OK; l++) st = solve_layer(d, l, err);
    return st;
}

whit_status wh_solve_state(wh_solver *s, whit_error *err)
{
    driver d = { .s = s };
    whit_status st = WHIT_OK;
    d.done = wh_calloc(s->plan->count, 1);
    if (!d.done) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a method");
    s->meter->total += wh_method_work(s->plan);
    if (s->plan->method->o.methods != WHIT_METHOD_HQQ)
        st = whit_calib_open(&d.state, s->plan->method->state, err);
    if (st == WHIT_OK) st = solve_layers(&d, err);
    const size_t inputs = d.state ? whit_calib_describe(d.state)->inputs : 0;
    for (size_t k = 0; k < inputs && st == WHIT_OK; k++) st = solve_input(&d, k, err);
    if (st == WHIT_OK) st = solve_input(&d, WHIT_CALIB_NONE, err);
    wh_places_free(&d.places);
    whit_calib_close(d.state);
    free(d.done);
    return st;
}
