/* tests/test_gguf_write.c - the header of a GGUF file: the bytes of an example, every type of value
 * read back, what the format cannot hold.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "check.h"
#include "io/gguf_write.h"
#include "scratch.h"

/* A file of two keys, a F32 [3] and a Q8_0 of one block, by hand: accepted by the reference. */
static const char example[] =
    "47475546 03000000 0200000000000000 0200000000000000"
    "1400000000000000 67656e6572616c2e617263686974656374757265 08000000 0100000000000000 78"
    "0100000000000000 6b 04000000 07000000"
    "0100000000000000 61 01000000 0300000000000000 00000000 0000000000000000"
    "0800000000000000 622e776569676874 02000000 2000000000000000 0100000000000000 08000000"
    "2000000000000000";

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t n = 0;
    for (; *hex; hex++) {
        unsigned byte;
        if (*hex == ' ') continue;
        sscanf(hex++, "%2x", &byte);
        out[n++] = (unsigned char)byte;
    }
    return n;
}

static void example_bytes(void)
{
    unsigned char want[192] = { 0 };
    wh_out_entry e[] = {
        { .name = "a", .dtype = WHIT_F32, .rank = 1, .shape = { 3 }, .bytes = 12 },
        { .name = "b.weight",
          .dtype = WHIT_BLOCKS,
          .type = "Q8_0",
          .rank = 2,
          .shape = { 1, 32 },
          .bytes = 34 },
    };
    wh_gguf_kvs kvs = { 0 };
    wh_buf out = { 0 };
    uint64_t bytes;
    CHECK(from_hex(example, want) == 163, "the example");
    wh_gguf_put_string(&kvs, "general.architecture", "x", 1);
    wh_gguf_put_u32(&kvs, "k", 7);
    CHECK(wh_gguf_layout(e, 2, 32, &bytes, NULL) == WHIT_OK && bytes == 96, "%llu",
          (unsigned long long)bytes);
    CHECK(e[0].offset == 0 && e[1].offset == 32, "offsets");
    CHECK(wh_gguf_header(e, 2, &kvs, 32, &out, NULL) == WHIT_OK && out.len == 192, "%zu", out.len);
    for (size_t i = 0; i < 192 && out.len == 192; i++)
        CHECK((unsigned char)out.data[i] == want[i], "octet %zu: %02x, not %02x", i,
              (unsigned)(unsigned char)out.data[i], want[i]);
    wh_buf_free(&out);
    wh_buf_free(&kvs.bytes);
}

/* Arrays of every type and values of every type: read, copied, written, read: the same octets. */
static void every_type(void)
{
    static const unsigned size[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    wh_gguf_kvs kvs = { 0 }, copy = { 0 };
    char key[32];
    wh_gguf_put_string(&kvs, "general.architecture", "x", 1);
    wh_gguf_put_u16(&kvs, "u16", 65535);
    wh_gguf_put_u64(&kvs, "u64", UINT64_MAX - 1);
    wh_gguf_put_i32(&kvs, "i32", -5);
    wh_gguf_put_f32(&kvs, "f32", -0.25f);
    wh_gguf_put_bool(&kvs, "bool", 2);
    wh_gguf_put_string(&kvs, "octets", "a\0\xff", 3);
    for (unsigned t = 0; t < 13; t++) {
        if (t == 9) continue;
        snprintf(key, sizeof key, "array.%u", t);
        wh_gguf_begin_array(&kvs, key, (whit_kv_type)t, 3);
        for (unsigned i = 0; i < 3; i++) {
            unsigned char item[8] = { 0 };
            for (unsigned k = 0; k < size[t]; k++)
                item[k] = (unsigned char)(t == WHIT_KV_BOOL ? i & 1 : 17 * i + k + t);
            if (t == WHIT_KV_STRING)
                wh_gguf_item_string(&kvs, key, i);
            else
                wh_buf_put(&kvs.bytes, item, size[t]);
        }
    }
    scratch s;
    char path[SCRATCH_PATH];
    wh_buf out = { 0 };
    whit_file *file = NULL;
    whit_error err = { WHIT_OK, "" };
    scratch_make(&s);
    CHECK(wh_gguf_header(NULL, 0, &kvs, 32, &out, &err) == WHIT_OK, "%s", err.msg);
    scratch_write(&s, "keys.gguf", out.data, out.len);
    CHECK(whit_file_open(&file, scratch_path(&s, "keys.gguf", path), &err) == WHIT_OK, "%s",
          err.msg);
    scratch_remove(&s);
    wh_buf_free(&out);
    if (!file) return;
    CHECK(whit_file_kv_count(file, 0) == kvs.count, "%zu keys", whit_file_kv_count(file, 0));
    for (size_t i = 0; i < whit_file_kv_count(file, 0); i++)
        wh_gguf_put_kv(&copy, whit_file_kv(file, 0, i));
    CHECK(copy.count == kvs.count && copy.bytes.len == kvs.bytes.len &&
              memcmp(copy.bytes.data, kvs.bytes.data, copy.bytes.len) == 0,
          "a copy differs");
    whit_file_close(file);
    wh_buf_free(&copy.bytes);
    wh_buf_free(&kvs.bytes);
}

static void refusals(void)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123"; /* 64 */
    struct {
        wh_out_entry e[2];
        whit_status want;
    } cases[] = {
        { { { .name = "a" }, { .name = "a" } }, WHIT_ERR_FORMAT },
        { { { .name = "a" }, { .name = long_name } }, WHIT_ERR_FORMAT },
        { { { .name = "a" }, { .name = long_name + 1 } }, WHIT_OK },
        { { { .name = "a", .rank = 5 }, { .name = "b" } }, WHIT_ERR_FORMAT },
        { { { .name = "a", .bytes = UINT64_MAX - 31 }, { .name = "b", .bytes = 32 } },
          WHIT_ERR_FORMAT },
        { { { .name = "a", .bytes = UINT64_MAX - 63 }, { .name = "b", .bytes = 32 } }, WHIT_OK },
        { { { .name = "a", .dtype = WHIT_U8 }, { .name = "b" } }, WHIT_ERR_UNSUPPORTED },
        { { { .name = "a", .dtype = WHIT_BLOCKS, .type = "Q9_Z" }, { .name = "b" } },
          WHIT_ERR_UNSUPPORTED },
        { { { .name = "a", .dtype = WHIT_BLOCKS, .type = "IQ2_XS" }, { .name = "b" } }, WHIT_OK },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        uint64_t bytes;
        for (size_t k = 0; k < 2; k++)
            if (cases[i].e[k].dtype == 0) cases[i].e[k].dtype = WHIT_F32;
        whit_status st = wh_gguf_layout(cases[i].e, 2, 32, &bytes, &err);
        CHECK(st == cases[i].want, "case %zu: %d %s", i, (int)st, err.msg);
    }
}

int main(void)
{
    example_bytes();
    every_type();
    refusals();
    return check_result();
}
