/* src/base/isa.c - the instruction set that the library uses in this process.
 *
 * Only the highest level that some code is written for is reported, so that a report never claims
 * more than what ran. Not here: detection and the rules of WHIT_ISA (cpu.c).
 *
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"

#include <stdlib.h>

/* Lowest first. A level joins when the first encoder or kernel for it does. */
static const struct {
    const char *name;
    uint32_t needs;
} used[] = {
    { "scalar", 0 },
#ifdef WH_BUILD_X86
    { "avx2", WH_ISA_AVX2 },
    { "avxvnni", WH_ISA_AVX2 | WH_ISA_AVXVNNI },
    { "avx512", WH_ISA_AVX2 | WH_ISA_AVX512 },
    { "avx512vnni", WH_ISA_AVX2 | WH_ISA_AVX512 | WH_ISA_AVX512VNNI },
    { "amx", WH_ISA_AVX2 | WH_ISA_AVX512 | WH_ISA_AVX512VNNI | WH_ISA_AMX },
#endif
#ifdef WH_BUILD_ARM64
    { "neon", WH_ISA_NEON },
    { "dotprod", WH_ISA_NEON | WH_ISA_DOTPROD },
    { "i8mm", WH_ISA_NEON | WH_ISA_DOTPROD | WH_ISA_I8MM },
#endif
};

whit_status wh_isa_allowed(uint32_t *allowed, whit_error *err)
{
    return wh_cpu_allowed(wh_cpu_features(), getenv("WHIT_ISA"), allowed, err);
}

size_t wh_isa_choose(size_t count, uint32_t (*needs)(size_t i))
{
    size_t best = 0;
    uint32_t allowed;
    (void)wh_isa_allowed(&allowed, NULL); /* refused: 0, the reference */
    for (size_t i = 1; i < count; i++)
        if (!(needs(i) & ~allowed)) best = i;
    return best;
}

whit_status whit_isa(const char **name, whit_error *err)
{
    uint32_t allowed;
    *name = used[0].name;
    whit_status st = wh_isa_allowed(&allowed, err);
    if (st != WHIT_OK) return st;
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        if (!(used[i].needs & ~allowed)) *name = used[i].name;
    return WHIT_OK;
}
