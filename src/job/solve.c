/* src/job/solve.c - the codes of one matrix: by GPTQ, HQQ, or rounded after clipping; kept where
 * they are better than rounding alone.
 *
 * SPDX-License-Identifier: MIT */
#include "job/solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/gptq_blocks.h"
#include "calib/gptq_codes.h"
#include "calib/hqq.h"
#include "job/planes.h"
#include "job/span.h"
#include "job/work_solved.h"
#include "quant/matrix.h"

#define PASSES 3

/* ---- what is shared by the matrices of an input ---------------------------------------------- */

void wh_solver_input(wh_solver *s, const wh_facts *facts)
{
    wh_gptq_base_free(&s->base);
    s->base_group = 0;
    s->base_failed = 0;
    s->facts = facts;
}

void wh_solver_close(wh_solver *s)
{
    wh_solver_input(s, NULL);
}

static unsigned passes_of(const wh_solver *s)
{
    const whit_method_options *o = &s->plan->method->o;
    if (!(o->methods & WHIT_METHOD_GPTQ)) return 0;
    if (o->passes >= 0) return (unsigned)o->passes;
    return s->facts->tokens >= 2 * (uint64_t)s->facts->cols ? PASSES : 0;
}

whit_status wh_solver_base(wh_solver *s, size_t group, const wh_gptq_base **base, whit_error *err)
{
    const whit_method_options *m = &s->plan->method->o;
    whit_error why = { WHIT_OK, "" };
    *base = NULL;
    if (s->base_failed) return WHIT_OK;
    if (s->base_group != group) {
        const wh_gptq_options o = { .order = m->act_order ? WH_GPTQ_COLUMNS : WH_GPTQ_GROUPS,
                                    .group = group,
                                    .lambda = wh_method_damping(s->plan->method),
                                    .polish = passes_of(s) > 0 };
        wh_gptq_base_free(&s->base);
        s->base_group = 0;
        whit_status st =
            wh_gptq_base_make(&s->base, s->context, s->facts->triangle, s->facts->cols, &o, &why);
        if (st == WHIT_ERR_NUMERIC) {
            s->base_failed = 1;
            return WHIT_OK;
        }
        if (st != WHIT_OK) return wh_fail(err, st, "%s", why.msg);
        s->base_group = group;
    }
    *base = &s->base;
    return WHIT_OK;
}

whit_status wh_solver_read(const wh_solver *s, size_t i, float *w, whit_error *err)
{
    const whit_plan *p = s->plan;
    const whit_source_tensor *t = p->entry[i].source;
    const size_t cols = (size_t)t->cols;
    whit_status st = wh_fold_read(p, i, 0, t->rows, 0, w, err);
    for (size_t r = 0; r < t->rows && st == WHIT_OK; r++) {
        float *row = w + r * cols, limit = 0.0f;
        size_t bad = 0;
        for (size_t k = 0; k < cols; k++) {
            if (!isfinite(row[k])) bad++;
            if (isfinite(row[k]) && fabsf(row[k]) > limit) limit = fabsf(row[k]);
        }
        if (!bad) continue;
        const wh_tile tile = { .w = row, .rows = 1, .cols = cols, .row0 = r };
        if (p->nonfinite == WHIT_NONFINITE_REFUSE)
            st = wh_plan_blame(p, i, wh_tile_not_finite(&tile, err), err);
        else
            wh_clean(row, cols, p->nonfinite, limit, row);
    }
    return st;
}

wh_awq_format wh_solver_format(const wh_solver *s, size_t i, const float *w)
{
    const whit_plan_entry *e = &s->plan->entry[i];
    const size_t n = (size_t)(e->source->rows * e->source->cols);
    float most = 0.0f;
    if (e->scheme.kind == WHIT_GGUF) return (wh_awq_format){ .block = e->scheme.block };
    for (size_t k = 0; e->scheme.kind == WHIT_NVFP4 && k < n; k++)
        most = fabsf(w[k]) > most ? fabsf(w[k]) : most;
    return (wh_awq_format){ .block = WHIT_BLOCK_NONE,
                            .spec = wh_plan_spec(s->plan, i, whit_nvfp4_scale2(most)) };
}

size_t wh_solver_group(const wh_awq_format *f, size_t cols)
{
    const size_t group =
        f->block != WHIT_BLOCK_NONE ? whit_block_describe(f->block)->weights : f->spec.scheme.group;
    return group && group < cols ? group : cols;
}

/* ---- methods --------------------------------------------------------------------------------- */

/* One matrix on its way. */
typedef struct problem {
    wh_solver *s;
    size_t i;
    const float *w;
    float *decoded;
    wh_planes p;
    wh_solved told;
} problem;

/* The mean square error of an output that weights `decoded` instead of `w` make. */
static whit_status error_of(const problem *x, const wh_gptq_base *base, const float *w,
                            float *decoded, double *out, whit_error *err)
{
    const size_t n = x->p.rows * x->p.cols;
    double sum = 0;
    for (size_t k = 0; k < n; k++) decoded[k] = w[k] - decoded[k];
    whit_status st = wh_gptq_loss(x->s->context, base, decoded, x->p.rows, NULL, &sum, err);
    *out = sum / ((double)x->s->facts->tokens * (double)x->p.rows);
    return st;
}

/* Damped mean squares by column, as blocks that are only rounded have errors weighed. */
static float *importance_of(const wh_gptq_base *base)
{
    float *v = wh_calloc(base->cols, sizeof *v);
    for (size_t k = 0; v && k < base->cols; k++) v[k] = base->weight[base->place[k]];
    return v;
}

static whit_status run_gptq(problem *x, const wh_gptq_base *base, const float *w, double *loss,
                            whit_error *err)
{
    const whit_method_options *o = &x->s->plan->method->o;
    wh_planes *p = &x->p;
    wh_gptq_blocks blocks;
    wh_gptq_codes codes;
    wh_gptq_result result = { 0, 0 };
    const unsigned passes = passes_of(x->s);
    const wh_gptq_job job = { .base = base,
                              .w = w,
                              .rows = p->rows,
                              .before = o->act_order || o->static_groups,
                              .passes = passes,
                              .refit = passes > 0 && !o->act_order };
    whit_status st;
    if (wh_planes_are_blocks(p))
        st = wh_gptq_blocks_open(&blocks, p->format.block, p->rows, p->cols, p->codes, err);
    else
        st = wh_gptq_codes_open(&codes, &p->format.spec, p->rows, p->cols, p->codes, p->scale,
                                p->zero, err);
    /* cppcheck-suppress uninitvar ; opened where there are no blocks */
    if (st == WHIT_OK && !wh_planes_are_blocks(p) && codes.target.fixed) {
        float *weight = importance_of(base);
        st = weight ? wh_gptq_codes_shared(&codes, w, weight, err)
                    : wh_fail(err, WHIT_ERR_NOMEM, "no memory for weights of columns");
        free(weight);
    }
    if (st == WHIT_OK)
        st = wh_gptq_run(x->s->context, &job,
                         wh_planes_are_blocks(p) ? &blocks.target : &codes.target, &result, err);
    *loss = result.loss / ((double)x->s->facts->tokens * (double)p->rows);
    return st;
}

/* GPTQ for x->w, or *fallback. shifted: scratch. */
static whit_status gptq(problem *x, const wh_gptq_base *base, float *shifted, whit_error *err)
{
    const whit_method_options *o = &x->s->plan->method->o;
    const double share = o->qep < 0 ? 0.5 : o->qep;
    const float *w = x->w;
    whit_status st = WHIT_OK;
    if (x->s->facts->drift && share > 0) {
        st = wh_gptq_shift(x->s->context, base, x->s->facts->drift, share, x->w, x->p.rows, shifted,
                           err);
        w = shifted;
    }
    if (st == WHIT_OK)
        st = wh_awq_decoded(x->s->context, &x->p.format, x->w, x->p.rows, x->p.cols, NULL,
                            x->decoded, err);
    if (st == WHIT_OK) st = error_of(x, base, w, x->decoded, &x->told.before, err);
    if (st == WHIT_OK) st = run_gptq(x, base, w, &x->told.after, err);
    const int lossless = x->told.before == 0 && x->told.after == 0;
    if (st == WHIT_OK && !(x->told.after < x->told.before) && !lossless)
        x->told.fallback = WH_FALLBACK_WORSE;
    return st;
}

/* Clipped, but for queries and keys, and rounded. */
static whit_status awq(problem *x, const wh_gptq_base *base, float *clipped, whit_error *err)
{
    const size_t n = x->p.rows * x->p.cols;
    uint32_t layer;
    const wh_role role = wh_method_role(x->s->plan, x->i, &layer);
    float *importance = wh_planes_are_blocks(&x->p) ? importance_of(base) : NULL;
    whit_status st = WHIT_OK;
    memcpy(clipped, x->w, n * sizeof *clipped);
    if (wh_planes_are_blocks(&x->p) && !importance)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for weights of columns");
    if (st == WHIT_OK)
        st = wh_awq_decoded(x->s->context, &x->p.format, x->w, x->p.rows, x->p.cols, NULL,
                            x->decoded, err);
    if (st == WHIT_OK) st = error_of(x, base, x->w, x->decoded, &x->told.before, err);
    if (st == WHIT_OK && role != WH_ROLE_ATTN_Q && role != WH_ROLE_ATTN_K)
        st = wh_awq_clip(x->s->context, x->s->facts->triangle, clipped, x->p.rows, x->p.cols,
                         wh_solver_group(&x->p.format, x->p.cols), &x->p.format, NULL, err);
    if (st == WHIT_OK) st = wh_planes_round(&x->p, x->s->context, clipped, importance, err);
    if (st == WHIT_OK) st = wh_planes_decode(&x->p, x->decoded, err);
    if (st == WHIT_OK) st = error_of(x, base, x->w, x->decoded, &x->told.after, err);
    free(importance);
    if (st == WHIT_OK && !(x->told.after <= x->told.before)) x->told.fallback = WH_FALLBACK_WORSE;
    return st;
}

static whit_status hqq(problem *x, whit_error *err)
{
    wh_planes *p = &x->p;
    if (wh_planes_are_blocks(p))
        return wh_hqq_blocks(x->s->context, p->format.block, x->w, p->rows, p->cols, p->codes, err);
    return wh_hqq_codes(x->s->context, &p->format.spec, x->w, p->rows, p->cols, p->codes, p->scale,
                        p->zero, err);
}

static whit_status learn(problem *x, whit_error *err)
{
    const unsigned methods = x->s->plan->method->o.methods;
    const wh_gptq_base *base = NULL;
    if (methods == WHIT_METHOD_HQQ) return hqq(x, err);
    x->told.fallback = (uint32_t)wh_facts_lack(x->s->facts);
    if (x->told.fallback) return WHIT_OK;
    whit_status st = wh_solver_base(x->s, wh_solver_group(&x->p.format, x->p.cols), &base, err);
    if (st != WHIT_OK) return st;
    if (!base) {
        x->told.fallback = WH_FALLBACK_FACTOR;
        return WHIT_OK;
    }
    x->told.damping = base->damping.lambda;
    float *scratch = wh_alloc_aligned(x->p.rows, x->p.cols * sizeof *scratch);
    if (!scratch)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", x->p.rows);
    else
        st = methods & WHIT_METHOD_GPTQ ? gptq(x, base, scratch, err) : awq(x, base, scratch, err);
    wh_free_aligned(scratch);
    return st;
}

/* The bias of a matrix, by its name; WHIT_NOT_FOUND. */
static whit_status bias_of(const whit_plan *p, size_t i, size_t *found, whit_error *err)
{
    static const char end[] = ".weight";
    const char *name = p->entry[i].source->tensor.name;
    const size_t len = strlen(name), cut = sizeof end - 1;
    wh_buf b = { 0 };
    *found = WHIT_NOT_FOUND;
    if (len < cut || strcmp(name + len - cut, end) != 0) return WHIT_OK;
    wh_buf_put(&b, name, len - cut);
    wh_buf_puts(&b, ".bias");
    if (!b.failed) *found = whit_source_find(p->source, b.data);
    const whit_status st =
        b.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name") : WHIT_OK;
    wh_buf_free(&b);
    if (*found == WHIT_NOT_FOUND) return st;
    const whit_source_tensor *t = p->entry[*found].source;
    const int fits = t->tensor.rank == 1 && t->tensor.elements == p->entry[i].source->rows;
    if (!fits || !whit_dtype_is_float(t->tensor.dtype)) *found = WHIT_NOT_FOUND;
    return st;
}

/* bias += (W - decoded) times the mean input. */
static whit_status correct_bias(const problem *x, whit_error *err)
{
    const whit_plan *p = x->s->plan;
    const wh_facts *f = x->s->facts;
    size_t b = WHIT_NOT_FOUND;
    whit_status st = f && f->tokens > 0 && f->finite ? bias_of(p, x->i, &b, err) : WHIT_OK;
    if (b == WHIT_NOT_FOUND) return st;
    float *v = wh_calloc(x->p.rows, sizeof *v);
    if (!v) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a bias");
    st = wh_fold_read(p, b, 0, p->entry[b].source->rows, 0, v, err);
    for (size_t r = 0; r < x->p.rows && st == WHIT_OK; r++) {
        const size_t at = r * x->p.cols;
        double sum = 0;
        for (size_t c = 0; c < x->p.cols; c++)
            sum += ((double)x->w[at + c] - (double)x->decoded[at + c]) * f->sum[c];
        v[r] = (float)((double)v[r] + sum / (double)f->tokens);
    }
    if (st == WHIT_OK) st = wh_fold_vector(p, b, 1, v, err);
    free(v);
    return st;
}

static whit_status solve(problem *x, whit_error *err)
{
    const whit_plan *plan = x->s->plan;
    whit_status st = WHIT_OK;
    if (plan->method->takes[x->i]) {
        x->told.methods = plan->method->o.methods;
        st = learn(x, err);
        if (st == WHIT_OK && !x->told.fallback) st = wh_planes_decode(&x->p, x->decoded, err);
        if (st == WHIT_OK && !x->told.fallback)
            st = wh_planes_keep(&x->p, &plan->method->solutions, x->i, err);
        if (st == WHIT_OK && !x->told.fallback) st = correct_bias(x, err);
    }
    if (st == WHIT_OK && (x->told.fallback || !plan->method->takes[x->i]))
        st = wh_awq_decoded(x->s->context, &x->p.format, x->w, x->p.rows, x->p.cols, NULL,
                            x->decoded, err);
    return st;
}

whit_status wh_solve(wh_solver *s, size_t i, const float *w, float *decoded, double scaling,
                     whit_error *err)
{
    const whit_plan_entry *e = &s->plan->entry[i];
    problem x = { .s = s, .i = i, .w = w, .decoded = decoded };
    x.told = s->plan->method->solved[i];
    x.told.scaling = scaling;
    if (!whit_scheme_is_quantized(&e->scheme)) {
        memcpy(decoded, w, (size_t)(e->source->rows * e->source->cols) * sizeof *w);
        return isnan(scaling) ? WHIT_OK : wh_method_tell(s->plan, i, &x.told, err);
    }
    const wh_awq_format format = wh_solver_format(s, i, w);
    whit_status st =
        wh_planes_make(&x.p, &format, (size_t)e->source->rows, (size_t)e->source->cols, err);
    if (st == WHIT_OK) st = solve(&x, err);
    wh_planes_free(&x.p);
    if (st != WHIT_OK) return wh_plan_blame(s->plan, i, st, err);
    if (s->plan->method->takes[i] || x.told.fallback || !isnan(scaling))
        st = wh_method_tell(s->plan, i, &x.told, err);
    if (st != WHIT_OK) return st;
    s->meter->before = x.told.before > 0 ? x.told.before : 0;
    s->meter->after = x.told.before > 0 ? x.told.after : 0;
    return wh_meter_step(s->meter, e->source->tensor.name, wh_method_share(s->plan, i), err);
}

whit_status wh_solve_entry(wh_solver *s, size_t i, double scaling, whit_error *err)
{
    const whit_source_tensor *t = s->plan->entry[i].source;
    const size_t rows = (size_t)t->rows, cols = (size_t)t->cols;
    float *w = wh_alloc_aligned(rows, cols * sizeof *w);
    float *decoded = wh_alloc_aligned(rows, cols * sizeof *decoded);
    whit_status st = WHIT_OK;
    if (!w || !decoded) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", rows);
    if (st == WHIT_OK) st = wh_solver_read(s, i, w, err);
    if (st == WHIT_OK) st = wh_solve(s, i, w, decoded, scaling, err);
    wh_free_aligned(w);
    wh_free_aligned(decoded);
    return st;
}

whit_status wh_solved_decode(const wh_solver *s, size_t i, const float *w, float *decoded,
                             whit_error *err)
{
    const whit_plan_entry *e = &s->plan->entry[i];
    const size_t rows = (size_t)e->source->rows, cols = (size_t)e->source->cols;
    wh_planes p = { 0 };
    whit_status st;
    if (!whit_scheme_is_quantized(&e->scheme)) {
        memcpy(decoded, w, rows * cols * sizeof *w);
        return WHIT_OK;
    }
    const wh_awq_format format = wh_solver_format(s, i, w);
    if (wh_work_solved(s->plan, i)) {
        st = wh_planes_make(&p, &format, rows, cols, err);
        if (st == WHIT_OK) st = wh_planes_take_up(&p, &s->plan->method->solutions, i, err);
        if (st == WHIT_OK) st = wh_planes_decode(&p, decoded, err);
        wh_planes_free(&p);
    } else {
        st = wh_awq_decoded(s->context, &format, w, rows, cols, NULL, decoded, err);
    }
    return st == WHIT_OK ? st : wh_plan_blame(s->plan, i, st, err);
}
