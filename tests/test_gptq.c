/* tests/test_gptq.c - error feedback against the published form in double: columns fixed one after
 * the other, the rest moved by the explicit inverse; by hand; invariants of the polish; weights for
 * changed inputs; wrong calls. Not here: formats (test_gptq_codes.c).
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "calib/gptq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/gptq_codes.h"
#include "gptq/layer.h"

/* ---- a target that shows what it was asked ---- */

/* Integers lo..hi, the step max |v| / hi of the group, rounded to nothing. */
typedef struct plain {
    wh_gptq_target target;
    size_t rows, cols, groups;
    float lo, hi;
    float *step; /* [rows][groups]: 0 not yet known */
    float *seen; /* [rows][cols] v */
    uint8_t *codes;
} plain;

static whit_status plain_find(const wh_gptq_target *t, const wh_gptq_region *r, wh_gptq_grid *grid,
                              whit_error *err)
{
    const plain *p = (const plain *)(const void *)t;
    (void)err;
    for (size_t i = 0; i < r->rows; i++) {
        float most = 0;
        for (size_t k = 0; k < r->cols; k++) {
            const float v = r->v[i * r->cols + k];
            p->seen[(r->row + i) * p->cols + r->col + k] = v;
            if (fabsf(v) > most) most = fabsf(v);
        }
        const float step = p->hi > 0 ? most / p->hi : 0.25f;
        p->step[(r->row + i) * p->groups + r->col / t->group] = step;
        grid->step[i] = step > 0 ? step : 1.0f;
        grid->base[i] = 0;
        grid->lo[i] = p->lo;
        grid->hi[i] = p->hi > 0 ? p->hi : 7;
        grid->offset[i] = 8;
    }
    return WHIT_OK;
}

static void plain_put(const wh_gptq_target *t, const wh_gptq_region *r, const uint8_t *codes)
{
    const plain *p = (const plain *)(const void *)t;
    for (size_t i = 0; i < r->rows; i++)
        memcpy(p->codes + (r->row + i) * p->cols + r->col, codes + i * r->cols, r->cols);
}

static float plain_rescale(const wh_gptq_target *t, size_t row, size_t col, float wanted)
{
    const plain *p = (const plain *)(const void *)t;
    return p->step[row * p->groups + col / t->group] = wanted;
}

static plain make_plain(const layer *l, size_t group, float hi)
{
    plain p = { .rows = l->rows, .cols = l->cols, .lo = -8, .hi = hi };
    p.target = (wh_gptq_target){
        .group = group, .sub = group, .find = plain_find, .put = plain_put, .rescale = plain_rescale
    };
    p.groups = (l->cols + group - 1) / group;
    p.step = room(l->rows * p.groups, sizeof *p.step);
    p.seen = room(l->rows * l->cols, sizeof *p.seen);
    p.codes = room(l->rows * l->cols, 1);
    return p;
}

static void free_plain(plain *p)
{
    free(p->step);
    free(p->seen);
    free(p->codes);
}

static double value(const plain *p, size_t row, size_t col)
{
    return (double)p->step[row * p->groups + col / p->target.group] *
           ((double)p->codes[row * p->cols + col] - 8);
}

/* ---- the published form ---- */

/* H[order][order], damped, in full. */
static double *damped(const layer *l, const wh_gptq_base *b)
{
    const size_t n = l->cols;
    double *h = room(n * n, sizeof *h), mean = 0;
    for (size_t i = 0; i < n; i++) mean += *h_at(l, i, i) / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            h[i * n + j] =
                *h_at(l, b->order[i], b->order[j]) + (i == j ? b->damping.lambda * mean : 0);
    return h;
}

/* a = its inverse: Gauss and Jordan, a positive definite. */
static void invert(double *a, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double pivot = a[k * n + k];
        for (size_t i = 0; i < n; i++) {
            if (i == k) continue;
            const double f = a[i * n + k] / pivot;
            for (size_t j = 0; j < n; j++)
                if (j != k) a[i * n + j] -= f * a[k * n + j];
            a[i * n + k] = -f;
        }
        for (size_t j = 0; j < n; j++)
            if (j != k) a[k * n + j] /= pivot;
        a[k * n + k] = 1 / pivot;
    }
}

/* Takes the first of n columns out of the inverse (OBS): rows and columns k and before are done. */
static void eliminate(double *inverse, size_t n, size_t k)
{
    const double d = inverse[k * n + k];
    for (size_t i = k + 1; i < n; i++)
        for (size_t j = k + 1; j < n; j++)
            inverse[i * n + j] -= inverse[i * n + k] * inverse[k * n + j] / d;
}

typedef struct verdict {
    size_t codes, ties; /* codes that differ; of them where v was within 1e-3 of the middle */
    double seen;        /* the largest |v - recorded| / step */
    double loss;
} verdict;

/* One row with the steps that the target found, the next columns moved after each. */
static void push_row(const plain *p, const wh_gptq_base *b, const double *inverse, double *w,
                     size_t row, verdict *out)
{
    const size_t n = p->cols, group = p->target.group;
    for (size_t k = 0; k < n; k++) {
        const size_t col = b->order[k];
        const double step = (double)p->step[row * p->groups + col / group];
        if (k == 0 || b->order[k - 1] / group != col / group)
            for (size_t j = k; j < n && b->order[j] / group == col / group; j++)
                out->seen =
                    fmax(out->seen, fabs((double)p->seen[row * n + b->order[j]] - w[j]) / step);
        const double t = fmin(fmax(rint(w[k] / step), (double)p->lo), p->hi > 0 ? p->hi : 7);
        const double own = (double)p->codes[row * n + col] - 8;
        if (own != t) {
            out->codes++;
            out->ties += fabs(fabs(w[k] / step - t) - 0.5) < 1e-3 && fabs(own - t) == 1;
        }
        const double e = (w[k] - step * own) / inverse[k * n + k];
        out->loss += e * e * inverse[k * n + k];
        for (size_t j = k + 1; j < n; j++) w[j] -= e * inverse[k * n + j];
    }
}

static verdict push(const layer *l, const plain *p, const wh_gptq_base *b, int before)
{
    const size_t n = l->cols;
    verdict out = { 0 };
    double *inverse = damped(l, b), *w = room(n, sizeof *w);
    invert(inverse, n);
    for (size_t k = 0; k < n; k++) eliminate(inverse, n, k);
    for (size_t r = 0; r < l->rows; r++) {
        for (size_t k = 0; k < n; k++) w[k] = (double)l->w[r * n + b->order[k]];
        push_row(p, b, inverse, w, r, &out);
    }
    if (before) out.seen = 0;
    free(inverse);
    free(w);
    return out;
}

/* tr(E H E^T) in double. */
static double form(const layer *l, const plain *p, const wh_gptq_base *b)
{
    const size_t n = l->cols;
    double *h = damped(l, b), *e = room(n, sizeof *e), sum = 0;
    for (size_t r = 0; r < l->rows; r++) {
        for (size_t k = 0; k < n; k++)
            e[k] = (double)l->w[r * n + b->order[k]] - value(p, r, b->order[k]);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) sum += e[i] * h[i * n + j] * e[j];
    }
    free(h);
    free(e);
    return sum;
}

/* ---- tests ---- */

/* Methods 5.6. */
static void test_by_hand(void)
{
    float w[3] = { .35f, .35f, -.6f };
    double h[6] = { 4, 2, .5, 3, 1, 2 };
    layer l = { 1, 3, w, h };
    whit_context *c = open_context(NULL, 2);
    wh_gptq_base b;
    wh_gptq_result result;
    whit_error err = { WHIT_OK, "" };
    double square[9];
    const wh_gptq_options o = { WH_GPTQ_PLAIN, 0, 0, 0, square };
    CHECK(wh_gptq_base_make(&b, c, h, 3, &o, &err) == WHIT_OK, "%s", err.msg);
    plain p = make_plain(&l, 3, 0); /* step 0.25 */
    const wh_gptq_job job = { .base = &b, .w = w, .rows = 1 };
    CHECK(wh_gptq_run(c, &job, &p.target, &result, &err) == WHIT_OK, "%s", err.msg);
    CHECK(p.codes[0] == 9 && p.codes[1] == 10 && p.codes[2] == 5, "codes %d %d %d", p.codes[0],
          p.codes[1], p.codes[2]);
    CHECK(fabs(result.loss - 0.0625) < 1e-7, "loss %g", result.loss);
    double sum, each;
    const float d[3] = { .1f, .1f, -.1f }; /* what nearest codes leave */
    CHECK(wh_gptq_loss(c, &b, d, 1, &each, &sum, &err) == WHIT_OK && sum == each, "%s", err.msg);
    CHECK(fabs(sum - 0.1) < 1e-7, "nearest: %g", sum);
    free_plain(&p);
    wh_gptq_base_free(&b);
    whit_context_close(c);
}

static const struct {
    size_t rows, cols, group;
    wh_gptq_order order;
    int before;
} shapes[] = {
    { 5, 1, 1, WH_GPTQ_GROUPS, 0 },       { 3, 2, 5, WH_GPTQ_GROUPS, 0 },
    { 7, 17, 17, WH_GPTQ_GROUPS, 0 },     { 100, 40, 8, WH_GPTQ_GROUPS, 0 },
    { 13, 129, 32, WH_GPTQ_GROUPS, 0 },   { 97, 200, 64, WH_GPTQ_GROUPS, 0 },
    { 30, 150, 13, WH_GPTQ_GROUPS, 0 },   { 9, 300, 128, WH_GPTQ_GROUPS, 0 },
    { 20, 333, 200, WH_GPTQ_PLAIN, 0 },   { 20, 150, 32, WH_GPTQ_COLUMNS, 1 },
    { 11, 257, 256, WH_GPTQ_GROUPS, 0 },  { 10, 64, 3, WH_GPTQ_PLAIN, 0 },
    { 6, 270, 270, WH_GPTQ_COLUMNS, 0 },  { 25, 140, 2, WH_GPTQ_GROUPS, 0 },
    { 8, 100, 100000, WH_GPTQ_PLAIN, 0 },
};

/* The same codes as the published form but for ties, the same weights when parameters are found,
 * and the loss that is told is the quadratic form. */
static void test_forms(void)
{
    check_rng rng = { 3 };
    whit_context *c = open_context(NULL, 2);
    size_t codes = 0, odd = 0;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        whit_error err = { WHIT_OK, "" };
        layer l = make_layer(&rng, shapes[i].rows, shapes[i].cols, 2 * shapes[i].cols, 0.5);
        const wh_gptq_options o = { shapes[i].order, shapes[i].group, 0.01, 1 };
        wh_gptq_base b;
        wh_gptq_result result;
        CHECK(wh_gptq_base_make(&b, c, l.h, l.cols, &o, &err) == WHIT_OK, "%s", err.msg);
        plain p = make_plain(&l, shapes[i].group, 7);
        const wh_gptq_job job = {
            .base = &b, .w = l.w, .rows = l.rows, .before = shapes[i].before
        };
        CHECK(wh_gptq_run(c, &job, &p.target, &result, &err) == WHIT_OK, "%s", err.msg);
        const verdict v = push(&l, &p, &b, shapes[i].before || shapes[i].group >= l.cols);
        CHECK(v.codes == v.ties, "shape %zu: %zu codes differ, %zu ties", i, v.codes, v.ties);
        CHECK(v.seen < 2e-3, "shape %zu: weights moved differently, %g steps", i, v.seen);
        const double exact = form(&l, &p, &b);
        CHECK(fabs(result.loss - exact) <= 1e-4 * exact + 1e-12, "shape %zu: loss %g, not %g", i,
              result.loss, exact);
        CHECK(fabs(v.loss - exact) <= 1e-6 * exact + 1e-12, "shape %zu: pushed %g, not %g", i,
              v.loss, exact);
        codes += l.rows * l.cols;
        odd += v.codes;
        free_plain(&p);
        wh_gptq_base_free(&b);
        free_layer(&l);
    }
    CHECK(odd * 10000 <= codes * 2, "%zu of %zu codes are ties", odd, codes);
    whit_context_close(c);
}

/* Passes of descent and new scales: what is told is the form, and it never grows. */
static void test_polish(void)
{
    check_rng rng = { 8 };
    whit_context *c = open_context(NULL, 2);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        whit_error err = { WHIT_OK, "" };
        layer l = make_layer(&rng, shapes[i].rows, shapes[i].cols, 2 * shapes[i].cols + 9, 0.5);
        const wh_gptq_options o = { shapes[i].order, shapes[i].group, 0.01, 1 };
        const int torn = shapes[i].order == WH_GPTQ_COLUMNS && shapes[i].group < l.cols;
        wh_gptq_base b;
        CHECK(wh_gptq_base_make(&b, c, l.h, l.cols, &o, &err) == WHIT_OK, "%s", err.msg);
        plain p = make_plain(&l, shapes[i].group, 7);
        wh_gptq_job job = { .base = &b, .w = l.w, .rows = l.rows, .before = shapes[i].before };
        double last = INFINITY;
        for (; job.passes < 4; job.passes++) {
            wh_gptq_result r;
            job.refit = job.passes == 3 && !torn;
            CHECK(wh_gptq_run(c, &job, &p.target, &r, &err) == WHIT_OK, "%s", err.msg);
            const double exact = form(&l, &p, &b);
            CHECK(fabs(r.loss - exact) <= 1e-4 * exact + 1e-12, "shape %zu, %u passes: %g, not %g",
                  i, job.passes, r.loss, exact);
            CHECK(r.loss <= r.feedback, "%g from %g", r.loss, r.feedback);
            CHECK(exact <= last * (1 + 1e-6) + 1e-12, "shape %zu, pass %u: from %g to %g", i,
                  job.passes, last, exact);
            last = exact;
        }
        job.refit = 1;
        wh_gptq_result r;
        CHECK(!torn || wh_gptq_run(c, &job, &p.target, &r, &err) == WHIT_ERR_ARG, "torn groups");
        free_plain(&p);
        wh_gptq_base_free(&b);
        free_layer(&l);
    }
    whit_context_close(c);
}

/* ---- changed inputs ---- */

/* (out - W) H = alpha W D, in double, where out - W was found in float32: relative to the largest
 * entry of W D. The same bytes with other threads. */
static void test_shift(void)
{
    static const size_t sizes[] = { 1, 5, 16, 33, 130, 300 };
    check_rng rng = { 101 };
    whit_context *c = open_context(NULL, 2), *one = open_context("scalar", 1);
    unsetenv("WHIT_ISA");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const size_t n = sizes[i], rows = 13;
        layer l = make_layer(&rng, rows, n, 3 * n, 0.5);
        const wh_gptq_options o = { WH_GPTQ_GROUPS, 32, 0.01, 0 };
        double *d = room(n * n, sizeof *d), worst = 0, most = 0;
        float *out = room(rows * n, sizeof *out), *again = room(rows * n, sizeof *out);
        wh_gptq_base b;
        CHECK(wh_gptq_base_make(&b, c, l.h, n, &o, NULL) == WHIT_OK, "%zu", n);
        for (size_t k = 0; k < n * n; k++) d[k] = (double)check_normal(&rng);
        CHECK(wh_gptq_shift(c, &b, d, 0.5, l.w, rows, out, NULL) == WHIT_OK, "%zu", n);
        CHECK(wh_gptq_shift(one, &b, d, 0.5, l.w, rows, again, NULL) == WHIT_OK, "%zu", n);
        CHECK(memcmp(out, again, rows * n * sizeof *out) == 0, "%zu: other bytes", n);
        double *h = damped(&l, &b);
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < n; k++) {
                double left = 0, right = 0;
                for (size_t j = 0; j < n; j++) {
                    left +=
                        (double)(out[r * n + b.order[j]] - l.w[r * n + b.order[j]]) * h[j * n + k];
                    right += 0.5 * (double)l.w[r * n + j] * d[j * n + b.order[k]];
                }
                worst = fmax(worst, fabs(left - right));
                most = fmax(most, fabs(right));
            }
        CHECK(worst <= 1e-4 * most, "%zu: off by %g of %g", n, worst, most);
        free(h);
        free(d);
        free(out);
        free(again);
        wh_gptq_base_free(&b);
        free_layer(&l);
    }
    whit_context_close(c);
    whit_context_close(one);
}

/* ---- wrong calls ---- */

static void test_wrong_calls(void)
{
    check_rng rng = { 81 };
    whit_error err = { WHIT_OK, "" };
    whit_context *c = open_context(NULL, 2);
    layer l = make_layer(&rng, 120, 64, 128, 0.5);
    wh_gptq_options o = { WH_GPTQ_GROUPS, 16, 0.01, 0 };
    wh_gptq_base b;
    CHECK(wh_gptq_base_make(&b, c, l.h, l.cols, &o, &err) == WHIT_OK, "%s", err.msg);
    plain p = make_plain(&l, 32, 7);
    wh_gptq_job job = { .base = &b, .w = l.w, .rows = l.rows };
    CHECK(wh_gptq_run(c, &job, &p.target, NULL, &err) == WHIT_ERR_ARG, "groups of another size");
    job.before = 1;
    CHECK(wh_gptq_run(c, &job, &p.target, NULL, &err) == WHIT_OK, "%s", err.msg);
    job.passes = 1;
    CHECK(wh_gptq_run(c, &job, &p.target, NULL, &err) == WHIT_ERR_ARG, "H was not kept");
    CHECK(wh_gptq_run(c, NULL, &p.target, NULL, &err) == WHIT_ERR_ARG, "no job");
    wh_gptq_base_free(&b);
    o.group = 32;
    CHECK(wh_gptq_base_make(&b, c, l.h, l.cols, &o, &err) == WHIT_OK, "%s", err.msg);
    job = (wh_gptq_job){ .base = &b, .w = l.w, .rows = l.rows };
    whit_quant_spec spec = { .struct_size = sizeof spec };
    wh_gptq_codes target;
    whit_scheme_parse(&spec.scheme, "int4-g32", NULL);
    float *scale = room(l.rows * 2, sizeof *scale);
    CHECK(wh_gptq_codes_open(&target, &spec, l.rows, l.cols, p.codes, scale, NULL, &err) == WHIT_OK,
          "%s", err.msg);
    l.w[100 * 64 + 3] = 1e30f; /* beyond F16, in rows of two slabs: the first is named */
    l.w[57 * 64 + 40] = 1e30f;
    CHECK(wh_gptq_run(c, &job, &target.target, NULL, &err) == WHIT_ERR_NUMERIC, "overflow");
    CHECK(strstr(err.msg, "row 57, columns from 32") != NULL, "%s", err.msg);
    spec.clip = WHIT_CLIP_PERCENTILE;
    spec.percentile = 99;
    CHECK(wh_gptq_codes_open(&target, &spec, l.rows, l.cols, p.codes, scale, NULL, &err) ==
              WHIT_ERR_UNSUPPORTED,
          "percentile");
    free(scale);
    free_plain(&p);
    wh_gptq_base_free(&b);
    free_layer(&l);
    whit_context_close(c);
}

int main(void)
{
    test_by_hand();
    test_forms();
    test_polish();
    test_shift();
    test_wrong_calls();
    return check_result();
}
