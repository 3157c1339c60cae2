/* src/kernels/probe.h - what this machine can do at most: loops that only read, or only compute.
 *
 * A measured kernel is compared with them in the same process and minute. They follow the cap of
 * WHIT_ISA like kernels do, so that a capped kernel is compared with what its level can do.
 *
 *   read   four streams over four slices of the buffer, every octet once
 *   fma    fused multiply-adds of float32 in registers
 *   int8   products of int8 (unsigned times signed where the CPU has that), summed in int32
 *   int4   the same where four products of 4-bit codes may meet in 16 bits first
 *   bf16   products of bfloat16, summed in float32, where there are tiles of them
 *
 * Each loop keeps enough independent sums to cover the latency of its instruction. Source: none;
 * the instruction sequences are those of the kernels.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_PROBE_H
#define WH_KERNELS_PROBE_H

#include <stddef.h>
#include <stdint.h>

typedef enum wh_probe_kind {
    WH_PROBE_READ,
    WH_PROBE_FMA,
    WH_PROBE_INT8,
    WH_PROBE_INT4,
    WH_PROBE_BF16,
    WH_PROBE_KINDS
} wh_probe_kind;

#define WH_PROBE_UNIT 4096 /* octets to read are a multiple of it */

/* Returns a digest of what was read, so that no compiler leaves the reading out. */
typedef uint64_t wh_probe_read_fn(const void *data, size_t bytes);
/* Runs the loop so often; returns a digest of its sums. */
typedef uint64_t wh_probe_ops_fn(size_t rounds);

typedef struct wh_probe {
    wh_probe_kind kind;
    const char *name; /* instruction and level: "fma_avx2", "dpbusd_avx512vnni", .. */
    const char *isa;
    uint32_t needs; /* WH_ISA_* */
    wh_probe_read_fn *read;
    wh_probe_ops_fn *ops;
    unsigned round_ops; /* operations of a round: a multiplication and an addition are two */
} wh_probe;

/* All of this build: by kind, then slowest first. The first of a kind, but int4 and bf16, is plain
 * C. */
const wh_probe *wh_probe_table(size_t *count);

/* The probe that a kernel of the level `isa` is to be held against: of that level, or of the
 * nearest below it in the table of the kind. int4 falls back to int8; NULL for bf16 below amx. */
const wh_probe *wh_probe_for(wh_probe_kind kind, const char *isa);

wh_probe_read_fn wh_probe_read_scalar, wh_probe_read_avx2, wh_probe_read_avx512, wh_probe_read_neon;
wh_probe_ops_fn wh_probe_fma_scalar, wh_probe_fma_avx2, wh_probe_fma_avx512, wh_probe_fma_neon;
wh_probe_ops_fn wh_probe_int8_scalar, wh_probe_int8_avx2, wh_probe_int8_avxvnni,
    wh_probe_int8_avx512vnni, wh_probe_int8_neon, wh_probe_int8_dotprod, wh_probe_int8_i8mm;
wh_probe_ops_fn wh_probe_int8_avx512, wh_probe_int4_avx2, wh_probe_int4_avx512;
wh_probe_ops_fn wh_probe_int8_amx, wh_probe_bf16_amx;

#endif
