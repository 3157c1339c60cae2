/* tests/test_pack.c - bit strings of codes against a bit-by-bit definition, and the planes of the
 * native file.
 * SPDX-License-Identifier: MIT */
#include <whit/pack.h>

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum { LONGEST = 70 };

/* The definition: bit j of code i is bit i * bits + j of the little-endian bit string. */
static size_t pack_by_bits(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    size_t total = count * bits;
    memset(out, 0, (total + 7) / 8);
    for (size_t b = 0; b < total; b++)
        if (codes[b / bits] >> b % bits & 1) out[b / 8] = (uint8_t)(out[b / 8] | 1u << b % 8);
    return (total + 7) / 8;
}

/* A copy that ends where its data ends, for sanitizers. */
static uint8_t *exact(const uint8_t *data, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    if (!p) abort();
    memcpy(p, data, n);
    return p;
}

static void check_one(check_rng *r, size_t count, unsigned bits)
{
    uint8_t codes[LONGEST + 1], want[LONGEST + 1], clean[LONGEST + 1];
    for (size_t i = 0; i < count; i++) {
        codes[i] = (uint8_t)check_u64(r); /* bits above the code are to be dropped */
        clean[i] = (uint8_t)(codes[i] & ((1u << bits) - 1));
    }
    size_t n = pack_by_bits(clean, count, bits, want);
    CHECK(whit_packed_bytes(count, bits) == n, "%zu of %u bits: %zu", count, bits,
          whit_packed_bytes(count, bits));
    uint8_t *in = exact(codes, count);
    for (int fill = 0; fill < 2; fill++) { /* twice: no octet keeps what was there */
        uint8_t out[LONGEST + 2];
        memset(out, fill ? 0xff : 0, sizeof out);
        CHECK(whit_pack_bits(in, count, bits, out + 1) == WHIT_OK, "%zu of %u", count, bits);
        CHECK(memcmp(out + 1, want, n) == 0, "%zu codes of %u bits", count, bits);
        CHECK(out[0] == (fill ? 0xff : 0) && out[n + 1] == out[0], "%zu of %u bits: past the end",
              count, bits);
    }
    uint8_t *packed = exact(want, n), back[LONGEST + 2];
    if (n > 0 && count * bits % 8 != 0) /* the unused bits mean nothing to a reader */
        packed[n - 1] = (uint8_t)(packed[n - 1] | 0xffu << count * bits % 8);
    memset(back, 0xa5, sizeof back);
    CHECK(whit_unpack_bits(packed, count, bits, back + 1) == WHIT_OK, "%zu of %u", count, bits);
    CHECK(memcmp(back + 1, clean, count) == 0, "unpack(pack(%zu codes of %u bits))", count, bits);
    CHECK(back[0] == 0xa5 && back[count + 1] == 0xa5, "%zu of %u bits: past the end", count, bits);
    free(in);
    free(packed);
}

static void test_round_trip(void)
{
    check_rng r = { 1 };
    for (unsigned bits = 1; bits <= 8; bits++)
        for (size_t count = 0; count <= LONGEST; count++)
            for (int k = 0; k < 4; k++) check_one(&r, count, bits);
}

/* Octets worked out by hand. */
static void test_diagrams(void)
{
    static const struct {
        unsigned bits;
        size_t count, octets;
        uint8_t codes[9], want[9];
    } cases[] = {
        { 1, 9, 2, { 1, 0, 0, 1, 0, 0, 0, 1, 1 }, { 0x89, 0x01 } },
        { 2, 5, 2, { 0, 1, 2, 3, 2 }, { 0xe4, 0x02 } },
        { 3, 8, 3, { 0, 1, 2, 3, 4, 5, 6, 7 }, { 0x88, 0xc6, 0xfa } },
        { 3, 3, 2, { 7, 0, 6 }, { 0x87, 0x01 } },
        { 4, 3, 2, { 1, 2, 15 }, { 0x21, 0x0f } },             /* low nibble: even column */
        { 4, 5, 3, { 0, 1, 8, 15, 0 }, { 0x10, 0xf8, 0x00 } }, /* as src/pack/native.c has it */
        { 5, 3, 2, { 1, 2, 31 }, { 0x41, 0x7c } },
        { 5, 8, 5, { 31, 0, 31, 0, 31, 0, 31, 0 }, { 0x1f, 0x7c, 0xf0, 0xc1, 0x07 } },
        { 6, 4, 3, { 1, 2, 3, 63 }, { 0x81, 0x30, 0xfc } },
        { 7, 2, 2, { 0x7f, 1 }, { 0xff, 0x00 } },
        { 7, 8, 7, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 0x81, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02 } },
        { 8, 3, 3, { 0, 0x80, 0xff }, { 0, 0x80, 0xff } },
        { 4, 2, 1, { 0x31, 0xf2 }, { 0x21 } }, /* higher bits are dropped */
        { 2, 1, 1, { 0xff }, { 0x03 } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t out[9] = { 0 };
        CHECK(whit_packed_bytes(cases[i].count, cases[i].bits) == cases[i].octets, "case %zu", i);
        CHECK(whit_pack_bits(cases[i].codes, cases[i].count, cases[i].bits, out) == WHIT_OK,
              "case %zu", i);
        CHECK(memcmp(out, cases[i].want, cases[i].octets) == 0, "case %zu: %02x %02x %02x", i,
              out[0], out[1], out[2]);
    }
}

static void test_sizes(void)
{
    for (unsigned bits = 1; bits <= 8; bits++) {
        size_t most = whit_packed_bytes(SIZE_MAX, bits);
        for (size_t n = 0; n < 300; n++)
            CHECK(whit_packed_bytes(n, bits) == (n * bits + 7) / 8, "%zu of %u bits", n, bits);
        /* ceil((8a + 7) * bits / 8) = a * bits + ceil(7 * bits / 8), with nothing that wraps */
        CHECK(most == SIZE_MAX / 8 * bits + (7 * bits + 7) / 8, "all of %u bits: %zu", bits, most);
    }
    uint8_t a[2] = { 1, 2 }, b[2] = { 3, 4 };
    static const unsigned bad[] = { 0, 9, 16, 32, 64, 256, (unsigned)-1 };
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK(whit_pack_bits(a, 2, bad[i], b) == WHIT_ERR_ARG, "%u bits", bad[i]);
        CHECK(whit_unpack_bits(a, 2, bad[i], b) == WHIT_ERR_ARG, "%u bits", bad[i]);
        CHECK(whit_pack_bits(a, 0, bad[i], b) == WHIT_ERR_ARG, "no codes of %u bits", bad[i]);
    }
    CHECK(b[0] == 3 && b[1] == 4, "nothing written");
    for (unsigned bits = 1; bits <= 8; bits++) {
        CHECK(whit_pack_bits(NULL, 0, bits, NULL) == WHIT_OK, "nothing of %u bits", bits);
        CHECK(whit_unpack_bits(NULL, 0, bits, NULL) == WHIT_OK, "nothing of %u bits", bits);
    }
}

/* ---- planes ------------------------------------------------------------------------------------
 */

static void test_planes(void)
{
    static const struct {
        const char *scheme;
        uint64_t rows, cols, q_cols, scale_rows, scale_cols;
        whit_dtype scale;
        unsigned planes;
    } cases[] = {
        { "int4-g64", 3, 130, 65, 3, 3, WHIT_F16, 2 },
        { "int4-g64-asym", 3, 130, 65, 3, 3, WHIT_F16, 3 },
        { "int4-g64", 3, 128, 64, 3, 2, WHIT_F16, 2 },
        { "int4-g65536", 3, 5, 3, 3, 1, WHIT_F16, 2 },
        { "int3-g2-sf32", 7, 3, 2, 7, 2, WHIT_F32, 2 },
        { "int8", 5, 9, 9, 5, 1, WHIT_F32, 2 },
        { "int8-asym-sbf16", 5, 9, 9, 5, 1, WHIT_BF16, 3 },
        { "int5-tensor-asym", 5, 9, 6, 1, 1, WHIT_F32, 3 },
        { "int7-tensor-sf16", 5, 8, 7, 1, 1, WHIT_F16, 2 },
        { "nf4", 1, 1, 1, 1, 1, WHIT_F16, 2 },
        { "nf4-channel-sbf16", 2, 63, 32, 2, 1, WHIT_BF16, 2 },
        { "int2", 1u << 20, 1u << 20, 1u << 18, 1u << 20, 1u << 13, WHIT_F16, 2 },
        { "int4", 0, 5, 3, 0, 1, WHIT_F16, 2 },
        { "int4", 5, 0, 0, 5, 0, WHIT_F16, 2 },
        { "keep", 5, 9, 0, 0, 0, WHIT_F32, 0 },
        { "f16", 5, 9, 0, 0, 0, WHIT_F32, 0 },
        { "bf16", 5, 9, 0, 0, 0, WHIT_F32, 0 },
        { "f32", 5, 9, 0, 0, 0, WHIT_F32, 0 },
    };
    static const char *const suffix[] = { ".q", ".scale", ".zero" };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *name = cases[i].scheme;
        whit_scheme s;
        whit_plane p[WHIT_MAX_PLANES];
        int overflow = 5;
        CHECK(whit_scheme_parse(&s, name, NULL) == WHIT_OK, "%s", name);
        unsigned n = whit_native_planes(&s, cases[i].rows, cases[i].cols, p, &overflow);
        CHECK(n == cases[i].planes && overflow == 0, "%s: %u planes", name, n);
        for (unsigned k = 0; k < n && k < COUNT(suffix); k++) {
            uint64_t rows = k ? cases[i].scale_rows : cases[i].rows;
            uint64_t cols = k ? cases[i].scale_cols : cases[i].q_cols;
            CHECK(strcmp(p[k].suffix, suffix[k]) == 0, "%s: %s", name, p[k].suffix);
            CHECK(p[k].dtype == (k == 1 ? cases[i].scale : WHIT_U8), "%s%s", name, suffix[k]);
            CHECK(p[k].shape[0] == rows && p[k].shape[1] == cols, "%s%s", name, suffix[k]);
            CHECK(p[k].bytes == rows * cols * whit_dtype_bits(p[k].dtype) / 8, "%s%s", name,
                  suffix[k]);
        }
        CHECK(whit_native_planes(&s, cases[i].rows, cases[i].cols, p, NULL) == n, "%s", name);
    }
}

/* The size query equals the octets that packing row by row writes. */
static void test_query(void)
{
    check_rng r = { 2 };
    for (unsigned bits = 2; bits <= 8; bits++)
        for (int k = 0; k < 40; k++) {
            size_t rows = check_below(&r, 6), cols = check_below(&r, LONGEST + 1);
            whit_scheme s = { WHIT_INT, bits, 1, WHIT_GRAN_GROUP, 2 + (uint32_t)check_below(&r, 9),
                              WHIT_BF16 };
            whit_plane p[WHIT_MAX_PLANES];
            uint64_t groups = 0, octets = 0;
            for (uint64_t c = 0; c < cols; c += s.group) groups++;
            for (size_t row = 0; row < rows; row++) octets += whit_packed_bytes(cols, bits);
            CHECK(whit_native_planes(&s, rows, cols, p, NULL) == 3, "planes");
            CHECK(p[0].bytes == octets && p[0].shape[1] * rows == octets, "int%u %d x %d", bits,
                  (int)rows, (int)cols);
            CHECK(p[1].bytes == 2 * rows * groups && p[2].bytes == rows * groups, "int%u-g%u", bits,
                  s.group);
        }
}

static void test_overflow(void)
{
    static const struct {
        const char *scheme;
        uint64_t rows, cols;
        int overflow;
    } cases[] = {
        { "int8", 1, UINT64_MAX / 2, 0 }, /* 2^63 - 1 octets */
        { "int8", 1, UINT64_MAX / 2 + 2, 1 },
        { "int8", 2, UINT64_MAX / 2 + 2, 1 }, /* a product that wraps to 2 */
        { "int5-channel", 1, UINT64_MAX, 1 }, /* codes alone */
        { "int4-channel", 1, UINT64_MAX - 2, 0 },
        { "int2-channel", 1, UINT64_MAX, 0 },
        { "int2-channel", UINT64_MAX, 1, 1 },
        { "int2-g2-sf32", 1, UINT64_MAX / 4 + 3, 1 }, /* codes fit, scales do not */
        { "int2-g2-sf32", 1, UINT64_MAX / 4 - 5, 0 },
        { "int2-g3-sf32", (uint64_t)1 << 62, 3, 1 }, /* scales of 2^64 octets wrap to none */
        { "int2-g3-sf32", (uint64_t)1 << 60, 3, 0 },
        { "nf4-tensor", (uint64_t)1 << 32, (uint64_t)1 << 32, 1 },
        { "nf4-tensor", (uint64_t)1 << 31, (uint64_t)1 << 32, 0 },
        { "keep", UINT64_MAX, UINT64_MAX, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        whit_scheme s;
        whit_plane p[WHIT_MAX_PLANES];
        int overflow = 5;
        CHECK(whit_scheme_parse(&s, cases[i].scheme, NULL) == WHIT_OK, "%s", cases[i].scheme);
        whit_native_planes(&s, cases[i].rows, cases[i].cols, p, &overflow);
        CHECK(overflow == cases[i].overflow, "case %zu, %s: %d", i, cases[i].scheme, overflow);
    }
}

int main(void)
{
    test_round_trip();
    test_diagrams();
    test_sizes();
    test_planes();
    test_query();
    test_overflow();
    return check_result();
}
