/* tests/test_archives.c - zip archives: what is read, and each thing that can be wrong with one.
 *
 * The contents are arrays of NumPy; those of PyTorch are test_torch.c's. Data in all forms of real
 * writers are in data/malformed/npz (test_safetensors.c) and interop/archives.py.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "check.h"
#include "zip_build.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED

/* An array of n octets, U8. */
static void put_array(st_text *t, const void *data, size_t n)
{
    char dict[118];
    snprintf(dict, sizeof dict, "{'descr': '|u1', 'fortran_order': False, 'shape': (%zu,)}", n);
    st_putf(t, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, dict);
    st_put(t, data, n);
}

static whit_file *open_octets(const scratch *s, const char *name, const void *data, size_t len,
                              whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    scratch_write(s, name, data, len);
    whit_status st = whit_file_open(&f, scratch_path(s, name, path), &err);
    CHECK(st == want && strstr(err.msg, words), "%s (%s): status %d, %s", name, words, (int)st,
          err.msg);
    return f;
}

/* Two small arrays, "a" (stored) and "b" (deflated). */
static void make_two(zb_build *z)
{
    static const unsigned char zeros[900];
    st_text a = { 0 }, b = { 0 };
    put_array(&a, "octets", 6);
    put_array(&b, zeros, sizeof zeros);
    zb_add(z, "a.npy", a.data, a.len, 0);
    zb_add(z, "b.npy", b.data, b.len, 8);
    free(a.data);
    free(b.data);
}

static void test_kinds(const scratch *s)
{
    for (unsigned kind = 0; kind < 8; kind++) {
        zb_build z = { 0 };
        unsigned char got[6];
        z.wide = kind & 1;
        z.descriptors = kind >> 1 & 1;
        z.align = kind & 4 ? 64 : 0;
        make_two(&z);
        zb_end(&z);
        whit_file *f = open_octets(s, "k.npz", z.all.data, z.all.len, WHIT_OK, "");
        CHECK(f && strcmp(whit_file_format(f), "npz") == 0 && whit_file_count(f) == 2, "kind %u",
              kind);
        const size_t a = f ? whit_file_find(f, "a") : 0, b = f ? whit_file_find(f, "b") : 0;
        CHECK(f && whit_file_read(f, a, 0, 6, got, NULL) == WHIT_OK && !memcmp(got, "octets", 6),
              "kind %u", kind);
        CHECK(f && whit_file_read(f, b, 895, 5, got, NULL) == WHIT_OK &&
                  !memcmp(got, "\0\0\0\0\0", 5),
              "kind %u", kind);
        CHECK(f && whit_file_read(f, b, 895, 6, got, NULL) == WHIT_ERR_ARG, "kind %u", kind);
        whit_file_close(f);
        zb_free(&z);
    }
}

/* What a change of an archive's octets must be answered with. at counts from the start of what
 * `where` finds: the first of those octets. */
static void test_damage(const scratch *s)
{
    static const struct {
        const char *where;
        size_t where_len, nth, at;
        const char *octets;
        size_t len;
        whit_status want;
        const char *words;
    } rows[] = {
    /* clang-format off */
#define AT(text) text, sizeof(text) - 1
        { AT("PK\3\4"), 1, 0, AT("PK\3\5"), FMT, "b.npy: no entry begins where the directory says" },
        { AT("PK\3\4"), 0, 6, AT("\1"), FMT, "a.npy: is packed otherwise" },
        { AT("PK\3\4"), 0, 8, AT("\10"), FMT, "a.npy: is packed otherwise" },
        { AT("PK\3\4"), 0, 14, AT("\1\2\3\4"), FMT, "a.npy: has another size or checksum" },
        { AT("PK\3\4"), 0, 18, AT("\1"), FMT, "a.npy: has another size or checksum" },
        { AT("PK\3\4"), 0, 22, AT("\1"), FMT, "a.npy: has another size or checksum" },
        { AT("PK\3\4"), 0, 26, AT("\4"), FMT, "a.npy: has another name" },
        { AT("PK\3\4"), 0, 28, AT("\377\377"), FMT, "a.npy: its data end beyond" },
        { AT("PK\3\4"), 0, 30, AT("x"), FMT, "a.npy: has another name" },
        { AT("PK\1\2"), 0, 0, AT("PK\1\3"), FMT, "zip: its directory is damaged" },
        { AT("PK\1\2"), 0, 8, AT("\1"), UNS, "a.npy: is encrypted" },
        { AT("PK\1\2"), 0, 10, AT("\14"), UNS, "a.npy: compression method 12" },
        { AT("PK\1\2"), 0, 10, AT("\10"), FMT, "a.npy: is packed otherwise" },
        { AT("PK\1\2"), 0, 16, AT("\1\2\3\4"), FMT, "a.npy: has another size or checksum" },
        { AT("PK\1\2"), 0, 20, AT("\1"), FMT, "a.npy: stored as it is, but with another size" },
        { AT("PK\1\2"), 1, 24, AT("\377\377\377\177"), FMT, "b.npy: is said to inflate to more" },
        { AT("PK\1\2"), 0, 24, AT("\377\377\377\377"), FMT, "a.npy: its zip64 field is damaged" },
        { AT("PK\1\2"), 1, 28, AT("\377\377"), FMT, "zip: its directory is damaged" },
        { AT("PK\1\2"), 1, 30, AT("\1"), FMT, "zip: its directory is damaged" },
        { AT("PK\1\2"), 1, 42, AT("\377\377\377\1"), FMT, "b.npy: begins beyond the data" },
        { AT("PK\1\2"), 1, 42, AT("\0\0\0\0"), FMT, "b.npy: has another name" },
        { AT("PK\1\2"), 0, 46, AT("/"), FMT, "a name that no entry of an archive should have" },
        { AT("PK\1\2"), 0, 46, AT("../"), FMT, "a name that no entry of an archive should have" },
        { AT("PK\1\2"), 0, 46, AT("a\\.."), FMT, "a name that no entry of an archive should have" },
        { AT("PK\1\2"), 0, 46, AT("a/.."), FMT, "another name" }, /* a/..y is a name */
        { AT("PK\1\2"), 0, 48, AT("/.."), FMT, "a name that no entry of an archive should have" },
        { AT("PK\1\2"), 0, 46, AT("\0"), FMT, "the name of an entry is not UTF-8, or has a NUL" },
        { AT("PK\1\2"), 0, 46, AT("\200"), FMT, "the name of an entry is not UTF-8, or has a NUL" },
        { AT("PK\5\6"), 0, 0, AT("PK\5\7"), FMT, "zip: its end is missing" },
        { AT("PK\5\6"), 0, 4, AT("\1"), FMT, "zip: an archive in several parts" },
        { AT("PK\5\6"), 0, 6, AT("\1"), FMT, "zip: an archive in several parts" },
        { AT("PK\5\6"), 0, 8, AT("\1"), FMT, "zip: an archive in several parts" },
        { AT("PK\5\6"), 0, 8, AT("\1\0\1\0"), FMT, "zip: more in its directory than it counts" },
        { AT("PK\5\6"), 0, 8, AT("\3\0\3\0"), FMT, "zip: more entries than its directory has room" },
        { AT("PK\5\6"), 0, 8, AT("\377\377\377\377"), FMT, "zip: no zip64 record" },
        { AT("PK\5\6"), 0, 12, AT("\0"), FMT, "zip: its directory does not lie where its end says" },
        { AT("PK\5\6"), 0, 16, AT("\377\377\377\177"), FMT, "zip: its directory does not lie" },
        { AT("PK\5\6"), 0, 20, AT("\1"), FMT, "zip: its end is missing" }, /* a comment that is not there */
        { AT("octets"), 0, 0, AT("p"), FMT, "a.npy: its checksum (CRC-32)" },
        /* clang-format on */
    };
    zb_build z = { 0 };
    make_two(&z);
    zb_end(&z);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char *bent = malloc(z.all.len);
        size_t at = 0, seen = 0;
        if (!bent) exit(1);
        memcpy(bent, z.all.data, z.all.len);
        while (memcmp(bent + at, rows[i].where, rows[i].where_len) != 0 || seen++ < rows[i].nth)
            at++;
        memcpy(bent + at + rows[i].at, rows[i].octets, rows[i].len);
        CHECK(!open_octets(s, "d.npz", bent, z.all.len, rows[i].want, rows[i].words), "row %zu", i);
        free(bent);
    }
    for (size_t n = 4; n < z.all.len; n++)
        CHECK(!open_octets(s, "d.npz", z.all.data, n, FMT, "zip: its end is missing"), "cut to %zu",
              n);
    st_put(&z.all, "more", 4);
    CHECK(!open_octets(s, "d.npz", z.all.data, z.all.len, FMT, "zip: more octets behind its end"),
          "octets behind the end");
    zb_free(&z);
}

static void test_wide(const scratch *s)
{
    static const struct {
        size_t back; /* from the end of the file */
        const char *octets;
        size_t len;
        const char *words;
    } rows[] = {
        /* clang-format off */
        { 22 + 20, AT("PK\6\10"), "zip: no zip64 record" },
        { 22 + 16, AT("\1"), "zip: an archive in several parts" },
        { 22 + 4, AT("\2"), "zip: an archive in several parts" },
        { 22 + 12, AT("\0\0\0\0\0\0\0\0"), "zip: the zip64 record is not where its locator says" },
        { 22 + 12, AT("\377\377\377\377\377\377\377\377"), "zip: the zip64 record is not where" },
        { 22 + 20 + 56, AT("PK\6\5"), "zip: the zip64 record is not where its locator says" },
        { 22 + 20 + 52, AT("\55"), "zip: the zip64 record is not where its locator says" },
        { 22 + 20 + 40, AT("\1"), "zip: an archive in several parts" },
        { 22 + 20 + 32, AT("\3"), "zip: an archive in several parts" },
        { 22 + 20 + 16, AT("\0"), "zip: its directory does not lie where its end says" },
        { 22 + 20 + 16, AT("\377\377\377\377\377\377\377\377"), "zip: its directory does not lie" },
        { 22 + 20 + 8, AT("\377\377\377\377\377\377\377\377"), "zip: its directory does not lie" },
        { 10, AT("\1\2\3\4"), "zip: the two records at its end contradict each other" },
        /* clang-format on */
    };
    zb_build z = { .wide = 1 };
    make_two(&z);
    zb_end(&z);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char *bent = malloc(z.all.len);
        if (!bent) exit(1);
        memcpy(bent, z.all.data, z.all.len);
        memcpy(bent + z.all.len - rows[i].back, rows[i].octets, rows[i].len);
        CHECK(!open_octets(s, "w.npz", bent, z.all.len, FMT, rows[i].words), "row %zu", i);
        free(bent);
    }
    zb_free(&z);
}

/* Archives whose contents are wrong, or left out. */
static void test_contents(const scratch *s)
{
    st_text a = { 0 };
    zb_build z = { 0 };
    put_array(&a, "octets", 6);
    zb_add(&z, "a.npy", a.data, a.len, 0);
    zb_add(&z, "read.me", "words", 5, 8);
    zb_end(&z);
    whit_file *f = open_octets(s, "c.npz", z.all.data, z.all.len, WHIT_OK, "");
    CHECK(f && whit_file_warnings(f) == 1 &&
              strstr(whit_file_warning(f, 0), "read.me: is no array (NAME.npy), and left out"),
          "a warning");
    whit_file_close(f);
    zb_free(&z);

    static const struct {
        const char *name;
        size_t cut; /* of the array's octets */
        const char *words;
    } rows[] = { { "a.npy", 130, "c.npz: a.npy: shape and type make 6 bytes of data" },
                 { "a.npy", 90, "c.npz: a.npy: NPY header ends at byte 128" },
                 { "a.npy", 3, "c.npz: a.npy: NPY header: the file ends before it" },
                 { "a.txt", 134, "neither arrays (NAME.npy) nor a PyTorch checkpoint" },
                 { ".npy", 134, "neither arrays" },
                 { "__metadata__.npy", 134, "is no name for a tensor" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned method = 0; method <= 8; method += 8) {
            zb_add(&z, rows[i].name, a.data, rows[i].cut, method);
            zb_end(&z);
            CHECK(!open_octets(s, "c.npz", z.all.data, z.all.len, i < 3 ? FMT : UNS, rows[i].words),
                  "row %zu", i);
            zb_free(&z);
        }
    zb_add(&z, "a.npy", a.data, a.len, 0);
    zb_add(&z, "a.npy", a.data, a.len, 0);
    zb_end(&z);
    CHECK(!open_octets(s, "t.npz", z.all.data, z.all.len, FMT, "a.npy: the name is there twice"),
          "twice");
    zb_free(&z);

    /* The second entry lies in the data of the first one. */
    st_text inner = { 0 };
    zb_build y = { 0 };
    zb_add(&y, "b.npy", a.data, a.len, 0);
    put_array(&inner, y.all.data, y.all.len);
    zb_add(&z, "a.npy", inner.data, inner.len, 0);
    z.entry[z.count] = y.entry[0];
    z.entry[z.count++].at = 30 + 5 + 128;
    zb_end(&z);
    CHECK(
        !open_octets(s, "o.npz", z.all.data, z.all.len, FMT, "b.npy: overlaps the entry before it"),
        "an overlap");
    zb_free(&y);
    zb_free(&z);
    free(inner.data);
    free(a.data);
}

/* Sizes of the directory that the data do not keep. */
static void test_sizes(const scratch *s)
{
    static const struct {
        int64_t more;
        const char *words;
    } rows[] = { { -1, "inflates to more than the directory says" },
                 { 1, "inflates to less than the directory says" } };
    static const unsigned char zeros[900];
    st_text a = { 0 };
    put_array(&a, zeros, sizeof zeros);
    for (size_t i = 0; i < 4; i++) {
        zb_build z = { .descriptors = 1 };
        zb_add(&z, "a.npy", a.data, a.len, 8);
        if (i < 2) z.entry[0].bytes += (uint64_t)rows[i].more;
        if (i == 2) z.entry[0].stored += 1; /* the next octet is the descriptor's */
        if (i == 3) z.entry[0].crc ^= 1;
        zb_end(&z);
        CHECK(!open_octets(s, "s.npz", z.all.data, z.all.len, FMT,
                           i < 2    ? rows[i].words
                           : i == 2 ? "more deflated data than one stream"
                                    : "its checksum (CRC-32)"),
              "row %zu", i);
        zb_free(&z);
    }
    free(a.data);
}

/* Longer than the places that inflating goes on from are apart: any part, in any order. */
static void test_long(const scratch *s)
{
    enum { SIZE = 5 << 20 };
    unsigned char *data = malloc(SIZE), *got = malloc(SIZE);
    st_text a = { 0 };
    zb_build z = { 0 };
    check_rng r = { 9 };
    if (!data || !got) exit(1);
    for (size_t i = 0; i < SIZE; i++) data[i] = (unsigned char)(check_u64(&r) & (i >> 18));
    put_array(&a, data, SIZE);
    zb_add(&z, "a.npy", a.data, a.len, 8);
    zb_end(&z);
    whit_file *f = open_octets(s, "l.npz", z.all.data, z.all.len, WHIT_OK, "");
    for (int i = 0; f && i < 60; i++) {
        const size_t from = (size_t)check_below(&r, SIZE);
        const size_t n =
            (size_t)check_below(&r, i % 10 ? 70000 : SIZE - from + 1) % (SIZE - from + 1);
        CHECK(whit_file_read(f, 0, from, n, got, NULL) == WHIT_OK && !memcmp(got, data + from, n),
              "%zu from %zu", n, from);
    }
    /* Another file under its descriptor: the data no longer inflate. */
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    memset(z.all.data + 4000, 0xff, z.all.len - 5000);
    FILE *file = fopen(scratch_path(s, "l.npz", path), "r+b");
    CHECK(file && fwrite(z.all.data, 1, z.all.len, file) == z.all.len && fclose(file) == 0, "%s",
          path);
    CHECK(f && whit_file_read(f, 0, 0, SIZE, got, &err) == FMT &&
              strstr(err.msg, "is another file than when it was opened"),
          "%s", err.msg);
    whit_file_close(f);
    zb_free(&z);
    free(a.data);
    free(got);
    free(data);
}

/* What is deflated is inflated again for each tile of a transposed array: a large one is told. */
static void test_fortran(const scratch *s)
{
    enum { ROWS = 2048, COLS = 1024 };
    unsigned char *zeros = calloc(ROWS, COLS);
    if (!zeros) exit(1);
    for (int k = 0; k < 4; k++) {
        const size_t rows = k == 3 ? ROWS - 1 : ROWS;
        const int fortran = k != 1;
        const unsigned method = k == 2 ? 0 : 8;
        char dict[118];
        st_text a = { 0 };
        zb_build z = { 0 };
        snprintf(dict, sizeof dict, "{'descr': '|u1', 'fortran_order': %s, 'shape': (%zu, %d)}",
                 fortran ? "True" : "False", rows, COLS);
        st_putf(&a, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, dict);
        st_put(&a, zeros, rows * COLS);
        zb_add(&z, "a.npy", a.data, a.len, method);
        zb_end(&z);
        whit_file *f = open_octets(s, "f.npz", z.all.data, z.all.len, WHIT_OK, "");
        CHECK(f && whit_file_warnings(f) == (k == 0), "case %d", k);
        CHECK(!f || k > 0 || strstr(whit_file_warning(f, 0), "f.npz: a: deflated in Fortran order"),
              "the words");
        whit_file_close(f);
        zb_free(&z);
        free(a.data);
    }
    free(zeros);
}

/* A comment may hold anything, even another end. */
static void test_comment(const scratch *s)
{
    zb_build z = { 0 };
    make_two(&z);
    zb_end(&z);
    const size_t len = z.all.len;
    z.all.data[len - 2] = 40;
    st_put(&z.all, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\377\377 and eighteen words", 40);
    whit_file *f = open_octets(s, "m.npz", z.all.data, z.all.len, WHIT_OK, "");
    CHECK(f && whit_file_count(f) == 2, "a comment");
    whit_file_close(f);
    zb_free(&z);
    zb_end(&z);
    CHECK(!open_octets(s, "e.npz", z.all.data, z.all.len, UNS, "neither arrays"),
          "an empty archive");
    zb_free(&z);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_kinds(&s);
    test_damage(&s);
    test_wide(&s);
    test_contents(&s);
    test_sizes(&s);
    test_long(&s);
    test_fortran(&s);
    test_comment(&s);
    scratch_remove(&s);
    return check_result();
}
