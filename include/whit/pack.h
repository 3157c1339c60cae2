/* include/whit/pack.h - codes to stored bits, and the planes of the native file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_PACK_H
#define WHIT_PACK_H

#include <whit/scheme.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ceil(count * bits / 8). */
WHIT_API size_t whit_packed_bytes(size_t count, unsigned bits);

/*
 * Pack codes densely, least significant bit first: code i holds the bits [i*bits, (i+1)*bits) of
 * the little-endian bit string; the unused bits of the last octet are 0.
 *
 *   codes  in   uint8 [count], each below 2^bits (higher bits are dropped)
 *   out    out  whit_packed_bytes(count, bits) octets
 *
 * bits 1..8, else WHIT_ERR_ARG. Threads: reentrant.
 */
WHIT_API whit_status whit_pack_bits(const uint8_t *codes, size_t count, unsigned bits,
                                    uint8_t *out);
/* The inverse. */
WHIT_API whit_status whit_unpack_bits(const uint8_t *in, size_t count, unsigned bits,
                                      uint8_t *codes);

/* One stored tensor of a quantized one: its name is the source name followed by the suffix. */
typedef struct whit_plane {
    const char *suffix; /* ".q" ".scale" ".zero" ".scale2", dq: ".scale_absmax" ".scale_offset" */
    whit_dtype dtype;
    uint32_t rank;
    uint64_t shape[2];
    uint64_t bytes;
} whit_plane;

#define WHIT_MAX_PLANES 4
/*
 * The planes of a rows x cols matrix in the native file (its layout: src/pack/native.c).
 * Returns how many, 0 where the scheme stores no codes or is a type of GGUF. *overflow (may be
 * NULL) is set to 1 when a size passes 2^63.
 */
WHIT_API unsigned whit_native_planes(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                                     whit_plane planes[WHIT_MAX_PLANES], int *overflow);

#ifdef __cplusplus
}
#endif
#endif
