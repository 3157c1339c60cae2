/* src/kernels/probe_amx.c - the products of the tiles of AMX, of what the tiles hold.
 *
 * Four sums cover the latency of the instruction, and the compiler sees into none of it.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/amx_tiles.h"
#include "kernels/probe.h"

#include <string.h>

#include "kernels/inline.h"

typedef void products_fn(void);

/* 4 tiles of sums, read out at the end so that the rounds have a result. */
static WH_INLINE uint64_t run(size_t rounds, const void *operands, products_fn *products)
{
    _Alignas(64) uint64_t sums[4 * WH_TILE_BYTES / 8];
    uint64_t digest = 0;
    wh_tiles_configure(16, 16);
    wh_tiles_zero();
    wh_tiles_int8(operands, operands, operands, operands); /* loads them */
    wh_tiles_zero();
    for (size_t i = 0; i < rounds; i++) products();
    wh_tiles_store(sums);
    wh_tiles_release();
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) digest += sums[i];
    return digest;
}

uint64_t wh_probe_int8_amx(size_t rounds)
{
    _Alignas(64) uint8_t operands[WH_TILE_BYTES];
    memset(operands, 3, sizeof operands);
    return run(rounds, operands, wh_tiles_int8_held);
}

uint64_t wh_probe_bf16_amx(size_t rounds)
{
    _Alignas(64) uint16_t operands[WH_TILE_BYTES / 2];
    for (size_t i = 0; i < WH_TILE_BYTES / 2; i++) operands[i] = 0x3f80; /* 1 */
    return run(rounds, operands, wh_tiles_bf16_held);
}
