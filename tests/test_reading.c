/* tests/test_reading.c - whit/file.h over any container: what each function says, reads by position
 * from several threads, formats by content, folders and indices. Headers: test_safetensors.c.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "files.h"

#define T(name, dtype, shape, from, to)                                                            \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to \
    "]}"

/* The file of the format's own description, and what each function says of it. */
static void test_example(const scratch *s)
{
    static const char header[] =
        "{\"attn.0\":{\"dtype\":\"F32\",\"shape\":[1,2,3],\"data_offsets\":[0,24]}}";
    unsigned char data[24] = { 0 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    float v[6];
    const float want[6] = { 0, 1, 2, 3, 4, 5 };
    for (int i = 1; i < 6; i++) { /* 1..5 as binary32: the upper 16 bits suffice */
        static const unsigned short upper[6] = { 0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0 };
        data[4 * i + 2] = (unsigned char)upper[i];
        data[4 * i + 3] = (unsigned char)(upper[i] >> 8);
    }
    scratch_safetensors(s, "a.safetensors", header, data, sizeof data);
    CHECK(sizeof header - 1 == 0x40, "the length in the description");
    scratch_path(s, "a.safetensors", path);
    if (whit_file_open(&f, path, &err) != WHIT_OK) {
        CHECK(0, "%s", err.msg);
        return;
    }
    const whit_tensor *t = whit_file_tensor(f, 0);
    CHECK(whit_file_count(f) == 1 && whit_file_tensor(f, 1) == NULL, "one tensor");
    CHECK(strcmp(t->name, "attn.0") == 0 && t->dtype == WHIT_F32 && t->rank == 3, "%s", t->name);
    CHECK(t->shape[0] == 1 && t->shape[1] == 2 && t->shape[2] == 3, "shape");
    CHECK(t->elements == 6 && t->bytes == 24 && t->offset == 72 && t->shard == 0, "extent");
    CHECK(strcmp(whit_file_format(f), "safetensors") == 0, "%s", whit_file_format(f));
    CHECK(strcmp(whit_file_path(f), path) == 0 && !whit_file_is_folder(f), "path");
    CHECK(whit_file_shards(f) == 1 && !whit_file_has_index(f), "one file");
    CHECK(strcmp(whit_file_shard_name(f, 0), "a.safetensors") == 0, "name");
    CHECK(strcmp(whit_file_shard_path(f, 0), path) == 0, "path");
    CHECK(whit_file_shard_bytes(f, 0) == 96, "bytes");
    CHECK(!whit_file_shard_name(f, 1) && !whit_file_shard_bytes(f, 1), "no second one");
    CHECK(whit_file_warnings(f) == 0 && !whit_file_warning(f, 0), "no warnings");
    CHECK(whit_file_meta_count(f, 0) == 0 && !whit_file_meta_key(f, 0, 0), "no metadata");
    CHECK(whit_file_find(f, "attn.1") == WHIT_NOT_FOUND, "another name");
    CHECK(whit_file_read_f32(f, 0, 0, 6, v, &err) == WHIT_OK, "%s", err.msg);
    CHECK(memcmp(v, want, sizeof v) == 0, "values");
    CHECK(whit_file_read_rows(f, 0, 0, 1, v, &err) == WHIT_OK && v[5] == 5, "the one row of six");
    CHECK(err.code == WHIT_OK && err.msg[0] == 0, "success leaves the error alone");

    CHECK(whit_file_read(f, 0, 9, 11, v, &err) == WHIT_OK && memcmp(v, data + 9, 11) == 0,
          "a part");
    CHECK(whit_file_read(f, 0, 24, 0, v, &err) == WHIT_OK, "nothing at the end");
    CHECK(whit_file_read(f, 0, 21, 4, v, &err) == WHIT_ERR_ARG, "beyond the end");
    CHECK(whit_file_read(f, 0, UINT64_MAX, 4, v, NULL) == WHIT_ERR_ARG, "wraps");
    CHECK(whit_file_read(f, 1, 0, 1, v, &err) == WHIT_ERR_ARG, "no such tensor");
    CHECK(whit_file_read_f32(f, 0, 5, 2, v, &err) == WHIT_ERR_ARG, "beyond the end");
    CHECK(strstr(err.msg, "attn.0: elements from 5 to 7 asked for, there are 6"), "%s", err.msg);
    CHECK(whit_file_read_f32(f, 7, 0, 1, v, &err) == WHIT_ERR_ARG, "no such tensor");
    CHECK(whit_file_read_rows(f, 0, 1, 1, v, &err) == WHIT_OK, "no rows");
    CHECK(whit_file_read_rows(f, 0, 0, 2, v, &err) == WHIT_ERR_ARG, "beyond the end");
    CHECK(whit_file_read_rows(f, 0, 1, 0, v, &err) == WHIT_ERR_ARG, "backwards");
    CHECK(strstr(err.msg, "rows from 1 to 0 asked for"), "%s", err.msg);
    CHECK(whit_file_read_rows(f, 1, 0, 1, v, &err) == WHIT_ERR_ARG, "no such tensor");

    CHECK(truncate(path, 90) == 0, "cut");
    CHECK(whit_file_read(f, 0, 0, 18, v, &err) == WHIT_OK, "what is left");
    CHECK(whit_file_read(f, 0, 0, 19, v, &err) == WHIT_ERR_FORMAT, "what is gone");
    CHECK(whit_file_read_f32(f, 0, 0, 6, v, &err) == WHIT_ERR_FORMAT, "what is gone");
    whit_file_close(f);
    whit_file_close(NULL);
    CHECK(whit_file_open(NULL, path, &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_file_open(&f, NULL, &err) == WHIT_ERR_ARG && !f, "no path");
    CHECK(whit_file_open(&f, "", &err) == WHIT_ERR_ARG && !f, "no path");
    CHECK(whit_file_open(&f, scratch_path(s, "none", path), &err) == WHIT_ERR_IO && !f, "none");
    CHECK(whit_file_open(&f, path, NULL) == WHIT_ERR_IO, "an error nobody wants");
}

enum { ROWS = 301, COLS = 173 };

typedef struct reader {
    const whit_file *file;
    const float *whole; /* [ROWS][COLS] */
    uint64_t seed;
    size_t wrong;
} reader;

/* Parts of the tensors behind the first at random, elements and rows, against the whole. */
static void *read_parts(void *arg)
{
    reader *r = arg;
    check_rng rng = { r->seed };
    float *part = malloc(sizeof(float) * ROWS * COLS);
    for (int k = 0; part && k < 200; k++) {
        size_t index = 1 + (size_t)check_below(&rng, whit_file_count(r->file) - 1);
        uint64_t r0 = check_below(&rng, ROWS + 1), r1 = r0 + check_below(&rng, ROWS + 1 - r0);
        uint64_t first = r0 * COLS, count = (r1 - r0) * COLS;
        whit_status st;
        if (k % 2)
            st = whit_file_read_rows(r->file, index, r0, r1, part, NULL);
        else {
            first = check_below(&rng, ROWS * COLS + 1);
            count = check_below(&rng, ROWS * COLS + 1 - first);
            st = whit_file_read_f32(r->file, index, first, (size_t)count, part, NULL);
        }
        r->wrong +=
            st != WHIT_OK || memcmp(part, r->whole + first, (size_t)count * sizeof *part) != 0;
    }
    r->wrong += !part;
    free(part);
    return NULL;
}

/* Small whole numbers are the same in F64, F32, F16 and BF16: each spans several chunks of the
 * reader and starts at an odd octet. */
static void test_parts(const scratch *s)
{
    enum { N = ROWS * COLS, SIZE = 3 + N * (2 + 8 + 2 + 4) };
    static const whit_dtype types[] = { WHIT_F16, WHIT_F64, WHIT_BF16, WHIT_F32 };
    char path[SCRATCH_PATH];
    unsigned char *data = malloc(SIZE);
    float *whole = malloc(sizeof(float) * N);
    wh_buf header = { 0 };
    check_rng rng = { 7 };
    whit_file *f = NULL;
    whit_error err = { WHIT_OK, "" };
    if (!data || !whole) scratch_die("memory");
    for (size_t i = 0; i < N; i++) whole[i] = (float)check_below(&rng, 256) - 128;
    memset(data, 0, 3);
    wh_buf_puts(&header, "{" T("a", "U8", "3", 0, 3));
    for (size_t k = 0, at = 3; k < 4; k++) {
        size_t bytes = N * whit_dtype_bits(types[k]) / 8;
        wh_buf_putf(&header,
                    ",\"w%zu\":{\"dtype\":\"%s\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}", k,
                    whit_dtype_name(types[k]), ROWS, COLS, at, at + bytes);
        if (types[k] != WHIT_F64) whit_dtype_from_f32(types[k], whole, N, data + at);
        for (size_t i = 0; types[k] == WHIT_F64 && i < N; i++) {
            double d = (double)whole[i];
            uint64_t u;
            memcpy(&u, &d, sizeof u);
            for (int b = 0; b < 8; b++) data[at + 8 * i + (size_t)b] = (unsigned char)(u >> 8 * b);
        }
        at += bytes;
    }
    wh_buf_puts(&header, "}");
    scratch_safetensors(s, "parts.safetensors", header.data, data, SIZE);
    if (whit_file_open(&f, scratch_path(s, "parts.safetensors", path), &err) == WHIT_OK) {
        CHECK(whit_file_find(f, "a") == 0, "a first");
        reader r[4];
        pthread_t thread[4];
        for (size_t k = 0; k < 4; k++) {
            r[k] = (reader){ f, whole, k, 0 };
            CHECK(pthread_create(&thread[k], NULL, read_parts, &r[k]) == 0, "thread");
        }
        for (size_t k = 0; k < 4; k++) {
            pthread_join(thread[k], NULL);
            CHECK(r[k].wrong == 0, "thread %zu: %zu of 200 parts", k, r[k].wrong);
        }
        whit_file_close(f);
    } else
        CHECK(0, "%s", err.msg);
    wh_buf_free(&header);
    free(whole);
    free(data);
}

#define H(text) text, sizeof(text) - 1

/* What a file begins with, and the words that the message must have. */
static void test_formats(const scratch *s)
{
    static const struct {
        const char *name, *head;
        size_t len;
        whit_status want;
        const char *words;
    } rows[] = {
        /* clang-format off */
        { "a.safetensors", H("GGUF\3\0\0\0\1\0\0\0\0\0\0\0"), WHIT_ERR_FORMAT, "GGUF header goes on to" },
        { "b", H("GGUF\3\0\0\0{\0\0\0\0\0\0\0"), WHIT_ERR_FORMAT, "GGUF header goes on to" },
        { "c", H("PK\3\4\12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0w.npy"),
          WHIT_ERR_FORMAT, "zip: its end is missing" },
        { "d", H("PK\3\4\12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0a/b.pkl"),
          WHIT_ERR_FORMAT, "zip: its end is missing" },
        { "e", H("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), WHIT_ERR_UNSUPPORTED, "zip archive" },
        { "f", H("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."), WHIT_ERR_FORMAT, "pickle: ends in the middle" },
        { "g", H("\x80\4}\x94."), WHIT_ERR_UNSUPPORTED, "a pickle, but none of PyTorch" },
        { "h", H("\x89HDF\r\n\x1a\n\0\0\0\0"), WHIT_ERR_UNSUPPORTED, "an HDF5 file" },
        { "i", H("\x1c\0\0\0TFL3\0\0\0\0"), WHIT_ERR_UNSUPPORTED, "a TensorFlow Lite model" },
        { "j", H("\x08\7\x12\7pytorch\x1a"), WHIT_ERR_UNSUPPORTED, "an ONNX model" },
        { "k.safetensors", H("version https://git-lfs.github.com/spec/v1\noid"),
          WHIT_ERR_UNSUPPORTED, "a Git LFS pointer, which is not read here; try: download" },
        { "l", H("plain words"), WHIT_ERR_UNSUPPORTED, "not a model file of a format known here" },
        { "m.safetensors", H("plain words"), WHIT_ERR_FORMAT, "header of 8031924119025052784 bytes" },
        { "n", H("\377\377\0\0\0\0\0\377{\"a\":"), WHIT_ERR_FORMAT, "header of 18374686479671689215 bytes" },
        { "o", H(""), WHIT_ERR_FORMAT, "the file is empty" },
        { "p.safetensors", H(""), WHIT_ERR_FORMAT, "the file is empty" },
        { "q", H("abc"), WHIT_ERR_FORMAT, "3 bytes are too short" },
        { "r", H("{}"), WHIT_ERR_FORMAT, "without a weight_map" },
        { "s.safetensors", H(" {\"model_type\":\"llama\"}"), WHIT_ERR_FORMAT, "weight_map" },
        { "t", H("{\"weight_map\":"), WHIT_ERR_FORMAT, "not valid JSON: text ends early, at byte 14" },
        { "u", H("\2\0\0\0\0\0\0\0{}"), WHIT_OK, "" },
        { "v.gguf", H("{\0\0\0\0\0\0\0" "{\"__metadata__\":{\"key\":\""
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}"), WHIT_OK, "" },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[SCRATCH_PATH];
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        scratch_write(s, rows[i].name, rows[i].head, rows[i].len);
        whit_status st = whit_file_open(&f, scratch_path(s, rows[i].name, path), &err);
        CHECK(st == rows[i].want && strstr(err.msg, rows[i].words), "%s: %d %s", rows[i].name,
              (int)st, err.msg);
        CHECK(st == WHIT_OK || strstr(err.msg, rows[i].name), "%s", err.msg);
        whit_file_close(f);
    }
}

/* ---- folders ---- */

#define A T("a", "U8", "2", 0, 2)
#define B T("b", "U8", "2", 0, 2)
#define INDEX "model.safetensors.index.json"
#define MAP(entries) "{\"metadata\":{\"total_size\":4},\"weight_map\":{" entries "},\"x\":[{}]}"

static void fails_at(const scratch *s, const char *name, whit_status want, const char *words)
{
    CHECK(files_open(s, name, want, words) == NULL, "%s", name);
}

static void test_folder_choice(const scratch *s)
{
    whit_file *f;
    scratch_folder(s, "m");
    fails_at(s, "m", WHIT_ERR_FORMAT, "no model file in this folder");
    scratch_text(s, "m/config.json", "odd {");
    scratch_text(s, "m/.hidden.safetensors", "");
    fails_at(s, "m", WHIT_ERR_FORMAT, "no model file in this folder");
    scratch_text(s, "m/model.onnx", "x");
    fails_at(s, "m", WHIT_ERR_UNSUPPORTED, "no .safetensors file, only model.onnx; try: ");
    scratch_text(s, "m/tokenizer.bin", "x");
    scratch_text(s, "m/training_args.bin", "x");
    fails_at(s, "m", WHIT_ERR_UNSUPPORTED, "no .safetensors file, only model.onnx; try: ");
    scratch_text(s, "m/a.pth", "x");
    fails_at(s, "m", WHIT_ERR_FORMAT, "a.pth: 1 bytes are too short");
    scratch_text(s, "m/b.npz", "x");
    fails_at(s, "m", WHIT_ERR_FORMAT, "m: 2 model files (a.pth, ..); try: name one of them");
    scratch_text(s, "m/pytorch_model.bin.index.json", "{\"weight_map\":{\"a\":\"c.bin\"}}");
    fails_at(s, "m", WHIT_ERR_FORMAT, "pytorch_model.bin.index.json: c.bin is missing");
    scratch_text(s, "m/pytorch_model.bin", "x");
    fails_at(s, "m", WHIT_ERR_FORMAT, "pytorch_model.bin: 1 bytes are too short");
    scratch_safetensors(s, "m/one.safetensors", "{" A "}", "ab", 2);
    f = files_open(s, "m", WHIT_OK, "");
    CHECK(f && whit_file_is_folder(f) && !whit_file_has_index(f), "the only file");
    CHECK(f && strcmp(whit_file_shard_name(f, 0), "one.safetensors") == 0, "the only file");
    whit_file_close(f);
    f = files_open(s, "m/", WHIT_OK, "");
    whit_file_close(f);
    scratch_safetensors(s, "m/two.safetensors", "{" B "}", "cd", 2);
    fails_at(s, "m", WHIT_ERR_FORMAT, "2 .safetensors files (one.safetensors, ..) and no " INDEX);

    scratch_text(s, "m/" INDEX, MAP("\"b\":\"one.safetensors\""));
    fails_at(s, "m", WHIT_ERR_FORMAT,
             INDEX ": b: is not in one.safetensors, where weight_map puts");
    scratch_text(s, "m/" INDEX, MAP("\"b\":\"two.safetensors\",\"a\":\"one.safetensors\""));
    f = files_open(s, "m", WHIT_OK, "");
    CHECK(f && whit_file_has_index(f) && whit_file_shards(f) == 2, "two shards");
    CHECK(f && whit_file_warnings(f) == 0, "nothing to say");
    whit_file_close(f);
    f = files_open(s, "m/" INDEX, WHIT_OK, "");
    CHECK(f && whit_file_has_index(f) && whit_file_count(f) == 2 && !whit_file_is_folder(f),
          "the index itself");
    whit_file_close(f);

    scratch_safetensors(s, "m/model.safetensors", "{" A "}", "ab", 2);
    f = files_open(s, "m", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 1 && !whit_file_has_index(f), "model.safetensors comes first");
    CHECK(f && whit_file_warnings(f) == 1 && strstr(whit_file_warning(f, 0), INDEX " beside it"),
          "with a warning");
    whit_file_close(f);
    scratch_text(s, "m/model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    fails_at(s, "m", WHIT_ERR_UNSUPPORTED, "model.safetensors: this is a Git LFS pointer");
}

static void test_index(const scratch *s)
{
    static const struct {
        const char *text, *words;
        whit_status want;
    } rows[] = {
        /* clang-format off */
        { "{}", "JSON without a weight_map", WHIT_ERR_FORMAT },
        { MAP(""), "weight_map is empty", WHIT_ERR_FORMAT },
        { "[]", "is no JSON object", WHIT_ERR_FORMAT },
        { "", "not valid JSON: text ends early, at byte 0", WHIT_ERR_FORMAT },
        { "{\"weight_map\":[]}", "weight_map is no object", WHIT_ERR_FORMAT },
        { "{\"weight_map\":{\"a\":1}}", "something else than file names", WHIT_ERR_FORMAT },
        { "{\"weight_map\":{\"a\":\"1\"},\"weight_map\":{}}", "weight_map is there twice", WHIT_ERR_FORMAT },
        { "{\"weight_map\":{\"a\":\"1\"}", "not valid JSON", WHIT_ERR_FORMAT },
        { "{\"weight_map\":{\"a\":\"1\"}}}", "not valid JSON", WHIT_ERR_FORMAT },
        { "{\"weight_map\":{\"a\":\"1\"},\"x\":[}", "not valid JSON", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"1\",\"a\":\"1\""), "a: is in weight_map twice", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"\""), "\"\" is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"/etc/passwd\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"sub/1\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"sub\\\\1\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"..\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\".\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"..\\\\x\""), "is no plain file name", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"missing\""), INDEX ": missing is missing; try: download", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"sub\""), "sub: is no regular file", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"out\""), "out: is a link that leads out", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"nowhere\""), "nowhere: is missing", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"1\",\"b\":\"again\""), "a: the name is in 1, too", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"1\",\"b\":\"text\""), "text: not a model file", WHIT_ERR_UNSUPPORTED },
        { MAP("\"a\":\"1\",\"b\":\"1\""), "b: is not in 1", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"1\",\"b\":\"2\",\"c\":\"1\""), "c: is not in 1", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"2\",\"b\":\"1\""), "is not in ", WHIT_ERR_FORMAT },
        { MAP("\"a\":\"1\",\"b\":\"2\""), "", WHIT_OK },
        { MAP("\"a\":\"1\",\"b\":\"inner\""), "", WHIT_OK },
        /* clang-format on */
    };
    scratch_safetensors(s, "outside", "{" A "}", "ab", 2);
    scratch_folder(s, "idx");
    scratch_folder(s, "idx/sub");
    scratch_safetensors(s, "idx/1", "{" A "}", "ab", 2);
    scratch_safetensors(s, "idx/2", "{" B "}", "cd", 2);
    scratch_safetensors(s, "idx/again", "{" A "}", "ab", 2);
    scratch_text(s, "idx/text", "some other words");
    scratch_link(s, "../outside", "idx/out");
    scratch_link(s, "not/there", "idx/nowhere");
    scratch_link(s, "2", "idx/inner");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scratch_text(s, "idx/" INDEX, rows[i].text);
        whit_file_close(files_open(s, "idx", rows[i].want, rows[i].words));
        if (rows[i].text[0] == '{')
            whit_file_close(files_open(s, "idx/" INDEX, rows[i].want, rows[i].words));
    }
    scratch_safetensors(s, "idx/more", "{" B "," T("c", "U8", "1", 2, 3) "}", "xyz", 3);
    scratch_text(s, "idx/" INDEX, MAP("\"b\":\"more\""));
    whit_file *f = files_open(s, "idx", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 2 && whit_file_warnings(f) == 1, "one tensor too many");
    CHECK(f && strstr(whit_file_warning(f, 0), INDEX ": c: is in more, but not in weight_map"),
          "%s", f ? whit_file_warning(f, 0) : "");
    whit_file_close(f);
}

/* The lowest descriptor that is not in use. */
static int free_descriptor(void)
{
    int fd = dup(1);
    close(fd);
    return fd;
}

static void put_entry(wh_buf *header, int n, int from, int to)
{
    wh_buf_putf(header, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[5,8],\"data_offsets\":[%d,%d]}",
                header->len ? "," : "{", n, from, to);
}

/* The same tensors in one file and in shards give the same values, in the order of the shards. */
static void test_sharded(const scratch *s)
{
    enum { SHARDS = 3, EACH = 4, N = 40 };
    unsigned char data[SHARDS * EACH * N * 4];
    check_rng rng = { 11 };
    wh_buf all = { 0 }, map = { 0 };
    for (size_t i = 0; i < sizeof data; i += 4) {
        float v = check_f32(&rng);
        whit_dtype_from_f32(WHIT_F32, &v, 1, data + i);
    }
    scratch_folder(s, "one");
    scratch_folder(s, "three");
    for (int k = SHARDS - 1; k >= 0; k--) { /* the map begins with the last shard */
        wh_buf part = { 0 };
        for (int i = 0; i < EACH; i++) {
            int n = k * EACH + i;
            put_entry(&part, n, i * N * 4, (i + 1) * N * 4);
            put_entry(&all, n, n * N * 4, (n + 1) * N * 4);
            wh_buf_putf(&map, "%s\"t%d\":\"model-%d.safetensors\"", map.len ? "," : "", n, k);
        }
        char name[64];
        wh_buf_puts(&part, "}");
        snprintf(name, sizeof name, "three/model-%d.safetensors", k);
        scratch_safetensors(s, name, part.data, data + k * EACH * N * 4, EACH * N * 4);
        wh_buf_free(&part);
    }
    wh_buf_puts(&all, "}");
    scratch_safetensors(s, "one/model.safetensors", all.data, data, sizeof data);
    wh_buf_free(&all);
    wh_buf_putf(&all, "{\"weight_map\":{%s}}", map.data);
    scratch_text(s, "three/" INDEX, all.data);
    whit_file *a = files_open(s, "one", WHIT_OK, ""), *b = files_open(s, "three", WHIT_OK, "");
    CHECK(a && b && whit_file_count(a) == 12 && whit_file_count(b) == 12, "as many tensors");
    CHECK(b && whit_file_shards(b) == 3, "three shards");
    for (size_t i = 0; a && b && i < 12; i++) {
        const whit_tensor *x = whit_file_tensor(a, i), *y = whit_file_tensor(b, i);
        float v[N], w[N];
        CHECK(strcmp(x->name, y->name) == 0 && y->shard == i / EACH && x->shard == 0, "%s",
              y->name);
        CHECK(whit_file_read_rows(a, i, 0, 5, v, NULL) == WHIT_OK, "%s", x->name);
        CHECK(whit_file_read_rows(b, i, 0, 5, w, NULL) == WHIT_OK, "%s", y->name);
        CHECK(memcmp(v, w, sizeof v) == 0, "%s", x->name);
    }
    for (size_t k = 0; b && k < 3; k++) {
        char name[64];
        snprintf(name, sizeof name, "model-%zu.safetensors", k);
        CHECK(strcmp(whit_file_shard_name(b, k), name) == 0, "%s", whit_file_shard_name(b, k));
        CHECK(strstr(whit_file_shard_path(b, k), name), "%s", whit_file_shard_path(b, k));
        CHECK(whit_file_shard_bytes(b, k) > EACH * N * 4, "%zu", k);
    }
    whit_file_close(a);
    whit_file_close(b);
    wh_buf_free(&all);
    wh_buf_free(&map);

    struct rlimit old, few;
    if (getrlimit(RLIMIT_NOFILE, &old) != 0) return;
    few = old;
    few.rlim_cur = (rlim_t)free_descriptor() + 2; /* for two shards of three */
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) return;
    fails_at(s, "three", WHIT_ERR_IO, "too many open files");
    setrlimit(RLIMIT_NOFILE, &old);
    whit_file_close(files_open(s, "three", WHIT_OK, ""));
}

/* Holes read as zeros, so that a file of many GiB takes no room. 0: this disk has no such files. */
static int make_large(const char *path, uint64_t size)
{
    const unsigned char two = 0x40; /* of E4M3 */
    const int fd = open(path, O_WRONLY);
    const int made = fd >= 0 && (off_t)size > 0 && ftruncate(fd, (off_t)size) == 0 &&
                     pwrite(fd, &two, 1, (off_t)size - 1) == 1;
    if (fd >= 0) close(fd);
    return made;
}

/* Offsets beyond 4 GiB, and numbers of elements: what addresses of 32 bits do not reach is refused
 * there, never cut short. */
static void test_large(const scratch *s)
{
    enum { BEFORE = 3 }; /* GiB */
    static const struct {
        uint64_t rows, cols;
        int narrow; /* machines of 32 bits read it, too */
    } cases[] = {
        { 65537, 40000, 1 },         { 3, ((uint64_t)1 << 28) - 1, 1 },
        { 3, (uint64_t)1 << 28, 0 }, { 65537, 65536, 0 },
        { 65536, 65536, 0 }, /* 0 in 32 bits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint64_t before = (uint64_t)BEFORE << 30, n = cases[i].rows * cases[i].cols;
        const int reads = cases[i].narrow || SIZE_MAX > UINT32_MAX;
        char header[320], path[SCRATCH_PATH];
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        float v[2] = { 7, 7 };
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"U8\",\"shape\":[%d,1048576],\"data_offsets\":[0,%" PRIu64
                 "]},\"b\":{\"dtype\":\"F8_E4M3\",\"shape\":[%" PRIu64 ",%" PRIu64
                 "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}}",
                 BEFORE << 10, before, cases[i].rows, cases[i].cols, before, before + n);
        scratch_safetensors(s, "large", header, "", 0);
        scratch_path(s, "large", path);
        if (!make_large(path, 8 + strlen(header) + before + n)) {
            printf("skip: no file of %" PRIu64 " octets here\n", before + n);
            return;
        }
        whit_status st = whit_file_open(&f, path, &err);
        CHECK(st == (reads ? WHIT_OK : WHIT_ERR_UNSUPPORTED), "case %zu: %s", i, err.msg);
        if (st == WHIT_OK) {
            st = whit_file_read_f32(f, 1, n - 2, 2, v, &err);
            CHECK(st == WHIT_OK && v[0] == 0 && v[1] == 2, "case %zu: %s", i, err.msg);
        } else
            CHECK(strstr(err.msg, "large: b: ") && strstr(err.msg, "64 bits"), "%s", err.msg);
        whit_file_close(f);
    }
}

int main(void)
{
    scratch s;
    int lowest = free_descriptor();
    scratch_make(&s);
    test_example(&s);
    test_parts(&s);
    test_formats(&s);
    test_folder_choice(&s);
    test_index(&s);
    test_sharded(&s);
    test_large(&s);
    scratch_remove(&s);
    CHECK(free_descriptor() == lowest, "every file is closed, after failures as well");
    return check_result();
}
