/* tests/kernels_checksum.c - the bits of whit_matmul and whit_syrk, whatever the machine and the
 * build.
 *
 * Fixed weights and activations, all made from integers, are multiplied; a line has the operation,
 * the type, the activations, rows, cols, tokens and the FNV-1a sum of the bits of the result. With
 * a file of such lines each is checked at 1, 2, 3 and 7 threads (or at WHIT_GOLDEN_THREADS);
 * without one they are printed. WHIT_ISA holds here too. No NaN: only that it is one is promised.
 * Not here: whether the results are right (check_kernels.c, test_kernel_api.c).
 *
 *   kernels_checksum [FILE]
 *
 * SPDX-License-Identifier: MIT */
#include <whit/whit.h>

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

typedef struct checksum_case {
    const char *type;
    whit_acts acts;
    size_t rows, cols, tokens;
} checksum_case;

static const struct {
    size_t rows, cols, tokens;
} shapes[] = {
    { 17, 100, 1 }, /* a tail everywhere */
    { 33, 160, 17 },
    { 7, 4128, 3 },
    { 1030, 64, 2 }, /* more panels than are held at once */
};

/* Each with every shape, blocks with columns rounded up to whole ones; those with codes of a kernel
 * also with int8 activations. */
static const char *const types[] = {
    "f32",
    "f16",
    "bf16",
    "int8-channel",
    "int8-g32",
    "int8-g128",
    "int8-g64-asym",
    "int8-tensor",
    "int8-channel-asym",
    "int7-channel",
    "int6-g96",
    "int5-g32-sf32",
    "int4-g32",
    "int4-g64-asym",
    "int4-g128",
    "int4-g160",
    "int4-channel",
    "int4-tensor",
    "int3-g32",
    "int2-g64-asym",
    "nf4-g64",
    "nf4-channel",
    "fp4-g32",
    "fp4bnb-g64",
    "mxfp4",
    "nvfp4",
    "int4-g48",
    "fp8_e4m3-g128",
    "fp8_e5m2-channel",
    "fp8_e4m3-block32x32",
    "int2-channel",
    "int3-g96-asym",
    "int5-channel",
    "int6-g32-asym",
    "int6-channel",
    "q4_0",
    "q4_1",
    "q5_0",
    "q5_1",
    "q8_0",
    "q2_k",
    "q3_k",
    "q4_k",
    "q5_k",
    "q6_k",
    "iq4_nl",
    "iq4_xs",
    "gguf:mxfp4", /* the blocks, not our kinds */
    "gguf:nvfp4",
    "q1_0",
    "tq1_0",
    "tq2_0",
    "q2_0",
};

/* What takes another way through the tiles, or is as long as a sum may be. */
static const checksum_case more[] = {
    { "f32", WHIT_ACTS_F32, 33, 96, 513 },
    { "int4-g32", WHIT_ACTS_F32, 33, 96, 513 },
    { "int4-g32", WHIT_ACTS_Q8, 33, 96, 513 },
    { "int8-channel", WHIT_ACTS_Q8, 33, 96, 513 },
    { "nf4-g64", WHIT_ACTS_F32, 49, 192, 65 },
    { "nf4-g64", WHIT_ACTS_Q8, 49, 192, 65 },
    { "bf16", WHIT_ACTS_F32, 49, 515, 33 },
    { "int8-channel", WHIT_ACTS_Q8, 3, 65536 + 96, 2 },
    { "int4-channel", WHIT_ACTS_F32, 3, 65536 + 96, 2 },
    { "int4-g128", WHIT_ACTS_Q8, 272, 256, 8 },
};

/* whit_syrk: tokens in one block and in several, columns with a tail. */
static const struct {
    size_t tokens, cols;
} squares[] = { { 1, 5 }, { 33, 100 }, { 600, 49 }, { 17, 260 } };

/* ---- inputs ---- */

static void *need(size_t count, size_t size)
{
    void *data = calloc(count, size);
    if (!data) {
        perror("kernels_checksum");
        exit(1);
    }
    return data;
}

static void die(const char *what, const whit_error *err)
{
    printf("%s: %s\n", what, err->msg);
    exit(1);
}

static uint64_t seed_of(const checksum_case *c)
{
    uint64_t seed = c->rows * 1000003 + c->cols * 1009 + c->tokens;
    for (const char *t = c->type; *t; t++) seed = seed * 31 + (unsigned char)*t;
    return seed;
}

static whit_status codes_weight(whit_weight **out, whit_context *context, const checksum_case *c,
                                const whit_scheme *scheme, check_rng *rng, whit_error *err)
{
    uint64_t scale_rows, scale_cols;
    whit_scheme_scales(scheme, c->rows, c->cols, &scale_rows, &scale_cols);
    const size_t scales = (size_t)(scale_rows * scale_cols), count = c->rows * c->cols;
    uint8_t *codes = need(count, 1), *zero = need(scales, 1);
    float *scale = need(scales, sizeof *scale);
    for (size_t i = 0; i < count; i++) {
        codes[i] = (uint8_t)(check_u64(rng) >> (64 - scheme->bits));
        /* the NaN and infinities of fp8 */
        if (scheme->kind == WHIT_FP8_E4M3 && (codes[i] & 0x7f) == 0x7f) codes[i] = 0;
        if (scheme->kind == WHIT_FP8_E5M2 && (codes[i] & 0x7c) == 0x7c) codes[i] = 0;
    }
    for (size_t i = 0; i < scales; i++) {
        /* values of F16, or of what the scheme stores; some negative */
        const unsigned mantissa = scheme->scale_type == WHIT_F8_E8M0   ? 0
                                  : scheme->scale_type == WHIT_F8_E4M3 ? 7
                                  : scheme->scale_type == WHIT_F32     ? 0xfffff
                                                                       : 0x3ff;
        const float value = 1.0f + (float)(check_u64(rng) & mantissa) / (float)(mantissa + 1);
        scale[i] = value / (float)(1 << check_below(rng, 4)) / 16.0f;
        if (scheme->kind == WHIT_INT && check_below(rng, 8) == 0) scale[i] = -scale[i];
        zero[i] = (uint8_t)(check_u64(rng) >> (64 - scheme->bits));
    }
    const whit_status st = whit_weight_from_codes(out, context, scheme, c->rows, c->cols, codes,
                                                  scale, scheme->asym ? zero : NULL, err);
    free(codes);
    free(zero);
    free(scale);
    return st;
}

static whit_status floats_weight(whit_weight **out, whit_context *context, const checksum_case *c,
                                 whit_dtype dtype, check_rng *rng, whit_error *err)
{
    const size_t count = c->rows * c->cols;
    float *values = need(count, sizeof *values);
    void *stored = need(count, sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = check_f32(rng);
    whit_dtype_from_f32(dtype, values, count, stored);
    const whit_status st =
        whit_weight_from_floats(out, context, dtype, c->rows, c->cols, stored, err);
    free(values);
    free(stored);
    return st;
}

static whit_status blocks_weight(whit_weight **out, whit_context *context, const checksum_case *c,
                                 whit_block block, check_rng *rng, whit_error *err)
{
    const whit_block_info *info = whit_block_describe(block);
    const size_t count = c->rows * c->cols;
    float *values = need(count, sizeof *values);
    void *octets = need(count / info->weights, info->bytes);
    for (size_t i = 0; i < count; i++) values[i] = check_f32(rng);
    whit_status st = whit_block_encode(block, WHIT_SEARCH_REFERENCE, values, c->rows, c->cols, NULL,
                                       octets, err);
    if (st == WHIT_OK)
        st = whit_weight_from_blocks(out, context, block, c->rows, c->cols, octets, err);
    free(values);
    free(octets);
    return st;
}

/* The type of GGUF, where the name is not that of a kind of ours. */
static whit_block block_of(const char *type)
{
    if (strncmp(type, "gguf:", 5) == 0) return whit_block_parse(type + 5);
    return strchr("qit", type[0]) && strchr(type, '_') ? whit_block_parse(type) : WHIT_BLOCK_NONE;
}

static void make_weight(whit_weight **out, whit_context *context, const checksum_case *c,
                        check_rng *rng)
{
    whit_error err = { WHIT_OK, "" };
    whit_scheme scheme = { .kind = WHIT_GGUF, .block = block_of(c->type) };
    if (!scheme.block && whit_scheme_parse(&scheme, c->type, &err) != WHIT_OK) die(c->type, &err);
    const whit_dtype dtype = scheme.kind == WHIT_TO_F32   ? WHIT_F32
                             : scheme.kind == WHIT_TO_F16 ? WHIT_F16
                                                          : WHIT_BF16;
    const whit_status st =
        scheme.kind == WHIT_GGUF ? blocks_weight(out, context, c, scheme.block, rng, &err)
        : whit_scheme_is_quantized(&scheme) ? codes_weight(out, context, c, &scheme, rng, &err)
                                            : floats_weight(out, context, c, dtype, rng, &err);
    if (st != WHIT_OK) die(c->type, &err);
}

/* ---- sums ---- */

static uint64_t fnv(const float *values, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        for (int b = 0; b < 4; b++) sum = (sum ^ (bits >> 8 * b & 0xff)) * 0x100000001b3u;
    }
    return sum;
}

static uint64_t sum_of(whit_context *context, const checksum_case *c)
{
    check_rng rng = { seed_of(c) };
    whit_error err = { WHIT_OK, "" };
    whit_weight *w = NULL;
    float *x = need(c->tokens * c->cols, sizeof *x), *y = need(c->tokens * c->rows, sizeof *y);
    make_weight(&w, context, c, &rng);
    for (size_t i = 0; i < c->tokens * c->cols; i++) x[i] = check_f32(&rng);
    if (whit_matmul(context, w, c->acts, x, c->tokens, y, &err) != WHIT_OK) die(c->type, &err);
    const uint64_t sum = fnv(y, c->tokens * c->rows);
    whit_weight_free(w);
    free(x);
    free(y);
    return sum;
}

static const char *square_line(whit_context *context, size_t n, char line[160])
{
    const size_t tokens = squares[n].tokens, cols = squares[n].cols;
    check_rng rng = { tokens * 1009 + cols };
    whit_error err = { WHIT_OK, "" };
    float *x = need(tokens * cols, sizeof *x), *h = need(cols * cols, sizeof *h);
    for (size_t i = 0; i < tokens * cols; i++) x[i] = check_f32(&rng);
    for (size_t i = 0; i < cols * cols; i++) h[i] = check_f32(&rng);
    if (whit_syrk(context, x, tokens, cols, h, &err) != WHIT_OK) die("syrk", &err);
    snprintf(line, 160, "syrk f32 f32 %zu %zu %zu %016llx", cols, cols, tokens,
             (unsigned long long)fnv(h, cols * cols));
    free(x);
    free(h);
    return line;
}

/* Codes that a kernel multiplies as they are, as integers. */
static int has_q8(const checksum_case *c)
{
    static const char *const kinds[] = { "int",   "q",   "nf4", "fp4",  "mxfp4",
                                         "nvfp4", "iq4", "tq",  "gguf:" };
    if (strcmp(c->type, "int4-g48") == 0) return 0;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strncmp(c->type, kinds[i], strlen(kinds[i])) == 0) return 1;
    return 0;
}

/* Columns of whole blocks. */
static size_t whole(const char *type, size_t cols)
{
    const whit_block_info *info = whit_block_describe(block_of(type));
    const size_t n = info ? info->weights : 1;
    return (cols + n - 1) / n * n;
}

/* Product n; 0 where there is none. */
static int case_at(size_t n, checksum_case *c)
{
    const size_t all = COUNT(types) * COUNT(shapes) * 2;
    if (n >= all + COUNT(more)) return 0;
    if (n >= all) {
        *c = more[n - all];
        return 1;
    }
    c->type = types[n / 2 / COUNT(shapes)];
    c->rows = shapes[n / 2 % COUNT(shapes)].rows;
    c->cols = whole(c->type, shapes[n / 2 % COUNT(shapes)].cols);
    c->tokens = shapes[n / 2 % COUNT(shapes)].tokens;
    c->acts = n % 2 ? WHIT_ACTS_Q8 : WHIT_ACTS_F32;
    return 1;
}

static const char *product_line(whit_context *context, const checksum_case *c, char line[160])
{
    snprintf(line, 160, "matmul %s %s %zu %zu %zu %016llx", c->type,
             c->acts == WHIT_ACTS_Q8 ? "q8" : "f32", c->rows, c->cols, c->tokens,
             (unsigned long long)sum_of(context, c));
    return line;
}

/* Calls each(ctx, line) with every line. */
static void each_line(whit_context *context, void (*each)(void *ctx, const char *line), void *ctx)
{
    char line[160];
    checksum_case c;
    for (size_t n = 0; case_at(n, &c); n++)
        if (c.acts != WHIT_ACTS_Q8 || has_q8(&c)) each(ctx, product_line(context, &c, line));
    for (size_t n = 0; n < COUNT(squares); n++) each(ctx, square_line(context, n, line));
}

static whit_context *open_context(unsigned threads)
{
    const whit_context_options options = { sizeof options, threads, 0 };
    whit_error err = { WHIT_OK, "" };
    whit_context *context = NULL;
    if (whit_context_open(&context, &options, &err) != WHIT_OK) {
        printf("%s\n", err.msg);
        exit(strstr(err.msg, "lacks") ? CHECK_SKIP : 1);
    }
    return context;
}

typedef struct expected {
    FILE *f;
    unsigned threads;
} expected;

static void check_line(void *ctx, const char *line)
{
    const expected *e = ctx;
    char want[160];
    if (!fgets(want, sizeof want, e->f)) want[0] = 0;
    want[strcspn(want, "\n")] = 0;
    CHECK(strcmp(line, want) == 0, "%u threads: %s, not %s", e->threads, line, want);
}

static void check_file(const char *path, unsigned threads)
{
    expected e = { fopen(path, "r"), threads };
    if (!e.f) {
        perror(path);
        exit(1);
    }
    whit_context *context = open_context(threads);
    each_line(context, check_line, &e);
    CHECK(fgetc(e.f) == EOF, "%s: more lines than cases", path);
    whit_context_close(context);
    fclose(e.f);
}

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    puts(line);
}

int main(int argc, char **argv)
{
    const char *set = getenv("WHIT_GOLDEN_THREADS");
    if (argc < 2) {
        whit_context *context = open_context(1);
        each_line(context, print_line, NULL);
        whit_context_close(context);
        return 0;
    }
    char *at = NULL;
    for (const char *left = set ? set : "1 2 3 7"; *left; left = at) {
        const unsigned long threads = strtoul(left, &at, 10);
        if (at == left) break;
        check_file(argv[1], (unsigned)threads);
    }
    return check_result();
}
