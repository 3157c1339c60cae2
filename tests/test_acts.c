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

typedef struct state {
    const char *path; /* NULL: none */
    whit_observer observer;
    double percent;
} state;

static float *logits_of(const scratch *s, const char *data, const char *scheme, whit_format format,
                        whit_acts acts, int *a8, const state *with)
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
    o.calibration = with ? with->path : NULL;
    if (with) o.observer = with->observer;
    if (with) o.observer_percent = with->percent;
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
        float *plain =
            logits_of(&s, data, rows[i].plain, WHIT_FORMAT_NATIVE, rows[i].same, &none, NULL);
        float *one = logits_of(&s, data, rows[i].rounded, rows[i].format, WHIT_ACTS_F32, &a8, NULL);
        float *two = logits_of(&s, data, rows[i].rounded, rows[i].format, WHIT_ACTS_Q8, &a8, NULL);
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

/* ---- one scale of a layer -------------------------------------------------------------------- */

static void calibrate(const scratch *s, const char *data, char path[SCRATCH_PATH])
{
    char in[SCRATCH_PATH], text[SCRATCH_PATH];
    whit_calibrate_options o;
    whit_error err = { WHIT_OK, "" };
    snprintf(in, sizeof in, "%s/stories260K", data);
    snprintf(text, sizeof text, "%s/eval/stories.txt", data);
    const whit_feed feed = { .kind = WHIT_FEED_TEXT, .path = text };
    whit_calibrate_options_init(&o);
    o.feed = &feed;
    o.feeds = 1;
    o.job.threads = 2;
    scratch_path(s, "state.safetensors", path);
    CHECK(whit_calibrate(NULL, in, &o, path, &err) == WHIT_OK, "%s", err.msg);
}

/* The scale of a tensor, as the output says it. */
static double stored_scale(const scratch *s, const char *name, const char *tensor, int *a8)
{
    char path[SCRATCH_PATH];
    whit_source *source = NULL;
    whit_error err = { WHIT_OK, "" };
    double scale = 0;
    CHECK(whit_source_open(&source, scratch_path(s, name, path), &err) == WHIT_OK, "%s", err.msg);
    const size_t i = source ? whit_source_find(source, tensor) : WHIT_NOT_FOUND;
    CHECK(i != WHIT_NOT_FOUND, "%s is not there", tensor);
    if (i != WHIT_NOT_FOUND) {
        scale = (double)whit_source_at(source, i)->act_scale;
        *a8 = whit_source_at(source, i)->scheme.a8;
    }
    whit_source_close(source);
    return scale;
}

static void test_static(const char *data)
{
    static const char down[] = "model.layers.2.mlp.down_proj.weight";
    static const struct {
        const char *scheme;
        whit_format format;
        whit_observer observer;
        double percent;
    } rows[] = {
        { "int8-channel-a8s", WHIT_FORMAT_NATIVE, WHIT_OBSERVER_MINMAX, 0 },
        { "int8-channel-a8s", WHIT_FORMAT_CT, WHIT_OBSERVER_MINMAX, 0 },
        { "int4-g32-asym-a8s", WHIT_FORMAT_NATIVE, WHIT_OBSERVER_PERCENTILE, 99.9 },
        { "fp8_e4m3-tensor-a8s", WHIT_FORMAT_CT, WHIT_OBSERVER_MSE, 0 },
        { "fp8_e5m2-channel-a8s", WHIT_FORMAT_NATIVE, WHIT_OBSERVER_ENTROPY, 0 },
    };
    char path[SCRATCH_PATH], name[64];
    scratch s;
    float *first = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_calib *calib = NULL;
    scratch_make(&s);
    calibrate(&s, data, path);
    CHECK(whit_calib_open(&calib, path, &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; calib && i < sizeof rows / sizeof rows[0]; i++) {
        const state with = { path, rows[i].observer, rows[i].percent };
        const whit_kind kind = i < 3 ? WHIT_INT : i == 3 ? WHIT_FP8_E4M3 : WHIT_FP8_E5M2;
        int a8 = -1, stored = -1;
        whit_calib_range range = { 0 };
        float *got = logits_of(&s, data, rows[i].scheme, rows[i].format, WHIT_ACTS_F32, &a8, &with);
        CHECK(a8 == WHIT_A8_STATIC, "%s: %d", rows[i].scheme, a8);
        snprintf(name, sizeof name, "%s-%d", rows[i].scheme, (int)rows[i].format);
        const double scale = stored_scale(&s, name, down, &stored);
        whit_calib_observe(calib, whit_calib_find(calib, down), rows[i].observer, rows[i].percent,
                           kind, &range, &err);
        CHECK(stored == WHIT_A8_STATIC && scale == (double)range.scale && scale > 0,
              "%s: %g stored, %g found", name, scale, (double)range.scale);
        if (i == 0) first = got;
        if (i == 1) CHECK(apart(first, got) == 0, "native and checkpoint differ");
        if (i != 0) free(got);
    }
    free(first);
    whit_calib_close(calib);
    scratch_remove(&s);
}

/* A scale that is none is said to be none. */
static void test_hostile(const char *data)
{
    static const unsigned char bad[][4] = { { 0, 0, 0, 0 },
                                            { 0, 0, 0xc0, 0x7f },
                                            { 0, 0, 0x80, 0xbf } };
    char path[SCRATCH_PATH], file[SCRATCH_PATH + 32];
    int a8;
    scratch s;
    scratch_make(&s);
    calibrate(&s, data, path);
    const state with = { path, WHIT_OBSERVER_MINMAX, 0 };
    free(logits_of(&s, data, "int8-channel-a8s", WHIT_FORMAT_NATIVE, WHIT_ACTS_F32, &a8, &with));
    snprintf(file, sizeof file, "%s/int8-channel-a8s-%d/model.safetensors", s.path,
             (int)WHIT_FORMAT_NATIVE);
    whit_file *f = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_file_open(&f, file, &err) == WHIT_OK, "%s", err.msg);
    const size_t i =
        f ? whit_file_find(f, "model.layers.0.self_attn.q_proj.weight.act_scale") : WHIT_NOT_FOUND;
    CHECK(i != WHIT_NOT_FOUND, "no plane");
    const uint64_t at = i == WHIT_NOT_FOUND ? 0 : whit_file_tensor(f, i)->offset;
    whit_file_close(f);
    size_t len;
    unsigned char *octets = scratch_read(file, &len);
    for (size_t k = 0; k < 3 && at; k++) {
        whit_source *source = NULL;
        memcpy(octets + at, bad[k], 4);
        FILE *out = fopen(file, "wb");
        if (!out || fwrite(octets, 1, len, out) != len || fclose(out) != 0) scratch_die(file);
        whit_status st = whit_source_open(&source, file, &err);
        CHECK(st == WHIT_ERR_FORMAT && strstr(err.msg, "act_scale"), "%d: %s", (int)st, err.msg);
        whit_source_close(source);
    }
    free(octets);
    scratch_remove(&s);
}

int main(int argc, char **argv)
{
    if (argc < 2) return CHECK_SKIP;
    test_values();
    test_edges();
    test_models(argv[1]);
    test_static(argv[1]);
    test_hostile(argv[1]);
    return check_result();
}
