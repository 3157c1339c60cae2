/* tests/test_values.c - dequantize, compare and check: the jobs that read decoded values.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <math.h>

#include "jobs.h"

/* ---- dequantize ------------------------------------------------------------------------------ */

static void write_model(const scratch *s, const char *name, uint64_t seed)
{
    st_build b = { 0 };
    check_rng r = { seed };
    float w[40 * 130];
    uint16_t h[24 * 64];
    uint64_t cube[3] = { 3, 20, 33 };
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) w[i] = check_normal(&r);
    for (size_t i = 0; i < sizeof h / sizeof h[0]; i++)
        h[i] = (uint16_t)(check_below(&r, 2) << 15 | (0x3000 + check_below(&r, 0xc00)));
    st_meta(&b, "note", "carried");
    st_add2(&b, "a", "F32", 40, 130, w, sizeof w);
    st_add2(&b, "b", "F16", 24, 64, h, sizeof h);
    st_add(&b, "c.experts", "F32", 3, cube, w, 3 * 20 * 33 * 4);
    st_add2(&b, "d", "BF16", 24, 64, h, sizeof h);
    st_add2(&b, "norm", "F32", 0, 130, w, 520);
    st_add2(&b, "half", "F16", 0, 64, h, 128);
    st_add2(&b, "ids", "I64", 0, 4, w, 32);
    st_add(&b, "scalar", "F64", 0, NULL, w, 8);
    st_write(&b, s, name);
}

/* Decoded tensors in the asked type, everything that is stored plain as it is. */
static void check_plain(const whit_source *q, const whit_source *p, whit_dtype type)
{
    const whit_file *f = whit_source_file(q), *g = whit_source_file(p);
    for (size_t i = 0; i < whit_source_count(q); i++) {
        const whit_source_tensor *t = whit_source_at(q, i);
        const char *name = t->tensor.name;
        const whit_source_tensor *u = whit_source_at(p, whit_source_find(p, name));
        int coded = whit_scheme_is_quantized(&t->scheme);
        size_t n = (size_t)t->tensor.elements, len, want_len;
        CHECK(u && u->tensor.dtype == (coded ? type : t->stored) && u->scheme.kind == WHIT_KEEP,
              "%s: type", name);
        if (!u) continue;
        CHECK(u->tensor.rank == t->tensor.rank &&
                  !memcmp(u->tensor.shape, t->tensor.shape, t->tensor.rank * sizeof(uint64_t)),
              "%s: shape", name);
        unsigned char *got = job_bytes(p, name, &len), *want;
        if (coded) {
            float *v = job_values(q, name);
            want_len = n * whit_dtype_bits(type) / 8;
            want = malloc(want_len);
            whit_dtype_from_f32(type, v, n, want);
            free(v);
        } else {
            want = job_bytes(q, name, &want_len);
        }
        CHECK(got && len == want_len && !memcmp(got, want, len), "%s: bytes", name);
        free(got);
        free(want);
    }
    CHECK(whit_source_count(q) == whit_source_count(p) && whit_source_quantized(p) == 0, "count");
    CHECK(!strcmp(whit_source_format(p), "safetensors"), "%s", whit_source_format(p));
    CHECK(whit_file_meta_find(g, 0, "note") && !whit_file_meta_find(g, 0, "whit.tensors") &&
              !whit_file_meta_find(g, 0, "whit.format"),
          "metadata of the source, none of ours");
    CHECK(whit_file_meta_find(f, 0, "whit.tensors") != NULL, "the input has it");
}

static void dequantized(const scratch *s)
{
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    static const char *const schemes[] = { "int4-g32", "int3-channel-asym", "nf4-g64",
                                           "int8-tensor" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], plain[SCRATCH_PATH], again[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    write_model(s, "m.safetensors", 1);
    scratch_path(s, "m.safetensors", in);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        job_ask ask = { .scheme = schemes[i], .rules = { "half=f32", "d=f16" }, .job.force = 1 };
        job_quantize(in, scratch_path(s, "q.safetensors", out), &ask);
        whit_source *q = job_open(out);
        for (size_t k = 0; k < 3; k++) {
            CHECK(job_dequantize(out, scratch_path(s, "p.safetensors", plain), types[k], 1, &err) ==
                      WHIT_OK,
                  "%s", err.msg);
            whit_source *p = job_open(plain);
            check_plain(q, p, types[k]);
            whit_source_close(p);
            CHECK(job_dequantize(out, scratch_path(s, "p8.safetensors", again), types[k], 8,
                                 &err) == WHIT_OK &&
                      job_same_file(plain, again),
                  "8 threads");
            remove(plain);
            remove(again);
        }
        whit_source_close(q);
    }
    remove(out);
}

static void dequantize_refused(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], q[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    float w[32 * 32];
    st_build b = { 0 };
    job_quantize(scratch_path(s, "m.safetensors", in), scratch_path(s, "q.safetensors", q),
                 &(job_ask){ 0 });
    size_t before = job_names(s->path);
    scratch_path(s, "x.safetensors", out);
    CHECK(job_dequantize(q, out, WHIT_F64, 1, &err) == WHIT_ERR_ARG && job_one_line(&err), "F64");
    CHECK(job_dequantize(q, "/tmp/x", WHIT_F32, 1, &err) == WHIT_ERR_ARG, "a folder");
    CHECK(job_dequantize(q, q, WHIT_F32, 1, &err) == WHIT_ERR_ARG, "output = input");
    CHECK(job_dequantize(q, in, WHIT_F32, 1, &err) == WHIT_ERR_ARG && strstr(err.msg, "exists"),
          "%s", err.msg);
    CHECK(job_names(s->path) == before, "debris");
    for (size_t i = 0; i < 32 * 32; i++) w[i] = i == 700 ? 70000.0f : 1.0f;
    st_add2(&b, "w.big", "F32", 32, 32, w, sizeof w);
    st_write(&b, s, "big.safetensors");
    job_quantize(scratch_path(s, "big.safetensors", in), scratch_path(s, "bq.safetensors", q),
                 &(job_ask){ .scheme = "int4-channel" });
    before = job_names(s->path);
    CHECK(job_dequantize(q, out, WHIT_F16, 1, &err) == WHIT_ERR_NUMERIC &&
              strstr(err.msg, "w.big") && strstr(err.msg, "row 21,") &&
              strstr(err.msg, "column 28") && strstr(err.msg, "bq.safetensors") &&
              !strstr(err.msg, "--rule") && job_one_line(&err),
          "file, tensor, row, column, and no hint that dequantize does not take: %s", err.msg);
    CHECK(job_names(s->path) == before, "debris");
    CHECK(job_dequantize(q, out, WHIT_BF16, 1, &err) == WHIT_OK, "%s", err.msg);
}

/* Symmetric schemes find a group that lies on a grid again: quantize(dequantize(x)) is x. With a
 * search the same values may come as mirrored or smaller codes with another scale. */
static void idempotent(const scratch *s)
{
    static const struct {
        const char *scheme;
        whit_clip clip;
    } cases[] = {
        /* clang-format off */
        { "int2-g32",    WHIT_CLIP_MINMAX }, { "int3-g16",    WHIT_CLIP_MINMAX }, { "int4-g7",   WHIT_CLIP_MINMAX },
        { "int5-channel", WHIT_CLIP_MINMAX }, { "int6-tensor", WHIT_CLIP_MINMAX }, { "int7-g64",  WHIT_CLIP_MINMAX },
        { "int8",        WHIT_CLIP_MINMAX }, { "int8-g32",    WHIT_CLIP_MINMAX }, { "int4-g64",  WHIT_CLIP_MSE },
        { "int4-g64-sf32", WHIT_CLIP_MSE },  { "int5-channel", WHIT_CLIP_MSE },   { "int3-tensor", WHIT_CLIP_MSE },
        { "nf4-g64",     WHIT_CLIP_MINMAX }, { "nf4-channel", WHIT_CLIP_MINMAX }, { "int8-channel", WHIT_CLIP_MSE },
        /* clang-format on */
    };
    static const char *const names[] = { "a.q",     "a.scale",     "b.q",
                                         "b.scale", "c.experts.q", "c.experts.scale" };
    char in[SCRATCH_PATH], q1[SCRATCH_PATH], q2[SCRATCH_PATH], p[SCRATCH_PATH], rule[64];
    scratch_path(s, "m.safetensors", in);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(rule, sizeof rule, "?*=%s", cases[i].scheme);
        job_ask ask = { .rules = { rule, "{d,norm,half,scalar}=keep" }, .clip = cases[i].clip };
        job_quantize(in, scratch_path(s, "q1.safetensors", q1), &ask);
        CHECK(job_dequantize(q1, scratch_path(s, "p1.safetensors", p), WHIT_F32, 2, NULL) ==
                  WHIT_OK,
              "dequantize");
        job_quantize(p, scratch_path(s, "q2.safetensors", q2), &ask);
        whit_source *a = job_open(q1), *b = job_open(q2);
        for (size_t k = 0; k < 6 && cases[i].clip == WHIT_CLIP_MINMAX; k++) {
            size_t n, m;
            unsigned char *x = job_bytes(a, names[k], &n), *y = job_bytes(b, names[k], &m);
            CHECK(n == m && n > 0 && !memcmp(x, y, n), "%s: %s is not found again", cases[i].scheme,
                  names[k]);
            free(x);
            free(y);
        }
        for (size_t k = 0; k < 3; k++) {
            static const char *const tensors[] = { "a", "b", "c.experts" };
            const whit_source_tensor *t = whit_source_at(a, whit_source_find(a, tensors[k]));
            float *x = job_values(a, tensors[k]), *y = job_values(b, tensors[k]);
            size_t wrong = 0;
            for (size_t e = 0; e < t->tensor.elements; e++) wrong += x[e] != y[e];
            CHECK(wrong == 0, "%s: %s: %zu values change", cases[i].scheme, tensors[k], wrong);
            free(x);
            free(y);
        }
        whit_source_close(a);
        whit_source_close(b);
        remove(q1);
        remove(q2);
        remove(p);
    }
}

/* ---- compare --------------------------------------------------------------------------------- */

static whit_status compare(const char *a, const char *b, int strict, whit_source *src[2],
                           whit_comparison **c, whit_error *err)
{
    whit_job_options o;
    whit_job_options_init(&o);
    o.strict = strict;
    o.threads = 2;
    src[0] = job_open(a);
    src[1] = job_open(b);
    return whit_compare(c, src[0], src[1], &o, err);
}

static void compare_close(whit_source *src[2], whit_comparison *c)
{
    whit_comparison_free(c);
    whit_source_close(src[0]);
    whit_source_close(src[1]);
}

static const whit_compare_row *row_of(const whit_comparison *c, const char *name)
{
    for (size_t i = 0; i < whit_comparison_count(c); i++)
        if (!strcmp(whit_comparison_at(c, i)->name, name)) return whit_comparison_at(c, i);
    return NULL;
}

/* Two files of one-row tensors; what differs is in the values. */
typedef struct pair {
    const char *name, *dtype;
    size_t cols;
    float a[4], b[4];
} pair;

static void write_pairs(const scratch *s, const pair *p, size_t count)
{
    for (int side = 0; side < 2; side++) {
        st_build b = { 0 };
        for (size_t i = 0; i < count; i++)
            st_add2(&b, p[i].name, p[i].dtype, 0, p[i].cols, side ? p[i].b : p[i].a,
                    p[i].cols * whit_dtype_bits(whit_dtype_parse(p[i].dtype)) / 8);
        st_write(&b, s, side ? "b.safetensors" : "a.safetensors");
    }
}

static void compared(const scratch *s)
{
    static const pair pairs[] = {
        { "nan", "F32", 4, { NAN, 1, 2, 3 }, { -NAN, 1, 2, 3 } },
        { "inf", "F32", 4, { INFINITY, -INFINITY, 0, 1 }, { INFINITY, -INFINITY, -0.0f, 1 } },
        { "half", "F32", 4, { 2, 0, 0, 0 }, { 1, 0, 0, 0 } },
        { "third", "F32", 2, { 3, 4 }, { 3, 3 } },
        { "opposite", "F32", 2, { 0.5f, 0 }, { -0.5f, 0 } },
        { "int same", "I32", 2, { 7, NAN }, { 7, NAN } },
        { "zero", "F32", 3, { 0, 0, 0 }, { 0, 0, 0 } },
    };
    whit_source *src[2];
    whit_comparison *c = NULL;
    whit_error err = { WHIT_OK, "" };
    char a[SCRATCH_PATH], b[SCRATCH_PATH];
    write_pairs(s, pairs, 7);
    scratch_path(s, "a.safetensors", a);
    scratch_path(s, "b.safetensors", b);
    CHECK(compare(a, b, 1, src, &c, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_comparison_count(c) == 7 && whit_comparison_warnings(c) == 0 &&
              !whit_comparison_at(c, 7),
          "rows");
    static const char *const order[] = { "half",     "opposite", "third", "inf",
                                         "int same", "nan",      "zero" };
    for (size_t i = 0; i < 7; i++)
        CHECK(!strcmp(whit_comparison_at(c, i)->name, order[i]), "row %zu: %s, not %s", i,
              whit_comparison_at(c, i)->name, order[i]);
    const whit_compare_row *r = row_of(c, "half"), *t = whit_comparison_total(c);
    CHECK(r->mse == 0.25 && r->max_abs_error == 1 && r->cosine == 1 && r->elements == 4, "half");
    CHECK(fabs(r->sqnr_db - 10 * log10(4.0)) < 1e-12 && fabs(r->share - 1 / 3.0) < 1e-12, "half");
    r = row_of(c, "third");
    CHECK(r->mse == 0.5 && fabs(r->cosine - 21 / (5 * sqrt(18.0))) < 1e-12, "%g", r->cosine);
    r = row_of(c, "opposite");
    CHECK(r->cosine == -1 && r->mse == 0.5 && r->max_abs_error == 1, "opposite");
    for (size_t i = 3; i < 7; i++) {
        r = row_of(c, order[i]);
        CHECK(r->mse == 0 && r->max_abs_error == 0 && isinf(r->sqnr_db) && r->sqnr_db > 0 &&
                  !r->differs && r->share == 0 && r->cosine == 1,
              "%s: mse %g, %g dB, cosine %g", r->name, r->mse, r->sqnr_db, r->cosine);
    }
    CHECK(t->elements == 19 && fabs(t->mse - 3 / 19.0) < 1e-12 && t->max_abs_error == 1, "total");
    CHECK(whit_comparison_passes(c, -6.1) == 1 && whit_comparison_passes(c, -6) == 0, "the worst");
    compare_close(src, c);
}

static void compared_odd(const scratch *s)
{
    static const pair cases[] = {
        { "nan", "F32", 4, { NAN, 1, 2, 3 }, { 0, 1, 2, 3 } },
        { "nan", "F32", 4, { 0, 1, 2, 3 }, { NAN, 1, 2, 3 } },
        { "inf", "F32", 2, { INFINITY, 1 }, { -INFINITY, 1 } },
        { "inf", "F32", 2, { INFINITY, 1 }, { NAN, 1 } },
        { "inf", "F32", 2, { INFINITY, 1 }, { 3e38f, 1 } },
        { "ids", "I32", 2, { 1, 2 }, { 1, 3 } },
        { "flag", "BOOL", 8, { 1, 2 }, { 2, 3 } },
    };
    char a[SCRATCH_PATH], b[SCRATCH_PATH];
    scratch_path(s, "a.safetensors", a);
    scratch_path(s, "b.safetensors", b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_source *src[2];
        whit_comparison *c = NULL;
        whit_error err = { WHIT_OK, "" };
        pair two[2] = { cases[i], { "zz", "F32", 1, { 1 }, { 1.5f } } };
        write_pairs(s, two, 2);
        CHECK(compare(a, b, 0, src, &c, &err) == WHIT_OK, "%s", err.msg);
        const whit_compare_row *r = whit_comparison_at(c, 0), *z = row_of(c, "zz");
        CHECK(!strcmp(r->name, cases[i].name), "case %zu: worst is %s", i, r->name);
        CHECK(whit_comparison_passes(c, -1e9) == 0, "case %zu passes", i);
        if (i < 5)
            CHECK(isinf(r->mse) && isinf(r->max_abs_error) && r->sqnr_db < 0 && r->share == 1 &&
                      !r->differs && z->share == 0,
                  "case %zu: mse %g, %g dB, share %g", i, r->mse, r->sqnr_db, r->share);
        else
            CHECK(r->differs == 1 && whit_comparison_total(c)->differs == 1 && z->share == 1,
                  "case %zu: differs %d", i, r->differs);
        compare_close(src, c);
    }
}

static void compare_refused(const scratch *s)
{
    static const pair alone[] = { { "common", "F32", 1, { 1 }, { 1 } },
                                  { "left", "F32", 1, { 1 }, { 1 } } };
    static const pair right[] = { { "common", "F32", 1, { 1 }, { 1 } },
                                  { "right", "F32", 1, { 1 }, { 1 } } };
    static const pair longer[] = { { "common", "F32", 2, { 1 }, { 1 } } };
    static const pair other[] = { { "other", "F32", 2, { 1 }, { 1 } } };
    static const struct {
        const pair *p;
        size_t count;
        int strict;
        whit_status status;
    } cases[] = { { right, 2, 0, WHIT_OK },          { right, 2, 1, WHIT_ERR_BAR },
                  { longer, 1, 0, WHIT_ERR_FORMAT }, { other, 1, 0, WHIT_ERR_FORMAT },
                  { alone, 2, 1, WHIT_OK },          { alone, 1, 1, WHIT_ERR_BAR } };
    char a[SCRATCH_PATH], b[SCRATCH_PATH], left[SCRATCH_PATH];
    write_pairs(s, alone, 2);
    scratch_path(s, "left.safetensors", left);
    CHECK(rename(scratch_path(s, "a.safetensors", a), left) == 0, "rename");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_source *src[2];
        whit_comparison *c = NULL;
        whit_error err = { WHIT_OK, "" };
        write_pairs(s, cases[i].p, cases[i].count);
        whit_status st =
            compare(left, scratch_path(s, "b.safetensors", b), cases[i].strict, src, &c, &err);
        CHECK(st == cases[i].status && (c != NULL) == (st == WHIT_OK), "case %zu: %d, %s", i,
              (int)st, err.msg);
        CHECK(st == WHIT_OK || job_one_line(&err), "case %zu: %s", i, err.msg);
        if (i == 0 && c) {
            CHECK(whit_comparison_count(c) == 1 && whit_comparison_warnings(c) == 2, "warnings");
            CHECK(strstr(whit_comparison_warning(c, 0), "left") &&
                      strstr(whit_comparison_warning(c, 1), "right"),
                  "%s", whit_comparison_warning(c, 0));
        }
        compare_close(src, c);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    dequantized(&s);
    dequantize_refused(&s);
    idempotent(&s);
    compared(&s);
    compared_odd(&s);
    compare_refused(&s);
    scratch_remove(&s);
    return check_result();
}
