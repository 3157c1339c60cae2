/* tests/test_llama2c.c - version 2 of llama2.c's checkpoints: int8 weights in groups that run
 * through a whole matrix.
 *
 * The file is written here as export.py does it (version2_export, quantize_q80), and beside it one
 * of version 1 with the values that the codes stand for: tensors must be the same to the last bit,
 * and answers as near as another order of sums lets them be. In a width of 172 groups of 64 end in
 * the middle of rows. Versions 0 and 1 against other containers: test_containers.c.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <math.h>

#include "jobs.h"

#include "base/bytes.h"

enum { DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT, NUMBERS };

typedef struct shape {
    uint32_t n[NUMBERS];
    int shared;
    uint32_t group;
} shape;

static const shape usual = { { 64, 172, 2, 8, 4, 96, 32 }, 1, 64 };

static void put_u32(st_text *t, uint32_t v)
{
    uint8_t octets[4];
    wh_store32(octets, v);
    st_put(t, octets, 4);
}

static void put_f32(st_text *t, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    put_u32(t, bits);
}

static void put_header(st_text *t, const shape *s, unsigned version)
{
    st_put(t, "24ka", 4);
    put_u32(t, version);
    for (int i = 0; i < NUMBERS; i++) put_u32(t, s->n[i]);
    st_put(t, s->shared ? "\1" : "", 1);
    if (version == 2) put_u32(t, s->group);
    while (t->len < 256) st_put(t, "", 1);
}

/* A group as the exporter makes it; what its codes stand for goes to w. */
static void put_group(float *w, uint32_t n, st_text *codes, st_text *scales)
{
    float most = 0;
    for (uint32_t i = 0; i < n; i++)
        if (fabsf(w[i]) > most) most = fabsf(w[i]);
    const float scale = most / 127.0f;
    put_f32(scales, scale);
    for (uint32_t i = 0; i < n; i++) {
        const int q = most > 0 ? (int)rintf(w[i] / scale) : 0;
        st_put(codes, &(char){ (char)q }, 1);
        w[i] = (float)q * scale;
    }
}

/* Of this many weights, of which some groups are all zero. */
static void put_matrix(st_text *coded, st_text *plain, const shape *s, uint64_t n, check_rng *r)
{
    st_text codes = { 0 }, scales = { 0 };
    float *w = malloc((size_t)n * sizeof *w);
    if (!w) scratch_die("memory");
    for (uint64_t i = 0; i < n; i++) w[i] = i / s->group % 23 == 3 ? 0.0f : 0.1f * check_normal(r);
    for (uint64_t i = 0; i + s->group <= n; i += s->group)
        put_group(w + i, s->group, &codes, &scales);
    st_put(coded, codes.data, codes.len);
    st_put(coded, scales.data, scales.len);
    for (uint64_t i = 0; i < n; i++) put_f32(plain, w[i]);
    free(scales.data);
    free(codes.data);
    free(w);
}

/* The same model as v2.bin and v1.bin. */
static void write_both(const scratch *dir, const shape *s)
{
    const uint64_t dim = s->n[DIM], kv = dim / s->n[HEADS] * s->n[KV_HEADS], ffn = s->n[HIDDEN];
    const uint64_t of_layers[] = { dim * dim, kv * dim,  kv * dim, dim * dim,
                                   ffn * dim, dim * ffn, ffn * dim };
    st_text coded = { 0 }, plain = { 0 };
    check_rng r = { 2 };
    put_header(&coded, s, 2);
    put_header(&plain, s, 1);
    for (uint64_t i = 0; i < dim * (2 * s->n[LAYERS] + 1); i++) {
        const float w = 1.0f + 0.1f * check_normal(&r);
        put_f32(&coded, w);
        put_f32(&plain, w);
    }
    put_matrix(&coded, &plain, s, s->n[VOCAB] * dim, &r);
    for (int k = 0; k < 7; k++)
        for (uint32_t l = 0; l < s->n[LAYERS]; l++) put_matrix(&coded, &plain, s, of_layers[k], &r);
    if (!s->shared) put_matrix(&coded, &plain, s, s->n[VOCAB] * dim, &r);
    scratch_write(dir, "v2.bin", coded.data, coded.len);
    scratch_write(dir, "v1.bin", plain.data, plain.len);
    free(plain.data);
    free(coded.data);
}

/* ---- sound files ----------------------------------------------------------------------------- */

/* Every tensor of v2.bin is that of v1.bin, read whole, and from the middle of a row on. */
static void same_values(const scratch *dir, const shape *s)
{
    char path[SCRATCH_PATH], want[WHIT_SCHEME_TEXT], text[WHIT_SCHEME_TEXT];
    whit_source *a = job_open(scratch_path(dir, "v1.bin", path));
    whit_source *b = job_open(scratch_path(dir, "v2.bin", path));
    const size_t matrices = 1 + 7 * (size_t)s->n[LAYERS] + !s->shared;
    snprintf(want, sizeof want, "int8-g%u-sf32", (unsigned)s->group);
    CHECK(strcmp(whit_source_format(b), "llama2.c int8") == 0, "%s", whit_source_format(b));
    CHECK(strcmp(whit_source_format(a), "llama2.c") == 0, "%s", whit_source_format(a));
    CHECK(whit_source_count(a) == whit_source_count(b) && whit_source_quantized(b) == matrices,
          "%zu tensors, %zu of codes", whit_source_count(b), whit_source_quantized(b));
    for (size_t i = 0; i < whit_source_count(a); i++) {
        const whit_source_tensor *t = whit_source_at(a, i);
        const whit_source_tensor *u = whit_source_at(b, whit_source_find(b, t->tensor.name));
        CHECK(u && u->rows == t->rows && u->cols == t->cols && u->tensor.dtype == WHIT_F32,
              "%s: another shape", t->tensor.name);
        if (!u) continue;
        float *x = job_values(a, t->tensor.name), *y = job_values(b, t->tensor.name);
        CHECK(memcmp(x, y, (size_t)t->tensor.elements * sizeof *x) == 0, "%s: other values",
              t->tensor.name);
        const uint64_t row = t->rows / 2, col = t->cols / 16 * 8;
        CHECK(whit_source_read_f32(b, whit_source_find(b, t->tensor.name), row, 1, col,
                                   t->cols - col, y, NULL) == WHIT_OK &&
                  memcmp(x + row * t->cols + col, y, (size_t)(t->cols - col) * sizeof *x) == 0,
              "%s: other values from the middle on", t->tensor.name);
        if (t->tensor.rank == 2) {
            CHECK(strcmp(whit_scheme_print(&u->scheme, text), want) == 0, "%s", text);
            CHECK(u->scattered == (t->cols % s->group != 0), "%s: scattered", t->tensor.name);
            CHECK(u->tensor.bytes == t->tensor.elements + 4 * (t->tensor.elements / s->group),
                  "%s: its size", t->tensor.name);
        }
        free(x);
        free(y);
    }
    whit_source_close(b);
    whit_source_close(a);
}

static void logits_of(const scratch *dir, const char *name, float *logits, size_t vocab)
{
    static const uint32_t ids[] = { 1, 40, 7, 95, 95, 2 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_model *m = NULL;
    whit_session *session = NULL;
    whit_model_options o;
    whit_model_options_init(&o);
    o.threads = 1;
    whit_status st = whit_model_open(&m, scratch_path(dir, name, path), &o, &err);
    if (st == WHIT_OK) st = whit_session_open(&session, m, 8, &err);
    if (st == WHIT_OK) st = whit_session_feed(session, ids, 6, WHIT_LOGITS_ALL, logits, &err);
    CHECK(st == WHIT_OK && whit_model_describe(m)->vocabulary == vocab, "%s: %s", name, err.msg);
    whit_session_close(session);
    whit_model_close(m);
}

/* The same answers, but for the order of sums. */
static void same_answers(const scratch *dir, const shape *s)
{
    const size_t n = 6 * s->n[VOCAB];
    float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    double most = 0, apart = 0;
    if (!x || !y) scratch_die("memory");
    logits_of(dir, "v1.bin", x, s->n[VOCAB]);
    logits_of(dir, "v2.bin", y, s->n[VOCAB]);
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)x[i] - (double)y[i]);
        if (fabs((double)x[i]) > most) most = fabs((double)x[i]);
        if (!(d <= apart)) apart = d; /* NaN, too */
    }
    CHECK(most > 0.1 && apart <= 1e-5 * most, "%g apart of %g", apart, most);
    free(x);
    free(y);
}

/* The group of export.py's documentation: {-2, 1, 0.5, 0}. */
static void known_group(const scratch *dir)
{
    static const unsigned char scale[4] = { 0x04, 0x02, 0x81, 0x3c };
    static const signed char q[4] = { -127, 64, 32, 0 };
    char path[SCRATCH_PATH];
    const shape s = { { 4, 4, 1, 1, 1, 4, 4 }, 1, 4 };
    size_t len;
    write_both(dir, &s);
    unsigned char *file = scratch_read(scratch_path(dir, "v2.bin", path), &len);
    memcpy(file + 256 + 12 * 4, q, 4); /* the first of tok_embeddings' four groups */
    memcpy(file + 256 + 12 * 4 + 16, scale, 4);
    scratch_write(dir, "v2.bin", file, len);
    free(file);
    whit_source *src = job_open(path);
    float *v = job_values(src, "tok_embeddings.weight");
    const float step = 2.0f / 127.0f;
    CHECK(v[0] == -127 * step && v[1] == 64 * step && v[2] == 32 * step && v[3] == 0.0f,
          "%a %a %a %a", (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
    free(v);
    whit_source_close(src);
}

/* Quantized already: only with requantize, and sound for the check. */
static void in_jobs(const scratch *dir)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_job_options o;
    whit_check *c = NULL;
    job j;
    scratch_path(dir, "v2.bin", in);
    scratch_path(dir, "out.safetensors", out);
    CHECK(job_plan(&j, in, out, &(job_ask){ 0 }) == WHIT_ERR_UNSUPPORTED &&
              strstr(j.err.msg, "is quantized already (int8-g64-sf32)"),
          "%s", j.err.msg);
    job_close(&j);
    job_quantize(in, out, &(job_ask){ .scheme = "int8-g64-sf32", .requantize = 1 });
    remove(out);
    CHECK(job_dequantize(in, out, WHIT_F32, 2, &err) == WHIT_OK, "%s", err.msg);
    remove(out);
    whit_source *src = job_open(in);
    whit_job_options_init(&o);
    CHECK(whit_check_run(&c, src, &o, &err) == WHIT_OK && whit_check_problems(c) == 0, "%s",
          c && whit_check_problems(c) ? whit_check_problem(c, 0) : err.msg);
    whit_check_free(c);
    whit_source_close(src);
}

/* ---- hostile files --------------------------------------------------------------------------- */

static void hostile(const scratch *dir)
{
    static const struct {
        const char *name;
        size_t at; /* 32 bits there become: */
        uint32_t value;
        int longer; /* octets more than there should be */
        const char *says;
    } cases[] = {
        { "sound", 37, 64, 0, NULL },
        { "a group of 0", 37, 0, 0, "groups of 0 weights" },
        { "of 1", 37, 1, 0, "groups of 1 weights" },
        { "negative", 37, 0xffffffc0, 0, "groups of -64 weights" },
        { "larger than any scheme's", 37, 65537, 0, "groups of 65537 weights" },
        { "no whole groups", 37, 48, 0, "groups of 48 weights do not divide" },
        { "a smaller group", 37, 32, 0, "by its header it has" },
        { "cut short", 37, 64, -1, "by its header it has" },
        { "trailing bytes", 37, 64, 1, "by its header it has" },
        { "without data", 37, 64, -1000000, "by its header it has" },
        { "not zero behind the group", 41, 0x100, 0, "does not end with zeros" },
        { "nor before the data", 252, 0x01000000, 0, "does not end with zeros" },
        { "heads do not divide", 20, 7, 0, "heads do not divide" },
        { "a width of 0", 8, 0, 0, "the numbers in its header are of no model" },
        { "version 3", 4, 3, 0, "version 3 is not read" },
    };
    char path[SCRATCH_PATH];
    size_t len;
    write_both(dir, &usual);
    unsigned char *file = scratch_read(scratch_path(dir, "v2.bin", path), &len);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_source *src = NULL;
        const int longer = cases[i].longer < -1 ? 256 - (int)len : cases[i].longer;
        const size_t size = (size_t)((int)len + longer);
        unsigned char *bad = calloc(1, len + 1);
        if (!bad) scratch_die("memory");
        memcpy(bad, file, len);
        wh_store32(bad + cases[i].at, cases[i].value);
        scratch_write(dir, "bad.bin", bad, size);
        free(bad);
        whit_status st = whit_source_open(&src, scratch_path(dir, "bad.bin", path), &err);
        CHECK(cases[i].says ? st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED : st == WHIT_OK,
              "%s: %d: %s", cases[i].name, (int)st, err.msg);
        CHECK(!cases[i].says || (strstr(err.msg, cases[i].says) && job_one_line(&err)), "%s: %s",
              cases[i].name, err.msg);
        whit_source_close(src);
    }
    free(file);
}

int main(void)
{
    static const shape shapes[] = {
        { { 64, 172, 2, 8, 4, 96, 32 }, 1, 64 }, { { 64, 172, 2, 8, 4, 96, 32 }, 0, 64 },
        { { 64, 128, 1, 4, 4, 96, 32 }, 0, 32 }, { { 64, 172, 1, 8, 2, 96, 32 }, 1, 4 },
        { { 96, 64, 1, 6, 3, 96, 32 }, 1, 32 },  { { 64, 16, 1, 8, 8, 96, 32 }, 1, 1024 },
    };
    scratch dir;
    scratch_make(&dir);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        write_both(&dir, &shapes[i]);
        same_values(&dir, &shapes[i]);
        same_answers(&dir, &shapes[i]);
    }
    known_group(&dir);
    write_both(&dir, &usual);
    in_jobs(&dir);
    hostile(&dir);
    scratch_remove(&dir);
    return check_result();
}
