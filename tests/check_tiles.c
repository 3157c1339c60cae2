/* tests/check_tiles.c - the kernels of AMX, also on processors without it (kernels/tiles.h), and
 * whit_matmul with them: which products they serve, on any number of threads and tokens.
 *
 *   check_tiles DATA    everything
 *   check_tiles         some of the cases, and no model
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fork */
#include <whit/whit.h>

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "kernel_make.h"
#include "kernels/context.h"
#include "kernels/guard.h"
#include "kernels/many.h"
#include "kernels/parts.h"
#include "kernels/probe.h"
#include "kernels/tiles.h"
#include "model/runner.h"

static uint32_t with_tiles; /* what the kernels under test may use */

/* A context whose kernels are those of a processor with AMX; its weights are made afterwards. */
static whit_context *tile_context(unsigned threads)
{
    whit_context *c = kernel_context(threads, 0);
    wh_kernels_select(&c->kernels, with_tiles);
    return c;
}

static whit_context *plain_context(unsigned threads)
{
    whit_context *c = kernel_context(threads, 0);
    wh_kernels_select(&c->kernels, with_tiles & ~(uint32_t)WH_ISA_AMX);
    return c;
}

/* ---- which products they serve ---- */

static void test_choice(void)
{
    static const struct {
        const char *scheme;
        size_t cols;
        whit_acts acts;
        size_t tokens;
        wh_op tiles, plain;
    } cases[] = {
        { "int4-g128", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g128", 512, WHIT_ACTS_Q8, 16, WH_GEMM_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g128", 512, WHIT_ACTS_F32, 17, WH_TILE_STEPS, WH_TILE_STEPS },
        { "int4-g64", 512, WHIT_ACTS_Q8, 32, WH_MANY_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g64", 512, WHIT_ACTS_Q8, 31, WH_GEMM_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g64", 64, WHIT_ACTS_Q8, 17, WH_MANY_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g32", 512, WHIT_ACTS_Q8, 512, WH_GEMM_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "nf4-g64", 512, WHIT_ACTS_Q8, 17, WH_MANY_T4_Q8, WH_GEMM_T4_Q8 },
        { "nf4-g64", 512, WHIT_ACTS_Q8, 16, WH_GEMM_T4_Q8, WH_GEMM_T4_Q8 },
        { "mxfp4", 512, WHIT_ACTS_Q8, 512, WH_GEMM_T4_Q8, WH_GEMM_T4_Q8 },
        { "int4-g160", 512, WHIT_ACTS_Q8, 512, WH_GEMM_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-g256-asym", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int4-channel", 4096, WHIT_ACTS_Q8, 17, WH_MANY_Q4_Q8, WH_GEMM_Q4_Q8 },
        { "int8-channel", 100, WHIT_ACTS_Q8, 17, WH_MANY_Q8_Q8, WH_GEMM_Q8_Q8 },
        { "int8-channel", 65536 + 32, WHIT_ACTS_Q8, 17, WH_MANY_Q8_Q8, WH_GEMM_Q8_Q8 },
        { "int8-g128", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q8_Q8, WH_GEMM_Q8_Q8 },
        { "int5-g128", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q5_Q8, WH_GEMM_Q5_Q8 },
        { "int3-channel", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q3_Q8, WH_GEMM_Q3_Q8 },
        { "int2-g128-asym", 512, WHIT_ACTS_Q8, 17, WH_MANY_Q2_Q8, WH_GEMM_Q2_Q8 },
        { "int6-g128", 512, WHIT_ACTS_BF16, 17, WH_MANY_BF16, WH_OPS },
        { "int8-g32", 512, WHIT_ACTS_Q8, 17, WH_GEMM_Q8_Q8, WH_GEMM_Q8_Q8 },
        { "nf4-g64", 512, WHIT_ACTS_BF16, 1, WH_MANY_BF16, WH_OPS },
        { "int4-g32", 512, WHIT_ACTS_BF16, 17, WH_MANY_BF16, WH_OPS },
        { "f16", 512, WHIT_ACTS_BF16, 17, WH_MANY_BF16, WH_OPS },
        { "f16", 512, WHIT_ACTS_Q8, 17, WH_OPS, WH_OPS },
    };
    whit_context *tiles = tile_context(1), *plain = plain_context(1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_weight *w = kernel_weight(plain, cases[i].scheme, 16, cases[i].cols);
        const wh_op with = wh_matmul_op(&tiles->kernels, w, cases[i].acts, cases[i].tokens);
        const wh_op without = wh_matmul_op(&plain->kernels, w, cases[i].acts, cases[i].tokens);
        CHECK(with == cases[i].tiles && without == cases[i].plain, "%s x %zu, acts %d: %d, %d",
              cases[i].scheme, cases[i].tokens, (int)cases[i].acts, (int)with, (int)without);
        whit_weight_free(w);
    }
    whit_context_close(tiles);
    whit_context_close(plain);
}

/* ---- int8: the bits of the other levels ---- */

static void test_same_bits(void)
{
    enum { ROWS = 133, MOST = 513 };
    static const struct {
        const char *scheme;
        size_t least; /* tokens that take tiles, with all these numbers of columns */
    } cases[] = { { "int4-g128", 17 },    { "int4-g256-asym", 17 }, { "int4-channel", 17 },
                  { "int8-channel", 17 }, { "int8-g128-asym", 17 }, { "int6-g128", 17 },
                  { "nf4-g64", 17 },      { "int4-g64-asym", 32 },  { "fp4-g128", 17 } };
    static const unsigned threads[] = { 1, 2, 3, 7 };
    static const struct {
        size_t tokens, cols;
    } sizes[] = { { 17, 323 }, { 33, 640 }, { 48, 100 }, { 65, 256 }, { MOST, 128 } };
    float *y = kernel_need(MOST * ROWS + 1, sizeof *y), *want = kernel_need(MOST * ROWS, sizeof *y);
    whit_context *plain = plain_context(2);
    for (size_t k = 0; k < COUNT(cases); k++)
        for (size_t i = 0; i < COUNT(sizes); i++) {
            const char *scheme = cases[k].scheme;
            const size_t tokens = sizes[i].tokens, cols = sizes[i].cols, bytes = tokens * ROWS * 4;
            float *x = kernel_tokens(tokens * cols);
            whit_weight *w = kernel_weight(plain, scheme, ROWS, cols);
            kernel_multiply(plain, w, WHIT_ACTS_Q8, x, tokens, want);
            whit_weight_free(w);
            const size_t t = (k + i) % COUNT(threads), before = tiles_executed();
            whit_context *tiles = tile_context(threads[t]);
            guard_case("%s %zux%d on %u threads", scheme, tokens, ROWS, threads[t]);
            w = kernel_weight(tiles, scheme, ROWS, cols);
            y[tokens * ROWS] = 12345.0f;
            kernel_multiply(tiles, w, WHIT_ACTS_Q8, x, tokens, y);
            CHECK(memcmp(y, want, bytes) == 0, "%s: other bits", guard_case_name());
            CHECK(y[tokens * ROWS] == 12345.0f, "%s: beyond y", guard_case_name());
            CHECK(tiles_open() == TILES_REAL ||
                      (tiles_executed() > before) == (tokens >= cases[k].least),
                  "%s: %zu tiles were used", guard_case_name(), tiles_executed() - before);
            CHECK(tiles_holders() == 0, "%s: %zu threads hold tiles", guard_case_name(),
                  tiles_holders());
            whit_weight_free(w);
            whit_context_close(tiles);
            free(x);
        }
    whit_context_close(plain);
    free(y);
    free(want);
}

/* ---- bfloat16 ---- */

static const char *const any_form[] = { "int4-g32",      "int4-g96-asym", "int8-channel",
                                        "int8-g64-asym", "nf4-g64",       "f32",
                                        "f16",           "bf16",          "int8-g48" };

/* The bits of a token do not depend on the tokens beside it, nor on the threads. */
static void test_bf16_tokens(void)
{
    enum { ROWS = 85, COLS = 323, MOST = 513 };
    static const size_t tokens[] = { 1, 2, 15, 16, 17, 32, 33, 48, 65 };
    static const unsigned threads[] = { 2, 1, 7, 3 };
    float *x = kernel_tokens(MOST * COLS), *want = kernel_need(MOST * ROWS, sizeof *want),
          *y = kernel_need(MOST * ROWS, sizeof *y);
    for (size_t k = 0; k < COUNT(any_form); k++) {
        whit_context *one = tile_context(1);
        whit_weight *w = kernel_weight(one, any_form[k], ROWS, COLS);
        whit_weight_info info;
        whit_weight_describe(w, &info);
        CHECK(info.acts_bf16, "%s: no bfloat16 activations", any_form[k]);
        const size_t most = k == 0 ? MOST : 65; /* one time cut into parts */
        for (size_t j = 0; j < most; j += j < 65 ? 1 : 64)
            kernel_multiply(one, w, WHIT_ACTS_BF16, x + j * COLS, 1, want + j * ROWS);
        whit_weight_free(w);
        whit_context_close(one);
        for (size_t i = 0; i <= COUNT(tokens); i++) {
            const size_t n = i < COUNT(tokens) ? tokens[i] : most;
            whit_context *tiles = tile_context(threads[(i + k) % COUNT(threads)]);
            w = kernel_weight(tiles, any_form[k], ROWS, COLS);
            guard_case("%s, %zu tokens", any_form[k], n);
            kernel_multiply(tiles, w, WHIT_ACTS_BF16, x, n, y);
            for (size_t j = 0; j < n; j += j < 65 ? 1 : 64)
                CHECK(memcmp(y + j * ROWS, want + j * ROWS, ROWS * sizeof *y) == 0,
                      "%s: token %zu differs", guard_case_name(), j);
            whit_weight_free(w);
            whit_context_close(tiles);
        }
    }
    free(x);
    free(want);
    free(y);
}

/* Where nothing rounds the result is exact: small integers. */
static void test_bf16_exact(void)
{
    enum { ROWS = 70, COLS = 1000, TOKENS = 40 };
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    float *x = kernel_tokens(TOKENS * COLS), *y = kernel_need(TOKENS * ROWS, sizeof *y),
          *want = kernel_need(TOKENS * ROWS, sizeof *y), *v = kernel_tokens(ROWS * COLS);
    void *data = kernel_need(ROWS * COLS, 4);
    whit_context *tiles = tile_context(2);
    for (size_t i = 0; i < TOKENS * COLS; i++) x[i] = rintf(x[i] * 8);
    for (size_t i = 0; i < ROWS * COLS; i++) v[i] = rintf(v[i] * 8);
    for (size_t i = 0; i < COUNT(types); i++) {
        whit_weight *w = NULL;
        whit_error err;
        whit_dtype_from_f32(types[i], v, ROWS * COLS, data);
        CHECK(whit_weight_from_floats(&w, tiles, types[i], ROWS, COLS, data, &err) == WHIT_OK, "%s",
              err.msg);
        kernel_multiply(tiles, w, WHIT_ACTS_F32, x, TOKENS, want);
        kernel_multiply(tiles, w, WHIT_ACTS_BF16, x, TOKENS, y);
        CHECK(memcmp(y, want, TOKENS * ROWS * sizeof *y) == 0, "%s", whit_dtype_name(types[i]));
        whit_weight_free(w);
    }
    whit_context_close(tiles);
    free(x);
    free(y);
    free(want);
    free(v);
    free(data);
}

/* A NaN or an infinity of a token: every output of it is none, no output of another. */
static void test_not_finite(void)
{
    enum { ROWS = 33, COLS = 256, TOKENS = 18 };
    static const float odd[] = { NAN, INFINITY, -INFINITY };
    float *y = kernel_need(TOKENS * ROWS, sizeof *y);
    whit_context *tiles = tile_context(2);
    for (size_t k = 0; k < 2 * COUNT(odd); k++) {
        const whit_acts acts = k % 2 ? WHIT_ACTS_BF16 : WHIT_ACTS_Q8;
        whit_weight *w = kernel_weight(tiles, k % 2 ? "nf4-g64" : "int4-g128", ROWS, COLS);
        float *x = kernel_tokens(TOKENS * COLS);
        size_t wrong = 0;
        x[3 * COLS + 99] = x[17 * COLS] = odd[k / 2];
        kernel_multiply(tiles, w, acts, x, TOKENS, y);
        for (size_t i = 0; i < TOKENS * ROWS; i++) {
            const int hit = i / ROWS == 3 || i / ROWS == 17;
            const int none = !isfinite(y[i]);
            wrong += none != hit;
        }
        CHECK(wrong == 0, "acts %d, %f: %zu outputs", (int)acts, (double)odd[k / 2], wrong);
        free(x);
        whit_weight_free(w);
    }
    whit_context_close(tiles);
    free(y);
}

/* ---- a whole model ---- */

enum { TEXT = 24, VOCABULARY = 512 };

static void model_logits(const char *path, whit_context *c, whit_acts acts, size_t piece,
                         float *logits)
{
    uint32_t ids[TEXT];
    whit_model *m = NULL;
    whit_session *s = NULL;
    whit_error err = { WHIT_OK, "" };
    for (uint32_t t = 0; t < TEXT; t++) ids[t] = t == 0 ? 1 : (7 * t + 3) % VOCABULARY;
    CHECK(wh_model_open_in(&m, path, c, acts, &err) == WHIT_OK, "%s", err.msg);
    CHECK(m && whit_session_open(&s, m, TEXT, &err) == WHIT_OK, "%s", err.msg);
    if (!s || whit_model_describe(m)->vocabulary != VOCABULARY) exit(check_result() | 1);
    for (size_t i = 0; i < whit_model_linears(m); i++)
        CHECK(whit_model_linear_at(m, i)->acts == acts, "linear %zu: %d", i,
              (int)whit_model_linear_at(m, i)->acts);
    for (size_t t = 0; t < TEXT; t += piece)
        CHECK(whit_session_feed(s, ids + t, TEXT - t < piece ? TEXT - t : piece, WHIT_LOGITS_ALL,
                                logits + t * VOCABULARY, &err) == WHIT_OK,
              "%s", err.msg);
    whit_session_close(s);
    whit_model_close(m);
}

/* bfloat16 activations move the logits by little, and as much however the text is cut. */
static void test_model(const char *data)
{
    static const struct {
        unsigned threads;
        size_t piece;
    } ways[] = { { 1, TEXT }, { 3, TEXT }, { 2, 17 }, { 1, 1 } };
    enum { N = TEXT * VOCABULARY };
    float *plain = kernel_need(N, sizeof *plain), *got = kernel_need(N, sizeof *got),
          *first = kernel_need(N, sizeof *first);
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/stories260K", data);
    guard_case("a model");
    for (size_t i = 0; i < COUNT(ways); i++) {
        whit_context *c = tile_context(ways[i].threads);
        if (i == 0) model_logits(path, c, WHIT_ACTS_F32, TEXT, plain);
        model_logits(path, c, WHIT_ACTS_BF16, ways[i].piece, i ? got : first);
        CHECK(i == 0 || memcmp(got, first, N * sizeof *got) == 0, "%u threads, pieces of %zu",
              ways[i].threads, ways[i].piece);
        whit_context_close(c);
    }
    float largest = 0, apart = 0;
    for (size_t i = 0; i < N; i++) {
        largest = fmaxf(largest, fabsf(plain[i]));
        apart = fmaxf(apart, fabsf(plain[i] - first[i]));
    }
    CHECK(apart > 0 && apart < 0.05f * largest, "logits up to %g move by %g", (double)largest,
          (double)apart);
    free(plain);
    free(got);
    free(first);
}

static void test_refused(void)
{
    static const float x[64] = { 0 };
    float y[16] = { 5 };
    whit_context *plain = plain_context(1);
    whit_weight *w = kernel_weight(plain, "f32", 16, 64);
    whit_weight_info info;
    whit_error err = { WHIT_OK, "" };
    whit_weight_describe(w, &info);
    CHECK(!info.acts_bf16, "bfloat16 activations without tiles");
    CHECK(whit_matmul(plain, w, WHIT_ACTS_BF16, x, 1, y, &err) == WHIT_ERR_UNSUPPORTED &&
              strstr(err.msg, "AMX") && y[0] == 5,
          "%s", err.msg);
    whit_weight_free(w);
    whit_context_close(plain);
}

/* ---- the tiles themselves ---- */

/* In a process of its own: whether it ends well. */
static int ends_well(void (*part)(void))
{
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        part();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

#if defined(__x86_64__)

/* The probes: every round adds the same to each of the sums that they read out. */
static void test_probes(void)
{
    static const size_t rounds[] = { 1, 7 };
    guard_case("probes");
    for (size_t i = 0; i < COUNT(rounds); i++) {
        const float pairs = 32.0f * (float)rounds[i];
        const uint64_t octets = 64 * 3 * 3 * rounds[i], both = wh_f32_bits(pairs);
        CHECK(wh_probe_int8_amx(rounds[i]) == 512 * (octets << 32 | octets), "tdpbsud");
        CHECK(wh_probe_bf16_amx(rounds[i]) == 512 * (both << 32 | both), "tdpbf16ps");
    }
    CHECK(tiles_holders() == 0, "the probes hold tiles");
}

static void zero_without_tiles(void)
{
    __asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0" : : : "memory"); /* tilezero tmm0 */
}

static void release_without_tiles(void)
{
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0" : : : "memory"); /* tilerelease */
}

static void test_unconfigured(void)
{
    guard_case("a tile used on purpose");
    CHECK(!ends_well(zero_without_tiles), "a tile that was never configured can be used");
    CHECK(ends_well(release_without_tiles), "a thread without tiles cannot release them");
}

#else /* there are none */

static void test_probes(void)
{
}

static void test_unconfigured(void)
{
    (void)ends_well;
}

#endif

int main(int argc, char **argv)
{
    const char *data = argc > 1 ? argv[1] : NULL;
    const size_t every = data ? 1 : 7;
    const uint32_t cpu = wh_cpu_features();
    const tiles_by by = tiles_open();
    if (by == TILES_NONE) {
        printf("skipped: no way to execute tile instructions here\n");
        return CHECK_SKIP;
    }
    printf("tiles: %s\n", by == TILES_REAL ? "of the processor" : "in plain C");
    with_tiles = cpu | WH_ISA_AMX;
    test_unconfigured();
    test_probes();
    test_choice();
    test_same_bits();
    test_bf16_tokens();
    test_bf16_exact();
    test_not_finite();
    test_refused();
    if (data) test_model(data);
    const int failed = check_result();
    return check_many(with_tiles, every) | failed;
}
