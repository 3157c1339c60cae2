/* tests/test_fake.c - fake quantization: floats on the grid, and what a second pass moves.
 *
 *   test_fake DATA          checks; prints the shares that README states
 *
 * Files in F32, F16 and BF16 are made from the bundled model, fake-quantized, and fake-quantized
 * again with the same scheme. Names, shapes and types stay; kept tensors keep their bytes.
 * Symmetric schemes and tables in F32 move nothing; asymmetric ones may move by a step in few
 * groups; F16 files by at most 2 units in the last place, BF16 by 1.
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* scratch.h */
#include <whit/whit.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "check.h"
#include "scratch.h"

static const char *const schemes[] = { "int8-channel",  "int4-channel",     "int4-g64",
                                       "int4-g128",     "int3-g32",         "int2-g64",
                                       "int4-tensor",   "nf4-g64",          "fp4-g32",
                                       "mxfp4",         "fp8_e4m3",         "fp8_e5m2-g32",
                                       "int4-g64-asym", "int8-channel-asym" };

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
    uint64_t weights, changed;
    int32_t most; /* units in the last place */
    double step;  /* largest move over the largest magnitude of the tensor */
} moved;

static moved compare(const char *a, const char *b, whit_dtype type)
{
    moved m = { 0 };
    size_t lost = 0;
    whit_source *x = NULL, *y = NULL;
    whit_error err = { WHIT_OK, "" };
    int ok = whit_source_open(&x, a, &err) == WHIT_OK && whit_source_open(&y, b, &err) == WHIT_OK;
    CHECK(ok && whit_source_count(x) == whit_source_count(y), "%s", err.msg);
    for (size_t i = 0; ok && i < whit_source_count(x); i++) {
        const whit_source_tensor *s = whit_source_at(x, i);
        size_t k = whit_source_find(y, s->tensor.name), n = (size_t)s->tensor.elements;
        float *v = malloc(2 * n * sizeof *v), *w = v + n, amax = 0;
        lost += k == WHIT_NOT_FOUND || whit_source_at(y, k)->stored != type || s->stored != type;
        if (lost) {
            free(v);
            break;
        }
        whit_source_read_f32(x, i, 0, s->rows, 0, s->cols, v, NULL);
        whit_source_read_f32(y, k, 0, s->rows, 0, s->cols, w, NULL);
        for (size_t j = 0; j < n; j++) amax = fmaxf(amax, fabsf(v[j]));
        for (size_t j = 0; j < n; j++) {
            int32_t d = abs(place(type, v[j]) - place(type, w[j]));
            m.changed += d != 0;
            if (d > m.most) m.most = d;
            m.step = fmax(m.step, fabs((double)v[j] - (double)w[j]) / (double)amax);
        }
        m.weights += n;
        free(v);
    }
    CHECK(lost == 0, "%s: names and types stay", b);
    whit_source_close(x);
    whit_source_close(y);
    return m;
}

int main(int argc, char **argv)
{
    static const struct {
        whit_dtype type;
        const char *rule; /* turns every tensor into the type */
        int32_t most;     /* units in the last place that symmetric schemes may move */
    } files[] = { { WHIT_F32, "*=f32", 0 }, { WHIT_F16, NULL, 2 }, { WHIT_BF16, "*=bf16", 1 } };
    char base[SCRATCH_PATH], once[SCRATCH_PATH], twice[SCRATCH_PATH], model[SCRATCH_PATH];
    scratch s;
    if (argc != 2) return 2;
    scratch_make(&s);
    snprintf(model, sizeof model, "%s/stories260K", argv[1]);
    scratch_path(&s, "base.safetensors", base);
    scratch_path(&s, "once.safetensors", once);
    scratch_path(&s, "twice.safetensors", twice);
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        if (fake(model, base, "keep", files[f].rule, 0) != WHIT_OK) break;
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            whit_scheme scheme;
            whit_scheme_parse(&scheme, schemes[i], NULL);
            fake(base, once, schemes[i], NULL, 1);
            fake(once, twice, schemes[i], NULL, 1);
            moved m = compare(once, twice, files[f].type);
            double share = (double)m.changed / (double)m.weights;
            printf("%s %s: %.4f %% of the weights move, by at most %d units, %.3g of the largest\n",
                   whit_dtype_name(files[f].type), schemes[i], 100 * share, (int)m.most, m.step);
            if (scheme.asym) /* a step of codes, and that in few groups: README has the shares */
                CHECK(m.step <= 2.0 / ((1 << scheme.bits) - 1), "%s: %g", schemes[i], m.step);
            else
                CHECK(m.most <= files[f].most, "%s %s: %d units", whit_dtype_name(files[f].type),
                      schemes[i], (int)m.most);
        }
    }
    scratch_remove(&s);
    return check_result();
}
