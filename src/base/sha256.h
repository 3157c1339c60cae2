/* src/base/sha256.h - SHA-256 of octets, piece by piece.
 *
 * Source: FIPS PUB 180-4, Secure Hash Standard, sections 4.1.2, 5 and 6.2.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_SHA256_H
#define WH_BASE_SHA256_H

#include "base/error.h"

#define WH_SHA256_BYTES 32
#define WH_SHA256_TEXT 65 /* 64 hexadecimal digits, lower case, and a NUL */

/* Takes in so many blocks of 64 octets. All variants do the same. */
typedef void wh_sha256_fn(uint32_t h[8], const uint8_t *data, size_t blocks);
typedef struct wh_sha256_variant {
    const char *isa;
    uint32_t needs; /* WH_ISA_* bits */
    wh_sha256_fn *blocks;
} wh_sha256_variant;
extern const wh_sha256_variant wh_sha256_variants[]; /* slowest first; [0] is the reference */
extern const size_t wh_sha256_variant_count;
wh_sha256_fn wh_sha256_blocks_scalar, wh_sha256_blocks_shani;
extern const uint32_t wh_sha256_constant[64]; /* FIPS 180-4, 4.2.2 */

typedef struct wh_sha256 {
    uint32_t h[8];
    uint64_t length; /* octets so far */
    uint8_t block[64];
    wh_sha256_fn *blocks;
} wh_sha256;

void wh_sha256_init(wh_sha256 *s); /* with the variant that WHIT_ISA allows */
void wh_sha256_add(wh_sha256 *s, const void *data, size_t len);
/* Of everything added; s is to be initialised again before another use. */
void wh_sha256_end(wh_sha256 *s, uint8_t digest[WH_SHA256_BYTES]);
void wh_sha256_text(const uint8_t digest[WH_SHA256_BYTES], char text[WH_SHA256_TEXT]);
/* 1 if text is what wh_sha256_text writes. */
int wh_sha256_is_text(const char *text);

/* Of octets in memory, as text. */
void wh_sha256_octets(const void *data, size_t len, char text[WH_SHA256_TEXT]);
/* Of a whole file, as text. Errors: those of wh_file_open_read and wh_file_pread, WHIT_ERR_NOMEM.
 */
whit_status wh_sha256_file(const char *path, char text[WH_SHA256_TEXT], whit_error *err);

#endif
