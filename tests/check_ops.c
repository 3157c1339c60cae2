/* tests/check_ops.c - what a model does between its products: values against sums in double, and
 * every variant against the scalar one, bit for bit; exp, log, powers, sine and cosine against the
 * C library's.
 *
 * Under each level of WHIT_ISA; a level that this CPU lacks is skipped.
 * SPDX-License-Identifier: MIT */
#include "base/elementary.h"
#include "model/ops.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "check.h"

enum { MOST = 100 };

/* ---- values ---- */

static void check_norm(const wh_ops *ops)
{
    /* 16.1 of the notes on methods */
    const float x[4] = { 1, -2, 3, 0.5f }, g[4] = { 1, 0.5f, 2, 1 };
    const float want[4] = { .5298122f, -.5298122f, 3.1788732f, .2649061f };
    float y[4];
    ops->rms_norm(x, g, 1e-5, 4, y);
    for (int i = 0; i < 4; i++)
        CHECK(fabsf(y[i] - want[i]) < 4e-7f, "%s: norm %d: %.8g", ops->isa, i, (double)y[i]);
}

static void check_silu(const wh_ops *ops)
{
    static const float x[] = { 0, 1, -1, 20, -20, 87, -87, 90, -90, 1e30f, -1e30f, 1e-30f };
    enum { N = sizeof x / sizeof x[0] };
    float gate[N], up[N];
    for (int i = 0; i < N; i++) up[i] = 2;
    memcpy(gate, x, sizeof gate);
    ops->silu_times(gate, up, N);
    for (int i = 0; i < N; i++) {
        double want = 2 * (double)x[i] / (1 + exp(-(double)x[i]));
        double tol = 4 * (double)FLT_EPSILON * fabs(want) + 2e-6 * (fabs((double)x[i]) > 80);
        /* below -88 e^-x counts as e^88: what is left is x * 6e-39 */
        CHECK(fabs((double)gate[i] - want) <= tol || (x[i] < -88 && fabsf(gate[i]) < 1e-7f),
              "%s: silu of %g: %g, not %g", ops->isa, (double)x[i], (double)gate[i], want);
    }
    float nan[2] = { NAN, 1 }, one[2] = { 1, NAN };
    ops->silu_times(nan, one, 2);
    CHECK(isnan(nan[0]) && isnan(nan[1]), "%s: NaN is lost", ops->isa);
}

/* e^(x - 0) over the whole range, next to a 0 that is the largest. */
static void check_exp(const wh_ops *ops)
{
    double worst = 0;
    for (float x = -87; x < 0; x += 0.0037f) {
        float line[16] = { 0, x };
        const wh_score_row row = { line, 16, 1, 0, 2 };
        const double want = exp((double)x);
        const double total = ops->exponentials(&row);
        int e;
        frexp(want, &e);
        const double ulps = fabs((double)line[1] - want) / ldexp(1.0, e - 24);
        if (!(ulps <= worst)) worst = ulps;
        CHECK(line[0] == 1.0f && total == 1.0 + (double)line[1], "%s: sum at %g", ops->isa,
              (double)x);
    }
    CHECK(worst < 1.1, "%s: exp is %.3f units off", ops->isa, worst);
}

/* Only [begin, end) counts, wherever the ends lie; what does not is 0 and does not matter. */
static void check_rows(const wh_ops *ops)
{
    enum { PANELS = 4, STRIDE = 48 };
    check_rng rng = { 7 };
    for (int round = 0; round < 500; round++) {
        float x[PANELS * STRIDE], old[PANELS * STRIDE];
        const size_t begin = check_below(&rng, 16 * PANELS);
        const size_t end = begin + 1 + check_below(&rng, 16 * PANELS - begin);
        for (size_t i = 0; i < PANELS * STRIDE; i++) old[i] = x[i] = 8 * check_normal(&rng);
        double most = -INFINITY, sum = 0;
        for (size_t i = begin; i < end; i++)
            most = fmax(most, (double)old[i / 16 * STRIDE + i % 16]);
        for (size_t i = 0; i < 16 * PANELS; i++)
            if (i < begin || i >= end) x[i / 16 * STRIDE + i % 16] = i % 2 ? NAN : INFINITY;
        const wh_score_row row = { x, STRIDE, PANELS, begin, end };
        const double got = ops->exponentials(&row);
        for (size_t i = 0; i < 16 * PANELS; i++) {
            const size_t at = i / 16 * STRIDE + i % 16;
            const double want = i >= begin && i < end ? exp((double)old[at] - most) : 0;
            sum += want;
            /* the difference is rounded to float32 before */
            const double tol = (fabs((double)old[at] - most) + 2) * (double)FLT_EPSILON;
            CHECK(fabs((double)x[at] - want) <= tol * want, "%s: %zu of %zu..%zu: %g, not %g",
                  ops->isa, i, begin, end, (double)x[at], want);
        }
        CHECK(fabs(got - sum) < 1e-6 * sum, "%s: the sum is %g, not %g", ops->isa, got, sum);
        for (size_t i = 0; i < PANELS * STRIDE; i++)
            CHECK(i % STRIDE < 16 || x[i] == old[i], "%s: %zu is not its own", ops->isa, i);
    }
}

/* ---- variants ---- */

static void fill(check_rng *rng, float *x, size_t n, int how)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = check_normal(rng) * (how == 1 ? 1e18f : how == 2 ? 1e-20f : 4.0f);
        if (how == 3) x[i] = check_below(rng, 3) ? 0.0f : -0.0f;
        if (how == 4) x[i] = 200 * check_f32(rng);
    }
}

static void check_variant(const wh_ops *ops, const wh_ops *ref)
{
    check_rng rng = { 42 };
    for (int how = 0; how < 5; how++)
        for (size_t n = 1; n < MOST; n++) {
            float x[MOST], w[MOST], a[MOST], b[MOST];
            fill(&rng, x, n, how);
            fill(&rng, w, n, how == 1 ? 0 : how);
            memset(a, 1, sizeof a);
            memset(b, 1, sizeof b);
            ops->rms_norm(x, w, 1e-6, n, a);
            ref->rms_norm(x, w, 1e-6, n, b);
            CHECK(memcmp(a, b, sizeof a) == 0, "%s: norm of %zu, %d", ops->isa, n, how);
            memcpy(a, x, n * sizeof *x);
            memcpy(b, x, n * sizeof *x);
            ops->silu_times(a, w, n);
            ref->silu_times(b, w, n);
            CHECK(memcmp(a, b, sizeof a) == 0, "%s: silu of %zu, %d", ops->isa, n, how);
            double fa, fb;
            CHECK(ops->largest(x, n) == ref->largest(x, n), "%s: largest of %zu, %d", ops->isa, n,
                  how);
            const double most = ref->largest(x, n);
            CHECK(ops->exp_sum(x, n, most, NULL, NULL) == ref->exp_sum(x, n, most, NULL, NULL),
                  "%s: sum of exponentials of %zu, %d", ops->isa, n, how);
            CHECK(ops->exp_sum(x, n, most, w, &fa) == ref->exp_sum(x, n, most, w, &fb) && fa == fb,
                  "%s: divergence of %zu, %d", ops->isa, n, how);
            const size_t begin = check_below(&rng, n), panels = (n + 15) / 16;
            if (panels * 16 > MOST) continue;
            fill(&rng, a, panels * 16, how);
            memcpy(b, a, sizeof a);
            const wh_score_row ra = { a, 16, panels, begin, n }, rb = { b, 16, panels, begin, n };
            const double sa = ops->exponentials(&ra), sb = ref->exponentials(&rb);
            CHECK(sa == sb && memcmp(a, b, sizeof a) == 0, "%s: exponentials of %zu, %d", ops->isa,
                  n, how);
        }
}

/* ---- elementary functions ---- */

static void check_elementary(void)
{
    double worst[4] = { 0 }, s, c;
    for (double x = -600; x < 600; x += 0.0173)
        worst[0] = fmax(worst[0], fabs(wh_exp(x) / exp(x) - 1));
    for (double x = 1e-300; x < 1e300; x *= 1.0173)
        worst[1] = fmax(worst[1], fabs(wh_log(x) - log(x)) / fmax(fabs(log(x)), 1));
    for (double x = 0; x < 2; x += 0.00173)
        worst[2] = fmax(worst[2], fabs(wh_pow(5e5, -x) / pow(5e5, -x) - 1));
    for (double x = 0; x < 536870912.0; x = x * 1.00173 + 0.00173) {
        wh_sincos(x, &s, &c);
        worst[3] = fmax(worst[3], fmax(fabs(s - sin(x)), fabs(c - cos(x))));
    }
    CHECK(worst[0] < 1e-15 && worst[1] < 1e-15 && worst[2] < 1e-14 && worst[3] < 1e-15,
          "exp %g, log %g, pow %g, sine and cosine %g", worst[0], worst[1], worst[2], worst[3]);
    wh_sincos(0, &s, &c);
    CHECK(s == 0 && c == 1 && wh_exp(0) == 1 && wh_log(1) == 0 && wh_pow(3, 0) == 1, "at 0 and 1");
}

int main(void)
{
    uint32_t allowed;
    size_t count;
    whit_error err = { WHIT_OK, "" };
    if (wh_isa_allowed(&allowed, &err) != WHIT_OK) {
        printf("skip: %s\n", err.msg);
        return CHECK_SKIP;
    }
    const wh_ops *const *variant = wh_ops_variants(&count);
    for (size_t i = 0; i < count; i++) {
        if (variant[i]->needs & ~allowed) continue;
        check_norm(variant[i]);
        check_silu(variant[i]);
        check_exp(variant[i]);
        check_rows(variant[i]);
        check_variant(variant[i], variant[0]);
    }
    CHECK(!(wh_ops_select()->needs & ~allowed), "%s is chosen", wh_ops_select()->isa);
    check_elementary();
    return check_result();
}
