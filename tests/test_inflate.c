/* tests/test_inflate.c - deflated data against a small deflater of our own, from every place that
 * work can stop at; what is wrong with it; the checksum.
 *
 * The deflater here writes stored blocks and fixed codes, with random copies. A block with codes of
 * its own comes from zlib; others are met in NPZ files (test_archives.c, interop/archives.py).
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "check.h"
#include "io/inflate.h"

/* ---- a deflater ------------------------------------------------------------------------------ */

typedef struct writer {
    unsigned char *data, *text; /* deflated, and what it means */
    size_t bits, len, cap;
} writer;

static void put_bits(writer *w, unsigned v, unsigned n)
{
    for (; n > 0; n--, v >>= 1, w->bits++) {
        if (w->bits / 8 == w->cap) {
            printf("the test's buffer is too small\n");
            exit(1);
        }
        w->data[w->bits / 8] |= (unsigned char)((v & 1) << w->bits % 8);
    }
}

static void put_code(writer *w, unsigned code, unsigned n)
{
    while (n-- > 0) put_bits(w, code >> n & 1, 1);
}

static void put_literal(writer *w, unsigned s)
{
    if (s < 144)
        put_code(w, 0x30 + s, 8);
    else if (s < 256)
        put_code(w, 0x190 + s - 144, 9);
    else if (s < 280)
        put_code(w, s - 256, 7);
    else
        put_code(w, 0xc0 + s - 280, 8);
}

/* By the tables of RFC 1951, 3.2.5. */
static void put_copy(writer *w, unsigned length, unsigned distance)
{
    static const uint16_t lengths[] = { 3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                        15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                        67, 83, 99, 115, 131, 163, 195, 227, 258 };
    static const uint16_t distances[] = { 1,    2,    3,    4,     5,     7,    9,    13,
                                          17,   25,   33,   49,    65,    97,   129,  193,
                                          257,  385,  513,  769,   1025,  1537, 2049, 3073,
                                          4097, 6145, 8193, 12289, 16385, 24577 };
    unsigned l = 28, d = 29;
    while (lengths[l] > length) l--;
    while (distances[d] > distance) d--;
    put_literal(w, 257 + l);
    if (l >= 8 && l < 28) put_bits(w, length - lengths[l], l / 4 - 1);
    put_code(w, d, 5);
    if (d >= 4) put_bits(w, distance - distances[d], d / 2 - 1);
    for (; length > 0; length--, w->len++) w->text[w->len] = w->text[w->len - distance];
}

static void put_stored(writer *w, check_rng *r, unsigned n)
{
    put_bits(w, 0, (unsigned)(8 - w->bits % 8) % 8);
    put_bits(w, n, 16);
    put_bits(w, n ^ 0xffff, 16);
    for (; n > 0; n--) {
        w->text[w->len] = (unsigned char)check_u64(r);
        put_bits(w, w->text[w->len++], 8);
    }
}

static void put_coded(writer *w, check_rng *r, unsigned symbols)
{
    static const unsigned most[] = { 4, 300, 32768 };
    for (; symbols > 0; symbols--) {
        uint64_t d = check_below(r, most[check_below(r, 3)]) + 1;
        if (check_below(r, 3) == 0 && d <= w->len) {
            unsigned length = 3 + (unsigned)check_below(r, check_below(r, 2) ? 256 : 10);
            put_copy(w, check_below(r, 8) ? length : 258, (unsigned)d);
        } else {
            w->text[w->len] = (unsigned char)check_u64(r);
            put_literal(w, w->text[w->len++]);
        }
    }
    put_literal(w, 256);
}

static void make(writer *w, check_rng *r, unsigned blocks, unsigned size)
{
    memset(w->data, 0, w->cap);
    w->bits = w->len = 0;
    for (unsigned i = 0; i < blocks; i++) {
        const int stored = check_below(r, 3) == 0;
        put_bits(w, i + 1 == blocks, 1);
        put_bits(w, !stored, 2);
        if (stored)
            put_stored(w, r, (unsigned)check_below(r, size));
        else
            put_coded(w, r, (unsigned)check_below(r, size));
    }
}

/* ---- inflating ------------------------------------------------------------------------------- */

typedef struct source {
    const unsigned char *data;
    size_t len;
    int fails; /* after so many calls; -1: never */
} source;

static whit_status fill(void *from, uint64_t at, void *dst, size_t count, whit_error *err)
{
    source *s = from;
    if (s->fails == 0) return wh_fail(err, WHIT_ERR_IO, "as asked for");
    s->fails -= s->fails > 0;
    if (at > s->len || count > s->len - at) return wh_fail(err, WHIT_ERR_ARG, "beyond the data");
    memcpy(dst, s->data + at, count);
    return WHIT_OK;
}

static wh_inflate *start(source *s)
{
    wh_inflate *z = malloc(sizeof *z);
    if (!z) exit(1);
    wh_inflate_start(z, s->len, fill, s);
    return z;
}

/* All of it in pieces of at most `piece` octets (0: random), against the text. */
static void check_pieces(source *s, const unsigned char *text, size_t len, size_t piece,
                         check_rng *r)
{
    unsigned char *out = malloc(len + 300);
    wh_inflate *z = start(s);
    size_t done = 0, got = 1;
    while (out && got > 0) {
        const size_t n = piece ? piece : 1 + (size_t)check_below(r, 300);
        const size_t room = len + 300 - done < n ? len + 300 - done : n;
        whit_status st = wh_inflate_read(z, out + done, room, &got, NULL);
        CHECK(st == WHIT_OK, "at %zu: %s", done, z->problem ? z->problem : "?");
        if (st != WHIT_OK) break;
        done += got;
    }
    CHECK(done == len && out && memcmp(out, text, len) == 0, "%zu of %zu octets", done, len);
    CHECK(wh_inflate_ended(z), "ended");
    free(out);
    free(z);
}

/* From every `step`th octet, saved and gone on from in another structure. */
static void check_places(source *s, const unsigned char *text, size_t len, size_t step)
{
    wh_inflate *z = start(s), *y = malloc(sizeof *y);
    unsigned char *out = malloc(len + 1);
    if (!y || !out) exit(1);
    for (size_t at = 0; at <= len; at += step) {
        size_t got = 0;
        wh_inflate_place p = wh_inflate_save(z);
        CHECK(p.out == at, "at %zu", at);
        memset(y, 0xa5, sizeof *y);
        wh_inflate_start(y, s->len, fill, s);
        CHECK(wh_inflate_resume(y, &p, z->window, NULL) == WHIT_OK, "resume at %zu", at);
        whit_status st = wh_inflate_read(y, out, len + 1 - at, &got, NULL);
        CHECK(st == WHIT_OK && got == len - at && memcmp(out, text + at, got) == 0,
              "from %zu: %d, %zu octets, %s", at, (int)st, got, y->problem ? y->problem : "");
        CHECK(wh_inflate_ended(y), "ended");
        CHECK(wh_inflate_read(z, NULL, step, &got, NULL) == WHIT_OK, "on");
    }
    free(out);
    free(y);
    free(z);
}

static void test_random(void)
{
    static unsigned char data[1 << 20], text[1 << 21];
    writer w = { .data = data, .text = text, .cap = sizeof data };
    check_rng r = { 12 };
    for (int i = 0; i < 200; i++) {
        make(&w, &r, 1 + (unsigned)check_below(&r, 6), i % 20 == 0 ? 20000 : 200);
        source s = { data, (w.bits + 7) / 8, -1 };
        check_pieces(&s, text, w.len, 0, &r);
        check_pieces(&s, text, w.len, 100000, &r);
        check_places(&s, text, w.len, w.len < 3000 ? 13 : 40009);
    }
    printf("random data: the last of %zu octets\n", w.len);
}

/* Each octet cut off, each bit turned: no octet beyond the text, and an end. */
static void test_damage(const unsigned char *data, size_t len, const char *text, size_t size)
{
    unsigned char *bent = malloc(len), out[4096];
    if (!bent) exit(1);
    for (size_t cut = 0; cut < len; cut++) {
        source s = { data, cut, -1 };
        wh_inflate *z = start(&s);
        size_t got = 0;
        CHECK(wh_inflate_read(z, out, sizeof out, &got, NULL) == WHIT_ERR_FORMAT &&
                  strcmp(z->problem, "the deflated data ends early") == 0,
              "cut at %zu", cut);
        CHECK(wh_inflate_read(z, out, 1, &got, NULL) == WHIT_ERR_FORMAT && got == 0, "it sticks");
        free(z);
    }
    size_t same = 0;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        memcpy(bent, data, len);
        bent[bit / 8] ^= (unsigned char)(1u << bit % 8);
        source s = { bent, len, -1 };
        wh_inflate *z = start(&s);
        size_t got = 0;
        whit_status st = wh_inflate_read(z, out, sizeof out, &got, NULL);
        same += st == WHIT_OK && got == size && memcmp(out, text, size) == 0;
        free(z);
    }
    CHECK(same < 8, "%zu turned bits make no difference", same); /* those behind the end */
    free(bent);
}

/* A block with codes of its own: zlib 1.2.13, level 9, of the text below. */
static const unsigned char table[] = {
    0x5d, 0xd2, 0x41, 0x6e, 0x84, 0x21, 0x08, 0x86, 0xe1, 0xbd, 0xa7, 0x98, 0x23, 0x8c, 0x08, 0xa8,
    0x07, 0xea, 0x62, 0x16, 0x5d, 0xb5, 0xf7, 0x4f, 0x95, 0x9f, 0x7c, 0x40, 0x37, 0x93, 0xbc, 0x31,
    0x81, 0xe7, 0xd7, 0xe9, 0xaf, 0xdf, 0xcf, 0xf7, 0xd7, 0xcf, 0xab, 0xbf, 0x3e, 0xe7, 0xa7, 0x75,
    0x4f, 0xba, 0x49, 0xc8, 0x71, 0x73, 0x20, 0xf9, 0x26, 0x23, 0xe5, 0xa6, 0x20, 0xf5, 0xa6, 0x22,
    0xe7, 0xcd, 0x89, 0x5c, 0x37, 0x17, 0x72, 0xdf, 0xdc, 0x8d, 0x32, 0x83, 0x90, 0xf4, 0x2c, 0xa2,
    0xcc, 0x50, 0x24, 0x3f, 0xa3, 0x28, 0x33, 0xfa, 0x1b, 0x6d, 0x8e, 0x1e, 0xc3, 0x0c, 0xd2, 0x63,
    0x9a, 0x49, 0x7a, 0x8c, 0x33, 0x4a, 0x5f, 0x6d, 0x64, 0xcb, 0x40, 0xd2, 0xb3, 0x7c, 0x64, 0xcb,
    0x46, 0xb2, 0x2f, 0x1b, 0x05, 0x23, 0x68, 0xfd, 0x37, 0xdc, 0x30, 0xd4, 0xd1, 0x86, 0x21, 0x46,
    0x1b, 0x86, 0x66, 0xe3, 0x8c, 0x61, 0x24, 0x3d, 0x9f, 0xce, 0x19, 0x73, 0xb6, 0x73, 0xd1, 0x28,
    0xda, 0x34, 0xf4, 0x46, 0xab, 0x6f, 0xe3, 0xa2, 0x89, 0x79, 0xa6, 0x19, 0x31, 0xcf, 0x34, 0x43,
    0x9b, 0x64, 0x8d, 0x20, 0xc9, 0x6f, 0x5e, 0x0a, 0x27, 0xce, 0xd9, 0xd7, 0x4b, 0xe1, 0xc4, 0xb9,
    0x71, 0x46, 0x9c, 0x1b, 0x67, 0xc4, 0xb9, 0x71, 0x38, 0xce, 0x8d, 0xc3, 0xd2, 0x34, 0x73, 0x14,
    0x49, 0x7e, 0x1b, 0x5a, 0x38, 0x0b, 0xcd, 0xfe, 0xf5, 0x9a, 0x39, 0x67, 0xbd, 0x16, 0x4e, 0xcc,
    0x33, 0x0e, 0xc7, 0xbc, 0x87, 0x13, 0xf3, 0x8c, 0x23, 0xdc, 0x66, 0xe6, 0x4c, 0x24, 0xf9, 0xff,
    0x6e, 0x66, 0xce, 0x79, 0xfa, 0x59, 0x38, 0x0b, 0x2d, 0xfe, 0xf5, 0x33, 0x73, 0xce, 0xfa, 0x59,
    0x38, 0x1b, 0x6d, 0x1c, 0x51, 0xb4, 0x71, 0x74, 0xb4, 0x95, 0x39, 0x0b, 0x49, 0xfe, 0xdf, 0x58,
    0x85, 0xc3, 0x68, 0xf6, 0xb7, 0x5f, 0x99, 0x73, 0x2e, 0x7f, 0x15, 0x4e, 0xcc, 0x9b, 0xbe, 0x7e,
    0x65, 0x8e, 0xc6, 0x3c, 0xe3, 0x4c, 0x6a, 0x3b, 0x73, 0x36, 0x92, 0xfc, 0x71, 0x76, 0xe1, 0x4c,
    0x34, 0xfb, 0x63, 0xec, 0xc2, 0x11, 0xb4, 0xfa, 0xe5, 0xef, 0xcc, 0x39, 0x5f, 0xbf, 0x33, 0x27,
    0xad, 0x37, 0xce, 0xea, 0xed, 0x0f,
};

static void test_own_codes(void)
{
    char text[1274] = "";
    size_t len = 0;
    check_rng r = { 3 };
    wh_crc32 crc;
    for (int i = 1; i < 10; i++)
        for (int k = 1; k < 10; k++)
            len +=
                (size_t)snprintf(text + len, sizeof text - len, "%d times %d is %d\n", i, k, i * k);
    source s = { table, sizeof table, -1 };
    check_pieces(&s, (const unsigned char *)text, len, 1, &r);
    check_pieces(&s, (const unsigned char *)text, len, 0, &r);
    check_places(&s, (const unsigned char *)text, len, 1);
    test_damage(table, sizeof table, text, len);
    wh_crc32_init(&crc);
    CHECK(wh_crc32_add(&crc, 0, text, len) == 374703581u, "the sum that zlib has");
    source fails = { table, sizeof table, 0 };
    wh_inflate *z = start(&fails);
    whit_error err = { WHIT_OK, "" };
    size_t got = 9;
    CHECK(wh_inflate_read(z, NULL, 5, &got, &err) == WHIT_ERR_IO && got == 0 && !z->problem,
          "a read fails: %s", err.msg);
    free(z);
}

#define D(text) (const unsigned char *)text, sizeof(text) - 1

static void test_problems(void)
{
    static const struct {
        const unsigned char *data;
        size_t len;
        const char *problem; /* NULL: it is sound, and empty */
    } rows[] = {
        { D("\3\0"), NULL },
        { D("\1\0\0\377\377"), NULL },
        { D("\7"), "a block of an unknown kind" },
        { D("\1\1\0\377\377x"), "a stored block of a length in doubt" },
        { D("\1\2\0\375\377x"), "the deflated data ends early" },
        { D(""), "the deflated data ends early" },
        { D("\375\37\0\0\0\0\0\0"), "too many codes" }, /* 288 literals */
        { D("\5\37\0\0\0\0\0\0"), "too many codes" },   /* 32 distances */
        { D("\5\0\0\0\0\0\0\0"), "lengths that make no code" },
        { D("\x05\xe0\x01\x08\x00\x00\x00\x00\x20\x00"), "lengths that make no code" },
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\xf4\x6f\x6d\x00"), NULL }, /* no distances */
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\xf4\x6f\x0d"), NULL },     /* a lone one */
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\xf4\x8f\x0d"), "a block without an end" },
        { D("\x05\xe1\x01\x0d\x00\x00\x00\x40\x30\xf4\x6f\x7d\x03"), "lengths that make no code" },
        { D("\x05\xe2\x07\x0d\x00\x00\x00\x00\x10\xf4\x6f\x0d"), "lengths that make no code" },
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\x1c"),
          "a repeated length without one before it" },
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\xf4\xef\x0f"), "more lengths than codes" },
        { D("\x05\xe0\x07\x0d\x00\x00\x00\x00\x10\xf4\x6f\xcd\xff\x7f"),
          "a code that is not defined" },
        { D("\x73\x1c\x03\x00"), "a code that is not defined" }, /* literal 286 */
        { D("\x73\x04\x3e\x00"), "a code that is not defined" }, /* distance 30 */
        { D("\x03\x02\x00"), "a copy from before the start" },
        { D("\x73\x04\x42\x00"), "a copy from before the start" },
        { D("\4\2\0"), "the deflated data ends early" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        source s = { rows[i].data, rows[i].len, -1 };
        wh_inflate *z = start(&s);
        unsigned char out[600];
        size_t got = 0;
        whit_status st = wh_inflate_read(z, out, sizeof out, &got, NULL);
        if (rows[i].problem)
            CHECK(st == WHIT_ERR_FORMAT && z->problem && strcmp(z->problem, rows[i].problem) == 0,
                  "row %zu: status %d, %s", i, (int)st, z->problem ? z->problem : "no problem");
        else
            CHECK(st == WHIT_OK && wh_inflate_ended(z), "row %zu: status %d, %s", i, (int)st,
                  z->problem ? z->problem : "not ended");
        free(z);
    }
    source more = { D("\3\0\0") };
    more.fails = -1;
    wh_inflate *z = start(&more);
    size_t got = 1;
    CHECK(wh_inflate_read(z, NULL, 9, &got, NULL) == WHIT_OK && got == 0 && !wh_inflate_ended(z),
          "an octet is left over");
    free(z);
}

static void test_crc(void)
{
    wh_crc32 crc;
    unsigned char data[600];
    check_rng r = { 5 };
    wh_crc32_init(&crc);
    CHECK(wh_crc32_add(&crc, 0, "123456789", 9) == 0xcbf43926u, "the check value of CRC-32");
    CHECK(wh_crc32_add(&crc, 0, NULL, 0) == 0, "of nothing");
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)check_u64(&r);
    for (int i = 0; i < 300; i++) {
        const size_t from = (size_t)check_below(&r, 32), len = (size_t)check_below(&r, 500);
        const size_t cut = (size_t)check_below(&r, len + 1);
        uint32_t plain = 0xffffffffu;
        for (size_t k = from; k < from + len; k++) {
            plain ^= data[k];
            for (int b = 0; b < 8; b++) plain = plain >> 1 ^ (plain & 1 ? 0xedb88320u : 0);
        }
        const uint32_t sum = wh_crc32_add(&crc, 0, data + from, cut);
        CHECK(wh_crc32_add(&crc, sum, data + from + cut, len - cut) == ~plain, "%zu, %zu, %zu",
              from, len, cut);
    }
}

int main(void)
{
    test_crc();
    test_problems();
    test_own_codes();
    test_random();
    return check_result();
}
