/* tests/test_safetensors.c - the safetensors reader: each check it makes, each type, metadata and
 * warnings, and the verdicts of data/malformed/manifest.json. Reading and folders: test_reading.c.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include <math.h>

#include "base/json.h"
#include "check.h"
#include "scratch.h"

#define T(name, dtype, shape, from, to)                                                            \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to \
    "]}"
#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED

static const struct {
    const char *header;
    size_t bytes; /* of the data section */
    whit_status want;
    const char *words; /* in the message; for OK the names in the order of their data */
} cases[] = {
    /* clang-format off */
    { "{}", 0, WHIT_OK, "" },
    { "{}    \n\t ", 0, WHIT_OK, "" },
    { "{" T("s", "F32", "", 0, 4) "}", 4, WHIT_OK, "s" },
    { "{" T("", "U8", "3", 0, 3) "}", 3, WHIT_OK, "" },
    { "{" T("b", "U8", "2", 3, 5) "," T("a", "U8", "3", 0, 3) "}", 5, WHIT_OK, "a b" },
    { "{" T("n", "F32", "0", 4, 4) "," T("z", "F32", "7,0", 0, 0) "," T("m", "F32", "1", 0, 4) "}",
      4, WHIT_OK, "z m n" },
    { "{" T("q", "U8", "0", 0, 0) "," T("p", "U8", "0", 0, 0) "}", 0, WHIT_OK, "p q" },
    { "{" T("r", "I8", "1,1,1,1,1,1,1,2", 0, 2) "}", 2, WHIT_OK, "r" },
    { "{\"__metadata__\":{}," T("w", "F4", "3,2", 0, 3) "," T("v", "F6_E2M3", "4", 3, 6) "}", 6,
      WHIT_OK, "w v" },
    { "{\"w\":{\"data_offsets\":[0,1],\"extra\":{\"a\":[1]},\"shape\":[1],\"dtype\":\"BOOL\"}}", 1,
      WHIT_OK, "w" },
    { "{" T("big", "U8", "0,2305843009213693951", 0, 0) "}", 0, WHIT_OK, "big" },

    { " {}", 0, FMT, "does not begin with '{'" },
    { "", 0, FMT, "does not begin with '{'" },
    { "[]", 0, FMT, "does not begin with '{'" },
    { "{} x", 0, FMT, "text after the value, at byte 11" },
    { "{", 0, FMT, "not valid JSON" },
    { "{\"a\":1}", 0, FMT, "a: is no object" },
    { "{\"a\":[]}", 0, FMT, "a: is no object" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]", 0, FMT, "text ends early" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0, FMT, "a: has no data_offsets" },
    { "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0, FMT, "a: has no shape" },
    { "{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0, FMT, "a: has no dtype" },
    { "{\"a\":{}}", 0, FMT, "a: has no dtype" },
    { "{\"a\":{\"dtype\":7,\"shape\":[0],\"data_offsets\":[0,0]}}", 0, FMT, "dtype is no string" },
    { "{" T("a", "Q4", "0", 0, 0) "}", 0, UNS, "a: dtype Q4 is not known" },
    { "{" T("a", "f32", "0", 0, 0) "}", 0, UNS, "a: dtype f32 is not known" },
    { "{" T("a", "U8", "-1", 0, 0) "}", 0, FMT, "a: shape holds" },
    { "{" T("a", "U8", "1.0", 0, 1) "}", 1, FMT, "a: shape holds" },
    { "{" T("a", "U8", "1e0", 0, 1) "}", 1, FMT, "a: shape holds" },
    { "{" T("a", "U8", "\"1\"", 0, 1) "}", 1, FMT, "a: shape holds" },
    { "{" T("a", "U8", "[1]", 0, 1) "}", 1, FMT, "a: shape holds" },
    { "{" T("a", "U8", "18446744073709551616", 0, 1) "}", 1, FMT, "a: shape holds" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, FMT, "shape is no array" },
    { "{" T("a", "U8", "1,1,1,1,1,1,1,1,1", 0, 1) "}", 1, UNS, "a: more than 8 dimensions" },
    { "{" T("a", "U8", "4294967296,4294967296", 0, 0) "}", 0, FMT, "beyond 64 bits" },
    { "{" T("a", "F32", "4611686018427387904", 0, 0) "}", 0, FMT, "beyond 64 bits" },
    { "{" T("a", "U8", "4294967296,4294967296,0", 0, 0) "}", 0, FMT, "beyond 64 bits" },
    { "{" T("a", "U8", "0,4294967296,4294967296", 0, 0) "}", 0, FMT, "beyond 64 bits" },
    { "{" T("a", "F4", "3", 0, 2) "}", 2, FMT, "a: its size is no whole number of bytes" },
    { "{" T("a", "F6_E3M2", "2", 0, 2) "}", 2, FMT, "a: its size is no whole number of bytes" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, FMT, "a: data_offsets are" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1, FMT, "data_offsets are" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,-1]}}", 1, FMT, "data_offsets are" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":1}}", 1, FMT, "a: data_offsets are" },
    { "{" T("a", "U8", "1", 1, 0) "}", 1, FMT, "a: data_offsets run backwards, from 1 to 0" },
    { "{" T("a", "U8", "5", 0, 5) "}", 4, FMT, "a: data ends at byte 66, the file has 65; try: " },
    { "{" T("a", "U8", "5", 0, 18446744073709551615) "}", 4, FMT, "ends at byte 18446744073709551615" },
    { "{" T("a", "U8", "5", 18446744073709551611, 18446744073709551615) "}", 4, FMT, "a: data ends" },
    { "{" T("a", "F32", "1", 0, 3) "}", 3, FMT, "a: shape and dtype make 4 bytes, data_offsets 3" },
    { "{" T("a", "F32", "0", 0, 4) "}", 4, FMT, "a: shape and dtype make 0 bytes, data_offsets 4" },
    { "{" T("a", "U8", "1", 1, 2) "}", 2, FMT, "a: 1 unused bytes before its data" },
    { "{" T("a", "U8", "1", 0, 1) "," T("b", "U8", "1", 3, 4) "}", 4, FMT, "b: 2 unused bytes" },
    { "{" T("a", "U8", "2", 0, 2) "," T("b", "U8", "2", 1, 3) "}", 3, FMT, "b: its data overlaps that of a" },
    { "{" T("a", "U8", "2", 0, 2) "," T("b", "U8", "2", 0, 2) "}", 2, FMT, "b: its data overlaps that of a" },
    { "{" T("a", "U8", "2", 0, 2) "," T("b", "U8", "0", 1, 1) "}", 2, FMT, "b: its data overlaps that of a" },
    { "{" T("a", "U8", "2", 0, 2) "}", 5, FMT, "3 bytes behind the last tensor" },
    { "{}", 1, FMT, "1 bytes behind the last tensor" },
    { "{" T("a", "U8", "1", 0, 1) "," T("a", "U8", "1", 1, 2) "}", 2, FMT, "a: the name is there twice" },
    { "{" T("a", "U8", "1", 0, 1) "," T("\\u0061", "U8", "1", 1, 2) "}", 2, FMT, "a: the name is there" },
    { "{" T("a\\u0000b", "U8", "1", 0, 1) "}", 1, FMT, "NUL in a string" },
    { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, FMT,
      "a: a member is there twice" },
    { "{\"a\":{\"x\":1,\"x\":2,\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, FMT,
      "a: a member is there twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, FMT, "__metadata__: is there twice" },
    { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", 0, FMT, "__metadata__: a key is there twice" },
    { "{\"__metadata__\":{\"k\":1}}", 0, FMT, "__metadata__: a value is no string" },
    { "{\"__metadata__\":{\"k\":null}}", 0, FMT, "__metadata__: a value is no string" },
    { "{\"__metadata__\":null}", 0, FMT, "__metadata__: is no object" },
    { "{\"__metadata__\":{\"k\":\"v\"", 0, FMT, "not valid JSON" },
    { "{\"a\":{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, FMT,
      "more than 64 levels" },
    /* clang-format on */
};

/* Archives: inflated, or repeated by a stride of 0. */
static int may_expand(const whit_file *f)
{
    return strcmp(whit_file_format(f), "npz") == 0 || strcmp(whit_file_format(f), "PyTorch") == 0;
}

/* What is listed holds together, and every byte and float of it can be read. */
static void check_whole(const whit_file *f, const char *what)
{
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        unsigned char *raw = malloc((size_t)t->bytes + 1);
        float *values = malloc(sizeof(float) * ((size_t)t->elements + 1));
        whit_error err = { WHIT_OK, "" };
        uint64_t product = 1, rows, cols;
        for (uint32_t d = 0; d < t->rank; d++) product *= t->shape[d];
        CHECK(product == t->elements, "%s: %s", what, t->name);
        CHECK(t->bytes * 8 == t->elements * whit_dtype_bits(t->dtype), "%s: %s", what, t->name);
        const uint64_t file = whit_file_shard_bytes(f, t->shard);
        CHECK(t->offset <= file && (may_expand(f) || t->bytes <= file - t->offset), "%s: %s", what,
              t->name);
        CHECK(whit_file_find(f, t->name) == i, "%s: %s", what, t->name);
        CHECK(whit_file_read(f, i, 0, (size_t)t->bytes, raw, &err) == WHIT_OK, "%s: %s", what,
              err.msg);
        whit_tensor_matrix(t, &rows, &cols);
        whit_status st = whit_file_read_rows(f, i, 0, rows, values, &err);
        CHECK(st == (whit_dtype_is_float(t->dtype) ? WHIT_OK : WHIT_ERR_ARG), "%s: %s", what,
              t->name);
        free(raw);
        free(values);
    }
}

static void test_cases(const scratch *s)
{
    static const unsigned char zeros[64];
    char path[SCRATCH_PATH];
    scratch_path(s, "case.safetensors", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_file *f = (whit_file *)(uintptr_t)1;
        scratch_safetensors(s, "case.safetensors", cases[i].header, zeros, cases[i].bytes);
        whit_status st = whit_file_open(&f, path, &err);
        CHECK(st == cases[i].want, "%s: status %d, %s", cases[i].header, (int)st, err.msg);
        if (st != WHIT_OK) {
            CHECK(f == NULL && err.code == st, "%s", cases[i].header);
            CHECK(strstr(err.msg, cases[i].words), "%s: \"%s\" lacks \"%s\"", cases[i].header,
                  err.msg, cases[i].words);
            CHECK(strstr(err.msg, "case.safetensors: "), "%s", err.msg);
            continue;
        }
        wh_buf names = { 0 };
        for (size_t k = 0; k < whit_file_count(f); k++)
            wh_buf_putf(&names, "%s%s", k ? " " : "", whit_file_tensor(f, k)->name);
        CHECK(strcmp(names.data ? names.data : "", cases[i].words) == 0, "%s: %s", cases[i].header,
              names.data);
        check_whole(f, cases[i].header);
        wh_buf_free(&names);
        whit_file_close(f);
    }
}

/* All types of the format: sizes, and the values of those that are floats. */
static void test_dtypes(const scratch *s)
{
    static const struct {
        const char *name, *bytes; /* of 4 elements */
        size_t size;
        float want[4]; /* where it is a float */
    } rows[] = {
        /* clang-format off */
        { "BOOL", "\0\1\1\0", 4, { 0 } },
        { "F4", "\x10\x32", 2, { 0 } },
        { "F6_E2M3", "\1\2\3", 3, { 0 } },
        { "F6_E3M2", "\1\2\3", 3, { 0 } },
        { "U8", "\1\2\3\4", 4, { 0 } },
        { "I8", "\1\2\3\4", 4, { 0 } },
        { "F8_E5M2", "\x3c\xbc\x7b\0", 4, { 1, -1, 57344, 0 } },
        { "F8_E4M3", "\x38\xb8\x7e\1", 4, { 1, -1, 448, 0.001953125f } },
        { "F8_E8M0", "\x7f\x80\x7e\x81", 4, { 1, 2, 0.5f, 4 } },
        { "F8_E4M3FNUZ", "\x40\xc0\x7f\0", 4, { 1, -1, 240, 0 } },
        { "F8_E5M2FNUZ", "\x40\xc0\x7f\0", 4, { 1, -1, 57344, 0 } },
        { "I16", "\1\0\2\0\3\0\4\0", 8, { 0 } },
        { "U16", "\1\0\2\0\3\0\4\0", 8, { 0 } },
        { "F16", "\0\x3c\0\xbc\xff\x7b\1\0", 8, { 1, -1, 65504, 0x1p-24f } },
        { "BF16", "\x80\x3f\x80\xbf\0\x40\0\0", 8, { 1, -1, 2, 0 } },
        { "I32", "0123456789abcdef", 16, { 0 } },
        { "U32", "0123456789abcdef", 16, { 0 } },
        { "F32", "\0\0\x80\x3f\0\0\x80\xbf\0\0\x80\x7f\1\0\0\0", 16, { 1, -1, INFINITY, 0x1p-149f } },
        { "C64", "0123456789abcdef0123456789abcdef", 32, { 0 } },
        { "F64", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf0\xbf\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0", 32, { 1, -1, 2, 0 } },
        { "I64", "0123456789abcdef0123456789abcdef", 32, { 0 } },
        { "U64", "0123456789abcdef0123456789abcdef", 32, { 0 } },
        /* clang-format on */
    };
    char path[SCRATCH_PATH], header[256];
    CHECK(sizeof rows / sizeof rows[0] == WHIT_BLOCKS, "every type of elements has a row");
    scratch_path(s, "t.safetensors", path);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        unsigned char raw[32];
        float v[4];
        snprintf(header, sizeof header,
                 "{\"t\":{\"dtype\":\"%s\",\"shape\":[2,2],\"data_offsets\":[0,%zu]}}",
                 rows[i].name, rows[i].size);
        scratch_safetensors(s, "t.safetensors", header, rows[i].bytes, rows[i].size);
        if (whit_file_open(&f, path, &err) != WHIT_OK) {
            CHECK(0, "%s", err.msg);
            continue;
        }
        const whit_tensor *t = whit_file_tensor(f, 0);
        CHECK(strcmp(whit_dtype_name(t->dtype), rows[i].name) == 0 && t->elements == 4, "%s",
              rows[i].name);
        CHECK(t->bytes == rows[i].size, "%s", rows[i].name);
        CHECK(whit_file_read(f, 0, 0, (size_t)t->bytes, raw, &err) == WHIT_OK &&
                  memcmp(raw, rows[i].bytes, rows[i].size) == 0,
              "%s: bytes as stored", rows[i].name);
        whit_status st = whit_file_read_rows(f, 0, 0, 2, v, &err);
        CHECK(st == (whit_dtype_is_float(t->dtype) ? WHIT_OK : WHIT_ERR_ARG), "%s", rows[i].name);
        if (st == WHIT_OK)
            CHECK(memcmp(v, rows[i].want, sizeof v) == 0, "%s: %g %g %g %g", rows[i].name,
                  (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
        else
            CHECK(strstr(err.msg, rows[i].name), "%s", err.msg);
        whit_file_close(f);
    }
}

static void test_metadata(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    scratch_safetensors(s, "m.safetensors",
                        "{" T("a", "U8", "0", 0, 0) ",\"__metadata__\":{\"z\":\"1\",\"\":\"empty\","
                                                    "\"a\":\"\\u00e9\\n{}\"}}",
                        "", 0);
    if (whit_file_open(&f, scratch_path(s, "m.safetensors", path), &err) != WHIT_OK) {
        CHECK(0, "%s", err.msg);
        return;
    }
    CHECK(whit_file_meta_count(f, 0) == 3 && whit_file_meta_count(f, 1) == 0, "three");
    CHECK(strcmp(whit_file_meta_key(f, 0, 0), "z") == 0, "in the order of the file");
    CHECK(strcmp(whit_file_meta_key(f, 0, 2), "a") == 0, "in the order of the file");
    CHECK(strcmp(whit_file_meta_value(f, 0, 2), "\xc3\xa9\n{}") == 0, "decoded");
    CHECK(!whit_file_meta_key(f, 0, 3) && !whit_file_meta_value(f, 0, 3), "no fourth");
    CHECK(strcmp(whit_file_meta_find(f, 0, ""), "empty") == 0, "an empty key");
    CHECK(!whit_file_meta_find(f, 0, "y") && !whit_file_meta_find(f, 1, "z"), "not there");
    whit_file_close(f);
}

/* 20 warnings are kept, then one says how many more there are. */
static void test_warnings(const scratch *s)
{
    static const size_t unknown[] = { 0, 1, 20, 21, 25 };
    char path[SCRATCH_PATH];
    scratch_path(s, "w.safetensors", path);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        size_t n = unknown[i], want = n > 20 ? 21 : n;
        wh_buf header = { 0 };
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        wh_buf_puts(&header, "{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]");
        for (size_t k = 0; k < n; k++) wh_buf_putf(&header, ",\"u\\n%zu\":[{\"dtype\":1}]", k);
        wh_buf_puts(&header, "}}");
        scratch_safetensors(s, "w.safetensors", header.data, "", 0);
        wh_buf_free(&header);
        if (whit_file_open(&f, path, &err) != WHIT_OK) {
            CHECK(0, "%s", err.msg);
            continue;
        }
        CHECK(whit_file_count(f) == 1 && whit_file_warnings(f) == want, "%zu: %zu", n,
              whit_file_warnings(f));
        for (size_t k = 0; k < n && k < 20; k++) {
            char word[64];
            snprintf(word, sizeof word, "t: unknown member \"u?%zu\"", k);
            CHECK(strstr(whit_file_warning(f, k), word), "%s", whit_file_warning(f, k));
        }
        if (n > 20) {
            char word[64];
            snprintf(word, sizeof word, "and %zu more warnings", n - 20);
            CHECK(strcmp(whit_file_warning(f, 20), word) == 0, "%s", whit_file_warning(f, 20));
        }
        CHECK(!whit_file_warning(f, want), "no more");
        whit_file_close(f);
    }
}

/* `n` members of an object: "0":VALUE, "1":VALUE, .. */
static void put_members(wh_buf *b, size_t n, const char *value)
{
    for (size_t i = 0; i < n; i++) wh_buf_putf(b, "%s\"%zu\":%s", i ? "," : "", i, value);
}

/* The limits that have a number: just reached, and passed by one. */
static void test_limits(const scratch *s)
{
    enum { KEYS = 100000, STRING = 16 << 20 };
    char path[SCRATCH_PATH];
    char *text = malloc(STRING + 2);
    if (!text) scratch_die("memory");
    memset(text, 'x', STRING + 1);
    scratch_path(s, "l.safetensors", path);
    for (size_t more = 0; more < 2; more++) {
        static const char *const words[] = { "100000 keys", "100000 members", "16 MiB", "16 MiB" };
        wh_buf h[4];
        memset(h, 0, sizeof h);
        text[STRING] = more ? 'x' : 0;
        text[STRING + 1] = 0;
        wh_buf_puts(&h[0], "{\"__metadata__\":{");
        put_members(&h[0], KEYS + more, "\"\"");
        wh_buf_puts(&h[0], "}}");
        wh_buf_puts(&h[1], "{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],");
        put_members(&h[1], KEYS + more, "0");
        wh_buf_puts(&h[1], "}}");
        wh_buf_putf(&h[2], "{\"__metadata__\":{\"k\":\"%s\"}}", text);
        wh_buf_putf(&h[3], "{" T("%s", "U8", "0", 0, 0) "}", text);
        for (size_t i = 0; i < 4; i++) {
            whit_error err = { WHIT_OK, "" };
            whit_file *f = NULL;
            if (!h[i].data || h[i].failed) scratch_die("memory");
            scratch_safetensors(s, "l.safetensors", h[i].data, "", 0);
            whit_status st = whit_file_open(&f, path, &err);
            CHECK((st == WHIT_OK) == (more == 0), "%s: %d %s", words[i], (int)st, err.msg);
            CHECK(st == WHIT_OK || ((st == FMT || st == UNS) && strstr(err.msg, words[i])), "%s",
                  err.msg);
            whit_file_close(f);
            wh_buf_free(&h[i]);
        }
    }
    free(text);
}

/* Names too long for a message, between short ones, in a file whose path is as long. */
static void test_long_names(const scratch *s)
{
    enum { N = 30 };
    static const char file[] =
        "a-file-with-a-name-that-is-so-long-that-no-message-could-hold-it-whole.safetensors";
    static char name[N][6000];
    char path[SCRATCH_PATH];
    wh_buf h = { 0 };
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    for (size_t i = 0; i < N; i++) {
        size_t len = i % 3 == 0 ? 5 : i % 3 == 1 ? 4100 + i : 5900;
        snprintf(name[i], sizeof name[i], "%04zu%0*d", i, (int)len - 4, 7);
        wh_buf_putf(&h, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                    i ? "," : "{", name[i], i, i + 1);
    }
    wh_buf_puts(&h, "}");
    scratch_safetensors(s, file, h.data, name, N);
    CHECK(whit_file_open(&f, scratch_path(s, file, path), &err) == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; f && i < N; i++)
        CHECK(whit_file_find(f, name[i]) == i && strcmp(whit_file_tensor(f, i)->name, name[i]) == 0,
              "%zu", i);
    whit_file_close(f);
    scratch_safetensors(s, file, h.data, name, N - 1);
    CHECK(whit_file_open(&f, path, &err) == FMT && strlen(err.msg) < sizeof err.msg - 1 &&
              strstr(err.msg, ".safetensors: 0029000") && strstr(err.msg, "try: download it again"),
          "both names are shortened: %s", err.msg);
    wh_buf_free(&h);
}

/* Open a damaged file: an error of the right kind, one line, that names it; or it is sound. */
static whit_status open_damaged(const char *path, const char *what)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    whit_status st = whit_file_open(&f, path, &err);
    if (st == WHIT_OK) {
        check_whole(f, what);
        whit_file_close(f);
        return st;
    }
    const char *name = strrchr(path, '/');
    CHECK(st == FMT || st == UNS, "%s: status %d, %s", what, (int)st, err.msg);
    CHECK(!f && err.code == st && strlen(err.msg) > 10, "%s: %s", what, err.msg);
    CHECK(!strpbrk(err.msg, "\n\r\x1b") && strstr(err.msg, name ? name + 1 : path), "%s: %s", what,
          err.msg);
    return st;
}

/* A sound file cut at each octet, and with each hostile length of its header. */
static void test_damage(const scratch *s)
{
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"}," T("a", "F32", "2,2", 0, 16) "}  ";
    static const uint64_t lengths[] = { 0,
                                        1,
                                        sizeof header,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x100000000,
                                        100000000,
                                        100000001,
                                        INT64_MAX,
                                        (uint64_t)INT64_MAX + 1,
                                        UINT64_MAX - 7,
                                        UINT64_MAX };
    static const unsigned char zeros[16];
    char path[SCRATCH_PATH], what[64];
    size_t len;
    scratch_safetensors(s, "d.safetensors", header, zeros, sizeof zeros);
    scratch_path(s, "d.safetensors", path);
    unsigned char *whole = scratch_read(path, &len);
    CHECK(open_damaged(path, "undamaged") == WHIT_OK, "undamaged");
    for (size_t n = 0; n < len; n++) {
        snprintf(what, sizeof what, "cut to %zu", n);
        scratch_write(s, "d.safetensors", whole, n);
        CHECK(open_damaged(path, what) == FMT, "%s", what);
    }
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    scratch_write(s, "d.safetensors", whole, 8 + sizeof header - 2);
    CHECK(whit_file_open(&f, path, &err) == FMT && strstr(err.msg, "header ends at byte"), "%s",
          err.msg);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        snprintf(what, sizeof what, "length %llu", (unsigned long long)lengths[i]);
        for (int b = 0; b < 8; b++) whole[b] = (unsigned char)(lengths[i] >> 8 * b);
        scratch_write(s, "d.safetensors", whole, len);
        CHECK(open_damaged(path, what) == FMT, "%s", what);
    }
    free(whole);
}

/* One file of the manifest. An index is tried in a folder under its usual name as well. */
static void test_verdict(const scratch *s, const char *data, const char *name, const char *expect)
{
    char path[SCRATCH_PATH];
    int reject = strcmp(expect, "reject") == 0;
    snprintf(path, sizeof path, "%s/malformed/%s", data, name);
    CHECK((open_damaged(path, name) != WHIT_OK) == reject, "%s: to %s", name, expect);
    if (strncmp(name, "json/", 5) != 0) return;
    size_t len;
    void *text = scratch_read(path, &len);
    scratch_folder(s, "folder");
    scratch_write(s, "folder/model.safetensors.index.json", text, len);
    CHECK((open_damaged(scratch_path(s, "folder", path), name) != WHIT_OK) == reject,
          "%s in a folder: to %s", name, expect);
    scratch_remove_tree(path);
    free(text);
}

static void test_manifest(const scratch *s, const char *data)
{
    char path[SCRATCH_PATH], name[128] = "", key[16] = "";
    size_t len, verdicts = 0;
    unsigned depth = 0;
    wh_json j;
    wh_json_token t;
    snprintf(path, sizeof path, "%s/malformed/manifest.json", data);
    char *text = scratch_read(path, &len);
    wh_json_init(&j, text, len);
    while ((t = wh_json_next(&j)) != WH_JSON_END && t != WH_JSON_ERROR) {
        if (t == WH_JSON_KEY && depth == 1) snprintf(name, sizeof name, "%s", j.text);
        if (t == WH_JSON_KEY && depth == 2) snprintf(key, sizeof key, "%s", j.text);
        if (t == WH_JSON_STRING && strcmp(key, "expect") == 0) {
            test_verdict(s, data, name, j.text);
            verdicts++;
        }
        depth = j.depth;
    }
    CHECK(t == WH_JSON_END && verdicts >= 194, "%zu verdicts", verdicts);
    wh_json_free(&j);
    free(text);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    test_cases(&s);
    test_dtypes(&s);
    test_metadata(&s);
    test_warnings(&s);
    test_limits(&s);
    test_long_names(&s);
    test_damage(&s);
    test_manifest(&s, argv[1]);
    scratch_remove(&s);
    return check_result();
}
