/* src/job/solve_sets.c - scales of the sets of a layer, by AWQ or SmoothQuant, folded into what
 * comes before them.
 *
 * A set is the matrices that share an input. Their columns are multiplied by t; the input is
 * divided by it where it is made: in the weights of the norm before, in the rows of v before the
 * output projection (where heads share keys and values, t is the same for all of them), in the rows
 * of up before down. A norm or bias is stored in its own type: t is then what its rounded values
 * make it, so that the float model stays what it was.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/smooth.h"
#include "job/solve.h"
#include "job/span.h"
#include "model/runner.h"

#define MOST 3 /* matrices of a set */

typedef struct set {
    wh_solver *s;
    const wh_places *places;
    const wh_model_config *config;
    uint32_t layer;
    size_t input, count, cols;
    wh_facts *facts;
    size_t index[MOST]; /* entries */
    float *w[MOST];     /* their weights */
    wh_awq_layer layers[MOST];
    float *t;       /* [cols] */
    double scaling; /* NaN: t is 1 */
} set;

size_t wh_input_first(size_t input, size_t *count)
{
    static const struct {
        size_t first, count;
    } inputs[WH_LAYER_INPUTS] = {
        [WH_INPUT_ATTN] = { WH_LINEAR_Q, 3 },
        [WH_INPUT_OUT] = { WH_LINEAR_OUT, 1 },
        [WH_INPUT_FFN] = { WH_LINEAR_GATE, 2 },
        [WH_INPUT_DOWN] = { WH_LINEAR_DOWN, 1 },
    };
    *count = inputs[input].count;
    return inputs[input].first;
}

/* ---- heads that share keys and values -------------------------------------------------------- */

static size_t heads_together(const set *x)
{
    return x->input == WH_INPUT_OUT ? x->config->heads / x->config->kv_heads : 1;
}

/* The column that stands for column c: that of the first head of its kv head. */
static size_t stand_in(const set *x, size_t c)
{
    const size_t rep = heads_together(x), dim = x->config->head_dim, head = c / dim;
    return head / rep * rep * dim + c % dim;
}

/* Make values that heads share the same: the largest of them, or their mean. */
static void tie(const set *x, float *v, int mean)
{
    const size_t rep = heads_together(x), dim = x->config->head_dim;
    if (rep == 1) return;
    for (size_t c = 0; c < x->cols; c++) {
        if (stand_in(x, c) != c) continue;
        double sum = 0;
        float most = 0;
        for (size_t k = 0; k < rep; k++) {
            sum += (double)v[c + k * dim];
            most = fmaxf(most, v[c + k * dim]);
        }
        for (size_t k = 0; k < rep; k++) v[c + k * dim] = mean ? (float)(sum / (double)rep) : most;
    }
}

/* ---- scales ---------------------------------------------------------------------------------- */

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the scales of a layer");
}

/* The first of the set that is quantized says what is tried. */
static size_t model_of(const set *x)
{
    size_t k = 0;
    while (k < x->count && !whit_scheme_is_quantized(&x->s->plan->entry[x->index[k]].scheme)) k++;
    return k;
}

static whit_status search_awq(set *x, whit_error *err)
{
    const size_t k = model_of(x);
    const wh_gptq_base *base;
    wh_awq_result result;
    if (k == x->count) return WHIT_OK;
    const wh_awq_format format = wh_solver_format(x->s, x->index[k], x->w[k]);
    whit_status st = wh_solver_base(x->s, wh_solver_group(&format, x->cols), &base, err);
    if (st != WHIT_OK || !base) return st;
    float *mean = wh_calloc(x->cols, sizeof *mean);
    if (!mean) return no_memory(err);
    for (size_t c = 0; c < x->cols; c++)
        mean[c] = (float)(x->facts->sum_abs[c] / (double)x->facts->tokens);
    tie(x, mean, 1);
    st = wh_awq_search(x->s->context, base, mean, x->layers, x->count, &format,
                       heads_together(x) == 1, x->t, &result, err);
    free(mean);
    if (st != WHIT_OK) return wh_plan_blame(x->s->plan, x->index[result.layer], st, err);
    if (result.ratio >= 0) x->scaling = result.ratio;
    return WHIT_OK;
}

static whit_status search_smooth(set *x, whit_error *err)
{
    const wh_facts *f = x->facts;
    const double asked = x->s->plan->method->o.alpha;
    double alpha = asked >= 0 ? asked : 0.5;
    wh_smooth_result result;
    whit_status st = WHIT_OK;
    float *acts = wh_calloc(x->cols, sizeof *acts), *most = wh_calloc(x->cols, sizeof *most);
    if (!acts || !most) st = no_memory(err);
    if (st == WHIT_OK && asked < 0 && f->samples > 0) {
        st = wh_smooth_search(x->s->context, f->sample, f->samples, x->cols, f->most, x->layers,
                              x->count, x->t, &result, err);
        alpha = result.alpha;
    }
    if (st == WHIT_OK && alpha >= 0) {
        memcpy(acts, f->most, x->cols * sizeof *acts);
        for (size_t k = 0; k < x->count; k++)
            wh_smooth_weights(x->w[k], x->layers[k].rows, x->cols, most);
        tie(x, acts, 0);
        tie(x, most, 0);
        wh_smooth_scales(acts, most, x->cols, alpha, x->t);
        x->scaling = alpha;
    }
    free(acts);
    free(most);
    return st;
}

/* ---- folding --------------------------------------------------------------------------------- */

/* The type that a vector is stored in. */
static whit_dtype stored_type(const whit_plan_entry *e)
{
    switch (e->scheme.kind) {
    case WHIT_TO_F16:
        return WHIT_F16;
    case WHIT_TO_BF16:
        return WHIT_BF16;
    case WHIT_KEEP:
        return e->source->tensor.dtype;
    default:
        return WHIT_F32;
    }
}

/* Divide the n values of a vector by t; t becomes what their rounding makes it: 1 where they would
 * vanish or pass the type's range. */
static whit_status divide_vector(const whit_plan *p, size_t i, float *t, size_t n, whit_error *err)
{
    const whit_dtype type = stored_type(&p->entry[i]);
    float *was = wh_calloc(n, sizeof *was), *is = wh_calloc(n, sizeof *is);
    uint8_t *octets = wh_calloc(n, sizeof(double));
    whit_status st = was && is && octets ? WHIT_OK : no_memory(err);
    if (st == WHIT_OK) st = wh_fold_read(p, i, 0, p->entry[i].source->rows, 0, was, err);
    for (size_t c = 0; c < n && st == WHIT_OK; c++) is[c] = was[c] / t[c];
    if (st == WHIT_OK) st = whit_dtype_from_f32(type, is, n, octets);
    if (st == WHIT_OK) st = whit_dtype_to_f32(type, octets, n, is);
    for (size_t c = 0; c < n && st == WHIT_OK; c++) {
        if (was[c] == 0) continue; /* and stays so, whatever t is */
        t[c] = was[c] / is[c];
        if (isnormal(t[c]) && isfinite(is[c])) continue;
        t[c] = 1.0f;
        is[c] = was[c];
    }
    if (st == WHIT_OK) st = wh_fold_vector(p, i, 0, is, err);
    free(was);
    free(is);
    free(octets);
    return st;
}

static whit_status fold_norm(const set *x, wh_role role, whit_error *err)
{
    return divide_vector(x->s->plan, *wh_place_of(x->places, role, x->layer), x->t, x->cols, err);
}

/* Rows of the matrix before are divided by t, and its bias; heads that share a row share t. */
static whit_status fold_rows(const set *x, size_t linear, whit_error *err)
{
    const whit_plan *p = x->s->plan;
    const size_t i = *wh_place_of(x->places, wh_linear_role(linear), x->layer);
    const size_t rows = (size_t)p->entry[i].source->rows, dim = x->config->head_dim;
    const size_t rep = heads_together(x);
    const wh_role bias = wh_linear_bias(linear);
    float *factor = wh_calloc(rows, sizeof *factor);
    whit_status st = factor ? WHIT_OK : no_memory(err);
    for (size_t r = 0; r < rows && st == WHIT_OK; r++)
        factor[r] = x->t[r / dim * rep * dim + r % dim];
    if (st == WHIT_OK && wh_role_expected(x->config, bias))
        st = divide_vector(p, *wh_place_of(x->places, bias, x->layer), factor, rows, err);
    for (size_t c = 0; c < x->cols && st == WHIT_OK; c++)
        x->t[c] = factor[c / dim / rep * dim + c % dim];
    for (size_t r = 0; r < rows && st == WHIT_OK; r++) factor[r] = 1.0f / factor[r];
    if (st == WHIT_OK) st = wh_fold_matrix(p, i, factor, NULL, err);
    free(factor);
    return st;
}

/* Static ranges of activations are those of the divided ones. */
static void divide_ranges(const set *x)
{
    float most = 0;
    for (size_t c = 0; c < x->cols; c++) most = fmaxf(most, x->facts->most[c]);
    for (size_t k = 0; k < x->count; k++) {
        whit_plan_entry *e = &x->s->plan->entry[x->index[k]];
        if (e->scheme.a8 != WHIT_A8_STATIC) continue;
        wh_method_range(e, most);
        x->s->plan->method->solved[x->index[k]].range = most;
    }
}

static whit_status fold(set *x, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (isnan(x->scaling)) return WHIT_OK;
    switch (x->input) {
    case WH_INPUT_ATTN:
        st = fold_norm(x, WH_ROLE_ATTN_NORM, err);
        break;
    case WH_INPUT_FFN:
        st = fold_norm(x, WH_ROLE_FFN_NORM, err);
        break;
    case WH_INPUT_OUT:
        st = fold_rows(x, WH_LINEAR_V, err);
        break;
    default:
        st = fold_rows(x, WH_LINEAR_UP, err);
    }
    for (size_t k = 0; k < x->count && st == WHIT_OK; k++)
        st = wh_fold_matrix(x->s->plan, x->index[k], NULL, x->t, err);
    if (st != WHIT_OK) return st;
    wh_facts_divide(x->facts, x->t);
    divide_ranges(x);
    return WHIT_OK;
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* 1: blocks of GGUF that stay as they are, which nothing can be multiplied into. */
static int stays_blocks(const whit_plan *p, size_t i)
{
    return p->entry[i].scheme.kind == WHIT_KEEP && p->entry[i].source->stored == WHIT_BLOCKS;
}

/* 1: the set, or the rows before it that scales go into, has such. */
static int is_bound(const set *x)
{
    const whit_plan *p = x->s->plan;
    const size_t before = x->input == WH_INPUT_OUT    ? WH_LINEAR_V
                          : x->input == WH_INPUT_DOWN ? WH_LINEAR_UP
                                                      : WH_LINEARS;
    int bound = before < WH_LINEARS &&
                stays_blocks(p, *wh_place_of(x->places, wh_linear_role(before), x->layer));
    for (size_t k = 0; k < x->count; k++) bound |= stays_blocks(p, x->index[k]);
    return bound;
}

/* Whether any of the set changes; kept ones alone are not scaled. */
static int wanted(const set *x)
{
    int n = 0;
    for (size_t k = 0; k < x->count; k++)
        n += x->s->plan->entry[x->index[k]].scheme.kind != WHIT_KEEP;
    return n > 0;
}

/* There are no scales: said here of matrices whose codes are not the method's (wh_solve says of the
 * others that nothing is known). */
static int lacks(const set *x)
{
    const wh_method *m = x->s->plan->method;
    const wh_fallback why = is_bound(x) ? WH_FALLBACK_BLOCKS : wh_facts_lack(x->facts);
    for (size_t k = 0; k < x->count && why; k++) {
        const size_t i = x->index[k];
        if (m->takes[i] || m->solved[i].fallback) continue;
        if (whit_scheme_is_quantized(&x->s->plan->entry[i].scheme))
            m->solved[i].fallback = (uint32_t)why;
    }
    return why != WH_FALLBACK_NONE;
}

static whit_status load(set *x, whit_error *err)
{
    whit_status st = WHIT_OK;
    x->t = wh_calloc(x->cols, sizeof *x->t);
    if (!x->t) return no_memory(err);
    for (size_t c = 0; c < x->cols; c++) x->t[c] = 1.0f;
    for (size_t k = 0; k < x->count && st == WHIT_OK; k++) {
        const size_t rows = (size_t)x->s->plan->entry[x->index[k]].source->rows;
        x->w[k] = wh_alloc_aligned(rows, x->cols * sizeof(float));
        if (!x->w[k]) return no_memory(err);
        x->layers[k] = (wh_awq_layer){ x->w[k], rows };
        st = wh_solver_read(x->s, x->index[k], x->w[k], err);
    }
    return st;
}

static whit_status fold_set(set *x, whit_error *err)
{
    const unsigned methods = x->s->plan->method->o.methods;
    const size_t first = wh_input_first(x->input, &x->count);
    for (size_t k = 0; k < x->count; k++)
        x->index[k] = *wh_place_of(x->places, wh_linear_role(first + k), x->layer);
    x->scaling = NAN;
    if (!wanted(x) || lacks(x)) return WHIT_OK;
    x->cols = x->facts->cols;
    wh_solver_input(x->s, x->facts);
    whit_status st = load(x, err);
    if (st == WHIT_OK) st = methods & WHIT_METHOD_AWQ ? search_awq(x, err) : search_smooth(x, err);
    if (st == WHIT_OK) st = fold(x, err);
    wh_solver_input(x->s, NULL);
    for (size_t k = 0; k < x->count; k++) wh_free_aligned(x->w[k]);
    free(x->t);
    return st;
}

whit_status wh_sets_fold(wh_solver *s, const wh_places *places, const wh_model_config *config,
                         uint32_t layer, wh_facts *facts, double *scaling, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < WH_LINEARS; i++) scaling[i] = NAN;
    for (size_t k = 0; k < WH_LAYER_INPUTS && st == WHIT_OK; k++) {
        set x = { .s = s, .places = places, .config = config, .layer = layer };
        x.input = k;
        x.facts = &facts[k];
        st = fold_set(&x, err);
        const size_t first = wh_input_first(k, &x.count);
        for (size_t l = 0; l < x.count; l++) scaling[first + l] = x.scaling;
    }
    return st;
}
