/* tests/test_eval.c - the parts of an evaluation: log-softmax and divergence against the plain
 * formulas, windows counted by hand, means, errors and quantiles, questions, bars.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/eval.h"

#include <math.h>
#include <string.h>

#include "check.h"
#include "scratch.h"

static int near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * fmax(1.0, fabs(b));
}

/* ---- rows -------------------------------------------------------------------------------------
 */

#define MOST 1000

static long double sum_plain(const float *x, size_t n)
{
    long double most = x[0];
    for (size_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    long double sum = expl((long double)x[0] - most);
    for (size_t i = 1; i < n; i++) sum += expl((long double)x[i] - most);
    return most + logl(sum);
}

static long double kl_plain(const float *base, const float *x, size_t n)
{
    const long double p = sum_plain(base, n), q = sum_plain(x, n);
    long double kl = 0;
    for (size_t i = 0; i < n; i++)
        kl +=
            expl((long double)base[i] - p) * (((long double)base[i] - p) - ((long double)x[i] - q));
    return kl;
}

static size_t top_plain(const float *x, size_t n)
{
    size_t top = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[top]) top = i;
    return top;
}

static void test_rows(void)
{
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 31, 255, 256, 257, 272, 999, 1000 };
    static const float spreads[] = { 1e-4f, 1.0f, 12.0f, 90.0f, 2000.0f };
    check_rng r = { 41 };
    float x[MOST], base[MOST];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] * 5; i++) {
        const size_t n = sizes[i / 5];
        const float spread = spreads[i % 5];
        const uint32_t t = (uint32_t)check_below(&r, n);
        wh_eval_row row, alone;
        for (size_t k = 0; k < n; k++) {
            base[k] = check_normal(&r) * spread + 5.0f;
            x[k] = base[k] + check_normal(&r) * spread * 0.05f - 3.0f;
        }
        wh_eval_row_of(wh_ops_select(), x, base, n, t, &row);
        wh_eval_row_of(wh_ops_select(), x, NULL, n, t, &alone);
        const double size = 1 + 10 * (double)spread; /* of the numbers that are subtracted */
        CHECK(near(row.nll, (double)(sum_plain(x, n) - (long double)x[t]), 1e-15 * size) &&
                  near(row.base_nll, (double)(sum_plain(base, n) - (long double)base[t]),
                       1e-15 * size),
              "nll of %zu, spread %g: %.17g, not %.17Lg", n, (double)spread, row.nll,
              sum_plain(x, n) - (long double)x[t]);
        CHECK(near(row.kl, (double)kl_plain(base, x, n), 2e-15 * size),
              "kl of %zu, spread %g: %.17g, not %.17Lg", n, (double)spread, row.kl,
              kl_plain(base, x, n));
        CHECK(row.top == top_plain(x, n) && row.base_top == top_plain(base, n) && !row.bad, "top");
        CHECK(alone.nll == row.nll && alone.kl == 0, "with a base the nll differs");
    }
}

static void test_row_cases(void)
{
    static const float base[] = { 1, 2, 0.5f }, x[] = { 1.1f, 1.8f, 0.6f };
    float flat[64], odd[64];
    wh_eval_row row;
    wh_eval_row_of(wh_ops_select(), x, base, 3, 1, &row);
    CHECK(near(row.kl, 0.0107430, 5e-8) && near(row.nll, 0.5865523, 5e-8), "%.9g %.9g", row.kl,
          row.nll);
    for (int i = 0; i < 64; i++) flat[i] = 2.5f;
    wh_eval_row_of(wh_ops_select(), flat, flat, 64, 5, &row);
    CHECK(near(row.nll, log(64.0), 1e-15) && row.kl == 0 && row.top == 0, "%.17g", row.nll);
    memcpy(odd, flat, sizeof odd);
    for (int i = 0; i < 64; i++) odd[i] -= 1e-6f * (float)(i % 7);
    wh_eval_row_of(wh_ops_select(), odd, odd, 64, 5, &row);
    CHECK(row.kl == 0, "of itself: %g", row.kl);
    odd[40] = odd[17] = 9.0f;
    wh_eval_row_of(wh_ops_select(), odd, flat, 64, 5, &row);
    CHECK(row.top == 17 && row.base_top == 0, "the first of equals: %u", row.top);
    const float bads[] = { NAN, INFINITY, -INFINITY };
    for (int i = 0; i < 192; i++) {
        memcpy(odd, flat, sizeof odd);
        odd[i % 64] = bads[i / 64];
        wh_eval_row_of(wh_ops_select(), odd, flat, 64, 5, &row);
        CHECK(row.bad == WH_EVAL_BAD, "%g at %d", (double)bads[i / 64], i % 64);
        wh_eval_row_of(wh_ops_select(), flat, odd, 64, 5, &row);
        CHECK(row.bad == WH_EVAL_BAD_BASE, "of the base, %g at %d", (double)bads[i / 64], i % 64);
    }
    odd[0] = 1e38f; /* as far apart as floats can be: the others have no share */
    odd[63] = -1e38f;
    wh_eval_row_of(wh_ops_select(), odd, odd, 63, 0, &row);
    CHECK(row.nll == 0 && row.kl == 0 && wh_eval_probability(row.nll) == 1, "%g", row.nll);
    wh_eval_row_of(wh_ops_select(), odd, odd, 63, 3, &row);
    CHECK(row.nll > 9e37 && wh_eval_probability(row.nll) == 0, "%g", row.nll);
}

/* ---- windows ----------------------------------------------------------------------------------
 */

static void check_windows(const char *name, size_t ids, size_t *begin, size_t stories,
                          whit_eval_protocol protocol, size_t context, int start,
                          const wh_eval_window *want, size_t count)
{
    wh_eval_text text = { .ids = { NULL, ids, ids }, .begin = begin, .stories = stories };
    wh_eval_window *got;
    size_t n;
    CHECK(wh_eval_windows(&text, protocol, context, start, &got, &n, NULL) == WHIT_OK, "%s", name);
    CHECK(n == count, "%s: %zu windows, not %zu", name, n, count);
    for (size_t i = 0; i < n && i < count; i++)
        CHECK(got[i].first == want[i].first && got[i].ids == want[i].ids &&
                  got[i].start == want[i].start && got[i].scored == want[i].scored,
              "%s: window %zu: %zu ids from %zu, start %d, scored from %zu", name, i, got[i].ids,
              got[i].first, got[i].start, got[i].scored);
    free(got);
}

static void test_windows(void)
{
    /* first id, ids, start of text, first scored token */
    const wh_eval_window stream[] = { { 0, 3, 1, 1 }, { 3, 4, 0, 1 }, { 7, 4, 0, 1 } };
    const wh_eval_window bare[] = { { 0, 4, 0, 1 }, { 4, 4, 0, 1 } };
    const wh_eval_window half[] = { { 0, 3, 1, 3 }, { 4, 3, 1, 3 }, { 8, 3, 1, 3 } };
    const wh_eval_window half_bare[] = { { 0, 4, 0, 3 }, { 4, 4, 0, 3 } };
    const wh_eval_window chunk[] = { { 0, 3, 1, 1 }, { 3, 3, 1, 1 }, { 6, 3, 1, 1 } };
    const wh_eval_window story[] = { { 0, 2, 1, 1 }, { 2, 3, 1, 1 }, { 7, 1, 1, 1 } };
    const wh_eval_window odd[] = { { 0, 4, 1, 3 }, { 5, 4, 1, 3 } };
    size_t begin[] = { 0, 2, 7, 8 }, gap[] = { 0, 2, 2, 7, 8 };
    check_windows("window", 11, NULL, 1, WHIT_EVAL_WINDOW, 4, 1, stream, 3);
    check_windows("window, one short", 10, NULL, 1, WHIT_EVAL_WINDOW, 4, 1, stream, 2);
    check_windows("window without start", 11, NULL, 1, WHIT_EVAL_WINDOW, 4, 0, bare, 2);
    check_windows("half", 11, NULL, 1, WHIT_EVAL_HALF, 4, 1, half, 3);
    check_windows("half without start", 11, NULL, 1, WHIT_EVAL_HALF, 4, 0, half_bare, 2);
    check_windows("half, odd context", 11, NULL, 1, WHIT_EVAL_HALF, 5, 1, odd, 2);
    check_windows("chunk", 11, NULL, 1, WHIT_EVAL_CHUNK, 4, 1, chunk, 3);
    check_windows("chunk, too short", 2, NULL, 1, WHIT_EVAL_CHUNK, 4, 1, chunk, 0);
    check_windows("window, too short", 2, NULL, 1, WHIT_EVAL_WINDOW, 4, 1, chunk, 0);
    check_windows("story", 8, begin, 3, WHIT_EVAL_STORY, 4, 1, story, 3);
    check_windows("story, one empty", 8, gap, 4, WHIT_EVAL_STORY, 4, 1, story, 3);
    check_windows("story, none", 0, NULL, 0, WHIT_EVAL_STORY, 4, 1, story, 0);
}

/* llama.cpp's protocol: 1025 tokens, start of text included, are two windows of 512, of which 510
 * tokens are scored. */
static void test_half(void)
{
    wh_eval_text text = { .ids = { NULL, 1024, 1024 }, .stories = 1 };
    wh_eval_window *w;
    size_t n, scored = 0;
    CHECK(wh_eval_windows(&text, WHIT_EVAL_HALF, 512, 1, &w, &n, NULL) == WHIT_OK && n == 2, "%zu",
          n);
    for (size_t i = 0; i < n; i++) scored += wh_eval_window_tokens(&w[i]) - w[i].scored;
    CHECK(scored == 510, "%zu scored", scored);
    free(w);
}

/* ---- texts ------------------------------------------------------------------------------------
 */

static void check_stories(const whit_tokenizer *t, const char *text, size_t stories, size_t octets)
{
    wh_eval_text got = { .stories = 0 };
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_eval_text_read(&got, t, text, strlen(text), 1, &err) == WHIT_OK, "%s", err.msg);
    CHECK(got.stories == stories && got.octets == octets, "'%s': %zu stories, %d octets", text,
          got.stories, (int)got.octets);
    CHECK(got.stories == 0 || (got.begin[0] == 0 && got.begin[got.stories] == got.ids.count),
          "'%s': where stories begin", text);
    wh_eval_text_free(&got);
}

static void test_texts(const char *data)
{
    char path[SCRATCH_PATH], *back;
    whit_tokenizer *t = NULL;
    whit_error err = { WHIT_OK, "" };
    uint64_t octets = 0;
    size_t len;
    whit_ids ids = { NULL, 0, 0 };
    snprintf(path, sizeof path, "%s/stories260K", data);
    CHECK(whit_tokenizer_open(&t, path, &err) == WHIT_OK, "%s", err.msg);
    if (!t) return;
    check_stories(t, "", 0, 0);
    check_stories(t, "\n\n\r\n", 0, 0);
    check_stories(t, "a", 1, 0);
    check_stories(t, "a\nb\n\nc", 2, 0);
    check_stories(t, "\n\na\n\n\n\nb\r\n\r\nc\n", 3, 0);
    check_stories(t, "a\n \nb", 1, 0);
    check_stories(t, "a\xff\n\n\xc3(\n\n", 2, 2);

    /* octets that are not UTF-8 lead back to themselves, the others are tokenized around them */
    const char text[] = "was \xe9t\xe9 \xed\xa0\x80.";
    CHECK(wh_eval_tokenize(t, text, sizeof text - 1, &ids, &octets, &err) == WHIT_OK, "%s",
          err.msg);
    CHECK(octets == 5, "%d octets", (int)octets);
    CHECK(whit_detokenize(t, ids.id, ids.count, 0, &back, &len, &err) == WHIT_OK, "%s", err.msg);
    CHECK(strcmp(back, "was \xe9 t\xe9  \xed\xa0\x80 .") == 0, "'%s'", back);
    free(back);
    whit_ids_free(&ids);

    wh_eval_text cut = { .stories = 0 };
    const char *three = "once upon\n\na time\n\nthere was";
    CHECK(wh_eval_text_read(&cut, t, three, strlen(three), 1, &err) == WHIT_OK, "%s", err.msg);
    const size_t second = cut.begin[1], third = cut.begin[2];
    wh_eval_text_cut(&cut, cut.ids.count);
    CHECK(cut.stories == 3, "cut nothing: %zu", cut.stories);
    wh_eval_text_cut(&cut, third);
    CHECK(cut.stories == 2 && cut.begin[2] == third, "%zu stories", cut.stories);
    wh_eval_text_cut(&cut, second + 1);
    CHECK(cut.stories == 2 && cut.begin[2] == second + 1 && cut.ids.count == second + 1, "cut");
    wh_eval_text_cut(&cut, 1);
    CHECK(cut.stories == 1 && cut.begin[1] == 1, "cut to one");
    wh_eval_text_free(&cut);
    whit_tokenizer_close(t);
}

/* ---- figures ----------------------------------------------------------------------------------
 */

static void test_quantiles(void)
{
    static const float x[] = { 1, 2, 4, 8, 16 };
    static const double p[] = { 0, 0.25, 0.5, 0.6, 0.9, 0.999, 1 };
    static const double want[] = { 1, 2, 4, 5.6, 12.8, 15.968, 16 };
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
        CHECK(near(wh_eval_quantile(x, 5, p[i]), want[i], 1e-15), "%g: %g", p[i],
              wh_eval_quantile(x, 5, p[i]));
    CHECK(wh_eval_quantile(x, 1, 0.9) == 1 && isnan(wh_eval_quantile(x, 0, 0.5)), "one, none");
}

static void test_student(void)
{
    static const struct {
        uint64_t freedom;
        double t;
    } rows[] = { { 1, 12.70620 },  { 2, 4.30265 },    { 10, 2.22814 },
                 { 30, 2.04227 },  { 31, 2.03951 },   { 40, 2.02108 },
                 { 100, 1.98397 }, { 1000, 1.96234 }, { 1u << 30, 1.95996 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(near(wh_eval_student(rows[i].freedom), rows[i].t, 1e-4), "%d: %g",
              (int)rows[i].freedom, wh_eval_student(rows[i].freedom));
    CHECK(isnan(wh_eval_student(0)), "no freedom");
}

static void test_coins(void)
{
    CHECK(wh_eval_coins(0, 0) == 1 && wh_eval_coins(3, 3) == 1, "as many");
    CHECK(near(wh_eval_coins(0, 5), 0.0625, 1e-15), "%g", wh_eval_coins(0, 5));
    CHECK(near(wh_eval_coins(8, 2), 0.109375, 1e-15), "%g", wh_eval_coins(8, 2));
    CHECK(near(wh_eval_coins(12, 25), 0.04703102743951604, 1e-14), "%g", wh_eval_coins(12, 25));
    CHECK(near(wh_eval_coins(7, 8), 1, 1e-15), "%g", wh_eval_coins(7, 8));
    /* 2^n is beyond the range of double; with whole numbers of any length these come out */
    CHECK(near(wh_eval_coins(2400, 2612), 0.002874897851005622, 1e-14), "%g",
          wh_eval_coins(2400, 2612));
    CHECK(near(wh_eval_coins(24931, 25150), 0.32998860785115364, 1e-12), "%g",
          wh_eval_coins(24931, 25150));
    CHECK(wh_eval_coins(1, 3000000) == 0, "%g", wh_eval_coins(1, 3000000));
}

/* Two windows, three tokens: all figures by hand. */
static void test_tally(void)
{
    const wh_eval_row rows[] = {
        { .nll = 1, .base_nll = 0.5, .kl = 0.25, .top = 1, .base_top = 1 },
        { .nll = 2, .base_nll = 2.5, .kl = 0.5, .top = 1, .base_top = 2 },
        { .nll = 6, .base_nll = 3, .kl = 0.25, .top = 3, .base_top = 3 },
    };
    wh_eval_tally t;
    whit_eval_scores s;
    CHECK(wh_eval_tally_open(&t, 2, 3, 1, NULL) == WHIT_OK, "open");
    for (size_t i = 0; i < 3; i++) {
        t.window = i / 2;
        wh_eval_tally_add(&t, &rows[i], 10 * i);
    }
    CHECK(t.spots == 3 && t.worst[0].position == 10 && t.worst[1].position == 0 &&
              t.worst[2].position == 20 && t.worst[2].window == 1,
          "worst positions");
    wh_eval_tally_scores(&t, &s);
    /* mean 3; sums 3 of 2 tokens, 6 of 1: apart -3 and 3; error sqrt(2 / 1 * 18) / 3 = 2 */
    CHECK(s.nll == 3 && near(s.perplexity, exp(3.0), 1e-14) && s.tokens == 3 && s.windows == 2,
          "%g", s.nll);
    CHECK(near(s.standard_error, 2 * exp(3.0), 1e-14), "%g", s.standard_error / exp(3.0));
    /* squares 41 / 3 - 9 = 14 / 3, by 2: 7 / 3 */
    CHECK(near(s.token_error, sqrt(7.0 / 3.0) * exp(3.0), 1e-14), "%g", s.token_error);
    CHECK(s.base_nll == 2 && near(s.base_error, 2.0 / 3.0 * exp(2.0), 1e-14), "%g", s.base_error);
    CHECK(near(s.kl_mean, 1.0 / 3.0, 1e-15) && s.kl_max == 0.5 && s.kl_median == 0.25 &&
              near(s.kl_p90, 0.45, 1e-7),
          "kl %g %g", s.kl_mean, s.kl_p90);
    CHECK(near(s.top1, 2.0 / 3.0, 1e-15), "top1 %g", s.top1);
    const double d[] = { exp(-1.0) - exp(-0.5), exp(-2.0) - exp(-2.5), exp(-6.0) - exp(-3.0) };
    CHECK(near(s.rms_dp, sqrt((d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) / 3), 1e-14), "rms %g",
          s.rms_dp);
    /* differences 0.5, -0.5 | 3: mean 1, apart -2 and 2, error sqrt(2 * 8) / 3 = 4 / 3 */
    CHECK(near(s.ratio, exp(1.0), 1e-14) && near(s.ratio_low, exp(1.0 - 12.7062 * 4 / 3), 1e-9) &&
              near(s.ratio_high, exp(1.0 + 12.7062 * 4 / 3), 1e-9),
          "ratio %g %g %g", s.ratio, s.ratio_low, s.ratio_high);
    wh_eval_tally_close(&t);

    /* one window: its tokens are the samples; without base there is no more */
    CHECK(wh_eval_tally_open(&t, 1, 3, 0, NULL) == WHIT_OK, "open");
    for (size_t i = 0; i < 3; i++) wh_eval_tally_add(&t, &rows[i], i);
    wh_eval_tally_scores(&t, &s);
    CHECK(s.standard_error == s.token_error &&
              near(s.token_error, sqrt(7.0 / 3.0) * exp(3.0), 1e-14),
          "%g", s.standard_error);
    CHECK(isnan(s.kl_mean) && isnan(s.top1) && isnan(s.ratio) && isnan(s.base_nll), "no base");
    wh_eval_tally_close(&t);
    CHECK(wh_eval_tally_open(&t, 1, 1, 0, NULL) == WHIT_OK, "open");
    wh_eval_tally_add(&t, &(wh_eval_row){ .nll = 800 }, 0);
    wh_eval_tally_scores(&t, &s);
    CHECK(isnan(s.standard_error) && isinf(s.perplexity) && s.nll == 800, "one token");
    wh_eval_tally_close(&t);
}

static void test_worst(void)
{
    wh_eval_tally t;
    CHECK(wh_eval_tally_open(&t, 1, 100, 1, NULL) == WHIT_OK, "open");
    for (uint64_t i = 0; i < 100; i++)
        wh_eval_tally_add(&t, &(wh_eval_row){ .kl = (double)(i * 37 % 50) }, i);
    CHECK(t.spots == WH_EVAL_PLACES, "%zu", t.spots);
    for (size_t i = 0; i < t.spots; i++) /* 49 49 48 48 ..: each twice, the first one first */
        CHECK(t.worst[i].row.kl == (double)(49 - i / 2) &&
                  (i % 2 == 0 || t.worst[i].position == t.worst[i - 1].position + 50),
              "place %zu: %g at %d", i, t.worst[i].row.kl, (int)t.worst[i].position);
    wh_eval_tally_close(&t);
}

/* ---- questions --------------------------------------------------------------------------------
 */

static void test_questions(void)
{
    static const char good[] =
        "{\"prompt\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":1,\"tag\":\"t\",\"id\":[{}]}\n"
        "\n  \r\n"
        "  {\"answer\": \"d\", \"choices\": [\"b\", \"c\", \"d\"], \"prompt\": \"\", \"tag\": "
        "null} \r\n"
        "{\"prompt\":\"\\u00e9\",\"choices\":[\"x\",\"x\"],\"answer\":0}";
    static const struct {
        const char *line, *says;
    } bad[] = {
        { "", "holds no question" },
        { "\n \n", "holds no question" },
        { "[]", "line 1: is no object" },
        { "{} {}", "line 1: " },
        { "{\"prompt\":\"a\"", "line 1: " },
        { "\n{\"choices\":[\"a\",\"b\"],\"answer\":0}", "line 2: has no \"prompt\"" },
        { "{\"prompt\":\"a\",\"answer\":0}", "has no \"choices\"" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"]}", "has no \"answer\"" },
        { "{\"prompt\":1,\"choices\":[\"a\",\"b\"],\"answer\":0}", "\"prompt\" is no text" },
        { "{\"prompt\":null,\"choices\":[\"a\",\"b\"],\"answer\":0}", "\"prompt\" is no text" },
        { "{\"prompt\":\"a\",\"choices\":\"ab\",\"answer\":0}", "no list of texts" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",2],\"answer\":0}", "no list of texts" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\"],\"answer\":0}", "fewer than two" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"\"],\"answer\":0}", "a choice is empty" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":2}", "beyond the choices" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":18446744073709551616}",
          "neither an index nor a text" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":-1}", "neither an index" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":0.5}", "neither an index" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":\"c\"}", "of no choice" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"a\"],\"answer\":\"a\"}", "or of several" },
        { "{\"prompt\":\"a\",\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":0}", "twice" },
        { "{\"prompt\":\"a\",\"choices\":[\"a\",\"b\"],\"answer\":0,\"tag\":7}", "\"tag\" is no" },
        { "{\"prompt\":\"\xff\",\"choices\":[\"a\",\"b\"],\"answer\":0}", "line 1: " },
    };
    wh_eval_questions q = { .count = 0 };
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_eval_questions_read(&q, "q", good, sizeof good - 1, &err) == WHIT_OK, "%s", err.msg);
    CHECK(q.count == 3, "%zu questions", q.count);
    if (q.count == 3) {
        CHECK(strcmp(q.question[0].prompt, "a") == 0 && strcmp(q.question[0].tag, "t") == 0 &&
                  q.question[0].choices == 2 && q.question[0].answer == 1,
              "the first one");
        CHECK(q.question[1].choices == 3 && q.question[1].answer == 2 && !q.question[1].tag &&
                  *q.question[1].prompt == 0 && q.question[1].line == 4,
              "the second one");
        CHECK(strcmp(q.question[2].prompt, "\xc3\xa9") == 0 && q.question[2].answer == 0, "third");
    }
    wh_eval_questions_free(&q);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        whit_status st = wh_eval_questions_read(&q, "q", bad[i].line, strlen(bad[i].line), &err);
        CHECK(st == WHIT_ERR_FORMAT && strstr(err.msg, bad[i].says) &&
                  strncmp(err.msg, "q: ", 3) == 0,
              "%s: %d: %s", bad[i].line, (int)st, err.msg);
        wh_eval_questions_free(&q);
    }
}

/* ---- bars -------------------------------------------------------------------------------------
 */

static void test_bars(void)
{
    static const struct {
        const char *text, *says; /* says NULL: it holds; else a part of the message */
        whit_status st;
    } rows[] = {
        { "kl.mean>0.02", "kl.mean is 0.025, and the bar is kl.mean>0.02", WHIT_ERR_BAR },
        { "kl.mean>0.025", NULL, WHIT_OK },
        { "kl.mean>=0.025", "kl.mean>=0.025", WHIT_ERR_BAR },
        { "top1<0.9", NULL, WHIT_OK },
        { "top1<=0.9", "top1 is 0.9", WHIT_ERR_BAR },
        { " top1 < 9.1e-1 ", "top1 is 0.9", WHIT_ERR_BAR },
        { "tokens<1000", "tokens is 640", WHIT_ERR_BAR },
        { "kl.mean>1,top1<0.1,ratio.value>1.05", "ratio.value is 1.1", WHIT_ERR_BAR },
        { "kl.mean>1, top1<0.1 ,ratio.value>1.5", NULL, WHIT_OK },
        { "kl.mean>0.02,nonsense>1", "'nonsense>1' names no result", WHIT_ERR_ARG },
        { "stderr>100", "stderr does not exist here", WHIT_ERR_BAR },
        { "", "no condition", WHIT_ERR_ARG },
        { "kl.mean", "no condition", WHIT_ERR_ARG },
        { "kl.mean=1", "no condition", WHIT_ERR_ARG },
        { "kl.mean>", "does not end with a number", WHIT_ERR_ARG },
        { "kl.mean>1x", "does not end with a number", WHIT_ERR_ARG },
        { "kl.mean>1 2", "does not end with a number", WHIT_ERR_ARG },
        { "kl.mean>nan", "does not end with a number", WHIT_ERR_ARG },
        { "kl.mean>1e999", "does not end with a number", WHIT_ERR_ARG },
        { "kl.mean>1,", "no condition", WHIT_ERR_ARG },
        { "kl>1", "names no result", WHIT_ERR_ARG },
        { "KL.mean>1", "names no result", WHIT_ERR_ARG },
        { "kl.means>1", "names no result", WHIT_ERR_ARG },
        { ">1", "no condition", WHIT_ERR_ARG },
        { "accuracy<1", "is about choices", WHIT_ERR_ARG },
    };
    char base[] = "base";
    whit_eval e = { .base = base };
    whit_eval_options o;
    whit_error err;
    whit_eval_options_init(&o);
    o.text = o.base = "x";
    e.scores = (whit_eval_scores){
        .kl_mean = 0.025, .top1 = 0.9, .ratio = 1.1, .tokens = 640, .standard_error = NAN
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        whit_status st = whit_eval_bar_hold(rows[i].text, &e, &err);
        CHECK(st == rows[i].st && (st == WHIT_OK || strstr(err.msg, rows[i].says)), "'%s': %d: %s",
              rows[i].text, (int)st, st == WHIT_OK ? "" : err.msg);
        const int wrong = rows[i].st == WHIT_ERR_ARG;
        CHECK(whit_eval_bar_check(rows[i].text, &o, &err) == (wrong ? WHIT_ERR_ARG : WHIT_OK),
              "'%s' before the work", rows[i].text);
    }
    o.base = NULL;
    CHECK(whit_eval_bar_check("kl.mean>1", &o, &err) == WHIT_ERR_ARG && strstr(err.msg, "--base"),
          "%s", err.msg);
    CHECK(whit_eval_bar_check("perplexity>1", &o, &err) == WHIT_OK, "%s", err.msg);
    o.text = NULL;
    o.choices = "x";
    CHECK(whit_eval_bar_check("accuracy_norm<1", &o, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_eval_bar_check("perplexity>1", &o, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "about a text"),
          "%s", err.msg);
    CHECK(whit_eval_bar_check("flips.lost>1", &o, &err) == WHIT_ERR_ARG, "flips without base");
    whit_eval_score score = { .accuracy = 0.5 };
    whit_eval c = { .score = &score };
    CHECK(whit_eval_bar_hold("accuracy<0.6", &c, &err) == WHIT_ERR_BAR, "accuracy");
}

static void test_line(void)
{
    wh_buf b = { 0 };
    wh_eval_put_line(&b, "a\n\x1b[1m\x7f\xc2\x9b\xff\xc3\xa9\t.");
    CHECK(b.data && strcmp(b.data, "a\\n\\x1b[1m\\x7f\\xc2\\x9b\\xff\xc3\xa9\\x09.") == 0, "%s",
          b.data);
    wh_buf_free(&b);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 1;
    test_rows();
    test_row_cases();
    test_windows();
    test_half();
    test_texts(argv[1]);
    test_quantiles();
    test_student();
    test_coins();
    test_tally();
    test_worst();
    test_questions();
    test_bars();
    test_line();
    return check_result();
}
