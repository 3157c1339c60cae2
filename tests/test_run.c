/* tests/test_run.c - quantize as a stream: what is in the file is what whit_quantize gives in
 * memory, whatever the tiles and threads; kept bytes, conversions, the report.
 *
 * What stops a job is in test_stop.c, what is done with its output in test_values.c.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <float.h>
#include <math.h>

#include "jobs.h"

/* Normal values with what is special mixed in, a whole row of it here and there. */
static float *make_values(size_t rows, size_t cols, uint64_t seed)
{
    check_rng r = { seed };
    float *w = malloc(rows * cols * sizeof *w + 1);
    if (!w) scratch_die("values");
    for (size_t i = 0; i < rows * cols; i++) w[i] = check_normal(&r);
    for (size_t k = 0; k < rows; k++) {
        float *row = w + k * cols;
        switch (check_below(&r, 12)) {
        case 0:
            for (size_t c = 0; c < cols; c++) row[c] = c % 2 ? -0.0f : 0.0f;
            break;
        case 1:
            for (size_t c = 0; c < cols; c++) row[c] = -2.5f;
            break;
        case 2:
            for (size_t c = 0; c < cols; c++) row[c] = fabsf(row[c]) * 1e-6f;
            break;
        case 3:
            row[check_below(&r, cols)] = 1000.0f;
            break;
        case 4:
            row[check_below(&r, cols)] = FLT_MIN / 8;
            break;
        default:
            break;
        }
    }
    return w;
}

typedef struct expected {
    uint8_t *codes, *zero;
    float *scale, *decoded;
    size_t scales;
} expected;

static expected in_memory(const float *w, size_t rows, size_t cols, const whit_scheme *scheme,
                          whit_clip clip)
{
    uint64_t r, c;
    whit_error err = { WHIT_OK, "" };
    whit_quant_spec spec = { sizeof spec, *scheme, clip, 0 };
    whit_scheme_scales(scheme, rows, cols, &r, &c);
    expected e = { malloc(rows * cols), malloc((size_t)(r * c)), NULL, NULL, (size_t)(r * c) };
    e.scale = malloc(e.scales * sizeof *e.scale);
    e.decoded = malloc(rows * cols * sizeof *e.decoded);
    uint8_t *zero = scheme->asym ? e.zero : NULL;
    whit_status st = whit_quantize(w, rows, cols, &spec, e.codes, e.scale, zero, NULL, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    whit_dequantize(e.codes, e.scale, zero, rows, cols, scheme, e.decoded, NULL);
    return e;
}

static void forget(expected *e)
{
    free(e->codes);
    free(e->zero);
    free(e->scale);
    free(e->decoded);
}

/* The stored planes of one tensor, bit for bit, and what the source reads of them. */
static void check_planes(const whit_source *o, const char *name, const expected *e,
                         const char *what)
{
    const whit_source_tensor *t = whit_source_at(o, whit_source_find(o, name));
    size_t rows = (size_t)t->rows, cols = (size_t)t->cols, len, row;
    char plane[64];
    snprintf(plane, sizeof plane, "%.40s.q", name);
    unsigned char *q = job_bytes(o, plane, &len), *packed;
    row = whit_packed_bytes(cols, t->scheme.bits);
    packed = malloc(row);
    size_t wrong = len != rows * row;
    for (size_t r = 0; r < rows && !wrong; r++) {
        whit_pack_bits(e->codes + r * cols, cols, t->scheme.bits, packed);
        wrong += memcmp(packed, q + r * row, row) != 0;
    }
    CHECK(wrong == 0, "%s: %s differs", what, plane);
    free(packed);
    free(q);
    size_t size = whit_dtype_bits(t->scheme.scale_type) / 8;
    unsigned char *want = malloc(e->scales * size);
    whit_dtype_from_f32(t->scheme.scale_type, e->scale, e->scales, want);
    snprintf(plane, sizeof plane, "%.40s.scale", name);
    unsigned char *s = job_bytes(o, plane, &len);
    CHECK(len == e->scales * size && memcmp(s, want, len) == 0, "%s: %s differs", what, plane);
    free(want);
    free(s);
    snprintf(plane, sizeof plane, "%.40s.zero", name);
    unsigned char *z = job_bytes(o, plane, &len);
    CHECK(t->scheme.asym ? len == e->scales && memcmp(z, e->zero, len) == 0 : !z, "%s: %s", what,
          plane);
    free(z);
    float *v = job_values(o, name);
    CHECK(memcmp(v, e->decoded, rows * cols * sizeof *v) == 0, "%s: %s decodes to other values",
          what, name);
    free(v);
}

typedef struct matrix {
    const char *name, *dtype;
    size_t rows, cols;
} matrix;

/* Write the matrices; w[i] receives the values that the file holds, after rounding to its type. */
static void write_matrices(const scratch *s, const char *name, const matrix *m, size_t count,
                           float **w)
{
    st_build b = { 0 };
    for (size_t i = 0; i < count; i++) {
        whit_dtype type = whit_dtype_parse(m[i].dtype);
        size_t n = m[i].rows * m[i].cols, size = whit_dtype_bits(type) / 8;
        unsigned char *bytes = calloc(n, size);
        check_rng r = { i };
        w[i] = make_values(m[i].rows, m[i].cols, 17 + i);
        if (type == WHIT_F64) {
            for (size_t k = 0; k < n; k++) {
                const double v = (double)w[i][k] * (1.0 + 1e-9);
                uint64_t bits;
                memcpy(&bits, &v, sizeof bits);
                wh_store64(bytes + 8 * k, bits);
            }
        } else if (whit_dtype_from_f32(type, w[i], n, bytes) != WHIT_OK) {
            for (size_t k = 0; k < n; k++)
                bytes[k] = (unsigned char)(check_below(&r, 120) | (k % 2 << 7));
        }
        whit_dtype_to_f32(type, bytes, n, w[i]);
        const uint64_t shape[2] = { m[i].rows, m[i].cols };
        const int vector = m[i].rows == 0;
        st_add_octets(&b, m[i].name, m[i].dtype, vector ? 1 : 2, shape + vector, bytes, n * size);
        free(bytes);
    }
    st_write(&b, s, name);
}

static void check_scheme(const scratch *s, const char *in, const matrix *m, size_t count,
                         float *const *w, const char *text, whit_clip clip, unsigned threads)
{
    char out[SCRATCH_PATH], rule[64];
    job_ask ask = { .rules = { rule }, .clip = clip, .job = { .threads = threads, .force = 1 } };
    whit_scheme scheme;
    snprintf(rule, sizeof rule, "*=%s", text);
    job_quantize(in, scratch_path(s, "run.safetensors", out), &ask);
    CHECK(whit_scheme_parse(&scheme, text, NULL) == WHIT_OK, "%s", text);
    whit_source *o = job_open(out);
    for (size_t i = 0; i < count; i++) {
        expected e = in_memory(w[i], m[i].rows, m[i].cols, &scheme, clip);
        check_planes(o, m[i].name, &e, text);
        forget(&e);
    }
    whit_source_close(o);
}

static void small(const scratch *s)
{
    static const matrix m[] = {
        { "a", "F32", 37, 65 },     { "b", "F32", 64, 1 },  { "c", "F16", 9, 130 },
        { "d", "BF16", 1, 7 },      { "e", "F64", 20, 33 }, { "f", "F8_E4M3", 16, 100 },
        { "g", "F8_E5M2", 31, 31 },
    };
    static const char *const grans[] = { "tensor", "channel", "g2", "g3", "g7", "g32", "g128" };
    float *w[sizeof m / sizeof m[0]];
    char in[SCRATCH_PATH], text[64];
    const size_t count = sizeof m / sizeof m[0];
    write_matrices(s, "small.safetensors", m, count, w);
    scratch_path(s, "small.safetensors", in);
    for (unsigned kind = 0; kind < 15; kind++) /* int2 .. int8, the same asym, nf4 */
        for (size_t g = 0; g < sizeof grans / sizeof grans[0]; g++) {
            static const char *const types[] = { "sf32", "sf16", "sbf16" };
            const char *type = types[(kind + g) % 3];
            if (kind == 14)
                snprintf(text, sizeof text, "nf4-%s-%s", grans[g], type);
            else
                snprintf(text, sizeof text, "int%u-%s%s-%s", 2 + kind % 7, grans[g],
                         kind < 7 ? "" : "-asym", type);
            check_scheme(s, in, m, count, w, text, kind % 2 ? WHIT_CLIP_DEFAULT : WHIT_CLIP_MINMAX,
                         1 + (unsigned)g % 2);
        }
    check_scheme(s, in, m, count, w, "int2-g5-asym-sf32", WHIT_CLIP_MSE, 2);
    check_scheme(s, in, m, count, w, "int8-channel-asym", WHIT_CLIP_MSE, 2);
    check_scheme(s, in, m, count, w, "int8-tensor", WHIT_CLIP_MSE, 2);
    for (size_t i = 0; i < count; i++) free(w[i]);
    remove(in);
}

/* Larger than a tile: many rows, rows longer than a tile, a row that is one column too long. */
static void large(const scratch *s)
{
    static const matrix m[] = { { "tall", "F16", 4001, 67 },
                                { "long", "BF16", 2, 300007 },
                                { "over", "F32", 1, 262145 } };
    static const struct {
        const char *scheme;
        whit_clip clip;
    } cases[] = {
        /* clang-format off */
        { "int3-g7",           WHIT_CLIP_MINMAX }, { "int3-channel",      WHIT_CLIP_DEFAULT },
        { "int4-g65535",       WHIT_CLIP_DEFAULT }, { "int5-g100-asym",   WHIT_CLIP_MINMAX },
        { "int7-g1025",        WHIT_CLIP_MINMAX }, { "int2-tensor",       WHIT_CLIP_DEFAULT },
        { "int8-tensor-asym",  WHIT_CLIP_DEFAULT }, { "int8",             WHIT_CLIP_DEFAULT },
        { "nf4-tensor",        WHIT_CLIP_MINMAX }, { "nf4-g65536",        WHIT_CLIP_MINMAX },
        { "int6-channel-asym-sbf16", WHIT_CLIP_MINMAX }, { "int3-tensor-asym", WHIT_CLIP_MSE },
        /* clang-format on */
    };
    float *w[3];
    char in[SCRATCH_PATH];
    write_matrices(s, "large.safetensors", m, 3, w);
    scratch_path(s, "large.safetensors", in);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_scheme(s, in, m, 3, w, cases[i].scheme, cases[i].clip, 1 + (unsigned)i % 3);
    for (size_t i = 0; i < 3; i++) free(w[i]);
}

/* The same bytes from any number of threads; uses the file of large(). */
static void threads(const scratch *s)
{
    static const char *const schemes[] = { "int4-g64", "int3-channel", "int4-tensor-asym", "f32" };
    static const unsigned counts[] = { 2, 8 };
    char in[SCRATCH_PATH], one[SCRATCH_PATH], many[SCRATCH_PATH];
    scratch_path(s, "large.safetensors", in);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        job_ask ask = { .scheme = schemes[i],
                        .rules = { "tall=int8-tensor" },
                        .job = { .threads = 1, .force = 1 } };
        job_quantize(in, scratch_path(s, "one.safetensors", one), &ask);
        for (size_t k = 0; k < 2; k++) {
            ask.job.threads = counts[k];
            job_quantize(in, scratch_path(s, "many.safetensors", many), &ask);
            CHECK(job_same_file(one, many), "%s: %u threads", schemes[i], counts[k]);
        }
    }
    remove(one);
    remove(many);
    remove(in);
}

/* Every type, bytes that mean anything or nothing. */
static void kept(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], name[16];
    check_rng r = { 5 };
    size_t n, m;
    for (uint64_t cols = 40; cols <= 400000; cols *= 10000) {
        st_build b = { 0 };
        for (int t = 0; t < WHIT_BLOCKS; t++) {
            if (cols > 40 && t % 4) continue; /* larger than a tile too, but not all of them */
            size_t bytes = (size_t)cols * whit_dtype_bits((whit_dtype)t) / 8 * 3;
            unsigned char *data = malloc(bytes);
            for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)check_u64(&r);
            snprintf(name, sizeof name, "t%d", t);
            const uint64_t shape[2] = { 3, cols };
            st_add_octets(&b, name, whit_dtype_name((whit_dtype)t), 2, shape, data, bytes);
            free(data);
        }
        st_write(&b, s, "kept.safetensors");
        job_ask ask = { .scheme = "keep", .job = { .threads = 2, .force = 1 } };
        job_quantize(scratch_path(s, "kept.safetensors", in),
                     scratch_path(s, "kept-out.safetensors", out), &ask);
        whit_source *i = job_open(in), *o = job_open(out);
        CHECK(whit_source_count(i) == whit_source_count(o), "count");
        for (size_t k = 0; k < whit_source_count(i); k++) {
            const whit_source_tensor *t = whit_source_at(i, k);
            const whit_source_tensor *u = whit_source_at(o, whit_source_find(o, t->tensor.name));
            unsigned char *x = job_bytes(i, t->tensor.name, &n);
            unsigned char *y = job_bytes(o, t->tensor.name, &m);
            CHECK(u && u->tensor.dtype == t->tensor.dtype && y && n == m && !memcmp(x, y, n),
                  "%s is not the same", whit_dtype_name(t->tensor.dtype));
            free(x);
            free(y);
        }
        whit_source_close(i);
        whit_source_close(o);
    }
    remove(in);
    remove(out);
}

/* f16, bf16, f32: the bytes of whit_dtype_from_f32, also of vectors and scalars. */
static void converted(const scratch *s)
{
    static const struct {
        const char *scheme;
        whit_dtype type;
    } to[] = { { "f16", WHIT_F16 }, { "bf16", WHIT_BF16 }, { "f32", WHIT_F32 } };
    static const matrix m[] = { { "f", "F32", 300, 1000 },
                                { "h", "F16", 5, 77 },
                                { "b", "BF16", 3, 9 },
                                { "d", "F64", 4, 4 },
                                { "x", "F8_E4M3", 2, 64 } };
    float *w[5];
    char in[SCRATCH_PATH], out[SCRATCH_PATH], rule[32];
    size_t len;
    write_matrices(s, "convert.safetensors", m, 5, w);
    scratch_path(s, "convert.safetensors", in);
    for (size_t i = 0; i < 3; i++) {
        snprintf(rule, sizeof rule, "*=%s", to[i].scheme);
        job_ask ask = { .rules = { rule }, .job = { .threads = 2, .force = 1 } };
        job_quantize(in, scratch_path(s, "converted.safetensors", out), &ask);
        whit_source *o = job_open(out);
        for (size_t k = 0; k < 5; k++) {
            size_t n = m[k].rows * m[k].cols, size = whit_dtype_bits(to[i].type) / 8;
            unsigned char *want = malloc(n * size), *got = job_bytes(o, m[k].name, &len);
            const whit_source_tensor *t = whit_source_at(o, whit_source_find(o, m[k].name));
            whit_dtype_from_f32(to[i].type, w[k], n, want);
            CHECK(got && len == n * size && !memcmp(want, got, len), "%s to %s", m[k].name,
                  to[i].scheme);
            CHECK(t->stored == to[i].type && t->tensor.dtype == to[i].type,
                  "%s: stored %s, listed %s", m[k].name, whit_dtype_name(t->stored),
                  whit_dtype_name(t->tensor.dtype));
            free(want);
            free(got);
        }
        whit_source_close(o);
    }
    for (size_t i = 0; i < 5; i++) free(w[i]);
    remove(in);
    remove(out);
}

/* The library sums blocks of squares in float32. */
static int near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

/* The report's errors, recomputed from the file. */
static void report(const scratch *s)
{
    static const matrix m[] = { { "a", "F32", 50, 333 },
                                { "b", "F16", 500, 600 },
                                { "c", "F32", 40, 40 },
                                { "d", "BF16", 40, 64 },
                                { "e.norm", "F32", 2, 2 } };
    float *w[5];
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    job_ask ask = { .scheme = "int4-g64", .rules = { "b=int3-tensor", "c=f16", "d=f32" } };
    double all_w2 = 0, all_e2 = 0;
    job j;
    write_matrices(s, "report.safetensors", m, 5, w);
    CHECK(job_run(&j, scratch_path(s, "report.safetensors", in),
                  scratch_path(s, "report-out.safetensors", out), &ask) == WHIT_OK,
          "%s", j.err.msg);
    whit_source *o = job_open(out);
    CHECK(whit_report_count(j.report) == 5 && !whit_report_at(j.report, 5), "one row each");
    for (size_t k = 0; k < 5; k++) {
        const whit_report_row *row = whit_report_at(j.report, k);
        double w2 = 0, e2 = 0, worst = 0;
        size_t i = 0, n;
        while (i < 4 && strcmp(m[i].name, row->entry->source->tensor.name) != 0) i++;
        n = m[i].rows * m[i].cols;
        float *v = job_values(o, m[i].name);
        for (size_t x = 0; x < n; x++) {
            double e = (double)w[i][x] - (double)v[x];
            w2 += (double)w[i][x] * (double)w[i][x];
            e2 += e * e;
            worst = fmax(worst, fabs(e));
        }
        free(v);
        CHECK(near(row->mse, e2 / (double)n), "%s: mse %.12g, not %.12g", m[i].name, row->mse,
              e2 / (double)n);
        CHECK(near(row->max_abs_error, worst), "%s: max %g, not %g", m[i].name, row->max_abs_error,
              worst);
        if (e2 == 0)
            CHECK(row->mse == 0 && isinf(row->sqnr_db) && row->sqnr_db > 0, "%s: %g dB", m[i].name,
                  row->sqnr_db);
        else
            CHECK(near(row->sqnr_db, 10 * log10(w2 / e2)), "%s: %g dB", m[i].name, row->sqnr_db);
        if (!whit_scheme_is_quantized(&row->entry->scheme)) continue;
        all_w2 += w2;
        all_e2 += e2;
    }
    CHECK(near(whit_report_sqnr_db(j.report), 10 * log10(all_w2 / all_e2)),
          "quantized tensors together: %g dB, not %g", whit_report_sqnr_db(j.report),
          10 * log10(all_w2 / all_e2));
    whit_source_close(o);
    job_close(&j);
    for (size_t i = 0; i < 5; i++) free(w[i]);
    remove(in);
    remove(out);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    small(&s);
    large(&s);
    threads(&s);
    kept(&s);
    converted(&s);
    report(&s);
    scratch_remove(&s);
    return check_result();
}
