/* tests/test_gguf.c - the GGUF reader: each check it makes, each type, typed metadata, damage.
 * Split models, folders and a whole model: test_gguf_model.c. The verdicts of
 * data/malformed/manifest.json: test_safetensors.c.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "check.h"
#include "gguf_build.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED

/* Texts of the file format: numbers as octets, strings with their length before them. */
#define Z3 "\0\0\0"
#define Z4 "\0\0\0\0"
#define Z7 "\0\0\0\0\0\0\0"
#define Z8 Z7 "\0"
#define NAME(len, text) len Z7 text
#define U32(n) n Z3
#define U64(n) n Z7
#define KEY(letter) NAME("\1", letter)
#define SPLIT_COUNT NAME("\13", "split.count")
#define ALIGN(type, value) NAME("\21", "general.alignment") U32(type) value
#define MAX63 "\377\377\377\377\377\377\377\177"
#define BIN(text) text, sizeof(text) - 1

/* What stands between the counts and the data, and how many octets the data section has. */
static const struct {
    const char *what;
    unsigned keys, tensors;
    const char *text;
    size_t len, data;
    whit_status want;
    const char *words; /* in the message; for OK the tensors in order */
} cases[] = {
    /* clang-format off */
    { "nothing", 0, 0, BIN(""), 0, WHIT_OK, "" },
    { "a matrix", 0, 1, BIN(NAME("\1", "w") U32("\2") U64("\3") U64("\2") U32("\0") U64("\0")), 24,
      WHIT_OK, "w F32 2,3 @0;" },
    { "a scalar", 0, 1, BIN(NAME("\1", "w") U32("\0") U32("\1") U64("\0")), 2, WHIT_OK, "w F16 @0;" },
    { "four dimensions", 0, 1, BIN(NAME("\1", "w") U32("\4") U64("\1") U64("\2") U64("\3") U64("\4")
      U32("\30") U64("\0")), 24, WHIT_OK, "w I8 4,3,2,1 @0;" },
    { "two, padded", 0, 2, BIN(NAME("\1", "b") U32("\1") U64("\3") U32("\36") U64("\0")
      NAME("\1", "a") U32("\1") U64("\1") U32("\32") U64("\40")), 36, WHIT_OK, "b BF16 3 @0;a I32 1 @32;" },
    { "an empty one between", 0, 3, BIN(NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\0")
      NAME("\1", "b") U32("\2") U64("\0") U64("\5") U32("\34") U64("\40")
      NAME("\1", "c") U32("\1") U64("\1") U32("\33") U64("\40")), 40, WHIT_OK,
      "a I8 1 @0;b F64 5,0 @32;c I64 1 @32;" },
    { "a name that is UTF-8", 0, 1, BIN(NAME("\5", "\xc3\xa4\xe2\x82\xac") U32("\1") U64("\1")
      U32("\31") U64("\0")), 2, WHIT_OK, "\xc3\xa4\xe2\x82\xac I16 1 @0;" },
    { "an alignment of 4", 1, 2, BIN(ALIGN("\4", U32("\4")) NAME("\1", "a") U32("\1") U64("\1") U32("\30")
      U64("\0") NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\4")), 5, WHIT_OK, "a I8 1 @0;b I8 1 @4;" },
    { "an alignment of 2 as i64", 1, 2, BIN(ALIGN("\13", U64("\2")) NAME("\1", "a") U32("\1") U64("\1")
      U32("\30") U64("\0") NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\2")), 3, WHIT_OK,
      "a I8 1 @0;b I8 1 @2;" },

    { "an alignment of 0", 1, 0, BIN(ALIGN("\4", Z4)), 0, FMT, "general.alignment: is no power of two" },
    { "an alignment of 24", 1, 0, BIN(ALIGN("\4", U32("\30"))), 0, FMT, "is no power of two" },
    { "an alignment of 65537", 1, 0, BIN(ALIGN("\4", "\1\0\1\0")), 0, FMT, "is no power of two" },
    { "an alignment of 131072", 1, 0, BIN(ALIGN("\4", "\0\0\2\0")), 0, FMT, "is no power of two" },
    { "an alignment of 2^63", 1, 0, BIN(ALIGN("\12", Z7 "\200")), 0, FMT, "is no power of two" },
    { "an alignment of -32", 1, 0, BIN(ALIGN("\5", "\340\377\377\377")), 0, FMT, "is no whole number" },
    { "an alignment as float", 1, 0, BIN(ALIGN("\6", "\0\0\0\102")), 0, FMT, "is no whole number" },
    { "an alignment as array", 1, 0, BIN(ALIGN("\11", U32("\4") U64("\1") U32("\40"))), 0, FMT, "is no whole number" },

    { "an empty key", 1, 0, BIN(Z8 U32("\0") "\1" Z7), 0, FMT, "a key is empty" },
    { "a key twice", 2, 0, BIN(KEY("k") U32("\0") "\1" KEY("k") U32("\7") "\1"), 0, FMT, "k: the key is there twice" },
    { "a key with NUL", 1, 0, BIN(NAME("\2", "k\0") U32("\0") "\1"), 0, FMT, "not UTF-8, or holds NUL" },
    { "a bool of 2", 1, 0, BIN(KEY("k") U32("\7") "\2"), 0, FMT, "k: a bool is neither 0 nor 1" },
    { "a bool of 2 in an array", 1, 0, BIN(KEY("k") U32("\11") U32("\7") U64("\3") "\0\1\2"), 0, FMT, "a bool is" },
    { "an unknown type", 1, 0, BIN(KEY("k") U32("\15") Z8), 0, FMT, "k: value type 13 is not known" },
    { "an unknown element", 1, 0, BIN(KEY("k") U32("\11") U32("\15") Z8), 0, FMT, "value type 13" },
    { "a nested array", 1, 0, BIN(KEY("k") U32("\11") U32("\11") Z8), 0, UNS, "k: arrays of arrays" },
    { "a long array", 1, 0, BIN(KEY("k") U32("\11") U32("\12") U64("\3") Z8 Z8 Z7), 0, FMT,
      "k: 3 numbers cannot be in the 23 bytes" },
    { "an array that wraps", 1, 0, BIN(KEY("k") U32("\11") U32("\12") Z7 "\40" Z8), 0, FMT, "k: 2305843009213693952 numbers" },
    { "too many strings", 1, 0, BIN(KEY("k") U32("\11") U32("\10") U64("\2") Z8), 0, FMT, "k: 2 strings cannot be in" },
    { "a string beyond the end", 1, 0, BIN(KEY("k") U32("\10") U64("\6") "hello"), 0, FMT, "goes on to byte 51, the file has 50" },
    { "a string of 16 MiB + 1", 1, 0, BIN(KEY("k") U32("\10") "\1\0\0\1" Z4), 0, FMT, "k: a string of more than 16 MiB" },
    { "a string of 2^64 - 1", 1, 0, BIN(KEY("k") U32("\10") "\377\377\377\377\377\377\377\377"), 0, FMT, "16 MiB" },
    { "no split.count", 1, 0, BIN(SPLIT_COUNT U32("\10") Z8), 0, FMT, "split.count: is no whole number" },
    { "split.count 2", 1, 0, BIN(SPLIT_COUNT U32("\2") "\2\0"), 0, FMT, "one of 2 parts, but its name does not end in -00001-of-00002.gguf" },
    { "split.count 2^63", 1, 0, BIN(SPLIT_COUNT U32("\12") Z7 "\200"), 0, FMT, "one of 9223372036854775808 parts" },
    { "split.count 1", 1, 0, BIN(SPLIT_COUNT U32("\2") "\1\0"), 0, WHIT_OK, "" },

    { "a tensor twice", 0, 2, BIN(NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\0")
      NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\40")), 33, FMT, "a: the name is there twice" },
    { "a name that is not UTF-8", 0, 1, BIN(NAME("\2", "\xc0\x80") U32("\0") U32("\30") Z8), 1, FMT, "not UTF-8" },
    { "a surrogate", 0, 1, BIN(NAME("\3", "\xed\xa0\x80") U32("\0") U32("\30") Z8), 1, FMT, "not UTF-8" },
    { "half a character", 0, 1, BIN(NAME("\2", "\xe2\x82") U32("\0") U32("\30") Z8), 1, FMT, "not UTF-8" },
    { "beyond U+10FFFF", 0, 1, BIN(NAME("\4", "\xf4\x90\x80\x80") U32("\0") U32("\30") Z8), 1, FMT, "not UTF-8" },
    { "five dimensions", 0, 1, BIN(NAME("\1", "w") U32("\5") Z8 Z8 Z8 Z8 Z8 U32("\0") Z8), 0, FMT, "w: 5 dimensions, the limit is 4" },
    { "dimensions that wrap to 0", 0, 1, BIN(NAME("\1", "w") U32("\4") Z4 U32("\1") Z4 U32("\1") U64("\1") U64("\1")
      U32("\30") Z8), 0, FMT, "w: the product of its dimensions is beyond 63 bits" },
    { "elements beyond 63 bits", 0, 1, BIN(NAME("\1", "w") U32("\1") Z7 "\200" U32("\30") Z8), 0, FMT, "beyond 63 bits" },
    { "bytes beyond 64 bits", 0, 1, BIN(NAME("\1", "w") U32("\1") MAX63 U32("\0") Z8), 0, FMT, "beyond 63 bits" },
    { "0 beside dimensions that wrap", 0, 1, BIN(NAME("\1", "w") U32("\3") Z8 MAX63 MAX63 U32("\30") Z8), 0, FMT, "beyond 63 bits" },
    { "an end that wraps", 0, 3, BIN(NAME("\1", "a") U32("\1") MAX63 U32("\30") Z8
      NAME("\1", "b") U32("\1") MAX63 U32("\30") Z7 "\200" NAME("\1", "c") U32("\1") U64("\1") U32("\30") Z8), 0, FMT,
      "b: the end of its data is beyond 64 bits" },
    { "an end that wraps without padding", 0, 2, BIN(NAME("\1", "a") U32("\1") Z7 "\100" U32("\31") Z8
      NAME("\1", "b") U32("\1") Z7 "\100" U32("\31") Z7 "\200"), 0, FMT, "b: the end of its data is beyond" },
    { "an end beyond the file", 0, 1, BIN(NAME("\1", "w") U32("\1") MAX63 U32("\30") Z8), 0, FMT,
      "w: data ends at byte 92233720368547758" },
    { "blocks", 0, 2, BIN(NAME("\1", "a") U32("\2") U64("\100") U64("\3") U32("\2") U64("\0")
      NAME("\1", "b") U32("\1") U64("\40") U32("\10") U64("\200")), 162, WHIT_OK, "a Q4_0 3,64 @0;b Q8_0 32 @128;" },
    { "blocks of 256, listed only", 0, 2, BIN(NAME("\1", "a") U32("\1") "\0\1\0\0" Z4 U32("\20") U64("\0")
      NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\140")), 97, WHIT_OK, "a IQ2_XXS 256 @0;b I8 1 @96;" },
    { "no blocks", 0, 2, BIN(NAME("\1", "a") U32("\2") U64("\0") U64("\3") U32("\14") U64("\0")
      NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\0")), 1, WHIT_OK, "a Q4_K 3,0 @0;b I8 1 @0;" },
    { "no rows", 0, 2, BIN(NAME("\1", "a") U32("\2") U64("\40") U64("\0") U32("\2") U64("\0")
      NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\0")), 1, WHIT_OK, "a Q4_0 0,32 @0;b I8 1 @0;" },
    { "half a block", 0, 1, BIN(NAME("\1", "a") U32("\2") U64("\60") U64("\2") U32("\2") U64("\0")), 54, FMT,
      "a: rows of 48 elements, which blocks of 32 (Q4_0) cannot make" },
    { "half a block that is listed only", 0, 1, BIN(NAME("\1", "a") U32("\1") U64("\100") U32("\35") U64("\0")), 56, FMT,
      "a: rows of 64 elements, which blocks of 256 (IQ1_M) cannot make" },
    { "a scalar block", 0, 1, BIN(NAME("\1", "a") U32("\0") U32("\2") U64("\0")), 18, FMT, "rows of 1 elements" },
    { "a block cut short", 0, 1, BIN(NAME("\1", "a") U32("\1") U64("\40") U32("\2") U64("\0")), 17, FMT,
      "a: data ends at byte 82, the file has 81" },
    { "2^63 - 32 blocked elements", 0, 1, BIN(NAME("\1", "a") U32("\1") "\340\377\377\377\377\377\377\177" U32("\2") U64("\0")), 0, FMT,
      "a: data ends at byte 5188146770730811" },
    { "as many, of more than an octet each", 0, 2, BIN(NAME("\1", "a") U32("\1") "\340\377\377\377\377\377\377\177" U32("\10") U64("\0")
      NAME("\1", "b") U32("\1") "\340\377\377\377\377\377\377\177" U32("\10") "\340\377\377\377\377\377\377\207"), 0, FMT,
      "b: the end of its data is beyond 64 bits" },
    { "one octet short", 0, 1, BIN(NAME("\1", "w") U32("\1") U64("\4") U32("\0") Z8), 15, FMT,
      "w: data ends at byte 80, the file has 79; try: download it again" },
    { "an offset too early", 0, 2, BIN(NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\0")
      NAME("\1", "b") U32("\1") U64("\1") U32("\30") U64("\1")), 33, FMT, "b: its data is at offset 1, it should be at 32" },
    { "a hole", 0, 1, BIN(NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\40")), 33, FMT, "offset 32, it should be at 0" },
    { "a byte behind the padding", 0, 1, BIN(NAME("\1", "a") U32("\1") U64("\1") U32("\30") U64("\0")), 33, FMT,
      "1 bytes behind the last tensor" },
    { "bytes behind no tensor", 0, 0, BIN(""), 5, FMT, "5 bytes behind the last tensor" },
    /* clang-format on */
};

/* The tensors of a file in the form of the table above. */
static void describe(const whit_file *f, uint64_t start, st_text *out)
{
    st_put(out, "", 0);
    for (size_t i = 0; i < whit_file_count(f); i++) {
        const whit_tensor *t = whit_file_tensor(f, i);
        st_putf(out, "%s %s ", t->name, whit_tensor_type(t));
        for (uint32_t d = 0; d < t->rank; d++)
            st_putf(out, "%s%llu", d ? "," : "", (unsigned long long)t->shape[d]);
        st_putf(out, "%s@%llu;", t->rank ? " " : "", (unsigned long long)(t->offset - start));
        CHECK(whit_file_find(f, t->name) == i, "%s", t->name);
    }
}

static void test_cases(const scratch *s)
{
    char path[SCRATCH_PATH];
    scratch_path(s, "case.gguf", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_file *f = (whit_file *)(uintptr_t)1;
        st_text all = { 0 }, list = { 0 };
        st_put(&all, "GGUF\3\0\0\0", 8);
        gg_int(&all, cases[i].tensors, 8);
        gg_int(&all, cases[i].keys, 8);
        st_put(&all, cases[i].text, cases[i].len);
        int aligned =
            strncmp(cases[i].what, "an alignment of", 15) == 0; /* the value: after key, type */
        size_t align = aligned ? (unsigned char)cases[i].text[8 + 17 + 4] : 32;
        if (cases[i].data > 0) gg_zeros(&all, (align - all.len % align) % align);
        size_t start = all.len;
        gg_zeros(&all, cases[i].data);
        scratch_write(s, "case.gguf", all.data, all.len);
        whit_status st = whit_file_open(&f, path, &err);
        CHECK(st == cases[i].want, "%s: status %d, %s", cases[i].what, (int)st, err.msg);
        if (st == WHIT_OK) {
            describe(f, start, &list);
            CHECK(strcmp(list.data, cases[i].words) == 0, "%s: %s", cases[i].what, list.data);
            CHECK(strcmp(whit_file_format(f), "GGUF v3") == 0, "%s", whit_file_format(f));
            whit_file_close(f);
        } else {
            CHECK(f == NULL && err.code == st, "%s", cases[i].what);
            CHECK(strstr(err.msg, cases[i].words), "%s: \"%s\" lacks \"%s\"", cases[i].what,
                  err.msg, cases[i].words);
            CHECK(strstr(err.msg, "case.gguf: "), "%s", err.msg);
        }
        free(all.data);
        free(list.data);
    }
}

/* Types that are read: their values; and all others: their names. */
static void test_types(const scratch *s)
{
    static const struct {
        unsigned id;
        const char *name, *octets; /* of 2 elements */
        size_t size;
        float want[2]; /* where it is a float */
    } plain[] = {
        { 0, "F32", "\0\0\x80\x3f\0\0\x20\xc0", 8, { 1, -2.5f } },
        { 1, "F16", "\0\x3c\1\0", 4, { 1, 0x1p-24f } },
        { 30, "BF16", "\x80\x3f\x20\xc0", 4, { 1, -2.5f } },
        { 28, "F64", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\4\xc0", 16, { 1, -2.5f } },
        { 24, "I8", "\1\2", 2, { 0 } },
        { 25, "I16", "\1\0\2\0", 4, { 0 } },
        { 26, "I32", "\1\0\0\0\2\0\0\0", 8, { 0 } },
        { 27, "I64", "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16, { 0 } },
    };
    static const struct {
        unsigned id;
        const char *words;
    } refused[] = {
        { 4, "type number 4 (Q4_2) was removed from GGUF; try: " },
        { 5, "type number 5 (Q4_3) was removed" },
        { 9, "type number 9 (Q8_1) is for working memory" },
        { 15, "type number 15 (Q8_K) is for working memory" },
        { 31, "type number 31 (Q4_0_4_4) was removed" },
        { 32, "(Q4_0_4_8) was removed" },
        { 33, "(Q4_0_8_8) was removed" },
        { 36, "type number 36 (IQ4_NL_4_4; of ik_llama.cpp I2_S) was removed" },
        { 37, "(IQ4_NL_4_8) was removed" },
        { 38, "type number 38 (IQ4_NL_8_8) was removed" },
        { 43, "type number 43 is not known" },
        { 96, "type number 96 is not known" },
        { 97, "type number 97 is a type of ik_llama.cpp, not of GGUF; try: " },
        { 158, "a type of ik_llama.cpp" },
        { 159, "type number 159 is not known" },
        { 200, "a type of ik_llama.cpp" },
        { 399, "a type of ik_llama.cpp" },
        { 400, "type number 400 is not known" },
        { 0xffffffff, "type number 4294967295 is not known" },
    };
    const uint64_t two = 2;
    char path[SCRATCH_PATH];
    scratch_path(s, "t.gguf", path);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        gg_build b = { .version = 2 };
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        float got[2] = { 0, 0 };
        unsigned char raw[16];
        gg_tensor(&b, "t", plain[i].id, 1, &two, plain[i].octets, plain[i].size);
        gg_write(&b, s, "t.gguf");
        CHECK(whit_file_open(&f, path, &err) == WHIT_OK, "%s: %s", plain[i].name, err.msg);
        if (!f) continue;
        const whit_tensor *t = whit_file_tensor(f, 0);
        CHECK(strcmp(whit_dtype_name(t->dtype), plain[i].name) == 0, "%s", plain[i].name);
        CHECK(t->bytes == plain[i].size && strcmp(whit_file_format(f), "GGUF v2") == 0, "%s",
              plain[i].name);
        CHECK(whit_file_read(f, 0, 0, plain[i].size, raw, &err) == WHIT_OK &&
                  memcmp(raw, plain[i].octets, plain[i].size) == 0,
              "%s", plain[i].name);
        whit_status st = whit_file_read_f32(f, 0, 0, 2, got, &err);
        CHECK(st == (plain[i].want[0] != 0 ? WHIT_OK : WHIT_ERR_ARG), "%s", plain[i].name);
        CHECK(got[0] == plain[i].want[0] && got[1] == plain[i].want[1], "%s", plain[i].name);
        whit_file_close(f);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        gg_build b = { 0 };
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        gg_tensor(&b, "blk.0.w", refused[i].id, 1, &two, "1234", 4);
        gg_write(&b, s, "t.gguf");
        CHECK(whit_file_open(&f, path, &err) == UNS && !f, "%u", refused[i].id);
        CHECK(strstr(err.msg, "t.gguf: blk.0.w: ") && strstr(err.msg, refused[i].words), "%u: %s",
              refused[i].id, err.msg);
    }
}

/* ---- metadata ---- */

static const whit_kv *kv_of(const whit_file *f, const char *key, whit_kv_type type, int is_array,
                            uint64_t count)
{
    static const whit_kv none = { "", WHIT_KV_U8, 0, 0, "\0\0\0\0\0\0\0" };
    const whit_kv *kv = whit_file_kv_find(f, 0, key);
    CHECK(kv && kv->type == type && kv->is_array == is_array && kv->count == count, "%s", key);
    return kv && kv->type == type && kv->count == count ? kv : &none;
}

#define SCALAR(key, type, ctype, value)                                                            \
    CHECK(*(const ctype *)kv_of(f, key, type, 0, 1)->data == (value), "%s", key)

static void put_metadata(gg_build *b)
{
    gg_number(b, "u8", GG_U8, 255, 1);
    gg_number(b, "i8", GG_I8, 0x80, 1);
    gg_string(b, "general.name", "a model", 7);
    gg_number(b, "u16", GG_U16, 65535, 2);
    gg_number(b, "i16", GG_I16, 0x8000, 2);
    gg_number(b, "u32", GG_U32, 0xfedcba98, 4);
    gg_number(b, "i32", GG_I32, 0x80000000, 4);
    gg_number(b, "f32", GG_F32, 0xc0200000, 4);
    gg_number(b, "bool", GG_BOOL, 1, 1);
    gg_string(b, "empty", "", 0);
    gg_number(b, "u64", GG_U64, 0xfedcba9876543210, 8);
    gg_number(b, "i64", GG_I64, (uint64_t)1 << 63, 8);
    gg_number(b, "f64", GG_F64, 0xc004000000000000, 8);
    gg_string(b, "with-nul", "a\0b", 3);
    gg_string(b, "latin-1", "\xe4", 1);
    gg_string(b, "whit.format", "1", 1);
    gg_array(b, "u16s", GG_U16, 3);
    for (unsigned i = 1; i < 4; i++) gg_int(&b->keys, i * 0x0101, 2);
    gg_array(b, "strings", GG_STRING, 3);
    gg_text(&b->keys, "", 0);
    gg_text(&b->keys, "\0x", 2);
    gg_text(&b->keys, "\xff", 1);
    gg_array(b, "nothing", GG_STRING, 0);
    gg_array(b, "bools", GG_BOOL, 2);
    gg_int(&b->keys, 0x0001, 2);
    gg_array(b, "f64s", GG_F64, 1);
    gg_int(&b->keys, 0x3ff8000000000000, 8);
}

static void check_strings(const whit_file *f)
{
    const whit_kv_string *one = kv_of(f, "with-nul", WHIT_KV_STRING, 0, 1)->data;
    CHECK(one->len == 3 && memcmp(one->text, "a\0b", 4) == 0, "with its NUL");
    one = kv_of(f, "strings", WHIT_KV_STRING, 1, 3)->data;
    CHECK(one[0].len == 0 && one[0].text[0] == 0, "empty");
    CHECK(one[1].len == 2 && memcmp(one[1].text, "\0x", 3) == 0, "NUL first");
    CHECK(one[2].len == 1 && memcmp(one[2].text, "\xff", 2) == 0, "no UTF-8");
    kv_of(f, "nothing", WHIT_KV_STRING, 1, 0);

    /* What another format may carry over: the strings that are text, and not "whit.*". */
    CHECK(whit_file_meta_count(f, 0) == 2, "%zu", whit_file_meta_count(f, 0));
    CHECK(strcmp(whit_file_meta_key(f, 0, 0), "general.name") == 0, "the first");
    CHECK(strcmp(whit_file_meta_value(f, 0, 0), "a model") == 0, "the first");
    CHECK(strcmp(whit_file_meta_key(f, 0, 1), "empty") == 0, "the second");
    CHECK(strcmp(whit_file_meta_value(f, 0, 1), "") == 0, "the second");
}

static void test_metadata(const scratch *s)
{
    gg_build b = { 0 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    put_metadata(&b);
    gg_write(&b, s, "kv.gguf");
    CHECK(whit_file_open(&f, scratch_path(s, "kv.gguf", path), &err) == WHIT_OK, "%s", err.msg);
    if (!f) return;
    CHECK(whit_file_kv_count(f, 0) == 21 && whit_file_kv_count(f, 1) == 0, "all");
    CHECK(strcmp(whit_file_kv(f, 0, 2)->key, "general.name") == 0, "in order");
    CHECK(!whit_file_kv(f, 0, 21) && !whit_file_kv(f, 1, 0), "no more");
    CHECK(!whit_file_kv_find(f, 0, "none") && !whit_file_kv_find(f, 1, "u8"), "no other");
    SCALAR("u8", WHIT_KV_U8, uint8_t, 255);
    SCALAR("i8", WHIT_KV_I8, int8_t, -128);
    SCALAR("u16", WHIT_KV_U16, uint16_t, 65535);
    SCALAR("i16", WHIT_KV_I16, int16_t, INT16_MIN);
    SCALAR("u32", WHIT_KV_U32, uint32_t, 0xfedcba98);
    SCALAR("i32", WHIT_KV_I32, int32_t, INT32_MIN);
    SCALAR("f32", WHIT_KV_F32, float, -2.5f);
    SCALAR("bool", WHIT_KV_BOOL, uint8_t, 1);
    SCALAR("u64", WHIT_KV_U64, uint64_t, 0xfedcba9876543210);
    SCALAR("i64", WHIT_KV_I64, int64_t, INT64_MIN);
    SCALAR("f64", WHIT_KV_F64, double, -2.5);
    const uint16_t *u = kv_of(f, "u16s", WHIT_KV_U16, 1, 3)->data;
    CHECK(u[0] == 0x0101 && u[1] == 0x0202 && u[2] == 0x0303, "u16s");
    const uint8_t *yes = kv_of(f, "bools", WHIT_KV_BOOL, 1, 2)->data;
    CHECK(yes[0] == 1 && yes[1] == 0, "bools");
    CHECK(*(const double *)kv_of(f, "f64s", WHIT_KV_F64, 1, 1)->data == 1.5, "f64s");
    check_strings(f);
    CHECK(strcmp(whit_kv_type_name(WHIT_KV_STRING), "string") == 0, "its name");
    CHECK(strcmp(whit_kv_type_name((whit_kv_type)9), "?") == 0, "an array is no type");
    CHECK(strcmp(whit_kv_type_name((whit_kv_type)13), "?") == 0, "nor is 13");
    whit_file_close(f);
}

/* The limits that have a number: just reached, and passed by one. */
static void test_limits(const scratch *s)
{
    enum { KEYS = 100000, NAME_MAX_ = 65535, META = 65536, STRING = 16 << 20 };
    char path[SCRATCH_PATH], key[24], *text = calloc(STRING + 2, 1);
    if (!text) scratch_die("memory");
    memset(text, 'x', STRING + 1);
    scratch_path(s, "l.gguf", path);
    for (size_t more = 0; more < 2; more++) {
        static const char *const words[] = { "100001 keys, the limit is 100000",
                                             "a name of more than 65535 bytes", "" };
        for (size_t i = 0; i < 3; i++) {
            gg_build b = { 0 };
            whit_error err = { WHIT_OK, "" };
            whit_file *f = NULL;
            for (size_t k = 0; i == 0 && k < KEYS + more; k++) {
                snprintf(key, sizeof key, "%zu", k);
                gg_number(&b, key, GG_U8, 0, 1);
            }
            text[NAME_MAX_ + more] = 0;
            if (i == 1) gg_tensor(&b, text, 24, 0, NULL, "", 1);
            text[NAME_MAX_ + more] = 'x';
            if (i == 2) gg_string(&b, "k", text, META - 1 + more);
            gg_write(&b, s, "l.gguf");
            whit_status st = whit_file_open(&f, path, &err);
            CHECK((st == WHIT_OK) == (i == 2 || more == 0), "%zu: %d %s", i, (int)st, err.msg);
            CHECK(strstr(err.msg, more ? words[i] : ""), "%zu: %s", i, err.msg);
            if (i == 2 && f) CHECK(whit_file_meta_count(f, 0) == 1 - more, "no metadata for all");
            whit_file_close(f);
        }
    }
    gg_build b = { 0 };
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    gg_string(&b, "k", text, STRING); /* 16 MiB + 1 without the octets: in the table above */
    gg_write(&b, s, "l.gguf");
    CHECK(whit_file_open(&f, path, &err) == WHIT_OK, "%s", err.msg);
    const whit_kv_string *k = f ? whit_file_kv(f, 0, 0)->data : NULL;
    CHECK(k && k->len == STRING && k->text[STRING - 1] == 'x' && k->text[STRING] == 0, "16 MiB");
    whit_file_close(f);
    free(text);
}

/* ---- damage ---- */

static whit_status open_damaged(const char *path, const char *what)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    whit_status st = whit_file_open(&f, path, &err);
    whit_file_close(f);
    if (st == WHIT_OK) return st;
    CHECK(st == FMT || st == UNS, "%s: status %d, %s", what, (int)st, err.msg);
    CHECK(!f && err.code == st && strstr(err.msg, "d.gguf: "), "%s: %s", what, err.msg);
    CHECK(!strpbrk(err.msg, "\n\r\x1b"), "%s: %s", what, err.msg);
    return st;
}

/* A sound file cut at each octet, with each hostile number at each octet, and of other versions. */
static void test_damage(const scratch *s)
{
    static const uint64_t numbers[] = { 0,
                                        1,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x100000000,
                                        (uint64_t)1 << 61,
                                        INT64_MAX,
                                        (uint64_t)1 << 63,
                                        UINT64_MAX - 31,
                                        UINT64_MAX };
    static const struct {
        const char *octets, *words;
    } versions[] = { { "\0\0\0\0", "GGUF version 0 is" },
                     { "\1\0\0\0", "version 1 is not read here, only 2 and 3; try: convert" },
                     { "\4\0\0\0", "GGUF version 4 is not read here, only 2 and 3" },
                     { "\0\0\0\3", "a big-endian GGUF file" },
                     { "\0\0\0\2", "a big-endian GGUF file" } };
    const uint64_t ne[] = { 3, 2 };
    char path[SCRATCH_PATH], what[64];
    gg_build b = { 0 };
    size_t len;
    put_metadata(&b);
    gg_number(&b, "general.alignment", GG_U32, 32, 4);
    gg_tensor(&b, "a", 0, 2, ne, "123456789012345678901234", 24);
    gg_tensor(&b, "b", 24, 1, ne, "123", 3);
    size_t data = gg_write(&b, s, "d.gguf");
    scratch_path(s, "d.gguf", path);
    unsigned char *whole = scratch_read(path, &len);
    CHECK(len == data + 64, "padded");
    for (size_t n = 1; n <= len; n++) {
        snprintf(what, sizeof what, "cut to %zu", n);
        scratch_write(s, "d.gguf", whole, n);
        /* The last padding may be missing. */
        CHECK((open_damaged(path, what) == WHIT_OK) == (n >= data + 35), "%s", what);
    }
    for (size_t at = 8; at + 8 <= data; at++)
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            unsigned char kept[8];
            memcpy(kept, whole + at, 8);
            for (int k = 0; k < 8; k++)
                whole[at + (size_t)k] = (unsigned char)(numbers[i] >> 8 * k);
            snprintf(what, sizeof what, "number %zu at %zu", i, at);
            scratch_write(s, "d.gguf", whole, len);
            open_damaged(path, what);
            memcpy(whole + at, kept, 8);
        }
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_file *f = NULL;
        memcpy(whole + 4, versions[i].octets, 4);
        scratch_write(s, "d.gguf", whole, len);
        CHECK(whit_file_open(&f, path, &err) == UNS && strstr(err.msg, versions[i].words), "%s",
              err.msg);
    }
    free(whole);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_cases(&s);
    test_types(&s);
    test_metadata(&s);
    test_limits(&s);
    test_damage(&s);
    scratch_remove(&s);
    return check_result();
}
