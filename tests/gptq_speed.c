/* tests/gptq_speed.c - how long GPTQ takes for one layer, from H to codes; run by hand.
 *
 *   gptq_speed [COLS [ROWS [SCHEME [PASSES [THREADS]]]]]      4096 4096 int4-g128 0 all
 *
 * The best of five, the share of what the fused multiply-adds of this machine can do in float32
 * with as many threads (measured beside it), and the peak of memory. Counted are cols^3 / 3
 * operations for the factor (which is taken in double, so at half the speed), rows * cols^2 for the
 * codes, and twice that for each pass of descent.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calib/gptq_blocks.h"
#include "calib/gptq_codes.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "kernels/context.h"
#include "kernels/probe.h"

enum { TURNS = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *room(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);
    if (!p) {
        printf("no memory\n");
        exit(1);
    }
    return p;
}

typedef struct peak {
    const wh_probe *probe;
    size_t rounds;
    uint64_t digest[WH_POOL_MAX];
} peak;

static void peak_part(void *ctx, unsigned t, unsigned threads)
{
    peak *p = ctx;
    (void)threads;
    p->digest[t] = p->probe->ops(p->rounds);
}

/* GFLOP/s of all threads. */
static double peak_speed(whit_context *c)
{
    static peak p;
    double best = 0;
    p.probe = wh_probe_for(WH_PROBE_FMA, c->kernels.op[WH_TILE_CHAIN]->isa);
    p.rounds = (size_t)2000000000u / p.probe->round_ops;
    for (int i = 0; i < TURNS; i++) {
        const double start = now();
        wh_pool_run(c->pool, peak_part, &p);
        const double speed = (double)p.rounds * p.probe->round_ops * whit_context_threads(c) /
                             (now() - start) * 1e-9;
        if (speed > best) best = speed;
    }
    return best;
}

/* Columns of different size that resemble their neighbours. */
static double *make_h(size_t cols)
{
    double *h = room(cols * (cols + 1) / 2, sizeof *h), *to = h;
    double *size = room(cols, sizeof *size), near[64];
    check_rng rng = { 7 };
    for (size_t i = 0; i < 64; i++) near[i] = i ? 0.7 * near[i - 1] : 1;
    for (size_t i = 0; i < cols; i++)
        size[i] = 0.5 + (double)check_below(&rng, 100) / 50 + (check_below(&rng, 300) ? 0 : 10);
    for (size_t i = 0; i < cols; i++)
        for (size_t j = i; j < cols; j++)
            *to++ = size[i] * size[j] * (j - i < 64 ? near[j - i] : 0);
    free(size);
    return h;
}

typedef struct times {
    double base, codes;
} times;

static times run(whit_context *c, const double *h, const float *w, size_t rows, size_t cols,
                 const whit_scheme *scheme, unsigned passes, uint8_t *out, float *scale,
                 uint8_t *zero, double *square)
{
    whit_quant_spec spec = { .struct_size = sizeof spec, .scheme = *scheme };
    whit_error err = { WHIT_OK, "" };
    wh_gptq_codes codes;
    wh_gptq_blocks blocks;
    wh_gptq_base base;
    const wh_gptq_target *target = &codes.target;
    if (scheme->kind == WHIT_GGUF) {
        wh_gptq_blocks_open(&blocks, scheme->block, rows, cols, out, &err);
        target = &blocks.target;
    } else {
        wh_gptq_codes_open(&codes, &spec, rows, cols, out, scale, zero, &err);
    }
    const double start = now();
    const wh_gptq_options o = { WH_GPTQ_GROUPS, target->group, 0.01, passes > 0, square };
    if (err.code == WHIT_OK) wh_gptq_base_make(&base, c, h, cols, &o, &err);
    const double middle = now();
    const wh_gptq_job job = { .base = &base, .w = w, .rows = rows, .passes = passes };
    if (err.code == WHIT_OK) wh_gptq_run(c, &job, target, NULL, &err);
    const double end = now();
    if (err.code != WHIT_OK) {
        printf("%s\n", err.msg);
        exit(1);
    }
    wh_gptq_base_free(&base);
    return (times){ middle - start, end - middle };
}

int main(int argc, char **argv)
{
    const size_t cols = argc > 1 ? (size_t)atol(argv[1]) : 4096;
    const size_t rows = argc > 2 ? (size_t)atol(argv[2]) : 4096;
    const unsigned passes = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    whit_context_options o = { sizeof o, argc > 5 ? (unsigned)atoi(argv[5]) : 0, -1 };
    whit_context *c = NULL;
    whit_scheme scheme;
    whit_error err;
    struct rusage usage;
    times best = { 1e9, 1e9 };
    if (whit_scheme_parse(&scheme, argc > 3 ? argv[3] : "int4-g128", &err) != WHIT_OK ||
        whit_context_open(&c, &o, &err) != WHIT_OK) {
        printf("%s\n", err.msg);
        return 1;
    }
    const double most = peak_speed(c);
    double *h = make_h(cols);
    float *w = room(rows * cols, sizeof *w), *scale = room(rows * cols / 2 + rows, sizeof *scale);
    uint8_t *out = room(2 * rows * cols, 1);
    uint8_t *zero = scheme.asym ? room(rows * cols / 2 + rows, 1) : NULL;
    double *square = room(cols * cols, sizeof *square);
    check_rng rng = { 1 };
    for (size_t i = 0; i < rows * cols; i++) w[i] = (check_f32(&rng) + check_f32(&rng)) * 0.02f;
    for (int i = 0; i < TURNS; i++) {
        const times t = run(c, h, w, rows, cols, &scheme, passes, out, scale, zero, square);
        if (t.base + t.codes < best.base + best.codes) best = t;
    }
    const double n = (double)cols, all = best.base + best.codes;
    const double ops = n * n * n / 3 + (1 + 2.0 * passes) * (double)rows * n * n;
    getrusage(RUSAGE_SELF, &usage);
    printf("%zu x %zu, %u passes, %u threads: factor %.3f s, codes %.3f s, both %.3f s\n", rows,
           cols, passes, whit_context_threads(c), best.base, best.codes, all);
    printf("%.0f GFLOP/s, %.0f %% of %.0f; peak of memory %ld MiB, %zu of it H, W and codes\n",
           ops / all * 1e-9, 100 * ops / all * 1e-9 / most, most, usage.ru_maxrss / 1024,
           (cols * (cols + 1) / 2 * 8 + rows * cols * 6) >> 20);
    free(h);
    free(w);
    free(scale);
    free(out);
    free(zero);
    free(square);
    whit_context_close(c);
    return 0;
}
