/* src/base/sha256.c - SHA-256 of octets, piece by piece, and of files.
 *
 * Source: FIPS PUB 180-4, sections 4.1.2 (functions), 4.2.2 (constants), 5 (padding), 6.2.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"

#define PIECE ((size_t)1 << 20) /* octets of a file read at once */

/* clang-format off */
const uint32_t wh_sha256_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
/* clang-format on */

static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load(const uint8_t *p) /* big-endian */
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* One round: what is in a, .., h before; d and h change, and stand for e and a then. */
#define ROUND(a, b, c, d, e, f, g, h, k, w)                                                        \
    do {                                                                                           \
        const uint32_t one = (h) + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +                      \
                             ((g) ^ ((e) & ((f) ^ (g)))) + (k) + (w);                              \
        (d) += one;                                                                                \
        (h) =                                                                                      \
            one + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (((a) & (b)) | ((c) & ((a) | (b))));  \
    } while (0)

static uint32_t next_word(const uint32_t w[16], unsigned t)
{
    const uint32_t a = w[(t + 1) % 16], b = w[(t + 14) % 16];
    return w[t] + w[(t + 9) % 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
           (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
}

static void take(uint32_t h[8], const uint8_t *block)
{
    uint32_t w[16], v[8];
    for (unsigned t = 0; t < 16; t++) w[t] = load(block + 4 * t);
    memcpy(v, h, sizeof v);
    for (unsigned t = 0; t < 64; t += 8) { /* after eight rounds the letters are where they were */
        const uint32_t *k = wh_sha256_constant + t, *x = w + t % 16;
        ROUND(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], k[0], x[0]);
        ROUND(v[7], v[0], v[1], v[2], v[3], v[4], v[5], v[6], k[1], x[1]);
        ROUND(v[6], v[7], v[0], v[1], v[2], v[3], v[4], v[5], k[2], x[2]);
        ROUND(v[5], v[6], v[7], v[0], v[1], v[2], v[3], v[4], k[3], x[3]);
        ROUND(v[4], v[5], v[6], v[7], v[0], v[1], v[2], v[3], k[4], x[4]);
        ROUND(v[3], v[4], v[5], v[6], v[7], v[0], v[1], v[2], k[5], x[5]);
        ROUND(v[2], v[3], v[4], v[5], v[6], v[7], v[0], v[1], k[6], x[6]);
        ROUND(v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[0], k[7], x[7]);
        if (t % 16 == 8 && t < 56)
            for (unsigned i = 0; i < 16; i++) w[i] = next_word(w, i);
    }
    for (unsigned i = 0; i < 8; i++) h[i] += v[i];
}

void wh_sha256_blocks_scalar(uint32_t h[8], const uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += 64) take(h, data);
}

const wh_sha256_variant wh_sha256_variants[] = {
    { "scalar", 0, wh_sha256_blocks_scalar },
#ifdef WH_BUILD_X86
    { "shani", WH_ISA_SHANI, wh_sha256_blocks_shani },
#endif
};
const size_t wh_sha256_variant_count = sizeof wh_sha256_variants / sizeof wh_sha256_variants[0];

static uint32_t needs(size_t i)
{
    return wh_sha256_variants[i].needs;
}

void wh_sha256_init(wh_sha256 *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->h, start, sizeof start);
    s->blocks = wh_sha256_variants[wh_isa_choose(wh_sha256_variant_count, needs)].blocks;
}

void wh_sha256_add(wh_sha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t used = (size_t)(s->length % sizeof s->block);
    s->length += len;
    while (len > 0) {
        if (used == 0 && len >= sizeof s->block) {
            const size_t whole = len / sizeof s->block;
            s->blocks(s->h, p, whole);
            p += whole * sizeof s->block;
            len -= whole * sizeof s->block;
            continue;
        }
        const size_t room = sizeof s->block - used, n = len < room ? len : room;
        memcpy(s->block + used, p, n);
        used += n;
        p += n;
        len -= n;
        if (used < sizeof s->block) return;
        s->blocks(s->h, s->block, 1);
        used = 0;
    }
}

void wh_sha256_end(wh_sha256 *s, uint8_t digest[WH_SHA256_BYTES])
{
    static const uint8_t pad[64] = { 0x80 };
    const uint64_t bits = s->length * 8;
    const size_t used = (size_t)(s->length % 64);
    uint8_t tail[8];
    wh_sha256_add(s, pad, used < 56 ? 56 - used : 120 - used);
    store(tail, (uint32_t)(bits >> 32));
    store(tail + 4, (uint32_t)bits);
    wh_sha256_add(s, tail, sizeof tail);
    for (unsigned i = 0; i < 8; i++) store(digest + 4 * i, s->h[i]);
}

void wh_sha256_text(const uint8_t digest[WH_SHA256_BYTES], char text[WH_SHA256_TEXT])
{
    static const char digit[] = "0123456789abcdef";
    for (unsigned i = 0; i < WH_SHA256_BYTES; i++) {
        text[2 * i] = digit[digest[i] >> 4];
        text[2 * i + 1] = digit[digest[i] & 15];
    }
    text[WH_SHA256_TEXT - 1] = '\0';
}

int wh_sha256_is_text(const char *text)
{
    return strspn(text, "0123456789abcdef") == WH_SHA256_TEXT - 1 &&
           text[WH_SHA256_TEXT - 1] == '\0';
}

void wh_sha256_octets(const void *data, size_t len, char text[WH_SHA256_TEXT])
{
    wh_sha256 s;
    uint8_t digest[WH_SHA256_BYTES];
    wh_sha256_init(&s);
    wh_sha256_add(&s, data, len);
    wh_sha256_end(&s, digest);
    wh_sha256_text(digest, text);
}

whit_status wh_sha256_file(const char *path, char text[WH_SHA256_TEXT], whit_error *err)
{
    wh_sha256 s;
    uint8_t digest[WH_SHA256_BYTES];
    uint64_t bytes;
    int fd;
    whit_status st = wh_file_open_read(path, &fd, &bytes, err);
    if (st != WHIT_OK) return st;
    char *piece = malloc(PIECE);
    if (!piece) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the hash of a file");
    wh_sha256_init(&s);
    for (uint64_t at = 0; at < bytes && st == WHIT_OK;) {
        const size_t n = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        st = wh_file_pread(fd, path, at, piece, n, err);
        if (st == WHIT_OK) wh_sha256_add(&s, piece, n);
        at += n;
    }
    free(piece);
    close(fd);
    if (st != WHIT_OK) return st;
    wh_sha256_end(&s, digest);
    wh_sha256_text(digest, text);
    return WHIT_OK;
}
