/* tests/test_calibrate.c - whole calibrations: states that merge to the bytes of one run over all
 * texts, in any order and grouping, for any number of threads; what a channel met, against sums of
 * what a watched session shows; interrupted anywhere, killed anywhere, taken up; mixtures,
 * importance matrices, comparisons; hostile states; what is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/file.h"
#include "calib/state.h"
#include "check.h"
#include "jobs.h"
#include "scratch.h"

typedef struct place {
    const char *data;
    char folder[SCRATCH_PATH / 2], gguf[SCRATCH_PATH];
    char text[3][SCRATCH_PATH];
    scratch s;
} place;

static place *here;

static const char *at(const char *name)
{
    static char path[8][SCRATCH_PATH];
    static int next;
    next = (next + 1) % 8;
    return scratch_path(&here->s, name, path[next]);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Texts by number, as "021". */
static whit_status run_texts(const char *which, const char *output,
                             void (*change)(whit_calibrate_options *o), whit_error *err)
{
    whit_feed feed[8] = { { WHIT_FEED_TEXT } };
    whit_calibrate_options o;
    whit_calibrate_options_init(&o);
    o.feed = feed;
    for (; which[o.feeds]; o.feeds++)
        feed[o.feeds] =
            (whit_feed){ .kind = WHIT_FEED_TEXT, .path = here->text[which[o.feeds] - '0'] };
    o.context = 100;
    o.job.threads = 1;
    o.job.force = 1;
    if (change) change(&o);
    return whit_calibrate(NULL, here->folder, &o, output, err);
}

static void made(const char *which, const char *output, void (*change)(whit_calibrate_options *o))
{
    whit_error err = { WHIT_OK, "" };
    CHECK(run_texts(which, output, change, &err) == WHIT_OK, "%s: %s", which, err.msg);
}

static void merged(const char *output, const char *a, const char *b, const char *c)
{
    const whit_merge_part part[3] = { { a, 0 }, { b, 0 }, { c, 0 } };
    whit_job_options o;
    whit_error err = { WHIT_OK, "" };
    whit_job_options_init(&o);
    o.force = 1;
    CHECK(whit_calibrate_merge(part, c ? 3 : 2, output, &o, &err) == WHIT_OK, "%s", err.msg);
}

static void same(const char *a, const char *b, const char *what)
{
    CHECK(job_same_file(a, b), "%s: the bytes differ", what);
}

static void threads(whit_calibrate_options *o)
{
    o->job.threads = 3;
}

static void test_merge(void)
{
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    static const char *const names[3] = { "a", "b", "c" };
    made("012", at("all"), NULL);
    made("210", at("again"), threads);
    same(at("all"), at("again"), "texts in another order, on three threads");
    for (int i = 0; i < 3; i++) {
        const char one[2] = { (char)('0' + i), 0 };
        made(one, at(names[i]), i == 1 ? threads : NULL);
    }
    for (int i = 0; i < 6; i++) {
        const char *x = names[orders[i][0]], *y = names[orders[i][1]], *z = names[orders[i][2]];
        merged(at("m"), at(x), at(y), at(z));
        same(at("all"), at("m"), "three at once");
        merged(at("p"), at(x), at(y), NULL);
        merged(at("m"), at(z), at("p"), NULL);
        same(at("all"), at("m"), "two, and the third");
    }
    made("00", at("twice"), NULL);
    merged(at("m"), at("a"), at("a"), NULL);
    same(at("twice"), at("m"), "one text twice");
    CHECK(!job_same_file(at("twice"), at("a")), "a text counts once or twice");
}

/* ---- against sums of what a session shows ---------------------------------------------------- */

enum { COLS = 172 };

typedef struct seen {
    double sum[COLS], square[COLS], abs[COLS];
    float min[COLS], max[COLS];
    uint64_t tokens;
    size_t linear;
} seen;

static void look(void *ctx, const whit_linear_input *in)
{
    seen *s = ctx;
    if (in->linear != s->linear) return;
    for (size_t t = 0; t < in->tokens; t++)
        for (size_t c = 0; c < in->cols; c++) {
            const double v = (double)in->x[t * in->cols + c];
            s->sum[c] += v;
            s->square[c] += v * v;
            s->abs[c] += fabs(v);
            s->min[c] = fminf(s->min[c], (float)v);
            s->max[c] = fmaxf(s->max[c], (float)v);
        }
    s->tokens += in->tokens;
}

static void check_input(const whit_calib *c, whit_model *m, const whit_ids *ids, size_t linear)
{
    const whit_model_linear *l = whit_model_linear_at(m, linear);
    const size_t at_input = whit_calib_find(c, l->tensor);
    whit_session *session = NULL;
    seen s = { .linear = linear };
    CHECK(at_input != WHIT_CALIB_NONE && l->info.cols <= COLS, "%s has no input", l->tensor);
    if (at_input == WHIT_CALIB_NONE) return;
    float *logits = calloc(whit_model_describe(m)->vocabulary, 100 * sizeof *logits);
    whit_session_open(&session, m, 100, NULL);
    whit_session_watch(session, look, &s);
    const uint32_t bos = (uint32_t)whit_model_describe(m)->bos;
    for (size_t i = 0; i < ids->count; i += 99) {
        uint32_t token[100] = { bos };
        const size_t n = ids->count - i < 99 ? ids->count - i : 99;
        memcpy(token + 1, ids->id + i, n * sizeof *token);
        whit_session_rewind(session, 0);
        CHECK(whit_session_feed(session, token, n + 1, WHIT_LOGITS_ALL, logits, NULL) == WHIT_OK,
              "feed");
    }
    const whit_calib_input *in = whit_calib_at(c, at_input);
    CHECK(in->cols == l->info.cols && in->tokens == s.tokens, "%s: %llu tokens, not %llu",
          l->tensor, (unsigned long long)in->tokens, (unsigned long long)s.tokens);
    for (size_t k = 0; k < in->cols; k++) {
        const whit_calib_channel one = whit_calib_channel_at(c, at_input, k);
        const double n = (double)s.tokens;
        CHECK(one.min == s.min[k] && one.max == s.max[k], "%s: range of %zu", l->tensor, k);
        CHECK(fabs(one.mean - s.sum[k] / n) <= 1e-12 * s.abs[k] / n &&
                  fabs(one.mean_abs - s.abs[k] / n) <= 1e-12 * s.abs[k] / n &&
                  fabs(one.mean_square - s.square[k] / n) <= 1e-12 * s.square[k] / n,
              "%s: means of %zu", l->tensor, k);
    }
    free(logits);
    whit_session_close(session);
}

static void test_model(void)
{
    whit_calib *c = NULL;
    whit_model *m = NULL;
    whit_tokenizer *t = NULL;
    whit_ids ids = { 0 };
    size_t len;
    char *text = scratch_read(here->text[0], &len);
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_calib_open(&c, at("a"), &err) == WHIT_OK, "%s", err.msg);
    whit_model_open(&m, here->folder, NULL, NULL);
    whit_tokenizer_open(&t, here->folder, NULL);
    whit_tokenize(t, text, len, 0, &ids, NULL);
    if (c && m) {
        const size_t linears = whit_model_linears(m);
        CHECK(whit_calib_describe(c)->inputs == (linears - 1) / 7 * 4 + 1, "inputs");
        for (size_t i = 0; i < linears; i++)
            if (i < 8 || i + 2 >= linears) check_input(c, m, &ids, i);
        const whit_calib_source *s = whit_calib_source_at(c, 0);
        CHECK(strcmp(s->kind, "text") == 0 && s->context == 100 &&
                  s->tokens == ids.count + (ids.count - 1) / 99 + 1,
              "source");
        CHECK(!whit_calib_source_at(c, 1) && !whit_calib_at(c, 1000), "no more");
    }
    /* ids give the same as their text, but for the source */
    whit_calibrate_options o;
    scratch_write(&here->s, "ids", "", 0);
    FILE *f = fopen(at("ids"), "w");
    whit_ids_write_json(&ids, f);
    fclose(f);
    const whit_feed feed = { .kind = WHIT_FEED_IDS, .path = at("ids") };
    whit_calibrate_options_init(&o);
    o.feed = &feed;
    o.feeds = 1;
    o.context = 100;
    CHECK(whit_calibrate(NULL, here->folder, &o, at("of-ids"), &err) == WHIT_OK, "%s", err.msg);
    whit_calib *b = NULL;
    whit_calib_difference *d = NULL;
    size_t count = 0;
    whit_calib_open(&b, at("of-ids"), NULL);
    CHECK(c && b && whit_calib_compare(c, b, &d, &count, &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; i < count; i++)
        CHECK(fabs(d[i].rank - 1) < 1e-12 && d[i].range == 1 && d[i].outside == 0, "%s", d[i].name);
    CHECK(c && count == whit_calib_describe(c)->inputs, "%zu compared", count);
    free(d);
    whit_calib_close(b);
    free(text);
    whit_ids_free(&ids);
    whit_tokenizer_close(t);
    whit_model_close(m);
    whit_calib_close(c);
}

/* ---- Hessians -------------------------------------------------------------------------------- */

static void hessian(whit_calibrate_options *o)
{
    o->hessian = 1;
}

static void test_hessian(void)
{
    whit_calib *all = NULL, *sum = NULL;
    whit_error err = { WHIT_OK, "" };
    made("01", at("h01"), hessian);
    made("0", at("h0"), hessian);
    made("1", at("h1"), hessian);
    merged(at("hm"), at("h1"), at("h0"), NULL);
    CHECK(whit_calib_open(&all, at("h01"), &err) == WHIT_OK &&
              whit_calib_open(&sum, at("hm"), &err) == WHIT_OK,
          "%s", err.msg);
    CHECK(all && whit_calib_check(all, &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; all && sum && i < whit_calib_describe(all)->inputs; i++) {
        const whit_calib_input *in = whit_calib_at(all, i);
        const size_t n = (size_t)in->cols;
        double *x = calloc(n * n, sizeof *x), *y = calloc(n * n, sizeof *y);
        CHECK(whit_calib_hessian(all, i, x, NULL) == WHIT_OK &&
                  whit_calib_hessian(sum, i, y, NULL) == WHIT_OK,
              "read");
        for (size_t k = 0; k < n; k++) {
            const double square = whit_calib_channel_at(all, i, k).mean_square * (double)in->tokens;
            CHECK(fabs(x[k * n + k] - square) <= square * 0x1p-16, "%s: diagonal %zu: %g, not %g",
                  in->name, k, x[k * n + k], square);
            for (size_t c = 0; c < n; c++) {
                const double most = sqrt(x[k * n + k] * x[c * n + c]);
                CHECK(x[k * n + c] == x[c * n + k] &&
                          fabs(x[k * n + c] - y[k * n + c]) <= most * 0x1p-20,
                      "%s: %zu %zu: %g, merged %g", in->name, k, c, x[k * n + c], y[k * n + c]);
            }
        }
        free(x);
        free(y);
    }
    whit_calib_close(all);
    whit_calib_close(sum);
}

/* ---- interrupted ----------------------------------------------------------------------------- */

static struct {
    int left; /* steps until it stops; 0: never */
    int dies;
} stopping;

static int stop(void *user, const whit_progress *p)
{
    (void)user;
    CHECK(p->done <= p->total, "done beyond the total");
    if (stopping.left == 0 || --stopping.left > 0) return 0;
    if (stopping.dies) _exit(9); /* as a kill: nothing is cleaned up */
    return 1;
}

static void resuming(whit_calibrate_options *o)
{
    o->hessian = 1;
    o->resume = 1;
    o->context = 300;
    o->save_every = stopping.dies ? 1e-9 : 0;
    o->job.progress = stop;
}

static void test_interrupted(void)
{
    whit_error err = { WHIT_OK, "" };
    whit_calib *c = NULL;
    made("012", at("whole"), resuming);
    for (int left = 1; left < 9; left++) {
        int runs = 0;
        whit_status st;
        do { /* each run goes `left` pieces further */
            stopping.left = left;
            err.msg[0] = 0;
            st = run_texts("012", at("cut"), resuming, &err);
            CHECK(st == WHIT_OK || st == WHIT_ERR_CANCELLED, "%d: %s", (int)st, err.msg);
            if (st != WHIT_ERR_CANCELLED) break;
            CHECK(!wh_file_exists(at("cut")), "an interrupted run has an output");
            CHECK(whit_calib_open(&c, at("cut.partial/state.safetensors"), &err) == WHIT_OK,
                  "no state was kept: %s", err.msg);
            whit_calib_close(c);
        } while (runs++ < 100);
        stopping.left = 0;
        CHECK(st == WHIT_OK && runs > 0, "%d runs", runs);
        same(at("whole"), at("cut"), "taken up");
        CHECK(!wh_file_exists(at("cut.partial")), "OUTPUT.partial is left");
        remove(at("cut"));
    }
    /* without --resume nothing is kept, and what was kept goes */
    stopping.left = 2;
    CHECK(run_texts("012", at("cut"), resuming, &err) == WHIT_ERR_CANCELLED, "interrupted");
    stopping.left = 0;
    made("0", at("cut"), NULL);
    same(at("cut"), at("a"), "another run");
    CHECK(!wh_file_exists(at("cut.partial")), "it cleans up");
    /* another plan is refused */
    stopping.left = 2;
    remove(at("cut"));
    CHECK(run_texts("012", at("cut"), resuming, &err) == WHIT_ERR_CANCELLED, "interrupted");
    stopping.left = 0;
    CHECK(run_texts("021", at("cut"), resuming, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan"),
          "%s", err.msg);
    made("012", at("cut"), resuming);
    same(at("whole"), at("cut"), "after a refusal");
}

static void test_killed(void)
{
    for (int left = 1; left < 14; left += 2) {
        remove(at("cut"));
        for (int runs = 0; runs < 40; runs++) {
            fflush(NULL);
            const pid_t child = fork();
            if (child == 0) {
                stopping.dies = 1;
                stopping.left = left;
                _exit(run_texts("012", at("cut"), resuming, NULL) == WHIT_OK ? 0 : 1);
            }
            int status = 0;
            waitpid(child, &status, 0);
            const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            CHECK(code == 0 || code == 9, "a killed run ended with %d", code);
            if (code != 9) break;
        }
        same(at("whole"), at("cut"), "killed and taken up");
        CHECK(!wh_file_exists(at("cut.partial")) && !wh_file_exists(at(".cut.whit-tmp")) &&
                  !wh_file_exists(at(".cut.whit-lock")),
              "something is left");
    }
}

/* ---- activations, mixtures, importance matrices ---------------------------------------------- */

/* NumPy's format: float32 [rows, cols]. */
static void put_npy(const char *name, const float *x, size_t rows, size_t cols)
{
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\1\0\x76\0", 10);
    const int n =
        snprintf(head + 10, sizeof head - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, cols);
    head[10 + n] = ' ';
    head[127] = '\n';
    FILE *f = fopen(at(name), "wb");
    fwrite(head, 1, sizeof head, f);
    fwrite(x, sizeof *x, rows * cols, f);
    fclose(f);
}

static whit_status run_dumps(const whit_feed *feed, size_t n, const char *out, whit_error *err)
{
    whit_calibrate_options o;
    whit_calibrate_options_init(&o);
    o.feed = feed;
    o.feeds = n;
    o.hessian = 1;
    o.job.threads = 2;
    o.job.force = 1;
    return whit_calibrate(NULL, NULL, &o, out, err);
}

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

/* ---- hostile states -------------------------------------------------------------------------- */

/* Every octet of a small state changed, and every cut: it is read or refused, in one line. */
static void test_hostile(void)
{
    static float x[5 * 3] = { 1, -2, 3, 0, 5, -6, 7, 8, 9, 10, 0, 12, 13, 14, 0.5f };
    const whit_feed f = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("s.npy"), .input = "w" };
    whit_error err = { WHIT_OK, "" };
    size_t len, good = 0;
    put_npy("s.npy", x, 5, 3);
    CHECK(run_dumps(&f, 1, at("s"), &err) == WHIT_OK, "%s", err.msg);
    unsigned char *data = scratch_read(at("s"), &len);
    const size_t head = (size_t)wh_load64(data) + 8;
    for (size_t i = 0; i < len; i++) {
        if (i > head + 700 && i + 700 < len && i % 97) continue; /* bins, all 0 */
        for (int how = 0; how < 3; how++) {
            const unsigned char keep = data[i];
            whit_calib *c = NULL;
            data[i] = (unsigned char)(how == 0 ? keep ^ 1 : how == 1 ? keep ^ 0x80 : 0xff);
            scratch_write(&here->s, "t", data, how == 2 && i % 5 == 0 ? i : len);
            err.msg[0] = 0;
            const whit_status st = whit_calib_open(&c, at("t"), &err);
            CHECK(st == WHIT_OK ||
                      ((st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED) && job_one_line(&err)),
                  "octet %zu: %d %s", i, (int)st, err.msg);
            good += st == WHIT_OK;
            whit_calib_close(c);
            data[i] = keep;
        }
    }
    CHECK(good > 0 && good < 3000, "%zu changes were accepted", good);
    free(data);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(const whit_feed *feed, size_t n, const char *path, const char *out,
                    whit_status st, const char *says)
{
    whit_calibrate_options o;
    whit_error err = { WHIT_OK, "" };
    whit_calibrate_options_init(&o);
    o.feed = feed;
    o.feeds = n;
    const whit_status got = whit_calibrate(NULL, path, &o, out, &err);
    CHECK(got == st && strstr(err.msg, says), "%d: %s (want %d: %s)", (int)got, err.msg, (int)st,
          says);
    CHECK(job_one_line(&err), "one line");
}

static void test_refused(void)
{
    const whit_feed text = { .kind = WHIT_FEED_TEXT, .path = here->text[0] };
    const whit_feed empty = { .kind = WHIT_FEED_TEXT, .path = "empty", .data = "", .len = 0 };
    const whit_feed ids = { .kind = WHIT_FEED_IDS, .path = "ids", .data = "1 99999", .len = 7 };
    const whit_feed dump = { .kind = WHIT_FEED_ACTIVATIONS, .path = at("big.npy"), .input = "w" };
    float x[4] = { 1, 2, 3, 0x1.000002p24f };
    refused(NULL, 0, here->folder, at("no"), WHIT_ERR_ARG, "nothing to feed");
    refused(&text, 1, NULL, at("no"), WHIT_ERR_ARG, "without a model");
    refused(&dump, 1, here->folder, at("no"), WHIT_ERR_ARG, "fed to a model");
    refused(&text, 1, "no-model", at("no"), WHIT_ERR_IO, "no-model");
    refused(&text, 1, here->folder, at("a"), WHIT_ERR_ARG, "exists");
    refused(&empty, 1, here->folder, at("no"), WHIT_ERR_FORMAT, "has no tokens");
    refused(&ids, 1, here->folder, at("no"), WHIT_ERR_FORMAT, "token 99999");
    put_npy("big.npy", x, 2, 2);
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_NUMERIC, "w: its input has a magnitude above 2^24");
    x[3] = NAN;
    put_npy("big.npy", x, 2, 2);
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_NUMERIC, "in channel 1");
    scratch_text(&here->s, "big.npy", "no array");
    refused(&dump, 1, NULL, at("no"), WHIT_ERR_UNSUPPORTED, "big.npy");
    CHECK(!wh_file_exists(at("no")), "nothing was written");

    whit_calib *c = NULL;
    whit_error err = { WHIT_OK, "" };
    char model[SCRATCH_PATH];
    snprintf(model, sizeof model, "%s/model.safetensors", here->folder);
    CHECK(whit_calib_open(&c, model, &err) == WHIT_ERR_UNSUPPORTED && !c &&
              strstr(err.msg, "no calibration state"),
          "%s", err.msg);
    CHECK(whit_calib_probe(at("a")) && !whit_calib_probe(model) && !whit_calib_probe("none"),
          "probe");
    whit_job_options o;
    whit_job_options_init(&o);
    const whit_merge_part parts[2] = { { at("a"), 0 }, { at("x"), 0 } };
    CHECK(whit_calibrate_merge(parts, 2, at("no"), &o, &err) == WHIT_ERR_FORMAT, "%s", err.msg);
    const whit_merge_part own[1] = { { at("a"), 0 } };
    o.force = 1;
    CHECK(whit_calibrate_merge(own, 1, at("a"), &o, &err) == WHIT_ERR_ARG, "%s", err.msg);
}

int main(int argc, char **argv)
{
    static const char *const names[3] = { "t0", "t1", "t2" };
    place p = { .data = argc > 1 ? argv[1] : "" };
    if (argc < 2) return 1;
    here = &p;
    snprintf(p.folder, sizeof p.folder, "%s/stories260K", p.data);
    char path[SCRATCH_PATH];
    size_t len;
    snprintf(path, sizeof path, "%s/eval/stories.txt", p.data);
    char *text = scratch_read(path, &len);
    scratch_make(&p.s);
    scratch_write(&p.s, "t0", text, 1500);
    scratch_write(&p.s, "t1", text + 1500, 700);
    scratch_write(&p.s, "t2", "A dog.", 6);
    for (int i = 0; i < 3; i++) scratch_path(&p.s, names[i], p.text[i]);
    free(text);
    test_merge();
    test_model();
    test_hessian();
    test_interrupted();
    test_killed();
    test_activations();
    test_spilled();
    test_mixture();
    test_importance();
    test_hostile();
    test_refused();
    scratch_remove(&p.s);
    return check_result();
}
