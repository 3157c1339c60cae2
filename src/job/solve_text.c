/* src/job/solve_text.c - a whole plan layer by layer, each seeing what the quantized ones before it
 * give.
 *
 * In a layer: scales of the sets first, by what comes into its float weights; then q, k, v, the
 * output projection, gate and up, down, each by what comes into it behind those that were quantized
 * before. Without GPTQ all are rounded by the first look. A layer is a stage: what an interrupted
 * run has finished is only run.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/layers.h"
#include "job/solve.h"

typedef struct driver {
    wh_solver *s;
    const whit_plan *plan;
    wh_layers layers;
    wh_gather gather;
    wh_facts facts[WH_LAYER_INPUTS];
    double scaling[WH_LINEARS];
} driver;

static size_t entry_of(const driver *d, size_t linear)
{
    return *wh_place_of(&d->layers.places, wh_linear_role(linear), d->layers.layer);
}

static whit_status look(void *ctx, size_t input, uint64_t at, const float *x, const float *y,
                        size_t tokens, whit_error *err)
{
    driver *d = ctx;
    wh_facts *f = &d->facts[input];
    return wh_facts_add(&d->gather, f, at, d->layers.tokens, x, f->drift ? y : NULL, tokens, err);
}

static whit_status facts_make(driver *d, size_t input, int drift, int sample, whit_error *err)
{
    size_t count;
    uint64_t rows, cols;
    wh_linear_sides(&d->layers.config, wh_input_first(input, &count), &rows, &cols);
    return wh_facts_make(&d->facts[input], (size_t)cols, drift, sample, err);
}

static void facts_free(driver *d)
{
    for (size_t k = 0; k < WH_LAYER_INPUTS; k++) wh_facts_free(&d->facts[k]);
}

/* ---- weights --------------------------------------------------------------------------------- */

/* What to do with the float weights of a linear. */
typedef enum make { MAKE_FLOAT, MAKE_SOLVED, MAKE_AGAIN } make;

/* Its weights to the sides: floats to both; or of the quantized side what they become, or became
 * in an earlier run. */
static whit_status put_linear(driver *d, size_t linear, make how, whit_error *err)
{
    const size_t i = entry_of(d, linear);
    const uint64_t n = d->plan->entry[i].weights;
    float *w = wh_alloc_aligned(n, sizeof *w), *decoded = wh_alloc_aligned(n, sizeof *decoded);
    whit_status st = WHIT_OK;
    if (!w || !decoded) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %" PRIu64 " weights", n);
    if (st == WHIT_OK) st = wh_solver_read(d->s, i, w, err);
    if (st == WHIT_OK && how == MAKE_SOLVED)
        st = wh_solve(d->s, i, w, decoded, d->scaling[linear], err);
    if (st == WHIT_OK && how == MAKE_AGAIN) st = wh_solved_decode(d->s, i, w, decoded, err);
    if (st == WHIT_OK)
        st = wh_layers_put(&d->layers, WH_SIDE_QUANTIZED, linear, how == MAKE_FLOAT ? w : decoded,
                           err);
    if (st == WHIT_OK && how != MAKE_SOLVED && d->layers.sides > 1)
        st = wh_layers_put(&d->layers, WH_SIDE_FLOAT, linear, w, err);
    if (st == WHIT_OK && how == MAKE_AGAIN)
        st = wh_meter_step(d->s->meter, d->plan->entry[i].source->tensor.name,
                           wh_method_share(d->plan, i), err);
    wh_free_aligned(w);
    wh_free_aligned(decoded);
    return st;
}

static whit_status put_all(driver *d, make how, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t l = 0; l < WH_LINEARS && st == WHIT_OK; l++) st = put_linear(d, l, how, err);
    return st;
}

/* The linears of an input, by facts that are there. */
static whit_status solve_input(driver *d, size_t input, whit_error *err)
{
    size_t count;
    const size_t first = wh_input_first(input, &count);
    whit_status st = WHIT_OK;
    wh_solver_input(d->s, d->facts[input].cols ? &d->facts[input] : NULL);
    for (size_t l = first; l < first + count && st == WHIT_OK; l++)
        st = put_linear(d, l, MAKE_SOLVED, err);
    wh_solver_input(d->s, NULL);
    return st == WHIT_OK ? wh_layers_vectors(&d->layers, err) : st; /* biases are corrected */
}

/* ---- layers ---------------------------------------------------------------------------------- */

static whit_status scale_sets(driver *d, whit_error *err)
{
    const whit_method_options *o = &d->plan->method->o;
    const int sample = (o->methods & WHIT_METHOD_SMOOTHQUANT) && o->alpha < 0;
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++)
        st = facts_make(d, k, 0, sample, err);
    if (st == WHIT_OK) st = wh_layers_pass(&d->layers, WH_PASS_LOOK, look, d, err);
    if (st == WHIT_OK)
        st = wh_sets_fold(d->s, &d->layers.places, &d->layers.config, d->layers.layer, d->facts,
                          d->scaling, err);
    if (st == WHIT_OK) st = wh_layers_vectors(&d->layers, err);
    return st;
}

static whit_status round_layer(driver *d, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++) st = solve_input(d, k, err);
    return st == WHIT_OK ? wh_layers_pass(&d->layers, WH_PASS_SKIP, NULL, NULL, err) : st;
}

static whit_status learn_layer(driver *d, whit_error *err)
{
    static const wh_pass_kind kinds[WH_LAYER_INPUTS] = { WH_PASS_ATTN, WH_PASS_OUT, WH_PASS_FFN,
                                                         WH_PASS_DOWN };
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++) {
        st = facts_make(d, k, d->layers.sides > 1, 0, err);
        if (st == WHIT_OK) st = wh_layers_pass(&d->layers, kinds[k], look, d, err);
        if (st == WHIT_OK) st = solve_input(d, k, err);
        wh_facts_free(&d->facts[k]);
    }
    return st == WHIT_OK ? wh_layers_pass(&d->layers, WH_PASS_END, NULL, NULL, err) : st;
}

static whit_status solve_layer(driver *d, whit_error *err)
{
    const unsigned methods = d->plan->method->o.methods;
    for (size_t l = 0; l < WH_LINEARS; l++) d->scaling[l] = NAN;
    whit_status st = put_all(d, MAKE_FLOAT, err);
    if (st == WHIT_OK && methods & WH_METHOD_FOLDS) {
        st = scale_sets(d, err);
        if (st == WHIT_OK) st = put_all(d, MAKE_FLOAT, err);
        if (methods & WHIT_METHOD_GPTQ) facts_free(d);
    }
    if (st == WHIT_OK) st = methods & WHIT_METHOD_GPTQ ? learn_layer(d, err) : round_layer(d, err);
    facts_free(d);
    return st == WHIT_OK ? wh_solutions_finish(&d->plan->method->solutions, err) : st;
}

static whit_status repeat_layer(driver *d, whit_error *err)
{
    whit_status st = put_all(d, MAKE_AGAIN, err);
    return st == WHIT_OK ? wh_layers_pass(&d->layers, WH_PASS_SKIP, NULL, NULL, err) : st;
}

/* The output head, where it is a matrix of its own that takes part. */
static whit_status solve_head(driver *d, whit_error *err)
{
    const size_t i = *wh_place_of(&d->layers.places, WH_ROLE_OUTPUT, 0);
    if (i == WHIT_NOT_FOUND || !d->plan->method->takes[i]) return WHIT_OK;
    if (d->plan->method->solutions.stages > d->layers.config.layers) return WHIT_OK;
    whit_status st = facts_make(d, WH_INPUT_ATTN, d->layers.sides > 1, 0, err); /* as wide */
    if (st == WHIT_OK) st = wh_layers_pass(&d->layers, WH_PASS_HEAD, look, d, err);
    wh_solver_input(d->s, &d->facts[WH_INPUT_ATTN]);
    if (st == WHIT_OK) st = wh_solve_entry(d->s, i, NAN, err);
    wh_solver_input(d->s, NULL);
    facts_free(d);
    return st == WHIT_OK ? wh_solutions_finish(&d->plan->method->solutions, err) : st;
}

static whit_status open_driver(driver *d, whit_error *err)
{
    const whit_method_options *o = &d->plan->method->o;
    const unsigned sides = o->methods & WHIT_METHOD_GPTQ && o->qep != 0 ? 2 : 1;
    wh_method *m = d->plan->method;
    whit_status st =
        wh_layers_open(&d->layers, d->plan, d->s->context, &m->feeds, sides, &m->warnings, err);
    d->s->meter->total += wh_method_work(d->plan); /* the texts are taken apart now */
    const wh_model_config *c = &d->layers.config;
    size_t widest = c->ffn > c->dim ? c->ffn : c->dim;
    if ((size_t)c->heads * c->head_dim > widest) widest = (size_t)c->heads * c->head_dim;
    return st == WHIT_OK ? wh_gather_open(&d->gather, d->s->context, widest, sides > 1, err) : st;
}

whit_status wh_solve_text(wh_solver *s, whit_error *err)
{
    driver d = { .s = s, .plan = s->plan };
    whit_status st = open_driver(&d, err);
    const uint32_t finished = s->plan->method->solutions.stages;
    for (uint32_t l = 0; st == WHIT_OK && l < d.layers.config.layers; l++) {
        st = wh_layers_load(&d.layers, l, err);
        if (st == WHIT_OK) st = l < finished ? repeat_layer(&d, err) : solve_layer(&d, err);
    }
    if (st == WHIT_OK) st = solve_head(&d, err);
    facts_free(&d);
    wh_gather_close(&d.gather);
    wh_layers_close(&d.layers);
    return st;
}

whit_status wh_solve_text_bytes(const whit_plan *plan, uint64_t *bytes, whit_error *err)
{
    const whit_method_options *o = &plan->method->o;
    wh_model_config c;
    whit_status st = wh_config_of_file(&c, whit_source_file(plan->source), err);
    if (st != WHIT_OK) return st;
    *bytes = wh_layers_bytes(plan, &c, o->methods & WHIT_METHOD_GPTQ && o->qep != 0 ? 2 : 1);
    return WHIT_OK;
}
