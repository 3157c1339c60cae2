/* tests/test_sha256.c - SHA-256: the vectors of FIPS 180-4's examples, any cutting into pieces,
 * files.
 *
 * Vectors: NIST, Secure Hash Standard examples (SHA256.pdf: "abc", 448 and 896 bits) and the long
 * message of a million "a"; the empty message from the byte-oriented test vectors of CAVP.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/sha256.h"

#include "base/cpu.h"
#include "check.h"
#include "scratch.h"

static const struct {
    const char *text, *digest;
} vectors[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
      "lmnopqrsmnopqrstnopqrstu",
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

static void check_digest(wh_sha256 *s, const char *want, const char *what)
{
    uint8_t digest[WH_SHA256_BYTES];
    char text[WH_SHA256_TEXT];
    wh_sha256_end(s, digest);
    wh_sha256_text(digest, text);
    CHECK(strcmp(text, want) == 0, "%s: %s, not %s", what, text, want);
    CHECK(wh_sha256_is_text(text), "%s", text);
}

static void start(wh_sha256 *s, wh_sha256_fn *blocks)
{
    wh_sha256_init(s);
    s->blocks = blocks;
}

static void test_vectors(wh_sha256_fn *blocks)
{
    wh_sha256 s;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        start(&s, blocks);
        wh_sha256_add(&s, vectors[i].text, strlen(vectors[i].text));
        check_digest(&s, vectors[i].digest, vectors[i].text);
    }
    start(&s, blocks);
    for (int i = 0; i < 1000; i++) {
        char a[1000];
        memset(a, 'a', sizeof a);
        wh_sha256_add(&s, a, sizeof a);
    }
    check_digest(&s, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "a..");
}

/* Lengths around the block and the padding, cut at every place. */
static void test_pieces(wh_sha256_fn *blocks)
{
    uint8_t data[200], want[WH_SHA256_BYTES], got[WH_SHA256_BYTES];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof data; n++) {
        wh_sha256 s;
        start(&s, blocks);
        wh_sha256_add(&s, data, n);
        wh_sha256_end(&s, want);
        for (size_t cut = 0; cut <= n; cut++) {
            start(&s, blocks);
            wh_sha256_add(&s, data, cut);
            wh_sha256_add(&s, data + cut, n - cut);
            wh_sha256_end(&s, got);
            CHECK(memcmp(want, got, sizeof got) == 0, "%zu octets, cut at %zu", n, cut);
        }
    }
}

/* Every variant against the first, over any number of blocks at any address. */
static void test_variants(void)
{
    static uint8_t data[64 * 40 + 16];
    const uint32_t cpu = wh_cpu_features();
    check_rng rng = { 12 };
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)check_u64(&rng);
    for (size_t v = 0; v < wh_sha256_variant_count; v++) {
        const wh_sha256_variant *k = &wh_sha256_variants[v];
        printf("sha256 %s%s\n", k->isa, k->needs & ~cpu ? ": skipped, this CPU lacks it" : "");
        if (k->needs & ~cpu) continue;
        test_vectors(k->blocks);
        test_pieces(k->blocks);
        for (size_t n = 0; n <= 40; n++) {
            uint32_t want[8] = { 1, 2, 3, 0x80000000u, 5, 6, 7, 0xffffffffu }, got[8];
            memcpy(got, want, sizeof got);
            wh_sha256_blocks_scalar(want, data + n % 16, n);
            k->blocks(got, data + n % 16, n);
            CHECK(memcmp(want, got, sizeof got) == 0, "%s: %zu blocks", k->isa, n);
        }
    }
}

static void test_file(void)
{
    scratch s;
    char path[SCRATCH_PATH], text[WH_SHA256_TEXT];
    whit_error err = { WHIT_OK, "" };
    scratch_make(&s);
    scratch_text(&s, "abc", "abc");
    CHECK(wh_sha256_file(scratch_path(&s, "abc", path), text, &err) == WHIT_OK &&
              strcmp(text, vectors[1].digest) == 0,
          "%s %s", text, err.msg);
    CHECK(wh_sha256_file(scratch_path(&s, "none", path), text, &err) == WHIT_ERR_IO, "no file");
    CHECK(!wh_sha256_is_text("abc") && !wh_sha256_is_text(""), "no digests");
    memset(text, 'A', 64);
    CHECK(!wh_sha256_is_text(text), "upper case");
    scratch_remove(&s);
}

int main(void)
{
    test_variants();
    test_file();
    return check_result();
}
