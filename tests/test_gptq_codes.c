/* tests/test_gptq_codes.c - GPTQ into the planes of every scheme and the blocks of GGUF: the same
 * bytes at every level of this CPU and any number of threads; what an H that says nothing leaves as
 * it is; effects on synthetic layers. SPDX-License-Identifier: MIT */
#include "calib/gptq_codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/gptq_blocks.h"
#include "gptq/layer.h"

static const char *const levels[] = { "scalar", "avx2", "avx512", "neon" };

/* ---- schemes ---- */

typedef struct coded {
    whit_scheme scheme;
    size_t count, scales;
    uint8_t *codes, *zero;
    float *scale, *back;
    wh_gptq_result result;
} coded;

typedef struct how {
    wh_gptq_order order;
    int before, refit;
    unsigned passes;
    int unweighted; /* the search counts all columns alike */
} how;

/* All planes of a layer in that scheme. */
static coded encode(whit_context *c, const layer *l, const char *scheme, how h)
{
    coded out = { .count = l->rows * l->cols };
    whit_quant_spec spec = { .struct_size = sizeof spec };
    whit_error err = { WHIT_OK, "" };
    uint64_t r, k;
    wh_gptq_base b;
    wh_gptq_codes target;
    CHECK(whit_scheme_parse(&spec.scheme, scheme, &err) == WHIT_OK, "%s", err.msg);
    out.scheme = spec.scheme;
    whit_scheme_scales(&spec.scheme, l->rows, l->cols, &r, &k);
    out.scales = (size_t)(r * k);
    out.codes = room(out.count, 1);
    out.scale = room(out.scales, sizeof *out.scale);
    out.zero = spec.scheme.asym ? room(out.scales, 1) : NULL;
    out.back = room(out.count, sizeof *out.back);
    if (spec.scheme.kind == WHIT_NVFP4) spec.scale2 = whit_nvfp4_scale2(0.1f);
    CHECK(wh_gptq_codes_open(&target, &spec, l->rows, l->cols, out.codes, out.scale, out.zero,
                             &err) == WHIT_OK,
          "%s: %s", scheme, err.msg);
    const wh_gptq_options o = { h.order, target.target.group, 0.01, 1 };
    CHECK(wh_gptq_base_make(&b, c, l->h, l->cols, &o, &err) == WHIT_OK, "%s", err.msg);
    float *weight = room(l->cols, sizeof *weight);
    for (size_t i = 0; i < l->cols; i++) weight[i] = b.weight[b.place[i]];
    if (h.unweighted)
        for (size_t i = 0; i < l->cols; i++) b.weight[i] = 1.0f;
    if (target.target.fixed)
        CHECK(wh_gptq_codes_shared(&target, l->w, weight, &err) == WHIT_OK, "%s", err.msg);
    const wh_gptq_job job = { &b, l->w, l->rows, h.before, h.passes, h.refit };
    CHECK(wh_gptq_run(c, &job, &target.target, &out.result, &err) == WHIT_OK, "%s: %s", scheme,
          err.msg);
    for (size_t i = 0; spec.scale2 > 0 && i < out.scales; i++) out.scale[i] *= spec.scale2;
    CHECK(whit_dequantize(out.codes, out.scale, out.zero, l->rows, l->cols, &out.scheme, out.back,
                          &err) == WHIT_OK,
          "%s", err.msg);
    float *d = room(out.count, sizeof *d);
    double sum = 0;
    for (size_t i = 0; i < out.count; i++) d[i] = l->w[i] - out.back[i];
    CHECK(wh_gptq_loss(c, &b, d, l->rows, NULL, &sum, &err) == WHIT_OK, "%s", err.msg);
    CHECK(fabs(sum - out.result.loss) <= 1e-3 * sum + 1e-12,
          "%s: the decoded planes lose %g, told were %g", scheme, sum, out.result.loss);
    free(d);
    free(weight);
    wh_gptq_base_free(&b);
    return out;
}

static void free_coded(coded *c)
{
    free(c->codes);
    free(c->zero);
    free(c->scale);
    free(c->back);
}

static int same(const coded *a, const coded *b)
{
    return memcmp(a->codes, b->codes, a->count) == 0 &&
           memcmp(a->scale, b->scale, a->scales * sizeof *a->scale) == 0 &&
           (!a->zero || memcmp(a->zero, b->zero, a->scales) == 0) &&
           memcmp(&a->result, &b->result, sizeof a->result) == 0;
}

static const char *const schemes[] = {
    "int4-g32",
    "int4-g128-asym",
    "int3-g64-sf32",
    "int2-g16",
    "int8-channel",
    "int4-channel",
    "int8-tensor",
    "nf4-g64",
    "fp4-g32",
    "fp4bnb-g64",
    "fp8_e4m3",
    "fp8_e5m2-g128",
    "fp8_e4m3-block32x40",
    "int4-g100-sbf16",
    "int5-g65536",
    "int4-tensor-asym",
    "mxfp4",
    "nvfp4",
};

/* Every scheme decodes to what it was said to lose; the same bytes at every level, any number of
 * threads (plain C by one of them, it is slow), and with rows taken apart. */
static void test_schemes(void)
{
    static const unsigned threads[] = { 1, 2, 7 };
    check_rng rng = { 14 };
    layer l = make_layer(&rng, 101, 210, 500, 0.6);
    for (size_t i = 0; i < COUNT(schemes); i++) {
        const how h = { i % 3 ? WH_GPTQ_GROUPS : WH_GPTQ_PLAIN, i % 5 == 4, i % 2,
                        (unsigned)i % 3 };
        coded first = { 0 };
        for (size_t k = 0; k < COUNT(levels); k++)
            for (size_t t = 0; t < COUNT(threads); t++) {
                if (k == 0 && t != i % COUNT(threads)) continue;
                whit_context *c = open_context(levels[k], threads[t]);
                if (!c) continue; /* not of this CPU */
                coded next = encode(c, &l, schemes[i], h);
                CHECK(!first.codes || same(&first, &next), "%s: other bytes with %s, %u threads",
                      schemes[i], levels[k], threads[t]);
                if (first.codes)
                    free_coded(&next);
                else
                    first = next;
                whit_context_close(c);
            }
        free_coded(&first);
    }
    free_layer(&l);
}

/* Uncorrelated inputs of the same size: nothing to feed back, so the codes are those of
 * whit_quantize. */
static void test_diagonal(void)
{
    check_rng rng = { 40 };
    whit_context *c = open_context(NULL, 2);
    layer l = make_layer(&rng, 40, 96, 0, 0);
    for (size_t i = 0; i < l.cols; i++) *h_at(&l, i, i) = 2;
    static const char *const names[] = { "int8-channel", "int8-g32-asym", "nf4-g32", "fp8_e4m3" };
    for (size_t i = 0; i < COUNT(names); i++) {
        const how h = { WH_GPTQ_GROUPS, 0, 0, 2 };
        whit_quant_spec spec = { .struct_size = sizeof spec };
        coded own = encode(c, &l, names[i], h);
        uint8_t *codes = room(own.count, 1), *zero = own.zero ? room(own.scales, 1) : NULL;
        float *scale = room(own.scales, sizeof *scale);
        spec.scheme = own.scheme;
        CHECK(whit_quantize(l.w, l.rows, l.cols, &spec, codes, scale, zero, NULL, NULL) == WHIT_OK,
              "%s", names[i]);
        size_t odd = 0;
        for (size_t k = 0; k < own.count; k++) odd += codes[k] != own.codes[k];
        for (size_t k = 0; k < own.scales; k++) odd += scale[k] != own.scale[k];
        CHECK(odd == 0 || (i == 2 && odd < own.count / 50), "%s: %zu differ", names[i], odd);
        free(codes);
        free(zero);
        free(scale);
        free_coded(&own);
    }
    free_layer(&l);
    whit_context_close(c);
}

/* With one group a row, columns in another order get the same codes in that order. */
static void test_permutation(void)
{
    check_rng rng = { 51 };
    whit_context *c = open_context(NULL, 2);
    layer l = make_layer(&rng, 20, 90, 300, 0.5), m = make_layer(&rng, 20, 90, 0, 0);
    size_t odd = 0;
    for (size_t i = 0; i < l.cols; i++) {
        for (size_t r = 0; r < l.rows; r++)
            m.w[r * l.cols + i] = l.w[r * l.cols + (i * 7 + 5) % l.cols];
        for (size_t j = i; j < l.cols; j++)
            *h_at(&m, i, j) = *h_at(&l, (i * 7 + 5) % l.cols, (j * 7 + 5) % l.cols);
    }
    const how h = { WH_GPTQ_COLUMNS, 0, 0, 0 };
    coded a = encode(c, &l, "int4-channel", h), b = encode(c, &m, "int4-channel", h);
    for (size_t i = 0; i < l.cols; i++)
        for (size_t r = 0; r < l.rows; r++)
            odd += b.codes[r * l.cols + i] != a.codes[r * l.cols + (i * 7 + 5) % l.cols];
    CHECK(odd == 0, "%zu codes differ", odd);
    free_coded(&a);
    free_coded(&b);
    free_layer(&l);
    free_layer(&m);
    whit_context_close(c);
}

/* H of rank below its size, dead columns: the damping holds, weights of dead columns are kept. */
static void test_singular(void)
{
    check_rng rng = { 61 };
    whit_context *c = open_context(NULL, 2);
    layer l = make_layer(&rng, 30, 128, 40, 0.5);
    for (size_t j = 0; j < l.cols; j++) *h_at(&l, 17, j) = 0;
    const how h = { WH_GPTQ_GROUPS, 0, 0, 0 };
    coded a = encode(c, &l, "int8-g32", h);
    double worst = 0;
    for (size_t r = 0; r < l.rows; r++)
        worst = fmax(worst, fabs((double)(a.back[r * 128 + 17] - l.w[r * 128 + 17])));
    CHECK(worst < 0.001, "a dead column is off by %g", worst);
    free_coded(&a);
    free_layer(&l);
    whit_context_close(c);
}

/* ---- blocks of GGUF ---- */

/* The blocks of a layer; loss: what they lose when decoded. */
static uint8_t *encode_blocks(whit_context *c, const layer *l, whit_block block, unsigned passes,
                              double *nearest, double *loss)
{
    const whit_block_info *info = whit_block_describe(block);
    const size_t blocks = l->rows * l->cols / info->weights;
    const wh_gptq_options o = { WH_GPTQ_GROUPS, info->weights, 0.01, 1 };
    uint8_t *out = room(blocks, info->bytes);
    float *d = room(l->rows * l->cols, sizeof *d), *weight = room(l->cols, sizeof *weight);
    whit_error err = { WHIT_OK, "" };
    wh_gptq_blocks target;
    wh_gptq_base b;
    wh_gptq_result result = { 0 };
    CHECK(wh_gptq_base_make(&b, c, l->h, l->cols, &o, &err) == WHIT_OK, "%s", err.msg);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < l->cols; i++) weight[i] = b.weight[b.place[i]];
        const wh_gptq_job job = { &b, l->w, l->rows, 0, passes, passes > 0 };
        if (k == 0)
            whit_block_encode(block, WHIT_SEARCH_BEST, l->w, l->rows, l->cols, weight, out, &err);
        else if (wh_gptq_blocks_open(&target, block, l->rows, l->cols, out, &err) == WHIT_OK)
            wh_gptq_run(c, &job, &target.target, &result, &err);
        CHECK(err.code == WHIT_OK, "%s: %s", info->name, err.msg);
        whit_block_decode(block, out, blocks, d, &err);
        for (size_t i = 0; i < l->rows * l->cols; i++) d[i] = l->w[i] - d[i];
        CHECK(wh_gptq_loss(c, &b, d, l->rows, NULL, k ? loss : nearest, &err) == WHIT_OK, "loss");
    }
    CHECK(fabs(*loss - result.loss) <= 1e-3 * *loss, "%s: the blocks lose %g, told were %g",
          info->name, *loss, result.loss);
    free(d);
    free(weight);
    wh_gptq_base_free(&b);
    return out;
}

/* Every type that is written decodes to what it was said to lose, which is less than what its own
 * encoder with the same weights loses; the same bytes at every level and number of threads. */
static void test_blocks(void)
{
    check_rng rng = { 91 };
    layer wide = make_layer(&rng, 21, 512, 700, 0.5), narrow = make_layer(&rng, 37, 192, 500, 0.5);
    for (whit_block block = WHIT_Q4_0; block < WHIT_BLOCK_COUNT; block++) {
        const whit_block_info *info = whit_block_describe(block);
        const layer *l = narrow.cols % info->weights == 0 ? &narrow : &wide;
        const size_t bytes = l->rows * l->cols / info->weights * info->bytes;
        uint8_t *first = NULL;
        for (size_t k = 0; info->encodes && k < COUNT(levels); k++) {
            whit_context *c = open_context(levels[k], k % 2 ? 1 : 3);
            double nearest = 0, loss = 0;
            if (!c) continue; /* not of this CPU */
            uint8_t *next = encode_blocks(c, l, block, block % 2, &nearest, &loss);
            CHECK(loss < 0.95 * nearest, "%s: %g after %g", info->name, loss, nearest);
            CHECK(!first || memcmp(first, next, bytes) == 0, "%s: other bytes with %s", info->name,
                  levels[k]);
            if (!first) printf("%s: %.3f of its encoder\n", info->name, loss / nearest);
            if (first)
                free(next);
            else
                first = next;
            whit_context_close(c);
        }
        free(first);
    }
    free_layer(&wide);
    free_layer(&narrow);
    wh_gptq_blocks target;
    uint8_t out[300];
    CHECK(wh_gptq_blocks_open(&target, WHIT_Q4_K, 1, 255, out, NULL) == WHIT_ERR_ARG, "255");
    CHECK(wh_gptq_blocks_open(&target, WHIT_BLOCK_NONE, 1, 256, out, NULL) == WHIT_ERR_ARG, "none");
}

/* ---- effects ---- */

/* What nearest codes lose, scales searched without weights. */
static double nearest(whit_context *c, const layer *l, const char *scheme)
{
    whit_quant_spec spec = { .struct_size = sizeof spec };
    const wh_gptq_options o = { WH_GPTQ_PLAIN, 0, 0.01, 0 };
    uint64_t r, k;
    double sum = 0;
    wh_gptq_base b;
    whit_scheme_parse(&spec.scheme, scheme, NULL);
    whit_scheme_scales(&spec.scheme, l->rows, l->cols, &r, &k);
    uint8_t *codes = room(l->rows * l->cols, 1);
    float *scale = room((size_t)(r * k), sizeof *scale), *d = room(l->rows * l->cols, sizeof *d);
    whit_quantize(l->w, l->rows, l->cols, &spec, codes, scale, NULL, NULL, NULL);
    whit_dequantize(codes, scale, NULL, l->rows, l->cols, &spec.scheme, d, NULL);
    for (size_t i = 0; i < l->rows * l->cols; i++) d[i] = l->w[i] - d[i];
    wh_gptq_base_make(&b, c, l->h, l->cols, &o, NULL);
    wh_gptq_loss(c, &b, d, l->rows, NULL, &sum, NULL);
    wh_gptq_base_free(&b);
    free(codes);
    free(scale);
    free(d);
    return sum;
}

/* Less is lost with each step: feedback alone, scales found under the mean squares, groups sorted,
 * descent, new scales. The shares, of nearest codes, are those of this layer. */
static void test_effects(void)
{
    static const struct {
        const char *scheme;
        double most[5];
    } rows[] = {
        { "int4-g32", { .62, .56, .55, .53, .53 } },
        { "int3-g32", { .62, .56, .55, .54, .54 } },
        { "int2-g32", { .61, .56, .55, .52, .52 } },
    };
    static const how steps[] = {
        { WH_GPTQ_PLAIN, 0, 0, 0, 1 },  { WH_GPTQ_PLAIN, 0, 0, 0, 0 },
        { WH_GPTQ_GROUPS, 0, 0, 0, 0 }, { WH_GPTQ_GROUPS, 0, 0, 3, 0 },
        { WH_GPTQ_GROUPS, 0, 1, 3, 0 },
    };
    check_rng rng = { 71 };
    whit_context *c = open_context(NULL, 2);
    layer l = make_layer(&rng, 64, 256, 1024, 0.4);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const double base = nearest(c, &l, rows[i].scheme);
        double last = 1;
        printf("%s:", rows[i].scheme);
        for (size_t k = 0; k < COUNT(steps); k++) {
            coded a = encode(c, &l, rows[i].scheme, steps[k]);
            const double share = a.result.loss / base;
            printf(" %.3f", share);
            CHECK(share < rows[i].most[k], "%s, step %zu: %g of nearest", rows[i].scheme, k, share);
            CHECK(share < last, "%s, step %zu: %g after %g", rows[i].scheme, k, share, last);
            last = share;
            free_coded(&a);
        }
        printf("\n");
    }
    free_layer(&l);
    whit_context_close(c);
}

int main(void)
{
    test_schemes();
    test_diagonal();
    test_permutation();
    test_singular();
    test_blocks();
    test_effects();
    return check_result();
}
