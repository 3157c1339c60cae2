/* src/kernels/amx_tiles.h - the tile instructions of AMX: all of them that the library uses.
 *
 * Eight tiles of up to 16 rows of 64 octets, always in the same places:
 *
 *                        weights of two panels
 *                               6      7
 *     activations of two   4    0      1      sums of 16 tokens x 16 rows
 *     blocks of tokens     5    2      3
 *
 * A row of activations is 64 int8 or 32 bfloat16 inputs of a token; a row of weights holds for each
 * of the 16 rows of a panel the next 4 unsigned octets or the next 2 bfloat16. Each product is one
 * asm statement, so that the order is the one that was measured.
 *
 * In assembler, because the intrinsics of compilers (gcc 12: amxtileintrin.h) do not say that a
 * tile is loaded from memory: stores to it may be moved below the load. Here every statement is
 * volatile and says that it reads and writes memory. A thread has no tiles until it configures
 * them; using one then ends the process (#UD). tests/kernels/tiles.c executes these instructions on
 * processors that have none. Source: Intel SDM volume 2, LDTILECFG, TILELOADD, TDPBSUD, TDPBF16PS;
 * volume 1, 18.
 *
 * Only static functions: a file that includes this is built for AMX.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_AMX_TILES_H
#define WH_KERNELS_AMX_TILES_H

/* clang before 16 has them without the inner underscore */
#if !(defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AMX_BF16__)) &&                  \
    !(defined(__AMXTILE__) && defined(__AMXINT8__) && defined(__AMXBF16__))
#error "build this file with -mamx-tile -mamx-int8 -mamx-bf16"
#endif

#include <stddef.h>
#include <stdint.h>

#define WH_TILE_BYTES 1024 /* 16 rows of 64 octets */

typedef struct wh_tiles_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} wh_tiles_config;
_Static_assert(sizeof(wh_tiles_config) == 64, "what ldtilecfg reads");

/* Tiles for `first` and `second` tokens, 1..16 each; the contents of all tiles are 0 then. */
static inline void wh_tiles_configure(size_t first, size_t second)
{
    const size_t rows[8] = { first, first, second, second, first, second, 16, 16 };
    wh_tiles_config c = { .palette = 1 };
    for (size_t i = 0; i < 8; i++) {
        c.rows[i] = (uint8_t)rows[i];
        c.row_bytes[i] = 64;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(c) : "memory");
}

/* The thread has no tiles any more, and the system none to save. */
static inline void wh_tiles_release(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

static inline void wh_tiles_zero(void)
{
    __asm__ volatile("tilezero %%tmm0\n\t"
                     "tilezero %%tmm1\n\t"
                     "tilezero %%tmm2\n\t"
                     "tilezero %%tmm3"
                     :
                     :
                     : "memory");
}

/* The sums, 64-byte rows: [block of tokens][panel][token 0..15][16], each a tile further. */
static inline void wh_tiles_store(void *sums)
{
    char *at = sums;
    __asm__ volatile("tilestored %%tmm0, (%0,%4,1)\n\t"
                     "tilestored %%tmm1, (%1,%4,1)\n\t"
                     "tilestored %%tmm2, (%2,%4,1)\n\t"
                     "tilestored %%tmm3, (%3,%4,1)"
                     :
                     : "r"(at), "r"(at + WH_TILE_BYTES), "r"(at + 2 * WH_TILE_BYTES),
                       "r"(at + 3 * WH_TILE_BYTES), "r"((size_t)64)
                     : "memory");
}

/* Two tiles of activations a times two of weights b, added to the sums. */
#define WH_TILES_PRODUCT(product, a0, a1, b0, b1)                                                  \
    __asm__ volatile("tileloadd (%2,%4,1), %%tmm6\n\t"                                             \
                     "tileloadd (%0,%4,1), %%tmm4\n\t" product " %%tmm6, %%tmm4, %%tmm0\n\t"       \
                     "tileloadd (%3,%4,1), %%tmm7\n\t" product " %%tmm7, %%tmm4, %%tmm1\n\t"       \
                     "tileloadd (%1,%4,1), %%tmm5\n\t" product                                     \
                     " %%tmm6, %%tmm5, %%tmm2\n\t" product " %%tmm7, %%tmm5, %%tmm3"               \
                     :                                                                             \
                     : "r"(a0), "r"(a1), "r"(b0), "r"(b1), "r"((size_t)64)                         \
                     : "memory")

/* int8 activations, unsigned weights: 64 inputs; sums of int32 that wrap. */
static inline void wh_tiles_int8(const void *a0, const void *a1, const void *b0, const void *b1)
{
    WH_TILES_PRODUCT("tdpbsud", a0, a1, b0, b1);
}

/* bfloat16 both: 32 inputs; sums of float32. */
static inline void wh_tiles_bf16(const void *a0, const void *a1, const void *b0, const void *b1)
{
    WH_TILES_PRODUCT("tdpbf16ps", a0, a1, b0, b1);
}

/* The same four products of what the tiles hold, without loads: what the unit does at most. */
static inline void wh_tiles_int8_held(void)
{
    __asm__ volatile("tdpbsud %%tmm6, %%tmm4, %%tmm0\n\t"
                     "tdpbsud %%tmm7, %%tmm4, %%tmm1\n\t"
                     "tdpbsud %%tmm6, %%tmm5, %%tmm2\n\t"
                     "tdpbsud %%tmm7, %%tmm5, %%tmm3"
                     :
                     :
                     : "memory");
}

static inline void wh_tiles_bf16_held(void)
{
    __asm__ volatile("tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
                     "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
                     "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
                     "tdpbf16ps %%tmm7, %%tmm5, %%tmm3"
                     :
                     :
                     : "memory");
}

#endif
