/* tests/test_calibrate.c - whole calibrations: states that merge to the bytes of one run over all
 * texts, in any order and grouping, for any number of threads; what a channel met, against sums of
 * what a watched session shows; Hessians.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calibrations.h"

#include <math.h>

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

int main(int argc, char **argv)
{
    place p;
    if (argc < 2) return 1;
    place_open(&p, argv[1]);
    test_merge();
    test_model();
    test_hessian();
    scratch_remove(&p.s);
    return check_result();
}
