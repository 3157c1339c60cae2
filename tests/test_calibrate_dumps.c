/* tests/test_calibrate_dumps.c - calibrations by activations that another program dumped; mixtures;
 * importance matrices; comparisons.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calibrations.h"

#include <math.h>

/* Random rows split over files in random ways: one state. */
static void test_activations(void)
{
    enum { ROWS = 700, WIDE = 100 };
    static float x[ROWS * WIDE];
    static const char *const names[3] = { "x", "y", "z" };
    check_rng r = { 23 };
    whit_error err = { WHIT_OK, "" };
    for (size_t i = 0; i < ROWS * WIDE; i++)
        x[i] = ldexpf(check_normal(&r), (int)check_below(&r, 20) - 10);
    put_npy("x.npy", x, ROWS, WIDE);
    const whit_feed whole = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("x.npy"), .input = "fc.w" };
    CHECK(run_dumps(&whole, 1, at("x"), &err) == WHIT_OK, "%s", err.msg);
    whit_calib *a = NULL, *b = NULL;
    whit_calib_open(&a, at("x"), NULL);
    for (int round = 0; round < 12; round++) {
        const size_t cut = 1 + (size_t)check_below(&r, ROWS - 2);
        const size_t cut2 = cut + 1 + (size_t)check_below(&r, ROWS - cut - 1);
        put_npy("1.npy", x, cut, WIDE);
        put_npy("2.npy", x + cut * WIDE, cut2 - cut, WIDE);
        put_npy("3.npy", x + cut2 * WIDE, ROWS - cut2, WIDE);
        whit_feed f[3] = { whole, whole, whole };
        f[0].path = at("1.npy");
        f[1].path = at("2.npy");
        f[2].path = at("3.npy");
        const size_t parts = cut2 < ROWS ? 3 : 2;
        for (size_t i = 0; i < parts; i++)
            CHECK(run_dumps(&f[i], 1, at(names[i]), &err) == WHIT_OK, "%s", err.msg);
        CHECK(run_dumps(f, parts, at("m"), &err) == WHIT_OK, "%s", err.msg);
        merged(at("n"), at("z"), at("x"), at("y"));
        if (parts == 3) {
            merged(at("n"), at("y"), at("z"), at("x"));
            whit_calib_open(&b, at("n"), NULL);
            for (size_t k = 0; a && b && k < WIDE; k++) {
                const whit_calib_channel p = whit_calib_channel_at(a, 0, k),
                                         q = whit_calib_channel_at(b, 0, k);
                CHECK(memcmp(&p, &q, sizeof p) == 0, "channel %zu", k);
            }
            CHECK(whit_calib_percentile(a, 0, 99.9) == whit_calib_percentile(b, 0, 99.9), "p99.9");
            whit_calib_close(b);
        }
    }
    whit_calib_close(a);
}

/* Hessians that do not fit go to a file, and come out the same. */
static void test_spilled(void)
{
    enum { ROWS = 300, WIDE = 1000 };
    float *x = calloc(ROWS * WIDE, sizeof *x);
    check_rng r = { 29 };
    for (size_t i = 0; i < ROWS * WIDE; i++) x[i] = check_normal(&r);
    put_npy("wide.npy", x, ROWS, WIDE);
    free(x);
    const whit_feed f = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("wide.npy"), .input = "w" };
    for (int file = 0; file < 2; file++) {
        whit_calibration *run = NULL;
        whit_error err = { WHIT_OK, "" };
        whit_calibrate_options o;
        whit_calibrate_options_init(&o);
        o.feed = &f;
        o.feeds = 1;
        o.hessian = 1;
        o.job.threads = 2;
        o.job.max_memory = (uint64_t)(file ? 9 : 64) << 20;
        CHECK(whit_calibrate(&run, NULL, &o, at(file ? "in-file" : "in-memory"), &err) == WHIT_OK,
              "%s", err.msg);
        CHECK(run && whit_calibration_total(run)->spilled == file, "where Hessians are");
        whit_calibration_free(run);
        o.job.max_memory = (uint64_t)1 << 20;
        CHECK(whit_calibrate(NULL, NULL, &o, at("no"), &err) == WHIT_ERR_NOMEM &&
                  strstr(err.msg, "try: --max-memory"),
              "%s", err.msg);
    }
    same(at("in-file"), at("in-memory"), "Hessians in a file");
}

static void test_mixture(void)
{
    const whit_merge_part part[2] = { { at("a"), 0.7 }, { at("b"), 0.3 } };
    whit_job_options o;
    whit_error err = { WHIT_OK, "" };
    whit_calib *a = NULL, *b = NULL, *m = NULL;
    whit_job_options_init(&o);
    o.force = 1;
    CHECK(whit_calibrate_merge(part, 2, at("mix"), &o, &err) == WHIT_OK, "%s", err.msg);
    whit_calib_open(&a, at("a"), NULL);
    whit_calib_open(&b, at("b"), NULL);
    CHECK(whit_calib_open(&m, at("mix"), &err) == WHIT_OK && whit_calib_describe(m)->is_final, "%s",
          err.msg);
    for (size_t i = 0; a && b && m && i < whit_calib_describe(m)->inputs; i++) {
        double most = 0;
        for (uint64_t k = 0; k < whit_calib_at(m, i)->cols; k++) {
            const whit_calib_channel x = whit_calib_channel_at(a, i, k),
                                     y = whit_calib_channel_at(b, i, k),
                                     z = whit_calib_channel_at(m, i, k);
            const double want = 0.7 * x.mean_square + 0.3 * y.mean_square;
            CHECK(fabs(z.mean_square - want) <= 1e-12 * want &&
                      fabs(z.mean - (0.7 * x.mean + 0.3 * y.mean)) <= 1e-12 * z.mean_abs,
                  "input %zu, channel %d", i, (int)k);
            CHECK(z.min == fminf(x.min, y.min) && z.max == fmaxf(x.max, y.max), "range");
            most = fmax(most, fmax(fabs((double)z.min), fabs((double)z.max)));
        }
        const double p = (double)whit_calib_percentile(m, i, 100);
        CHECK(p >= most && p <= most * (1 + 0x1p-6), "100 %%: %g, largest %g", p, most);
    }
    const whit_merge_part again[2] = { { at("mix"), 0 }, { at("a"), 0 } };
    CHECK(whit_calibrate_merge(again, 2, at("m"), &o, &err) == WHIT_ERR_FORMAT &&
              strstr(err.msg, "weighed mixture"),
          "%s", err.msg);
    const whit_merge_part half[2] = { { at("a"), 0.5 }, { at("b"), 0 } };
    CHECK(whit_calibrate_merge(half, 2, at("m"), &o, &err) == WHIT_ERR_ARG, "%s", err.msg);
    whit_calib_close(a);
    whit_calib_close(b);
    whit_calib_close(m);
}

/* Both forms say what the state says. */
static void test_importance(void)
{
    static const char *const names[2] = { "i.dat", "i.gguf" };
    whit_error err = { WHIT_OK, "" };
    whit_calib *c = NULL;
    whit_imatrix *own = NULL;
    whit_calib_open(&c, at("a"), NULL);
    CHECK(whit_imatrix_open(&own, at("a"), &err) == WHIT_OK &&
              strcmp(whit_imatrix_describe(own)->format, "calibration state") == 0,
          "%s", err.msg);
    for (int form = 0; form < 2; form++) {
        whit_imatrix *m = NULL;
        made("0", at(names[form]), NULL);
        CHECK(whit_imatrix_open(&m, at(names[form]), &err) == WHIT_OK, "%s", err.msg);
        if (!m || !own || !c) continue;
        CHECK(whit_imatrix_describe(m)->entries == whit_imatrix_describe(own)->entries, "entries");
        CHECK(whit_imatrix_describe(m)->chunks == whit_imatrix_describe(own)->chunks &&
                  strcmp(whit_imatrix_describe(m)->dataset, whit_imatrix_describe(own)->dataset) ==
                      0,
              "its text");
        const float *values = NULL;
        whit_imatrix_find(m, "blk.1.attn_k.weight", 64, 1, &values, &err);
        const size_t i = whit_calib_find(c, "model.layers.1.self_attn.k_proj.weight");
        CHECK(values && i != WHIT_CALIB_NONE, "k of layer 1: %s", err.msg);
        for (uint64_t k = 0; values && i != WHIT_CALIB_NONE && k < 64; k++) {
            const double want = whit_calib_channel_at(c, i, k).mean_square;
            CHECK(fabs((double)values[k] - want) <= 3e-7 * want, "%g, not %g", (double)values[k],
                  want);
        }
        whit_imatrix_close(m);
    }
    whit_imatrix_close(own);
    whit_calib_close(c);
}

int main(int argc, char **argv)
{
    place p;
    if (argc < 2) return 1;
    place_open(&p, argv[1]);
    made("0", at("a"), NULL);
    made("1", at("b"), NULL);
    test_activations();
    test_spilled();
    test_mixture();
    test_importance();
    scratch_remove(&p.s);
    return check_result();
}
