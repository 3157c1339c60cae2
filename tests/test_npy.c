/* tests/test_npy.c - NumPy arrays: every sentence of the header's grammar, every layout against the
 * plain one element by element, arrays that are kept; and raw files. The verdicts of
 * data/malformed/npy are test_safetensors.c's, with the rest of the manifest.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/job.h>

#include <math.h>

#include "check.h"
#include "scratch.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED
#define D(descr) "{'descr': '" descr "', 'fortran_order': False, 'shape': (2,), }"
#define S(shape) "{'descr': '|u1', 'fortran_order': False, 'shape': " shape "}"

/* A file of this version: the header as it is, then the data. */
static void npy(const scratch *s, const char *name, int version, const char *header, size_t len,
                const void *data, size_t bytes)
{
    size_t start = version == 1 ? 10 : 12;
    unsigned char *all = calloc(start + len + bytes, 1);
    if (!all) scratch_die(name);
    memcpy(all, "\x93NUMPY", 6);
    all[6] = (unsigned char)version;
    for (size_t i = 0; i < start - 8; i++) all[8 + i] = (unsigned char)(len >> 8 * i);
    memcpy(all + start, header, len);
    if (bytes) memcpy(all + start + len, data, bytes);
    scratch_write(s, name, all, start + len + bytes);
    free(all);
}

static const struct {
    const char *header;
    size_t bytes; /* of data */
    whit_status want;
    const char *words; /* in the message; for OK type and shape */
} cases[] = {
    /* clang-format off */
    { D("<f4"), 8, WHIT_OK, "F32 2" },
    { D("<f2"), 4, WHIT_OK, "F16 2" },
    { D(">f8"), 16, WHIT_OK, "F64 2" },
    { D("|i1"), 2, WHIT_OK, "I8 2" },
    { D("<i1"), 2, WHIT_OK, "I8 2" },
    { D("<i2"), 4, WHIT_OK, "I16 2" },
    { D(">i4"), 8, WHIT_OK, "I32 2" },
    { D("<i8"), 16, WHIT_OK, "I64 2" },
    { D("|u1"), 2, WHIT_OK, "U8 2" },
    { D("<u2"), 4, WHIT_OK, "U16 2" },
    { D("<u4"), 8, WHIT_OK, "U32 2" },
    { D(">u8"), 16, WHIT_OK, "U64 2" },
    { D("|b1"), 2, WHIT_OK, "BOOL 2" },
    { S("()"), 1, WHIT_OK, "U8" },
    { S("( )"), 1, WHIT_OK, "U8" },
    { S("(3,)"), 3, WHIT_OK, "U8 3" },
    { S("(2L, 3L)"), 6, WHIT_OK, "U8 2 3" },
    { S("(2,3,)"), 6, WHIT_OK, "U8 2 3" },
    { S("(0, 7)"), 0, WHIT_OK, "U8 0 7" },
    { S("(1,1,1,1,1,1,1,5)"), 5, WHIT_OK, "U8 1 1 1 1 1 1 1 5" },
    { " {\"shape\":(1,),\"fortran_order\":True,\"descr\":\"<i2\"}\t \n", 2, WHIT_OK, "I16 1" },

    { "", 0, FMT, "no dictionary" },
    { "[]", 0, FMT, "no dictionary" },
    { "{}", 0, FMT, "no descr" },
    { "{'descr': '<f4'}", 0, FMT, "no fortran_order" },
    { "{'descr': '<f4', 'fortran_order': False}", 0, FMT, "no shape" },
    { "{'descr': '<f4' 'fortran_order': False}", 0, FMT, "no comma between two keys" },
    { "{'descr' '<f4'}", 0, FMT, "no colon behind a key" },
    { "{'descr': '<f4', 'descr': '<f4'}", 0, FMT, "a key is there twice" },
    { "{'descr': '<f4', 'order': 'C'}", 0, FMT, "a key that is not descr" },
    { "{descr: '<f4'}", 0, FMT, "a key is no plain string" },
    { "{'des\\x63r': '<f4'}", 0, FMT, "a key is no plain string" },
    { "{'descr': '<f4\xe9'}", 0, FMT, "descr is no plain string" },
    { "{'descr': '<f4", 0, FMT, "descr is no plain string" },
    { "{'descr': '<f4\"}", 0, FMT, "descr is no plain string" },
    { "{'descr': None}", 0, FMT, "descr is no plain string" },
    { "{'descr': u'<f4'}", 0, FMT, "descr is no plain string" },
    { "{'descr': '<f4', 'fortran_order': 1}", 0, FMT, "neither True nor False" },
    { "{'descr': '<f4', 'fortran_order': Tru", 0, FMT, "neither True nor False" },
    { "{'descr': '<f4', 'fortran_order': Trueish}", 0, FMT, "no comma between two keys" },
    { S("3"), 3, FMT, "shape is no tuple" },
    { S("(3)"), 3, FMT, "shape is no tuple" },
    { S("[3]"), 3, FMT, "shape is no tuple" },
    { S("(2 3)"), 6, FMT, "shape is no tuple" },
    { S("(,)"), 1, FMT, "something else than whole numbers" },
    { S("(2,,3)"), 6, FMT, "something else than whole numbers" },
    { S("(-3,)"), 3, FMT, "negative dimension" },
    { S("(3.0,)"), 3, FMT, "shape is no tuple" },
    { S("(03,)"), 3, FMT, "something else than whole numbers" },
    { S("(0x3,)"), 3, FMT, "shape is no tuple" },
    { S("(1+2,)"), 3, FMT, "shape is no tuple" },
    { S("(None,)"), 3, FMT, "something else than whole numbers" },
    { S("(18446744073709551616,)"), 0, FMT, "something else than whole numbers" },
    { S("(18446744073709551615,)"), 0, FMT, "below 2^61" },
    { S("(4294967296, 4294967296)"), 0, FMT, "below 2^61" },
    { S("(4294967296, 4294967296, 0)"), 0, FMT, "below 2^61" },
    { S("(2305843009213693951,)"), 0, FMT, "make 2305843009213693951 bytes of data" },
    { S("(1,1,1,1,1,1,1,1,1)"), 1, UNS, "more than 8 dimensions" },
    { S("(3,)") " x", 3, FMT, "something behind the dictionary" },
    { S("(3,)") "}", 3, FMT, "something behind the dictionary" },
    { S("(3,)"), 2, FMT, "make 3 bytes of data, up to byte 68, the file has 67" },
    { S("(3,)"), 4, FMT, "1 bytes behind its 3 bytes of data" },
    { S("(0,)"), 1, FMT, "1 bytes behind its 0 bytes of data" },
    { D("|O"), 16, UNS, "descr |O: pickled Python objects, which are never loaded" },
    { D("<c8"), 16, UNS, "descr <c8: complex numbers" },
    { D("|V2"), 4, UNS, "bfloat16?" },
    { D("<U3"), 24, UNS, "text is no tensor" },
    { D("|S3"), 6, UNS, "text is no tensor" },
    { D("<M8[ns]"), 16, UNS, "dates are no tensor" },
    { D("<f16"), 32, UNS, "descr <f16: this type is not read" },
    { D("|b8"), 2, UNS, "this type is not read" },
    { D("|f4"), 8, UNS, "its byte order is not said" },
    { D("=f4"), 8, UNS, "its byte order is not said" },
    { D("f4"), 8, FMT, "does not begin with '<', '>' or '|'" },
    { D(""), 8, FMT, "does not begin with '<', '>' or '|'" },
    { D("<"), 8, UNS, "this type is not read" },
    { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, UNS, "structured" },
    { "{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,)}", 16, UNS, "structured" },
    /* clang-format on */
};

static void describe(const whit_tensor *t, char text[200])
{
    int n = snprintf(text, 200, "%s", whit_dtype_name(t->dtype));
    for (uint32_t d = 0; d < t->rank; d++)
        n += snprintf(text + n, 200 - (size_t)n, " %llu", (unsigned long long)t->shape[d]);
}

static void test_headers(const scratch *s)
{
    static const unsigned char zeros[64];
    char path[SCRATCH_PATH], text[200];
    scratch_path(s, "a.b.npy", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int version = 1; version <= 3; version++) {
            whit_error err = { WHIT_OK, "" };
            whit_file *f = NULL;
            size_t len = strlen(cases[i].header);
            if (version > 1 && strstr(cases[i].words, "byte 68")) continue;
            npy(s, "a.b.npy", version, cases[i].header, len, zeros, cases[i].bytes);
            whit_status st = whit_file_open(&f, path, &err);
            CHECK(st == cases[i].want, "%s: %d %s", cases[i].header, st, err.msg);
            if (st == WHIT_OK) {
                const whit_tensor *t = whit_file_tensor(f, 0);
                describe(t, text);
                CHECK(whit_file_count(f) == 1 && strcmp(text, cases[i].words) == 0, "%s: %s",
                      cases[i].header, text);
                CHECK(strcmp(t->name, "a.b") == 0 && strcmp(whit_file_format(f), "npy") == 0 &&
                          t->bytes == cases[i].bytes,
                      "%s %s", t->name, whit_file_format(f));
            } else {
                CHECK(strstr(err.msg, cases[i].words) && strstr(err.msg, "a.b.npy: ") && !f,
                      "%s: %s", cases[i].header, err.msg);
            }
            whit_file_close(f);
        }
    }
}

/* Opens, and wants this. */
static void opens(const scratch *s, const char *name, whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    whit_status st = whit_file_open(&f, scratch_path(s, name, path), &err);
    CHECK(st == want && (want == WHIT_OK || strstr(err.msg, words)), "%s: %d %s", name, st,
          err.msg);
    if (st == WHIT_OK)
        CHECK(strcmp(whit_file_tensor(f, 0)->name, words) == 0, "%s: %s", name,
              whit_file_tensor(f, 0)->name);
    whit_file_close(f);
}

static void test_preamble(const scratch *s)
{
    char text[10100];
    unsigned char head[256] = "\x93NUMPY\1\0";
    const char *good = S("(3,)");
    memset(text, ' ', sizeof text);
    memcpy(text, good, strlen(good));
    npy(s, "long.npy", 1, text, 10000, "abc", 3);
    opens(s, "long.npy", WHIT_OK, "long");
    npy(s, "long.npy", 2, text, 10001, "abc", 3);
    opens(s, "long.npy", FMT, "NPY header of 10001 bytes, the limit is 10000");
    text[strlen(good)] = 0;
    npy(s, "nul.npy", 2, text, 100, "abc", 3);
    opens(s, "nul.npy", FMT, "a NUL in it");

    for (size_t n = 6; n < 12; n++) {
        head[6] = n == 11 ? 2 : 1; /* version 2 lacks an octet of the length */
        head[8] = 200;
        scratch_write(s, "short.npy", head, n);
        opens(s, "short.npy", FMT, n < 10 ? "ends before it" : "ends at byte");
    }
    head[6] = 1;
    head[8] = 246;
    scratch_write(s, "end.npy", head, 255);
    opens(s, "end.npy", FMT, "NPY header ends at byte 256, the file has 255");
    for (unsigned v = 0; v < 255; v += 50) {
        head[6] = (unsigned char)v;
        scratch_write(s, "version.npy", head, 256);
        opens(s, "version.npy", UNS, "NPY version");
        head[6] = 1;
        head[7] = (unsigned char)(v + 1);
        scratch_write(s, "version.npy", head, 256);
        opens(s, "version.npy", UNS, "NPY version 1.");
        head[7] = 0;
    }

    static const char *const names[][2] = {
        { "w.npy", "w" },
        { "w", "w" },
        { "w.weight.npy", "w.weight" },
        { "w.NPY", "w.NPY" },
        { ".npy", ".npy" },
        { "npy", "npy" },
        { "\xc3\xa9 \n.npy", "\xc3\xa9 \n" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        npy(s, names[i][0], 1, good, strlen(good), "abc", 3);
        opens(s, names[i][0], WHIT_OK, names[i][1]);
    }
    npy(s, "__metadata__.npy", 1, good, strlen(good), "abc", 3);
    opens(s, "__metadata__.npy", UNS, "none for a tensor");
    npy(s, "\xe9.npy", 1, good, strlen(good), "abc", 3);
    opens(s, "\xe9.npy", UNS, "none for a tensor");
}

/* ---- layouts ---- */

typedef struct layout {
    const char *type; /* "f4" */
    whit_dtype dtype;
    size_t size;
    uint32_t rank;
    size_t shape[4];
} layout;

/* Where element i of the row-major array is in Fortran order. */
static size_t fortran_place(const layout *l, size_t i)
{
    size_t place = 0, index[4] = { 0 }, unit = 1;
    for (uint32_t d = l->rank; d-- > 0; i /= l->shape[d]) index[d] = i % l->shape[d];
    for (uint32_t d = 0; d < l->rank; unit *= l->shape[d++]) place += index[d] * unit;
    return place;
}

static size_t count_of(const layout *l)
{
    size_t n = 1;
    for (uint32_t d = 0; d < l->rank; d++) n *= l->shape[d];
    return n;
}

/* Writes the plain array as an NPY of the order and endianness. */
static void store(const scratch *s, const layout *l, const unsigned char *plain, int fortran,
                  int big)
{
    char header[256];
    size_t n = count_of(l);
    unsigned char *data = calloc(n + 1, l->size);
    if (!data) scratch_die("data");
    for (size_t i = 0; i < n; i++) {
        size_t to = fortran ? fortran_place(l, i) : i;
        for (size_t k = 0; k < l->size; k++)
            data[to * l->size + (big ? l->size - 1 - k : k)] = plain[i * l->size + k];
    }
    int at = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (",
                      big ? '>' : '<', l->type, fortran ? "True" : "False");
    for (uint32_t d = 0; d < l->rank; d++)
        at += snprintf(header + at, sizeof header - (size_t)at, "%zu, ", l->shape[d]);
    at += snprintf(header + at, sizeof header - (size_t)at, ")}\n");
    npy(s, "x.npy", 1, header, (size_t)at, data, n * l->size);
    free(data);
}

/* Octets and floats of the whole and of parts that begin and end anywhere. */
static void check_reads(const whit_file *f, const layout *l, const unsigned char *plain,
                        check_rng *rng, const char *what)
{
    size_t n = count_of(l), bytes = n * l->size;
    unsigned char *got = malloc(bytes + 1);
    float *values = malloc((n + 1) * sizeof *values), *want = malloc((n + 1) * sizeof *want);
    if (!got || !values || !want) scratch_die("memory");
    int floats = whit_dtype_to_f32(l->dtype, plain, n, want) == WHIT_OK;
    for (int k = 0; k < 12; k++) {
        size_t a = k ? (size_t)check_below(rng, bytes + 1) : 0;
        size_t m = k ? (size_t)check_below(rng, bytes - a + 1) : bytes;
        if (k > 8 && m > 9) m = (size_t)k - 9; /* none and a few */
        got[m] = 0xa5;
        whit_status st = whit_file_read(f, 0, a, m, got, NULL);
        CHECK(st == WHIT_OK && memcmp(got, plain + a, m) == 0 && got[m] == 0xa5,
              "%s: %zu octets from %zu", what, m, a);
        if (!floats) continue;
        a /= l->size;
        m = m / l->size < n - a ? m / l->size : n - a;
        values[m] = 7.0f;
        st = whit_file_read_f32(f, 0, a, m, values, NULL);
        CHECK(st == WHIT_OK && memcmp(values, want + a, m * sizeof *want) == 0 && values[m] == 7.0f,
              "%s: %zu floats from %zu", what, m, a);
    }
    CHECK(whit_file_read(f, 0, bytes, 1, got, NULL) == WHIT_ERR_ARG, "%s: beyond", what);
    free(got);
    free(values);
    free(want);
}

static void test_layouts(const scratch *s)
{
    static const layout layouts[] = {
        { "f4", WHIT_F32, 4, 0, { 0 } },
        { "f4", WHIT_F32, 4, 1, { 300 } },
        { "f2", WHIT_F16, 2, 2, { 7, 5 } },
        { "f8", WHIT_F64, 8, 2, { 1, 9 } },
        { "i2", WHIT_I16, 2, 2, { 9, 1 } },
        { "u8", WHIT_U64, 8, 3, { 3, 4, 5 } },
        { "i4", WHIT_I32, 4, 4, { 5, 2, 3, 4 } },
        { "b1", WHIT_BOOL, 1, 3, { 4, 1, 6 } },
        { "f4", WHIT_F32, 4, 4, { 3, 1, 5, 7 } },
        { "f4", WHIT_F32, 4, 2, { 300, 70 } },  /* blocks of columns */
        { "f2", WHIT_F16, 2, 2, { 5000, 11 } }, /* columns longer than a page */
        { "f4", WHIT_F32, 4, 2, { 20000, 3 } }, /* columns longer than the buffer */
        { "u1", WHIT_U8, 1, 3, { 4097, 3, 5 } },
        { "f4", WHIT_F32, 4, 2, { 2, 20000 } },
        { "f8", WHIT_F64, 8, 4, { 640, 3, 3, 7 } },
        { "u1", WHIT_U8, 1, 2, { 70000, 2 } },
    };
    check_rng rng = { 4 };
    char path[SCRATCH_PATH], what[64];
    scratch_path(s, "x.npy", path);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        const layout *l = &layouts[i];
        size_t bytes = count_of(l) * l->size;
        unsigned char *plain = malloc(bytes + 8);
        if (!plain) scratch_die("memory");
        for (size_t k = 0; k < bytes; k++) plain[k] = (unsigned char)check_u64(&rng);
        for (size_t k = 0; k < bytes && l->dtype == WHIT_BOOL; k++) plain[k] &= 1;
        for (int how = 0; how < 4; how++) {
            whit_error err = { WHIT_OK, "" };
            whit_file *f = NULL;
            snprintf(what, sizeof what, "%s of rank %u, %s%s", l->type, (unsigned)l->rank,
                     how & 1 ? "Fortran " : "", how & 2 ? "big" : "little");
            store(s, l, plain, how & 1, how & 2);
            CHECK(whit_file_open(&f, path, &err) == WHIT_OK, "%s: %s", what, err.msg);
            if (f) check_reads(f, l, plain, &rng, what);
            whit_file_close(f);
        }
        free(plain);
    }
}

static void test_warning(const scratch *s)
{
    const layout wide = { "u1", WHIT_U8, 1, 2, { 512, 65536 } };
    const layout narrow = { "u1", WHIT_U8, 1, 2, { 511, 65536 } };
    unsigned char *zeros = calloc(count_of(&wide), 1);
    char path[SCRATCH_PATH];
    scratch_path(s, "x.npy", path);
    if (!zeros) scratch_die("memory");
    for (int k = 0; k < 3; k++) {
        whit_file *f = NULL;
        store(s, k == 2 ? &narrow : &wide, zeros, k != 1, 0);
        CHECK(whit_file_open(&f, path, NULL) == WHIT_OK, "case %d", k);
        if (!f) continue;
        CHECK(whit_file_warnings(f) == (k == 0), "case %d: %zu", k, whit_file_warnings(f));
        if (k == 0) CHECK(strstr(whit_file_warning(f, 0), "x.npy: wide"), "the words");
        whit_file_close(f);
    }
    free(zeros);
}

/* Quantized and back: an integer array that is kept, in Fortran order and big-endian, comes out as
 * the plain one. */
static void test_kept(const scratch *s)
{
    const layout l = { "i4", WHIT_I32, 4, 3, { 30, 40, 50 } };
    size_t bytes = count_of(&l) * 4;
    unsigned char *plain = malloc(bytes), *got = malloc(bytes);
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    check_rng rng = { 9 };
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_file *f = NULL;
    whit_quantize_options options;
    whit_error err = { WHIT_OK, "" };
    if (!plain || !got) scratch_die("memory");
    for (size_t k = 0; k < bytes; k++) plain[k] = (unsigned char)check_u64(&rng);
    store(s, &l, plain, 1, 1);
    whit_quantize_options_init(&options);
    whit_status st = whit_source_open(&source, scratch_path(s, "x.npy", in), &err);
    if (st == WHIT_OK)
        st = whit_plan_make(&plan, source, &options, scratch_path(s, "x.safetensors", out), &err);
    if (st == WHIT_OK) st = whit_plan_run(plan, NULL, &err);
    if (st == WHIT_OK) st = whit_file_open(&f, out, &err);
    if (st == WHIT_OK) st = whit_file_read(f, 0, 0, bytes, got, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    if (st == WHIT_OK) {
        const whit_tensor *t = whit_file_tensor(f, 0);
        CHECK(strcmp(t->name, "x") == 0 && t->dtype == WHIT_I32 && t->rank == 3, "%s", t->name);
        CHECK(memcmp(got, plain, bytes) == 0, "kept octets");
    }
    whit_file_close(f);
    whit_plan_free(plan);
    whit_source_close(source);
    free(plain);
    free(got);
}

/* ---- raw files ---- */

static const struct {
    const char *file;
    size_t bytes;
    whit_dtype dtype;
    uint32_t rank;
    uint64_t shape[2];
    whit_status want;
    const char *words; /* in the message; for OK the name */
} raws[] = {
    { "w.bin", 24, WHIT_F32, 2, { 2, 3 }, WHIT_OK, "w" },
    { "model.0.w.f16", 12, WHIT_F16, 2, { 2, 3 }, WHIT_OK, "model.0.w" },
    { "plain", 12, WHIT_BF16, 1, { 6 }, WHIT_OK, "plain" },
    { ".hidden", 4, WHIT_F32, 0, { 0 }, WHIT_OK, ".hidden" },
    { "empty.bin", 0, WHIT_F32, 2, { 0, 3 }, WHIT_OK, "empty" },
    { "w.bin", 3, WHIT_F4, 2, { 2, 3 }, WHIT_OK, "w" },
    { "w.bin", 2, WHIT_F4, 1, { 3 }, FMT, "no whole number of bytes" },
    { "w.bin", 23, WHIT_F32, 2, { 2, 3 }, FMT, "make 24 bytes of data, up to byte 24" },
    { "w.bin", 25, WHIT_F32, 2, { 2, 3 }, FMT, "1 bytes behind its 24 bytes of data" },
    { "w.bin", 0, WHIT_F32, 1, { 1 }, FMT, "the file has 0" },
    { "w.bin", 0, WHIT_F32, 2, { UINT64_MAX, UINT64_MAX }, FMT, "below 2^61" },
    { "w.bin", 0, WHIT_F32, 1, { (uint64_t)1 << 62 }, FMT, "below 2^61" },
    { "__metadata__.bin", 4, WHIT_F32, 0, { 0 }, UNS, "none for a tensor" },
    { "w.bin", 4, WHIT_F32, 9, { 0 }, WHIT_ERR_ARG, "at most 8 dimensions, not 9" },
    { "w.bin", 4, WHIT_DTYPE_COUNT, 0, { 0 }, WHIT_ERR_ARG, "not known" },
};

static void test_raw(const scratch *s)
{
    char path[SCRATCH_PATH];
    unsigned char data[32];
    float values[8], want[8];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + 60);
    for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_raw_options raw;
        whit_file *f = NULL;
        whit_raw_options_init(&raw);
        raw.dtype = raws[i].dtype;
        raw.rank = raws[i].rank;
        memcpy(raw.shape, raws[i].shape, sizeof raws[i].shape);
        scratch_write(s, raws[i].file, data, raws[i].bytes);
        whit_status st = whit_file_open_raw(&f, scratch_path(s, raws[i].file, path), &raw, &err);
        CHECK(st == raws[i].want && (f != NULL) == (st == WHIT_OK), "%zu: %d %s", i, st, err.msg);
        if (f) {
            const whit_tensor *t = whit_file_tensor(f, 0);
            size_t n = (size_t)t->elements;
            CHECK(strcmp(t->name, raws[i].words) == 0 && strcmp(whit_file_format(f), "raw") == 0 &&
                      t->rank == raws[i].rank && t->dtype == raws[i].dtype,
                  "%zu: %s", i, t->name);
            if (whit_dtype_to_f32(t->dtype, data, n, want) == WHIT_OK)
                CHECK(whit_file_read_f32(f, 0, 0, n, values, NULL) == WHIT_OK &&
                          memcmp(values, want, n * sizeof *want) == 0,
                      "%zu: values", i);
        } else {
            CHECK(strstr(err.msg, raws[i].words), "%zu: %s", i, err.msg);
        }
        whit_file_close(f);
    }
}

static void test_raw_arguments(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_raw_options raw;
    whit_file *f = NULL;
    whit_source *source = NULL;
    scratch_text(s, "GGUF.bin", "GGUF");
    scratch_path(s, "GGUF.bin", path);
    whit_raw_options_init(&raw);
    CHECK(whit_file_open_raw(&f, path, &raw, NULL) == WHIT_OK, "what it looks like is ignored");
    whit_file_close(f);
    CHECK(whit_source_open_raw(&source, path, &raw, NULL) == WHIT_OK, "as a source");
    if (source)
        CHECK(strcmp(whit_source_format(source), "raw") == 0 && whit_source_count(source) == 1 &&
                  strcmp(whit_source_at(source, 0)->tensor.name, "GGUF") == 0,
              "%s", whit_source_format(source));
    whit_source_close(source);
    CHECK(whit_file_open_raw(&f, path, NULL, NULL) == WHIT_ERR_ARG && !f, "no options");
    CHECK(whit_source_open_raw(&source, path, NULL, NULL) == WHIT_ERR_ARG && !source, "no options");
    CHECK(whit_file_open_raw(NULL, path, &raw, NULL) == WHIT_ERR_ARG, "no result");
    CHECK(whit_file_open_raw(&f, "", &raw, NULL) == WHIT_ERR_ARG && !f, "no path");
    CHECK(whit_file_open_raw(&f, s->path, &raw, NULL) == UNS && !f, "a folder");
    CHECK(whit_file_open_raw(&f, "/nowhere/at/all", &raw, NULL) == WHIT_ERR_IO && !f, "nothing");
    raw.struct_size--;
    CHECK(whit_file_open_raw(&f, path, &raw, NULL) == WHIT_ERR_ARG && !f, "another version");
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_headers(&s);
    test_preamble(&s);
    test_layouts(&s);
    test_warning(&s);
    test_kept(&s);
    test_raw(&s);
    test_raw_arguments(&s);
    scratch_remove(&s);
    return check_result();
}
