/* tests/test_kernel_schemes.c - whit_matmul with every scheme that the library decodes, blocks of
 * GGUF too, against whit_dequantize and sums in double.
 *
 * Bounds, u = 2^-24, S = sum |w x|, w the decoded float32 (one rounding from the code's value):
 *   held as floats        cols u S, blocks with float activations too
 *   codes, float acts     (ceil(step/4) + 4 + steps + 1) u S
 *   codes, int8 acts      (steps + 3 + 1) u S' + sum over steps of 1/2 sx sum |w|, with
 *                         S' = sum |w| (|x| + sx/2)
 *   tables, int8 acts     one u more, and e S': an entry v != 0 is off by 1/16382 at most, of
 *                         itself by e = 1/16382 / min |v|; nothing where the entries are halves
 * Nothing here is near what float32 cannot hold.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "jobs.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void *need(size_t count, size_t size)
{
    void *data = calloc(count ? count : 1, size);
    if (!data) scratch_die("memory");
    return data;
}

/* ---- a product against sums in double ---- */

typedef struct product {
    const char *what;
    const whit_weight *w;
    whit_weight_info info;
    const float *decoded; /* [rows][cols] */
    const float *x;
    size_t tokens;
} product;

/* The table of small integers. */
static int is_e2m1(const whit_scheme *s)
{
    return s->kind == WHIT_FP4 || s->kind == WHIT_MXFP4 || s->kind == WHIT_NVFP4;
}

/* Inputs in a step, as kernels.h has it: the largest multiple of 32 up to 128 that divides the
 * group, else 16; 128 where the row has one scale; of blocks 32, or the block up to 128 where it
 * has one scale. */
static size_t step_of(const whit_weight_info *info)
{
    const size_t group = info->scheme.group;
    const size_t block = whit_block_describe(info->scheme.block)
                             ? whit_block_describe(info->scheme.block)->weights
                             : 0;
    if (info->scheme.kind == WHIT_GGUF)
        return info->form[2] == 'k' ? 32 : block < 128 ? block : 128;
    if (group == 0 || group >= info->cols) return 128;
    size_t step = 128;
    if (group % 32 != 0) return is_e2m1(&info->scheme) ? 16 : 32;
    while (group % step != 0) step -= 32;
    return step;
}

static int is_floats(const whit_weight_info *info)
{
    return info->scheme.kind == WHIT_GGUF || strcmp(info->form, "f32") == 0 ||
           strcmp(info->form, "f16") == 0 || strcmp(info->form, "bf16") == 0;
}

/* Token j's int8 step of input k has this scale; *n inputs. */
static double act_scale(const product *p, size_t j, size_t k, size_t *n)
{
    const size_t cols = (size_t)p->info.cols;
    const size_t step = strcmp(p->info.form, "q8c") == 0 ? 65536 : step_of(&p->info);
    const float *x = p->x + j * cols;
    double most = 0;
    *n = cols - k < step ? cols - k : step;
    for (size_t i = k; i < k + *n; i++) { /* fmax of it breaks gcc 12 for AArch64 */
        const double size = fabs((double)x[i]);
        if (size > most) most = size;
    }
    return most / 127.0;
}

/* How far the integers of a table may be off, as a share of the entry; 0 of codes without. */
static double level_error(const whit_scheme *s)
{
    const float *table = whit_scheme_table(s->kind);
    double least = 1;
    if (!table || is_e2m1(s)) return 0;
    for (int i = 0; i < 16; i++)
        if (table[i] != 0) least = fmin(least, fabs((double)table[i]));
    return 1.0 / 16382 / least;
}

static double bound_q8(const product *p, size_t j, size_t r)
{
    const size_t cols = (size_t)p->info.cols;
    const float *w = p->decoded + r * cols, *x = p->x + j * cols;
    double S = 0, half = 0, steps = 0;
    for (size_t k = 0, n; k < cols; k += n, steps++) {
        const double sx = act_scale(p, j, k, &n);
        for (size_t i = k; i < k + n; i++) {
            S += fabs((double)w[i]) * (fabs((double)x[i]) + sx / 2);
            half += fabs((double)w[i]) * sx / 2;
        }
    }
    return ((steps + 5) * 0x1p-24 + level_error(&p->info.scheme)) * S + half;
}

static double bound_f32(const product *p, double S)
{
    const double cols = (double)p->info.cols;
    if (is_floats(&p->info)) return cols * 0x1p-24 * S;
    const double step = (double)step_of(&p->info);
    return (step / 4 + 5 + ceil(cols / step)) * 0x1p-24 * S;
}

static void check_product(whit_context *context, const product *p, whit_acts acts)
{
    const size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols;
    float *y = need(p->tokens * rows, sizeof *y);
    whit_error err = { WHIT_OK, "" };
    const whit_status st = whit_matmul(context, p->w, acts, p->x, p->tokens, y, &err);
    CHECK(st == WHIT_OK, "%s: %s", p->what, err.msg);
    size_t wrong = 0;
    for (size_t j = 0; j < p->tokens; j++)
        for (size_t r = 0; r < rows; r++) {
            double sum = 0, S = 0;
            for (size_t k = 0; k < cols; k++) {
                const double term = (double)p->decoded[r * cols + k] * (double)p->x[j * cols + k];
                sum += term;
                S += fabs(term);
            }
            const double bound = acts == WHIT_ACTS_Q8 ? bound_q8(p, j, r) : bound_f32(p, S);
            wrong += !(fabs((double)y[j * rows + r] - sum) <= bound);
        }
    CHECK(wrong == 0, "%s (%s, acts %d), %zu tokens: %zu of %zu beyond the bound", p->what,
          p->info.form, (int)acts, p->tokens, wrong, p->tokens * rows);
    free(y);
}

static void check_weight(whit_context *context, product *p)
{
    static const size_t tokens[] = { 1, 5, 33 };
    check_rng rng = { 7 };
    float *x = need(33 * (size_t)p->info.cols, sizeof *x);
    for (size_t i = 0; i < 33 * (size_t)p->info.cols; i++) x[i] = check_normal(&rng);
    p->x = x;
    for (size_t t = 0; t < COUNT(tokens); t++) {
        p->tokens = tokens[t];
        check_product(context, p, WHIT_ACTS_F32);
        if (p->info.acts_q8) check_product(context, p, WHIT_ACTS_Q8);
    }
    free(x);
}

/* ---- weights from arrays ---- */

typedef struct quantized {
    uint8_t *codes, *zero;
    float *scale, *decoded;
} quantized;

static void quantized_free(quantized *q)
{
    free(q->codes);
    free(q->zero);
    free(q->scale);
    free(q->decoded);
}

static void quantize(quantized *q, const whit_scheme *scheme, size_t rows, size_t cols)
{
    uint64_t scale_rows, scale_cols;
    check_rng rng = { rows * 31 + cols };
    whit_error err = { WHIT_OK, "" };
    float *w = need(rows * cols, sizeof *w), most = 0;
    for (size_t i = 0; i < rows * cols; i++) {
        w[i] = check_normal(&rng) * 0.1f;
        most = fmaxf(most, fabsf(w[i]));
    }
    whit_scheme_scales(scheme, rows, cols, &scale_rows, &scale_cols);
    const size_t scales = (size_t)(scale_rows * scale_cols);
    q->codes = need(rows * cols, 1);
    q->zero = scheme->asym ? need(scales, 1) : NULL;
    q->scale = need(scales, sizeof *q->scale);
    q->decoded = need(rows * cols, sizeof *q->decoded);
    whit_quant_spec spec = { .struct_size = sizeof spec, .scheme = *scheme };
    spec.scale2 = whit_nvfp4_scale2(most);
    whit_status st = whit_quantize(w, rows, cols, &spec, q->codes, q->scale, q->zero, NULL, &err);
    for (size_t i = 0; i < scales && scheme->kind == WHIT_NVFP4; i++) q->scale[i] *= spec.scale2;
    if (st == WHIT_OK)
        st = whit_dequantize(q->codes, q->scale, q->zero, rows, cols, scheme, q->decoded, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    free(w);
}

static void check_scheme(whit_context *context, const char *text, size_t rows, size_t cols)
{
    char what[100];
    quantized q;
    whit_scheme scheme;
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_scheme_parse(&scheme, text, &err) == WHIT_OK, "%s", err.msg);
    quantize(&q, &scheme, rows, cols);
    snprintf(what, sizeof what, "%s %zux%zu", text, rows, cols);
    CHECK(whit_weight_from_codes(&w, context, &scheme, rows, cols, q.codes, q.scale, q.zero,
                                 &err) == WHIT_OK,
          "%s: %s", what, err.msg);
    if (w) {
        product p = { .what = what, .w = w, .decoded = q.decoded };
        whit_weight_describe(w, &p.info);
        check_weight(context, &p);
    }
    whit_weight_free(w);
    quantized_free(&q);
}

/* Every kind, every number of bits, every granularity, with lengths that end amid a group. */
static void test_schemes(whit_context *context)
{
    static const char *const grans[] = { "tensor", "channel", "g32", "g64", "g96",  "g128",
                                         "g160",   "g256",    "g48", "g2",  "g4096" };
    static const char *const others[] = {
        "nf4-g64",
        "nf4-channel",
        "nf4-tensor",
        "nf4-g48",
        "nf4-g128-dq",
        "fp4-g32",
        "fp4-g64-sf32",
        "fp4-g48",
        "fp4-g24",
        "fp4bnb-g64",
        "fp4bnb-g64-dq",
        "mxfp4",
        "nvfp4",
        "fp8_e4m3",
        "fp8_e5m2",
        "fp8_e4m3-g32",
        "fp8_e5m2-tensor",
        "fp8_e4m3-block16x32",
        "fp8_e5m2-block32x8",
    };
    static const struct {
        size_t rows, cols;
    } shapes[] = { { 33, 160 }, { 17, 331 } };
    for (size_t s = 0; s < COUNT(shapes); s++) {
        for (int bits = 2; bits <= 8; bits++)
            for (size_t g = 0; g < COUNT(grans); g++)
                for (int asym = 0; asym < 2; asym++) {
                    char text[WHIT_SCHEME_TEXT];
                    snprintf(text, sizeof text, "int%d-%s%s%s", bits, grans[g], asym ? "-asym" : "",
                             g % 3 == 2 ? "-sf32" : "");
                    check_scheme(context, text, shapes[s].rows, shapes[s].cols);
                }
        for (size_t i = 0; i < COUNT(others); i++)
            check_scheme(context, others[i], shapes[s].rows, shapes[s].cols);
    }
}

/* ---- blocks ---- */

/* The bits of float activations are those of the decoded weights. */
static void check_decoded(whit_context *context, const product *p)
{
    const size_t rows = (size_t)p->info.rows, cols = (size_t)p->info.cols;
    static const size_t tokens[] = { 1, 7, 33 };
    check_rng rng = { 9 };
    whit_weight *plain = NULL;
    float *x = need(33 * cols, sizeof *x), *y = need(33 * rows, sizeof *y);
    float *want = need(33 * rows, sizeof *want);
    for (size_t i = 0; i < 33 * cols; i++) x[i] = check_normal(&rng);
    CHECK(whit_weight_from_floats(&plain, context, WHIT_F32, rows, cols, p->decoded, NULL) ==
              WHIT_OK,
          "%s: decoded", p->what);
    for (size_t t = 0; t < COUNT(tokens); t++) {
        CHECK(whit_matmul(context, p->w, WHIT_ACTS_F32, x, tokens[t], y, NULL) == WHIT_OK &&
                  whit_matmul(context, plain, WHIT_ACTS_F32, x, tokens[t], want, NULL) == WHIT_OK,
              "%s", p->what);
        CHECK(memcmp(y, want, tokens[t] * rows * sizeof *y) == 0,
              "%s, %zu tokens: not the bits of the decoded weights", p->what, tokens[t]);
    }
    whit_weight_free(plain);
    free(x);
    free(y);
    free(want);
}

static void check_block(whit_context *context, whit_block block, size_t rows, size_t cols)
{
    static const char *const forms[WHIT_BLOCK_COUNT] = {
        [WHIT_Q4_0] = "q4g",        [WHIT_Q4_1] = "q4gm",       [WHIT_Q5_0] = "q5g",
        [WHIT_Q5_1] = "q5gm",       [WHIT_Q8_0] = "q8g",        [WHIT_Q2_K] = "q2k",
        [WHIT_Q3_K] = "q3k",        [WHIT_Q4_K] = "q4k",        [WHIT_Q5_K] = "q5k",
        [WHIT_Q6_K] = "q6k",        [WHIT_TQ1_0] = "q2g",       [WHIT_TQ2_0] = "q2g",
        [WHIT_Q2_0] = "q2g",        [WHIT_IQ4_NL] = "t4g",      [WHIT_IQ4_XS] = "t4k",
        [WHIT_BLOCK_MXFP4] = "t4g", [WHIT_BLOCK_NVFP4] = "t4g", [WHIT_Q1_0] = "q1g",
    };
    const whit_block_info *info = whit_block_describe(block);
    check_rng rng = { rows * 77 + cols };
    whit_error err = { WHIT_OK, "" };
    float *w = need(rows * cols, sizeof *w), *decoded = need(rows * cols, sizeof *decoded);
    uint8_t *octets = need(rows * cols / info->weights, info->bytes);
    product p = { .what = info->name, .decoded = decoded };
    whit_weight *weight = NULL;
    for (size_t i = 0; i < rows * cols; i++) w[i] = check_normal(&rng) * 0.1f;
    CHECK(whit_block_encode(block, WHIT_SEARCH_REFERENCE, w, rows, cols, NULL, octets, &err) ==
                  WHIT_OK &&
              whit_block_decode(block, octets, rows * cols / info->weights, decoded, &err) ==
                  WHIT_OK &&
              whit_weight_from_blocks(&weight, context, block, rows, cols, octets, &err) == WHIT_OK,
          "%s: %s", info->name, err.msg);
    if (weight) {
        p.w = weight;
        whit_weight_describe(weight, &p.info);
        CHECK(strcmp(p.info.form, forms[block]) == 0 && !p.info.decoded, "%s: held as %s",
              info->name, p.info.form);
        check_weight(context, &p);
        check_decoded(context, &p);
    }
    whit_weight_free(weight);
    free(w);
    free(decoded);
    free(octets);
}

static void test_blocks(whit_context *context)
{
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    const uint8_t octets[144] = { 0 };
    for (int block = 1; block < WHIT_BLOCK_COUNT; block++) {
        const unsigned weights = whit_block_describe((whit_block)block)->weights;
        check_block(context, (whit_block)block, 33, 2 * weights);
        check_block(context, (whit_block)block, 17, 1024 + weights);
    }
    CHECK(whit_weight_from_blocks(&w, context, WHIT_Q4_K, 1, 128, octets, &err) == WHIT_ERR_ARG &&
              !w && strstr(err.msg, "256"),
          "half a block: %s", err.msg);
    CHECK(whit_weight_from_blocks(&w, context, WHIT_BLOCK_NONE, 1, 256, octets, &err) ==
              WHIT_ERR_ARG,
          "no type");
    CHECK(whit_weight_from_blocks(&w, context, WHIT_Q4_K, 1, 256, NULL, &err) == WHIT_ERR_ARG,
          "no data");
    CHECK(whit_weight_from_blocks(&w, context, WHIT_Q4_K, 0, 256, octets, &err) == WHIT_ERR_ARG,
          "no rows");
}

/* The NaN of floats of 8 bits: that of one weight makes outputs of its row NaN, and no others. */
static void test_nan_codes(whit_context *context)
{
    enum { ROWS = 20, COLS = 100 };
    static const struct {
        const char *scheme;
        uint8_t code;
    } cases[] = { { "fp8_e4m3-g32", 0x7f },
                  { "fp8_e4m3", 0xff },
                  { "fp8_e4m3-block16x32", 0x7f },
                  { "fp8_e5m2-g64", 0x7d },
                  { "fp8_e4m3-g48", 0x7f } };
    static uint8_t codes[ROWS * COLS];
    static float scale[ROWS * COLS], x[3 * COLS], y[3 * ROWS];
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_scheme scheme;
        whit_weight *w = NULL;
        whit_error err = { WHIT_OK, "" };
        CHECK(whit_scheme_parse(&scheme, cases[i].scheme, &err) == WHIT_OK, "%s", err.msg);
        for (size_t k = 0; k < COUNT(codes); k++) codes[k] = (uint8_t)(k % 0x70);
        for (size_t k = 0; k < COUNT(scale); k++) scale[k] = 0.5f;
        for (size_t k = 0; k < COUNT(x); k++) x[k] = k % 3 ? 1.0f : 0.0f;
        codes[17 * COLS + 99] = cases[i].code;
        CHECK(whit_weight_from_codes(&w, context, &scheme, ROWS, COLS, codes, scale, NULL, &err) ==
                  WHIT_OK,
              "%s", err.msg);
        for (size_t tokens = 1; w && tokens <= 3; tokens += 2) {
            whit_matmul(context, w, WHIT_ACTS_F32, x, tokens, y, &err);
            size_t wrong = 0;
            for (size_t k = 0; k < tokens * ROWS; k++)
                wrong += (k % ROWS == 17) != (isnan(y[k]) != 0);
            CHECK(wrong == 0, "%s: %zu of %zu outputs", cases[i].scheme, wrong, tokens * ROWS);
        }
        whit_weight_free(w);
    }
}

/* ---- weights of a model ---- */

static size_t check_model(whit_context *context, const char *path, const char *scheme)
{
    whit_source *source = job_open(path);
    size_t count = 0;
    for (size_t i = 0; i < whit_source_count(source) && count < 6; i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        char what[200];
        whit_weight *w = NULL;
        whit_error err = { WHIT_OK, "" };
        if (t->tensor.rank < 2) continue;
        snprintf(what, sizeof what, "%s: %s", scheme, t->tensor.name);
        const whit_status st = whit_weight_load(&w, context, source, i, &err);
        CHECK(st == WHIT_OK, "%s: %s", what, err.msg);
        if (st != WHIT_OK) break;
        float *decoded = job_values(source, t->tensor.name);
        product p = { .what = what, .w = w, .decoded = decoded };
        whit_weight_describe(w, &p.info);
        CHECK(p.info.rows == t->rows && p.info.cols == t->cols, "%s: its shape", what);
        check_weight(context, &p);
        free(decoded);
        whit_weight_free(w);
        count++;
    }
    whit_source_close(source);
    return count;
}

static void test_models(whit_context *context, const char *data)
{
    static const char *const schemes[] = {
        "keep",
        "f32",
        "bf16",
        "int8",
        "int8-tensor",
        "int8-g32-asym",
        "int6-g96",
        "int5-g32",
        "int4-g32",
        "int4-channel",
        "int4-g48",
        "int4-g128-asym",
        "int3-g64-sf32",
        "int2-g32-asym",
        "nf4-g64",
        "nf4-g64-dq",
        "fp4bnb-g64-dq",
        "fp4-g32",
        "mxfp4",
        "nvfp4",
        "fp8_e4m3",
        "fp8_e5m2-g32",
        "fp8_e4m3-block32x32",
    };
    scratch s;
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    scratch_make(&s);
    snprintf(in, sizeof in, "%s/stories260K", data);
    for (size_t i = 0; i < COUNT(schemes); i++) {
        char name[WHIT_SCHEME_TEXT + 16];
        snprintf(name, sizeof name, "%s.safetensors", schemes[i]);
        scratch_path(&s, name, out);
        const job_ask ask = { .scheme = schemes[i] };
        job_quantize(in, out, &ask);
        CHECK(check_model(context, out, schemes[i]) == 6, "%s: too few tensors", schemes[i]);
    }
    scratch_remove(&s);
}

/* ---- the error of int8 activations ---- */

static float gaussian(check_rng *rng)
{
    const double u = ((double)(check_u64(rng) >> 11) + 0.5) * 0x1p-53;
    const double angle = (double)(check_u64(rng) >> 11) * 0x1p-53 * 6.283185307179586;
    return (float)(sqrt(-2.0 * log(u)) * cos(angle));
}

/* The relative rms error of y = W x when x, Gaussian, is rounded in steps of n: the rounding error
 * of each input but the largest is uniform over m / 127, m the largest of n magnitudes, whose mean
 * square is the integral of 2 t (1 - P(|x| < t)^n). */
static double expected_rms(size_t n)
{
    const double dt = 1e-3;
    double square = 0;
    for (double t = dt / 2; t < 10; t += dt)
        square += 2 * t * (1 - pow(erf(t / sqrt(2.0)), (double)n)) * dt;
    return sqrt(square / 12 * (double)(n - 1) / (double)n) / 127;
}

/* On 4096 random inputs the error is what it must be, within 2 %: four deviations of what 65536
 * outputs of 512 tokens give by chance. */
static void test_rms(whit_context *context)
{
    enum { ROWS = 128, COLS = 4096, TOKENS = 512 };
    static const struct {
        const char *scheme;
        size_t step;
    } cases[] = {
        { "int8-g32", 32 }, { "int4-g64", 64 }, { "int8-g128", 128 }, { "int8-channel", COLS },
        { "nf4-g64", 64 },  { "mxfp4", 32 },    { "nvfp4", 16 },
    };
    check_rng rng = { 2024 };
    float *x = need((size_t)TOKENS * COLS, sizeof *x);
    float *y = need((size_t)TOKENS * ROWS, sizeof *y),
          *exact = need((size_t)TOKENS * ROWS, sizeof *y);
    for (size_t i = 0; i < (size_t)TOKENS * COLS; i++) x[i] = gaussian(&rng);
    for (size_t i = 0; i < COUNT(cases); i++) {
        quantized q;
        whit_scheme scheme;
        whit_weight *w = NULL;
        CHECK(whit_scheme_parse(&scheme, cases[i].scheme, NULL) == WHIT_OK, "%s", cases[i].scheme);
        quantize(&q, &scheme, ROWS, COLS);
        CHECK(whit_weight_from_codes(&w, context, &scheme, ROWS, COLS, q.codes, q.scale, NULL,
                                     NULL) == WHIT_OK &&
                  whit_matmul(context, w, WHIT_ACTS_F32, x, TOKENS, exact, NULL) == WHIT_OK &&
                  whit_matmul(context, w, WHIT_ACTS_Q8, x, TOKENS, y, NULL) == WHIT_OK,
              "%s", cases[i].scheme);
        double error = 0, size = 0;
        for (size_t k = 0; k < (size_t)TOKENS * ROWS; k++) {
            error += ((double)y[k] - (double)exact[k]) * ((double)y[k] - (double)exact[k]);
            size += (double)exact[k] * (double)exact[k];
        }
        const double rms = sqrt(error / size), want = expected_rms(cases[i].step);
        CHECK(fabs(rms / want - 1) < 0.02, "%s: %.3e, not %.3e", cases[i].scheme, rms, want);
        whit_weight_free(w);
        quantized_free(&q);
    }
    free(x);
    free(y);
    free(exact);
}

int main(int argc, char **argv)
{
    whit_error err = { WHIT_OK, "" };
    whit_context *context = NULL;
    const whit_context_options options = { sizeof options, 2, 0 };
    CHECK(whit_context_open(&context, &options, &err) == WHIT_OK, "%s", err.msg);
    if (!context) return check_result();
    test_schemes(context);
    test_blocks(context);
    test_nan_codes(context);
    test_rms(context);
    if (argc > 1) test_models(context, argv[1]);
    whit_context_close(context);
    return check_result();
}
