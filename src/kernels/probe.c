/* src/kernels/probe.c - the table of the probes.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/probe.h"

#include <string.h>

#include "base/cpu.h"

/* clang-format off */
static const wh_probe table[] = {
    { WH_PROBE_READ, "read_scalar", "scalar", 0, wh_probe_read_scalar, NULL, 0 },
#ifdef WH_BUILD_X86
    { WH_PROBE_READ, "read_avx2", "avx2", WH_ISA_AVX2, wh_probe_read_avx2, NULL, 0 },
    { WH_PROBE_READ, "read_avx512", "avx512", WH_ISA_AVX512, wh_probe_read_avx512, NULL, 0 },
#endif
#ifdef WH_BUILD_ARM64
    { WH_PROBE_READ, "read_neon", "neon", WH_ISA_NEON, wh_probe_read_neon, NULL, 0 },
#endif
    { WH_PROBE_FMA, "fma_scalar", "scalar", 0, NULL, wh_probe_fma_scalar, 8 * 2 },
#ifdef WH_BUILD_X86
    { WH_PROBE_FMA, "fma_avx2", "avx2", WH_ISA_AVX2, NULL, wh_probe_fma_avx2, 12 * 8 * 2 },
    { WH_PROBE_FMA, "fma_avx512", "avx512", WH_ISA_AVX512, NULL, wh_probe_fma_avx512, 12 * 16 * 2 },
#endif
#ifdef WH_BUILD_ARM64
    { WH_PROBE_FMA, "fma_neon", "neon", WH_ISA_NEON, NULL, wh_probe_fma_neon, 12 * 4 * 2 },
#endif
    { WH_PROBE_INT8, "mul_scalar", "scalar", 0, NULL, wh_probe_int8_scalar, 8 * 2 },
#ifdef WH_BUILD_X86
    { WH_PROBE_INT8, "maddubs_avx2", "avx2", WH_ISA_AVX2, NULL, wh_probe_int8_avx2, 8 * 32 * 2 },
    { WH_PROBE_INT8, "dpbusd_avxvnni", "avxvnni", WH_ISA_AVXVNNI, NULL, wh_probe_int8_avxvnni,
      12 * 32 * 2 },
    { WH_PROBE_INT8, "maddubs_avx512", "avx512", WH_ISA_AVX512, NULL, wh_probe_int8_avx512,
      8 * 64 * 2 },
    { WH_PROBE_INT8, "dpbusd_avx512vnni", "avx512vnni", WH_ISA_AVX512VNNI, NULL, wh_probe_int8_avx512vnni,
      12 * 64 * 2 },
    { WH_PROBE_INT8, "tdpbsud_amx", "amx", WH_ISA_AMX, NULL, wh_probe_int8_amx, 4 * 16 * 16 * 64 * 2 },
#endif
#ifdef WH_BUILD_ARM64
    { WH_PROBE_INT8, "smull_neon", "neon", WH_ISA_NEON, NULL, wh_probe_int8_neon, 8 * 8 * 2 },
    { WH_PROBE_INT8, "sdot_dotprod", "dotprod", WH_ISA_DOTPROD, NULL, wh_probe_int8_dotprod,
      12 * 16 * 2 },
    { WH_PROBE_INT8, "usmmla_i8mm", "i8mm", WH_ISA_I8MM, NULL, wh_probe_int8_i8mm, 12 * 32 * 2 },
#endif
#ifdef WH_BUILD_X86
    { WH_PROBE_INT4, "maddubs4_avx2", "avx2", WH_ISA_AVX2, NULL, wh_probe_int4_avx2, 4 * 4 * 32 * 2 },
    { WH_PROBE_INT4, "maddubs4_avx512", "avx512", WH_ISA_AVX512, NULL, wh_probe_int4_avx512,
      4 * 4 * 64 * 2 },
    { WH_PROBE_BF16, "tdpbf16ps_amx", "amx", WH_ISA_AMX, NULL, wh_probe_bf16_amx, 4 * 16 * 16 * 32 * 2 },
#endif
};
/* clang-format on */

#define HAS_AVX2 ((uint32_t)WH_ISA_AVX2)
#define HAS_AVX512 (HAS_AVX2 | WH_ISA_AVX512)
#define HAS_AVX512VNNI (HAS_AVX512 | WH_ISA_AVX512VNNI)

/* What a CPU has for sure that runs code of a level. */
static const struct {
    const char *isa;
    uint32_t has;
} levels[] = {
    { "scalar", 0 },
    { "avx2", HAS_AVX2 },
    { "avxvnni", HAS_AVX2 | WH_ISA_AVXVNNI },
    { "avx512", HAS_AVX512 },
    { "avx512vnni", HAS_AVX512VNNI },
    { "amx", HAS_AVX512VNNI | WH_ISA_AMX },
    { "neon", WH_ISA_NEON },
    { "dotprod", WH_ISA_NEON | WH_ISA_DOTPROD },
    { "i8mm", WH_ISA_NEON | WH_ISA_DOTPROD | WH_ISA_I8MM },
};

const wh_probe *wh_probe_table(size_t *count)
{
    *count = sizeof table / sizeof table[0];
    return table;
}

const wh_probe *wh_probe_for(wh_probe_kind kind, const char *isa)
{
    const wh_probe *found = NULL;
    uint32_t has = 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].isa, isa) == 0) has = levels[i].has;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].kind == kind && !(table[i].needs & ~has)) found = &table[i];
    if (kind != WH_PROBE_INT4) return found;
    /* where there is a dot product in one instruction the shortcut has no meaning */
    return found && strcmp(found->isa, isa) == 0 ? found : wh_probe_for(WH_PROBE_INT8, isa);
}
