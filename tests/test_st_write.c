/* tests/test_st_write.c - layout and header of a safetensors file: order, offsets, padding, bytes.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "check.h"
#include "io/st_write.h"

#define MAX 16

static wh_out_entry entry(const char *name, whit_dtype dtype, uint64_t bytes)
{
    wh_out_entry e = { 0 };
    e.name = name;
    e.dtype = dtype;
    e.bytes = bytes;
    e.rank = 1;
    e.shape[0] = bytes * 8 / (whit_dtype_bits(dtype) ? whit_dtype_bits(dtype) : 8);
    return e;
}

/* Names are given in the order expected; the entries are handed over in another one. */
static void layout_order(void)
{
    static const struct {
        const char *name;
        uint64_t bytes, offset;
    } want[] = {
        /* clang-format off */
        { "empty", 0,   0 }, /* 0 is a multiple of 64 */
        { "m64b",  64,  0 },
        { "m64c",  128, 64 },
        { "a32",   96,  192 },
        { "b32",   32,  288 },
        { "a16",   48,  320 },
        { "z8",    8,   368 },
        { "a4",    4,   376 },
        { "a2",    6,   380 },
        { "B1",    1,   386 }, /* byte order: capitals, then small letters, then UTF-8 */
        { "a1",    7,   387 },
        { "\xc3\xa9", 3, 394 },
        /* clang-format on */
    };
    enum { COUNT = sizeof want / sizeof want[0] };
    static const size_t steps[] = { 1, 5, 7, 11 }; /* without a factor of COUNT: permutations */
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        wh_out_entry entries[COUNT];
        size_t order[COUNT], step = steps[s];
        uint64_t bytes = 1;
        for (size_t i = 0; i < COUNT; i++) {
            size_t place = i * step % COUNT;
            entries[i] = entry(want[place].name, WHIT_U8, want[place].bytes);
        }
        whit_status st = wh_st_layout(entries, COUNT, order, &bytes, NULL);
        CHECK(st == WHIT_OK && bytes == 397, "step %zu: status %d, %llu bytes", step, (int)st,
              (unsigned long long)bytes);
        for (size_t i = 0; i < COUNT; i++) {
            CHECK(strcmp(entries[order[i]].name, want[i].name) == 0, "step %zu, place %zu: %s",
                  step, i, entries[order[i]].name);
            CHECK(entries[order[i]].offset == want[i].offset, "step %zu, %s: offset %llu", step,
                  want[i].name, (unsigned long long)entries[order[i]].offset);
        }
    }
}

static void layout_errors(void)
{
    whit_error err;
    size_t order[MAX];
    uint64_t bytes = 1;
    wh_out_entry twice[] = { entry("w", WHIT_U8, 64), entry("v", WHIT_U8, 1),
                             entry("w", WHIT_U8, 3) };
    CHECK(wh_st_layout(twice, 3, order, &bytes, &err) == WHIT_ERR_FORMAT && bytes == 0 &&
              strstr(err.msg, "w: two"),
          "%s", err.msg);
    wh_out_entry meta[] = { entry("__metadata__", WHIT_U8, 1) };
    CHECK(wh_st_layout(meta, 1, order, &bytes, &err) == WHIT_ERR_FORMAT, "%s", err.msg);
    wh_out_entry huge[] = { entry("a", WHIT_U8, UINT64_MAX - 63), entry("b", WHIT_U8, 63),
                            entry("c", WHIT_U8, 1) };
    CHECK(wh_st_layout(huge, 2, order, &bytes, &err) == WHIT_OK && bytes == UINT64_MAX, "%s",
          err.msg);
    CHECK(wh_st_layout(huge, 3, order, &bytes, &err) == WHIT_ERR_FORMAT && bytes == 0, "%s",
          err.msg);
    CHECK(wh_st_layout(NULL, 0, NULL, &bytes, &err) == WHIT_OK && bytes == 0, "no tensors");
}

static void exact_bytes(void)
{
    static const wh_st_meta meta[] = { { "format", "pt" }, { "a\"", "\xc3\xa9" } };
    static const struct {
        const char *what, *name;
        uint32_t rank;
        uint64_t shape[2], bytes;
        size_t metas;
        const char *json; /* without padding */
        size_t length;    /* with it */
    } cases[] = {
        /* clang-format off */
        { "two octets of padding", "a", 1, { 2 }, 8, 0,
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 56 },
        { "no padding", "abc", 1, { 2 }, 8, 0,
          "{\"abc\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 56 },
        { "63 octets of padding", "abcd", 1, { 2 }, 8, 0,
          "{\"abcd\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 120 },
        { "scalar, metadata first", "s", 0, { 0 }, 4, 1,
          "{\"__metadata__\":{\"format\":\"pt\"},"
          "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 120 },
        { "strings are escaped", "q\\", 2, { 0, 7 }, 0, 2,
          "{\"__metadata__\":{\"format\":\"pt\",\"a\\\"\":\"\xc3\xa9\"},"
          "\"q\\\\\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 120 },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_out_entry e = {
            .name = cases[i].name, .dtype = WHIT_F32, .rank = cases[i].rank, .bytes = cases[i].bytes
        };
        memcpy(e.shape, cases[i].shape, sizeof cases[i].shape);
        size_t order[1] = { 0 }, len = strlen(cases[i].json);
        wh_buf out = { 0 };
        whit_status st = wh_st_header(&e, 1, order, meta, cases[i].metas, &out, NULL);
        CHECK(st == WHIT_OK && out.len == 8 + cases[i].length, "%s: status %d, %zu octets",
              cases[i].what, (int)st, out.len);
        if (st == WHIT_OK && out.len == 8 + cases[i].length) {
            CHECK(wh_load64(out.data) == cases[i].length, "%s: N", cases[i].what);
            CHECK(memcmp(out.data + 8, cases[i].json, len) == 0, "%s: %s", cases[i].what,
                  out.data + 8);
            size_t spaces = strspn(out.data + 8 + len, " ");
            CHECK(8 + len + spaces == out.len, "%s: %zu spaces", cases[i].what, spaces);
        }
        wh_buf_free(&out);
    }
    wh_buf out = { 0 };
    CHECK(wh_st_header(NULL, 0, NULL, NULL, 0, &out, NULL) == WHIT_OK && out.len == 64 &&
              memcmp(out.data, "8\0\0\0\0\0\0\0{}  ", 12) == 0,
          "no tensors");
    wh_buf_free(&out);
}

static uint64_t number(wh_json *j)
{
    uint64_t v = UINT64_MAX;
    CHECK(wh_json_next(j) == WH_JSON_NUMBER && wh_json_u64(j, &v), "a number at %zu", j->pos);
    return v;
}

/* {"dtype":..,"shape":[..],"data_offsets":[..]} in this order */
static void same_entry(wh_json *j, const wh_out_entry *e)
{
    CHECK(wh_json_next(j) == WH_JSON_KEY && strcmp(j->text, e->name) == 0, "%s", j->text);
    CHECK(wh_json_next(j) == WH_JSON_OBJECT, "%s", e->name);
    CHECK(wh_json_next(j) == WH_JSON_KEY && strcmp(j->text, "dtype") == 0, "%s", j->text);
    CHECK(wh_json_next(j) == WH_JSON_STRING && whit_dtype_parse(j->text) == e->dtype, "%s",
          j->text);
    CHECK(wh_json_next(j) == WH_JSON_KEY && strcmp(j->text, "shape") == 0, "%s", j->text);
    CHECK(wh_json_next(j) == WH_JSON_ARRAY, "%s", e->name);
    for (uint32_t d = 0; d < e->rank; d++)
        CHECK(number(j) == e->shape[d], "%s: dimension %u", e->name, (unsigned)d);
    CHECK(wh_json_next(j) == WH_JSON_ARRAY_END, "%s", e->name);
    CHECK(wh_json_next(j) == WH_JSON_KEY && strcmp(j->text, "data_offsets") == 0, "%s", j->text);
    CHECK(wh_json_next(j) == WH_JSON_ARRAY, "%s", e->name);
    CHECK(number(j) == e->offset, "%s: begin", e->name);
    CHECK(number(j) == e->offset + e->bytes, "%s: end", e->name);
    CHECK(wh_json_next(j) == WH_JSON_ARRAY_END && wh_json_next(j) == WH_JSON_OBJECT_END, "%s",
          e->name);
}

static void round_trip(void)
{
    enum { COUNT = 200 };
    static char names[COUNT][32];
    static wh_out_entry entries[COUNT];
    size_t order[COUNT];
    uint64_t bytes = 0, end = 0;
    wh_st_meta meta = { "k", "v" };
    wh_buf out = { 0 };
    wh_json j;
    check_rng rng = { 1 };
    for (size_t i = 0; i < COUNT; i++) {
        wh_out_entry *e = &entries[i];
        snprintf(names[i], sizeof names[i], "t%llu.%zu", (unsigned long long)check_below(&rng, 9),
                 i);
        e->name = names[i];
        e->dtype = (whit_dtype)check_below(&rng, WHIT_BLOCKS);
        e->rank = (uint32_t)check_below(&rng, WHIT_MAX_RANK + 1);
        e->bytes = check_below(&rng, 1000) << check_below(&rng, 40);
        for (uint32_t d = 0; d < e->rank; d++) e->shape[d] = check_u64(&rng);
    }
    CHECK(wh_st_layout(entries, COUNT, order, &bytes, NULL) == WHIT_OK, "layout");
    CHECK(wh_st_header(entries, COUNT, order, &meta, 1, &out, NULL) == WHIT_OK, "header");
    CHECK(out.len % 64 == 0 && wh_load64(out.data) == out.len - 8, "%zu octets", out.len);
    wh_json_init(&j, out.data + 8, out.len - 8);
    CHECK(wh_json_next(&j) == WH_JSON_OBJECT && wh_json_next(&j) == WH_JSON_KEY &&
              strcmp(j.text, "__metadata__") == 0,
          "metadata first");
    CHECK(wh_json_skip(&j, WH_JSON_KEY), "metadata");
    for (size_t i = 0; i < COUNT; i++) {
        const wh_out_entry *e = &entries[order[i]];
        CHECK(e->offset == end, "%s: no gap, no overlap", e->name);
        uint64_t aligned = e->bytes ? e->bytes & (~e->bytes + 1) : 64;
        CHECK(e->offset % (aligned < 64 ? aligned : 64) == 0, "%s: alignment", e->name);
        end = e->offset + e->bytes;
        same_entry(&j, e);
    }
    CHECK(end == bytes, "the size of the data section");
    CHECK(wh_json_next(&j) == WH_JSON_OBJECT_END && wh_json_next(&j) == WH_JSON_END, "the end");
    wh_json_free(&j);
    wh_buf_free(&out);
}

/* N may be 100,000,000 at most, so 99,999,992 with the padding that 64-byte alignment asks for. */
static void header_limits(void)
{
    static const char around[] = "{\"__metadata__\":{\"\":\"\"}}";
    const size_t fits = 99999992 - (sizeof around - 1);
    wh_out_entry entries[] = { entry("a", WHIT_U8, 0), entry("b", WHIT_U8, 0) };
    const size_t order[] = { 0, 1 };
    whit_error err = { WHIT_OK, "" };
    wh_buf out = { 0 };
    char *value = malloc(fits + 1);
    CHECK(value != NULL, "memory for the test");
    if (!value) return;
    memset(value, 'x', fits);
    value[fits] = 0;
    wh_st_meta meta = { "", value };
    whit_status st = wh_st_header(NULL, 0, NULL, &meta, 1, &out, &err);
    CHECK(st == WHIT_OK && out.len == 100000000, "%zu octets: %s", out.len, err.msg);
    wh_buf_free(&out);
    value[fits - 52] = 0; /* with one tensor it would just fit */
    st = wh_st_header(entries, 2, order, &meta, 1, &out, &err);
    CHECK(st == WHIT_ERR_UNSUPPORTED, "%s", err.msg);
    wh_buf_free(&out);
    free(value);
    wh_buf full = { 0 };
    full.failed = 1; /* as after an append that found no memory */
    CHECK(wh_st_header(NULL, 0, NULL, NULL, 0, &full, &err) == WHIT_ERR_NOMEM, "%s", err.msg);
}

int main(void)
{
    layout_order();
    layout_errors();
    exact_bytes();
    round_trip();
    header_limits();
    return check_result();
}
