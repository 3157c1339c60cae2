/* tests/test_torch.c - PyTorch checkpoints: what other people's hold, and every type and view that
 * ours can.
 *
 *   test_torch DATA     pytorch/expected.json says what PyTorch reads in the files beside it
 *
 * Their names: test_torch_names.c. Hostile ones are in data/malformed (test_safetensors.c), mutated
 * ones in fuzz/fuzz_pickle.c.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include <whit/file.h>

#include "base/json.h"
#include "files.h"
#include "torch_build.h"

/* ---- what PyTorch reads ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    whit_dtype dtype;
} dtypes[] = { { "bfloat16", WHIT_BF16 }, { "bool", WHIT_BOOL },   { "float16", WHIT_F16 },
               { "float32", WHIT_F32 },   { "float64", WHIT_F64 }, { "int32", WHIT_I32 },
               { "int64", WHIT_I64 },     { "int8", WHIT_I8 } };

/* Element i as a number. */
static double value_of(const whit_tensor *t, const unsigned char *raw, size_t i)
{
    const size_t size = whit_dtype_bits(t->dtype) / 8;
    const unsigned char *p = raw + i * size;
    float v = 0;
    double d;
    uint64_t bits = 0;
    for (size_t k = size; k-- > 0;) bits = bits << 8 | p[k];
    switch (t->dtype) {
    case WHIT_F64:
        memcpy(&d, &bits, sizeof d);
        return d;
    case WHIT_I64:
        return (double)(int64_t)bits;
    case WHIT_I32:
        return (int32_t)(uint32_t)bits;
    case WHIT_I8:
        return (int8_t)(uint8_t)bits;
    case WHIT_BOOL:
        return (double)bits;
    default:
        CHECK(whit_dtype_to_f32(t->dtype, p, 1, &v) == WHIT_OK, "%s", t->name);
        return (double)v;
    }
}

typedef struct expected {
    const whit_file *file;
    const whit_tensor *tensor;
    unsigned char *raw;
    size_t tensors, values;
} expected;

/* The array at hand: shape, or the first values. */
static void read_array(expected *x, wh_json *j, int shape)
{
    size_t n = 0;
    wh_json_next(j);
    while (wh_json_next(j) == WH_JSON_NUMBER) {
        double v = 0;
        wh_json_f64(j, &v);
        if (shape)
            CHECK(n < x->tensor->rank && (double)x->tensor->shape[n] == v, "%s: dimension %zu",
                  x->tensor->name, n);
        else
            CHECK(n < x->tensor->elements && value_of(x->tensor, x->raw, n) == v,
                  "%s: value %zu is %.17g", x->tensor->name, n, v);
        x->values += !shape;
        n++;
    }
    if (shape) CHECK(n == x->tensor->rank, "%s: %zu dimensions", x->tensor->name, n);
}

static void read_sum(const expected *x, double want)
{
    double sum = 0, most = 1;
    for (size_t i = 0; i < x->tensor->elements; i++) {
        const double v = value_of(x->tensor, x->raw, i);
        if (fabs(v) > most) most = fabs(v);
        sum += v;
    }
    CHECK(fabs(sum - want) <= 1e-6 * most * (double)(x->tensor->elements + 1), "%s: sum %g, not %g",
          x->tensor->name, sum, want);
}

static void read_tensor(expected *x, wh_json *j)
{
    const size_t i = whit_file_find(x->file, j->text);
    CHECK(i != WHIT_NOT_FOUND, "%s: is not there", j->text);
    if (i == WHIT_NOT_FOUND) exit(1);
    x->tensor = whit_file_tensor(x->file, i);
    x->raw = malloc((size_t)x->tensor->bytes + 1);
    CHECK(x->raw &&
              whit_file_read(x->file, i, 0, (size_t)x->tensor->bytes, x->raw, NULL) == WHIT_OK,
          "%s", x->tensor->name);
    x->tensors++;
    wh_json_next(j);
    while (wh_json_next(j) == WH_JSON_KEY) {
        char key[16];
        snprintf(key, sizeof key, "%s", j->text);
        if (strcmp(key, "shape") == 0 || strcmp(key, "first") == 0) {
            read_array(x, j, key[0] == 's');
        } else if (strcmp(key, "sum_finite") == 0) {
            double v = 0;
            wh_json_next(j);
            wh_json_f64(j, &v);
            read_sum(x, v);
        } else if (strcmp(key, "dtype") == 0) {
            size_t k = 0;
            wh_json_next(j);
            while (k < sizeof dtypes / sizeof dtypes[0] && strcmp(dtypes[k].name, j->text) != 0)
                k++;
            CHECK(k < sizeof dtypes / sizeof dtypes[0] && dtypes[k].dtype == x->tensor->dtype,
                  "%s: %s", x->tensor->name, j->text);
        } else {
            wh_json_skip(j, WH_JSON_KEY);
        }
    }
    free(x->raw);
}

/* One file of expected.json. */
static size_t read_sample(const char *data, wh_json *j)
{
    char path[SCRATCH_PATH], name[64];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    expected x = { 0 };
    snprintf(name, sizeof name, "%s", j->text);
    snprintf(path, sizeof path, "%s/pytorch/%s", data, name);
    whit_status st = whit_file_open(&f, path, &err);
    CHECK((st == WHIT_OK) == (strcmp(name, "broken.pt") != 0), "%s: %s", name, err.msg);
    wh_json_next(j);
    while (wh_json_next(j) == WH_JSON_KEY) {
        if (strcmp(j->text, "tensors") != 0) {
            wh_json_skip(j, WH_JSON_KEY);
            continue;
        }
        x.file = f;
        wh_json_next(j);
        while (wh_json_next(j) == WH_JSON_KEY) read_tensor(&x, j);
    }
    if (f) CHECK(x.tensors == whit_file_count(f), "%s: %zu tensors", name, x.tensors);
    whit_file_close(f);
    return x.values;
}

static void test_samples(const char *data)
{
    char path[SCRATCH_PATH];
    size_t len, files = 0, values = 0;
    wh_json j;
    snprintf(path, sizeof path, "%s/pytorch/expected.json", data);
    char *text = scratch_read(path, &len);
    wh_json_init(&j, text, len);
    wh_json_next(&j);
    for (; wh_json_next(&j) == WH_JSON_KEY; files++) values += read_sample(data, &j);
    CHECK(files == 22 && values > 150, "%zu files, %zu values", files, values);
    wh_json_free(&j);
    free(text);
}

/* ---- types and views ------------------------------------------------------------------------- */

static void test_types(const scratch *s)
{
    static const struct {
        const char *class;
        whit_dtype dtype;
        size_t size;
    } rows[] = { { "Double", WHIT_F64, 8 },       { "Float", WHIT_F32, 4 },
                 { "Half", WHIT_F16, 2 },         { "BFloat16", WHIT_BF16, 2 },
                 { "Long", WHIT_I64, 8 },         { "Int", WHIT_I32, 4 },
                 { "Short", WHIT_I16, 2 },        { "Char", WHIT_I8, 1 },
                 { "Byte", WHIT_U8, 1 },          { "Bool", WHIT_BOOL, 1 },
                 { "ComplexFloat", WHIT_C64, 8 }, { "Untyped", WHIT_U8, 1 } };
    static const uint64_t six[1] = { 6 }, one[1] = { 1 };
    unsigned char data[48], got[48];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i + 1);
    for (int old = 0; old < 2; old++) {
        tb_build b = { 0 };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            tb_tensor(&b, rows[i].class, tb_add(&b, rows[i].class, data, 6, 6 * rows[i].size), 0, 1,
                      six, one);
        old ? tb_write_old(&b, s, "types.pt") : tb_write_zip(&b, s, "types.pt", 0);
        whit_file *f = files_open(s, "types.pt", WHIT_OK, "");
        for (size_t i = 0; f && i < sizeof rows / sizeof rows[0]; i++) {
            const size_t at = whit_file_find(f, rows[i].class);
            const whit_tensor *t = whit_file_tensor(f, at);
            CHECK(t && t->dtype == rows[i].dtype && t->bytes == 6 * rows[i].size, "%s",
                  rows[i].class);
            CHECK(whit_file_read(f, at, 0, 6 * rows[i].size, got, NULL) == WHIT_OK &&
                      memcmp(got, data, 6 * rows[i].size) == 0,
                  "%s", rows[i].class);
        }
        whit_file_close(f);
        tb_free(&b);
    }
}

/* Types that have no storage class: v3, on untyped octets. */
static void test_v3(const scratch *s)
{
    static const struct {
        const char *type;
        whit_dtype dtype;
    } rows[] = { { "float8_e4m3fn", WHIT_F8_E4M3 },
                 { "float8_e5m2", WHIT_F8_E5M2 },
                 { "float8_e4m3fnuz", WHIT_F8_E4M3FNUZ },
                 { "float8_e5m2fnuz", WHIT_F8_E5M2FNUZ },
                 { "float8_e8m0fnu", WHIT_F8_E8M0 },
                 { "uint16", WHIT_U16 },
                 { "uint32", WHIT_U32 },
                 { "uint64", WHIT_U64 },
                 { "float32", WHIT_F32 },
                 { "bfloat16", WHIT_BF16 } };
    tb_build b = { 0 };
    unsigned char data[64], got[16];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 3);
    tb_add(&b, "Untyped", data, sizeof data, sizeof data);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tb_text(&b.items, rows[i].type);
        st_put(&b.items, TB_TEXT("ctorch._utils\n_rebuild_tensor_v3\n(("));
        tb_text(&b.items, "storage");
        st_put(&b.items, TB_TEXT("ctorch.storage\nUntypedStorage\n"));
        tb_text(&b.items, "0");
        tb_text(&b.items, "cuda:0");
        tb_number(&b.items, sizeof data);
        st_put(&b.items, TB_TEXT("tQK\3K\2\x85K\1\x85\x89"
                                 "ccollections\nOrderedDict\n)R"));
        st_putf(&b.items, "ctorch\n%s\ntR", rows[i].type);
    }
    tb_write_zip(&b, s, "v3.pt", 8);
    whit_file *f = files_open(s, "v3.pt", WHIT_OK, "");
    for (size_t i = 0; f && i < sizeof rows / sizeof rows[0]; i++) {
        const size_t at = whit_file_find(f, rows[i].type);
        const whit_tensor *t = whit_file_tensor(f, at);
        const size_t size = whit_dtype_bits(rows[i].dtype) / 8;
        CHECK(t && t->dtype == rows[i].dtype && t->elements == 2, "%s", rows[i].type);
        CHECK(whit_file_read(f, at, 0, 2 * size, got, NULL) == WHIT_OK &&
                  memcmp(got, data + 3 * size, 2 * size) == 0,
              "%s", rows[i].type);
    }
    whit_file_close(f);
    tb_free(&b);
}

/* Random shapes and strides on one storage, in both containers, either way round: each element is
 * the one that its indices say. */
static void test_views(const scratch *s)
{
    enum { COUNT = 40000, TENSORS = 60 };
    static unsigned char data[4 * COUNT];
    uint64_t shape[TENSORS][4], stride[TENSORS][4], offset[TENSORS];
    unsigned rank[TENSORS];
    check_rng r = { 77 };
    tb_build b = { 0 };
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)check_u64(&r);
    tb_add(&b, "Float", data, COUNT, sizeof data);
    for (size_t i = 0; i < TENSORS; i++) {
        static const uint64_t most[] = { 3, 20, 150, 6000 };
        char name[16];
        uint64_t last = 0;
        rank[i] = (unsigned)check_below(&r, 5);
        for (unsigned d = 0; d < rank[i]; d++) {
            shape[i][d] = 1 + check_below(&r, d == check_below(&r, 4) ? 40 : 8);
            stride[i][d] = check_below(&r, most[check_below(&r, 4)]);
            while (last + (shape[i][d] - 1) * stride[i][d] >= COUNT) stride[i][d] /= 2;
            last += (shape[i][d] - 1) * stride[i][d];
        }
        offset[i] = check_below(&r, COUNT - last);
        snprintf(name, sizeof name, "t%zu", i);
        tb_tensor(&b, name, 0, offset[i], rank[i], shape[i], stride[i]);
    }
    for (int form = 0; form < 3; form++) {
        form < 2 ? tb_write_zip(&b, s, "v.pt", form ? 8 : 0) : tb_write_old(&b, s, "v.pt");
        whit_file *f = files_open(s, "v.pt", WHIT_OK, "");
        for (size_t i = 0; f && i < TENSORS; i++) {
            char name[16];
            snprintf(name, sizeof name, "t%zu", i);
            const size_t at = whit_file_find(f, name);
            const size_t n = (size_t)whit_file_tensor(f, at)->elements;
            unsigned char *want = malloc(4 * n), *got = malloc(4 * n);
            float *values = malloc(4 * n), *floats = malloc(4 * n);
            if (!want || !got || !values || !floats) exit(1);
            for (size_t k = 0; k < n; k++) {
                uint64_t from = offset[i], rest = k;
                for (unsigned d = rank[i]; d-- > 0; rest /= shape[i][d])
                    from += rest % shape[i][d] * stride[i][d];
                memcpy(want + 4 * k, data + 4 * from, 4);
            }
            CHECK(whit_file_read(f, at, 0, 4 * n, got, NULL) == WHIT_OK &&
                      memcmp(want, got, 4 * n) == 0,
                  "form %d, %s", form, name);
            const size_t cut = (size_t)check_below(&r, 4 * n);
            memset(got, 0, 4 * n);
            CHECK(whit_file_read(f, at, cut, 4 * n - cut, got, NULL) == WHIT_OK &&
                      memcmp(want + cut, got, 4 * n - cut) == 0,
                  "form %d, %s from %zu", form, name, cut);
            whit_dtype_to_f32(WHIT_F32, want, n, floats);
            CHECK(whit_file_read_f32(f, at, 0, n, values, NULL) == WHIT_OK &&
                      memcmp(floats, values, 4 * n) == 0,
                  "form %d, %s", form, name);
            free(floats);
            free(values);
            free(got);
            free(want);
        }
        whit_file_close(f);
    }
    tb_free(&b);
}

/* Of a complex number each part is swapped for itself. */
static void test_big_complex(const scratch *s)
{
    static const uint64_t two[1] = { 2 }, one[1] = { 1 };
    static const unsigned char want[16] = { 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12 };
    zb_build z = { 0 };
    tb_build b = { 0 };
    st_text pickle = { 0 };
    unsigned char octets[16], got[16];
    for (size_t i = 0; i < 16; i++) octets[i] = (unsigned char)i;
    tb_tensor(&b, "z", tb_add(&b, "ComplexFloat", octets, 2, 16), 0, 1, two, one);
    tb_pickle(&b, &pickle);
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "x/byteorder", "big", 3, 0);
    zb_add(&z, "x/data/0", octets, 16, 0);
    zb_write(&z, s, "complex.pt");
    whit_file *f = files_open(s, "complex.pt", WHIT_OK, "");
    CHECK(f && whit_file_read(f, 0, 0, 16, got, NULL) == WHIT_OK && memcmp(got, want, 16) == 0,
          "big-endian, complex");
    whit_file_close(f);
    free(pickle.data);
    tb_free(&b);
}

static void test_big_endian(const scratch *s)
{
    static const uint64_t shape[2] = { 2, 3 }, turned[2] = { 1, 2 };
    zb_build z = { 0 };
    tb_build b = { 0 };
    st_text pickle = { 0 };
    unsigned char octets[12], got[12], want[12];
    for (size_t i = 0; i < 12; i++) octets[i] = (unsigned char)i;
    for (size_t i = 0; i < 6;
         i++) { /* element i of the row-major array is stored at i / 3 + i % 3 * 2 */
        const size_t from = i / 3 + i % 3 * 2;
        want[2 * i] = octets[2 * from + 1];
        want[2 * i + 1] = octets[2 * from];
    }
    tb_tensor(&b, "w", tb_add(&b, "Half", octets, 6, 12), 0, 2, shape, turned);
    tb_pickle(&b, &pickle);
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "x/byteorder", "big", 3, 0);
    zb_add(&z, "x/data/0", octets, 12, 0);
    zb_write(&z, s, "big.pt");
    whit_file *f = files_open(s, "big.pt", WHIT_OK, "");
    CHECK(f && whit_file_read(f, 0, 0, 12, got, NULL) == WHIT_OK && memcmp(got, want, 12) == 0,
          "big-endian, transposed");
    whit_file_close(f);
    test_big_complex(s);
    zb_add(&z, "x/data.pkl", pickle.data, pickle.len, 0);
    zb_add(&z, "x/byteorder", "middle", 6, 0);
    zb_add(&z, "x/data/0", octets, 12, 0);
    zb_write(&z, s, "middle.pt");
    CHECK(!files_open(s, "middle.pt", WHIT_ERR_FORMAT, "neither little nor big"), "byteorder");
    free(pickle.data);
    tb_free(&b);
}

/* ---- the old form ---------------------------------------------------------------------------- */

#define START "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."
#define START3 "\x80\3\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19." /* as protocols 3, 4 and 5 begin */
#define START4 "\x80\4\x95\15\0\0\0\0\0\0\0\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."
#define START5 "\x80\5\x95\15\0\0\0\0\0\0\0\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."
#define PROTOCOL "\x80\2M\xe9\3."
#define SYSTEM "\x80\2}U\15little_endian\x88s."
#define OBJECT                                                                                     \
    "\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nHalfStorage\nU\1"           \
    "7U\3cpuK\2"                                                                                   \
    "NtQK\0K\2\x85K\1\x85\x89)}tRs."
#define PART                                                                                       \
    "\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nHalfStorage\nU\1"           \
    "7U\3cpuK\2"                                                                                   \
    "U\2xxK\1K\1\x87tQK\0K\1\x85K\1\x85\x89NtRs."
#define LONG_SIZE                                                                                  \
    "\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nHalfStorage\nU\1"           \
    "7U\3cpuK\2"                                                                                   \
    "NtQK\0\x8a\11\2\0\0\0\0\0\0\x80\0\x85K\1\x85\x89NtRs."
#define KEYS                                                                                       \
    "\x80\2]U\1"                                                                                   \
    "7a."
#define TWO "\2\0\0\0\0\0\0\0abcd"

static void test_old_form(const scratch *s)
{
    static const struct {
        const char *file;
        size_t len;
        const char *words; /* NULL: sound */
    } rows[] = {
        /* clang-format off */
        { TB_TEXT(START "\x80\2K\1." SYSTEM OBJECT KEYS TWO), "a protocol of PyTorch that is not 1001" },
        { TB_TEXT(START PROTOCOL "\x80\2}." OBJECT KEYS TWO), "does not say its byte order" },
        { TB_TEXT(START PROTOCOL "\x80\2K\1." OBJECT KEYS TWO), "does not say its byte order" },
        { TB_TEXT(START PROTOCOL SYSTEM PART KEYS TWO), NULL },
        { TB_TEXT(START PROTOCOL "\x80\2}(U\15little_endian\x89U\15little_endian\x88u." PART KEYS TWO), NULL }, /* the last one counts */
        { TB_TEXT(START PROTOCOL "\x80\2}(U\15little_endian\x88U\15little_endianNu." PART KEYS TWO), "does not say its byte order" },
        { TB_TEXT(START PROTOCOL "\x80\2}U\15little_endian\x89s." PART KEYS TWO), NULL }, /* the machine, not the file */
        { TB_TEXT(START3 PROTOCOL SYSTEM PART KEYS TWO), NULL },
        { TB_TEXT(START4 PROTOCOL SYSTEM PART KEYS TWO), NULL },
        { TB_TEXT(START5 PROTOCOL SYSTEM PART KEYS TWO), NULL },
        { TB_TEXT(START PROTOCOL SYSTEM PART "\x80\2}." TWO), "no list of storages" },
        { TB_TEXT(START PROTOCOL SYSTEM PART "\x80\2]K\1a." TWO), "no list of storages" },
        { TB_TEXT(START PROTOCOL SYSTEM PART "\x80\2]." TWO), "storage 7 is not in the file" },
        { TB_TEXT(START PROTOCOL SYSTEM PART "\x80\2]U\1" "8a." TWO), "storage 8: no tensor says its type" },
        { TB_TEXT(START PROTOCOL SYSTEM PART "\x80\2](U\1" "7U\1" "7e." TWO TWO), "storage 7: is there twice" },
        { TB_TEXT(START PROTOCOL SYSTEM PART KEYS TWO "x"), "more behind its last storage" },
        { TB_TEXT(START PROTOCOL SYSTEM PART KEYS "\2\0\0\0\0\0\0\0abc"), "storage 7: ends beyond the file" },
        { TB_TEXT(START PROTOCOL SYSTEM PART KEYS "\3\0\0\0\0\0\0\0abcd"), "has 3 elements, the checkpoint says 2" },
        { TB_TEXT(START PROTOCOL SYSTEM OBJECT KEYS TWO), "w: has hooks" },
        { TB_TEXT(START PROTOCOL SYSTEM LONG_SIZE KEYS TWO), "w: its sizes and strides are not" },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char got[2];
        scratch_write(s, "o.pth", rows[i].file, rows[i].len);
        whit_file *f = files_open(s, "o.pth", rows[i].words ? WHIT_ERR_FORMAT : WHIT_OK,
                                  rows[i].words ? rows[i].words : "");
        CHECK(!f == (rows[i].words != NULL), "row %zu", i);
        if (f)
            CHECK(whit_file_read(f, 0, 0, 2, got, NULL) == WHIT_OK && got[0] == 'c' &&
                      got[1] == 'd',
                  "a part of a storage");
        whit_file_close(f);
    }
    const size_t len = rows[3].len;
    for (size_t n = 15; n < len; n++) {
        scratch_write(s, "o.pth", rows[3].file, n);
        CHECK(!files_open(s, "o.pth", WHIT_ERR_FORMAT, "o.pth"), "cut to %zu", n);
    }
}

/* As torch wrote under Python 2, whose pickler numbers what it remembers from 1. */
static void test_python2(const scratch *s)
{
    static const char file[] =
        /* clang-format off */
        "\200\002\212\012\154\374\234\106\371\040\152\250\120\031\056\200\002\115\351\003\056"
        "\200\002\175\161\001\050\130\020\000\000\000\160\162\157\164\157\143\157\154\137\166"
        "\145\162\163\151\157\156\161\002\115\351\003\130\015\000\000\000\154\151\164\164\154"
        "\145\137\145\156\144\151\141\156\161\003\210\130\012\000\000\000\164\171\160\145\137"
        "\163\151\172\145\163\161\004\175\161\005\050\130\005\000\000\000\163\150\157\162\164"
        "\161\006\113\002\130\003\000\000\000\151\156\164\161\007\113\004\130\004\000\000\000"
        "\154\157\156\147\161\010\113\004\165\165\056\200\002\143\143\157\154\154\145\143\164"
        "\151\157\156\163\012\117\162\144\145\162\145\144\104\151\143\164\012\161\001\051\122"
        "\161\002\130\001\000\000\000\167\161\003\143\164\157\162\143\150\056\137\165\164\151"
        "\154\163\012\137\162\145\142\165\151\154\144\137\164\145\156\163\157\162\137\166\062"
        "\012\161\004\050\050\130\007\000\000\000\163\164\157\162\141\147\145\161\005\143\164"
        "\157\162\143\150\012\106\154\157\141\164\123\164\157\162\141\147\145\012\161\006\130"
        "\001\000\000\000\060\161\007\130\003\000\000\000\143\160\165\161\010\113\004\116\164"
        "\161\011\121\113\000\113\002\113\002\206\161\012\113\002\113\001\206\161\013\211\150"
        "\001\051\122\161\014\164\161\015\122\161\016\163\056\200\002\135\161\001\130\001\000"
        "\000\000\060\161\002\141\056\004\000\000\000\000\000\000\000\000\000\200\077\000\000"
        "\000\100\000\000\100\100\000\000\200\100";
    /* clang-format on */
    float w[4] = { 0 };
    scratch_write(s, "python2.pth", file, sizeof file - 1);
    whit_file *f = files_open(s, "python2.pth", WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 1 && whit_file_read_f32(f, 0, 0, 4, w, NULL) == WHIT_OK &&
              w[0] == 1 && w[1] == 2 && w[2] == 3 && w[3] == 4,
          "%g %g %g %g", (double)w[0], (double)w[1], (double)w[2], (double)w[3]);
    whit_file_close(f);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    test_samples(argv[1]);
    test_types(&s);
    test_v3(&s);
    test_views(&s);
    test_big_endian(&s);
    test_old_form(&s);
    test_python2(&s);
    scratch_remove(&s);
    return check_result();
}
