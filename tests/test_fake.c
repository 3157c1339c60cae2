/* tests/test_fake.c - fake quantization: floats on the grid, and what a second pass moves.
 *
 *   test_fake DATA          checks; prints the shares that whit/job.h states
 *
 * Files in F32, F16 and BF16 are made from the bundled model, fake-quantized, and fake-quantized
 * again with the same scheme. Names, shapes and types stay; kept tensors keep their bytes. Nothing
 * moves in F32; F16 files move by at most 2 units in the last place, BF16 by 1. Exceptions are
 * scales that are not searched (8 bits asymmetric, nvfp4's scale2) or quantized in turn (dq). To
 * try the neighbours of a minmax scale too would be another list of candidates than that of
 * quant/range.h. SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* scratch.h */
#include <whit/whit.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "jobs.h"

/* How much of a grid is found again in its values; see the bounds at `files`. */
typedef enum law {
    WHOLE,  /* all of it: the search tries the very scale */
    SCALE,  /* all but the last bits of a scale that is not searched */
    NESTED, /* the scales, which are then quantized in turn: another mean, other steps */
} law;

static const struct {
    const char *name;
    law law;
} schemes[] = {
    /* clang-format off */
    { "int8-channel", WHOLE },     { "int4-channel", WHOLE },  { "int4-g64", WHOLE },
    { "int4-g128", WHOLE },        { "int3-g32", WHOLE },      { "int2-g64", WHOLE },
    { "int4-tensor", WHOLE },      { "nf4-g64", WHOLE },       { "fp4-g32", WHOLE },
    { "mxfp4", WHOLE },            { "fp8_e4m3", WHOLE },      { "fp8_e5m2-g32", WHOLE },
    { "int4-g64-asym", WHOLE },    { "nvfp4", SCALE },         { "int8-channel-asym", SCALE },
    { "fp8_e4m3-block128x128", WHOLE },                        { "nf4-g64-dq", NESTED },
    /* clang-format on */
};

static whit_status fake(const char *in, const char *out, const char *scheme, const char *rule,
                        int fake_quant)
{
    whit_error err = { WHIT_OK, "" };
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_quantize_options o;
    whit_quantize_options_init(&o);
    o.scheme = scheme;
    o.rules = &rule;
    o.rules_count = rule != NULL;
    o.fake_quant = fake_quant;
    o.job.force = 1;
    whit_status st = whit_source_open(&source, in, &err);
    if (st == WHIT_OK) st = whit_plan_make(&plan, source, &o, out, &err);
    if (st == WHIT_OK) st = whit_plan_run(plan, NULL, &err);
    CHECK(st == WHIT_OK, "%s to %s as %s: %s", in, out, scheme, err.msg);
    whit_plan_free(plan);
    whit_source_close(source);
    return st;
}

/* Order of the bit patterns of a type: neighbours differ by 1, the two zeros by nothing. */
static int32_t place(whit_dtype type, float v)
{
    int32_t u = type == WHIT_F16    ? wh_f32_to_f16(fabsf(v))
                : type == WHIT_BF16 ? wh_f32_to_bf16(fabsf(v))
                                    : (int32_t)wh_f32_bits(fabsf(v));
    return v < 0 ? -u : u;
}

typedef struct moved {
    uint64_t weights, changed, rows, ties;
    int32_t most, most_tied; /* units in the last place, in rows without and with a tie */
    double step;             /* largest move over the largest magnitude of the tensor */
} moved;

/* Asymmetric minmax of a row: both ends of the range lie (rounded) on codes 0 and 2^bits - 1, and
 * are found again as the ends of the next range, unless they fall between two codes: then both may
 * be rounded inwards, and a code at one end goes unused. */
static int is_tied(const float *w, size_t n, int bits)
{
    const float levels = (float)((1 << bits) - 1);
    float min = 0, max = 0;
    for (size_t j = 0; j < n; j++) {
        min = fminf(min, w[j]);
        max = fmaxf(max, w[j]);
    }
    const float scale = (max - min) / levels;
    return rintf(-min / scale) + rintf(max / scale) < levels;
}

/* A tensor before quantization, after it, after the second; [rows][cols]. */
static void add_tensor(moved *m, const float *base, const float *v, const float *w, size_t rows,
                       size_t cols, whit_dtype type, int bits)
{
    float amax = 0;
    for (size_t j = 0; j < rows * cols; j++) amax = fmaxf(amax, fabsf(v[j]));
    for (size_t r = 0; r < rows; r++) {
        const int tied = is_tied(base + r * cols, cols, bits);
        int32_t *most = tied ? &m->most_tied : &m->most;
        m->ties += (uint64_t)tied;
        for (size_t j = r * cols; j < (r + 1) * cols; j++) {
            const int32_t d = abs(place(type, v[j]) - place(type, w[j]));
            m->changed += d != 0;
            if (d > *most) *most = d;
            m->step = fmax(m->step, fabs((double)v[j] - (double)w[j]) / (double)amax);
        }
    }
    m->rows += rows;
    m->weights += rows * cols;
}

/* The values of a tensor of this type; NULL: it is another one, or not there. */
static float *values_of(const whit_source *s, const char *name, whit_dtype type)
{
    const whit_source_tensor *t = whit_source_at(s, whit_source_find(s, name));
    return t && t->stored == type ? job_values(s, name) : NULL;
}

/* path: the file before quantization, after it, after the second. bits: of minmax codes. */
static moved compare(char path[3][SCRATCH_PATH], whit_dtype type, int bits)
{
    moved m = { 0 };
    whit_source *s[3];
    for (int k = 0; k < 3; k++) s[k] = job_open(path[k]);
    CHECK(whit_source_count(s[1]) == whit_source_count(s[2]), "%s: a tensor more", path[2]);
    for (size_t i = 0; i < whit_source_count(s[1]); i++) {
        const whit_source_tensor *t = whit_source_at(s[1], i);
        float *v[3];
        for (int k = 0; k < 3; k++) v[k] = values_of(s[k], t->tensor.name, type);
        CHECK(v[0] && v[1] && v[2], "%s: %s: names and types stay", path[2], t->tensor.name);
        if (v[0] && v[1] && v[2])
            add_tensor(&m, v[0], v[1], v[2], (size_t)t->rows, (size_t)t->cols, type, bits);
        for (int k = 0; k < 3; k++) free(v[k]);
    }
    for (int k = 0; k < 3; k++) whit_source_close(s[k]);
    return m;
}

/*
 * With u the rounding error of the file's type (2^-24, 2^-11, 2^-8):
 *
 * SCALE: the ends of what shares a scale are within u of where they were, unless a row of
 * asymmetric codes is tied, so the second scale is within u of the first (F32: 3u, with the errors
 * of the arithmetic). A value divided by it is within 255 * 2u of its code, less than half for F32
 * and F16, whose codes and zero points therefore stay. What moves is the scale, the value with it
 * by u, and the rounding to the type: at most 2 units (F32: 5u are no more than 5 units). In BF16
 * codes of magnitude 64 and more may change; half a step there is 2 units, the rounding another.
 * Ties are rare: the ends of a row are whole numbers m of its smallest unit, and of about 2^11 of
 * them (BF16: 2^8) 510 m must be an odd multiple. One row in 255, and 8 times as many in BF16, is
 * several times what chance brings about.
 *
 * NESTED: a scale moves by at most half the widest step of the map of quant/nested.c, 0.9 / 64, of
 * the largest, and the values are rounded twice.
 *
 * The shares are what whit/job.h says of int8-channel-asym, rounded up: nothing may make them
 * larger.
 */
static const struct {
    whit_dtype type;
    const char *rule;     /* turns every tensor into the type */
    int32_t whole, scale; /* units in the last place that weights may move */
    double u, share, ties;
} files[] = {
    { WHIT_F32, "*=f32", 0, 5, 0x1p-24, 0.012, 1.0 / 255 },
    { WHIT_F16, NULL, 2, 2, 0x1p-11, 0.049, 1.0 / 255 },
    { WHIT_BF16, "*=bf16", 1, 3, 0x1p-8, 0.050, 8.0 / 255 },
};

static void judge(const moved *m, size_t f, size_t i, const whit_scheme *scheme)
{
    const char *type = whit_dtype_name(files[f].type), *name = schemes[i].name;
    const double share = (double)m->changed / (double)m->weights;
    const int32_t most = m->most > m->most_tied ? m->most : m->most_tied;
    printf("%s %s: %.4f %% of the weights move, by at most %d units, %.3g of the largest\n", type,
           name, 100 * share, (int)most, m->step);
    if (schemes[i].law == NESTED) {
        CHECK(m->step <= 0.9 / 128 + 2 * files[f].u, "%s %s: %g", type, name, m->step);
    } else if (!scheme->asym || schemes[i].law == WHOLE) {
        const int32_t may = schemes[i].law == WHOLE ? files[f].whole : files[f].scale;
        CHECK(most <= may, "%s %s: %d units", type, name, (int)most);
    } else {
        printf("    %llu of %llu rows tied; others move by at most %d units\n",
               (unsigned long long)m->ties, (unsigned long long)m->rows, (int)m->most);
        CHECK(m->most <= files[f].scale, "%s: %d units without a tie", type, (int)m->most);
        CHECK(m->step <= 2.0 / ((1 << scheme->bits) - 1), "%s: more than a step: %g", type,
              m->step);
        CHECK((double)m->ties <= files[f].ties * (double)m->rows, "%s: %llu ties", type,
              (unsigned long long)m->ties);
        CHECK(share <= files[f].share, "%s %s: %g of the weights", type, name, share);
    }
}

/* Values that the type of the source cannot hold: its largest over 7, rounded up, times 7. */
static void test_too_large(const scratch *s)
{
    static const struct {
        const char *dtype;
        uint16_t most;
    } types[] = { { "F16", 0x7bff }, { "BF16", 0x7f7f } };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    scratch_path(s, "most.safetensors", in);
    scratch_path(s, "none.safetensors", out);
    for (size_t t = 0; t < 2; t++) {
        uint16_t w[64 * 64];
        st_build b = { 0 };
        job j;
        for (size_t i = 0; i < 64 * 64; i++) w[i] = (uint16_t)(i % 32 ? 0x0400 : types[t].most);
        st_add2(&b, "m.weight", types[t].dtype, 64, 64, w, sizeof w);
        st_write(&b, s, "most.safetensors");
        const job_ask ask = { .scheme = t ? "int4-g32-sbf16" : "int4-g32",
                              .clip = WHIT_CLIP_MINMAX,
                              .fake_quant = 1 };
        CHECK(job_run(&j, in, out, &ask) == WHIT_ERR_NUMERIC &&
                  strstr(j.err.msg, "m.weight: row 0, column 0 is too large for the type; try: "),
              "%s: %s", types[t].dtype, j.err.msg);
        job_close(&j);
    }
}

int main(int argc, char **argv)
{
    char path[3][SCRATCH_PATH], model[SCRATCH_PATH];
    scratch s;
    if (argc != 2) return 2;
    scratch_make(&s);
    snprintf(model, sizeof model, "%s/stories260K", argv[1]);
    scratch_path(&s, "base.safetensors", path[0]);
    scratch_path(&s, "once.safetensors", path[1]);
    scratch_path(&s, "twice.safetensors", path[2]);
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        if (fake(model, path[0], "keep", files[f].rule, 0) != WHIT_OK) break;
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            whit_scheme scheme;
            whit_scheme_parse(&scheme, schemes[i].name, NULL);
            fake(path[0], path[1], schemes[i].name, NULL, 1);
            fake(path[1], path[2], schemes[i].name, NULL, 1);
            const moved m = compare(path, files[f].type, (int)scheme.bits);
            judge(&m, f, i, &scheme);
        }
    }
    test_too_large(&s);
    scratch_remove(&s);
    return check_result();
}
