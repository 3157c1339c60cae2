/* src/base/cpu.h - instruction-set levels: what this CPU and system offer, and the WHIT_ISA cap.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_CPU_H
#define WH_BASE_CPU_H

#include "base/error.h"

enum {
    WH_ISA_AVX2 = 1 << 0, /* with FMA and F16C */
    WH_ISA_AVXVNNI = 1 << 1,
    WH_ISA_AVX512 = 1 << 2,     /* F BW VL DQ */
    WH_ISA_AVX512VNNI = 1 << 3, /* with VBMI */
    WH_ISA_AMX = 1 << 4,        /* tile, int8, bf16, the system's permission; AVX512-BF16 */
    WH_ISA_SHANI = 1 << 5,      /* SHA-256; no level of its own: every one from avx2 on allows it */
    WH_ISA_NEON = 1 << 8,
    WH_ISA_DOTPROD = 1 << 9,
    WH_ISA_I8MM = 1 << 10
};

/* Mask of what the CPU has and the operating system saves. */
uint32_t wh_cpu_features(void);

/* What an x86 CPU says: registers of CPUID leaves 1, 7.0 and 7.1, and XCR0 (0 without OSXSAVE). */
typedef struct wh_cpu_x86 {
    uint32_t ecx_1, ebx_7, ecx_7, edx_7, eax_7_1;
    uint64_t saved;
} wh_cpu_x86;

/* Pure: the mask of such a CPU. permitted() asks the system for the tiles of AMX, only where all
 * else is there; refused, the level does not exist. */
uint32_t wh_cpu_x86_features(const wh_cpu_x86 *x, int (*permitted)(void));

/*
 * Pure: the mask allowed under a cap (the value of WHIT_ISA, or NULL for none).
 * A cap can only lower. WHIT_ERR_ARG: no such level, or the CPU lacks it.
 */
whit_status wh_cpu_allowed(uint32_t cpu, const char *cap, uint32_t *allowed, whit_error *err);

/* What this process may use: this CPU under WHIT_ISA of the environment (isa.c). Errors as above;
 * then *allowed is 0, which leaves the reference variants. err may be NULL. */
whit_status wh_isa_allowed(uint32_t *allowed, whit_error *err);

/* Which of `count` variants serves this process: the last one whose needs it may use. Slowest
 * first; [0] needs nothing, and serves too where WHIT_ISA is refused. */
size_t wh_isa_choose(size_t count, uint32_t (*needs)(size_t i));

/* The two functions of a table `variants` of pointers to a type that has such needs: all of it, for
 * tests, and the one that serves. */
#define WH_ISA_TABLE(type, stem)                                                                   \
    const type *const *stem##_variants(size_t *count)                                              \
    {                                                                                              \
        *count = sizeof variants / sizeof variants[0];                                             \
        return variants;                                                                           \
    }                                                                                              \
    static uint32_t needs_of(size_t i)                                                             \
    {                                                                                              \
        return variants[i]->needs;                                                                 \
    }                                                                                              \
    const type *stem##_select(void)                                                                \
    {                                                                                              \
        return variants[wh_isa_choose(sizeof variants / sizeof variants[0], needs_of)];            \
    }

#endif
