/* tests/test_acts.c - activations of 8 bits: the values themselves, and models that ask for them.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <whit/whit.h>

#include <float.h>
#include <math.h>

#include "check.h"
#include "model/acts.h"
#include "scratch.h"

enum { COLS = 515, TOKENS = 4 };

/* ---- values ---------------------------------------------------------------------------------- */

/* The multiple of s in [-most, most] that is nearest to x: of integers, or of what fp8 has. */
static void check_value(whit_kind kind, float s, float x, float got)
{
    double q = (double)got / (double)s, most = kind == WHIT_INT ? 127 : 448, step = 1;
    if (kind == WHIT_FP8_E5M2) most = 57344;
    if (kind != WHIT_INT) {
        int e;
        const int bits = kind == WHIT_FP8_E4M3 ? 3 : 2, least = kind == WHIT_FP8_E4M3 ? -6 : -14;
        frexp(fabs(q), &e);
        step = ldexp(1, (e - 1 < least ? least : e - 1) - bits);
    }
    const double want = fmin(fmax((double)x / (double)s, -most), most);
    CHECK(fabs(q - rint(q / step) * step) <= 1e-5 * fabs(q), "%d: %g of %g is on no grid",
          (int)kind, (double)got, (double)s);
    CHECK(fabs(want - q) <= step * (0.5 + 1e-5), "%d: %g became %g, scale %g", (int)kind, (double)x,
          (double)got, (double)s);
}

static void test_values(void)
{
    static const whit_kind kinds[] = { WHIT_INT, WHIT_FP8_E4M3, WHIT_FP8_E5M2 };
    static float x[TOKENS * COLS], out[TOKENS * COLS];
    check_rng rng = { 5 };
    for (size_t k = 0; k < 3; k++)
        for (int how = 0; how < 3; how++) {
            const float most = k == 0 ? 127.0f : k == 1 ? 448.0f : 57344.0f;
            const float fixed = how == 0 ? 0 : how == 1 ? 3.0f / most : 0.5f / most;
            for (size_t i = 0; i < TOKENS * COLS; i++)
                x[i] = check_normal(&rng) * (float)(1 + i / COLS);
            wh_acts_round(kinds[k], fixed, x, TOKENS, COLS, out);
            for (size_t t = 0; t < TOKENS; t++) {
                float all = 0;
                for (size_t i = 0; i < COLS; i++) all = fmaxf(all, fabsf(x[t * COLS + i]));
                const float s = fixed > 0 ? fixed : all / most;
                for (size_t i = 0; i < COLS; i++)
                    check_value(kinds[k], s, x[t * COLS + i], out[t * COLS + i]);
            }
        }
}

static void test_edges(void)
{
    float x[8] = { 0 }, out[8];
    wh_acts_round(WHIT_INT, 0, x, 1, 8, out);
    CHECK(out[0] == 0 && out[7] == 0, "zeros");
    x[3] = FLT_TRUE_MIN;
    wh_acts_round(WHIT_INT, 0, x, 1, 8, out);
    CHECK(out[3] == FLT_TRUE_MIN && out[0] == 0, "too small for a scale");
    x[3] = NAN;
    x[0] = 1;
    wh_acts_round(WHIT_FP8_E4M3, 0.5f, x, 1, 8, out);
    CHECK(isnan(out[3]) && out[0] == 1, "NaN stays");
    const float ties[4] = { 0.5f, 1.5f, 2.5f, 127 };
    wh_acts_round(WHIT_INT, 0, ties, 1, 4, out);
    CHECK(out[0] == 0 && out[1] == 2 && out[2] == 2 && out[3] == 127, "ties to even");
    x[3] = 1000;
    wh_acts_round(WHIT_INT, 1, x, 1, 8, x); /* in place */
    CHECK(x[3] == 127 && x[0] == 1, "a scale of the layer cuts off");
}

/* ---- models ---------------------------------------------------------------------------------- */

static float *logits_of(const scratch *s, const char *data, const char *scheme, whit_format format,
                        whit_acts acts, int *a8)
{
    static const uint32_t ids[] = { 1, 403, 407, 261, 378, 30, 12, 76 };
    const size_t n = sizeof ids / sizeof ids[0];
    char in[SCRATCH_PATH], out[SCRATCH_PATH], name[64];
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_report *report = NULL;
    whit_model *model = NULL;
    whit_session *session = NULL;
    whit_quantize_options o;
    whit_model_options m;
    whit_error err = { WHIT_OK, "" };
    float *logits = calloc(n * 512, sizeof *logits);
    whit_quantize_options_init(&o);
    o.scheme = scheme;
    o.format = format;
    o.job.force = 1;
    snprintf(in, sizeof in, "%s/stories260K", data);
    snprintf(name, sizeof name, "%s-%d", scheme, (int)format);
    scratch_path(s, name, out);
    whit_status st = whit_source_open(&source, in, &err);
    if (st == WHIT_OK) st = whit_plan_make(&plan, source, &o, out, &err);
    if (st == WHIT_OK) st = whit_plan_run(plan, &report, &err);
    whit_model_options_init(&m);
    m.acts = acts;
    m.threads = 2;
    if (st == WHIT_OK) st = whit_model_open(&model, out, &m, &err);
    if (st == WHIT_OK) *a8 = whit_model_linear_at(model, 0)->a8;
    if (st == WHIT_OK) st = whit_session_open(&session, model, n, &err);
    if (st == WHIT_OK && logits)
        st = whit_session_feed(session, ids, n, WHIT_LOGITS_ALL, logits, &err);
    CHECK(st == WHIT_OK && logits, "%s: %s", scheme, err.msg);
    whit_session_close(session);
    whit_model_close(model);
    whit_report_free(report);
    whit_plan_free(plan);
    whit_source_close(source);
    return logits;
}

static double apart(const float *a, const float *b)
{
    double most = 0;
    for (size_t i = 0; i < 8 * 512; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* What a file says of activations is done, whatever the caller asks for. */
static void test_models(const char *data)
{
    static const struct {
        const char *plain, *rounded;
        whit_format format;
        whit_acts same; /* with these the plain one gives the same logits */
    } rows[] = {
        { "int8-channel", "int8-channel-a8", WHIT_FORMAT_NATIVE, WHIT_ACTS_Q8 },
        { "int8-channel", "int8-channel-a8", WHIT_FORMAT_CT, WHIT_ACTS_Q8 },
        { "int8-tensor", "int8-tensor-a8", WHIT_FORMAT_CT, WHIT_ACTS_Q8 },
        { "int4-g32", "int4-g32-a8", WHIT_FORMAT_NATIVE, WHIT_ACTS_F32 },
        { "fp8_e4m3-channel", "fp8_e4m3-channel-a8", WHIT_FORMAT_NATIVE, WHIT_ACTS_F32 },
        { "fp8_e4m3-channel", "fp8_e4m3-channel-a8", WHIT_FORMAT_CT, WHIT_ACTS_F32 },
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int a8, none;
        float *plain = logits_of(&s, data, rows[i].plain, WHIT_FORMAT_NATIVE, rows[i].same, &none);
        float *one = logits_of(&s, data, rows[i].rounded, rows[i].format, WHIT_ACTS_F32, &a8);
        float *two = logits_of(&s, data, rows[i].rounded, rows[i].format, WHIT_ACTS_Q8, &a8);
        CHECK(none == WHIT_A8_NONE && a8 == WHIT_A8_TOKEN, "%s: %d", rows[i].rounded, a8);
        CHECK(apart(one, two) == 0, "%s: options count", rows[i].rounded);
        if (rows[i].same == WHIT_ACTS_Q8)
            CHECK(apart(plain, one) == 0, "%s: not the kernel's own", rows[i].rounded);
        else
            CHECK(apart(plain, one) > 1e-4 && apart(plain, one) < 2, "%s: %g apart",
                  rows[i].rounded, apart(plain, one));
        free(plain);
        free(one);
        free(two);
    }
    scratch_remove(&s);
}

int main(int argc, char **argv)
{
    if (argc < 2) return CHECK_SKIP;
    test_values();
    test_edges();
    test_models(argv[1]);
    return check_result();
}
