/* tests/test_imatrix.c - importance matrices in both forms: values, what is refused, damage.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/calib.h>

#include <math.h>

#include "check.h"
#include "gguf_build.h"

#define FMT WHIT_ERR_FORMAT
#define BIN(text) text, sizeof(text) - 1

/* 7.2 of the notes on formats: a.weight, 2 calls, sums 3 and 5; chunk 7 of "x". */
static const char vector[] = "\1\0\0\0\10\0\0\0a.weight\2\0\0\0\2\0\0\0\0\0\x40\x40\0\0\xa0\x40"
                             "\7\0\0\0\1\0\0\0x";
enum { VECTOR = sizeof vector - 1, BODY = VECTOR - 9 };

static whit_imatrix *open_at(const scratch *s, const char *name, whit_status want,
                             const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_imatrix *m = (whit_imatrix *)(uintptr_t)1;
    whit_status st = whit_imatrix_open(&m, scratch_path(s, name, path), &err);
    CHECK(st == want, "%s: status %d, not %d: %s", words, (int)st, (int)want, err.msg);
    CHECK(strstr(err.msg, words), "'%s' lacks '%s'", err.msg, words);
    if (st != WHIT_OK) CHECK(!m && err.code == st && strstr(err.msg, name), "%s", err.msg);
    return st == WHIT_OK ? m : NULL;
}

static void test_vector(const scratch *s)
{
    const float *v = NULL;
    whit_error err = { WHIT_OK, "" };
    scratch_write(s, "v.dat", vector, VECTOR);
    whit_imatrix *m = open_at(s, "v.dat", WHIT_OK, "");
    if (!m) return;
    const whit_imatrix_info *info = whit_imatrix_describe(m);
    const whit_imatrix_entry *e = whit_imatrix_at(m, 0);
    CHECK(info->entries == 1 && info->chunks == 7 && info->chunk_size == 0, "counts");
    CHECK(strcmp(info->dataset, "x") == 0 && strcmp(info->format, "imatrix .dat") == 0, "texts");
    CHECK(strstr(info->path, "v.dat"), "%s", info->path);
    CHECK(e && strcmp(e->name, "a.weight") == 0 && e->count == 2, "the entry");
    CHECK(e && e->values[0] == 1.5f && e->values[1] == 2.5f, "its values");
    CHECK(!whit_imatrix_at(m, 1), "no more");

    CHECK(whit_imatrix_find(m, "a.weight", 2, 1, &v, &err) == WHIT_OK && v == e->values, "by name");
    CHECK(whit_imatrix_find(m, "a.weight", 1, 2, &v, &err) == WHIT_OK && v == e->values, "experts");
    CHECK(whit_imatrix_find(m, "a", 2, 1, &v, &err) == WHIT_OK && !v, "another name");
    CHECK(whit_imatrix_find(m, "a.weight", 3, 1, &v, &err) == FMT && !v &&
              strstr(err.msg, "v.dat: a.weight: 2 values, for 3 columns; try: "),
          "%s", err.msg);
    CHECK(whit_imatrix_find(m, "a.weight", 2, 2, &v, &err) == FMT &&
              strstr(err.msg, "2 columns of each expert"),
          "%s", err.msg);
    CHECK(whit_imatrix_find(m, "a.weight", 1 + (UINT64_MAX >> 1), 2, &v, &err) == FMT, "wraps");
    whit_imatrix_close(m);
    whit_imatrix_close(NULL);
}

/* What stands in an old file instead of the vector, and what becomes of it. */
static const struct {
    const char *what, *data;
    size_t len;
    whit_status want;
    const char *words;
} old[] = {
    /* clang-format off */
    { "without a trailer", vector, BODY, WHIT_OK, "" },
    { "empty", BIN(""), FMT, "it ends early" },
    { "3 octets", BIN("\1\0\0"), FMT, "it ends early" },
    { "no entries", BIN("\0\0\0\0"), FMT, "cannot hold as many entries" },
    { "-1 entries", BIN("\377\377\377\377"), FMT, "cannot hold as many entries" },
    { "2 entries, room for one", BIN("\2\0\0\0" "\1\0\0\0a\0\0\0\0\1\0\0\0\0\0\0\0"), FMT, "cannot hold as many" },
    { "a name of 0", BIN("\1\0\0\0" "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0"), FMT, "a name has no length" },
    { "a name of -1", BIN("\1\0\0\0" "\377\377\377\377\0\0\0\0\1\0\0\0\0\0\0\0\0"), FMT, "a name has no length" },
    { "a name of 65536", BIN("\1\0\0\0" "\0\0\1\0\0\0\0\0\1\0\0\0\0\0\0\0\0"), FMT, "a name has no length" },
    { "a name beyond the end", BIN("\1\0\0\0" "\16\0\0\0a\0\0\0\0\1\0\0\0\0\0\0\0"), FMT, "it ends early" },
    { "a name with NUL", BIN("\1\0\0\0" "\2\0\0\0a\0\0\0\0\0\1\0\0\0\0\0\0\0"), FMT, "holds NUL" },
    { "a name that is not UTF-8", BIN("\1\0\0\0" "\1\0\0\0\377\0\0\0\0\1\0\0\0\0\0\0\0"), FMT, "not UTF-8" },
    { "no values", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\0\0\0\0\0\0\0\0"), FMT, "without values" },
    { "-1 values", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\377\377\377\377\0\0\0\0"), FMT, "without values" },
    { "2 values, room for one", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0"), FMT, "it ends early" },
    { "2^31-1 values", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\377\377\377\177\0\0\0\0"), FMT, "it ends early" },
    { "a name twice", BIN("\2\0\0\0" "\1\0\0\0a\0\0\0\0\1\0\0\0\0\0\0\0" "\1\0\0\0a\0\0\0\0\1\0\0\0\0\0\0\0"), FMT,
      "a: the name is there twice" },
    { "NaN", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\1\0\0\0\0\0\300\177"), FMT, "a: value 0 is not finite" },
    { "-Inf", BIN("\1\0\0\0" "\1\0\0\0a\0\0\0\0\2\0\0\0\0\0\0\0\0\0\200\377"), FMT, "a: value 1 is not finite" },
    { "negative", BIN("\1\0\0\0" "\1\0\0\0a\1\0\0\0\1\0\0\0\0\0\200\277"), FMT, "a: value 0 is negative" },
    { "half a trailer", vector, BODY + 4, FMT, "it ends early" },
    { "a trailer cut short", vector, VECTOR - 1, FMT, "it ends early" },
    { "a byte behind the trailer", vector, VECTOR + 1, FMT, "bytes behind its end" },
    { "a safetensors file", BIN("\10\0\0\0\0\0\0\0{}      "), WHIT_ERR_UNSUPPORTED, "no calibration state" },
    { "some text", BIN("version https://git-lfs.github.com/spec/v1\n"), FMT, "no importance matrix" },
    /* clang-format on */
};

static void test_old(const scratch *s)
{
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        scratch_write(s, "o.dat", old[i].data, old[i].len);
        whit_imatrix *m = open_at(s, "o.dat", old[i].want, old[i].words);
        CHECK(!m == (old[i].want != WHIT_OK), "%s", old[i].what);
        if (m) CHECK(whit_imatrix_describe(m)->dataset[0] == 0, "%s: no dataset", old[i].what);
        whit_imatrix_close(m);
    }
    /* without calls, or with a negative number of them, values stand for themselves */
    char raw[VECTOR];
    for (int calls = -1; calls <= 0; calls++) {
        memcpy(raw, vector, VECTOR);
        memset(raw + 16, calls, 4);
        scratch_write(s, "o.dat", raw, VECTOR);
        whit_imatrix *m = open_at(s, "o.dat", WHIT_OK, "");
        CHECK(m && whit_imatrix_at(m, 0)->values[1] == 5.0f, "%d calls", calls);
        whit_imatrix_close(m);
    }
}

/* ---- GGUF ---- */

enum { NO_TYPE = 1, NO_DATASETS = 2, NO_COUNT = 4, NO_SIZE = 8, MODEL = 16 };

static void put_keys(gg_build *b, unsigned without)
{
    const char *type = without & MODEL ? "model" : "imatrix";
    if (!(without & NO_TYPE)) gg_string(b, "general.type", type, strlen(type));
    if (!(without & NO_DATASETS)) {
        gg_array(b, "imatrix.datasets", GG_STRING, 2);
        gg_text(&b->keys, "wiki.txt", 8);
        gg_text(&b->keys, "more", 4);
    }
    if (!(without & NO_COUNT)) gg_number(b, "imatrix.chunk_count", GG_U32, 100, 4);
    if (!(without & NO_SIZE)) gg_number(b, "imatrix.chunk_size", GG_U32, 512, 4);
}

/* A pair for one entry; counts NULL: none. */
static void put_pair(gg_build *b, const char *name, uint64_t cols, uint64_t matrices,
                     const float *sums, const float *counts)
{
    const uint64_t wide[2] = { cols, matrices }, narrow[2] = { 1, matrices };
    char full[64];
    snprintf(full, sizeof full, "%s.in_sum2", name);
    gg_floats(b, full, matrices > 1 ? 2 : 1, wide, sums, (size_t)(cols * matrices) * 4);
    snprintf(full, sizeof full, "%s.counts", name);
    if (counts) gg_floats(b, full, matrices > 1 ? 2 : 1, narrow, counts, (size_t)matrices * 4);
}

static void test_gguf(const scratch *s)
{
    static const float one[3] = { 6, 3, 0 }, three = 3;
    static const float many[6] = { 2, 4, 5, 5, 8, 0 }, counts[3] = { 2, 0, 4 };
    static const float want[6] = { 1, 2, 1, 1, 2, 0 };
    static const uint64_t two = 2;
    gg_build b = { 0 };
    const float *v;
    whit_error err = { WHIT_OK, "" };
    put_keys(&b, 0);
    put_pair(&b, "a.weight", 3, 1, one, &three);
    put_pair(&b, "exps.weight", 2, 3, many, counts);
    put_pair(&b, "token_embd.weight", 3, 1, one, &three);
    gg_floats(&b, "a.weight.in_sum", 1, &two, one, 8); /* of another program */
    gg_tensor(&b, ".in_sum2", 24, 0, NULL, "", 1);
    gg_write(&b, s, "m.gguf");
    whit_imatrix *m = open_at(s, "m.gguf", WHIT_OK, "");
    if (!m) return;
    const whit_imatrix_info *info = whit_imatrix_describe(m);
    CHECK(info->entries == 3 && info->chunks == 100 && info->chunk_size == 512, "numbers");
    CHECK(strcmp(info->dataset, "wiki.txt") == 0, "%s", info->dataset);
    CHECK(strcmp(info->format, "imatrix GGUF") == 0, "%s", info->format);
    CHECK(whit_imatrix_find(m, "a.weight", 3, 1, &v, &err) == WHIT_OK && v && v[0] == 2 &&
              v[1] == 1 && v[2] == 0,
          "divided");
    CHECK(whit_imatrix_find(m, "exps.weight", 2, 3, &v, &err) == WHIT_OK && v &&
              memcmp(v, want, sizeof want) == 0,
          "each by its count, 1 where that is 0");
    CHECK(whit_imatrix_find(m, "exps.weight", 2, 2, &v, &err) == FMT, "%s", err.msg);
    CHECK(whit_imatrix_find(m, "token_embd.weight", 99, 1, &v, &err) == WHIT_OK && !v, "exempt");
    whit_imatrix_close(m);
}

static void test_refused(const scratch *s)
{
    static const float one[4] = { 6, 3, 0, 1 }, count[2] = { 3, 3 }, minus = -1, tiny = 1e-40f,
                       nan = NAN;
    static const struct {
        unsigned without;
        whit_status want;
        const char *words;
    } keys[] = {
        { 0, WHIT_OK, "" },
        { NO_TYPE, WHIT_ERR_UNSUPPORTED, "general.type is not imatrix" },
        { MODEL, WHIT_ERR_UNSUPPORTED, "general.type is not imatrix" },
        { NO_DATASETS, FMT, "imatrix.datasets: is missing" },
        { NO_COUNT, FMT, "imatrix.chunk_count: is missing" },
        { NO_SIZE, FMT, "imatrix.chunk_size: is missing" },
    };
    static const struct {
        uint64_t cols, matrices;
        const float *sums, *counts;
        const char *words;
    } pairs[] = { { 3, 1, one, NULL, "a.in_sum2: there are no .counts" },
                  { 2, 2, one, NULL, "there are no .counts" },
                  { 0, 2, one, count, "not one for each matrix" },
                  { 1, 1, one, &minus, "a: value 0 is negative" },
                  { 1, 1, one, &tiny, "a: value 0 is not finite" },
                  { 1, 1, &nan, count, "not finite" } };
    gg_build b = { 0 };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        put_keys(&b, keys[i].without);
        put_pair(&b, "a", 3, 1, one, count);
        gg_write(&b, s, "r.gguf");
        whit_imatrix_close(open_at(s, "r.gguf", keys[i].want, keys[i].words));
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        put_keys(&b, 0);
        put_pair(&b, "a", pairs[i].cols, pairs[i].matrices, pairs[i].sums, pairs[i].counts);
        gg_write(&b, s, "r.gguf");
        whit_imatrix_close(open_at(s, "r.gguf", FMT, pairs[i].words));
    }
    static const uint64_t four[3] = { 2, 2, 1 };
    put_keys(&b, 0);
    gg_write(&b, s, "r.gguf");
    whit_imatrix_close(open_at(s, "r.gguf", FMT, "it has no entries"));
    put_keys(&b, 0);
    gg_floats(&b, "a.in_sum2", 1, four, one, 8);
    gg_floats(&b, "a.counts", 1, four, count, 8);
    gg_write(&b, s, "r.gguf");
    whit_imatrix_close(open_at(s, "r.gguf", FMT, "not one for each matrix"));
    put_keys(&b, 0);
    gg_tensor(&b, "a.in_sum2", 1, 1, four, one, 4);
    gg_tensor(&b, "a.counts", 0, 0, NULL, count, 4);
    gg_write(&b, s, "r.gguf");
    whit_imatrix_close(open_at(s, "r.gguf", FMT, "are not F32"));
    put_keys(&b, 0);
    gg_floats(&b, "a.in_sum2", 3, four, one, 16);
    gg_floats(&b, "a.counts", 1, four, count, 8);
    gg_write(&b, s, "r.gguf");
    whit_imatrix_close(open_at(s, "r.gguf", FMT, "not one for each matrix"));
    scratch_folder(s, "folder");
    whit_imatrix_close(open_at(s, "folder", WHIT_ERR_UNSUPPORTED, ""));
    whit_imatrix_close(open_at(s, "nowhere", WHIT_ERR_IO, ""));
    CHECK(whit_imatrix_open(NULL, "x", NULL) == WHIT_ERR_ARG, "no place");
    whit_imatrix *m;
    CHECK(whit_imatrix_open(&m, NULL, NULL) == WHIT_ERR_ARG && !m, "no path");
}

/* The old form cut at each octet, and with each octet changed: one line, or sound. */
static void test_damage(const scratch *s)
{
    char path[SCRATCH_PATH], raw[VECTOR];
    scratch_path(s, "d.dat", path);
    for (size_t i = 0; i < 2 * (size_t)VECTOR; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_imatrix *m = NULL;
        size_t len = i < VECTOR ? i : VECTOR;
        memcpy(raw, vector, VECTOR);
        if (i >= VECTOR) raw[i - VECTOR] = (char)~raw[i - VECTOR];
        scratch_write(s, "d.dat", raw, len);
        whit_status st = whit_imatrix_open(&m, path, &err);
        CHECK(st == FMT || st == WHIT_OK, "%zu: %d", i, (int)st);
        CHECK(st != WHIT_OK || i >= VECTOR || i == BODY, "%zu octets are enough", i);
        CHECK(st == WHIT_OK || (!m && strstr(err.msg, "d.dat: ")), "%zu: %s", i, err.msg);
        whit_imatrix_close(m);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_vector(&s);
    test_old(&s);
    test_gguf(&s);
    test_refused(&s);
    test_damage(&s);
    scratch_remove(&s);
    return check_result();
}
