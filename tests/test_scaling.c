/* tests/test_scaling.c - scales of input channels: AWQ's from H, its clipping, SmoothQuant's.
 * Errors told against errors on tokens, never worse than nothing done, cases known beforehand.
 * SPDX-License-Identifier: MIT */
#include "calib/smooth.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, COLS = 192, TOKENS = 400 };

typedef struct setting {
    float w[2][ROWS * COLS], x[TOKENS * COLS];
    float mean[COLS], most[COLS]; /* of |x| */
    double h[COLS * (COLS + 1) / 2];
} setting;

/* Inputs of which a few channels are large. */
static void make(setting *s, check_rng *rng, double outlier)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        s->w[0][i] = check_normal(rng) * 0.05f;
        s->w[1][i] = check_normal(rng) * 0.02f;
    }
    for (size_t t = 0; t < TOKENS; t++) {
        const float common = check_normal(rng);
        for (size_t j = 0; j < COLS; j++)
            s->x[t * COLS + j] =
                (check_normal(rng) + 0.4f * common) * (j % 40 == 7 ? (float)outlier : 1.0f);
    }
    double *h = s->h;
    for (size_t i = 0; i < COLS; i++)
        for (size_t j = i; j < COLS; j++, h++)
            for (size_t t = 0; t < TOKENS; t++)
                *h += (double)s->x[t * COLS + i] * (double)s->x[t * COLS + j] / TOKENS;
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t j = 0; j < COLS; j++) {
            const float a = fabsf(s->x[t * COLS + j]);
            s->mean[j] += a / TOKENS;
            s->most[j] = fmaxf(s->most[j], a);
        }
}

static wh_awq_format format_of(const char *text)
{
    wh_awq_format f = { WHIT_BLOCK_NONE, { .struct_size = sizeof f.spec } };
    CHECK(whit_scheme_parse(&f.spec.scheme, text, NULL) == WHIT_OK, "%s", text);
    f.block = f.spec.scheme.block;
    return f;
}

/* The mean over tokens of |x (W - Q)|^2, Q of W t divided by t. */
static double on_tokens(whit_context *c, const setting *s, const float *w, const float *t,
                        const wh_awq_format *f)
{
    static float scaled[ROWS * COLS], back[ROWS * COLS];
    float importance[COLS];
    double sum = 0;
    for (size_t j = 0, at = 0; j < COLS; at += COLS - j, j++)
        importance[j] = (float)s->h[at] / (t[j] * t[j]);
    for (size_t i = 0; i < ROWS * COLS; i++) scaled[i] = w[i] * t[i % COLS];
    CHECK(wh_awq_decoded(c, f, scaled, ROWS, COLS, importance, back, NULL) == WHIT_OK, "decoded");
    for (size_t k = 0; k < TOKENS; k++)
        for (size_t r = 0; r < ROWS; r++) {
            double y = 0;
            for (size_t j = 0; j < COLS; j++)
                y += (double)s->x[k * COLS + j] *
                     (double)(w[r * COLS + j] - back[r * COLS + j] / t[j]);
            sum += y * y / TOKENS;
        }
    return sum;
}

static void check_search(whit_context *c, const setting *s, const wh_gptq_base *b, const char *text,
                         int weights, double most)
{
    const wh_awq_layer layers[2] = { { s->w[0], ROWS }, { s->w[1], ROWS } };
    const wh_awq_format f = format_of(text);
    whit_error err = { WHIT_OK, "" };
    wh_awq_result r;
    float t[COLS], ones[COLS];
    for (size_t j = 0; j < COLS; j++) ones[j] = 1;
    CHECK(wh_awq_search(c, b, s->mean, layers, 2, &f, weights, t, &r, &err) == WHIT_OK, "%s",
          err.msg);
    const double before = on_tokens(c, s, s->w[0], ones, &f) + on_tokens(c, s, s->w[1], ones, &f);
    const double after = on_tokens(c, s, s->w[0], t, &f) + on_tokens(c, s, s->w[1], t, &f);
    CHECK(fabs(r.before - before) <= 1e-3 * before, "%s: %g from H, %g on tokens", text, r.before,
          before);
    CHECK(fabs(r.after - after) <= 1e-3 * after, "%s: %g from H, %g on tokens", text, r.after,
          after);
    for (size_t k = 0; k < WH_AWQ_GRID; k++) CHECK(r.loss[k] >= r.after, "%s: r %zu", text, k);
    CHECK(r.after <= most * r.before, "%s: %g of it is left, r %g", text, r.after / r.before,
          r.ratio);
    printf("%s%s: %.3f, r %.2f\n", text, weights ? ", weights" : "", r.after / r.before, r.ratio);
}

static void test_search(whit_context *c, const setting *s)
{
    const wh_gptq_options o = { WH_GPTQ_GROUPS, 32, 1e-6, 0 };
    wh_gptq_base b;
    CHECK(wh_gptq_base_make(&b, c, s->h, COLS, &o, NULL) == WHIT_OK, "base");
    check_search(c, s, &b, "int4-g128-asym", 0, 0.8);
    check_search(c, s, &b, "int4-g128-asym", 1, 0.8);
    check_search(c, s, &b, "int3-g64", 0, 0.85);
    check_search(c, s, &b, "nf4-g64", 1, 0.6);
    check_search(c, s, &b, "q4_0", 0, 0.7);
    check_search(c, s, &b, "int8-tensor", 0, 1);
    wh_gptq_base_free(&b);
}

/* Inputs alike: every r gives t = 1 but for a rounding, and so do weights alike. */
static void test_alike(whit_context *c)
{
    static float w[ROWS * COLS];
    static double h[COLS * (COLS + 1) / 2];
    const wh_awq_layer layer = { w, ROWS };
    const wh_awq_format f = format_of("int4-g32");
    const wh_gptq_options o = { WH_GPTQ_PLAIN, 0, 0.01, 0 };
    float mean[COLS], t[COLS];
    wh_gptq_base b;
    wh_awq_result r;
    for (size_t j = 0, at = 0; j < COLS; at += COLS - j, j++) {
        h[at] = 1;
        mean[j] = 0.75f;
        for (size_t k = 0; k < ROWS; k++) w[k * COLS + j] = (float)(k % 7) / 7 - 0.4f;
    }
    CHECK(wh_gptq_base_make(&b, c, h, COLS, &o, NULL) == WHIT_OK, "base");
    for (int weights = 0; weights < 2; weights++) {
        CHECK(wh_awq_search(c, &b, mean, &layer, 1, &f, weights, t, &r, NULL) == WHIT_OK, "search");
        for (size_t j = 0; j < COLS; j++) CHECK(t[j] == 1, "t[%zu] is %g", j, (double)t[j]);
        for (size_t k = 0; k < WH_AWQ_GRID; k++)
            CHECK(fabs(r.loss[k] - r.before) < 0.01 * r.before, "r %zu: %g, not %g", k, r.loss[k],
                  r.before);
    }
    wh_gptq_base_free(&b);
}

/* Scales of binary16 that t = 1 needs almost all of: what is beyond them is not taken. */
static void test_beyond(whit_context *c, const setting *s)
{
    static float w[ROWS * COLS];
    const wh_awq_layer layer = { w, ROWS };
    const wh_awq_format f = format_of("int4-g32");
    const wh_gptq_options o = { WH_GPTQ_GROUPS, 32, 1e-6, 0 };
    const float most = 7 * 60000.0f;
    whit_error err = { WHIT_OK, "" };
    wh_gptq_base b;
    wh_awq_result r;
    float t[COLS];
    size_t beyond = 0;
    for (size_t i = 0; i < ROWS * COLS; i++) /* the column of an outlier has the largest */
        w[i] = i % COLS == 7 ? most : s->w[0][i] * most;
    CHECK(wh_gptq_base_make(&b, c, s->h, COLS, &o, NULL) == WHIT_OK, "base");
    CHECK(wh_awq_search(c, &b, s->mean, &layer, 1, &f, 0, t, &r, &err) == WHIT_OK, "%s", err.msg);
    CHECK(err.code == WHIT_OK, "told of success: %s", err.msg);
    for (size_t k = 0; k < WH_AWQ_GRID; k++) beyond += isinf(r.loss[k]) != 0;
    CHECK(beyond > 0 && isfinite(r.after), "%d choices are beyond it", (int)beyond);
    for (size_t i = 0; i < ROWS * COLS; i++) w[i] *= 2;
    CHECK(wh_awq_search(c, &b, s->mean, &layer, 1, &f, 0, t, &r, &err) == WHIT_ERR_NUMERIC,
          "nothing fits");
    wh_gptq_base_free(&b);
}

/* All columns times a power of two: the same error to the bit. */
static void test_power_of_two(whit_context *c, const setting *s)
{
    float t[COLS], ones[COLS];
    const wh_awq_format f = format_of("int4-g32");
    for (size_t j = 0; j < COLS; j++) {
        t[j] = 4;
        ones[j] = 1;
    }
    CHECK(on_tokens(c, s, s->w[0], t, &f) == on_tokens(c, s, s->w[0], ones, &f), "times 4");
}

/* Never worse than unclipped, and better where a group has an outlier that hardly matters. */
static void test_clip(whit_context *c, const setting *s)
{
    static const char *const texts[] = { "int4-g64-asym", "int3-g100", "int4-channel" };
    for (size_t i = 0; i < 3; i++) {
        static float w[ROWS * COLS];
        wh_awq_format f = format_of(texts[i]);
        double gain = 0;
        float most = 0, before = 0;
        f.spec.clip = WHIT_CLIP_MINMAX;
        memcpy(w, s->w[0], sizeof w);
        for (size_t r = 0; r < ROWS; r++) w[r * COLS + 20] = 0.4f;
        for (size_t k = 0; k < ROWS * COLS; k++) before = fmaxf(before, fabsf(w[k]));
        CHECK(wh_awq_clip(c, s->h, w, ROWS, COLS, f.spec.scheme.group, &f, &gain, NULL) == WHIT_OK,
              "%s", texts[i]);
        for (size_t k = 0; k < ROWS * COLS; k++) most = fmaxf(most, fabsf(w[k]));
        CHECK(gain < 0.99 && gain > 0, "%s: %g is left", texts[i], gain);
        CHECK(most <= before, "%g after %g", (double)most, (double)before);
        printf("clip %s: %.3f\n", texts[i], gain);
    }
}

/* ---- SmoothQuant ---- */

static void test_smooth_scales(void)
{
    const float acts[4] = { 8, 0.5f, 0, 0 }, weights[4] = { 2, 0.25f, 0, 1 };
    float t[4], most[2] = { 0, 0 };
    const float w[4] = { 1, -3, -2, 0.5f };
    wh_smooth_scales(acts, weights, 4, 0.5, t);
    CHECK(fabsf(t[0] - 2) < 1e-6f && fabsf(t[1] - 1.4142136f) < 1e-6f, "%g %g", (double)t[0],
          (double)t[1]);
    CHECK(t[2] == 1, "a column without anything: %g", (double)t[2]);
    wh_smooth_scales(acts, weights, 2, 1, t);
    CHECK(acts[0] / t[0] == 1 && acts[1] / t[1] == 1, "alpha 1: every input reaches 1");
    wh_smooth_scales(acts, weights, 2, 0, t);
    CHECK(weights[0] * t[0] == 1 && weights[1] * t[1] == 1, "alpha 0: every column reaches 1");
    wh_smooth_scales(acts, weights, 4, 0, t);
    CHECK(t[3] == 1, "%g", (double)t[3]);
    wh_smooth_weights(w, 2, 2, most);
    CHECK(most[0] == 2 && most[1] == 3, "%g %g", (double)most[0], (double)most[1]);
}

static void test_smooth_search(whit_context *c, const setting *s)
{
    const wh_awq_layer layers[2] = { { s->w[0], ROWS }, { s->w[1], ROWS } };
    whit_error err = { WHIT_OK, "" };
    wh_smooth_result r;
    float t[COLS];
    CHECK(wh_smooth_search(c, s->x, TOKENS, COLS, s->most, layers, 2, t, &r, &err) == WHIT_OK, "%s",
          err.msg);
    for (size_t k = 0; k < WH_SMOOTH_GRID; k++) CHECK(r.loss[k] >= r.after, "alpha %zu", k);
    CHECK(r.after < 0.2 * r.before && r.alpha > 0, "%g of it is left, alpha %g", r.after / r.before,
          r.alpha);
    printf("smooth: %.4f, alpha %.2f\n", r.after / r.before, r.alpha);
}

/* Weights times scales that are beyond F32: no choice, and no error. */
static void test_smooth_beyond(whit_context *c, const setting *s)
{
    static float w[ROWS * COLS];
    const wh_awq_layer layer = { w, ROWS };
    whit_error err = { WHIT_OK, "" };
    wh_smooth_result r;
    float t[COLS], most[COLS];
    size_t beyond = 0;
    for (size_t i = 0; i < ROWS * COLS; i++) w[i] = s->w[0][i] * 1e30f;
    for (size_t j = 0; j < COLS; j++) most[j] = s->most[j] * 1e12f; /* as of another sample */
    CHECK(wh_smooth_search(c, s->x, TOKENS, COLS, most, &layer, 1, t, &r, &err) == WHIT_OK, "%s",
          err.msg);
    CHECK(err.code == WHIT_OK, "told of success: %s", err.msg);
    for (size_t k = 0; k < WH_SMOOTH_GRID; k++) beyond += isinf(r.loss[k]) != 0;
    CHECK(beyond > 0 && beyond < WH_SMOOTH_GRID && isfinite(r.after), "%d choices are beyond it",
          (int)beyond);
    for (size_t j = 0; j < COLS; j++) CHECK(isfinite(t[j] * w[j]), "column %zu", j);
}

int main(void)
{
    static setting s;
    check_rng rng = { 33 };
    const whit_context_options o = { sizeof o, 3, 0 };
    whit_context *c = NULL;
    if (whit_context_open(&c, &o, NULL) != WHIT_OK) return 1;
    make(&s, &rng, 20);
    test_search(c, &s);
    test_alike(c);
    test_power_of_two(c, &s);
    test_beyond(c, &s);
    test_clip(c, &s);
    test_smooth_scales();
    test_smooth_search(c, &s);
    test_smooth_beyond(c, &s);
    whit_context_close(c);
    return check_result();
}
